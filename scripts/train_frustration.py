"""Train the frustration model on the sentences in ``scripts/data/frustration`` and write a model folder.

    python scripts/train_frustration.py [--out models/frustration-1]

Recipe and calibration of a language are chosen by cross-validation on its training sentences; the held-out sentences
are not read. ``scripts/evaluate_frustration.py`` then measures and writes the card.
"""

import argparse
import hashlib
import io
from importlib.resources import files
from pathlib import Path

import numpy as np
from frustration_fit import DATA, fit_calibrated, read_sentences, tabulate

from voicepipe.speech.frustration import HASH_BITS
from voicepipe.speech.frustration_cues import FEATURES, LANGUAGES, CueReader
from voicepipe.speech.model_folder import FORMAT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "models" / "frustration-1")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    arrays: dict[str, np.ndarray] = {}
    recipes = {}
    for language in LANGUAGES:
        sentences = read_sentences(DATA / f"train.{language}.tsv")
        weights, recipes[language] = fit_calibrated(tabulate(sentences, CueReader(language)), seed=args.seed)
        arrays[f"{language}_intercept"] = np.array(weights.intercept)
        arrays[f"{language}_features"] = weights.features.round(4)
        arrays[f"{language}_spelling"] = weights.spelling.astype(np.float16)
        print(f"{language}: {len(sentences)} sentences, {recipes[language]}")
    args.out.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    (args.out / "weights.npz").write_bytes(content.getvalue())
    lines = [
        f"format = {FORMAT}",
        f'model_id = "{args.out.name}"',
        'licence = "Apache-2.0; trained on sentences written for this project"',
        f"seed = {args.seed}",
        f"hash_bits = {HASH_BITS}",
        f"features = [{', '.join(repr(name) for name in FEATURES)}]".replace("'", '"'),
        "",
        "[sha256]",
        f'"weights.npz" = "{hashlib.sha256(content.getvalue()).hexdigest()}"',
        "",
        "[trained_with]",
        *(
            f'"{language}.toml" = "{hashlib.sha256(rules_of(language)).hexdigest()}"\n'
            f'"train.{language}.tsv" = "{hashlib.sha256((DATA / f"train.{language}.tsv").read_bytes()).hexdigest()}"'
            for language in LANGUAGES
        ),
    ]
    (args.out / "manifest.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"wrote {args.out}")


def rules_of(language: str) -> bytes:
    return (files("voicepipe.speech") / "frustration_rules" / f"{language}.toml").read_bytes()


if __name__ == "__main__":
    main()

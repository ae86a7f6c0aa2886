"""Train the stress model from a folder of corpora and write a model folder.

    python scripts/train_stress.py --corpora DIR --whisper DIR --out models/NAME [--noise DIR] [--music DIR]

The folder holds corpora with a ``manifest.csv`` each, or CREMA-D as published. Features are computed through the
product's own path and cached; a second run with the same cache takes minutes. With ``--folds DIR`` the models of the
speaker-disjoint folds are written, too: each a full model folder with the list of speakers it has not heard.
"""

import argparse
import hashlib
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from seal_model import seal
from stress_calls import MIN_CALM_CLIPS, MIN_STRESSED_CLIPS, Scenario, build_call, voices_of
from stress_corpora import read_corpora
from stress_features import cache_features
from stress_fit import Recipe
from stress_folds import (
    MAIN_CONDITION,
    Data,
    Fitted,
    Scored,
    calibration_of,
    first_scores,
    fit_speakers,
    load_data,
    merged,
    score_calls,
    speaker_folds,
    stress_of,
    without_fold,
    write_model,
)
from stress_graph import to_onnx
from stress_model import Inputs, calls_of, draw_calls, inputs_of_calls, rows_of, unheard
from stress_telephone import read_backgrounds

from voicepipe.onnx_graphs import session_of
from voicepipe.stress.baseline import READY_SPEECH_S
from voicepipe.stress.calm import CalmKind, CalmReference
from voicepipe.stress.scorer import MATURITY_HALF_S

TEST_DRAWS = 3
"""How often every utterance of a held-out speaker is scored in simulated calls, for the calibration."""
CALM_CALLS = 3
"""Calm calls of each held-out speaker, for the calm reference."""
READY_MATURITY = READY_SPEECH_S / (READY_SPEECH_S + MATURITY_HALF_S)


def main() -> None:
    args = _arguments()
    clips = read_corpora(args.corpora)
    backgrounds = read_backgrounds(noise=args.noise, music=args.music)
    for condition in (MAIN_CONDITION, *args.conditions):
        cache_features(clips, condition=condition, cache=args.cache, whisper=args.whisper, backgrounds=backgrounds)
    data = load_data(clips, conditions=args.conditions, cache=args.cache)
    recipe = Recipe()
    folds = speaker_folds(data.label, count=args.fold_count, seed=args.seed)

    parts: list[Scored] = []
    calm_parts: list[Scored] = []
    fold_models: list[Fitted] = []
    for fold in range(args.fold_count):
        model = fit_speakers(
            data, speakers=np.unique(data.label.speaker[folds != fold]), recipe=recipe, draws=args.draws, seed=args.seed
        )
        fold_models.append(model)
        mine = folds == fold
        told = np.zeros(len(folds))
        told[mine] = first_scores(model, rows_of(data.table, mine), rows_of(data.label, mine))
        parts.append(_score_held_out(model, data, mine, told=told, fold=fold, seed=args.seed))
        calm_parts += _score_calm_calls(model, data, mine, told=told, fold=fold, seed=args.seed)
        print(f"fold {fold}: {np.count_nonzero(mine)} utterances held out", flush=True)
    if not calm_parts:
        raise SystemExit(
            f"{args.corpora}: no speaker has {MIN_CALM_CLIPS} calm and {MIN_STRESSED_CLIPS} stressed clips, so no "
            "calm calls can be built; add speakers with more clips."
        )
    scored, calm = merged(parts), merged(calm_parts)

    both, alone = calibration_of(scored, data.label)
    final = fit_speakers(data, speakers=np.unique(data.label.speaker), recipe=recipe, draws=args.draws, seed=args.seed)
    final = Fitted(heads=final.heads.calibrated(both=both, alone=alone), norms=final.norms)
    check_graph(final, data)
    whisper_sha256 = hashlib.sha256((args.whisper / "model.bin").read_bytes()).hexdigest()
    corpora = sorted({clip.corpus for clip in clips})
    write_model(final, args.out, model_id=args.out.name, corpora=corpora, seed=args.seed, whisper_sha256=whisper_sha256)
    save_reference(calm_reference(calm, data, calibrations=(both, alone)), args.out)
    print(f"wrote {args.out}", flush=True)
    if args.folds is not None:
        for fold, model in enumerate(fold_models):
            others = without_fold(scored, fold)
            cross = calibration_of(others, data.label)
            folder = args.folds / str(fold)
            write_model(
                Fitted(heads=model.heads.calibrated(both=cross[0], alone=cross[1]), norms=model.norms),
                folder,
                model_id=f"{args.out.name}-fold{fold}",
                corpora=corpora,
                seed=args.seed,
                whisper_sha256=whisper_sha256,
            )
            save_reference(calm_reference(without_fold(calm, fold), data, calibrations=cross), folder)
            held_out = sorted(set(data.label.speaker[folds == fold].tolist()))
            (folder / "held_out.txt").write_text("\n".join(held_out) + "\n", encoding="utf-8")
        _write_out_of_fold(args.folds.parent / "oof.npz", scored, data, calibrations=(both, alone))


def check_graph(model: Fitted, data: Data) -> None:
    """Run the ONNX graph on real utterances and compare it with the fitted heads.

    Raises
    ------
    RuntimeError
        If they differ by more than rounding.
    """
    table, labels = data.table, data.label
    calls = draw_calls(labels, rng=np.random.default_rng(0))
    rows, inputs = inputs_of_calls(table, calls, scores=np.zeros(len(table.clip)), norms=model.norms)
    session = session_of(to_onnx(model.heads))
    for i in range(0, len(rows), max(1, len(rows) // 50)):
        for present in (0.0, 1.0):
            feeds = {name: getattr(inputs, name)[i : i + 1] for name in Inputs.__slots__ if name != "present"}
            feeds["present"] = np.asarray([[present]], np.float32)
            written = session.run(["stress"], feeds)[0][0, 0]
            one = rows_of(inputs, np.asarray([i]))
            fitted = model.heads.stress_prob(one, with_embedding=bool(present))[0]
            if abs(written - fitted) > 1e-4:
                raise RuntimeError(f"row {i}: the graph gives {written}, the heads {fitted}")


def calm_reference(calm: Scored, data: Data, *, calibrations: tuple) -> CalmReference:
    """Gather what held-out speakers' calm calls score, by kind of baseline and with or without embedding."""
    callers = data.label.voice[calm.rows]
    samples = {}
    for kind in CalmKind:
        ready, embedded = "ready" in kind.value, "prosody" not in kind.value
        calibration = calibrations[0] if embedded else calibrations[1]
        rows = (calm.maturity >= READY_MATURITY) == ready
        logit = stress_of(calm, calibration, alone=not embedded)[rows]
        samples[kind] = (1.0 / (1.0 + np.exp(-logit)), callers[rows].tolist())
    return CalmReference.measure(samples)


def save_reference(reference: CalmReference, folder: Path) -> None:
    """Put a calm reference into a model folder, and its hash into the manifest."""
    with (folder / "calm.npz").open("wb") as file:
        reference.save(file)
    seal(folder)


def _score_held_out(model: Fitted, data: Data, mine: np.ndarray, *, told: np.ndarray, fold: int, seed: int) -> Scored:
    """Score simulated calls of held-out speakers, whose baselines are `told` a score of each row."""
    table, labels = rows_of(data.table, mine), rows_of(data.label, mine)
    rng = np.random.default_rng([seed, fold])
    calls = [unheard(labels), *(draw_calls(labels, rng=rng) for _ in range(TEST_DRAWS))]
    scored = merged([score_calls(model, table, one, weights=told[mine], fold=fold) for one in calls])
    index = np.flatnonzero(mine)
    return Scored(
        rows=index[scored.rows],
        raw=scored.raw,
        raw_alone=scored.raw_alone,
        maturity=scored.maturity,
        fold=scored.fold,
    )


def _score_calm_calls(
    model: Fitted, data: Data, mine: np.ndarray, *, told: np.ndarray, fold: int, seed: int
) -> list[Scored]:
    """Score calm calls, whose baselines know nothing but calm speech; nothing if no speaker has the clips for one."""
    rng = np.random.default_rng([seed, fold, 1])
    fold_of = dict.fromkeys(data.label.speaker[mine].tolist(), fold)
    voices = voices_of(data.clips, data.table, fold_of=fold_of)
    built = [build_call(voice, Scenario.CALM, rng=rng).rows for voice in voices for _ in range(CALM_CALLS)]
    if not built:
        return []
    return [score_calls(model, data.table, calls_of(built), weights=told, fold=fold)]


def _write_out_of_fold(path: Path, scored: Scored, data: Data, *, calibrations: tuple) -> None:
    labels = rows_of(data.label, scored.rows)
    of_clip = data.table.clip[scored.rows]
    np.savez(
        path,
        corpus=labels.corpus,
        speaker=labels.speaker,
        voice=labels.voice,
        gender=labels.gender,
        emotion=np.asarray([data.clips[i].emotion or "" for i in of_clip]),
        clip=np.asarray([data.clips[i].file for i in of_clip]),
        speech_s=data.table.speech_s[scored.rows],
        maturity=scored.maturity,
        fold=scored.fold,
        stress=1.0 / (1.0 + np.exp(-stress_of(scored, calibrations[0]))),
        stress_prosody=1.0 / (1.0 + np.exp(-stress_of(scored, calibrations[1], alone=True))),
    )
    print(f"wrote {path}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True, help="folder with one subfolder for each corpus")
    parser.add_argument(
        "--whisper", type=Path, required=True, help="folder of the Whisper model whose embedding is used"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="model folder to write; its name becomes the model's id"
    )
    parser.add_argument("--cache", type=Path, default=Path(".cache/stress"), help="where features are kept")
    parser.add_argument("--noise", type=Path, default=None, help="recordings of noise for the line simulation")
    parser.add_argument("--music", type=Path, default=None, help="recordings of hold music for the line simulation")
    parser.add_argument(
        "--conditions",
        nargs="*",
        default=["line1", "line2"],
        help="line conditions to train on beside mulaw (default: line1 line2)",
    )
    parser.add_argument("--folds", type=Path, default=None, help="folder to write the fold models to")
    parser.add_argument("--fold-count", type=int, default=8)
    parser.add_argument("--draws", type=int, default=3, help="simulated baselines for each utterance and condition")
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args()


if __name__ == "__main__":
    main()

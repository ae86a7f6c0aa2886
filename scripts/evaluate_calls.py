"""Measure false reroutes, misses and delay on calls of unseen speakers, against three simpler detectors.

    python scripts/evaluate_calls.py CORPORA --cache CACHE --folds FOLDS --out models/NAME

Every speaker is scored by the fold's model that has not heard it (``FOLDS/<k>/``: a model folder with a list of its
held-out speakers in ``held_out.txt``), in the order of the call, with the real baseline and the real detector. The calm
reference comes with the fold's model: it was measured on the speakers of the *other* folds. CACHE is what
``train_stress.py`` left behind: features of every clip under each line condition; those of prompts are left behind by
``evaluate_stress.py``. Writes ``calls.json``, ``calls.md`` and ``calls.svg`` to OUT.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from calls_measures import BUDGETS, at_budgets, curves, differences, mood_share, per_scenario, runs
from calls_page import curve_svg, report
from calls_study import CALM_SCENARIOS, QUIET_SCENARIOS, Study, scores_of
from stress_calls import BuiltCall, Scenario, Voice, build_call, running_evidence, score_call, voices_of
from stress_corpora import prompt_clips, read_corpora
from stress_features import load_features

from voicepipe.stress.episode import EpisodeConfig
from voicepipe.stress.scorer import OnnxStressScorer

CALLS_PER_VOICE = {
    Scenario.CALM: 24,
    Scenario.OUTBURST: 12,
    Scenario.HAPPY: 4,
    Scenario.SETS_IN: 6,
    Scenario.COMES_AND_GOES: 6,
    Scenario.SAD: 4,
}
"""Calls of each speaker, over all line conditions."""
WAYS = {"with the embedding": True, "prosody alone": False}
"""How calls are scored."""
PROMPT_CALLS = 60
"""Calls of each speaker of prompts."""


def build_calls(voices: Sequence[Voice], *, per_voice: Mapping[Scenario, int], seed: int) -> list[BuiltCall]:
    """Return the calls to be judged."""
    rng = np.random.default_rng(seed)
    judged = [
        build_call(voice, scenario, rng=rng)
        for scenario, count in per_voice.items()
        for voice in voices
        for _ in range(count)
    ]
    return [call for call in judged if not call.scenario.stressed or call.stressed.any()]


def run_study(
    calls: Sequence[BuiltCall],
    scorers: Mapping[int, OnnxStressScorer],
    *,
    config: EpisodeConfig,
    with_embedding: bool,
) -> Study:
    """Score calls, each by the model and the reference that have not heard the caller."""
    references = {fold: scorer.profile.calm_reference() for fold, scorer in scorers.items()}
    scored = tuple(
        score_call(
            call,
            scorer=scorers[call.voice.fold],
            reference=references[call.voice.fold],
            config=config,
            with_embedding=with_embedding,
        )
        for call in calls
    )
    return Study(calls=scored, references=references, config=config)


def folds_of(root: Path) -> tuple[dict[str, int], dict[int, OnnxStressScorer]]:
    """Read which fold holds which speaker out, and load the folds' models."""
    fold_of: dict[str, int] = {}
    scorers: dict[int, OnnxStressScorer] = {}
    for folder in sorted(path for path in root.iterdir() if (path / "held_out.txt").is_file()):
        fold = int(folder.name)
        scorers[fold] = OnnxStressScorer(folder)
        for line in (folder / "held_out.txt").read_text(encoding="utf-8").split("\n"):
            if line.strip():
                fold_of[line.strip()] = fold
    if len(scorers) < 2:
        raise SystemExit(f"{root} holds {len(scorers)} fold models; two are needed, so that a reference is of others")
    return fold_of, scorers


def main(argv: Sequence[str] | None = None) -> None:
    """Run the evaluation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--folds", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--conditions", default="mulaw", help="line conditions in the cache, separated by commas")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of calls")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--prompts", type=Path, nargs="*", default=[], help="folders of calm prompts with a manifest.csv"
    )
    args = parser.parse_args(argv)

    clips = read_corpora(args.corpora)
    fold_of, scorers = folds_of(args.folds)
    voices = []
    for condition in args.conditions.split(","):
        table = load_features(clips, condition=condition, cache=args.cache)
        voices += voices_of(clips, table, fold_of=fold_of)
    lines = len(args.conditions.split(","))
    per_voice = {scenario: max(1, round(n * args.scale / lines)) for scenario, n in CALLS_PER_VOICE.items()}
    judged = build_calls(voices, per_voice=per_voice, seed=args.seed)
    config = EpisodeConfig()
    studies: dict[str, Study] = {}
    for name, with_embedding in WAYS.items():
        began = time.monotonic()
        studies[name] = run_study(judged, scorers, config=config, with_embedding=with_embedding)
        print(f"{name}: {len(studies[name].calls)} calls in {time.monotonic() - began:.0f} s", flush=True)
    figures = {name: summary(study) for name, study in studies.items()}
    figures["prompts"] = [
        row for folder in args.prompts for row in on_prompts(folder, model=args.out, cache=args.cache)
    ]
    figures["made with"] = {"conditions": args.conditions, "seed": args.seed, "scale": args.scale}
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "calls.json").write_text(json.dumps(_without_infinity(figures), indent=1) + "\n", encoding="utf-8")
    text = report(figures)
    (args.out / "calls.md").write_text(text, encoding="utf-8")
    (args.out / "calls.svg").write_text(
        curve_svg(figures["with the embedding"]["matched"][0]["curves"]), encoding="utf-8"
    )
    print(text)


def on_prompts(folder: Path, *, model: Path, cache: Path) -> list[dict[str, Any]]:
    """Run the shipped model over calls of calm telephone prompts, with and without the embedding."""
    table = load_features(prompt_clips(folder), condition="mulaw", cache=cache / "prompts")
    rows = {"neutral": np.flatnonzero(table.speech_s > 0.0)}
    voice = Voice(name=folder.name, corpus=folder.name, fold=0, rows=rows, table=table)
    scorers = {0: OnnxStressScorer(model)}
    calls = build_calls([voice], per_voice={Scenario.CALM: PROMPT_CALLS}, seed=0)
    out = []
    for scored, with_embedding in WAYS.items():
        study = run_study(calls, scorers, config=EpisodeConfig(), with_embedding=with_embedding)
        reference = study.references[0]
        evidence = [running_evidence(one, reference=reference, config=study.config) for one in study.calls]
        out.append(
            {
                "prompts": folder.name,
                "scored": scored,
                "calls": len(calls),
                "hours": sum(call.duration_s for call in calls) / 3600.0,
                "over_half": float(np.mean(np.concatenate([scores_of(one) for one in study.calls]) > 0.5)),
                "calls_with_alarm": [sum(map(bool, study.opened(study.calls, budget=budget))) for budget in BUDGETS],
                "highest": float(np.max(np.concatenate(evidence))),
                "level": reference.log_level(BUDGETS[-1], embedded=with_embedding),
            }
        )
    return out


def summary(study: Study) -> dict[str, Any]:
    """Return every figure of a study."""
    voices = {one.call.voice.name: one.call.voice.corpus for one in study.calls}
    corpora = list(voices.values())
    utterances = [utterance for one in study.calls for utterance in one.utterances]
    ran = runs(study)
    return {
        "callers": {corpus: corpora.count(corpus) for corpus in sorted(set(corpora))},
        "utterances": len(utterances),
        "utterances_per_call_hour": len(utterances) / sum(one.call.duration_s / 3600.0 for one in study.calls),
        "median_confidence": float(np.median([u.score.confidence for u in utterances if u.score is not None])),
        "mood_share": mood_share(study),
        "speech_share": sum(u.speech_s for u in utterances) / sum(one.call.duration_s for one in study.calls),
        "spread": {
            str(fold): {
                kind.value: [calm.callers, calm.between_sd, calm.within_sd] for kind, calm in reference.kinds.items()
            }
            for fold, reference in study.references.items()
        },
        "budgets": at_budgets(study),
        "scenarios": per_scenario(study),
        "matched": [
            {
                "quiet": [scenario.name.lower() for scenario in quiet],
                "curves": curves(study, ran, quiet=quiet),
                "differences": differences(study, ran, quiet=quiet),
            }
            for quiet in (CALM_SCENARIOS, QUIET_SCENARIOS)
        ],
    }


def _without_infinity(value: Any) -> Any:
    """Replace what JSON cannot say by null."""
    if isinstance(value, dict):
        return {name: _without_infinity(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_infinity(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


if __name__ == "__main__":
    main()

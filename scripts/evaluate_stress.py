"""Measure the stress model on speakers and corpora it has not heard; writes card.md, card.json and reliability.svg.

    python scripts/evaluate_stress.py --model models/NAME --folds DIR --corpora DIR --whisper DIR --cache DIR

`DIR` of ``--folds`` is what ``train_stress.py --folds`` wrote: the same recipe, each fold without its test speakers.
Every utterance is scored by the product's own `OnnxStressScorer`, one after another, with a running baseline.
"""

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from seal_model import seal
from stress_card import write_card
from stress_corpora import EMOTIONS, Clip, prompt_clips, read_corpora
from stress_features import Table, cache_features, load_features
from stress_fit import Recipe
from stress_folds import Data, fit_speakers, load_data, write_model
from stress_measures import (
    Predictions,
    arousal_correlation,
    auc,
    auc_by,
    auc_interval,
    calibration_error,
    calm_over_half,
    hits,
    over_half_by_emotion,
    recalls,
)
from stress_model import Labels, labels_of, rows_of
from stress_telephone import read_backgrounds

from voicepipe.stress.baseline import Baseline
from voicepipe.stress.prosody import PROSODY_VERSION
from voicepipe.stress.scorer import OnnxStressScorer
from voicepipe.types import ProsodyFeatures, StressScore

CONDITIONS = ("pcm", "alaw", "gsm", "amr", "g726", "opus", "noise20", "noise10", "noise5", "music10", "loss5", "quiet")
MOST_OTHERS = 30
"""Utterances of the speaker's own other speech behind a baseline."""
SAMPLE_PER_CORPUS = 80


def main() -> None:
    args = _arguments()
    clips = read_corpora(args.corpora)
    data = load_data(clips, conditions=args.conditions, cache=args.cache)
    table, labels = data.table, data.label
    folds = _fold_models(args.folds)
    baselines: dict[int, Baseline] = {}

    early = _predict(folds, table, labels)
    own = _predict(folds, table, labels, baselines=baselines, seed=args.seed)
    prosody_only = _predict(folds, table, labels, baselines=baselines, embedding=False)
    embedding_only = _predict(folds, table, labels, baselines=baselines, prosody=False)
    print("folds scored", flush=True)

    figures: dict[str, Any] = {
        "model": args.model.name,
        "utterances": len(table.clip),
        "clips": len(clips),
        "clips_without_speech": len(clips) - len(np.unique(table.clip)),
        "stress_auc": {
            name: auc_by(labels, one, labels.corpus)
            for name, one in (
                ("population baseline", early),
                ("own baseline", own),
                ("own baseline, prosody alone", prosody_only),
                ("own baseline, prosody withheld", embedding_only),
            )
        },
        "stress_auc_interval": {
            "population baseline": auc_interval(labels, early, seed=args.seed),
            "own baseline": auc_interval(labels, own, seed=args.seed),
        },
        "emotion_recall": {
            name: recalls(clips, table, labels, one)
            for name, one in (("population baseline", early), ("own baseline", own))
        },
        "by_gender": auc_by(labels, own, labels.gender),
        "by_language": auc_by(labels, own, np.asarray([clips[i].language for i in table.clip])),
        "calibration_error": {
            "population baseline": calibration_error(labels, early),
            "own baseline": calibration_error(labels, own),
        },
        "hits_at_5_pct_false": {
            "population baseline": hits(labels, early),
            "own baseline": hits(labels, own),
        },
        "calm_over_half": {
            "population baseline": calm_over_half(labels, early),
            "own baseline": calm_over_half(labels, own),
        },
        "over_half_by_emotion": over_half_by_emotion(clips, table, early),
        "arousal_correlation": arousal_correlation(labels, own),
    }
    figures["lines"] = _lines(args, clips, folds, early, table, labels)
    figures["prompts"] = _prompts(args)
    print("lines and prompts scored", flush=True)
    figures["leave_one_corpus_out"] = _leave_one_corpus_out(data, seed=args.seed, draws=args.draws, model=args.model)
    write_card(args.model, figures)
    print(
        json.dumps({name: figures[name] for name in ("stress_auc", "emotion_recall", "leave_one_corpus_out")}, indent=1)
    )


def _fold_models(folder: Path) -> dict[str, OnnxStressScorer]:
    """Return, for each speaker, the model that has not heard it."""
    models: dict[str, OnnxStressScorer] = {}
    for fold in sorted(path for path in folder.iterdir() if (path / "held_out.txt").is_file()):
        scorer = OnnxStressScorer(fold)
        for speaker in (fold / "held_out.txt").read_text(encoding="utf-8").split():
            models[speaker] = scorer
    return models


def _predict(
    models: Mapping[str, OnnxStressScorer],
    table: Table,
    labels: Labels,
    *,
    baselines: dict[int, Baseline] | None = None,
    seed: int = 0,
    embedding: bool = True,
    prosody: bool = True,
) -> Predictions:
    """Score every row, against the population's norm or against the voice's own other clips.

    `baselines` is filled for each row the first time and used again after.
    """
    rng = np.random.default_rng(seed)
    scores: list[StressScore] = []
    nothing = np.full(table.prosody.shape[1], np.nan)
    for i in range(len(table.clip)):
        scorer = models[str(labels.speaker[i])]
        baseline = scorer.start()
        if baselines is not None:
            if i not in baselines:
                others = np.flatnonzero((labels.voice == labels.voice[i]) & (table.clip != table.clip[i]))
                baselines[i] = _heard(scorer, table, rng.permutation(others)[:MOST_OTHERS])
            baseline = baselines[i]
        values = ProsodyFeatures(values=table.prosody[i] if prosody else nothing, version=PROSODY_VERSION)
        scores.append(
            scorer.score(
                values,
                table.embedding[i] if embedding else None,
                speech_s=float(table.speech_s[i]),
                baseline=baseline,
            )
        )
    return Predictions(
        stress=np.asarray([score.stress for score in scores]),
        emotions=np.asarray([[score.emotions[name] for name in EMOTIONS] for score in scores]),
        arousal=np.asarray([score.arousal for score in scores]),
    )


def _heard(scorer: OnnxStressScorer, table: Table, rows: Sequence[int]) -> Baseline:
    """Return the baseline after some utterances in their order, each told its own score."""
    baseline = scorer.start()
    for row in rows:
        values = ProsodyFeatures(values=table.prosody[row], version=PROSODY_VERSION)
        speech_s = float(table.speech_s[row])
        score = scorer.score(values, table.embedding[row], speech_s=speech_s, baseline=baseline)
        baseline = scorer.update(
            baseline, values, table.embedding[row], speech_s=speech_s, stress=score.stress, frozen=False
        )
    return baseline


def _lines(
    args: argparse.Namespace,
    clips: Sequence[Clip],
    folds: Mapping[str, OnnxStressScorer],
    plain: Predictions,
    table: Table,
    labels: Labels,
) -> dict[str, dict[str, float]]:
    """AUC over each line on the same sample of clips, and over plain mu-law."""
    rng = np.random.default_rng(0)
    sample: list[Clip] = []
    for corpus in sorted({clip.corpus for clip in clips if clip.stress == clip.stress}):
        usable = [clip for clip in clips if clip.corpus == corpus and clip.stress == clip.stress]
        sample += [usable[i] for i in sorted(rng.permutation(len(usable))[:SAMPLE_PER_CORPUS])]
    backgrounds = read_backgrounds(noise=args.noise, music=args.music)
    keys = {clip.key for clip in sample}
    in_sample = np.asarray([clips[i].key in keys for i in table.clip])
    reference = auc(labels, plain, in_sample)
    assert reference is not None
    out = {"mulaw": {"auc": reference, "cost": 0.0}}
    for condition in CONDITIONS:
        if condition.startswith(("noise", "music")) and not (backgrounds.noise and backgrounds.music):
            continue
        if args.only_cached and not (args.cache / condition / "sample.npz").is_file():
            continue
        cache_features(
            sample, condition=condition, cache=args.cache, whisper=args.whisper, backgrounds=backgrounds, part="sample"
        )
        one = load_features(sample, condition=condition, cache=args.cache)
        # Labels know "calm" only from a whole corpus, so they are made from all clips.
        index = {clip.key: i for i, clip in enumerate(clips)}
        one = replace(one, clip=np.asarray([index[sample[i].key] for i in one.clip]))
        known = labels_of(clips, one)
        over_it = auc(known, _predict(folds, one, known), np.ones(len(one.clip), dtype=bool))
        assert over_it is not None
        out[condition] = {"auc": over_it, "cost": round(reference - over_it, 4)}
    return out


def _prompts(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Score calm telephone prompts, never trained on, as one call for each language."""
    out: dict[str, dict[str, float]] = {}
    scorer = OnnxStressScorer(args.model)
    for folder in args.prompts:
        clips = prompt_clips(folder)
        cache_features(
            clips,
            condition="mulaw",
            cache=args.cache / "prompts",
            whisper=args.whisper,
            backgrounds=read_backgrounds(noise=None, music=None),
        )
        table = load_features(clips, condition="mulaw", cache=args.cache / "prompts")
        baseline = scorer.start()
        first, running = [], []
        for row in range(len(table.clip)):
            values = ProsodyFeatures(values=table.prosody[row], version=PROSODY_VERSION)
            speech_s, embedding = float(table.speech_s[row]), table.embedding[row]
            first.append(scorer.score(values, embedding, speech_s=speech_s, baseline=scorer.start()).stress)
            score = scorer.score(values, embedding, speech_s=speech_s, baseline=baseline).stress
            running.append(score)
            baseline = scorer.update(baseline, values, embedding, speech_s=speech_s, stress=score, frozen=False)
        out[folder.name] = {
            "utterances": len(first),
            "over_half_population_baseline": round(float(np.mean(np.asarray(first) > 0.5)), 4),
            "over_half_own_baseline": round(float(np.mean(np.asarray(running) > 0.5)), 4),
        }
    return out


def _leave_one_corpus_out(data: Data, *, seed: int, draws: int, model: Path) -> dict[str, Any]:
    """Fit the recipe without a corpus and score that corpus."""
    labels = data.label
    deployed = OnnxStressScorer(model).manifest
    out: dict[str, Any] = {"population baseline": {}, "own baseline": {}}
    for corpus in np.unique(labels.corpus[np.isfinite(labels.stress)]):
        speakers = np.unique(labels.speaker[labels.corpus != corpus])
        fitted = fit_speakers(data, speakers=speakers, recipe=Recipe(), draws=draws, seed=seed)
        mine = labels.corpus == corpus
        table, known = rows_of(data.table, mine), rows_of(labels, mine)
        with tempfile.TemporaryDirectory() as folder:
            write_model(
                fitted,
                Path(folder),
                model_id=f"without-{corpus}",
                corpora=sorted(set(deployed.corpora) - {str(corpus)}),
                seed=seed,
                whisper_sha256=deployed.whisper_sha256,
            )
            shutil.copy(model / "calm.npz", folder)  # belongs to every model; scores do not depend on it
            seal(Path(folder))
            scorer = OnnxStressScorer(Path(folder))
        models = {str(speaker): scorer for speaker in np.unique(known.speaker)}
        everybody = np.ones(len(table.clip), dtype=bool)
        out["population baseline"][str(corpus)] = auc(known, _predict(models, table, known), everybody)
        out["own baseline"][str(corpus)] = auc(
            known, _predict(models, table, known, baselines={}, seed=seed), everybody
        )
        print(f"without {corpus}: {out['own baseline'][str(corpus)]}", flush=True)
    for values in out.values():
        values["mean"] = round(float(np.mean(list(values.values()))), 4)
    return out


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model", type=Path, required=True, help="the deployed model's folder; the card is written there"
    )
    parser.add_argument("--folds", type=Path, required=True, help="fold models that train_stress.py --folds wrote")
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--whisper", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(".cache/stress"))
    parser.add_argument("--noise", type=Path, default=None)
    parser.add_argument("--music", type=Path, default=None)
    parser.add_argument(
        "--prompts", type=Path, nargs="*", default=[], help="folders of calm prompts with a manifest.csv"
    )
    parser.add_argument(
        "--conditions", nargs="*", default=["line1", "line2"], help="the lines the model was trained on"
    )
    parser.add_argument("--only-cached", action="store_true", help="skip lines whose features are not in the cache")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Measure false reroutes, misses and delay on calls of unseen speakers, against three simpler detectors.

    python scripts/evaluate_calls.py CORPORA --cache CACHE --folds FOLDS --out models/NAME

Every speaker is scored by the fold's model that has not heard it (``FOLDS/<k>/``: a model folder with a list of its
held-out speakers in ``held_out.txt``), in the order of the call, with the real baseline and the real detector. The calm
reference comes with the fold's model: it was measured on the speakers of the *other* folds. CACHE is what
``train_stress.py`` left behind: features of every clip under each line condition. Writes ``calls.json``, ``calls.md``
and ``calls.svg`` to OUT.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import beta
from stress_calls import (
    BuiltCall,
    Scenario,
    ScoredCall,
    Voice,
    build_call,
    detect,
    running_evidence,
    score_call,
    voices_of,
)
from stress_corpora import read_corpora
from stress_features import load_features

from voicepipe.stress.calm import CalmKind, CalmReference
from voicepipe.stress.episode import EpisodeConfig
from voicepipe.stress.scorer import OnnxStressScorer
from voicepipe.types import EpisodeState

BUDGETS = (0.3, 1.0, 3.0, 10.0, 30.0)
RATES = (0.3, 1.0, 3.0, 10.0, 30.0)
"""False alarms per 100 calm call-hours at which detectors are compared."""
EWMA_SHARE = 0.2
CUT_OFF_S = 60.0
"""What a missed call counts as, in seconds of stressed speech, where delays are averaged."""
CALM_SCENARIOS = (Scenario.CALM, Scenario.OUTBURST)
QUIET_SCENARIOS = (*CALM_SCENARIOS, Scenario.HAPPY)
"""Calls in which every alarm is false."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a detector made of calls with persistent stress.

    Attributes
    ----------
    calls : int
    missed_pct, early_pct : float
        Calls without an alarm; calls with an alarm before the stress began.
    speech_s, call_s : tuple of float
        Median and 90th percentile of the delay over the calls not early, misses counting as infinite: in seconds of
        stressed speech, and of the call since the onset.
    """

    calls: int
    missed_pct: float
    early_pct: float
    speech_s: tuple[float, float]
    call_s: tuple[float, float]


def first_at(statistic: np.ndarray, level: float) -> int | None:
    """Return the first utterance whose statistic reaches a level."""
    hits = np.flatnonzero(statistic >= level)
    return int(hits[0]) if hits.size else None


def found(calls: Sequence[ScoredCall], alarms: Sequence[int | None]) -> Found:
    """Summarise first alarms on calls with persistent stress."""
    missed = early = 0
    speech, call_time = [], []
    for one, at in zip(calls, alarms, strict=True):
        stressed = np.flatnonzero(one.call.stressed)
        if at is not None and at < stressed[0]:
            early += 1
            continue
        missed += at is None
        upto = stressed[stressed <= at] if at is not None else ()
        speech.append(sum(one.utterances[int(i)].speech_s for i in upto) if at is not None else np.inf)
        onset_s = one.call.start_s[stressed[0]]
        call_time.append(one.utterances[at].decided_s - onset_s if at is not None else np.inf)
    return Found(
        calls=len(calls),
        missed_pct=100.0 * missed / len(calls),
        early_pct=100.0 * early / len(calls),
        speech_s=_median_p90(speech),
        call_s=_median_p90(call_time),
    )


def _median_p90(values: Sequence[float]) -> tuple[float, float]:
    if not values:
        return float("inf"), float("inf")
    low, high = np.quantile(values, (0.5, 0.9), method="higher")
    return float(low), float(high)


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseAlarms:
    """False alarms on calm calls, over callers.

    Attributes
    ----------
    calls, callers, alarms, calls_with_alarm, callers_with_alarm : int
    hours : float
    per_100_hours, upper_95 : float
        The rate, and its one-sided 95 % upper limit over callers.
    """

    calls: int
    callers: int
    alarms: int
    calls_with_alarm: int
    callers_with_alarm: int
    hours: float
    per_100_hours: float
    upper_95: float


def false_alarms(calls: Sequence[ScoredCall], counts: Sequence[int], *, seed: int = 0) -> FalseAlarms:
    """Summarise alarms on calm calls.

    The upper limit is the larger one of two: the bootstrap over callers, and the Clopper-Pearson limit of the share of
    callers who ever alarm times the rate of those who do (one alarm in a caller's hours where nobody did).
    """
    names = sorted({one.call.voice.name for one in calls})
    index = {name: i for i, name in enumerate(names)}
    alarms, hours = np.zeros(len(names)), np.zeros(len(names))
    for one, count in zip(calls, counts, strict=True):
        alarms[index[one.call.voice.name]] += count
        hours[index[one.call.voice.name]] += one.call.duration_s / 3600.0
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(names), size=(4000, len(names)))
    resampled = np.quantile(100.0 * alarms[drawn].sum(1) / hours[drawn].sum(1), 0.95)
    hot = int(np.count_nonzero(alarms))
    share = 1.0 if hot == len(names) else float(beta.ppf(0.95, hot + 1, len(names) - hot))
    rate_of_hot = alarms.sum() / hours[alarms > 0].sum() if hot else 1.0 / hours.mean()
    return FalseAlarms(
        calls=len(calls),
        callers=len(names),
        alarms=int(alarms.sum()),
        calls_with_alarm=int(np.count_nonzero(counts)),
        callers_with_alarm=hot,
        hours=float(hours.sum()),
        per_100_hours=float(100.0 * alarms.sum() / hours.sum()),
        upper_95=float(max(resampled, 100.0 * share * rate_of_hot)),
    )


def three_in_a_row(stress: np.ndarray) -> np.ndarray:
    """Return the lowest of the last three scores."""
    padded = np.concatenate(([-np.inf, -np.inf], stress))
    return np.minimum(np.minimum(padded[2:], padded[1:-1]), padded[:-2])


def ewma(stress: np.ndarray) -> np.ndarray:
    """Return the exponentially weighted mean, begun at 0."""
    mean, out = 0.0, np.empty_like(stress)
    for i, score in enumerate(stress):
        mean += EWMA_SHARE * (score - mean)
        out[i] = mean
    return out


def cusum(stress: np.ndarray, *, drift: float) -> np.ndarray:
    """Return Page's CUSUM of the scores over a drift."""
    total, out = 0.0, np.empty_like(stress)
    for i, score in enumerate(stress):
        total = max(0.0, total + score - drift)
        out[i] = total
    return out


def scores_of(one: ScoredCall) -> np.ndarray:
    """Return the stress scores of a call, shape (n,)."""
    return np.array([utterance.score.stress for utterance in one.utterances if utterance.score is not None])


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """Everything that was scored.

    Attributes
    ----------
    calls : tuple of ScoredCall
    references : mapping of int to CalmReference
        Per fold, measured on the other folds' speakers.
    config : EpisodeConfig
    """

    calls: tuple[ScoredCall, ...]
    references: Mapping[int, CalmReference]
    config: EpisodeConfig

    def of(self, *scenarios: Scenario) -> list[ScoredCall]:
        """Return the calls of some scenarios."""
        return [one for one in self.calls if one.call.scenario in scenarios]

    def opened(self, calls: Sequence[ScoredCall], *, budget: float) -> list[list[int]]:
        """Return the utterances at which episodes opened, per call, by the detector itself."""
        config = replace(self.config, false_alarms_per_100_call_hours=budget)
        out = []
        for one in calls:
            episodes = detect(one, reference=self.references[one.call.voice.fold], config=config)
            decided = [utterance.decided_s for utterance in one.utterances]
            out.append([decided.index(e.at_s) for e in episodes if e.state is EpisodeState.OPENED])
        return out


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


def at_budgets(study: Study) -> list[dict[str, Any]]:
    """Nominal against measured, by the detector itself."""
    calm = study.of(*CALM_SCENARIOS)
    rows = []
    for budget in BUDGETS:
        counts = [len(at) for at in study.opened(calm, budget=budget)]
        row: dict[str, Any] = {"budget": budget, "false_alarms": _plain(false_alarms(calm, counts))}
        for scenario in (Scenario.SETS_IN, Scenario.COMES_AND_GOES):
            stressed = study.of(scenario)
            alarms = [at[0] if at else None for at in study.opened(stressed, budget=budget)]
            row[scenario.name.lower()] = _plain(found(stressed, alarms))
        rows.append(row)
    return rows


def per_scenario(study: Study) -> dict[str, Any]:
    """Count false alarms per kind of call that should raise none, at the configured budget."""
    out = {}
    for scenario in QUIET_SCENARIOS:
        calls = study.of(scenario)
        counts = [len(at) for at in study.opened(calls, budget=study.config.false_alarms_per_100_call_hours)]
        out[scenario.name.lower()] = _plain(false_alarms(calls, counts))
    return out


def statistics(study: Study) -> dict[str, Callable[[ScoredCall], np.ndarray]]:
    """Return what each detector compares with its level, per utterance of a call."""
    calm, stressed = study.of(*CALM_SCENARIOS), study.of(Scenario.SETS_IN, Scenario.COMES_AND_GOES)
    drift = 0.5 * (
        float(np.mean(np.concatenate([scores_of(one) for one in calm])))
        + float(np.mean(np.concatenate([scores_of(one)[one.call.stressed] for one in stressed])))
    )

    def evidence(one: ScoredCall) -> np.ndarray:
        return running_evidence(one, reference=study.references[one.call.voice.fold], config=study.config)

    def held_cusum(one: ScoredCall) -> np.ndarray:
        return np.where(np.isfinite(evidence(one)), cusum(scores_of(one), drift=drift), -np.inf)

    return {
        "voicepipe": evidence,
        "three in a row": lambda one: three_in_a_row(scores_of(one)),
        "EWMA": lambda one: ewma(scores_of(one)),
        "CUSUM": lambda one: cusum(scores_of(one), drift=drift),
        HELD_CUSUM: held_cusum,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """What one detector's statistic did in every call.

    Attributes
    ----------
    peaks : ndarray, shape (calls in which every alarm is false,), float64
        Highest value in each.
    running : tuple of ndarray
        Per stressed call, after each utterance.
    """

    peaks: np.ndarray
    running: tuple[np.ndarray, ...]


def runs(study: Study) -> dict[str, Runs]:
    """Run every detector over the calls in which every alarm is false, and over those with persistent stress."""
    quiet, stressed = study.of(*QUIET_SCENARIOS), study.of(Scenario.SETS_IN, Scenario.COMES_AND_GOES)
    return {
        name: Runs(
            peaks=np.array([float(np.max(statistic(one), initial=-np.inf)) for one in quiet]),
            running=tuple(statistic(one) for one in stressed),
        )
        for name, statistic in statistics(study).items()
    }


def level_at(peaks: np.ndarray, allowed: int) -> float:
    """Return the lowest level that at most so many of the calls reach."""
    if allowed >= len(peaks):
        return -np.inf
    return float(np.nextafter(np.sort(peaks)[::-1][allowed], np.inf))


def _among(study: Study, scenarios: Sequence[Scenario]) -> np.ndarray:
    """Tell which of the calls that `Runs.peaks` are of belong to some scenarios."""
    return np.array([one.call.scenario in scenarios for one in study.of(*QUIET_SCENARIOS)])


def curves(study: Study, ran: Mapping[str, Runs], *, quiet: Sequence[Scenario]) -> dict[str, list[dict[str, Any]]]:
    """Delay and misses of the detectors at matched false alarms, each detector's level set on the same quiet calls."""
    stressed = study.of(Scenario.SETS_IN, Scenario.COMES_AND_GOES)
    hours = sum(one.call.duration_s for one in study.of(*quiet)) / 3600.0
    mask = _among(study, quiet)
    out: dict[str, list[dict[str, Any]]] = {}
    for name, one_ran in ran.items():
        out[name] = []
        for rate in RATES:
            allowed = int(rate / 100.0 * hours)
            level = level_at(one_ran.peaks[mask], allowed)
            row: dict[str, Any] = {"rate": rate, "allowed": allowed, "level": level}
            for scenario in (Scenario.SETS_IN, Scenario.COMES_AND_GOES):
                mine = [i for i, one in enumerate(stressed) if one.call.scenario is scenario]
                alarms = [first_at(one_ran.running[i], level) for i in mine]
                row[scenario.name.lower()] = _plain(found([stressed[i] for i in mine], alarms))
            out[name].append(row)
    return out


def differences(
    study: Study, ran: Mapping[str, Runs], *, quiet: Sequence[Scenario], draws: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """Compare mean delays with each rival's, with a 95 % interval over callers.

    The delay is in seconds of stressed speech, at most `CUT_OFF_S`, which a miss counts as; calls with an alarm before
    the stress are left out. Callers are drawn with replacement, with all their calls, quiet ones too: each draw sets
    every detector's level anew.
    """
    calm, stressed = study.of(*quiet), study.of(Scenario.SETS_IN, Scenario.COMES_AND_GOES)
    mask = _among(study, quiet)
    names = sorted({one.call.voice.name for one in study.calls})
    calm_of, stressed_of = (np.array([names.index(one.call.voice.name) for one in calls]) for calls in (calm, stressed))
    hours = np.array([one.call.duration_s for one in calm]) / 3600.0
    longest = max(len(one.utterances) for one in stressed)
    delay_s = np.full((len(stressed), longest + 1), CUT_OFF_S)  # by the first utterance with an alarm; the last: none
    for row, one in zip(delay_s, stressed, strict=True):
        speech_s = np.array([u.speech_s for u in one.utterances]) * one.call.stressed
        row[: len(speech_s)] = np.minimum(np.cumsum(speech_s), CUT_OFF_S)
        row[: int(np.flatnonzero(one.call.stressed)[0])] = np.nan
    highest = {
        name: np.array(
            [np.maximum.accumulate(np.pad(r, (0, longest - len(r)), constant_values=-np.inf)) for r in one.running]
        )
        for name, one in ran.items()
    }
    rng = np.random.default_rng(seed)
    counts = [np.ones(len(names), dtype=int)]
    counts += [np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names)) for _ in range(draws)]
    means = {name: np.empty((len(counts), len(RATES))) for name in ran}
    every = np.arange(len(stressed))
    for i, count in enumerate(counts):
        allowed = (np.array(RATES) / 100.0 * float(hours @ count[calm_of])).astype(int)
        for name, one in ran.items():
            peaks = np.repeat(one.peaks[mask], count[calm_of])
            for j, most in enumerate(allowed):
                at = np.count_nonzero(highest[name] < level_at(peaks, int(most)), axis=1)
                seconds = delay_s[every, at]
                kept = ~np.isnan(seconds)
                means[name][i, j] = np.average(seconds[kept], weights=count[stressed_of][kept])
    out: dict[str, Any] = {}
    for name in [name for name in ran if name != "voicepipe"]:
        less = means["voicepipe"] - means[name]
        low, high = np.quantile(less[1:], (0.025, 0.975), axis=0)
        out[name] = [
            {"rate": rate, "seconds": float(less[0, j]), "low": float(low[j]), "high": float(high[j])}
            for j, rate in enumerate(RATES)
        ]
    return out


def _without_infinity(value: Any) -> Any:
    """Replace what JSON cannot say by null."""
    if isinstance(value, dict):
        return {name: _without_infinity(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_infinity(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _plain(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


CALLS_PER_VOICE = {
    Scenario.CALM: 24,
    Scenario.OUTBURST: 12,
    Scenario.HAPPY: 4,
    Scenario.SETS_IN: 6,
    Scenario.COMES_AND_GOES: 6,
}
"""Calls of each speaker, over all line conditions."""
HELD_CUSUM = "CUSUM, same minimum"
CURVE_COLOURS = {
    "voicepipe": "#0b7285",
    "three in a row": "#adb5bd",
    "EWMA": "#e8590c",
    "CUSUM": "#5f3dc4",
    HELD_CUSUM: "#b197fc",
}


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
    for name, with_embedding in (("with the embedding", True), ("prosody alone", False)):
        began = time.monotonic()
        studies[name] = run_study(judged, scorers, config=config, with_embedding=with_embedding)
        print(f"{name}: {len(studies[name].calls)} calls in {time.monotonic() - began:.0f} s", flush=True)
    figures = {name: summary(study) for name, study in studies.items()}
    figures["made with"] = {"conditions": args.conditions, "seed": args.seed, "scale": args.scale}
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "calls.json").write_text(json.dumps(_without_infinity(figures), indent=1) + "\n", encoding="utf-8")
    text = report(studies, figures)
    (args.out / "calls.md").write_text(text, encoding="utf-8")
    (args.out / "calls.svg").write_text(
        curve_svg(figures["with the embedding"]["matched"][0]["curves"]), encoding="utf-8"
    )
    print(text)


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


def mood_share(study: Study) -> float:
    """Return the share of the scatter of calm callers' normal scores, each around their mean, that moods explain.

    The intraclass correlation of a caller's clips, a mood being an emotion of the corpus: the moment estimate of a
    one-way layout, moods weighing as often as they are heard. Were every mood to last, it would be the correlation of
    an utterance with the next one.
    """
    clips: dict[str, dict[tuple[str, int], list[float]]] = {}
    for one in study.of(Scenario.CALM):
        emotion_of = {int(row): emotion for emotion, rows in one.call.voice.rows.items() for row in rows}
        kinds = study.references[one.call.voice.fold].kinds
        own = clips.setdefault(one.call.voice.name, {})
        for row, utterance in zip(one.call.rows, one.utterances, strict=True):
            score = utterance.score
            assert score is not None
            z = float(kinds[CalmKind.of(score)].normal_scores(score.stress))
            own.setdefault((emotion_of[int(row)], int(row)), []).append(z)
    between, within = [], []
    for own in clips.values():
        mean = np.array([np.mean(z) for z in own.values()])
        emotions, mood = np.unique([emotion for emotion, _ in own], return_inverse=True)
        if not 1 < len(emotions) < len(mean):
            continue
        count = np.bincount(mood)
        heard = np.bincount(mood, weights=[len(z) for z in own.values()])
        share = heard / heard.sum()
        level = np.bincount(mood, weights=mean) / count
        variance = float(np.sum((mean - level[mood]) ** 2)) / (len(mean) - len(emotions))
        noise = variance * float(np.sum(share * (1.0 - share) / count))
        between.append(float(np.sum(share * (level - share @ level) ** 2)) - noise)
        within.append(variance)
    total = float(np.mean(between) + np.mean(within)) if between else 0.0
    return float(np.mean(between)) / total if total else 0.0


def report(studies: Mapping[str, Study], figures: Mapping[str, Any]) -> str:
    """Return all tables as Markdown."""
    first, made = figures["with the embedding"], figures["made with"]
    callers = ", ".join(f"{name} {count}" for name, count in first["callers"].items())
    intro = f"""# Calls: false reroutes, misses, delay

Printed by `scripts/evaluate_calls.py` (conditions {made["conditions"]}, seed {made["seed"]}, scale {made["scale"]:g}).
Calls are built from clips of acted corpora, so they say how the detector behaves on voices that the model has not
heard, not how often the callers of a real centre are stressed.

* {sum(first["callers"].values())} callers ({callers}). A caller has 8 to 130 clips, and long calls repeat them: more
  hours of the same callers are not more callers. The upper limits are over callers.
* {first["utterances_per_call_hour"]:.0f} utterances of the caller per call-hour; the caller speaks
  {100 * first["speech_share"]:.0f} % of the time. The median confidence of a score is {first["median_confidence"]:.2f}.
* Their moods explain {first["mood_share"]:.2f} of how a calm caller's scores scatter. The built calls
  draw moods at random, so they do not last; the level is set as if a mood held every other time.
* Delay counts from the first stressed utterance; a miss counts as infinite.
"""
    lines = [intro]
    for name in studies:
        lines += _tables(name, figures[name])
    return "\n".join(lines) + "\n"


def _tables(name: str, figures: Mapping[str, Any]) -> list[str]:
    lines = [
        f"## Score {name}",
        "",
        "Nominal against measured on calm calls (a third of them with one or two outbursts). What is missed, and the",
        "delay's median / 90th percentile in seconds of stressed speech; in seconds of the call:",
        "",
        "| budget per 100 h | measured | 95 % upper | calls with an alarm | callers with one | sets in | comes, goes |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in figures["budgets"]:
        false = row["false_alarms"]
        lines.append(
            f"| {row['budget']:g} | {false['per_100_hours']:.2f} | {false['upper_95']:.1f} | "
            f"{false['calls_with_alarm']} of {false['calls']} ({false['hours']:.0f} h) | "
            f"{false['callers_with_alarm']} of {false['callers']} | "
            f"{_delay(row['sets_in'])} | {_delay(row['comes_and_goes'])} |"
        )
    lines += ["", "At the default budget, calls that should raise no alarm:", ""]
    lines += ["| calls | hours | false per 100 h | 95 % upper | calls with an alarm | callers with an alarm |"]
    lines += ["|---|---|---|---|---|---|"]
    for scenario, false in figures["scenarios"].items():
        lines.append(
            f"| {Scenario[scenario.upper()]} | {false['hours']:.0f} | {false['per_100_hours']:.2f} | "
            f"{false['upper_95']:.1f} | {false['calls_with_alarm']} of {false['calls']} | "
            f"{false['callers_with_alarm']} of {false['callers']} |"
        )
    lines += [
        "",
        "At matched false alarms (each detector's level set on these very calm calls; in brackets how many calls may",
        "alarm, so where it is 0 the one highest calm call sets the level): missed, delay. CUSUM's drift is set on",
        f'these calls, too, midway between calm and stressed scores, which favours it. "{HELD_CUSUM}" needs the',
        "least of stressed speech and of outbursts that our episodes need.",
        "",
    ]
    calm, quiet = figures["matched"]
    return [
        *lines,
        *_matched(calm),
        "The same where an alarm in a loud but happy call counts as false, too:",
        "",
        *_matched(quiet),
    ]


def _matched(figures: Mapping[str, Any]) -> list[str]:
    rates = " | ".join(f"{row['rate']:g} per 100 h ({row['allowed']})" for row in figures["curves"]["voicepipe"])
    lines = []
    for scenario in (Scenario.SETS_IN, Scenario.COMES_AND_GOES):
        lines += [f"| {scenario} | {rates} |", "|---" * (len(RATES) + 1) + "|"]
        for detector, rows in figures["curves"].items():
            lines.append(f"| {detector} | " + " | ".join(_delay(row[scenario.name.lower()]) for row in rows) + " |")
        lines.append("")
    lines += [
        f"Mean seconds of stressed speech to the alarm, a miss counting as {CUT_OFF_S:.0f} s, in both kinds of calls:",
        "voicepipe's less the rival's (below 0: voicepipe is sooner), with the 95 % interval over callers:",
        "",
        f"| against | {rates} |",
        "|---" * (len(RATES) + 1) + "|",
    ]
    for rival, rows in figures["differences"].items():
        cells = (f"{row['seconds']:+.1f} s ({row['low']:+.1f} to {row['high']:+.1f})" for row in rows)
        lines.append(f"| {rival} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _delay(found_: Mapping[str, Any]) -> str:
    def seconds(pair: Sequence[float]) -> str:
        return " / ".join("-" if np.isinf(value) else f"{value:.0f}" for value in pair)

    return f"{found_['missed_pct']:.0f} %, {seconds(found_['speech_s'])} s; {seconds(found_['call_s'])} s"


def curve_svg(curves_: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Draw the median delay where stress sets in against the false alarms at which it is had."""
    width, height, left, bottom, right = 740, 376, 56, 44, 230
    top_s = 60.0
    low, high = np.log10(RATES[0]), np.log10(RATES[-1])

    def at(rate: float, delay_s: float) -> str:
        x = left + (np.log10(rate) - low) / (high - low) * (width - left - right)
        y = height - bottom - min(delay_s, top_s) / top_s * (height - bottom - 32)
        return f"{x:.1f},{y:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="{left}" y="{height - 8}">false alarms per 100 calm call-hours</text>',
        '<text x="14" y="14">median delay, s of stressed speech (off the top: more than half are missed)</text>',
    ]
    for rate in RATES:
        x = at(rate, 0).split(",")[0]
        parts.append(f'<text x="{x}" y="{height - bottom + 16}" text-anchor="middle">{rate:g}</text>')
    for delay_s in (0, 15, 30, 45, 60):
        y = at(RATES[0], delay_s).split(",")[1]
        parts.append(f'<line x1="{left}" x2="{width - right}" y1="{y}" y2="{y}" stroke="#dee2e6"/>')
        parts.append(f'<text x="{left - 8}" y="{y}" text-anchor="end" dominant-baseline="middle">{delay_s}</text>')
    for i, (name, rows) in enumerate(curves_.items()):
        points = " ".join(at(row["rate"], row["sets_in"]["speech_s"][0]) for row in rows)
        colour = CURVE_COLOURS[name]
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        parts.append(f'<text x="{width - right + 10}" y="{40 + 18 * i}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    main()

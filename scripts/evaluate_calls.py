"""Measure false reroutes, misses and delay on calls of unseen speakers, against three simpler detectors.

    python scripts/evaluate_calls.py CORPORA --cache CACHE --folds FOLDS --out models/NAME

Every speaker is scored by the fold's model that has not heard it (``FOLDS/<k>/``, a model folder with ``held_out.txt``),
sequentially, with the real baseline and the real detector; the calm reference is measured on the speakers of the *other*
folds. Writes ``calls.json``, ``calls.md`` and ``calls.svg`` to OUT and prints the same table.
"""

import argparse
import json
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
    reference_of,
    running_evidence,
    score_call,
    voices_of,
)
from stress_corpora import read_corpora
from stress_features import load_features

from voicepipe.stress.calm import CalmReference
from voicepipe.stress.episode import EpisodeConfig
from voicepipe.stress.scorer import OnnxStressScorer
from voicepipe.types import EpisodeState

BUDGETS = (0.3, 1.0, 3.0, 10.0, 30.0)
RATES = (0.3, 1.0, 3.0, 10.0, 30.0)
"""False alarms per 100 calm call-hours at which detectors are compared."""
EWMA_SHARE = 0.2
CALM_SCENARIOS = (Scenario.CALM, Scenario.OUTBURST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """The first alarm of a call, if any.

    Attributes
    ----------
    at : int or None
        Utterance after which it came.
    """

    at: int | None


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


def run_study(
    voices: Sequence[Voice],
    scorers: Mapping[int, Any],
    *,
    per_voice: Mapping[Scenario, int],
    reference_calls: int,
    config: EpisodeConfig,
    with_embedding: bool,
    seed: int,
) -> Study:
    """Build, score and detect everything."""
    rng = np.random.default_rng(seed)
    calm: list[ScoredCall] = []
    for voice in voices:
        for _ in range(reference_calls):
            call = build_call(voice, Scenario.CALM, rng=rng)
            calm += [_score(call, scorers, None, config, embedded) for embedded in (True, False)]
    references = {fold: reference_of([one for one in calm if one.call.voice.fold != fold]) for fold in sorted(scorers)}
    calls = []
    for scenario, count in per_voice.items():
        for voice in voices:
            for _ in range(count):
                call = build_call(voice, scenario, rng=rng)
                if not scenario.stressed or call.stressed.any():
                    calls.append(_score(call, scorers, references[voice.fold], config, with_embedding))
    return Study(calls=tuple(calls), references=references, config=config)


def _score(
    call: BuiltCall,
    scorers: Mapping[int, Any],
    reference: CalmReference | None,
    config: EpisodeConfig,
    with_embedding: bool,  # noqa: FBT001
) -> ScoredCall:
    scorer = scorers[call.voice.fold]
    return score_call(call, scorer=scorer, reference=reference, config=config, with_embedding=with_embedding)


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
    """False alarms per kind of call that should raise none, at the configured budget."""
    out = {}
    for scenario in (Scenario.CALM, Scenario.OUTBURST, Scenario.HAPPY):
        calls = study.of(scenario)
        counts = [len(at) for at in study.opened(calls, budget=study.config.false_alarms_per_100_call_hours)]
        out[scenario.name.lower()] = _plain(false_alarms(calls, counts))
    return out


def curves(study: Study) -> dict[str, list[dict[str, Any]]]:
    """Delay and misses of four detectors at matched false alarms, each detector's level set on the same calm calls."""
    calm = study.of(*CALM_SCENARIOS)
    stressed = study.of(Scenario.SETS_IN, Scenario.COMES_AND_GOES)
    drift = 0.5 * (
        float(np.mean(np.concatenate([scores_of(one) for one in calm])))
        + float(np.mean(np.concatenate([scores_of(one)[one.call.stressed] for one in stressed])))
    )
    statistics: dict[str, Callable[[ScoredCall], np.ndarray]] = {
        "voicepipe": lambda one: running_evidence(
            one, reference=study.references[one.call.voice.fold], config=study.config
        ),
        "three in a row": lambda one: three_in_a_row(scores_of(one)),
        "EWMA": lambda one: ewma(scores_of(one)),
        "CUSUM": lambda one: cusum(scores_of(one), drift=drift),
    }
    hours = sum(one.call.duration_s for one in calm) / 3600.0
    out: dict[str, list[dict[str, Any]]] = {}
    for name, statistic in statistics.items():
        peaks = np.sort([float(np.max(statistic(one), initial=-np.inf)) for one in calm])[::-1]
        running = [statistic(one) for one in stressed]
        out[name] = []
        for rate in RATES:
            allowed = int(rate / 100.0 * hours)
            level = float(np.nextafter(peaks[allowed], np.inf)) if allowed < len(peaks) else -np.inf
            row: dict[str, Any] = {"rate": rate, "level": level}
            for scenario in (Scenario.SETS_IN, Scenario.COMES_AND_GOES):
                mine = [i for i, one in enumerate(stressed) if one.call.scenario is scenario]
                alarms = [first_at(running[i], level) for i in mine]
                row[scenario.name.lower()] = _plain(found([stressed[i] for i in mine], alarms))
            out[name].append(row)
    return out


def _plain(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}

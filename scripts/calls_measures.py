"""Measures of detectors on scored calls: false alarms over callers, misses, delay, at budgets and at matched rates."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from calls_rivals import cusum, ewma, three_in_a_row
from calls_study import CALM_SCENARIOS, QUIET_SCENARIOS, Study, scores_of
from scipy.stats import beta
from stress_calls import Scenario, ScoredCall, running_evidence

from voicepipe.stress.calm import CalmKind

BUDGETS = (0.3, 1.0, 3.0, 10.0, 30.0)
RATES = (0.3, 1.0, 3.0, 10.0, 30.0)
"""False alarms per 100 calm call-hours at which detectors are compared."""
CUT_OFF_S = 60.0
"""What a missed call counts as, in seconds of stressed speech, where delays are averaged."""
HELD_CUSUM = "CUSUM, same minimum"


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
    every detector's level anew. The last row, without a rate, is the mean over the rates.
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
        less = np.column_stack((less, less.mean(axis=1)))
        low, high = np.quantile(less[1:], (0.025, 0.975), axis=0)
        out[name] = [
            {"rate": rate, "seconds": float(less[0, j]), "low": float(low[j]), "high": float(high[j])}
            for j, rate in enumerate((*RATES, None))
        ]
    return out


def _plain(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


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

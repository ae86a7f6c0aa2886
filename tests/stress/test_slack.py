"""The bound and the calibrated level, over 100,000 simulated calls of calm callers."""

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from voicepipe.stress.evidence import Evidence, bets, log_bound
from voicepipe.stress.slack import BUDGETS, CALL_HOURS, UTTERANCES_PER_CALL_HOUR, CalmCalls, log_slack, simulate

SPREAD = (0.4, 0.92)
EARLY = (0.6, 0.85)
UTTERANCES = round(CALL_HOURS * UTTERANCES_PER_CALL_HOUR)
CALLS = 100_000
WORDS_MEAN = 0.05


def peaks(calls: CalmCalls) -> np.ndarray:
    return np.concatenate([calls.alarms(part)[1] for part in np.array_split(np.arange(len(calls.z)), 40)])


@pytest.fixture(scope="module", params=["voice", "voice and words"])
def calm_peaks(request: pytest.FixtureRequest) -> np.ndarray:
    """Highest evidence of each of 100,000 calls; the callers are those that the bound assumes."""
    words_mean = None if request.param == "voice" else WORDS_MEAN
    return peaks(simulate([SPREAD] * UTTERANCES, calls=CALLS, seed=0, words_mean=words_mean, neighbours_alike=0.0))


@pytest.mark.slow
@pytest.mark.parametrize("budget", [0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 1000.0, 10_000.0])
def test_calm_calls_alarm_within_the_bound(calm_peaks: np.ndarray, budget: float) -> None:
    alarms = int(np.count_nonzero(calm_peaks >= log_bound(budget)))
    allowed = min(1.0, budget / 100.0 * CALL_HOURS)
    assert binomtest(alarms, CALLS, allowed, alternative="greater").pvalue > 1e-3
    if budget >= 1000.0:
        assert alarms > 0, "the test would not notice a detector that never alarms"


def test_taking_utterances_for_independent_breaks_the_bound() -> None:
    """What the offsets are for: without them the same callers exceed the budget many times."""
    rng = np.random.default_rng(1)
    calls, utterances = 20_000, 30
    offset = SPREAD[0] * rng.standard_normal(calls)
    evidence = Evidence.none(calls, transcripts=False)
    alarms = np.zeros(calls, dtype=bool)
    for _ in range(utterances):
        z = offset + SPREAD[1] * rng.standard_normal(calls)
        e_values = bets(z, between_sd=0.0, within_sd=1.0)
        evidence = evidence.accumulate(e_values, None, call_hours=1.0 / UTTERANCES_PER_CALL_HOUR)
        alarms |= np.log(evidence.voice[:, 0].mean(axis=-1)) >= log_bound(30.0)
    allowed = 0.3 * CALL_HOURS * utterances / UTTERANCES
    assert binomtest(int(alarms.sum()), calls, allowed, alternative="greater").pvalue < 1e-3


def test_simulated_neighbours_are_alike_and_each_is_still_of_the_law() -> None:
    calls = simulate([(0.5, 0.8)] * UTTERANCES, calls=20_000, seed=4, neighbours_alike=0.3)
    around = calls.z - calls.z.mean(axis=1, keepdims=True)
    assert calls.z.std() == pytest.approx(np.hypot(0.5, 0.8), rel=0.01)
    assert np.mean(around[:, 1:] * around[:, :-1]) / np.mean(around**2) == pytest.approx(0.3, abs=0.03)


def test_simulated_words_scatter_over_callers_and_follow_the_voice() -> None:
    calls = simulate([(0.0, 1.0)] * UTTERANCES, calls=4000, seed=3, words_mean=0.1)
    assert calls.words is not None
    ordinary = 0.05  # the bet's mean without its margin
    expected = norm.cdf(norm.ppf(ordinary) / np.hypot(1.0, 0.5))
    assert calls.words.mean() == pytest.approx(expected, abs=0.006)
    assert calls.words.mean(axis=1).std() > 1.5 * np.sqrt(expected / UTTERANCES)
    assert calls.words[calls.z > 1.5].mean() > 2.0 * calls.words.mean()


@pytest.mark.slow
@pytest.mark.parametrize("words_mean", [None, WORDS_MEAN])
def test_the_slack_keeps_the_budget_on_fresh_calls(words_mean: float | None) -> None:
    """The calibrated level is measured on some simulated calls and holds on others of the same law."""
    slack = log_slack(EARLY, SPREAD, words_mean=words_mean)
    assert slack.shape == BUDGETS.shape
    assert np.all(slack >= 0.0)
    fresh = simulate([EARLY] * 4 + [SPREAD] * (UTTERANCES - 4), calls=20_000, seed=100, words_mean=words_mean)
    for budget, level in zip(BUDGETS, log_bound(BUDGETS) - slack, strict=True):
        alarms, _ = fresh.alarms(np.arange(len(fresh.z)), log_level=float(level))
        expected = budget / 100.0 * CALL_HOURS * len(fresh.z)
        spread = np.sqrt(len(fresh.z) * alarms.var() + expected)
        assert alarms.sum() <= expected + 4.0 * spread
        assert budget < 10.0 or alarms.sum() >= expected / 2.0, "the level is lower than it need be"


@pytest.mark.slow
def test_how_callers_differ_moves_the_level() -> None:
    alike, unlike = (log_slack(spread, spread) for spread in ((0.1, 0.995), (0.8, 0.6)))
    assert np.all(alike >= 0.0)
    assert alike[BUDGETS.tolist().index(1.0)] > 0.0
    assert not np.allclose(alike, unlike, atol=0.05)

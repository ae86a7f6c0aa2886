"""The bound that the false-alarm budget rests on, over 100,000 simulated calls of calm callers."""

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from voicepipe.stress.evidence import (
    BUDGETS,
    CALL_HOURS,
    OFFSETS,
    PRICES,
    STAKES,
    UTTERANCES_PER_CALL_HOUR,
    accumulate,
    bets,
    log_bound,
    log_evidence,
    log_slack,
    simulated_alarms,
    simulated_calm_scores,
    strangeness,
)

BETWEEN_SD, WITHIN_SD = 0.4, 0.92
CALLS = 100_000


@pytest.fixture(scope="module")
def peaks() -> np.ndarray:
    """Highest evidence of each of 100,000 calls; the callers are those that the bound assumes."""
    spreads = [(BETWEEN_SD, WITHIN_SD)] * round(CALL_HOURS * UTTERANCES_PER_CALL_HOUR)
    z = simulated_calm_scores(spreads, calls=CALLS, seed=0)
    return np.concatenate([simulated_alarms(part, spreads)[1] for part in np.array_split(z, 20)])


@pytest.mark.slow
@pytest.mark.parametrize("budget", [0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 1000.0, 10_000.0])
def test_calm_calls_alarm_within_the_bound(peaks: np.ndarray, budget: float) -> None:
    alarms = int(np.count_nonzero(peaks >= log_bound(budget)))
    allowed = min(1.0, budget / 100.0 * CALL_HOURS)
    assert binomtest(alarms, CALLS, allowed, alternative="greater").pvalue > 1e-3
    if budget >= 1000.0:
        assert alarms > 0, "the test would not notice a detector that never alarms"


def test_taking_utterances_for_independent_breaks_the_bound() -> None:
    """What the offsets are for: without them the same callers exceed the budget many times."""
    rng = np.random.default_rng(1)
    calls, utterances = 20_000, 30
    offset = BETWEEN_SD * rng.standard_normal(calls)
    mass = np.zeros((calls, len(OFFSETS), len(STAKES)))
    alarms = np.zeros(calls, dtype=bool)
    for _ in range(utterances):
        z = offset + WITHIN_SD * rng.standard_normal(calls)
        e_values = bets(z, weight=1.0, between_sd=0.0, within_sd=1.0)
        mass = accumulate(mass, call_hours=1.0 / UTTERANCES_PER_CALL_HOUR, e_values=e_values)
        alarms |= np.log(mass[:, 0].mean(axis=-1)) >= log_bound(30.0)
    allowed = 0.3 * CALL_HOURS * utterances / (CALL_HOURS * UTTERANCES_PER_CALL_HOUR)
    assert binomtest(int(alarms.sum()), calls, allowed, alternative="greater").pvalue < 1e-3


def test_a_bet_is_an_e_value_for_every_caller_up_to_its_offset() -> None:
    noise = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    for weight in (0.2, 1.0):
        for cell, offset in enumerate(OFFSETS):
            z = offset * BETWEEN_SD + WITHIN_SD * noise
            expected = bets(z, weight=weight, between_sd=BETWEEN_SD, within_sd=WITHIN_SD).mean(axis=0)
            assert np.all(expected[cell:] <= 1.0 + 1e-6), (weight, offset)


def test_prices_share_one_false_alarm_among_the_cells() -> None:
    cells = np.diff(norm.cdf(np.concatenate(([-np.inf], OFFSETS[:-1], [np.inf]))))
    assert np.sum(cells / PRICES) == pytest.approx(1.0)
    assert cells.sum() == pytest.approx(1.0)


def test_evidence_rises_with_every_score() -> None:
    rng = np.random.default_rng(2)
    z = rng.standard_normal((200, 12))
    higher = z + rng.exponential(0.5, z.shape) * (rng.random(z.shape) < 0.3)
    weight = rng.random(12)

    def evidence(scores: np.ndarray) -> np.ndarray:
        mass = np.zeros((len(scores), len(OFFSETS), len(STAKES)))
        out = []
        for t in range(scores.shape[1]):
            e_values = bets(scores[:, t], weight=weight[t], between_sd=BETWEEN_SD, within_sd=WITHIN_SD)
            mass = accumulate(mass, call_hours=0.003, e_values=e_values)
            out.append(log_evidence(mass))
        return np.array(out)

    assert np.all(evidence(higher) >= evidence(z) - 1e-12)


def test_one_utterance_counts_only_so_much() -> None:
    extreme = bets(1e6, weight=1.0, between_sd=BETWEEN_SD, within_sd=WITHIN_SD)
    assert np.all(extreme < np.exp(3.0))
    assert strangeness(np.array([-np.inf, np.inf])).tolist() == [0.0, 1.0]


def test_nothing_comes_of_no_time() -> None:
    e_values = bets(3.0, weight=1.0, between_sd=BETWEEN_SD, within_sd=WITHIN_SD)
    nothing = np.zeros((len(OFFSETS), len(STAKES)))
    assert log_evidence(accumulate(nothing, call_hours=0.0, e_values=e_values)) == -np.inf


def test_an_endless_rage_does_not_overflow() -> None:
    e_values = bets(3.0, weight=1.0, between_sd=BETWEEN_SD, within_sd=WITHIN_SD)
    mass = np.zeros((len(OFFSETS), len(STAKES)))
    for _ in range(5000):
        mass = accumulate(mass, call_hours=0.003, e_values=e_values)
    assert np.isfinite(log_evidence(mass))


@pytest.mark.slow
def test_the_slack_keeps_the_budget_on_fresh_calls() -> None:
    """The calibrated level is measured on some simulated calls and holds on others of the same law."""
    spread = (BETWEEN_SD, WITHIN_SD)
    slack = log_slack((0.6, 0.85), spread)
    assert slack.shape == BUDGETS.shape
    assert np.all(slack >= 0.0)
    utterances = round(CALL_HOURS * UTTERANCES_PER_CALL_HOUR)
    spreads = [(0.6, 0.85)] * 4 + [spread] * (utterances - 4)
    z = simulated_calm_scores(spreads, calls=20_000, seed=100)
    for budget, level in zip(BUDGETS, log_bound(BUDGETS) - slack, strict=True):
        alarms, _ = simulated_alarms(z, spreads, log_level=float(level))
        expected = budget / 100.0 * CALL_HOURS * len(z)
        spread = np.sqrt(len(z) * alarms.var() + expected)
        assert alarms.sum() <= expected + 4.0 * spread
        assert budget < 10.0 or alarms.sum() >= expected / 2.0, "the level is lower than it need be"

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, poisson

from voicepipe.events.inquiries import AlertRecord
from voicepipe.types import Reason
from voicepipe.web.quality import (
    LEAST_JUDGED,
    Keeping,
    count_false_alarms,
    delay_of,
    measure_quality,
    poisson_interval,
    week_of,
    wilson_interval,
)

MONDAY = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)


def make_record(number: int = 0, **changes: object) -> AlertRecord:
    facts: dict[str, object] = {
        "event_id": f"event-{number}",
        "call_id": f"call-{number}",
        "at": MONDAY + timedelta(minutes=number),
        "queue": "billing",
        "language": "en",
        "opened_s": 20.0,
        "at_s": 50.0,
        "reasons": (Reason.STRESS_PERSISTED,),
        "verdict": None,
        "taken_after_s": None,
    }
    return AlertRecord(**{**facts, **changes})  # type: ignore[arg-type]


def judged(justified: int, false_alarms: int, unjudged: int = 0, **changes: object) -> list[AlertRecord]:
    verdicts = ["justified"] * justified + ["false_alarm"] * false_alarms + [None] * unjudged
    return [make_record(number, verdict=verdict, **changes) for number, verdict in enumerate(verdicts)]


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    # R: prop.test(hits, trials, correct = FALSE)$conf.int
    [(0, 10, 0.0, 0.2775328), (8, 10, 0.4901625, 0.9433178), (81, 263, 0.2552968, 0.3662101), (10, 10, 0.7224672, 1.0)],
)
def test_wilson_intervals_are_those_of_r(hits: int, trials: int, low: float, high: float) -> None:
    assert wilson_interval(hits, trials) == pytest.approx((low, high), abs=1e-5)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_wilson_interval_holds_its_share(numbers: tuple[int, int]) -> None:
    hits, trials = numbers
    low, high = wilson_interval(hits, trials)
    assert 0.0 <= low <= hits / trials <= high <= 1.0


@pytest.mark.parametrize("share", [0.3, 0.7, 0.9])
def test_wilson_intervals_cover_the_truth_about_as_often_as_they_say(share: float) -> None:
    trials = 40
    covered = sum(
        binom.pmf(hits, trials, share)
        for hits in range(trials + 1)
        if wilson_interval(hits, trials)[0] <= share <= wilson_interval(hits, trials)[1]
    )
    assert covered > 0.92


@pytest.mark.parametrize(
    # R: poisson.test(events)$conf.int
    ("events", "low", "high"),
    [(0, 0.0, 3.688879), (1, 0.02531781, 5.571643), (10, 4.795389, 18.39036)],
)
def test_poisson_intervals_are_exact(events: int, low: float, high: float) -> None:
    assert poisson_interval(events) == pytest.approx((low, high), rel=1e-5)


@pytest.mark.parametrize("mean", [0.5, 3.0, 12.0])
def test_poisson_intervals_never_cover_less_than_they_say(mean: float) -> None:
    covered = sum(
        poisson.pmf(events, mean)
        for events in range(80)
        if poisson_interval(events)[0] <= mean <= poisson_interval(events)[1]
    )
    assert covered >= 0.95


def test_three_verdicts_claim_nothing() -> None:
    overall = measure_quality(judged(3, 0), call_hours=1.0, budget=1.0).overall
    assert (overall.alerts, overall.judged, overall.justified) == (3, 3, 3)
    assert (overall.share, overall.low, overall.high) == (None, None, None)


def test_a_share_comes_with_its_interval_once_enough_were_judged() -> None:
    overall = measure_quality(judged(8, 2, 5), call_hours=1.0, budget=1.0).overall
    assert overall.judged == LEAST_JUDGED
    assert overall.share == 0.8
    assert (overall.low, overall.high) == pytest.approx(wilson_interval(8, 10))
    assert overall.unjudged == 5


def test_unsure_is_neither_right_nor_wrong() -> None:
    records = [*judged(8, 2), make_record(90, verdict="unsure")]
    overall = measure_quality(records, call_hours=1.0, budget=1.0).overall
    assert (overall.share, overall.unsure, overall.unjudged) == (0.8, 1, 0)


def test_groups_are_told_apart() -> None:
    records = [
        make_record(0, queue="claims", language="ru"),
        make_record(1, queue=None, language=None),
        make_record(2, at=MONDAY - timedelta(days=8)),
        make_record(3),
    ]
    quality = measure_quality(records, call_hours=1.0, budget=1.0)
    assert [(one.group, one.alerts) for one in quality.by_queue] == [("billing", 2), (None, 1), ("claims", 1)]
    assert [(one.group, one.alerts) for one in quality.by_language] == [("en", 2), (None, 1), ("ru", 1)]
    assert [(one.group, one.alerts) for one in quality.by_week] == [
        ("2026-11-02", 1),
        ("2026-11-09", 0),
        ("2026-11-16", 3),
    ]


def test_weeks_begin_on_monday() -> None:
    assert week_of(MONDAY.date()) == MONDAY.date()
    assert week_of((MONDAY - timedelta(days=1)).date()) == (MONDAY - timedelta(days=7)).date()


def test_delays() -> None:
    assert delay_of([]).median_s is None
    few = delay_of([10.0, 30.0, 20.0])
    assert (few.count, few.median_s, few.p90_s) == (3, 20.0, None)
    assert delay_of([float(value) for value in range(101)]).p90_s == 90.0


def test_delay_is_counted_from_the_first_evidence_and_from_the_alert() -> None:
    records = [
        make_record(0, opened_s=10.0, at_s=40.0, taken_after_s=12.0),
        make_record(1, opened_s=0.0, at_s=0.0, reasons=(Reason.HUMAN_REQUESTED,)),
    ]
    quality = measure_quality(records, call_hours=1.0, budget=1.0)
    assert (quality.found.count, quality.found.median_s) == (1, 30.0)
    assert (quality.taken.count, quality.taken.median_s) == (1, 12.0)


def test_false_alarms_are_a_rate_of_what_was_judged() -> None:
    found = count_false_alarms(judged(5, 2, 3), call_hours=200.0, budget=1.0)
    low, high = poisson_interval(2)
    assert (found.false_alarms, found.unjudged, found.per_100_call_hours) == (2, 3, 1.0)
    assert (found.low, found.high) == (low / 2, high / 2)
    assert found.high_if_all_false == poisson_interval(5)[1] / 2
    assert found.keeping is Keeping.OPEN


def test_a_request_for_a_person_spends_no_budget() -> None:
    records = judged(0, 4, reasons=(Reason.HUMAN_REQUESTED,))
    assert measure_quality(records, call_hours=100.0, budget=1.0).false_alarms.alerts == 0


@pytest.mark.parametrize(
    ("justified", "false_alarms", "unjudged", "keeping"),
    [
        (3, 0, 0, Keeping.KEPT),  # at most 3.7 in 1000 h
        (3, 0, 20, Keeping.OPEN),  # the unjudged could all be false
        (0, 30, 0, Keeping.EXCEEDED),  # at least 20 in 1000 h
        (0, 12, 0, Keeping.OPEN),
    ],
)
def test_the_budget_is_called_kept_or_exceeded_only_where_the_verdicts_tell(
    justified: int, false_alarms: int, unjudged: int, keeping: Keeping
) -> None:
    found = count_false_alarms(judged(justified, false_alarms, unjudged), call_hours=1000.0, budget=1.0)
    assert found.keeping is keeping


@pytest.mark.parametrize(
    ("false_alarms", "call_hours", "budget", "is_rate"),
    [
        (1, 0.04, 1.0, False),
        (9, 99.0, 1.0, False),
        (0, 99.0, 1.0, False),
        (0, 100.0, 1.0, True),
        (1, 10.0, 10.0, True),
        (1, 100.0, 0.1, False),
        (10, 0.5, 1.0, True),
    ],
)
def test_a_rate_is_claimed_only_of_hours_or_alarms_enough(
    false_alarms: int, call_hours: float, budget: float, *, is_rate: bool
) -> None:
    found = count_false_alarms(judged(3, false_alarms, 2), call_hours=call_hours, budget=budget)
    claimed = (found.per_100_call_hours, found.low, found.high, found.high_if_all_false)
    assert [value is not None for value in claimed] == [is_rate] * 4
    assert is_rate or found.keeping is Keeping.OPEN
    assert (found.false_alarms, found.call_hours) == (false_alarms, call_hours)
    assert is_rate or found.call_hours < found.least_hours


def test_without_hours_there_is_no_rate() -> None:
    found = count_false_alarms([], call_hours=0.0, budget=1.0)
    assert (found.per_100_call_hours, found.low, found.high, found.keeping) == (None, None, None, Keeping.OPEN)

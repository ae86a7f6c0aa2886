"""How good the alerts are, from what supervisors said of them: precision, delay, false alarms against the budget.

Every share and rate comes with its count and an interval, and none is given where too few were judged: three verdicts
say nothing. What nobody judged is counted and named, never guessed.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

import numpy as np
from scipy.stats import chi2

from voicepipe.events.inquiries import AlertRecord
from voicepipe.types import Reason

LEAST_JUDGED = 10
"""With fewer verdicts no share is given: the interval of ten, all alike, is still 28 points wide."""
LEAST_FALSE_ALARMS = 10
"""From ten on, a rate's interval reaches from half to not quite twice of it, in however few hours."""
LEAST_FOR_P90 = 10
"""With fewer delays there is no tenth of them to be slower."""
Z_95 = 1.959963984540054
"""Two-sided 95 % point of the standard normal distribution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """How many of a group of alerts were justified.

    Attributes
    ----------
    group : str or None
        Name of the queue, ISO 639-1 code of the language, or first day of the week (ISO 8601); None for calls of
        which nobody said.
    alerts : int
        All of the group.
    justified, false_alarms, unsure : int
        By the verdict that holds.
    share, low, high : float or None
        Justified of justified and false alarms together, and its Wilson interval at 95 %; None below `LEAST_JUDGED`.
    """

    group: str | None
    alerts: int
    justified: int
    false_alarms: int
    unsure: int
    share: float | None
    low: float | None
    high: float | None

    @property
    def judged(self) -> int:
        """Alerts that were called justified or false."""
        return self.justified + self.false_alarms

    @property
    def unjudged(self) -> int:
        """Alerts of which nobody said anything."""
        return self.alerts - self.judged - self.unsure


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """How long something took.

    Attributes
    ----------
    count : int
    median_s : float or None
        None where `count` is 0.
    p90_s : float or None
        None below `LEAST_FOR_P90`.
    """

    count: int
    median_s: float | None
    p90_s: float | None


class Keeping(StrEnum):
    """Whether the budget of false alarms is kept."""

    KEPT = "kept"
    """Even if all that nobody judged were false alarms, the interval's upper end is within the budget."""
    EXCEEDED = "exceeded"
    """The interval's lower end is above the budget, whatever the others turn out to be."""
    OPEN = "open"
    """The verdicts do not tell yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseAlarms:
    """False alarms of persistent stress against the operator's budget.

    Attributes
    ----------
    call_hours : float
        Hours of calls that were analysed in the period.
    alerts : int
        For persistent stress; a caller's request for a person spends no budget.
    false_alarms : int
        Those among them that a supervisor called false.
    unjudged : int
        Those that nobody called either; they are not in the rate.
    per_100_call_hours, low, high : float or None
        The rate of the judged ones and its exact Poisson interval at 95 %; None in fewer hours than `least_hours` and
        with fewer false alarms than `LEAST_FALSE_ALARMS`.
    high_if_all_false : float or None
        Upper end of the interval if all `unjudged` were false alarms; None where there is no rate.
    budget : float
        False alarms per 100 call-hours that the settings allow.
    keeping : Keeping
        `OPEN` where there is no rate.
    """

    call_hours: float
    alerts: int
    false_alarms: int
    unjudged: int
    per_100_call_hours: float | None
    low: float | None
    high: float | None
    high_if_all_false: float | None
    budget: float
    keeping: Keeping

    @property
    def least_hours(self) -> float:
        """Hours of calls in which the budget allows one false alarm.

        In fewer, whatever was counted would be a rate of nought or one above the budget.
        """
        return 100.0 / self.budget


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertQuality:
    """The figures of one period.

    Attributes
    ----------
    overall : Precision
    by_week, by_queue, by_language : tuple of Precision
        Weeks oldest first; queues and languages by the number of alerts, most first.
    found : Delay
        From the start of the first utterance that carried evidence to the alert, for persistent stress.
    taken : Delay
        From the alert to its first take.
    false_alarms : FalseAlarms
    """

    overall: Precision
    by_week: tuple[Precision, ...]
    by_queue: tuple[Precision, ...]
    by_language: tuple[Precision, ...]
    found: Delay
    taken: Delay
    false_alarms: FalseAlarms


def measure_quality(alerts: Iterable[AlertRecord], *, call_hours: float, budget: float) -> AlertQuality:
    """Measure the alerts of one period.

    Parameters
    ----------
    alerts : iterable of AlertRecord
    call_hours : float
        Of the calls that were analysed in that period.
    budget : float
        False alarms per 100 call-hours that the settings allow.
    """
    seen = tuple(alerts)
    stress = [alert for alert in seen if Reason.STRESS_PERSISTED in alert.reasons]
    return AlertQuality(
        overall=_precision(None, seen),
        by_week=_by_week(seen),
        by_queue=_grouped(seen, lambda alert: alert.queue),
        by_language=_grouped(seen, lambda alert: alert.language),
        found=delay_of([alert.at_s - alert.opened_s for alert in stress]),
        taken=delay_of([alert.taken_after_s for alert in seen if alert.taken_after_s is not None]),
        false_alarms=count_false_alarms(stress, call_hours=call_hours, budget=budget),
    )


def week_of(day: date) -> date:
    """Return the Monday of a day's week."""
    return day - timedelta(days=day.weekday())


def wilson_interval(hits: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a share.

    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).

    Parameters
    ----------
    hits, trials : int
        ``0 <= hits <= trials``, `trials` above 0.
    """
    share, z2 = hits / trials, Z_95**2
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z_95 / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    return (max(0.0, middle - half) if hits else 0.0), (min(1.0, middle + half) if hits < trials else 1.0)


def poisson_interval(events: int) -> tuple[float, float]:
    """Return the exact 95 % interval of the mean of a Poisson count.

    Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28 (1936).
    """
    low = float(chi2.ppf(0.025, 2 * events)) / 2 if events else 0.0
    return low, float(chi2.ppf(0.975, 2 * events + 2)) / 2


def delay_of(delays_s: Sequence[float]) -> Delay:
    """Return median and ninth decile of some delays."""
    if not delays_s:
        return Delay(count=0, median_s=None, p90_s=None)
    median, p90 = (float(value) for value in np.quantile(delays_s, (0.5, 0.9)))
    return Delay(count=len(delays_s), median_s=median, p90_s=p90 if len(delays_s) >= LEAST_FOR_P90 else None)


def count_false_alarms(alerts: Sequence[AlertRecord], *, call_hours: float, budget: float) -> FalseAlarms:
    """Compare what supervisors called false with the budget.

    Parameters
    ----------
    alerts : sequence of AlertRecord
        For persistent stress.
    call_hours : float
        0 or more.
    budget : float
        Above 0.
    """
    verdicts = Counter(alert.verdict for alert in alerts)
    false_alarms, justified = verdicts["false_alarm"], verdicts["justified"]
    unjudged = len(alerts) - false_alarms - justified
    rate = low = high = worst = None
    keeping = Keeping.OPEN
    if call_hours > 0.0 and (budget * call_hours >= 100.0 or false_alarms >= LEAST_FALSE_ALARMS):
        per = 100.0 / call_hours
        low, high = (per * limit for limit in poisson_interval(false_alarms))
        rate, worst = per * false_alarms, per * poisson_interval(false_alarms + unjudged)[1]
        if low > budget:
            keeping = Keeping.EXCEEDED
        elif worst <= budget:
            keeping = Keeping.KEPT
    return FalseAlarms(
        call_hours=call_hours,
        alerts=len(alerts),
        false_alarms=false_alarms,
        unjudged=unjudged,
        per_100_call_hours=rate,
        low=low,
        high=high,
        high_if_all_false=worst,
        budget=budget,
        keeping=keeping,
    )


def _by_week(alerts: Sequence[AlertRecord]) -> tuple[Precision, ...]:
    """Group alerts by the week of their request, UTC; weeks without any are there as well."""
    weeks = sorted({week_of(alert.at.date()) for alert in alerts})
    if not weeks:
        return ()
    every = [weeks[0] + timedelta(weeks=number) for number in range((weeks[-1] - weeks[0]).days // 7 + 1)]
    members: dict[date, list[AlertRecord]] = {week: [] for week in every}
    for alert in alerts:
        members[week_of(alert.at.date())].append(alert)
    return tuple(_precision(week.isoformat(), own) for week, own in members.items())


def _grouped(alerts: Sequence[AlertRecord], key: Callable[[AlertRecord], str | None]) -> tuple[Precision, ...]:
    groups: dict[str | None, list[AlertRecord]] = {}
    for alert in alerts:
        groups.setdefault(key(alert), []).append(alert)
    measured = [_precision(group, members) for group, members in groups.items()]
    return tuple(sorted(measured, key=lambda one: (-one.alerts, one.group or "")))


def _precision(group: str | None, alerts: Sequence[AlertRecord]) -> Precision:
    verdicts = Counter(alert.verdict for alert in alerts)
    justified, judged = verdicts["justified"], verdicts["justified"] + verdicts["false_alarm"]
    enough = judged >= LEAST_JUDGED
    low, high = wilson_interval(justified, judged) if enough else (None, None)
    return Precision(
        group=group,
        alerts=len(alerts),
        justified=justified,
        false_alarms=verdicts["false_alarm"],
        unsure=verdicts["unsure"],
        share=justified / judged if enough else None,
        low=low,
        high=high,
    )

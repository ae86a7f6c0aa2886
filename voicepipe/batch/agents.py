"""What an agent's calls come to: means and shares with intervals, never a figure without its number of calls."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from scipy.special import ndtri, stdtrit

from voicepipe.batch.columns import AGENTS_MEANS, ENOUGH_CALLS, Column
from voicepipe.batch.rows import Row

LEVEL = 0.95
"""Confidence level of the intervals."""

_RANGES = {"0..1": (0.0, 1.0), "-1..1": (-1.0, 1.0), "0..100": (0.0, 100.0), "count": (0.0, math.inf)}


@dataclass(slots=True)
class _Mean:
    """Running mean and sum of squared deviations (Welford, Technometrics 4:3, 1962)."""

    calls: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, value: float) -> None:
        self.calls += 1
        off = value - self.mean
        self.mean += off / self.calls
        self.squares += off * (value - self.mean)

    def interval(self, *, least: float, most: float) -> tuple[float, float] | None:
        """Return Student's t interval of the mean, within what is possible; None for fewer than two calls."""
        if self.calls < 2:
            return None
        error = math.sqrt(self.squares / (self.calls - 1) / self.calls)
        reach = float(stdtrit(self.calls - 1, (1 + LEVEL) / 2)) * error
        return max(least, self.mean - reach), min(most, self.mean + reach)


@dataclass(slots=True)
class _Agent:
    calls: int = 0
    alerts: int = 0
    means: dict[str, _Mean] = field(default_factory=lambda: {column.name: _Mean() for column in AGENTS_MEANS})


class Agents:
    """Adds calls up, agent by agent; calls without an agent are left out."""

    def __init__(self) -> None:
        self._agents: dict[str, _Agent] = {}

    def add(self, call: Row) -> None:
        """Take in the row of a call."""
        name = call.get("agent")
        if not name:
            return
        agent = self._agents.setdefault(name, _Agent())
        agent.calls += 1
        agent.alerts += bool(call.get("alert"))
        for column, mean in agent.means.items():
            if (value := call.get(column)) is not None:
                mean.add(float(value))

    def rows(self) -> Iterator[Row]:
        """Yield the rows of the agents in order of name."""
        for name, agent in sorted(self._agents.items()):
            low, high = wilson(agent.alerts, agent.calls)
            row: Row = {
                "agent": name,
                "calls": agent.calls,
                "comparable": agent.calls >= ENOUGH_CALLS,
                "alerts": agent.alerts,
                "alert_share": round(agent.alerts / agent.calls, 4),
                "alert_share_low": round(low, 4),
                "alert_share_high": round(high, 4),
            }
            for column in AGENTS_MEANS:
                row |= _told(agent.means[column.name], column)
            yield row


def _told(mean: _Mean, column: Column) -> Row:
    least, most = _RANGES.get(column.unit, (-math.inf, math.inf))
    low, high = mean.interval(least=least, most=most) or (None, None)
    return {
        column.name: round(mean.mean, 4) if mean.calls else None,
        f"{column.name}_low": None if low is None else round(low, 4),
        f"{column.name}_high": None if high is None else round(high, 4),
        f"{column.name}_calls": mean.calls,
    }


def wilson(hits: int, n: int, *, level: float = LEVEL) -> tuple[float, float]:
    """Return the score interval of a share.

    Parameters
    ----------
    hits, n : int
        `hits` out of `n`, 1 or more.
    level : float
        Confidence level, 0..1.

    References
    ----------
    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).

    Examples
    --------
    >>> low, high = wilson(0, 3)
    >>> round(low, 2), round(high, 2)
    (0.0, 0.56)
    """
    z = float(ndtri((1 + level) / 2))
    share = hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - reach), min(1.0, middle + reach)

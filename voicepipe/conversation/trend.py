"""How the caller's stress went over the call, and whether the agent's turns calmed it.

Only the scores of the caller, or of the one mixed track, are read. Whatever score an agent's utterance might carry is
not looked at: agents' stress is not measured (EU AI Act, Regulation (EU) 2024/1689, Art. 5(1)(f)).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtrit

from voicepipe.conversation.turns import Turn
from voicepipe.conversation.wording import in_time
from voicepipe.types import Channel, DoubleArray, ScoredUtterance

Direction = Literal["rising", "falling", "steady"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendConfig:
    """What counts as a change.

    Attributes
    ----------
    least_utterances : int
        Fewer scored utterances than this have no start, middle and end.
    least_change : float
        Stress (0..1) by which the end must differ from the start to be called rising or falling.
    stressed : float
        Stress from which an utterance counts as stressed.
    level : float
        Confidence level of the interval.
    """

    least_utterances: int = 3
    least_change: float = 0.1
    stressed: float = 0.5
    level: float = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterAgent:
    """Did it calm down? The caller's stress after the agent's turns against before.

    Of each agent turn with scored caller speech in the turn before and in the one after it, the change is the mean
    stress of the caller's turn after it minus that before it, both weighted by speech seconds.

    Attributes
    ----------
    turns : int
        Agent turns behind the figures.
    mean_change : float or None
        -1..1, negative is calmer; None without such a turn.
    low, high : float or None
        Student's t interval of the mean at `TrendConfig.level`; None below three turns. Neighbouring changes share a
        caller turn and are therefore not independent: the interval is a guide, not a test.
    stressed_turns : int
        Those after a caller turn of at least `TrendConfig.stressed`.
    mean_change_when_stressed : float or None
        Their mean change. High values tend to be followed by lower ones whatever the agent says (regression to the
        mean), so compare it between agents, not with zero.
    """

    turns: int
    mean_change: float | None
    low: float | None
    high: float | None
    stressed_turns: int
    mean_change_when_stressed: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StressTrend:
    """The caller's stress over the call; all means are weighted by speech seconds.

    Attributes
    ----------
    scored : int
        Scored utterances.
    scored_s : float
        Seconds of speech in them.
    mean, peak : float or None
        Of the scores, 0..1; None where nothing was scored.
    start, middle, end : float or None
        Mean of the first, second and last third of the *scored speech* (not of the time: a long hold is in none);
        an utterance belongs to the third in which its middle lies. None below `TrendConfig.least_utterances`.
    shift : float or None
        `end` - `start`, -1..1.
    slope_per_min : float or None
        Least squares of stress over the time in the call, per minute.
    direction : {'rising', 'falling', 'steady'} or None
        From `shift` and `TrendConfig.least_change`.
    after_agent : AfterAgent or None
        None unless both sides are recorded.
    """

    scored: int
    scored_s: float
    mean: float | None
    peak: float | None
    start: float | None
    middle: float | None
    end: float | None
    shift: float | None
    slope_per_min: float | None
    direction: Direction | None
    after_agent: AfterAgent | None


def measure_trend(
    utterances: Iterable[ScoredUtterance], *, turns: Sequence[Turn] = (), config: TrendConfig | None = None
) -> StressTrend:
    """Measure how the caller's stress went.

    Parameters
    ----------
    utterances : iterable of ScoredUtterance
        Of one call, all channels, in any order.
    turns : sequence of Turn, optional
        `TurnTaking.turns` of the same call, where both sides are recorded.
    config : TrendConfig, optional
    """
    config = config or TrendConfig()
    scored = [u for u in in_time(utterances) if _stress(u) is not None]
    stress = np.array([_stress(u) for u in scored], dtype=np.float64)
    speech_s = np.array([max(u.speech_s, 1e-3) for u in scored], dtype=np.float64)
    middle_s = np.array([(u.start_s + u.end_s) / 2 for u in scored], dtype=np.float64)
    thirds: list[float | None] = [None, None, None]
    shift = slope = None
    if len(scored) >= config.least_utterances:
        thirds = _thirds(stress, speech_s)
        slope = _slope(stress, middle_s, speech_s)
        if thirds[0] is not None and thirds[2] is not None:
            shift = thirds[2] - thirds[0]
    both = {turn.channel for turn in turns} >= {Channel.CALLER, Channel.AGENT}
    return StressTrend(
        scored=len(scored),
        scored_s=float(speech_s.sum()),
        mean=float(np.average(stress, weights=speech_s)) if scored else None,
        peak=float(stress.max()) if scored else None,
        start=thirds[0],
        middle=thirds[1],
        end=thirds[2],
        shift=shift,
        slope_per_min=None if slope is None else 60.0 * slope,
        direction=None if shift is None else direction_of(shift, least=config.least_change),
        after_agent=_after_agent(turns, config=config) if both else None,
    )


def direction_of(shift: float, *, least: float) -> Direction:
    """Name a change."""
    if abs(shift) < least:
        return "steady"
    return "rising" if shift > 0 else "falling"


def _stress(utterance: ScoredUtterance) -> float | None:
    if utterance.channel is Channel.AGENT or utterance.score is None or not math.isfinite(utterance.score.stress):
        return None
    return utterance.score.stress


def _thirds(stress: DoubleArray, speech_s: DoubleArray) -> list[float | None]:
    middles = (np.cumsum(speech_s) - speech_s / 2) / speech_s.sum()
    third = np.minimum((3 * middles).astype(int), 2)
    return [
        float(np.average(stress[third == k], weights=speech_s[third == k])) if (third == k).any() else None
        for k in range(3)
    ]


def _slope(stress: DoubleArray, middle_s: DoubleArray, speech_s: DoubleArray) -> float | None:
    centred_s = middle_s - np.average(middle_s, weights=speech_s)
    spread = float(np.sum(speech_s * centred_s**2))
    return float(np.sum(speech_s * centred_s * stress)) / spread if spread > 0.0 else None


def _after_agent(turns: Sequence[Turn], *, config: TrendConfig) -> AfterAgent:
    pairs = [
        (before, after)
        for first, agent, second in zip(turns, turns[1:], turns[2:], strict=False)
        if agent.channel is Channel.AGENT
        and (before := _turn_stress(first)) is not None
        and (after := _turn_stress(second)) is not None
    ]
    changes = np.array([after - before for before, after in pairs])
    stressed = np.array([after - before for before, after in pairs if before >= config.stressed])
    low = high = None
    if len(changes) >= 3:
        half = float(stdtrit(len(changes) - 1, 0.5 + config.level / 2) * changes.std(ddof=1) / math.sqrt(len(changes)))
        low, high = max(-1.0, float(changes.mean()) - half), min(1.0, float(changes.mean()) + half)
    return AfterAgent(
        turns=len(changes),
        mean_change=float(changes.mean()) if len(changes) else None,
        low=low,
        high=high,
        stressed_turns=len(stressed),
        mean_change_when_stressed=float(stressed.mean()) if len(stressed) else None,
    )


def _turn_stress(turn: Turn) -> float | None:
    values = [(stress, max(u.speech_s, 1e-3)) for u in turn.utterances if (stress := _stress(u)) is not None]
    return sum(s * w for s, w in values) / sum(w for _, w in values) if values else None

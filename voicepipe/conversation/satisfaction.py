r"""CSI and CES of one call, estimated from what was measured in it.

**The index.** Each signal :math:`x_i` lies in 0..1 (the shift of stress in -1..1). A measurement with the standard
deviation :math:`\sigma_i` of a signal that varies by :math:`s_i` over calls is believed as far as it is reliable [3]_:

.. math:: \hat x_i = m_i + r_i (x_i - m_i), \qquad r_i = \frac{s_i^2}{s_i^2 + \sigma_i^2},

where :math:`m_i` is what an ordinary call has; :math:`r_i = 0` where the signal was not measured. With the weights
:math:`w_i` of `SIGNALS`, the sum :math:`z = b + \sum_i w_i (\hat x_i - m_i)` is believed with the variance

.. math:: v = s_0^2 + \sum_i w_i^2 s_i^2 (1 - r_i) + (\tau (z - b))^2:

what the formula leaves out, what was not or not exactly measured, and that the weights are set by hand: all of them
together may as well be half as large again, or half as large (:math:`\tau` = 0.5). The index is the mean of
:math:`100 / (1 + e^{-z})` over all that :math:`z` may be [4]_, and its interval the middle 80 % of it:

.. math:: \text{index} = \frac{100}{1 + e^{-z / \sqrt{1 + \pi v / 8}}}, \qquad z \pm 1.28 \sqrt v.

So the less is known, the wider the interval and the nearer the index to the middle, and the further a call is from an
ordinary one (73 for CSI, 69 for CES, if all of it were known), the wider again. No index without survey answers comes
near 0 or 100 with a narrow interval. It is no interval of a survey answer.

The signs follow what is published about service calls: effort (repeating oneself, being transferred, calling again)
drives disloyalty [1]_, resolution in the call drives satisfaction. The *sizes* of the weights are set by hand: this is
an index for comparing calls, not a prediction of what a caller would answer. Only real answers make it one
(`voicepipe.conversation.surveys`).

Both indices run from 0 to 100 and higher is better. CES has the direction of CES 2.0 ("the company made it easy for
me", agreement [2]_): 100 is no effort at all.

References
----------
.. [1] Dixon, Freeman and Toman, "Stop trying to delight your customers", Harvard Business Review 88 (2010).
.. [2] Dixon, Toman and DeLisi, "The Effortless Experience", Portfolio (2013).
.. [3] Kelley, "Fundamentals of Statistics", Harvard University Press (1947): an estimated true score is the mean plus
   the reliability times the deviation from it.
.. [4] MacKay, "The evidence framework applied to classification networks", Neural Computation 4 (1992): the moderated
   output.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from voicepipe.conversation.cues import Cues
from voicepipe.conversation.silence import SilenceReason
from voicepipe.conversation.trend import StressTrend
from voicepipe.conversation.turns import TurnTaking
from voicepipe.conversation.wording import Quote, count_words, in_time, said
from voicepipe.types import Channel, ScoredUtterance

INDEX_NOTE = "An index, not a prediction: no survey answers stand behind it."
LEVEL = 0.8
"""Level of all intervals here."""
_Z = 1.2815515655446004
"""Standard normal quantile of 0.9: half of what `LEVEL` leaves out lies above it."""
_CSI_BASE, _CES_BASE = 1.0, 0.8
_LEFT_OUT_SD = 0.6
"""s_0: what the formula leaves out, in units of z; by hand, as the weights."""
_WEIGHTS_SD = 0.5
"""tau: how far the sizes of the hand-set weights may be off together, as a share of what they come to."""
_OF_CALLER = ("stress_end", "frustration", "repeats")
"""Signals of which one is measured wherever anything of the caller is: the voice, or the words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalKind:
    """What a signal is and what it counts.

    Attributes
    ----------
    text : str
        In plain words.
    usual : float
        Value of an ordinary call; also stands in where the signal is not measured.
    spread : float
        Standard deviation over calls; taken where the signal is not measured.
    csi, ces : float
        Weights.
    """

    text: str
    usual: float
    spread: float
    csi: float
    ces: float


SIGNALS: Mapping[str, SignalKind] = {
    "stress_end": SignalKind(text="stress at the end of the call", usual=0.3, spread=0.2, csi=-2.0, ces=-0.8),
    "stress_shift": SignalKind(text="shift of stress from start to end", usual=0.0, spread=0.2, csi=-1.2, ces=-0.4),
    "frustration": SignalKind(text="frustration in the caller's words", usual=0.15, spread=0.15, csi=-1.8, ces=-1.4),
    "repeats": SignalKind(text="the caller had to repeat things", usual=0.1, spread=0.2, csi=-0.8, ces=-1.6),
    "contacts": SignalKind(text="the caller has called or waited before", usual=0.1, spread=0.25, csi=-0.8, ces=-1.6),
    "transfers": SignalKind(text="transfers", usual=0.1, spread=0.2, csi=-0.4, ces=-1.2),
    "holds": SignalKind(text="holds and silences of the agent", usual=0.15, spread=0.2, csi=-0.4, ces=-0.8),
    "length": SignalKind(text="length against the queue's median", usual=0.5, spread=0.2, csi=-0.3, ces=-1.0),
    "human_request": SignalKind(text="asked for a person or supervisor", usual=0.05, spread=0.2, csi=-0.8, ces=-0.8),
    "resolved": SignalKind(text="words of resolution", usual=0.4, spread=0.4, csi=1.4, ces=1.0),
    "unresolved": SignalKind(text="words that it is not solved", usual=0.15, spread=0.25, csi=-1.8, ces=-1.0),
    "thanks": SignalKind(text="thanks in the last part of the call", usual=0.5, spread=0.4, csi=0.8, ces=0.3),
}
"""All signals, in the order of the columns of a fitted model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One signal of one call.

    Attributes
    ----------
    name : str
        Key in `SIGNALS`.
    value : float
        0..1 (-1..1 for ``stress_shift``); `SignalKind.usual` where it was not measured.
    sd : float
        Standard deviation of `value` as a measurement; not used where it was not measured.
    measured : bool
        What rests on phrases is not where most words are in a language without them.
    quotes : tuple of Quote
        The words that it rests on.
    """

    name: str
    value: float
    sd: float
    measured: bool
    quotes: tuple[Quote, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure with its interval.

    Attributes
    ----------
    value, low, high : float
        0..100, higher is better.
    level : float
        Of the interval.
    kind : {'index', 'prediction'}
        An index compares calls; a prediction was fitted to survey answers.
    """

    value: float
    low: float
    high: float
    level: float
    kind: Literal["index", "prediction"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceEstimate:
    """What the call was probably like for the caller.

    Attributes
    ----------
    csi : Estimate or None
        Customer satisfaction index; None where nothing of the caller was measured.
    ces : Estimate or None
        Customer effort score in the direction of CES 2.0: 100 is no effort.
    signals : tuple of Signal
        All of `SIGNALS`, in that order.
    note : str
        What kind of figure this is, for whoever reads it.
    """

    csi: Estimate | None
    ces: Estimate | None
    signals: tuple[Signal, ...]
    note: str

    @property
    def values(self) -> dict[str, float]:
        """The signals by name."""
        return {signal.name: signal.value for signal in self.signals}


def estimate_service(
    utterances: Iterable[ScoredUtterance],
    *,
    cues: Cues,
    turns: TurnTaking,
    stress: StressTrend,
    queue_median_s: float | None = None,
) -> ServiceEstimate:
    """Estimate CSI and CES of one call.

    Parameters
    ----------
    utterances : iterable of ScoredUtterance
        Of one call, all channels.
    cues : Cues
    turns : TurnTaking
    stress : StressTrend
        All three of the same utterances.
    queue_median_s : float, optional
        Median length of the calls of this queue; without it the length of the call says nothing.
    """
    heard = in_time(utterances)
    caller = [u for u in heard if u.channel is not Channel.AGENT]
    found = [*_of_stress(stress), *_of_words(caller, cues), *_of_course(heard, cues, turns)]
    if (length := measure_length(turns.duration_s, queue_median_s=queue_median_s)) is not None:
        found.append(length)
    return rate(found)


def measure_length(duration_s: float, *, queue_median_s: float | None) -> Signal | None:
    """Measure the length of a call against the median of its queue; None where one of them is not known or 0."""
    if not queue_median_s or duration_s <= 0.0:
        return None
    ratio = math.log2(duration_s / queue_median_s)
    return Signal(name="length", value=1.0 / (1.0 + math.exp(-ratio)), sd=0.05, measured=True)


def rate(measured: Iterable[Signal]) -> ServiceEstimate:
    """Estimate CSI and CES from the signals of a call, in any order; of two of one name the later one counts."""
    by_name = {signal.name: signal for signal in measured if signal.measured}
    signals = tuple(by_name.get(name) or _missing(name) for name in SIGNALS)
    nothing = not any(name in by_name for name in _OF_CALLER)
    return ServiceEstimate(
        csi=None if nothing else _index(signals, {name: kind.csi for name, kind in SIGNALS.items()}, base=_CSI_BASE),
        ces=None if nothing else _index(signals, {name: kind.ces for name, kind in SIGNALS.items()}, base=_CES_BASE),
        signals=signals,
        note=INDEX_NOTE,
    )


def _index(signals: Sequence[Signal], weights: Mapping[str, float], *, base: float) -> Estimate:
    above, variance = 0.0, _LEFT_OUT_SD**2
    for signal in signals:
        kind, weight = SIGNALS[signal.name], weights[signal.name]
        reliability = kind.spread**2 / (kind.spread**2 + signal.sd**2) if signal.measured else 0.0
        above += weight * reliability * (signal.value - kind.usual)
        variance += (weight * kind.spread) ** 2 * (1.0 - reliability)
    variance += (_WEIGHTS_SD * above) ** 2
    z, half = base + above, _Z * math.sqrt(variance)
    return Estimate(
        value=_logistic(z / math.sqrt(1.0 + math.pi * variance / 8.0)),
        low=_logistic(z - half),
        high=_logistic(z + half),
        level=LEVEL,
        kind="index",
    )


def _logistic(z: float) -> float:
    return 100.0 / (1.0 + math.exp(-z))


def _missing(name: str) -> Signal:
    return Signal(name=name, value=SIGNALS[name].usual, sd=SIGNALS[name].spread, measured=False)


def _of_stress(stress: StressTrend) -> Iterable[Signal]:
    sd = 0.25 / math.sqrt(max(1.0, stress.scored / 3))
    if stress.end is not None:
        yield Signal(name="stress_end", value=stress.end, sd=sd, measured=True)
    elif stress.mean is not None:
        yield Signal(name="stress_end", value=stress.mean, sd=SIGNALS["stress_end"].spread, measured=True)
    if stress.shift is not None:
        yield Signal(name="stress_shift", value=stress.shift, sd=sd * math.sqrt(2.0), measured=True)


def _of_words(caller: Sequence[ScoredUtterance], cues: Cues) -> Iterable[Signal]:
    probs = [u.frustration.prob for u in caller if u.frustration is not None]
    if probs:
        highest = sorted(probs, reverse=True)[: max(1, math.ceil(len(probs) / 5))]
        sd = 0.2 / math.sqrt(len(highest))
        yield Signal(name="frustration", value=sum(highest) / len(highest), sd=sd, measured=True)
    words = sum(count_words(said(u)) for u in caller)
    if not words:
        return
    sd = 0.1 + 0.3 * math.exp(-words / 40.0)
    requests = sum(u.human_request is not None for u in caller)
    asked = tuple(cue.quote for cue in cues.of("human_request"))
    is_read = cues.cover(caller)
    if is_read or requests:
        value = _saturating(max(requests, len(asked)))
        yield Signal(name="human_request", value=value, sd=sd / 2, measured=True, quotes=asked)
    if not is_read:
        return
    second_half = {(u.channel, u.index) for u in caller[len(caller) // 2 :]}
    everywhere = {(u.channel, u.index) for u in caller}
    for name, kind, where in (
        ("repeats", "repeated", everywhere),
        ("contacts", "contact_again", everywhere),
        ("unresolved", "unresolved", second_half),
    ):
        hits = [cue for cue in cues.of(kind) if cue.place in where]
        quotes = tuple(cue.quote for cue in hits)
        yield Signal(name=name, value=_saturating(len(hits)), sd=sd, measured=True, quotes=quotes)
    late = {(u.channel, u.index) for u in caller[-max(3, math.ceil(len(caller) / 3)) :]}
    for name in ("resolved", "thanks"):
        last = tuple(cue.quote for cue in cues.of(name) if cue.place in late)
        yield Signal(name=name, value=_saturating(2 * len(last)), sd=sd, measured=True, quotes=last)


def _of_course(heard: Sequence[ScoredUtterance], cues: Cues, turns: TurnTaking) -> Iterable[Signal]:
    if cues.cover(heard):
        asked = cues.of("transfer", "transferred")
        yield Signal(
            name="transfers",
            value=_saturating(len(asked)),
            sd=0.15,
            measured=True,
            quotes=tuple(cue.quote for cue in asked),
        )
    if turns.silences is not None and turns.side(Channel.AGENT) is not None:
        waits = [s for s in turns.silences if s.owner is Channel.AGENT or s.reason is SilenceReason.HOLD]
        share = sum(s.duration_s for s in waits) / max(60.0, turns.duration_s)
        yield Signal(name="holds", value=min(1.0, 2.0 * share), sd=0.1, measured=True)


def _saturating(count: int) -> float:
    """0, 0.5, 0.75, ... : the first hit counts most."""
    return 1.0 - 0.5**count

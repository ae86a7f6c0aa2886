"""What a conversation was like, as a part of its call's line: measured where the call is scored, by many workers.

One figure needs all calls: the length against the queue's median. So the line keeps the signals behind CSI and CES, and
`read_service` makes the estimates of them when the tables are built, which then only read.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from voicepipe.batch.lines import CONVERSATION, Line, read_utterance
from voicepipe.conversation import Conversation, Handoff, TurnConfig, measure_conversation
from voicepipe.conversation.satisfaction import ServiceEstimate, Signal, measure_length, rate
from voicepipe.conversation.silence import SilenceReason
from voicepipe.conversation.turns import SideTalk
from voicepipe.conversation.wording import Quote
from voicepipe.speech.phrases import PhraseBook
from voicepipe.types import Channel


def measured(
    call: Line,
    told: Sequence[Line],
    *,
    books: Mapping[str, PhraseBook] | None = None,
    turns: TurnConfig | None = None,
    words: bool = True,
) -> Line:
    """Return a call's own line with what its conversation was like.

    That is ``columns``: of the table of calls, by name, texts of JSON not yet written as such; and ``signals``: those
    that were measured, without the length. Where it cannot be measured, both are empty and ``error`` says why: the rest
    of the call must not be lost with it.

    Parameters
    ----------
    call : Line
        The call's own line.
    told : sequence of Line
        Its other lines.
    books : mapping of str to PhraseBook, optional
        A centre's own phrases; those of the package otherwise.
    turns : TurnConfig, optional
        As for `voicepipe.conversation.measure_conversation`.
    words : bool
        False: without consent words are written down and not judged; no phrases are looked for, and nothing is handed
        on.
    """
    conversation: Line = {"error": None, "columns": {}, "signals": []}
    try:
        found = measure_conversation(
            [read_utterance(one) for one in told if one["type"] == "utterance"],
            duration_s=call["duration_s"],
            channels=[Channel(channel) for channel in call["channels"]],
            language=call["language"],
            books=books if words else {},
            config=turns,
        )
    except Exception as error:
        conversation["error"] = (
            f"The conversation of {call['path']} could not be measured ({type(error).__name__}: {error}); its other "
            "columns are filled, please report it."
        )
    else:
        conversation["columns"] = _columns(found) | (_handoff(found.handoff) if words else {})
        conversation["signals"] = [_signal(signal) for signal in found.service.signals if signal.measured]
    return call | {CONVERSATION: conversation}


def read_service(call: Line, *, queue_median_s: float) -> ServiceEstimate:
    """Return the estimates of a call.

    Parameters
    ----------
    call : Line
        From `measured`.
    queue_median_s : float
        Median length of the calls of its queue.
    """
    signals = [
        Signal(
            name=told["name"],
            value=told["value"],
            sd=told["sd"],
            measured=True,
            quotes=tuple(
                Quote(
                    channel=Channel(quote["channel"]),
                    index=quote["index"],
                    start_s=quote["start_s"],
                    text=quote["text"],
                )
                for quote in told["quotes"]
            ),
        )
        for told in call[CONVERSATION]["signals"]
    ]
    length = measure_length(call["duration_s"], queue_median_s=queue_median_s)
    return rate([*signals, length] if length else signals)


def measured_columns(call: Line, service: ServiceEstimate) -> dict[str, Any]:
    """Return the columns of the table of calls that tell of the conversation.

    Parameters
    ----------
    call : Line
        From `measured`.
    service : ServiceEstimate
        Of the same call.
    """
    told = {
        name: _json(value) if isinstance(value, list) else value
        for name, value in call[CONVERSATION]["columns"].items()
    }
    estimates = {name: one for name, one in (("csi", service.csi), ("ces", service.ces)) if one is not None}
    told["service_signals"] = _json(
        [
            {"name": signal.name, "value": _round(signal.value), "quotes": [_quoted(quote) for quote in signal.quotes]}
            for signal in service.signals
            if signal.measured
        ]
    )
    told["service_kind"] = max(
        (one.kind for one in estimates.values()), key=("index", "prediction").index, default=None
    )
    for name, estimate in estimates.items():
        told |= {
            name: round(estimate.value, 1),
            f"{name}_low": round(estimate.low, 1),
            f"{name}_high": round(estimate.high, 1),
        }
    return told


def _columns(conversation: Conversation) -> dict[str, Any]:
    turns, stress, warmth = conversation.turns, conversation.stress, conversation.warmth
    silences = turns.silences
    told: dict[str, Any] = {
        "stress_mean": stress.mean,
        "stress_peak": stress.peak,
        "stress_start": stress.start,
        "stress_middle": stress.middle,
        "stress_end": stress.end,
        "stress_shift": stress.shift,
        "stress_slope": stress.slope_per_min,
        "stress_direction": stress.direction,
        "agent_talk_ratio": turns.agent_talk_ratio,
        "overlap_s": turns.overlap_s,
        "silence_s": turns.silence_s,
        "silences": None if silences is None else len(silences),
        "longest_silence_s": None if not silences else max(silence.duration_s for silence in silences),
        "hold_s": None
        if silences is None
        else sum(silence.duration_s for silence in silences if silence.reason is SilenceReason.HOLD),
        "warmth": warmth.overall,
        "warmth_measured": warmth.measured_share,
        "warmth_quotes": [{"sign": item.name} | _quoted(quote) for item in warmth.items for quote in item.quotes],
    }
    if (after := stress.after_agent) is not None:
        told |= {
            "stress_after_agent": after.mean_change,
            "stress_after_agent_low": after.low,
            "stress_after_agent_high": after.high,
            "calmed_after_stress": after.mean_change_when_stressed,
        }
    told |= {f"warmth_{item.name}": item.score for item in warmth.items}
    for name in ("caller", "agent"):
        if (side := turns.side(Channel(name))) is not None:
            told |= _side(side, name)
    return {name: _round(value) for name, value in told.items()}


def _side(side: SideTalk, name: str) -> dict[str, Any]:
    return {
        f"{name}_talk_s": side.talk_s,
        f"{name}_turns": side.turns,
        f"{name}_interruptions": side.interruptions,
        f"{name}_silence_s": side.silence_s,
        f"{name}_latency_median_s": side.latency_median_s,
        f"{name}_latency_p90_s": side.latency_p90_s,
        f"{name}_monologues": side.monologues,
        f"{name}_longest_turn_s": side.longest_turn_s,
        f"{name}_rate_per_min": side.rate_per_min,
        "rate_unit": side.rate_unit,
    }


def _handoff(handoff: Handoff) -> dict[str, Any]:
    question = (handoff.question,) if handoff.question else ()
    return {
        name: [_quoted(quote) for quote in quotes]
        for name, quotes in (
            ("wants", handoff.wants),
            ("tried", handoff.tried),
            ("promises", handoff.promises),
            ("amounts", handoff.amounts),
            ("open_question", question),
        )
    }


def _signal(signal: Signal) -> Mapping[str, Any]:
    return {
        "name": signal.name,
        "value": _round(signal.value),
        "sd": _round(signal.sd),
        "quotes": [_quoted(quote) for quote in signal.quotes],
    }


def _quoted(quote: Quote) -> dict[str, Any]:
    return {
        "channel": str(quote.channel),
        "index": quote.index,
        "start_s": round(quote.start_s, 3),
        "text": quote.text,
    }


def _round(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return round(value, 4) if math.isfinite(value) else None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)

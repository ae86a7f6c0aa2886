"""Which calls deserve a listen, and why: what happened in each, weighed and told.

A reason is ``[kind, value, ...]``; the page has the words. The points are a judgement, made to put what needs a person
first: stress that persisted, then a caller who asked for somebody, then how the call ended, then what may have gone
unseen. Nothing here looks at who the agent was.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from voicepipe.stress.levels import HIGH_STRESS

Reason = list[Any]

MOST_REASONS = 4
"""Reasons that are told, the weightiest first."""

ROSE = 0.15
"""Rise of stress from the first to the last third that is worth telling."""
STRESSED_AT_END = 0.5
FRUSTRATED = 0.7
LEFT_WAITING_S = 20.0
CUT_IN = 4
COLD = 30.0
"""Warmth of 100 up to which an alert's call is told to be cold."""
LOW_SURVEY = 25.0
POORLY_HEARD = 0.8

_REQUEST_POINTS = {"supervisor": 2.5, "complaint": 2.5, "human": 1.5}


def weigh(call: Mapping[str, Any]) -> tuple[float, list[Reason]]:
    """Weigh one call.

    Parameters
    ----------
    call : mapping
        Columns of the table of calls, and ``human`` (kind of the first request), ``persisted`` (number of episodes of
        persistent stress), ``stressed_speech_s`` (of them) and ``frustration_words``.

    Returns
    -------
    rank : float
        Points; 0 where nothing stands out.
    reasons : list of list
        At most `MOST_REASONS`, the weightiest first.
    """
    found = sorted(_find(call), key=lambda pair: -pair[0])
    return round(sum(points for points, _ in found), 3), [reason for _, reason in found[:MOST_REASONS]]


def _find(call: Mapping[str, Any]) -> Iterator[tuple[float, Reason]]:
    peak, start, end = call["stress_peak"], call["stress_start"], call["stress_end"]
    shift = call["stress_shift"]
    persisted = call["persisted"]
    if persisted:
        stressed_s = call["stressed_speech_s"] or 0.0
        yield 4.0 + min(2.0, stressed_s / 30.0) + (call["episode_peak"] or 0.0), ["alert", persisted, stressed_s]
    if human := call["human"]:
        yield _REQUEST_POINTS.get(human, 1.5), ["human", human, call["human_request_quote"] or ""]
    if shift is not None and shift >= ROSE:
        yield 0.5 + 2.0 * shift, ["rose", start, end]
    elif end is not None and end >= STRESSED_AT_END:
        yield 1.0, ["stayed", end]
    elif persisted and shift is not None and shift <= -ROSE:
        yield 0.4, ["calmed", start, end]
    if not persisted and peak is not None and peak >= HIGH_STRESS:
        yield 0.5 * peak, ["peak", peak]
    if (call["frustration_peak"] or 0.0) >= FRUSTRATED:
        yield call["frustration_peak"], ["words", call["frustration_peak"], call["frustration_words"] or ""]
    if (call["survey_csi"] is not None) and call["survey_csi"] <= LOW_SURVEY:
        yield 1.5, ["survey", round(call["survey_csi"])]
    if (call["agent_silence_s"] or 0.0) >= LEFT_WAITING_S:
        yield 0.4, ["silence", call["agent_silence_s"]]
    if (call["agent_interruptions"] or 0) >= CUT_IN:
        yield 0.4, ["interrupted", call["agent_interruptions"]]
    if (persisted or human) and call["warmth"] is not None and call["warmth"] <= COLD:
        yield 0.4, ["cold", call["warmth"]]
    if call["coverage"] is not None and call["coverage"] < POORLY_HEARD:
        yield 0.2, ["coverage", call["coverage"]]

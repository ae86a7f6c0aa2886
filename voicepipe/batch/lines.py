"""A scored call as lines of JSON: the stable interface that others script against.

One object a line, in time order: utterances at their start, episodes and reroutes at the moment they were decided, the
call last. Numbers are rounded to what can be trusted: offsets to the millisecond, probabilities to four digits.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from voicepipe.events.envelope import body_of
from voicepipe.events.reroute import RerouteEvent
from voicepipe.types import CallSummary, Episode, FeatureDeviation, ScoredUtterance

Line = dict[str, Any]


def utterance_line(scored: ScoredUtterance) -> Line:
    """Return the line of one utterance; the agent's acoustic fields are None."""
    score, transcript = scored.score, scored.transcript
    return {
        "type": "utterance",
        "call_id": scored.call_id,
        "channel": str(scored.channel),
        "index": scored.index,
        "start_s": _offset(scored.start_s),
        "end_s": _offset(scored.end_s),
        "text": transcript.text if transcript else None,
        "language": transcript.language if transcript else None,
        "stress": _number(score.stress) if score else None,
        "arousal": _number(score.arousal) if score else None,
        "valence": _number(score.valence) if score else None,
        "emotions": {name: _number(prob) for name, prob in score.emotions.items()} if score else None,
        "confidence": _number(score.confidence) if score else None,
        "baseline_ready": score.baseline_ready if score else None,
        "top_features": [_feature(feature) for feature in score.top_features] if score else None,
    }


def episode_line(episode: Episode) -> Line:
    """Return the line of an episode that opened or closed."""
    return {
        "type": "episode",
        "call_id": episode.call_id,
        "channel": str(episode.channel),
        "state": str(episode.state),
        "opened_s": _offset(episode.opened_s),
        "closed_s": None if episode.closed_s is None else _offset(episode.closed_s),
        "at_s": _offset(episode.at_s),
        "peak": _number(episode.peak),
        "mean": _number(episode.mean),
        "reasons": [str(reason) for reason in episode.reasons],
    }


def reroute_line(event: RerouteEvent) -> Line:
    """Return the line of a reroute: the body exactly as Kafka gets it."""
    body: Mapping[str, Any] = json.loads(body_of(event))
    return {"type": "reroute", **body}


def call_line(summary: CallSummary, *, path: str, error: str | None) -> Line:
    """Return the last line of a call."""
    return {
        "type": "call",
        "call_id": summary.call.call_id,
        "path": path,
        "duration_s": _offset(summary.duration_s),
        "roles": str(summary.call.roles),
        "channels": [str(channel) for channel in summary.call.channels],
        "language": summary.language,
        "coverage": _number(summary.coverage.ratio),
        "error": error,
    }


def failed_line(*, path: str, error: str) -> Line:
    """Return the line of a recording of which nothing could be read."""
    return {
        "type": "call",
        "call_id": None,
        "path": path,
        "duration_s": None,
        "roles": None,
        "channels": [],
        "language": None,
        "coverage": None,
        "error": error,
    }


def dump(lines: Sequence[Line]) -> str:
    """Serialise lines, each ended by a newline; the text is the same for the same analysis."""
    return "".join(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n" for line in lines)


def _feature(feature: FeatureDeviation) -> Line:
    return {
        "name": feature.name,
        "value": _number(feature.value),
        "unit": feature.unit,
        "deviation": _number(feature.deviation),
    }


def _offset(offset_s: float) -> float:
    return round(offset_s, 3)


def _number(value: float) -> float | None:
    return round(float(value), 4) if math.isfinite(value) else None

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
from voicepipe.types import (
    CallSummary,
    Channel,
    Episode,
    FeatureDeviation,
    Frustration,
    HumanRequest,
    Redaction,
    ScoredUtterance,
    StressScore,
    Transcript,
)

Line = dict[str, Any]

CONVERSATION = "conversation"
"""Key, in the line of a call that lies in the folder of a run, of what its conversation was like."""
REQUEST_LANGUAGES = "request_languages"
"""Key, in the same line, of the languages in which requests for a person are known."""


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
        "frustration": _frustration(scored.frustration) if scored.frustration else None,
        "human_request": _human_request(scored.human_request) if scored.human_request else None,
        "redactions": [redaction.kind for redaction in transcript.redactions] if transcript else None,
        "rejected": transcript.rejected if transcript else None,
        "decided_s": _offset(scored.decided_s),
        "speech_s": _offset(scored.speech_s),
    }


def episode_line(episode: Episode) -> Line:
    """Return the line of an episode that opened or closed."""
    evidence = episode.evidence
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
        "index": episode.index,
        "closed_by": None if episode.closed_by is None else str(episode.closed_by),
        "log_e": _number(evidence.log_e),
        "log_e_voice": _number(evidence.log_e_voice),
        "log_e_words": _number(evidence.log_e_words),
        "log_e_threshold": _number(evidence.log_e_threshold),
        "false_alarms_per_100_call_hours": evidence.false_alarms_per_100_call_hours,
        "stressed_speech_s": _offset(evidence.stressed_speech_s),
        "utterances": list(evidence.utterances),
    }


def reroute_line(event: RerouteEvent) -> Line:
    """Return the line of a reroute: the body exactly as Kafka gets it."""
    body: Mapping[str, Any] = json.loads(body_of(event))
    return {"type": "reroute", **body}


def call_line(summary: CallSummary, *, path: str, error: str | None) -> Line:
    """Return the last line of a call."""
    call = summary.call
    return {
        "type": "call",
        "call_id": call.call_id,
        "path": path,
        "duration_s": _offset(summary.duration_s),
        "roles": str(call.roles),
        "channels": [str(channel) for channel in call.channels],
        "language": summary.language,
        "coverage": _number(summary.coverage.ratio),
        "error": error,
        "started_at": call.started_at.isoformat(),
        "agent": call.agent_id,
        "queue": call.queue,
        "consent": call.consent,
        "consent_basis": None if call.basis is None else str(call.basis),
        "speech_s": _offset(summary.coverage.speech_s),
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
        "started_at": None,
        "agent": None,
        "queue": None,
        "consent": None,
        "consent_basis": None,
        "speech_s": None,
    }


def read_utterance(line: Mapping[str, Any]) -> ScoredUtterance:
    """Return the utterance that a line tells, as far as the line tells it: what `utterance_line` writes.

    Parameters
    ----------
    line : mapping
        Of type ``utterance``.
    """
    transcript = score = frustration = request = None
    if line["text"] is not None:
        kinds = line["redactions"] or ()
        transcript = Transcript(
            text=line["text"],
            language=line["language"],
            redacted=bool(kinds),
            redactions=tuple(Redaction(kind=kind, start=0, end=0) for kind in kinds),
            rejected=line["rejected"],
        )
    if line["stress"] is not None:
        score = StressScore(
            stress=line["stress"],
            arousal=line["arousal"],
            valence=line["valence"],
            emotions=line["emotions"],
            confidence=line["confidence"],
            model_id="",
            baseline_ready=line["baseline_ready"],
        )
    if said := line["frustration"]:
        frustration = Frustration(prob=said["prob"], words=tuple(said["words"]), model_id=said["model_id"])
    if asked := line["human_request"]:
        request = HumanRequest(kind=asked["kind"], rule=asked["rule"], quote=asked["quote"])
    return ScoredUtterance(
        call_id=line["call_id"],
        channel=Channel(line["channel"]),
        index=line["index"],
        start_s=line["start_s"],
        end_s=line["end_s"],
        decided_s=line["decided_s"],
        speech_s=line["speech_s"],
        transcript=transcript,
        score=score,
        frustration=frustration,
        human_request=request,
    )


def dump(lines: Sequence[Line]) -> str:
    """Serialise lines, each ended by a newline; the text is the same for the same analysis."""
    return "".join(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n" for line in lines)


def _feature(feature: FeatureDeviation) -> Line:
    return {
        "name": feature.name,
        "value": _number(feature.value),
        "unit": feature.unit,
        "deviation": _number(feature.deviation),
        "text": feature.text,
    }


def _frustration(frustration: Frustration) -> Line:
    return {
        "prob": _number(frustration.prob),
        "words": list(frustration.words),
        "model_id": frustration.model_id,
    }


def _human_request(request: HumanRequest) -> Line:
    return {"kind": request.kind, "rule": request.rule, "quote": request.quote}


def _offset(offset_s: float) -> float:
    return round(offset_s, 3)


def _number(value: float | None) -> float | None:
    return round(float(value), 4) if value is not None and math.isfinite(value) else None

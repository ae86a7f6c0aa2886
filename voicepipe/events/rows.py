"""What a call event and a supervisor's answer look like as rows of the store."""

import json
import math
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from voicepipe.events import outbox, tables
from voicepipe.events.feedback import Feedback
from voicepipe.events.handling import heed
from voicepipe.events.tables import text_of
from voicepipe.stress.calm import CalmKind
from voicepipe.types import (
    CallEvent,
    CallStarted,
    CallSummary,
    ClosedBy,
    Episode,
    FeatureDeviation,
    ScoredUtterance,
)


def record_event(connection: Connection, event: CallEvent) -> None:
    """Write one call event to the table of its kind."""
    match event:
        case CallStarted(call=call):
            started: dict[str, object] = {
                "call_id": call.call_id,
                "started_at": text_of(call.started_at),
                "gateway": call.gateway,
                "roles": call.roles.value,
                "queue": call.queue,
                "agent_id": call.agent_id,
                "consent": call.consent,
                "language": call.language,
                "basis": call.basis,
                "caller_id": call.caller_id,
                "channels": json.dumps([channel.value for channel in call.channels]),
            }
            connection.execute(outbox.insert(connection, tables.calls).values(**started).on_conflict_do_nothing())
        case ScoredUtterance():
            utterance = outbox.insert(connection, tables.utterances).values(**_utterance_values(event))
            connection.execute(utterance.on_conflict_do_nothing())
        case Episode(closed_by=ClosedBy.CONSENT):
            pass  # Erased: not even that there was one is kept.
        case Episode():
            values = _episode_values(event)
            episode = outbox.insert(connection, tables.episodes).values(**values)
            keys = [column.name for column in tables.episodes.primary_key]
            connection.execute(episode.on_conflict_do_update(index_elements=keys, set_=values))
        case CallSummary(call=call):
            record_event(connection, CallStarted(call=call))
            summary = tables.calls.update().where(tables.calls.c.call_id == call.call_id)
            connection.execute(
                summary.values(
                    duration_s=event.duration_s,
                    language=event.language,
                    coverage=event.coverage.ratio,
                    reason=event.reason,
                )
            )


def _utterance_values(utterance: ScoredUtterance) -> dict[str, object]:
    score, transcript = utterance.score, utterance.transcript
    return {
        "call_id": utterance.call_id,
        "channel": utterance.channel.value,
        "index": utterance.index,
        "start_s": utterance.start_s,
        "end_s": utterance.end_s,
        "text": transcript.text.replace("\0", "\ufffd") if transcript else None,  # PostgreSQL has no NUL in texts.
        "language": transcript.language if transcript else None,
        "stress": score.stress if score else None,
        "confidence": score.confidence if score else None,
        "deviations": _deviations_text(score.top_features) if score else None,
        "human_request": utterance.human_request.kind if utterance.human_request else None,
        "frustrated_prob": utterance.frustration.prob if utterance.frustration else None,
        "speech_s": utterance.speech_s,
        "calm_kind": CalmKind.of(score).value if score else None,
        "model_id": score.model_id if score else None,
    }


def _deviations_text(features: Sequence[FeatureDeviation]) -> str:
    """Return the measured deviations as JSON: NaN means "not measurable", and JSON has no word for it."""
    return json.dumps(
        [
            {
                "name": feature.name,
                "deviation": round(feature.deviation, 4),
                "unit": feature.unit,
                "text": feature.text,
            }
            for feature in features
            if math.isfinite(feature.deviation)
        ]
    )


def deviations_of(text: str | None) -> tuple[FeatureDeviation, ...]:
    """Return the deviations that a row holds; their `value` is not kept and NaN.

    Rows of before schema 4 hold sentences alone: `name` and `unit` are empty then, and the deviation is NaN.
    """
    return tuple(
        FeatureDeviation(name="", value=math.nan, unit="", deviation=math.nan, text=one)
        if isinstance(one, str)
        else FeatureDeviation(value=math.nan, **one)
        for one in json.loads(text or "[]")
    )


def _episode_values(episode: Episode) -> dict[str, object]:
    return {
        "call_id": episode.call_id,
        "channel": episode.channel.value,
        "index": episode.index,
        "state": episode.state.value,
        "opened_s": episode.opened_s,
        "closed_s": episode.closed_s,
        "peak": episode.peak,
        "mean": episode.mean,
        "reasons": json.dumps([reason.value for reason in episode.reasons]),
    }


def record_feedback(connection: Connection, feedback: Feedback) -> str | None:
    """Keep one feedback; returns why not where the event it answers is not known."""
    events = tables.events
    key = connection.execute(sa.select(events.c.key).where(events.c.event_id == str(feedback.event_id))).scalar()
    if key is None:
        return "it answers an event that this store does not know"
    if key != feedback.call_id:
        return "its call is not the call of the event it answers"
    values = feedback.model_dump(mode="python") | {
        "feedback_id": str(feedback.feedback_id),
        "event_id": str(feedback.event_id),
        "given_at": text_of(feedback.given_at),
    }
    table = tables.feedback
    fresh = outbox.insert(connection, table).values(**values).on_conflict_do_nothing().returning(table.c.feedback_id)
    if connection.execute(fresh).one_or_none() is not None:  # A take that comes again must not undo its release.
        heed(connection, feedback)
    return None

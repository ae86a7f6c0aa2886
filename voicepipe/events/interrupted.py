"""Calls that broke off with the process that heard them: their end, and that of their alerts, is told afterwards."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from voicepipe.events import alert_log, inquiries
from voicepipe.events.calls import build_call_ended
from voicepipe.events.envelope import message_of, occurred_at
from voicepipe.events.reroute import RerouteEvent, reroute_event_id
from voicepipe.events.store import Store
from voicepipe.types import CallSummary, ClosedBy, Coverage

REASON = "interrupted"
"""Why such a call ended, as `CallSummary.reason` has it."""

SILENT_FOR = timedelta(hours=1)
"""A call of which nothing was heard for so long is not alive at any node: somebody speaks, or it is hung up."""

_BATCH = 200


def end_interrupted(store: Store, *, now: datetime) -> int:
    """End the live calls that nobody ends any more; return how many.

    Each gets its summary, from what is kept of it, and each of its open alerts a ``cleared``: who was asked for a
    better human is told that nobody waits for one.

    Raises
    ------
    StoreError
    """
    ended = 0
    for call_id in store.ask(inquiries.unended_calls, before=now - SILENT_FOR):
        kept = store.ask(inquiries.kept_call, call_id)
        if kept is None:
            continue
        alerts = [one.event for one in store.ask(alert_log.read, call_id=call_id, limit=_BATCH) if not one.cleared_at]
        last_s = max([*(one.end_s for one in kept.utterances), *(one.at_s for one in alerts)], default=0.0)
        if kept.call.started_at + timedelta(seconds=last_s) >= now - SILENT_FOR:
            continue
        languages = [one.transcript.language for one in kept.utterances if one.transcript is not None]
        summary = CallSummary(
            call=kept.call,
            duration_s=last_s,
            language=max(languages, key=languages.count, default=kept.language),
            coverage=Coverage(speech_s=sum(one.speech_s for one in kept.utterances)),
            reason=REASON,
        )
        over = [_cleared(alert, at_s=last_s) for alert in alerts]
        store.record([summary], [message_of(one) for one in (*over, build_call_ended(summary))])
        ended += 1
    return ended


def _cleared(alert: RerouteEvent, *, at_s: float) -> RerouteEvent:
    own_id = reroute_event_id(alert.call.call_id, channel=alert.channel, episode=alert.episode, kind="cleared")
    at_s = max(at_s, alert.at_s)
    changed: dict[str, Any] = {
        "event_id": UUID(own_id),
        "kind": "cleared",
        "occurred_at": occurred_at(alert.call.started_at, at_s),
        "at_s": at_s,
        "closed_s": max((one.end_s for one in alert.evidence.utterances), default=at_s),
        "closed_by": ClosedBy.CALL_END,
    }
    return alert.model_copy(update=changed)

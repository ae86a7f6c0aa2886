"""The topic of calls: started, and ended with what was heard of it."""

from typing import ClassVar, Literal

from pydantic import Field

from voicepipe.events.envelope import event_id, occurred_at
from voicepipe.events.wire import CallFacts, CoverageFacts, Seconds, WireEvent
from voicepipe.types import Call, CallSummary

CALLS_TOPIC = "voicepipe.calls.v1"


class CallStartedEvent(WireEvent):
    """A call began."""

    topic: ClassVar[str] = CALLS_TOPIC
    type_prefix: ClassVar[str] = "voicepipe.call"

    kind: Literal["started"]


class CallEndedEvent(WireEvent):
    """A call ended; its summary."""

    topic: ClassVar[str] = CALLS_TOPIC
    type_prefix: ClassVar[str] = "voicepipe.call"

    kind: Literal["ended"]
    duration_s: Seconds
    language: str | None = Field(default=None, description="ISO 639-1 code; left out where nothing was said.")
    coverage: CoverageFacts
    reason: str = Field(description="Why the call ended, in the protocol's own word.")


def build_call_started(call: Call) -> CallStartedEvent:
    """Return the event of a call's beginning."""
    return CallStartedEvent(
        event_id=event_id(call.call_id, "call", "started"),
        kind="started",
        occurred_at=occurred_at(call.started_at, 0.0),
        call=CallFacts.of(call),
    )


def build_call_ended(summary: CallSummary) -> CallEndedEvent:
    """Return the event of a call's end."""
    call = summary.call
    return CallEndedEvent(
        event_id=event_id(call.call_id, "call", "ended"),
        kind="ended",
        occurred_at=occurred_at(call.started_at, summary.duration_s),
        call=CallFacts.of(call),
        duration_s=round(summary.duration_s, 3),
        language=summary.language,
        coverage=CoverageFacts.of(summary.coverage),
        reason=summary.reason,
    )

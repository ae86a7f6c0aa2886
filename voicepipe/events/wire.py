"""The words every event on the wire is made of: which call it is about, how much of it was heard."""

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from voicepipe.events.envelope import occurred_at
from voicepipe.types import Basis, Call, Channel, Coverage, Roles

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Seconds = Annotated[float, Field(ge=0.0)]


class WireModel(BaseModel):
    """A value on the wire: immutable, finite numbers only, unknown fields refused when it is built."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class CallFacts(WireModel):
    """Which call: everything the gateway or the operator said about it."""

    call_id: str = Field(min_length=1)
    started_at: datetime = Field(description="Time of the first sample, UTC.")
    gateway: str = Field(description="Where the call came from: file, twilio, audiohook, ...")
    channels: tuple[Channel, ...] = Field(description="One entry per track.")
    roles: Roles = Field(description="How sure the mapping of tracks to roles is.")
    queue: str | None = None
    agent_id: str | None = None
    language: str | None = Field(default=None, description="ISO 639-1 code, where the operator gave one.")
    consent: str | None = Field(default=None, description="The record of consent to recording and analysis.")
    basis: Basis | None = Field(default=None, description="On what footing the caller is listened to.")
    caller_id: str | None = Field(default=None, description="Keyed hash of the caller's number, where one is made.")

    @classmethod
    def of(cls, call: Call) -> "CallFacts":
        """Return a call's facts as they go on the wire."""
        return cls(
            call_id=call.call_id,
            started_at=occurred_at(call.started_at, 0.0),
            gateway=call.gateway,
            channels=call.channels,
            roles=call.roles,
            queue=call.queue,
            agent_id=call.agent_id,
            language=call.language,
            consent=call.consent,
            basis=call.basis,
            caller_id=call.caller_id,
        )


class CoverageFacts(WireModel):
    """How much of the call's speech was really analysed; below 1 under overload."""

    ratio: Share = Field(description="Share of the speech whose analysis was complete.")
    speech_s: Seconds
    shed_s: dict[str, Seconds] = Field(description="Seconds of speech per kind of work that was left out.")

    @classmethod
    def of(cls, coverage: Coverage) -> "CoverageFacts":
        """Return a coverage as it goes on the wire."""
        return cls(
            ratio=round(coverage.ratio, 4),
            speech_s=round(coverage.speech_s, 3),
            shed_s={name: round(shed_s, 3) for name, shed_s in sorted(coverage.shed_s.items())},
        )


class WireEvent(WireModel):
    """What every event has: an id that a replay repeats, a kind, a time and a call.

    A subclass says where it goes (`topic`, whose last word is the version of the contract) and the first words of its
    CloudEvents type (`type_prefix`).
    """

    topic: ClassVar[str]
    type_prefix: ClassVar[str]

    event_id: UUID = Field(description="The same for every replay of the call; drop duplicates by it.")
    kind: str
    occurred_at: datetime = Field(description="Time of the call at which it was decided, UTC.")
    call: CallFacts

    @property
    def event_type(self) -> str:
        """CloudEvents ``type``: ``voicepipe.reroute.requested.v1``."""
        return f"{self.type_prefix}.{self.kind}.{self.topic.rpartition('.')[2]}"

"""What the decoders of all live protocols share: messages in, media events and replies out, no socket and no clock.

One decoder serves one connection, a *leg*. A leg carries one or more channels of a call; a call may have several legs
at once (one socket a channel) and one after the other (a reconnect). A decoder knows its own leg alone: its times
count from its own `started_at`, and its `CallStarted` states the channels of the whole call.
`voicepipe.gateways.joining` puts legs together.
"""

import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from voicepipe.consent import caller_id_of
from voicepipe.gateways.identity import CallIdentity
from voicepipe.types import (
    AudioChunk,
    Call,
    CallEnded,
    CallStarted,
    Channel,
    FloatArray,
    GatewayProtocolError,
    MediaEvent,
    Roles,
    ScoredUtterance,
)

CONNECTION_LOST = "connection_lost"
"""`CallEnded.reason` of a leg that broke off without the protocol's own end: the peer may come back."""

HUNG_UP = "hung_up"
"""`CallEnded.reason` of a leg that this side ended."""


class CloseCode:
    """WebSocket close codes that decoders ask for (RFC 6455, section 7.4.1); over TCP they mean: close."""

    NORMAL = 1000
    PROTOCOL_ERROR = 1002
    UNSUPPORTED = 1003
    NO_CODE = 1005
    BAD_DATA = 1007
    POLICY = 1008
    TOO_BIG = 1009
    TRY_AGAIN = 1013


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """The decoder wants its connection closed, after the replies are sent.

    Attributes
    ----------
    code : int
        Of `CloseCode`.
    reason : str
        At most 123 bytes of UTF-8: what fits into a close frame.
    """

    code: int
    reason: str


class DecoderLimits(BaseModel):
    """How much one connection may send before it is cut off, and what is kept of who calls."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    message_bytes: int = Field(default=65_536, ge=1024, description="Longest message.")
    bytes_before_start: int = Field(
        default=131_072, ge=0, description="Most bytes, audio that came early among them, before the call is announced."
    )
    faults: int = Field(
        default=50, ge=0, description="Damaged messages in a row that are skipped before the connection is closed."
    )
    replies: int = Field(default=256, ge=8, description="Most replies that wait for a peer that does not read.")
    caller_key: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Secret that callers' numbers are hashed with (HMAC-SHA256), so that `voicepipe purge --caller` "
        "finds their calls; without it nothing of a number is kept. It belongs in the environment.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """The request that opened a WebSocket.

    Attributes
    ----------
    target : str
        Request target as it stood in the request line: path and query.
    query : mapping of str to str
        Decoded; of repeated names the last.
    headers : mapping of str to str
        Names in lower case.
    """

    target: str = "/"
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class LegCounts:
    """What a leg sent that was not plain audio in order; for metrics.

    Attributes
    ----------
    messages : int
    audio_bytes : int
    faults : int
        Damaged messages that were skipped.
    unknown : int
        Messages of a type that the protocol does not know, or that says nothing to us.
    duplicates, late, lost : int
        Messages, by their sequence numbers.
    unannounced : int
        Audio messages of a track that the start did not announce.
    dropped_replies : int
        Replies that were given up because the peer does not read.
    """

    messages: int = 0
    audio_bytes: int = 0
    faults: int = 0
    unknown: int = 0
    duplicates: int = 0
    late: int = 0
    lost: int = 0
    unannounced: int = 0
    dropped_replies: int = 0


class Decoder(ABC):
    """One connection of one protocol.

    The server calls `feed` for each message and, after it and whether or not it raised, sends `replies` and looks at
    `closing`. When the connection is gone, for whatever reason, it calls `end` once.

    Parameters
    ----------
    started_at : datetime
        Timezone-aware UTC time at which the connection was accepted: time of the leg's sample 0.
    limits : DecoderLimits

    Attributes
    ----------
    protocol : str
        `Call.gateway` of its calls.
    call : Call or None
        As announced; None before.
    channels : tuple of Channel
        What this leg carries; `call.channels` are those of the whole call.
    closing : Close or None
        Set when the connection shall be closed.
    counts : LegCounts
    """

    protocol: str

    def __init__(self, *, started_at: datetime, limits: DecoderLimits) -> None:
        self.started_at = started_at
        self.limits = limits
        self.call: Call | None = None
        self.channels: tuple[Channel, ...] = ()
        self.closing: Close | None = None
        self.counts = LegCounts()
        self._replies: deque[str | bytes] = deque()
        self._early_bytes = 0
        self._faults_in_a_row = 0
        self._ended = False
        self._hung_up = False

    def feed(self, message: str | bytes, *, arrived_s: float | None = None) -> list[MediaEvent]:
        """Take one message (of a TCP protocol: any piece of the stream).

        Parameters
        ----------
        message : str or bytes
            A text or a binary message.
        arrived_s : float, optional
            Seconds between accepting the connection and this message, by a clock that never goes back. Protocols
            without times of their own notice by it that audio was left out; without it their audio counts as
            contiguous.

        Returns
        -------
        list of MediaEvent
            `CallStarted` once, chunks, `CallEnded` once. Nothing after the end.

        Raises
        ------
        GatewayProtocolError
            If the connection cannot go on; `closing` and `replies` then hold what the peer is owed. Later messages
            are ignored.
        """
        if self._ended or self.closing is not None:
            return []
        self.counts.messages += 1
        try:
            self._check_size(message)
            return self._text(message) if isinstance(message, str) else self._binary(message, arrived_s)
        except FaultError as fault:
            return self._count_fault(str(fault))

    def end(self, code: int | None = None) -> list[MediaEvent]:
        """Take note that the connection is gone.

        Parameters
        ----------
        code : int, optional
            The peer's WebSocket close code; over TCP 1000 for an orderly end of the stream. None where there was
            none, or where this side closed the connection.

        Returns
        -------
        list of MediaEvent
            What was still held back, and `CallEnded` unless it was already given; nothing if no call was announced.
        """
        if self._ended:
            return []
        try:
            rest = self._flush()
        except GatewayProtocolError:
            rest = []
        if self.closing is not None and self.closing.code != CloseCode.NORMAL:
            return rest + self._end_call("protocol_error")
        if self._hung_up:
            return rest + self._end_call(HUNG_UP)
        return rest + self._end_call(self._reason_of(code))

    def replies(self) -> list[str | bytes]:
        """Return what is to be sent to the peer, oldest first, and forget it."""
        ready = list(self._replies)
        self._replies.clear()
        return ready

    @property
    def wants_transcripts(self) -> bool:
        """Whether `transcribed` has anybody to tell."""
        return False

    def transcribed(self, utterance: ScoredUtterance, *, offset_s: float = 0.0) -> None:
        """Queue a final transcript for the peer; nothing where the protocol has no message for it.

        Like `finish` and `hang_up` it never raises: a peer that reads nothing finds its connection `closing`.

        Parameters
        ----------
        utterance : ScoredUtterance
        offset_s : float
            How much later than its call this leg began: the peer counts from the leg's start.
        """
        del utterance, offset_s

    @property
    def finishing(self) -> bool:
        """Whether the peer has ended the call and waits for its last transcripts, until `finish` is called."""
        return False

    def finish(self) -> None:
        """Tell the peer that no more transcripts will come."""
        return

    def hang_up(self, reason: str) -> None:
        """Say goodbye, for a server that shuts down or has had enough of this connection.

        Sets `closing`, unless the protocol has words for it and the peer is to close; give it some seconds.
        """
        self._hung_up = True
        self._close(CloseCode.NORMAL, reason)

    @abstractmethod
    def _text(self, message: str) -> list[MediaEvent]:
        """Take a text message."""

    @abstractmethod
    def _binary(self, message: bytes, arrived_s: float | None) -> list[MediaEvent]:
        """Take a binary message."""

    @property
    def _has_started(self) -> bool:
        """Whether the peer has said who calls: `bytes_before_start` holds until then."""
        return self.call is not None

    def _flush(self) -> list[MediaEvent]:
        """Return what was held back; the connection is gone."""
        return []

    def _reason_of(self, code: int | None) -> str:
        """Return why the call ended where the protocol gave no reason of its own; 1005 is a close without a code."""
        return "end" if code in (CloseCode.NORMAL, CloseCode.NO_CODE) else CONNECTION_LOST

    def _start(
        self, identity: CallIdentity, *, channels: Sequence[Channel], roles: Roles, word_times: bool = False
    ) -> list[MediaEvent]:
        """Announce the call; `channels` are those of this leg in the order of its tracks."""
        self.channels = tuple(channels)
        whole = identity.channels or self.channels
        missing = [channel for channel in self.channels if channel not in whole]
        if missing:
            raise self.refuse(
                CloseCode.POLICY,
                f"Call {identity.call_id} is said to have the channels {', '.join(whole)}, but this connection carries "
                f"{', '.join(missing)}; mend the mapping of channels.",
            )
        self.call = Call(
            call_id=identity.call_id,
            started_at=self.started_at,
            gateway=self.protocol,
            channels=whole,
            roles=roles,
            agent_id=identity.agent_id,
            queue=identity.queue,
            language=identity.language,
            consent=identity.consent,
            caller_id=self._caller_id(identity.caller),
            word_times=word_times,
        )
        return [CallStarted(call=self.call)]

    def _caller_id(self, caller: str | None) -> str | None:
        key = self.limits.caller_key
        return caller_id_of(caller, key=key.get_secret_value()) if caller and key else None

    def _chunk(self, channel: Channel, first_sample: int, samples: FloatArray, *, rate_hz: int) -> AudioChunk:
        assert self.call is not None
        return AudioChunk(
            call_id=self.call.call_id,
            channel=channel,
            first_sample=first_sample,
            sample_rate_hz=rate_hz,
            samples=samples,
        )

    def _end_call(self, reason: str) -> list[MediaEvent]:
        """End the call, if one was announced; whatever comes later is ignored."""
        self._ended = True
        return [CallEnded(call_id=self.call.call_id, reason=reason)] if self.call else []

    def _close(self, code: int, reason: str) -> None:
        if self.closing is None:
            self.closing = Close(code=code, reason=reason.encode(errors="replace")[:123].decode(errors="ignore"))

    def refuse(self, code: int, reason: str) -> GatewayProtocolError:
        """Ask for the connection to be closed because the peer is at fault; return the error to raise."""
        self._close(code, reason)
        return GatewayProtocolError(reason)

    def _reply(self, message: str | bytes) -> None:
        """Queue a reply; a peer that reads nothing loses the connection, not our memory."""
        if len(self._replies) >= self.limits.replies:
            self.counts.dropped_replies += len(self._replies) + 1
            self._replies.clear()
            raise self.refuse(
                CloseCode.POLICY,
                f"{self.limits.replies} replies wait for a peer that does not read; read what is sent.",
            )
        self._replies.append(message)

    def _check_size(self, message: str | bytes) -> None:
        size = len(message)
        if size > self.limits.message_bytes:
            raise self.refuse(
                CloseCode.TOO_BIG, f"A message of {size} bytes came; {self.limits.message_bytes} is the most."
            )
        if not self._has_started:
            self._early_bytes += size
            if self._early_bytes > self.limits.bytes_before_start:
                raise self.refuse(
                    CloseCode.POLICY,
                    f"{self._early_bytes} bytes came and no start of a call; send the start first.",
                )

    def _fault_free(self) -> None:
        """Take note of audio that was in order."""
        self._faults_in_a_row = 0

    def _count_fault(self, reason: str) -> list[MediaEvent]:
        """Skip a damaged message of a running call; before the call, and after too many, it is the end."""
        self.counts.faults += 1
        self._faults_in_a_row += 1
        if not self._has_started or self._faults_in_a_row > self.limits.faults:
            raise self.refuse(CloseCode.BAD_DATA, reason)
        return []


class FaultError(Exception):
    """One message is damaged, and the connection may go on without it; says what was wrong and what to send."""


def parse_object(message: str) -> dict[str, Any]:
    """Return the JSON object in a text message; anything else is a `FaultError`."""
    try:
        value = json.loads(message)
    except (ValueError, RecursionError):
        raise FaultError("A text message is not JSON; send one JSON object a message.") from None
    if not isinstance(value, dict):
        raise FaultError(f"A text message holds a JSON {type(value).__name__}; send one JSON object a message.")
    return value


def whole_number(value: object) -> int | None:
    """Return a number, or a string of digits as some senders write them, as an int; None for anything else.

    Only what JavaScript counts exactly, less than 2**53 either way, is taken.
    """
    if isinstance(value, str):
        digits = value.strip().removeprefix("-")
        if len(digits) > 16 or not digits.isascii() or not digits.isdigit():
            return None
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 2**53:
        return None
    return int(value)

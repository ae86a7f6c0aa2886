"""Legs become calls: two sockets of one call are joined, and a connection that comes back goes on.

Pure and synchronous; the server says what time it is.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from pydantic import BaseModel, ConfigDict, Field

from voicepipe.gateways.decoder import CONNECTION_LOST, CloseCode, Decoder
from voicepipe.types import AudioChunk, Call, CallEnded, CallStarted, Channel, ConsentChanged, MediaEvent

REMEMBERED_CALLS = 10_000
"""How many ids of ended calls are remembered, so that an id that is used again gets a call of its own."""


class JoiningConfig(BaseModel):
    """How long a call outlives its connections."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reconnect_s: float = Field(
        default=20.0, ge=0.0, description="How long a call waits for a connection that broke off, or did not come yet."
    )
    together_s: float = Field(
        default=0.5,
        ge=0.0,
        description="Tracks of one call whose connections opened within this count as begun at the same moment.",
    )
    linger_s: float = Field(
        default=0.0, ge=0.0, description="How long a call that ended in order waits for another stream of the same id."
    )


@dataclass(slots=True)
class _Leg:
    """One connection of a call: how much later than the call it began."""

    offset_s: float
    live: "_LiveCall"


@dataclass(slots=True)
class _LiveCall:
    """A call with all its connections."""

    call: Call
    announced_id: str
    owner: str
    accepted_s: float
    legs: list[Decoder] = field(default_factory=list)
    rates_hz: dict[Channel, int] = field(default_factory=dict)
    carried: set[Channel] = field(default_factory=set)
    ended: set[Channel] = field(default_factory=set)
    reason: str = CONNECTION_LOST
    ends_at_s: float | None = None


class CallJoiner:
    """Turns the events of single connections into those of whole calls.

    For every call that comes out there is one `CallStarted`, then chunks, then one `CallEnded`, however many
    connections carried it. Connections with the same call id belong to one call while it is alive:

    * their `CallStarted` is swallowed, their times are counted from the call's first connection (tracks that began
      within `JoiningConfig.together_s` of it began with it: a telephone system opens them one after the other);
    * of two that carry the same channel the newer counts, the older is to be closed: it is what a broken connection
      looks like before it times out;
    * the call ends when all its channels have ended in order, or when it has been without any connection for
      `JoiningConfig.reconnect_s`.

    An id that comes again after its call has ended makes a new call, ``ID.2``, so that events keep ids of their own.
    An id that another call was given in this way counts as one that comes again, and so does the id of a call that
    this joiner did not carry (`remember`): a stream that comes back after a restart, or to another node, is another
    call, whose events do not collide with the first one's.

    Parameters
    ----------
    config : JoiningConfig
    """

    def __init__(self, *, config: JoiningConfig) -> None:
        self._config = config
        self._calls: dict[str, _LiveCall] = {}
        self._legs: dict[Decoder, _Leg] = {}
        self._superseded: list[Decoder] = []
        self._ended: OrderedDict[str, int] = OrderedDict()

    @property
    def calls(self) -> int:
        """Calls that are alive, those among them that wait for a connection to come back."""
        return len(self._calls)

    def take(
        self, leg: Decoder, events: Sequence[MediaEvent], *, now_s: float, accepted_s: float, owner: str = ""
    ) -> list[MediaEvent]:
        """Translate what one connection gave.

        Parameters
        ----------
        leg : Decoder
        events : sequence of MediaEvent
            What its `feed` or `end` returned.
        now_s : float
            Time by a clock that never goes back.
        accepted_s : float
            When the connection was accepted, by the same clock: time of its sample 0.
        owner : str
            Whose connection it is; a connection of somebody else cannot join a call.

        Returns
        -------
        list of MediaEvent
            Of the call; `call_id` may differ from the connection's.

        Raises
        ------
        GatewayProtocolError
            If the connection cannot join the call that has its id; its `closing` is set, the call is untouched.
        """
        taken: list[MediaEvent] = []
        for event in events:
            if isinstance(event, CallStarted):
                taken += self._begin(leg, event, accepted_s=accepted_s, owner=owner)
            elif leg not in self._legs:
                continue
            elif isinstance(event, AudioChunk):
                taken.append(self._rebase(leg, event, now_s=now_s))
            elif isinstance(event, ConsentChanged):
                taken.append(replace(event, call_id=self._legs[leg].live.call.call_id))
            else:
                taken += self._leave(leg, event.reason, now_s=now_s)
        return taken

    def superseded(self) -> list[Decoder]:
        """Return the connections that a newer one replaced, once each, to be closed."""
        superseded, self._superseded = self._superseded, []
        return superseded

    def is_alive(self, announced_id: str) -> bool:
        """Tell whether a connection that announces this call id would join a call."""
        return announced_id in self._calls

    def id_of(self, announced_id: str) -> str | None:
        """Return the id of the call that is alive under the id that its connections announced."""
        live = self._calls.get(announced_id)
        return live.call.call_id if live else None

    def call_of(self, leg: Decoder) -> Call | None:
        """Return the call that a connection is part of."""
        joined = self._legs.get(leg)
        return joined.live.call if joined else None

    def offset_s(self, leg: Decoder) -> float:
        """Return how many seconds after its call a connection began."""
        joined = self._legs.get(leg)
        return joined.offset_s if joined else 0.0

    def legs_of(self, call_id: str) -> list[Decoder]:
        """Return the connections that carry a call now."""
        live = next((live for live in self._calls.values() if live.call.call_id == call_id), None)
        return list(live.legs) if live else []

    def remember(self, call_ids: Iterable[str]) -> None:
        """Take note of calls that others began: here an id of theirs counts as one that comes again."""
        alive = {live.call.call_id for live in self._calls.values()}
        for call_id in call_ids:
            if call_id not in alive:
                self._ended.setdefault(call_id, 1)
        self._forget_oldest()

    def drop(self, leg: Decoder) -> None:
        """Forget the call that a connection has just begun, for it cannot be taken; its id counts as used."""
        self._end(self._legs[leg].live)

    def expire(self, *, now_s: float) -> list[MediaEvent]:
        """End the calls that have waited long enough; to be called about once a second."""
        due = [live for live in self._calls.values() if live.ends_at_s is not None and live.ends_at_s <= now_s]
        return [self._end(live) for live in due]

    def finish(self) -> list[MediaEvent]:
        """End all calls: nothing more will come."""
        return [self._end(live) for live in list(self._calls.values())]

    def _begin(self, leg: Decoder, event: CallStarted, *, accepted_s: float, owner: str) -> list[MediaEvent]:
        announced = event.call
        live = self._calls.get(announced.call_id)
        started: list[MediaEvent] = []
        if live is None:
            live = self._calls[announced.call_id] = _LiveCall(
                call=replace(announced, call_id=self._fresh_id(announced.call_id)),
                announced_id=announced.call_id,
                owner=owner,
                accepted_s=accepted_s,
            )
            started.append(CallStarted(call=live.call))
        else:
            self._check_fit(leg, announced, live, owner=owner)
        for older in [older for older in live.legs if set(older.channels) & set(leg.channels)]:
            self._forget(older)
            self._superseded.append(older)
        offset_s = accepted_s - live.accepted_s
        if live.carried.isdisjoint(leg.channels) and abs(offset_s) <= self._config.together_s:
            offset_s = 0.0
        live.legs.append(leg)
        live.carried |= set(leg.channels)
        live.ended -= set(leg.channels)
        live.ends_at_s = None
        self._legs[leg] = _Leg(offset_s, live)
        return started

    def _check_fit(self, leg: Decoder, announced: Call, live: _LiveCall, *, owner: str) -> None:
        if owner != live.owner or announced.gateway != live.call.gateway:
            raise leg.refuse(
                CloseCode.POLICY, f"Call {announced.call_id} is alive and somebody else's; use an id of your own."
            )
        strange = [channel for channel in leg.channels if channel not in live.call.channels]
        if strange:
            raise leg.refuse(
                CloseCode.POLICY,
                f"Call {announced.call_id} began with the channels {', '.join(live.call.channels)}; to join "
                f"{', '.join(strange)}, name all channels of the call on its first connection.",
            )

    def _rebase(self, leg: Decoder, chunk: AudioChunk, *, now_s: float) -> AudioChunk:
        joined = self._legs[leg]
        live = joined.live
        rate_hz = live.rates_hz.setdefault(chunk.channel, chunk.sample_rate_hz)
        if rate_hz != chunk.sample_rate_hz:
            self._forget(leg)
            if not live.legs:
                live.ends_at_s = now_s + self._config.reconnect_s
            raise leg.refuse(
                CloseCode.UNSUPPORTED,
                f"Call {live.call.call_id} began at {rate_hz} Hz on its {chunk.channel} channel and goes on at "
                f"{chunk.sample_rate_hz} Hz; keep one rate.",
            )
        later_samples = round(joined.offset_s * chunk.sample_rate_hz)
        if not later_samples and chunk.call_id == live.call.call_id:
            return chunk
        return replace(chunk, call_id=live.call.call_id, first_sample=chunk.first_sample + later_samples)

    def _leave(self, leg: Decoder, reason: str, *, now_s: float) -> list[MediaEvent]:
        live = self._legs[leg].live
        self._forget(leg)
        if reason != CONNECTION_LOST:
            live.ended |= set(leg.channels)
            live.reason = reason
        if live.legs:
            return []
        in_order = live.ended >= set(live.call.channels)
        if not in_order:
            live.reason = CONNECTION_LOST
        wait_s = self._config.linger_s if in_order else self._config.reconnect_s
        if wait_s == 0:
            return [self._end(live)]
        live.ends_at_s = now_s + wait_s
        return []

    def _forget(self, leg: Decoder) -> None:
        self._legs.pop(leg).live.legs.remove(leg)

    def _end(self, live: _LiveCall) -> CallEnded:
        for leg in list(live.legs):
            self._forget(leg)
        del self._calls[live.announced_id]
        for call_id in {live.announced_id, live.call.call_id}:
            self._ended[call_id] = self._ended.pop(call_id, 0) + 1
        self._forget_oldest()
        return CallEnded(call_id=live.call.call_id, reason=live.reason)

    def _forget_oldest(self) -> None:
        while len(self._ended) > REMEMBERED_CALLS:
            self._ended.popitem(last=False)

    def _fresh_id(self, announced_id: str) -> str:
        alive = {live.call.call_id for live in self._calls.values()}
        first = self._ended.get(announced_id, 0) + 1
        numbered = (announced_id if number == 1 else f"{announced_id}.{number}" for number in count(first))
        return next(call_id for call_id in numbered if call_id not in alive and call_id not in self._ended)

"""Connections and the calls they carry: limits kept, legs joined, answers sent; between the sockets and the pool.

A connection is known by its decoder, whatever socket it came by. All methods but `on_call_event` run in one event
loop; nothing here waits for the analysis.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field

from voicepipe.consent import ConsentDecision
from voicepipe.gateways.access import Tempo
from voicepipe.gateways.config import ServeConfig
from voicepipe.gateways.decoder import CloseCode, Decoder
from voicepipe.gateways.joining import CallJoiner
from voicepipe.pipeline.pool import CallPool
from voicepipe.ports import CallObserver
from voicepipe.types import (
    AudioChunk,
    CallEnded,
    CallEvent,
    CallStarted,
    CallSummary,
    ConsentChanged,
    GatewayProtocolError,
    MediaEvent,
    ScoredUtterance,
    StoreError,
)

_WATCH_S = 0.5
"""How often overdue connections and calls are looked for."""
_LEARN_S = 5.0
"""How often it is asked which calls others began; a stream that broke off comes back no sooner, mostly."""
_GOODBYE_S = 5.0
"""Longest wait for a peer to take leave after it was told to."""
_LAST_WORDS_S = 8.0
"""Longest wait for the last transcripts of a call whose sender waits for them; AudioHook's clients wait 10 s."""


@dataclass(slots=True, eq=False)
class Leg:
    """One connection: its decoder, whose it is, and how to write to it."""

    decoder: Decoder
    owner: str
    accepted_s: float
    last_s: float
    send: Callable[[str | bytes], Awaitable[None]]
    close: Callable[[int, str], Awaitable[None]]
    abort: Callable[[], None]
    call_id: str | None = None
    offset_s: float = 0.0
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    told_to_leave_s: float | None = None
    closed: bool = False


class Switchboard:
    """All live connections.

    Parameters
    ----------
    config : ServeConfig
    pool : CallPool
    observer : CallObserver
    begun : callable
        Returns the ids of calls that began since it was called before, on other nodes and before this process was
        started, too; may raise `StoreError`. It is called in a thread.
    clock : callable, optional
        Seconds, never going back.
    """

    def __init__(
        self,
        *,
        config: ServeConfig,
        pool: CallPool,
        observer: CallObserver,
        begun: Callable[[], Iterable[str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._pool = pool
        self._observer = observer
        self._begun = begun
        self._clock = clock
        self._max_calls = {client.name: client.max_calls for client in config.clients}
        self._joiner = CallJoiner(config=config.joining)
        self._tempo = Tempo(per_s=config.limits.calls_per_s, burst=config.limits.calls_burst)
        self._legs: dict[Decoder, Leg] = {}
        self._owners: dict[str, str] = {}
        self._last_owners: dict[str, str] = {}
        """Whose the calls are that ended and are still being analysed."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.draining = False
        """Whether new connections are to be refused."""

    async def open(self) -> None:
        """Begin to look after the connections, in the running event loop."""
        self._loop = asyncio.get_running_loop()
        await self._learn()
        self._spawn(self._watch())
        self._spawn(self._keep_learning())

    async def close(self, drain_s: float) -> None:
        """Let the calls that run go on for `drain_s`, then say goodbye to all.

        The pool has got the ends of all calls when this returns.
        """
        self.draining = True
        deadline_s = self._clock() + drain_s
        while self._joiner.calls and self._clock() < deadline_s:
            await asyncio.sleep(_WATCH_S / 5)
        for leg in list(self._legs.values()):
            self._tell_to_leave(leg, "shutdown", "voicepipe shuts down")
        deadline_s = self._clock() + _GOODBYE_S
        while self._legs and self._clock() < deadline_s:
            await asyncio.sleep(_WATCH_S / 5)
        for leg in list(self._legs.values()):
            leg.abort()
        self._dispatch(self._joiner.finish())
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def on_call_event(self, event: CallEvent) -> None:
        """Tell transcripts to the senders that asked for them, and when there are no more; from any thread.

        A call that has told its summary is nobody's any more.
        """
        if isinstance(event, ScoredUtterance | CallSummary) and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is there to be told
                self._loop.call_soon_threadsafe(self._tell_sender, event)

    def _tell_sender(self, event: ScoredUtterance | CallSummary) -> None:
        call_id = event.call.call_id if isinstance(event, CallSummary) else event.call_id
        if isinstance(event, CallSummary):
            self._last_owners.pop(call_id, None)
        for leg in self._legs.values():
            if leg.call_id == call_id and leg.decoder.wants_transcripts:
                if isinstance(event, ScoredUtterance):
                    leg.decoder.transcribed(event, offset_s=leg.offset_s)
                else:
                    leg.decoder.finish()
                self._spawn(self.answer(leg))

    def welcome(
        self,
        decoder: Decoder,
        owner: str,
        *,
        send: Callable[[str | bytes], Awaitable[None]],
        close: Callable[[int, str], Awaitable[None]],
        abort: Callable[[], None],
    ) -> Leg:
        """Take in a connection.

        Parameters
        ----------
        decoder : Decoder
        owner : str
            Name of the ingest client.
        send : callable
            Sends one message.
        close : callable
            Closes the connection in order, with a code and a reason.
        abort : callable
            Cuts it.
        """
        now_s = self._clock()
        leg = Leg(decoder, owner, accepted_s=now_s, last_s=now_s, send=send, close=close, abort=abort)
        self._legs[decoder] = leg
        self._observer.on_connection(decoder.protocol, "accepted", client=owner)
        return leg

    def change_consent(self, call_id: str, consent: str, *, owner: str) -> ConsentDecision | None:
        """Let the caller of a call agree, or take it back.

        Parameters
        ----------
        call_id : str
            As the connection announced it, or as the events name it.
        consent : str
        owner : str
            Name of the ingest client that says so.

        Returns
        -------
        ConsentDecision or None
            What holds from now on; None if the client has no such call.
        """
        for known_id in (self._joiner.id_of(call_id), call_id):
            if known_id is not None and owner == self._owners.get(known_id, self._last_owners.get(known_id)):
                return self._pool.change_consent(known_id, consent)
        return None

    async def feed(self, leg: Leg, message: str | bytes) -> None:
        """Have one message decoded, pass on what it gave and answer it."""
        leg.last_s = self._clock()
        try:
            self._take(leg, leg.decoder.feed(message, arrived_s=leg.last_s - leg.accepted_s))
        except GatewayProtocolError as error:
            self.report(leg, "protocol_error", str(error))
        await self.answer(leg)

    def part(self, leg: Leg, code: int | None) -> None:
        """Take note that a connection is gone."""
        self._legs.pop(leg.decoder, None)
        with contextlib.suppress(GatewayProtocolError):
            self._take(leg, leg.decoder.end(None if leg.closed else code))
        if leg.decoder.counts.faults:
            self._observer.on_faults(leg.decoder.protocol, leg.decoder.counts.faults)
        outcome = "message_bytes" if code == CloseCode.TOO_BIG and not leg.closed else "closed"
        self.report(leg, outcome, "A message was longer than serve.decoder.message_bytes." * (outcome != "closed"))

    def report(self, leg: Leg, outcome: str, reason: str) -> None:
        """Tell the observer what became of a connection."""
        call = leg.decoder.call
        self._observer.on_connection(
            leg.decoder.protocol, outcome, client=leg.owner, call_id=call.call_id if call else "", reason=reason
        )

    async def answer(self, leg: Leg) -> None:
        """Send what the decoder wants to be sent, and close if it wants that."""
        decoder = leg.decoder
        replies = decoder.replies()
        if not replies and decoder.closing is None:
            return
        try:
            async with leg.writing, asyncio.timeout(self._config.limits.write_s):
                for reply in replies:
                    await leg.send(reply)
                if decoder.closing is not None and not leg.closed:
                    leg.closed = True
                    await leg.close(decoder.closing.code, decoder.closing.reason)
        except TimeoutError:
            leg.closed = True
            self.report(leg, "unread", f"The peer read nothing for {self._config.limits.write_s} s.")
            leg.abort()
        except (OSError, RuntimeError):  # the connection is gone already
            leg.closed = True

    def _take(self, leg: Leg, events: Sequence[MediaEvent]) -> None:
        """Pass on what a connection gave, as events of its call."""
        for event in events:
            if isinstance(event, CallStarted) and (full := self._refusal(leg, event)):
                self._refuse(leg, *full)
                return
            taken = self._joiner.take(
                leg.decoder, [event], now_s=self._clock(), accepted_s=leg.accepted_s, owner=leg.owner
            )
            if not self._dispatch(taken, leg.owner):
                self._joiner.drop(leg.decoder)
                self._refuse(leg, "call_id", "A call of this id is still being analysed; begin the call anew.")
                return
            if isinstance(event, CallStarted) and (call := self._joiner.call_of(leg.decoder)) is not None:
                leg.call_id, leg.offset_s = call.call_id, self._joiner.offset_s(leg.decoder)
        for decoder in self._joiner.superseded():
            older = self._legs.get(decoder)
            if older is not None:
                self._tell_to_leave(older, "superseded", "A newer connection carries this channel of the call.")

    def _refuse(self, leg: Leg, outcome: str, reason: str) -> None:
        self.report(leg, outcome, reason)
        leg.decoder.refuse(CloseCode.TRY_AGAIN, reason)

    def _refusal(self, leg: Leg, started: CallStarted) -> tuple[str, str] | None:
        """Return why a call cannot be taken, if so: a word and a sentence."""
        if self._joiner.is_alive(started.call.call_id):
            return None
        mine = sum(owner == leg.owner for owner in self._owners.values())
        most = self._max_calls.get(leg.owner, self._config.limits.anybody_calls)
        if mine >= most:
            return "client_calls", f"The client {leg.owner} has {mine} calls already, as many as it may."
        if not self._pool.has_room:
            return "calls", "All places for calls are taken; try another server, or later."
        if not self._tempo.allows(now_s=self._clock()):
            return "calls_per_s", "Too many calls began at once; try again in a second."
        return None

    def _dispatch(self, events: Sequence[MediaEvent], owner: str = "") -> bool:
        """Pass events on to the pool; False if it does not take the call that begins with them."""
        for event in events:
            if isinstance(event, AudioChunk):
                self._pool.hear(event)
            elif isinstance(event, CallStarted):
                if not self._pool.start_call(event.call):
                    return False
                self._owners[event.call.call_id] = owner
            elif isinstance(event, ConsentChanged):
                self._pool.change_consent(event.call_id, event.consent)
            elif isinstance(event, CallEnded):
                self._last_owners[event.call_id] = self._owners.pop(event.call_id, "")
                self._pool.end_call(event.call_id, event.reason)
        return True

    async def _watch(self) -> None:
        """Look for overdue connections and calls, for ever."""
        limits = self._config.limits
        while True:
            await asyncio.sleep(_WATCH_S)
            now_s = self._clock()
            for leg in list(self._legs.values()):
                if leg.told_to_leave_s is not None:
                    if now_s - leg.told_to_leave_s > _GOODBYE_S:
                        leg.abort()
                elif leg.decoder.finishing:
                    if now_s - leg.last_s > _LAST_WORDS_S:
                        leg.decoder.finish()
                        self._spawn(self.answer(leg))
                elif leg.decoder.call is None and now_s - leg.accepted_s > limits.start_s:
                    self._tell_to_leave(leg, "no_start", f"No call began within {limits.start_s} s.")
                elif now_s - leg.last_s > limits.idle_s:
                    self._tell_to_leave(leg, "idle", f"Nothing came for {limits.idle_s} s.")
                elif now_s - leg.accepted_s > limits.call_s:
                    self._tell_to_leave(leg, "too_long", f"The connection is older than {limits.call_s} s.")
            self._dispatch(self._joiner.expire(now_s=now_s))

    async def _learn(self) -> None:
        """Take note of the calls that others began; while the store is away, of none."""
        with contextlib.suppress(StoreError):
            self._joiner.remember(await asyncio.to_thread(self._begun))

    async def _keep_learning(self) -> None:
        while True:
            await asyncio.sleep(_LEARN_S)
            await self._learn()

    def _tell_to_leave(self, leg: Leg, outcome: str, reason: str) -> None:
        if leg.told_to_leave_s is None:
            leg.told_to_leave_s = self._clock()
            self.report(leg, outcome, reason)
            leg.decoder.hang_up(reason)
            self._spawn(self.answer(leg))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

"""The hub: one for all open consoles, it tells each of them what has changed.

Each change is written down once for all who see it, not once for each console.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Final
from uuid import uuid4

from voicepipe.events.store import Store
from voicepipe.types import StoreError
from voicepipe.web.api_calls import CallInProgress, CallNews, CallsNews
from voicepipe.web.api_types import StateNews
from voicepipe.web.board import LiveBoard, LiveCall
from voicepipe.web.inbox import Inbox
from voicepipe.web.stream import RETRY_MS, Listener, message_of

MOST_CONSOLES: Final = 500
"""Open at the same time, on one node."""

_TICK_S: Final = 1.0
"""How often ordinary changes are told, and the store is asked for what other nodes and systems did."""

_SHORTEST_TICK_S: Final = 0.1
"""Episodes and alerts are told at once, but not more often than this."""


class Hub:
    """Tells open consoles what has changed; works only while there are any, on the loop that they came in by.

    Parameters
    ----------
    board : LiveBoard
    store : Store
    clock : callable
        Returns the present time, timezone-aware UTC.
    on_failure : callable
        Is told where an error was survived, and which.

    Attributes
    ----------
    inbox : Inbox
    """

    def __init__(
        self,
        *,
        board: LiveBoard,
        store: Store,
        clock: Callable[[], datetime],
        on_failure: Callable[[str, Exception], None],
    ) -> None:
        self.inbox = Inbox(store=store, clock=clock)
        self._board = board
        self._clock = clock
        self._on_failure = on_failure
        self._boot = uuid4().hex[:8]
        self._listeners: set[Listener] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._calls_due = asyncio.Event()
        self._alerts_due = asyncio.Event()
        self._told_version = 0
        self._fault: str | None = None
        board.watch(lambda: self._wake(self._calls_due))
        store.watch(lambda: self._wake(self._alerts_due))

    @property
    def n_consoles(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def join(self, listener: Listener, *, last_id: str = "") -> bool:
        """Begin to tell a console what changes, after all that it must know first.

        Parameters
        ----------
        listener : Listener
        last_id : str
            Id of the last message that it got, if it was here before.

        Returns
        -------
        bool
            False where there are too many consoles.
        """
        if len(self._listeners) >= MOST_CONSOLES:
            return False
        if not self._listeners:
            self._begin()
        self._listeners.add(listener)
        listener.tell(f"retry: {RETRY_MS}\n\n".encode() + self._state())
        if listener.calls:
            listener.tell(self._calls_since(last_id, listener.queues))
        if listener.call_id is not None:
            listener.told_call = self._state_of_call(listener, listener.call_id)
        if listener.alerts and self.inbox.is_known:
            listener.tell(self.inbox.all_for(listener))
        return True

    def leave(self, listener: Listener) -> None:
        """Forget a console."""
        self._listeners.discard(listener)
        if not self._listeners:
            for task in self._tasks:
                task.cancel()
            self._tasks = []

    def close(self) -> None:
        """End all streams; the consoles try again until a server answers."""
        for listener in self._listeners:
            listener.ended.set()

    def _begin(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._calls_due, self._alerts_due = asyncio.Event(), asyncio.Event()
        self._told_version, self._fault = self._board.version, None
        self.inbox.forget()
        self._tasks = [
            self._loop.create_task(self._repeat(self._tell_calls, self._calls_due)),
            self._loop.create_task(self._repeat(self._look_at_alerts, self._alerts_due)),
        ]

    def _wake(self, due: asyncio.Event) -> None:
        """Bring a task on before its time; from any thread."""
        loop = self._loop
        if loop is not None and self._listeners:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the server is ending
                loop.call_soon_threadsafe(due.set)

    async def _repeat(self, work: Callable[[], Awaitable[None]], due: asyncio.Event) -> None:
        while True:
            due.clear()
            try:
                await work()
            except Exception as error:  # one fault must not leave all consoles without news
                self._on_failure("console", error)
            await asyncio.sleep(_SHORTEST_TICK_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK_S - _SHORTEST_TICK_S):
                    await due.wait()

    async def _tell_calls(self) -> None:
        told, self._told_version = self._told_version, self._board.version
        messages: dict[frozenset[str] | None, bytes | None] = {}
        for listener in self._listeners:
            if listener.calls:
                if listener.queues not in messages:
                    messages[listener.queues] = self._changes(told, listener.queues)
                if message := messages[listener.queues]:
                    listener.tell(message)
            if listener.call_id is not None:
                self._tell_call(listener, listener.call_id)

    def _changes(self, since: int, queues: frozenset[str] | None) -> bytes | None:
        changes = self._board.changes(since, queues=queues)
        if changes is None:
            return self._calls_since("", queues)
        if not (changes.calls or changes.gone):
            return None
        return self._message(self._news(changes.version, changes.calls, changes.gone, everything=False))

    def _calls_since(self, last_id: str, queues: frozenset[str] | None) -> bytes:
        """Return what a console must be told that has heard everything up to a message."""
        boot, _, version = last_id.partition("-")
        if boot == self._boot and version.isdigit():
            changes = self._board.changes(int(version), queues=queues)
            if changes is not None:
                return self._message(self._news(changes.version, changes.calls, changes.gone, everything=False))
        now = self._board.version  # Asked for first: what changes meanwhile is told again.
        return self._message(self._news(now, self._board.calls(queues), (), everything=True))

    def _news(self, version: int, calls: Iterable[LiveCall], gone: Iterable[str], *, everything: bool) -> CallsNews:
        rows = tuple(CallInProgress.of(call) for call in calls)
        return CallsNews(now=self._clock(), version=version, all=everything, calls=rows, gone=tuple(gone))

    def _message(self, news: CallsNews) -> bytes:
        return message_of("calls", news, own_id=f"{self._boot}-{news.version}")

    def _tell_call(self, listener: Listener, call_id: str) -> None:
        state = self._state_of_call(listener, call_id)
        if state != listener.told_call:
            listener.told_call = state
            listener.tell(message_of("call", CallNews(now=self._clock(), call_id=call_id, version=state[0])))

    def _state_of_call(self, listener: Listener, call_id: str) -> tuple[int, list[str]]:
        call = self._board.call(call_id)
        version = call.version if call is not None and listener.sees(call.queue) else -1
        return version, self.inbox.revisions_of(listener, call_id)

    async def _look_at_alerts(self) -> None:
        if not any(listener.alerts or listener.call_id is not None for listener in self._listeners):
            return
        try:
            await self.inbox.look(lambda: [one for one in self._listeners if one.alerts])
        except StoreError as error:
            self._tell_fault(str(error))
        else:
            self._tell_fault(None)

    def _tell_fault(self, fault: str | None) -> None:
        if (fault is None) == (self._fault is None):
            return
        self._fault = fault
        for listener in self._listeners:
            listener.tell(self._state())

    def _state(self) -> bytes:
        return message_of("state", StateNews(now=self._clock(), store="ok" if self._fault is None else "away"))

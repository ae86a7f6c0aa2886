"""The stream: one hub tells all open consoles what has changed, by server-sent events.

Each change is written down once for all who see it, not once for each console. A console that does not keep up is cut
off, never waited for; it comes back by itself and gets everything anew, as after a restart of the server or a night
with the lid closed.

References
----------
* WHATWG, "HTML Living Standard", section 9.2, server-sent events.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import uuid4

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from voicepipe.events.alert_log import Alert, Mark
from voicepipe.events.store import Store
from voicepipe.types import StoreError
from voicepipe.web.alert_card import card_html
from voicepipe.web.board import LiveBoard, LiveCall
from voicepipe.web.language import Language
from voicepipe.web.wording import level_of

INBOX = timedelta(hours=24)
"""How far back the inbox reaches; what is older is history."""

MOST_ALERTS: Final = 100
"""In the inbox."""

MOST_CONSOLES: Final = 500
"""Open at the same time, on one node."""

_TICK_S: Final = 1.0
"""How often ordinary changes are told, and the store is asked for what other nodes and systems did."""

_SHORTEST_TICK_S: Final = 0.1
"""Episodes and alerts are told at once, but not more often than this."""

_BEAT_S: Final = 15.0
"""A console that hears nothing for much longer knows that the connection is dead."""

_MOST_WAITING: Final = 32
"""Messages that wait for one console; with more it is cut off."""

_STILL_IN_S: Final = 60.0
"""How often it is asked whether who listens is still signed in."""

_RETRY_MS: Final = 2000


@dataclass(eq=False, kw_only=True)
class Listener:
    """One open console and what it wants to hear of.

    Attributes
    ----------
    queues : frozenset of str or None
        Whose calls and alerts it may see; None for all.
    calls : bool
        The calls in progress.
    alerts : bool
        The alerts of the inbox.
    call_id : str, optional
        One call whose page is open: that it has changed, not what.
    as_cards : tuple of (Language, bool), optional
        In which language the alerts are to come as HTML, and whether with buttons to judge them.
    known_alerts : str
        Fingerprint of the alerts that it shows already: ``mark`` of the last message, `Hub.fingerprint` for a page.
    told_call : object
        State of the call that it was told of last.
    waiting : asyncio.Queue of bytes
        Messages to send.
    ended : asyncio.Event
        The stream is to end.
    """

    queues: frozenset[str] | None
    calls: bool = False
    alerts: bool = False
    call_id: str | None = None
    as_cards: tuple[Language, bool] | None = None
    known_alerts: str = ""
    told_call: object = None
    waiting: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(_MOST_WAITING))
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, message: bytes) -> None:
        """Hand over a message, or cut the console off if too many wait."""
        try:
            self.waiting.put_nowait(message)
        except asyncio.QueueFull:
            self.ended.set()

    def sees(self, queue: str | None) -> bool:
        """Whether it may see the calls of a queue."""
        return self.queues is None or queue in self.queues


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
    """

    def __init__(
        self,
        *,
        board: LiveBoard,
        store: Store,
        clock: Callable[[], datetime],
        on_failure: Callable[[str, Exception], None],
    ) -> None:
        self._board = board
        self._store = store
        self._clock = clock
        self._on_failure = on_failure
        self._boot = uuid4().hex[:8]
        self._listeners: set[Listener] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._calls_due = asyncio.Event()
        self._alerts_due = asyncio.Event()
        self._told_version = 0
        self._mark: Mark | None = None
        self._alerts: dict[str, Alert] = {}
        self._revisions: dict[str, str] = {}
        self._cards: dict[tuple[str, str, bool], str] = {}
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
        listener.tell(f"retry: {_RETRY_MS}\n\n".encode() + _message("state", self._state()))
        if listener.calls:
            listener.tell(self._calls_since(last_id, listener.queues))
        if listener.call_id is not None:
            listener.told_call = self._state_of_call(listener)
        if listener.alerts and self._mark is not None:
            listener.tell(self._all_alerts(listener))
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

    def fingerprint(self, alerts: Iterable[Alert]) -> str:
        """Return what is equal for the same alerts in the same state."""
        return _fingerprint({alert.event_id: _revision(alert) for alert in alerts})

    async def inbox(self) -> Sequence[Alert]:
        """Return the alerts of the inbox, of all queues, newest first.

        Raises
        ------
        StoreError
        """
        return await asyncio.to_thread(self._store.alerts, since=self._inbox_since(), limit=MOST_ALERTS)

    def _inbox_since(self) -> datetime:
        """Return how far back the inbox reaches now; the same for an hour, so that its mark stays the same."""
        return (self._clock() - INBOX).replace(minute=0, second=0, microsecond=0)

    def _begin(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._calls_due, self._alerts_due = asyncio.Event(), asyncio.Event()
        self._told_version, self._mark = self._board.version, None
        self._alerts, self._revisions, self._cards = {}, {}, {}
        self._fault = None
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

    # Calls

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
                self._tell_call(listener)

    def _changes(self, since: int, queues: frozenset[str] | None) -> bytes | None:
        changes = self._board.changes(since, queues=queues)
        if changes is None:
            return self._calls_since("", queues)
        if not (changes.calls or changes.gone):
            return None
        return self._calls_message(changes.version, changes.calls, changes.gone, everything=False)

    def _calls_since(self, last_id: str, queues: frozenset[str] | None) -> bytes:
        """Return what a console must be told that has heard everything up to a message."""
        boot, _, version = last_id.partition("-")
        if boot == self._boot and version.isdigit():
            changes = self._board.changes(int(version), queues=queues)
            if changes is not None:
                return self._calls_message(changes.version, changes.calls, changes.gone, everything=False)
        version_now = self._board.version
        return self._calls_message(version_now, self._board.calls(queues), (), everything=True)

    def _calls_message(
        self, version: int, calls: Iterable[LiveCall], gone: Iterable[str], *, everything: bool
    ) -> bytes:
        told = {
            "now": self._now(),
            "version": version,
            "all": everything,
            "calls": [row_of(call) for call in calls],
            "gone": list(gone),
        }
        return _message("calls", told, own_id=f"{self._boot}-{version}")

    def _tell_call(self, listener: Listener) -> None:
        state = self._state_of_call(listener)
        if state != listener.told_call:
            listener.told_call = state
            listener.tell(_message("call", {"now": self._now(), "id": listener.call_id, "version": state[0]}))

    def _state_of_call(self, listener: Listener) -> tuple[int, list[str]]:
        assert listener.call_id is not None
        call = self._board.call(listener.call_id)
        revisions = [
            self._revisions[alert.event_id]
            for alert in self._alerts.values()
            if alert.call_id == listener.call_id and listener.sees(alert.queue)
        ]
        return (call.version if call is not None and listener.sees(call.queue) else -1), revisions

    # Alerts

    async def _look_at_alerts(self) -> None:
        """Read the inbox again if anything about it has changed, and tell what."""
        if not any(listener.alerts or listener.call_id is not None for listener in self._listeners):
            return
        since = self._inbox_since()
        try:
            mark = (since, await asyncio.to_thread(self._store.alerts_mark, since=since))
            if mark == self._mark:
                alerts = None
            else:
                alerts = await self.inbox()
        except StoreError as error:
            self._tell_fault(str(error))
            return
        self._tell_fault(None)
        if alerts is not None:
            is_first = self._mark is None
            self._mark = mark
            self._take_alerts({alert.event_id: alert for alert in alerts}, is_first=is_first)

    def _take_alerts(self, alerts: Mapping[str, Alert], *, is_first: bool) -> None:
        revisions = {event_id: _revision(alert) for event_id, alert in alerts.items()}
        changed = [one for one, revision in revisions.items() if self._revisions.get(one) != revision]
        gone = [alert for event_id, alert in self._alerts.items() if event_id not in alerts]
        self._alerts, self._revisions = dict(alerts), revisions
        stale = {*changed, *(alert.event_id for alert in gone)}
        self._cards = {key: html for key, html in self._cards.items() if key[0] not in stale}
        if not is_first and not stale:
            return
        messages: dict[object, bytes] = {}
        for listener in [one for one in self._listeners if one.alerts]:
            form = listener.as_cards and (listener.as_cards[0].code, listener.as_cards[1])
            key = (listener.queues, form, listener.known_alerts if is_first else "")
            if key not in messages:
                messages[key] = (
                    self._all_alerts(listener)
                    if is_first
                    else self._alerts_message(
                        listener,
                        [alerts[one] for one in changed],
                        gone=[alert.event_id for alert in gone if listener.sees(alert.queue)],
                        everything=False,
                    )
                )
            listener.tell(messages[key])

    def _all_alerts(self, listener: Listener) -> bytes:
        return self._alerts_message(listener, self._alerts.values(), gone=(), everything=True)

    def _alerts_message(
        self, listener: Listener, alerts: Iterable[Alert], *, gone: Iterable[str], everything: bool
    ) -> bytes:
        seen = [alert for alert in self._alerts.values() if listener.sees(alert.queue)]
        mark = _fingerprint({alert.event_id: self._revisions[alert.event_id] for alert in seen})
        as_cards = None if everything and mark == listener.known_alerts else listener.as_cards
        told = {
            "now": self._now(),
            "mark": mark,
            "all": everything,
            "open": sum(not alert.is_handled for alert in seen),
            "alerts": [self._alert(alert, as_cards) for alert in alerts if listener.sees(alert.queue)],
            "gone": list(gone),
        }
        return _message("alerts", told)

    def _alert(self, alert: Alert, as_cards: tuple[Language, bool] | None) -> dict[str, Any]:
        brief: dict[str, Any] = {
            "id": alert.event_id,
            "call": alert.call_id,
            "queue": alert.queue,
            "at": alert.event.occurred_at.timestamp(),
            "handled": alert.is_handled,
            "cleared": alert.cleared_at is not None,
        }
        if as_cards is None:
            return brief
        language, may_judge = as_cards
        key = (alert.event_id, language.code, may_judge)
        if key not in self._cards:
            self._cards[key] = card_html(alert, language, may_judge=may_judge, now=self._clock())
        return brief | {"html": self._cards[key]}

    # State

    def _tell_fault(self, fault: str | None) -> None:
        if (fault is None) == (self._fault is None):
            return
        self._fault = fault
        for listener in self._listeners:
            listener.tell(_message("state", self._state()))

    def _state(self) -> dict[str, Any]:
        return {"now": self._now(), "store": "ok" if self._fault is None else "away"}

    def _now(self) -> float:
        return round(self._clock().timestamp(), 3)


class EventStream(Response):
    """An answer that goes on until the console closes it, is cut off, or whoever listens is signed out.

    Parameters
    ----------
    hub : Hub
    listener : Listener
        Has joined the hub.
    is_still_in : callable
        Tells whether the stream may go on.
    """

    media_type = "text/event-stream"

    def __init__(self, hub: Hub, listener: Listener, *, is_still_in: Callable[[], Awaitable[bool]]) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._hub = hub
        self._listener = listener
        self._is_still_in = is_still_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the stream."""
        tasks = [
            asyncio.ensure_future(work)
            for work in (self._send_on(send), self._wait_for_end(receive), self._listener.ended.wait())
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.leave(self._listener)
            was_cut_off = not tasks[0].done() and self._listener.waiting.full()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if was_cut_off and (abort := scope.get("state", {}).get("abort")):
            abort()  # What waits in the socket is never read: closing it in peace would wait for that.
            return
        with contextlib.suppress(OSError):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_on(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        loop = asyncio.get_running_loop()
        ask_at = loop.time() + _STILL_IN_S
        while True:
            try:
                async with asyncio.timeout(_BEAT_S):  # wait_for of Python 3.11 may swallow the cancellation
                    message = await self._listener.waiting.get()
            except TimeoutError:
                message = b"event: beat\ndata: {}\n\n"
            while not self._listener.waiting.empty():
                message += self._listener.waiting.get_nowait()
            await send({"type": "http.response.body", "body": message, "more_body": True})
            if loop.time() >= ask_at:
                ask_at = loop.time() + _STILL_IN_S
                if not await self._is_still_in():
                    return

    @staticmethod
    async def _wait_for_end(receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


def row_of(call: LiveCall) -> dict[str, Any]:
    """Return a call in progress as the live view and the API get it."""
    episode = call.episode
    return {
        "id": call.call_id,
        "queue": call.queue,
        "agent": call.call.agent_id,
        "language": call.language,
        "started": round(call.call.started_at.timestamp(), 3),
        "duration": None if call.ended is None else round(call.ended.duration_s, 1),
        "stress": None if call.stress is None else round(call.stress, 3),
        "level": level_of(call.stress),
        "trend": [[round(at_s, 1), round(stress, 2)] for at_s, stress in call.points],
        "coverage": round(call.coverage.ratio, 3),
        "episode": None
        if episode is None
        else {
            "opened": round(episode.opened_s, 1),
            "alert": call.alert_id,
            "reasons": [reason.value for reason in episode.reasons],
        },
        "episodes": call.episodes,
        "scope": None if call.scope is None else call.scope.value,
        "version": call.version,
    }


def _revision(alert: Alert) -> str:
    """Return what changes with everything that a card shows and that can change."""
    state = (
        alert.cleared_at,
        alert.closed_by,
        alert.language,
        alert.call_ended,
        alert.take,
        alert.verdict,
        [str(one.feedback_id) for one in alert.feedback],
    )
    return sha256(repr(state).encode()).hexdigest()[:12]


def _fingerprint(revisions: Mapping[str, str]) -> str:
    return sha256(json.dumps(sorted(revisions.items())).encode()).hexdigest()[:16]


def _message(event: str, told: Mapping[str, Any], *, own_id: str = "") -> bytes:
    """Return a server-sent event; JSON has no line break of its own, so it is one line of data."""
    data = json.dumps(told, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return f"event: {event}\n{f'id: {own_id}' + chr(10) if own_id else ''}data: {data}\n\n".encode()

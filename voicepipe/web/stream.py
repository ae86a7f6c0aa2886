"""One console's stream: the messages that wait for it, and the answer that goes on for as long as it listens.

A console that does not keep up is cut off, never waited for; it comes back by itself and gets everything anew, as after
a restart of the server or a night with the lid closed.

References
----------
* WHATWG, "HTML Living Standard", section 9.2, server-sent events.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from voicepipe.web.language import Language

if TYPE_CHECKING:
    from voicepipe.web.hub import Hub

RETRY_MS: Final = 2000

_BEAT_S: Final = 15.0
"""A console that hears nothing for much longer knows that the connection is dead."""

_MOST_WAITING: Final = 32
"""Messages that wait for one console; with more it is cut off."""

_STILL_IN_S: Final = 60.0
"""How often it is asked whether who listens is still signed in."""


def message_of(event: str, told: BaseModel, *, own_id: str = "") -> bytes:
    """Return a server-sent event; JSON has no line break of its own, so it is one line of data."""
    return f"event: {event}\n{f'id: {own_id}' + chr(10) if own_id else ''}data: {told.model_dump_json()}\n\n".encode()


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
        Fingerprint of the alerts that it shows already: ``mark`` of the last message, `Inbox.mark_of` for a page.
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

    def __init__(self, hub: "Hub", listener: Listener, *, is_still_in: Callable[[], Awaitable[bool]]) -> None:
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

"""uvicorn, with what it lacks: bounds on what has not yet asked for anything, and a way to cut a connection."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator

import uvicorn
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MOST_QUEUED = 8
"""Messages of a WebSocket that may wait to be taken before no more are read from it."""


class AbortableSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, whose connection can be cut where the peer does not read.

    uvicorn stops reading at each message until it is taken: two system calls a message. Here a few may wait.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Show the handler how to cut the connection."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "abort": self.transport.abort}

    def send_receive_event_to_app(self) -> None:
        """Queue a message; stop reading where many wait."""
        was_paused, self.read_paused = self.read_paused, True
        super().send_receive_event_to_app()
        self.read_paused = was_paused
        if not was_paused and self.queue.qsize() >= MOST_QUEUED:
            self.read_paused = True
            self.transport.pause_reading()

    async def send(self, message: ASGISendEvent) -> None:
        """Send, and count a refusal as the end of the handshake, which uvicorn would call missing."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True


class Server(uvicorn.Server):
    """uvicorn's server, told when to end by us and not by signals."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.opened = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the ports and say so."""
        await super().startup(sockets=sockets)
        self.opened.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def bounded_http(has_room: Callable[[], bool], *, request_s: float) -> type[asyncio.Protocol]:
    """Return uvicorn's HTTP protocol with a bound on connections and on the time until a whole request has come."""

    class BoundedHttp(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            if not has_room():
                super().connection_made(transport)
                self._turn_away(b"503 Service Unavailable")
                return
            super().connection_made(transport)
            self.app_state = {**self.app_state, "abort": self.transport.abort}
            self._patience = self.loop.call_later(request_s, self._give_up)

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            if hasattr(self, "_patience"):
                self._patience.cancel()

        def _give_up(self) -> None:
            if self in self.connections and self.cycle is None:
                self._turn_away(b"408 Request Timeout")

        def _turn_away(self, status: bytes) -> None:
            self.transport.write(b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            self.transport.close()

    return BoundedHttp

"""A WebSocket's backpressure: a few messages wait, then nothing more is read until they are taken."""

import asyncio
from typing import Any

import uvicorn
from websockets.asyncio.client import connect

from tests.patience import PATIENCE_S
from voicepipe.gateways.uvicorn_server import MOST_QUEUED, AbortableSocket, Server

MESSAGES = 400
MESSAGE_BYTES = 64 * 1024
ONE_READ = 256 * 1024 // MESSAGE_BYTES + 1
"""Messages that one read from the socket can bring at most: asyncio reads 256 KiB."""


async def send_to_an_application_that_takes_nothing_at_first() -> tuple[list[bytes], int]:
    """Return the messages as they were taken, and how many waited at most."""
    paused, taken, waited = asyncio.Event(), [], [0]

    class Watched(AbortableSocket):
        def send_receive_event_to_app(self) -> None:
            super().send_receive_event_to_app()
            waited[0] = max(waited[0], self.queue.qsize())
            if self.read_paused:
                paused.set()

    async def take_late(scope: dict[str, Any], receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        await paused.wait()
        while (message := await receive())["type"] == "websocket.receive":
            taken.append(message["bytes"])

    config = uvicorn.Config(
        take_late, port=0, ws=Watched, lifespan="off", log_config=None, ws_per_message_deflate=False
    )
    server = Server(config)
    serving = asyncio.create_task(server.serve())
    await server.opened.wait()
    [address] = [sock.getsockname() for sock in server.servers[0].sockets]
    async with connect(f"ws://127.0.0.1:{address[1]}", compression=None) as client:
        for number in range(MESSAGES):
            await client.send(number.to_bytes(4) + bytes(MESSAGE_BYTES - 4))
    server.should_exit = True
    await serving
    return taken, waited[0]


def test_only_a_few_messages_wait_and_none_is_lost() -> None:
    taken, waited = asyncio.run(asyncio.wait_for(send_to_an_application_that_takes_nothing_at_first(), PATIENCE_S))
    assert [int.from_bytes(message[:4]) for message in taken] == list(range(MESSAGES))
    assert MOST_QUEUED <= waited < MOST_QUEUED + ONE_READ

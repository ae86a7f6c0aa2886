"""FFmpeg as the far end: its encoders, its RTP packets and its clock; heard as FFmpeg itself decodes them."""

import asyncio
import base64
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect

from tests.gateways.ear import Ear
from tests.gateways.test_server import PATIENCE_S, House, closed, frame, house, register, run
from tests.synth import noise, tone
from voicepipe.audio.codecs import Encoding, decode, encode
from voicepipe.types import Channel, FloatArray

FFMPEG = shutil.which("ffmpeg")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.interop,
    pytest.mark.skipif(FFMPEG is None, reason="needs ffmpeg on the path (Debian: apt-get install ffmpeg)"),
]

SECONDS = 1.5


@pytest.fixture
def source(tmp_path: Path) -> Callable[[int], list[str]]:
    """The arguments that make FFmpeg read a voice-like sound of a sample rate."""

    def write(rate_hz: int) -> list[str]:
        samples = tone(SECONDS, rate_hz=rate_hz, frequency_hz=220.0) + noise(SECONDS, rate_hz=rate_hz)
        path = tmp_path / "source.s16"
        path.write_bytes(encode(samples, encoding=Encoding.L16_LE))
        return ["-f", "s16le", "-ar", str(rate_hz), "-ac", "1", "-i", str(path)]

    return write


def convert(given: list[str], *wanted: str, data: bytes | None = None) -> bytes:
    """Have FFmpeg convert a sound as fast as it can."""
    command = [str(FFMPEG), "-v", "error", *given, *wanted, "pipe:1"]
    return subprocess.run(command, input=data, capture_output=True, check=True, timeout=PATIENCE_S).stdout


def as_ffmpeg_decodes(given: list[str], *, muxer: str, rate_hz: int) -> FloatArray:
    """Return what FFmpeg hears of a sound after it has been encoded."""
    wire = convert(given, "-f", muxer)
    raw = ["-f", muxer, "-ar", str(rate_hz), *(["-ac", "1"] if muxer.startswith("s16") else []), "-i", "pipe:0"]
    return decode(convert(raw, "-f", "s16le", data=wire), encoding=Encoding.L16_LE)


class Packets(asyncio.DatagramProtocol):
    """RTP that arrives."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.queue.put_nowait(data)


@asynccontextmanager
async def rtp(given: list[str], *, codec: str) -> AsyncIterator[AsyncIterator[bytes]]:
    """Have FFmpeg send RTP in real time; give its packets."""
    loop = asyncio.get_running_loop()
    media, packets = await loop.create_datagram_endpoint(Packets, local_addr=("127.0.0.1", 0))
    control, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
    port, control_port = (one.get_extra_info("sockname")[1] for one in (media, control))
    url = f"rtp://127.0.0.1:{port}?rtcpport={control_port}&pkt_size=172"
    sender = await asyncio.create_subprocess_exec(
        str(FFMPEG), "-v", "error", "-re", *given, "-c:a", codec, "-f", "rtp", url, stdout=asyncio.subprocess.DEVNULL
    )

    async def arrivals() -> AsyncIterator[bytes]:
        done = asyncio.create_task(sender.wait())
        while not (done.done() and packets.queue.empty()):
            arrival = asyncio.create_task(packets.queue.get())
            await asyncio.wait([arrival, done], return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_S)
            if arrival.done():
                yield arrival.result()
            else:
                arrival.cancel()

    try:
        yield arrivals()
        assert sender.returncode == 0
    finally:
        if sender.returncode is None:
            sender.kill()
            await sender.wait()
        media.close()
        control.close()


@pytest.mark.parametrize(
    ("codec", "muxer", "name", "rate_hz"),
    [
        ("pcm_mulaw", "mulaw", "PCMU", 8_000),
        ("pcm_alaw", "alaw", "PCMA", 8_000),
        ("pcm_s16be", "s16be", "L16", 16_000),
    ],
)
def test_the_payloads_of_its_rtp_are_heard_to_the_bit(
    source: Callable[[int], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    codec: str,
    muxer: str,
    name: str,
    rate_hz: int,
) -> None:
    """Telnyx passes on the payloads of RTP packets, with their numbers and times, not always in order."""
    given = source(rate_hz)

    async def scene() -> None:
        async with house() as here, connect(here.url("/v1/twilio")) as far_end:
            ear = Ear(here, monkeypatch)
            media_format = {"encoding": name, "sample_rate": rate_hz, "channels": 1}
            start = {"call_control_id": "v3:1", "media_format": media_format}
            await far_end.send(json.dumps({"event": "start", "stream_id": "s", "start": start}))
            first: int | None = None
            async with rtp(given, codec=codec) as packets:
                waiting: list[str] = []
                number = 0
                async for packet in packets:
                    number += 1
                    assert packet[0] == 0x80
                    stamp = int.from_bytes(packet[4:8], "big")
                    first = stamp if first is None else first
                    since_ms = ((stamp - first) % 2**32) * 1000 // rate_hz
                    media = {
                        "track": "inbound",
                        "chunk": str(number),
                        "timestamp": str(since_ms),
                        "payload": base64.b64encode(packet[12:]).decode(),
                    }
                    message = {"event": "media", "sequence_number": str(number), "stream_id": "s", "media": media}
                    waiting.insert(0, json.dumps(message))
                    if len(waiting) == 2 or number == 1:
                        for text in waiting:
                            await far_end.send(text)
                        waiting = []
                for text in waiting:
                    await far_end.send(text)
            await far_end.send(json.dumps({"event": "stop", "stream_id": "s", "sequence_number": str(number + 1)}))
            await closed(far_end)
            summary = await here.summary("v3:1")
            assert (summary.reason, summary.coverage.ratio) == ("stop", 1.0)
            expected = as_ffmpeg_decodes(given, muxer=muxer, rate_hz=rate_hz)
            np.testing.assert_array_equal(ear.samples("v3:1", Channel.CALLER), expected)

    run(scene)


async def stream(given: list[str], *, muxer: str) -> AsyncIterator[bytes]:
    """Have FFmpeg write to a pipe in real time; give its pieces, of whole samples, as they come."""
    writer = await asyncio.create_subprocess_exec(
        str(FFMPEG), "-v", "error", "-re", *given, "-f", muxer, "pipe:1", stdout=asyncio.subprocess.PIPE
    )
    assert writer.stdout is not None
    rest = b""
    while piece := await asyncio.wait_for(writer.stdout.read(4096), PATIENCE_S):
        whole = rest + piece
        rest = whole[len(whole) - len(whole) % 2 :]
        if len(whole) > len(rest):
            yield whole[: len(whole) - len(rest)]
    assert await writer.wait() == 0
    assert rest == b""


@pytest.mark.parametrize(
    ("muxer", "name", "rate_hz"),
    [("mulaw", "ulaw", 8_000), ("alaw", "alaw", 8_000), ("s16le", "slin", 8_000), ("s16le", "slin16", 16_000)],
)
def test_its_streams_over_a_websocket_are_heard_to_the_bit(
    source: Callable[[int], list[str]], monkeypatch: pytest.MonkeyPatch, muxer: str, name: str, rate_hz: int
) -> None:
    given = source(rate_hz)

    async def scene() -> None:
        async with house() as here:
            ear = Ear(here, monkeypatch)
            async with connect(here.url("/v1/l16")) as far_end:
                await far_end.send(json.dumps({"event": "MEDIA_START", "channel_id": "L1", "format": name}))
                async for piece in stream(given, muxer=muxer):
                    await far_end.send(piece)
            assert (await here.summary("L1")).reason == "end"
            expected = as_ffmpeg_decodes(given, muxer=muxer, rate_hz=rate_hz)
            np.testing.assert_array_equal(ear.samples("L1", Channel.MIXED), expected)

    run(scene)


@pytest.mark.parametrize(("kind", "rate_hz"), [(0x10, 8_000), (0x12, 16_000), (0x16, 48_000)])
def test_its_streams_over_audiosocket_are_heard_to_the_bit(
    source: Callable[[int], list[str]], monkeypatch: pytest.MonkeyPatch, kind: int, rate_hz: int
) -> None:
    given = source(rate_hz)

    async def scene() -> None:
        async with house() as here:
            ear = Ear(here, monkeypatch)
            await _push(here, given, kind=kind)
            assert (await here.summary("A1")).reason == "end"
            expected = as_ffmpeg_decodes(given, muxer="s16le", rate_hz=rate_hz)
            np.testing.assert_array_equal(ear.samples("A1", Channel.CALLER), expected)

    run(scene)


async def _push(here: House, given: list[str], *, kind: int) -> None:
    _, answer = await register(here, call_id="A1", channel="caller", channels=["caller"])
    _, writer = await asyncio.open_connection("127.0.0.1", here.server.audiosocket_port)
    writer.write(frame(0x01, bytes.fromhex(answer["uuid"].replace("-", ""))))
    async for piece in stream(given, muxer="s16le"):
        writer.write(frame(kind, piece))
        await writer.drain()
    writer.close()

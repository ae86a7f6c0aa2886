"""A second opinion on AudioSocket: the Go library of the protocol's authors, CyCoreSystems/audiosocket, on both ends.

Needs Go, and the modules once: ``go -C tests/gateways/go_audiosocket mod download``.
"""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from tests.gateways.ear import Ear
from tests.gateways.test_server import SPEECH, house, register, run
from tests.synth import tone
from voicepipe.audio.codecs import Encoding, decode, encode
from voicepipe.gateways.sender import due_messages
from voicepipe.gateways.senders import AudioSocketSender
from voicepipe.types import AudioChunk, Call, CallSummary, Channel, Roles

FOLDER = Path(__file__).parent / "go_audiosocket"
PATIENCE_S = 120.0
GO = shutil.which("go")

pytestmark = [pytest.mark.slow, pytest.mark.interop, pytest.mark.skipif(GO is None, reason="Go is not installed")]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client and server, built without the network."""
    path = tmp_path_factory.mktemp("go") / "audiosocket"
    built = subprocess.run(
        [str(GO), "build", "-o", str(path), "."],
        cwd=FOLDER,
        env=os.environ | {"GOPROXY": "off", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        check=False,
    )
    if "module lookup disabled by GOPROXY=off" in built.stderr:
        pytest.skip("the Go modules are not here: go -C tests/gateways/go_audiosocket mod download")
    assert built.returncode == 0, built.stderr
    return path


def test_a_call_from_their_client_is_heard_to_the_bit(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with house() as here:
            ear = Ear(here, monkeypatch)
            _, answer = await register(here, call_id="A1", channel="caller", channels=["caller"])
            client = await asyncio.create_subprocess_exec(
                program,
                "send",
                f"127.0.0.1:{here.server.audiosocket_port}",
                answer["uuid"],
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            sent_back, _ = await asyncio.wait_for(client.communicate(SPEECH), PATIENCE_S)
            summary: CallSummary = await here.summary("A1")
            assert client.returncode == 0
            assert sent_back == b""
            assert summary.coverage.ratio == 1.0
            assert summary.duration_s == pytest.approx(7.0, abs=0.01)
            assert len(here.utterances("A1", Channel.CALLER)) == 2
            expected = decode(SPEECH, encoding=Encoding.L16_LE)
            np.testing.assert_array_equal(ear.samples("A1", Channel.CALLER), expected)

    run(scene)


def test_their_server_hears_what_we_send_to_the_bit(program: Path) -> None:
    call = Call(
        call_id="A1",
        started_at=datetime(2026, 3, 1, tzinfo=UTC),
        gateway="file",
        channels=(Channel.CALLER,),
        roles=Roles.GIVEN,
    )
    samples = tone(0.5, rate_hz=8_000)
    sender = AudioSocketSender(call, rate_hz=8_000)

    def recording() -> Iterator[AudioChunk]:
        yield AudioChunk(call_id="A1", channel=Channel.CALLER, first_sample=0, sample_rate_hz=8_000, samples=samples)

    async def scene() -> list[str]:
        server = await asyncio.create_subprocess_exec(program, "listen", stdout=asyncio.subprocess.PIPE)
        assert server.stdout is not None
        host, _, port = (await server.stdout.readline()).decode().strip().rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        for message in due_messages(sender, recording()):
            assert isinstance(message.data, bytes)
            writer.write(message.data)
        await writer.drain()
        said, _ = await asyncio.wait_for(server.communicate(), PATIENCE_S)
        writer.close()
        return said.decode().splitlines()

    uuid, *messages = asyncio.run(scene())
    assert UUID(uuid) == sender.uuid
    kinds = [message.split(" ")[0] for message in messages]
    assert kinds == ["16"] * 25 + ["0"]
    audio = b"".join(bytes.fromhex(message.split(" ")[1]) for message in messages)
    assert audio == encode(samples, encoding=Encoding.L16_LE)

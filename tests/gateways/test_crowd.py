"""Ten thousand connections that send nothing, from another process, and a good call beside them."""

import asyncio
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from tests.gateways.test_server import SPEECH, TwilioCall, check_good_call, house, run
from voicepipe.gateways.config import LimitsConfig
from voicepipe.types import Channel

CROWD = 10_000
FILES = CROWD + 1_000
"""Open files that each of the two processes needs."""
BYTES_EACH = 16_000
"""What a silent connection may cost the server; the test prints what it does."""

STANDERS = """
import resource, socket, sys
_, port, count = map(int, ["0", *sys.argv[1:]])
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
standing = [socket.create_connection(("127.0.0.1", port), timeout=240) for _ in range(count)]
print("standing", flush=True)
sys.stdin.readline()
turned_away = 0
for one in standing:
    one.setblocking(False)
    try:
        one.recv(1)
        turned_away += 1
    except BlockingIOError:
        pass
    except ConnectionError:
        turned_away += 1
print(turned_away, flush=True)
sys.stdin.readline()
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory from /proc"),
    pytest.mark.skipif(
        0 <= resource.getrlimit(resource.RLIMIT_NOFILE)[1] < FILES, reason=f"may not open {FILES} files at a time"
    ),
]


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Crowd:
    """The other process, which connects, stands there and tells how many connections were closed on it."""

    def __init__(self, port: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", STANDERS, str(port), str(CROWD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "Crowd":
        return self

    def __exit__(self, *failure: object) -> None:
        self._process.communicate()

    async def line(self) -> str:
        assert self._process.stdout is not None
        return (await asyncio.to_thread(self._process.stdout.readline)).strip()

    async def turned_away(self) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(await self.line())


@pytest.mark.parametrize("door", ["http", "audiosocket"])
@pytest.mark.parametrize(("room", "stay"), [(CROWD + 500, CROWD), (1_000, 999)], ids=["let_in", "turned_away"])
def test_ten_thousand_silent_connections_cost_little_and_a_call_among_them_is_untouched(
    door: str, room: int, stay: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """`stay` of them are kept; one place is the call's."""

    async def scene() -> None:
        limits = LimitsConfig(connections=room, request_s=300.0, start_s=300.0)
        async with house(limits=limits) as here:
            await check_good_call(here, "CA1")
            port = here.server.port if door == "http" else here.server.audiosocket_port
            assert port is not None
            async with connect(here.url("/v1/twilio")) as socket:
                call = TwilioCall(socket, "CA2")
                await call.start()
                await call.media(SPEECH[:16_000])
                empty_bytes = resident_bytes()
                with Crowd(port) as crowd:
                    assert await crowd.line() == "standing"
                    await here.until(lambda: here.server.n_connections >= stay + 1)
                    each_bytes = (resident_bytes() - empty_bytes) / CROWD
                    with capsys.disabled():
                        print(f"\n{door}: {stay} of {CROWD} kept, {each_bytes / 1000:.1f} kB for each that came")
                    await call.media(SPEECH, begin=16_000)
                    await call.say("stop")
                    summary = await here.summary("CA2")
                    assert await crowd.turned_away() == CROWD - stay
            assert summary.coverage.ratio == 1.0
            assert summary.duration_s == pytest.approx(7.0, abs=0.01)
            assert [round(one.start_s, 1) for one in here.utterances("CA2", Channel.CALLER)] == [0.8, 3.8]
            assert each_bytes < BYTES_EACH
            await here.until(lambda: here.server.n_connections == 0)
            await check_good_call(here, "CA3")

    run(scene)

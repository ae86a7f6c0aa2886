"""Workers as processes of this machine: each loads the models once and keeps to one core."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Self

from voicepipe.batch.items import Item, Outcome
from voicepipe.batch.runner import WAIT_S, Done, Lost, News, OpenScorer, Ready, Unable
from voicepipe.types import VoicepipeError

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""What numerical libraries read when they load; N workers with N threads each only fight."""

_END_S = 5.0


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: "Connection[object, object]"


class LocalCrew:
    """A `voicepipe.batch.runner.Crew` of processes. A context manager.

    Processes are started afresh ("spawn"), so that no lock or thread of this one is copied into them.

    Parameters
    ----------
    open_scorer : OpenScorer
    size : int
    """

    def __init__(self, open_scorer: OpenScorer, *, size: int) -> None:
        self.size = size
        self._open_scorer = open_scorer
        self._context = multiprocessing.get_context("spawn")
        self._workers: dict[int, _Worker] = {}
        self._hired = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def hire(self) -> int:
        """Start a process."""
        mine, its = self._context.Pipe()
        number = self._hired
        process = self._context.Process(
            target=_work, args=(its, self._open_scorer), name=f"voicepipe-worker-{number}", daemon=True
        )
        with _one_thread_each():
            process.start()
        its.close()
        self._hired += 1
        self._workers[number] = _Worker(process, mine)
        return number

    def give(self, worker: int, item: Item) -> None:
        """Send it a recording."""
        with contextlib.suppress(OSError):  # it is dead, as `wait` will find
            self._workers[worker].pipe.send(item)

    def wait(self) -> Sequence[News]:
        """Return what the workers sent, and which of them died."""
        pipes = {worker.pipe: number for number, worker in self._workers.items()}
        return [self._hear(pipes[pipe]) for pipe in wait(list(pipes), WAIT_S) if isinstance(pipe, Connection)]

    def close(self) -> None:
        """End the processes."""
        for worker in self._workers.values():
            worker.process.terminate()
        for worker in self._workers.values():
            worker.process.join(_END_S)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.pipe.close()
            worker.process.close()
        self._workers.clear()

    def _hear(self, number: int) -> News:
        worker = self._workers[number]
        try:
            said = worker.pipe.recv()
        except (EOFError, OSError):
            del self._workers[number]
            worker.pipe.close()
            worker.process.join()
            code = worker.process.exitcode or 0
            worker.process.close()
            return Lost(number, f"killed by signal {-code}" if code < 0 else f"exit code {code}")
        if isinstance(said, Outcome):
            return Done(number, said)
        if isinstance(said, VoicepipeError):
            return Unable(number, said)
        return Ready(number)


def _work(pipe: "Connection[object, object]", open_scorer: OpenScorer) -> None:
    """Score what comes through the pipe, until nothing more can come."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of the terminal; the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            score = open_scorer()
        except VoicepipeError as error:
            pipe.send(error)
            return
        pipe.send(None)
        while True:
            item = pipe.recv()
            assert isinstance(item, Item)
            pipe.send(score(item))


def _end_with_parent() -> None:
    """End this process as soon as its parent is gone, however that ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let a process that starts now load its numerical libraries with one thread."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

"""Hands recordings to workers, whatever they are: processes on this machine or actors of a cluster."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from voicepipe.batch.items import Item, Outcome
from voicepipe.types import ModelError, VoicepipeError

Score = Callable[[Item], Outcome]
"""Scores one recording; raises nothing but what ends the process."""

OpenScorer = Callable[[], Score]
"""Loads the models within a worker. It travels there, so it must be picklable."""

WAIT_S = 0.5
"""Longest time that a crew waits for news, so that a run notices in time that it is to end."""

ATTEMPTS = 2
"""How often a recording is given to a worker before its death is the recording's fault."""

_FAILED_STARTS = 3
"""Workers in a row that may die while they load, before the run gives up."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker has loaded its models."""

    worker: int


@dataclass(frozen=True, slots=True)
class Done:
    """The worker has scored its recording and is free again."""

    worker: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Lost:
    """The worker is dead; `why` as in "killed by signal 9"."""

    worker: int
    why: str


@dataclass(frozen=True, slots=True)
class Unable:
    """The worker cannot start, and no other could."""

    worker: int
    error: VoicepipeError


News = Ready | Done | Lost | Unable


class Crew(Protocol):
    """Workers of one kind. A worker is a number; it gets one recording at a time, once it is ready."""

    @property
    def size(self) -> int:
        """Most workers at a time."""
        ...

    def hire(self) -> int:
        """Start one more worker."""
        ...

    def give(self, worker: int, item: Item) -> None:
        """Give a free worker a recording; that the worker is dead is told by `wait`."""
        ...

    def wait(self) -> Sequence[News]:
        """Return what happened, as soon as something has; nothing after `WAIT_S`."""
        ...

    def close(self) -> None:
        """End all workers at once, whatever they are doing."""
        ...


def dispatch(items: Iterable[Item], crew: Crew, *, check: Callable[[], None] = lambda: None) -> Iterator[Outcome]:
    """Yield the outcome of each recording, in the order in which they are done.

    As many recordings are taken from `items` in advance as there are workers, no more; workers start as they are
    needed. A recording whose worker dies is given to another one; when that dies, too, it has failed. `check` is called
    before each wait for the workers; what it raises ends the work.

    Raises
    ------
    ModelError
        If workers cannot load the models, or die while they load them.
    """
    source = iter(items)
    waiting: deque[tuple[Item, int]] = deque()
    free: deque[int] = deque()
    starting: set[int] = set()
    busy: dict[int, tuple[Item, int]] = {}
    failed_starts = 0
    while True:
        while len(waiting) < crew.size and (item := next(source, None)) is not None:
            waiting.append((item, 1))
        while waiting and free:
            worker = free.popleft()
            busy[worker] = waiting.popleft()
            crew.give(worker, busy[worker][0])
        while len(starting) < len(waiting) and len(starting) + len(busy) < crew.size:
            starting.add(crew.hire())
        if not busy and not waiting:
            return
        check()
        for news in crew.wait():
            match news:
                case Ready(worker):
                    failed_starts = 0
                    starting.discard(worker)
                    free.append(worker)
                case Done(worker, outcome):
                    del busy[worker]
                    free.append(worker)
                    yield outcome
                case Unable(_, error):
                    raise error
                case Lost(worker, why):
                    if worker in busy:
                        item, attempt = busy.pop(worker)
                        if attempt < ATTEMPTS:
                            waiting.appendleft((item, attempt + 1))
                        else:
                            yield _worker_died(item, why)
                    elif worker in starting:
                        starting.discard(worker)
                        failed_starts += 1
                        if failed_starts == _FAILED_STARTS:
                            raise ModelError(
                                f"The workers die while they load the models ({why}); if it is for want of memory, "
                                f"give fewer --workers than {crew.size}."
                            )
                    else:
                        free.remove(worker)


def _worker_died(item: Item, why: str) -> Outcome:
    return Outcome(
        item=item,
        stage="worker",
        error=(
            f"{item.path} ended the worker process {ATTEMPTS} times ({why}); too little memory, or a recording that "
            "a decoder cannot stand: convert it to WAV and score it by itself."
        ),
    )

"""How far a run is: a bar in a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from voicepipe.counting import counted

EVERY_S = 15.0
"""Seconds between two lines where there is no terminal."""


class RunProgress:
    """Counts recordings and seconds of call, and tells rate and time left. A context manager.

    Parameters
    ----------
    total : int
        Recordings to score.
    console : Console
        Gets the bar, if it is a terminal.
    say : callable
        Gets a line now and then, if it is none.
    clock : callable, optional
        Seconds, never going back.
    """

    def __init__(
        self,
        total: int,
        *,
        console: Console,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total = total
        self._say = say
        self._clock = clock
        self._began_s = self._told_s = clock()
        self._done = self._failed = 0
        self._call_s = 0.0
        self._bar = Progress(
            TextColumn("scoring"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("", total=total)
        self._lines = not console.is_terminal

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def count(self, *, call_s: float, failed: bool) -> None:
        """Take note of a recording that is done."""
        self._done += 1
        self._failed += failed
        self._call_s += call_s
        now_s = self._clock()
        text = self.text(now_s)
        self._bar.update(self._task, completed=self._done, description=text)
        if self._lines and now_s - self._told_s >= EVERY_S and self._done < self._total:
            self._told_s = now_s
            self._say(f"{self._done} of {counted(self._total, 'recording')}, {text}")

    def text(self, now_s: float) -> str:
        """Return rate, time left and failures in words."""
        elapsed_s = max(now_s - self._began_s, 1e-9)
        left_s = elapsed_s / self._done * (self._total - self._done) if self._done else 0.0
        words = f"{self._call_s / elapsed_s:.1f} times real time, {span(left_s)} left"
        return words + (f", {self._failed} failed" if self._failed else "")


def span(seconds: float) -> str:
    """Write a stretch of time: ``48 s``, ``12 min``, ``3 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"

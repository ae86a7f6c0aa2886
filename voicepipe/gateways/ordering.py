"""Messages back in order, and audio on the sender's own clock: what numbered and stamped protocols have in common.

Pure: nothing here waits. A message is held back until the ones before it have come or `window` later ones have.
"""

from collections import deque
from typing import Generic, TypeVar

from voicepipe.gateways.decoder import LegCounts

T = TypeVar("T")


class Reorderer(Generic[T]):
    """Puts numbered messages in order and drops the ones that come twice or too late.

    Parameters
    ----------
    counts : LegCounts
        `duplicates`, `late` and `lost` are counted there.
    window : int
        How many messages may be held back for a missing one. Also: after so many in a row from the past the sender is
        taken to have started to count anew.
    """

    def __init__(self, *, counts: LegCounts, window: int) -> None:
        self._counts = counts
        self._window = window
        self._held: dict[int, T] = {}
        self._next: int | None = None
        self._skipped: deque[int] = deque(maxlen=4 * window)
        self._behind = 0

    def push(self, number: int, message: T) -> list[tuple[T, bool]]:
        """Take a message.

        Returns
        -------
        list of (message, bool)
            What is now in order, oldest first, each with whether messages before it are missing.
        """
        if self._next is None:
            self._next = number
        if number < self._next:
            return self._take_old(number, message)
        if number in self._held:
            self._counts.duplicates += 1
            return []
        self._behind = 0
        self._held[number] = message
        ready = self._in_order()
        while len(self._held) > self._window:
            ready += self._skip()
        return ready

    def flush(self) -> list[tuple[T, bool]]:
        """Return all that is held back; nothing more will come."""
        ready: list[tuple[T, bool]] = []
        while self._held:
            ready += self._skip()
        return ready

    def _take_old(self, number: int, message: T) -> list[tuple[T, bool]]:
        self._behind += 1
        if self._behind > self._window:
            ready = [*self.flush(), (message, True)]
            self._next, self._behind = number + 1, 0
            self._skipped.clear()
            return ready
        if number in self._skipped:
            self._skipped.remove(number)
            self._counts.late += 1
        else:
            self._counts.duplicates += 1
        return []

    def _in_order(self) -> list[tuple[T, bool]]:
        ready: list[tuple[T, bool]] = []
        assert self._next is not None
        while self._next in self._held:
            ready.append((self._held.pop(self._next), False))
            self._next += 1
        return ready

    def _skip(self) -> list[tuple[T, bool]]:
        """Give up the missing messages before the oldest one that is held."""
        assert self._next is not None
        oldest = min(self._held)
        self._counts.lost += oldest - self._next
        self._skipped.extend(range(max(self._next, oldest - 4 * self._window), oldest))
        first = self._held.pop(oldest)
        self._next = oldest + 1
        return [(first, True), *self._in_order()]


class TrackClock:
    """Places the chunks of one track on the sender's clock.

    Audio counts as contiguous while the sender's stamps agree with the samples that came, to within `JITTER_S`: stamps
    are rounded to milliseconds, or taken when a packet was sent. Where they disagree more, or where a message is known
    to be missing, the stamp counts; a jump forward of more than `SURE_S` only once the next chunk agrees, as one wrong
    stamp would put minutes of silence into the call. A stamp that goes back further than `RESET_S`, or stays behind for
    `STUCK_CHUNKS` chunks, is a clock that was set anew: the audio goes on where it was.

    Parameters
    ----------
    rate_hz : int
    """

    JITTER_S = 0.06
    JITTER_AFTER_LOSS_S = 0.005
    SURE_S = 5.0
    RESET_S = 5.0
    STUCK_CHUNKS = 50

    def __init__(self, *, rate_hz: int) -> None:
        self.next_sample = 0
        self._rate_hz = rate_hz
        self._offset_samples = 0
        self._last_stamp: int | None = None
        self._behind = 0
        self._suspect: int | None = None

    def place(self, n_samples: int, *, stamp: int | None, after_loss: bool = False) -> int:
        """Return the position of a chunk's first sample.

        Parameters
        ----------
        n_samples : int
        stamp : int or None
            Where the sender says that the chunk begins, in samples; None, or the same as for the chunk before, says
            nothing.
        after_loss : bool
            A message before this one is known to be missing.
        """
        first_sample = self.next_sample
        if stamp is not None and stamp != self._last_stamp:
            self._last_stamp = stamp
            jump = stamp + self._offset_samples - self.next_sample
            tolerance_s = self.JITTER_AFTER_LOSS_S if after_loss else self.JITTER_S
            if jump > self.SURE_S * self._rate_hz and not self._is_expected(stamp):
                self._suspect = stamp + n_samples
            elif jump > tolerance_s * self._rate_hz:
                first_sample += jump
            elif jump < -self.JITTER_S * self._rate_hz:
                self._behind += 1
                if jump < -self.RESET_S * self._rate_hz or self._behind > self.STUCK_CHUNKS:
                    self._offset_samples -= jump
                else:
                    return first_sample + jump
            self._behind = 0
        self.next_sample = max(self.next_sample, first_sample + n_samples)
        return first_sample

    def _is_expected(self, stamp: int) -> bool:
        """Tell whether the chunk before jumped to the same new time."""
        return self._suspect is not None and abs(stamp - self._suspect) <= self.JITTER_S * self._rate_hz

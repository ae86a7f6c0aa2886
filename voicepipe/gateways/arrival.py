"""Audio without any stamps: contiguous, unless so little came for so long that some was left out."""

from voicepipe.types import FloatArray

_DOUBT_S = 0.25
"""How long late audio is held back to see whether what is missing comes after it; a stalled line empties faster."""
_MOST_DOUBTED_S = 10.0
"""Most audio that is held back."""


class ArrivalClock:
    """Places audio whose protocol has no times by when it arrived.

    Jitter must not make gaps: the call sounds the same however its packets were delayed. So audio counts as contiguous
    until it has fallen behind its arrival by more than `gap_after_s` beyond the least delay seen so far. Then either
    the sender was silent (nobody spoke yet, a pause, a connection lost further on), and the audio belongs to the time
    of its arrival; or the line was stalled, and what it kept comes at once, faster than it was spoken. Which of the two
    is known a moment later; until then the audio is held back.

    Parameters
    ----------
    rate_hz : int
    gap_after_s : float or None
        None: always contiguous.

    Attributes
    ----------
    next_sample : int
        Where the next audio goes unless there is a gap.
    """

    def __init__(self, *, rate_hz: int, gap_after_s: float | None) -> None:
        self.next_sample = 0
        self._rate_hz = rate_hz
        self._gap_after_s = gap_after_s
        self._least_delay_s: float | None = None
        self._doubted: list[FloatArray] = []
        self._doubted_samples = 0
        self._doubted_since_s = 0.0
        self._doubted_delay_s = 0.0

    def push(self, samples: FloatArray, *, arrived_s: float | None) -> list[tuple[int, FloatArray]]:
        """Take the next audio; return what can be placed.

        Parameters
        ----------
        samples : ndarray, shape (..., n)
        arrived_s : float or None
            When the last of them was there, in seconds since the connection was accepted; None: contiguous.

        Returns
        -------
        list of (int, ndarray)
            Position of its first sample, and audio as it was taken.
        """
        if arrived_s is None or self._gap_after_s is None:
            return [*self.flush(), self._place(samples)]
        placed = []
        if self._doubted and arrived_s - self._doubted_since_s >= _DOUBT_S:
            placed = self.flush()
        end_sample = self.next_sample + self._doubted_samples + samples.shape[-1]
        delay_s = arrived_s - end_sample / self._rate_hz
        if self._least_delay_s is None:
            self._least_delay_s = delay_s if delay_s <= self._gap_after_s else 0.0
        if not self._doubted:
            self._doubted_since_s, self._doubted_delay_s = arrived_s, delay_s
        self._doubted.append(samples)
        self._doubted_samples += samples.shape[-1]
        self._doubted_delay_s = min(self._doubted_delay_s, delay_s)
        is_late = self._doubted_delay_s - self._least_delay_s > self._gap_after_s
        if is_late and self._doubted_samples <= _MOST_DOUBTED_S * self._rate_hz:
            return placed
        return placed + self.flush()

    def flush(self) -> list[tuple[int, FloatArray]]:
        """Place what is held back: nothing more comes."""
        if self._doubted and self._least_delay_s is not None and self._gap_after_s is not None:
            late_s = self._doubted_delay_s - self._least_delay_s
            if late_s > self._gap_after_s:
                self.next_sample += round(late_s * self._rate_hz)
            else:
                self._least_delay_s = min(self._least_delay_s, self._doubted_delay_s)
        doubted, self._doubted, self._doubted_samples = self._doubted, [], 0
        return [self._place(samples) for samples in doubted]

    def _place(self, samples: FloatArray) -> tuple[int, FloatArray]:
        first_sample = self.next_sample
        self.next_sample += samples.shape[-1]
        return first_sample, samples

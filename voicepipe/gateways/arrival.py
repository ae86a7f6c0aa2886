"""Audio without any stamps: contiguous, unless so little came for so long that some was left out."""


class ArrivalClock:
    """Places audio whose protocol has no times by when it arrived.

    Jitter must not make gaps: the call sounds the same however its packets were delayed. So audio counts as contiguous
    until it has fallen behind its arrival by more than `gap_after_s` beyond the least delay seen so far; then the
    sender has been silent (a pause, a connection lost further on), and the audio goes on at the time of its arrival.

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

    def place(self, n_samples: int, *, arrived_s: float | None) -> int:
        """Return the position of the first of `n_samples`.

        Parameters
        ----------
        n_samples : int
        arrived_s : float or None
            When their last one was there, in seconds since the connection was accepted; None: contiguous.
        """
        if arrived_s is not None and self._gap_after_s is not None:
            delay_s = arrived_s - (self.next_sample + n_samples) / self._rate_hz
            if self._least_delay_s is None:
                self._least_delay_s = delay_s
            if delay_s - self._least_delay_s > self._gap_after_s:
                self.next_sample += round((delay_s - self._least_delay_s) * self._rate_hz)
            else:
                self._least_delay_s = min(self._least_delay_s, delay_s)
        first_sample = self.next_sample
        self.next_sample += n_samples
        return first_sample

"""One track of a call on its sample clock: gaps filled, damage mended, telephone band, 16 kHz.

Every track is brought to the band of a telephone (8 kHz sampling) and from there to 16 kHz, whatever it was recorded
with: the stress model is trained on that band, and a wide-band recording must score like the same call over the phone.

Pure and synchronous. What comes out depends on the samples and their places alone, never on how they were cut into
chunks.
"""

import math

import numpy as np
import soxr
from scipy.signal import lfilter

from voicepipe.types import SAMPLE_RATE_HZ, AudioChunk, AudioInputError, FloatArray

TELEPHONE_RATE_HZ = 8_000
"""Sample rate of the telephone band, and the lowest that is taken."""

HIGHEST_RATE_HZ = 192_000
"""The highest sample rate that is taken."""


class ChannelStream:
    """Samples of one track: in at any chunk size and rate, out as contiguous 16 kHz from clock 0.

    Non-finite samples become 0, what lies beyond full scale is clipped, and a DC offset fades out with a time constant
    of 32 ms. Output lags input by the look-ahead of the filters (0.12 s at 8 kHz, 0.3 s at most) but lies at its true
    time: sample n is the sound at n / 16000 s.

    Parameters
    ----------
    max_gap_s : float
        Longest gap that is filled with its true length of silence. A longer jump forward is shortened to it; a jump
        back by more than it is a clock that was set anew, and the audio goes on where the track stands. It bounds what
        one chunk can make the stream allocate: 64 kB for each second; `fill_gap` allocates less at a time.

    Attributes
    ----------
    gap_s : float
        Seconds of silence put in for audio that did not come.
    skipped_s : float
        Seconds that the clock jumped, forward or back, beyond what was filled: how far later times may be off.
    late_s : float
        Seconds of audio dropped because the track had already passed them.
    damaged_samples : int
        Samples that were NaN or infinite.
    """

    def __init__(self, *, max_gap_s: float = 600.0) -> None:
        self.gap_s = 0.0
        self.skipped_s = 0.0
        self.late_s = 0.0
        self.damaged_samples = 0
        self._max_gap_s = max_gap_s
        self._chain: _Chain | None = None
        self._offset_samples = 0
        self._finished = False

    def push(self, chunk: AudioChunk) -> FloatArray:
        """Take the next chunk and return what is ready.

        Parameters
        ----------
        chunk : AudioChunk
            Of this track. A chunk without samples does nothing.

        Returns
        -------
        ndarray, shape (n,), float32
            The next samples at 16 kHz, within [-1, 1]; n is often 0 at the start.

        Raises
        ------
        AudioInputError
            If the sample rate is out of range or is not that of the chunks before.
        """
        if self._finished:
            raise RuntimeError("push() after finish(): a track ends once")
        chain = self._chain_for(chunk)
        if not len(chunk.samples):
            return np.zeros(0, dtype=np.float32)
        jump_samples = self._jump(chunk, chain)
        ready: list[FloatArray] = []
        if jump_samples > 0:
            ready.append(self._silence(jump_samples, chain))
        late_samples = min(max(-jump_samples, 0), len(chunk.samples))
        self.late_s += late_samples / chain.rate_hz
        if late_samples < len(chunk.samples):
            samples, damaged = _tame(chunk.samples[late_samples:])
            self.damaged_samples += damaged
            ready.append(chain.take(samples))
        return np.concatenate(ready) if ready else np.zeros(0, dtype=np.float32)

    def fill_gap(self, chunk: AudioChunk, *, most_s: float) -> tuple[FloatArray, bool]:
        """Put in the silence before a chunk that is yet to be pushed, but no more than `most_s` of it.

        Parameters
        ----------
        chunk : AudioChunk
            The next one of this track.
        most_s : float
            0 or more.

        Returns
        -------
        silence : ndarray, shape (n,), float32
            What `push` would return for it.
        is_filled : bool
            Whether the chunk follows on now; else fill again.

        Raises
        ------
        AudioInputError
            As `push` does.
        """
        chain = self._chain_for(chunk)
        jump_samples = self._jump(chunk, chain) if len(chunk.samples) else 0
        silent_samples = min(jump_samples, round(most_s * chain.rate_hz))
        silence = self._silence(silent_samples, chain) if silent_samples > 0 else np.zeros(0, dtype=np.float32)
        return silence, silent_samples == jump_samples

    def finish(self) -> FloatArray:
        """End the track and return the rest, so that all in all ``round(n_in * 16000 / rate)`` samples came out."""
        self._finished = True
        return self._chain.finish() if self._chain else np.zeros(0, dtype=np.float32)

    def _chain_for(self, chunk: AudioChunk) -> "_Chain":
        rate_hz = chunk.sample_rate_hz
        if self._chain is None:
            if not TELEPHONE_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
                raise AudioInputError(
                    f"The {chunk.channel} track of call {chunk.call_id} has a sample rate of {rate_hz} Hz; "
                    f"send {TELEPHONE_RATE_HZ} to {HIGHEST_RATE_HZ} Hz."
                )
            self._chain = _Chain(rate_hz)
        elif rate_hz != self._chain.rate_hz:
            raise AudioInputError(
                f"The {chunk.channel} track of call {chunk.call_id} changed its sample rate from "
                f"{self._chain.rate_hz} to {rate_hz} Hz; keep one rate for the whole call."
            )
        return self._chain

    def _jump(self, chunk: AudioChunk, chain: "_Chain") -> int:
        """Return how many samples a chunk lies ahead of the track, once what is too far is skipped."""
        max_gap_samples = round(self._max_gap_s * chain.rate_hz)
        jump_samples = chunk.first_sample - self._offset_samples - chain.taken_samples
        if jump_samples < -max_gap_samples:
            skipped_samples, jump_samples = jump_samples, 0
        else:
            skipped_samples = max(0, jump_samples - max_gap_samples)
            jump_samples -= skipped_samples
        self._offset_samples += skipped_samples
        self.skipped_s += abs(skipped_samples) / chain.rate_hz
        return jump_samples

    def _silence(self, samples: int, chain: "_Chain") -> FloatArray:
        self.gap_s += samples / chain.rate_hz
        return chain.take_silence(samples)


class _Chain:
    """The filters of one rate: DC blocker, then soxr's "HQ" resampler down to 8 kHz and up to 16 kHz.

    The DC blocker is ``H(z) = (1 + p) / 2 * (1 - 1/z) / (1 - p/z)`` with ``p = exp(-2 pi f / rate)`` and f = 5 Hz, far
    below any voice: it takes 0.03 dB off 60 Hz. It rests during silence put in for a gap, so that the edge of the gap
    makes no step. soxr takes its own delay off and cuts its work into blocks of its own, whatever it is fed.
    """

    _DC_CUTOFF_HZ = 5.0
    _BLOCK_SAMPLES = 1 << 16

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self.taken_samples = 0
        self._emitted_samples = 0
        pole = math.exp(-2 * math.pi * self._DC_CUTOFF_HZ / rate_hz)
        self._dc_b = np.array([1.0, -1.0]) * (1 + pole) / 2
        self._dc_a = np.array([1.0, -pole])
        self._dc_state = np.zeros(1)
        stages = [(TELEPHONE_RATE_HZ, SAMPLE_RATE_HZ)]
        if rate_hz != TELEPHONE_RATE_HZ:
            stages.insert(0, (rate_hz, TELEPHONE_RATE_HZ))
        self._resamplers = [
            soxr.ResampleStream(in_hz, out_hz, 1, dtype="float32", quality="HQ") for in_hz, out_hz in stages
        ]

    def take(self, samples: FloatArray) -> FloatArray:
        filtered, self._dc_state = lfilter(self._dc_b, self._dc_a, samples.astype(np.float64), zi=self._dc_state)
        return self._resample(filtered.astype(np.float32))

    def take_silence(self, n: int) -> FloatArray:
        blocks = [min(self._BLOCK_SAMPLES, n - done) for done in range(0, n, self._BLOCK_SAMPLES)]
        return np.concatenate([self._resample(np.zeros(block, dtype=np.float32)) for block in blocks])

    def finish(self) -> FloatArray:
        missing_samples = round(self.taken_samples * SAMPLE_RATE_HZ / self.rate_hz) - self._emitted_samples
        rest = self._resample(np.zeros(0, dtype=np.float32), last=True)[:missing_samples]
        return np.pad(rest, (0, missing_samples - len(rest)))

    def _resample(self, samples: FloatArray, *, last: bool = False) -> FloatArray:
        self.taken_samples += len(samples)
        for resampler in self._resamplers:
            samples = resampler.resample_chunk(samples, last=last)
        self._emitted_samples += len(samples)
        return np.clip(samples, -1.0, 1.0)


def _tame(samples: FloatArray) -> tuple[FloatArray, int]:
    """Return the samples within [-1, 1], non-finite ones as 0, and how many of those there were."""
    damaged = len(samples) - int(np.count_nonzero(np.isfinite(samples)))
    if damaged:
        samples = np.where(np.isfinite(samples), samples, np.float32(0.0))
    return np.clip(samples, -1.0, 1.0), damaged

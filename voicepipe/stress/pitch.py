"""Fundamental frequency of telephone speech: which frames are voiced, and at what pitch.

The tracker works on harmonics, because a telephone line (300 to 3400 Hz) often removes the fundamental itself. It
follows Boersma [1]_: the autocorrelation of a Hann-windowed frame, divided by that of the window, has a peak at the
period; several peaks per frame compete, and the cheapest path through all frames wins (octave jumps and changes of
voicing cost). Two things are different here. Peaks are ranked by the mean of that and of a *generalised*
autocorrelation [2]_, in which the spectrum is compressed first, so that a strong formant does not pass for the pitch.
And the path is found by a blocked scan in the (min, +) semiring [3]_, which gives the Viterbi path without a Python
loop over frames.

References
----------
.. [1] Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a sampled
   sound", Proc. Inst. Phonetic Sciences 17 (1993), 97-110.
.. [2] Tolonen and Karjalainen, "A computationally efficient multipitch analysis model", IEEE Trans. Speech Audio
   Process. 8 (2000), 708-716.
.. [3] Särkkä and García-Fernández, "Temporal parallelization of dynamic programming and linear quadratic control", IEEE
   Trans. Autom. Control 68 (2023), 851-866.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft

from voicepipe.types import DoubleArray, FloatArray

RATE_HZ = 8_000
"""Rate at which the voice is analysed: telephone speech holds nothing above 4 kHz."""

HOP_SAMPLES = 80
"""Step between frames: 10 ms."""

HOP_S = HOP_SAMPLES / RATE_HZ

WINDOW_SAMPLES = 320
"""Length of a frame: 40 ms, 2.6 periods of the lowest pitch."""

FFT_SAMPLES = 512
"""Long enough for the lags of `LOWEST_HZ` without wrap-around."""

LOWEST_HZ = 65.0
HIGHEST_HZ = 600.0

_LAG_RATE_HZ = 2 * RATE_HZ
_BAND = slice(80 * FFT_SAMPLES // RATE_HZ, 3400 * FFT_SAMPLES // RATE_HZ + 1)
_COMPRESSION = np.float32(0.3)
_CANDIDATES = 5
_OCTAVE_COST = 0.02
_VOICING_THRESHOLD = 0.35
_OCTAVE_JUMP_COST = 0.6
_VOICING_CHANGE_COST = 0.14
_SILENCE_RANGE_DB = 40.0
_IMPOSSIBLE = np.float32(1e6)

WINDOW: FloatArray = np.hanning(WINDOW_SAMPLES + 2)[1:-1].astype(np.float32)
"""Hann window without its two zeros, shape (WINDOW_SAMPLES,)."""

_SHORTEST_LAG = int(_LAG_RATE_HZ / HIGHEST_HZ)
_LAGS = np.arange(_SHORTEST_LAG - 1, int(np.ceil(_LAG_RATE_HZ / LOWEST_HZ)) + 2)
"""Every lag that can be a period, in samples at `_LAG_RATE_HZ`, and one more at each end."""

_WEIGHTS: FloatArray = np.where(np.arange(FFT_SAMPLES // 2 + 1) % (FFT_SAMPLES // 2) == 0, 1.0, 2.0).astype(np.float32)
"""What each bin of a one-sided spectrum counts for in the whole."""

_COSINES: FloatArray = (
    _WEIGHTS[:, None]
    * np.cos(2 * np.pi * np.outer(np.arange(FFT_SAMPLES // 2 + 1), _LAGS) * (RATE_HZ / (FFT_SAMPLES * _LAG_RATE_HZ)))
).astype(np.float32)
"""Turns a power spectrum into its autocorrelation at `_LAGS` (Wiener and Khinchin), shape (n_bins, n_lags)."""

_WINDOW_POWER: FloatArray = (np.abs(scipy.fft.rfft(WINDOW, FFT_SAMPLES)) ** 2).astype(np.float32)
_WINDOW_AUTOCORRELATION: FloatArray = (_WINDOW_POWER @ _COSINES) / (_WINDOW_POWER @ _WEIGHTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class PitchTrack:
    """Pitch of each frame.

    Attributes
    ----------
    f0_hz : ndarray, shape (n_frames,), float64
        Fundamental frequency, `LOWEST_HZ` to `HIGHEST_HZ`; NaN in unvoiced frames.
    periodicity : ndarray, shape (n_frames,), float64
        Normalised autocorrelation at the period, 0..1: share of the frame's energy that repeats; NaN where unvoiced.
    """

    f0_hz: DoubleArray
    periodicity: DoubleArray


def power_spectra(samples: FloatArray) -> FloatArray:
    """Cut a signal into Hann-windowed frames and return their power spectra.

    Parameters
    ----------
    samples : ndarray, shape (n,), float32
        At `RATE_HZ`, n >= `WINDOW_SAMPLES`.

    Returns
    -------
    ndarray, shape (n_frames, FFT_SAMPLES // 2 + 1), float32
        Frame i is centred on sample ``i * HOP_SAMPLES + WINDOW_SAMPLES / 2``.
    """
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW_SAMPLES)[::HOP_SAMPLES]
    spectra = scipy.fft.rfft(frames * WINDOW, FFT_SAMPLES, axis=1)
    power: FloatArray = spectra.real**2 + spectra.imag**2
    return power


def track_pitch(power: FloatArray) -> PitchTrack:
    """Find voicing and pitch of each frame.

    Parameters
    ----------
    power : ndarray, shape (n_frames, FFT_SAMPLES // 2 + 1), float32
        From `power_spectra`; n_frames >= 1.

    Returns
    -------
    PitchTrack
    """
    autocorrelation = _autocorrelation(power, slice(None)) / _WINDOW_AUTOCORRELATION
    generalised = _autocorrelation(power[:, _BAND] ** _COMPRESSION, _BAND)

    lag, strength, blended = _candidates(autocorrelation, generalised)
    lag_hz = _LAG_RATE_HZ / lag
    level_db = 10.0 * np.log10(power.sum(axis=1) + 1e-12)
    below_db = np.maximum(0.0, (np.max(level_db) - _SILENCE_RANGE_DB) - level_db)
    unvoiced_cost = -(_VOICING_THRESHOLD + 0.05 * below_db)
    voiced_cost = -(blended - _OCTAVE_COST * np.log2(lag * (HIGHEST_HZ / _LAG_RATE_HZ)))
    voiced_cost = np.where(np.isfinite(blended), voiced_cost, _IMPOSSIBLE)
    local = np.concatenate([unvoiced_cost[:, None], voiced_cost], axis=1).astype(np.float32)

    octave = np.log2(lag_hz)
    jump = _OCTAVE_JUMP_COST * np.abs(octave[:-1, :, None] - octave[1:, None, :])
    step = np.full((len(local) - 1, local.shape[1], local.shape[1]), _VOICING_CHANGE_COST, np.float32)
    step[:, 0, 0] = 0.0
    step[:, 1:, 1:] = jump
    state = _cheapest_path(local, step)

    frame = np.arange(len(state))
    voiced = state > 0
    f0_hz = np.where(voiced, lag_hz[frame, state - 1], np.nan)
    periodicity = np.where(voiced, strength[frame, state - 1], np.nan)
    return PitchTrack(f0_hz=f0_hz.astype(np.float64), periodicity=periodicity.astype(np.float64))


def _autocorrelation(power: FloatArray, bins: slice) -> FloatArray:
    """Autocorrelation at `_LAGS` over that at lag 0, shape (n_frames, n_lags); 0 where a frame has no energy."""
    energy = np.maximum(power @ _WEIGHTS[bins], np.float32(1e-12))
    normalised: FloatArray = (power @ _COSINES[bins]) / energy[:, None]
    return normalised


def _candidates(autocorrelation: FloatArray, generalised: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Lag (at `_LAG_RATE_HZ`), periodicity and strength of the best peaks, each of shape (n_frames, _CANDIDATES)."""
    blended = np.float32(0.5) * (autocorrelation + np.sqrt(np.maximum(generalised, np.float32(0.0))))
    inner = blended[:, 1:-1]
    peak = (inner > blended[:, :-2]) & (inner >= blended[:, 2:])
    penalty = (_OCTAVE_COST * np.log2(_LAGS[1:-1])).astype(np.float32)
    ranked = np.where(peak, inner - penalty, np.float32(-np.inf))
    best = np.argpartition(ranked, -_CANDIDATES, axis=1)[:, -_CANDIDATES:]
    row = np.arange(len(ranked))[:, None]
    found = np.isfinite(ranked[row, best])
    before, at, after = blended[row, best], blended[row, best + 1], blended[row, best + 2]
    curvature = before - 2 * at + after
    offset = np.where(found & (curvature < 0), 0.5 * (before - after) / np.where(curvature < 0, curvature, 1.0), 0.0)
    refined = (_LAGS[best + 1] + np.clip(offset, -0.5, 0.5)).astype(np.float32)
    strength = np.where(found, at - 0.25 * (before - after) * offset, -np.inf)
    a_before, a_at, a_after = autocorrelation[row, best], autocorrelation[row, best + 1], autocorrelation[row, best + 2]
    periodicity = a_at + 0.5 * offset * (a_after - a_before) + 0.5 * offset**2 * (a_before - 2 * a_at + a_after)
    return refined, np.clip(periodicity, 0.0, 1.0), strength.astype(np.float32)


def _cheapest_path(local: FloatArray, step: FloatArray) -> npt.NDArray[np.intp]:
    """State of each frame on the path that minimises the sum of local and step costs.

    Parameters
    ----------
    local : ndarray, shape (n_frames, n_states), float32
    step : ndarray, shape (n_frames - 1, n_states, n_states), float32
        Cost of going from state i of a frame to state j of the next.
    """
    through = step + local[1:, None, :]
    forward = _scan(local[0], through)
    backward = _scan(np.zeros_like(local[0]), through[::-1].transpose(0, 2, 1))[::-1]
    return np.asarray(np.argmin(forward + backward, axis=1))


def _scan(start: FloatArray, matrices: FloatArray) -> FloatArray:
    """All prefixes of ``start (x) m0 (x) m1 ...`` in the (min, +) semiring, shape (len(matrices) + 1, n_states).

    The matrices are cut into about sqrt(n) blocks; the products inside all blocks advance together.
    """
    n, k = len(matrices), len(start)
    length = max(1, int(np.sqrt(n)))
    blocks = -(-n // length)
    identity = np.where(np.eye(k, dtype=bool), np.float32(0), _IMPOSSIBLE)
    padded = np.broadcast_to(identity, (blocks * length, k, k)).copy()
    padded[:n] = matrices
    product = padded.reshape(blocks, length, k, k)
    for i in range(1, length):
        product[:, i] = np.min(product[:, i - 1, :, :, None] + product[:, i, None, :, :], axis=2)
    carry = np.empty((blocks, k), np.float32)
    entering = start
    for b in range(blocks):
        carry[b] = entering
        entering = np.min(entering[:, None] + product[b, -1], axis=0)
    prefixes = np.min(carry[:, None, :, None] + product, axis=2).reshape(-1, k)[:n]
    return np.concatenate([start[None], prefixes])

"""Glottal periods one by one: jitter and shimmer.

A pulse is looked for once in each cycle of the pitch contour. The contour's phase alone would drift against the real
pulses, so it is locked to them first: the half-wave rectified signal, demodulated by that phase and smoothed, says by
how much the phase is off (a phase-locked loop in closed form). Each pulse is then the highest sample near its
predicted place, refined by a parabola.

Jitter and shimmer follow the Praat manual, "Voice 2. Jitter" and "Voice 3. Shimmer", limits included: neighbours
whose periods differ by more than a factor of 1.3, or amplitudes by more than 1.6, are left out.
"""

import numpy as np
import numpy.typing as npt

from voicepipe.stress.pitch import HOP_SAMPLES, RATE_HZ, WINDOW_SAMPLES
from voicepipe.types import DoubleArray, FloatArray

_LOCK_S = 0.03
_LOCK_STEP_SAMPLES = 16
_SMOOTHING = (np.hanning(7)[1:-1] / np.sum(np.hanning(7))).astype(np.float32)
"""Low-pass at about 2 kHz: a parabola then meets the true top of a pulse, in noise too."""
_SEARCH_CYCLES = 0.3
_PERIOD_RANGE = (0.7, 1.4)
"""A period found lies within this of the pitch contour's, or a pulse was missed or invented."""
_LARGEST_PERIOD_RATIO = 1.3
_LARGEST_AMPLITUDE_RATIO = 1.6
_FEWEST_PAIRS = 8


def measure_periods(samples: FloatArray, f0_hz: DoubleArray) -> dict[str, float]:
    """Measure jitter and shimmer over the voiced stretches of an utterance.

    Parameters
    ----------
    samples : ndarray, shape (n,), float32
        At `RATE_HZ`, without DC.
    f0_hz : ndarray, shape (n_frames,), float64
        Pitch of each frame as in `PitchTrack`, NaN where unvoiced.

    Returns
    -------
    dict of str to float
        Feature names and values; one is missing where fewer than eight pairs of neighbours were found.
    """
    position, amplitude, stretch = _pulses(samples, f0_hz)
    if len(position) <= _FEWEST_PAIRS:
        return {}
    period = np.diff(position)
    expected = RATE_HZ / np.interp(position[:-1], *_known(f0_hz))
    shortest, longest = _PERIOD_RANGE
    whole = (np.diff(stretch) == 0) & (period > shortest * expected) & (period < longest * expected)

    result: dict[str, float] = {}
    difference = np.diff(period)
    pair = whole[1:] & whole[:-1] & _within_factor(period, _LARGEST_PERIOD_RATIO)
    if np.count_nonzero(pair) >= _FEWEST_PAIRS:
        result["jitter_local_pct"] = float(100 * np.mean(np.abs(difference[pair])) / np.mean(period[whole]))
    triple = pair[1:] & pair[:-1]
    if np.count_nonzero(triple) >= _FEWEST_PAIRS:
        second = np.abs(np.diff(difference)[triple])
        result["jitter_ddp_pct"] = float(100 * np.mean(second) / np.mean(period[whole]))

    level = whole & _within_factor(amplitude, _LARGEST_AMPLITUDE_RATIO)
    if np.count_nonzero(level) >= _FEWEST_PAIRS:
        result["shimmer_local_pct"] = float(100 * np.mean(np.abs(np.diff(amplitude)[level])) / np.mean(amplitude))
        steps_db = 20 * np.diff(np.log10(amplitude))[level]
        result["shimmer_db"] = float(np.mean(np.abs(steps_db)))
    return result


def _within_factor(values: DoubleArray, factor: float) -> npt.NDArray[np.bool_]:
    """Whether each positive value and the next differ by less than `factor`; shape (n - 1,)."""
    return np.asarray((values[1:] < factor * values[:-1]) & (values[:-1] < factor * values[1:]))


def _known(f0_hz: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """Sample positions of the voiced frames' centres and their pitch."""
    voiced = np.flatnonzero(np.isfinite(f0_hz))
    centre = voiced.astype(np.float64) * HOP_SAMPLES + WINDOW_SAMPLES / 2
    return centre, f0_hz[voiced]


def _pulses(samples: FloatArray, f0_hz: DoubleArray) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
    """Position in samples, amplitude (positive) and number of the voiced stretch of each pulse, in time order."""
    voiced = np.isfinite(f0_hz)
    nothing = np.empty(0)
    if np.count_nonzero(voiced) < 3:
        return nothing, nothing, nothing
    n = len(samples)
    clock = np.arange(n)
    f0_at = np.interp(clock, *_known(f0_hz))
    frame = np.clip(np.rint((clock - WINDOW_SAMPLES / 2) / HOP_SAMPLES).astype(int), 0, len(f0_hz) - 1)
    inside = voiced[frame]
    stretch = np.cumsum(np.diff(inside.astype(np.int8), prepend=0) > 0)

    smooth = np.convolve(samples, _SMOOTHING, mode="same")
    upright = smooth if np.mean(smooth[inside] ** 3.0) >= 0 else -smooth
    drive = np.square(np.maximum(upright, 0.0)) * inside
    phase = np.cumsum(f0_at) / RATE_HZ
    locked = phase + _phase_offset(drive, phase)
    cycle = np.floor(locked)
    predicted = np.flatnonzero((np.diff(cycle) > 0) & inside[1:] & inside[:-1]) + 1

    reach = np.ceil(_SEARCH_CYCLES * RATE_HZ / f0_at[predicted]).astype(int)
    predicted = predicted[(predicted - reach > 1) & (predicted + reach < n - 2)]
    if len(predicted) < 2:
        return nothing, nothing, nothing
    reach = np.ceil(_SEARCH_CYCLES * RATE_HZ / f0_at[predicted]).astype(int)
    window = np.arange(-reach.max(), reach.max() + 1)
    around = np.clip(predicted[:, None] + window, 0, n - 1)
    near = np.where(np.abs(window) <= reach[:, None], upright[around], -np.inf)
    top = predicted + window[np.argmax(near, axis=1)]
    before, at, after = upright[top - 1].astype(float), upright[top].astype(float), upright[top + 1].astype(float)
    curvature = before - 2 * at + after
    peaked = (curvature < 0) & (at > 0)
    shift = np.where(peaked, 0.5 * (before - after) / np.where(peaked, curvature, 1.0), 0.0)
    height = at - 0.25 * (before - after) * shift
    return (top + np.clip(shift, -0.5, 0.5))[peaked], height[peaked], stretch[top][peaked].astype(float)


def _phase_offset(drive: FloatArray, phase: DoubleArray) -> DoubleArray:
    """By how many cycles the pulses in `drive` lead `phase`, smoothed over `_LOCK_S`; shape (n,) as both inputs."""
    blocks = len(drive) // _LOCK_STEP_SAMPLES
    whole = blocks * _LOCK_STEP_SAMPLES
    angle = (2 * np.pi * (phase[:whole] % 1.0)).astype(np.float32)
    in_phase = (drive[:whole] * np.cos(angle)).reshape(blocks, _LOCK_STEP_SAMPLES).sum(axis=1)
    quadrature = (drive[:whole] * np.sin(angle)).reshape(blocks, _LOCK_STEP_SAMPLES).sum(axis=1)
    kernel = np.hanning(int(_LOCK_S * RATE_HZ / _LOCK_STEP_SAMPLES) | 1)
    offset = np.unwrap(np.angle(np.convolve(in_phase - 1j * quadrature, kernel, mode="same"))) / (2 * np.pi)
    centre = (np.arange(blocks) + 0.5) * _LOCK_STEP_SAMPLES
    smooth: DoubleArray = np.interp(np.arange(len(drive)), centre, offset)
    return smooth

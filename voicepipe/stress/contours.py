"""Statistics of contours over frames: pitch, voicing and level.

Formulas and sources stand in `voicepipe.stress.features`.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from voicepipe.stress.pitch import HOP_S
from voicepipe.types import DoubleArray

BoolArray = npt.NDArray[np.bool_]
RealArray = npt.NDArray[np.floating[Any]]

_SEMITONE_ORIGIN_HZ = 55.0
_FEWEST_FRAMES = 5
_FEWEST_FRAMES_FOR_SLOPE = 10
_FINAL_FRAMES = 30
_FASTEST_PITCH_ST_PER_S = 150.0
"""Faster changes are jumps of the tracker (Xu and Sun, "Maximum speed of pitch change and how it may relate
to speech", JASA 111 (2002): about 60 semitones per second at most)."""


def mean_sd(name: str, unit: str, values: RealArray) -> dict[str, float]:
    """Return ``<name>_mean_<unit>`` and ``<name>_sd_<unit>``; empty for fewer than five values."""
    if len(values) < _FEWEST_FRAMES:
        return {}
    return {f"{name}_mean_{unit}": float(np.mean(values)), f"{name}_sd_{unit}": float(np.std(values))}


def slope(abscissa: RealArray, ordinate: RealArray) -> float:
    """Return the least-squares slope; both of shape (n,), n >= 2, with different abscissae."""
    centred = abscissa - np.mean(abscissa)
    return float(np.sum(centred * ordinate) / np.sum(centred**2))


def runs_s(mask: BoolArray) -> DoubleArray:
    """Return the lengths in seconds of the runs of True."""
    edges = np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))
    return (np.flatnonzero(edges < 0) - np.flatnonzero(edges > 0)).astype(np.float64) * HOP_S


def measure_pitch(f0_hz: DoubleArray) -> dict[str, float]:
    """Measure the pitch contour of shape (n_frames,), NaN where unvoiced."""
    semitones = 12.0 * np.log2(f0_hz / _SEMITONE_ORIGIN_HZ)
    at = np.flatnonzero(np.isfinite(semitones))
    if len(at) < _FEWEST_FRAMES:
        return {}
    known = semitones[at]
    p05, p20, median, p80, p95 = np.percentile(known, [5, 20, 50, 80, 95]).tolist()
    result: dict[str, float] = {
        "pitch_median_st": median,
        "pitch_p05_st": p05,
        "pitch_p20_st": p20,
        "pitch_p80_st": p80,
        "pitch_p95_st": p95,
        "pitch_range_st": p95 - p05,
        "pitch_sd_st": float(np.std(known)),
    }
    if len(at) >= _FEWEST_FRAMES_FOR_SLOPE:
        result["pitch_slope_st_per_s"] = slope(at * HOP_S, known)
        last = at >= at[-1] - _FINAL_FRAMES
        if np.count_nonzero(last) >= _FEWEST_FRAMES_FOR_SLOPE:
            result["pitch_final_slope_st_per_s"] = slope(at[last] * HOP_S, known[last])
    slopes = _local_slopes(semitones)
    slopes = slopes[np.abs(slopes) < _FASTEST_PITCH_ST_PER_S]
    if len(slopes) >= _FEWEST_FRAMES:
        result["pitch_movement_st_per_s"] = float(np.mean(np.abs(slopes)))
    return result | _rise_and_fall("pitch", "st", slopes)


def measure_voicing(voiced: BoolArray, speech: BoolArray) -> dict[str, float]:
    """Measure how voiced and unvoiced stretches alternate; masks of shape (n_frames,), at least one speech frame."""
    speech_frames = int(np.count_nonzero(speech))
    stretches, gaps = runs_s(voiced), runs_s(speech & ~voiced)
    result: dict[str, float] = {
        "voiced_ratio": np.count_nonzero(voiced) / speech_frames,
        "voiced_rate_hz": len(stretches) / (speech_frames * HOP_S),
    }
    if len(stretches):
        result |= {"voiced_mean_s": float(np.mean(stretches)), "voiced_sd_s": float(np.std(stretches))}
    if len(gaps):
        result["unvoiced_mean_s"] = float(np.mean(gaps))
    return result


def measure_level(level_db: DoubleArray, speech: BoolArray) -> dict[str, float]:
    """Measure the level contour of shape (n_frames,) over the speech frames, of which there is at least one."""
    known = level_db[speech]
    result = {"level_dbfs": float(10.0 * np.log10(np.mean(10.0 ** (known / 10.0))))}
    if len(known) < _FEWEST_FRAMES_FOR_SLOPE:
        return result
    p20, median, p80, p95 = np.percentile(known, [20, 50, 80, 95]).tolist()
    result |= {
        "level_sd_db": float(np.std(known)),
        "level_range_db": p80 - p20,
        "level_peak_db": p95 - median,
        "level_slope_db_per_s": slope(np.flatnonzero(speech) * HOP_S, known),
    }
    return result | _rise_and_fall("level", "db", _local_slopes(np.where(speech, level_db, np.nan)))


def _local_slopes(values: DoubleArray) -> DoubleArray:
    """Least-squares slopes per second over five frames, wherever all five are known."""
    slopes: DoubleArray = (2 * values[4:] + values[3:-1] - values[1:-3] - 2 * values[:-4]) / (10 * HOP_S)
    return slopes[np.isfinite(slopes)]


def _rise_and_fall(name: str, unit: str, slopes: DoubleArray) -> dict[str, float]:
    rising, falling = slopes[slopes > 0], slopes[slopes < 0]
    if not (len(rising) and len(falling)):
        return {}
    return {
        f"{name}_rise_{unit}_per_s": float(np.mean(rising)),
        f"{name}_fall_{unit}_per_s": float(-np.mean(falling)),
    }

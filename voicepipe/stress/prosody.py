"""How it was said: some eighty measurements of one utterance, listed in `voicepipe.stress.features`.

Everything is measured below 4 kHz, most of it within the telephone band, so that wide-band and telephone recordings
of one voice give about the same numbers. A value is NaN where the utterance does not allow it to be measured: no
voice, too few frames, no utterance before it. The pure core of the house: numpy and scipy, no loop over frames.
"""

from math import gcd

import numpy as np
import scipy.signal

from voicepipe.stress.contours import BoolArray, mean_sd, measure_level, measure_pitch, measure_voicing
from voicepipe.stress.features import FEATURES, Feature
from voicepipe.stress.periods import measure_periods
from voicepipe.stress.pitch import FFT_SAMPLES, RATE_HZ, WINDOW, WINDOW_SAMPLES, power_spectra, track_pitch
from voicepipe.stress.rhythm import measure_rhythm, measure_roughness
from voicepipe.stress.timbre import measure_timbre
from voicepipe.types import SAMPLE_RATE_HZ, DoubleArray, FloatArray, ProsodyFeatures

__all__ = ["FEATURES", "PROSODY_VERSION", "Feature", "extract"]

PROSODY_VERSION = "3"
"""Changes whenever a value changes; a model states the version it was trained on."""

_SHORTEST_S = 0.1
_SILENCE_RMS = 1e-6
_HALVING = scipy.signal.firwin(41, 0.5, window=("kaiser", 5.0)).astype(np.float32)
_HIGH_PASS = scipy.signal.butter(2, 60.0, "highpass", fs=RATE_HZ, output="sos")
_LEVEL_SCALE = 2.0 / (FFT_SAMPLES * float(np.sum(WINDOW.astype(np.float64) ** 2)))
"""Turns the sum of a one-sided power spectrum into the frame's mean square (Parseval)."""
_SPEECH_RANGE_DB = 25.0
"""Speech lies within this of the loudest frames (De Jong and Wempe 2009)."""

_INDEX = {feature.name: i for i, feature in enumerate(FEATURES)}
_STEPS = {
    "pitch_step_st": "pitch_median_st",
    "tilt_step_db_per_octave": "tilt_mean_db_per_octave",
    "rate_step_hz": "articulation_rate_hz",
    "level_step_db": "level_dbfs",
}


def extract(
    samples: FloatArray, *, sample_rate_hz: int = SAMPLE_RATE_HZ, previous: ProsodyFeatures | None = None
) -> ProsodyFeatures:
    """Measure the voice of one utterance.

    Parameters
    ----------
    samples : ndarray, shape (n,), float32
        One utterance, 0.25 to some 10 s, at any level. All is NaN where it is shorter than 0.1 s, silent, or holds a
        value that is not finite.
    sample_rate_hz : int
        8000 or more.
    previous : ProsodyFeatures, optional
        Of the same caller's utterance before; without it the ``*_step_*`` features are NaN.

    Returns
    -------
    ProsodyFeatures
    """
    values = np.full(len(FEATURES), np.nan)
    prepared = _prepare(samples, sample_rate_hz)
    if prepared is not None:
        voice, gain_db = prepared
        for name, value in _measure(voice).items():
            values[_INDEX[name]] = value
        values[_INDEX["level_dbfs"]] += gain_db
    if previous is not None and previous.version == PROSODY_VERSION:
        for step, source in _STEPS.items():
            values[_INDEX[step]] = values[_INDEX[source]] - previous.values[_INDEX[source]]
    return ProsodyFeatures(values=values, version=PROSODY_VERSION)


def _prepare(samples: FloatArray, sample_rate_hz: int) -> tuple[FloatArray, float] | None:
    """Return the utterance at `RATE_HZ` with a root mean square of 1, without DC and hum, and its own level in dBFS."""
    if len(samples) < _SHORTEST_S * sample_rate_hz or not np.isfinite(samples).all():
        return None
    centred = (samples - np.mean(samples, dtype=np.float64)).astype(np.float32)
    if sample_rate_hz != RATE_HZ:
        common = gcd(sample_rate_hz, RATE_HZ)
        low_pass = _HALVING if sample_rate_hz == 2 * RATE_HZ else ("kaiser", 5.0)
        centred = scipy.signal.resample_poly(centred, RATE_HZ // common, sample_rate_hz // common, window=low_pass)
    high_passed = scipy.signal.sosfilt(_HIGH_PASS, centred)
    rms = float(np.sqrt(np.mean(high_passed**2)))
    if rms <= _SILENCE_RMS:
        return None
    return np.pad(high_passed / rms, WINDOW_SAMPLES // 2).astype(np.float32), 20.0 * float(np.log10(rms))


def _measure(voice: FloatArray) -> dict[str, float]:
    power = power_spectra(voice)
    track = track_pitch(power)
    level_db = 10.0 * np.log10(power.sum(axis=1, dtype=np.float64) * _LEVEL_SCALE + 1e-9)
    speech = _speech_frames(level_db)
    f0_hz = np.where(speech, track.f0_hz, np.nan)
    voiced = np.isfinite(f0_hz)
    periodic = np.clip(track.periodicity[voiced], 1e-3, 1 - 1e-4)
    return {
        **measure_pitch(f0_hz),
        **measure_voicing(voiced, speech),
        **measure_level(level_db, speech),
        **measure_periods(voice, f0_hz),
        **mean_sd("hnr", "db", 10.0 * np.log10(periodic / (1.0 - periodic))),
        **measure_timbre(power, level_db=level_db, f0_hz=f0_hz, speech=speech),
        **measure_rhythm(level_db, speech=speech, voiced=voiced),
        **measure_roughness(voice),
    }


def _speech_frames(level_db: DoubleArray) -> BoolArray:
    """Frames near the loud ones and clear of the noise floor; never none."""
    loud, floor = np.percentile(level_db, [95, 5]).tolist()
    threshold = max(loud - _SPEECH_RANGE_DB, min(floor + 0.3 * (loud - floor), loud - 6.0))
    return np.asarray(level_db >= threshold)

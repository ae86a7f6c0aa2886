"""Rhythm of an utterance: syllables, pauses and the modulation of its level.

Formulas and sources stand in `voicepipe.stress.features`.
"""

import numpy as np
import scipy.fft
import scipy.signal

from voicepipe.stress.contours import BoolArray, runs_s
from voicepipe.stress.pitch import HOP_S, RATE_HZ
from voicepipe.types import DoubleArray, FloatArray

_SHORTEST_PAUSE_S = 0.15
_SHORTEST_FOR_RATE_S = 0.25
_SHORTEST_FOR_MODULATION_S = 0.5
_NUCLEUS_PROMINENCE_DB = 2.0
_NUCLEI_APART_FRAMES = 8
_NEAR_VOICE_FRAMES = 5
_MODULATION_RANGE_DB = 30.0
_MODULATION_FFT = 1024
_ENVELOPE_RATE_HZ = 200
_ENVELOPE_LOW_PASS = scipy.signal.firwin(801, 100.0, window=("kaiser", 5.0), fs=RATE_HZ).astype(np.float32)

_SMOOTHING = np.hanning(13)[1:-1] / np.sum(np.hanning(13))


def measure_rhythm(level_db: DoubleArray, *, speech: BoolArray, voiced: BoolArray) -> dict[str, float]:
    """Measure syllables, pauses and modulation.

    Parameters
    ----------
    level_db : ndarray, shape (n_frames,), float64
    speech, voiced : ndarray, shape (n_frames,), bool
        At least one speech frame.

    Returns
    -------
    dict of str to float
        Feature names and values.
    """
    spoken = np.flatnonzero(speech)
    span = slice(int(spoken[0]), int(spoken[-1]) + 1)
    span_s = (span.stop - span.start) * HOP_S
    gaps_s = runs_s(~speech[span])
    pauses_s = gaps_s[gaps_s >= _SHORTEST_PAUSE_S]
    speech_s = span_s - float(np.sum(pauses_s))
    result = {
        "speech_s": speech_s,
        "pause_rate_hz": len(pauses_s) / span_s,
        "pause_ratio": float(np.sum(pauses_s)) / span_s,
        "pause_longest_s": float(np.max(pauses_s, initial=0.0)),
    }
    if len(pauses_s):
        result["pause_mean_s"] = float(np.mean(pauses_s))
    smooth_db = np.convolve(level_db, _SMOOTHING, mode="same")
    if span_s >= _SHORTEST_FOR_RATE_S:
        nuclei = _count_nuclei(smooth_db, speech=speech, voiced=voiced)
        result |= {"syllable_rate_hz": nuclei / span_s, "articulation_rate_hz": nuclei / speech_s}
    if span_s >= _SHORTEST_FOR_MODULATION_S:
        result |= _measure_modulation(smooth_db[span])
    return result


def measure_roughness(voice: FloatArray) -> dict[str, float]:
    """Measure how much the envelope of a voice of shape (n,), at `RATE_HZ`, trembles faster than any syllable."""
    if len(voice) < _SHORTEST_FOR_MODULATION_S * RATE_HZ:
        return {}
    envelope = scipy.signal.resample_poly(np.abs(voice), 1, RATE_HZ // _ENVELOPE_RATE_HZ, window=_ENVELOPE_LOW_PASS)
    power = np.abs(scipy.fft.rfft(envelope - np.mean(envelope))) ** 2
    frequency_hz = np.fft.rfftfreq(len(envelope), 1 / _ENVELOPE_RATE_HZ)
    slow = float(np.sum(power[(frequency_hz > 1.0) & (frequency_hz < 30.0)]))
    rough = float(np.sum(power[(frequency_hz >= 30.0) & (frequency_hz < 70.0)]))
    return {"roughness_db": float(10.0 * np.log10(rough / slow))} if rough > 0 and slow > 0 else {}


def _count_nuclei(smooth_db: DoubleArray, *, speech: BoolArray, voiced: BoolArray) -> int:
    peaks, _ = scipy.signal.find_peaks(smooth_db, prominence=_NUCLEUS_PROMINENCE_DB, distance=_NUCLEI_APART_FRAMES)
    near_voice = np.convolve(voiced, np.ones(_NEAR_VOICE_FRAMES, dtype=int), mode="same") > 0
    return int(np.count_nonzero(near_voice[peaks] & speech[peaks]))


def _measure_modulation(smooth_db: DoubleArray) -> dict[str, float]:
    envelope_db = np.maximum(smooth_db, np.percentile(smooth_db, 95) - _MODULATION_RANGE_DB)
    centred = (envelope_db - np.mean(envelope_db)) * np.hanning(len(envelope_db))
    power = np.abs(scipy.fft.rfft(centred, max(_MODULATION_FFT, len(centred)))) ** 2
    frequency_hz = np.fft.rfftfreq(max(_MODULATION_FFT, len(centred)), HOP_S)
    audible = (frequency_hz >= 1.0) & (frequency_hz <= 16.0)
    syllabic = (frequency_hz >= 3.0) & (frequency_hz <= 8.0)
    total = float(np.sum(power[audible]))
    if total <= 0:
        return {}
    return {
        "modulation_syllabic_ratio": float(np.sum(power[syllabic])) / total,
        "modulation_centroid_hz": float(np.sum((power * frequency_hz)[audible])) / total,
    }

"""Timbre of a telephone voice: tilt, balance, cepstrum and firmness, without formants.

Formulas and sources stand in `voicepipe.stress.features`.
"""

from itertools import pairwise

import numpy as np
import scipy.fft

from voicepipe.stress.contours import BoolArray, RealArray, mean_sd, slope
from voicepipe.stress.pitch import FFT_SAMPLES, RATE_HZ
from voicepipe.types import DoubleArray, FloatArray

_BINS_HZ: DoubleArray = np.arange(FFT_SAMPLES // 2 + 1, dtype=np.float64) * (RATE_HZ / FFT_SAMPLES)


def _mel_filters(bands: int, low_hz: float, high_hz: float) -> FloatArray:
    """Triangular filters, equally spaced in mel = 2595 log10(1 + f / 700), shape (n_bins, bands)."""
    mel = np.linspace(2595 * np.log10(1 + low_hz / 700), 2595 * np.log10(1 + high_hz / 700), bands + 2)
    edge_hz = 700 * (10 ** (mel / 2595) - 1)
    rise = (_BINS_HZ[:, None] - edge_hz[:-2]) / np.diff(edge_hz)[:-1]
    fall = (edge_hz[2:] - _BINS_HZ[:, None]) / np.diff(edge_hz)[1:]
    return np.maximum(0.0, np.minimum(rise, fall)).astype(np.float32)


_MEL = _mel_filters(20, 200.0, 3500.0)
_MFCC = scipy.fft.dct(np.eye(20), type=2, norm="ortho", axis=1)[:, 1:9].astype(np.float32)


def _band(low_hz: float, high_hz: float) -> slice:
    return slice(int(np.searchsorted(_BINS_HZ, low_hz)), int(np.searchsorted(_BINS_HZ, high_hz, side="right")))


def _regressor(abscissa: RealArray) -> FloatArray:
    """Weights whose product with the ordinates is the least-squares slope."""
    centred = abscissa - np.mean(abscissa)
    weights: FloatArray = (centred / np.sum(centred**2)).astype(np.float32)
    return weights


_TELEPHONE_BAND = _band(300.0, 3400.0)
_THIRD_OCTAVES_HZ = 300.0 * 2.0 ** (np.arange(11) / 3.0)
_THIRD_OCTAVES = np.stack(
    [(low <= _BINS_HZ) & (high > _BINS_HZ) for low, high in pairwise(_THIRD_OCTAVES_HZ)],
    axis=1,
).astype(np.float32)
_THIRD_OCTAVES /= _THIRD_OCTAVES.sum(axis=0)
_TILT = _regressor(np.arange(10) / 3.0)
_SLOPE_LOW_BAND, _SLOPE_MID_BAND = _band(200.0, 500.0), _band(500.0, 1500.0)
_SLOPE_LOW = _regressor(_BINS_HZ[_SLOPE_LOW_BAND] / 1000.0)
_SLOPE_MID = _regressor(_BINS_HZ[_SLOPE_MID_BAND] / 1000.0)
_CEPSTRAL_BAND = _band(200.0, 3400.0)
_FEWEST_FRAMES = 5
_CHANGING_MFCC = 6
_QUEFRENCIES = np.arange(int(RATE_HZ / 500), int(RATE_HZ / 65))


def measure_timbre(
    power: FloatArray, *, level_db: DoubleArray, f0_hz: DoubleArray, speech: BoolArray
) -> dict[str, float]:
    """Measure timbre over the voiced frames; empty for fewer than five of them.

    Parameters
    ----------
    power : ndarray, shape (n_frames, FFT_SAMPLES // 2 + 1), float32
        From `voicepipe.stress.pitch.power_spectra`.
    level_db, f0_hz : ndarray, shape (n_frames,), float64
        `f0_hz` is NaN in unvoiced frames.
    speech : ndarray, shape (n_frames,), bool

    Returns
    -------
    dict of str to float
        Feature names and values.
    """
    voiced = np.isfinite(f0_hz)
    if np.count_nonzero(voiced) < _FEWEST_FRAMES:
        return {}
    own = power[voiced]
    floor = np.float32(1e-7) * own.sum(axis=1, keepdims=True) + np.float32(1e-12)
    own = own + floor
    log_power = np.float32(10.0) * np.log10(own)

    tilt = 10.0 * np.log10(own @ _THIRD_OCTAVES) @ _TILT
    hammarberg = log_power[:, _band(200.0, 2000.0)].max(axis=1) - log_power[:, _band(2000.0, 3500.0)].max(axis=1)
    slope_low = log_power[:, _SLOPE_LOW_BAND] @ _SLOPE_LOW
    slope_mid = log_power[:, _SLOPE_MID_BAND] @ _SLOPE_MID
    telephone = own[:, _TELEPHONE_BAND]
    centroid = (telephone @ _BINS_HZ[_TELEPHONE_BAND].astype(np.float32)) / telephone.sum(axis=1)

    result: dict[str, float] = {}
    result |= mean_sd("tilt", "db_per_octave", tilt)
    result |= mean_sd("alpha_ratio", "db", _alpha_ratio_db(own))
    result |= mean_sd("hammarberg", "db", hammarberg)
    result |= mean_sd("slope_low", "db_per_khz", slope_low)
    result |= mean_sd("slope_mid", "db_per_khz", slope_mid)
    result |= mean_sd("centroid", "hz", centroid)
    result |= mean_sd("cpp", "db", _cepstral_peak_prominence(log_power))

    mel_db = 10.0 * np.log10(power @ _MEL + floor.mean())
    mfcc = mel_db @ _MFCC
    for i, coefficient in enumerate(mfcc[voiced].T, start=1):
        result |= {f"mfcc{i}_mean": float(np.mean(coefficient)), f"mfcc{i}_sd": float(np.std(coefficient))}
    inside = voiced[2:] & voiced[1:-1] & voiced[:-2]
    if np.count_nonzero(inside) >= _FEWEST_FRAMES:
        for i, change in enumerate((mfcc[2:] - mfcc[:-2])[inside, :_CHANGING_MFCC].T, start=1):
            result[f"mfcc{i}_change"] = float(np.mean(np.abs(change)))
    flux = np.abs(np.diff(mel_db - mel_db.mean(axis=1, keepdims=True), axis=0)).mean(axis=1)
    result |= mean_sd("flux", "db", flux[speech[1:] & speech[:-1]])

    unvoiced = power[speech & ~voiced]
    if len(unvoiced) >= _FEWEST_FRAMES:
        result["unvoiced_alpha_ratio_db"] = float(np.mean(_alpha_ratio_db(unvoiced)))
    if np.count_nonzero(voiced) >= 20:
        own_level = level_db[voiced]
        if np.std(own_level) > 0.5:
            result["tilt_per_level"] = slope(own_level, tilt)
            result["pitch_per_level_st_per_db"] = slope(own_level, 12.0 * np.log2(f0_hz[voiced]))
    return result


def _alpha_ratio_db(power: FloatArray) -> FloatArray:
    high = power[:, _band(1000.0, 3400.0)].sum(axis=1) + np.float32(1e-9)
    low = power[:, _band(200.0, 1000.0)].sum(axis=1) + np.float32(1e-9)
    ratio_db: FloatArray = np.float32(10.0) * np.log10(high / low)
    return ratio_db


def _cepstral_peak_prominence(log_power: FloatArray) -> DoubleArray:
    """Height of the cepstrum's peak at the period over the regression line through the cepstrum, in dB."""
    band = log_power[:, _CEPSTRAL_BAND]
    taper = np.hanning(band.shape[1] + 2)[1:-1].astype(np.float32)
    cepstrum = scipy.fft.rfft((band - band.mean(axis=1, keepdims=True)) * taper, FFT_SAMPLES, axis=1)
    magnitude_db = 20.0 * np.log10(np.abs(cepstrum[:, _QUEFRENCIES]) + 1e-6)
    abscissa = _QUEFRENCIES.astype(np.float64)
    slope = magnitude_db @ _regressor(abscissa)
    line = magnitude_db.mean(axis=1, keepdims=True) + slope[:, None] * (abscissa - abscissa.mean())
    prominence: DoubleArray = np.max(magnitude_db - line, axis=1)
    return prominence

"""Prosody against signals whose answers are known."""

import csv
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import soundfile as sf

from tests import synth
from voicepipe.stress.pitch import HOP_SAMPLES, RATE_HZ, WINDOW_SAMPLES, power_spectra, track_pitch
from voicepipe.stress.prosody import FEATURES, PROSODY_VERSION, extract
from voicepipe.types import SAMPLE_RATE_HZ, DoubleArray, FloatArray

NAMES = [feature.name for feature in FEATURES]
SHARED = Path(__file__).resolve().parents[2] / ".." / "shared"
MEAN_OF_DIFFERENCE = 2 / np.sqrt(np.pi)
"""Mean |a - b| of two independent standard normal draws."""


def measure(samples: FloatArray) -> dict[str, float]:
    return dict(zip(NAMES, extract(samples).values.tolist(), strict=True))


def steady_pulses(
    f0_hz: float, duration_s: float = 3.0, *, jitter: float = 0.0, shimmer: float = 0.0
) -> tuple[DoubleArray, DoubleArray]:
    """Positions and amplitudes of pulses whose local jitter and shimmer are as asked."""
    draw = np.random.default_rng(7)
    count = int((duration_s - 0.05) * f0_hz)
    positions_s = 0.02 + np.cumsum(1 + jitter / MEAN_OF_DIFFERENCE * draw.normal(size=count)) / f0_hz
    amplitudes = 1 + shimmer / MEAN_OF_DIFFERENCE * draw.normal(size=count)
    return positions_s, amplitudes


def voice(
    f0_hz: float = 123.0, duration_s: float = 3.0, *, jitter: float = 0.0, shimmer: float = 0.0, slope: float = 0.0
) -> FloatArray:
    positions_s, amplitudes = steady_pulses(f0_hz, duration_s, jitter=jitter, shimmer=shimmer)
    return synth.pulse_train(positions_s, amplitudes, duration_s=duration_s, rate_hz=SAMPLE_RATE_HZ, slope=slope)


def telephone(samples: FloatArray) -> FloatArray:
    band = scipy.signal.butter(4, [300.0, 3400.0], "bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    return scipy.signal.sosfilt(band, samples).astype(np.float32)


def with_noise(samples: FloatArray, snr_db: float) -> FloatArray:
    """Add white noise of which the half below 4 kHz lies `snr_db` under the signal."""
    scale = np.sqrt(2 * np.mean(samples**2)) * 10 ** (-snr_db / 20)
    return (samples + scale * np.random.default_rng(1).normal(size=len(samples))).astype(np.float32)


def talk(*, seed: int = 3) -> FloatArray:
    """Six seconds with everything in it: gliding pitch, jitter, syllables, two pauses, consonant noise."""
    draw = np.random.default_rng(seed)
    duration_s, clock = 6.0, np.arange(6 * 1000) / 1000
    f0_hz = 140 * 2 ** (0.3 * np.sin(2 * np.pi * 0.4 * clock))
    cycles = np.cumsum(f0_hz) / 1000
    positions_s = np.interp(
        np.arange(3, int(cycles[-1]) - 3) + 0.005 * draw.normal(size=int(cycles[-1]) - 6), cycles, clock
    )
    voiced = synth.pulse_train(positions_s, duration_s=duration_s, rate_hz=SAMPLE_RATE_HZ, slope=-9.0)
    time_s = np.arange(len(voiced)) / SAMPLE_RATE_HZ
    syllables = 0.05 + np.sin(np.pi * 4 * time_s) ** 2
    speaking = (np.mod(time_s, 2.2) < 1.7).astype(np.float32)
    hiss = 0.02 * draw.normal(size=len(voiced)) * (np.mod(time_s, 0.5) > 0.42)
    return ((voiced * syllables + hiss) * speaking + 1e-4 * draw.normal(size=len(voiced))).astype(np.float32)


def test_names_are_unique_and_every_feature_has_words() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert 50 <= len(NAMES) <= 110
    assert all(feature.label and feature.formula and feature.source for feature in FEATURES)


@pytest.mark.parametrize("f0_hz", [75.0, 123.0, 220.0, 410.0])
@pytest.mark.parametrize("line", [False, True], ids=["wide", "300-3400 Hz"])
def test_pitch_is_found_even_where_the_fundamental_is_missing(f0_hz: float, line: bool) -> None:
    samples = voice(f0_hz, slope=-6.0)
    measured = measure(telephone(samples) if line else samples)
    assert measured["pitch_median_st"] == pytest.approx(12 * np.log2(f0_hz / 55.0), abs=0.1)
    assert measured["pitch_range_st"] < 0.2
    assert measured["voiced_ratio"] > 0.95


def test_pitch_of_a_telephone_voice_survives_10_db_of_noise() -> None:
    measured = measure(with_noise(telephone(voice(123.0, slope=-6.0)), 10.0))
    assert measured["pitch_median_st"] == pytest.approx(12 * np.log2(123.0 / 55.0), abs=0.2)


def test_a_rising_pitch_has_its_slope() -> None:
    clock = np.arange(2000) / 1000
    cycles = np.cumsum(110 * 2 ** (clock / 2)) / 1000
    positions_s = np.interp(np.arange(3, int(cycles[-1]) - 3), cycles, clock)
    measured = measure(synth.pulse_train(positions_s, duration_s=2.0, rate_hz=SAMPLE_RATE_HZ, slope=-6.0))
    assert measured["pitch_slope_st_per_s"] == pytest.approx(6.0, abs=0.2)
    assert measured["pitch_final_slope_st_per_s"] == pytest.approx(6.0, abs=0.5)
    assert measured["pitch_movement_st_per_s"] == pytest.approx(6.0, abs=0.5)


@pytest.mark.parametrize("line", [False, True], ids=["wide", "300-3400 Hz"])
@pytest.mark.parametrize("jitter_pct", [0.5, 1.0, 2.0])
def test_jitter_of_a_123_hz_pulse_train(jitter_pct: float, line: bool) -> None:
    positions_s, _ = steady_pulses(123.0, jitter=jitter_pct / 100)
    period_s = np.diff(positions_s)
    true_pct = 100 * np.mean(np.abs(np.diff(period_s))) / np.mean(period_s)
    true_ddp_pct = 100 * np.mean(np.abs(np.diff(period_s, 2))) / np.mean(period_s)
    samples = voice(123.0, jitter=jitter_pct / 100)
    measured = measure(telephone(samples) if line else samples)
    assert measured["jitter_local_pct"] == pytest.approx(true_pct, rel=0.1)
    assert measured["jitter_ddp_pct"] == pytest.approx(true_ddp_pct, rel=0.1)


def test_a_perfect_voice_has_no_jitter_and_no_shimmer() -> None:
    measured = measure(voice(123.0))
    assert measured["jitter_local_pct"] < 0.1
    assert measured["shimmer_local_pct"] < 0.5


@pytest.mark.parametrize("f0_hz", [123.0, 220.0])
@pytest.mark.parametrize("shimmer_pct", [5.0, 10.0])
def test_shimmer(f0_hz: float, shimmer_pct: float) -> None:
    _, amplitudes = steady_pulses(f0_hz, shimmer=shimmer_pct / 100)
    measured = measure(voice(f0_hz, shimmer=shimmer_pct / 100))
    true_pct = 100 * np.mean(np.abs(np.diff(amplitudes))) / np.mean(amplitudes)
    true_db = np.mean(np.abs(20 * np.log10(amplitudes[1:] / amplitudes[:-1])))
    assert measured["shimmer_local_pct"] == pytest.approx(true_pct, rel=0.12)
    assert measured["shimmer_db"] == pytest.approx(true_db, rel=0.12)


@pytest.mark.parametrize("ratio_db", [5.0, 10.0, 20.0])
def test_hnr_is_the_ratio_of_harmonics_to_noise(ratio_db: float) -> None:
    assert measure(with_noise(voice(123.0), ratio_db))["hnr_mean_db"] == pytest.approx(ratio_db, abs=0.7)


def test_cepstral_peak_falls_with_noise() -> None:
    prominence_db = [measure(with_noise(voice(123.0), snr_db))["cpp_mean_db"] for snr_db in (30.0, 15.0, 5.0)]
    assert prominence_db[0] > prominence_db[1] + 1 > prominence_db[2] + 2


@pytest.mark.parametrize("slope", [-12.0, -6.0, 0.0])
def test_tilt_is_the_slope_of_the_spectrum(slope: float) -> None:
    assert measure(voice(123.0, slope=slope))["tilt_mean_db_per_octave"] == pytest.approx(slope, abs=0.6)


def test_an_effortful_voice_shows_in_every_measure_of_balance() -> None:
    soft, pressed = measure(voice(slope=-12.0)), measure(voice(slope=-6.0))
    assert pressed["alpha_ratio_mean_db"] > soft["alpha_ratio_mean_db"] + 3
    assert pressed["centroid_mean_hz"] > soft["centroid_mean_hz"] + 100
    assert pressed["hammarberg_mean_db"] < soft["hammarberg_mean_db"] - 3


@pytest.mark.parametrize("rate_hz", [2.0, 4.0, 6.0])
def test_syllables_are_counted(rate_hz: float) -> None:
    samples = voice(duration_s=5.0, slope=-6.0)
    time_s = np.arange(len(samples)) / SAMPLE_RATE_HZ
    measured = measure((samples * (0.03 + np.sin(np.pi * rate_hz * time_s) ** 2)).astype(np.float32))
    assert measured["articulation_rate_hz"] == pytest.approx(rate_hz, rel=0.1)


def test_modulation_tells_syllables_from_drawl() -> None:
    samples = voice(duration_s=5.0, slope=-6.0)
    time_s = np.arange(len(samples)) / SAMPLE_RATE_HZ
    at_5_hz = measure((samples * (0.1 + np.sin(np.pi * 5.0 * time_s) ** 2)).astype(np.float32))
    at_1_5_hz = measure((samples * (0.1 + np.sin(np.pi * 1.5 * time_s) ** 2)).astype(np.float32))
    assert at_5_hz["modulation_syllabic_ratio"] > 0.7 > at_1_5_hz["modulation_syllabic_ratio"]
    assert at_5_hz["modulation_centroid_hz"] > at_1_5_hz["modulation_centroid_hz"]


def test_a_rough_voice_trembles_fast() -> None:
    samples = voice(220.0, slope=-6.0)
    time_s = np.arange(len(samples)) / SAMPLE_RATE_HZ
    syllables = 0.1 + np.sin(np.pi * 4.0 * time_s) ** 2
    rough = syllables * (1 + 0.5 * np.sin(2 * np.pi * 50.0 * time_s))
    smooth_db = measure((samples * syllables).astype(np.float32))["roughness_db"]
    assert measure((samples * rough).astype(np.float32))["roughness_db"] > smooth_db + 6


def test_a_changing_timbre_moves() -> None:
    dull, bright = voice(slope=-12.0), voice(slope=-3.0)
    share = np.sin(np.pi * 2.0 * np.arange(len(dull)) / SAMPLE_RATE_HZ) ** 2
    steady, moving = measure(dull), measure((share * dull + (1 - share) * bright).astype(np.float32))
    assert moving["mfcc1_change"] > 5 * steady["mfcc1_change"]
    assert moving["mfcc1_sd"] > 5 * steady["mfcc1_sd"]


def test_pauses_are_timed() -> None:
    samples = voice(duration_s=4.0, slope=-6.0)
    for start_s, end_s in ((1.0, 1.3), (2.2, 2.8)):
        samples[round(start_s * SAMPLE_RATE_HZ) : round(end_s * SAMPLE_RATE_HZ)] = 0.0
    measured = measure(samples)
    assert measured["pause_rate_hz"] == pytest.approx(2 / 4.0, rel=0.1)
    assert measured["pause_mean_s"] == pytest.approx(0.45, abs=0.05)
    assert measured["pause_longest_s"] == pytest.approx(0.6, abs=0.05)
    assert measured["speech_s"] == pytest.approx(3.1, abs=0.15)


@pytest.mark.parametrize("gain_db", [-20.0, 20.0])
def test_gain_changes_the_level_and_nothing_else(gain_db: float) -> None:
    samples = talk() * np.float32(0.1)
    plain, louder = extract(samples).values, extract(samples * np.float32(10 ** (gain_db / 20))).values
    level = NAMES.index("level_dbfs")
    assert louder[level] - plain[level] == pytest.approx(gain_db, abs=1e-3)
    np.testing.assert_allclose(np.delete(louder, level), np.delete(plain, level), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("offset", [-0.5, 0.02, 0.5])
def test_dc_changes_nothing(offset: float) -> None:
    samples = talk()
    np.testing.assert_allclose(
        extract(samples + np.float32(offset)).values, extract(samples).values, rtol=1e-3, atol=1e-3
    )


def test_everything_is_measured_where_there_is_speech() -> None:
    first = extract(talk())
    values = extract(talk(seed=4), previous=first).values
    assert [name for name, value in zip(NAMES, values, strict=True) if not np.isfinite(value)] == []


def test_steps_are_differences_to_the_utterance_before() -> None:
    low, high = extract(voice(110.0, slope=-6.0)), extract(voice(220.0, slope=-6.0) * np.float32(0.5))
    step = dict(zip(NAMES, extract(voice(220.0, slope=-6.0) * np.float32(0.5), previous=low).values, strict=True))
    assert step["pitch_step_st"] == pytest.approx(12.0, abs=0.1)
    level = NAMES.index("level_dbfs")
    assert step["level_step_db"] == pytest.approx(high.values[level] - low.values[level])
    assert np.isnan(dict(zip(NAMES, high.values, strict=True))["pitch_step_st"])


@pytest.mark.parametrize("samples", [
    pytest.param(np.zeros(0, np.float32), id="empty"),
    pytest.param(np.zeros(800, np.float32), id="50 ms"),
    pytest.param(np.zeros(32_000, np.float32), id="silence"),
    pytest.param(np.full(32_000, 0.4, np.float32), id="DC"),
    pytest.param(np.full(32_000, np.nan, np.float32), id="NaN"),
    pytest.param(np.full(32_000, np.inf, np.float32), id="infinity"),
])  # fmt: skip
def test_nothing_to_hear_is_nan(samples: FloatArray) -> None:
    measured = extract(samples)
    assert measured.version == PROSODY_VERSION
    assert measured.values.shape == (len(FEATURES),)
    assert np.isnan(measured.values).all()


@pytest.mark.parametrize("duration_s", [0.11, 0.25, 0.4, 2.0])
def test_noise_has_no_voice(duration_s: float) -> None:
    measured = measure(synth.noise(duration_s, rate_hz=SAMPLE_RATE_HZ))
    assert np.isnan(measured["jitter_local_pct"])
    assert measured["voiced_ratio"] < 0.1
    assert np.isfinite(measured["level_dbfs"])
    assert not np.isinf(list(measured.values())).any()


@pytest.mark.parametrize("samples", [
    pytest.param(synth.tone(1.0, rate_hz=SAMPLE_RATE_HZ), id="tone"),
    pytest.param(synth.beep(1.0, rate_hz=SAMPLE_RATE_HZ, at_s=0.5), id="beep"),
    pytest.param(np.eye(1, 8000, 4000, dtype=np.float32)[0], id="one click"),
    pytest.param(np.sign(voice(123.0, 1.0)), id="clipped"),
    pytest.param(voice(123.0, 0.25), id="a quarter second"),
])  # fmt: skip
def test_odd_signals_raise_nothing_and_give_no_infinity(samples: FloatArray) -> None:
    with np.errstate(divide="raise", invalid="raise", over="raise"):
        assert not np.isinf(extract(samples).values).any()


def test_the_same_voice_at_8_and_16_khz_measures_the_same() -> None:
    at_16 = telephone(talk())
    at_8 = scipy.signal.resample_poly(at_16, 1, 2).astype(np.float32)
    np.testing.assert_allclose(extract(at_8, sample_rate_hz=8000).values, extract(at_16).values, rtol=1e-3, atol=1e-3)


def _spread_of_clips() -> list[tuple[Path, str]]:
    """Three clips of each gender of each corpus, and some prompts."""
    clips: list[tuple[Path, str]] = []
    for manifest in sorted((SHARED / "corpora").glob("*/manifest.csv")):
        by_gender: dict[str, list[str]] = {}
        with manifest.open(encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                by_gender.setdefault(row["gender"], []).append(row["file"])
        for gender, files in by_gender.items():
            clips += [(manifest.parent / file, gender) for file in files[:: max(1, len(files) // 3)][:3]]
    for folder in ("prompts_en", "prompts_ru"):
        files = sorted(path for path in (SHARED / "audio" / folder).rglob("*.flac"))
        clips += [(path, folder) for path in files[:: max(1, len(files) // 6)][:6]]
    return clips


@pytest.mark.slow
@pytest.mark.corpora
@pytest.mark.skipif(not (SHARED / "corpora").is_dir(), reason="the corpora are not here")
def test_pitch_agrees_with_pyin_on_real_speech() -> None:
    librosa = pytest.importorskip("librosa")
    gross = both = agree = frames = 0
    for path, _ in _spread_of_clips():
        samples, rate_hz = sf.read(path, dtype="float32")
        assert rate_hz == RATE_HZ
        samples = samples[: 3 * RATE_HZ] - np.mean(samples)
        reference_hz, _, _ = librosa.pyin(
            samples, fmin=65.0, fmax=600.0, sr=RATE_HZ, frame_length=512, hop_length=HOP_SAMPLES, resolution=0.1
        )
        f0_hz = track_pitch(power_spectra(np.pad(samples, WINDOW_SAMPLES // 2))).f0_hz
        n = min(len(f0_hz), len(reference_hz))
        ours, theirs = np.isfinite(f0_hz[:n]), np.isfinite(reference_hz[:n])
        voiced = ours & theirs
        gross += np.count_nonzero(np.abs(f0_hz[:n][voiced] / reference_hz[:n][voiced] - 1) > 0.2)
        both += np.count_nonzero(voiced)
        agree += np.count_nonzero(ours == theirs)
        frames += n
    print(f"gross pitch error {gross / both:.4f} of {both} frames, voicing agreement {agree / frames:.3f} of {frames}")
    assert both > 3_000
    assert gross / both <= 0.05
    assert agree / frames >= 0.80

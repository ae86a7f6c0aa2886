"""Synthetic signals and recordings, made on the fly."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from voicepipe.types import DoubleArray, FloatArray


def tone(
    duration_s: float, *, rate_hz: int, frequency_hz: float = 700.0, amplitude: float = 0.5, phase: float = 0.0
) -> FloatArray:
    """Return a sine, shape (n,)."""
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    return (amplitude * np.sin(2 * np.pi * frequency_hz * time_s + phase)).astype(np.float32)


def beep(
    duration_s: float, *, rate_hz: int, at_s: float, length_s: float = 0.2, frequency_hz: float = 700.0
) -> FloatArray:
    """Return silence with one beep in it, shape (n,)."""
    samples = np.zeros(round(duration_s * rate_hz), dtype=np.float32)
    start = round(at_s * rate_hz)
    there = samples[start : start + round(length_s * rate_hz)]
    there += tone(length_s, rate_hz=rate_hz, frequency_hz=frequency_hz)[: len(there)]
    return samples


def noise(duration_s: float, *, rate_hz: int, amplitude: float = 0.1, seed: int = 0) -> FloatArray:
    """Return white noise, shape (n,)."""
    return np.random.default_rng(seed).uniform(-amplitude, amplitude, round(duration_s * rate_hz)).astype(np.float32)


def onset_s(samples: FloatArray, *, rate_hz: int) -> float:
    """Return the time at which a beep starts: the first sample above a fifth of the peak."""
    level = np.abs(samples)
    return float(np.flatnonzero(level > level.max() / 5)[0]) / rate_hz


def write_recording(path: Path, tracks: FloatArray, *, rate_hz: int, codec: str, container: str | None = None) -> Path:
    """Encode tracks of shape (1 or 2, n) with FFmpeg; the container follows from the suffix unless named."""
    layout = "mono" if len(tracks) == 1 else "stereo"
    with av.open(path, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate_hz, layout=layout)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(tracks), format="fltp", layout=layout)
        frame.sample_rate = rate_hz
        to_codec = av.AudioResampler(format=stream.codec_context.format, layout=layout, rate=rate_hz)
        fifo = av.AudioFifo()
        for converted in [*to_codec.resample(frame), *to_codec.resample(None)]:
            converted.pts = None
            fifo.write(converted)
        written = 0
        while (piece := fifo.read(stream.codec_context.frame_size or 1024, partial=True)) is not None:
            piece.pts, piece.time_base = written, Fraction(1, rate_hz)
            written += piece.samples
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    return path


def pulse_train(
    positions_s: DoubleArray,
    amplitudes: DoubleArray | None = None,
    *,
    duration_s: float,
    rate_hz: int,
    slope: float = 0.0,
) -> FloatArray:
    """Return pulses at exact (not sampled) times, flat up to 3.9 kHz but for `slope` dB per octave, shape (n,)."""
    n, taps = round(duration_s * rate_hz), np.arange(-64, 65)
    centre = np.rint(positions_s * rate_hz).astype(int)
    late = (positions_s * rate_hz - centre)[:, None]
    kernel = np.sinc(taps - late) * np.cos(np.pi * (taps - late) / 131) ** 2
    train = np.zeros(n + 128)
    np.add.at(train, centre[:, None] + taps + 64, kernel * (1.0 if amplitudes is None else amplitudes[:, None]))
    frequency_hz = np.fft.rfftfreq(n, 1 / rate_hz)
    spectrum = np.fft.rfft(train[64 : n + 64]) * ((frequency_hz > 20) & (frequency_hz < 3900))
    spectrum *= (np.maximum(frequency_hz, 20.0) / 1000.0) ** (slope / (20 * np.log10(2)))
    samples = np.fft.irfft(spectrum, n)
    return (0.3 * samples / np.max(np.abs(samples))).astype(np.float32)

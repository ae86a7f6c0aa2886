"""What a telephone line does to a voice: level, band, noise, hold music, codec and lost packets, all at 8 kHz.

`condition` names one kind of line. Fixed ones (``mulaw``, ``gsm``, ``noise10``, ...) measure what one thing costs;
``line1``, ``line2``, ... draw everything at random from a seed made of the condition and the clip, and are what the
model is trained on.
"""

import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr
from scipy.signal import butter, sosfilt

from voicepipe.audio.codecs import Encoding, decode, encode
from voicepipe.types import FloatArray

RATE_HZ = 8_000
TARGET_DBFS = -26.0
"""Nominal active speech level of a telephone call (ITU-T P.56 levels are commonly set to -26 dBov)."""
PACKET_SAMPLES = 160
"""20 ms, the usual packet of RTP audio (RFC 3551, section 4.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backgrounds:
    """Recordings that are mixed under speech, each at 8 kHz.

    Attributes
    ----------
    noise, music : tuple of ndarray, each of shape (n_i,), float32
    """

    noise: tuple[FloatArray, ...]
    music: tuple[FloatArray, ...]


def read_backgrounds(*, noise: Path | None, music: Path | None) -> Backgrounds:
    """Read every recording below two folders; None gives no recordings."""
    return Backgrounds(noise=_read_all(noise), music=_read_all(music))


def read_8k(path: Path) -> FloatArray:
    """Read a recording as mono at 8 kHz, shape (n,), float32."""
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1, dtype=np.float32)
    return mono if rate_hz == RATE_HZ else soxr.resample(mono, rate_hz, RATE_HZ).astype(np.float32)


def through_line(samples: FloatArray, *, condition: str, key: str, backgrounds: Backgrounds) -> FloatArray:
    """Return a clip as it sounds at the other end of a line.

    Parameters
    ----------
    samples : ndarray, shape (n,), float32
        At 8 kHz.
    condition : str
        ``pcm``, ``mulaw``, ``alaw``, ``gsm``, ``amr``, ``g726``, ``opus``, ``noise<SNR in dB>``, ``music<SNR in dB>``,
        ``loss<percent>``, ``quiet``, or ``line<k>``. All but ``pcm`` and the named codecs end in mu-law.
    key : str
        Identity of the clip; with `condition` it seeds what is drawn.
    backgrounds : Backgrounds

    Raises
    ------
    ValueError
        If the condition is not known.
    """
    rng = np.random.default_rng(zlib.crc32(f"{condition}|{key}".encode()))
    level_dbfs = TARGET_DBFS
    if condition.startswith("line"):
        return _random_line(samples, rng=rng, backgrounds=backgrounds)
    if condition == "pcm":
        return _at_level(samples, level_dbfs)
    if condition in CODECS:
        return CODECS[condition](_at_level(samples, level_dbfs))
    if condition == "quiet":
        return _mulaw(_at_level(samples, -42.0))
    for name, sounds in (("noise", backgrounds.noise), ("music", backgrounds.music)):
        if condition.startswith(name):
            snr_db = float(condition.removeprefix(name))
            return _mulaw(_mixed(_at_level(samples, level_dbfs), sounds, snr_db=snr_db, rng=rng))
    if condition.startswith("loss"):
        lost = float(condition.removeprefix("loss")) / 100.0
        return _with_loss(_mulaw(_at_level(samples, level_dbfs)), lost=lost, rng=rng)
    raise ValueError(f"condition {condition!r} is not known")


def _random_line(samples: FloatArray, *, rng: np.random.Generator, backgrounds: Backgrounds) -> FloatArray:
    line = _at_level(samples, rng.uniform(-40.0, -18.0))
    if rng.random() < 0.5:
        line = _band_limited(line, low_hz=rng.uniform(150.0, 330.0), high_hz=rng.uniform(3100.0, 3700.0))
    draw = rng.random()
    if draw < 0.35:
        line = _mixed(line, backgrounds.noise, snr_db=rng.uniform(5.0, 30.0), rng=rng)
    elif draw < 0.5:
        line = _mixed(line, backgrounds.music, snr_db=rng.uniform(8.0, 25.0), rng=rng)
    elif draw < 0.7:
        hiss = rng.standard_normal(len(line)).astype(np.float32)
        line = _mixed(line, (hiss,), snr_db=rng.uniform(15.0, 35.0), rng=rng)
    names = sorted(CODECS)
    line = CODECS[str(rng.choice(["mulaw", *names]))](line)
    if rng.random() < 0.25:
        line = _with_loss(line, lost=rng.uniform(0.005, 0.06), rng=rng)
    return line


def _at_level(samples: FloatArray, level_dbfs: float) -> FloatArray:
    """Bring the louder half of a clip's 20 ms frames to a level (RMS), as far as the peaks allow."""
    frames = samples[: len(samples) // PACKET_SAMPLES * PACKET_SAMPLES].reshape(-1, PACKET_SAMPLES)
    power = np.sort(np.mean(np.square(frames, dtype=np.float64), axis=1))[len(frames) // 2 :]
    rms = float(np.sqrt(power.mean())) if len(power) else 0.0
    peak = float(np.abs(samples).max(initial=0.0))
    gain = min(10.0 ** (level_dbfs / 20.0) / max(rms, 1e-6), 0.98 / max(peak, 1e-6))
    return (samples * gain).astype(np.float32)


def _band_limited(samples: FloatArray, *, low_hz: float, high_hz: float) -> FloatArray:
    sections = butter(4, (low_hz, high_hz), btype="bandpass", fs=RATE_HZ, output="sos")
    return sosfilt(sections, samples).astype(np.float32)


def _mixed(
    samples: FloatArray, sounds: tuple[FloatArray, ...], *, snr_db: float, rng: np.random.Generator
) -> FloatArray:
    """Add one of the sounds, looped, at a ratio of mean powers."""
    if not sounds:
        return samples
    sound = sounds[int(rng.integers(len(sounds)))]
    start = int(rng.integers(len(sound)))
    under = np.take(sound, np.arange(start, start + len(samples)), mode="wrap")
    power, under_power = np.mean(np.square(samples)), np.mean(np.square(under))
    if under_power < 1e-10:
        return samples
    mixed = samples + under * np.sqrt(power / under_power) * np.float32(10.0 ** (-snr_db / 20.0))
    return np.clip(mixed, -1.0, 1.0).astype(np.float32)


def _with_loss(samples: FloatArray, *, lost: float, rng: np.random.Generator) -> FloatArray:
    """Lose packets at random; half of the receivers repeat the last packet at half its level, half play silence."""
    out = samples.copy()
    repeats = rng.random() < 0.5
    for start in range(PACKET_SAMPLES, len(out) - PACKET_SAMPLES + 1, PACKET_SAMPLES):
        if rng.random() < lost:
            before = out[start - PACKET_SAMPLES : start]
            out[start : start + PACKET_SAMPLES] = 0.5 * before if repeats else 0.0
    return out


def _mulaw(samples: FloatArray) -> FloatArray:
    return decode(encode(samples, encoding=Encoding.PCMU), encoding=Encoding.PCMU)


def _alaw(samples: FloatArray) -> FloatArray:
    return decode(encode(samples, encoding=Encoding.PCMA), encoding=Encoding.PCMA)


def _gsm(samples: FloatArray) -> FloatArray:
    """GSM 06.10 full rate, by libsndfile."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE_HZ, format="WAV", subtype="GSM610")
    buffer.seek(0)
    decoded, _ = soundfile.read(buffer, dtype="float32")
    return decoded[: len(samples)]


def _by_av(*, encoder: str, decoder: str, rate_hz: int, bit_rate: int, container: str) -> Callable[..., FloatArray]:
    """Return a round trip through one of PyAV's codecs."""

    def round_trip(samples: FloatArray) -> FloatArray:
        buffer = io.BytesIO()
        wide = soxr.resample(samples, RATE_HZ, rate_hz).astype(np.float32) if rate_hz != RATE_HZ else samples
        linear = np.clip(np.rint(wide * 32767.0), -32768, 32767).astype(np.int16)
        with av.open(buffer, "w", format=container) as output:
            stream = output.add_stream(encoder, rate=rate_hz, layout="mono")
            stream.bit_rate = bit_rate
            frame = av.AudioFrame.from_ndarray(linear[None], format="s16", layout="mono")
            frame.sample_rate = rate_hz
            frame.time_base = Fraction(1, rate_hz)
            frame.pts = 0
            output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        buffer.seek(0)
        with av.open(buffer, "r", format=container) as recording:
            resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE_HZ)
            frames = [out for frame in recording.decode(audio=0) for out in resampler.resample(frame)]
            frames += resampler.resample(None)
        decoded = np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.float32)
        return decoded[: len(samples)]

    round_trip.__doc__ = f"{encoder} in {container}, decoded by {decoder}."
    return round_trip


CODECS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "mulaw": _mulaw,
    "alaw": _alaw,
    "gsm": _gsm,
    "amr": _by_av(encoder="libopencore_amrnb", decoder="amrnb", rate_hz=8000, bit_rate=7400, container="amr"),
    "g726": _by_av(encoder="g726", decoder="g726", rate_hz=8000, bit_rate=32000, container="wav"),
    "opus": _by_av(encoder="libopus", decoder="opus", rate_hz=48000, bit_rate=12000, container="ogg"),
}
"""Round trips at 8 kHz. G.729 is missing: PyAV can decode it, and nothing free that is packaged can encode it."""


def _read_all(folder: Path | None) -> tuple[FloatArray, ...]:
    if folder is None:
        return ()
    return tuple(read_8k(path) for path in sorted(folder.rglob("*")) if path.suffix in {".flac", ".wav", ".ogg"})

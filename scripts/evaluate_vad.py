"""How much speech the detector and the segmenter find, and how much they take for speech that is none.

Everything goes the way a call goes: scaled, G.711 mu-law at 8 kHz, decoded, resampled to 16 kHz, voice detector,
segmenter. For example::

    python scripts/evaluate_vad.py ../shared/audio

The folder holds ``prompts_*`` (speech), ``noise`` and ``hold_music``, each with FLAC files at 8 kHz; hiss, ringback and
DTMF are made here. Two figures per condition: *frames*, what the detector alone says (0.5), and *utterances*, what the
segmenter makes of it.

Recall is measured against the level of the clean recording: a 32 ms frame counts as speech if it lies within 30 dB of
the recording's loudest frame. That is no annotation by ear. It counts loud breaths and short pauses filled by reverb as
speech and misses weak consonants, so a recall of 1 is not to be expected; differences between conditions are what it
shows. The level of a prompt is the RMS of those frames. Prompts are studio recordings, not callers.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from voicepipe.audio.codecs import Encoding, decode, encode
from voicepipe.audio.stream import ChannelStream
from voicepipe.speech.segment import Segmenter, SegmenterConfig
from voicepipe.speech.vad import FRAME_SAMPLES, LevelConfig, SileroDetector
from voicepipe.types import SAMPLE_RATE_HZ, AudioChunk, Channel, DoubleArray, FloatArray, Utterance

LINE_RATE_HZ = 8_000
LINE_FRAME = FRAME_SAMPLES * LINE_RATE_HZ // SAMPLE_RATE_HZ
SPEECH_RANGE_DB = 30.0
LEAD_S, TAIL_S = 0.512, 1.024


class Ear:
    """Detector and segmenter behind a telephone line, with the processor time they took."""

    def __init__(self, *, level: LevelConfig) -> None:
        self._detector = SileroDetector(level=level)
        self.cpu_s = 0.0
        self.audio_s = 0.0

    def hear(self, line: FloatArray) -> tuple[FloatArray, list[Utterance]]:
        """Return the speech probability per 32 ms frame and the utterances of one track at 8 kHz."""
        coded = decode(encode(line.astype(np.float32), encoding=Encoding.PCMU), encoding=Encoding.PCMU)
        stream = ChannelStream()
        chunk = AudioChunk(
            call_id="e", channel=Channel.CALLER, first_sample=0, sample_rate_hz=LINE_RATE_HZ, samples=coded
        )
        samples = np.concatenate([stream.push(chunk), stream.finish()])
        frames = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
        began_s = time.process_time()
        (probs,), _ = self._detector.speech_probs([frames], [self._detector.start()])
        segmenter = Segmenter(call_id="e", channel=Channel.CALLER, frame_samples=FRAME_SAMPLES)
        utterances = segmenter.push(frames.reshape(-1), probs) + segmenter.finish()
        self.cpu_s += time.process_time() - began_s
        self.audio_s += len(samples) / SAMPLE_RATE_HZ
        return probs, utterances


def read(folder: Path, *, limit: int) -> Iterator[FloatArray]:
    paths = sorted(folder.rglob("*.flac"))
    for path in islice(paths, 0, None, max(1, len(paths) // limit)):
        samples, rate_hz = soundfile.read(path, dtype="float32")
        if rate_hz != LINE_RATE_HZ:
            raise SystemExit(f"{path}: {rate_hz} Hz; expected {LINE_RATE_HZ} Hz")
        yield samples


def frame_db(samples: FloatArray) -> DoubleArray:
    frames = samples[: len(samples) // LINE_FRAME * LINE_FRAME].reshape(-1, LINE_FRAME).astype(np.float64)
    return 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12)


def at_level(prompt: FloatArray, *, level_dbfs: float) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return the prompt between silences at a level, and which of its frames are speech."""
    padded = np.concatenate(
        [np.zeros(round(LEAD_S * LINE_RATE_HZ)), prompt, np.zeros(round(TAIL_S * LINE_RATE_HZ))]
    ).astype(np.float32)
    loud_db = frame_db(padded)
    speech = loud_db > loud_db.max() - SPEECH_RANGE_DB
    now_db = 10 * np.log10(np.mean(10 ** (loud_db[speech] / 10)))
    return padded * np.float32(10 ** ((level_dbfs - now_db) / 20)), speech


def with_noise(speech: FloatArray, noise: FloatArray, *, level_dbfs: float) -> FloatArray:
    bed = np.resize(noise, len(speech))
    rms = np.sqrt(np.mean(bed.astype(np.float64) ** 2)) + 1e-9
    return speech + bed * np.float32(10 ** (level_dbfs / 20) / rms)


def recall(
    ear: Ear, prompts: Sequence[FloatArray], *, level_dbfs: float, snr_db: float | None, beds: Sequence[FloatArray]
) -> tuple[float, float]:
    """Return the share of speech frames called speech, and inside utterances."""
    by_frame = by_utterance = total = 0
    for i, prompt in enumerate(prompts):
        line, speech = at_level(prompt, level_dbfs=level_dbfs)
        if snr_db is not None:
            line = with_noise(line, beds[i % len(beds)], level_dbfs=level_dbfs - snr_db)
        probs, utterances = ear.hear(line)
        inside = np.zeros(len(probs), np.bool_)
        for heard in utterances:
            first, last = (round(s * SAMPLE_RATE_HZ / FRAME_SAMPLES) for s in (heard.start_s, heard.end_s))
            inside[first:last] = True
        n = min(len(speech), len(probs))
        by_frame += int(np.count_nonzero(probs[:n][speech[:n]] >= SegmenterConfig().on_prob))
        by_utterance += int(np.count_nonzero(inside[:n][speech[:n]]))
        total += int(np.count_nonzero(speech[:n]))
    return by_frame / total, by_utterance / total


def false_speech(ear: Ear, lines: Sequence[FloatArray]) -> tuple[float, float]:
    """Return seconds per minute called speech, and inside utterances."""
    by_frame_s = by_utterance_s = total_s = 0.0
    for line in lines:
        probs, utterances = ear.hear(line)
        by_frame_s += np.count_nonzero(probs >= SegmenterConfig().on_prob) * FRAME_SAMPLES / SAMPLE_RATE_HZ
        by_utterance_s += sum(heard.duration_s for heard in utterances)
        total_s += len(line) / LINE_RATE_HZ
    return 60 * by_frame_s / total_s, 60 * by_utterance_s / total_s


def tones(*frequencies_hz: float, on_s: float, off_s: float, total_s: float) -> FloatArray:
    """Return a cadence of summed sines at -20 dBFS."""
    time_s = np.arange(round(total_s * LINE_RATE_HZ)) / LINE_RATE_HZ
    both = sum(np.sin(2 * np.pi * f * time_s) for f in frequencies_hz) / np.sqrt(len(frequencies_hz) / 2) * 0.1
    return (both * (time_s % (on_s + off_s) < on_s)).astype(np.float32)


def dtmf(*, total_s: float) -> FloatArray:
    """Return all sixteen keys in turn, 100 ms on and 100 ms off (frequencies: ITU-T Q.23)."""
    keys = [(low, high) for low in (697, 770, 852, 941) for high in (1209, 1336, 1477, 1633)]
    once = np.concatenate([tones(*key, on_s=0.1, off_s=0.1, total_s=0.2) for key in keys])
    return np.resize(once, round(total_s * LINE_RATE_HZ))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("audio", type=Path, help="folder with prompts_*, noise and hold_music")
    parser.add_argument("--limit", type=int, default=30, help="files per folder of prompts")
    parser.add_argument("--no-gain", action="store_true", help="switch the gain in front of the detector off")
    options = parser.parse_args()
    ear = Ear(level=LevelConfig(start_gain_db=0, max_gain_db=0) if options.no_gain else LevelConfig())
    rng = np.random.default_rng(0)
    noises = list(read(options.audio / "noise", limit=1000))
    hiss = rng.standard_normal(60 * LINE_RATE_HZ).astype(np.float32)
    beds = [bed for noise in noises[::3] for bed in (noise, hiss)]

    print(f"{'speech':<24}{'level':>8}{'noise':>8}{'recall of frames':>18}{'in utterances':>15}")
    for folder in sorted(options.audio.glob("prompts_*")):
        prompts = list(read(folder, limit=options.limit))
        for level_dbfs in (-20, -35, -45, -60):
            for snr_db in (None, 20, 10):
                frames, inside = recall(ear, prompts, level_dbfs=level_dbfs, snr_db=snr_db, beds=beds)
                noise = "-" if snr_db is None else f"{snr_db} dB"
                print(f"{folder.name:<24}{level_dbfs:>8}{noise:>8}{frames:>18.3f}{inside:>15.3f}", flush=True)

    kinds = sorted(folder for folder in (options.audio / "noise").iterdir() if folder.is_dir())
    sources = {f"noise/{kind.name}": list(read(kind, limit=1000)) for kind in kinds}
    sources["noise, all"] = noises
    sources["noise, all, -20 dB"] = [noise * np.float32(0.1) for noise in noises]
    music = list(read(options.audio / "hold_music", limit=1000))
    sources["hold music"] = music
    sources["hold music, -20 dB"] = [piece * np.float32(0.1) for piece in music]
    for level_dbfs in (-35, -50, -65):
        sources[f"hiss at {level_dbfs} dBFS"] = [hiss * np.float32(10 ** (level_dbfs / 20))]
    sources["DTMF"] = [dtmf(total_s=60)]
    sources["ringback US (440+480)"] = [tones(440, 480, on_s=2, off_s=4, total_s=60)]
    sources["ringback EU (425)"] = [tones(425, on_s=1, off_s=4, total_s=60)]
    sources["busy (480+620)"] = [tones(480, 620, on_s=0.5, off_s=0.5, total_s=60)]
    print(f"\n{'no speech, s per minute':<28}{'frames':>8}{'in utterances':>15}")
    for name, lines in sources.items():
        frames_s, inside_s = false_speech(ear, lines)
        print(f"{name:<28}{frames_s:>8.2f}{inside_s:>15.2f}", flush=True)
    print(f"\n{ear.cpu_s / ear.audio_s:.5f} CPU-seconds per second of one channel (detector and segmenter)")


if __name__ == "__main__":
    main()

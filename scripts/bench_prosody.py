"""CPU-seconds that `voicepipe.stress.prosody.extract` takes per second of speech, on one core.

Without arguments it measures a synthetic voice (gliding pitch, syllables, pauses, hiss); with the paths of recordings
it measures those, cut to utterances of the same lengths::

    python scripts/bench_prosody.py
    python scripts/bench_prosody.py ../shared/audio/prompts_en/*.flac
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import soundfile
import soxr

from voicepipe.stress.prosody import FEATURES, PROSODY_VERSION, extract
from voicepipe.types import SAMPLE_RATE_HZ, FloatArray

LENGTHS_S = (1.0, 3.0, 8.0)


def synthetic_voice(duration_s: float) -> FloatArray:
    """Twenty-four harmonics of a gliding pitch, in syllables of 4 Hz with pauses, and a little hiss."""
    draw = np.random.default_rng(0)
    time_s = np.arange(round(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    f0_hz = 150 * 2 ** (0.3 * np.sin(2 * np.pi * 0.5 * time_s))
    cycles = np.cumsum(f0_hz) / SAMPLE_RATE_HZ
    voice = sum(np.cos(2 * np.pi * k * cycles) / k**1.5 * (k * f0_hz < 3800) for k in range(1, 25))
    syllables = (0.05 + np.sin(np.pi * 4 * time_s) ** 2) * (np.mod(time_s, 2.2) < 1.8)
    return np.asarray(0.05 * voice * syllables + 0.001 * draw.normal(size=len(time_s)), dtype=np.float32)


def recorded(paths: list[Path]) -> FloatArray:
    """All recordings one after the other, first channel."""
    parts = []
    for path in paths:
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        parts.append(soxr.resample(samples[:, 0], rate_hz, SAMPLE_RATE_HZ).astype(np.float32))
    return np.concatenate(parts)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", nargs="*", type=Path)
    parser.add_argument("--seconds", type=float, default=120.0, help="seconds of speech for each length (default: 120)")
    chosen = parser.parse_args(arguments)

    speech = recorded(chosen.recordings) if chosen.recordings else synthetic_voice(60.0)
    extract(speech[:SAMPLE_RATE_HZ])
    print(f"{len(FEATURES)} features, version {PROSODY_VERSION}, one thread")
    for length_s in LENGTHS_S:
        size = round(length_s * SAMPLE_RATE_HZ)
        rounds = max(1, round(chosen.seconds / length_s))
        speech = np.tile(speech, -(-size // len(speech)))
        starts = [(i * size) % (len(speech) - size + 1) for i in range(rounds)]
        began_s = time.process_time()
        for start in starts:
            extract(speech[start : start + size])
        cpu_s = (time.process_time() - began_s) / (rounds * length_s)
        print(
            f"utterances of {length_s:.0f} s: {cpu_s:.5f} CPU-seconds per second of speech, {1 / cpu_s:.0f} x real time"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Time and error of the voice embedding, over recordings.

    python scripts/bench_voice.py FOLDER --whisper DIR [--layers 2 3 4]

Each recording below FOLDER is an utterance (its first 8 s). It is embedded as the product does it, on integers, then
in floating point, and for comparison encoded by CTranslate2 with all layers, in turns. The error of integers, ours and
CTranslate2's after its last layer, is told in standard deviations over the recordings, as the root of the mean square
over the numbers, and so is its constant part, which is what a model trained on another machine would meet.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import soundfile
import soxr
from faster_whisper.feature_extractor import FeatureExtractor

from voicepipe.speech.voice_encoder import LAYERS, VoiceEncoder, pooled
from voicepipe.types import SAMPLE_RATE_HZ, FloatArray

MOST_S = 8.0


def read(path: Path) -> FloatArray:
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    mono = samples[: round(MOST_S * rate_hz)].mean(axis=1)
    return np.asarray(soxr.resample(mono, rate_hz, SAMPLE_RATE_HZ), dtype=np.float32)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began_s = time.perf_counter()
    out = work()
    return time.perf_counter() - began_s, out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--whisper", type=Path, required=True)
    parser.add_argument("--layers", type=int, nargs="+", default=list(LAYERS))
    parser.add_argument("--recordings", type=int, default=60)
    args = parser.parse_args()
    paths = sorted(path for path in args.folder.rglob("*") if path.suffix in {".flac", ".wav"})
    paths = paths[:: max(1, len(paths) // args.recordings)]
    integers = VoiceEncoder(args.whisper, layers=args.layers)
    exact = VoiceEncoder(args.whisper, layers=args.layers, quantized=False)
    whole, whole_exact = (
        ctranslate2.models.Whisper(str(args.whisper), compute_type=kind, intra_threads=1)
        for kind in ("int8", "float32")
    )
    features = FeatureExtractor()
    times: list[tuple[float, float, float]] = []
    embedded: list[FloatArray] = []
    truth: list[FloatArray] = []
    theirs: list[FloatArray] = []
    their_truth: list[FloatArray] = []
    lengths: list[float] = []
    for path in paths:
        samples = read(path)
        duration_s = len(samples) / SAMPLE_RATE_HZ
        mel = features(samples, padding=0).astype(np.float32)
        view = ctranslate2.StorageView.from_array(np.ascontiguousarray(mel[None, :, : mel.shape[1] // 2 * 2]))
        int_s, embedding = timed(lambda: integers.embed(mel, duration_s=duration_s))  # noqa: B023
        float_s, true = timed(lambda: exact.embed(mel, duration_s=duration_s))  # noqa: B023
        whole_s, encoded = timed(lambda: np.asarray(whole.encode(view)))  # noqa: B023
        theirs.append(pooled(encoded[0]))
        their_truth.append(pooled(np.asarray(whole_exact.encode(view))[0]))
        times.append((int_s, float_s, whole_s))
        embedded.append(embedding)
        truth.append(true)
        lengths.append(duration_s)
    int_ms, float_ms, whole_ms = (1e3 * statistics.median(of_one) for of_one in zip(*times, strict=True))
    ratio = statistics.median(one / other for one, _, other in times)
    print(f"{len(paths)} recordings, median {statistics.median(lengths):.1f} s; layers {args.layers}")
    print(f"embedding on integers {int_ms:.1f} ms, in floating point {float_ms:.1f} ms")
    print(
        f"CTranslate2's whole encoder, int8, no more context than the utterance: {whole_ms:.1f} ms; ratio {ratio:.2f}"
    )
    for name, found, true in (("ours", embedded, truth), ("CTranslate2's", theirs, their_truth)):
        error = (np.stack(found) - np.stack(true)) / np.std(true, axis=0)
        all_of_it, constant = (np.sqrt(np.mean(part**2)) for part in (error, error.mean(axis=0)))
        print(f"error of integers, {name}: {all_of_it:.3f} sd, of which constant {constant:.3f} sd")
    return 0


if __name__ == "__main__":
    sys.exit(main())

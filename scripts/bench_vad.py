"""Processor time of voice activity for each frame of 32 ms, beside the published graph run track by track.

Both hear the same frames, in turns; the ratio is printed as well, since machines slow down and speed up::

    python scripts/bench_vad.py --tracks 2 60 --frames 8
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import onnxruntime

from voicepipe.speech.vad import CONTEXT_SAMPLES, FRAME_SAMPLES, SileroDetector, bundled_model_path
from voicepipe.types import FloatArray


def published() -> Callable[[list[FloatArray]], None]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(bundled_model_path()), options, providers=["CPUExecutionProvider"])
    zeros = np.zeros((1, 1, 128), np.float32)

    def run(tracks: list[FloatArray]) -> None:
        for frames in tracks:
            session.run(None, {"input": np.pad(frames, ((0, 0), (CONTEXT_SAMPLES, 0))), "h": zeros, "c": zeros})

    return run


def cpu_s(work: Callable[[], object]) -> float:
    began_s = time.process_time()
    work()
    return time.process_time() - began_s


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure voice activity against the published graph.")
    parser.add_argument("--tracks", type=int, nargs="+", default=[2, 20, 60])
    parser.add_argument("--frames", type=int, default=8, help="Of each track at a time (default 8: a quarter second).")
    parser.add_argument("--rounds", type=int, default=30)
    args = parser.parse_args()
    detector, track_by_track = SileroDetector(), published()
    draw = np.random.default_rng(0)
    print("tracks  microseconds a frame  published, track by track  ratio")
    for n_tracks in args.tracks:
        tracks = [0.05 * draw.standard_normal((args.frames, FRAME_SAMPLES), dtype=np.float32) for _ in range(n_tracks)]
        states = [detector.start() for _ in tracks]
        pairs = [
            (cpu_s(lambda: detector.speech_probs(tracks, states)), cpu_s(lambda: track_by_track(tracks)))  # noqa: B023
            for _ in range(args.rounds)
        ]
        ours, theirs = (1e6 * statistics.median(times) / n_tracks / args.frames for times in zip(*pairs, strict=True))
        ratio = statistics.median(one / other for one, other in pairs)
        print(f"{n_tracks:6d}  {ours:20.1f}  {theirs:25.1f}  {ratio:5.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

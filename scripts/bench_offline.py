"""What a recorded call costs: CPU-seconds per second of call, stage by stage, on one core, and the peak memory.

The call is made from the package's own sample calls, one after the other, both sides transcribed; so anyone can run it:
``python scripts/bench_offline.py``. The samples hold speech for almost all of their time; ordinary calls hold less.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import soundfile

from voicepipe.config import load_settings
from voicepipe.gateways.files import FileSource
from voicepipe.packaged import PACKAGE
from voicepipe.pipeline import call as pipeline
from voicepipe.pipeline.call import MOST_TOGETHER
from voicepipe.service import Listener
from voicepipe.types import CallSummary, ScoredUtterance

SAMPLES = ("calm_caller.wav", "upset_caller.wav")
STAGES = ("voice activity", "Whisper", "prosody", "stress model", "baseline")


class StageClock:
    """CPU time of the wrapped functions, by stage; within one another, the outermost counts."""

    def __init__(self) -> None:
        self.cpu_s = dict.fromkeys(STAGES, 0.0)
        self._running = False

    def wrap(self, stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return `work` with its CPU time added to a stage."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            if self._running:
                return work(*args, **kwargs)
            began_s, self._running = time.process_time(), True
            try:
                return work(*args, **kwargs)
            finally:
                self.cpu_s[stage] += time.process_time() - began_s
                self._running = False

        return timed


def make_call(path: Path, *, minutes: float) -> float:
    """Write a stereo mu-law call of about the given length; return its length in seconds."""
    pieces = [soundfile.read(PACKAGE / "samples" / name) for name in SAMPLES]
    rate_hz = pieces[0][1]
    once = np.concatenate([samples for samples, _ in pieces])
    times = max(1, round(minutes * 60 * rate_hz / len(once)))
    soundfile.write(path, np.tile(once, (times, 1)), rate_hz, subtype="ULAW")
    return times * len(once) / rate_hz


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the call (default 10)")
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    clock = StageClock()
    began_s = time.process_time()
    listener = Listener(load_settings())
    load_s = time.process_time() - began_s
    models = listener.models
    for target, name, stage in (
        (models.detector, "speech_probs", "voice activity"),
        (models.transcriber, "recognize", "Whisper"),
        (models.transcriber, "transcribe_together", "Whisper"),
        (models.scorer, "score", "stress model"),
        (models.scorer, "update", "baseline"),
        (pipeline.prosody, "extract", "prosody"),
    ):
        setattr(target, name, clock.wrap(stage, getattr(target, name)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "call.wav"
        duration_s = make_call(path, minutes=args.minutes)
        began_s, began_wall_s = time.process_time(), time.perf_counter()
        events = [
            event
            for event, _ in listener.listen(
                FileSource(path, caller_channel="left", language="en").events(), together=MOST_TOGETHER
            )
        ]
        total_s, wall_s = time.process_time() - began_s, time.perf_counter() - began_wall_s
    spoken = [event for event in events if isinstance(event, ScoredUtterance)]
    speech_s = sum(event.end_s - event.start_s for event in spoken)
    coverage = next(event.coverage.ratio for event in events if isinstance(event, CallSummary))
    print(
        f"call: {duration_s:.0f} s, two channels, {speech_s:.0f} s in {len(spoken)} utterances, coverage {coverage:.2f}"
    )
    print(f"{'stage':<28}CPU-s per s of call")
    for stage, cpu_s in clock.cpu_s.items():
        print(f"{stage:<28}{cpu_s / duration_s:.4f}")
    print(f"{'decoding, resampling, rest':<28}{(total_s - sum(clock.cpu_s.values())) / duration_s:.4f}")
    print(f"{'total':<28}{total_s / duration_s:.4f}")
    print(f"wall-clock: {duration_s / wall_s:.1f} times real time on one core; models loaded in {load_s:.2f} CPU-s")
    print(f"peak RSS: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())

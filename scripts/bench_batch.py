"""How fast a folder is scored: call-hours per core-hour, what a second worker adds, and the memory of each worker.

The calls are made from the package's own sample calls, both sides transcribed, so anyone can run it:
``python scripts/bench_batch.py``. The samples hold speech for almost all of their time; ordinary calls hold less.

The first figure counts CPU time, all processes together, so that a busy machine changes it little. The second needs two
idle cores: runs of one worker and of two take turns, and what others take of the machine is printed beside them.
"""

import argparse
import io
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import soundfile

from voicepipe.batch.items import Item, Outcome
from voicepipe.batch.run import RunOptions, score_into
from voicepipe.batch.scoring import ScorerOpener
from voicepipe.config import Settings, load_settings

SAMPLES = ("calm_caller.wav", "upset_caller.wav")


@dataclass(frozen=True)
class MeteredOpener:
    """Opens the scorer that runs are made with, and notes what each recording cost in a folder."""

    opener: ScorerOpener
    notes: Path

    def __call__(self) -> Callable[[Item], Outcome]:
        """Load the models."""
        score = self.opener()
        started_s = time.time()
        loaded_cpu_s = time.process_time()

        def metered(item: Item) -> Outcome:
            outcome = score(item)
            rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            note = f"{started_s} {time.time()} {loaded_cpu_s} {time.process_time()} {rss_mb}"
            (self.notes / str(os.getpid())).write_text(note)
            return outcome

        return metered


@dataclass(frozen=True)
class Run:
    """What a run took."""

    wall_s: float
    cpu_s: float
    load_cpu_s: float
    rss_mb: list[float]
    others: float


def make_night(folder: Path, *, calls: int, minutes: float) -> float:
    """Write stereo mu-law calls of about the given length; return their length together, in seconds."""
    pieces = [soundfile.read(str(files("voicepipe") / "samples" / name)) for name in SAMPLES]
    rate_hz = pieces[0][1]
    once = np.concatenate([samples for samples, _ in pieces])
    samples = np.resize(once, (round(minutes * 60 * rate_hz), once.shape[1]))
    for index in range(calls):
        soundfile.write(folder / f"{index:03}.wav", np.roll(samples, index * rate_hz, axis=0), rate_hz, subtype="ULAW")
    return calls * len(samples) / rate_hz


def busy_s() -> float:
    """Return the CPU seconds that the whole machine was busy since it started."""
    user, nice, system = Path("/proc/stat").read_text(encoding="ascii").split(maxsplit=4)[1:4]
    return (int(user) + int(nice) + int(system)) / os.sysconf("SC_CLK_TCK")


def print_nothing(sentence: str) -> None:
    """Keep the run's own words off the table."""
    del sentence


def run_once(night: Path, scratch: Path, *, settings: Settings, workers: int) -> Run:
    with tempfile.TemporaryDirectory(dir=scratch) as place:
        notes = Path(place) / "notes"
        notes.mkdir()
        before = os.times()
        began_s, busy_before_s = time.perf_counter(), busy_s()
        with redirect_stdout(io.StringIO()):
            failures = score_into(
                [str(night)],
                settings=settings,
                options=RunOptions(out=Path(place) / "out", caller_channel="left", language="en", workers=workers),
                deliver=False,
                say=print_nothing,
                open_scorer=MeteredOpener(ScorerOpener(settings=settings), notes),
            )
        if failures:
            raise SystemExit("recordings failed; run voicepipe score on the samples to see why")
        after = os.times()
        told = [[float(word) for word in path.read_text().split()] for path in notes.iterdir()]
        cpu_s = sum(after[:4]) - sum(before[:4])
        elapsed_s = time.perf_counter() - began_s
        return Run(
            wall_s=max(note[1] for note in told) - min(note[0] for note in told),
            cpu_s=cpu_s,
            load_cpu_s=sum(note[2] for note in told),
            rss_mb=[note[4] for note in told],
            others=(busy_s() - busy_before_s - cpu_s) / elapsed_s,
        )


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=8, help="calls of the night (default 8)")
    parser.add_argument("--minutes", type=float, default=3.0, help="length of each (default 3)")
    parser.add_argument("--pairs", type=int, default=3, help="runs with one worker and with two, in turn (default 3)")
    args = parser.parse_args()
    settings = load_settings()
    with tempfile.TemporaryDirectory() as folder:
        night = Path(folder) / "night"
        night.mkdir()
        call_s = make_night(night, calls=args.calls, minutes=args.minutes)
        print(f"{args.calls} calls of {args.minutes:g} min, two channels, both sides transcribed")
        print("pair  workers  wall s  CPU s  others' CPU  call-h per core-h  peak RSS of each worker")
        speedups, rates = [], []
        for pair in range(1, args.pairs + 1):
            runs = {
                workers: run_once(night, Path(folder), settings=settings, workers=workers)
                for workers in ((1, 2) if pair % 2 else (2, 1))
            }
            for workers, run in sorted(runs.items()):
                rate = call_s / (run.cpu_s - run.load_cpu_s)
                rates.append(rate)
                rss = " ".join(f"{mb:.0f}" for mb in run.rss_mb)
                print(
                    f"{pair:<6}{workers:<9}{run.wall_s:<8.1f}{run.cpu_s:<7.1f}{run.others:<13.2f}{rate:<19.1f}{rss} MB",
                    flush=True,
                )
            speedups.append(runs[1].wall_s / runs[2].wall_s)
        print(
            f"call-hours per core-hour: {statistics.median(rates):.1f} (median; models loaded apart, tables included)"
        )
        print(
            f"speed-up of two workers: {statistics.median(speedups):.2f} "
            f"(median of {', '.join(f'{one:.2f}' for one in speedups)}; 1.80 is 0.9 of two), models loaded apart"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

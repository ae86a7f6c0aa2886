"""Measure how many live calls one machine holds: a real server, and a second process that plays calls in real time.

For each number of calls a server is started (`voicepipe serve`), the generator begins the calls spread evenly over
`--spread-s` and repeats them without a pause, and once all have begun the server's own metrics are read at
the beginning and the end of the measured time. Printed per number of calls: time from the end of an utterance to its
scored event (quantiles interpolated within the histogram's buckets), coverage, CPU, busy time by stage and peak memory.
A number of calls holds if the 95th percentile is at most `--limit-s`, nothing was shed and the generator kept its pace.

    python scripts/bench_capacity.py --calls 10 20 30 40 --seconds 120
    python scripts/bench_capacity.py --calls 45 --caller-text-only
    python scripts/bench_capacity.py --calls 20 --soak-minutes 60
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voicepipe.packaged import PACKAGE
from voicepipe.pipeline.shedding import PoolConfig
from voicepipe.replay import Replayed, ReplayOptions, play_call, read_call

SAMPLES = [PACKAGE / "samples" / name for name in ("upset_caller.wav", "calm_caller.wav")]
MOST_BEHIND_S = 0.25
"""A generator that is later than this with a packet measures itself."""

Metrics = dict[str, dict[tuple[tuple[str, str], ...], float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One number of calls, over the measured time."""

    calls: int
    quantiles_s: tuple[float, float, float]
    utterances: int
    coverage: float
    cpus: float
    generator_cpus: float
    stages: dict[str, float]
    peak_mb: float
    behind_s: float
    faults: int

    def holds(self, limit_s: float) -> bool:
        """Tell whether the machine kept up."""
        return self.quantiles_s[1] <= limit_s and self.coverage >= 0.9999 and not self.faults and self.kept_pace

    @property
    def kept_pace(self) -> bool:
        """Whether the generator did."""
        return self.behind_s <= MOST_BEHIND_S


@contextlib.contextmanager
def server(args: argparse.Namespace, port: int) -> Iterator[int]:
    """Run a server; yields its process id."""
    with tempfile.TemporaryDirectory() as scratch:
        config = Path(scratch) / "capacity.toml"
        transcribe = str(not args.caller_text_only).lower()
        config.write_text(
            f'store_url = "sqlite:///{scratch}/store.sqlite"\n'
            f"[serve]\nport = {port}\naudiosocket_port = 0\ndrain_s = 0\nflush_s = 5\n"
            "[serve.limits]\nanybody_calls = 1000\ncalls_per_s = 100\ncalls_burst = 1000\n"
            f"[pool]\nworkers = {args.workers}\nmax_calls = 1000\ntick_s = {args.tick_s}\n"
            f"[analysis]\ntranscribe_agent = {transcribe}\n"
            '[serve.audiohook]\ntranscripts = "never"\n'
        )
        command = [sys.executable, "-m", "voicepipe.cli", "serve", "--config", str(config)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                wait_ready(port, process)
                yield process.pid
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()


def wait_ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(240):
        if process.poll() is not None:
            sys.exit("The server did not start; run `voicepipe serve` to see why.")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    sys.exit("The server was not ready within two minutes.")


def read_metrics(port: int) -> Metrics:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    found: Metrics = defaultdict(dict)
    for line in text.splitlines():
        if match := re.fullmatch(r"([a-z_]+)(?:\{(.*)\})? (\S+)", line):
            labels = tuple(sorted(re.findall(r'(\w+)="([^"]*)"', match[2] or "")))
            found[match[1]][labels] = float(match[3])
    return found


def grown(before: Metrics, after: Metrics, name: str, **labels: str) -> float:
    """Return how much a counter grew, over all its series that carry the labels."""
    wanted = set(labels.items())
    return sum(
        value - before.get(name, {}).get(series, 0.0)
        for series, value in after.get(name, {}).items()
        if wanted <= set(series)
    )


def quantile_s(before: Metrics, after: Metrics, share: float) -> float:
    """Return a quantile of the time to the event, linear within its bucket."""
    name, stage = "voicepipe_stage_seconds_bucket", ("stage", "event")
    edges = sorted(float(dict(series)["le"]) for series in after.get(name, {}) if stage in series)
    counts = [
        after[name][key] - before.get(name, {}).get(key, 0.0)
        for edge in edges
        for key in [next(s for s in after[name] if stage in s and float(dict(s)["le"]) == edge)]
    ]
    if not counts or not counts[-1]:
        return float("nan")
    wanted, low_s, low = share * counts[-1], 0.0, 0.0
    for edge, count in zip(edges, counts, strict=True):
        if count >= wanted:
            return low_s if edge == float("inf") else low_s + (edge - low_s) * (wanted - low) / max(count - low, 1e-9)
        low_s, low = edge, count
    return low_s


def peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]


def measure(calls: int, args: argparse.Namespace) -> Measured:
    port = free_port()
    with server(args, port) as pid, tempfile.NamedTemporaryFile() as report:
        warm_s = args.spread_s + args.settle_s
        command = [sys.executable, __file__, "--generate", report.name, "--port", str(port), "--calls", str(calls)]
        command += ["--seconds", str(warm_s + args.seconds + 3), "--spread-s", str(args.spread_s)]
        command += ["--protocol", args.protocol, "--recordings", *map(str, args.recordings)]
        with subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}) as generator:
            time.sleep(warm_s)
            before, began_s = read_metrics(port), time.monotonic()
            cpu_s = process_cpu_s(generator.pid)
            time.sleep(args.seconds)
            after, took_s = read_metrics(port), time.monotonic() - began_s
            generator_cpus = (process_cpu_s(generator.pid) - cpu_s) / took_s
            peak = peak_mb(pid)
            generator.wait(60)
        outcome = json.loads(Path(report.name).read_text())
    speech_s = grown(before, after, "voicepipe_speech_seconds_total")
    # An utterance that lost its text and its embedding is one loss.
    shed = {
        kind: grown(before, after, "voicepipe_shed_seconds_total", kind=kind)
        for kind in ("agent_transcript", "caller_transcript", "embedding", "late_audio")
    }
    lost_s = shed["agent_transcript"] + max(shed["caller_transcript"], shed["embedding"]) + shed["late_audio"]
    stages = {
        stage: grown(before, after, "voicepipe_stage_seconds_sum", stage=stage) / took_s
        for stage in ("hear", "recognize", "understand")
    }
    return Measured(
        calls=calls,
        quantiles_s=tuple(quantile_s(before, after, share) for share in (0.5, 0.95, 0.99)),  # type: ignore[arg-type]
        utterances=round(grown(before, after, "voicepipe_utterances_total")),
        coverage=1.0 - lost_s / max(speech_s + shed["late_audio"], 1e-9),
        cpus=grown(before, after, "process_cpu_seconds_total") / took_s,
        generator_cpus=generator_cpus,
        stages=stages,
        peak_mb=peak,
        behind_s=outcome["behind_s"],
        faults=len(outcome["faults"]),
    )


def soak(calls: int, args: argparse.Namespace) -> None:
    """Let calls come and go for long, and print how memory grows with the number of calls that were served."""
    port = free_port()
    with server(args, port), tempfile.NamedTemporaryFile() as report:
        command = [sys.executable, __file__, "--generate", report.name, "--port", str(port), "--calls", str(calls)]
        command += ["--seconds", str(args.soak_minutes * 60), "--spread-s", str(args.spread_s)]
        command += ["--protocol", args.protocol, "--recordings", *map(str, args.recordings)]
        served, memory_mb = [], []
        with subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}) as generator:
            while generator.poll() is None:
                time.sleep(10)
                now = read_metrics(port)
                served.append(grown({}, now, "voicepipe_calls_total"))
                memory_mb.append(now["process_resident_memory_bytes"][()] / 2**20)
    begin = len(served) // 5
    slope = np.polyfit(served[begin:], memory_mb[begin:], 1)[0] * 100
    print(
        f"{served[-1]:.0f} calls in {args.soak_minutes:g} min, {calls} at a time: {memory_mb[begin]:.0f} MB after "
        f"the first fifth, {memory_mb[-1]:.0f} MB at the end, {slope:+.2f} MB per 100 calls by regression",
        flush=True,
    )


def process_cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


async def generate(args: argparse.Namespace) -> Replayed:
    """Keep so many calls going until the time is over; each place plays one call after the other."""
    media = [read_call(path, caller_channel="left") for path in args.recordings]
    options = ReplayOptions(to=f"ws://127.0.0.1:{args.port}", protocol=args.protocol)
    outcome, calls = Replayed(), args.calls[0]

    async def place(number: int) -> None:
        await asyncio.sleep(args.spread_s * number / calls)
        for turn in itertools.count():
            call = media[(number + turn) % len(media)]
            await play_call(call, options, call_id=f"bench-{number}-{turn}", outcome=outcome)

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(args.seconds):
            await asyncio.gather(*(place(number) for number in range(calls)))
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure how many live calls one machine holds.")
    parser.add_argument("--calls", type=int, nargs="+", default=[10, 20, 30, 40], help="Numbers of calls to try.")
    parser.add_argument("--seconds", type=float, default=120.0, help="Measured time of each.")
    parser.add_argument("--spread-s", type=float, default=75.0, help="Time over which the calls begin.")
    parser.add_argument("--settle-s", type=float, default=10.0, help="Time after the last call began.")
    parser.add_argument(
        "--protocol",
        default="audiohook",
        choices=["twilio", "plivo", "audiohook", "l16"],
        help="twilio's 100 messages a second and call cost the generator as well (default audiohook)",
    )
    parser.add_argument("--caller-text-only", action="store_true", help="Transcribe the caller's side alone.")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--tick-s", type=float, default=PoolConfig().tick_s)
    parser.add_argument("--limit-s", type=float, default=2.0, help="Longest 95th percentile that holds.")
    parser.add_argument("--soak-minutes", type=float, default=0.0, help="Watch the memory for so long instead.")
    parser.add_argument("--recordings", type=Path, nargs="+", default=SAMPLES, help="Two-channel calls, caller left.")
    parser.add_argument("--generate", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.generate:
        outcome = asyncio.run(generate(args))
        args.generate.write_text(json.dumps({"behind_s": outcome.behind_s, "faults": outcome.faults}))
        return 0
    if args.soak_minutes:
        soak(args.calls[0], args)
        return 0
    print("calls  p50_s  p95_s  p99_s  coverage  cpus (generator)  hear recog underst  peak_MB  utterances", flush=True)
    best = 0
    for calls in args.calls:
        one = measure(calls, args)
        note = "" if one.kept_pace else f"  the generator was {one.behind_s:.2f} s behind: not a measurement"
        note += f"  {one.faults} connections failed" if one.faults else ""
        print(
            f"{calls:5d}  {one.quantiles_s[0]:5.2f}  {one.quantiles_s[1]:5.2f}  {one.quantiles_s[2]:5.2f}  "
            f"{one.coverage:8.4f}  {one.cpus:4.2f} ({one.generator_cpus:4.2f})       "
            f"{one.stages['hear']:4.2f}  {one.stages['recognize']:4.2f}    {one.stages['understand']:4.2f}  "
            f"{one.peak_mb:7.0f}  {one.utterances:10d}{note}",
            flush=True,
        )
        if one.holds(args.limit_s):
            best = max(best, calls)
    print(f"{best} calls hold: 95th percentile at most {args.limit_s:g} s, coverage 1.0", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

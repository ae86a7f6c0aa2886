"""Measure `voicepipe text`: processor and wall-clock time for 10,000 different lines, start-up included.

The lines are the sentences of the repository's evaluation sets in English, Russian and Chinese, each with a number of
its own. The modules are compiled beforehand, as an installation compiles them. Exit code 1 where the best run of a
format takes longer than the target.

    python scripts/bench_text.py --runs 3
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DATA = Path(__file__).resolve().parents[1] / "tests" / "speech" / "data"
TARGET_S = 5.0


def different_lines(count: int) -> bytes:
    """Return so many different lines."""
    sentences = [
        row.split("\t")[-1]
        for file in sorted(DATA.glob("intent_*.tsv"))
        for row in file.read_text(encoding="utf-8").splitlines()
        if row.strip() and not row.startswith("#")
    ]
    return "".join(f"{sentences[number % len(sentences)]} {number}\n" for number in range(count)).encode()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--lines", type=int, default=10_000)
    asked = parser.parse_args()
    text = different_lines(asked.lines)
    missed = False
    with tempfile.TemporaryDirectory() as compiled:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = compiled
        for format_ in ("jsonl", "table"):
            command = [sys.executable, "-m", "voicepipe.cli", "text", "--format", format_]
            subprocess.run(command, input=b"compile\n", capture_output=True, check=True, env=environment)
            best_s = float("inf")
            for _ in range(asked.runs):
                before, began_s = os.times(), time.monotonic()
                done = subprocess.run(command, input=text, capture_output=True, check=True, env=environment)
                wall_s, after = time.monotonic() - began_s, os.times()
                spent_s = after.children_user + after.children_system - before.children_user - before.children_system
                best_s = min(best_s, wall_s)
                print(
                    f"{format_:<6} {len(done.stdout.splitlines())} lines out: {spent_s:.2f} s of processor time, "
                    f"{wall_s:.2f} s by the clock; {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"
                )
            missed |= best_s > TARGET_S
            verdict = "MISSED" if best_s > TARGET_S else "met"
            print(f"{format_:<6} best: {best_s:.2f} s by the clock, target {TARGET_S} {verdict}", flush=True)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())

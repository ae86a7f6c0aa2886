"""Measure `voicepipe text`: processor and wall-clock time for 10,000 different lines, start-up included.

The lines are the sentences of the repository's evaluation sets in English, Russian and Chinese, each with a number of
its own. A first run, of one line, compiles the modules and the books of phrases (`voicepipe.speech.kept_books`); what
it takes is printed, too. Exit code 1 where the best run of a format takes longer than the target.

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


def measured(command: list[str], text: bytes, environment: dict[str, str]) -> tuple[int, float, float]:
    """Return how many lines a command gives for a text, and the seconds it takes: of processor time, by the clock."""
    before, began_s = os.times(), time.monotonic()
    done = subprocess.run(command, input=text, capture_output=True, check=True, env=environment)
    wall_s, after = time.monotonic() - began_s, os.times()
    spent_s = after.children_user + after.children_system - before.children_user - before.children_system
    return len(done.stdout.splitlines()), spent_s, wall_s


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
        command = [sys.executable, "-m", "voicepipe.cli", "text", "--format"]
        for run in ("first run", "second run"):
            _, spent_s, wall_s = measured([*command, "jsonl"], b"Hello\n", environment)
            print(f"one line, {run}: {spent_s:.2f} s of processor time, {wall_s:.2f} s by the clock", flush=True)
        for format_ in ("jsonl", "table"):
            best_s = float("inf")
            for _ in range(asked.runs):
                count, spent_s, wall_s = measured([*command, format_], text, environment)
                best_s = min(best_s, wall_s)
                print(
                    f"{format_:<6} {count} lines out: {spent_s:.2f} s of processor time, {wall_s:.2f} s by the clock; "
                    f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"
                )
            missed |= best_s > TARGET_S
            verdict = "MISSED" if best_s > TARGET_S else "met"
            print(f"{format_:<6} best: {best_s:.2f} s by the clock, target {TARGET_S} {verdict}", flush=True)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())

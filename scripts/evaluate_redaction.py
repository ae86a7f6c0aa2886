"""Measure the redaction: recall by kind, language and form, and how much of ordinary talk is masked.

The calls are in tests/speech/redaction: ``dev.*.txt`` for work on the rules, ``heldout.*.txt`` to judge them. Each file
holds calls separated by empty lines, ``<kind:...>`` around what must go; a call after a line ``# split`` reads its
numbers out in pieces. A piece counts as masked when none of its letters and digits is left. Exit code 1 where a target
is missed.

    python scripts/evaluate_redaction.py            # held-out calls
    python scripts/evaluate_redaction.py --set dev --show
"""

import argparse
import math
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voicepipe.speech.redact import Redactor
from voicepipe.types import Channel, Transcript

CALLS = Path(__file__).resolve().parents[1] / "tests" / "speech" / "redaction"
MIN_RECALL = 0.98
MAX_FALSE_RATE = 0.01
TARGET_KINDS = ("card", "phone", "email", "id")
_SECRET = re.compile(r"<([a-z_]+):(.*?)>")
_WORD = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+")


@dataclass(frozen=True, slots=True)
class Line:
    """An utterance with the places of its secrets."""

    channel: Channel
    text: str
    secrets: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A call of the evaluation set."""

    language: str
    split: bool
    lines: tuple[Line, ...]


def read_calls(name: str) -> Iterator[Dialogue]:
    """Yield the calls of a set, ``dev`` or ``heldout``."""
    for path in sorted(CALLS.glob(f"{name}.*.txt")):
        language = path.suffixes[-2][1:]
        for block in re.split(r"\n\s*\n", path.read_text(encoding="utf-8")):
            rows = [row for row in block.splitlines() if row.strip()]
            lines = tuple(_line(row) for row in rows if not row.startswith("#"))
            if lines:
                yield Dialogue(language, any(row.strip() == "# split" for row in rows), lines)


def _line(row: str) -> Line:
    channel, _, marked = row.partition(": ")
    text, secrets, place = "", [], 0
    for found in _SECRET.finditer(marked):
        text += marked[place : found.start()]
        secrets.append((found[1], len(text), len(text) + len(found[2])))
        text += found[2]
        place = found.end()
    return Line(Channel(channel), text + marked[place:], tuple(secrets))


def interval(hits: int, total: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a proportion (Wilson, JASA 22, 1927)."""
    if not total:
        return 0.0, 1.0
    z, share = 1.96, hits / total
    middle = share + z * z / (2 * total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def form_of(dialogue: Dialogue, said: str) -> str:
    """Return ``split``, ``written`` or ``spoken``."""
    if dialogue.split:
        return "split"
    return "written" if re.search(r"[\d@]", said) else "spoken"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", default="heldout", choices=("dev", "heldout"))
    parser.add_argument("--show", action="store_true", help="print what was missed and what was masked for nothing")
    asked = parser.parse_args()

    masked: Counter[tuple[str, str, str]] = Counter()
    planted: Counter[tuple[str, str, str]] = Counter()
    typed = 0
    false_words: Counter[str] = Counter()
    words: Counter[str] = Counter()
    lines, seconds = 0, 0.0
    for dialogue in read_calls(asked.set):
        redactor = Redactor()
        for line in dialogue.lines:
            begun = time.process_time()
            result = redactor.redact(Transcript(text=line.text, language=dialogue.language), channel=line.channel)
            seconds += time.process_time() - begun
            lines += 1
            covered = [False] * len(line.text)
            for one in result.redactions:
                covered[one.start : one.end] = [True] * (one.end - one.start)
            for kind, start, end in line.secrets:
                key = (kind, dialogue.language, form_of(dialogue, line.text[start:end]))
                planted[key] += 1
                gone = all(covered[place] for place in range(start, end) if line.text[place].isalnum())
                masked[key] += gone
                typed += any(one.kind == kind and one.start < end and start < one.end for one in result.redactions)
                if asked.show and not gone:
                    print(f"MISSED {kind:<14}{line.text}  ->  {result.text}")
            for found in _WORD.finditer(line.text):
                if any(start < found.end() and found.start() < end for _, start, end in line.secrets):
                    continue
                words[dialogue.language] += 1
                wrong = all(covered[found.start() : found.end()])
                false_words[dialogue.language] += wrong
                if asked.show and wrong:
                    print(f"FALSE  {found.group():<14}{line.text}  ->  {result.text}")

    failed = False
    print(f"{'kind':<15}{'language':<10}{'form':<9}{'pieces':>7}{'recall':>8}")
    for key in sorted(planted):
        print(f"{key[0]:<15}{key[1]:<10}{key[2]:<9}{planted[key]:>7}{masked[key] / planted[key]:>8.3f}")
    for kind in (*TARGET_KINDS, *sorted({key[0] for key in planted} - set(TARGET_KINDS))):
        total = sum(planted[key] for key in planted if key[0] == kind)
        hits = sum(masked[key] for key in planted if key[0] == kind)
        low, high = interval(hits, total)
        missed = kind in TARGET_KINDS and hits < MIN_RECALL * total
        failed |= missed
        target = f"  target {MIN_RECALL}{': MISSED' if missed else ''}" if kind in TARGET_KINDS else ""
        print(f"recall {kind:<14}{hits:>4} of {total:<4} {hits / max(total, 1):.3f} [{low:.3f}, {high:.3f}]{target}")
    for language in sorted(words):
        low, high = interval(false_words[language], words[language])
        rate = false_words[language] / words[language]
        failed |= rate > MAX_FALSE_RATE
        missed_text = ": MISSED" if rate > MAX_FALSE_RATE else ""
        print(
            f"false redactions {language}: {false_words[language]} of {words[language]} words outside of secrets, "
            f"{rate:.4f} [{low:.4f}, {high:.4f}], target {MAX_FALSE_RATE}{missed_text}"
        )
    print(f"right kind: {typed} of {planted.total()}; {lines} lines in {seconds:.2f} s CPU")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

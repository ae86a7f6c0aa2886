"""How well requests for a human are found: precision and recall per language, on sentences written for it.

    python scripts/evaluate_intent.py            # figures, and what was missed of the development sentences
    python scripts/evaluate_intent.py --all      # the held-out misses, too: then they are no longer held out
    python scripts/evaluate_intent.py FILE...    # other sentences: kind, phenomenon, sentence, parted by tabs

A line of ``tests/speech/data/intent_LANGUAGE_SET.tsv`` has what is asked for (``human``, ``supervisor``, ``complaint``,
or ``-`` for nothing), the phenomenon, and the sentence. About half of the sentences are near misses. The rules are
tuned and the model is trained on ``dev``, so its figures say only that nothing broke. ``heldout`` was written before
the rules that it measures and its misses were not looked at, but by hands that knew the task; its figures were seen
while rules were tuned and thresholds set. ``independent`` and ``unseen`` are by another hand (their kinds are not told
apart: all are ``human``): the first was written after the rules, the second after the model, which was measured on it
once, when it was done; then the doubt thresholds of English and Russian went from -1 to -0.5, for what ``dev`` showed,
with ``heldout`` in view. When ``dev`` got its group ``classes``, the thresholds were set anew with the totals of all
sets in view, and the phenomena and scores (not the words) of three false alarms of ``intent_ru_heldout``. The totals of
``independent`` were seen twice while the model was being chosen, so they are a little too good. They say what to
expect. Exit code 1 if a file other than ``dev`` misses a target or is too small to tell.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from voicepipe.speech.intent import KINDS, IntentConfig, IntentDetector

PRECISION_MIN, RECALL_MIN = 0.97, 0.90
HELD_OUT = ("heldout", "independent", "unseen")
HELD_OUT_MIN = 150
"""Sentences a language that a verdict needs: with 75 requests, a recall of 0.90 is known to 0.07 (95 %)."""
DATA = Path(__file__).resolve().parents[1] / "tests" / "speech" / "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence, what it asks for (None: nothing), and what is remarkable about it."""

    kind: str | None
    phenomenon: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Counts of one file, and its misses in words."""

    sentences: int
    asking: int
    found: int
    false: int
    wrong_kind: int
    misses: tuple[str, ...]

    @property
    def precision(self) -> float:
        """Share of real requests among those found."""
        return self.found / (self.found + self.false) if self.found + self.false else 1.0

    @property
    def recall(self) -> float:
        """Share of the real requests that were found."""
        return self.found / self.asking if self.asking else 1.0


def read_sentences(path: Path) -> list[Sentence]:
    """Read a file of sentences; an unknown kind or a missing field ends the program."""
    sentences = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        kind, phenomenon, text = line.split("\t") if line.count("\t") == 2 else ("", "", "")
        if kind not in (*KINDS, "-"):
            sys.exit(f"{path}:{number}: expected kind, phenomenon and sentence, parted by tabs.")
        sentences.append(Sentence(kind=None if kind == "-" else kind, phenomenon=phenomenon, text=text))
    return sentences


def evaluate(sentences: Sequence[Sentence], detector: IntentDetector, *, language: str | None) -> Result:
    """Compare what is found with what is asked for."""
    found = false = wrong = 0
    misses = []
    for sentence in sentences:
        request = detector.detect(sentence.text, language=language)
        if request is None and sentence.kind is not None:
            misses.append(f"missed     [{sentence.phenomenon}] {sentence.text}")
        elif request is not None and sentence.kind is None:
            false += 1
            misses.append(f"false      [{sentence.phenomenon}] {sentence.text} <- {request.rule}: {request.quote}")
        elif request is not None:
            found += 1
            if request.kind != sentence.kind:
                wrong += 1
                misses.append(f"wrong kind [{sentence.phenomenon}] {sentence.text} <- {request.kind}, {request.rule}")
    return Result(
        sentences=len(sentences),
        asking=sum(sentence.kind is not None for sentence in sentences),
        found=found,
        false=false,
        wrong_kind=wrong,
        misses=tuple(misses),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="files named ..._LANGUAGE_SET.tsv, else those of the tests")
    parser.add_argument("--all", action="store_true", help="show the misses of held-out files, too")
    parser.add_argument("--rules-only", action="store_true", help="leave the model out")
    parser.add_argument("--auto", action="store_true", help="let the language be told from the letters")
    arguments = parser.parse_args()
    detector = IntentDetector.load(IntentConfig(rules_only=arguments.rules_only))
    missed = False
    print(f"{'file':<24} {'sentences':>9} {'requests':>8} {'precision':>9} {'recall':>7} {'wrong kind':>10}")
    for path in arguments.files or sorted(DATA.glob("intent_*.tsv")):
        languages = [part for part in path.stem.split("_") if part in detector.languages]
        language = languages[0] if languages and not arguments.auto else None
        result = evaluate(read_sentences(path), detector, language=language)
        held_out = path.stem.endswith(HELD_OUT)
        short = result.precision < PRECISION_MIN or result.recall < RECALL_MIN
        few = held_out and result.sentences < HELD_OUT_MIN
        missed |= (short or few) and (held_out or bool(arguments.files))
        remark = "  too few sentences" if few else "  below the target" if short else ""
        print(
            f"{path.stem:<24} {result.sentences:>9} {result.asking:>8} {result.precision:>9.3f} {result.recall:>7.3f} "
            f"{result.wrong_kind:>10}{remark}{'' if held_out or arguments.files else '  (tuned on)'}"
        )
        if arguments.all or not held_out:
            for miss in result.misses:
                print(f"    {miss}")
    print(f"Targets: precision {PRECISION_MIN}, recall {RECALL_MIN}.")
    if missed:
        sys.exit(1)


if __name__ == "__main__":
    main()

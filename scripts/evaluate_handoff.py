"""How much of what the next agent should know stands in the handoff: found of all labelled, per language and part.

    python -m scripts.evaluate_handoff           # figures
    python -m scripts.evaluate_handoff --misses  # and what was missed, of all but the held-out dialogues

The dialogues of ``tests/conversation/data`` are labelled with words that a part of the handoff must hold; a label is
found if one quote of its part holds them. "Other" counts the quotes of what was tried and promised that hold no label:
what the agent did is among them, and what is wrong. The folder ``blind`` was written and labelled by another hand than
the cues, which were then tuned on it; ``heldout`` was written before that by the hand that tuned them, so it flatters;
``independent`` was written by another hand when the cues stood: it says what to expect.
"""

import argparse
from collections import Counter
from collections.abc import Iterable

from tests.conversation.dialogues import BLIND, HELDOUT, INDEPENDENT, LANGUAGES, ROUNDS, Dialogue, dialogues
from voicepipe.conversation import handoff
from voicepipe.conversation.note import Handoff
from voicepipe.conversation.wording import count_words

PARTS = ("wants", "tried", "promises")


def held(found: Handoff, part: str, words: str) -> bool:
    """Tell whether one quote of this part of a handoff holds these words."""
    return any(words in quote.text for quote in getattr(found, part))


def evaluate(spoken: Iterable[Dialogue]) -> tuple[Counter[str], Counter[str], list[str], int]:
    """Return what was found and what is labelled in each part, the misses in words, and the longest note's words.

    What was found has one more entry, ``other``.
    """
    hits: Counter[str] = Counter()
    labelled: Counter[str] = Counter()
    misses, longest = [], 0
    for dialogue in spoken:
        found = handoff(dialogue.utterances)
        longest = max(longest, count_words(found.to_text()))
        texts = [words for _, words in dialogue.expected]
        hits["other"] += sum(all(t not in q.text for t in texts) for q in (*found.tried, *found.promises))
        for part, words in dialogue.expected:
            if part not in PARTS or words == "-":
                continue
            labelled[part] += 1
            hits[part] += held(found, part, words)
            if not held(found, part, words):
                misses.append(f"{dialogue.name}: {part}: {words} <- {[q.text for q in getattr(found, part)]}")
    return hits, labelled, misses, longest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--misses", action="store_true", help="show what was missed; never of the held-out dialogues")
    arguments = parser.parse_args()
    print(f"{'set':<12} {'':<3} {'wants':>8} {'tried':>8} {'promises':>8} {'other':>6} {'longest note':>13}")
    for name, folders in (
        ("development", ROUNDS),
        ("blind", (BLIND,)),
        ("held-out", (HELDOUT,)),
        ("independent", (INDEPENDENT,)),
    ):
        for language in LANGUAGES:
            spoken = [dialogue for folder in folders for dialogue in dialogues(language, folder)]
            hits, labelled, misses, longest = evaluate(spoken)
            shares = " ".join(f"{f'{hits[part]}/{labelled[part]}':>8}" for part in PARTS)
            print(f"{name:<12} {language:<3} {shares} {hits['other']:>6} {longest:>13}")
            if arguments.misses and name not in ("held-out", "independent"):
                print("".join(f"    {miss}\n" for miss in misses), end="")


if __name__ == "__main__":
    main()

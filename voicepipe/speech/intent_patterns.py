"""What a model of requests for a human sees in an utterance beside its spelling: what the words do in a request.

The rules of `voicepipe.speech.intent` know whole phrases. The model knows *concepts*, lists of words that do the same
("nurse", "solicitor" and "driver" are roles; "patch me" and "connect" put a caller through), in data files beside the
rules. The concepts of a text, their order and their neighbourhood carry over to wording that nobody foresaw.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from voicepipe.speech.phrases import PhraseBook
from voicepipe.speech.tokens import HARD_BREAK, SOFT_BREAK, TokenizedText

SECTIONS: dict[str, dict[str, type | tuple[type, ...]]] = {"target": {}, "context": {}}
"""Kinds of concepts in the files: a text without a target (a person, a transfer, a complaint ...) asks for nobody."""
PAIR_TOKENS = 8
"""Concepts with at most so many tokens between them are looked at together."""

_LENGTH_STEPS = (1, 2, 3, 4, 6, 8, 11, 15, 22, 31)


class Concept(NamedTuple):
    """A concept in a text: the tokens it covers, half open, and its name in the file."""

    start: int
    end: int
    name: str


def read_patterns(book: PhraseBook, heard: TokenizedText) -> dict[str, int] | None:
    """Return what concepts a text has, which follow which, and which words stand beside them.

    Parameters
    ----------
    book : PhraseBook
        With the sections of `SECTIONS`.
    heard : TokenizedText
        Made by the book's tokenizer.

    Returns
    -------
    dict of str to int or None
        The patterns, each with the index of a token; None where there is no target.
    """
    concepts = _concepts(book, heard, "target")
    if not concepts:
        return None
    concepts = sorted({*concepts, *_concepts(book, heard, "context")})
    return _patterns(heard.tokens, concepts, asked="?" in heard.original or "？" in heard.original)


def _concepts(book: PhraseBook, heard: TokenizedText, section: str) -> list[Concept]:
    return [
        Concept(first, last, rule.name) for rule, places in book.find_tokens(section, heard) for first, last in places
    ]


def _patterns(tokens: Sequence[str], concepts: Sequence[Concept], *, asked: bool) -> dict[str, int]:
    """Return the patterns of a text; its concepts come in their order."""
    found: dict[str, int] = {}
    for start, _, name in concepts:
        found.setdefault(f"P:{name}", start)
    sentence = [0, *accumulate([token == HARD_BREAK for token in tokens])]
    for _, end, one in concepts:
        for start, _, two in concepts:
            gap = start - end
            if gap > PAIR_TOKENS:
                break
            if gap >= 0 and sentence[end] == sentence[start]:
                found.setdefault(f"O:{one}>{two}", start)
                if gap <= 1:
                    found.setdefault(f"N:{one}>{two}", start)
    labels, places = _sequence(tokens, concepts)
    seconds, thirds = labels[1:], labels[2:]
    for label, at in zip(labels, places, strict=True):
        found.setdefault(f"S:{label}", at)
    for one, two, at in zip(labels, seconds, (places[1], *places[1:]), strict=False):
        found.setdefault(f"S:{one} {two}", at)
    for one, two, three, at in zip(labels, seconds, thirds, (places[2], *places[1:]), strict=False):
        found.setdefault(f"S:{one} {two} {three}", at)
    for one, two, at in zip(labels, thirds, places[2:], strict=False):
        found.setdefault(f"G:{one} _ {two}", at)
    if asked:
        found["?"] = 0
    words = sum([token[0] != "[" and token != SOFT_BREAK and token != HARD_BREAK for token in tokens])
    found[f"L:{bisect_right(_LENGTH_STEPS, words)}"] = 0
    return found


def _sequence(tokens: Sequence[str], concepts: Sequence[Concept]) -> tuple[list[str], list[int]]:
    """Return the text with its concepts in place of their words, the longest of those that begin at a word; and where.

    The text has at least one word, and its edges are labels, too.
    """
    longest: dict[int, tuple[int, str]] = {}
    for start, end, name in concepts:
        if end > longest.get(start, (0, ""))[0]:
            longest[start] = end, name
    labels, places = ["^"], [0]
    at = 0
    while at < len(tokens):
        places.append(at)
        if at in longest:
            at, name = longest[at]
            labels.append(name.upper())
        else:
            token = tokens[at]
            labels.append("0" if token[0].isdecimal() else token)
            at += 1
    return [*labels, "$"], [*places, len(tokens) - 1]

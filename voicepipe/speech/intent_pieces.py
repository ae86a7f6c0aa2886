"""What a model of requests for a human looks at in an utterance: its words, and what they do in a request.

The rules of `voicepipe.speech.intent` know whole phrases. The model knows *concepts*, lists of words that do the same
("nurse", "solicitor" and "driver" are roles; "patch me" and "connect" put a caller through), in data files beside the
rules. The concepts of a text, their order and their neighbourhood carry over to wording that nobody foresaw.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NamedTuple
from zlib import crc32

from voicepipe.speech.phrases import PhraseBook
from voicepipe.speech.tokens import HARD_BREAK, SOFT_BREAK, TokenizedText

SECTIONS: dict[str, dict[str, type | tuple[type, ...]]] = {"target": {}, "context": {}}
"""Kinds of concepts in the files: a text without a target (a person, a transfer, a complaint ...) asks for nobody."""
HASH_BITS = 16
"""Pieces share ``2 ** HASH_BITS`` weights a language."""
PAIR_TOKENS = 8
"""Concepts with at most so many tokens between them are looked at together."""

_MASK = (1 << HASH_BITS) - 1
_SPELLED = (3, 4, 5)
_HAN_SPELLED = (1, 2, 3, 4)
_LENGTH_STEPS = (1, 2, 3, 4, 6, 8, 11, 15, 22, 31)


class Concept(NamedTuple):
    """A concept in a text: the tokens it covers, half open, and its name in the file."""

    start: int
    end: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """What a model weighs.

    Attributes
    ----------
    units : list of (str, int)
        Words and pairs of words (Chinese: sequences of characters), each with the index of its first token; `spelling`
        takes them apart.
    patterns : dict of str to int
        What concepts there are, which follow which, and which words stand beside them; each with the index of a token.
    """

    units: list[tuple[str, int]]
    patterns: dict[str, int]


def read_pieces(book: PhraseBook, heard: TokenizedText) -> Pieces | None:
    """Return the pieces of a text, or None where it has no target.

    Parameters
    ----------
    book : PhraseBook
        With the sections of `SECTIONS`.
    heard : TokenizedText
        Made by the book's tokenizer.
    """
    first_at = {start: index for index, start in enumerate(heard.starts)} | {len(heard.text): len(heard.starts)}
    concepts = _concepts(book, heard, "target", first_at)
    if not concepts:
        return None
    concepts = sorted({*concepts, *_concepts(book, heard, "context", first_at)})
    tokens = heard.tokens
    shown = [
        "" if token[0] == "[" or token in (HARD_BREAK, SOFT_BREAK) else "0" if token[0].isdecimal() else token
        for token in tokens
    ]
    return Pieces(
        units=_han_units(shown) if book.script == "han" else _units(shown),
        patterns=_patterns(tokens, shown, concepts, asked="?" in heard.original or "？" in heard.original),
    )


def spelling(unit: str, *, words_apart: bool) -> tuple[int, ...]:
    """Return which of the ``2 ** HASH_BITS`` weights a unit has; a word also has those of its sequences of letters."""
    strings = [unit]
    if words_apart and " " not in unit:
        padded = f" {unit} "
        strings += [padded[at : at + n] for n in _SPELLED for at in range(len(padded) - n + 1)]
    return tuple(buckets(strings))


def buckets(pieces: Iterable[str]) -> list[int]:
    """Return which of the ``2 ** HASH_BITS`` weights each piece has."""
    return [crc32(piece.encode()) & _MASK for piece in pieces]


def bucket(piece: str) -> int:
    """Return which of the ``2 ** HASH_BITS`` weights a piece has."""
    return buckets([piece])[0]


def _concepts(book: PhraseBook, heard: TokenizedText, section: str, first_at: Mapping[int, int]) -> list[Concept]:
    return [
        Concept(first_at[start], first_at[end], rule.name)
        for rule, spans in book.find(section, heard)
        for start, end in spans
    ]


def _units(shown: Sequence[str]) -> list[tuple[str, int]]:
    words = [(word, index) for index, word in enumerate(shown) if word]
    return words + [(f"{one} {two}", index) for index, (one, two) in enumerate(pairwise(shown))]


def _han_units(shown: Sequence[str]) -> list[tuple[str, int]]:
    return [
        ("".join(shown[index : index + length]), index)
        for length in _HAN_SPELLED
        for index in range(len(shown) - length + 1)
        if shown[index]
    ]


def _patterns(
    tokens: Sequence[str], shown: Sequence[str], concepts: Sequence[Concept], *, asked: bool
) -> dict[str, int]:
    found: dict[str, int] = {}
    for start, _, name in concepts:
        found.setdefault(f"P:{name}", start)
    sentence = [0, *accumulate([token == HARD_BREAK for token in tokens])]
    for _, end, one in concepts:
        for start, _, two in concepts:
            gap = start - end
            if 0 <= gap <= PAIR_TOKENS and sentence[end] == sentence[start]:
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
    words = len(shown) - shown.count("")
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

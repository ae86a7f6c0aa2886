"""What a model of requests for a human looks at in an utterance: its words, and what they do in a request.

The rules of `voicepipe.speech.intent` know whole phrases. The model knows *concepts*, lists of words that do the same
("nurse", "solicitor" and "driver" are roles; "patch me" and "connect" put a caller through), in data files beside the
rules. The concepts of a text, their order and their neighbourhood carry over to wording that nobody foresaw.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from voicepipe.speech.phrases import PhraseBook
from voicepipe.speech.tokens import HARD_BREAK, SOFT_BREAK, TokenizedText

SECTIONS: dict[str, dict[str, type | tuple[type, ...]]] = {"target": {}, "context": {}}
"""Kinds of concepts in the files: a text without a target (a person, a transfer, a complaint ...) asks for nobody."""
HASH_BITS = 16
"""Pieces share ``2 ** HASH_BITS`` weights a language."""
PAIR_TOKENS = 8
"""Concepts with at most so many tokens between them are looked at together."""

_SPELLED = (3, 4, 5)
_HAN_SPELLED = (1, 2, 3, 4)
_LENGTH_STEPS = (1, 2, 3, 4, 6, 8, 11, 15, 22, 31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """A concept in a text: its name in the file, and the tokens it covers, half open."""

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
    targets = list(_concepts(book, heard, "target"))
    if not targets:
        return None
    concepts = sorted(
        {*targets, *_concepts(book, heard, "context")}, key=lambda concept: (concept.start, concept.end, concept.name)
    )
    tokens = heard.tokens
    shown = [
        "" if token[0] == "[" or token in (HARD_BREAK, SOFT_BREAK) else "0" if token[0].isdecimal() else token
        for token in tokens
    ]
    return Pieces(
        units=list(_han_units(shown) if book.script == "han" else _units(shown)),
        patterns=_patterns(tokens, shown, concepts, asked="?" in heard.original or "？" in heard.original),
    )


def spelling(unit: str, *, words_apart: bool) -> tuple[int, ...]:
    """Return which of the ``2 ** HASH_BITS`` weights a unit has; a word also has those of its sequences of letters."""
    strings = [unit]
    if words_apart and " " not in unit:
        padded = f" {unit} "
        strings += [padded[at : at + n] for n in _SPELLED for at in range(len(padded) - n + 1)]
    return tuple(map(bucket, strings))


def bucket(piece: str) -> int:
    """Return which of the ``2 ** HASH_BITS`` weights a piece has."""
    return zlib.crc32(piece.encode()) & ((1 << HASH_BITS) - 1)


def _concepts(book: PhraseBook, heard: TokenizedText, section: str) -> Iterator[Concept]:
    first_at = {start: index for index, start in enumerate(heard.starts)} | {len(heard.text): len(heard.starts)}
    for rule, spans in book.find(section, heard):
        for start, end in spans:
            yield Concept(start=first_at[start], end=first_at[end], name=rule.name)


def _units(shown: Sequence[str]) -> Iterator[tuple[str, int]]:
    yield from ((word, index) for index, word in enumerate(shown) if word)
    yield from ((f"{one} {two}", index) for index, (one, two) in enumerate(pairwise(shown)))


def _han_units(shown: Sequence[str]) -> Iterator[tuple[str, int]]:
    for length in _HAN_SPELLED:
        yield from (
            ("".join(shown[index : index + length]), index) for index in range(len(shown) - length + 1) if shown[index]
        )


def _patterns(
    tokens: Sequence[str], shown: Sequence[str], concepts: Sequence[Concept], *, asked: bool
) -> dict[str, int]:
    found: dict[str, int] = {}
    for concept in concepts:
        found.setdefault(f"P:{concept.name}", concept.start)
    sentence = [0]
    for token in tokens:
        sentence.append(sentence[-1] + (token == HARD_BREAK))
    for one in concepts:
        for two in concepts:
            gap = two.start - one.end
            if 0 <= gap <= PAIR_TOKENS and sentence[one.end] == sentence[two.start]:
                found.setdefault(f"O:{one.name}>{two.name}", two.start)
                if gap <= 1:
                    found.setdefault(f"N:{one.name}>{two.name}", two.start)
    sequence = [("^", 0), *_sequence(tokens, concepts), ("$", len(tokens) - 1)]
    labels = [label for label, _ in sequence]
    for length in (1, 2, 3):
        for at in range(len(sequence) - length + 1):
            found.setdefault(f"S:{' '.join(labels[at : at + length])}", sequence[at + (length - 1) * (at == 0)][1])
    for at in range(len(sequence) - 2):
        found.setdefault(f"G:{labels[at]} _ {labels[at + 2]}", sequence[at + 2][1])
    if asked:
        found["?"] = 0
    words = sum(map(bool, shown))
    found[f"L:{sum(words >= step for step in _LENGTH_STEPS)}"] = 0
    return found


def _sequence(tokens: Sequence[str], concepts: Sequence[Concept]) -> Iterator[tuple[str, int]]:
    """Yield the text with its concepts in place of their words, the longest of those that begin at a word."""
    longest: dict[int, Concept] = {}
    for concept in concepts:
        if concept.start not in longest or concept.end > longest[concept.start].end:
            longest[concept.start] = concept
    at = 0
    while at < len(tokens):
        if at in longest:
            yield longest[at].name.upper(), at
            at = longest[at].end
        else:
            yield "0" if tokens[at][0].isdecimal() else tokens[at], at
            at += 1

"""How what is said is spelled, as the models of words take it in: hashed words, pairs of words and bits of words.

A *unit* of a text is a word or two neighbouring words; where words are not set apart (Chinese), one to four characters
in a row. Each unit has a *bucket*, one of ``2 ** bits`` weights that all units share [1]_; a word has further ones,
those of its three to five letters in a row. Numbers are all alike, marks and punctuation are no words.

References
----------
.. [1] Weinberger et al., "Feature hashing for large scale multitask learning", ICML 2009.
"""

from array import array
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple
from zlib import crc32

from voicepipe.speech.tokens import HARD_BREAK, SOFT_BREAK
from voicepipe.types import DoubleArray

CACHED_WORDS = 20_000
"""Words that a language keeps at hand with what they weigh: a word has a dozen buckets, any other unit has one."""

_LETTERS = (3, 4, 5)
_CHARACTERS = 4


def units(tokens: Sequence[str], *, words_apart: bool) -> list[tuple[str, int]]:
    """Return the units of a text, each with the index of its first token.

    Parameters
    ----------
    tokens : sequence of str
        As `voicepipe.speech.tokens.Tokenizer` makes them.
    words_apart : bool
    """
    shown = [_shown(token) for token in tokens]
    words = [(word, index) for index, word in enumerate(shown) if word]
    if words_apart:
        return words + [(f"{one} {two}", index) for index, (one, two) in enumerate(pairwise(shown))]
    return words + [
        ("".join(shown[index : index + length]), index)
        for length in range(2, _CHARACTERS + 1)
        for index in range(len(shown) - length + 1)
        if shown[index]
    ]


def spelling(unit: str, *, words_apart: bool, bits: int) -> list[int]:
    """Return the buckets of a unit; where words are set apart, those of a word's letters, too."""
    strings = [unit]
    if words_apart and " " not in unit:
        padded = f" {unit} "
        strings += [padded[at : at + n] for n in _LETTERS for at in range(len(padded) - n + 1)]
    return buckets(strings, bits=bits)


def buckets(pieces: Iterable[str], *, bits: int) -> list[int]:
    """Return which of ``2 ** bits`` weights each piece has."""
    mask = (1 << bits) - 1
    return [crc32(piece.encode()) & mask for piece in pieces]


class Spelled(NamedTuple):
    """What the spelling of a text weighs: of each unit its first token and its weight, and the number of buckets."""

    firsts: list[int]
    weights: list[float]
    size: int


class _Word(NamedTuple):
    """What a token weighs by itself, with how many buckets; its characters, and the hash of these and a space."""

    weight: float
    size: int
    characters: bytes
    begun: int


class SpellingWeights:
    """Weighs the spelling of texts in one language; safe to use from several threads.

    Parameters
    ----------
    weights : ndarray, shape (2 ** bits,), float64
        By bucket.
    words_apart : bool

    Attributes
    ----------
    by_bucket : sequence of float
    """

    def __init__(self, weights: DoubleArray, *, words_apart: bool) -> None:
        self._words_apart = words_apart
        self.by_bucket = by_bucket = array("d", weights)
        self._mask = len(by_bucket) - 1
        bits = self._mask.bit_length()

        @lru_cache(maxsize=CACHED_WORDS)
        def known(token: str) -> _Word:
            word = _shown(token)
            if word and word != token:
                return known(word)  # all numbers are one
            found = spelling(word, words_apart=words_apart, bits=bits) if word else []
            return _Word(sum([by_bucket[one] for one in found]), len(found), word.encode(), crc32(f"{word} ".encode()))

        self._known = known

    def weigh(self, tokens: Sequence[str]) -> Spelled:
        """Return what the `units` of a text weigh, in their order; a unit weighs the sum of its `spelling`.

        A hash of two words goes on from the hash of the first (CRC-32 is computed from left to right), so no unit is
        ever put together.
        """
        if not tokens:
            return Spelled([], [], 0)
        by_bucket, mask = self.by_bucket, self._mask
        own, sizes, characters, begun = zip(*map(self._known, tokens), strict=True)
        firsts = [index for index, size in enumerate(sizes) if size]
        weights = list(own) if len(firsts) == len(own) else [own[index] for index in firsts]
        if self._words_apart:
            pairs = [by_bucket[crc32(two, one) & mask] for one, two in zip(begun, characters[1:], strict=False)]
            return Spelled([*firsts, *range(len(pairs))], weights + pairs, sum(sizes) + len(pairs))
        words = firsts
        hashes = list(map(crc32, characters))
        for length in range(1, _CHARACTERS):
            hashes = list(map(crc32, characters[length:], hashes))
            words = [index for index in words if index < len(hashes)]
            firsts = firsts + words
            weights += [by_bucket[hashes[index] & mask] for index in words]
        return Spelled(firsts, weights, len(weights))


def _shown(token: str) -> str:
    """Return a token as a unit has it: numbers 0, nothing of marks and breaks."""
    if token[0] == "[" or token in (HARD_BREAK, SOFT_BREAK):
        return ""
    return "0" if token[0].isdecimal() else token

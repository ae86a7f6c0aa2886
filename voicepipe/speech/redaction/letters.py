"""Letters that are part of a number: "GB 29 NWBK", "D as in delta, five five zero", "quebec quebec 12 charlie"."""

import re
from collections.abc import Iterable, Mapping

from voicepipe.speech.redaction.kinds import Kind
from voicepipe.speech.redaction.lexicon import ROLE, Cue, Tokens
from voicepipe.speech.redaction.spoken_numbers import Atom, Run

LETTERED = frozenset({Kind.ID, Kind.IBAN, Kind.ACCOUNT, Kind.NUMBER})
"""Kinds of numbers that may have letters of their own."""
_SPELLED = frozenset({Kind.ID, Kind.IBAN})  # may be spelled with words for letters, and with pauses
_THEN = frozenset({"then", "and", "затем", "потом", "дальше", "и"})
_CONSONANTS = frozenset("bcdfghjklmnpqrstvwxz")
_MAX_PARTS = 24  # letters, and numbers between letters, that are part of a number
_IBAN_COUNTRIES = re.compile(  # SWIFT, IBAN Registry (ISO 13616-1)
    "a[deltz]|b[aeghry]|c[hryz]|d[eko]|e[egs]|f[ior]|g[beilrt]|h[ru]|i[elqst]|jo|k[wz]|l[bcituvy]|m[cdekrtu]|n[lo]"
    "|p[klst]|qa|r[os]|s[acdeikmtv]|t[lnr]|ua|v[ag]|xk"
)
_WORDS = frozenset({"ad", "at", "be", "by", "do", "eg", "ie", "is", "it", "me", "mr", "no", "ps", "st"})
_FOREIGN_WORDS = frozenset({"al", "de", "es", "il", "li", "lu", "sa", "se", "si", "va"})
_CHECK_LETTERS = frozenset({"x", "叉", "埃克斯", "艾克斯", "х", "икс"})


class Letters:
    """Decides which letters of one utterance belong to the numbers beside them.

    Parameters
    ----------
    tokens : Tokens
    atom_at : mapping of int to Atom
        The number that a token is part of.
    cues : iterable of Cue
        What announces a number; the letters of "PIN" belong to none.
    """

    def __init__(self, tokens: Tokens, atom_at: Mapping[int, Atom], cues: Iterable[Cue]) -> None:
        self._tokens, self._atom_at = tokens, atom_at
        self._in_cue = {index for cue in cues for index in range(cue.first, cue.last)}
        self._count: int | None = None

    def touching(self, piece: Run) -> tuple[int, int]:
        """Return the tokens of a number, half open, with what it is written together with."""
        tokens, first, last = self._tokens, piece.first, piece.last
        while piece.first - first < _MAX_PARTS and tokens.touches(first) and tokens.sorts[first - 1] in "wd":
            first -= 1
        while (
            last - piece.last < _MAX_PARTS
            and last < len(tokens)
            and tokens.touches(last)
            and tokens.sorts[last] in "wd"
        ):
            last += 1
        return first, last

    def around(self, piece: Run, kind: Kind) -> tuple[int, int]:
        """Return the tokens of a number, half open, with all letters that belong to it."""
        tokens = self._tokens
        first, last = piece.first, piece.last
        for _ in range(_MAX_PARTS):
            before = first - 1
            if before >= 0 and tokens.touches(first) and tokens.sorts[before] in "wd":
                first = before
                continue
            place = self._part_before(first, kind, own=piece.first)
            if place is None:
                break
            first = place
        for _ in range(_MAX_PARTS):
            if last < len(tokens) and tokens.touches(last) and tokens.sorts[last] in "wd":
                last += 1
                continue
            place = self._part_after(last, kind)
            if place is None:
                break
            last = place
        if kind is Kind.ID and self.check_at(last):
            last += 1
        return first, last

    def stand_at(self, index: int) -> bool:
        """Return whether there is a letter, or up to five capital ones."""
        tokens = self._tokens
        word = tokens.words[index]
        if tokens.sorts[index] != "w":
            return False
        length = tokens.ends[index] - tokens.starts[index]
        return length == 1 or (
            length <= 5 and word.isascii() and tokens.text[tokens.starts[index] : tokens.ends[index]].isupper()
        )

    def country_before(self, index: int) -> bool:
        """Return whether the letters before token `index` are a country's that has IBANs: "DE", "d e", "delta echo"."""
        tokens, code = self._tokens, ""
        place = index - 1
        while place >= 0 and len(code) < 2:
            if place in self._in_cue or self._is_word(place):
                return False
            if tokens.sorts[place] == "w" and (self.stand_at(place) or tokens.ends[place] - tokens.starts[place] <= 2):
                code = tokens.words[place] + code
            elif tokens.roles[place] & ROLE["letter"]:
                code = tokens.words[place][0] + code
            elif tokens.words[place] != ",":
                return False
            place -= 1
        return bool(_IBAN_COUNTRIES.fullmatch(code))

    def _is_word(self, index: int) -> bool:
        """Return whether a country's code is a word as well, and written as one: "is 12", but "IS 14", "is14".

        A foreign one ("es") is a word unless two digits, or digit words, follow: "de 89".
        """
        tokens, follows = self._tokens, self._atom_at.get(index + 1)
        word = tokens.words[index]
        if word not in _WORDS and not (word in _FOREIGN_WORDS and (follows is None or len(follows.digits) > 2)):
            return False
        if follows and tokens.touches(index + 1):
            return False
        capital = tokens.text[tokens.starts[index] : tokens.ends[index]].isupper()
        return not capital or (tokens.text.isupper() and index > 0)

    def count(self) -> int:
        """Return how many letters stand for themselves outside of the numbers."""
        if self._count is None:
            tokens = self._tokens
            self._count = sum(
                tokens.ends[index] - tokens.starts[index] == 1 and self._belongs(index, Kind.ID)
                for index in range(len(tokens))
                if index not in self._atom_at and tokens.sorts[index] == "w"
            )
        return self._count

    def _part_before(self, first: int, kind: Kind, *, own: int) -> int | None:
        """Return where what stands before token `first` begins: a letter or, before letters, a number.

        `own` is the first token of the private number itself.
        """
        tokens, place = self._tokens, first - 1
        if place > 0 and (tokens.words[place] == "-" or (kind in _SPELLED and tokens.words[place] == ",")):
            place -= 1
        if place > 1 and kind in _SPELLED and tokens.words[place] in _THEN:
            place -= 1 + (tokens.words[place - 1] == ",")
        if place < 0:
            return None
        if place >= 3 and tokens.words[place - 2 : place] == ["as", "in"] and self._belongs(place - 3, kind):
            return place - 3  # "d as in delta"
        if place >= 2 and tokens.words[place - 1] == "for" and self._belongs(place - 2, kind):
            return place - 2
        if self._belongs(place, kind) or (kind is Kind.IBAN and tokens.words[place] in ("a", "i")):
            return place
        if tokens.words[place] in ("a", "i") and place and self._belongs(place - 1, kind):
            return place - 1  # "b a", "c i"
        if place == first - 1 and place in self._atom_at:
            lettered = self._belongs(first, kind) or (first in self._atom_at and first < own)
            return self._atom_at[place].first if lettered else None
        return None

    def _part_after(self, last: int, kind: Kind) -> int | None:
        """Return the token after the letter or, after letters, the number that goes on at token `last`."""
        tokens, place = self._tokens, last
        if place + 1 < len(tokens) and kind in _SPELLED and tokens.words[place] in ",-，":
            place += 1
        while kind is Kind.IBAN and place + 1 < len(tokens) and tokens.roles[place] & ROLE["filler"]:
            place += 1
        if place >= len(tokens):
            return None
        behind = last - 1 in self._atom_at or self._belongs(last - 1, kind)
        alone = kind in _SPELLED and place == last and tokens.words[place] in ("a", "i") and behind
        if alone and (place + 1 == len(tokens) or tokens.sorts[place + 1] == "p" or self._belongs(place + 1, kind)):
            return place + 1  # "... s m 9 i j"
        if self._belongs(place, kind):
            if tokens.words[place + 1 : place + 3] == ["as", "in"] and place + 3 < len(tokens):
                return place + 4
            if tokens.words[place + 1 : place + 2] == ["for"] and place + 2 < len(tokens):
                return place + 3
            return place + 1
        if kind in _SPELLED and place == last and place in self._atom_at and self._belongs(last - 1, kind):
            return self._atom_at[place].last
        return None

    def check_at(self, index: int) -> bool:
        """Return whether there is the X that a Chinese identity number may end in."""
        return index < len(self._tokens) and self._tokens.words[index] in _CHECK_LETTERS

    def _belongs(self, index: int, kind: Kind) -> bool:
        tokens = self._tokens
        if index in self._in_cue:
            return False
        if kind in _SPELLED and tokens.roles[index] & ROLE["letter"] and len(tokens.words[index]) > 1:
            return True
        pair = kind in _SPELLED and len(tokens.words[index]) == 2 and not tokens.roles[index]
        if pair and _CONSONANTS.issuperset(tokens.words[index]):
            return True  # "nb": the recogniser's lower case
        if not self.stand_at(index):
            return False
        word = tokens.text[tokens.starts[index] : tokens.ends[index]]
        return word.isascii() and (word.isupper() or word not in ("a", "i")) and word != "I"

"""Numbers in a transcript, written or spoken: "4111", "forty-one eleven", "восемь девятьсот шестнадцать", "幺三八".

An `Atom` is one number as it was said: a group of digits, a digit word, or a word group that makes one number ("four
hundred and eleven"). A `Run` is a sequence of atoms with nothing between but separators and fillers ("uh", "dash",
"and"): what may be one long number.
"""

import re
from typing import NamedTuple

from voicepipe.speech.redaction.lexicon import ROLE, Lexicon, Tokens

_FILLER, _HOMOPHONE = ROLE["filler"], ROLE["homophone"]
_GAP = frozenset(",.-–—−‐‑‒/\\()_·、，。…'\"`+:#*|~・•\u200b\u200c\u200d\u2060\ufeff\u00ad")
_LARGEST = 10**12  # beyond it a sequence of 万 and 亿 is no number
_MAX_GAP = 10  # tokens between two atoms of a run
_ZERO_LETTERS = frozenset({"o", "oh", "ohs"})
_SOUNDS_LIKE = {"won": 1, "too": 2, "to": 2, "for": 4, "ate": 8}
_ORDINAL_ENDINGS = frozenset(
    {"st", "nd", "rd", "th", "го", "ого", "е", "ое", "й", "ый", "м", "ом", "я", "ая", "ти", "х", "му"}
)
_WHEN = re.compile(
    r"(?<![\d.,/-])(?:"
    r"(?:0?[1-9]|[12]\d|3[01])[./-](?:0?[1-9]|[12]\d|3[01])(?:[./-](?:(?:19|20)\d\d|\d\d))"
    r"|(?:19|20)\d\d[./-](?:0?[1-9]|1[0-2])(?:[./-](?:0?[1-9]|[12]\d|3[01]))?"
    r"|(?:0?[1-9]|[12]\d|3[01])[./](?:0[1-9]|1[0-2])"
    r"|(?:[01]?\d|2[0-4])[:.：][0-5]\d(?:[:：][0-5]\d)?"
    r"|\d{1,6}(?:[.,]\d{2}|\.\d)"
    r")(?!\d|[./-]\d)"
)


class Atom(NamedTuple):
    """One number as it was said.

    Attributes
    ----------
    first, last : int
        Its tokens, half open.
    digits : str
        In decimal; the order of digits is the order of speech.
    sort : str
        ``written``; ``digit`` for digit words; ``cardinal`` for words that make a number below 1000; ``scale`` with
        thousands and more, which is how quantities and years are said.
    when : bool
        Part of what is written like a date, a time of day or a price.
    attached : bool
        Letters touch it: "A320", "14C".
    """

    first: int
    last: int
    digits: str
    sort: str
    when: bool = False
    attached: bool = False


class Run(NamedTuple):
    """Atoms that may be one number."""

    atoms: tuple[Atom, ...]

    @property
    def first(self) -> int:
        """First token."""
        return self.atoms[0].first

    @property
    def last(self) -> int:
        """Token after the last."""
        return self.atoms[-1].last

    @property
    def digits(self) -> str:
        """All digits in the order of speech."""
        return "".join([atom.digits for atom in self.atoms])


def read_atoms(tokens: Tokens, lexicon: Lexicon) -> list[Atom]:
    """Return the numbers in a text, in its order."""
    atoms: list[Atom] = []
    numbers, words, sorts = lexicon.numbers, tokens.words, tokens.sorts
    when: list[tuple[int, int]] | None = None  # in reverse
    index, count = 0, len(tokens)
    while index < count:
        sort = sorts[index]
        if sort == "d":
            if when is None:
                when = [found.span() for found in _WHEN.finditer(tokens.text, tokens.starts[index])][::-1]
            atom = _written(tokens, index, when)
        elif sort == "p" or sort == "m" or words[index] not in numbers:
            atom = None
        elif sort == "h":
            last = index + 1
            while last < count and sorts[last] == "h" and words[last] in numbers:
                last += 1
            atoms.extend(_positional(tokens, lexicon, index, last))
            index = last
            continue
        else:
            atom = _spoken(tokens, lexicon, index)
        if atom is None:
            index += 1
        else:
            atoms.append(atom)
            index = atom.last
    return atoms


def _written(tokens: Tokens, index: int, when: list[tuple[int, int]]) -> Atom | None:
    start, end = tokens.starts[index], tokens.ends[index]
    before = tokens.touches(index) and tokens.sorts[index - 1] == "w"
    after = index + 1 < len(tokens) and tokens.touches(index + 1) and tokens.sorts[index + 1] == "w"
    if after and end - start <= 4 and tokens.words[index + 1] in _ORDINAL_ENDINGS:
        return None
    while when and when[-1][1] <= start:
        when.pop()
    raw = tokens.words[index]
    digits = raw if raw.isascii() else "".join(str(int(char)) for char in raw)
    return Atom(
        index,
        index + 1,
        digits,
        "written",
        when=bool(when) and when[-1][0] <= start and end <= when[-1][1],
        attached=before or after,
    )


def _spoken(tokens: Tokens, lexicon: Lexicon, index: int) -> Atom | None:
    """Read one number that begins with the word at `index`: units, tens, hundreds, thousands as the words allow."""
    numbers, words, count = lexicon.numbers, tokens.words, len(tokens)

    def at(place: int) -> tuple[str, int]:
        return numbers.get(words[place], ("", 0)) if place < count else ("", 0)

    def skip_hyphen(place: int) -> int:
        return place + 1 if place + 1 < count and words[place] in "-‐‑" and tokens.touches(place) else place

    sort, value = at(index)
    if sort == "repeat":
        following, digit = at(index + 1)
        if following == "digit" or (index + 1 < count and words[index + 1] in _SOUNDS_LIKE):
            digit = digit if following == "digit" else _SOUNDS_LIKE[words[index + 1]]
            return Atom(index, index + 2, str(digit) * value, "digit")
        if following in ("teen", "tens"):
            return Atom(index, index + 2, str(digit) * value, "cardinal")
        return None
    if sort in ("digit", "teen", "tens", "hundreds"):
        counted, digit = at(index + 1)
        if sort == "digit" and counted == "several" and 2 <= value <= 9:
            return Atom(index, index + 2, str(digit) * value, "digit")
    elif sort != "scale" or value > 1000:
        return None
    total, group, place, scaled, composed = 0, 0, index, False, False
    floor = 1000  # the next word must stand for less than this within its group
    while place < count:
        place = skip_hyphen(place) if place > index else place
        sort, value = at(place)
        if group >= 100 and sort == "digit" and at(place + 1)[0] == "times":
            break  # "seven hundred | nine hundred"
        if (sort == "digit" and floor > 9 and not (composed and value == 0)) or (sort == "teen" and floor > 19):
            group, floor = group + value, 1
        elif sort == "tens" and floor > 99:
            group, floor = group + value, 10
        elif sort == "hundreds" and floor > 999:
            group, floor = group + value, 100
        elif sort == "times" and 0 < group < 100:
            group, floor = group * 100, 100
        elif sort == "scale" and (total == 0 or value < 1000 or total % (value * 1000) == 0) and (group or not scaled):
            total, group, floor, scaled = total + (group or 1) * value, 0, 1000, True
        else:
            break
        place, composed = place + 1, True
        if (
            words[min(place, count - 1)] in ("and", "и")
            and floor == 100
            and at(place + 1)[0] in ("digit", "teen", "tens")
        ):
            place += 1
    single = place == index + 1 and at(index)[0] == "digit"
    return Atom(index, place, str(total + group), "digit" if single else "scale" if scaled else "cardinal")


def _positional(tokens: Tokens, lexicon: Lexicon, first: int, last: int) -> list[Atom]:
    """Read Han numerals: digits one by one, or with 十, 百, 千, 万 as one number."""
    atoms: list[Atom] = []
    index = first
    entries = [lexicon.numbers[word] for word in tokens.words[first:last]]

    def at(place: int) -> tuple[str, int]:
        return entries[place - first] if place < last else ("", 0)

    while index < last:
        sort, value = at(index)
        if (sort == "digit" and at(index + 1)[0] == "positional" and value) or (sort == "positional" and value == 10):
            place, total, group, digit, top = index, 0, 0, 0, 0
            while place < last:
                sort, value = at(place)
                if total > _LARGEST:
                    break
                if sort == "positional" and value >= 10000:
                    total, group, digit, top = (total + group + digit) * value, 0, 0, max(top, value)
                elif sort == "positional":
                    group, digit, top = group + (digit or 1) * value, 0, max(top, value)
                elif digit and at(place + 1)[0] != "positional":
                    break
                elif value and at(place + 1)[0] != "positional":
                    digit, place = value, place + 1
                    break
                else:
                    digit = value
                place += 1
            atoms.append(Atom(index, place, str(total + group + digit), "scale" if top > 10 else "cardinal"))
            index = place
        elif sort == "digit":
            atoms.append(Atom(index, index + 1, str(value), "digit"))
            index += 1
        else:
            index += 1
    return atoms


def read_runs(tokens: Tokens, atoms: list[Atom], *, bridged: bool) -> list[Run]:
    """Join atoms with nothing but separators and fillers between them.

    Parameters
    ----------
    tokens : Tokens
    atoms : list of Atom
    bridged : bool
        Join also over one word that sounds like a digit ("for", "to"): right only where a number is being read out.
    """
    runs: list[Run] = []
    current: list[Atom] = []
    allowed = _FILLER | _HOMOPHONE if bridged else _FILLER
    for atom in atoms:
        if current and _joined(tokens, current[-1].last, atom.first, allowed):
            current.append(atom)
            continue
        _close(tokens, current, runs)
        current = [atom]
    _close(tokens, current, runs)
    return runs


def _joined(tokens: Tokens, first: int, last: int, allowed: int) -> bool:
    if last - first > _MAX_GAP:
        return False
    return all(
        tokens.roles[index] & allowed or (tokens.sorts[index] == "p" and tokens.words[index] in _GAP)
        for index in range(first, last)
    )


def _close(tokens: Tokens, atoms: list[Atom], runs: list[Run]) -> None:
    if any(tokens.words[atom.first] not in _ZERO_LETTERS for atom in atoms):
        runs.append(Run(tuple(atoms)))

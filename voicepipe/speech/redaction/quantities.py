"""Numbers that are nobody's secret: amounts, counts, years, dates and times of day."""

import re
from collections.abc import Sequence
from itertools import pairwise

from voicepipe.speech.redaction.lexicon import ROLE, Tokens
from voicepipe.speech.redaction.spoken_numbers import Atom, Run

CURRENCY = frozenset("$€£¥₽₴₹￥＄￡")
"""Signs that stand before an amount."""
COUNTED = CURRENCY | frozenset("%‰°％")
"""Signs that stand behind an amount."""
_GROUPED = r"(?:\d{1,3}(?:[ ,.'’\u00a0\u202f]\d{3})+|\d{1,8})(?:[.,]\d{1,2})?"
_LAST_QUANTITY = re.compile(rf"(?<!\d){_GROUPED}$")
_FIRST_QUANTITY = re.compile(rf"{_GROUPED}(?!\d)")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3}|(?:[,.'’ ]\d{3})*[,.'’ ]000)(?:\.\d{1,2})?|\d{1,6}000|\d{4,}[.,]\d{1,2}")
_TIME_WORDS = frozenset({"at", "since", "from", "till", "until", "by", "around", "в", "около", "до", "с", "к", "после"})
_BETWEEN = frozenset({",", "，", "、", "and", "и", "和"})
_YEAR = re.compile(r"(?:19|20)\d\d")


def without_last_quantity(tokens: Tokens, atoms: list[Atom]) -> list[Atom]:
    """Return the numbers without the last one, which counts what follows: "4111 dollars"."""
    last = atoms[-1]
    if last.sort in ("cardinal", "scale"):
        return atoms[:-1]
    if last.sort == "digit":
        if tokens.sorts[last.first] != "h":
            return atoms[:-1]
        count = 1
        while (
            count < len(atoms) and atoms[-count].first == atoms[-count - 1].last and tokens.touches(atoms[-count].first)
        ):
            count += 1
        return atoms[:-count] if count <= 4 else atoms
    if last.when:
        return _strip_when_end(atoms)
    end = tokens.ends[last.last - 1]
    start = max(tokens.starts[atoms[0].first], end - 24)
    found = _LAST_QUANTITY.search(tokens.text, start, end)
    if found is None:
        return atoms
    return [atom for atom in atoms if tokens.starts[atom.first] < found.start()]


def without_first_quantity(tokens: Tokens, atoms: list[Atom]) -> list[Atom]:
    """Return the numbers without the first one, which follows the sign of a currency."""
    start = tokens.starts[atoms[0].first]
    found = _FIRST_QUANTITY.match(tokens.text, start, start + 24)
    return [atom for atom in atoms if found is None or tokens.starts[atom.first] >= found.end()]


def _strip_when_end(atoms: list[Atom]) -> list[Atom]:
    count = len(atoms)
    while count and atoms[count - 1].when:
        count -= 1
    return atoms[:count]


def split_at_quantities(tokens: Tokens, atoms: list[Atom]) -> list[Run]:
    """Return what lies between the numbers that are said as quantities, full dates at the ends left out."""
    pieces: list[list[Atom]] = [[]]
    written = all(atom.sort == "written" for atom in atoms) and sum(len(atom.digits) for atom in atoms) < 11
    for atom in atoms:
        if atom.sort == "scale":
            pieces.append([])
            continue
        if (
            written
            and pieces[-1]
            and any(tokens.sorts[index] != "p" for index in range(pieces[-1][-1].last, atom.first))
        ):
            pieces.append([])
        pieces[-1].append(atom)
    result = []
    for piece in pieces:
        if piece and not all(atom.when for atom in piece):
            rest = sum(len(atom.digits) for atom in piece if not atom.when)
            if rest < 4 or all(atom.when or atom.attached for atom in piece):
                piece = [atom for atom in piece if not atom.when]
        if piece:
            result.append(Run(tuple(piece)))
    return result


def is_grouped(written: str) -> bool:
    """Return whether a number is written as amounts are: in thousands, round, or with cents."""
    return bool(_THOUSANDS.fullmatch(written))


def is_year(piece: Run) -> bool:
    """Return whether the number reads like a year of the last or this century."""
    digits = piece.digits
    return len(digits) == 4 and len(piece.atoms) <= 2 and bool(_YEAR.fullmatch(digits))


def follows_year_word(tokens: Tokens, piece: Run) -> bool:
    """Return whether what stands before makes it a year: "since", a month."""
    before = tokens.roles[piece.first - 1] if piece.first else 0
    return bool(before & (ROLE["year_before"] | ROLE["month"]))


def is_time(tokens: Tokens, piece: Run) -> bool:
    """Return whether the numbers are times of day in words: "at ten thirty, ten forty-five"."""
    before = tokens.words[piece.first - 1] if piece.first else ""
    return before in _TIME_WORDS and all(
        len(atom.digits) <= 2 and int(atom.digits) < (60 if place % 2 else 25) for place, atom in enumerate(piece.atoms)
    )


def looks_like_amounts(tokens: Tokens, piece: Run) -> bool:
    """Return whether the number may well be a price, or two numbers named side by side: "7999", "ten and twelve"."""
    if len(piece.atoms) == 1 and piece.atoms[0].sort == "written":
        count = len(piece.digits)
        return (count == 4 and piece.digits.endswith(("99", "90", "50"))) or (
            count <= 6 and piece.digits.endswith("00")
        )
    if len(piece.digits) <= 6 and piece.digits.endswith("00") and len(piece.atoms) <= 3:
        return True
    written = tokens.text[tokens.starts[piece.first] : tokens.ends[piece.last - 1]]
    if re.fullmatch(r"\d{1,3}(?:[ \u00a0]\d{3})?[ \u00a0]\d\d[09]", written):
        return True
    apart = any(tokens.sorts[index] != "p" for index in range(piece.atoms[0].last, piece.atoms[-1].first))
    return len(piece.atoms) == 2 and apart and all(len(atom.digits) <= 2 for atom in piece.atoms)


def is_counting(atoms: Sequence[Atom], *, fewest: int = 4) -> bool:
    """Return whether so many numbers or more go up or down by the same step: "one two three four"."""
    if len(atoms) < fewest:
        return False
    steps = {int(two.digits) - int(one.digits) for one, two in pairwise(atoms)}
    return len(steps) == 1 and steps != {0}


def is_list(tokens: Tokens, piece: Run) -> bool:
    """Return whether two or three amounts are enumerated: "299, 299", "11 and 12", no number that is read in groups."""
    atoms = piece.atoms
    if not 2 <= len(atoms) <= 3 or any(atom.digits[0] == "0" or len(atom.digits) > 4 for atom in atoms):
        return False
    if any(atom.sort != "written" for atom in atoms):
        return False
    return all(tokens.words[one.last] in _BETWEEN for one in atoms[:-1]) and (
        len(atoms) == 2 or len({atom.digits for atom in atoms}) < len(atoms)
    )


def is_quantity(tokens: Tokens, piece: Run) -> bool:
    """Return whether the number reads like an amount, some years, a date or a list of counts."""
    written = tokens.text[tokens.starts[piece.first] : tokens.ends[piece.last - 1]]
    atoms = piece.atoms
    if is_grouped(written):
        return True
    if all(_YEAR.fullmatch(atom.digits) for atom in atoms) and len(atoms) <= 3:
        return True
    if (
        len(atoms) == 2
        and _YEAR.fullmatch(atoms[1].digits)
        and len(atoms[0].digits) <= 2
        and tokens.roles[piece.first - 1] & ROLE["month"]
        and piece.first
    ):
        return True
    round_ = [atom.digits.endswith("00") and bool(atom.digits.strip("0")) for atom in atoms]
    if len(atoms) >= 2 and (all(round_) or (len(atoms) == 4 and all(round_[:-1]))):
        return True
    if is_counting(atoms) or is_counting(atoms[:-1]):
        return True
    if is_list(tokens, piece):
        return True
    rising = all(int(one.digits) < int(two.digits) for one, two in pairwise(atoms) if len(two.digits) <= 2)
    if len(atoms) >= 5 and rising and all(atom.sort == "written" and len(atom.digits) <= 2 for atom in atoms):
        return True  # a draw of numbers
    if 3 <= len(atoms) <= 5 and "," in written and max(len(atom.digits) for atom in atoms) <= 3:
        steps = {int(two.digits) - int(one.digits) for one, two in pairwise(atoms)}
        return len(steps) == 1
    return False

"""Dates of birth: dates that something says are one, written or spoken."""

from collections.abc import Iterator, Sequence

from voicepipe.speech.redaction.kinds import Kind, Span
from voicepipe.speech.redaction.lexicon import ROLE, Cue, Tokens
from voicepipe.speech.redaction.memory import Expectation
from voicepipe.speech.redaction.numbers import NUMERIC
from voicepipe.speech.redaction.spoken_numbers import Atom

_MONTH, _ORDINAL, _DATE_LINK, _DATE_UNIT = ROLE["month"], ROLE["ordinal"], ROLE["date_link"], ROLE["date_unit"]
_FILLER = ROLE["filler"]
_MAX_REACH = 12  # tokens from a cue to what it announces


def find_births(
    tokens: Tokens, atoms: Sequence[Atom], cues: Sequence[Cue], *, expected: Expectation | None
) -> tuple[list[Span], bool]:
    """Return the dates that are said to be somebody's birth, or answer the question, and if one is whole."""
    births = [cue for cue in cues if cue.kind == Kind.DATE_OF_BIRTH]
    if not births and expected is None:
        return [], False
    spans, whole = [], False
    numbers = {index: atom for atom in atoms for index in range(atom.first, atom.last)}
    said = {index for cue in births for index in range(cue.first, cue.last)}
    for first, last, digits, cores in _dates(tokens, numbers, said):
        if (
            last < len(tokens)
            and tokens.roles[last] & ROLE["unit"]
            and not tokens.roles[last] & (_DATE_LINK | _DATE_UNIT)
        ):
            continue
        has_month = any(tokens.roles[index] & (_MONTH | _DATE_UNIT) for index in range(first, last))
        if births:
            cue = next((one for one in reversed(births) if one.last <= first), None)
            if cue is None:
                near = any(0 <= one.first - last <= 3 for one in births)
                between = False
            else:
                near = first - cue.last <= _MAX_REACH
                between = any(one.kind in NUMERIC and cue.last <= one.first < first for one in cues)
            private = near and not between and (digits >= 2 or cores >= 2)
        else:
            private = (cores >= 2 and (has_month or not digits)) or digits >= 4 or _is_all(tokens, first, last)
            private = private and not any(one.kind in NUMERIC and one.last <= first for one in cues)
        if private:
            first -= first > 0 and tokens.words[first - 1] == "the"
            spans.append(Span(*tokens.places(first, last), Kind.DATE_OF_BIRTH))
            whole |= cores >= 3 or digits >= 6
    return spans, whole


def _is_all(tokens: Tokens, first: int, last: int) -> bool:
    """Return whether there are no words but these."""
    return all(sort in "pm" for sort in (*tokens.sorts[:first], *tokens.sorts[last:]))


def _dates(tokens: Tokens, numbers: dict[int, Atom], said: set[int]) -> Iterator[tuple[int, int, int, int]]:
    """Yield sequences of tokens that can make a date, with their digits and their number of parts."""
    index, count = 0, len(tokens)
    while index < count:
        if index in said or not _is_date_part(tokens, numbers, index):
            index += 1
            continue
        first = last = index
        digits = cores = 0
        while index < count and index not in said:
            if _is_date_part(tokens, numbers, index):
                atom = numbers.get(index)
                if atom is None or atom.first == index:
                    cores += 1
                    digits += len(atom.digits) if atom else 0
                last = index + 1
            elif not (tokens.sorts[index] == "p" and tokens.words[index] not in "?!;") and not tokens.roles[index] & (
                _DATE_LINK | _FILLER
            ):
                break
            index += 1
        while (
            last < count
            and tokens.roles[last] & _DATE_LINK
            and tokens.words[last] not in ("in", "the", "on", "of", "and", "в", "的")
        ):
            last += 1
        if any(
            place in numbers or tokens.roles[place] & _ORDINAL or tokens.sorts[place] == "d"
            for place in range(first, last)
        ):
            yield first, last, digits, cores


def _is_date_part(tokens: Tokens, numbers: dict[int, Atom], index: int) -> bool:
    if index in numbers or tokens.sorts[index] == "d":
        return True
    if tokens.roles[index] & (_MONTH | _ORDINAL | _DATE_UNIT):
        return True
    return tokens.touches(index) and tokens.sorts[index - 1] == "d" and tokens.sorts[index] == "w"

"""Which of the numbers in an utterance are private.

Long numbers (six digits and more) are, unless they are said as amounts, dates or times; short ones are where something
announces them in the same utterance, or in the call shortly before. What a number counts ("dollars", "minutes", "раз",
"块") takes the last number before it out, what labels it ("room", "flight", "рейс", "型号") the first after it.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from voicepipe.speech.redaction.kinds import Kind, Span, is_service_line, kind_of_number, luhn_holds
from voicepipe.speech.redaction.letters import LETTERED, Letters
from voicepipe.speech.redaction.lexicon import ROLE, Cue, Tokens
from voicepipe.speech.redaction.memory import WHOLE_DIGITS, Expectation
from voicepipe.speech.redaction.quantities import (
    COUNTED,
    CURRENCY,
    follows_year_word,
    is_counting,
    is_grouped,
    is_quantity,
    is_time,
    is_year,
    looks_like_amounts,
    split_at_quantities,
    without_first_quantity,
    without_last_quantity,
)
from voicepipe.speech.redaction.spoken_numbers import Atom, Run, read_runs

LONG = 6
"""Digits from which a number is private whatever it is: it names a person by linkage (order, contract, ticket)."""
NUMERIC = frozenset({Kind.CARD, Kind.IBAN, Kind.ACCOUNT, Kind.PHONE, Kind.ID, Kind.CODE, Kind.NUMBER})

_LABEL = "label"
_BIRTH = "date_of_birth"
_DIRECT_ROLES = ROLE["copula"] | ROLE["link"] | ROLE["filler"]
_PLAIN_ROLES = ROLE["link"] | ROLE["filler"] | ROLE["copula"]
_MAX_DIRECT = 8  # tokens
_MAX_NEAR = 10
_MAX_LETTERS = 6
_MAX_CORRECTION = 12  # tokens between a number that is taken back and the right one
_CORRECTION = ROLE["correction"]
_TAKES_BACK = frozenset(
    {"no", "sorry", "wait", "oops", "actually", "rather", "correction", "нет", "извините", "простите", "ой", "точнее"}
    | {"вернее", "стоп", "пардон", "ошибся", "ошиблась", "不", "错", "歉"}
)
_WHICH_DIGITS = frozenset({"last", "first", "next", "final", "other", "последние", "первые", "следующие", "остальные"})
_AREA_CODE = frozenset({("area", "code"), ("код", "города"), ("区", "号")})
_NOT_OPENING = frozenset(
    {"the", "a", "on", "in", "at", "for", "with", "of", "my", "your", "на", "с", "в", "у", "有", "一", "的"}
)
_PLUS = frozenset({"+", "plus", "плюс", "加"})


@dataclass(frozen=True, slots=True)
class Heard:
    """A private number, for the memory: its kind, how many digits, and whether it may go on in the next utterance."""

    kind: Kind
    digits: int
    open_end: bool


class NumberReader:
    """Decides on the numbers of one utterance.

    Parameters
    ----------
    tokens : Tokens
    atoms : sequence of Atom
        The utterance's numbers.
    cues : sequence of Cue
    expected : Expectation or None
        What the call is about to say.
    """

    def __init__(
        self, tokens: Tokens, atoms: Sequence[Atom], cues: Sequence[Cue], *, expected: Expectation | None
    ) -> None:
        self._tokens, self._atoms, self._expected = tokens, atoms, expected
        phoned = any(cue.kind == Kind.PHONE for cue in cues) or (expected is not None and expected.kind == Kind.PHONE)
        self._cues = _specific(
            [
                Cue(Kind.PHONE, "strong", cue.first, cue.last)
                if phoned and cue.kind == _LABEL and tuple(tokens.words[cue.first : cue.last]) in _AREA_CODE
                else as_numeric(cue)
                for cue in cues
                if cue.kind in (*NUMERIC, _LABEL, _BIRTH, "password")
            ]
        )
        self._cue_ends = [cue.last for cue in self._cues]
        self._atom_at = {index: atom for atom in atoms for index in range(atom.first, atom.last)}
        self._letters = Letters(tokens, self._atom_at, self._cues)
        self._content_words: float | None = None
        self._han = "h" in tokens.sorts
        self._open_from: int | None = None

    def find(self, taken: Sequence[Span]) -> tuple[list[Span], list[Heard]]:
        """Return the private numbers outside of what is taken already."""
        tokens = self._tokens
        atoms = outside(tokens, self._atoms, taken)
        reading = self._expected is not None and self._expected.strong
        spans: list[Span] = []
        heard: list[Heard] = []
        masked: tuple[int, Kind] | None = None  # token after the last masked number, and its kind
        passed: Run | None = None  # the number before, if it was left
        for run in read_runs(
            tokens, atoms, bridged=reading or any(c.kind in NUMERIC and c.strength == "strong" for c in self._cues)
        ):
            cue = self._cue_of(run)
            for piece in self._pieces(run, cue, masked):
                hint, minimum = self._hint(piece, cue, masked)
                kind = self._kind(piece, cue, hint, minimum)
                if kind is None:
                    passed = piece
                    continue
                if self._letters.check_at(piece.last) and (
                    len(piece.digits) == 17 or hint is Kind.ID or tokens.sorts[piece.last] == "h"
                ):
                    kind = Kind.ID
                span = self._span(piece, kind)
                if masked and self._is_corrected(masked[0], piece.first):
                    span = Span(spans.pop().start, span.end, kind)
                elif passed and len(passed.digits) > 1 and self._is_corrected(passed.last, piece.first):
                    span = Span(tokens.starts[passed.first], span.end, kind)
                passed = None
                spans.append(span)
                masked = (piece.last, kind)
                heard.append(Heard(kind, len(piece.digits), self._is_open(piece.last)))
        return spans, heard

    def _cue_of(self, run: Run) -> Cue | None:
        place = bisect_right(self._cue_ends, run.first)
        before = self._cues[place - 1] if place else None
        if before and run.first - before.last <= _MAX_NEAR:
            return before
        place, linked = run.last, False
        while place < len(self._tokens) and place < run.last + 5 and self._plain(place, ROLE["copula"] | ROLE["link"]):
            linked, place = True, place + 1
        if linked:
            after = self._cues[bisect_right(self._cue_ends, run.last)] if self._cue_ends[-1:] > [run.last] else None
            if after and run.last < after.first <= place and after.strength == "strong" and after.kind in NUMERIC:
                return after
        return None

    def _plain(self, index: int, roles: int) -> bool:
        tokens = self._tokens
        return bool(tokens.sorts[index] in "pm" or tokens.roles[index] & roles)

    def _direct(self, anchor: int, first: int, *, lettered: bool) -> bool:
        if not 0 <= first - anchor <= _MAX_DIRECT + (_MAX_LETTERS if lettered else 0):
            return False
        return all(
            self._plain(index, _DIRECT_ROLES) or (lettered and self._letters.stand_at(index))
            for index in range(anchor, first)
        )

    def _hint(self, piece: Run, cue: Cue | None, masked: tuple[int, Kind] | None) -> tuple[Kind | None, int]:
        """Return what the number may be, and from how many digits on it is private."""
        expected = self._expected
        if masked and (cue is None or cue.last <= masked[0]):
            if self._direct(masked[0], piece.first, lettered=masked[1] in LETTERED):
                return masked[1], 1 if masked[1] is not Kind.NUMBER else 3
            if self._is_corrected(masked[0], piece.first):
                return masked[1], 1
            if masked[1] is not Kind.NUMBER and self._is_open(piece.last) and self._is_opened(piece.first):
                return masked[1], 3  # "... hang on, I dropped it. Right, 5928."
        if cue and cue.kind in NUMERIC and not (masked and cue.last <= masked[0]):
            kind = Kind(cue.kind)
            direct = cue.first >= piece.last or self._direct(cue.last, piece.first, lettered=kind in LETTERED)
            if cue.strength == "strong":
                return kind, 1 if direct else 3
            if direct and kind is Kind.NUMBER:
                return kind, LONG
            if direct:
                return kind, 1 if self._is_open(piece.last) else 3
            if not expected and kind is not Kind.NUMBER:
                return kind, LONG
        if cue and cue.kind == _LABEL and not expected:
            return None, LONG
        if expected:
            kind = Kind(expected.kind)
            if not expected.strong:
                if kind is Kind.NUMBER:
                    return None, LONG
                return kind, 3 if _is_spelled(piece) and self._content() == 0 else 4
            if expected.digits >= WHOLE_DIGITS[kind]:  # it was said: what comes now may be its repetition
                return kind, 1 if self._content() == 0 else 4
            hint = kind if kind is not Kind.NUMBER else None
            content = self._content()
            if content == 0:
                return hint, 1
            read_out = content <= 1 or _is_spelled(piece) or self._is_opened(piece.first)
            return hint, (3 if hint else 4) if read_out else LONG
        return None, LONG

    def _pieces(self, run: Run, cue: Cue | None, masked: tuple[int, Kind] | None) -> list[Run]:
        """Return the run without the amounts, dates and labelled numbers at its ends."""
        tokens = self._tokens
        atoms = list(run.atoms)
        if 13 <= len(run.digits) <= 19 and luhn_holds(run.digits):
            return [run]
        following = tokens.words[run.last] if run.last < len(tokens) else ""
        glued = tokens.touches(atoms[-1].first) and tokens.sorts[atoms[-1].first - 1] == "w"  # "EJ4073926 名字是"
        if following and not glued and (tokens.roles[run.last] & ROLE["unit"] or following in COUNTED):
            atoms = without_last_quantity(tokens, atoms)
        if atoms and run.first and tokens.words[run.first - 1] in CURRENCY:
            atoms = without_first_quantity(tokens, atoms)
        if (
            atoms
            and cue
            and cue.kind == _LABEL
            and len(run.digits) <= LONG
            and self._direct(cue.last, atoms[0].first, lettered=False)
        ):
            count = len(atoms) if all(len(atom.digits) <= 3 for atom in atoms) and len(atoms) <= 5 else 1
            atoms = atoms[count:] if len(atoms[0].digits) < LONG else atoms
        if not atoms:
            return []
        announced = masked is not None or (cue is not None and cue.kind in NUMERIC)
        if announced or (self._expected and self._expected.strong):
            return [Run(tuple(atoms))]
        return split_at_quantities(tokens, atoms)

    def _kind(self, piece: Run, cue: Cue | None, hint: Kind | None, minimum: int) -> Kind | None:
        """Return the kind of a private number, None for one that is nobody's secret."""
        tokens, atoms, digits = self._tokens, piece.atoms, piece.digits
        count = len(digits)
        written = tokens.text[tokens.starts[piece.first] : tokens.ends[piece.last - 1]]
        announced = minimum == 1
        reading = announced and self._is_bare()
        dated = all(atom.when for atom in atoms)
        if dated and not reading and not (announced and hint in (Kind.CARD, Kind.ACCOUNT, Kind.CODE)):
            return None
        mobile = self._han and count == 11 and digits[1] in "3456789"
        if hint in (None, Kind.PHONE, Kind.NUMBER) and is_service_line(digits) and not (reading or mobile):
            return None
        short = hint is Kind.PHONE and count <= 4 and len(atoms) == 1 and atoms[0].sort == "written"
        if short and not self._expected and not self._is_open(piece.last):
            return None  # "Ваш номер 1205, завтрак с семи": a room
        if (
            piece.first > 1
            and tokens.words[piece.first - 2 : piece.first] == ["0", "x"]
            and tokens.touches(piece.first)
        ):
            return None  # 0x80070057
        if all(atom.attached for atom in atoms) and count < LONG and not (announced and hint in LETTERED):
            return None
        certain = announced and not (cue and cue.strength == "weak")
        if is_year(piece) and not certain and (hint is None or follows_year_word(tokens, piece)):
            return None
        if count == 1 and not self._stands_last(piece.last):
            return None
        if count == 1 and piece.first and tokens.words[piece.first - 1] in _WHICH_DIGITS:
            return None  # "and the last four?"
        singles = sum(atom.sort == "digit" or len(atom.digits) == 1 for atom in atoms)
        if (not announced or (hint is Kind.PHONE and count <= 4)) and is_time(tokens, piece):
            return None
        if not announced and len(atoms) >= 2 and is_quantity(tokens, piece):
            return None
        grouped = is_grouped(written) and not (announced and cue and cue.strength == "strong")
        if (hint is None or (grouped and count < LONG)) and is_quantity(tokens, piece):
            return None
        if count < minimum:
            fewest = 4 if self._is_bare() or (cue and cue.kind != _LABEL) else 5
            spelled = singles >= fewest and singles == len(atoms) and minimum > 3
            alone = (
                count >= 4
                and self._content() == 0
                and not (is_year(piece) or looks_like_amounts(tokens, piece))
                and not (cue and cue.kind == Kind.NUMBER)
            )
            begins = count == 3 and _is_spelled(piece) and self._content() == 0 and not is_counting(atoms, fewest=3)
            lettered = count >= 2 and self._content() == 0 and self._letters.count() >= 2
            if not (spelled or alone or lettered or (begins and all(atom.sort == "digit" for atom in atoms))):
                return None
            hint = hint or (Kind.ID if lettered else Kind.NUMBER)
        kind = kind_of_number(digits, written=written, hint=hint)
        if kind is Kind.NUMBER and self._expected and self._expected.strong and hint is None:
            return Kind(self._expected.kind)
        return kind

    def _is_bare(self) -> bool:
        """Return whether the utterance holds hardly anything but numbers."""
        return self._content() <= 1

    def _is_opened(self, first: int) -> bool:
        """Return whether the number begins the utterance or follows words that lead up to it: "okay, it's"."""
        tokens, index = self._tokens, first - 1
        while index >= 0 and tokens.sorts[index] == "p":
            index -= 1
        return index < 0 or bool(tokens.roles[index] & _PLAIN_ROLES and tokens.words[index] not in _NOT_OPENING)

    def _content(self) -> float:
        """Return how many words are neither numbers nor what links them; a Han character is half a word."""
        if self._content_words is None:
            tokens = self._tokens
            inside = set(self._atom_at)
            inside |= {index for cue in self._cues if cue.kind != _LABEL for index in range(cue.first, cue.last)}
            self._content_words = sum(
                (0.5 if tokens.sorts[index] == "h" else 1.0)
                for index in range(len(tokens))
                if tokens.sorts[index] in "wh"
                and not tokens.roles[index] & _PLAIN_ROLES
                and index not in inside
                and not self._letters.stand_at(index)
            )
        return self._content_words

    def _stands_last(self, last: int) -> bool:
        """Return whether a single digit is not the count of what follows: "one moment"."""
        counts = last < len(self._tokens) and not self._plain(last, ROLE["filler"])
        return not counts and self._is_open(last)

    def _is_open(self, last: int) -> bool:
        """Return whether nothing of weight follows, so that the number may go on in the next utterance."""
        if self._open_from is None:
            index = len(self._tokens)
            while index and self._plain(index - 1, _PLAIN_ROLES):
                index -= 1
            self._open_from = index
        return last >= self._open_from

    def _span(self, piece: Run, kind: Kind) -> Span:
        """Return the characters of a number with the letters that belong to it."""
        tokens = self._tokens
        first, last = self._letters.around(piece, kind) if kind in LETTERED else self._letters.touching(piece)
        if first and tokens.words[first - 1] in _PLUS:
            first -= 1
        elif first and tokens.words[first - 1] == "(" and ")" in tokens.words[first:last]:
            first -= 1
            if first and tokens.words[first - 1] == "+":
                first -= 1
        return Span(tokens.starts[first], tokens.ends[last - 1], kind)

    def _is_corrected(self, first: int, last: int) -> bool:
        """Return whether somebody takes back a number between two tokens: "no, sorry", "нет, извините", "不对"."""
        tokens = self._tokens
        if not 0 < last - first <= _MAX_CORRECTION:
            return False
        between = range(first, last)
        return any(
            tokens.roles[index] & _CORRECTION and tokens.words[index] in _TAKES_BACK for index in between
        ) and all(
            tokens.sorts[index] == "p" or tokens.roles[index] & (_CORRECTION | ROLE["filler"]) for index in between
        )


def outside(tokens: Tokens, atoms: Sequence[Atom], taken: Sequence[Span]) -> list[Atom]:
    """Return the numbers that no span touches."""
    rest, spans, place = [], sorted(taken, key=lambda span: span.start), 0
    reached = 0
    for atom in atoms:
        while place < len(spans) and spans[place].start < tokens.ends[atom.last - 1]:
            reached, place = max(reached, spans[place].end), place + 1
        if reached <= tokens.starts[atom.first]:
            rest.append(atom)
    return rest


def _is_spelled(piece: Run) -> bool:
    """Return whether the number is read digit by digit."""
    return len(piece.atoms) >= 3 and all(atom.sort == "digit" or len(atom.digits) == 1 for atom in piece.atoms)


def as_numeric(cue: Cue) -> Cue:
    """Return what a cue says of numbers: what announces a password announces a code, too."""
    return Cue(Kind.CODE, cue.strength, cue.first, cue.last) if cue.kind == "password" else cue


def _specific(cues: list[Cue]) -> list[Cue]:
    """Return the cues, a general one right behind a special one taken as part of it: "the CVV | number is"."""
    result: list[Cue] = []
    for cue in cues:
        last = result[-1] if result else None
        if last and last.last == cue.first and last.kind in NUMERIC and cue.kind in (Kind.PHONE, Kind.CARD):
            result[-1] = Cue(last.kind, last.strength if last.kind == Kind.NUMBER else "strong", last.first, cue.last)
        else:
            result.append(cue)
    return result

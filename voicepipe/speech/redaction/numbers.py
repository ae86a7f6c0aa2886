"""Which of the numbers in an utterance are private.

Long numbers (six digits and more) are, unless they are said as amounts, dates or times; short ones are where something
announces them in the same utterance, or in the call shortly before. What a number counts ("dollars", "minutes", "раз",
"块") takes the last number before it out, what labels it ("room", "flight", "рейс", "型号") the first after it, and so
does a word for an amount before it ("total", "сумма", "扣"). A number that is named as a reference (order, ticket,
claim, contract) stays, whatever its length, unless its check digits say that it is a card or an identity number.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from voicepipe.speech.redaction.kinds import (
    Kind,
    Span,
    chinese_id_holds,
    is_mobile,
    is_mobile_form,
    is_service_line,
    kind_of_number,
    luhn_holds,
)
from voicepipe.speech.redaction.letters import LETTERED, Letters
from voicepipe.speech.redaction.lexicon import ROLE, SENTENCE_END, Cue, Tokens
from voicepipe.speech.redaction.memory import REFERENCE, Expectation
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
from voicepipe.speech.redaction.said import Said
from voicepipe.speech.redaction.spoken_numbers import Atom, Run, read_runs

LONG = 6
"""Digits from which a number is private whatever it is, unless something says that it is a reference or an amount."""
NUMERIC = frozenset({Kind.CARD, Kind.IBAN, Kind.ACCOUNT, Kind.PHONE, Kind.ID, Kind.CODE, Kind.NUMBER})
_BANKED = frozenset({Kind.IBAN, Kind.ACCOUNT})
_LINKED = NUMERIC | {REFERENCE}
_GENERAL = (Kind.PHONE, Kind.CARD)  # their cues ("number is", "card") may only go on with a special one before

_LABEL = "label"
_EXTENSION = "extension"
_DICTATION = "dictation"
_BIRTH = "date_of_birth"
_NUMBERED = frozenset({*NUMERIC, REFERENCE, _LABEL, _EXTENSION, _BIRTH, "password"})
_DIRECT_ROLES = ROLE["copula"] | ROLE["link"] | ROLE["filler"]
_PLAIN_ROLES = ROLE["link"] | ROLE["filler"] | ROLE["copula"]
_MAX_DIRECT = 8  # tokens
_MAX_NEAR = 10
_MAX_LETTERS = 6
_MAX_SPELLED = 30
_MAX_OTHERS = 3
_MAX_ASIDE = 4  # words beside a number that is taken for the reference that was talked about
_MAX_CORRECTION = 12  # tokens between a number that is taken back and the right one
_CORRECTION = ROLE["correction"]
_AMOUNT = ROLE["amount"]
_SOUNDS = ROLE["homophone"]
_BEFORE_AMOUNT = frozenset({"for", "по", "на", "за", "из"})  # they also lead up to other things
_PREPOSITIONS = frozenset({"to", "too", "for"})  # sound like digits, too
_MAX_AMOUNT = 7
_MAX_EXTENSION = 5
_TAKES_BACK = frozenset(
    {"no", "sorry", "wait", "oops", "actually", "rather", "correction", "нет", "извините", "простите", "ой", "точнее"}
    | {"вернее", "стоп", "пардон", "ошибся", "ошиблась", "不", "错", "歉"}
)
_WHICH_DIGITS = frozenset({"last", "first", "next", "final", "other", "последние", "первые", "следующие", "остальные"})
_NOT = frozenset({"not", "instead", "rather", "не", "вместо", "不", "错"})
_WHERE = frozenset({"end", "ends", "last", "конце", "последняя", "尾", "后"})
_PRONOUNS = frozenset({"one", "один", "одна", "一"})
_AREA_CODE = frozenset({("area", "code"), ("код", "города"), ("区", "号")})
_NOT_OPENING = frozenset(
    {"the", "a", "on", "in", "at", "for", "with", "of", "my", "your", "на", "с", "в", "у", "有", "一", "的"}
)
_PLUS = frozenset({"+", "plus", "плюс", "加"})


class Heard(NamedTuple):
    """A private number, for the memory: its kind and digits, whether it may go on, whether it corrects another."""

    kind: Kind
    digits: int
    open_end: bool
    said: str = ""
    corrects: bool = False


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
    said : Said, optional
        What it has said.
    reference : Expectation, optional
        The reference that the talk is about; where it is not strong, an amount or a count.
    """

    def __init__(
        self,
        tokens: Tokens,
        atoms: Sequence[Atom],
        cues: Sequence[Cue],
        *,
        expected: Expectation | None,
        said: Said | None = None,
        reference: Expectation | None = None,
    ) -> None:
        self._tokens, self._atoms, self._said = tokens, atoms, Said() if said is None else said
        self._whole = Kind(expected.kind) if expected and self._said.is_whole(expected.kind) else None
        self._expected = None if self._whole or reference else expected
        self._reference = reference
        self.references = 0
        self.left: list[str] = []
        self._corrected = self._again = False
        self._masked: list[str] = []
        phoned = (
            self._whole is Kind.PHONE
            or any(cue.kind == Kind.PHONE for cue in cues)
            or (expected is not None and expected.kind == Kind.PHONE)
        )
        self._cues = _specific(
            [
                Cue(Kind.PHONE, "strong", cue.first, cue.last)
                if phoned and cue.kind == _LABEL and tuple(tokens.words[cue.first : cue.last]) in _AREA_CODE
                else as_numeric(cue)
                for cue in cues
                if cue.kind in _NUMBERED or (cue.kind == Kind.ADDRESS and cue.strength == "code")
            ]
        )
        self._dictated = {cue.last for cue in cues if cue.kind == _DICTATION}
        self._extensions = [cue for cue in cues if cue.kind == _EXTENSION]
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
        runs = read_runs(
            tokens, atoms, bridged=reading or any(c.kind in NUMERIC and c.strength == "strong" for c in self._cues)
        )
        for run in runs:
            run = self._without_pronoun(run)
            cue = self._cue_of(run)
            for piece in self._pieces(run, cue, masked):
                if self._is_reference(piece, cue, masked):
                    self.references += 1
                    passed = None
                    continue
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
                    self._corrected = True
                elif passed and len(passed.digits) > 1 and self._is_corrected(passed.last, piece.first):
                    span = Span(tokens.starts[passed.first], span.end, kind)
                passed = None
                self._again = not minimum
                spans.append(span)
                self._masked.append(piece.digits)
                masked = (piece.last, kind)
                heard.append(Heard(kind, len(piece.digits), self._is_open(piece.last), piece.digits, self._corrected))
        self.left = [
            run.digits
            for run in runs
            if not any(span.start < tokens.ends[run.last - 1] and tokens.starts[run.first] < span.end for span in spans)
        ]
        if self._extensions:
            spans = self._with_extensions(spans)
        return spans, heard

    def _without_pronoun(self, run: Run) -> Run:
        """Return the run without "one" behind written numbers: "not that, the 4111 ... one"."""
        *others, last = run.atoms
        pronoun = others and self._tokens.words[last.first] == "one" and last.sort == "digit"
        return Run(tuple(others)) if pronoun and all(atom.sort == "written" for atom in others) else run

    def _is_reference(self, piece: Run, cue: Cue | None, masked: tuple[int, Kind] | None) -> bool:
        """Return whether the number is named as one that the next agent needs, and has no form of a private one."""
        digits = piece.digits
        if not self._reference and (cue is None or cue.kind != REFERENCE) and not self._is_document(piece):
            return False
        if chinese_id_holds(digits) or (14 <= len(digits) <= 19 and digits[0] in "23456" and luhn_holds(digits)):
            return False
        again = len(digits) > LONG or cue is None or cue.kind != REFERENCE
        if self._said and again and self._said.repeats(digits) not in (None, Kind.NUMBER):
            return False
        if is_mobile(digits, han=self._han):
            return False
        if self._is_document(piece):
            return True
        if cue and cue.kind == REFERENCE and not (masked and cue.last <= masked[0]):
            named = cue.first >= piece.last or self._named(cue.last, piece.first)
            if named:
                asked = self._expected is not None and self._expected.strong and not self._expected.complete
                return cue.strength == "strong" or not (asked or is_mobile_form(digits))
        return (
            self._reference is not None
            and not (self._whole and self._takes_back())
            and (self._reference.strong or len(digits) <= _MAX_AMOUNT)
            and (cue is None or cue.kind == REFERENCE)
            and self._content() <= _MAX_ASIDE
            and not is_mobile_form(digits)
        )

    def _is_document(self, piece: Run) -> bool:
        """Return whether the number is a document's of a date: "счёт номер 1187 от 20 ноября"."""
        tokens, last = self._tokens, piece.last
        return (
            tokens.words[last : last + 1] == ["от"]
            and len(piece.digits) <= _MAX_AMOUNT
            and (last + 1 in self._atom_at or bool(last + 1 < len(tokens) and tokens.roles[last + 1] & ROLE["ordinal"]))
        )

    def _named(self, anchor: int, first: int) -> bool:
        """Return whether hardly anything stands between what names a reference and its number: letters, "is", "was"."""
        tokens = self._tokens
        return first - anchor <= _MAX_NEAR and all(
            self._plain(index, _DIRECT_ROLES)
            or self._letters.stand_at(index)
            or tokens.roles[index] & ROLE["letter"]
            or index in self._atom_at
            or (tokens.sorts[index] == "w" and tokens.ends[index] - tokens.starts[index] <= 4)
            or tokens.words[index] in ("double", "triple")
            for index in range(anchor, first)
        )

    def _with_extensions(self, spans: list[Span]) -> list[Span]:
        """Return the spans with the extensions behind a telephone number: "extension 214", "добавочный 217"."""
        tokens = self._tokens
        for cue in self._extensions:
            first = cue.last
            while first < len(tokens) and (tokens.sorts[first] == "p" or tokens.roles[first] & _DIRECT_ROLES):
                first += 1
            last = first
            while last in self._atom_at:
                last = self._atom_at[last].last
            digits = sum(len(atom.digits) for atom in self._atoms if first <= atom.first < last)
            behind = any(other.first == last for other in self._extensions)  # "转802分机"
            counts = (
                last < len(tokens)
                and not behind
                and (tokens.roles[last] & ROLE["unit"] or tokens.words[last] in COUNTED)
            )
            begun = self._expected is not None and self._expected.kind == Kind.PHONE and self._expected.digits
            phoned = (
                self._whole is Kind.PHONE
                or begun
                or any(span.kind == Kind.PHONE and span.end <= tokens.starts[cue.first] for span in spans)
            )
            if phoned and 1 <= digits <= _MAX_EXTENSION and not counts:
                spans = [*spans, Span(*tokens.places(cue.first, last), Kind.PHONE)]
        return spans

    def _cue_of(self, run: Run) -> Cue | None:
        place = bisect_right(self._cue_ends, run.first)
        before = self._cues[place - 1] if place else None
        if before and (run.first - before.last <= _MAX_NEAR or self._spells(before.last, run.first)):
            sorts = self._tokens.sorts[before.last : run.first]
            place = run.first - sorts[::-1].index("m") if "m" in sorts else before.last
            rest = len(run.digits) > 4 or len(run.atoms) > 1 or before.kind not in NUMERIC
            if rest or place == before.last or self._direct(place, run.first, lettered=True):
                return before  # else a mark stands where its number was
        after = self._cues[bisect_right(self._cue_ends, run.last)] if self._cue_ends[-1:] > [run.last] else None
        if after and after.strength == "strong" and after.kind in _LINKED and run.last < after.first < run.last + 6:
            between = range(run.last, after.first)
            said = len(run.digits) >= 4 or any(self._tokens.sorts[index] != "p" for index in between)
            if said and all(self._plain(index, ROLE["copula"] | ROLE["link"]) for index in between):
                return after
        return None

    def _spells(self, first: int, last: int) -> bool:
        """Return whether there are hardly any words but letters and what they are spelled with."""
        return (
            last - first <= _MAX_SPELLED
            and sum(
                not (self._plain(index, _PLAIN_ROLES | ROLE["letter"]) or self._letters.stand_at(index))
                for index in range(first, last)
            )
            <= _MAX_OTHERS
        )

    def _plain(self, index: int, roles: int) -> bool:
        tokens = self._tokens
        return bool(tokens.sorts[index] in "pm" or tokens.roles[index] & roles)

    def _direct(self, anchor: int, first: int, *, lettered: bool) -> bool:
        tokens = self._tokens
        if not 0 <= first - anchor <= _MAX_DIRECT + (_MAX_LETTERS if lettered else 0):
            return False
        return all(
            self._plain(index, _DIRECT_ROLES)
            or (lettered and (self._letters.stand_at(index) or tokens.roles[index] & ROLE["letter"]))
            for index in range(anchor, first)
        )

    def _hint(self, piece: Run, cue: Cue | None, masked: tuple[int, Kind] | None) -> tuple[Kind | None, int]:
        """Return what the number may be, and from how many digits on it is private."""
        expected = self._expected
        if self._letters.country_before(piece.first) and len(piece.digits) >= 2:
            hints = {cue.kind if cue else "", expected.kind if expected else "", masked[1] if masked else ""}
            if hints & _BANKED:
                return Kind.IBAN, 1
        dictated = any(self._direct(last, piece.first, lettered=False) for last in self._dictated)
        if dictated and (cue is None or cue.last <= min(self._dictated)):
            said = cue.kind if cue and cue.kind in NUMERIC else expected.kind if expected else Kind.NUMBER
            return Kind(said), 1 if len(piece.digits) >= 4 else 3
        if self._said:
            repeated = self._said.repeats(piece.digits, fewest=2 if self._content() == 0 else 3)
            if repeated:
                return Kind(repeated), 0
            if self._whole and (len(piece.digits) >= 2 or self._contrasts()) and self._takes_back():
                self._corrected = True
                return self._whole, 0
        if masked and len(piece.digits) >= 3 and any(piece.digits in digits for digits in self._masked):
            return masked[1], 0  # "... wait, did I say 3453?"
        if masked and (cue is None or cue.last <= masked[0]) and not self._again:
            if self._direct(masked[0], piece.first, lettered=masked[1] in LETTERED):
                return masked[1], 1 if masked[1] is not Kind.NUMBER else 3
            if self._is_corrected(masked[0], piece.first):
                return masked[1], 1
            read = self._is_opened(piece.first) or (
                expected is not None and expected.strong and self._content() <= _MAX_ASIDE
            )
            if masked[1] is not Kind.NUMBER and self._is_open(piece.last) and read:
                return masked[1], 3  # "... hang on, I dropped it. Right, 5928."
        if cue and cue.kind in NUMERIC and not (masked and cue.last <= masked[0]):
            kind = Kind(cue.kind)
            direct = cue.first >= piece.last or self._direct(cue.last, piece.first, lettered=kind in LETTERED)
            if cue.strength == "strong":
                return kind, 1 if direct else 3
            if direct and (kind is Kind.NUMBER or (kind is Kind.CODE and len(piece.digits) <= 2)):
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
            if expected.complete:  # it was said: what comes now may be its repetition
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
        if atoms and cue and cue.kind == _LABEL and len(run.digits) <= LONG and self._named(cue.last, atoms[0].first):
            count = len(atoms) if all(len(atom.digits) <= 3 for atom in atoms) and len(atoms) <= 5 else 1
            atoms = atoms[count:] if len(atoms[0].digits) < LONG else atoms
        if not atoms:
            return []
        announced = masked is not None or (cue is not None and cue.kind in NUMERIC) or bool(self._dictated)
        if announced or (self._expected and self._expected.strong and self._content() <= 2):
            return [Run(tuple(atoms))]
        return split_at_quantities(tokens, atoms)

    def _kind(self, piece: Run, cue: Cue | None, hint: Kind | None, minimum: int) -> Kind | None:
        """Return the kind of a private number, None for one that is nobody's secret."""
        tokens, atoms, digits = self._tokens, piece.atoms, piece.digits
        count = len(digits)
        if minimum and (
            self._is_amount(piece, cue, announced=minimum == 1)
            or (self._said.is_left(digits) and not (cue and cue.kind in NUMERIC and cue.strength == "strong"))
        ):
            return None
        written = tokens.text[tokens.starts[piece.first] : tokens.ends[piece.last - 1]]
        announced = minimum <= 1
        reading = announced and self._is_bare()
        dated = all(atom.when for atom in atoms)
        if dated and not reading and not (announced and hint in (Kind.CARD, Kind.ACCOUNT, Kind.CODE)):
            return None
        mobile = self._han and count == 11 and digits[1] in "3456789"
        if hint in (None, Kind.PHONE, Kind.NUMBER) and is_service_line(digits) and not (reading or mobile):
            return None
        short = hint is Kind.PHONE and count <= 4 and len(atoms) == 1 and atoms[0].sort == "written"
        if short and minimum and not self._expected and not self._is_open(piece.last):
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
        if count == 1 and minimum and not self._stands_last(piece.last):
            return None
        if count == 1 and piece.first and tokens.words[piece.first - 1] in _WHICH_DIGITS:
            return None  # "and the last four?"
        singles = sum(atom.sort == "digit" or len(atom.digits) == 1 for atom in atoms)
        if (not announced or (hint is Kind.PHONE and count <= 4)) and is_time(tokens, piece):
            return None
        if not announced and len(atoms) >= 2 and is_quantity(tokens, piece):
            return None
        begun = self._expected is not None and self._expected.strong and self._expected.digits and self._content() == 0
        grouped = is_grouped(written) and not (announced and (begun or (cue and cue.strength == "strong")))
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

    def _is_amount(self, piece: Run, cue: Cue | None, *, announced: bool) -> bool:
        """Return whether a word for an amount leads up to the number: "the total is 1280", "сумма 27 300", "扣1280"."""
        tokens, atoms = self._tokens, piece.atoms
        if not tokens.seen & _AMOUNT or len(piece.digits) > _MAX_AMOUNT or _is_spelled(piece):
            return False
        place, found, others = piece.first - 1, -1, 0
        while place >= 0 and piece.first - place <= 4 and tokens.words[place] not in SENTENCE_END:
            if tokens.roles[place] & _AMOUNT and not (others and tokens.words[place] in _BEFORE_AMOUNT):
                found = place
            elif not self._plain(place, _DIRECT_ROLES):
                others += 1
                if others > 1 or tokens.sorts[place] != "w" or place in self._atom_at:
                    break  # "the total today is" has one other word
            place -= 1
        place = found
        if place < 0:
            return False
        if cue and cue.kind in NUMERIC and cue.strength == "strong" and place < cue.last <= piece.first:
            return False
        plain = tokens.words[place] in _BEFORE_AMOUNT
        return not (plain and (announced or (self._expected and self._expected.strong))) and (
            len(atoms) <= 3 or bool(is_grouped(tokens.text[tokens.starts[piece.first] : tokens.ends[piece.last - 1]]))
        )

    def _takes_back(self) -> bool:
        """Return whether the utterance holds nothing but numbers and words that take something back."""
        tokens = self._tokens
        if not tokens.seen & _CORRECTION or not any(word in _TAKES_BACK for word in tokens.words):
            return False
        return all(
            index in self._atom_at or self._plain(index, _PLAIN_ROLES | _CORRECTION) for index in range(len(tokens))
        )

    def _contrasts(self) -> bool:
        """Return whether two digits are held against each other, or one's place is told: "four, not five"."""
        words = self._tokens.words
        if len(self._atoms) > 1:
            return any(word in _NOT for word in words)
        return any(word in _WHERE for word in words) and words[self._atoms[0].first] not in _PRONOUNS

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
        if tokens.seen & _SOUNDS and any(atom.sort == "digit" for atom in piece.atoms):
            while first and tokens.roles[first - 1] & _SOUNDS and tokens.words[first - 1] not in _PREPOSITIONS:
                first -= 1
            while (
                last < len(tokens)
                and tokens.roles[last] & _SOUNDS
                and (
                    tokens.words[last] not in _PREPOSITIONS
                    or last + 1 == len(tokens)
                    or tokens.roles[last + 1] & _SOUNDS
                )
            ):
                last += 1
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
        ) and all(tokens.sorts[index] == "p" or tokens.roles[index] & (_CORRECTION | _PLAIN_ROLES) for index in between)


def find_bank_code(tokens: Tokens) -> list[Span]:
    """Return the letters of an utterance that holds nothing else, as they come amid an IBAN: "HABA", "b u k b"."""
    letters = Letters(tokens, {}, ())
    said = [index for index in range(len(tokens)) if letters.stand_at(index)]
    others = (index for index in range(len(tokens)) if index not in said)
    if not said or not all(tokens.sorts[index] == "p" or tokens.roles[index] & _PLAIN_ROLES for index in others):
        return []
    count = sum(tokens.ends[index] - tokens.starts[index] for index in said)
    return [Span(tokens.starts[said[0]], tokens.ends[said[-1]], Kind.IBAN)] if 2 <= count <= 8 else []


def find_misheard(tokens: Tokens) -> list[Span]:
    """Return what digits are misheard as, where an utterance holds nothing else: "won too for"."""
    said = [index for index in range(len(tokens)) if tokens.roles[index] & _SOUNDS]
    if len(said) < 2 or any(
        not tokens.roles[index] & (_SOUNDS | ROLE["filler"]) and tokens.sorts[index] != "p"
        for index in range(len(tokens))
    ):
        return []
    return [Span(tokens.starts[said[0]], tokens.ends[said[-1]], Kind.NUMBER)]


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
    """Return what a cue says of numbers: a password is a code, too, an extension a label, a postal code a reference."""
    if cue.kind == _EXTENSION:
        return Cue(_LABEL, cue.strength, cue.first, cue.last)
    if cue.kind == Kind.ADDRESS:  # a postal code
        return Cue(REFERENCE, "strong", cue.first, cue.last)
    return Cue(Kind.CODE, cue.strength, cue.first, cue.last) if cue.kind == "password" else cue


def _specific(cues: list[Cue]) -> list[Cue]:
    """Return the cues, a general one right behind a special one taken as part of it: "the CVV | number is"."""
    result: list[Cue] = []
    for cue in cues:
        last = result[-1] if result else None
        if last and last.kind == REFERENCE and cue.kind == Kind.CODE and cue.strength == "weak":
            result.append(Cue(REFERENCE, "strong", cue.first, cue.last))  # "locker 31, code 7702"
        elif last and last.last == cue.first and last.kind == Kind.PHONE and cue.kind == REFERENCE:
            strong = last.strength == "strong"  # "ваш номер | обращения"
            result[-1 if strong else len(result) :] = [
                Cue(REFERENCE, "strong" if strong else cue.strength, cue.first, cue.last)
            ]
        elif (
            last
            and last.last == cue.first
            and last.kind in _LINKED
            and (cue.kind in _GENERAL or (cue.kind == REFERENCE and cue.strength == last.strength == "strong"))
        ):
            result[-1] = Cue(last.kind, last.strength if last.kind == Kind.NUMBER else "strong", last.first, cue.last)
        else:
            result.append(cue)
    return result

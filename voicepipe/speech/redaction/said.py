"""Which private numbers a call has said in full, and whether a number says one of them again.

A number that is whole (its check digits hold, or it has the length of its kind) announces nothing more: what comes
after it is private only where it repeats or corrects it. The digits that this needs are held in the process for as long
as the number is expected, and never saved.
"""

import re
from collections.abc import Iterable

from voicepipe.speech.redaction.kinds import Kind, inn_holds, luhn_holds, snils_holds

_MAX_DIGITS = 120
_MAX_LEFT = 6
_PHONE = re.compile(  # E.164 and national plans; ten digits that may be the start of a longer number are none
    r"(?!44|375|380)[2-69]\d{9}|0[1-9]\d{9}|1\d{10}|[78]\d{10}|(?:44|86|91)\d{10,11}|(?:375|380|998)\d{9}"
)


class Said:
    """Digits of the private numbers that a call is about, by kind."""

    __slots__ = ("_by", "_corrected", "_digits", "_first", "_left", "_whole")

    def __init__(self) -> None:
        self._digits: dict[str, str] = {}
        self._first: dict[str, int] = {}  # where the number that is read now begins
        self._by: dict[str, str] = {}
        self._whole: set[str] = set()
        self._left: tuple[str, ...] = ()
        self._corrected: dict[str, str] = {}  # digits to kind

    def __repr__(self) -> str:
        return f"Said(whole={sorted(self._whole)})"

    def __bool__(self) -> bool:
        return bool(self._digits)

    def copy(self) -> "Said":
        """Return the same, to be changed on its own."""
        other = Said()
        if not (self._digits or self._left or self._first):
            return other
        other._digits, other._first = dict(self._digits), dict(self._first)
        other._by, other._whole, other._left = dict(self._by), set(self._whole), self._left
        other._corrected = dict(self._corrected)
        return other

    def hear(self, kind: str, digits: str, *, by: str, han: bool) -> bool:
        """Take note of a number or a piece of one, and return whether it is new rather than read back.

        Parameters
        ----------
        kind : str
        digits : str
        by : str
            Channel that said it, empty where unknown.
        han : bool
            The call is in Chinese, where identity numbers have 18 digits.
        """
        known = self._digits.get(kind, "")
        first = self._first.get(kind, 0)
        if known and (by != self._by[kind] or not by) and (known.endswith(digits) or self.repeats(digits) == kind):
            return False
        repeated = len(digits) >= 3 and digits in known[first:]
        said = known + digits
        cut = max(0, len(said) - _MAX_DIGITS)
        self._digits[kind], self._first[kind], self._by[kind] = said[cut:], max(0, first - cut), by
        if not repeated and (_is_whole(kind, digits, han=han) or _is_checked(kind, said[first:], han=han)):
            self._whole.add(kind)
        return True

    def is_whole(self, kind: str) -> bool:
        """Return whether a number of the kind was said in full."""
        return kind in self._whole

    def leave(self, digits: str) -> None:
        """Take note of a number that was left: an amount, a reference."""
        self._left = (digits, *self._left)[:_MAX_LEFT]

    def is_left(self, digits: str) -> bool:
        """Return whether the same number was left shortly before."""
        return len(digits) >= 2 and digits in self._left

    def correct(self, kind: str, digits: str) -> None:
        """Take note of digits that somebody corrected, so that few of them are known again."""
        self._corrected[digits] = kind

    def complete(self, kind: str) -> None:
        """Expect no more of a number: as much as was asked for was said."""
        self._whole.add(kind)

    def begin(self, kind: str) -> None:
        """Expect a number of the kind anew."""
        self._first[kind] = len(self._digits.get(kind, ""))
        self._whole.discard(kind)

    def keep(self, kinds: Iterable[str]) -> None:
        """Forget the numbers of other kinds."""
        if self._digits or self._first:
            kept = {str(kind) for kind in kinds}
            for kind in (*self._digits, *self._first):
                if kind not in kept:
                    self._digits.pop(kind, None)
                    self._first.pop(kind, None)
                    self._by.pop(kind, None)
                    self._whole.discard(kind)
            self._corrected = {digits: kind for digits, kind in self._corrected.items() if kind in kept}

    def repeats(self, digits: str, *, fewest: int = 4) -> str | None:
        """Return the kind of the number that has these digits in it, exactly or with two of them misheard.

        Numbers of five digits and more may differ in one digit, all in the order of two neighbours.
        """
        if digits in self._corrected and len(digits) >= 2:
            return self._corrected[digits]
        if len(digits) < 3:
            return next(
                (kind for kind, said in self._digits.items() if len(digits) >= fewest and said.endswith(digits)), None
            )
        if len(digits) < fewest:
            return None
        for kind, said in self._digits.items():
            if digits in said or any(
                digits[:place] + digits[place + 1] + digits[place] + digits[place + 2 :] in said
                for place in range(len(digits) - 1)
            ):
                return kind
            if 5 <= len(digits) <= len(said) and any(
                sum(one != other for one, other in zip(digits, said[start:], strict=False)) <= 1
                for start in range(len(said) - len(digits) + 1)
            ):
                return kind
        return None


def _is_card(digits: str) -> bool:
    """Return whether the digits have a length that cards of their first digits have, and the right check digit."""
    count = len(digits)
    long = (
        count == 16
        or (count == 15 and digits[:2] in ("34", "37"))
        or (count == 14 and digits[:2] in ("30", "36", "38"))
    )
    return long and luhn_holds(digits)


def _is_checked(kind: str, digits: str, *, han: bool) -> bool:
    """Return whether the pieces of a number make one whose check digits or plan say that it is whole."""
    if kind == Kind.CARD:
        return len(digits) >= 19 or (_is_card(digits) and not digits.startswith("62"))
    if kind == Kind.PHONE:
        return len(digits) >= 12 or bool(_PHONE.fullmatch(digits))
    if kind == Kind.ID:
        russian = snils_holds(digits) or (len(digits) == 12 and inn_holds(digits))
        return len(digits) >= 18 or (russian and not han)
    if kind == Kind.NUMBER:
        return _is_card(digits) or bool(_PHONE.fullmatch(digits))
    return kind == Kind.ACCOUNT and len(digits) >= 20


def _is_whole(kind: str, digits: str, *, han: bool) -> bool:
    """Return whether a number said in one utterance has the length of its kind."""
    count = len(digits)
    if kind == Kind.CARD:
        return (count == 16 and not digits.startswith("62")) or _is_card(digits)
    if kind == Kind.PHONE:
        return count >= 11
    if kind == Kind.ID:
        return (count in (9, 10) or count >= 16) and not han
    return kind == Kind.ACCOUNT and count >= 20 - (not digits.startswith("40"))

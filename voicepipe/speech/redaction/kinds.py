"""Kinds of private data, the marks that stand for them, and the check digits that tell them from other numbers."""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol


class Kind(StrEnum):
    """What private data is; the mark in its place is the value in brackets."""

    CARD = "card"
    IBAN = "iban"
    ACCOUNT = "account"
    PHONE = "phone"
    EMAIL = "email"
    ID = "id"
    CODE = "code"
    DATE_OF_BIRTH = "date_of_birth"
    ADDRESS = "address"
    NAME = "name"
    NUMBER = "number"


MARK = re.compile(r"\[[a-z][a-z_]{1,31}\]")
"""Any mark; who reads redacted text skips what it matches."""


def mark(kind: str) -> str:
    """Return what stands in the text in place of private data: ``[card]``."""
    return f"[{kind}]"


class Span(NamedTuple):
    """Private data in a text: characters `start` to `end`, half open."""

    start: int
    end: int
    kind: str


class SpanFinder(Protocol):
    """Finds private data in one text, without memory; the redactor takes what it finds on top of its own rules."""

    def find(self, text: str, *, language: str) -> Sequence[Span]:
        """Return what is private in the text; `language` is an ISO 639-1 code."""
        ...


def luhn_holds(digits: str) -> bool:
    """Return whether the last digit checks the others (ISO/IEC 7812-1, annex B), as on every payment card."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def iban_holds(iban: str) -> bool:
    """Return whether an IBAN in upper case without blanks has the remainder 1 modulo 97 (ISO 13616-1, ISO 7064)."""
    if not re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", iban):
        return False
    return int("".join(str(int(char, 36)) for char in iban[4:] + iban[:4])) % 97 == 1


_CHINESE_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def chinese_id_holds(number: str) -> bool:
    """Return whether 17 digits and a check character are a resident identity number (GB 11643-1999, ISO 7064 11-2)."""
    if not re.fullmatch(r"[1-9]\d{5}(?:19|20)\d\d(?:0[1-9]|1[0-2])[0-3]\d\d{3}[\dX]", number):
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_CHINESE_WEIGHTS, number, strict=False))
    return "10X98765432"[total % 11] == number[17]


def snils_holds(digits: str) -> bool:
    """Return whether 11 digits are a Russian pension insurance number (its own control number)."""
    if len(digits) != 11:
        return False
    total = sum((9 - place) * int(digit) for place, digit in enumerate(digits[:9]))
    return total % 101 % 100 == int(digits[9:])


_INN_WEIGHTS = (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)


def inn_holds(digits: str) -> bool:
    """Return whether 12 digits are a person's, or 10 an organisation's, Russian taxpayer number (weights modulo 11)."""
    if len(digits) not in (10, 12):
        return False

    def check(length: int) -> bool:
        weights = _INN_WEIGHTS[11 - length :]
        total = sum(weight * int(digit) for weight, digit in zip(weights, digits, strict=False))
        return total % 11 % 10 == int(digits[length])

    return check(9) if len(digits) == 10 else check(10) and check(11)


_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]{1,4}){3,9}(?![A-Za-z0-9])")
_SSN = re.compile(r"(?!000|666|9\d\d)\d{3}[- ](?!00)\d{2}[- ](?!0000)\d{4}")
_PHONE = re.compile(
    r"(?:7|8)[3489]\d{9}"  # Russia: trunk prefix 8 or country code 7 (E.164)
    r"|1?[2-9]\d{2}[2-9]\d{6}"  # North American Numbering Plan
    r"|9\d{9}"  # Russian mobile without its prefix
    r"|(?:44|0)[1237]\d{8,9}"  # United Kingdom (Ofcom, National Telephone Numbering Plan)
    r"|(?:86)?1[3-9]\d{9}"  # Chinese mobile (MIIT numbering plan)
)
_ID_FORM = re.compile(  # UK National Insurance (HMRC, NIM39110), Indian PAN (Income Tax Department), GB 11643-1999
    r"(?<![A-Za-z0-9])(?:"
    r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]"
    r"|[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]"
    r"|[1-9]\d{16}[Xx]"
    r")(?![A-Za-z0-9])"
)
_SERVICE = re.compile(
    r"[78]80[034]\d{7}"  # Russia: called at the callee's cost
    r"|1?8(?:00|33|44|55|66|77|88)[2-9]\d{6}"  # North America: toll free
    r"|080[08]\d{6,7}"  # United Kingdom: freephone
    r"|[48]00\d{7}"  # China: service lines
)


_MOBILE = re.compile(r"[78][3489]\d{9}|(?:86)?1[3-9]\d{9}|0[1237]\d{8,9}|1?[2-9]\d{2}555\d{4}")


_CERTAIN_MOBILE = re.compile(r"[78]9\d{9}|07\d{9}")


def is_mobile(digits: str, *, han: bool) -> bool:
    """Return whether the digits are a mobile number of Russia or the United Kingdom, or said in Chinese, of China."""
    return bool(_CERTAIN_MOBILE.fullmatch(digits)) or (han and bool(re.fullmatch(r"1[3-9]\d{9}", digits)))


def is_mobile_form(digits: str) -> bool:
    """Return whether the digits can hardly be anything but a telephone number, whatever they are called."""
    return bool(_MOBILE.fullmatch(digits))


def find_ids(text: str) -> list[Span]:
    """Return the numbers of persons that are told by their letters and digits alone."""
    return [Span(*found.span(), Kind.ID) for found in _ID_FORM.finditer(text)]


def is_service_line(digits: str) -> bool:
    """Return whether the digits are a public free-phone or service line, which is nobody's private number."""
    return bool(_SERVICE.fullmatch(digits))


def kind_of_number(digits: str, *, written: str, hint: Kind | None) -> Kind:
    """Return what kind of number this is.

    Parameters
    ----------
    digits : str
        Its digits.
    written : str
        As it stands in the text, with its separators.
    hint : Kind or None
        What the talk was about. It decides unless the number's own check digits say otherwise.
    """
    count = len(digits)
    if count == 18 and chinese_id_holds(digits):
        return Kind.ID
    phone = bool(_PHONE.fullmatch(digits))
    if 13 <= count <= 19 and hint not in (Kind.ID, Kind.ACCOUNT, Kind.IBAN) and luhn_holds(digits):
        return Kind.PHONE if phone and hint is not Kind.CARD else Kind.CARD
    if hint is Kind.CODE and count > 8:
        hint = None
    if hint is Kind.PHONE and count > 15:  # longer than E.164 allows
        hint = Kind.CARD if count <= 19 else Kind.NUMBER
    if hint is not None:
        return hint
    if _SSN.fullmatch(written) or (count == 12 and inn_holds(digits)):
        return Kind.ID
    if written.startswith("+") or phone:
        return Kind.PHONE
    if count == 11 and snils_holds(digits):
        return Kind.ID
    return Kind.NUMBER


_IBAN_DIGITS = 8
"""Digits that an IBAN has at the least; words that begin like one pass the check digits at times."""


def _digits(text: str) -> int:
    return sum(char.isdigit() for char in text)


def find_ibans(text: str, *, announced: bool) -> list[Span]:
    """Return the IBANs written in a text: with their check digits right, or of any content where one is announced."""
    spans = []
    for found in _IBAN.finditer(text):
        parts = re.split(r"([ -])", found.group())
        length = len(found.group())
        for count in range(len(parts), 0, -2):
            written = "".join(parts[:count])
            if _digits(written) >= _IBAN_DIGITS and iban_holds(re.sub(r"[ -]", "", written).upper()):
                spans.append(Span(found.start(), found.start() + len(written), Kind.IBAN))
                break
        else:
            if announced and _digits(found.group()) >= _IBAN_DIGITS:
                spans.append(Span(found.start(), found.start() + length, Kind.IBAN))
    return spans

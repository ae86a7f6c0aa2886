"""E-mail addresses, written and spoken: "anna dot smith at example dot com", "анна собака пример точка ру"."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from voicepipe.speech.redaction.kinds import Kind, Span
from voicepipe.speech.redaction.lexicon import ROLE, SENTENCE_END, Cue, Tokens
from voicepipe.speech.redaction.spoken_numbers import Atom

_AT, _DOT, _JOINER, _TOP, _HOST = ROLE["at"], ROLE["dot"], ROLE["joiner"], ROLE["top_level"], ROLE["mail_host"]
_NOT_MAILBOX = ROLE["not_mailbox"]
_ORDINARY = ROLE["not_name"] | ROLE["link"] | ROLE["not_password"] | ROLE["filler"]
_SKIPPED = ROLE["copula"] | ROLE["filler"] | ROLE["link"]
_PUNCTUATION_JOINERS = frozenset("._-+%'")
_WEAK_AT = frozenset({"at", "эт", "эта", "ат", "在"})  # ordinary words, too: they count only before a whole domain
_SAID = frozenset({"是", "为", "is", "email's", "it's", "это", ":"})
_ASIDES = (
    ("all", "one", "word"), ("one", "word"), ("all", "lower", "case"), ("all", "lowercase"), ("lowercase",),
    ("no", "spaces"), ("all", "together"), ("слитно",), ("одним", "словом"), ("в", "одно", "слово"), ("маленькими",),
    ("без", "пробелов"),
)  # fmt: skip
_COMMAS = frozenset(",，、")
_TWICE = frozenset({"double", "triple", "дважды"})
_MAX_LABEL = 12  # tokens of one label of a domain: spelled out, or in Han characters
_MAX_MAILBOX = 24  # tokens
_MAX_ANNOUNCED = 20
_MAX_ALONE = 10
_MAX_BETWEEN = 3
_FEWEST_SPELLED = 4  # letters that are spelled one by one where nothing announces an address


class _Part(NamedTuple):
    """A word, a number or some letters of a mailbox: tokens `first` to `last`, half open, and what joins it."""

    word: str
    first: int
    last: int
    joined: bool  # to the part before, as only an address is: by a word for a sign, or written together
    follows: bool  # nothing but a comma or a sign stands between it and the part before


def find_emails(
    tokens: Tokens, numbers: frozenset[int], cues: Sequence[Cue], *, expected: bool, answer: bool
) -> tuple[list[Span], bool]:
    """Return the addresses in an utterance, and whether one was announced or begun but not finished.

    Parameters
    ----------
    tokens : Tokens
    numbers : frozenset of int
        Tokens that are part of a number.
    cues : sequence of Cue
    expected : bool
        An address was asked for or begun in the call.
    answer : bool
        This may be the answer, or go on with it: a few words alone are taken for a part of it.
    """
    announced = [cue for cue in cues if cue.kind == "email"]
    spans: list[Span] = []
    if not announced and not expected and not tokens.seen & _AT and "@" not in tokens.words:
        if tokens.seen & (_DOT | _JOINER):
            foreign = any(char.isalpha() and not char.isascii() for char in tokens.text)
            spans = _spelled(tokens, numbers) or (_joined_latin(tokens) if foreign else [])
        return spans, bool(spans)
    index = after = 0
    unfinished = False
    han = "h" in tokens.sorts
    while index < len(tokens):
        if tokens.words[index] == "@" or tokens.roles[index] & _AT:
            cue = next((one for one in reversed(announced) if one.last <= index), None)
            found = _around(tokens, numbers, index, cue, after=after, expected=expected, han=han)
            if found:
                first, after, whole = found
                unfinished |= not whole
                spans.append(_span(tokens, first, after))
                index = after
                continue
        index += 1
    if not spans:
        first = _after_cue(tokens, announced[-1]) if announced else 0
        if (announced or expected) and "m" not in tokens.sorts[first:]:
            said = bool(announced) and bool(_SAID & {*tokens.words[announced[-1].last - 1 : first]})
            spans = _pieces(tokens, numbers, first, expected=expected, alone=said or answer)
            unfinished = bool(spans)
    return spans, unfinished


def mailbox_pairs(tokens: Tokens, atoms: Sequence[Atom], spans: Sequence[Span]) -> frozenset[tuple[str, str]]:
    """Return the neighbouring words and numbers before the "at" of addresses: what their repetition is known by.

    Parameters
    ----------
    tokens : Tokens
    atoms : sequence of Atom
        The numbers in the utterance.
    spans : sequence of Span
        The addresses.
    """
    numbers = {atom.first: atom for atom in atoms}
    pairs = set()
    for span in spans:
        first = last = bisect_left(tokens.starts, span.start)
        while last < len(tokens) and tokens.starts[last] < span.end and not _is_at(tokens, last):
            last += 1
        parts = _parts(tokens, numbers, first, last)
        pairs |= {(one.word, other.word) for one, other in pairwise(parts) if other.follows}
    return frozenset(pairs)


def find_repeated(tokens: Tokens, atoms: Sequence[Atom], pairs: frozenset[tuple[str, str]]) -> list[Span]:
    """Return the parts of mailboxes that the call has heard: two that a sign joins, or one of two digits and more.

    Two plain words do not count: "customer.service@..." is no reason to mask "customer service".

    Parameters
    ----------
    tokens : Tokens
    atoms : sequence of Atom
        The numbers in the utterance.
    pairs : frozenset of (str, str)
        See `mailbox_pairs`.
    """
    parts = _parts(tokens, {atom.first: atom for atom in atoms}, 0, len(tokens))
    return [
        _span(tokens, one.first, other.last)
        for one, other in pairwise(parts)
        if other.follows
        and (one.word, other.word) in pairs
        and (other.joined or any(part.word.isdecimal() and len(part.word) > 1 for part in (one, other)))
    ]


def _parts(tokens: Tokens, numbers: Mapping[int, Atom], first: int, last: int) -> list[_Part]:
    """Return the words and numbers of the tokens, neighbouring digits and single letters put together."""
    parts: list[_Part] = []
    index, joined, follows = first, False, False
    while index < last:
        spelled = _is_single(tokens, index) and any(
            first <= beside < last and _is_single(tokens, beside) for beside in (index - 1, index + 1)
        )
        atom = None if spelled else numbers.get(index)  # "o" is a letter or nought
        if not atom and (_is_dot(tokens, index) or tokens.roles[index] & _JOINER or _is_sign(tokens, index)):
            joined = True
            index += 1
            continue
        if not atom and tokens.sorts[index] != "w":
            follows &= tokens.words[index] in _COMMAS
            index += 1
            continue
        word, end = (atom.digits, atom.last) if atom else (tokens.words[index], index + 1)
        near = follows and not joined and len(parts[-1].word) < _MAX_MAILBOX
        before = parts[-1] if near else None
        alike = before and (before.word.isdecimal() if atom else spelled and _is_single(tokens, before.last - 1))
        if before and alike:
            parts[-1] = before._replace(word=before.word + word, last=end)
        else:
            parts.append(_Part(word, index, end, joined or tokens.touches(index), follows))
        index, joined, follows = end, False, True
    return parts


def _is_at(tokens: Tokens, index: int) -> bool:
    return bool(tokens.roles[index] & _AT) or tokens.words[index] == "@"


def _is_sign(tokens: Tokens, index: int) -> bool:
    within = index + 1 < len(tokens) and tokens.touches(index) and tokens.touches(index + 1)
    return within and tokens.words[index] in _PUNCTUATION_JOINERS


def _spelled(tokens: Tokens, numbers: frozenset[int]) -> list[Span]:
    """Return what is spelled letter by letter around a word for a sign: "r o s e underscore w 9 1"."""
    spans: list[Span] = []
    for index in range(1, len(tokens) - 1):
        if not tokens.roles[index] & (_DOT | _JOINER) or (spans and tokens.starts[index] < spans[-1].end):
            continue
        first, last = index, index + 1
        while first and (_is_single(tokens, first - 1) or first - 1 in numbers):
            first -= 1
        while last < len(tokens) and (
            _is_single(tokens, last) or last in numbers or tokens.roles[last] & (_DOT | _JOINER)
        ):
            last += 1
        letters = [place for place in range(first, last) if _is_single(tokens, place)]
        if len(letters) >= _FEWEST_SPELLED and first < index < last - 1:
            spans.append(_span(tokens, first, last))
    return spans


def _is_single(tokens: Tokens, index: int) -> bool:
    return tokens.sorts[index] == "w" and tokens.ends[index] - tokens.starts[index] == 1


def _joined_latin(tokens: Tokens) -> list[Span]:
    """Return Latin words that a word for a sign joins in the midst of another script: "big минус boss"."""
    spans = []
    for index in range(1, len(tokens) - 1):
        sides = (index - 1, index + 1)
        if (
            tokens.roles[index] & (_DOT | _JOINER)
            and tokens.sorts[index] in "wh"
            and all(tokens.sorts[side] == "w" and tokens.words[side].isascii() for side in sides)
        ):
            spans.append(_span(tokens, index - 1, index + 2))
    return spans


def _span(tokens: Tokens, first: int, last: int) -> Span:
    return Span(tokens.starts[first], tokens.ends[last - 1], Kind.EMAIL)


def _is_word(tokens: Tokens, index: int) -> bool:
    return 0 <= index < len(tokens) and tokens.sorts[index] in "wdh"


def _is_dot(tokens: Tokens, index: int) -> bool:
    if not 0 <= index < len(tokens):
        return False
    following = index + 1 < len(tokens)
    if tokens.words[index] in (".", "。", "．"):
        joined = tokens.touches(index) and following and tokens.touches(index + 1)
        return joined or (following and bool(tokens.roles[index + 1] & _TOP) and tokens.words[index + 1].islower())
    if tokens.sorts[index] == "h":  # 点 is also a word of its own: an hour, a little
        beside = (index - 1, index + 1) if following else (index - 1,)
        return bool(tokens.roles[index] & _DOT) and any(tokens.sorts[place] in "wd" for place in beside if place >= 0)
    return bool(tokens.roles[index] & _DOT)


def _domain(tokens: Tokens, numbers: frozenset[int], first: int) -> tuple[int, bool]:
    """Return the token after a domain that begins at `first`, and whether it is whole (has a top level)."""
    first += first < len(tokens) and tokens.words[first] in _COMMAS
    place, whole, end = first, False, first
    while place < len(tokens):
        label = place
        while (
            label < len(tokens)
            and label - place < _MAX_LABEL
            and (_is_word(tokens, label) or (tokens.words[label] in "-_" and label > place))
            and (tokens.sorts[label] != "h" or label in numbers)
            and not _is_dot(tokens, label)
            and (label == place or _one_label(tokens, label))
        ):
            label += 1
        if label == place:
            break
        end = label
        if whole and not tokens.roles[place] & _TOP and not tokens.touches(place):
            end = place - 1
            break
        dotted = place > first
        named = tokens.sorts[place] != "d"  # "at 6.45" is a time: no top level is a number
        if dotted and named and label == place + 1 and (tokens.roles[place] & _TOP or tokens.touches(place)):
            whole = True
        label += label < len(tokens) and tokens.words[label] in _COMMAS and _is_dot(tokens, label + 1)
        if _is_dot(tokens, label):
            place = label + 1
            place += place < len(tokens) and tokens.words[place] in _COMMAS
            continue
        if not dotted and label < len(tokens) and tokens.roles[label] & _TOP and tokens.roles[label - 1] & _HOST:
            return label + 1, True
        break
    return end, whole


def _one_label(tokens: Tokens, index: int) -> bool:
    """Return whether the token goes on with the label before it: touching, spelled, a digit, or a second word."""
    return (
        tokens.touches(index)
        or tokens.ends[index] - tokens.starts[index] == 1
        or tokens.sorts[index] == "d"
        or _is_dot(tokens, index + 1)
        or bool(tokens.roles[index] & _JOINER)
        or bool(tokens.roles[index - 1] & _JOINER)
    )


def _around(
    tokens: Tokens, numbers: frozenset[int], at: int, cue: Cue | None, *, after: int, expected: bool, han: bool
) -> tuple[int, int, bool] | None:
    """Return the tokens of the address around an "at" and whether it is whole, None where it is none."""
    weak = tokens.words[at] in _WEAK_AT
    end, whole = _domain(tokens, numbers, at + 1)
    if not whole and weak:
        return None
    first, joined = _mailbox(tokens, numbers, at)
    if not whole and not joined and cue is None and not expected and tokens.words[at] != "@":
        return None
    if cue and after <= cue.last and at - cue.last <= _MAX_ANNOUNCED:
        start = _after_cue(tokens, cue)
        if start < first and not any(tokens.words[index] in "?!" for index in range(start, first)):
            first = start
    if first == at:
        alone = at == 0 and whole and tokens.clause_end(end) <= end + 1  # "at aol dot com"
        return (at, end, whole) if (expected or alone or (whole and not weak)) and end > at + 1 else None
    ordinary = tokens.roles[at - 1] & _NOT_MAILBOX and tokens.sorts[at - 1] == "w" and at - 1 not in numbers
    if weak and not joined and ordinary:
        return None
    if han and not weak:
        first = min(first, _spelled_from(tokens, numbers, at))
    before = first - 1
    if (
        not cue
        and before >= after
        and tokens.sorts[before] == "w"
        and not tokens.roles[before] & (_ORDINARY | _NOT_MAILBOX | ROLE["copula"])
    ):
        first = before  # "john smith at": names come in pairs
    return first, max(end, at + 1), whole


def _spelled_from(tokens: Tokens, numbers: frozenset[int], at: int) -> int:
    """Return where the Latin letters and the digits before an "at" begin, few other words between them."""
    first, place, others = at, at - 1, 0
    while (
        place >= 0 and at - place <= _MAX_MAILBOX and others <= _MAX_BETWEEN and tokens.words[place] not in SENTENCE_END
    ):
        if tokens.sorts[place] in "wd" or place in numbers:
            first, others = place, 0
        else:
            others += tokens.sorts[place] != "p"
        place -= 1
    return first


def _mailbox(tokens: Tokens, numbers: frozenset[int], at: int) -> tuple[int, bool]:
    """Return the first token of what stands before an "at", and whether its parts are joined as only an address is."""
    first, joined, told = at, False, False
    while first > 0 and at - first < _MAX_MAILBOX:
        before = first - 1
        aside = _aside(tokens, before)
        if aside < before:
            joined, told, first = True, True, aside
            continue
        if told and (tokens.words[before] in _COMMAS or _is_word(tokens, before)):
            told, first = tokens.words[before] in _COMMAS, before
        elif tokens.words[before] in _COMMAS and _is_dictated(tokens, before, at):
            first = before
        elif tokens.words[before] in _PUNCTUATION_JOINERS and (tokens.touches(first) or tokens.touches(before)):
            joined, first = True, before
        elif not _is_word(tokens, before):
            break
        elif tokens.roles[before] & (_DOT | _JOINER):
            joined, first = True, before
        elif tokens.sorts[before] == "h" and before not in numbers:
            break
        elif (
            before >= 2
            and tokens.words[before - 1] in ("in", "for", "как")
            and _is_letter(tokens, _spelled_by(tokens, before))
        ):
            joined, first = True, _spelled_by(tokens, before)  # "b as in bravo", "b for bravo"
        elif tokens.words[first] in _COMMAS and tokens.roles[before] & _ORDINARY and before not in numbers:
            break
        elif first == at or tokens.touches(first) or _goes_on(tokens, numbers, before, first):
            first = before
        else:
            break
    while first < at and not (_is_word(tokens, first) and not tokens.roles[first] & (_DOT | _JOINER)):
        first += 1
    return first, joined


def _aside(tokens: Tokens, index: int) -> int:
    """Return where words about the spelling begin that end at `index`, behind it where there are none."""
    index -= tokens.words[index] in _COMMAS
    for words in _ASIDES:
        first = index + 1 - len(words)
        if first > 0 and tuple(tokens.words[first : index + 1]) == words:
            return first
    return index + 1


def _is_dictated(tokens: Tokens, comma: int, at: int) -> bool:
    """Return whether a comma is a pause within an address: beside "dot" and the like, or between letters."""
    if (
        comma >= 3
        and tokens.words[comma - 2] in ("in", "for", "как")
        and _is_letter(tokens, _spelled_by(tokens, comma - 1))
    ):
        return True
    if comma and comma + 1 == at and _is_letter(tokens, comma - 1):
        return True
    if comma == 0 or comma + 1 >= at:
        return comma > 0 and tokens.words[at] not in _WEAK_AT and tokens.words[at] != "@"
    return (
        _is_letter(tokens, comma + 1)
        or tokens.words[comma + 1] in _TWICE
        or bool(
            (tokens.roles[comma - 1] | tokens.roles[comma + 1]) & (_DOT | _JOINER) and tokens.sorts[comma - 1] != "h"
        )
    )


def _is_letter(tokens: Tokens, index: int) -> bool:
    if not 0 <= index < len(tokens) or tokens.sorts[index] != "w":
        return False
    return tokens.ends[index] - tokens.starts[index] == 1 or bool(tokens.roles[index] & ROLE["letter"])


def _spelled_by(tokens: Tokens, index: int) -> int:
    """Return where the letter stands that the word at `index` spells."""
    return index - 3 if index >= 3 and tokens.words[index - 2] == "as" else index - 2


def _goes_on(tokens: Tokens, numbers: frozenset[int], before: int, first: int) -> bool:
    """Return whether a word belongs to the mailbox name that begins at `first`: joined, a number, or spelled."""
    if tokens.roles[first] & (_DOT | _JOINER) or tokens.words[first] in _PUNCTUATION_JOINERS:
        return True
    if before in numbers:
        return True
    if first in numbers:
        return not tokens.roles[before] & _ORDINARY
    spelled = _is_letter(tokens, first)
    if tokens.words[before] in _TWICE:
        return spelled
    if not _is_letter(tokens, before):
        return False
    spelled |= tokens.words[first] in _TWICE
    return spelled or tokens.words[before] not in ("a", "i", "я", "и", "а", "у", "с", "в", "к", "о")


def _after_cue(tokens: Tokens, cue: Cue) -> int:
    first = cue.last
    while first < len(tokens) and (
        tokens.sorts[first] == "p" or (tokens.roles[first] & _SKIPPED and not tokens.roles[first] & (_DOT | _JOINER))
    ):
        first += 1
    return first


def _pieces(tokens: Tokens, numbers: frozenset[int], first: int, *, expected: bool, alone: bool) -> list[Span]:
    """Return the parts of an address that goes on in another utterance: words around "dot", "underscore", "at"."""
    spans: list[Span] = []
    for index in range(first, len(tokens)):
        amount = 0 < index < len(tokens) - 1 and tokens.sorts[index - 1] == tokens.sorts[index + 1] == "d"
        joins = (_is_dot(tokens, index) and not amount) or (tokens.roles[index] & _JOINER) or tokens.words[index] == "_"
        if tokens.roles[index] & _AT or tokens.words[index] == "@":
            joins = tokens.words[index] not in _WEAK_AT or (expected and index in (first, len(tokens) - 1))
        if joins:
            start, _ = _mailbox(tokens, numbers, index)
            end = index + 1
            while end < len(tokens) and (
                _is_word(tokens, end) and (end == index + 1 or _goes_on(tokens, numbers, end, end - 1))
            ):
                end += 1
            spans.append(_span(tokens, start, end))
    if spans:
        return spans
    if not alone:
        return []
    rest = [index for index in range(first, len(tokens)) if _is_word(tokens, index)]
    letters = [index for index in rest if _is_letter(tokens, index)]
    if len(rest) >= 2 and letters and len(letters) + len(numbers.intersection(rest)) == len(rest):
        return [_span(tokens, rest[0], rest[-1] + 1)]
    while first < len(tokens) and (tokens.sorts[first] == "p" or tokens.roles[first] & (_SKIPPED | ROLE["filler"])):
        first += 1
    rest = [index for index in range(first, len(tokens)) if _is_word(tokens, index)]
    named = [index for index in rest if tokens.sorts[index] == "w" and index not in numbers]
    if not named:
        return []
    foreign = [
        index for index in named if tokens.words[index].isascii() and not tokens.roles[index] & (_ORDINARY | _HOST)
    ]
    han = any(tokens.sorts[index] == "h" for index in rest)
    if han or (foreign and any(not tokens.words[index].isascii() for index in named)):
        if not foreign or len(rest) > _MAX_ALONE or len(foreign) == len(rest):
            return []
        return [_span(tokens, foreign[0] if len(rest) > 8 else rest[0], foreign[-1] + 1)]  # "拼音的大海 dahai"
    most = 5 if any(index in numbers for index in rest) else 3
    if len(rest) <= most and not any(
        tokens.roles[index] & (_ORDINARY | ROLE["unit"]) and index in named for index in rest
    ):
        return [_span(tokens, rest[0], rest[-1] + 1)]
    return []

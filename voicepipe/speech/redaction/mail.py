"""E-mail addresses, written and spoken: "anna dot smith at example dot com", "анна собака пример точка ру"."""

from collections.abc import Sequence

from voicepipe.speech.redaction.kinds import Kind, Span
from voicepipe.speech.redaction.lexicon import ROLE, Cue, Tokens

_AT, _DOT, _JOINER, _TOP, _HOST = ROLE["at"], ROLE["dot"], ROLE["joiner"], ROLE["top_level"], ROLE["mail_host"]
_NOT_MAILBOX = ROLE["not_mailbox"]
_ORDINARY = ROLE["not_name"] | ROLE["link"] | ROLE["not_password"] | ROLE["filler"]
_SKIPPED = ROLE["copula"] | ROLE["filler"] | ROLE["link"]
_PUNCTUATION_JOINERS = frozenset("._-+%'")
_WEAK_AT = frozenset({"at", "эт", "эта", "ат", "在"})  # ordinary words, too: they count only before a whole domain
_SAID = frozenset({"is", "email's", "it's", "это", ":"})
_MAX_LABEL = 12  # tokens of one label of a domain: spelled out, or in Han characters
_MAX_MAILBOX = 24  # tokens
_MAX_ANNOUNCED = 12


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
        return spans, False
    index = after = 0
    unfinished = False
    while index < len(tokens):
        if tokens.words[index] == "@" or tokens.roles[index] & _AT:
            cue = next((one for one in reversed(announced) if one.last <= index), None)
            found = _around(tokens, numbers, index, cue, after=after, expected=expected)
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
    first += first < len(tokens) and tokens.words[first] == ","
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
        label += label < len(tokens) and tokens.words[label] == "," and _is_dot(tokens, label + 1)
        if _is_dot(tokens, label):
            place = label + 1
            place += place < len(tokens) and tokens.words[place] == ","
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
    tokens: Tokens, numbers: frozenset[int], at: int, cue: Cue | None, *, after: int, expected: bool
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
        return (at, end, whole) if expected and end > at + 1 else None
    if weak and not joined and tokens.roles[at - 1] & _NOT_MAILBOX and tokens.sorts[at - 1] == "w":
        return None
    before = first - 1
    if (
        not cue
        and before >= after
        and tokens.sorts[before] == "w"
        and not tokens.roles[before] & (_ORDINARY | _NOT_MAILBOX | ROLE["copula"])
    ):
        first = before  # "john smith at": names come in pairs
    return first, max(end, at + 1), whole


def _mailbox(tokens: Tokens, numbers: frozenset[int], at: int) -> tuple[int, bool]:
    """Return the first token of what stands before an "at", and whether its parts are joined as only an address is."""
    first, joined = at, False
    while first > 0 and at - first < _MAX_MAILBOX:
        before = first - 1
        if tokens.words[before] == "," and _is_dictated(tokens, before, at):
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
            before >= 3
            and tokens.words[before - 1] in ("in", "for")
            and _is_letter(tokens, _spelled_by(tokens, before))
        ):
            joined, first = True, _spelled_by(tokens, before)  # "b as in bravo", "b for bravo"
        elif first == at or tokens.touches(first) or _goes_on(tokens, numbers, before, first):
            first = before
        else:
            break
    while first < at and not (_is_word(tokens, first) and not tokens.roles[first] & (_DOT | _JOINER)):
        first += 1
    return first, joined


def _is_dictated(tokens: Tokens, comma: int, at: int) -> bool:
    """Return whether a comma is a pause within an address: beside "dot" and the like, or between letters."""
    if comma == 0 or comma + 1 >= at:
        return comma > 0 and tokens.words[at] not in _WEAK_AT and tokens.words[at] != "@"
    return _is_letter(tokens, comma + 1) or bool(
        (tokens.roles[comma - 1] | tokens.roles[comma + 1]) & (_DOT | _JOINER) and tokens.sorts[comma - 1] != "h"
    )


def _is_letter(tokens: Tokens, index: int) -> bool:
    return 0 <= index < len(tokens) and tokens.sorts[index] == "w" and tokens.ends[index] - tokens.starts[index] == 1


def _spelled_by(tokens: Tokens, index: int) -> int:
    """Return where the letter stands that the word at `index` spells."""
    return index - 3 if tokens.words[index - 2] == "as" else index - 2


def _goes_on(tokens: Tokens, numbers: frozenset[int], before: int, first: int) -> bool:
    """Return whether a word belongs to the mailbox name that begins at `first`: joined, a number, or spelled."""
    if tokens.roles[first] & (_DOT | _JOINER) or tokens.words[first] in _PUNCTUATION_JOINERS:
        return True
    if before in numbers:
        return True
    if first in numbers:
        return not tokens.roles[before] & _ORDINARY
    if not _is_letter(tokens, before):
        return False
    spelled = tokens.ends[first] - tokens.starts[first] == 1
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
    rest = [index for index in range(first, len(tokens)) if _is_word(tokens, index)]
    if not alone or any(tokens.sorts[index] == "h" for index in rest):
        return []
    spelled = len(rest) >= 3 and all(
        tokens.ends[index] - tokens.starts[index] == 1 for index in rest if tokens.sorts[index] == "w"
    )
    if spelled and any(tokens.sorts[index] == "w" for index in rest):
        return [_span(tokens, rest[0], rest[-1] + 1)]
    if 1 <= len(rest) <= 3 and not any(tokens.roles[index] & _ORDINARY for index in rest) and not (numbers & set(rest)):
        return [_span(tokens, rest[0], rest[-1] + 1)]
    return []

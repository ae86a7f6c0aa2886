"""All rules together: what is private in one utterance, given what the call was about to say."""

from collections.abc import Iterable, Sequence

from voicepipe.speech.redaction.addresses import find_addresses
from voicepipe.speech.redaction.births import find_births
from voicepipe.speech.redaction.kinds import Kind, Span, find_ibans, find_ids
from voicepipe.speech.redaction.lexicon import ROLE, Cue, Tokens, lexicon
from voicepipe.speech.redaction.mail import find_emails, find_repeated, mailbox_pairs
from voicepipe.speech.redaction.memory import PATIENCE, REFERENCE, WHOLE_DIGITS, Expectation, Memory
from voicepipe.speech.redaction.names import find_names, find_passwords, name_words
from voicepipe.speech.redaction.numbers import (
    NUMERIC,
    Heard,
    NumberReader,
    as_numeric,
    find_bank_code,
    find_misheard,
    outside,
)
from voicepipe.speech.redaction.spoken_numbers import read_atoms
from voicepipe.types import Channel

_PRIORITY = {
    kind: place
    for place, kind in enumerate(
        (
            Kind.EMAIL,
            Kind.CARD,
            Kind.IBAN,
            Kind.ID,
            Kind.ACCOUNT,
            Kind.PHONE,
            Kind.CODE,
            Kind.DATE_OF_BIRTH,
            Kind.ADDRESS,
        )
    )
}
_SKIPPED = ROLE["copula"] | ROLE["link"] | ROLE["filler"]
_TOLD = ROLE["told"]
_TELLING = ROLE["at"] | ROLE["title"] | ROLE["patronymic"] | ROLE["speaks"] | ROLE["street"]
_WORDED = frozenset({Kind.EMAIL, Kind.NAME, Kind.ADDRESS, Kind.DATE_OF_BIRTH, "password"})
_COUNTED_NEXT = frozenset({"label", "quantity"})
_TAIL = frozenset({"last", "ending", "ends", "последние", "заканчивается", "оканчивается", "尾", "后"})
_ANNOUNCING = frozenset({"strong", "cased", "maybe"})
_MAX_NAMES = 40
_MAX_MAILBOXES = 40  # pairs of their words
_INERT = frozenset({REFERENCE, "label", "quantity", "dictation", "extension"})  # they tell of numbers that follow
_ID_DIGITS = 6  # with letters beside them
_ID_LENGTH = 8
_TAIL_DIGITS = 4
_BACKCHANNEL = ROLE["link"] | ROLE["filler"]


def find_private(text: str, memory: Memory, *, channel: Channel) -> tuple[list[Span], bool]:
    """Return what is private in an utterance, in order and without overlap, and update the memory.

    The second value says whether another look at the text with its marks may find more: something is left there that
    a mark beside it could explain.

    Parameters
    ----------
    text : str
    memory : Memory
        Of the call; modified.
    channel : Channel
        Who speaks.
    """
    tokens = lexicon().read(text)
    if not tokens.words:
        return [], False
    cues = list(lexicon().cues(tokens))
    atoms = read_atoms(tokens, lexicon())
    mixed = tokens.seen & (ROLE["dot"] | ROLE["joiner"]) and (not text.isascii() or _is_spelled(tokens))
    telling = (
        tokens.seen & _TELLING or mixed or _is_named(tokens, memory) or "@" in tokens.words or _is_introduced(tokens)
    )
    if not (atoms or memory.expected or memory.mailboxes or telling) and all(cue.kind in _INERT for cue in cues):
        if cues:
            _remember(memory, tokens, cues, [], [], frozenset(), channel=channel, referred=False, left=frozenset())
        return [], False
    numbers = frozenset(index for atom in atoms for index in range(atom.first, atom.last))
    announced_iban = any(cue.kind == Kind.IBAN for cue in cues) or memory.of(Kind.IBAN) is not None

    mail = memory.of(Kind.EMAIL)
    answered = mail is not None and (not mail.asked_by or _asked(mail, channel))
    worded = (
        bool(tokens.seen & _TELLING)
        or any(cue.kind in _WORDED for cue in cues)
        or any(one.kind in _WORDED or one.asked_by for one in memory.expected)
    )
    spans, mail_unfinished = find_emails(tokens, numbers, cues, expected=mail is not None, answer=answered)
    mailed = bool(spans)
    repeated = find_repeated(tokens, atoms, memory.mailboxes) if memory.mailboxes else []
    if mailed and len(memory.mailboxes) < _MAX_MAILBOXES:
        memory.mailboxes |= mailbox_pairs(tokens, atoms, spans)
    spans += repeated
    if "d" in tokens.sorts:
        spans += find_ibans(text, announced=announced_iban) + find_ids(text)
    births, born = find_births(tokens, atoms, cues, expected=memory.of(Kind.DATE_OF_BIRTH))
    where = memory.of(Kind.ADDRESS)
    addresses = find_addresses(
        tokens,
        atoms,
        cues,
        expected=where,
        fresh=_asked(where, channel) and where is not None and where.utterances_left == PATIENCE,
    )
    spans += births + addresses + find_passwords(tokens, numbers, cues, answer=_asked(memory.of(Kind.CODE), channel))
    asked = memory.of(Kind.NAME)
    answer = _asked(asked, channel)
    fresh = asked is not None and asked.utterances_left == PATIENCE
    named = find_names(tokens, cues, answer=answer, fresh=fresh, known=memory.names)
    names = [span for span in named if not any(_overlap(span, other) for other in spans)]
    if names and len(memory.names) < _MAX_NAMES:
        memory.names |= name_words(text, names)
    found: list[Span] = []
    heard: list[Heard] = []
    referred = False
    if atoms:
        expected = memory.of(*NUMERIC)
        reader = NumberReader(
            tokens,
            atoms,
            cues,
            expected=expected,
            said=memory.said,
            reference=memory.reference(expected),
        )
        found, heard = reader.find(spans)
        referred = reader.references > 0
        for digits in reader.left:
            memory.said.leave(digits)
    elif announced_iban and (iban := memory.of(Kind.IBAN)) and not iban.complete:
        found = find_bank_code(tokens)
    elif (
        tokens.seen & ROLE["homophone"]
        and (begun := memory.of(*NUMERIC))
        and begun.strong
        and not memory.said.is_whole(begun.kind)
    ):
        found = find_misheard(tokens)
    left = numbers
    if cues and found:
        left = numbers.difference(
            index for index in numbers if any(one.start <= tokens.starts[index] < one.end for one in found)
        )
    _remember(memory, tokens, cues, heard, found, numbers, channel=channel, referred=referred, left=left)
    if mailed and not mail_unfinished:
        memory.forget(Kind.EMAIL)
    elif mail_unfinished:
        memory.announce(Kind.EMAIL, strong=True)
    if born:
        memory.forget(Kind.DATE_OF_BIRTH)
    if answer and names:
        memory.forget(Kind.NAME)
    private = merge(text, [*spans, *names, *found])
    return private, worded or bool(outside(tokens, atoms, private))


def _is_spelled(tokens: Tokens) -> bool:
    """Return whether there are as many single letters as a mailbox that is spelled has."""
    return sum(sort == "w" and len(word) == 1 for sort, word in zip(tokens.sorts, tokens.words, strict=True)) >= 3


def _is_named(tokens: Tokens, memory: Memory) -> bool:
    """Return whether there may be a name that the call has heard, in words or in letters."""
    return bool(memory.names) and (any(name in tokens.text for name in memory.names) or _is_spelled(tokens))


def _is_introduced(tokens: Tokens) -> bool:
    """Return whether "it's" at the beginning is followed by a capital letter."""
    beginning = tokens.words[:5]
    return "it's" in beginning and tokens.is_cased(beginning.index("it's") + 1)


def _asked(expected: Expectation | None, channel: Channel) -> bool:
    """Return whether the other side has asked for words."""
    if expected is None or not expected.asked_by:
        return False
    return channel is Channel.MIXED or expected.asked_by != channel


def _overlap(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end


def _tells(tokens: Tokens, cue: Cue, numbers: frozenset[int]) -> bool:
    """Return whether the cue is followed by something said about the thing: "my card is blocked"."""
    index, copula = cue.last, tokens.words[cue.last - 1].endswith(("'s", "is", "这", "是"))
    while index < len(tokens) and (tokens.sorts[index] == "p" or tokens.roles[index] & _SKIPPED):
        copula |= tokens.words[index] in ("is", "was", "это", "是")
        index += 1
    if index == len(tokens) or index in numbers or tokens.sorts[index] in "dm":
        return False
    return bool(copula and tokens.ends[index] - tokens.starts[index] > 1) or bool(tokens.roles[index] & _TOLD)


def _remember(
    memory: Memory,
    tokens: Tokens,
    cues: Sequence[Cue],
    heard: Sequence[Heard],
    found: Sequence[Span],
    numbers: frozenset[int],
    *,
    channel: Channel,
    referred: bool,
    left: frozenset[int],
) -> None:
    if any(sort in "wdh" and not role & _BACKCHANNEL for sort, role in zip(tokens.sorts, tokens.roles, strict=True)):
        memory.pass_utterance(heard={one.kind for one in heard})
    said, by = memory.said, str(channel)
    memory.han |= "h" in tokens.sorts
    again = {one.kind for one in heard if said.is_whole(one.kind) and said.repeats(one.said, fewest=2) == one.kind}
    tail: set[str] = set()
    for cue in reversed(cues):  # of "card number, expiry date and CVV" the first is answered first
        kind = as_numeric(cue).kind if cue.kind != Kind.ADDRESS or cue.strength == "code" else cue.kind
        if kind in NUMERIC or kind in (Kind.DATE_OF_BIRTH, Kind.EMAIL):
            ends = _ends(tokens, cue.last)
            asks = channel is Channel.AGENT and ends
            if channel is Channel.CALLER and not ends and kind not in NUMERIC:
                continue  # "I sent you an email", "my son was born in May": nothing more is announced
            strong = (cue.strength == "strong" or asks) and not _tells(tokens, cue, numbers)
            if said.is_whole(kind) and (kind in again or not (asks or any(one.kind == kind for one in heard))):
                continue  # talk of a number that was said
            if left and cue.strength == "strong" and tokens.skip(cue.last, _SKIPPED) in left:
                continue  # "valid for 12 months": what follows was no such number
            if strong or kind in NUMERIC:
                by_agent = kind == Kind.EMAIL and channel is Channel.AGENT
                asked_by = str(channel) if strong and (by_agent or cue.kind == "password") else ""
                memory.announce(kind, strong=strong, asked_by=asked_by)
                tail |= {kind} if _TAIL & {*tokens.words[cue.first : cue.last + 1]} else set()
        elif kind in _COUNTED_NEXT:
            if channel is not Channel.CALLER and (kind == "quantity" or _ends(tokens, cue.last)):
                memory.announce(REFERENCE, strong=False, patience=1)  # "how many?", "which model?"
        elif kind == REFERENCE:
            ends = _ends(tokens, cue.last)
            if cue.strength in ("strong", "code") or referred or (channel is Channel.AGENT and ends):
                memory.announce(REFERENCE, strong=True)
        elif cue.kind in (Kind.NAME, Kind.ADDRESS) and (
            cue.strength == "ask"
            or (channel is Channel.AGENT and cue.strength in _ANNOUNCING and _ends(tokens, cue.last))
        ):
            memory.announce(cue.kind, strong=True, asked_by=str(channel))
    for one in heard:
        if one.kind is not Kind.NUMBER or (one.open_end and one.digits < WHOLE_DIGITS[Kind.CARD]):
            memory.hear(one.kind, one.digits, said=one.said, by=by)
            if one.corrects:
                said.correct(one.kind, one.said)
            if one.digits == _TAIL_DIGITS and (one.kind in tail or memory.tail == one.kind):
                said.complete(one.kind)
    lettered = said and any(one.kind == Kind.ID for one in heard)
    if lettered:
        for span in found:
            written = tokens.text[span.start : span.end]
            letters, digits = sum(char.isalpha() for char in written), sum(char.isdigit() for char in written)
            if span.kind == Kind.ID and letters and digits >= _ID_DIGITS and letters + digits >= _ID_LENGTH:
                said.complete(Kind.ID)
    memory.tail = next(iter(tail), memory.tail)
    if referred:
        memory.announce(REFERENCE, strong=True)


def _ends(tokens: Tokens, index: int) -> bool:
    """Return whether nothing of weight follows."""
    return all(
        sort == "p" or role & _SKIPPED for sort, role in zip(tokens.sorts[index:], tokens.roles[index:], strict=True)
    )


def merge(text: str, spans: Iterable[Span]) -> list[Span]:
    """Return the spans in order, overlapping ones and neighbours of one kind joined."""
    result: list[Span] = []
    for span in sorted(spans, key=lambda one: (one.start, -one.end)):
        last = result[-1] if result else None
        if last and span.start < last.end:
            kind = min(last.kind, span.kind, key=lambda one: _PRIORITY.get(one, 99))  # type: ignore[call-overload]
            result[-1] = Span(last.start, max(last.end, span.end), kind)
        elif last and span.kind == last.kind and not any(char.isalnum() for char in text[last.end : span.start]):
            result[-1] = Span(last.start, span.end, last.kind)
        else:
            result.append(span)
    return result

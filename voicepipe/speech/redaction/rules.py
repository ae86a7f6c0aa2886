"""All rules together: what is private in one utterance, given what the call was about to say."""

from collections.abc import Iterable, Sequence

from voicepipe.speech.redaction.addresses import find_addresses
from voicepipe.speech.redaction.births import find_births
from voicepipe.speech.redaction.kinds import Kind, Span, find_ibans, find_ids
from voicepipe.speech.redaction.lexicon import ROLE, Cue, Tokens, lexicon
from voicepipe.speech.redaction.mail import find_emails
from voicepipe.speech.redaction.memory import WHOLE_DIGITS, Expectation, Memory
from voicepipe.speech.redaction.names import find_names, find_passwords
from voicepipe.speech.redaction.numbers import NUMERIC, Heard, NumberReader, as_numeric, outside
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
    mixed = not text.isascii() and tokens.seen & (ROLE["dot"] | ROLE["joiner"])
    if not (cues or atoms or memory.expected or tokens.seen & _TELLING or mixed or "@" in tokens.words):
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
    if "d" in tokens.sorts:
        spans += find_ibans(text, announced=announced_iban) + find_ids(text)
    births, born = find_births(tokens, atoms, cues, expected=memory.of(Kind.DATE_OF_BIRTH))
    addresses = find_addresses(tokens, atoms, cues, expected=memory.of(Kind.ADDRESS))
    spans += births + addresses + find_passwords(tokens, numbers, cues, answer=_asked(memory.of(Kind.CODE), channel))
    answer = _asked(memory.of(Kind.NAME), channel)
    names = [
        span for span in find_names(tokens, cues, answer=answer) if not any(_overlap(span, other) for other in spans)
    ]
    found: list[Span] = []
    heard: list[Heard] = []
    if atoms:
        found, heard = NumberReader(tokens, atoms, cues, expected=memory.of(*NUMERIC)).find(spans)
    _remember(memory, tokens, cues, heard, numbers, channel=channel)
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
    numbers: frozenset[int],
    *,
    channel: Channel,
) -> None:
    if any(sort in "wdh" and not role & _BACKCHANNEL for sort, role in zip(tokens.sorts, tokens.roles, strict=True)):
        memory.pass_utterance()
    for cue in reversed(cues):  # of "card number, expiry date and CVV" the first is answered first
        kind = as_numeric(cue).kind
        if kind in NUMERIC or kind in (Kind.DATE_OF_BIRTH, Kind.EMAIL):
            ends = all(
                sort == "p" or role & _SKIPPED
                for sort, role in zip(tokens.sorts[cue.last :], tokens.roles[cue.last :], strict=True)
            )
            asks = channel is Channel.AGENT and ends
            if channel is Channel.CALLER and not ends and kind not in NUMERIC:
                continue  # "I sent you an email", "my son was born in May": nothing more is announced
            strong = (cue.strength == "strong" or asks) and not _tells(tokens, cue, numbers)
            if strong or kind in NUMERIC:
                by_agent = kind == Kind.EMAIL and channel is Channel.AGENT
                asked_by = str(channel) if strong and (by_agent or cue.kind == "password") else ""
                memory.announce(kind, strong=strong, asked_by=asked_by)
        elif cue.kind in (Kind.NAME, Kind.ADDRESS) and cue.strength == "ask":
            memory.announce(cue.kind, strong=True, asked_by=str(channel))
    for one in heard:
        if one.kind is not Kind.NUMBER or (one.open_end and one.digits < WHOLE_DIGITS[Kind.CARD]):
            memory.hear(one.kind, one.digits)


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

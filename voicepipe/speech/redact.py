"""Private data out of what was said, before anything is stored, logged, shown or sent: typed marks in its place.

What is masked, in English, Russian and Chinese, written and spoken ("four one one one", "сорок один одиннадцать",
"四一一一"), also where it is split over utterances of both sides:

* ``[card]``, ``[iban]``, ``[account]``, ``[phone]``, ``[id]`` (social security, insurance, passport and taxpayer
  numbers, СНИЛС, ИНН, 身份证), ``[code]`` (PIN, CVV, one-time codes, passwords), ``[email]``, ``[date_of_birth]``;
* ``[number]``: every other number of six digits and more that is not said as an amount, a date or a time, and that
  nothing names. What is named as an order, a ticket, a claim, a contract, a parcel, a part, a door or pick-up code or
  a postal code stays, because the next agent needs it, unless it has the form of a card, an identity number or a
  mobile phone;
* ``[name]`` and ``[address]``, as far as they are announced ("my name is", "I live at") or have a form of their own
  (a title, a patronymic, house number and street); a name that was found is found again in the same call, as is an
  e-mail address.

An utterance that has gone out cannot be taken back. So what announces a number ("can I have your card number?") makes
the next ones private from their first digit, and after a number that stands at the end of an utterance its
continuation is expected. This errs on the side of masking: shortly after such a question also other numbers
of three digits and more go, until the number has been said in full (by its length, its check digits or the numbering
plan). From then on only its repetition, its correction and its extension go.

What it cannot do: names and addresses that nobody announces ("I told Emily yesterday"), names in lower case behind
words that may also be followed by others ("this is emily"), streets without a number, passwords that begin like talk
about one ("my password is correct horse"), nicknames, employers, diagnoses, and whatever the recogniser wrote as
other words ("for one won one"); the words before "at" where nothing says that an e-mail address comes ("purple hat").
A number of up to five digits that is neither announced nor read digit by digit stays, and so does a private number
that is called an order or a ticket and has no check digits (an account number). What tells a repetition and a known
name is held in the process and not part of `Redactor.state`: a call that is continued elsewhere masks more numbers
for a while and does not know the names and e-mail addresses again. It is a filter for quotes and transcripts, no
anonymisation in the sense of GDPR, recital 26.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from voicepipe.speech.redaction.kinds import MARK, Kind, Span, SpanFinder, mark
from voicepipe.speech.redaction.memory import Memory
from voicepipe.speech.redaction.rules import find_private, merge
from voicepipe.types import Channel, ConfigError, Redaction, Transcript, Word

ALL_KINDS = tuple(str(kind) for kind in Kind)
_STATE_VERSION = 1
_MAX_PASSES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactionConfig:
    """What is masked.

    Attributes
    ----------
    kinds : tuple of str
        Kinds of private data, all by default: see `voicepipe.speech.redaction.kinds.Kind`.
    patterns : mapping of str to str
        The centre's own: a name (lower case, underscores) and a regular expression; what matches becomes ``[name]``.
    presidio : bool
        Let Microsoft Presidio look, too; needs ``pip install voicepipe[presidio]``.
    presidio_models : mapping of str to str
        Language to the name of an installed spaCy pipeline, for names and places; without one Presidio's patterns
        alone are used.
    """

    kinds: tuple[str, ...] = ALL_KINDS
    patterns: Mapping[str, str] = field(default_factory=dict)
    presidio: bool = False
    presidio_models: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = set(self.kinds) - set(ALL_KINDS)
        if unknown:
            raise ValueError(f"kinds {', '.join(sorted(unknown))}: unknown, use some of {', '.join(ALL_KINDS)}")
        for name, pattern in self.patterns.items():
            if not MARK.fullmatch(mark(name)):
                raise ValueError(f"pattern {name!r}: a name has 2 to 32 lower-case letters and underscores")
            try:
                empty = re.compile(pattern).match("")
            except re.error as error:
                raise ValueError(f"pattern {name}: {error}") from error
            if empty:
                raise ValueError(f"pattern {name}: it matches the empty text, so it would match everywhere")


class Redactor:
    """Masks private data in the utterances of one call, both channels in the order in which they were decided.

    Parameters
    ----------
    config : RedactionConfig
    finder : SpanFinder, optional
        Looks at every text on top of the rules; by default Presidio where `config` asks for it.

    Examples
    --------
    >>> said = Transcript(text="my pin is four eight two one and I waited 45 minutes", language="en")
    >>> Redactor().redact(said, channel=Channel.CALLER).text
    'my pin is [code] and I waited 45 minutes'
    """

    def __init__(self, config: RedactionConfig | None = None, *, finder: SpanFinder | None = None) -> None:
        self._config = config or RedactionConfig()
        self._finder = finder or _finder_of(self._config)
        self._patterns = [(name, re.compile(pattern)) for name, pattern in self._config.patterns.items()]
        self._kinds = {*self._config.kinds, *self._config.patterns}
        self._memory = Memory()

    def redact(self, transcript: Transcript, *, channel: Channel, language: str | None = None) -> Transcript:
        """Return the transcript with marks in place of private data.

        Parameters
        ----------
        transcript : Transcript
        channel : Channel
            Who speaks.
        language : str, optional
            ISO 639-1 code, by default the transcript's own. The rules know all their languages at once; only Presidio
            asks for it.

        Returns
        -------
        Transcript
            The very transcript where nothing is private. Otherwise `redacted` is True, `redactions` say what was where
            in the text before, with offsets in the call where the words have times; of `words`, those that were masked
            are one word with the mark for a text, or there are none where words and text do not match.
        """
        spans = self._find(transcript.text, channel=channel, language=language or transcript.language)
        if not spans:
            return transcript
        places = _places_of_words(transcript)
        words = transcript.words if places else ()
        redactions = tuple(_redaction(span, words, places) for span in spans)
        return replace(
            transcript,
            text=_masked(transcript.text, spans),
            words=_masked_words(words, places, spans),
            redacted=True,
            redactions=redactions,
        )

    def state(self) -> dict[str, object]:
        """Return what the call is about to say as plain JSON values: kinds and counts, nothing that was said."""
        return {"version": _STATE_VERSION, "expected": self._memory.state()}

    def restore(self, state: Mapping[str, object]) -> None:
        """Continue a call where `state` was taken.

        Raises
        ------
        ConfigError
            If the state is none of this version's.
        """
        if state.get("version") != _STATE_VERSION:
            raise ConfigError(
                f"The redactor's saved state has version {state.get('version')!r}, this program writes "
                f"{_STATE_VERSION}: start the call's redaction afresh."
            )
        self._memory = Memory.restored(state.get("expected"))

    def _find(self, text: str, *, channel: Channel, language: str) -> list[Span]:
        before = self._memory.copy()
        spans, unsure = self._look(text, self._memory, channel, language)
        for _ in range(_MAX_PASSES if spans else 0):
            if not unsure:
                break
            more, unsure = self._look(_masked(text, spans), before.copy(), channel, language)
            if not more:
                break
            spans = merge(text, [*spans, *_moved_back(more, spans)])
        return spans

    def _look(self, text: str, memory: Memory, channel: Channel, language: str) -> tuple[list[Span], bool]:
        spans, unsure = find_private(text, memory, channel=channel)
        for name, pattern in self._patterns:
            spans.extend(Span(*found.span(), name) for found in pattern.finditer(text) if found.group())
        if self._finder:
            spans.extend(self._finder.find(text, language=language))
        marks = [found.span() for found in MARK.finditer(text)] if spans else []
        kept = [
            span
            for span in spans
            if span.kind in self._kinds and not any(start <= span.start and span.end <= end for start, end in marks)
        ]
        return merge(text, kept), unsure or bool(self._patterns) or self._finder is not None


@cache
def _presidio(models: tuple[tuple[str, str], ...]) -> SpanFinder:
    from voicepipe.speech.redaction.presidio import PresidioFinder

    return PresidioFinder(dict(models))


def _finder_of(config: RedactionConfig) -> SpanFinder | None:
    return _presidio(tuple(sorted(config.presidio_models.items()))) if config.presidio else None


def _masked(text: str, spans: Sequence[Span]) -> str:
    parts, place = [], 0
    for span in spans:
        parts += [text[place : span.start], mark(span.kind)]
        place = span.end
    return "".join([*parts, text[place:]])


def _moved_back(found: Sequence[Span], spans: Sequence[Span]) -> list[Span]:
    """Return spans of the masked text as spans of the text before."""

    def back(place: int, *, end: bool) -> int:
        shift = 0
        for span in spans:
            start = span.start + shift
            stop = start + len(mark(span.kind))
            if place < start or (place == start and not end) or (end and place <= start):
                break
            if place < stop or (end and place == stop):
                return span.end if end else span.start
            shift = stop - span.end
        return place - shift

    return [Span(back(one.start, end=False), back(one.end, end=True), one.kind) for one in found]


def _places_of_words(transcript: Transcript) -> list[tuple[int, int]]:
    """Return where each word stands in the text; nothing where they are not the whole text, in order."""
    places, place = [], 0
    for word in transcript.words:
        written = word.text.strip()
        start = transcript.text.find(written, place)
        if start < 0 or transcript.text[place:start].strip():
            return []
        place = start + len(written)
        places.append((start, place))
    return [] if transcript.text[place:].strip() else places


def _touches(span: Span, place: tuple[int, int]) -> bool:
    return span.start < place[1] and place[0] < span.end


def _redaction(span: Span, words: Sequence[Word], places: Sequence[tuple[int, int]]) -> Redaction:
    said = [word for word, place in zip(words, places, strict=True) if _touches(span, place)]
    return Redaction(
        kind=str(span.kind),
        start=span.start,
        end=span.end,
        start_s=min((word.start_s for word in said), default=None),
        end_s=max((word.end_s for word in said), default=None),
    )


def _masked_words(words: Sequence[Word], places: Sequence[tuple[int, int]], spans: Sequence[Span]) -> tuple[Word, ...]:
    """Return the words as the masked text shows them: those under one mark are one, punctuation beside it stays."""
    kept: list[Word] = []
    last: Span | None = None
    for word, (start, end) in zip(words, places, strict=True):
        touching = [one for one in spans if _touches(one, (start, end))]
        goes_on = last is not None and last in touching
        written, text, at = word.text.strip(), "", start
        for span in touching:
            text += written[at - start : max(at, span.start) - start] + mark(span.kind) * (span is not last)
            at = min(end, span.end)
        text += written[at - start :]
        if goes_on:
            before = kept[-1]
            kept[-1] = replace(
                before, text=before.text + text, end_s=max(before.end_s, word.end_s), prob=min(before.prob, word.prob)
            )
        else:
            kept.append(replace(word, text=text))
        last = touching[-1] if touching else None
    return tuple(kept)

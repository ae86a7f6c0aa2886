"""Written utterances, one a line: redacted, and read for requests and frustration as the transcript of a call is.

The lines are one conversation, in order: what was announced in one line ("my card number is") is masked in the next. An
empty line ends a conversation.
"""

import codecs
import json
import multiprocessing
import re
import select
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from io import BufferedIOBase
from itertools import islice
from typing import NamedTuple

from voicepipe.speech.identify import language_of
from voicepipe.speech.redact import RedactionConfig, Redactor
from voicepipe.speech.words import WordsReader
from voicepipe.types import AudioInputError, Channel, Frustration, HumanRequest, Redaction, Transcript

_SPEAKER = re.compile(r"\s*(agent|caller)\s*[:：]\s*", re.IGNORECASE)
_JSON = json.JSONEncoder(ensure_ascii=False)
_LINE_ENDS = re.compile("[\x85\u2028\u2029]")
"""Characters that some readers take for the end of a line; JSON lets them stand as they are."""
PIECE_BYTES = 65_536
"""Most that is taken from a stream at once: what a pipe holds."""
MANY_LINES = 256
"""Lines that have come at once from which on other processes help."""
BATCH_LINES = 32
"""Lines that are given to another process at once."""
MOST_BATCHES = 64
"""Batches that may wait for another process; beyond these, lines are read here before more are taken in."""
CACHED_LINES = 4096
"""Lines of which each process remembers what was found: much of a conversation is "yes" and "okay"."""

_Words = tuple[str, str]
_Found = tuple[HumanRequest | None, Frustration | None]
_Judge = Callable[[_Words | None], _Found]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLine:
    """One line of a conversation, after reading.

    Attributes
    ----------
    channel : Channel
    text : str
        Without the speaker's prefix, redacted.
    language : str or None
        ISO 639-1 code; None where the line has no letters of a language that is known.
    human_request : HumanRequest or None
        Always None for the agent.
    frustration : Frustration or None
        Always None for the agent.
    redactions : tuple of Redaction
        Places in the line as given, without the speaker's prefix.
    """

    channel: Channel
    text: str
    language: str | None
    human_request: HumanRequest | None
    frustration: Frustration | None
    redactions: tuple[Redaction, ...]

    def as_json(self) -> str:
        """Return the line as one JSON object without a line end in it."""
        request, frustration = self.human_request, self.frustration
        content = {
            "channel": str(self.channel),
            "text": self.text,
            "language": self.language,
            "human_requested": request is not None,
            "rule": request.rule if request else None,
            "quote": request.quote if request else None,
            "frustrated_prob": round(frustration.prob, 4) if frustration else None,
            "words": list(frustration.words) if frustration else [],
            "marks": [{"kind": mark.kind, "start": mark.start, "end": mark.end} for mark in self.redactions],
        }
        return _LINE_ENDS.sub(lambda end: f"\\u{ord(end[0]):04x}", _JSON.encode(content))

    def as_row(self) -> str:
        """Return the line as a row under `TABLE_HEAD`."""
        request, frustration = self.human_request, self.frustration
        return _row(
            self.channel,
            self.language or "",
            f"{request.kind}: {request.rule}" if request else "",
            f"{frustration.prob:.2f}" if frustration else "",
            self.text,
        )


def read_lines(
    lines: Iterable[bytes],
    *,
    language: str | None,
    reader: WordsReader,
    redaction: RedactionConfig | None = None,
) -> Iterator[ReadLine]:
    """Read utterances as they come in; one result for each line, empty ones included.

    Parameters
    ----------
    lines : iterable of bytes
        UTF-8, with or without a byte order mark and ends of line; bytes that are no UTF-8 become U+FFFD. ``agent:`` or
        ``caller:`` in front, in any case, says who speaks; the caller does where nothing is said.
    language : str or None
        ISO 639-1 code, or None to tell it from the letters of each line.
    reader : WordsReader
    redaction : RedactionConfig, optional

    Raises
    ------
    AudioInputError
        If the input is UTF-16.
    """
    listener, judge = _Listener(language, redaction), _judge_of(reader)
    for line in lines:
        heard = listener.hear(line)
        yield heard.read(judge(heard.words))


def read_stream(
    stream: BufferedIOBase,
    *,
    language: str | None,
    reader: WordsReader,
    redaction: RedactionConfig | None = None,
    processes: int = 1,
) -> Iterator[list[ReadLine]]:
    """Read utterances from a stream: all lines that have come, then all that have come meanwhile, and so on.

    Nothing waits for more input: a line that comes alone is answered alone. Many lines that come at once, as those of a
    file do, are read by several processes and given out in several lists, while more of them are taken in; they are
    redacted by one process, because what a line announces counts in the next.

    Parameters
    ----------
    stream : BufferedIOBase
    language, reader, redaction
        As of `read_lines`.
    processes : int
        How many may read at the same time.

    Raises
    ------
    AudioInputError
        If the input is UTF-16.
    """
    listener, judge = _Listener(language, redaction), _judge_of(reader)
    shared: _SharedReading | None = None
    begun = b""
    try:
        while True:
            if shared and not _has_more(stream):
                yield from shared.rest()
            if not (data := stream.read1(PIECE_BYTES)):
                break
            *lines, begun = (begun + data).split(b"\n")
            heard = map(listener.hear, lines)
            if shared is None and processes > 1 and len(lines) >= MANY_LINES:
                helpers = _helpers(processes, judge)
                processes = processes if helpers else 1
                shared = _SharedReading(helpers, judge) if helpers else None
            if shared is None:
                yield [line.read(judge(line.words)) for line in heard]
                continue
            while batch := list(islice(heard, BATCH_LINES)):
                shared.add(batch)
                yield from shared.ready()
        if shared:
            yield from shared.rest()
        if begun:
            last = listener.hear(begun)
            yield [last.read(judge(last.words))]
    finally:
        if shared:
            shared.stop()


def _has_more(stream: BufferedIOBase) -> bool:
    """Return whether the next read of a stream will not wait; no where nobody can tell."""
    try:
        return bool(select.select([stream], [], [], 0)[0])
    except (OSError, ValueError):  # no stream of the system, or none that can be asked
        return False


class _HeardLine(NamedTuple):
    """A line after redaction; `transcript` is None where it says nothing."""

    channel: Channel
    given: str
    language: str | None
    transcript: Transcript | None

    @property
    def words(self) -> _Words | None:
        """What a caller said, and in which language; None for an agent."""
        said = None if self.channel is Channel.AGENT else self.transcript
        return (said.text, said.language) if said else None

    def read(self, found: _Found) -> ReadLine:
        """Return the line with what was found in its words."""
        return ReadLine(
            channel=self.channel,
            text=self.transcript.text if self.transcript else self.given,
            language=self.language,
            human_request=found[0],
            frustration=found[1],
            redactions=self.transcript.redactions if self.transcript else (),
        )


class _Listener:
    """Redacts one line after the other."""

    def __init__(self, language: str | None, redaction: RedactionConfig | None) -> None:
        self._language, self._redaction = language, redaction
        self._redactor = Redactor(redaction)
        self._at_start = True

    def hear(self, raw: bytes) -> _HeardLine:
        """Return the next line, redacted."""
        if self._at_start:
            self._at_start = False
            if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise AudioInputError("The input is UTF-16; convert it to UTF-8 first.")
            raw = raw.removeprefix(codecs.BOM_UTF8)
        line = raw.decode(errors="replace").rstrip("\r\n")
        speaker = _SPEAKER.match(line)
        channel = Channel(speaker[1].lower()) if speaker else Channel.CALLER
        given = line[speaker.end() :] if speaker else line
        if not given.strip():
            self._redactor = Redactor(self._redaction)
            return _HeardLine(channel, given, self._language, None)
        spoken = self._language or language_of(given)
        transcript = self._redactor.redact(Transcript(text=given, language=spoken or ""), channel=channel)
        return _HeardLine(channel, given, spoken, transcript)


def _judge_of(reader: WordsReader) -> _Judge:
    """Return what reads a caller's words, the same words once."""

    @lru_cache(maxsize=CACHED_LINES)
    def judge(words: _Words | None) -> _Found:
        return reader.read(Transcript(text=words[0], language=words[1])) if words else (None, None)

    return judge


def _helpers(processes: int, judge: _Judge) -> Executor | None:
    """Start helping processes as copies of this one, which has everything loaded; None where that cannot be done."""
    try:
        copied = multiprocessing.get_context("fork")
        return ProcessPoolExecutor(processes - 1, mp_context=copied, initializer=_start_to_help, initargs=(judge,))
    except (ImportError, OSError, ValueError):  # there is no fork, or there are no semaphores
        return None


class _SharedReading:
    """Batches of lines in their order, read by helpers and, where these do not keep up, by this process."""

    def __init__(self, helpers: Executor, judge: _Judge) -> None:
        self._helpers, self._judge = helpers, judge
        self._batches: deque[tuple[list[_HeardLine], Future[list[_Found]]]] = deque()

    def add(self, batch: list[_HeardLine]) -> None:
        """Take one more batch; if that is too much for the helpers, or if they died, read it here."""
        found: Future[list[_Found]] | None = None
        if len(self._batches) < MOST_BATCHES:
            with suppress(BrokenExecutor):
                found = self._helpers.submit(_help, [line.words for line in batch])
        self._batches.append((batch, found or self._read(batch)))

    def ready(self) -> Iterator[list[ReadLine]]:
        """Give out the first batches as far as they are done."""
        while self._batches and self._batches[0][1].done():
            yield self._next()

    def rest(self) -> Iterator[list[ReadLine]]:
        """Give out all batches, the last ones read here as long as no helper has begun with them.

        They are not cancelled: an executor whose process dies meanwhile would never finish the others.
        """
        for place in reversed(range(len(self._batches))):
            batch, found = self._batches[place]
            if not (found.running() or found.done()):
                self._batches[place] = batch, self._read(batch)
        while self._batches:
            yield self._next()

    def stop(self) -> None:
        """End the helpers, and wait for it: a process that ends meanwhile prints a traceback now and then."""
        self._helpers.shutdown(cancel_futures=True)

    def _next(self) -> list[ReadLine]:
        batch, found = self._batches.popleft()
        if isinstance(found.exception(), BrokenExecutor):  # the helper died, of too little memory for example
            found = self._read(batch)
        return [line.read(one) for line, one in zip(batch, found.result(), strict=True)]

    def _read(self, batch: list[_HeardLine]) -> Future[list[_Found]]:
        found: Future[list[_Found]] = Future()
        found.set_result([self._judge(line.words) for line in batch])
        return found


_judge_of_helper: _Judge


def _start_to_help(judge: _Judge) -> None:
    global _judge_of_helper
    _judge_of_helper = judge
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process decides when it is over


def _help(words: list[_Words | None]) -> list[_Found]:
    return [_judge_of_helper(one) for one in words]


def _row(channel: str, language: str, request: str, frustrated: str, text: str) -> str:
    return f"{channel:<7} {language:<4} {frustrated:>5}  {request:<36} {text}".rstrip()


TABLE_HEAD = _row("channel", "lang", "asks for", "frus.", "text")

"""Written utterances, one a line: redacted, and read for requests and frustration as the transcript of a call is.

The lines are one conversation, in order: what was announced in one line ("my card number is") is masked in the next. An
empty line ends a conversation.
"""

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from voicepipe.speech.identify import language_of
from voicepipe.speech.redact import RedactionConfig, Redactor
from voicepipe.speech.words import WordsReader
from voicepipe.types import AudioInputError, Channel, Frustration, HumanRequest, Redaction, Transcript

_SPEAKER = re.compile(r"\s*(agent|caller)\s*[:：]\s*", re.IGNORECASE)
_JSON = json.JSONEncoder(ensure_ascii=False)
_LINE_ENDS = {ord(character): f"\\u{ord(character):04x}" for character in "\x85\u2028\u2029"}
"""Characters that some readers take for the end of a line; JSON lets them stand as they are."""


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
        return _JSON.encode(content).translate(_LINE_ENDS)

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
    redactor = Redactor(redaction)
    for number, raw in enumerate(lines):
        if number == 0:
            if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise AudioInputError("The input is UTF-16; convert it to UTF-8 first.")
            raw = raw.removeprefix(codecs.BOM_UTF8)
        line = raw.decode(errors="replace").rstrip("\r\n")
        speaker = _SPEAKER.match(line)
        channel = Channel(speaker[1].lower()) if speaker else Channel.CALLER
        given = line[speaker.end() :] if speaker else line
        if not given.strip():
            redactor = Redactor(redaction)
            yield ReadLine(
                channel=channel, text=given, language=language, human_request=None, frustration=None, redactions=()
            )
            continue
        spoken = language or language_of(given)
        transcript = redactor.redact(Transcript(text=given, language=spoken or ""), channel=channel)
        request, frustration = (None, None) if channel is Channel.AGENT else reader.read(transcript)
        yield ReadLine(
            channel=channel,
            text=transcript.text,
            language=spoken,
            human_request=request,
            frustration=frustration,
            redactions=transcript.redactions,
        )


def _row(channel: str, language: str, request: str, frustrated: str, text: str) -> str:
    return f"{channel:<7} {language:<4} {frustrated:>5}  {request:<36} {text}".rstrip()


TABLE_HEAD = _row("channel", "lang", "asks for", "frus.", "text")

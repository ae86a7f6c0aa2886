"""Private data out of quotes: marks in place of e-mail addresses and numbers.

What is masked: written e-mail addresses, and runs of four or more digits, whatever script the digits are in, also when
spaces, dots, commas, dashes, slashes or brackets stand between them (card, account and phone numbers as Whisper writes
them).

What is not: names, addresses, passwords, numbers spelled out in words ("four one one seven"), e-mail addresses as they
are spoken ("anna at example dot com"), runs of up to three digits. It masks too much rather than too little: amounts
(25,000) and dates (12.05.2026) are taken for numbers, too.
"""

import re
from dataclasses import replace

from voicepipe.types import Transcript

NUMBER_MARK = "[number]"
EMAIL_MARK = "[email]"

_EMAIL = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_NUMBER = re.compile(r"\+?\d(?:[\s.,\-‐‑–—/()]{0,3}\d){3,}")


def redact_text(text: str) -> str:
    """Return the text with `EMAIL_MARK` and `NUMBER_MARK` in place of what they name.

    Examples
    --------
    >>> redact_text("Card 4111 1111-1111 1111, mail anna@example.com, room 12.")
    'Card [number], mail [email], room 12.'
    """
    return _NUMBER.sub(NUMBER_MARK, _EMAIL.sub(EMAIL_MARK, text))


def redact(transcript: Transcript) -> Transcript:
    """Return the transcript with its text masked.

    `Transcript.redacted` is True, and `Transcript.words` empty, where anything was masked; otherwise the transcript
    comes back unchanged.
    """
    text = redact_text(transcript.text)
    return transcript if text == transcript.text else replace(transcript, text=text, words=(), redacted=True)

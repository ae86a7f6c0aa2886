"""Words and sentences of a transcript: how they are counted, and where a sentence ends."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from voicepipe.speech.word_times import KANA_AND_HAN, UNSPACED
from voicepipe.types import Channel, ScoredUtterance

Unit: TypeAlias = Literal["words", "characters", "letters"]

_UNITS: Mapping[str, Unit] = {
    **dict.fromkeys(("zh", "yue", "ja"), "characters"),
    **dict.fromkeys(("th", "lo", "km", "my", "bo"), "letters"),
}
"""What speech is counted in, by ISO 639 code, where no spaces are written between words."""

_SIGNS = "".join(sign for sign in map(chr, range(0x300, 0x10000)) if unicodedata.category(sign)[0] == "M")
_SIGNS += "\u200c\u200d"
"""What belongs to the letter before it: vowel signs, accents, what joins letters or keeps them apart."""
_WORD = rf"(?:[^\W_{UNSPACED}]++[{_SIGNS}]*+)++"
_TOKEN = re.compile(rf"(?=[{UNSPACED}])[^\W_][{_SIGNS}]*+|\[[^\[\]\s]*\]|{_WORD}(?:['’.,\-]{_WORD})*")
_MARK = re.compile(r"\[[^\[\]\s]*\]")
_END = re.compile(rf"(?<=[.!?…])[\"»”')]*\s+|(?<=[。！？；])|(?<=[?!.])(?=[{KANA_AND_HAN}])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """Words of the transcript, as they stand in it.

    Attributes
    ----------
    channel : Channel
    index : int
        Of the utterance, within its channel.
    start_s : float
        Offset in the call at which the utterance begins.
    text : str
        A substring of the utterance's transcript, which is redacted.
    cut_before, cut_after : bool
        Whether words of the same sentence before or after it were left out.
    """

    channel: Channel
    index: int
    start_s: float
    text: str
    cut_before: bool = False
    cut_after: bool = False

    @property
    def marked(self) -> str:
        """The words with an ellipsis where the sentence goes on."""
        return "…" * self.cut_before + self.text + "…" * self.cut_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """One sentence of one utterance.

    Attributes
    ----------
    utterance : ScoredUtterance
    text : str
        A substring of the utterance's transcript.
    start : int
        Its first character in there.
    words : int
        See `count_words`.
    """

    utterance: ScoredUtterance
    text: str
    start: int
    words: int

    @property
    def quote(self) -> Quote:
        """The sentence as a quote."""
        return quote(self.utterance, self.text)


def quote(utterance: ScoredUtterance, text: str) -> Quote:
    """Quote words of an utterance."""
    return Quote(channel=utterance.channel, index=utterance.index, start_s=utterance.start_s, text=text)


def said(utterance: ScoredUtterance) -> str:
    """Return the transcript of an utterance; empty where there is none."""
    return utterance.transcript.text.strip() if utterance.transcript else ""


def unit_of(language: str | None) -> Unit:
    """Return what `count_words` counts in a language (ISO 639 code): letters are those of Thai and its like."""
    return _UNITS.get(language or "", "words")


def tokens(text: str) -> list[re.Match[str]]:
    """Return the words of a text: runs of letters or digits, redaction marks.

    Of a script without spaces (Chinese, Japanese, Thai, ...) each character is one, with the signs on it.
    """
    return list(_TOKEN.finditer(text))


def count_words(text: str) -> int:
    """Count words; a character of a script without spaces counts as one, a redaction mark too."""
    return len(_TOKEN.findall(text))


def is_marked(text: str) -> bool:
    """Tell whether a redaction mark stands in the text."""
    return _MARK.search(text) is not None


def sentences(utterance: ScoredUtterance) -> tuple[Sentence, ...]:
    """Split an utterance at the marks that end a sentence; one without any is one sentence."""
    text = said(utterance)
    found, begin = [], 0
    for end in [match.end() for match in _END.finditer(text)] + [len(text)]:
        part = text[begin:end].strip()
        if part and count_words(part):
            start = begin + len(text[begin:end]) - len(text[begin:end].lstrip())
            found.append(Sentence(utterance=utterance, text=part, start=start, words=count_words(part)))
        begin = end
    return tuple(found)


def in_time(utterances: Iterable[ScoredUtterance]) -> tuple[ScoredUtterance, ...]:
    """Order utterances of both sides by their start; the caller first where they start together."""
    return tuple(sorted(utterances, key=lambda u: (u.start_s, u.end_s, u.channel is Channel.AGENT, u.index)))


def main_language(utterances: Iterable[ScoredUtterance]) -> str | None:
    """Return the language in which most characters were said; None where nothing was."""
    weights: dict[str, int] = {}
    for utterance in utterances:
        if said(utterance) and utterance.transcript:
            language = utterance.transcript.language
            weights[language] = weights.get(language, 0) + len(said(utterance))
    return max(sorted(weights), key=lambda language: weights[language]) if weights else None

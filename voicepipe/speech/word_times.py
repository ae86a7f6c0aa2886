"""When each word was said: the tokens of a transcript as words, each with its stretch of the sound.

Some attention heads of Whisper's decoder follow the sound of what it writes; dynamic time warping over them tells at
which frame each token begins (CTranslate2 does that part). It shares out the whole utterance among the words, the
padding and the pauses too. So each word is drawn in to what is audible of its share.

References
----------
Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", arXiv 2212.04356 (2022); its code aligns
words since version 20230306, https://github.com/openai/whisper/blob/main/whisper/timing.py.
CTranslate2, ``Whisper.align``, https://opennmt.net/CTranslate2/python/ctranslate2.models.Whisper.html
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from voicepipe.types import SAMPLE_RATE_HZ, FloatArray, Utterance, Word

FRAME_S = 0.02
"""One frame of Whisper's encoder."""

_FRAME_SAMPLES = round(FRAME_S * SAMPLE_RATE_HZ)
_BELOW_LOUD_DB = 40.0  # what is weaker than the loud frames by more is no part of a word ...
_ABOVE_FLOOR = 0.25  # ... nor what lies within this share of the way from the quiet frames' level to theirs
_QUIET_PCT, _LOUD_PCT = 10, 95
_OPENING = ("Ps", "Pi")
_MODIFIERS = ("Mn", "Mc", "Me", "Lm")  # vowel signs, accents, kana's long-vowel mark
_UNFINISHED = "\ufffd"
KANA_AND_HAN = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Ranges of characters, as for a set of a regular expression."""
UNSPACED = f"\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff{KANA_AND_HAN}"
"""The same of all scripts that are written without spaces: Thai, Lao, Tibetan, Burmese, Khmer, kana and Han."""
_UNSPACED = re.compile(f"[{UNSPACED}]")


@dataclass(slots=True)
class SpokenWord:
    """A word of a transcript, and the tokens that spell it.

    Attributes
    ----------
    text : str
        With the punctuation that belongs to it, and the space before it.
    first_token, end_token : int
        Place of its tokens in the transcript's, half open.
    letters : list of int
        Places of those among them that spell letters or digits.
    """

    text: str
    first_token: int
    end_token: int
    letters: list[int] = field(default_factory=list)


def words_of(tokens: Sequence[int], *, decode: Callable[[list[int]], str]) -> list[SpokenWord]:
    """Put the tokens of a text together to words.

    A word begins at a space; where a script has none, with each piece that the tokens spell. Punctuation goes with the
    word before it, an opening bracket or quotation mark with the word after it. Of a character that several tokens
    spell the bytes of none is torn off.

    Parameters
    ----------
    tokens : sequence of int
        Text tokens alone.
    decode : callable
        Takes tokens and returns their text, with U+FFFD for bytes that are no whole character.
    """
    words: list[SpokenWord] = []
    held: list[int] = []
    for at, token in enumerate(tokens):
        held.append(token)
        text = decode(held)
        if text.endswith(_UNFINISHED) and at + 1 < len(tokens):
            continue
        first = at + 1 - len(held)
        if words and (_goes_on(words[-1].text, text) or (at + 1 == len(tokens) and not _is_said(text))):
            words[-1].text += text
        else:
            words.append(SpokenWord(text, first, first))
        words[-1].end_token = at + 1
        if _is_said(text):
            words[-1].letters.extend(range(first, at + 1))
        held = []
    return words


def _is_said(text: str) -> bool:
    """Whether there is anything but punctuation."""
    return any(character.isalnum() for character in text)


def _goes_on(before: str, text: str) -> bool:
    """Whether a piece of text belongs to the word before it."""
    if not text.strip():
        return True
    if not _is_said(before):  # a bracket, or a dash, waits for its word
        return True
    if text[0].isspace() or before[-1].isspace():
        return False
    if not _is_said(text):
        return unicodedata.category(text[0]) not in _OPENING
    if unicodedata.category(text[0]) in _MODIFIERS:
        return True
    last = next(character for character in reversed(before) if character.isalnum())
    return not (_UNSPACED.match(last) or _UNSPACED.match(text[0]))


def timed(
    words: Sequence[SpokenWord], *, path: Sequence[tuple[int, int]], probs: Sequence[float], utterance: Utterance
) -> tuple[Word, ...]:
    """Give words their times and probabilities.

    Parameters
    ----------
    words : sequence of SpokenWord
    path : sequence of (int, int)
        Places of tokens, and the encoder's frames aligned with them; both never fall. One place more than there are
        tokens marks the end.
    probs : sequence of float
        Probability of each token.
    utterance : Utterance
        What the words were heard in.

    Returns
    -------
    tuple of Word
        Offsets in the call; each within the utterance, none begins before the one before it ends. The probability is
        the geometric mean over the tokens that spell letters.
    """
    places, frames = np.array(path, dtype=np.int64).reshape(-1, 2).T
    audible = _audible(utterance.samples)
    found: list[Word] = []
    for word in words:
        first, end = frames[np.searchsorted(places, (word.first_token, word.end_token)).clip(max=len(places) - 1)]
        heard = np.flatnonzero(audible[first:end])
        if heard.size:
            first, end = first + heard[0], first + heard[-1] + 1
        start_s, end_s = (min(utterance.start_s + float(frame) * FRAME_S, utterance.end_s) for frame in (first, end))
        spelt = word.letters or range(word.first_token, word.end_token)
        prob = float(np.exp(np.mean(np.log(np.maximum([probs[at] for at in spelt], 1e-9)))))
        found.append(Word(text=word.text.strip(), start_s=start_s, end_s=end_s, prob=prob))
    return tuple(found)


def _audible(samples: FloatArray) -> npt.NDArray[np.bool_]:
    """Return which frames stand out from the background, shape (ceil(n / 320),)."""
    padded = np.pad(np.nan_to_num(samples), (0, -len(samples) % _FRAME_SAMPLES)).reshape(-1, _FRAME_SAMPLES)
    level_db = 10.0 * np.log10(np.mean(np.square(padded, dtype=np.float64), axis=1) + 1e-12)
    quiet_db, loud_db = np.percentile(level_db, (_QUIET_PCT, _LOUD_PCT))
    return np.asarray(level_db > max(quiet_db + _ABOVE_FLOOR * (loud_db - quiet_db), loud_db - _BELOW_LOUD_DB))

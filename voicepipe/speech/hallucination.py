"""Text that nobody said: guards against what Whisper writes for silence, noise, tones and music.

The guards judge how a text came about, never which words it holds. So they work in any language, and a caller who
really says "thank you" is heard.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardConfig:
    """Thresholds of the guards.

    Attributes
    ----------
    no_speech_slope, no_speech_floor : float
        Nobody spoke if Whisper's no-speech probability is above ``slope * (speech_prob - floor)``, where `speech_prob`
        is the mean voice-activity probability: the surer the voice detector, the surer Whisper must be to overrule it.
        At a voice activity of 0.4 it takes 0.4, at 0.6 it takes 0.8, from 0.7 on Whisper cannot overrule it.
    min_avg_logprob : float
        Mean log-probability per token, in nats, below which the text is a guess.
    max_compression_ratio : float
        Highest `compression_ratio` believed.
    max_cycles : int
        Times that a phrase of four tokens or more may follow itself: people say "no" ten times, but not a sentence.
    max_units_per_s : float
        Highest `spoken_units` per second of speech believed.

    References
    ----------
    The limit of compression (2.4) is that of Whisper's long-form decoding: Radford et al., arXiv 2212.04356, section
    4.5.
    """

    no_speech_slope: float = 2.0
    no_speech_floor: float = 0.2
    min_avg_logprob: float = -1.2
    max_compression_ratio: float = 2.4
    max_cycles: int = 3
    max_units_per_s: float = 14.0


def rejecting_guard(
    text: str,
    *,
    tokens: Sequence[int],
    ended: bool,
    avg_logprob: float,
    no_speech_prob: float,
    speech_prob: float,
    speech_s: float,
    config: GuardConfig,
) -> str | None:
    """Name the guard that finds that a text was not said.

    Parameters
    ----------
    text : str
        As decoded; may be empty.
    tokens : sequence of int
        The text's tokens, without timestamps.
    ended : bool
        False if the decoder was stopped at its limit.
    avg_logprob, no_speech_prob : float
        Of the decoder.
    speech_prob, speech_s : float
        Of the voice detector, see `voicepipe.types.Utterance`.
    config : GuardConfig

    Returns
    -------
    str or None
        ``no_speech`` (also of an empty text), ``compression``, ``repetition``, ``too_fast``, ``low_logprob``; None if
        the text is believed.
    """
    if no_speech_prob > config.no_speech_slope * (speech_prob - config.no_speech_floor):
        return "no_speech"
    if not text:
        return None
    if compression_ratio(text) > config.max_compression_ratio:
        return "compression"
    if _cycles(tokens, min_period=1 if not ended else 4) > config.max_cycles:
        return "repetition"
    if spoken_units(text) > config.max_units_per_s * (speech_s + _EDGE_S):
        return "too_fast"
    if avg_logprob < config.min_avg_logprob:
        return "low_logprob"
    return None


def compression_ratio(text: str) -> float:
    """Return the bytes of the text in UTF-8 over its bytes after zlib: high where it repeats itself."""
    raw = text.encode()
    return len(raw) / len(zlib.compress(raw))


def spoken_units(text: str) -> float:
    """Return about how many syllables the text has at the least, in any script.

    A digit, and a letter of a script that writes syllables (from U+1100: Hangul, Kana, Han, Ethiopic, ...), counts 1;
    any other letter 0.4. Rapid speech has 7 to 8 syllables a second.

    Examples
    --------
    >>> spoken_units("Hello")
    2.0
    >>> spoken_units("你好")
    2.0
    """
    wide = sum(char.isalnum() and (char.isdigit() or char >= _SYLLABIC_SCRIPTS) for char in text)
    narrow = sum(char.isalpha() and char < _SYLLABIC_SCRIPTS for char in text)
    return wide + _UNITS_PER_LETTER * narrow


_EDGE_S = 0.3  # the voice detector may miss as much at the edges of an utterance
_UNITS_PER_LETTER = 0.4
_SYLLABIC_SCRIPTS = "\u1100"


def _cycles(tokens: Sequence[int], *, min_period: int) -> int:
    """Return how often a phrase of at least `min_period` tokens follows itself, at the most; 1 if none does."""
    ids = np.asarray(tokens)
    most = 1
    for period in range(min_period, len(ids) // 2 + 1):
        differs = np.flatnonzero(ids[period:] != ids[:-period])
        edges = np.concatenate([[-1], differs, [len(ids) - period]])
        most = max(most, 1 + int(np.diff(edges).max() - 1) // period)
    return most

"""What the words of an utterance show of frustration: named cues, and their surroundings.

The cues are phrases in data files, one a language (``frustration_rules/``), which a centre can add to. `CueReader`
turns a text into numbers; `voicepipe.speech.frustration` weighs them. For the caller's words only.
"""

import math
import re
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from voicepipe.speech.phrases import PhraseBook, load_phrases
from voicepipe.speech.tokens import HARD_BREAK, TokenizedText
from voicepipe.types import ConfigError

LANGUAGES = ("en", "ru", "zh")
CUES = (
    "repeat",
    "effort",
    "delay",
    "broken_promise",
    "threat_leave",
    "threat_legal",
    "complaint",
    "outrage",
    "insult",
    "profanity",
    "helpless",
    "reproach",
    "futility",
    "weary",
    "sarcasm",
    "urgency",
)
"""Categories of words that speak for frustration."""
CONTEXTS = ("thanks", "praise", "no_problem", "own_fault", "polite", "question", "you", "trouble", "request")
"""Categories of what else is looked at, alone and together with a cue.

``trouble`` is what went wrong, said as calm callers say it, too ("it doesn't work", "charged twice"): a cue that says
no more than that is none.
"""
FEATURES = (
    *CUES,
    *CONTEXTS,
    *(f"cue+{name}" for name in CONTEXTS),
    "profanity+praise",
    "cue_of_another",
    "shielded",
    "two_categories",
    "three_categories",
    "exclamation",
    "question_mark",
    "length",
    "very_short",
    "very_short+cue",
    "said_thrice",
)
"""Names of the values of `Reading.features`, in the order of the weights."""
MAX_HITS = 2
"""Times that a category counts in one utterance; the second time counts half."""
VERY_SHORT = 4
"""Words of an utterance that says hardly anything; of Chinese characters, twice as many."""

_SECTIONS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "cue": {"category": str},
    "shield": {},
    "other": {},
    "context": {"category": str},
}
_MASKED = re.compile(r"[^\W\d_]+(?:\*+|[#$%@*]{2,})[^\W\d_]*")
_MARK = re.compile(r"\[[a-z_ ]*\]", re.IGNORECASE)
_LETTER = re.compile(r"[^\W\d_]")
_THRICE = re.compile(
    r"(?<![^\W\d_])([^\W\d_]{2,}+)(?:[\s,，、]+\1){2,}|([\u4e00-\u9fff]{2,4})[\s,，、]*\2[\s,，、]*\2", re.IGNORECASE
)
"""The same word three times in a row: "agent agent agent"."""

Span = tuple[int, int]


class Cue(NamedTuple):
    """Words that speak for frustration.

    Attributes
    ----------
    category : str
        One of `CUES`.
    span : (int, int)
        Characters of the text, half open.
    """

    category: str
    span: Span


class Reading(NamedTuple):
    """What was found in a text.

    Attributes
    ----------
    text : TokenizedText
    cues : tuple of Cue
        The caller's own, without those that a shield covers.
    features : dict of str to float
        Those of `FEATURES` that are not 0.
    """

    text: TokenizedText
    cues: tuple[Cue, ...]
    features: dict[str, float]


class CueReader:
    """Reads the cues of one language.

    Parameters
    ----------
    language : str
        One of `LANGUAGES`.
    phrases : sequence of Path
        A centre's own files, on top of the one that comes with the package; see `load_phrases`.

    Raises
    ------
    ConfigError
        If a file is not understood or names a category that is not in `CUES` or `CONTEXTS`.
    """

    def __init__(self, language: str, *, phrases: Sequence[Path] = ()) -> None:
        shipped = files("voicepipe.speech") / "frustration_rules" / f"{language}.toml"
        self.book: PhraseBook = load_phrases(shipped, *phrases, sections=_SECTIONS)
        for section, known in (("cue", CUES), ("context", CONTEXTS)):
            for rule in self.book.rules[section]:
                if rule.settings["category"] not in known:
                    raise ConfigError(
                        f"Frustration rule {rule.name} ({language}): category {rule.settings['category']} is unknown; "
                        f"for a {section}, known are {', '.join(known)}."
                    )
        self.words_apart = self.book.script != "han"

    def read(self, text: str) -> Reading | None:
        """Return what is in a text, or None where it has no words: nothing at all, or only marks and numbers."""
        if not _LETTER.search(_MARK.sub("", text) if "[" in text else text):
            return None
        tokenized = self.book.tokenizer(text)
        tokens = tokenized.tokens
        cues, features = self._cues(tokenized, sum([token[0].isalpha() for token in tokens]))
        return Reading(text=tokenized, cues=cues, features=features)

    def _cues(self, text: TokenizedText, n_words: int) -> tuple[tuple[Cue, ...], dict[str, float]]:
        find = self.book.find_tokens
        features: dict[str, float] = {}
        found: dict[str, list[Span]] = {}
        for rule, spans in find("cue", text):
            found.setdefault(rule.settings["category"], []).extend(spans)
        troubles: list[Span] = []
        for rule, spans in find("context", text):
            features[rule.settings["category"]] = 1.0
            if rule.settings["category"] == "trouble":
                troubles += spans
        cues = []
        seen: dict[str, int] = {}
        if found:
            shields = [span for _, spans in find("shield", text) for span in spans]
            others = [span for _, spans in find("other", text) for span in spans]
            for category, spans in found.items():
                for start, end in _merged(spans):
                    if any(low <= start and end <= high for low, high in troubles):
                        continue
                    if any(start < high and low < end for low, high in shields):
                        features["shielded"] = 1.0
                    elif any(low <= start and HARD_BREAK not in text.tokens[low:start] for low, _ in others):
                        features["cue_of_another"] = 1.0
                    else:
                        seen[category] = seen.get(category, 0) + 1
                        cues.append(Cue(category=category, span=text.span_of(start, end)))
        if "*" in text.original or "#" in text.original:
            for match in _MASKED.finditer(text.original):
                seen["profanity"] = seen.get("profanity", 0) + 1
                cues.append(Cue(category="profanity", span=match.span()))
        very_short = n_words <= VERY_SHORT * (1 if self.words_apart else 2)
        if seen:
            features |= {f"cue+{name}": 1.0 for name in CONTEXTS if name in features}
            features |= {category: 0.5 + 0.5 * min(count, MAX_HITS) for category, count in seen.items()}
            features["profanity+praise"] = float("profanity" in seen and ("praise" in features or "thanks" in features))
            features["two_categories"] = float(len(seen) >= 2)
            features["three_categories"] = float(len(seen) >= 3)
            features["very_short+cue"] = float(very_short)
        features["exclamation"] = float("!" in text.original or "！" in text.original)
        features["question_mark"] = float("?" in text.original or "？" in text.original)
        features["length"] = min(math.log1p(n_words), 4.0) / 4.0
        features["very_short"] = float(very_short)
        features["said_thrice"] = float(_THRICE.search(text.original) is not None)
        return tuple(cues), features


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Return spans in the order of their starts, with those that overlap made one."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged

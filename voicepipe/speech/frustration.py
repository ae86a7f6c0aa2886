r"""P(frustrated) of what a caller said in one utterance, from its redacted words, with the words that count.

For the caller only: it must never be shown what an agent said.

The model of a language is a logistic regression. It weighs named cues ("as I said", "third time I call"), what stands
around them (thanks, praise, politeness, somebody else), and, weakly, the spelling of all words, so that it has an
opinion on sentences that no phrase foresees:

.. math:: \mathrm{logit}\,P = b + \sum_i w_i f_i + \frac{1}{\sqrt{n}} \sum_{k=1}^{n} v_{h(k)},

with :math:`f_i` the `voicepipe.speech.frustration_cues.FEATURES` and :math:`h(k)` the :math:`n` buckets of the text's
spelling [1]_. The calibration [2]_ is part of the weights. A model is a folder: ``weights.npz`` and
``manifest.toml``; ``card.md`` says what was measured and where it fails. The phrases come with the package, and a
centre can add its own.

References
----------
.. [1] Weinberger et al., "Feature hashing for large scale multitask learning", ICML 2009.
.. [2] Platt, "Probabilistic outputs for support vector machines", 1999.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voicepipe.speech.frustration_cues import FEATURES, LANGUAGES, CueReader, Reading
from voicepipe.speech.identify import language_of
from voicepipe.speech.model_folder import read_model
from voicepipe.speech.spelling import Spelled, SpellingWeights
from voicepipe.speech.tokens import HARD_BREAK, SOFT_BREAK, TokenizedText
from voicepipe.types import DoubleArray, Frustration, ModelError

HASH_BITS = 15
"""Units of spelling share ``2 ** HASH_BITS`` weights a language."""
WORDS_MIN_PROB = 0.2
"""Below this probability no words are named: none of them made the caller sound frustrated."""
WORDS_MIN_WEIGHT = 0.5
"""Logits that words must add in order to be named."""
MAX_WORDS = 5
LEXICAL = frozenset({"complaint", "outrage", "insult", "profanity", "weary", "helpless", "sarcasm", "threat_legal"})
"""Categories of which one word says enough to be named; of the others only phrases are."""
CLAUSE_WORDS = (3, 12)
"""Fewest and most words of a clause that is named where there is no cue (Chinese: characters)."""
LOGIT_LIMIT = 5.0
"""No words make more certain than this: probabilities stay within 0.0067 and 0.9933."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageWeights:
    """Weights of one language, calibration included.

    Attributes
    ----------
    intercept : float
    features : ndarray, shape (len(FEATURES),), float64
    spelling : ndarray, shape (2 ** HASH_BITS,), float64
    """

    intercept: float
    features: DoubleArray
    spelling: DoubleArray


class FrustrationModel:
    """Scores utterances of callers. One model serves all calls and threads; it keeps nothing of what it reads.

    Parameters
    ----------
    model_id : str
    weights : mapping of str to LanguageWeights
        By ISO 639-1 code.
    phrases : mapping of str to sequence of Path
        A centre's own files of phrases for some of the languages.
    """

    def __init__(
        self,
        *,
        model_id: str,
        weights: Mapping[str, LanguageWeights],
        phrases: Mapping[str, Sequence[Path]] | None = None,
    ) -> None:
        self.model_id = model_id
        self._languages = {
            language: _Language(CueReader(language, phrases=(phrases or {}).get(language, ())), one)
            for language, one in weights.items()
        }

    @classmethod
    def load(cls, model_dir: Path, *, phrases: Mapping[str, Sequence[Path]] | None = None) -> "FrustrationModel":
        """Read a model folder.

        Parameters
        ----------
        model_dir : Path
        phrases : mapping of str to sequence of Path, optional
            A centre's own files of phrases by language, in the form of ``frustration_rules/en.toml``.

        Raises
        ------
        ModelError
            If the folder holds no usable model, or one for other features.
        ConfigError
            If a file of phrases is not understood.
        """
        model_id, weights = read_model(model_dir, _made, called="frustration model")
        return cls(model_id=model_id, weights=weights, phrases=phrases)

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639-1 codes of the languages that it knows."""
        return tuple(self._languages)

    def score(self, text: str, *, language: str | None) -> Frustration | None:
        """Return how frustrated the words of one utterance are.

        Parameters
        ----------
        text : str
            What the caller said, private data replaced by marks.
        language : str or None
            ISO 639-1 code; of a longer tag ("zh-CN") the first part counts. None lets the letters decide.

        Returns
        -------
        Frustration or None
            None where there are no words (nothing, or only marks and numbers) or no language that the model knows.
        """
        known = language.replace("_", "-").partition("-")[0].lower() if language else language_of(text)
        reader = self._languages.get(known or "")
        scored = reader.score(text) if reader else None
        return Frustration(prob=scored[0], words=scored[1], model_id=self.model_id) if scored else None


class _Language:
    def __init__(self, reader: CueReader, weights: LanguageWeights) -> None:
        self._reader = reader
        self._intercept = weights.intercept
        self._features = dict(zip(FEATURES, weights.features.tolist(), strict=True))
        self._spelling = SpellingWeights(weights.spelling, words_apart=reader.words_apart)

    def score(self, text: str) -> tuple[float, tuple[str, ...]] | None:
        """Return probability and words, or None for a text without words."""
        reading = self._reader.read(text)
        if reading is None:
            return None
        weight = self._features
        logit = self._intercept + sum([weight[name] * value for name, value in reading.features.items()])
        spelled = self._spelling.weigh(reading.text.tokens)
        scale = 1.0 / math.sqrt(max(spelled.size, 1))
        logit += scale * sum(spelled.weights)
        prob = 1.0 / (1.0 + math.exp(-LOGIT_LIMIT * math.tanh(logit / LOGIT_LIMIT)))
        if prob < WORDS_MIN_PROB:
            return prob, ()
        return prob, self._words(reading, spelled, scale)

    def _words(self, reading: Reading, spelled: Spelled, scale: float) -> tuple[str, ...]:
        """Return the phrases that add most: those of cues; where there is no cue, the clause that adds most."""
        text = reading.text
        named = (self._cue_phrases(reading) if reading.cues else {}) or self._clause(text, spelled, scale)
        strongest = sorted(named, key=lambda span: -named[span])[:MAX_WORDS]
        words = (text.original[start:end].strip() for start, end in strongest if named[start, end] >= WORDS_MIN_WEIGHT)
        return tuple(dict.fromkeys(words))

    def _cue_phrases(self, reading: Reading) -> dict[tuple[int, int], float]:
        """Return the spans of cues, those that overlap made one, each with what its cues add."""
        named: dict[tuple[int, int], float] = {}
        spans = reading.text.spans
        for cue in sorted(reading.cues, key=lambda cue: cue.span):
            (start, end), weight = cue.span, self._features[cue.category]
            if cue.category not in LEXICAL and sum(start <= low and high <= end for low, high in spans) < 2:
                continue  # one word
            last = next(reversed(named), None)
            if last is not None and start < last[1]:
                weight += named.pop(last)
                start, end = last[0], max(end, last[1])
            named[start, end] = weight
        return named

    def _clause(self, text: TokenizedText, spelled: Spelled, scale: float) -> dict[tuple[int, int], float]:
        """Return the clause whose spelling adds most, if it is short enough to be read at a glance."""
        by_token = [0.0] * len(text.tokens)
        for index, weight in zip(spelled.firsts, spelled.weights, strict=True):
            by_token[index] += scale * weight
        spans = text.spans
        clauses: list[list[int]] = [[]]
        for index, token in enumerate(text.tokens):
            if token in (HARD_BREAK, SOFT_BREAK):
                clauses.append([])
            else:
                clauses[-1].append(index)
        fewest, most = CLAUSE_WORDS
        return {
            (spans[clause[0]][0], spans[clause[-1]][1]): sum(by_token[index] for index in clause)
            for clause in clauses
            if fewest <= len(clause) <= most
        }


def _made(manifest: Mapping[str, Any], arrays: Mapping[str, DoubleArray]) -> tuple[str, dict[str, LanguageWeights]]:
    if tuple(manifest["features"]) != FEATURES or manifest["hash_bits"] != HASH_BITS:
        raise ModelError(f"Frustration model {manifest['model_id']} is for other features: use one that fits.")
    return manifest["model_id"], {
        language: LanguageWeights(
            intercept=float(arrays[f"{language}_intercept"]),
            features=arrays[f"{language}_features"],
            spelling=arrays[f"{language}_spelling"],
        )
        for language in LANGUAGES
    }

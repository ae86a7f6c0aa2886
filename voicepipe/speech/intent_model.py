r"""P(asks for a human) of an utterance, beside the rules of `voicepipe.speech.intent`.

A logistic regression a language over `voicepipe.speech.spelling` and `voicepipe.speech.intent_patterns`:

.. math::
    \mathrm{logit}\,P = b + \frac{1}{\sqrt{n}} \sum_{k=1}^{n} v_{h(k)} + \frac{c}{\sqrt{m}} \sum_{j=1}^{m} v_{h(j)},

with :math:`h` the hash [1]_ of the :math:`n` pieces of spelling and of the :math:`m` patterns of concepts, and
:math:`c` the `PATTERN_SCALE`. What is said before and after a request thins it out, so a language has a second set of
weights, learnt from sentences amid talk, for stretches of long utterances. A model is a folder: ``weights.npz`` and
``manifest.toml``; ``card.md`` says what was measured.

References
----------
.. [1] Weinberger et al., "Feature hashing for large scale multitask learning", ICML 2009.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from voicepipe.speech.identify import SCRIPT_LANGUAGES
from voicepipe.speech.intent_patterns import read_patterns
from voicepipe.speech.model_folder import read_model
from voicepipe.speech.phrases import PhraseBook
from voicepipe.speech.spelling import SpellingWeights, buckets
from voicepipe.speech.tokens import HARD_BREAK, SOFT_BREAK, TokenizedText
from voicepipe.types import DoubleArray, ModelError

HASH_BITS = 16
"""Units of spelling and patterns share ``2 ** HASH_BITS`` weights a language."""
PATTERN_SCALE = 2.0
"""How much more patterns of concepts count than spelling."""

AMID_TALK = "amid_talk"
"""What manifest and arrays call the weights for stretches of long utterances."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestWeights:
    """Weights of one language, and where its verdicts begin.

    Attributes
    ----------
    intercept : float
    pieces : ndarray, shape (2 ** HASH_BITS,), float64
    sure_from : float
        Logit from which on a text asks for a human although no rule says so.
    doubt_below : float
        Logit below which a text does not ask for one although a rule says so.
    """

    intercept: float
    pieces: DoubleArray
    sure_from: float
    doubt_below: float


class Opinion(NamedTuple):
    """What the model makes of a text.

    Attributes
    ----------
    logit : float
    sure_from : float
        Logit from which on it is a request although no rule says so.
    doubtful : bool
        Whether it is none although a rule says so.
    parts : tuple of (float, sequence of int, sequence of float)
        What adds to the logit, in two parts: a factor, tokens, and what each of these adds.
    """

    logit: float
    sure_from: float
    doubtful: bool
    parts: tuple[tuple[float, Iterable[int], Sequence[float]], ...]

    def span(self, heard: TokenizedText) -> tuple[int, int]:
        """Return the words that speak most for a request, as positions in ``heard.text``."""
        by_token = [0.0] * len(heard.tokens)
        for factor, places, weights in self.parts:
            for at, weight in zip(places, weights, strict=True):
                by_token[at] += factor * weight
        first, last = _strongest(heard.tokens, by_token)
        return heard.starts[first], heard.starts[last + 1]


class RequestModel:
    """Weighs what callers say; immutable, safe to use from several threads.

    Parameters
    ----------
    model_id : str
    weights : mapping of str to RequestWeights
        By ISO 639-1 code.
    amid_talk : mapping of str to RequestWeights
        The same for stretches of long utterances.
    """

    def __init__(
        self, *, model_id: str, weights: Mapping[str, RequestWeights], amid_talk: Mapping[str, RequestWeights]
    ) -> None:
        self.model_id = model_id
        self._languages, self._amid_talk = (
            {
                language: _Language(one, words_apart=language != SCRIPT_LANGUAGES["han"])
                for language, one in by_language.items()
            }
            for by_language in (weights, amid_talk)
        )

    @classmethod
    def load(cls, model_dir: Path) -> "RequestModel":
        """Read a model folder.

        Raises
        ------
        ModelError
            If the folder holds no usable model, or one for other pieces.
        """
        model_id, weights, amid_talk = read_model(model_dir, _made, called="model of requests")
        return cls(model_id=model_id, weights=weights, amid_talk=amid_talk)

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639-1 codes of the languages that it knows."""
        return tuple(self._languages)

    def weigh(self, book: PhraseBook, heard: TokenizedText, *, amid_talk: bool = False) -> Opinion | None:
        """Return what the model makes of a text; None where it names nobody and nothing that could be asked for.

        Parameters
        ----------
        book : PhraseBook
            Of one of the model's `languages`, with the sections of `voicepipe.speech.intent_patterns.SECTIONS`.
        heard : TokenizedText
            Made by the book's tokenizer.
        amid_talk : bool
            Whether the text is a stretch of a longer one.
        """
        return (self._amid_talk if amid_talk else self._languages)[book.language].weigh(book, heard)


class _Language:
    def __init__(self, weights: RequestWeights, *, words_apart: bool) -> None:
        self._weights = weights
        self._spelling = SpellingWeights(weights.pieces, words_apart=words_apart)

    def weigh(self, book: PhraseBook, heard: TokenizedText) -> Opinion | None:
        patterns = read_patterns(book, heard)
        if patterns is None:
            return None
        spelled = self._spelling.weigh(heard.tokens)
        unit_scale = 1.0 / math.sqrt(max(spelled.size, 1))
        pattern_scale = PATTERN_SCALE / math.sqrt(len(patterns))
        by_bucket = self._spelling.by_bucket
        weights = [by_bucket[one] for one in buckets(patterns, bits=HASH_BITS)]
        logit = self._weights.intercept + unit_scale * sum(spelled.weights) + pattern_scale * sum(weights)
        return Opinion(
            logit=logit,
            sure_from=self._weights.sure_from,
            doubtful=logit < self._weights.doubt_below,
            parts=((unit_scale, spelled.firsts, spelled.weights), (pattern_scale, patterns.values(), weights)),
        )


def _strongest(tokens: Sequence[str], by_token: Sequence[float]) -> tuple[int, int]:
    """Return the first and the last token of the run within a sentence whose weights add up to most."""
    best, best_sum = (0, len(tokens) - 1), -math.inf
    start, total = 0, 0.0
    for index, token in enumerate(tokens):
        if token == HARD_BREAK or (total <= 0.0 and token == SOFT_BREAK):
            start, total = index + 1, 0.0
            continue
        if total < 0.0:
            start, total = index, 0.0
        total += by_token[index]
        if total > best_sum and token != SOFT_BREAK:
            best, best_sum = (start, index), total
    return best


def _made(
    manifest: Mapping[str, Any], arrays: Mapping[str, DoubleArray]
) -> tuple[str, dict[str, RequestWeights], dict[str, RequestWeights]]:
    if manifest["hash_bits"] != HASH_BITS:
        raise ModelError(f"Model of requests {manifest['model_id']} is for other pieces: use one that fits.")
    weights, amid_talk = {}, {}
    for language in manifest["languages"]:
        figures = manifest[language]
        weights[language] = _weights(figures, arrays[language])
        amid_talk[language] = _weights(figures[AMID_TALK], arrays[f"{language}_{AMID_TALK}"])
    return manifest["model_id"], weights, amid_talk


def _weights(figures: Mapping[str, Any], pieces: DoubleArray) -> RequestWeights:
    return RequestWeights(
        intercept=float(figures["intercept"]),
        pieces=pieces,
        sure_from=float(figures["sure_from"]),
        doubt_below=float(figures["doubt_below"]),
    )

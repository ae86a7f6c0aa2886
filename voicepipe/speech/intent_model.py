r"""P(asks for a human) of an utterance, beside the rules of `voicepipe.speech.intent`.

A logistic regression a language over `voicepipe.speech.intent_pieces`:

.. math::
    \mathrm{logit}\,P = b + \frac{1}{\sqrt{n}} \sum_{k=1}^{n} v_{h(k)} + \frac{c}{\sqrt{m}} \sum_{j=1}^{m} v_{h(j)},

with :math:`h` the hash [1]_ of the :math:`n` pieces of spelling and of the :math:`m` patterns of concepts, and
:math:`c` the `PATTERN_SCALE`. A model is a folder: ``weights.npz`` and ``manifest.toml``; ``card.md`` says what was
measured.

References
----------
.. [1] Weinberger et al., "Feature hashing for large scale multitask learning", ICML 2009.
"""

import hashlib
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from voicepipe.speech.intent_pieces import HASH_BITS, bucket, read_pieces, spelling
from voicepipe.speech.phrases import PhraseBook
from voicepipe.speech.tokens import HARD_BREAK, SOFT_BREAK, TokenizedText
from voicepipe.types import DoubleArray, ModelError

MANIFEST_FORMAT = 1
PATTERN_SCALE = 2.0
"""How much more patterns of concepts count than spelling."""
CACHED_PIECES = 50_000
"""Pieces whose weights a language keeps at hand."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What the model makes of a text.

    Attributes
    ----------
    logit : float
    sure_from : float
        Logit from which on it is a request although no rule says so.
    doubtful : bool
        Whether it is none although a rule says so.
    span : (int, int)
        The words that speak most for a request, as positions in ``TokenizedText.text``.
    """

    logit: float
    sure_from: float
    doubtful: bool
    span: tuple[int, int]


class RequestModel:
    """Weighs what callers say; immutable, safe to use from several threads.

    Parameters
    ----------
    model_id : str
    weights : mapping of str to RequestWeights
        By ISO 639-1 code.
    """

    def __init__(self, *, model_id: str, weights: Mapping[str, RequestWeights]) -> None:
        self.model_id = model_id
        self._languages = {language: _Language(one) for language, one in weights.items()}

    @classmethod
    def load(cls, model_dir: Path) -> "RequestModel":
        """Read a model folder.

        Raises
        ------
        ModelError
            If the folder holds no usable model, or one for other pieces.
        """
        model_id, weights = _read(model_dir)
        return cls(model_id=model_id, weights=weights)

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639-1 codes of the languages that it knows."""
        return tuple(self._languages)

    def weigh(self, book: PhraseBook, heard: TokenizedText) -> Opinion | None:
        """Return what the model makes of a text; None where it names nobody and nothing that could be asked for.

        Parameters
        ----------
        book : PhraseBook
            Of one of the model's `languages`, with the sections of `voicepipe.speech.intent_pieces.SECTIONS`.
        heard : TokenizedText
            Made by the book's tokenizer.
        """
        return self._languages[book.language].weigh(book, heard)


class _Language:
    def __init__(self, weights: RequestWeights) -> None:
        self._weights = weights
        by_bucket = weights.pieces.tolist()

        @lru_cache(maxsize=CACHED_PIECES)
        def of_unit(unit: str, *, words_apart: bool) -> tuple[float, int]:
            buckets = spelling(unit, words_apart=words_apart)
            return sum(by_bucket[one] for one in buckets), len(buckets)

        @lru_cache(maxsize=CACHED_PIECES)
        def of_pattern(pattern: str) -> float:
            weight: float = by_bucket[bucket(pattern)]
            return weight

        self._of_unit, self._of_pattern = of_unit, of_pattern

    def weigh(self, book: PhraseBook, heard: TokenizedText) -> Opinion | None:
        pieces = read_pieces(book, heard)
        if pieces is None:
            return None
        words_apart = book.script != "han"
        spelled = [self._of_unit(unit, words_apart=words_apart) for unit, _ in pieces.units]
        unit_scale = 1.0 / math.sqrt(max(sum(count for _, count in spelled), 1))
        pattern_scale = PATTERN_SCALE / math.sqrt(len(pieces.patterns))
        by_token = [0.0] * len(heard.starts)
        for (_, at), (weight, _) in zip(pieces.units, spelled, strict=True):
            by_token[at] += unit_scale * weight
        for pattern, at in pieces.patterns.items():
            by_token[at] += pattern_scale * self._of_pattern(pattern)
        logit = self._weights.intercept + sum(by_token)
        first, last = _strongest(heard.tokens, by_token)
        ends = (*heard.starts[1:], len(heard.text))
        return Opinion(
            logit=logit,
            sure_from=self._weights.sure_from,
            doubtful=logit < self._weights.doubt_below,
            span=(heard.starts[first], ends[last]),
        )


def _strongest(tokens: list[str], by_token: list[float]) -> tuple[int, int]:
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


def _read(model_dir: Path) -> tuple[str, dict[str, RequestWeights]]:
    path = model_dir / "manifest.toml"
    try:
        manifest = tomllib.loads(path.read_text(encoding="utf-8"))
        if manifest["format"] != MANIFEST_FORMAT:
            raise ModelError(f"{path} has format {manifest['format']}, this version reads {MANIFEST_FORMAT}.")
        content = (model_dir / "weights.npz").read_bytes()
        if hashlib.sha256(content).hexdigest() != manifest["sha256"]["weights.npz"]:
            raise ModelError(
                f"weights.npz in {model_dir} is not the file that manifest.toml names: restore the folder."
            )
        if manifest["hash_bits"] != HASH_BITS:
            raise ModelError(f"The model of requests in {model_dir} is for other pieces: use one that fits.")
        with np.load(model_dir / "weights.npz") as arrays:
            return manifest["model_id"], {
                language: RequestWeights(
                    intercept=float(manifest[language]["intercept"]),
                    pieces=arrays[language].astype(np.float64),
                    sure_from=float(manifest[language]["sure_from"]),
                    doubt_below=float(manifest[language]["doubt_below"]),
                )
                for language in manifest["languages"]
            }
    except FileNotFoundError as error:
        raise ModelError(f"No model of requests in {model_dir}: {Path(error.filename).name} is missing.") from error
    except (OSError, ValueError, TypeError, tomllib.TOMLDecodeError) as error:
        raise ModelError(
            f"The model of requests in {model_dir} cannot be read ({error}): restore the folder."
        ) from error
    except KeyError as error:
        raise ModelError(f"The model of requests in {model_dir} lacks {error}: restore the folder.") from error

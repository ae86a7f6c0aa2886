r"""What calm speech scores: the yardstick against which an utterance's score is unusual or not.

A score is compared with calm speech *of the same kind* (`CalmKind`: baseline early or ready, with or without the
embedding) of callers that the model was not trained on. Its conformal p-value [1]_ is

.. math:: p = \frac{1 + n\, \bar F(s)}{n + 1}, \qquad \bar F(s) = \text{share of calm speech that scores } s
          \text{ or more, every caller weighing the same},

and its normal score :math:`z = \Phi^{-1}(1 - p)`. How far callers and one caller's utterances scatter in :math:`z` is
measured with it, since that is what `voicepipe.stress.evidence` rests on.

References
----------
.. [1] Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", Springer (2005).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, BinaryIO, Self

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincinv, ndtri

from voicepipe.stress.evidence import WORD_STAKES, log_bound
from voicepipe.stress.slack import BUDGETS, log_slack
from voicepipe.types import DoubleArray, ModelError, StressScore

FORMAT = 8
"""Version of the arrays and of the evidence that their slack was measured for."""
WORDS_MEAN = 0.05
"""Mean `voicepipe.stress.evidence.outspokenness` of an ordinary calm caller that is bet against where no site has
measured its own: twice and more what `scripts/evaluate_frustration.py` prints for neutral talk."""
MIN_UTTERANCES = 30
MIN_CALLERS = 2
Z_LIMIT = 3.5
"""Normal scores are cut off here, so that they are finite; the reference can hardly tell more."""
SPREAD_CONFIDENCE = 0.9
"""One-sided confidence of the spread between callers, which rests on few of them."""


class CalmKind(StrEnum):
    """Kinds of calm speech that are compared with themselves only."""

    EARLY = "early"
    EARLY_PROSODY = "early_prosody"
    READY = "ready"
    READY_PROSODY = "ready_prosody"

    @classmethod
    def of(cls, score: StressScore) -> "CalmKind":
        """Return the kind a score belongs to."""
        if score.with_embedding:
            return cls.READY if score.baseline_ready else cls.EARLY
        return cls.READY_PROSODY if score.baseline_ready else cls.EARLY_PROSODY


@dataclass(frozen=True, slots=True, kw_only=True)
class CalmScores:
    """Scores of calm speech of one kind, and how they scatter over callers.

    Attributes
    ----------
    scores : ndarray, shape (n,), float64
        Stress scores 0..1, ascending.
    tail_prob : ndarray, shape (n,), float64
        Share of calm speech with a score of at least ``scores[i]``, every caller weighing the same.
    callers : int
        How many callers stand behind it.
    between_sd : float
        Standard deviation over callers of their mean normal score, at `SPREAD_CONFIDENCE`.
    within_sd : float
        Standard deviation of a caller's normal scores around that mean, callers weighing the same.
    """

    scores: DoubleArray
    tail_prob: DoubleArray
    callers: int
    between_sd: float
    within_sd: float

    def p_values(self, scores: npt.ArrayLike) -> DoubleArray:
        """Return the conformal p-values of scores, shape as given, in (0, 1]."""
        n = len(self.scores)
        at = np.searchsorted(self.scores, np.asarray(scores, dtype=np.float64), side="left")
        tail = np.append(self.tail_prob, 0.0)[at]
        return np.asarray((1.0 + n * tail) / (n + 1.0), dtype=np.float64)

    def normal_scores(self, scores: npt.ArrayLike) -> DoubleArray:
        """Return the normal scores of the p-values, -Z_LIMIT..Z_LIMIT; large is unlike calm speech."""
        return np.asarray(np.clip(-ndtri(self.p_values(scores)), -Z_LIMIT, Z_LIMIT), dtype=np.float64)

    @classmethod
    def measure(cls, scores: npt.ArrayLike, callers: Sequence[str]) -> Self:
        """Build from calm scores of held-out callers.

        Parameters
        ----------
        scores : array_like, shape (n,)
            Stress scores of calm utterances.
        callers : sequence of str, length n
            Who spoke each.

        Raises
        ------
        ModelError
            With fewer than `MIN_CALLERS` or `MIN_UTTERANCES`, or a score that is not a number in 0..1.
        """
        values = np.asarray(scores, dtype=np.float64)
        names, caller = np.unique(np.asarray(callers, dtype=str), return_inverse=True)
        if values.shape != caller.shape:
            raise ModelError(f"{values.size} calm scores came with {caller.size} callers; give one caller per score.")
        if values.size < MIN_UTTERANCES or len(names) < MIN_CALLERS:
            raise ModelError(
                f"A calm reference needs {MIN_UTTERANCES} utterances of {MIN_CALLERS} callers at least, "
                f"not {values.size} of {len(names)}; give more calm speech."
            )
        if not bool(np.all((values >= 0.0) & (values <= 1.0))):
            raise ModelError("A calm score lies outside 0..1; give the scorer's calibrated stress.")
        counts = np.bincount(caller)
        order = np.argsort(values, kind="stable")
        ascending = values[order]
        share = (1.0 / (len(names) * counts[caller]))[order]
        tail = np.cumsum(share[::-1])[::-1][np.searchsorted(ascending, ascending, side="left")]
        calm = cls(scores=ascending, tail_prob=np.minimum(1.0, tail), callers=len(names), between_sd=0.0, within_sd=1.0)
        between_sd, within_sd = _spread(calm.normal_scores(values), caller)
        return replace(calm, between_sd=between_sd, within_sd=within_sd)


def _spread(z: DoubleArray, caller: npt.NDArray[np.intp]) -> tuple[float, float]:
    """Return the spread of normal scores between callers and within a caller.

    Between: the moment estimate of one-way random effects (Searle, Casella and McCulloch, "Variance Components", Wiley
    1992, 3.6), its upper chi-squared limit, and the error of the callers' grand mean, which a new caller meets as well.
    Within: the mean of the callers' own variances.
    """
    counts = np.bincount(caller)
    n_callers = len(counts)
    means = np.bincount(caller, weights=z) / counts
    repeated = counts[caller] > 1
    count = counts[caller][repeated]
    if count.size == 0:
        raise ModelError("Every caller of the calm reference has one utterance only; give several of each.")
    variance = (z - means[caller])[repeated] ** 2 * count / (count - 1.0)
    within = float(np.average(variance, weights=1.0 / count))
    between = max(0.0, float(np.var(means, ddof=1)) - within * float(np.mean(1.0 / counts)))
    # The quantile of chi-square with k degrees of freedom; scipy.stats takes a second to load.
    least = 2.0 * float(gammaincinv((n_callers - 1) / 2, 1.0 - SPREAD_CONFIDENCE))
    between *= (n_callers - 1) / least * (1.0 + 1.0 / n_callers)
    return float(np.sqrt(between)), float(np.sqrt(max(within, 1e-4)))


@dataclass(frozen=True, slots=True, kw_only=True)
class CalmReference:
    """What calm speech scores, per kind: part of a stress model's profile.

    Attributes
    ----------
    kinds : mapping of CalmKind to CalmScores
        All four kinds.
    log_slack : ndarray, shape (2, len(BUDGETS)), float64
        By how much `voicepipe.stress.evidence.log_bound` exceeds the level that keeps the budget, per budget, where
        the voice alone decides: in calls with and without the embedding, and in such as always have it.
    log_slack_words : ndarray, shape (2, len(BUDGETS)), float64
        The same where there is a transcript, too.
    words_mean : float
        Frustration in the words of an ordinary calm caller that is bet against, above 0 and below the lower stake of
        `voicepipe.stress.evidence.WORD_STAKES`.
    """

    kinds: Mapping[CalmKind, CalmScores]
    log_slack: DoubleArray
    log_slack_words: DoubleArray
    words_mean: float = WORDS_MEAN

    def log_level(
        self, false_alarms_per_100_call_hours: float, *, words: bool = False, embedded: bool = False
    ) -> float:
        """Return the logarithm of the evidence, in call-hours, at which a budget allows an alarm.

        Parameters
        ----------
        false_alarms_per_100_call_hours : float
        words : bool
            Of voice and words; False: of the voice alone.
        embedded : bool
            In a call that was scored with the embedding throughout; False: some of it by prosody alone.
        """
        slacks = (self.log_slack_words if words else self.log_slack)[int(embedded)]
        slack = np.interp(np.log(false_alarms_per_100_call_hours), np.log(BUDGETS), slacks)
        return float(log_bound(false_alarms_per_100_call_hours) - slack)

    @classmethod
    def measure(
        cls, samples: Mapping[CalmKind, tuple[npt.ArrayLike, Sequence[str]]], *, transcripts: bool = True
    ) -> Self:
        """Build from calm scores and their callers per kind, as `CalmScores.measure` takes them.

        Parameters
        ----------
        samples : mapping of CalmKind to scores and callers
        transcripts : bool
            As for `of_kinds`.

        Raises
        ------
        ModelError
            If a kind is missing or cannot be measured.
        """
        kinds = {kind: CalmScores.measure(*sample) for kind, sample in samples.items()}
        return cls.of_kinds(kinds, transcripts=transcripts)

    @classmethod
    def of_kinds(
        cls, kinds: Mapping[CalmKind, CalmScores], *, words_mean: float = WORDS_MEAN, transcripts: bool = True
    ) -> Self:
        """Build from measured kinds.

        Where some of a call may lack the embedding, the slack is the smaller one of having it and not. Simulates
        calls: takes a minute with transcripts, a quarter of a minute without.

        Parameters
        ----------
        kinds : mapping of CalmKind to CalmScores
        words_mean : float
        transcripts : bool
            False for calls that have no transcript: then the level where words count stays at the bound.

        Raises
        ------
        ModelError
            If a kind is missing.
        """
        missing = [kind.value for kind in CalmKind if kind not in kinds]
        if missing:
            raise ModelError(f"The calm reference lacks {', '.join(missing)}; give calm scores of all four kinds.")
        spread = {kind: (calm.between_sd, calm.within_sd) for kind, calm in kinds.items()}
        embedded = spread[CalmKind.EARLY], spread[CalmKind.READY]
        prosody = spread[CalmKind.EARLY_PROSODY], spread[CalmKind.READY_PROSODY]

        def slacks(words_mean: float | None) -> DoubleArray:
            having = log_slack(*embedded, words_mean=words_mean)
            lacking = having if prosody == embedded else log_slack(*prosody, words_mean=words_mean)
            return np.stack([np.minimum(having, lacking), having])

        return cls(
            kinds=kinds,
            log_slack=slacks(None),
            log_slack_words=slacks(words_mean) if transcripts else np.zeros((2, len(BUDGETS))),
            words_mean=words_mean,
        )

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return plain arrays, fit for ``numpy.savez``."""
        arrays: dict[str, npt.NDArray[Any]] = {
            "format": np.array(FORMAT),
            "log_slack": self.log_slack,
            "log_slack_words": self.log_slack_words,
            "words_mean": np.array(self.words_mean),
        }
        for kind, calm in self.kinds.items():
            arrays[f"{kind}.scores"] = calm.scores
            arrays[f"{kind}.tail_prob"] = calm.tail_prob
            arrays[f"{kind}.spread"] = np.array([calm.callers, calm.between_sd, calm.within_sd])
        return arrays

    def save(self, file: BinaryIO) -> None:
        """Write `to_arrays` as an .npz file."""
        arrays: dict[str, Any] = self.to_arrays()
        np.savez_compressed(file, **arrays)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Build from what `to_arrays` gave.

        Raises
        ------
        ModelError
            If the format's version is another, or an array is missing or not of its shape.
        """
        try:
            version = int(arrays["format"])
            if version != FORMAT:
                raise ModelError(
                    f"The calm reference has format {version}, this version reads {FORMAT}; measure it again."
                )
            slack, slack_words = (
                np.asarray(arrays[name], dtype=np.float64) for name in ("log_slack", "log_slack_words")
            )
            words_mean = float(arrays["words_mean"])
            kinds = {kind: _read(arrays, kind) for kind in CalmKind}
        except (KeyError, ValueError, TypeError) as error:
            raise ModelError(f"The calm reference is damaged ({error}); restore it or measure it again.") from error
        if any(one.shape != (2, *BUDGETS.shape) or not bool(np.all(one >= 0.0)) for one in (slack, slack_words)):
            raise ModelError("The calm reference's slack is damaged; restore it or measure it again.")
        if not 0.0 < words_mean < WORD_STAKES[0]:
            raise ModelError(
                f"The calm reference's words_mean is {words_mean}; it lies above 0 and below {WORD_STAKES[0]}."
            )
        return cls(kinds=kinds, log_slack=slack, log_slack_words=slack_words, words_mean=words_mean)


def _read(arrays: Mapping[str, npt.NDArray[Any]], kind: CalmKind) -> CalmScores:
    callers, between_sd, within_sd = (float(value) for value in arrays[f"{kind}.spread"])
    scores = np.asarray(arrays[f"{kind}.scores"], dtype=np.float64)
    tail_prob = np.asarray(arrays[f"{kind}.tail_prob"], dtype=np.float64)
    ascending = scores.ndim == 1 and scores.size > 0 and bool(np.all(np.diff(scores) >= 0.0))
    falling = tail_prob.shape == scores.shape and bool(np.all(np.diff(tail_prob) <= 1e-12))
    if not (ascending and falling and within_sd > 0.0 and between_sd >= 0.0):
        raise ValueError(f"the scores of kind {kind} are not in order")
    return CalmScores(
        scores=scores, tail_prob=tail_prob, callers=int(callers), between_sd=between_sd, within_sd=within_sd
    )

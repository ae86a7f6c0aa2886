r"""The caller's own normal: what later utterances are measured against.

Each feature has a running location and scale. They start at the population's norm, which counts like `prior_s` seconds
of this caller's speech, and move to the caller's own as speech is heard. For a feature whose utterances scatter around
a caller's own mean with variance :math:`\sigma_w^2` and whose callers scatter around the population's mean with
variance :math:`\sigma_b^2`, the best linear estimate of the caller's mean after *n* utterances is the shrunken mean

.. math:: \hat\mu_n = \frac{\kappa \mu_0 + \sum_i x_i}{\kappa + n}, \qquad \kappa = \sigma_w^2 / \sigma_b^2

(empirical Bayes; Efron and Morris, "Data Analysis Using Stein's Estimator and its Generalizations", JASA 70, 1975).
Here utterances weigh by their seconds of speech, so :math:`\kappa` is given in seconds, one for each feature. Steps
are bounded (Huber, "Robust Estimation of a Location Parameter", Ann. Math. Stat. 35, 1964), so that one odd utterance
cannot move the norm far, and the weight of the past is bounded, so that the norm keeps following a long call slowly.

Everything works on the last axis; leading axes are a batch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from voicepipe.types import DoubleArray, FloatArray, ProsodyFeatures

HUBER_SCALES = 2.5
"""Bound of a step, in scales of the feature; within it lie 98.8 % of normally distributed utterances."""
LEAST_SCALE = 0.5
"""A caller's scale is never taken for less than this share of the population's: a few even utterances prove little."""
READY_SPEECH_S = 12.0
READY_UTTERANCES = 4
"""A baseline is ready when it rests on both. Shorter, one sentence's melody is taken for the caller's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Norm:
    """What the population sounds like, the starting point of every caller.

    Attributes
    ----------
    centre : ndarray, shape (n_features,), float64
        Mean over callers of each feature in calm speech, in the feature's own unit.
    spread : ndarray, shape (n_features,), float64
        Scatter of one caller's utterances around that caller's own mean (standard deviation), same units; above 0.
    prior_s : ndarray, shape (n_features,), float64
        Seconds of speech that the centre counts for.
    spread_prior_s : float
        Seconds of speech that the spread counts for.
    memory_s : float
        Most seconds of speech that the past counts for, the prior included.
    """

    centre: DoubleArray
    spread: DoubleArray
    prior_s: DoubleArray
    spread_prior_s: float = 60.0
    memory_s: float = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningNorm:
    """Location and scale of one caller's features.

    Attributes
    ----------
    location, scale : ndarray, shape (..., n_features), float64
        In the features' own units.
    heard_s : ndarray, shape (..., n_features), float64
        Seconds of speech in which each feature could be measured.
    """

    location: DoubleArray
    scale: DoubleArray
    heard_s: DoubleArray

    @classmethod
    def start(cls, norm: Norm) -> "RunningNorm":
        """Return the population's norm."""
        return cls(location=norm.centre, scale=norm.spread, heard_s=np.zeros_like(norm.centre))

    def heard(self, values: DoubleArray, *, weight_s: float | DoubleArray, norm: Norm) -> "RunningNorm":
        """Return the norm after one more utterance.

        Parameters
        ----------
        values : ndarray, shape (..., n_features), float64
            NaN leaves a feature as it is.
        weight_s : float or ndarray, shape (..., 1)
            Seconds of speech that the utterance counts for; 0 leaves everything as it is.
        norm : Norm
            The one it was started from.
        """
        measured = np.isfinite(values)
        weight = np.where(measured, weight_s, 0.0)
        off = np.where(measured, values, 0.0) - np.where(measured, self.location, 0.0)
        bound = HUBER_SCALES * self.scale
        step = np.clip(off, -bound, bound)
        past_s = np.minimum(norm.prior_s + self.heard_s, norm.memory_s)
        location = self.location + step * weight / (past_s + weight)
        past_s = np.minimum(norm.spread_prior_s + self.heard_s, norm.memory_s)
        variance = self.scale**2
        variance = variance + (step**2 - variance) * weight / (past_s + weight)
        scale = np.maximum(np.sqrt(variance), LEAST_SCALE * norm.spread)
        return RunningNorm(location=location, scale=scale, heard_s=self.heard_s + weight)

    def deviation(self, values: DoubleArray) -> DoubleArray:
        """Return how far values lie from the location, in scales; 0 where they could not be measured."""
        return np.where(np.isfinite(values), (values - self.location) / self.scale, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineNorms:
    """The population's norms of everything that a baseline follows.

    Attributes
    ----------
    prosody, embedding : Norm
    """

    prosody: Norm
    embedding: Norm


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """One caller's normal so far. Immutable: `after` returns the next one.

    Attributes
    ----------
    prosody, embedding : RunningNorm
    speech_s : float
        Seconds of speech heard, whatever they counted for.
    utterances : int
        Utterances heard.
    """

    prosody: RunningNorm
    embedding: RunningNorm
    speech_s: float = 0.0
    utterances: int = 0

    @classmethod
    def start(cls, norms: BaselineNorms) -> "Baseline":
        """Return the baseline of a caller not yet heard."""
        return cls(prosody=RunningNorm.start(norms.prosody), embedding=RunningNorm.start(norms.embedding))

    @property
    def ready(self) -> bool:
        """True when the norm is the caller's own rather than the population's."""
        return self.speech_s >= READY_SPEECH_S and self.utterances >= READY_UTTERANCES

    def after(
        self,
        prosody: ProsodyFeatures,
        embedding: FloatArray | None,
        *,
        speech_s: float,
        stress: float,
        frozen: bool,
        norms: BaselineNorms,
    ) -> "Baseline":
        """Return the baseline after one more utterance.

        Parameters
        ----------
        prosody : ProsodyFeatures
        embedding : ndarray, shape (n_embedding,), float32, or None
        speech_s : float
            Seconds of speech in the utterance.
        stress : float
            The utterance's score; the utterance counts for ``speech_s * (1 - stress)`` seconds, so that stressed speech
            hardly becomes normal even before evidence has grown.
        frozen : bool
            True leaves the baseline as it is.
        norms : BaselineNorms
            The ones it was started from.
        """
        if frozen:
            return self
        weight_s = calm_weight_s(speech_s, stress=stress)
        return replace(
            self,
            prosody=self.prosody.heard(prosody.values, weight_s=weight_s, norm=norms.prosody),
            embedding=self.embedding
            if embedding is None
            else self.embedding.heard(embedding.astype(np.float64), weight_s=weight_s, norm=norms.embedding),
            speech_s=self.speech_s + speech_s,
            utterances=self.utterances + 1,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers from which `from_dict` restores the very same baseline."""
        return {
            "prosody": _to_dict(self.prosody),
            "embedding": _to_dict(self.embedding),
            "speech_s": self.speech_s,
            "utterances": self.utterances,
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> "Baseline":
        """Restore what `to_dict` saved.

        Raises
        ------
        KeyError
            If a part is missing.
        """
        return cls(
            prosody=_from_dict(state["prosody"]),
            embedding=_from_dict(state["embedding"]),
            speech_s=float(state["speech_s"]),
            utterances=int(state["utterances"]),
        )


def calm_weight_s(speech_s: float | DoubleArray, *, stress: float | DoubleArray) -> float | DoubleArray:
    """Return the seconds that an utterance counts for in the baseline: all of them if calm, none if surely stressed."""
    return speech_s * (1.0 - stress)


def _to_dict(norm: RunningNorm) -> dict[str, list[float]]:
    return {"location": norm.location.tolist(), "scale": norm.scale.tolist(), "heard_s": norm.heard_s.tolist()}


def _from_dict(state: Mapping[str, Any]) -> RunningNorm:
    return RunningNorm(
        location=np.asarray(state["location"], np.float64),
        scale=np.asarray(state["scale"], np.float64),
        heard_s=np.asarray(state["heard_s"], np.float64),
    )

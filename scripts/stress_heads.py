"""The stress model as it is fitted: linear heads on prosody and embedding, and the score that they make together.

With a few thousand acted clips and three thousand inputs, strongly shrunk linear heads carried over to unseen speakers
better than the small neural networks that were tried. Three opinions on stress are added as log-odds: of a head that is
fitted to stress itself, and twice of heads that are fitted to emotions, as the odds of the stressed ones against the
unstressed ones. Those bend where the first is straight: anger and fear sound different, and either will do.

On top of the heads that all corpora share, each corpus (a language, a way of recording, a way of acting) has heads of
its own for what the shared ones leave unexplained, and gates tell from the embedding how much an utterance is like each
corpus. It is the augmented feature space of Daumé ("Frustratingly Easy Domain Adaptation", ACL 2007) with the domain
estimated; what is like none of them is left to the shared heads.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logsumexp
from stress_corpora import EMOTIONS, STRESSED, UNSTRESSED
from stress_model import USED, Inputs

from voicepipe.types import DoubleArray, FloatArray

N_OUTPUTS = len(EMOTIONS) + 3
"""Emotion scores, stress score, arousal, valence: ridge regressions, and what the heads make together."""
STRESS, AROUSAL, VALENCE = len(EMOTIONS), len(EMOTIONS) + 1, len(EMOTIONS) + 2
N_HEADS = N_OUTPUTS + len(EMOTIONS)
"""The ridge regressions, then the emotions again, by softmax regression."""
OF_STRESSED = np.asarray([i for i, name in enumerate(EMOTIONS) if name in STRESSED])
OF_UNSTRESSED = np.asarray([i for i, name in enumerate(EMOTIONS) if name in UNSTRESSED])

RIDGE_GAIN = 8.0
"""Turns the ridge regressions on emotions, fitted to 0 and 1, into logits."""
RIDGE_SHARE, SOFTMAX_SHARE = 0.1, 0.25
"""What the log-odds of either kind of emotion heads count beside the head that is fitted to stress, to -1 and 1."""
CLIP = 4.0
"""Standardised inputs beyond this many standard deviations are cut: measurement errors, not voices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """Mean and standard deviation of the inputs as they are."""

    prosody_mean: DoubleArray
    prosody_sd: DoubleArray
    embedding_mean: DoubleArray
    embedding_sd: DoubleArray

    @classmethod
    def fit(cls, inputs: Inputs, weights: DoubleArray) -> "Standard":
        """Fit on rows that each appear once, weighted."""
        values = inputs.prosody.astype(np.float64)
        values = np.clip(values, *np.nanpercentile(values, [1, 99], axis=0))
        known = np.isfinite(values)
        w = np.where(known, weights[:, None], 0.0)
        total = np.maximum(w.sum(0), 1e-9)
        filled = np.where(known, values, 0.0)
        mean = (w * filled).sum(0) / total
        sd = np.sqrt((w * (filled - mean) ** 2).sum(0) / total)
        e = inputs.embedding.astype(np.float64)
        share = weights / weights.sum()
        e_mean = share @ e
        return cls(
            prosody_mean=mean,
            prosody_sd=np.where(sd > 1e-6, sd, 1.0),
            embedding_mean=e_mean,
            embedding_sd=np.sqrt(share @ (e - e_mean) ** 2) + 1e-6,
        )

    def prosody(self, inputs: Inputs) -> FloatArray:
        """Return absolute and relative prosody and the baseline's maturity, shape (n, 2 n_features + 1)."""
        known = np.isfinite(inputs.prosody)
        z = np.where(known, (inputs.prosody - self.prosody_mean) / self.prosody_sd, 0.0) * USED
        off = inputs.prosody_deviation * USED
        return np.concatenate([np.clip(z, -CLIP, CLIP), np.clip(off, -CLIP, CLIP), inputs.maturity], axis=1).astype(
            np.float32
        )

    def embedding(self, inputs: Inputs) -> FloatArray:
        """Return the absolute and the relative embedding, shape (n, 2 n_embedding)."""
        z = (inputs.embedding - self.embedding_mean) / self.embedding_sd
        off = inputs.embedding_deviation
        return np.concatenate([np.clip(z, -CLIP, CLIP), np.clip(off, -CLIP, CLIP)], axis=1).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How raw outputs become probabilities; one for scores with the embedding, one for prosody alone.

    Attributes
    ----------
    stress : ndarray, shape (4,)
        ``logit = (stress[0] + stress[1] m) z + stress[2] + stress[3] m`` for a baseline of maturity m.
    emotion_gain : float
        Factor on the emotion scores before the softmax.
    """

    stress: DoubleArray
    emotion_gain: float


IDENTITY = Calibration(stress=np.asarray([4.0, 0.0, 0.0, 0.0]), emotion_gain=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """The fitted model.

    Attributes
    ----------
    standard : Standard
    shared_prosody, shared_embedding, shared_bias : ndarray
        Weights with the embedding, shapes (2 n_features + 1, N_HEADS), (2 n_embedding, N_HEADS) and (N_HEADS,).
    own_prosody, own_embedding, own_bias : ndarray
        What each corpus adds to the ridge regressions, shapes (n_corpora, 2 n_features + 1, N_OUTPUTS),
        (n_corpora, 2 n_embedding, N_OUTPUTS) and (n_corpora, N_OUTPUTS).
    gate, gate_bias : ndarray, shapes (n_embedding, n_corpora), (n_corpora,)
        Logits, from the absolute embedding, of being like each of the corpora; see `likeness`.
    alone, alone_bias : ndarray, shapes (2 n_features + 1, N_HEADS), (N_HEADS,)
        Weights of prosody alone.
    both_calibration, alone_calibration : Calibration
    """

    standard: Standard
    shared_prosody: DoubleArray
    shared_embedding: DoubleArray
    shared_bias: DoubleArray
    own_prosody: DoubleArray
    own_embedding: DoubleArray
    own_bias: DoubleArray
    gate: DoubleArray
    gate_bias: DoubleArray
    alone: DoubleArray
    alone_bias: DoubleArray
    both_calibration: Calibration = IDENTITY
    alone_calibration: Calibration = IDENTITY

    def raw(self, inputs: Inputs, *, with_embedding: bool = True) -> DoubleArray:
        """Return uncalibrated outputs, shape (n, N_OUTPUTS)."""
        p = self.standard.prosody(inputs)
        if not with_embedding:
            return together(p @ self.alone + self.alone_bias)
        e = self.standard.embedding(inputs)
        out = p @ self.shared_prosody + e @ self.shared_embedding + self.shared_bias
        alike = likeness(e[:, : len(self.gate)] @ self.gate + self.gate_bias)
        for k, share in enumerate(alike.T):
            own = p @ self.own_prosody[k] + e @ self.own_embedding[k] + self.own_bias[k]
            out[:, :N_OUTPUTS] += share[:, None] * own
        return together(out)

    def stress_prob(self, inputs: Inputs, *, with_embedding: bool = True) -> DoubleArray:
        """Return calibrated P(stress), shape (n,)."""
        raw = self.raw(inputs, with_embedding=with_embedding)
        calibration = self.both_calibration if with_embedding else self.alone_calibration
        return expit(stress_logit(raw[:, STRESS], inputs.maturity[:, 0], calibration.stress))

    def calibrated(self, *, both: Calibration, alone: Calibration) -> "Heads":
        """Return the same heads with calibrations."""
        return replace(self, both_calibration=both, alone_calibration=alone)


def together(heads: DoubleArray) -> DoubleArray:
    """Return the scores that all heads make together.

    Parameters
    ----------
    heads : ndarray, shape (n, N_HEADS)

    Returns
    -------
    ndarray, shape (n, N_OUTPUTS)
        Logits of emotions, a stress score that grows with the log-odds, arousal, valence.
    """
    by_ridge, by_softmax = RIDGE_GAIN * heads[:, : len(EMOTIONS)], heads[:, N_OUTPUTS:]
    stress = heads[:, STRESS] + RIDGE_SHARE * stressed_odds(by_ridge) + SOFTMAX_SHARE * stressed_odds(by_softmax)
    return np.concatenate([by_ridge + by_softmax, stress[:, None], heads[:, AROUSAL:N_OUTPUTS]], axis=1)


def stressed_odds(logits: DoubleArray) -> DoubleArray:
    """Return log-odds of the stressed emotions against the unstressed ones, shape (n,), from logits (n, n_emotions)."""
    odds: DoubleArray = logsumexp(logits[:, OF_STRESSED], axis=1) - logsumexp(logits[:, OF_UNSTRESSED], axis=1)
    return odds


def likeness(logits: DoubleArray) -> DoubleArray:
    """Return the share of each corpus's own heads, shape as given: probabilities, cut to a sum of at most 1."""
    prob = expit(logits)
    return np.asarray(prob / np.maximum(prob.sum(axis=1, keepdims=True), 1.0), dtype=np.float64)


def stress_logit(score: DoubleArray, grown: DoubleArray, stress: DoubleArray) -> DoubleArray:
    """Return the calibrated logit; see `Calibration.stress`."""
    return (stress[0] + stress[1] * grown) * score + stress[2] + stress[3] * grown

"""Fitting of the stress model's heads, and of what makes probabilities of their scores.

Ridge regressions in closed form, one softmax regression by its likelihood; what they are and how they make a score is
in `stress_heads`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp
from sklearn.linear_model import LogisticRegression
from stress_corpora import EMOTIONS
from stress_heads import AROUSAL, N_OUTPUTS, STRESS, VALENCE, Calibration, Heads, Standard, stress_logit
from stress_model import Inputs, Labels

from voicepipe.types import DoubleArray, FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Every choice of the fit.

    Attributes
    ----------
    components : int
        Principal components of the embedding, and of its deviation, that are fitted on.
    penalty_prosody, penalty_embedding, penalty_deviation : float
        Ridge penalty of the shared heads for each unit of the rows' total weight: on prosody, on the embedding and on
        its deviation from the baseline.
    expert_penalty_prosody, expert_penalty_embedding : float
        The same for each corpus's own heads, the embedding's deviation like the embedding.
    alone_penalty : float
        The same for prosody alone.
    softmax_penalty : float
        Penalty of the softmax regression, as a share of that of the shared heads or of prosody alone.
    softmax_steps : int
        Most steps that its fit takes.
    gate_penalty : float
        Inverse of the gates' ``C`` (scikit-learn's logistic regression).
    """

    components: int = 512
    penalty_prosody: float = 0.5
    penalty_embedding: float = 16.0
    penalty_deviation: float = 4.0
    expert_penalty_prosody: float = 1.0
    expert_penalty_embedding: float = 8.0
    alone_penalty: float = 0.3
    softmax_penalty: float = 0.1
    softmax_steps: int = 100
    gate_penalty: float = 4000.0


def balanced_weights(
    groups: npt.NDArray[np.str_], corpus: npt.NDArray[np.str_], known: npt.NDArray[np.bool_]
) -> DoubleArray:
    """Weigh rows so that each group within a corpus counts alike and a corpus counts by the root of its size.

    Mean 1 over all rows, 0 where unknown. The root lies between corpora counting alike, which overfits the smallest,
    and rows counting alike, which overfits the largest.
    """
    weights = np.zeros(len(groups))
    for name in np.unique(corpus[known]):
        mine = known & (corpus == name)
        kinds = np.unique(groups[mine])
        for kind in kinds:
            rows = mine & (groups == kind)
            weights[rows] = np.sqrt(mine.sum()) / (len(kinds) * rows.sum())
    return weights * len(groups) / max(weights.sum(), 1e-12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """What each output is fitted to: pairs of (columns, values, weights)."""

    emotion: FloatArray
    w_emotion: DoubleArray
    stress: DoubleArray
    w_stress: DoubleArray
    arousal: DoubleArray
    w_arousal: DoubleArray
    valence: DoubleArray
    w_valence: DoubleArray


def targets(labels: Labels) -> Targets:
    """Return targets and weights of every output."""
    known_stress = np.isfinite(labels.stress)
    known_emotion = labels.emotion.sum(1) > 0
    known_arousal, known_valence = np.isfinite(labels.arousal), np.isfinite(labels.valence)
    kind = np.where(known_emotion, labels.emotion.argmax(1).astype(str), "none")
    w_stress = np.zeros(len(kind))
    for half in (0.0, 1.0):
        # Classes within a half count alike, so that no corpus teaches that being sad or happy is rare.
        w_stress += balanced_weights(kind, labels.corpus, labels.stress == half) / 2 if known_stress.any() else 0.0
    levels = np.where(known_emotion, kind, np.nan_to_num(labels.arousal).round(1).astype(str))
    return Targets(
        emotion=(labels.emotion / np.maximum(labels.emotion.sum(1, keepdims=True), 1.0)).astype(np.float32),
        w_emotion=balanced_weights(kind, labels.corpus, known_emotion),
        stress=2.0 * np.nan_to_num(labels.stress) - 1.0,
        w_stress=w_stress,
        arousal=np.nan_to_num(labels.arousal),
        w_arousal=balanced_weights(levels, labels.corpus, known_arousal),
        valence=np.nan_to_num(labels.valence),
        w_valence=balanced_weights(kind, labels.corpus, known_valence),
    )


def fit_heads(inputs: Sequence[Inputs], labels: Sequence[Labels], *, recipe: Recipe) -> Heads:
    """Fit all heads.

    Parameters
    ----------
    inputs : sequence of Inputs
        The first holds every row once, against the population's norm; the others rows under simulated baselines.
    labels : sequence of Labels
        One for each of `inputs`.
    """
    of_each = [targets(one) for one in labels]
    standard = Standard.fit(inputs[0], of_each[0].w_emotion + of_each[0].w_arousal)
    p = np.concatenate([standard.prosody(one) for one in inputs])
    n_embedding = inputs[0].embedding.shape[1]
    absolute = _components(standard.embedding(inputs[0])[:, :n_embedding], recipe.components)
    relative = _components(standard.embedding(inputs[-1])[:, n_embedding:], recipe.components)
    e = np.concatenate(
        [
            np.concatenate([z[:, :n_embedding] @ absolute, z[:, n_embedding:] @ relative], axis=1)
            for z in (standard.embedding(one) for one in inputs)
        ]
    )
    x = np.concatenate([p, e], axis=1)
    n_p, k = p.shape[1], absolute.shape[1]

    def penalties(of_prosody: float, of_embedding: float, of_deviation: float) -> DoubleArray:
        return np.concatenate(
            [np.full(n_p - 1, of_prosody), [0.1], np.full(k, of_embedding), np.full(e.shape[1] - k, of_deviation)]
        )

    values = _stacked(of_each)
    emotions = np.concatenate([one.emotion for one in labels]) > 0
    w_emotion = np.concatenate([one.w_emotion for one in of_each])

    def shared(x: FloatArray, penalty: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
        ridge, ridge_bias = _ridges(x, values, penalty=penalty)
        softmax, softmax_bias = softmax_regression(
            x, emotions, w_emotion, penalty=recipe.softmax_penalty * penalty, steps=recipe.softmax_steps
        )
        return np.concatenate([ridge, softmax], axis=1), np.concatenate([ridge_bias, softmax_bias])

    weights, bias = shared(x, penalties(recipe.penalty_prosody, recipe.penalty_embedding, recipe.penalty_deviation))
    explained = x @ weights[:, :N_OUTPUTS] + bias[:N_OUTPUTS]
    left = [(columns, y - explained[:, columns], w) for columns, y, w in values]
    corpus = np.concatenate([one.corpus for one in labels])
    of_own = recipe.expert_penalty_embedding
    own_penalty = penalties(recipe.expert_penalty_prosody, of_own, of_own)
    own = [
        _ridges(x, [(columns, y, np.where(corpus == name, w, 0.0)) for columns, y, w in left], penalty=own_penalty)
        for name in np.unique(corpus)
    ]
    gate, gate_bias = _gate(e[: len(labels[0].corpus), :k], labels[0].corpus, recipe=recipe)
    alone, alone_bias = shared(p, np.concatenate([np.full(n_p - 1, recipe.alone_penalty), [0.1]]))

    def of_embedding(w: DoubleArray) -> DoubleArray:
        return np.concatenate([absolute @ w[n_p : n_p + k], relative @ w[n_p + k :]])

    return Heads(
        standard=standard,
        shared_prosody=weights[:n_p],
        shared_embedding=of_embedding(weights),
        shared_bias=bias,
        own_prosody=np.stack([w[:n_p] for w, _ in own]),
        own_embedding=np.stack([of_embedding(w) for w, _ in own]),
        own_bias=np.stack([b for _, b in own]),
        gate=absolute @ gate,
        gate_bias=gate_bias,
        alone=alone,
        alone_bias=alone_bias,
    )


def _gate(x: FloatArray, corpus: npt.NDArray[np.str_], *, recipe: Recipe) -> tuple[DoubleArray, DoubleArray]:
    """Fit a gate for each corpus, in the order of ``numpy.unique``; shapes (n_inputs, n_corpora) and (n_corpora,)."""
    names = np.unique(corpus)
    if len(names) == 1:
        return np.zeros((x.shape[1], 1)), np.zeros(1)
    fitted = [LogisticRegression(C=1.0 / recipe.gate_penalty, max_iter=200).fit(x, corpus == name) for name in names]
    return np.concatenate([one.coef_ for one in fitted]).T, np.concatenate([one.intercept_ for one in fitted])


def _components(values: FloatArray, count: int) -> FloatArray:
    """Return the first principal axes, shape (n_inputs, count)."""
    x = values - values.mean(axis=0)
    variance, axes = np.linalg.eigh((x.T @ x).astype(np.float64))
    return axes[:, np.argsort(variance)[::-1][:count]].astype(np.float32)


Fitting = list[tuple[npt.NDArray[np.int64], DoubleArray, DoubleArray]]
"""Columns of the outputs, their targets (n, n_columns), and the rows' weights (n,)."""


def _stacked(of_each: Sequence[Targets]) -> Fitting:
    out: Fitting = []
    for columns, name in (
        (np.arange(len(EMOTIONS)), "emotion"),
        (np.asarray([STRESS]), "stress"),
        (np.asarray([AROUSAL]), "arousal"),
        (np.asarray([VALENCE]), "valence"),
    ):
        y = np.concatenate([getattr(one, name).reshape(len(one.stress), -1) for one in of_each]).astype(np.float64)
        out.append((columns, y, np.concatenate([getattr(one, f"w_{name}") for one in of_each])))
    return out


def _ridges(x: FloatArray, values: Fitting, *, penalty: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """Fit every output by weighted ridge regression with a free intercept; 0 where no row has a weight."""
    weights = np.zeros((x.shape[1], N_OUTPUTS))
    bias = np.zeros(N_OUTPUTS)
    for columns, y, w in values:
        rows = np.flatnonzero(w > 0)
        if not len(rows):
            continue
        xs, ys, ws = x[rows], y[rows], w[rows] / w[rows].sum()
        x_mean, y_mean = ws @ xs, ws @ ys
        xs = (xs - x_mean).astype(np.float32)
        weighted = xs * ws[:, None].astype(np.float32)
        gram = (weighted.T @ xs).astype(np.float64)
        right = weighted.T.astype(np.float64) @ (ys - y_mean)
        solved = np.linalg.solve(gram + np.diag(penalty), right)
        weights[:, columns] = solved
        bias[columns] = y_mean - x_mean @ solved
    return weights, bias


def softmax_regression(
    x: FloatArray, allowed: npt.NDArray[np.bool_], w: DoubleArray, *, penalty: DoubleArray, steps: int
) -> tuple[DoubleArray, DoubleArray]:
    """Fit logits by the likelihood of the allowed classes, shape (n, n_classes), with a free intercept.

    The penalty stands for each unit of the rows' total weight, as in ridge regression; 0 where no row has a weight.
    """
    n_inputs, n_classes = x.shape[1], allowed.shape[1]
    rows = np.flatnonzero(w > 0)
    if not len(rows):
        return np.zeros((n_inputs, n_classes)), np.zeros(n_classes)
    allowed, ws = allowed[rows], (w[rows] / w[rows].sum()).astype(np.float32)
    mean = ws @ x[rows]
    xs = x[rows] - mean
    scale = 1.0 / np.sqrt(ws @ xs**2 + 4.0 * penalty)  # the curvature, roughly: steps are alike in all directions
    xs *= scale.astype(np.float32)
    size = n_inputs * n_classes

    def loss(theta: DoubleArray) -> tuple[float, DoubleArray]:
        scaled = theta[:size].reshape(n_inputs, n_classes)
        log_prob = log_softmax(xs @ scaled.astype(np.float32) + theta[size:], axis=1)
        of_allowed = np.where(allowed, log_prob, -np.inf)
        total = logsumexp(of_allowed, axis=1, keepdims=True)
        slope = ws[:, None] * (np.exp(log_prob) - np.exp(of_allowed - total))
        shrunk = (penalty * scale**2)[:, None] * scaled
        value = -float(ws @ total[:, 0]) + 0.5 * float(np.sum(shrunk * scaled))
        gradient = (xs.T @ slope.astype(np.float32)).astype(np.float64) + shrunk
        return value, np.concatenate([gradient.ravel(), slope.sum(axis=0)])

    theta = minimize(loss, np.zeros(size + n_classes), jac=True, method="L-BFGS-B", options={"maxiter": steps}).x
    weights = theta[:size].reshape(n_inputs, n_classes) * scale[:, None]
    return weights, theta[size:] - mean @ weights


def calibrate(
    raw: DoubleArray, grown: DoubleArray, labels: Labels, *, weights: DoubleArray | None = None
) -> Calibration:
    """Fit a calibration on raw outputs of speakers that the heads were not fitted on.

    Parameters
    ----------
    raw : ndarray, shape (n, N_OUTPUTS)
    grown : ndarray, shape (n,)
        Maturity of the baseline behind each.
    labels : Labels
    weights : ndarray, shape (n,), optional
        By default stressed and unstressed count alike within each corpus: the base rate is one half.
    """
    known = np.isfinite(labels.stress)
    if weights is None:
        weights = targets(labels).w_stress
    z, m, y, w = raw[known, STRESS], grown[known], labels.stress[known], weights[known]
    w = w / w.sum()

    def loss(theta: DoubleArray) -> float:
        logit = stress_logit(z, m, theta)
        return float(w @ (np.logaddexp(0.0, logit) - y * logit)) + 1e-3 * float(theta[1] ** 2 + theta[3] ** 2)

    stress = minimize(loss, np.asarray([4.0, 0.0, 0.0, 0.0]), method="BFGS").x
    named = labels.emotion.sum(1) > 0
    w_emotion = targets(labels).w_emotion[named]
    w_emotion = w_emotion / w_emotion.sum()

    def emotion_loss(gain: DoubleArray) -> float:
        log_prob = log_softmax(gain[0] * raw[named, : len(EMOTIONS)], axis=1)
        allowed = np.where(labels.emotion[named] > 0, log_prob, -np.inf)
        return -float(w_emotion @ np.logaddexp.reduce(allowed, axis=1))

    gain = minimize(emotion_loss, np.asarray([1.0]), method="Nelder-Mead").x[0]
    return Calibration(stress=stress, emotion_gain=float(gain))

"""Linear heads on prosody and embedding, fitted in closed form, calibrated, and written as ONNX.

Every output is a ridge regression on the utterance as it is and as it deviates from the caller's baseline. With a few
thousand acted clips and two thousand inputs, strongly shrunk linear heads carried over to unseen speakers better than
the small neural networks that were tried, and they make a score's reasons exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from scipy.optimize import minimize
from scipy.special import expit, log_softmax
from stress_corpora import EMOTIONS
from stress_model import USED, Inputs, Labels

from voicepipe.types import DoubleArray, FloatArray

N_OUTPUTS = len(EMOTIONS) + 3
"""Emotion scores, stress score, arousal, valence."""
STRESS, AROUSAL, VALENCE = len(EMOTIONS), len(EMOTIONS) + 1, len(EMOTIONS) + 2
CLIP = 4.0
"""Standardised inputs beyond this many standard deviations are cut: measurement errors, not voices."""
OPSET = 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Every choice of the fit.

    Attributes
    ----------
    components : int
        Principal components of the embedding, and of its deviation, that are fitted on.
    penalty : float
        Ridge penalty for each unit of the rows' total weight, with the embedding.
    penalty_prosody : float
        The same for prosody alone.
    prosody_gain : float
        Factor on standardised prosody before the penalty: prosody is a twentieth of the inputs.
    """

    components: int = 320
    penalty: float = 2.0
    penalty_prosody: float = 0.3
    prosody_gain: float = 2.0


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


IDENTITY = Calibration(stress=np.asarray([4.0, 0.0, 0.0, 0.0]), emotion_gain=6.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """The fitted model.

    Attributes
    ----------
    standard : Standard
    both_prosody, both_embedding : ndarray, shapes (2 n_features + 1, N_OUTPUTS), (2 n_embedding, N_OUTPUTS)
        Weights with the embedding.
    alone : ndarray, shape (2 n_features + 1, N_OUTPUTS)
        Weights of prosody alone.
    both_bias, alone_bias : ndarray, shape (N_OUTPUTS,)
    both_calibration, alone_calibration : Calibration
    """

    standard: Standard
    both_prosody: DoubleArray
    both_embedding: DoubleArray
    alone: DoubleArray
    both_bias: DoubleArray
    alone_bias: DoubleArray
    both_calibration: Calibration = IDENTITY
    alone_calibration: Calibration = IDENTITY

    def raw(self, inputs: Inputs, *, with_embedding: bool = True) -> DoubleArray:
        """Return uncalibrated outputs, shape (n, N_OUTPUTS)."""
        p = self.standard.prosody(inputs)
        if not with_embedding:
            return p @ self.alone + self.alone_bias
        return p @ self.both_prosody + self.standard.embedding(inputs) @ self.both_embedding + self.both_bias

    def stress_prob(self, inputs: Inputs, *, with_embedding: bool = True) -> DoubleArray:
        """Return calibrated P(stress), shape (n,)."""
        raw = self.raw(inputs, with_embedding=with_embedding)
        calibration = self.both_calibration if with_embedding else self.alone_calibration
        return expit(stress_logit(raw[:, STRESS], inputs.maturity[:, 0], calibration.stress))

    def calibrated(self, *, both: Calibration, alone: Calibration) -> "Heads":
        """Return the same heads with calibrations."""
        return replace(self, both_calibration=both, alone_calibration=alone)


def stress_logit(score: DoubleArray, grown: DoubleArray, stress: DoubleArray) -> DoubleArray:
    """Return the calibrated logit; see `Calibration.stress`."""
    return (stress[0] + stress[1] * grown) * score + stress[2] + stress[3] * grown


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
    gain = np.concatenate([np.full(p.shape[1] - 1, recipe.prosody_gain), [1.0]])
    n_embedding = inputs[0].embedding.shape[1]
    absolute = _components(standard.embedding(inputs[0])[:, :n_embedding], recipe.components)
    relative = _components(standard.embedding(inputs[-1])[:, n_embedding:], recipe.components)
    e = np.concatenate(
        [
            np.concatenate([z[:, :n_embedding] @ absolute, z[:, n_embedding:] @ relative], axis=1)
            for z in (standard.embedding(one) for one in inputs)
        ]
    )
    x = np.concatenate([p * gain.astype(np.float32), e], axis=1)
    both, both_bias = _ridges(x, of_each, penalty=recipe.penalty)
    alone, alone_bias = _ridges(p, of_each, penalty=recipe.penalty_prosody)
    n_p, k = p.shape[1], absolute.shape[1]
    return Heads(
        standard=standard,
        both_prosody=both[:n_p] * gain[:, None],
        both_embedding=np.concatenate([absolute @ both[n_p : n_p + k], relative @ both[n_p + k :]]),
        alone=alone,
        both_bias=both_bias,
        alone_bias=alone_bias,
    )


def _components(values: FloatArray, count: int) -> FloatArray:
    """Return the first principal axes, shape (n_inputs, count)."""
    x = values - values.mean(axis=0)
    variance, axes = np.linalg.eigh((x.T @ x).astype(np.float64))
    return axes[:, np.argsort(variance)[::-1][:count]].astype(np.float32)


def _ridges(x: FloatArray, of_each: Sequence[Targets], *, penalty: float) -> tuple[DoubleArray, DoubleArray]:
    """Fit every output by weighted ridge regression with a free intercept."""
    weights = np.zeros((x.shape[1], N_OUTPUTS))
    bias = np.zeros(N_OUTPUTS)
    for columns, name in (
        (np.arange(len(EMOTIONS)), "emotion"),
        (np.asarray([STRESS]), "stress"),
        (np.asarray([AROUSAL]), "arousal"),
        (np.asarray([VALENCE]), "valence"),
    ):
        y = np.concatenate([getattr(one, name).reshape(len(one.stress), -1) for one in of_each])
        w = np.concatenate([getattr(one, f"w_{name}") for one in of_each])
        rows = np.flatnonzero(w > 0)
        if not len(rows):
            continue
        xs, ys, ws = x[rows], y[rows].astype(np.float64), w[rows]
        ws = ws / ws.sum()
        x_mean, y_mean = ws @ xs, ws @ ys
        xs = (xs - x_mean).astype(np.float32)
        weighted = xs * ws[:, None].astype(np.float32)
        gram = (weighted.T @ xs).astype(np.float64)
        right = weighted.T.astype(np.float64) @ (ys - y_mean)
        solved = np.linalg.solve(gram + penalty * np.eye(len(gram)), right)
        weights[:, columns] = solved
        bias[columns] = y_mean - x_mean @ solved
    return weights, bias


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

    gain = minimize(emotion_loss, np.asarray([6.0]), method="Nelder-Mead").x[0]
    return Calibration(stress=stress, emotion_gain=float(gain))


def to_onnx(heads: Heads) -> onnx.ModelProto:
    """Write the heads as a graph.

    Inputs (float32): prosody and prosody_deviation (n, n_features), NaN allowed in the first; maturity (1, 1);
    embedding and embedding_deviation (1, n_embedding); present (1, 1), 0 for prosody alone.
    Outputs: logit and stress (n, 1), affect (n, 2): arousal and valence, emotions (n, 8).
    """
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def const(name: str, value: npt.ArrayLike) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def node(op: str, *inputs: str, **attributes: object) -> str:
        name = f"{op}_{len(nodes)}"
        nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    n_features = len(heads.standard.prosody_mean)
    n_embedding = len(heads.standard.embedding_mean)
    low, high = const("low", -CLIP), const("high", CLIP)
    mean = const("prosody_mean", heads.standard.prosody_mean[None])
    filled = node("Where", node("IsNaN", "prosody"), mean, "prosody")
    z = node("Div", node("Sub", filled, mean), const("prosody_sd", heads.standard.prosody_sd[None]))
    z, off = node("Clip", z, low, high), node("Clip", "prosody_deviation", low, high)
    e = node("Sub", "embedding", const("embedding_mean", heads.standard.embedding_mean[None]))
    e = node("Clip", node("Div", e, const("embedding_sd", heads.standard.embedding_sd[None])), low, high)
    e_off = node("Clip", "embedding_deviation", low, high)

    used = np.concatenate([USED, USED, [True]])[:, None]

    def prosody_outputs(name: str, weights: DoubleArray, bias: DoubleArray) -> str:
        weights = weights * used
        own = node("MatMul", z, const(f"{name}_absolute", weights[:n_features]))
        relative = node("MatMul", off, const(f"{name}_relative", weights[n_features:-1]))
        growth = node("MatMul", "maturity", const(f"{name}_maturity", weights[-1:]))
        return node("Add", node("Add", own, relative), node("Add", growth, const(f"{name}_bias", bias[None])))

    e_out = node(
        "Add",
        node("MatMul", e, const("embedding_absolute", heads.both_embedding[:n_embedding])),
        node("MatMul", e_off, const("embedding_relative", heads.both_embedding[n_embedding:])),
    )
    both = node("Add", prosody_outputs("both", heads.both_prosody, heads.both_bias), e_out)
    alone = prosody_outputs("alone", heads.alone, heads.alone_bias)

    seen = node("Greater", "present", const("half", 0.5))
    raw = node("Where", seen, both, alone)

    def columns(first: int, last: int) -> str:
        starts = numpy_helper.from_array(np.asarray([first], np.int64), f"from_{first}")
        ends = numpy_helper.from_array(np.asarray([last], np.int64), f"to_{last}")
        axes = numpy_helper.from_array(np.asarray([1], np.int64), f"axis_{first}")
        constants.extend([starts, ends, axes])
        return node("Slice", raw, starts.name, ends.name, axes.name)

    def calibration(name: str, value: Calibration) -> tuple[str, str]:
        slope = node(
            "Add",
            node("Mul", "maturity", const(f"{name}_slope_growth", [[value.stress[1]]])),
            const(f"{name}_slope", [[value.stress[0]]]),
        )
        offset = node(
            "Add",
            node("Mul", "maturity", const(f"{name}_offset_growth", [[value.stress[3]]])),
            const(f"{name}_offset", [[value.stress[2]]]),
        )
        return slope, offset

    both_slope, both_offset = calibration("both", heads.both_calibration)
    alone_slope, alone_offset = calibration("alone", heads.alone_calibration)
    logit = node(
        "Add",
        node("Mul", columns(STRESS, STRESS + 1), node("Where", seen, both_slope, alone_slope)),
        node("Where", seen, both_offset, alone_offset),
    )
    gain = node(
        "Where",
        seen,
        const("both_gain", [[heads.both_calibration.emotion_gain]]),
        const("alone_gain", [[heads.alone_calibration.emotion_gain]]),
    )
    outputs = {
        "logit": ("Identity", [logit], 1),
        "stress": ("Sigmoid", [logit], 1),
        "affect": ("Clip", [columns(AROUSAL, VALENCE + 1), const("minus_one", -1.0), const("one", 1.0)], 2),
        "emotions": ("Softmax", [node("Mul", columns(0, len(EMOTIONS)), gain)], len(EMOTIONS)),
    }
    for name, (op, inputs, _) in outputs.items():
        nodes.append(helper.make_node(op, inputs, [name]))
    shapes = {
        "prosody": ["n", n_features],
        "prosody_deviation": ["n", n_features],
        "maturity": [1, 1],
        "embedding": [1, n_embedding],
        "embedding_deviation": [1, n_embedding],
        "present": [1, 1],
    }
    graph = helper.make_graph(
        nodes,
        "stress",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width])
            for name, (_, _, width) in outputs.items()
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="voicepipe")
    model.ir_version = 9
    onnx.checker.check_model(model)
    return model

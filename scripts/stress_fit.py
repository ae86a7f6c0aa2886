"""Linear heads on prosody and embedding, fitted in closed form, calibrated, and written as ONNX.

Every output is a ridge regression on the utterance as it is and as it deviates from the caller's baseline. With a few
thousand acted clips and two thousand inputs, strongly shrunk linear heads carried over to unseen speakers better than
the small neural networks that were tried, and they make a score's reasons exact.

On top of the heads that all corpora share, each corpus (a language, a way of recording, a way of acting) has heads of
its own for what the shared ones leave unexplained, and gates tell from the embedding how much an utterance is like each
corpus. It is the augmented feature space of Daumé ("Frustratingly Easy Domain Adaptation", ACL 2007) with the domain
estimated; what is like none of them is left to the shared heads.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from scipy.optimize import minimize
from scipy.special import expit, log_softmax
from sklearn.linear_model import LogisticRegression
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
    penalty_prosody, penalty_embedding, penalty_deviation : float
        Ridge penalty of the shared heads for each unit of the rows' total weight: on prosody, on the embedding and on
        its deviation from the baseline.
    expert_penalty_prosody, expert_penalty_embedding : float
        The same for each corpus's own heads, the embedding's deviation like the embedding.
    alone_penalty : float
        The same for prosody alone.
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
    gate_penalty: float = 4000.0


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
    both_prosody, both_embedding, both_bias : ndarray
        Weights with the embedding, shapes (1 + n_corpora, 2 n_features + 1, N_OUTPUTS),
        (1 + n_corpora, 2 n_embedding, N_OUTPUTS) and (1 + n_corpora, N_OUTPUTS); the shared heads come first.
    gate, gate_bias : ndarray, shapes (n_embedding, n_corpora), (n_corpora,)
        Logits, from the absolute embedding, of being like each of the corpora; see `likeness`.
    alone, alone_bias : ndarray, shapes (2 n_features + 1, N_OUTPUTS), (N_OUTPUTS,)
        Weights of prosody alone.
    both_calibration, alone_calibration : Calibration
    """

    standard: Standard
    both_prosody: DoubleArray
    both_embedding: DoubleArray
    both_bias: DoubleArray
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
            return p @ self.alone + self.alone_bias
        e = self.standard.embedding(inputs)
        alike = likeness(e[:, : len(self.gate)] @ self.gate + self.gate_bias)
        shares = np.concatenate([np.ones((len(p), 1)), alike], axis=1)
        out = np.zeros((len(p), N_OUTPUTS))
        for k, share in enumerate(shares.T):
            out += share[:, None] * (p @ self.both_prosody[k] + e @ self.both_embedding[k] + self.both_bias[k])
        return out

    def stress_prob(self, inputs: Inputs, *, with_embedding: bool = True) -> DoubleArray:
        """Return calibrated P(stress), shape (n,)."""
        raw = self.raw(inputs, with_embedding=with_embedding)
        calibration = self.both_calibration if with_embedding else self.alone_calibration
        return expit(stress_logit(raw[:, STRESS], inputs.maturity[:, 0], calibration.stress))

    def calibrated(self, *, both: Calibration, alone: Calibration) -> "Heads":
        """Return the same heads with calibrations."""
        return replace(self, both_calibration=both, alone_calibration=alone)


def likeness(logits: DoubleArray) -> DoubleArray:
    """Return the share of each corpus's own heads, shape as given: probabilities, cut to a sum of at most 1."""
    prob = expit(logits)
    return np.asarray(prob / np.maximum(prob.sum(axis=1, keepdims=True), 1.0), dtype=np.float64)


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
    penalty = penalties(recipe.penalty_prosody, recipe.penalty_embedding, recipe.penalty_deviation)
    weights, bias = _ridges(x, values, penalty=penalty)
    left = [(columns, y - (x @ weights + bias)[:, columns], w) for columns, y, w in values]
    corpus = np.concatenate([one.corpus for one in labels])
    names = np.unique(corpus)
    heads = [(weights, bias)]
    of_own = recipe.expert_penalty_embedding
    own_penalty = penalties(recipe.expert_penalty_prosody, of_own, of_own)
    for name in names:
        own = [(columns, y, np.where(corpus == name, w, 0.0)) for columns, y, w in left]
        heads.append(_ridges(x, own, penalty=own_penalty))
    gate, gate_bias = _gate(e[: len(labels[0].corpus), :k], labels[0].corpus, recipe=recipe)
    alone, alone_bias = _ridges(p, values, penalty=np.concatenate([np.full(n_p - 1, recipe.alone_penalty), [0.1]]))
    return Heads(
        standard=standard,
        both_prosody=np.stack([w[:n_p] for w, _ in heads]),
        both_embedding=np.stack(
            [np.concatenate([absolute @ w[n_p : n_p + k], relative @ w[n_p + k :]]) for w, _ in heads]
        ),
        both_bias=np.stack([b for _, b in heads]),
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

    def ints(name: str, value: Sequence[int]) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value, np.int64), name))
        return name

    used = np.concatenate([USED, USED, [True]])[:, None]

    def prosody_outputs(own: str, relative: str, growth: str, bias: str) -> str:
        out = node("Add", node("MatMul", z, own), node("MatMul", off, relative))
        return node("Add", out, node("Add", node("MatMul", "maturity", growth), bias))

    alone = prosody_outputs(
        const("alone_absolute", (heads.alone * used)[:n_features]),
        const("alone_relative", (heads.alone * used)[n_features:-1]),
        const("alone_maturity", heads.alone[-1:]),
        const("alone_bias", heads.alone_bias[None]),
    )
    # The gate's shares mix the heads' weights first, so that all rows of prosody meet one matrix.
    n_heads = len(heads.both_bias)
    alike = node(
        "Sigmoid",
        node("Add", node("MatMul", e, const("gate", heads.gate)), const("gate_bias", heads.gate_bias[None])),
    )
    total = node("Max", node("ReduceSum", alike, ints("over_corpora", [1])), const("at_most", 1.0))
    shares = node("Concat", const("shared", [[1.0]]), node("Div", alike, total), axis=1)

    def mixed(name: str, value: DoubleArray) -> str:
        flat = const(name, value.reshape(n_heads, -1))
        return node("Reshape", node("MatMul", shares, flat), ints(f"{name}_shape", [-1, N_OUTPUTS]))

    p_out = prosody_outputs(
        mixed("both_absolute", (heads.both_prosody * used)[:, :n_features]),
        mixed("both_relative", (heads.both_prosody * used)[:, n_features:-1]),
        mixed("both_maturity", heads.both_prosody[:, -1:]),
        mixed("both_bias", heads.both_bias[:, None]),
    )

    def side_by_side(value: DoubleArray) -> DoubleArray:
        return value.transpose(1, 0, 2).reshape(value.shape[1], -1)

    of_heads = node(
        "Add",
        node("MatMul", e, const("embedding_absolute", side_by_side(heads.both_embedding[:, :n_embedding]))),
        node("MatMul", e_off, const("embedding_relative", side_by_side(heads.both_embedding[:, n_embedding:]))),
    )
    e_out = node("MatMul", shares, node("Reshape", of_heads, ints("heads_shape", [n_heads, N_OUTPUTS])))
    both = node("Add", p_out, e_out)

    seen = node("Greater", "present", const("half", 0.5))
    raw = node("Where", seen, both, alone)

    def columns(first: int, last: int) -> str:
        bounds = (ints(f"from_{first}", [first]), ints(f"to_{first}", [last]), ints(f"axis_{first}", [1]))
        return node("Slice", raw, *bounds)

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

"""The network behind the stress score: fitted with JAX, written as ONNX."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from stress_corpora import EMOTIONS
from stress_model import USED, Inputs, Labels

from voicepipe.types import DoubleArray, FloatArray

N_OUTPUTS = len(EMOTIONS) + 3
"""Emotion logits, stress logit, arousal, valence."""
STRESS, AROUSAL, VALENCE = len(EMOTIONS), len(EMOTIONS) + 1, len(EMOTIONS) + 2
CLIP = 4.0
"""Standardised inputs beyond this many standard deviations are cut: measurement errors, not voices."""

Params = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Every choice of the training.

    Attributes
    ----------
    components : int
        Principal components kept of the embedding, and of its deviation.
    hidden_prosody, hidden_both : int
        Widths of the hidden layers of the prosody network and of the one that sees the embedding.
    members : int
        Networks averaged, each from its own seed.
    epochs, batch, learning_rate, weight_decay, dropout, label_smoothing
        Of Adam with decoupled weight decay and a cosine schedule.
    early_fusion : bool
        True shows prosody to the embedding's network, too.
    """

    components: int = 160
    hidden_prosody: int = 64
    hidden_both: int = 160
    members: int = 4
    epochs: int = 24
    batch: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    dropout: float = 0.4
    input_noise: float = 0.1
    label_smoothing: float = 0.05
    emotion_weight: float = 1.0
    stress_weight: float = 1.0
    early_fusion: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """Fixed first layer: standardisation and principal components.

    Attributes
    ----------
    centre, scale : ndarray, shape (n_features,), float64
        Of prosody as it is.
    embedding_centre : ndarray, shape (1024,)
    absolute, deviation : ndarray, shape (1024, components)
        Whitening projections of the embedding and of its deviation.
    """

    centre: DoubleArray
    scale: DoubleArray
    embedding_centre: DoubleArray
    absolute: DoubleArray
    deviation: DoubleArray

    @classmethod
    def fit(
        cls, inputs: Sequence[Inputs], of_each: Sequence[dict[str, FloatArray]], *, components: int
    ) -> "Projection":
        """Fit on training rows under several simulated baselines, given the targets of each."""
        stacked = np.concatenate([one.prosody for one in inputs]).astype(np.float64)
        lowest, highest = np.nanpercentile(stacked, [1, 99], axis=0)
        stacked = np.clip(stacked, lowest, highest)
        spread = np.nanstd(stacked, axis=0)
        weights = [one["w_emotion"].astype(np.float64) + one["w_arousal"] for one in of_each]
        absolute, centre = _whitening(inputs[0].embedding, weights[0], components=components)
        grown = weights[-1] * inputs[-1].maturity[:, 0]
        deviation, _ = _whitening(inputs[-1].embedding_deviation, grown, components=components, centred=False)
        return cls(
            centre=np.nan_to_num(np.nanmean(stacked, axis=0)),
            scale=np.where(np.isfinite(spread) & (spread > 1e-6), spread, 1.0),
            embedding_centre=centre,
            absolute=absolute,
            deviation=deviation,
        )

    def __call__(self, inputs: Inputs) -> tuple[FloatArray, FloatArray]:
        """Return what the two networks see: prosody (n, 2 p + 1) and embedding (n, 2 components)."""
        standard = np.where(np.isfinite(inputs.prosody), (inputs.prosody - self.centre) / self.scale, 0.0)
        p = np.concatenate(
            [
                np.clip(standard, -CLIP, CLIP)[:, USED],
                np.clip(inputs.prosody_deviation, -CLIP, CLIP)[:, USED],
                inputs.maturity * 2.0 - 1.0,
            ],
            axis=1,
        )
        e = np.concatenate(
            [
                np.clip((inputs.embedding - self.embedding_centre) @ self.absolute, -CLIP, CLIP),
                np.clip(inputs.embedding_deviation @ self.deviation, -CLIP, CLIP),
            ],
            axis=1,
        )
        return p.astype(np.float32), e.astype(np.float32)


def _whitening(
    values: FloatArray, weights: DoubleArray, *, components: int, centred: bool = True
) -> tuple[DoubleArray, DoubleArray]:
    x = values.astype(np.float64)
    w = weights / weights.sum()
    centre = w @ x if centred else np.zeros(x.shape[1])
    x = x - centre
    covariance = (x * w[:, None]).T @ x
    variance, axes = np.linalg.eigh(covariance)
    order = np.argsort(variance)[::-1][:components]
    # A floor of the variances keeps the last axes from being blown up to noise of the size of the first.
    floor = variance[order].max() * 1e-3
    return axes[:, order] / np.sqrt(variance[order] + floor), centre


def _dense(rng: np.random.Generator, n_in: int, n_out: int, gain: float = 1.0) -> FloatArray:
    return (rng.standard_normal((n_in, n_out)) * gain / np.sqrt(n_in)).astype(np.float32)


def initial_params(*, n_prosody: int, n_embedding: int, recipe: Recipe, seed: int) -> Params:
    """Draw the weights of one member."""
    rng = np.random.default_rng(seed)
    n_both = n_embedding + (n_prosody if recipe.early_fusion else 1)

    def branch(n_in: int, hidden: int) -> Params:
        return {
            "w1": _dense(rng, n_in, hidden, 1.4),
            "b1": np.zeros(hidden, np.float32),
            "w2": _dense(rng, hidden, hidden // 2, 1.4),
            "b2": np.zeros(hidden // 2, np.float32),
            "w3": _dense(rng, hidden // 2, N_OUTPUTS, 0.5),
            "linear": _dense(rng, n_in, N_OUTPUTS, 0.05),
            "b3": np.zeros(N_OUTPUTS, np.float32),
        }

    return {
        "prosody": branch(n_prosody, recipe.hidden_prosody),
        "both": branch(n_both, recipe.hidden_both),
        "gate": np.ones(N_OUTPUTS, np.float32),
    }


def _branch(params: Params, x: Any, *, key: Any, dropout: float) -> Any:
    def drop(h: Any, k: Any, rate: float) -> Any:
        if key is None:
            return h
        return h * jax.random.bernoulli(k, 1 - rate, h.shape) / (1 - rate)

    keys = jax.random.split(key, 3) if key is not None else (None,) * 3
    x = drop(x, keys[0], dropout / 2)
    h = drop(jax.nn.relu(x @ params["w1"] + params["b1"]), keys[1], dropout)
    h = drop(jax.nn.relu(h @ params["w2"] + params["b2"]), keys[2], dropout)
    return h @ params["w3"] + x @ params["linear"] + params["b3"]


def forward(params: Params, p: Any, e: Any, *, recipe: Recipe, key: Any = None) -> tuple[Any, Any]:
    """Return the raw outputs with the embedding and without it, each of shape (n, N_OUTPUTS)."""
    keys = jax.random.split(key, 2) if key is not None else (None, None)
    alone = _branch(params["prosody"], p, key=keys[0], dropout=recipe.dropout)
    seen = jnp.concatenate([e, p if recipe.early_fusion else p[:, -1:]], axis=1)
    more = _branch(params["both"], seen, key=keys[1], dropout=recipe.dropout)
    return params["gate"] * alone + more, alone


def _loss(out: Any, y: dict[str, Any], recipe: Recipe) -> Any:
    smooth = recipe.label_smoothing
    log_prob = jax.nn.log_softmax(out[:, : len(EMOTIONS)])
    known = y["emotion"].sum(1) > 0
    allowed = jnp.where(y["emotion"] > 0, log_prob, -30.0)
    nll = -(1 - smooth) * jax.nn.logsumexp(allowed, axis=1) - smooth * log_prob.mean(1)
    emotion = (nll * y["w_emotion"] * known).mean()
    target = jnp.clip(y["stress"], smooth, 1 - smooth)
    bce = jax.nn.softplus(out[:, STRESS]) - target * out[:, STRESS]
    stress = (bce * y["w_stress"]).mean()
    arousal = ((out[:, AROUSAL] - y["arousal"]) ** 2 * y["w_arousal"]).mean()
    valence = ((out[:, VALENCE] - y["valence"]) ** 2 * y["w_valence"]).mean()
    return recipe.emotion_weight * emotion + recipe.stress_weight * stress + 0.5 * arousal + 0.5 * valence


def balanced_weights(
    groups: npt.NDArray[np.str_], corpus: npt.NDArray[np.str_], known: npt.NDArray[np.bool_]
) -> DoubleArray:
    """Weigh rows so that every corpus counts alike and, within it, every group; mean 1 over all rows, 0 where unknown."""
    weights = np.zeros(len(groups))
    for name in np.unique(corpus[known]):
        mine = known & (corpus == name)
        kinds = np.unique(groups[mine])
        for kind in kinds:
            rows = mine & (groups == kind)
            weights[rows] = 1.0 / (len(kinds) * rows.sum())
    return weights * len(groups) / max(weights.sum(), 1e-12)


def targets(labels: Labels) -> dict[str, FloatArray]:
    """Return targets and weights of every output."""
    known_stress = np.isfinite(labels.stress)
    known_emotion = labels.emotion.sum(1) > 0
    known_arousal, known_valence = np.isfinite(labels.arousal), np.isfinite(labels.valence)
    kind = np.where(known_emotion, labels.emotion.argmax(1).astype(str), "none")
    # Classes within the unstressed half count alike, so that no corpus teaches that sad or happy is rare.
    halves = np.where(known_stress, labels.stress, -1.0)
    w_stress = np.zeros(len(kind))
    for half in (0.0, 1.0):
        w_stress += balanced_weights(kind, labels.corpus, known_stress & (halves == half)) / 2
    levels = np.where(known_emotion, kind, np.nan_to_num(labels.arousal).round(1).astype(str))
    out = {
        "emotion": labels.emotion,
        "stress": np.nan_to_num(labels.stress),
        "arousal": np.nan_to_num(labels.arousal),
        "valence": np.nan_to_num(labels.valence),
        "w_emotion": balanced_weights(kind, labels.corpus, known_emotion),
        "w_stress": w_stress,
        "w_arousal": balanced_weights(levels, labels.corpus, known_arousal),
        "w_valence": balanced_weights(kind, labels.corpus, known_valence),
    }
    return {name: values.astype(np.float32) for name, values in out.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A fitted ensemble.

    Attributes
    ----------
    projection : Projection
    members : list of dict
        Weights of each member.
    recipe : Recipe
    """

    projection: Projection
    members: list[Params] = field(default_factory=list)
    recipe: Recipe

    def __call__(self, inputs: Inputs) -> tuple[DoubleArray, DoubleArray]:
        """Return the mean raw outputs with and without the embedding, each of shape (n, N_OUTPUTS)."""
        p, e = self.projection(inputs)
        outs = [_apply(member, p, e, recipe=self.recipe) for member in self.members]
        both = np.mean([np.asarray(out[0], np.float64) for out in outs], axis=0)
        alone = np.mean([np.asarray(out[1], np.float64) for out in outs], axis=0)
        return both, alone


def _apply(params: Params, p: FloatArray, e: FloatArray, *, recipe: Recipe) -> tuple[Any, Any]:
    return forward(params, jnp.asarray(p), jnp.asarray(e), recipe=recipe)


def fit(inputs: Sequence[Inputs], labels: Sequence[Labels], *, recipe: Recipe, seed: int) -> Network:
    """Fit an ensemble.

    Parameters
    ----------
    inputs : sequence of Inputs
        The same or other rows under several simulated baselines.
    labels : sequence of Labels
        One for each of `inputs`.
    """
    of_each = [targets(one) for one in labels]
    y = {name: np.concatenate([one[name] for one in of_each]) for name in of_each[0]}
    projection = Projection.fit(inputs, of_each, components=recipe.components)
    seen = [projection(one) for one in inputs]
    p = np.concatenate([one[0] for one in seen])
    e = np.concatenate([one[1] for one in seen])
    members = [_fit_member(p, e, y, recipe=recipe, seed=seed * 1000 + member) for member in range(recipe.members)]
    return Network(projection=projection, members=members, recipe=recipe)


def _fit_member(p: FloatArray, e: FloatArray, y: dict[str, FloatArray], *, recipe: Recipe, seed: int) -> Params:
    rng = np.random.default_rng(seed)
    params = jax.tree.map(
        jnp.asarray, initial_params(n_prosody=p.shape[1], n_embedding=e.shape[1], recipe=recipe, seed=seed)
    )
    # Two epochs' worth of rows a full pass: the rows are the same utterances under several baselines.
    steps_per_epoch = max(1, len(p) // recipe.batch)
    total = recipe.epochs * steps_per_epoch
    moments = jax.tree.map(lambda w: (jnp.zeros_like(w), jnp.zeros_like(w)), params)
    flat_p, flat_e = jnp.asarray(p), jnp.asarray(e)
    flat_y = {name: jnp.asarray(values) for name, values in y.items()}
    step = _make_step(recipe, total)
    key = jax.random.PRNGKey(seed)
    count = 0
    for _ in range(recipe.epochs):
        order = rng.permutation(len(p))[: steps_per_epoch * recipe.batch].reshape(steps_per_epoch, recipe.batch)
        params, moments, key = step(params, moments, key, jnp.asarray(order), count, flat_p, flat_e, flat_y)
        count += steps_per_epoch
    return jax.tree.map(np.asarray, params)


def _make_step(recipe: Recipe, total: int) -> Any:
    def loss(params: Params, p: Any, e: Any, y: dict[str, Any], key: Any) -> Any:
        noise_key, key = jax.random.split(key)
        p = p + recipe.input_noise * jax.random.normal(noise_key, p.shape)
        e = e + recipe.input_noise * jax.random.normal(key, e.shape)
        both, alone = forward(params, p, e, recipe=recipe, key=key)
        return _loss(both, y, recipe) + 0.5 * _loss(alone, y, recipe)

    gradient = jax.grad(loss)

    def one(carry: Any, rows: Any, flat_p: Any, flat_e: Any, flat_y: Any) -> Any:
        params, moments, key, count = carry
        key, used = jax.random.split(key)
        grads = gradient(params, flat_p[rows], flat_e[rows], {n: v[rows] for n, v in flat_y.items()}, used)
        rate = recipe.learning_rate * 0.5 * (1 + jnp.cos(jnp.pi * count / total)) * jnp.minimum(1.0, count / 50)

        def update(w: Any, g: Any, moment: Any) -> Any:
            m, v = 0.9 * moment[0] + 0.1 * g, 0.999 * moment[1] + 0.001 * g * g
            m_hat, v_hat = m / (1 - 0.9 ** (count + 1)), v / (1 - 0.999 ** (count + 1))
            decay = recipe.weight_decay if w.ndim == 2 else 0.0
            return w - rate * (m_hat / (jnp.sqrt(v_hat) + 1e-8) + decay * w), (m, v)

        leaves, tree = jax.tree.flatten(params)
        updated = [
            update(w, g, moment)
            for w, g, moment in zip(leaves, jax.tree.leaves(grads), tree.flatten_up_to(moments), strict=True)
        ]
        params = tree.unflatten([w for w, _ in updated])
        moments = tree.unflatten([moment for _, moment in updated])
        return (params, moments, key, count + 1)

    @jax.jit
    def epoch(params: Any, moments: Any, key: Any, order: Any, count: Any, p: Any, e: Any, y: Any) -> Any:
        def body(carry: Any, rows: Any) -> Any:
            return one(carry, rows, p, e, y), None

        carry, _ = jax.lax.scan(body, (params, moments, key, jnp.asarray(count, jnp.float32)), order)
        return carry[0], carry[1], carry[2]

    return epoch

"""The fitted heads as an ONNX graph: what a model folder holds."""

from typing import Final

import numpy as np
from stress_corpora import EMOTIONS
from stress_heads import (
    AROUSAL,
    CLIP,
    N_OUTPUTS,
    OF_STRESSED,
    OF_UNSTRESSED,
    RIDGE_GAIN,
    RIDGE_SHARE,
    SOFTMAX_SHARE,
    STRESS,
    Calibration,
    Heads,
)
from stress_model import USED

from voicepipe.onnx_graphs import graph_of
from voicepipe.types import DoubleArray

_GRAPH: Final = """
<ir_version: 9, opset_import: ["" : 18], producer_name: "voicepipe">
stress (float[n, {n_features}] prosody, float[n, {n_features}] prosody_deviation, float[1, 1] maturity,
    float[1, {n_embedding}] embedding, float[1, {n_embedding}] embedding_deviation, float[1, 1] present)
    => (float[n, 1] logit, float[n, 1] stress, float[n, 2] affect, float[n, {n_emotions}] emotions)
{{
    unknown = IsNaN (prosody)
    filled = Where (unknown, prosody_mean, prosody)
    prosody_off_mean = Sub (filled, prosody_mean)
    prosody_standard = Div (prosody_off_mean, prosody_sd)
    z = Clip (prosody_standard, low, high)
    z_off = Clip (prosody_deviation, low, high)
    embedding_off_mean = Sub (embedding, embedding_mean)
    embedding_standard = Div (embedding_off_mean, embedding_sd)
    e = Clip (embedding_standard, low, high)
    e_off = Clip (embedding_deviation, low, high)

    {alone}
    {shared}
    e_shared = MatMul (e, shared_embedding)
    e_off_shared = MatMul (e_off, shared_embedding_off)
    e_of_all = Add (e_shared, e_off_shared)
    of_shared = Add (shared, e_of_all)

    likely = MatMul (e, gate)
    likelihood = Add (likely, gate_bias)
    prob = Sigmoid (likelihood)
    prob_sum = ReduceSum (prob, last_axis)
    at_least_one = Max (prob_sum, one)
    alike = Div (prob, at_least_one)
    own_z_flat = MatMul (alike, own_z_by_corpus)
    own_z = Reshape (own_z_flat, of_outputs)
    own_z_off_flat = MatMul (alike, own_z_off_by_corpus)
    own_z_off = Reshape (own_z_off_flat, of_outputs)
    own_maturity = MatMul (alike, own_maturity_by_corpus)
    own_bias = MatMul (alike, own_bias_by_corpus)
    {own}
    e_own = MatMul (e, own_embedding)
    e_off_own = MatMul (e_off, own_embedding_off)
    e_of_corpora = Add (e_own, e_off_own)
    e_by_corpus = Reshape (e_of_corpora, of_outputs)
    e_of_alike = MatMul (alike, e_by_corpus)
    of_own = Add (own, e_of_alike)

    seen = Greater (present, half)
    shared_ridges, shared_softmax = Split <axis = 1> (of_shared, ridges_then_softmax)
    both_ridges = Add (shared_ridges, of_own)
    alone_ridges, alone_softmax = Split <axis = 1> (alone, ridges_then_softmax)
    ridges = Where (seen, both_ridges, alone_ridges)
    by_softmax = Where (seen, shared_softmax, alone_softmax)
    emotions_by_ridge, stress_by_ridge, arousal_valence = Split <axis = 1> (ridges, emotions_stress_affect)
    by_ridge = Mul (emotions_by_ridge, ridge_gain)
    {odds_by_ridge}
    {odds_by_softmax}
    of_ridge = Mul (odds_by_ridge, ridge_share)
    of_softmax = Mul (odds_by_softmax, softmax_share)
    of_emotions = Add (of_ridge, of_softmax)
    score = Add (stress_by_ridge, of_emotions)

    calibration = Where (seen, both_calibration, alone_calibration)
    growth = Where (seen, both_growth, alone_growth)
    grown = Mul (growth, maturity)
    slope_offset = Add (calibration, grown)
    slope, offset = Split <axis = 1, num_outputs = 2> (slope_offset)
    sloped = Mul (score, slope)
    logit = Add (sloped, offset)
    stress = Sigmoid (logit)
    affect = Clip (arousal_valence, minus_one, one)
    emotion_scores = Add (by_ridge, by_softmax)
    gain = Where (seen, both_gain, alone_gain)
    emotion_logits = Mul (emotion_scores, gain)
    emotions = Softmax <axis = 1> (emotion_logits)
}}
"""
_OF_PROSODY: Final = """
    {name}_of_z = MatMul (z, {name}_z)
    {name}_of_z_off = MatMul (z_off, {name}_z_off)
    {name}_of_prosody = Add ({name}_of_z, {name}_of_z_off)
    {name}_of_maturity = Mul (maturity, {name}_maturity)
    {name}_of_call = Add ({name}_of_maturity, {name}_bias)
    {name} = Add ({name}_of_prosody, {name}_of_call)
"""
_ODDS: Final = """
    stressed_{by} = Gather <axis = 1> ({by}, of_stressed)
    unstressed_{by} = Gather <axis = 1> ({by}, of_unstressed)
    stressed_sum_{by} = ReduceLogSumExp (stressed_{by}, last_axis)
    unstressed_sum_{by} = ReduceLogSumExp (unstressed_{by}, last_axis)
    odds_{by} = Sub (stressed_sum_{by}, unstressed_sum_{by})
"""


def to_onnx(heads: Heads) -> bytes:
    """Return the heads in ONNX's format.

    Inputs (float32): prosody and prosody_deviation (n, n_features), NaN allowed in the first; maturity (1, 1);
    embedding and embedding_deviation (1, n_embedding); present (1, 1), 0 for prosody alone.
    Outputs: logit and stress (n, 1), affect (n, 2): arousal and valence, emotions (n, 8).
    """
    n_features, n_embedding = len(heads.standard.prosody_mean), len(heads.standard.embedding_mean)
    n_corpora = len(heads.own_bias)
    used = np.concatenate([USED, USED, [True]])[:, None]
    own_prosody = heads.own_prosody * used
    numbers: dict[str, object] = {
        "prosody_mean": heads.standard.prosody_mean[None],
        "prosody_sd": heads.standard.prosody_sd[None],
        "embedding_mean": heads.standard.embedding_mean[None],
        "embedding_sd": heads.standard.embedding_sd[None],
        "shared_embedding": heads.shared_embedding[:n_embedding],
        "shared_embedding_off": heads.shared_embedding[n_embedding:],
        "gate": heads.gate,
        "gate_bias": heads.gate_bias[None],
        # The corpora's shares mix the weights first, so that all rows of prosody meet one matrix.
        "own_z_by_corpus": own_prosody[:, :n_features].reshape(n_corpora, -1),
        "own_z_off_by_corpus": own_prosody[:, n_features:-1].reshape(n_corpora, -1),
        "own_maturity_by_corpus": own_prosody[:, -1],
        "own_bias_by_corpus": heads.own_bias,
        "own_embedding": _side_by_side(heads.own_embedding[:, :n_embedding]),
        "own_embedding_off": _side_by_side(heads.own_embedding[:, n_embedding:]),
        "ridge_gain": RIDGE_GAIN,
        "ridge_share": RIDGE_SHARE,
        "softmax_share": SOFTMAX_SHARE,
        "low": -CLIP,
        "high": CLIP,
        "minus_one": -1.0,
        "half": 0.5,
        "one": 1.0,
    }
    for name, weights, bias in (
        ("alone", heads.alone, heads.alone_bias),
        ("shared", heads.shared_prosody, heads.shared_bias),
    ):
        numbers[f"{name}_z"], numbers[f"{name}_z_off"] = np.split((weights * used)[:-1], 2)
        numbers[f"{name}_maturity"], numbers[f"{name}_bias"] = weights[-1:], bias[None]
    for name, calibration in (("both", heads.both_calibration), ("alone", heads.alone_calibration)):
        numbers |= _calibrated(name, calibration)
    integers: dict[str, object] = {
        "of_stressed": OF_STRESSED,
        "of_unstressed": OF_UNSTRESSED,
        "last_axis": [-1],
        "of_outputs": [-1, N_OUTPUTS],
        "ridges_then_softmax": [N_OUTPUTS, len(EMOTIONS)],
        "emotions_stress_affect": [len(EMOTIONS), AROUSAL - STRESS, N_OUTPUTS - AROUSAL],
    }
    text = _GRAPH.format(
        n_features=n_features,
        n_embedding=n_embedding,
        n_emotions=len(EMOTIONS),
        alone=_OF_PROSODY.format(name="alone"),
        shared=_OF_PROSODY.format(name="shared"),
        own=_OF_PROSODY.format(name="own"),
        odds_by_ridge=_ODDS.format(by="by_ridge"),
        odds_by_softmax=_ODDS.format(by="by_softmax"),
    )
    weights = {name: np.asarray(value, np.float32) for name, value in numbers.items()}
    return graph_of(text, weights | {name: np.asarray(value, np.int64) for name, value in integers.items()})


def _calibrated(name: str, calibration: Calibration) -> dict[str, object]:
    slope, slope_growth, offset, offset_growth = calibration.stress
    return {
        f"{name}_calibration": [[slope, offset]],
        f"{name}_growth": [[slope_growth, offset_growth]],
        f"{name}_gain": [[calibration.emotion_gain]],
    }


def _side_by_side(value: DoubleArray) -> DoubleArray:
    return value.transpose(1, 0, 2).reshape(value.shape[1], -1)

"""Fitting of the stress model's heads, against a library and by hand."""

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("sklearn")

from sklearn.linear_model import LogisticRegression
from stress_corpora import EMOTIONS
from stress_fit import softmax_regression
from stress_heads import AROUSAL, N_HEADS, N_OUTPUTS, STRESS, stressed_odds, together

from voicepipe.types import DoubleArray, FloatArray

ANGRY, FEARFUL, HAPPY, SAD = (EMOTIONS.index(name) for name in ("angry", "fearful", "happy", "sad"))


def _points(count: int, *, seed: int = 0) -> tuple[FloatArray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, 5)).astype(np.float32)
    return x, (x[:, :3] + rng.gumbel(size=(count, 3))).argmax(axis=1)


def test_softmax_regression_is_the_library_s() -> None:
    x, chosen = _points(400)
    weights, bias = softmax_regression(
        x, np.eye(3, dtype=bool)[chosen], np.full(400, 2.0), penalty=np.full(5, 0.1), steps=500
    )
    theirs = LogisticRegression(C=1.0 / (0.1 * 400), max_iter=500, tol=1e-8).fit(x, chosen)
    np.testing.assert_allclose(weights, theirs.coef_.T, atol=2e-3)
    np.testing.assert_allclose(bias - bias.mean(), theirs.intercept_ - theirs.intercept_.mean(), atol=2e-3)


def test_a_row_that_may_be_either_class_tells_them_apart_from_the_rest_only() -> None:
    """Classes 0 and 1 are never told apart by any row: neither is likelier than the other."""
    x, chosen = _points(400)
    allowed = np.stack([chosen < 2, chosen < 2, chosen == 2], axis=1)
    weights, bias = softmax_regression(x, allowed, np.ones(400), penalty=np.full(5, 0.1), steps=500)
    np.testing.assert_allclose(weights[:, 0], weights[:, 1], atol=1e-6)
    assert bias[0] == pytest.approx(bias[1])
    assert weights[2, 2] > weights[2, 0] + 0.2


def test_rows_without_weight_do_not_count() -> None:
    x, chosen = _points(400)
    known, w = np.eye(3, dtype=bool)[chosen], np.ones(400)
    w[200:] = 0.0
    fitted = softmax_regression(x, known, w, penalty=np.full(5, 0.1), steps=50)
    half = softmax_regression(x[:200], known[:200], w[:200], penalty=np.full(5, 0.1), steps=50)
    np.testing.assert_allclose(fitted[0], half[0])
    nothing = softmax_regression(x, known, np.zeros(400), penalty=np.full(5, 0.1), steps=50)
    assert not np.any(nothing[0])
    assert not np.any(nothing[1])


def _heads(**of_emotions: float) -> DoubleArray:
    heads = np.zeros((1, N_HEADS))
    for name, value in of_emotions.items():
        heads[:, EMOTIONS.index(name)] = value
        heads[:, N_OUTPUTS + EMOTIONS.index(name)] = 8.0 * value
    return heads


def test_either_of_the_stressed_emotions_will_do() -> None:
    calm, angry, afraid = (together(_heads(**{name: 1.0}))[0, STRESS] for name in ("neutral", "angry", "fearful"))
    both = together(_heads(angry=1.0, fearful=1.0))[0, STRESS]
    assert calm < angry == afraid < both < 1.5 * angry, "a second one adds little"


def test_disgust_and_surprise_say_nothing_about_stress() -> None:
    alone = together(_heads(angry=0.5))[0, STRESS]
    assert together(_heads(angry=0.5, disgust=1.0, surprised=1.0))[0, STRESS] == pytest.approx(alone)


def test_odds_are_of_probabilities() -> None:
    logits = np.log(np.asarray([[0.1, 0.1, 0.1, 0.1, 0.2, 0.2, 0.1, 0.1]]))
    assert stressed_odds(logits)[0] == pytest.approx(0.0)
    logits[0, ANGRY] = np.log(0.6)
    assert stressed_odds(logits)[0] == pytest.approx(np.log(0.8 / 0.4))


def test_what_is_no_emotion_passes_through() -> None:
    heads = _heads(happy=0.3)
    heads[:, AROUSAL:N_OUTPUTS] = [[0.4, -0.2]]
    out = together(heads)
    assert out.shape == (1, N_OUTPUTS)
    np.testing.assert_allclose(out[0, AROUSAL:], [0.4, -0.2])
    assert out[0, HAPPY] == pytest.approx(2 * 8.0 * 0.3)
    assert out[0, SAD] == 0.0
    assert out[0, FEARFUL] == 0.0

"""The caller's own normal."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.stress.baseline import (
    READY_SPEECH_S,
    READY_UTTERANCES,
    Baseline,
    BaselineNorms,
    Norm,
    RunningNorm,
)
from voicepipe.types import ProsodyFeatures

NORM = Norm(centre=np.array([0.0, 10.0]), spread=np.array([1.0, 2.0]), prior_s=np.array([5.0, 10.0]))
NORMS = BaselineNorms(prosody=NORM, embedding=Norm(centre=np.zeros(3), spread=np.ones(3), prior_s=np.full(3, 5.0)))


def _prosody(*values: float) -> ProsodyFeatures:
    return ProsodyFeatures(values=np.asarray(values, np.float64), version="test")


def _after(baseline: Baseline, *values: float, **changes: object) -> Baseline:
    told: dict[str, object] = {"speech_s": 2.0, "stress": 0.0, "frozen": False} | changes
    return baseline.after(_prosody(*values), np.ones(3, np.float32), norms=NORMS, **told)  # type: ignore[arg-type]


def test_starts_at_the_population() -> None:
    start = Baseline.start(NORMS)
    assert start.prosody.location.tolist() == [0.0, 10.0]
    assert start.prosody.deviation(np.array([2.0, 6.0])).tolist() == [2.0, -2.0]
    assert not start.ready


def test_location_is_the_shrunken_mean() -> None:
    running = RunningNorm.start(NORM)
    for value, seconds in ((1.0, 2.0), (2.0, 3.0)):
        running = running.heard(np.array([value, 10.0]), weight_s=seconds, norm=NORM)
    assert running.location[0] == pytest.approx((5.0 * 0.0 + 2.0 * 1.0 + 3.0 * 2.0) / (5.0 + 2.0 + 3.0))


def test_converges_to_the_caller() -> None:
    rng = np.random.default_rng(0)
    running = RunningNorm.start(NORM)
    for _ in range(200):
        running = running.heard(np.array([rng.normal(3.0, 0.7), np.nan]), weight_s=2.0, norm=NORM)
    assert running.location[0] == pytest.approx(3.0, abs=0.2)
    assert running.scale[0] == pytest.approx(0.7, abs=0.15)
    assert running.location[1] == 10.0, "what could not be measured stays at the population's norm"
    assert running.heard_s.tolist() == [400.0, 0.0]


def test_one_odd_utterance_moves_it_no_further_than_the_bound() -> None:
    start = RunningNorm.start(NORM)
    far = start.heard(np.array([1e6, 10.0]), weight_s=2.0, norm=NORM)
    assert 0.0 < far.location[0] <= 2.5 * 2.0 / 7.0 + 1e-9


def test_late_utterances_still_count() -> None:
    running = RunningNorm.start(NORM)
    for _ in range(1000):
        running = running.heard(np.array([0.0, 10.0]), weight_s=3.0, norm=NORM)
    for _ in range(120):
        running = running.heard(np.array([1.0, 10.0]), weight_s=3.0, norm=NORM)
    assert running.location[0] > 0.5


def test_frozen_leaves_everything() -> None:
    baseline = _after(Baseline.start(NORMS), 1.0, 11.0)
    assert _after(baseline, 5.0, 5.0, frozen=True) is baseline


def test_stressed_speech_hardly_counts() -> None:
    start = Baseline.start(NORMS)
    calm, upset = _after(start, 2.0, 10.0), _after(start, 2.0, 10.0, stress=0.95)
    assert upset.prosody.location[0] < 0.1 * calm.prosody.location[0]


def test_without_embedding_only_prosody_moves() -> None:
    start = Baseline.start(NORMS)
    after = start.after(_prosody(1.0, 11.0), None, speech_s=2.0, stress=0.0, frozen=False, norms=NORMS)
    assert after.embedding is start.embedding
    assert after.prosody.location[0] > 0.0


def test_ready_needs_speech_and_utterances() -> None:
    long = Baseline.start(NORMS)
    for _ in range(READY_UTTERANCES - 1):
        long = _after(long, 0.0, 10.0, speech_s=READY_SPEECH_S)
    assert not long.ready
    assert _after(long, 0.0, 10.0, speech_s=0.5).ready
    short = Baseline.start(NORMS)
    for _ in range(READY_UTTERANCES):
        short = _after(short, 0.0, 10.0, speech_s=0.9 * READY_SPEECH_S / READY_UTTERANCES)
    assert not short.ready


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(0.1, 8.0), st.floats(0, 1)), max_size=12))
def test_saved_and_restored_is_the_same(heard: list[tuple[float, float, float]]) -> None:
    baseline = Baseline.start(NORMS)
    for value, speech_s, stress in heard:
        baseline = _after(baseline, value, np.nan, speech_s=speech_s, stress=stress)
    again = Baseline.from_dict(json.loads(json.dumps(baseline.to_dict())))
    assert again.to_dict() == baseline.to_dict()
    assert _after(again, 1.0, 2.0).to_dict() == _after(baseline, 1.0, 2.0).to_dict()


@given(st.lists(st.floats(-20, 20), min_size=1, max_size=20))
def test_a_batch_is_the_same_as_one_by_one(values: list[float]) -> None:
    batch = RunningNorm(
        location=np.tile(NORM.centre, (2, 1)), scale=np.tile(NORM.spread, (2, 1)), heard_s=np.zeros((2, 2))
    )
    alone = RunningNorm.start(NORM)
    for value in values:
        row = np.array([value, 10.0 + value])
        batch = batch.heard(np.stack([row, -row]), weight_s=np.array([[1.5], [1.0]]), norm=NORM)
        alone = alone.heard(row, weight_s=1.5, norm=NORM)
    assert np.array_equal(batch.location[0], alone.location)
    assert np.array_equal(batch.scale[0], alone.scale)

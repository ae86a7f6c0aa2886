"""Conformal p-values and the spread over callers."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.stress import calm
from voicepipe.stress.calm import Z_LIMIT, CalmKind, CalmReference, CalmScores
from voicepipe.stress.evidence import log_bound
from voicepipe.stress.slack import BUDGETS
from voicepipe.types import ModelError, StressScore


def scores_of(rng: np.random.Generator, *, callers: int, each: int, between_sd: float) -> tuple[np.ndarray, list[str]]:
    logit = between_sd * rng.standard_normal((callers, 1)) + rng.standard_normal((callers, each))
    names = [f"caller{i}" for i in range(callers) for _ in range(each)]
    return (1.0 / (1.0 + np.exp(-logit))).ravel(), names


def reference() -> CalmReference:
    rng = np.random.default_rng(0)
    kinds = {kind: CalmScores.measure(*scores_of(rng, callers=20, each=20, between_sd=0.4)) for kind in CalmKind}
    slack = np.linspace(1.0, 2.0, len(BUDGETS)) + np.array([[0.0], [0.25]])
    return CalmReference(kinds=kinds, log_slack=slack, log_slack_words=slack + 0.5, words_mean=0.07)


def test_p_values_are_conformal_ranks() -> None:
    calm = CalmScores.measure(np.arange(1, 40) / 40, [f"c{i % 3}" for i in range(39)])
    assert calm.p_values(0.0) == pytest.approx(1.0)
    assert calm.p_values(0.999) == pytest.approx(1 / 40)
    assert calm.p_values(20 / 40) == pytest.approx(21 / 40)
    assert calm.p_values(20.5 / 40) == pytest.approx(20 / 40)


def test_a_talkative_caller_does_not_outweigh_the_others() -> None:
    scores = [0.9] * 90 + [0.1] * 10
    calm = CalmScores.measure(scores, ["loud"] * 90 + ["a"] * 5 + ["b"] * 5)
    assert calm.p_values(0.9) == pytest.approx((1 + 100 / 3) / 101)


def test_fresh_calm_scores_of_the_same_callers_are_valid() -> None:
    rng = np.random.default_rng(3)
    scores, names = scores_of(rng, callers=200, each=20, between_sd=0.4)
    calm = CalmScores.measure(scores, names)
    fresh, _ = scores_of(rng, callers=2000, each=5, between_sd=0.4)
    p = calm.p_values(fresh)
    for level in (0.01, 0.05, 0.2, 0.5):
        assert np.mean(p <= level) <= 1.25 * level + 0.005


@pytest.mark.parametrize(("between_sd", "expected"), [(0.0, 0.0), (0.5, 0.447), (1.0, 0.707)])
def test_spread_between_callers_is_found(between_sd: float, expected: float) -> None:
    scores, names = scores_of(np.random.default_rng(4), callers=400, each=20, between_sd=between_sd)
    calm = CalmScores.measure(scores, names)
    assert calm.between_sd == pytest.approx(expected, abs=0.06)
    assert calm.within_sd == pytest.approx(np.sqrt(1 - expected**2), abs=0.05)


def test_few_callers_widen_the_spread() -> None:
    rng = np.random.default_rng(5)
    few = [CalmScores.measure(*scores_of(rng, callers=6, each=30, between_sd=0.5)).between_sd for _ in range(60)]
    assert np.mean(np.array(few) >= 0.447) > 0.65


@given(scores=st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_normal_scores_rise_with_the_score(scores: list[float]) -> None:
    calm = CALM.kinds[CalmKind.READY]
    z = calm.normal_scores(np.sort(scores))
    assert np.all(np.diff(z) >= 0)
    assert np.all(np.abs(z) <= Z_LIMIT)


CALM = reference()


def test_arrays_round_trip() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **CALM.to_arrays())
    buffer.seek(0)
    with np.load(buffer) as held:
        again = CalmReference.from_arrays(held)
    assert np.array_equal(again.log_slack, CALM.log_slack)
    assert np.array_equal(again.log_slack_words, CALM.log_slack_words)
    assert again.words_mean == CALM.words_mean
    for kind in CalmKind:
        assert np.array_equal(again.kinds[kind].scores, CALM.kinds[kind].scores)
        assert again.kinds[kind].callers == 20
        probe = np.linspace(0, 1, 50)
        assert np.array_equal(again.kinds[kind].p_values(probe), CALM.kinds[kind].p_values(probe))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": np.array(99)}, "format 99"),
        ({"ready.scores": np.array([0.5, 0.1])}, "damaged"),
        ({"early.spread": np.array([3.0, 0.1])}, "damaged"),
        ({"log_slack": np.array([1.0])}, "slack"),
        ({"log_slack": None}, "log_slack"),
        ({"log_slack_words": np.full((2, len(BUDGETS)), -1.0)}, "slack"),
        ({"words_mean": np.array(0.4)}, "words_mean"),
    ],
)
def test_damaged_arrays_are_refused(change: dict[str, np.ndarray | None], said: str) -> None:
    arrays = {name: value for name, value in (CALM.to_arrays() | change).items() if value is not None}
    with pytest.raises(ModelError, match=said):
        CalmReference.from_arrays(arrays)


def test_the_level_follows_the_budget_and_never_exceeds_the_bound() -> None:
    budgets = np.geomspace(0.01, 1000, 60)
    levels = np.array([CALM.log_level(budget) for budget in budgets])
    assert np.all(np.diff(levels) < 0)
    assert np.all(levels <= log_bound(budgets))
    at = BUDGETS.tolist().index(1.0)
    for embedded in (False, True):
        voice, both = (CALM.log_level(1.0, words=words, embedded=embedded) for words in (False, True))
        assert voice == pytest.approx(float(log_bound(1.0) - CALM.log_slack[int(embedded), at]))
        assert both == pytest.approx(float(log_bound(1.0) - CALM.log_slack_words[int(embedded), at]))
    assert CALM.log_level(1.0, embedded=True) < CALM.log_level(1.0)


def test_a_call_that_may_lack_the_embedding_is_held_to_the_higher_level(monkeypatch: pytest.MonkeyPatch) -> None:
    slacks = {(True, False): 2.0, (False, False): 1.0, (True, True): 0.5, (False, True): 3.0}
    embedded = tuple(
        (CALM.kinds[kind].between_sd, CALM.kinds[kind].within_sd) for kind in (CalmKind.EARLY, CalmKind.READY)
    )
    monkeypatch.setattr(
        calm,
        "log_slack",
        lambda *path, words_mean: np.full(len(BUDGETS), slacks[path == embedded, words_mean is not None]),
    )
    measured = CalmReference.of_kinds(CALM.kinds)
    assert measured.log_slack[:, 0].tolist() == [1.0, 2.0]
    assert measured.log_slack_words[:, 0].tolist() == [0.5, 0.5]


def test_too_little_calm_speech_is_refused() -> None:
    with pytest.raises(ModelError, match="30 utterances of 2 callers"):
        CalmScores.measure([0.1] * 29, ["a", "b"] * 14 + ["a"])
    with pytest.raises(ModelError, match="30 utterances of 2 callers"):
        CalmScores.measure([0.1] * 40, ["a"] * 40)
    with pytest.raises(ModelError, match=r"outside 0\.\.1"):
        CalmScores.measure([0.1] * 39 + [float("nan")], ["a", "b"] * 20)
    with pytest.raises(ModelError, match="one utterance only"):
        CalmScores.measure([0.1] * 40, [str(i) for i in range(40)])
    with pytest.raises(ModelError, match="one caller per score"):
        CalmScores.measure([0.1] * 40, ["a", "b"])
    with pytest.raises(ModelError, match="lacks ready"):
        CalmReference.measure({kind: ([0.1] * 40, ["a", "b"] * 20) for kind in CalmKind if kind != CalmKind.READY})


@pytest.mark.parametrize("ready", [True, False])
@pytest.mark.parametrize("embedded", [True, False])
def test_kind_follows_baseline_and_embedding(ready: bool, embedded: bool) -> None:
    score = StressScore(
        stress=0.5,
        arousal=0.0,
        valence=0.0,
        emotions={},
        confidence=1.0,
        model_id="fake",
        baseline_ready=ready,
        with_embedding=embedded,
    )
    kind = CalmKind.of(score)
    assert kind.value.startswith("ready" if ready else "early")
    assert kind.value.endswith("_prosody") is not embedded

"""The committed stress model through its scorer."""

import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from voicepipe.stress.baseline import Baseline
from voicepipe.stress.explain import GROUPS
from voicepipe.stress.prosody import FEATURES, PROSODY_VERSION
from voicepipe.stress.scorer import OnnxStressScorer
from voicepipe.types import FloatArray, ModelError, ProsodyFeatures, StressScore

MODEL_DIR = Path(__file__).resolve().parents[2] / "models" / "stress-4"
INDEX = {feature.name: i for i, feature in enumerate(FEATURES)}
RAISED = {
    "pitch_median_st": 5.0,
    "pitch_p05_st": 4.0,
    "pitch_p20_st": 4.5,
    "pitch_p80_st": 6.0,
    "pitch_p95_st": 7.0,
    "pitch_range_st": 3.0,
    "alpha_ratio_mean_db": 6.0,
    "hammarberg_mean_db": -8.0,
    "tilt_mean_db_per_octave": 3.0,
    "articulation_rate_hz": 1.0,
}
"""A voice raised in pitch, range, effort and rate, against the population's centre."""


@pytest.fixture(scope="module")
def scorer() -> OnnxStressScorer:
    return OnnxStressScorer(MODEL_DIR)


def _voice(scorer: OnnxStressScorer, **off: float) -> ProsodyFeatures:
    values = scorer.norms.prosody.centre.copy()
    for name, by in off.items():
        values[INDEX[name]] += by
    return ProsodyFeatures(values=values, version=PROSODY_VERSION)


def _embedding(scorer: OnnxStressScorer, seed: int = 0) -> FloatArray:
    norm = scorer.norms.embedding
    drawn = norm.centre + 0.5 * norm.spread * np.random.default_rng(seed).standard_normal(norm.centre.shape)
    return drawn.astype(np.float32)


def _heard(scorer: OnnxStressScorer, utterances: int = 8) -> Baseline:
    baseline = scorer.start()
    for seed in range(utterances):
        baseline = scorer.update(
            baseline, _voice(scorer), _embedding(scorer, seed), speech_s=3.0, stress=0.1, frozen=False
        )
    return baseline


def _scores(scorer: OnnxStressScorer) -> dict[str, StressScore]:
    early, ready = scorer.start(), _heard(scorer)
    raised = _voice(scorer, **RAISED)
    return {
        "early": scorer.score(raised, _embedding(scorer), speech_s=2.0, baseline=early),
        "ready": scorer.score(raised, _embedding(scorer), speech_s=2.0, baseline=ready),
        "early_prosody": scorer.score(raised, None, speech_s=2.0, baseline=early),
        "ready_prosody": scorer.score(raised, None, speech_s=2.0, baseline=ready),
    }


def test_scores_are_in_range(scorer: OnnxStressScorer) -> None:
    for score in _scores(scorer).values():
        assert 0.0 < score.stress < 1.0
        assert -1.0 <= score.arousal <= 1.0
        assert -1.0 <= score.valence <= 1.0
        assert 0.0 < score.confidence < 1.0
        assert sum(score.emotions.values()) == pytest.approx(1.0, abs=1e-5)
        assert score.model_id == "stress-4"


def test_says_what_it_had_to_go_by(scorer: OnnxStressScorer) -> None:
    scores = _scores(scorer)
    assert [score.baseline_ready for score in scores.values()] == [False, True, False, True]
    assert [score.with_embedding for score in scores.values()] == [True, True, False, False]


def test_confidence_grows_with_length_baseline_and_embedding(scorer: OnnxStressScorer) -> None:
    scores = _scores(scorer)
    assert scores["early_prosody"].confidence < scores["early"].confidence < scores["ready"].confidence
    short = scorer.score(_voice(scorer), _embedding(scorer), speech_s=0.3, baseline=_heard(scorer))
    assert short.confidence < scores["ready"].confidence


def test_a_raised_voice_scores_above_the_callers_normal_one(scorer: OnnxStressScorer) -> None:
    ready = _heard(scorer)
    normal = scorer.score(_voice(scorer), None, speech_s=2.0, baseline=ready)
    raised = scorer.score(_voice(scorer, **RAISED), None, speech_s=2.0, baseline=ready)
    assert raised.stress > normal.stress
    assert raised.arousal > normal.arousal


@pytest.mark.parametrize("with_embedding", [True, False])
def test_explanations_agree_with_putting_the_feature_back(scorer: OnnxStressScorer, *, with_embedding: bool) -> None:
    ready = _heard(scorer)
    embedding = _embedding(scorer) if with_embedding else None
    rng = np.random.default_rng(3)
    shown = percent = 0
    for _ in range(40):
        off = {
            name: float(2.0 * rng.standard_normal() * scorer.norms.prosody.spread[INDEX[name]])
            for names in GROUPS.values()
            for name in names
        }
        voice = _voice(scorer, **off)
        score = scorer.score(voice, embedding, speech_s=2.0, baseline=ready)
        for feature in score.top_features:
            column = INDEX[feature.name]
            location = ready.prosody.location[column]
            assert feature.value == voice.values[column]
            assert feature.deviation == pytest.approx(voice.values[column] - location)
            assert ("this caller's normal" in feature.text) == ready.ready
            assert " percent " not in feature.text, "of a measure in percent, the difference is in percentage points"
            percent += "percentage points" in feature.text
            values = voice.values.copy()
            values[column] = location
            back = scorer.score(replace(voice, values=values), embedding, speech_s=2.0, baseline=ready)
            assert back.stress < score.stress, feature.text
            shown += 1
    assert shown > 40
    assert percent


def test_explains_at_most_four_and_nothing_at_the_callers_normal(scorer: OnnxStressScorer) -> None:
    ready = _heard(scorer)
    normal = ProsodyFeatures(values=ready.prosody.location.copy(), version=PROSODY_VERSION)
    assert scorer.score(normal, None, speech_s=2.0, baseline=ready).top_features == ()
    assert all(len(score.top_features) <= 4 for score in _scores(scorer).values())


def test_a_population_baseline_is_not_called_the_callers(scorer: OnnxStressScorer) -> None:
    score = scorer.score(_voice(scorer, **RAISED), None, speech_s=2.0, baseline=scorer.start())
    assert score.top_features
    assert all("usual among callers" in feature.text for feature in score.top_features)


def test_unmeasurable_features_are_taken_for_normal(scorer: OnnxStressScorer) -> None:
    nothing = ProsodyFeatures(values=np.full(len(FEATURES), np.nan), version=PROSODY_VERSION)
    baseline = _heard(scorer)
    score = scorer.score(nothing, None, speech_s=0.3, baseline=baseline)
    assert 0.0 < score.stress < 1.0
    assert score.top_features == ()
    after = scorer.update(baseline, nothing, None, speech_s=0.3, stress=score.stress, frozen=False)
    assert np.array_equal(after.prosody.location, baseline.prosody.location)


def test_a_broken_embedding_is_left_out(scorer: OnnxStressScorer) -> None:
    broken = _embedding(scorer)
    broken[5] = np.nan
    voice, baseline = _voice(scorer), _heard(scorer)
    score = scorer.score(voice, broken, speech_s=2.0, baseline=baseline)
    assert score == scorer.score(voice, None, speech_s=2.0, baseline=baseline)
    after = scorer.update(baseline, voice, broken, speech_s=2.0, stress=0.1, frozen=False)
    assert np.isfinite(after.embedding.location).all()


def test_is_deterministic(scorer: OnnxStressScorer) -> None:
    assert _scores(scorer) == _scores(OnnxStressScorer(MODEL_DIR))


def test_ignores_the_level_of_the_line(scorer: OnnxStressScorer) -> None:
    ready = _heard(scorer)
    quiet, loud = (
        scorer.score(_voice(scorer, level_dbfs=by), _embedding(scorer), speech_s=2.0, baseline=ready).stress
        for by in (-20.0, 20.0)
    )
    assert quiet == loud


def test_is_fast_enough(scorer: OnnxStressScorer) -> None:
    baseline, voice, embedding = _heard(scorer), _voice(scorer, **RAISED), _embedding(scorer)
    scorer.score(voice, embedding, speech_s=2.0, baseline=baseline)
    times_s = []
    for _ in range(50):
        start_s = time.thread_time()
        score = scorer.score(voice, embedding, speech_s=2.0, baseline=baseline)
        scorer.update(baseline, voice, embedding, speech_s=2.0, stress=score.stress, frozen=False)
        times_s.append(time.thread_time() - start_s)
    assert np.median(times_s) < 0.002


def test_the_model_is_small() -> None:
    assert sum(path.stat().st_size for path in MODEL_DIR.glob("*.onnx")) <= 5_000_000


def test_refuses_features_and_embeddings_of_another_kind(scorer: OnnxStressScorer) -> None:
    with pytest.raises(ModelError, match="version"):
        scorer.score(replace(_voice(scorer), version="0"), None, speech_s=1.0, baseline=scorer.start())
    with pytest.raises(ModelError, match="Whisper"):
        scorer.score(_voice(scorer), np.zeros(768, np.float32), speech_s=1.0, baseline=scorer.start())


def test_refuses_damaged_models(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="manifest"):
        OnnxStressScorer(tmp_path)
    damaged = tmp_path / "damaged"
    shutil.copytree(MODEL_DIR, damaged)
    graph = bytearray((damaged / "model.onnx").read_bytes())
    graph[len(graph) // 2] ^= 1
    (damaged / "model.onnx").write_bytes(bytes(graph))
    with pytest.raises(ModelError, match=r"model\.onnx"):
        OnnxStressScorer(damaged)
    other = tmp_path / "other"
    shutil.copytree(MODEL_DIR, other)
    manifest = (other / "manifest.toml").read_text()
    (other / "manifest.toml").write_text(
        manifest.replace(f'prosody_version = "{PROSODY_VERSION}"', 'prosody_version = "0"')
    )
    with pytest.raises(ModelError, match="version 0"):
        OnnxStressScorer(other)

"""The figures of the model's card, by hand on few rows."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("soxr")
pytest.importorskip("sklearn")

from stress_corpora import EMOTIONS, Clip
from stress_features import Table
from stress_measures import (
    Predictions,
    auc,
    auc_by,
    auc_interval,
    calibration_error,
    hits,
    over_half_by_emotion,
    recalls,
)
from stress_model import Labels, labels_of

from voicepipe.types import DoubleArray


def _clip(name: str, emotion: str, *, speaker: str = "S1", corpus: str = "one") -> Clip:
    stress = {"angry": 1.0, "fearful": 1.0}.get(emotion, 0.0)
    return Clip(
        corpus=corpus,
        file=f"{name}.wav",
        path=Path(f"{name}.wav"),
        speaker=f"{corpus}/{speaker}",
        voice=f"{corpus}/{speaker}",
        gender="female",
        language="en",
        emotion=emotion,
        intensity="",
        sentence="",
        stress=stress,
        arousal=stress,
        valence=0.0,
    )


def _held(clips: list[Clip], of_clip: list[int], speech_s: list[float] | None = None) -> tuple[Table, Labels]:
    n = len(of_clip)
    table = Table(
        clip=np.asarray(of_clip),
        speech_s=np.asarray(speech_s or [1.0] * n),
        duration_s=np.full(n, 3.0),
        prosody=np.zeros((n, 1)),
        embedding=np.zeros((n, 1), np.float32),
    )
    return table, labels_of(clips, table)


def _predicted(stress: list[float], emotions: DoubleArray | None = None) -> Predictions:
    n = len(stress)
    return Predictions(
        stress=np.asarray(stress),
        emotions=np.zeros((n, len(EMOTIONS))) if emotions is None else emotions,
        arousal=np.zeros(n),
    )


def _sure(*names: str) -> DoubleArray:
    return np.asarray([[float(name == emotion) for emotion in EMOTIONS] for name in names])


def test_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    clips = [_clip("a", "angry"), _clip("b", "neutral"), _clip("c", "fearful"), _clip("d", "sad")]
    _, labels = _held(clips, [0, 1, 2, 3])
    predicted = _predicted([0.9, 0.4, 0.3, 0.1])
    everybody = np.ones(4, dtype=bool)
    assert auc(labels, predicted, everybody) == 0.75
    assert auc(labels, predicted, np.array([True, False, True, False])) is None, "stressed ones only"
    groups = np.asarray(["x", "x", "y", "y"])
    assert auc_by(labels, predicted, groups) == {"pooled": 0.75, "x": 1.0, "y": 1.0}


def test_the_interval_is_over_speakers() -> None:
    """Two speakers of many clips each, one heard well and one wrong: the interval reaches from the one to the other."""
    clips = [_clip(f"{s}{e}{i}", e, speaker=s) for s in ("S1", "S2") for e in ("angry", "sad") for i in range(50)]
    _, labels = _held(clips, list(range(len(clips))))
    right = np.array([clip.emotion == "angry" for clip in clips])
    of_first = np.array([clip.speaker == "one/S1" for clip in clips])
    predicted = _predicted(np.where(right == of_first, 0.9, 0.1).tolist())
    assert auc_interval(labels, predicted, seed=0) == [0.0, 1.0]


def test_recall_weighs_emotions_alike_and_utterances_by_length() -> None:
    clips = [_clip("a", "angry"), _clip("b", "angry"), _clip("c", "angry"), _clip("d", "sad")]
    table, labels = _held(clips, [0, 1, 2, 3, 3], [1.0, 1.0, 1.0, 1.0, 3.0])
    guesses = _sure("angry", "angry", "sad", "angry", "sad")
    assert recalls(clips, table, labels, _predicted([0.5] * 5, guesses)) == {"one": round((2 / 3 + 1.0) / 2, 4)}


def test_calm_is_right_for_neutral_where_the_corpus_knows_no_calm() -> None:
    knows, does_not = [_clip("a", "neutral"), _clip("b", "calm")], [_clip("a", "neutral"), _clip("b", "sad")]
    for clips, recall in ((knows, 0.5), (does_not, 1.0)):
        table, labels = _held(clips, [0, 1])
        guesses = _sure("calm", clips[1].emotion or "")
        assert recalls(clips, table, labels, _predicted([0.5] * 2, guesses)) == {"one": recall}


def test_calibration_error_weighs_stressed_and_unstressed_alike() -> None:
    """One stressed row and nine unstressed ones: said 0.75 of half stressed, half unstressed, is a quarter off."""
    clips = [_clip("a", "angry")] + [_clip(f"b{i}", "sad") for i in range(9)]
    _, labels = _held(clips, list(range(10)))
    out = calibration_error(labels, _predicted([0.75] * 10))
    assert out["error"] == pytest.approx(0.25)
    assert out["curve"] == [[0.75, 0.5, 1.0]]
    assert calibration_error(labels, _predicted([1.0] + [0.0] * 9))["error"] == 0.0


def test_hits_are_counted_over_what_few_unstressed_exceed() -> None:
    clips = [_clip(f"a{i}", "angry") for i in range(4)] + [_clip(f"b{i}", "sad") for i in range(100)]
    _, labels = _held(clips, list(range(104)))
    unstressed = (np.arange(100) / 100.0).tolist()
    assert hits(labels, _predicted([0.93, 0.945, 0.96, 0.99, *unstressed])) == 0.75


def test_false_scores_are_told_by_emotion() -> None:
    clips = [_clip("a", "sad"), _clip("b", "sad"), _clip("c", "happy")]
    table, _ = _held(clips, [0, 1, 2])
    assert over_half_by_emotion(clips, table, _predicted([0.6, 0.5, 0.7])) == {"happy": 1.0, "sad": 0.5}

"""Training of the stress model: reading corpora, the telephone line, and one run from end to end."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("onnx")
pytest.importorskip("sklearn")

from stress_corpora import Clip, read_corpora
from stress_telephone import CODECS, RATE_HZ, Backgrounds, through_line

from voicepipe.stress import slack
from voicepipe.stress.prosody import FEATURES, PROSODY_VERSION
from voicepipe.stress.scorer import OnnxStressScorer
from voicepipe.types import EMBEDDING_VERSION, FloatArray, ProsodyFeatures

SILENCE = Backgrounds(noise=(), music=())


def _voice(seconds: float = 1.0) -> FloatArray:
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (0.2 * np.sin(2 * np.pi * 220 * t) * (1 + 0.5 * np.sin(2 * np.pi * 4 * t))).astype(np.float32)


def _write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, _voice(0.3), RATE_HZ)


def _manifest(folder: Path, rows: list[dict[str, str]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    fields = ["file", "speaker", "gender", "language", "emotion", "intensity", "sentence_id"]
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, fields)
        writer.writeheader()
        writer.writerows(dict.fromkeys(fields, "") | row for row in rows)


def test_reads_manifests_with_one_vocabulary(tmp_path: Path) -> None:
    _manifest(
        tmp_path / "one",
        [
            {"file": "a.wav", "speaker": "S1", "gender": "female", "language": "pl", "emotion": "Anger"},
            {"file": "b.wav", "speaker": "S1", "gender": "female", "language": "pl", "emotion": "happiness"},
            {"file": "c.wav", "speaker": "S2", "gender": "male", "language": "pl", "emotion": "surprised"},
        ],
    )
    clips = read_corpora(tmp_path)
    assert [clip.emotion for clip in clips] == ["angry", "happy", "surprised"]
    assert [clip.stress for clip in clips[:2]] == [1.0, 0.0]
    assert np.isnan(clips[2].stress)
    assert clips[0].arousal > clips[1].arousal
    assert clips[0].speaker == "one/S1"


def test_levels_of_arousal_are_not_emotions(tmp_path: Path) -> None:
    _manifest(
        tmp_path / "baved",
        [
            {"file": "a.wav", "speaker": "BAV46", "emotion": "low"},
            {"file": "b.wav", "speaker": "BAV53", "emotion": "neutral"},
            {"file": "c.wav", "speaker": "BAV1", "emotion": "high"},
        ],
    )
    clips = read_corpora(tmp_path)
    assert all(clip.emotion is None and np.isnan(clip.stress) for clip in clips)
    assert clips[0].arousal < clips[1].arousal < clips[2].arousal
    assert clips[0].speaker == clips[1].speaker, "they share recordings"


def test_reads_crema_d_as_published(tmp_path: Path) -> None:
    root = tmp_path / "crema-d"
    for name in ("1001_DFA_ANG_XX", "1001_IEO_HAP_HI", "1002_DFA_FEA_XX", "1002_DFA_NEU_XX"):
        _write(root / "AudioWAV" / f"{name}.wav")
    clips = read_corpora(tmp_path)
    assert [clip.emotion for clip in clips] == ["angry", "happy", "fearful", "neutral"]
    (root / "VideoDemographics.csv").write_text("ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,,\n1002,21,Female,,\n")
    (root / "processedResults").mkdir()
    (root / "processedResults" / "summaryTable.csv").write_text(
        '"","FileName","VoiceVote","VoiceLevel"\n'
        '"1","1001_DFA_ANG_XX","A","70"\n"2","1001_IEO_HAP_HI","N","50"\n"3","1002_DFA_FEA_XX","F:S","60"\n'
        '"4","1002_DFA_NEU_XX","N","60"\n'
    )
    clips = read_corpora(tmp_path)
    assert [clip.emotion for clip in clips] == ["angry", "neutral", "neutral"], "the crowd's vote; a tie leaves out"
    assert [clip.gender for clip in clips] == ["male", "male", "female"]
    assert {clip.speaker for clip in clips} == {"crema-d/CREMA1001", "crema-d/CREMA1002"}


def test_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no corpus"):
        read_corpora(tmp_path)
    _manifest(tmp_path / "odd", [{"file": "a.wav", "speaker": "S", "emotion": "schadenfreude"}])
    with pytest.raises(ValueError, match="schadenfreude"):
        read_corpora(tmp_path)


@pytest.mark.parametrize("condition", ["pcm", "quiet", "loss10", "line1", "line2", *CODECS])
def test_a_line_keeps_length_and_is_repeatable(condition: str) -> None:
    voice = _voice()
    once = through_line(voice, condition=condition, key="k", backgrounds=SILENCE)
    again = through_line(voice, condition=condition, key="k", backgrounds=SILENCE)
    assert once.shape == voice.shape
    assert once.dtype == np.float32
    assert np.array_equal(once, again)
    assert 0.001 < float(np.sqrt(np.mean(once**2))) < 0.5


def test_noise_is_mixed_at_its_ratio() -> None:
    rng = np.random.default_rng(0)
    backgrounds = Backgrounds(noise=(rng.standard_normal(RATE_HZ).astype(np.float32),), music=())
    plain = through_line(_voice(), condition="mulaw", key="k", backgrounds=backgrounds)
    noisy = through_line(_voice(), condition="noise10", key="k", backgrounds=backgrounds)
    ratio_db = 10 * np.log10(np.mean(plain**2) / np.mean((noisy - plain) ** 2))
    assert ratio_db == pytest.approx(10.0, abs=0.5)


def test_an_unknown_line_is_refused() -> None:
    with pytest.raises(ValueError, match="carrier pigeon"):
        through_line(_voice(), condition="carrier pigeon", key="k", backgrounds=SILENCE)


def _cache(clips: list[Clip], cache: Path) -> None:
    """Write features in which stress is a direction of the embedding and a raised pitch around the voice's own mean."""
    rng = np.random.default_rng(0)
    size = 64
    direction = rng.standard_normal(size)
    voices = {clip.voice: rng.standard_normal(size) for clip in clips}
    for corpus in {clip.corpus for clip in clips}:
        mine = [clip for clip in clips if clip.corpus == corpus]
        embedding = np.stack(
            [voices[c.voice] + 0.5 * (c.stress == 1.0) * direction + 0.5 * rng.standard_normal(size) for c in mine]
        )
        prosody = rng.standard_normal((len(mine), len(FEATURES)))
        prosody[:, 0] += np.asarray([3.0 * (c.stress == 1.0) for c in mine])
        prosody[rng.random(prosody.shape) < 0.05] = np.nan
        folder = cache / "mulaw"
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(
            folder / f"{corpus}.npz",
            key=np.asarray([c.key for c in mine]),
            speech_s=rng.uniform(1.0, 4.0, len(mine)),
            duration_s=np.full(len(mine), 4.0),
            n_samples=np.full(len(mine), 160, np.int64),
            audio=np.zeros(160 * len(mine), np.int16),
        )
        np.save(folder / f"{corpus}.prosody-{PROSODY_VERSION}.npy", prosody)
        np.save(folder / f"{corpus}.embedding-{EMBEDDING_VERSION}.npy", embedding.astype(np.float32))


@pytest.mark.slow
def test_trains_writes_and_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import train_stress

    emotions = ["neutral", "happy", "sad", "angry", "fearful"]
    for corpus in ("one", "two"):
        _manifest(
            tmp_path / "corpora" / corpus,
            [
                {
                    "file": f"{speaker}-{emotion}-{take}.wav",
                    "speaker": f"S{speaker}",
                    "gender": "female" if speaker % 2 else "male",
                    "language": "en",
                    "emotion": emotion,
                }
                for speaker in range(6)
                for emotion in emotions
                for take in range(4)
            ],
        )
    clips = read_corpora(tmp_path / "corpora")
    _cache(clips, tmp_path / "cache")
    (tmp_path / "whisper").mkdir()
    (tmp_path / "whisper" / "model.bin").write_bytes(b"weights")
    out, folds = tmp_path / "toy", tmp_path / "folds"
    arguments = ["--corpora", tmp_path / "corpora", "--whisper", tmp_path / "whisper", "--out", out]
    arguments += ["--cache", tmp_path / "cache", "--folds", folds, "--fold-count", "2", "--draws", "2"]
    monkeypatch.setattr(slack, "SIMULATED_CALLS", 600)
    monkeypatch.setattr(sys, "argv", ["train_stress.py", *map(str, arguments), "--conditions"])
    train_stress.main()

    held_out = [set((folds / str(fold) / "held_out.txt").read_text().split()) for fold in range(2)]
    assert not held_out[0] & held_out[1]
    assert held_out[0] | held_out[1] == {clip.speaker for clip in clips}
    scorer = OnnxStressScorer(folds / "0")
    with np.load(tmp_path / "cache" / "mulaw" / "one.npz") as held:
        keys = held["key"].tolist()
    embedding = np.load(tmp_path / "cache" / "mulaw" / f"one.embedding-{EMBEDDING_VERSION}.npy")
    prosody = np.load(tmp_path / "cache" / "mulaw" / f"one.prosody-{PROSODY_VERSION}.npy")
    of_key = {clip.key: clip for clip in clips}
    scores: dict[float, list[float]] = {0.0: [], 1.0: []}
    for key, values, vector in zip(keys, prosody, embedding, strict=True):
        if of_key[key].speaker in held_out[0]:
            features = ProsodyFeatures(values=values, version=PROSODY_VERSION)
            score = scorer.score(features, vector, speech_s=2.0, baseline=scorer.start())
            scores[of_key[key].stress].append(score.stress)
    assert np.mean(scores[1.0]) > np.mean(scores[0.0]) + 0.2
    assert OnnxStressScorer(out).model_id == "toy"
    assert (out / "calm.npz").is_file()

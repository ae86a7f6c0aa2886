"""Tests of voicepipe.speech.voice_encoder."""

import struct
from pathlib import Path

import numpy as np
import pytest

from voicepipe.speech.voice_encoder import LAYERS, VoiceEncoder, first_layers, padded
from voicepipe.types import FloatArray, ModelError

N_MELS = 80


def mel_of(duration_s: float, *, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    return rng.normal(0.0, 0.4, (N_MELS, round(duration_s * 100))).astype(np.float32)


@pytest.fixture(scope="module")
def encoder(whisper_dir: Path) -> VoiceEncoder:
    return VoiceEncoder(whisper_dir, compute_type="int8", cpu_threads=1, num_workers=1)


@pytest.mark.slow
@pytest.mark.parametrize("duration_s", [0.02, 0.3, 2.0, 4.37, 29.5])
def test_every_length_has_an_embedding(encoder: VoiceEncoder, duration_s: float) -> None:
    embedding = encoder.embed(mel_of(duration_s), duration_s=duration_s)
    assert embedding.shape == (2048,)
    assert embedding.dtype == np.float32
    assert np.isfinite(embedding).all()


@pytest.mark.slow
def test_frames_beyond_the_utterance_are_not_pooled(encoder: VoiceEncoder) -> None:
    """Whether the features end with the utterance or go on in silence, its embedding is the same."""
    mel = mel_of(1.3)
    longer = padded(mel, n_frames=400)
    np.testing.assert_array_equal(encoder.embed(mel, duration_s=1.3), encoder.embed(longer, duration_s=1.3))


@pytest.mark.slow
def test_all_layers_are_the_whole_encoder(whisper_dir: Path) -> None:
    import ctranslate2

    whole = ctranslate2.models.Whisper(str(whisper_dir), device="cpu", compute_type="float32", intra_threads=1)
    six = VoiceEncoder(whisper_dir, compute_type="float32", cpu_threads=1, num_workers=1, layers=[6])
    mel = mel_of(2.0)
    frames = np.asarray(whole.encode(ctranslate2.StorageView.from_array(mel[None])))[0]
    expected = np.concatenate([frames.mean(axis=0), frames.std(axis=0)])
    np.testing.assert_allclose(six.embed(mel, duration_s=2.0), expected, atol=1e-5)


@pytest.mark.slow
def test_the_layers_stand_side_by_side(encoder: VoiceEncoder, whisper_dir: Path) -> None:
    mel = mel_of(2.0)
    each = [
        VoiceEncoder(whisper_dir, compute_type="int8", cpu_threads=1, num_workers=1, layers=[count]) for count in LAYERS
    ]
    expected = np.concatenate([one.embed(mel, duration_s=2.0) for one in each])
    np.testing.assert_array_equal(encoder.embed(mel, duration_s=2.0), expected)


@pytest.mark.slow
def test_fewer_layers_are_less_to_load(whisper_dir: Path) -> None:
    three = first_layers(whisper_dir / "model.bin", layers=3)
    assert len(three) < 0.3 * (whisper_dir / "model.bin").stat().st_size


@pytest.mark.slow
def test_more_layers_than_there_are(whisper_dir: Path) -> None:
    with pytest.raises(ModelError, match="7 encoder layers or more"):
        first_layers(whisper_dir / "model.bin", layers=7)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x06", struct.pack("<I", 5) + b"\x00" * 64, struct.pack("<I", 6) + b"\xff" * 64, b"not a model " * 50],
    ids=["empty", "cut off", "another version", "nonsense", "text"],
)
def test_what_is_no_model_gets_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="voicepipe models verify"):
        first_layers(path, layers=3)


def test_padding_is_the_floor_of_the_range() -> None:
    mel = np.asarray([[0.5, 1.5], [1.0, 0.0]], np.float32)
    out = padded(mel, n_frames=4)
    np.testing.assert_array_equal(out[:, :2], mel)
    np.testing.assert_array_equal(out[:, 2:], -0.5)
    np.testing.assert_array_equal(padded(mel, n_frames=1), mel[:, :1])

"""Tests of voicepipe.speech.voice_encoder."""

from pathlib import Path

import numpy as np
import pytest

from voicepipe.speech.voice_encoder import LAYERS, VoiceEncoder, padded
from voicepipe.types import FloatArray

N_MELS = 80


def mel_of(duration_s: float, *, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    return rng.normal(0.0, 0.4, (N_MELS, round(duration_s * 100))).astype(np.float32)


def pooled(frames: FloatArray) -> FloatArray:
    return np.concatenate([frames.mean(axis=0), frames.std(axis=0)])


@pytest.fixture(scope="module")
def encoder(whisper_dir: Path) -> VoiceEncoder:
    return VoiceEncoder(whisper_dir)


@pytest.mark.slow
@pytest.mark.parametrize("duration_s", [0.02, 0.3, 2.0, 4.37, 29.5])
def test_every_length_has_an_embedding(encoder: VoiceEncoder, duration_s: float) -> None:
    embedding = encoder.embed(mel_of(duration_s), duration_s=duration_s)
    assert embedding.shape == (3072,)
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
    """CTranslate2, computing the same weights in floating point, is the independent witness."""
    import ctranslate2

    whole = ctranslate2.models.Whisper(str(whisper_dir), device="cpu", compute_type="float32", intra_threads=1)
    six = VoiceEncoder(whisper_dir, quantized=False, layers=[6])
    mel = mel_of(2.0)
    frames = np.asarray(whole.encode(ctranslate2.StorageView.from_array(mel[None])))[0]
    np.testing.assert_allclose(six.embed(mel, duration_s=2.0), pooled(frames), atol=1e-4)


@pytest.mark.slow
def test_layers_stand_side_by_side(encoder: VoiceEncoder, whisper_dir: Path) -> None:
    mel = mel_of(2.0)
    each = [VoiceEncoder(whisper_dir, layers=[count]).embed(mel, duration_s=2.0) for count in LAYERS]
    np.testing.assert_allclose(encoder.embed(mel, duration_s=2.0), np.concatenate(each), atol=1e-5)


@pytest.mark.slow
def test_integers_come_close_to_floating_point(encoder: VoiceEncoder, whisper_dir: Path) -> None:
    """Their error is small against how voices differ, and it leans to no side."""
    exact = VoiceEncoder(whisper_dir, quantized=False)
    mels = [mel_of(2.0, seed=seed) for seed in range(12)]
    truth = np.stack([exact.embed(mel, duration_s=2.0) for mel in mels])
    error = np.stack([encoder.embed(mel, duration_s=2.0) for mel in mels]) - truth
    for part in np.split(np.arange(truth.shape[1]), 2 * len(LAYERS)):
        assert np.sqrt(np.mean(error[:, part] ** 2)) < 0.045 * np.std(truth[:, part])
    assert np.sqrt(np.mean(error.mean(axis=0) ** 2)) < 0.03 * np.std(truth)


def test_padding_is_the_floor_of_the_range() -> None:
    mel = np.asarray([[0.5, 1.5], [1.0, 0.0]], np.float32)
    out = padded(mel, n_frames=4)
    np.testing.assert_array_equal(out[:, :2], mel)
    np.testing.assert_array_equal(out[:, 2:], -0.5)
    np.testing.assert_array_equal(padded(mel, n_frames=1), mel[:, :1])

"""Silero VAD: states, batching, level, and what it takes for speech."""

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

import voicepipe
from tests.synth import tone
from voicepipe.audio.codecs import Encoding, decode, encode
from voicepipe.speech.vad import (
    CONTEXT_SAMPLES,
    FRAME_SAMPLES,
    LevelConfig,
    SileroDetector,
    SileroState,
    bundled_model_path,
)
from voicepipe.types import FloatArray, ModelError

SAMPLES = Path(voicepipe.__file__).parent / "samples"
SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "audio"
LINE_RATE_HZ = 8_000

corpora = [pytest.mark.corpora, pytest.mark.skipif(not SHARED.is_dir(), reason="needs the audio corpora")]


@pytest.fixture(scope="module")
def detector() -> SileroDetector:
    return SileroDetector()


def frames_of(line: FloatArray) -> FloatArray:
    """Send a track at 8 kHz over a G.711 line and return its frames at 16 kHz."""
    coded = decode(encode(line.astype(np.float32), encoding=Encoding.PCMU), encoding=Encoding.PCMU)
    samples = soxr.resample(coded, LINE_RATE_HZ, 2 * LINE_RATE_HZ)
    return np.ascontiguousarray(samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES))


def sample_call() -> FloatArray:
    """Return both tracks of the first 20 s of a sample call, shape (2, n), 8 kHz."""
    samples, rate_hz = soundfile.read(SAMPLES / "calm_caller.wav", dtype="float32", frames=20 * LINE_RATE_HZ)
    assert rate_hz == LINE_RATE_HZ
    return samples.T


def probs_of(detector: SileroDetector, frames: FloatArray) -> FloatArray:
    (probs,), _ = detector.speech_probs([frames], [detector.start()])
    return probs


def hiss(duration_s: float, *, level_dbfs: float) -> FloatArray:
    noise = np.random.default_rng(0).standard_normal(round(duration_s * LINE_RATE_HZ))
    return (noise * 10 ** (level_dbfs / 20)).astype(np.float32)


def assert_same_state(a: SileroState, b: SileroState) -> None:
    for name in ("hidden", "cell", "context"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert (a.level_db, a.silent_frames) == (b.level_db, b.silent_frames)


@settings(max_examples=12, deadline=None)
@given(sizes=st.lists(st.integers(0, 60), min_size=1, max_size=12))
def test_chunk_size_changes_nothing(detector: SileroDetector, sizes: list[int]) -> None:
    silence = np.zeros(3 * LINE_RATE_HZ, np.float32)
    speech = sample_call()[0, 5 * LINE_RATE_HZ : 10 * LINE_RATE_HZ]
    frames = frames_of(np.concatenate([silence, speech, silence, 0.05 * speech]))
    (whole,), (end,) = detector.speech_probs([frames], [detector.start()])
    state, parts, at = detector.start(), [], 0
    for size in [*sizes, len(frames)]:
        (probs,), (state,) = detector.speech_probs([frames[at : at + size]], [state])
        parts.append(probs)
        at += size
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert_same_state(state, end)


def test_tracks_of_a_batch_do_not_touch_each_other(detector: SileroDetector) -> None:
    tracks = [frames_of(track) for track in sample_call()]
    tracks = [tracks[0], tracks[1][:100], tracks[0][:0], tracks[1]]
    alone = [detector.speech_probs([track], [detector.start()]) for track in tracks]
    probs, states = detector.speech_probs(tracks, [detector.start() for _ in tracks])
    for i, ((one,), (state,)) in enumerate(alone):
        np.testing.assert_array_equal(probs[i], one)
        assert_same_state(states[i], state)


@pytest.mark.parametrize("seed", range(4))
def test_grouping_of_tracks_and_frames_changes_nothing(detector: SileroDetector, seed: int) -> None:
    draw = random.Random(seed)
    tracks = [frames_of(line[at * LINE_RATE_HZ :])[:120] for line in sample_call() for at in range(0, 15, 2)]
    silent = np.zeros((50, FRAME_SAMPLES), np.float32)
    tracks += [np.concatenate([track[:20], silent, track[20:60], silent[:45]]) for track in tracks[:3]]
    states, heard = [detector.start() for _ in tracks], [0 for _ in tracks]
    parts: list[list[FloatArray]] = [[] for _ in tracks]
    while unheard := [at for at, track in enumerate(tracks) if heard[at] < len(track)]:
        chosen = draw.sample(unheard, draw.randint(1, len(unheard)))
        due = [tracks[at][heard[at] : heard[at] + draw.choice([0, 1, 2, 7, 8, 70])] for at in chosen]
        probs, after = detector.speech_probs(due, [states[at] for at in chosen])
        for at, part, state in zip(chosen, probs, after, strict=True):
            parts[at].append(part)
            states[at] = state
            heard[at] += len(part)
    for track, part, state in zip(tracks, parts, states, strict=True):
        (whole,), (end,) = detector.speech_probs([track], [detector.start()])
        np.testing.assert_array_equal(np.concatenate(part), whole)
        assert_same_state(state, end)


def test_the_published_graph_gives_the_same_probabilities() -> None:
    published = onnxruntime.InferenceSession(str(bundled_model_path()), providers=["CPUExecutionProvider"])
    without_gain = SileroDetector(level=LevelConfig(start_gain_db=0.0, max_gain_db=0.0, silence_s=1e6))
    for line in sample_call():
        frames = frames_of(line)
        context = np.concatenate([np.zeros((1, CONTEXT_SAMPLES), np.float32), frames[:-1, -CONTEXT_SAMPLES:]])
        zeros = np.zeros((1, 1, 128), np.float32)
        expected = published.run(None, {"input": np.hstack([context, frames]), "h": zeros, "c": zeros})[0]
        assert expected.max() > 0.9
        np.testing.assert_allclose(probs_of(without_gain, frames), expected.ravel(), atol=1e-4)


def test_a_given_state_is_not_modified(detector: SileroDetector) -> None:
    frames = frames_of(sample_call()[0])
    _, (state,) = detector.speech_probs([frames[:200]], [detector.start()])
    first = detector.speech_probs([frames[200:400]], [state])[0][0]
    np.testing.assert_array_equal(detector.speech_probs([frames[200:400]], [state])[0][0], first)


@pytest.mark.parametrize("gain_db", [0.0, -15.0, -25.0])
def test_speech_is_heard_loud_and_quiet(detector: SileroDetector, gain_db: float) -> None:
    line = sample_call()
    loud = 10 * np.log10(np.mean(np.square(frames_of(line[0]), dtype=np.float64), axis=1) + 1e-12)
    speech = loud > loud.max() - 25
    probs = probs_of(detector, frames_of(line[0] * np.float32(10 ** (gain_db / 20)) + hiss(20, level_dbfs=-70)))
    assert np.mean(probs[speech] >= 0.35) > 0.8


def test_a_muted_track_is_not_run_and_wakes_at_once(detector: SileroDetector) -> None:
    speech = sample_call()[0]
    voiced = np.concatenate([np.zeros(20 * LINE_RATE_HZ, np.float32), speech])
    fresh, woken = probs_of(detector, frames_of(speech)), probs_of(detector, frames_of(voiced))[625:]
    asleep = probs_of(detector, frames_of(voiced))[31:620]
    np.testing.assert_array_equal(asleep, 0.0)
    assert abs(np.mean(fresh >= 0.5) - np.mean(woken >= 0.5)) < 0.05


@pytest.mark.parametrize("level_dbfs", [-30.0, -45.0, -60.0])
def test_hiss_is_no_speech(detector: SileroDetector, level_dbfs: float) -> None:
    assert np.mean(probs_of(detector, frames_of(hiss(30, level_dbfs=level_dbfs))) >= 0.5) < 0.01


def test_dtmf_and_ringback_are_no_speech(detector: SileroDetector) -> None:
    key = tone(0.1, rate_hz=8000, frequency_hz=770, amplitude=0.2) + tone(
        0.1, rate_hz=8000, frequency_hz=1336, amplitude=0.2
    )
    keys = np.tile(np.concatenate([key, np.zeros_like(key)]), 30)
    ring = tone(2, rate_hz=8000, frequency_hz=440, amplitude=0.1) + tone(
        2, rate_hz=8000, frequency_hz=480, amplitude=0.1
    )
    ringback = np.tile(np.concatenate([ring, np.zeros(4 * 8000, np.float32)]), 2)
    for line in (keys, ringback):
        assert np.mean(probs_of(detector, frames_of(line)) >= 0.5) < 0.05


def test_a_loud_frame_takes_the_gain_away_at_once_and_it_comes_back_slowly() -> None:
    config = LevelConfig()
    frames = np.random.default_rng(0).standard_normal((400, FRAME_SAMPLES)).astype(np.float32)
    frames[:100] *= 1e-3
    frames[100] *= 0.3
    frames[101:] *= 1e-3
    detector = SileroDetector(level=config)
    levels = []
    state = detector.start()
    for frame in frames:
        _, (state,) = detector.speech_probs([frame[None]], [state])
        levels.append(state.level_db)
    assert levels[0] == pytest.approx(config.target_dbfs - config.start_gain_db, abs=0.1)
    assert levels[99] == pytest.approx(levels[0] - 99 * 0.032, abs=0.01)
    assert levels[100] == pytest.approx(-10.5, abs=0.5)
    assert levels[-1] == pytest.approx(levels[100] - 299 * 0.032, abs=0.01)


def test_misfits_are_refused(detector: SileroDetector) -> None:
    frames = np.zeros((2, FRAME_SAMPLES), np.float32)
    with pytest.raises(ValueError, match="one state per track"):
        detector.speech_probs([frames], [])
    with pytest.raises(ValueError, match="expected"):
        detector.speech_probs([frames[:, :100]], [detector.start()])
    with pytest.raises(TypeError, match="this detector"):
        detector.speech_probs([frames], [object()])


def test_a_missing_or_foreign_model_names_the_command_that_mends_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file; run: pip install"):
        SileroDetector(model_path=tmp_path / "none.onnx")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"is no ONNX model .*; run: pip install"):
        SileroDetector(model_path=broken)


def test_another_model_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    onnx.save(
        onnx.parser.parse_model(
            '<ir_version: 8, opset_import: ["" : 18]> g (float[1] x) => (float[1] y) { y = Relu (x) }'
        ),
        other,
    )
    with pytest.raises(ModelError, match="not the Silero VAD that voicepipe knows"):
        SileroDetector(model_path=other)


def test_importing_the_module_loads_no_runtime() -> None:
    code = (
        "import sys, voicepipe.speech.vad as vad; vad.bundled_model_path(); "
        "sys.exit(bool({'onnx', 'onnxruntime', 'faster_whisper'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestRealSpeech:
    pytestmark = corpora

    @pytest.mark.parametrize("level_db", [0.0, -15.0, -25.0])
    @pytest.mark.parametrize("folder", ["prompts_en", "prompts_ru"])
    def test_prompts_in_noise(self, detector: SileroDetector, folder: str, level_db: float) -> None:
        noises = sorted((SHARED / "noise").glob("*/*.flac"))
        hit = total = 0
        for i, path in enumerate(sorted((SHARED / folder).rglob("*.flac"))[::9]):
            prompt = soundfile.read(path, dtype="float32")[0]
            noise = np.resize(soundfile.read(noises[5 * i % len(noises)], dtype="float32")[0], len(prompt))
            loud = 10 * np.log10(np.mean(np.square(frames_of(prompt), dtype=np.float64), axis=1) + 1e-12)
            speech = loud > loud.max() - 25
            power = np.mean(prompt**2) / (np.mean(noise**2) + 1e-9)
            noisy = prompt + noise * np.float32(np.sqrt(power / 10**1.5))
            probs = probs_of(detector, frames_of(noisy * np.float32(10 ** (level_db / 20))))
            hit += np.count_nonzero(probs[speech] >= 0.35)
            total += np.count_nonzero(speech)
        assert hit / total > 0.9

    @pytest.mark.parametrize("level_db", [0.0, -20.0])
    def test_hold_music_is_no_speech(self, detector: SileroDetector, level_db: float) -> None:
        for path in sorted((SHARED / "hold_music").glob("*.flac")):
            music = soundfile.read(path, dtype="float32", frames=60 * LINE_RATE_HZ)[0]
            probs = probs_of(detector, frames_of(music * np.float32(10 ** (level_db / 20))))
            assert np.mean(probs >= 0.5) < 0.01

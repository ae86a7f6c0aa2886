"""Where utterances begin, end and are cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicepipe.speech.segment import Segmenter, SegmenterConfig
from voicepipe.types import SAMPLE_RATE_HZ, Channel, CutBy, FloatArray, Utterance

FRAME = 512
FRAME_S = FRAME / SAMPLE_RATE_HZ


def segmenter(**config: float) -> Segmenter:
    return Segmenter(
        call_id="c", channel=Channel.CALLER, frame_samples=FRAME, config=SegmenterConfig(**config) if config else None
    )


def track(*parts: tuple[float, float]) -> FloatArray:
    """Probabilities of stretches given as (seconds, probability)."""
    return np.concatenate([np.full(round(s / FRAME_S), p, np.float32) for s, p in parts])


def audio(probs: FloatArray, *, seed: int = 0) -> FloatArray:
    """Noise whose level follows the probability."""
    noise = np.random.default_rng(seed).standard_normal(len(probs) * FRAME).astype(np.float32)
    return noise * np.repeat(0.001 + 0.1 * probs, FRAME).astype(np.float32)


def run(probs: FloatArray, *, chunks: list[int] | None = None, samples: FloatArray | None = None) -> list[Utterance]:
    samples = audio(probs) if samples is None else samples
    cutter = segmenter()
    found = []
    at = 0
    for size in [*(chunks or []), len(probs)]:
        end = min(at + size, len(probs))
        found += cutter.push(samples[at * FRAME : end * FRAME], probs[at:end])
        at = end
    return found + cutter.finish()


def test_one_utterance_is_padded_and_ends_at_silence() -> None:
    probs = track((1.0, 0.02), (1.0, 0.95), (2.0, 0.02))
    samples = audio(probs)
    (heard,) = run(probs, samples=samples)
    assert heard.start_s == pytest.approx(1.0 - 0.16, abs=FRAME_S)
    assert heard.end_s == pytest.approx(2.0 + 0.16, abs=FRAME_S)
    assert heard.decided_s == pytest.approx(2.0 + 0.45, abs=FRAME_S)
    assert heard.speech_s == pytest.approx(1.0, abs=FRAME_S)
    assert heard.cut_by is CutBy.SILENCE
    first, last = round(heard.start_s * SAMPLE_RATE_HZ), round(heard.end_s * SAMPLE_RATE_HZ)
    np.testing.assert_array_equal(heard.samples, samples[first:last])


def test_a_short_word_is_kept_and_a_click_is_dropped() -> None:
    heard = run(track((0.5, 0.0), (0.26, 0.9), (1.0, 0.0), (0.06, 0.99), (1.0, 0.0), (0.26, 0.9), (0.2, 0.0)))
    assert [u.index for u in heard] == [0, 1]
    assert heard[0].start_s < 0.5 < heard[0].end_s
    assert heard[1].start_s > 2.5
    assert heard[1].cut_by is CutBy.END


def test_weak_syllables_stay_inside_but_do_not_begin_an_utterance() -> None:
    assert run(track((2.0, 0.45), (1.0, 0.0))) == []
    (heard,) = run(track((0.5, 0.0), (0.5, 0.9), (1.0, 0.4), (0.5, 0.9), (1.0, 0.0)))
    assert heard.speech_s == pytest.approx(2.0, abs=2 * FRAME_S)


def test_a_pause_shorter_than_the_limit_does_not_cut() -> None:
    assert len(run(track((1.0, 0.9), (0.35, 0.0), (1.0, 0.9), (1.0, 0.0)))) == 1
    assert len(run(track((1.0, 0.9), (0.50, 0.0), (1.0, 0.9), (1.0, 0.0)))) == 2


def test_neighbours_do_not_overlap_and_keep_their_padding() -> None:
    first, second = run(track((1.0, 0.9), (0.48, 0.0), (1.0, 0.9), (1.0, 0.0)))
    assert first.end_s <= second.start_s
    assert second.start_s < 1.48


def test_a_long_one_is_cut_at_its_quietest_point() -> None:
    probs = track((6.2, 0.95), (0.2, 0.1), (5.0, 0.95), (1.0, 0.0))
    first, second = run(probs)
    assert first.cut_by is CutBy.LENGTH
    assert 6.2 <= first.end_s <= 6.4
    assert first.decided_s == pytest.approx(8.0)
    assert second.start_s == first.end_s
    assert second.cut_by is CutBy.SILENCE


def test_equal_probabilities_are_cut_by_level() -> None:
    probs = track((20.0, 0.9))
    samples = audio(np.ones_like(probs))
    samples[round(6.0 * SAMPLE_RATE_HZ) : round(6.3 * SAMPLE_RATE_HZ)] *= 0.01
    first = run(probs, samples=samples)[0]
    assert 6.0 <= first.end_s <= 6.3


def test_unbroken_speech_is_covered_without_gap_or_overlap() -> None:
    probs = track((60.0, 0.9))
    samples = audio(probs)
    heard = run(probs, samples=samples)
    assert all(u.duration_s <= 8.0 for u in heard)
    np.testing.assert_array_equal(np.concatenate([u.samples for u in heard]), samples)


def test_the_tail_is_kept_without_the_silence_behind_it() -> None:
    (heard,) = run(track((0.5, 0.0), (1.0, 0.9), (0.4, 0.0)))
    assert heard.cut_by is CutBy.END
    assert heard.end_s == pytest.approx(1.5 + 0.16, abs=FRAME_S)


def test_finish_twice_gives_nothing_more() -> None:
    cutter = segmenter()
    probs = track((1.0, 0.9))
    cutter.push(audio(probs), probs)
    assert len(cutter.finish()) == 1
    assert cutter.finish() == []


def test_an_hour_of_silence_or_of_speech_holds_ten_seconds_at_most() -> None:
    for prob in (0.0, 0.9):
        cutter = segmenter()
        probs = np.full(60 * 31, prob, np.float32)
        block = np.full(60 * 31 * FRAME, 0.01, np.float32)
        for _ in range(60):
            cutter.push(block, probs)
        held = sum(a.size for a in vars(cutter).values() if isinstance(a, np.ndarray) and a.dtype == np.float32)
        assert held <= 10 * SAMPLE_RATE_HZ
        assert cutter.clock_s == pytest.approx(60 * 60, rel=0.01)


def test_a_track_of_nothing() -> None:
    cutter = segmenter()
    assert cutter.push(np.zeros(0, np.float32), np.zeros(0, np.float32)) == []
    assert cutter.finish() == []


def test_misfit_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="512 for each"):
        segmenter().push(np.zeros(600, np.float32), np.zeros(1, np.float32))


@pytest.mark.parametrize(
    "config",
    [
        {"on_prob": 0.3, "off_prob": 0.4},
        {"padding_s": 0.6},
        {"cut_search_s": 9.0},
        {"cut_margin_s": 3.5},
        {"max_utterance_s": 40.0},
    ],
)
def test_impossible_settings_are_refused(config: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"need|must"):
        SegmenterConfig(**config)


@settings(max_examples=30, deadline=None)
@given(
    parts=st.lists(
        st.tuples(
            st.one_of(st.floats(0.05, 1.5), st.floats(5.0, 12.0)),
            st.sampled_from([0.0, 0.2, 0.36, 0.45, 0.5, 0.6, 0.97]),
        ),
        min_size=1,
        max_size=12,
    ),
    chunks=st.lists(st.integers(0, 400), max_size=40),
    seed=st.integers(0, 100),
)
def test_chunk_size_changes_nothing_and_utterances_are_cuts_of_the_track(
    parts: list[tuple[float, float]], chunks: list[int], seed: int
) -> None:
    probs = track(*parts)
    samples = audio(probs, seed=seed)
    whole = run(probs, samples=samples)
    for other in (run(probs, samples=samples, chunks=chunks), run(probs, samples=samples, chunks=[1] * len(probs))):
        assert len(other) == len(whole)
        for a, b in zip(whole, other, strict=True):
            np.testing.assert_array_equal(a.samples, b.samples)
            assert (a.index, a.start_s, a.end_s, a.cut_by, a.speech_prob, a.speech_s, a.decided_s) == (
                b.index, b.start_s, b.end_s, b.cut_by, b.speech_prob, b.speech_s, b.decided_s
            )  # fmt: skip
    end_s = 0.0
    for utterance in whole:
        assert end_s <= utterance.start_s < utterance.end_s <= utterance.decided_s
        assert 0.2 - FRAME_S <= utterance.speech_s <= utterance.samples.size / SAMPLE_RATE_HZ <= 8.0
        first, last = round(utterance.start_s * SAMPLE_RATE_HZ), round(utterance.end_s * SAMPLE_RATE_HZ)
        np.testing.assert_array_equal(utterance.samples, samples[first:last])
        end_s = utterance.end_s

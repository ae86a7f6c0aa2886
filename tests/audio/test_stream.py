"""One track on its clock: the same samples come out, at the same time, however they came in."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import synth
from voicepipe.audio.stream import ChannelStream
from voicepipe.types import AudioChunk, AudioInputError, Channel, FloatArray

RATES_HZ = [8000, 11025, 16000, 22050, 32000, 44100, 48000]


def chunk(samples: FloatArray, *, first_sample: int = 0, rate_hz: int = 8000) -> AudioChunk:
    return AudioChunk(
        call_id="c1", channel=Channel.CALLER, first_sample=first_sample, sample_rate_hz=rate_hz, samples=samples
    )


def through(*chunks: AudioChunk, stream: ChannelStream | None = None) -> FloatArray:
    stream = stream or ChannelStream()
    return np.concatenate([*[stream.push(one) for one in chunks], stream.finish()])


def cut(samples: FloatArray, sizes: Sequence[int], *, rate_hz: int, first_sample: int = 0) -> list[AudioChunk]:
    """Cut samples into chunks of these sizes, over and over."""
    chunks, start, turn = [], 0, 0
    while start < len(samples):
        size = sizes[turn % len(sizes)]
        piece = samples[start : start + size]
        chunks.append(chunk(piece, first_sample=first_sample + start, rate_hz=rate_hz))
        start, turn = start + len(piece), turn + 1
    return chunks


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("extra_samples", [0, 1, 77])
def test_length_is_that_of_the_input(rate_hz: int, extra_samples: int) -> None:
    samples = synth.noise(1, rate_hz=rate_hz)
    samples = np.concatenate([samples, samples[:extra_samples]])
    assert len(through(chunk(samples, rate_hz=rate_hz))) == round(len(samples) * 16000 / rate_hz)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_no_delay_and_no_change_within_the_telephone_band(rate_hz: int) -> None:
    out = through(*cut(synth.tone(2, rate_hz=rate_hz, frequency_hz=1000), [rate_hz // 50], rate_hz=rate_hz))
    expected = synth.tone(2, rate_hz=16000, frequency_hz=1000)
    inner = slice(4000, -4000)
    assert np.abs(out[inner] - expected[inner]).max() < 0.01


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_an_impulse_stays_where_it_is(rate_hz: int) -> None:
    samples = np.zeros(rate_hz, np.float32)
    samples[rate_hz // 2] = 1.0
    out = through(chunk(samples, rate_hz=rate_hz))
    assert abs(int(np.argmax(np.abs(out))) / 16000 - (rate_hz // 2) / rate_hz) <= 1 / 16000


@pytest.mark.parametrize("rate_hz", [16000, 44100, 48000])
def test_what_a_telephone_does_not_carry_is_gone(rate_hz: int) -> None:
    out = through(chunk(synth.tone(1, rate_hz=rate_hz, frequency_hz=5000), rate_hz=rate_hz))
    assert np.abs(out[4000:-4000]).max() < 1e-4


@given(
    sizes=st.lists(st.integers(0, 700), min_size=1, max_size=6).filter(any),
    rate_hz=st.sampled_from(RATES_HZ),
    gap_samples=st.integers(-900, 900),
)
def test_chunk_sizes_do_not_change_a_single_bit(sizes: list[int], rate_hz: int, gap_samples: int) -> None:
    first, second = synth.noise(0.1, rate_hz=rate_hz, seed=1), synth.noise(0.1, rate_hz=rate_hz, seed=2)
    restart = len(first) + gap_samples
    whole = through(chunk(first, rate_hz=rate_hz), chunk(second, first_sample=restart, rate_hz=rate_hz))
    pieces = through(
        *cut(first, sizes, rate_hz=rate_hz), *cut(second, sizes[::-1], rate_hz=rate_hz, first_sample=restart)
    )
    np.testing.assert_array_equal(pieces, whole)


def test_a_gap_is_silence_of_its_length() -> None:
    beep = synth.tone(0.2, rate_hz=8000)
    stream = ChannelStream()
    out = through(chunk(beep), chunk(beep, first_sample=16_000), stream=stream)
    assert len(out) == 2 * (16_000 + len(beep))
    assert np.abs(out[3600:31_600]).max() < 0.01
    assert synth.onset_s(out[16_000:], rate_hz=16000) == pytest.approx(1.0, abs=0.005)
    assert stream.gap_s == pytest.approx(1.8)


@pytest.mark.parametrize("rate_hz", [8000, 44100])
@pytest.mark.parametrize("jump_s", [5.0, 30 * 3600.0, 0.0, -0.5, -3600.0])
def test_a_gap_that_is_filled_in_parts_gives_the_same_bits(rate_hz: int, jump_s: float) -> None:
    first, second = synth.noise(1, rate_hz=rate_hz, seed=1), synth.noise(1, rate_hz=rate_hz, seed=2)
    later = chunk(second, first_sample=rate_hz + round(jump_s * rate_hz), rate_hz=rate_hz)
    at_once, in_parts = ChannelStream(max_gap_s=20), ChannelStream(max_gap_s=20)
    whole = through(chunk(first, rate_hz=rate_hz), later, stream=at_once)
    out = [in_parts.push(chunk(first, rate_hz=rate_hz))]
    is_filled = False
    while not is_filled:
        silence, is_filled = in_parts.fill_gap(later, most_s=0.7)
        assert len(silence) <= 16_000
        out.append(silence)
    np.testing.assert_array_equal(np.concatenate([*out, through(later, stream=in_parts)]), whole)
    assert in_parts.gap_s == pytest.approx(at_once.gap_s)
    assert (in_parts.skipped_s, in_parts.late_s) == (at_once.skipped_s, at_once.late_s)


def test_a_track_that_starts_late_starts_with_silence() -> None:
    out = through(chunk(synth.tone(0.2, rate_hz=8000), first_sample=4000))
    assert synth.onset_s(out, rate_hz=16000) == pytest.approx(0.5, abs=0.005)


def test_late_samples_are_dropped_and_counted() -> None:
    samples = synth.noise(1, rate_hz=8000)
    stream = ChannelStream()
    out = through(
        chunk(samples[:5000]),
        chunk(samples[1000:2000], first_sample=1000),
        chunk(samples[4000:], first_sample=4000),
        stream=stream,
    )
    np.testing.assert_array_equal(out, through(chunk(samples)))
    assert stream.late_s == pytest.approx(2000 / 8000)
    assert stream.gap_s == stream.skipped_s == 0


def test_a_clock_that_jumps_by_hours_costs_no_memory() -> None:
    samples = synth.noise(1, rate_hz=8000)
    hours = 30 * 3600 * 8000
    stream = ChannelStream(max_gap_s=2)
    out = through(
        chunk(samples),
        chunk(samples, first_sample=hours),
        chunk(samples, first_sample=hours + 8000),
        stream=stream,
    )
    assert len(out) == 16_000 * (1 + 2 + 1 + 1)
    assert stream.gap_s == 2
    assert stream.skipped_s == pytest.approx(30 * 3600 - 1 - 2)


def test_a_clock_that_jumps_there_and_back_does_not_make_the_track_deaf() -> None:
    samples = synth.noise(1, rate_hz=8000)
    hours = 30 * 3600 * 8000
    stream = ChannelStream(max_gap_s=2)
    out = through(
        chunk(samples),
        chunk(samples, first_sample=hours),
        chunk(samples, first_sample=16_000),
        chunk(samples, first_sample=24_000),
        stream=stream,
    )
    assert len(out) == 16_000 * (1 + 2 + 1 + 1 + 1)
    assert stream.late_s == 0


def test_samples_that_are_no_numbers_become_silence() -> None:
    samples = synth.tone(1, rate_hz=8000)
    broken = samples.copy()
    mended = samples.copy()
    broken[100:103] = [np.nan, np.inf, -np.inf]
    mended[100:103] = 0
    stream = ChannelStream()
    np.testing.assert_array_equal(through(chunk(broken), stream=stream), through(chunk(mended)))
    assert stream.damaged_samples == 3
    assert np.isnan(broken[100]), "the input is left alone"


@given(st.lists(st.floats(width=32), max_size=300))
def test_whatever_comes_in_full_scale_comes_out(values: list[float]) -> None:
    out = through(chunk(np.array(values, dtype=np.float32)))
    assert out.dtype == np.float32
    assert len(out) == 2 * len(values)
    assert np.all(np.abs(out) <= 1)


def test_a_dc_offset_fades_and_the_voice_stays() -> None:
    voice = synth.tone(2, rate_hz=8000, frequency_hz=100, amplitude=0.2)
    out = through(chunk(voice + np.float32(0.3)))[16_000:]
    assert abs(float(out.mean())) < 1e-3
    assert float(out.std()) == pytest.approx(0.2 / np.sqrt(2), rel=0.01)


def test_a_gap_in_audio_with_a_dc_offset_makes_no_step() -> None:
    offset = np.full(8000, 0.3, np.float32)
    out = through(chunk(offset), chunk(offset, first_sample=16_000))
    assert np.abs(out[14_000:]).max() < 1e-3


def test_nothing_in_nothing_out() -> None:
    assert len(ChannelStream().finish()) == 0
    stream = ChannelStream()
    assert len(stream.push(chunk(np.zeros(0, np.float32), first_sample=10**12))) == 0
    assert len(stream.finish()) == 0
    assert len(through(chunk(np.ones(1, np.float32), rate_hz=48000))) == 0


def test_a_sample_rate_that_changes_is_an_error() -> None:
    stream = ChannelStream()
    stream.push(chunk(np.zeros(80, np.float32)))
    with pytest.raises(AudioInputError, match="from 8000 to 16000 Hz"):
        stream.push(chunk(np.zeros(80, np.float32), first_sample=80, rate_hz=16000))


@pytest.mark.parametrize("rate_hz", [0, 6000, 7999, 192_001])
def test_a_sample_rate_out_of_range_is_an_error(rate_hz: int) -> None:
    with pytest.raises(AudioInputError, match=f"{rate_hz} Hz"):
        ChannelStream().push(chunk(np.zeros(80, np.float32), rate_hz=rate_hz))


def test_an_ended_track_takes_no_more() -> None:
    stream = ChannelStream()
    stream.finish()
    with pytest.raises(RuntimeError, match="finish"):
        stream.push(chunk(np.zeros(80, np.float32)))

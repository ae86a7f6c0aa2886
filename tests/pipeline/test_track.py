"""Chunks of a call joined before they are heard."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.pipeline.track import joined
from voicepipe.types import AudioChunk, Channel


def chunk(channel: Channel, first_sample: int, n_samples: int, *, rate_hz: int = 8_000) -> AudioChunk:
    """A chunk whose samples are their own places."""
    samples = np.arange(first_sample, first_sample + n_samples, dtype=np.float32)
    return AudioChunk(
        call_id="call-1", channel=channel, first_sample=first_sample, sample_rate_hz=rate_hz, samples=samples
    )


def spans(chunks: Sequence[AudioChunk]) -> list[tuple[Channel, int, int]]:
    return [(one.channel, one.first_sample, one.samples.size) for one in chunks]


def test_chunks_of_each_channel_that_follow_one_another_become_one() -> None:
    chunks = [chunk(channel, at, 160) for at in range(0, 1600, 160) for channel in (Channel.CALLER, Channel.AGENT)]
    assert spans([*joined(chunks)]) == [(Channel.CALLER, 0, 1600), (Channel.AGENT, 0, 1600)]


def test_a_gap_a_step_back_and_another_rate_begin_anew() -> None:
    caller = Channel.CALLER
    chunks = [chunk(caller, 0, 160), chunk(caller, 320, 160), chunk(caller, 160, 160), chunk(caller, 320, 80)]
    chunks.append(chunk(caller, 400, 160, rate_hz=16_000))
    assert spans([*joined(chunks)]) == [(caller, 0, 160), (caller, 320, 160), (caller, 160, 240), (caller, 400, 160)]


@given(
    st.lists(
        st.tuples(st.sampled_from([Channel.CALLER, Channel.AGENT]), st.integers(0, 2), st.integers(0, 3)), max_size=30
    )
)
def test_no_sample_moves_and_none_is_lost(cut: list[tuple[Channel, int, int]]) -> None:
    ends = {Channel.CALLER: 0, Channel.AGENT: 0}
    chunks = []
    for channel, gap, n_samples in cut:
        chunks.append(chunk(channel, ends[channel] + gap, n_samples))
        ends[channel] += gap + n_samples
    after = [*joined(chunks)]
    for channel in ends:
        before_samples = [one.samples for one in chunks if one.channel == channel]
        after_samples = [one.samples for one in after if one.channel == channel]
        assert np.array_equal(np.hstack([[], *before_samples]), np.hstack([[], *after_samples]))
    for one in after:
        assert np.array_equal(one.samples, np.arange(one.first_sample, one.first_sample + one.samples.size))

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.gateways.arrival import ArrivalClock
from voicepipe.gateways.decoder import LegCounts
from voicepipe.gateways.ordering import Reorderer, TrackClock


def reorder(numbers: list[int], *, window: int = 4) -> tuple[list[int], list[bool], LegCounts]:
    counts = LegCounts()
    order: Reorderer[int] = Reorderer(counts=counts, window=window)
    out = [item for number in numbers for item in order.push(number, number)] + order.flush()
    return [number for number, _ in out], [after_loss for _, after_loss in out], counts


@given(st.integers(0, 10**6), st.permutations(range(5)), st.integers(0, 30))
def test_messages_within_the_window_come_out_in_order(first: int, shuffled: list[int], more: int) -> None:
    numbers = [first, *(first + 1 + n for n in shuffled), *range(first + 6, first + 6 + more)]
    out, losses, counts = reorder(numbers)
    assert out == sorted(numbers)
    assert not any(losses)
    assert counts == LegCounts()


def test_a_missing_message_is_given_up_after_the_window_and_is_late_when_it_comes() -> None:
    out, losses, counts = reorder([1, 2, 4, 5, 6, 7, 8, 3, 9, 9, 2])
    assert out == [1, 2, 4, 5, 6, 7, 8, 9]
    assert losses == [False, False, True, False, False, False, False, False]
    assert (counts.lost, counts.late, counts.duplicates) == (1, 1, 2)


def test_a_sender_that_counts_anew_is_followed() -> None:
    out, _, counts = reorder([500, 501, 502, *range(1, 20)])
    assert out == [500, 501, 502, *range(5, 20)]
    assert counts.duplicates == 4


def test_a_sender_that_repeats_everything_is_no_sender_that_counts_anew() -> None:
    numbers = [n for number in range(1, 50) for n in (number, number)]
    out, losses, counts = reorder(numbers)
    assert out == list(range(1, 50))
    assert not any(losses)
    assert counts.duplicates == 49


@given(st.lists(st.integers(-(2**53), 2**53), max_size=60), st.integers(0, 8))
def test_each_message_comes_out_at_most_once(numbers: list[int], window: int) -> None:
    counts = LegCounts()
    order: Reorderer[int] = Reorderer(counts=counts, window=window)
    out: list[int] = []
    for at, number in enumerate(numbers):
        out += [item for item, _ in order.push(number, at)]
        assert len(order._held) <= window
    out += [item for item, _ in order.flush()]
    assert len(set(out)) == len(out)
    assert len(out) + counts.duplicates + counts.late == len(numbers)


def place(stamps: list[int | None], *, n: int = 160, after_loss: tuple[int, ...] = ()) -> list[int]:
    clock = TrackClock(rate_hz=8_000)
    return [clock.place(n, stamp=stamp, after_loss=at in after_loss) for at, stamp in enumerate(stamps)]


def test_jittery_stamps_make_no_gaps() -> None:
    assert place([0, 152, 330, 470, 650]) == [0, 160, 320, 480, 640]


def test_a_real_gap_counts() -> None:
    assert place([0, 160, 1600, 1760]) == [0, 160, 1600, 1760]


def test_one_lost_packet_is_a_gap_where_the_loss_is_known() -> None:
    assert place([0, 320, 480]) == [0, 160, 320]
    assert place([0, 320, 480], after_loss=(1,)) == [0, 320, 480]


def test_a_single_wild_stamp_is_not_believed() -> None:
    hour = 3600 * 8_000
    assert place([0, hour, 320, 480]) == [0, 160, 320, 480]


def test_a_jump_that_the_next_chunk_confirms_is_believed() -> None:
    hour = 3600 * 8_000
    assert place([0, hour, hour + 160, hour + 320]) == [0, 160, hour + 160, hour + 320]


def test_a_clock_set_anew_goes_on_where_the_audio_stands() -> None:
    assert place([0, 160 * 300, 160 * 301, 0, 160]) == [0, 160, 160 * 301, 160 * 302, 160 * 303]


def test_a_stuck_clock_says_nothing() -> None:
    assert place([7] * 200) == [160 * n for n in range(200)]


def test_audio_that_was_heard_before_keeps_its_old_place() -> None:
    assert place([0, 160, 320, 480, 640, 0, 800]) == [0, 160, 320, 480, 640, 0, 800]


def test_stamps_far_behind_are_followed_again_after_a_while() -> None:
    clock = TrackClock(rate_hz=8_000)
    clock.place(160 * 200, stamp=0)
    places = [clock.place(160, stamp=160 * n) for n in range(1, 60)]
    assert places[0] == 160
    assert places[-1] >= 160 * 200


def arrive(clock: ArrivalClock, arrivals_s: Sequence[float], *, n_samples: int = 160) -> list[int]:
    """Return where pieces of audio were placed that arrived at some times."""
    pieces = [np.full(n_samples, number, dtype=np.float32) for number in range(len(arrivals_s))]
    placed = [one for piece, at_s in zip(pieces, arrivals_s, strict=True) for one in clock.push(piece, arrived_s=at_s)]
    placed += clock.flush()
    assert [samples[0] for _, samples in placed] == list(range(len(pieces)))
    return [first_sample for first_sample, _ in placed]


@pytest.mark.parametrize("jitter_s", [0.0, 1.9])
def test_jittery_arrivals_make_no_gaps(jitter_s: float) -> None:
    clock = ArrivalClock(rate_hz=8_000, gap_after_s=2.0)
    arrivals_s = [0.5 + 0.02 * n + (jitter_s if n % 7 == 3 else 0.0) for n in range(100)]
    assert arrive(clock, arrivals_s) == [160 * n for n in range(100)]


@pytest.mark.parametrize("stall_s", [3.0, 8.0])
def test_a_line_that_stalls_and_then_gives_all_at_once_makes_no_gap(stall_s: float) -> None:
    clock = ArrivalClock(rate_hz=8_000, gap_after_s=2.0)
    spoken_s = [0.1 + 0.02 * (n + 1) for n in range(1000)]
    arrivals_s = [max(at_s, 2.0 + stall_s + 0.0001 * n) if at_s > 2.0 else at_s for n, at_s in enumerate(spoken_s)]
    assert arrive(clock, arrivals_s) == [160 * n for n in range(1000)]


def test_what_a_stalled_line_lost_is_a_gap() -> None:
    clock = ArrivalClock(rate_hz=8_000, gap_after_s=2.0)
    spoken_s = [0.02 * (n + 1) for n in range(500)]
    arrivals_s = [max(at_s, 8.0) if at_s > 1.0 else at_s for at_s in spoken_s if not 1.0 < at_s <= 6.0]
    places = arrive(clock, arrivals_s)
    assert places[:50] == [160 * n for n in range(50)]
    assert places[50:] == pytest.approx([48_000 + 160 * n for n in range(len(places) - 50)], abs=1)


def test_a_long_silence_on_the_line_is_a_gap() -> None:
    clock = ArrivalClock(rate_hz=8_000, gap_after_s=2.0)
    arrivals_s = [0.1 + 0.02 * (n + 1) + (10.0 if n >= 50 else 0.0) for n in range(100)]
    places = arrive(clock, arrivals_s)
    assert places[:50] == [160 * n for n in range(50)]
    assert places[50:] == pytest.approx([88_000 + 160 * n for n in range(50)], abs=1)


def test_single_pieces_between_long_silences_keep_their_times() -> None:
    clock = ArrivalClock(rate_hz=8_000, gap_after_s=2.0)
    assert arrive(clock, [0.02, 10.02, 20.02, 30.02]) == pytest.approx([0, 80_000, 160_000, 240_000], abs=1)


def test_a_leg_that_is_silent_at_first_is_heard_at_its_time() -> None:
    clock = ArrivalClock(rate_hz=8_000, gap_after_s=2.0)
    assert arrive(clock, [5.02, 5.04]) == pytest.approx([40_000, 40_160], abs=1)


def test_audio_is_held_back_for_a_moment_only() -> None:
    clock = ArrivalClock(rate_hz=8_000, gap_after_s=2.0)
    clock.push(np.zeros(160, dtype=np.float32), arrived_s=0.02)
    held_s = [5.0 + 0.02 * n for n in range(20) if clock.push(np.zeros(160, np.float32), arrived_s=5.0 + 0.02 * n)]
    assert held_s[0] == pytest.approx(5.26)
    flood = [len(clock.push(np.zeros(16_000, np.float32), arrived_s=99.0)) for _ in range(10)]
    assert sum(flood) >= 5


def test_without_arrivals_or_without_a_limit_audio_is_contiguous() -> None:
    never = ArrivalClock(rate_hz=8_000, gap_after_s=None)
    assert arrive(never, [0.0, 99.0], n_samples=80) == [0, 80]
    untimed = ArrivalClock(rate_hz=8_000, gap_after_s=2.0)
    silence = np.zeros(80, dtype=np.float32)
    assert [untimed.push(silence, arrived_s=None)[0][0] for _ in range(2)] == [0, 80]

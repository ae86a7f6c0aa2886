"""Tokens become words with times, for any cut of the text into tokens; the weights are asked in `test_whisper`."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import synth
from voicepipe.speech.word_times import FRAME_S, SpokenWord, timed, words_of
from voicepipe.types import SAMPLE_RATE_HZ, Channel, CutBy, FloatArray, Utterance


def spelt(pieces: list[bytes]) -> list[SpokenWord]:
    """Return the words of tokens that stand for bytes, as Whisper's do."""
    return words_of(
        range(len(pieces)), decode=lambda tokens: b"".join(pieces[one] for one in tokens).decode(errors="replace")
    )


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ([" Good", " morn", "ing", ".", " I", "'m", " Ann", "."], ["Good", "morning.", "I'm", "Ann."]),
        ([" It", " costs", " $", "12", ",", "500", ".", "50"], ["It", "costs", "$12,500.50"]),
        ([" He", " said", ' "', "yes", '"', " (", "once", ")", "..."], ["He", "said", '"yes"', "(once)..."]),
        ([" —", " Да", ",", " я", " хо", "чу", "."], ["— Да,", "я", "хочу."]),
        ([" Wait", " ..."], ["Wait ..."]),
        (
            ["我", "的", "卡", "号", "是", "41", "11", "，", "谢谢", "！"],
            ["我", "的", "卡", "号", "是", "4111，", "谢谢！"],
        ),
        (["“", "是", "吗", "？”", "OK", "。"], ["“是", "吗？”", "OK。"]),
        (["カ", "ード", "、", "は", "い"], ["カード、", "は", "い"]),
        ([" ..."], ["..."]),
        ([], []),
    ],
)
def test_words_are_as_their_script_writes_them(pieces: list[str], words: list[str]) -> None:
    assert [one.text.strip() for one in spelt([piece.encode() for piece in pieces])] == words


def test_the_bytes_of_a_character_stay_together() -> None:
    text = "转人工𠮷 да"
    found = spelt([bytes([byte]) for byte in text.encode()])
    assert [one.text for one in found] == ["转", "人", "工", "𠮷 ", "да"]
    assert [(one.first_token, one.end_token) for one in found] == [(0, 3), (3, 6), (6, 9), (9, 14), (14, 18)]


@given(
    text=st.text(alphabet=st.sampled_from("ab Я你好カーส 4,.!?—“”()$é"), max_size=30),
    cuts=st.lists(st.integers(1, 6), min_size=1, max_size=40),
)
def test_no_byte_is_lost_or_torn_however_the_text_is_cut(text: str, cuts: list[int]) -> None:
    rest, pieces = text.encode(), []
    for size in itertools.cycle(cuts):
        if not rest:
            break
        pieces.append(rest[:size])
        rest = rest[size:]
    found = spelt(pieces)
    assert "".join(one.text for one in found) == text
    assert [one.first_token for one in found] + [len(pieces)] == [0] * bool(found) + [
        one.end_token for one in found
    ] + [len(pieces)] * (not found)


def test_bytes_that_are_no_text_are_kept_as_such() -> None:
    assert [one.text for one in spelt([b" so", b" \xe5\xa5", b" be", b" it", b"\xd0"])] == [
        " so",
        " \ufffd be",
        " it\ufffd",
    ]


def heard(samples: FloatArray, *, start_s: float = 0.0) -> Utterance:
    duration_s = len(samples) / SAMPLE_RATE_HZ
    return Utterance(
        call_id="call",
        channel=Channel.CALLER,
        index=0,
        start_s=start_s,
        end_s=start_s + duration_s,
        samples=samples,
        cut_by=CutBy.SILENCE,
        speech_prob=0.9,
        speech_s=duration_s,
        decided_s=start_s + duration_s,
    )


def test_pauses_and_padding_belong_to_no_word() -> None:
    """Two beeps of half a second in two seconds; the alignment shares out all of it."""
    samples = synth.beep(2.0, rate_hz=SAMPLE_RATE_HZ, at_s=0.2, length_s=0.5)
    samples += synth.beep(2.0, rate_hz=SAMPLE_RATE_HZ, at_s=1.2, length_s=0.5)
    samples += synth.noise(2.0, rate_hz=SAMPLE_RATE_HZ, amplitude=0.001)
    path = [*((0, frame) for frame in range(50)), *((1, frame) for frame in range(50, 100)), (2, 99)]
    words = [SpokenWord(" one", 0, 1, [0]), SpokenWord(" two", 1, 2, [1])]
    one, two = timed(words, path=path, probs=[0.5, 0.25], utterance=heard(samples, start_s=10.0))
    assert (one.text, two.text) == ("one", "two")
    assert (one.start_s, one.end_s) == pytest.approx((10.2, 10.7))
    assert (two.start_s, two.end_s) == pytest.approx((11.2, 11.7))
    assert (one.prob, two.prob) == pytest.approx((0.5, 0.25))


def test_the_probability_is_that_of_the_letters() -> None:
    words = [SpokenWord(" forty.", 0, 3, [0, 1])]
    samples = synth.tone(0.1, rate_hz=SAMPLE_RATE_HZ)
    path = [(0, 0), (1, 1), (2, 2), (3, 4)]
    (word,) = timed(words, path=path, probs=[0.9, 0.4, 0.01], utterance=heard(samples))
    assert word.prob == pytest.approx(0.6)


@given(
    steps=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=80),
    n_samples=st.integers(1, 40_000),
    level=st.sampled_from([0.0, 0.001, 0.5, float("nan")]),
)
def test_times_are_in_order_and_within_the_utterance(
    steps: list[tuple[bool, bool]], n_samples: int, level: float
) -> None:
    last = -(-n_samples // round(FRAME_S * SAMPLE_RATE_HZ)) - 1
    path = [(0, 0)]
    for down, right in steps:
        path.append((path[-1][0] + down, min(path[-1][1] + right, last)))
    n_tokens = path[-1][0]
    words = [SpokenWord(f" {at}", at, at + 1, [at]) for at in range(n_tokens)]
    noisy = synth.noise(n_samples / SAMPLE_RATE_HZ, rate_hz=SAMPLE_RATE_HZ, amplitude=1.0) * np.float32(level)
    utterance = heard(noisy.astype(np.float32), start_s=7.25)
    found = timed(words, path=path, probs=[0.0] * n_tokens, utterance=utterance)
    times_s = [time_s for word in found for time_s in (word.start_s, word.end_s)]
    assert len(found) == n_tokens
    assert times_s == sorted(times_s)
    assert all(utterance.start_s <= time_s <= utterance.end_s for time_s in times_s)
    assert all(0.0 < word.prob <= 1.0 for word in found)

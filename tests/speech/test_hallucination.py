"""Guards against text that nobody said."""

import doctest

import pytest

from voicepipe.speech import hallucination
from voicepipe.speech.hallucination import GuardConfig, compression_ratio, rejecting_guard, spoken_units


def guard(
    text: str,
    *,
    tokens: list[int] | None = None,
    ended: bool = True,
    avg_logprob: float = -0.4,
    no_speech_prob: float = 0.05,
    speech_prob: float = 0.8,
    speech_s: float = 4.0,
) -> str | None:
    return rejecting_guard(
        text,
        tokens=list(range(len(text.split()))) if tokens is None else tokens,
        ended=ended,
        avg_logprob=avg_logprob,
        no_speech_prob=no_speech_prob,
        speech_prob=speech_prob,
        speech_s=speech_s,
        config=GuardConfig(),
    )


@pytest.mark.parametrize(
    "text",
    [
        "I would like to speak to your manager, please.",
        "Thank you for watching.",
        "No, no, no, no, no!",
        "Hello? Hello? Hello?",
        "Я уже третий раз вам звоню по этому вопросу.",
        "我已经打了三次电话了，没有人回答我。",
        "Yes.",
        "4 1 1 7 0 0 9 2 3 5 8 1",
        "",
    ],
)
def test_what_people_say_passes(text: str) -> None:
    assert guard(text) is None


def test_no_speech_needs_both_witnesses() -> None:
    assert guard("Thank you.", no_speech_prob=0.9, speech_prob=0.4) == "no_speech"
    assert guard("", no_speech_prob=0.9, speech_prob=0.4) == "no_speech"
    assert guard("Thank you.", no_speech_prob=0.9, speech_prob=0.9) is None
    assert guard("Thank you.", no_speech_prob=0.1, speech_prob=0.4) is None


def test_without_voice_activity_nothing_was_said() -> None:
    assert guard("Thank you.", no_speech_prob=0.0, speech_prob=0.02) == "no_speech"


@pytest.mark.parametrize("text", ["the end of the " * 12, "1." * 60, "我以为" * 30, "Спасибо. " * 25])
def test_loops_are_found_by_compression_in_any_script(text: str) -> None:
    assert compression_ratio(text) > 2.4
    assert guard(text, speech_s=60.0) == "compression"


def test_a_phrase_that_follows_itself_is_a_loop() -> None:
    phrase = [7, 8, 9, 10, 11]
    assert guard("a text", tokens=[1, 2, *phrase * 4, 3]) == "repetition"
    assert guard("a text", tokens=[1, 2, *phrase * 2, 3]) is None


def test_a_repeated_word_is_a_loop_only_if_the_decoder_found_no_end() -> None:
    tokens = [1, 2] + [9] * 6
    assert guard("a text", tokens=tokens, ended=True) is None
    assert guard("a text", tokens=tokens, ended=False) == "repetition"


@pytest.mark.parametrize(
    "text",
    [
        "This sentence is much too long for somebody to have said it in half a second of speech.",
        "这句话太长了没有人可以在半秒钟之内把它说完的真的不可以",
    ],
)
def test_faster_than_anybody_speaks(text: str) -> None:
    assert guard(text, speech_s=0.5) == "too_fast"
    assert guard(text, speech_s=6.0) is None


def test_a_guess_is_not_a_text() -> None:
    assert guard("Mumble.", avg_logprob=-1.5) == "low_logprob"


@pytest.mark.parametrize(("text", "units"), [("", 0.0), ("...!", 0.0), ("один", 1.6), ("12", 2.0), ("你好 abc", 3.2)])
def test_spoken_units(text: str, units: float) -> None:
    assert spoken_units(text) == pytest.approx(units)


def test_the_docstrings_examples_hold() -> None:
    assert doctest.testmod(hallucination).failed == 0

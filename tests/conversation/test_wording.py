import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conversation.dialogues import utterance
from voicepipe.conversation.wording import count_words, in_time, main_language, sentences
from voicepipe.types import Channel


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I don't know, really.", 4),
        ("it's $89.99 for two-way", 4),
        ("my card is [card] okay", 5),
        ("Мне не пришёл заказ", 4),
        ("我的退款没到账。", 7),
        ("扣了我 20 块", 5),
        ("... !", 0),
        ("", 0),
    ],
)
def test_words_are_counted_as_people_count_them(text: str, words: int) -> None:
    assert count_words(text) == words


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Hello. It costs 89.99, right? Yes!", ["Hello.", "It costs 89.99, right?", "Yes!"]),
        ("no punctuation at all here", ["no punctuation at all here"]),
        ("对。退款没到!什么时候?好", ["对。", "退款没到!", "什么时候?", "好"]),
        ("... hm ...", ["hm ..."]),
        ("", []),
    ],
)
def test_sentences(text: str, parts: list[str]) -> None:
    assert [sentence.text for sentence in sentences(utterance(Channel.CALLER, 0, 0.0, 5.0, text))] == parts


@given(st.text(max_size=200))
def test_a_sentence_is_a_substring_at_its_place(text: str) -> None:
    spoken = utterance(Channel.CALLER, 0, 0.0, 5.0, text)
    for sentence in sentences(spoken):
        assert text.strip()[sentence.start :].startswith(sentence.text)


def test_order_and_language() -> None:
    late = utterance(Channel.CALLER, 1, 5.0, 6.0, "nein", language="de")
    early = utterance(Channel.AGENT, 0, 1.0, 2.0, "good morning to you", language="en")
    assert in_time([late, early]) == (early, late)
    assert main_language([late, early]) == "en"
    assert main_language([utterance(Channel.CALLER, 0, 0.0, 1.0)]) is None

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conversation.dialogues import utterance
from voicepipe.conversation.wording import count_words, in_time, main_language, sentences, tokens
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
        ("नमस्ते मेरा नाम राहुल है", 5),
        ("নমস্কার আমার নাম রাহুল", 4),
        ("வணக்கம் என் பெயர் குமார்", 4),
        ("اَلسَّلامُ عَلَيْكُم می\u200cخواهم", 3),
        ("cafe\u0301 fermé", 2),
        ("สวัสดีครับ", 7),
        ("ສະບາຍດີ", 6),
        ("សួស្តី", 3),
        ("မင်္ဂလာပါ 20", 6),
        ("スーパー・マーケット", 9),
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


@pytest.mark.parametrize("text", ["मेरा नाम राहुल है", "สวัสดีครับผมชื่อ", "នំប៉័ង", "ကျွန်တော်"])
def test_no_sign_is_torn_off_its_letter(text: str) -> None:
    ends = {end for match in tokens(text) for end in match.span()}
    assert not [end for end in ends if unicodedata.category(text[end : end + 1] or " ")[0] == "M"]


def test_order_and_language() -> None:
    late = utterance(Channel.CALLER, 1, 5.0, 6.0, "nein", language="de")
    early = utterance(Channel.AGENT, 0, 1.0, 2.0, "good morning to you", language="en")
    assert in_time([late, early]) == (early, late)
    assert main_language([late, early]) == "en"
    assert main_language([utterance(Channel.CALLER, 0, 0.0, 1.0)]) is None

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.speech.tokens import Tokenizer, words

TOKENIZER = Tokenizer(
    fillers=["uh", "you know", "э"], rewrites={"can't": "can not", "gonna": "going to", "转人公": "转人工"}
)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Give me an AGENT!", "give me an agent . "),
        ("I, uh, want", "i want "),
        ("so, uh I want", "so , i want "),
        ("you know, I want", "i want "),
        ("Can’t / cant / can't", "can not "),
        ("I'm gonna", "i'm going to "),
        ("I want... a person", "i want , a person "),
        ("wait…now", "wait , now "),
        ("really?! no", "really . no "),
        ("call-back - now", "call back , now "),
        ("“Agent”, he said", "agent , he said "),
        ("I I want I want to to speak", "i want to speak "),
        ("can I, can I please", "can i please "),
        ("no. No.", "no . no . "),
        ("4 4 1 1", "4 4 1 1 "),
        ("1,000.50 at 12:30", "1,000.50 at 12:30 "),
        ("Card [card], [date_of_birth].", "card [card] , [date_of_birth] . "),
        ("Ещё ёлка", "еще елка "),
        ("и\u0306од", "йод "),
        ("ＡＢＣ ﬁ", "abc fi "),
        ("請轉人工！謝謝。", "请 转 人 工 . 谢 谢 . "),
        ("我要转人公", "我 要 转 人 工 "),
        ("要refund吗", "要 refund 吗 "),
        ("", ""),
        (" ,.!", ""),
    ],
)
def test_plain_form(text: str, plain: str) -> None:
    assert TOKENIZER(text).text == plain


def test_repetitions_can_be_kept() -> None:
    assert Tokenizer(collapse=False)("no no no").text == "no no no "


def test_words_are_not_rewritten() -> None:
    assert words("I can't, uh") == ("i", "can't", "uh")


@given(st.text(alphabet=st.sampled_from("aAé’' ,.!-…ＡﬁйиЁ\u0306\u0301請转[card] \n1,2"), max_size=40))
def test_every_token_has_its_place_in_the_original(text: str) -> None:
    heard = TOKENIZER(text)
    assert len(heard.tokens) == len(heard.spans) == len(heard.starts) - 1 == len(heard.coded.codes) - 1
    assert all(0 <= start < end <= len(text) for start, end in heard.spans)
    assert all(one[0] <= other[0] for one, other in zip(heard.spans, heard.spans[1:], strict=False))
    assert heard.starts[-1] == len(heard.text)
    for token, start in zip(heard.tokens, heard.starts, strict=False):
        assert heard.text[start : start + len(token) + 1] == f"{token} "


@given(st.text(max_size=60))
def test_any_text_is_taken(text: str) -> None:
    heard = TOKENIZER(text)
    assert heard.original == text
    if heard.tokens:
        assert heard.quote(0, len(heard.text)) in text

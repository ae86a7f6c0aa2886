import pytest

from tests.conversation.dialogues import utterance
from voicepipe.conversation.cues import find_cues
from voicepipe.conversation.salience import amounts, clip, passages, request_score
from voicepipe.types import Channel


def _one(text: str, language: str = "en") -> list[str]:
    heard = [utterance(Channel.CALLER, 0, 0.0, 5.0, text, language=language)]
    return [quote.text for quote in amounts(heard, find_cues(heard))]


@pytest.mark.parametrize(
    ("text", "language", "found"),
    [
        ("You charged me $1,299.50 on Monday.", "en", ["$1,299.50"]),
        ("it's four hundred and twelve dollars now", "en", ["four hundred and twelve dollars"]),
        ("the fee is 75 euros or 20%", "en", ["75 euros", "20%"]),
        ("eighty nine dollars and ninety nine cents", "en", ["eighty nine dollars and ninety nine cents"]),
        ("I waited three weeks in room 12", "en", []),
        ("списали две тысячи рублей и ещё 300 руб", "ru", ["две тысячи рублей", "300 руб"]),
        ("ждал два часа", "ru", []),
        ("扣了我四百五十块钱,又扣20元", "zh", ["四百五十块钱", "20元"]),
        ("等了三个星期", "zh", []),
    ],
)
def test_sums_of_money(text: str, language: str, found: list[str]) -> None:
    assert sorted(_one(text, language)) == sorted(found)


def test_a_sum_is_named_once() -> None:
    assert _one("It was $20. Yes, $20.") == ["$20"]


def test_why_somebody_calls_scores_above_the_rest() -> None:
    heard = [
        utterance(Channel.CALLER, 0, 0.0, 3.0, "Hello, good morning."),
        utterance(Channel.CALLER, 1, 3.0, 6.0, "I'm calling because my washing machine leaks."),
        utterance(Channel.CALLER, 2, 6.0, 9.0, "I already told your colleague on Monday."),
        utterance(Channel.CALLER, 3, 9.0, 12.0, "I want to talk to a manager."),
        utterance(Channel.CALLER, 4, 12.0, 15.0, "Thank you so much for your help today."),
    ]
    scores = [request_score(p) for p in passages(heard, find_cues(heard))]
    assert max(scores) == scores[1]


def test_a_clip_begins_at_the_cue_and_is_a_substring() -> None:
    text = "well you see the thing is that yesterday in the evening I wanted to order two lamps for my mother in Leeds"
    heard = [utterance(Channel.CALLER, 0, 0.0, 9.0, text)]
    (passage,) = passages(heard, find_cues(heard))
    assert clip(passage, limit=8, kinds=("want",)).text == "I wanted to order two lamps for my"
    assert clip(passage, limit=8).text == "well you see the thing is that yesterday"
    assert clip(passage, limit=50).text == text

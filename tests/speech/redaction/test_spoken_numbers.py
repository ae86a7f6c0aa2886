"""Numbers as they are said."""

import pytest

from voicepipe.speech.redaction.lexicon import lexicon
from voicepipe.speech.redaction.spoken_numbers import read_atoms, read_runs


def digits_of(text: str, *, bridged: bool = False) -> list[str]:
    tokens = lexicon().read(text)
    return [run.digits for run in read_runs(tokens, read_atoms(tokens, lexicon()), bridged=bridged)]


@pytest.mark.parametrize(
    ("said", "digits"),
    [
        ("four one one one", ["4111"]),
        ("forty-one eleven", ["4111"]),
        ("double five treble oh, one", ["550001"]),
        ("three zeros and two fives", ["00055"]),
        ("four hundred and eleven", ["411"]),
        ("nineteen eighty four", ["1984"]),
        ("four thousand one hundred eleven", ["4111"]),
        ("oh seven seven uh double oh", ["07700"]),
        ("oh really", []),
        ("4111, 1111 - 1111.1111", ["4111111111111111"]),
        ("+44 (20) 7946", ["44207946"]),
        ("the 26th at 5pm", ["5"]),
        ("４１１１ ٤١١١", ["41114111"]),
        ("четыре один один один", ["4111"]),
        ("сорок один одиннадцать", ["4111"]),
        ("четыреста одиннадцать", ["411"]),
        ("восемь девятьсот шестнадцать сто двадцать три сорок пять шестьдесят семь", ["89161234567"]),
        ("четыре тысячи сто одиннадцать", ["4111"]),
        ("пять нулей, две двойки", ["0000022"]),
        ("трёх четырёх", ["34"]),
        ("四一一一", ["4111"]),
        ("幺三八，零〇两幺", ["1380021"]),
        ("一百二十三", ["123"]),
        ("三十", ["30"]),
        ("二十五万三千", ["253000"]),
        ("138幺二三四", ["1381234"]),
        ("room 12 or 14", ["12", "14"]),
        ("what? 4! no", ["4"]),
    ],
)
def test_digits(said: str, digits: list[str]) -> None:
    assert digits_of(said) == digits


def test_only_where_a_number_is_read_out_words_that_sound_like_digits_are_passed_over() -> None:
    assert digits_of("four one for one") == ["41", "1"]
    assert digits_of("four one for one", bridged=True) == ["411"]

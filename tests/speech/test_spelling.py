from zlib import crc32

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.speech.spelling import SpellingWeights, buckets, spelling, units
from voicepipe.speech.tokens import Tokenizer

BITS = 9
TOKENIZER = Tokenizer()
WEIGHTS = np.random.default_rng(5).normal(size=1 << BITS)


def cut(text: str) -> list[str]:
    return list(TOKENIZER(text).tokens)


def test_words_and_pairs_are_units() -> None:
    assert units(cut("my agent, please"), words_apart=True) == [
        ("my", 0), ("agent", 1), ("please", 3), ("my agent", 0), ("agent ", 1), (" please", 2),
    ]  # fmt: skip


def test_characters_in_a_row_are_units() -> None:
    found = [unit for unit, _ in units(cut("转人工"), words_apart=False)]
    assert found == ["转", "人", "工", "转人", "人工", "转人工"]


def test_numbers_are_alike_and_marks_are_no_words() -> None:
    assert units(cut("agent 42"), words_apart=True) == units(cut("agent 17"), words_apart=True)
    assert all("card" not in unit for unit, _ in units(cut("agent [card]"), words_apart=True))


def test_a_word_has_the_buckets_of_its_letters_too() -> None:
    assert spelling("at", words_apart=True, bits=BITS) == buckets(["at", " at", "at ", " at "], bits=BITS)
    assert spelling("an agent", words_apart=True, bits=BITS) == buckets(["an agent"], bits=BITS)
    assert spelling("人工", words_apart=False, bits=BITS) == buckets(["人工"], bits=BITS)


def test_buckets_are_the_lowest_bits_of_a_hash() -> None:
    assert buckets(["representative"], bits=16) == [crc32(b"representative") & 0xFFFF]
    assert buckets(["representative"], bits=15) == [crc32(b"representative") & 0x7FFF]


@pytest.mark.parametrize("words_apart", [True, False])
@given(text=st.text(alphabet=st.sampled_from("an eagt' ,.!-12[card]转人工я"), max_size=40))
def test_a_text_weighs_what_its_units_weigh(text: str, words_apart: bool) -> None:
    tokens = cut(text)
    found = SpellingWeights(WEIGHTS, words_apart=words_apart).weigh(tokens)
    expected = [
        (first, spelling(unit, words_apart=words_apart, bits=BITS))
        for unit, first in units(tokens, words_apart=words_apart)
    ]
    assert found.firsts == [first for first, _ in expected]
    assert found.weights == [sum([WEIGHTS[one] for one in mine]) for _, mine in expected]
    assert found.size == sum(len(mine) for _, mine in expected)


def test_a_pair_without_a_word_has_a_bucket() -> None:
    found = SpellingWeights(WEIGHTS, words_apart=True).weigh(["[card]", ","])
    assert found == ([0], [WEIGHTS[crc32(b" ") & ((1 << BITS) - 1)]], 1)

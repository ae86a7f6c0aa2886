import pytest

from voicepipe.speech.intent import load_book
from voicepipe.speech.intent_patterns import read_patterns
from voicepipe.speech.phrases import PhraseBook


@pytest.fixture(scope="module")
def english() -> PhraseBook:
    return load_book("en", with_concepts=True)


def read(book: PhraseBook, text: str) -> dict[str, int]:
    patterns = read_patterns(book, book.tokenizer(text))
    assert patterns is not None
    return patterns


def test_concepts_stand_for_their_words(english: PhraseBook) -> None:
    one = read(english, "give me a nurse")
    other = read(english, "give me a solicitor")
    assert one == other
    assert "P:role" in one


def test_order_counts_within_a_sentence_only(english: PhraseBook) -> None:
    assert "O:transfer>role" in read(english, "connect me, the nurse")
    assert "O:role>transfer" not in read(english, "connect me, the nurse")
    assert "O:transfer>role" not in read(english, "connect me. The nurse")


def test_a_question_is_told_by_its_mark(english: PhraseBook) -> None:
    assert "?" in read(english, "an agent?")
    assert "?" not in read(english, "an agent")


@pytest.mark.parametrize("text", ["", "...", "the parcel came on Tuesday", "[name]"])
def test_no_patterns_without_a_target(english: PhraseBook, text: str) -> None:
    assert read_patterns(english, english.tokenizer(text)) is None

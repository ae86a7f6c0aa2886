import pytest

from voicepipe.speech.intent import load_book
from voicepipe.speech.intent_pieces import HASH_BITS, Pieces, bucket, read_pieces, spelling
from voicepipe.speech.phrases import PhraseBook


@pytest.fixture(scope="module")
def english() -> PhraseBook:
    return load_book("en", with_concepts=True)


def read(book: PhraseBook, text: str) -> Pieces:
    pieces = read_pieces(book, book.tokenizer(text))
    assert pieces is not None
    return pieces


def test_concepts_stand_for_their_words(english: PhraseBook) -> None:
    one = read(english, "give me a nurse").patterns
    other = read(english, "give me a solicitor").patterns
    assert one == other
    assert "P:role" in one


def test_order_counts_within_a_sentence_only(english: PhraseBook) -> None:
    assert "O:transfer>role" in read(english, "connect me, the nurse").patterns
    assert "O:role>transfer" not in read(english, "connect me, the nurse").patterns
    assert "O:transfer>role" not in read(english, "connect me. The nurse").patterns


def test_numbers_are_alike_and_marks_are_no_words(english: PhraseBook) -> None:
    assert read(english, "agent 42").units == read(english, "agent 17").units
    assert all("card" not in unit for unit, _ in read(english, "agent [card]").units)


def test_a_question_is_told_by_its_mark(english: PhraseBook) -> None:
    assert "?" in read(english, "an agent?").patterns
    assert "?" not in read(english, "an agent").patterns


@pytest.mark.parametrize("text", ["", "...", "the parcel came on Tuesday", "[name]"])
def test_no_pieces_without_a_target(english: PhraseBook, text: str) -> None:
    assert read_pieces(english, english.tokenizer(text)) is None


def test_chinese_units_are_sequences_of_characters() -> None:
    units = [unit for unit, _ in read(load_book("zh", with_concepts=True), "转人工").units]
    assert units == ["转", "人", "工", "转人", "人工", "转人工"]


def test_spelling_of_words_and_pairs() -> None:
    assert spelling("agent", words_apart=True)[0] == bucket("agent")
    assert len(spelling("at", words_apart=True)) == 4
    assert spelling("an agent", words_apart=True) == (bucket("an agent"),)
    assert spelling("人工", words_apart=False) == (bucket("人工"),)
    assert all(0 <= one < 1 << HASH_BITS for one in spelling("representative", words_apart=True))

"""Which numbers were said in full."""

import pytest

from voicepipe.speech.redaction.kinds import Kind
from voicepipe.speech.redaction.said import Said


@pytest.mark.parametrize(
    ("kind", "pieces", "whole"),
    [
        (Kind.CARD, ["4000", "0566", "5566", "5556"], True),
        (Kind.CARD, ["4000", "0566", "5566", "5557"], False),
        (Kind.CARD, ["4000056655665557"], True),
        (Kind.CARD, ["4000", "0566"], False),
        (Kind.PHONE, ["8999", "000", "11", "22"], True),
        (Kind.PHONE, ["8999", "000", "11"], False),
        (Kind.PHONE, ["2025550143"], True),
        (Kind.ID, ["112", "233", "445"], False),
        (Kind.ID, ["112", "233", "445", "95"], True),
        (Kind.CODE, ["4821"], False),
    ],
)
def test_a_number_is_whole_by_its_length_or_its_check_digits(kind: Kind, pieces: list[str], whole: bool) -> None:
    said = Said()
    for piece in pieces:
        assert said.hear(kind, piece, by="caller", han=False)
    assert said.is_whole(kind) is whole


def test_chinese_identity_numbers_are_longer() -> None:
    said = Said()
    said.hear(Kind.ID, "110105194", by="caller", han=True)
    assert not said.is_whole(Kind.ID)
    said.hear(Kind.ID, "912310021", by="caller", han=True)
    assert said.is_whole(Kind.ID)


def test_what_the_other_side_reads_back_is_not_new() -> None:
    said = Said()
    said.hear(Kind.CARD, "4000", by="caller", han=False)
    assert not said.hear(Kind.CARD, "4000", by="agent", han=False)
    assert said.hear(Kind.CARD, "4000", by="caller", han=False)


def test_a_repetition_is_known_with_an_error_in_it() -> None:
    said = Said()
    said.hear(Kind.PHONE, "07700900318", by="caller", han=False)
    assert said.repeats("0318") == Kind.PHONE
    assert said.repeats("0381") == Kind.PHONE
    assert said.repeats("07700900319") == Kind.PHONE
    assert said.repeats("0500") is None
    assert said.repeats("31", fewest=2) is None
    said.correct(Kind.PHONE, "31")
    assert said.repeats("31", fewest=2) == Kind.PHONE


def test_a_copy_stands_alone_and_what_is_no_longer_expected_is_forgotten() -> None:
    said = Said()
    said.hear(Kind.CARD, "4000056655665556", by="caller", han=False)
    other = said.copy()
    said.keep([Kind.PHONE])
    assert said.repeats("5556") is None
    assert not said.is_whole(Kind.CARD)
    assert other.repeats("5556") == Kind.CARD
    assert "5556" not in repr(other)

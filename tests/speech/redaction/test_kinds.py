"""Check digits and kinds of numbers; all numbers are published examples."""

import pytest

from voicepipe.speech.redaction.kinds import (
    MARK,
    Kind,
    chinese_id_holds,
    find_ibans,
    iban_holds,
    inn_holds,
    is_service_line,
    kind_of_number,
    luhn_holds,
    mark,
    snils_holds,
)


def test_check_digits_hold_for_the_published_examples_and_for_no_neighbour() -> None:
    for holds, number in [
        (luhn_holds, "4111111111111111"),
        (iban_holds, "GB82WEST12345698765432"),
        (iban_holds, "DE89370400440532013000"),
        (chinese_id_holds, "11010519491231002X"),
        (snils_holds, "11223344595"),
        (inn_holds, "500100732259"),
        (inn_holds, "7707083893"),
    ]:
        assert holds(number)
        place = len(number) - 2
        changed = str((int(number[place]) + 1) % 10)
        assert not holds(number[:place] + changed + number[place + 1 :])


@pytest.mark.parametrize("number", ["", "1", "12345678901234567890"])
def test_numbers_of_other_lengths_are_none_of_them(number: str) -> None:
    assert not any(holds(number) for holds in (iban_holds, chinese_id_holds, snils_holds, inn_holds))


@pytest.mark.parametrize(
    ("digits", "written", "hint", "kind"),
    [
        ("4111111111111111", "4111 1111 1111 1111", None, Kind.CARD),
        ("4111111111111112", "4111 1111 1111 1112", None, Kind.NUMBER),
        ("4111111111111112", "4111 1111 1111 1112", Kind.CARD, Kind.CARD),
        ("4111111111111112", "4111 1111 1111 1112", Kind.PHONE, Kind.CARD),
        ("11010519491231002X"[:17] + "0", "", Kind.ID, Kind.ID),
        ("078051120", "078-05-1120", None, Kind.ID),
        ("89990001122", "8 999 000-11-22", None, Kind.PHONE),
        ("2025550143", "202-555-0143", None, Kind.PHONE),
        ("442079460958", "+44 20 7946 0958", None, Kind.PHONE),
        ("13800138000", "13800138000", None, Kind.PHONE),
        ("88213476", "88213476", None, Kind.NUMBER),
        ("88213476", "88213476", Kind.ACCOUNT, Kind.ACCOUNT),
        ("4821", "4821", Kind.CODE, Kind.CODE),
    ],
)
def test_kind_of_number(digits: str, written: str, hint: Kind | None, kind: Kind) -> None:
    assert kind_of_number(digits, written=written, hint=hint) is kind


def test_service_lines_are_public() -> None:
    assert all(is_service_line(digits) for digits in ("88005553535", "18005550199", "08001111111", "4008100000"))
    assert not any(is_service_line(digits) for digits in ("89990001122", "2025550143", "07700900461"))


def test_an_iban_ends_where_its_check_digits_hold() -> None:
    text = "GB82 WEST 1234 5698 7654 32 and so on"
    assert [text[one.start : one.end] for one in find_ibans(text, announced=False)] == ["GB82 WEST 1234 5698 7654 32"]
    wrong = "GB82 WEST 1234 5698 7654 33"
    assert find_ibans(wrong, announced=False) == []
    assert len(find_ibans(wrong, announced=True)) == 1


def test_every_kind_has_a_mark() -> None:
    assert all(MARK.fullmatch(mark(kind)) for kind in Kind)

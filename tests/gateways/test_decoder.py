from typing import Any

import pytest

from tests.gateways.dialogue import make_decoder
from voicepipe.gateways.decoder import FaultError, parse_object, whole_number
from voicepipe.types import CallEnded


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (7, 7),
        ("7", 7),
        (" -7 ", -7),
        (7.9, 7),
        ("", None),
        ("7.5", None),
        ("--7", None),
        ("٧", None),
        ("9" * 5000, None),
        (2**53, None),
        (float("nan"), None),
        (float("inf"), None),
        (True, None),
        (None, None),
        ([1], None),
    ],
)
def test_whole_numbers_come_as_numbers_and_as_strings(value: Any, number: int | None) -> None:
    assert whole_number(value) == number


@pytest.mark.parametrize("text", ["", "{", "[]", "1", "null", '"x"', "[" * 100_000, '{"a": ' + "9" * 5000 + "}"])
def test_only_an_object_is_an_object(text: str) -> None:
    with pytest.raises(FaultError):
        parse_object(text)


def test_hanging_up_closes_in_order() -> None:
    decoder = make_decoder("l16")
    decoder.feed('{"call_id": "c"}')
    decoder.hang_up("идёт перезапуск " * 20)
    assert decoder.closing is not None
    assert decoder.closing.code == 1000
    assert len(decoder.closing.reason.encode()) <= 123
    assert decoder.feed(b"\0\0") == []
    assert [event.reason for event in decoder.end() if isinstance(event, CallEnded)] == ["hung_up"]

import pytest

from voicepipe.gateways.identity import CallIdentity, FieldMap, identify
from voicepipe.types import Channel

FIELDS = FieldMap(
    call_id=("custom.id", "query.id"),
    queue=("custom.deep.queue", "=overflow"),
    agent_id=("header.x-agent",),
    language=("custom.lang",),
    consent=("custom.consent",),
    channel=("query.who",),
    channels=("query.all",),
)


def test_the_first_place_that_is_filled_counts() -> None:
    sources = {
        "custom": {"id": "  ", "deep": {"queue": 17}, "lang": "pt_BR", "consent": True},
        "query": {"id": "q\n1", "who": "Customer", "all": "external, internal,?"},
        "header": {"x-agent": "ann"},
    }
    assert identify(sources, fields=FIELDS) == CallIdentity(
        call_id="q1",
        channel=Channel.CALLER,
        channels=(Channel.CALLER, Channel.AGENT),
        agent_id="ann",
        queue="17",
        language="pt",
        consent=None,
    )


def test_a_fixed_value_is_the_last_resort() -> None:
    identity = identify({}, fields=FIELDS, call_id="given")
    assert identity == CallIdentity(call_id="given", queue="overflow")
    assert identify({}, fields=FIELDS) is None


@pytest.mark.parametrize("value", [None, "", " ", True, 1.5, [], {}, "\ud800\x00", 2**70])
def test_what_is_no_text_names_no_call(value: object) -> None:
    assert identify({"custom": {"id": value}}, fields=FIELDS) is None


def test_long_values_are_cut() -> None:
    identity = identify({"custom": {"id": "x" * 1000}}, fields=FIELDS)
    assert identity is not None
    assert len(identity.call_id) == 256


@pytest.mark.parametrize("text", ["english", "e", "12", "éé", "=", ""])
def test_a_language_is_a_code_of_two_letters(text: str) -> None:
    identity = identify({"custom": {"id": "1", "lang": text}}, fields=FIELDS)
    assert identity is not None
    assert identity.language is None

"""Whatever comes, a decoder raises `GatewayProtocolError` or nothing, keeps its grammar and stays small."""

import json
import sys
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateways.dialogue import LIMITS, SESSIONS, make_decoder, play, read_session
from voicepipe.gateways.decoder import Decoder, DecoderLimits
from voicepipe.types import AudioChunk, CallEnded, CallStarted, GatewayProtocolError

PROTOCOLS = ["twilio", "audiohook", "audiosocket", "l16"]

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["", "0", "1", "-1", "1e9", "inbound", "both_tracks", "audio/x-l16;rate=16000", "PT1S", "2", "AAAA"]
    ),
    st.sampled_from([2**63, -(2**63), 1e308, 10**30, "\ud800", "9" * 5000]),
)
anything = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner))
sessions = {
    protocol: [path for path in sorted(SESSIONS.glob("*.json")) if json.loads(path.read_text())["protocol"] == protocol]
    for protocol in PROTOCOLS
}


@st.composite
def mutated_session(draw: st.DrawFn, protocol: str) -> tuple[Decoder, list[str | bytes]]:
    """Draw a recorded session with messages dropped, repeated, swapped, cut, or with a value replaced."""
    decoder, messages, _ = read_session(draw(st.sampled_from(sessions[protocol])))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(messages) - 1))
        match draw(st.sampled_from(["drop", "repeat", "swap", "cut", "replace", "insert"])):
            case "drop" if len(messages) > 1:
                del messages[at]
            case "repeat":
                messages[at:at] = [messages[at]] * draw(st.integers(1, 30))
            case "swap":
                messages[at], messages[-1] = messages[-1], messages[at]
            case "cut":
                messages[at] = messages[at][: draw(st.integers(0, 40))]
            case "replace":
                messages[at] = _with_value_replaced(draw, messages[at])
            case _:
                messages.insert(
                    at, draw(st.one_of(st.text(max_size=50), st.binary(max_size=50), anything.map(json.dumps)))
                )
    return decoder, messages


def _with_value_replaced(draw: st.DrawFn, message: str | bytes) -> str | bytes:
    if isinstance(message, bytes) or not message.startswith("{"):
        return message
    try:
        content = json.loads(message)
    except ValueError:
        return message
    place: Any = content
    while isinstance(place, dict) and place:
        name = draw(st.sampled_from(sorted(place)))
        if not isinstance(place[name], dict) or draw(st.booleans()):
            place[name] = draw(anything)
            break
        place = place[name]
    return json.dumps(content)


def check_grammar(decoder: Decoder, messages: list[str | bytes]) -> None:
    outcome = play(decoder, messages, code=1006)
    kinds = [type(event) for event in outcome.events]
    assert kinds.count(CallStarted) <= 1
    assert kinds.count(CallEnded) == kinds.count(CallStarted)
    if kinds:
        assert kinds[0] is CallStarted
        assert kinds[-1] is CallEnded
    for event in outcome.events:
        if isinstance(event, AudioChunk):
            assert event.channel in decoder.channels
            assert event.samples.dtype == np.float32
            assert event.samples.ndim == 1
            assert np.abs(event.samples).max(initial=0.0) <= 1.0
            assert isinstance(event.first_sample, int)
            assert 8_000 <= event.sample_rate_hz <= 192_000
    if outcome.error:
        assert decoder.closing is not None
        assert decoder.closing.code != 1000
        assert len(decoder.closing.reason.encode()) <= 123
    assert decoder.feed("{}") == []
    assert decoder.feed(b"\0" * 9) == []
    assert decoder.end() == []
    for reply in outcome.replies:
        assert len(reply) <= 65_535
    sent = [answer["seq"] for answer in outcome.answers]
    assert sent == list(range(1, len(sent) + 1))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@settings(max_examples=80, deadline=None)
@given(
    messages=st.lists(st.one_of(st.text(max_size=80), st.binary(max_size=80), anything.map(json.dumps)), max_size=12)
)
def test_noise_does_no_harm(protocol: str, messages: list[str | bytes]) -> None:
    check_grammar(make_decoder(protocol), messages)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_damaged_session_does_no_harm(protocol: str) -> None:
    @settings(max_examples=100, deadline=None)
    @given(session=mutated_session(protocol))
    def check(session: tuple[Decoder, list[str | bytes]]) -> None:
        check_grammar(*session)

    check()


@pytest.mark.parametrize(
    "text", ["[" * 60_000, '{"a":' * 10_000, "9" * 60_000, '{"event":"start","start":{"x":' + "9" * 5000 + "}}"]
)
@pytest.mark.parametrize("protocol", ["twilio", "audiohook"])
def test_json_that_breaks_parsers_is_refused(protocol: str, text: str) -> None:
    outcome = play(make_decoder(protocol), [text])
    assert outcome.error is not None
    assert outcome.events == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_message_above_the_limit_is_refused(protocol: str) -> None:
    decoder = make_decoder(protocol, limits=DecoderLimits(message_bytes=2048))
    with pytest.raises(GatewayProtocolError, match="2049 bytes came; 2048 is the most"):
        decoder.feed(b"\x01" * 2049)
    assert decoder.closing is not None
    assert decoder.closing.code == 1009


def _media_forever(seq: int) -> str:
    return json.dumps(
        {"event": "media", "sequenceNumber": seq * 2, "media": {"timestamp": seq * 20, "payload": "/" * 216}}
    )


START = json.dumps({"event": "start", "start": {"callSid": "CA1"}})
TWILIO_START = json.dumps({"event": "start", "start": {"callSid": "CA1", "tracks": ["inbound"]}})
UUID_FRAME = bytes.fromhex("010010" + "40325ec25efd4bd3805f53576e581d13")


@pytest.mark.parametrize(
    ("protocol", "before", "message", "times"),
    [
        ("twilio", [], json.dumps({"event": "media", "media": {"payload": "////"}}), 20_000),
        ("twilio", [], json.dumps({"event": "connected"}), 20_000),
        ("twilio", [TWILIO_START], "every second number is missing", 20_000),
        ("twilio", [TWILIO_START], json.dumps({"event": "media", "sequenceNumber": 4, "media": {"payload": "A"}}), 500),
        ("audiohook", [], "", 100),
        ("audiosocket", [], b"\x10", 80_000),
        ("audiosocket", [UUID_FRAME], b"\x10\xff\xff" + b"\x01" * 1000, 5_000),
        ("audiosocket", [UUID_FRAME], b"\x77\x00\x00" * 100, 5_000),
        ("l16", [], b"", 50_000),
        ("l16", ["call-1"], b"\x01", 500),
        ("l16", ["call-1"], '{"event": "dtmf"}', 20_000),
    ],
)
def test_a_decoder_stays_small(protocol: str, before: list[str | bytes], message: str | bytes, times: int) -> None:
    decoder = make_decoder(protocol, config={"accept_unknown": True} if protocol == "audiosocket" else None)
    for opening in before:
        decoder.feed(opening)
    for number in range(times):
        try:
            decoder.feed(_media_forever(number) if message == "every second number is missing" else message)
        except GatewayProtocolError:
            break
    assert deep_size(decoder) < 1_000_000
    assert len(decoder.replies()) <= 256


def test_a_peer_that_does_not_read_is_cut_off() -> None:
    decoder, messages, _ = read_session(SESSIONS / "audiohook_stereo.json")
    decoder.feed(messages[0])
    ping = json.loads(str(messages[2]))
    for number in range(LIMITS.replies - 1):
        decoder.feed(json.dumps(ping | {"seq": number + 2}))
    with pytest.raises(GatewayProtocolError, match="does not read"):
        decoder.feed(json.dumps(ping | {"seq": LIMITS.replies + 1}))
    assert [json.loads(reply)["type"] for reply in decoder.replies()] == ["disconnect"]
    assert decoder.closing is not None


def deep_size(thing: object, *, seen: set[int] | None = None) -> int:
    """Return the bytes that an object holds on to."""
    seen = set() if seen is None else seen
    if id(thing) in seen or isinstance(thing, type):
        return 0
    seen.add(id(thing))
    size = sys.getsizeof(thing)
    if isinstance(thing, Mapping):
        size += sum(deep_size(key, seen=seen) + deep_size(value, seen=seen) for key, value in thing.items())
    elif isinstance(thing, list | tuple | set | deque):
        size += sum(deep_size(item, seen=seen) for item in thing)
    for name in (*getattr(thing, "__dict__", ()), *getattr(thing, "__slots__", ())):
        size += deep_size(getattr(thing, name, None), seen=seen)
    return size

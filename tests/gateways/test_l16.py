import json
from typing import Any

import numpy as np
import pytest

from tests.gateways.dialogue import make_decoder, play
from voicepipe.gateways.decoder import DecoderLimits, Handshake
from voicepipe.gateways.l16 import L16Config, choose_subprotocol
from voicepipe.types import Channel, Roles

STEREO = np.stack([np.full(160, 100), np.full(160, -200)], axis=1).astype("<i2").tobytes()
MONO = np.full(160, 300, dtype="<i2").tobytes()


def hello(**metadata: Any) -> str:
    return json.dumps({"call_id": "call-1"} | metadata)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([], None),
        (["audio.drachtio.org"], "audio.drachtio.org"),
        (["chat", "audio.jambonz.org"], "audio.jambonz.org"),
        (["media"], "media"),
        (["chat"], None),
    ],
)
def test_a_subprotocol_is_optional(offered: list[str], chosen: str | None) -> None:
    assert choose_subprotocol(offered, accepted=L16Config().subprotocols) == chosen


@pytest.mark.parametrize(
    ("config", "metadata", "channels", "roles"),
    [
        ({}, {"mixType": "stereo"}, "caller agent", Roles.ASSUMED),
        ({}, {"channels": 2}, "caller agent", Roles.ASSUMED),
        ({"mix": "stereo", "caller_side": "left"}, {}, "caller agent", Roles.GIVEN),
        ({"caller_side": "right"}, {"mix": "stereo"}, "agent caller", Roles.GIVEN),
        ({}, {"mix": "stereo", "channel_role": "agent"}, "agent caller", Roles.GIVEN),
        ({}, {}, "mixed", Roles.UNKNOWN),
        ({}, {"mixType": "mixed"}, "mixed", Roles.UNKNOWN),
        ({}, {"mixType": "mono"}, "caller", Roles.ASSUMED),
        ({"mix": "mono"}, {"channel_role": "agent"}, "agent", Roles.GIVEN),
        ({"mix": "mono"}, {"channel_role": "mixed"}, "mixed", Roles.UNKNOWN),
        ({"mix": "stereo"}, {"mixType": "mono"}, "caller", Roles.ASSUMED),
    ],
)
def test_whose_voice_is_where(config: dict[str, Any], metadata: dict[str, Any], channels: str, roles: Roles) -> None:
    call = play(make_decoder("l16", config=config), [hello(**metadata)]).started[0].call
    assert " ".join(call.channels) == channels
    assert call.roles is roles


def test_stereo_is_taken_apart() -> None:
    left, right = play(make_decoder("l16"), [hello(mixType="stereo"), STEREO]).chunks
    assert (left.channel, right.channel) == (Channel.CALLER, Channel.AGENT)
    np.testing.assert_array_equal(left.samples, np.full(160, 100 / 32768, np.float32))
    np.testing.assert_array_equal(right.samples, np.full(160, -200 / 32768, np.float32))


@pytest.mark.parametrize(
    ("metadata", "rate_hz"),
    [
        ({"sampleRate": 16000}, 16_000),
        ({"sample_rate": "24000"}, 24_000),
        ({"rate": "16k"}, 16_000),
        ({"content-type": "audio/l16;rate=24000"}, 24_000),
        ({"content-type": "audio/L16"}, 8_000),
        ({}, 8_000),
    ],
)
def test_the_rate_is_in_the_metadata(metadata: dict[str, Any], rate_hz: int) -> None:
    assert play(make_decoder("l16"), [hello(**metadata), MONO]).chunks[0].sample_rate_hz == rate_hz


@pytest.mark.parametrize(
    "metadata",
    [
        {"sampleRate": 4000},
        {"sampleRate": "fast"},
        {"content-type": "audio/opus;rate=48000"},
        {"event": "MEDIA_START", "format": "opus"},
        {"event": "MEDIA_START", "format": ["ulaw"]},
        {"event": "MEDIA_START"},
    ],
)
def test_audio_that_cannot_be_read_is_refused(metadata: dict[str, Any]) -> None:
    decoder = make_decoder("l16")
    outcome = play(decoder, [hello(**metadata), MONO])
    assert outcome.error is not None
    assert outcome.events == []
    assert decoder.closing is not None
    assert decoder.closing.code == 1003


@pytest.mark.parametrize(("name", "first"), [("ulaw", -32124), ("alaw", -5504), ("slin", 0)])
def test_asterisk_formats(name: str, first: int) -> None:
    (chunk,) = play(make_decoder("l16"), [f"MEDIA_START channel_id:1.2 format:{name} ptime:20", b"\x00" * 160]).chunks
    assert chunk.samples[0] * 32768 == first
    assert chunk.sample_rate_hz == 8_000


def test_big_endian_is_a_setting() -> None:
    (chunk,) = play(make_decoder("l16", config={"byte_order": "big"}), [hello(), b"\x01\x00" * 10]).chunks
    assert chunk.samples[0] * 32768 == 256


def test_metadata_that_come_too_late_do_not_rename_the_call() -> None:
    decoder = make_decoder("l16", config={"metadata_wait_bytes": 640})
    outcome = play(decoder, [MONO, MONO, MONO, hello(), MONO], code=1000)
    assert outcome.started[0].call.call_id == "connection-7"
    assert [chunk.first_sample for chunk in outcome.chunks] == [0, 160, 320, 480]


def test_the_request_may_say_everything() -> None:
    query = {"call_id": "q-1", "queue": "night", "rate": "16k", "mix": "stereo", "language": "zh-CN"}
    outcome = play(make_decoder("l16", handshake=Handshake(query=query)), [STEREO], code=1000)
    call = outcome.started[0].call
    assert (call.call_id, call.queue, call.language) == ("q-1", "night", "zh")
    assert [chunk.sample_rate_hz for chunk in outcome.chunks] == [16_000, 16_000]
    header = make_decoder("l16", handshake=Handshake(headers={"x-call-id": "h-1"}))
    assert play(header, [MONO]).started[0].call.call_id == "h-1"


def test_asterisk_may_not_say_anything_in_the_request() -> None:
    query = {"call_id": "old", "queue": "old", "rate": "16k", "mix": "stereo"}
    decoder = make_decoder("l16", handshake=Handshake(query=query))
    outcome = play(decoder, ["MEDIA_START channel_id:1.2 format:ulaw", b"\xff" * 160])
    call = outcome.started[0].call
    assert (call.call_id, call.queue, call.channels) == ("1.2", None, (Channel.MIXED,))


def test_a_call_that_nobody_named_is_taken_only_if_told_so() -> None:
    strict = {"accept_unnamed": False}
    for messages in ([json.dumps({"queue": "a"})], [b"\0" * 40_000], ["hello world, this is no id"]):
        outcome = play(make_decoder("l16", config=strict), messages)
        assert "Nobody named the call" in str(outcome.error)
        assert outcome.events == []
    assert play(make_decoder("l16"), [json.dumps({"queue": "a"})]).started[0].call.call_id == "connection-7"


def test_a_short_call_without_metadata_ends_quietly_where_names_are_needed() -> None:
    outcome = play(make_decoder("l16", config={"accept_unnamed": False}), [MONO], code=1000)
    assert outcome.events == []


@pytest.mark.parametrize("text", ["{", '{"a":', "{}x", "[1"])
def test_metadata_that_are_broken_json(text: str) -> None:
    decoder = make_decoder("l16")
    outcome = play(decoder, [text, MONO], code=1000)
    if text.startswith("{"):
        assert outcome.error is not None
        assert decoder.closing is not None
        assert decoder.closing.code == 1007
    else:
        assert outcome.started[0].call.call_id == "connection-7"


def test_odd_frames_are_skipped_and_many_in_a_row_are_the_end() -> None:
    decoder = make_decoder("l16", limits=DecoderLimits(faults=3))
    outcome = play(
        decoder, [hello(mixType="stereo"), STEREO, b"\0" * 6, b"", STEREO, *[b"\0" * 6] * 3, STEREO], code=1000
    )
    assert [chunk.first_sample for chunk in outcome.chunks] == [0, 0, 160, 160, 320, 320]
    assert decoder.counts.faults == 4
    outcome = play(make_decoder("l16", limits=DecoderLimits(faults=3)), [hello(), *[b"\0"] * 4])
    assert "send whole samples" in str(outcome.error)
    assert outcome.ended == ["protocol_error"]


def test_large_frames_and_any_size_give_the_same_samples() -> None:
    samples = np.arange(20_000, dtype="<i2").tobytes()
    whole = play(make_decoder("l16"), [hello(), samples]).chunks
    cut = play(make_decoder("l16"), [hello(), *(samples[n : n + 326] for n in range(0, len(samples), 326))]).chunks
    np.testing.assert_array_equal(np.concatenate([c.samples for c in cut]), np.concatenate([c.samples for c in whole]))


def test_a_pause_without_a_message_is_a_gap() -> None:
    outcome = play(make_decoder("l16"), [hello(), MONO, MONO, MONO], arrivals_s=[0.0, 0.02, 0.04, 5.06])
    assert [chunk.first_sample for chunk in outcome.chunks] == [0, 160, 320 + 40_000]

import base64
import json
from typing import Any

import numpy as np
import pytest

from tests.gateways.dialogue import SESSIONS, make_decoder, play
from tests.synth import tone
from voicepipe.audio.codecs import Encoding, decode, encode
from voicepipe.gateways.decoder import DecoderLimits, Handshake
from voicepipe.types import Channel, FloatArray, GatewayProtocolError, Roles


def start(**fields: Any) -> str:
    content = {"callSid": "CA1", "tracks": ["inbound"]} | fields
    return json.dumps({"event": "start", "sequenceNumber": "1", "start": content, "streamSid": "MZ1"})


def media(
    samples: FloatArray | bytes,
    *,
    encoding: Encoding = Encoding.PCMU,
    seq: int | None = None,
    track: str | None = None,
    **fields: Any,
) -> str:
    payload = samples if isinstance(samples, bytes) else encode(samples, encoding=encoding)
    content: dict[str, Any] = {"payload": base64.b64encode(payload).decode()} | fields
    if track:
        content["track"] = track
    message: dict[str, Any] = {"event": "media", "media": content}
    return json.dumps(message | ({} if seq is None else {"sequenceNumber": str(seq)}))


STOP = json.dumps({"event": "stop"})
FRAME = b"\x80" * 160


@pytest.mark.parametrize("caller_track", ["inbound", "outbound"])
def test_the_caller_is_on_the_track_that_the_operator_names(caller_track: str) -> None:
    decoder = make_decoder("twilio", config={"caller_track": caller_track})
    outcome = play(decoder, [start(tracks=["inbound", "outbound"]), media(FRAME, track="inbound"), STOP])
    call = outcome.started[0].call
    assert call.roles is Roles.GIVEN
    assert set(call.channels) == {Channel.CALLER, Channel.AGENT}
    assert outcome.chunks[0].channel is (Channel.CALLER if caller_track == "inbound" else Channel.AGENT)


def test_the_call_itself_may_say_whose_track_it_is() -> None:
    messages = [start(customParameters={"channel": "agent", "channels": "caller,agent"}), media(FRAME), STOP]
    outcome = play(make_decoder("twilio"), messages)
    assert outcome.started[0].call.channels == (Channel.CALLER, Channel.AGENT)
    assert outcome.started[0].call.roles is Roles.GIVEN
    assert outcome.chunks[0].channel is Channel.AGENT


def test_a_channel_that_the_call_does_not_have_is_refused() -> None:
    outcome = play(make_decoder("twilio"), [start(customParameters={"channels": "agent"})])
    assert "is said to have the channels agent" in str(outcome.error)


@pytest.mark.parametrize(
    ("media_format", "encoding", "rate_hz"),
    [
        ({}, Encoding.PCMU, 8_000),
        ({"encoding": "audio/x-mulaw", "sampleRate": 8000}, Encoding.PCMU, 8_000),
        ({"encoding": "PCMA", "sample_rate": "8000"}, Encoding.PCMA, 8_000),
        ({"encoding": "audio/x-alaw", "sampleRate": 8000}, Encoding.PCMA, 8_000),
        ({"encoding": "L16", "sample_rate": 16000}, Encoding.L16_LE, 16_000),
        ({"encoding": "audio/x-l16;rate=16000"}, Encoding.L16_LE, 16_000),
        ({"encoding": "raw/slin", "sample_rate": "8000"}, Encoding.L16_LE, 8_000),
    ],
)
def test_codecs_are_decoded_bit_for_bit(media_format: dict[str, Any], encoding: Encoding, rate_hz: int) -> None:
    samples = tone(0.1, rate_hz=rate_hz)
    frames = [samples[n : n + rate_hz // 50] for n in range(0, len(samples), rate_hz // 50)]
    messages = [start(mediaFormat=media_format), *(media(frame, encoding=encoding) for frame in frames), STOP]
    outcome = play(make_decoder("twilio"), messages)
    assert {chunk.sample_rate_hz for chunk in outcome.chunks} == {rate_hz}
    heard = np.concatenate([chunk.samples for chunk in outcome.chunks])
    np.testing.assert_array_equal(heard, decode(encode(samples, encoding=encoding), encoding=encoding))
    assert [chunk.first_sample for chunk in outcome.chunks] == [n * rate_hz // 50 for n in range(5)]


@pytest.mark.parametrize(
    ("setting", "sent", "heard"),
    [
        ("big", Encoding.L16, Encoding.L16),
        ("little", Encoding.L16, Encoding.L16_LE),
        ("auto", Encoding.L16, Encoding.L16),
        ("auto", Encoding.L16_LE, Encoding.L16_LE),
    ],
)
def test_the_byte_order_of_linear_payloads(setting: str, sent: Encoding, heard: Encoding) -> None:
    payload = encode(tone(0.02, rate_hz=8_000), encoding=sent)
    decoder = make_decoder("twilio", config={"l16_byte_order": setting})
    outcome = play(decoder, [start(media_format={"encoding": "L16"}), media(payload)])
    np.testing.assert_array_equal(outcome.chunks[0].samples, decode(payload, encoding=heard))


@pytest.mark.parametrize(
    "media_format",
    [
        {"encoding": "G729"},
        {"encoding": "AMR", "sample_rate": 8000},
        {"encoding": "G722", "channels": 2},
        {"sampleRate": 4000},
        {"sampleRate": "fast"},
        {"channels": 2},
        {"encoding": {"a": 1}},
    ],
)
def test_a_format_that_cannot_be_read_is_refused(media_format: dict[str, Any]) -> None:
    decoder = make_decoder("twilio")
    outcome = play(decoder, [start(mediaFormat=media_format)])
    assert outcome.error is not None
    assert outcome.events == []
    assert decoder.closing is not None
    assert decoder.closing.code == 1003


def test_a_refusal_says_what_to_set() -> None:
    decoder = make_decoder("twilio")
    play(decoder, [start(media_format={"encoding": "SPEEX", "sample_rate": 16000})])
    assert decoder.closing is not None
    assert "stream_codec=PCMU" in decoder.closing.reason


@pytest.mark.parametrize(("codec", "noise"), [("OPUS", b"\xff" * 7), ("AMR-WB", b"\xff" * 7)])
def test_a_damaged_packet_is_counted_and_its_place_stays_empty(codec: str, noise: bytes) -> None:
    session = json.loads((SESSIONS / f"telnyx_{codec.lower().replace('-', '_')}.json").read_text())
    opening, *packets = [message for message in session["messages"] if message["event"] != "connected"]
    damaged = json.loads(json.dumps(packets))
    damaged[4]["media"]["payload"] = base64.b64encode(noise).decode()
    outcomes = []
    for messages in (packets, damaged):
        decoder = make_decoder("twilio", config={"caller_track": "inbound"})
        outcomes.append(play(decoder, [json.dumps(message) for message in (opening, *messages)]))
    whole, holed = (
        {(chunk.channel, chunk.first_sample): chunk.samples for chunk in outcome.chunks} for outcome in outcomes
    )
    frame = len(outcomes[0].chunks[0].samples)
    assert set(whole) - set(holed) == {(Channel.CALLER, 2 * frame)}
    assert decoder.counts.faults == 1
    assert outcomes[1].ended == ["stop"]
    for place in whole:
        if place[0] is Channel.AGENT:
            np.testing.assert_array_equal(holed[place], whole[place])


def test_audio_before_the_start_is_kept_for_it() -> None:
    outcome = play(
        make_decoder("twilio"), [media(FRAME, seq=2), media(FRAME, seq=3), start(), media(FRAME, seq=4), STOP]
    )
    assert [chunk.first_sample for chunk in outcome.chunks] == [0, 160, 320]


def test_audio_that_is_never_followed_by_a_start_is_cut_off() -> None:
    decoder = make_decoder("twilio", limits=DecoderLimits(bytes_before_start=4_096))
    outcome = play(decoder, [media(FRAME)] * 100)
    assert "no start of a call" in str(outcome.error)
    assert outcome.events == []
    assert decoder.closing is not None
    assert decoder.closing.code == 1008


def test_a_start_without_any_id_is_refused() -> None:
    outcome = play(make_decoder("twilio"), [json.dumps({"event": "start", "start": {}})])
    assert "names no call" in str(outcome.error)


def test_the_id_may_come_from_a_parameter_the_query_or_the_stream() -> None:
    config = {"fields": {"call_id": ["custom.ucid", "query.id"]}}
    parameters = {"ucid": "0001", "queue": "q"}
    call = play(make_decoder("twilio", config=config), [start(customParameters=parameters)]).started[0].call
    assert (call.call_id, call.queue) == ("0001", "q")
    decoder = make_decoder("twilio", config=config, handshake=Handshake(query={"id": "q-1"}))
    assert play(decoder, [start()]).started[0].call.call_id == "q-1"
    assert play(make_decoder("twilio", config=config), [start()]).started[0].call.call_id == "CA1"
    unnamed = json.dumps({"event": "start", "streamSid": "MZ9", "start": {"tracks": ["inbound"]}})
    assert play(make_decoder("twilio"), [unnamed]).started[0].call.call_id == "MZ9"


def test_the_tracks_are_found_out_where_the_start_does_not_name_them() -> None:
    one = play(make_decoder("twilio"), [start(tracks=None), *[media(FRAME, track="inbound")] * 40, STOP])
    assert one.started[0].call.channels == (Channel.CALLER,)
    assert [chunk.first_sample for chunk in one.chunks] == [160 * n for n in range(40)]
    short = play(make_decoder("twilio"), [start(tracks=None), media(FRAME), STOP])
    assert short.started[0].call.channels == (Channel.CALLER,)
    assert len(short.chunks) == 1
    both = play(
        make_decoder("twilio"), [start(tracks=None), media(FRAME, track="inbound"), media(FRAME, track="outbound")]
    )
    assert both.started[0].call.channels == (Channel.CALLER, Channel.AGENT)
    told = make_decoder("twilio", config={"tracks": ["inbound", "outbound"]})
    assert play(told, [start(tracks=None)]).started[0].call.channels == (Channel.CALLER, Channel.AGENT)


def test_a_track_that_was_not_announced_is_left_out_and_counted() -> None:
    decoder = make_decoder("twilio")
    outcome = play(decoder, [start(), media(FRAME, track="outbound"), media(FRAME, track="inbound"), STOP])
    assert [chunk.channel for chunk in outcome.chunks] == [Channel.CALLER]
    assert decoder.counts.unannounced == 1


@pytest.mark.parametrize(
    "damaged",
    [
        "{",
        "[]",
        '"media"',
        json.dumps({"event": "media"}),
        json.dumps({"event": "media", "media": {"payload": None}}),
        json.dumps({"event": "media", "media": {"payload": "AAA"}}),
        json.dumps({"event": "media", "media": {"payload": "????"}}),
        json.dumps({"event": "media", "media": {"payload": "жжжж"}}),
        b"\x00\x01",
    ],
)
def test_a_damaged_message_is_skipped_and_many_in_a_row_are_the_end(damaged: str | bytes) -> None:
    decoder = make_decoder("twilio", limits=DecoderLimits(faults=3))
    outcome = play(
        decoder, [start(), media(FRAME), damaged, media(FRAME), damaged, damaged, damaged, media(FRAME), STOP]
    )
    assert outcome.error is None
    assert [chunk.first_sample for chunk in outcome.chunks] == [0, 160, 320]
    assert outcome.ended == ["stop"]
    assert decoder.counts.faults == 4
    decoder = make_decoder("twilio", limits=DecoderLimits(faults=3))
    outcome = play(decoder, [start(), media(FRAME), *[damaged] * 4, media(FRAME)])
    assert outcome.error is not None
    assert len(outcome.chunks) == 1
    assert outcome.ended == ["protocol_error"]


def test_an_odd_payload_of_16_bit_audio_is_a_fault() -> None:
    decoder = make_decoder("twilio")
    messages = [start(mediaFormat={"encoding": "audio/x-l16"}), media(b"\x01\x00\x02"), media(b"\x01\x00"), STOP]
    assert len(play(decoder, messages).chunks) == 1
    assert decoder.counts.faults == 1


def test_empty_and_large_payloads() -> None:
    outcome = play(make_decoder("twilio"), [start(), media(b""), media(b"\xff" * 16_384), media(FRAME), STOP])
    assert [(chunk.first_sample, len(chunk.samples)) for chunk in outcome.chunks] == [(0, 16_384), (16_384, 160)]


def test_lost_chunks_leave_a_gap_even_without_timestamps() -> None:
    messages = [start(), *(media(FRAME, seq=1 + n, chunk=n) for n in (1, 2, 5, 6, 7)), STOP]
    decoder = make_decoder("twilio", config={"reorder_messages": 1})
    assert [chunk.first_sample for chunk in play(decoder, messages).chunks] == [0, 160, 640, 800, 960]
    assert decoder.counts.lost == 2


def test_a_clock_that_jumps_for_one_message_does_not_move_the_rest() -> None:
    stamps = [0, 20, 9_000_000, 60, 80]
    messages = [start(), *(media(FRAME, seq=2 + n, timestamp=str(at)) for n, at in enumerate(stamps)), STOP]
    assert [chunk.first_sample for chunk in play(make_decoder("twilio"), messages).chunks] == [
        160 * n for n in range(5)
    ]


def test_what_was_held_back_comes_out_at_the_end() -> None:
    messages = [start(), media(FRAME, seq=2, timestamp="0"), media(FRAME, seq=4, timestamp="40")]
    for end in ([STOP], []):
        outcome = play(make_decoder("twilio"), [*messages, *end])
        assert [chunk.first_sample for chunk in outcome.chunks] == [0, 320]


@pytest.mark.parametrize("kind", ["dtmf", "mark"])
def test_a_message_without_audio_holds_none_back_and_is_no_loss(kind: str) -> None:
    decoder = make_decoder("twilio")
    decoder.feed(start())
    messages = [media(FRAME, seq=2), json.dumps({"event": kind, "sequenceNumber": "3"}), media(FRAME, seq=4)]
    assert [len(decoder.feed(message)) for message in messages] == [1, 0, 1]
    assert decoder.counts.lost == 0


def test_a_loss_before_a_message_without_audio_is_a_gap_in_the_audio_after_it() -> None:
    messages = [
        *(media(FRAME, seq=2 + n, timestamp=str(20 * n)) for n in range(2)),
        json.dumps({"event": "dtmf", "sequenceNumber": "5"}),
        *(media(FRAME, seq=6 + n, timestamp=str(20 * (3 + n))) for n in range(2)),
    ]
    decoder = make_decoder("twilio", config={"reorder_messages": 1})
    outcome = play(decoder, [start(), *messages, STOP])
    assert [chunk.first_sample for chunk in outcome.chunks] == [0, 160, 480, 640]
    assert decoder.counts.lost == 1


def test_a_second_call_on_the_same_connection_is_refused() -> None:
    decoder = make_decoder("twilio")
    outcome = play(decoder, [start(), media(FRAME), start(), start(callSid="CA2"), media(FRAME)])
    assert "went on with call CA2" in str(outcome.error)
    assert len(outcome.chunks) == 1
    assert outcome.ended == ["protocol_error"]


def test_nothing_is_ever_sent_to_a_stream_in_one_direction() -> None:
    decoder = make_decoder("twilio")
    for message in (start(), media(FRAME), json.dumps({"event": "mark"}), "{", STOP):
        decoder.feed(message)
        assert decoder.replies() == []
    decoder.hang_up("shutting down")
    assert decoder.replies() == []


def test_a_decoder_that_was_refused_takes_no_more() -> None:
    decoder = make_decoder("twilio")
    with pytest.raises(GatewayProtocolError):
        decoder.feed("{")
    assert decoder.feed(start()) == []
    assert decoder.end() == []

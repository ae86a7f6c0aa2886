import json
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest

from tests.gateways.dialogue import Outcome, make_decoder
from tests.synth import noise
from voicepipe.audio.codecs import Encoding, decode, encode
from voicepipe.gateways.decoder import Decoder, Handshake
from voicepipe.gateways.identity import CallIdentity
from voicepipe.gateways.sender import Sender, due_messages
from voicepipe.gateways.senders import SENDERS, AudioHookSender, AudioSocketSender
from voicepipe.types import (
    AudioChunk,
    AudioInputError,
    Call,
    CallEnded,
    CallStarted,
    Channel,
    FloatArray,
    MediaEvent,
    Roles,
    ScoredUtterance,
    Transcript,
)

BOTH = (Channel.CALLER, Channel.AGENT)
PROTOCOL_OF = {"telnyx": "twilio", "plivo": "twilio"}
ENCODING_OF = {"plivo": Encoding.L16_LE, "audiosocket": Encoding.L16_LE, "l16": Encoding.L16_LE}


def make_call(channels: tuple[Channel, ...] = BOTH, roles: Roles = Roles.GIVEN) -> Call:
    return Call(
        call_id="call-1",
        started_at=datetime(2026, 3, 1, tzinfo=UTC),
        gateway="file",
        channels=channels,
        roles=roles,
        agent_id="a-7",
        queue="billing",
        language="ru",
        consent="yes",
    )


def recording(
    call: Call, tracks: list[FloatArray], *, rate_hz: int = 8_000, block: int = 1_111
) -> Iterator[MediaEvent]:
    yield CallStarted(call=call)
    for start in range(0, len(tracks[0]), block):
        for channel, samples in zip(call.channels, tracks, strict=True):
            yield AudioChunk(
                call_id=call.call_id,
                channel=channel,
                first_sample=start,
                sample_rate_hz=rate_hz,
                samples=samples[start : start + block],
            )
    yield CallEnded(call_id=call.call_id, reason="end")


def connect(sender: Sender, protocol: str) -> Decoder:
    registered: dict[UUID, CallIdentity] = {}
    if isinstance(sender, AudioSocketSender):
        identity = CallIdentity(call_id="call-1", channel=sender.channels[0], channels=sender.call.channels)
        registered[sender.uuid] = identity
    headers = {name.lower(): value for name, value in sender.headers.items()}
    return make_decoder(
        PROTOCOL_OF.get(protocol, protocol), handshake=Handshake(headers=headers), registered=registered
    )


def push(sender: Sender, decoder: Decoder, events: Iterator[MediaEvent]) -> Outcome:
    """Play a call from end to end, the answers of both sides included."""
    outcome = Outcome()
    due_s = 0.0
    for message in due_messages(sender, events):
        assert message.due_s >= due_s
        due_s = message.due_s
        waiting = [message.data]
        while waiting:
            outcome.events += decoder.feed(waiting.pop(0))
            if decoder.finishing:
                decoder.finish()
            for reply in decoder.replies():
                waiting += sender.receive(reply)
        assert sender.is_open
    outcome.events += decoder.end(1000)
    return outcome


@pytest.mark.parametrize("protocol", sorted(SENDERS))
def test_a_recording_arrives_as_it_was(protocol: str) -> None:
    tracks = [noise(1.234, rate_hz=8_000, seed=1), noise(1.234, rate_hz=8_000, seed=2)]
    call = make_call()
    legs = [[channel] for channel in BOTH] if protocol == "audiosocket" else [list(BOTH)]
    heard: dict[Channel, list[AudioChunk]] = {channel: [] for channel in BOTH}
    for leg in legs:
        sender = SENDERS[protocol](call, rate_hz=8_000, channels=leg)
        outcome = push(sender, connect(sender, protocol), recording(call, tracks))
        started = outcome.started[0].call
        assert started.call_id == "call-1"
        assert started.channels == BOTH
        assert started.roles is Roles.GIVEN
        if protocol != "audiosocket":
            facts = (started.agent_id, started.queue, started.language, started.consent)
            assert facts == ("a-7", "billing", "ru", "yes")
        assert len(outcome.ended) == 1
        assert sender.is_done
        for chunk in outcome.chunks:
            heard[chunk.channel].append(chunk)
    encoding = ENCODING_OF.get(protocol, Encoding.PCMU)
    for channel, samples in zip(BOTH, tracks, strict=True):
        chunks = heard[channel]
        starts = np.cumsum([0, *(len(chunk.samples) for chunk in chunks)])[:-1]
        assert [chunk.first_sample for chunk in chunks] == list(starts)
        sent = decode(encode(samples, encoding=encoding), encoding=encoding)
        np.testing.assert_array_equal(np.concatenate([chunk.samples for chunk in chunks]), sent)


@pytest.mark.parametrize("protocol", sorted(SENDERS))
@pytest.mark.parametrize("channel", BOTH)
def test_one_leg_of_two_says_so(protocol: str, channel: Channel) -> None:
    call = make_call()
    sender = SENDERS[protocol](call, rate_hz=8_000, channels=[channel])
    outcome = push(sender, connect(sender, protocol), recording(call, [noise(0.5, rate_hz=8_000)] * 2))
    if protocol != "audiohook":  # a Genesys session is the whole call
        assert outcome.started[0].call.channels == BOTH
    assert {chunk.channel for chunk in outcome.chunks} == {channel}


@pytest.mark.parametrize("protocol", ["twilio", "telnyx", "plivo", "l16"])
def test_a_mixed_track_stays_mixed(protocol: str) -> None:
    call = make_call((Channel.MIXED,), Roles.UNKNOWN)
    sender = SENDERS[protocol](call, rate_hz=8_000)
    started = push(sender, connect(sender, protocol), recording(call, [noise(0.7, rate_hz=8_000)])).started[0].call
    assert (started.channels, started.roles) == ((Channel.MIXED,), Roles.UNKNOWN)


@pytest.mark.parametrize("protocol", ["plivo", "audiosocket", "l16"])
def test_wide_band_where_the_protocol_has_it(protocol: str) -> None:
    call = make_call((Channel.CALLER,))
    sender = SENDERS[protocol](call, rate_hz=16_000)
    outcome = push(sender, connect(sender, protocol), recording(call, [noise(0.3, rate_hz=16_000)], rate_hz=16_000))
    assert {chunk.sample_rate_hz for chunk in outcome.chunks} == {16_000}


@pytest.mark.parametrize(
    ("protocol", "rate_hz", "tracks"),
    [("twilio", 16_000, 1), ("audiohook", 16_000, 2), ("audiosocket", 8_000, 2), ("audiosocket", 11_025, 1)],
)
def test_what_a_protocol_cannot_carry_is_said_at_once(protocol: str, rate_hz: int, tracks: int) -> None:
    with pytest.raises(AudioInputError, match="cannot carry"):
        SENDERS[protocol](make_call(), rate_hz=rate_hz, channels=BOTH[:tracks])


def test_another_rate_in_the_recording_is_said() -> None:
    call = make_call()
    with pytest.raises(AudioInputError, match="resample it first"):
        list(
            due_messages(
                SENDERS["l16"](call, rate_hz=8_000), recording(call, [noise(1, rate_hz=8_000)] * 2, rate_hz=16_000)
            )
        )


@pytest.mark.parametrize("protocol", ["twilio", "telnyx", "plivo", "audiohook"])
def test_a_gap_in_the_recording_arrives_as_a_gap(protocol: str) -> None:
    call = make_call((Channel.CALLER,))
    pieces = [
        AudioChunk(call_id="call-1", channel=Channel.CALLER, first_sample=at, sample_rate_hz=8_000, samples=samples)
        for at, samples in ((0, noise(0.5, rate_hz=8_000)), (20_000, noise(0.5, rate_hz=8_000)))
    ]
    sender = SENDERS[protocol](call, rate_hz=8_000)
    outcome = push(sender, connect(sender, protocol), iter(pieces))
    assert outcome.chunks[0].first_sample == 0
    assert 20_000 in [chunk.first_sample for chunk in outcome.chunks]


def test_audiohook_waits_for_opened_and_keeps_the_transcripts() -> None:
    call = make_call()
    sender = AudioHookSender(call, rate_hz=8_000)
    decoder = connect(sender, "audiohook")
    assert not sender.is_open
    for message in sender.opening():
        decoder.feed(message)
    for reply in decoder.replies():
        assert sender.receive(reply) == []
    assert sender.is_open
    decoder.transcribed(
        ScoredUtterance(
            call_id="call-1",
            channel=Channel.AGENT,
            index=0,
            start_s=1.0,
            end_s=2.0,
            decided_s=2.5,
            speech_s=0.9,
            transcript=Transcript(text="Guten Tag", language="de"),
            score=None,
        )
    )
    for reply in decoder.replies():
        sender.receive(reply)
    assert [(entity["channelId"], entity["offset"]) for entity in sender.transcripts] == [(1, "PT1S")]


def test_audiohook_that_is_turned_away_closes_and_says_why() -> None:
    sender = AudioHookSender(make_call(), rate_hz=8_000)
    decoder = connect(sender, "audiohook")
    for message in sender.opening():
        decoder.feed(message)
    for reply in decoder.replies():
        sender.receive(reply)
    decoder.hang_up("server restarts")
    (disconnect,) = decoder.replies()
    (close,) = sender.receive(disconnect)
    assert sender.refused == "server restarts"
    assert json.loads(close)["parameters"]["reason"] == "disconnect"
    assert sender.closing() == []
    decoder.feed(close)
    decoder.finish()
    for reply in decoder.replies():
        sender.receive(reply)
    assert sender.is_done


def test_packets_do_not_depend_on_how_the_recording_is_cut() -> None:
    call = make_call()
    tracks = [noise(1.0, rate_hz=8_000, seed=n) for n in range(2)]
    for protocol in ("twilio", "audiohook", "l16"):
        messages = [
            [
                message.data
                for message in due_messages(
                    SENDERS[protocol](call, rate_hz=8_000), recording(call, tracks, block=block)
                )
            ]
            for block in (7, 160, 8_000)
        ]
        assert messages[0] == messages[1] == messages[2]


def test_audio_is_marked_as_what_a_line_may_lose() -> None:
    call = make_call()
    for protocol in ("twilio", "plivo", "audiohook", "l16"):
        sender = SENDERS[protocol](call, rate_hz=8_000)
        messages = list(due_messages(sender, recording(call, [noise(2.0, rate_hz=8_000)] * 2)))
        lossy = [message for message in messages if message.is_audio]
        assert len(lossy) == {"twilio": 200, "plivo": 200, "audiohook": 10, "l16": 100}[protocol]
        assert messages[0] not in lossy

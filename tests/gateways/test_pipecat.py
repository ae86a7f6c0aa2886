"""A second opinion on the bytes: pipecat-ai's serializers, written by others against the same vendors' pages.

They say nothing of tracks, times and sequence numbers, which they neither send nor read.
"""

import asyncio
import json
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.gateways.dialogue import make_decoder, play
from tests.synth import tone
from voicepipe.audio.codecs import Encoding, decode, encode
from voicepipe.gateways.sender import due_messages
from voicepipe.gateways.senders import SENDERS, AudioHookSender
from voicepipe.types import AudioChunk, Call, Channel, FloatArray, MediaEvent, Roles

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    serializers = pytest.importorskip(
        "pipecat.serializers", reason="pipecat-ai is not installed (0.5 GB): pip install pipecat-ai"
    )
    from pipecat.frames.frames import OutputAudioRawFrame
    from pipecat.serializers.exotel import ExotelFrameSerializer
    from pipecat.serializers.genesys import AudioHookChannel, GenesysAudioHookSerializer
    from pipecat.serializers.plivo import PlivoFrameSerializer
    from pipecat.serializers.telnyx import TelnyxFrameSerializer
    from pipecat.serializers.twilio import TwilioFrameSerializer
    from pipecat.serializers.vonage import VonageFrameSerializer

SAMPLES = tone(0.4, rate_hz=8_000)
CALL = Call(
    call_id="CA1",
    started_at=datetime(2026, 3, 1, tzinfo=UTC),
    gateway="file",
    channels=(Channel.CALLER, Channel.AGENT),
    roles=Roles.GIVEN,
)


def make_serializer(name: str) -> Any:
    kind, arguments, settings = {
        "twilio": (TwilioFrameSerializer, ("MZ1",), {"auto_hang_up": False}),
        "telnyx": (TelnyxFrameSerializer, ("s", "PCMU", "PCMU"), {"auto_hang_up": False}),
        "telnyx_alaw": (TelnyxFrameSerializer, ("s", "PCMA", "PCMA"), {"auto_hang_up": False}),
        "plivo": (PlivoFrameSerializer, ("s",), {"auto_hang_up": False}),
        "exotel": (ExotelFrameSerializer, ("s",), {}),
        "vonage": (VonageFrameSerializer, (), {"vonage_sample_rate": 8_000}),
    }[name]
    serializer = kind(*arguments, params=kind.InputParams(sample_rate=8_000, **settings))
    asyncio.run(serializer.setup(SimpleNamespace(audio_in_sample_rate=8_000)))
    return serializer


def packets(samples: FloatArray) -> Iterator[bytes]:
    for start in range(0, len(samples), 160):
        yield encode(samples[start : start + 160], encoding=Encoding.L16_LE)


@pytest.mark.parametrize(
    ("name", "protocol", "opening", "encoding"),
    [
        ("twilio", "twilio", {"event": "start", "start": {"callSid": "CA1", "streamSid": "MZ1"}}, Encoding.PCMU),
        (
            "telnyx",
            "twilio",
            {"event": "start", "start": {"call_control_id": "v", "media_format": {"encoding": "PCMU"}}},
            Encoding.PCMU,
        ),
        (
            "telnyx_alaw",
            "twilio",
            {"event": "start", "start": {"call_control_id": "v", "media_format": {"encoding": "PCMA"}}},
            Encoding.PCMA,
        ),
        (
            "exotel",
            "twilio",
            {"event": "start", "start": {"call_sid": "e", "media_format": {"encoding": "base64"}}},
            Encoding.L16_LE,
        ),
        ("vonage", "l16", {"event": "websocket:connected", "content-type": "audio/l16;rate=8000"}, Encoding.L16_LE),
    ],
)
def test_we_hear_what_pipecat_sends(name: str, protocol: str, opening: dict[str, Any], encoding: Encoding) -> None:
    serializer = make_serializer(name)

    async def send() -> list[str | bytes]:
        frames = [OutputAudioRawFrame(audio=pcm, sample_rate=8_000, num_channels=1) for pcm in packets(SAMPLES)]
        return [await serializer.serialize(frame) for frame in frames]

    outcome = play(make_decoder(protocol), [json.dumps(opening), *asyncio.run(send())], code=1000)
    heard = np.concatenate([chunk.samples for chunk in outcome.chunks])
    sent = decode(encode(SAMPLES, encoding=encoding), encoding=encoding)
    # Encoders of G.711 round differently: by a step at most, and a step is a sixteenth of the value or less.
    step = 0.0 if encoding is Encoding.L16_LE else np.abs(SAMPLES).max() / 16
    assert np.abs(heard - sent).max() <= step
    assert [chunk.first_sample for chunk in outcome.chunks] == [160 * n for n in range(len(outcome.chunks))]


def recording() -> Iterator[MediaEvent]:
    for channel, samples in ((Channel.CALLER, SAMPLES), (Channel.AGENT, -SAMPLES)):
        yield AudioChunk(call_id="CA1", channel=channel, first_sample=0, sample_rate_hz=8_000, samples=samples)


@pytest.mark.parametrize("protocol", ["twilio", "telnyx"])
def test_pipecat_hears_what_we_send(protocol: str) -> None:
    serializer = make_serializer(protocol)
    sender = SENDERS[protocol](CALL, rate_hz=8_000, channels=[Channel.CALLER])

    async def receive() -> bytes:
        frames = [await serializer.deserialize(message.data) for message in due_messages(sender, recording())]
        return b"".join(frame.audio for frame in frames if frame is not None)

    heard = decode(asyncio.run(receive()), encoding=Encoding.L16_LE)
    np.testing.assert_array_equal(heard, decode(encode(SAMPLES, encoding=Encoding.PCMU), encoding=Encoding.PCMU))


def test_pipecat_holds_a_session_with_our_audiohook_client() -> None:
    sender = AudioHookSender(CALL, rate_hz=8_000)
    kind = GenesysAudioHookSerializer
    serializer = kind(params=kind.InputParams(sample_rate=8_000, channel=AudioHookChannel.BOTH))

    async def hold() -> bytes:
        await serializer.setup(SimpleNamespace(audio_in_sample_rate=8_000))
        heard = b""
        for message in due_messages(sender, recording()):
            frame = await serializer.deserialize(message.data)
            if frame is not None and hasattr(frame, "audio"):
                heard += frame.audio
            elif frame is not None:
                for answer in sender.receive(json.dumps(frame.message)):
                    await serializer.deserialize(answer)
            assert sender.is_open
        return heard

    heard = decode(asyncio.run(hold()), encoding=Encoding.L16_LE)
    np.testing.assert_array_equal(heard, decode(encode(SAMPLES, encoding=Encoding.PCMU), encoding=Encoding.PCMU))
    assert sender.is_done

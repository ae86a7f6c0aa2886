"""A second opinion on the bytes: pipecat-ai's serializers, written by others against the same vendors' pages.

They say nothing of tracks, times and sequence numbers, which they neither send nor read.
"""

import asyncio
import base64
import json
import sys
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.gateways.dialogue import make_decoder, play
from tests.gateways.ear import Ear
from tests.gateways.test_server import house, run
from tests.synth import tone
from voicepipe.audio.codecs import Encoding, decode, encode
from voicepipe.gateways.sender import due_messages
from voicepipe.gateways.senders import SENDERS, AudioHookSender
from voicepipe.types import AudioChunk, Call, Channel, FloatArray, MediaEvent, Roles

FETCHED = Path(__file__).resolve().parents[2] / ".interop" / "pipecat"
"""Where `scripts/fetch_interop` puts it; whatever is installed comes first."""

sys.path.append(str(FETCHED))
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("pipecat.serializers", reason="needs pipecat-ai: by scripts/fetch_interop or pip (0.5 GB)")
    from loguru import logger
    from pipecat.frames.frames import EndFrame, OutputAudioRawFrame, OutputTransportMessageFrame
    from pipecat.pipeline.pipeline import Pipeline
    from pipecat.pipeline.worker import PipelineParams, PipelineWorker
    from pipecat.serializers.exotel import ExotelFrameSerializer
    from pipecat.serializers.genesys import AudioHookChannel, GenesysAudioHookSerializer
    from pipecat.serializers.plivo import PlivoFrameSerializer
    from pipecat.serializers.telnyx import TelnyxFrameSerializer
    from pipecat.serializers.twilio import TwilioFrameSerializer
    from pipecat.serializers.vonage import VonageFrameSerializer
    from pipecat.transports.websocket.client import WebsocketClientParams, WebsocketClientTransport
    from pipecat.workers.runner import WorkerRunner

    logger.remove()

pytestmark = pytest.mark.interop

SETUP = SimpleNamespace(audio_in_sample_rate=8_000)
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
    return kind(*arguments, params=kind.InputParams(sample_rate=8_000, **settings))


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
        await serializer.setup(SETUP)
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
        await serializer.setup(SETUP)
        frames = [await serializer.deserialize(message.data) for message in due_messages(sender, recording())]
        return b"".join(frame.audio for frame in frames if frame is not None)

    heard = decode(asyncio.run(receive()), encoding=Encoding.L16_LE)
    np.testing.assert_array_equal(heard, decode(encode(SAMPLES, encoding=Encoding.PCMU), encoding=Encoding.PCMU))


def test_pipecat_holds_a_session_with_our_audiohook_client() -> None:
    sender = AudioHookSender(CALL, rate_hz=8_000)
    kind = GenesysAudioHookSerializer
    serializer = kind(params=kind.InputParams(sample_rate=8_000, channel=AudioHookChannel.BOTH))

    async def hold() -> bytes:
        await serializer.setup(SETUP)
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


@pytest.mark.slow
@pytest.mark.parametrize("says_stop", [True, False])
def test_a_pipeline_of_pipecat_calls_us_as_twilio_does(monkeypatch: pytest.MonkeyPatch, says_stop: bool) -> None:
    """It sends neither tracks nor times nor numbers; two seconds of silence in one message are its last word."""
    start = {"streamSid": "MZ1", "callSid": "CA1", "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8_000}}
    audio = [OutputAudioRawFrame(audio=pcm, sample_rate=8_000, num_channels=1) for pcm in packets(SAMPLES)]
    messages = [{"event": "connected", "protocol": "Call", "version": "1.0.0"}, {"event": "start", "start": start}]

    async def scene() -> None:
        serializer = make_serializer("twilio")
        await serializer.setup(SETUP)
        payloads = [json.loads(await serializer.serialize(frame))["media"]["payload"] for frame in audio]
        expected = decode(b"".join(map(base64.b64decode, payloads)), encoding=Encoding.PCMU)
        async with house() as here:
            ear = Ear(here, monkeypatch)
            settings = WebsocketClientParams(
                audio_out_enabled=True,
                audio_out_sample_rate=8_000,
                add_wav_header=False,
                serializer=make_serializer("twilio"),
            )
            transport = WebsocketClientTransport(uri=here.url("/v1/twilio"), params=settings)
            worker = PipelineWorker(
                Pipeline([transport.output()]),
                params=PipelineParams(audio_in_sample_rate=8_000, audio_out_sample_rate=8_000),
            )
            last = [OutputTransportMessageFrame(message={"event": "stop"})] if says_stop else []
            await worker.queue_frames(
                [*(OutputTransportMessageFrame(message=message) for message in messages), *audio, *last, EndFrame()]
            )
            runner = WorkerRunner(handle_sigint=False)
            await runner.add_workers(worker)
            await runner.run()
            summary = await here.summary("CA1")
            heard = ear.samples("CA1", Channel.CALLER)
            assert summary.reason == ("stop" if says_stop else "end")
            np.testing.assert_array_equal(heard[: len(expected)], expected)
            assert not heard[len(expected) :].any()

    run(scene)

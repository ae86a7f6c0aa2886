"""The ports, with real sockets on loopback and fakes for the models."""

import asyncio
import base64
import contextlib
import io
import json
import os
import socket
import struct
import subprocess
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from pydantic import SecretStr, ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.fakes import FakeDetector, FakeScorer, FakeTranscriber, calm_reference
from tests.patience import PATIENCE_S
from voicepipe.gateways import switchboard
from voicepipe.gateways.audiosocket import AudioSocketConfig
from voicepipe.gateways.config import ClientConfig, LimitsConfig, ServeConfig
from voicepipe.gateways.decoder import DecoderLimits
from voicepipe.gateways.joining import JoiningConfig
from voicepipe.gateways.senders import AudioHookSender
from voicepipe.gateways.server import LiveServer
from voicepipe.pipeline.call import Models
from voicepipe.pipeline.config import AnalysisConfig
from voicepipe.pipeline.pool import CallPool
from voicepipe.pipeline.shedding import PoolConfig
from voicepipe.telemetry import Telemetry, Waiting
from voicepipe.types import (
    Call,
    CallEvent,
    CallStarted,
    CallSummary,
    Channel,
    ConfigError,
    Roles,
    ScoredUtterance,
    StoreError,
)

RATE_HZ = 8_000
TOKEN = "0123456789abcdef"
BAD = b"\x10\xff\xff"


@dataclass
class House:
    """A server with all that it needs, and what it told."""

    server: LiveServer
    pool: CallPool
    log: io.StringIO
    telemetry: Telemetry
    events: dict[str, list[CallEvent]] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, path: str) -> str:
        return f"ws://127.0.0.1:{self.server.port}{path}"

    async def get(self, path: str, **request: Any) -> tuple[int, str]:
        return await asyncio.to_thread(fetch, f"http://127.0.0.1:{self.server.port}{path}", **request)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that the server tells makes the condition true."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self.changed.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.changed.wait(), 0.05)

    async def summary(self, call_id: str) -> CallSummary:
        await self.until(lambda: isinstance(self.events.get(call_id, [None])[-1], CallSummary))
        last = self.events[call_id][-1]
        assert isinstance(last, CallSummary)
        return last

    def utterances(self, call_id: str, channel: Channel) -> list[ScoredUtterance]:
        return [one for one in self.events[call_id] if isinstance(one, ScoredUtterance) and one.channel is channel]

    def outcomes(self) -> list[str]:
        """Return what became of connections, as logged."""
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [line["outcome"] for line in lines if line["event"] == "connection"]


def fetch(url: str, *, data: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, str]:
    request = urllib.request.Request(url, data=data, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@contextlib.asynccontextmanager
async def house(
    *,
    equipped: bool = True,
    pool: PoolConfig | None = None,
    begun: Callable[[], Sequence[str]] = tuple,
    outbox: Callable[[], Sequence[Waiting]] = tuple,
    **settings: Any,
) -> AsyncIterator[House]:
    """Open a server on free ports; whatever happens, close it."""
    loop = asyncio.get_running_loop()
    log = io.StringIO()
    telemetry = Telemetry(out=log)
    config = ServeConfig(**({"port": 0, "audiosocket_port": 0} | settings))

    def deliver(event: CallEvent) -> None:
        call_id = event.call.call_id if isinstance(event, CallStarted | CallSummary) else event.call_id
        here.events.setdefault(call_id, []).append(event)
        server.on_call_event(event)
        loop.call_soon_threadsafe(here.changed.set)

    calls = CallPool(
        config=pool or PoolConfig(tick_s=0.02), analysis=AnalysisConfig(), deliver=deliver, observer=telemetry
    )
    server = LiveServer(
        config=config,
        pool=calls,
        observer=telemetry,
        metrics=telemetry.metrics,
        store_fault=lambda: None,
        begun=begun,
        outbox=outbox,
    )
    here = House(server=server, pool=calls, log=log, telemetry=telemetry)
    if equipped:
        calls.equip(models())
    await server.open()
    try:
        yield here
    finally:
        await server.close()
        await asyncio.to_thread(calls.stop)


def models() -> Models:
    return Models(detector=FakeDetector(), transcriber=FakeTranscriber(), scorer=FakeScorer(), calm=calm_reference())


def run(scene: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(_coroutine(scene), 4 * PATIENCE_S))


async def _coroutine(scene: Callable[[], Awaitable[None]]) -> None:
    await scene()


def hum(*starts_s: float, total_s: float) -> bytes:
    """Return L16 with a hum of 1.5 s at each start."""
    samples = np.zeros(round(total_s * RATE_HZ))
    for start_s in starts_s:
        at = round(start_s * RATE_HZ)
        samples[at : at + 12_000] = 9000 * np.sin(2 * np.pi * 220 * np.arange(12_000) / RATE_HZ)
    return samples.astype("<i2").tobytes()


SPEECH = hum(1.0, 4.0, total_s=7.0)


class TwilioCall:
    """A sender of Media Streams with L16 payloads, as Plivo's."""

    def __init__(self, socket: ClientConnection, call_id: str) -> None:
        self.socket = socket
        self.call_id = call_id
        self.sequence = 0

    async def say(self, event: str, **content: Any) -> None:
        self.sequence += 1
        await self.socket.send(json.dumps({"event": event, "sequenceNumber": self.sequence, **content}))

    async def start(self, *, custom: dict[str, str] | None = None) -> None:
        await self.say(
            "start",
            start={
                "streamSid": f"MZ{self.call_id}",
                "callSid": self.call_id,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-l16", "sampleRate": RATE_HZ, "channels": 1},
                "customParameters": custom or {},
            },
        )

    async def media(self, audio: bytes, *, begin: int = 0, step: int = 3200) -> None:
        for at in range(begin, len(audio), step):
            payload = base64.b64encode(audio[at : at + step]).decode()
            timestamp = at * 1000 // (2 * RATE_HZ)
            await self.say("media", media={"track": "inbound", "timestamp": str(timestamp), "payload": payload})

    async def whole(self) -> None:
        await self.start()
        await self.media(SPEECH)
        await self.say("stop", stop={"callSid": self.call_id})


async def twilio_call(here: House, call_id: str, path: str = "/v1/twilio", **options: Any) -> None:
    async with connect(here.url(path), **options) as socket:
        await TwilioCall(socket, call_id).whole()
        await closed(socket)


async def closed(socket: ClientConnection) -> int | None:
    """Wait until the server closes; return its code."""
    async with asyncio.timeout(PATIENCE_S):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await socket.recv()
    return socket.close_code


async def check_good_call(here: House, call_id: str) -> None:
    """A well-behaved call goes through untouched."""
    await twilio_call(here, call_id)
    summary = await here.summary(call_id)
    assert summary.reason == "stop"
    assert summary.duration_s == pytest.approx(7.0, abs=0.01)
    assert summary.coverage.ratio == 1.0
    assert [round(one.start_s, 1) for one in here.utterances(call_id, Channel.CALLER)] == [0.8, 3.8]


def test_a_twilio_call_goes_from_the_socket_to_its_events() -> None:
    async def scene() -> None:
        async with house() as here:
            await check_good_call(here, "CA1")
            status, text = await here.get("/metrics")
            assert status == 200
            assert 'voicepipe_utterances_total{channel="caller"} 2.0' in text
            assert 'voicepipe_connections_total{outcome="accepted",protocol="twilio"} 1.0' in text
            assert "CA1" not in text

    run(scene)


def frame(kind: int, payload: bytes) -> bytes:
    return struct.pack(">BH", kind, len(payload)) + payload


async def audiosocket_call(here: House, uuid: str, audio: bytes) -> bytes:
    """Push audio as Asterisk does, with EOF for an end; return what the server sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", here.server.audiosocket_port)
    writer.write(frame(0x01, UUID(uuid).bytes))
    for at in range(0, len(audio), 320):
        writer.write(frame(0x10, audio[at : at + 320]))
    await writer.drain()
    writer.write_eof()
    sent = await reader.read()
    writer.close()
    return sent


async def register(here: House, *, token: str = "", **call: Any) -> tuple[int, dict[str, Any]]:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    status, text = await here.get("/v1/audiosocket/calls", data=json.dumps(call).encode(), headers=headers)
    return status, json.loads(text)


def test_two_audiosockets_of_one_registered_call_become_its_two_channels() -> None:
    async def scene() -> None:
        async with house() as here:
            uuids = []
            for side in ("caller", "agent"):
                status, answer = await register(
                    here, call_id="A1", channel=side, channels=["caller", "agent"], queue="billing"
                )
                assert status == 201
                uuids.append(answer["uuid"])
            later = hum(2.6, total_s=7.0)
            await asyncio.gather(*map(audiosocket_call, [here] * 2, uuids, [SPEECH, later]))
            summary = await here.summary("A1")
            assert summary.call.queue == "billing"
            assert summary.call.channels == (Channel.CALLER, Channel.AGENT)
            assert len(here.utterances("A1", Channel.CALLER)) == 2
            assert len(here.utterances("A1", Channel.AGENT)) == 1
            assert [one for one in here.events if one != "A1"] == []

    run(scene)


def test_an_audiosocket_call_that_nobody_registered_is_refused() -> None:
    async def scene() -> None:
        async with house() as here:
            with contextlib.suppress(ConnectionError):
                await audiosocket_call(here, "11111111-2222-3333-4444-555555555555", SPEECH)
            await here.until(lambda: here.outcomes() == ["protocol_error"])
            assert here.pool.n_calls == 0
        async with house(audiosocket=AudioSocketConfig(accept_unknown=True)) as here:
            await audiosocket_call(here, "11111111-2222-3333-4444-555555555555", SPEECH)
            assert (await here.summary("11111111-2222-3333-4444-555555555555")).coverage.ratio == 1.0

    run(scene)


def test_a_registration_is_checked() -> None:
    async def scene() -> None:
        client = ClientConfig(name="acme", token=SecretStr(TOKEN))
        async with house(clients=(client,), limits=LimitsConfig(registrations=1)) as here:
            assert (await register(here, call_id="A1"))[0] == 401
            assert (await register(here, token=TOKEN, call_id=""))[0] == 422
            for field in ("call_id", "queue", "agent_id", "consent", "caller"):
                assert (await register(here, token=TOKEN, **{"call_id": "A1", field: "a\0b"}))[0] == 422
            assert (await register(here, token=TOKEN, call_id="A1", nonsense=1))[0] == 422
            assert (await register(here, token=TOKEN, call_id="A" * 99_999))[0] == 413
            assert (await register(here, token=TOKEN, call_id="A1"))[0] == 201
            assert (await register(here, token=TOKEN, call_id="A2"))[0] == 409

    run(scene)


def test_bare_l16_and_audiohook_come_in_on_the_same_port() -> None:
    async def scene() -> None:
        async with house() as here:
            async with connect(here.url("/v1/l16?sampling-rate=8000"), subprotocols=["audio.drachtio.org"]) as socket:
                assert socket.subprotocol == "audio.drachtio.org"
                await socket.send(json.dumps({"call_id": "L1", "sampleRate": 8000, "mixType": "mono"}))
                for at in range(0, len(SPEECH), 320):
                    await socket.send(SPEECH[at : at + 320])
            assert (await here.summary("L1")).coverage.speech_s == pytest.approx(3.7, abs=0.2)

    run(scene)


@pytest.mark.parametrize("equipped", [True, False])
def test_an_audiohook_session_is_opened_at_once_whether_the_models_are_there_or_not(equipped: bool) -> None:
    session = "e160e428-53e2-487c-977d-96989bf5c99d"

    def message(kind: str, seq: int, parameters: dict[str, Any]) -> str:
        content = {"version": "2", "id": session, "type": kind, "seq": seq, "position": "PT0S"}
        return json.dumps(content | {"serverseq": max(0, seq - 1), "parameters": parameters})

    async def scene() -> None:
        async with house(equipped=equipped) as here:
            async with connect(here.url("/v1/audiohook")) as socket:
                media = {"type": "audio", "format": "PCMU", "channels": ["external", "internal"], "rate": 8000}
                await socket.send(
                    message(
                        "open",
                        1,
                        {
                            "organizationId": "d7934305-0972-4844-938e-9060eef73d05",
                            "conversationId": "090eaa2f-72fa-480a-83e0-8667ff89c0ec",
                            "participant": {"id": "883efee8-3d6c-4537-b500-6d7ca4b92fa0", "ani": "", "dnis": ""},
                            "media": [media],
                        },
                    )
                )
                opened = json.loads(await asyncio.wait_for(socket.recv(), PATIENCE_S))
                assert opened["type"] == "opened"
                assert opened["parameters"]["media"] == [media]
                await socket.send(b"\xff" * 3200)
                await socket.send(message("close", 2, {"reason": "end"}))
                assert json.loads(await asyncio.wait_for(socket.recv(), PATIENCE_S))["type"] == "closed"
            if not equipped:
                assert here.pool.n_calls == 1
                here.pool.equip(models())
            summary = await here.summary("090eaa2f-72fa-480a-83e0-8667ff89c0ec")
            assert summary.duration_s == pytest.approx(0.2)

    run(scene)


def test_an_audiohook_client_gets_the_transcripts_to_the_last_before_closed() -> None:
    async def scene() -> None:
        call = Call(
            call_id="090eaa2f-72fa-480a-83e0-8667ff89c0ec",
            started_at=datetime(2026, 11, 2, 9, 30, tzinfo=UTC),
            gateway="audiohook",
            channels=(Channel.CALLER, Channel.AGENT),
            roles=Roles.GIVEN,
        )
        sender = AudioHookSender(call, rate_hz=RATE_HZ)
        caller = np.frombuffer(SPEECH, "<i2").astype(np.float32) / 32768
        agent = np.frombuffer(hum(5.4, total_s=7.0), "<i2").astype(np.float32) / 32768
        async with house() as here, connect(here.url(sender.path), additional_headers=sender.headers) as socket:

            async def converse(until: Callable[[], bool]) -> None:
                while not until():
                    for answer in sender.receive(await asyncio.wait_for(socket.recv(), PATIENCE_S)):
                        await socket.send(answer)

            for message in sender.opening():
                await socket.send(message)
            await converse(lambda: sender.is_open)
            for at in range(0, len(caller), 1600):
                for message in sender.audio([caller[at : at + 1600], agent[at : at + 1600]], first_sample=at):
                    await socket.send(message)
            for message in sender.closing():
                await socket.send(message)
            await converse(lambda: sender.is_done)
        assert [(one["channelId"], one["offset"]) for one in sender.transcripts] == [
            (0, "PT0.832S"),
            (0, "PT3.84S"),
            (1, "PT5.216S"),
        ]
        for data in sender.transcripts:
            (interpretation,) = data["alternatives"][0]["interpretations"]
            values = [token["value"] for token in interpretation["tokens"]]
            assert " ".join(values) == interpretation["transcript"]
            assert values[-1] == "[card]"
            assert interpretation["tokens"][0]["offset"] == data["offset"]

    run(scene)


def test_health_readiness_and_paths_that_are_not_there() -> None:
    async def scene() -> None:
        async with house(equipped=False) as here:
            assert (await here.get("/healthz"))[0] == 200
            status, text = await here.get("/readyz")
            assert (status, json.loads(text)["models"]) == (503, False)
            here.pool.equip(models())
            status, text = await here.get("/readyz")
            assert (status, json.loads(text)["outbox"]) == (200, {})
            assert (await here.get("/v1/nothing"))[0] == 404
            with pytest.raises(InvalidStatus, match="404") as astray:
                await connect(here.url("/v1/nothing"))
            assert b"/v1/twilio" in (astray.value.response.body or b""), "it says where calls come in"
            assert here.outcomes() == ["wrong_path"]

    run(scene)


def test_readiness_shows_what_waits_for_whom_and_why() -> None:
    waiting = Waiting(sink="webhook", pending=2, oldest_age_s=1.52, refused=1, last_error="The webhook is away.")

    async def scene() -> None:
        async with house(outbox=lambda: [waiting]) as here:
            status, text = await here.get("/readyz")
            assert (status, json.loads(text)["outbox"]) == (
                200,
                {"webhook": {"pending": 2, "oldest_age_s": 1.5, "refused": 1, "last_error": "The webhook is away."}},
            )

    run(scene)


CLIENTS = (
    ClientConfig(name="acme", token=SecretStr(TOKEN), protocols=("twilio",), max_calls=2),
    ClientConfig(name="other", token=SecretStr("another-token-of-16"), protocols=("l16",)),
)


def test_a_wrong_token_is_refused_before_anything_is_kept() -> None:
    basic = base64.b64encode(f"acme:{TOKEN}".encode()).decode()
    good: list[tuple[str, dict[str, str]]] = [
        ("/v1/twilio", {"authorization": f"Bearer {TOKEN}"}),
        ("/v1/twilio", {"authorization": f"Basic {basic}"}),
        ("/v1/twilio", {"x-api-key": TOKEN}),
        (f"/v1/twilio?token={TOKEN}", {}),
        (f"/v1/twilio/{TOKEN}", {}),
    ]
    wrong: list[tuple[str, dict[str, str]]] = [
        ("/v1/twilio", {}),
        ("/v1/twilio", {"authorization": f"Bearer {TOKEN}x"}),
        ("/v1/twilio", {"authorization": "Basic !!!"}),
        ("/v1/twilio?token=", {}),
        ("/v1/twilio/another-token-of-16", {}),
        (f"/v1/l16/{TOKEN}", {}),
    ]

    async def scene() -> None:
        async with house(clients=CLIENTS) as here:
            for path, headers in wrong:
                with pytest.raises(InvalidStatus, match="401"):
                    await connect(here.url(path), additional_headers=headers)
            assert here.outcomes() == ["unauthorized"] * len(wrong)
            assert TOKEN not in here.log.getvalue()
            for number, (path, headers) in enumerate(good):
                await twilio_call(here, f"CA{number}", path, additional_headers=headers)
                await here.summary(f"CA{number}")

    run(scene)


def test_one_clients_calls_are_bounded_and_the_others_do_not_notice() -> None:
    async def scene() -> None:
        async with house(clients=CLIENTS, joining=JoiningConfig(reconnect_s=0.0)) as here:
            path = f"/v1/twilio/{TOKEN}"
            async with connect(here.url(path)) as first, connect(here.url(path)) as second:
                calls = [TwilioCall(first, "CA1"), TwilioCall(second, "CA2")]
                for call in calls:
                    await call.start()
                await here.until(lambda: here.pool.n_calls == 2)
                async with connect(here.url(path)) as third:
                    await TwilioCall(third, "CA3").start()
                    assert await closed(third) == 1013
                assert here.outcomes() == ["client_calls"]
                async with connect(here.url("/v1/l16/another-token-of-16")) as other:
                    await other.send(json.dumps({"call_id": "L1", "sampleRate": 8000, "mixType": "mono"}))
                    await other.send(SPEECH[:3200])
                await here.summary("L1")
                for call in calls:
                    await call.media(SPEECH)
                    await call.say("stop")
                for call in calls:
                    assert (await here.summary(call.call_id)).coverage.ratio == 1.0
            await twilio_call(here, "CA4", path)
            await here.summary("CA4")
            assert "CA3" not in here.events

    run(scene)


def test_too_many_calls_at_once_are_refused() -> None:
    async def scene() -> None:
        async with house(limits=LimitsConfig(calls_per_s=0.001, calls_burst=1)) as here:
            await check_good_call(here, "CA1")
            async with connect(here.url("/v1/twilio")) as socket:
                await TwilioCall(socket, "CA2").start()
                assert await closed(socket) == 1013
            assert here.outcomes() == ["calls_per_s"]
        async with house(pool=PoolConfig(max_calls=1, tick_s=0.02)) as here:
            async with connect(here.url("/v1/twilio")) as first, connect(here.url("/v1/twilio")) as socket:
                await TwilioCall(first, "CA1").start()
                await here.until(lambda: here.pool.n_calls == 1)
                await TwilioCall(socket, "CA2").start()
                assert await closed(socket) == 1013
            assert here.outcomes() == ["calls"]

    run(scene)


def test_a_stream_that_comes_back_after_a_restart_is_another_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its utterances, episodes and events would have the ids of the first part, and be taken for known."""
    monkeypatch.setattr(switchboard, "_LEARN_S", 0.01)

    async def scene() -> None:
        asked: list[int] = []

        def begun() -> Sequence[str]:
            asked.append(1)
            if len(asked) == 1:
                return ["CA1"]
            raise StoreError("The store is away.")

        async with house(begun=begun) as here:
            async with connect(here.url("/v1/twilio")) as socket:
                await TwilioCall(socket, "CA1").whole()
                await closed(socket)
            assert (await here.summary("CA1.2")).coverage.ratio == 1.0
            assert "CA1" not in here.events
            await here.until(lambda: len(asked) > 1)
            async with connect(here.url("/v1/twilio")) as socket:
                await TwilioCall(socket, "CA2").whole()
                await closed(socket)
            await here.summary("CA2")

    run(scene)


def test_a_call_whose_id_is_still_being_analysed_is_refused_and_the_other_one_is_untouched() -> None:
    async def scene() -> None:
        async with house(equipped=False) as here:
            earlier = Call(
                call_id="CA1",
                started_at=datetime(2026, 11, 2, 9, 30, tzinfo=UTC),
                gateway="twilio",
                channels=(Channel.CALLER,),
                roles=Roles.GIVEN,
            )
            assert here.pool.start_call(earlier)
            async with connect(here.url("/v1/twilio")) as socket:
                call = TwilioCall(socket, "CA1")
                await call.start()
                await call.media(SPEECH)
                assert await closed(socket) == 1013
            assert here.outcomes() == ["call_id"]
            await here.until(lambda: here.server.n_connections == 0)
            async with connect(here.url("/v1/twilio")) as socket:
                await TwilioCall(socket, "CA1").whole()
                await closed(socket)
            here.pool.end_call("CA1", "end")
            here.pool.equip(models())
            assert (await here.summary("CA1")).duration_s == 0.0
            assert (await here.summary("CA1.2")).coverage.ratio == 1.0

    run(scene)


BROKEN: list[tuple[list[str | bytes], int]] = [
    (["not json"], 1007),
    (["[1, 2]"], 1007),
    ([b"\x00\x01"], 1007),
    (["x" * 70_000], 1009),
    (['{"event": "media", "media": {"payload": "AAAA"}}'] * 3000, 1008),
]


@pytest.mark.parametrize(("messages", "code"), BROKEN)
def test_who_breaks_the_protocol_is_told_so_and_a_good_call_beside_it_is_untouched(
    messages: list[str | bytes], code: int
) -> None:
    async def scene() -> None:
        async with house() as here:

            async def misbehave() -> None:
                async with connect(here.url("/v1/twilio")) as socket:
                    with contextlib.suppress(ConnectionClosed):
                        for message in messages:
                            await socket.send(message)
                    assert await closed(socket) == code

            await asyncio.gather(misbehave(), check_good_call(here, "CA1"))
            assert here.outcomes() == ["message_bytes" if code == 1009 else "protocol_error"]

    run(scene)


def test_a_connection_that_starts_no_call_is_closed() -> None:
    async def scene() -> None:
        async with house(limits=LimitsConfig(start_s=0.3)) as here, connect(here.url("/v1/twilio")) as nothing:
            reader, writer = await asyncio.open_connection("127.0.0.1", here.server.audiosocket_port)
            assert await closed(nothing) == 1000
            assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b""
            writer.close()
            assert here.outcomes() == ["no_start", "no_start"]

    run(scene)


def test_a_connection_that_falls_silent_is_closed_and_others_go_on() -> None:
    async def scene() -> None:
        limits = LimitsConfig(idle_s=1.5)  # time enough for those who are not silent, however busy the machine is
        async with house(limits=limits, joining=JoiningConfig(reconnect_s=0.0)) as here:
            async with connect(here.url("/v1/twilio")) as silent:
                await TwilioCall(silent, "CA1").start()
                assert await closed(silent) == 1000
            await here.summary("CA1")
            assert here.outcomes() == ["idle"]
            await check_good_call(here, "CA2")

    run(scene)


def test_a_request_that_is_never_whole_is_answered_and_closed() -> None:
    async def scene() -> None:
        async with house(limits=LimitsConfig(request_s=0.3)) as here:
            reader, writer = await asyncio.open_connection("127.0.0.1", here.server.port)
            writer.write(b"GET /healthz HTTP/1.1\r\n")
            assert (await asyncio.wait_for(reader.read(), PATIENCE_S)).startswith(b"HTTP/1.1 408")
            writer.close()

    run(scene)


def test_what_is_no_http_is_told_by_a_line_like_all_others() -> None:
    async def scene() -> None:
        async with house() as here:
            with here.telemetry.with_libraries():
                reader, writer = await asyncio.open_connection("127.0.0.1", here.server.port)
                writer.write(b"no http at all\r\n\r\n")
                assert (await asyncio.wait_for(reader.read(), PATIENCE_S)).startswith(b"HTTP/1.1 400")
                writer.close()
            (line,) = [json.loads(line) for line in here.log.getvalue().splitlines()]
            assert (line["event"], line["level"], line["where"]) == ("library", "warning", "uvicorn.error")
            assert line["reason"] == "Invalid HTTP request received."

    run(scene)


def test_idle_connections_beyond_the_limit_are_turned_away_and_a_call_goes_on() -> None:
    async def scene() -> None:
        async with house(limits=LimitsConfig(connections=400, request_s=60.0)) as here:
            async with connect(here.url("/v1/twilio")) as socket:
                call = TwilioCall(socket, "CA1")
                await call.start()
                await call.media(SPEECH[:16_000])
                idle = [await asyncio.open_connection("127.0.0.1", here.server.port) for _ in range(600)]
                answers = [asyncio.create_task(reader.read(20)) for reader, _ in idle]
                await here.until(lambda: sum(answer.done() for answer in answers) >= 200)
                turned_away = [answer.result()[:12] for answer in answers if answer.done()]
                await call.media(SPEECH, begin=16_000)
                await call.say("stop")
                summary = await here.summary("CA1")
                assert summary.coverage.ratio == 1.0
                for _, writer in idle:
                    writer.close()
            assert set(turned_away) == {b"HTTP/1.1 503"}
            assert 200 <= len(turned_away) <= 201
            await here.until(lambda: here.server.n_connections == 0)
            await check_good_call(here, "CA2")

    run(scene)


def test_a_peer_that_never_reads_is_cut_off_and_a_good_call_beside_it_is_untouched() -> None:
    session = "e160e428-53e2-487c-977d-96989bf5c99d"

    async def scene() -> None:
        async with house(limits=LimitsConfig(write_s=0.5), joining=JoiningConfig(reconnect_s=0.0)) as here:
            raw = socket.socket()
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            raw.connect(("127.0.0.1", here.server.port))
            raw.setblocking(False)
            reader, writer = await asyncio.open_connection(sock=raw, limit=1024)
            key = base64.b64encode(os.urandom(16)).decode()
            writer.write(
                f"GET /v1/audiohook HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
            )
            await reader.readuntil(b"\r\n\r\n")

            def text(content: dict[str, Any]) -> bytes:
                data = json.dumps(content).encode()
                size = struct.pack(">BBH", 0x81, 0x80 | 126, len(data)) if len(data) > 125 else b""
                return (size or struct.pack(">BB", 0x81, 0x80 | len(data))) + bytes(4) + data

            base = {"version": "2", "id": session, "position": "PT0S", "serverseq": 0}
            opening = {
                "organizationId": session,
                "conversationId": "090eaa2f-72fa-480a-83e0-8667ff89c0ec",
                "participant": {"id": session, "ani": "", "dnis": ""},
                "media": [{"type": "audio", "format": "PCMU", "channels": ["external", "internal"], "rate": 8000}],
            }
            writer.write(text(base | {"type": "open", "seq": 1, "parameters": opening}))

            async def ping() -> None:
                with contextlib.suppress(OSError):
                    for seq in range(2, 100_000):
                        writer.write(text(base | {"type": "ping", "seq": seq, "parameters": {}}))
                        await writer.drain()

            await asyncio.gather(ping(), check_good_call(here, "CA1"))
            await here.until(lambda: "unread" in here.outcomes())
            writer.transport.abort()

    run(scene)


def test_a_call_whose_connection_breaks_goes_on_with_the_next() -> None:
    async def scene() -> None:
        async with house() as here:
            async with connect(here.url("/v1/twilio")) as socket:
                call = TwilioCall(socket, "CA1")
                await call.start()
                await call.media(SPEECH[:160])
                await here.until(lambda: here.pool.n_calls == 1)
                socket.transport.abort()
            await here.until(lambda: here.server.n_connections == 0)
            assert here.pool.n_calls == 1
            await twilio_call(here, "CA1")
            summary = await here.summary("CA1")
            assert [isinstance(one, CallStarted) for one in here.events["CA1"]].count(True) == 1
            assert [one.index for one in here.utterances("CA1", Channel.CALLER)] == [0, 1]
            assert summary.duration_s > 7.0
            assert list(here.events) == ["CA1"]

    run(scene)


def test_a_server_that_closes_lets_calls_end_and_takes_no_new_ones() -> None:
    async def scene() -> None:
        async with house() as here:
            async with connect(here.url("/v1/twilio")) as socket:
                call = TwilioCall(socket, "CA1")
                await call.start()
                await call.media(SPEECH[:48_000])
                await here.until(lambda: here.pool.n_calls == 1)
                closing = asyncio.create_task(here.server.close(drain_s=PATIENCE_S))
                await asyncio.sleep(0)
                assert (await here.get("/readyz"))[0] == 503
                with pytest.raises(InvalidStatus, match="503"):
                    await connect(here.url("/v1/twilio"))
                await call.media(SPEECH, begin=48_000)
                await call.say("stop")
                await closing
            assert (await here.summary("CA1")).reason == "stop"
        async with house() as here:
            async with connect(here.url("/v1/twilio")) as socket:
                call = TwilioCall(socket, "CA1")
                await call.start()
                await call.media(SPEECH)
                await here.until(lambda: here.pool.n_calls == 1)
                await here.server.close()
                assert await closed(socket) == 1000
            assert (await here.summary("CA1")).coverage.ratio == 1.0

    run(scene)


def make_certificate(cert: Path, key: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)


def test_calls_come_in_over_tls(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make_certificate(cert, key)

    async def scene() -> None:
        import ssl

        async with house(tls_cert_file=cert, tls_key_file=key) as here:
            trusting = ssl.create_default_context(cafile=str(cert))
            async with connect(here.url("/v1/twilio").replace("ws:", "wss:"), ssl=trusting) as socket:
                await TwilioCall(socket, "CA1").whole()
            assert (await here.summary("CA1")).coverage.ratio == 1.0
        with pytest.raises(ConfigError, match="certificate"):
            async with house(tls_cert_file=key, tls_key_file=key):
                pass

    run(scene)


def test_a_port_that_is_taken_is_named() -> None:
    async def scene() -> None:
        async with house() as here:
            with pytest.raises(ConfigError, match=f"127.0.0.1:{here.server.port} cannot be listened on"):
                async with house(port=here.server.port):
                    pass

    run(scene)


def test_the_network_is_not_listened_to_without_authentication() -> None:
    with pytest.raises(ValidationError, match="anybody could push calls"):
        ServeConfig(host="0.0.0.0")
    with pytest.raises(ValidationError, match="anybody could push calls"):
        ServeConfig(audiosocket_host="10.0.0.1")
    with pytest.raises(ValidationError, match="anybody could push calls"):
        ServeConfig(audiosocket_host="::", clients=CLIENTS, audiosocket=AudioSocketConfig(accept_unknown=True))
    ServeConfig(host="0.0.0.0", clients=CLIENTS)
    ServeConfig(host="0.0.0.0", allow_unauthenticated_network=True)
    with pytest.raises(ValidationError, match="16 characters"):
        ClientConfig(name="acme", token=SecretStr("short"))
    with pytest.raises(ValidationError, match="must differ"):
        ServeConfig(clients=(CLIENTS[0], CLIENTS[0]))
    assert DecoderLimits().message_bytes == 65_536

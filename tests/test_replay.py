"""A recording played as live calls, over every protocol, gives what scoring the recording gives."""

import asyncio
import contextlib
import io
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from websockets.asyncio.client import connect

from tests.patience import PATIENCE_S
from voicepipe.audio.codecs import Encoding, decode, encode
from voicepipe.config import Settings
from voicepipe.events.reroute import RerouteEvent
from voicepipe.events.store import Store
from voicepipe.gateways.audiohook_messages import read_duration
from voicepipe.gateways.config import ServeConfig
from voicepipe.gateways.files import FileSource
from voicepipe.gateways.senders import SENDERS, AudioHookSender
from voicepipe.gateways.server import LiveServer
from voicepipe.packaged import PACKAGE
from voicepipe.pipeline.config import AnalysisConfig
from voicepipe.pipeline.pool import CallPool
from voicepipe.pipeline.shedding import PoolConfig
from voicepipe.replay import Replayed, ReplayOptions, replay
from voicepipe.service import Listener, RerouteTeller, Told
from voicepipe.stress.episode import EpisodeConfig
from voicepipe.telemetry import Telemetry
from voicepipe.types import (
    Call,
    CallEvent,
    CallStarted,
    CallSummary,
    Channel,
    ConfigError,
    Episode,
    Roles,
    ScoredUtterance,
    Transcript,
)

UPSET = PACKAGE / "samples" / "upset_caller.wav"
PATIENT = PoolConfig(max_buffer_s=3600.0, shed_agent_text_s=3600.0, shed_caller_text_s=3600.0, shed_embedding_s=3600.0)


TOUCHY = AnalysisConfig(
    max_skew_s=3600.0,  # played so fast, one of two connections is soon far behind the other
    episode=EpisodeConfig(
        false_alarms_per_100_call_hours=99.0,
        min_stressed_speech_s=1.0,
        min_utterances=2,
        stressed_p_value=0.45,
        cool_down_s=5.0,
    ),
)
"""Opens episodes at little: here it matters that they are the same ones, not that they are right."""


@pytest.fixture(scope="module")
def listener(whisper_dir: Path) -> Listener:
    return Listener(Settings(cache_dir=whisper_dir.parents[1], analysis=TOUCHY), workers=2)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a sample call as a telephone carries it: in mu-law, so that no codec changes it any more."""
    samples, rate_hz = soundfile.read(UPSET, dtype="float32")
    heard = decode(encode(samples.reshape(-1), encoding=Encoding.PCMU), encoding=Encoding.PCMU)
    path = tmp_path_factory.mktemp("parity") / "upset.wav"
    soundfile.write(path, np.asarray(heard).reshape(samples.shape), rate_hz, subtype="PCM_16")
    return path


@dataclass
class Live:
    """A server with real models, and what its calls told."""

    server: LiveServer
    listener: Listener
    told: dict[str, list[Told]] = field(default_factory=dict)
    tellers: dict[str, RerouteTeller] = field(default_factory=dict)

    def take(self, event: CallEvent) -> None:
        call_id = event.call.call_id if isinstance(event, CallStarted | CallSummary) else event.call_id
        teller = self.tellers.setdefault(
            call_id, RerouteTeller(versions=self.listener.versions, config=Settings().reroute)
        )
        self.told.setdefault(call_id, []).append(teller.tell(event))
        self.server.on_call_event(event)


@contextlib.asynccontextmanager
async def live(listener: Listener) -> AsyncIterator[Live]:
    telemetry = Telemetry(out=io.StringIO())
    pool = CallPool(config=PATIENT, analysis=TOUCHY, deliver=lambda event: here.take(event), observer=telemetry)
    server = LiveServer(
        config=ServeConfig(port=0, audiosocket_port=0),
        pool=pool,
        observer=telemetry,
        metrics=telemetry.metrics,
        store_fault=lambda: None,
    )
    here = Live(server=server, listener=listener)
    await server.open()
    pool.equip(listener.models)
    try:
        yield here
        assert await asyncio.to_thread(pool.drain, 300.0)
    finally:
        await server.close()
        await asyncio.to_thread(pool.stop)


def options_for(protocol: str, server: LiveServer, **options: Any) -> ReplayOptions:
    if protocol == "audiosocket":
        options |= {"register": f"http://127.0.0.1:{server.port}", "to": f"tcp://127.0.0.1:{server.audiosocket_port}"}
    else:
        options |= {"to": f"ws://127.0.0.1:{server.port}"}
    return ReplayOptions(protocol=protocol, caller_channel="left", call_id=protocol, **options)


async def play(path: Path, options: ReplayOptions) -> Replayed:
    outcome = await asyncio.to_thread(replay, path, options)
    assert outcome.faults == []
    return outcome


def untimed(transcript: Transcript) -> Transcript:
    """Return what was said without the times of its words, which only who asks for them is told."""
    redactions = tuple(replace(one, start_s=None, end_s=None) for one in transcript.redactions)
    return replace(transcript, words=(), redactions=redactions)


def told_of(story: list[Told], *, call_id: str) -> list[object]:
    """Return what a call told, under one name, without what depends on when and whence it came."""
    told: list[object] = []
    for event, reroute in story:
        if isinstance(event, ScoredUtterance) and event.transcript is not None:
            told.append(replace(event, call_id=call_id, transcript=untimed(event.transcript)))
        elif isinstance(event, ScoredUtterance | Episode):
            told.append(replace(event, call_id=call_id))
        elif isinstance(event, CallSummary):
            told.append((event.duration_s, event.language, event.coverage))
        if isinstance(reroute, RerouteEvent):
            wire = reroute.model_dump(mode="json", exclude={"event_id", "occurred_at", "call"})
            told.append({name: value for name, value in wire.items() if not name.endswith("_at")})
    return told


@pytest.mark.slow
def test_every_protocol_gives_what_the_recording_gives(listener: Listener, recording: Path) -> None:
    source = FileSource(recording, caller_channel="left")
    expected = told_of(list(listener.listen(source.events())), call_id="call")
    assert [one.state for one in expected if isinstance(one, Episode)][:2] == ["opened", "closed"]

    async def scene() -> None:
        async with live(listener) as here:
            for protocol in SENDERS:
                jitter = {"speed": 20.0, "jitter_ms": 60.0} if protocol in {"twilio", "audiosocket"} else {"speed": 0.0}
                await play(recording, options_for(protocol, here.server, **jitter))
        assert set(here.told) == set(SENDERS)
        for protocol, story in here.told.items():
            assert told_of(story, call_id="call") == expected, protocol
            said = [one.transcript for one, _ in story if isinstance(one, ScoredUtterance) and one.transcript]
            timed = {bool(one.words) for one in said if one.text}
            assert timed == {protocol == "audiohook"}, "only Genesys is told words, only there are they timed"

    asyncio.run(scene())


@pytest.mark.slow
def test_genesys_gets_every_word_with_its_time(listener: Listener, recording: Path) -> None:
    samples, rate_hz = soundfile.read(recording, dtype="float32", stop=20 * 8000)
    call = Call(
        call_id="090eaa2f-72fa-480a-83e0-8667ff89c0ec",
        started_at=datetime(2026, 11, 2, 9, 30, tzinfo=UTC),
        gateway="audiohook",
        channels=(Channel.CALLER, Channel.AGENT),
        roles=Roles.GIVEN,
    )
    sender = AudioHookSender(call, rate_hz=rate_hz)

    async def scene() -> None:
        async with live(listener) as here:
            url = f"ws://127.0.0.1:{here.server.port}{sender.path}"
            async with connect(url, additional_headers=sender.headers) as socket:

                async def converse(until: Callable[[], bool]) -> None:
                    while not until():
                        for answer in sender.receive(await asyncio.wait_for(socket.recv(), PATIENCE_S)):
                            await socket.send(answer)

                for message in sender.opening():
                    await socket.send(message)
                await converse(lambda: sender.is_open)
                for at in range(0, len(samples), 1600):
                    for message in sender.audio(list(samples[at : at + 1600].T), first_sample=at):
                        await socket.send(message)
                await converse(lambda: {one["channelId"] for one in sender.transcripts} == {0, 1})
                for message in sender.closing():
                    await socket.send(message)
                await converse(lambda: sender.is_done)

    asyncio.run(scene())
    for data in sender.transcripts:
        (interpretation,) = data["alternatives"][0]["interpretations"]
        assert " ".join(token["value"] for token in interpretation["tokens"]) == interpretation["transcript"]
        assert all(0.0 < token["confidence"] <= 1.0 for token in interpretation["tokens"])
        bounds_s = list(itertools.chain.from_iterable(map(start_and_end_s, interpretation["tokens"])))
        start_s, end_s = start_and_end_s(data)
        assert bounds_s == sorted(bounds_s)
        assert start_s <= bounds_s[0] < bounds_s[-1] <= end_s


def start_and_end_s(told: dict[str, Any]) -> tuple[float, float]:
    """Return when an utterance or a word began and ended, to a hundredth: the wire rounds each duration."""
    start_s, duration_s = read_duration(told["offset"]), read_duration(told["duration"])
    assert start_s is not None
    assert duration_s is not None
    return round(start_s, 2), round(start_s + duration_s, 2)


@pytest.mark.slow
def test_lost_packets_are_gaps_and_the_call_goes_on(listener: Listener, recording: Path) -> None:
    async def scene() -> None:
        async with live(listener) as here:
            outcome = await play(recording, options_for("twilio", here.server, speed=0.0, loss_pct=5.0))
            assert 200 < outcome.lost < 600
        summary = here.told["twilio"][-1][0]
        assert isinstance(summary, CallSummary)
        assert summary.duration_s == pytest.approx(soundfile.info(recording).duration, abs=0.1)
        assert len([one for one, _ in here.told["twilio"] if isinstance(one, ScoredUtterance)]) > 10

    asyncio.run(scene())


@pytest.mark.slow
def test_serve_takes_a_replayed_call_and_keeps_its_events_when_it_is_told_to_stop(
    tmp_path: Path, whisper_dir: Path
) -> None:
    store = f"sqlite:///{tmp_path}/store.sqlite"
    config = tmp_path / "serve.toml"
    config.write_text("[serve]\nport = 0\naudiosocket_port = 0\n[pool]\nmax_buffer_s = 3600.0\n")
    environment = os.environ | {"VOICEPIPE_STORE_URL": store, "VOICEPIPE_CACHE_DIR": str(whisper_dir.parents[1])}
    command = [sys.executable, "-m", "voicepipe.cli"]
    with subprocess.Popen(
        [*command, "serve", "--config", str(config)], env=environment, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stderr is not None
            url = server.stderr.readline().split("listening on ")[1].split("/v1/")[0]
            done = subprocess.run(
                [*command, "replay", str(UPSET), "--to", url, "--protocol", "plivo", "--speed", "0", "--call-id", "P1"],
                env=environment,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert done.stdout.startswith("1 of 1 call played")
            server.send_signal(signal.SIGTERM)
            rest = server.communicate(timeout=300)[1]
        finally:
            server.kill()
    assert server.returncode == 0, rest
    assert "Traceback" not in rest
    with Store.open(store, sinks=[], clock=lambda: pytest.fail("nothing is written")) as kept:
        topics = [row.topic for row in kept.events_of("P1")]
    assert topics[0] == topics[-1] == "voicepipe.calls.v1"
    assert len(topics) >= 2


def test_an_address_that_does_not_fit_the_protocol_is_refused() -> None:
    for to, protocol in (
        ("ws://127.0.0.1:1", "audiosocket"),
        ("tcp://127.0.0.1:1", "twilio"),
        ("x", "l16"),
        ("ws://", "twilio"),
        ("ws://127.0.0.1:abc", "twilio"),
        ("tcp://127.0.0.1", "audiosocket"),
    ):
        with pytest.raises(ConfigError, match="does not fit"):
            replay(UPSET, ReplayOptions(to=to, protocol=protocol))


def test_only_audiosocket_is_registered() -> None:
    with pytest.raises(ConfigError, match="leave --register out for twilio"):
        replay(UPSET, ReplayOptions(to="ws://127.0.0.1:1", protocol="twilio", register="http://127.0.0.1:1"))


def test_nobody_there_is_said_in_one_sentence(tmp_path: Path) -> None:
    outcome = replay(UPSET, ReplayOptions(to="ws://127.0.0.1:9", protocol="l16", speed=0.0, call_id="L1"))
    assert outcome.calls == 0
    (fault,) = outcome.faults
    assert fault.startswith("L1: ws://127.0.0.1:9 cannot be reached (Connection refused); check the address")

"""What callers say in confidence is nowhere to be found after a run: not in logs, metrics, errors, events or files."""

import asyncio
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr
from websockets.asyncio.client import connect

from tests.fakes import FakeDetector, FakeScorer, FakeSink, calm_reference, evenly_timed
from tests.gateways.test_server import PATIENCE_S, SPEECH, TwilioCall, closed, fetch, run
from tests.pipeline.test_pool import call_of, media, talk
from voicepipe.batch.lines import dump, reroute_line, utterance_line
from voicepipe.config import Settings
from voicepipe.consent import caller_id_of
from voicepipe.events.config import WebhookConfig
from voicepipe.events.contract import TOPICS
from voicepipe.events.reroute import Versions
from voicepipe.gateways.audiohook_messages import transcript_entity
from voicepipe.gateways.config import ClientConfig, ServeConfig
from voicepipe.gateways.decoder import DecoderLimits
from voicepipe.gateways.server import LiveServer
from voicepipe.pipeline.call import Models, analyze_call
from voicepipe.pipeline.pool import CallPool
from voicepipe.pipeline.shedding import PoolConfig
from voicepipe.ports import Transcriber
from voicepipe.service import Courier, tell_reroutes
from voicepipe.serving import Scribe
from voicepipe.telemetry import Telemetry
from voicepipe.types import (
    CallEvent,
    CallSummary,
    Channel,
    Frustration,
    HumanRequest,
    Recognition,
    ScoredUtterance,
    Transcript,
    Utterance,
)

CARD = "4111 1111 1111 1111"
MAIL = "jane.roe77@example.org"
PHONE = "+44 20 7946 0958"
NAME = "Vandersmythe"
NUMBER = "+1 212 555 0143"
TOKEN = "ingest-token-planted-1"
HOOK = "webhook-secret-planted-2"
KEY = "caller-key-planted-3"

SPOKEN = {"card": CARD, "mail": MAIL, "phone": PHONE, "name": NAME}
"""What the callers say."""
KEPT_BACK = {"caller's number": NUMBER, "ingest token": TOKEN, "webhook secret": HOOK, "key of numbers": KEY}
"""What the protocol and the settings hold."""

SENTENCES = (
    f"my card number is {CARD} please",
    f"you can write to {MAIL} today",
    f"my phone number is {PHONE} as always",
    f"my name is Jane {NAME} and I am waiting",
)
HARMLESS = ("number is", "write to", "am waiting")
"""Words around the secrets: where they are missing, the search would prove nothing."""

VERSIONS = Versions(code="1", model="fake", config="0", transcriber="fake")


@dataclass
class Confiding(Transcriber):
    """A `Transcriber` to whom callers tell their secrets; at times it fails and says with what."""

    said: list[str] = field(default_factory=list)
    fails_at: int | None = None

    def recognize(
        self,
        utterance: Utterance,
        *,
        language: str | None,
        choose_language: Callable[[Mapping[str, float]], str | None] | None = None,
        transcribe: bool = True,
        embed: bool = True,
        word_times: bool = False,
    ) -> Recognition:
        text = SENTENCES[utterance.index % len(SENTENCES)]
        self.said.append(text)
        if self.fails_at == utterance.index:
            raise RuntimeError(f"cannot decode '{text}'")
        level = float(np.abs(utterance.samples).max())
        words = evenly_timed(text, utterance) if word_times else ()
        return Recognition(
            transcript=Transcript(text=text, language="en", words=words) if transcribe else None,
            embedding=np.full(8, level, np.float32) if embed else None,
        )


class Quoting:
    """A reader of words that quotes everything it is given, as a request and as frustration."""

    def read(self, transcript: Transcript) -> tuple[HumanRequest, Frustration]:
        return (
            HumanRequest(kind="human", rule="all", quote=transcript.text),
            Frustration(prob=0.9, words=tuple(transcript.text.split()), model_id="fake"),
        )


def models(transcriber: Confiding) -> Models:
    return Models(
        detector=FakeDetector(),
        transcriber=transcriber,
        scorer=FakeScorer(),
        calm=calm_reference(),
        words=Quoting(),  # type: ignore[arg-type]
    )


def squeeze(text: str) -> str:
    """Return letters and digits alone: a number is the same however it is grouped."""
    return re.sub(r"[^0-9a-z]+", "", text.lower())


def betrayals(places: Mapping[str, str], secrets: Mapping[str, str]) -> list[str]:
    """Return which secret is found where."""
    squeezed = {place: squeeze(text) for place, text in places.items()}
    return [
        f"{name} in {place}"
        for place, text in squeezed.items()
        for name, one in secrets.items()
        if squeeze(one) in text
    ]


def files_of(folder: Path) -> dict[str, str]:
    return {path.name: path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()}


@contextmanager
def courier_to(sink: FakeSink, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Courier]:
    monkeypatch.setattr("voicepipe.service.WebhookSink", _Named(sink))
    with Courier(settings, kafka=None, webhook=settings.webhook, patient=True) as courier:
        yield courier


class _Named:
    """Stands for the class of the sink: makes the one sink, and knows its name."""

    name = "webhook"

    def __init__(self, sink: FakeSink) -> None:
        self._sink = sink

    def __call__(self, config: WebhookConfig, *, unix_time_s: Callable[[], float]) -> FakeSink:
        return self._sink


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    clients = (ClientConfig(name="acme", token=SecretStr(TOKEN)),)
    return Settings(
        store_url=f"sqlite:///{tmp_path}/store.sqlite",
        webhook=WebhookConfig(url="https://crm.example.org/hook", secret=SecretStr(HOOK), topics=TOPICS),
        serve=ServeConfig(
            port=0, audiosocket_port=0, clients=clients, decoder=DecoderLimits(caller_key=SecretStr(KEY))
        ),
    )


SHOUTS = np.clip(np.frombuffer(SPEECH, "<i2").astype(np.float64) * 3.6, -32767, 32767).astype("<i2").tobytes()
"""Two loud words in seven seconds; enough of them open an episode, whose event quotes them."""


async def live_run(settings: Settings, courier: Courier, transcriber: Confiding) -> dict[str, str]:
    """Serve calls over real sockets, good ones and broken ones; return all that can be read afterwards."""
    loop, log, done = asyncio.get_running_loop(), io.StringIO(), asyncio.Event()
    telemetry = Telemetry(out=log)
    scribe = Scribe(courier, settings=settings, versions=VERSIONS, observer=telemetry)
    told: list[CallEvent] = []

    def deliver(event: CallEvent) -> None:
        told.append(event)
        scribe.take(event)
        server.on_call_event(event)
        if isinstance(event, CallSummary):
            loop.call_soon_threadsafe(done.set)

    pool = CallPool(config=PoolConfig(tick_s=0.02), analysis=settings.analysis, deliver=deliver, observer=telemetry)
    server = LiveServer(
        config=settings.serve, pool=pool, observer=telemetry, metrics=telemetry.metrics, store_fault=courier.fault
    )
    pool.equip(models(transcriber))
    await server.open()
    address = f"127.0.0.1:{server.port}"
    places: dict[str, str] = {}

    async def ask(path: str, data: bytes | None = None, token: str = TOKEN) -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        _, answer = await asyncio.to_thread(fetch, f"http://{address}{path}", data=data, headers=headers)
        places[f"answer {len(places)} of {path}"] = answer

    try:
        async with connect(f"ws://{address}/v1/twilio/{TOKEN}") as socket:
            call = TwilioCall(socket, "CA1")
            await call.start(custom={"caller": NUMBER, "consent": "yes", "note": f"{CARD} {MAIL}"})
            for nth in range(12):
                await call.media(SHOUTS * (nth + 1), begin=len(SHOUTS) * nth)
            await ask("/v1/calls/CA1/consent", json.dumps({"consent": "yes", "note": CARD}).encode())
            await call.say("stop", stop={"callSid": "CA1"})
            await closed(socket)
        async with asyncio.timeout(PATIENCE_S):
            await done.wait()
        async with connect(f"ws://{address}/v1/twilio/{TOKEN}") as socket:
            await socket.send(f"{{ {CARD} {MAIL}")
            await closed(socket)
        await ask("/v1/audiosocket/calls", json.dumps({"call_id": "", "caller": NUMBER, "card": CARD}).encode())
        await ask(f"/v1/audiosocket/calls?note={squeeze(CARD)}", b"{}", "wrong-token-of-somebody")
        await ask("/v1/calls/CA1/consent", f'{{"consent": "{CARD}'.encode())
        await ask("/readyz")
        await ask("/metrics")
    finally:
        await server.close()
        await asyncio.to_thread(pool.stop)
        assert await asyncio.to_thread(scribe.close, PATIENCE_S) == 0
        assert await asyncio.to_thread(courier.flush, PATIENCE_S) is None
    return places | {
        "log": log.getvalue(),
        "metrics": telemetry.metrics().decode(),
        "events in memory": repr(told),
    }


@pytest.fixture
def after_live(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> dict[str, str]:
    """Return everything that can be read after a live run: name of the place, and its text."""
    sink, transcriber = FakeSink("webhook"), Confiding(fails_at=5)
    places: dict[str, str] = {}

    async def scene() -> None:
        places.update(await live_run(settings, courier, transcriber))

    with courier_to(sink, settings, monkeypatch) as courier:
        run(scene)
        places |= {f"while open: {name}": text for name, text in files_of(tmp_path).items()}
    places |= files_of(tmp_path)
    for number, message in enumerate(sink.taken):
        places[f"event {number}"] = f"{message.headers} {message.body.decode()}"
    captured = capfd.readouterr()
    places["standard output and error"] = captured.out + captured.err
    assert min(Counter(transcriber.said)[one] for one in SENTENCES) >= 3, "every secret was said, more than once"
    assert "failure" in places["log"], "the failure whose text quotes a secret was logged"
    assert any('"kind":"requested"' in text for text in places.values()), "an event that quotes was sent"
    return places


def test_the_live_path_keeps_what_was_said_in_confidence(after_live: dict[str, str]) -> None:
    store = squeeze(after_live["store.sqlite"])
    for words in HARMLESS:
        assert squeeze(words) in store, "the text around the secrets is kept: the search is in the right place"
    assert betrayals(after_live, SPOKEN) == []


def test_the_live_path_keeps_its_own_secrets_and_the_callers_number(after_live: dict[str, str]) -> None:
    assert caller_id_of(NUMBER, key=KEY) in after_live["store.sqlite"]
    assert betrayals(after_live, KEPT_BACK) == []


def test_the_batch_path_keeps_what_was_said_in_confidence(settings: Settings) -> None:
    transcriber = Confiding()
    call = replace(call_of("call-1", Channel.CALLER), started_at=datetime(2026, 11, 2, 9, 30, tzinfo=UTC))
    shouting = media(call, {Channel.CALLER: talk(*range(1, 88, 3), total_s=90.0, level=0.99)}, step=1600)
    events = analyze_call(shouting, models=models(transcriber), config=settings.analysis)
    told = list(tell_reroutes(events, versions=VERSIONS, config=settings.reroute))
    lines = [utterance_line(event) for event, _ in told if isinstance(event, ScoredUtterance)]
    lines += [reroute_line(reroute) for _, reroute in told if reroute is not None]
    assert any(line["type"] == "reroute" for line in lines)
    text = dump(lines)
    for words in HARMLESS:
        assert words in text
    assert min(Counter(transcriber.said)[one] for one in SENTENCES) >= 3, "every secret was said, more than once"
    assert betrayals({"lines": text, "events": repr(told)}, SPOKEN) == []


def test_the_words_that_go_back_to_the_sender_keep_what_was_said_in_confidence(settings: Settings) -> None:
    call = replace(call_of("call-1", Channel.CALLER), word_times=True)
    speaking = media(call, {Channel.CALLER: talk(*range(1, 40, 3), total_s=42.0, level=0.3)}, step=1600)
    told = list(analyze_call(speaking, models=models(Confiding()), config=settings.analysis))
    entities = [
        transcript_entity(event, event.transcript, channel_id=0, shift_s=0.0)
        for event in told
        if isinstance(event, ScoredUtterance) and event.transcript is not None
    ]
    said = [entity["data"]["alternatives"][0]["interpretations"][0] for entity in entities]
    values = [" ".join(token["value"] for token in one["tokens"]) for one in said]
    assert len(values) > len(SENTENCES)
    assert values == [one["transcript"] for one in said], "they are the masked text, word by word"
    for words in HARMLESS:
        assert words in " ".join(values)
    assert betrayals({"entities": json.dumps(entities), "words": " ".join(values), "events": repr(told)}, SPOKEN) == []


def test_the_search_finds_what_is_there() -> None:
    text = "card 4111-1111 1111.1111, mail JANE.ROE77@example.org, call +442079460958, Mrs VANDERSMYTHE"
    assert len(betrayals({"text": text}, SPOKEN)) == 4

"""End to end: a recording in, an event on a real broker out, and nothing lost when the broker is away."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.patience import until
from tests.ports import unused_port
from voicepipe.events.config import KafkaConfig
from voicepipe.events.embedded import embedded_broker
from voicepipe.events.feedback import FEEDBACK_TOPIC
from voicepipe.events.kafka import KafkaReader, KafkaRecord
from voicepipe.events.reroute import REROUTE_TOPIC
from voicepipe.events.store import Store
from voicepipe.packaged import PACKAGE

pytestmark = pytest.mark.slow

UPSET = PACKAGE / "samples" / "upset_caller.wav"
CALM = PACKAGE / "samples" / "calm_caller.wav"


def voicepipe(*args: object, tmp_path: Path, whisper_dir: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "voicepipe.cli", *map(str, args)]
    env = environment(tmp_path, whisper_dir)
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=300, check=False)


def environment(tmp_path: Path, whisper_dir: Path) -> dict[str, str]:
    return os.environ | {
        "VOICEPIPE_STORE_URL": f"sqlite:///{tmp_path}/store.sqlite",
        "VOICEPIPE_CACHE_DIR": str(whisper_dir.parents[1]),
        "COLUMNS": "160",
    }


def read(address: str) -> list[KafkaRecord]:
    with KafkaReader(KafkaConfig().at(address), topic=REROUTE_TOPIC) as reader:
        return list(reader.read_to_end(timeout_s=60))


def metrics(port: int) -> list[str]:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        lines: list[str] = answer.read().decode().splitlines()
        return lines


@contextmanager
def serving(address: str, tmp_path: Path, whisper_dir: Path) -> Iterator[int]:
    """Run ``voicepipe serve`` on a free port; it must end well on SIGTERM."""
    env = environment(tmp_path, whisper_dir) | {
        "VOICEPIPE_SERVE__PORT": "0",
        "VOICEPIPE_SERVE__AUDIOSOCKET_PORT": "0",
        # A busy machine leaves nothing out: eight times real time is more than some can do.
        "VOICEPIPE_POOL__MAX_BUFFER_S": "3600",
        "VOICEPIPE_POOL__SHED_AGENT_TEXT_S": "3600",
        "VOICEPIPE_POOL__SHED_CALLER_TEXT_S": "3600",
        "VOICEPIPE_POOL__SHED_EMBEDDING_S": "3600",
    }
    command = [sys.executable, "-m", "voicepipe.cli", "serve", "--kafka", address]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=env) as service:
        assert service.stderr is not None
        try:
            told = service.stderr.readline()
            match = re.search(r"ws://127\.0\.0\.1:(\d+)", told)
            assert match, told
            yield int(match[1])
        finally:
            service.send_signal(signal.SIGTERM)
            rest = service.stderr.read()
        assert service.wait(300) == 0, rest


@dataclass(frozen=True)
class Scored:
    """A broker, a store, and what the commands said that filled them.

    Attributes
    ----------
    address : str
        Of the broker.
    folder : Path
        Of the store.
    before : CompletedProcess
        ``voicepipe alerts`` before there was any.
    score : CompletedProcess
        ``voicepipe score`` of the upset caller.
    """

    address: str
    folder: Path
    before: "subprocess.CompletedProcess[str]"
    score: "subprocess.CompletedProcess[str]"


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory, whisper_dir: Path) -> Iterator[Scored]:
    folder = tmp_path_factory.mktemp("scored")
    with embedded_broker() as address:
        before = voicepipe("alerts", "--kafka", address, tmp_path=folder, whisper_dir=whisper_dir)
        score = voicepipe(
            "score", UPSET, "--format", "jsonl", "--kafka", address, tmp_path=folder, whisper_dir=whisper_dir
        )
        yield Scored(address, folder, before, score)


def test_the_event_on_kafka_is_the_line_that_score_prints(scored: Scored, whisper_dir: Path) -> None:
    done = scored.score
    assert done.returncode == 0, done.stderr
    records = read(scored.address)
    again = voicepipe("score", UPSET, "--kafka", scored.address, tmp_path=scored.folder, whisper_dir=whisper_dir)
    assert again.returncode == 0, again.stderr
    assert len(read(scored.address)) == len(records), "a replayed call sends nothing twice"
    printed = [json.loads(line) for line in done.stdout.splitlines()]
    reroutes = [line for line in printed if line.pop("type") == "reroute"]
    assert [json.loads(record.body) for record in records] == reroutes
    assert {record.key for record in records} == {printed[-1]["call_id"]}
    assert records[0].headers["ce_type"] == b"voicepipe.reroute.requested.v1"


def test_alerts_are_shown_and_judged(scored: Scored, whisper_dir: Path) -> None:
    address, tmp_path = scored.address, scored.folder
    assert scored.before.returncode == 1
    assert "voicepipe.reroute.v1" in scored.before.stderr, "the topic is not there yet"
    bodies = [record.body.decode() for record in read(address)]
    lines = voicepipe(
        "alerts", "--json", "--since", "1h", "--kafka", address, tmp_path=tmp_path, whisper_dir=whisper_dir
    )
    assert lines.stdout.splitlines() == bodies
    shown = voicepipe("alerts", "--kafka", address, tmp_path=tmp_path, whisper_dir=whisper_dir)
    assert "caller's normal" in shown.stdout
    event_id = json.loads(bodies[0])["event_id"]
    judged = voicepipe(
        *(
            "alerts",
            "--kafka",
            address,
            "verdict",
            event_id[:8],
            "justified",
            "--outcome",
            "rerouted",
            "--by",
            "ada",
        ),
        tmp_path=tmp_path,
        whisper_dir=whisper_dir,
    )
    assert judged.returncode == 0, judged.stderr
    assert "justified, rerouted" in judged.stdout
    with KafkaReader(KafkaConfig().at(address), topic=FEEDBACK_TOPIC) as reader:
        (feedback,) = [json.loads(record.body) for record in reader.read_to_end(timeout_s=60)]
    assert (feedback["event_id"], feedback["verdict"], feedback["given_by"]) == (event_id, "justified", "ada")
    unknown = voicepipe(
        "alerts", "--kafka", address, "verdict", "00000000", "unsure", tmp_path=tmp_path, whisper_dir=whisper_dir
    )
    assert unknown.returncode == 1
    assert "has no alert 00000000" in unknown.stderr
    misused = voicepipe("alerts", tmp_path=tmp_path, whisper_dir=whisper_dir)
    assert misused.returncode == 2


def test_an_event_waits_for_the_broker_and_goes_out_at_the_next_start(tmp_path: Path, whisper_dir: Path) -> None:
    nobody = f"127.0.0.1:{unused_port()}"
    failed = voicepipe("score", UPSET, "--kafka", nobody, tmp_path=tmp_path, whisper_dir=whisper_dir)
    assert failed.returncode == 1
    (sentence,) = failed.stderr.strip().splitlines()
    assert nobody in sentence
    assert "outbox" in sentence
    assert "1 reroute" in failed.stdout, "the call itself was scored"
    with embedded_broker() as address:
        done = voicepipe("score", CALM, "--kafka", address, tmp_path=tmp_path, whisper_dir=whisper_dir)
        assert done.returncode == 0, done.stderr
        records = read(address)
    assert [record.headers["ce_type"] for record in records] == [
        b"voicepipe.reroute.requested.v1",
        b"voicepipe.reroute.cleared.v1",
    ]
    assert records[0].key.startswith("upset_caller-")


def test_a_live_call_reaches_kafka_and_the_verdict_comes_back(tmp_path: Path, whisper_dir: Path) -> None:
    with embedded_broker() as address, serving(address, tmp_path, whisper_dir) as port:
        played = voicepipe(
            *("replay", UPSET, "--to", f"ws://127.0.0.1:{port}", "--protocol", "twilio", "--speed", "8"),
            *("--call-id", "live-1"),
            tmp_path=tmp_path,
            whisper_dir=whisper_dir,
        )
        assert played.returncode == 0, played.stderr
        requested = until(
            lambda: [one for one in read(address) if one.headers["ce_type"] == b"voicepipe.reroute.requested.v1"]
        )
        assert [record.key for record in requested] == ["live-1"]
        event_id = requested[0].headers["ce_id"].decode()
        judged = voicepipe(
            *("alerts", "--kafka", address, "verdict", event_id, "justified"),
            tmp_path=tmp_path,
            whisper_dir=whisper_dir,
        )
        assert judged.returncode == 0, judged.stderr
        with Store.open(tmp_path / "store.sqlite", sinks=[], clock=lambda: datetime.now(tz=UTC)) as store:
            (feedback,) = until(lambda: store.feedback_of(event_id))
        assert feedback.verdict == "justified"
        for line in ('voicepipe_feedback{answer="justified"} 1.0', 'voicepipe_events_pending{sink="kafka"} 0.0'):
            assert until(lambda line=line: line in metrics(port)), metrics(port)  # type: ignore[misc]


def test_the_demo_shows_one_reroute_and_exits_with_0(tmp_path: Path, whisper_dir: Path) -> None:
    done = voicepipe("demo", "--fast", tmp_path=tmp_path, whisper_dir=whisper_dir)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("read back by a separate consumer") == 1
    assert "no reroute for this call" in done.stdout
    assert "as it should be" in done.stdout

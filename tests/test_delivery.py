"""End to end: a recording in, an event on a real broker out, and nothing lost when the broker is away."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar
from urllib.request import urlopen

import pytest

from voicepipe.events.config import KafkaConfig
from voicepipe.events.embedded import embedded_broker
from voicepipe.events.feedback import FEEDBACK_TOPIC
from voicepipe.events.kafka import KafkaReader, KafkaRecord
from voicepipe.events.reroute import REROUTE_TOPIC
from voicepipe.events.store import Store
from voicepipe.packaged import PACKAGE

pytestmark = pytest.mark.slow

T = TypeVar("T")

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
        return list(reader.read_to_end(timeout_s=20))


def closed_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


@contextmanager
def serving(address: str, tmp_path: Path, whisper_dir: Path) -> Iterator[int]:
    """Run ``voicepipe serve`` on a free port; it must end well on SIGTERM."""
    env = environment(tmp_path, whisper_dir) | {
        "VOICEPIPE_SERVE__PORT": "0",
        "VOICEPIPE_SERVE__AUDIOSOCKET_PORT": "0",
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
        assert service.wait(60) == 0, rest


def until(ask: Callable[[], Sequence[T]], *, timeout_s: float = 90.0) -> Sequence[T]:
    """Ask until there is an answer."""
    deadline = time.monotonic() + timeout_s
    while not (answer := ask()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return answer


def test_the_event_on_kafka_is_the_line_that_score_prints(tmp_path: Path, whisper_dir: Path) -> None:
    with embedded_broker() as address:
        done = voicepipe(
            "score", UPSET, "--format", "jsonl", "--kafka", address, tmp_path=tmp_path, whisper_dir=whisper_dir
        )
        assert done.returncode == 0, done.stderr
        records = read(address)
        again = voicepipe("score", UPSET, "--kafka", address, tmp_path=tmp_path, whisper_dir=whisper_dir)
        assert again.returncode == 0, again.stderr
        assert len(read(address)) == len(records), "a replayed call sends nothing twice"
    printed = [json.loads(line) for line in done.stdout.splitlines()]
    reroutes = [line for line in printed if line.pop("type") == "reroute"]
    assert [json.loads(record.body) for record in records] == reroutes
    assert {record.key for record in records} == {printed[-1]["call_id"]}
    assert records[0].headers["ce_type"] == b"voicepipe.reroute.requested.v1"


def test_alerts_are_shown_and_judged(tmp_path: Path, whisper_dir: Path) -> None:
    with embedded_broker() as address:
        empty = voicepipe("alerts", "--kafka", address, tmp_path=tmp_path, whisper_dir=whisper_dir)
        assert empty.returncode == 1
        assert "voicepipe.reroute.v1" in empty.stderr, "the topic is not there yet"
        scored = voicepipe("score", UPSET, "--kafka", address, tmp_path=tmp_path, whisper_dir=whisper_dir)
        assert scored.returncode == 0, scored.stderr
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
            (feedback,) = [json.loads(record.body) for record in reader.read_to_end(timeout_s=20)]
        assert (feedback["event_id"], feedback["verdict"], feedback["given_by"]) == (event_id, "justified", "ada")
        unknown = voicepipe(
            "alerts", "--kafka", address, "verdict", "00000000", "unsure", tmp_path=tmp_path, whisper_dir=whisper_dir
        )
        assert unknown.returncode == 1
        assert "has no alert 00000000" in unknown.stderr
    misused = voicepipe("alerts", tmp_path=tmp_path, whisper_dir=whisper_dir)
    assert misused.returncode == 2


def test_an_event_waits_for_the_broker_and_goes_out_at_the_next_start(tmp_path: Path, whisper_dir: Path) -> None:
    nobody = f"127.0.0.1:{closed_port()}"
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
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            metrics = answer.read().decode()
        assert 'voicepipe_feedback{answer="justified"} 1.0' in metrics
        assert 'voicepipe_events_pending{sink="kafka"} 0.0' in metrics


def test_the_demo_shows_one_reroute_and_exits_with_0(tmp_path: Path, whisper_dir: Path) -> None:
    done = voicepipe("demo", "--fast", tmp_path=tmp_path, whisper_dir=whisper_dir)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("read back by a separate consumer") == 1
    assert "no reroute for this call" in done.stdout
    assert "as it should be" in done.stdout

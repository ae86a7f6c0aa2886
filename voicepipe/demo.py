"""The demo: two sample calls through the path a live call takes, and the reroute read back from a broker."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from voicepipe import terminal
from voicepipe.config import Settings
from voicepipe.events.config import KafkaConfig
from voicepipe.events.contract import TOPICS
from voicepipe.events.embedded import embedded_broker
from voicepipe.events.kafka import KafkaReader
from voicepipe.events.kafka_connection import ensure_topics
from voicepipe.events.reroute import REROUTE_TOPIC, RerouteEvent
from voicepipe.gateways.files import FileSource
from voicepipe.packaged import PACKAGE
from voicepipe.service import Courier, Listener
from voicepipe.types import AudioChunk, CallSummary, Episode, EpisodeState, MediaEvent, ScoredUtterance

CHUNK_S = 0.1
FLUSH_S = 15.0
READ_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A sample call and what must come of it."""

    file: str
    title: str
    reroutes: int


SAMPLES = (
    Sample(file="upset_caller.wav", title="The caller grows upset and stays so", reroutes=1),
    Sample(file="calm_caller.wav", title="His calm twin, with one short outburst", reroutes=0),
)


def run(settings: Settings, *, fast: bool, console: Console) -> bool:
    """Play the sample calls; return whether exactly the expected reroutes came back from the broker.

    Parameters
    ----------
    settings : Settings
        Store and brokers are replaced by ones that live as long as the demo.
    fast : bool
        Do not wait for real time.
    console : Console
    """
    console.print(
        Text("voicepipe demo", style="bold")
        + Text(": two calls, caller and agent on one side each; only the caller's voice is scored.\n", style="default")
    )
    console.print("Loading the models and starting a broker ...", style="dim")
    listener = Listener(settings)
    good = True
    with tempfile.TemporaryDirectory() as scratch, embedded_broker() as address:
        console.print(
            f"Broker at {address}: Tansu, Kafka-compatible, in memory, for trying out only; in production voicepipe "
            "writes to your Apache Kafka.",
            style="dim",
        )
        kafka = KafkaConfig().at(address)
        ensure_topics(kafka, TOPICS)
        own = settings.model_copy(update={"store_url": f"sqlite:///{scratch}/demo.sqlite"})
        with Courier(own, kafka=kafka) as courier:
            for sample in SAMPLES:
                good &= _play(sample, listener, courier=courier, address=address, console=console, fast=fast)
    verdict = (
        Text("\nOne reroute for the upset caller, none for the calm one: as it should be.", style="bold green")
        if good
        else Text("\nThe reroutes are not what they should be; see above.", style="bold red")
    )
    console.print(verdict)
    return good


def _play(sample: Sample, listener: Listener, *, courier: Courier, address: str, console: Console, fast: bool) -> bool:
    """Play one call, show it as it comes, and compare what a consumer reads back with what must come."""
    source = FileSource(PACKAGE / "samples" / sample.file, caller_channel="left", chunk_s=CHUNK_S)
    console.print()
    console.rule(Text.assemble((sample.title, "bold"), f"  {sample.file}"), align="left")
    media = source.events() if fast else in_real_time(source.events())
    requested = 0
    for event, reroute in listener.listen(media):
        courier.record(event, reroute)
        requested += reroute is not None and reroute.kind == "requested"
        if isinstance(event, ScoredUtterance):
            console.print(terminal.utterance_line(event))
        elif isinstance(event, Episode) and event.state is EpisodeState.OPENED:
            console.print(terminal.episode_line(event))
            news = Text(f"→ a reroute request goes out on {REROUTE_TOPIC}", style="red")
            console.print(Padding(news, (0, 0, 0, 34)))
        elif isinstance(event, CallSummary):
            console.print(terminal.summary_line(event, reroutes=requested))
    if late := courier.flush(FLUSH_S):
        console.print(late, style="bold red")
        return False
    records = [record for record in _read_back(address) if record["key"] == source.call.call_id]
    events = [record for record in records if record["headers"]["ce_type"].startswith("voicepipe.reroute.requested")]
    for record in events:
        place = "{topic}  partition {partition}  offset {offset}  key {key}".format_map(record)
        alert = RerouteEvent.model_validate(record["body"])
        console.print(terminal.alert_card(alert, title=f"read back by a separate consumer: {place}"))
    if not events:
        console.print(f"A consumer read {REROUTE_TOPIC} to its end: no reroute for this call.", style="green")
    return len(events) == sample.reroutes


def in_real_time(media: Iterable[MediaEvent]) -> Iterator[MediaEvent]:
    """Pass media events on, each chunk when its last sample would have been spoken."""
    began_s = time.monotonic()
    for event in media:
        if isinstance(event, AudioChunk):
            end_s = (event.first_sample + event.samples.size) / event.sample_rate_hz
            time.sleep(max(0.0, began_s + end_s - time.monotonic()))
        yield event


def _read_back(address: str) -> list[dict[str, Any]]:
    """Read the reroute topic from its beginning in a process of its own."""
    command = [sys.executable, "-m", "voicepipe.demo", address]
    consumer = subprocess.run(command, capture_output=True, text=True, timeout=READ_S * 2, check=True)
    return [json.loads(line) for line in consumer.stdout.splitlines()]


def _consume(address: str) -> None:
    """Print every record of the reroute topic as a line of JSON."""
    with KafkaReader(KafkaConfig().at(address), topic=REROUTE_TOPIC) as reader:
        for record in reader.read_to_end(timeout_s=READ_S):
            line = {
                "topic": record.topic,
                "partition": record.partition,
                "offset": record.offset,
                "key": record.key,
                "headers": {name: value.decode() for name, value in record.headers.items()},
                "body": json.loads(record.body),
            }
            print(json.dumps(line))


if __name__ == "__main__":
    _consume(sys.argv[1])

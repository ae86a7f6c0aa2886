"""Shows that no reroute is lost: kills the process, restarts and stops the broker, fills the disk, moves the clock.

A worker process records decisions and relays them to Kafka, as voicepipe does; this script plays fate, and a consumer
of its own reads the topic. After a kill the worker starts again a little before the last decision it had confirmed, as
a replay of those calls would. At the end the topic is read from its beginning: every decision must be there, once after
deduplication by id, in the order of its call.

Filling the disk needs the right to mount a small file system (root, or a user namespace).
"""

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kafka_cluster import KAFKA_VERSION, KafkaCluster

from voicepipe.events.config import KafkaConfig
from voicepipe.events.envelope import Message, message_of
from voicepipe.events.kafka import KafkaReader, KafkaSink
from voicepipe.events.kafka_connection import ensure_topics
from voicepipe.events.recorder import Recorder
from voicepipe.events.relay import Backoff, Relay
from voicepipe.events.reroute import REROUTE_TOPIC, RerouteConfig, RerouteEvent, Versions, build_reroute
from voicepipe.events.store import Store
from voicepipe.types import Call, Channel, Coverage, Episode, EpisodeEvidence, EpisodeState, Reason, Roles, SinkError

_CALLS = 200
_STARTED_AT = datetime(2026, 1, 1, tzinfo=UTC)
_REPLAYED = 5
"""Decisions that a worker makes again after a kill, besides those it had not confirmed."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What happens, how often."""

    decisions: int = 10_000
    rate_per_s: float = 60.0
    kills: int = 20
    broker_restarts: int = 5
    outage_s: float = 60.0
    brokers: int = 1
    kill_one_broker: bool = False
    fill_disk_s: float = 10.0
    clock_jumps: bool = True
    seed: int = 1


@dataclass(kw_only=True)
class Report:
    """What came out."""

    recorded: int = 0
    records_on_topic: int = 0
    lost: int = 0
    duplicates_after_dedup: int = 0
    out_of_order: int = 0
    kills: int = 0
    broker_restarts: int = 0
    broker_kills: int = 0
    outages: int = 0
    disk_fills: int = 0
    records_held: int = 0
    longest_delay_s: float = 0.0
    median_delay_s: float = 0.0
    took_s: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether nothing was lost, doubled or out of order."""
        return not (self.lost or self.duplicates_after_dedup or self.out_of_order)


def decision(number: int) -> Message:
    """Return the n-th decision: the calls take turns, and each call's episodes are numbered."""
    call = Call(
        call_id=f"call-{number % _CALLS:04d}",
        started_at=_STARTED_AT,
        gateway="file",
        channels=(Channel.CALLER,),
        roles=Roles.GIVEN,
    )
    at_s = 10.0 * (number // _CALLS + 1)
    episode = Episode(
        call_id=call.call_id,
        channel=Channel.CALLER,
        index=number // _CALLS,
        state=EpisodeState.OPENED,
        opened_s=at_s - 8.0,
        closed_s=None,
        at_s=at_s,
        peak=0.9,
        mean=0.8,
        reasons=(Reason.STRESS_PERSISTED,),
        evidence=EpisodeEvidence(
            log_e=9.0,
            log_e_threshold=8.0,
            false_alarms_per_100_call_hours=1.0,
            stressed_speech_s=8.0,
            utterances=(),
        ),
    )
    versions = Versions(code="chaos", model="none", config="none")
    return message_of(
        build_reroute(
            episode,
            call=call,
            utterances=(),
            coverage=Coverage(speech_s=8.0),
            versions=versions,
            config=RerouteConfig(),
        )
    )


def run(plan: Plan, *, say: Callable[[str], None]) -> Report:
    """Carry out a plan against an Apache Kafka of its own."""
    began_s = time.monotonic()
    report = Report()
    rng = random.Random(plan.seed)
    with tempfile.TemporaryDirectory(prefix="voicepipe-chaos-") as name, _small_disk(Path(name), plan, report) as disk:
        cluster = KafkaCluster(Path(name) / "kafka", brokers=plan.brokers, end_with_parent=True)
        try:
            cluster.start()
            config = _kafka_config(cluster.address)
            ensure_topics(config, [REROUTE_TOPIC])
            watch = _Watch(config)
            # The kernel ends a broker with the thread that started it, so this one lives as long as the cluster.
            with ThreadPoolExecutor(1) as one_after_the_other:
                fate = _Fate(plan, cluster, disk, config, rng, report, say, one_after_the_other)
                fate.play()
                watch.wait_for(plan.decisions, timeout_s=120.0)
                watch.stop()
                _count(config, plan, report)
            delays_s = sorted(watch.seen_at[number] - fate.recorded_at[number] for number in watch.seen_at)
            if delays_s:
                report.longest_delay_s, report.median_delay_s = delays_s[-1], delays_s[len(delays_s) // 2]
        finally:
            cluster.stop()
    report.took_s = time.monotonic() - began_s
    return report


class _Fate:
    """Starts the worker again and again while things happen to it and to the broker."""

    def __init__(
        self,
        plan: Plan,
        cluster: KafkaCluster,
        disk: Path,
        config: KafkaConfig,
        rng: random.Random,
        report: Report,
        say: Callable[[str], None],
        one_after_the_other: Executor,
    ) -> None:
        self.recorded_at: dict[int, float] = {}
        """When each decision was first confirmed as recorded."""
        self._plan, self._cluster, self._disk, self._config = plan, cluster, disk, config
        self._report, self._say = report, say
        self._one_after_the_other = one_after_the_other
        at = sorted(rng.sample(range(1, plan.decisions - 1), plan.kills))
        self._kill_at = set(at)
        self._events = self._schedule(rng)

    def play(self) -> None:
        """Run until the last decision is recorded and sent."""
        next_number = 0
        affairs: list[Future[None]] = []
        while next_number < self._plan.decisions:
            worker = subprocess.Popen(self._command(max(0, next_number - _REPLAYED)), stdout=subprocess.PIPE, text=True)
            assert worker.stdout is not None
            for line in worker.stdout:
                confirmed, held = (int(word) for word in line.split())
                self._report.records_held = max(self._report.records_held, held)
                for number in range(next_number, confirmed + 1):
                    self.recorded_at.setdefault(number, time.time())
                next_number = max(next_number, confirmed + 1)
                while self._events and self._events[0][0] <= next_number:
                    _, what = self._events.pop(0)
                    affairs.append(self._one_after_the_other.submit(what))
                if self._kill_at and min(self._kill_at) < next_number:
                    self._kill_at.discard(min(self._kill_at))
                    worker.send_signal(signal.SIGKILL)
                    self._report.kills += 1
                    break
            worker.stdout.close()
            worker.wait()
        for affair in affairs:
            affair.result()
        self._report.recorded = len(self.recorded_at)
        # What the last worker could not send in time goes out at the next start.
        subprocess.run(self._command(self._plan.decisions), check=True, stdout=subprocess.DEVNULL)

    def _command(self, start: int) -> list[str]:
        return [
            sys.executable,
            str(Path(__file__)),
            "--worker",
            *("--start", str(start)),
            *("--decisions", str(self._plan.decisions)),
            *("--rate", str(self._plan.rate_per_s)),
            *("--kafka", self._config.bootstrap_servers),
            *("--store", str(self._disk / "store.db")),
            *("--clock-jumps",) * self._plan.clock_jumps,
        ]

    def _schedule(self, rng: random.Random) -> list[tuple[int, Callable[[], None]]]:
        """Return what happens after which decision; the big events have the broker for themselves."""
        n = self._plan.decisions
        events: list[tuple[int, Callable[[], None]]] = [
            (round(n * (0.08 + 0.07 * index)) + rng.randrange(n // 100 + 1), self._restart_broker)
            for index in range(self._plan.broker_restarts)
        ]
        if self._plan.fill_disk_s and self._disk.is_mount():
            events.append((round(n * 0.55), self._fill_disk))
        if self._plan.outage_s:
            events.append((round(n * 0.7), self._outage))
        if self._plan.kill_one_broker:
            events.append((round(n * 0.3), self._lose_a_broker))
        return sorted(events, key=lambda event: event[0])

    def _restart_broker(self) -> None:
        self._say("broker restarts")
        self._cluster.stop_node(1)
        self._cluster.start_node(1)
        self._report.broker_restarts += 1

    def _outage(self) -> None:
        self._say(f"broker is away for {self._plan.outage_s:.0f} s")
        for node in self._cluster.nodes:
            self._cluster.kill_node(node)
        time.sleep(self._plan.outage_s)
        for node in self._cluster.nodes:
            self._cluster.start_node(node, wait=False)
        self._cluster.wait_ready()
        self._report.outages += 1

    def _lose_a_broker(self) -> None:
        self._say("broker 2 of 3 is killed")
        self._cluster.kill_node(2)
        self._report.broker_kills += 1
        time.sleep(10.0)
        self._cluster.start_node(2)

    def _fill_disk(self) -> None:
        self._say(f"disk is full for {self._plan.fill_disk_s:.0f} s")
        filler = self._disk / "filler"
        until = time.monotonic() + self._plan.fill_disk_s
        with filler.open("wb", buffering=0) as file:
            while time.monotonic() < until:
                for size in (65_536, 4_096, 512):
                    try:
                        while True:
                            file.write(b"\0" * size)
                    except OSError:
                        continue
                time.sleep(0.01)
        filler.unlink()
        self._report.disk_fills += 1


class _Watch:
    """A consumer that notes when each decision could first be read."""

    def __init__(self, config: KafkaConfig) -> None:
        self.seen_at: dict[int, float] = {}
        self._config = config
        self._state = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait_for(self, count: int, *, timeout_s: float) -> None:
        with self._state:
            self._state.wait_for(lambda: len(self.seen_at) >= count, timeout_s)

    def stop(self) -> None:
        self._stopping = True
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping:
            try:
                with KafkaReader(self._config, topic=REROUTE_TOPIC) as reader:
                    while not self._stopping:
                        records = reader.poll(timeout_s=0.5)
                        with self._state:
                            for record in records:
                                self.seen_at.setdefault(_number_of(record.body), time.time())
                            self._state.notify_all()
            except SinkError:
                time.sleep(0.2)


def _number_of(body: bytes) -> int:
    event = RerouteEvent.model_validate_json(body)
    return event.episode * _CALLS + int(event.call.call_id.removeprefix("call-"))


def _count(config: KafkaConfig, plan: Plan, report: Report) -> None:
    """Read the whole topic and compare it with what was decided."""
    first_seen: dict[str, int] = {}
    numbers: list[int] = []
    with KafkaReader(config, topic=REROUTE_TOPIC) as reader:
        for record in reader.read_to_end(timeout_s=30.0):
            report.records_on_topic += 1
            event_id = record.headers["ce_id"].decode()
            if event_id not in first_seen:
                first_seen[event_id] = _number_of(record.body)
                numbers.append(first_seen[event_id])
    expected = {decision(number).event_id for number in range(plan.decisions)}
    report.lost = len(expected - set(first_seen))
    report.duplicates_after_dedup = len(numbers) - len(set(numbers))
    last: dict[int, int] = {}
    for number in numbers:
        call = number % _CALLS
        report.out_of_order += number < last.get(call, -1)
        last[call] = max(number, last.get(call, -1))


def work(*, start: int, plan: Plan, kafka: str, store_path: str) -> None:
    """Be the process that is killed: record decisions at a steady rate and relay them."""
    rng = random.Random()
    offset = [timedelta()]

    def clock() -> datetime:
        return datetime.now(UTC) + offset[0]

    store = _open_store(store_path, clock)
    backoff = Backoff()
    recorder = Recorder(store, backoff=backoff, rng=rng)
    sink = KafkaSink(_kafka_config(kafka), topics=[REROUTE_TOPIC])
    relay = Relay(store, [sink], backoff=backoff, rng=rng, clock=clock)
    recorder.start()
    relay.start()
    next_at = time.monotonic()
    for number in range(start, plan.decisions):
        if plan.clock_jumps and rng.random() < 0.01:
            offset[0] = timedelta(seconds=rng.uniform(-7200.0, 7200.0))
        on_disk = recorder.record([], [decision(number)])
        if on_disk:
            print(number, 0, flush=True)
        elif number % 20 == 0:
            print(start - 1, recorder.held, flush=True)
        next_at = max(next_at + 1.0 / plan.rate_per_s, time.monotonic() - 1.0)
        time.sleep(max(0.0, next_at - time.monotonic()))
    while recorder.held:
        time.sleep(0.05)
    if start < plan.decisions:
        print(plan.decisions - 1, 0, flush=True)
    relay.flush(180.0)
    relay.stop()
    recorder.stop()
    store.close()


def _open_store(path: str, clock: Callable[[], datetime]) -> Store:
    """Open the store; a start while the disk is full waits, as a service manager would start the process again."""
    while True:
        try:
            return Store.open(path, sinks=("kafka",), clock=clock)
        except Exception as error:
            print(error, file=sys.stderr)
            time.sleep(0.5)


def _kafka_config(address: str) -> KafkaConfig:
    return KafkaConfig(bootstrap_servers=address, publish_timeout_s=10.0)


@contextmanager
def _small_disk(folder: Path, plan: Plan, report: Report) -> Iterator[Path]:
    """Give a file system of its own that can be filled; a plain folder where mounting is not allowed."""
    disk = folder / "disk"
    disk.mkdir()
    image = folder / "disk.img"
    mounted = False
    if plan.fill_disk_s:
        with image.open("wb") as file:
            file.truncate(96 * 1024 * 1024)
        made = shutil.which("mkfs.ext4") and subprocess.run(["mkfs.ext4", "-q", image], check=False).returncode == 0
        mounted = bool(made) and subprocess.run(["mount", "-o", "loop", image, disk], check=False).returncode == 0
        if not mounted:
            report.notes.append("the disk was not filled: no right to mount a file system")
    try:
        yield disk
    finally:
        if mounted:
            subprocess.run(["umount", disk], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Plan()
    parser.add_argument("--decisions", type=int, default=default.decisions)
    parser.add_argument("--rate", type=float, default=default.rate_per_s, help="decisions per second")
    parser.add_argument("--kills", type=int, default=default.kills, help="how often the process is killed with -9")
    parser.add_argument("--restarts", type=int, default=default.broker_restarts, help="how often the broker restarts")
    parser.add_argument("--outage-s", type=float, default=default.outage_s, help="how long the broker is away once")
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1, help="with 3, one is killed for 10 s")
    parser.add_argument("--fill-disk-s", type=float, default=default.fill_disk_s, help="how long the disk is full once")
    parser.add_argument("--clock-jumps", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--start", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--kafka", help=argparse.SUPPRESS)
    parser.add_argument("--store", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    plan = Plan(
        decisions=arguments.decisions,
        rate_per_s=arguments.rate,
        kills=arguments.kills,
        broker_restarts=arguments.restarts,
        outage_s=arguments.outage_s,
        brokers=arguments.brokers,
        kill_one_broker=arguments.brokers == 3,
        fill_disk_s=arguments.fill_disk_s,
        clock_jumps=arguments.clock_jumps,
        seed=arguments.seed,
    )
    if arguments.worker:
        work(start=arguments.start, plan=plan, kafka=arguments.kafka, store_path=arguments.store)
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    report = run(plan, say=lambda text: print(f"  {text}", flush=True))
    print(f"Apache Kafka {KAFKA_VERSION}, {plan.brokers} broker(s), {plan.decisions} decisions at {plan.rate_per_s}/s")
    for name, value in vars(report).items():
        print(f"{name:24} {value if not isinstance(value, float) else f'{value:.3f}'}")
    print("PASSED" if report.passed else "FAILED")
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())

"""Measures the way of an event: outbox to acknowledgement (events/s), and decision to readable by a consumer (ms).

It starts an Apache Kafka of its own, or uses the one of --kafka. Targets: at least 2,000 events/s, and 95 of 100
decisions readable within 100 ms, on the loopback interface.
"""

import argparse
import random
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from chaos_events import decision
from kafka_cluster import KAFKA_VERSION, KafkaCluster

from voicepipe.events.config import KafkaConfig
from voicepipe.events.envelope import Message
from voicepipe.events.kafka import KafkaReader, KafkaSink
from voicepipe.events.kafka_connection import ensure_topics
from voicepipe.events.relay import Backoff, Relay
from voicepipe.events.store import Store

_TARGET_PER_S = 2_000.0
_TARGET_P95_MS = 100.0


def make_messages(count: int, *, topic: str, first: int = 0) -> list[Message]:
    """Return decisions of their own numbers: the store takes each id once."""
    return [replace(decision(number), topic=topic) for number in range(first, first + count)]


def make_relay(store: Store, config: KafkaConfig, *, topic: str) -> Relay:
    sink = KafkaSink(config, topics=[topic])
    return Relay(store, [sink], backoff=Backoff(), rng=random.Random(), clock=lambda: datetime.now(UTC))


def measure_throughput(store: Store, config: KafkaConfig, *, count: int) -> tuple[float, float]:
    """Return recorded events/s (100 to a transaction) and events/s from outbox to acknowledged."""
    topic = f"voicepipe.bench-{uuid.uuid4().hex[:8]}.v1"
    ensure_topics(config, [topic])
    messages = make_messages(count, topic=topic)
    began_s = time.perf_counter()
    for first in range(0, count, 100):
        store.record([], messages[first : first + 100])
    recorded_s = time.perf_counter() - began_s
    relay = make_relay(store, config, topic=topic)
    began_s = time.perf_counter()
    relay.start()
    if not relay.flush(600.0):
        sys.exit(f"the outbox was not emptied: {relay.status()}")
    sent_s = time.perf_counter() - began_s
    relay.stop()
    return count / recorded_s, count / sent_s


def measure_delays_ms(store: Store, config: KafkaConfig, *, count: int, rate_per_s: float) -> list[float]:
    """Return for each decision the time from before it was recorded until a consumer had it, in milliseconds."""
    topic = f"voicepipe.bench-{uuid.uuid4().hex[:8]}.v1"
    ensure_topics(config, [topic])
    messages = make_messages(count, topic=topic, first=1_000_000)
    decided_s: dict[str, float] = {}
    seen_s: dict[str, float] = {}
    ready = threading.Event()

    def consume() -> None:
        with KafkaReader(config, topic=topic) as reader:
            reader.poll(timeout_s=0.5)
            ready.set()
            while len(seen_s) < count:
                for record in reader.poll(timeout_s=5.0):
                    seen_s.setdefault(record.headers["ce_id"].decode(), time.perf_counter())

    consumer = threading.Thread(target=consume, daemon=True)
    consumer.start()
    relay = make_relay(store, config, topic=topic)
    relay.start()
    relay.flush(10.0)
    ready.wait()
    for message in messages:
        decided_s[message.event_id] = time.perf_counter()
        store.record([], [message])
        time.sleep(random.expovariate(rate_per_s))
    consumer.join(60.0)
    relay.stop()
    return sorted(1000.0 * (seen_s[event_id] - decided_s[event_id]) for event_id in seen_s)


@contextmanager
def broker(address: str | None, folder: Path) -> Iterator[tuple[str, KafkaConfig]]:
    if address:
        yield address, KafkaConfig(bootstrap_servers=address)
        return
    cluster = KafkaCluster(folder / "kafka", end_with_parent=True)
    try:
        cluster.start()
        yield f"Apache Kafka {KAFKA_VERSION} on loopback", KafkaConfig(bootstrap_servers=cluster.address)
    finally:
        cluster.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kafka", help="host:port of a broker to use")
    parser.add_argument(
        "--store", help="address of the store, for example postgresql://...; a new SQLite file if not given"
    )
    parser.add_argument("--events", type=int, default=20_000, help="events for the throughput")
    parser.add_argument("--decisions", type=int, default=500, help="decisions for the delay")
    parser.add_argument("--rate", type=float, default=20.0, help="decisions per second")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, broker(arguments.kafka, Path(name)) as (words, config):
        url = arguments.store or str(Path(name) / "store.db")
        with Store.open(url, sinks=("kafka",), clock=lambda: datetime.now(UTC)) as store:
            recorded_per_s, sent_per_s = measure_throughput(store, config, count=arguments.events)
            delays_ms = measure_delays_ms(store, config, count=arguments.decisions, rate_per_s=arguments.rate)
    size = sum(len(message.body) for message in make_messages(100, topic="t")) // 100
    p50_ms, p95_ms, p99_ms = (delays_ms[min(len(delays_ms) - 1, len(delays_ms) * p // 100)] for p in (50, 95, 99))
    print(f"{words}; store: {'SQLite' if arguments.store is None else url.partition(':')[0]}; body {size} bytes")
    print(f"recorded                  {recorded_per_s:8.0f} events/s  (100 to a transaction)")
    print(f"outbox to acknowledged    {sent_per_s:8.0f} events/s  (target {_TARGET_PER_S:.0f} or more)")
    print(f"decision to readable, p50 {p50_ms:8.1f} ms")
    print(f"decision to readable, p95 {p95_ms:8.1f} ms        (target {_TARGET_P95_MS:.0f} or less)")
    print(f"decision to readable, p99 {p99_ms:8.1f} ms")
    if len(delays_ms) < arguments.decisions:
        print(f"only {len(delays_ms)} of {arguments.decisions} decisions were read")
        return 1
    return 0 if sent_per_s >= _TARGET_PER_S and p95_ms <= _TARGET_P95_MS else 1


if __name__ == "__main__":
    sys.exit(main())

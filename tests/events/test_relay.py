import random
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.events.calls import make_messages
from tests.fakes import FakeDelivery, FakeSink
from tests.patience import PATIENCE_S, until
from voicepipe.events.relay import Backoff, Relay, SinkCarrier
from voicepipe.events.store import Store
from voicepipe.ports import OutboundMessage

NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store.db", sinks=("kafka", "webhook"), clock=lambda: NOW) as opened:
        yield opened


def make_carrier(store: Store, sink: FakeSink, *, batch_size: int = 500) -> SinkCarrier:
    return SinkCarrier(store, sink, backoff=Backoff(), rng=random.Random(1), batch_size=batch_size)


def test_everything_goes_out_in_order(store: Store) -> None:
    messages = make_messages("a") + make_messages("b")
    store.record([], messages)
    sink = FakeSink()
    carrier = make_carrier(store, sink, batch_size=3)
    while carrier.carry() == 0.0:
        pass
    assert sink.ids == [message.event_id for message in messages]
    assert sink.batches == [3, 3, 2]
    assert store.depth("kafka").pending == 0


def test_nothing_is_marked_sent_while_the_sink_is_away(store: Store) -> None:
    store.record([], make_messages())
    sink = FakeSink()
    sink.away = "Kafka is away."
    carrier = make_carrier(store, sink)
    assert carrier.carry() is not None
    assert (carrier.failures, carrier.last_error) == (1, "Kafka is away.")
    assert store.depth("kafka").pending == 4
    sink.away = None
    assert carrier.carry() == 0.0
    assert (carrier.failures, carrier.last_error) == (0, None)
    assert len(sink.taken) == 4


def test_an_error_is_told_when_it_begins_and_when_it_changes(store: Store) -> None:
    sink, told = FakeSink(), list[str]()
    carrier = SinkCarrier(
        store, sink, backoff=Backoff(), rng=random.Random(1), on_failure=lambda error: told.append(str(error))
    )
    for number, away in enumerate(["Gone.", "Gone.", "Refused.", "Refused.", None, "Refused."]):
        store.record([], make_messages(f"call-{number}"))
        sink.away = away
        carrier.carry()
    assert told == ["Gone.", "Refused.", "Refused."]


def test_a_refused_message_does_not_block_the_rest(store: Store) -> None:
    messages = make_messages()
    store.record([], messages)
    sink = FakeSink()
    sink.judge = lambda message: (
        FakeDelivery(delivered=False, refused="too large")
        if message.event_id == messages[1].event_id
        else FakeDelivery()
    )
    carrier = make_carrier(store, sink)
    assert carrier.carry() == 0.0
    assert carrier.carry() is None
    assert sink.ids == [messages[0].event_id, messages[2].event_id, messages[3].event_id]
    assert [letter.event_id for letter in store.dead_letters()] == [messages[1].event_id]


def test_what_was_not_acknowledged_is_sent_again(store: Store) -> None:
    messages = make_messages()
    store.record([], messages)
    sink = FakeSink()
    sink.judge = lambda message: FakeDelivery(delivered=message.event_id == messages[0].event_id)
    carrier = make_carrier(store, sink)
    assert carrier.carry() == 0.0
    assert carrier.carry() not in (None, 0.0)
    sink.judge = lambda message: FakeDelivery()
    assert carrier.carry() == 0.0
    assert sink.ids == [message.event_id for message in messages]


def test_nothing_is_sent_twice_because_the_disk_is_full(store: Store) -> None:
    messages = make_messages()
    store.record([], messages)
    sink = FakeSink()
    carrier = make_carrier(store, sink)
    with store._writing() as connection:
        connection.exec_driver_sql("CREATE TRIGGER full BEFORE UPDATE ON outbox BEGIN SELECT RAISE(ABORT, 'full'); END")
    for _ in range(3):
        assert carrier.carry() not in (None, 0.0)
    with store._writing() as connection:
        connection.exec_driver_sql("DROP TRIGGER full")
    assert store.depth("kafka").pending == 4
    assert carrier.carry() == 0.0
    assert store.depth("kafka").pending == 0
    assert sink.ids == [message.event_id for message in messages]


def test_a_bug_in_a_sink_loses_nothing(store: Store) -> None:
    class BrokenSink(FakeSink):
        def publish(self, messages: Sequence[OutboundMessage]) -> Sequence[FakeDelivery]:
            raise ZeroDivisionError("a bug")

    store.record([], make_messages())
    carrier = make_carrier(store, BrokenSink())
    assert carrier.carry() not in (None, 0.0)
    assert carrier.last_error == "ZeroDivisionError", "its words may quote an event"
    assert store.depth("kafka").pending == 4


@given(failures=st.integers(1, 10_000), seed=st.integers())
def test_a_wait_grows_and_has_a_cap(failures: int, seed: int) -> None:
    backoff = Backoff(first_s=0.2, cap_s=5.0)
    wait_s = backoff.wait_s(failures, rng=random.Random(seed))
    assert 0.0 <= wait_s <= min(5.0, 0.2 * 2.0 ** min(failures - 1, 30))


def test_waits_are_spread() -> None:
    rng = random.Random(7)
    waits = [Backoff(cap_s=5.0).wait_s(20, rng=rng) for _ in range(1000)]
    assert min(waits) < 0.5
    assert max(waits) > 4.5


def make_relay(store: Store, *sinks: FakeSink) -> Relay:
    return Relay(
        store,
        sinks,
        backoff=Backoff(first_s=0.01, cap_s=0.05),
        rng=random.Random(1),
        clock=lambda: NOW + timedelta(seconds=90),
        poll_s=60.0,
    )


def test_a_running_relay_is_woken_by_a_commit(store: Store) -> None:
    kafka, webhook = FakeSink("kafka"), FakeSink("webhook")
    relay = make_relay(store, kafka, webhook)
    relay.start()
    assert relay.flush(PATIENCE_S)
    store.record([], make_messages())
    assert relay.flush(PATIENCE_S)
    relay.stop()
    assert kafka.ids == webhook.ids == [message.event_id for message in make_messages()]
    assert kafka.closed
    assert webhook.closed


def test_a_slow_sink_holds_up_no_other(store: Store) -> None:
    gate = threading.Event()
    entered = threading.Event()

    class SlowSink(FakeSink):
        def publish(self, messages: Sequence[OutboundMessage]) -> Sequence[FakeDelivery]:
            entered.set()
            assert gate.wait(PATIENCE_S)
            return super().publish(messages)

    taken = threading.Event()

    class NotedSink(FakeSink):
        def publish(self, messages: Sequence[OutboundMessage]) -> Sequence[FakeDelivery]:
            outcome = super().publish(messages)
            taken.set()
            return outcome

    kafka, webhook = NotedSink("kafka"), SlowSink("webhook")
    relay = make_relay(store, kafka, webhook)
    relay.start()
    store.record([], make_messages())
    assert entered.wait(PATIENCE_S)
    assert taken.wait(PATIENCE_S)
    assert not relay.flush(0.0)
    gate.set()
    assert relay.flush(PATIENCE_S)
    relay.stop()


def test_flush_says_when_something_waits_and_status_why(store: Store) -> None:
    kafka, webhook = FakeSink("kafka"), FakeSink("webhook")
    webhook.away = "The webhook is away."
    relay = make_relay(store, kafka, webhook)
    relay.start()
    store.record([], make_messages())
    assert until(lambda: not store.depth("kafka").pending)
    assert until(lambda: relay.status()[1].failures)
    assert not relay.flush(0.2)
    relay.stop()
    of_kafka, of_webhook = relay.status()
    assert (of_kafka.pending, of_kafka.last_error) == (0, None)
    assert (of_webhook.pending, of_webhook.oldest_age_s, of_webhook.last_error) == (4, 90.0, "The webhook is away.")
    assert of_webhook.failures >= 1


def test_what_waits_goes_out_at_the_next_start(store: Store) -> None:
    store.record([], make_messages())
    kafka, webhook = FakeSink("kafka"), FakeSink("webhook")
    relay = make_relay(store, kafka, webhook)
    relay.start()
    assert relay.flush(PATIENCE_S)
    relay.stop()
    assert len(kafka.taken) == len(webhook.taken) == 4


@pytest.mark.slow
def test_two_nodes_on_one_postgresql_send_everything_once_and_in_order(database: str) -> None:
    taken: list[OutboundMessage] = []

    class SharedSink(FakeSink):
        def publish(self, messages: Sequence[OutboundMessage]) -> Sequence[FakeDelivery]:
            taken.extend(messages)
            return super().publish(messages)

    stores = [Store.open(database, sinks=("kafka",), clock=lambda: NOW) for _ in range(2)]
    sinks = [SharedSink(), SharedSink()]
    relays = [make_relay(store, sink) for store, sink in zip(stores, sinks, strict=True)]
    for relay in relays:
        relay.start()
    calls = [f"call-{index}" for index in range(30)]
    for part in range(4):
        for index, call_id in enumerate(calls):
            stores[index % 2].record([], make_messages(call_id)[part : part + 1])
    for _ in range(200):
        if all(relay.flush(1.0) for relay in relays) and not stores[0].depth("kafka").pending:
            break
    for relay, store in zip(relays, stores, strict=True):
        relay.stop()
        store.close()
    for call_id in calls:
        assert [message.event_id for message in taken if message.key == call_id] == [
            message.event_id for message in make_messages(call_id)
        ]

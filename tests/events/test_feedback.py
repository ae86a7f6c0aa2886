import json
import random
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st
from kafka.consumer.fetcher import ConsumerRecord

from tests.events.calls import make_messages, make_reroute
from tests.patience import until
from voicepipe.events.config import KafkaConfig
from voicepipe.events.envelope import message_of
from voicepipe.events.erasure import tombstones_of
from voicepipe.events.feedback import FEEDBACK_TOPIC, Feedback, InboundFeedback, feedback_message, read_feedback
from voicepipe.events.kafka import KafkaGroupReader, KafkaReader, KafkaRecord, KafkaSink, record_of
from voicepipe.events.kafka_connection import ensure_topics
from voicepipe.events.listener import FeedbackListener
from voicepipe.events.relay import Backoff
from voicepipe.events.store import Store
from voicepipe.types import Erasure, SinkError, StoreError

NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
EVENT = make_reroute()


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    with Store.open(store_url, sinks=(), clock=lambda: NOW) as opened:
        opened.record([], make_messages())
        yield opened


def make_body(**changes: object) -> bytes:
    fields: dict[str, Any] = {
        "feedback_id": "11111111-1111-4111-8111-111111111111",
        "event_id": str(EVENT.event_id),
        "call_id": "call-1",
        "verdict": "justified",
        "outcome": "rerouted",
        "given_by": "sv-3",
        "given_at": "2026-03-01T09:40:00Z",
        "note": "took over at once",
    } | changes
    return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()


def make_record(body: bytes, *, offset: int = 0, headers: dict[str, bytes] | None = None) -> KafkaRecord:
    return KafkaRecord(topic=FEEDBACK_TOPIC, partition=0, offset=offset, key="call-1", headers=headers or {}, body=body)


def read(body: bytes, **headers: bytes) -> Any:
    return read_feedback(body, headers=headers, topic=FEEDBACK_TOPIC, place="t/0/0")


class FakeGroup:
    """A group that hands out its records until they are committed."""

    def __init__(self, *records: KafkaRecord) -> None:
        self.records = list(records)
        self.commits = 0
        self.closed = False

    def poll(self, *, timeout_s: float) -> Sequence[KafkaRecord]:
        return list(self.records)

    def commit(self) -> None:
        self.commits += 1
        self.records = []

    def close(self) -> None:
        self.closed = True


def make_listener(store: Store, group: FakeGroup) -> FeedbackListener:
    return FeedbackListener(store, connect=lambda: group, backoff=Backoff(), rng=random.Random(1))


def test_feedback_is_kept_with_the_event_it_answers(store: Store) -> None:
    group = FakeGroup(make_record(make_body()))
    assert make_listener(store, group).listen() == 0.0
    (feedback,) = store.feedback_of(str(EVENT.event_id))
    assert (feedback.verdict, feedback.outcome, feedback.given_by, feedback.note) == (
        "justified",
        "rerouted",
        "sv-3",
        "took over at once",
    )
    assert feedback.given_at == datetime(2026, 3, 1, 9, 40, tzinfo=UTC)
    assert store.feedback_counts() == {"justified": 1, "rerouted": 1}
    assert group.commits == 1


def test_a_note_alone_and_a_take_are_answers_too(store: Store) -> None:
    note = make_body(verdict=None, outcome=None, note="calls back at noon")
    taken = make_body(feedback_id=str(uuid.uuid4()), verdict=None, outcome="taken", note=None)
    make_listener(store, FakeGroup(make_record(note), make_record(taken, offset=1))).listen()
    assert [(one.outcome, one.note) for one in store.feedback_of(str(EVENT.event_id))] in (
        [(None, "calls back at noon"), ("taken", None)],
        [("taken", None), (None, "calls back at noon")],
    )
    assert store.dead_letters() == ()


def test_a_tombstone_of_the_topic_is_no_answer_and_no_dead_letter(store: Store) -> None:
    (grave,) = [
        one for one in tombstones_of("call-1", erasure=Erasure.ACOUSTICS, at=NOW) if one.topic == FEEDBACK_TOPIC
    ]
    group = FakeGroup(make_record(grave.body, headers=dict(grave.headers)), make_record(make_body(), offset=1))
    make_listener(store, group).listen()
    assert store.dead_letters() == ()
    assert store.feedback_counts()["justified"] == 1


class Choosy(Store):
    """A store that stumbles over one note, as a database may over what nobody thought of."""

    def record_feedback(self, inbound: Sequence[InboundFeedback]) -> None:
        for one in inbound:
            if one.feedback is not None and one.feedback.note == "stumble":
                raise OverflowError("date value out of range")
        super().record_feedback(inbound)


def test_a_record_that_cannot_be_kept_holds_up_no_other(store_url: str) -> None:
    with Choosy.open(store_url, sinks=(), clock=lambda: NOW) as store:
        store.record([], make_messages())
        stumbles = make_body(feedback_id=str(uuid.uuid4()), note="stumble")
        group = FakeGroup(make_record(stumbles), make_record(make_body(), offset=1))
        assert make_listener(store, group).listen() == 0.0
        assert store.feedback_counts() == {"justified": 1, "rerouted": 1}
        (letter,) = store.dead_letters()
        assert (letter.reason, letter.body) == ("it cannot be kept: date value out of range", stumbles)
        assert group.commits == 1


class Full(Store):
    def record_feedback(self, inbound: Sequence[InboundFeedback]) -> None:
        raise StoreError("The disk of the store is full.")


def test_while_the_store_takes_nothing_feedback_waits(store_url: str) -> None:
    with Full.open(store_url, sinks=(), clock=lambda: NOW) as store:
        group = FakeGroup(make_record(make_body()))
        listener = make_listener(store, group)
        assert listener.listen() > 0.0
        assert listener.last_error == "The disk of the store is full."
        assert (group.commits, store.dead_letters()) == (0, ())


def test_headers_without_a_value_and_times_of_any_kind_are_read() -> None:
    """Kafka allows both; a producer that counts microseconds puts the year at 58692."""
    consumed = ConsumerRecord(
        topic=FEEDBACK_TOPIC,
        partition=0,
        leader_epoch=0,
        offset=7,
        timestamp=1_790_000_000_000_000,
        timestamp_type=0,
        key=None,
        value=make_body(feedback_id=None),
        headers=[("ce_id", None), ("ce_source", b"acd")],
        checksum=None,
        serialized_key_size=-1,
        serialized_value_size=9,
        serialized_header_size=9,
    )
    record = record_of(consumed)
    assert (record.headers, record.key, record.place) == ({"ce_source": b"acd"}, "", f"{FEEDBACK_TOPIC}/0/7")
    assert read(record.body, **record.headers).feedback.feedback_id is not None


def test_the_same_records_again_change_nothing(store: Store) -> None:
    records = [make_record(make_body()), make_record(b"nonsense", offset=1)]
    for _ in range(2):
        make_listener(store, FakeGroup(*records)).listen()
    assert store.feedback_counts() == {"justified": 1, "rerouted": 1}
    assert store.dead_letter_counts() == {"feedback": 1}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"nonsense", "Invalid JSON"),
        (b"", "Invalid JSON"),
        (b"\xff\xfe", "Invalid JSON"),
        (b"[]", "Input should be an object"),
        (make_body(verdict="maybe"), "verdict: Input should be 'justified', 'false_alarm' or 'unsure'"),
        (make_body(verdict=None, outcome=None, note=None), "neither verdict nor outcome nor note"),
        (make_body(verdict=None, outcome=None, note="  "), "neither verdict nor outcome nor note"),
        (make_body(given_at="0001-01-01T00:00:00+01:00"), "given_at: Value error, give a time such as"),
        (make_body(given_at="9999-12-31T23:59:59-05:00"), "given_at: Value error, give a time such as"),
        (make_body(event_id="x"), "event_id: Input should be a valid UUID"),
        (make_body(given_at="2026-03-01T09:40:00"), "given_at: Input should have timezone info"),
        (make_body(note="x" * 5000), "note: String should have at most 4000"),
        (make_body(note="a\0b"), "NUL"),
    ],
)
def test_what_cannot_be_used_is_a_dead_letter_and_does_not_block(store: Store, body: bytes, reason: str) -> None:
    group = FakeGroup(make_record(body), make_record(make_body(), offset=1))
    make_listener(store, group).listen()
    (letter,) = store.dead_letters()
    assert reason in letter.reason
    assert (letter.origin, letter.body, letter.place) == ("feedback", body, f"{FEEDBACK_TOPIC}/0/0")
    assert store.feedback_counts() == {"justified": 1, "rerouted": 1}
    assert group.commits == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"event_id": "22222222-2222-4222-8222-222222222222"}, "an event that this store does not know"),
        ({"call_id": "call-2"}, "its call is not the call of the event"),
    ],
)
def test_an_answer_to_nothing_known_is_a_dead_letter_without_its_words(
    store: Store, changes: dict[str, str], reason: str
) -> None:
    make_listener(store, FakeGroup(make_record(make_body(**changes, remark="she cried")))).listen()
    (letter,) = store.dead_letters()
    assert reason in letter.reason
    assert (letter.event_id, letter.place) == (changes.get("event_id", str(EVENT.event_id)), f"{FEEDBACK_TOPIC}/0/0")
    assert json.loads(letter.body) == json.loads(make_body(**changes, note=None))


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(body: bytes) -> None:
    inbound = read(body)
    assert (inbound.feedback is None) != (inbound.reason is None)


def test_an_acd_that_gives_no_id_gets_one_that_repeats() -> None:
    own = uuid.uuid4()
    assert read(make_body(feedback_id=None), ce_id=str(own).encode()).feedback.feedback_id == own
    first, second = (read(make_body(feedback_id=None)).feedback.feedback_id for _ in range(2))
    assert first == second is not None


def test_nothing_is_committed_while_the_store_fails(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store.db", sinks=(), clock=lambda: NOW)
    with store._writing() as connection:
        connection.exec_driver_sql("DROP TABLE feedback")
    store.record([], make_messages())
    group = FakeGroup(make_record(make_body()))
    listener = make_listener(store, group)
    assert listener.listen() > 0.0
    assert (group.commits, group.closed) == (0, True)
    assert "no such table" in str(listener.last_error)
    store.close()


def test_a_broker_that_is_away_is_tried_again(store: Store) -> None:
    group = FakeGroup(make_record(make_body()))
    away, told = [True, True], list[str]()

    def connect() -> FakeGroup:
        if away.pop() if away else False:
            raise SinkError("Kafka is away.")
        return group

    listener = FeedbackListener(
        store,
        connect=connect,
        backoff=Backoff(),
        rng=random.Random(1),
        on_failure=lambda error: told.append(str(error)),
    )
    assert listener.listen() > 0.0
    assert listener.listen() > 0.0
    assert told == [listener.last_error] == ["Kafka is away."]
    assert listener.listen() == 0.0
    assert listener.last_error is None
    assert store.feedback_counts()["justified"] == 1


def test_a_verdict_is_a_cloudevent_that_reads_back() -> None:
    feedback = Feedback.model_validate_json(make_body())
    message = feedback_message(feedback, source="/voicepipe/alerts")
    event = from_binary(KafkaMessage(headers=dict(message.headers), key=message.key, value=message.body), JSONFormat())
    assert (event.get_type(), event.get_id()) == ("voicepipe.feedback.given.v1", str(feedback.feedback_id))
    assert read(message.body).feedback == feedback


@pytest.mark.slow
@pytest.mark.usefixtures("sockets_left_behind")
def test_a_group_remembers_what_was_committed(broker: KafkaConfig) -> None:
    topic, group = (f"voicepipe.test-{uuid.uuid4().hex[:8]}.v1" for _ in range(2))
    ensure_topics(broker, [topic])
    sink = KafkaSink(broker, topics=[topic])
    messages = [message_of(make_reroute(call_id=call_id)) for call_id in "abc"]
    moved = [
        type(item)(event_id=item.event_id, topic=topic, key=item.key, headers=item.headers, body=item.body)
        for item in messages
    ]

    def read_some(*, at_least: int, commit: bool) -> set[str]:
        keys: list[str] = []
        with KafkaGroupReader(broker, topic=topic, group=group) as reader:
            for _ in range(240):
                keys += [record.key for record in reader.poll(timeout_s=0.5)]
                if len(keys) >= at_least:
                    break
            if commit:
                reader.commit()
        return set(keys)

    sink.publish(moved[:2])
    assert read_some(at_least=2, commit=False) == {"a", "b"}
    assert read_some(at_least=2, commit=True) == {"a", "b"}
    sink.publish(moved[2:])
    sink.close()
    assert read_some(at_least=1, commit=False) == {"c"}


@pytest.mark.slow
@pytest.mark.usefixtures("sockets_left_behind")
def test_a_topic_of_feedback_is_listened_to(broker: KafkaConfig, store: Store) -> None:
    ensure_topics(broker, [FEEDBACK_TOPIC])
    own = uuid.uuid4()
    sink = KafkaSink(broker, topics=[FEEDBACK_TOPIC])
    sink.publish([feedback_message(Feedback.model_validate_json(make_body(feedback_id=str(own))), source="/acd")])
    sink.close()
    with KafkaReader(broker, topic=FEEDBACK_TOPIC) as reader:
        said = [read(record.body).feedback for record in reader.read_to_end(timeout_s=60.0) if record.body]
        assert own in {feedback.feedback_id for feedback in said if feedback is not None}
    listener = FeedbackListener(
        store,
        connect=lambda: KafkaGroupReader(broker, topic=FEEDBACK_TOPIC, group=f"test-{own}"),
        backoff=Backoff(),
        rng=random.Random(1),
    )

    def heard() -> dict[str, int]:
        listener.listen()
        return dict(store.feedback_counts())

    assert until(heard)
    listener.stop()
    assert own in {feedback.feedback_id for feedback in store.feedback_of(str(EVENT.event_id))}

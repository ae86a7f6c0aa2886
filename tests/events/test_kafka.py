import random
import socket
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from pydantic import ValidationError

from tests.events.calls import make_messages
from tests.patience import PATIENCE_S
from voicepipe.events.config import KafkaConfig
from voicepipe.events.embedded import embedded_broker
from voicepipe.events.envelope import Message
from voicepipe.events.kafka import KafkaReader, KafkaRecord, KafkaSink
from voicepipe.events.kafka_connection import check_kafka, ensure_topics
from voicepipe.events.relay import Backoff, Relay
from voicepipe.events.store import Store
from voicepipe.types import SinkError

pytestmark = pytest.mark.usefixtures("sockets_left_behind")


@pytest.fixture
def topic() -> str:
    return f"voicepipe.test-{uuid.uuid4().hex[:8]}.v1"


def on_topic(topic: str, call_id: str) -> list[Message]:
    """Return a call's messages, all moved to one topic."""
    return [
        Message(event_id=item.event_id, topic=topic, key=item.key, headers=item.headers, body=item.body)
        for item in make_messages(call_id)
    ]


def read_all(config: KafkaConfig, topic: str, *, since: datetime | None = None) -> list[KafkaRecord]:
    with KafkaReader(config, topic=topic, since=since) as reader:
        return list(reader.read_to_end(timeout_s=60.0))


@pytest.mark.slow
def test_what_is_published_is_read_back_in_the_order_of_each_call(broker: KafkaConfig, topic: str) -> None:
    sink = KafkaSink(broker, topics=[topic])
    messages = [message for call_id in "abcdef" for message in on_topic(topic, call_id)]
    assert all(delivery.delivered for delivery in sink.publish(messages))
    sink.close()
    records = read_all(broker, topic)
    assert len(records) == len(messages)
    for call_id in "abcdef":
        assert [record.body for record in records if record.key == call_id] == [
            message.body for message in messages if message.key == call_id
        ]
        assert len({record.partition for record in records if record.key == call_id}) == 1


@pytest.mark.slow
def test_a_record_is_a_cloudevent(broker: KafkaConfig, topic: str) -> None:
    sink = KafkaSink(broker, topics=[topic])
    sink.publish(on_topic(topic, "a")[1:2])
    sink.close()
    (record,) = read_all(broker, topic)
    event = from_binary(KafkaMessage(headers=dict(record.headers), key=record.key, value=record.body), JSONFormat())
    assert event.get_type() == "voicepipe.reroute.requested.v1"


@pytest.mark.slow
def test_the_outbox_reaches_kafka(broker: KafkaConfig, topic: str, tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.db", sinks=("kafka",), clock=lambda: datetime.now(UTC)) as store:
        relay = Relay(
            store,
            [KafkaSink(broker, topics=[topic])],
            backoff=Backoff(),
            rng=random.Random(1),
            clock=lambda: datetime.now(UTC),
        )
        relay.start()
        store.record([], on_topic(topic, "a"))
        assert relay.flush(PATIENCE_S)
        relay.stop()
    assert [record.body for record in read_all(broker, topic)] == [message.body for message in on_topic(topic, "a")]


@pytest.mark.slow
def test_one_message_that_is_too_large_is_refused_alone(broker: KafkaConfig, topic: str) -> None:
    first, second, third = on_topic(topic, "a")[:3]
    huge = Message(event_id=second.event_id, topic=topic, key="a", headers=second.headers, body=b"x" * 2_000_000)
    sink = KafkaSink(broker, topics=[topic])
    deliveries = sink.publish([first, huge, third])
    sink.close()
    assert [delivery.delivered for delivery in deliveries] == [True, False, True]
    assert "MessageSizeTooLarge" in str(deliveries[1].refused)


@pytest.mark.slow
def test_a_reader_can_begin_late(broker: KafkaConfig, topic: str) -> None:
    sink = KafkaSink(broker, topics=[topic])
    sink.publish(on_topic(topic, "a"))
    sink.close()
    assert read_all(broker, topic, since=datetime.now(UTC) + timedelta(hours=1)) == []
    assert len(read_all(broker, topic, since=datetime.now(UTC) - timedelta(hours=1))) == 4


@pytest.mark.slow
def test_a_reader_waits_for_what_comes(broker: KafkaConfig, topic: str) -> None:
    ensure_topics(broker, [topic])
    with KafkaReader(broker, topic=topic) as reader:
        assert reader.poll(timeout_s=0.1) == []
        sink = KafkaSink(broker, topics=[topic])
        sink.publish(on_topic(topic, "a")[:1])
        sink.close()
        assert [record.key for record in reader.poll(timeout_s=60.0)] == ["a"]


@pytest.mark.slow
def test_health_names_the_missing_topics(broker: KafkaConfig, topic: str) -> None:
    ensure_topics(broker, [topic])
    health = check_kafka(broker, topics=[topic, "voicepipe.absent.v1"])
    assert health.topics == {topic: 3, "voicepipe.absent.v1": None}


@pytest.mark.slow
def test_a_topic_that_may_not_be_created_is_named(broker: KafkaConfig, topic: str) -> None:
    sink = KafkaSink(broker.model_copy(update={"create_topics": False}), topics=[topic])
    with pytest.raises(SinkError, match=f"has no topic {topic}; create it there"):
        sink.publish(on_topic(topic, "a"))
    with pytest.raises(SinkError, match=f"has no topic {topic}"):
        read_all(broker, topic)


@pytest.mark.slow
def test_a_producer_that_lost_its_broker_is_replaced(topic: str) -> None:
    with embedded_broker() as address:
        config = KafkaConfig(bootstrap_servers=address)
        sink = KafkaSink(config, topics=[topic])
        assert sink.publish(on_topic(topic, "a"))[0].delivered
        sink._config = config.model_copy(update={"publish_timeout_s": 2.0})
    with pytest.raises(SinkError, match=address):
        sink.publish(on_topic(topic, "a"))
    with pytest.raises(SinkError, match="cannot be reached"):
        sink.publish(on_topic(topic, "a"))
    sink.close()


def test_a_broker_that_is_away_is_named_in_one_sentence(unused_tcp_address: str) -> None:
    address = unused_tcp_address
    with pytest.raises(
        SinkError, match=f"^Kafka at {address} cannot be reached \\(Connection refused\\); check"
    ) as caught:
        KafkaSink(KafkaConfig(bootstrap_servers=address)).publish(make_messages())
    assert str(caught.value).count("\n") == 0


def test_a_port_that_speaks_something_else_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(SinkError, match=f"Kafka at {address} listens but does not answer"):
            check_kafka(KafkaConfig(bootstrap_servers=address, connect_timeout_s=0.5), topics=())


@pytest.mark.parametrize("servers", ["", "localhost", "localhost:port", "localhost:0", "localhost:99999", "a:1,,b:2"])
def test_addresses_are_checked(servers: str) -> None:
    with pytest.raises(ValidationError, match="is not host:port"):
        KafkaConfig(bootstrap_servers=servers)


@pytest.mark.parametrize("servers", ["localhost:9092", "a:1, b:2", "[::1]:9092", "kafka-1.example.org:9093"])
def test_good_addresses_pass(servers: str) -> None:
    assert KafkaConfig(bootstrap_servers=servers).at("b:1").bootstrap_servers == "b:1"


def test_secrets_are_never_shown() -> None:
    config = KafkaConfig(
        tls=True,
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="voicepipe",
        sasl_password="s3cret-word",  # type: ignore[arg-type]
        client_cert_file=Path("c.pem"),
        client_key_file=Path("k.pem"),
        client_key_password="k3y-word",  # type: ignore[arg-type]
    )
    shown = repr(config) + str(config) + config.model_dump_json() + repr(KafkaSink(config).__dict__)
    assert "s3cret-word" not in shown
    assert "k3y-word" not in shown
    with pytest.raises(ValidationError) as caught:
        KafkaConfig(sasl_mechanism="PLAIN", sasl_password="s3cret-word")  # type: ignore[arg-type]
    assert "s3cret-word" not in str(caught.value)
    with pytest.raises(ValidationError, match="need a sasl_mechanism") as caught:
        KafkaConfig(sasl_username="voicepipe", sasl_password="s3cret-word")  # type: ignore[arg-type]
    assert "s3cret-word" not in str(caught.value)

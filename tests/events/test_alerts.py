import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.events.calls import make_reroute
from voicepipe.events.alerts import AlertError, find_alert, read_alerts, send_verdict
from voicepipe.events.config import KafkaConfig
from voicepipe.events.envelope import Message, message_of
from voicepipe.events.feedback import FEEDBACK_TOPIC, read_feedback
from voicepipe.events.kafka import KafkaReader, KafkaSink
from voicepipe.events.reroute import REROUTE_TOPIC, RerouteEvent

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("sockets_left_behind")]


def publish(broker: KafkaConfig, *messages: Message) -> None:
    sink = KafkaSink(broker, topics=[REROUTE_TOPIC])
    assert all(delivery.delivered for delivery in sink.publish(messages))
    sink.close()


def read_up_to(alerts: Iterator[RerouteEvent], call_id: str) -> list[str]:
    """Return the calls of the alerts up to that of one call; waits for it for ever."""
    seen = []
    for event in alerts:
        seen.append(event.call.call_id)
        if event.call.call_id == call_id:
            break
    return seen


def test_alerts_are_read_once_each_and_nonsense_is_passed_over(broker: KafkaConfig) -> None:
    call_id = f"call-{uuid.uuid4()}"
    message = message_of(make_reroute(call_id=call_id))
    nonsense = Message(event_id="x", topic=REROUTE_TOPIC, key=call_id, headers=(), body=b"nonsense")
    publish(broker, message, nonsense, message)
    assert [event for event in read_alerts(broker) if event.call.call_id == call_id] == [make_reroute(call_id=call_id)]
    assert list(read_alerts(broker, since=datetime.now(UTC) + timedelta(hours=1))) == []


def test_following_shows_what_comes_later(broker: KafkaConfig) -> None:
    first, second = (f"call-{uuid.uuid4()}" for _ in range(2))
    publish(broker, message_of(make_reroute(call_id=first)))
    alerts = read_alerts(broker, follow=True)
    assert first in read_up_to(alerts, first)
    publish(broker, message_of(make_reroute(call_id=second)))
    later = read_up_to(alerts, second)  # between them what other partitions still held
    assert later[-1] == second
    assert first not in later


def test_a_verdict_finds_its_alert_by_the_beginning_of_its_id(broker: KafkaConfig) -> None:
    event = make_reroute(call_id=f"call-{uuid.uuid4()}")
    publish(broker, message_of(event))
    alert = find_alert(broker, str(event.event_id)[:13].upper())
    assert alert == event
    sent = send_verdict(
        broker, alert, verdict="false_alarm", outcome=None, given_by="sv-3", given_at=datetime.now(UTC), note=None
    )
    with KafkaReader(broker, topic=FEEDBACK_TOPIC) as reader:
        received = [
            read_feedback(record.body, headers=record.headers, topic=record.topic, place=record.place).feedback
            for record in reader.read_to_end(timeout_s=60.0)
        ]
    assert sent in received


def test_an_alert_that_is_not_there_is_named(broker: KafkaConfig) -> None:
    publish(broker, message_of(make_reroute(call_id=f"call-{uuid.uuid4()}")))
    with pytest.raises(AlertError, match="has no alert 00000000-dead"):
        find_alert(broker, "00000000-dead")
    with pytest.raises(AlertError, match="too short"):
        find_alert(broker, "ab")


def test_a_verdict_must_say_something(broker: KafkaConfig) -> None:
    with pytest.raises(AlertError, match="neither verdict nor outcome"):
        send_verdict(
            broker, make_reroute(), verdict=None, outcome=None, given_by=None, given_at=datetime.now(UTC), note=None
        )

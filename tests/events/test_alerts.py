import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.events.calls import make_call, make_reroute
from voicepipe.config import Settings
from voicepipe.events.alerts import AlertError, find_alert, read_alerts, send_verdict
from voicepipe.events.config import KafkaConfig
from voicepipe.events.envelope import Message, message_of
from voicepipe.events.erasure import tombstones_of
from voicepipe.events.feedback import FEEDBACK_TOPIC, read_feedback
from voicepipe.events.kafka import KafkaReader, KafkaSink
from voicepipe.events.reroute import REROUTE_TOPIC, RerouteEvent
from voicepipe.purge import PurgeOrder, purge
from voicepipe.service import Courier
from voicepipe.types import CallStarted, EpisodeState, Erasure

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


def test_what_was_taken_back_is_not_shown(broker: KafkaConfig) -> None:
    """A topic that is not compacted keeps the record beside its tombstone; what the call says after it is shown."""
    call_id = f"call-{uuid.uuid4()}"
    (grave,) = [
        one
        for one in tombstones_of(call_id, erasure=Erasure.EVERYTHING, at=datetime.now(UTC))
        if one.topic == REROUTE_TOPIC
    ]
    publish(broker, message_of(make_reroute(call_id=call_id)), grave)
    assert [event for event in read_alerts(broker) if event.call.call_id == call_id] == []
    later = make_reroute(call_id=call_id, index=1)
    publish(broker, message_of(later))
    assert [event for event in read_alerts(broker) if event.call.call_id == call_id] == [later]


def test_a_verdict_on_an_all_clear_is_one_on_its_alert(broker: KafkaConfig) -> None:
    call_id, other = (f"call-{uuid.uuid4()}" for _ in range(2))
    request, cleared = make_reroute(call_id=call_id), make_reroute(EpisodeState.CLOSED, call_id=call_id)
    alone = make_reroute(EpisodeState.CLOSED, call_id=other)
    publish(broker, message_of(request), message_of(cleared), message_of(alone))
    assert find_alert(broker, str(cleared.event_id)) == request
    with pytest.raises(AlertError, match="which is no longer there"):
        find_alert(broker, str(alone.event_id))


def test_a_purge_tells_who_got_the_events(broker: KafkaConfig, tmp_path: Path) -> None:
    """The broker, though the settings of the purge name none: as soon as one is named."""
    unnamed = Settings(store_url=f"sqlite:///{tmp_path}/store.sqlite")
    named = unnamed.model_copy(update={"kafka": broker})
    call_id, now = f"call-{uuid.uuid4()}", datetime.now(UTC)
    order = PurgeOrder(call_id=call_id, actor="anna", reason="Art. 17")
    with Courier(named, kafka=broker) as courier:
        courier.record(CallStarted(call=make_call(call_id)), make_reroute(call_id=call_id))
        assert courier.flush(60.0) is None
    purged = purge(unnamed, order, now=now)
    assert purged.erased.tombstones == 2
    assert (purged.waiting or "").startswith("2 tombstones wait in the outbox")
    assert [alert for alert in read_alerts(broker) if alert.call.call_id == call_id] != []
    again = purge(named, order, now=now + timedelta(seconds=1), flush_s=60.0)
    assert again.waiting is None
    assert [alert for alert in read_alerts(broker) if alert.call.call_id == call_id] == []

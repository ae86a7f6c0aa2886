from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat

from tests.events.calls import STARTED_AT, make_messages, make_reroute
from voicepipe.events.envelope import message_of, occurred_at, rfc3339
from voicepipe.events.reroute import RerouteEvent


def test_the_cloudevents_package_reads_a_message() -> None:
    event = make_reroute()
    message = message_of(event)
    read = from_binary(
        KafkaMessage(headers=dict(message.headers), key=message.key.encode(), value=message.body), JSONFormat()
    )
    assert read.get_specversion() == "1.0"
    assert read.get_id() == str(event.event_id)
    assert read.get_type() == "voicepipe.reroute.requested.v1"
    assert read.get_source() == "/voicepipe/gateways/file"
    assert read.get_subject() == "call-1"
    assert read.get_time() == event.occurred_at
    assert read.get_datacontenttype() == "application/json"
    assert RerouteEvent.model_validate(read.get_data()) == event


def test_all_events_of_a_call_share_the_key() -> None:
    messages = make_messages("call-9")
    assert {message.key for message in messages} == {"call-9"}
    assert len({message.event_id for message in messages}) == len(messages)
    assert [message.topic for message in messages] == [
        "voicepipe.calls.v1",
        "voicepipe.reroute.v1",
        "voicepipe.reroute.v1",
        "voicepipe.calls.v1",
    ]


def test_a_call_id_of_any_script_survives() -> None:
    message = message_of(make_reroute(call_id="звонок 电话/1"))
    assert dict(message.headers)["ce_subject"].decode() == message.key == "звонок 电话/1"


def test_times_have_milliseconds() -> None:
    assert rfc3339(occurred_at(STARTED_AT, 1.2345)) == "2026-03-01T09:30:01.234Z"
    assert rfc3339(occurred_at(STARTED_AT, 0.0)) == "2026-03-01T09:30:00.000Z"

"""Alerts as a supervisor reads them from the topic, and the verdict that goes back."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from uuid import UUID, uuid4

from pydantic import ValidationError

from voicepipe.events.config import KafkaConfig
from voicepipe.events.feedback import FEEDBACK_TOPIC, Feedback, Outcome, Verdict, feedback_message
from voicepipe.events.kafka import KafkaReader, KafkaRecord, KafkaSink
from voicepipe.events.reroute import REROUTE_TOPIC, RerouteEvent, reroute_event_id
from voicepipe.types import SinkError, VoicepipeError

_READ_TIMEOUT_S = 15.0
_FOLLOW_POLL_S = 1.0
_MIN_PREFIX = 6


class AlertError(VoicepipeError):
    """An alert that is not there, or not the only one."""


def read_alerts(config: KafkaConfig, *, since: datetime | None = None, follow: bool = False) -> Iterator[RerouteEvent]:
    """Yield the reroute events of the topic, each once, as they lie there; with `follow` also what comes later.

    Records that are no reroute event of this version are passed over, and so is what a tombstone after it takes back:
    the broker may keep both for long.

    Parameters
    ----------
    config : KafkaConfig
    since : datetime, optional
        Only what was published at or after this time.
    follow : bool
        Never ends; the caller stops.

    Raises
    ------
    SinkError
        If the broker cannot be reached or the topic does not exist.
    """
    with KafkaReader(config, topic=REROUTE_TOPIC, since=since) as reader:
        yield from _events(_records(reader, follow=follow))


def find_alert(config: KafkaConfig, event_id: str) -> RerouteEvent:
    """Return the alert with this id, or the only one whose id begins so; for an all-clear, the alert that it ends.

    Parameters
    ----------
    config : KafkaConfig
    event_id : str
        At least its first six characters.

    Raises
    ------
    AlertError
        If there is none, or more than one.
    SinkError
        If the broker cannot be reached or the topic does not exist.
    """
    wanted = event_id.strip().lower()
    if len(wanted) < _MIN_PREFIX:
        raise AlertError(f"{event_id!r} is too short for an alert's id; give at least {_MIN_PREFIX} characters.")
    events = list(read_alerts(config))
    found = [event for event in events if str(event.event_id).startswith(wanted)]
    if not found:
        raise AlertError(
            f"Kafka at {config.bootstrap_servers} has no alert {event_id}; `voicepipe alerts` lists those it has."
        )
    if len(found) > 1:
        raise AlertError(f"{len(found)} alerts begin with {event_id}; give more of the id.")
    return found[0] if found[0].kind == "requested" else _request_of(found[0], events)


def send_verdict(
    config: KafkaConfig,
    alert: RerouteEvent,
    *,
    verdict: Verdict | None,
    outcome: Outcome | None,
    given_by: str | None,
    given_at: datetime,
    note: str | None,
) -> Feedback:
    """Publish a verdict on an alert and wait for the broker's acknowledgement.

    Raises
    ------
    AlertError
        If neither verdict nor outcome is given, or a text is too long.
    SinkError
        If it could not be delivered; nothing was kept, send it again.
    """
    try:
        feedback = Feedback(
            feedback_id=uuid4(),
            event_id=UUID(str(alert.event_id)),
            call_id=alert.call.call_id,
            verdict=verdict,
            outcome=outcome,
            given_by=given_by,
            given_at=given_at,
            note=note,
        )
    except ValidationError as error:
        why = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise AlertError(f"The verdict cannot be sent: {why}.") from error
    sink = KafkaSink(config, topics=[FEEDBACK_TOPIC])
    try:
        (delivery,) = sink.publish([feedback_message(feedback, source="/voicepipe/alerts")])
    finally:
        sink.close()
    if not delivery.delivered:
        raise SinkError(f"Kafka at {config.bootstrap_servers} refused the verdict ({delivery.refused}).")
    return feedback


def _request_of(cleared: RerouteEvent, events: Sequence[RerouteEvent]) -> RerouteEvent:
    call_id = cleared.call.call_id
    own_id = reroute_event_id(call_id, channel=cleared.channel, episode=cleared.episode, kind="requested")
    for event in events:
        if str(event.event_id) == own_id:
            return event
    raise AlertError(f"{cleared.event_id} says that an alert of the call {call_id} is over, which is no longer there.")


def _records(reader: KafkaReader, *, follow: bool) -> Iterator[KafkaRecord]:
    held = list(reader.read_to_end(timeout_s=_READ_TIMEOUT_S))
    last_grave = {record.key: i for i, record in enumerate(held) if not record.body}
    yield from (record for i, record in enumerate(held) if i > last_grave.get(record.key, -1))
    while follow:
        yield from reader.poll(timeout_s=_FOLLOW_POLL_S)


def _events(records: Iterable[KafkaRecord]) -> Iterator[RerouteEvent]:
    seen: set[UUID] = set()
    for record in records:
        try:
            event = RerouteEvent.model_validate_json(record.body, extra="ignore")
        except ValidationError:
            continue
        if event.event_id not in seen:
            seen.add(event.event_id)
            yield event

"""The envelope of every event that leaves: CloudEvents 1.0 in Kafka's binary mode, with an id that a replay repeats.

References
----------
* CloudEvents 1.0.2, https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
* Kafka Protocol Binding for CloudEvents 1.0.2, section 3.2 (binary content mode): attributes are headers with the
  prefix ``ce_`` and UTF-8 values, ``datacontenttype`` is the header ``content-type``, the data is the record's value.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import UUID, uuid5

if TYPE_CHECKING:
    from voicepipe.events.wire import WireEvent

EVENT_NAMESPACE = UUID("b7a1f5b2-6f0e-5c7e-9d43-0c3f8f1f4a11")
"""Namespace of all event ids (RFC 9562, section 5.5). It never changes: a new one would break deduplication."""

CONTENT_TYPE = "application/json"
SPEC_VERSION = "1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One event, serialised; implements `voicepipe.ports.OutboundMessage`.

    Attributes
    ----------
    event_id : str
    topic : str
    key : str
        The call's id: all events of a call go to one partition, in order.
    headers : tuple of (str, bytes)
    body : bytes
        UTF-8 JSON.
    """

    event_id: str
    topic: str
    key: str
    headers: tuple[tuple[str, bytes], ...]
    body: bytes


def event_id(call_id: str, *parts: str | int) -> UUID:
    """Return the id of an event of a call: the same parts give the same id, whenever and wherever.

    Parameters
    ----------
    call_id : str
    *parts : str or int
        What tells the event from the call's others: channel, episode, kind.
    """
    return uuid5(EVENT_NAMESPACE, json.dumps([call_id, *parts]))


def occurred_at(started_at: datetime, offset_s: float) -> datetime:
    """Return the UTC time of an offset in a call, to the millisecond.

    Parameters
    ----------
    started_at : datetime
        Timezone-aware time of sample 0.
    offset_s : float
        Seconds.
    """
    time = started_at.astimezone(UTC) + timedelta(seconds=offset_s)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def rfc3339(time: datetime) -> str:
    """Return a time as RFC 3339 in UTC (``Z``) with milliseconds."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def body_of(event: "WireEvent") -> bytes:
    """Return an event's body: compact UTF-8 JSON; what is not known is left out rather than null."""
    return event.model_dump_json(exclude_none=True).encode()


def message_of(event: "WireEvent") -> Message:
    """Serialise an event as CloudEvents 1.0 in Kafka's binary mode, keyed by its call.

    ``source`` names the gateway, ``subject`` the call. Nothing in it depends on the machine or on the time of
    serialising, so a replay gives the same bytes.
    """
    attributes = {
        "ce_specversion": SPEC_VERSION,
        "ce_id": str(event.event_id),
        "ce_source": f"/voicepipe/gateways/{quote(event.call.gateway, safe='')}",
        "ce_type": event.event_type,
        "ce_subject": event.call.call_id,
        "ce_time": rfc3339(event.occurred_at),
        "content-type": CONTENT_TYPE,
    }
    return Message(
        event_id=str(event.event_id),
        topic=event.topic,
        key=event.call.call_id,
        headers=tuple((name, value.encode()) for name, value in attributes.items()),
        body=body_of(event),
    )

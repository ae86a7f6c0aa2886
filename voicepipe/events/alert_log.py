"""The log of alerts: each reroute that was requested, what became of it, and what people said of it."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.engine import Connection

from voicepipe.events import tables
from voicepipe.events.feedback import Feedback
from voicepipe.events.handling import Handling, of_alerts
from voicepipe.events.outbox import insert
from voicepipe.events.reroute import REROUTE_TOPIC, RerouteEvent, reroute_event_id
from voicepipe.events.tables import text_of
from voicepipe.ports import OutboundMessage
from voicepipe.types import ClosedBy

_BATCH = 200
"""Events that are read at a time, and alerts whose answers are looked up by one statement."""

_OUTCOMES_OF_PEOPLE = ("taken", "released")
"""Whether they hold is in `tables.handling`; the other outcomes are what a system did."""

Mark = tuple[object, ...]
"""What is equal as long as nothing has changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A reroute that was requested, and all that is known of it by now.

    Attributes
    ----------
    event : RerouteEvent
        As it was sent.
    language : str, optional
        Of the call: as the operator gave it, or as it was heard by the end of the call.
    cleared_at : datetime, optional
        Time of the call at which the episode was closed; None while it is open.
    closed_by : ClosedBy, optional
        Why it was closed.
    call_ended : bool
        Whether the call is known to be over.
    take : Handling, optional
        Who takes care of the caller.
    verdict : Handling, optional
        Who judged the alert, and how.
    feedback : tuple of Feedback
        All that was said of it, notes too, oldest first.
    """

    event: RerouteEvent
    language: str | None
    cleared_at: datetime | None
    closed_by: ClosedBy | None
    call_ended: bool = False
    take: Handling | None = None
    verdict: Handling | None = None
    feedback: tuple[Feedback, ...] = ()

    @property
    def event_id(self) -> str:
        """Id of the event, by which the alert is known."""
        return str(self.event.event_id)

    @property
    def call_id(self) -> str:
        """Id of the call."""
        return self.event.call.call_id

    @property
    def queue(self) -> str | None:
        """Queue of the call."""
        return self.event.call.queue

    @property
    def is_handled(self) -> bool:
        """Whether somebody took it or judged it, or a system said what it did."""
        said = any(one.outcome not in (None, *_OUTCOMES_OF_PEOPLE) for one in self.feedback)
        return bool(self.take or self.verdict or said)


def record_alert(connection: Connection, message: OutboundMessage) -> None:
    """Enter a reroute that is put in the outbox: a new alert, or the end of one.

    Other messages, tombstones and what an older program sent in a form of its own are passed over.
    """
    if message.topic == REROUTE_TOPIC and message.body:
        _enter(connection, message.body)


def record_alerts_of_old(connection: Connection) -> None:
    """Enter the reroutes that a store kept before it had this log."""
    events = tables.events
    kept = sa.select(events.c.seq, events.c.body).where(events.c.topic == REROUTE_TOPIC).order_by(events.c.seq)
    last = -1
    while rows := connection.execute(kept.where(events.c.seq > last).limit(_BATCH)).all():
        for last, body in rows:  # noqa: B007 - where the next batch begins
            _enter(connection, body)


def _enter(connection: Connection, body: bytes) -> None:
    try:
        event = RerouteEvent.model_validate_json(body, extra="ignore")
    except ValidationError:
        return
    table, call_id = tables.alerts, event.call.call_id
    if event.kind == "requested":
        alert = {
            "event_id": str(event.event_id),
            "call_id": call_id,
            "channel": event.channel.value,
            "episode": event.episode,
            "queue": event.call.queue,
            "requested_at": text_of(event.occurred_at),
            "opened_s": event.opened_s,
            "at_s": event.at_s,
            "urgency": event.urgency,
            "reasons": json.dumps([reason.value for reason in event.reasons]),
        }
        connection.execute(insert(connection, table).values(**alert).on_conflict_do_nothing())
        return
    opened = reroute_event_id(call_id, channel=event.channel, episode=event.episode, kind="requested")
    ended = table.update().where(table.c.event_id == opened)
    connection.execute(ended.values(cleared_at=text_of(event.occurred_at), closed_by=event.closed_by))


def mark(connection: Connection, *, since: datetime) -> Mark:
    """Return what changes with every change to the alerts since a time and to what was said of them.

    Counts and latest times out of indices: cheap enough to be asked for every second.
    """
    start = text_of(since)
    alerts, handling, feedback, calls = tables.alerts.c, tables.handling.c, tables.feedback.c, tables.calls.c
    questions = (
        sa.select(sa.func.count(), sa.func.count(alerts.cleared_at), sa.func.max(alerts.requested_at)).where(
            alerts.requested_at >= start
        ),
        sa.select(sa.func.count(calls.duration_s))
        .join_from(tables.alerts, tables.calls, calls.call_id == alerts.call_id)
        .where(alerts.requested_at >= start),
        sa.select(sa.func.count(), sa.func.max(handling.at)).where(handling.at >= start),
        sa.select(sa.func.count()).where(feedback.given_at >= start),
    )
    return tuple(answer for question in questions for answer in connection.execute(question).one())


def read(
    connection: Connection,
    *,
    event_id: str | None = None,
    event_ids: Collection[str] | sa.Select[tuple[str]] | None = None,
    call_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    queues: Collection[str] | None = None,
    before: Alert | None = None,
    limit: int | None,
) -> tuple[Alert, ...]:
    """Return alerts, newest first.

    Parameters
    ----------
    connection : Connection
    event_id, call_id : str, optional
        Only this one; only those of this call.
    event_ids : collection of str or query, optional
        Only these.
    since, until : datetime, optional
        Requested at or after the one, before the other.
    queues : collection of str, optional
        Only of these queues; of all, and of calls without a queue, where not given.
    before : Alert, optional
        The last one of the page before this.
    limit : int or None
        Largest number; None for all.
    """
    alerts, events, calls = tables.alerts, tables.events, tables.calls
    query = (
        sa.select(alerts.c.cleared_at, alerts.c.closed_by, events.c.body, calls.c.language, calls.c.duration_s)
        .join(events, events.c.event_id == alerts.c.event_id)
        .outerjoin(calls, calls.c.call_id == alerts.c.call_id)
        .order_by(alerts.c.requested_at.desc(), alerts.c.event_id.desc())
        .limit(limit)
    )
    if event_id is not None:
        query = query.where(alerts.c.event_id == event_id)
    if event_ids is not None:
        query = query.where(alerts.c.event_id.in_(event_ids))
    if call_id is not None:
        query = query.where(alerts.c.call_id == call_id)
    if since is not None:
        query = query.where(alerts.c.requested_at >= text_of(since))
    if until is not None:
        query = query.where(alerts.c.requested_at < text_of(until))
    if queues is not None:
        query = query.where(alerts.c.queue.in_(queues))
    if before is not None:
        at = text_of(before.event.occurred_at)
        older = sa.and_(alerts.c.requested_at == at, alerts.c.event_id < before.event_id)
        query = query.where(sa.or_(alerts.c.requested_at < at, older))
    found = [_alert_of(row) for row in connection.execute(query).mappings()]
    return tuple(_answered(connection, found))


def inbox(connection: Connection, *, since: datetime, limit: int) -> tuple[Alert, ...]:
    """Return the alerts since a time that people wait for, newest first.

    Parameters
    ----------
    connection : Connection
    since : datetime
    limit : int
        Largest number of each queue: first those still open, then those that nobody has handled, then the newest.
    """
    alerts, handling, feedback = tables.alerts.c, tables.handling.c, tables.feedback.c
    handled = sa.or_(
        sa.exists().where(handling.event_id == alerts.event_id),
        sa.exists().where(feedback.event_id == alerts.event_id, feedback.outcome.not_in(_OUTCOMES_OF_PEOPLE)),
    )
    urgency = (alerts.cleared_at.is_not(None), handled, alerts.requested_at.desc(), alerts.event_id.desc())
    place = sa.func.row_number().over(partition_by=alerts.queue, order_by=urgency).label("place")
    ranked = sa.select(alerts.event_id, place).where(alerts.requested_at >= text_of(since)).subquery()
    return read(connection, event_ids=sa.select(ranked.c.event_id).where(ranked.c.place <= limit), limit=None)


def call_of(connection: Connection, event_id: str) -> str | None:
    """Return the call of an alert; None if there is no such alert."""
    alerts = tables.alerts.c
    call_id = connection.execute(sa.select(alerts.call_id).where(alerts.event_id == event_id)).scalar()
    return None if call_id is None else str(call_id)


def _alert_of(row: Mapping[Any, Any]) -> Alert:
    event = RerouteEvent.model_validate_json(row["body"], extra="ignore")
    return Alert(
        event=event,
        language=row["language"] or event.call.language,
        cleared_at=None if row["cleared_at"] is None else datetime.fromisoformat(row["cleared_at"]),
        closed_by=None if row["closed_by"] is None else ClosedBy(row["closed_by"]),
        call_ended=row["duration_s"] is not None,
    )


def _answered(connection: Connection, alerts: Sequence[Alert]) -> Iterable[Alert]:
    """Put beside each alert what was said of it."""
    for first in range(0, len(alerts), _BATCH):
        some = alerts[first : first + _BATCH]
        ids = [alert.event_id for alert in some]
        handled = of_alerts(connection, ids)
        table = tables.feedback
        said = sa.select(table).where(table.c.event_id.in_(ids)).order_by(table.c.given_at, table.c.feedback_id)
        feedback: dict[str, list[Feedback]] = {}
        for row in connection.execute(said).mappings():
            feedback.setdefault(row["event_id"], []).append(Feedback.model_validate(dict(row)))
        for alert in some:
            yield replace(
                alert,
                take=handled.get((alert.event_id, "take")),
                verdict=handled.get((alert.event_id, "verdict")),
                feedback=tuple(feedback.get(alert.event_id, ())),
            )

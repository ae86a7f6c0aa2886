"""The outbox: messages that must leave, one row per message and sink, in the order they were recorded."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from voicepipe.events import tables
from voicepipe.events.tables import PENDING, REFUSED, SENT, has_body, is_pending, text_of
from voicepipe.ports import Delivery, OutboundMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """A message of the outbox, as it was recorded; implements `voicepipe.ports.OutboundMessage`.

    Attributes
    ----------
    seq : int
        Order of recording; rises within a call.
    event_id, topic, key, headers, body
        As recorded.
    recorded_at : datetime
        When it was put in the outbox.
    """

    seq: int
    event_id: str
    topic: str
    key: str
    headers: tuple[tuple[str, bytes], ...]
    body: bytes
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxDepth:
    """How much waits for one sink.

    Attributes
    ----------
    sink : str
    pending : int
        Messages not yet acknowledged.
    oldest_at : datetime, optional
        When the oldest of them was recorded; None when nothing waits.
    refused : int
        Messages that the sink refused for good; they are dead letters.
    """

    sink: str
    pending: int
    oldest_at: datetime | None
    refused: int


@dataclass(slots=True)
class Claim:
    """Messages taken from the outbox for delivery, in the order of recording; `settle` says what became of them."""

    rows: tuple[OutboxRow, ...]
    settled: list[tuple[OutboxRow, Delivery]] = field(default_factory=list)

    def settle(self, row: OutboxRow, delivery: Delivery) -> None:
        """Note what became of a row; it is written when the claim ends. Rows without a note stay pending."""
        self.settled.append((row, delivery))


def insert(connection: Connection, table: sa.Table) -> Any:
    """Return the dialect's own INSERT, the one that knows ON CONFLICT."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def sinks_of(connection: Connection, keys: Sequence[str]) -> dict[tuple[str, str], set[str]]:
    """Return, by key and topic, the sinks that the kept events of some keys went to or wait for."""
    events, rows = tables.events, tables.outbox
    query = sa.select(events.c.key, events.c.topic, rows.c.sink).join(rows, rows.c.seq == events.c.seq).distinct()
    found: dict[tuple[str, str], set[str]] = {}
    for key, topic, sink in connection.execute(query.where(events.c.key.in_(keys), has_body)):
        found.setdefault((key, topic), set()).add(sink)
    return found


def put(connection: Connection, message: OutboundMessage, *, sinks: Sequence[str], now: datetime) -> bool:
    """Record a message and put it in the outbox of every sink; False if its id is known."""
    values = {
        "event_id": message.event_id,
        "topic": message.topic,
        "key": message.key,
        "headers": json.dumps([[name, base64.b64encode(value).decode()] for name, value in message.headers]),
        "body": message.body,
        "recorded_at": text_of(now),
    }
    new = insert(connection, tables.events).values(**values).on_conflict_do_nothing().returning(tables.events.c.seq)
    seq = connection.execute(new).scalar_one_or_none()
    if seq is None:
        return False
    if sinks:
        rows = [{"sink": sink, "seq": seq, "key": message.key, "state": PENDING} for sink in sinks]
        connection.execute(tables.outbox.insert(), rows)
    return True


def lock_calls(connection: Connection, sink: str, *, limit: int) -> list[str]:
    """Lock the first pending row of each call that no other process holds (PostgreSQL); return the calls.

    Only the first row of a call can be locked, so who holds it holds the call, and the order within it is safe. The
    oldest pending rows are looked at, and more of them while other processes hold all of those.
    """
    rows = tables.outbox
    window_size = 2 * limit
    while True:
        window = sa.select(rows.c.key, rows.c.seq).where(rows.c.sink == sink, is_pending).order_by(rows.c.seq)
        oldest = connection.execute(window.limit(window_size)).all()
        first_of_calls: dict[str, int] = {}
        for key, seq in oldest:
            first_of_calls.setdefault(key, seq)
        lock = (
            sa.select(rows.c.key)
            .where(rows.c.sink == sink, is_pending, rows.c.seq.in_(first_of_calls.values()))
            .order_by(rows.c.seq)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        keys = list(connection.execute(lock).scalars()) if oldest else []
        if keys or len(oldest) < window_size:
            return keys
        window_size *= 4


def pending(
    connection: Connection, sink: str, *, limit: int, keys: Sequence[str] | None = None
) -> tuple[OutboxRow, ...]:
    """Return the oldest pending messages of a sink, of the given calls or of all."""
    rows, events = tables.outbox, tables.events
    query = sa.select(rows.c.seq).where(rows.c.sink == sink, is_pending).order_by(rows.c.seq).limit(limit)
    if keys is not None:
        query = query.where(rows.c.key.in_(keys))
    seqs = list(connection.execute(query).scalars())
    if not seqs:
        return ()
    found = sa.select(events).where(events.c.seq.in_(seqs)).order_by(events.c.seq)
    return tuple(row_of(row) for row in connection.execute(found).mappings())


def settle(connection: Connection, sink: str, claim: Claim, *, now: datetime) -> None:
    """Write what became of the claimed rows: sent, or refused and a dead letter."""
    outbox = tables.outbox
    sent = [row.seq for row, delivery in claim.settled if delivery.delivered]
    refused = [(row, delivery.refused) for row, delivery in claim.settled if delivery.refused is not None]
    for state, seqs in ((SENT, sent), (REFUSED, [row.seq for row, _ in refused])):
        if seqs:
            update = outbox.update().where(outbox.c.sink == sink, outbox.c.seq.in_(seqs))
            connection.execute(update.values(state=state, settled_at=text_of(now)))
    if refused:
        letters = [
            {
                "origin": sink,
                "event_id": row.event_id,
                "topic": row.topic,
                "reason": reason,
                "body": row.body,
                "dead_at": text_of(now),
                "place": row.event_id,
            }
            for row, reason in refused
        ]
        connection.execute(insert(connection, tables.dead_letters).on_conflict_do_nothing(), letters)


def depth(connection: Connection, sink: str) -> OutboxDepth:
    """Count what waits for a sink."""
    rows, events, letters = tables.outbox, tables.events, tables.dead_letters
    waiting = sa.select(sa.func.count(), sa.func.min(rows.c.seq)).where(rows.c.sink == sink, is_pending)
    n_pending, oldest = connection.execute(waiting).one()
    oldest_at = connection.execute(sa.select(events.c.recorded_at).where(events.c.seq == oldest)).scalar()
    dead = sa.select(sa.func.count()).select_from(letters).where(letters.c.origin == sink)
    return OutboxDepth(
        sink=sink,
        pending=n_pending,
        oldest_at=datetime.fromisoformat(oldest_at) if oldest_at else None,
        refused=connection.execute(dead).scalar_one(),
    )


def row_of(row: Any) -> OutboxRow:
    """Return a row of the table of events as a message."""
    return OutboxRow(
        seq=row["seq"],
        event_id=row["event_id"],
        topic=row["topic"],
        key=row["key"],
        headers=tuple((name, base64.b64decode(value)) for name, value in json.loads(row["headers"])),
        body=bytes(row["body"]),
        recorded_at=datetime.fromisoformat(row["recorded_at"]),
    )

"""The store: what is known of every call, and the outbox of events that must leave, in one database.

A decision and its outgoing events are written in one transaction, so neither exists without the other. SQLite is the
embedded default; PostgreSQL, by URL, is for several nodes that share one outbox.

SQLite runs in WAL mode with ``synchronous=FULL``: each commit is on the disk before `Store.record` returns. With
``NORMAL`` the last commits before a power cut would be lost (https://www.sqlite.org/pragma.html#pragma_synchronous).
"""

import base64
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Connection, Engine, make_url

from voicepipe.events import tables
from voicepipe.events.tables import PENDING, REFUSED, SCHEMA_VERSION, SENT
from voicepipe.ports import Delivery, OutboundMessage
from voicepipe.types import CallEvent, CallStarted, CallSummary, Episode, ScoredUtterance, StoreError

Clock = Callable[[], datetime]
"""Returns the present time, timezone-aware UTC."""

_BUSY_TIMEOUT_S = 30.0


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
        When the decision was committed.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that will never be delivered or understood, and why."""

    id: int
    origin: str
    event_id: str | None
    topic: str
    reason: str
    body: bytes
    dead_at: datetime


@dataclass(slots=True)
class Claim:
    """Messages taken from the outbox for delivery, in the order of recording; `settle` says what became of them."""

    rows: tuple[OutboxRow, ...]
    settled: list[tuple[OutboxRow, Delivery]] = field(default_factory=list)

    def settle(self, row: OutboxRow, delivery: Delivery) -> None:
        """Note what became of a row; it is written when the claim ends. Rows without a note stay pending."""
        self.settled.append((row, delivery))


class Store:
    """One database; safe to use from several threads.

    Made by `Store.open`.
    """

    def __init__(self, engine: Engine, *, place: str, sinks: Sequence[str], clock: Clock) -> None:
        self._engine = engine
        self._place = place
        self._sinks = tuple(sinks)
        self._clock = clock
        self._write_lock = threading.Lock()
        self._watchers: list[Callable[[], None]] = []
        self._is_sqlite = engine.dialect.name == "sqlite"

    @classmethod
    def open(cls, url: str | Path, *, sinks: Sequence[str], clock: Clock) -> Self:
        """Open a store, creating or migrating its tables.

        Parameters
        ----------
        url : str or Path
            A file path (SQLite), ``sqlite:///path`` or ``postgresql://user:password@host/database``.
        sinks : sequence of str
            Names of the sinks that messages recorded from now on must reach.
        clock : callable
            Gives the time stamped on rows.

        Raises
        ------
        StoreError
            If the place cannot be written, is no store, or holds a newer one.
        """
        target = _url_of(url)
        place = target.database or "" if target.get_backend_name() == "sqlite" else target.render_as_string()
        store = cls(_engine_of(target, place), place=place, sinks=sinks, clock=clock)
        try:
            store._migrate()
        except BaseException:
            store.close()
            raise
        return store

    def record(self, call_events: Sequence[CallEvent], messages: Sequence[OutboundMessage]) -> None:
        """Write call events and the messages they cause in one transaction.

        A message whose id is known is left as it is, so replaying a call duplicates nothing.

        Parameters
        ----------
        call_events : sequence of CallEvent
            In order.
        messages : sequence of OutboundMessage
            In the order they must leave.

        Raises
        ------
        StoreError
            Then nothing was written.
        """
        with self._writing() as connection:
            for event in call_events:
                self._record_event(connection, event)
            fresh = [self._record_message(connection, message) for message in messages]
        if any(fresh):
            for wake in self._watchers:
                wake()

    def watch(self, wake: Callable[[], None]) -> None:
        """Call `wake` after each commit that put messages in the outbox; it must return at once."""
        self._watchers.append(wake)

    @contextmanager
    def claim(self, sink: str, *, limit: int) -> Iterator[Claim]:
        """Take the oldest pending messages of a sink; what was settled is written when the block ends.

        On PostgreSQL the messages of a call are locked until then and other processes pass over the whole call
        (``FOR UPDATE SKIP LOCKED`` on its first pending row), so the order within a call holds. SQLite has one
        process that sends.

        Parameters
        ----------
        sink : str
        limit : int
            Largest number of messages.

        Raises
        ------
        StoreError
        """
        if self._is_sqlite:
            with self._reading() as connection:
                claim = Claim(self._pending(connection, sink, limit=limit, keys=None))
            yield claim
            if claim.settled:
                with self._writing() as connection:
                    self._settle(connection, sink, claim)
            return
        with self._writing() as connection:
            keys = self._lock_calls(connection, sink, limit=limit)
            claim = Claim(self._pending(connection, sink, limit=limit, keys=keys) if keys else ())
            yield claim
            self._settle(connection, sink, claim)

    def depth(self, sink: str) -> OutboxDepth:
        """Return how much waits for a sink, and since when."""
        outbox, events = tables.outbox, tables.events
        query = (
            sa.select(sa.func.count(), sa.func.min(events.c.recorded_at))
            .select_from(outbox.join(events, outbox.c.seq == events.c.seq))
            .where(outbox.c.sink == sink, outbox.c.state == PENDING)
        )
        refused = sa.select(sa.func.count()).where(outbox.c.sink == sink, outbox.c.state == REFUSED)
        with self._reading() as connection:
            pending, oldest_at = connection.execute(query).one()
            n_refused = connection.execute(refused).scalar_one()
        return OutboxDepth(
            sink=sink,
            pending=pending,
            oldest_at=datetime.fromisoformat(oldest_at) if oldest_at else None,
            refused=n_refused,
        )

    def dead_letters(self, *, limit: int = 100) -> tuple[DeadLetter, ...]:
        """Return the latest dead letters, newest first."""
        query = sa.select(tables.dead_letters).order_by(tables.dead_letters.c.id.desc()).limit(limit)
        with self._reading() as connection:
            rows = connection.execute(query).mappings().all()
        return tuple(DeadLetter(**{**row, "dead_at": datetime.fromisoformat(row["dead_at"])}) for row in rows)

    def events_of(self, call_id: str) -> tuple[OutboxRow, ...]:
        """Return every message recorded for a call, in order."""
        events = tables.events
        with self._reading() as connection:
            rows = connection.execute(sa.select(events).where(events.c.key == call_id).order_by(events.c.seq))
            return tuple(_outbox_row(row) for row in rows.mappings())

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # What a call event becomes.

    def _record_event(self, connection: Connection, event: CallEvent) -> None:
        match event:
            case CallStarted(call=call):
                self._insert_new(
                    connection,
                    tables.calls,
                    call_id=call.call_id,
                    started_at=_text_of(call.started_at),
                    gateway=call.gateway,
                    roles=call.roles.value,
                    queue=call.queue,
                    agent_id=call.agent_id,
                    consent=call.consent,
                    language=call.language,
                )
            case ScoredUtterance():
                self._insert_new(connection, tables.utterances, **_utterance_values(event))
            case Episode():
                self._upsert(connection, tables.episodes, **_episode_values(event))
            case CallSummary(call=call):
                self._record_event(connection, CallStarted(call=call))
                connection.execute(
                    tables.calls.update()
                    .where(tables.calls.c.call_id == call.call_id)
                    .values(
                        duration_s=event.duration_s,
                        language=event.language,
                        coverage=event.coverage.ratio,
                        reason=event.reason,
                    )
                )

    def _record_message(self, connection: Connection, message: OutboundMessage) -> bool:
        """Insert a message and its outbox rows; False if its id is known."""
        values = {
            "event_id": message.event_id,
            "topic": message.topic,
            "key": message.key,
            "headers": json.dumps([[name, base64.b64encode(value).decode()] for name, value in message.headers]),
            "body": message.body,
            "recorded_at": _text_of(self._clock()),
        }
        insert = self._insert(tables.events).values(**values).on_conflict_do_nothing().returning(tables.events.c.seq)
        seq = connection.execute(insert).scalar_one_or_none()
        if seq is None:
            return False
        if self._sinks:
            rows = [{"sink": sink, "seq": seq, "key": message.key, "state": PENDING} for sink in self._sinks]
            connection.execute(tables.outbox.insert(), rows)
        return True

    def _insert(self, table: sa.Table) -> Any:
        """Return the dialect's INSERT, the one that knows ON CONFLICT."""
        return sqlite.insert(table) if self._is_sqlite else postgresql.insert(table)

    def _insert_new(self, connection: Connection, table: sa.Table, **values: object) -> None:
        connection.execute(self._insert(table).values(**values).on_conflict_do_nothing())

    def _upsert(self, connection: Connection, table: sa.Table, **values: object) -> None:
        keys = [column.name for column in table.primary_key]
        changes = {name: value for name, value in values.items() if name not in keys}
        insert = self._insert(table).values(**values)
        connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=changes))

    # The outbox.

    def _lock_calls(self, connection: Connection, sink: str, *, limit: int) -> list[str]:
        """Lock the first pending row of each call that no other process holds; return the calls."""
        outbox = tables.outbox
        earlier = outbox.alias("earlier")
        is_later = sa.exists().where(
            earlier.c.sink == outbox.c.sink,
            earlier.c.key == outbox.c.key,
            earlier.c.state == PENDING,
            earlier.c.seq < outbox.c.seq,
        )
        query = (
            sa.select(outbox.c.key)
            .where(outbox.c.sink == sink, outbox.c.state == PENDING, ~is_later)
            .order_by(outbox.c.seq)
            .limit(limit)
            .with_for_update(skip_locked=True, of=outbox)
        )
        return list(connection.execute(query).scalars())

    def _pending(
        self, connection: Connection, sink: str, *, limit: int, keys: Sequence[str] | None
    ) -> tuple[OutboxRow, ...]:
        outbox, events = tables.outbox, tables.events
        query = (
            sa.select(events)
            .join(outbox, outbox.c.seq == events.c.seq)
            .where(outbox.c.sink == sink, outbox.c.state == PENDING)
            .order_by(outbox.c.seq)
            .limit(limit)
        )
        if keys is not None:
            query = query.where(outbox.c.key.in_(keys))
        return tuple(_outbox_row(row) for row in connection.execute(query).mappings())

    def _settle(self, connection: Connection, sink: str, claim: Claim) -> None:
        """Write what became of the claimed rows: sent, or refused and a dead letter."""
        outbox = tables.outbox
        now = _text_of(self._clock())
        states = [
            {"at_seq": row.seq, "new_state": SENT if delivery.delivered else REFUSED}
            for row, delivery in claim.settled
            if delivery.delivered or delivery.refused is not None
        ]
        if states:
            update = (
                outbox.update()
                .where(outbox.c.sink == sink, outbox.c.seq == sa.bindparam("at_seq"))
                .values(state=sa.bindparam("new_state"), settled_at=now)
            )
            connection.execute(update, states)
        dead = [
            {
                "origin": sink,
                "event_id": row.event_id,
                "topic": row.topic,
                "reason": delivery.refused,
                "body": row.body,
                "dead_at": now,
            }
            for row, delivery in claim.settled
            if delivery.refused is not None
        ]
        if dead:
            connection.execute(tables.dead_letters.insert(), dead)

    # Transactions and versions.

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """Run a transaction that writes; commits at the end of the block, rolls back on any error."""
        lock = self._write_lock if self._is_sqlite else threading.Lock()
        with lock, self._sentences(), self._engine.connect() as connection:
            if self._is_sqlite:
                connection = connection.execution_options(immediate=True)
            with connection.begin():
                yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._sentences(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        """Turn the database's errors into sentences."""
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            raise StoreError(_sentence_of(error, self._place)) from error

    def _migrate(self) -> None:
        """Create the tables, or bring older ones up to `SCHEMA_VERSION`."""
        with self._writing() as connection:
            known = set(sa.inspect(connection).get_table_names())
            if tables.schema_version.name not in known:
                if self._is_sqlite and known:
                    raise StoreError(
                        f"{self._place} is a database of another program; give voicepipe a file of its own."
                    )
                tables.metadata.create_all(connection)
                connection.execute(tables.schema_version.insert().values(version=SCHEMA_VERSION))
                return
            version = connection.execute(sa.select(sa.func.max(tables.schema_version.c.version))).scalar() or 0
            if version > SCHEMA_VERSION:
                raise StoreError(
                    f"The store {self._place} was written by a newer voicepipe (its tables have version {version}, "
                    f"this program knows {SCHEMA_VERSION}); update voicepipe or choose another store."
                )


def _url_of(url: str | Path) -> URL:
    """Return the database URL of a path or URL; PostgreSQL gets the psycopg 3 driver."""
    if isinstance(url, Path) or "://" not in url:
        return URL.create("sqlite", database=str(url))
    try:
        target = make_url(url)
    except sa.exc.ArgumentError as error:
        raise StoreError(
            f"The store's address cannot be read: {type(error).__name__}; see configs/README.md."
        ) from error
    if target.drivername in {"postgres", "postgresql"}:
        return target.set(drivername="postgresql+psycopg")
    if target.get_backend_name() not in {"sqlite", "postgresql"}:
        raise StoreError(f"The store cannot be a {target.get_backend_name()} database; use SQLite or PostgreSQL.")
    return target


def _engine_of(target: URL, place: str) -> Engine:
    if target.get_backend_name() == "postgresql":
        try:
            return sa.create_engine(target, pool_pre_ping=True)
        except ModuleNotFoundError as error:
            raise StoreError(
                "PostgreSQL needs its driver; install it with: pip install 'voicepipe[postgres]'."
            ) from error
    try:
        Path(place).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"The folder of the store {place} cannot be made: {error.strerror}.") from error
    engine = sa.create_engine(target, connect_args={"timeout": _BUSY_TIMEOUT_S, "check_same_thread": False})
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """Begin as a writer where the block writes: a reader that turns writer could fail instead of waiting."""
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _sentence_of(error: sa.exc.SQLAlchemyError, place: str) -> str:
    cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    if "not a database" in cause:
        return f"{place} is not a voicepipe store; give another file, or move it away and start again."
    if "full" in cause:
        return f"The disk of the store {place} is full; make room, nothing was written."
    if "unable to open" in cause or "readonly" in cause:
        return f"The store {place} cannot be written; check that its folder exists and who owns it."
    if "locked" in cause:
        return f"The store {place} is locked by another program for more than {_BUSY_TIMEOUT_S:.0f} s; close that one."
    return f"The store {place} failed: {cause}."


def _text_of(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def _outbox_row(row: Any) -> OutboxRow:
    return OutboxRow(
        seq=row["seq"],
        event_id=row["event_id"],
        topic=row["topic"],
        key=row["key"],
        headers=tuple((name, base64.b64decode(value)) for name, value in json.loads(row["headers"])),
        body=bytes(row["body"]),
        recorded_at=datetime.fromisoformat(row["recorded_at"]),
    )


def _utterance_values(utterance: ScoredUtterance) -> dict[str, object]:
    score, transcript = utterance.score, utterance.transcript
    return {
        "call_id": utterance.call_id,
        "channel": utterance.channel.value,
        "index": utterance.index,
        "start_s": utterance.start_s,
        "end_s": utterance.end_s,
        "text": transcript.text if transcript else None,
        "language": transcript.language if transcript else None,
        "stress": score.stress if score else None,
        "confidence": score.confidence if score else None,
        "deviations": json.dumps([feature.text for feature in score.top_features]) if score else None,
    }


def _episode_values(episode: Episode) -> dict[str, object]:
    return {
        "call_id": episode.call_id,
        "channel": episode.channel.value,
        "index": episode.index,
        "state": episode.state.value,
        "opened_s": episode.opened_s,
        "closed_s": episode.closed_s,
        "peak": episode.peak,
        "mean": episode.mean,
        "reasons": json.dumps([reason.value for reason in episode.reasons]),
    }

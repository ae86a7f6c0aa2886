"""The store: what is known of every call, and the outbox of events that must leave, in one database.

A decision and its outgoing events are written in one transaction, so neither exists without the other. SQLite is the
embedded default; PostgreSQL, by URL, is for several nodes that share one outbox.

SQLite runs in WAL mode with ``synchronous=FULL``: each commit is on the disk before `Store.record` returns. With
``NORMAL`` the last commits before a power cut would be lost (https://www.sqlite.org/pragma.html#pragma_synchronous).
"""

import contextlib
import json
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url

from voicepipe.events import outbox, tables
from voicepipe.events.feedback import Feedback, InboundFeedback
from voicepipe.events.migrations import bring_up_to_date
from voicepipe.events.outbox import Claim, OutboxDepth, OutboxRow
from voicepipe.events.tables import PENDING, REFUSED, is_pending, text_of
from voicepipe.ports import OutboundMessage
from voicepipe.types import CallEvent, CallStarted, CallSummary, Episode, ScoredUtterance, StoreError

Clock = Callable[[], datetime]
"""Returns the present time, timezone-aware UTC."""

Sinks = Collection[str] | Mapping[str, Collection[str]]
"""Names of sinks, or with each the topics it gets."""

_BUSY_TIMEOUT_S = 30.0
_PURGE_BATCH = 500


class RecordError(StoreError):
    """The database works but will never take this record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that will never be delivered, or a record that could not be understood, and why.

    Attributes
    ----------
    id : int
    origin : str
        Name of the sink that refused it, or ``feedback``.
    event_id : str, optional
    topic : str
    reason : str
    body : bytes
    dead_at : datetime
    place : str, optional
        What makes it one of its kind: the event's id, or topic/partition/offset.
    """

    id: int
    origin: str
    event_id: str | None
    topic: str
    reason: str
    body: bytes
    dead_at: datetime
    place: str | None


class Store:
    """One database; safe to use from several threads.

    Made by `Store.open`.
    """

    def __init__(self, engine: Engine, *, place: str, sinks: Sinks, clock: Clock) -> None:
        self._engine = engine
        self._place = place
        self._topics = {sink: sinks[sink] if isinstance(sinks, Mapping) else None for sink in sinks}
        self._clock = clock
        self._is_sqlite = engine.dialect.name == "sqlite"
        # SQLite has one writer at a time; threads that queue here wait in order instead of polling the file's lock.
        self._write_lock: contextlib.AbstractContextManager[Any] = (
            threading.Lock() if self._is_sqlite else contextlib.nullcontext()
        )
        self._watchers: list[Callable[[], None]] = []

    @classmethod
    def open(cls, url: str | Path, *, sinks: Sinks, clock: Clock) -> Self:
        """Open a store, creating or migrating its tables.

        Parameters
        ----------
        url : str or Path
            A file path (SQLite), ``sqlite:///path`` or ``postgresql://user:password@host/database``.
        sinks : collection of str, or mapping of str to collection of str
            Names of the sinks that messages recorded from now on must reach; where topics are given, the messages
            of those alone.
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
            with store._writing() as connection:
                bring_up_to_date(connection, place=place)
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
            Then nothing was written; `RecordError` where trying again would not help.
        """
        with self._writing() as connection:
            for event in call_events:
                _record_event(connection, event)
            fresh = [
                outbox.put(connection, message, sinks=self._sinks_of(message.topic), now=self._clock())
                for message in messages
            ]
        if any(fresh):
            for wake in self._watchers:
                wake()

    def watch(self, wake: Callable[[], None]) -> None:
        """Call `wake` after each commit that put messages in the outbox; it must return at once."""
        self._watchers.append(wake)

    @contextlib.contextmanager
    def claim(self, sink: str, *, limit: int) -> Iterator[Claim]:
        """Take the oldest pending messages of a sink; what was settled is written when the block ends.

        On PostgreSQL a call is locked until then and other processes pass over it (``FOR UPDATE SKIP LOCKED`` on its
        first pending row), so the order within a call holds. On SQLite one process sends.

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
                claim = Claim(outbox.pending(connection, sink, limit=limit))
            yield claim
            if claim.settled:
                with self._writing() as connection:
                    outbox.settle(connection, sink, claim, now=self._clock())
            return
        with self._writing() as connection:
            keys = outbox.lock_calls(connection, sink, limit=limit)
            claim = Claim(outbox.pending(connection, sink, limit=limit, keys=keys) if keys else ())
            yield claim
            outbox.settle(connection, sink, claim, now=self._clock())

    def depth(self, sink: str) -> OutboxDepth:
        """Return how much waits for a sink, and since when."""
        with self._reading() as connection:
            return outbox.depth(connection, sink)

    def events_of(self, call_id: str) -> tuple[OutboxRow, ...]:
        """Return every message recorded for a call, in order."""
        query = sa.select(tables.events).where(tables.events.c.key == call_id).order_by(tables.events.c.seq)
        with self._reading() as connection:
            return tuple(outbox.row_of(row) for row in connection.execute(query).mappings())

    def dead_letters(self, *, limit: int = 100) -> tuple[DeadLetter, ...]:
        """Return the latest dead letters, newest first."""
        query = sa.select(tables.dead_letters).order_by(tables.dead_letters.c.id.desc()).limit(limit)
        with self._reading() as connection:
            rows = connection.execute(query).mappings().all()
        return tuple(DeadLetter(**{**row, "dead_at": datetime.fromisoformat(row["dead_at"])}) for row in rows)

    def dead_letter_counts(self) -> Mapping[str, int]:
        """Return how many dead letters each origin has."""
        origin = tables.dead_letters.c.origin
        with self._reading() as connection:
            rows = connection.execute(sa.select(origin, sa.func.count()).group_by(origin))
            return {str(name): int(count) for name, count in rows}

    def revive(self, sink: str) -> int:
        """Put the dead letters of a sink back in its outbox, once their cause is mended; returns how many.

        They go out again in the order of recording, but after what was sent in the meantime.
        """
        letters, rows = tables.dead_letters, tables.outbox
        with self._writing() as connection:
            again = rows.update().where(rows.c.sink == sink, rows.c.state == REFUSED)
            revived = connection.execute(again.values(state=PENDING, settled_at=None)).rowcount
            connection.execute(letters.delete().where(letters.c.origin == sink))
        for wake in self._watchers:
            wake()
        return int(revived)

    def purge(self, *, before: datetime) -> int:
        """Forget the calls that started before a time, with all that was said in them; returns how many.

        Events that a sink still has to get are kept until it has them, and their calls with them.

        Parameters
        ----------
        before : datetime
            Timezone-aware.
        """
        calls, events, rows = tables.calls, tables.events, tables.outbox
        unsent = sa.select(rows.c.key).where(is_pending)
        old = sa.select(calls.c.call_id).where(calls.c.started_at < text_of(before), calls.c.call_id.not_in(unsent))
        with self._writing() as connection:
            call_ids = list(connection.execute(old).scalars())
            for first in range(0, len(call_ids), _PURGE_BATCH):
                some = call_ids[first : first + _PURGE_BATCH]
                event_ids = sa.select(events.c.event_id).where(events.c.key.in_(some))
                connection.execute(tables.dead_letters.delete().where(tables.dead_letters.c.event_id.in_(event_ids)))
                connection.execute(events.delete().where(events.c.key.in_(some)))
                for table in (tables.utterances, tables.episodes, tables.feedback, calls):
                    connection.execute(table.delete().where(table.c.call_id.in_(some)))
        return len(call_ids)

    def record_feedback(self, inbound: Sequence[InboundFeedback]) -> None:
        """Keep feedback with the episode it answers; what is malformed or answers nothing known is a dead letter.

        Recording the same records again changes nothing.
        """
        with self._writing() as connection:
            for record in inbound:
                reason = record.reason
                if record.feedback is not None:
                    reason = _record_feedback(connection, record.feedback)
                if reason is not None:
                    letter = outbox.insert(connection, tables.dead_letters).values(
                        origin="feedback",
                        event_id=str(record.feedback.event_id) if record.feedback else None,
                        topic=record.topic,
                        reason=reason,
                        body=record.body,
                        dead_at=text_of(self._clock()),
                        place=record.place,
                    )
                    connection.execute(letter.on_conflict_do_nothing())

    def feedback_of(self, event_id: str) -> tuple[Feedback, ...]:
        """Return the feedback on one event, oldest first."""
        table = tables.feedback
        query = sa.select(table).where(table.c.event_id == event_id).order_by(table.c.given_at, table.c.feedback_id)
        with self._reading() as connection:
            return tuple(Feedback.model_validate(dict(row)) for row in connection.execute(query).mappings())

    def feedback_counts(self) -> Mapping[str, int]:
        """Return how often each verdict and each outcome was given."""
        with self._reading() as connection:
            counts: dict[str, int] = {}
            for column in (tables.feedback.c.verdict, tables.feedback.c.outcome):
                given = sa.select(column, sa.func.count()).where(column.is_not(None)).group_by(column)
                counts |= {str(word): int(count) for word, count in connection.execute(given)}
        return counts

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _sinks_of(self, topic: str) -> list[str]:
        return [sink for sink, topics in self._topics.items() if topics is None or topic in topics]

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Connection]:
        """Run a transaction that writes; commits at the end of the block, rolls back on any error."""
        with (
            self._write_lock,
            self._sentences(),
            self._engine.connect() as connection,
            connection.execution_options(voicepipe_writes=True).begin(),
        ):
            yield connection

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._sentences(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def _sentences(self) -> Iterator[None]:
        """Turn the database's errors into sentences."""
        try:
            yield
        except (sa.exc.DataError, sa.exc.IntegrityError) as error:
            raise RecordError(_sentence_of(error, self._place)) from error
        except sa.exc.SQLAlchemyError as error:
            raise StoreError(_sentence_of(error, self._place)) from error


def _record_event(connection: Connection, event: CallEvent) -> None:
    """Write one call event to the table of its kind."""
    match event:
        case CallStarted(call=call):
            started: dict[str, object] = {
                "call_id": call.call_id,
                "started_at": text_of(call.started_at),
                "gateway": call.gateway,
                "roles": call.roles.value,
                "queue": call.queue,
                "agent_id": call.agent_id,
                "consent": call.consent,
                "language": call.language,
            }
            connection.execute(outbox.insert(connection, tables.calls).values(**started).on_conflict_do_nothing())
        case ScoredUtterance():
            utterance = outbox.insert(connection, tables.utterances).values(**_utterance_values(event))
            connection.execute(utterance.on_conflict_do_nothing())
        case Episode():
            values = _episode_values(event)
            episode = outbox.insert(connection, tables.episodes).values(**values)
            keys = [column.name for column in tables.episodes.primary_key]
            connection.execute(episode.on_conflict_do_update(index_elements=keys, set_=values))
        case CallSummary(call=call):
            _record_event(connection, CallStarted(call=call))
            summary = tables.calls.update().where(tables.calls.c.call_id == call.call_id)
            connection.execute(
                summary.values(
                    duration_s=event.duration_s,
                    language=event.language,
                    coverage=event.coverage.ratio,
                    reason=event.reason,
                )
            )


def _utterance_values(utterance: ScoredUtterance) -> dict[str, object]:
    score, transcript = utterance.score, utterance.transcript
    return {
        "call_id": utterance.call_id,
        "channel": utterance.channel.value,
        "index": utterance.index,
        "start_s": utterance.start_s,
        "end_s": utterance.end_s,
        "text": transcript.text.replace("\0", "\ufffd") if transcript else None,  # PostgreSQL has no NUL in texts.
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


def _record_feedback(connection: Connection, feedback: Feedback) -> str | None:
    """Keep one feedback; returns why not where the event it answers is not known."""
    events = tables.events
    key = connection.execute(sa.select(events.c.key).where(events.c.event_id == str(feedback.event_id))).scalar()
    if key is None:
        return "it answers an event that this store does not know"
    if key != feedback.call_id:
        return "its call is not the call of the event it answers"
    values = feedback.model_dump(mode="python") | {
        "feedback_id": str(feedback.feedback_id),
        "event_id": str(feedback.event_id),
        "given_at": text_of(feedback.given_at),
    }
    connection.execute(outbox.insert(connection, tables.feedback).values(**values).on_conflict_do_nothing())
    return None


def _url_of(url: str | Path) -> URL:
    """Return the database URL of a path or URL; PostgreSQL gets the psycopg 3 driver."""
    if isinstance(url, Path) or "://" not in url:
        return URL.create("sqlite", database=str(url))
    try:
        target = make_url(url)
    except sa.exc.ArgumentError as error:
        raise StoreError(
            "The store's address cannot be read; write a path, sqlite:///path or postgresql://user:password@host/database."
        ) from error
    if target.drivername in {"postgres", "postgresql"}:
        return target.set(drivername="postgresql+psycopg")
    if target.get_backend_name() not in {"sqlite", "postgresql"}:
        raise StoreError(f"The store cannot be a {target.get_backend_name()} database; use SQLite or PostgreSQL.")
    return target


def _engine_of(target: URL, place: str) -> Engine:
    if target.get_backend_name() == "postgresql":
        try:
            return sa.create_engine(target, pool_pre_ping=True, connect_args={"connect_timeout": 10})
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
    """Begin as a writer where the block writes: a reader that turns writer fails where a writer would wait."""
    writes = connection.get_execution_options().get("voicepipe_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _sentence_of(error: sa.exc.SQLAlchemyError, place: str) -> str:
    cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    if "not a database" in cause:
        return f"{place} is not a voicepipe store; give another file, or move it away and start again."
    if "is full" in cause or "No space left" in cause:
        return f"The disk of the store {place} is full; make room, nothing was written."
    if "unable to open" in cause or "readonly" in cause:
        return f"The store {place} cannot be written; check that its folder exists and who owns it."
    if "locked" in cause:
        return f"The store {place} is locked by another program for more than {_BUSY_TIMEOUT_S:.0f} s; close that one."
    if "connection" in cause and place.startswith("postgresql"):
        return f"The store {place} cannot be reached ({cause}); check the address and that PostgreSQL runs."
    return f"The store {place} failed: {cause}."

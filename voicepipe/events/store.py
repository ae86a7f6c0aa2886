"""The store: what is known of every call, and the outbox of events that must leave, in one database.

A decision and its outgoing events are written in one transaction, so neither exists without the other. SQLite is the
embedded default; PostgreSQL, by URL, is for several nodes that share one outbox.

SQLite runs in WAL mode with ``synchronous=FULL``: each commit is on the disk before `Store.record` returns. With
``NORMAL`` the last commits before a power cut would be lost (https://www.sqlite.org/pragma.html#pragma_synchronous).
"""

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from voicepipe.events import alert_log, audit, erasure, handling, outbox, sessions, tables
from voicepipe.events.alert_log import Alert, Mark
from voicepipe.events.audit import AuditEntry
from voicepipe.events.database import engine_of, sentence_of, url_of
from voicepipe.events.erasure import Erased, tombstones_of
from voicepipe.events.feedback import Feedback, InboundFeedback, Verdict, feedback_message
from voicepipe.events.handling import Handling, UnknownAlertError
from voicepipe.events.migrations import bring_up_to_date
from voicepipe.events.outbox import Claim, OutboxDepth, OutboxRow
from voicepipe.events.rows import record_event, record_feedback
from voicepipe.events.sessions import SessionRow
from voicepipe.events.tables import PENDING, REFUSED, text_of
from voicepipe.ports import OutboundMessage
from voicepipe.types import (
    CallEvent,
    CallStarted,
    ConsentApplied,
    Erasure,
    StoreError,
)

P = ParamSpec("P")
T = TypeVar("T")

Clock = Callable[[], datetime]
"""Returns the present time, timezone-aware UTC."""

Sinks = Collection[str] | Mapping[str, Collection[str]]
"""Names of sinks, or with each the topics it gets."""

_CONSOLE = "/voicepipe/console"
"""CloudEvents source of what people answer in the console."""

_PURGE_BATCH = 200
"""Calls that are deleted in one transaction: small, so that the calls that run are written down in between."""

_PATIENCE_S = 2.0
"""For readers while the write-ahead log is emptied: nothing else is written meanwhile."""


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

    def __init__(
        self, engine: Engine, *, place: str, sinks: Sinks, clock: Clock, keep_audit: timedelta | None = None
    ) -> None:
        self._engine = engine
        self._place = place
        self._topics = {sink: sinks[sink] if isinstance(sinks, Mapping) else None for sink in sinks}
        self._clock = clock
        self._keep_audit = keep_audit
        self._is_sqlite = engine.dialect.name == "sqlite"
        # SQLite has one writer at a time; threads that queue here wait in order instead of polling the file's lock.
        self._write_lock: contextlib.AbstractContextManager[Any] = (
            threading.Lock() if self._is_sqlite else contextlib.nullcontext()
        )
        self._watchers: list[Callable[[], None]] = []

    @classmethod
    def open(cls, url: str | Path, *, sinks: Sinks, clock: Clock, keep_audit: timedelta | None = None) -> Self:
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
        keep_audit : timedelta, optional
            How long the lines of the audit log written from now on must stay; for ever where not given.

        Raises
        ------
        StoreError
            If the place cannot be written, is no store, or holds a newer one.
        """
        target = url_of(url)
        place = target.database or "" if target.get_backend_name() == "sqlite" else target.render_as_string()
        with (
            cls(engine_of(target, place, patient=True), place=place, sinks=sinks, clock=clock) as migrating,
            migrating._writing() as connection,
        ):
            bring_up_to_date(connection, place=place)
        return cls(engine_of(target, place), place=place, sinks=sinks, clock=clock, keep_audit=keep_audit)

    def record(self, call_events: Sequence[CallEvent], messages: Sequence[OutboundMessage]) -> None:
        """Write call events and the messages they cause in one transaction.

        A message whose id is known is left as it is, so replaying a call duplicates nothing. A consent that was taken
        back erases in the same transaction what it erases.

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
            erased: list[OutboundMessage] = []
            for event in call_events:
                if isinstance(event, ConsentApplied):
                    erased += self._apply_consent(connection, event)
                else:
                    record_event(connection, event)
            fresh = self._put(connection, [*erased, *messages])
        if any(isinstance(event, ConsentApplied) and event.erases is not Erasure.NOTHING for event in call_events):
            with contextlib.suppress(StoreError):  # All is written; retention empties the log next time.
                self.forget_pages()
        if fresh:
            self._wake()

    def try_writing(self) -> None:
        """Write a row as it is: an empty transaction succeeds on a full disk and in a read-only database, too.

        Raises
        ------
        StoreError
            Then nothing can be written.
        """
        with self._writing() as connection:
            connection.execute(tables.schema_version.update().values(version=tables.schema_version.c.version))

    def ask(self, question: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Put one of the questions of `voicepipe.events.inquiries` and return the answer.

        Parameters
        ----------
        question : callable
            Takes a connection that reads, then the other arguments.
        *args, **kwargs
            Its arguments.

        Raises
        ------
        StoreError
        """
        with self._reading() as connection:
            return question(connection, *args, **kwargs)

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
        self._wake()
        return int(revived)

    def purge(
        self,
        *,
        call_id: str | None = None,
        caller_id: str | None = None,
        older_than: datetime | None = None,
        actor: str,
        reason: str,
        dry_run: bool = False,
    ) -> Erased:
        """Remove every trace of a call, of all calls of a caller, or of all calls that began before a time.

        Events that waited to leave never will; tombstones go to every sink instead, as events of these calls may have
        left long ago, and to those that the kept ones went to, configured or not. Each transaction notes in the audit
        log what it removed. Where a call still goes on, what it tells later is kept again; should its end never be
        told, retention removes that, too, by the age of the tombstones, or at once where no sink got any.

        Parameters
        ----------
        call_id : str, optional
        caller_id : str, optional
            As `voicepipe.consent.caller_id_of` gives it.
        older_than : datetime, optional
            Timezone-aware.
        actor, reason : str
            Who deletes, and why, for the audit log.
        dry_run : bool
            Change nothing, only tell what would be removed.

        Returns
        -------
        Erased

        Raises
        ------
        ValueError
            If not exactly one of the three is given.
        StoreError
        """
        if [call_id, caller_id, older_than].count(None) != 2:
            raise ValueError("give exactly one of call_id, caller_id and older_than")
        call_ids = [call_id] if call_id is not None else list(self.calls_of(caller_id=caller_id, older_than=older_than))
        subject = f"call {call_id}" if call_id is not None else f"caller {caller_id}"
        if older_than is not None:
            subject = f"calls before {text_of(older_than)}"
        total = Erased()
        for first in range(0, len(call_ids), _PURGE_BATCH):
            some = call_ids[first : first + _PURGE_BATCH]
            with contextlib.suppress(_DryRunError), self._writing() as connection:
                told = outbox.sinks_of(connection, some)
                erased = erasure.erase(connection, some, erasure=Erasure.EVERYTHING)
                now = self._clock()
                for grave in (one for key in some for one in tombstones_of(key, erasure=Erasure.EVERYTHING, at=now)):
                    sinks = {*self._sinks_of(grave.topic), *told.get((grave.key, grave.topic), ())}
                    if sinks:
                        outbox.put(connection, grave, sinks=sorted(sinks), now=now)
                        erased += Erased(tombstones=1)
                total += erased
                if dry_run:
                    raise _DryRunError
                self._note(
                    connection, actor=actor, action="purge", subject=subject, reason=reason, details=erased.counts()
                )
        if not dry_run:
            self.forget_pages()
            self._wake()
        return total

    def calls_of(self, *, caller_id: str | None = None, older_than: datetime | None = None) -> tuple[str, ...]:
        """Return the ids of the calls of a caller, or of those that began before a time, oldest first."""
        calls = tables.calls
        query = sa.select(calls.c.call_id).order_by(calls.c.started_at)
        if caller_id is not None:
            query = query.where(calls.c.caller_id == caller_id)
        if older_than is not None:
            query = query.where(calls.c.started_at < text_of(older_than))
        with self._reading() as connection:
            return tuple(connection.execute(query).scalars())

    def calls_begun(self, *, since: datetime, limit: int) -> tuple[str, ...]:
        """Return the ids of the newest calls that began at or after a time, oldest first, `limit` at most."""
        calls = tables.calls
        query = sa.select(calls.c.call_id).where(calls.c.started_at >= text_of(since))
        with self._reading() as connection:
            newest = connection.execute(query.order_by(calls.c.started_at.desc()).limit(limit)).scalars()
            return tuple(newest)[::-1]

    def expire(self, kind: str, *, before: datetime, limit: int = _PURGE_BATCH) -> int:
        """Remove a batch of what has been kept long enough, in one short transaction; returns how much, 0 at the end.

        What one of this store's sinks still has to get stays until it has it; what waits for a sink that is no longer
        among them goes.

        Parameters
        ----------
        kind : str
            ``transcripts``, ``acoustics``, ``events``, ``calls``, or ``audit``.
        before : datetime
            Of the call's start, the event, or the audit line's own last day.
        limit : int
            Largest number of calls, or of rows, at a time.
        """
        with self._writing() as connection:
            if kind == "audit":
                gone = audit.expire(connection, now=before, limit=limit)
                details = {"audit": gone}
            else:
                waiting = {"sinks": tuple(self._topics)} if kind in {"events", "calls"} else {}
                details = _EXPIRE[kind](connection, before=before, limit=limit, **waiting).counts()
                gone = sum(details.values())
            if gone:
                subject = f"{kind} before {text_of(before)}"
                self._note(
                    connection,
                    actor="retention",
                    action="expire",
                    subject=subject,
                    reason="[retention]",
                    details=details,
                )
        return gone

    def forget_pages(self) -> None:
        """Empty SQLite's write-ahead log, where deleted rows stand until a checkpoint; a busy reader puts it off.

        Raises
        ------
        StoreError
        """
        if self._is_sqlite:
            try:
                with self._write_lock, contextlib.closing(sqlite3.connect(self._place, timeout=_PATIENCE_S)) as own:
                    own.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.Error as error:
                raise StoreError(sentence_of(error, self._place)) from error

    def audit(self, *, limit: int = 100, before: int | None = None) -> tuple[AuditEntry, ...]:
        """Return the latest lines of the audit log, newest first; `before` is the id of a line seen already."""
        with self._reading() as connection:
            return audit.latest(connection, limit=limit, before=before)

    def note_act(
        self, *, actor: str, action: str, subject: str, reason: str = "", details: Mapping[str, str | int] | None = None
    ) -> None:
        """Add a line to the audit log: what a person did.

        Parameters
        ----------
        actor : str
            Who.
        action : str
            In one word, such as ``sign_in``.
        subject : str
            To what, as in `AuditEntry`.
        reason : str
            Why, in the person's words.
        details : mapping of str to str or int, optional

        Raises
        ------
        StoreError
        """
        with self._writing() as connection:
            self._note(connection, actor=actor, action=action, subject=subject, reason=reason, details=details or {})

    def begin_session(self, row: SessionRow, *, forget_before: datetime) -> None:
        """Write down that a person signed in to the console; sessions opened before a time are deleted."""
        with self._writing() as connection:
            sessions.begin(connection, row, forget_before=forget_before)

    def session(self, digest: str) -> SessionRow | None:
        """Return a session of the console; None where there is none."""
        with self._reading() as connection:
            return sessions.find(connection, digest)

    def touch_session(self, digest: str) -> None:
        """Note that a session of the console is used now."""
        with self._writing() as connection:
            sessions.touch(connection, digest, now=self._clock())

    def end_session(self, digest: str) -> None:
        """Delete a session of the console."""
        with self._writing() as connection:
            sessions.end(connection, digest)

    def record_feedback(self, inbound: Sequence[InboundFeedback]) -> None:
        """Keep feedback with the episode it answers; what is malformed or answers nothing known is a dead letter.

        A dead letter of an answer has no note: its call may have been erased while the answer was on its way, and a
        purge would not find it. Recording the same records again changes nothing.
        """
        with self._writing() as connection:
            for record in inbound:
                reason, body = record.reason, record.body
                if record.feedback is not None:
                    reason = record_feedback(connection, record.feedback)
                    body = record.feedback.model_copy(update={"note": None}).model_dump_json(exclude_none=True).encode()
                if reason is not None:
                    letter = outbox.insert(connection, tables.dead_letters).values(
                        origin="feedback",
                        event_id=str(record.feedback.event_id) if record.feedback else None,
                        topic=record.topic,
                        reason=reason,
                        body=body,
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

    def alerts(
        self,
        *,
        call_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        queues: Collection[str] | None = None,
        before: Alert | None = None,
        limit: int = 100,
    ) -> tuple[Alert, ...]:
        """Return alerts with what became of them, newest first; see `voicepipe.events.alert_log.read`."""
        with self._reading() as connection:
            return alert_log.read(
                connection, call_id=call_id, since=since, until=until, queues=queues, before=before, limit=limit
            )

    def inbox(self, *, since: datetime, limit: int) -> tuple[Alert, ...]:
        """Return the alerts that people wait for; see `voicepipe.events.alert_log.inbox`."""
        with self._reading() as connection:
            return alert_log.inbox(connection, since=since, limit=limit)

    def alert(self, event_id: str) -> Alert | None:
        """Return one alert; None if there is no such."""
        with self._reading() as connection:
            return next(iter(alert_log.read(connection, event_id=event_id, limit=1)), None)

    def alerts_mark(self, *, since: datetime) -> Mark:
        """Return what changes with every change to the alerts since a time and to what was said of them."""
        with self._reading() as connection:
            return alert_log.mark(connection, since=since)

    def take_alert(self, event_id: str, *, by: str) -> Handling:
        """Let somebody take care of the caller, unless somebody else does already.

        Who takes it, the answer to the topic of feedback and the line of the audit log are one transaction.

        Parameters
        ----------
        event_id : str
        by : str
            Who; at most 200 characters.

        Returns
        -------
        Handling
            `won` says whether it is theirs; otherwise `by` and `at` say whose it is, and since when.

        Raises
        ------
        UnknownAlertError
        StoreError
        """
        with self._handled(event_id) as (connection, call_id, now):
            taken, changed = handling.claim(connection, event_id=event_id, call_id=call_id, kind="take", by=by, at=now)
            if changed:
                self._answer(connection, "take", event_id=event_id, call_id=call_id, by=by, at=now, outcome="taken")
        return taken

    def release_alert(self, event_id: str, *, by: str, anybodys: bool = False) -> Handling:
        """Let somebody give back an alert that they took, so that others take care of the caller.

        Parameters
        ----------
        event_id : str
        by : str
            Who; at most 200 characters.
        anybodys : bool
            Give it back whoever took it.

        Returns
        -------
        Handling
            `won` says whether nobody holds it now; otherwise `by` and `at` say who does, and since when.

        Raises
        ------
        UnknownAlertError
        StoreError
        """
        with self._handled(event_id) as (connection, call_id, now):
            given, changed = handling.release(connection, event_id=event_id, by=by, at=now, anybodys=anybodys)
            if changed:
                self._answer(
                    connection, "release", event_id=event_id, call_id=call_id, by=by, at=now, outcome="released"
                )
        return given

    def judge_alert(self, event_id: str, *, verdict: Verdict, by: str, note: str | None = None) -> Handling:
        """Let somebody judge an alert, unless somebody else did; who did may change the verdict.

        Parameters
        ----------
        event_id : str
        verdict : str
        by : str
            Who; at most 200 characters.
        note : str, optional
            Goes with the verdict, and nowhere if that did not count; at most 4000 characters.

        Returns
        -------
        Handling
            As `take_alert` returns it; `value` is the verdict that holds.

        Raises
        ------
        UnknownAlertError
        StoreError
        """
        with self._handled(event_id) as (connection, call_id, now):
            judged, changed = handling.claim(
                connection, event_id=event_id, call_id=call_id, kind="verdict", by=by, at=now, value=verdict
            )
            if changed:
                self._answer(
                    connection, "verdict", event_id=event_id, call_id=call_id, by=by, at=now, verdict=verdict, note=note
                )
        return judged

    def note_alert(self, event_id: str, *, note: str, by: str) -> Feedback:
        """Add a note to an alert.

        Parameters
        ----------
        event_id : str
        note : str
            At most 4000 characters, not blank.
        by : str
            Who; at most 200 characters.

        Raises
        ------
        ValueError
            If the note is blank or too long.
        UnknownAlertError
        StoreError
        """
        with self._handled(event_id) as (connection, call_id, now):
            return self._answer(connection, "note", event_id=event_id, call_id=call_id, by=by, at=now, note=note)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _apply_consent(self, connection: Connection, event: ConsentApplied) -> Sequence[OutboundMessage]:
        """Note a change of consent, erase what it erases, and return the tombstones of that."""
        call = event.call
        erased = erasure.erase(connection, [call.call_id], erasure=event.erases)
        record_event(connection, CallStarted(call=call))
        changed = tables.calls.update().where(tables.calls.c.call_id == call.call_id)
        connection.execute(changed.values(consent=call.consent, basis=call.basis))
        details: dict[str, str | int] = {
            "basis": str(call.basis),
            "scope": str(event.scope),
            "erases": str(event.erases),
            **erased.counts(),
        }
        self._note(
            connection,
            actor="caller",
            action="consent",
            subject=f"call {call.call_id}",
            reason=call.consent or "",
            details=details,
        )
        return tombstones_of(call.call_id, erasure=event.erases, at=self._clock())

    @contextlib.contextmanager
    def _handled(self, event_id: str) -> Iterator[tuple[Connection, str, datetime]]:
        """Write what somebody does with an alert; yields the transaction, the alert's call and the time."""
        with self._writing() as connection:
            call_id = alert_log.call_of(connection, event_id)
            if call_id is None:
                raise UnknownAlertError(f"There is no alert {event_id}, or not any more.")
            yield connection, call_id, self._clock()
        self._wake()

    def _answer(
        self, connection: Connection, action: str, *, event_id: str, call_id: str, by: str, at: datetime, **said: Any
    ) -> Feedback:
        """Keep what somebody said of an alert, send it, and note who did so; the note itself is no line of the log."""
        feedback = Feedback(
            feedback_id=uuid4(), event_id=UUID(event_id), call_id=call_id, given_by=by, given_at=at, **said
        )
        record_feedback(connection, feedback)
        self._put(connection, [feedback_message(feedback, source=_CONSOLE)])
        details = {"call": call_id} | ({"verdict": feedback.verdict} if feedback.verdict else {})
        self._note(connection, actor=by, action=action, subject=f"alert {event_id}", reason="", details=details)
        return feedback

    def _note(
        self,
        connection: Connection,
        *,
        actor: str,
        action: str,
        subject: str,
        reason: str,
        details: Mapping[str, str | int],
    ) -> None:
        audit.note(
            connection,
            at=self._clock(),
            actor=actor,
            action=action,
            subject=subject,
            reason=reason,
            details=details,
            keep=self._keep_audit,
        )

    def _put(self, connection: Connection, messages: Sequence[OutboundMessage]) -> bool:
        """Put messages in the outbox; whether any was new."""
        now = self._clock()
        fresh = [one for one in messages if outbox.put(connection, one, sinks=self._sinks_of(one.topic), now=now)]
        for one in fresh:
            alert_log.record_alert(connection, one)
        return bool(fresh)

    def _wake(self) -> None:
        for wake in self._watchers:
            wake()

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
            raise RecordError(sentence_of(error, self._place)) from error
        except sa.exc.SQLAlchemyError as error:
            raise StoreError(sentence_of(error, self._place)) from error


class _DryRunError(Exception):
    """Rolls a transaction back whose outcome was only to be known."""


_EXPIRE: Mapping[str, Callable[..., Erased]] = {
    "transcripts": erasure.expire_transcripts,
    "acoustics": erasure.expire_acoustics,
    "events": erasure.expire_events,
    "calls": erasure.expire_calls,
}

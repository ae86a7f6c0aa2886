"""The audit log: who changed or deleted what, when and why; rows are added and read, never changed.

The tables' own triggers refuse UPDATE, and DELETE before the day that a row was given when it was written. They guard
against this program and its users; who owns the database's files or its administrator's role can still do as he likes,
so ship the rows elsewhere where that matters.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from voicepipe.events import tables
from voicepipe.events.tables import text_of


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One line of the audit log.

    Attributes
    ----------
    id : int
        Order of writing.
    at : datetime
        UTC.
    actor : str
        Who: a user of the machine, a person of the console, ``caller``, or ``retention`` for the job.
    action : str
        ``consent``, ``purge``, ``expire``, or what a person did on the console: ``sign_in``, ``see_call``, ``take``...
    subject : str
        Whose data: ``call ID``, ``alert ID``, ``caller PSEUDONYM``, ``calls before TIME`` or ``console``.
    reason : str
        Why, in the words that were given.
    details : mapping of str to str or int
        How many of what; for a consent what holds from then on.
    """

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    reason: str
    details: Mapping[str, str | int]


def note(
    connection: Connection,
    *,
    at: datetime,
    actor: str,
    action: str,
    subject: str,
    reason: str,
    details: Mapping[str, str | int],
    keep: timedelta | None,
) -> None:
    """Add a line; `keep` says how long it must stay, None for ever."""
    connection.execute(
        tables.audit.insert().values(
            at=text_of(at),
            actor=actor,
            action=action,
            subject=subject,
            reason=reason,
            details=json.dumps(dict(details)),
            keep_until=None if keep is None else text_of(at + keep),
        )
    )


def latest(connection: Connection, *, limit: int, before: int | None = None) -> tuple[AuditEntry, ...]:
    """Return the latest lines, newest first; where `before` is given, those written before the line of that id."""
    table = tables.audit
    query = sa.select(table).order_by(table.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(table.c.id < before)
    rows = connection.execute(query).mappings()
    return tuple(
        AuditEntry(
            id=row["id"],
            at=datetime.fromisoformat(row["at"]),
            actor=row["actor"],
            action=row["action"],
            subject=row["subject"],
            reason=row["reason"],
            details=json.loads(row["details"]),
        )
        for row in rows
    )


def expire(connection: Connection, *, now: datetime, limit: int) -> int:
    """Delete the oldest lines whose day has come; return how many."""
    table = tables.audit
    due = sa.select(table.c.id).where(table.c.keep_until < text_of(now)).order_by(table.c.id).limit(limit)
    ids = list(connection.execute(due).scalars())
    if ids:
        connection.execute(table.delete().where(table.c.id.in_(ids)))
    return len(ids)

"""Who is signed in to the console, as rows of the store: so that they stay so when the service starts again."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from voicepipe.events import tables
from voicepipe.events.tables import text_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """One browser that is signed in.

    Attributes
    ----------
    digest : str
        Of the secret that the browser holds.
    person : str
        Name of who signed in.
    credential : str
        What ties it to the token that it was opened with: with another token of the person it is void.
    created_at, seen_at : datetime
        UTC: when it was opened, and when it was last used, to the minute.
    """

    digest: str
    person: str
    credential: str
    created_at: datetime
    seen_at: datetime


def begin(connection: Connection, row: SessionRow, *, forget_before: datetime) -> None:
    """Write a session, and delete those that were opened before a time."""
    table = tables.console_sessions
    connection.execute(table.delete().where(table.c.created_at < text_of(forget_before)))
    connection.execute(
        table.insert().values(
            digest=row.digest,
            person=row.person,
            credential=row.credential,
            created_at=text_of(row.created_at),
            seen_at=text_of(row.seen_at),
        )
    )


def find(connection: Connection, digest: str) -> SessionRow | None:
    """Return the session of a digest; None where there is none."""
    table = tables.console_sessions
    row = connection.execute(sa.select(table).where(table.c.digest == digest)).mappings().one_or_none()
    if row is None:
        return None
    times = {name: datetime.fromisoformat(row[name]) for name in ("created_at", "seen_at")}
    return SessionRow(digest=digest, person=row["person"], credential=row["credential"], **times)


def touch(connection: Connection, digest: str, *, now: datetime) -> None:
    """Note that a session is used."""
    table = tables.console_sessions
    connection.execute(table.update().where(table.c.digest == digest).values(seen_at=text_of(now)))


def end(connection: Connection, digest: str) -> None:
    """Delete a session."""
    table = tables.console_sessions
    connection.execute(table.delete().where(table.c.digest == digest))

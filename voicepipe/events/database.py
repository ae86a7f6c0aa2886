"""How the store's database is reached, SQLite or PostgreSQL, and what its errors mean."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url

from voicepipe.types import StoreError

_BUSY_TIMEOUT_S = 30.0


def url_of(url: str | Path) -> URL:
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


def engine_of(target: URL, place: str, *, patient: bool = False) -> Engine:
    """Return the engine of a database; SQLite is made durable, and its folder if need be.

    Parameters
    ----------
    target : URL
        From `url_of`.
    place : str
        The database as it may be shown; a path for SQLite.
    patient : bool
        Give PostgreSQL as long for each statement as it wants, as a migration may.

    Raises
    ------
    StoreError
        If the driver of PostgreSQL or the folder is missing.
    """
    if target.get_backend_name() == "postgresql":
        try:
            from voicepipe.events import postgres
        except ModuleNotFoundError as error:
            raise StoreError(
                "PostgreSQL needs its driver; install it with: pip install 'voicepipe[postgres]'."
            ) from error
        given = {name: value for name, value in postgres.CONNECT_ARGS.items() if name not in target.query}
        engine = sa.create_engine(target, pool_pre_ping=True, connect_args=given)
        if not patient:
            sa.event.listen(engine, "do_connect", postgres.connect)
        return engine
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
    # secure_delete writes zeros over what is deleted: https://www.sqlite.org/pragma.html#pragma_secure_delete
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """Begin as a writer where the block writes: a reader that turns writer fails where a writer would wait."""
    writes = connection.get_execution_options().get("voicepipe_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def sentence_of(error: Exception, place: str) -> str:
    """Say in one sentence what went wrong with the database, and what to do."""
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

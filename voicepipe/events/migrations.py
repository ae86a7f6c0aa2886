"""Brings the tables of a store up to the version that this program knows."""

from collections.abc import Callable, Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from voicepipe.events import tables
from voicepipe.events.alert_log import record_alerts_of_old
from voicepipe.events.feedback import Feedback
from voicepipe.events.handling import heed
from voicepipe.types import StoreError

_LOCK = 7_605_893_201_447
"""PostgreSQL advisory lock of the migration: of several nodes that start at once, one does it and the others wait."""


def bring_up_to_date(connection: Connection, *, place: str) -> None:
    """Create the tables, or migrate older ones, within the caller's transaction.

    Parameters
    ----------
    connection : Connection
        In a transaction that writes.
    place : str
        How messages call the store.

    Raises
    ------
    StoreError
        If the database is another program's, or of a newer voicepipe.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    known = set(sa.inspect(connection).get_table_names())
    if tables.schema_version.name not in known:
        if known & set(tables.metadata.tables) or (known and connection.dialect.name == "sqlite"):
            raise StoreError(f"{place} is a database of another program; give voicepipe one of its own.")
        tables.metadata.create_all(connection)
        connection.execute(tables.schema_version.insert().values(version=tables.SCHEMA_VERSION))
        return
    version = connection.execute(sa.select(sa.func.max(tables.schema_version.c.version))).scalar() or 0
    if version > tables.SCHEMA_VERSION:
        raise StoreError(
            f"The store {place} was written by a newer voicepipe (its tables have version {version}, "
            f"this program knows {tables.SCHEMA_VERSION}); update voicepipe or choose another store."
        )
    for step in range(version, tables.SCHEMA_VERSION):
        _STEPS[step](connection)
    connection.execute(tables.schema_version.update().values(version=tables.SCHEMA_VERSION))


def _from_1(connection: Connection) -> None:
    """Feedback comes in; a dead letter says where it was found, so that one read twice is kept once."""
    tables.feedback.create(connection)
    connection.exec_driver_sql("ALTER TABLE dead_letters ADD COLUMN place TEXT")
    connection.exec_driver_sql("CREATE UNIQUE INDEX dead_letters_place ON dead_letters (origin, place)")


def _from_2(connection: Connection) -> None:
    """Name basis and caller of a call, requests and frustration of an utterance; note who deletes."""
    connection.exec_driver_sql("ALTER TABLE calls ADD COLUMN basis TEXT")
    connection.exec_driver_sql("ALTER TABLE calls ADD COLUMN caller_id TEXT")
    connection.exec_driver_sql("CREATE INDEX ix_calls_caller_id ON calls (caller_id)")
    connection.exec_driver_sql("ALTER TABLE utterances ADD COLUMN human_request TEXT")
    connection.exec_driver_sql("ALTER TABLE utterances ADD COLUMN frustrated_prob FLOAT")
    tables.audit.create(connection)
    _let_episodes_be_of_words_alone(connection)


def _let_episodes_be_of_words_alone(connection: Connection) -> None:
    """Allow an episode without scores of the voice; SQLite cannot alter a column, so the table is made anew there."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("ALTER TABLE episodes ALTER COLUMN peak DROP NOT NULL")
        connection.exec_driver_sql("ALTER TABLE episodes ALTER COLUMN mean DROP NOT NULL")
        return
    connection.exec_driver_sql("ALTER TABLE episodes RENAME TO episodes_before")
    tables.episodes.create(connection)
    names = ", ".join(f'"{column.name}"' for column in tables.episodes.columns)
    connection.exec_driver_sql(f"INSERT INTO episodes ({names}) SELECT {names} FROM episodes_before")  # noqa: S608
    connection.exec_driver_sql("DROP TABLE episodes_before")


def _from_3(connection: Connection) -> None:
    """Let people work with alerts: who took one, who judged it; and keep what the quality of alerts is told by."""
    connection.exec_driver_sql("ALTER TABLE calls ADD COLUMN channels TEXT")
    connection.exec_driver_sql("ALTER TABLE utterances ADD COLUMN speech_s FLOAT")
    connection.exec_driver_sql("ALTER TABLE utterances ADD COLUMN calm_kind TEXT")
    connection.exec_driver_sql("ALTER TABLE utterances ADD COLUMN model_id TEXT")
    connection.exec_driver_sql("CREATE INDEX events_topic ON events (topic, recorded_at, seq)")
    tables.alerts.create(connection)
    tables.handling.create(connection)
    tables.console_sessions.create(connection)
    record_alerts_of_old(connection)
    feedback, alerts = tables.feedback, tables.alerts
    kept = sa.select(feedback).join(alerts, alerts.c.event_id == feedback.c.event_id)
    for row in connection.execute(kept.order_by(feedback.c.given_at, feedback.c.feedback_id)).mappings().all():
        heed(connection, Feedback.model_validate(dict(row)))


_STEPS: Mapping[int, Callable[[Connection], None]] = {1: _from_1, 2: _from_2, 3: _from_3}
"""What leads from each version to the next."""

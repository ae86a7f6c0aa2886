"""The tables of the store, the same on SQLite and PostgreSQL.

Times are text, RFC 3339 in UTC with microseconds, so that they sort and read alike in both.
"""

from datetime import UTC, datetime

import sqlalchemy as sa

SCHEMA_VERSION = 2
"""Version of the tables; an older store is migrated when it is opened, a newer one is refused."""

PENDING, SENT, REFUSED = "pending", "sent", "refused"
"""States of a row of the outbox."""

metadata = sa.MetaData()

_SEQ = sa.BigInteger().with_variant(sa.Integer, "sqlite")

schema_version = sa.Table("schema_version", metadata, sa.Column("version", sa.Integer, primary_key=True))

calls = sa.Table(
    "calls",
    metadata,
    sa.Column("call_id", sa.Text, primary_key=True),
    sa.Column("started_at", sa.Text, nullable=False, index=True),
    sa.Column("gateway", sa.Text, nullable=False),
    sa.Column("roles", sa.Text, nullable=False),
    sa.Column("queue", sa.Text),
    sa.Column("agent_id", sa.Text),
    sa.Column("consent", sa.Text),
    sa.Column("language", sa.Text),
    sa.Column("duration_s", sa.Float),
    sa.Column("coverage", sa.Float),
    sa.Column("reason", sa.Text),
)

utterances = sa.Table(
    "utterances",
    metadata,
    sa.Column("call_id", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("index", sa.Integer, primary_key=True),
    sa.Column("start_s", sa.Float, nullable=False),
    sa.Column("end_s", sa.Float, nullable=False),
    sa.Column("text", sa.Text),
    sa.Column("language", sa.Text),
    sa.Column("stress", sa.Float),
    sa.Column("confidence", sa.Float),
    sa.Column("deviations", sa.Text),
)

episodes = sa.Table(
    "episodes",
    metadata,
    sa.Column("call_id", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("index", sa.Integer, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("opened_s", sa.Float, nullable=False),
    sa.Column("closed_s", sa.Float),
    sa.Column("peak", sa.Float, nullable=False),
    sa.Column("mean", sa.Float, nullable=False),
    sa.Column("reasons", sa.Text, nullable=False),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("seq", _SEQ, primary_key=True, autoincrement=True),
    sa.Column("event_id", sa.Text, nullable=False, unique=True),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False, index=True),
    sa.Column("headers", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("recorded_at", sa.Text, nullable=False, index=True),
    sqlite_autoincrement=True,
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("sink", sa.Text, primary_key=True),
    sa.Column("seq", sa.ForeignKey("events.seq", ondelete="CASCADE"), primary_key=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("settled_at", sa.Text),
)

is_pending = outbox.c.state == sa.literal_column(f"'{PENDING}'")
"""A literal, as a partial index serves no query whose condition is a parameter (SQLite, PostgreSQL's generic plans)."""

sa.Index("outbox_pending", outbox.c.sink, outbox.c.seq, sqlite_where=is_pending, postgresql_where=is_pending)
sa.Index(
    "outbox_pending_key",
    outbox.c.sink,
    outbox.c.key,
    outbox.c.seq,
    sqlite_where=is_pending,
    postgresql_where=is_pending,
)

dead_letters = sa.Table(
    "dead_letters",
    metadata,
    sa.Column("id", _SEQ, primary_key=True, autoincrement=True),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("event_id", sa.Text),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("dead_at", sa.Text, nullable=False, index=True),
    sa.Column("place", sa.Text),
    sqlite_autoincrement=True,
)
sa.Index("dead_letters_place", dead_letters.c.origin, dead_letters.c.place, unique=True)

feedback = sa.Table(
    "feedback",
    metadata,
    sa.Column("feedback_id", sa.Text, primary_key=True),
    sa.Column("event_id", sa.Text, nullable=False, index=True),
    sa.Column("call_id", sa.Text, nullable=False),
    sa.Column("verdict", sa.Text),
    sa.Column("outcome", sa.Text),
    sa.Column("given_by", sa.Text),
    sa.Column("given_at", sa.Text, nullable=False, index=True),
    sa.Column("note", sa.Text),
)


def text_of(time: datetime) -> str:
    """Return a time as the tables keep it."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")

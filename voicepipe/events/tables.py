"""The tables of the store, the same on SQLite and PostgreSQL.

Times are text, RFC 3339 in UTC with microseconds, so that they sort and read alike in both.
"""

from datetime import UTC, datetime

import sqlalchemy as sa

SCHEMA_VERSION = 4
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
    sa.Column("basis", sa.Text),
    sa.Column("caller_id", sa.Text, index=True),
    sa.Column("channels", sa.Text),
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
    sa.Column("human_request", sa.Text),
    sa.Column("frustrated_prob", sa.Float),
    sa.Column("speech_s", sa.Float),
    sa.Column("calm_kind", sa.Text),
    sa.Column("model_id", sa.Text),
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
    sa.Column("peak", sa.Float),
    sa.Column("mean", sa.Float),
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
has_body = events.c.body != b""
"""Whether an event is one, and no tombstone."""

sa.Index("events_topic", events.c.topic, events.c.recorded_at, events.c.seq)

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

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("call_id", sa.Text, nullable=False, index=True),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("episode", sa.Integer, nullable=False),
    sa.Column("queue", sa.Text),
    sa.Column("requested_at", sa.Text, nullable=False, index=True),
    sa.Column("opened_s", sa.Float, nullable=False),
    sa.Column("at_s", sa.Float, nullable=False),
    sa.Column("urgency", sa.Text, nullable=False),
    sa.Column("reasons", sa.Text, nullable=False),
    sa.Column("cleared_at", sa.Text),
    sa.Column("closed_by", sa.Text),
)
"""The reroutes that were requested, one row each, for lists that need not read the events' bodies."""

handling = sa.Table(
    "handling",
    metadata,
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("call_id", sa.Text, nullable=False, index=True),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False, index=True),
    sa.Column("value", sa.Text),
)
"""Who took an alert and who judged it: the key lets one win."""

console_sessions = sa.Table(
    "console_sessions",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("person", sa.Text, nullable=False),
    sa.Column("credential", sa.Text, nullable=False),
    sa.Column("created_at", sa.Text, nullable=False, index=True),
    sa.Column("seen_at", sa.Text, nullable=False),
)
"""Who is signed in to the console: the digest of what the browser holds, never that itself."""

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", _SEQ, primary_key=True, autoincrement=True),
    sa.Column("at", sa.Text, nullable=False, index=True),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("details", sa.Text, nullable=False),
    sa.Column("keep_until", sa.Text, index=True),
    sqlite_autoincrement=True,
)
"""Append-only: the database itself refuses to change a row, and to delete one before its own `keep_until`."""

_APPEND_ONLY = {
    "sqlite": [
        """CREATE TRIGGER audit_update BEFORE UPDATE ON audit
            BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
        # INSERT OR REPLACE deletes without asking the trigger of DELETE.
        """CREATE TRIGGER audit_replace BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
            BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
        """CREATE TRIGGER audit_delete BEFORE DELETE ON audit
            WHEN OLD.keep_until IS NULL OR OLD.keep_until > replace(datetime('now'), ' ', 'T')
            BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
    ],
    "postgresql": [
        """CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF TG_OP = 'DELETE' THEN
                IF OLD.keep_until <= to_char(now() AT TIME ZONE 'utc', 'YYYY-MM-DD"T"HH24:MI:SS') THEN
                    RETURN OLD;
                END IF;
            END IF;
            RAISE EXCEPTION 'the audit log is append-only';
        END $$""",
        "CREATE TRIGGER audit_rows BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
        "CREATE TRIGGER audit_table BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
    ],
}
for _dialect, _statements in _APPEND_ONLY.items():
    for _statement in _statements:
        _ddl: sa.DDL = sa.DDL(_statement)  # type: ignore[no-untyped-call]
        sa.event.listen(audit, "after_create", _ddl.execute_if(dialect=_dialect))


def text_of(time: datetime) -> str:
    """Return a time as the tables keep it."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")

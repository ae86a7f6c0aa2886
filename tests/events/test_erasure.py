"""What is deleted is gone, who deleted it is noted, and nobody can change the note."""

import json
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.events.calls import STARTED_AT, make_call, make_episode, make_messages, make_summary, make_utterance
from tests.fakes import FakeDelivery
from voicepipe.events import tables
from voicepipe.events.config import KafkaConfig
from voicepipe.events.contract import TOPICS
from voicepipe.events.erasure import TOMBSTONE_TYPE, Erased
from voicepipe.events.feedback import FEEDBACK_TOPIC
from voicepipe.events.kafka import KafkaReader, KafkaSink
from voicepipe.events.store import Store
from voicepipe.events.webhook import structured
from voicepipe.types import (
    Basis,
    CallStarted,
    ClosedBy,
    ConsentApplied,
    EpisodeState,
    Erasure,
    Scope,
    StoreError,
)

NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
SAID = "I have told you this three times"


def open_store(path: Path | str, *sinks: str, keep_audit: timedelta | None = None) -> Store:
    return Store.open(path, sinks=sinks or ("kafka",), clock=lambda: NOW, keep_audit=keep_audit)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    with open_store(store_url) as opened:
        yield opened


def keep(store: Store, call_id: str, *, sent: int = 4, caller_id: str | None = None) -> None:
    """Record a whole call, of whose four events some have left."""
    call = replace(make_call(call_id), caller_id=caller_id)
    store.record(
        [
            CallStarted(call=call),
            make_utterance(0, call_id=call_id),
            make_episode(call_id=call_id),
            replace(make_summary(call_id), call=call),
        ],
        make_messages(call_id),
    )
    if sent:
        with store.claim("kafka", limit=sent) as claim:
            for row in claim.rows:
                claim.settle(row, FakeDelivery())


def left_of(store: Store, call_id: str) -> dict[str, int]:
    """Count what each table still has of a call."""
    counts = {}
    with store._reading() as connection:
        for table in (
            tables.calls,
            tables.utterances,
            tables.episodes,
            tables.alerts,
            tables.handling,
            tables.feedback,
            tables.events,
            tables.outbox,
        ):
            key = table.c.key if "key" in table.c else table.c.call_id
            query = sa.select(sa.func.count()).select_from(table).where(key == call_id)
            counts[table.name] = connection.execute(query).scalar_one()
    return {name: count for name, count in counts.items() if count}


def written(folder: Path) -> bytes:
    """Return all that stands in the files of a store."""
    return b"".join(path.read_bytes() for path in folder.iterdir())


def withdrawal(call_id: str, erases: Erasure, *, scope: Scope = Scope.TRANSCRIPT_ONLY) -> ConsentApplied:
    call = replace(make_call(call_id), consent="withdrawn", basis=Basis.WITHDRAWN)
    return ConsentApplied(call=call, at_s=20.0, scope=scope, erases=erases)


def test_a_purged_call_leaves_tombstones_and_a_note(store: Store) -> None:
    keep(store, "mine", sent=3)
    keep(store, "other", sent=0)
    erased = store.purge(call_id="mine", actor="anna", reason="Art. 17 request 4711")
    assert erased == Erased(calls=1, utterances=1, episodes=1, events=4, unsent=1, tombstones=3)
    assert left_of(store, "mine") == {"events": 3, "outbox": 3}
    assert left_of(store, "other") == {
        "calls": 1,
        "utterances": 1,
        "episodes": 1,
        "alerts": 1,
        "events": 4,
        "outbox": 4,
    }
    graves = store.events_of("mine")
    assert {row.topic for row in graves} == {
        "voicepipe.reroute.v1",
        "voicepipe.calls.v1",
        "voicepipe.feedback.v1",
    }
    assert {(row.body, dict(row.headers)["ce_type"]) for row in graves} == {(b"", TOMBSTONE_TYPE.encode())}
    (entry,) = store.audit()
    assert (entry.actor, entry.action, entry.subject, entry.reason) == (
        "anna",
        "purge",
        "call mine",
        "Art. 17 request 4711",
    )
    assert entry.at == NOW
    assert entry.details["unsent"] == 1


def test_a_dry_run_counts_and_changes_nothing(store: Store) -> None:
    keep(store, "mine", sent=3)
    before = left_of(store, "mine")
    erased = store.purge(call_id="mine", actor="anna", reason="look", dry_run=True)
    assert erased == Erased(calls=1, utterances=1, episodes=1, events=4, unsent=1, tombstones=3)
    assert left_of(store, "mine") == before
    assert store.audit() == ()


def test_a_caller_is_found_by_the_pseudonym(store: Store) -> None:
    for call_id, caller_id in (("a", "c1"), ("b", "c2"), ("c", "c1")):
        keep(store, call_id, caller_id=caller_id)
    assert store.purge(caller_id="c1", actor="anna", reason="Art. 17").calls == 2
    assert [bool(left_of(store, one).get("calls")) for one in "abc"] == [False, True, False]
    assert store.audit()[0].subject == "caller c1"


def test_old_calls_are_purged_in_batches_each_with_its_note(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicepipe.events.store._PURGE_BATCH", 2)
    for number in range(5):
        keep(store, f"call-{number}")
    assert store.purge(older_than=STARTED_AT, actor="cron", reason="30 days").calls == 0
    assert store.purge(older_than=STARTED_AT + timedelta(seconds=1), actor="cron", reason="30 days").calls == 5
    assert [entry.details["calls"] for entry in store.audit()] == [1, 2, 2]


def test_a_call_that_the_store_never_had_gets_its_tombstones_all_the_same(store: Store) -> None:
    assert store.purge(call_id="long gone", actor="anna", reason="Art. 17") == Erased(tombstones=3)


def test_without_a_sink_nobody_is_to_be_told(store_url: str) -> None:
    with Store.open(store_url, sinks=(), clock=lambda: NOW) as store:
        keep(store, "mine", sent=0)
        assert store.purge(call_id="mine", actor="anna", reason="Art. 17").tombstones == 0
        assert left_of(store, "mine") == {}


@pytest.mark.parametrize("given", [{}, {"call_id": "a", "caller_id": "b"}])
def test_a_purge_names_exactly_what_it_is_about(tmp_path: Path, given: dict[str, str]) -> None:
    with open_store(tmp_path / "store.db") as store, pytest.raises(ValueError, match="exactly one"):
        store.purge(**given, actor="anna", reason="?")  # type: ignore[arg-type]


def test_nothing_of_a_purged_call_is_left_in_the_files(tmp_path: Path) -> None:
    with open_store(tmp_path / "store.db") as store:
        for number in range(30):
            keep(store, f"call-{number}")
        store.purge(call_id="call-7", actor="anna", reason="Art. 17")
        for number in range(30):
            if number != 7:
                store.purge(call_id=f"call-{number}", actor="anna", reason="all")
        assert b"call-7" in written(tmp_path), "the note of the purge"
        assert SAID.encode() not in written(tmp_path)


def test_nothing_of_what_a_withdrawal_erases_is_left_in_the_files(tmp_path: Path) -> None:
    with open_store(tmp_path / "store.db") as store:
        keep(store, "mine")
        assert SAID.encode() in written(tmp_path)
        store.record([withdrawal("mine", Erasure.EVERYTHING, scope=Scope.NOTHING)], [])
        assert SAID.encode() not in written(tmp_path)


def test_a_busy_reader_puts_off_the_emptying_of_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicepipe.events.store._PATIENCE_S", 0.0)
    with open_store(tmp_path / "store.db") as store:
        keep(store, "mine")
        with store._reading() as connection:
            connection.execute(sa.select(tables.calls)).all()
            store.record([withdrawal("mine", Erasure.EVERYTHING, scope=Scope.NOTHING)], [])
            assert SAID.encode() in written(tmp_path)
        store.forget_pages()
        assert SAID.encode() not in written(tmp_path)


def test_a_withdrawal_stands_though_the_log_cannot_be_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Store) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(Store, "forget_pages", fail)
    with open_store(tmp_path / "store.db") as store:
        store.record([withdrawal("mine", Erasure.EVERYTHING, scope=Scope.NOTHING)], [])
        assert len(store.events_of("mine")) == 3


def test_a_withdrawal_erases_what_the_voice_told_in_the_same_transaction(store: Store) -> None:
    keep(store, "mine", sent=1)
    store.record([withdrawal("mine", Erasure.ACOUSTICS)], [])
    assert left_of(store, "mine") == {"calls": 1, "utterances": 1, "events": 4, "outbox": 4}
    with store._reading() as connection:
        (row,) = connection.execute(sa.select(tables.utterances)).mappings()
        assert row["text"] == SAID
        assert [row[name] for name in ("stress", "confidence", "deviations", "frustrated_prob")] == [None] * 4
        call = connection.execute(sa.select(tables.calls)).mappings().one()
        assert (call["consent"], call["basis"]) == ("withdrawn", "withdrawn")
    assert [(row.topic, bool(row.body)) for row in store.events_of("mine")] == [
        ("voicepipe.calls.v1", True),
        ("voicepipe.calls.v1", True),
        ("voicepipe.reroute.v1", False),
        ("voicepipe.feedback.v1", False),
    ]
    (entry,) = store.audit()
    assert (entry.actor, entry.action, entry.details["basis"], entry.details["scope"]) == (
        "caller",
        "consent",
        "withdrawn",
        "transcript_only",
    )


def test_a_withdrawal_may_erase_everything_or_nothing(store: Store) -> None:
    for call_id in ("all", "none"):
        keep(store, call_id)
    store.record([withdrawal("all", Erasure.EVERYTHING, scope=Scope.NOTHING)], [])
    store.record([withdrawal("none", Erasure.NOTHING)], [])
    assert left_of(store, "all") == {"calls": 1, "events": 3, "outbox": 3}
    assert left_of(store, "none") == {"calls": 1, "utterances": 1, "episodes": 1, "alerts": 1, "events": 4, "outbox": 4}
    with store._reading() as connection:
        kept = connection.execute(sa.select(tables.utterances.c.stress)).scalars().all()
    assert kept == [pytest.approx(0.9)]


def test_an_episode_that_a_withdrawal_closed_is_not_written_down(store: Store) -> None:
    keep(store, "mine")
    closed = replace(make_episode(EpisodeState.CLOSED, call_id="mine"), closed_by=ClosedBy.CONSENT)
    store.record([withdrawal("mine", Erasure.ACOUSTICS), closed], [])
    assert "episodes" not in left_of(store, "mine")


_REPLACE = "INSERT OR REPLACE INTO audit (id, at, actor, action, subject, reason, details) VALUES (1,'','','','','','')"


@pytest.mark.parametrize(
    ("statement", "only_on"),
    [
        ("UPDATE audit SET actor = 'nobody'", ""),
        ("DELETE FROM audit", ""),
        (_REPLACE, "sqlite"),
        ("TRUNCATE audit", "postgresql"),
    ],
)
def test_the_database_itself_refuses_to_change_the_audit_log(store: Store, statement: str, only_on: str) -> None:
    if only_on not in ("", store._engine.dialect.name):
        pytest.skip(f"a statement of {only_on}")
    store.purge(call_id="mine", actor="anna", reason="Art. 17")
    with pytest.raises(StoreError, match="append-only"), store._writing() as connection:
        connection.exec_driver_sql(statement)
    assert [entry.actor for entry in store.audit()] == ["anna"]


def test_an_audit_line_may_go_after_its_own_last_day_and_not_before(store_url: str) -> None:
    with open_store(store_url, keep_audit=timedelta(days=1)) as store:
        store.purge(call_id="old", actor="anna", reason="long ago")
    with Store.open(store_url, sinks=(), clock=lambda: datetime.now(tz=UTC), keep_audit=timedelta(days=1)) as store:
        store.purge(call_id="new", actor="anna", reason="today")
        assert store.expire("audit", before=datetime.now(tz=UTC)) == 1
        assert [entry.action for entry in store.audit()] == ["expire", "purge"]
        with pytest.raises(StoreError, match="append-only"):
            store.expire("audit", before=datetime.now(tz=UTC) + timedelta(days=3))


def test_the_triggers_come_with_a_migrated_store_too(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    connection = sqlite3.connect(path)
    connection.executescript((Path(__file__).parent / "data" / "store-v1.sql").read_text())
    connection.close()
    with open_store(path) as store:
        erased = store.purge(call_id="call-1", actor="anna", reason="Art. 17")
        assert (erased.calls, erased.episodes, erased.unsent) == (1, 1, 1)
        assert left_of(store, "call-1") == {"events": 3, "outbox": 3}
        with pytest.raises(StoreError, match="append-only"), store._writing() as writing:
            writing.exec_driver_sql("DELETE FROM audit")


def test_a_webhook_gets_a_tombstone_as_an_event_without_data(store: Store) -> None:
    store.purge(call_id="mine", actor="anna", reason="Art. 17")
    event = json.loads(structured(store.events_of("mine")[0]))
    assert event["type"] == TOMBSTONE_TYPE
    assert event["subject"] == "mine"
    assert "data" not in event


@pytest.mark.slow
def test_a_purge_waits_for_a_node_that_is_sending_and_the_tombstones_come_after(database: str) -> None:
    with open_store(database) as one, open_store(database) as other, ThreadPoolExecutor(1) as pool:
        for call_id in ("a", "b"):
            keep(one, call_id, sent=0)
        with one.claim("kafka", limit=10) as claim:
            purged = pool.submit(other.purge, older_than=NOW, actor="anna", reason="Art. 17")
            with pytest.raises(TimeoutError):
                purged.result(timeout=0.5)
            for row in claim.rows:
                claim.settle(row, FakeDelivery())
        erased = purged.result(timeout=120.0)
        assert (erased.calls, erased.events, erased.unsent, erased.tombstones) == (2, 8, 0, 6)
        with one.claim("kafka", limit=10) as rest:
            assert [row.body for row in rest.rows] == [b""] * 6


@pytest.mark.slow
def test_a_broker_gets_a_tombstone_as_a_record_without_a_body(broker: KafkaConfig, tmp_path: Path) -> None:
    with open_store(tmp_path / "store.db") as store:
        store.purge(call_id="kafka-purge", actor="anna", reason="Art. 17")
        rows = store.events_of("kafka-purge")
    sink = KafkaSink(broker, topics=(*TOPICS, FEEDBACK_TOPIC))
    try:
        assert [delivery.delivered for delivery in sink.publish(rows)] == [True, True, True]
    finally:
        sink.close()
    with KafkaReader(broker, topic="voicepipe.reroute.v1") as reader:
        found = [record for record in reader.read_to_end(timeout_s=60.0) if record.key == "kafka-purge"]
    assert [(record.body, record.headers["ce_type"]) for record in found] == [(b"", TOMBSTONE_TYPE.encode())]

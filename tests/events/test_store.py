import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.events.calls import make_call, make_episode, make_messages, make_summary, make_utterance
from tests.fakes import FakeDelivery
from voicepipe.events.store import Store
from voicepipe.types import CallStarted, EpisodeState, StoreError

NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)


def open_store(path: Path | str, *sinks: str) -> Store:
    return Store.open(path, sinks=sinks or ("kafka",), clock=lambda: NOW)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store.db") as opened:
        yield opened


def test_messages_come_back_as_they_were_recorded(store: Store) -> None:
    messages = make_messages()
    store.record([], messages)
    with store.claim("kafka", limit=10) as claim:
        pass
    assert [(row.event_id, row.topic, row.key, row.headers, row.body) for row in claim.rows] == [
        (message.event_id, message.topic, message.key, message.headers, message.body) for message in messages
    ]


def test_recording_a_call_twice_changes_nothing(store: Store) -> None:
    call_events = [
        CallStarted(call=make_call()),
        make_utterance(0),
        make_episode(),
        make_episode(EpisodeState.CLOSED),
        make_summary(),
    ]
    store.record(call_events, make_messages())
    store.record(call_events, make_messages())
    assert store.depth("kafka").pending == 4
    assert len(store.events_of("call-1")) == 4


def test_an_event_and_its_message_are_one_transaction(store: Store) -> None:
    class Broken:
        event_id, topic, key, headers = "1", "t", "call-1", ()
        body = object()

    with pytest.raises(StoreError):
        store.record([CallStarted(call=make_call())], [make_messages()[0], Broken()])  # type: ignore[list-item]
    assert store.events_of("call-1") == ()
    assert store.depth("kafka").pending == 0


def test_what_is_settled_is_not_claimed_again(store: Store) -> None:
    store.record([], make_messages())
    with store.claim("kafka", limit=2) as claim:
        for row in claim.rows:
            claim.settle(row, FakeDelivery())
    with store.claim("kafka", limit=10) as rest:
        pass
    assert [row.event_id for row in rest.rows] == [message.event_id for message in make_messages()[2:]]


def test_a_claim_that_fails_settles_nothing(store: Store) -> None:
    def die_while_sending() -> None:
        with store.claim("kafka", limit=1) as claim:
            claim.settle(claim.rows[0], FakeDelivery())
            raise RuntimeError("died")

    store.record([], make_messages())
    with pytest.raises(RuntimeError, match="died"):
        die_while_sending()
    assert store.depth("kafka").pending == 4


def test_a_refused_message_is_a_dead_letter_with_its_reason(store: Store) -> None:
    messages = make_messages()
    store.record([], messages)
    with store.claim("kafka", limit=1) as claim:
        claim.settle(claim.rows[0], FakeDelivery(delivered=False, refused="too large"))
    (letter,) = store.dead_letters()
    assert (letter.origin, letter.event_id, letter.reason, letter.body) == (
        "kafka",
        messages[0].event_id,
        "too large",
        messages[0].body,
    )
    depth = store.depth("kafka")
    assert (depth.pending, depth.refused, depth.oldest_at) == (3, 1, NOW)


def test_sinks_are_settled_one_by_one(tmp_path: Path) -> None:
    with open_store(tmp_path / "store.db", "kafka", "webhook") as store:
        store.record([], make_messages())
        with store.claim("kafka", limit=10) as claim:
            for row in claim.rows:
                claim.settle(row, FakeDelivery())
        assert store.depth("kafka").pending == 0
        assert store.depth("webhook").pending == 4


def test_messages_survive_a_restart(tmp_path: Path) -> None:
    with open_store(tmp_path / "store.db") as store:
        store.record([], make_messages())
    with open_store(tmp_path / "store.db") as store:
        assert store.depth("kafka").pending == 4


def test_watchers_hear_of_new_messages_only(store: Store) -> None:
    heard: list[int] = []
    store.watch(lambda: heard.append(1))
    store.record([], make_messages())
    store.record([], make_messages())
    store.record([make_utterance(0)], [])
    assert heard == [1]


def test_sqlite_flushes_every_commit(tmp_path: Path) -> None:
    with open_store(tmp_path / "store.db") as store, store._writing() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database at all, but a rather long text " * 40)
    with pytest.raises(StoreError, match=r"notes\.txt is not a voicepipe store"):
        open_store(path)


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.close()
    with pytest.raises(StoreError, match="database of another program"):
        open_store(path)


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    open_store(path).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE schema_version SET version = 99")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match=r"newer voicepipe \(its tables have version 99"):
        open_store(path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.touch()
    with pytest.raises(StoreError, match=r"folder of the store .*file/store\.db cannot be made"):
        open_store(blocker / "store.db")


def test_an_unknown_kind_of_database_is_named() -> None:
    with pytest.raises(StoreError, match="cannot be a mysql database"):
        open_store("mysql://user:secret@host/db")

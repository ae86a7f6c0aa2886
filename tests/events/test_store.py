import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.events.calls import make_call, make_episode, make_messages, make_summary, make_utterance
from tests.fakes import FakeDelivery
from tests.full_disk import no_room
from voicepipe.events.store import Store
from voicepipe.types import CallStarted, EpisodeState, StoreError

NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)


def open_store(path: Path | str, *sinks: str) -> Store:
    return Store.open(path, sinks=sinks or ("kafka",), clock=lambda: NOW)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    with open_store(store_url) as opened:
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
        event_id, topic, key, headers, body = "1", "t", None, (), b""

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


def test_looking_for_pending_messages_does_not_read_the_sent_ones(tmp_path: Path) -> None:
    statements: list[tuple[str, object]] = []
    with open_store(tmp_path / "store.db") as store:
        store.record([], make_messages())
        note = lambda *arguments: statements.append((arguments[2], arguments[3]))  # noqa: E731
        sa.event.listen(store._engine, "before_cursor_execute", note)
        with store.claim("kafka", limit=10):
            pass
        store.depth("kafka")
        sa.event.remove(store._engine, "before_cursor_execute", note)
        queries = [(text, values) for text, values in statements if "FROM outbox" in text]
        assert len(queries) == 2
        with store._reading() as connection:
            for text, values in queries:
                plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)]
                assert "outbox_pending" in plan[0], plan


def test_a_store_that_cannot_be_written_is_found_out_without_a_record(tmp_path: Path) -> None:
    with open_store(tmp_path / "store.db") as store:
        store.try_writing()
        with no_room():
            store.record([], [])
            with pytest.raises(StoreError):
                store.try_writing()
        store.try_writing()


@pytest.mark.slow
def test_a_postgresql_that_is_read_only_is_found_out_without_a_record(database: str) -> None:
    with open_store(database) as store, open_store(database) as other:
        store.try_writing()
        with store._writing() as connection:
            connection.exec_driver_sql("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
        with pytest.raises(StoreError, match="read-only"):
            store.try_writing()
        other.try_writing()


def test_dead_letters_can_be_revived_once_their_cause_is_mended(store: Store) -> None:
    store.record([], make_messages())
    with store.claim("kafka", limit=10) as claim:
        for row in claim.rows:
            claim.settle(row, FakeDelivery(delivered=False, refused="not allowed"))
    assert store.dead_letter_counts() == {"kafka": 4}
    assert store.revive("kafka") == 4
    assert store.dead_letter_counts() == {}
    with store.claim("kafka", limit=10) as again:
        assert [row.event_id for row in again.rows] == [message.event_id for message in make_messages()]


def test_a_sink_may_get_some_topics_only(store_url: str) -> None:
    sinks = {"kafka": {"voicepipe.calls.v1", "voicepipe.reroute.v1"}, "webhook": {"voicepipe.reroute.v1"}}
    with Store.open(store_url, sinks=sinks, clock=lambda: NOW) as store:
        store.record([], make_messages())
        assert (store.depth("kafka").pending, store.depth("webhook").pending) == (4, 2)


def test_sinks_are_settled_one_by_one(store_url: str) -> None:
    with open_store(store_url, "kafka", "webhook") as store:
        store.record([], make_messages())
        with store.claim("kafka", limit=10) as claim:
            for row in claim.rows:
                claim.settle(row, FakeDelivery())
        assert store.depth("kafka").pending == 0
        assert store.depth("webhook").pending == 4


def test_messages_survive_a_restart(store_url: str) -> None:
    with open_store(store_url) as store:
        store.record([], make_messages())
    with open_store(store_url) as store:
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


def test_an_older_store_is_migrated_and_keeps_what_it_had(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    connection = sqlite3.connect(path)
    connection.executescript((Path(__file__).parent / "data" / "store-v1.sql").read_text())
    connection.close()
    for _ in range(2):
        with open_store(path) as store:
            assert store.depth("kafka").pending == 1
            assert [row.event_id for row in store.events_of("call-1")] == [
                message.event_id for message in make_messages()[:2]
            ]
            assert store.feedback_counts() == {}
    with open_store(tmp_path / "new.db"):
        assert schema_of(path) == schema_of(tmp_path / "new.db")


def schema_of(path: Path) -> dict[str, set[tuple[object, ...]]]:
    """Return what each table of a database looks like, indices included."""
    connection = sqlite3.connect(path)
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    schema = {
        name: {column[1:] for column in connection.execute(f"PRAGMA table_info({name})")}
        | {index[1:] for index in connection.execute(f"PRAGMA index_list({name})")}
        for name in names
    }
    connection.close()
    return schema


@pytest.mark.slow
def test_two_nodes_may_start_at_once_on_one_postgresql(database: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda _: open_store(database), range(4)))
    for store in stores:
        store.close()


@pytest.mark.slow
def test_nodes_that_share_an_outbox_never_split_a_call(database: str) -> None:
    with open_store(database) as one, open_store(database) as other:
        one.record([], make_messages("a") + make_messages("b"))
        with one.claim("kafka", limit=1) as first, other.claim("kafka", limit=10) as second:
            assert [row.key for row in first.rows] == ["a"]
            assert [row.key for row in second.rows] == ["b"] * 4
            for row in first.rows:
                first.settle(row, FakeDelivery())
        with other.claim("kafka", limit=10) as rest:
            assert [row.event_id for row in rest.rows if row.key == "a"] == [
                message.event_id for message in make_messages("a")[1:]
            ]


@pytest.mark.slow
def test_a_node_that_dies_gives_its_calls_back(database: str) -> None:
    with open_store(database) as one, open_store(database) as other:
        one.record([], make_messages("a"))
        with one.claim("kafka", limit=10), other.claim("kafka", limit=10) as none:
            assert none.rows == ()
        with other.claim("kafka", limit=10) as again:
            assert len(again.rows) == 4


@pytest.mark.slow
def test_a_postgresql_that_does_not_answer_is_given_up(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicepipe.events.postgres._ANSWER_S", 0.5)
    with open_store(database) as store:
        with pytest.raises(StoreError, match="no answer for 0 s"), store._reading() as connection:
            connection.exec_driver_sql("SELECT pg_sleep(60)")
        assert store.depth("kafka").pending == 0, "the next connection answers"


@pytest.mark.slow
def test_a_statement_of_postgresql_is_limited_but_no_migration(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicepipe.events.postgres.STATEMENT_S", 0.2)
    slowly = lambda connection, **_: connection.exec_driver_sql("SELECT pg_sleep(0.5)")  # noqa: E731
    monkeypatch.setattr("voicepipe.events.store.bring_up_to_date", slowly)
    with (
        open_store(database) as store,
        pytest.raises(StoreError, match="statement timeout"),
        store._reading() as connection,
    ):
        connection.exec_driver_sql("SELECT pg_sleep(60)")


def test_a_postgresql_that_is_away_is_named_without_its_password(unused_tcp_address: str) -> None:
    with pytest.raises(StoreError, match="cannot be reached") as caught:
        open_store(f"postgresql://voicepipe:s3cret-word@{unused_tcp_address}/voicepipe")
    assert "s3cret-word" not in str(caught.value)


def test_an_unknown_kind_of_database_is_named() -> None:
    with pytest.raises(StoreError, match="cannot be a mysql database"):
        open_store("mysql://user:secret@host/db")

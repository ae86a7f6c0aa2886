import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.events.calls import make_call, make_messages, make_summary
from tests.patience import PATIENCE_S
from voicepipe.events.recorder import Recorder
from voicepipe.events.relay import Backoff
from voicepipe.events.store import RecordError, Store
from voicepipe.ports import OutboundMessage
from voicepipe.types import CallEvent, CallStarted, StoreError

NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store.db", sinks=("kafka",), clock=lambda: NOW) as opened:
        yield opened


def make_recorder(store: Store, *, capacity: int = 100, told: list[Exception] | None = None) -> Recorder:
    return Recorder(
        store,
        backoff=Backoff(first_s=0.01, cap_s=0.02),
        rng=random.Random(1),
        capacity=capacity,
        on_failure=(told if told is not None else []).append,
    )


def fill_disk(store: Store) -> None:
    """Let the database grow no further: SQLite then says that the disk is full."""
    with store._writing() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")


def make_room(store: Store) -> None:
    with store._writing() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")


def test_what_the_store_takes_is_on_the_disk_at_once(store: Store) -> None:
    recorder = make_recorder(store)
    assert recorder.record([CallStarted(call=make_call())], make_messages())
    assert (recorder.held, store.depth("kafka").pending) == (0, 4)


def test_a_full_disk_loses_nothing_and_keeps_the_order(store: Store) -> None:
    recorder = make_recorder(store)
    fill_disk(store)
    calls = [f"call-{index}" for index in range(40)]
    on_disk = [recorder.record([], make_messages(call_id)) for call_id in calls]
    assert on_disk == sorted(on_disk, reverse=True)
    assert recorder.held == on_disk.count(False) > 0
    assert "is full; make room" in str(recorder.last_error)
    assert recorder.retry() not in (None, 0.0)
    make_room(store)
    while recorder.retry() is not None:
        pass
    assert (recorder.held, recorder.last_error) == (0, None)
    with store.claim("kafka", limit=1000) as claim:
        pass
    assert [row.event_id for row in claim.rows] == [
        item.event_id for call_id in calls for item in make_messages(call_id)
    ]


def test_the_thread_tries_again_by_itself(store: Store) -> None:
    recorder = make_recorder(store)
    fill_disk(store)
    while recorder.record([], make_messages(f"call-{store.depth('kafka').pending}")):
        pass
    recorder.start()
    make_room(store)
    assert recorder.stop() == 0
    assert recorder.held == 0


def test_what_is_still_held_at_the_end_is_counted(store: Store) -> None:
    recorder = make_recorder(store)
    fill_disk(store)
    while recorder.record([], make_messages(f"call-{store.depth('kafka').pending}")):
        pass
    recorder.start()
    assert recorder.stop() == 1
    make_room(store)


def test_more_than_the_capacity_is_refused_aloud(store: Store) -> None:
    recorder = make_recorder(store, capacity=1)
    fill_disk(store)
    while recorder.record([], make_messages(f"call-{store.depth('kafka').pending}")):
        pass
    with pytest.raises(StoreError, match="1 record waits for the store"):
        recorder.record([], make_messages("last"))
    make_room(store)


class FrozenStore:
    """Stands in front of a real store and does not answer until the test lets it; then it fails as often as it says."""

    def __init__(self, store: Store, *, fails: int = 0) -> None:
        self._record = store.record
        self.fails = fails
        self.asked = threading.Event()
        self.thawed = threading.Event()
        self.order: list[str] = []

    def record(self, call_events: Sequence[CallEvent], messages: Sequence[OutboundMessage]) -> None:
        self.asked.set()
        assert self.thawed.wait(PATIENCE_S)
        if self.fails:
            self.fails -= 1
            raise StoreError("away")
        self._record(call_events, messages)
        self.order.append(messages[0].key or "")


@pytest.mark.parametrize("fails", [0, 1, 3])
def test_a_store_that_does_not_answer_holds_up_neither_flush_nor_stop(
    store: Store, monkeypatch: pytest.MonkeyPatch, fails: int
) -> None:
    frozen = FrozenStore(store, fails=fails)
    monkeypatch.setattr(store, "record", frozen.record)
    recorder = make_recorder(store)
    recorder.start()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(recorder.record, [], make_messages("a"))
        assert frozen.asked.wait(PATIENCE_S)
        assert not recorder.record([], make_messages("b")), "it waits behind the first"
        assert not recorder.flush(0.01)
        assert (recorder.unwritten, recorder.held) == (2, 1)
        frozen.thawed.set()
        assert first.result() is not bool(fails)
        assert recorder.flush(PATIENCE_S)
        frozen.thawed.clear()
        frozen.asked.clear()
        last = pool.submit(recorder.record, [], make_messages("c"))
        assert frozen.asked.wait(PATIENCE_S)
        assert recorder.stop(timeout_s=0.01) == 1
        frozen.thawed.set()
        assert last.result()
    assert frozen.order == ["a", "b", "c"]


def test_what_the_store_cannot_even_be_told_blocks_nothing_that_is_held(store: Store) -> None:
    told: list[Exception] = []
    recorder = make_recorder(store, told=told)
    fill_disk(store)
    while recorder.record([], make_messages(f"call-{store.depth('kafka').pending}")):
        pass
    assert not recorder.record([replace(make_summary(), reason="no \ud800 text")], [])
    assert not recorder.record([], make_messages("after"))
    assert recorder.retry()
    assert [str(error) for error in told] == [recorder.last_error], "the full disk is told once"
    make_room(store)
    while recorder.retry() is not None:
        pass
    assert recorder.held == 0
    assert [type(error) for error in told[1:]] == [UnicodeEncodeError], "and that a record was lost"
    assert len(store.events_of("after")) == 4


def test_a_record_that_no_store_takes_is_refused_aloud_and_blocks_nothing(store: Store) -> None:
    class Broken:
        event_id, topic, key, headers, body = "1", "t", None, (), b""

    recorder = make_recorder(store)
    with pytest.raises(RecordError):
        recorder.record([], [Broken()])  # type: ignore[list-item]
    assert recorder.record([], make_messages())

"""What has been kept long enough goes, what has not stays, and writers do not wait for it."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.events.calls import make_call, make_episode, make_messages, make_summary, make_utterance
from tests.fakes import FakeDelivery
from voicepipe.events import tables
from voicepipe.events.config import RetentionConfig
from voicepipe.events.retention import Retention
from voicepipe.events.store import Store
from voicepipe.types import CallStarted, StoreError

NEVER = RetentionConfig(transcripts_days=None, acoustics_days=None, events_days=None, calls_days=None, audit_days=None)
CALLED_AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


class Now:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.at = CALLED_AT

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def store(store_url: str, now: Now) -> Iterator[Store]:
    with Store.open(store_url, sinks=("kafka",), clock=now) as opened:
        for call_id in ("sent", "unsent"):
            opened.record(
                [
                    CallStarted(call=make_call(call_id)),
                    make_utterance(0, call_id=call_id),
                    make_episode(call_id=call_id),
                    make_summary(call_id),
                ],
                make_messages(call_id),
            )
            with opened.claim("kafka", limit=4 if call_id == "sent" else 3) as claim:
                for row in claim.rows:
                    claim.settle(row, FakeDelivery())
        yield opened


def raise_it(error: StoreError) -> None:
    raise error


def run(store: Store, now: Now, *, after_days: float, **days: float) -> dict[str, int]:
    now.at = CALLED_AT + timedelta(days=after_days)
    config = NEVER.model_copy(update={f"{kind}_days": age for kind, age in days.items()})
    return dict(Retention(store, config=config, clock=now, on_failure=raise_it).run_once())


def column(store: Store, table: sa.Table, name: str) -> list[object]:
    with store._reading() as connection:
        return list(connection.execute(sa.select(table.c[name])).scalars())


def test_nothing_goes_before_its_time(store: Store, now: Now) -> None:
    assert run(store, now, after_days=29, transcripts=30, acoustics=30, events=30, calls=30) == {}
    assert store.audit() == ()


def test_words_go_and_the_rest_stays(store: Store, now: Now) -> None:
    assert run(store, now, after_days=31, transcripts=30) == {"transcripts": 2}
    assert column(store, tables.utterances, "text") == [None, None]
    assert None not in column(store, tables.utterances, "stress")
    assert len(column(store, tables.episodes, "index")) == 2


def test_what_the_voice_told_goes_and_the_words_stay(store: Store, now: Now) -> None:
    assert run(store, now, after_days=31, acoustics=30) == {"acoustics": 4}
    assert column(store, tables.utterances, "stress") == [None, None]
    assert column(store, tables.episodes, "index") == []
    assert None not in column(store, tables.utterances, "text")


def test_events_go_when_they_have_left(store: Store, now: Now) -> None:
    assert run(store, now, after_days=31, events=30) == {"events": 7}
    assert store.events_of("sent") == ()
    assert len(store.events_of("unsent")) == 1
    assert store.depth("kafka").pending == 1


def test_calls_go_whole_when_all_their_events_have_left(store: Store, now: Now) -> None:
    run(store, now, after_days=31, calls=30)
    for table in (tables.calls, tables.utterances, tables.episodes):
        assert column(store, table, "call_id") == ["unsent"]
    assert set(column(store, tables.events, "key")) == {"unsent"}


def test_what_waits_for_a_sink_that_was_removed_is_kept_no_longer(store: Store, store_url: str, now: Now) -> None:
    with Store.open(store_url, sinks=("webhook",), clock=now) as without_kafka:
        run(without_kafka, now, after_days=31, events=30)
        assert column(store, tables.events, "seq") == []
        run(without_kafka, now, after_days=31, calls=30)
    assert column(store, tables.calls, "call_id") == []
    assert column(store, tables.outbox, "seq") == []


def test_nothing_of_what_went_is_left_in_the_files(tmp_path: Path, now: Now) -> None:
    with Store.open(tmp_path / "store.db", sinks=(), clock=now) as store:
        store.record([CallStarted(call=make_call()), make_utterance(0, text="my mother is ill")], [])
        assert any(b"my mother" in path.read_bytes() for path in tmp_path.iterdir())
        run(store, now, after_days=31, transcripts=30)
        assert not any(b"my mother" in path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["transcripts", "acoustics", "calls"])
def test_what_a_purged_call_told_later_goes_though_its_end_was_never_told(store: Store, now: Now, kind: str) -> None:
    store.purge(call_id="sent", actor="anna", reason="Art. 17")
    store.purge(call_id="unsent", actor="anna", reason="Art. 17")
    store.record([make_utterance(1, call_id="sent"), make_episode(call_id="sent")], [])
    assert run(store, now, after_days=29, **{kind: 30}) == {}, "the call may go on"
    assert run(store, now, after_days=31, **{kind: 30}) == {kind: 2}
    assert column(store, tables.utterances, "text") == []
    assert column(store, tables.episodes, "index") == []


def test_what_a_purged_call_told_later_goes_where_no_sink_got_a_tombstone(tmp_path: Path, now: Now) -> None:
    with Store.open(tmp_path / "store.db", sinks=(), clock=now) as store:
        store.record([make_utterance(1, call_id="lost"), CallStarted(call=make_call())], [])
        store.record([make_utterance(0)], [])
        assert run(store, now, after_days=1, transcripts=30) == {"transcripts": 1}
        assert column(store, tables.utterances, "call_id") == ["call-1"]


def test_each_run_is_noted(store: Store, now: Now) -> None:
    run(store, now, after_days=31, transcripts=30)
    (entry,) = store.audit()
    assert (entry.actor, entry.action, entry.details) == ("retention", "expire", {"utterances": 2})
    assert entry.subject.startswith("transcripts before 2026-03-02T09:30")


def test_many_calls_go_in_small_transactions(tmp_path: Path, now: Now) -> None:
    with Store.open(tmp_path / "store.db", sinks=(), clock=now) as store:
        for number in range(450):
            store.record(
                [CallStarted(call=make_call(f"call-{number}")), make_utterance(0, call_id=f"call-{number}")], []
            )
        began: list[int] = []
        sa.event.listen(store._engine, "begin", lambda connection: began.append(1))
        assert run(store, now, after_days=31, transcripts=30) == {"transcripts": 450}
        assert len(began) == 4, "three batches of at most 200 calls, and the look that finds none left"


def test_the_job_runs_in_its_own_thread_and_survives_a_store_that_fails(tmp_path: Path, now: Now) -> None:
    failures: list[StoreError] = []
    with Store.open(tmp_path / "store.db", sinks=(), clock=now) as store:
        store.record([CallStarted(call=make_call()), make_utterance(0)], [])
        now.at = CALLED_AT + timedelta(days=31)
        expire, failed, done = store.expire, iter([True]), threading.Event()

        def flaky(kind: str, *, before: datetime, limit: int = 200) -> int:
            if next(failed, False):
                raise StoreError("The disk is full; make room.")
            gone = expire(kind, before=before, limit=limit)
            if not gone:
                done.set()
            return gone

        store.expire = flaky  # type: ignore[method-assign]
        config = NEVER.model_copy(update={"transcripts_days": 30.0, "every_s": 0.01})
        job = Retention(store, config=config, clock=now, on_failure=failures.append)
        job.start()
        assert done.wait(30.0)
        job.stop()
        assert column(store, tables.utterances, "text") == [None]
    assert len(failures) == 1

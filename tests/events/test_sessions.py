from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from voicepipe.events.sessions import SessionRow
from voicepipe.events.store import Store

NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    with Store.open(store_url, sinks=(), clock=lambda: NOW) as opened:
        yield opened


def row_of(digest: str, created_at: datetime = NOW) -> SessionRow:
    return SessionRow(digest=digest, person="ann", credential="tie", created_at=created_at, seen_at=created_at)


def test_a_session_comes_back_as_it_was_begun(store: Store) -> None:
    assert store.session("a") is None
    store.begin_session(row_of("a"), forget_before=NOW)
    assert store.session("a") == row_of("a")


def test_a_session_is_touched_and_ended(store: Store) -> None:
    begun = NOW - timedelta(minutes=5)
    store.begin_session(row_of("a", begun), forget_before=begun)
    store.touch_session("a")
    found = store.session("a")
    assert found is not None
    assert (found.created_at, found.seen_at) == (begun, NOW)
    store.end_session("a")
    store.end_session("a")
    assert store.session("a") is None


def test_sessions_that_are_over_are_deleted_with_the_next(store: Store) -> None:
    store.begin_session(row_of("old", NOW - timedelta(hours=13)), forget_before=NOW - timedelta(hours=24))
    store.begin_session(row_of("new"), forget_before=NOW - timedelta(hours=12))
    assert store.session("old") is None
    assert store.session("new") is not None


def test_what_a_person_did_stands_in_the_audit_log_page_by_page(store: Store) -> None:
    for i in range(5):
        store.note_act(actor="ann", action="see_call", subject=f"call {i}", details={"from": "page"})
    lines = store.audit(limit=2)
    assert [line.subject for line in lines] == ["call 4", "call 3"]
    assert (lines[0].actor, lines[0].at, lines[0].details) == ("ann", NOW, {"from": "page"})
    assert [line.subject for line in store.audit(limit=9, before=lines[-1].id)] == ["call 2", "call 1", "call 0"]

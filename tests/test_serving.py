"""What calls tell is written down, whatever the store does meanwhile."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.fakes import FakeObserver
from tests.full_disk import no_room
from tests.patience import PATIENCE_S, until
from tests.ports import unused_port
from voicepipe.config import Settings
from voicepipe.events.calls import CALLS_TOPIC
from voicepipe.events.config import WebhookConfig
from voicepipe.events.reroute import Versions, reroute_event_id
from voicepipe.events.store import Store
from voicepipe.ports import OutboundMessage
from voicepipe.service import Courier
from voicepipe.serving import Scribe, _host, _waiting
from voicepipe.types import (
    Call,
    CallEvent,
    CallStarted,
    CallSummary,
    Channel,
    Coverage,
    Episode,
    EpisodeEvidence,
    EpisodeState,
    Reason,
    Roles,
    ScoredUtterance,
    StoreError,
)

VERSIONS = Versions(code="1", model="stress-4", config="0", transcriber="base")
EVIDENCE = EpisodeEvidence(
    log_e=9.0, log_e_threshold=8.0, false_alarms_per_100_call_hours=1.0, stressed_speech_s=9.0, utterances=(0,)
)


class FlakyStore:
    """Stands in front of a real store and fails as often as the test says."""

    def __init__(self, store: Store, *, fails: int) -> None:
        self._record = store.record
        self.fails = fails
        self.written: list[tuple[CallEvent, list[str]]] = []

    def record(self, call_events: Sequence[CallEvent], messages: Sequence[OutboundMessage]) -> None:
        if self.fails:
            self.fails -= 1
            raise StoreError("The disk is full; make room.")
        self._record(call_events, messages)
        self.written += [(event, [message.event_id for message in messages]) for event in call_events]


@contextmanager
def courier_on(folder: Path, monkeypatch: pytest.MonkeyPatch, *, fails: int) -> Iterator[tuple[Courier, FlakyStore]]:
    settings = Settings(store_url=f"sqlite:///{folder}/store.sqlite", relay={"backoff_first_s": 0.01})
    with Courier(settings, kafka=None, patient=True) as courier:
        flaky = FlakyStore(courier._store, fails=fails)
        monkeypatch.setattr(courier._store, "record", flaky.record)
        yield courier, flaky


def call_events(call_id: str) -> list[CallEvent]:
    call = Call(
        call_id=call_id,
        started_at=datetime(2026, 11, 2, 9, 30, tzinfo=UTC),
        gateway="test",
        channels=(Channel.CALLER,),
        roles=Roles.GIVEN,
    )
    scored = ScoredUtterance(
        call_id=call_id,
        channel=Channel.CALLER,
        index=0,
        start_s=1.0,
        end_s=9.0,
        decided_s=9.5,
        speech_s=8.0,
        transcript=None,
        score=None,
    )
    episode = Episode(
        call_id=call_id,
        channel=Channel.CALLER,
        index=0,
        state=EpisodeState.OPENED,
        opened_s=1.0,
        closed_s=None,
        at_s=9.5,
        peak=0.9,
        mean=0.8,
        reasons=(Reason.STRESS_PERSISTED,),
        evidence=EVIDENCE,
        coverage=Coverage(speech_s=8.0),
    )
    summary = CallSummary(call=call, duration_s=10.0, language="en", coverage=Coverage(speech_s=8.0), reason="end")
    return [CallStarted(call=call), scored, episode, summary]


def test_events_are_written_in_order_each_with_its_calls_reroute_even_if_the_store_fails_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = [call_events(f"call-{number}") for number in range(3)]
    events = [event for together in zip(*calls, strict=True) for event in together]
    with courier_on(tmp_path, monkeypatch, fails=3) as (courier, store):
        scribe = Scribe(courier, settings=Settings(), versions=VERSIONS, observer=FakeObserver())
        for event in events:
            scribe.take(event)
        assert scribe.close(PATIENCE_S) == 0
        assert courier.flush(PATIENCE_S) is None
        assert courier.fault() is None
    assert [event for event, _ in store.written] == events
    for n in range(3):
        requested = reroute_event_id(f"call-{n}", channel=Channel.CALLER, episode=0, kind="requested")
        (with_reroute,) = [event for event, ids in store.written if requested in ids]
        assert isinstance(with_reroute, Episode)
        assert with_reroute.call_id == f"call-{n}"


def test_what_the_store_never_takes_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with courier_on(tmp_path, monkeypatch, fails=10**9) as (courier, _):
        scribe = Scribe(courier, settings=Settings(), versions=VERSIONS, observer=FakeObserver())
        for event in call_events("call-1"):
            scribe.take(event)
        assert scribe.close(PATIENCE_S) == 0
        fault = courier.fault()
        assert fault is not None
        assert "4 records wait for the store" in fault
        left = courier.flush(1.0)
        assert left is not None
        assert "4 records could not be written" in left
        assert "disk is full" in left


def test_an_event_that_cannot_be_written_stops_none_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started, *_, summary = call_events("call-1")
    assert isinstance(summary, CallSummary)
    observer = FakeObserver()
    with courier_on(tmp_path, monkeypatch, fails=0) as (courier, store):
        scribe = Scribe(courier, settings=Settings(), versions=VERSIONS, observer=observer)
        for event in (started, replace(summary, reason="no \ud800 text"), *call_events("call-2")):
            scribe.take(event)
        assert scribe.close(PATIENCE_S) == 0
    assert [event for event, _ in store.written] == [started, *call_events("call-2")]
    assert [where for where, _ in observer.failures] == ["store"]


def test_a_sink_that_does_not_take_events_is_told_shown_and_named(tmp_path: Path) -> None:
    webhook = WebhookConfig(
        url=f"http://127.0.0.1:{unused_port()}/", allow_http=True, allow_private_addresses=True, topics=(CALLS_TOPIC,)
    )
    observer = FakeObserver()
    settings = Settings(store_url=f"sqlite:///{tmp_path}/store.sqlite", relay={"backoff_first_s": 0.01})
    with Courier(settings, kafka=None, webhook=webhook, patient=True, on_failure=observer.on_failure) as courier:
        courier.record(call_events("call-1")[0], None)
        assert until(lambda: courier.status()[0].failures > 3)
        ((where, error),) = observer.failures
        assert where == "webhook"
        assert [(one.pending, one.last_error) for one in _waiting(courier)] == [(1, str(error))]
        left = courier.flush(0.1)
    assert left is not None
    assert "1 event waits" in left
    assert f"at the next start with webhook ({error})" in left


def test_a_full_disk_is_a_fault_before_a_call_comes(tmp_path: Path) -> None:
    with Courier(Settings(store_url=f"sqlite:///{tmp_path}/store.sqlite"), kafka=None, patient=True) as courier:
        assert courier.fault() is None
        with no_room():
            assert courier.fault() is not None
        assert courier.fault() is None


def test_the_addresses_that_are_said_can_be_opened() -> None:
    assert [_host(name) for name in ("::1", "127.0.0.1", "localhost")] == ["[::1]", "127.0.0.1", "localhost"]


def test_each_node_learns_which_calls_the_others_began(tmp_path: Path) -> None:
    """Once each, but for those that were written down late; what began days ago cannot go on."""
    settings = Settings(store_url=f"sqlite:///{tmp_path}/store.sqlite")
    now = datetime.now(tz=UTC)

    def began(node: Courier, call_id: str, at: datetime) -> None:
        call = call_events(call_id)[0]
        assert isinstance(call, CallStarted)
        node.record(CallStarted(call=replace(call.call, started_at=at)), None)

    with Courier(settings, kafka=None) as one, Courier(settings, kafka=None) as other:
        began(one, "long ago", now - timedelta(days=3))
        began(one, "before", now - timedelta(hours=2))
        began(one, "just now", now)
        assert other.calls_begun() == ("before", "just now")
        began(one, "since", now + timedelta(seconds=1))
        assert other.calls_begun() == ("just now", "since")

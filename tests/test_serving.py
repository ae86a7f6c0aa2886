"""What calls tell is written down, whatever the store does meanwhile."""

from datetime import UTC, datetime

import pytest

from tests.fakes import FakeObserver
from voicepipe.config import Settings
from voicepipe.events.reroute import RerouteEvent, Versions
from voicepipe.service import Courier
from voicepipe.serving import Scribe
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

VERSIONS = Versions(code="1", model="stress-1", config="0", transcriber="base")
EVIDENCE = EpisodeEvidence(
    log_e=9.0, log_e_threshold=8.0, false_alarms_per_100_call_hours=1.0, stressed_speech_s=9.0, utterances=(0,)
)


class FakeCourier(Courier):
    """Keeps what it is given; fails as often as the test says."""

    def __init__(self, *, fails: int = 0) -> None:
        self.fails = fails
        self.written: list[tuple[CallEvent, RerouteEvent | None]] = []

    def record(self, event: CallEvent, reroute: RerouteEvent | None) -> None:
        if self.fails:
            self.fails -= 1
            raise StoreError("The disk is full; make room.")
        self.written.append((event, reroute))


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
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("voicepipe.serving._RETRY_S", 0.01)
    courier, observer = FakeCourier(fails=3), FakeObserver()
    scribe = Scribe(courier, settings=Settings(), versions=VERSIONS, observer=observer)
    calls = [call_events(f"call-{number}") for number in range(3)]
    events = [event for together in zip(*calls, strict=True) for event in together]
    for event in events:
        scribe.take(event)
    assert scribe.close(10.0) == 0
    assert [event for event, _ in courier.written] == events
    reroutes = [reroute for _, reroute in courier.written if reroute is not None]
    assert [(one.kind, one.call.call_id) for one in reroutes] == [("requested", f"call-{n}") for n in range(3)]
    assert [where for where, _ in observer.failures] == ["store"] * 3


def test_what_could_not_be_written_in_time_is_counted() -> None:
    courier = FakeCourier(fails=10**9)
    scribe = Scribe(courier, settings=Settings(), versions=VERSIONS, observer=FakeObserver())
    for event in call_events("call-1"):
        scribe.take(event)
    assert scribe.close(0.05) == 4

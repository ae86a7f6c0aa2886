"""Without consent nothing is inferred from a voice; a caller who withdraws is left alone at once."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from tests.fakes import FakeScorer, FakeTranscriber
from tests.pipeline.test_pool import (
    AGENT,
    ALL_S,
    BOTH,
    CALLER,
    PATIENT,
    STARTS_S,
    TRACKS,
    Told,
    call_of,
    media,
    models,
    pool_of,
    push,
    run,
    talk,
)
from voicepipe.consent import ConsentConfig, QueueConsent
from voicepipe.pipeline.call import analyze_call
from voicepipe.pipeline.config import AnalysisConfig
from voicepipe.pipeline.pool import CallPool
from voicepipe.pipeline.shedding import PoolConfig
from voicepipe.types import (
    Basis,
    CallEvent,
    CallStarted,
    CallSummary,
    Channel,
    ClosedBy,
    ConsentApplied,
    ConsentChanged,
    Episode,
    EpisodeState,
    Erasure,
    Frustration,
    HumanRequest,
    MediaEvent,
    Recognition,
    Scope,
    ScoredUtterance,
    Transcript,
    Utterance,
)

NOTHING = AnalysisConfig(consent=ConsentConfig(without_basis=Scope.NOTHING))


def events_of(
    consent: str | None, *, analysis: AnalysisConfig | None = None, scorer: FakeScorer | None = None
) -> list[CallEvent]:
    call = replace(call_of("call-1", *BOTH), consent=consent)
    shared = models(scorer=scorer or FakeScorer())
    return list(analyze_call(media(call, TRACKS), models=shared, config=analysis or AnalysisConfig()))


def utterances_in(events: list[CallEvent], channel: Channel) -> list[ScoredUtterance]:
    return [event for event in events if isinstance(event, ScoredUtterance) and event.channel is channel]


def upset(*changes: tuple[float, str], total_s: float = 130.0) -> list[MediaEvent]:
    """Return a caller who shouts without an end, and what the caller says about consent when."""
    call = call_of("call-1", Channel.CALLER)
    events = media(call, {Channel.CALLER: talk(*range(1, int(total_s) - 2, 3), total_s=total_s, level=0.99)}, step=1600)
    for at_s, consent in changes:
        events.insert(1 + round(at_s / 0.2), ConsentChanged(call_id="call-1", consent=consent))
    return events


def analysed(events: list[MediaEvent], *, analysis: AnalysisConfig | None = None) -> list[CallEvent]:
    return list(analyze_call(events, models=models(), config=analysis or AnalysisConfig()))


@pytest.mark.parametrize("consent", ["none", "withdrawn", "what?"])
def test_without_a_basis_there_is_text_and_nothing_out_of_the_voice(consent: str) -> None:
    scorer = FakeScorer()
    events = events_of(consent, scorer=scorer)
    caller = utterances_in(events, Channel.CALLER)
    assert len(caller) == len(STARTS_S)
    assert [one.score for one in caller] == [None] * 5
    assert all(one.transcript is not None and one.transcript.text for one in caller)
    assert scorer.updates == [], "no baseline of the caller either"
    assert not any(isinstance(event, Episode) for event in events)
    assert isinstance(events[-1], CallSummary)
    assert events[-1].coverage.ratio == 1.0, "what was not allowed is not missing"


@pytest.mark.parametrize(("consent", "basis"), [(None, Basis.OPERATOR_SETTING), ("yes", Basis.EXPLICIT)])
def test_with_a_basis_the_voice_is_scored_and_the_events_name_it(consent: str | None, basis: Basis) -> None:
    events = events_of(consent)
    assert all(one.score is not None for one in utterances_in(events, Channel.CALLER))
    assert all(one.score is None for one in utterances_in(events, Channel.AGENT))
    started, summary = events[0], events[-1]
    assert isinstance(started, CallStarted)
    assert isinstance(summary, CallSummary)
    assert started.call.basis is summary.call.basis is basis


class Reader:
    """Finds a request and frustration in everything."""

    def read(self, transcript: Transcript) -> tuple[HumanRequest, Frustration]:
        return HumanRequest(kind="human", rule="all", quote="x"), Frustration(prob=0.9, words=(), model_id="fake")


@pytest.mark.parametrize(
    ("without_basis", "read"), [(Scope.WORDS, True), (Scope.TRANSCRIPT_ONLY, False), (Scope.NOTHING, None)]
)
def test_words_are_read_only_where_that_is_allowed(without_basis: Scope, read: bool | None) -> None:
    config = AnalysisConfig(consent=ConsentConfig(without_basis=without_basis))
    call = replace(call_of("call-1", *BOTH), consent="none")
    events = list(analyze_call(media(call, TRACKS), models=models(words=Reader()), config=config))
    caller = utterances_in(events, Channel.CALLER)
    assert {one.human_request is not None for one in caller} == ({read} if read is not None else set())
    assert {one.frustration is not None for one in caller} == ({read} if read is not None else set())
    assert {one.score for one in caller} <= {None}
    opened = [event for event in events if isinstance(event, Episode)]
    assert bool(opened) is bool(read)
    assert all(event.peak is None for event in opened), "nothing of the voice"


def test_the_model_is_not_asked_for_more_than_is_allowed() -> None:
    class Watched(FakeTranscriber):
        def recognize(
            self,
            utterance: Utterance,
            *,
            language: str | None,
            choose_language: Callable[[Mapping[str, float]], str | None] | None = None,
            transcribe: bool = True,
            embed: bool = True,
            word_times: bool = False,
        ) -> Recognition:
            assert transcribe, "an encoder pass for an embedding that nobody may use"
            return super().recognize(utterance, language=language, choose_language=choose_language, embed=embed)

    call = replace(call_of("call-1", *BOTH), consent="none")
    pool, told, observer = pool_of(PoolConfig(workers=1, tick_s=0.01, shed_agent_text_s=0.11, shed_caller_text_s=0.31))
    run(pool, models(transcriber=Watched()), [media(call, TRACKS)])
    assert observer.failures == []
    assert {one.score for one in told.utterances("call-1", Channel.CALLER)} == {None}


def test_nothing_at_all_is_nothing_at_all() -> None:
    transcriber = FakeTranscriber()
    call = replace(call_of("call-1", *BOTH), consent="none")
    events = list(analyze_call(media(call, TRACKS), models=models(transcriber=transcriber), config=NOTHING))
    assert [type(event) for event in events] == [CallStarted, CallSummary]
    assert transcriber.heard == []
    assert isinstance(events[-1], CallSummary)
    assert events[-1].duration_s == pytest.approx(22.0)


def test_a_queue_may_be_stricter() -> None:
    config = AnalysisConfig(consent=ConsentConfig(queues={"debt": QueueConsent(when_unknown=Scope.NOTHING)}))
    call = replace(call_of("call-1", *BOTH), queue="debt")
    assert len(list(analyze_call(media(call, TRACKS), models=models(), config=config))) == 2


def test_a_withdrawal_closes_the_episode_without_telling_what_was_found() -> None:
    events = analysed(upset((100.0, "withdrawn")))
    at = next(n for n, event in enumerate(events) if isinstance(event, ConsentApplied))
    applied, closed = events[at], events[at + 1]
    assert isinstance(applied, ConsentApplied)
    assert (applied.call.basis, applied.scope, applied.erases) == (
        Basis.WITHDRAWN,
        Scope.TRANSCRIPT_ONLY,
        Erasure.ACOUSTICS,
    )
    assert applied.at_s == pytest.approx(100.0, abs=0.3)
    assert any(isinstance(event, Episode) and event.state is EpisodeState.OPENED for event in events[:at])
    assert isinstance(closed, Episode)
    assert (closed.state, closed.closed_by) == (EpisodeState.CLOSED, ClosedBy.CONSENT)
    assert (closed.peak, closed.mean) == (None, None)
    assert (closed.evidence.utterances, closed.evidence.stressed_speech_s) == ((), 0.0)
    later = [event for event in events[at + 2 :] if isinstance(event, ScoredUtterance)]
    assert len(later) > 5
    assert {one.score for one in later} == {None}
    assert not any(isinstance(event, Episode) for event in events[at + 2 :])


def test_what_closes_an_episode_is_said() -> None:
    episodes = [event for event in analysed(upset()) if isinstance(event, Episode)]
    assert [(one.state, one.closed_by) for one in episodes] == [
        (EpisodeState.OPENED, None),
        (EpisodeState.CLOSED, ClosedBy.CALL_END),
    ]


def test_a_withdrawal_reaches_back_to_what_waits_and_a_yes_does_not() -> None:
    analysis = AnalysisConfig()
    for consent, early, late in (("withdrawn", False, False), ("yes", False, True)):
        call = replace(call_of("call-1", Channel.CALLER), consent=None if consent == "withdrawn" else "none")
        pool, told, observer = pool_of(analysis=analysis)
        events = media(call, {Channel.CALLER: CALLER})
        middle = len(events) // 2
        push(pool, events[:middle])
        live = pool._calls["call-1"]
        shared = models()
        pool._hear_all(shared)
        assert len(live.waiting) == 2
        assert pool.change_consent("call-1", consent) is not None
        pool.equip(shared)
        push(pool, events[middle:])
        assert pool.drain(ALL_S)
        assert pool.stop()
        scores = [one.score is not None for one in told.utterances("call-1", Channel.CALLER)]
        assert scores[:2] == [early] * 2
        assert scores[-1] is late
        assert observer.failures == []


def test_a_yes_in_mid_call_begins_with_what_is_said_after_it() -> None:
    events = analysed(upset((0.0, "none"), (30.0, "yes"), total_s=60.0))
    scored = [one.score is not None for one in utterances_in(events, Channel.CALLER) if one.start_s >= 30.0]
    silent = [one.score is not None for one in utterances_in(events, Channel.CALLER) if one.start_s < 29.8]
    assert scored
    assert all(scored)
    assert silent
    assert not any(silent)


def test_after_a_withdrawal_and_a_new_yes_the_episodes_go_on_counting() -> None:
    events = analysed(upset((100.0, "withdrawn"), (102.0, "yes"), total_s=260.0))
    opened = [event.index for event in events if isinstance(event, Episode) and event.state is EpisodeState.OPENED]
    assert opened == [0, 1], "an id of its own: a receiver would take a second 0 for the first one sent again"


def test_nothing_after_a_withdrawal_comes_from_before_it() -> None:
    events = analysed(upset((50.0, "withdrawn"), (80.0, "yes"), total_s=110.0), analysis=NOTHING)
    heard = [one.start_s for one in utterances_in(events, Channel.CALLER)]
    assert not [start_s for start_s in heard if 50.0 < start_s < 80.0]
    assert max(heard) > 100.0


def test_a_live_call_obeys_while_its_workers_are_busy_elsewhere() -> None:
    """The withdrawal is applied before any other work that waits: the next free worker takes it."""
    held = threading.Semaphore(0)
    begun = threading.Semaphore(0)

    class Slow(FakeTranscriber):
        def recognize(
            self,
            utterance: Utterance,
            *,
            language: str | None,
            choose_language: Callable[[Mapping[str, float]], str | None] | None = None,
            transcribe: bool = True,
            embed: bool = True,
            word_times: bool = False,
        ) -> Recognition:
            begun.release()
            assert held.acquire(timeout=ALL_S)
            return super().recognize(utterance, language=language, transcribe=transcribe, embed=embed)

        def alike(self, utterance: Utterance) -> int:
            return id(utterance)

    told = Told()
    fields = {name: getattr(PATIENT, name) for name in PATIENT.__slots__}
    pool = CallPool(
        config=PoolConfig(**(fields | {"workers": 1})),
        analysis=AnalysisConfig(),
        deliver=told,
        observer=pool_of()[2],
    )
    push(pool, media(call_of("call-1", Channel.CALLER), {Channel.CALLER: CALLER}))
    for number in range(3):
        push(pool, media(call_of(f"other-{number}", Channel.CALLER), {Channel.CALLER: AGENT}))
    pool.equip(models(transcriber=Slow()))
    assert begun.acquire(timeout=ALL_S)
    assert pool.change_consent("call-1", "withdrawn") is not None
    held.release()
    assert begun.acquire(timeout=ALL_S), "the second utterance is begun when the withdrawal is through"
    assert any(isinstance(event, ConsentApplied) for event in told.events["call-1"])
    held.release(100)
    assert pool.drain(ALL_S)
    assert pool.stop()
    after = [type(event) for event in told.events["call-1"]]
    scored = [one.score is not None for one in told.utterances("call-1", Channel.CALLER)]
    assert after.count(ConsentApplied) == 1
    assert sum(scored) <= 1
    assert told.summary("call-1").call.consent == "withdrawn"


def test_a_call_that_is_not_there_cannot_change_its_mind() -> None:
    pool, _, _ = pool_of()
    assert pool.change_consent("nobody", "withdrawn") is None

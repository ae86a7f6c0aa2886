"""The live board: what stands on it after what calls tell, from any thread, within bounds."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.events.calls import make_call, make_episode, make_reroute, make_summary, make_utterance
from voicepipe.types import (
    Basis,
    Call,
    CallStarted,
    Channel,
    ConsentApplied,
    Coverage,
    EpisodeState,
    Erasure,
    Reason,
    Scope,
    ScoredUtterance,
)
from voicepipe.web.board import TREND_S, LiveBoard

NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def board(clock: Clock) -> LiveBoard:
    return LiveBoard(clock=clock, linger_s=5.0)


def call_of(call_id: str, queue: str | None = "billing") -> Call:
    return replace(make_call(call_id), queue=queue, started_at=NOW - timedelta(seconds=60))


def begin(board: LiveBoard, *call_ids: str, queue: str | None = "billing") -> None:
    for call_id in call_ids:
        board.on_call_event(CallStarted(call=call_of(call_id, queue)))


def consent(call_id: str, *, scope: Scope, erases: Erasure) -> ConsentApplied:
    call = replace(call_of(call_id), consent="withdrawn", basis=Basis.WITHDRAWN)
    return ConsentApplied(call=call, at_s=20.0, scope=scope, erases=erases)


def ids(board: LiveBoard) -> list[str]:
    return [call.call_id for call in board.calls()]


def test_who_needs_help_comes_first(board: LiveBoard) -> None:
    begin(board, "calm", "upset", "worse", "unheard")
    for call_id, stress in (("calm", 0.1), ("upset", 0.6), ("worse", 0.9)):
        board.on_call_event(make_utterance(0, call_id=call_id, stress=stress))
    assert ids(board) == ["worse", "upset", "calm", "unheard"]
    board.on_call_event(make_episode(call_id="calm"))
    assert ids(board)[0] == "calm", "an open episode goes before all"
    board.on_call_event(make_episode(EpisodeState.CLOSED, call_id="calm", at_s=50.0))
    assert ids(board)[0] == "worse"


def test_a_call_is_shown_as_it_stands(board: LiveBoard) -> None:
    begin(board, "a")
    board.on_call_event(make_utterance(0, call_id="a", start_s=1.0, stress=0.2))
    board.on_call_event(make_utterance(0, call_id="a", channel=Channel.AGENT, start_s=5.0))
    board.on_call_event(make_utterance(1, call_id="a", start_s=10.0, stress=0.8))
    board.on_call_event(make_episode(call_id="a"))
    (call,) = board.calls()
    assert call.points == ((4.0, 0.2), (13.0, 0.8))
    assert call.latest == 0.8
    assert call.stress is not None
    assert 0.5 < call.stress < 0.8, "the later utterance counts more, the earlier one still counts"
    assert (call.language, call.n_utterances, call.heard_s, call.now_s) == ("en", 3, 13.0, 60.0)
    assert call.episode == make_episode(call_id="a")
    assert call.alert_id == str(make_reroute(call_id="a").event_id)
    assert call.coverage == Coverage(speech_s=9.0)
    assert [one.index for one in board.utterances("a")] == [0, 0, 1]
    assert board.episodes("a") == (make_episode(call_id="a"),)
    assert board.call("b") is None
    assert (board.utterances("b"), board.episodes("b")) == ((), ())


def test_a_request_for_a_human_stays_open_when_a_later_episode_calms(board: LiveBoard) -> None:
    begin(board, "a")
    board.on_call_event(request := make_episode(call_id="a", reasons=(Reason.HUMAN_REQUESTED,)))
    board.on_call_event(stress := make_episode(call_id="a", index=1))
    (call,) = board.calls()
    assert (call.episode, call.alert_id) == (stress, str(make_reroute(call_id="a", index=1).event_id))
    board.on_call_event(make_episode(EpisodeState.CLOSED, call_id="a", index=1, at_s=50.0))
    (call,) = board.calls()
    assert (call.episode, call.alert_id) == (request, str(make_reroute(call_id="a").event_id))
    assert (call.episodes, board.counts()) == (2, (1, 1))
    board.on_call_event(make_episode(EpisodeState.CLOSED, call_id="a", at_s=60.0))
    (call,) = board.calls()
    assert (call.episode, board.counts()) == (None, (1, 0))
    assert call.alert_id == str(make_reroute(call_id="a", index=1).event_id), "of the last one"


def test_the_line_reaches_back_two_minutes(board: LiveBoard, clock: Clock) -> None:
    begin(board, "a")
    for index in range(100):
        board.on_call_event(make_utterance(index, call_id="a", start_s=4.0 * index))
    clock.now = NOW + timedelta(seconds=343)
    (call,) = board.calls()
    assert call.points[-1][0] == 399.0
    assert call.points[0][0] >= call.now_s - TREND_S
    clock.now += timedelta(seconds=300)
    (call,) = board.calls()
    assert call.points == (), "a caller who is silent has no line, and keeps the last known stress"
    assert call.stress == pytest.approx(0.9)


def test_what_was_shed_is_counted_as_the_pipeline_does(clock: Clock) -> None:
    def utterance(channel: Channel, *, text: bool = True, embedding: bool = True) -> ScoredUtterance:
        made = make_utterance(0, call_id="a", channel=channel)
        score = made.score and replace(made.score, with_embedding=embedding)
        return replace(made, transcript=made.transcript if text else None, score=score)

    for transcribe_agent, agent_lost in ((True, 3.0), (False, 0.0)):
        board = LiveBoard(clock=clock, transcribe_agent=transcribe_agent)
        begin(board, "a")
        board.on_call_event(utterance(Channel.CALLER))
        board.on_call_event(utterance(Channel.CALLER, text=False, embedding=False))
        board.on_call_event(utterance(Channel.AGENT, text=False))
        shed_s = {"caller_transcript": 3.0, "embedding": 3.0} | ({"agent_transcript": 3.0} if agent_lost else {})
        (call,) = board.calls()
        assert call.coverage == Coverage(speech_s=9.0, shed_s=shed_s)


def test_audio_that_came_late_is_known_from_the_episode(board: LiveBoard) -> None:
    begin(board, "a")
    board.on_call_event(make_utterance(0, call_id="a"))
    late = Coverage(speech_s=3.0, shed_s={"late_audio": 3.0})
    board.on_call_event(replace(make_episode(call_id="a"), coverage=late))
    assert board.calls()[0].coverage == late


def test_a_call_that_ended_lingers_and_leaves(board: LiveBoard, clock: Clock) -> None:
    begin(board, "a", "b")
    board.on_call_event(make_utterance(0, call_id="a"))
    version = board.version
    board.on_call_event(make_summary("a"))
    (other, ended) = board.calls()
    assert (other.call_id, ended.ended, ended.now_s, ended.coverage.speech_s) == ("b", make_summary("a"), 62.5, 40.0)
    clock.now += timedelta(seconds=5)
    assert ids(board) == ["b"]
    changes = board.changes(version)
    assert changes is not None
    assert changes.gone == ("a",)


def test_calls_that_ended_leave_though_nobody_looks(board: LiveBoard, clock: Clock) -> None:
    begin(board, "over")
    board.on_call_event(make_utterance(0, call_id="over"))
    board.on_call_event(make_summary(call_id="over"))
    clock.now = NOW + timedelta(seconds=6)
    begin(board, "next")
    assert board.utterances("over") == ()
    assert board.call("over") is None


@pytest.mark.parametrize(
    ("scope", "erases"),
    [(Scope.NOTHING, Erasure.NOTHING), (Scope.NOTHING, Erasure.ACOUSTICS), (Scope.NOTHING, Erasure.EVERYTHING)],
)
def test_who_takes_the_consent_back_leaves_at_once(board: LiveBoard, scope: Scope, erases: Erasure) -> None:
    begin(board, "a", "b")
    board.on_call_event(make_episode(call_id="a"))
    version = board.version
    board.on_call_event(consent("a", scope=scope, erases=erases))
    assert ids(board) == ["b"]
    changes = board.changes(version)
    assert changes is not None
    assert (changes.calls, changes.gone) == ((), ("a",))
    board.on_call_event(make_summary("a"))
    assert ids(board) == ["b"], "the end of it does not bring it back"


def test_without_consent_to_the_voice_only_the_words_stay(board: LiveBoard) -> None:
    begin(board, "a")
    board.on_call_event(make_utterance(0, call_id="a"))
    board.on_call_event(make_episode(call_id="a"))
    board.on_call_event(consent("a", scope=Scope.TRANSCRIPT_ONLY, erases=Erasure.ACOUSTICS))
    (call,) = board.calls()
    assert (call.stress, call.points, call.episode, call.episodes, call.alert_id) == (None, (), None, 0, None)
    assert call.scope is Scope.TRANSCRIPT_ONLY
    (utterance,) = board.utterances("a")
    assert utterance.score is None
    assert utterance.transcript is not None


def test_a_caller_who_refused_from_the_start_is_there_and_unheard(board: LiveBoard) -> None:
    board.on_call_event(CallStarted(call=replace(call_of("a"), basis=Basis.NONE)))
    assert board.calls()[0].scope is Scope.NOTHING


def test_who_agrees_again_comes_back(board: LiveBoard) -> None:
    begin(board, "a")
    board.on_call_event(consent("a", scope=Scope.NOTHING, erases=Erasure.EVERYTHING))
    board.on_call_event(consent("a", scope=Scope.ALL, erases=Erasure.NOTHING))
    board.on_call_event(make_utterance(0, call_id="a"))
    assert board.calls()[0].n_utterances == 1


def test_everybody_sees_their_own_queues(board: LiveBoard, clock: Clock) -> None:
    begin(board, "a", queue="billing")
    begin(board, "b", queue="claims")
    begin(board, "c", queue=None)
    version = board.version
    assert [call.call_id for call in board.calls({"claims"})] == ["b"]
    assert board.calls(()) == ()
    for call_id in "abc":
        board.on_call_event(make_utterance(0, call_id=call_id))
    changes = board.changes(version, queues={"claims"})
    assert changes is not None
    assert [call.call_id for call in changes.calls] == ["b"]
    for call_id in "abc":
        board.on_call_event(replace(make_summary(call_id), call=call_of(call_id)))
    clock.now += timedelta(seconds=6)
    changes = board.changes(version, queues={"claims"})
    assert changes is not None
    assert changes.gone == ("b",), "not even the ids of other queues' calls"


def test_changes_are_what_has_changed(board: LiveBoard) -> None:
    begin(board, "a", "b")
    version = board.version
    changes = board.changes(version)
    assert changes is not None
    assert (changes.calls, changes.gone, changes.version) == ((), (), version)
    board.on_call_event(make_utterance(0, call_id="b"))
    changes = board.changes(version)
    assert changes is not None
    assert [call.call_id for call in changes.calls] == ["b"]
    assert board.changes(board.version + 1) is None, "a version of another life"


def test_who_was_away_for_too_long_takes_everything_anew(board: LiveBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicepipe.web.board._GONE_KEPT", 3)
    board = LiveBoard(clock=Clock(), max_calls=1)
    begin(board, "first")
    version = board.version
    begin(board, *(f"c{number}" for number in range(5)))
    assert board.changes(version) is None
    assert board.changes(board.version - 1) is not None


def test_the_board_is_bounded(board: LiveBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicepipe.web.board._MOST_UTTERANCES", 10)
    small = LiveBoard(clock=Clock(), max_calls=3)
    begin(small, "a", "b", "c")
    small.on_call_event(make_utterance(0, call_id="a"))
    begin(small, "d")
    assert sorted(ids(small)) == ["a", "c", "d"], "the one that was quiet for the longest time made room"
    for index in range(1, 30):
        small.on_call_event(make_utterance(index, call_id="a", start_s=3.0 * index))
    assert [one.index for one in small.utterances("a")] == list(range(20, 30))
    call = small.call("a")
    assert call is not None
    assert call.n_utterances == 30


def test_what_must_be_seen_at_once_wakes(board: LiveBoard) -> None:
    woken: list[int] = []
    stop = board.watch(lambda: woken.append(board.version))
    begin(board, "a")
    board.on_call_event(make_utterance(0, call_id="a"))
    assert woken == []
    board.on_call_event(make_episode(call_id="a"))
    board.on_call_event(consent("a", scope=Scope.ALL, erases=Erasure.NOTHING))
    assert len(woken) == 2
    stop()
    board.on_call_event(make_episode(call_id="a"))
    assert len(woken) == 2


def test_events_of_calls_nobody_knows_are_passed_over(board: LiveBoard) -> None:
    for event in (make_utterance(0, call_id="x"), make_episode(call_id="x"), make_summary("x")):
        board.on_call_event(event)
    assert board.calls() == ()


@given(st.lists(st.tuples(st.floats(0.0, 3600.0), st.floats(0.0, 1.0), st.floats(0.0, 15.0)), min_size=1, max_size=60))
def test_the_stress_shown_lies_between_the_scores(heard: list[tuple[float, float, float]]) -> None:
    board = LiveBoard(clock=Clock())
    begin(board, "a")
    for index, (start_s, stress, speech_s) in enumerate(heard):
        utterance = make_utterance(index, call_id="a", start_s=start_s, stress=stress)
        board.on_call_event(replace(utterance, speech_s=speech_s))
    (call,) = board.calls()
    scores = [stress for _, stress, _ in heard]
    assert call.stress is not None
    assert min(scores) - 1e-9 <= call.stress <= max(scores) + 1e-9


def test_it_is_told_and_asked_from_many_threads(clock: Clock) -> None:
    board = LiveBoard(clock=clock, max_calls=20)
    versions: list[int] = []
    halt = threading.Event()

    def tell(number: int) -> None:
        for index in range(300):
            call_id = f"{number}-{index % 7}"
            begin(board, call_id)
            board.on_call_event(make_utterance(index, call_id=call_id))
            board.on_call_event(make_summary(call_id) if index % 5 == 0 else make_episode(call_id=call_id))

    def ask() -> None:
        while not halt.is_set():
            changes = board.changes(versions[-1] if versions else 0)
            versions.append(board.version if changes is None else changes.version)

    asking = threading.Thread(target=ask)
    telling = [threading.Thread(target=tell, args=(number,)) for number in range(4)]
    asking.start()
    for thread in telling:
        thread.start()
    for thread in telling:
        thread.join()
    halt.set()
    asking.join()
    assert all(one <= other for one, other in pairwise(versions))
    assert len(board.calls()) == 20
    assert board.version == 4 * 300 * 3

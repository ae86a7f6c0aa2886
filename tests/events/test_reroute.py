import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.events.calls import (
    STARTED_AT,
    VERSIONS,
    make_call,
    make_episode,
    make_history,
    make_reroute,
    make_utterance,
)
from voicepipe.events.envelope import body_of
from voicepipe.events.reroute import RerouteConfig, RerouteEvent, build_reroute, reroute_event_id
from voicepipe.types import Channel, Coverage, EpisodeState, Reason


def test_an_opened_episode_asks_and_a_closed_one_withdraws() -> None:
    assert make_reroute(EpisodeState.OPENED).kind == "requested"
    assert make_reroute(EpisodeState.CLOSED).kind == "cleared"
    assert make_reroute(EpisodeState.OPENED).closed_s is None
    assert make_reroute(EpisodeState.CLOSED).closed_s == 25.0


def test_a_replay_gives_the_same_bytes() -> None:
    assert body_of(make_reroute()) == body_of(make_reroute())


def test_time_is_the_calls_own_clock() -> None:
    assert make_reroute(at_s=30.0).occurred_at == STARTED_AT + timedelta(seconds=30)


def test_the_evidence_is_the_named_utterances_with_plain_words_and_quotes() -> None:
    event = make_reroute()
    assert [utterance.index for utterance in event.evidence.utterances] == [1, 2]
    assert event.evidence.utterances[1].quote == "Nobody listens to me"
    assert event.evidence.utterances[0].deviations[0].text == "pitch 4.1 semitones above normal"


def test_what_could_not_be_measured_is_left_out() -> None:
    names = {deviation.name for item in make_reroute().evidence.utterances for deviation in item.deviations}
    assert names == {"f0_median_st"}


def test_agent_speech_is_in_the_handoff_and_never_evidence() -> None:
    event = make_reroute()
    assert Channel.AGENT in {turn.channel for turn in event.handoff.last_turns}
    assert all(utterance.stress > 0.5 for utterance in event.evidence.utterances)


def test_what_came_after_the_decision_is_not_in_the_event() -> None:
    late = make_utterance(3, start_s=100.0, stress=0.1, text="Thank you, goodbye")
    event = build_reroute(
        make_episode(utterances=(1, 2, 3)),
        call=make_call(),
        utterances=[*make_history(), late],
        coverage=Coverage(speech_s=1.0),
        versions=VERSIONS,
        config=RerouteConfig(),
    )
    assert "goodbye" not in body_of(event).decode()
    assert event.stress.now == 0.95


def test_without_quotes_no_word_of_the_call_leaves() -> None:
    event = build_reroute(
        make_episode(),
        call=make_call(),
        utterances=make_history(),
        coverage=Coverage(speech_s=1.0),
        versions=VERSIONS,
        config=RerouteConfig(quotes=False),
    )
    body = body_of(event).decode()
    assert "Nobody listens" not in body
    assert "How can I help" not in body


@pytest.mark.parametrize(
    ("mean", "reasons", "urgency"),
    [
        (0.6, (Reason.STRESS_PERSISTED,), "normal"),
        (0.8, (Reason.STRESS_PERSISTED,), "high"),
        (0.6, (Reason.STRESS_PERSISTED, Reason.HUMAN_REQUESTED), "high"),
    ],
)
def test_urgency(mean: float, reasons: tuple[Reason, ...], urgency: str) -> None:
    event = build_reroute(
        make_episode(mean=mean, reasons=reasons),
        call=make_call(),
        utterances=make_history(),
        coverage=Coverage(speech_s=1.0),
        versions=VERSIONS,
        config=RerouteConfig(),
    )
    assert event.urgency == urgency


def test_only_the_latest_evidence_and_turns_are_carried() -> None:
    history = [make_utterance(index, start_s=4.0 * index) for index in range(40)]
    event = build_reroute(
        make_episode(utterances=tuple(range(40)), at_s=500.0),
        call=make_call(),
        utterances=history,
        coverage=Coverage(speech_s=1.0),
        versions=VERSIONS,
        config=RerouteConfig(max_utterances=3, handoff_turns=2),
    )
    assert [utterance.index for utterance in event.evidence.utterances] == [37, 38, 39]
    assert [turn.start_s for turn in event.handoff.last_turns] == [152.0, 156.0]


def test_the_id_follows_from_call_channel_episode_and_kind() -> None:
    expected = reroute_event_id("call-1", channel=Channel.CALLER, episode=0, kind="requested")
    assert str(make_reroute().event_id) == expected == "6ca8b5c6-aa5e-5142-9c72-4cafbf376461"


@given(
    st.lists(st.tuples(st.text(max_size=8), st.integers(0, 3), st.sampled_from(["requested", "cleared"])), unique=True)
)
def test_different_events_have_different_ids(parts: list[tuple[str, int, str]]) -> None:
    ids = {
        reroute_event_id(call_id, channel=Channel.CALLER, episode=episode, kind=kind)  # type: ignore[arg-type]
        for call_id, episode, kind in parts
    }
    assert len(ids) == len(parts)


def test_the_body_reads_back_as_the_same_event() -> None:
    event = make_reroute()
    assert RerouteEvent.model_validate_json(body_of(event)) == event
    assert "closed_s" not in json.loads(body_of(event))

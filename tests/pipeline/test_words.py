"""What the caller says decides too: requests for a person, and what is read of whose words."""

from dataclasses import replace
from typing import Any

import pytest

from tests.fakes import FakeTranscriber
from tests.pipeline.test_call import BOTH, RATE_HZ, call_of, media, models, stream, talk
from voicepipe.consent import ConsentConfig
from voicepipe.pipeline.call import analyze_call
from voicepipe.pipeline.config import AnalysisConfig
from voicepipe.pipeline.requests import OnRequest
from voicepipe.stress.episode import EpisodeConfig
from voicepipe.types import (
    CallEvent,
    Channel,
    ClosedBy,
    Episode,
    EpisodeState,
    Frustration,
    HumanRequest,
    Reason,
    Recognition,
    Scope,
    ScoredUtterance,
    Transcript,
    Utterance,
)


class SayingTranscriber(FakeTranscriber):
    """Says the same in every utterance."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def recognize(self, utterance: Utterance, **options: object) -> Recognition:
        recognition = super().recognize(utterance, **options)  # type: ignore[arg-type]
        if recognition.transcript is None:
            return recognition
        return replace(recognition, transcript=replace(recognition.transcript, text=self._text))


class FakeWords:
    """Takes "agent please" for a request, and every "again" for frustration; remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def read(self, transcript: Transcript) -> tuple[HumanRequest | None, Frustration | None]:
        self.shown.append(transcript.text)
        asks = "agent please" in transcript.text
        request = HumanRequest(kind="human", rule="fake", quote="agent please") if asks else None
        prob = 0.9 if "again" in transcript.text else 0.02
        return request, Frustration(prob=prob, words=("again",) if prob > 0.5 else (), model_id="fake")


EAGER: dict[str, Any] = {"episode": EpisodeConfig(false_alarms_per_100_call_hours=60.0)}

TRACKS = {
    Channel.CALLER: talk(*((t, t + 2.0, 0.05) for t in range(1, 60, 6)), total_s=62.0),
    Channel.AGENT: talk(*((t, t + 2.0, 0.4) for t in range(4, 60, 6)), total_s=62.0),
}


def hear(
    text: str, *channels: Channel, config: dict[str, Any] | None = None, words: FakeWords | None = None
) -> list[CallEvent]:
    call = call_of(*(channels or BOTH))
    tracks = {channel: TRACKS.get(channel, TRACKS[Channel.CALLER]) for channel in call.channels}
    shared = models(transcriber=SayingTranscriber(text), words=words or FakeWords())
    chunks = stream(tracks, {channel: [RATE_HZ // 2] for channel in tracks})
    return list(analyze_call(media(call, chunks), models=shared, config=AnalysisConfig(**config or {})))


def episodes(events: list[CallEvent]) -> list[Episode]:
    return [event for event in events if isinstance(event, Episode)]


def test_a_request_for_a_person_is_told_at_once_and_once() -> None:
    opened, closed = episodes(hear("An agent please."))
    assert opened.state is EpisodeState.OPENED
    assert opened.reasons == (Reason.HUMAN_REQUESTED,)
    assert opened.at_s < 5.0
    assert opened.evidence.utterances == (0,)
    assert opened.coverage is not None
    assert closed.state is EpisodeState.CLOSED
    assert closed.index == opened.index
    assert closed.closed_by is ClosedBy.CALL_END
    assert len(closed.evidence.utterances) == 10


@pytest.mark.parametrize("on_request", [OnRequest.OFF, OnRequest.EVIDENCE])
def test_where_the_setting_says_so_a_request_does_not_reroute_by_itself(on_request: OnRequest) -> None:
    events = hear("An agent please.", config={"human_requests": on_request})
    assert not [one for one in episodes(events) if Reason.HUMAN_REQUESTED in one.reasons]
    said = [event for event in events if isinstance(event, ScoredUtterance) and event.channel is Channel.CALLER]
    assert all(one.human_request is not None for one in said)


def test_requests_count_as_evidence_unless_they_are_off() -> None:
    counted = episodes(hear("An agent please.", config=EAGER | {"human_requests": OnRequest.EVIDENCE}))
    assert [one.reasons for one in counted[:1]] == [(Reason.STRESS_PERSISTED,)]
    assert not episodes(hear("An agent please.", config=EAGER | {"human_requests": OnRequest.OFF}))


def test_on_a_mixed_track_a_request_may_be_the_agents_and_does_not_reroute_at_once() -> None:
    assert not [one for one in episodes(hear("An agent please.", Channel.MIXED)) if one.at_s < 10.0]


def test_the_words_of_the_agent_are_never_read() -> None:
    words = FakeWords()
    events = hear("An agent please, again.", Channel.AGENT, words=words)
    assert not words.shown
    agent = [event for event in events if isinstance(event, ScoredUtterance)]
    assert agent
    assert all(one.human_request is None and one.frustration is None for one in agent)
    both = hear("An agent please, again.", words=words)
    assert len(words.shown) == sum(
        isinstance(event, ScoredUtterance) and event.channel is Channel.CALLER for event in both
    )


def test_words_are_read_only_after_private_data_is_masked() -> None:
    words = FakeWords()
    events = hear("My card number is 4111 1111 1111 1111, again.", words=words)
    assert words.shown
    assert not any("4111" in text for text in words.shown)
    assert "4111" not in repr(events)


def test_episodes_of_a_call_are_numbered_through() -> None:
    found = episodes(hear("An agent please, I say it again and again.", config=EAGER))
    opened = [one for one in found if one.state is EpisodeState.OPENED]
    assert {one.reasons for one in opened} == {(Reason.HUMAN_REQUESTED,), (Reason.STRESS_PERSISTED,)}
    assert len({one.index for one in opened}) == len(opened)
    closed = {one.index: one.reasons for one in found if one.state is EpisodeState.CLOSED}
    assert closed == {one.index: one.reasons for one in opened}


@pytest.mark.parametrize("scope", [Scope.TRANSCRIPT_ONLY, Scope.WORDS])
def test_without_consent_words_are_written_down_and_read_only_where_that_is_allowed(scope: Scope) -> None:
    words = FakeWords()
    events = hear("An agent please.", config={"consent": ConsentConfig(when_unknown=scope)}, words=words)
    said = [event for event in events if isinstance(event, ScoredUtterance)]
    assert said
    assert all(one.transcript is not None and one.score is None for one in said)
    assert bool(words.shown) is (scope is Scope.WORDS)
    assert bool(episodes(events)) is (scope is Scope.WORDS)

"""A call that ends in a reroute, made by hand, for the tests of this room."""

from datetime import UTC, datetime

from voicepipe.events.calls import build_call_ended, build_call_started
from voicepipe.events.envelope import Message, message_of
from voicepipe.events.reroute import RerouteConfig, RerouteEvent, Versions, build_reroute
from voicepipe.types import (
    Call,
    CallSummary,
    Channel,
    Coverage,
    Episode,
    EpisodeEvidence,
    EpisodeState,
    FeatureDeviation,
    Reason,
    Roles,
    ScoredUtterance,
    StressScore,
    Transcript,
)

VERSIONS = Versions(code="0.1.0", model="stress-4", config="0123456789ab", transcriber="whisper-base-int8")
STARTED_AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def make_call(call_id: str = "call-1") -> Call:
    return Call(
        call_id=call_id,
        started_at=STARTED_AT,
        gateway="file",
        channels=(Channel.CALLER, Channel.AGENT),
        roles=Roles.GIVEN,
        agent_id="agent-7",
        queue="billing",
        consent="ivr-2026-03",
    )


def make_utterance(
    index: int,
    *,
    call_id: str = "call-1",
    channel: Channel = Channel.CALLER,
    start_s: float = 0.0,
    stress: float = 0.9,
    text: str = "I have told you this three times",
) -> ScoredUtterance:
    deviations = (
        FeatureDeviation(
            name="f0_median_st", value=4.1, unit="st", deviation=4.1, text="pitch 4.1 semitones above normal"
        ),
        FeatureDeviation(
            name="jitter_pct", value=float("nan"), unit="%", deviation=float("nan"), text="not measurable"
        ),
    )
    score = StressScore(
        stress=stress,
        arousal=0.7,
        valence=-0.6,
        emotions={"anger": stress, "neutral": 1.0 - stress},
        confidence=0.8,
        model_id="stress-4",
        baseline_ready=True,
        top_features=deviations,
    )
    return ScoredUtterance(
        call_id=call_id,
        channel=channel,
        index=index,
        start_s=start_s,
        end_s=start_s + 3.0,
        decided_s=start_s + 3.5,
        speech_s=2.8,
        transcript=Transcript(text=text, language="en"),
        score=None if channel is Channel.AGENT else score,
    )


def make_episode(
    state: EpisodeState = EpisodeState.OPENED,
    *,
    call_id: str = "call-1",
    index: int = 0,
    at_s: float = 30.0,
    utterances: tuple[int, ...] = (1, 2),
    mean: float = 0.85,
    reasons: tuple[Reason, ...] = (Reason.STRESS_PERSISTED,),
) -> Episode:
    return Episode(
        call_id=call_id,
        channel=Channel.CALLER,
        index=index,
        state=state,
        opened_s=5.0,
        closed_s=None if state is EpisodeState.OPENED else 25.0,
        at_s=at_s,
        peak=0.95,
        mean=mean,
        reasons=reasons,
        evidence=EpisodeEvidence(
            log_e=9.2,
            log_e_threshold=8.5,
            false_alarms_per_100_call_hours=1.0,
            stressed_speech_s=18.0,
            utterances=utterances,
        ),
    )


def make_history(call_id: str = "call-1") -> list[ScoredUtterance]:
    return [
        make_utterance(0, call_id=call_id, start_s=0.0, stress=0.2, text="Hello"),
        make_utterance(0, call_id=call_id, channel=Channel.AGENT, start_s=4.0, text="How can I help you?"),
        make_utterance(1, call_id=call_id, start_s=8.0, stress=0.9),
        make_utterance(2, call_id=call_id, start_s=14.0, stress=0.95, text="Nobody listens to me"),
    ]


def make_reroute(
    state: EpisodeState = EpisodeState.OPENED, *, call_id: str = "call-1", index: int = 0, at_s: float = 30.0
) -> RerouteEvent:
    return build_reroute(
        make_episode(state, call_id=call_id, index=index, at_s=at_s),
        call=make_call(call_id),
        utterances=make_history(call_id),
        coverage=Coverage(speech_s=40.0, shed_s={"agent_transcript": 4.0}),
        versions=VERSIONS,
        config=RerouteConfig(),
    )


def make_summary(call_id: str = "call-1") -> CallSummary:
    return CallSummary(
        call=make_call(call_id), duration_s=62.5, language="en", coverage=Coverage(speech_s=40.0), reason="end"
    )


def make_messages(call_id: str = "call-1") -> list[Message]:
    """Return started, requested, cleared, ended of one call, in order."""
    return [
        message_of(build_call_started(make_call(call_id))),
        message_of(make_reroute(call_id=call_id)),
        message_of(make_reroute(EpisodeState.CLOSED, call_id=call_id, at_s=50.0)),
        message_of(build_call_ended(make_summary(call_id))),
    ]

"""Calls as the API tells them: those in progress, as the live view shows them, and one with its whole story."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from voicepipe.conversation.call import Conversation
from voicepipe.conversation.note import Handoff
from voicepipe.events.inquiries import KeptEpisode
from voicepipe.types import Channel, FeatureDeviation, Reason, Scope, ScoredUtterance
from voicepipe.web.api_types import ApiModel, Seconds, Share, Text, rounded
from voicepipe.web.board import LiveCall
from voicepipe.web.story import Story
from voicepipe.web.wording import Level, level_of


class CallsQuery(ApiModel):
    """Which calls in progress."""

    queue: Text | None = Field(default=None, description="Only calls of this queue.")
    agent_id: Text | None = Field(default=None, description="Only calls of this agent.")
    language: Text | None = Field(default=None, description="Only calls in this language, ISO 639-1.")


class OpenEpisode(ApiModel):
    """Stress that persists now."""

    opened_s: Seconds = Field(description="Offset in the call of the first utterance that carried evidence.")
    alert_id: str | None = Field(description="Id of the alert.")
    reasons: tuple[Reason, ...]


class CallInProgress(ApiModel):
    """One call in progress as the live view shows it."""

    call_id: str
    queue: str | None
    agent_id: str | None
    language: str | None = Field(description="ISO 639-1 code, as given or as heard so far.")
    started_at: datetime
    duration_s: Seconds
    ended: bool = Field(description="Over just now; it leaves the list within seconds.")
    stress: Share | None = Field(description="Of the caller now, smoothed; null before the first score.")
    level: Level
    trend: tuple[tuple[float, float], ...] = Field(
        description="Offset in the call in seconds, and stress, of the caller's utterances of the last two minutes."
    )
    coverage: Share = Field(description="Share of the speech whose analysis was complete.")
    episode: OpenEpisode | None = Field(description="Null where no stress persists now.")
    episodes: int = Field(ge=0, description="How many there have been, the open one included.")
    scope: Scope | None = Field(description="What may be analysed, once the caller's consent has changed that.")

    @classmethod
    def of(cls, live: LiveCall) -> "CallInProgress":
        """Return a call of the board."""
        episode = live.episode
        return cls(
            call_id=live.call_id,
            queue=live.queue,
            agent_id=live.call.agent_id,
            language=live.language,
            started_at=live.call.started_at,
            duration_s=round(max(0.0, live.now_s), 1),
            ended=live.ended is not None,
            stress=rounded(live.stress),
            level=level_of(live.stress),
            trend=live.points,
            coverage=round(live.coverage.ratio, 3),
            episode=OpenEpisode(opened_s=episode.opened_s, alert_id=live.alert_id, reasons=episode.reasons)
            if episode is not None
            else None,
            episodes=live.episodes,
            scope=live.scope,
        )


class CallsInProgress(ApiModel):
    """The calls in progress, those that need help first."""

    now: datetime
    calls: tuple[CallInProgress, ...]


class CallsNews(ApiModel):
    """What the stream tells of the calls in progress."""

    now: datetime
    version: int = Field(description="Grows with every change.")
    all: bool = Field(description="Whether these are all calls; else only those that changed.")
    calls: tuple[CallInProgress, ...]
    gone: tuple[str, ...] = Field(description="Ids of calls that left the list.")


class CallNews(ApiModel):
    """That the call asked for has changed, or one of its alerts."""

    now: datetime
    call_id: str
    version: int = Field(description="Of the call; -1 where it is not in progress.")


class Deviation(ApiModel):
    """How far one property of the caller's voice lay from this caller's own normal."""

    name: str
    deviation: float | None = Field(description="In the unit; null where it is not kept.")
    unit: str
    text: str = Field(description="In plain English.")

    @classmethod
    def of(cls, feature: FeatureDeviation) -> "Deviation":
        """Return a deviation."""
        is_kept = feature.deviation == feature.deviation  # NaN is not equal to itself
        return cls(
            name=feature.name,
            deviation=round(feature.deviation, 4) if is_kept else None,
            unit=feature.unit,
            text=feature.text,
        )


class Said(ApiModel):
    """One utterance; of the agent only when and what, never how."""

    channel: Channel
    index: int = Field(ge=0, description="Of the channel's utterances.")
    start_s: Seconds
    end_s: Seconds
    text: str | None = Field(description="Private data replaced by marks; null where it was not transcribed.")
    language: str | None
    stress: Share | None
    confidence: Share | None
    deviations: tuple[Deviation, ...]
    human_request: str | None = Field(description="human, supervisor or complaint, where the caller asks for it.")
    frustrated_prob: Share | None = Field(description="Of the words, whatever the voice.")

    @classmethod
    def of(cls, utterance: ScoredUtterance) -> "Said":
        """Return an utterance."""
        is_agent = utterance.channel is Channel.AGENT
        score = None if is_agent else utterance.score
        said, request = utterance.transcript, None if is_agent else utterance.human_request
        frustration = None if is_agent else utterance.frustration
        return cls(
            channel=utterance.channel,
            index=utterance.index,
            start_s=round(utterance.start_s, 3),
            end_s=round(utterance.end_s, 3),
            text=None if said is None else said.text,
            language=None if said is None else said.language or None,
            stress=None if score is None else rounded(score.stress),
            confidence=None if score is None else rounded(score.confidence),
            deviations=() if score is None else tuple(Deviation.of(feature) for feature in score.top_features),
            human_request=None if request is None else request.kind,
            frustrated_prob=None if frustration is None else rounded(frustration.prob),
        )


class EpisodeOfCall(ApiModel):
    """A stretch of persistent stress."""

    opened_s: Seconds
    closed_s: Seconds | None = Field(description="Null while it goes on.")
    peak: Share | None
    mean: Share | None
    reasons: tuple[Reason, ...]

    @classmethod
    def of(cls, episode: KeptEpisode) -> "EpisodeOfCall":
        """Return an episode."""
        return cls(
            opened_s=episode.opened_s,
            closed_s=episode.closed_s,
            peak=rounded(episode.peak),
            mean=rounded(episode.mean),
            reasons=episode.reasons,
        )


class HandoffNote(ApiModel):
    """What the next agent needs, in quotes of the redacted transcript, so that the caller repeats nothing."""

    text: str = Field(description="All of it, 120 words at most; labels in the language of Accept-Language.")
    wants: tuple[str, ...]
    tried: tuple[str, ...]
    promised: tuple[str, ...]
    amounts: tuple[str, ...]
    open_question: str | None
    mood: Literal["rising", "falling", "steady"] | None = Field(description="Where the caller's stress goes.")

    @classmethod
    def of(cls, handoff: Handoff, *, language: str) -> "HandoffNote":
        """Return a handoff with its labels in a language."""
        return cls(
            text=handoff.to_text(language),
            wants=tuple(quote.text for quote in handoff.wants),
            tried=tuple(quote.text for quote in handoff.tried),
            promised=tuple(quote.text for quote in handoff.promises),
            amounts=tuple(quote.text for quote in handoff.amounts),
            open_question=None if handoff.question is None else handoff.question.text,
            mood=None if handoff.mood is None else handoff.mood.direction,
        )


class Measures(ApiModel):
    """The conversation in figures; null where it could not be measured."""

    agent_talk_ratio: Share | None = Field(description="The agent's share of all talk.")
    overlap_s: Seconds | None = Field(description="Both spoke.")
    silence_s: Seconds | None = Field(description="Nobody spoke for long.")
    interruptions: int | None
    stress_mean: Share | None = Field(description="Of the caller, weighted by speech.")
    stress_peak: Share | None
    stress_direction: Literal["rising", "falling", "steady"] | None

    @classmethod
    def of(cls, conversation: Conversation) -> "Measures":
        """Return the figures of a conversation."""
        turns, stress = conversation.turns, conversation.stress
        return cls(
            agent_talk_ratio=rounded(turns.agent_talk_ratio),
            overlap_s=rounded(turns.overlap_s),
            silence_s=rounded(turns.silence_s),
            interruptions=None if turns.interruptions is None else len(turns.interruptions),
            stress_mean=rounded(stress.mean),
            stress_peak=rounded(stress.peak),
            stress_direction=stress.direction,
        )


class CallStory(ApiModel):
    """One call, in progress or past."""

    call_id: str
    queue: str | None
    agent_id: str | None
    language: str | None
    started_at: datetime
    is_live: bool
    length_s: Seconds = Field(description="Of the call, or of the call so far.")
    coverage: Share | None
    episodes: tuple[EpisodeOfCall, ...]
    utterances: tuple[Said, ...] = Field(description="In order of time.")
    handoff: HandoffNote
    measures: Measures

    @classmethod
    def of(cls, story: Story, conversation: Conversation, *, language: str) -> "CallStory":
        """Return a story with its measures, labels in a language."""
        return cls(
            call_id=story.call.call_id,
            queue=story.call.queue,
            agent_id=story.call.agent_id,
            language=story.language,
            started_at=story.call.started_at,
            is_live=story.is_live,
            length_s=round(story.length_s, 3),
            coverage=rounded(story.coverage),
            episodes=tuple(EpisodeOfCall.of(episode) for episode in story.episodes),
            utterances=tuple(Said.of(utterance) for utterance in story.utterances),
            handoff=HandoffNote.of(conversation.handoff, language=language),
            measures=Measures.of(conversation),
        )

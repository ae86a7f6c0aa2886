"""What the API takes and returns: version 1, to which fields may be added and from which none go away."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from voicepipe.conversation.call import Conversation
from voicepipe.conversation.note import Handoff
from voicepipe.events.audit import AuditEntry
from voicepipe.events.feedback import Feedback, Verdict
from voicepipe.events.handling import Handling
from voicepipe.events.inquiries import KeptEpisode
from voicepipe.events.reroute import RerouteEvent
from voicepipe.types import Channel, FeatureDeviation, Reason, ScoredUtterance
from voicepipe.web.alert_card import AlertCard
from voicepipe.web.board import LiveCall
from voicepipe.web.drift import Drift
from voicepipe.web.frame import Visit
from voicepipe.web.people import Permission, Role
from voicepipe.web.quality import AlertQuality
from voicepipe.web.story import Story
from voicepipe.web.wording import level_of

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Seconds = Annotated[float, Field(ge=0.0)]
Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A value to filter by: no control characters."""


def _written_out(value: object) -> object:
    """Take a time only as RFC 3339 writes it: pydantic would take a number for seconds since 1970 as well."""
    if isinstance(value, str) and not (len(value) > 10 and value[4:5] == "-" and value[10] in "Tt "):
        raise ValueError("give a time such as 2026-03-01T10:00:00Z")
    return value


def _in_range(value: datetime) -> datetime:
    """Refuse the first and last days of all time, which no other zone can express."""
    if not 1 < value.year < 9999:
        raise ValueError("give a time such as 2026-03-01T10:00:00Z")
    return value


Time = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_range)]


class ApiModel(BaseModel):
    """What goes over the wire."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(ApiModel):
    """Why a request was not answered as asked."""

    error: str = Field(description="One sentence, in the language of Accept-Language.")


class Me(ApiModel):
    """Who asks, and what they may do."""

    name: str
    role: Role
    queues: tuple[str, ...] | None = Field(description="The queues whose calls this person sees; null: all.")
    permissions: tuple[Permission, ...]

    @classmethod
    def of(cls, visit: Visit) -> "Me":
        """Return who visits."""
        person = visit.person
        return cls(
            name=person.name,
            role=person.role,
            queues=None if person.queues is None else tuple(sorted(person.queues)),
            permissions=tuple(permission for permission in Permission if person.may(permission)),
        )


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
    level: Literal["calm", "raised", "high", "unknown"]
    trend: tuple[tuple[float, float], ...] = Field(
        description="Offset in the call in seconds, and stress, of the caller's utterances of the last two minutes."
    )
    coverage: Share = Field(description="Share of the speech whose analysis was complete.")
    episode: OpenEpisode | None = Field(description="Null where no stress persists now.")
    episodes: int = Field(ge=0, description="How many there have been, the open one included.")

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
            stress=_three(live.stress),
            level=level_of(live.stress),
            trend=tuple((round(at_s, 1), round(stress, 3)) for at_s, stress in live.points),
            coverage=round(live.coverage.ratio, 3),
            episode=OpenEpisode(opened_s=episode.opened_s, alert_id=live.alert_id, reasons=episode.reasons)
            if episode is not None
            else None,
            episodes=live.episodes,
        )


class CallsInProgress(ApiModel):
    """The calls in progress, those that need help first."""

    now: datetime
    calls: tuple[CallInProgress, ...]


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
            stress=None if score is None else _three(score.stress),
            confidence=None if score is None else _three(score.confidence),
            deviations=() if score is None else tuple(Deviation.of(feature) for feature in score.top_features),
            human_request=None if request is None else request.kind,
            frustrated_prob=None if frustration is None else _three(frustration.prob),
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
            peak=_three(episode.peak),
            mean=_three(episode.mean),
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
            agent_talk_ratio=_three(turns.agent_talk_ratio),
            overlap_s=_three(turns.overlap_s),
            silence_s=_three(turns.silence_s),
            interruptions=None if turns.interruptions is None else len(turns.interruptions),
            stress_mean=_three(stress.mean),
            stress_peak=_three(stress.peak),
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
            coverage=_three(story.coverage),
            episodes=tuple(EpisodeOfCall.of(episode) for episode in story.episodes),
            utterances=tuple(Said.of(utterance) for utterance in story.utterances),
            handoff=HandoffNote.of(conversation.handoff, language=language),
            measures=Measures.of(conversation),
        )


class PeriodQuery(ApiModel):
    """Which time and part."""

    since: Time | None = Field(default=None, description="At or after.")
    until: Time | None = Field(default=None, description="Before.")
    queue: Text | None = None
    language: Text | None = Field(default=None, description="ISO 639-1 code.")


class AlertsQuery(PeriodQuery):
    """Which alerts."""

    verdict: Literal["justified", "false_alarm", "unsure", "unjudged"] | None = None
    limit: int = Field(default=50, ge=1, le=500)
    offset: int = Field(default=0, ge=0, le=1_000_000, description="How many to pass over.")


class Handled(ApiModel):
    """Who took an alert, or judged it."""

    by: str
    at: datetime
    verdict: Verdict | None = Field(description="Where it was judged.")

    @classmethod
    def of(cls, handling: Handling) -> "Handled":
        """Return a handling."""
        return cls.model_validate({"by": handling.by, "at": handling.at, "verdict": handling.value})


class Note(ApiModel):
    """Something said of an alert."""

    by: str | None
    at: datetime
    note: str | None
    verdict: Verdict | None
    outcome: str | None

    @classmethod
    def of(cls, feedback: Feedback) -> "Note":
        """Return a feedback."""
        return cls(
            by=feedback.given_by,
            at=feedback.given_at,
            note=feedback.note,
            verdict=feedback.verdict,
            outcome=feedback.outcome,
        )


class AlertBrief(ApiModel):
    """One alert as the inbox shows it."""

    event_id: str
    call_id: str
    queue: str | None
    agent_id: str | None
    language: str | None
    requested_at: datetime
    opened_at: datetime = Field(description="When the stress began that persisted.")
    lasted_s: Seconds | None = Field(description="Null while it goes on.")
    state: Literal["open", "calm", "ended", "withdrawn"] = Field(
        description="open; calm: the caller calmed down; ended: the call did; withdrawn: consent was."
    )
    urgency: Literal["normal", "high"]
    reasons: tuple[Reason, ...]
    why: str = Field(description="One sentence, in the language of Accept-Language.")
    how_sure: str = Field(description="Evidence against the budget of false alarms, in the same language.")
    is_handled: bool
    taken: Handled | None
    judged: Handled | None

    @classmethod
    def of(cls, card: AlertCard) -> "AlertBrief":
        """Return an alert."""
        return cls.model_validate(_brief(card))


class AlertFull(AlertBrief):
    """One alert with all that was said of it, and the event as it went out."""

    said: tuple[Note, ...] = Field(description="Oldest first.")
    event: RerouteEvent

    @classmethod
    def of(cls, card: AlertCard) -> "AlertFull":
        """Return an alert with everything about it."""
        said = tuple(Note.of(feedback) for feedback in card.alert.feedback)
        return cls.model_validate({**_brief(card), "said": said, "event": card.alert.event})


class Alerts(ApiModel):
    """Alerts, newest first."""

    total: int = Field(ge=0, description="Of the selection, on all pages.")
    alerts: tuple[AlertBrief, ...]


class Verdicting(ApiModel):
    """A verdict on an alert."""

    verdict: Verdict


class Noting(ApiModel):
    """A note on an alert."""

    note: str = Field(min_length=1, max_length=4000, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")


class Decided(ApiModel):
    """What holds now."""

    event_id: str
    won: bool = Field(description="Whether it is yours; false where somebody else was first.")
    by: str
    at: datetime
    verdict: Verdict | None

    @classmethod
    def of(cls, handling: Handling) -> "Decided":
        """Return the outcome of taking or judging."""
        return cls.model_validate(
            {
                "event_id": handling.event_id,
                "won": handling.won,
                "by": handling.by,
                "at": handling.at,
                "verdict": handling.value,
            }
        )


class Quality(ApiModel):
    """How well the alerts serve, from the verdicts on them, and whether scores still are as they were calibrated."""

    since: datetime
    until: datetime
    alerts: AlertQuality
    drift: Drift | None = Field(description="Null until the models are loaded, and where they name no reference.")


class AuditQuery(ApiModel):
    """Which lines of the audit log."""

    before: int | None = Field(default=None, ge=1, le=2**62, description="Id of the last line of the page before.")
    limit: int = Field(default=100, ge=1, le=500)


class AuditLine(ApiModel):
    """One thing that was done."""

    id: int
    at: datetime
    actor: str = Field(description="Who; empty for nobody that is known.")
    action: str
    subject: str
    reason: str
    details: Mapping[str, str | int]

    @classmethod
    def of(cls, entry: AuditEntry) -> "AuditLine":
        """Return a line."""
        return cls(
            id=entry.id,
            at=entry.at,
            actor=entry.actor,
            action=entry.action,
            subject=entry.subject,
            reason=entry.reason,
            details=entry.details,
        )


class AuditLog(ApiModel):
    """The audit log, newest first."""

    lines: tuple[AuditLine, ...]


def _brief(card: AlertCard) -> dict[str, object]:
    alert, event = card.alert, card.alert.event
    return {
        "event_id": alert.event_id,
        "call_id": alert.call_id,
        "queue": alert.queue,
        "agent_id": event.call.agent_id,
        "language": alert.language,
        "requested_at": event.occurred_at,
        "opened_at": card.opened_at,
        "lasted_s": None if card.lasted_s is None else max(0.0, card.lasted_s),
        "state": card.state,
        "urgency": event.urgency,
        "reasons": event.reasons,
        "why": card.why,
        "how_sure": card.sure,
        "is_handled": alert.is_handled,
        "taken": None if alert.take is None else Handled.of(alert.take),
        "judged": None if alert.verdict is None else Handled.of(alert.verdict),
    }


def _three(number: float | None) -> float | None:
    return None if number is None else round(number, 3)

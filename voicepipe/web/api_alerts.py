"""Alerts as the API tells them: which there are, what becomes of them, and how well they serve."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from voicepipe.events.alert_log import Alert
from voicepipe.events.feedback import Feedback, Verdict
from voicepipe.events.handling import Handling
from voicepipe.events.reroute import RerouteEvent
from voicepipe.types import Reason
from voicepipe.web.alert_card import AlertCard
from voicepipe.web.api_types import ApiModel, Seconds, Text, Time
from voicepipe.web.drift import Drift
from voicepipe.web.quality import AlertQuality


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


class AlertTold(ApiModel):
    """One alert as the stream tells it."""

    event_id: str
    call_id: str
    queue: str | None
    requested_at: datetime
    is_handled: bool
    html: str | None = Field(description="For the console's own pages, where the page does not show it already.")

    @classmethod
    def of(cls, alert: Alert, *, html: str | None) -> "AlertTold":
        """Return an alert."""
        return cls(
            event_id=alert.event_id,
            call_id=alert.call_id,
            queue=alert.queue,
            requested_at=alert.event.occurred_at,
            is_handled=alert.is_handled,
            html=html,
        )


class AlertsNews(ApiModel):
    """What the stream tells of the alerts."""

    now: datetime
    mark: str = Field(description="Equal for the same alerts in the same state.")
    all: bool = Field(description="Whether these are all alerts of the inbox; else only those that changed.")
    unhandled: int = Field(ge=0, description="How many of the inbox nobody has taken or judged.")
    alerts: tuple[AlertTold, ...]
    gone: tuple[str, ...] = Field(description="Ids of alerts that left the inbox.")


class Verdicting(ApiModel):
    """A verdict on an alert."""

    verdict: Verdict


class Noting(ApiModel):
    """A note on an alert."""

    note: str = Field(min_length=1, max_length=4000, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")


class Decided(ApiModel):
    """What holds now."""

    event_id: str
    won: bool = Field(description="Whether it is as you asked; false where somebody else holds it.")
    by: str = Field(description="Whose it is; of what was given back, who gave it back.")
    at: datetime
    verdict: Verdict | None

    @classmethod
    def of(cls, handling: Handling) -> "Decided":
        """Return the outcome of taking, giving back or judging."""
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

"""An alert as the inbox and a call's page show it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from voicepipe.events.alert_log import Alert
from voicepipe.events.feedback import Feedback
from voicepipe.types import ClosedBy
from voicepipe.web.language import Language
from voicepipe.web.rendering import fragment
from voicepipe.web.wording import how_sure, why


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertCard:
    """What ``_alert.html`` shows of an alert, in one language.

    Attributes
    ----------
    alert : Alert
    why, sure : str
        Sentences.
    opened_at : datetime
        When the episode began.
    lasted_s : float, optional
        How long it lasted, once it is over.
    state : str
        ``open``, ``calm`` (the caller calmed down), ``ended`` (the call did), or ``withdrawn``.
    notes : tuple of Feedback
        Those with words.
    outcomes : tuple of Feedback
        What other systems say became of it.
    """

    alert: Alert
    why: str
    sure: str
    opened_at: datetime
    lasted_s: float | None
    state: str
    notes: tuple[Feedback, ...]
    outcomes: tuple[Feedback, ...]


def card_of(alert: Alert, language: Language) -> AlertCard:
    """Return an alert in a language."""
    event = alert.event
    opened_at = event.call.started_at + timedelta(seconds=event.opened_s)
    lasted_s = None if alert.cleared_at is None else (alert.cleared_at - opened_at).total_seconds()
    return AlertCard(
        alert=alert,
        why=why(event, language),
        sure=how_sure(event, language),
        opened_at=opened_at,
        lasted_s=lasted_s,
        state=_state(alert),
        notes=tuple(one for one in alert.feedback if one.note),
        outcomes=tuple(one for one in alert.feedback if one.outcome not in (None, "taken")),
    )


def card_html(alert: Alert, language: Language, *, may_judge: bool, now: datetime) -> str:
    """Return an alert as HTML: the same for everybody who may do the same, so that it is made once."""
    return fragment("_alert.html", language=language, card=card_of(alert, language), may_judge=may_judge, now=now)


def _state(alert: Alert) -> str:
    if alert.closed_by is ClosedBy.CONSENT:
        return "withdrawn"
    if alert.closed_by is ClosedBy.CALL_END or alert.call_ended:
        return "ended"
    return "open" if alert.cleared_at is None else "calm"

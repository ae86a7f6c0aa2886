"""The inbox of alerts as open consoles know it: what has changed since it was read last, and the cards that show it."""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from voicepipe.events.alert_log import Alert, Mark
from voicepipe.events.store import Store
from voicepipe.web.alert_card import card_html
from voicepipe.web.api_alerts import AlertsNews, AlertTold
from voicepipe.web.language import Language
from voicepipe.web.stream import Listener, message_of

INBOX: Final = timedelta(hours=24)
"""How far back the inbox reaches; what is older is history."""

MOST_ALERTS: Final = 100
"""Of one queue: no queue pushes out what people of another wait for."""


class Inbox:
    """The alerts of the last day; each card is made once for all who see it.

    Parameters
    ----------
    store : Store
    clock : callable
        Returns the present time, timezone-aware UTC.
    """

    def __init__(self, *, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """Begin anew: the next look finds everything changed."""
        self._mark: tuple[datetime, Mark] | None = None
        self._alerts: dict[str, Alert] = {}
        self._revisions: dict[str, str] = {}
        self._cards: dict[tuple[str, str, bool], str] = {}

    @property
    def is_known(self) -> bool:
        """Whether it was read."""
        return self._mark is not None

    async def read(self) -> Sequence[Alert]:
        """Return the alerts of the inbox, newest first: of each queue those still open, unhandled ones, then the rest.

        Raises
        ------
        StoreError
        """
        return await asyncio.to_thread(self._store.inbox, since=self._since(), limit=MOST_ALERTS)

    async def look(self, listeners: Callable[[], Iterable[Listener]]) -> None:
        """Read it again if anything about it has changed, and tell those who listen to alerts by then what.

        Raises
        ------
        StoreError
        """
        since = self._since()
        mark = (since, await asyncio.to_thread(self._store.alerts_mark, since=since))
        if mark == self._mark:
            return
        alerts = await self.read()
        is_first, self._mark = self._mark is None, mark
        self._take({alert.event_id: alert for alert in alerts}, listeners(), is_first=is_first)

    def all_for(self, listener: Listener) -> bytes:
        """Return the message that tells a console of all alerts that it sees."""
        return self._message(listener, self._alerts.values(), gone=(), everything=True)

    def revisions_of(self, listener: Listener, call_id: str) -> list[str]:
        """Return what changes with the alerts of a call that a console sees."""
        return [
            self._revisions[alert.event_id]
            for alert in self._alerts.values()
            if alert.call_id == call_id and listener.sees(alert.queue)
        ]

    @staticmethod
    def mark_of(alerts: Iterable[Alert]) -> str:
        """Return what is equal for the same alerts in the same state."""
        return _fingerprint({alert.event_id: _revision(alert) for alert in alerts})

    def _since(self) -> datetime:
        """Return how far back the inbox reaches now; the same for an hour, so that its mark stays the same."""
        return (self._clock() - INBOX).replace(minute=0, second=0, microsecond=0)

    def _take(self, alerts: Mapping[str, Alert], listeners: Iterable[Listener], *, is_first: bool) -> None:
        revisions = {event_id: _revision(alert) for event_id, alert in alerts.items()}
        changed = [one for one, revision in revisions.items() if self._revisions.get(one) != revision]
        gone = [alert for event_id, alert in self._alerts.items() if event_id not in alerts]
        self._alerts, self._revisions = dict(alerts), revisions
        stale = {*changed, *(alert.event_id for alert in gone)}
        self._cards = {key: html for key, html in self._cards.items() if key[0] not in stale}
        if not is_first and not stale:
            return
        messages: dict[object, bytes] = {}
        for listener in listeners:
            form = listener.as_cards and (listener.as_cards[0].code, listener.as_cards[1])
            key = (listener.queues, form, listener.known_alerts if is_first else "")
            if key not in messages:
                messages[key] = (
                    self.all_for(listener)
                    if is_first
                    else self._message(
                        listener,
                        [alerts[one] for one in changed],
                        gone=[alert.event_id for alert in gone if listener.sees(alert.queue)],
                        everything=False,
                    )
                )
            listener.tell(messages[key])

    def _message(self, listener: Listener, alerts: Iterable[Alert], *, gone: Iterable[str], everything: bool) -> bytes:
        seen = [alert for alert in self._alerts.values() if listener.sees(alert.queue)]
        mark = _fingerprint({alert.event_id: self._revisions[alert.event_id] for alert in seen})
        as_cards = None if everything and mark == listener.known_alerts else listener.as_cards
        told = AlertsNews(
            now=self._clock(),
            mark=mark,
            all=everything,
            unhandled=sum(not alert.is_handled for alert in seen),
            alerts=tuple(
                AlertTold.of(alert, html=as_cards and self._card(alert, as_cards))
                for alert in alerts
                if listener.sees(alert.queue)
            ),
            gone=tuple(gone),
        )
        return message_of("alerts", told)

    def _card(self, alert: Alert, form: tuple[Language, bool]) -> str:
        language, may_judge = form
        key = (alert.event_id, language.code, may_judge)
        if key not in self._cards:
            self._cards[key] = card_html(alert, language, may_judge=may_judge, now=self._clock())
        return self._cards[key]


def _revision(alert: Alert) -> str:
    """Return what changes with everything that a card shows and that can change."""
    state = (
        alert.cleared_at,
        alert.closed_by,
        alert.language,
        alert.call_ended,
        alert.take,
        alert.verdict,
        [str(one.feedback_id) for one in alert.feedback],
    )
    return sha256(repr(state).encode()).hexdigest()[:12]


def _fingerprint(revisions: Mapping[str, str]) -> str:
    return sha256(json.dumps(sorted(revisions.items())).encode()).hexdigest()[:16]

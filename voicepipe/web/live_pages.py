"""The live view, the inbox of alerts, and the stream that keeps them up to date."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final, get_args
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from voicepipe.events.alert_log import Alert
from voicepipe.events.feedback import Verdict
from voicepipe.events.handling import Handling
from voicepipe.web import judging
from voicepipe.web.alert_card import card_html
from voicepipe.web.api_calls import CallInProgress
from voicepipe.web.board import TREND_S
from voicepipe.web.frame import Console, ConsoleError, ConsoleRoute, NotFoundError
from voicepipe.web.language import LANGUAGES, Language
from voicepipe.web.people import Permission
from voicepipe.web.stream import EventStream, Listener
from voicepipe.web.visit import Visit, render, visit_of

_ALERTS: Final = "/console/alerts"

FIRST_ROWS: Final = 40
"""Calls whose rows come with the page, so that they are there before any script is: more than a screen shows."""

_LONGEST_FILTER: Final = 200

LONGEST_NOTE: Final = 4000
"""Characters, as the contract of the topic of feedback has it."""

_VERDICTS: Final[Mapping[str, Verdict]] = {verdict: verdict for verdict in get_args(Verdict)}


def routes(console: Console) -> list[ConsoleRoute]:
    """Return the places of the live view and of the alerts."""
    del console
    call, judge = Permission.SEE_CALL, Permission.JUDGE
    one = f"{_ALERTS}/{{event_id}}"
    return [
        ConsoleRoute(path="/console", endpoint=_show_live, permission=Permission.ENTER, name="live"),
        ConsoleRoute(path=_ALERTS, endpoint=_show_inbox, permission=call, name="alerts"),
        ConsoleRoute(path=one, endpoint=_show_alert, permission=call, name="alert"),
        ConsoleRoute(path=f"{one}/take", endpoint=_take, permission=judge, name="take", methods=("POST",)),
        ConsoleRoute(path=f"{one}/release", endpoint=_release, permission=judge, name="release", methods=("POST",)),
        ConsoleRoute(path=f"{one}/verdict", endpoint=_judge, permission=judge, name="verdict", methods=("POST",)),
        ConsoleRoute(path=f"{one}/note", endpoint=_note, permission=judge, name="note", methods=("POST",)),
        ConsoleRoute(
            path="/console/stream", endpoint=open_stream, permission=Permission.ENTER, name="stream", streams=True
        ),
    ]


async def open_stream(request: Request) -> Response:
    """Answer with the stream of what changes; for the console's pages and for the API.

    Its query: ``live=1`` for the calls in progress, ``alerts=cards`` for the alerts as HTML or ``alerts=brief`` for
    which there are, ``call=ID`` for when that call changes; ``last`` (or the header ``Last-Event-ID``) and ``known``
    say what the console has already.
    """
    visit, query = visit_of(request), request.query_params
    console, person = visit.console, visit.person
    wants_calls, alerts, call_id = query.get("live") == "1", query.get("alerts"), query.get("call")
    if wants_calls and not person.may(Permission.SEE_LIVE):
        raise ConsoleError(403)
    if (alerts or call_id) and not person.may(Permission.SEE_CALL):
        raise ConsoleError(403)
    if call_id and (live := console.board.call(call_id)) is not None and not person.sees(live.queue):
        raise NotFoundError
    listener = Listener(
        queues=person.queues,
        calls=wants_calls,
        alerts=bool(alerts),
        call_id=call_id or None,
        as_cards=(visit.language, person.may(Permission.JUDGE)) if alerts == "cards" else None,
        known_alerts=query.get("known", ""),
    )
    last_id = query.get("last") or request.headers.get("last-event-id", "")
    if not console.hub.join(listener, last_id=last_id):
        raise ConsoleError(503, headers={"retry-after": "5"})
    return EventStream(console.hub, listener, is_still_in=visit.is_still_in)


async def _show_live(request: Request) -> Response:
    if not visit_of(request).person.may(Permission.SEE_LIVE):
        return RedirectResponse(_ALERTS, status_code=303)
    visit = visit_of(request)
    board, queues = visit.console.board, visit.person.queues
    wanted = Wanted.of(request.query_params)
    is_filtered = wanted != Wanted()
    calls = map(CallInProgress.of, board.calls(queues, most=None if is_filtered else FIRST_ROWS))
    rows = itertools.islice((call for call in calls if wanted.fits(call, visit.language)), FIRST_ROWS)
    total, total_open = board.counts(queues)
    return render(
        request,
        "live.html",
        wanted=wanted,
        is_filtered=is_filtered,
        rows=[(call, sparkline(call)) for call in rows],
        total=total,
        total_open=total_open,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which calls the address of the live view asks for; each field as the form of its filter has it, empty for all."""

    q: str = ""
    queue: str = ""
    agent_id: str = ""
    language: str = ""
    open: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Wanted":
        """Read it from a query."""
        return cls(**{field.name: query.get(field.name, "")[:_LONGEST_FILTER] for field in fields(cls)})

    def fits(self, call: CallInProgress, language: Language) -> bool:
        """Tell whether a call is asked for; the same as ``fits`` of live.js."""
        spoken = language.t(f"language-{call.language}") if call.language in LANGUAGES else None
        told = (call.call_id, call.queue, call.agent_id, spoken, call.language)
        words = " ".join(word for word in told if word).lower()
        return (
            self.queue in ("", call.queue)
            and self.agent_id in ("", call.agent_id)
            and self.language in ("", call.language)
            and not (self.open and call.episode is None)
            and all(word in words for word in self.q.lower().split())
        )


def sparkline(call: CallInProgress) -> str:
    """Return the points of a call's line over the last two minutes, as ``draw`` of live.js has them."""
    if not call.trend:
        return ""
    edge_s = max(call.duration_s, call.trend[-1][0])
    points = [(at_s, stress) for at_s, stress in call.trend if at_s >= edge_s - TREND_S]
    points += [(edge_s, points[-1][1])] if points else []
    return " ".join(f"{at_s - edge_s + TREND_S:.1f},{22 - 20 * stress:.1f}" for at_s, stress in points)


async def _show_inbox(request: Request) -> Response:
    visit = visit_of(request)
    inbox, person = visit.console.hub.inbox, visit.person
    alerts = [alert for alert in await inbox.read() if person.sees(alert.queue)]
    alerts.sort(key=lambda alert: alert.is_handled)
    cards = [_card(visit, alert) for alert in alerts]
    return render(request, "alerts.html", cards=cards, known=inbox.mark_of(alerts))


async def _show_alert(request: Request) -> Response:
    """Lead to the alert on its call's page: how a link in a chat or in a notification finds it."""
    alert = await judging.alert_of(visit_of(request))
    return RedirectResponse(f"/console/calls/{quote(alert.call_id, safe='')}#alert-{alert.event_id}", status_code=303)


async def _take(request: Request) -> Response:
    return await _told(request, await judging.take(visit_of(request)), kind="take")


async def _release(request: Request) -> Response:
    return await _told(request, await judging.release(visit_of(request)), kind="release")


async def _judge(request: Request) -> Response:
    visit = visit_of(request)
    verdict = _VERDICTS.get(visit.form.get("verdict", ""))
    if verdict is None:
        raise ConsoleError(422)
    return await _told(request, await judging.judge(visit, verdict), kind="verdict")


async def _note(request: Request) -> Response:
    visit = visit_of(request)
    text = visit.form.get("note", "").replace("\0", "").replace("\r\n", "\n").strip()
    if not 0 < len(text) <= LONGEST_NOTE:
        raise ConsoleError(422)
    await judging.note_on(visit, text)
    return await _told(request, None, kind="note")


async def _told(request: Request, handling: Handling | None, *, kind: str) -> Response:
    """Say what became of it, and show the alert as it is now; without a script, go back to the inbox."""
    if "application/json" not in request.headers.get("accept", ""):
        return RedirectResponse(f"{_ALERTS}#alert-{request.path_params['event_id']}", status_code=303)
    visit = visit_of(request)
    told = {"kind": kind, "won": True}
    if handling is not None:
        told |= {"won": handling.won, "by": handling.by, "at": handling.at.isoformat(), "verdict": handling.value}
    return JSONResponse({**told, "html": _card(visit, await judging.alert_of(visit))})


def _card(visit: Visit, alert: Alert) -> str:
    return card_html(alert, visit.language, may_judge=visit.person.may(Permission.JUDGE), now=visit.now)

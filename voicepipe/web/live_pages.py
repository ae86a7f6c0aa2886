"""The live view, the inbox of alerts, and the stream that keeps them up to date."""

import asyncio
from collections.abc import Mapping
from typing import Final, get_args
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from voicepipe.events.alert_log import Alert
from voicepipe.events.feedback import Verdict
from voicepipe.events.handling import UnknownAlertError
from voicepipe.web.alert_card import card_html
from voicepipe.web.frame import Console, ConsoleError, ConsoleRoute, NotFoundError, Visit, render, visit_of
from voicepipe.web.people import Permission
from voicepipe.web.stream import EventStream, Listener

_ALERTS: Final = "/console/alerts"

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
    return render(request, "live.html")


async def _show_inbox(request: Request) -> Response:
    visit = visit_of(request)
    hub, person = visit.console.hub, visit.person
    alerts = [alert for alert in await hub.inbox() if person.sees(alert.queue)]
    alerts.sort(key=lambda alert: alert.is_handled)
    cards = [_card(visit, alert) for alert in alerts]
    return render(request, "alerts.html", cards=cards, known=hub.fingerprint(alerts))


async def _show_alert(request: Request) -> Response:
    """Lead to the alert on its call's page: how a link in a chat or in a notification finds it."""
    alert = await _alert_of(request)
    return RedirectResponse(f"/console/calls/{quote(alert.call_id, safe='')}#alert-{alert.event_id}", status_code=303)


async def _take(request: Request) -> Response:
    visit, event_id = visit_of(request), (await _alert_of(request)).event_id
    try:
        taken = await asyncio.to_thread(visit.console.store.take_alert, event_id, by=visit.person.name)
    except UnknownAlertError as error:
        raise NotFoundError from error
    return await _told(request, kind="take", won=taken.won, by=taken.by, at=taken.at.isoformat())


async def _judge(request: Request) -> Response:
    visit = visit_of(request)
    verdict = _VERDICTS.get(visit.form.get("verdict", ""))
    if verdict is None:
        raise ConsoleError(422)
    event_id = (await _alert_of(request)).event_id
    try:
        judged = await asyncio.to_thread(
            visit.console.store.judge_alert, event_id, verdict=verdict, by=visit.person.name
        )
    except UnknownAlertError as error:
        raise NotFoundError from error
    return await _told(
        request, kind="verdict", won=judged.won, by=judged.by, at=judged.at.isoformat(), value=judged.value
    )


async def _note(request: Request) -> Response:
    visit = visit_of(request)
    text = visit.form.get("note", "").replace("\0", "").replace("\r\n", "\n").strip()
    if not 0 < len(text) <= LONGEST_NOTE:
        raise ConsoleError(422)
    event_id = (await _alert_of(request)).event_id
    try:
        given = await asyncio.to_thread(visit.console.store.note_alert, event_id, note=text, by=visit.person.name)
    except UnknownAlertError as error:
        raise NotFoundError from error
    return await _told(request, kind="note", won=True, by=visit.person.name, at=given.given_at.isoformat())


async def _alert_of(request: Request) -> Alert:
    """Return the alert that the address names, if the visitor sees its queue."""
    visit = visit_of(request)
    alert = await asyncio.to_thread(visit.console.store.alert, request.path_params["event_id"])
    if alert is None or not visit.person.sees(alert.queue):
        raise NotFoundError
    return alert


async def _told(request: Request, **told: object) -> Response:
    """Say what became of it, and show the alert as it is now; without a script, go back to the inbox."""
    if "application/json" not in request.headers.get("accept", ""):
        return RedirectResponse(f"{_ALERTS}#alert-{request.path_params['event_id']}", status_code=303)
    alert = await _alert_of(request)
    return JSONResponse({**told, "html": _card(visit_of(request), alert)})


def _card(visit: Visit, alert: Alert) -> str:
    return card_html(alert, visit.language, may_judge=visit.person.may(Permission.JUDGE), now=visit.now)

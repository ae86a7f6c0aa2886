"""The API under ``/api/v1``: what the console's pages show, as JSON, for wallboards and CRM systems."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import cached_property
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from voicepipe.events.handling import Handling
from voicepipe.events.inquiries import Selection, alerts_of
from voicepipe.web import api_alerts, api_calls, api_people, judging
from voicepipe.web.alert_card import card_of
from voicepipe.web.api_place import ApiPlace, endpoint_of
from voicepipe.web.call_page import Measures, story_of
from voicepipe.web.frame import API, Console, ConsoleRoute
from voicepipe.web.history_pages import quality_of
from voicepipe.web.live_pages import open_stream
from voicepipe.web.openapi import document, document_item, stream_item
from voicepipe.web.people import Permission
from voicepipe.web.visit import Visit

_STREAM: Final = "/stream"
_QUALITY_PERIOD: Final = timedelta(days=28)

_CALL: Final = {"call_id": "Id of the call."}
_ALERT: Final = {"event_id": "Id of the alert's event."}
_ALERT_PATH: Final = "/alerts/{event_id}"


def routes(console: Console) -> list[ConsoleRoute]:
    """Return the places of the API."""
    return _Api(console).routes()


def _acting(path: str, call: Callable[..., Awaitable[Any]], *, name: str, summary: str, **more: Any) -> ApiPlace:
    """Return a place where a person does something about an alert, and is told what holds then."""
    return ApiPlace(
        path=f"{_ALERT_PATH}/{path}",
        call=call,
        permission=Permission.JUDGE,
        name=name,
        summary=summary,
        method="POST",
        paths=_ALERT,
        **{"answers": {200: api_alerts.Decided, 409: api_alerts.Decided}, **more},
    )


class _Api:
    """What all places of the API share."""

    def __init__(self, console: Console) -> None:
        self._measures = Measures(console.books, turns=console.turns)
        see_call = Permission.SEE_CALL
        self._places = [
            ApiPlace(
                path="/me",
                call=_me,
                permission=Permission.ENTER,
                name="me",
                summary="Who asks, and what they may do",
                answers={200: api_people.Me},
            ),
            ApiPlace(
                path="/calls",
                call=_calls,
                permission=Permission.SEE_LIVE,
                name="calls",
                summary="The calls in progress, those that need help first",
                query=api_calls.CallsQuery,
                answers={200: api_calls.CallsInProgress},
            ),
            ApiPlace(
                path="/calls/{call_id:path}",
                call=self._call,
                permission=see_call,
                name="call",
                summary="One call, in progress or past: transcript, scores, episodes, handoff",
                paths=_CALL,
                answers={200: api_calls.CallStory},
            ),
            ApiPlace(
                path="/alerts",
                call=_alerts,
                permission=see_call,
                name="alerts",
                summary="Alerts, newest first",
                query=api_alerts.AlertsQuery,
                answers={200: api_alerts.Alerts},
            ),
            ApiPlace(
                path=_ALERT_PATH,
                call=_alert,
                permission=see_call,
                name="alert",
                summary="One alert with everything about it",
                paths=_ALERT,
                answers={200: api_alerts.AlertFull},
            ),
            _acting("take", _take, name="take", summary="Take care of the caller; 409 where somebody else does"),
            _acting(
                "release",
                _release,
                name="release",
                summary="Give back what was taken; 409 where somebody else took it, unless the role may release any",
            ),
            _acting(
                "verdict",
                _judge,
                name="judge",
                summary="Judge an alert; 409 where somebody else did",
                body=api_alerts.Verdicting,
            ),
            _acting(
                "note",
                _note,
                name="note",
                summary="Note something on an alert",
                body=api_alerts.Noting,
                answers={200: api_alerts.Note},
            ),
            ApiPlace(
                path="/quality",
                call=_quality,
                permission=Permission.SEE_QUALITY,
                name="quality",
                summary="How well the alerts serve; the last four weeks where no time is given",
                query=api_alerts.PeriodQuery,
                answers={200: api_alerts.Quality},
            ),
            ApiPlace(
                path="/audit",
                call=_audit,
                permission=Permission.SEE_AUDIT,
                name="audit",
                summary="Who did what, newest first",
                query=api_people.AuditQuery,
                answers={200: api_people.AuditLog},
            ),
        ]

    @cached_property
    def document(self) -> dict[str, Any]:
        """The API as OpenAPI describes it."""
        more = {_STREAM: stream_item(), "/openapi.json": document_item()}
        return document(self._places, prefix=API, more=more)

    def routes(self) -> list[ConsoleRoute]:
        """Return the places as routes."""
        return [
            *(
                ConsoleRoute(
                    path=API + place.path,
                    endpoint=endpoint_of(place),
                    permission=place.permission,
                    methods=(place.method,),
                    name=f"api_{place.name}",
                )
                for place in self._places
            ),
            ConsoleRoute(
                path=API + _STREAM, endpoint=open_stream, permission=Permission.ENTER, name="api_stream", streams=True
            ),
            ConsoleRoute(
                path=f"{API}/openapi.json", endpoint=self._show_document, permission=None, name="api_document"
            ),
        ]

    async def _show_document(self, request: Request) -> Response:
        del request
        return JSONResponse(self.document)

    async def _call(self, visit: Visit) -> api_calls.CallStory:
        call_id = visit.request.path_params["call_id"]
        story = await story_of(visit, call_id)
        await visit.note_once("see_call", f"call {call_id}")
        conversation = await asyncio.to_thread(self._measures.of, story)
        return api_calls.CallStory.of(story, conversation, language=visit.language.code)


async def _me(visit: Visit) -> api_people.Me:
    return api_people.Me.of(visit.person)


async def _calls(visit: Visit, query: api_calls.CallsQuery) -> api_calls.CallsInProgress:
    wanted = query.model_dump(exclude_none=True)
    found = (api_calls.CallInProgress.of(live) for live in visit.console.board.calls(visit.person.queues))
    calls = tuple(call for call in found if all(getattr(call, name) == value for name, value in wanted.items()))
    return api_calls.CallsInProgress(now=visit.now, calls=calls)


async def _alerts(visit: Visit, query: api_alerts.AlertsQuery) -> api_alerts.Alerts:
    selection = _selection(visit, query, verdict=query.verdict)
    found, total = await asyncio.to_thread(
        visit.console.store.ask, alerts_of, selection, limit=query.limit, offset=query.offset
    )
    return api_alerts.Alerts(
        total=total, alerts=tuple(api_alerts.AlertBrief.of(card_of(alert, visit.language)) for alert in found)
    )


async def _alert(visit: Visit) -> api_alerts.AlertFull:
    return api_alerts.AlertFull.of(card_of(await judging.alert_of(visit), visit.language))


async def _take(visit: Visit) -> tuple[int, api_alerts.Decided]:
    return _decided(await judging.take(visit))


async def _release(visit: Visit) -> tuple[int, api_alerts.Decided]:
    return _decided(await judging.release(visit))


async def _judge(visit: Visit, body: api_alerts.Verdicting) -> tuple[int, api_alerts.Decided]:
    return _decided(await judging.judge(visit, body.verdict))


async def _note(visit: Visit, body: api_alerts.Noting) -> api_alerts.Note:
    return api_alerts.Note.of(await judging.note_on(visit, body.note.strip()))


async def _quality(visit: Visit, query: api_alerts.PeriodQuery) -> api_alerts.Quality:
    until = query.until or visit.now
    since = query.since or until - _QUALITY_PERIOD
    selection = _selection(visit, query)
    found = await asyncio.to_thread(quality_of, visit.console, selection, since=since, until=until)
    return api_alerts.Quality(since=since, until=until, alerts=found.alerts, drift=found.drift)


async def _audit(visit: Visit, query: api_people.AuditQuery) -> api_people.AuditLog:
    await visit.note_once("see_audit", "console")
    lines = await asyncio.to_thread(visit.console.store.audit, limit=query.limit, before=query.before)
    described = (api_people.AuditLine.model_validate(line, from_attributes=True) for line in lines)
    return api_people.AuditLog(lines=tuple(described))


def _selection(visit: Visit, query: api_alerts.PeriodQuery, *, verdict: str | None = None) -> Selection:
    return Selection(
        queues=visit.person.queues,
        since=query.since,
        until=query.until,
        queue=query.queue,
        language=query.language,
        verdict=verdict,
    )


def _decided(handling: Handling) -> tuple[int, api_alerts.Decided]:
    return 200 if handling.won else 409, api_alerts.Decided.of(handling)

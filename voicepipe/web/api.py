"""The API under ``/api/v1``: what the console's pages show, as JSON, for wallboards and CRM systems."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import cached_property
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from voicepipe.events.alert_log import Alert
from voicepipe.events.handling import Handling, UnknownAlertError
from voicepipe.events.inquiries import Selection, alerts_of
from voicepipe.web import api_models as models
from voicepipe.web.alert_card import card_of
from voicepipe.web.call_page import Measures, story_of
from voicepipe.web.frame import API, Console, ConsoleError, ConsoleRoute, NotFoundError, Visit, read_body, visit_of
from voicepipe.web.history_pages import quality_of
from voicepipe.web.live_pages import open_stream
from voicepipe.web.openapi import ApiPlace, document, problems, security
from voicepipe.web.people import Permission

_Model = TypeVar("_Model", bound=BaseModel)

_JSON: Final = "application/json"
_STREAM: Final = "/stream"
_QUALITY_PERIOD: Final = timedelta(days=28)

_CALL: Final = {"call_id": "Id of the call."}
_ALERT: Final = {"event_id": "Id of the alert's event."}


def routes(console: Console) -> list[ConsoleRoute]:
    """Return the places of the API."""
    return _Api(console).routes()


class _Api:
    """What all places of the API share."""

    def __init__(self, console: Console) -> None:
        self._measures = Measures(console.books)
        see_call, judge = Permission.SEE_CALL, Permission.JUDGE
        alert = "/alerts/{event_id}"
        decided = {200: models.Decided, 409: models.Decided}
        self._places = [
            ApiPlace(
                path="/me",
                call=_me,
                permission=Permission.ENTER,
                name="me",
                summary="Who asks, and what they may do",
                answers={200: models.Me},
            ),
            ApiPlace(
                path="/calls",
                call=_calls,
                permission=Permission.SEE_LIVE,
                name="calls",
                summary="The calls in progress, those that need help first",
                query=models.CallsQuery,
                answers={200: models.CallsInProgress},
            ),
            ApiPlace(
                path="/calls/{call_id:path}",
                call=self._call,
                permission=see_call,
                name="call",
                summary="One call, in progress or past: transcript, scores, episodes, handoff",
                paths=_CALL,
                answers={200: models.CallStory},
            ),
            ApiPlace(
                path="/alerts",
                call=_alerts,
                permission=see_call,
                name="alerts",
                summary="Alerts, newest first",
                query=models.AlertsQuery,
                answers={200: models.Alerts},
            ),
            ApiPlace(
                path=alert,
                call=_alert,
                permission=see_call,
                name="alert",
                summary="One alert with everything about it",
                paths=_ALERT,
                answers={200: models.AlertFull},
            ),
            ApiPlace(
                path=f"{alert}/take",
                call=_take,
                permission=judge,
                name="take",
                summary="Take care of the caller; 409 where somebody else does",
                method="POST",
                paths=_ALERT,
                answers=decided,
            ),
            ApiPlace(
                path=f"{alert}/verdict",
                call=_judge,
                permission=judge,
                name="judge",
                summary="Judge an alert; 409 where somebody else did",
                method="POST",
                body=models.Verdicting,
                paths=_ALERT,
                answers=decided,
            ),
            ApiPlace(
                path=f"{alert}/note",
                call=_note,
                permission=judge,
                name="note",
                summary="Note something on an alert",
                method="POST",
                body=models.Noting,
                paths=_ALERT,
                answers={200: models.Note},
            ),
            ApiPlace(
                path="/quality",
                call=_quality,
                permission=Permission.SEE_QUALITY,
                name="quality",
                summary="How well the alerts serve; the last four weeks where no time is given",
                query=models.PeriodQuery,
                answers={200: models.Quality},
            ),
            ApiPlace(
                path="/audit",
                call=_audit,
                permission=Permission.SEE_AUDIT,
                name="audit",
                summary="Who did what, newest first",
                query=models.AuditQuery,
                answers={200: models.AuditLog},
            ),
        ]

    @cached_property
    def document(self) -> dict[str, Any]:
        """The API as OpenAPI describes it."""
        more = {_STREAM: _stream_item(), "/openapi.json": _document_item()}
        return document(self._places, prefix=API, more=more)

    def routes(self) -> list[ConsoleRoute]:
        """Return the places as routes."""
        return [
            *(
                ConsoleRoute(
                    path=API + place.path,
                    endpoint=_answering(place),
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

    async def _call(self, visit: Visit) -> models.CallStory:
        call_id = visit.request.path_params["call_id"]
        story = await story_of(visit, call_id)
        await visit.note_once("see_call", f"call {call_id}")
        conversation = await asyncio.to_thread(self._measures.of, story)
        return models.CallStory.of(story, conversation, language=visit.language.code)


async def _me(visit: Visit) -> models.Me:
    return models.Me.of(visit)


async def _calls(visit: Visit, query: models.CallsQuery) -> models.CallsInProgress:
    wanted = query.model_dump(exclude_none=True)
    found = (models.CallInProgress.of(live) for live in visit.console.board.calls(visit.person.queues))
    calls = tuple(call for call in found if all(getattr(call, name) == value for name, value in wanted.items()))
    return models.CallsInProgress(now=visit.now, calls=calls)


async def _alerts(visit: Visit, query: models.AlertsQuery) -> models.Alerts:
    selection = _selection(visit, query, verdict=query.verdict)
    found, total = await asyncio.to_thread(
        visit.console.store.ask, alerts_of, selection, limit=query.limit, offset=query.offset
    )
    return models.Alerts(
        total=total, alerts=tuple(models.AlertBrief.of(card_of(alert, visit.language)) for alert in found)
    )


async def _alert(visit: Visit) -> models.AlertFull:
    return models.AlertFull.of(card_of(await _alert_of(visit), visit.language))


async def _take(visit: Visit) -> tuple[int, models.Decided]:
    store, alert = visit.console.store, await _alert_of(visit)
    return _decided(await _still_there(store.take_alert, alert.event_id, by=visit.person.name))


async def _judge(visit: Visit, body: models.Verdicting) -> tuple[int, models.Decided]:
    store, alert = visit.console.store, await _alert_of(visit)
    return _decided(await _still_there(store.judge_alert, alert.event_id, verdict=body.verdict, by=visit.person.name))


async def _note(visit: Visit, body: models.Noting) -> models.Note:
    store, alert = visit.console.store, await _alert_of(visit)
    return models.Note.of(
        await _still_there(store.note_alert, alert.event_id, note=body.note.strip(), by=visit.person.name)
    )


async def _quality(visit: Visit, query: models.PeriodQuery) -> models.Quality:
    until = query.until or visit.now
    since = query.since or until - _QUALITY_PERIOD
    selection = _selection(visit, query)
    found = await asyncio.to_thread(quality_of, visit.console, selection, since=since, until=until)
    return models.Quality(since=since, until=until, alerts=found.alerts, drift=found.drift)


async def _audit(visit: Visit, query: models.AuditQuery) -> models.AuditLog:
    await visit.note_once("see_audit", "console")
    lines = await asyncio.to_thread(visit.console.store.audit, limit=query.limit, before=query.before)
    return models.AuditLog(lines=tuple(models.AuditLine.of(line) for line in lines))


def _answering(place: ApiPlace) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of a place: what it takes is read and checked, what it returns is written."""

    async def endpoint(request: Request) -> Response:
        given: dict[str, BaseModel] = {}
        if place.query is not None:
            given["query"] = _read_query(place.query, request)
        if place.body is not None:
            given["body"] = await _read_json(place.body, request)
        answer = await place.call(visit_of(request), **given)
        status, model = answer if isinstance(answer, tuple) else (200, answer)
        return Response(model.model_dump_json(), status_code=status, media_type=_JSON)

    return endpoint


def _read_query(kind: type[_Model], request: Request) -> _Model:
    pairs = request.query_params.multi_items()
    if any(count > 1 for count in Counter(name for name, _ in pairs).values()):
        raise ConsoleError(422)
    try:
        return kind.model_validate_strings(dict(pairs))
    except ValidationError as error:
        raise ConsoleError(422) from error


async def _read_json(kind: type[_Model], request: Request) -> _Model:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _JSON:
        raise ConsoleError(415)
    try:
        return kind.model_validate_json(await read_body(request), strict=True)
    except ValidationError as error:
        raise ConsoleError(422) from error


def _selection(visit: Visit, query: models.PeriodQuery, *, verdict: str | None = None) -> Selection:
    return Selection(
        queues=visit.person.queues,
        since=query.since,
        until=query.until,
        queue=query.queue,
        language=query.language,
        verdict=verdict,
    )


async def _alert_of(visit: Visit) -> Alert:
    """Return the alert that the address names, if the visitor sees its queue."""
    alert = await asyncio.to_thread(visit.console.store.alert, visit.request.path_params["event_id"])
    if alert is None or not visit.person.sees(alert.queue):
        raise NotFoundError
    return alert


_Done = TypeVar("_Done")


async def _still_there(work: Callable[..., _Done], event_id: str, **values: Any) -> _Done:
    """Do something to an alert, which may have been deleted a moment ago."""
    try:
        return await asyncio.to_thread(work, event_id, **values)
    except UnknownAlertError as error:
        raise NotFoundError from error


def _decided(handling: Handling) -> tuple[int, models.Decided]:
    return 200 if handling.won else 409, models.Decided.of(handling)


def _stream_item() -> dict[str, Any]:
    events = (
        "Server-sent events. `calls`: calls in progress that changed (`all`: the list is complete) and those that are "
        "`gone`; `alerts`: the same of alerts; `call`: the call asked for has changed; `state`: whether the store can "
        "be reached; `beat`: nothing for 15 s, but the connection stands. After a break send the last event's id in "
        "`Last-Event-ID`, as browsers do."
    )

    def parameter(name: str, text: str, **schema: Any) -> dict[str, Any]:
        return {"name": name, "in": "query", "required": False, "description": text, "schema": schema}

    described = security(Permission.ENTER)
    return {
        "get": {
            "operationId": "stream",
            "summary": "What changes, as it changes",
            **described,
            "description": f"{events} {described['description']}",
            "parameters": [
                parameter("live", "1: the calls in progress, as for `/calls`.", type="string", enum=["1"]),
                parameter("alerts", "Which alerts there are.", type="string", enum=["brief"]),
                parameter("call", "Id of a call to hear of.", type="string"),
            ],
            "responses": {
                "200": {"description": "The stream.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
            }
            | problems(),
        }
    }


def _document_item() -> dict[str, Any]:
    schema = {"type": "object", "required": ["openapi", "info", "paths"]}
    return {
        "get": {
            "operationId": "document",
            "summary": "This document",
            **security(None),
            "responses": {
                "200": {"description": "OpenAPI 3.1.", "content": {_JSON: {"schema": schema}}},
                **problems(),
            },
        }
    }

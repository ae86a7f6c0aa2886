"""The console as an application: one table of routes, a guard before each, and an answer to everything that fails."""

import asyncio
import hmac
import math
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl, quote, unquote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Match, NoMatchFound, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from voicepipe.types import StoreError
from voicepipe.web import access_pages, api, call_page, history_pages, live_pages
from voicepipe.web.entrance import Means, RefusedError
from voicepipe.web.frame import (
    API,
    HOME,
    SIGN_IN,
    Console,
    ConsoleError,
    ConsoleRoute,
    is_secure,
    is_within,
    note,
    read_body,
)
from voicepipe.web.headers import SecurityHeaders
from voicepipe.web.language import Language
from voicepipe.web.rendering import prepare
from voicepipe.web.sessions import is_secret, new_secret
from voicepipe.web.static_files import STATIC, static_route
from voicepipe.web.visit import LANGUAGE_COOKIE, Visit, render, visit_of

_MOST_FIELDS = 50
_FORM = "application/x-www-form-urlencoded"


def console_table(console: Console) -> list[ConsoleRoute]:
    """Return every place of the console but its static files."""
    return [
        *access_pages.routes(),
        *live_pages.routes(console),
        *call_page.routes(console),
        *history_pages.routes(console),
        *api.routes(console),
    ]


def console_routes(console: Console) -> list[BaseRoute]:
    """Return what an application serves so that the console is there: ``/``, ``/console``, ``/api/v1``, ``/static``."""
    prepare()
    return [_Paths(SecurityHeaders(_application(console)))]


class _Paths(BaseRoute):
    """Hands the console's paths, whatever the method, to its application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        path = scope.get("path", "")
        is_ours = path == "/" or any(is_within(path, prefix) for prefix in (HOME, API, STATIC))
        return (Match.FULL if scope["type"] == "http" and is_ours else Match.NONE), {}

    def url_path_for(self, name: str, /, **path_params: object) -> "NoMatchFound":  # type: ignore[override]
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def _application(console: Console) -> Starlette:
    async def answer_error(request: Request, error: Exception) -> Response:
        return await _answer_error(console, request, error)

    routes: list[BaseRoute] = [static_route()]
    for place in console_table(console):
        route = Route(place.path, guarded(console, place), methods=list(place.methods), name=place.name)
        if place.streams and route.methods is not None:
            route.methods.discard("HEAD")
        routes.append(route)
    app = Starlette(
        routes=routes,
        exception_handlers=dict.fromkeys((HTTPException, ConsoleError, RefusedError, StoreError), answer_error),
    )
    app.router.redirect_slashes = False
    return app


def guarded(console: Console, place: ConsoleRoute) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of a route with the guard before it.

    Before the endpoint runs it is known who asks (`visit_of`), that their role allows it, that a POST comes from a page
    of the console, and what its form holds.
    """

    async def answer(request: Request) -> Response:
        if "\0" in request.url.path or "\0" in unquote(request.url.query):
            raise HTTPException(400)  # No text of the store can hold it.
        visit = await _identify(console, request)
        if place.permission is not None:
            if visit.admission is None:
                return _to_the_entrance(visit, place)
            if not visit.person.may(place.permission):
                raise ConsoleError(403)
        if request.method == "POST" and not visit.is_api:
            visit.form = await _read_form(request)
        if request.method == "POST" and not _is_genuine(visit):
            raise ConsoleError(403, "access-error-csrf")
        try:
            response = await place.endpoint(request)
        except (ConsoleError, HTTPException, RefusedError, StoreError):
            raise
        except Exception as error:
            console.on_failure("console", error)
            raise ConsoleError(500) from error
        if visit.is_secret_new and not visit.is_api:
            _give_secret(visit, response)
        return response

    return answer


async def _identify(console: Console, request: Request) -> Visit:
    """Find out who makes a request.

    Raises
    ------
    RefusedError
        Where a wrong token is presented, or a name without a role.
    """
    visit = request.state.visit = _nobody(console, request)
    try:
        visit.admission = await asyncio.to_thread(
            console.entrance.identify,
            request,
            secret=None if visit.is_secret_new else visit.secret,
            takes_bearer=visit.is_api,
        )
    except RefusedError as error:
        if error.status == 401:
            await note(
                console,
                actor="",
                action="sign_in_refused",
                subject="console",
                details={"address": visit.address, "by": Means.BEARER.value},
            )
        raise
    if visit.admission is not None:
        visit.language = _language(console, request, visit.admission.person.language)
    return visit


def _nobody(console: Console, request: Request) -> Visit:
    """Return a visit of which nothing is known but what the browser likes."""
    cookie = request.cookies.get(_cookie_name(console, request), "")
    return Visit(
        console=console,
        request=request,
        admission=None,
        secret=cookie if is_secret(cookie) else new_secret(),
        is_secret_new=not is_secret(cookie),
        language=_language(console, request, None),
        now=console.clock(),
    )


def _language(console: Console, request: Request, setting: str | None) -> Language:
    accept = request.headers.get("accept-language", "")
    return console.languages.choose(request.cookies.get(LANGUAGE_COOKIE), setting, accept=accept)


def _to_the_entrance(visit: Visit, place: ConsoleRoute) -> Response:
    """Answer somebody who is not signed in: a page goes to the sign-in and back, everything else is refused."""
    request = visit.request
    is_navigation = request.headers.get("sec-fetch-mode", "navigate") == "navigate"
    if visit.is_htmx:
        raise ConsoleError(401, headers={"hx-redirect": SIGN_IN})
    if visit.is_api or place.streams or not is_navigation:
        raise ConsoleError(401, headers={"www-authenticate": "Bearer"} if visit.is_api else None)
    back = f"?next={quote(visit.path, safe='/')}" if request.method != "POST" and visit.path != "/" else ""
    return RedirectResponse(SIGN_IN + back, status_code=303)


def _is_genuine(visit: Visit) -> bool:
    """Tell whether a POST comes from a page of this console, and not from one of another site.

    What carries a token in a header does: no page of another site can have a browser send that.
    """
    if visit.admission is not None and visit.admission.means is Means.BEARER:
        return True
    headers = visit.request.headers
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    given = headers.get("x-csrf-token") or visit.form.get("csrf", "")
    return not visit.is_secret_new and hmac.compare_digest(given.encode(), visit.csrf.encode())


async def _read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form; of a field that comes twice the last."""
    body = await read_body(request)
    if not body:
        return {}
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise ConsoleError(415)
    try:
        return dict(
            parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
        )
    except ValueError as error:
        raise ConsoleError(400) from error


def _cookie_name(console: Console, request: Request) -> str:
    """Return the cookie's name; with its prefix browsers take it from this very host by TLS only (RFC 6265bis)."""
    return "__Host-voicepipe" if is_secure(console, request) else "voicepipe"


def _give_secret(visit: Visit, response: Response) -> None:
    console, request = visit.console, visit.request
    # Lax and not Strict: who follows a link to an alert out of a chat is signed in there, too.
    response.set_cookie(
        _cookie_name(console, request),
        visit.secret,
        secure=is_secure(console, request),
        httponly=True,
        samesite="lax",
        path="/",
    )


async def _answer_error(console: Console, request: Request, error: Exception) -> Response:
    """Say what went wrong: as a page, as a sentence to htmx and scripts, as JSON to users of the API."""
    visit = await _visit_of_error(console, request)
    status, message_id, headers = _told(error)
    if isinstance(error, StoreError):
        console.on_failure("console", error)
    sentence = visit.language.t(message_id)
    if visit.is_api:
        return JSONResponse({"error": sentence}, status_code=status, headers=headers)
    if visit.is_htmx or request.headers.get("sec-fetch-mode", "navigate") != "navigate":
        return PlainTextResponse(sentence, status_code=status, headers=headers)
    return render(request, "error.html", status_code=status, headers=headers, sentence=sentence, status=status)


async def _visit_of_error(console: Console, request: Request) -> Visit:
    """Return who made a request that failed, perhaps before that was found out."""
    visit = getattr(request.state, "visit", None)
    if isinstance(visit, Visit):
        return visit
    try:
        return await _identify(console, request)
    except (RefusedError, StoreError):
        return visit_of(request)


def _told(error: Exception) -> tuple[int, str, dict[str, str]]:
    """Return the status of an error, its sentence's id, and the headers that belong to it."""
    if isinstance(error, ConsoleError):
        return error.status, error.message_id, dict(error.headers)
    if isinstance(error, RefusedError):
        headers = {"retry-after": str(math.ceil(error.wait_s))} if error.wait_s else {}
        if error.status == 401:
            headers["www-authenticate"] = 'Bearer error="invalid_token"'
        return error.status, error.message_id, headers
    if isinstance(error, StoreError):
        return 503, "access-error-503", {"retry-after": "5"}
    assert isinstance(error, HTTPException)
    known = error.status_code if error.status_code in (404, 405) else 400
    return error.status_code, f"access-error-{known}", dict(error.headers or {})

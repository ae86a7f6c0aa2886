"""Coming in, going out, what a viewer likes, and the audit log."""

import asyncio
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from voicepipe.web.entrance import Means, RefusedError
from voicepipe.web.frame import HOME, SIGN_IN, ConsoleError, ConsoleRoute, is_secure, is_within, note
from voicepipe.web.people import Permission
from voicepipe.web.sessions import new_secret
from voicepipe.web.visit import LANGUAGE_COOKIE, THEME_COOKIE, THEMES, Visit, render, visit_of

_YEAR_S: Final = 31_536_000
_AUDIT_PAGE: Final = 100
_ACTION: Final = "audit-action-"

_FIRST_PAGES: Final = (
    (Permission.SEE_LIVE, HOME),
    (Permission.SEE_CALL, f"{HOME}/alerts"),
)
"""Where somebody begins, by what they may see."""


def routes() -> list[ConsoleRoute]:
    """Return the places of this module."""
    sign_out, preferences, log = f"{HOME}/sign-out", f"{HOME}/preferences", f"{HOME}/audit"
    return [
        ConsoleRoute(path="/", endpoint=_go_home, permission=Permission.ENTER, name="home"),
        ConsoleRoute(path=SIGN_IN, endpoint=_show_sign_in, permission=None, name="sign_in_form"),
        ConsoleRoute(path=SIGN_IN, endpoint=_sign_in, permission=None, name="sign_in", methods=("POST",)),
        ConsoleRoute(
            path=sign_out, endpoint=_sign_out, permission=Permission.ENTER, name="sign_out", methods=("POST",)
        ),
        ConsoleRoute(path=preferences, endpoint=_prefer, permission=None, name="preferences", methods=("POST",)),
        ConsoleRoute(path=log, endpoint=_show_audit, permission=Permission.SEE_AUDIT, name="audit"),
    ]


def place_within(path: str) -> str | None:
    """Return a path of the console to go to next; None where it leads anywhere else.

    Browsers take a backslash for a slash and pass over control characters, so neither may be in it (WHATWG, "URL
    Standard").
    """
    try:
        parts = urlsplit(path)
    except ValueError:
        return None
    is_plain = path.isprintable() and "\\" not in path and ".." not in path
    return path if is_plain and not parts.scheme and not parts.netloc and is_within(parts.path, HOME) else None


async def _go_home(request: Request) -> Response:
    person = visit_of(request).person
    place = next(place for permission, place in _FIRST_PAGES if person.may(permission))
    return RedirectResponse(place, status_code=303)


async def _show_sign_in(request: Request) -> Response:
    visit = visit_of(request)
    back = place_within(request.query_params.get("next", ""))
    if visit.admission is not None:
        return RedirectResponse(back or "/", status_code=303)
    return _sign_in_page(visit, back=back)


async def _sign_in(request: Request) -> Response:
    """Open a session for a token. It gets a new secret, whatever the browser came with."""
    visit = visit_of(request)
    console, back = visit.console, place_within(visit.form.get("next", ""))
    token = visit.form.get("token", "").strip()
    try:
        person = console.entrance.check_token(token, address=visit.address)
    except RefusedError as error:
        if error.status == 401:
            await _note_at_the_door(visit, actor="", action="sign_in_refused")
        return _sign_in_page(visit, back=back, error=error)
    await _note_at_the_door(visit, actor=person.name, action="sign_in")
    if not visit.is_secret_new:
        await asyncio.to_thread(console.sessions.end, visit.secret)
    visit.secret = await asyncio.to_thread(console.sessions.begin, person.name, token=token)
    visit.is_secret_new = True
    return RedirectResponse(back or "/", status_code=303)


async def _sign_out(request: Request) -> Response:
    visit = visit_of(request)
    await visit.note("sign_out", "console")
    await asyncio.to_thread(visit.console.sessions.end, visit.secret)
    visit.secret, visit.is_secret_new = new_secret(), True
    return RedirectResponse(SIGN_IN, status_code=303)


async def _prefer(request: Request) -> Response:
    """Keep a viewer's language and theme on this device."""
    visit = visit_of(request)
    response = RedirectResponse(place_within(visit.form.get("next", "")) or "/", status_code=303)
    known = {LANGUAGE_COOKIE: visit.console.languages.codes, THEME_COOKIE: THEMES}
    for cookie, field in ((LANGUAGE_COOKIE, "language"), (THEME_COOKIE, "theme")):
        if (value := visit.form.get(field)) is None:
            continue
        if value not in known[cookie]:
            raise ConsoleError(400)
        response.set_cookie(
            cookie,
            value,
            max_age=_YEAR_S,
            secure=is_secure(visit.console, request),
            httponly=True,
            samesite="lax",
            path="/",
        )
    return response


async def _show_audit(request: Request) -> Response:
    """Show a page of the audit log; that it was looked at stands in it, too."""
    visit = visit_of(request)
    before = request.query_params.get("before", "")
    if before and not (before.isascii() and before.isdigit() and len(before) < 19):
        raise ConsoleError(400)
    await visit.note("see_audit", "console")
    lines = await asyncio.to_thread(
        visit.console.store.audit, limit=_AUDIT_PAGE + 1, before=int(before) if before else None
    )
    shown = lines[:_AUDIT_PAGE]
    older = shown[-1].id if len(lines) > _AUDIT_PAGE else None
    known = {message.removeprefix(_ACTION) for message in visit.language.messages if message.startswith(_ACTION)}
    return render(request, "audit.html", lines=shown, older=older, is_first=not before, known=known)


def _sign_in_page(visit: Visit, *, back: str | None, error: RefusedError | None = None) -> Response:
    status = 200 if error is None else error.status
    headers = {"retry-after": str(round(error.wait_s))} if error is not None and error.wait_s else {}
    return render(
        visit.request,
        "sign_in.html",
        status_code=status,
        headers=headers,
        back=back,
        error=visit.language.t(error.message_id) if error is not None else None,
        takes_tokens=visit.console.entrance.takes_tokens,
    )


async def _note_at_the_door(visit: Visit, *, actor: str, action: str) -> None:
    details = {"address": visit.address, "by": Means.SESSION.value}
    await note(visit.console, actor=actor, action=action, subject="console", details=details)

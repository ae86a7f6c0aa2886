"""A visit: one request, who made it, and the page that answers it."""

import asyncio
import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from voicepipe.types import StoreError
from voicepipe.web.entrance import Admission, Means
from voicepipe.web.frame import API, HOME, Console, is_secure, is_within, note
from voicepipe.web.language import Language
from voicepipe.web.people import Permission, Person
from voicepipe.web.rendering import fragment
from voicepipe.web.sessions import csrf_of
from voicepipe.web.static_files import takes_gzip

LANGUAGE_COOKIE: Final = "voicepipe_language"
THEME_COOKIE: Final = "voicepipe_theme"
THEMES: Final = ("auto", "light", "dark")

_NOTED_AGAIN: Final = timedelta(hours=1)
_MOST_NOTED: Final = 10_000

_PACKING: Final = 3
"""Level of gzip for pages."""

_PROXY_STREAM: Final = timedelta(minutes=15)
"""After this time a stream of somebody whom a proxy signed in ends, so that the proxy is asked again."""


@dataclass(kw_only=True)
class Visit:
    """One request and who made it, as the guard found out before the page was asked for.

    Attributes
    ----------
    console : Console
    request : Request
    admission : Admission or None
        None for nobody.
    secret : str
        What the browser's cookie holds, or will.
    is_secret_new : bool
        Whether the browser has yet to be given it.
    language : Language
    now : datetime
        UTC.
    form : mapping of str to str
        Fields of a POST.
    """

    console: Console
    request: Request
    admission: Admission | None
    secret: str
    is_secret_new: bool
    language: Language
    now: datetime
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def person(self) -> Person:
        """Who visits; only where the route asks for a permission."""
        assert self.admission is not None, "a route without a permission asks who visits"
        return self.admission.person

    @property
    def csrf(self) -> str:
        """Token that proves a POST comes from a page of this browser."""
        return csrf_of(self.secret)

    @property
    def theme(self) -> str:
        """``light`` or ``dark``, or ``auto`` for what the device has."""
        chosen = self.request.cookies.get(THEME_COOKIE, "")
        return chosen if chosen in THEMES else "auto"

    @property
    def address(self) -> str:
        """Address of the visitor."""
        return self.console.entrance.address_of(self.request)

    @property
    def is_htmx(self) -> bool:
        """Whether a part of a page is asked for, by htmx."""
        return self.request.headers.get("hx-request") == "true"

    @property
    def is_api(self) -> bool:
        """Whether the API is asked."""
        return is_within(self.request.url.path, API)

    @property
    def path(self) -> str:
        """Path and query of the page: where to come back to."""
        query = self.request.url.query
        return self.request.url.path + (f"?{query}" if query else "")

    async def note(
        self, action: str, subject: str, *, reason: str = "", details: Mapping[str, str | int] | None = None
    ) -> None:
        """Add a line on this person to the audit log.

        Raises
        ------
        StoreError
            Then what was to be noted must not be done.
        """
        await note(self.console, actor=self.person.name, action=action, subject=subject, reason=reason, details=details)

    async def note_once(self, action: str, subject: str, *, again_after: timedelta = _NOTED_AGAIN) -> None:
        """Add a line on this person to the audit log, unless there is one like it already: for what is polled.

        Parameters
        ----------
        action, subject : str
        again_after : timedelta
            A line that is as old counts no more; with none, one is added always.

        Raises
        ------
        StoreError
        """
        key, noted = (self.person.name, action, subject), self.console.noted
        if key in noted and self.now - noted[key] < again_after:
            return
        await self.note(action, subject)
        noted[key] = self.now
        noted.move_to_end(key)
        if len(noted) > _MOST_NOTED:
            noted.popitem(last=False)

    async def is_still_in(self) -> bool:
        """Tell whether a stream may go on: ask about once a minute; it counts as use of the session."""
        if self.admission is None:
            return False
        if self.admission.means is Means.PROXY:
            return self.console.clock() < self.now + _PROXY_STREAM
        if self.admission.means is not Means.SESSION:
            return True
        try:
            again = await asyncio.to_thread(
                self.console.entrance.identify, self.request, secret=self.secret, takes_bearer=False
            )
        except StoreError:
            return True  # Nobody can sign out while the store is away.
        return again is not None


def visit_of(request: Request) -> Visit:
    """Return who makes a request to a page of the console."""
    visit = request.state.visit
    assert isinstance(visit, Visit)
    return visit


def render(
    request: Request, name: str, *, status_code: int = 200, headers: Mapping[str, str] | None = None, **context: Any
) -> Response:
    """Answer with a template; beside `context` it gets the visitor, the language and what every page shows.

    Parameters
    ----------
    request : Request
    name : str
        File under ``templates``.
    status_code : int
    headers : mapping of str to str, optional
    **context
        What the template needs.
    """
    visit = visit_of(request)
    person = visit.admission.person if visit.admission is not None else None
    shared = {
        "person": person,
        "may": lambda permission: person is not None and person.may(Permission(permission)),
        "csrf": visit.csrf,
        "theme": visit.theme,
        "now": visit.now,
        "path": visit.path if request.method in ("GET", "HEAD") else HOME,
    }
    text = fragment(name, language=visit.language, **(shared | context))
    if not (takes_gzip(request) and _may_be_packed(visit)):
        return HTMLResponse(text, status_code=status_code, headers=headers)
    packed = gzip.compress(text.encode(), compresslevel=_PACKING)
    more = {"content-encoding": "gzip", "vary": "accept-encoding"}
    return HTMLResponse(packed, status_code=status_code, headers={**(headers or {}), **more})


def _may_be_packed(visit: Visit) -> bool:
    """Tell whether a page may be compressed although it holds secrets beside what its address says.

    The length of a compressed page tells somebody who listens and can have the browser open addresses of their making
    whether these hold a piece of a secret [1]_; so pages that another site had opened go as they are.

    References
    ----------
    .. [1] Gluck, Harris and Prado, "BREACH: Reviving the CRIME attack" (2013).
    """
    unknown = "cross-site" if is_secure(visit.console, visit.request) else "none"
    return visit.request.headers.get("sec-fetch-site", unknown) in ("same-origin", "none")

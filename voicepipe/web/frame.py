"""The frame of the console: what its pages are given, who visits them, and how they answer."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from voicepipe.events.store import Store
from voicepipe.speech.phrases import PhraseBook
from voicepipe.stress.calm import CalmReference
from voicepipe.types import StoreError
from voicepipe.web.config import ConsoleConfig
from voicepipe.web.entrance import Admission, Entrance, Means
from voicepipe.web.language import Language, Languages
from voicepipe.web.people import Permission, Person
from voicepipe.web.rendering import fragment
from voicepipe.web.sessions import Sessions, csrf_of
from voicepipe.web.stream import Hub

if TYPE_CHECKING:
    from voicepipe.web.board import LiveBoard

API: Final = "/api/v1"
HOME: Final = "/console"
SIGN_IN: Final = "/console/sign-in"

LANGUAGE_COOKIE: Final = "voicepipe_language"
THEME_COOKIE: Final = "voicepipe_theme"
THEMES: Final = ("auto", "light", "dark")

BODY_BYTES: Final = 65_536
"""Largest body that the console reads."""

_BODY_S = 10.0
"""Longest wait for it."""

_NOTED_AGAIN = timedelta(hours=1)
_MOST_NOTED = 10_000

_PROXY_STREAM = timedelta(minutes=15)
"""After this time a stream of somebody whom a proxy signed in ends, so that the proxy is asked again."""


@dataclass(kw_only=True)
class Console:
    """What the console is given from outside, and what follows from it.

    Attributes
    ----------
    config : ConsoleConfig
    store : Store
    board : LiveBoard
    clock : callable
        Present time, UTC.
    calm : callable
        Returns the calm scores that the stress model was calibrated on; None until the models are loaded.
    model_id : callable
        Returns the id of the stress model; None until the models are loaded.
    false_alarms_per_100_call_hours : float
        The operator's budget.
    books : mapping of str to PhraseBook, optional
        By what the handoff finds its quotes; those of the package otherwise.
    on_failure : callable
        Is told where an error was survived, and which.
    languages : Languages
    sessions : Sessions
    noted : ordered dict of (actor, action, subject) to datetime
        What was noted in the audit log lately and need not be again at once.
    entrance : Entrance
    hub : Hub
        Tells open pages what has changed.
    """

    config: ConsoleConfig
    store: Store
    board: "LiveBoard"
    clock: Callable[[], datetime]
    calm: Callable[[], CalmReference | None]
    model_id: Callable[[], str | None]
    false_alarms_per_100_call_hours: float
    on_failure: Callable[[str, Exception], None]
    books: Mapping[str, PhraseBook] | None = None
    languages: Languages = field(default_factory=Languages.load)
    sessions: Sessions = field(init=False)
    noted: OrderedDict[tuple[str, str, str], datetime] = field(init=False, default_factory=OrderedDict)
    entrance: Entrance = field(init=False)
    hub: Hub = field(init=False)

    def __post_init__(self) -> None:
        self.sessions = Sessions(self.store, config=self.config, clock=self.clock)
        self.entrance = Entrance(self.config, sessions=self.sessions, clock=self.clock)
        self.hub = Hub(board=self.board, store=self.store, clock=self.clock, on_failure=self.on_failure)


Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleRoute:
    """One place of the console.

    Attributes
    ----------
    path : str
        As Starlette writes it.
    endpoint : callable
        Answers; `visit_of` tells it who asks.
    permission : Permission or None
        What the visitor must be allowed to do; None: open to everybody.
    methods : tuple of str
        GET (with HEAD) or POST.
    name : str
        Unique.
    streams : bool
        Whether the answer goes on for as long as the visitor listens; it has no HEAD then.
    """

    path: str
    endpoint: Endpoint
    permission: Permission | None
    name: str
    methods: tuple[str, ...] = ("GET",)
    streams: bool = False


class ConsoleError(Exception):
    """What cannot be answered as asked.

    Attributes
    ----------
    status : int
        HTTP status.
    message_id : str
        The sentence that says why, as a message of the console's languages.
    headers : mapping of str to str
    """

    def __init__(self, status: int, message_id: str | None = None, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, message_id)
        self.status = status
        self.message_id = message_id or f"access-error-{status}"
        self.headers = headers or {}


class NotFoundError(ConsoleError):
    """Nothing here, or nothing that this person sees: the answer does not tell which."""

    def __init__(self) -> None:
        super().__init__(404)


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

    async def note_once(self, action: str, subject: str) -> None:
        """Add a line on this person to the audit log, unless one like it was added within the hour: for what is polled.

        Raises
        ------
        StoreError
        """
        key, noted = (self.person.name, action, subject), self.console.noted
        if key in noted and self.now - noted[key] < _NOTED_AGAIN:
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
    return HTMLResponse(text, status_code=status_code, headers=headers)


async def note(
    console: Console,
    *,
    actor: str,
    action: str,
    subject: str,
    reason: str = "",
    details: Mapping[str, str | int] | None = None,
) -> None:
    """Add a line to the audit log; what came from outside may hold anything, PostgreSQL's texts no NUL."""
    await asyncio.to_thread(
        console.store.note_act,
        actor=actor,
        action=action,
        subject=subject.replace("\0", "\ufffd"),
        reason=reason.replace("\0", "\ufffd"),
        details=details,
    )


async def read_body(request: Request) -> bytes:
    """Return the body of a request.

    Raises
    ------
    ConsoleError
        413 where it is larger than `BODY_BYTES`, 408 where it does not come.
    """
    body = b""
    try:
        async with asyncio.timeout(_BODY_S):
            async for piece in request.stream():
                body += piece
                if len(body) > BODY_BYTES:
                    raise ConsoleError(413)
    except TimeoutError as error:
        raise ConsoleError(408) from error
    return body


def is_secure(console: Console, request: Request) -> bool:
    """Tell whether browsers reach the console by TLS, here or at a proxy in front of it."""
    return request.url.scheme == "https" or (console.config.public_url or "").startswith("https:")


def is_within(path: str, prefix: str) -> bool:
    """Tell whether a path is a prefix, or below it."""
    return path == prefix or path.startswith(f"{prefix}/")

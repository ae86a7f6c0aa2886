"""The frame of the console: what its places are given from outside, what a place is, and how one refuses."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from voicepipe.conversation.spurts import TurnConfig
from voicepipe.events.store import Store
from voicepipe.speech.phrases import PhraseBook
from voicepipe.stress.calm import CalmReference
from voicepipe.web.board import LiveBoard
from voicepipe.web.config import ConsoleConfig
from voicepipe.web.entrance import Entrance
from voicepipe.web.hub import Hub
from voicepipe.web.language import Languages
from voicepipe.web.people import Permission
from voicepipe.web.sessions import Sessions

API: Final = "/api/v1"
HOME: Final = "/console"
SIGN_IN: Final = "/console/sign-in"

BODY_BYTES: Final = 65_536
"""Largest body that the console reads."""

_BODY_S = 10.0
"""Longest wait for it."""


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
    turns : TurnConfig, optional
        With the padding of the segmenter that cuts the calls.
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
    board: LiveBoard
    clock: Callable[[], datetime]
    calm: Callable[[], CalmReference | None]
    model_id: Callable[[], str | None]
    false_alarms_per_100_call_hours: float
    on_failure: Callable[[str, Exception], None]
    books: Mapping[str, PhraseBook] | None = None
    turns: TurnConfig | None = None
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

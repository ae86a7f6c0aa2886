"""A call centre with a console, for every test of it: people of every role, calls of several queues, alerts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from tests.events.calls import VERSIONS, make_call, make_episode, make_history
from voicepipe.conversation.cues import load_books
from voicepipe.events.calls import build_call_started
from voicepipe.events.envelope import message_of
from voicepipe.events.reroute import RerouteConfig, RerouteEvent, build_reroute
from voicepipe.events.store import Store
from voicepipe.speech.phrases import PhraseBook
from voicepipe.types import Call, CallEvent, CallStarted, CallSummary, Coverage, EpisodeState
from voicepipe.web.app import console_routes
from voicepipe.web.board import LiveBoard
from voicepipe.web.config import ConsoleConfig, PersonConfig
from voicepipe.web.frame import Console
from voicepipe.web.language import Languages
from voicepipe.web.people import Role

NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)

QUEUES: dict[str, str | None] = {"call-billing": "billing", "call-claims": "claims", "call-none": None}
"""Calls of the scene, all in progress, each with an open episode and an alert; and their queues."""

PAST_CALL = "call-past"
"""A call of yesterday, of the queue billing, with an alert that was cleared."""

TOKENS = {
    "viewer": "token-of-the-viewer-1",
    "supervisor": "token-of-the-supervisor-2",
    "supervisor-of-none": "token-of-the-supervisor-3",
    "qa": "token-of-the-qa-4",
    "admin": "token-of-the-admin-5",
}
"""By the name of the person."""

PEOPLE = (
    PersonConfig(name="viewer", token=SecretStr(TOKENS["viewer"]), role=Role.VIEWER),
    PersonConfig(name="supervisor", token=SecretStr(TOKENS["supervisor"]), role=Role.SUPERVISOR, queues=("billing",)),
    PersonConfig(
        name="supervisor-of-none", token=SecretStr(TOKENS["supervisor-of-none"]), role=Role.SUPERVISOR, queues=()
    ),
    PersonConfig(name="qa", token=SecretStr(TOKENS["qa"]), role=Role.QA, queues=("billing", "claims")),
    PersonConfig(name="admin", token=SecretStr(TOKENS["admin"]), role=Role.ADMIN),
)


@dataclass
class FakeClock:
    """A clock that a test sets."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        """Let time pass; keywords as `timedelta` has them."""
        self.now += timedelta(**by)


def call_of(call_id: str, queue: str | None, *, started_at: datetime = NOW - timedelta(minutes=5)) -> Call:
    return replace(make_call(call_id), queue=queue, started_at=started_at)


def reroute_of(call: Call, state: EpisodeState = EpisodeState.OPENED) -> RerouteEvent:
    return build_reroute(
        make_episode(state, call_id=call.call_id, at_s=50.0 if state is EpisodeState.CLOSED else 30.0),
        call=call,
        utterances=make_history(call.call_id),
        coverage=Coverage(speech_s=40.0),
        versions=VERSIONS,
        config=RerouteConfig(),
    )


def add_nameless(scene: "Scene", call_id: str) -> None:
    """Let an alert come of which neither queue nor agent is known."""
    call = replace(call_of(call_id, None), agent_id=None)
    scene.store.record([CallStarted(call=call)], [message_of(reroute_of(call))])


def seed(store: Store, board: LiveBoard) -> None:
    """Let the calls of the scene happen: three go on, one is over."""
    for call_id, queue in QUEUES.items():
        call = call_of(call_id, queue)
        events: list[CallEvent] = [
            CallStarted(call=call),
            *make_history(call_id),
            replace(make_episode(call_id=call_id), coverage=Coverage(speech_s=40.0)),
        ]
        store.record(events, [message_of(build_call_started(call)), message_of(reroute_of(call))])
        for event in events:
            board.on_call_event(event)
    past = call_of(PAST_CALL, "billing", started_at=NOW - timedelta(days=1))
    summary = CallSummary(call=past, duration_s=62.5, language="en", coverage=Coverage(speech_s=40.0), reason="end")
    store.record(
        [
            CallStarted(call=past),
            *make_history(PAST_CALL),
            make_episode(call_id=PAST_CALL),
            make_episode(EpisodeState.CLOSED, call_id=PAST_CALL),
            summary,
        ],
        [message_of(reroute_of(past)), message_of(reroute_of(past, EpisodeState.CLOSED))],
    )


@dataclass
class Scene:
    """Everything a test of the console needs.

    Attributes
    ----------
    console : Console
    clock : FakeClock
    failures : list of (str, Exception)
        What the console survived.
    """

    console: Console
    clock: FakeClock
    failures: list[tuple[str, Exception]]

    @property
    def store(self) -> Store:
        return self.console.store

    @property
    def board(self) -> LiveBoard:
        return self.console.board

    @property
    def app(self) -> ASGIApp:
        return Starlette(routes=console_routes(self.console))

    def client(
        self,
        person: str | None = None,
        *,
        address: str = "127.0.0.1",
        base_url: str = "http://127.0.0.1:8780",
        **more: Any,
    ) -> TestClient:
        """Return a browser, signed in as a person of the scene where one is named."""
        browser = TestClient(self.app, base_url=base_url, client=(address, 50_000), follow_redirects=False, **more)
        if person is not None:
            sign_in(browser, TOKENS[person])
        return browser

    def alert_id(self, call_id: str) -> str:
        """Return the id of the alert of a call of the scene."""
        return str(reroute_of(call_of(call_id, None)).event_id)

    def actions(self) -> list[tuple[str, str, str]]:
        """Return actor, action and subject of each line of the audit log, oldest first."""
        return [(line.actor, line.action, line.subject) for line in reversed(self.store.audit(limit=1000))]


@cache
def _languages() -> Languages:
    return Languages.load()


@cache
def _books() -> Mapping[str, PhraseBook]:
    return load_books(None)


def csrf_in(page: str) -> str:
    """Return the token against forged requests that a page carries."""
    return page.partition('name="csrf" value="')[2].partition('"')[0]


def sign_in(browser: TestClient, token: str, **fields: str) -> Any:
    """Sign in through the form, as a person does; from then on the browser sends its token with every POST."""
    form = browser.get("/console/sign-in")
    answer = browser.post("/console/sign-in", data={"csrf": csrf_in(form.text), "token": token, **fields})
    if answer.status_code == 303:
        browser.headers["x-csrf-token"] = csrf_in(browser.get("/console/none").text)
    return answer


def make_scene(folder: Path, *, config: ConsoleConfig | None = None, sinks: Sequence[str] = ("kafka",)) -> Scene:
    """Open a store in a folder, let the calls happen, and put a console before them."""
    clock = FakeClock()
    store = Store.open(folder / "store.sqlite", sinks=sinks, clock=clock)
    board = LiveBoard(clock=clock)
    seed(store, board)
    failures: list[tuple[str, Exception]] = []
    console = Console(
        config=config or ConsoleConfig(people=PEOPLE),
        store=store,
        board=board,
        clock=clock,
        calm=lambda: None,
        model_id=lambda: "stress-4",
        false_alarms_per_100_call_hours=1.0,
        books=_books(),
        languages=_languages(),
        on_failure=lambda where, error: failures.append((where, error)),
    )
    return Scene(console=console, clock=clock, failures=failures)

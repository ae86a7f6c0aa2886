"""A call centre that is made up, before the real console: for its figures and for its tests in a browser.

Calls go on in real time and tell what analysed calls tell (utterances, episodes, reroutes), through the same board and
the same store; nothing is heard and no model runs.

    python scripts/console_centre.py --port 8790 --calls 300

It serves until its standard input ends. Each line there is a command, a JSON object:

    {"do": "start", "call": "c1", "queue": "billing", "agent": "anna", "language": "en"}
    {"do": "say", "call": "c1", "stress": 0.9, "text": "I have called three times"}
    {"do": "open" | "close" | "end" | "withdraw", "call": "c1"}
    {"do": "away", "is": true}              the store cannot be reached, or can again
    {"do": "cpu"}                           seconds of CPU used so far are printed

Each episode that opens is printed with the time at which the pipeline told it.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette

from voicepipe.conversation.cues import load_books
from voicepipe.events.calls import build_call_ended, build_call_started
from voicepipe.events.envelope import message_of
from voicepipe.events.reroute import RerouteConfig, Versions, build_reroute
from voicepipe.events.store import Store
from voicepipe.gateways.uvicorn_server import Server, bounded_http
from voicepipe.types import (
    Basis,
    Call,
    CallEvent,
    CallStarted,
    CallSummary,
    Channel,
    ClosedBy,
    ConsentApplied,
    Coverage,
    Episode,
    EpisodeEvidence,
    EpisodeState,
    Erasure,
    FeatureDeviation,
    Reason,
    Roles,
    Scope,
    ScoredUtterance,
    StoreError,
    StressScore,
    Transcript,
)
from voicepipe.web.app import console_routes
from voicepipe.web.board import LiveBoard
from voicepipe.web.config import ConsoleConfig, PersonConfig
from voicepipe.web.frame import Console
from voicepipe.web.people import Role

VERSIONS = Versions(code="0", model="made-up", config="0", transcriber="none")
UTTERANCE_EVERY_S = 3.5
"""Seconds from one utterance of a call to the next, both sides taken together."""

QUEUES = ("billing", "claims", "orders", "service", "sales")
AGENTS = 60
TEXTS = {
    "en": (
        "I have called three times",
        "Nobody calls me back",
        "That is not what I was told",
        "Yes, the number is there",
    ),
    "ru": ("Я звоню уже третий раз", "Мне никто не перезвонил", "Мне говорили другое", "Да, номер указан"),
    "zh": ("我已经打了三次电话", "没有人给我回电话", "之前不是这么说的", "好的，号码在那里"),
}

TOKENS = {name: f"token-of-{name}-{name}" for name in ("anna", "ben", "wall", "qing")}
PEOPLE = (
    PersonConfig(name="anna", token=SecretStr(TOKENS["anna"]), role=Role.SUPERVISOR),
    PersonConfig(name="ben", token=SecretStr(TOKENS["ben"]), role=Role.SUPERVISOR),
    PersonConfig(name="wall", token=SecretStr(TOKENS["wall"]), role=Role.VIEWER),
    PersonConfig(name="qing", token=SecretStr(TOKENS["qing"]), role=Role.QA, language="zh"),
)


class LosableStore(Store):
    """A store that can be told to be away, as a database is whose network has gone."""

    is_away = False

    def _writing(self) -> Any:
        self._check()
        return super()._writing()

    def _reading(self) -> Any:
        self._check()
        return super()._reading()

    def _check(self) -> None:
        if self.is_away:
            raise StoreError("The store cannot be reached.")


@dataclass
class MadeUpCall:
    """A call that goes on."""

    call: Call
    heard: list[ScoredUtterance] = field(default_factory=list)
    episode: Episode | None = None
    episodes: int = 0
    stress: float = 0.2
    indices: dict[Channel, int] = field(default_factory=dict)

    @property
    def now_s(self) -> float:
        """How long it has lasted."""
        return (datetime.now(tz=UTC) - self.call.started_at).total_seconds()


class Centre:
    """The calls; what they tell goes to the store and to the board, as the service's scribe and pool do it."""

    def __init__(self, store: Store, board: LiveBoard, *, say: Callable[[dict[str, Any]], None]) -> None:
        self._store = store
        self._board = board
        self._say = say
        self._lock = threading.Lock()
        self.calls: dict[str, MadeUpCall] = {}

    def start(
        self,
        call_id: str,
        *,
        queue: str | None = "billing",
        agent: str = "anna",
        language: str = "en",
        ago_s: float = 0.0,
    ) -> None:
        """Let a call begin, now or some time ago."""
        call = Call(
            call_id=call_id,
            started_at=datetime.now(tz=UTC) - timedelta(seconds=ago_s),
            gateway="twilio",
            channels=(Channel.CALLER, Channel.AGENT),
            roles=Roles.GIVEN,
            queue=queue,
            agent_id=agent,
            language=language,
            consent="given",
            basis=Basis.EXPLICIT,
        )
        self.calls[call_id] = MadeUpCall(call)
        self._tell(CallStarted(call=call), build_call_started(call))

    def say(self, call_id: str, *, stress: float, text: str, channel: Channel = Channel.CALLER) -> None:
        """Let somebody say something; only the caller is scored."""
        made = self.calls[call_id]
        index = made.indices.get(channel, 0)
        made.indices[channel] = index + 1
        now_s = made.now_s
        score = StressScore(
            stress=stress,
            arousal=stress,
            valence=-stress,
            emotions={"anger": stress, "neutral": 1.0 - stress},
            confidence=0.8,
            model_id="made-up",
            baseline_ready=True,
            top_features=(
                _deviation("pitch_median_st", "semitones", 6.0 * stress),
                _deviation("level_dbfs", "dB", 10.0 * stress),
            ),
        )
        utterance = ScoredUtterance(
            call_id=call_id,
            channel=channel,
            index=index,
            start_s=max(0.0, now_s - 2.5),
            end_s=max(0.1, now_s - 0.5),
            decided_s=now_s,
            speech_s=1.8,
            transcript=Transcript(text=text, language=made.call.language or "en"),
            score=score if channel is Channel.CALLER else None,
        )
        made.heard.append(utterance)
        self._tell(utterance)

    def open(self, call_id: str) -> None:
        """Let stress have persisted: an episode opens, a reroute is requested."""
        made = self.calls[call_id]
        evidence = [one for one in made.heard if one.score is not None][-5:]
        made.episode = Episode(
            call_id=call_id,
            channel=Channel.CALLER,
            index=made.episodes,
            state=EpisodeState.OPENED,
            opened_s=evidence[0].start_s if evidence else made.now_s,
            closed_s=None,
            at_s=made.now_s,
            peak=0.95,
            mean=0.8,
            reasons=(Reason.STRESS_PERSISTED,),
            evidence=EpisodeEvidence(
                log_e=9.2,
                log_e_voice=9.2,
                log_e_threshold=8.5,
                false_alarms_per_100_call_hours=1.0,
                stressed_speech_s=14.0,
                utterances=tuple(one.index for one in evidence),
            ),
            coverage=Coverage(speech_s=40.0),
        )
        made.episodes += 1
        self._say({"episode": call_id, "at": time.time()})
        self._tell_episode(made, made.episode)

    def close(self, call_id: str, *, closed_by: ClosedBy = ClosedBy.CALM) -> None:
        """Let the episode be over, if one is open."""
        made = self.calls[call_id]
        if made.episode is None:
            return
        closed = replace(
            made.episode, state=EpisodeState.CLOSED, closed_s=made.now_s, at_s=made.now_s, closed_by=closed_by
        )
        made.episode = None
        self._tell_episode(made, closed)

    def end(self, call_id: str) -> None:
        """Let a call end."""
        self.close(call_id, closed_by=ClosedBy.CALL_END)
        made = self.calls.pop(call_id)
        summary = CallSummary(
            call=made.call,
            duration_s=made.now_s,
            language=made.call.language,
            coverage=Coverage(speech_s=30.0),
            reason="stop",
        )
        self._tell(summary, build_call_ended(summary))

    def withdraw(self, call_id: str) -> None:
        """Let the caller take back the consent."""
        made = self.calls[call_id]
        call = replace(made.call, consent="withdrawn", basis=Basis.WITHDRAWN)
        made.call = call
        self._tell(ConsentApplied(call=call, at_s=made.now_s, scope=Scope.NOTHING, erases=Erasure.EVERYTHING))

    def _tell_episode(self, made: MadeUpCall, episode: Episode) -> None:
        reroute = build_reroute(
            episode,
            call=made.call,
            utterances=made.heard,
            coverage=Coverage(speech_s=40.0),
            versions=VERSIONS,
            config=RerouteConfig(),
        )
        self._tell(episode, reroute)

    def _tell(self, event: CallEvent, outgoing: Any = None) -> None:
        with self._lock:
            self._board.on_call_event(event)
            try:
                self._store.record([event], [message_of(outgoing)] if outgoing else [])
            except StoreError as error:
                self._say({"store": str(error)})


def _deviation(name: str, unit: str, off: float) -> FeatureDeviation:
    return FeatureDeviation(
        name=name, value=off, unit=unit, deviation=off, text=f"{name} {off:.1f} {unit} above this caller's normal"
    )


def play(centre: Centre, *, calls: int, episodes_per_min: float, halt: threading.Event, rng: random.Random) -> None:
    """Keep `calls` calls going, each with an utterance every `UTTERANCE_EVERY_S`, until `halt`."""
    born = 0

    def bear(ago_s: float) -> None:
        nonlocal born
        born += 1
        language = rng.choice(list(TEXTS))
        centre.start(
            f"call-{born:05d}",
            queue=rng.choice(QUEUES),
            agent=f"agent-{rng.randrange(AGENTS):02d}",
            language=language,
            ago_s=ago_s,
        )

    for _ in range(calls):
        bear(rng.uniform(0.0, 600.0))
    step_s = UTTERANCE_EVERY_S / calls
    due = time.monotonic()
    while not halt.is_set():
        due += step_s
        if (wait_s := due - time.monotonic()) > 0:
            halt.wait(wait_s)
        made = rng.choice(list(centre.calls.values()))
        call_id = made.call.call_id
        made.stress = min(1.0, max(0.02, made.stress + rng.gauss(0.0, 0.12) - 0.02))
        channel = rng.choice((Channel.CALLER, Channel.AGENT))
        text = rng.choice(TEXTS[made.call.language or "en"])
        centre.say(call_id, stress=made.stress, text=text, channel=channel)
        if made.episode is not None and made.stress < 0.3:
            centre.close(call_id)
        if rng.random() < episodes_per_min / 60.0 * step_s:
            calm = [one for one in centre.calls.values() if one.episode is None and one.heard]
            upset = max(calm, key=lambda one: one.stress)
            upset.stress = 0.95
            centre.open(upset.call.call_id)
        if rng.random() < step_s * calls / 300.0:  # a call lasts five minutes
            centre.end(call_id)
            bear(0.0)


async def serve(arguments: argparse.Namespace) -> None:
    """Serve the console until the standard input ends."""
    folder = tempfile.TemporaryDirectory()
    clock = lambda: datetime.now(tz=UTC)  # noqa: E731
    store = LosableStore.open(arguments.store or Path(folder.name) / "store.db", sinks=("kafka",), clock=clock)
    board = LiveBoard(clock=clock, linger_s=arguments.linger_s)
    console = Console(
        config=ConsoleConfig(people=PEOPLE if arguments.people else ()),
        store=store,
        board=board,
        clock=clock,
        calm=lambda: None,
        model_id=lambda: "made-up",
        false_alarms_per_100_call_hours=1.0,
        books=load_books(None),
        on_failure=lambda where, error: say({"failure": where, "error": repr(error)}),
    )

    def say(told: dict[str, Any]) -> None:
        print(json.dumps(told), flush=True)

    centre, halt = Centre(store, board, say=say), threading.Event()
    config = uvicorn.Config(
        Starlette(routes=console_routes(console)),
        host="127.0.0.1",
        port=arguments.port,
        http=bounded_http(lambda: True, request_s=10.0),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )
    server = Server(config)
    serving = asyncio.create_task(server.serve())
    await server.opened.wait()
    player: asyncio.Task[None] | None = None
    if arguments.calls:
        rng = random.Random(arguments.seed)
        work = asyncio.to_thread(
            play,
            centre,
            calls=arguments.calls,
            episodes_per_min=arguments.episodes_per_min,
            halt=halt,
            rng=rng,
        )
        player = asyncio.create_task(work)
    say({"ready": arguments.port})
    while line := await asyncio.to_thread(sys.stdin.readline):
        command = json.loads(line)
        do, call_id = command.pop("do"), command.pop("call", "")
        if do == "cpu":
            say({"cpu_s": time.process_time(), "consoles": console.hub.n_consoles, "calls": len(board.calls())})
        elif do == "away":
            store.is_away = command["is"]
            say({"done": do})
        else:
            await asyncio.to_thread(getattr(centre, do), call_id, **command)
            say({"done": do})
    halt.set()
    if player is not None:
        await player
    console.hub.close()
    server.should_exit = True
    await serving
    store.close()
    folder.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8790)
    parser.add_argument("--store", help="place of the store; a temporary one where not given")
    parser.add_argument("--calls", type=int, default=0, help="calls that go on by themselves")
    parser.add_argument("--episodes-per-min", type=float, default=10.0)
    parser.add_argument("--linger-s", type=float, default=5.0)
    parser.add_argument("--people", action="store_true", help="sign in by a token; else anybody on this machine is in")
    parser.add_argument("--seed", type=int, default=7)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()

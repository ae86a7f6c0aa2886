"""The live service: ports, pool, store and brokers put together, from the first connection to SIGTERM."""

import asyncio
import contextlib
import os
import queue
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

from voicepipe.config import Settings
from voicepipe.conversation.cues import load_books
from voicepipe.counting import counted
from voicepipe.events.reroute import Versions
from voicepipe.gateways.server import LiveServer
from voicepipe.pipeline.pool import CallPool
from voicepipe.ports import CallObserver
from voicepipe.service import Courier, Listener, RerouteTeller, turns_of
from voicepipe.telemetry import Telemetry, Waiting
from voicepipe.types import CallEvent, CallStarted, CallSummary, StoreError
from voicepipe.web.app import console_routes
from voicepipe.web.board import LiveBoard
from voicepipe.web.config import console_fault
from voicepipe.web.frame import Console

_WRITTEN_DOWN = 4096
"""Call events that wait for the store; while there are as many, the workers wait."""

_RECOGNIZER_NICENESS = 5
"""On Linux each thread has its own; see setpriority(2)."""

Say = Callable[[str], None]


class Scribe:
    """Writes what calls tell to the store, in order, in a thread of its own.

    Parameters
    ----------
    courier : Courier
    settings : Settings
    versions : Versions
    observer : CallObserver
    """

    def __init__(self, courier: Courier, *, settings: Settings, versions: Versions, observer: CallObserver) -> None:
        self._courier = courier
        self._settings = settings
        self._versions = versions
        self._observer = observer
        self._books = load_books(settings.conversation_phrases)
        self._tellers: dict[str, RerouteTeller] = {}
        self._told: queue.Queue[CallEvent | None] = queue.Queue(_WRITTEN_DOWN)
        self._halt = threading.Event()
        self._thread = threading.Thread(target=self._write_on, name="scribe", daemon=True)
        self._thread.start()

    def take(self, event: CallEvent) -> None:
        """Take the next event of a call; waits while too many wait."""
        self._told.put(event)

    def close(self, timeout_s: float) -> int:
        """Write the rest; return how many events could not be written within the time."""
        with self._told.all_tasks_done:
            self._told.all_tasks_done.wait_for(lambda: not self._told.unfinished_tasks, timeout_s)
            unwritten = self._told.unfinished_tasks
        self._halt.set()
        with contextlib.suppress(queue.Full):
            self._told.put_nowait(None)
        return unwritten

    def _write_on(self) -> None:
        while not self._halt.is_set() and (event := self._told.get()) is not None:
            try:
                self._write(event)
            except Exception as error:  # one event's trouble; those after it are written
                self._observer.on_failure("store", error)
            self._told.task_done()

    def _write(self, event: CallEvent) -> None:
        call_id = event.call.call_id if isinstance(event, CallStarted | CallSummary) else event.call_id
        teller = self._tellers.get(call_id)
        if teller is None:
            teller = RerouteTeller(versions=self._versions, config=self._settings.reroute, books=self._books)
            self._tellers[call_id] = teller
        told, reroute = teller.tell(event)
        if isinstance(event, CallSummary):
            del self._tellers[call_id]
        self._courier.record(told, reroute)


def serve(settings: Settings, *, say: Say) -> bool:
    """Accept live calls until SIGTERM or SIGINT.

    Parameters
    ----------
    settings : Settings
    say : callable
        Takes one sentence for the operator.

    Returns
    -------
    bool
        False if something was left undone at the end: it was said.

    Raises
    ------
    ConfigError, ModelError, StoreError
        If the service cannot start.
    """
    return asyncio.run(_serve(settings, say=say))


async def _serve(settings: Settings, *, say: Say) -> bool:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    telemetry = Telemetry()
    with (
        telemetry.with_libraries(),
        Courier(
            settings, kafka=settings.kafka, webhook=settings.webhook, patient=True, on_failure=telemetry.on_failure
        ) as courier,
    ):
        scribe: Scribe | None = None
        listener: Listener | None = None
        board = LiveBoard(clock=_now, transcribe_agent=settings.analysis.transcribe_agent)
        console = Console(
            config=settings.console,
            store=courier.store,
            board=board,
            clock=_now,
            calm=lambda: listener.models.calm if listener else None,
            model_id=lambda: listener.versions.model if listener else None,
            books=load_books(settings.conversation_phrases),
            turns=turns_of(settings),
            false_alarms_per_100_call_hours=settings.analysis.episode.false_alarms_per_100_call_hours,
            on_failure=telemetry.on_failure,
        )
        fault = console_fault(settings.console, settings.serve.host)
        has_console = settings.console.enabled and fault is None

        def deliver(event: CallEvent) -> None:
            assert scribe is not None
            scribe.take(event)
            server.on_call_event(event)
            board.on_call_event(event)

        pool = CallPool(config=settings.pool, analysis=settings.analysis, deliver=deliver, observer=telemetry)
        telemetry.watch(calls=lambda: pool.n_calls, waiting=lambda: pool.n_waiting)
        telemetry.watch_outbox(lambda: _waiting(courier))
        telemetry.watch_feedback(courier.feedback_counts)
        server = LiveServer(
            config=settings.serve,
            pool=pool,
            observer=telemetry,
            metrics=telemetry.metrics,
            store_fault=courier.fault,
            begun=courier.calls_begun,
            outbox=partial(_waiting, courier),
            routes=console_routes(console) if has_console else (),
        )
        await server.open()
        say(_where(settings, server))
        if has_console:
            say(f"voicepipe: the console is at {_console_url(settings, server)}")
        elif fault:
            say(f"voicepipe: {fault}")
        looking = asyncio.create_task(_look_for_kafka(courier, say=say))
        drain_s = 0.0
        try:
            loading = loop.run_in_executor(ThreadPoolExecutor(1, "load"), _load, settings)
            stopping = asyncio.create_task(stop.wait())
            either: list[asyncio.Future[Any]] = [loading, stopping]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if pool.n_calls:  # told to stop while the models load: the calls that came meanwhile need them
                await asyncio.wait([loading], timeout=settings.serve.flush_s)
            if loading.done():
                listener = loading.result()
                scribe = Scribe(courier, settings=settings, versions=listener.versions, observer=telemetry)
                pool.equip(listener.models)
                say("voicepipe: the models are loaded")
                await stopping
                drain_s = settings.serve.drain_s
            say(f"voicepipe: no new calls; those that run have {drain_s:g} s")
        finally:
            looking.cancel()
            console.hub.close()
            await server.close(drain_s=drain_s)
            left = await asyncio.to_thread(_finish, pool, scribe, courier, settings)
        for sentence in left:
            say(f"voicepipe: {sentence}")
        return not left


async def _look_for_kafka(courier: Courier, *, say: Say) -> None:
    """Say at the start, not at the first alert, that Kafka is away or lacks a topic; calls are taken all the same."""
    if unreachable := await asyncio.to_thread(courier.unreachable):
        say(f"voicepipe: {unreachable} Events wait in the outbox until then.")


def _load(settings: Settings) -> Listener:
    """Load the models at a lower priority, which the recogniser's own threads inherit: sockets and hearing go first."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _RECOGNIZER_NICENESS)
    return Listener(settings, workers=settings.pool.workers)


def _finish(pool: CallPool, scribe: Scribe | None, courier: Courier, settings: Settings) -> list[str]:
    """Analyse, write and deliver the rest; return a sentence for each thing that was left undone."""
    left, flush_s, calls = [], settings.serve.flush_s, pool.n_calls
    if not pool.stop(flush_s) and calls:
        left.append("not all calls could be analysed to their end; raise serve.flush_s")
    if scribe is not None and (unwritten := scribe.close(flush_s)):
        left.append(f"{counted(unwritten, 'event')} could not be written to the store")
    if undelivered := courier.flush(flush_s):
        left.append(undelivered)
    return left


def _waiting(courier: Courier) -> list[Waiting]:
    """Return what waits for each sink; nothing while the store cannot be read, which /readyz says by itself."""
    try:
        statuses = courier.status()
    except StoreError:
        return []
    return [
        Waiting(
            sink=status.sink,
            pending=status.pending,
            oldest_age_s=status.oldest_age_s,
            refused=status.refused,
            last_error=status.last_error,
        )
        for status in statuses
    ]


def _console_url(settings: Settings, server: LiveServer) -> str:
    if settings.console.public_url:
        return settings.console.public_url
    scheme = "https" if settings.serve.tls_cert_file else "http"
    return f"{scheme}://{_host(settings.serve.host)}:{server.port}/console"


def _host(name: str) -> str:
    """Write a host as a URL has it: an IPv6 address in brackets."""
    return f"[{name}]" if ":" in name else name


def _now() -> datetime:
    return datetime.now(tz=UTC)


def _where(settings: Settings, server: LiveServer) -> str:
    scheme = "wss" if settings.serve.tls_cert_file else "ws"
    places = [f"{scheme}://{_host(settings.serve.host)}:{server.port}/v1/twilio /v1/audiohook /v1/l16"]
    if server.audiosocket_port is not None:
        places.append(f"AudioSocket on {_host(settings.serve.audiosocket_host)}:{server.audiosocket_port}")
    return f"voicepipe: listening on {', '.join(places)}"

"""What the operator sees of a running service: log lines and metrics, fed by one observer, never call content.

A log line may carry the fields of `LOG_FIELDS` and no others: whatever else is handed to it is dropped before it is
written, so that no transcript, number or name can slip through. Metrics follow the naming rules of Prometheus [1]_.

References
----------
.. [1] Prometheus, "Metric and label naming", https://prometheus.io/docs/practices/naming/
"""

import contextlib
import logging
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from voicepipe.types import (
    AudioChunk,
    CallEvent,
    CallStarted,
    CallSummary,
    ConsentApplied,
    Episode,
    ScoredUtterance,
    VoicepipeError,
)

LOG_FIELDS = frozenset(
    {
        "at", "call_id", "channel", "client", "coverage", "duration_s", "episode", "error", "event", "gateway", "level",
        "outcome", "place", "protocol", "reason", "state", "where",
    }
)  # fmt: skip
"""Fields that a log line may carry."""

_SECONDS = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.5, 3.0, 4.0,
    5.0, 10.0, 30.0,
)  # fmt: skip
_SHARES = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999, 1.0)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of `Telemetry.metrics`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How much waits for one sink of events.

    Attributes
    ----------
    sink : str
    pending : int
    oldest_age_s : float
        0 when nothing waits.
    refused : int
        Events that the sink refused for good; they are dead letters.
    last_error : str, optional
        The sentence of the last failure; None when the last attempt went through.
    """

    sink: str
    pending: int
    oldest_age_s: float
    refused: int = 0
    last_error: str | None = None


class Telemetry:
    """Turns what happens into log lines and metrics; implements `voicepipe.ports.CallObserver`.

    Parameters
    ----------
    out : text stream, optional
        Where log lines go, one JSON object each; standard error by default.
    """

    def __init__(self, *, out: TextIO | None = None) -> None:
        self._registry = CollectorRegistry()
        registry = self._registry
        unwritten = Counter("voicepipe_log_lines_dropped", "Log lines that could not be written.", registry=registry)
        self._log = structlog.wrap_logger(
            _Lines(out or sys.stderr, unwritten=unwritten),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
                keep_allowed,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
        ProcessCollector(registry=registry)
        self._calls = Counter("voicepipe_calls", "Calls that began.", ["gateway"], registry=registry)
        self._audio_s = Counter("voicepipe_audio_seconds", "Audio that came in.", ["channel"], registry=registry)
        self._utterances = Counter("voicepipe_utterances", "Utterances analysed.", ["channel"], registry=registry)
        self._speech_s = Counter("voicepipe_speech_seconds", "Speech analysed.", ["channel"], registry=registry)
        self._episodes = Counter("voicepipe_episodes", "Episodes opened and closed.", ["state"], registry=registry)
        self._consents = Counter(
            "voicepipe_consent_changes", "Changes of consent in mid-call.", ["scope"], registry=registry
        )
        self._stages = Histogram(
            "voicepipe_stage_seconds", "Time taken by a stage.", ["stage"], buckets=_SECONDS, registry=registry
        )
        self._shed_s = Counter(
            "voicepipe_shed_seconds", "Audio whose analysis was left out in part.", ["kind"], registry=registry
        )
        self._coverage = Histogram(
            "voicepipe_coverage_ratio", "Share of a call's speech heard in full.", buckets=_SHARES, registry=registry
        )
        self._connections = Counter(
            "voicepipe_connections", "Connections by what became of them.", ["protocol", "outcome"], registry=registry
        )
        self._faults = Counter("voicepipe_decode_errors", "Damaged messages skipped.", ["protocol"], registry=registry)
        self._failures = Counter("voicepipe_failures", "Errors survived.", ["where"], registry=registry)

    def watch(self, *, calls: Callable[[], int], waiting: Callable[[], int]) -> None:
        """Have the pool looked at whenever metrics are read."""
        live = Gauge("voicepipe_calls_live", "Calls being analysed.", registry=self._registry)
        live.set_function(calls)
        depth = Gauge("voicepipe_queue_utterances", "Utterances that wait.", registry=self._registry)
        depth.set_function(waiting)

    def watch_outbox(self, status: Callable[[], Iterable[Waiting]]) -> None:
        """Have the outbox looked at whenever metrics are read."""
        self._registry.register(_OutboxCollector(status))

    def watch_feedback(self, counts: Callable[[], Mapping[str, int]]) -> None:
        """Have the answers of supervisors counted, by verdict and outcome, whenever metrics are read."""
        self._registry.register(_FeedbackCollector(counts))

    def metrics(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    def log(self, event: str, **fields: object) -> None:
        """Write a line about the service itself; fields outside `LOG_FIELDS` are dropped."""
        self._log.info(event, **fields)

    @contextlib.contextmanager
    def with_libraries(self) -> Iterator[None]:
        """Write what libraries log, warnings and errors, as lines like all others for as long as it is open.

        A line holds the first line of what the library's author wrote, without what is to be filled in, and of an
        exception the kind and the place: the rest may quote what was said.
        """
        handler = _LibraryLines(self._log)
        logging.getLogger().addHandler(handler)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(handler)

    def on_media(self, event: CallStarted | AudioChunk) -> None:
        """Count the call, or the seconds of audio."""
        if isinstance(event, CallStarted):
            self._calls.labels(event.call.gateway).inc()
            self._log.info("call started", call_id=event.call.call_id, gateway=event.call.gateway)
        else:
            self._audio_s.labels(event.channel).inc(event.samples.size / event.sample_rate_hz)

    def on_call_event(self, event: CallEvent) -> None:
        """Count what was analysed; log episodes and ends."""
        match event:
            case ScoredUtterance():
                self._utterances.labels(event.channel).inc()
                self._speech_s.labels(event.channel).inc(event.end_s - event.start_s)
            case Episode():
                self._episodes.labels(event.state).inc()
                self._log.info("episode", call_id=event.call_id, episode=event.index, state=str(event.state))
            case ConsentApplied():
                self._consents.labels(event.scope).inc()
                self._log.info("consent", call_id=event.call_id, state=str(event.scope), reason=str(event.call.basis))
            case CallSummary(call=call):
                self._coverage.observe(event.coverage.ratio)
                self._log.info(
                    "call ended",
                    call_id=call.call_id,
                    duration_s=round(event.duration_s, 2),
                    coverage=round(event.coverage.ratio, 4),
                    reason=event.reason,
                )

    def on_stage(self, stage: str, duration_s: float) -> None:
        """Add to the histogram of the stage."""
        self._stages.labels(stage).observe(duration_s)

    def on_shed(self, kind: str, duration_s: float) -> None:
        """Count the seconds."""
        self._shed_s.labels(kind).inc(duration_s)

    def on_connection(
        self, protocol: str, outcome: str, *, client: str = "", call_id: str = "", reason: str = ""
    ) -> None:
        """Count the connection; log what was not let in or was cut off."""
        self._connections.labels(protocol, outcome).inc()
        if outcome not in {"accepted", "closed"}:
            self._log.warning(
                "connection", protocol=protocol, outcome=outcome, client=client, call_id=call_id, reason=reason
            )

    def on_faults(self, protocol: str, count: int) -> None:
        """Count them."""
        self._faults.labels(protocol).inc(count)

    def on_failure(self, where: str, error: Exception) -> None:
        """Count and log; of errors that are not voicepipe's own the kind alone, for they may quote what was said."""
        self._failures.labels(where).inc()
        sentence = str(error) if isinstance(error, VoicepipeError) else type(error).__name__
        self._log.error("failure", where=where, error=sentence)


class _Lines:
    """Writes log lines; one that cannot be written (disk full, nobody reads the pipe) is dropped and counted."""

    def __init__(self, out: TextIO, *, unwritten: Counter) -> None:
        self._printer = structlog.PrintLogger(out)
        self._unwritten = unwritten

    def msg(self, line: str) -> None:
        try:
            self._printer.msg(line)
        except (OSError, ValueError):  # ValueError: the stream is closed, or cannot encode the line
            self._unwritten.inc()

    info = warning = error = msg


class _LibraryLines(logging.Handler):
    """Hands records of Python's own logging to the log of the service."""

    def __init__(self, log: Any) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        write = self._log.error if record.levelno >= logging.ERROR else self._log.warning
        write(
            "library",
            where=record.name,
            reason=record.msg.strip().partition("\n")[0] if isinstance(record.msg, str) else "",
            error="" if error is None else f"{type(error).__name__} at {_place_of(error)}",
        )


def _place_of(error: BaseException) -> str:
    """Return file and line where an exception was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"


class _OutboxCollector:
    """Asks the outbox whenever metrics are read."""

    def __init__(self, status: Callable[[], Iterable[Waiting]]) -> None:
        self._status = status

    def collect(self) -> Iterable[Metric]:
        pending = GaugeMetricFamily("voicepipe_events_pending", "Events that wait for a sink.", labels=["sink"])
        age_s = GaugeMetricFamily(
            "voicepipe_events_oldest_age_seconds", "Age of the oldest event that waits.", labels=["sink"]
        )
        refused = GaugeMetricFamily("voicepipe_events_refused", "Dead letters: refused for good.", labels=["sink"])
        for waiting in self._status():
            pending.add_metric([waiting.sink], waiting.pending)
            age_s.add_metric([waiting.sink], waiting.oldest_age_s)
            refused.add_metric([waiting.sink], waiting.refused)
        return [pending, age_s, refused]

    def describe(self) -> Iterable[Metric]:
        return []


def keep_allowed(_logger: object, _method: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Drop every field that is not in `LOG_FIELDS`, and those that say nothing."""
    return {name: value for name, value in fields.items() if name in LOG_FIELDS and value != ""}


class _FeedbackCollector:
    """Asks the store whenever metrics are read."""

    def __init__(self, counts: Callable[[], Mapping[str, int]]) -> None:
        self._counts = counts

    def collect(self) -> Iterable[Metric]:
        given = GaugeMetricFamily("voicepipe_feedback", "Verdicts and outcomes that came back.", labels=["answer"])
        for answer, count in sorted(self._counts().items()):
            given.add_metric([answer], count)
        return [given]

    def describe(self) -> Iterable[Metric]:
        return []

"""The composition root: the only place that knows which concrete class stands behind a port."""

import random
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Self

import numpy as np

from voicepipe import __version__
from voicepipe.config import Settings
from voicepipe.events.calls import CallEndedEvent, CallStartedEvent, build_call_ended, build_call_started
from voicepipe.events.config import KafkaConfig, WebhookConfig
from voicepipe.events.contract import TOPICS
from voicepipe.events.envelope import message_of
from voicepipe.events.feedback import FEEDBACK_TOPIC
from voicepipe.events.kafka import KafkaGroupReader, KafkaSink
from voicepipe.events.kafka_connection import ensure_topics
from voicepipe.events.listener import FeedbackListener
from voicepipe.events.recorder import Recorder
from voicepipe.events.relay import Backoff, Relay, SinkStatus
from voicepipe.events.reroute import RerouteConfig, RerouteEvent, Versions, build_reroute
from voicepipe.events.store import Store
from voicepipe.events.webhook import WebhookSink
from voicepipe.pipeline.call import Models, analyze_call
from voicepipe.ports import EventSink
from voicepipe.speech import weights
from voicepipe.speech.vad import SileroDetector
from voicepipe.speech.whisper import WhisperTranscriber
from voicepipe.stress.calm import CalmReference
from voicepipe.stress.scorer import OnnxStressScorer
from voicepipe.types import (
    Call,
    CallEvent,
    CallStarted,
    CallSummary,
    Coverage,
    Episode,
    MediaEvent,
    ModelError,
    ScoredUtterance,
    SinkError,
    StoreError,
)

FEEDBACK_GROUP = "voicepipe-feedback"
"""Consumer group that shares the answers of supervisors among all running services."""

Told = tuple[CallEvent, RerouteEvent | None]
"""One thing that a call tells, and the reroute that it causes, if it is an episode."""


class Listener:
    """Loaded models and the settings they are used with: listens to calls.

    Parameters
    ----------
    settings : Settings
    workers : int, optional
        Utterances that are recognised at the same time; by default what the settings say of Whisper.

    Attributes
    ----------
    models : Models
        Shared by all calls.
    versions : Versions
        What every event says of its origin.

    Raises
    ------
    ModelError
        If weights are missing, damaged or of another version.
    """

    def __init__(self, settings: Settings, *, workers: int | None = None) -> None:
        self._settings = settings
        whisper = replace(settings.whisper, num_workers=workers or settings.whisper.num_workers)
        whisper_dir = weights.locate(settings.whisper_model, settings.cache_dir / "whisper")
        scorer = OnnxStressScorer(settings.stress_model)
        self.models = Models(
            detector=SileroDetector(),
            transcriber=WhisperTranscriber(whisper_dir, config=whisper),
            scorer=scorer,
            calm=_calm_reference(settings),
        )
        self.versions = Versions(
            code=__version__,
            model=scorer.model_id,
            config=settings.digest(),
            transcriber=f"whisper-{settings.whisper_model}-{settings.whisper.compute_type}",
        )

    def listen(self, media: Iterable[MediaEvent]) -> Iterator[Told]:
        """Analyse one call; see `voicepipe.pipeline.call.analyze_call`."""
        events = analyze_call(media, models=self.models, config=self._settings.analysis)
        return tell_reroutes(events, versions=self.versions, config=self._settings.reroute)


class Courier:
    """The store with its outbox, and the relay that carries it to Kafka and to the webhook.

    Parameters
    ----------
    settings : Settings
    kafka : KafkaConfig or None
    webhook : WebhookConfig or None
        None for both: events are kept in the store and go nowhere.
    patient : bool
        For live calls: what the store cannot take now (a full disk, a database that is away) is held in memory and
        written as soon as it can be; otherwise `record` raises. What supervisors answer is stored, too.

    Raises
    ------
    StoreError
        If the store cannot be opened.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        kafka: KafkaConfig | None,
        webhook: WebhookConfig | None = None,
        patient: bool = False,
    ) -> None:
        sinks: list[EventSink] = []
        topics: dict[str, Collection[str]] = {}
        if kafka is not None:
            sinks.append(KafkaSink(kafka))
            topics[KafkaSink.name] = TOPICS
        if webhook is not None:
            sinks.append(WebhookSink(webhook, unix_time_s=time.time))
            topics[WebhookSink.name] = webhook.topics
        relay = settings.relay
        self._backoff = Backoff(first_s=relay.backoff_first_s, cap_s=relay.backoff_cap_s)
        self._store = Store.open(settings.store_url, sinks=topics, clock=_now)
        self._relay = Relay(
            self._store,
            sinks,
            backoff=self._backoff,
            rng=random.Random(),  # noqa: S311 - jitter, no secret
            clock=_now,
            poll_s=relay.poll_s,
            batch_size=relay.batch_size,
        )
        self._place = settings.store_name
        self._kafka = kafka
        self._recorder: Recorder | None = None
        self._feedback: FeedbackListener | None = None
        if patient:
            self._recorder = Recorder(self._store, backoff=self._backoff, rng=random.Random())  # noqa: S311
            if kafka is not None:
                self._feedback = FeedbackListener(
                    self._store,
                    connect=partial(KafkaGroupReader, kafka, topic=FEEDBACK_TOPIC, group=FEEDBACK_GROUP),
                    backoff=self._backoff,
                    rng=random.Random(),  # noqa: S311
                )

    def __enter__(self) -> Self:
        self._relay.start()
        if self._recorder is not None:
            self._recorder.start()
        if self._feedback is not None:
            self._feedback.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._feedback is not None:
            self._feedback.stop()
        if self._recorder is not None:
            self._recorder.stop()
        self._relay.stop()
        self._store.close()

    def record(self, event: CallEvent, reroute: RerouteEvent | None) -> None:
        """Write a call event and what must leave because of it in one transaction.

        Raises
        ------
        StoreError
            If it could not be written and, where the courier is patient, not be held either.
        """
        outgoing: list[CallStartedEvent | CallEndedEvent | RerouteEvent] = [reroute] if reroute else []
        if isinstance(event, CallStarted):
            outgoing.append(build_call_started(event.call))
        elif isinstance(event, CallSummary):
            outgoing.append(build_call_ended(event))
        writer = self._recorder or self._store
        writer.record([event], [message_of(one) for one in outgoing])

    def fault(self) -> str | None:
        """Return what is wrong with the store; None when it can be written."""
        if self._recorder is not None and self._recorder.held:
            return f"{self._recorder.held} records wait for the store: {self._recorder.last_error}"
        try:
            self._store.record([], [])
        except StoreError as error:
            return str(error)
        return None

    def unreachable(self) -> str | None:
        """Return why Kafka would not take events now: it is away, or a topic is missing; None when it would."""
        if self._kafka is None:
            return None
        try:
            ensure_topics(self._kafka, TOPICS)
        except SinkError as error:
            return str(error)
        return None

    def status(self) -> tuple[SinkStatus, ...]:
        """Return how much waits for each sink."""
        return self._relay.status()

    def feedback_counts(self) -> Mapping[str, int]:
        """Return how often each verdict and each outcome came back; empty while the store cannot be read."""
        try:
            return self._store.feedback_counts()
        except StoreError:
            return {}

    def flush(self, timeout_s: float) -> str | None:
        """Wait until the store has everything and the sinks have acknowledged it.

        Returns
        -------
        str or None
            None when they have; otherwise one sentence on what waits where, and why.
        """
        if self._recorder is not None and not self._recorder.flush(timeout_s):
            return f"{self._recorder.held} records could not be written to {self._place} ({self._recorder.last_error})"
        if self._relay.flush(timeout_s):
            return None
        waiting = sum(status.pending for status in self._relay.status())
        errors = [status.last_error for status in self._relay.status() if status.last_error]
        why = f" ({errors[0]})" if errors else ""
        events = "1 event waits" if waiting == 1 else f"{waiting} events wait"
        return f"{events} in the outbox {self._place} and go out at the next start with --kafka{why}"


class RerouteTeller:
    """Puts beside each episode of one call the reroute that it causes: requested when it opens, cleared when it closes.

    Parameters
    ----------
    versions : Versions
    config : RerouteConfig
    """

    def __init__(self, *, versions: Versions, config: RerouteConfig) -> None:
        self._versions = versions
        self._config = config
        self._call: Call | None = None
        self._heard: list[ScoredUtterance] = []

    def tell(self, event: CallEvent) -> Told:
        """Take the call's next event and return it with its reroute."""
        reroute = None
        if isinstance(event, CallStarted):
            self._call = event.call
        elif isinstance(event, ScoredUtterance):
            self._heard.append(event)
        elif isinstance(event, Episode) and self._call is not None:
            reroute = build_reroute(
                event,
                call=self._call,
                utterances=self._heard,
                coverage=event.coverage or Coverage(speech_s=0.0),
                versions=self._versions,
                config=self._config,
            )
        return event, reroute


def tell_reroutes(events: Iterable[CallEvent], *, versions: Versions, config: RerouteConfig) -> Iterator[Told]:
    """Pass on the events of one call, each episode with its reroute; see `RerouteTeller`."""
    teller = RerouteTeller(versions=versions, config=config)
    return map(teller.tell, events)


def waiting_events(settings: Settings) -> int:
    """Return how many events wait in the outbox for Kafka.

    Raises
    ------
    StoreError
        If the store cannot be opened.
    """
    with Store.open(settings.store_url, sinks=[KafkaSink.name], clock=_now) as store:
        return store.depth(KafkaSink.name).pending


def _calm_reference(settings: Settings) -> CalmReference:
    """Load the calm reference of the stress model."""
    path = settings.stress_model / "calm.npz"
    try:
        with np.load(path) as arrays:
            return CalmReference.from_arrays(arrays)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"The calm reference {path} cannot be read ({error}): restore it, or train the model again with "
            f"scripts/train_stress.py."
        ) from error


def _now() -> datetime:
    return datetime.now(tz=UTC)

"""The composition root: the only place that knows which concrete class stands behind a port."""

import random
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Self

from voicepipe import __version__
from voicepipe.config import Settings
from voicepipe.consent import decide
from voicepipe.conversation.cues import load_books
from voicepipe.conversation.handoff import handoff
from voicepipe.conversation.spurts import TurnConfig
from voicepipe.conversation.wording import Quote
from voicepipe.counting import counted
from voicepipe.events.calls import CallEndedEvent, CallStartedEvent, build_call_ended, build_call_started
from voicepipe.events.config import KafkaConfig, WebhookConfig
from voicepipe.events.contract import KAFKA_TOPICS
from voicepipe.events.envelope import message_of
from voicepipe.events.feedback import FEEDBACK_TOPIC
from voicepipe.events.kafka import KafkaGroupReader, KafkaSink
from voicepipe.events.kafka_connection import ensure_topics
from voicepipe.events.listener import FeedbackListener
from voicepipe.events.recorder import Recorder
from voicepipe.events.relay import Backoff, Relay, SinkStatus
from voicepipe.events.reroute import Handoff as WireHandoff
from voicepipe.events.reroute import RerouteConfig, RerouteEvent, Versions, build_reroute
from voicepipe.events.retention import Retention
from voicepipe.events.store import Clock, Sinks, Store
from voicepipe.events.webhook import WebhookSink
from voicepipe.gateways.joining import REMEMBERED_CALLS
from voicepipe.pipeline.call import Models, analyze_call
from voicepipe.ports import EventSink
from voicepipe.speech import weights
from voicepipe.speech.phrases import PhraseBook
from voicepipe.speech.vad import SileroDetector
from voicepipe.speech.whisper import WhisperTranscriber
from voicepipe.speech.words import WordsReader
from voicepipe.stress.scorer import OnnxStressScorer
from voicepipe.types import (
    Call,
    CallEvent,
    CallStarted,
    CallSummary,
    ConsentApplied,
    Coverage,
    Episode,
    Erasure,
    MediaEvent,
    ScoredUtterance,
    SinkError,
    StoreError,
)

_LATE = timedelta(minutes=1)
"""How far the nodes' clocks may be apart, and a call's beginning from where it is written down."""

Books = Mapping[str, PhraseBook]
"""Phrases by language."""

Told = tuple[CallEvent, RerouteEvent | None]
"""One thing that a call tells, and the reroute that it causes, if it is an episode."""


def turns_of(settings: Settings) -> TurnConfig:
    """Return how turns are told of utterances that were cut by these settings."""
    return TurnConfig(padding_s=settings.analysis.segmenter.padding_s)


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
    books : mapping of str to PhraseBook
        By what the handoff finds its quotes.
    turns : TurnConfig
        By what the turns of its utterances are told.
    request_languages : tuple of str
        ISO 639-1 codes of the languages in which requests for a person are known.

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
        transcriber = WhisperTranscriber(whisper_dir, config=whisper)
        words = WordsReader.load(settings.frustration_model, config=settings.words)
        self.models = Models(
            detector=SileroDetector(),
            transcriber=transcriber,
            scorer=scorer,
            calm=scorer.profile.calm_reference(),
            words=words,
        )
        self.request_languages = words.intent.languages
        self.books = load_books(settings.conversation_phrases)
        self.turns = turns_of(settings)
        self.versions = Versions(
            code=__version__,
            model=scorer.model_id,
            config=settings.digest(),
            transcriber=f"whisper-{settings.whisper_model}-{transcriber.arithmetic}",
        )

    def may_read(self, call: Call) -> bool:
        """Tell whether the consent of a call allows for more of its words than to write them down."""
        return decide(call, config=self._settings.analysis.consent).words

    def listen(self, media: Iterable[MediaEvent], *, together: int = 1) -> Iterator[Told]:
        """Analyse one call; see `voicepipe.pipeline.call.analyze_call`."""
        events = analyze_call(media, models=self.models, config=self._settings.analysis, together=together)
        return tell_reroutes(events, versions=self.versions, config=self._settings.reroute, books=self.books)


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
        written as soon as it can be; otherwise `record` raises. What supervisors answer is stored, too, and what has
        been kept long enough is deleted.
    on_failure : callable, optional
        Is told where an error was survived, and which; of one that lasts, when it begins and when it changes.

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
        on_failure: Callable[[str, Exception], None] | None = None,
    ) -> None:
        sinks: list[EventSink] = []
        if kafka is not None:
            sinks.append(KafkaSink(kafka, topics=KAFKA_TOPICS))
        if webhook is not None:
            sinks.append(WebhookSink(webhook, unix_time_s=time.time))
        tell = on_failure or _tell_nobody
        relay = settings.relay
        self._backoff = Backoff(first_s=relay.backoff_first_s, cap_s=relay.backoff_cap_s)
        self._store = _open_store(settings, sinks=_topics(kafka, webhook), clock=_now)
        self._relay = Relay(
            self._store,
            sinks,
            backoff=self._backoff,
            rng=random.Random(),  # noqa: S311 - jitter, no secret
            clock=_now,
            poll_s=relay.poll_s,
            batch_size=relay.batch_size,
            on_failure=tell,
        )
        self._place = settings.store_name
        self._asked_at = _now() - timedelta(days=1)
        self._kafka = kafka
        self._recorder: Recorder | None = None
        self._feedback: FeedbackListener | None = None
        self._retention: Retention | None = None
        if patient:
            self._retention = Retention(
                self._store,
                config=settings.retention,
                clock=_now,
                on_failure=partial(tell, "retention"),
            )
            self._recorder = Recorder(
                self._store,
                backoff=self._backoff,
                rng=random.Random(),  # noqa: S311
                on_failure=partial(tell, "store"),
            )
            if kafka is not None:
                self._feedback = FeedbackListener(
                    self._store,
                    connect=partial(KafkaGroupReader, kafka, topic=FEEDBACK_TOPIC, group=kafka.feedback_group),
                    backoff=self._backoff,
                    rng=random.Random(),  # noqa: S311
                    on_failure=partial(tell, "feedback"),
                )

    def __enter__(self) -> Self:
        self._relay.start()
        if self._recorder is not None:
            self._recorder.start()
        if self._feedback is not None:
            self._feedback.start()
        if self._retention is not None:
            self._retention.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._retention is not None:
            self._retention.stop()
        if self._feedback is not None:
            self._feedback.stop()
        if self._recorder is not None:
            self._recorder.stop()
        self._relay.stop()
        self._store.close()

    @property
    def store(self) -> Store:
        """The store, for those who read it and who answer alerts."""
        return self._store

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

    def calls_begun(self) -> tuple[str, ...]:
        """Return the ids of the calls that began since this was asked before, at any node of the store.

        The first time: within the last day, longer than a call may last.

        Raises
        ------
        StoreError
        """
        now = _now()
        begun = self._store.calls_begun(since=self._asked_at - _LATE, limit=REMEMBERED_CALLS)
        self._asked_at = now
        return begun

    def fault(self) -> str | None:
        """Return what is wrong with the store; None when it can be written."""
        if self._recorder is not None and self._recorder.held:
            records = counted(self._recorder.held, "record waits", "records wait")
            return f"{records} for the store: {self._recorder.last_error}"
        try:
            self._store.try_writing()
        except StoreError as error:
            return str(error)
        return None

    def unreachable(self) -> str | None:
        """Return why Kafka would not take events now: it is away, or a topic is missing; None when it would."""
        if self._kafka is None:
            return None
        try:
            ensure_topics(self._kafka, KAFKA_TOPICS)
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
            records = counted(self._recorder.unwritten, "record")
            why = self._recorder.last_error or "it does not answer"
            return f"{records} could not be written to {self._place} ({why})"
        if self._relay.flush(timeout_s):
            return None
        try:
            statuses = self._relay.status()
        except StoreError as error:
            return f"it is not known what waits in the outbox {self._place}, to go out at the next start ({error})"
        waiting = [status for status in statuses if status.pending]
        if not waiting:
            return None
        errors = [status.last_error for status in waiting if status.last_error]
        why = f" ({errors[0]})" if errors else ""
        events = counted(sum(status.pending for status in waiting), "event waits", "events wait")
        sinks = " and ".join(status.sink for status in waiting)
        return f"{events} in the outbox {self._place}, to go out at the next start with {sinks}{why}"


class RerouteTeller:
    """Puts beside each episode of one call the reroute that it causes: requested when it opens, cleared when it closes.

    Parameters
    ----------
    versions : Versions
    config : RerouteConfig
    books : mapping of str to PhraseBook, optional
        By what the handoff finds its quotes; those of the package otherwise.
    """

    def __init__(self, *, versions: Versions, config: RerouteConfig, books: Books | None = None) -> None:
        self._versions = versions
        self._config = config
        self._books = books
        self._call: Call | None = None
        self._heard: list[ScoredUtterance] = []

    def tell(self, event: CallEvent) -> Told:
        """Take the call's next event and return it with its reroute."""
        reroute = None
        if isinstance(event, CallStarted):
            self._call = event.call
        elif isinstance(event, ScoredUtterance):
            self._heard.append(event)
        elif isinstance(event, ConsentApplied):
            self._call = event.call
            if event.erases is Erasure.EVERYTHING:
                self._heard.clear()
            elif event.erases is Erasure.ACOUSTICS:
                self._heard = [replace(one, score=None, frustration=None) for one in self._heard]
        elif isinstance(event, Episode) and self._call is not None:
            reroute = build_reroute(
                event,
                call=self._call,
                utterances=self._heard,
                coverage=event.coverage or Coverage(speech_s=0.0),
                versions=self._versions,
                config=self._config,
                handoff=_handoff_of(self._heard, at_s=event.at_s, books=self._books),
            )
        return event, reroute


def _handoff_of(heard: Sequence[ScoredUtterance], *, at_s: float, books: Books | None) -> WireHandoff:
    """Return the call up to a moment in short, as it goes on the wire."""
    told = handoff(heard, at_s=at_s, books=books)
    return WireHandoff(
        last_turns=(),
        wants=" ".join(quote.text for quote in told.wants) or None,
        tried=_texts(told.tried),
        promised=_texts(told.promises),
        amounts=_texts(told.amounts),
        open_question=told.question.text if told.question else None,
        mood=told.mood.direction if told.mood else None,
        text=told.to_text() or None,
    )


def _texts(quotes: Sequence[Quote]) -> tuple[str, ...] | None:
    return tuple(quote.text for quote in quotes) or None


def tell_reroutes(
    events: Iterable[CallEvent], *, versions: Versions, config: RerouteConfig, books: Books | None = None
) -> Iterator[Told]:
    """Pass on the events of one call, each episode with its reroute; see `RerouteTeller`."""
    teller = RerouteTeller(versions=versions, config=config, books=books)
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


def open_store(settings: Settings, *, clock: Clock) -> Store:
    """Open the store as the live service does, so that what is recorded goes to the sinks of the settings.

    Raises
    ------
    StoreError
        If the store cannot be opened.
    """
    return _open_store(settings, sinks=_topics(settings.kafka, settings.webhook), clock=clock)


def _open_store(settings: Settings, *, sinks: Sinks, clock: Clock) -> Store:
    days = settings.retention.audit_days
    return Store.open(
        settings.store_url, sinks=sinks, clock=clock, keep_audit=None if days is None else timedelta(days=days)
    )


def _topics(kafka: KafkaConfig | None, webhook: WebhookConfig | None) -> dict[str, Collection[str]]:
    """Return which topics each sink gets."""
    topics: dict[str, Collection[str]] = {}
    if kafka is not None:
        topics[KafkaSink.name] = KAFKA_TOPICS
    if webhook is not None:
        topics[WebhookSink.name] = webhook.topics
    return topics


def _tell_nobody(where: str, error: Exception) -> None:
    del where, error


def _now() -> datetime:
    return datetime.now(tz=UTC)

"""Kafka: the sink that events leave by, and the reader that shows them again.

kafka-python's idempotent producer with ``acks=all`` keeps the order within a partition and drops its own duplicates
(KIP-98). A producer that met a fatal error stays broken; it is thrown away and the unacknowledged messages are sent
again by a new one, which the deterministic ids make safe.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import kafka
from kafka import errors
from kafka.structs import TopicPartition

from voicepipe.events.config import KafkaConfig
from voicepipe.events.contract import TOPICS
from voicepipe.events.delivery import SinkDelivery
from voicepipe.events.kafka_connection import ensure_topics, open_client, sentences, words_of
from voicepipe.ports import OutboundMessage
from voicepipe.types import SinkError

_REFUSALS: tuple[type[Exception], ...] = (
    errors.MessageSizeTooLargeError,
    errors.RecordListTooLargeError,
    errors.InvalidRecordError,
    errors.InvalidTopicError,
    errors.TopicAuthorizationFailedError,
    errors.PolicyViolationError,
    errors.InvalidTimestampError,
)
"""Errors that sending the same message again cannot mend."""

_Outcome = Exception | None
"""None: acknowledged."""

_CLOSE_TIMEOUT_S = 2.0
_FETCH_WAIT_MS = 100
_LINGER_MS = 3
_BATCH_BYTES = 131_072
"""Large batches that wait a moment: many events cost few requests, one event waits 3 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaRecord:
    """One record as a consumer reads it.

    Attributes
    ----------
    topic : str
    partition, offset : int
    key : str
    headers : mapping of str to bytes
        Those that have a value.
    body : bytes
    """

    topic: str
    partition: int
    offset: int
    key: str
    headers: Mapping[str, bytes]
    body: bytes

    @property
    def place(self) -> str:
        """Where it lies: topic/partition/offset."""
        return f"{self.topic}/{self.partition}/{self.offset}"


class KafkaSink:
    """Delivers messages to Kafka; implements `voicepipe.ports.EventSink`.

    Nothing is connected before the first `publish`, so a broker that is away delays no start.

    Parameters
    ----------
    config : KafkaConfig
    topics : sequence of str
        Topics it will write, created or checked at the first connection; all of the contract where not given.
    """

    name = "kafka"

    def __init__(self, config: KafkaConfig, *, topics: Sequence[str] = TOPICS) -> None:
        self._config = config
        self._topics = tuple(topics)
        self._producer: Any = None

    def publish(self, messages: Sequence[OutboundMessage]) -> Sequence[SinkDelivery]:
        """Send messages in order and wait for the acknowledgements of all in-sync replicas.

        Raises
        ------
        SinkError
            If the broker cannot be reached.
        """
        outcomes = self._attempt(messages)
        if len(messages) > 1:
            outcomes = self._confirm_refusals(messages, outcomes)
        failures = [outcome for outcome in outcomes if outcome is not None and not isinstance(outcome, _REFUSALS)]
        if failures and len(failures) == len(outcomes):
            raise SinkError(
                f"Kafka at {self._config.bootstrap_servers} did not acknowledge ({words_of(failures[0])}); "
                "the events stay in the outbox."
            ) from failures[0]
        return [
            SinkDelivery(
                delivered=outcome is None,
                refused=words_of(outcome) if isinstance(outcome, _REFUSALS) else None,
            )
            for outcome in outcomes
        ]

    def close(self) -> None:
        """End the producer; what it has not acknowledged stays in the outbox."""
        self._drop_producer()

    def _attempt(self, messages: Sequence[OutboundMessage]) -> list[_Outcome]:
        """Send messages once; None for what was acknowledged, else the error. After any error the producer is gone."""
        producer = self._connected()
        deadline = time.monotonic() + self._config.publish_timeout_s
        sent: list[Any] = []
        for message in messages:
            try:
                sent.append(_send(producer, message))
            except _REFUSALS as error:
                sent.append(error)
            except errors.KafkaError as error:
                # What follows stays unsent too: a later message must not overtake this one.
                sent += [error] * (len(messages) - len(sent))
                break
        outcomes = [_await(one, deadline) for one in sent]
        if any(outcome is not None for outcome in outcomes):
            self._drop_producer()
        return outcomes

    def _confirm_refusals(self, messages: Sequence[OutboundMessage], outcomes: Sequence[_Outcome]) -> list[_Outcome]:
        """Send what was refused again, each message alone.

        The broker refuses batches, and kafka-python ends everything under way with the error of the one batch, so a
        refusal names a culprit only where one message was sent. A message waits behind an earlier one of its call.
        """
        confirmed: list[_Outcome] = []
        waiting: set[str] = set()
        forbidden: dict[str, _Outcome] = {}
        for message, outcome in zip(messages, outcomes, strict=True):
            result: _Outcome = outcome
            if outcome is not None and message.key in waiting:
                result = errors.Cancelled("an earlier message of the call waits")
            elif isinstance(outcome, _REFUSALS):
                result = forbidden.get(message.topic) or self._attempt_alone(message)
            if isinstance(result, errors.TopicAuthorizationFailedError):
                forbidden[message.topic] = result
            if result is not None and not isinstance(result, _REFUSALS):
                waiting.add(message.key)
            confirmed.append(result)
        return confirmed

    def _attempt_alone(self, message: OutboundMessage) -> _Outcome:
        try:
            return self._attempt([message])[0]
        except SinkError as error:
            return error

    def _connected(self) -> Any:
        if self._producer is not None:
            return self._producer
        with sentences(self._config):
            ensure_topics(self._config, self._topics)
            # The producer itself must never give up on a batch before `publish` does: a later batch could overtake it.
            give_up_ms = round(self._config.publish_timeout_s * 4000)
            self._producer = open_client(
                kafka.KafkaProducer,
                self._config,
                enable_idempotence=True,
                acks="all",
                linger_ms=_LINGER_MS,
                batch_size=_BATCH_BYTES,
                max_block_ms=round(self._config.connect_timeout_s * 1000),
                request_timeout_ms=round(self._config.publish_timeout_s * 1000),
                delivery_timeout_ms=give_up_ms,
                allow_auto_create_topics=False,
            )
        return self._producer

    def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is None:
            return
        # close() alone waits for unacknowledged batches and, when they do not come, leaves its thread sending them.
        producer._sender.force_close()  # noqa: SLF001
        with contextlib.suppress(errors.KafkaError):
            producer.close(timeout=_CLOSE_TIMEOUT_S)


class KafkaReader:
    """Reads one topic from all its partitions, without a consumer group.

    Partitions are assigned by hand: nothing to join, nothing to commit, and readers do not disturb each other.

    Parameters
    ----------
    config : KafkaConfig
    topic : str
    since : datetime, optional
        Begin at the first record stored at or after this time; at the topic's beginning where not given.

    Raises
    ------
    SinkError
        If the broker cannot be reached or the topic does not exist.
    """

    def __init__(self, config: KafkaConfig, *, topic: str, since: datetime | None = None) -> None:
        self._config = config
        with sentences(config):
            self._consumer = open_client(
                kafka.KafkaConsumer,
                config,
                enable_auto_commit=False,
                allow_auto_create_topics=False,
                fetch_max_wait_ms=_FETCH_WAIT_MS,
            )
            try:
                self._ends = self._assign(topic, since)
            except BaseException:
                self._consumer.close()
                raise

    def poll(self, *, timeout_s: float) -> list[KafkaRecord]:
        """Return the records that came, in the order of each partition; empty after `timeout_s` without any."""
        with sentences(self._config):
            batches = self._consumer.poll(timeout_ms=round(timeout_s * 1000))
        return [record_of(record) for batch in batches.values() for record in batch]

    def read_to_end(self, *, timeout_s: float) -> Iterator[KafkaRecord]:
        """Yield the records up to where the topic ended when the reader was made.

        Raises
        ------
        SinkError
            If the end is not reached and nothing comes for `timeout_s` seconds.
        """
        last_at = time.monotonic()
        while any(self._consumer.position(partition) < end for partition, end in self._ends.items()):
            records = self.poll(timeout_s=min(1.0, timeout_s))
            if records:
                last_at = time.monotonic()
            elif time.monotonic() - last_at > timeout_s:
                raise SinkError(
                    f"Kafka at {self._config.bootstrap_servers} stopped answering while a topic was read; try again."
                )
            yield from records

    def close(self) -> None:
        """End the connection."""
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _assign(self, topic: str, since: datetime | None) -> dict[TopicPartition, int]:
        """Take all partitions of the topic and return where each ends now."""
        numbers = self._consumer.partitions_for_topic(topic)
        if not numbers:
            raise SinkError(
                f"Kafka at {self._config.bootstrap_servers} has no topic {topic}; nothing was published there yet."
            )
        partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
        self._consumer.assign(partitions)
        ends: dict[TopicPartition, int] = self._consumer.end_offsets(partitions)
        if since is None:
            self._consumer.seek_to_beginning(*partitions)
            return ends
        since_ms = round(since.timestamp() * 1000)
        found = self._consumer.offsets_for_times(dict.fromkeys(partitions, since_ms))
        for partition in partitions:
            at = found.get(partition)
            none_yet = at is None or at.timestamp < 0
            self._consumer.seek(partition, ends[partition] if none_yet else at.offset)
        return ends


class KafkaGroupReader:
    """Reads one topic as a member of a consumer group, which remembers where it was: each record goes to one member.

    Parameters
    ----------
    config : KafkaConfig
    topic : str
    group : str
        A new group begins at the topic's beginning.

    Raises
    ------
    SinkError
        If the broker cannot be reached.
    """

    def __init__(self, config: KafkaConfig, *, topic: str, group: str) -> None:
        self._config = config
        with sentences(config):
            ensure_topics(config, [topic])
            self._consumer = open_client(
                kafka.KafkaConsumer,
                config,
                group_id=group,
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                allow_auto_create_topics=False,
                fetch_max_wait_ms=_FETCH_WAIT_MS,
            )
            self._consumer.subscribe([topic])

    def poll(self, *, timeout_s: float) -> list[KafkaRecord]:
        """Return the records that came; empty after `timeout_s` without any."""
        with sentences(self._config):
            batches = self._consumer.poll(timeout_ms=round(timeout_s * 1000))
        return [record_of(record) for batch in batches.values() for record in batch]

    def commit(self) -> None:
        """Let the group remember that everything polled so far is done with."""
        with sentences(self._config):
            self._consumer.commit()

    def close(self) -> None:
        """Leave the group without committing."""
        self._consumer.close(autocommit=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _send(producer: Any, message: OutboundMessage) -> Any:
    body = message.body or None  # a tombstone
    return producer.send(message.topic, key=message.key.encode(), value=body, headers=list(message.headers))


def _await(sent: Any, deadline: float) -> _Outcome:
    """Wait for one acknowledgement; `sent` is the producer's future, or the error that was known at once."""
    if isinstance(sent, Exception):
        return sent
    try:
        sent.get(timeout=max(0.0, deadline - time.monotonic()))
    except errors.KafkaError as error:
        failure: Exception = error
        return failure
    return None


def record_of(record: Any) -> KafkaRecord:
    """Return a consumer's record in our words."""
    return KafkaRecord(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=(record.key or b"").decode(errors="replace"),
        headers={name: value for name, value in record.headers if value is not None},
        body=record.value or b"",
    )

"""Kafka: the sink that events leave by, and the reader that shows them again.

kafka-python's idempotent producer with ``acks=all`` keeps the order within a partition and drops its own duplicates
(KIP-98). A producer that met a fatal error stays broken; it is thrown away and the unacknowledged messages are sent
again by a new one, which the deterministic ids make safe.
"""

import contextlib
import logging
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

import kafka
from kafka import errors
from kafka.net.compat import KafkaNetClient
from kafka.structs import TopicPartition

from voicepipe.events.config import KafkaConfig
from voicepipe.events.contract import TOPICS
from voicepipe.ports import OutboundMessage
from voicepipe.types import SinkError

_LIBRARY_LOG = logging.getLogger("kafka")
if _LIBRARY_LOG.level == logging.NOTSET:
    # The library reports each retry as an error; what a user must know comes as SinkError.
    _LIBRARY_LOG.setLevel(logging.CRITICAL)

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

_CLOSE_TIMEOUT_S = 2.0
_FETCH_WAIT_MS = 100

_RECONNECT_CAP_MS = 1_000
"""A broker that comes back is noticed within about a second; the library's default is 30 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaDelivery:
    """What became of one message; implements `voicepipe.ports.Delivery`."""

    delivered: bool
    refused: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaRecord:
    """One record as a consumer reads it.

    Attributes
    ----------
    topic : str
    partition, offset : int
    key : str
    headers : mapping of str to bytes
    body : bytes
    stored_at : datetime
        The broker's or producer's timestamp, UTC.
    """

    topic: str
    partition: int
    offset: int
    key: str
    headers: Mapping[str, bytes]
    body: bytes
    stored_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaHealth:
    """What a look at the cluster found.

    Attributes
    ----------
    brokers : int
    topics : mapping of str to int or None
        Partitions of each topic asked for; None where it is missing.
    """

    brokers: int
    topics: Mapping[str, int | None]


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

    def publish(self, messages: Sequence[OutboundMessage]) -> Sequence[KafkaDelivery]:
        """Send messages in order and wait for the acknowledgements of all in-sync replicas.

        Raises
        ------
        SinkError
            If the broker cannot be reached.
        """
        producer = self._connected()
        deadline = time.monotonic() + self._config.publish_timeout_s
        results: list[KafkaDelivery | errors.KafkaError] = []
        futures: list[Any] = []
        for message in messages:
            try:
                futures.append(_send(producer, message))
            except _REFUSALS as error:
                futures.append(error)
            except errors.KafkaError as error:
                # What follows stays unsent too: a later message must not overtake this one.
                results = [error] * (len(messages) - len(futures))
                break
        results = [_await(future, deadline) for future in futures] + results
        failures = [result for result in results if isinstance(result, errors.KafkaError)]
        if failures:
            self._drop_producer()
        if failures and len(failures) == len(results):
            raise SinkError(
                f"Kafka at {self._config.bootstrap_servers} did not acknowledge ({_words(failures[0])}); "
                "the events stay in the outbox."
            ) from failures[0]
        return [result if isinstance(result, KafkaDelivery) else KafkaDelivery(delivered=False) for result in results]

    def close(self) -> None:
        """End the producer; what it has not acknowledged stays in the outbox."""
        self._drop_producer()

    def _connected(self) -> Any:
        if self._producer is not None:
            return self._producer
        with _sentences(self._config):
            ensure_topics(self._config, self._topics)
            # The producer itself must never give up on a batch before `publish` does: a later batch could overtake it.
            give_up_ms = round(self._config.publish_timeout_s * 4000)
            self._producer = _open(
                kafka.KafkaProducer,
                self._config,
                enable_idempotence=True,
                acks="all",
                linger_ms=0,
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
        with _sentences(config):
            self._consumer = _open(
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
        with _sentences(self._config):
            batches = self._consumer.poll(timeout_ms=round(timeout_s * 1000))
        return [_record_of(record) for batch in batches.values() for record in batch]

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


def ensure_topics(config: KafkaConfig, topics: Sequence[str]) -> None:
    """Create the topics that are missing, or say which are.

    Raises
    ------
    SinkError
        If the broker cannot be reached, or a topic is missing and may not be created.
    """
    health = check_kafka(config, topics=topics)
    missing = [topic for topic, partitions in health.topics.items() if partitions is None]
    if not missing:
        return
    names = ", ".join(missing)
    if not config.create_topics:
        raise SinkError(
            f"Kafka at {config.bootstrap_servers} has no topic {names}; create it there, or let voicepipe do it "
            "(create_topics)."
        )
    options: dict[str, Any] = {
        "num_partitions": config.partitions,
        "replication_factor": config.replication_factor,
        "configs": {"retention.ms": str(config.retention_hours * 3_600_000)} if config.retention_hours else {},
    }
    with _sentences(config), _admin(config) as admin:
        try:
            admin.create_topics(dict.fromkeys(missing, options), wait_for_metadata=True)
        except errors.TopicAlreadyExistsError:
            pass  # Another node was faster.
        except (errors.AuthorizationError, errors.PolicyViolationError, errors.InvalidReplicationFactorError) as error:
            raise SinkError(
                f"Kafka at {config.bootstrap_servers} does not let voicepipe create {names} ({_words(error)}); "
                "create it there, or give the user the right to."
            ) from error


def check_kafka(config: KafkaConfig, *, topics: Sequence[str]) -> KafkaHealth:
    """Look whether the cluster answers, and which of the topics it has.

    Raises
    ------
    SinkError
        If it does not answer within `KafkaConfig.connect_timeout_s`, or refuses the login.
    """
    with _sentences(config), _admin(config) as admin:
        brokers = admin.describe_cluster()["brokers"]
        known = set(admin.list_topics())
        described = admin.describe_topics([topic for topic in topics if topic in known]) if known & set(topics) else []
    partitions = {topic["name"]: len(topic["partitions"]) for topic in described}
    return KafkaHealth(brokers=len(brokers), topics={topic: partitions.get(topic) for topic in topics})


def _connection(config: KafkaConfig) -> dict[str, Any]:
    """Return what producer, consumer and admin client need to connect."""
    security = ("SASL_" if config.sasl_mechanism else "") + ("SSL" if config.tls else "PLAINTEXT")
    options: dict[str, Any] = {
        "bootstrap_servers": config.bootstrap_servers.split(","),
        "bootstrap_timeout_ms": round(config.connect_timeout_s * 1000),
        "reconnect_backoff_max_ms": _RECONNECT_CAP_MS,
        "security_protocol": security,
    }
    if config.sasl_mechanism and config.sasl_password:
        options |= {
            "sasl_mechanism": config.sasl_mechanism,
            "sasl_plain_username": config.sasl_username,
            "sasl_plain_password": config.sasl_password.get_secret_value(),
        }
    if config.tls:
        options |= {
            "ssl_cafile": str(config.ca_file) if config.ca_file else None,
            "ssl_certfile": str(config.client_cert_file) if config.client_cert_file else None,
            "ssl_keyfile": str(config.client_key_file) if config.client_key_file else None,
            "ssl_password": config.client_key_password.get_secret_value() if config.client_key_password else None,
        }
    return options


def _open(make: Callable[..., Any], config: KafkaConfig, **options: object) -> Any:
    """Make one of the library's clients; where that fails, end the thread and the sockets it has begun."""
    _probe(config)
    begun: list[KafkaNetClient] = []

    def make_connections(**configs: object) -> KafkaNetClient:
        begun.append(KafkaNetClient(**configs))
        return begun[-1]

    try:
        return make(**_connection(config), kafka_client=make_connections, **options)
    except BaseException:
        for connections in begun:
            connections.close()
        raise


def _probe(config: KafkaConfig) -> None:
    """Open and close a connection to the first broker that listens; the library would hide why none does."""
    reasons = []
    for server in config.bootstrap_servers.split(","):
        host, _, port = server.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=config.connect_timeout_s).close()
        except OSError as error:
            reasons.append(error.strerror or str(error))
        else:
            return
    raise SinkError(
        f"Kafka at {config.bootstrap_servers} cannot be reached ({', '.join(dict.fromkeys(reasons))}); "
        "check the address and that the broker runs."
    )


@contextlib.contextmanager
def _admin(config: KafkaConfig) -> Iterator[Any]:
    admin = _open(kafka.KafkaAdminClient, config)
    try:
        yield admin
    finally:
        admin.close()


@contextlib.contextmanager
def _sentences(config: KafkaConfig) -> Iterator[None]:
    """Turn the library's errors into sentences that name the broker."""
    try:
        yield
    except (errors.SaslAuthenticationFailedError, errors.AuthorizationError) as error:
        raise SinkError(
            f"Kafka at {config.bootstrap_servers} refused the login or the right: {_words(error)}."
        ) from error
    except (errors.KafkaError, OSError) as error:
        raise SinkError(
            f"Kafka at {config.bootstrap_servers} listens but does not answer as it should ({_words(error)}); "
            "check that tls and sasl_mechanism fit the port, and the broker's log."
        ) from error


def _send(producer: Any, message: OutboundMessage) -> Any:
    return producer.send(message.topic, key=message.key.encode(), value=message.body, headers=list(message.headers))


def _await(sent: Any, deadline: float) -> KafkaDelivery | errors.KafkaError:
    """Wait for one acknowledgement; `sent` is the producer's future, or the refusal that was known at once."""
    try:
        if isinstance(sent, errors.KafkaError):
            raise sent
        sent.get(timeout=max(0.0, deadline - time.monotonic()))
    except _REFUSALS as error:
        return KafkaDelivery(delivered=False, refused=_words(error))
    except errors.KafkaError as error:
        return error
    return KafkaDelivery(delivered=True)


def _words(error: BaseException) -> str:
    """Return an error as a few words: its class name says more than the library's text, which may be long."""
    text = str(error).split("\n", 1)[0].removeprefix(type(error).__name__).strip(" :.")
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def _record_of(record: Any) -> KafkaRecord:
    return KafkaRecord(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=(record.key or b"").decode(errors="replace"),
        headers=dict(record.headers),
        body=record.value or b"",
        stored_at=datetime.fromtimestamp(record.timestamp / 1000, tz=UTC),
    )

"""Reaching Kafka: connections with their security, topics, and errors in words that name the broker."""

import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import kafka
from kafka import errors
from kafka.net.compat import KafkaNetClient

from voicepipe.events.config import KafkaConfig
from voicepipe.types import SinkError

_LIBRARY_LOG = logging.getLogger("kafka")
# The library reports each retry as an error; what a user must know comes as SinkError.
_LIBRARY_LOG.propagate = False

_RECONNECT_CAP_MS = 1_000
"""A broker that comes back is noticed within about a second; the library's default is 30 s."""


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
    with sentences(config), _admin(config) as admin:
        try:
            admin.create_topics(dict.fromkeys(missing, options), wait_for_metadata=True)
        except errors.TopicAlreadyExistsError:
            pass  # Another node was faster.
        except (errors.AuthorizationError, errors.PolicyViolationError, errors.InvalidReplicationFactorError) as error:
            raise SinkError(
                f"Kafka at {config.bootstrap_servers} does not let voicepipe create {names} ({words_of(error)}); "
                "create it there, or give the user the right to."
            ) from error


def check_kafka(config: KafkaConfig, *, topics: Sequence[str]) -> KafkaHealth:
    """Look whether the cluster answers, and which of the topics it has.

    Raises
    ------
    SinkError
        If it does not answer within `KafkaConfig.connect_timeout_s`, or refuses the login.
    """
    with sentences(config), _admin(config) as admin:
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
        options["ssl_context"] = _tls_context(config)
    return options


def open_client(make: Callable[..., Any], config: KafkaConfig, **options: object) -> Any:
    """Make one of the library's clients; where that fails, end the thread and the sockets it has begun."""
    connection = _connection(config)
    _probe(config, context=connection.get("ssl_context"))
    begun: list[KafkaNetClient] = []
    told = _Reason()
    _LIBRARY_LOG.addHandler(told)

    def make_connections(**configs: object) -> KafkaNetClient:
        begun.append(KafkaNetClient(**configs))
        return begun[-1]

    try:
        return make(**connection, kafka_client=make_connections, **options)
    except errors.KafkaTimeoutError as error:
        _close_all(begun)
        raise (told.reason or error) from error
    except BaseException:
        _close_all(begun)
        raise
    finally:
        _LIBRARY_LOG.removeHandler(told)


class _Reason(logging.Handler):
    """Keeps the last exception that the library logged: it says why, where the exception raised says "timeout".

    A refused login is kept for good, as the attempts after it may end otherwise; a timeout replaces no other reason,
    for the last attempt is cut short by the end of the time.
    """

    reason: Exception | None = None

    def emit(self, record: logging.LogRecord) -> None:
        for argument in record.args if isinstance(record.args, tuple) else ():
            if not isinstance(argument, errors.KafkaError):
                continue
            refused = isinstance(self.reason, errors.SaslAuthenticationFailedError)
            timeout = isinstance(argument, errors.KafkaTimeoutError | errors.RequestTimedOutError)
            if self.reason is None or not (refused or timeout):
                self.reason = argument


def _close_all(begun: Sequence[KafkaNetClient]) -> None:
    for connections in begun:
        connections.close()


def _probe(config: KafkaConfig, *, context: ssl.SSLContext | None) -> None:
    """Open and close a connection to the first broker that listens; the library would hide why none does."""
    reasons = []
    for server in config.bootstrap_servers.split(","):
        host, _, port = server.rpartition(":")
        host = host.strip("[]")
        try:
            with socket.create_connection((host, int(port)), timeout=config.connect_timeout_s) as connection:
                if context is not None:
                    context.wrap_socket(connection, server_hostname=host).close()
        except ssl.SSLCertVerificationError as error:
            reasons.append(f"its certificate is not trusted: {error.verify_message}")
        except OSError as error:
            reasons.append(error.strerror or str(error))
        else:
            return
    raise SinkError(
        f"Kafka at {config.bootstrap_servers} cannot be reached ({', '.join(dict.fromkeys(reasons))}); "
        "check the address, the certificates and that the broker runs."
    )


def _tls_context(config: KafkaConfig) -> ssl.SSLContext:
    """Return what TLS needs: Python's secure defaults (TLS 1.2 or later, host name checked) and the config's files."""
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
        if config.client_cert_file and config.client_key_file:
            password = config.client_key_password.get_secret_value() if config.client_key_password else None
            context.load_cert_chain(config.client_cert_file, config.client_key_file, password)
    except OSError as error:
        files = [str(file) for file in (config.ca_file, config.client_cert_file, config.client_key_file) if file]
        raise SinkError(
            f"A certificate or key for Kafka cannot be loaded ({words_of(error)}); check {', '.join(files)}."
        ) from error
    return context


@contextlib.contextmanager
def _admin(config: KafkaConfig) -> Iterator[Any]:
    admin = open_client(kafka.KafkaAdminClient, config)
    try:
        yield admin
    finally:
        admin.close()


@contextlib.contextmanager
def sentences(config: KafkaConfig) -> Iterator[None]:
    """Turn the library's errors into sentences that name the broker."""
    try:
        yield
    except (errors.SaslAuthenticationFailedError, errors.AuthorizationError) as error:
        raise SinkError(
            f"Kafka at {config.bootstrap_servers} refused the login or the right: {words_of(error)}."
        ) from error
    except errors.KafkaConnectionError as error:
        if config.sasl_mechanism is None:
            raise _unanswered(config, error) from error
        # The broker's refusal and its end of the connection may arrive together; the library then drops the refusal.
        raise SinkError(
            f"Kafka at {config.bootstrap_servers} closed the connection during the login ({words_of(error)}); "
            "check sasl_username, sasl_password and that sasl_mechanism fits the port."
        ) from error
    except (errors.KafkaError, OSError) as error:
        raise _unanswered(config, error) from error


def _unanswered(config: KafkaConfig, error: BaseException) -> SinkError:
    return SinkError(
        f"Kafka at {config.bootstrap_servers} listens but does not answer as it should ({words_of(error)}); "
        "check that tls and sasl_mechanism fit the port, and the broker's log."
    )


def words_of(error: BaseException) -> str:
    """Return an error as a few words: its class name says more than the library's text, which may be long."""
    text = str(error).split("\n", 1)[0].removeprefix(type(error).__name__).strip(" :.")
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__

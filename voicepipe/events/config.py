"""Settings of this room: how to reach Kafka and the webhook, and how patient to be."""

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
Topic = Literal["voicepipe.reroute.v1", "voicepipe.calls.v1", "voicepipe.feedback.v1"]

_HOST_PORT = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:\[\]/,]+):(\d{1,5})")


def _checked_servers(value: str) -> str:
    """Check each part of ``host:port,host:port``; return them without blanks."""
    servers = [part.strip() for part in value.split(",")]
    for server in servers:
        match = _HOST_PORT.fullmatch(server)
        if match is None or not 0 < int(match.group(2)) < 65536:
            raise ValueError(f"{server!r} is not host:port")
    return ",".join(servers)


class KafkaConfig(BaseModel):
    """How to reach Kafka. Secrets come from the environment and are never printed."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    bootstrap_servers: Annotated[str, AfterValidator(_checked_servers)] = Field(
        default="localhost:9092", description="Brokers to ask first, host:port, separated by commas."
    )
    tls: bool = Field(default=False, description="Encrypt the connection; the certificate and host name are checked.")
    ca_file: Path | None = Field(default=None, description="CA certificates (PEM); the system's where not given.")
    client_cert_file: Path | None = Field(default=None, description="Client certificate (PEM) for mutual TLS.")
    client_key_file: Path | None = Field(default=None, description="Its private key (PEM).")
    client_key_password: SecretStr | None = Field(default=None, description="Password of the private key.")
    sasl_mechanism: SaslMechanism | None = Field(default=None, description="How to log in; nothing where not given.")
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    connect_timeout_s: float = Field(default=5.0, gt=0.0, description="Longest wait for the first answer.")
    publish_timeout_s: float = Field(
        default=15.0, gt=0.0, description="Longest wait for acknowledgements before a batch is sent again."
    )
    feedback_group: str = Field(
        default="voicepipe-feedback",
        min_length=1,
        description="Consumer group that reads what supervisors answered: nodes of one store share it, stores of their "
        "own need groups of their own.",
    )
    create_topics: bool = Field(default=True, description="Create missing topics; else only check them.")
    partitions: int = Field(default=6, ge=1, description="Partitions of topics that are created.")
    replication_factor: int = Field(
        default=-1, ge=-1, description="Replicas of topics that are created; -1 takes the broker's own default."
    )
    retention_hours: int | None = Field(
        default=None, ge=1, description="Retention of topics that are created; the broker's own where not given."
    )

    @model_validator(mode="after")
    def _complete(self) -> "KafkaConfig":
        if self.sasl_mechanism and not (self.sasl_username and self.sasl_password):
            raise ValueError(f"{self.sasl_mechanism} needs sasl_username and sasl_password")
        if (self.sasl_username or self.sasl_password) and not self.sasl_mechanism:
            raise ValueError("sasl_username and sasl_password need a sasl_mechanism")
        if (self.client_cert_file is None) != (self.client_key_file is None):
            raise ValueError("client_cert_file and client_key_file belong together")
        if not self.tls and (self.ca_file or self.client_cert_file):
            raise ValueError("certificates are given but tls is off")
        return self

    def at(self, servers: str) -> "KafkaConfig":
        """Return the same settings for other brokers, checked."""
        return KafkaConfig.model_validate({**self.model_dump(), "bootstrap_servers": servers})


class WebhookConfig(BaseModel):
    """Where events are posted to. The secret comes from the environment and is never printed."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: str = Field(description="Address that events are posted to; https unless allow_http.")
    secret: SecretStr | None = Field(default=None, description="Key of the signature; whsec_... or any text.")
    topics: tuple[Topic, ...] = Field(
        default=("voicepipe.reroute.v1",), min_length=1, description="Topics whose events it gets."
    )
    timeout_s: float = Field(default=5.0, gt=0.0, description="Longest wait for each step of a request.")
    max_faults: int = Field(default=20, ge=1, description="Answers 500 to one event before it is a dead letter.")
    ca_file: Path | None = Field(default=None, description="CA certificates (PEM); the system's where not given.")
    allow_http: bool = Field(default=False, description="Post without encryption; for tests.")
    allow_private_addresses: bool = Field(default=False, description="Post to hosts inside the own network.")

    @model_validator(mode="after")
    def _usable(self) -> "WebhookConfig":
        parts = urlsplit(self.url)
        if parts.scheme not in {"https", "http"} or not parts.hostname:
            raise ValueError("url is not an address like https://crm.example.org/hook")
        if parts.scheme == "http" and not self.allow_http:
            raise ValueError("url is not https; set allow_http if that is meant")
        if parts.username or parts.password:
            raise ValueError("url holds a user or password; use the secret")
        return self


class RetentionConfig(BaseModel):
    """How long each kind of data is kept, in days from the call or the event; not given: until it is purged by hand.

    The audit log's rows carry their own date from the day they were written.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    transcripts_days: float | None = Field(
        default=90.0, gt=0.0, description="What was said (redacted); quotes within events go with the events."
    )
    acoustics_days: float | None = Field(default=90.0, gt=0.0, description="Stress scores, deviations and episodes.")
    events_days: float | None = Field(
        default=190.0,
        gt=0.0,
        description="Copies of the events that left or that no configured sink waits for, dead letters, and "
        "supervisors' answers. Six months is the least that Art. 26(6) of the AI Act asks of the logs of a high-risk "
        "system.",
    )
    calls_days: float | None = Field(
        default=365.0, gt=0.0, description="That there was a call, with all that is left of it."
    )
    audit_days: float | None = Field(default=1095.0, gt=0.0, description="Who changed or deleted what, when and why.")
    every_s: float = Field(default=3600.0, gt=0.0, description="How often the service looks for what is due.")


class RelayConfig(BaseModel):
    """How the outbox is carried."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backoff_first_s: float = Field(default=0.2, gt=0.0, description="Longest first wait after a failure.")
    backoff_cap_s: float = Field(default=5.0, gt=0.0, description="Longest wait after many failures in a row.")
    batch_size: int = Field(default=500, ge=1, description="Largest number of messages per attempt.")
    poll_s: float = Field(
        default=1.0, gt=0.0, description="How often a shared outbox is looked at for others' messages."
    )

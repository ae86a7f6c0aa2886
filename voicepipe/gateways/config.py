"""What an operator can set about live calls: where they are taken in, from whom, and how much."""

import base64
import ipaddress
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from voicepipe.gateways.audiohook import AudioHookConfig
from voicepipe.gateways.audiosocket import AudioSocketConfig
from voicepipe.gateways.decoder import DecoderLimits
from voicepipe.gateways.joining import JoiningConfig
from voicepipe.gateways.l16 import L16Config
from voicepipe.gateways.twilio import TwilioConfig

Protocol = Literal["twilio", "audiohook", "l16", "audiosocket"]

ANYBODY = "anybody"
"""Name of the client where none are configured."""


class ClientConfig(BaseModel):
    """One system that pushes calls.

    Its token comes as ``Authorization: Bearer``, as the password of ``Authorization: Basic``, as ``X-API-KEY``, as the
    query's ``token`` or as the last part of the path; Twilio's signature counts as well.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(description="Shown in logs; events of one client's calls cannot be joined by another.")
    token: SecretStr = Field(description="16 characters or more, of this client alone.")
    protocols: tuple[Protocol, ...] = Field(
        default=("twilio", "audiohook", "l16", "audiosocket"), description="What the client may speak."
    )
    max_calls: int = Field(default=100, ge=1, description="Calls of this client at a time.")
    audiohook_secret: SecretStr | None = Field(
        default=None, description="AudioHook's client secret, in base64; where given, requests must be signed with it."
    )
    twilio_auth_tokens: tuple[SecretStr, ...] = Field(
        default=(), description="Auth tokens of Twilio accounts whose signature stands for the client's token."
    )

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if len(self.token.get_secret_value()) < 16:
            raise ValueError(f"the token of the client {self.name} is shorter than 16 characters")
        if self.audiohook_secret is not None and not _is_base64(self.audiohook_secret.get_secret_value()):
            raise ValueError(
                f"the audiohook_secret of the client {self.name} is not base64; copy the client secret as "
                "Genesys Cloud shows it, or leave it out if requests come unsigned"
            )
        return self


class LimitsConfig(BaseModel):
    """What one process takes before it says no; the calls that run do not notice."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connections: int = Field(default=1000, ge=1, description="Open connections, idle ones among them.")
    calls_per_s: float = Field(default=20.0, gt=0.0, description="New calls per second, on average.")
    calls_burst: int = Field(default=50, ge=1, description="New calls at once.")
    anybody_calls: int = Field(default=100, ge=1, description="Calls at a time where no clients are configured.")
    request_s: float = Field(default=10.0, gt=0.0, description="Longest time from connecting to a whole HTTP request.")
    start_s: float = Field(default=15.0, gt=0.0, description="Longest time from connecting to the start of a call.")
    idle_s: float = Field(default=60.0, gt=0.0, description="Longest silence on the connection of a call.")
    call_s: float = Field(default=14_400.0, gt=0.0, description="Longest connection.")
    write_s: float = Field(default=5.0, gt=0.0, description="Longest wait for a peer that does not read.")
    registrations: int = Field(default=10_000, ge=1, description="AudioSocket calls registered and not yet connected.")
    registration_s: float = Field(default=120.0, gt=0.0, description="How long a registration waits for its call.")


class ServeConfig(BaseModel):
    """Where live calls are taken in, and from whom."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", description="Address of the HTTP and WebSocket port.")
    port: int = Field(default=8780, ge=0, le=65535, description="0 takes a free one.")
    audiosocket_host: str = Field(default="127.0.0.1", description="Address of the AudioSocket port.")
    audiosocket_port: int | None = Field(
        default=8781, ge=0, le=65535, description="0 takes a free one; not given: no AudioSocket."
    )
    tls_cert_file: Path | None = Field(default=None, description="Certificate chain (PEM) of the HTTP port.")
    tls_key_file: Path | None = Field(default=None, description="Its private key (PEM).")
    public_url: str | None = Field(
        default=None, description="URL under which the clients reach /v1/twilio; signatures are checked against it."
    )
    clients: tuple[ClientConfig, ...] = Field(default=(), description="Who may push calls; empty: anybody.")
    allow_unauthenticated_network: bool = Field(
        default=False, description="Listen beyond loopback although anybody may then push calls."
    )
    drain_s: float = Field(default=60.0, ge=0.0, description="How long running calls may go on after SIGTERM.")
    flush_s: float = Field(default=20.0, ge=0.0, description="Longest wait for the rest to be analysed and delivered.")
    limits: LimitsConfig = LimitsConfig()
    joining: JoiningConfig = JoiningConfig()
    decoder: DecoderLimits = DecoderLimits()
    twilio: TwilioConfig = TwilioConfig()
    audiohook: AudioHookConfig = AudioHookConfig()
    l16: L16Config = L16Config()
    audiosocket: AudioSocketConfig = AudioSocketConfig()

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_cert_file and tls_key_file belong together; give both")
        names = [client.name for client in self.clients]
        if len(set(names)) != len(names) or ANYBODY in names:
            raise ValueError(f"the clients' names must differ, and none may be {ANYBODY!r}")
        signing = [client.name for client in self.clients if client.twilio_auth_tokens]
        if signing and self.public_url is None:
            raise ValueError(
                f"twilio_auth_tokens of the client {signing[0]}: Twilio signs the address that it calls; give it as "
                "public_url"
            )
        if not self.allow_unauthenticated_network:
            self._refuse_open_ports()
        return self

    def _refuse_open_ports(self) -> None:
        hosts = [] if self.clients else [self.host]
        if self.audiosocket_port is not None and (not self.clients or self.audiosocket.accept_unknown):
            hosts.append(self.audiosocket_host)
        for host in hosts:
            if not is_loopback(host):
                raise ValueError(
                    f"{host} is not loopback and anybody could push calls to it; configure clients with tokens (and "
                    "leave audiosocket.accept_unknown off), or set allow_unauthenticated_network = true"
                )


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Tell whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

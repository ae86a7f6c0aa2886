"""What an operator can set about the console: whether it is served, who may come in, and for how long."""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from voicepipe.gateways.config import is_loopback
from voicepipe.web.people import ANYBODY, Role

_MIN_TOKEN = 16

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A person's name: a feedback's ``given_by`` takes as much."""


class PersonConfig(BaseModel):
    """One person, or one system that reads the console's API, such as a wallboard."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Name = Field(
        description="Who it is: stands in the audit log and in every verdict. Behind a proxy the name that it gives."
    )
    token: SecretStr | None = Field(
        default=None,
        description="What the person signs in with, 16 characters or more, random, of this person alone; "
        "`python -c 'import secrets; print(secrets.token_urlsafe())'` makes one. Not needed behind a proxy.",
    )
    role: Role = Field(description="`viewer`, `supervisor`, `qa` or `admin`.")
    queues: tuple[str, ...] | None = Field(
        default=None, description="The queues whose calls the person sees; not given: all; empty: none."
    )
    language: Literal["en", "ru", "zh"] | None = Field(
        default=None, description="`en`, `ru` or `zh`, where the person chose none; not given: the browser's."
    )

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if self.token is not None and len(self.token.get_secret_value()) < _MIN_TOKEN:
            raise ValueError(f"the token of {self.name} is shorter than {_MIN_TOKEN} characters")
        return self


class ProxyConfig(BaseModel):
    """A reverse proxy that has signed people in (OIDC, SAML, Kerberos) and says in headers who they are.

    Its headers count where they come from its addresses, and nowhere else. It must remove those that a client sent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    addresses: tuple[IPv4Network | IPv6Network, ...] = Field(
        min_length=1, description="Addresses or networks (CIDR) from which the proxy connects."
    )
    user_header: str = Field(default="X-Forwarded-User", description="Holds the person's name.")
    groups_header: str | None = Field(
        default=None, description="Holds the person's groups, parted by commas; not given: the people listed decide."
    )
    roles: dict[str, Role] = Field(
        default={}, description="Role of each group; of several the first in this order counts."
    )
    queues_header: str | None = Field(
        default=None,
        description="Holds the person's queues, parted by commas, `*` for all; where it is missing: none. "
        "Not given: who is not listed under people sees all.",
    )
    default_role: Role | None = Field(
        default=None, description="Role of whom neither groups nor the people listed name; not given: refused."
    )
    address_header: str | None = Field(
        default=None, description="Holds the client's address, `X-Forwarded-For` for most proxies; for the rate limit."
    )

    @field_validator("addresses")
    @classmethod
    def _not_everybody(cls, addresses: tuple[IPv4Network | IPv6Network, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
        if any(network.prefixlen == 0 for network in addresses):
            raise ValueError("0.0.0.0/0 and ::/0 would let anybody be anybody; give the proxy's own addresses")
        return addresses


class ConsoleConfig(BaseModel):
    """The console for supervisors: whether it is served, who may come in, and for how long."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    enabled: bool = Field(default=True, description="Serve the console and its API on the HTTP port.")
    people: tuple[PersonConfig, ...] = Field(
        default=(),
        description="Who may come in. Empty, and without a proxy: anybody on this machine, as admin, where the port "
        "listens on loopback; elsewhere the console is off.",
    )
    proxy: ProxyConfig | None = Field(default=None, description="A proxy that signs people in; see below.")
    public_url: str | None = Field(
        default=None,
        description="URL under which browsers reach the console, where a proxy ends TLS in front of it: cookies are "
        "then secure.",
    )
    session_hours: float = Field(default=12.0, gt=0.0, le=720.0, description="Longest time until signing in again.")
    idle_minutes: float = Field(
        default=60.0, gt=0.0, description="Longest time without a page that is open, until signing in again."
    )
    sign_in_attempts_per_minute: int = Field(
        default=10, ge=1, description="Wrong tokens from one address before it has to wait."
    )
    sign_in_attempts_per_minute_in_total: int = Field(
        default=100, ge=1, description="Wrong tokens from all addresses before those that never came in have to wait."
    )

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        names = [person.name for person in self.people]
        if len(set(names)) != len(names) or (ANYBODY in names and self.people):
            raise ValueError(f"the names of people must differ, and none may be {ANYBODY!r}")
        tokens = [person.token.get_secret_value() for person in self.people if person.token is not None]
        if len(set(tokens)) != len(tokens):
            raise ValueError("two people have the same token; give each their own")
        for person in self.people:
            if person.token is None and self.proxy is None:
                raise ValueError(f"{person.name} has no token and there is no proxy to sign in by; give one of them")
        url = urlsplit(self.public_url or "https://set.invalid")
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError(f"public_url {self.public_url!r} is no http or https URL")
        return self

    @property
    def is_open(self) -> bool:
        """Whether nobody is configured, so that anybody on this machine comes in."""
        return not self.people and self.proxy is None


def console_fault(config: ConsoleConfig, host: str) -> str | None:
    """Return why the console cannot be served, in one sentence; None where it can, or is not wanted.

    Parameters
    ----------
    config : ConsoleConfig
    host : str
        Address that the HTTP port listens on.
    """
    if not config.enabled or not config.is_open or is_loopback(host):
        return None
    return (
        f"The console is off: {host} is not loopback and nobody is configured who may come in; "
        "list people with tokens under console.people, or set console.proxy."
    )

"""The entrance of the console: who a request comes from, told by what it presents."""

import hmac
import ipaddress
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto
from hashlib import sha256
from typing import Final

from starlette.requests import Request

from voicepipe.gateways.config import is_loopback
from voicepipe.web.attempts import Attempts
from voicepipe.web.config import ConsoleConfig, PersonConfig, ProxyConfig
from voicepipe.web.people import ANYBODY, Person, Role
from voicepipe.web.sessions import Sessions, is_secret

_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
"""What proxies add: where nobody is configured, what comes through one is not of this machine."""

_MOST_NAME: Final = 200


class Means(StrEnum):
    """By what a person came in."""

    SESSION = auto()
    BEARER = auto()
    PROXY = auto()
    MACHINE = auto()
    """Nobody is configured: whoever uses this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A person, and by what they came in."""

    person: Person
    means: Means


class RefusedError(Exception):
    """A request that presents a token that is wrong, or a name that has no role.

    Attributes
    ----------
    message_id : str
        The sentence that says so, as a message of the console's languages.
    status : int
        HTTP status of the answer.
    wait_s : float
        How long the address has to wait, 0 for not at all.
    """

    def __init__(self, message_id: str, *, status: int, wait_s: float = 0.0) -> None:
        super().__init__(message_id)
        self.message_id = message_id
        self.status = status
        self.wait_s = wait_s


class Entrance:
    """Tells people by what they present; comparisons of tokens take the same time whatever is presented.

    Parameters
    ----------
    config : ConsoleConfig
    sessions : Sessions
    clock : callable
        Present time, UTC.
    """

    def __init__(self, config: ConsoleConfig, *, sessions: Sessions, clock: Callable[[], datetime]) -> None:
        self._config = config
        self._sessions = sessions
        self._clock = clock
        self._people = {person.name: person for person in config.people}
        self._digests = [(_digest(one.token.get_secret_value()), one) for one in config.people if one.token is not None]
        self._lock = threading.Lock()
        self._attempts = Attempts(
            per_minute=config.sign_in_attempts_per_minute,
            per_minute_in_total=config.sign_in_attempts_per_minute_in_total,
        )

    @property
    def takes_tokens(self) -> bool:
        """Whether anybody can sign in by a token."""
        return bool(self._digests)

    def identify(self, request: Request, *, secret: str | None, takes_bearer: bool) -> Admission | None:
        """Return who a request comes from; None for nobody. Waits for the database.

        Parameters
        ----------
        request : Request
        secret : str or None
            Value of the session's cookie.
        takes_bearer : bool
            Whether ``Authorization: Bearer`` counts here.

        Raises
        ------
        RefusedError
            Where a wrong token or a name without a role is presented: what else is presented does not count then.
        """
        token = _bearer(request) if takes_bearer else None
        if token is not None:
            return Admission(person=self.check_token(token, address=self.address_of(request)), means=Means.BEARER)
        person = self._by_proxy(request)
        if person is not None:
            return Admission(person=person, means=Means.PROXY)
        if self._config.is_open:
            return Admission(person=_LOCAL, means=Means.MACHINE) if _is_of_this_machine(request) else None
        if secret is None or not is_secret(secret):
            return None
        name = self._sessions.find(secret, tokens=self._token_of)
        return None if name is None else Admission(person=_person(self._people[name]), means=Means.SESSION)

    def check_token(self, token: str, *, address: str) -> Person:
        """Return whose token it is.

        Raises
        ------
        RefusedError
            Where it is nobody's, or where too many wrong ones came before it.
        """
        now_s = self._clock().timestamp()
        digest, found = _digest(token), None
        with self._lock:
            wait_s = self._attempts.wait_s(address, now_s=now_s)
            if wait_s > 0:
                raise RefusedError("access-error-429", status=429, wait_s=wait_s)
            for known, person in self._digests:
                if hmac.compare_digest(known, digest):
                    found = person
            if found is None:
                self._attempts.fail(address, now_s=now_s)
                raise RefusedError("access-wrong-token", status=401)
            self._attempts.succeed(address)
        return _person(found)

    def address_of(self, request: Request) -> str:
        """Return the address that a request comes from: the peer's, or what a trusted proxy says it is."""
        peer = _plain(request.client.host if request.client else "")
        proxy = self._config.proxy
        if proxy is None or proxy.address_header is None or not _trusts(proxy, peer):
            return peer
        hops = [hop.strip() for line in request.headers.getlist(proxy.address_header) for hop in line.split(",")]
        beyond = [hop for hop in map(_plain, hops) if hop and not _trusts(proxy, hop)]
        return beyond[-1][:_MOST_NAME] if beyond else peer

    def _token_of(self, name: str) -> str | None:
        person = self._people.get(name)
        return person.token.get_secret_value() if person is not None and person.token is not None else None

    def _by_proxy(self, request: Request) -> Person | None:
        proxy = self._config.proxy
        if proxy is None or not _trusts(proxy, _plain(request.client.host if request.client else "")):
            return None
        names = _header(request, proxy.user_header)
        if not names:
            return None
        name = names[0]
        # Two headers of a name: the proxy has let one through that the client sent.
        if len(names) > 1 or not name.isprintable() or len(name) > _MOST_NAME:
            raise RefusedError("access-error-proxy", status=400)
        if name in self._people:
            return _person(self._people[name])
        role = _role_of(proxy, _listed(request, proxy.groups_header))
        if role is None:
            raise RefusedError("access-error-no-role", status=403)
        queues = None
        if proxy.queues_header is not None:
            named = _listed(request, proxy.queues_header)
            queues = None if "*" in named else frozenset(named)
        return Person(name=name, role=role, queues=queues)


_LOCAL: Final = Person(name=ANYBODY, role=Role.ADMIN)


def _person(config: PersonConfig) -> Person:
    queues = None if config.queues is None else frozenset(config.queues)
    return Person(name=config.name, role=config.role, queues=queues, language=config.language)


def _role_of(proxy: ProxyConfig, groups: Sequence[str]) -> Role | None:
    return next((role for group, role in proxy.roles.items() if group in groups), proxy.default_role)


def _listed(request: Request, header: str | None) -> list[str]:
    """Return the parts of a header that lists things."""
    lines = _header(request, header) if header is not None else []
    return [part.strip() for line in lines for part in line.split(",") if part.strip()]


def _header(request: Request, name: str) -> list[str]:
    """Return the values of a header that are not empty, read as UTF-8, as proxies write names."""
    values = [
        value.encode("latin-1").decode("utf-8", errors="replace").strip() for value in request.headers.getlist(name)
    ]
    return [value for value in values if value]


def _bearer(request: Request) -> str | None:
    """Return what ``Authorization`` presents; an empty token where it is of no kind that is known here."""
    value = request.headers.get("authorization")
    if value is None:
        return None
    scheme, _, token = value.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _is_of_this_machine(request: Request) -> bool:
    """Tell whether a request comes from this machine, for an address of it, and through nothing.

    The name that it asks for counts, too: else a page of another site could have its own name resolve to 127.0.0.1
    ("DNS rebinding") and read on.
    """
    peer = _plain(request.client.host if request.client else "")
    hosts = request.headers.getlist("host")
    name = request.url.hostname or ""
    is_forwarded = any(header in request.headers for header in _FORWARDED)
    return is_loopback(peer) and len(hosts) == 1 and is_loopback(name) and not is_forwarded


def _trusts(proxy: ProxyConfig, address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in proxy.addresses)


def _plain(address: str) -> str:
    """Return an IPv4 address as one, also where a socket of IPv6 shows it."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)


def _digest(token: str) -> bytes:
    return sha256(token.encode(errors="replace")).digest()

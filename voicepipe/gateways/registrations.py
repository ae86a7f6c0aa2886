"""AudioSocket says no more of a call than a UUID: who calls is registered under it before Asterisk connects."""

from collections import OrderedDict
from dataclasses import dataclass
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field

from voicepipe.gateways.identity import CallIdentity, Line
from voicepipe.types import Channel


class Registration(BaseModel):
    """Body of ``POST /v1/audiosocket/calls``: whose voice will come under which UUID.

    The two sides of a call are two registrations with the same `call_id`, each with its `channel` and both with
    ``"channels": ["caller", "agent"]``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    uuid: UUID | None = Field(default=None, description="As Asterisk will send it; a new one where not given.")
    call_id: Line = Field(min_length=1)
    channel: Channel = Channel.MIXED
    channels: tuple[Channel, ...] = Field(default=(), max_length=2)
    agent_id: Line | None = None
    queue: Line | None = None
    language: str | None = Field(default=None, pattern="^[a-z]{2}$")
    consent: Line | None = None
    caller: Line | None = Field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _Expected:
    identity: CallIdentity
    owner: str
    until_s: float


class Registrations:
    """The calls that AudioSocket connections are expected for.

    Parameters
    ----------
    most : int
        How many may wait.
    wait_s : float
        How long each waits.
    """

    def __init__(self, *, most: int, wait_s: float) -> None:
        self._most = most
        self._wait_s = wait_s
        self._expected: OrderedDict[UUID, _Expected] = OrderedDict()

    def expect(self, registration: Registration, *, owner: str, now_s: float) -> UUID | None:
        """Register a call; return its UUID, or None where too many wait or somebody else waits for it."""
        self._forget_old(now_s)
        uuid = registration.uuid or uuid4()
        known = self._expected.get(uuid)
        if (known is not None and known.owner != owner) or (known is None and len(self._expected) >= self._most):
            return None
        identity = CallIdentity(**registration.model_dump(exclude={"uuid"}))
        self._expected[uuid] = _Expected(identity, owner, now_s + self._wait_s)
        self._expected.move_to_end(uuid)
        return uuid

    def take(self, uuid: UUID, *, now_s: float) -> tuple[CallIdentity, str] | None:
        """Return who calls and whose registration it was, and keep it: a broken connection may come back."""
        self._forget_old(now_s)
        found = self._expected.get(uuid)
        return (found.identity, found.owner) if found else None

    def _forget_old(self, now_s: float) -> None:
        while self._expected and next(iter(self._expected.values())).until_s <= now_s:
            self._expected.popitem(last=False)

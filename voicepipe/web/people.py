"""Who uses the console, what each role may do, and whose calls each person sees."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final

ANYBODY: Final = "local"
"""Name of whoever uses this machine, where nobody is configured."""


class Permission(StrEnum):
    """What a person may do."""

    ENTER = auto()
    """Be signed in; every role may."""
    SEE_LIVE = auto()
    """The calls in progress: figures, no words."""
    SEE_CALL = auto()
    """What was said: a call's page, alerts, history."""
    JUDGE = auto()
    """Take an alert and give it back, judge it, note something on it."""
    RELEASE_ANY = auto()
    """Give back what somebody else has taken."""
    SEE_QUALITY = auto()
    """How well the alerts serve."""
    SEE_AUDIT = auto()
    """Who did what."""


class Role(StrEnum):
    """What somebody is here for."""

    VIEWER = auto()
    SUPERVISOR = auto()
    QA = auto()
    ADMIN = auto()


PERMISSIONS: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.VIEWER: frozenset({Permission.ENTER, Permission.SEE_LIVE}),
    Role.SUPERVISOR: frozenset({Permission.ENTER, Permission.SEE_LIVE, Permission.SEE_CALL, Permission.JUDGE}),
    Role.QA: frozenset({Permission.ENTER, Permission.SEE_CALL, Permission.JUDGE, Permission.SEE_QUALITY}),
    Role.ADMIN: frozenset(Permission),
}
"""No role includes another by its rank: what each may do stands here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who came in.

    Attributes
    ----------
    name : str
    role : Role
    queues : frozenset of str, optional
        The queues whose calls the person sees; None for all, and then calls without a queue as well.
    language : str, optional
        Of the person's setting.
    """

    name: str
    role: Role
    queues: frozenset[str] | None = None
    language: str | None = None

    def may(self, permission: Permission) -> bool:
        """Tell whether the person's role allows something."""
        return permission in PERMISSIONS[self.role]

    def sees(self, queue: str | None) -> bool:
        """Tell whether the person sees the calls of a queue; None is a call without one."""
        return self.queues is None or queue in self.queues

"""People as the API tells of them: who asks, and who did what."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import Field

from voicepipe.web.api_types import ApiModel
from voicepipe.web.people import Permission, Person, Role


class Me(ApiModel):
    """Who asks, and what they may do."""

    name: str
    role: Role
    queues: tuple[str, ...] | None = Field(description="The queues whose calls this person sees; null: all.")
    permissions: tuple[Permission, ...]

    @classmethod
    def of(cls, person: Person) -> "Me":
        """Return a person."""
        return cls(
            name=person.name,
            role=person.role,
            queues=None if person.queues is None else tuple(sorted(person.queues)),
            permissions=tuple(permission for permission in Permission if person.may(permission)),
        )


class AuditQuery(ApiModel):
    """Which lines of the audit log."""

    before: int | None = Field(default=None, ge=1, le=2**62, description="Id of the last line of the page before.")
    limit: int = Field(default=100, ge=1, le=500)


class AuditLine(ApiModel):
    """One thing that was done."""

    id: int
    at: datetime
    actor: str = Field(description="Who; empty for nobody that is known.")
    action: str
    subject: str
    reason: str
    details: Mapping[str, str | int]


class AuditLog(ApiModel):
    """The audit log, newest first."""

    lines: tuple[AuditLine, ...]

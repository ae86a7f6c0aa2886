"""What all the API's words are made of. They are version 1: fields may be added to them, and none goes away."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from voicepipe.events.feedback import Moment

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Seconds = Annotated[float, Field(ge=0.0)]
Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A value to filter by: no control characters."""


def _written_out(value: object) -> object:
    """Take a time only as RFC 3339 writes it: pydantic would take a number for seconds since 1970 as well."""
    if isinstance(value, str) and not (len(value) > 10 and value[4:5] == "-" and value[10] in "Tt "):
        raise ValueError("give a time such as 2026-03-01T10:00:00Z")
    return value


Time = Annotated[Moment, BeforeValidator(_written_out)]


class ApiModel(BaseModel):
    """What goes over the wire."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(ApiModel):
    """Why a request was not answered as asked."""

    error: str = Field(description="One sentence, in the language of Accept-Language.")


class StateNews(ApiModel):
    """What the stream tells of the server."""

    now: datetime
    store: Literal["ok", "away"] = Field(description="Whether the alerts are up to date.")


def rounded(number: float | None) -> float | None:
    """Return a share, a stress or a time with as many digits as mean something: four."""
    return None if number is None else round(number, 4)

"""What comes back: the supervisor's verdict on a reroute, a note, or what the ACD did with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID, uuid5

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from voicepipe.events.envelope import CONTENT_TYPE, EVENT_NAMESPACE, SPEC_VERSION, Message, rfc3339

FEEDBACK_TOPIC = "voicepipe.feedback.v1"

Verdict = Literal["justified", "false_alarm", "unsure"]
Outcome = Literal["taken", "released", "rerouted", "declined", "abandoned", "resolved"]


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL character")
    return text


def _in_range(value: datetime) -> datetime:
    """Refuse the first and last days of all time, which no other zone can express."""
    if not 1 < value.year < 9999:
        raise ValueError("give a time such as 2026-03-01T10:00:00Z")
    return value


Moment = Annotated[AwareDatetime, AfterValidator(_in_range)]
Line = Annotated[str, Field(max_length=200), AfterValidator(_without_nul)]


class Feedback(BaseModel):
    """One answer to one reroute; a later one of the same person replaces nothing, all are kept."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    feedback_id: UUID | None = Field(
        default=None, description="Drop duplicates by it; the CloudEvents id is taken where it is missing."
    )
    event_id: UUID = Field(description="Id of the reroute event it answers.")
    call_id: Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_without_nul)]
    verdict: Verdict | None = None
    outcome: Outcome | None = Field(
        default=None,
        description="What became of it; taken: a supervisor takes care of the caller; released: does so no more.",
    )
    given_by: Line | None = Field(default=None, description="Who: a person's or a system's name.")
    given_at: Moment
    note: Annotated[str, Field(max_length=4000), AfterValidator(_without_nul)] | None = Field(
        default=None, description="In free words; may stand alone."
    )

    @model_validator(mode="after")
    def _says_something(self) -> "Feedback":
        if self.verdict is None and self.outcome is None and not (self.note and self.note.strip()):
            raise ValueError("it has neither verdict nor outcome nor note")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundFeedback:
    """One record of the topic of feedback, understood or not.

    Attributes
    ----------
    place : str
        topic/partition/offset.
    topic : str
    body : bytes
    feedback : Feedback or None
        With its id; None where the record could not be understood.
    reason : str, optional
        Why not.
    """

    place: str
    topic: str
    body: bytes
    feedback: Feedback | None = None
    reason: str | None = None


def read_feedback(body: bytes, *, headers: Mapping[str, bytes], topic: str, place: str) -> InboundFeedback:
    """Understand one record of the topic; never raises, whatever the bytes are.

    Parameters
    ----------
    body : bytes
    headers : mapping of str to bytes
    topic : str
    place : str
        topic/partition/offset.
    """
    try:
        feedback = Feedback.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = f"{where}: {first['msg']}" if where else first["msg"]
        return InboundFeedback(place=place, topic=topic, body=body, reason=reason)
    if feedback.feedback_id is None:
        try:
            own_id = UUID(headers["ce_id"].decode())
        except (KeyError, ValueError):
            own_id = uuid5(EVENT_NAMESPACE, body.hex())
        feedback = feedback.model_copy(update={"feedback_id": own_id})
    return InboundFeedback(place=place, topic=topic, body=body, feedback=feedback)


def feedback_message(feedback: Feedback, *, source: str) -> Message:
    """Serialise a feedback as CloudEvents 1.0 in Kafka's binary mode, keyed by its call.

    Parameters
    ----------
    feedback : Feedback
        With a `feedback_id`.
    source : str
        CloudEvents ``source``: what sent it, a URI reference.
    """
    attributes = {
        "ce_specversion": SPEC_VERSION,
        "ce_id": str(feedback.feedback_id),
        "ce_source": source,
        "ce_type": "voicepipe.feedback.given.v1",
        "ce_subject": feedback.call_id,
        "ce_time": rfc3339(feedback.given_at),
        "content-type": CONTENT_TYPE,
    }
    return Message(
        event_id=str(feedback.feedback_id),
        topic=FEEDBACK_TOPIC,
        key=feedback.call_id,
        headers=tuple((name, value.encode()) for name, value in attributes.items()),
        body=feedback.model_dump_json(exclude_none=True).encode(),
    )

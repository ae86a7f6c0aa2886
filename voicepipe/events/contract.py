"""The contract that others build against: JSON Schemas of the topics, generated from the models and committed."""

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from voicepipe.events.calls import CALLS_TOPIC, CallEndedEvent, CallStartedEvent
from voicepipe.events.reroute import REROUTE_TOPIC, RerouteEvent

SCHEMA_FOLDER = Path(__file__).parent / "schemas"
"""Where the committed documents lie; they are part of the package."""

_TOPICS: dict[str, tuple[str, TypeAdapter[Any]]] = {
    REROUTE_TOPIC: ("Reroute requests and their withdrawal.", TypeAdapter(RerouteEvent)),
    CALLS_TOPIC: (
        "Calls that started and ended.",
        TypeAdapter(Annotated[CallStartedEvent | CallEndedEvent, Field(discriminator="kind")]),
    ),
}

TOPICS = tuple(_TOPICS)
"""Topics that voicepipe writes."""


def topic_schema(topic: str) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a topic's bodies.

    Objects are open: a later version of the same topic may add fields that a reader does not know.

    Parameters
    ----------
    topic : str
        One of `TOPICS`.
    """
    description, adapter = _TOPICS[topic]
    schema = _reader_view(adapter.json_schema(mode="serialization"))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:voicepipe:schema:{topic}",
        **schema,
        "title": topic,
        "description": description,
    }


def schema_documents() -> dict[str, str]:
    """Return the documents of the contract: file name to text, as committed under `SCHEMA_FOLDER`."""
    return {f"{topic}.json": json.dumps(topic_schema(topic), indent=2) + "\n" for topic in TOPICS}


def _reader_view(schema: Any) -> Any:
    """Return a schema as the reader needs it: open objects, and absent instead of null."""
    if isinstance(schema, list):
        return [_reader_view(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    fields = {name: _reader_view(value) for name, value in schema.items()}
    if fields.get("additionalProperties") is False:
        del fields["additionalProperties"]
    alternatives = fields.get("anyOf")
    if isinstance(alternatives, list) and {"type": "null"} in alternatives:
        real = [item for item in alternatives if item != {"type": "null"}]
        del fields["anyOf"]
        fields.pop("default", None)
        fields = {**real[0], **fields} if len(real) == 1 else {**fields, "anyOf": real}
    return fields

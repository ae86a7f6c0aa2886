"""The contract that others build against: JSON Schemas of the topics and one AsyncAPI document, from the models."""

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from voicepipe.events.calls import CALLS_TOPIC, CallEndedEvent, CallStartedEvent
from voicepipe.events.feedback import FEEDBACK_TOPIC, Feedback
from voicepipe.events.reroute import REROUTE_TOPIC, RerouteEvent

SCHEMA_FOLDER = Path(__file__).parent / "schemas"
"""Where the committed documents lie; they are part of the package."""

TOPICS = (REROUTE_TOPIC, CALLS_TOPIC)
"""Topics that voicepipe writes."""

KAFKA_TOPICS = (*TOPICS, FEEDBACK_TOPIC)
"""All topics: what supervisors answer in the console goes out, too."""

_DESCRIPTIONS = {
    REROUTE_TOPIC: "A better human is asked for (requested), or the request is withdrawn (cleared).",
    CALLS_TOPIC: "Calls that started and ended.",
    FEEDBACK_TOPIC: "What the supervisor or the ACD did with a reroute; the console sends its part, all is read.",
}

_ADAPTERS: dict[str, TypeAdapter[Any]] = {
    REROUTE_TOPIC: TypeAdapter(RerouteEvent),
    CALLS_TOPIC: TypeAdapter(Annotated[CallStartedEvent | CallEndedEvent, Field(discriminator="kind")]),
    FEEDBACK_TOPIC: TypeAdapter(Feedback),
}

_ASYNCAPI = "asyncapi.json"


def topic_schema(topic: str) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a topic's bodies.

    Objects are open: a later version of the same topic may add fields that a reader does not know.

    Parameters
    ----------
    topic : str
        One of `TOPICS`, or the topic of feedback.
    """
    schema = _without_null(_ADAPTERS[topic].json_schema(mode="serialization" if topic in TOPICS else "validation"))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:voicepipe:schema:{topic}",
        **schema,
        "title": topic,
        "description": _DESCRIPTIONS[topic],
    }


def asyncapi_document() -> dict[str, Any]:
    """Return the topics, their messages and their headers as one AsyncAPI 3.0 document.

    The schemas are referred to by the names of the files beside it. See https://www.asyncapi.com/docs/reference.
    """
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "voicepipe",
            "version": "1.0.0",
            "description": (
                "CloudEvents 1.0 in Kafka's binary mode. The key of every record is the call's id, so the events of a "
                "call are in order. Delivery is at least once: drop duplicates by ce_id."
            ),
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            topic: {
                "address": topic,
                "description": description,
                "messages": {"event": {"$ref": f"#/components/messages/{topic}"}},
                "bindings": {"kafka": {"topic": topic, "bindingVersion": "0.5.0"}},
            }
            for topic, description in _DESCRIPTIONS.items()
        },
        "operations": {
            f"{action}-{topic}": {"action": action, "channel": {"$ref": f"#/channels/{topic}"}}
            for topic in _DESCRIPTIONS
            for action in (("send",) if topic in TOPICS else ("send", "receive"))
        },
        "components": {
            "messages": {topic: _message(topic) for topic in _DESCRIPTIONS},
            "schemas": {"headers": _header_schema()},
        },
    }


def schema_documents() -> dict[str, str]:
    """Return the documents of the contract: file name to text, as committed under `SCHEMA_FOLDER`."""
    documents = {f"{topic}.json": topic_schema(topic) for topic in _DESCRIPTIONS} | {_ASYNCAPI: asyncapi_document()}
    return {name: json.dumps(document, indent=2, ensure_ascii=False) + "\n" for name, document in documents.items()}


def _message(topic: str) -> dict[str, Any]:
    return {
        "name": topic,
        "description": _DESCRIPTIONS[topic],
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/headers"},
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {"$ref": f"./{topic}.json"},
        },
        "bindings": {"kafka": {"key": {"type": "string", "description": "The call's id."}, "bindingVersion": "0.5.0"}},
    }


def _header_schema() -> dict[str, Any]:
    """Return the headers of every record: the CloudEvents attributes (Kafka Protocol Binding 1.0.2, section 3.2)."""
    described = {
        "ce_specversion": "1.0",
        "ce_id": "Identity of the event; deterministic for what voicepipe sends.",
        "ce_source": "Where it comes from, a URI reference.",
        "ce_type": "What it is, for example voicepipe.reroute.requested.v1.",
        "ce_subject": "The call's id.",
        "ce_time": "When it happened, RFC 3339 in UTC.",
        "content-type": "application/json",
    }
    return {
        "type": "object",
        "required": list(described),
        "properties": {name: {"type": "string", "description": text} for name, text in described.items()},
    }


def _without_null(schema: Any) -> Any:
    """Return a schema as it is on the wire: open objects, and absent instead of null."""
    if isinstance(schema, list):
        return [_without_null(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    fields = {name: _without_null(value) for name, value in schema.items()}
    if fields.get("additionalProperties") is False:
        del fields["additionalProperties"]
    alternatives = fields.get("anyOf")
    if isinstance(alternatives, list) and {"type": "null"} in alternatives:
        real = [item for item in alternatives if item != {"type": "null"}]
        del fields["anyOf"]
        fields.pop("default", None)
        fields = {**real[0], **fields} if len(real) == 1 else {**fields, "anyOf": real}
    return fields

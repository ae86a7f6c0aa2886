import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from tests.events.calls import make_messages, make_reroute
from tests.events.compatibility import breaking_changes
from voicepipe.events.contract import SCHEMA_FOLDER, TOPICS, asyncapi_document, schema_documents, topic_schema
from voicepipe.events.envelope import body_of
from voicepipe.events.feedback import FEEDBACK_TOPIC
from voicepipe.events.reroute import REROUTE_TOPIC

RELEASED = Path(__file__).parents[1] / "golden" / "contract"
EVERY_TOPIC = (*TOPICS, FEEDBACK_TOPIC)


def test_the_committed_documents_are_what_the_models_say() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in SCHEMA_FOLDER.iterdir()}
    assert committed == schema_documents(), "run scripts/make_schemas.py"


@pytest.mark.parametrize("topic", EVERY_TOPIC)
def test_the_schemas_are_schemas(topic: str) -> None:
    Draft202012Validator.check_schema(topic_schema(topic))


@pytest.mark.parametrize("message", make_messages(), ids=lambda message: dict(message.headers)["ce_type"].decode())
def test_events_satisfy_their_schema(message: Any) -> None:
    Draft202012Validator(topic_schema(message.topic), format_checker=Draft202012Validator.FORMAT_CHECKER).validate(
        json.loads(message.body)
    )


@pytest.mark.parametrize("field", ["event_id", "kind", "call", "evidence", "stress", "coverage", "versions"])
def test_the_schema_misses_a_missing_field(field: str) -> None:
    body = json.loads(body_of(make_reroute()))
    del body[field]
    with pytest.raises(ValidationError, match=field):
        Draft202012Validator(topic_schema("voicepipe.reroute.v1")).validate(body)


def test_a_reader_of_today_accepts_a_field_of_tomorrow() -> None:
    body = json.loads(body_of(make_reroute())) | {"mood_of_the_moon": "full"}
    Draft202012Validator(topic_schema("voicepipe.reroute.v1")).validate(body)


@pytest.mark.parametrize("topic", EVERY_TOPIC)
def test_nothing_breaks_who_built_against_the_released_contract(topic: str) -> None:
    """A released schema grows by copying the new one over it; a break needs a new version of the topic."""
    released = json.loads((RELEASED / f"{topic}.json").read_text(encoding="utf-8"))
    assert breaking_changes(released, topic_schema(topic), we_write=topic in TOPICS) == []


def test_no_released_topic_is_forgotten() -> None:
    assert {path.stem for path in RELEASED.iterdir()} <= set(EVERY_TOPIC)


def drop_field(schema: Any) -> None:
    del schema["properties"]["urgency"]


def make_optional(schema: Any) -> None:
    schema["required"].remove("coverage")


def change_type(schema: Any) -> None:
    schema["$defs"]["StressFacts"]["properties"]["peak"]["type"] = "string"


def widen_enum(schema: Any) -> None:
    schema["$defs"]["Reason"]["enum"].append("full_moon")


def widen_range(schema: Any) -> None:
    schema["$defs"]["StressFacts"]["properties"]["mean"]["maximum"] = 100.0


def change_an_item(schema: Any) -> None:
    del schema["$defs"]["DeviationFacts"]["properties"]["text"]


@pytest.mark.parametrize(
    "change",
    [drop_field, make_optional, change_type, widen_enum, widen_range, change_an_item],
    ids=lambda f: f.__name__,
)
def test_a_break_for_readers_is_seen(change: Any) -> None:
    changed = copy.deepcopy(topic_schema(REROUTE_TOPIC))
    change(changed)
    assert breaking_changes(topic_schema(REROUTE_TOPIC), changed, we_write=True)


def test_a_new_field_breaks_no_reader() -> None:
    grown = copy.deepcopy(topic_schema(REROUTE_TOPIC))
    grown["properties"]["mood"] = {"type": "string"}
    grown["required"].append("mood")
    assert breaking_changes(topic_schema(REROUTE_TOPIC), grown, we_write=True) == []


def test_a_break_for_writers_is_seen() -> None:
    for change in (
        lambda schema: schema["required"].append("note"),
        lambda schema: schema["properties"]["verdict"]["enum"].remove("unsure"),
        lambda schema: schema["properties"]["note"].update(maxLength=10),
    ):
        changed = copy.deepcopy(topic_schema(FEEDBACK_TOPIC))
        change(changed)
        assert breaking_changes(topic_schema(FEEDBACK_TOPIC), changed, we_write=False)


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi_document()
    assert document["asyncapi"] == "3.0.0"
    assert set(document["channels"]) == set(EVERY_TOPIC)
    actions = {item["channel"]["$ref"]: item["action"] for item in document["operations"].values()}
    assert actions[f"#/channels/{FEEDBACK_TOPIC}"] == "receive"
    for reference in references(document):
        if reference.startswith("./"):
            assert (SCHEMA_FOLDER / reference).exists()
            continue
        target = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


def references(node: Any) -> Iterator[str]:
    """Yield every ``$ref`` in a document."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)


@pytest.mark.parametrize("message", make_messages(), ids=lambda message: message.topic)
def test_the_headers_are_those_of_the_asyncapi_document(message: Any) -> None:
    headers = {name: value.decode() for name, value in message.headers}
    Draft202012Validator(asyncapi_document()["components"]["schemas"]["headers"]).validate(headers)


def test_feedback_satisfies_its_schema() -> None:
    body = {
        "event_id": "11111111-1111-4111-8111-111111111111",
        "call_id": "call-1",
        "verdict": "unsure",
        "given_at": "2026-03-01T09:40:00Z",
    }
    validator = Draft202012Validator(topic_schema(FEEDBACK_TOPIC))
    validator.validate(body)
    with pytest.raises(ValidationError):
        validator.validate(body | {"verdict": "maybe"})

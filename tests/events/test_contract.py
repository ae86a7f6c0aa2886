import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from tests.events.calls import make_messages, make_reroute
from voicepipe.events.contract import SCHEMA_FOLDER, TOPICS, schema_documents, topic_schema
from voicepipe.events.envelope import body_of


def test_the_committed_documents_are_what_the_models_say() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in SCHEMA_FOLDER.iterdir()}
    assert committed == schema_documents(), "run scripts/make_schemas.py"


@pytest.mark.parametrize("topic", TOPICS)
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

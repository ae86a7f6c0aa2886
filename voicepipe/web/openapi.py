"""The OpenAPI 3.1 document that describes the API, made from the very models that it answers with [1]_.

References
----------
.. [1] OpenAPI Initiative, "OpenAPI Specification v3.1.1", spec.openapis.org.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from voicepipe import __version__
from voicepipe.web.api_alerts import AlertsNews
from voicepipe.web.api_calls import CallNews, CallsNews
from voicepipe.web.api_place import ApiPlace
from voicepipe.web.api_types import ApiModel, Problem, StateNews
from voicepipe.web.people import PERMISSIONS, Permission

_REF: Final = "#/components/schemas/{model}"

_DESCRIPTION: Final = """What the supervisors' console shows, for wallboards and CRM systems.

Send a person's token as `Authorization: Bearer`. A page of the console itself may use its session instead; its POST
requests then carry the page's token in `X-CSRF-Token`. Calls and alerts of queues that the person does not see are not
found. Texts are redacted; of agents nothing but their words and turns is told. Times are RFC 3339 in UTC, offsets in a
call are seconds from its start, shares and stress lie between 0 and 1. Fields may be added within version 1."""

_NEWS: Final[Mapping[str, type[ApiModel]]] = {
    "calls": CallsNews,
    "alerts": AlertsNews,
    "call": CallNews,
    "state": StateNews,
}
"""What each event of the stream tells."""

_PROBLEMS: Final[Mapping[str, str]] = {
    "400": "The request is not understood.",
    "401": "No token, or a wrong one.",
    "403": "The person's role does not allow it.",
    "404": "There is no such thing, or this person does not see it.",
    "405": "The place does not know the method.",
    "408": "The request took too long to arrive.",
    "413": "The body is too large.",
    "415": "The body is no JSON.",
    "422": "A value is not usable.",
    "429": "Too many wrong tokens came from this address; see Retry-After.",
    "500": "Something failed; it was written down.",
    "503": "The store cannot be reached, or too many streams are open; see Retry-After.",
}


def document(places: Sequence[ApiPlace], *, prefix: str, more: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document.

    Parameters
    ----------
    places : sequence of ApiPlace
    prefix : str
        Of all paths.
    more : mapping of str to dict
        Path items of places that answer with something else than JSON.
    """
    models: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(Problem, "serialization"): None}
    models |= {(model, "serialization"): None for model in _NEWS.values()}
    for place in places:
        models |= {(model, "serialization"): None for model in place.answers.values()}
        models |= {(place.body, "validation"): None} if place.body is not None else {}
    keys, schemas = models_json_schema(list(models), ref_template=_REF)
    paths: dict[str, Any] = {}
    for place in places:
        item = paths.setdefault(prefix + re.sub(r"\{(\w+)(:\w+)?\}", r"{\1}", place.path), {})
        item[place.method.lower()] = _operation(place, keys)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "voicepipe console",
            "version": __version__,
            "summary": "Calls in progress, alerts, and how well they serve.",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths | {prefix + path: item for path, item in more.items()},
        "components": {
            "schemas": schemas.get("$defs", {}),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A person's token."},
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "voicepipe",
                    "description": "Of the console's pages; `__Host-voicepipe` where they come by TLS.",
                },
            },
        },
    }


def stream_item() -> dict[str, Any]:
    """Return the path item of the stream."""
    shapes = ", ".join(f"`{event}` is a `{model.__name__}`" for event, model in _NEWS.items())
    events = (
        "Server-sent events. `calls`: calls in progress that changed (`all`: the list is complete) and those that are "
        "`gone`; `alerts`: the same of alerts; `call`: the call asked for has changed; `state`: whether the store can "
        "be reached; `beat`: nothing for 15 s, but the connection stands. What each tells is under the components' "
        f"schemas: {shapes}. After a break send the last event's id in `Last-Event-ID`, as browsers do."
    )

    def parameter(name: str, text: str, **schema: Any) -> dict[str, Any]:
        return {"name": name, "in": "query", "required": False, "description": text, "schema": schema}

    described = _security(Permission.ENTER)
    return {
        "get": {
            "operationId": "stream",
            "summary": "What changes, as it changes",
            **described,
            "description": f"{events} {described['description']}",
            "parameters": [
                parameter("live", "1: the calls in progress, as for `/calls`.", type="string", enum=["1"]),
                parameter("alerts", "Which alerts there are.", type="string", enum=["brief"]),
                parameter("call", "Id of a call to hear of.", type="string"),
            ],
            "responses": {
                "200": {"description": "The stream.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
            }
            | _problems(),
        }
    }


def document_item() -> dict[str, Any]:
    """Return the path item of the document itself."""
    schema = {"type": "object", "required": ["openapi", "info", "paths"]}
    return {
        "get": {
            "operationId": "document",
            "summary": "This document",
            **_security(None),
            "responses": {
                "200": {"description": "OpenAPI 3.1.", "content": {"application/json": {"schema": schema}}},
                **_problems(),
            },
        }
    }


def _problems(*, with_body: bool = False) -> dict[str, Any]:
    """Return the answers that every place may give."""
    content = {"application/json": {"schema": {"$ref": _REF.format(model=Problem.__name__)}}}
    of_bodies = ("408", "413", "415")
    return {
        status: {"description": text, "content": content}
        for status, text in _PROBLEMS.items()
        if with_body or status not in of_bodies
    }


def _security(permission: Permission | None) -> dict[str, Any]:
    """Return who may use a place, as the document says it."""
    if permission is None:
        return {"security": []}
    roles = ", ".join(role.value for role, permissions in PERMISSIONS.items() if permission in permissions)
    return {"security": [{"token": []}, {"session": []}], "description": f"For the roles {roles}."}


def _operation(place: ApiPlace, keys: Mapping[Any, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": place.name,
        "summary": place.summary,
        **_security(place.permission),
        "parameters": [*_path_parameters(place), *_query_parameters(place.query)],
        "responses": {
            str(status): {
                "description": (model.__doc__ or "").strip().splitlines()[0],
                "content": {"application/json": {"schema": keys[model, "serialization"]}},
            }
            for status, model in place.answers.items()
        }
        | _problems(with_body=place.body is not None),
    }
    if place.body is not None:
        content = {"application/json": {"schema": keys[place.body, "validation"]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _path_parameters(place: ApiPlace) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": text,
            "schema": {"type": "string", "minLength": 1},
        }
        for name, text in (place.paths or {}).items()
    ]


def _query_parameters(query: type[BaseModel] | None) -> list[dict[str, Any]]:
    """Return the fields of a query; one that may be left out is no null in an address."""
    if query is None:
        return []
    parameters = []
    for name, schema in query.model_json_schema()["properties"].items():
        stated = {key: value for key, value in schema.items() if key not in ("title", "description", "anyOf")}
        options = [option for option in schema.get("anyOf", []) if option.get("type") != "null"]
        if stated.get("default", "") is None:
            del stated["default"]
        parameter = {"name": name, "in": "query", "required": False, "schema": stated | (options[0] if options else {})}
        parameters.append(parameter | ({"description": schema["description"]} if "description" in schema else {}))
    return parameters

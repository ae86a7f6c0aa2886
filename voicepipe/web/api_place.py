"""A place of the API: what it takes and returns, and how it is asked."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from voicepipe.web.frame import ConsoleError, read_body
from voicepipe.web.people import Permission
from voicepipe.web.visit import visit_of

_Model = TypeVar("_Model", bound=BaseModel)

_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiPlace:
    """One place of the API.

    Attributes
    ----------
    path : str
        As Starlette writes it, without the API's own prefix.
    call : callable
        Takes the visit, and the query and the body where there are any; returns the answer, with a status where that
        is another than 200.
    permission : Permission or None
    name, summary : str
    method : str
    query, body : type of BaseModel, optional
        What it takes.
    answers : mapping of int to type of BaseModel
        What it returns by status.
    paths : mapping of str to str
        Each variable of the path in words.
    """

    path: str
    call: Callable[..., Awaitable[BaseModel | tuple[int, BaseModel]]]
    permission: Permission | None
    name: str
    summary: str
    answers: Mapping[int, type[BaseModel]]
    method: str = "GET"
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    paths: Mapping[str, str] | None = None


def endpoint_of(place: ApiPlace) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of a place: what it takes is read and checked, what it returns is written."""

    async def endpoint(request: Request) -> Response:
        given: dict[str, BaseModel] = {}
        if place.query is not None:
            given["query"] = _read_query(place.query, request)
        if place.body is not None:
            given["body"] = await _read_json(place.body, request)
        answer = await place.call(visit_of(request), **given)
        status, model = answer if isinstance(answer, tuple) else (200, answer)
        return Response(model.model_dump_json(), status_code=status, media_type=_JSON)

    return endpoint


def _read_query(kind: type[_Model], request: Request) -> _Model:
    pairs = request.query_params.multi_items()
    if any(count > 1 for count in Counter(name for name, _ in pairs).values()):
        raise ConsoleError(422)
    try:
        return kind.model_validate_strings(dict(pairs))
    except ValidationError as error:
        raise ConsoleError(422) from error


async def _read_json(kind: type[_Model], request: Request) -> _Model:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _JSON:
        raise ConsoleError(415)
    try:
        return kind.model_validate_json(await read_body(request), strict=True)
    except ValidationError as error:
        raise ConsoleError(422) from error

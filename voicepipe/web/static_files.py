"""The files that come with the package, held in memory as browsers get them: a page asks for several at once."""

import gzip
import mimetypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

STATIC: Final = "/static"

_DIGITS = 12
_WORTH_PACKING_BYTES = 500
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFile:
    """One file.

    Attributes
    ----------
    version : str
        Mark of its content.
    media_type : str
    body, packed : bytes
        As it is, and by gzip; the same where that is not worth it.
    """

    version: str
    media_type: str
    body: bytes
    packed: bytes


@cache
def static_files() -> Mapping[str, StaticFile]:
    """Return all files under ``static`` by their path below it; read and packed once."""
    return dict(_read(files("voicepipe.web") / "static", ""))


@cache
def static_url(name: str) -> str:
    """Return the path of a file under ``static`` with the mark of its content, so that browsers keep it for ever."""
    return f"{STATIC}/{name}?v={static_files()[name].version}"


def static_route() -> Route:
    """Return the place of the files; those asked for by the mark of their content are kept by browsers for ever."""
    static_files()
    return Route(f"{STATIC}/{{name:path}}", _serve, name="static")


async def _serve(request: Request) -> Response:
    file = static_files().get(request.path_params["name"])
    if file is None:
        raise HTTPException(404)
    is_marked = request.url.query == f"v={file.version}"
    headers = {
        "cache-control": _FOR_EVER if is_marked else "no-cache",
        "etag": f'"{file.version}"',
        "vary": "accept-encoding",
    }
    if file.version in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if file.packed is file.body or not takes_gzip(request):
        return Response(file.body, headers=headers, media_type=file.media_type)
    return Response(file.packed, headers=headers | {"content-encoding": "gzip"}, media_type=file.media_type)


def takes_gzip(request: Request) -> bool:
    """Tell whether a browser understands what is packed by gzip."""
    return "gzip" in request.headers.get("accept-encoding", "")


def _read(folder: Traversable, path: str) -> Iterator[tuple[str, StaticFile]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _read(entry, f"{path}{entry.name}/")
            continue
        body = entry.read_bytes()
        packed = gzip.compress(body, mtime=0) if len(body) >= _WORTH_PACKING_BYTES else body
        yield (
            path + entry.name,
            StaticFile(
                version=sha256(body).hexdigest()[:_DIGITS],
                media_type=mimetypes.guess_type(entry.name)[0] or "application/octet-stream",
                body=body,
                packed=packed if len(packed) < len(body) else body,
            ),
        )

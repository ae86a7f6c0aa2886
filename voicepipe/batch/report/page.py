"""One page in one file: our own style sheet and scripts inlined, the data packed, and a policy that bars the rest."""

import base64
import gzip
import hashlib
import html
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from voicepipe.types import ConfigError

Data = Mapping[str, Any] | Sequence[Any]

SHARED = ("words", "tools", "store", "charts", "frame")
REPORT_SCRIPTS = (
    *SHARED,
    "state",
    "overview",
    "agents",
    "list",
    "timeline",
    "player",
    "call",
    "about",
    "report",
)
COMPARE_SCRIPTS = (*SHARED, "compare")

_ASSETS = files("voicepipe.batch.report") / "assets"


def write_page(path: Path, *, title: str, scripts: Sequence[str], blocks: Iterable[tuple[str, Data]]) -> int:
    """Write a page whole or not at all.

    Parameters
    ----------
    path : Path
    title : str
    scripts : sequence of str
        Names of assets, in their order.
    blocks : iterable of (id, data)
        Each is packed into a block of its own, which the page unpacks when it needs it.

    Returns
    -------
    int
        Size in bytes.

    Raises
    ------
    ConfigError
        If the file cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as page:
            for piece in _pieces(title, scripts, blocks):
                page.write(piece)
        size = partial.stat().st_size
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise ConfigError(f"{path} cannot be written ({error.strerror}); choose another --out.") from error
    return size


def _pieces(title: str, scripts: Sequence[str], blocks: Iterable[tuple[str, Data]]) -> Iterator[str]:
    style = _read("page.css")
    first = _read("theme.js")
    program = '(() => {\n"use strict";\n' + "".join(_read(f"{name}.js") for name in scripts) + "})();\n"
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {_digest(first)} {_digest(program)}",
            f"style-src {_digest(style)}",
            "media-src 'self' file: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="robots" content="noindex">\n'
        f"<title>{html.escape(title)}</title>\n<style>{style}</style>\n<script>{first}</script>\n</head>\n<body>\n"
        '<noscript><p class="wide empty">This report needs scripts; allow them for this file.</p></noscript>\n'
        '<div id="page"></div>\n'
    )
    for name, data in blocks:
        yield f'<script type="application/octet-stream" id="{name}">{pack(data)}</script>\n'
    yield f"<script>{program}</script>\n</body>\n</html>\n"


def pack(data: Data) -> str:
    """Return base64 of gzip of JSON: letters that no text of a call can break out of."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # A lone surrogate (half of a damaged character) has no UTF-8.
    return base64.b64encode(gzip.compress(text.encode("utf-8", "replace"), 6, mtime=0)).decode("ascii")


def _read(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

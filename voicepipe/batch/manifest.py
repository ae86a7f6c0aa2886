"""A manifest: a CSV file that names recordings and says what the telephony system knows of each."""

import csv
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal, TextIO, cast

from voicepipe.batch.items import Item
from voicepipe.batch.remote import is_address
from voicepipe.speech.language import WHISPER_LANGUAGES
from voicepipe.types import ConfigError

PATH_COLUMNS = ("path", "url")
"""One of them must be there: a path relative to the manifest's folder, or an address."""
KNOWN_COLUMNS = (*PATH_COLUMNS, "call_id", "agent", "queue", "caller_channel", "language", "started_at", "consent")
"""All others are the customer's own and carried through."""

_DELIMITERS = ",;\t|"


def read_manifest(path: Path) -> Iterator[Item]:
    """Yield the recordings of a manifest in their order.

    Parameters
    ----------
    path : Path
        UTF-8, with a line of column names; separated by comma, semicolon, tab or bar (whatever the first line has).

    Raises
    ------
    ConfigError
        At the first line that cannot be used: no column `path`, a path outside the manifest's folder, a recording or a
        call_id that was already there, a value that is none.
    """
    paths: set[bytes] = set()
    call_ids: set[bytes] = set()
    root = path.parent.resolve()
    read = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, delimiter=_delimiter(file), strict=True)
            header = _header(next(rows, []), path)
            read = rows.line_num
            for row in rows:
                read = rows.line_num
                where = f"{path}, line {read}"
                if not any(row):
                    continue
                if len(row) > len(header):
                    raise ConfigError(f"{where} has {len(row)} fields and the header {len(header)}; mend that line.")
                fields = dict(zip(header, (field.strip() for field in row), strict=False))
                item = _item(fields, path=path, root=root, where=where)
                _once(item.path, paths, f"{where} names {item.path} a second time; keep one of the lines.")
                if item.call_id is not None:
                    _once(item.call_id, call_ids, f"{where} has the call_id '{item.call_id}' a second time; keep one.")
                yield item
    except OSError as error:
        raise ConfigError(f"The manifest {path} cannot be read ({error.strerror}); check the path.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"The manifest {path} cannot be read ({error}): save it as CSV in UTF-8.") from error
    except csv.Error as error:
        raise ConfigError(
            f"{path}, line {read + 1}: this is no line of CSV ({error}); mend it, quotation marks first."
        ) from error


def _delimiter(file: TextIO) -> str:
    first = file.readline()
    file.seek(0)
    return max(_DELIMITERS, key=first.count)


def _header(names: Iterable[str], path: Path) -> list[str]:
    header = [name.strip() for name in names]
    if not any(name in PATH_COLUMNS for name in header):
        raise ConfigError(
            f"The manifest {path} has no column 'path' (it has: {', '.join(header) or 'nothing'}); "
            "the first line names the columns."
        )
    if doubled := {name for name in header if header.count(name) > 1}:
        raise ConfigError(f"The manifest {path} has the column '{min(doubled)}' twice; rename one.")
    return header


def _item(fields: Mapping[str, str], *, path: Path, root: Path, where: str) -> Item:
    given = next((fields[name] for name in PATH_COLUMNS if fields.get(name)), "")
    if not given:
        raise ConfigError(f"{where} has no path; name the recording, or take the line out.")
    return Item(
        path=given if is_address(given) else _within(given, path=path, root=root, where=where),
        call_id=_call_id(fields.get("call_id", ""), where),
        agent=fields.get("agent") or None,
        queue=fields.get("queue") or None,
        caller_channel=_side(fields.get("caller_channel", ""), where),
        language=_language(fields.get("language", ""), where),
        started_at=_time(fields.get("started_at", ""), where),
        consent=fields.get("consent") or None,
        own=tuple((name, value) for name, value in fields.items() if name and name not in KNOWN_COLUMNS),
    )


def _within(given: str, *, path: Path, root: Path, where: str) -> str:
    """Return the path of a recording, which must lie in the manifest's folder or below it."""
    if "\0" in given or not (root / given).resolve().is_relative_to(root):
        raise ConfigError(
            f"{where} names {given!r}, which lies outside the manifest's folder {root}; put the manifest into a "
            "folder above the recordings."
        )
    return str(path.parent / given)


def _call_id(given: str, where: str) -> str | None:
    if len(given) > 200 or not given.isprintable():
        raise ConfigError(f"{where} has a call_id that is longer than 200 characters or has control characters in it.")
    return given or None


def _side(given: str, where: str) -> Literal["left", "right"] | None:
    side = given.lower()
    if side not in ("", "left", "right"):
        raise ConfigError(f"{where} says caller_channel '{given}'; write left or right, or leave it empty.")
    return cast('Literal["left", "right"]', side) if side else None


def _language(given: str, where: str) -> str | None:
    code = given.lower()
    if code in ("", "auto"):
        return None
    if code not in WHISPER_LANGUAGES:
        raise ConfigError(
            f"{where} says language '{given}', which Whisper does not know; write an ISO 639-1 code such as en, ru, zh."
        )
    return code


def _time(given: str, where: str) -> datetime | None:
    if not given:
        return None
    try:
        time = datetime.fromisoformat(given)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise ConfigError(
            f"{where} says started_at '{given}'; write date, time and time zone, as 2026-11-02T09:30:00+01:00."
        )
    return time


def _once(value: str, seen: set[bytes], otherwise: str) -> None:
    key = hashlib.blake2b(value.encode(errors="surrogateescape"), digest_size=8).digest()
    if key in seen:
        raise ConfigError(otherwise)
    seen.add(key)

"""The folder of a run: one file a call, written whole or not at all, and what the next run must know of it."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self
from urllib.parse import quote

from voicepipe.batch.items import Item
from voicepipe.batch.lines import CONVERSATION
from voicepipe.batch.remote import is_address, place
from voicepipe.types import ConfigError, StoreError

CALLS = "calls"
"""Folder, within the run's folder, of one ``CALL_ID.jsonl`` a call."""
RUN = "run.json"
LOCK = ".lock"

_LONGEST_NAME = 120
_TAIL_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class _Kept:
    """A result of an earlier run."""

    identity: str
    name: str
    is_whole: bool


class Results:
    """A run's folder, open for one run at a time. A context manager.

    Parameters
    ----------
    out : Path
        Made if it is not there.
    facts : mapping of str to str
        Settings and models that the results depend on, by name.
    resume : bool
        Go on with the results that are there; otherwise there must be none.

    Raises
    ------
    ConfigError
        If the folder cannot be written, another run is at work in it, it holds results and `resume` is False, or its
        results were made with other settings.
    """

    def __init__(self, out: Path, *, facts: Mapping[str, str], resume: bool) -> None:
        self.out = out
        self.calls = out / CALLS
        self._kept: dict[bytes, _Kept] = {}
        self._written: set[bytes] = set()
        try:
            self.calls.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(out)
        except OSError as error:
            raise ConfigError(
                f"The folder {out} cannot be written ({error.strerror}); choose another --out."
            ) from error
        try:
            self._begin(facts, resume=resume)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Let other runs have the folder."""
        with contextlib.suppress(OSError):
            (self.out / LOCK).unlink()
        self._lock.close()

    def has(self, item: Item) -> bool:
        """Whether an earlier run scored this very recording whole, with all that is known of it the same."""
        kept = self._kept.get(_key(place(item.path)))
        return kept is not None and kept.is_whole and kept.identity == item.identity

    def refusal(self, item: Item, call_id: str) -> str | None:
        """Return a sentence where another recording is the same call: its results stay."""
        other = self._other(item, self.calls / file_name(call_id))
        if other is None:
            return None
        return (
            f"{item.path} is the same call as {other} (call_id '{call_id}'); remove one of the two, or give them "
            "different ids in a manifest."
        )

    def keep(self, item: Item, call_id: str, text: str) -> None:
        """Write a call's lines: from here on the recording counts as scored.

        Raises
        ------
        StoreError
            If they cannot be written.
        """
        name = file_name(call_id)
        write_whole(self.calls / name, text)
        self._written.add(_key(name))
        earlier = self._kept.pop(_key(place(item.path)), None)
        if earlier is not None and earlier.name != name:
            (self.calls / earlier.name).unlink(missing_ok=True)

    def _other(self, item: Item, path: Path) -> str | None:
        """Return the path of another recording that already has this file: of this run, or still there since before."""
        try:
            other = str(read_call(path)["path"])
        except StoreError:
            return None
        if place(other) == place(item.path):
            return None
        still_there = is_address(other) or Path(other).exists()
        return other if _key(path.name) in self._written or still_there else None

    def files(self) -> Iterator[Path]:
        """Yield the calls' files in order of name."""
        return _files(self.calls)

    def _begin(self, facts: Mapping[str, str], *, resume: bool) -> None:
        """Compare with the run before, and take stock of its results."""
        run = self.out / RUN
        if not resume and next(self.files(), None) is not None:
            raise ConfigError(
                f"The folder {self.out} holds the results of an earlier run; go on with it by --resume, or choose "
                "another --out."
            )
        if resume and run.is_file():
            try:
                before = json.loads(run.read_text(encoding="utf-8"))["facts"]
            except (ValueError, KeyError, TypeError, OSError) as error:
                raise ConfigError(f"{run} cannot be read ({error}); score into another --out.") from error
            if differing := _differences(before, facts):
                raise ConfigError(
                    f"The results in {self.out} were made with other settings ({differing}); go back to them, or score "
                    "into another --out and compare the two."
                )
        for path in self.calls.glob(".*.partial"):
            path.unlink(missing_ok=True)
        for path in self.files():
            try:
                call = read_call(path)
            except StoreError:
                path.unlink()  # cut short or meddled with: scored again
            else:
                self._kept[_key(place(call["path"]))] = _Kept(call["identity"], path.name, call["error"] is None)
        write_whole(run, json.dumps({"facts": facts}, indent=1, ensure_ascii=False) + "\n")


def file_name(call_id: str) -> str:
    """Return the name of a call's file: its id, with what no file name may hold as ``%2F``."""
    name = quote(call_id, safe=" +@=,()[]!~#")
    if name.startswith("."):
        name = "%2E" + name[1:]
    if len(name) > _LONGEST_NAME:
        name = f"{name[:_LONGEST_NAME]}-{hashlib.sha256(call_id.encode()).hexdigest()[:16]}"
    return f"{name}.jsonl"


def read_call(path: Path) -> dict[str, Any]:
    """Return the last line of a call's file: the call's own.

    Raises
    ------
    StoreError
        If the file is damaged.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            reach = _TAIL_BYTES
            while True:
                file.seek(max(0, size - reach))
                _, newline, last = file.read().rstrip(b"\n").rpartition(b"\n")
                if newline or reach >= size:
                    return _call(json.loads(last))
                reach *= 4
    except (ValueError, OSError) as error:
        raise _damaged(path, error) from error


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return all lines of a call's file, the call's own last.

    Raises
    ------
    StoreError
        If the file is damaged.
    """
    try:
        with path.open(encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        _call(lines[-1])
    except (ValueError, IndexError, OSError) as error:
        raise _damaged(path, error) from error
    return lines


def _call(line: Any) -> dict[str, Any]:
    if not isinstance(line, dict) or line.get("type") != "call" or not {"identity", CONVERSATION} <= line.keys():
        raise ValueError("it does not end with the line of a call")
    return line


def _damaged(path: Path, error: Exception) -> StoreError:
    return StoreError(f"The result {path} is damaged ({error}): delete it and score again with --resume.")


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all, whatever happens meanwhile.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise cannot_write(path, error) from error


def sync(path: Path) -> None:
    """Have the system write a file or folder to the disk now."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def cannot_write(path: Path, error: OSError) -> StoreError:
    """Return the sentence for what could not be written."""
    mend = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "mend that"
    return StoreError(f"{path} cannot be written ({error.strerror}): {mend} and go on with --resume.")


def _files(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.name.endswith(".jsonl") and entry.name[0] != ".")
    return (folder / name for name in names)


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=8).digest()


def _differences(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    names = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    told = [f"{name} was {before.get(name, 'not set')}, is {now.get(name, 'not set')}" for name in names[:3]]
    if len(names) > len(told):
        told.append(f"{len(names) - len(told)} more")
    return "; ".join(told)


def _lock(out: Path) -> BinaryIO:
    """Take the folder for this process; the system gives it back when the process dies, however it dies."""
    path = out / LOCK
    while True:
        file = path.open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().decode(errors="replace").strip()
            file.close()
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            raise ConfigError(
                f"Another run is at work in {out} ({holder or 'just starting'}); wait for it, or choose another --out."
            ) from error
        try:
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                break
        except FileNotFoundError:
            pass
        file.close()  # its holder let it go and took it away just now
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
    file.flush()
    return file

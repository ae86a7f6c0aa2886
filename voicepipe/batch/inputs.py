"""What there is to score: recordings, folders, patterns, manifests and addresses, one item each, none twice."""

import glob
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from voicepipe.batch import manifest
from voicepipe.batch.items import Item
from voicepipe.batch.remote import is_address, list_remote, place
from voicepipe.types import ConfigError

RECORDING_SUFFIXES = frozenset(
    {".wav", ".flac", ".mp3", ".ogg", ".opus", ".oga", ".m4a", ".mp4", ".aac", ".amr", ".webm", ".gsm"}
)
"""What is taken for a recording in a folder; a file named on its own is tried whatever its name."""


def list_items(
    inputs: Sequence[str],
    *,
    caller_channel: Literal["left", "right"] | None,
    language: str | None,
    miss: Callable[[str, str], None],
) -> Iterator[Item]:
    """Yield each recording once, as it is found; folders and patterns in order of name, manifests in their own.

    Parameters
    ----------
    inputs : sequence of str
        Recordings, folders (searched to the bottom), patterns (``night/**/*.wav``), manifests (``.csv``), addresses.
    caller_channel, language
        Hold where a manifest says nothing.
    miss : callable
        Takes an input of which nothing came and the sentence for it: a folder or pattern without recordings, an address
        that cannot be listed, a recording whose name is not UTF-8, which no table and no JSON could hold. The others
        are listed all the same.

    Raises
    ------
    ConfigError
        If a manifest is not usable.
    """
    seen: set[bytes] = set()
    for given in inputs:
        for item in _of(given, miss):
            if (shown := _shown(item.path)) != item.path:
                miss(shown, f"{shown} has a name that is not UTF-8; rename it.")
                continue
            key = hashlib.blake2b(place(item.path).encode(errors="surrogateescape"), digest_size=8).digest()
            if key not in seen:
                seen.add(key)
                yield replace(
                    item,
                    caller_channel=item.caller_channel or caller_channel,
                    language=item.language or language,
                )


def find_recordings(folder: Path) -> Iterator[Path]:
    """Yield the recordings under a folder, in order of name, a folder's own files before those of its folders."""
    for parent, folders, files in os.walk(folder):
        folders.sort()
        yield from (path for name in sorted(files) if (path := Path(parent, name)).suffix.lower() in RECORDING_SUFFIXES)


def _of(given: str, miss: Callable[[str, str], None]) -> Iterator[Item]:
    if _is_manifest(given):
        for item in manifest.read_manifest(Path(given)):
            yield replace(item, version=_version(item.path))
        return
    found = False
    try:
        for path, version in _places(given):
            found = True
            yield Item(path=path, version=version)
    except ConfigError as error:
        miss(_shown(given), str(error))
    else:
        if not found:
            suffixes = ", ".join(sorted(RECORDING_SUFFIXES))
            miss(_shown(given), f"{_shown(given)} holds no recordings; voicepipe looks for {suffixes}.")


def _places(given: str) -> Iterator[tuple[str, str]]:
    """Yield the path and the version of each recording of an input that is no manifest."""
    if is_address(given):
        yield from list_remote(given, suffixes=RECORDING_SUFFIXES)
        return
    path = Path(given)
    if path.is_dir():
        found: Iterable[Path] = find_recordings(path)
    elif not path.exists() and glob.has_magic(given):
        matches = sorted(glob.glob(given, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
        found = (match for match in map(Path, matches) if match.is_file())
    else:
        found = [path]
    for one in found:
        yield str(one), _version(one)


def _shown(path: str) -> str:
    r"""Return a path as it may be printed: bytes that are not UTF-8 as ``\xff``."""
    return path.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _is_manifest(given: str) -> bool:
    return given.lower().endswith(".csv") and not is_address(given)


def _version(path: str | Path) -> str:
    """Return size and modification time; empty where the file cannot be seen (the worker says why)."""
    if is_address(str(path)):
        return ""
    try:
        facts = Path(path).stat()
    except OSError:
        return ""
    return f"{facts.st_size}:{facts.st_mtime_ns}"

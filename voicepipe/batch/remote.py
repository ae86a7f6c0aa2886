"""Recordings that lie elsewhere: any address that fsspec knows, above all ``s3://``."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from voicepipe.types import AudioInputError, ConfigError

_CHUNK_BYTES = 1 << 20


def is_address(path: str) -> bool:
    """Whether a path names a place elsewhere, ``s3://bucket/night``, and not a file of this machine."""
    scheme, mark, _ = path.partition("://")
    return bool(mark) and scheme.replace("+", "").replace("-", "").isalnum()


def place(path: str) -> str:
    """Return the one name of a place, however it was written."""
    return path if is_address(path) else os.path.realpath(path)


def list_remote(address: str, *, suffixes: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield address and version (size and ETag, or time) of each recording under an address.

    Parameters
    ----------
    address : str
        A file, a folder, or a pattern with ``*``.
    suffixes : frozenset of str
        Endings that mark a recording in a folder.

    Raises
    ------
    ConfigError
        If the place cannot be reached, does not exist, or the library for it is not installed.
    """
    try:
        system, root = _open(address)
        if any(mark in root for mark in "*?["):
            found: dict[str, Any] = system.glob(root, detail=True)
        elif system.isfile(root):
            found, suffixes = {root: system.info(root)}, frozenset()
        elif system.exists(root):
            found = system.find(root, detail=True)
        else:
            raise ConfigError(f"{address} does not exist; check the address.")
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"{address} cannot be listed ({_reason(error)}); check address and credentials.") from error
    for name in sorted(found):
        facts = found[name]
        if facts.get("type") == "file" and (not suffixes or PurePosixPath(name).suffix.lower() in suffixes):
            stamp = next((facts[key] for key in ("ETag", "LastModified", "mtime", "created") if facts.get(key)), "")
            yield system.unstrip_protocol(name), f"{facts.get('size')}:{stamp}"


@contextlib.contextmanager
def fetched(address: str) -> Iterator[Path]:
    """Give a local copy, of the same name, for as long as the context lasts.

    Raises
    ------
    AudioInputError
        If it cannot be fetched.
    """
    with tempfile.TemporaryDirectory(prefix="voicepipe-") as folder:
        path = Path(folder) / PurePosixPath(address).name
        try:
            system, name = _open(address)
            with system.open(name, "rb") as source, path.open("wb") as copy:
                shutil.copyfileobj(source, copy, _CHUNK_BYTES)
        except ConfigError as error:
            raise AudioInputError(str(error)) from error
        except Exception as error:
            raise AudioInputError(
                f"{address} cannot be fetched ({_reason(error)}); check address and credentials."
            ) from error
        yield path


def _open(address: str) -> tuple[Any, str]:
    """Return the file system of an address and the name within it."""
    try:
        import fsspec
    except ImportError as error:
        raise ConfigError(f"{address} needs a library that is not installed: pip install 'voicepipe[s3]'.") from error
    try:
        system, name = fsspec.core.url_to_fs(address)
    except ImportError as error:
        raise ConfigError(
            f"{address} needs a library that is not installed ({error}): pip install 'voicepipe[s3]'."
        ) from error
    except ValueError as error:
        raise ConfigError(f"{address} is of a kind that is not known ({error}).") from error
    return system, str(name)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__

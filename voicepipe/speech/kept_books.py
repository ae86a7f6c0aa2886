"""Books of phrases kept as they were compiled, as Python keeps compiled modules.

To compile the phrases of a language takes a hundred times as long as to read a line. So what comes of files of this
package is kept beside them, in ``__pycache__`` or wherever Python keeps compiled modules, as far as it may be written
there and Python may keep these. It counts for the very files, code and Python that it was made of; whatever else is
found, damage included, is made anew. A centre's own files are always read anew.
"""

import os
import pickle
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import blake2b
from importlib.resources.abc import Traversable
from importlib.util import cache_from_source
from pathlib import Path
from typing import TypeVar

from voicepipe.packaged import PACKAGE

_MODULES = ("elements", "kept_books", "matching", "notation", "phrases", "tokens")
"""The code that makes a book: where it changes, the book is made anew."""
_SEAL = 32
"""Bytes of the digest before what is kept: of all that it was made of, and of itself."""

_Made = TypeVar("_Made")


def kept(files: Sequence[Path | Traversable], make: Callable[[], _Made], *, settings: str) -> _Made:
    """Return what is made of some files: as it was kept, else made, and kept for the next time.

    Parameters
    ----------
    files : sequence of Path or Traversable
        Only what is made of files of this package is kept, by the name of the last.
    make : callable
    settings : str
        What else it depends on.
    """
    if not all(isinstance(file, Path) and file.is_relative_to(PACKAGE) for file in files):
        return make()
    place = Path(cache_from_source(str(files[-1]))).with_suffix(".book")
    try:
        made_of = _digest(settings.encode(), sys.version.encode(), *[file.read_bytes() for file in (*files, *_code())])
        with suppress(FileNotFoundError):
            content = place.read_bytes()
            if content[:_SEAL] == _digest(made_of, content[_SEAL:]):
                made: _Made = pickle.loads(content[_SEAL:])  # noqa: S301  (as trusted as the compiled modules beside it)
                return made
    except OSError:  # nothing can be read there: `make` says so where it matters
        return make()
    made = make()
    if not sys.dont_write_bytecode:
        content = pickle.dumps(made, pickle.HIGHEST_PROTOCOL)
        with suppress(OSError):  # kept only where it may be
            _write(place, _digest(made_of, content) + content)
    return made


def _code() -> list[Path]:
    return [Path(__file__).with_name(f"{module}.py") for module in _MODULES]


def _digest(*parts: bytes) -> bytes:
    digest = blake2b(digest_size=_SEAL)
    for part in parts:
        digest.update(b"%d " % len(part) + part)
    return digest.digest()


def _write(place: Path, content: bytes) -> None:
    """Write a file so that others see all of it or nothing."""
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = place.with_suffix(f".{os.getpid()}")
    try:
        partial.write_bytes(content)
        partial.replace(place)
    finally:
        partial.unlink(missing_ok=True)

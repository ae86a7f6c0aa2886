"""The hash of a calm reference that was measured again."""

import shutil
from pathlib import Path

import pytest
from seal_model import seal

from tests.fakes import calm_reference
from voicepipe.stress.profile import read_manifest
from voicepipe.types import ModelError

MODEL_DIR = Path(__file__).resolve().parents[2] / "models" / "stress-4"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return a model whose calm reference was measured again."""
    folder = tmp_path / "stress-4"
    shutil.copytree(MODEL_DIR, folder)
    with (folder / "calm.npz").open("wb") as calm:
        calm_reference().save(calm)
    with pytest.raises(ModelError, match=r"calm\.npz"):
        read_manifest(folder)
    return folder


def test_the_model_loads_again_and_says_the_same(model: Path) -> None:
    seal(model)
    sealed, before = read_manifest(model), read_manifest(MODEL_DIR)
    assert sealed.sha256 != before.sha256
    assert (sealed.model_id, sealed.corpora, sealed.licence) == (before.model_id, before.corpora, before.licence)
    text = (model / "manifest.toml").read_text(encoding="utf-8")
    seal(model)
    assert (model / "manifest.toml").read_text(encoding="utf-8") == text


def test_a_manifest_of_before_the_reference_was_listed_gets_it(model: Path) -> None:
    path = model / "manifest.toml"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith('"calm.npz"')), encoding="utf-8")
    seal(model)
    assert set(read_manifest(model).sha256) == {"model.onnx", "norms.npz", "calm.npz"}


def test_another_file_that_differs_is_not_sealed(model: Path) -> None:
    with (model / "norms.npz").open("ab") as norms:
        norms.write(b"more")
    with pytest.raises(SystemExit, match=r"norms\.npz"):
        seal(model)


def test_a_reference_that_cannot_be_read_is_not_sealed(model: Path) -> None:
    (model / "calm.npz").write_bytes(b"nothing")
    before = (model / "manifest.toml").read_bytes()
    with pytest.raises(ModelError, match=r"calm\.npz"):
        seal(model)
    assert (model / "manifest.toml").read_bytes() == before

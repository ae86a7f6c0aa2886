import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voicepipe.speech.model_folder import FORMAT, read_model
from voicepipe.types import DoubleArray, ModelError

Content = tuple[str, list[float]]


def folder(path: Path, *, format_: int = FORMAT) -> Path:
    content = io.BytesIO()
    np.savez(content, weights=np.array([0.5, -1.0], dtype=np.float16))
    (path / "weights.npz").write_bytes(content.getvalue())
    digest = hashlib.sha256(content.getvalue()).hexdigest()
    (path / "manifest.toml").write_text(
        f'format = {format_}\nmodel_id = "m-1"\n[sha256]\n"weights.npz" = "{digest}"\n', encoding="utf-8"
    )
    return path


def make(manifest: Mapping[str, Any], arrays: Mapping[str, DoubleArray]) -> Content:
    return manifest["model_id"], arrays["weights"].tolist()


def test_a_model_is_made_of_what_lies_in_its_folder(tmp_path: Path) -> None:
    assert read_model(folder(tmp_path), make, called="model") == ("m-1", [0.5, -1.0])


def test_what_is_wrong_with_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"No model in .*: manifest\.toml is missing\. Restore the folder, or name"):
        read_model(tmp_path, make, called="model")
    with pytest.raises(ModelError, match=f"has format 9, this version reads {FORMAT}"):
        read_model(folder(tmp_path, format_=9), make, called="model")
    folder(tmp_path)
    with pytest.raises(ModelError, match="lacks 'other'"):
        read_model(tmp_path, lambda manifest, arrays: arrays["other"], called="model")
    (tmp_path / "weights.npz").write_bytes(b"something else")
    with pytest.raises(ModelError, match=r"weights\.npz in .* is not the file that manifest\.toml names"):
        read_model(tmp_path, make, called="model")
    (tmp_path / "weights.npz").unlink()
    with pytest.raises(ModelError, match=r"weights\.npz is missing"):
        read_model(tmp_path, make, called="model")
    (tmp_path / "manifest.toml").write_text("format = ", encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be read"):
        read_model(tmp_path, make, called="model")

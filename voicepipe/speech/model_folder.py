"""A model of words on disk: a folder with ``weights.npz`` and ``manifest.toml``, which names it and holds its hash."""

import hashlib
import io
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from voicepipe.types import DoubleArray, ModelError

FORMAT = 1
"""Format of manifest that is understood."""
_WEIGHTS = "weights.npz"

Made = TypeVar("Made")


def read_model(
    model_dir: Path, make: Callable[[Mapping[str, Any], Mapping[str, DoubleArray]], Made], *, called: str
) -> Made:
    """Return what is made of the manifest and the arrays of a model, once the arrays are those that it names.

    Parameters
    ----------
    model_dir : Path
    make : callable
        From the manifest and the arrays by name, as float64, to the model.
    called : str
        What the model is, for errors: "frustration model".

    Raises
    ------
    ModelError
        If a file or an entry is missing, damaged or of another format, or `make` says that the model does not fit.
    """
    path = model_dir / "manifest.toml"
    try:
        manifest = tomllib.loads(path.read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            raise ModelError(f"{path} has format {manifest['format']}, this version reads {FORMAT}.")
        content = (model_dir / _WEIGHTS).read_bytes()
        if hashlib.sha256(content).hexdigest() != manifest["sha256"][_WEIGHTS]:
            raise ModelError(f"{_WEIGHTS} in {model_dir} is not the file that manifest.toml names: restore the folder.")
        with np.load(io.BytesIO(content)) as arrays:
            return make(manifest, {name: np.asarray(arrays[name], dtype=np.float64) for name in arrays.files})
    except FileNotFoundError as error:
        raise ModelError(
            f"No {called} in {model_dir}: {Path(error.filename).name} is missing. Restore the folder, or name another "
            "one in the settings."
        ) from error
    except (OSError, ValueError, TypeError, tomllib.TOMLDecodeError) as error:
        raise ModelError(f"The {called} in {model_dir} cannot be read ({error}): restore the folder.") from error
    except KeyError as error:
        raise ModelError(f"The {called} in {model_dir} lacks {error}: restore the folder.") from error

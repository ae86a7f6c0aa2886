"""Where the files are that come with voicepipe."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def packaged(folder: str) -> Path:
    """Return a folder that ships with voicepipe, ``models`` or ``configs``: in a wheel inside the package."""
    installed = PACKAGE / f"_{folder}"
    return installed if installed.is_dir() else PACKAGE.parent / folder

"""Where a browser finds the recording of a call, seen from the report's own file."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote


def locate(paths: Sequence[str], *, report: Path, audio_root: Path | None) -> list[str | None]:
    """Return for each recording the address that the report's player opens.

    Parameters
    ----------
    paths : sequence of str
        As the table of calls has them: relative to the present folder, absolute, or an address such as ``s3://...``.
    report : Path
        The file that will be opened; addresses are relative to its folder, so that both can move together.
    audio_root : Path or None
        Folder in which the recordings lie now. Relative paths are looked for below it; of absolute ones the folder that
        they have in common is taken off first, and where that names no file, all but the file's name is.

    Returns
    -------
    list of str or None
        None for a recording that is not on a disk.
    """
    local = [Path(path) if path and "://" not in path else None for path in paths]
    find = _below(audio_root, [path for path in local if path is not None]) if audio_root else Path.absolute
    return [None if path is None else _address(find(path), report.absolute().parent) for path in local]


def _below(root: Path, paths: Sequence[Path]) -> Callable[[Path], Path]:
    absolute = [str(path.parent) for path in paths if path.is_absolute()]
    try:
        common = Path(os.path.commonpath(absolute)) if absolute else None
    except ValueError:  # Windows: more than one drive.
        common = None

    def find(path: Path) -> Path:
        if not path.is_absolute():
            below = root / path
        elif common is not None:
            below = root / path.relative_to(common)
        else:
            below = root / path.name
        if not below.exists() and (root / path.name).exists():
            below = root / path.name
        return below.absolute()

    return find


def _address(path: Path, folder: Path) -> str:
    try:
        return quote(Path(os.path.relpath(path, folder)).as_posix(), safe="/")
    except ValueError:  # Windows: another drive than the report's.
        return path.as_uri()

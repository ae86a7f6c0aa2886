"""Writes the report of a run, and the comparison of two."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from voicepipe.batch.report.compare import compare
from voicepipe.batch.report.data import ReportData, read_tables
from voicepipe.batch.report.page import COMPARE_SCRIPTS, REPORT_SCRIPTS, Data, write_page
from voicepipe.types import ConfigError

REPORT_NAME = "report.html"
COMPARE_NAME = "compare.html"


def write_report(out: Path, *, file: Path | None = None, audio_root: Path | None = None) -> Path:
    """Write the report of a run.

    Parameters
    ----------
    out : Path
        Folder of the run.
    file : Path or None
        The page; by default ``report.html`` in `out`.
    audio_root : Path or None
        Folder in which the recordings lie now, if not where they were scored.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ConfigError
        If the folder holds no results, there is no folder `audio_root`, or the page cannot be written.
    """
    if audio_root is not None and not audio_root.is_dir():
        raise ConfigError(f"{audio_root} is no folder; give --audio-root the one in which the recordings lie now.")
    page = file or out / REPORT_NAME
    data = ReportData(read_tables(out), report=page, audio_root=audio_root)

    def blocks() -> Iterator[tuple[str, Data]]:
        yield "index", data.index()
        for chunk in range(len(data.chunks) - 1):
            yield f"details-{chunk}", data.details(chunk)

    write_page(page, title=f"{out.resolve().name} · voicepipe", scripts=REPORT_SCRIPTS, blocks=blocks())
    return page


def write_comparison(out_a: Path, out_b: Path, *, file: Path | None = None) -> Path:
    """Write what differs between two runs; links go to the two runs' own reports where they are written.

    Parameters
    ----------
    out_a, out_b : Path
        Folders of the runs, the older first.
    file : Path or None
        The page; by default ``compare.html`` in `out_b`.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ConfigError
        If a folder holds no results, or the page cannot be written.
    """
    page = file or out_b / COMPARE_NAME
    index = compare(read_tables(out_a), read_tables(out_b))
    for side, out in (("a", out_a), ("b", out_b)):
        report = out / REPORT_NAME
        index["meta"][side]["report"] = _link(report, page) if report.is_file() else None
    title = f"{out_a.resolve().name} → {out_b.resolve().name} · voicepipe"
    write_page(page, title=title, scripts=COMPARE_SCRIPTS, blocks=[("index", index)])
    return page


def _link(target: Path, page: Path) -> str:
    try:
        return quote(Path(os.path.relpath(target.absolute(), page.absolute().parent)).as_posix(), safe="/")
    except ValueError:  # Windows: another drive.
        return target.absolute().as_uri()

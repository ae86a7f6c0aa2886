"""Takes calls out of the folder of a run: their files, and their rows in the tables."""

import csv
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from voicepipe.batch import surveys
from voicepipe.batch.results import CALLS, file_name
from voicepipe.batch.tables import cell
from voicepipe.types import ConfigError, StoreError


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What was taken out of a folder.

    Attributes
    ----------
    files : int
        Files of calls.
    rows : int
        Rows of tables.
    reports : tuple of Path
        Pages in the folder that still show the calls: `voicepipe report` writes them again.
    """

    files: int
    rows: int
    reports: tuple[Path, ...]


def forget(out: Path, call_ids: Collection[str], *, dry_run: bool = False) -> Forgotten:
    """Remove the files and the rows of some calls from the folder of a run.

    Parameters
    ----------
    out : Path
        As given to ``voicepipe score --out``.
    call_ids : collection of str
    dry_run : bool
        Only count.

    Raises
    ------
    ConfigError
        If the folder is not there.
    StoreError
        If something in it cannot be changed; what was removed before stays removed.
    """
    if not out.is_dir():
        raise ConfigError(f"{out} is no folder of a run; give what `voicepipe score --out` was given.")
    try:
        files = [
            path for one in call_ids for path in (out / file_name(one), out / CALLS / file_name(one)) if path.exists()
        ]
        if not dry_run:
            for path in files:
                path.unlink()
        rows = sum(_forget_rows(path, call_ids, dry_run=dry_run) for path in sorted(out.glob("*.parquet")))
        for path in sorted(out.glob("*.csv")):
            _forget_lines(path, call_ids, dry_run=dry_run)
        if not dry_run:
            surveys.forget(out, call_ids)
    except (OSError, pa.ArrowException, csv.Error, ValueError) as error:
        raise StoreError(f"Calls could not be taken out of {out} ({error}); mend that and purge again.") from error
    reports = tuple(sorted(out.glob("*.html"))) if files or rows else ()
    return Forgotten(files=len(files), rows=rows, reports=reports)


def _forget_rows(path: Path, call_ids: Collection[str], *, dry_run: bool) -> int:
    table = pq.read_table(path)
    if "call_id" not in table.column_names:
        return 0
    gone = pc.fill_null(pc.is_in(table["call_id"], value_set=pa.array(list(call_ids), pa.string())), fill_value=False)
    count = int(pc.sum(gone).as_py() or 0)
    if count and not dry_run:
        partial = path.with_name(f".{path.name}.partial")
        pq.write_table(table.filter(pc.invert(gone)), partial)
        partial.replace(path)
    return count


def _forget_lines(path: Path, call_ids: Collection[str], *, dry_run: bool) -> None:
    with path.open(newline="", encoding="utf-8-sig") as text:
        reader = csv.DictReader(text)
        names = list(reader.fieldnames or ())
        rows: list[Mapping[str, str]] = list(reader) if "call_id" in names else []
    gone = {cell(one) for one in call_ids}
    kept = [row for row in rows if row["call_id"] not in gone]
    if dry_run or len(kept) == len(rows):
        return
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", newline="", encoding="utf-8-sig") as text:
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)
        text.flush()
        os.fsync(text.fileno())
    partial.replace(path)

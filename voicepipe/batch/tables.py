"""The tables of a run, made from its calls' files one after the other: Parquet, and CSV for spreadsheets."""

import csv
import statistics
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from voicepipe.batch import columns
from voicepipe.batch.agents import Agents
from voicepipe.batch.columns import Column, Kind, Table
from voicepipe.batch.lines import CONVERSATION, Line
from voicepipe.batch.measured import measured_columns, read_service
from voicepipe.batch.results import Results, cannot_write, read_call, read_lines, sync
from voicepipe.batch.rows import Row, call_row, episode_rows, utterance_row
from voicepipe.batch.surveys import FILE as SURVEYS
from voicepipe.batch.surveys import Surveys
from voicepipe.conversation.satisfaction import ServiceEstimate
from voicepipe.conversation.surveys import SurveyError, SurveyModel

ROWS_AT_A_TIME = 5_000
"""Rows that are held before they are written: a row group of the Parquet file."""

_TYPES = {
    Kind.TEXT: pa.string(),
    Kind.NUMBER: pa.float64(),
    Kind.COUNT: pa.int32(),
    Kind.FLAG: pa.bool_(),
    Kind.TIME: pa.timestamp("us", tz="UTC"),
}

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a text for a formula (owasp.org/www-community/attacks/CSV_Injection)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A recording that has no result, and why."""

    path: str
    call_id: str | None
    stage: str
    error: str


@dataclass(slots=True)
class Totals:
    """What the tables hold: calls, seconds of call, calls with an alert, and errors by stage.

    `unfitted` says why the estimates are not fitted to the customers' answers, where there are some.
    """

    calls: int = 0
    call_s: float = 0.0
    alerts: int = 0
    stages: dict[str, int] = field(default_factory=dict)
    unfitted: str | None = None

    @property
    def errors(self) -> int:
        """Recordings that failed, wholly or in part."""
        return sum(self.stages.values())

    @property
    def in_part(self) -> int:
        """Those of them that were scored all the same, as far as it went."""
        return sum(self.stages.get(stage, 0) for stage in columns.IN_PART)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """A call: its own line, its other lines, and the estimates of satisfaction and effort."""

    call: Line
    told: list[Line]
    service: ServiceEstimate


def build_tables(
    results: Results, *, failures: Sequence[Failure], with_csv: bool, surveys: Surveys | None = None
) -> Totals:
    """Write the tables of a run; memory stays flat however many calls there are.

    Parameters
    ----------
    results : Results
    failures : sequence of Failure
        Recordings without a result.
    with_csv : bool
        Write each table as CSV, too.
    surveys : Surveys, optional
        Answers of customers: they are columns of the calls, and the estimates are fitted on them if there are enough.

    Raises
    ------
    StoreError
        If a table cannot be written; those of an earlier run are then still there.
    """
    medians_s, own = _look_over(results)
    model, totals = None, Totals()
    if surveys is not None:
        answered = (
            (call["call_id"], read_service(call, queue_median_s=medians_s[call["queue"]]))
            for call in map(read_call, results.files())
            if call["call_id"] in surveys.answers and call[CONVERSATION]["error"] is None
        )
        try:
            model = surveys.fit(answered, out=results.out)
        except SurveyError as too_few:
            totals.unfitted = str(too_few)
    if model is None:
        (results.out / SURVEYS).unlink(missing_ok=True)
    agents = Agents()
    calls_table = replace(columns.CALLS, columns=(*columns.CALLS.columns, *own))
    with _Files(results.out, with_csv=with_csv) as files:
        calls, utterances, episodes, per_agent, errors = (
            files.open(table)
            for table in (calls_table, columns.UTTERANCES, columns.EPISODES, columns.AGENTS, columns.ERRORS)
        )
        for heard in _hear(results, medians_s, model=model):
            call = heard.call
            row = call_row(call, heard.told, measured_columns(call, heard.service))
            if surveys is not None:
                row |= surveys.row(call["call_id"])
            calls.add(row)
            agents.add(row)
            utterances.extend(utterance_row(line, call) for line in heard.told if line["type"] == "utterance")
            episodes.extend(episode_rows(heard.told, call))
            totals.calls += 1
            totals.call_s += call["duration_s"]
            totals.alerts += row["alert"]
            for stage, error in (("decode", call["error"]), ("measure", call[CONVERSATION]["error"])):
                if error is not None:
                    failure = Failure(path=call["path"], call_id=call["call_id"], stage=stage, error=error)
                    _add_error(errors, failure, totals)
        for failure in failures:
            _add_error(errors, failure, totals)
        per_agent.extend(agents.rows())
    return totals


def schema(table: Table) -> pa.Schema:
    """Return a table's schema; each field says in its metadata what it is, and in which unit."""
    return pa.schema([_field(column) for column in table.columns], metadata={"row": table.row})


def _field(column: Column) -> pa.Field:
    told = {"description": column.text} | ({"unit": column.unit} if column.unit else {})
    return pa.field(column.name, _TYPES[column.kind], metadata=told)


def _add_error(errors: "_TableFile", failure: Failure, totals: Totals) -> None:
    errors.add({"path": failure.path, "call_id": failure.call_id, "stage": failure.stage, "error": failure.error})
    totals.stages[failure.stage] = totals.stages.get(failure.stage, 0) + 1


def _look_over(results: Results) -> tuple[dict[str | None, float], tuple[Column, ...]]:
    """Return the median length of the calls of each queue, and the columns that manifests brought along."""
    lengths_s: dict[str | None, array[float]] = {}
    own: dict[str, None] = {}
    for path in results.files():
        call = read_call(path)
        lengths_s.setdefault(call["queue"], array("d")).append(call["duration_s"])
        own |= dict.fromkeys(call["own"])
    medians_s = {queue: statistics.median(lengths) for queue, lengths in lengths_s.items()}
    text = "Column of the manifest, carried through."
    return medians_s, tuple(Column(f"{columns.OWN_PREFIX}{name}", Kind.TEXT, text) for name in own)


def _hear(results: Results, medians_s: Mapping[str | None, float], *, model: SurveyModel | None) -> Iterator["_Heard"]:
    """Yield the calls one after the other."""
    for path in results.files():
        *told, call = read_lines(path)
        service = read_service(call, queue_median_s=medians_s[call["queue"]])
        yield _Heard(call=call, told=told, service=model.estimate(service) if model is not None else service)


class _Files:
    """The files of all tables, written beside the old ones, which they replace at the end. A context manager."""

    def __init__(self, out: Path, *, with_csv: bool) -> None:
        self._out = out
        self._with_csv = with_csv
        self._paths: list[Path] = []
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._open.close()
            if error is None:
                self._replace()
        except OSError as failure:
            error = error or failure
        if error is not None:
            for path in self._paths:
                _partial(path).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise cannot_write(self._out, error) from error

    def open(self, table: Table) -> "_TableFile":
        """Begin a table."""
        text = None
        if self._with_csv:
            # The mark at the start tells Excel that it is UTF-8.
            text = self._open.enter_context(self._begin(table, "csv").open("w", encoding="utf-8-sig", newline=""))
        file = _TableFile(table, parquet=self._begin(table, "parquet"), text=text)
        self._open.callback(file.close)
        return file

    def _begin(self, table: Table, suffix: str) -> Path:
        self._paths.append(self._out / f"{table.name}.{suffix}")
        return _partial(self._paths[-1])

    def _replace(self) -> None:
        for path in self._paths:
            sync(_partial(path))
        for path in self._paths:
            _partial(path).replace(path)
        sync(self._out)


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


class _TableFile:
    """One table on its way to disk."""

    def __init__(self, table: Table, *, parquet: Path, text: TextIO | None) -> None:
        self._table = table
        self._schema = schema(table)
        self._rows: list[Row] = []
        self._parquet = pq.ParquetWriter(parquet, self._schema, compression="zstd")
        self._csv = csv.writer(text) if text is not None else None
        if self._csv is not None:
            self._csv.writerow(table.names)

    def add(self, row: Row) -> None:
        """Take a row; columns that it leaves out are empty."""
        self._rows.append(row)
        if len(self._rows) >= ROWS_AT_A_TIME:
            self._write()

    def extend(self, rows: Iterable[Row]) -> None:
        """Take rows."""
        for row in rows:
            self.add(row)

    def close(self) -> None:
        """Write what is left."""
        try:
            if self._rows:
                self._write()
        finally:
            self._rows.clear()
            self._parquet.close()

    def _write(self) -> None:
        self._parquet.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        if self._csv is not None:
            self._csv.writerows([cell(row.get(name)) for name in self._table.names] for row in self._rows)
        self._rows.clear()


def cell(value: Any) -> Any:
    """Return a value as a spreadsheet reads it; a text that would be taken for a formula gets an apostrophe."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return value

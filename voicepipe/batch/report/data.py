"""Reads a run's tables and arranges them as the report's page wants them: an index of all calls, details in chunks."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from voicepipe.batch.columns import CALLS, ENOUGH_CALLS, EPISODES, ERRORS, IN_PART, UTTERANCES, Table
from voicepipe.batch.report.listen import Reason, weigh
from voicepipe.batch.report.recordings import locate
from voicepipe.stress.levels import HIGH_STRESS, RAISED_STRESS
from voicepipe.types import Channel, ConfigError

CHUNK_CALLS = 40
CHUNK_UTTERANCES = 4_000
"""Most calls, and most utterances where it is more than one call, whose details are packed together: a few hundred
kilobytes, unpacked within milliseconds."""
SPARK_BARS = 14
PLACES = 4
"""Digits after the point of what the page gets, as many as the tables have: it rounds to what it shows, once."""

Columns = dict[str, list[Any]]

_INDEX = (
    *("call_id", "path", "agent", "queue", "language", "roles", "error"),
    *("duration_s", "coverage", "alert", "episodes", "human_request_quote"),
    *("stress_peak", "stress_start", "stress_end", "stress_shift"),
    *("agent_talk_ratio", "agent_interruptions", "agent_latency_median_s", "agent_silence_s"),
    *("warmth", "warmth_greeting", "warmth_name_use", "warmth_empathy", "warmth_acknowledgement"),
    *("warmth_patience", "warmth_ownership", "warmth_closing"),
    *("csi", "csi_low", "csi_high", "ces", "ces_low", "ces_high", "survey_csi", "survey_ces"),
)
"""Columns of the calls that the page filters, charts and lists by."""

_MEASURES = (
    *("agent_talk_ratio", "overlap_s", "silence_s", "agent_silence_s", "hold_s"),
    *("agent_interruptions", "caller_interruptions", "agent_latency_median_s", "caller_latency_median_s"),
    *("agent_longest_turn_s", "agent_monologues", "agent_rate_per_min", "caller_rate_per_min"),
    *("stress_start", "stress_middle", "stress_end", "stress_after_agent", "frustration_peak", "coverage"),
)
"""Columns that a call's own page lists."""

_HANDOFF = ("wants", "tried", "promises", "amounts", "open_question")
"""Columns of quotes that make up the handoff, in the order in which it is read."""

_WEIGHED = ("episode_peak", "frustration_peak")
"""Columns that are weighed for the list of calls worth a listen, but not shown there."""

_MOMENTS = ("first_opened_s", "first_human_request_s", "stress_peak_s")
"""Where one listens first: the first of them that is known."""

_SIDES = {Channel.CALLER: 0, Channel.AGENT: 1, Channel.MIXED: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The tables of a run, as they lie; read by `read_tables`."""

    out: Path
    calls: pa.Table
    utterances: pa.Table
    episodes: pa.Table
    errors: pa.Table
    run: Mapping[str, Any]
    surveys: Mapping[str, Any] | None


def read_tables(out: Path) -> Tables:
    """Read the tables of a run.

    Raises
    ------
    ConfigError
        If the folder holds no results, or a table cannot be read.
    """
    if not (out / "calls.parquet").is_file():
        raise ConfigError(
            f"{out} holds no calls.parquet; score recordings into it first: voicepipe score RECORDINGS --out {out}"
        )
    return Tables(
        out=out,
        calls=_read(out, CALLS),
        utterances=_read(out, UTTERANCES),
        episodes=_read(out, EPISODES),
        errors=_read(out, ERRORS),
        run=_read_json(out / "run.json") or {},
        surveys=_read_json(out / "surveys.json"),
    )


def _read(out: Path, table: Table) -> pa.Table:
    path = out / f"{table.name}.parquet"
    try:
        read = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise ConfigError(f"{path} cannot be read ({error}); score the recordings again.") from error
    if missing := sorted(set(table.names) - set(read.column_names)):
        raise ConfigError(
            f"{path} was written by another version of voicepipe: it has no {', '.join(missing[:3])}; "
            "score the recordings again."
        )
    return read


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read ({error}); score the recordings again.") from error
    if not isinstance(read, dict):
        raise ConfigError(f"{path} does not hold what a run writes there; score the recordings again.")
    return read


class ReportData:
    """What the page shows.

    Parameters
    ----------
    tables : Tables
    report : Path
        The file that is written; recordings are addressed from its folder.
    audio_root : Path or None
        Folder in which the recordings lie now.
    """

    def __init__(self, tables: Tables, *, report: Path, audio_root: Path | None = None) -> None:
        self._tables = tables
        self._n: int = tables.calls.num_rows
        self._row = {call_id: row for row, call_id in enumerate(tables.calls["call_id"].to_pylist())}
        self._utterances, self._starts = self._sorted()
        self._episodes = self._episodes_by_call()
        self.calls = self._index(report, audio_root)

    @cached_property
    def chunks(self) -> list[int]:
        """First call of each chunk of details, and the number of calls at the end."""
        firsts = [0] if self._n else []
        for call in range(1, self._n):
            utterances = int(self._starts[call + 1] - self._starts[firsts[-1]])
            if call - firsts[-1] >= CHUNK_CALLS or utterances > CHUNK_UTTERANCES:
                firsts.append(call)
        return [*firsts, self._n]

    def index(self) -> dict[str, Any]:
        """Return what the page reads at once."""
        return {"meta": self._meta(), "calls": self.calls, **self._errors()}

    def details(self, chunk: int) -> list[dict[str, Any]]:
        """Return the details of the calls of one chunk, in the order of the index."""
        first, last = self.chunks[chunk], self.chunks[chunk + 1]
        base = int(self._starts[first])
        lines = list(_lines(self._utterances.slice(base, int(self._starts[last]) - base)))
        own = self._measures.slice(first, last - first).to_pylist()
        return [
            {
                "u": lines[int(self._starts[call]) - base : int(self._starts[call + 1]) - base],
                "e": self._episodes.get(call, []),
                "w": _parsed(measures.pop("warmth_quotes")),
                "h": _handoff({name: _parsed(measures.pop(name)) for name in _HANDOFF}),
                "m": {name: value for name, value in measures.items() if value is not None},
            }
            for call, measures in zip(range(first, last), own, strict=True)
        ]

    @cached_property
    def _measures(self) -> pa.Table:
        return _plain(self._tables.calls.select([*_MEASURES, "warmth_quotes", *_HANDOFF]))

    def _sorted(self) -> tuple[pa.Table, npt.NDArray[np.int64]]:
        """Return the utterances by call, then by time, and where each call's begin; those of no call are left out."""
        utterances = _plain(self._tables.utterances)
        codes = _codes(utterances["call_id"], self._row)
        order = np.lexsort((_floats(utterances["start_s"]), codes))
        order = order[codes[order] >= 0]
        return utterances.take(pa.array(order)), np.searchsorted(codes[order], np.arange(self._n + 1)).astype(np.int64)

    def _episodes_by_call(self) -> dict[int, list[dict[str, Any]]]:
        found: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
        for episode in _plain(self._tables.episodes).to_pylist():
            call = self._row.get(episode["call_id"])
            if call is not None:
                found[call].append(
                    {
                        **{name: episode[name] for name in ("opened_s", "closed_s", "at_s", "peak", "mean", "quote")},
                        "reasons": _split(episode["reasons"]),
                        "stressed_s": episode["stressed_speech_s"],
                        "budget": episode["false_alarms_per_100_call_hours"],
                        "utterances": [int(index) for index in _split(episode["utterances"])],
                    }
                )
        for episodes in found.values():
            episodes.sort(key=lambda episode: float(episode["at_s"]))
        return dict(found)

    def _index(self, report: Path, audio_root: Path | None) -> Columns:
        table = _plain(self._tables.calls)
        calls: Columns = {name: table[name].to_pylist() for name in _INDEX}
        calls["start"] = [
            None if at is None else int(at.timestamp()) for at in self._tables.calls["started_at"].to_pylist()
        ]
        calls["audio"] = locate(calls["path"], report=report, audio_root=audio_root)
        calls["moment"] = [
            next((at_s for at_s in moments if at_s is not None), None)
            for moments in zip(*(table[name].to_pylist() for name in _MOMENTS), strict=True)
        ]
        calls["spark"], calls["human"], words = self._heard(calls["duration_s"])
        extra = {name: table[name].to_pylist() for name in _WEIGHED}
        weighed = [self._weigh(call, {**calls, **extra, "frustration_words": words}) for call in range(self._n)]
        calls["rank"] = [rank for rank, _ in weighed]
        calls["why"] = [reasons for _, reasons in weighed]
        return calls

    def _weigh(self, call: int, columns: Mapping[str, Sequence[Any]]) -> tuple[float, list[Reason]]:
        persisted = [one for one in self._episodes.get(call, []) if "stress_persisted" in one["reasons"]]
        facts = {name: values[call] for name, values in columns.items()}
        facts["persisted"] = len(persisted)
        facts["stressed_speech_s"] = sum(one["stressed_s"] or 0.0 for one in persisted)
        return weigh(facts)

    def _heard(self, durations: Sequence[float | None]) -> tuple[list[str], list[str | None], list[str | None]]:
        """Return for each call its spark, the kind of its first request for a person, its most frustrated words."""
        stress = _floats(self._utterances["stress"])
        middle = (_floats(self._utterances["start_s"]) + _floats(self._utterances["end_s"])) / 2
        frustration = np.nan_to_num(_floats(self._utterances["frustration"]), nan=-1.0)
        kinds = self._utterances["human_request"].to_pylist()
        words = self._utterances["frustration_words"].to_pylist()
        sparks: list[str] = []
        humans: list[str | None] = []
        frustrated: list[str | None] = []
        for call in range(self._n):
            first, last = int(self._starts[call]), int(self._starts[call + 1])
            sparks.append(_spark(stress[first:last], middle[first:last], durations[call] or 0.0))
            humans.append(next(filter(None, kinds[first:last]), None))
            frustrated.append(words[first + int(np.argmax(frustration[first:last]))] if last > first else None)
        return sparks, humans, frustrated

    def _meta(self) -> dict[str, Any]:
        calls = self._tables.calls
        return {
            "title": self._tables.out.resolve().name,
            "high": HIGH_STRESS,
            "raised": RAISED_STRESS,
            "few": ENOUGH_CALLS,
            "chunks": self.chunks,
            "fits": _fits(self._tables.surveys),
            "fit_notes": list((self._tables.surveys or {}).get("notes", ())),
            "origin": {
                "folder": self._tables.out.resolve().name,
                "scored": self._tables.run.get("ended_at"),
                **origin(calls),
            },
        }

    def _errors(self) -> dict[str, list[list[str]]]:
        """Return path and reason of each recording that could not be scored, and of each that was scored in part."""
        told: dict[str, list[list[str]]] = {"errors": [], "in_part": []}
        for row in self._tables.errors.to_pylist():
            told["in_part" if row["stage"] in IN_PART else "errors"].append([row["path"], row["error"]])
        return told


def origin(calls: pa.Table) -> dict[str, str]:
    """Return what produced the calls: each version and model, all of them where a run had several."""
    return {
        name: ", ".join(sorted(str(value) for value in pc.unique(calls[name]).to_pylist() if value is not None))
        for name in ("voicepipe", "stress_model", "transcriber", "config")
    }


def _plain(table: pa.Table) -> pa.Table:
    """Round numbers to `PLACES`, and make what is not a number null: JSON has no word for it."""
    for place, field in enumerate(table.schema):
        if pa.types.is_floating(field.type):
            column = table.column(place)
            finite = pc.if_else(pc.is_finite(column), column, pa.scalar(None, field.type))
            table = table.set_column(place, field.name, pc.round(finite, PLACES))
    return table


def _codes(ids: pa.ChunkedArray, rows: Mapping[str, int]) -> npt.NDArray[np.int64]:
    """Return the row of each utterance's call, -1 where there is none."""
    encoded = ids.combine_chunks().dictionary_encode()
    codes = np.asarray([rows.get(call_id, -1) for call_id in encoded.dictionary.to_pylist()] or [-1], np.int64)
    at: npt.NDArray[np.int64] = np.asarray(encoded.indices.fill_null(0).to_numpy(zero_copy_only=False), np.int64)
    return codes[at]


def _floats(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)


_LINE = (
    *("channel", "start_s", "end_s", "text", "language", "stress", "reasons", "frustration"),
    *("human_request", "human_request_quote", "index"),
)


def _lines(utterances: pa.Table) -> Iterator[list[Any]]:
    """Yield each utterance as the page reads it, in the order of `_LINE`; most of what is absent is 0, the shortest."""
    for row in zip(*(utterances[name].to_pylist() for name in _LINE), strict=True):
        channel, start_s, end_s, text, language, stress, reasons, frustration, human, quote, index = row
        told = _split(reasons, ";") or 0
        side = _SIDES[Channel(channel)]
        yield [side, start_s, end_s, text, language or 0, stress, told, frustration, human or 0, quote or 0, index]


def _spark(stress: npt.NDArray[np.float64], at_s: npt.NDArray[np.float64], duration_s: float) -> str:
    """Return the highest stress of each of equal parts of a call in tenths, ``-`` where nothing was scored."""
    scored = np.isfinite(stress)
    length_s = max(duration_s, float(at_s.max(initial=0.0)), 1e-9)
    bars = np.minimum((at_s[scored] / length_s * SPARK_BARS).astype(int), SPARK_BARS - 1)
    highest = np.full(SPARK_BARS, -1.0)
    np.maximum.at(highest, bars, stress[scored])
    return "".join("-" if value < 0 else str(min(9, int(value * 10))) for value in highest)


def _split(text: str | None, separator: str = ",") -> list[str]:
    return [part.strip() for part in text.split(separator) if part.strip()] if text else []


def _parsed(text: str | None) -> list[Any]:
    return list(json.loads(text)) if text else []


def _handoff(quotes: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, list[list[Any]]] | None:
    """Return text and offset of the quotes of each part of the handoff; None where there are none."""
    told = {name: [[quote["text"], quote["start_s"]] for quote in said] for name, said in quotes.items() if said}
    return told or None


def _fits(surveys: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return for each index how the estimate stands against the survey, as the page draws it."""
    fits = {}
    for name in ("csi", "ces"):
        if fit := (surveys or {}).get(name):
            fits[name] = {
                "n": fit["n"],
                "text": fit["text"],
                "pairs": [[pair["call_id"], pair["answer"], pair["estimate"]] for pair in fit["pairs"]],
            }
    return fits

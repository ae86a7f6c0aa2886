"""What differs between two runs over the same recordings: decisions that flipped, scores that moved, settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voicepipe.batch.report.data import PLACES, Tables, origin
from voicepipe.stress.levels import HIGH_STRESS, RAISED_STRESS

_COLUMNS = ("call_id", "path", "agent", "queue", "stress_peak", "alert", "human_requests")


def compare(a: Tables, b: Tables) -> dict[str, Any]:
    """Match the calls of two runs and tell them apart.

    Calls are matched by their id; those that find no partner so, by the file name of their recording, where it is
    the only one of its name in both runs.

    Returns
    -------
    dict
        ``meta`` (names, settings that differ, calls in one run only) and ``pairs`` (columns, one row a matched call).
    """
    rows_a, rows_b = _rows(a), _rows(b)
    matches = _match(rows_a, rows_b)
    pairs: dict[str, list[Any]] = {
        name: []
        for name in ("call_id", "a_id", "b_id", "agent", "queue", "a_peak", "b_peak", "a_alert", "b_alert", "kinds")
    }
    for id_a, id_b in matches.items():
        before, after = rows_a[id_a], rows_b[id_b]
        pairs["call_id"].append(id_a)
        pairs["a_id"].append(id_a)
        pairs["b_id"].append(id_b)
        pairs["agent"].append(after["agent"] or before["agent"])
        pairs["queue"].append(after["queue"] or before["queue"])
        pairs["a_peak"].append(_rounded(before["stress_peak"]))
        pairs["b_peak"].append(_rounded(after["stress_peak"]))
        pairs["a_alert"].append(bool(before["alert"]))
        pairs["b_alert"].append(bool(after["alert"]))
        pairs["kinds"].append(list(flips(before, after)))
    matched_b = set(matches.values())
    meta = {
        "high": HIGH_STRESS,
        "raised": RAISED_STRESS,
        "a": {"name": a.out.resolve().name},
        "b": {"name": b.out.resolve().name},
        "differs": differences(a, b),
        "only_a": [call_id for call_id in rows_a if call_id not in matches],
        "only_b": [call_id for call_id in rows_b if call_id not in matched_b],
    }
    return {"meta": meta, "pairs": pairs}


def flips(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the decisions of a call that are not the same in both runs."""
    kinds = []
    if bool(before["alert"]) != bool(after["alert"]):
        kinds.append("alert_appeared" if after["alert"] else "alert_gone")
    if bool(before["human_requests"]) != bool(after["human_requests"]):
        kinds.append("human_appeared" if after["human_requests"] else "human_gone")
    return tuple(kinds)


def differences(a: Tables, b: Tables) -> list[list[str]]:
    """List the versions, models and settings that differ: name, in A, in B."""
    facts = [{**origin(tables.calls), **_flat(tables.run)} for tables in (a, b)]
    return [
        [name, facts[0].get(name, "–"), facts[1].get(name, "–")]
        for name in sorted(facts[0].keys() | facts[1].keys())
        if facts[0].get(name) != facts[1].get(name)
    ]


def _flat(run: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings and models of a run by dotted names."""
    found: dict[str, str] = {}

    def walk(name: str, value: object) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                walk(f"{name}.{key}" if name else str(key), inner)
        else:
            found[name] = str(value)

    for part in ("facts", "settings", "models"):
        walk("", run.get(part) or {})
    return found


def _rows(tables: Tables) -> dict[str, dict[str, Any]]:
    return {row["call_id"]: row for row in tables.calls.select(list(_COLUMNS)).to_pylist()}


def _match(a: Mapping[str, Mapping[str, Any]], b: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    matches = {call_id: call_id for call_id in a if call_id in b}
    names_a = _by_name({call_id: row for call_id, row in a.items() if call_id not in matches})
    names_b = _by_name({call_id: row for call_id, row in b.items() if call_id not in matches})
    matches.update({call_id: names_b[name] for name, call_id in names_a.items() if name in names_b})
    return matches


def _by_name(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the calls by the file name of their recording, without the names that several have."""
    found: dict[str, str | None] = {}
    for call_id, row in rows.items():
        name = Path(row["path"]).name
        found[name] = None if name in found else call_id
    return {name: call_id for name, call_id in found.items() if call_id is not None}


def _rounded(value: float | None) -> float | None:
    return None if value is None or value != value else round(value, PLACES)

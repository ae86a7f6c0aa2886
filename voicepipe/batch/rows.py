"""A call's lines as rows of the tables; the columns are declared in `voicepipe.batch.columns`."""

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from voicepipe.batch.columns import OWN_PREFIX
from voicepipe.batch.lines import REQUEST_LANGUAGES, Line
from voicepipe.conversation.wording import count_words
from voicepipe.types import Channel

Row = dict[str, Any]

_SEPARATOR = "; "


def call_row(call: Line, told: Sequence[Line], measured: Row) -> Row:
    """Return the row of a call.

    Parameters
    ----------
    call : Line
        The call's own line.
    told : sequence of Line
        Its other lines.
    measured : Row
        Columns that tell of its conversation (`voicepipe.batch.measured.measured_columns`).
    """
    row: Row = {
        name: call.get(name)
        for name in (
            *(
                "call_id",
                "path",
                "agent",
                "queue",
                "language",
                "roles",
                "consent",
                "consent_basis",
                "duration_s",
                "speech_s",
            ),
            *("coverage", "error", "stress_model", "transcriber", "config", "voicepipe"),
        )
    }
    row["started_at"] = datetime.fromisoformat(call["started_at"])
    row["channels"] = ",".join(call["channels"])
    row |= {f"{OWN_PREFIX}{name}": value for name, value in call["own"].items()}
    utterances = [line for line in told if line["type"] == "utterance"]
    row |= _alerts(told) | _words(utterances, languages=call.get(REQUEST_LANGUAGES))
    row["agent_utterances"] = sum(line["channel"] == "agent" for line in utterances)
    row["caller_utterances"] = len(utterances) - row["agent_utterances"]
    peak = max(
        (line for line in utterances if line["stress"] is not None), key=lambda line: line["stress"], default=None
    )
    row["stress_peak_s"] = peak["start_s"] if peak else None
    return row | measured


def utterance_row(line: Line, call: Line) -> Row:
    """Return the row of an utterance."""
    row: Row = {
        name: line[name]
        for name in (
            *("call_id", "channel", "index", "start_s", "end_s", "speech_s", "text", "language", "rejected"),
            *("stress", "arousal", "valence", "confidence", "baseline_ready"),
        )
    }
    row |= {"agent": call["agent"], "queue": call["queue"]}
    if emotions := line["emotions"]:
        row["emotion"] = max(emotions, key=emotions.__getitem__)
        row["emotion_prob"] = emotions[row["emotion"]]
        row["emotions"] = _json(emotions)
    if (features := line["top_features"]) is not None:
        row["top_features"] = _json(features)
        row["reasons"] = _SEPARATOR.join(feature["text"] for feature in features if feature["text"])
    if frustration := line["frustration"]:
        row["frustration"] = frustration["prob"]
        row["frustration_words"] = ", ".join(frustration["words"])
    if request := line["human_request"]:
        row["human_request"], row["human_request_rule"] = request["kind"], request["rule"]
        row["human_request_quote"] = request["quote"]
    row["redactions"] = ",".join(line["redactions"]) if line["redactions"] is not None else None
    return row


def episode_rows(told: Sequence[Line], call: Line) -> Iterable[Row]:
    """Yield the rows of a call's episodes: each as it opened, with the end and the figures that it closed with."""
    closed = {line["index"]: line for line in _of(told, "episode", state="closed")}
    urgency = {line["episode"]: line["urgency"] for line in _of(told, "reroute", kind="requested")}
    for line in _of(told, "episode", state="opened"):
        end = closed.get(line["index"], line)
        carried = [
            said
            for said in _of(told, "utterance", channel=line["channel"])
            if said["index"] in line["utterances"] and said["stress"] is not None
        ]
        loudest = max(carried, key=lambda said: said["stress"], default=None)
        yield {
            name: line[name]
            for name in (
                *(
                    "call_id",
                    "channel",
                    "index",
                    "opened_s",
                    "at_s",
                    "stressed_speech_s",
                    "log_e",
                    "log_e_voice",
                    "log_e_words",
                ),
                *("log_e_threshold", "false_alarms_per_100_call_hours"),
            )
        } | {
            "agent": call["agent"],
            "queue": call["queue"],
            "closed_s": end["closed_s"],
            "closed_by": end["closed_by"],
            "duration_s": None if end["closed_s"] is None else round(end["closed_s"] - line["opened_s"], 3),
            "peak": end["peak"],
            "mean": end["mean"],
            "reasons": ",".join(line["reasons"]),
            "urgency": urgency.get(line["index"]),
            "utterances": ",".join(map(str, line["utterances"])),
            "quote": loudest["text"] if loudest else None,
            "quote_s": loudest["start_s"] if loudest else None,
        }


def _of(told: Iterable[Line], kind_: str, **equal: str) -> Iterable[Line]:
    return (line for line in told if line["type"] == kind_ and all(line[key] == is_ for key, is_ in equal.items()))


def _alerts(told: Sequence[Line]) -> Row:
    opened = list(_of(told, "episode", state="opened"))
    closed = list(_of(told, "episode", state="closed"))
    requested = list(_of(told, "reroute", kind="requested"))
    reasons = {reason: None for line in opened for reason in line["reasons"]}
    lengths_s = [line["closed_s"] - line["opened_s"] for line in closed if line["closed_s"] is not None]
    return {
        "alert": bool(requested),
        "episodes": len(opened),
        "episode_s": round(sum(lengths_s), 3) if opened else 0.0,
        "first_alert_s": opened[0]["at_s"] if opened else None,
        "first_opened_s": opened[0]["opened_s"] if opened else None,
        "episode_peak": max((line["peak"] for line in [*opened, *closed] if line["peak"] is not None), default=None),
        "reasons": ",".join(reasons) or None,
        "urgency": max((line["urgency"] for line in requested), key=("normal", "high").index, default=None),
    }


def _words(utterances: Sequence[Line], *, languages: Collection[str] | None) -> Row:
    requests = [line for line in utterances if line["human_request"]]
    frustrations = [line["frustration"]["prob"] for line in utterances if line["frustration"]]
    return {
        "human_requests": len(requests) if requests or _is_read(utterances, languages=languages) else None,
        "first_human_request_s": requests[0]["start_s"] if requests else None,
        "human_request_quote": requests[0]["human_request"]["quote"] if requests else None,
        "frustration_mean": round(sum(frustrations) / len(frustrations), 4) if frustrations else None,
        "frustration_peak": max(frustrations, default=None),
        "redactions": sum(len(line["redactions"] or ()) for line in utterances),
    }


def _is_read(utterances: Sequence[Line], *, languages: Collection[str] | None) -> bool:
    """Tell whether at least half of the caller's words are in these languages; None: it is not known in which."""
    words = {True: 0, False: 0}
    for line in utterances:
        if line["channel"] != Channel.AGENT and line["text"]:
            words[languages is None or line["language"] in languages] += count_words(line["text"])
    return words[True] >= words[False]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)

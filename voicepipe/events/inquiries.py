"""What is asked of the store about the past: one call as it was kept, alerts and their verdicts, scores of callers.

Every question is a function of a connection that reads; `voicepipe.events.store.Store.ask` runs it.
"""

import json
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from voicepipe.events import alert_log, tables
from voicepipe.events.alert_log import Alert
from voicepipe.events.rows import deviations_of
from voicepipe.events.tables import text_of
from voicepipe.stress.calm import CalmKind
from voicepipe.types import (
    Basis,
    Call,
    Channel,
    Frustration,
    HumanRequest,
    Reason,
    Roles,
    ScoredUtterance,
    StressScore,
    Transcript,
)

UNJUDGED = "unjudged"
"""Stands for the absence of a verdict where one is asked for."""

_NOT_LISTENED_TO = (Basis.NONE, Basis.WITHDRAWN, Basis.UNRECOGNISED)
_WITH_EMBEDDING = (CalmKind.EARLY, CalmKind.READY)
_READY = (CalmKind.READY, CalmKind.READY_PROSODY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which alerts or calls are asked for.

    Attributes
    ----------
    queues : collection of str, optional
        Those that the asker may see; None sees all, and alone sees what has no queue.
    since, until : datetime, optional
        Half open: of the alert's request or the call's start.
    queue, language : str, optional
    verdict : str, optional
        ``justified``, ``false_alarm``, ``unsure`` or `UNJUDGED`; for alerts alone.
    """

    queues: Collection[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    queue: str | None = None
    language: str | None = None
    verdict: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRecord:
    """One alert as the figures of quality need it.

    Attributes
    ----------
    event_id, call_id : str
    at : datetime
        When a better human was asked for, UTC.
    queue, language : str, optional
    opened_s, at_s : float
        Offsets in the call: start of the first utterance that carried evidence, and of the decision.
    reasons : tuple of Reason
    verdict : str, optional
        The one that holds: ``justified``, ``false_alarm`` or ``unsure``.
    taken_after_s : float, optional
        From `at` until somebody took it.
    """

    event_id: str
    call_id: str
    at: datetime
    queue: str | None
    language: str | None
    opened_s: float
    at_s: float
    reasons: tuple[Reason, ...]
    verdict: str | None
    taken_after_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerScore:
    """One score of a caller's voice.

    Attributes
    ----------
    caller : str
        Pseudonym of the caller; the call's id where there is none.
    kind : CalmKind
    stress : float
        0..1.
    """

    caller: str
    kind: CalmKind
    stress: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptEpisode:
    """An episode as the store keeps it; see `voicepipe.types.Episode`."""

    channel: Channel
    index: int
    opened_s: float
    closed_s: float | None
    peak: float | None
    mean: float | None
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCall:
    """A call as the store keeps it.

    Attributes
    ----------
    call : Call
    language : str, optional
    duration_s : float, optional
        None while it goes on.
    coverage : float, optional
        0..1.
    reason : str, optional
        Why it ended.
    utterances : tuple of ScoredUtterance
        In order of time. `decided_s` is the end; of the score, arousal and valence are NaN and emotions empty, of a
        request and of frustration the words are not kept.
    episodes : tuple of KeptEpisode
    """

    call: Call
    language: str | None
    duration_s: float | None
    coverage: float | None
    reason: str | None
    utterances: tuple[ScoredUtterance, ...]
    episodes: tuple[KeptEpisode, ...]


def queue_of_call(connection: Connection, call_id: str) -> tuple[str | None] | None:
    """Return the queue of a call, in a tuple as it may have none; None where the call is not known."""
    calls = tables.calls
    row = connection.execute(sa.select(calls.c.queue).where(calls.c.call_id == call_id)).one_or_none()
    return None if row is None else (row[0],)


def unended_calls(connection: Connection, *, before: datetime) -> tuple[str, ...]:
    """Return the live calls that began before a time and have no end, oldest first; recordings are not among them."""
    calls = tables.calls.c
    query = sa.select(calls.call_id).where(calls.duration_s.is_(None), calls.gateway != "file")
    older = query.where(calls.started_at < text_of(before)).order_by(calls.started_at)
    return tuple(connection.execute(older).scalars())


def kept_call(connection: Connection, call_id: str) -> KeptCall | None:
    """Return all that is kept of a call; None where it is not known."""
    calls, utterances, episodes = tables.calls, tables.utterances, tables.episodes
    row = connection.execute(sa.select(calls).where(calls.c.call_id == call_id)).mappings().one_or_none()
    if row is None:
        return None
    said = sa.select(utterances).where(utterances.c.call_id == call_id).order_by(utterances.c.start_s)
    heard = tuple(_utterance(one) for one in connection.execute(said).mappings())
    stressed = sa.select(episodes).where(episodes.c.call_id == call_id).order_by(episodes.c.opened_s)
    return KeptCall(
        call=Call(
            call_id=call_id,
            started_at=datetime.fromisoformat(row["started_at"]),
            gateway=row["gateway"],
            channels=_channels(row["channels"], heard),
            roles=Roles(row["roles"]),
            agent_id=row["agent_id"],
            queue=row["queue"],
            language=row["language"],
            consent=row["consent"],
            caller_id=row["caller_id"],
            basis=None if row["basis"] is None else Basis(row["basis"]),
        ),
        language=row["language"],
        duration_s=row["duration_s"],
        coverage=row["coverage"],
        reason=row["reason"],
        utterances=heard,
        episodes=tuple(_episode(one) for one in connection.execute(stressed).mappings()),
    )


def alert_records(connection: Connection, selection: Selection) -> tuple[AlertRecord, ...]:
    """Return the alerts of a selection, oldest first."""
    alerts = tables.alerts
    verdict, take = tables.handling.alias(), tables.handling.alias()
    query = (
        _selected(selection, verdict)
        .add_columns(
            alerts.c.event_id,
            alerts.c.call_id,
            alerts.c.requested_at,
            alerts.c.queue,
            tables.calls.c.language,
            alerts.c.opened_s,
            alerts.c.at_s,
            alerts.c.reasons,
            verdict.c.value.label("verdict"),
            take.c.at.label("taken_at"),
        )
        .outerjoin(take, (take.c.event_id == alerts.c.event_id) & (take.c.kind == "take"))
        .order_by(alerts.c.requested_at)
    )
    return tuple(_record(row) for row in connection.execute(query).mappings())


def alerts_of(
    connection: Connection, selection: Selection, *, limit: int, offset: int = 0
) -> tuple[tuple[Alert, ...], int]:
    """Return a page of the alerts of a selection, newest first, and how many there are in all."""
    alerts, verdict = tables.alerts, tables.handling.alias()
    chosen = _selected(selection, verdict)
    total = connection.execute(chosen.add_columns(sa.func.count())).scalar_one()
    page = chosen.add_columns(alerts.c.event_id).order_by(alerts.c.requested_at.desc(), alerts.c.event_id.desc())
    ids = list(connection.execute(page.limit(limit).offset(offset)).scalars())
    return alert_log.read(connection, event_ids=ids, limit=limit), int(total)


def places(connection: Connection, *, queues: Collection[str] | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the queues and the languages of the calls with alerts, by name; those that the asker may see."""
    alerts, calls = tables.alerts, tables.calls
    seen = sa.select(alerts.c.queue, calls.c.language).distinct().select_from(_with_calls())
    if queues is not None:
        seen = seen.where(alerts.c.queue.in_(queues))
    rows = connection.execute(seen).all()
    return tuple(sorted({queue for queue, _ in rows if queue})), tuple(sorted({one for _, one in rows if one}))


def call_hours(connection: Connection, selection: Selection) -> float:
    """Return the hours of the ended calls of a selection that were listened to for stress."""
    calls = tables.calls
    allowed = calls.c.basis.is_(None) | calls.c.basis.not_in([basis.value for basis in _NOT_LISTENED_TO])
    query = sa.select(sa.func.coalesce(sa.func.sum(calls.c.duration_s), 0.0)).where(allowed, *_of_calls(selection))
    return float(connection.execute(query).scalar_one()) / 3600.0


def caller_scores(
    connection: Connection, selection: Selection, *, model_id: str, calls: int = 500
) -> tuple[CallerScore, ...]:
    """Return what callers scored in a sample of calls, evenly spread over the selection.

    Parameters
    ----------
    connection : Connection
    selection : Selection
    model_id : str
        Scores of other models are left out.
    calls : int
        Most calls that are looked at.
    """
    table, said = tables.calls, tables.utterances
    total = connection.execute(sa.select(sa.func.count()).select_from(table).where(*_of_calls(selection))).scalar_one()
    place = sa.func.row_number().over(order_by=(table.c.started_at, table.c.call_id)).label("place")
    numbered = sa.select(table.c.call_id, table.c.caller_id, place).where(*_of_calls(selection)).subquery()
    every = max(1, math.ceil(total / calls))
    sample = sa.select(numbered.c.call_id, numbered.c.caller_id).where(numbered.c.place % every == 0)
    callers = {call_id: caller_id or call_id for call_id, caller_id in connection.execute(sample).all()}
    scored = sa.select(said.c.call_id, said.c.calm_kind, said.c.stress).where(
        said.c.call_id.in_(list(callers)),
        said.c.channel != Channel.AGENT.value,
        said.c.model_id == model_id,
        said.c.stress.is_not(None),
        said.c.calm_kind.is_not(None),
    )
    return tuple(
        CallerScore(caller=callers[call_id], kind=CalmKind(kind), stress=stress)
        for call_id, kind, stress in connection.execute(scored)
    )


def _with_calls() -> sa.FromClause:
    return tables.alerts.outerjoin(tables.calls, tables.calls.c.call_id == tables.alerts.c.call_id)


def _selected(selection: Selection, verdict: sa.FromClause) -> sa.Select[tuple[()]]:
    """Return the query of the alerts of a selection, with their calls and their verdicts, without columns."""
    alerts, calls = tables.alerts, tables.calls
    joined = _with_calls().outerjoin(verdict, (verdict.c.event_id == alerts.c.event_id) & (verdict.c.kind == "verdict"))
    query = sa.select().select_from(joined)
    if selection.queues is not None:
        query = query.where(alerts.c.queue.in_(selection.queues))
    if selection.since is not None:
        query = query.where(alerts.c.requested_at >= text_of(selection.since))
    if selection.until is not None:
        query = query.where(alerts.c.requested_at < text_of(selection.until))
    if selection.queue is not None:
        query = query.where(alerts.c.queue == selection.queue)
    if selection.language is not None:
        query = query.where(calls.c.language == selection.language)
    if selection.verdict == UNJUDGED:
        query = query.where(verdict.c.value.is_(None))
    elif selection.verdict is not None:
        query = query.where(verdict.c.value == selection.verdict)
    return query


def _of_calls(selection: Selection) -> Sequence[sa.ColumnElement[bool]]:
    calls = tables.calls
    conditions: list[sa.ColumnElement[bool]] = [calls.c.duration_s.is_not(None)]
    if selection.queues is not None:
        conditions.append(calls.c.queue.in_(selection.queues))
    if selection.since is not None:
        conditions.append(calls.c.started_at >= text_of(selection.since))
    if selection.until is not None:
        conditions.append(calls.c.started_at < text_of(selection.until))
    if selection.queue is not None:
        conditions.append(calls.c.queue == selection.queue)
    if selection.language is not None:
        conditions.append(calls.c.language == selection.language)
    return conditions


def _record(row: RowMapping) -> AlertRecord:
    at = datetime.fromisoformat(row["requested_at"])
    taken_at = None if row["taken_at"] is None else datetime.fromisoformat(row["taken_at"])
    return AlertRecord(
        event_id=row["event_id"],
        call_id=row["call_id"],
        at=at,
        queue=row["queue"],
        language=row["language"],
        opened_s=row["opened_s"],
        at_s=row["at_s"],
        reasons=_reasons(row["reasons"]),
        verdict=row["verdict"],
        taken_after_s=None if taken_at is None else max(0.0, (taken_at - at) / timedelta(seconds=1)),
    )


def _reasons(text: str | None) -> tuple[Reason, ...]:
    return tuple(Reason(one) for one in json.loads(text or "[]"))


def _channels(text: str | None, heard: Sequence[ScoredUtterance]) -> tuple[Channel, ...]:
    """Return the tracks of a call; of one from before schema 4, those that were heard to speak."""
    if text is not None:
        return tuple(Channel(one) for one in json.loads(text))
    return tuple(channel for channel in Channel if any(one.channel is channel for one in heard))


def _utterance(row: RowMapping) -> ScoredUtterance:
    kind = None if row["calm_kind"] is None else CalmKind(row["calm_kind"])
    score = (
        StressScore(
            stress=row["stress"],
            arousal=math.nan,
            valence=math.nan,
            emotions={},
            confidence=row["confidence"],
            model_id=row["model_id"] or "",
            baseline_ready=kind in _READY,
            top_features=deviations_of(row["deviations"]),
            with_embedding=kind is None or kind in _WITH_EMBEDDING,
        )
        if row["stress"] is not None
        else None
    )
    return ScoredUtterance(
        call_id=row["call_id"],
        channel=Channel(row["channel"]),
        index=row["index"],
        start_s=row["start_s"],
        end_s=row["end_s"],
        decided_s=row["end_s"],
        speech_s=row["end_s"] - row["start_s"] if row["speech_s"] is None else row["speech_s"],
        transcript=None if row["text"] is None else Transcript(text=row["text"], language=row["language"] or ""),
        score=score,
        human_request=None
        if row["human_request"] is None
        else HumanRequest(kind=row["human_request"], rule="", quote=""),
        frustration=None
        if row["frustrated_prob"] is None
        else Frustration(prob=row["frustrated_prob"], words=(), model_id=""),
    )


def _episode(row: RowMapping) -> KeptEpisode:
    return KeptEpisode(
        channel=Channel(row["channel"]),
        index=row["index"],
        opened_s=row["opened_s"],
        closed_s=row["closed_s"],
        peak=row["peak"],
        mean=row["mean"],
        reasons=_reasons(row["reasons"]),
    )

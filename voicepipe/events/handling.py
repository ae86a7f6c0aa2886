"""Who takes care of an alert, and who judges it: of several people who want to, the first does, until it is given back.

The key of the table decides, within the transaction that also sends the answer, so there is one winner on every
database and among all nodes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from voicepipe.events import tables
from voicepipe.events.feedback import Feedback
from voicepipe.events.outbox import insert
from voicepipe.events.tables import text_of
from voicepipe.types import VoicepipeError

Kind = Literal["take", "verdict"]


class UnknownAlertError(VoicepipeError):
    """An alert that the store does not have, or not any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """Who took an alert, or judged it.

    Attributes
    ----------
    event_id : str
        Of the alert.
    kind : str
        ``take`` or ``verdict``.
    by : str
        Who; empty where the answer that came back named nobody.
    at : datetime
        UTC.
    value : str, optional
        The verdict: ``justified``, ``false_alarm`` or ``unsure``.
    won : bool
        To who asked: whether it is theirs. False where somebody else was first; `by` and `at` then say who and when.
    """

    event_id: str
    kind: Kind
    by: str
    at: datetime
    value: str | None = None
    won: bool = True


def claim(
    connection: Connection, *, event_id: str, call_id: str, kind: Kind, by: str, at: datetime, value: str | None = None
) -> tuple[Handling, bool]:
    """Take or judge an alert, unless somebody else did; who judged may change the verdict.

    Returns
    -------
    handling : Handling
        What holds now.
    changed : bool
        Whether this made it so; False also where the same person says the same again.
    """
    table = tables.handling
    new = insert(connection, table)
    again = new.on_conflict_do_update(
        index_elements=[table.c.event_id, table.c.kind],
        set_={"value": new.excluded.value, "at": new.excluded.at},
        where=sa.and_(
            table.c.by == new.excluded.by, table.c.value != new.excluded.value, table.c.at <= new.excluded.at
        ),
    )
    row = {"event_id": event_id, "kind": kind, "call_id": call_id, "by": by, "at": text_of(at), "value": value}
    changed = connection.execute(again.values(**row).returning(table.c.event_id)).one_or_none() is not None
    holds = of_alerts(connection, [event_id], asked_by=by)[event_id, kind]
    return holds, changed


def release(
    connection: Connection, *, event_id: str, by: str, at: datetime, anybodys: bool = False
) -> tuple[Handling, bool]:
    """Give back an alert that was taken: by whom it was, or, with `anybodys`, whoever it was.

    Returns
    -------
    handling : Handling
        That nobody holds it now, said by `by`; where somebody else does, who, with `won` false.
    changed : bool
        Whether this made it so; False also where nobody had taken it.
    """
    taken = _give_back(event_id)
    changed = connection.execute(taken if anybodys else taken.where(tables.handling.c.by == by)).rowcount > 0
    holds = of_alerts(connection, [event_id]).get((event_id, "take"))
    if holds is not None:
        return replace(holds, won=False), changed
    return Handling(event_id=event_id, kind="take", by=by, at=at), changed


def heed(connection: Connection, feedback: Feedback) -> None:
    """Let an answer that came back count like one that was given in the console."""
    common: dict[str, Any] = {
        "event_id": str(feedback.event_id),
        "call_id": feedback.call_id,
        "by": feedback.given_by or "",
        "at": feedback.given_at,
    }
    if feedback.outcome == "taken":
        claim(connection, kind="take", **common)
    if feedback.outcome == "released":
        # Who writes to the topic answers for what is given back; but a later take stands.
        taken = _give_back(common["event_id"])
        connection.execute(taken.where(tables.handling.c.at <= text_of(feedback.given_at)))
    if feedback.verdict is not None:
        claim(connection, kind="verdict", value=feedback.verdict, **common)


def _give_back(event_id: str) -> sa.Delete:
    table = tables.handling
    return table.delete().where(table.c.event_id == event_id, table.c.kind == "take")


def of_alerts(
    connection: Connection, event_ids: Sequence[str], *, asked_by: str | None = None
) -> Mapping[tuple[str, Kind], Handling]:
    """Return who took and who judged some alerts: ``(event_id, kind)`` to handling."""
    table = tables.handling
    rows = connection.execute(sa.select(table).where(table.c.event_id.in_(event_ids))).mappings()
    return {
        (row["event_id"], row["kind"]): Handling(
            event_id=row["event_id"],
            kind=row["kind"],
            by=row["by"],
            at=datetime.fromisoformat(row["at"]),
            value=row["value"],
            won=asked_by is None or row["by"] == asked_by,
        )
        for row in rows
    }

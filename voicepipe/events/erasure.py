"""Erasure: removes what is kept of a call, and tells those who got its events that they are to forget them.

Kafka keeps what it was sent. For each topic a *tombstone* goes out under the call's key: a record without a body. On a
topic with ``cleanup.policy=compact`` (or ``compact,delete``) it makes the broker drop the earlier records of that key;
on one with ``delete`` alone they stay until the topic's retention ends. Either way it tells consumers to delete their
copies. Compaction also keeps no more than the latest event of every other call, so it is the operator's choice.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from voicepipe.events import tables
from voicepipe.events.calls import CALLS_TOPIC
from voicepipe.events.envelope import SPEC_VERSION, Message, event_id, rfc3339
from voicepipe.events.feedback import FEEDBACK_TOPIC
from voicepipe.events.reroute import REROUTE_TOPIC
from voicepipe.events.tables import PENDING, has_body, is_pending, text_of
from voicepipe.types import Erasure

TOMBSTONE_TYPE = "voicepipe.erased.v1"
"""CloudEvents type of a tombstone."""

_TOPICS: Mapping[Erasure, tuple[str, ...]] = {
    Erasure.NOTHING: (),
    Erasure.ACOUSTICS: (REROUTE_TOPIC, FEEDBACK_TOPIC),
    Erasure.EVERYTHING: (REROUTE_TOPIC, CALLS_TOPIC, FEEDBACK_TOPIC),
}

_FROM_THE_VOICE = ("stress", "confidence", "deviations", "frustrated_prob", "calm_kind", "model_id")
_FROM_THE_WORDS = ("text", "human_request")


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """How much was removed.

    Attributes
    ----------
    calls, utterances, episodes, feedback, dead_letters : int
        Rows; of utterances also those of which a part was removed.
    events : int
        Copies of events that left, and events that waited to leave.
    unsent : int
        Those among them that had not left, and never will.
    tombstones : int
        Records that go out to say so.
    """

    calls: int = 0
    utterances: int = 0
    episodes: int = 0
    feedback: int = 0
    dead_letters: int = 0
    events: int = 0
    unsent: int = 0
    tombstones: int = 0

    def __add__(self, other: "Erased") -> "Erased":
        return Erased(**{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)})

    def __bool__(self) -> bool:
        return any(asdict(self).values())

    def counts(self) -> dict[str, int]:
        """Return the kinds of which there were any."""
        return {name: count for name, count in asdict(self).items() if count}


def tombstones_of(call_id: str, *, erasure: Erasure, at: datetime) -> tuple[Message, ...]:
    """Return the records without a body that say that a call's events are to be forgotten, one for each topic.

    Parameters
    ----------
    call_id : str
    erasure : Erasure
        ``acoustics`` withdraws the reroutes alone, with what was answered to them.
    at : datetime
        When; a later erasure of the same call has ids of its own.
    """
    moment = rfc3339(at)
    messages = []
    for topic in _TOPICS[erasure]:
        own_id = str(event_id(call_id, "erased", topic, text_of(at)))
        attributes = {
            "ce_specversion": SPEC_VERSION,
            "ce_id": own_id,
            "ce_source": "/voicepipe/erasure",
            "ce_type": TOMBSTONE_TYPE,
            "ce_subject": call_id,
            "ce_time": moment,
        }
        headers = tuple((name, value.encode()) for name, value in attributes.items())
        messages.append(Message(event_id=own_id, topic=topic, key=call_id, headers=headers, body=b""))
    return tuple(messages)


def erase(connection: Connection, call_ids: Sequence[str], *, erasure: Erasure) -> Erased:
    """Remove what is kept of some calls; tombstones stay, as they must leave yet.

    Parameters
    ----------
    connection : Connection
        In a transaction that writes.
    call_ids : sequence of str
        A few hundred at most.
    erasure : Erasure
        ``acoustics`` leaves the calls and their words.
    """
    if erasure is Erasure.NOTHING or not call_ids:
        return Erased()
    everything = erasure is Erasure.EVERYTHING
    if everything:
        calls = _delete(connection, tables.calls, tables.calls.c.call_id.in_(call_ids))
        utterances = _delete(connection, tables.utterances, tables.utterances.c.call_id.in_(call_ids))
    else:
        calls = 0
        utterances = forget_columns(connection, call_ids, columns=_FROM_THE_VOICE)
    gone: sa.ColumnElement[bool] = tables.events.c.key.in_(call_ids) & has_body
    if not everything:
        gone &= tables.events.c.topic.in_(_TOPICS[erasure])
    return Erased(
        calls=calls,
        utterances=utterances,
        episodes=_delete(connection, tables.episodes, tables.episodes.c.call_id.in_(call_ids)),
        feedback=_delete(connection, tables.feedback, tables.feedback.c.call_id.in_(call_ids)),
    ) + erase_events(connection, gone)


def erase_events(connection: Connection, gone: sa.ColumnElement[bool]) -> Erased:
    """Remove events with their places in the outbox and their dead letters, and alerts with who handled them.

    Parameters
    ----------
    connection : Connection
    gone : condition on `tables.events`
    """
    events, rows, letters = tables.events, tables.outbox, tables.dead_letters
    found = connection.execute(sa.select(events.c.seq, events.c.event_id).where(gone)).all()
    seqs, ids = [seq for seq, _ in found], [one for _, one in found]
    if not seqs:
        return Erased()
    # On PostgreSQL another node may be sending some of them. Its claim holds the first row of each call, so locking in
    # the order of recording waits until it is done, and the two never wait for each other.
    places = sa.select(rows.c.seq, rows.c.state).where(rows.c.seq.in_(seqs)).order_by(rows.c.seq, rows.c.sink)
    held = connection.execute(places.with_for_update()).all()
    unsent = len({seq for seq, state in held if state == PENDING})
    _delete(connection, rows, rows.c.seq.in_(seqs))
    for table in (tables.alerts, tables.handling):
        _delete(connection, table, table.c.event_id.in_(ids))
    return Erased(
        dead_letters=_delete(connection, letters, letters.c.event_id.in_(ids)),
        events=_delete(connection, events, events.c.seq.in_(seqs)),
        unsent=unsent,
    )


def forget_columns(connection: Connection, call_ids: Sequence[str], *, columns: Sequence[str]) -> int:
    """Empty columns of the utterances of some calls; return how many utterances held something there."""
    table = tables.utterances
    filled = sa.or_(*(table.c[name].is_not(None) for name in columns))
    emptied = table.update().where(table.c.call_id.in_(call_ids), filled)
    return int(connection.execute(emptied.values(dict.fromkeys(columns))).rowcount)


def expire_transcripts(connection: Connection, *, before: datetime, limit: int) -> Erased:
    """Empty the words of the oldest calls that began before a time; falsy when none are left."""
    call_ids = _calls_with(connection, columns=_FROM_THE_WORDS, before=before, limit=limit)
    if not call_ids:
        return _erase_lost(connection, before=before, limit=limit)
    return Erased(utterances=forget_columns(connection, call_ids, columns=_FROM_THE_WORDS))


def expire_acoustics(connection: Connection, *, before: datetime, limit: int) -> Erased:
    """Empty the scores of the oldest calls that began before a time, drop their episodes; falsy when none are left."""
    call_ids = _calls_with(connection, columns=_FROM_THE_VOICE, before=before, limit=limit)
    scored = Erased(utterances=forget_columns(connection, call_ids, columns=_FROM_THE_VOICE) if call_ids else 0)
    calls, episodes = tables.calls, tables.episodes
    old = (
        sa.select(episodes.c.call_id)
        .distinct()
        .join(calls, calls.c.call_id == episodes.c.call_id)
        .where(calls.c.started_at < text_of(before))
        .limit(limit)
    )
    stressed = list(connection.execute(old).scalars())
    if stressed:
        scored += Erased(episodes=_delete(connection, episodes, episodes.c.call_id.in_(stressed)))
    return scored or _erase_lost(connection, before=before, limit=limit)


def expire_events(connection: Connection, *, before: datetime, limit: int, sinks: Collection[str]) -> Erased:
    """Remove the oldest copies of events that no sink waits for, dead letters and answers; falsy when none are left."""
    events, rows, letters, feedback = tables.events, tables.outbox, tables.dead_letters, tables.feedback
    unsent = sa.select(rows.c.seq).where(rows.c.seq == events.c.seq, rows.c.sink.in_(sinks), is_pending)
    old = sa.select(events.c.seq).where(events.c.recorded_at < text_of(before), ~sa.exists(unsent))
    seqs = list(connection.execute(old.order_by(events.c.seq).limit(limit)).scalars())
    erased = erase_events(connection, events.c.seq.in_(seqs)) if seqs else Erased()
    dead = list(
        connection.execute(sa.select(letters.c.id).where(letters.c.dead_at < text_of(before)).limit(limit)).scalars()
    )
    answers = sa.select(feedback.c.feedback_id).where(feedback.c.given_at < text_of(before)).limit(limit)
    given = list(connection.execute(answers).scalars())
    return erased + Erased(
        dead_letters=_delete(connection, letters, letters.c.id.in_(dead)) if dead else 0,
        feedback=_delete(connection, feedback, feedback.c.feedback_id.in_(given)) if given else 0,
    )


def expire_calls(connection: Connection, *, before: datetime, limit: int, sinks: Collection[str]) -> Erased:
    """Remove the oldest calls that began before a time, whose events have all left; falsy when none are left."""
    calls, rows = tables.calls, tables.outbox
    unsent = sa.select(rows.c.seq).where(rows.c.key == calls.c.call_id, rows.c.sink.in_(sinks), is_pending)
    old = sa.select(calls.c.call_id).where(calls.c.started_at < text_of(before), ~sa.exists(unsent))
    call_ids = list(connection.execute(old.order_by(calls.c.started_at).limit(limit)).scalars())
    if not call_ids:
        return _erase_lost(connection, before=before, limit=limit)
    return erase(connection, call_ids, erasure=Erasure.EVERYTHING)


def _erase_lost(connection: Connection, *, before: datetime, limit: int) -> Erased:
    """Remove utterances and episodes of no call: it was purged while it went on, and its end was never told.

    They carry no time; the tombstone of the purge does, and while it is younger than `before`, they stay.
    """
    calls, events = tables.calls, tables.events
    erased = {}
    for table in (tables.utterances, tables.episodes):
        known = sa.exists().where(calls.c.call_id == table.c.call_id)
        young = sa.exists().where(events.c.key == table.c.call_id, events.c.recorded_at >= text_of(before))
        lost = sa.select(table.c.call_id).distinct().where(~known, ~young).limit(limit)
        call_ids = list(connection.execute(lost).scalars())
        erased[table.name] = _delete(connection, table, table.c.call_id.in_(call_ids)) if call_ids else 0
    return Erased(**erased)


def _calls_with(connection: Connection, *, columns: Sequence[str], before: datetime, limit: int) -> list[str]:
    calls, table = tables.calls, tables.utterances
    held = sa.select(table.c.call_id).where(
        table.c.call_id == calls.c.call_id, sa.or_(*(table.c[name].is_not(None) for name in columns))
    )
    old = sa.select(calls.c.call_id).where(calls.c.started_at < text_of(before), sa.exists(held))
    return list(connection.execute(old.order_by(calls.c.started_at).limit(limit)).scalars())


def _delete(connection: Connection, table: sa.Table, condition: sa.ColumnElement[bool]) -> int:
    return int(connection.execute(table.delete().where(condition)).rowcount)

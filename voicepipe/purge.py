"""Purging: a person's traces removed from the store, the outbox and the folders of runs; who has copies is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from voicepipe.config import Settings
from voicepipe.consent import caller_id_of
from voicepipe.counting import counted
from voicepipe.events.erasure import Erased
from voicepipe.service import Courier, open_store
from voicepipe.types import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeOrder:
    """What is to be deleted, and on whose word.

    Attributes
    ----------
    call_id : str, optional
    caller : str, optional
        The caller's number, or the pseudonym that events carry as `caller_id`.
    older_than : datetime, optional
        Calls that began before.
    folders : sequence of Path
        Folders of runs (``voicepipe score --out``).
    actor, reason : str
        For the audit log.
    dry_run : bool
        Only count.
    """

    call_id: str | None = None
    caller: str | None = None
    older_than: datetime | None = None
    folders: Sequence[Path] = ()
    actor: str
    reason: str
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeOutcome:
    """What was deleted.

    Attributes
    ----------
    erased : Erased
        In the store and its outbox.
    files, rows : int
        In the folders of runs.
    reports : tuple of Path
        Pages that still show the calls, to be written again.
    waiting : str or None
        One sentence where tombstones could not be delivered yet.
    """

    erased: Erased
    files: int
    rows: int
    reports: tuple[Path, ...]
    waiting: str | None = None


def purge(settings: Settings, order: PurgeOrder, *, now: datetime, flush_s: float = 0.0) -> PurgeOutcome:
    """Delete what an order names, and tell the sinks of the settings within `flush_s` seconds.

    In the folders of runs those calls are deleted that the order names by their id, or that the store knows: a run that
    did not write to the store is purged by the ids of its calls.

    Raises
    ------
    ConfigError
        If the order names not exactly one thing, or a number while no key for numbers is set.
    StoreError
        If something cannot be deleted; running it again goes on.
    """
    if [order.call_id, order.caller, order.older_than].count(None) != 2:
        raise ConfigError("Name exactly one of a call, a caller and an age.")
    caller_id = None if order.caller is None else _pseudonym(settings, order.caller)
    with open_store(settings, clock=lambda: now) as store:
        known = (
            (order.call_id,)
            if order.call_id is not None
            else store.calls_of(caller_id=caller_id, older_than=order.older_than)
        )
        files, rows = 0, 0
        reports: list[Path] = []
        if order.folders:
            from voicepipe.batch.forget import forget

            for folder in order.folders:
                forgotten = forget(folder, known, dry_run=order.dry_run)
                files += forgotten.files
                rows += forgotten.rows
                reports += forgotten.reports
        erased = store.purge(
            call_id=order.call_id,
            caller_id=caller_id,
            older_than=order.older_than,
            actor=order.actor,
            reason=order.reason,
            dry_run=order.dry_run,
        )
    waiting = None
    if erased.tombstones and not order.dry_run:
        waiting = _tell(settings, count=erased.tombstones, flush_s=flush_s)
    return PurgeOutcome(erased=erased, files=files, rows=rows, reports=tuple(reports), waiting=waiting)


def _tell(settings: Settings, *, count: int, flush_s: float) -> str | None:
    """Deliver what waits in the outbox; return a sentence where some of it still waits."""
    if settings.kafka is None and settings.webhook is None:
        waits = counted(count, "tombstone waits", "tombstones wait")
        return f"{waits} in the outbox {settings.store_name}, to go out at the next start with --kafka"
    with Courier(settings, kafka=settings.kafka, webhook=settings.webhook) as courier:
        return courier.flush(flush_s)


def _pseudonym(settings: Settings, caller: str) -> str:
    if len(caller) == 32 and set(caller) <= set("0123456789abcdef"):
        return caller
    key = settings.serve.decoder.caller_key
    if key is None:
        raise ConfigError(
            "Callers are known by a keyed hash of their number, and serve.decoder.caller_key is not set; set the key "
            "that the service ran with, or purge by --call-id."
        )
    return caller_id_of(caller, key=key.get_secret_value())

"""Commands about what is kept: delete a person's traces, and read who deleted what."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicepipe.cli.app import ConfigOption, app, moment, read_settings, user
from voicepipe.counting import counted

if TYPE_CHECKING:
    from voicepipe.purge import PurgeOutcome


_FLUSH_S = 10.0


@app.command()
def purge(
    *,
    call_id: Annotated[str | None, typer.Option("--call-id", help="One call.", metavar="ID")] = None,
    caller: Annotated[
        str | None,
        typer.Option(
            "--caller", help="All calls of a caller: the number, or the caller_id of an event.", metavar="NUMBER"
        ),
    ] = None,
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", help="Calls that began before: 30d, 12h, or 2026-11-21T08:00+00:00.", metavar="T"),
    ] = None,
    out: Annotated[
        list[Path] | None,
        typer.Option("--out", help="Folder of a run to delete them from too; may be repeated.", metavar="FOLDER"),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the audit log.")] = "asked for",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    kafka: Annotated[
        str | None,
        typer.Option("--kafka", help="Broker that got the events; else the one of the settings.", metavar="HOST:PORT"),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Delete calls for good: transcripts, scores, events, what waits to be sent; tombstones tell who has copies."""
    from datetime import UTC, datetime

    from voicepipe.purge import PurgeOrder
    from voicepipe.purge import purge as run

    if [call_id, caller, older_than].count(None) != 2:
        raise typer.BadParameter("give exactly one of --call-id, --caller and --older-than.")
    settings = read_settings(config)
    if kafka is not None:
        settings = settings.with_kafka(kafka)
    now = datetime.now(tz=UTC)
    order = PurgeOrder(
        call_id=call_id,
        caller=caller,
        older_than=None if older_than is None else moment(older_than),
        folders=tuple(out or ()),
        actor=user(),
        reason=reason,
        dry_run=dry_run,
    )
    print(_told(run(settings, order, now=now, flush_s=_FLUSH_S), place=settings.store_name, dry_run=dry_run))


@app.command()
def audit(
    *,
    limit: Annotated[int, typer.Option("--limit", help="How many lines.", min=1)] = 50,
    config: ConfigOption = None,
) -> None:
    """Show who changed or deleted what, when and why: one JSON object a line, newest first."""
    import json
    from dataclasses import asdict
    from datetime import UTC, datetime

    from voicepipe.service import open_store

    with open_store(read_settings(config), clock=lambda: datetime.now(tz=UTC)) as store:
        for entry in store.audit(limit=limit):
            print(json.dumps(asdict(entry) | {"at": entry.at.isoformat()}, ensure_ascii=False))


def _told(outcome: "PurgeOutcome", *, place: str, dry_run: bool) -> str:
    erased = outcome.erased
    kept = {"files": outcome.files, "rows": outcome.rows}
    counts = {**erased.counts(), **{name: count for name, count in kept.items() if count}}
    graves = counts.pop("tombstones", 0)
    parts = [counted(count, *_KINDS[name]) for name, count in counts.items()]
    nothing = f"nothing was kept in {place}"
    lines = [("Would delete: " if dry_run else "Deleted: ") + (", ".join(parts) if parts else nothing) + "."]
    if outcome.waiting is not None:
        lines.append(f"{outcome.waiting}.")
    if graves:
        go = ("tombstone would go", "tombstones would go") if dry_run else ("tombstone goes", "tombstones go")
        lines.append(
            f"{counted(graves, *go)} out to who got the events; Kafka drops the earlier records of a call only on "
            "topics with cleanup.policy=compact, elsewhere when their retention ends."
        )
    if outcome.reports:
        pages = ", ".join(map(str, outcome.reports))
        lines.append(f"Written before and not changed: {pages}; write them again with `voicepipe report`.")
    return "\n".join(lines)


_KINDS = {
    "calls": ("call", "calls"),
    "utterances": ("utterance", "utterances"),
    "episodes": ("episode", "episodes"),
    "feedback": ("feedback", "feedback"),
    "dead_letters": ("dead letter", "dead letters"),
    "events": ("event", "events"),
    "unsent": ("unsent", "unsent"),
    "files": ("file", "files"),
    "rows": ("row of a table", "rows of tables"),
}
"""One and many of what is deleted."""

"""Commands about what is kept: delete a person's traces, and read who deleted what."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicepipe.cli.app import ConfigOption, app, read_settings

if TYPE_CHECKING:
    from datetime import datetime

    from voicepipe.purge import PurgeOutcome


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
    import getpass
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
        older_than=None if older_than is None else _moment(older_than, now),
        folders=tuple(out or ()),
        actor=getpass.getuser(),
        reason=reason,
        dry_run=dry_run,
    )
    print(_told(run(settings, order, now=now), dry_run=dry_run))


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


def _moment(text: str, now: "datetime") -> "datetime":
    """Read a span back from now (30d, 12h, 90m), or a time with its zone."""
    import re
    from datetime import datetime, timedelta

    if match := re.fullmatch(r"(\d{1,6})([mhd])", text):
        return now - timedelta(**{{"m": "minutes", "h": "hours", "d": "days"}[match[2]]: int(match[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise typer.BadParameter(f"{text} is no age; give 30d, 12h, 90m or a time like 2026-11-21T08:00+00:00.")
    return moment


def _told(outcome: "PurgeOutcome", *, dry_run: bool) -> str:
    erased = outcome.erased
    kept = {"files": outcome.files, "rows of tables": outcome.rows}
    counts = {**erased.counts(), **{name: count for name, count in kept.items() if count}}
    graves = counts.pop("tombstones", 0)
    parts = [f"{count} {name.replace('_', ' ')}" for name, count in counts.items()]
    lines = [("Would delete: " if dry_run else "Deleted: ") + (", ".join(parts) if parts else "nothing was kept") + "."]
    if graves:
        verb = "would go" if dry_run else "go"
        lines.append(
            f"{graves} tombstones {verb} out with the next run of the service; Kafka drops the earlier records of a "
            "call only on topics with cleanup.policy=compact, elsewhere when their retention ends."
        )
    if outcome.reports:
        pages = ", ".join(map(str, outcome.reports))
        lines.append(f"Written before and not changed: {pages}; write them again with `voicepipe report`.")
    return "\n".join(lines)

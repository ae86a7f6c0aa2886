"""Past alerts with their verdicts, and how good alerts are."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from voicepipe.events.inquiries import (
    UNJUDGED,
    Selection,
    alert_records,
    alerts_of,
    call_hours,
    caller_scores,
    places,
)
from voicepipe.web.drift import Drift, measure_drift
from voicepipe.web.frame import Console, ConsoleRoute
from voicepipe.web.people import Permission
from voicepipe.web.quality import LEAST_FALSE_ALARMS, LEAST_JUDGED, AlertQuality, Precision, measure_quality
from voicepipe.web.visit import Visit, render, visit_of
from voicepipe.web.wording import why

PAGE: Final = 50
"""Alerts on one page of the history."""

DAYS: Final = (1, 7, 30, 90)
"""Periods that the history offers; without one, everything that is kept."""

VERDICTS: Final = ("justified", "false_alarm", "unsure", UNJUDGED)

WEEKS: Final = (4, 12, 26, 52)
"""Periods that the figures offer; the second is shown at first."""

DRIFT_PERIOD: Final = timedelta(weeks=4)
"""Drift is looked for in the last calls only: older ones say nothing of today's line and callers."""


def routes(console: Console) -> list[ConsoleRoute]:
    """Return the places of history and quality."""
    del console
    return [
        ConsoleRoute(path="/console/history", endpoint=_show_history, permission=Permission.SEE_CALL, name="history"),
        ConsoleRoute(
            path="/console/quality", endpoint=_show_quality, permission=Permission.SEE_QUALITY, name="quality_page"
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """The figures of a period.

    Attributes
    ----------
    since, until : datetime
        Half open.
    alerts : AlertQuality
    drift : Drift or None
        Of the last `DRIFT_PERIOD` at most; None until the models are loaded.
    """

    since: datetime
    until: datetime
    alerts: AlertQuality
    drift: Drift | None


def quality_of(console: Console, selection: Selection, *, since: datetime, until: datetime) -> Quality:
    """Measure how good alerts were; blocks while the store is read.

    Parameters
    ----------
    console : Console
    selection : Selection
        Queues, queue and language; its times are not read.
    since, until : datetime
        Half open.

    Raises
    ------
    StoreError
    """
    ask, calm, model_id = console.store.ask, console.calm(), console.model_id()
    drift = None
    if calm is not None and model_id is not None:
        recent = _over(selection, since=max(since, until - DRIFT_PERIOD), until=until)
        drift = measure_drift(ask(caller_scores, recent, model_id=model_id), reference=calm)
    chosen = _over(selection, since=since, until=until)
    return Quality(
        since=since,
        until=until,
        alerts=measure_quality(
            ask(alert_records, chosen),
            call_hours=ask(call_hours, chosen),
            budget=console.false_alarms_per_100_call_hours,
        ),
        drift=drift,
    )


async def _show_history(request: Request) -> Response:
    visit, query = visit_of(request), request.query_params
    days = _chosen(query.get("days"), DAYS)
    verdict = query.get("verdict", "")
    selection = Selection(
        queues=visit.person.queues,
        since=None if days is None else visit.now - timedelta(days=days),
        queue=_text(query.get("queue")),
        language=_text(query.get("language")),
        verdict=verdict if verdict in VERDICTS else None,
    )
    page = _page(query.get("page"))
    ask = visit.console.store.ask
    alerts, total = await asyncio.to_thread(ask, alerts_of, selection, limit=PAGE, offset=PAGE * page)
    queues, languages = await asyncio.to_thread(ask, places, queues=visit.person.queues)
    shown = {"days": days, "verdict": selection.verdict, "queue": selection.queue, "language": selection.language}
    is_filtered = any(value is not None for value in shown.values())
    return render(
        request,
        "history.html",
        alerts=[(alert, why(alert.event, visit.language)) for alert in alerts],
        total=total,
        first=PAGE * page + 1,
        newer=_address("/console/history", shown, page=page - 1) if page > 0 else None,
        older=_address("/console/history", shown, page=page + 1) if PAGE * (page + 1) < total else None,
        queues=queues,
        languages=languages,
        shown=shown,
        is_filtered=is_filtered,
        days=DAYS,
        verdicts=VERDICTS,
    )


async def _show_quality(request: Request) -> Response:
    visit, query = visit_of(request), request.query_params
    weeks = _chosen(query.get("weeks"), WEEKS) or WEEKS[1]
    selection = Selection(
        queues=visit.person.queues, queue=_text(query.get("queue")), language=_text(query.get("language"))
    )
    since = visit.now - timedelta(weeks=weeks)
    quality = await asyncio.to_thread(quality_of, visit.console, selection, since=since, until=visit.now)
    queues, languages = await asyncio.to_thread(visit.console.store.ask, places, queues=visit.person.queues)
    return render(
        request,
        "quality.html",
        quality=quality,
        groups=_groups(visit, quality.alerts),
        weeks=weeks,
        all_weeks=WEEKS,
        queues=queues,
        languages=languages,
        shown={"queue": selection.queue, "language": selection.language},
        least_judged=LEAST_JUDGED,
        least_false_alarms=LEAST_FALSE_ALARMS,
        drift_weeks=DRIFT_PERIOD // timedelta(weeks=1),
    )


def _groups(visit: Visit, alerts: AlertQuality) -> Sequence[tuple[str, Sequence[tuple[str | None, Precision]]]]:
    """Return the tables: what they are by, and their rows with the name to show, None where nobody said."""
    spoken = {code: visit.language.t(f"language-{code}") for code in ("en", "ru", "zh")}
    return [
        ("week", [(row.group, row) for row in reversed(alerts.by_week)]),
        ("queue", [(row.group, row) for row in alerts.by_queue]),
        ("language", [(spoken.get(row.group or "", row.group), row) for row in alerts.by_language]),
    ]


def _over(selection: Selection, *, since: datetime, until: datetime) -> Selection:
    return Selection(
        queues=selection.queues, since=since, until=until, queue=selection.queue, language=selection.language
    )


def _address(path: str, shown: Mapping[str, Any], **more: int) -> str:
    fields = {name: value for name, value in {**shown, **more}.items() if value is not None and value != 0}
    return f"{path}?{urlencode(fields)}" if fields else path


def _text(text: str | None) -> str | None:
    """Return a filter's text; PostgreSQL's texts hold no NUL."""
    return text.replace("\0", "\ufffd")[:1000] if text else None


def _chosen(text: str | None, offered: Sequence[int]) -> int | None:
    return next((number for number in offered if str(number) == text), None)


def _page(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 7 else 0

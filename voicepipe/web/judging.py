"""What a person does about an alert, on a page or through the API: take it, give it back, judge it, note something."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from voicepipe.events.alert_log import Alert
from voicepipe.events.feedback import Feedback, Verdict
from voicepipe.events.handling import Handling, UnknownAlertError
from voicepipe.web.frame import NotFoundError
from voicepipe.web.people import Permission
from voicepipe.web.visit import Visit

_Done = TypeVar("_Done")


async def alert_of(visit: Visit) -> Alert:
    """Return the alert that the address names.

    Raises
    ------
    NotFoundError
        If there is no such alert, or it is in a queue that the visitor does not see.
    StoreError
    """
    alert = await asyncio.to_thread(visit.console.store.alert, visit.request.path_params["event_id"])
    if alert is None or not visit.person.sees(alert.queue):
        raise NotFoundError
    return alert


async def take(visit: Visit) -> Handling:
    """Let the visitor take care of the caller; see `voicepipe.events.store.Store.take_alert`."""
    return await _done(visit, visit.console.store.take_alert)


async def release(visit: Visit) -> Handling:
    """Let the visitor give back what they took, or, where their role allows it, what anybody did."""
    anybodys = visit.person.may(Permission.RELEASE_ANY)
    return await _done(visit, visit.console.store.release_alert, anybodys=anybodys)


async def judge(visit: Visit, verdict: Verdict) -> Handling:
    """Let the visitor judge the alert; see `voicepipe.events.store.Store.judge_alert`."""
    return await _done(visit, visit.console.store.judge_alert, verdict=verdict)


async def note_on(visit: Visit, text: str) -> Feedback:
    """Keep what the visitor notes on the alert; see `voicepipe.events.store.Store.note_alert`."""
    return await _done(visit, visit.console.store.note_alert, note=text)


async def _done(visit: Visit, work: Callable[..., _Done], **values: Any) -> _Done:
    """Do something to the alert of the address, which may be deleted while that happens."""
    alert = await alert_of(visit)
    try:
        return await asyncio.to_thread(work, alert.event_id, by=visit.person.name, **values)
    except UnknownAlertError as error:
        raise NotFoundError from error

"""The page of one call, live or past: its timeline, its transcript, and the story that the next agent needs."""

import asyncio
import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from voicepipe.conversation.call import Conversation
from voicepipe.conversation.spurts import TurnConfig
from voicepipe.events.inquiries import kept_call
from voicepipe.speech.phrases import PhraseBook
from voicepipe.types import Channel, ScoredUtterance
from voicepipe.web.alert_card import card_html
from voicepipe.web.frame import Console, ConsoleRoute, NotFoundError
from voicepipe.web.people import Permission
from voicepipe.web.rendering import fragment
from voicepipe.web.story import Story, lines_of, live_story, measure, past_story, pieces_of, timeline_of, told_of
from voicepipe.web.visit import Visit, render, visit_of

LINES: Final = 300
"""Lines of the transcript on one page: a call of a quarter of an hour is whole."""

MOST_ALERTS: Final = 50
"""Alerts of one call that are shown, the latest ones."""

_KEPT_MEASURES: Final = 64
_FRESH_S: Final = 5.0
"""A live call is measured at most so often,"""
_FRESH_PER_COST: Final = 20.0
"""and measuring takes at most the twentieth part of a processor for each."""
_SEEN_AGAIN: Final = timedelta(minutes=15)
"""Whoever goes on reading a call's page for longer is noted again."""


def routes(console: Console) -> list[ConsoleRoute]:
    """Return the places of a call's page."""
    pages = _CallPages(console)
    see, parts = Permission.SEE_CALL, "/console/call"
    return [
        ConsoleRoute(path="/console/calls/{call_id:path}", endpoint=pages.show, permission=see, name="call"),
        ConsoleRoute(path=f"{parts}/timeline/{{call_id:path}}", endpoint=pages.draw, permission=see, name="timeline"),
        ConsoleRoute(path=f"{parts}/story/{{call_id:path}}", endpoint=pages.tell, permission=see, name="story"),
        ConsoleRoute(path=f"{parts}/news/{{call_id:path}}", endpoint=pages.go_on, permission=see, name="news"),
        ConsoleRoute(
            path=f"{parts}/copied/{{call_id:path}}",
            endpoint=pages.note_copy,
            permission=see,
            name="copied",
            methods=("POST",),
        ),
    ]


async def story_of(visit: Visit, call_id: str) -> Story:
    """Return the story of a call that the visitor may see: from the board while it runs, else from the store.

    Raises
    ------
    NotFoundError
        If there is no such call, or it is in a queue that this person does not see.
    StoreError
    """
    board, person = visit.console.board, visit.person
    live = board.call(call_id)
    if live is not None:
        if not person.sees(live.call.queue):
            raise NotFoundError
        return await asyncio.to_thread(live_story, live, board.utterances(call_id), board.episodes(call_id))
    kept = None if "\0" in call_id else await asyncio.to_thread(visit.console.store.ask, kept_call, call_id)
    if kept is None or not person.sees(kept.call.queue):
        raise NotFoundError
    return past_story(kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """A conversation, what it was measured on, when, and what that took."""

    epoch: str
    heard: tuple[int, ...]
    at_s: float
    cost_s: float
    conversation: Conversation


class Measures:
    """Measures conversations, one at a time, and keeps the last ones: several people read the same call.

    Parameters
    ----------
    books : mapping of str to PhraseBook, optional
    turns : TurnConfig, optional
        As for `voicepipe.web.story.measure`.
    """

    def __init__(self, books: Mapping[str, PhraseBook] | None = None, *, turns: TurnConfig | None = None) -> None:
        self._books = books
        self._turns = turns
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Measured] = OrderedDict()

    def of(self, story: Story) -> Conversation:
        """Return the measures of a story; of one that goes on, those of some seconds ago where measuring takes long."""
        heard = _heard(story)
        with self._lock:
            kept = self._kept.get(story.call.call_id)
            if kept is not None and kept.epoch == story.epoch:
                age_s = time.monotonic() - kept.at_s
                if kept.heard == heard or (story.is_live and age_s < max(_FRESH_S, _FRESH_PER_COST * kept.cost_s)):
                    return kept.conversation
            began_s = time.monotonic()
            conversation = measure(story, books=self._books, turns=self._turns)
            now_s = time.monotonic()
            self._kept[story.call.call_id] = _Measured(
                epoch=story.epoch, heard=heard, at_s=now_s, cost_s=now_s - began_s, conversation=conversation
            )
            self._kept.move_to_end(story.call.call_id)
            if len(self._kept) > _KEPT_MEASURES:
                self._kept.popitem(last=False)
            return conversation


def _heard(story: Story) -> tuple[int, ...]:
    """Return what changes when utterances come, and when words or scores are deleted."""
    return (
        len(story.utterances),
        sum(one.transcript is not None for one in story.utterances),
        sum(one.score is not None for one in story.utterances),
        int(story.is_live),
    )


class _CallPages:
    """What the pages of all calls share."""

    def __init__(self, console: Console) -> None:
        self._measures = Measures(console.books, turns=console.turns)

    async def show(self, request: Request) -> Response:
        """Answer with the page."""
        visit, call_id = visit_of(request), request.path_params["call_id"]
        story = await story_of(visit, call_id)
        await _note(visit, call_id, again_after=timedelta(0))
        at_s = _number(request.query_params.get("at"))
        first = _first_line(story, at_s=at_s, first=_number(request.query_params.get("first")))
        window = story.utterances[first : first + LINES]
        return render(
            request,
            "call.html",
            story=story,
            told=told_of(story),
            lines=lines_of(window, episodes=story.episodes, language=visit.language),
            first=first,
            newer=first + LINES if first + LINES < len(story.utterances) else None,
            older=max(0, first - LINES) if first > 0 else None,
            alerts=await _alert_cards(visit, call_id),
            at_s=at_s,
        )

    async def draw(self, request: Request) -> Response:
        """Answer with what the picture of the call is drawn from."""
        visit, call_id = visit_of(request), request.path_params["call_id"]
        story = await story_of(visit, call_id)
        await _note(visit, call_id)
        return JSONResponse(asdict(timeline_of(story)))

    async def tell(self, request: Request) -> Response:
        """Answer with handoff and measures: apart, as they take longest."""
        visit, call_id = visit_of(request), request.path_params["call_id"]
        story = await story_of(visit, call_id)
        await _note(visit, call_id)
        conversation = await asyncio.to_thread(self._measures.of, story)
        turns = conversation.turns
        return render(
            request,
            "_story.html",
            story=story,
            conversation=conversation,
            agent=turns.side(Channel.AGENT),
            caller=turns.side(Channel.CALLER),
            pieces=lambda text: pieces_of(text, visit.language),
        )

    async def go_on(self, request: Request) -> Response:
        """Answer with what has come since: the query says how far each channel was told."""
        visit, call_id, query = visit_of(request), request.path_params["call_id"], request.query_params
        story = await story_of(visit, call_id)
        await _note(visit, call_id)
        if query.get("epoch", "") != story.epoch:
            return JSONResponse({"reload": True})
        told = {one.channel.value: _number(query.get(one.channel.value)) or 0.0 for one in story.utterances}
        fresh = [one for one in story.utterances if one.index >= told[one.channel.value]]
        cards = await _alert_cards(visit, call_id)
        mark = hashlib.sha256("".join(cards).encode()).hexdigest()[:16]
        language, now = visit.language, visit.now
        return JSONResponse(
            {
                "reload": False,
                "live": story.is_live,
                "counts": story.counts,
                "timeline": asdict(timeline_of(_only(story, fresh))),
                "facts": fragment("_call_facts.html", language=language, now=now, story=story),
                "episodes": fragment("_episodes.html", language=language, story=story),
                "lines": [
                    fragment("_line.html", language=language, line=line)
                    for line in lines_of(fresh[-LINES:], episodes=story.episodes, language=language)
                ],
                "alerts": {"mark": mark, "html": None if mark == query.get("alerts") else "".join(cards)},
            }
        )

    async def note_copy(self, request: Request) -> Response:
        """Note that the handoff was copied."""
        visit, call_id = visit_of(request), request.path_params["call_id"]
        await story_of(visit, call_id)
        await visit.note("copy_handoff", f"call {call_id}")
        return Response(status_code=204)


async def _note(visit: Visit, call_id: str, *, again_after: timedelta = _SEEN_AGAIN) -> None:
    """Note in the audit log that a person reads a call, parts of an open page only now and then."""
    await visit.note_once("see_call", f"call {call_id}", again_after=again_after)


async def _alert_cards(visit: Visit, call_id: str) -> Sequence[str]:
    alerts = await asyncio.to_thread(
        visit.console.store.alerts, call_id=call_id, queues=visit.person.queues, limit=MOST_ALERTS
    )
    may_judge = visit.person.may(Permission.JUDGE)
    return [card_html(one, visit.language, may_judge=may_judge, now=visit.now) for one in alerts]


def _only(story: Story, fresh: Sequence[ScoredUtterance]) -> Story:
    """Return a story with some of its utterances."""
    return replace(story, utterances=tuple(fresh))


def _first_line(story: Story, *, at_s: float | None, first: float | None) -> int:
    """Return which line the page begins with: around a moment, where it was asked for, or the end of a live call."""
    count = len(story.utterances)
    last_page = max(0, count - LINES)
    if at_s is not None:
        here = next((i for i, one in enumerate(story.utterances) if one.end_s > at_s), count)
        return min(max(0, here - LINES // 4), last_page)
    if first is not None:
        return min(max(0, int(first)), max(0, count - 1))
    return last_page if story.is_live else 0


def _number(text: str | None) -> float | None:
    """Return a number of a query, 0 to 1e9; None for anything else."""
    try:
        number = float(text) if text else None
    except ValueError:
        return None
    return number if number is not None and 0.0 <= number <= 1e9 else None

"""What the next agent needs to know, so that the caller need not say it again.

Extractive: every piece is a quote out of the transcript, which is redacted; nothing is rephrased, so nothing can be
made up. Sentences are chosen by cue frames (why somebody calls, what is wrong, what was done, what was promised), their
place in the call and their length (Edmundson, "New methods in automatic extracting", Journal of the ACM 16 (1969)). It
works on the first half minute of a call as on the whole of it. In a language without a file of cues only place, length
and question marks are left.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from voicepipe.conversation.cues import Cues, find_cues
from voicepipe.conversation.note import Handoff, Mood
from voicepipe.conversation.room import SIZES, Room, Sizes, in_order
from voicepipe.conversation.salience import (
    REQUEST_WEIGHTS,
    Passage,
    amounts,
    ask_score,
    clip,
    is_request,
    passages,
    request_score,
)
from voicepipe.conversation.trend import measure_trend
from voicepipe.conversation.wording import Quote, in_time, main_language, tokens, unit_of
from voicepipe.speech.phrases import PhraseBook
from voicepipe.types import Channel, ScoredUtterance

_REPLY = 2.0
"""What a reply to the question for what was tried loses as the reason for the call."""


def handoff(
    utterances: Iterable[ScoredUtterance],
    *,
    at_s: float | None = None,
    language: str | None = None,
    cues: Cues | None = None,
    books: Mapping[str, PhraseBook] | None = None,
) -> Handoff:
    """Choose what the next agent needs to know.

    Parameters
    ----------
    utterances : iterable of ScoredUtterance
        Of one call, all channels; their transcripts are already redacted.
    at_s : float, optional
        Moment of the call: only utterances that were decided by then are read. All of them otherwise.
    language : str, optional
        ISO 639-1 code, in place of what the transcripts say of themselves.
    cues : Cues, optional
        Of the same utterances, where they have been found already.
    books : mapping of str to PhraseBook, optional
        From `load_books`, with a centre's own phrases; the package's own otherwise. Not read where `cues` are given.
    """
    heard = tuple(u for u in in_time(utterances) if at_s is None or u.decided_s <= at_s)
    found = find_cues(heard, language=language, books=books) if cues is None else cues
    spoken = passages(heard, found)
    language = language or main_language(heard)
    sizes = SIZES[unit_of(language)]
    room = Room(sizes)
    trend = measure_trend(heard)
    question = _open_question(spoken)
    attempts = _attempts(spoken)
    wants = room.take(_wants(spoken, sizes, question=question, attempts=attempts), reserved=sizes.reserved)
    promised = _promises(spoken, sizes)
    promises = room.take(promised[:2], reserved=sizes.reserved)
    asked = room.keep(
        [clip(question, limit=sizes.question, kinds=("question",))] if question else [], reserved=sizes.reserved
    )
    done = _tried(attempts, spoken, sizes)
    tried = room.take(done[:3], reserved=sizes.reserved)
    sums = room.keep(amounts(heard, found)[-3:], reserved=sizes.reserved)
    promises = in_order(promises, room.take(promised[2:], reserved=sizes.reserved))
    tried = in_order(tried, room.take(done[3:], reserved=sizes.reserved))
    return Handoff(
        wants=wants,
        tried=tried,
        promises=promises,
        amounts=sums,
        question=asked[0] if asked else None,
        mood=(
            Mood(direction=trend.direction, before=trend.start, now=trend.end)
            if trend.direction and trend.start is not None and trend.end is not None
            else None
        ),
        last_turns=_last_turns(spoken, sizes, room),
        language=language,
    )


def _wants(
    spoken: Sequence[Passage], sizes: Sizes, *, question: Passage | None, attempts: Sequence[Passage]
) -> list[Quote]:
    """Quote why the caller calls, and what is asked: the best sentence for each.

    Where nothing is asked in so many words, the second is the one that the caller opened with, or the next best. A
    question that is still open and was not among the first two sentences has its own place.
    """
    callers = [p for p in spoken if p.channel is not Channel.AGENT]
    replies = {id(p) for p in attempts if not p.has("tried")}
    score = {id(p): request_score(p) - (_REPLY if id(p) in replies else 0.0) for p in callers}
    ranked = sorted(callers, key=lambda p: (-score[id(p)], p.order))
    ranked = [
        p
        for p in ranked
        if (p.sentence.words >= sizes.least or is_request(p)) and (p is not question or p.position < 2)
    ] or ranked
    if not ranked:
        return []
    ask = _ask(callers, sizes)
    if ask is not None:
        chosen = [*_why(ranked, ask, sizes)[:1], ask]
    else:
        others = [
            p
            for p in ranked[1:]
            if not p.has("human_request", "thanks")
            and p.sentence.words >= (2 if is_request(p) else sizes.opening)
            and p is not question
            and _differs(p, ranked[0])
        ]
        opening = [p for p in others if p.position == 0 and not p.small_talk]
        asked = [
            p for p in others if is_request(p) and p not in attempts and score[id(p)] >= 0.5 * score[id(ranked[0])]
        ]
        kinds = {cue.kind for cue in ranked[0].cues}
        new = [p for p in asked if {cue.kind for cue in p.cues} & ({*REQUEST_WEIGHTS} - kinds)]
        chosen = [ranked[0], *(opening or new or asked)[:1]]
    pieces = []
    for passage in chosen:
        pieces.append(clip(passage, limit=sizes.want, kinds=("ask",) if passage is ask else REQUEST_WEIGHTS))
        following = _continuation(passage, callers, spoken, sizes)
        if following is not None:
            pieces.append(clip(following, limit=sizes.want // 2))
    return pieces


def _why(ranked: Sequence[Passage], ask: Passage, sizes: Sizes) -> list[Passage]:
    """Return the sentences that may say why something is asked, the best first: early ones, and what went wrong.

    An opening that says what went wrong comes before most that follow.
    """
    told = [
        p
        for p in ranked
        if p is not ask
        and not (p.small_talk or p.has("human_request", "thanks"))
        and (p.has("problem", "reason") or p.position == 0)
        and p.sentence.words >= sizes.least
        and _differs(p, ask)
    ]

    def score(p: Passage) -> float:
        early = max(0.0, 2.0 - p.position) + 2.0 * (p.position == 0 and p.has("problem"))
        return request_score(p) + early + p.has("problem") - p.has("want")

    return sorted(told, key=score, reverse=True)


def _ask(callers: Sequence[Passage], sizes: Sizes) -> Passage | None:
    """Return the caller's sentence that best says what is to be done, wherever in the call; see `ask_score`."""
    asking = [(i, p) for i, p in enumerate(callers) if p.has("ask") and p.sentence.words >= sizes.least]
    best = max(asking, key=lambda one: ask_score(one[1], place=one[0] / len(callers)), default=None)
    return None if best is None else best[1]


def _continuation(
    passage: Passage, callers: Sequence[Passage], spoken: Sequence[Passage], sizes: Sizes
) -> Passage | None:
    """Return the caller's next sentence where this one breaks off: hardly more than its cue, and no full stop."""
    place = callers.index(passage) + 1
    open_end = not passage.sentence.text.rstrip().endswith((".", "!", "?", "。", "！", "？"))
    if not open_end or passage.sentence.words >= sizes.opening or passage.has("problem") or place >= len(callers):
        return None
    return callers[place] if spoken.index(callers[place]) == spoken.index(passage) + 1 else None


def _differs(one: Passage, other: Passage) -> bool:
    """Tell whether two sentences say different things: less than 0.6 of the shorter one's words in common."""
    words = [{word.group().casefold() for word in tokens(p.sentence.text)} for p in (one, other)]
    return len(words[0] & words[1]) < 0.6 * min(len(words[0]), len(words[1]))


def _promises(spoken: Sequence[Passage], sizes: Sizes) -> list[Quote]:
    """Quote the agent's latest promises, at most three; those with a time or a sum first."""
    found = [p for p in spoken if p.channel is not Channel.CALLER and p.has("promise") and not p.asks]
    found.sort(key=lambda p: (p.has("amount") + any(c.isdigit() for c in p.sentence.text), p.order), reverse=True)
    return [clip(p, limit=sizes.promise, kinds=("promise",)) for p in found[:3]]


def _attempts(spoken: Sequence[Passage]) -> list[Passage]:
    """Return what the caller says to have tried: by its words, or in reply to the question for it."""
    replies = [
        after
        for before, after in pairwise(spoken)
        if before.channel is Channel.AGENT and before.has("asks_tried") and after.channel is Channel.CALLER
    ]
    answered = {id(p) for p in replies}
    return [
        p for p in spoken if p.channel is not Channel.AGENT and not p.asks and (p.has("tried") or id(p) in answered)
    ]


def _tried(attempts: Sequence[Passage], spoken: Sequence[Passage], sizes: Sizes) -> list[Quote]:
    """Quote what was done already: the first two things by the caller, the last by the agent, more by the caller."""
    agents = [
        p for p in spoken if p.channel is not Channel.CALLER and p.has("done") and not (p.asks or p.has("promise"))
    ]
    chosen = [*attempts[:2], *agents[-1:], *attempts[2:4]]
    return [clip(p, limit=sizes.tried, kinds=("tried", "done")) for p in chosen if p.sentence.words >= sizes.least]


def _open_question(spoken: Sequence[Passage]) -> Passage | None:
    """Return the last question without an answer: no statement of the agent, no word of the caller followed it."""
    answered = {Channel.CALLER: False, Channel.AGENT: False}
    for passage in reversed(spoken):
        other = Channel.AGENT if passage.channel is Channel.CALLER else Channel.CALLER
        if (
            passage.asks
            and passage.sentence.words >= 3
            and not (passage.small_talk or passage.has("closing", "greeting"))
        ):
            if passage.channel is Channel.MIXED:
                return passage if passage is spoken[-1] else None
            if not answered[other]:
                return passage
        if passage.channel is Channel.CALLER or not (
            passage.asks or passage.has("hold", "dismissive", "acknowledgement") or passage.sentence.words < 4
        ):
            answered[passage.channel] = True
    return None


def _last_turns(spoken: Sequence[Passage], sizes: Sizes, room: Room) -> tuple[Quote, ...]:
    """Quote from the ends of the last three turns, as far as there is room."""
    turns: list[list[Passage]] = []
    for passage in reversed(spoken):
        if turns and turns[-1][-1].channel is passage.channel:
            turns[-1].append(passage)
        elif len(turns) == 3:
            break
        else:
            turns.append([passage])
    pieces: list[Quote] = []
    for turn in turns:
        longest = max(turn[:2], key=lambda p: p.sentence.words)
        limit = min(sizes.last, room.left)
        if limit >= 2:
            pieces.append(clip(longest, limit=limit))
            room.count(pieces[-1])
    return in_order(pieces)

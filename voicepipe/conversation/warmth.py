"""How warmly the agent dealt with the caller: from words and turn-taking alone, never from the agent's voice.

The items are those of the usual quality scorecard of a contact centre: greeting, use of the name, empathy, listening
(acknowledgement, restating), patience, ownership and next step, closing. Each has a score of its own and the quotes
that count for it, so that whoever reads it can disagree. The weights and limits are conventions, to be set by the
centre; nothing here is fitted to data.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from voicepipe.conversation.cues import Cue, Cues
from voicepipe.conversation.silence import SilenceReason
from voicepipe.conversation.turns import TurnTaking
from voicepipe.conversation.wording import Quote, count_words, in_time, quote, said, tokens
from voicepipe.counting import counted
from voicepipe.types import Channel, ScoredUtterance

ITEMS = ("greeting", "name_use", "empathy", "acknowledgement", "patience", "ownership", "closing")
"""Names of the items, in the order of a call."""

_NAME_MARKS = ("[name]", "[person]")


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmthConfig:
    """What counts, and how much.

    Attributes
    ----------
    weights : mapping of str to float
        Weight of each item.
    least_words : int
        With fewer transcribed words of the agent no item that rests on words is scored.
    least_share : float
        Share of the weights that must be measurable for an overall figure.
    opening_s : float
        A greeting counts in the agent's first so many seconds.
    closing_utterances : int
        A closing counts in the agent's last so many utterances.
    stressed, frustrated : float
        From here on (0..1), of an utterance of the caller, empathy is called for.
    good_latency_s, bad_latency_s : float
        Median response latency up to which patience has full marks, and from which it has none.
    bad_interruptions_per_min : float
        Interruptions per minute of the caller's speech from which patience has no marks.
    fast_per_min : mapping of str to float
        Speech rate, by unit, from which the agent rushes; half as much again has no marks. Conversational speech has
        about 150 words a minute in English (160 to 190 is heard as fast) and 240 to 300 characters in Chinese; the
        agent's rate leaves pauses out and so lies higher. A rate in letters is not judged.
    """

    weights: Mapping[str, float] = field(
        default_factory=lambda: {
            "greeting": 10.0,
            "name_use": 10.0,
            "empathy": 15.0,
            "acknowledgement": 15.0,
            "patience": 20.0,
            "ownership": 20.0,
            "closing": 10.0,
        }
    )
    least_words: int = 15
    least_share: float = 0.5
    opening_s: float = 30.0
    closing_utterances: int = 5
    stressed: float = 0.5
    frustrated: float = 0.5
    good_latency_s: float = 1.5
    bad_latency_s: float = 5.0
    bad_interruptions_per_min: float = 2.0
    fast_per_min: Mapping[str, float] = field(default_factory=lambda: {"words": 230.0, "characters": 380.0})


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmthItem:
    """One line of the scorecard.

    Attributes
    ----------
    name : str
        One of `ITEMS`.
    score : float or None
        0..1; None where it could not be measured or was not called for; what rests on words also where most of the
        agent's are in a language without phrases.
    weight : float
    quotes : tuple of Quote
        The agent's words that count, for and against.
    note : str
        In plain words, what the score rests on.
    """

    name: str
    score: float | None
    weight: float
    quotes: tuple[Quote, ...]
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmth:
    """The scorecard of one call.

    Attributes
    ----------
    overall : float or None
        0..100: mean of the measured items by their weights; None below `WarmthConfig.least_share`.
    measured_share : float
        Share of the weights that could be measured, 0..1.
    items : tuple of WarmthItem
        All of `ITEMS`, in that order.
    """

    overall: float | None
    measured_share: float
    items: tuple[WarmthItem, ...]

    def item(self, name: str) -> WarmthItem:
        """Return one item."""
        return next(item for item in self.items if item.name == name)


def measure_warmth(
    utterances: Iterable[ScoredUtterance],
    *,
    cues: Cues,
    turns: TurnTaking,
    ended: bool = True,
    config: WarmthConfig | None = None,
) -> Warmth:
    """Fill in the scorecard of one call.

    Parameters
    ----------
    utterances : iterable of ScoredUtterance
        Of one call, all channels. Of the agent's, only text and times are read.
    cues : Cues
        From `voicepipe.conversation.cues.find_cues` of the same utterances.
    turns : TurnTaking
        Of the same call.
    ended : bool
        False while the call goes on: its closing is not asked for.
    config : WarmthConfig, optional
    """
    config = config or WarmthConfig()
    heard = in_time(utterances)
    agent = [u for u in heard if u.channel is Channel.AGENT]
    items = {"patience": _patience(cues, turns, config=config)}
    why = None
    if turns.side(Channel.MIXED):
        why = "One mixed track: nobody knows which words are the agent's."
    elif sum(count_words(said(u)) for u in agent) < config.least_words:
        why = "Too few words of the agent were transcribed."
    elif not cues.cover(agent):
        why = "There are no phrases for the agent's language."
    if why:
        items |= {name: (None, (), why) for name in ITEMS if name != "patience"}
    else:
        items |= {
            "greeting": _greeting(agent, cues, config=config),
            "name_use": _name_use(agent, cues),
            "empathy": _empathy(heard, cues, config=config),
            "acknowledgement": _halves(
                cues.of("acknowledgement"),
                cues.of("restating"),
                names=("acknowledged what the caller said", "restated it"),
            ),
            "ownership": _halves(
                cues.of("ownership"), cues.of("next_step"), names=("took it on", "named the next step")
            ),
            "closing": _closing(agent, cues, config=config) if ended else (None, (), "The call goes on."),
        }
    scored = {name: score for name, (score, _, _) in items.items() if score is not None}
    share = sum(config.weights[name] for name in scored) / sum(config.weights[name] for name in ITEMS)
    overall = sum(100.0 * config.weights[name] * score for name, score in scored.items())
    return Warmth(
        overall=overall / sum(config.weights[name] for name in scored) if share >= config.least_share else None,
        measured_share=share,
        items=tuple(
            WarmthItem(name=name, score=score, weight=config.weights[name], quotes=quotes, note=note)
            for name in ITEMS
            for score, quotes, note in [items[name]]
        ),
    )


_Finding = tuple[float | None, tuple[Quote, ...], str]


def _halves(one: Sequence[Cue], two: Sequence[Cue], *, names: tuple[str, str]) -> _Finding:
    found = [name for name, cues in zip(names, (one, two), strict=True) if cues]
    missing = [name for name in names if name not in found]
    parts = [f"The agent {' and '.join(found)}."] if found else []
    parts += [f"Not heard: {', '.join(missing)}."] if missing else []
    return len(found) / 2, _quotes([*one, *two]), " ".join(parts)


def _greeting(agent: Sequence[ScoredUtterance], cues: Cues, *, config: WarmthConfig) -> _Finding:
    until_s = agent[0].start_s + config.opening_s
    early = [cue for cue in cues.of("greeting", "introduction") if cue.utterance.start_s <= until_s]
    score, _, note = _halves(
        [cue for cue in early if cue.rule == "salutation"],
        [cue for cue in early if cue.rule != "salutation"],
        names=("greeted", "gave a name or offered help"),
    )
    return score, _joined(early), note


def _closing(agent: Sequence[ScoredUtterance], cues: Cues, *, config: WarmthConfig) -> _Finding:
    last = {u.index for u in agent[1:][-config.closing_utterances :]}
    late = [cue for cue in cues.of("closing") if cue.utterance.index in last]
    return _halves(
        [cue for cue in late if cue.rule == "anything_else"],
        [cue for cue in late if cue.rule != "anything_else"],
        names=("asked whether anything is left", "said goodbye"),
    )


def _name_use(agent: Sequence[ScoredUtterance], cues: Cues) -> _Finding:
    names = set()
    for cue in cues.of("self_name"):
        following = [match.group() for match in tokens(said(cue.utterance)[cue.end :])[:2]]
        names |= {word.casefold() for word in takewhile(lambda word: word[0].isupper() and len(word) > 1, following)}
    introduced = cues.places("introduction")
    own = cues.of("own_name")
    quotes = list(
        _quotes(
            cue
            for cue in cues.of("address")
            if cue.utterance is not agent[0] and not _is_own(own, cue.utterance, cue.start)
        )
    )
    for utterance in agent[1:]:
        if (utterance.channel, utterance.index) in introduced:
            continue
        quotes += [
            quote(utterance, match.group())
            for match in tokens(said(utterance))
            if (match.group().casefold() in names or match.group().casefold() in _NAME_MARKS)
            and not _is_own(own, utterance, match.start())
        ]
    if quotes:
        return 1.0, tuple(quotes), "The agent used the caller's name."
    return 0.0, (), "The agent did not use the caller's name, or speech recognition missed it."


def _is_own(announced: Iterable[Cue], utterance: ScoredUtterance, start: int) -> bool:
    """Return whether the name at character `start` is announced as the speaker's own: no word lies between."""
    text = said(utterance)
    return any(
        cue.utterance is utterance and cue.start <= start and not tokens(text[cue.end : start]) for cue in announced
    )


def _empathy(heard: Sequence[ScoredUtterance], cues: Cues, *, config: WarmthConfig) -> _Finding:
    kind, against = cues.of("empathy", "apology"), cues.of("dismissive")
    troubled = bool(cues.of("unresolved", "repeated", "contact_again")) or len(cues.of("problem")) >= 2
    called_for = troubled or any(
        (u.score is not None and u.score.stress >= config.stressed)
        or (u.frustration is not None and u.frustration.prob >= config.frustrated)
        for u in heard
        if u.channel is Channel.CALLER
    )
    quotes = _quotes([*kind, *against])
    if not called_for and not quotes:
        return None, (), "Nothing in the call asked for empathy."
    score = {0: 0.0, 1: 0.6}.get(len(kind), 1.0) - 0.5 * len(against)
    note = f"{counted(len(kind), 'word')} of empathy or apology"
    note += f", {counted(len(against), 'that dismisses', 'that dismiss')}." if against else "."
    return max(0.0, score), quotes, note


def _patience(cues: Cues, turns: TurnTaking, *, config: WarmthConfig) -> _Finding:
    agent, caller = turns.side(Channel.AGENT), turns.side(Channel.CALLER)
    if agent is None or caller is None or not agent.turns or not caller.turns:
        return None, (), "Both sides are needed, each on its own track."
    parts, notes = [], []
    if agent.interruptions is not None and caller.talk_s > 0.0:
        per_min = agent.interruptions / max(1.0, caller.talk_s / 60.0)
        parts.append(_falling(per_min, full=0.0, none=config.bad_interruptions_per_min))
        notes.append(f"{counted(agent.interruptions, 'interruption')} by the agent")
    if agent.latency_median_s is not None:
        parts.append(_falling(agent.latency_median_s, full=config.good_latency_s, none=config.bad_latency_s))
        notes.append(f"answers after {agent.latency_median_s:.1f} s (median)")
    if agent.rate_per_min is not None and agent.rate_unit in config.fast_per_min:
        fast = config.fast_per_min[agent.rate_unit]
        parts.append(_falling(agent.rate_per_min, full=fast, none=1.5 * fast))
        notes.append(f"{agent.rate_per_min:.0f} {agent.rate_unit} a minute")
    silent_s = sum(
        silence.duration_s
        for silence in turns.silences or ()
        if silence.owner is Channel.AGENT and silence.reason is not SilenceReason.HOLD
    )
    if silent_s:
        notes.append(f"{silent_s:.0f} s of silence without a word why")
    rushing = cues.of("rushing")
    score = sum(parts) / len(parts) if parts else None
    if score is not None:
        score = max(0.0, score - 0.34 * len(rushing))
    return score, _quotes(rushing), "; ".join(notes).capitalize() + "."


def _joined(cues: Sequence[Cue]) -> tuple[Quote, ...]:
    """Quote the cues, those of one utterance from the first to the last as one: a greeting has several parts."""
    together: dict[tuple[Channel, int], list[Cue]] = {}
    for cue in sorted(cues, key=lambda cue: (cue.utterance.start_s, cue.start)):
        together.setdefault(cue.place, []).append(cue)
    return tuple(
        quote(first.utterance, said(first.utterance)[first.start : max(cue.end for cue in same)])
        for same in together.values()
        for first in same[:1]
    )


def _falling(value: float, *, full: float, none: float) -> float:
    return min(1.0, max(0.0, (none - value) / (none - full))) if math.isfinite(value) else 0.0


def _quotes(cues: Iterable[Cue]) -> tuple[Quote, ...]:
    return tuple(cue.quote for cue in sorted(cues, key=lambda cue: (cue.utterance.start_s, cue.start)))

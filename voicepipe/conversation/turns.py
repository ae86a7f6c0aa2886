"""Who spoke when, for how long, over whom, and who let whom wait.

The terms are those of conversation analysis. A *spurt* is speech of one side without a pause long enough to end an
utterance; a *turn* is what one side says until the other takes the floor; a *backchannel* ("uh-huh") is a short spurt
inside the other's speech that takes no floor [1]_. Between two turns lies a *gap* or an *overlap*; its length, negative
where the turns overlap, is the *floor transfer offset* [2]_.

One mixed track tells nothing of who spoke: then all that needs two sides is None, and silences have no owner. With only
one side recorded, silences cannot be told from the other side's speech and are None too.

References
----------
.. [1] Sacks, Schegloff and Jefferson, "A simplest systematics for the organization of turn-taking for conversation",
   Language 50 (1974); Schegloff, "Discourse as an interactional achievement", Georgetown University Round Table (1982).
.. [2] Heldner and Edlund, "Pauses, gaps and overlaps in conversations", Journal of Phonetics 38 (2010).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from voicepipe.conversation.silence import Silence, find_silences
from voicepipe.conversation.spurts import Lanes, Spurt, TurnConfig, find_lane
from voicepipe.conversation.wording import Unit, count_words, in_time, main_language, said, unit_of
from voicepipe.types import Channel, ScoredUtterance


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one side says until the other takes the floor.

    Attributes
    ----------
    channel : Channel
    start_s, end_s : float
        Offsets in the call of its first and last speech.
    utterances : tuple of ScoredUtterance
        In order of time.
    """

    channel: Channel
    start_s: float
    end_s: float
    utterances: tuple[ScoredUtterance, ...]

    @property
    def duration_s(self) -> float:
        """Length in seconds, pauses included."""
        return self.end_s - self.start_s

    @property
    def text(self) -> str:
        """What was said, as far as it was transcribed."""
        return " ".join(u.transcript.text for u in self.utterances if u.transcript and u.transcript.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interruption:
    """One side starts into the other's speech and goes on.

    Attributes
    ----------
    by : Channel
        The side that started second.
    at_s : float
        Offset in the call.
    overlap_s : float
        How long both spoke.
    took_floor : bool
        True where the interrupter was still speaking when the other fell silent.
    index : int
        Index, within its channel, of the interrupter's utterance.
    """

    by: Channel
    at_s: float
    overlap_s: float
    took_floor: bool
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SideTalk:
    """How one side (or the one mixed track) spoke.

    Attributes
    ----------
    channel : Channel
    talk_s : float
        Seconds that the voice detector called speech.
    turns : int or None
        Number of turns; None for a mixed track, as all of the next six.
    longest_turn_s : float or None
        Seconds, pauses within it included; None without a turn.
    latency_median_s, latency_p90_s : float or None
        Floor transfer offset from the end of the other side's turn to the start of this side's, in seconds; negative
        where this side began before the other had ended. None without a change of speaker.
    latencies : int or None
        Changes of speaker behind them.
    interruptions : int or None
        How often this side interrupted the other.
    monologues : int or None
        Stretches of at least `TurnConfig.monologue_s`.
    silence_s : float or None
        Seconds of the silences that this side owns; None where silences are not known.
    rate_per_min : float or None
        `rate_unit` per minute of speech, pauses within utterances as the detector hears them left out; None with less
        than 5 s of transcribed speech.
    rate_unit : {'words', 'characters', 'letters'}
        Characters of Chinese and Japanese, letters of another language written without spaces.
    """

    channel: Channel
    talk_s: float
    turns: int | None
    longest_turn_s: float | None
    latency_median_s: float | None
    latency_p90_s: float | None
    latencies: int | None
    interruptions: int | None
    monologues: int | None
    silence_s: float | None
    rate_per_min: float | None
    rate_unit: Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTaking:
    """The turn-taking of one call, or of the call so far.

    Attributes
    ----------
    duration_s : float
        Length of the call.
    sides : tuple of SideTalk
        One per recorded track: caller, agent; or the one mixed track.
    agent_talk_ratio : float or None
        The agent's share of all talk, 0..1; None unless both sides are recorded and somebody spoke.
    overlap_s : float or None
        Seconds in which both spoke, backchannels included; None unless both sides are recorded.
    turns : tuple of Turn
        Both sides in order of time; empty for a mixed track.
    interruptions : tuple of Interruption or None
        None unless both sides are recorded.
    silences : tuple of Silence or None
        Longer than `TurnConfig.silence_s`; None with one side alone.
    silence_s : float or None
        Their sum.
    """

    duration_s: float
    sides: tuple[SideTalk, ...]
    agent_talk_ratio: float | None
    overlap_s: float | None
    turns: tuple[Turn, ...]
    interruptions: tuple[Interruption, ...] | None
    silences: tuple[Silence, ...] | None
    silence_s: float | None

    def side(self, channel: Channel) -> SideTalk | None:
        """Return what is known of one side; None where it is not recorded."""
        return next((side for side in self.sides if side.channel is channel), None)


def measure_turns(
    utterances: Iterable[ScoredUtterance],
    *,
    duration_s: float,
    channels: Sequence[Channel],
    holds: Iterable[tuple[Channel, int]] = (),
    questions: Iterable[tuple[Channel, int]] = (),
    config: TurnConfig | None = None,
) -> TurnTaking:
    """Measure the turn-taking of one call.

    Parameters
    ----------
    utterances : iterable of ScoredUtterance
        Of all channels, in any order. Where they lie and what was said count; scores do not.
    duration_s : float
        Length of the call, or of the call so far.
    channels : sequence of Channel
        The tracks that were recorded (`Call.channels`): an agent who was not recorded is not a silent agent.
    holds, questions : iterable of (channel, index)
        Utterances in which the agent asked the caller to wait, and those that end with a question; they decide whose a
        silence is. A question mark at the end of the text counts without being named.
    config : TurnConfig, optional
    """
    config = config or TurnConfig()
    heard = in_time(utterances)
    present = [channel for channel in (Channel.CALLER, Channel.AGENT, Channel.MIXED) if channel in channels]
    lanes = {channel: find_lane(heard, channel=channel, config=config) for channel in present}
    spurts = sorted((s for lane in lanes.values() for s in lane.spurts), key=lambda s: (s.start_s, s.end_s))
    two_sided = Channel.CALLER in lanes and Channel.AGENT in lanes
    turns = () if Channel.MIXED in lanes else _turns(spurts, lanes)
    interruptions = tuple(_interruptions(spurts, lanes, config=config)) if two_sided else None
    silences = (
        tuple(
            find_silences(
                spurts, duration_s=duration_s, holds=frozenset(holds), questions=frozenset(questions), config=config
            )
        )
        if two_sided or Channel.MIXED in lanes
        else None
    )
    talk_s = {channel: sum(u.speech_s for u in heard if u.channel is channel) for channel in present}
    all_s = sum(talk_s.values())
    measured = TurnTaking(
        duration_s=duration_s,
        sides=(),
        agent_talk_ratio=talk_s[Channel.AGENT] / all_s if two_sided and all_s > 0.0 else None,
        overlap_s=_overlap_s(lanes) if two_sided else None,
        turns=turns,
        interruptions=interruptions,
        silences=silences,
        silence_s=sum(silence.duration_s for silence in silences) if silences is not None else None,
    )
    return replace(
        measured,
        sides=tuple(
            _side(
                [u for u in heard if u.channel is channel],
                channel=channel,
                measured=measured,
                monologues=_monologues(spurts, channel=channel, config=config) if two_sided else None,
            )
            for channel in present
        ),
    )


def speech_rate(utterances: Iterable[ScoredUtterance], *, least_s: float = 5.0) -> float | None:
    """Return words (see `count_words`) per minute of speech; None below `least_s` of it."""
    spoken = [(count_words(said(u)), u.speech_s) for u in utterances if said(u)]
    speech_s = sum(seconds for _, seconds in spoken)
    return 60.0 * sum(words for words, _ in spoken) / speech_s if speech_s >= least_s else None


def _turns(spurts: Sequence[Spurt], lanes: Lanes) -> tuple[Turn, ...]:
    floor = [spurt for spurt in spurts if not any(other.holds(spurt) for other in _during(spurt, lanes))]
    groups: list[list[Spurt]] = []
    for spurt in floor:
        if groups and groups[-1][-1].channel is spurt.channel:
            groups[-1].append(spurt)
        else:
            groups.append([spurt])
    return tuple(
        Turn(
            channel=group[0].channel,
            start_s=group[0].start_s,
            end_s=group[-1].end_s,
            utterances=tuple(u for spurt in group for u in spurt.utterances),
        )
        for group in groups
    )


def _during(spurt: Spurt, lanes: Lanes) -> Iterable[Spurt]:
    """Spurts of the other channels that overlap with one."""
    return (other for channel, lane in lanes.items() if channel is not spurt.channel for other in lane.during(spurt))


def _interruptions(spurts: Sequence[Spurt], lanes: Lanes, *, config: TurnConfig) -> Iterable[Interruption]:
    for spurt in spurts:
        if spurt.duration_s < config.backchannel_s:
            continue
        for other in _during(spurt, lanes):
            if not other.start_s < spurt.start_s:
                continue
            overlap_s = min(other.end_s, spurt.end_s) - spurt.start_s
            if overlap_s >= config.interruption_s:
                yield Interruption(
                    by=spurt.channel,
                    at_s=spurt.start_s,
                    overlap_s=overlap_s,
                    took_floor=spurt.end_s > other.end_s,
                    index=spurt.utterances[0].index,
                )
                break


def _overlap_s(lanes: Lanes) -> float:
    return sum(
        min(own.end_s, other.end_s) - max(own.start_s, other.start_s)
        for own in lanes[Channel.CALLER].spurts
        for other in lanes[Channel.AGENT].during(own)
    )


def _side(
    utterances: Sequence[ScoredUtterance], *, channel: Channel, measured: TurnTaking, monologues: int | None
) -> SideTalk:
    own = [turn for turn in measured.turns if turn.channel is channel]
    latencies_s = [turn.start_s - before.end_s for before, turn in pairwise(measured.turns) if turn.channel is channel]
    two_sided = measured.interruptions is not None
    return SideTalk(
        channel=channel,
        talk_s=sum(u.speech_s for u in utterances),
        turns=None if channel is Channel.MIXED else len(own),
        longest_turn_s=max((turn.duration_s for turn in own), default=None),
        latency_median_s=float(np.median(latencies_s)) if latencies_s else None,
        latency_p90_s=float(np.percentile(latencies_s, 90)) if latencies_s else None,
        latencies=len(latencies_s) if two_sided else None,
        interruptions=sum(found.by is channel for found in measured.interruptions or ()) if two_sided else None,
        monologues=monologues,
        silence_s=sum(s.duration_s for s in measured.silences or () if s.owner is channel) if two_sided else None,
        rate_per_min=speech_rate(utterances),
        rate_unit=unit_of(main_language(utterances)),
    )


def _monologues(spurts: Sequence[Spurt], *, channel: Channel, config: TurnConfig) -> int:
    count, start_s, end_s = 0, math.nan, math.nan
    for spurt in [*spurts, None]:
        goes_on = spurt is not None and (
            spurt.start_s - end_s <= config.silence_s
            if spurt.channel is channel
            else spurt.duration_s < config.backchannel_s
        )
        if not goes_on:
            count += end_s - start_s >= config.monologue_s
            start_s = end_s = math.nan
        if spurt is not None and spurt.channel is channel:
            start_s = spurt.start_s if math.isnan(start_s) else start_s
            end_s = spurt.end_s if math.isnan(end_s) else max(end_s, spurt.end_s)
    return count

"""Spurts: speech of one side between two of its pauses."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from voicepipe.types import Channel, ScoredUtterance


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnConfig:
    """Where a turn, an interruption, a silence and a monologue begin.

    Attributes
    ----------
    padding_s : float
        Audio that the segmenter keeps on both sides of the speech (`SegmenterConfig.padding_s`); it is taken off again,
        else every quick answer would count as an overlap.
    joined_s : float
        Utterances of one side with less than this between them are one spurt: a cut for length, not a pause.
    backchannel_s : float
        A spurt shorter than this that begins and ends within the other's speech takes no floor. Backchannels last
        0.2 to 1 s [1]_.
    interruption_s : float
        Overlap from which a start into the other's speech is an interruption; overlap at the end of a turn is below
        this in nearly all cases [1]_.
    silence_s : float
        A silence counts when it is longer. 3 s is where quality monitoring and conversational analytics products put
        it; within conversation, silences above 1 s are already marked (Jefferson 1989).
    monologue_s : float
        A monologue lasts at least this long without the other side saying more than a backchannel.

    References
    ----------
    .. [1] Levinson and Torreira, "Timing in turn-taking and its implications for processing models of language",
       Frontiers in Psychology 6:731 (2015): most overlaps at turn ends are below 0.5 s.
    """

    padding_s: float = 0.16
    joined_s: float = 0.05
    backchannel_s: float = 1.0
    interruption_s: float = 0.5
    silence_s: float = 3.0
    monologue_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spurt:
    """Speech of one side between two of its pauses, the segmenter's padding taken off."""

    channel: Channel
    start_s: float
    end_s: float
    utterances: tuple[ScoredUtterance, ...]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.end_s - self.start_s

    def holds(self, other: "Spurt") -> bool:
        """Tell whether the other side's spurt begins and ends within this one."""
        return (
            self.channel is not other.channel
            and self.start_s <= other.start_s
            and other.end_s <= self.end_s
            and self.duration_s > other.duration_s
        )


@dataclass(frozen=True, slots=True)
class Lane:
    """The spurts of one channel, in order of time, none overlapping another.

    Parameters
    ----------
    spurts : tuple of Spurt
    """

    spurts: tuple[Spurt, ...]

    def during(self, spurt: Spurt) -> Sequence[Spurt]:
        """Return those that overlap with a spurt (of another channel), in order of time."""
        first = bisect_right(self.spurts, spurt.start_s, key=lambda own: own.end_s)
        return self.spurts[first : bisect_left(self.spurts, spurt.end_s, key=lambda own: own.start_s)]


Lanes = Mapping[Channel, Lane]
"""One lane per recorded channel."""


def find_lane(heard: Sequence[ScoredUtterance], *, channel: Channel, config: TurnConfig) -> Lane:
    """Join the utterances of one channel, given in order of time, to spurts."""
    groups: list[list[ScoredUtterance]] = []
    for utterance in heard:
        if utterance.channel is not channel:
            continue
        if groups and utterance.start_s - groups[-1][-1].end_s < config.joined_s:
            groups[-1].append(utterance)
        else:
            groups.append([utterance])
    spurts = []
    for group in groups:
        start_s, end_s = group[0].start_s, max(u.end_s for u in group)
        padding_s = min(config.padding_s, (end_s - start_s) / 4)
        spurts.append(
            Spurt(
                channel=channel,
                start_s=start_s + padding_s if start_s > 0.0 else start_s,
                end_s=end_s - padding_s,
                utterances=tuple(group),
            )
        )
    return Lane(tuple(spurts))

"""Silences over 3 s, and whose they are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from voicepipe.conversation.spurts import Spurt, TurnConfig
from voicepipe.conversation.wording import said
from voicepipe.types import Channel


class SilenceReason(StrEnum):
    """Why a silence is whose it is."""

    HOLD = "hold"
    """The agent asked the caller to wait: the agent's."""
    QUESTION = "question"
    """A question was asked: the other side's, which was selected to speak next."""
    PAUSE = "pause"
    """The same side spoke on: its own."""
    GAP = "gap"
    """The other side took the floor in the end: its own, as the one that did not just speak."""
    EDGE = "edge"
    """Before the first or after the last speech: nobody's."""
    MIXED = "mixed"
    """One mixed track: not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Nobody speaks for longer than `TurnConfig.silence_s`.

    Attributes
    ----------
    start_s, end_s : float
        Offsets in the call.
    owner : Channel or None
        The side that was expected to speak; None where that is not known.
    reason : SilenceReason
    """

    start_s: float
    end_s: float
    owner: Channel | None
    reason: SilenceReason

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.end_s - self.start_s


def find_silences(
    spurts: Sequence[Spurt],
    *,
    duration_s: float,
    holds: frozenset[tuple[Channel, int]],
    questions: frozenset[tuple[Channel, int]],
    config: TurnConfig,
) -> Iterable[Silence]:
    """Find the silences of a call in which all sides were recorded, or one mixed track.

    Who was expected to speak follows the rules of turn allocation (Sacks, Schegloff and Jefferson 1974): whoever asked
    for time owes the next turn; a question selects the other side; a silence after which the same side speaks on has
    become its pause; any other belongs to the side that did not just speak and in the end took the floor.

    Parameters
    ----------
    spurts : sequence of Spurt
        Of all channels, by their start.
    duration_s : float
        Length of the call.
    holds, questions : frozenset of (channel, index)
        As for `voicepipe.conversation.turns.measure_turns`.
    config : TurnConfig
    """
    end_s, last, agent = 0.0, None, None
    for spurt in [*spurts, None]:
        start_s = spurt.start_s if spurt else duration_s
        if start_s - end_s > config.silence_s:
            owner, reason = _owner(last, agent, spurt, holds=holds, questions=questions)
            yield Silence(start_s=end_s, end_s=start_s, owner=owner, reason=reason)
        if spurt and (last is None or spurt.end_s > end_s):
            end_s, last = spurt.end_s, spurt
        if spurt and spurt.channel is Channel.AGENT:
            agent = spurt


def _owner(
    last: Spurt | None,
    agent: Spurt | None,
    following: Spurt | None,
    *,
    holds: frozenset[tuple[Channel, int]],
    questions: frozenset[tuple[Channel, int]],
) -> tuple[Channel | None, SilenceReason]:
    if Channel.MIXED in {spurt.channel for spurt in (last, following) if spurt}:
        return None, SilenceReason.MIXED
    if last is None:
        return None, SilenceReason.EDGE
    if agent and any((u.channel, u.index) in holds for u in agent.utterances):
        return Channel.AGENT, SilenceReason.HOLD
    if following is None:
        return None, SilenceReason.EDGE
    ending = last.utterances[-1]
    if said(ending).endswith(("?", "？")) or (ending.channel, ending.index) in questions:
        other = Channel.AGENT if last.channel is Channel.CALLER else Channel.CALLER
        return other, SilenceReason.QUESTION
    if following.channel is last.channel:
        return last.channel, SilenceReason.PAUSE
    return following.channel, SilenceReason.GAP

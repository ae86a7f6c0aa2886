"""What is left out first when the machine is too slow for its calls: agent's text, caller's text, embedding."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from voicepipe.types import Channel, Recognition, Utterance

if TYPE_CHECKING:
    from voicepipe.pipeline.call import CallAnalysis

_FIRST_COST_S = 0.1
"""Guess of what one utterance takes, until the first ones were measured."""

_COST_MEMORY = 0.9
"""Weight of the past in the running mean of what an utterance takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolConfig:
    """How many live calls share the machine, and what is left out first when it is too slow for them.

    Attributes
    ----------
    workers : int
        Threads that recognise and score; about the number of cores.
    tick_s : float
        Voice activity runs over all calls this often. Longer is cheaper and later.
    gather_s : float
        An utterance waits so long, while another worker recognises, for others to be recognised with it. Longer is
        cheaper and later.
    max_calls : int
        Calls at a time.
    max_buffer_s : float
        Audio of one call, in seconds of one track, that waits to be heard: while the models load, or while the
        machine is too busy even for voice activity. What comes beyond it is lost and counted as ``late_audio``.
    max_waiting : int
        Utterances that wait to be understood; while there are as many, no more audio is heard.
    shed_agent_text_s : float
        Longest wait for a worker, expected or spent, beyond which the agent's utterances get no text.
    shed_caller_text_s : float
        ... beyond which the caller's utterances get no text either ...
    shed_embedding_s : float
        ... and beyond which they are scored by prosody alone, without the embedding.
    """

    workers: int = 2
    tick_s: float = 0.4
    gather_s: float = 0.25
    max_calls: int = 200
    max_buffer_s: float = 60.0
    max_waiting: int = 512
    shed_agent_text_s: float = 3.5
    shed_caller_text_s: float = 3.75
    shed_embedding_s: float = 4.0

    def __post_init__(self) -> None:
        if self.workers < 1 or self.max_calls < 1 or self.max_waiting < 1:
            raise ValueError(
                f"workers {self.workers}, max_calls {self.max_calls}, max_waiting {self.max_waiting}: "
                "each must be 1 or more"
            )
        if not 0.0 < self.tick_s <= 2.0 or self.max_buffer_s <= 0.0:
            raise ValueError(f"tick_s {self.tick_s} must lie in (0, 2], max_buffer_s {self.max_buffer_s} above 0")
        if not 0.0 <= self.gather_s <= 2.0:
            raise ValueError(f"gather_s {self.gather_s} must lie in [0, 2]")
        if not 0.0 < self.shed_agent_text_s <= self.shed_caller_text_s <= self.shed_embedding_s:
            raise ValueError(
                f"shed_agent_text_s {self.shed_agent_text_s}, shed_caller_text_s {self.shed_caller_text_s}, "
                f"shed_embedding_s {self.shed_embedding_s}: each must be above 0 and not below the one before"
            )


class Effort(IntEnum):
    """How much of the encoder and decoder an utterance gets."""

    NOTHING = 0
    EMBEDDING = 1
    TEXT = 2


@dataclass(slots=True, eq=False)
class Waiting:
    """An utterance on its way to being understood."""

    utterance: Utterance
    since_s: float
    effort: Effort
    taken: bool = False
    recognition: Recognition | None = None
    recognized: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it still asks for a worker."""
        return not self.taken and self.effort is not Effort.NOTHING

    @property
    def ready(self) -> bool:
        """Whether it can be understood."""
        return self.recognized or self.effort is Effort.NOTHING


@dataclass(slots=True)
class Costs:
    """Running means of what the work takes.

    Attributes
    ----------
    recognize_s : dict of Effort to float
        Of one utterance.
    understand_s : float
        Of one utterance of a caller.
    hear_s : float
        The latest tick of voice activity over all calls.
    """

    recognize_s: dict[Effort, float] = field(
        default_factory=lambda: {Effort.TEXT: _FIRST_COST_S, Effort.EMBEDDING: _FIRST_COST_S, Effort.NOTHING: 0.0}
    )
    understand_s: float = 0.0
    hear_s: float = 0.0

    def recognized(self, effort: Effort, took_s: float) -> None:
        """Take note of how long an utterance took to recognise."""
        self.recognize_s[effort] = _mean(self.recognize_s[effort], took_s)

    def understood(self, took_s: float) -> None:
        """Take note of how long an utterance of a caller took to understand."""
        self.understand_s = _mean(self.understand_s, took_s)


def full_effort(analysis: "CallAnalysis", utterance: Utterance) -> Effort:
    """Return what an utterance gets when there is time for everything."""
    if not analysis.wants_recognition(utterance):
        return Effort.NOTHING
    return Effort.TEXT if analysis.wants_text(utterance) else Effort.EMBEDDING


def to_lower(
    queued: Iterable[Waiting], *, now_s: float, costs: Costs, config: PoolConfig
) -> Iterator[tuple[Waiting, Effort]]:
    """Yield what is to be left out so that others do not wait too long, oldest first; slow hearing counts as waiting.

    Parameters
    ----------
    queued : iterable of Waiting
        Those that ask for a worker.
    now_s : float
    costs : Costs
    config : PoolConfig

    Yields
    ------
    one : Waiting
    effort : Effort
        What it gets instead.
    """
    oldest_first = sorted(queued, key=lambda one: one.since_s)
    agent = [one for one in oldest_first if one.utterance.channel is Channel.AGENT]
    caller = [one for one in oldest_first if one.utterance.channel is not Channel.AGENT]
    efforts = {id(one): one.effort for one in oldest_first}
    work_s = sum(costs.recognize_s[one.effort] for one in oldest_first) + len(caller) * costs.understand_s
    backlog_s = costs.hear_s + work_s / config.workers
    for candidates, limit_s, effort in (
        (agent, config.shed_agent_text_s, Effort.NOTHING),
        (caller, config.shed_caller_text_s, Effort.EMBEDDING),
        (caller, config.shed_embedding_s, Effort.NOTHING),
    ):
        for one in candidates:
            if backlog_s <= limit_s and costs.hear_s + now_s - one.since_s <= limit_s:
                break
            if efforts[id(one)] > effort:
                backlog_s -= (costs.recognize_s[efforts[id(one)]] - costs.recognize_s[effort]) / config.workers
                efforts[id(one)] = effort
                yield one, effort


def _mean(before_s: float, now_s: float) -> float:
    return _COST_MEMORY * before_s + (1.0 - _COST_MEMORY) * now_s

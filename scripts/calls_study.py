"""Calls that were scored: what detectors are compared on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from stress_calls import Scenario, ScoredCall, detect

from voicepipe.stress.calm import CalmReference
from voicepipe.stress.episode import EpisodeConfig
from voicepipe.types import EpisodeState

CALM_SCENARIOS = (Scenario.CALM, Scenario.OUTBURST)
QUIET_SCENARIOS = (*CALM_SCENARIOS, Scenario.HAPPY, Scenario.SAD)
"""Calls in which every alarm is false."""


def scores_of(one: ScoredCall) -> np.ndarray:
    """Return the stress scores of a call, shape (n,)."""
    return np.array([utterance.score.stress for utterance in one.utterances if utterance.score is not None])


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """Everything that was scored.

    Attributes
    ----------
    calls : tuple of ScoredCall
    references : mapping of int to CalmReference
        Per fold, measured on the other folds' speakers.
    config : EpisodeConfig
    """

    calls: tuple[ScoredCall, ...]
    references: Mapping[int, CalmReference]
    config: EpisodeConfig

    def of(self, *scenarios: Scenario) -> list[ScoredCall]:
        """Return the calls of some scenarios."""
        return [one for one in self.calls if one.call.scenario in scenarios]

    def opened(self, calls: Sequence[ScoredCall], *, budget: float) -> list[list[int]]:
        """Return the utterances at which episodes opened, per call, by the detector itself."""
        config = replace(self.config, false_alarms_per_100_call_hours=budget)
        out = []
        for one in calls:
            episodes = detect(one, reference=self.references[one.call.voice.fold], config=config)
            decided = [utterance.decided_s for utterance in one.utterances]
            out.append([decided.index(e.at_s) for e in episodes if e.state is EpisodeState.OPENED])
        return out

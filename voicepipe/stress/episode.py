"""When stress persists: episodes of one call's caller, under an operator's false-alarm budget.

Each score becomes a normal score against calm speech of its kind (`voicepipe.stress.calm`), and evidence against the
caller being calm accumulates over the call (`voicepipe.stress.evidence`, which has the derivation and says what is
guaranteed). An episode opens when

* the evidence reaches the level of the budget, and
* the run of stressed speech that it rests on has `min_utterances` outbursts and `min_stressed_speech_s` seconds.

The second only ever removes alarms. Utterances that begin within `outburst_s` of the first of them are one outburst:
they share a total weight of 1, so by Hölder's inequality their product is an e-value however strongly they depend, and
they count once. So one outburst, however extreme and however it was cut, never opens an episode.

Where a run begins and an episode ends is told by Page's CUSUM (Biometrika 41, 1954) of the evidence against an ordinary
caller. Everything is nondecreasing in every score: more stress never delays an alarm. Nothing here depends on when or
in what portions the utterances were delivered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.special import ndtri

from voicepipe.stress.calm import CalmKind, CalmReference
from voicepipe.stress.evidence import OFFSETS, STAKES, accumulate, bets, log_evidence
from voicepipe.types import (
    Channel,
    ConfigError,
    DoubleArray,
    Episode,
    EpisodeEvidence,
    EpisodeState,
    Reason,
    ScoredUtterance,
    StressScore,
)

ORDINARY = (0, 0)
"""Offset and stake by which the onset and the end of an episode are located: an ordinary caller, plain stress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeConfig:
    """What counts as persistent stress.

    Attributes
    ----------
    false_alarms_per_100_call_hours : float
        The budget: episodes that may open, on average over callers, in 100 hours of calls with calm callers.
    min_stressed_speech_s : float
        Seconds of stressed speech an episode needs before it opens.
    min_utterances : int
        Stressed utterances it needs, pieces of one outburst counting once; 2 or more.
    stressed_p_value : float
        An utterance is called stressed when at most this share of calm speech scores as high.
    full_weight_speech_s : float
        Utterances with less speech than this count in proportion.
    outburst_s : float
        Utterances that begin within this time of the first of them count as one.
    close_evidence : float
        Hysteresis: natural logarithm of the evidence for calm speech that closes an episode.
    cool_down_s : float
        No episode opens sooner after the one before was closed.
    growing_per_100_call_hours : float
        Evidence that calm callers reach less often than this freezes the caller's baseline. Not part of the budget, so
        that scores do not depend on it.
    """

    false_alarms_per_100_call_hours: float = 1.0
    min_stressed_speech_s: float = 5.0
    min_utterances: int = 3
    stressed_p_value: float = 0.1
    full_weight_speech_s: float = 1.0
    outburst_s: float = 5.0
    close_evidence: float = 3.0
    cool_down_s: float = 60.0
    growing_per_100_call_hours: float = 100.0

    def __post_init__(self) -> None:
        for name in (
            "false_alarms_per_100_call_hours",
            "full_weight_speech_s",
            "close_evidence",
            "growing_per_100_call_hours",
        ):
            if not getattr(self, name) > 0.0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be above 0.")
        for name in ("min_stressed_speech_s", "outburst_s", "cool_down_s"):
            if not getattr(self, name) >= 0.0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must not be negative.")
        if self.min_utterances < 2:
            raise ConfigError(
                f"min_utterances is {self.min_utterances}; one outburst must never open an episode: 2 up."
            )
        if not 0.0 < self.stressed_p_value < 0.5:
            raise ConfigError(f"stressed_p_value is {self.stressed_p_value}; it must lie between 0 and 0.5.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stressed:
    """A stressed utterance of the current run."""

    index: int
    burst: int
    start_s: float
    end_s: float
    speech_s: float
    stress: float


class EpisodeDetector:
    """Finds persistent stress in one channel of one call.

    Parameters
    ----------
    call_id : str
    channel : Channel
        CALLER or MIXED.
    config : EpisodeConfig
    reference : CalmReference
        Of the scorer whose scores will be given.
    """

    def __init__(self, *, call_id: str, channel: Channel, config: EpisodeConfig, reference: CalmReference) -> None:
        self._call_id = call_id
        self._channel = channel
        self._config = config
        self._reference = reference
        self._log_level = reference.log_level(config.false_alarms_per_100_call_hours)
        self._log_growing = reference.log_level(config.growing_per_100_call_hours)
        self._mass: DoubleArray = np.zeros((len(OFFSETS), len(STAKES)))
        self._heard_s = 0.0
        self._burst = -1
        self._burst_start_s = -np.inf
        self._burst_weight = 0.0
        self._onset = 0.0
        self._run: list[_Stressed] = []
        self._open = False
        self._closed_count = 0
        self._quiet_until_s = 0.0

    @property
    def growing(self) -> bool:
        """True while evidence of stress grows or an episode is open: the caller's baseline is to be frozen."""
        return self._open or self.log_e >= self._log_growing

    @property
    def persistent(self) -> bool:
        """True when the present run of stressed speech has the least utterances and seconds that an episode needs."""
        bursts = len({stressed.burst for stressed in self._run})
        speech_s = sum(stressed.speech_s for stressed in self._run)
        return bursts >= self._config.min_utterances and speech_s >= self._config.min_stressed_speech_s

    @property
    def log_e(self) -> float:
        """Natural logarithm of the evidence so far, in calm call-hours per such finding; -inf at the start."""
        return float(log_evidence(self._mass))

    def update(self, utterance: ScoredUtterance) -> tuple[Episode, ...]:
        """Take the next utterance of the channel.

        Parameters
        ----------
        utterance : ScoredUtterance
            In the order they were spoken. One without a score changes nothing.

        Returns
        -------
        tuple of Episode
            What was opened or closed by it; mostly empty.
        """
        score = utterance.score
        if score is None:
            return ()
        calm = self._reference.kinds[CalmKind.of(score)]
        z = float(calm.normal_scores(score.stress))
        weight = self._weigh(utterance, score)
        call_hours = max(0.0, utterance.end_s - self._heard_s) / 3600.0
        self._heard_s = max(self._heard_s, utterance.end_s)
        e_values = bets(z, weight=weight, between_sd=calm.between_sd, within_sd=calm.within_sd)
        self._mass = accumulate(self._mass, call_hours=call_hours, e_values=e_values)
        self._follow(utterance, score, float(np.log(e_values[ORDINARY])), z)
        if self._open:
            return self._close(utterance.decided_s) if self._onset <= 0.0 else ()
        return self._try_open(utterance.decided_s)

    def finish(self, at_s: float) -> tuple[Episode, ...]:
        """Close an open episode at the end of the call, `at_s` seconds into it."""
        return self._close(at_s) if self._open else ()

    def _weigh(self, utterance: ScoredUtterance, score: StressScore) -> float:
        """Return the utterance's weight, within what is left to its outburst.

        The square root, since p-values are against calm speech of the same kind and know half of it already.
        """
        if utterance.start_s >= self._burst_start_s + self._config.outburst_s:
            self._burst += 1
            self._burst_start_s = utterance.start_s
            self._burst_weight = 0.0
        length = min(1.0, max(0.0, utterance.speech_s) / self._config.full_weight_speech_s)
        weight = min(float(np.sqrt(length * min(1.0, max(0.0, score.confidence)))), 1.0 - self._burst_weight)
        self._burst_weight += weight
        return weight

    def _follow(self, utterance: ScoredUtterance, score: StressScore, gain: float, z: float) -> None:
        """Locate the run of stressed speech that the evidence rests on."""
        self._onset = max(0.0, self._onset + gain)
        if self._open:
            self._onset = min(self._onset, self._config.close_evidence)
        elif self._onset <= 0.0:
            self._run.clear()
        if z >= float(ndtri(1.0 - self._config.stressed_p_value)):
            self._run.append(
                _Stressed(
                    index=utterance.index,
                    burst=self._burst,
                    start_s=utterance.start_s,
                    end_s=utterance.end_s,
                    speech_s=utterance.speech_s,
                    stress=score.stress,
                )
            )

    def _try_open(self, at_s: float) -> tuple[Episode, ...]:
        """Open an episode if the evidence and the minimum of speech are there."""
        if self.log_e < self._log_level or not self.persistent or at_s < self._quiet_until_s:
            return ()
        self._open = True
        self._onset = self._config.close_evidence
        return (self._episode(EpisodeState.OPENED, at_s),)

    def _close(self, at_s: float) -> tuple[Episode, ...]:
        """Close the open episode and start afresh."""
        closed = self._episode(EpisodeState.CLOSED, at_s)
        self._open = False
        self._closed_count += 1
        self._mass = np.zeros_like(self._mass)
        self._onset = 0.0
        self._run.clear()
        self._quiet_until_s = at_s + self._config.cool_down_s
        return (closed,)

    def _episode(self, state: EpisodeState, at_s: float) -> Episode:
        """Describe the current run."""
        speech_s = sum(stressed.speech_s for stressed in self._run)
        return Episode(
            call_id=self._call_id,
            channel=self._channel,
            index=self._closed_count,
            state=state,
            opened_s=self._run[0].start_s,
            closed_s=self._run[-1].end_s if state is EpisodeState.CLOSED else None,
            at_s=at_s,
            peak=max(stressed.stress for stressed in self._run),
            mean=sum(stressed.stress * stressed.speech_s for stressed in self._run) / speech_s,
            reasons=(Reason.STRESS_PERSISTED,),
            evidence=EpisodeEvidence(
                log_e=self.log_e,
                log_e_threshold=self._log_level,
                false_alarms_per_100_call_hours=self._config.false_alarms_per_100_call_hours,
                stressed_speech_s=speech_s,
                utterances=tuple(stressed.index for stressed in self._run),
            ),
        )

    def state(self) -> dict[str, Any]:
        """Return everything that the utterances so far left behind, as plain JSON values."""
        return {
            "mass": self._mass.tolist(),
            "heard_s": self._heard_s,
            "burst": self._burst,
            "burst_start_s": None if np.isinf(self._burst_start_s) else self._burst_start_s,
            "burst_weight": self._burst_weight,
            "onset": self._onset,
            "run": [[s.index, s.burst, s.start_s, s.end_s, s.speech_s, s.stress] for s in self._run],
            "open": self._open,
            "closed_count": self._closed_count,
            "quiet_until_s": self._quiet_until_s,
        }

    @classmethod
    def restore(
        cls,
        state: Mapping[str, Any],
        *,
        call_id: str,
        channel: Channel,
        config: EpisodeConfig,
        reference: CalmReference,
    ) -> Self:
        """Return a detector that continues where `state` was taken."""
        detector = cls(call_id=call_id, channel=channel, config=config, reference=reference)
        detector._mass = np.array(state["mass"], dtype=np.float64)
        detector._heard_s = state["heard_s"]
        detector._burst = state["burst"]
        detector._burst_start_s = -np.inf if state["burst_start_s"] is None else state["burst_start_s"]
        detector._burst_weight = state["burst_weight"]
        detector._onset = state["onset"]
        detector._run = [
            _Stressed(index=index, burst=burst, start_s=start_s, end_s=end_s, speech_s=speech_s, stress=stress)
            for index, burst, start_s, end_s, speech_s, stress in state["run"]
        ]
        detector._open = state["open"]
        detector._closed_count = state["closed_count"]
        detector._quiet_until_s = state["quiet_until_s"]
        return detector

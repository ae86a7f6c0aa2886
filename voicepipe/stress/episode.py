"""When stress persists: episodes of one call's caller, under an operator's false-alarm budget.

Each score becomes a normal score against calm speech of its kind (`voicepipe.stress.calm`), and evidence against the
caller being calm accumulates over the call from the voice and, where there is a transcript, from the words
(`voicepipe.stress.evidence`, which has the derivation and says what is guaranteed). An episode opens when

* the evidence reaches the level of the budget, and
* the run of stressed speech that it rests on has `min_utterances` outbursts and `min_stressed_speech_s` seconds.

An utterance counts as stressed by its voice or by its words. The second condition only ever removes alarms. Utterances
that begin within `outburst_s` of the first of them are one outburst and count once. So one outburst, however extreme
and however it was cut, never opens an episode. Pieces of one breath, less than `BREATH_S` apart within an outburst,
share a total weight of 1 besides, so by Hölder's inequality their product is an e-value however strongly they depend:
to cut speech otherwise adds no evidence. Utterances apart from each other are evidence of their own; how far they
resemble each other is part of the law that the level is calibrated on (`voicepipe.stress.slack`).

Where a run begins and an episode ends is told by Page's CUSUM (Biometrika 41, 1954) of the evidence against an ordinary
caller. Everything is nondecreasing in every score: more stress never delays an alarm. Nothing here depends on when or
in what portions the utterances were delivered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.special import ndtri

from voicepipe.stress.calm import CalmKind, CalmReference
from voicepipe.stress.evidence import FAINT_STAKE, Evidence, bets, word_bets
from voicepipe.types import (
    Channel,
    ConfigError,
    Episode,
    EpisodeEvidence,
    EpisodeState,
    Reason,
    ScoredUtterance,
    StressScore,
)

ORDINARY = 0
"""Offset by which the onset and the end of an episode are located: an ordinary caller's."""
NOW_AND_THEN = 0
"""Stake of the words by which they are located."""

BREATH_S = 0.5
"""Speech that goes on within this time is of the same breath: shorter silences are within what somebody says."""

MIN_TRANSCRIBED = 0.5
"""From this share of the utterances so far, words count; below, most were shed, and the voice decides alone."""


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
        An utterance is called stressed when at most this share of calm speech scores as high,
    frustrated_prob : float
        or when its words are frustrated with at least this probability.
    words : bool
        False leaves the words out: the voice decides alone.
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
    frustrated_prob: float = 0.5
    words: bool = True
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
        if not 0.0 < self.frustrated_prob <= 1.0:
            raise ConfigError(f"frustrated_prob is {self.frustrated_prob}; it must lie above 0 and at most be 1.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stressed:
    """A stressed utterance of the current run."""

    index: int
    burst: int
    start_s: float
    end_s: float
    speech_s: float
    stress: float | None


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
        self._evidence = Evidence.none()
        self._utterances = 0
        self._scored = 0
        self._embedded = True
        self._transcribed = 0
        self._heard_s = 0.0
        self._burst = -1
        self._burst_start_s = -np.inf
        self._breath_start_s = -np.inf
        self._breath_end_s = -np.inf
        self._breath_weight = 0.0
        self._onset = 0.0
        self._run: list[_Stressed] = []
        self._open = False
        self._closed_count = 0
        self._quiet_until_s = 0.0

    @property
    def growing(self) -> bool:
        """True while evidence of stress grows or an episode is open: the caller's baseline is to be frozen."""
        return self._open or self.log_e >= self._level(self._config.growing_per_100_call_hours)

    @property
    def persistent(self) -> bool:
        """True when the present run of stressed speech has the least utterances and seconds that an episode needs."""
        bursts = len({stressed.burst for stressed in self._run})
        speech_s = sum(stressed.speech_s for stressed in self._run)
        return bursts >= self._config.min_utterances and speech_s >= self._config.min_stressed_speech_s

    @property
    def log_e(self) -> float:
        """Natural logarithm of the evidence so far, in calm call-hours per such finding; -inf at the start."""
        return float(self._evidence.log_total if self._words_count else self._evidence.log_voice)

    @property
    def evidence(self) -> EpisodeEvidence:
        """What stands for and against the caller being calm, at this moment."""
        return EpisodeEvidence(
            log_e=self.log_e,
            log_e_voice=float(self._evidence.log_voice) if self._scored else None,
            log_e_words=float(self._evidence.log_words) if self._words_count else None,
            log_e_threshold=self._level(self._config.false_alarms_per_100_call_hours),
            false_alarms_per_100_call_hours=self._config.false_alarms_per_100_call_hours,
            stressed_speech_s=sum(stressed.speech_s for stressed in self._run),
            utterances=tuple(stressed.index for stressed in self._run),
        )

    @property
    def _words_count(self) -> bool:
        """Whether enough was transcribed for the words to count."""
        return self._transcribed > 0 and self._transcribed >= MIN_TRANSCRIBED * self._utterances

    def _level(self, false_alarms_per_100_call_hours: float) -> float:
        return self._reference.log_level(
            false_alarms_per_100_call_hours, words=self._words_count, embedded=self._embedded
        )

    def update(self, utterance: ScoredUtterance) -> tuple[Episode, ...]:
        """Take the next utterance of the channel.

        Parameters
        ----------
        utterance : ScoredUtterance
            In the order they were spoken. One with neither a score nor words changes nothing.

        Returns
        -------
        tuple of Episode
            What was opened or closed by it; mostly empty.
        """
        score, frustrated = utterance.score, self._frustrated(utterance)
        if score is None and frustrated is None:
            return ()
        self._utterances += 1
        self._scored += score is not None
        self._embedded &= score is None or score.with_embedding
        self._transcribed += frustrated is not None
        weight = self._weigh(utterance, score)
        call_hours = max(0.0, utterance.end_s - self._heard_s) / 3600.0
        self._heard_s = max(self._heard_s, utterance.end_s)
        voice_bets, said_bets, z, gain = None, None, -np.inf, 0.0
        if score is not None:
            calm = self._reference.kinds[CalmKind.of(score)]
            z = float(calm.normal_scores(score.stress))
            voice_bets = bets(z, between_sd=calm.between_sd, within_sd=calm.within_sd)
            faint = bets(z, between_sd=calm.between_sd, within_sd=calm.within_sd, stake=FAINT_STAKE)
            gain = weight * float(np.log(faint[ORDINARY]))
        if frustrated is not None:
            said_bets = word_bets(frustrated, words_mean=self._reference.words_mean)
            said_gain = weight * float(np.log(said_bets[ORDINARY, NOW_AND_THEN]))
            gain += said_gain if score is None else max(0.0, said_gain)
        self._evidence = self._evidence.accumulate(voice_bets, said_bets, weight=weight, call_hours=call_hours)
        stressed = z >= float(ndtri(1.0 - self._config.stressed_p_value))
        stressed |= frustrated is not None and frustrated >= self._config.frustrated_prob
        self._follow(utterance, gain, stressed=stressed)
        if self._open:
            return self._close(utterance.decided_s) if self._onset <= 0.0 else ()
        return self._try_open(utterance.decided_s)

    def finish(self, at_s: float) -> tuple[Episode, ...]:
        """Close an open episode at the end of the call, `at_s` seconds into it."""
        return self._close(at_s) if self._open else ()

    def forget(self) -> None:
        """Drop all evidence of an episode that is not open; the numbering of episodes and the cool-down go on."""
        self._evidence = Evidence.none()
        self._onset = 0.0
        self._run.clear()

    def _frustrated(self, utterance: ScoredUtterance) -> float | None:
        """Return how frustrated the words are, 0..1; who asks for a person surely is. None where words do not count."""
        if not self._config.words:
            return None
        if utterance.human_request is not None:
            return 1.0
        return None if utterance.frustration is None else utterance.frustration.prob

    def _weigh(self, utterance: ScoredUtterance, score: StressScore | None) -> float:
        """Count the outburst that the utterance belongs to, and return its weight within what is left to its breath.

        The square root, since p-values are against calm speech of the same kind and know half of it already.
        """
        begun_s, outburst_s = utterance.start_s, self._config.outburst_s
        if begun_s >= self._burst_start_s + outburst_s:
            self._burst += 1
            self._burst_start_s = begun_s
        if begun_s >= self._breath_end_s + BREATH_S or begun_s >= self._breath_start_s + outburst_s:
            self._breath_start_s = begun_s
            self._breath_weight = 0.0
        self._breath_end_s = max(self._breath_end_s, utterance.end_s)
        length = min(1.0, max(0.0, utterance.speech_s) / self._config.full_weight_speech_s)
        confidence = 1.0 if score is None else min(1.0, max(0.0, score.confidence))
        weight = min(float(np.sqrt(length * confidence)), 1.0 - self._breath_weight)
        self._breath_weight += weight
        return weight

    def _follow(self, utterance: ScoredUtterance, gain: float, *, stressed: bool) -> None:
        """Locate the run of stressed speech that the evidence rests on."""
        self._onset = max(0.0, self._onset + gain)
        if self._open:
            self._onset = min(self._onset, self._config.close_evidence)
        elif self._onset <= 0.0:
            self._run.clear()
        if stressed:
            self._run.append(
                _Stressed(
                    index=utterance.index,
                    burst=self._burst,
                    start_s=utterance.start_s,
                    end_s=utterance.end_s,
                    speech_s=utterance.speech_s,
                    stress=None if utterance.score is None else utterance.score.stress,
                )
            )

    def _try_open(self, at_s: float) -> tuple[Episode, ...]:
        """Open an episode if the evidence and the minimum of speech are there."""
        if (
            self.log_e < self._level(self._config.false_alarms_per_100_call_hours)
            or not self.persistent
            or at_s < self._quiet_until_s
        ):
            return ()
        self._open = True
        self._onset = self._config.close_evidence
        return (self._episode(EpisodeState.OPENED, at_s),)

    def _close(self, at_s: float) -> tuple[Episode, ...]:
        """Close the open episode and start afresh."""
        closed = self._episode(EpisodeState.CLOSED, at_s)
        self._open = False
        self._closed_count += 1
        self._evidence = Evidence.none()
        self._onset = 0.0
        self._run.clear()
        self._quiet_until_s = at_s + self._config.cool_down_s
        return (closed,)

    def _episode(self, state: EpisodeState, at_s: float) -> Episode:
        """Describe the current run."""
        peak, mean = peak_and_mean(
            [(stressed.stress, stressed.speech_s) for stressed in self._run if stressed.stress is not None]
        )
        return Episode(
            call_id=self._call_id,
            channel=self._channel,
            index=self._closed_count,
            state=state,
            opened_s=self._run[0].start_s,
            closed_s=self._run[-1].end_s if state is EpisodeState.CLOSED else None,
            at_s=at_s,
            peak=peak,
            mean=mean,
            reasons=(Reason.STRESS_PERSISTED,),
            evidence=self.evidence,
        )

    def state(self) -> dict[str, Any]:
        """Return everything that the utterances so far left behind, as plain JSON values."""
        return {
            "voice": self._evidence.voice.tolist(),
            "both": self._evidence.both.tolist(),
            "words": self._evidence.words.tolist(),
            "utterances": self._utterances,
            "scored": self._scored,
            "embedded": self._embedded,
            "transcribed": self._transcribed,
            "heard_s": self._heard_s,
            "burst": self._burst,
            "burst_start_s": None if self._burst < 0 else self._burst_start_s,
            "breath": None if self._burst < 0 else [self._breath_start_s, self._breath_end_s, self._breath_weight],
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
        detector._evidence = Evidence(
            **{name: np.array(state[name], dtype=np.float64) for name in ("voice", "both", "words")}
        )
        detector._utterances = state["utterances"]
        detector._scored = state["scored"]
        detector._embedded = state["embedded"]
        detector._transcribed = state["transcribed"]
        detector._heard_s = state["heard_s"]
        detector._burst = state["burst"]
        detector._burst_start_s = -np.inf if state["burst_start_s"] is None else state["burst_start_s"]
        if state["breath"] is not None:
            detector._breath_start_s, detector._breath_end_s, detector._breath_weight = state["breath"]
        detector._onset = state["onset"]
        detector._run = [
            _Stressed(index=index, burst=burst, start_s=start_s, end_s=end_s, speech_s=speech_s, stress=stress)
            for index, burst, start_s, end_s, speech_s, stress in state["run"]
        ]
        detector._open = state["open"]
        detector._closed_count = state["closed_count"]
        detector._quiet_until_s = state["quiet_until_s"]
        return detector


def peak_and_mean(scored: Sequence[tuple[float, float]]) -> tuple[float | None, float | None]:
    """Return the highest stress and the mean weighted by speech, of pairs of stress and seconds of speech.

    None for both where nothing was scored; None for the mean where no speech was.
    """
    speech_s = sum(seconds for _, seconds in scored)
    mean = sum(stress * seconds for stress, seconds in scored) / speech_s if speech_s else None
    return max((stress for stress, _ in scored), default=None), mean

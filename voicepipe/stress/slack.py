"""From the bound of the false-alarm budget to the level in use: measured on simulated calls of calm callers.

`voicepipe.stress.evidence` proves a bound on false alarms; this module measures how much lower the level may be on calm
callers of the same law as the measured ones. Nobody can prove the law itself. What no corpus at hand can measure is
taken with a margin: a simulated caller's moods outlast an utterance, and their words are more often frustrated where
their voice is unusual.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from voicepipe.stress.evidence import WORD_SPREAD, Evidence, bets, log_bound, word_bets
from voicepipe.types import DoubleArray

CALL_HOURS = 0.1
UTTERANCES_PER_CALL_HOUR = 660
"""Shape of the simulated calls: 6 minutes, as many utterances as the calls of ``scripts/evaluate_calls.py`` have."""
UTTERANCE_WEIGHT = 0.81
"""Weight of the simulated utterances: a second of speech or more, at the square root of 0.65, the median confidence
that ``scripts/evaluate_calls.py`` prints."""
EARLY_UTTERANCES = 4
"""Utterances of a simulated call whose baseline is not ready."""
COOL_DOWN_UTTERANCES = 11
"""Utterances after an alarm in which a simulated call cannot alarm again."""
NEIGHBOURS_ALIKE = 0.15
"""Correlation of a calm caller's voice from one utterance to the next. Moods explain 0.21 of it, by
prosody alone 0.30 (``scripts/evaluate_calls.py``, ``mood_share``), so it is as if a mood held every other time."""
WORDS_MARGIN = 2.0
"""The bets on words are made against this many times the frustration that the words of simulated callers show."""
WORDS_FOLLOW_VOICE = 0.5
"""Correlation, in a caller's calm speech, of what makes words look frustrated with what makes the voice score high."""
SIMULATED_CALLS = 60_000
BUDGETS = np.array([0.3, 1.0, 3.0, 10.0, 30.0, 100.0])
"""False alarms per 100 call-hours at which the slack is measured; the rarest is 18 alarms in the simulated hours."""

Spread = tuple[float, float]
"""Standard deviations of normal scores between callers and within a caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalmCalls:
    """Simulated calls, each of another calm caller.

    Attributes
    ----------
    spreads : sequence of Spread, length n
        Of each utterance of a call, in order.
    z : ndarray, shape (calls, n), float64
        Normal scores of the voice.
    words : ndarray, shape (calls, n), float64, or None
        Frustration in the words, 0 or 1: the most that a given mean can scatter. None for calls without transcript.
    words_mean : float
        What the bets on words are made against.
    """

    spreads: Sequence[Spread]
    z: DoubleArray
    words: DoubleArray | None
    words_mean: float

    def alarms(
        self, calls: npt.NDArray[np.intp], *, log_level: float = np.inf
    ) -> tuple[npt.NDArray[np.int64], DoubleArray]:
        """Accumulate evidence, begin anew after each alarm, and pause for `COOL_DOWN_UTTERANCES`.

        Parameters
        ----------
        calls : ndarray of int
            Which calls.
        log_level : float
            Logarithm of the level of an alarm, in call-hours.

        Returns
        -------
        alarms : ndarray, shape (len(calls),), int64
        peak : ndarray, shape (len(calls),), float64
            Highest evidence in each call.
        """
        evidence = Evidence.none(len(calls), transcripts=self.words is not None)
        peak = np.full(len(calls), -np.inf)
        alarms = np.zeros(len(calls), dtype=np.int64)
        quiet_until = np.zeros(len(calls), dtype=np.int64)
        for t, (between_sd, within_sd) in enumerate(self.spreads):
            voice = bets(self.z[calls, t], between_sd=between_sd, within_sd=within_sd)
            said = None if self.words is None else word_bets(self.words[calls, t], words_mean=self.words_mean)
            evidence = evidence.accumulate(
                voice, said, weight=UTTERANCE_WEIGHT, call_hours=1.0 / UTTERANCES_PER_CALL_HOUR
            )
            reached = evidence.log_voice if self.words is None else evidence.log_total
            peak = np.maximum(peak, reached)
            alarm = (reached >= log_level) & (t >= quiet_until)
            alarms += alarm
            quiet_until[alarm] = t + 1 + COOL_DOWN_UTTERANCES
            if alarm.any():
                evidence = evidence.without(alarm)
        return alarms, peak

    def log_levels(self) -> DoubleArray:
        """Return, per budget, the logarithm of the lowest level at which these calls keep it, shape (len(BUDGETS),)."""
        everyone = np.arange(len(self.z))
        peaks = np.concatenate([self.alarms(part)[1] for part in np.array_split(everyone, 24)])
        order = np.argsort(-peaks)
        levels = []
        for budget in BUDGETS:
            allowed = int(budget / 100.0 * CALL_HOURS * len(self.z))
            low, high = 0, min(allowed, len(peaks) - 1)
            while low < high:  # the most calls that may alarm at all, since some alarm more than once
                middle = (low + high + 1) // 2
                alarms, _ = self.alarms(order[: middle + 1], log_level=float(peaks[order[middle]]))
                low, high = (middle, high) if alarms.sum() <= allowed else (low, middle - 1)
            levels.append(float(peaks[order[low]]))
        return np.array(levels)


def simulate(
    spreads: Sequence[Spread],
    *,
    calls: int,
    seed: int,
    words_mean: float | None = None,
    neighbours_alike: float = NEIGHBOURS_ALIKE,
) -> CalmCalls:
    """Simulate calls of calm callers.

    Parameters
    ----------
    spreads : sequence of Spread
        Of each utterance of a call, in order.
    calls : int
    seed : int
    words_mean : float, optional
        What the bets on words will be made against; without it the calls have no transcript.
    neighbours_alike : float
        Correlation, around the caller's offset, of an utterance's normal score with the next one's, 0..1.
    """
    rng = np.random.default_rng(seed)
    between_sd, within_sd = np.array(spreads).T
    noise = rng.standard_normal((calls, len(spreads)))
    for t in range(1, len(spreads)):
        noise[:, t] = neighbours_alike * noise[:, t - 1] + np.sqrt(1.0 - neighbours_alike**2) * noise[:, t]
    z = rng.standard_normal((calls, 1)) * between_sd + within_sd * noise
    if words_mean is None:
        return CalmCalls(spreads=spreads, z=z, words=None, words_mean=0.0)
    limit = ndtri(words_mean / WORDS_MARGIN) + WORD_SPREAD * rng.standard_normal((calls, 1))
    own = np.sqrt(1.0 - WORDS_FOLLOW_VOICE**2) * rng.standard_normal(z.shape)
    words = (WORDS_FOLLOW_VOICE * noise + own + limit > 0.0).astype(np.float64)
    return CalmCalls(spreads=spreads, z=z, words=words, words_mean=words_mean)


def log_slack(early: Spread, ready: Spread, *, words_mean: float | None = None, seed: int = 0) -> DoubleArray:
    """Measure by how much the bound exceeds the level that keeps a budget, on simulated calm callers.

    Parameters
    ----------
    early, ready : Spread
        Of calm speech before and after the baseline is ready.
    words_mean : float, optional
        As for `simulate`.
    seed : int

    Returns
    -------
    ndarray, shape (len(BUDGETS),), float64
        `log_bound` minus the logarithm of the lowest level at which the simulated callers raise at most B false alarms
        per 100 call-hours; 0 or more, so the level is never above the bound.
    """
    utterances = round(CALL_HOURS * UTTERANCES_PER_CALL_HOUR)
    spreads = [early] * EARLY_UTTERANCES + [ready] * (utterances - EARLY_UTTERANCES)
    calls = simulate(spreads, calls=SIMULATED_CALLS, seed=seed, words_mean=words_mean)
    return np.asarray(np.maximum(0.0, log_bound(BUDGETS) - calls.log_levels()), dtype=np.float64)

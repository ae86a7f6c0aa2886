r"""How evidence of stress adds up over a call: an e-detector over unknown callers.

The input is one normal score :math:`z_t` per utterance (`voicepipe.stress.calm`): about standard normal over all calm
speech, large where an utterance is unlike calm speech. What is bet on is its bounded form
:math:`g_t = \Phi((z_t - h) / s)` in 0..1 (`strangeness`), so one utterance, however extreme, counts only so much.

**Callers differ.** A calm caller's :math:`z_t` scatters with :math:`\sigma` (`within_sd`) around its own offset
:math:`b`, which has standard deviation :math:`\tau` over callers (`between_sd`). An offset does not average out within
a call, so taking utterances for independent draws from pooled calm speech overstates the evidence without limit.
Therefore evidence is kept once per offset :math:`b_j` of a grid. With
:math:`\mu_j = \Phi((b_j - h) / \sqrt{s^2 + \sigma^2})`, the mean of :math:`g` at that offset, the bet

.. math:: e_t^{(j,m)} = [1 + \kappa_{jm} (g_t - \mu_j)]^{w_t}, \qquad
          \kappa_{jm} = \frac{(m - \mu_j)_+}{\mu_j (1 - \mu_j)}

has :math:`E[e_t \mid \text{past}] \le 1` for every calm caller with :math:`E[g_t \mid \text{past}] \le \mu_j`: an
e-value [1]_ that assumes nothing but this mean [2]_. The stake is the best one against stressed speech whose mean is
:math:`m`. A weight :math:`0 \le w_t \le 1` that is known without the score keeps it an e-value (Jensen).

**Accumulation.** For each offset and stake a Shiryaev-Roberts e-detector [3]_ is run; what enters it is *time*:

.. math:: M_t = (M_{t-1} + \Delta_t)\, e_t, \qquad \Delta_t = \text{hours of the call since the utterance before}.

For a calm caller with :math:`b \le b_j`, :math:`M_t - \sum_{s \le t} \Delta_s` is a supermartingale, and with a reset
at each crossing of a level :math:`A` so is :math:`A N_t + M_t - \sum \Delta_s`, :math:`N_t` counting the crossings.
Hence :math:`E[N] \le T / A` in a call of :math:`T` hours, whatever the number of utterances in it.

**The caller is not known**, so an alarm needs the evidence against *every* offset, at a price that follows how rare
the offset is:

.. math:: \min_j M_t^{(j)} / a_j \ge A, \qquad a_j = J \pi_j, \qquad \pi_j = P(b_{j-1} < b \le b_j).

A caller in cell :math:`j` alarms at most :math:`1 / (A a_j)` times an hour, and over callers
:math:`\sum_j \pi_j / (A a_j) = 1 / A`. So the **bound**, level :math:`A = 100 / B` for a budget of :math:`B` false
alarms per 100 call-hours, holds marginally over callers. One particular caller whose calm voice lies far out in the
population is not protected by it; such callers are only rare.

**From bound to level.** Such bounds are loose, and what they give away is delay. `log_slack` measures by how much, on
simulated calls of calm callers of the same law, every utterance at full weight. The level used is the bound's, lowered
by that slack: it is calibrated, not proved. Both hold as far as new callers follow the measured :math:`\tau` and
:math:`\sigma`, and on average over references: one that rests on few callers may by chance be calmer than those to
come. Only calls of unseen callers can show that they do.

Evidence is nondecreasing in every score, so more stress never delays an alarm.

References
----------
.. [1] Vovk and Wang, "E-values: calibration, combination and applications", Annals of Statistics 49 (2021).
.. [2] Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS B 86 (2024).
.. [3] Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric framework for sequential change detection",
   arXiv 2203.03532.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from voicepipe.types import DoubleArray

HALF_STRANGE_Z = 1.6
"""Normal score h at which an utterance counts as half strange: one in eighteen calm utterances scores higher."""
STRANGE_WIDTH_Z = 1.0
"""Width s of the step, in normal scores: a soft one, so that faint stress that lasts counts too."""

STAKES = np.array([0.7, 0.95])
"""Means m of the strangeness of stressed speech that the bets are made for: plain and strong stress."""

OFFSETS = np.arange(0.0, 5.01, 0.5)
"""Caller offsets b_j, in units of `between_sd`. The part of a normal population beyond the last is 3e-7."""

CALL_HOURS = 0.1
UTTERANCES_PER_CALL_HOUR = 480
"""Shape of the simulated calls: 6 minutes, an utterance of the caller every 7.5 s."""
EARLY_UTTERANCES = 4
"""Utterances of a simulated call whose baseline is not ready."""
COOL_DOWN_UTTERANCES = 8
"""Utterances after an alarm in which a simulated call cannot alarm again."""
SIMULATED_CALLS = 30_000
BUDGETS = np.array([0.3, 1.0, 3.0, 10.0, 30.0, 100.0])
"""False alarms per 100 call-hours at which the slack is measured; the rarest is 9 alarms in the simulated hours."""

PRICES: DoubleArray = len(OFFSETS) * np.diff(ndtr(np.concatenate(([-np.inf], OFFSETS[:-1], [np.inf]))))
"""Prices a_j of a normal population; the last cell takes the rest of the tail."""

MASS_LIMIT = 1e200
"""Where accumulation stops, far above any level."""


def strangeness(z: npt.ArrayLike) -> DoubleArray:
    """Return the bounded form of normal scores, 0..1, shape as given."""
    return np.asarray(ndtr((np.asarray(z, dtype=np.float64) - HALF_STRANGE_Z) / STRANGE_WIDTH_Z), dtype=np.float64)


def bets(
    z: npt.ArrayLike, *, weight: npt.ArrayLike, between_sd: npt.ArrayLike, within_sd: npt.ArrayLike
) -> DoubleArray:
    """Return one utterance's e-values, for many calls at once.

    Parameters
    ----------
    z, weight, between_sd, within_sd : array_like, shape (...)
        Normal score, weight 0..1, and the spread of the utterance's kind of calm speech.

    Returns
    -------
    ndarray, shape (..., len(OFFSETS), len(STAKES)), float64
        Above 0.
    """
    offset_z = OFFSETS * np.asarray(between_sd, dtype=np.float64)[..., None]
    width = np.hypot(STRANGE_WIDTH_Z, np.asarray(within_sd, dtype=np.float64))[..., None]
    mean = ndtr((offset_z - HALF_STRANGE_Z) / width)[..., None]
    stake = np.maximum(STAKES - mean, 0.0) / (mean * (1.0 - mean))
    full = 1.0 + stake * (strangeness(z)[..., None, None] - mean)
    return np.asarray(full ** np.asarray(weight, dtype=np.float64)[..., None, None], dtype=np.float64)


def accumulate(mass: DoubleArray, *, call_hours: npt.ArrayLike, e_values: DoubleArray) -> DoubleArray:
    """Return the e-detectors after one more utterance, for many calls at once.

    Parameters
    ----------
    mass : ndarray, shape (..., len(OFFSETS), len(STAKES))
        M in call-hours; 0 at the start of a call.
    call_hours : array_like, shape (...)
        Hours of the call since the utterance before, 0 or more.
    e_values : ndarray, shape (..., len(OFFSETS), len(STAKES))
        From `bets`.
    """
    entered = np.asarray(call_hours, dtype=np.float64)[..., None, None]
    return np.asarray(np.minimum((mass + entered) * e_values, MASS_LIMIT), dtype=np.float64)


def log_evidence(mass: DoubleArray) -> DoubleArray:
    """Return the logarithm of the evidence in call-hours, shape (...), from e-detectors (..., offsets, stakes)."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.min(np.mean(mass, axis=-1) / PRICES, axis=-1)), dtype=np.float64)


def log_bound(false_alarms_per_100_call_hours: npt.ArrayLike) -> DoubleArray:
    """Return the logarithm of the level that the bound gives to a budget, in call-hours."""
    return np.asarray(np.log(100.0 / np.asarray(false_alarms_per_100_call_hours)), dtype=np.float64)


def simulated_calm_scores(spreads: Sequence[tuple[float, float]], *, calls: int, seed: int) -> DoubleArray:
    """Return the normal scores of simulated calls, each of another calm caller.

    Parameters
    ----------
    spreads : sequence of (between_sd, within_sd)
        Of each utterance of a call, in order.
    calls : int
    seed : int

    Returns
    -------
    ndarray, shape (calls, len(spreads)), float64
    """
    rng = np.random.default_rng(seed)
    offset = rng.standard_normal((calls, 1))
    between_sd, within_sd = np.array(spreads).T
    return np.asarray(offset * between_sd + within_sd * rng.standard_normal((calls, len(spreads))), dtype=np.float64)


def simulated_alarms(
    z: DoubleArray, spreads: Sequence[tuple[float, float]], *, log_level: float = np.inf
) -> tuple[npt.NDArray[np.int64], DoubleArray]:
    """Accumulate evidence over simulated calls, begin anew after each alarm, and pause for `COOL_DOWN_UTTERANCES`.

    Parameters
    ----------
    z : ndarray, shape (calls, utterances), float64
    spreads : sequence of (between_sd, within_sd)
        Of each utterance.
    log_level : float
        Logarithm of the level of an alarm, in call-hours.

    Returns
    -------
    alarms : ndarray, shape (calls,), int64
    peak : ndarray, shape (calls,), float64
        Highest `log_evidence` in each call.
    """
    mass = np.zeros((len(z), len(OFFSETS), len(STAKES)))
    peak = np.full(len(z), -np.inf)
    alarms = np.zeros(len(z), dtype=np.int64)
    quiet_until = np.zeros(len(z), dtype=np.int64)
    for t, (between_sd, within_sd) in enumerate(spreads):
        e_values = bets(z[:, t], weight=1.0, between_sd=between_sd, within_sd=within_sd)
        mass = accumulate(mass, call_hours=1.0 / UTTERANCES_PER_CALL_HOUR, e_values=e_values)
        reached = log_evidence(mass)
        peak = np.maximum(peak, reached)
        alarm = (reached >= log_level) & (t >= quiet_until)
        alarms += alarm
        quiet_until[alarm] = t + 1 + COOL_DOWN_UTTERANCES
        mass[alarm] = 0.0
    return alarms, peak


def log_slack(early: tuple[float, float], ready: tuple[float, float], *, seed: int = 0) -> DoubleArray:
    """Measure by how much the bound exceeds the level that keeps a budget, on simulated calm callers.

    Parameters
    ----------
    early, ready : (between_sd, within_sd)
        Spread of calm speech before and after the baseline is ready.
    seed : int

    Returns
    -------
    ndarray, shape (len(BUDGETS),), float64
        `log_bound` minus the logarithm of the lowest level at which the simulated callers raise at most B false alarms
        per 100 call-hours; 0 or more, so the level is never above the bound.
    """
    utterances = round(CALL_HOURS * UTTERANCES_PER_CALL_HOUR)
    spreads = [early] * EARLY_UTTERANCES + [ready] * (utterances - EARLY_UTTERANCES)
    z = simulated_calm_scores(spreads, calls=SIMULATED_CALLS, seed=seed)
    peaks = np.concatenate([simulated_alarms(part, spreads)[1] for part in np.array_split(z, 8)])
    order = np.argsort(-peaks)
    levels = []
    for budget in BUDGETS:
        allowed = int(budget / 100.0 * CALL_HOURS * SIMULATED_CALLS)
        low, high = 0, min(allowed, len(peaks) - 1)
        while low < high:  # the most calls that may alarm at all, since some alarm more than once
            middle = (low + high + 1) // 2
            alarms, _ = simulated_alarms(z[order[: middle + 1]], spreads, log_level=float(peaks[order[middle]]))
            low, high = (middle, high) if alarms.sum() <= allowed else (low, middle - 1)
        levels.append(peaks[order[low]])
    return np.asarray(np.maximum(0.0, log_bound(BUDGETS) - np.array(levels)), dtype=np.float64)

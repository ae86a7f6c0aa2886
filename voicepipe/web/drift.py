r"""Whether a site's calls still score as calm speech did when the model was calibrated.

The budget of false alarms rests on what calm speech scores (`voicepipe.stress.calm`). If callers, lines or microphones
change, it no longer holds, and `voicepipe calibrate` is due. The question is about *callers*: two utterances of one
caller are alike, so a test that takes utterances for independent draws (Kolmogorov-Smirnov over all of them, say)
finds "drift" in almost any two sets of callers. Here every caller is one observation, and the reference, which rests
on a limited number of callers itself, is not taken for the truth.

Each score becomes its normal score against calm speech of its kind, so that early and ready baselines, with and without
the embedding, can be put together; under calibration it is about standard normal over callers. Compared are

* the **shift**: median over callers of the caller's median normal score. Under calibration it is 0; its error has the
  spread over the site's callers and that over the reference's. The median over callers hardly moves when some of them
  are really stressed: one in ten that is moves it by 0.14 of the spread between callers;
* the **shape**: population stability index [1]_ over the ten deciles of calm speech, callers weighing the same. Its
  p-value is that of a weighted sum of chi-squares with callers as clusters [2]_.

**Rule.** Recalibration is due where the shift's 99 % interval lies wholly beyond `TOLERANCE_Z`, or where the index is
at least `PSI_LIMIT` with a p-value under 1 %. So both a difference that matters and evidence for it are asked for.

References
----------
.. [1] Siddiqi, "Credit Risk Scorecards", Wiley (2006): above 0.25 the population has changed.
.. [2] Rao and Scott, "The analysis of categorical data from complex sample surveys", JASA 76 (1981), with
   Satterthwaite's correction.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.stats import chi2

from voicepipe.events.inquiries import CallerScore
from voicepipe.stress.calm import CalmKind, CalmReference
from voicepipe.types import DoubleArray

LEAST_CALLERS = 30
"""With fewer nothing is said of drift."""
LEAST_UTTERANCES = 5
"""Callers with fewer scored utterances are left out: their median says little."""
TOLERANCE_Z = 0.1
"""Shift, in normal scores, that is let pass; `tests/web/test_drift.py` measures that it doubles the false alarms."""
PSI_LIMIT = 0.25
LEVEL = 0.99
BINS = 10

_Z_99 = 2.5758293035489004
_MEDIAN_ERROR = math.sqrt(math.pi / 2)
"""Standard error of a median over that of a mean, of normal draws."""
_MAD_TO_SD = 1.4826


class DriftState(StrEnum):
    """What the comparison says."""

    TOO_FEW = "too_few"
    STEADY = "steady"
    DRIFTED = "drifted"


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftBin:
    """One decile of calm speech.

    Attributes
    ----------
    expected, observed : float
        Share of the reference's and of the site's utterances in it, callers weighing the same.
    """

    expected: float
    observed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How the site's calls compare with the calm reference.

    Attributes
    ----------
    state : DriftState
    callers, utterances : int
        Compared: callers with at least `LEAST_UTTERANCES`.
    reference_callers : int
        Fewest callers behind a kind of calm speech that was compared with.
    shift_z, low_z, high_z : float or None
        Median over callers, in normal scores, and its interval at `LEVEL`; positive is higher scores than calm
        speech had. None where there are too few callers.
    psi : float or None
        Population stability index, 0 or more.
    psi_p_value : float or None
    bins : tuple of DriftBin
        Lowest scores first; empty where there are too few callers.
    """

    state: DriftState
    callers: int
    utterances: int
    reference_callers: int
    shift_z: float | None = None
    low_z: float | None = None
    high_z: float | None = None
    psi: float | None = None
    psi_p_value: float | None = None
    bins: tuple[DriftBin, ...] = ()


def measure_drift(scores: Iterable[CallerScore], *, reference: CalmReference) -> Drift:
    """Compare the scores of a period with the calm reference in use.

    Parameters
    ----------
    scores : iterable of CallerScore
        Of the model that the reference belongs to, and of no other.
    reference : CalmReference
    """
    by_caller: dict[str, list[CallerScore]] = {}
    for score in scores:
        by_caller.setdefault(score.caller, []).append(score)
    callers = [own for own in by_caller.values() if len(own) >= LEAST_UTTERANCES]
    kinds = sorted({one.kind for own in callers for one in own})
    utterances = sum(map(len, callers))
    fewest = min((reference.kinds[kind].callers for kind in kinds), default=0)
    if len(callers) < LEAST_CALLERS:
        return Drift(state=DriftState.TOO_FEW, callers=len(callers), utterances=utterances, reference_callers=fewest)
    kind = np.array([one.kind for own in callers for one in own])
    stress = np.array([one.stress for own in callers for one in own])
    ends = np.cumsum([len(own) for own in callers])[:-1]
    z, weight = np.empty_like(stress), np.empty(len(kinds))
    for k, name in enumerate(kinds):
        here = kind == name
        z[here], weight[k] = reference.kinds[name].normal_scores(stress[here]), here.mean()
    ours = dict(zip(kinds, weight.tolist(), strict=True))
    shift, error = _shift(np.array([np.median(own) for own in np.split(z, ends)]), ours, reference=reference)
    edges = np.quantile(np.concatenate([_calm_z(reference, name)[0] for name in kinds]), np.arange(1, BINS) / BINS)
    shares = np.stack(
        [np.bincount(np.searchsorted(edges, own), minlength=BINS) / len(own) for own in np.split(z, ends)]
    )
    expected = sum(part * _expected(reference, name, edges) for name, part in ours.items())
    assert isinstance(expected, np.ndarray)
    psi, p_value = _stability(shares, expected, ours=ours, reference=reference, utterances=utterances)
    half = _Z_99 * error
    drifted = abs(shift) - half > TOLERANCE_Z or (psi >= PSI_LIMIT and p_value < 1.0 - LEVEL)
    return Drift(
        state=DriftState.DRIFTED if drifted else DriftState.STEADY,
        callers=len(callers),
        utterances=utterances,
        reference_callers=fewest,
        shift_z=shift,
        low_z=shift - half,
        high_z=shift + half,
        psi=psi,
        psi_p_value=p_value,
        bins=tuple(
            DriftBin(expected=float(e), observed=float(o)) for e, o in zip(expected, shares.mean(axis=0), strict=True)
        ),
    )


def _shift(medians: DoubleArray, ours: Mapping[CalmKind, float], *, reference: CalmReference) -> tuple[float, float]:
    """Return the median of the callers' medians and its standard error, that of the reference included."""
    shift = float(np.median(medians))
    spread = _MAD_TO_SD * float(np.median(np.abs(medians - shift)))
    of_site = spread**2 / len(medians)
    of_reference = sum(
        part * (calm.between_sd**2 + calm.within_sd**2 * calm.callers / len(calm.scores)) / calm.callers
        for kind, part in ours.items()
        for calm in (reference.kinds[kind],)
    )
    return shift, _MEDIAN_ERROR * math.sqrt(of_site + of_reference)


def _stability(
    shares: DoubleArray,
    expected: DoubleArray,
    *,
    ours: Mapping[CalmKind, float],
    reference: CalmReference,
    utterances: int,
) -> tuple[float, float]:
    r"""Return the population stability index and its p-value.

    Close to calibration the index is :math:`\sum_b (p_b - q_b)^2 / q_b`. The covariance of :math:`p - q` is that of
    the callers' shares over the number of callers, the site's and the reference's.
    """
    observed = np.maximum(shares.mean(axis=0), 0.5 / utterances)
    psi = float(np.sum((observed - expected) * np.log(observed / expected)))
    callers = sum(part / reference.kinds[kind].callers for kind, part in ours.items())
    spoken = sum(part / len(reference.kinds[kind].scores) for kind, part in ours.items())
    covariance = np.cov(shares, rowvar=False) * (1.0 / len(shares) + callers)
    covariance += (np.diag(expected) - np.outer(expected, expected)) * spoken
    design = covariance / expected
    trace, squares = float(np.trace(design)), float(np.sum(design * design.T))
    return psi, float(chi2.sf(psi * trace / squares, trace**2 / squares))


def _calm_z(reference: CalmReference, kind: CalmKind) -> tuple[DoubleArray, DoubleArray]:
    """Return the normal scores of the reference's own utterances, and how much each weighs (the sum is 1)."""
    calm = reference.kinds[kind]
    values, counts = np.unique(calm.scores, return_counts=True)
    tail = calm.tail_prob[np.searchsorted(calm.scores, values)]
    weights = np.repeat((tail - np.append(tail[1:], 0.0)) / counts, counts)
    return calm.normal_scores(calm.scores), weights / weights.sum()


def _expected(reference: CalmReference, kind: CalmKind, edges: DoubleArray) -> DoubleArray:
    z, weights = _calm_z(reference, kind)
    shares = np.bincount(np.searchsorted(edges, z), weights=weights, minlength=BINS)
    return np.asarray(np.maximum(shares, 1e-4), dtype=np.float64)

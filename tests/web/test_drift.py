from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import kstest

from voicepipe.events.inquiries import CallerScore
from voicepipe.stress.calm import CalmKind, CalmReference, CalmScores
from voicepipe.stress.profile import read_calm_reference
from voicepipe.stress.slack import BUDGETS, CALL_HOURS, EARLY_UTTERANCES, UTTERANCES_PER_CALL_HOUR, CalmCalls
from voicepipe.web.drift import LEAST_CALLERS, LEAST_UTTERANCES, TOLERANCE_Z, Drift, DriftState, measure_drift

BETWEEN, WITHIN = 0.5, 0.9
"""Spread of stress-4's calm reference."""

SHIFT_BY_KIND = {CalmKind.EARLY: 0.3, CalmKind.READY: 0.0}


def stress_of(z: np.ndarray, kind: CalmKind) -> np.ndarray:
    """Return scores as a model gives them: skewed, and higher while the baseline is early."""
    return np.asarray(expit(1.3 * z - 2.0 + SHIFT_BY_KIND.get(kind, 0.0)))


def make_reference(rng: np.random.Generator, callers: int = 78) -> CalmReference:
    """Return a reference measured on as many callers, and about as many utterances, as stress-4's."""
    kinds = {}
    for kind, each in ((CalmKind.EARLY, 16), (CalmKind.READY, 60)):
        z = rng.normal(0.0, BETWEEN, callers)[:, None] + rng.normal(0.0, WITHIN, (callers, each))
        names = np.repeat([f"reference-{caller}" for caller in range(callers)], each)
        kinds[kind] = CalmScores.measure(stress_of(z.ravel(), kind), list(names))
    kinds |= {CalmKind.EARLY_PROSODY: kinds[CalmKind.EARLY], CalmKind.READY_PROSODY: kinds[CalmKind.READY]}
    none = np.zeros((2, *BUDGETS.shape))
    return CalmReference(kinds=kinds, log_slack=none, log_slack_words=none)


def make_site(
    rng: np.random.Generator, *, callers: int = 200, shift: float = 0.0, widen: float = 1.0, stressed: float = 0.1
) -> list[CallerScore]:
    """Return the scores of a site's callers; a share of them is really stressed for most of the call."""
    scores = []
    for caller in range(callers):
        each = int(rng.integers(8, 40))
        z = shift + rng.normal(0.0, BETWEEN) + rng.normal(0.0, WITHIN * widen, each)
        if rng.random() < stressed:
            z[each // 3 :] += 2.5
        kinds = [CalmKind.EARLY] * 4 + [CalmKind.READY] * (each - 4)
        for kind in (CalmKind.EARLY, CalmKind.READY):
            own = stress_of(z[[one is kind for one in kinds]], kind)
            scores += [CallerScore(caller=f"caller-{caller}", kind=kind, stress=float(one)) for one in own]
    return scores


def warned(drifts: Sequence[Drift]) -> float:
    return sum(drift.state is DriftState.DRIFTED for drift in drifts) / len(drifts)


def test_few_callers_tell_nothing() -> None:
    rng = np.random.default_rng(0)
    drift = measure_drift(make_site(rng, callers=LEAST_CALLERS - 1, shift=3.0), reference=make_reference(rng))
    assert (drift.state, drift.callers, drift.shift_z, drift.bins) == (
        DriftState.TOO_FEW,
        LEAST_CALLERS - 1,
        None,
        (),
    )


def test_callers_of_few_words_are_left_out() -> None:
    rng = np.random.default_rng(0)
    short = [
        CallerScore(caller=f"short-{caller}", kind=CalmKind.EARLY, stress=0.99)
        for caller in range(500)
        for _ in range(LEAST_UTTERANCES - 1)
    ]
    site = make_site(rng, callers=60, stressed=0.0)
    drift = measure_drift([*site, *short], reference=make_reference(rng))
    assert (drift.state, drift.callers, drift.utterances) == (DriftState.STEADY, 60, len(site))


def test_no_calls_at_all() -> None:
    drift = measure_drift([], reference=make_reference(np.random.default_rng(0)))
    assert (drift.state, drift.callers, drift.reference_callers) == (DriftState.TOO_FEW, 0, 0)


def test_the_figures_of_a_site_like_the_reference() -> None:
    rng = np.random.default_rng(1)
    drift = measure_drift(make_site(rng, stressed=0.0), reference=make_reference(rng))
    assert drift.state is DriftState.STEADY
    assert drift.low_z is not None
    assert drift.high_z is not None
    assert drift.low_z < 0.0 < drift.high_z
    assert drift.psi is not None
    assert drift.psi < 0.1
    assert sum(one.observed for one in drift.bins) == pytest.approx(1.0)
    assert sum(one.expected for one in drift.bins) == pytest.approx(1.0)
    assert all(0.08 < one.expected < 0.12 for one in drift.bins)


def test_callers_weigh_the_same_however_much_they_say() -> None:
    rng = np.random.default_rng(2)
    site = make_site(rng, callers=60, stressed=0.0)
    shouting = [CallerScore(caller="one", kind=CalmKind.READY, stress=0.99)] * 5000
    reference = make_reference(rng)
    assert measure_drift([*site, *shouting], reference=reference).state is DriftState.STEADY


@pytest.mark.slow
def test_false_warnings_are_rare_and_real_drift_is_found() -> None:
    """The stated rule, on simulated sites: new callers and a new reference each time."""
    rng = np.random.default_rng(3)

    def sites(count: int, **law: float) -> list[Drift]:
        return [measure_drift(make_site(rng, **law), reference=make_reference(rng)) for _ in range(count)]  # type: ignore[arg-type]

    assert warned(sites(100, stressed=0.0)) <= 0.02
    assert warned(sites(100, stressed=0.1)) <= 0.02
    assert warned(sites(30, shift=2 * BETWEEN)) >= 0.95
    assert warned(sites(30, shift=-2 * BETWEEN)) >= 0.95
    assert warned(sites(30, widen=2.5)) >= 0.9


@pytest.mark.slow
def test_the_shift_that_is_let_pass_about_doubles_the_false_alarms() -> None:
    """On simulated calm calls of the law of stress-4's reference, at a budget of 30."""
    reference = read_calm_reference(Path(__file__).parents[2] / "models" / "stress-4")
    rng = np.random.default_rng(5)
    n = int(CALL_HOURS * UTTERANCES_PER_CALL_HOUR)
    early, ready = reference.kinds[CalmKind.EARLY], reference.kinds[CalmKind.READY]
    kinds = [early] * EARLY_UTTERANCES + [ready] * (n - EARLY_UTTERANCES)
    between, within = (np.array([getattr(kind, name) for kind in kinds]) for name in ("between_sd", "within_sd"))
    z = between * rng.normal(size=(8000, 1)) + within * rng.normal(size=(8000, n))

    def alarms(shift: float) -> int:
        calls = CalmCalls(
            spreads=list(zip(between, within, strict=True)), z=z + shift, words=None, words_mean=reference.words_mean
        )
        return int(calls.alarms(np.arange(len(z)), log_level=reference.log_level(30.0))[0].sum())

    assert 1.3 < alarms(TOLERANCE_Z) / alarms(0.0) < 3.5


def test_a_test_over_utterances_would_warn_of_nothing() -> None:
    """Why callers are compared: of two sets of callers of one law, utterances taken for independent differ."""
    rng = np.random.default_rng(4)
    cried_wolf = ours = 0
    for _ in range(20):
        reference = make_reference(rng)
        site = make_site(rng, stressed=0.0)
        ready = [one.stress for one in site if one.kind is CalmKind.READY]
        cried_wolf += bool(kstest(ready, reference.kinds[CalmKind.READY].scores).pvalue < 0.01)
        ours += measure_drift(site, reference=reference).state is DriftState.DRIFTED
    assert cried_wolf >= 5
    assert ours == 0

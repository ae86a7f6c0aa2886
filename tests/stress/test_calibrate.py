"""What is fitted to a site's labelled calls, and what it is worth."""

from dataclasses import replace

import numpy as np
import pytest

from tests.fakes import calm_reference
from voicepipe.stress import calm, slack
from voicepipe.stress.calibrate import LabelledCall, SiteFit, fit_score_map, fit_site
from voicepipe.stress.calm import CalmKind, CalmReference
from voicepipe.stress.episode import EpisodeConfig
from voicepipe.stress.labels import LabelError, LabelledScore
from voicepipe.types import Channel, ScoredUtterance, StressScore


def score(stress: float, *, ready: bool = True) -> StressScore:
    return StressScore(
        stress=stress,
        arousal=0.0,
        valence=0.0,
        emotions={},
        confidence=1.0,
        model_id="fake",
        baseline_ready=ready,
    )


def site(
    *, callers: int = 30, each: int = 30, seed: int = 0, stressed_share: float = 0.25, frustration: float | None = None
) -> list[LabelledCall]:
    """Return calls whose scores are too high by 1.5 in the logit and too sure by half, of callers who differ."""
    rng = np.random.default_rng(seed)
    calls = []
    for caller in range(callers):
        offset = 0.4 * rng.standard_normal()
        scores, utterances = [], []
        onset = rng.integers(round(each * (1.0 - 2.0 * stressed_share)), each + 1) if stressed_share else each
        for i in range(each):
            stressed = i >= onset
            true = (1.5 if stressed else -1.5) + offset + rng.standard_normal()
            told = score(1.0 / (1.0 + np.exp(-(1.5 * true + 1.5))), ready=i >= 5)
            scores.append(
                LabelledScore(caller=f"caller{caller}", score=told, stressed=stressed, frustration=frustration)
            )
            utterances.append(
                ScoredUtterance(
                    call_id=f"call{caller}",
                    channel=Channel.CALLER,
                    index=i,
                    start_s=8.0 * i,
                    end_s=8.0 * i + 3.0,
                    decided_s=8.0 * i + 3.5,
                    speech_s=3.0,
                    transcript=None,
                    score=told,
                )
            )
        calls.append(
            LabelledCall(
                caller=f"caller{caller}",
                scores=tuple(scores),
                utterances=tuple(utterances),
                stressed=any(one.stressed for one in scores),
            )
        )
    return calls


@pytest.fixture(autouse=True)
def no_slack(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the simulation, which takes minutes: alarms then keep to the bound of the budget."""
    monkeypatch.setattr(calm, "log_slack", lambda *spreads, **words: np.zeros(len(slack.BUDGETS)))


def fit(calls: list[LabelledCall], *, reference: CalmReference | None = None) -> SiteFit:
    return fit_site(calls, reference=reference or calm_reference(), episode=EpisodeConfig())


def test_a_site_is_fitted_and_judged_on_callers_not_seen() -> None:
    fitted = fit(site())
    assert fitted.score_map.intercept < -0.4
    assert fitted.score_map.slope > 0.5
    assert fitted.after.log_loss < fitted.before.log_loss
    assert fitted.after.calibration_error < 0.06 < fitted.before.calibration_error
    assert abs(fitted.after.calm_called_strange - 0.05) < abs(fitted.before.calm_called_strange - 0.05)
    assert fitted.before.auc == pytest.approx(fitted.after.auc, abs=0.03)
    assert fitted.after.auc > 0.9
    assert fitted.callers == 30
    assert fitted.calm + fitted.stressed == 900
    assert fitted.calm_calls + fitted.stressed_calls == 30
    assert fitted.refitted == (CalmKind.EARLY, CalmKind.READY)
    assert fitted.reference.kinds[CalmKind.READY].callers == 30
    assert fitted.reference.kinds[CalmKind.READY_PROSODY].callers == calm_reference().kinds[CalmKind.READY].callers
    assert fitted.better


def test_calm_calls_alarm_less_on_a_reference_of_their_own() -> None:
    usual = calm_reference().kinds[CalmKind.READY]
    calmer = replace(calm_reference(), kinds=dict.fromkeys(CalmKind, replace(usual, scores=0.3 * usual.scores)))
    fitted = fit(site(stressed_share=0.0, callers=12) + _renamed(site(callers=12, seed=1)), reference=calmer)
    assert fitted.calm_calls >= 12
    assert fitted.before.calm_calls_alarmed > fitted.after.calm_calls_alarmed
    assert fitted.after.stressed_calls_alarmed > 0


def test_figures_are_not_of_the_callers_that_were_fitted() -> None:
    """One caller's labels are all wrong: judged on the others' fit, they cost what they must."""
    calls = site(callers=6, each=20)
    turned = [replace(one, stressed=not one.stressed) for one in calls[0].scores]
    wrong = [replace(calls[0], scores=tuple(turned)), *calls[1:]]
    assert fit(wrong).after.log_loss > fit(calls).after.log_loss + 0.1


def test_speech_by_prosody_alone_is_a_kind_of_its_own_and_no_part_of_the_map() -> None:
    calls = site(callers=6)
    alone = [
        replace(
            call,
            scores=call.scores
            + tuple(replace(one, score=replace(one.score, with_embedding=False, stress=0.5)) for one in call.scores),
        )
        for call in calls
    ]
    both, one = fit(alone), fit(calls)
    assert both.score_map == one.score_map
    assert both.before == one.before
    assert set(both.refitted) == set(CalmKind)
    assert both.calm == one.calm


def test_frustration_in_calm_words_is_measured_with_a_margin() -> None:
    assumed = calm_reference().words_mean
    assert fit(site(callers=6)).reference.words_mean == assumed
    assert not fit(site(callers=6)).words_measured
    quiet = fit(site(callers=30, frustration=0.0))
    assert quiet.words_measured
    assert 0.0 < quiet.reference.words_mean < assumed
    few = fit(site(callers=6, frustration=0.0))
    assert quiet.reference.words_mean < few.reference.words_mean < assumed
    frustrated = fit(site(callers=30, frustration=0.56))
    assert frustrated.reference.words_mean == pytest.approx(slack.WORDS_MARGIN * 0.12, abs=0.02)
    assert fit(site(callers=30, frustration=0.9)).reference.words_mean < 0.4


def test_the_map_keeps_the_order_and_few_labels_hardly_move_it() -> None:
    backwards = fit_score_map(np.linspace(0.05, 0.95, 100), np.arange(100) < 50)
    assert np.all(np.diff(backwards.apply(np.linspace(0, 1, 200))) >= 0)
    few = fit_score_map([0.9, 0.8], [False, False])
    assert few.slope == pytest.approx(1.0, abs=0.35)
    assert few.intercept == pytest.approx(0.0, abs=0.35)


def test_calls_of_which_nothing_was_heard_count_for_nothing() -> None:
    calls = site(callers=6)
    deaf = replace(calls[0], caller="deaf", scores=(), stressed=False)
    one, other = fit([*calls, deaf]), fit(calls)
    assert replace(one, reference=other.reference) == other


def test_too_few_labels_are_refused() -> None:
    calls = site(callers=10, each=10)
    unstressed = [replace(call, scores=tuple(one for one in call.scores if not one.stressed)) for call in calls]
    one_calm_each = [
        replace(call, scores=(*call.scores[:2], *(one for one in call.scores if one.stressed))) for call in calls
    ]
    for some in (unstressed, one_calm_each, calls[:1], []):
        with pytest.raises(LabelError, match="at least 30 calm"):
            fit(some)


def _renamed(calls: list[LabelledCall]) -> list[LabelledCall]:
    return [
        replace(
            call,
            caller=f"other {call.caller}",
            scores=tuple(replace(one, caller=f"other {call.caller}") for one in call.scores),
        )
        for call in calls
    ]

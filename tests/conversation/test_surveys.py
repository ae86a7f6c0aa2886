import numpy as np
import pytest

from voicepipe.conversation.satisfaction import SIGNALS, Estimate, ServiceEstimate, Signal
from voicepipe.conversation.surveys import (
    CES_SCALE,
    LEAST_ANSWERS,
    SurveyAnswer,
    SurveyError,
    SurveyScale,
    fit_surveys,
    read_surveys,
)

INDEX = Estimate(value=50.0, low=30.0, high=70.0, level=0.8, kind="index")


def _calls(count: int, *, noise: float, seed: int = 1) -> tuple[dict[str, ServiceEstimate], dict[str, SurveyAnswer]]:
    """Draw calls whose answers follow two of the signals."""
    rng = np.random.default_rng(seed)
    estimates, answers = {}, {}
    for k in range(count):
        values = {name: float(rng.uniform(0.0, 1.0)) for name in SIGNALS}
        csat = 50.0 + 40.0 * (values["resolved"] - 0.5) - 60.0 * (values["stress_end"] - 0.5) + noise * rng.normal()
        estimates[f"call-{k}"] = ServiceEstimate(
            csi=INDEX,
            ces=INDEX,
            signals=tuple(Signal(name=n, value=v, sd=0.1, measured=True) for n, v in values.items()),
            note="An index.",
        )
        answers[f"call-{k}"] = SurveyAnswer(csat=float(np.clip(csat, 0.0, 100.0)), ces=None)
    return estimates, answers


def test_what_the_answers_follow_is_found() -> None:
    estimates, answers = _calls(200, noise=5.0)
    model = fit_surveys(estimates, answers)
    fit = model.csi
    assert fit is not None
    assert model.ces is None
    assert fit.n == 200
    assert fit.correlation > 0.9
    assert fit.correlation_low <= fit.correlation <= fit.correlation_high
    assert fit.mae_high < 0.5 * fit.baseline_mae
    assert fit.mae_low <= fit.mae <= fit.mae_high
    assert fit.coefficients["resolved"] == pytest.approx(40.0, abs=8.0)
    assert fit.coefficients["stress_end"] == pytest.approx(-60.0, abs=8.0)
    assert "better than saying the mean" in fit.text
    assert set(fit.predicted) == set(fit.answered) == set(answers)


def test_answers_that_follow_nothing_are_not_predicted() -> None:
    estimates, answers = _calls(120, noise=5.0)
    shuffled = dict(zip(answers, reversed(list(answers.values())), strict=True))
    fit = fit_surveys(estimates, shuffled).csi
    assert fit is not None
    assert fit.correlation < 0.3
    assert "not shown to be better" in fit.text


def test_a_new_call_is_estimated_with_an_interval_that_holds() -> None:
    estimates, answers = _calls(150, noise=10.0)
    model = fit_surveys(estimates, answers)
    others, truths = _calls(400, noise=10.0, seed=2)
    hits = 0
    for call_id, service in others.items():
        refitted = model.estimate(service)
        assert refitted.csi is not None
        assert refitted.csi.kind == "prediction"
        assert refitted.ces is INDEX
        assert "prediction from 150 survey answers" in refitted.note
        truth = truths[call_id].csat
        assert truth is not None
        hits += refitted.csi.low <= truth <= refitted.csi.high
    assert 0.72 <= hits / len(others) <= 0.9


def test_the_fit_does_not_hang_on_the_order_of_the_calls() -> None:
    estimates, answers = _calls(60, noise=10.0)
    backwards = dict(reversed(answers.items()))
    assert fit_surveys(estimates, answers) == fit_surveys(estimates, backwards)


def test_too_few_answers_are_refused_with_their_number() -> None:
    estimates, answers = _calls(LEAST_ANSWERS - 1, noise=5.0)
    with pytest.raises(SurveyError, match=f"csat: {LEAST_ANSWERS - 1} answers .* {LEAST_ANSWERS} are needed"):
        fit_surveys(estimates, answers)
    strangers = {f"other-{k}": SurveyAnswer(csat=50.0, ces=None) for k in range(100)}
    with pytest.raises(SurveyError, match="csat: 0 answers"):
        fit_surveys(estimates, strangers)


def test_the_same_answer_from_all_is_refused() -> None:
    estimates, answers = _calls(40, noise=5.0)
    with pytest.raises(SurveyError, match="all 40 answers are the same"):
        fit_surveys(estimates, {call_id: SurveyAnswer(csat=100.0, ces=None) for call_id in answers})


def test_surveys_are_read_on_their_scales() -> None:
    lines = ["call_id,CSAT,ces,agent", "a,5,7,x", "b,1,,y", "c,,4,z", ""]
    assert read_surveys(lines) == {
        "a": SurveyAnswer(csat=100.0, ces=100.0),
        "b": SurveyAnswer(csat=0.0, ces=None),
        "c": SurveyAnswer(csat=None, ces=50.0),
    }
    first_ces = SurveyScale.parse("5-1")
    assert read_surveys(["\ufeffcall_id;ces", "a;1", "b;5", "c;3,0"], ces=first_ces) == {
        "a": SurveyAnswer(csat=None, ces=100.0),
        "b": SurveyAnswer(csat=None, ces=0.0),
        "c": SurveyAnswer(csat=None, ces=50.0),
    }


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "none: call_id"),
        (["id,csat", "a,5"], "call_id, and csat or ces, are needed"),
        (["call_id,nps", "a,5"], "csat or ces, are needed"),
        (["call_id,csat", "a,9"], "line 2: csat: 9 is not on the scale 1-5"),
        (["call_id,csat", "a,good"], "line 2: csat: 'good' is no number"),
        (["call_id,csat", "a,5", "a,4"], "line 3: call a has an answer already"),
        (["call_id,csat", ",5"], "line 2: there is no call_id"),
        (["call_id,csat", "a,nan"], "not on the scale"),
    ],
)
def test_what_is_wrong_with_a_survey_is_said(lines: list[str], message: str) -> None:
    with pytest.raises(SurveyError, match=message):
        read_surveys(lines)


@pytest.mark.parametrize("text", ["", "5", "1-", "a-b", "3-3", "1-nan"])
def test_a_scale_that_is_none(text: str) -> None:
    with pytest.raises(SurveyError, match="worst and the best answer"):
        SurveyScale.parse(text)


def test_scales() -> None:
    assert SurveyScale.parse(" 1-7 ") == CES_SCALE
    assert SurveyScale.parse("0-10").percent(5.0) == 50.0

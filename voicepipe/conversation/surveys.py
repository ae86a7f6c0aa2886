"""Real survey answers: read, joined with the estimates of their calls, and the estimate refitted on them.

Ridge regression of the answer on the signals of `voicepipe.conversation.satisfaction`; every figure comes from answers
that the fit has not seen (`voicepipe.conversation.regression`). The interval of a new estimate comes from the absolute
errors of the cross-validated ones (CV+ in its simple form [1]_).

References
----------
.. [1] Barber, Candès, Ramdas and Tibshirani, "Predictive inference with the jackknife+", Annals of Statistics 49
   (2021).
"""

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from voicepipe.conversation.regression import fit_ridge
from voicepipe.conversation.satisfaction import LEVEL, SIGNALS, Estimate, ServiceEstimate
from voicepipe.counting import counted
from voicepipe.types import DoubleArray, VoicepipeError

LEAST_ANSWERS = 30
"""Joined answers below which nothing is fitted: with 30 the 95 % interval of a correlation of 0.5 is 0.17 to 0.73."""
_RESAMPLES = 1000


class SurveyError(VoicepipeError):
    """Survey answers that cannot be read, or that are too few to fit anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyScale:
    """The scale of a survey's answers.

    Attributes
    ----------
    worst, best : float
        The answers at its two ends. CSAT is usually 1 to 5; CES 2.0 is 1 (disagree) to 7 (agree that it was easy); the
        first CES was 5 (very high effort) to 1.
    """

    worst: float
    best: float

    @classmethod
    def parse(cls, text: str) -> "SurveyScale":
        """Read ``worst-best``: ``1-5``, ``1-7``, ``5-1``, ``0-10``.

        Raises
        ------
        SurveyError
            If it is anything else.
        """
        worst, dash, best = text.strip().partition("-")
        try:
            scale = cls(worst=float(worst), best=float(best))
        except ValueError:
            dash = ""
        if not dash or not math.isfinite(scale.worst + scale.best) or scale.worst == scale.best:
            raise SurveyError(f"Survey scale {text!r}: write the worst and the best answer, as in 1-5 or 5-1.")
        return scale

    def holds(self, answer: float) -> bool:
        """Tell whether an answer lies on the scale."""
        return min(self.worst, self.best) <= answer <= max(self.worst, self.best)

    def percent(self, answer: float) -> float:
        """Return an answer as 0 (worst) to 100 (best)."""
        return 100.0 * (answer - self.worst) / (self.best - self.worst)


CSAT_SCALE = SurveyScale(worst=1, best=5)
CES_SCALE = SurveyScale(worst=1, best=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyAnswer:
    """What one caller answered, as 0 (worst) to 100 (best); None where a question was not answered."""

    csat: float | None
    ces: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyFit:
    """Estimate against survey for one question; all figures are cross-validated.

    Attributes
    ----------
    n : int
        Answers that were joined with a call.
    correlation, correlation_low, correlation_high : float
        Pearson's, of estimate and answer, with its 95 % bootstrap interval.
    mae, mae_low, mae_high : float
        Mean absolute error in points of 0..100, with its 95 % bootstrap interval.
    baseline_mae : float
        The same for an estimate that always says the mean of the other answers: what has to be beaten.
    predicted, answered : mapping of str to float
        By call, 0..100.
    margin : float
        Half width of a new estimate's interval at `LEVEL`, in points.
    intercept : float
    coefficients : mapping of str to float
        Points per unit of each signal.
    """

    n: int
    correlation: float
    correlation_low: float
    correlation_high: float
    mae: float
    mae_low: float
    mae_high: float
    baseline_mae: float
    predicted: Mapping[str, float]
    answered: Mapping[str, float]
    margin: float
    intercept: float
    coefficients: Mapping[str, float]

    @property
    def text(self) -> str:
        """The fit in one sentence."""
        gain = "better than" if self.mae_high < self.baseline_mae else "not shown to be better than"
        return (
            f"Estimate against {self.n} answers, cross-validated: correlation {self.correlation:.2f} "
            f"({self.correlation_low:.2f} to {self.correlation_high:.2f}), mean error {self.mae:.1f} points "
            f"({self.mae_low:.1f} to {self.mae_high:.1f}), {gain} saying the mean each time "
            f"({self.baseline_mae:.1f})."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyModel:
    """The estimates as fitted to survey answers.

    Attributes
    ----------
    csi, ces : SurveyFit or None
        None where the survey did not ask, or too few answered: the index then stays as it is.
    notes : tuple of str
        Why a question was not fitted.
    """

    csi: SurveyFit | None
    ces: SurveyFit | None
    notes: tuple[str, ...] = ()

    def estimate(self, service: ServiceEstimate) -> ServiceEstimate:
        """Return the estimate of a call with what was fitted in place of the index."""
        fits = {"CSI": self.csi, "CES": self.ces}
        note = " ".join(
            f"{name}: a prediction from {fit.n} survey answers." if fit else f"{name}: {service.note}"
            for name, fit in fits.items()
        )
        return replace(
            service,
            csi=_predict(self.csi, service) if self.csi and service.csi else service.csi,
            ces=_predict(self.ces, service) if self.ces and service.ces else service.ces,
            note=note,
        )


def read_surveys(
    lines: Iterable[str], *, csat: SurveyScale = CSAT_SCALE, ces: SurveyScale = CES_SCALE
) -> dict[str, SurveyAnswer]:
    """Read survey answers.

    Parameters
    ----------
    lines : iterable of str
        CSV (commas or semicolons) with a header: ``call_id``, and ``csat`` or ``ces`` or both; other columns are passed
        over. An empty field is no answer.
    csat, ces : SurveyScale
        The scales that the answers were given on.

    Raises
    ------
    SurveyError
        If a column is missing, an answer is no number or off its scale, or a call has two answers; names the line.
    """
    lines = iter(lines)
    header = next(lines, "")
    delimiter = ";" if header.count(";") > header.count(",") else ","
    rows = csv.DictReader(chain([header], lines), delimiter=delimiter, restkey="", strict=True)
    answers: dict[str, SurveyAnswer] = {}
    read = 0
    try:
        names = {name.strip().lstrip("\ufeff").casefold(): name for name in rows.fieldnames or () if name}
        if "call_id" not in names or not names.keys() & {"csat", "ces"}:
            raise SurveyError(
                f"The surveys have the columns {', '.join(names) or 'none'}: call_id, and csat or ces, are needed."
            )
        read = rows.line_num
        for row in rows:
            call_id = (row[names["call_id"]] or "").strip()
            if not call_id:
                raise SurveyError(f"Surveys, line {rows.line_num}: there is no call_id.")
            if call_id in answers:
                raise SurveyError(f"Surveys, line {rows.line_num}: call {call_id} has an answer already.")
            values = {}
            for name, scale in (("csat", csat), ("ces", ces)):
                text = (row[names[name]] or "").strip() if name in names else ""
                values[name] = _answer(text, scale, f"Surveys, line {rows.line_num}: {name}") if text else None
            answers[call_id] = SurveyAnswer(csat=values["csat"], ces=values["ces"])
            read = rows.line_num
    except csv.Error as error:
        raise SurveyError(
            f"Surveys, line {read + 1}: this is no line of CSV ({error}); mend it, quotation marks first."
        ) from error
    return answers


def fit_surveys(estimates: Mapping[str, ServiceEstimate], answers: Mapping[str, SurveyAnswer]) -> SurveyModel:
    """Fit the estimates of calls to what their callers answered.

    Parameters
    ----------
    estimates : mapping of str to ServiceEstimate
        By call_id; calls without an answer do no harm.
    answers : mapping of str to SurveyAnswer
        By call_id, from `read_surveys`.

    Raises
    ------
    SurveyError
        If no question has `LEAST_ANSWERS` answers that belong to a call, or all of them are the same.
    """
    fits: dict[str, SurveyFit | None] = {}
    notes = []
    for name in ("csat", "ces"):
        answered = {
            call_id: value
            for call_id, answer in sorted(answers.items())
            if call_id in estimates and (value := getattr(answer, name)) is not None
        }
        fits[name] = None
        if len(answered) < LEAST_ANSWERS:
            notes.append(
                f"{name}: {counted(len(answered), 'answer belongs', 'answers belong')} to a call that was scored; "
                f"{LEAST_ANSWERS} are needed to fit an estimate."
            )
        elif len(set(answered.values())) == 1:
            notes.append(f"{name}: all {len(answered)} answers are the same; nothing can be fitted to them.")
        else:
            fits[name] = _fit({call_id: estimates[call_id] for call_id in answered}, answered)
    if not any(fits.values()):
        raise SurveyError(" ".join(notes))
    return SurveyModel(csi=fits["csat"], ces=fits["ces"], notes=tuple(notes))


def _answer(text: str, scale: SurveyScale, where: str) -> float:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        raise SurveyError(f"{where}: {text!r} is no number.") from None
    if not scale.holds(value):
        raise SurveyError(f"{where}: {text} is not on the scale {scale.worst:g}-{scale.best:g}; declare another one.")
    return scale.percent(value)


def _predict(fit: SurveyFit, service: ServiceEstimate) -> Estimate:
    value = fit.intercept + sum(fit.coefficients[s.name] * s.value for s in service.signals)
    value = min(100.0, max(0.0, value))
    return Estimate(
        value=value,
        low=max(0.0, value - fit.margin),
        high=min(100.0, value + fit.margin),
        level=LEVEL,
        kind="prediction",
    )


def _fit(estimates: Mapping[str, ServiceEstimate], answered: Mapping[str, float]) -> SurveyFit:
    calls = list(answered)
    signals = np.array([[estimates[call].values[name] for name in SIGNALS] for call in calls])
    answers = np.array([answered[call] for call in calls])
    fitted = fit_ridge(signals, answers, names=calls)
    predicted = np.clip(fitted.predicted, 0.0, 100.0)
    errors = np.abs(predicted - answers)
    picks = np.random.default_rng(0).integers(0, len(calls), size=(_RESAMPLES, len(calls)))
    correlations = [_correlation(predicted[pick], answers[pick]) for pick in picks]
    rank = min(len(calls), math.ceil((len(calls) + 1) * LEVEL))
    return SurveyFit(
        n=len(calls),
        correlation=_correlation(predicted, answers),
        correlation_low=float(np.percentile(correlations, 2.5)),
        correlation_high=float(np.percentile(correlations, 97.5)),
        mae=float(errors.mean()),
        mae_low=float(np.percentile(errors[picks].mean(axis=1), 2.5)),
        mae_high=float(np.percentile(errors[picks].mean(axis=1), 97.5)),
        baseline_mae=float(np.abs(fitted.means - answers).mean()),
        predicted=dict(zip(calls, predicted.tolist(), strict=True)),
        answered=dict(answered),
        margin=float(np.sort(errors)[rank - 1]),
        intercept=fitted.intercept,
        coefficients=dict(zip(SIGNALS, fitted.coefficients.tolist(), strict=True)),
    )


def _correlation(one: DoubleArray, two: DoubleArray) -> float:
    if one.std() < 1e-9 or two.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(one, two)[0, 1])

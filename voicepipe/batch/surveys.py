"""Survey answers of a run: read from the centre's file, fitted, and set against the estimates in ``surveys.json``."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from voicepipe.batch.results import write_whole
from voicepipe.conversation.satisfaction import ServiceEstimate
from voicepipe.conversation.surveys import (
    CES_SCALE,
    CSAT_SCALE,
    SurveyAnswer,
    SurveyError,
    SurveyFit,
    SurveyModel,
    SurveyScale,
    fit_surveys,
    read_surveys,
)

FILE = "surveys.json"


@dataclass(frozen=True, slots=True)
class Surveys:
    """What customers answered, by call_id."""

    answers: Mapping[str, SurveyAnswer]

    @classmethod
    def read(cls, path: Path, *, csat_scale: str | None = None, ces_scale: str | None = None) -> Self:
        """Read the answers.

        Parameters
        ----------
        path : Path
            CSV file with the columns ``call_id`` and ``csat`` or ``ces`` or both.
        csat_scale, ces_scale : str, optional
            ``WORST-BEST``; 1-5 and 1-7 if not given.

        Raises
        ------
        SurveyError
            If the file cannot be read, or a line of it cannot be used.
        """
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                answers = read_surveys(
                    file,
                    csat=SurveyScale.parse(csat_scale) if csat_scale else CSAT_SCALE,
                    ces=SurveyScale.parse(ces_scale) if ces_scale else CES_SCALE,
                )
        except OSError as error:
            raise SurveyError(f"The surveys {path} cannot be read ({error.strerror}); check the path.") from error
        except UnicodeDecodeError as error:
            raise SurveyError(f"The surveys {path} cannot be read ({error}): save them as CSV in UTF-8.") from error
        except SurveyError as error:
            raise SurveyError(f"{path}: {error}") from error
        return cls(answers)

    def fit(self, estimates: Iterable[tuple[str, ServiceEstimate]], *, out: Path) -> SurveyModel:
        """Fit the estimates of the calls with an answer, and write how they compare to `FILE`.

        Raises
        ------
        SurveyError
            If too few answers belong to a call.
        """
        model = fit_surveys(dict(estimates), self.answers)
        told = {"csi": _told(model.csi), "ces": _told(model.ces), "notes": list(model.notes)}
        _write(out / FILE, told)
        return model

    def row(self, call_id: str) -> dict[str, float | None]:
        """Return what the customer of a call answered, as columns of the table of calls."""
        answer = self.answers.get(call_id)
        return {"survey_csi": answer.csat, "survey_ces": answer.ces} if answer else {}


def forget(out: Path, call_ids: Collection[str]) -> None:
    """Take some calls out of what an earlier run wrote; its figures stay.

    Raises
    ------
    OSError, ValueError
        If the file cannot be read.
    StoreError
        If it cannot be written.
    """
    path = out / FILE
    if not path.exists():
        return
    told = json.loads(path.read_text(encoding="utf-8"))
    fits = [told[name] for name in ("csi", "ces") if told.get(name)]
    if not any(pair["call_id"] in call_ids for fit in fits for pair in fit["pairs"]):
        return
    for fit in fits:
        fit["pairs"] = [pair for pair in fit["pairs"] if pair["call_id"] not in call_ids]
    _write(path, told)


def _write(path: Path, told: Mapping[str, Any]) -> None:
    write_whole(path, json.dumps(told, ensure_ascii=False, indent=1) + "\n")


def _told(fit: SurveyFit | None) -> dict[str, Any] | None:
    """Return a fit for the report: its figures, its sentence, and the pairs of estimate and answer."""
    if fit is None:
        return None
    names = ("n", "correlation", "correlation_low", "correlation_high", "mae", "mae_low", "mae_high", "baseline_mae")
    pairs = [
        {"call_id": call_id, "estimate": round(estimate, 1), "answer": round(fit.answered[call_id], 1)}
        for call_id, estimate in fit.predicted.items()
    ]
    return {name: round(getattr(fit, name), 4) for name in names} | {"text": fit.text, "pairs": pairs}

"""Measures of the stress model's scores on speakers that it has not heard: AUC, recall, calibration, false alarms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score
from stress_corpora import EMOTIONS, Clip
from stress_features import Table
from stress_fit import targets
from stress_model import Labels

from voicepipe.types import DoubleArray

FALSE_ALARMS = 0.05
BOOTSTRAPS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """Scores of the rows of a table.

    Attributes
    ----------
    stress, arousal : ndarray, shape (n,)
    emotions : ndarray, shape (n, n_emotions)
        Probabilities.
    """

    stress: DoubleArray
    emotions: DoubleArray
    arousal: DoubleArray


def auc(labels: Labels, predicted: Predictions, rows: np.ndarray) -> float | None:
    """Return the area under the ROC curve of stress over some rows; None where only one kind is known."""
    known = rows & np.isfinite(labels.stress)
    if len(np.unique(labels.stress[known])) < 2:
        return None
    return round(float(roc_auc_score(labels.stress[known], predicted.stress[known])), 4)


def auc_by(labels: Labels, predicted: Predictions, groups: np.ndarray) -> dict[str, float | None]:
    """Return the AUC over all rows, and within each group where it is defined."""
    everybody = np.ones(len(groups), dtype=bool)
    out = {"pooled": auc(labels, predicted, everybody)}
    out |= {str(name): auc(labels, predicted, groups == name) for name in np.unique(groups)}
    return {name: value for name, value in out.items() if value is not None}


def auc_interval(labels: Labels, predicted: Predictions, *, seed: int) -> list[float]:
    """Return the 95 % interval of the pooled AUC, by drawing speakers with replacement."""
    rng = np.random.default_rng(seed)
    known = np.isfinite(labels.stress)
    rows_of_speaker = [np.flatnonzero(known & (labels.speaker == s)) for s in np.unique(labels.speaker[known])]
    values = []
    for _ in range(BOOTSTRAPS):
        drawn = np.concatenate(
            [rows_of_speaker[i] for i in rng.integers(len(rows_of_speaker), size=len(rows_of_speaker))]
        )
        values.append(roc_auc_score(labels.stress[drawn], predicted.stress[drawn]))
    return [round(float(q), 4) for q in np.percentile(values, [2.5, 97.5])]


def recalls(clips: Sequence[Clip], table: Table, labels: Labels, predicted: Predictions) -> dict[str, float]:
    """Return the unweighted average recall of each corpus's own emotions; a clip's utterances vote by their length."""
    out = {}
    for corpus in np.unique(labels.corpus[labels.emotion.sum(1) > 0]):
        right: dict[str, list[float]] = {}
        rows = np.flatnonzero(labels.corpus == corpus)
        classes = np.flatnonzero(labels.emotion[rows].sum(0) > 0)
        for clip in np.unique(table.clip[rows]):
            mine = rows[table.clip[rows] == clip]
            prob = table.speech_s[mine] @ predicted.emotions[mine]
            guess = classes[int(np.argmax(prob[classes]))]
            right.setdefault(str(clips[clip].emotion), []).append(float(labels.emotion[mine[0], guess] > 0))
        out[str(corpus)] = round(float(np.mean([np.mean(values) for values in right.values()])), 4)
    return out


def calibration_error(labels: Labels, predicted: Predictions) -> dict[str, Any]:
    """Return the calibration error over ten bins, stressed and unstressed weighing alike within each corpus."""
    known = np.isfinite(labels.stress)
    weights = targets(labels).w_stress[known]
    weights = weights / weights.sum()
    prob, truth = predicted.stress[known], labels.stress[known]
    bins = np.clip((prob * 10).astype(int), 0, 9)
    curve = []
    for b in range(10):
        w = weights * (bins == b)
        if w.sum() > 0:
            curve.append(
                [round(float(w @ prob / w.sum()), 4), round(float(w @ truth / w.sum()), 4), round(float(w.sum()), 4)]
            )
    return {"error": round(sum(share * abs(said - was) for said, was, share in curve), 4), "curve": curve}


def hits(labels: Labels, predicted: Predictions) -> float:
    """Return the share of stressed utterances over the score that 5 % of the unstressed exceed."""
    threshold = np.quantile(predicted.stress[labels.stress == 0.0], 1.0 - FALSE_ALARMS)
    return round(float(np.mean(predicted.stress[labels.stress == 1.0] > threshold)), 4)


def calm_over_half(labels: Labels, predicted: Predictions) -> float:
    """Return the share of unstressed utterances that score over 0.5."""
    return round(float(np.mean(predicted.stress[labels.stress == 0.0] > 0.5)), 4)


def over_half_by_emotion(clips: Sequence[Clip], table: Table, predicted: Predictions) -> dict[str, float]:
    """Return, for each emotion, the share of its utterances that score over 0.5."""
    emotion = np.asarray([clips[i].emotion or "" for i in table.clip])
    names = [name for name in EMOTIONS if np.any(emotion == name)]
    return {name: round(float(np.mean(predicted.stress[emotion == name] > 0.5)), 4) for name in names}


def arousal_correlation(labels: Labels, predicted: Predictions) -> dict[str, float]:
    """Return the correlation of arousal with its label within each corpus."""
    out = {}
    for corpus in np.unique(labels.corpus):
        rows = (labels.corpus == corpus) & np.isfinite(labels.arousal)
        out[str(corpus)] = round(float(np.corrcoef(labels.arousal[rows], predicted.arousal[rows])[0, 1]), 4)
    return out

"""Ridge regression whose every figure comes from rows that the fit has not seen.

The penalty is chosen by cross-validation within each training part (nested cross-validation [1]_).

References
----------
.. [1] Varma and Simon, "Bias in error estimation when using cross-validation for model selection", BMC Bioinformatics
   7:91 (2006).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voicepipe.types import DoubleArray

FOLDS = 5
_PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)

Folds = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """A fit, and what fits without each row said of it.

    Attributes
    ----------
    predicted : ndarray, shape (n,), float64
        Cross-validated prediction of each row.
    means : ndarray, shape (n,), float64
        Mean of the answers of the rows that each prediction was fitted to.
    intercept : float
    coefficients : ndarray, shape (n_signals,), float64
        Of the fit to all rows, in units of the signals.
    """

    predicted: DoubleArray
    means: DoubleArray
    intercept: float
    coefficients: DoubleArray


def fit_ridge(signals: DoubleArray, answers: DoubleArray, *, names: Iterable[str]) -> Regression:
    """Fit answers to signals.

    Parameters
    ----------
    signals : ndarray, shape (n, n_signals), float64
    answers : ndarray, shape (n,), float64
    names : iterable of str
        Of the rows, all different; they alone decide which rows are left out together.
    """
    folds = _folds(names)
    predicted, means = np.empty_like(answers), np.empty_like(answers)
    for fold in range(FOLDS):
        train, held = folds != fold, folds == fold
        weights = _ridge(signals[train], answers[train], _penalty(signals[train], answers[train], folds[train]))
        predicted[held] = weights[0] + signals[held] @ weights[1:]
        means[held] = answers[train].mean()
    weights = _ridge(signals, answers, _penalty(signals, answers, folds))
    return Regression(predicted=predicted, means=means, intercept=float(weights[0]), coefficients=weights[1:])


def _folds(names: Iterable[str]) -> Folds:
    """Deal rows to folds of equal size, in an order that depends on their names alone."""
    digests = np.array([int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1 for name in names])
    folds = np.empty(len(digests), dtype=np.int64)
    folds[np.argsort(digests, kind="stable")] = np.arange(len(digests)) % FOLDS
    return folds


def _ridge(signals: DoubleArray, answers: DoubleArray, penalty: float) -> DoubleArray:
    """Return intercept and coefficients, in units of the signals; the penalty acts on standardised ones."""
    mean, scale = signals.mean(axis=0), signals.std(axis=0)
    scale = np.where(scale > 1e-9, scale, np.inf)
    standard = (signals - mean) / scale
    gram = standard.T @ standard + penalty * np.eye(signals.shape[1])
    weights = np.linalg.solve(gram, standard.T @ (answers - answers.mean())) / scale
    return np.concatenate([[answers.mean() - mean @ weights], weights])


def _penalty(signals: DoubleArray, answers: DoubleArray, folds: Folds) -> float:
    errors = []
    for penalty in _PENALTIES:
        total = 0.0
        for fold in np.unique(folds):
            train, held = folds != fold, folds == fold
            weights = _ridge(signals[train], answers[train], penalty)
            total += float(np.sum((weights[0] + signals[held] @ weights[1:] - answers[held]) ** 2))
        errors.append(total)
    return _PENALTIES[int(np.argmin(errors))]

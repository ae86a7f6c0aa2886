"""Fit and cross-validate the frustration model: labelled sentences in, calibrated weights out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from voicepipe.speech.frustration import HASH_BITS, LOGIT_LIMIT, LanguageWeights
from voicepipe.speech.frustration_cues import CUES, FEATURES, CueReader
from voicepipe.speech.spelling import spelling, units

DATA = Path(__file__).parent / "data" / "frustration"
FRUSTRATED = ("mild", "clear", "strong")
LABELS = ("neutral", "near", *FRUSTRATED)
PENALTIES = (0.3, 1.0)
"""Inverse strengths of the ridge penalty that are tried."""
CUE_PRIORS = (1.5,)
"""Logits that a cue adds before any sentence is seen."""
SPELLING_SCALES = (1.0, 2.0)
"""How large spelling is made next to the cues, that is how much less it is penalised."""
FOLDS = 5
SHARE = 0.12
"""Share of frustrated utterances that the probabilities are calibrated to. The sentences have more of them than calls
have; so each class is weighted as in speech with this share."""

Array = npt.NDArray[np.float64]
Split = Sequence[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A labelled sentence: `label` is one of `LABELS`, `near` a neutral one that looks frustrated."""

    domain: str
    label: str
    text: str

    @property
    def frustrated(self) -> bool:
        """True from `mild` on."""
        return self.label in FRUSTRATED


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Sentences as numbers: features, pieces of spelling (each 1 / sqrt(n)), whether frustrated, and their domains."""

    features: Array
    spelling: sparse.csr_matrix
    frustrated: npt.NDArray[np.int64]
    domains: npt.NDArray[np.str_]

    def rows(self, index: npt.NDArray[np.int64]) -> "Table":
        """Return some of the rows."""
        return Table(
            features=self.features[index],
            spelling=self.spelling[index],
            frustrated=self.frustrated[index],
            domains=self.domains[index],
        )

    def logits(self, weights: LanguageWeights) -> Array:
        """Return what a model says, in logits."""
        return np.asarray(self.features @ weights.features + self.spelling @ weights.spelling + weights.intercept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one model is fitted."""

    penalty: float
    spelling_scale: float
    cue_prior: float


def read_sentences(path: Path) -> list[Sentence]:
    """Read a file of sentences: domain, label and text, tab-separated, below a heading."""
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    sentences = [
        Sentence(domain=domain, label=label, text=text) for domain, label, text in (x.split("\t") for x in lines)
    ]
    for sentence in sentences:
        if sentence.label not in LABELS:
            raise SystemExit(f"{path}: {sentence.label} is none of {', '.join(LABELS)}.")
    return sentences


def tabulate(sentences: Sequence[Sentence], reader: CueReader) -> Table:
    """Turn sentences into numbers by the product's own reader."""
    column = {name: index for index, name in enumerate(FEATURES)}
    features = np.zeros((len(sentences), len(FEATURES)))
    rows, columns, values = [], [], []
    for row, sentence in enumerate(sentences):
        reading = reader.read(sentence.text)
        if reading is None:
            raise SystemExit(f"No words in {sentence.text!r}.")
        for name, value in reading.features.items():
            features[row, column[name]] = value
        apart = reader.words_apart
        buckets = [
            bucket
            for unit, _ in units(reading.text.tokens, words_apart=apart)
            for bucket in spelling(unit, words_apart=apart, bits=HASH_BITS)
        ]
        rows += [row] * len(buckets)
        columns += buckets
        values += [max(len(buckets), 1) ** -0.5] * len(buckets)
    return Table(
        features=features,
        spelling=sparse.csr_matrix((values, (rows, columns)), shape=(len(sentences), 1 << HASH_BITS)),
        frustrated=np.array([sentence.frustrated for sentence in sentences], dtype=np.int64),
        domains=np.array([sentence.domain for sentence in sentences]),
    )


def fit(table: Table, recipe: Recipe) -> LanguageWeights:
    """Fit a logistic regression, not yet calibrated; ridge penalties pull the cues towards `Recipe.cue_prior`.

    A phrase is in the files because it speaks for frustration. So a category that few sentences show keeps about the
    prior weight, where an ordinary ridge would take it to 0.
    """
    used = np.unique(table.spelling.indices)
    inputs = sparse.hstack([table.features, table.spelling[:, used] * recipe.spelling_scale]).tocsr()
    prior = np.zeros(inputs.shape[1])
    prior[: len(CUES)] = recipe.cue_prior
    sign = np.where(table.frustrated == 1, 1.0, -1.0)

    def loss(parameters: Array) -> tuple[float, Array]:
        shift, weights = parameters[0], parameters[1:]
        margins = sign * (inputs @ weights + shift)
        slope = -sign * expit(-margins)
        away = weights - prior
        gradient = np.concatenate([[slope.sum()], inputs.T @ slope + away / recipe.penalty])
        return float(np.logaddexp(0.0, -margins).sum() + 0.5 * away @ away / recipe.penalty), gradient

    found = minimize(loss, np.concatenate([[0.0], prior]), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    spelled = np.zeros(1 << HASH_BITS)
    spelled[used] = found.x[1 + len(FEATURES) :] * recipe.spelling_scale
    return LanguageWeights(intercept=float(found.x[0]), features=found.x[1 : 1 + len(FEATURES)], spelling=spelled)


def fit_calibrated(table: Table, *, seed: int) -> tuple[LanguageWeights, Recipe]:
    """Choose the recipe by cross-validation, calibrate on its held-out logits (Platt) to `SHARE`, fit on all."""
    splits = stratified(table, seed=seed)
    tried = {
        recipe: held_out(table, splits, lambda part, recipe=recipe: fit(part, recipe))
        for recipe in (
            Recipe(penalty=penalty, spelling_scale=scale, cue_prior=prior)
            for penalty in PENALTIES
            for scale in SPELLING_SCALES
            for prior in CUE_PRIORS
        )
    }
    best = min(tried, key=lambda recipe: log_loss(tried[recipe], table.frustrated))
    platt = LogisticRegression(C=10.0, solver="lbfgs").fit(
        tried[best][:, None], table.frustrated, sample_weight=at_share(table.frustrated) * len(table.frustrated)
    )
    slope, shift = float(platt.coef_[0, 0]), float(platt.intercept_[0])
    weights = fit(table, best)
    return LanguageWeights(
        intercept=slope * weights.intercept + shift,
        features=slope * weights.features,
        spelling=slope * weights.spelling,
    ), best


def stratified(table: Table, *, seed: int) -> Split:
    """Return folds with equal shares of frustrated sentences."""
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    return list(folds.split(table.features, table.frustrated))


def held_out(table: Table, splits: Split, fitter: Callable[[Table], LanguageWeights]) -> Array:
    """Return each row's logit by a model that has not seen it."""
    logits = np.full(len(table.frustrated), np.nan)
    for seen, unseen in splits:
        logits[unseen] = table.rows(unseen).logits(fitter(table.rows(seen)))
    return logits


def log_loss(logits: Array, frustrated: npt.NDArray[np.int64]) -> float:
    """Return the mean negative log-likelihood, in nats."""
    return float(np.mean(np.logaddexp(0.0, np.where(frustrated == 1, -logits, logits))))


def at_share(frustrated: npt.NDArray[np.int64]) -> Array:
    """Return weights, 1 in all, of which frustrated sentences have `SHARE`."""
    among = np.where(frustrated == 1, SHARE / max(frustrated.sum(), 1), (1.0 - SHARE) / max((1 - frustrated).sum(), 1))
    return np.asarray(among)


def probabilities(logits: Array) -> Array:
    """Return what the product makes of logits."""
    return np.asarray(expit(LOGIT_LIMIT * np.tanh(logits / LOGIT_LIMIT)))


def calibration_error(probs: Array, frustrated: npt.NDArray[np.int64], *, bins: int = 10) -> float:
    """Return the expected calibration error at `SHARE` over equally wide bins (Naeini et al., AAAI 2015)."""
    which = np.minimum((probs * bins).astype(int), bins - 1)
    weight = at_share(frustrated)
    return float(sum(abs((weight * (probs - frustrated))[which == b].sum()) for b in range(bins)))

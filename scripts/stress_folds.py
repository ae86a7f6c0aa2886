"""Models of training speakers, judged on speakers they have never heard.

`fit_speakers` is the one recipe: the deployed model is it on everybody, a fold's model is it on everybody else.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from stress_corpora import EMOTIONS, Clip
from stress_features import Table, load_features
from stress_fit import Recipe, calibrate, fit_heads
from stress_graph import to_onnx
from stress_heads import STRESS, Calibration, Heads
from stress_model import (
    Calls,
    Inputs,
    Labels,
    draw_calls,
    inputs_of_calls,
    labels_of,
    likely_scores,
    population_norms,
    rows_of,
    unheard,
)

from voicepipe.stress.baseline import BaselineNorms
from voicepipe.stress.profile import MANIFEST_FORMAT
from voicepipe.stress.prosody import PROSODY_VERSION
from voicepipe.types import EMBEDDING_VERSION, DoubleArray

LICENCE = (
    "research and evaluation; trained on corpora with non-commercial or unstated terms: for commercial use retrain on "
    "your own labelled calls or on CREMA-D"
)
WHISPER = "Systran/faster-whisper-base"
MAIN_CONDITION = "mulaw"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A model before it is written: the heads and the norms its baselines start from."""

    heads: Heads
    norms: BaselineNorms


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Everything a training run sees: one table for each line condition, with its labels.

    The first condition is the plain one that results are reported on.
    """

    clips: Sequence[Clip]
    tables: Mapping[str, Table]
    labels: Mapping[str, Labels]

    @property
    def table(self) -> Table:
        """Utterances over a plain mu-law line."""
        return self.tables[MAIN_CONDITION]

    @property
    def label(self) -> Labels:
        """Labels of `table`."""
        return self.labels[MAIN_CONDITION]


def load_data(clips: Sequence[Clip], *, conditions: Sequence[str], cache: Path) -> Data:
    """Load cached features of all conditions."""
    tables = {name: load_features(clips, condition=name, cache=cache) for name in (MAIN_CONDITION, *conditions)}
    return Data(clips=clips, tables=tables, labels={name: labels_of(clips, table) for name, table in tables.items()})


def speaker_folds(labels: Labels, *, count: int, seed: int) -> npt.NDArray[np.int64]:
    """Deal speakers to folds, corpus by corpus and gender by gender, so that every fold has some of each."""
    rng = np.random.default_rng(seed)
    folds = np.zeros(len(labels.speaker), dtype=np.int64)
    for corpus in np.unique(labels.corpus):
        first = int(rng.integers(count))
        of_corpus = labels.corpus == corpus
        gender_of = {str(s): str(labels.gender[labels.speaker == s][0]) for s in np.unique(labels.speaker[of_corpus])}
        order = sorted(gender_of, key=lambda s: (gender_of[s], rng.random()))
        for i, speaker in enumerate(order):
            folds[labels.speaker == speaker] = (first + i) % count
    return folds


def fit_speakers(data: Data, *, speakers: npt.NDArray[np.str_], recipe: Recipe, draws: int, seed: int) -> Fitted:
    """Fit the recipe on some speakers: under no baseline once, and under `draws` simulated ones, on every line."""
    rng = np.random.default_rng(seed)
    inputs: list[Inputs] = []
    labels: list[Labels] = []
    norms: BaselineNorms | None = None
    for name, everybody in data.tables.items():
        mine = np.isin(data.labels[name].speaker, speakers)
        table, label = rows_of(everybody, mine), rows_of(data.labels[name], mine)
        norms = norms or population_norms(table, label)
        for calls in (unheard(label), *(draw_calls(label, rng=rng) for _ in range(draws))):
            rows, one = inputs_of_calls(table, calls, scores=likely_scores(label, rng=rng), norms=norms)
            inputs.append(one)
            labels.append(rows_of(label, rows))
    assert norms is not None
    return Fitted(heads=fit_heads(inputs, labels, recipe=recipe), norms=norms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Raw outputs on rows of a table, each in some call.

    Attributes
    ----------
    rows : ndarray, shape (n,), int64
    raw, raw_alone : ndarray, shape (n, N_OUTPUTS)
        With the embedding and without.
    maturity : ndarray, shape (n,)
    fold : ndarray, shape (n,), int64
    """

    rows: npt.NDArray[np.int64]
    raw: DoubleArray
    raw_alone: DoubleArray
    maturity: DoubleArray
    fold: npt.NDArray[np.int64]


def score_calls(model: Fitted, table: Table, calls: Calls, *, weights: DoubleArray, fold: int = 0) -> Scored:
    """Score calls with a model; `weights` are the stress scores that the baseline is told of each row."""
    rows, inputs = inputs_of_calls(table, calls, scores=weights, norms=model.norms)
    return Scored(
        rows=rows,
        raw=model.heads.raw(inputs),
        raw_alone=model.heads.raw(inputs, with_embedding=False),
        maturity=inputs.maturity[:, 0].astype(np.float64),
        fold=np.full(len(rows), fold),
    )


def first_scores(model: Fitted, table: Table, labels: Labels) -> DoubleArray:
    """Return P(stress) of every row against the population's norm: what stands in for the running score."""
    rows, inputs = inputs_of_calls(table, unheard(labels), scores=np.zeros(len(table.clip)), norms=model.norms)
    out = np.zeros(len(table.clip))
    out[rows] = model.heads.stress_prob(inputs)
    return out


def merged(parts: Sequence[Scored]) -> Scored:
    """Put scored rows under one another."""
    return Scored(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in Scored.__slots__})


def calibration_of(scored: Scored, labels: Labels) -> tuple[Calibration, Calibration]:
    """Fit both calibrations on held-out rows."""
    mine = rows_of(labels, scored.rows)
    return calibrate(scored.raw, scored.maturity, mine), calibrate(scored.raw_alone, scored.maturity, mine)


def without_fold(scored: Scored, fold: int) -> Scored:
    """Leave out one fold's rows."""
    keep = scored.fold != fold
    return replace(scored, **{name: getattr(scored, name)[keep] for name in Scored.__slots__})


def write_model(
    model: Fitted, folder: Path, *, model_id: str, corpora: Sequence[str], seed: int, whisper_sha256: str
) -> None:
    """Write a model folder that `OnnxStressScorer` loads."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(to_onnx(model.heads))
    arrays = {
        f"{name}.{part}": getattr(norm, part).astype(np.float32)
        for name, norm in (("prosody", model.norms.prosody), ("embedding", model.norms.embedding))
        for part in ("centre", "spread", "prior_s")
    }
    np.savez(folder / "norms.npz", **arrays)
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("model.onnx", "norms.npz")}
    lines = [
        f"format = {MANIFEST_FORMAT}",
        f'model_id = "{model_id}"',
        f'licence = "{LICENCE}"',
        f'prosody_version = "{PROSODY_VERSION}"',
        f'embedding_version = "{EMBEDDING_VERSION}"',
        f'whisper = "{WHISPER}"',
        f'whisper_sha256 = "{whisper_sha256}"',
        f"embedding_size = {len(model.norms.embedding.centre)}",
        "emotions = [" + ", ".join(f'"{name}"' for name in EMOTIONS) + "]",
        "corpora = [" + ", ".join(f'"{name}"' for name in corpora) + "]",
        f"seed = {seed}",
        "",
        "[sha256]",
        *(f'"{name}" = "{value}"' for name, value in hashes.items()),
        "",
    ]
    (folder / "manifest.toml").write_text("\n".join(lines), encoding="utf-8")


def stress_of(scored: Scored, calibration: Calibration, *, alone: bool = False) -> DoubleArray:
    """Return the calibrated stress logit of scored rows."""
    raw = scored.raw_alone if alone else scored.raw
    a = calibration.stress
    return (a[0] + a[1] * scored.maturity) * raw[:, STRESS] + a[2] + a[3] * scored.maturity

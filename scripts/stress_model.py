"""What the stress model is fed: features, labels, the population's norms, and baselines as calls would build them.

An utterance goes in as it is and as it deviates from the caller's baseline. Corpora hold clips, not calls, so calls
are simulated: a voice's clips are dealt out, some open with calm speech, and the running baseline of the product hears
them in turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from stress_corpora import EMOTIONS, Clip
from stress_features import Table

from voicepipe.stress import prosody
from voicepipe.stress.baseline import BaselineNorms, Norm, RunningNorm, calm_weight_s
from voicepipe.stress.scorer import MATURITY_HALF_S
from voicepipe.types import DoubleArray, FloatArray

Rows = TypeVar("Rows")
"""A dataclass of arrays that share their first axis."""

LONGEST_CALL = 40
"""Scored utterances in the longest simulated call."""

NOT_FOR_SCORING = frozenset(
    {
        "level_dbfs",
        "level_step_db",
        "speech_s",
        "pitch_step_st",
        "tilt_step_db_per_octave",
        "rate_step_hz",
        "level_slope_db_per_s",
    }
)
"""Features that the model must not use: gain is the line's, length is the corpus's choice of sentences, and clips that
stand alone have no utterance before them."""

USED = np.asarray([feature.name not in NOT_FOR_SCORING for feature in prosody.FEATURES])


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What is known of each row of a table, NaN where nothing is.

    Attributes
    ----------
    stress, arousal, valence : ndarray, shape (n,), float64
    emotion : ndarray, shape (n, 8), float64
        1 for every class that the corpus's label may stand for, all 0 where it has none: "neutral" of a corpus that
        knows no "calm" may be either.
    corpus, voice, speaker, gender : ndarray of str, shape (n,)
    """

    stress: DoubleArray
    arousal: DoubleArray
    valence: DoubleArray
    emotion: DoubleArray
    corpus: npt.NDArray[np.str_]
    voice: npt.NDArray[np.str_]
    speaker: npt.NDArray[np.str_]
    gender: npt.NDArray[np.str_]


def labels_of(clips: Sequence[Clip], table: Table) -> Labels:
    """Gather the labels of a table's rows."""
    with_calm = {clip.corpus for clip in clips if clip.emotion == "calm"}
    rows = [clips[i] for i in table.clip]
    emotion = np.zeros((len(rows), len(EMOTIONS)))
    for i, clip in enumerate(rows):
        if clip.emotion in EMOTIONS:
            emotion[i, EMOTIONS.index(clip.emotion)] = 1.0
            if clip.emotion == "neutral" and clip.corpus not in with_calm:
                emotion[i, EMOTIONS.index("calm")] = 1.0
    return Labels(
        stress=np.asarray([clip.stress for clip in rows]),
        arousal=np.asarray([clip.arousal for clip in rows]),
        valence=np.asarray([clip.valence for clip in rows]),
        emotion=emotion,
        corpus=np.asarray([clip.corpus for clip in rows]),
        voice=np.asarray([clip.voice for clip in rows]),
        speaker=np.asarray([clip.speaker for clip in rows]),
        gender=np.asarray([clip.gender for clip in rows]),
    )


def population_norms(table: Table, labels: Labels) -> BaselineNorms:
    """Estimate the population's norms from unstressed speech: centre, scatter within callers, prior in seconds."""
    calm = ~(labels.stress == 1.0)
    return BaselineNorms(
        prosody=_norm(table.prosody[calm], labels.voice[calm], labels.corpus[calm], table.speech_s[calm]),
        embedding=_norm(
            table.embedding[calm].astype(np.float64), labels.voice[calm], labels.corpus[calm], table.speech_s[calm]
        ),
    )


def _norm(
    values: DoubleArray, voice: npt.NDArray[np.str_], corpus: npt.NDArray[np.str_], speech_s: DoubleArray
) -> Norm:
    """Method-of-moments estimate of a one-way random-effects model, every corpus weighing the same."""
    lowest, highest = np.nanpercentile(values, [0.5, 99.5], axis=0)
    values = np.clip(values, lowest, highest)
    centres: list[DoubleArray] = []
    within: list[DoubleArray] = []
    between: list[DoubleArray] = []
    for name in np.unique(corpus):
        means, variances, errors = [], [], []
        for one in np.unique(voice[corpus == name]):
            mine = values[voice == one]
            counts = np.sum(np.isfinite(mine), axis=0)
            if len(mine) < 3 or (counts.min() == 0 and not (counts >= 2).any()):
                continue
            filled = np.where(counts >= 2, mine, 0.0)
            mean, variance = np.nanmean(filled, axis=0), np.nanvar(filled, axis=0, ddof=1)
            unknown = counts < 2
            means.append(np.where(unknown, np.nan, mean))
            variances.append(np.where(unknown, np.nan, variance))
            errors.append(np.where(unknown, np.nan, variance / np.maximum(counts, 1)))
        if len(means) < 2:
            continue
        centres.append(np.nanmean(means, axis=0))
        within.append(np.nanmean(variances, axis=0))
        between.append(np.nanvar(means, axis=0, ddof=1) - np.nanmean(errors, axis=0))
    centre = np.nanmean(centres, axis=0)
    within_variance = np.maximum(np.nanmean(within, axis=0), 1e-8)
    spread_of_corpora = np.nanvar(centres, axis=0, ddof=1) if len(centres) > 1 else 0.0
    between_variance = np.maximum(np.nanmean(between, axis=0), 0.0) + spread_of_corpora
    ratio = within_variance / np.maximum(between_variance, 0.05 * within_variance)
    return Norm(
        centre=np.nan_to_num(centre),
        spread=np.nan_to_num(np.sqrt(within_variance), nan=1.0),
        prior_s=np.clip(np.nan_to_num(ratio, nan=1.0), 0.2, 10.0) * float(speech_s.mean()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What the graph is fed, row by row.

    Attributes
    ----------
    prosody, prosody_deviation : ndarray, shape (n, n_features), float32
        Measured (NaN allowed), and in scales of the caller's baseline.
    embedding, embedding_deviation : ndarray, shape (n, n_embedding), float32
    maturity : ndarray, shape (n, 1), float32
        0 for a caller not yet heard, towards 1 as the baseline grows.
    present : ndarray, shape (n, 1), float32
        1 with an embedding, 0 without.
    """

    prosody: FloatArray
    prosody_deviation: FloatArray
    embedding: FloatArray
    embedding_deviation: FloatArray
    maturity: FloatArray
    present: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Simulated calls: which rows of a table are heard one after another.

    Attributes
    ----------
    rows : ndarray, shape (n_calls, longest), int64
        Row numbers in the order heard; -1 after the last.
    scored : ndarray, shape (n_calls, longest), bool
        False for utterances that only feed the baseline.
    """

    rows: npt.NDArray[np.int64]
    scored: npt.NDArray[np.bool_]


def draw_calls(labels: Labels, *, rng: np.random.Generator) -> Calls:
    """Deal every voice's utterances into calls of 1 to `LONGEST_CALL` utterances.

    Six calls of ten open with a calm stretch that only feeds the baseline, as most callers begin; it is drawn from the
    voice's unstressed utterances. What is scored after it comes in random order, so how grown a baseline is says
    nothing about the label.
    """
    calls: list[tuple[list[int], int]] = []
    for voice in np.unique(labels.voice):
        mine = rng.permutation(np.flatnonzero(labels.voice == voice)).tolist()
        while mine:
            length = int(rng.choice([rng.integers(1, 6), rng.integers(4, LONGEST_CALL + 1)]))
            scored, mine = mine[:length], mine[length:]
            opening: list[int] = []
            if rng.random() < 0.6:
                spoken = set(scored)
                rest = [
                    row for row in np.flatnonzero((labels.voice == voice) & (labels.stress != 1.0)) if row not in spoken
                ]
                opening = rng.permutation(rest)[: int(rng.integers(1, 16))].astype(int).tolist()
            calls.append((opening + scored, len(opening)))
    dealt = calls_of([rows for rows, _ in calls])
    for scored_mask, (_, n_opening) in zip(dealt.scored, calls, strict=True):
        scored_mask[:n_opening] = False
    return dealt


def calls_of(calls: Sequence[npt.ArrayLike]) -> Calls:
    """Put the table's rows that calls consist of under one another; all of them are scored."""
    rows = np.full((len(calls), max(np.size(members) for members in calls)), -1, dtype=np.int64)
    for row, members in zip(rows, calls, strict=True):
        row[: np.size(members)] = members
    return Calls(rows=rows, scored=rows >= 0)


def likely_scores(labels: Labels, *, rng: np.random.Generator) -> DoubleArray:
    """Draw the score that each row might have got: what weighs it in a baseline before there is a model to ask.

    Beta(4, 2) for stressed speech, Beta(1.5, 5) for the rest: they overlap like scores with an AUC of about 0.95.
    """
    stressed = rng.beta(4.0, 2.0, len(labels.stress))
    calm = rng.beta(1.5, 5.0, len(labels.stress))
    return np.where(labels.stress == 1.0, stressed, calm)


def inputs_of_calls(
    table: Table, calls: Calls, *, scores: DoubleArray, norms: BaselineNorms
) -> tuple[npt.NDArray[np.int64], Inputs]:
    """Let every call run through the baseline and measure each scored utterance against it as it then stood.

    Parameters
    ----------
    scores : ndarray, shape (n,), float64
        Stress score of each row of the table; what `Baseline.after` would be told.

    Returns
    -------
    rows : ndarray, shape (m,), int64
        The table's row behind each input; every row that any call scores, once for each call.
    inputs : Inputs
    """
    n_calls = len(calls.rows)
    running = {
        name: RunningNorm(
            location=np.tile(norm.centre, (n_calls, 1)),
            scale=np.tile(norm.spread, (n_calls, 1)),
            heard_s=np.zeros((n_calls, len(norm.centre))),
        )
        for name, norm in (("prosody", norms.prosody), ("embedding", norms.embedding))
    }
    speech_s = np.zeros((n_calls, 1))
    rows: list[npt.NDArray[np.int64]] = []
    p_off: list[FloatArray] = []
    e_off: list[FloatArray] = []
    grown: list[FloatArray] = []
    for heard, scored in zip(calls.rows.T, calls.scored.T, strict=True):
        live = heard >= 0
        p, e = table.prosody[heard], table.embedding[heard].astype(np.float64)
        if scored.any():
            rows.append(heard[scored])
            p_off.append(running["prosody"].deviation(p)[scored].astype(np.float32))
            e_off.append(running["embedding"].deviation(e)[scored].astype(np.float32))
            grown.append(maturity(speech_s[scored]).astype(np.float32))
        seconds = np.where(live, table.speech_s[heard], 0.0)[:, None]
        weight_s = calm_weight_s(seconds, stress=scores[heard][:, None])
        running["prosody"] = running["prosody"].heard(p, weight_s=weight_s, norm=norms.prosody)
        running["embedding"] = running["embedding"].heard(e, weight_s=weight_s, norm=norms.embedding)
        speech_s += seconds
    index = np.concatenate(rows)
    return index, Inputs(
        prosody=table.prosody[index].astype(np.float32),
        prosody_deviation=np.concatenate(p_off),
        embedding=table.embedding[index],
        embedding_deviation=np.concatenate(e_off),
        maturity=np.concatenate(grown),
        present=np.ones((len(index), 1), np.float32),
    )


def unheard(labels: Labels) -> Calls:
    """Return calls of one utterance each: every row against the population's norm."""
    rows = np.arange(len(labels.stress))[:, None]
    return Calls(rows=rows, scored=np.ones(rows.shape, dtype=bool))


def maturity(speech_s: DoubleArray) -> DoubleArray:
    """Return how far a baseline has left the population's norm: 0 unheard, 1/2 at `MATURITY_HALF_S`, 1 in the limit."""
    return speech_s / (speech_s + MATURITY_HALF_S)


def rows_of(held: "Rows", rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> "Rows":
    """Return some rows of a table, of labels or of inputs."""
    return type(held)(**{name: getattr(held, name)[rows] for name in held.__slots__})

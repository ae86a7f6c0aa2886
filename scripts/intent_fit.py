"""Fit and cross-validate the model of requests for a human: labelled sentences in, weights and thresholds out."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import expit

from voicepipe.speech.intent import REACH
from voicepipe.speech.intent_model import HASH_BITS, PATTERN_SCALE, RequestWeights
from voicepipe.speech.intent_patterns import read_patterns
from voicepipe.speech.phrases import PhraseBook
from voicepipe.speech.spelling import buckets, spelling, units

ROOT = Path(__file__).resolve().parents[1]
PENALTY = 30.0
"""Inverse strength of the ridge penalty; from 10 to 100 the figures hardly change."""
FOLDS = 5
SURE_FROM = {"en": 1.25, "ru": 1.0, "zh": 1.25}
"""Logits from which on the model makes a request: precision is about 0.98 there on what a hand wrote that it has not
learnt from, leaving out `callers`, `gaps` and `classes`, which are harder than what callers say (``card.json``)."""
DOUBT_BELOW = {"en": -0.75, "ru": -0.5, "zh": -1.0}
"""Logits below which the model takes back what a rule says."""
SURE_AMID_TALK = {"en": 2.5, "ru": 2.25, "zh": 2.5}
DOUBT_AMID_TALK = {"en": -0.5, "ru": -0.25, "zh": -0.75}
"""The same for stretches of long utterances, of which each has several: so that at most a near miss in 40 amid talk is
taken for a request."""
PLAIN = 0.6
"""Share of these that are without case and punctuation."""
COPIES = 2
"""How often a sentence is put amid talk."""
TALK = "talk"
"""Group of the sentences that were not written as requests or near misses."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A sentence, whether it asks for a human, and the hand or the purpose that wrote it."""

    text: str
    asks: bool
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Sentences as numbers: pieces, scaled as the model does; those without a target have none."""

    sentences: Sequence[Labelled]
    pieces: sparse.csr_matrix
    asks: npt.NDArray[np.bool_]
    groups: npt.NDArray[np.str_]
    named: npt.NDArray[np.bool_]

    def rows(self, index: npt.NDArray[np.int64]) -> "Table":
        """Return some of the rows."""
        return Table(
            sentences=[self.sentences[row] for row in index],
            pieces=self.pieces[index],
            asks=self.asks[index],
            groups=self.groups[index],
            named=self.named[index],
        )

    def logits(self, weights: RequestWeights) -> Array:
        """Return what a model says of each, in logits; minus infinity of those without a target."""
        return np.where(self.named, self.pieces @ weights.pieces + weights.intercept, -np.inf)


def read_labelled(language: str) -> list[Labelled]:
    """Return the sentences to learn from: those the rules are tuned on, and the talk that frustration is learnt from.

    Talk asks for nobody, except for what `dev` says of the same words; left out is what is unclear, and what a
    held-out set has, too.
    """
    sentences: dict[str, Labelled] = {}
    for line in (ROOT / "tests/speech/data" / f"intent_{language}_dev.tsv").read_text(encoding="utf-8").splitlines():
        kind, group, text = line.split("\t")
        sentences.setdefault(text.lower(), Labelled(text=text, asks=kind != "-", group=group))
    data = ROOT / "scripts" / "data"
    unclear = (data / "intent" / f"unclear.{language}.txt").read_text(encoding="utf-8").splitlines()
    for line in (data / "frustration" / f"train.{language}.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        text = line.split("\t")[2]
        if text not in unclear:
            sentences.setdefault(text.lower(), Labelled(text=text, asks=False, group=TALK))
    return list(sentences.values())


def amid_talk(sentences: Sequence[Labelled], *, script: str, seed: int) -> list[Labelled]:
    """Return each sentence that was written for requests amid words of talk, as stretches of long utterances have it.

    A share of `PLAIN` is without case and punctuation.
    """
    chance = random.Random(seed)
    between = "" if script == "han" else " "
    talk = [list(one.text) if script == "han" else one.text.split() for one in sentences if one.group == TALK]
    copies = []
    for one in sentences:
        for _ in range(COPIES if one.group != TALK else 0):
            before, after = chance.randint(0, REACH[script]), chance.randint(0, REACH[script])
            stop = "" if one.text[-1] in ".?!。?!" else ("。" if script == "han" else ".")
            head = chance.choice(talk)[::-1][:before][::-1]
            text = between.join([*head, one.text + stop, *chance.choice(talk)[:after]])
            if chance.random() < PLAIN:
                text = "".join(letter for letter in text.lower() if letter.isalnum() or letter in " '-")
            copies.append(Labelled(text=text, asks=one.asks, group=one.group))
    return copies


def tabulate(sentences: Sequence[Labelled], book: PhraseBook) -> Table:
    """Turn sentences into numbers by the product's own reader."""
    rows, columns, values = [], [], []
    named = np.zeros(len(sentences), dtype=np.bool_)
    for row, sentence in enumerate(sentences):
        heard = book.tokenizer(sentence.text)
        found = read_patterns(book, heard)
        if found is None:
            continue
        named[row] = True
        apart = book.script != "han"
        spelled = [
            bucket
            for unit, _ in units(heard.tokens, words_apart=apart)
            for bucket in spelling(unit, words_apart=apart, bits=HASH_BITS)
        ]
        patterns = buckets(found, bits=HASH_BITS)
        rows += [row] * (len(spelled) + len(patterns))
        columns += spelled + patterns
        values += [max(len(spelled), 1) ** -0.5] * len(spelled)
        values += [PATTERN_SCALE * len(patterns) ** -0.5] * len(patterns)
    return Table(
        sentences=sentences,
        pieces=sparse.csr_matrix((values, (rows, columns)), shape=(len(sentences), 1 << HASH_BITS)),
        asks=np.array([sentence.asks for sentence in sentences]),
        groups=np.array([sentence.group for sentence in sentences]),
        named=named,
    )


def fit(table: Table, *, language: str, within: bool = False) -> RequestWeights:
    """Fit a logistic regression with a ridge penalty to the sentences that have a target.

    With `within`, its verdicts are for stretches of long utterances.
    """
    table = table.rows(np.flatnonzero(table.named))
    used = np.unique(table.pieces.indices)
    inputs = table.pieces[:, used]
    sign = np.where(table.asks, 1.0, -1.0)

    def loss(parameters: Array) -> tuple[float, Array]:
        shift, weights = parameters[0], parameters[1:]
        margins = sign * (inputs @ weights + shift)
        slope = -sign * expit(-margins)
        gradient = np.concatenate([[slope.sum()], inputs.T @ slope + weights / PENALTY])
        return float(np.logaddexp(0.0, -margins).sum() + 0.5 * weights @ weights / PENALTY), gradient

    found = minimize(loss, np.zeros(1 + len(used)), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    pieces = np.zeros(1 << HASH_BITS)
    pieces[used] = found.x[1:]
    return RequestWeights(
        intercept=float(found.x[0]),
        pieces=pieces,
        sure_from=(SURE_AMID_TALK if within else SURE_FROM)[language],
        doubt_below=(DOUBT_AMID_TALK if within else DOUBT_BELOW)[language],
    )


def held_out(table: Table, *, language: str, seed: int) -> Array:
    """Return each row's logit by a model that has not seen its fold."""
    folds = np.random.default_rng(seed).integers(0, FOLDS, len(table.sentences))
    logits = np.full(len(folds), np.nan)
    for fold in range(FOLDS):
        unseen = np.flatnonzero(folds == fold)
        logits[unseen] = table.rows(unseen).logits(fit(table.rows(np.flatnonzero(folds != fold)), language=language))
    return logits

r"""A site's own calls: stress scores and calm reference fitted to its callers, microphones and language.

Labels say which stretches of recordings are calm and which are stressed. Two things are fitted to them: the map from
the model's score to a probability, :math:`\operatorname{logit} P = a \operatorname{logit} s + b` [1]_, drawn towards
the identity where labels are few, and the calm reference that alarms rest on. What the fit is worth is measured on
callers that it has not seen (cross-fitting over callers). The result is a new profile: a model folder of its own,
beside the old one.

References
----------
.. [1] Platt, "Probabilistic Outputs for Support Vector Machines", Advances in Large Margin Classifiers (1999).
"""

import csv
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit, logit

from voicepipe.stress.calm import MIN_CALLERS, MIN_UTTERANCES, CalmKind, CalmReference, CalmScores
from voicepipe.types import Channel, DoubleArray, ModelError, ScoredUtterance, StressScore, VoicepipeError

COLUMNS = ("path", "channel", "start_s", "end_s", "label")
LABELS = {"calm": False, "stressed": True}
MIN_SHARE = 0.5
"""Share of an utterance that must lie within a labelled stretch for the label to be the utterance's."""
PRIOR_STRENGTH = 5.0
"""Weight of the identity in the fit, in units of the log-likelihood; a hundred labels outweigh it."""
FOLDS = 5
SCORE_LIMITS = (1e-4, 1.0 - 1e-4)


class LabelError(VoicepipeError):
    """A file of labels that cannot be used; the sentence names the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A stretch of a recording and how its caller sounded.

    Attributes
    ----------
    line : int
        Line in the file of labels, 1 for the header.
    path : str
        Recording, as the file names it.
    channel : Channel
        CALLER or MIXED.
    start_s, end_s : float
    stressed : bool
    """

    line: int
    path: str
    channel: Channel
    start_s: float
    end_s: float
    stressed: bool


def read_labels(lines: Iterable[str], *, is_recording: Callable[[str], bool]) -> tuple[Label, ...]:
    """Read labels from CSV with the header ``path,channel,start_s,end_s,label``.

    Parameters
    ----------
    lines : iterable of str
    is_recording : callable
        Whether a path is that of a recording that can be read.

    Raises
    ------
    LabelError
        If a line cannot be used, two overlap, or there is too little to fit.
    """
    reader = csv.DictReader(lines)
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise LabelError(f"Line 1: the column {missing[0]} is missing; the header is {','.join(COLUMNS)}.")
    labels = tuple(_label(row, line=reader.line_num, is_recording=is_recording) for row in reader)
    _refuse_overlaps(labels)
    calm = sum(not label.stressed for label in labels)
    if not labels or calm in {0, len(labels)}:
        only = "no labels" if not labels else f"only {'calm' if calm else 'stressed'} ones, from line 2 to the last"
        raise LabelError(f"The labels hold {only}; both calm and stressed speech are needed.")
    return labels


def _label(row: Mapping[str, str | None], *, line: int, is_recording: Callable[[str], bool]) -> Label:
    fields = {name: (row.get(name) or "").strip() for name in COLUMNS}
    if fields["label"] not in LABELS:
        raise LabelError(f"Line {line}: the label '{fields['label']}' is neither calm nor stressed.")
    if fields["channel"] not in {Channel.CALLER.value, Channel.MIXED.value}:
        raise LabelError(f"Line {line}: the channel '{fields['channel']}' is neither caller nor mixed.")
    try:
        start_s, end_s = float(fields["start_s"]), float(fields["end_s"])
    except ValueError:
        raise LabelError(
            f"Line {line}: '{fields['start_s']}' to '{fields['end_s']}' is no time; give seconds, such as 12.5."
        ) from None
    if not 0.0 <= start_s < end_s < float("inf"):
        raise LabelError(
            f"Line {line}: {start_s:g} to {end_s:g} s is no stretch of time; the end comes after the start."
        )
    if not is_recording(fields["path"]):
        raise LabelError(f"Line {line}: there is no recording '{fields['path']}'; paths are relative to the labels.")
    return Label(
        line=line,
        path=fields["path"],
        channel=Channel(fields["channel"]),
        start_s=start_s,
        end_s=end_s,
        stressed=LABELS[fields["label"]],
    )


def _refuse_overlaps(labels: Sequence[Label]) -> None:
    ordered = sorted(labels, key=lambda label: (label.path, label.channel.value, label.start_s))
    for one, other in pairwise(ordered):
        if (one.path, one.channel) == (other.path, other.channel) and other.start_s < one.end_s:
            first, second = sorted((one.line, other.line))
            raise LabelError(f"Line {second}: overlaps with line {first} in {one.path}; give each moment one label.")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledScore:
    """A labelled utterance after scoring.

    Attributes
    ----------
    caller : str
        Who spoke; the recording where callers are not known otherwise.
    score : StressScore
    stressed : bool
    """

    caller: str
    score: StressScore
    stressed: bool


def labelled(utterances: Sequence[ScoredUtterance], labels: Sequence[Label], *, caller: str) -> list[LabelledScore]:
    """Give each scored utterance of one recording's channel the label of the stretch that holds most of it.

    Utterances that lie in no labelled stretch by at least `MIN_SHARE` are left out, as are those without a score.
    """
    found = []
    for utterance in utterances:
        if utterance.score is None:
            continue
        shares = {
            stressed: sum(
                max(0.0, min(label.end_s, utterance.end_s) - max(label.start_s, utterance.start_s))
                for label in labels
                if label.channel is utterance.channel and label.stressed is stressed
            )
            for stressed in (False, True)
        }
        stressed = shares[True] > shares[False]
        if shares[stressed] >= MIN_SHARE * (utterance.end_s - utterance.start_s) > 0.0:
            found.append(LabelledScore(caller=caller, score=utterance.score, stressed=stressed))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreMap:
    """From a model's score to a site's probability of stress.

    Attributes
    ----------
    slope, intercept : float
        Of the logit; (1, 0) leaves scores as they are.
    """

    slope: float = 1.0
    intercept: float = 0.0

    def apply(self, stress: npt.ArrayLike) -> DoubleArray:
        """Return the site's probabilities, shape as given."""
        return np.asarray(expit(self.slope * logit(np.clip(stress, *SCORE_LIMITS)) + self.intercept), dtype=np.float64)

    @classmethod
    def fit(cls, stress: DoubleArray, stressed: npt.NDArray[np.bool_]) -> "ScoreMap":
        """Fit by maximum likelihood with a normal prior around the identity; the slope stays positive."""
        score = logit(np.clip(stress, *SCORE_LIMITS))
        sign = np.where(stressed, 1.0, -1.0)

        def loss(parameters: DoubleArray) -> float:
            log_slope, intercept = parameters
            margin = sign * (np.exp(log_slope) * score + intercept)
            return float(np.sum(np.logaddexp(0.0, -margin)) + 0.5 * PRIOR_STRENGTH * (log_slope**2 + intercept**2))

        log_slope, intercept = minimize(loss, np.zeros(2), method="L-BFGS-B").x
        return cls(slope=float(np.exp(log_slope)), intercept=float(intercept))


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFigures:
    """How well scores fit a site's labels.

    Attributes
    ----------
    log_loss : float
        Mean negative log-likelihood of the labels, in nats; smaller is better.
    calibration_error : float
        Expected calibration error over ten equal bins of the score, 0..1.
    calm_called_strange : float
        Share of calm utterances with a p-value of at most 0.05 against the calm reference; 0.05 is right.
    """

    log_loss: float
    calibration_error: float
    calm_called_strange: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFit:
    """What was fitted to a site, and what it is worth.

    Attributes
    ----------
    score_map : ScoreMap
    reference : CalmReference
    refitted : tuple of CalmKind
        Kinds that the site had enough calm speech of; the others are the model's own.
    callers, calm, stressed : int
        Labelled callers and utterances behind it.
    before, after : SiteFigures
        Of the model as it was, and of the fit on callers that it had not seen.
    """

    score_map: ScoreMap
    reference: CalmReference
    refitted: tuple[CalmKind, ...]
    callers: int
    calm: int
    stressed: int
    before: SiteFigures
    after: SiteFigures


def fit_site(scores: Sequence[LabelledScore], *, reference: CalmReference) -> SiteFit:
    """Fit the score map and the calm reference to a site's labelled utterances.

    Parameters
    ----------
    scores : sequence of LabelledScore
    reference : CalmReference
        The model's own.

    Raises
    ------
    LabelError
        With fewer than 30 calm utterances, no stressed ones, or fewer than 2 callers.
    """
    callers = sorted({one.caller for one in scores})
    calm = sum(not one.stressed for one in scores)
    if calm < MIN_UTTERANCES or calm == len(scores) or len(callers) < MIN_CALLERS:
        raise LabelError(
            f"The labels cover {calm} calm and {len(scores) - calm} stressed utterances of {len(callers)} callers; "
            f"at least {MIN_UTTERANCES} calm ones, a stressed one and {MIN_CALLERS} callers are needed."
        )
    score_map, kinds = _fit(scores, reference)
    refitted = tuple(kind for kind in CalmKind if kind in kinds)
    moved = {kind: _moved(reference.kinds[kind], score_map) for kind in CalmKind} | kinds
    fold_of = {caller: i % min(FOLDS, len(callers)) for i, caller in enumerate(callers)}
    unseen: list[tuple[float, float, bool]] = []
    for fold in sorted(set(fold_of.values())):
        rest = [one for one in scores if fold_of[one.caller] != fold]
        fold_map, fold_kinds = _fit(rest, reference)
        yard = {kind: _moved(reference.kinds[kind], fold_map) for kind in CalmKind} | fold_kinds
        unseen += [_judged(one, fold_map, yard) for one in scores if fold_of[one.caller] == fold]
    return SiteFit(
        score_map=score_map,
        reference=CalmReference.of_kinds(moved),
        refitted=refitted,
        callers=len(callers),
        calm=calm,
        stressed=len(scores) - calm,
        before=_figures([_judged(one, ScoreMap(), reference.kinds) for one in scores]),
        after=_figures(unseen),
    )


def _fit(scores: Sequence[LabelledScore], reference: CalmReference) -> tuple[ScoreMap, dict[CalmKind, CalmScores]]:
    """Fit the map, and every kind of calm speech that there is enough of."""
    score_map = ScoreMap.fit(
        np.array([one.score.stress for one in scores]), np.array([one.stressed for one in scores], dtype=bool)
    )
    kinds = {}
    for kind in reference.kinds:
        mine = [one for one in scores if not one.stressed and CalmKind.of(one.score) is kind]
        try:
            kinds[kind] = CalmScores.measure(
                score_map.apply([one.score.stress for one in mine]), [one.caller for one in mine]
            )
        except ModelError:  # too little calm speech of this kind: the model's own stays
            continue
    return score_map, kinds


def _moved(calm: CalmScores, score_map: ScoreMap) -> CalmScores:
    """Return the model's own calm speech as the site's map scores it; ranks and spread stay."""
    return replace(calm, scores=score_map.apply(calm.scores))


def _judged(one: LabelledScore, score_map: ScoreMap, kinds: Mapping[CalmKind, CalmScores]) -> tuple[float, float, bool]:
    stress = float(score_map.apply(one.score.stress))
    return stress, float(kinds[CalmKind.of(one.score)].p_values(stress)), one.stressed


def _figures(judged: Sequence[tuple[float, float, bool]]) -> SiteFigures:
    stress, p_value, stressed = (np.array(column) for column in zip(*judged, strict=True))
    bins = np.minimum((stress * 10.0).astype(int), 9)
    gaps = [abs(stress[bins == i].sum() - stressed[bins == i].sum()) for i in range(10)]
    return SiteFigures(
        log_loss=float(-np.mean(np.log(np.where(stressed, stress, 1.0 - stress)))),
        calibration_error=float(np.sum(gaps) / len(stress)),
        calm_called_strange=float(np.mean(p_value[~stressed] <= 0.05)),
    )


def write_profile(model_dir: Path, fit: SiteFit, *, labels_sha256: str) -> Path:
    """Write a fit as a new model folder beside the old one, ``<name>-site<k>`` with the next free number.

    Parameters
    ----------
    model_dir : Path
        The model that was fitted; not modified.
    fit : SiteFit
    labels_sha256 : str
        Hash of the file of labels.

    Returns
    -------
    Path
        The new folder: the model's files under the profile's own `model_id`, so that every event names it, the new
        ``calm.npz``, and ``site.toml`` with the map and the figures.

    Raises
    ------
    ModelError
        If the model's manifest cannot be read or the folder cannot be written.
    """
    number = 1
    while (target := model_dir.with_name(f"{model_dir.name}-site{number}")).exists():
        number += 1
    try:
        manifest = (model_dir / "manifest.toml").read_text(encoding="utf-8")
        renamed, count = re.subn(r'(?m)^model_id = ".*"$', f'model_id = "{target.name}"', manifest)
        if count != 1:
            raise ModelError(f"{model_dir / 'manifest.toml'} names no model_id; restore it from the release.")
        shutil.copytree(model_dir, target)
        (target / "manifest.toml").write_text(renamed, encoding="utf-8")
        with (target / "calm.npz").open("wb") as file:
            fit.reference.save(file)
        (target / "site.toml").write_text(_site_toml(fit, labels_sha256), encoding="utf-8")
    except OSError as error:
        raise ModelError(f"The profile {target} cannot be written ({error}); nothing else was changed.") from error
    return target


def _site_toml(fit: SiteFit, labels_sha256: str) -> str:
    lines = [
        f'labels_sha256 = "{labels_sha256}"',
        f"callers = {fit.callers}",
        f"calm_utterances = {fit.calm}",
        f"stressed_utterances = {fit.stressed}",
        f"refitted = {[kind.value for kind in fit.refitted]}",
        "",
        "[score_map]",
        f"slope = {fit.score_map.slope!r}",
        f"intercept = {fit.score_map.intercept!r}",
    ]
    for name, figures in (("before", fit.before), ("after_on_unseen_callers", fit.after)):
        lines += ["", f"[{name}]"]
        lines += [f"{field} = {getattr(figures, field)!r}" for field in SiteFigures.__slots__]
    return "\n".join(lines) + "\n"

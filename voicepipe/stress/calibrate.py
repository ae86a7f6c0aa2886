r"""A site's own calls: stress scores and calm reference fitted to its callers, microphones and language.

Labels say which stretches of recordings are calm and which are stressed. Three things are fitted to them: the map from
the model's score to a probability, :math:`\operatorname{logit} P = a \operatorname{logit} s + b` [1]_, drawn towards
the identity where labels are few; the calm reference that alarms rest on; and what the words of calm callers amount to.
What the fit is worth is measured on callers that it has not seen (cross-fitting over callers).

References
----------
.. [1] Platt, "Probabilistic Outputs for Support Vector Machines", Advances in Large Margin Classifiers (1999).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import logit
from scipy.stats import rankdata
from scipy.stats import t as student_t

from voicepipe.counting import counted
from voicepipe.stress.calm import (
    MIN_CALLERS,
    MIN_UTTERANCES,
    SPREAD_CONFIDENCE,
    CalmKind,
    CalmReference,
    CalmScores,
)
from voicepipe.stress.episode import EpisodeConfig, EpisodeDetector
from voicepipe.stress.evidence import WORD_STAKES, outspokenness
from voicepipe.stress.labels import LabelError, LabelledScore
from voicepipe.stress.profile import ScoreMap
from voicepipe.stress.slack import WORDS_MARGIN
from voicepipe.types import DoubleArray, EpisodeState, ModelError, ScoredUtterance

PRIOR_STRENGTH = 5.0
"""Weight of the identity in the fit, in units of the log-likelihood; a hundred labels outweigh it."""
WORDS_PRIOR_CALLERS = 10.0
"""Callers that what the model bets against in the words of calm callers counts for."""
WORDS_LIMIT = 0.9 * float(WORD_STAKES[0])
"""Most that is bet against in the words of calm callers; at the stake itself words would say nothing."""
FOLDS = 5
FEW_CALLERS = 5
"""Below, calm speech of so few callers is not worth a reference, nor are the figures worth believing."""
SCORE_LIMITS = (1e-4, 1.0 - 1e-4)
"""Scores are cut off here for the fit, so that one sure mistake does not turn it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledCall:
    """A call of which some speech is labelled, after scoring by the model without any profile.

    Attributes
    ----------
    caller : str
    scores : tuple of LabelledScore
        Of the labelled utterances, with the embedding and, beside it, by prosody alone.
    utterances : tuple of ScoredUtterance
        All of the caller's in order of decision, labelled or not, scored with the embedding; what alarms are tried on.
    stressed : bool
        Whether any stretch of it is labelled stressed.
    """

    caller: str
    scores: tuple[LabelledScore, ...]
    utterances: tuple[ScoredUtterance, ...]
    stressed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFigures:
    """How well scores fit a site's labels.

    Attributes
    ----------
    log_loss : float
        Mean negative log-likelihood of the labels, in nats; smaller is better.
    calibration_error : float
        Expected calibration error over ten equal bins of the score, 0..1.
    auc : float
        Probability that a stressed utterance scores above a calm one; 0.5 is chance.
    calm_called_strange : float
        Share of calm utterances with a p-value of at most 0.05 against the calm reference; 0.05 is right.
    calm_calls_alarmed, stressed_calls_alarmed : int
        Calls without and with stressed speech in which an episode opened.
    """

    log_loss: float
    calibration_error: float
    auc: float
    calm_called_strange: float
    calm_calls_alarmed: int
    stressed_calls_alarmed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFit:
    """What was fitted to a site, and what it is worth.

    Attributes
    ----------
    score_map : ScoreMap
    reference : CalmReference
    refitted : tuple of CalmKind
        Kinds that the site had enough calm speech of; the others are the model's own.
    words_measured : bool
        Whether there were enough calm words to measure their frustration; otherwise the model's own bound stands.
    callers, calm_calls, stressed_calls, calm, stressed : int
        Labelled callers, calls without and with stressed speech, calm and stressed utterances.
    before, after : SiteFigures
        Of the model as it was, and of the fit on callers that it had not seen. (The slack of the alarm's level alone is
        the whole site's also there: it depends on the callers' spread only, and is slow to simulate.)
    """

    score_map: ScoreMap
    reference: CalmReference
    refitted: tuple[CalmKind, ...]
    words_measured: bool
    callers: int
    calm_calls: int
    stressed_calls: int
    calm: int
    stressed: int
    before: SiteFigures
    after: SiteFigures

    @property
    def better(self) -> bool:
        """Whether probabilities are better on callers not seen than the model's own, and alarms no worse."""
        return (
            self.after.log_loss < self.before.log_loss
            and self.after.calm_calls_alarmed <= self.before.calm_calls_alarmed
        )


def fit_site(calls: Sequence[LabelledCall], *, reference: CalmReference, episode: EpisodeConfig) -> SiteFit:
    """Fit the score map and the calm reference to a site's labelled calls. Takes minutes: it simulates calls.

    Parameters
    ----------
    calls : sequence of LabelledCall
    reference : CalmReference
        The model's own.
    episode : EpisodeConfig
        What alarms are tried with.

    Raises
    ------
    LabelError
        With fewer than 30 calm utterances, no stressed ones, or fewer than 2 callers.
    """
    calls = [call for call in calls if any(one.score.with_embedding for one in call.scores)]
    heard = [one for call in calls for one in call.scores if one.score.with_embedding]
    calm = sum(not one.stressed for one in heard)
    has_stress: dict[str, bool] = {}
    for one in heard:
        has_stress[one.caller] = has_stress.get(one.caller, False) or one.stressed
    callers = sorted(has_stress, key=lambda caller: (has_stress[caller], caller))
    if calm < MIN_UTTERANCES or calm == len(heard) or len(callers) < MIN_CALLERS:
        raise LabelError(
            f"The labels cover {calm} calm and {counted(len(heard) - calm, 'stressed utterance')} of "
            f"{counted(len(callers), 'caller')}; "
            f"at least {MIN_UTTERANCES} calm ones, a stressed one and {MIN_CALLERS} callers are needed: label more "
            f"speech."
        )
    score_map, kinds = _fit([one for call in calls for one in call.scores])
    words_mean = _words_mean(heard, assumed=reference.words_mean)
    fitted = CalmReference.of_kinds(
        _yardstick(reference, score_map, kinds),
        words_mean=reference.words_mean if words_mean is None else words_mean,
    )
    fold_of = {caller: i % FOLDS for i, caller in enumerate(callers)}
    after: list[_Judged] = []
    for fold in sorted(set(fold_of.values())):
        rest = [one for call in calls if fold_of[call.caller] != fold for one in call.scores]
        fold_map, fold_kinds = _fit(rest)
        fold_words = _words_mean([one for one in rest if one.score.with_embedding], assumed=reference.words_mean)
        yard = replace(
            fitted,
            kinds=_yardstick(reference, fold_map, fold_kinds),
            words_mean=reference.words_mean if fold_words is None else fold_words,
        )
        unseen = [call for call in calls if fold_of[call.caller] == fold]
        after += [_judge(call, fold_map, yard, episode) for call in unseen]
    return SiteFit(
        score_map=score_map,
        reference=fitted,
        refitted=tuple(kind for kind in CalmKind if kind in kinds),
        words_measured=words_mean is not None,
        callers=len(callers),
        calm_calls=sum(not call.stressed for call in calls),
        stressed_calls=sum(call.stressed for call in calls),
        calm=calm,
        stressed=len(heard) - calm,
        before=_figures([_judge(call, ScoreMap(), reference, episode) for call in calls]),
        after=_figures(after),
    )


def fit_score_map(stress: npt.ArrayLike, stressed: npt.ArrayLike) -> ScoreMap:
    """Fit a map by maximum likelihood with a normal prior around the identity; the slope stays positive.

    Parameters
    ----------
    stress : array_like, shape (n,)
        Scores 0..1.
    stressed : array_like, shape (n,), bool
        Their labels.
    """
    score = logit(np.clip(stress, *SCORE_LIMITS))
    sign = np.where(stressed, 1.0, -1.0)

    def loss(parameters: DoubleArray) -> float:
        log_slope, intercept = parameters
        margin = sign * (np.exp(log_slope) * score + intercept)
        return float(np.sum(np.logaddexp(0.0, -margin)) + 0.5 * PRIOR_STRENGTH * (log_slope**2 + intercept**2))

    log_slope, intercept = minimize(loss, np.zeros(2), method="L-BFGS-B").x
    return ScoreMap(slope=float(np.exp(log_slope)), intercept=float(intercept))


def _fit(scores: Sequence[LabelledScore]) -> tuple[ScoreMap, dict[CalmKind, CalmScores]]:
    """Fit the map to what was scored with the embedding, and every kind of calm speech that there is enough of.

    Of the other kinds the model's own stay.
    """
    heard = [one for one in scores if one.score.with_embedding]
    score_map = fit_score_map(
        np.array([one.score.stress for one in heard]), np.array([one.stressed for one in heard], dtype=bool)
    )
    kinds = {}
    for kind in CalmKind:
        mine = [one for one in scores if not one.stressed and CalmKind.of(one.score) is kind]
        if len({one.caller for one in mine}) < FEW_CALLERS:
            continue
        try:
            kinds[kind] = CalmScores.measure(
                score_map.apply([one.score.stress for one in mine]), [one.caller for one in mine]
            )
        except ModelError:  # too few utterances of this kind
            continue
    return score_map, kinds


def _yardstick(
    reference: CalmReference, score_map: ScoreMap, kinds: Mapping[CalmKind, CalmScores]
) -> dict[CalmKind, CalmScores]:
    """Return all kinds: the site's own where measured, else the model's as the map scores it, ranks and spread kept."""
    moved = {kind: replace(calm, scores=score_map.apply(calm.scores)) for kind, calm in reference.kinds.items()}
    return moved | dict(kinds)


def _words_mean(scores: Sequence[LabelledScore], *, assumed: float) -> float | None:
    """Return the `outspokenness` to bet against in the words of calm callers; None where too few were transcribed.

    With the margin that the level of alarms is simulated with, it is the larger of two: the upper limit of the mean
    over callers, and that mean drawn towards what was assumed, since a few callers without a frustrated word prove
    little about those to come.
    """
    by_caller: dict[str, list[float]] = {}
    for one in scores:
        if not one.stressed and one.frustration is not None:
            by_caller.setdefault(one.caller, []).append(float(outspokenness(one.frustration)))
    n = len(by_caller)
    if n < MIN_CALLERS or sum(map(len, by_caller.values())) < MIN_UTTERANCES:
        return None
    means = WORDS_MARGIN * np.array([np.mean(values) for values in by_caller.values()])
    upper = float(means.mean() + student_t.ppf(SPREAD_CONFIDENCE, n - 1) * means.std(ddof=1) / np.sqrt(n))
    drawn = (float(means.sum()) + WORDS_PRIOR_CALLERS * assumed) / (n + WORDS_PRIOR_CALLERS)
    return float(min(max(upper, drawn), WORDS_LIMIT))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """A call's labelled utterances under some map and reference, and whether the call alarmed."""

    stress: DoubleArray
    p_value: DoubleArray
    labels: npt.NDArray[np.bool_]
    stressed: bool
    alarmed: bool


def _judge(call: LabelledCall, score_map: ScoreMap, reference: CalmReference, episode: EpisodeConfig) -> _Judged:
    heard = [one for one in call.scores if one.score.with_embedding]
    stress = score_map.apply([one.score.stress for one in heard])
    p_value = [
        float(reference.kinds[CalmKind.of(one.score)].p_values(mapped))
        for one, mapped in zip(heard, stress, strict=True)
    ]
    return _Judged(
        stress=stress,
        p_value=np.array(p_value),
        labels=np.array([one.stressed for one in heard], dtype=bool),
        stressed=call.stressed,
        alarmed=_alarms(call, score_map, reference, episode),
    )


def _alarms(call: LabelledCall, score_map: ScoreMap, reference: CalmReference, episode: EpisodeConfig) -> bool:
    """Run a fresh detector over a call's utterances; return whether an episode opened."""
    if not call.utterances:
        return False
    first = call.utterances[0]
    detector = EpisodeDetector(call_id=first.call_id, channel=first.channel, config=episode, reference=reference)
    for utterance in call.utterances:
        if utterance.score is None:
            continue
        stress = float(score_map.apply(utterance.score.stress))
        mapped = replace(utterance, score=replace(utterance.score, stress=stress))
        if any(found.state is EpisodeState.OPENED for found in detector.update(mapped)):
            return True
    return False


def _figures(judged: Sequence[_Judged]) -> SiteFigures:
    stress = np.concatenate([one.stress for one in judged])
    p_value = np.concatenate([one.p_value for one in judged])
    stressed = np.concatenate([one.labels for one in judged])
    bins = np.minimum((stress * 10.0).astype(int), 9)
    gaps = [abs(stress[bins == i].sum() - stressed[bins == i].sum()) for i in range(10)]
    sure = np.clip(np.where(stressed, stress, 1.0 - stress), SCORE_LIMITS[0], 1.0)
    n_stressed, n_calm = int(stressed.sum()), int((~stressed).sum())
    ranks = float(rankdata(stress)[stressed].sum()) - n_stressed * (n_stressed + 1) / 2.0
    return SiteFigures(
        log_loss=float(-np.mean(np.log(sure))),
        calibration_error=float(np.sum(gaps) / len(stress)),
        auc=ranks / (n_stressed * n_calm),
        calm_called_strange=float(np.mean(p_value[~stressed] <= 0.05)),
        calm_calls_alarmed=sum(one.alarmed and not one.stressed for one in judged),
        stressed_calls_alarmed=sum(one.alarmed and one.stressed for one in judged),
    )

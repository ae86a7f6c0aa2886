r"""How evidence of stress adds up over a call: an e-detector over unknown callers, of two streams, voice and words.

The input is one normal score :math:`z_t` per utterance (`voicepipe.stress.calm`): about standard normal over all calm
speech, large where an utterance is unlike calm speech. What is bet on is its bounded form
:math:`g_t = \Phi((z_t - h) / s)` in 0..1 (`strangeness`), so one utterance, however extreme, counts only so much.

**Callers differ.** A calm caller's :math:`z_t` scatters with :math:`\sigma` (`within_sd`) around its own offset
:math:`b`, which has standard deviation :math:`\tau` over callers (`between_sd`). An offset does not average out within
a call, so taking utterances for independent draws from pooled calm speech overstates the evidence without limit.
Therefore evidence is kept once per offset :math:`b_j` of a grid. With
:math:`\mu_j = \Phi((b_j - h) / \sqrt{s^2 + \sigma^2})`, the mean of :math:`g` at that offset, the bet

.. math:: e_t^{(j)} = [1 + \kappa_j (g_t - \mu_j)]^{w_t}, \qquad
          \kappa_j = \frac{(m - \mu_j)_+}{\mu_j (1 - \mu_j)}

has :math:`E[e_t \mid \text{past}] \le 1` for every calm caller with :math:`E[g_t \mid \text{past}] \le \mu_j`: an
e-value [1]_ that assumes nothing but this mean [2]_. The stake is the best one against stressed speech whose mean is
:math:`m`. A weight :math:`0 \le w_t \le 1` that is known without the score keeps it an e-value (Jensen).

**Words.** Where there is a transcript, :math:`q_t`, how far the words show frustration (`outspokenness`), is bet on in
the same way, for two such means. Calm callers differ in their words too: the mean of :math:`q` of a caller :math:`c`
standard deviations out is :math:`\nu_k = \Phi(c_k \tau_w + \Phi^{-1}(\nu_0))`, with :math:`\nu_0` (`words_mean`) that
of an ordinary caller, so evidence is kept once per cell of a grid of :math:`c_k`, too.

Evidence may be multiplied only where it is independent given that the caller is calm; here: where the words' bet has
mean at most 1 *given the voice of the same utterance*, that is :math:`E[q_t \mid z_t, \text{past}] \le \nu_k`. That is
secured in three ways. The two readers share nothing: the words are judged from redacted text and never from sound, the
voice from sound and never from text (but the speech embedding knows something of the words, so this alone would not
do). The bet is made against a :math:`\nu_0` well above what calm speech shows. And the level is calibrated on simulated
calm callers whose frustrated words *follow* their unusual voice (`voicepipe.stress.slack`). Three evidences are
accumulated, of the voice, of both, and of the words alone, and averaged (`SHARES`): an average of e-detectors is one
[1]_, whatever the dependence between them. A call without a transcript is decided by its voice exactly as if there were
no second stream.

**Accumulation.** For each offset and each bet on words a Shiryaev-Roberts e-detector [3]_ is run; what enters it is
*time*:

.. math:: M_t = (M_{t-1} + \Delta_t)\, e_t, \qquad \Delta_t = \text{hours of the call since the utterance before}.

For a calm caller with :math:`b \le b_j`, :math:`M_t - \sum_{s \le t} \Delta_s` is a supermartingale, and with a reset
at each crossing of a level :math:`A` so is :math:`A N_t + M_t - \sum \Delta_s`, :math:`N_t` counting the crossings.
Hence :math:`E[N] \le T / A` in a call of :math:`T` hours, whatever the number of utterances in it. A factor of 1 bets
nothing: it stands for a voice that is not scored, and for words that are not there.

**The caller is not known**, so an alarm needs the evidence against *every* offset, at a price that follows how rare
the offset is:

.. math:: \min_j M_t^{(j)} / a_j \ge A, \qquad a_j = J \pi_j, \qquad \pi_j = P(b_{j-1} < b \le b_j).

A caller in cell :math:`j` alarms at most :math:`1 / (A a_j)` times an hour, and over callers
:math:`\sum_j \pi_j / (A a_j) = 1 / A`. So the **bound**, level :math:`A = 100 / B` for a budget of :math:`B` false
alarms per 100 call-hours, holds marginally over callers. One particular caller whose calm voice lies far out in the
population is not protected by it; such callers are only rare. Cells of the words have their prices :math:`a'_k` in the
same way, and a pair of cells has the product.

**From bound to level.** Such bounds are loose, and what they give away is delay. `voicepipe.stress.slack` measures by
how much, on simulated calls of calm callers of the same law, whose moods outlast an utterance, each utterance at the
weight that utterances mostly have.
The level used is the bound's, lowered by that slack: it is calibrated, not proved. Both hold as far as new callers
follow the measured :math:`\tau` and :math:`\sigma`, and on average over references: one that rests on few callers may
by chance be calmer than those to come. Only calls of unseen callers can show that they do.

Evidence is nondecreasing in every score, so more stress never delays an alarm.

References
----------
.. [1] Vovk and Wang, "E-values: calibration, combination and applications", Annals of Statistics 49 (2021).
.. [2] Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS B 86 (2024).
.. [3] Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric framework for sequential change detection",
   arXiv 2203.03532.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from voicepipe.types import DoubleArray

HALF_STRANGE_Z = 2.0
"""Normal score h at which an utterance counts as half strange: one in forty-four calm utterances scores higher."""
STRANGE_WIDTH_Z = 0.8
"""Width s of the step, in normal scores: a soft one, so that faint stress that lasts counts too."""

STAKE = 0.9
"""Mean m of the strangeness of stressed speech that the bets are made for."""
FAINT_STAKE = 0.5
"""The same for faint stress, by which the beginning and the end of an episode are located."""
OFFSETS = np.arange(0.0, 5.01, 0.5)
"""Caller offsets b_j, in units of `between_sd`. The part of a normal population beyond the last is 3e-7."""

WORD_STAKES = np.array([0.4, 0.9])
"""Means of the frustration in a stressed caller's words that the bets are made for: now and then, and all the time."""
WORD_OFFSETS = np.arange(0.0, 3.01, 1.0)
"""Caller offsets c_k of the words, in units of `WORD_SPREAD`."""
WORD_SPREAD = 0.5
"""Spread over calm callers, in probits: of 100 callers whose ordinary one has 5 %, three have 25 % and more."""

SHARES = np.array([0.4, 0.2, 0.4])
"""Weights of the voice, of both, and of the words alone."""

MASS_LIMIT = 1e200
"""Where accumulation stops, far above any level."""


def _prices(offsets: DoubleArray) -> DoubleArray:
    """Return the prices of the cells of a normal population; the last cell takes the rest of the tail."""
    cells = np.diff(ndtr(np.concatenate(([-np.inf], offsets[:-1], [np.inf]))))
    return np.asarray(len(offsets) * cells, dtype=np.float64)


PRICES = _prices(OFFSETS)
WORD_PRICES = _prices(WORD_OFFSETS)


def strangeness(z: npt.ArrayLike) -> DoubleArray:
    """Return the bounded form of normal scores, 0..1, shape as given."""
    return np.asarray(ndtr((np.asarray(z, dtype=np.float64) - HALF_STRANGE_Z) / STRANGE_WIDTH_Z), dtype=np.float64)


def bets(z: npt.ArrayLike, *, between_sd: npt.ArrayLike, within_sd: npt.ArrayLike, stake: float = STAKE) -> DoubleArray:
    """Return the e-values of one utterance's voice, for many calls at once.

    Parameters
    ----------
    z, between_sd, within_sd : array_like, shape (...)
        Normal score, and the spread of the utterance's kind of calm speech.
    stake : float
        Mean strangeness of the stress that is bet on, 0..1.

    Returns
    -------
    ndarray, shape (..., len(OFFSETS)), float64
        Above 0.
    """
    offset_z = OFFSETS * np.asarray(between_sd, dtype=np.float64)[..., None]
    width = np.hypot(STRANGE_WIDTH_Z, np.asarray(within_sd, dtype=np.float64))[..., None]
    return _bet(strangeness(z)[..., None], ndtr((offset_z - HALF_STRANGE_Z) / width), stake)


def outspokenness(prob: npt.ArrayLike) -> DoubleArray:
    """Return what is bet on of the probability that words show frustration: its excess over one half, 0..1.

    Plain statements of a problem get some probability, too; what is more likely calm than not counts as calm.
    """
    return np.asarray(np.clip(2.0 * np.asarray(prob, dtype=np.float64) - 1.0, 0.0, 1.0), dtype=np.float64)


def word_bets(prob: npt.ArrayLike, *, words_mean: float) -> DoubleArray:
    """Return the e-values of one utterance's words, for many calls at once.

    Parameters
    ----------
    prob : array_like, shape (...)
        Probability that the words show frustration, 0..1.
    words_mean : float
        Mean `outspokenness` of the words of an ordinary calm caller, with a margin; above 0 and below the lower stake.

    Returns
    -------
    ndarray, shape (..., len(WORD_OFFSETS), len(WORD_STAKES)), float64
        Above 0.
    """
    mean = ndtr(WORD_OFFSETS * WORD_SPREAD + ndtri(words_mean))
    return _bet(outspokenness(prob)[..., None, None], mean[:, None], WORD_STAKES)


def _bet(value: DoubleArray, mean: DoubleArray, stressed_mean: DoubleArray | float) -> DoubleArray:
    """Return 1 + kappa (value - mean), kappa the best stake against the alternatives' mean."""
    stake = np.maximum(stressed_mean - mean, 0.0) / (mean * (1.0 - mean))
    return np.asarray(1.0 + stake * (value - mean), dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The e-detectors of one call, or of many at once: M in call-hours.

    Attributes
    ----------
    voice : ndarray, shape (..., len(OFFSETS)), float64
    both : ndarray, shape (..., len(OFFSETS), len(WORD_OFFSETS), len(WORD_STAKES)), float64
    words : ndarray, shape (..., len(WORD_OFFSETS), len(WORD_STAKES)), float64
    """

    voice: DoubleArray
    both: DoubleArray
    words: DoubleArray

    @classmethod
    def none(cls, *calls: int, transcripts: bool = True) -> Self:
        """Return the e-detectors before the first utterance.

        Parameters
        ----------
        *calls : int
            Their leading shape.
        transcripts : bool
            False: no words will ever come, and only `voice` is kept.
        """
        words = (len(WORD_OFFSETS), len(WORD_STAKES) * transcripts)
        return cls(
            voice=np.zeros((*calls, len(OFFSETS))),
            both=np.zeros((*calls, len(OFFSETS), *words)),
            words=np.zeros((*calls, *words)),
        )

    def accumulate(
        self,
        voice: DoubleArray | None,
        words: DoubleArray | None,
        *,
        weight: npt.ArrayLike = 1.0,
        call_hours: npt.ArrayLike,
    ) -> Self:
        """Return the e-detectors after one more utterance.

        Parameters
        ----------
        voice : ndarray, shape (..., len(OFFSETS)), float64, or None
            From `bets`; None where the voice is not scored.
        words : ndarray, shape (..., len(WORD_OFFSETS), len(WORD_STAKES)), float64, or None
            From `word_bets`; None where there is no transcript.
        weight : array_like, shape (...)
            0..1.
        call_hours : array_like, shape (...)
            Hours of the call since the utterance before, 0 or more.
        """
        heard = np.ones(len(OFFSETS)) if voice is None else voice
        said = np.ones((len(WORD_OFFSETS), len(WORD_STAKES))) if words is None else words
        power, hours = np.asarray(weight, dtype=np.float64), np.asarray(call_hours, dtype=np.float64)
        heard, said = heard ** power[..., None], said ** power[..., None, None]

        def after(mass: DoubleArray, e_values: DoubleArray) -> DoubleArray:
            entered = hours.reshape(hours.shape + (1,) * (mass.ndim - hours.ndim))
            return np.minimum((mass + entered) * e_values, MASS_LIMIT)

        if not self.words.size:
            return replace(self, voice=after(self.voice, heard))
        return type(self)(
            voice=after(self.voice, heard),
            both=after(self.both, heard[..., None, None] * said[..., None, :, :]),
            words=after(self.words, said),
        )

    def without(self, calls: npt.NDArray[np.bool_]) -> Self:
        """Return the e-detectors with those of some calls begun anew."""

        def kept(mass: DoubleArray) -> DoubleArray:
            return np.where(calls.reshape(calls.shape + (1,) * (mass.ndim - calls.ndim)), 0.0, mass)

        return type(self)(voice=kept(self.voice), both=kept(self.both), words=kept(self.words))

    @property
    def log_voice(self) -> DoubleArray:
        """Logarithm of the evidence of the voice alone, in call-hours, shape (...); -inf at the start."""
        return _log(self._of_voice())

    @property
    def log_words(self) -> DoubleArray:
        """Logarithm of the evidence of the words alone."""
        return _log(self._of_words())

    @property
    def log_total(self) -> DoubleArray:
        """Logarithm of the evidence that decides: the three averaged."""
        both = np.min(self.both.mean(axis=-1) / PRICES[:, None] / WORD_PRICES, axis=(-2, -1))
        return _log(SHARES[0] * self._of_voice() + SHARES[1] * both + SHARES[2] * self._of_words())

    def _of_voice(self) -> DoubleArray:
        return np.asarray(np.min(self.voice / PRICES, axis=-1), dtype=np.float64)

    def _of_words(self) -> DoubleArray:
        return np.asarray(np.min(self.words.mean(axis=-1) / WORD_PRICES, axis=-1), dtype=np.float64)


def _log(evidence: DoubleArray) -> DoubleArray:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(evidence), dtype=np.float64)


def log_bound(false_alarms_per_100_call_hours: npt.ArrayLike) -> DoubleArray:
    """Return the logarithm of the level that the bound gives to a budget, in call-hours."""
    return np.asarray(np.log(100.0 / np.asarray(false_alarms_per_100_call_hours)), dtype=np.float64)

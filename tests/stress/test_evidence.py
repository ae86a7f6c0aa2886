"""The bets and what they add up to: e-values, prices, monotony, streams."""

import numpy as np
import pytest
from scipy.stats import norm

from voicepipe.stress.evidence import (
    OFFSETS,
    PRICES,
    SHARES,
    WORD_OFFSETS,
    WORD_PRICES,
    WORD_SPREAD,
    Evidence,
    bets,
    strangeness,
    word_bets,
)

BETWEEN_SD, WITHIN_SD, WORDS_MEAN = 0.4, 0.92, 0.05
HOURS = 0.003


def voice(z: object) -> np.ndarray:
    return bets(z, between_sd=BETWEEN_SD, within_sd=WITHIN_SD)


def words(prob: object) -> np.ndarray:
    return word_bets(prob, words_mean=WORDS_MEAN)


def test_a_bet_on_the_voice_is_an_e_value_for_every_caller_up_to_its_offset() -> None:
    noise = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    for cell, offset in enumerate(OFFSETS):
        expected = voice(offset * BETWEEN_SD + WITHIN_SD * noise).mean(axis=0)
        assert np.all(expected[cell:] <= 1.0 + 1e-6), offset


def test_a_bet_on_the_words_is_an_e_value_for_every_caller_up_to_its_offset() -> None:
    for cell, offset in enumerate(WORD_OFFSETS):
        mean = norm.cdf(offset * WORD_SPREAD + norm.ppf(WORDS_MEAN))
        expected = mean * words(1.0) + (1.0 - mean) * words(0.0)
        assert np.all(expected[cell:] <= 1.0 + 1e-9), offset


def test_prices_share_one_false_alarm_among_the_cells() -> None:
    for offsets, prices in ((OFFSETS, PRICES), (WORD_OFFSETS, WORD_PRICES)):
        cells = np.diff(norm.cdf(np.concatenate(([-np.inf], offsets[:-1], [np.inf]))))
        assert np.sum(cells / prices) == pytest.approx(1.0)
        assert cells.sum() == pytest.approx(1.0)
    assert SHARES.sum() == pytest.approx(1.0)


def test_evidence_rises_with_every_score_and_every_frustrated_word() -> None:
    rng = np.random.default_rng(2)
    z, prob, weight = rng.standard_normal((200, 12)), rng.random((200, 12)) ** 3, rng.random(12)
    higher = z + rng.exponential(0.5, z.shape) * (rng.random(z.shape) < 0.3)
    angrier = prob + (1.0 - prob) * (rng.random(z.shape) < 0.2)

    def evidence(scores: np.ndarray, said: np.ndarray) -> np.ndarray:
        mass, out = Evidence.none(len(scores)), []
        for t in range(scores.shape[1]):
            mass = mass.accumulate(voice(scores[:, t]), words(said[:, t]), weight=weight[t], call_hours=HOURS)
            out.append(mass.log_total)
        return np.array(out)

    assert np.all(evidence(higher, prob) >= evidence(z, prob) - 1e-12)
    assert np.all(evidence(z, angrier) >= evidence(z, prob) - 1e-12)


def test_one_utterance_counts_only_so_much() -> None:
    assert np.all(voice(1e6) < np.exp(3.0))
    assert np.all(words(1.0) < np.exp(3.0))
    assert strangeness(np.array([-np.inf, np.inf])).tolist() == [0.0, 1.0]


def test_a_stream_that_is_not_there_bets_nothing() -> None:
    heard = Evidence.none().accumulate(voice(2.0), None, call_hours=HOURS)
    said = Evidence.none().accumulate(None, words(1.0), call_hours=HOURS)
    assert heard.log_voice == Evidence.none().accumulate(voice(2.0), words(1.0), call_hours=HOURS).log_voice
    assert said.log_words == Evidence.none().accumulate(voice(2.0), words(1.0), call_hours=HOURS).log_words
    assert heard.log_words == pytest.approx(np.log(HOURS / WORD_PRICES.max()))
    assert said.log_voice == pytest.approx(np.log(HOURS / PRICES.max()))


def test_without_transcripts_only_the_voice_is_kept() -> None:
    kept, slim = Evidence.none(3), Evidence.none(3, transcripts=False)
    for z in (0.0, 2.0, 2.5):
        kept = kept.accumulate(voice(np.full(3, z)), None, call_hours=HOURS)
        slim = slim.accumulate(voice(np.full(3, z)), None, call_hours=HOURS)
    assert np.array_equal(kept.log_voice, slim.log_voice)


def test_frustrated_words_help_a_voice_that_is_only_tense() -> None:
    alone, both = Evidence.none(), Evidence.none()
    for _ in range(8):
        alone = alone.accumulate(voice(1.0), words(0.0), call_hours=HOURS)
        both = both.accumulate(voice(1.0), words(1.0), call_hours=HOURS)
    assert both.log_total > alone.log_total + 5.0
    assert both.log_total >= max(both.log_voice + np.log(SHARES[0]), both.log_words + np.log(SHARES[2]))


def test_nothing_comes_of_no_time() -> None:
    evidence = Evidence.none().accumulate(voice(3.0), words(1.0), call_hours=0.0)
    assert evidence.log_total == evidence.log_voice == evidence.log_words == -np.inf


def test_an_endless_rage_does_not_overflow() -> None:
    evidence = Evidence.none()
    for _ in range(5000):
        evidence = evidence.accumulate(voice(3.0), words(1.0), call_hours=HOURS)
    assert np.isfinite(evidence.log_total)


def test_calls_begun_anew_do_not_touch_the_others() -> None:
    evidence = Evidence.none(3).accumulate(voice(np.full(3, 2.0)), words(np.full(3, 1.0)), call_hours=HOURS)
    anew = evidence.without(np.array([False, True, False]))
    assert anew.log_total[1] == -np.inf
    assert np.array_equal(anew.log_total[[0, 2]], evidence.log_total[[0, 2]])
    assert anew.voice.shape == (3, len(OFFSETS))

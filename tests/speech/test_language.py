"""The language of a call is decided once and kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.speech.language import LanguageConfig, LanguageTracker
from voicepipe.types import ConfigError

ENGLISH = {"en": 0.95, "de": 0.03, "ru": 0.02}
RUSSIAN = {"ru": 0.96, "uk": 0.03, "en": 0.01}


def test_nothing_heard_nothing_known() -> None:
    tracker = LanguageTracker.start()
    assert tracker.locked is None
    assert tracker.best is None
    assert tracker.posterior == {}


def test_a_given_language_is_kept_whatever_is_heard() -> None:
    tracker = LanguageTracker.start(language="zh").hear(ENGLISH, speech_s=30.0)
    assert tracker.locked == tracker.best == "zh"
    assert tracker.posterior == {"zh": 1.0}


def test_a_given_language_that_whisper_does_not_know_is_found_out() -> None:
    tracker = LanguageTracker.start(language="nb").hear(RUSSIAN, speech_s=30.0)
    assert tracker.locked == "ru"


def test_candidates_that_whisper_does_not_know_are_refused() -> None:
    assert LanguageConfig(candidates=("en", "zh")).candidates == ("en", "zh")
    with pytest.raises(ConfigError, match=r"candidates has 'english'"):
        LanguageConfig(candidates=("en", "english"))


def test_it_locks_after_enough_clear_speech_and_then_stays() -> None:
    tracker = LanguageTracker.start().hear(RUSSIAN, speech_s=2.0)
    assert tracker.locked is None
    assert tracker.best == "ru"
    tracker = tracker.hear(RUSSIAN, speech_s=2.0)
    assert tracker.locked == "ru"
    assert tracker.hear(ENGLISH, speech_s=100.0) is tracker


def test_ambiguous_speech_does_not_lock() -> None:
    tracker = LanguageTracker.start()
    for _ in range(3):
        tracker = tracker.hear({"ru": 0.5, "uk": 0.48, "en": 0.02}, speech_s=3.0)
    assert tracker.locked is None
    assert tracker.best == "ru"
    assert tracker.hear({"uk": 0.9, "ru": 0.1}, speech_s=6.0).locked == "uk"


def test_a_confident_guess_on_a_short_word_counts_little() -> None:
    tracker = LanguageTracker.start().hear({"ja": 0.99, "en": 0.01}, speech_s=0.4)
    assert tracker.best == "ja"
    assert tracker.hear(ENGLISH, speech_s=3.0).locked == "en"


def test_no_single_utterance_vetoes_a_language() -> None:
    tracker = LanguageTracker.start().hear({"ja": 1.0}, speech_s=2.0)
    for _ in range(3):
        tracker = tracker.hear(ENGLISH, speech_s=3.0)
    assert tracker.locked == "en"


def test_a_language_first_heard_of_late_owes_its_earlier_share() -> None:
    late = LanguageTracker.start().hear({"en": 1.0}, speech_s=2.0).hear({"en": 0.5, "fr": 0.5}, speech_s=2.0)
    full = LanguageTracker.start().hear({"en": 1.0, "fr": 0.0}, speech_s=2.0).hear({"en": 0.5, "fr": 0.5}, speech_s=2.0)
    assert late.posterior == pytest.approx(full.posterior)


def test_candidates_restrict_the_choice() -> None:
    config = LanguageConfig(candidates=("ru", "en"))
    tracker = LanguageTracker.start(config=config).hear({"uk": 0.7, "ru": 0.29, "en": 0.01}, speech_s=4.0)
    assert tracker.locked == "ru"


def test_an_utterance_without_probabilities_changes_nothing() -> None:
    tracker = LanguageTracker.start(config=LanguageConfig(candidates=("ru", "en")))
    assert tracker.hear({}, speech_s=4.0) is tracker
    assert tracker.hear({"ja": 1.0}, speech_s=4.0) is tracker
    assert tracker.hear(ENGLISH, speech_s=0.0) is tracker


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from(["en", "ru", "zh", "pl"]), st.floats(0.0, 1.0), min_size=1),
            st.floats(0.0, 8.0),
        ),
        max_size=20,
    )
)
def test_a_lock_is_earned_and_final(utterances: list[tuple[dict[str, float], float]]) -> None:
    tracker = LanguageTracker.start()
    for probs, speech_s in utterances:
        before, tracker = tracker, tracker.hear(probs, speech_s=speech_s)
        assert before.locked is None or tracker is before
        if tracker.locked is not None:
            assert tracker.speech_s >= 3.0
        if tracker.log_pool:
            assert sum(tracker.posterior.values()) == pytest.approx(1.0)

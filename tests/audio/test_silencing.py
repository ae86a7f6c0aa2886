"""What was masked in the text is silent in the audio."""

from dataclasses import replace

import numpy as np
import pytest

from voicepipe.audio.silencing import GUARD_S, private_spans, silence
from voicepipe.speech.redact import Redactor
from voicepipe.types import Channel, ScoredUtterance, Transcript, Word

RATE_HZ = 8000


def said(text: str, *, start_s: float, end_s: float, words: tuple[Word, ...] = (), index: int = 0) -> ScoredUtterance:
    return ScoredUtterance(
        call_id="call-1",
        channel=Channel.CALLER,
        index=index,
        start_s=start_s,
        end_s=end_s,
        decided_s=end_s,
        speech_s=end_s - start_s,
        transcript=Transcript(text=text, language="en", words=words),
        score=None,
    )


def masked(*utterances: ScoredUtterance) -> list[ScoredUtterance]:
    redactor = Redactor()
    return [
        replace(one, transcript=redactor.redact(one.transcript, channel=one.channel))
        for one in utterances
        if one.transcript
    ]


def test_with_word_times_only_the_words_go() -> None:
    texts = ["my", "pin", "is", "4821", "thanks"]
    words = tuple(Word(text=text, start_s=10.0 + i, end_s=10.8 + i, prob=0.9) for i, text in enumerate(texts))
    spans = private_spans(masked(said("my pin is 4821 thanks", start_s=10.0, end_s=15.0, words=words)))
    assert spans == {Channel.CALLER: [(pytest.approx(13.0 - GUARD_S), pytest.approx(13.8 + GUARD_S))]}


def test_without_word_times_the_whole_utterance_goes() -> None:
    spans = private_spans(masked(said("my pin is 4821 thanks", start_s=10.0, end_s=15.0)))
    assert spans == {Channel.CALLER: [(10.0 - GUARD_S, 15.0 + GUARD_S)]}


def test_a_number_over_two_utterances_goes_with_the_pause_between() -> None:
    spans = private_spans(
        masked(
            said("my card is four one one one", start_s=1.0, end_s=3.0),
            said("two two two two", start_s=4.5, end_s=6.0, index=1),
            said("and I waited for 45 minutes", start_s=20.0, end_s=22.0, index=2),
        )
    )
    assert spans == {Channel.CALLER: [(1.0 - GUARD_S, 6.0 + GUARD_S)]}


def test_only_the_spans_are_silenced_and_the_samples_given_stay() -> None:
    samples = np.ones(4 * RATE_HZ, dtype=np.float32)
    quiet = silence(samples, sample_rate_hz=RATE_HZ, spans=[(9.0, 11.0), (12.5, 13.0), (15.0, 99.0)], start_s=10.0)
    assert quiet.dtype == np.float32
    assert quiet.shape == samples.shape
    assert not quiet[:RATE_HZ].any()
    assert quiet[RATE_HZ : int(2.5 * RATE_HZ)].all()
    assert not quiet[int(2.5 * RATE_HZ) : 3 * RATE_HZ].any()
    assert quiet[3 * RATE_HZ :].all()
    assert samples.all()


def test_a_call_without_private_data_keeps_its_audio() -> None:
    assert private_spans(masked(said("I waited for 45 minutes", start_s=0.0, end_s=2.0))) == {}


def test_a_sample_rate_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="sample_rate_hz"):
        silence(np.zeros(4, dtype=np.float32), sample_rate_hz=0, spans=[])

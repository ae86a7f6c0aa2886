"""The real Whisper weights on real utterances; marked slow but for what needs no weights."""

import json
import threading
import unittest.mock
from collections.abc import Iterator
from dataclasses import replace
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from tests import synth
from voicepipe.ports import TranscriptionRequest
from voicepipe.speech import whisper
from voicepipe.speech.language import WHISPER_LANGUAGES
from voicepipe.speech.processor import has_avx512
from voicepipe.speech.segment import Segmenter
from voicepipe.speech.vad import SileroDetector
from voicepipe.speech.whisper import WhisperConfig, WhisperTranscriber, _said, context_s
from voicepipe.speech.word_times import words_of
from voicepipe.types import SAMPLE_RATE_HZ, Channel, CutBy, FloatArray, ModelError, Recognition, Utterance

SAMPLES = Path(__file__).resolve().parents[2] / "voicepipe" / "samples"
AUDIO = Path(__file__).resolve().parents[2] / ".." / "shared" / "audio"


def utterance(samples: FloatArray, *, speech_prob: float = 0.8, speech_s: float | None = None) -> Utterance:
    duration_s = samples.shape[0] / SAMPLE_RATE_HZ
    return Utterance(
        call_id="call",
        channel=Channel.CALLER,
        index=0,
        start_s=0.0,
        end_s=duration_s,
        samples=samples,
        cut_by=CutBy.SILENCE,
        speech_prob=speech_prob,
        speech_s=duration_s if speech_s is None else speech_s,
        decided_s=duration_s,
    )


def utterances(track: FloatArray) -> Iterator[Utterance]:
    """Cut a 16 kHz track as the pipeline does."""
    detector = SileroDetector()
    frames = np.pad(track, (0, -track.shape[0] % detector.frame_samples)).reshape(-1, detector.frame_samples)
    (probs,), _ = detector.speech_probs([frames], [detector.start()])
    segmenter = Segmenter(call_id="call", channel=Channel.CALLER, frame_samples=detector.frame_samples)
    yield from segmenter.push(frames.reshape(-1), probs)
    yield from segmenter.finish()


def read(path: Path, *, channel: int = 0, last_s: float | None = None) -> FloatArray:
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    end = None if last_s is None else round(last_s * rate_hz)
    resampled: FloatArray = soxr.resample(samples[:end, channel], rate_hz, SAMPLE_RATE_HZ)
    return resampled


def text(recognition: Recognition) -> str:
    assert recognition.transcript is not None
    return recognition.transcript.text


@pytest.fixture(scope="module")
def transcriber(whisper_dir: Path) -> WhisperTranscriber:
    return WhisperTranscriber(whisper_dir, config=WhisperConfig(num_workers=2))


@pytest.fixture(scope="module")
def spoken() -> list[Utterance]:
    """The caller's utterances of the first 45 s of a sample call."""
    return list(utterances(read(SAMPLES / "calm_caller.wav", last_s=45.0)))


@pytest.mark.slow
def test_an_utterance_gives_text_and_embedding(transcriber: WhisperTranscriber, spoken: list[Utterance]) -> None:
    heard = [transcriber.recognize(one, language="en") for one in spoken]
    words = " ".join(text(one) for one in heard).lower()
    for said in ("good morning", "it came on monday", "at the end of the month"):
        assert said in words
    for one in heard:
        assert one.embedding is not None
        assert one.embedding.shape == (3072,)
        assert one.embedding.dtype == np.float32
        assert np.all(np.isfinite(one.embedding))
        assert np.all(one.embedding.reshape(3, 2, 512)[:, 1] > 0)


@pytest.mark.slow
def test_the_arithmetic_is_named(transcriber: WhisperTranscriber) -> None:
    """With AVX-512 the words may differ a little, so events must tell."""
    assert transcriber.arithmetic == ("int8-avx512" if has_avx512() else "int8")


@pytest.mark.slow
def test_language_is_detected_where_none_is_given(transcriber: WhisperTranscriber, spoken: list[Utterance]) -> None:
    recognition = transcriber.recognize(spoken[0], language=None)
    probs = recognition.language_probs
    assert probs is not None
    assert set(probs) == transcriber.languages
    assert sum(probs.values()) == pytest.approx(1.0, abs=1e-3)
    assert max(probs, key=probs.__getitem__) == "en"
    assert recognition.transcript is not None
    assert recognition.transcript.language == "en"


@pytest.mark.slow
def test_given_language_is_not_detected(transcriber: WhisperTranscriber, spoken: list[Utterance]) -> None:
    recognition = transcriber.recognize(spoken[0], language="en")
    assert recognition.language_probs is None
    assert recognition.transcript is not None
    assert recognition.transcript.language == "en"


@pytest.mark.slow
def test_the_languages_are_those_that_whisper_knows(transcriber: WhisperTranscriber) -> None:
    assert transcriber.languages == WHISPER_LANGUAGES


@pytest.mark.slow
def test_language_that_whisper_does_not_know_is_detected(
    transcriber: WhisperTranscriber, spoken: list[Utterance]
) -> None:
    assert transcriber.recognize(spoken[0], language="xx").language_probs is not None


@pytest.mark.slow
def test_embedding_alone_is_the_same_embedding(transcriber: WhisperTranscriber, spoken: list[Utterance]) -> None:
    alone = transcriber.recognize(spoken[0], language="en", transcribe=False)
    full = transcriber.recognize(spoken[0], language="en")
    assert alone.transcript is None
    np.testing.assert_array_equal(alone.embedding, full.embedding)


@pytest.mark.slow
def test_text_alone_is_the_same_text(transcriber: WhisperTranscriber, spoken: list[Utterance]) -> None:
    alone = transcriber.recognize(spoken[0], language="en", embed=False)
    assert alone.embedding is None
    assert alone.transcript == transcriber.recognize(spoken[0], language="en").transcript


@pytest.mark.slow
@pytest.mark.parametrize("level_dbfs", [-45.0, -10.0])
def test_quiet_and_loud_lines_read_alike(
    transcriber: WhisperTranscriber, spoken: list[Utterance], level_dbfs: float
) -> None:
    as_is = spoken[0].samples
    rms = float(np.sqrt(np.mean(np.square(as_is))))
    moved = utterance((as_is * 10 ** (level_dbfs / 20) / rms).astype(np.float32))
    before = transcriber.recognize(utterance(as_is), language="en")
    after = transcriber.recognize(moved, language="en")
    assert "good morning" in text(before).lower()
    assert SequenceMatcher(None, text(before), text(after)).ratio() > 0.9
    assert before.embedding is not None
    assert after.embedding is not None
    distance = float(np.linalg.norm(after.embedding - before.embedding) / np.linalg.norm(before.embedding))
    assert distance < 0.02


@pytest.mark.slow
def test_utterances_together_read_as_each_alone(transcriber: WhisperTranscriber, spoken: list[Utterance]) -> None:
    requests = [
        TranscriptionRequest(utterance=one, language=language, embed=embed, word_times=word_times)
        for one, language, embed, word_times in (
            (spoken[0], "en", True, True),
            (spoken[1], "en", False, False),
            (spoken[2], "ru", True, True),
            (spoken[3], "en", True, True),
            (spoken[4], "xx", True, False),
            (utterance(np.tile(spoken[5].samples, 4)), "en", False, False),
        )
    ]
    assert len({transcriber.alike(one.utterance) for one in requests}) > 1
    for one, joined in zip(requests, transcriber.transcribe_together(requests), strict=True):
        alone = transcriber.recognize(one.utterance, language=one.language, embed=one.embed, word_times=one.word_times)
        assert joined.transcript is not None
        assert alone.transcript is not None
        assert (joined.transcript.text, joined.transcript.language) == (
            alone.transcript.text,
            alone.transcript.language,
        )
        assert joined.transcript.rejected == alone.transcript.rejected
        assert bool(joined.transcript.words) is (one.word_times and bool(joined.transcript.text))
        assert [word.text for word in joined.transcript.words] == [word.text for word in alone.transcript.words]
        for word, same in zip(joined.transcript.words, alone.transcript.words, strict=True):
            assert (word.start_s, word.end_s) == pytest.approx((same.start_s, same.end_s), abs=0.05)
            assert word.prob == pytest.approx(same.prob, abs=0.01)
        assert joined.transcript.avg_logprob == pytest.approx(alone.transcript.avg_logprob, abs=1e-4)
        assert (joined.language_probs is None) == (one.language != "xx")
        np.testing.assert_array_equal(joined.embedding, alone.embedding)


@pytest.mark.slow
def test_company_gives_no_utterance_more_room(transcriber: WhisperTranscriber, spoken: list[Utterance]) -> None:
    """A piece too short for what it says is cut off alone; a longer one beside it must not let it go on."""
    crammed = utterance(np.concatenate([one.samples[::4] for one in spoken[:4]])[: round(0.9 * SAMPLE_RATE_HZ)])
    longest = max((one for one in spoken if transcriber.alike(one) == 6.0), key=lambda one: one.duration_s)
    with unittest.mock.patch.object(whisper, "_TOKENS_SPARE", -18):
        alone = [transcriber.recognize(one, language="en").transcript for one in (crammed, longest)]
        joined = transcriber.transcribe_together(
            [TranscriptionRequest(utterance=one, language="en", embed=False) for one in (crammed, longest)]
        )
    assert [one.transcript for one in joined] == alone


@pytest.mark.slow
def test_every_word_has_its_time_in_the_call_and_the_text_stays_the_same(
    transcriber: WhisperTranscriber, spoken: list[Utterance]
) -> None:
    for one in spoken[:4]:
        plain = transcriber.recognize(one, language="en", embed=False).transcript
        timed = transcriber.recognize(one, language="en", embed=False, word_times=True).transcript
        assert plain is not None
        assert timed is not None
        assert plain.words == ()
        assert replace(timed, words=()) == plain
        assert " ".join(word.text for word in timed.words) == timed.text
        times_s = [time_s for word in timed.words for time_s in (word.start_s, word.end_s)]
        assert times_s == sorted(times_s)
        assert one.start_s <= times_s[0] < one.start_s + 0.4
        assert one.end_s - 0.5 < times_s[-1] <= one.end_s
        assert np.median([word.end_s - word.start_s for word in timed.words]) == pytest.approx(0.25, abs=0.15)
        assert all(0.0 < word.prob <= 1.0 for word in timed.words)


@pytest.mark.slow
def test_no_word_is_said_in_a_pause(transcriber: WhisperTranscriber, spoken: list[Utterance]) -> None:
    """Two utterances with 0.4 s of silence between them: each keeps its words on its own side."""
    first, second = spoken[2], spoken[1]
    pause = np.zeros(round(0.4 * SAMPLE_RATE_HZ), np.float32)
    joined = utterance(np.concatenate([first.samples, pause, second.samples]))
    said = transcriber.recognize(joined, language="en", embed=False, word_times=True).transcript
    assert said is not None
    n_first = len(text(transcriber.recognize(first, language="en", embed=False)).split())
    last, following = said.words[n_first - 1], said.words[n_first]
    assert first.duration_s - 0.3 < last.end_s <= first.duration_s + 0.02
    assert first.duration_s + 0.38 <= following.start_s < first.duration_s + 0.7


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "said", "words"),
    [
        ("ru", " Здравствуйте, я хочу поговорить с оператором.", None),
        ("zh", "我的卡号是4111，谢谢！", ["4111，", "谢谢！"]),
        ("zh", "𠮷野家的鱻羴", ["𠮷", "野", "家", "的", "鱻", "羴"]),
        ("en", " It costs $12,500.50, doesn't it?", None),
    ],
)
def test_words_are_put_together_of_whispers_own_tokens(
    transcriber: WhisperTranscriber, language: str, said: str, words: list[str] | None
) -> None:
    tokenizer = transcriber._tokenizers[language]
    tokens = tokenizer.encode(said)
    found = [word.text for word in words_of(tokens, decode=tokenizer.decode)]
    assert "".join(found) == said
    assert not any("\ufffd" in word for word in found)
    expected = said.split() if words is None else words
    assert [word.strip() for word in found][-len(expected) :] == expected


@pytest.mark.slow
def test_a_model_that_does_not_say_how_it_aligns_gives_the_text_alone(
    whisper_dir: Path, tmp_path: Path, spoken: list[Utterance]
) -> None:
    for file in whisper_dir.iterdir():
        (tmp_path / file.name).symlink_to(file)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    del config["alignment_heads"]
    (tmp_path / "config.json").unlink()
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    said = WhisperTranscriber(tmp_path).recognize(spoken[2], language="en", word_times=True).transcript
    assert said is not None
    assert said.text
    assert said.words == ()


@pytest.mark.slow
def test_same_input_same_output_from_many_threads(transcriber: WhisperTranscriber, spoken: list[Utterance]) -> None:
    some = spoken[:4]
    serial = [transcriber.recognize(one, language="en") for one in some]
    parallel: list[Recognition | None] = [None] * len(some)

    def work(i: int) -> None:
        parallel[i] = transcriber.recognize(some[i], language="en")

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(some))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(serial, parallel, strict=True):
        assert other is not None
        assert one.transcript == other.transcript
        np.testing.assert_array_equal(one.embedding, other.embedding)


@pytest.mark.slow
def test_longer_than_the_short_context_is_heard_to_its_end(
    transcriber: WhisperTranscriber, spoken: list[Utterance]
) -> None:
    pause = np.zeros(SAMPLE_RATE_HZ // 2, np.float32)
    pieces, length = [], 0
    for one in spoken:
        pieces += [one.samples, pause]
        length += len(one.samples) + len(pause)
        if length > 12 * SAMPLE_RATE_HZ:
            break
    long = np.concatenate(pieces)
    assert 12 < len(long) / SAMPLE_RATE_HZ < 29
    heard = text(transcriber.recognize(utterance(long), language="en")).lower()
    assert "good morning" in heard
    last = text(transcriber.recognize(spoken[len(pieces) // 2 - 1], language="en")).lower()
    assert last.rstrip(".").split()[-1] in heard


@pytest.mark.parametrize(
    ("duration_s", "expected_s"),
    [(0.1, 6.0), (4.0, 6.0), (4.01, 7.0), (8.0, 10.0), (8.3, 11.0), (28.2, 30.0), (29.5, 30.0)],
)
def test_context_is_the_utterance_and_a_margin(duration_s: float, expected_s: float) -> None:
    assert context_s(duration_s) == expected_s


FIRST = 50_364
"""Token of the timestamp 0.00 in the multilingual vocabulary."""


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        ([], []),
        ([FIRST, 7, 8, FIRST + 350], [FIRST, 7, 8, FIRST + 350]),
        ([FIRST, 7, FIRST + 350, FIRST + 400, 7, FIRST + 750], [FIRST, 7, FIRST + 350]),
        ([FIRST, 7, FIRST + 200, FIRST + 200, 8, FIRST + 360], [FIRST, 7, FIRST + 200, FIRST + 200, 8, FIRST + 360]),
        ([FIRST, 7, FIRST + 200, FIRST + 349, 8], [FIRST, 7, FIRST + 200, FIRST + 349, 8]),
        ([FIRST, 7, FIRST + 200, FIRST + 350, 8], [FIRST, 7, FIRST + 200]),
    ],
)
def test_what_begins_when_the_utterance_is_over_was_not_said(tokens: list[int], said: list[int]) -> None:
    assert _said(tokens, first_timestamp=FIRST, duration_s=7.0) == said


@pytest.mark.slow
@pytest.mark.parametrize("duration_s", [0.0, 30.0])
def test_length_out_of_range_is_refused(transcriber: WhisperTranscriber, duration_s: float) -> None:
    with pytest.raises(ValueError, match="cannot be recognised"):
        transcriber.recognize(utterance(np.zeros(round(duration_s * SAMPLE_RATE_HZ), np.float32)), language="en")


@pytest.mark.slow
@pytest.mark.parametrize("n_samples", [1, 159, 400])
def test_a_few_samples_are_no_trouble(transcriber: WhisperTranscriber, n_samples: int) -> None:
    recognition = transcriber.recognize(utterance(np.full(n_samples, 0.1, np.float32)), language="en", word_times=True)
    assert recognition.embedding is not None
    assert np.all(np.isfinite(recognition.embedding))


def dtmf(duration_s: float) -> FloatArray:
    """Keys 1 5 9 0 #, 0.2 s each with pauses of 0.3 s (ITU-T Q.23 frequencies)."""
    pairs = [(697, 1209), (770, 1336), (852, 1477), (941, 1336), (941, 1477)]
    samples = np.zeros(round(duration_s * SAMPLE_RATE_HZ), np.float32)
    for i in range(int(duration_s / 0.5)):
        key = sum(
            synth.tone(0.2, rate_hz=SAMPLE_RATE_HZ, frequency_hz=hz, amplitude=0.2) for hz in pairs[i % len(pairs)]
        )
        samples[i * 8000 : i * 8000 + 3200] = key
    return samples


def ringback(duration_s: float) -> FloatArray:
    """440 and 480 Hz, 2 s of every 6 (ANSI T1.401)."""
    samples = sum(
        synth.tone(duration_s, rate_hz=SAMPLE_RATE_HZ, frequency_hz=hz, amplitude=0.15) for hz in (440.0, 480.0)
    )
    clock_s = np.arange(round(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return np.asarray(samples * (clock_s % 6.0 < 2.0), dtype=np.float32)


NOT_SPEECH = {
    "silence": np.zeros(7 * SAMPLE_RATE_HZ, np.float32),
    "hiss": synth.noise(7.0, rate_hz=SAMPLE_RATE_HZ, amplitude=0.003),
    "noise": synth.noise(7.0, rate_hz=SAMPLE_RATE_HZ, amplitude=0.3),
    "tone": synth.tone(7.0, rate_hz=SAMPLE_RATE_HZ, frequency_hz=1000.0),
    "hum": synth.tone(7.0, rate_hz=SAMPLE_RATE_HZ, frequency_hz=50.0),
    "dtmf": dtmf(7.0),
    "ringback": ringback(7.0),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NOT_SPEECH)
@pytest.mark.parametrize("language", ["en", None])
def test_no_text_where_nobody_spoke(transcriber: WhisperTranscriber, name: str, language: str | None) -> None:
    """Even if the voice detector had been in doubt and let it through."""
    heard = utterance(NOT_SPEECH[name], speech_prob=0.4, speech_s=3.0)
    recognition = transcriber.recognize(heard, language=language, word_times=True)
    assert text(recognition) == ""
    assert recognition.transcript is not None
    assert recognition.transcript.words == ()


@pytest.mark.slow
@pytest.mark.corpora
@pytest.mark.skipif(not AUDIO.is_dir(), reason="needs the audio in ../shared")
def test_hold_music_gives_no_text(transcriber: WhisperTranscriber) -> None:
    written = []
    for path in sorted((AUDIO / "hold_music").glob("*.flac")):
        heard = [text(transcriber.recognize(one, language="en")) for one in utterances(read(path, last_s=120.0))]
        written += [(path.name, words) for words in heard if words]
    assert written == []


@pytest.mark.slow
def test_broken_tokenizer_says_what_to_run(whisper_dir: Path, tmp_path: Path) -> None:
    for file in whisper_dir.iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError, match="run `voicepipe models verify`"):
        WhisperTranscriber(tmp_path)


def test_folder_without_a_model_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="run `voicepipe models pull`"):
        WhisperTranscriber(tmp_path)


def test_broken_model_says_what_to_run(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"not a model")
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError, match="run `voicepipe models verify`"):
        WhisperTranscriber(tmp_path)


@pytest.mark.parametrize("wrong", [{"cpu_threads": 0}, {"num_workers": 0}])
def test_config_out_of_range(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        WhisperConfig(**wrong)  # type: ignore[arg-type]

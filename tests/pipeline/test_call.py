"""One call through `analyze_call`, with fakes for the models."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import FakeDetector, FakeScorer, FakeTranscriber, calm_reference
from voicepipe.pipeline.call import CallAnalysis, Models, analyze_call
from voicepipe.pipeline.config import AnalysisConfig
from voicepipe.ports import TranscriptionRequest
from voicepipe.types import (
    AudioChunk,
    AudioInputError,
    Call,
    CallEnded,
    CallEvent,
    CallStarted,
    CallSummary,
    Channel,
    Episode,
    EpisodeState,
    FloatArray,
    GatewayProtocolError,
    MediaEvent,
    Recognition,
    Roles,
    ScoredUtterance,
    Transcript,
)

RATE_HZ = 8_000
BOTH = (Channel.CALLER, Channel.AGENT)


def call_of(*channels: Channel, language: str | None = None) -> Call:
    return Call(
        call_id="call-1",
        started_at=datetime(2026, 11, 2, 9, 30, tzinfo=UTC),
        gateway="test",
        channels=channels,
        roles=Roles.GIVEN,
        language=language,
    )


def models(**changes: object) -> Models:
    parts = {
        "detector": FakeDetector(),
        "transcriber": FakeTranscriber(),
        "scorer": FakeScorer(),
        "calm": calm_reference(),
    }
    return Models(**(parts | changes))  # type: ignore[arg-type]


def talk(*spans: tuple[float, float, float], total_s: float) -> FloatArray:
    """Return a track with a hum from start to end (s) at each given amplitude."""
    samples = np.zeros(round(total_s * RATE_HZ), np.float32)
    for start_s, end_s, amplitude in spans:
        part = slice(round(start_s * RATE_HZ), round(end_s * RATE_HZ))
        clock = np.arange(part.stop - part.start)
        samples[part] = amplitude * np.sin(2 * np.pi * 220 * clock / RATE_HZ)
    return samples


def stream(tracks: dict[Channel, FloatArray], sizes: dict[Channel, Iterable[int]]) -> list[AudioChunk]:
    """Cut tracks into chunks of the given sizes (the last size repeats), interleaved by time."""
    chunks = []
    for channel, samples in tracks.items():
        steps = list(sizes[channel])
        at = 0
        while at < samples.size:
            n = steps.pop(0) if len(steps) > 1 else steps[0]
            piece = samples[at : at + n]
            chunks.append(
                AudioChunk(call_id="call-1", channel=channel, first_sample=at, sample_rate_hz=RATE_HZ, samples=piece)
            )
            at += n
    return sorted(chunks, key=lambda chunk: chunk.first_sample + chunk.samples.size)


def media(call: Call, chunks: Iterable[AudioChunk]) -> list[MediaEvent]:
    return [CallStarted(call=call), *chunks, CallEnded(call_id=call.call_id, reason="end")]


def analyse(call: Call, chunks: Iterable[AudioChunk], shared: Models | None = None) -> list[CallEvent]:
    return list(analyze_call(media(call, chunks), models=shared or models(), config=AnalysisConfig()))


CALLER = talk((0.5, 2.0, 0.3), (5.0, 6.5, 0.3), (8.0, 19.5, 0.2), total_s=22.0)
AGENT = talk((2.6, 4.2, 0.4), (6.0, 7.5, 0.4), total_s=22.0)
TRACKS = {Channel.CALLER: CALLER, Channel.AGENT: AGENT}


def test_a_call_starts_speaks_and_ends() -> None:
    events = analyse(call_of(*BOTH), stream(TRACKS, {Channel.CALLER: [800], Channel.AGENT: [800]}))
    assert isinstance(events[0], CallStarted)
    summary = events[-1]
    assert isinstance(summary, CallSummary)
    assert summary.duration_s == pytest.approx(22.0, abs=0.01)
    assert summary.language == "en"
    assert summary.coverage.ratio == 1.0
    utterances = [event for event in events if isinstance(event, ScoredUtterance)]
    caller = [one for one in utterances if one.channel is Channel.CALLER]
    assert [one.index for one in caller] == list(range(len(caller)))
    assert [round(one.start_s) for one in caller[:3]] == [0, 5, 8]
    assert all(one.end_s - one.start_s <= 8.5 for one in caller)
    assert [one.decided_s for one in utterances] == sorted(one.decided_s for one in utterances)


@settings(max_examples=10, deadline=None)
@given(
    caller=st.lists(st.integers(1, 9000), min_size=1, max_size=30),
    agent=st.lists(st.integers(1, 9000), min_size=1, max_size=30),
)
def test_chunk_size_does_not_change_results(caller: list[int], agent: list[int]) -> None:
    reference = analyse(call_of(*BOTH), stream(TRACKS, {Channel.CALLER: [4000], Channel.AGENT: [4000]}))
    cut = {Channel.CALLER: [*caller, 1600], Channel.AGENT: [*agent, 1600]}
    assert analyse(call_of(*BOTH), stream(TRACKS, cut)) == reference


def test_a_recording_is_recognised_in_larger_pieces_with_the_same_events() -> None:
    class Gathering(FakeTranscriber):
        most = 0

        def transcribe_together(self, requests: Sequence[TranscriptionRequest]) -> list[Recognition]:
            self.most = max(self.most, len(requests))
            return super().transcribe_together(requests)

    events = media(call_of(*BOTH, language=None), stream(TRACKS, {Channel.CALLER: [800], Channel.AGENT: [800]}))
    alone = list(analyze_call(events, models=models(), config=AnalysisConfig()))
    transcriber = Gathering()
    gathered = analyze_call(events, models=models(transcriber=transcriber), config=AnalysisConfig(), together=3)
    assert list(gathered) == alone
    assert transcriber.most == 3


def test_a_recording_that_breaks_off_is_told_as_far_as_it_goes() -> None:
    def broken() -> Iterator[MediaEvent]:
        yield from media(call_of(*BOTH), stream(TRACKS, {Channel.CALLER: [800], Channel.AGENT: [800]}))[:-1]
        raise AudioInputError("the file ends before its header says")

    told: list[CallEvent] = []
    with pytest.raises(AudioInputError):
        told.extend(analyze_call(broken(), models=models(), config=AnalysisConfig(), together=16))
    whole = analyse(call_of(*BOTH), stream(TRACKS, {Channel.CALLER: [800], Channel.AGENT: [800]}))
    assert sum(isinstance(event, ScoredUtterance) for event in told) >= 4
    assert told == whole[: len(told)]


def test_agent_audio_never_reaches_the_scorer() -> None:
    scorer = FakeScorer()
    events = analyse(
        call_of(*BOTH),
        stream(
            {Channel.CALLER: talk((1.0, 2.0, 0.1), total_s=20.0), Channel.AGENT: talk((3.0, 18.0, 0.9), total_s=20.0)},
            {Channel.CALLER: [800], Channel.AGENT: [800]},
        ),
        models(scorer=scorer),
    )
    agent = [event for event in events if isinstance(event, ScoredUtterance) and event.channel is Channel.AGENT]
    assert len(agent) >= 2
    assert all(one.score is None for one in agent)
    assert [round(stress, 1) for stress, _ in scorer.updates] == [0.1]
    assert not [event for event in events if isinstance(event, Episode)]


def test_a_call_of_the_agent_alone_is_transcribed_and_not_scored() -> None:
    scorer = FakeScorer()
    chunks = stream({Channel.AGENT: AGENT}, {Channel.AGENT: [800]})
    events = analyse(call_of(Channel.AGENT), chunks, models(scorer=scorer))
    assert [event.score for event in events if isinstance(event, ScoredUtterance)] == [None, None]
    assert scorer.updates == []


def test_channels_never_mix() -> None:
    """What is masked may depend on both sides, since an agent asks for a number; nothing else does."""
    both = analyse(call_of(*BOTH), stream(TRACKS, {Channel.CALLER: [800], Channel.AGENT: [800]}))
    for channel in BOTH:
        alone = analyse(call_of(channel), stream({channel: TRACKS[channel]}, {channel: [800]}))
        assert [
            replace(one, transcript=None) for one in both if isinstance(one, ScoredUtterance) and one.channel is channel
        ] == [replace(one, transcript=None) for one in alone if isinstance(one, ScoredUtterance)]


def test_persistent_stress_opens_an_episode_and_a_mixed_track_is_scored() -> None:
    loud = talk(*((4.0 * i, 4.0 * i + 3.0, 0.99) for i in range(1, 40)), total_s=162.0)
    scorer = FakeScorer()
    events = analyse(
        call_of(Channel.MIXED), stream({Channel.MIXED: loud}, {Channel.MIXED: [800]}), models(scorer=scorer)
    )
    episodes = [event for event in events if isinstance(event, Episode)]
    assert [one.state for one in episodes[:1]] == [EpisodeState.OPENED]
    assert episodes[0].channel is Channel.MIXED
    assert episodes[0].coverage is not None
    assert episodes[0].coverage.ratio == 1.0
    assert episodes[-1].state is EpisodeState.CLOSED
    assert scorer.updates[-1][1], "the baseline is frozen while evidence stands"


def test_a_calm_call_opens_none() -> None:
    calm = talk(*((4.0 * i, 4.0 * i + 3.0, 0.3) for i in range(1, 40)), total_s=162.0)
    events = analyse(call_of(Channel.CALLER), stream({Channel.CALLER: calm}, {Channel.CALLER: [800]}))
    assert not [event for event in events if isinstance(event, Episode)]


def test_what_is_no_speech_is_not_scored() -> None:
    scorer = FakeScorer()
    quiet = models(scorer=scorer, transcriber=FakeTranscriber(rejected="no_speech"))
    events = analyse(call_of(Channel.CALLER), stream({Channel.CALLER: CALLER}, {Channel.CALLER: [800]}), quiet)
    scored = [event for event in events if isinstance(event, ScoredUtterance)]
    assert scored
    assert all(one.score is None for one in scored)
    assert scorer.updates == []


def test_text_is_redacted_before_it_leaves() -> None:
    events = analyse(call_of(*BOTH), stream(TRACKS, {Channel.CALLER: [800], Channel.AGENT: [800]}))
    texts = [one.transcript.text for one in events if isinstance(one, ScoredUtterance) and one.transcript]
    assert texts
    assert not [text for text in texts if "1234" in text]


@pytest.mark.parametrize("together", [1, 3])
def test_words_are_timed_only_in_calls_that_ask_and_what_is_masked_is_in_none(together: int) -> None:
    chunks = stream(TRACKS, {Channel.CALLER: [800], Channel.AGENT: [800]})
    told: dict[bool, list[Transcript]] = {}
    for asked in (False, True):
        call = replace(call_of(*BOTH), word_times=asked)
        events = analyze_call(media(call, chunks), models=models(), config=AnalysisConfig(), together=together)
        told[asked] = [one.transcript for one in events if isinstance(one, ScoredUtterance) and one.transcript]
    assert [one.text for one in told[True]] == [one.text for one in told[False]]
    assert not any(one.words for one in told[False])
    for transcript in told[True]:
        assert " ".join(word.text for word in transcript.words) == transcript.text
        assert any(word.text == "[card]" for word in transcript.words)
        assert not any(number in word.text for word in transcript.words for number in ("4000", "1234", "5678"))


def test_the_language_is_detected_once_and_then_kept() -> None:
    transcriber = FakeTranscriber(language_probs={"ru": 0.97, "en": 0.03})
    chunks = stream(TRACKS, {Channel.CALLER: [800], Channel.AGENT: [800]})
    events = analyse(call_of(*BOTH), chunks, models(transcriber=transcriber))
    asked = [language for _, language, _ in transcriber.heard]
    assert asked[0] is None
    assert asked[-1] == "ru"
    assert asked == sorted(asked, key=lambda language: language is not None)
    summary = events[-1]
    assert isinstance(summary, CallSummary)
    assert summary.language == "ru"


def test_a_given_language_is_not_detected() -> None:
    transcriber = FakeTranscriber()
    chunks = stream({Channel.CALLER: CALLER}, {Channel.CALLER: [800]})
    analyse(call_of(Channel.CALLER, language="zh"), chunks, models(transcriber=transcriber))
    assert {language for _, language, _ in transcriber.heard} == {"zh"}


def test_a_track_that_lags_holds_the_other_up_only_so_long() -> None:
    analysis = CallAnalysis(call_of(*BOTH), models=models(), config=AnalysisConfig(max_skew_s=2.0))
    heard = []
    for chunk in stream({Channel.CALLER: CALLER}, {Channel.CALLER: [800]}):
        heard += analysis.hear(chunk)
    assert heard, "the agent's track never came, the caller was heard all the same"
    late = AudioChunk(
        call_id="call-1", channel=Channel.AGENT, first_sample=0, sample_rate_hz=RATE_HZ, samples=AGENT[: 10 * RATE_HZ]
    )
    assert [one for one in analysis.hear(late) if one.channel is Channel.AGENT] == []
    assert analysis.coverage.shed_s["late_audio"] == pytest.approx(10.0, abs=0.2)


def test_agent_text_can_be_left_out_without_a_loss_of_coverage() -> None:
    transcriber = FakeTranscriber()
    config = AnalysisConfig(transcribe_agent=False)
    chunks = stream(TRACKS, {Channel.CALLER: [800], Channel.AGENT: [800]})
    shared = models(transcriber=transcriber)
    events = list(analyze_call(media(call_of(*BOTH), chunks), models=shared, config=config))
    agent = [one for one in events if isinstance(one, ScoredUtterance) and one.channel is Channel.AGENT]
    assert [one.transcript for one in agent] == [None] * len(agent)
    summary = events[-1]
    assert isinstance(summary, CallSummary)
    assert summary.coverage.ratio == 1.0


def test_shed_work_is_counted() -> None:
    analysis = CallAnalysis(call_of(*BOTH), models=models(), config=AnalysisConfig())
    seconds = {Channel.CALLER: 0.0, Channel.AGENT: 0.0}
    for chunk in stream(TRACKS, {Channel.CALLER: [800], Channel.AGENT: [800]}):
        for utterance in analysis.hear(chunk):
            seconds[utterance.channel] += utterance.duration_s
            if utterance.channel is Channel.AGENT:
                analysis.understand(utterance, None)
            else:
                analysis.understand(utterance, FakeTranscriber().recognize(utterance, language="en"))
    coverage = analysis.coverage
    assert coverage.shed_s == {"agent_transcript": pytest.approx(seconds[Channel.AGENT])}
    assert coverage.ratio == pytest.approx(seconds[Channel.CALLER] / sum(seconds.values()))


def test_audio_before_the_start_or_of_an_unknown_track_is_refused() -> None:
    chunk = AudioChunk(
        call_id="call-1", channel=Channel.AGENT, first_sample=0, sample_rate_hz=RATE_HZ, samples=np.zeros(9, np.float32)
    )
    with pytest.raises(GatewayProtocolError, match="before it started"):
        list(analyze_call([chunk], models=models(), config=AnalysisConfig()))
    with pytest.raises(GatewayProtocolError, match="announce"):
        analyse(call_of(Channel.CALLER), [chunk])


def test_a_call_without_speech_has_a_summary() -> None:
    events = analyse(call_of(Channel.CALLER), stream({Channel.CALLER: talk(total_s=3.0)}, {Channel.CALLER: [800]}))
    assert len(events) == 2
    summary = events[-1]
    assert isinstance(summary, CallSummary)
    assert summary.language is None
    assert summary.coverage.ratio == 1.0

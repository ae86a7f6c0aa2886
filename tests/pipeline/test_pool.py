"""Many calls through the pool, with fakes for the models."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from tests.fakes import FakeDetector, FakeObserver, FakeScorer, FakeTranscriber, calm_reference
from tests.patience import until
from voicepipe.pipeline.call import Models, analyze_call
from voicepipe.pipeline.config import AnalysisConfig
from voicepipe.pipeline.pool import MOST_AT_ONCE, MOST_AT_ONCE_S, CallPool
from voicepipe.pipeline.shedding import PoolConfig
from voicepipe.ports import TranscriptionRequest
from voicepipe.types import (
    AudioChunk,
    Call,
    CallEnded,
    CallEvent,
    CallStarted,
    CallSummary,
    Channel,
    FloatArray,
    MediaEvent,
    Recognition,
    Roles,
    ScoredUtterance,
    Utterance,
)

RATE_HZ = 8_000
BOTH = (Channel.CALLER, Channel.AGENT)
PATIENT = PoolConfig(tick_s=0.01, shed_agent_text_s=60.0, shed_caller_text_s=60.0, shed_embedding_s=60.0)
ALL_S = 240.0


def call_of(call_id: str, *channels: Channel, language: str | None = "en") -> Call:
    return Call(
        call_id=call_id,
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


def talk(*starts_s: float, total_s: float, level: float = 0.3) -> FloatArray:
    """Return a track with a hum of 1.5 s at each start."""
    samples = np.zeros(round(total_s * RATE_HZ), np.float32)
    for start_s in starts_s:
        at = round(start_s * RATE_HZ)
        samples[at : at + 12_000] = level * np.sin(2 * np.pi * 220 * np.arange(12_000) / RATE_HZ)
    return samples


def media(call: Call, tracks: Mapping[Channel, FloatArray], *, step: int = 160) -> list[MediaEvent]:
    """Return the call as media events, tracks interleaved."""
    chunks = [
        AudioChunk(
            call_id=call.call_id,
            channel=channel,
            first_sample=at,
            sample_rate_hz=RATE_HZ,
            samples=samples[at : at + step],
        )
        for channel, samples in tracks.items()
        for at in range(0, samples.size, step)
    ]
    chunks.sort(key=lambda chunk: chunk.first_sample)
    return [CallStarted(call=call), *chunks, CallEnded(call_id=call.call_id, reason="end")]


class Told:
    """Collects what a pool delivers, by call."""

    def __init__(self) -> None:
        self.events: dict[str, list[CallEvent]] = {}

    def __call__(self, event: CallEvent) -> None:
        call_id = event.call.call_id if isinstance(event, CallStarted | CallSummary) else event.call_id
        self.events.setdefault(call_id, []).append(event)

    def utterances(self, call_id: str, channel: Channel) -> list[ScoredUtterance]:
        return [one for one in self.events[call_id] if isinstance(one, ScoredUtterance) and one.channel is channel]

    def summary(self, call_id: str) -> CallSummary:
        last = self.events[call_id][-1]
        assert isinstance(last, CallSummary)
        return last


def pool_of(
    config: PoolConfig = PATIENT,
    *,
    analysis: AnalysisConfig | None = None,
    deliver: Callable[[CallEvent], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[CallPool, Told, FakeObserver]:
    told, observer = Told(), FakeObserver()
    analysis = analysis or AnalysisConfig()
    pool = CallPool(config=config, analysis=analysis, deliver=deliver or told, observer=observer, clock=clock)
    return pool, told, observer


def push(pool: CallPool, events: Iterable[MediaEvent]) -> None:
    for event in events:
        if isinstance(event, CallStarted):
            assert pool.start_call(event.call)
        elif isinstance(event, AudioChunk):
            pool.hear(event)
        else:
            pool.end_call(event.call_id, event.reason)


def run(pool: CallPool, shared: Models, calls: Iterable[Iterable[MediaEvent]]) -> None:
    """Push calls whole, then let the pool work until all are over."""
    for events in calls:
        push(pool, events)
    pool.equip(shared)
    assert pool.drain(ALL_S)
    assert pool.stop()


STARTS_S = (1.0, 5.0, 9.0, 13.0, 17.0)
CALLER = talk(*STARTS_S, total_s=22.0)
AGENT = talk(*(start_s + 2.0 for start_s in STARTS_S), total_s=22.0)
TRACKS = {Channel.CALLER: CALLER, Channel.AGENT: AGENT}


@pytest.mark.parametrize(("step", "language"), [(37, "en"), (160, None), (1600, None)])
def test_many_live_calls_give_what_each_recording_gives(step: int, language: str | None) -> None:
    calls = []
    for number in range(5):
        level = 0.1 + 0.1 * number
        tracks = {
            Channel.CALLER: talk(*STARTS_S, total_s=22.0, level=level),
            Channel.AGENT: talk(*(start_s + 1.0 + number / 8 for start_s in STARTS_S), total_s=22.0),
        }
        calls.append((call_of(f"call-{number}", *BOTH, language=language), tracks))
    pool, told, observer = pool_of(PoolConfig(**(_fields(PATIENT) | {"workers": 3})))
    pool.equip(models())
    streams = [media(call, tracks, step=step) for call, tracks in calls]
    for i in range(max(map(len, streams))):
        push(pool, [events[i] for events in streams if i < len(events)])
    assert pool.drain(ALL_S)
    assert pool.stop()
    assert observer.failures == []
    for call, tracks in calls:
        assert told.events[call.call_id] == list(
            analyze_call(media(call, tracks), models=models(), config=AnalysisConfig())
        )


def _fields(config: PoolConfig) -> dict[str, object]:
    return {name: getattr(config, name) for name in config.__slots__}


def config_of(*limits_s: float) -> PoolConfig:
    agent_s, caller_s, embedding_s = limits_s
    return PoolConfig(
        workers=1,
        tick_s=0.01,
        shed_agent_text_s=agent_s,
        shed_caller_text_s=caller_s,
        shed_embedding_s=embedding_s,
    )


# Ten utterances wait, five of each side; each is first taken to cost 0.1 s of the only worker.
@pytest.mark.parametrize(
    ("limits_s", "agent_texts", "caller_texts", "embeddings"),
    [
        ((1.01, 9.0, 9.0), 5, 5, 5),
        ((0.81, 9.0, 9.0), 3, 5, 5),
        ((0.41, 9.0, 9.0), 0, 5, 5),
        ((0.11, 0.31, 9.0), 0, 0, 5),
        ((0.11, 0.21, 0.31), 0, 0, 3),
        ((0.01, 0.02, 0.03), 0, 0, 0),
    ],
)
def test_overload_sheds_in_order_and_coverage_tells(
    limits_s: tuple[float, float, float], agent_texts: int, caller_texts: int, embeddings: int
) -> None:
    pool, told, observer = pool_of(config_of(*limits_s), clock=lambda: 0.0)
    run(pool, models(), [media(call_of("call-1", *BOTH), TRACKS)])
    caller, agent = (told.utterances("call-1", channel) for channel in BOTH)
    assert len(caller) == len(agent) == 5
    assert sum(one.transcript is not None for one in agent) == agent_texts
    assert sum(one.transcript is not None for one in caller) == caller_texts
    assert [one.score is not None for one in caller] == [True] * 5, "scoring is never shed"
    assert sum(one.score is not None and one.score.with_embedding for one in caller) == embeddings
    shed_s = {
        "agent_transcript": sum(one.end_s - one.start_s for one in agent if one.transcript is None),
        "caller_transcript": sum(one.end_s - one.start_s for one in caller if one.transcript is None),
        "embedding": sum(one.end_s - one.start_s for one in caller if one.score and not one.score.with_embedding),
    }
    coverage = told.summary("call-1").coverage
    assert coverage.shed_s == pytest.approx({kind: lost_s for kind, lost_s in shed_s.items() if lost_s})
    assert observer.shed_s == pytest.approx(coverage.shed_s)


def test_what_waited_too_long_is_shed_even_if_little_waits() -> None:
    clock = [0.0]
    pool = CallPool(
        config=config_of(2.0, 3.0, 4.0),
        analysis=AnalysisConfig(),
        deliver=Told(),
        observer=FakeObserver(),
        clock=lambda: clock[0],
    )
    push(pool, media(call_of("call-1", *BOTH), TRACKS))
    pool._hear_all(models())
    with pool._lock:
        pool._shed_held()
        assert {one.effort.name for one in pool._calls["call-1"].waiting} == {"TEXT"}
        for now_s, efforts in ((2.5, {"NOTHING", "TEXT"}), (3.5, {"NOTHING", "EMBEDDING"}), (4.5, {"NOTHING"})):
            clock[0] = now_s
            pool._shed_held()
            assert {one.effort.name for one in pool._calls["call-1"].waiting} == efforts


def test_the_caller_comes_before_the_agent_and_the_oldest_first() -> None:
    clock = [0.0]
    told, shared = Told(), models()
    pool = CallPool(
        config=PATIENT, analysis=AnalysisConfig(), deliver=told, observer=FakeObserver(), clock=lambda: clock[0]
    )
    tracks = {
        "agent": {Channel.AGENT: talk(1.0, total_s=4.0)},
        "both": {Channel.AGENT: talk(1.0, 9.0, total_s=12.0), Channel.CALLER: talk(5.0, total_s=12.0)},
        "caller": {Channel.CALLER: talk(1.0, total_s=4.0)},
    }
    for call_id, sides in tracks.items():
        clock[0] += 1.0
        push(pool, media(call_of(call_id, *sides), sides))
        pool._hear_all(shared)
    order = []
    with pool._lock:
        for live in pool._calls.values():
            live.announced = True
        while (job := pool._next_job_held()) is not None:
            assert isinstance(job, list)
            order += [(live.call.call_id, one.utterance.channel.value, one.utterance.index) for live, one in job]
    assert order == [
        ("both", "agent", 0),  # a caller's utterance waits behind it
        ("both", "caller", 0),
        ("caller", "caller", 0),
        ("agent", "agent", 0),
        ("both", "agent", 1),
    ]


def test_while_the_language_is_not_known_utterances_are_recognised_one_at_a_time() -> None:
    pool, _, _ = pool_of()
    push(pool, media(call_of("call-1", *BOTH, language=None), TRACKS))
    pool._hear_all(models())
    with pool._lock:
        pool._calls["call-1"].announced = True
        assert pool._next_job_held() is not None
        assert pool._next_job_held() is None


def test_calls_are_taken_while_the_models_load_and_what_does_not_fit_is_counted() -> None:
    pool, told, observer = pool_of(PoolConfig(**(_fields(PATIENT) | {"max_buffer_s": 10.0})))
    assert not pool.ready
    push(pool, media(call_of("call-1", Channel.CALLER), {Channel.CALLER: CALLER}))
    assert pool._calls["call-1"].inbox_s <= 10.0
    pool.equip(models())
    assert pool.drain(ALL_S)
    assert pool.stop()
    coverage = told.summary("call-1").coverage
    assert coverage.shed_s["late_audio"] == pytest.approx(12.0, abs=0.03)
    assert observer.shed_s["late_audio"] == pytest.approx(12.0, abs=0.03)
    assert coverage.ratio < 0.5
    assert [one.start_s < 10.0 for one in told.utterances("call-1", Channel.CALLER)] == [True] * 3


def test_no_more_audio_is_heard_while_too_many_utterances_wait() -> None:
    held = threading.Event()

    class Stuck(FakeTranscriber):
        def recognize(
            self,
            utterance: Utterance,
            *,
            language: str | None,
            choose_language: Callable[[Mapping[str, float]], str | None] | None = None,
            transcribe: bool = True,
            embed: bool = True,
            word_times: bool = False,
        ) -> Recognition:
            assert held.wait(ALL_S)
            return super().recognize(utterance, language=language, transcribe=transcribe, embed=embed)

    heard = threading.Semaphore(0)

    class Watching(FakeObserver):
        def on_stage(self, stage: str, duration_s: float) -> None:
            if stage == "hear":
                heard.release()

    told = Told()
    config = PoolConfig(**(_fields(PATIENT) | {"max_waiting": 3, "workers": 1, "max_buffer_s": 5.0}))
    pool = CallPool(config=config, analysis=AnalysisConfig(), deliver=told, observer=Watching())
    pool.equip(models(transcriber=Stuck()))
    call = call_of("call-1", Channel.CALLER)
    events = media(call, {Channel.CALLER: talk(*range(1, 100, 3), total_s=100.0)}, step=8000)
    push(pool, events[:2])
    for event in events[2:-1]:
        push(pool, [event])
        if pool.n_waiting < 3:
            assert heard.acquire(timeout=ALL_S)
    assert pool._calls["call-1"].inbox_s <= 5.0
    assert pool.n_waiting < 8
    push(pool, events[-1:])
    held.set()
    assert pool.drain(ALL_S)
    assert pool.stop()
    coverage = told.summary("call-1").coverage
    heard_s = sum(one.end_s - one.start_s for one in told.utterances("call-1", Channel.CALLER))
    assert coverage.speech_s == pytest.approx(heard_s)
    assert coverage.shed_s["late_audio"] > 80.0


def paused(call: Call, *, pauses_s: Sequence[float], channels: Sequence[Channel] | None = None) -> list[MediaEvent]:
    """Return a call whose tracks say something before and after each pause, in which nothing comes at all."""
    chunks: list[MediaEvent] = []
    start_s = 0.0
    for pause_s in (0.0, *pauses_s):
        start_s += pause_s
        chunks += [
            replace(event, first_sample=event.first_sample + round(start_s * RATE_HZ))
            for event in media(call, {channel: talk(1.0, total_s=4.0) for channel in channels or call.channels})
            if isinstance(event, AudioChunk)
        ]
        start_s += 4.0
    return [CallStarted(call=call), *chunks, CallEnded(call_id=call.call_id, reason="end")]


@pytest.mark.parametrize("max_skew_s", [0.5, 5.0, 100.0])
@pytest.mark.parametrize("channels", [BOTH, BOTH[:1]])
def test_a_call_goes_on_after_a_long_pause_at_its_true_time(channels: tuple[Channel, ...], max_skew_s: float) -> None:
    events = paused(call_of("call-1", *BOTH), pauses_s=(600.0, 36.0, 3.0), channels=channels)
    pool, told, observer = pool_of(analysis=AnalysisConfig(max_skew_s=max_skew_s))
    run(pool, models(), [events])
    assert observer.failures == []
    in_step = AnalysisConfig(max_skew_s=1e6)
    assert told.events["call-1"] == list(analyze_call(events, models=models(), config=in_step))
    assert [round(one.start_s) for one in told.utterances("call-1", Channel.CALLER)] == [1, 605, 645, 652]
    assert told.summary("call-1").coverage.ratio == 1.0


def test_jumps_of_one_calls_clock_cost_little_at_a_time_and_others_are_heard_meanwhile() -> None:
    call, other = call_of("call-1", *BOTH), call_of("call-2", *BOTH)
    pool, _, observer = pool_of()
    shared = models()
    push(pool, [CallStarted(call=call)])
    for jump in range(1, 6):
        for channel in BOTH:
            at, samples = jump * 600 * RATE_HZ, np.zeros(1, np.float32)
            pool.hear(
                AudioChunk(call_id="call-1", channel=channel, first_sample=at, sample_rate_hz=RATE_HZ, samples=samples)
            )
    pool.end_call("call-1", "end")
    push(pool, media(other, TRACKS))
    ticks, before_s, most_s = 0, 0.0, 0.0
    while pool._hear_all(shared):
        ticks += 1
        assert len(pool._calls["call-2"].waiting) == 2 * len(STARTS_S)
        analysis = pool._calls["call-1"].analysis
        assert analysis is not None
        before_s, most_s = analysis.duration_s, max(most_s, analysis.duration_s - before_s)
    assert before_s == pytest.approx(3000.0, abs=0.01)
    assert most_s < 40.0
    assert ticks < 110
    assert observer.shed_s == {}


def test_one_calls_failure_is_survived_and_counted() -> None:
    class Failing(FakeTranscriber):
        def recognize(
            self,
            utterance: Utterance,
            *,
            language: str | None,
            choose_language: Callable[[Mapping[str, float]], str | None] | None = None,
            transcribe: bool = True,
            embed: bool = True,
            word_times: bool = False,
        ) -> Recognition:
            if utterance.call_id == "bad":
                raise RuntimeError("out of memory")
            return super().recognize(utterance, language=language, transcribe=transcribe, embed=embed)

    pool, told, observer = pool_of()
    calls = [media(call_of(name, *BOTH), TRACKS) for name in ("bad", "good")]
    wrong = AudioChunk(
        call_id="bad", channel=Channel.MIXED, first_sample=0, sample_rate_hz=8000, samples=np.zeros(8000, np.float32)
    )
    calls[0].insert(9, wrong)
    run(pool, models(transcriber=Failing()), calls)
    assert told.summary("good").coverage.ratio == 1.0
    assert told.summary("bad").coverage.ratio == pytest.approx(0.0)
    assert len(told.utterances("bad", Channel.CALLER)) == 5
    assert sorted({where for where, _ in observer.failures}) == ["frame", "recognize"]


class Gathering(FakeTranscriber):
    """Keeps what it was given at once; its first utterance waits until `go` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.together: list[list[Utterance]] = []
        self.begun, self.go = threading.Event(), threading.Event()

    def recognize(
        self,
        utterance: Utterance,
        *,
        language: str | None,
        choose_language: Callable[[Mapping[str, float]], str | None] | None = None,
        transcribe: bool = True,
        embed: bool = True,
        word_times: bool = False,
    ) -> Recognition:
        self.begun.set()
        assert self.go.wait(ALL_S)
        if utterance.call_id == "bad":
            raise RuntimeError("out of memory")
        return super().recognize(utterance, language=language, transcribe=transcribe, embed=embed)

    def alike(self, utterance: Utterance) -> int:
        return utterance.call_id == "other"

    def transcribe_together(self, requests: Sequence[TranscriptionRequest]) -> list[Recognition]:
        self.together.append([one.utterance for one in requests])
        return super().transcribe_together(requests)


def run_gathered(names: Sequence[str]) -> tuple[Gathering, Told, FakeObserver]:
    """Let one worker meet calls whose utterances wait already, but for the first one."""
    transcriber = Gathering()
    pool, told, observer = pool_of(PoolConfig(**(_fields(PATIENT) | {"workers": 1})))
    pool.equip(models(transcriber=transcriber))
    push(pool, media(call_of("first", Channel.CALLER), {Channel.CALLER: talk(1, total_s=4.0)}))
    assert transcriber.begun.wait(ALL_S)
    for name in names:
        push(pool, media(call_of(name, *BOTH), TRACKS))
    assert until(lambda: pool.n_waiting >= 1 + 2 * len(STARTS_S) * len(names), timeout_s=ALL_S)
    transcriber.go.set()
    assert pool.drain(ALL_S)
    assert pool.stop()
    return transcriber, told, observer


def test_what_waits_is_recognised_together_as_if_alone() -> None:
    transcriber, told, observer = run_gathered(["call-1", "call-2", "other"])
    assert observer.failures == []
    assert max(len(some) for some in transcriber.together) == MOST_AT_ONCE
    assert any(len({one.call_id for one in some}) == 2 for some in transcriber.together), "of several calls"
    for some in transcriber.together:
        assert len({transcriber.alike(one) for one in some}) == 1
        assert sum(one.duration_s for one in some) <= MOST_AT_ONCE_S
    for name in ("call-1", "call-2", "other"):
        alone = [*analyze_call(media(call_of(name, *BOTH), TRACKS), models=models(), config=AnalysisConfig())]
        assert told.events[name] == alone


@contextmanager
def one_worker_busy(clock: Callable[[], float]) -> Iterator[tuple[CallPool, Gathering, Told]]:
    """Two workers, the first of them with an utterance that it cannot finish until the end."""
    transcriber = Gathering()
    pool, told, observer = pool_of(PoolConfig(**(_fields(PATIENT) | {"workers": 2})), clock=clock)
    pool.equip(models(transcriber=transcriber))
    push(pool, media(call_of("first", Channel.CALLER), {Channel.CALLER: talk(1, total_s=4.0)}))
    assert transcriber.begun.wait(ALL_S)
    yield pool, transcriber, told
    transcriber.go.set()
    assert pool.drain(ALL_S)
    assert pool.stop()
    assert observer.failures == []


def test_while_another_worker_recognises_utterances_gather_for_a_full_pass() -> None:
    with one_worker_busy(clock=lambda: 0.0) as (pool, transcriber, _):
        for number in range(MOST_AT_ONCE):
            assert transcriber.together == []
            push(pool, media(call_of(f"call-{number}", Channel.CALLER), {Channel.CALLER: talk(1, total_s=4.0)}))
            assert until(lambda number=number: pool.n_waiting == number + 2, timeout_s=ALL_S)  # type: ignore[misc]
        assert until(lambda: transcriber.together != [], timeout_s=ALL_S)
        assert [len(some) for some in transcriber.together] == [MOST_AT_ONCE]


def test_an_utterance_gathers_no_longer_than_it_may() -> None:
    now_s = 0.0
    with one_worker_busy(clock=lambda: now_s) as (pool, transcriber, _):
        for name in ("call-1", "call-2"):
            push(pool, media(call_of(name, Channel.CALLER), {Channel.CALLER: talk(1, total_s=4.0)}))
        assert until(lambda: pool.n_waiting == 3, timeout_s=ALL_S)
        assert transcriber.together == []
        now_s = PATIENT.gather_s
        assert until(lambda: transcriber.together != [], timeout_s=ALL_S)
        assert [len(some) for some in transcriber.together] == [2]


def test_one_that_fails_harms_none_that_are_recognised_with_it() -> None:
    transcriber, told, observer = run_gathered(["bad", "good"])
    assert any({one.call_id for one in some} == {"bad", "good"} for some in transcriber.together)
    assert {where for where, _ in observer.failures} == {"recognize"}
    assert told.summary("good").coverage.ratio == 1.0
    assert told.summary("bad").coverage.ratio == pytest.approx(0.0)


def test_a_receiver_that_fails_stops_nothing() -> None:
    def refuse(event: CallEvent) -> None:
        raise OSError("disk full")

    pool, _, observer = pool_of(deliver=refuse)
    run(pool, models(), [media(call_of("call-1", *BOTH), TRACKS)])
    assert {where for where, _ in observer.failures} == {"deliver"}
    assert isinstance(observer.call_events[-1], CallSummary)


def test_an_observer_that_fails_stops_nothing() -> None:
    class Failing(FakeObserver):
        def on_call_event(self, event: CallEvent) -> None:
            super().on_call_event(event)
            raise OSError("disk full")

        def on_stage(self, stage: str, duration_s: float) -> None:
            raise OSError("disk full")

    told, observer = Told(), Failing()
    pool = CallPool(config=PATIENT, analysis=AnalysisConfig(), deliver=told, observer=observer)
    run(pool, models(), [media(call_of(name, *BOTH), TRACKS) for name in "ab"])
    assert {where for where, _ in observer.failures} == {"hear", "work", "settle", "finish"}
    assert isinstance(told.events["a"][0], CallStarted)
    assert [told.summary(name).reason for name in "ab"] == ["end", "end"]


def test_room_is_bounded_and_a_call_is_taken_once() -> None:
    pool, _, _ = pool_of(PoolConfig(**(_fields(PATIENT) | {"max_calls": 1})))
    assert pool.start_call(call_of("call-1", *BOTH))
    assert not pool.start_call(call_of("call-1", *BOTH))
    assert not pool.has_room
    assert not pool.start_call(call_of("call-2", *BOTH))


def test_stop_ends_the_calls_that_still_run() -> None:
    pool, told, _ = pool_of()
    pool.equip(models())
    push(pool, media(call_of("call-1", *BOTH), TRACKS)[:-1])
    assert pool.stop(ALL_S)
    assert told.summary("call-1").reason == "shutdown"
    assert len(told.utterances("call-1", Channel.CALLER)) == 5
    assert not pool.start_call(call_of("call-2", *BOTH))


@pytest.mark.parametrize(
    "wrong",
    [
        {"workers": 0},
        {"max_calls": 0},
        {"tick_s": 0.0},
        {"tick_s": 5.0},
        {"shed_agent_text_s": 9.0},
        {"max_buffer_s": 0},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PoolConfig(**wrong)  # type: ignore[arg-type]

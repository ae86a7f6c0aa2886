"""Many live calls at once on the models of one process.

One thread hears: it frames what the calls sent and runs voice activity over all of them, tick by tick. A few worker
threads recognise and score the utterances, the most urgent first. Each call is one `CallAnalysis`, driven as
`analyze_call` drives it: its utterances are understood one after the other, in the order in which they were decided,
so that a live call gives what the recording of it gives.

Nothing that is called from outside waits. What does not fit is left out in the order agent's text, caller's text,
embedding, and counted; scoring and events are never left out.

Stages told to the observer, in seconds: ``hear`` (one tick of voice activity over all calls), ``wait`` (an utterance,
from its decision to a worker), ``recognize``, ``understand`` and ``event`` (from the sound of the utterance's last
sample to its event).
"""

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from voicepipe.consent import ConsentDecision, decide
from voicepipe.pipeline.call import CallAnalysis, Models, recognize_together
from voicepipe.pipeline.config import AnalysisConfig
from voicepipe.pipeline.shedding import Costs, Effort, PoolConfig, Waiting, full_effort, to_lower
from voicepipe.pipeline.track import joined
from voicepipe.ports import CallObserver, VoiceDetectorState
from voicepipe.types import (
    SAMPLE_RATE_HZ,
    AudioChunk,
    Call,
    CallEvent,
    CallStarted,
    Channel,
    Recognition,
    Utterance,
)

MOST_AT_ONCE = 4
MOST_AT_ONCE_S = 16.0
"""Utterances that a worker recognises in one pass, and their seconds together: two take two thirds of the time each,
more hardly less, and meanwhile the worker does nothing else."""


@dataclass(slots=True, eq=False)
class _LiveCall:
    """A call in the pool; `analysis` is there once the models are."""

    call: Call
    inbox: deque[AudioChunk] = field(default_factory=deque)
    inbox_s: float = 0.0
    lost_s: float = 0.0
    end_reason: str | None = None
    began_s: float | None = None
    analysis: CallAnalysis | None = None
    waiting: deque[Waiting] = field(default_factory=deque)
    consents: deque[str] = field(default_factory=deque)
    announced: bool = False
    heard_all: bool = False
    settling: bool = False
    over: bool = False

    @property
    def can_settle(self) -> bool:
        """Whether there is something to tell that no worker is telling."""
        if self.settling or self.analysis is None:
            return False
        if not self.announced or self.consents:
            return True
        return self.waiting[0].ready if self.waiting else self.heard_all


_Spoken = tuple[_LiveCall, Waiting]


class CallPool:
    """Analyses live calls.

    Parameters
    ----------
    config : PoolConfig
    analysis : AnalysisConfig
        The same that recordings are analysed with.
    deliver : callable
        Takes each call event, of one call in order, from a worker thread. It may wait; workers then wait too.
    observer : CallObserver
    clock : callable, optional
        Seconds, never going back.
    """

    def __init__(
        self,
        *,
        config: PoolConfig,
        analysis: AnalysisConfig,
        deliver: Callable[[CallEvent], None],
        observer: CallObserver,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._analysis_config = analysis
        self._deliver = deliver
        self._observer = observer
        self._clock = clock
        self._models: Models | None = None
        self._calls: dict[str, _LiveCall] = {}
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._emptied = threading.Condition(self._lock)
        self._halt = threading.Event()
        self._stopping = False
        self._threads: list[threading.Thread] = []
        self._costs = Costs()
        self._n_recognizing = 0

    @property
    def ready(self) -> bool:
        """Whether the models are here."""
        return self._models is not None

    @property
    def n_calls(self) -> int:
        """Calls in the pool, those that are over but not yet told among them."""
        return len(self._calls)

    @property
    def n_waiting(self) -> int:
        """Utterances that wait to be understood."""
        with self._lock:
            return sum(len(call.waiting) for call in self._calls.values())

    @property
    def has_room(self) -> bool:
        """Whether another call may begin."""
        return not self._stopping and len(self._calls) < self._config.max_calls

    def equip(self, models: Models) -> None:
        """Give the pool its models; it begins to hear what came meanwhile."""
        self._models = models
        hear = threading.Thread(target=self._hear_on, args=(models,), name="hear", daemon=True)
        workers = [f"analyse-{number}" for number in range(self._config.workers)]
        self._threads = [hear, *(threading.Thread(target=self._work_on, name=name, daemon=True) for name in workers)]
        for thread in self._threads:
            thread.start()

    def start_call(self, call: Call) -> bool:
        """Begin a call; never waits.

        Returns
        -------
        bool
            False if there is no room, or if the call is in the pool already.
        """
        with self._lock:
            if not self.has_room or call.call_id in self._calls:
                return False
            self._calls[call.call_id] = _LiveCall(call=call)
        self._observer.on_media(CallStarted(call=call))
        return True

    def hear(self, chunk: AudioChunk) -> None:
        """Take in audio of a call; never waits. Audio of a call that is not in the pool is passed over."""
        seconds = chunk.samples.size / chunk.sample_rate_hz
        with self._lock:
            live = self._calls.get(chunk.call_id)
            if live is None or live.end_reason is not None:
                return
            if live.began_s is None:
                live.began_s = self._clock() - chunk.first_sample / chunk.sample_rate_hz - seconds
            if fits := live.inbox_s + seconds <= self._config.max_buffer_s:
                live.inbox.append(chunk)
                live.inbox_s += seconds
            else:
                live.lost_s += seconds
        self._observer.on_media(chunk)
        if not fits:
            self._observer.on_shed("late_audio", seconds)

    def change_consent(self, call_id: str, consent: str) -> ConsentDecision | None:
        """Let the caller agree, or take it back; never waits. A free worker applies it before any other work.

        Returns
        -------
        ConsentDecision or None
            What holds from now on; None if the call is not in the pool, or over.
        """
        with self._lock:
            live = self._calls.get(call_id)
            if live is None or live.over:
                return None
            live.consents.append(consent)
            self._work.notify()
            return decide(replace(live.call, consent=consent), config=self._analysis_config.consent)

    def end_call(self, call_id: str, reason: str) -> None:
        """End a call; never waits. Its last events come when all that it said is understood."""
        with self._lock:
            live = self._calls.get(call_id)
            if live is not None and live.end_reason is None:
                live.end_reason = reason

    def drain(self, timeout_s: float) -> bool:
        """Wait until no call is in the pool; False if some still are after `timeout_s`."""
        with self._lock:
            return self._emptied.wait_for(lambda: not self._calls, timeout_s)

    def stop(self, timeout_s: float = 10.0) -> bool:
        """End all calls, understand what they said and end the threads.

        Returns
        -------
        bool
            False if calls were left after `timeout_s`: what they were to tell is lost.
        """
        with self._lock:
            self._stopping = True
            calls = list(self._calls)
        for call_id in calls:
            self.end_call(call_id, "shutdown")
        emptied = self._models is not None and self.drain(timeout_s)
        with self._lock:
            self._calls.clear()
            self._halt.set()
            self._work.notify_all()
        for thread in self._threads:
            thread.join(timeout_s)
        return emptied

    # Hearing: one thread.

    def _hear_on(self, models: Models) -> None:
        next_s = self._clock()
        while not self._halt.is_set():
            began_s = self._clock()
            try:
                if self.n_waiting < self._config.max_waiting and self._hear_all(models):
                    self._costs.hear_s = self._clock() - began_s
                    self._observer.on_stage("hear", self._costs.hear_s)
            except Exception as error:  # this tick is lost; calls are heard at the next
                self._observer.on_failure("hear", error)
            next_s = max(next_s + self._config.tick_s, self._clock())
            self._halt.wait(next_s - self._clock())

    def _hear_all(self, models: Models) -> bool:
        """Hear what every call sent since the last tick; return whether there was anything."""
        with self._lock:
            calls = list(self._calls.values())
        taken = [live for live in calls if not live.heard_all and self._take(live, models)]
        self._hear_frames(taken, models)
        ended = [live for live in taken if live.end_reason is not None and not live.inbox]
        for live in ended:
            _analysis(live).take_end()
        self._hear_frames(ended, models)
        for live in ended:
            try:
                self._queue(live, _analysis(live).last_utterances())
            except Exception as error:  # the call must end all the same
                self._observer.on_failure("segment", error)
            with self._lock:
                live.heard_all = True
                self._work.notify()
        return bool(taken)

    def _hear_frames(self, calls: Iterable[_LiveCall], models: Models) -> None:
        """Run voice activity over all frames that are due, in one batch."""
        due = [(live, frames) for live in calls if (frames := _analysis(live).next_frames()) is not None]
        batch = [track for _, frames in due for track in frames.frames]
        states: Sequence[VoiceDetectorState] = [state for _, frames in due for state in frames.states]
        try:
            probs, states = models.detector.speech_probs(batch, states)
        except Exception as error:  # these frames count as silence, and as lost
            self._observer.on_failure("hear", error)
            probs = [np.zeros(len(track), np.float32) for track in batch]
            for live, frames in due:
                _analysis(live).lose(sum(track.size for track in frames.frames) / SAMPLE_RATE_HZ)
        at = 0
        for live, frames in due:
            part = slice(at, at := at + len(frames.frames))
            try:
                self._queue(live, _analysis(live).hear_frames(frames, probs[part], states[part]))
            except Exception as error:  # one call's trouble; the others are heard
                self._observer.on_failure("segment", error)
                _analysis(live).lose(sum(track.size for track in frames.frames) / SAMPLE_RATE_HZ)

    def _take(self, live: _LiveCall, models: Models) -> bool:
        """Frame what a call sent; return whether there was anything, its end included.

        What lies behind a long gap stays in the inbox until the next ticks have passed the gap.
        """
        with self._lock:
            if live.analysis is None:
                live.analysis = CallAnalysis(live.call, models=models, config=self._analysis_config)
                self._work.notify()
            chunks, live.inbox, live.inbox_s = live.inbox, deque(), 0.0
            lost_s, live.lost_s = live.lost_s, 0.0
        live.analysis.lose(lost_s)
        left: list[AudioChunk] = []
        for chunk in joined(chunks):
            try:
                if live.analysis.approach(chunk):
                    live.analysis.take(chunk)
                else:
                    left.append(chunk)
            except Exception as error:  # this chunk is lost to the call, and counted
                live.analysis.lose(chunk.samples.size / chunk.sample_rate_hz)
                self._observer.on_failure("frame", error)
        with self._lock:
            live.inbox.extendleft(reversed(left))
            live.inbox_s += sum(chunk.samples.size / chunk.sample_rate_hz for chunk in left)
        return bool(chunks) or live.end_reason is not None

    def _queue(self, live: _LiveCall, utterances: Iterable[Utterance]) -> None:
        analysis = _analysis(live)
        now_s = self._clock()
        waiting = [Waiting(one, now_s, full_effort(analysis, one)) for one in utterances]
        if waiting:
            with self._lock:
                live.waiting.extend(waiting)
                self._work.notify(len(waiting))

    # Working: a few threads. What is marked "held" runs with the lock.

    def _work_on(self) -> None:
        while not self._halt.is_set():
            try:
                self._work_once()
            except Exception as error:  # one job's trouble; the others are done
                self._observer.on_failure("work", error)
                self._halt.wait(self._config.tick_s)

    def _work_once(self) -> None:
        """Wait for a job and do it; return without one when the pool halts."""
        with self._lock:
            while (job := self._next_job_held()) is None:
                if self._halt.is_set():
                    return
                self._work.wait(self._config.gather_s if self._n_recognizing else None)
        if isinstance(job, _LiveCall):
            self._settle(job)
        else:
            self._recognize(job)

    def _next_job_held(self) -> _LiveCall | list[_Spoken] | None:
        """Take the next job: a call with something to tell, else the most urgent utterances to recognise.

        While another worker recognises, they wait `gather_s` for others to share their pass.
        """
        self._shed_held()
        for live in self._calls.values():
            if live.can_settle:
                live.settling = True
                return live
        job, is_full = self._most_urgent_held()
        if not job:
            return None
        if self._n_recognizing and not is_full and self._clock() - job[0][1].since_s < self._config.gather_s:
            return None
        for _, waiting in job:
            waiting.taken = True
        self._n_recognizing += 1
        return job

    def _most_urgent_held(self) -> tuple[list[_Spoken], bool]:
        """Choose the most urgent utterance and those that are cheaper with it; tell whether the pass is full."""
        by_urgency = sorted(self._recognizable_held(), key=lambda one: one[0])
        urgent = [(live, waiting) for _, live, waiting in by_urgency]
        if not urgent or not _can_join(*urgent[0]):
            return urgent[:1], True
        alike = _analysis(urgent[0][0]).transcriber.alike
        first = alike(urgent[0][1].utterance)
        mates = [one for one in urgent if _can_join(*one) and alike(one[1].utterance) == first]
        lengths_s = itertools.accumulate(waiting.utterance.duration_s for _, waiting in mates)
        most = max(1, min(MOST_AT_ONCE, sum(length_s <= MOST_AT_ONCE_S for length_s in lengths_s)))
        return mates[:most], most == MOST_AT_ONCE or most < len(mates)

    def _recognizable_held(self) -> Iterator[tuple[tuple[bool, float], _LiveCall, Waiting]]:
        """Yield what may be recognised now with its urgency: caller before agent, then the oldest.

        An agent's utterance that a caller's waits behind is as urgent as that. Until a call's language is known its
        utterances are recognised one at a time: each tells the next.
        """
        for live in self._calls.values():
            if live.analysis is None:
                continue
            one_at_a_time = live.analysis.language is None
            last_caller = max(
                (at for at, one in enumerate(live.waiting) if one.utterance.channel is not Channel.AGENT), default=-1
            )
            for at, waiting in enumerate(live.waiting):
                if at and one_at_a_time:
                    break
                if waiting.is_open:
                    yield (at > last_caller, waiting.since_s), live, waiting

    def _shed_held(self) -> None:
        """Leave out what would make others wait too long."""
        queued = [one for live in self._calls.values() for one in live.waiting if one.is_open]
        for one, effort in to_lower(queued, now_s=self._clock(), costs=self._costs, config=self._config):
            self._lower(one, effort)

    def _lower(self, one: Waiting, effort: Effort) -> None:
        is_agent, seconds = one.utterance.channel is Channel.AGENT, one.utterance.duration_s
        if one.effort is Effort.TEXT:
            self._observer.on_shed("agent_transcript" if is_agent else "caller_transcript", seconds)
        if effort is Effort.NOTHING and not is_agent:
            self._observer.on_shed("embedding", seconds)
        one.effort = effort

    def _recognize(self, spoken: list[_Spoken]) -> None:
        began_s = self._clock()
        recognitions: list[Recognition | None] = []
        if len(spoken) > 1:
            try:
                recognitions = recognize_together([(_analysis(live), waiting.utterance) for live, waiting in spoken])
            except Exception as error:  # one of them may be at fault: each by itself
                self._observer.on_failure("recognize", error)
        if not recognitions:
            recognitions = [self._recognized(live, waiting) for live, waiting in spoken]
        took_s = (self._clock() - began_s) / len(spoken)
        with self._lock:
            for (_, waiting), recognition in zip(spoken, recognitions, strict=True):
                self._costs.recognized(waiting.effort, took_s)
                waiting.recognition = recognition
                waiting.recognized = True
            self._n_recognizing -= 1
            self._work.notify()
        for _, waiting in spoken:
            self._observer.on_stage("wait", began_s - waiting.since_s)
            self._observer.on_stage("recognize", took_s)

    def _recognized(self, live: _LiveCall, waiting: Waiting) -> Recognition | None:
        try:
            return _analysis(live).recognize(waiting.utterance, transcribe=waiting.effort is Effort.TEXT)
        except Exception as error:  # the utterance is scored without it, and counted
            self._observer.on_failure("recognize", error)
            return None

    def _settle(self, live: _LiveCall) -> None:
        """Tell what a call has to tell, in order, as far as it is ready; after the last of it the call is over."""
        analysis = _analysis(live)
        try:
            self._tell_ready(live, analysis)
        except Exception as error:  # what is left is told by the call's next job
            self._observer.on_failure("settle", error)
        with self._lock:
            over = live.over = live.heard_all and not live.waiting and not live.consents
            live.settling = over
            self._work.notify(len(live.waiting))
        if over:
            try:
                self._tell(analysis.finish(live.end_reason or "end"))
            except Exception as error:  # the call must leave the pool all the same
                self._observer.on_failure("finish", error)
            with self._lock:
                self._calls.pop(live.call.call_id, None)
                self._emptied.notify_all()

    def _tell_ready(self, live: _LiveCall, analysis: CallAnalysis) -> None:
        if not live.announced:
            live.announced = True
            self._tell([CallStarted(call=analysis.call)])
        while self._heed_consent(live) or (live.waiting and live.waiting[0].ready):
            if live.waiting and live.waiting[0].ready:
                try:
                    self._understand(live, analysis, live.waiting[0])
                finally:
                    with self._lock:
                        live.waiting.popleft()

    def _understand(self, live: _LiveCall, analysis: CallAnalysis, one: Waiting) -> None:
        """Understand an utterance and tell what it gave."""
        began_s = self._clock()
        try:
            events = analysis.understand(one.utterance, one.recognition)
        except Exception as error:  # this utterance is lost to the call, and counted
            analysis.lose(one.utterance.duration_s)
            self._observer.on_failure("understand", error)
            events = []
        now_s = self._clock()
        self._observer.on_stage("understand", now_s - began_s)
        if one.utterance.channel is not Channel.AGENT:
            self._costs.understood(now_s - began_s)
        self._tell(events)
        if live.began_s is not None:
            self._observer.on_stage("event", max(0.0, now_s - live.began_s - one.utterance.end_s))

    def _heed_consent(self, live: _LiveCall) -> bool:
        """Apply the next change of consent; False if there is none."""
        with self._lock:
            if not live.consents:
                return False
            consent = live.consents.popleft()
        try:
            events = _analysis(live).change_consent(consent)
        except Exception as error:  # what is allowed has changed all the same
            self._observer.on_failure("consent", error)
            events = []
        self._tell(events)
        return True

    def _tell(self, events: Iterable[CallEvent]) -> None:
        for event in events:
            try:
                self._deliver(event)
            except Exception as error:
                self._observer.on_failure("deliver", error)
            self._observer.on_call_event(event)


def _can_join(live: _LiveCall, waiting: Waiting) -> bool:
    return waiting.effort is Effort.TEXT and _analysis(live).can_join(waiting.utterance)


def _analysis(live: _LiveCall) -> CallAnalysis:
    assert live.analysis is not None
    return live.analysis

"""The live board: the calls in progress as they stand now, built from what the pipeline tells.

Pure memory: no store, no network, no task of its own. What was found out about a caller leaves it with the consent.
"""

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from voicepipe.events.reroute import reroute_event_id
from voicepipe.types import (
    Basis,
    Call,
    CallEvent,
    CallStarted,
    CallSummary,
    Channel,
    ConsentApplied,
    Coverage,
    Episode,
    EpisodeState,
    Erasure,
    Scope,
    ScoredUtterance,
)

TREND_S = 120.0
"""How far back the line of a call's stress reaches."""

_HALF_LIFE_S = 20.0
"""Seconds of the call after which an utterance counts half for the stress that is shown: long enough that one loud word
does not reorder the board, short enough that a caller who calms down sinks within a minute."""

_MOST_UTTERANCES = 4000
"""Of one call: hours of talk. The oldest go first; the store has them all."""

_GONE_KEPT = 10_000
"""Departures that are remembered for those who ask for changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCall:
    """One call in progress.

    Attributes
    ----------
    call : Call
    language : str, optional
        As the operator gave it, or the one most of the speech so far was recognised in.
    stress : float, optional
        Of the caller now, 0..1: mean of the scores, weighted by speech and by how recent it is. None before the first.
    latest : float, optional
        Score of the caller's latest utterance.
    points : tuple of (float, float)
        Offset in the call (0.1 s) and score (0.001) of the caller's utterances of the last `TREND_S`, oldest first.
    coverage : Coverage
        How much of the speech was heard.
    episode : Episode, optional
        The latest of the open ones.
    episodes : int
        How many there have been, the open ones included.
    alert_id : str, optional
        Id of the reroute event of the open episode, or else of the last one.
    scope : Scope, optional
        What may be analysed, once that has changed within the call; ``nothing`` also where the caller had refused.
    now_s : float
        Offset in the call, seconds: how long it has lasted.
    heard_s : float
        Offset of the end of the last utterance.
    n_utterances : int
    ended : CallSummary, optional
        Once it is over: it leaves the board a little later.
    version : int
        Of the board when this call changed last.
    """

    call: Call
    language: str | None
    stress: float | None
    latest: float | None
    points: tuple[tuple[float, float], ...]
    coverage: Coverage
    episode: Episode | None
    episodes: int
    alert_id: str | None
    scope: Scope | None
    now_s: float
    heard_s: float
    n_utterances: int
    ended: CallSummary | None
    version: int

    @property
    def call_id(self) -> str:
        """Id of the call."""
        return self.call.call_id

    @property
    def queue(self) -> str | None:
        """Queue of the call."""
        return self.call.queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What has changed on the board.

    Attributes
    ----------
    version : int
        Ask again with it.
    calls : tuple of LiveCall
        New or changed.
    gone : tuple of str
        Calls that left.
    """

    version: int
    calls: tuple[LiveCall, ...]
    gone: tuple[str, ...]


@dataclass(slots=True)
class _Track:
    """What is kept of one call; guarded by the board's lock."""

    call: Call
    version: int = 0
    utterances: deque[ScoredUtterance] = field(default_factory=lambda: deque(maxlen=_MOST_UTTERANCES))
    n_utterances: int = 0
    episodes: dict[tuple[Channel, int], Episode] = field(default_factory=dict)
    points: deque[tuple[float, float]] = field(default_factory=deque)
    weight: float = 0.0
    weighted: float = 0.0
    smoothed_at_s: float = 0.0
    speech_s: float = 0.0
    shed_s: dict[str, float] = field(default_factory=dict)
    spoken: dict[str, float] = field(default_factory=dict)
    heard_s: float = 0.0
    scope: Scope | None = None
    ended: CallSummary | None = None
    leaves_at: datetime | None = None

    @property
    def stress(self) -> float | None:
        return self.weighted / self.weight if self.weight > 0.0 else None

    @property
    def language(self) -> str | None:
        if self.ended is not None:
            return self.ended.language or self.call.language
        return self.call.language or max(self.spoken, key=self.spoken.__getitem__, default=None)

    @property
    def last_episode(self) -> Episode | None:
        return next(reversed(self.episodes.values()), None)

    @property
    def open_episode(self) -> Episode | None:
        """The latest that is open: a request for a human stays so when a stress episode after it has calmed."""
        return next((one for one in reversed(self.episodes.values()) if one.state is EpisodeState.OPENED), None)

    def forget_voice(self) -> None:
        """Forget what was found out about the caller from voice and words."""
        kept = [replace(one, score=None, frustration=None) for one in self.utterances]
        self.utterances = deque(kept, maxlen=_MOST_UTTERANCES)
        self.episodes.clear()
        self.points.clear()
        self.weight = self.weighted = 0.0


class LiveBoard:
    """The calls in progress; told from any thread, asked from any thread.

    Parameters
    ----------
    clock : callable
        Returns the present time, timezone-aware UTC.
    transcribe_agent : bool
        Whether the agent is transcribed by the settings; what is missing of it then is a loss.
    linger_s : float
        How long a call stays after its end.
    max_calls : int
        Most calls on the board; the one that was quiet for the longest time makes room.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        transcribe_agent: bool = True,
        linger_s: float = 5.0,
        max_calls: int = 5000,
    ) -> None:
        self._clock = clock
        self._transcribe_agent = transcribe_agent
        self._linger_s = linger_s
        self._max_calls = max_calls
        self._lock = threading.Lock()
        self._tracks: dict[str, _Track] = {}
        self._gone: deque[tuple[int, Call]] = deque(maxlen=_GONE_KEPT)
        self._gone_before = 0
        self._version = 0
        self._watchers: list[Callable[[], None]] = []

    @property
    def version(self) -> int:
        """Grows with every change."""
        return self._version

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` as soon as an episode opens or closes or a consent changes; it must return at once.

        Returns
        -------
        callable
            Ends it.
        """
        self._watchers.append(wake)
        return lambda: self._watchers.remove(wake)

    def on_call_event(self, event: CallEvent) -> None:
        """Take note of what a call tells."""
        with self._lock:
            self._version += 1
            self._take(event)
        if isinstance(event, Episode | ConsentApplied):
            for wake in tuple(self._watchers):
                wake()

    def calls(self, queues: Collection[str] | None = None, *, most: int | None = None) -> tuple[LiveCall, ...]:
        """Return the calls, those with an open episode first, then the most stressed.

        Parameters
        ----------
        queues : collection of str, optional
            Only of these; of all, and calls without a queue, where not given.
        most : int, optional
            Only the first so many.
        """
        with self._lock:
            now = self._clock()
            self._sweep(now)
            found = sorted((track for track in self._tracks.values() if _is_seen(track.call, queues)), key=_need)
            return tuple(self._shown(track, now) for track in found[:most])

    def counts(self, queues: Collection[str] | None = None) -> tuple[int, int]:
        """Return how many calls there are, and in how many of them an episode is open."""
        with self._lock:
            self._sweep(self._clock())
            found = [track for track in self._tracks.values() if _is_seen(track.call, queues)]
        return len(found), sum(track.open_episode is not None for track in found)

    def call(self, call_id: str) -> LiveCall | None:
        """Return one call; None if it is not in progress."""
        with self._lock:
            track = self._tracks.get(call_id)
            return None if track is None else self._shown(track, self._clock())

    def utterances(self, call_id: str) -> tuple[ScoredUtterance, ...]:
        """Return what was said in a call so far, in the order in which it was decided."""
        with self._lock:
            track = self._tracks.get(call_id)
            return () if track is None else tuple(track.utterances)

    def episodes(self, call_id: str) -> tuple[Episode, ...]:
        """Return the episodes of a call, each as it was told last."""
        with self._lock:
            track = self._tracks.get(call_id)
            return () if track is None else tuple(track.episodes.values())

    def changes(self, since: int, *, queues: Collection[str] | None = None) -> Changes | None:
        """Return what has changed after a version of the board; None if that is too long ago to tell."""
        with self._lock:
            now = self._clock()
            self._sweep(now)
            if not self._gone_before <= since <= self._version:
                return None
            changed = [
                self._shown(track, now)
                for track in self._tracks.values()
                if track.version > since and _is_seen(track.call, queues)
            ]
            return Changes(version=self._version, calls=tuple(changed), gone=self._gone_since(since, queues))

    def _take(self, event: CallEvent) -> None:
        if isinstance(event, CallStarted):
            self._begin(event.call)
            return
        if isinstance(event, ConsentApplied):
            self._heed(event)
            return
        track = self._tracks.get(event.call.call_id if isinstance(event, CallSummary) else event.call_id)
        if track is None:
            return
        track.version = self._version
        if isinstance(event, ScoredUtterance):
            self._hear(track, event)
        elif isinstance(event, Episode):
            track.episodes[event.channel, event.index] = event
            if event.coverage is not None and (late_s := event.coverage.shed_s.get("late_audio")):
                track.shed_s["late_audio"] = late_s
        else:
            track.ended = event
            track.leaves_at = self._clock()

    def _begin(self, call: Call) -> _Track:
        self._sweep(self._clock())  # Nobody may be looking, and then nothing else does it.
        self._tracks.pop(call.call_id, None)
        while len(self._tracks) >= self._max_calls:
            self._drop(min(self._tracks, key=lambda call_id: self._tracks[call_id].version))
        refused = call.basis in (Basis.NONE, Basis.WITHDRAWN)
        track = _Track(call, version=self._version, scope=Scope.NOTHING if refused else None)
        self._tracks[call.call_id] = track
        return track

    def _heed(self, event: ConsentApplied) -> None:
        """Forget what the caller does not agree to any more; who takes it back altogether leaves the board."""
        if event.scope is Scope.NOTHING or event.erases is Erasure.EVERYTHING:
            self._drop(event.call_id)
        if event.scope is Scope.NOTHING:
            return
        track = self._tracks.get(event.call_id) or self._begin(event.call)
        track.call, track.scope, track.version = event.call, event.scope, self._version
        if event.erases is Erasure.ACOUSTICS:
            track.forget_voice()

    def _hear(self, track: _Track, utterance: ScoredUtterance) -> None:
        track.utterances.append(utterance)
        track.n_utterances += 1
        track.heard_s = max(track.heard_s, utterance.end_s)
        duration_s = utterance.end_s - utterance.start_s
        track.speech_s += duration_s
        for kind in self._missing(utterance):
            track.shed_s[kind] = track.shed_s.get(kind, 0.0) + duration_s
        if utterance.transcript is not None and utterance.transcript.text:
            language = utterance.transcript.language
            track.spoken[language] = track.spoken.get(language, 0.0) + utterance.speech_s
        if utterance.score is None:
            return
        fade = 0.5 ** (max(0.0, utterance.end_s - track.smoothed_at_s) / _HALF_LIFE_S)
        weight = max(utterance.speech_s, 0.1)
        track.weight = track.weight * fade + weight
        track.weighted = track.weighted * fade + weight * utterance.score.stress
        track.smoothed_at_s = max(track.smoothed_at_s, utterance.end_s)
        track.points.append((round(utterance.end_s, 1), round(utterance.score.stress, 3)))  # as precise as it is shown
        while track.points[0][0] < utterance.end_s - TREND_S:
            track.points.popleft()

    def _missing(self, utterance: ScoredUtterance) -> Iterator[str]:
        """Yield what was left out of an utterance's analysis, as in `Coverage.shed_s`."""
        if utterance.transcript is None:
            if utterance.channel is not Channel.AGENT:
                yield "caller_transcript"
            elif self._transcribe_agent:
                yield "agent_transcript"
        if utterance.score is not None and not utterance.score.with_embedding:
            yield "embedding"

    def _sweep(self, now: datetime) -> None:
        """Let calls go that have been over for long enough."""
        for call_id in _overdue(self._tracks, now, self._linger_s):
            self._version += 1
            self._drop(call_id)

    def _drop(self, call_id: str) -> None:
        track = self._tracks.pop(call_id, None)
        if track is None:
            return
        if len(self._gone) == self._gone.maxlen:
            self._gone_before = self._gone[0][0]
        self._gone.append((self._version, track.call))

    def _gone_since(self, since: int, queues: Collection[str] | None) -> tuple[str, ...]:
        """Return the calls that left after a version and did not come back, the latest first."""
        gone: dict[str, None] = {}
        for version, call in reversed(self._gone):
            if version <= since:
                break
            if call.call_id not in self._tracks and _is_seen(call, queues):
                gone[call.call_id] = None
        return tuple(gone)

    def _shown(self, track: _Track, now: datetime) -> LiveCall:
        call, episode = track.call, track.open_episode
        alerted = episode or track.last_episode
        elapsed_s = max(track.heard_s, (now - call.started_at).total_seconds())
        now_s = elapsed_s if track.ended is None else track.ended.duration_s
        return LiveCall(
            call=call,
            language=track.language,
            stress=track.stress,
            latest=track.points[-1][1] if track.points else None,
            points=tuple(point for point in track.points if point[0] >= now_s - TREND_S),
            coverage=(
                Coverage(speech_s=track.speech_s, shed_s=dict(track.shed_s))
                if track.ended is None
                else track.ended.coverage
            ),
            episode=episode,
            episodes=len(track.episodes),
            alert_id=None if alerted is None else _alert_of(alerted),
            scope=track.scope,
            now_s=now_s,
            heard_s=track.heard_s,
            n_utterances=track.n_utterances,
            ended=track.ended,
            version=track.version,
        )


def _alert_of(episode: Episode) -> str:
    return reroute_event_id(episode.call_id, channel=episode.channel, episode=episode.index, kind="requested")


def _is_seen(call: Call, queues: Collection[str] | None) -> bool:
    return queues is None or call.queue in queues


def _overdue(tracks: Mapping[str, _Track], now: datetime, linger_s: float) -> Iterable[str]:
    return [
        call_id
        for call_id, track in tracks.items()
        if track.leaves_at is not None and (now - track.leaves_at).total_seconds() >= linger_s
    ]


def _need(track: _Track) -> tuple[bool, bool, float, str]:
    """Order of the board: who needs help first."""
    return track.ended is not None, track.open_episode is None, -(track.stress or 0.0), track.call.call_id

"""One call from its first sample to its summary: the same analysis for recordings and live calls.

`CallAnalysis` is the state of one call, made at its start and dropped at its end. It is fed media events and gives back
utterances; each utterance, once recognised, gives call events. `analyze_call` drives one call by itself; a pool that
serves many calls drives the same object.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from voicepipe.audio.stream import ChannelStream
from voicepipe.ports import StressScorer, Transcriber, VoiceDetector, VoiceDetectorState
from voicepipe.speech.language import LanguageConfig, LanguageTracker
from voicepipe.speech.redact import redact
from voicepipe.speech.segment import Segmenter, SegmenterConfig
from voicepipe.stress import prosody
from voicepipe.stress.calm import CalmReference
from voicepipe.stress.episode import EpisodeConfig, EpisodeDetector
from voicepipe.types import (
    SAMPLE_RATE_HZ,
    AudioChunk,
    Call,
    CallEnded,
    CallEvent,
    CallStarted,
    CallSummary,
    Channel,
    Coverage,
    Episode,
    FloatArray,
    GatewayProtocolError,
    MediaEvent,
    ProsodyFeatures,
    Recognition,
    ScoredUtterance,
    StressScore,
    Transcript,
    Utterance,
)

MIN_FRAMES = 4
"""Fewest frames of voice activity (32 ms each) worth a run: one by one they cost three times as much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisConfig:
    """What an operator can set about the analysis of a call.

    Attributes
    ----------
    segmenter : SegmenterConfig
    episode : EpisodeConfig
    transcribe_agent : bool
        False leaves the agent's side without text; it is then not counted as missing coverage.
    language : LanguageConfig
    max_skew_s : float
        Longest wait for a track that lags behind the others; after it the missing stretch counts as silence.
    """

    segmenter: SegmenterConfig = field(default_factory=SegmenterConfig)
    episode: EpisodeConfig = field(default_factory=EpisodeConfig)
    transcribe_agent: bool = True
    language: LanguageConfig = field(default_factory=LanguageConfig)
    max_skew_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """The loaded models that all calls of a process share."""

    detector: VoiceDetector
    transcriber: Transcriber
    scorer: StressScorer
    calm: CalmReference


class _Track:
    """Hearing of one channel: sample clock, voice activity, utterances."""

    def __init__(self, call: Call, channel: Channel, *, models: Models, config: AnalysisConfig) -> None:
        self.channel = channel
        self.stream = ChannelStream()
        self.state = models.detector.start()
        self.segmenter = Segmenter(call_id=call.call_id, channel=channel, config=config.segmenter)
        self.pending: list[FloatArray] = []
        self.pending_samples = 0
        self.heard_samples = 0
        self.late_samples = 0
        self._owed_samples = 0

    @property
    def clock(self) -> int:
        """Samples received so far, at 16 kHz."""
        return self.heard_samples + self.pending_samples

    def hold(self, samples: FloatArray) -> None:
        """Keep samples until all tracks of the call have reached them; drop those whose turn has passed."""
        late = min(self._owed_samples, samples.size)
        if late:
            self._owed_samples -= late
            self.late_samples += late
            samples = samples[late:]
        if samples.size:
            self.pending.append(samples)
            self.pending_samples += samples.size

    def take(self, n_samples: int) -> FloatArray:
        """Remove and return the next `n_samples`, silence where the track has not got so far."""
        held = np.concatenate(self.pending) if self.pending else np.zeros(0, np.float32)
        taken, rest = held[:n_samples], held[n_samples:]
        self.pending = [rest] if rest.size else []
        self.pending_samples = int(rest.size)
        self.heard_samples += n_samples
        if taken.size < n_samples:
            self._owed_samples += n_samples - taken.size
            taken = np.concatenate([taken, np.zeros(n_samples - taken.size, np.float32)])
        return taken


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackFrames:
    """Frames of a call's tracks that voice activity is run on.

    Attributes
    ----------
    frames : list of ndarray, each of shape (n, frame_samples), float32
        One entry per track, the same n for all.
    states : list of VoiceDetectorState
        State of each track before them.
    """

    frames: list[FloatArray]
    states: list[VoiceDetectorState]


class CallAnalysis:
    """State of one call.

    Parameters
    ----------
    call : Call
    models : Models
    config : AnalysisConfig
    """

    def __init__(self, call: Call, *, models: Models, config: AnalysisConfig) -> None:
        self.call = call
        self._models = models
        self._config = config
        self._tracks = {channel: _Track(call, channel, models=models, config=config) for channel in call.channels}
        self._language = LanguageTracker.start(language=call.language, config=config.language)
        heard = next((channel for channel in call.channels if channel is not Channel.AGENT), None)
        self._episodes = (
            None
            if heard is None
            else EpisodeDetector(call_id=call.call_id, channel=heard, config=config.episode, reference=models.calm)
        )
        self._baseline = models.scorer.start()
        self._previous_prosody: ProsodyFeatures | None = None
        self._speech_s = 0.0
        self._shed_s: dict[str, float] = {}
        self._lost_s = 0.0
        self._end_samples = 0
        self._ended = False

    @property
    def language(self) -> str | None:
        """Language to decode in, None while it is still being detected."""
        return self._language.locked

    @property
    def coverage(self) -> Coverage:
        """How much of the speech so far was heard in full."""
        late_s = self._lost_s + sum(track.late_samples for track in self._tracks.values()) / SAMPLE_RATE_HZ
        return Coverage(speech_s=self._speech_s, shed_s=self._shed_s | ({"late_audio": late_s} if late_s else {}))

    @property
    def duration_s(self) -> float:
        """Length of the longest track so far."""
        return self._end_samples / SAMPLE_RATE_HZ

    def take(self, chunk: AudioChunk) -> None:
        """Take in samples of one track; cheap, for `next_frames` to hear.

        Raises
        ------
        GatewayProtocolError
            If the call did not announce the channel.
        AudioInputError
            If the sample rate cannot be used, or changed.
        """
        track = self._tracks.get(chunk.channel)
        if track is None:
            raise GatewayProtocolError(
                f"Call {self.call.call_id} sent audio of channel '{chunk.channel}', which it did not announce; "
                f"announce it when the call starts."
            )
        track.hold(track.stream.push(chunk))
        self._end_samples = max(self._end_samples, track.clock)

    def take_end(self) -> None:
        """Take note that no audio comes any more."""
        for track in self._tracks.values():
            track.hold(track.stream.finish())
            self._end_samples = max(self._end_samples, track.clock)
        self._ended = True

    def next_frames(self) -> "TrackFrames | None":
        """Return the frames of all tracks, in step, that voice activity is to be run on; None while it is not worth it.

        They must come back by `hear_frames` before the next are asked for.
        """
        frame = self._models.detector.frame_samples
        tracks = list(self._tracks.values())
        if not tracks:
            return None
        clocks = [track.clock for track in tracks]
        if self._ended:
            ready, least = -(-self._end_samples // frame) * frame, 1
        else:
            ready = max(min(clocks), max(clocks) - round(self._config.max_skew_s * SAMPLE_RATE_HZ))
            least = MIN_FRAMES
        n_frames = (ready - tracks[0].heard_samples) // frame
        if n_frames < least:
            return None
        return TrackFrames(
            frames=[track.take(n_frames * frame).reshape(n_frames, frame) for track in tracks],
            states=[track.state for track in tracks],
        )

    def hear_frames(
        self, heard: "TrackFrames", probs: Sequence[FloatArray], states: Sequence[VoiceDetectorState]
    ) -> list[Utterance]:
        """Return the utterances that these frames completed, in order of decision.

        Parameters
        ----------
        heard : TrackFrames
            As `next_frames` gave them.
        probs, states
            What `VoiceDetector.speech_probs` answered to them.
        """
        utterances: list[Utterance] = []
        for track, frames, prob, state in zip(self._tracks.values(), heard.frames, probs, states, strict=True):
            track.state = state
            utterances.extend(track.segmenter.push(frames.reshape(-1), prob))
        return sorted(utterances, key=self._decision_order)

    def last_utterances(self) -> list[Utterance]:
        """Return the utterances that the end of the call cut, after `take_end` and the last frames."""
        last = [utterance for track in self._tracks.values() for utterance in track.segmenter.finish()]
        return sorted(last, key=self._decision_order)

    def hear(self, chunk: AudioChunk) -> list[Utterance]:
        """Take in samples of one track; return the utterances that they completed, in order of decision."""
        self.take(chunk)
        return self._hear_taken()

    def hear_end(self) -> list[Utterance]:
        """Flush all tracks at the end of the call; return the last utterances."""
        self.take_end()
        return self._hear_taken() + self.last_utterances()

    def _hear_taken(self) -> list[Utterance]:
        due = self.next_frames()
        return self.hear_frames(due, *self._models.detector.speech_probs(due.frames, due.states)) if due else []

    def lose(self, seconds: float) -> None:
        """Count audio that found no room, so that `coverage` tells."""
        self._lost_s += seconds

    def _decision_order(self, utterance: Utterance) -> tuple[float, int]:
        """Order in which the utterances of a call are understood: the same however its audio was chunked."""
        return utterance.decided_s, self.call.channels.index(utterance.channel)

    def wants_text(self, utterance: Utterance) -> bool:
        """Whether the configuration asks for a transcript of this utterance."""
        return utterance.channel is not Channel.AGENT or self._config.transcribe_agent

    def wants_recognition(self, utterance: Utterance) -> bool:
        """Whether anything of an encoder pass would be used: of the agent's voice nothing but the text is."""
        return utterance.channel is not Channel.AGENT or self.wants_text(utterance)

    def recognize(self, utterance: Utterance, *, transcribe: bool = True) -> Recognition | None:
        """Recognise an utterance as the call stands: in its language, with text if it is wanted.

        Utterances come in order of decision, each after the one before was understood, until `language` is known;
        from then on in any order, even at the same time.

        Parameters
        ----------
        utterance : Utterance
        transcribe : bool
            False sheds the text.
        """
        if not self.wants_recognition(utterance):
            return None
        return self._models.transcriber.recognize(
            utterance,
            language=self.language,
            choose_language=partial(self.likely_language, utterance),
            transcribe=transcribe and self.wants_text(utterance),
        )

    def likely_language(self, utterance: Utterance, language_probs: Mapping[str, float]) -> str | None:
        """Return the language that the call most probably is in, this utterance heard too."""
        return self._language.hear(language_probs, speech_s=utterance.speech_s).best

    def understand(self, utterance: Utterance, recognition: Recognition | None) -> list[CallEvent]:
        """Score one recognised utterance; return it and the episodes that it opened or closed.

        Parameters
        ----------
        utterance : Utterance
            Utterances of a call come in the order in which they were decided.
        recognition : Recognition or None
            None where the whole encoder pass was shed.
        """
        self._account(utterance, recognition)
        transcript = recognition.transcript if recognition else None
        if recognition and recognition.language_probs and not (transcript and transcript.rejected):
            self._language = self._language.hear(recognition.language_probs, speech_s=utterance.speech_s)
        score = None
        if utterance.channel is not Channel.AGENT and not _is_no_speech(transcript):
            score = self._score(utterance, recognition.embedding if recognition else None)
        scored = ScoredUtterance(
            call_id=utterance.call_id,
            channel=utterance.channel,
            index=utterance.index,
            start_s=utterance.start_s,
            end_s=utterance.end_s,
            decided_s=utterance.decided_s,
            speech_s=utterance.speech_s,
            transcript=redact(transcript) if transcript else None,
            score=score,
        )
        events: list[CallEvent] = [scored]
        if score is not None and self._episodes is not None:
            events.extend(self._covered(self._episodes.update(scored)))
        return events

    def _score(self, utterance: Utterance, embedding: FloatArray | None) -> StressScore:
        scorer, episodes = self._models.scorer, self._episodes
        measured = prosody.extract(utterance.samples, sample_rate_hz=SAMPLE_RATE_HZ, previous=self._previous_prosody)
        score = scorer.score(measured, embedding, speech_s=utterance.speech_s, baseline=self._baseline)
        self._baseline = scorer.update(
            self._baseline,
            measured,
            embedding,
            speech_s=utterance.speech_s,
            stress=score.stress,
            frozen=episodes is not None and episodes.growing,
        )
        self._previous_prosody = measured
        return score

    def _covered(self, episodes: Iterable[Episode]) -> Iterator[Episode]:
        """Note on each episode how much of the call was heard when it was decided."""
        for episode in episodes:
            yield replace(episode, coverage=self.coverage)

    def _account(self, utterance: Utterance, recognition: Recognition | None) -> None:
        """Count what was heard in full and what was shed."""
        self._speech_s += utterance.duration_s
        is_agent = utterance.channel is Channel.AGENT
        if self.wants_text(utterance) and (recognition is None or recognition.transcript is None):
            kind = "agent_transcript" if is_agent else "caller_transcript"
            self._shed_s[kind] = self._shed_s.get(kind, 0.0) + utterance.duration_s
        if not is_agent and (recognition is None or recognition.embedding is None):
            self._shed_s["embedding"] = self._shed_s.get("embedding", 0.0) + utterance.duration_s

    def finish(self, reason: str) -> list[CallEvent]:
        """Close what is open and sum the call up."""
        events: list[CallEvent] = []
        if self._episodes is not None:
            events.extend(self._covered(self._episodes.finish(self.duration_s)))
        events.append(
            CallSummary(
                call=self.call,
                duration_s=self.duration_s,
                language=self._language.best,
                coverage=self.coverage,
                reason=reason,
            )
        )
        return events


def _is_no_speech(transcript: Transcript | None) -> bool:
    """Whether the recogniser, agreeing with weak voice activity, found music, tones or noise instead of speech."""
    return transcript is not None and transcript.rejected == "no_speech"


def analyze_call(events: Iterable[MediaEvent], *, models: Models, config: AnalysisConfig) -> Iterator[CallEvent]:
    """Analyse one call, in order, in the calling thread.

    Parameters
    ----------
    events : iterable of MediaEvent
        One `CallStarted`, then chunks in any size and interleaving, then one `CallEnded`.
    models : Models
    config : AnalysisConfig

    Yields
    ------
    CallEvent
        `CallStarted`, then utterances and episodes as they are decided, then one `CallSummary`.

    Raises
    ------
    GatewayProtocolError
        If audio comes before the start or from a track that was not announced.
    """
    analysis: CallAnalysis | None = None

    def understood(utterances: list[Utterance], call: CallAnalysis) -> Iterator[CallEvent]:
        for utterance in utterances:
            yield from call.understand(utterance, call.recognize(utterance))

    for event in events:
        if isinstance(event, CallStarted):
            analysis = CallAnalysis(event.call, models=models, config=config)
            yield event
        elif analysis is None:
            raise GatewayProtocolError(f"Call {event.call_id} sent audio before it started; send the start first.")
        elif isinstance(event, AudioChunk):
            yield from understood(analysis.hear(event), analysis)
        elif isinstance(event, CallEnded):
            yield from understood(analysis.hear_end(), analysis)
            yield from analysis.finish(event.reason)

"""One call from its first sample to its summary: the same analysis for recordings and live calls.

`CallAnalysis` is the state of one call, made at its start and dropped at its end. It is fed media events and gives back
utterances; each utterance, once recognised, gives call events. `analyze_call` drives one call by itself; a pool that
serves many calls drives the same object.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from voicepipe.consent import ConsentDecision, decide, erasure_of
from voicepipe.pipeline.config import AnalysisConfig
from voicepipe.pipeline.findings import Findings
from voicepipe.pipeline.track import Track, TrackFrames
from voicepipe.ports import StressScorer, Transcriber, TranscriptionRequest, VoiceDetector, VoiceDetectorState
from voicepipe.speech.language import LanguageTracker
from voicepipe.speech.redact import Redactor
from voicepipe.speech.words import WordsReader
from voicepipe.stress import prosody
from voicepipe.stress.calm import CalmReference
from voicepipe.types import (
    SAMPLE_RATE_HZ,
    AudioChunk,
    AudioInputError,
    Call,
    CallEnded,
    CallEvent,
    CallStarted,
    CallSummary,
    Channel,
    ClosedBy,
    ConsentApplied,
    ConsentChanged,
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

MOST_SILENCE_S = 30.0
"""Silence that a live track gets at a time for audio that did not come: a few bytes may skip ten minutes (AudioHook's
positions, Twilio's timestamps), and all calls are heard by one thread. Ten minutes on hold take 20 ticks to pass."""

MOST_TOGETHER = 32
"""Utterances of a recording that are gathered to be recognised: enough that most find others that are alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """The loaded models that all calls of a process share; without `words`, words are written down and not read."""

    detector: VoiceDetector
    transcriber: Transcriber
    scorer: StressScorer
    calm: CalmReference
    words: WordsReader | None = None


class CallAnalysis:
    """State of one call.

    Parameters
    ----------
    call : Call
    models : Models
    config : AnalysisConfig
    """

    def __init__(self, call: Call, *, models: Models, config: AnalysisConfig) -> None:
        decision = decide(call, config=config.consent)
        self.call = replace(call, basis=decision.basis)
        self._decisions = [(0.0, decision)]
        self._models = models
        self._config = config
        self._tracks = {
            channel: Track(
                call_id=call.call_id, channel=channel, state=models.detector.start(), config=config.segmenter
            )
            for channel in call.channels
        }
        self._language = LanguageTracker.start(language=call.language, config=config.language)
        heard = next((channel for channel in call.channels if channel is not Channel.AGENT), None)
        self._findings = (
            None
            if heard is None
            else Findings(
                call_id=call.call_id,
                channel=heard,
                episode=config.episode,
                human_requests=config.human_requests,
                reference=models.calm,
            )
        )
        self._redactor = Redactor(config.redaction)
        self._baseline = models.scorer.start()
        self._previous_prosody: ProsodyFeatures | None = None
        self._speech_s = 0.0
        self._shed_s: dict[str, float] = {}
        self._lost_s = 0.0
        self._end_samples = 0
        self._ended = False

    @property
    def transcriber(self) -> Transcriber:
        """What its utterances are recognised by."""
        return self._models.transcriber

    @property
    def language(self) -> str | None:
        """Language to decode in, None while it is still being detected."""
        return self._language.locked

    @property
    def decision(self) -> ConsentDecision:
        """How much of the call may be analysed from now on."""
        return self._decisions[-1][1]

    def allowed(self, utterance: Utterance) -> ConsentDecision:
        """Return how much of an utterance may be analysed: what all decisions since it began allow.

        So a withdrawal reaches back to everything not yet understood, and a yes does not.
        """
        since = [at for at, (from_s, _) in enumerate(self._decisions) if from_s <= utterance.start_s]
        narrowest = self._decisions[max(since)][1]
        for _, decision in self._decisions[max(since) + 1 :]:
            narrowest = decision if decision.is_narrower_than(narrowest) else narrowest
        return narrowest

    def change_consent(self, consent: str) -> list[CallEvent]:
        """Take note that the caller agreed or took it back; return what follows from it.

        Without consent to the voice an open episode is closed without telling what was found, and the caller's baseline
        and all evidence are forgotten.
        """
        before, at_s = self.decision, self.duration_s
        changed = replace(self.call, consent=consent)
        decision = decide(changed, config=self._config.consent)
        self.call = replace(changed, basis=decision.basis)
        self._decisions.append((at_s, decision))
        erases = erasure_of(before, decision, call=self.call, config=self._config.consent)
        events: list[CallEvent] = [ConsentApplied(call=self.call, at_s=at_s, scope=decision.scope, erases=erases)]
        if decision.is_narrower_than(before):
            events.extend(self._forget_caller(at_s))
        return events

    def _forget_caller(self, at_s: float) -> Iterator[Episode]:
        """Forget what was found out about the caller; yield the open episode, closed and emptied."""
        self._baseline = self._models.scorer.start()
        self._previous_prosody = None
        if self._findings is not None:
            yield from self._told(self._findings.forget(at_s))

    @property
    def coverage(self) -> Coverage:
        """How much of the speech so far was heard in full."""
        late_s = self._lost_s + sum(track.late_samples for track in self._tracks.values()) / SAMPLE_RATE_HZ
        return Coverage(speech_s=self._speech_s, shed_s=self._shed_s | ({"late_audio": late_s} if late_s else {}))

    @property
    def duration_s(self) -> float:
        """Length of the longest track so far."""
        return self._end_samples / SAMPLE_RATE_HZ

    def approach(self, chunk: AudioChunk) -> bool:
        """Put in the silence before a chunk, as far as there is room; tell whether the chunk may be taken.

        There is room for `MOST_SILENCE_S` more than `max_skew_s` until `next_frames` is called. A chunk that may not be
        taken is to be offered again after that; so are those behind it on its track, which wait for it.

        Raises
        ------
        AudioInputError
            As `take` does.
        """
        track = self._tracks.get(chunk.channel)
        if track is None or track.waits:
            return track is None
        used_s = max(track.pending_samples, track.filled_samples) / SAMPLE_RATE_HZ
        room_s = max(0.0, MOST_SILENCE_S + self._config.max_skew_s - used_s)
        silence, is_filled = track.stream.fill_gap(chunk, most_s=room_s)
        track.filled_samples += silence.size
        track.waits = not is_filled
        self._hold(track, silence)
        return is_filled

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
        self._hold(track, track.stream.push(chunk))

    def _hold(self, track: Track, samples: FloatArray) -> None:
        track.hold(samples if self.decision.transcript else np.zeros_like(samples))
        self._end_samples = max(self._end_samples, track.clock)

    def take_end(self) -> None:
        """Take note that no audio comes any more."""
        for track in self._tracks.values():
            track.hold(track.stream.finish())
            self._end_samples = max(self._end_samples, track.clock)
        self._ended = True

    def next_frames(self) -> TrackFrames | None:
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
            ready = min([ready, *(track.clock for track in tracks if track.waits)])
            least = MIN_FRAMES
        for track in tracks:
            track.filled_samples, track.waits = 0, False
        n_frames = (ready - tracks[0].heard_samples) // frame
        if n_frames < least:
            return None
        return TrackFrames(
            frames=[track.take(n_frames * frame).reshape(n_frames, frame) for track in tracks],
            states=[track.state for track in tracks],
        )

    def hear_frames(
        self, heard: TrackFrames, probs: Sequence[FloatArray], states: Sequence[VoiceDetectorState]
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
        return self._in_order(utterances)

    def last_utterances(self) -> list[Utterance]:
        """Return the utterances that the end of the call cut, after `take_end` and the last frames."""
        return self._in_order([utterance for track in self._tracks.values() for utterance in track.segmenter.finish()])

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

    def _in_order(self, utterances: Iterable[Utterance]) -> list[Utterance]:
        """Return those that may be written down, in order of decision."""
        heard = [utterance for utterance in utterances if self.allowed(utterance).transcript]
        return sorted(heard, key=self._decision_order)

    def _decision_order(self, utterance: Utterance) -> tuple[float, int]:
        """Order in which the utterances of a call are understood: the same however its audio was chunked."""
        return utterance.decided_s, self.call.channels.index(utterance.channel)

    def wants_text(self, utterance: Utterance) -> bool:
        """Whether the configuration asks for a transcript of this utterance, and consent allows it."""
        wanted = utterance.channel is not Channel.AGENT or self._config.transcribe_agent
        return wanted and self.allowed(utterance).transcript

    def wants_voice(self, utterance: Utterance) -> bool:
        """Whether the voice is to be scored: never the agent's, the caller's where consent allows it."""
        return utterance.channel is not Channel.AGENT and self.allowed(utterance).voice

    def wants_words(self, utterance: Utterance) -> bool:
        """Whether the words are to be read: never the agent's, the caller's where consent allows it."""
        return utterance.channel is not Channel.AGENT and self.allowed(utterance).words

    def wants_recognition(self, utterance: Utterance) -> bool:
        """Whether anything of a recognition would be used: the text, or the embedding of a voice that is scored."""
        return self.wants_voice(utterance) or self.wants_text(utterance)

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
        transcribe, embed = transcribe and self.wants_text(utterance), self.wants_voice(utterance)
        if not (transcribe or embed):
            return None
        return self._models.transcriber.recognize(
            utterance,
            language=self.language,
            choose_language=partial(self.likely_language, utterance),
            transcribe=transcribe,
            embed=embed,
            word_times=self.call.word_times,
        )

    def can_join(self, utterance: Utterance) -> bool:
        """Whether an utterance may be transcribed together with others: its text is wanted, in a known language."""
        return self.language is not None and self.wants_text(utterance)

    def request(self, utterance: Utterance) -> TranscriptionRequest:
        """Return what is wanted of an utterance that `can_join` others."""
        return TranscriptionRequest(
            utterance=utterance,
            language=self.language or "",
            embed=self.wants_voice(utterance),
            word_times=self.call.word_times,
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
            None where text and embedding were shed.
        """
        if not self.allowed(utterance).transcript:
            return []
        self._account(utterance, recognition)
        transcript = recognition.transcript if recognition else None
        if recognition and recognition.language_probs and not (transcript and transcript.rejected):
            self._language = self._language.hear(recognition.language_probs, speech_s=utterance.speech_s)
        if transcript is not None:
            transcript = self._redactor.redact(transcript, channel=utterance.channel)
        score = None
        if self.wants_voice(utterance) and not _is_no_speech(transcript):
            score = self._score(utterance, recognition.embedding if recognition else None)
        request, frustration = None, None
        if transcript is not None and self.wants_words(utterance) and self._models.words is not None:
            request, frustration = self._models.words.read(transcript)
        scored = ScoredUtterance(
            call_id=utterance.call_id,
            channel=utterance.channel,
            index=utterance.index,
            start_s=utterance.start_s,
            end_s=utterance.end_s,
            decided_s=utterance.decided_s,
            speech_s=utterance.speech_s,
            transcript=transcript,
            score=score,
            human_request=request,
            frustration=frustration,
        )
        events: list[CallEvent] = [scored]
        if self._findings is not None and scored.channel is not Channel.AGENT:
            events.extend(self._told(self._findings.update(scored)))
        return events

    def _score(self, utterance: Utterance, embedding: FloatArray | None) -> StressScore:
        scorer, findings = self._models.scorer, self._findings
        measured = prosody.extract(utterance.samples, sample_rate_hz=SAMPLE_RATE_HZ, previous=self._previous_prosody)
        score = scorer.score(measured, embedding, speech_s=utterance.speech_s, baseline=self._baseline)
        self._baseline = scorer.update(
            self._baseline,
            measured,
            embedding,
            speech_s=utterance.speech_s,
            stress=score.stress,
            frozen=findings is not None and findings.growing,
        )
        self._previous_prosody = measured
        return score

    def _told(self, episodes: Iterable[Episode]) -> Iterator[Episode]:
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
        if self.wants_voice(utterance) and (recognition is None or recognition.embedding is None):
            self._shed_s["embedding"] = self._shed_s.get("embedding", 0.0) + utterance.duration_s

    def finish(self, reason: str) -> list[CallEvent]:
        """Close what is open and sum the call up."""
        events: list[CallEvent] = []
        if self._findings is not None:
            events.extend(self._told(self._findings.finish(self.duration_s, closed_by=ClosedBy.CALL_END)))
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


def recognize_together(spoken: Sequence[tuple[CallAnalysis, Utterance]]) -> list[Recognition | None]:
    """Recognise utterances of one or several calls with the same models: each as `CallAnalysis.recognize` would.

    Those that `CallAnalysis.can_join` are transcribed together, which is cheaper.
    """
    joined = [at for at, (call, utterance) in enumerate(spoken) if call.can_join(utterance)]
    recognitions: dict[int, Recognition | None] = {}
    if len(joined) > 1:
        transcriber = spoken[joined[0]][0].transcriber
        together = transcriber.transcribe_together([spoken[at][0].request(spoken[at][1]) for at in joined])
        recognitions.update(zip(joined, together, strict=True))
    for at, (call, utterance) in enumerate(spoken):
        if at not in recognitions:
            recognitions[at] = call.recognize(utterance)
    return [recognitions[at] for at in range(len(spoken))]


def analyze_call(
    events: Iterable[MediaEvent], *, models: Models, config: AnalysisConfig, together: int = 1
) -> Iterator[CallEvent]:
    """Analyse one call, in order, in the calling thread.

    Parameters
    ----------
    events : iterable of MediaEvent
        One `CallStarted`, then chunks in any size and interleaving, then one `CallEnded`.
    models : Models
    config : AnalysisConfig
    together : int
        Utterances that are gathered to be recognised at once, for recordings: cheaper, and the same events later.

    Yields
    ------
    CallEvent
        `CallStarted`, then utterances and episodes as they are decided, then one `CallSummary`.

    Raises
    ------
    GatewayProtocolError
        If audio comes before the start or from a track that was not announced.
    AudioInputError
        As the source raises it, once all that came before is told.
    """
    analysis: CallAnalysis | None = None
    waiting: deque[Utterance] = deque()

    def understood(call: CallAnalysis, *, keep: int) -> Iterator[CallEvent]:
        while len(waiting) > keep:
            count = together if call.language is not None else 1
            utterances = [waiting.popleft() for _ in range(min(count, len(waiting)))]
            for one, recognition in zip(
                utterances, recognize_together([(call, one) for one in utterances]), strict=True
            ):
                yield from call.understand(one, recognition)

    try:
        for event in events:
            if isinstance(event, CallStarted):
                analysis = CallAnalysis(event.call, models=models, config=config)
                yield CallStarted(call=analysis.call)
            elif analysis is None:
                raise GatewayProtocolError(f"Call {event.call_id} sent audio before it started; send the start first.")
            elif isinstance(event, AudioChunk):
                waiting.extend(analysis.hear(event))
                yield from understood(analysis, keep=together - 1)
            elif isinstance(event, ConsentChanged):
                yield from understood(analysis, keep=0)
                yield from analysis.change_consent(event.consent)
            elif isinstance(event, CallEnded):
                waiting.extend(analysis.hear_end())
                yield from understood(analysis, keep=0)
                yield from analysis.finish(event.reason)
    except AudioInputError:  # a recording that breaks off: what was said before it is told
        if analysis is not None:
            yield from understood(analysis, keep=0)
        raise

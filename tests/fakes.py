"""Named fakes of the ports, for every room's tests."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from voicepipe.ports import CallerBaseline, OutboundMessage, Transcriber, VoiceDetectorState
from voicepipe.stress.calm import CalmKind, CalmReference, CalmScores
from voicepipe.stress.slack import BUDGETS
from voicepipe.types import (
    AudioChunk,
    CallEvent,
    CallStarted,
    FloatArray,
    ProsodyFeatures,
    Recognition,
    SinkError,
    StressScore,
    Transcript,
    Utterance,
    Word,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeDelivery:
    """An outcome decided by a test."""

    delivered: bool = True
    refused: str | None = None


class FakeSink:
    """An `EventSink` that keeps what it takes; `away` and `judge` decide what it takes."""

    def __init__(self, name: str = "kafka") -> None:
        self.name = name
        self.taken: list[OutboundMessage] = []
        self.batches: list[int] = []
        self.away: str | None = None
        self.judge: Callable[[OutboundMessage], FakeDelivery] = lambda message: FakeDelivery()
        self.closed = False

    @property
    def ids(self) -> list[str]:
        """Ids of what was taken, in order."""
        return [message.event_id for message in self.taken]

    def publish(self, messages: Sequence[OutboundMessage]) -> Sequence[FakeDelivery]:
        """Take what the test lets it take."""
        if self.away is not None:
            raise SinkError(self.away)
        self.batches.append(len(messages))
        outcomes = [self.judge(message) for message in messages]
        self.taken += [message for message, outcome in zip(messages, outcomes, strict=True) if outcome.delivered]
        return outcomes

    def close(self) -> None:
        """Note the end."""
        self.closed = True


class FakeDetector:
    """A `VoiceDetector` that calls a frame speech when it is not silent."""

    frame_samples = 512

    def start(self) -> None:
        """Keep no state."""
        return

    def speech_probs(
        self, frames: Sequence[FloatArray], states: Sequence[VoiceDetectorState | None]
    ) -> tuple[list[FloatArray], list[VoiceDetectorState | None]]:
        """Compare each frame's peak with -40 dBFS."""
        return [(np.abs(block).max(axis=1) > 0.01).astype(np.float32) for block in frames], list(states)


def evenly_timed(text: str, utterance: Utterance) -> tuple[Word, ...]:
    """Return the words of a text as if each took as long as the others."""
    said = text.split()
    bounds_s = np.linspace(utterance.start_s, utterance.end_s, len(said) + 1).tolist()
    return tuple(
        Word(text=word, start_s=start_s, end_s=end_s, prob=0.9)
        for word, start_s, end_s in zip(said, bounds_s, bounds_s[1:], strict=False)
    )


class FakeTranscriber(Transcriber):
    """A `Transcriber` that writes down who spoke and for how long; it keeps what it was given.

    Asked for the times of the words, it takes them for equally long.
    """

    def __init__(self, *, language_probs: dict[str, float] | None = None, rejected: str | None = None) -> None:
        self.heard: list[tuple[Utterance, str | None, bool]] = []
        self.language_probs = language_probs or {"en": 0.99, "ru": 0.01}
        self.rejected = rejected

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
        """Return text that tells the utterance, and an embedding that tells its level."""
        self.heard.append((utterance, language, transcribe))
        spoken = language or (choose_language and choose_language(self.language_probs)) or "en"
        text = "" if self.rejected else f"{utterance.channel} {utterance.index} card 4000 1234 5678"
        words = evenly_timed(text, utterance) if word_times else ()
        transcript = Transcript(text=text, language=spoken, words=words, rejected=self.rejected)
        return Recognition(
            transcript=transcript if transcribe else None,
            embedding=np.full(8, float(np.abs(utterance.samples).max()), np.float32) if embed else None,
            language_probs=self.language_probs if transcribe and not language else None,
        )


class FakeScorer:
    """A `StressScorer` whose score is the loudest sample; its baseline counts what went into it."""

    model_id = "fake"

    def __init__(self) -> None:
        self.updates: list[tuple[float, bool]] = []

    def start(self) -> CallerBaseline:
        """Begin to count."""
        return 0

    def score(
        self, prosody: ProsodyFeatures, embedding: FloatArray | None, *, speech_s: float, baseline: CallerBaseline
    ) -> StressScore:
        """Return the level as stress; by prosody alone there is none."""
        return StressScore(
            stress=0.0 if embedding is None else min(1.0, float(embedding[0])),
            arousal=0.0,
            valence=0.0,
            emotions={"neutral": 1.0},
            confidence=1.0,
            model_id=self.model_id,
            baseline_ready=True,
            with_embedding=embedding is not None,
        )

    def update(
        self,
        baseline: CallerBaseline,
        prosody: ProsodyFeatures,
        embedding: FloatArray | None,
        *,
        speech_s: float,
        stress: float,
        frozen: bool,
    ) -> CallerBaseline:
        """Count."""
        self.updates.append((stress, frozen))
        return baseline


class FakeObserver:
    """A `CallObserver` that keeps what it was told."""

    def __init__(self) -> None:
        self.media_s = 0.0
        self.call_events: list[CallEvent] = []
        self.stages: dict[str, list[float]] = {}
        self.shed_s: dict[str, float] = {}
        self.failures: list[tuple[str, Exception]] = []
        self.connections: list[tuple[str, str]] = []
        self.faults: dict[str, int] = {}

    def on_media(self, event: CallStarted | AudioChunk) -> None:
        """Add up the audio."""
        if isinstance(event, AudioChunk):
            self.media_s += event.samples.size / event.sample_rate_hz

    def on_call_event(self, event: CallEvent) -> None:
        """Keep the event."""
        self.call_events.append(event)

    def on_stage(self, stage: str, duration_s: float) -> None:
        """Keep the time."""
        self.stages.setdefault(stage, []).append(duration_s)

    def on_shed(self, kind: str, duration_s: float) -> None:
        """Add up what was shed."""
        self.shed_s[kind] = self.shed_s.get(kind, 0.0) + duration_s

    def on_connection(
        self, protocol: str, outcome: str, *, client: str = "", call_id: str = "", reason: str = ""
    ) -> None:
        """Keep protocol and outcome."""
        self.connections.append((protocol, outcome))

    def on_faults(self, protocol: str, count: int) -> None:
        """Count."""
        self.faults[protocol] = self.faults.get(protocol, 0) + count

    def on_failure(self, where: str, error: Exception) -> None:
        """Keep the error."""
        self.failures.append((where, error))


def calm_reference() -> CalmReference:
    """Return a yardstick by which a score of 0.5 is common and one above 0.9 is rare."""
    scores = np.linspace(0.0, 0.9, 1000)
    calm = CalmScores(
        scores=scores,
        tail_prob=1.0 - np.arange(1000) / 1000.0,
        callers=50,
        between_sd=0.2,
        within_sd=1.0,
    )
    slack = np.zeros((2, len(BUDGETS)))
    return CalmReference(kinds=dict.fromkeys(CalmKind, calm), log_slack=slack, log_slack_words=slack)

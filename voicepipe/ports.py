"""What the pipeline needs from the world, as Protocols; the adapters live in their own rooms."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from voicepipe.types import (
    AudioChunk,
    CallEvent,
    CallStarted,
    FloatArray,
    MediaEvent,
    ProsodyFeatures,
    Recognition,
    StressScore,
    Utterance,
)


class CallSource(Protocol):
    """Where a call comes from: a recording or a live connection."""

    def events(self) -> Iterator[MediaEvent]:
        """Yield one `CallStarted`, the chunks of all its tracks, and one `CallEnded`.

        Raises
        ------
        AudioInputError
            If the recording cannot be decoded.
        """
        ...


class VoiceDetector(Protocol):
    """Tells speech from everything else, frame by frame."""

    frame_samples: int
    """Samples at 16 kHz per frame (512: 32 ms)."""

    def start(self) -> "VoiceDetectorState":
        """Return the state of a fresh track."""
        ...

    def speech_probs(
        self, frames: Sequence[FloatArray], states: Sequence["VoiceDetectorState"]
    ) -> tuple[Sequence[FloatArray], Sequence["VoiceDetectorState"]]:
        """Score frames of several tracks in one batch.

        Parameters
        ----------
        frames : sequence of ndarray, each of shape (n_i, frame_samples), float32
            Consecutive frames of track i.
        states : sequence of VoiceDetectorState
            State of each track before its first frame. Not modified.

        Returns
        -------
        probs : sequence of ndarray, each of shape (n_i,), float32
            Speech probability per frame, 0..1. The same whatever the batching.
        states : sequence of VoiceDetectorState
            State of each track after its last frame.
        """
        ...


class VoiceDetectorState(Protocol):
    """Opaque recurrent state of one track."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionRequest:
    """What is wanted of one utterance whose language is known.

    Attributes
    ----------
    utterance : Utterance
    language : str
        ISO 639-1 code.
    embed : bool
        Whether its embedding is wanted, too.
    word_times : bool
        Whether the times of its words are wanted, too.
    """

    utterance: Utterance
    language: str
    embed: bool = True
    word_times: bool = False


class Transcriber(Protocol):
    """Turns an utterance into text and an embedding of the voice."""

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
        """Recognise one utterance.

        Parameters
        ----------
        utterance : Utterance
        language : str or None
            ISO 639-1 code, or None to let the model detect it (`Recognition.language_probs` is then filled).
        choose_language : callable, optional
            Takes the detected probabilities and returns the language to decode in, so that what was heard before
            in the call counts too; without it, or when it returns None, the most probable one.
        transcribe : bool
            False leaves out text and language.
        embed : bool
            False leaves out the embedding.
        word_times : bool
            True fills `Transcript.words`, where the model can tell; the text is the same.
        """
        ...

    def alike(self, utterance: Utterance) -> Hashable:
        """Return what utterances that gain from being transcribed together have in common; by default all are alike."""
        del utterance
        return None

    def transcribe_together(self, requests: Sequence[TranscriptionRequest]) -> list[Recognition]:
        """Transcribe several utterances: each as `recognize` would, but cheaper if they are `alike`.

        By default one after the other, which gains nothing.
        """
        return [
            self.recognize(one.utterance, language=one.language, embed=one.embed, word_times=one.word_times)
            for one in requests
        ]


class StressScorer(Protocol):
    """Scores the voice of the caller against the caller's own baseline."""

    model_id: str

    def start(self) -> "CallerBaseline":
        """Return the baseline of a caller not yet heard: the population's norm."""
        ...

    def score(
        self, prosody: ProsodyFeatures, embedding: FloatArray | None, *, speech_s: float, baseline: "CallerBaseline"
    ) -> StressScore:
        """Score one utterance against the baseline as it stood before it.

        Parameters
        ----------
        prosody : ProsodyFeatures
        embedding : ndarray, shape (2 * n_layers * d_model,), float32, or None
            None where it was shed: prosody alone is scored.
        speech_s : float
            Seconds of speech in the utterance.
        baseline : CallerBaseline
        """
        ...

    def update(
        self,
        baseline: "CallerBaseline",
        prosody: ProsodyFeatures,
        embedding: FloatArray | None,
        *,
        speech_s: float,
        stress: float,
        frozen: bool,
    ) -> "CallerBaseline":
        """Return the baseline after one more utterance.

        Parameters
        ----------
        baseline : CallerBaseline
            Not modified.
        prosody, embedding, speech_s
            As for `score`.
        stress : float
            The utterance's score, 0..1.
        frozen : bool
            True while evidence of stress grows: stressed speech must not become the new normal.
        """
        ...


class CallerBaseline(Protocol):
    """Opaque norm of one caller's voice."""


class CallObserver(Protocol):
    """Is told of everything that happens; telemetry and the console are observers.

    Told from several threads; each method returns at once and never raises.
    """

    def on_media(self, event: CallStarted | AudioChunk) -> None:
        """Take note of a media event that came in."""
        ...

    def on_call_event(self, event: CallEvent) -> None:
        """Take note of a call event that came out."""
        ...

    def on_stage(self, stage: str, duration_s: float) -> None:
        """Take note of how long a stage took: see `voicepipe.pipeline.pool` for their names."""
        ...

    def on_shed(self, kind: str, duration_s: float) -> None:
        """Take note of work left out under overload: kinds as in `Coverage.shed_s`, seconds of audio."""
        ...

    def on_connection(
        self, protocol: str, outcome: str, *, client: str = "", call_id: str = "", reason: str = ""
    ) -> None:
        """Take note that a connection was accepted, refused or cut off.

        Parameters
        ----------
        protocol : str
        outcome : str
            One word out of a small set: ``accepted``, ``unauthorized``, ``protocol_error``, ``idle``, ...
        client : str
            Name of the ingest client, where known.
        call_id : str
        reason : str
            A sentence for the operator.
        """
        ...

    def on_faults(self, protocol: str, count: int) -> None:
        """Take note of damaged messages that were skipped."""
        ...

    def on_failure(self, where: str, error: Exception) -> None:
        """Take note of an error that was survived: one call or one event suffered, the others did not."""
        ...


class EventSink(Protocol):
    """Delivers serialised events to the outside."""

    name: str

    def publish(self, messages: Sequence["OutboundMessage"]) -> Sequence["Delivery"]:
        """Deliver messages in order and wait for the acknowledgements.

        Returns one `Delivery` per message, in the same order. Raises `SinkError` where nothing can be said of
        any of them (the broker is away): all then stay in the outbox.
        """
        ...

    def close(self) -> None:
        """Release the connection."""
        ...


class OutboundMessage(Protocol):
    """One serialised event: topic, key, headers and body."""

    @property
    def event_id(self) -> str:
        """Deterministic id; receivers drop duplicates by it."""
        ...

    @property
    def topic(self) -> str:
        """Topic with its version, `voicepipe.reroute.v1`."""
        ...

    @property
    def key(self) -> str:
        """Key of partitioning: the call's id."""
        ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Headers in the order they are sent."""
        ...

    @property
    def body(self) -> bytes:
        """Body as it is sent; empty for a tombstone: what was sent under the key before is to be forgotten."""
        ...


class Delivery(Protocol):
    """What became of one message."""

    @property
    def delivered(self) -> bool:
        """True after the receiver's acknowledgement."""
        ...

    @property
    def refused(self) -> str | None:
        """Why the receiver will never take it (too large, schema, authorisation); None otherwise."""
        ...

"""The vocabulary of the house: what a call is made of, and what can go wrong with it.

Time inside a call is a sample clock that starts at 0 with the call; offsets derived from it end in ``_s`` (seconds).
Wall time is ``Call.started_at`` plus an offset and ends in ``_at`` (timezone-aware UTC).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]

SAMPLE_RATE_HZ = 16_000
"""Sample rate of everything past `voicepipe.audio.stream`: what Silero VAD and Whisper were trained on."""


class VoicepipeError(Exception):
    """Base of every error raised on purpose; its text says in one sentence what was wrong, where, and what to do."""


class AudioInputError(VoicepipeError):
    """A recording or stream that cannot be decoded."""


class GatewayProtocolError(VoicepipeError):
    """A message that breaks the protocol it claims to speak."""


class ModelError(VoicepipeError):
    """Weights that are missing, damaged or of another version."""


class ConfigError(VoicepipeError):
    """A setting that is unknown, unreadable or out of range."""


class StoreError(VoicepipeError):
    """The store cannot be opened, read or written."""


class SinkError(VoicepipeError):
    """An event could not be delivered now; it stays in the outbox."""


class Channel(StrEnum):
    """Whose voice a track carries.

    Acoustic stress is computed for the caller, and for `MIXED`, where the recording has one track and the roles are
    unknown. It is never computed for the agent.
    """

    CALLER = "caller"
    AGENT = "agent"
    MIXED = "mixed"


class Roles(StrEnum):
    """How sure we are which track is whose."""

    GIVEN = "given"
    """The operator or the protocol said so."""
    ASSUMED = "assumed"
    """Nobody said: the left (first) of two tracks, or the track that comes from the line, is taken for the caller."""
    UNKNOWN = "unknown"
    """One mixed track."""


class CutBy(StrEnum):
    """Why an utterance ended where it did."""

    SILENCE = "silence"
    LENGTH = "length"
    END = "end"


class EpisodeState(StrEnum):
    """A stretch of persistent stress begins or ends."""

    OPENED = "opened"
    CLOSED = "closed"


class Reason(StrEnum):
    """Why a reroute is asked for."""

    STRESS_PERSISTED = "stress_persisted"
    HUMAN_REQUESTED = "human_requested"


class Basis(StrEnum):
    """On what footing a caller is listened to; `voicepipe.consent` finds it out."""

    EXPLICIT = "explicit"
    """The caller said or keyed yes: GDPR Art. 6(1)(a), 9(2)(a)."""
    NOTICE = "notice"
    """An announcement said what is done, and the caller went on."""
    CONTRACT = "contract"
    """The contract with the caller needs it: GDPR Art. 6(1)(b)."""
    LEGITIMATE_INTEREST = "legitimate_interest"
    """The operator weighed the interests: GDPR Art. 6(1)(f)."""
    OPERATOR_SETTING = "operator_setting"
    """Nobody said anything about this call; the operator's setting decides, on the operator's responsibility."""
    NONE = "none"
    """The caller did not agree."""
    WITHDRAWN = "withdrawn"
    """The caller agreed, and took it back."""
    UNRECOGNISED = "unrecognised"
    """Something was recorded that the settings give no meaning to."""


class Scope(StrEnum):
    """How much of a call may be analysed; each includes the next."""

    ALL = "all"
    """The voice too: stress and emotion out of the sound."""
    WORDS = "words"
    """What was said, and what the words ask for and tell: a person wanted, frustration."""
    TRANSCRIPT_ONLY = "transcript_only"
    """What was said, by whom and when."""
    NOTHING = "nothing"
    """That there was a call, and how long."""


class Erasure(StrEnum):
    """What is deleted when a caller withdraws."""

    NOTHING = "nothing"
    ACOUSTICS = "acoustics"
    """Everything that was found out from the voice."""
    EVERYTHING = "everything"
    """Every trace of the call but the record of the withdrawal."""


class ClosedBy(StrEnum):
    """Why an episode was closed."""

    CALM = "calm"
    CALL_END = "call_end"
    CONSENT = "consent"
    """There is no consent any more; what was found out is not told again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is known about a call before its first sample.

    Attributes
    ----------
    call_id : str
        Identity of the call; the key of all its events.
    started_at : datetime
        Timezone-aware UTC time of sample 0.
    gateway : str
        Where it came from: ``file``, ``twilio``, ``audiohook``, ...
    channels : tuple of Channel
        One entry per track, in the order of the tracks.
    roles : Roles
        How sure the mapping of tracks to roles is.
    agent_id, queue, language, consent : str, optional
        From the protocol's own fields or the operator; None where nobody said. `language` is an ISO 639-1 code that
        switches language detection off.
    caller_id : str, optional
        Keyed hash of the caller's number (`voicepipe.consent.caller_id_of`), never the number itself.
    basis : Basis, optional
        What `consent` and the settings amount to; the analysis fills it in.
    word_times : bool
        Whether somebody waits to hear when each word was said (`Transcript.words`), which takes work of its own.
    """

    call_id: str
    started_at: datetime
    gateway: str
    channels: tuple[Channel, ...]
    roles: Roles
    agent_id: str | None = None
    queue: str | None = None
    language: str | None = None
    consent: str | None = None
    caller_id: str | None = None
    basis: Basis | None = None
    word_times: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStarted:
    """A call begins."""

    call: Call


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioChunk:
    """Consecutive samples of one track.

    Attributes
    ----------
    call_id : str
    channel : Channel
    first_sample : int
        Position of ``samples[0]`` on the track's own clock, counted at `sample_rate_hz` from the start of the call.
        A jump forward is a gap (lost or discarded audio); what lies before the clock's position is dropped.
    sample_rate_hz : int
    samples : ndarray, shape (n,), float32
        Full scale is [-1, 1]; any n, 0 included.
    """

    call_id: str
    channel: Channel
    first_sample: int
    sample_rate_hz: int
    samples: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded:
    """A call ends; `reason` is the protocol's own word, ``end`` for a recording."""

    call_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentChanged:
    """The caller agrees, or takes it back, while the call goes on; `consent` is a record as in `Call.consent`."""

    call_id: str
    consent: str


MediaEvent = CallStarted | AudioChunk | ConsentChanged | CallEnded


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """A stretch of speech of one track, cut at silence or at the longest allowed length.

    Attributes
    ----------
    call_id : str
    channel : Channel
    index : int
        0, 1, 2, ... within its channel.
    start_s, end_s : float
        Offsets in the call.
    samples : ndarray, shape (n,), float32
        At `SAMPLE_RATE_HZ`, from `start_s` to `end_s`.
    cut_by : CutBy
    speech_prob : float
        Mean voice-activity probability over the utterance, 0..1.
    speech_s : float
        Seconds within it that the detector called speech.
    decided_s : float
        Offset in the call at which the cut was known; `end_s` or later.
    """

    call_id: str
    channel: Channel
    index: int
    start_s: float
    end_s: float
    samples: FloatArray
    cut_by: CutBy
    speech_prob: float
    speech_s: float
    decided_s: float

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word with its offsets in the call, in seconds, and the decoder's probability, 0..1."""

    text: str
    start_s: float
    end_s: float
    prob: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """A stretch of a text in whose place a mark stands.

    Attributes
    ----------
    kind : str
        What kind of private data it was: ``card``, ``iban``, ``phone``, ``email``, ``id``, ``date_of_birth``, ...
    start, end : int
        Characters of the text as it was *before* redaction, half open.
    start_s, end_s : float, optional
        Offsets in the call of the audio that said it; None where the words carry no times.
    """

    kind: str
    start: int
    end: int
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What was said in one utterance.

    Attributes
    ----------
    text : str
        Empty where a guard found that nothing was said; `rejected` then names the guard.
    language : str
        ISO 639-1 code.
    words : tuple of Word
        The whole text, word by word, punctuation with the word before it; empty unless word times were asked for.
    avg_logprob : float
        Mean log-probability per token, in nats.
    no_speech_prob : float
        Whisper's probability that the audio holds no speech, 0..1.
    redacted : bool
        True where private data was replaced by marks.
    redactions : tuple of Redaction
        What was replaced, in the order of the text.
    rejected : str, optional
        The hallucination guard that emptied the text: ``no_speech``, ``compression``, ``repetition``, ``too_fast``,
        ``low_logprob``.
    """

    text: str
    language: str
    words: tuple[Word, ...] = ()
    avg_logprob: float = 0.0
    no_speech_prob: float = 0.0
    redacted: bool = False
    redactions: tuple[Redaction, ...] = ()
    rejected: str | None = None


EMBEDDING_VERSION = "5"
"""Version of `Recognition.embedding`, which a stress model is trained on: how it is made is part of the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognition:
    """What was recognised of an utterance.

    Attributes
    ----------
    transcript : Transcript or None
        None where transcription was shed or not asked for.
    embedding : ndarray, shape (2 * n_layers * d_model,), float32, or None
        Of the voice: mean and standard deviation over the utterance's frames, after each of three middle layers of the
        encoder (3072 for ``base``). None where it was shed or not asked for.
    language_probs : mapping of str to float, optional
        ISO 639-1 code to probability; filled when it was transcribed and no language was given.
    """

    transcript: Transcript | None
    embedding: FloatArray | None
    language_probs: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProsodyFeatures:
    """Measured voice of one utterance.

    Attributes
    ----------
    values : ndarray, shape (n_features,), float64
        In the order of `voicepipe.stress.prosody.FEATURES`; NaN where it could not be measured.
    version : str
        Version of the feature set; a model states the one it was trained on.
    """

    values: DoubleArray
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureDeviation:
    """One measured feature and how far it lies from normal: the caller's own, or that of callers in general before.

    Attributes
    ----------
    name : str
        As in `voicepipe.stress.prosody.FEATURES`.
    value : float
        Measured, in `unit`.
    unit : str
    deviation : float
        `value` minus the baseline, in `unit`; positive is above. The baseline is the caller's own once
        enough speech was heard, and that of callers in general until then: `text` says which.
    text : str
        The same in plain words: "pitch 4.1 semitones above this caller's normal", or "... above what is usual among
        callers".
    """

    name: str
    value: float
    unit: str
    deviation: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StressScore:
    """How the caller sounded in one utterance.

    Attributes
    ----------
    stress : float
        Calibrated probability of stress that needs a senior agent (anger, fear, frustration, distress), 0..1.
    arousal, valence : float
        -1 (calm; negative) to 1 (excited; positive).
    emotions : mapping of str to float
        Probabilities that sum to 1.
    confidence : float
        0..1; grows with the length of the utterance and of the baseline, falls without the embedding.
    model_id : str
    baseline_ready : bool
        False while the caller's own baseline still rests mostly on the population's norm.
    top_features : tuple of FeatureDeviation
        What moved the score most, strongest first.
    with_embedding : bool
        False where prosody alone was scored.
    """

    stress: float
    arousal: float
    valence: float
    emotions: Mapping[str, float]
    confidence: float
    model_id: str
    baseline_ready: bool
    top_features: tuple[FeatureDeviation, ...] = ()
    with_embedding: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanRequest:
    """The caller asked for a person, a supervisor or a way to complain.

    Attributes
    ----------
    kind : str
        ``human``, ``supervisor`` or ``complaint``.
    rule : str
        Name of the rule that found it.
    quote : str
        The words that say it, out of the redacted text.
    """

    kind: str
    rule: str
    quote: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Frustration:
    """How frustrated the caller's words are, whatever the voice.

    Attributes
    ----------
    prob : float
        Calibrated probability, 0..1.
    words : tuple of str
        The words that count, out of the redacted text, strongest first; empty where none do.
    model_id : str
    """

    prob: float
    words: tuple[str, ...]
    model_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredUtterance:
    """An utterance after analysis: where it lies, what was said, how it sounded.

    Carries no samples. `score`, `human_request` and `frustration` are None for the agent, always.
    """

    call_id: str
    channel: Channel
    index: int
    start_s: float
    end_s: float
    decided_s: float
    speech_s: float
    transcript: Transcript | None
    score: StressScore | None
    human_request: HumanRequest | None = None
    frustration: Frustration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeEvidence:
    """Why an episode was opened, or what stood when it was closed.

    Attributes
    ----------
    log_e : float
        Natural logarithm of the accumulated e-value, of all streams that counted.
    log_e_voice, log_e_words : float, optional
        The same of one stream alone; None where that stream did not count.
    log_e_threshold : float
        The level at which the budget allows an alarm.
    false_alarms_per_100_call_hours : float
        The operator's budget that set the level.
    stressed_speech_s : float
        Seconds of speech that carried evidence.
    utterances : tuple of int
        Indices (within the channel) of the utterances that carried it, oldest first.
    """

    log_e: float
    log_e_threshold: float
    false_alarms_per_100_call_hours: float
    stressed_speech_s: float
    utterances: tuple[int, ...]
    log_e_voice: float | None = None
    log_e_words: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """A stretch of persistent stress, at the moment it opened or closed.

    Attributes
    ----------
    call_id : str
    channel : Channel
    index : int
        0, 1, 2, ... within the call.
    state : EpisodeState
    opened_s : float
        Start of the first utterance that carried the evidence.
    closed_s : float, optional
        End of the last utterance that carried evidence; None while open.
    at_s : float
        Offset in the call at which this was decided.
    peak, mean : float, optional
        Of the stress scores within the episode, 0..1; the mean is weighted by speech seconds. None where the voice
        was not scored.
    reasons : tuple of Reason
    evidence : EpisodeEvidence
    coverage : Coverage, optional
        Of the call at that moment; the detector leaves it out, the pipeline fills it in.
    closed_by : ClosedBy, optional
        Why it was closed; None while open. With ``consent``, peak, mean and evidence are empty: they are erased.
    """

    call_id: str
    channel: Channel
    index: int
    state: EpisodeState
    opened_s: float
    closed_s: float | None
    at_s: float
    peak: float | None
    mean: float | None
    reasons: tuple[Reason, ...]
    evidence: EpisodeEvidence
    coverage: "Coverage | None" = None
    closed_by: ClosedBy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How much of a call's speech was really heard.

    Attributes
    ----------
    speech_s : float
        Seconds of utterances, all channels.
    shed_s : mapping of str to float
        Seconds of utterances per kind of work that was shed under overload: ``agent_transcript``,
        ``caller_transcript``, ``embedding``; ``late_audio`` is audio that came too late for its turn. Empty when
        nothing was lost.
    """

    speech_s: float
    shed_s: Mapping[str, float] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Share of the speech whose analysis was complete, 0..1; 1 for a call without speech."""
        late_s = self.shed_s.get("late_audio", 0.0)
        total_s = self.speech_s + late_s
        if total_s <= 0:
            return 1.0
        lost_s = self.shed_s.get("agent_transcript", 0.0) + max(
            self.shed_s.get("caller_transcript", 0.0), self.shed_s.get("embedding", 0.0)
        )
        return min(1.0, max(0.0, 1.0 - (lost_s + late_s) / total_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSummary:
    """A call after its last sample.

    Attributes
    ----------
    call : Call
    duration_s : float
        Length of the longest track.
    language : str, optional
        Detected or given; None where nothing was said.
    coverage : Coverage
    reason : str
        Why the call ended.
    """

    call: Call
    duration_s: float
    language: str | None
    coverage: Coverage
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentApplied:
    """A change of consent took effect.

    Attributes
    ----------
    call : Call
        With the new `consent` and `basis`.
    at_s : float
        Offset in the call from which it holds.
    scope : Scope
        What may be analysed from now on.
    erases : Erasure
        What is to be deleted of what was found out before.
    """

    call: Call
    at_s: float
    scope: Scope
    erases: Erasure

    @property
    def call_id(self) -> str:
        """Id of the call."""
        return self.call.call_id


CallEvent = CallStarted | ScoredUtterance | Episode | ConsentApplied | CallSummary

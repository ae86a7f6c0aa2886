"""What an operator can set about the analysis of a call."""

from dataclasses import dataclass, field

from voicepipe.consent import ConsentConfig
from voicepipe.pipeline.requests import OnRequest
from voicepipe.speech.language import LanguageConfig
from voicepipe.speech.redact import RedactionConfig
from voicepipe.speech.segment import SegmenterConfig
from voicepipe.stress.episode import EpisodeConfig


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
    consent : ConsentConfig
        How much of a call may be analysed on what basis.
    redaction : RedactionConfig
        What private data is masked in what was said, before anything else sees it.
    human_requests : OnRequest
        What a caller's request for a person does: `off`, `evidence` or `immediate`.
    """

    segmenter: SegmenterConfig = field(default_factory=SegmenterConfig)
    episode: EpisodeConfig = field(default_factory=EpisodeConfig)
    transcribe_agent: bool = True
    language: LanguageConfig = field(default_factory=LanguageConfig)
    max_skew_s: float = 5.0
    consent: ConsentConfig = field(default_factory=ConsentConfig)
    redaction: RedactionConfig = field(default_factory=RedactionConfig)
    human_requests: OnRequest = OnRequest.IMMEDIATE

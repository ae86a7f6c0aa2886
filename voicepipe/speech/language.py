"""The language of a call: decided once from what is heard, then kept."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from voicepipe.types import ConfigError

_CODES = (
    "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu "
    "hy id is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt "
    "ro ru sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo zh"
)
WHISPER_LANGUAGES = frozenset(_CODES.split())
"""Codes that Whisper can be told to expect (https://github.com/openai/whisper, ``tokenizer.py``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageConfig:
    """When the language of a call counts as known.

    Attributes
    ----------
    candidates : tuple of str
        ISO 639-1 codes that callers of this centre use; empty allows every language.
    lock_posterior : float
        Posterior probability above which the language is kept for the rest of the call ...
    lock_speech_s : float
        ... once this many seconds of speech were heard: a greeting alone decides nothing.
    short_utterance_s : float
        Utterances below this count `short_weight` of what their length would give: on an "ok" Whisper guesses.
    short_weight : float
    evidence_s : float
        Seconds of speech that count as one independent observation. Probabilities of neighbouring utterances err
        together (accent, line, music), so their logarithms are not simply added up.
    floor_prob : float
        Least probability taken from one utterance: none can rule a language out by itself.
    """

    candidates: tuple[str, ...] = ()
    lock_posterior: float = 0.9
    lock_speech_s: float = 3.0
    short_utterance_s: float = 0.8
    short_weight: float = 0.2
    evidence_s: float = 2.0
    floor_prob: float = 1e-3

    def __post_init__(self) -> None:
        if unknown := [code for code in self.candidates if code not in WHISPER_LANGUAGES]:
            raise ConfigError(
                f"analysis.language.candidates has {unknown[0]!r}, which is no language that Whisper knows; give ISO "
                "639-1 codes such as en, ru or zh"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageTracker:
    """Belief about the language of one call; both channels feed it, in the order of time.

    Immutable: `hear` returns the tracker after one more utterance. With a uniform prior, the posterior of language l is

        p(l) ~ exp( sum over utterances of w * log(max(prob(l), floor_prob)) ),   w = speech_s / evidence_s,

    a logarithmic pool of the model's per-utterance probabilities [1]_. Once a language is locked nothing changes it.

    Attributes
    ----------
    config : LanguageConfig
    locked : str or None
        The call's language, when known; give it to the transcriber. None lets the transcriber detect.
    speech_s : float
        Seconds of speech heard before the lock.
    weight : float
        Sum of the weights w so far.
    log_pool : mapping of str to float
        Pooled log-probability of each language (nats, unnormalised).

    References
    ----------
    .. [1] Genest and Zidek, "Combining probability distributions", Statistical Science 1 (1986).
    """

    config: LanguageConfig = field(default_factory=LanguageConfig)
    locked: str | None = None
    speech_s: float = 0.0
    weight: float = 0.0
    log_pool: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def start(cls, *, language: str | None = None, config: LanguageConfig | None = None) -> "LanguageTracker":
        """Return the tracker of a fresh call; a given language is locked from the start, if Whisper knows it."""
        return cls(config=config or LanguageConfig(), locked=language if language in WHISPER_LANGUAGES else None)

    @property
    def best(self) -> str | None:
        """The locked language, else the most probable one so far, else None."""
        if self.locked is not None:
            return self.locked
        return max(sorted(self.log_pool), key=self.log_pool.__getitem__, default=None)

    @property
    def posterior(self) -> Mapping[str, float]:
        """Probability of each language heard of, summing to 1; a locked one has all of it."""
        if self.locked is not None:
            return {self.locked: 1.0}
        top = max(self.log_pool.values(), default=0.0)
        weights = {code: math.exp(value - top) for code, value in self.log_pool.items()}
        total = math.fsum(weights.values())
        return {code: weight / total for code, weight in weights.items()}

    def hear(self, language_probs: Mapping[str, float], *, speech_s: float) -> "LanguageTracker":
        """Return the tracker after one more utterance.

        Parameters
        ----------
        language_probs : mapping of str to float
            Whisper's probabilities over languages, of an utterance whose text no guard rejected
            (`Recognition.language_probs`). Languages it leaves out count as `LanguageConfig.floor_prob`.
        speech_s : float
            Seconds of speech in the utterance.
        """
        config = self.config
        if self.locked is not None or speech_s <= 0.0:
            return self
        codes = config.candidates or tuple(sorted({*self.log_pool, *language_probs}))
        heard = {code: language_probs.get(code, 0.0) for code in codes}
        total = math.fsum(heard.values())
        if not total > 0.0:
            return self
        weight = speech_s / config.evidence_s * (config.short_weight if speech_s < config.short_utterance_s else 1.0)
        unheard = self.weight * math.log(config.floor_prob)
        pool = {
            code: self.log_pool.get(code, unheard) + weight * math.log(max(prob / total, config.floor_prob))
            for code, prob in heard.items()
        }
        after = replace(self, speech_s=self.speech_s + speech_s, weight=self.weight + weight, log_pool=pool)
        best = after.best
        if (
            best is not None
            and after.speech_s >= config.lock_speech_s
            and after.posterior[best] > config.lock_posterior
        ):
            return replace(after, locked=best)
        return after

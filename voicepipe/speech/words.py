"""What the caller's words ask for and tell: a request for a person, and frustration.

For the caller only: the words of employees are never judged for emotion.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from voicepipe.speech.frustration import FrustrationModel
from voicepipe.speech.intent import IntentConfig, IntentDetector
from voicepipe.types import Frustration, HumanRequest, Transcript


@dataclass(frozen=True, slots=True, kw_only=True)
class WordsConfig:
    """What a centre can add to how words are read.

    Attributes
    ----------
    intent : IntentConfig
        Its own rules for requests for a person.
    frustration_phrases : mapping of str to tuple of Path
        Its own files of frustrated phrases, by ISO 639-1 code.
    """

    intent: IntentConfig = field(default_factory=IntentConfig)
    frustration_phrases: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WordsReader:
    """Reads the redacted words of a caller.

    Attributes
    ----------
    intent : IntentDetector
    frustration : FrustrationModel
    """

    intent: IntentDetector
    frustration: FrustrationModel

    @classmethod
    def load(cls, frustration_dir: Path, *, config: WordsConfig | None = None) -> Self:
        """Load the rules and the model.

        Parameters
        ----------
        frustration_dir : Path
            Folder of the model of frustration.
        config : WordsConfig, optional
            A centre's own rules and phrases.

        Raises
        ------
        ConfigError
            If a centre's own rules cannot be used.
        ModelError
            If the model of frustration is damaged.
        """
        config = config or WordsConfig()
        phrases = {language: tuple(paths) for language, paths in config.frustration_phrases.items()}
        return cls(
            intent=IntentDetector.load(config.intent),
            frustration=FrustrationModel.load(frustration_dir, phrases=phrases),
        )

    def read(self, transcript: Transcript) -> tuple[HumanRequest | None, Frustration | None]:
        """Return what is asked for and how frustrated the words are; None and None where nothing was said.

        Parameters
        ----------
        transcript : Transcript
            Of one utterance of the caller, redacted.
        """
        if not transcript.text:
            return None, None
        return (
            self.intent.detect(transcript.text, language=transcript.language),
            self.frustration.score(transcript.text, language=transcript.language),
        )

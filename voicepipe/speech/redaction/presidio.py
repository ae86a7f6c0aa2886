"""Microsoft Presidio as a second look for private data: ``pip install voicepipe[presidio]``.

Without a spaCy pipeline only Presidio's patterns are used (cards, IBANs, US and UK numbers, IP and crypto addresses);
they are written for English but do not depend on the language. Names and places need a pipeline per language, which has
to be installed beforehand: spaCy's own pipelines are no PyPI packages but wheels of their releases, and nothing is
downloaded from here. Presidio's recognisers of e-mail and web addresses are left out: they fetch a list of top-level
domains over the network, and the rules know e-mail already.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

from presidio_analyzer import EntityRecognizer, RecognizerRegistry
from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngineProvider

from voicepipe.speech.redaction.kinds import Kind, Span
from voicepipe.types import ModelError

MIN_SCORE = 0.4
"""Presidio's confidence from which on a finding counts; its patterns without check digits or context lie below."""

KIND_OF_ENTITY = {
    "CREDIT_CARD": Kind.CARD,
    "IBAN_CODE": Kind.IBAN,
    "US_BANK_NUMBER": Kind.ACCOUNT,
    "CRYPTO": Kind.ACCOUNT,
    "PHONE_NUMBER": Kind.PHONE,
    "US_SSN": Kind.ID,
    "US_ITIN": Kind.ID,
    "US_PASSPORT": Kind.ID,
    "US_DRIVER_LICENSE": Kind.ID,
    "UK_NHS": Kind.ID,
    "UK_NINO": Kind.ID,
    "MEDICAL_LICENSE": Kind.ID,
    "IP_ADDRESS": Kind.NUMBER,
    "PERSON": Kind.NAME,
    "LOCATION": Kind.ADDRESS,
}
"""Presidio's entity types that are private here (microsoft.github.io/presidio/supported_entities)."""

_OVER_THE_NETWORK = frozenset({"EMAIL_ADDRESS", "URL"})
_PATTERN_LANGUAGE = "en"


class PresidioFinder:
    """Finds private data with Presidio's recognisers. Safe to share between calls.

    Parameters
    ----------
    models : mapping of str to str
        ISO 639-1 language to the name, or the folder, of an installed spaCy pipeline.

    Raises
    ------
    ModelError
        If a pipeline is not installed.
    """

    def __init__(self, models: Mapping[str, str]) -> None:
        for language, name in models.items():
            if importlib.util.find_spec(name) is None if "/" not in name else not Path(name).is_dir():
                raise ModelError(
                    f"The spaCy pipeline {name!r} for {language!r} is not installed: install it, or leave it out of "
                    "presidio_models to use Presidio's patterns alone."
                )
        registry = RecognizerRegistry()
        registry.load_predefined_recognizers(languages=[_PATTERN_LANGUAGE])
        self._recognizers: list[EntityRecognizer] = [
            one
            for one in registry.recognizers
            if not _OVER_THE_NETWORK & set(one.supported_entities) and type(one).__name__ != "SpacyRecognizer"
        ]
        self._engine = None
        if models:
            named = [{"lang_code": language, "model_name": name} for language, name in sorted(models.items())]
            provider = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": named})
            self._engine = provider.create_engine()
            self._engine.load()
        self._languages = frozenset(models)

    def find(self, text: str, *, language: str) -> Sequence[Span]:
        """Return what Presidio takes for private data."""
        if not text.strip():
            return []
        artifacts = self._engine.process_text(text, language) if self._engine and language in self._languages else None
        spans = [
            Span(result.start, result.end, KIND_OF_ENTITY[result.entity_type])
            for recognizer in self._recognizers
            for result in recognizer.analyze(text, recognizer.supported_entities, artifacts) or ()
            if result.score >= MIN_SCORE and result.entity_type in KIND_OF_ENTITY
        ]
        return spans + (_entities(artifacts) if artifacts else [])


def _entities(artifacts: NlpArtifacts) -> list[Span]:
    """Return the names and places that the pipeline itself found."""
    kinds = {"PERSON": Kind.NAME, "PER": Kind.NAME, "LOC": Kind.ADDRESS, "GPE": Kind.ADDRESS, "LOCATION": Kind.ADDRESS}
    return [Span(one.start_char, one.end_char, kinds[one.label_]) for one in artifacts.entities if one.label_ in kinds]

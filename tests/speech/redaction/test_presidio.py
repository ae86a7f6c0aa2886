"""Presidio behind the redactor's port; needs the optional extra."""

from pathlib import Path

import pytest

from voicepipe.speech.redact import RedactionConfig, Redactor
from voicepipe.types import Channel, ModelError, Transcript

pytest.importorskip("presidio_analyzer")
pytestmark = pytest.mark.filterwarnings("ignore")


def masked(text: str, config: RedactionConfig, *, language: str = "en") -> str:
    return Redactor(config).redact(Transcript(text=text, language=language), channel=Channel.CALLER).text


def test_its_patterns_add_to_the_rules() -> None:
    config = RedactionConfig(presidio=True)
    text = "send it to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa and mail anna@example.com"
    assert masked(text, RedactionConfig()) == "send it to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa and mail [email]"
    assert masked(text, config) == "send it to [account] and mail [email]"


def test_ordinary_talk_stays() -> None:
    text = "I called three times on 12 May and paid 25,000 dollars"
    assert masked(text, RedactionConfig(presidio=True)) == text


def test_a_pipeline_that_is_not_installed_is_named() -> None:
    with pytest.raises(ModelError, match="en_core_web_none"):
        Redactor(RedactionConfig(presidio=True, presidio_models={"en": "en_core_web_none"}))


def test_a_pipeline_finds_names(tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy")
    pipeline = spacy.blank("en")
    pipeline.add_pipe("entity_ruler").add_patterns([{"label": "PERSON", "pattern": "Emily"}])
    pipeline.to_disk(tmp_path / "pipeline")
    config = RedactionConfig(presidio=True, presidio_models={"en": str(tmp_path / "pipeline")})
    assert masked("I told Emily yesterday", config) == "I told [name] yesterday"
    assert masked("I told Emily yesterday", config, language="ru") == "I told Emily yesterday"

"""Presidio behind the redactor's port; needs the optional extra."""

from pathlib import Path

import pytest

from voicepipe.speech.redact import RedactionConfig, Redactor, redact_text
from voicepipe.types import Channel, ModelError, Transcript

pytest.importorskip("presidio_analyzer")
pytestmark = pytest.mark.filterwarnings("ignore")


def test_its_patterns_add_to_the_rules() -> None:
    config = RedactionConfig(presidio=True)
    text = "send it to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa and mail anna@example.com"
    assert redact_text(text) == "send it to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa and mail [email]"
    masked = Redactor(config).redact(Transcript(text=text, language="en"), channel=Channel.CALLER)
    assert masked.text == "send it to [account] and mail [email]"


def test_ordinary_talk_stays() -> None:
    text = "I called three times on 12 May and paid 25,000 dollars"
    assert redact_text(text, language="en", config=RedactionConfig(presidio=True)) == text


def test_a_pipeline_that_is_not_installed_is_named() -> None:
    with pytest.raises(ModelError, match="en_core_web_none"):
        Redactor(RedactionConfig(presidio=True, presidio_models={"en": "en_core_web_none"}))


def test_a_pipeline_finds_names(tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy")
    pipeline = spacy.blank("en")
    pipeline.add_pipe("entity_ruler").add_patterns([{"label": "PERSON", "pattern": "Emily"}])
    pipeline.to_disk(tmp_path / "pipeline")
    config = RedactionConfig(presidio=True, presidio_models={"en": str(tmp_path / "pipeline")})
    assert redact_text("I told Emily yesterday", language="en", config=config) == "I told [name] yesterday"
    assert redact_text("I told Emily yesterday", language="ru", config=config) == "I told Emily yesterday"

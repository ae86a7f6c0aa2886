"""Marks in place of private data."""

import doctest

import pytest

from voicepipe.speech import redact as room
from voicepipe.speech.redact import redact, redact_text
from voicepipe.types import Transcript, Word


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("My card is 4111 1111 1111 1111.", "My card is [number]."),
        ("It's 4-1-1-7, you know.", "It's [number], you know."),
        ("4, 1, 1, 7 and 12", "[number] and 12"),
        ("Call +44 (20) 7946-0958!", "Call [number]!"),
        ("Мой номер 8 (912) 345-67-89", "Мой номер [number]"),
        ("我的号码是13812345678。", "我的号码是[number]。"),
        ("卡号４１１１１１１１", "卡号[number]"),
        ("رقمي ٤١١١٢٢٢٢", "رقمي [number]"),
        ("mail anna.b+calls@mail.example.co.uk.", "mail [email]."),
        ("user1234@example.com", "[email]"),
        ("in 24 hours, 100 percent", "in 24 hours, 100 percent"),
        ("Twice: 12, then nothing, then 34", "Twice: 12, then nothing, then 34"),
        ("", ""),
    ],
)
def test_text(said: str, written: str) -> None:
    assert redact_text(said) == written


def test_masking_is_idempotent() -> None:
    once = redact_text("4111 1111 and anna@example.com")
    assert redact_text(once) == once


def test_transcript_with_private_data_is_marked_and_loses_its_words() -> None:
    words = (Word(text="pin", start_s=0.0, end_s=0.2, prob=0.9), Word(text="4117", start_s=0.2, end_s=0.9, prob=0.9))
    masked = redact(Transcript(text="pin 4117", language="en", words=words))
    assert (masked.text, masked.redacted, masked.words) == ("pin [number]", True, ())


def test_transcript_without_private_data_is_unchanged() -> None:
    transcript = Transcript(text="I want to speak to somebody", language="en")
    assert redact(transcript) is transcript


def test_the_docstrings_examples_hold() -> None:
    assert doctest.testmod(room).failed == 0

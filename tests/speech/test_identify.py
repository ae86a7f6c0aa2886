import pytest

from voicepipe.speech.identify import language_of, script_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("give me an agent", "en"),
        ("café", "en"),
        ("Позовите оператора", "ru"),
        ("我要转人工", "zh"),
        ("我要 refund", "zh"),
        ("мой email anna@example.com", "ru"),
        ("[phone] да", "ru"),
        ("[card]", None),
        ("42 !?", None),
        ("", None),
        ("おはよう", None),
        ("🙂", None),
    ],
)
def test_letters_tell_the_language(text: str, language: str | None) -> None:
    assert language_of(text) == language


def test_most_words_decide() -> None:
    assert script_of("Wi-Fi не работает") == "cyrillic"
    assert script_of("my name is Анна and I need help") == "latin"

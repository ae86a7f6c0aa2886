"""The language of a written text, as far as its letters tell it.

Whisper tells the language of speech (`voicepipe.speech.language`). Text that comes without sound, a chat or a line on
standard input, has only its letters: Cyrillic is taken for Russian, Han for Chinese, Latin for English. A text in
another language of the same script is taken for the one named here.
"""

import re

SCRIPT_LANGUAGES = {"latin": "en", "cyrillic": "ru", "han": "zh"}
"""The language that a script is taken for, ISO 639-1."""

_LETTERS = {
    "latin": re.compile(r"[A-Za-zÀ-ɏ]+"),
    "cyrillic": re.compile(r"[\u0400-\u052f]+"),
    "han": re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]+"),
}
_LETTERS_PER_WORD = {"latin": 12.0, "cyrillic": 6.0, "han": 1.7}
"""So that scripts are compared by words, not by letters. A Latin word counts half: names and terms are written in Latin
letters in the midst of any language, the other way round hardly ever ("мой email", "我要 refund")."""
_OTHER = re.compile(r"\[[a-z_ ]+\]|\S*(?:@|://)\S*")
"""Redaction marks and addresses are in Latin letters whatever the language."""


def script_of(text: str) -> str | None:
    """Return the script that most words of a text are written in; None where it has no letter of a known one.

    Returns
    -------
    str or None
        A key of `SCRIPT_LANGUAGES`.
    """
    plain = _OTHER.sub(" ", text) if "[" in text or "@" in text or "://" in text else text
    if plain.isascii():
        return "latin" if _LETTERS["latin"].search(plain) else None
    scripts = [script for script, letters in _LETTERS.items() if letters.search(plain)]
    if len(scripts) < 2:
        return scripts[0] if scripts else None
    return max(scripts, key=lambda script: len("".join(_LETTERS[script].findall(plain))) / _LETTERS_PER_WORD[script])


def language_of(text: str) -> str | None:
    """Return the ISO 639-1 code that the letters of a text suggest; None where it has none.

    Examples
    --------
    >>> language_of("Позовите оператора"), language_of("轉人工"), language_of("agent!"), language_of("42")
    ('ru', 'zh', 'en', None)
    """
    script = script_of(text)
    return SCRIPT_LANGUAGES[script] if script else None

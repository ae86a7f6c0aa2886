"""Whether the caller asks for a person, a supervisor or a way to complain.

A request is a *frame* found in the words (what is done: want, talk to, be put through to; and to whom: a person, a
supervisor, the complaints department), unless a *veto* touches it: negation ("I don't need a manager"), what somebody
else said ("your colleague said I should ask for one"), somebody else's wish, a condition, a question about hours or
numbers. A veto covers only the words it is made of, so "I don't want the robot, give me a person" stays a request, and
where an utterance has both kinds, the request counts. Frames and vetoes of a language are one data file in
``intent_rules``, in the notation of `voicepipe.speech.phrases`.

Words alone decide; nothing is known of what was said before. So "a manager" in answer to "who told you that?" is taken
for a request, and wishes that name nobody ("can't we solve this some other way?") are not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from types import NoneType

from voicepipe.speech.identify import script_of
from voicepipe.speech.phrases import PhraseBook, load_phrases
from voicepipe.types import ConfigError, HumanRequest

KINDS = ("supervisor", "complaint", "human")
"""What can be asked for; where an utterance asks for several, the first of these is told."""
LANGUAGES = ("en", "ru", "zh")
"""ISO 639-1 codes of the languages that come with the package."""
MAX_CHARACTERS = 2_000
"""How much of a text is looked at; an utterance of 8 s has about 200."""

_SECTIONS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "request": {"kind": str, "despite": (list, NoneType)},
    "veto": {},
}
"""``despite`` names the vetoes that do not count against a rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentConfig:
    """Where the rules come from.

    Attributes
    ----------
    extra_rules : mapping of str to Path
        A centre's own file for a language (ISO 639-1 code), read after the one that comes with the package: its rules
        are added, and take the place of those of the same name. A language that the package does not have is added.
    own_rules_only : tuple of str
        Languages for which only the centre's own file counts.
    """

    extra_rules: Mapping[str, Path] = field(default_factory=dict)
    own_rules_only: tuple[str, ...] = ()


class IntentDetector:
    """Finds requests for a human in redacted text; immutable, safe to use from several threads.

    Parameters
    ----------
    books : sequence of PhraseBook
        One for each language; sections ``request`` and ``veto``.

    Raises
    ------
    ConfigError
        If a rule is of a kind that does not exist, or names a veto that does not.
    """

    def __init__(self, books: Sequence[PhraseBook]) -> None:
        self._books = {book.language: book for book in books}
        for book in books:
            vetoes = {rule.name for rule in book.rules["veto"]}
            for rule in book.rules["request"]:
                if rule.settings["kind"] not in KINDS:
                    raise ConfigError(
                        f"Intent rule {rule.name} ({book.language}): kind {rule.settings['kind']} is none of "
                        f"{', '.join(KINDS)}."
                    )
                if unknown := [name for name in rule.settings.get("despite") or () if name not in vetoes]:
                    raise ConfigError(f"Intent rule {rule.name} ({book.language}): there is no veto {unknown[0]}.")

    @classmethod
    def load(cls, config: IntentConfig | None = None) -> "IntentDetector":
        """Return a detector with the rules of the package and, where the settings name them, a centre's own.

        Raises
        ------
        ConfigError
            If a file of rules cannot be read or understood; names the file and the rule.
        """
        config = config or IntentConfig()
        books = []
        for language in dict.fromkeys((*LANGUAGES, *config.extra_rules)):
            sources = []
            if language in LANGUAGES and language not in config.own_rules_only:
                sources.append(files("voicepipe.speech") / "intent_rules" / f"{language}.toml")
            if language in config.extra_rules:
                sources.append(config.extra_rules[language])
            if not sources:
                raise ConfigError(
                    f"Intent rules: {language} is in own_rules_only but has no file in extra_rules; name one."
                )
            book = load_phrases(*sources, sections=_SECTIONS)
            if book.language != language:
                raise ConfigError(f"{sources[-1]}: language is {book.language}, but {language} is expected.")
            books.append(book)
        return cls(books)

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639-1 codes of the languages there are rules for."""
        return tuple(self._books)

    def detect(self, text: str, *, language: str | None) -> HumanRequest | None:
        """Return what the caller asks for, or None.

        Parameters
        ----------
        text : str
            One utterance of the caller, redacted; only its first `MAX_CHARACTERS` count.
        language : str or None
            ISO 639-1 code. None, one without rules, or one whose script the text is not written in: all languages
            of the text's script are tried.
        """
        text = text[:MAX_CHARACTERS]
        found = [hit for book in self._readers(text, language) for hit in _hits(book, text)]
        return min(found, key=_rank)[1] if found else None

    def _readers(self, text: str, language: str | None) -> list[PhraseBook]:
        script = script_of(text)
        if script is None:
            return []
        if language is not None and (book := self._books.get(language)) is not None and book.script == script:
            return [book]
        return [book for book in self._books.values() if book.script == script]


_Hit = tuple[tuple[int, int, int, int], HumanRequest]
"""A request, and by what it is ranked: kind, place of the rule in its file, minus length, start."""


def _hits(book: PhraseBook, text: str) -> list[_Hit]:
    """Find the requests that no veto touches."""
    heard = book.tokenizer(text)
    asked = [(rule, span) for rule, spans in book.find("request", heard) for span in spans]
    if not asked:
        return []
    vetoes = {rule.name: spans for rule, spans in book.find("veto", heard)}
    places = {rule.name: place for place, rule in enumerate(book.rules["request"])}
    return [
        (
            (KINDS.index(rule.settings["kind"]), places[rule.name], start - end, start),
            HumanRequest(kind=rule.settings["kind"], rule=rule.name, quote=heard.quote(start, end)),
        )
        for rule, (start, end) in asked
        if not any(
            name not in (rule.settings.get("despite") or ()) and start < veto_end and veto_start < end
            for name, spans in vetoes.items()
            for veto_start, veto_end in spans
        )
    ]


def _rank(hit: _Hit) -> tuple[int, int, int, int]:
    return hit[0]

"""Whether the caller asks for a person, a supervisor or a way to complain.

A request is a *frame* found in the words (what is done: want, talk to, be put through to; and to whom: a person, a
supervisor, the complaints department), unless a *veto* touches it: negation ("I don't need a manager"), what somebody
else said ("your colleague said I should ask for one"), somebody else's wish, a condition, a question about hours or
numbers. A veto covers only the words it is made of, so "I don't want the robot, give me a person" stays a request, and
where an utterance has both kinds, the request counts. Frames and vetoes of a language are one data file in
``intent_rules``, in the notation of `voicepipe.speech.phrases`.

Callers find words that no rule foresees. So a small model (`voicepipe.speech.intent_model`) has a say, too: where no
rule speaks and it is sure, it makes the request (after a veto it must be surer); where a rule speaks and it is certain
of the contrary, there is none. It does not overrule a centre's own rules. Of a long utterance it looks at stretches,
too: some words about a rule's request, or as many of the rest at a time, by weights of their own.

Words alone decide; nothing is known of what was said before. So "a manager" in answer to "who told you that?" is taken
for a request, and wishes that name nobody ("can't we solve this some other way?") are not.
"""

import tomllib
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from types import NoneType

from voicepipe.packaged import packaged
from voicepipe.speech import intent_patterns
from voicepipe.speech.identify import script_of
from voicepipe.speech.intent_model import Opinion, RequestModel
from voicepipe.speech.matching import Rule
from voicepipe.speech.phrases import PhraseBook, load_phrases
from voicepipe.speech.tokens import HARD_BREAK, TokenizedText
from voicepipe.types import ConfigError, HumanRequest

KINDS = ("supervisor", "complaint", "human")
"""What can be asked for; where an utterance asks for several, the first of these is told."""
LANGUAGES = ("en", "ru", "zh")
"""ISO 639-1 codes of the languages that come with the package."""
MAX_CHARACTERS = 2_000
"""How much of a text is looked at; an utterance of 8 s has about 200."""
MODEL_RULE = "model"
"""Name that stands for the rule where the model made the request."""
REACH = {"latin": 8, "cyrillic": 8, "han": 12}
"""How many tokens on either side of a rule's request are a stretch of a long utterance, by script. An utterance of more
than twice as many is long; of 10 requests amid talk, the model takes back six where it only weighs the whole."""
VETO_MARGIN = 2.0
"""By how many logits the model must be surer where a rule's request was vetoed."""

_KIND_OF_TARGET = {"boss": "supervisor", "escalate": "supervisor", "complaint": "complaint"}
"""What is asked for where the model's words have one of these targets."""
_SECTIONS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "request": {"kind": str, "despite": (list, NoneType)},
    "veto": {},
}
"""``despite`` names the vetoes that do not count against a rule."""


_Ranked = tuple[int, int, int, int]
"""By what requests are ranked: kind, place of the rule in its file, minus length, start."""


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
    model : Path
        Folder of the model beside the rules.
    rules_only : bool
        Leave it all to the rules.
    """

    extra_rules: Mapping[str, Path] = field(default_factory=dict)
    own_rules_only: tuple[str, ...] = ()
    model: Path = field(default_factory=lambda: packaged("models") / "intent-1")
    rules_only: bool = False


class IntentDetector:
    """Finds requests for a human in redacted text; immutable, safe to use from several threads.

    Parameters
    ----------
    books : sequence of PhraseBook
        One for each language; sections ``request`` and ``veto``, for a language of the model its concepts, too.
    model : RequestModel, optional
    own_rules : mapping of str to collection of str
        By language, names of the rules that the model does not overrule.

    Raises
    ------
    ConfigError
        If a rule is of a kind that does not exist, or names a veto that does not.
    """

    def __init__(
        self,
        books: Sequence[PhraseBook],
        *,
        model: RequestModel | None = None,
        own_rules: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self._books = {book.language: book for book in books}
        self._model = model
        self._own_rules = own_rules or {}
        self._last_better: dict[str, list[int]] = {}
        """Of a language and a kind (its index), the place of the last rule for a kind that comes before it."""
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
            kinds = [KINDS.index(rule.settings["kind"]) for rule in book.rules["request"]]
            self._last_better[book.language] = [
                max([place for place, other in enumerate(kinds) if other < kind], default=-1)
                for kind in range(len(KINDS))
            ]

    @classmethod
    def load(cls, config: IntentConfig | None = None) -> "IntentDetector":
        """Return a detector with the rules of the package and, where the settings name them, a centre's own.

        Raises
        ------
        ConfigError
            If a file of rules cannot be read or understood; names the file and the rule.
        ModelError
            If the model is damaged.
        """
        config = config or IntentConfig()
        model = None if config.rules_only else RequestModel.load(config.model)
        books, own_rules = [], {}
        for language in dict.fromkeys((*LANGUAGES, *config.extra_rules)):
            own = [config.extra_rules[language]] if language in config.extra_rules else []
            if language in LANGUAGES and language not in config.own_rules_only:
                book = load_book(language, *own, with_concepts=model is not None and language in model.languages)
            elif own:
                book = load_phrases(*own, sections=_SECTIONS)
            else:
                raise ConfigError(
                    f"Intent rules: {language} is in own_rules_only but has no file in extra_rules; name one."
                )
            if book.language != language:
                raise ConfigError(f"{own[-1]}: language is {book.language}, but {language} is expected.")
            books.append(book)
            for path in own:
                rules = tomllib.loads(path.read_text(encoding="utf-8-sig")).get("request", ())
                own_rules[language] = frozenset(rule["name"] for rule in rules)
        return cls(books, model=model, own_rules=own_rules)

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
        found = [hit for book in self._readers(text, language) if (hit := self._hit(book, book.tokenizer(text)))]
        return min(found, key=_rank)[1] if found else None

    def _readers(self, text: str, language: str | None) -> list[PhraseBook]:
        script = script_of(text)
        if script is None:
            return []
        if language is not None and (book := self._books.get(language)) is not None and book.script == script:
            return [book]
        return [book for book in self._books.values() if book.script == script]

    def _hit(self, book: PhraseBook, heard: TokenizedText) -> "_Hit | None":
        model = self._model if "target" in book.rules else None
        own = self._own_rules.get(book.language, ())
        opinion = model.weigh(book, heard) if model else None
        is_long = len(heard.tokens) > 2 * REACH[book.script]
        if opinion and opinion.doubtful and opinion.logit < opinion.sure_from and not own and not is_long:
            return None  # whatever the rules say
        hits, asked = self._requests(book, heard, all_of_them=bool(own) or (is_long and model is not None))
        if hits and (opinion is None or not opinion.doubtful or any(rule.name in own for _, rule in hits)):
            return _told(heard, *min(hits, key=_rank))
        if opinion is None or model is None:
            return None
        if is_long and (hit := self._hit_in_stretches(model, book, heard, hits=hits, asked=asked)):
            return hit
        return None if hits else _made_by_model(book, heard, opinion, asked=asked)

    def _hit_in_stretches(
        self,
        model: RequestModel,
        book: PhraseBook,
        heard: TokenizedText,
        *,
        hits: "Sequence[tuple[_Ranked, Rule]]",
        asked: bool,
    ) -> "_Hit | None":
        """Return the best request of a long utterance that the model does not doubt for the words about it."""
        reach, count = REACH[book.script], len(heard.tokens)

        def stretch(first: int, last: int) -> TokenizedText:
            start, end = heard.span_of(first, last)
            return book.tokenizer(heard.original[start:end])

        for rank, rule in sorted(hits, key=_rank):
            start, end = rank[3], rank[3] - rank[2]
            first, last = bisect_left(heard.starts, start), bisect_left(heard.starts, end)
            opinion = model.weigh(book, stretch(*_about(heard.tokens, first, last, reach=reach)), amid_talk=True)
            if opinion is None or not opinion.doubtful:
                return _told(heard, rank, rule)
        if hits:
            return None
        made: list[_Hit] = []
        for first in range(0, max(count - reach, 1), reach):
            part = stretch(first, min(first + 2 * reach, count))
            opinion = model.weigh(book, part, amid_talk=True)
            if opinion and (hit := _made_by_model(book, part, opinion, asked=asked)):
                made.append(hit)
        return min(made, key=_rank, default=None)

    def _requests(
        self, book: PhraseBook, heard: TokenizedText, *, all_of_them: bool
    ) -> tuple[list[tuple[_Ranked, Rule]], bool]:
        """Return the requests that no veto touches, each with its rank, and whether there are any, touched or not.

        Unless all of them are asked for, those that rank behind the best are left out as far as that saves work.
        """
        hits: list[tuple[_Ranked, Rule]] = []
        vetoes: list[tuple[str, int, int]] | None = None
        rules, last_better = book.rules["request"], self._last_better[book.language]
        for rule, spans in book.find("request", heard):
            if vetoes is None:
                vetoes = [(veto.name, *span) for veto, places in book.find("veto", heard) for span in places]
            despite = rule.settings.get("despite") or ()
            kind, place = KINDS.index(rule.settings["kind"]), rules.index(rule)
            hits += [
                ((kind, place, start - end, start), rule)
                for start, end in spans
                if not any(start < high and low < end and name not in despite for name, low, high in vetoes)
            ]
            if hits and not all_of_them and place >= last_better[min(hits, key=_rank)[0][0]]:
                break
        return hits, vetoes is not None


def load_book(language: str, *own: Path, with_concepts: bool) -> PhraseBook:
    """Return the package's rules of one of `LANGUAGES`, on top of them those of own files.

    Parameters
    ----------
    language : str
    *own : Path
    with_concepts : bool
        Whether the sections that the model reads are in the book, too.

    Raises
    ------
    ConfigError
        If a file cannot be understood.
    """
    shipped = files("voicepipe.speech") / "intent_rules"
    if not with_concepts:
        return load_phrases(shipped / f"{language}.toml", *own, sections=_SECTIONS)
    concepts = shipped / f"{language}.concepts.toml"
    return load_phrases(shipped / f"{language}.toml", concepts, *own, sections=_SECTIONS | intent_patterns.SECTIONS)


_Hit = tuple[_Ranked, HumanRequest]


def _about(tokens: Sequence[str], first: int, last: int, *, reach: int) -> tuple[int, int]:
    """Return ``tokens[first:last]`` and as far as `reach` on either side, within the sentence; half open."""
    start, end = max(0, first - reach), min(len(tokens), last + reach)
    start = max((at + 1 for at in range(start, first) if tokens[at] == HARD_BREAK), default=start)
    return start, min((at for at in range(last, end) if tokens[at] == HARD_BREAK), default=end)


def _told(heard: TokenizedText, rank: _Ranked, rule: Rule) -> _Hit:
    quote = heard.quote(rank[3], rank[3] - rank[2])
    return rank, HumanRequest(kind=rule.settings["kind"], rule=rule.name, quote=quote)


def _made_by_model(book: PhraseBook, heard: TokenizedText, opinion: Opinion, *, asked: bool) -> _Hit | None:
    """Return the model's own request, if it is sure; ``asked``: a rule's was vetoed."""
    if opinion.logit < opinion.sure_from + (VETO_MARGIN if asked else 0.0):
        return None
    start, end = opinion.span(heard)
    kinds = {
        _KIND_OF_TARGET.get(rule.name, "human")
        for rule, spans in book.find("target", heard)
        if any(low < end and start < high for low, high in spans)
    }
    kind = next((kind for kind in KINDS if kind in kinds), "human")
    request = HumanRequest(kind=kind, rule=MODEL_RULE, quote=heard.quote(start, end))
    return (KINDS.index(kind), len(book.rules["request"]), start - end, start), request


def _rank(hit: tuple[_Ranked, object]) -> _Ranked:
    return hit[0]

"""The notation of `voicepipe.speech.phrases`, read into `voicepipe.speech.matching.Element`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from voicepipe.speech import matching
from voicepipe.speech.matching import Element, Rule
from voicepipe.speech.tokens import Tokenizer, Vocabulary, words
from voicepipe.types import ConfigError

MAX_GAP = 8
"""Words that a single gap may span."""
MAX_DEPTH = 12
"""Lists within lists."""

_NOTATION = re.compile(
    r"\s*(?:(?P<word>[^\s()\[\]|^$,!<>{}*]+)(?P<prefix>\*?)|(?P<mark>[()\[|^$,]|\](?P<times>[2-8]?)|!\()|<(?P<list>\w+)>"
    r"|\{(?:(?P<least>\d)-)?(?P<most>\d)(?P<commas>,?)\})"
)
_MARKS = {"^": matching.START, "$": matching.END, ",": matching.PAUSE}


@dataclass(slots=True)
class _Group:
    """A bracket that is open: its mark, what its present alternative has so far, and its earlier alternatives."""

    mark: str
    elements: list[Element] = field(default_factory=list)
    earlier: list[Element] = field(default_factory=list)

    def next_alternative(self) -> None:
        """Begin another alternative."""
        self.earlier.append(matching.sequence(self.elements))
        self.elements = []

    def close(self, *, times: int) -> Element:
        """Return the whole bracket."""
        self.next_alternative()
        element = matching.any_of(self.earlier)
        if self.mark == "(":
            return element
        return matching.absent(element) if self.mark == "!(" else matching.optional(element, times=times)


class Compiler:
    """Turns the notation into rules; each list is read once.

    Parameters
    ----------
    lists : mapping of str to sequence of (str, str)
        Phrases of each list, and where each was read.
    tokenizer : Tokenizer
    vocabulary : Vocabulary
        Of all phrases: see `vocabulary_of`.
    """

    def __init__(
        self, lists: Mapping[str, Sequence[tuple[str, str]]], tokenizer: Tokenizer, vocabulary: Vocabulary
    ) -> None:
        self._lists = lists
        self._vocabulary = vocabulary
        self._tokenizer = tokenizer
        self._read: dict[str, Element] = {}
        self._by_word: dict[tuple[str, bool], tuple[tuple[str, ...], list[Element]]] = {}

    def rule(self, name: str, phrases: Sequence[str], where: str, *, settings: Mapping[str, Any]) -> Rule:
        """Return the rule of a name.

        Parameters
        ----------
        name : str
        phrases : sequence of str
        where : str
            File and rule, for errors.
        settings : mapping of str to object

        Raises
        ------
        ConfigError
            If a phrase is not understood, fits a text without words, or can never occur.
        """
        elements = [self._phrase(phrase, where, depth=0) for phrase in phrases]
        for phrase, element in zip(phrases, elements, strict=True):
            if element.empty:
                raise ConfigError(f"{where}: {phrase!r} fits a text without words; something in it must be required.")
        single = [element for element in elements if element.choice]
        several = [element for element in elements if not element.choice]
        return Rule(name=name, phrases=(*several, *([matching.any_of(single)] if single else [])), settings=settings)

    def _phrase(self, phrase: str, where: str, *, depth: int) -> Element:
        group = _Group("(")
        outer: list[_Group] = []
        run: list[str] = []
        position = 0
        text = phrase.rstrip()
        while position < len(text):
            match = _NOTATION.match(text, position)
            if match is None:
                raise ConfigError(f"{where}: cannot read {text[position:].strip()!r} in {phrase!r}.")
            position = match.end()
            word, prefix, mark, times, name, least, most, commas = match.groups()
            if word:
                tokens, elements = self._word(word, where, phrase, prefix=bool(prefix))
                run += tokens
                if not prefix and self._tokenizer.replaces(run[-len(tokens) - 3 :]):
                    raise ConfigError(
                        f"{where}: {' '.join(run)!r} in {phrase!r} never occurs: it is a filler or is rewritten."
                    )
                group.elements += elements
                continue
            run = []
            if name:
                group.elements.append(self._list(name, where, depth=depth))
            elif most:
                fewest = int(least or 0)
                if not fewest <= int(most) <= MAX_GAP or most == "0":
                    raise ConfigError(f"{where}: a gap spans 1 to {MAX_GAP} words, at least as many as its minimum.")
                group.elements.append(matching.gap(fewest, int(most), commas=bool(commas)))
            elif mark in ("(", "[", "!("):
                outer.append(group)
                group = _Group(mark)
            elif mark[0] in ")]":
                if not outer or (group.mark == "[") != (mark != ")"):
                    raise ConfigError(f"{where}: {mark} closes nothing in {phrase!r}.")
                element = group.close(times=int(times or 1))
                group = outer.pop()
                group.elements.append(element)
            elif mark == "|":
                if not outer:
                    raise ConfigError(f"{where}: | outside of brackets in {phrase!r}.")
                group.next_alternative()
            else:
                group.elements.append(_MARKS[mark])
        if outer:
            raise ConfigError(f"{where}: {group.mark} is never closed in {phrase!r}.")
        return matching.sequence(group.elements)

    def _word(self, word: str, where: str, phrase: str, *, prefix: bool) -> tuple[tuple[str, ...], list[Element]]:
        """Return the tokens of a word, and what fits them."""
        known = self._by_word.get((word, prefix))
        if known is not None:
            return known
        tokens = words(word)
        if not tokens:
            raise ConfigError(f"{where}: {word!r} in {phrase!r} is no word.")
        elements = []
        for index, token in enumerate(tokens):
            if prefix and index == len(tokens) - 1:
                codes = self._vocabulary.codes_of(token)
            else:
                codes = "".join(map(self._vocabulary.code, _spellings(token)))
            elements.append(matching.one_of(codes))
        self._by_word[word, prefix] = tokens, elements
        return tokens, elements

    def _list(self, name: str, where: str, *, depth: int) -> Element:
        if name not in self._lists:
            raise ConfigError(f"{where}: there is no list {name} under [words].")
        if depth >= MAX_DEPTH:
            raise ConfigError(f"{where}: the list {name} contains itself.")
        if name not in self._read:
            self._read[name] = matching.remembered(
                matching.any_of([self._phrase(phrase, source, depth=depth + 1) for phrase, source in self._lists[name]])
            )
        return self._read[name]


def vocabulary_of(phrases: Iterable[str]) -> Vocabulary:
    """Return all words of some phrases."""
    tokens: set[str] = set()
    beginnings: set[str] = set()
    for word, prefix in {found[:2] for phrase in phrases for found in _NOTATION.findall(phrase)}:
        spoken = words(word)
        if spoken and prefix:
            beginnings.add(spoken[-1])
            spoken = spoken[:-1]
        for token in spoken:
            tokens.update(_spellings(token))
    return Vocabulary(sorted(tokens), sorted(beginnings))


def _spellings(token: str) -> list[str]:
    """Return a token with and without the apostrophe of a negation."""
    return [token, token.replace("n't", "nt")] if "n't" in token else [token]

"""The notation of `voicepipe.speech.phrases`, read into `voicepipe.speech.elements.Element`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from voicepipe.speech.elements import (
    END,
    PAUSE,
    START,
    Element,
    Fixed,
    absent,
    any_of,
    by_preference,
    gap,
    optional,
    remembered,
    sequence,
)
from voicepipe.speech.matching import Rule
from voicepipe.speech.tokens import Tokenizer, Vocabulary, words
from voicepipe.types import ConfigError

MAX_GAP = 8
"""Words that a single gap may span."""
MAX_DEPTH = 12
"""Lists within lists."""

_NO_MARK = r"[^()\[\]|^$,!<>{}*]"
_CHOICE = rf"{_NO_MARK}+(?:\|{_NO_MARK}+)*"
_NOTATION = re.compile(
    rf"\s*(?:\((?P<choice>{_CHOICE})\)|\[(?P<option>{_CHOICE})\](?P<often>[2-8]?)|(?P<words>{_NO_MARK}+)(?P<prefix>\*?)"
    r"|(?P<mark>[()\[|^$,]|\](?P<times>[2-8]?)|!\()|<(?P<list>\w+)>|\{(?:(?P<least>\d)-)?(?P<most>\d)(?P<commas>,?)\})"
)
_WORDS = re.compile(rf"<\w+>|\{{[^}}]*\}}|\][2-8]|((?:(?!\s){_NO_MARK})+)(\*?)")
_PLAIN = re.compile(rf"{_NO_MARK}+")
_MARKS: Mapping[str, Element] = {"^": START, "$": END, ",": PAUSE}


@dataclass(slots=True)
class _Group:
    """A bracket that is open: its mark, what its present alternative has so far, and its earlier alternatives."""

    mark: str
    elements: list[Element] = field(default_factory=list)
    earlier: list[Element] = field(default_factory=list)

    def next_alternative(self) -> None:
        """Begin another alternative."""
        self.earlier.append(sequence(self.elements))
        self.elements = []

    def close(self, *, times: int) -> Element:
        """Return the whole bracket."""
        self.next_alternative()
        element = any_of(self.earlier)
        if self.mark == "(":
            return element
        return absent(element) if self.mark == "!(" else optional(element, times=times)


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
        self._by_word: dict[str, tuple[tuple[str, ...], list[str]]] = {}
        self._by_alternative: dict[str, list[str]] = {}

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
        return Rule(name=name, phrases=tuple(by_preference(elements)), settings=settings)

    def _phrase(self, phrase: str, where: str, *, depth: int) -> Element:
        if _PLAIN.fullmatch(phrase):
            return self._choice(phrase, where)
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
            choice, option, often, spoken, prefix, mark, times, name, least, most, commas = match.groups()
            if spoken:
                said = spoken.split()
                beginning = said.pop() if prefix else ""
                if prefix and not spoken.endswith(beginning):
                    raise ConfigError(f"{where}: cannot read '*' after a space in {phrase!r}.")
                if said:
                    tokens, strings = self._spoken(said, where, phrase)
                    run += tokens
                    if self._tokenizer.replaces(run):
                        raise ConfigError(
                            f"{where}: {' '.join(run)!r} in {phrase!r} never occurs: it is a filler or is rewritten."
                        )
                    group.elements.append(Fixed(strings))
                if beginning:
                    *whole, last = self._tokens(beginning, where, phrase)
                    run += (*whole, last)
                    group.elements += [Fixed(self._codes(token)) for token in whole]
                    group.elements.append(Fixed(self._vocabulary.codes_of(last)))
                continue
            run = []
            if choice:
                group.elements.append(self._choice(choice, where))
            elif option:
                group.elements.append(optional(self._choice(option, where), times=int(often or 1)))
            elif name:
                group.elements.append(self._list(name, where, depth=depth))
            elif most:
                fewest = int(least or 0)
                if not fewest <= int(most) <= MAX_GAP or most == "0":
                    raise ConfigError(f"{where}: a gap spans 1 to {MAX_GAP} words, at least as many as its minimum.")
                group.elements.append(gap(fewest, int(most), commas=bool(commas)))
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
        return sequence(group.elements)

    def _tokens(self, word: str, where: str, phrase: str) -> tuple[str, ...]:
        tokens = words(word)
        if not tokens:
            raise ConfigError(f"{where}: {word!r} in {phrase!r} is no word.")
        return tokens

    def _codes(self, token: str) -> str:
        """Return the codes of a token's spellings."""
        return "".join(map(self._vocabulary.code, _spellings(token)))

    def _spoken(self, said: Sequence[str], where: str, phrase: str) -> tuple[list[str], list[str]]:
        """Return the tokens of some words in a row, and the strings that fit them."""
        known = self._by_word
        tokens: list[str] = []
        ways = [""]
        for word in said:
            entry = known.get(word)
            if entry is None:
                own = self._tokens(word, where, phrase)
                entry = known[word] = own, [self._codes(token) for token in own]
            tokens += entry[0]
            for codes in entry[1]:
                ways = [way + code for way in ways for code in codes]
        return tokens, ways

    def _choice(self, phrase: str, where: str) -> Element:
        """Return what fits one of some sequences of words, parted by bars."""
        known = self._by_alternative
        strings: list[str] = []
        for alternative in phrase.split("|"):
            ways = known.get(alternative)
            if ways is None:
                tokens, ways = self._spoken(alternative.split(), where, phrase)
                if self._tokenizer.replaces(tokens):
                    raise ConfigError(
                        f"{where}: {alternative.strip()!r} in {phrase!r} never occurs: it is a filler or is rewritten."
                    )
                known[alternative] = ways
            strings += ways
        return Fixed(sorted(strings, key=_is_single))  # single tokens are preferred least

    def _list(self, name: str, where: str, *, depth: int) -> Element:
        if name not in self._lists:
            raise ConfigError(f"{where}: there is no list {name} under [words].")
        if depth >= MAX_DEPTH:
            raise ConfigError(f"{where}: the list {name} contains itself.")
        if name not in self._read:
            self._read[name] = remembered(
                any_of([self._phrase(phrase, source, depth=depth + 1) for phrase, source in self._lists[name]])
            )
        return self._read[name]


def _is_single(string: str) -> bool:
    return len(string) == 1


def vocabulary_of(phrases: Iterable[str]) -> Vocabulary:
    """Return all words of some phrases."""
    tokens: set[str] = set()
    beginnings: set[str] = set()
    for word, prefix in set(_WORDS.findall(" ".join(phrases))):
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

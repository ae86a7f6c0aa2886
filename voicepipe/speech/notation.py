"""The notation of `voicepipe.speech.phrases`, compiled to regular expressions over the codes of tokens, and their use.

A rule has hundreds of phrases, and hardly any text has the words of one. So each phrase is an expression of its own,
which is compiled and tried only for texts that have a token of each of the sets of which it needs one; a `Finder` looks
the phrases up by the tokens of the text.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from voicepipe.speech.tokens import TokenizedText, Tokenizer, Vocabulary, words
from voicepipe.types import ConfigError

MAX_GAP = 8
"""Words that a single gap may span."""
MAX_DEPTH = 12
"""Lists within lists."""

_NOTATION = re.compile(
    r"\s*(?:(?P<mark>[()\[|^$,]|\](?P<times>[2-8]?)|!\()|<(?P<list>\w+)>|\{(?:(?P<least>\d)-)?(?P<most>\d)(?P<commas>,?)\}"
    r"|(?P<word>[^\s()\[\]|^$,!<>{}*]+)(?P<prefix>\*?))"
)
_MARKS = {"^": f"(?<![^{Vocabulary.HARD}])", "$": f"(?![^{Vocabulary.HARD}])", ",": Vocabulary.SOFT}
_NOT_A_WORD = f"{Vocabulary.HARD}{Vocabulary.SOFT}"
_CHOICE = re.compile(r"([^\x00-\xff])|\[([^\x00-\xff]+)\]")
"""An expression that is one of several tokens and nothing more."""


_Needs = tuple[frozenset[str], ...]


@dataclass(frozen=True, kw_only=True)
class Phrase:
    """One phrase, or all of a rule's phrases of a single token.

    Attributes
    ----------
    source : str
        Regular expression over `TokenizedText.codes`.
    needs : tuple of frozenset of str
        Of each of these sets, the codes of a text must have a character if the phrase is to fit.
    """

    source: str
    needs: _Needs

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The expression, compiled when it is first asked for."""
        return re.compile(self.source)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A named set of phrases.

    Attributes
    ----------
    name : str
    phrases : tuple of Phrase
        Of two that fit from the same token on, the first counts.
    settings : mapping of str to object
        The rule's other keys in the file.
    """

    name: str
    phrases: tuple[Phrase, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def spans(self, text: TokenizedText) -> list[tuple[int, int]]:
        """Return where the phrases stand in ``text.text``, half open, at most one from each token on, left to right.

        The text is one that the tokenizer of the rule's own book made.
        """
        return next((spans for _, spans in self._finder.find(text)), [])

    def fits(self, text: TokenizedText) -> bool:
        """Tell whether one of the phrases stands in the text."""
        return bool(self.spans(text))

    @cached_property
    def _finder(self) -> "Finder":
        return Finder([self])


class Finder:
    """Finds the phrases of several rules at once.

    Parameters
    ----------
    rules : sequence of Rule
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        phrases = [(place, phrase) for place, rule in enumerate(rules) for phrase in rule.phrases]
        self._phrases: list[tuple[int, Phrase, _Needs]] = []
        self._anywhere: list[int] = []
        self._by_code: dict[str, list[int]] = {}
        common = Counter(code for _, phrase in phrases for needed in phrase.needs for code in needed)
        for number, (place, phrase) in enumerate(phrases):
            needs = sorted(phrase.needs, key=lambda needed: sum(map(common.__getitem__, needed)))  # the rarest first
            if not needs:
                self._anywhere.append(number)
            for code in needs[0] if needs else ():
                self._by_code.setdefault(code, []).append(number)
            self._phrases.append((place, phrase, tuple(needs[1:])))

    def find(self, text: TokenizedText) -> Iterator[tuple[int, list[tuple[int, int]]]]:
        """Yield the places of the rules that fit, in their order, each with where it does; see `Rule.spans`."""
        codes, present = text.codes, frozenset(text.codes)
        numbers = set(self._anywhere)
        for code in present:
            if code in self._by_code:
                numbers.update(self._by_code[code])
        ends: dict[int, dict[int, int]] = {}
        for number in sorted(numbers):
            place, phrase, others = self._phrases[number]
            for needed in others:
                if present.isdisjoint(needed):
                    break
            else:
                search = phrase.pattern.search
                match = search(codes)
                while match is not None:
                    first, end = match.span()
                    ends.setdefault(place, {}).setdefault(first, end)
                    match = search(codes, first + 1)
        starts = (*text.starts, len(text.text))
        for place, found in ends.items():
            yield place, [(starts[first], starts[found[first]]) for first in sorted(found)]


_Compiled = tuple[str, bool, _Needs]
"""A phrase as an expression, whether no words at all fit it, and the sets of tokens of each of which it needs one."""


@dataclass(slots=True)
class _Group:
    """A bracket that is open: its mark, what its present alternative needs so far, and its earlier alternatives."""

    mark: str
    parts: list[str] = field(default_factory=list)
    empty: bool = True
    needs: _Needs = ()
    earlier: list[_Compiled] = field(default_factory=list)

    def add(self, source: str, *, empty: bool = True, needs: _Needs = ()) -> None:
        """Append to the present alternative."""
        self.parts.append(source)
        self.empty &= empty
        self.needs += needs

    def next_alternative(self) -> None:
        """Begin another alternative."""
        self.earlier.append(("".join(self.parts), self.empty, self.needs))
        self.parts, self.empty, self.needs = [], True, ()

    def close(self, *, times: int) -> _Compiled:
        """Return the whole bracket."""
        self.next_alternative()
        source, empty, needs = _any_of(self.earlier)
        if self.mark == "(":
            return source, empty, needs
        return (f"(?!{source})" if self.mark == "!(" else f"{source}{{0,{times}}}{'?' * (times > 1)}"), True, ()


class Compiler:
    """Turns the notation into rules; each list is compiled once.

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
        self._compiled: dict[str, _Compiled] = {}

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
        compiled = [self._phrase(phrase, where, depth=0) for phrase in phrases]
        for phrase, (_, empty, _) in zip(phrases, compiled, strict=True):
            if empty:
                raise ConfigError(f"{where}: {phrase!r} fits a text without words; something in it must be required.")
        single = [source for source, _, _ in compiled if _CHOICE.fullmatch(source)]
        joined = {source: needs for source, _, needs in compiled if source not in single}
        if single:
            source, _, needs = _any_of([one for one in compiled if one[0] in single])
            joined[source] = needs
        return Rule(
            name=name,
            phrases=tuple(Phrase(source=source, needs=needs) for source, needs in joined.items()),
            settings=settings,
        )

    def _phrase(self, phrase: str, where: str, *, depth: int) -> _Compiled:
        """Return one phrase, compiled."""
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
            if word := match["word"]:
                self._add_word(group, word, where, phrase, prefix=bool(match["prefix"]), run=run)
                continue
            run = []
            if name := match["list"]:
                source, empty, needs = self._list(name, where, depth=depth)
                group.add(source, empty=empty, needs=needs)
            elif most := match["most"]:
                least = int(match["least"] or 0)
                group.add(_gap(least, int(most), commas=bool(match["commas"]), where=where), empty=least == 0)
            elif (mark := match["mark"]) in ("(", "[", "!("):
                outer.append(group)
                group = _Group(mark)
            elif mark[0] in ")]":
                if not outer or (group.mark == "[") != (mark != ")"):
                    raise ConfigError(f"{where}: {mark} closes nothing in {phrase!r}.")
                source, empty, needs = group.close(times=int(match["times"] or 1))
                group = outer.pop()
                group.add(source, empty=empty, needs=needs)
            elif mark == "|":
                if not outer:
                    raise ConfigError(f"{where}: | outside of brackets in {phrase!r}.")
                group.next_alternative()
            else:
                group.add(_MARKS[mark], empty=mark != ",")
        if outer:
            raise ConfigError(f"{where}: {group.mark} is never closed in {phrase!r}.")
        return "".join(group.parts), group.empty, group.needs

    def _add_word(self, group: _Group, word: str, where: str, phrase: str, *, prefix: bool, run: list[str]) -> None:
        tokens = words(word)
        if not tokens:
            raise ConfigError(f"{where}: {word!r} in {phrase!r} is no word.")
        run += tokens
        if not prefix and self._tokenizer.replaces(run[-len(tokens) - 3 :]):
            raise ConfigError(f"{where}: {' '.join(run)!r} in {phrase!r} never occurs: it is a filler or is rewritten.")
        for index, token in enumerate(tokens):
            if prefix and index == len(tokens) - 1:
                codes = self._vocabulary.codes_of(token)
            else:
                codes = "".join(self._vocabulary.code(spelled) for spelled in _spellings(token))
            group.add(codes if len(codes) == 1 else f"[{codes}]", empty=False, needs=(frozenset(codes),))

    def _list(self, name: str, where: str, *, depth: int) -> _Compiled:
        if name not in self._lists:
            raise ConfigError(f"{where}: there is no list {name} under [words].")
        if depth >= MAX_DEPTH:
            raise ConfigError(f"{where}: the list {name} contains itself.")
        if name not in self._compiled:
            self._compiled[name] = _any_of(
                [self._phrase(phrase, source, depth=depth + 1) for phrase, source in self._lists[name]]
            )
        return self._compiled[name]


def vocabulary_of(phrases: Iterable[str]) -> Vocabulary:
    """Return all words of some phrases."""
    tokens: set[str] = set()
    beginnings: set[str] = set()
    for phrase in phrases:
        for match in _NOTATION.finditer(phrase):
            found = words(match["word"] or "")
            if found and match["prefix"]:
                beginnings.add(found[-1])
                found = found[:-1]
            for token in found:
                tokens.update(_spellings(token))
    return Vocabulary(sorted(tokens), sorted(beginnings))


def _spellings(token: str) -> list[str]:
    """Return a token with and without the apostrophe of a negation."""
    return [token, token.replace("n't", "nt")] if "n't" in token else [token]


def _any_of(alternatives: Sequence[_Compiled]) -> _Compiled:
    """Join alternatives; those of one token each become one choice of tokens."""
    tokens: dict[str, None] = {}
    others: dict[str, None] = {}
    for source, _, _ in alternatives:
        if choice := _CHOICE.fullmatch(source):
            tokens.update(dict.fromkeys(choice[1] or choice[2]))
        else:
            others[source] = None
    one = "".join(tokens)
    sources = [*others, *([one if len(one) == 1 else f"[{one}]"] if one else [])]
    needs = [min(needs, key=len) for _, _, needs in alternatives if needs]
    all_needed: _Needs = (frozenset().union(*needs),) if len(needs) == len(alternatives) else ()
    return (
        sources[0] if one and not others else f"(?:{'|'.join(sources)})",
        any(empty for _, empty, _ in alternatives),
        alternatives[0][2] if len(alternatives) == 1 else all_needed,
    )


def _gap(least: int, most: int, *, commas: bool, where: str) -> str:
    if not least <= most <= MAX_GAP or most == 0:
        raise ConfigError(f"{where}: a gap spans 1 to {MAX_GAP} words, at least as many as its minimum.")
    if not commas:
        return f"[^{_NOT_A_WORD}]{{{least},{most}}}?"
    return f"(?:{Vocabulary.SOFT}?[^{_NOT_A_WORD}]){{{least},{most}}}?{Vocabulary.SOFT}?"

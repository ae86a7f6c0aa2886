"""How the phrases of rules are found in a text.

A rule has hundreds of phrases, and hardly any text has the words of one. So an element knows what a text must have for
it to fit: tokens, and pairs of neighbouring tokens. A `Finder` looks the phrases up by what the text has, and tries the
few that are left.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from voicepipe.speech.elements import Element, Fixed, Needs, tree_of
from voicepipe.speech.tokens import CodedText, TokenizedText

_Hit = tuple[int, int, int, int, int]
"""A rule's place, where it begins, its phrase's number, which of the phrase's strings it is, and where it ends."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A named set of phrases.

    Attributes
    ----------
    name : str
    phrases : tuple of Element
        Of two that fit from the same token on, the first counts.
    settings : mapping of str to object
        The rule's other keys in the file.
    """

    name: str
    phrases: tuple[Element, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)


class Finder:
    """Finds the phrases of several rules at once.

    Parameters
    ----------
    rules : sequence of Rule
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        phrases = [(place, phrase) for place, rule in enumerate(rules) for phrase in rule.phrases]
        self._phrases: dict[int, tuple[int, Element, Needs]] = {}
        self._anywhere: list[int] = []
        fixed: list[tuple[str, tuple[int, ...]]] = []
        by_need: dict[str, list[int]] = {}
        common = Counter(
            [one for _, phrase in phrases if not isinstance(phrase, Fixed) for needed in phrase.needs for one in needed]
        )
        for number, (place, phrase) in enumerate(phrases):
            if isinstance(phrase, Fixed):
                fixed += [(one, (place, number, rank, len(one))) for rank, one in enumerate(phrase.strings)]
                continue
            needs = sorted(phrase.needs, key=lambda needed: sum([common[one] for one in needed]))  # the rarest first
            self._phrases[number] = place, phrase, tuple(needs[1:])
            if not needs:
                self._anywhere.append(number)
            for one in needs[0] if needs else ():
                by_need.setdefault(one, []).append(number)
        self._tree = tree_of(fixed)
        self._by_need = by_need
        self._known = frozenset(by_need)

    def find(self, text: TokenizedText) -> list[tuple[int, list[tuple[int, int]]]]:
        """Return the places of the rules that fit, in their order, each with where it does: see `PhraseBook.find`."""
        hits = self._looked_up(text.coded) + self._tried(text.coded)
        if not hits:
            return []
        hits.sort()
        starts = (*text.starts, len(text.text))
        spans: dict[int, list[tuple[int, int]]] = {}
        before = (-1, -1)
        for place, at, _, _, end in hits:
            if before != (place, at):
                spans.setdefault(place, []).append((starts[at], starts[end]))
                before = place, at
        return list(spans.items())

    def _looked_up(self, text: CodedText) -> list[_Hit]:
        codes, tree = text.codes, self._tree
        hits: list[_Hit] = []
        for at, code in enumerate(codes):
            branch = tree.get(code)
            if branch is None:
                continue
            end = at + 1
            while (following := branch.get(codes[end])) is not None:
                branch = following
                end += 1
            for place, number, rank, length in branch[""]:
                hits.append((place, at, number, rank, at + length))
        return hits

    def _tried(self, text: CodedText) -> list[_Hit]:
        present = text.present
        numbers = set(self._anywhere)
        for one in present & self._known:
            numbers.update(self._by_need[one])
        hits: list[_Hit] = []
        for number in numbers:
            place, phrase, others = self._phrases[number]
            for needed in others:
                if present.isdisjoint(needed):
                    break
            else:
                fit = phrase.fit
                hits += [
                    (place, at, number, 0, found[0])
                    for at in text.places(phrase.first, opening=phrase.opens)
                    if (found := fit(text, at))
                ]
        return hits

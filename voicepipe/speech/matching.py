"""How the phrases of rules are found in a text.

A rule has hundreds of phrases, and hardly any text has the words of one. So an element knows what a text must have for
it to fit: tokens, and pairs of neighbouring tokens. A `Finder` looks the phrases up by what the text has, and tries the
few that are left.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from voicepipe.speech.elements import Element, Fixed, tree_of
from voicepipe.speech.tokens import CodedText

_Hit = tuple[int, int, int, int]
"""Where a rule begins, its phrase's number, which of the phrase's strings it is, and where it ends."""


@dataclass(frozen=True, kw_only=True, eq=False)
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
    sections : mapping of str to sequence of Rule
    """

    def __init__(self, sections: Mapping[str, Sequence[Rule]]) -> None:
        fixed: list[tuple[str, tuple[int, ...]]] = []
        self._phrases: list[tuple[int, int, Element]] = []
        self._sections: dict[str, tuple[int, int]] = {}
        for of, (section, rules) in enumerate(sections.items()):
            first = len(self._phrases)
            phrases = [(place, phrase) for place, rule in enumerate(rules) for phrase in rule.phrases]
            for number, (place, phrase) in enumerate(phrases):
                if isinstance(phrase, Fixed):
                    fixed += [(one, (of, place, number, rank, len(one))) for rank, one in enumerate(phrase.strings)]
                else:
                    self._phrases.append((place, number, phrase))
            self._sections[section] = of, (1 << len(self._phrases)) - (1 << first)
        self._tree = tree_of(fixed)
        count = len(self._phrases)
        levels = max([len(phrase.needs) for _, _, phrase in self._phrases], default=0)
        self._shifts = [count * level for level in range(1, levels)]
        """There is a bit for each need of each phrase: first those of all phrases' first needs, and so on."""
        self._bits: dict[str, list[int]] = {}
        self._free = 0
        for at, (_, _, phrase) in enumerate(self._phrases):
            for level, needed in enumerate(phrase.needs):
                bit = at + count * level
                for one in needed:
                    self._bits.setdefault(one, []).append(bit)
            for level in range(len(phrase.needs), max(levels, 1)):
                self._free |= 1 << (at + count * level)
        self._known = frozenset(self._bits)
        self._meets: dict[str, int] = {}  # what was heard so far

    def find(self, section: str, text: CodedText) -> Iterator[tuple[int, list[tuple[int, int]]]]:
        """Yield the places of a section's rules that fit, in their order, each with where it does.

        See `PhraseBook.find_tokens`. A rule is tried when those before it were taken.
        """
        found = text.found.get(self)
        if found is None:
            found = text.found[self] = self._looked_up(text), self._possible(text)
        looked_up, possible = found
        of, own = self._sections[section]
        possible &= own
        hits: dict[int, list[_Hit]] = {}
        untried: dict[int, list[tuple[int, Element]]] = {}
        for place, hit in looked_up.get(of, ()):
            hits.setdefault(place, []).append(hit)
        while possible:
            last = possible.bit_length() - 1
            possible -= 1 << last
            place, number, phrase = self._phrases[last]
            untried.setdefault(place, []).append((number, phrase))
        for place in sorted(hits.keys() | untried.keys()):
            mine = hits.get(place, [])
            for number, phrase in untried.get(place, ()):
                fit = phrase.fit
                mine += [
                    (at, number, 0, ends[0])
                    for at in text.places(phrase.first, opening=phrase.opens)
                    if (ends := fit(text, at))
                ]
            if mine:
                mine.sort(reverse=True)
                yield place, sorted({at: (at, end) for at, _, _, end in mine}.values())

    def _looked_up(self, text: CodedText) -> dict[int, list[tuple[int, _Hit]]]:
        """Return where phrases fit that are spelled out, by section, each with its rule's place."""
        codes, tree = text.codes, self._tree
        hits: dict[int, list[tuple[int, _Hit]]] = {}
        for at, code in enumerate(codes):
            branch = tree.get(code)
            if branch is None:
                continue
            end = at + 1
            while (following := branch.get(codes[end])) is not None:
                branch = following
                end += 1
            for of, place, number, rank, length in branch[""]:
                hits.setdefault(of, []).append((place, (at, number, rank, at + length)))
        return hits

    def _possible(self, text: CodedText) -> int:
        """Return the phrases, one bit each, all of whose needs a text meets."""
        met, meets = self._free, self._meets
        for one in text.present & self._known:
            bits = meets.get(one)
            if bits is None:
                bits = meets[one] = sum([1 << bit for bit in self._bits[one]])
            met |= bits
        possible = met
        for shift in self._shifts:
            possible &= met >> shift
        return possible

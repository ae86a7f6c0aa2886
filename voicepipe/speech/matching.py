"""Phrases as elements that are put together, and how they are found in a text.

A rule has hundreds of phrases, and hardly any text has the words of one. So an element knows what a text must have for
it to fit: tokens, and pairs of neighbouring tokens. A `Finder` looks the phrases up by what the text has, and tries the
few that are left. They are tried as they are: to compile them all to regular expressions takes longer than to read
thousands of texts.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from voicepipe.speech.tokens import CodedText, TokenizedText, Vocabulary

MAX_PAIRS = 256
"""Pairs of neighbouring tokens, one of which a text must have, that are worth to be remembered for an element."""

_NONE: frozenset[str] = frozenset()
_END, _HARD, _SOFT = CodedText.END, Vocabulary.HARD, Vocabulary.SOFT

Needs = tuple[frozenset[str], ...]
Places = Sequence[int]
Fit = Callable[[CodedText, int], Places]
"""From a text and a place in its codes to where the element ends if it begins there, the preferred end first."""


class Element(NamedTuple):
    """Something that fits some sequences of tokens.

    Attributes
    ----------
    fit : callable
        As `Fit` says.
    empty : bool
        No token at all fits, too.
    first, last : frozenset of str, optional
        Codes of the tokens that what fits begins and ends with; None where it may be any.
    needs : tuple of frozenset of str
        Of each of these sets, a text must have a code, or two neighbouring ones, if the element is to fit.
    choice : str
        Codes of the tokens that fit, where all that fits is a single token; empty otherwise.
    """

    fit: Fit
    empty: bool = False
    first: frozenset[str] | None = None
    last: frozenset[str] | None = None
    needs: Needs = ()
    choice: str = ""


def one_of(codes: str) -> Element:
    """Return what fits one token of these."""
    known = frozenset(codes)

    def fit(text: CodedText, at: int) -> Places:
        return (at + 1,) if text.codes[at] in known else ()

    return Element(fit=fit, first=known, last=known, needs=(known,), choice=codes)


def _at_start(text: CodedText, at: int) -> Places:
    return (at,) if at == 0 or text.codes[at - 1] == _HARD else ()


def _at_end(text: CodedText, at: int) -> Places:
    return (at,) if text.codes[at] in (_HARD, _END) else ()


START = Element(fit=_at_start, empty=True, first=_NONE, last=_NONE)
"""Start of a sentence."""
END = Element(fit=_at_end, empty=True, first=_NONE, last=_NONE)
"""End of a sentence."""
PAUSE = one_of(_SOFT)._replace(choice="")
"""A pause within a sentence."""
_NO_WORD = frozenset((_HARD, _SOFT, _END))


def gap(least: int, most: int, *, commas: bool) -> Element:
    """Return what fits any words, as few as will do; with `commas`, pauses may lie before, between and behind them."""

    def words(text: CodedText, at: int) -> Places:
        codes, end = text.codes, at
        while end - at < most and codes[end] not in _NO_WORD:
            end += 1
        return range(at + least, end + 1)

    def words_and_pauses(text: CodedText, at: int) -> Places:
        codes, place = text.codes, at
        ends: dict[int, None] = {}
        for count in range(most + 1):
            pause = codes[place] == _SOFT
            if count >= least:
                if pause:
                    ends[place + 1] = None
                ends[place] = None
            place += pause
            if codes[place] in _NO_WORD:
                break
            place += 1
        return tuple(ends)

    return Element(fit=words_and_pauses if commas else words, empty=least == 0)


def absent(element: Element) -> Element:
    """Return what fits no token, where the element does not fit."""
    inner = element.fit

    def fit(text: CodedText, at: int) -> Places:
        return () if inner(text, at) else (at,)

    return Element(fit=fit, empty=True, first=_NONE, last=_NONE)


def optional(element: Element, *, times: int) -> Element:
    """Return what fits the element or nothing, or up to so many of it in a row, as few as will do."""
    inner, begins = element.fit, None if element.empty else element.first

    def once(text: CodedText, at: int) -> Places:
        return (at,) if begins and text.codes[at] not in begins else (*inner(text, at), at)

    def several(text: CodedText, at: int) -> Places:
        if begins and text.codes[at] not in begins:
            return (at,)
        ends: dict[int, int] = {}  # and how often more the element may fit from there
        left = [(at, times)]
        while left:
            place, more = left.pop()
            if ends.get(place, -1) < more:
                ends[place] = more
                if more:
                    left += [(end, more - 1) for end in reversed(inner(text, place))]
        return tuple(ends)

    return Element(fit=once if times == 1 else several, empty=True, first=element.first, last=element.last)


def sequence(elements: Sequence[Element]) -> Element:
    """Return what fits the elements one after the other."""
    if len(elements) == 1:
        return elements[0]
    steps = tuple([(element.fit, None if element.empty else element.first) for element in elements])

    def fit(text: CodedText, at: int) -> Places:
        codes = text.codes
        ends: Places = (at,)
        for step, begins in steps:
            if len(ends) == 1:
                if begins and codes[ends[0]] not in begins:
                    return ()
                ends = step(text, ends[0])
            else:
                found = [end for at in ends if not begins or codes[at] in begins for end in step(text, at)]
                ends = tuple(dict.fromkeys(found))
            if not ends:
                break
        return ends

    empty = True
    needs: list[frozenset[str]] = []
    first: frozenset[str] | None = _NONE
    last: frozenset[str] | None = _NONE
    behind: frozenset[str] | None = None  # how what follows begins; nothing is known of what follows the last
    for element in reversed(elements):
        if not element.empty:
            needs += element.needs
            if element.last and behind and len(element.last) * len(behind) <= MAX_PAIRS:
                needs.append(frozenset([code + other for code in element.last for other in behind]))
        if empty:  # all behind it may be empty
            last = _either(last, element.last)
        first = _either(first, element.first) if element.empty else element.first
        behind = _either(behind, element.first) if element.empty else element.first
        empty = empty and element.empty
    return Element(fit, empty, first, last, tuple(needs))


def _either(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return None
    return one | other if one and other else one or other


def any_of(alternatives: Sequence[Element]) -> Element:
    """Return what fits one of the alternatives, the earlier the better; single tokens count as the last."""
    single = "".join(dict.fromkeys("".join([element.choice for element in alternatives])))
    elements = [element for element in alternatives if not element.choice]
    if single:
        elements.append(one_of(single))
    if len(elements) == 1:
        return elements[0]
    needs = [min(element.needs, key=_breadth) for element in elements if element.needs and not element.empty]
    first: frozenset[str] | None = _NONE
    last: frozenset[str] | None = _NONE
    for element in elements:
        first, last = _either(first, element.first), _either(last, element.last)
    return Element(
        fit=_branches(elements),
        empty=any(element.empty for element in elements),
        first=first,
        last=last,
        needs=(frozenset().union(*needs),) if len(needs) == len(elements) else (),
    )


def _breadth(needed: frozenset[str]) -> tuple[int, bool]:
    return len(needed), len(next(iter(needed))) == 1


def _branches(elements: Sequence[Element]) -> Fit:
    by_code: dict[str, tuple[Fit, ...]] = {}  # of a code, the elements that can begin with it

    def fit(text: CodedText, at: int) -> Places:
        code = text.codes[at]
        fits = by_code.get(code)
        if fits is None:
            fits = by_code[code] = tuple(
                [one.fit for one in elements if one.empty or one.first is None or code in one.first]
            )
        if len(fits) == 1:
            return fits[0](text, at)
        return tuple(dict.fromkeys([end for one in fits for end in one(text, at)])) if fits else ()

    return fit


def remembered(element: Element) -> Element:
    """Return the same element, which looks at each place of a text once."""
    if element.choice:
        return element
    inner, name = element.fit, object()

    def fit(text: CodedText, at: int) -> Places:
        key = (name, at)
        ends = text.looked.get(key)
        if ends is None:
            ends = text.looked[key] = inner(text, at)
        return ends

    return element._replace(fit=fit)


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
        self._phrases: list[tuple[int, Element, Needs]] = []
        self._anywhere: list[int] = []
        by_need: dict[str, list[int]] = {}
        common = Counter([one for _, phrase in phrases for needed in phrase.needs for one in needed])
        for number, (place, phrase) in enumerate(phrases):
            needs = sorted(phrase.needs, key=lambda needed: sum([common[one] for one in needed]))  # the rarest first
            if not needs:
                self._anywhere.append(number)
            for one in needs[0] if needs else ():
                by_need.setdefault(one, []).append(number)
            self._phrases.append((place, phrase, tuple(needs[1:])))
        self._by_need = by_need
        self._known = frozenset(by_need)

    def find(self, text: TokenizedText) -> Iterator[tuple[int, list[tuple[int, int]]]]:
        """Yield the places of the rules that fit, in their order, each with where it does; see `Rule.spans`."""
        coded = text.coded
        present = coded.present
        numbers = set(self._anywhere)
        for one in present & self._known:
            numbers.update(self._by_need[one])
        ends: dict[int, dict[int, int]] = {}
        for number in sorted(numbers):
            place, phrase, others = self._phrases[number]
            for needed in others:
                if present.isdisjoint(needed):
                    break
            else:
                fit = phrase.fit
                for at in coded.places(phrase.first):
                    if found := fit(coded, at):
                        ends.setdefault(place, {}).setdefault(at, found[0])
        if not ends:
            return
        starts = (*text.starts, len(text.text))
        for place, from_to in ends.items():
            yield place, [(starts[at], starts[from_to[at]]) for at in sorted(from_to)]

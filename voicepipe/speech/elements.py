"""What phrases are made of, and how each part tells where it fits.

A phrase is put together from elements: words, alternatives, gaps. Most fit a few sequences of tokens, which are spelled
out and looked up (`Fixed`); the others are tried (`Composed`). All are tried as they are: to compile them to regular
expressions takes longer than to read thousands of texts. How an element tells where it fits is made when it is first
asked, so that elements are plain data until then and can be pickled.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, Protocol

from voicepipe.speech.tokens import CodedText, Vocabulary

MAX_STRINGS = 64
"""Sequences of tokens that are worth to be spelled out for one element."""
MAX_PAIRS = 256
"""Pairs of neighbouring tokens, one of which a text must have, that are worth to be remembered for an element."""

_NONE: frozenset[str] = frozenset()
_END, _HARD, _SOFT = CodedText.END, Vocabulary.HARD, Vocabulary.SOFT

Needs = tuple[frozenset[str], ...]
Strings = tuple[str, ...]
Places = Sequence[int]
Fit = Callable[[CodedText, int], Places]
"""From a text and a place in its codes to where the element ends if it begins there, the preferred end first."""
Tree = dict[str, Any]
"""Strings by their codes: of a code, the tree of what follows; under "", what is known of those that end so far."""


class Element(Protocol):
    """Something that fits some sequences of tokens."""

    @property
    def fit(self) -> Fit:
        """Where it fits."""

    @property
    def empty(self) -> bool:
        """Whether no token at all fits, too."""

    @property
    def first(self) -> frozenset[str] | None:
        """Codes of the tokens that what fits begins with; None where it may be any."""

    @property
    def last(self) -> frozenset[str] | None:
        """Codes of the tokens that what fits ends with; None where it may be any."""

    @property
    def needs(self) -> Needs:
        """Of each of these sets, a text must have a code, or two neighbouring ones, if the element is to fit."""

    @property
    def opens(self) -> bool:
        """Whether it fits at the start of a sentence only."""


class Fixed:
    """Fits some sequences of tokens that are spelled out.

    Parameters
    ----------
    strings : iterable of str
        The codes of each, the preferred first.

    Attributes
    ----------
    strings : tuple of str
    """

    opens = False

    def __init__(self, strings: Iterable[str]) -> None:
        self.strings = tuple(dict.fromkeys(strings))

    def __reduce__(self) -> tuple[type["Fixed"], tuple[Strings]]:
        return Fixed, (self.strings,)

    @property
    def empty(self) -> bool:
        """Whether no token at all fits, too."""
        return "" in self.strings

    @property
    def single(self) -> bool:
        """Whether all that fits is one word."""
        return all(len(string) == 1 and string != _SOFT for string in self.strings)

    @cached_property
    def first(self) -> frozenset[str]:
        """Codes of the tokens that what fits begins with."""
        return frozenset([string[0] for string in self.strings if string])

    @cached_property
    def last(self) -> frozenset[str]:
        """Codes of the tokens that what fits ends with."""
        return frozenset([string[-1] for string in self.strings if string])

    @cached_property
    def needs(self) -> Needs:
        """As of `Element`: what the strings begin with, what they end with, and what all of them have."""
        strings = self.strings
        if self.empty:
            return ()
        shared = frozenset(strings[0]).intersection(*strings[1:])
        sets = [frozenset([string[:2] for string in strings]), frozenset([string[-2:] for string in strings])]
        return tuple(dict.fromkeys([*sets, *(frozenset(code) for code in shared)]))

    @cached_property
    def fit(self) -> Fit:
        """Where it fits."""
        ranks = {string: rank for rank, string in enumerate(self.strings)}
        anyway = (0,) if "" in ranks else ()
        lengths: dict[str, Sequence[int]] = {}  # of the strings that begin with a code
        for string in ranks:
            if string:
                lengths[string[0]] = sorted({*lengths.get(string[0], anyway), len(string)})

        def look_up(text: CodedText, at: int) -> Places:
            codes = text.codes
            known = lengths.get(codes[at])
            if known is None:
                return (at,) if anyway else ()
            ends = [at + length for length in known if codes[at : at + length] in ranks]
            if len(ends) > 1:
                ends.sort(key=lambda end: ranks[codes[at:end]])
            return ends

        return look_up


class Composed:
    """Fits what a function of its parts says; see `Element`.

    Parameters
    ----------
    how : callable
        Makes `fit`.
    *parts : object
        What it makes it of.
    empty, first, last, needs, opens
        As of `Element`.
    """

    def __init__(
        self,
        how: Callable[..., Fit],
        *parts: object,
        empty: bool = False,
        first: frozenset[str] | None = _NONE,
        last: frozenset[str] | None = _NONE,
        needs: Needs = (),
        opens: bool = False,
    ) -> None:
        self._how, self._parts = how, parts
        self.empty, self.first, self.last, self.needs, self.opens = empty, first, last, needs, opens

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if name != "fit"}

    @cached_property
    def fit(self) -> Fit:
        """Where it fits."""
        return self._how(*self._parts)


def tree_of(entries: Iterable[tuple[str, tuple[int, ...]]]) -> Tree:
    """Return a tree of strings, each with what is known of it; what is known of several is sorted."""
    tree: Tree = {}
    for string, known in entries:
        branch = tree
        for code in string:
            branch = branch.setdefault(code, {})
        branch.setdefault("", []).append(known)
    left: list[tuple[Tree, list[tuple[int, ...]]]] = [(tree, [])]
    while left:
        branch, before = left.pop()
        branch[""] = found = sorted([*before, *branch.get("", ())])
        left += [(following, found) for code, following in branch.items() if code]
    return tree


def _at_start() -> Fit:
    return lambda text, at: (at,) if at == 0 or text.codes[at - 1] == _HARD else ()


def _at_end() -> Fit:
    return lambda text, at: (at,) if text.codes[at] in (_HARD, _END) else ()


START = Composed(_at_start, empty=True, opens=True)
"""Start of a sentence."""
END = Composed(_at_end, empty=True)
"""End of a sentence."""
PAUSE = Fixed([_SOFT])
"""A pause within a sentence."""
_NO_WORD = frozenset((_HARD, _SOFT, _END))


def gap(least: int, most: int, *, commas: bool) -> Element:
    """Return what fits any words, as few as will do; with `commas`, pauses may lie before, between and behind them."""
    return Composed(_gap, least, most, commas, empty=least == 0, first=None, last=None)


def _gap(least: int, most: int, commas: bool) -> Fit:  # noqa: FBT001

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

    return words_and_pauses if commas else words


def absent(element: Element) -> Element:
    """Return what fits no token, where the element does not fit."""
    return Composed(_absent, element, empty=True)


def _absent(element: Element) -> Fit:
    inner = element.fit
    return lambda text, at: () if inner(text, at) else (at,)


def optional(element: Element, *, times: int) -> Element:
    """Return what fits the element or nothing, or up to so many of it in a row, as few as will do."""
    if isinstance(element, Fixed) and (repeated := _repeated(element.strings, times)):
        return Fixed(repeated)
    return Composed(_optional, element, times, empty=True, first=element.first, last=element.last)


def _optional(element: Element, times: int) -> Fit:
    begins, fit = None if element.empty else element.first, element.fit

    def once(text: CodedText, at: int) -> Places:
        return (at,) if begins and text.codes[at] not in begins else (*fit(text, at), at)

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
                    left += [(end, more - 1) for end in reversed(fit(text, place))]
        return tuple(ends)

    return once if times == 1 else several


def _repeated(strings: Strings, times: int) -> Strings | None:
    if times == 1:
        return (*strings, "")
    if "" in strings:
        return None
    repeated: Strings = ("",)
    for _ in range(times):
        if len(strings) * len(repeated) >= MAX_STRINGS:
            return None
        repeated = ("", *[string + rest for string in strings for rest in repeated])
    return repeated


def sequence(elements: Sequence[Element]) -> Element:
    """Return what fits the elements one after the other."""
    elements = _joined(elements) if len(elements) != 1 else elements
    if len(elements) == 1:
        return elements[0]
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
    return Composed(
        _in_a_row, elements, empty=empty, first=first, last=last, needs=tuple(needs), opens=elements[0].opens
    )


def _in_a_row(elements: Sequence[Element]) -> Fit:
    steps: list[tuple[Fit, frozenset[str] | None]] = []

    def fit(text: CodedText, at: int) -> Places:
        if not steps:
            steps[:] = [(element.fit, None if element.empty else element.first) for element in elements]
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

    return fit


def _joined(elements: Sequence[Element]) -> list[Element]:
    """Return the elements with those side by side that are fixed made one, unless that is too many strings."""
    joined: list[Element] = []
    for element in elements or [Fixed([""])]:
        before = joined[-1] if joined else None
        if isinstance(element, Fixed) and isinstance(before, Fixed):
            one, other = before.strings, element.strings
            if len(one) * len(other) <= MAX_STRINGS:
                joined[-1] = Fixed([string + rest for string in one for rest in other])
                continue
        joined.append(element)
    return joined


def _either(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return None
    return one | other if one and other else one or other


def any_of(alternatives: Sequence[Element]) -> Element:
    """Return what fits one of the alternatives, the earlier the better; single words count as the last."""
    elements = by_preference(alternatives)
    if len(elements) == 1:
        return elements[0]
    needs = [min(element.needs, key=_breadth) for element in elements if element.needs and not element.empty]
    first: frozenset[str] | None = _NONE
    last: frozenset[str] | None = _NONE
    for element in elements:
        first, last = _either(first, element.first), _either(last, element.last)
    return Composed(
        _branches,
        elements,
        empty=any(element.empty for element in elements),
        first=first,
        last=last,
        needs=(frozenset().union(*needs),) if len(needs) == len(elements) else (),
        opens=all(element.opens for element in elements),
    )


def by_preference(alternatives: Sequence[Element]) -> list[Element]:
    """Return alternatives in their order, single words last, with those side by side that are fixed made one."""
    elements: list[Element] = []
    strings: list[str] = []
    for element in sorted(alternatives, key=lambda element: isinstance(element, Fixed) and element.single):
        if isinstance(element, Fixed):
            strings += element.strings
            continue
        if strings:
            elements.append(Fixed(strings))
            strings = []
        elements.append(element)
    return [*elements, Fixed(strings)] if strings else elements


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
    if isinstance(element, Fixed):
        return element
    return Composed(
        _remembered,
        element,
        empty=element.empty,
        first=element.first,
        last=element.last,
        needs=element.needs,
        opens=element.opens,
    )


def _remembered(element: Element) -> Fit:
    inner, name = element.fit, object()

    def fit(text: CodedText, at: int) -> Places:
        key = (name, at)
        ends = text.looked.get(key)
        if ends is None:
            ends = text.looked[key] = inner(text, at)
        return ends

    return fit

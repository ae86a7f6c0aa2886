"""Postal addresses: announced ones, and those with a street and a house number in them.

Cues in the language files: ``strong`` announces ("I live at"), ``ask`` is a question for it, ``code`` a postal code.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence

from voicepipe.speech.redaction.kinds import Kind, Span
from voicepipe.speech.redaction.lexicon import HAN, ROLE, Cue, Tokens
from voicepipe.speech.redaction.memory import Expectation
from voicepipe.speech.redaction.spoken_numbers import Atom

_COPULA, _LINK = ROLE["copula"], ROLE["link"]
_STREET, _DWELLING, _NOT_NAME = ROLE["street"], ROLE["dwelling"], ROLE["not_name"]
_PLACE = ROLE["place"]
_MAX_ADDRESS = 16  # tokens
_MAX_ANSWER = 24
_NUMERALS = "\\d零〇一二三四五六七八九十百"
_CHINESE_ADDRESS = re.compile(
    rf"(?:[{HAN}]{{2,3}}省)?(?:[{HAN}]{{2,3}}市)?(?:[{HAN}]{{1,4}}[区县镇])?[{HAN}]{{1,5}}?(?:大道|大街|胡同|路|街|巷|弄|道)"
    rf"[{_NUMERALS}]{{1,6}}[号弄]院?(?:[{_NUMERALS}]{{1,5}}(?:号楼|栋|幢|座|单元|楼|层|室|号|房|户))*(?:[{_NUMERALS}]{{3,4}}(?!\d))?"
)
_CHINESE_ESTATE = re.compile(  # an estate or a city part, and a building with what is in it
    rf"[{HAN}\d]{{2,16}}?(?:"
    rf"(?:花园|小区|公寓|大厦|家园|新村|新城|广场|苑|园|府|湾|里|[{_NUMERALS}]+[期区])[{_NUMERALS}]{{1,5}}(?:号楼|栋|幢|座)"
    rf"|[{_NUMERALS}]{{1,5}}(?:号楼|栋|幢|座)(?=[{_NUMERALS}]{{1,3}}单元|[{_NUMERALS}]{{3,5}}[室房号]))"
    rf"(?:[{_NUMERALS}]{{1,3}}(?:单元|门|梯))?(?:[{_NUMERALS}]{{2,5}}[室房号户]?)?(?:门口)?"
)
_BUILDING = frozenset({"楼", "栋", "幢", "座"})
_LEADS_TO = re.compile(r".*(?:[住在到寄送放址是去回搬写叫]|地址)")
_UK_CODE_ANY_CASE = re.compile(
    r"(?<![A-Za-z0-9])[a-z]{1,2}\d[a-z\d]? ?\d[abd-hjlnp-uw-z]{2}(?![A-Za-z0-9])", re.IGNORECASE
)
_MAX_TOWN = 24  # characters between a street and the postal code
_MAX_CHAIN = 14  # tokens of an address before a flat or a building
_ADJECTIVE = re.compile(r".{3,}(?:ая|ую|ой|ого|ева|ова|ина|ский|ская|ской)")
_UK_POSTCODE = re.compile(r"(?<![A-Za-z0-9])[A-Z]{1,2}\d[A-Z\d]? ?\d[ABD-HJLNP-UW-Z]{2}(?![A-Za-z0-9])")


def find_addresses(
    tokens: Tokens, atoms: Sequence[Atom], cues: Sequence[Cue], *, expected: Expectation | None, fresh: bool = False
) -> list[Span]:
    """Return postal addresses: announced ones, and those with a street and a number in them.

    With `fresh` the other side has asked for one in the utterance before.
    """
    text = tokens.text
    written = "d" in tokens.sorts
    spans = [Span(*found.span(), Kind.ADDRESS) for found in _UK_POSTCODE.finditer(text)] if written else []
    numbers = {index for atom in atoms for index in range(atom.first, atom.last)}
    announced = [cue for cue in cues if cue.kind == Kind.ADDRESS]
    if not numbers and not announced and expected is None:
        return spans
    if fresh:
        spans.extend(_answered(tokens, numbers))
    starts = {tokens.ends[cue.last - 1] for cue in announced}
    for found in _CHINESE_ADDRESS.finditer(text) if "h" in tokens.sorts else ():
        start = max([found.start(), *(place for place in starts if place < found.end())])
        while text[start] in "我你他您们在住到是从去于的和就有个":
            start += 1
        spans.append(Span(start, found.end(), Kind.ADDRESS))
    for found in _CHINESE_ESTATE.finditer(text) if _BUILDING.intersection(tokens.words) else ():
        lead = _LEADS_TO.match(found.group()[:-3])
        spans.append(Span(found.start() + (lead.end() if lead else 0), found.end(), Kind.ADDRESS))
    for index, role in enumerate(tokens.roles if tokens.seen & (_STREET | _DWELLING | _PLACE) else ()):
        if role & _STREET or (role & _PLACE and tokens.is_cased(index)):
            region = _around_street(tokens, numbers, index)
            if region:
                spans.append(Span(*tokens.places(*region), Kind.ADDRESS))
        elif expected and role & _DWELLING and index + 1 < len(tokens) and index + 1 in numbers:
            spans.append(Span(*tokens.places(index, _chain_end(tokens, numbers, index + 1)), Kind.ADDRESS))
    for cue in announced:
        if cue.strength == "code":
            first = tokens.skip(cue.last, _COPULA | _LINK)
            last = first
            while last < len(tokens) and (
                last in numbers
                or tokens.sorts[last] == "d"
                or (tokens.sorts[last] == "w" and tokens.touches(last))
                or tokens.words[last] == "-"
            ):
                last += 1
            told = first > cue.last or expected or tokens.words[cue.last - 1] in ("is", "box")
            if last > first and told:
                spans.append(Span(*tokens.places(first, last), Kind.ADDRESS))
        elif cue.strength == "strong":
            region = _announced_address(tokens, numbers, cue)
            if region:
                spans.append(Span(*tokens.places(*region), Kind.ADDRESS))
    if tokens.seen & _DWELLING:
        spans.extend(_by_dwelling(tokens, numbers))
    return [_whole(tokens, numbers, span) for span in spans] if spans and "w" in tokens.sorts else spans


def _whole(tokens: Tokens, numbers: set[int], span: Span) -> Span:
    """Return an address with the town before it, the flat before it, and the postal code behind it."""
    text, start, end = tokens.text, span.start, span.end
    code = _UK_CODE_ANY_CASE.search(text, end, end + _MAX_TOWN + 8)
    if code and code.start() - end <= _MAX_TOWN and not any(char in ".?!" for char in text[end : code.start()]):
        end = code.end()
    first = bisect_left(tokens.starts, start)
    if 0 < first < len(tokens):
        if tokens.roles[first - 1] & _DWELLING:
            first -= 1
        if first > 1 and tokens.words[first - 1] == "," and tokens.roles[first - 2] & _DWELLING:
            first -= 2
        if first > 1 and tokens.words[first - 1] == "," and first - 2 in numbers:  # "flat 4, 19 Mill Road"
            place = first - 2
            while place and place - 1 in numbers:
                place -= 1
            if place and tokens.roles[place - 1] & _DWELLING:
                first = place - 1
        town = first - 1 - (first > 1 and tokens.words[first - 1] == ",")
        before = town - 1 - (town > 1 and tokens.words[town - 1] == ".")  # "г. Тверь"
        named = town > 0 and tokens.words[before] in ("город", "г", "гор", "село", "поселок")
        if town >= 0 and tokens.sorts[town] == "w" and not tokens.roles[town] & (_NOT_NAME | _COPULA):
            if named:
                first = before
            elif town < first - 1 and tokens.is_cased(town) and not tokens.words[town].isascii():
                first = town  # "Казань, улица Баумана"
        start = tokens.starts[first]
    return Span(start, end, span.kind)


def _answered(tokens: Tokens, numbers: set[int]) -> list[Span]:
    """Return the answer to the question for an address, where there is a number and what else an address has."""
    first = tokens.skip(0, _COPULA | _LINK)
    last = tokens.clause_end(first)
    if last - first > _MAX_ANSWER or not any(index in numbers for index in range(first, last)):
        return []
    placed = any(tokens.roles[index] & (_STREET | _DWELLING | _PLACE) for index in range(first, last))
    parts = sum(tokens.words[index] == "," and tokens.is_cased(index + 1) for index in range(first, last))
    counted = any(
        tokens.roles[index] & ROLE["unit"] and not tokens.roles[index] & _STREET for index in range(first, last)
    )
    if not (placed or parts >= 2) or (counted and not placed) or tokens.roles[first] & ROLE["not_address"]:
        return []
    return [Span(*tokens.places(first, last), Kind.ADDRESS)] if last > first else []


def _by_dwelling(tokens: Tokens, numbers: set[int]) -> list[Span]:
    """Return addresses without a word for the street, by two numbered parts: "Кирова, 31, квартира 12"."""
    spans: list[Span] = []
    index = 0
    while index < len(tokens):
        if not (tokens.roles[index] & _DWELLING and index + 1 in numbers) or tokens.words[index].isascii():
            index += 1
            continue
        end = _chain_end(tokens, numbers, index + 1)
        parts = sum(bool(tokens.roles[place] & _DWELLING) and place + 1 in numbers for place in range(index, end))
        first = index
        while first and index - first < _MAX_CHAIN and (first - 1 in numbers or tokens.words[first - 1] in ",/-"):
            first -= 1
        parts += any(place in numbers for place in range(first, index))
        street = first - 1
        named = street >= 0 and tokens.sorts[street] == "w" and not tokens.roles[street] & (_NOT_NAME | _COPULA)
        if named and (tokens.is_cased(street) or _ADJECTIVE.fullmatch(tokens.words[street])) and parts >= 2:
            while first < index and tokens.sorts[first] == "p":
                first += 1
            spans.append(Span(*tokens.places(street, end), Kind.ADDRESS))
        index = max(end, index + 1)
    return spans


def _around_street(tokens: Tokens, numbers: set[int], street: int) -> tuple[int, int] | None:
    """Return an address around the word for a street, None where no house number belongs to it."""
    first = street
    while first > 0 and street - first < 4 and tokens.sorts[first - 1] == "w" and first - 1 not in numbers:
        if tokens.roles[first - 1] & (ROLE["not_street"] | ROLE["unit"]) or tokens.roles[first - 1] & _COPULA:
            break
        first -= 1
    if first < street and first - 1 in numbers:
        while first - 1 in numbers:
            first -= 1
        return first, _chain_end(tokens, numbers, street + 1)
    if tokens.words[street].isascii():
        return None
    last = street + 1
    while (
        last < len(tokens)
        and last - street <= 4
        and (tokens.sorts[last] == "w" or tokens.words[last] in ".,")
        and last not in numbers
        and not tokens.roles[last] & _DWELLING
    ):
        last += 1
    end = _chain_end(tokens, numbers, last)
    if any(index in numbers for index in range(last, end)):
        named = street > 0 and tokens.is_cased(street - 1) and not tokens.roles[street - 1] & (_NOT_NAME | _COPULA)
        return street - named, end  # "Невский проспект"
    return None


def _chain_end(tokens: Tokens, numbers: set[int], index: int) -> int:
    """Return the token after flat, house and floor numbers and capitalised place names that go on an address."""
    end = index
    while index < len(tokens) and index - end < 5:
        word = tokens.words[index]
        if index in numbers or tokens.sorts[index] == "d":
            index += 1
            end = index
        elif tokens.roles[index] & _DWELLING or word in ".,-/№" or word in ("дробь", "slash"):
            index += 1
        elif tokens.is_cased(index) and tokens.words[index - 1] == ",":
            while tokens.is_cased(index):
                index += 1
            end = index
        elif tokens.sorts[index] == "w" and tokens.touches(index) and index - 1 in numbers:
            index += 1
            end = index
        else:
            break
    return end


def _announced_address(tokens: Tokens, numbers: set[int], cue: Cue) -> tuple[int, int] | None:
    first = tokens.skip(cue.last, _COPULA)
    last = min(tokens.clause_end(first), first + _MAX_ADDRESS)
    if last <= first or tokens.roles[first] & ROLE["not_address"]:
        return None
    region = range(first, last)
    if not any(index in numbers for index in region):
        return None
    placed = any(tokens.roles[index] & (_STREET | _DWELLING) for index in region)
    begins = (
        first in numbers
        and first + 1 < last
        and tokens.sorts[first + 1] == "w"
        and not tokens.roles[first + 1] & (ROLE["unit"] | ROLE["not_street"])
    )
    named = tokens.is_cased(first) and any(
        index in numbers and not (index + 1 < len(tokens) and tokens.roles[index + 1] & ROLE["unit"])
        for index in range(first + 1, min(first + 4, last))
    )
    if not (placed or begins or named):
        return None
    end = next(
        (
            index
            for index in range(first, last - 1)
            if tokens.words[index] in ",，" and tokens.roles[index + 1] & (ROLE["not_street"] | _NOT_NAME)
        ),
        last,
    )
    while end > first and tokens.sorts[end - 1] == "p":
        end -= 1
    return first, end

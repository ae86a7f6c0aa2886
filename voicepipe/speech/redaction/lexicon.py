"""The words around private data, in every language at once: one TOML file a language in ``languages``.

The languages are read together and not chosen by the detected one: callers switch in mid-call, detection errs on the
short utterances in which numbers are read out, and the words of English, Russian and Chinese cannot be mistaken for
one another. A new language is one more file:

``[numbers.*]``
    Words for digits (``digit``), plural digits after a count ("three zeros": ``several``), 10 to 19 (``teen``), 20 to
    90 (``tens``), 100 to 900 as one word (``hundreds``), a factor of 100 (``times``), thousands and more (``scale``),
    "double" and the like (``repeat``), and the powers of ten of a positional system (``positional``).
``[words]``
    The roles that single words play, by the names in `ROLES`: among them ``letter``, what letters are called ("bravo",
    "эм"), ``correction``, what takes something back ("no, sorry"), ``homophone``, what digits are misheard as ("won"),
    ``amount``, what leads up to a sum ("total", "扣"), ``place``, what streets are called that is also said
    otherwise ("hill"), ``state``, what is said of somebody or something and is no name ("angry"), and ``given``, names
    that end like such a word ("Jared").
``[cues.*]``
    Phrases that say what the next number or words are. ``strong``: they announce it. ``weak``: they are only about the
    thing. ``cased``, ``maybe``, ``ask``, ``code``: see `voicepipe.speech.redaction.names` and ``addresses``. Of numbers
    that are nobody's secret: ``label`` ("room"), ``reference`` ("order number"), ``quantity`` ("how many"),
    ``extension``. ``dictation``: "write this down". English phrases are taken with "'s", too.

A word may end, or begin, in ``*``: any ending, any beginning.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

ROLES = (
    "filler", "homophone", "link", "copula", "unit", "year_before", "month", "ordinal", "date_link", "date_unit", "at",
    "dot", "joiner", "top_level", "mail_host", "not_mailbox", "street", "dwelling", "not_street", "title", "not_name",
    "after_name", "speaks", "patronymic", "surname", "not_password", "not_address", "told", "idiom", "letter",
    "correction", "amount", "place", "state", "given",
)  # fmt: skip
"""What a word can be; each role is one bit of `Tokens.roles`."""

ROLE = {name: 1 << place for place, name in enumerate(ROLES)}

HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff"
_HAN_CHARACTER = re.compile(f"[{HAN}]")
SENTENCE_END = frozenset(".?!。？！;；")


class Cue(NamedTuple):
    """A phrase that announces private data: tokens `first` to `last`, half open."""

    kind: str
    strength: str
    first: int
    last: int


@dataclass(slots=True)
class Tokens:
    """A text cut into words, digit groups, Han characters, marks and single other characters.

    Attributes
    ----------
    text : str
        As it was given.
    words : list of str
        Each token in lower case, "ё" as "е".
    starts, ends : list of int
        Their characters in the text, half open.
    sorts : list of str
        ``d`` digits, ``w`` word, ``h`` Han, ``m`` mark, ``p`` anything else.
    roles : list of int
        Bits of `ROLE`.
    seen : int
        All roles that occur.
    """

    text: str
    words: list[str]
    starts: list[int]
    ends: list[int]
    sorts: list[str]
    roles: list[int]
    seen: int = 0

    def __len__(self) -> int:
        return len(self.words)

    def places(self, first: int, last: int) -> tuple[int, int]:
        """Return the characters of the tokens `first` to `last`, half open."""
        return self.starts[first], self.ends[last - 1]

    def is_cased(self, index: int) -> bool:
        """Return whether there is a word that begins with a capital letter."""
        return index < len(self.words) and self.sorts[index] == "w" and self.text[self.starts[index]].isupper()

    def skip(self, index: int, roles: int) -> int:
        """Return the next token that is neither of these roles nor punctuation within a sentence."""
        while index < len(self.words) and (
            (self.sorts[index] == "p" and self.words[index] not in SENTENCE_END) or self.roles[index] & roles
        ):
            index += 1
        return index

    def clause_end(self, index: int) -> int:
        """Return where the sentence ends."""
        while index < len(self.words) and self.words[index] not in SENTENCE_END:
            index += 1
        return index

    def touches(self, index: int) -> bool:
        """Return whether nothing stands between token `index` and the one before it."""
        return index > 0 and self.ends[index - 1] == self.starts[index]


@dataclass(slots=True)
class _Node:
    """A node of the tree of phrases."""

    exact: dict[str, "_Node"] = field(default_factory=dict)
    stems: list[tuple[str, "_Node"]] = field(default_factory=list)
    cue: tuple[str, str] | None = None


class Lexicon:
    """What all languages' files say.

    Attributes
    ----------
    numbers : mapping of str to (str, int)
        Number word to its sort (``digit``, ``teen``, ...) and value.
    """

    def __init__(self, languages: Sequence[Mapping[str, Any]]) -> None:
        self.numbers: dict[str, tuple[str, int]] = {
            word: (sort, int(value))
            for language in languages
            for sort, values in language["numbers"].items()
            for value, words in values.items()
            for word in words
        }
        long_han: set[str] = set()
        self._exact: dict[str, int] = {}
        self._stems: dict[str, int] = {}
        endings: dict[int, list[str]] = {}
        for language in languages:
            for role, words in language["words"].items():
                bit = ROLE[role]
                for word in words:
                    if word.startswith("*"):
                        endings.setdefault(bit, []).append(word[1:])
                    elif word.endswith("*"):
                        self._stems[word[:-1]] = self._stems.get(word[:-1], 0) | bit
                    else:
                        self._exact[word] = self._exact.get(word, 0) | bit
                        if len(word) > 1 and _HAN_CHARACTER.search(word):
                            long_han.add(word)
        self._endings = tuple((tuple(words), bit) for bit, words in endings.items())
        self._stem_lengths = range(min(map(len, self._stems), default=1), max(map(len, self._stems), default=0) + 1)
        joined = "".join(f"|{re.escape(word)}" for word in sorted(long_han, key=len, reverse=True))
        self._token = re.compile(
            rf"(\s*)(\[[a-z][a-z_]{{1,31}}\]|\d+{joined}|[{HAN}]|[^\W\d_{HAN}]+(?:['’][^\W\d_{HAN}]+)*|\S)"
        )
        self._long_han = frozenset(long_han)
        self._phrases = _Node()
        for language in languages:
            for kind, strengths in language["cues"].items():
                for strength, phrases in strengths.items():
                    for phrase in phrases:
                        self._add(phrase, (kind, strength))
                        if phrase.isascii() and phrase[-1].isalpha():
                            self._add(f"{phrase}'s", (kind, strength))

        self._stem_beginnings = {stem[:3] for stem, _ in self._phrases.stems}

    def _add(self, phrase: str, cue: tuple[str, str]) -> None:
        node = self._phrases
        for part in phrase.split():
            words = [part] if part.endswith("*") else [found.lower() for _, found in self._token.findall(part)]
            for word in words:
                if word.endswith("*"):
                    node.stems.append((word[:-1], _Node()))
                    node = node.stems[-1][1]
                else:
                    node = node.exact.setdefault(word, _Node())
        if node.cue is None or cue[1] == "ask":
            node.cue = cue

    def read(self, text: str) -> Tokens:
        """Cut a text into tokens and look up what they are."""
        tokens = Tokens(text, [], [], [], [], [])
        words, starts, ends, sorts, roles = tokens.words, tokens.starts, tokens.ends, tokens.sorts, tokens.roles
        exact, seen, end = self._exact, 0, 0
        for space, word in self._token.findall(text.rstrip()):
            start = end + len(space)
            end = start + len(word)
            role = 0
            if not word[0].isalnum():
                sort = "p" if len(word) == 1 else "m"
            elif word[0].isdecimal():
                sort = "d"
            elif word.isascii():
                sort, word = "w", word.lower()
                role = exact.get(word, 0)
            elif word in self._long_han if len(word) > 1 else _HAN_CHARACTER.match(word):
                sort, role = "h", exact.get(word, 0)
            else:
                sort, word = "w", word.lower()
                if not word.isascii():
                    word = word.replace("ё", "е").replace("’", "'")
                    role = self._role_by_form(word)
                role |= exact.get(word, 0)
            seen |= role
            words.append(word)
            starts.append(start)
            ends.append(end)
            sorts.append(sort)
            roles.append(role)
        tokens.seen = seen
        return tokens

    def _role_by_form(self, word: str) -> int:
        role = 0
        for length in self._stem_lengths:
            if length > len(word):
                break
            role |= self._stems.get(word[:length], 0)
        for endings, bit in self._endings:
            if len(word) > 5 and word.endswith(endings):
                role |= bit
        return role

    def cues(self, tokens: Tokens) -> Iterator[Cue]:
        """Yield the phrases that announce something, the longest at each place, without overlap."""
        index, count = 0, len(tokens)
        words = tokens.words
        roots, stems = self._phrases.exact, self._stem_beginnings
        while index < count:
            word = words[index]
            if word not in roots and word[:3] not in stems:
                index += 1
                continue
            best = self._longest(words, index)
            if best is None:
                index += 1
                continue
            (kind, strength), last = best
            yield Cue(kind, strength, index, last)
            index = last

    def _longest(self, words: list[str], first: int) -> tuple[tuple[str, str], int] | None:
        best = None
        nodes = [self._phrases]
        for index in range(first, len(words)):
            word = words[index]
            following = []
            for node in nodes:
                if word in node.exact:
                    following.append(node.exact[word])
                if node.stems:
                    following += [child for stem, child in node.stems if word.startswith(stem)]
            if not following:
                break
            nodes = following
            for node in nodes:
                if node.cue:
                    best = (node.cue, index + 1)
        return best


@cache
def lexicon() -> Lexicon:
    """Return the lexicon of every language file in the package, read once."""
    folder = files("voicepipe.speech.redaction").joinpath("languages")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return Lexicon([tomllib.loads(folder.joinpath(name).read_text(encoding="utf-8")) for name in names])

r"""Phrases in data files: a small notation, read once and found among plain tokens.

A file describes one language. It is TOML::

    language = "en"                              # ISO 639-1
    script = "latin"                             # latin, cyrillic or han
    fillers = ["uh", "you know"]                 # left out of what is heard
    [rewrites]                                   # in place of what is heard
    "gonna" = "going to"
    [words]                                      # named lists, in the same notation
    person = ["[real|live] person", "agent"]
    [[request]]                                  # a rule; the reader of the file says which sections it may have
    name = "asks_for_person"
    phrases = ["[please] (give|get) me {2} <person> !(name)"]

The notation of phrases and lists:

===============  =======================================================================================================
``give me``      these words, one after the other, no punctuation between them (punctuation: ``,`` and ``^ $``)
``operator*``    a word that begins like this: inflection (``оператор*``), ``*`` at its end only
``(a|b c)``      alternatives
``[a|b]``        the same, or nothing
``[a|b]3``       up to three of these in a row, or nothing; as few as will do
``<person>``     any phrase of the list ``person`` under ``[words]``
``{3}``          up to three words, whatever they are, within one stretch without punctuation; ``{1-3}``: one to three
``{3,}``         the same, and commas may lie between them, too (never the end of a sentence)
``^`` ``$``      start, end of a sentence or of the text
``,``            a pause within a sentence: comma, dash, bracket
``!(a|b)``       what follows is none of these
===============  =======================================================================================================

Words are written as they come out of `voicepipe.speech.tokens.Tokenizer`: whatever case, ``ё`` or ``е``, ``don't``
also stands for ``dont``; in Chinese, each character is a word (a gap counts characters) and no spaces are needed.
Gaps and repetitions are bounded, so matching takes time proportional to the length of the text.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from voicepipe.speech.kept_books import kept
from voicepipe.speech.matching import Finder, Rule
from voicepipe.speech.notation import Compiler, vocabulary_of
from voicepipe.speech.tokens import TokenizedText, Tokenizer, words
from voicepipe.types import ConfigError

SCRIPTS = ("latin", "cyrillic", "han")

_HEAD = {"language", "script", "fillers", "rewrites", "words"}


@dataclass(frozen=True, kw_only=True)
class PhraseBook:
    """The rules of one language.

    Attributes
    ----------
    language : str
        ISO 639-1 code.
    script : str
        One of `SCRIPTS`: what its words are written in.
    tokenizer : Tokenizer
        Makes text ready for the rules: fillers and rewrites are those of the file.
    rules : mapping of str to tuple of Rule
        By section, in the order of the file.
    """

    language: str
    script: str
    tokenizer: Tokenizer
    rules: Mapping[str, tuple[Rule, ...]]
    _finder: Finder = field(init=False, repr=False, compare=False)

    def find(self, section: str, text: TokenizedText) -> Iterator[tuple[Rule, list[tuple[int, int]]]]:
        """Yield the rules of a section that fit a text of the book's tokenizer, in their order, with where they do.

        Where a rule fits is in positions of ``text.text``, half open, at most once from each token on, left to right.
        What is not asked for is not looked for.
        """
        for rule, places in self.find_tokens(section, text):
            yield rule, [(text.starts[first], text.starts[last]) for first, last in places]

    def find_tokens(self, section: str, text: TokenizedText) -> Iterator[tuple[Rule, list[tuple[int, int]]]]:
        """Yield what `find` does, with where in positions among ``text.tokens``."""
        rules = self.rules[section]
        for number, places in self._finder.find(section, text.coded):
            yield rules[number], places

    def __post_init__(self) -> None:
        object.__setattr__(self, "_finder", Finder(self.rules))


def load_phrases(
    *files: Path | Traversable, sections: Mapping[str, Mapping[str, type | tuple[type, ...]]], collapse: bool = True
) -> PhraseBook:
    """Read the phrases of one language; see `voicepipe.speech.kept_books` for how this is spared.

    Parameters
    ----------
    *files : Path or Traversable
        A file that comes with the package, a centre's own, or both, one after the other: later files add rules and
        words; a rule of a name that exists in the same section takes its place (``phrases = []`` switches it off);
        `language` and `script` need to be given once.
    sections : mapping of str to mapping of str to type
        Sections of rules that the files may have; for each the keys its rules must have besides ``name`` and
        ``phrases``, and their types.
    collapse : bool
        As of `Tokenizer`.

    Raises
    ------
    ConfigError
        If a file cannot be read or has anything in it that is not understood; names the file and the rule.
    """
    return kept(files, lambda: _compiled(files, sections, collapse=collapse), settings=f"{sections} {collapse}")


def _compiled(
    files: Sequence[Path | Traversable],
    sections: Mapping[str, Mapping[str, type | tuple[type, ...]]],
    *,
    collapse: bool,
) -> PhraseBook:
    head: dict[str, str] = {}
    fillers: list[str] = []
    rewrites: dict[str, str] = {}
    lists: dict[str, list[tuple[str, str]]] = {}
    found: dict[str, dict[str, tuple[str, Mapping[str, Any]]]] = {section: {} for section in sections}
    for file in files:
        content = _read(file)
        if unknown := sorted(content.keys() - _HEAD - sections.keys()):
            raise ConfigError(
                f"{file}: unknown key {unknown[0]}; known are {', '.join(sorted(_HEAD | set(sections)))}."
            )
        for key in ("language", "script"):
            if key in content:
                head[key] = _string(content[key], f"{file}: {key}")
        fillers += _strings(content.get("fillers", []), f"{file}: fillers")
        rewrites |= {
            heard: _string(meant, f"{file}: rewrites: {heard}")
            for heard, meant in _table(content.get("rewrites", {}), f"{file}: rewrites").items()
        }
        for name, phrases in _table(content.get("words", {}), f"{file}: words").items():
            where = f"{file}: list {name}"
            lists.setdefault(name, []).extend((phrase, where) for phrase in _strings(phrases, where))
        for section, keys in sections.items():
            for name, rule in _rules(content.get(section, []), f"{file}: {section}", keys=keys):
                found[section][name] = (f"{file}: rule {name}", rule)
    named = ", ".join(str(file) for file in files)
    if missing := [key for key in ("language", "script") if key not in head]:
        raise ConfigError(f"{named}: {missing[0]} is missing.")
    if head["script"] not in SCRIPTS:
        raise ConfigError(f"{named}: script {head['script']} is none of {', '.join(SCRIPTS)}.")
    for heard in (*fillers, *rewrites):
        if not words(heard):
            raise ConfigError(f"{named}: a filler or rewrite without a word: {heard!r}.")
    tokenizer = Tokenizer(fillers=fillers, rewrites=rewrites, collapse=collapse)
    everything = [phrase for phrases in lists.values() for phrase, _ in phrases]
    everything += [phrase for rules in found.values() for _, rule in rules.values() for phrase in rule["phrases"]]
    vocabulary = vocabulary_of(everything)
    tokenizer.learn(vocabulary)
    compiler = Compiler(lists, tokenizer, vocabulary)
    return PhraseBook(
        language=head["language"],
        script=head["script"],
        tokenizer=tokenizer,
        rules={
            section: tuple(
                compiler.rule(
                    name,
                    rule["phrases"],
                    where,
                    settings={key: value for key, value in rule.items() if key not in ("name", "phrases")},
                )
                for name, (where, rule) in rules.items()
                if rule["phrases"]
            )
            for section, rules in found.items()
        },
    )


def _read(file: Path | Traversable) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_bytes().decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read as a file of phrases: {error}.") from error


def _rules(
    content: object, where: str, *, keys: Mapping[str, type | tuple[type, ...]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    if not isinstance(content, list):
        raise ConfigError(f"{where}: write it as [[{where.rpartition(' ')[2]}]], once for each rule.")
    for number, entry in enumerate(content, start=1):
        rule = _table(entry, f"{where} {number}")
        name = _string(rule.get("name"), f"{where} {number}: name")
        at = f"{where} {number} ({name})"
        if unknown := sorted(rule.keys() - {"name", "phrases"} - keys.keys()):
            raise ConfigError(f"{at}: unknown key {unknown[0]}; known are name, phrases, {', '.join(sorted(keys))}.")
        rule["phrases"] = _strings(rule.get("phrases"), f"{at}: phrases")
        for key, type_ in keys.items():
            if rule["phrases"] and not (isinstance(rule.get(key), type_) and not isinstance(rule.get(key), bool)):
                raise ConfigError(f"{at}: {key} is missing or of another type than it should be.")
        yield name, rule


def _table(content: object, where: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise ConfigError(f"{where}: a table is expected.")
    return content


def _string(content: object, where: str) -> str:
    if not isinstance(content, str):
        raise ConfigError(f"{where}: a text is expected.")
    return content


def _strings(content: object, where: str) -> list[str]:
    if not isinstance(content, list) or not all(isinstance(item, str) for item in content):
        raise ConfigError(f"{where}: a list of texts is expected.")
    return content

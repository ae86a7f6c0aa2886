"""Cues: phrases that a conversation is read by, found once for all that read them.

The phrases of a language stand in one file under ``data/``, in the notation of `voicepipe.speech.phrases`. A centre
adds its own with a folder of files of the same names (``en.toml``): their rules are added, and a rule of a name that
exists takes its place.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from voicepipe.conversation.wording import Quote, count_words, quote, said, sentences
from voicepipe.speech.phrases import PhraseBook, load_phrases
from voicepipe.types import Channel, ConfigError, ScoredUtterance

KINDS: Mapping[str, Channel | None] = {
    "greeting": Channel.AGENT,
    "introduction": Channel.AGENT,
    "own_name": Channel.AGENT,
    "address": Channel.AGENT,
    "empathy": Channel.AGENT,
    "apology": Channel.AGENT,
    "acknowledgement": Channel.AGENT,
    "restating": Channel.AGENT,
    "ownership": Channel.AGENT,
    "next_step": Channel.AGENT,
    "closing": Channel.AGENT,
    "rushing": Channel.AGENT,
    "dismissive": Channel.AGENT,
    "hold": Channel.AGENT,
    "transfer": Channel.AGENT,
    "transferred": Channel.CALLER,
    "repeat_request": Channel.AGENT,
    "done": Channel.AGENT,
    "promise": Channel.AGENT,
    "self_name": Channel.CALLER,
    "repeated": Channel.CALLER,
    "contact_again": Channel.CALLER,
    "resolved": Channel.CALLER,
    "unresolved": Channel.CALLER,
    "thanks": Channel.CALLER,
    "human_request": Channel.CALLER,
    "reason": Channel.CALLER,
    "want": Channel.CALLER,
    "ask": Channel.CALLER,
    "problem": Channel.CALLER,
    "tried": Channel.CALLER,
    "asks_tried": Channel.AGENT,
    "question": None,
    "amount": None,
    "social": None,
}
"""The kinds of cue (sections of a file), and the side from whose mouth they count; None: from both."""

_SECTIONS: Mapping[str, Mapping[str, type]] = {kind: {} for kind in KINDS} | {"except": {"of": list}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """A phrase that was found.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    rule : str
        Name of the rule in the file.
    utterance : ScoredUtterance
    start, end : int
        Characters of the utterance's text, half open.
    """

    kind: str
    rule: str
    utterance: ScoredUtterance
    start: int
    end: int

    @property
    def words(self) -> str:
        """The words that were found, as they stand in the transcript."""
        return said(self.utterance)[self.start : self.end]

    @property
    def quote(self) -> Quote:
        """The words as a quote."""
        return quote(self.utterance, self.words)

    @property
    def place(self) -> tuple[Channel, int]:
        """Channel and index of the utterance."""
        return self.utterance.channel, self.utterance.index


@dataclass(frozen=True, slots=True)
class Cues:
    """All cues of a conversation, in order of time.

    Parameters
    ----------
    found : tuple of Cue
    read : frozenset of (Channel, int)
        Channel and index of the utterances whose language has a book: of the others it is not known what they hold.
    """

    found: tuple[Cue, ...]
    read: frozenset[tuple[Channel, int]]

    def cover(self, utterances: Iterable[ScoredUtterance]) -> bool:
        """Tell whether at least half of the words of some utterances were read; False where nothing was said."""
        words = {True: 0, False: 0}
        for utterance in utterances:
            words[(utterance.channel, utterance.index) in self.read] += count_words(said(utterance))
        return words[True] > 0 and words[True] >= words[False]

    def of(self, *kinds: str, by: Channel | None = None) -> tuple[Cue, ...]:
        """Return the cues of some kinds, of one side where given."""
        return tuple(cue for cue in self.found if cue.kind in kinds and by in (None, cue.utterance.channel))

    def places(self, *kinds: str) -> frozenset[tuple[Channel, int]]:
        """Return channel and index of the utterances with such a cue."""
        return frozenset(cue.place for cue in self.of(*kinds))

    def closing(self, *kinds: str) -> frozenset[tuple[Channel, int]]:
        """Return channel and index of the utterances whose last sentence has such a cue and no full stop."""
        return frozenset(
            cue.place
            for cue in self.of(*kinds)
            if not said(cue.utterance).endswith((".", "!", "。", "！"))
            and cue.start >= sentences(cue.utterance)[-1].start
        )


@cache
def load_books(folder: Path | None = None) -> Mapping[str, PhraseBook]:
    """Read the phrases of all languages, and a centre's own on top; once per folder, about a second.

    A server calls it when it starts, with the folder of its settings, and hands the books on: then no call waits for
    them. What a folder holds is read once in the life of a process.

    Parameters
    ----------
    folder : Path, optional
        Folder with the centre's files, ``<language>.toml`` each; a new language is a new file.

    Raises
    ------
    ConfigError
        If the folder does not exist or a file is not understood; names the setting, and the file.
    """
    if folder is not None and not folder.is_dir():
        raise ConfigError(
            f"conversation_phrases: {folder} is no folder; name the one with your files of phrases, or leave the "
            "setting out."
        )
    try:
        return _read_books(folder)
    except ConfigError as error:
        if folder is None:
            raise
        raise ConfigError(f"conversation_phrases: {error}") from error


def _read_books(folder: Path | None) -> Mapping[str, PhraseBook]:
    ours = {file.name: file for file in files("voicepipe.conversation").joinpath("data").iterdir()}
    theirs = {file.name: file for file in sorted(folder.glob("*.toml"))} if folder else {}
    books = [
        load_phrases(*[files_[name] for files_ in (ours, theirs) if name in files_], sections=_SECTIONS)
        for name in sorted(ours.keys() | theirs.keys())
        if name.endswith(".toml")
    ]
    return {book.language: book for book in books}


def find_cues(
    utterances: Iterable[ScoredUtterance], *, language: str | None = None, books: Mapping[str, PhraseBook] | None = None
) -> Cues:
    """Find the cues in what was said.

    A phrase of the ``except`` section takes away what it overlaps with ("I am *not sorry*"), of the kinds it names. Of
    overlapping cues of one kind only the longest stays. On a mixed track, cues of both sides count: nobody knows whose
    they are.

    Parameters
    ----------
    utterances : sequence of ScoredUtterance
        In order of time.
    language : str, optional
        ISO 639-1 code in place of what the transcripts say of themselves.
    books : mapping of str to PhraseBook, optional
        From `load_books`; the package's own otherwise. An utterance in a language without a book is not read.
    """
    books = load_books() if books is None else books
    found: list[Cue] = []
    read: set[tuple[Channel, int]] = set()
    for utterance in utterances:
        if said(utterance) and utterance.transcript:
            book = books.get(language or utterance.transcript.language)
            if book is not None:
                found += _in_utterance(utterance, book)
                read.add((utterance.channel, utterance.index))
    return Cues(tuple(found), frozenset(read))


def _in_utterance(utterance: ScoredUtterance, book: PhraseBook) -> Sequence[Cue]:
    text = book.tokenizer(said(utterance))
    exceptions = [(span, frozenset(rule.settings["of"])) for rule, spans in book.find("except", text) for span in spans]
    cues: list[Cue] = []
    for kind, side in KINDS.items():
        if side is not None and utterance.channel not in (side, Channel.MIXED):
            continue
        taken: list[tuple[int, int, str]] = []
        for rule, spans in book.find(kind, text):
            for start, end in spans:
                if not any(kind in of and start < last and first < end for (first, last), of in exceptions):
                    taken.append((start, end, rule.name))
        for start, end, name in _longest(taken):
            first, last = text.span(start, end)
            cues.append(Cue(kind=kind, rule=name, utterance=utterance, start=first, end=last))
    return sorted(cues, key=lambda cue: cue.start)


def _longest(spans: Sequence[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    kept: list[tuple[int, int, str]] = []
    for start, end, name in sorted(spans, key=lambda span: (span[0] - span[1], span)):
        if all(end <= first or last <= start for first, last, _ in kept):
            kept.append((start, end, name))
    return kept

"""The room of a handoff: how many words each part may take, and what is left of them."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import chain

from voicepipe.conversation.note import (
    LABEL_CHARACTERS,
    LABEL_WORDS,
    LETTERS_PER_CHARACTER,
    MAX_CHARACTERS,
    MAX_WORDS,
    stands_in,
)
from voicepipe.conversation.salience import shorten
from voicepipe.conversation.wording import Quote, Unit, count_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Most words of each part, and fewest of a piece, of one that is cut short and of an opening."""

    total: int
    want: int
    promise: int
    question: int
    tried: int
    last: int
    reserved: int
    least: int
    cut: int
    opening: int


WORDS = Sizes(
    total=MAX_WORDS - LABEL_WORDS,
    want=24,
    promise=24,
    question=14,
    tried=18,
    last=10,
    reserved=16,
    least=3,
    cut=7,
    opening=5,
)
"""Of a language with spaces."""
CHARACTERS = Sizes(
    total=MAX_CHARACTERS - LABEL_CHARACTERS,
    want=34,
    promise=26,
    question=20,
    tried=20,
    last=14,
    reserved=24,
    least=4,
    cut=10,
    opening=6,
)
"""Of one without, where each character counts: more are needed to say the same."""
SIZES: Mapping[Unit, Sizes] = {
    "words": WORDS,
    "characters": CHARACTERS,
    "letters": Sizes(**{name: size * LETTERS_PER_CHARACTER for name, size in asdict(CHARACTERS).items()}),
}


class Room:
    """Counts what is left of the words, and what was quoted already.

    Parameters
    ----------
    sizes : Sizes
    """

    def __init__(self, sizes: Sizes) -> None:
        self._left = sizes.total
        self._cut = sizes.cut
        self._quoted: list[Quote] = []

    def take(self, pieces: Iterable[Quote], *, reserved: int = 0) -> tuple[Quote, ...]:
        """Take what is new, as far as it fits, in order of importance; return it in order of time."""
        taken = []
        for whole in pieces:
            room = self._left - reserved
            piece = shorten(whole, room) if room >= self._cut else whole
            if count_words(piece.text) <= room and not stands_in(piece, self._quoted):
                self._left -= count_words(piece.text)
                self._quoted.append(piece)
                taken.append(piece)
        return in_order(taken)

    def keep(self, pieces: Iterable[Quote], *, reserved: int) -> tuple[Quote, ...]:
        """Return those that stand in what was taken or that fit, the last first; return them in order of time."""
        kept = [p for p in reversed([*pieces]) if stands_in(p, self._quoted) or self.take([p], reserved=reserved)]
        return tuple(reversed(kept))

    def count(self, piece: Quote) -> None:
        """Take a piece whether or not it was quoted before."""
        self._left -= count_words(piece.text)

    @property
    def left(self) -> int:
        """Words that are left."""
        return self._left


def in_order(*pieces: Iterable[Quote]) -> tuple[Quote, ...]:
    """Return quotes in order of time."""
    return tuple(sorted(chain(*pieces), key=lambda piece: piece.start_s))

"""The handoff as a note for the next agent: its parts, and its text in the reader's language."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from voicepipe.conversation.trend import Direction
from voicepipe.conversation.wording import Quote, Unit, count_words, unit_of
from voicepipe.types import Channel

LABEL_WORDS = 14
"""Words that the labels and the mood take at most in English and Russian."""
LABEL_CHARACTERS = 24
"""The same for the labels in Chinese, of which each character counts."""
MAX_WORDS = 120
"""Words of the whole text, labels included."""
MAX_CHARACTERS = 160
"""The same for a language without spaces, counted in characters without punctuation: a Chinese word has about one and
a half of them, so this is some 110 words."""
LETTERS_PER_CHARACTER = 3
"""A Thai word has about four letters and a half: as many more than characters of a Chinese one."""
_LIMITS: Mapping[Unit, int] = {
    "words": MAX_WORDS,
    "characters": MAX_CHARACTERS,
    "letters": MAX_CHARACTERS * LETTERS_PER_CHARACTER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mood:
    """How the caller's stress went so far.

    Attributes
    ----------
    direction : {'rising', 'falling', 'steady'}
    before, now : float
        Mean stress, 0..1, of the first and the last third of the scored speech.
    """

    direction: Direction
    before: float
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Handoff:
    """What was said in a call, in quotes.

    Attributes
    ----------
    wants : tuple of Quote
        What the caller wants: the sentence that says it, at most two, and its continuation where it was cut.
    tried : tuple of Quote
        What the caller and the agent did about it already.
    promises : tuple of Quote
        What the agent said would happen.
    amounts : tuple of Quote
        Sums of money that were named; they are not private data and are not redacted.
    question : Quote or None
        A question that nobody has answered.
    mood : Mood or None
        None with too few scored utterances.
    last_turns : tuple of Quote
        The end of the last turns, oldest first.
    language : str or None
        ISO 639-1 code of the transcript; None where nothing was said.
    """

    wants: tuple[Quote, ...]
    tried: tuple[Quote, ...]
    promises: tuple[Quote, ...]
    amounts: tuple[Quote, ...]
    question: Quote | None
    mood: Mood | None
    last_turns: tuple[Quote, ...]
    language: str | None

    def to_text(self, language: str | None = None) -> str:
        """Return it as a few lines of text: at most `MAX_WORDS` words, or `MAX_CHARACTERS` characters.

        Of letters (Thai and its like) there may be `LETTERS_PER_CHARACTER` times as many as characters. An ellipsis
        stands where a sentence was cut. Labels in another language than the quotes may take more room: then the oldest
        of the last turns are left out.

        Parameters
        ----------
        language : str, optional
            Of the labels: ``en``, ``ru``, ``zh``; that of the transcript otherwise, English where there are no labels.
            The quotes stay in the language in which they were said.
        """
        label = _LABELS.get(language or self.language or "", _LABELS["en"])
        shown = [*self.wants, *self.tried, *self.promises]
        question = [self.question] if self.question and not stands_in(self.question, shown) else []
        sums = [amount for amount in self.amounts if not stands_in(amount, [*shown, *question])]
        lines = [
            f"{label[name]}: {_joined(quotes)}"
            for name, quotes in (
                ("wants", self.wants),
                ("tried", self.tried),
                ("promises", self.promises),
                ("amounts", sums),
                ("question", question),
            )
            if quotes
        ]
        if self.mood:
            lines.append(f"{label['mood']}: {label[self.mood.direction]} ({self.mood.before:.1f}→{self.mood.now:.1f})")
        limit = _LIMITS[unit_of(self.language)]
        for first in range(len(self.last_turns)):
            turns = " ".join(f"{label[turn.channel]}: “{turn.marked}”" for turn in self.last_turns[first:])
            text = "\n".join([*lines, f"{label['last']}: {turns}"])
            if count_words(text) <= limit:
                return text
        return "\n".join(lines)


_LABELS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "wants": "Wants",
        "tried": "Tried",
        "promises": "Promised",
        "amounts": "Amounts",
        "question": "Open",
        "mood": "Stress",
        "last": "Last",
        "rising": "rising",
        "falling": "falling",
        "steady": "steady",
        Channel.CALLER: "Caller",
        Channel.AGENT: "Agent",
        Channel.MIXED: "Speaker",
    },
    "ru": {
        "wants": "Просит",
        "tried": "Пробовали",
        "promises": "Обещано",
        "amounts": "Суммы",
        "question": "Вопрос",
        "mood": "Стресс",
        "last": "Последнее",
        "rising": "растёт",
        "falling": "падает",
        "steady": "ровный",
        Channel.CALLER: "Клиент",
        Channel.AGENT: "Оператор",
        Channel.MIXED: "Голос",
    },
    "zh": {
        "wants": "诉求",
        "tried": "已试",
        "promises": "承诺",
        "amounts": "金额",
        "question": "待答",
        "mood": "情绪",
        "last": "最后",
        "rising": "上升",
        "falling": "下降",
        "steady": "平稳",
        Channel.CALLER: "客户",
        Channel.AGENT: "坐席",
        Channel.MIXED: "某方",
    },
}


def stands_in(piece: Quote, others: Iterable[Quote]) -> bool:
    """Tell whether a quote stands within another one of the same utterance."""
    return any((piece.channel, piece.index) == (q.channel, q.index) and piece.text in q.text for q in others)


def _joined(quotes: Iterable[Quote]) -> str:
    return " ".join(f"“{piece.marked}”" for piece in quotes)

"""Which sentences of a call say the most: scored by cues, place and length, and cut to what matters in them."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from voicepipe.conversation.cues import Cue, Cues
from voicepipe.conversation.wording import Quote, Sentence, is_marked, quote, said, sentences, tokens
from voicepipe.types import Channel, ScoredUtterance

REQUEST_WEIGHTS = {"reason": 3.0, "want": 2.5, "problem": 2.0}
"""What a cue of these kinds adds to a sentence that may say why the caller calls."""
_OFF_TOPIC = {"human_request": -2.5, "thanks": -1.0, "tried": -1.5, "resolved": -2.0, "repeated": -0.5}
_SMALL_TALK = -2.5
_SMALL_TALK_REST = 4
_EARLY = 3.0
_EARLY_SENTENCES = 4.0
_PAUSE = re.compile(r"[,，、;；:：—–]\s*|(?<=[\u4e00-\u9fff])\s+")
_MONEY = re.compile(
    r"[$€£¥₽]\s?\d[\d.,]*\d|[$€£¥₽]\s?\d|\d[\d.,\s]*(?:[$€£¥₽]|(?:usd|eur|gbp|rub|dollars?|bucks|euros?|pounds?|cents?"
    r"|percent|руб\w*|тысяч\w*|тыс|копе\w*|доллар\w*|евро|гривен|тенге|процент\w*|миллион\w*)\b|块钱|块|元|万|美元|%)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A sentence with its cues.

    Attributes
    ----------
    sentence : Sentence
    cues : tuple of Cue
        Those that begin in it.
    position : int
        0, 1, 2, ... among the passages of its side that are more than small talk.
    """

    sentence: Sentence
    cues: tuple[Cue, ...]
    position: int

    @property
    def channel(self) -> Channel:
        """Whose it is."""
        return self.sentence.utterance.channel

    @property
    def order(self) -> tuple[float, int]:
        """Place in the call."""
        return self.sentence.utterance.start_s, self.sentence.start

    def has(self, *kinds: str) -> bool:
        """Tell whether there is a cue of one of these kinds."""
        return any(cue.kind in kinds for cue in self.cues)

    @property
    def small_talk(self) -> bool:
        """Tell whether this is a greeting, a name or a number and hardly a word more."""
        spans = [(cue.start, cue.end) for cue in self.cues if cue.kind in ("social", "self_name", "closing")]
        start = self.sentence.start
        rest = [
            word
            for word in tokens(self.sentence.text)
            if not any(first <= start + word.start() < last for first, last in spans)
        ]
        return bool(spans) and len(rest) < _SMALL_TALK_REST and not is_request(self)

    @property
    def asks(self) -> bool:
        """Tell whether this is a question, by its mark or, where nothing is punctuated, by its words."""
        text = self.sentence.text.rstrip("\"'»” ")
        return text.endswith(("?", "？")) or (not text.endswith((".", "!", "。", "！")) and self.has("question"))


def passages(heard: Sequence[ScoredUtterance], cues: Cues) -> tuple[Passage, ...]:
    """Return all sentences of a call in order of time, each with its cues."""
    by_place: dict[tuple[Channel, int], list[Cue]] = {}
    for cue in cues.found:
        by_place.setdefault(cue.place, []).append(cue)
    found: list[Passage] = []
    counts: dict[Channel, int] = {}
    for utterance in heard:
        for sentence in sentences(utterance):
            end = sentence.start + len(sentence.text)
            own = [
                cue
                for cue in by_place.get((utterance.channel, utterance.index), ())
                if sentence.start <= cue.start < end
            ]
            passage = Passage(sentence=sentence, cues=tuple(own), position=counts.get(utterance.channel, 0))
            if is_request(passage) or (sentence.words > 3 and not passage.small_talk):
                counts[utterance.channel] = passage.position + 1
            found.append(passage)
    return tuple(found)


def request_score(passage: Passage) -> float:
    r"""Score how much a caller's sentence says what the call is about.

    The cues of each kind in `REQUEST_WEIGHTS` count once, and half for every further one up to three; what was tried,
    thanks and the wish for another agent take away, greetings and names where nothing else is said. Length adds
    :math:`\log_2` of the words (up to 24). Callers say why they call in their first turns: an early place adds up to 3,
    falling by 1/e every four sentences that say something.
    """
    score = 0.0
    for kind, weight in REQUEST_WEIGHTS.items():
        count = sum(cue.kind == kind for cue in passage.cues)
        score += weight * (min(count, 3) + 1) / 2 if count else 0.0
    score += sum(weight for kind, weight in _OFF_TOPIC.items() if passage.has(kind))
    if passage.small_talk:
        score += _SMALL_TALK
    words = passage.sentence.words
    score += 0.6 * math.log2(1 + min(words, 24)) + _EARLY * math.exp(-passage.position / _EARLY_SENTENCES)
    if words < 3 and not is_request(passage):
        score -= 3.0
    return score - (1.0 if is_marked(passage.sentence.text) else 0.0)


def ask_score(passage: Passage, *, place: float) -> float:
    r"""Score how well a caller's sentence says what is to be done.

    Each cue of an ask, up to two, counts 2, one of a wish 1; what was tried, a question and the wish for another agent
    take away. Length adds :math:`0.6\log_2` of the words (up to 24). Callers become plainer as a call goes on: the end
    of the call adds 1.5.

    Parameters
    ----------
    passage : Passage
    place : float
        Of the sentence among the caller's, 0..1.
    """
    score = 2.0 * min(sum(cue.kind == "ask" for cue in passage.cues), 2) + passage.has("want") + 1.5 * place
    score -= 1.5 * passage.has("tried") + 2.5 * passage.has("human_request") + passage.has("thanks") + passage.asks
    return score + 0.6 * math.log2(1 + min(passage.sentence.words, 24))


def is_request(passage: Passage) -> bool:
    """Tell whether a sentence has a cue of why the caller calls."""
    return passage.has(*REQUEST_WEIGHTS)


def clip(passage: Passage, *, limit: int, kinds: Iterable[str] = ()) -> Quote:
    """Quote a sentence, or at most `limit` words of it that hold its first cue of these kinds.

    Parameters
    ----------
    passage : Passage
    limit : int
        Most words, as `voicepipe.conversation.wording.count_words` counts.
    kinds : iterable of str
        What must be in it if not all fits; the start of the sentence where it has none of them. It begins with the
        earliest clause from which that of the cue still fits; where that clause is too long, with the cue, or earlier
        where fewer than `limit` words follow.
    """
    sentence = passage.sentence
    words = tokens(sentence.text)
    if len(words) <= limit:
        return sentence.quote
    wanted = set(kinds)
    cue = min((cue.start - sentence.start for cue in passage.cues if cue.kind in wanted), default=0)
    at = next((place for place, word in enumerate(words) if word.end() > cue), 0)
    pauses = [match.end() for match in _PAUSE.finditer(sentence.text)]
    clauses = [
        0,
        *(n for n, word in enumerate(words) if n and any(words[n - 1].end() < p <= word.start() for p in pauses)),
    ]
    end = next((n for n in clauses if n > at), len(words))
    first = next((n for n in clauses if n <= at and end - n <= limit), min(at, len(words) - limit))
    end = min(first + limit, len(words))
    piece = quote(sentence.utterance, sentence.text[words[first].start() : words[end - 1].end()])
    return replace(piece, cut_before=first > 0, cut_after=end < len(words))


def shorten(piece: Quote, limit: int) -> Quote:
    """Return the first words of a quote, at most `limit` (1 or more)."""
    words = tokens(piece.text)
    if len(words) <= limit:
        return piece
    return replace(piece, text=piece.text[: words[limit - 1].end()], cut_after=True)


def amounts(heard: Iterable[ScoredUtterance], cues: Cues) -> tuple[Quote, ...]:
    """Quote the sums of money that were said, each once, in order of time."""
    spoken: dict[tuple[Channel, int], list[Cue]] = {}
    for cue in cues.of("amount"):
        spoken.setdefault(cue.place, []).append(cue)
    found: dict[str, Quote] = {}
    for utterance in heard:
        text = said(utterance)
        spans = [match.span() for match in _MONEY.finditer(text)]
        spans += [
            (cue.start, cue.end)
            for cue in spoken.get((utterance.channel, utterance.index), ())
            if all(cue.end <= start or end <= cue.start for start, end in spans)
        ]
        for start, end in sorted(spans):
            words = text[start:end].strip(" ,.")
            found.setdefault(words.casefold(), quote(utterance, words))
    return tuple(found.values())

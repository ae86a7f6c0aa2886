"""One conversation, measured from all sides; the same live and in batch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from voicepipe.conversation.cues import find_cues
from voicepipe.conversation.handoff import handoff
from voicepipe.conversation.note import Handoff
from voicepipe.conversation.satisfaction import ServiceEstimate, estimate_service
from voicepipe.conversation.spurts import TurnConfig
from voicepipe.conversation.trend import StressTrend, measure_trend
from voicepipe.conversation.turns import TurnTaking, measure_turns
from voicepipe.conversation.warmth import Warmth, measure_warmth
from voicepipe.conversation.wording import in_time
from voicepipe.speech.phrases import PhraseBook
from voicepipe.types import Channel, ScoredUtterance


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What one call, or the call so far, was like.

    Attributes
    ----------
    turns : TurnTaking
    stress : StressTrend
    warmth : Warmth
    service : ServiceEstimate
    handoff : Handoff
    """

    turns: TurnTaking
    stress: StressTrend
    warmth: Warmth
    service: ServiceEstimate
    handoff: Handoff


def measure_conversation(
    utterances: Iterable[ScoredUtterance],
    *,
    duration_s: float,
    channels: Sequence[Channel],
    language: str | None = None,
    queue_median_s: float | None = None,
    ended: bool = True,
    books: Mapping[str, PhraseBook] | None = None,
    config: TurnConfig | None = None,
) -> Conversation:
    """Measure one conversation.

    Parameters
    ----------
    utterances : iterable of ScoredUtterance
        Of one call, all channels, in any order.
    duration_s : float
        Length of the call, or of the call so far.
    channels : sequence of Channel
        The tracks that were recorded (`Call.channels`).
    language : str, optional
        ISO 639-1 code, in place of what the transcripts say of themselves.
    queue_median_s : float, optional
        Median length of the queue's calls.
    ended : bool
        False while the call goes on.
    books : mapping of str to PhraseBook, optional
        From `voicepipe.conversation.cues.load_books`, with a centre's own phrases; the package's own otherwise.
    config : TurnConfig, optional
        With the padding of the segmenter that cut the utterances.
    """
    heard = in_time(utterances)
    cues = find_cues(heard, language=language, books=books)
    turns = measure_turns(
        heard,
        duration_s=duration_s,
        channels=channels,
        holds=cues.places("hold"),
        questions=cues.closing("question"),
        config=config,
    )
    stress = measure_trend(heard, turns=turns.turns)
    return Conversation(
        turns=turns,
        stress=stress,
        warmth=measure_warmth(heard, cues=cues, turns=turns, ended=ended),
        service=estimate_service(heard, cues=cues, turns=turns, stress=stress, queue_median_s=queue_median_s),
        handoff=handoff(heard, language=language, cues=cues),
    )

"""A call as its page tells it, live or past: what was said, how the caller sounded, what the next agent must know."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from voicepipe.conversation.call import Conversation, measure_conversation
from voicepipe.conversation.spurts import TurnConfig
from voicepipe.conversation.wording import in_time
from voicepipe.events.inquiries import KeptCall, KeptEpisode
from voicepipe.speech.phrases import PhraseBook
from voicepipe.speech.redaction.kinds import MARK
from voicepipe.types import Basis, Call, Channel, Episode, Reason, Scope, ScoredUtterance
from voicepipe.web.board import LiveCall
from voicepipe.web.language import Language
from voicepipe.web.wording import deviations_in_words, frustration_in_words, level_of, request_in_words

Told: TypeAlias = Literal["refused", "withdrawn", "unrecognised", "nothing", "unscored", "wordless", "mixed"]
"""What a page says of consent, of what is not kept, and of tracks that cannot be told apart."""

_REFUSED: Mapping[Basis | None, Told] = {
    Basis.NONE: "refused",
    Basis.WITHDRAWN: "withdrawn",
    Basis.UNRECOGNISED: "unrecognised",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One call.

    Attributes
    ----------
    call : Call
    language : str, optional
        ISO 639-1 code, as given or as heard.
    is_live : bool
    length_s : float
        Of the call, or of the call so far.
    coverage : float, optional
        Share of the speech whose analysis was complete, 0..1; None where it is not known.
    scope : Scope, optional
        What may be analysed since the caller's consent changed; None where it did not.
    utterances : tuple of ScoredUtterance
        In order of time.
    episodes : tuple of KeptEpisode
        In order of time.
    """

    call: Call
    language: str | None
    is_live: bool
    length_s: float
    coverage: float | None
    scope: Scope | None
    utterances: tuple[ScoredUtterance, ...]
    episodes: tuple[KeptEpisode, ...]

    @property
    def epoch(self) -> str:
        """What stays as long as nothing that was shown has to vanish: consent."""
        return f"{self.call.basis or ''}-{self.scope or ''}"

    @property
    def counts(self) -> dict[str, int]:
        """How far each channel was told: one more than its highest index."""
        found: dict[str, int] = {}
        for one in self.utterances:
            found[one.channel.value] = max(found.get(one.channel.value, 0), one.index + 1)
        return found


def live_story(live: LiveCall, utterances: Sequence[ScoredUtterance], episodes: Sequence[Episode]) -> Story:
    """Return the story of a call in progress, from what the board holds."""
    return Story(
        call=live.call,
        language=live.language,
        is_live=live.ended is None,
        length_s=max(live.now_s, live.heard_s),
        coverage=live.coverage.ratio,
        scope=live.scope,
        utterances=in_time(utterances),
        episodes=tuple(
            KeptEpisode(
                channel=one.channel,
                index=one.index,
                opened_s=one.opened_s,
                closed_s=one.closed_s,
                peak=one.peak,
                mean=one.mean,
                reasons=one.reasons,
            )
            for one in sorted(episodes, key=lambda one: one.opened_s)
        ),
    )


def past_story(kept: KeptCall) -> Story:
    """Return the story of a call that the store keeps."""
    heard_s = max((one.end_s for one in kept.utterances), default=0.0)
    return Story(
        call=kept.call,
        language=kept.language,
        is_live=False,
        length_s=heard_s if kept.duration_s is None else kept.duration_s,
        coverage=kept.coverage,
        scope=None,
        utterances=in_time(kept.utterances),
        episodes=kept.episodes,
    )


def measure(
    story: Story, *, books: Mapping[str, PhraseBook] | None = None, turns: TurnConfig | None = None
) -> Conversation:
    """Measure the conversation of a story; takes about a third of a second for one of two hours."""
    return measure_conversation(
        story.utterances,
        duration_s=story.length_s,
        channels=story.call.channels,
        language=story.language,
        ended=not story.is_live,
        books=books,
        config=turns,
    )


def told_of(story: Story) -> tuple[Told, ...]:
    """Return what the page has to say of consent and of what is not there."""
    told: list[Told] = []
    if story.call.basis in _REFUSED:
        told.append(_REFUSED[story.call.basis])
    callers = [one for one in story.utterances if one.channel is not Channel.AGENT]
    if not story.utterances and not story.is_live:
        told.append("nothing")
    if callers and not told and all(one.score is None for one in callers):
        told.append("unscored")
    if story.utterances and all(one.transcript is None for one in story.utterances):
        told.append("wordless")
    if Channel.MIXED in story.call.channels:
        told.append("mixed")
    return tuple(told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a redacted text: words, or the mark of what stood there.

    Attributes
    ----------
    text : str
        The words; of a mark, what kind of private data it was, in the viewer's language.
    is_mark : bool
    """

    text: str
    is_mark: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One utterance as it stands in the transcript.

    Attributes
    ----------
    key : str
        Id within the page.
    channel : str
    index : int
    start_s, end_s : float
    pieces : tuple of Piece
        Empty where nothing was transcribed.
    language : str, optional
        ISO 639-1 code of the text.
    level : str, optional
        From `voicepipe.web.wording.level_of`; None for the agent, who is not scored.
    stress : float, optional
        0..1.
    evidence : tuple of str
        What was found out, in plain words of the viewer's language, one sentence each.
    in_episode : bool
    """

    key: str
    channel: str
    index: int
    start_s: float
    end_s: float
    pieces: tuple[Piece, ...]
    language: str | None
    level: str | None
    stress: float | None
    evidence: tuple[str, ...]
    in_episode: bool


def lines_of(
    utterances: Sequence[ScoredUtterance], *, episodes: Sequence[KeptEpisode], language: Language
) -> tuple[Line, ...]:
    """Return utterances as lines of the transcript in a viewer's language."""
    return tuple(_line(one, episodes, language) for one in utterances)


def _line(utterance: ScoredUtterance, episodes: Sequence[KeptEpisode], language: Language) -> Line:
    is_agent = utterance.channel is Channel.AGENT
    score = None if is_agent else utterance.score
    stress = None if score is None else score.stress
    transcript = utterance.transcript
    return Line(
        key=f"{utterance.channel.value}-{utterance.index}",
        channel=utterance.channel.value,
        index=utterance.index,
        start_s=utterance.start_s,
        end_s=utterance.end_s,
        pieces=pieces_of(transcript.text, language) if transcript is not None else (),
        language=transcript.language or None if transcript is not None else None,
        level=None if is_agent else level_of(stress),
        stress=stress,
        evidence=() if is_agent else evidence_of(utterance, language),
        in_episode=not is_agent and any(_is_within(utterance, one) for one in episodes),
    )


def evidence_of(utterance: ScoredUtterance, language: Language) -> tuple[str, ...]:
    """Return what was found out about one utterance of the caller, in plain words."""
    found = []
    request, frustration = utterance.human_request, utterance.frustration
    if request is not None:
        found.append(request_in_words(request.kind, request.quote or None, language))
    if frustration is not None:
        found.append(frustration_in_words(frustration.prob, frustration.words, language))
    if utterance.score is not None:
        features = [one for one in utterance.score.top_features if math.isfinite(one.deviation) or not one.name]
        found.append(deviations_in_words(features, language) or "; ".join(one.text for one in features))
    return tuple(text[:1].upper() + text[1:] for text in found if text)


def pieces_of(text: str, language: Language) -> tuple[Piece, ...]:
    """Split a redacted text at its marks."""
    pieces, begin = [], 0
    for found in MARK.finditer(text):
        if found.start() > begin:
            pieces.append(Piece(text=text[begin : found.start()]))
        pieces.append(Piece(text=kind_in_words(found.group()[1:-1], language), is_mark=True))
        begin = found.end()
    if begin < len(text):
        pieces.append(Piece(text=text[begin:]))
    return tuple(pieces)


def kind_in_words(kind: str, language: Language) -> str:
    """Return what kind of private data a mark stands for; a centre's own kind under its own name."""
    message = f"call-mark-{re.sub('_', '-', kind)}"
    return language.t(message) if message in language.messages else kind.replace("_", " ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """What the picture of a call is drawn from; offsets in seconds, one entry for each utterance of a lane.

    Attributes
    ----------
    length_s : float
    caller : tuple of (start_s, end_s, stress or None)
        The caller's utterances, or those of the one mixed track.
    agent : tuple of (start_s, end_s)
        When the agent spoke; how is not measured.
    episodes : tuple of (opened_s, closed_s or None)
    """

    length_s: float
    caller: tuple[tuple[float, float, float | None], ...]
    agent: tuple[tuple[float, float], ...]
    episodes: tuple[tuple[float, float | None], ...]


def timeline_of(story: Story) -> Timeline:
    """Return the timeline of a story."""
    return Timeline(
        length_s=round(story.length_s, 2),
        caller=tuple(
            (round(one.start_s, 2), round(one.end_s, 2), None if one.score is None else round(one.score.stress, 4))
            for one in story.utterances
            if one.channel is not Channel.AGENT
        ),
        agent=tuple(
            (round(one.start_s, 2), round(one.end_s, 2)) for one in story.utterances if one.channel is Channel.AGENT
        ),
        episodes=tuple(
            (round(one.opened_s, 2), None if one.closed_s is None else round(one.closed_s, 2)) for one in story.episodes
        ),
    )


def is_for_stress(episode: KeptEpisode) -> bool:
    """Tell whether an episode was opened by persistent stress, not by a request for a person alone."""
    return Reason.STRESS_PERSISTED in episode.reasons


def _is_within(utterance: ScoredUtterance, episode: KeptEpisode) -> bool:
    ends_s = utterance.end_s if episode.closed_s is None else episode.closed_s
    return utterance.channel is episode.channel and episode.opened_s < utterance.end_s and utterance.start_s < ends_s

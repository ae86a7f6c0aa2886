"""The reroute event: a caller needs a better human now (or no longer), with the evidence for it."""

import math
from collections.abc import Iterable, Sequence
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from voicepipe.events.envelope import event_id, occurred_at
from voicepipe.events.wire import CallFacts, CoverageFacts, Seconds, Share, WireEvent, WireModel
from voicepipe.types import (
    Call,
    Channel,
    ClosedBy,
    Coverage,
    Episode,
    EpisodeState,
    FeatureDeviation,
    HumanRequest,
    Reason,
    ScoredUtterance,
)

REROUTE_TOPIC = "voicepipe.reroute.v1"

NO_EVIDENCE = -99.0
"""Logarithm of the evidence where nothing was heard yet."""

RerouteKind = Literal["requested", "cleared"]
Urgency = Literal["normal", "high"]


class RerouteConfig(BaseModel):
    """What a reroute asks for and how much of the call it carries."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target_skill: str = Field(default="senior_agent", min_length=1, description="Skill the ACD should route to.")
    high_urgency_mean: float = Field(
        default=0.8, ge=0.0, le=1.0, description="Mean stress of the episode from which the urgency is high."
    )
    quotes: bool = Field(default=True, description="Carry what was said (redacted) in the event.")
    max_utterances: int = Field(
        default=8, ge=1, le=50, description="At most this many utterances as evidence, the latest ones."
    )
    handoff_turns: int = Field(default=6, ge=0, le=50, description="Last turns of both sides for the next agent.")


class Versions(WireModel):
    """What produced the decision; with the recording it is enough to replay it."""

    code: str = Field(description="Version of voicepipe.")
    model: str = Field(description="Id of the stress model.")
    config: str = Field(description="Digest of the settings that the decision depends on.")
    transcriber: str | None = Field(default=None, description="Id of the speech recogniser, where one ran.")


class StressFacts(WireModel):
    """How the caller sounds: calibrated probability of stress, 0 to 1."""

    now: Share | None = Field(default=None, description="Latest utterance; left out where it could not be scored.")
    peak: Share | None = Field(
        default=None, description="Highest of the episode; left out where the voice was not scored."
    )
    mean: Share | None = Field(default=None, description="Mean of the episode, weighted by speech.")
    stressed_speech_s: Seconds = Field(description="Seconds of speech that carried evidence.")


class DeviationFacts(WireModel):
    """One measured property of the voice and how far it is from what is normal, for the caller or at first for all."""

    name: str
    value: float
    unit: str
    deviation: float = Field(
        description="Value minus the caller's own normal, or minus what is usual among callers until that is known."
    )
    text: str = Field(description="The same in plain words, with what it is compared to.")


class HumanRequestFacts(WireModel):
    """The caller asked for a person, a supervisor or a way to complain."""

    kind: str = Field(description="human, supervisor or complaint.")
    rule: str = Field(description="Name of the rule that found it.")
    quote: str | None = Field(default=None, description="The words that say it.")


class UtteranceFacts(WireModel):
    """One utterance that carried evidence."""

    index: int = Field(ge=0, description="Of the channel's utterances, from 0.")
    start_s: Seconds
    end_s: Seconds
    stress: Share | None = Field(default=None, description="Of the voice; left out where it was not scored.")
    confidence: Share | None = None
    quote: str | None = Field(default=None, description="What was said, private data replaced by marks.")
    deviations: tuple[DeviationFacts, ...] = Field(description="Of the voice, strongest first.")
    frustrated_prob: Share | None = Field(default=None, description="Of the words, whatever the voice.")
    words: tuple[str, ...] = Field(default=(), description="The words that count for it, strongest first.")
    human_request: HumanRequestFacts | None = Field(
        default=None, description="Only where the caller asks for a person here."
    )


class EvidenceFacts(WireModel):
    """Why the test for persistence decided: it alarms when `log_e` reaches `log_e_threshold`."""

    log_e: float = Field(description="Natural logarithm of the accumulated e-value, of voice and words together.")
    log_e_voice: float | None = Field(default=None, description="Of the voice alone; left out where it did not count.")
    log_e_words: float | None = Field(
        default=None, description="Of the words alone; left out where they did not count."
    )
    log_e_threshold: float
    false_alarms_per_100_call_hours: float = Field(
        ge=0.0, description="The operator's budget, which set the threshold."
    )
    utterances: tuple[UtteranceFacts, ...] = Field(description="The utterances behind it, oldest first.")


class TurnFacts(WireModel):
    """One turn of the conversation, as the next agent reads it."""

    channel: Channel
    start_s: Seconds
    text: str


class Handoff(WireModel):
    """What the next agent needs so that the caller repeats nothing."""

    last_turns: tuple[TurnFacts, ...] = Field(description="Redacted, oldest first.")
    wants: str | None = Field(default=None, description="What the caller wants, in the caller's words.")
    tried: tuple[str, ...] | None = Field(default=None, description="What was tried, quoted.")
    promised: tuple[str, ...] | None = Field(default=None, description="What was promised, quoted.")
    amounts: tuple[str, ...] | None = Field(default=None, description="Sums that were named.")
    open_question: str | None = Field(default=None, description="What nobody answered yet.")
    mood: str | None = Field(default=None, description="Where the caller's stress goes: rising, falling or steady.")
    text: str | None = Field(default=None, description="All of it as text for the next agent, 120 words at most.")


class RerouteEvent(WireEvent):
    """Stress persisted: a better human is asked for; or it is over: the request is withdrawn."""

    topic: ClassVar[str] = REROUTE_TOPIC
    type_prefix: ClassVar[str] = "voicepipe.reroute"

    kind: RerouteKind
    channel: Channel
    episode: int = Field(ge=0, description="Of the call's episodes, from 0; requested and cleared share it.")
    at_s: Seconds = Field(description="Offset in the call at which it was decided.")
    opened_s: Seconds = Field(description="Start of the first utterance that carried evidence.")
    closed_s: Seconds | None = Field(default=None, description="End of the last one; only when cleared.")
    closed_by: ClosedBy | None = Field(default=None, description="Why it was cleared; only then.")
    target_skill: str
    urgency: Urgency
    reasons: tuple[Reason, ...]
    stress: StressFacts
    evidence: EvidenceFacts
    coverage: CoverageFacts
    handoff: Handoff
    versions: Versions


def reroute_event_id(call_id: str, *, channel: Channel, episode: int, kind: RerouteKind) -> str:
    """Return the id that a reroute event has, from what identifies it."""
    return str(event_id(call_id, channel.value, episode, kind))


def build_reroute(
    episode: Episode,
    *,
    call: Call,
    utterances: Sequence[ScoredUtterance],
    coverage: Coverage,
    versions: Versions,
    config: RerouteConfig,
    handoff: Handoff | None = None,
) -> RerouteEvent:
    """Build the event of an episode that opened (``requested``) or closed (``cleared``).

    Pure: the same arguments give the same event, byte for byte.

    Parameters
    ----------
    episode : Episode
    call : Call
    utterances : sequence of ScoredUtterance
        All channels so far, in the order they were decided. Those decided after the episode are left out.
    coverage : Coverage
        Of the call so far.
    versions : Versions
    config : RerouteConfig
    handoff : Handoff, optional
        The call so far in short; its last turns are filled in here.

    Returns
    -------
    RerouteEvent
        `occurred_at` is ``call.started_at + episode.at_s``.
    """
    kind: RerouteKind = "requested" if episode.state is EpisodeState.OPENED else "cleared"
    known = [utterance for utterance in utterances if utterance.decided_s <= episode.at_s]
    own = [utterance for utterance in known if utterance.channel is episode.channel]
    carried = set(episode.evidence.utterances)
    evidence = [utterance for utterance in own if utterance.index in carried][-config.max_utterances :]
    return RerouteEvent(
        event_id=event_id(call.call_id, episode.channel.value, episode.index, kind),
        kind=kind,
        occurred_at=occurred_at(call.started_at, episode.at_s),
        call=CallFacts.of(call),
        channel=episode.channel,
        episode=episode.index,
        at_s=_ms(episode.at_s),
        opened_s=_ms(episode.opened_s),
        closed_s=None if episode.closed_s is None else _ms(episode.closed_s),
        closed_by=episode.closed_by,
        target_skill=config.target_skill,
        urgency=_urgency(episode, config),
        reasons=episode.reasons,
        stress=StressFacts(
            now=_latest_stress(own),
            peak=_four_or_none(episode.peak),
            mean=_four_or_none(episode.mean),
            stressed_speech_s=_ms(episode.evidence.stressed_speech_s),
        ),
        evidence=EvidenceFacts(
            log_e=_log(episode.evidence.log_e),
            log_e_voice=None if episode.evidence.log_e_voice is None else _log(episode.evidence.log_e_voice),
            log_e_words=None if episode.evidence.log_e_words is None else _log(episode.evidence.log_e_words),
            log_e_threshold=_four(episode.evidence.log_e_threshold),
            false_alarms_per_100_call_hours=episode.evidence.false_alarms_per_100_call_hours,
            utterances=tuple(_utterance_facts(evidence, quotes=config.quotes)),
        ),
        coverage=CoverageFacts.of(coverage),
        handoff=_handed_over(handoff, known, config),
        versions=versions,
    )


def _urgency(episode: Episode, config: RerouteConfig) -> Urgency:
    """High where the caller asked for a human, or where the whole episode is far above the line."""
    high = Reason.HUMAN_REQUESTED in episode.reasons or (episode.mean or 0.0) >= config.high_urgency_mean
    return "high" if high else "normal"


def _latest_stress(own: Sequence[ScoredUtterance]) -> float | None:
    scored = [utterance.score for utterance in own if utterance.score is not None]
    return _four(scored[-1].stress) if scored else None


def _utterance_facts(evidence: Iterable[ScoredUtterance], *, quotes: bool) -> Iterable[UtteranceFacts]:
    for utterance in evidence:
        score, said = utterance.score, utterance.frustration
        text = utterance.transcript.text if quotes and utterance.transcript is not None else ""
        features = () if score is None else score.top_features
        yield UtteranceFacts(
            index=utterance.index,
            start_s=_ms(utterance.start_s),
            end_s=_ms(utterance.end_s),
            stress=None if score is None else _four(score.stress),
            confidence=None if score is None else _four(score.confidence),
            quote=text or None,
            deviations=tuple(_deviation_facts(feature) for feature in features if _measured(feature)),
            frustrated_prob=None if said is None else _four(said.prob),
            words=said.words if said is not None and quotes else (),
            human_request=_request_facts(utterance.human_request, quotes=quotes),
        )


def _request_facts(request: HumanRequest | None, *, quotes: bool) -> HumanRequestFacts | None:
    if request is None:
        return None
    return HumanRequestFacts(kind=request.kind, rule=request.rule, quote=request.quote if quotes else None)


def _measured(feature: FeatureDeviation) -> bool:
    """Whether a feature has numbers: NaN means "not measurable", and JSON has no word for it."""
    return math.isfinite(feature.value) and math.isfinite(feature.deviation)


def _deviation_facts(feature: FeatureDeviation) -> DeviationFacts:
    return DeviationFacts(
        name=feature.name,
        value=_four(feature.value),
        unit=feature.unit,
        deviation=_four(feature.deviation),
        text=feature.text,
    )


def _handed_over(handoff: Handoff | None, known: Sequence[ScoredUtterance], config: RerouteConfig) -> Handoff:
    """Return what the next agent gets: nothing of what was said where quotes are switched off."""
    if not config.quotes:
        return Handoff(last_turns=())
    return (handoff or Handoff(last_turns=())).model_copy(update={"last_turns": _last_turns(known, config)})


def _last_turns(known: Sequence[ScoredUtterance], config: RerouteConfig) -> tuple[TurnFacts, ...]:
    """Return the last things said by both sides, in the order they began."""
    said = sorted(
        (utterance for utterance in known if utterance.transcript is not None and utterance.transcript.text),
        key=lambda utterance: (utterance.start_s, utterance.channel),
    )
    last = said[len(said) - config.handoff_turns :] if config.handoff_turns < len(said) else said
    return tuple(
        TurnFacts(channel=utterance.channel, start_s=_ms(utterance.start_s), text=utterance.transcript.text)
        for utterance in last
        if utterance.transcript is not None
    )


def _four_or_none(number: float | None) -> float | None:
    return None if number is None else _four(number)


def _log(evidence: float) -> float:
    """Return a logarithm as it goes on the wire: no evidence at all is NO_EVIDENCE, for JSON has no infinity."""
    return max(_four(evidence), NO_EVIDENCE) if evidence > -math.inf else NO_EVIDENCE


def _ms(seconds: float) -> float:
    return round(seconds, 3)


def _four(number: float) -> float:
    return round(float(number), 4)

"""When the caller asks for a person: a finding of its own, beside persistent stress.

The first request opens an episode whose reason is ``human_requested``; it needs no evidence, for the caller has said
it. It stays open until the call ends: that a caller calms down does not take the request back. Further requests belong
to it.
"""

from dataclasses import replace
from enum import StrEnum

from voicepipe.stress.episode import peak_and_mean
from voicepipe.types import Channel, Episode, EpisodeEvidence, EpisodeState, Reason, ScoredUtterance


class OnRequest(StrEnum):
    """What a caller's request for a person does."""

    OFF = "off"
    """It is told with the utterance, and decides nothing."""
    EVIDENCE = "evidence"
    """It counts as frustrated words do, with certainty."""
    IMMEDIATE = "immediate"
    """It asks for the reroute at once, and counts as evidence. On a mixed track, where nobody knows who spoke, it
    counts as evidence only."""


class HumanRequests:
    """Follows the requests for a person in one channel of one call.

    Parameters
    ----------
    call_id : str
    channel : Channel
    """

    def __init__(self, *, call_id: str, channel: Channel) -> None:
        self._call_id = call_id
        self._channel = channel
        self._requests: list[ScoredUtterance] = []
        self._closed = False

    def update(self, utterance: ScoredUtterance, *, evidence: EpisodeEvidence) -> tuple[Episode, ...]:
        """Take the next utterance that asks for a person; return the episode that it opens, if any.

        Parameters
        ----------
        utterance : ScoredUtterance
            With a `human_request`; in the order they were spoken.
        evidence : EpisodeEvidence
            What voice and words say of stress at this moment.
        """
        if self._closed:
            return ()
        self._requests.append(utterance)
        if len(self._requests) > 1:
            return ()
        return (self._episode(EpisodeState.OPENED, at_s=utterance.decided_s, evidence=evidence),)

    def finish(self, at_s: float, *, evidence: EpisodeEvidence) -> tuple[Episode, ...]:
        """Close an open episode for good, `at_s` seconds into the call."""
        if self._closed or not self._requests:
            return ()
        self._closed = True
        return (self._episode(EpisodeState.CLOSED, at_s=at_s, evidence=evidence),)

    def _episode(self, state: EpisodeState, *, at_s: float, evidence: EpisodeEvidence) -> Episode:
        scored = [(one.score.stress, one.speech_s) for one in self._requests if one.score is not None]
        peak, mean = peak_and_mean(scored)
        return Episode(
            call_id=self._call_id,
            channel=self._channel,
            index=0,
            state=state,
            opened_s=self._requests[0].start_s,
            closed_s=self._requests[-1].end_s if state is EpisodeState.CLOSED else None,
            at_s=at_s,
            peak=peak,
            mean=mean,
            reasons=(Reason.HUMAN_REQUESTED,),
            evidence=replace(
                evidence,
                stressed_speech_s=sum(one.speech_s for one in self._requests),
                utterances=tuple(one.index for one in self._requests),
            ),
        )

"""What is found out about the caller of one call: persistent stress, and requests for a person."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from voicepipe.pipeline.requests import HumanRequests, OnRequest
from voicepipe.stress.calm import CalmReference
from voicepipe.stress.episode import EpisodeConfig, EpisodeDetector
from voicepipe.types import Channel, ClosedBy, Episode, EpisodeState, Reason, ScoredUtterance


class Findings:
    """Episodes of one channel, whatever their reason, numbered through the call.

    Parameters
    ----------
    call_id : str
    channel : Channel
        CALLER or MIXED.
    episode : EpisodeConfig
    human_requests : OnRequest
    reference : CalmReference
    """

    def __init__(
        self,
        *,
        call_id: str,
        channel: Channel,
        episode: EpisodeConfig,
        human_requests: OnRequest,
        reference: CalmReference,
    ) -> None:
        self._stress = EpisodeDetector(call_id=call_id, channel=channel, config=episode, reference=reference)
        self._requests = HumanRequests(call_id=call_id, channel=channel)
        self._counts_requests = human_requests is not OnRequest.OFF
        self._asks_at_once = human_requests is OnRequest.IMMEDIATE and channel is Channel.CALLER
        self._indices: dict[tuple[tuple[Reason, ...], int], int] = {}

    @property
    def growing(self) -> bool:
        """True while evidence of stress grows or an episode of it is open: the caller's baseline is to be frozen."""
        return self._stress.growing

    def update(self, utterance: ScoredUtterance) -> Iterator[Episode]:
        """Yield the episodes that the channel's next utterance opens or closes."""
        counted = utterance if self._counts_requests else replace(utterance, human_request=None)
        yield from self._numbered(self._stress.update(counted), closed_by=ClosedBy.CALM)
        if self._asks_at_once and counted.human_request is not None:
            found = self._requests.update(counted, evidence=self._stress.evidence)
            yield from self._numbered(found, closed_by=ClosedBy.CALM)

    def finish(self, at_s: float, *, closed_by: ClosedBy) -> Iterator[Episode]:
        """Close what is open, `at_s` seconds into the call."""
        evidence = self._stress.evidence
        yield from self._numbered(self._stress.finish(at_s), closed_by=closed_by)
        yield from self._numbered(self._requests.finish(at_s, evidence=evidence), closed_by=closed_by)

    def forget(self, at_s: float) -> Iterator[Episode]:
        """Drop all evidence, because consent was taken back; yield what was open, closed and emptied."""
        for episode in self.finish(at_s, closed_by=ClosedBy.CONSENT):
            emptied = replace(
                episode.evidence, log_e=0.0, log_e_voice=None, log_e_words=None, stressed_speech_s=0.0, utterances=()
            )
            yield replace(episode, opened_s=at_s, closed_s=at_s, peak=None, mean=None, evidence=emptied)
        self._stress.forget()

    def _numbered(self, episodes: Iterable[Episode], *, closed_by: ClosedBy) -> Iterator[Episode]:
        for episode in episodes:
            index = self._indices.setdefault((episode.reasons, episode.index), len(self._indices))
            yield replace(episode, index=index, closed_by=closed_by if episode.state is EpisodeState.CLOSED else None)

"""Named fakes of the ports, for every room's tests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from voicepipe.ports import OutboundMessage
from voicepipe.types import SinkError


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeDelivery:
    """An outcome decided by a test."""

    delivered: bool = True
    refused: str | None = None


class FakeSink:
    """An `EventSink` that keeps what it takes; `away` and `judge` decide what it takes."""

    def __init__(self, name: str = "kafka") -> None:
        self.name = name
        self.taken: list[OutboundMessage] = []
        self.batches: list[int] = []
        self.away: str | None = None
        self.judge: Callable[[OutboundMessage], FakeDelivery] = lambda message: FakeDelivery()
        self.closed = False

    @property
    def ids(self) -> list[str]:
        """Ids of what was taken, in order."""
        return [message.event_id for message in self.taken]

    def publish(self, messages: Sequence[OutboundMessage]) -> Sequence[FakeDelivery]:
        """Take what the test lets it take."""
        if self.away is not None:
            raise SinkError(self.away)
        self.batches.append(len(messages))
        outcomes = [self.judge(message) for message in messages]
        self.taken += [message for message, outcome in zip(messages, outcomes, strict=True) if outcome.delivered]
        return outcomes

    def close(self) -> None:
        """Note the end."""
        self.closed = True

"""What the senders of all protocols share: a recorded call as messages, each with the time at which it is due.

For replaying recordings and for load: no sockets and no clock, the caller sends each message when it is due.
`voicepipe.gateways.senders` holds the protocols.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from voicepipe.types import AudioChunk, AudioInputError, Call, Channel, FloatArray, MediaEvent, Roles

Message = str | bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DueMessage:
    """A message and when a live call would send it.

    Attributes
    ----------
    due_s : float
        Seconds since the call began: for audio the end of the packet, as nobody can send what was not yet said.
    data : str or bytes
    is_audio : bool
        Messages that a bad line may lose.
    """

    due_s: float
    data: Message
    is_audio: bool


class Sender(ABC):
    """One connection of a telephony system.

    Send `opening`; when `is_open`, send audio; then `closing`; wait for `is_done`. Whatever comes back goes into
    `receive`, and its answers are sent.

    Parameters
    ----------
    call : Call
    channels : sequence of Channel, optional
        The tracks that this connection carries; all of the call's unless given.
    rate_hz : int
        Sample rate of the audio.

    Attributes
    ----------
    path : str
        Where voicepipe listens unless told otherwise; empty over TCP.
    packet_ms : int
        Length of a packet, as the telephony systems choose it.
    is_open, is_done : bool
    refused : str or None
        What the server said when it did not want the call.

    Raises
    ------
    AudioInputError
        If the protocol cannot carry that sample rate or that many tracks.
    """

    path: str
    packet_ms: int = 20

    def __init__(self, call: Call, *, rate_hz: int, channels: Sequence[Channel] | None = None) -> None:
        self.call = call
        self.channels = tuple(channels or call.channels)
        self.rate_hz = rate_hz
        self.is_open = True
        self.is_done = True
        self.refused: str | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of the request that opens the connection."""
        return {}

    @property
    def subprotocols(self) -> Sequence[str]:
        """WebSocket subprotocols to offer."""
        return ()

    @abstractmethod
    def opening(self) -> list[Message]:
        """Return what is sent before any audio."""

    @abstractmethod
    def audio(self, tracks: Sequence[FloatArray], *, first_sample: int) -> list[Message]:
        """Return a packet of each track, in the order of `channels`; all of one length."""

    def closing(self) -> list[Message]:
        """Return what is sent after the last audio."""
        return []

    def receive(self, message: Message) -> list[Message]:
        """Take what the server sent; return the answers."""
        del message
        return []

    def _require(self, *, rates_hz: Iterable[int], most_tracks: int = 2) -> None:
        if self.rate_hz not in rates_hz or len(self.channels) > most_tracks:
            raise AudioInputError(
                f"{type(self).__name__} cannot carry {len(self.channels)} tracks at {self.rate_hz} Hz on one "
                "connection; resample the audio, or open a connection for each track."
            )

    def _facts(self) -> dict[str, str]:
        """Return what is known of the call, by the names that the decoders' settings look for."""
        names = ("agent_id", "queue", "language", "consent")
        return {name: value for name in names if (value := getattr(self.call, name)) is not None}

    @property
    def _role(self) -> Channel | None:
        """Whose voice the first track is, where it is known."""
        return None if self.call.roles is Roles.ASSUMED else self.channels[0]


def due_messages(sender: Sender, events: Iterable[MediaEvent]) -> Iterator[DueMessage]:
    """Cut a call into a sender's packets, each due when its last sample was said.

    Parameters
    ----------
    sender : Sender
    events : iterable of MediaEvent
        Chunks of all its channels in lockstep, as `voicepipe.gateways.files.FileSource` gives them; channels that the
        sender does not carry are passed over.

    Yields
    ------
    DueMessage
        The opening at 0, the audio, and the closing with the last sample. Where `Sender.is_open` is False after the
        opening, wait until `receive` has made it True.
    """
    for message in sender.opening():
        yield DueMessage(due_s=0.0, data=message, is_audio=False)
    packet_samples = sender.rate_hz * sender.packet_ms // 1000
    due_s = 0.0
    for first_sample, tracks in _packets(sender, events, packet_samples=packet_samples):
        due_s = (first_sample + len(tracks[0])) / sender.rate_hz
        for message in sender.audio(tracks, first_sample=first_sample):
            is_audio = isinstance(message, bytes) or '"media"' in message[:24]
            yield DueMessage(due_s=due_s, data=message, is_audio=is_audio)
    for message in sender.closing():
        yield DueMessage(due_s=due_s, data=message, is_audio=False)


def _packets(
    sender: Sender, events: Iterable[MediaEvent], *, packet_samples: int
) -> Iterator[tuple[int, list[FloatArray]]]:
    """Yield packets of equal length, one track beside the other; a shorter one before a gap and at the end."""
    held = {channel: np.zeros(0, dtype=np.float32) for channel in sender.channels}
    position = 0
    for event in events:
        if not isinstance(event, AudioChunk) or event.channel not in held:
            continue
        if event.sample_rate_hz != sender.rate_hz:
            raise AudioInputError(
                f"The recording is at {event.sample_rate_hz} Hz, the sender at {sender.rate_hz} Hz; resample it first."
            )
        if (
            event.first_sample > position + len(held[event.channel])
            and len({len(track) for track in held.values()}) == 1
        ):
            if len(held[event.channel]):
                yield position, list(held.values())
            position = event.first_sample
            held = {channel: track[:0] for channel, track in held.items()}
        held[event.channel] = np.concatenate([held[event.channel], event.samples])
        ready = min(len(track) for track in held.values()) // packet_samples
        for n in range(ready):
            cut = slice(n * packet_samples, (n + 1) * packet_samples)
            yield position + cut.start, [track[cut] for track in held.values()]
        position += ready * packet_samples
        held = {channel: track[ready * packet_samples :] for channel, track in held.items()}
    longest = max(len(track) for track in held.values())
    if longest:
        yield position, [np.pad(track, (0, longest - len(track))) for track in held.values()]

"""The other side of the protocols: the messages by which a telephony system pushes a call.

It is our own client and follows our own reading of the protocols, so it proves little about telephony systems of
others.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import numpy as np

from voicepipe.audio.codecs import Encoding, encode
from voicepipe.gateways.audiosocket import KIND_HANGUP, KIND_UUID, RATES_HZ
from voicepipe.gateways.sender import Message, Sender
from voicepipe.types import Call, Channel, FloatArray


class TwilioSender(Sender):
    """Twilio Media Streams: mu-law at 8 kHz, a message for each track."""

    path = "/v1/twilio"
    rates_hz: tuple[int, ...] = (8_000,)

    def __init__(self, call: Call, *, rate_hz: int, channels: Sequence[Channel] | None = None) -> None:
        super().__init__(call, rate_hz=rate_hz, channels=channels)
        self._require(rates_hz=self.rates_hz)
        self._seq = 0
        self._tracks = ("inbound", "outbound")[: len(self.channels)]
        self._chunks = 0

    def opening(self) -> list[Message]:
        """Return ``connected`` and ``start``."""
        start = {
            "accountSid": "AC00000000000000000000000000000000",
            "streamSid": self._stream_id,
            "callSid": self.call.call_id,
            "tracks": list(self._tracks),
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": self._parameters(),
        }
        connected = json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        return [connected, self._numbered("start", start=start)]

    def audio(self, tracks: Sequence[FloatArray], *, first_sample: int) -> list[Message]:
        """Return a ``media`` message for each track."""
        self._chunks += 1
        stamp_ms = first_sample * 1000 // self.rate_hz
        return [
            self._numbered(
                "media",
                media={
                    "track": track,
                    "chunk": str(self._chunks),
                    "timestamp": str(stamp_ms),
                    "payload": _base64(samples, Encoding.PCMU),
                },
            )
            for track, samples in zip(self._tracks, tracks, strict=True)
        ]

    def closing(self) -> list[Message]:
        """Return ``stop``."""
        return [self._numbered("stop", stop={"callSid": self.call.call_id})]

    @property
    def _stream_id(self) -> str:
        return f"MZ{uuid5(NAMESPACE_URL, f'{self.call.call_id}/{self.channels}').hex}"

    def _parameters(self) -> dict[str, str]:
        """Return custom parameters: the known facts, and which track is whose."""
        role = self._role
        parameters = self._facts() | ({} if role is None else {"channel": str(role)})
        if self.channels != self.call.channels:
            parameters["channels"] = ",".join(self.call.channels)
        return parameters

    def _numbered(self, event: str, **content: Any) -> str:
        self._seq += 1
        return json.dumps({"event": event, "sequenceNumber": str(self._seq), **content, "streamSid": self._stream_id})


class TelnyxSender(TwilioSender):
    """Telnyx media streaming: Twilio's words in snake case, the tracks not named at the start."""

    def opening(self) -> list[Message]:
        """Return ``connected`` and ``start``."""
        start = {
            "call_control_id": self.call.call_id,
            "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
            "custom_parameters": self._parameters(),
        }
        return [json.dumps({"event": "connected", "version": "1.0.0"}), self._numbered("start", start=start)]

    def closing(self) -> list[Message]:
        """Return ``stop``."""
        return [self._numbered("stop", stop={"call_control_id": self.call.call_id})]

    def _numbered(self, event: str, **content: Any) -> str:
        self._seq += 1
        return json.dumps({"event": event, "sequence_number": str(self._seq), **content, "stream_id": self._stream_id})


class PlivoSender(TwilioSender):
    """Plivo audio streams: linear little-endian audio at 8 or 16 kHz, Unix time, no ``stop``."""

    rates_hz = (8_000, 16_000)

    def __init__(self, call: Call, *, rate_hz: int, channels: Sequence[Channel] | None = None) -> None:
        super().__init__(call, rate_hz=rate_hz, channels=channels)
        self._extra = json.dumps({f"X-PH-{name}": value for name, value in self._parameters().items()})

    def opening(self) -> list[Message]:
        """Return ``start``."""
        start = {
            "callId": self.call.call_id,
            "streamId": self._stream_id,
            "tracks": list(self._tracks),
            "mediaFormat": {"encoding": "audio/x-l16", "sampleRate": self.rate_hz},
        }
        return [self._numbered("start", start=start)]

    def audio(self, tracks: Sequence[FloatArray], *, first_sample: int) -> list[Message]:
        """Return a ``media`` message for each track."""
        self._chunks += 1
        stamp_ms = round(self.call.started_at.timestamp() * 1000) + first_sample * 1000 // self.rate_hz
        return [
            self._numbered(
                "media",
                media={
                    "track": track,
                    "timestamp": str(stamp_ms),
                    "chunk": self._chunks,
                    "payload": _base64(samples, Encoding.L16_LE),
                },
            )
            for track, samples in zip(self._tracks, tracks, strict=True)
        ]

    def closing(self) -> list[Message]:
        """Return nothing: the connection's end is the end."""
        return []

    def _numbered(self, event: str, **content: Any) -> str:
        message = {"event": event, "sequenceNumber": self._seq, **content, "streamId": self._stream_id}
        self._seq += 1
        return json.dumps(message | {"extra_headers": self._extra})


class AudioHookSender(Sender):
    """Genesys AudioHook: both channels interleaved in mu-law, a dialogue around them.

    Attributes
    ----------
    transcripts : list of dict
        The ``transcript`` entities that came back.
    """

    path = "/v1/audiohook"
    packet_ms = 200

    PING_EVERY_S = 5.0
    ORGANIZATION_ID = "00000000-0000-4000-8000-000000000001"

    def __init__(self, call: Call, *, rate_hz: int, channels: Sequence[Channel] | None = None) -> None:
        super().__init__(call, rate_hz=rate_hz, channels=channels)
        self._require(rates_hz=(8_000,))
        self.is_open = False
        self.is_done = False
        self.transcripts: list[dict[str, Any]] = []
        self.session_id = str(uuid5(NAMESPACE_URL, f"session/{call.call_id}"))
        self._seq = 0
        self._server_seq = 0
        self._position_s = 0.0
        self._ping_at_s = 1.0
        self._has_closed = False

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the session's headers, without key and signature."""
        return {
            "Audiohook-Organization-Id": self.ORGANIZATION_ID,
            "Audiohook-Session-Id": self.session_id,
            "Audiohook-Correlation-Id": str(uuid5(NAMESPACE_URL, f"correlation/{self.call.call_id}")),
        }

    def opening(self) -> list[Message]:
        """Return ``open``: transcripts are asked for, the call's facts are in the custom configuration."""
        names = [_GENESYS_NAMES[channel] for channel in self.channels]
        parameters = {
            "organizationId": self.ORGANIZATION_ID,
            "conversationId": self.call.call_id,
            "participant": {
                "id": str(uuid5(NAMESPACE_URL, f"participant/{self.call.call_id}")),
                "ani": "",
                "aniName": "",
                "dnis": "",
            },
            "media": [{"type": "audio", "format": "PCMU", "channels": names, "rate": 8000}],
            "customConfig": self._facts() | {"transcripts": True},
        }
        return [self._say("open", parameters)]

    def audio(self, tracks: Sequence[FloatArray], *, first_sample: int) -> list[Message]:
        """Return a binary message, and a ping when one is due; audio that was left out is ``discarded``."""
        messages: list[Message] = []
        missing_s = first_sample / self.rate_hz - self._position_s
        if missing_s > 0.0005:
            start_s, self._position_s = self._position_s, first_sample / self.rate_hz
            messages.append(self._say("discarded", {"start": f"PT{start_s:.6f}S", "discarded": f"PT{missing_s:.6f}S"}))
        messages.append(encode(np.stack(tracks, axis=1).reshape(-1), encoding=Encoding.PCMU))
        self._position_s = (first_sample + len(tracks[0])) / self.rate_hz
        if self._position_s >= self._ping_at_s:
            self._ping_at_s = self._position_s + self.PING_EVERY_S
            messages.append(self._say("ping", {}))
        return messages

    def closing(self) -> list[Message]:
        """Return ``close``; the session is done when ``closed`` comes."""
        return self._close("end")

    def receive(self, message: Message) -> list[Message]:
        """Take a message of the server; a ``disconnect`` is answered with ``close``."""
        content = json.loads(message)
        self._server_seq = content["seq"]
        parameters = content["parameters"]
        match content["type"]:
            case "opened":
                self.is_open = True
            case "closed":
                self.is_done = True
            case "event":
                self.transcripts += [
                    entity["data"] for entity in parameters["entities"] if entity["type"] == "transcript"
                ]
            case "disconnect":
                self.refused = parameters.get("info", parameters["reason"])
                return self._close("disconnect")
        return []

    def _close(self, reason: str) -> list[Message]:
        if self._has_closed:
            return []
        self._has_closed = True
        return [self._say("close", {"reason": reason})]

    def _say(self, kind: str, parameters: dict[str, Any]) -> str:
        self._seq += 1
        envelope = {"version": "2", "id": self.session_id, "type": kind, "seq": self._seq}
        position = f"PT{self._position_s:.6f}S"
        return json.dumps(envelope | {"serverseq": self._server_seq, "position": position, "parameters": parameters})


class AudioSocketSender(Sender):
    """Asterisk AudioSocket: one track over TCP.

    Attributes
    ----------
    uuid : UUID
        To be registered with `call` and the channel before the connection; the same for the same call and channel.
    """

    path = ""

    def __init__(self, call: Call, *, rate_hz: int, channels: Sequence[Channel] | None = None) -> None:
        super().__init__(call, rate_hz=rate_hz, channels=channels)
        self._require(rates_hz=RATES_HZ.values(), most_tracks=1)
        self._kind = next(kind for kind, kind_hz in RATES_HZ.items() if kind_hz == rate_hz)
        self.uuid: UUID = uuid5(NAMESPACE_URL, f"audiosocket/{call.call_id}/{self.channels[0]}")

    def opening(self) -> list[Message]:
        """Return the frame with the UUID."""
        return [_frame(KIND_UUID, self.uuid.bytes)]

    def audio(self, tracks: Sequence[FloatArray], *, first_sample: int) -> list[Message]:
        """Return an audio frame."""
        del first_sample
        return [_frame(self._kind, encode(tracks[0], encoding=Encoding.L16_LE))]

    def closing(self) -> list[Message]:
        """Return the hang-up frame."""
        return [_frame(KIND_HANGUP, b"")]


class L16Sender(Sender):
    """Bare audio as jambonz sends it: metadata in JSON, then little-endian samples, two tracks interleaved."""

    path = "/v1/l16"

    @property
    def subprotocols(self) -> Sequence[str]:
        """WebSocket subprotocols to offer."""
        return ("audio.jambonz.org",)

    def opening(self) -> list[Message]:
        """Return the metadata."""
        mix = "stereo" if len(self.channels) == 2 else "mixed" if self.channels[0] is Channel.MIXED else "mono"
        metadata = {"callSid": self.call.call_id, "sampleRate": self.rate_hz, "mixType": mix, "metadata": self._facts()}
        role = self._role
        if role is not None:
            metadata["channel_role"] = str(role)
        if self.channels != self.call.channels:
            metadata["call_channels"] = ",".join(self.call.channels)
        return [json.dumps(metadata)]

    def audio(self, tracks: Sequence[FloatArray], *, first_sample: int) -> list[Message]:
        """Return a binary message."""
        del first_sample
        return [encode(np.stack(tracks, axis=1).reshape(-1), encoding=Encoding.L16_LE)]


SENDERS: Mapping[str, type[Sender]] = {
    "twilio": TwilioSender,
    "telnyx": TelnyxSender,
    "plivo": PlivoSender,
    "audiohook": AudioHookSender,
    "audiosocket": AudioSocketSender,
    "l16": L16Sender,
}
"""By the name that ``voicepipe replay --protocol`` takes."""


def _base64(samples: FloatArray, encoding: Encoding) -> str:
    return base64.b64encode(encode(samples, encoding=encoding)).decode()


def _frame(kind: int, payload: bytes) -> bytes:
    return bytes([kind]) + len(payload).to_bytes(2, "big") + payload


_GENESYS_NAMES = {Channel.CALLER: "external", Channel.AGENT: "internal", Channel.MIXED: "external"}

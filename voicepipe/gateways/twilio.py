"""Twilio Media Streams and its relatives Telnyx, SignalWire, Plivo and Exotel: JSON text with audio in base64.

The relatives say the same things in other spellings (``callSid``, ``call_sid``, ``callId``, ``call_control_id``;
numbers as numbers or as strings), so that one tolerant reader serves them all. Streams in one direction take no
answers: nothing is ever sent back [1]_.

References
----------
.. [1] Twilio, "Media Streams - WebSocket Messages", https://www.twilio.com/docs/voice/media-streams/websocket-messages
.. [2] Telnyx, "Stream call media over WebSocket",
   https://developers.telnyx.com/api-reference/websockets/stream-call-media-over-websocket: order is not guaranteed.
.. [3] Plivo, "AudioStream", https://docs.plivo.com/docs/voice/xml/audiostream: L16 is the default.
.. [4] Exotel, "Stream and Voicebot Applet", https://developer.exotel.com/docs/agentstream/stream-voicebot-applet: raw
   little-endian 16-bit audio.
.. [5] SignalWire, "<Stream>", https://developer.signalwire.com/compatibility-api/cxml/voice/stream
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from voicepipe.audio.codecs import Encoding, decode
from voicepipe.gateways.decoder import (
    CallIdentity,
    CloseCode,
    Decoder,
    DecoderLimits,
    FaultError,
    FieldMap,
    Handshake,
    identify,
    parse_object,
    whole_number,
)
from voicepipe.gateways.ordering import Reorderer, TrackClock
from voicepipe.types import AudioInputError, Channel, MediaEvent, Roles

Track = Literal["inbound", "outbound"]
ByteOrder = Literal["little", "big"]

_FIELDS = FieldMap(
    agent_id=("custom.agent_id", "custom.agent"),
    queue=("custom.queue", "query.queue"),
    language=("custom.language", "query.language"),
    consent=("custom.consent",),
    channel=("custom.channel", "query.channel"),
    channels=("custom.channels", "query.channels"),
)


class TwilioConfig(BaseModel):
    """How streams of Twilio and its relatives are read.

    The sources of `fields` are ``start`` (the start message's own object), ``custom`` (custom parameters, Plivo's extra
    headers), ``query`` and ``header``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    caller_track: Track | None = Field(
        default=None,
        description="Track that carries the caller: inbound where the stream is on the caller's leg, outbound where it "
        "is on the agent's. Not given: inbound, and the roles count as assumed.",
    )
    tracks: tuple[Track, ...] = Field(
        default=(), description="Tracks that come where the start message does not say; not given: what is heard."
    )
    l16_byte_order: ByteOrder = Field(default="little", description="Byte order of L16 payloads.")
    reorder_messages: int = Field(
        default=16, ge=0, le=1024, description="Messages that are held back at most for one that is missing."
    )
    fields: FieldMap = _FIELDS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Format:
    encoding: Encoding
    rate_hz: int


class TwilioDecoder(Decoder):
    """One Media Stream.

    The protocol's ``timestamp`` (milliseconds) places the audio; without it ``chunk`` tells how much is missing. Where
    the start message does not name the tracks, the call is announced once both were heard or `PROBE_MESSAGES` media
    messages have come.

    Parameters
    ----------
    config : TwilioConfig
    handshake : Handshake
    started_at, limits
        As for `Decoder`.
    """

    protocol = "twilio"

    PROBE_MESSAGES = 25

    def __init__(
        self, *, config: TwilioConfig, handshake: Handshake, started_at: datetime, limits: DecoderLimits
    ) -> None:
        super().__init__(started_at=started_at, limits=limits)
        self._config = config
        self._handshake = handshake
        self._order: Reorderer[dict[str, Any]] = Reorderer(counts=self.counts, window=config.reorder_messages)
        self._identity: CallIdentity | None = None
        self._format: _Format | None = None
        self._early: list[tuple[dict[str, Any], bool]] = []
        self._heard: dict[Track, None] = {}
        self._channel_of: dict[Track, Channel] = {}
        self._clocks: dict[Track, TrackClock] = {}
        self._last_chunk: dict[Track, int] = {}
        self._base_ms: int | None = None

    def _binary(self, message: bytes, arrived_s: float | None) -> list[MediaEvent]:
        del message, arrived_s
        raise FaultError("A binary message came; Media Streams sends JSON text.")

    def _text(self, message: str) -> list[MediaEvent]:
        content = parse_object(message)
        match content.get("event"):
            case "media":
                if self._identity is None:
                    self._early.append((content, False))
                    return []
                return self._ordered(content)
            case "start":
                return self._take_start(content)
            case "stop":
                rest = self._flush()
                self._close(CloseCode.NORMAL, "stream stopped")
                return rest + self._end_call("stop")
            case "connected" | "dtmf" | "mark":
                return []
            case _:
                self.counts.unknown += 1
                return []

    @property
    def _has_started(self) -> bool:
        return self._identity is not None

    def _flush(self) -> list[MediaEvent]:
        if self._identity is None:
            return []
        rest = [event for item in self._order.flush() for event in self._take_media(*item)]
        return rest + (self._announce() if self.call is None and self._early else [])

    def _take_start(self, content: dict[str, Any]) -> list[MediaEvent]:
        start = content.get("start")
        start = start if isinstance(start, dict) else {}
        identity = self._identify(content, start)
        if self._identity is not None:
            if identity.call_id != self._identity.call_id:
                raise self.refuse(
                    CloseCode.PROTOCOL_ERROR,
                    f"The stream of call {self._identity.call_id} went on with call {identity.call_id}; open a "
                    "connection for each stream.",
                )
            self.counts.duplicates += 1
            return []
        self._format = self._read_format(_first(start, "mediaFormat", "media_format"))
        self._identity = identity
        early, self._early = self._early, []
        tracks = _tracks_of(start.get("tracks", start.get("track"))) or self._config.tracks
        events = self._announce(tracks) if tracks else []
        for item, _ in early:
            events += self._ordered(item)
        return events

    def _identify(self, content: dict[str, Any], start: dict[str, Any]) -> CallIdentity:
        custom = _first(start, "customParameters", "custom_parameters")
        sources = {
            "start": start,
            "custom": {
                **_pairs(content.get("extra_headers")),
                **_pairs(start.get("extra_headers")),
                **(custom if isinstance(custom, dict) else {}),
            },
            "query": self._handshake.query,
            "header": self._handshake.headers,
        }
        stream_id = _first(content, "streamSid", "stream_id", "stream_sid", "streamId")
        call_id = _first(start, "callSid", "call_sid", "callId", "call_id", "call_control_id", "streamSid", "streamId")
        identity = identify(sources, fields=self._config.fields, call_id=call_id or stream_id)
        if identity is None:
            raise self.refuse(
                CloseCode.POLICY,
                "The start message names no call; send callSid, call_control_id or callId, or map a field to it.",
            )
        return identity

    def _read_format(self, value: object) -> _Format:
        """Read ``mediaFormat``: three vocabularies, and nothing at all where the default is Twilio's own format."""
        named = value if isinstance(value, dict) else {}
        written = str(named.get("encoding") or "audio/x-mulaw")[:64].lower()
        name, _, parameters = written.partition(";")
        encoding = _ENCODINGS.get(name.strip().removeprefix("audio/").removeprefix("raw/").removeprefix("x-"))
        if encoding is Encoding.L16_LE and self._config.l16_byte_order == "big":
            encoding = Encoding.L16
        rate = re.search(r"rate=(\d{4,6})", parameters)
        given_hz = _first(named, "sampleRate", "sample_rate") or (rate.group(1) if rate else None) or 8000
        rate_hz = whole_number(given_hz)
        if encoding is None or rate_hz is None or not 8_000 <= rate_hz <= 48_000:
            raise self.refuse(
                CloseCode.UNSUPPORTED,
                f"The stream is {written[:32]!r} at {str(given_hz)[:8]!r} Hz; send PCMU, PCMA or L16 at 8 to 48 kHz.",
            )
        if (whole_number(named.get("channels")) or 1) != 1:
            raise self.refuse(CloseCode.UNSUPPORTED, "The stream mixes several channels in one track; send tracks.")
        return _Format(encoding=encoding, rate_hz=rate_hz)

    def _announce(self, tracks: tuple[Track, ...] = ()) -> list[MediaEvent]:
        """Announce the call with the tracks that are known now, then let out the audio that waited for it."""
        assert self._identity is not None
        assert self._format is not None
        tracks = tracks or tuple(self._heard) or ("inbound",)
        caller_track = self._config.caller_track or "inbound"
        roles = Roles.GIVEN if self._config.caller_track else Roles.ASSUMED
        named = self._identity.channel
        if named is not None and (named is not Channel.MIXED or len(tracks) == 1):
            roles = Roles.UNKNOWN if named is Channel.MIXED else Roles.GIVEN
            first: Track = "inbound" if "inbound" in tracks else "outbound"
            caller_track = first if named is Channel.CALLER else _OTHER[first]
        self._channel_of = {
            track: Channel.CALLER if track == caller_track else Channel.AGENT for track in sorted(tracks)
        }
        if named is Channel.MIXED and len(tracks) == 1:
            self._channel_of = {tracks[0]: Channel.MIXED}
        self._clocks = {track: TrackClock(rate_hz=self._format.rate_hz) for track in self._channel_of}
        events = self._start(self._identity, channels=tuple(self._channel_of.values()), roles=roles)
        early, self._early = self._early, []
        for content, after_loss in early:
            events += self._take_media(content, after_loss)
        return events

    def _ordered(self, content: dict[str, Any]) -> list[MediaEvent]:
        number = whole_number(_first(content, "sequenceNumber", "sequence_number"))
        if number is None or self._config.reorder_messages == 0:
            return self._take_media(content, False)  # noqa: FBT003
        return [event for item in self._order.push(number, content) for event in self._take_media(*item)]

    def _take_media(self, content: dict[str, Any], after_loss: bool) -> list[MediaEvent]:  # noqa: FBT001
        """Take a media message in its turn; a damaged one does not take those beside it with it."""
        try:
            return self._hear(content, after_loss=after_loss)
        except FaultError as fault:
            return self._count_fault(str(fault))

    def _hear(self, content: dict[str, Any], *, after_loss: bool) -> list[MediaEvent]:
        assert self._format is not None
        media = content.get("media")
        if not isinstance(media, dict) or not isinstance(media.get("payload"), str):
            raise FaultError("A media message has no payload; send media.payload in base64.")
        track = self._track_of(media)
        if self.call is None:
            self._heard[track] = None
            self._early.append((content, after_loss))
            ready = len(self._heard) == 2 or len(self._early) >= self.PROBE_MESSAGES
            return self._announce() if ready else []
        if track not in self._channel_of:
            self.counts.unannounced += 1
            return []
        try:
            payload = base64.b64decode(media["payload"], validate=True)
            samples = decode(payload, encoding=self._format.encoding)
        except ValueError:
            raise FaultError("A payload is not base64; send the bare audio, encoded by RFC 4648.") from None
        except AudioInputError as error:
            raise FaultError(str(error)) from None
        self.counts.audio_bytes += len(payload)
        if not len(samples):
            return []
        self._fault_free()
        stamp = self._stamp(media, track, len(samples))
        first_sample = self._clocks[track].place(len(samples), stamp=stamp, after_loss=after_loss)
        return [self._chunk(self._channel_of[track], first_sample, samples, rate_hz=self._format.rate_hz)]

    def _track_of(self, media: dict[str, Any]) -> Track:
        named = _tracks_of(media.get("track"))
        if len(named) == 1:
            return named[0]
        return next(iter(self._channel_of), "inbound")

    def _stamp(self, media: dict[str, Any], track: Track, n_samples: int) -> int | None:
        """Return where a payload begins, in samples since the start of the stream, as far as the message tells."""
        assert self._format is not None
        stamp_ms = whole_number(media.get("timestamp"))
        chunk = whole_number(media.get("chunk"))
        last_chunk = self._last_chunk.get(track)
        if chunk is not None:
            self._last_chunk[track] = chunk
        if stamp_ms is not None:
            if self._base_ms is None:
                self._base_ms = 0 if 0 <= stamp_ms <= _STREAM_CLOCK_MS else stamp_ms
            return (stamp_ms - self._base_ms) * self._format.rate_hz // 1000
        if chunk is None or last_chunk is None or not 1 < chunk - last_chunk <= _MAX_MISSING_CHUNKS:
            return None
        return self._clocks[track].next_sample + (chunk - last_chunk - 1) * n_samples


_STREAM_CLOCK_MS = 600_000
"""A first timestamp up to this counts from the start of the stream; a later one (Plivo sends Unix time) from itself."""
_MAX_MISSING_CHUNKS = 1_000

_OTHER: dict[Track, Track] = {"inbound": "outbound", "outbound": "inbound"}

_ENCODINGS = {
    "mulaw": Encoding.PCMU,
    "ulaw": Encoding.PCMU,
    "pcmu": Encoding.PCMU,
    "g711_ulaw": Encoding.PCMU,
    "alaw": Encoding.PCMA,
    "pcma": Encoding.PCMA,
    "g711_alaw": Encoding.PCMA,
    "l16": Encoding.L16_LE,
    "slin": Encoding.L16_LE,
    "linear16": Encoding.L16_LE,
    "pcm": Encoding.L16_LE,
    "base64": Encoding.L16_LE,
}
"""By the name after ``audio/``, ``raw/`` and ``x-``. Exotel writes ``base64`` where others name the codec [4]_."""


def _first(mapping: Mapping[str, Any], *names: str) -> Any:
    """Return the first entry that is there and not empty."""
    return next((mapping[name] for name in names if mapping.get(name) not in (None, "")), None)


def _tracks_of(value: object) -> tuple[Track, ...]:
    """Read ``inbound``, ``inbound_track``, ``both_tracks`` or a list of such names."""
    names = value if isinstance(value, list) else [value]
    found: dict[Track, None] = {}
    for name in names[:8]:
        text = name.lower() if isinstance(name, str) else ""
        if text.startswith(("inbound", "both")):
            found["inbound"] = None
        if text.startswith(("outbound", "both")):
            found["outbound"] = None
    return tuple(found)


def _pairs(value: object) -> dict[str, str]:
    """Read Plivo's extra headers: an object, JSON in a string, or ``name=value`` pairs; ``X-PH-`` is not kept."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            parts = [part.partition("=") for part in re.split(r"[,;]", str(value)[:4096])]
            value = {name.strip(): text.strip() for name, equals, text in parts if equals}
    if not isinstance(value, dict):
        return {}
    return {re.sub(r"^x-ph-", "", str(name), flags=re.IGNORECASE): text for name, text in value.items()}

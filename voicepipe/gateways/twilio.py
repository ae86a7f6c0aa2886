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
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from voicepipe.gateways.decoder import (
    CloseCode,
    Decoder,
    DecoderLimits,
    FaultError,
    Handshake,
    parse_object,
)
from voicepipe.gateways.identity import CallIdentity, FieldMap, identify
from voicepipe.gateways.ordering import Reorderer, TrackClock
from voicepipe.gateways.twilio_dialects import Media, Track, first_of, read_media, read_number, read_pairs, tracks_of
from voicepipe.gateways.twilio_payloads import ByteOrderSetting, PayloadDecoder, read_format
from voicepipe.types import AudioInputError, Channel, MediaEvent, Roles


class TwilioFields(FieldMap):
    """Where the fields are found unless the settings say otherwise, each by itself."""

    call_id: tuple[str, ...] = ("custom.call_id", "query.call_id")
    agent_id: tuple[str, ...] = ("custom.agent_id", "custom.agent")
    queue: tuple[str, ...] = ("custom.queue", "query.queue")
    language: tuple[str, ...] = ("custom.language", "query.language")
    consent: tuple[str, ...] = ("custom.consent",)
    caller: tuple[str, ...] = ("custom.caller", "custom.from", "start.from")
    channel: tuple[str, ...] = ("custom.channel", "query.channel")
    channels: tuple[str, ...] = ("custom.channels", "query.channels")


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
    l16_byte_order: ByteOrderSetting = Field(
        default="auto", description="Byte order of L16 payloads; auto finds it by the smoother sound."
    )
    reorder_messages: int = Field(
        default=16, ge=0, le=1024, description="Messages that are held back at most for one that is missing."
    )
    fields: TwilioFields = TwilioFields()


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
        self._order: Reorderer[Media | None] = Reorderer(counts=self.counts, window=config.reorder_messages)
        self._identity: CallIdentity | None = None
        self._payloads: PayloadDecoder | None = None
        self._before_start: list[str] = []
        self._probed: list[tuple[Media, bool]] = []
        self._heard: dict[Track, None] = {}
        self._channel_of: dict[Track, Channel] = {}
        self._clocks: dict[Track, TrackClock] = {}
        self._last_chunk: dict[Track, int] = {}
        self._damaged: set[Track] = set()
        self._after_loss = False
        self._base_ms: int | None = None

    def _binary(self, message: bytes, arrived_s: float | None) -> list[MediaEvent]:
        del message, arrived_s
        raise FaultError("A binary message came; Media Streams sends JSON text.")

    def _text(self, message: str) -> list[MediaEvent]:
        content = parse_object(message)
        match content.get("event"):
            case "media":
                if self._identity is None:
                    self._before_start.append(message)
                    return []
                media = read_media(content)
                return self._ordered(media.number, media)
            case "start":
                return self._take_start(content)
            case "stop":
                rest = self._flush()
                self._close(CloseCode.NORMAL, "stream stopped")
                return rest + self._end_call("stop")
            case "dtmf" | "mark" if self._identity is not None:
                return self._ordered(read_number(content), None)
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
        return rest + (self._announce() if self.call is None and self._probed else [])

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
        try:
            stream_format = read_format(first_of(start, "mediaFormat", "media_format"))
        except AudioInputError as error:
            raise self.refuse(CloseCode.UNSUPPORTED, str(error)) from None
        self._payloads = PayloadDecoder(stream_format, l16_byte_order=self._config.l16_byte_order)
        self._identity = identity
        early, self._before_start = self._before_start, []
        tracks = tracks_of(start.get("tracks", start.get("track"))) or self._config.tracks
        events = self._announce(tracks) if tracks else []
        for message in early:
            try:
                events += self._text(message)
            except FaultError as fault:
                events += self._count_fault(str(fault))
        return events

    def _identify(self, content: dict[str, Any], start: dict[str, Any]) -> CallIdentity:
        custom = first_of(start, "customParameters", "custom_parameters")
        sources = {
            "start": start,
            "custom": {
                **read_pairs(content.get("extra_headers")),
                **read_pairs(start.get("extra_headers")),
                **(custom if isinstance(custom, dict) else {}),
            },
            "query": self._handshake.query,
            "header": self._handshake.headers,
        }
        stream_id = first_of(content, "streamSid", "stream_id", "stream_sid", "streamId")
        call_id = first_of(
            start, "callSid", "call_sid", "callId", "call_id", "call_control_id", "streamSid", "streamId"
        )
        identity = identify(sources, fields=self._config.fields, call_id=call_id or stream_id)
        if identity is None:
            raise self.refuse(
                CloseCode.POLICY,
                "The start message names no call; send callSid, call_control_id or callId, or map a field to it.",
            )
        return identity

    def _announce(self, tracks: tuple[Track, ...] = ()) -> list[MediaEvent]:
        """Announce the call with the tracks that are known now, then let out the audio that waited for it."""
        assert self._identity is not None
        assert self._payloads is not None
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
        self._clocks = {track: TrackClock(rate_hz=self._payloads.rate_hz) for track in self._channel_of}
        events = self._start(self._identity, channels=tuple(self._channel_of.values()), roles=roles)
        probed, self._probed = self._probed, []
        for media, after_loss in probed:
            events += self._take_media(media, after_loss)
        return events

    def _ordered(self, number: int | None, media: Media | None) -> list[MediaEvent]:
        """Take a message in the order of its number; None is one without audio, numbered as they all are."""
        if number is None or self._config.reorder_messages == 0:
            return self._take_media(media, False)  # noqa: FBT003
        return [event for item in self._order.push(number, media) for event in self._take_media(*item)]

    def _take_media(self, media: Media | None, after_loss: bool) -> list[MediaEvent]:  # noqa: FBT001
        """Take a message in its turn; a damaged one does not take those beside it with it."""
        after_loss = after_loss or self._after_loss
        self._after_loss = after_loss and media is None
        if media is None:
            return []
        try:
            return self._hear(media, after_loss=after_loss)
        except FaultError as fault:
            return self._count_fault(str(fault))

    def _hear(self, media: Media, *, after_loss: bool) -> list[MediaEvent]:
        assert self._payloads is not None
        track: Track = next(iter(self._channel_of), "inbound") if media.track is None else media.track
        if self.call is None:
            self._heard[track] = None
            self._probed.append((media, after_loss))
            ready = len(self._heard) == 2 or len(self._probed) >= self.PROBE_MESSAGES
            return self._announce() if ready else []
        if track not in self._channel_of:
            self.counts.unannounced += 1
            return []
        try:
            payload = base64.b64decode(media.payload, validate=True)
            samples = self._payloads.decode(payload, track=track)
        except ValueError:
            self._damaged.add(track)
            raise FaultError("A payload is not base64; send the bare audio, encoded by RFC 4648.") from None
        except AudioInputError as error:
            self._damaged.add(track)
            raise FaultError(str(error)) from None
        after_loss = after_loss or track in self._damaged
        self._damaged.discard(track)
        self.counts.audio_bytes += len(payload)
        if not len(samples):
            return []
        self._fault_free()
        stamp = self._stamp(media, track, len(samples))
        first_sample = self._clocks[track].place(len(samples), stamp=stamp, after_loss=after_loss)
        return [self._chunk(self._channel_of[track], first_sample, samples, rate_hz=self._payloads.rate_hz)]

    def _stamp(self, media: Media, track: Track, n_samples: int) -> int | None:
        """Return where a payload begins, in samples since the start of the stream, as far as the message tells."""
        assert self._payloads is not None
        stamp_ms, chunk = media.stamp_ms, media.chunk
        last_chunk = self._last_chunk.get(track)
        if chunk is not None:
            self._last_chunk[track] = chunk
        if stamp_ms is not None:
            if self._base_ms is None:
                self._base_ms = 0 if 0 <= stamp_ms <= _STREAM_CLOCK_MS else stamp_ms
            return (stamp_ms - self._base_ms) * self._payloads.rate_hz // 1000
        if chunk is None or last_chunk is None or not 1 < chunk - last_chunk <= _MAX_MISSING_CHUNKS:
            return None
        return self._clocks[track].next_sample + (chunk - last_chunk - 1) * n_samples


_STREAM_CLOCK_MS = 600_000
"""A first timestamp up to this counts from the start of the stream; a later one (Plivo sends Unix time) from itself."""
_MAX_MISSING_CHUNKS = 1_000

_OTHER: dict[Track, Track] = {"inbound": "outbound", "outbound": "inbound"}

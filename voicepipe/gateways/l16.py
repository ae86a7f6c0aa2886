"""Bare audio in binary WebSocket messages: FreeSWITCH mod_audio_fork and mod_audio_stream, jambonz, Vonage, Asterisk.

A text message tells who calls and how the audio is written: before the audio, late or never. It is JSON, a line of
``name:value`` pairs (Asterisk), or any text that the operator chose. There are no times and no end: the connection's
end is the call's. Nothing is sent back.

References
----------
.. [1] jambonz, "listen verb", https://docs.jambonz.org/verbs/verbs/listen: ``sampleRate``, ``mixType``; in stereo the
   caller is on the left.
.. [2] Vonage, "WebSockets", https://developer.vonage.com/en/voice/voice-api/concepts/websockets: ``content-type`` with
   the rate, little-endian, 20 ms.
.. [3] Asterisk, "WebSocket channel driver", https://docs.asterisk.org/Configuration/Channel-Drivers/WebSocket/:
   ``MEDIA_START`` with ``format``, raw audio of that format.
.. [4] drachtio, "mod_audio_fork", https://github.com/drachtio/drachtio-freeswitch-modules: ``mono`` is the caller
   alone, ``mixed`` both in one, ``stereo`` the caller on the left.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from voicepipe.audio.codecs import Encoding, decode
from voicepipe.gateways.arrival import ArrivalClock
from voicepipe.gateways.decoder import (
    CloseCode,
    Decoder,
    DecoderLimits,
    FaultError,
    Handshake,
    parse_object,
    whole_number,
)
from voicepipe.gateways.identity import CallIdentity, FieldMap, identify
from voicepipe.types import Channel, FloatArray, MediaEvent, Roles

Mix = Literal["mono", "mixed", "stereo"]

_ID_NAMES = ("call_id", "callSid", "call_sid", "callId", "uuid", "conversation_uuid", "channel_id", "text")


class L16Fields(FieldMap):
    """Where the fields are found unless the settings say otherwise, each by itself."""

    call_id: tuple[str, ...] = (
        "custom.call_id",
        *(f"metadata.{name}" for name in _ID_NAMES),
        "query.call_id",
        "header.x-call-id",
    )
    agent_id: tuple[str, ...] = ("custom.agent_id", "metadata.agent_id", "query.agent_id")
    queue: tuple[str, ...] = ("custom.queue", "metadata.queue", "query.queue")
    language: tuple[str, ...] = ("custom.language", "metadata.language", "query.language")
    consent: tuple[str, ...] = ("custom.consent", "metadata.consent", "query.consent")
    caller: tuple[str, ...] = ("custom.caller", "metadata.caller", "metadata.from", "query.caller")
    channel: tuple[str, ...] = ("custom.channel_role", "metadata.channel_role", "query.channel_role")
    channels: tuple[str, ...] = ("custom.channels", "metadata.call_channels", "query.call_channels")


class L16Config(BaseModel):
    """How bare audio is read.

    The sources of `fields` are ``metadata`` (the first text message; ``metadata.text`` where it is not JSON),
    ``custom`` (an object within it: ``metadata``, ``channel_variables``, ``customHeaders``), ``query`` and ``header``.
    Asterisk's ``query`` counts for nothing: version 22.10 repeats there what an earlier call was given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    subprotocols: tuple[str, ...] = Field(
        default=("audio.drachtio.org", "audio.jambonz.org", "media"),
        description="WebSocket subprotocols that are accepted; a client that offers none is accepted too.",
    )
    rate_hz: int = Field(
        default=8_000, ge=8_000, le=192_000, description="Sample rate where the metadata do not tell it."
    )
    mix: Mix | None = Field(
        default=None,
        description="mono (one voice), mixed or stereo where the metadata do not tell it; not given: mixed.",
    )
    byte_order: Literal["little", "big"] = Field(default="little", description="Byte order of 16-bit samples.")
    caller_side: Literal["left", "right"] | None = Field(
        default=None,
        description="Side of stereo audio that carries the caller; not given: left, and the roles count as assumed.",
    )
    metadata_wait_bytes: int = Field(
        default=32_000, ge=0, description="Audio that is held back for metadata that come late: 2 s at 8 kHz, mono."
    )
    accept_unnamed: bool = Field(
        default=True, description="Take calls that nobody named, under the id of their connection."
    )
    gap_after_s: float | None = Field(
        default=2.0, gt=0.0, description="Silence on the line longer than this counts as a gap; not given: never."
    )
    fields: L16Fields = L16Fields()


def choose_subprotocol(offered: Sequence[str], *, accepted: Sequence[str]) -> str | None:
    """Return the first offered subprotocol that is accepted; None opens the WebSocket without one."""
    return next((name for name in offered if name in accepted), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Format:
    encoding: Encoding
    rate_hz: int
    mix: Mix | None


class L16Decoder(Decoder):
    """One WebSocket with bare audio.

    Parameters
    ----------
    config : L16Config
    handshake : Handshake
    connection_id : str
        Unique; the call id where nobody named the call.
    started_at, limits
        As for `Decoder`.
    """

    protocol = "l16"

    def __init__(
        self,
        *,
        config: L16Config,
        handshake: Handshake,
        connection_id: str,
        started_at: datetime,
        limits: DecoderLimits,
    ) -> None:
        super().__init__(started_at=started_at, limits=limits)
        self._config = config
        self._handshake = handshake
        self._connection_id = connection_id
        self._held: list[tuple[bytes, float | None]] = []
        self._held_bytes = 0
        self._format: _Format | None = None
        self._clock: ArrivalClock | None = None

    def _text(self, message: str) -> list[MediaEvent]:
        if self.call is not None:
            return []
        return self._announce(_read_metadata(message))

    def _binary(self, message: bytes, arrived_s: float | None) -> list[MediaEvent]:
        if self.call is not None:
            return self._audio(message, arrived_s)
        if not message:
            return []
        self._held.append((message, arrived_s))
        self._held_bytes += len(message)
        return self._announce({}) if self._held_bytes > self._config.metadata_wait_bytes else []

    def _flush(self) -> list[MediaEvent]:
        events = self._announce({}) if self.call is None and self._held and self.closing is None else []
        return events + (self._chunks(self._clock.flush()) if self._clock else [])

    def _announce(self, metadata: dict[str, Any]) -> list[MediaEvent]:
        """Announce the call, then let out the audio that waited for it."""
        identity = self._identify(metadata)
        self._format = self._read_format(metadata)
        self._clock = ArrivalClock(rate_hz=self._format.rate_hz, gap_after_s=self._config.gap_after_s)
        channels, roles = self._channels(identity, self._format.mix)
        events = self._start(identity, channels=channels, roles=roles)
        held, self._held = self._held, []
        for message, arrived_s in held:
            try:
                events += self._audio(message, arrived_s)
            except FaultError as fault:
                events += self._count_fault(str(fault))
        return events

    def _identify(self, metadata: dict[str, Any]) -> CallIdentity:
        custom: dict[str, Any] = {}
        for name in ("metadata", "channel_variables", "customHeaders"):
            inner = metadata.get(name)
            custom |= inner if isinstance(inner, dict) else {}
        # The underscores by which Asterisk's dialplan hands a variable on to the channels it dials are sent along.
        custom = {name.lstrip("_"): value for name, value in custom.items() if name.startswith("_")} | custom
        identity = identify(
            {
                "metadata": metadata,
                "custom": custom,
                "query": self._query(metadata),
                "header": self._handshake.headers,
            },
            fields=self._config.fields,
            call_id=self._connection_id if self._config.accept_unnamed else None,
        )
        if identity is None:
            raise self.refuse(
                CloseCode.POLICY, "Nobody named the call; send its id in the metadata or map a field to call_id."
            )
        return identity

    def _query(self, metadata: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the query, unless it comes from Asterisk, which may repeat there what an earlier call was given."""
        return {} if metadata.get("event") == "MEDIA_START" else self._handshake.query

    def _read_format(self, metadata: Mapping[str, Any]) -> _Format:
        named = metadata.get("format")
        asterisk = _ASTERISK_FORMATS.get(named) if isinstance(named, str) else None
        content_type = str(metadata.get("content-type") or "")[:128].lower()
        is_other_codec = metadata.get("event") == "MEDIA_START" and asterisk is None
        if is_other_codec or (content_type and not content_type.startswith(("audio/l16", "audio/x-l16"))):
            raise self.refuse(
                CloseCode.UNSUPPORTED,
                f"The audio is {(content_type or str(named))[:32]!r}; send ulaw, alaw, slin or L16.",
            )
        linear = Encoding.L16_LE if self._config.byte_order == "little" else Encoding.L16
        encoding, rate_hz = asterisk or (linear, _rate_of(metadata, content_type, self._query(metadata)))
        if rate_hz is not None and not 8_000 <= rate_hz <= 192_000:
            raise self.refuse(CloseCode.UNSUPPORTED, "The sample rate is out of range; send 8000 to 192000 Hz.")
        return _Format(
            encoding=encoding,
            rate_hz=rate_hz or self._config.rate_hz,
            mix=_mix_of(metadata, self._query(metadata)) or self._config.mix,
        )

    def _channels(self, identity: CallIdentity, mix: Mix | None) -> tuple[tuple[Channel, ...], Roles]:
        named = identity.channel
        if mix == "stereo":
            caller_is_left = self._config.caller_side != "right"
            if named in (Channel.CALLER, Channel.AGENT):
                caller_is_left = named is Channel.CALLER
            is_given = self._config.caller_side is not None or named in (Channel.CALLER, Channel.AGENT)
            sides = (Channel.CALLER, Channel.AGENT) if caller_is_left else (Channel.AGENT, Channel.CALLER)
            return sides, Roles.GIVEN if is_given else Roles.ASSUMED
        if named in (Channel.CALLER, Channel.AGENT):
            return (named,), Roles.GIVEN
        if mix == "mono" and named is None:
            return (Channel.CALLER,), Roles.ASSUMED
        return (Channel.MIXED,), Roles.UNKNOWN

    def _audio(self, message: bytes, arrived_s: float | None) -> list[MediaEvent]:
        assert self._format is not None
        assert self._clock is not None
        frame_bytes = self._format.encoding.sample_bytes * len(self.channels)
        if len(message) % frame_bytes:
            raise FaultError(
                f"An audio message of {len(message)} bytes came; send whole samples of all channels, {frame_bytes} "
                "bytes each time."
            )
        if not message:
            return []
        self._fault_free()
        self.counts.audio_bytes += len(message)
        tracks = decode(message, encoding=self._format.encoding).reshape(-1, len(self.channels)).T
        return self._chunks(self._clock.push(tracks, arrived_s=arrived_s))

    def _chunks(self, placed: Sequence[tuple[int, FloatArray]]) -> list[MediaEvent]:
        assert self._format is not None
        return [
            self._chunk(channel, first_sample, samples.copy(), rate_hz=self._format.rate_hz)
            for first_sample, tracks in placed
            for channel, samples in zip(self.channels, tracks, strict=True)
        ]


_ASTERISK_FORMATS = {
    "ulaw": (Encoding.PCMU, 8_000),
    "alaw": (Encoding.PCMA, 8_000),
    "slin": (Encoding.L16_LE, 8_000),
} | {
    f"slin{name}": (Encoding.L16_LE, rate_hz)
    for name, rate_hz in (
        ("12", 12_000),
        ("16", 16_000),
        ("24", 24_000),
        ("32", 32_000),
        ("44", 44_100),
        ("48", 48_000),
        ("96", 96_000),
        ("192", 192_000),
    )
}
"""Asterisk's names of the formats that need no codec."""


def _read_metadata(message: str) -> dict[str, Any]:
    """Read the first text: a JSON object, Asterisk's line, or a text of the operator's own."""
    text = message.strip()
    if text.startswith("{"):
        return parse_object(text)
    if text.startswith("MEDIA_START"):
        pairs = (part.partition(":") for part in text.split()[1:])
        return {name: value for name, colon, value in pairs if colon} | {"event": "MEDIA_START"}
    return {"text": text} if re.fullmatch(r"[\w.:@+-]{1,128}", text) else {}


def _rate_of(metadata: Mapping[str, Any], content_type: str, query: Mapping[str, str]) -> int | None:
    """Return the sample rate: a number, ``8k`` or ``16k``, or the parameter of a content type; 0 is none of these."""
    parameter = re.search(r"rate=(\d{4,6})", content_type)
    named = parameter.group(1) if parameter else None
    for source in (metadata, query):
        named = named or next(
            (source[name] for name in ("sampleRate", "sample_rate", "rate") if source.get(name)), None
        )
    if isinstance(named, str) and re.fullmatch(r"\d{1,3}k", named):
        named = f"{named[:-1]}000"
    return None if named is None else whole_number(named) or 0


def _mix_of(metadata: Mapping[str, Any], query: Mapping[str, str]) -> Mix | None:
    for source in (metadata, query):
        named = next((source[name] for name in ("mixType", "mix_type", "mix") if source.get(name)), None)
        match str(named).lower() if isinstance(named, str) else whole_number(source.get("channels")):
            case "stereo" | 2:
                return "stereo"
            case "mixed":
                return "mixed"
            case "mono":
                return "mono"
    return None

"""Asterisk AudioSocket: a TCP stream of small frames, one mono track, no words about the call but a UUID.

A frame is one byte of kind, a length of two bytes (network byte order) and that many bytes [1]_. Audio is signed
16-bit little-endian [2]_; the kind tells its sample rate. Who calls is known only to whoever chose the UUID, so it is
looked up outside: in what was registered over HTTP before the call. Nothing is sent back: whatever a server writes is
played into the call.

References
----------
.. [1] Asterisk, "AudioSocket",
   https://docs.asterisk.org/Configuration/Channel-Drivers/AudioSocket/
.. [2] Asterisk's ``slin`` formats: linear samples in the byte order of the machine, which is little-endian.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from voicepipe.audio.codecs import Encoding, decode
from voicepipe.gateways.arrival import ArrivalClock
from voicepipe.gateways.decoder import CloseCode, Decoder, DecoderLimits, FaultError
from voicepipe.gateways.identity import CallIdentity
from voicepipe.types import Channel, FloatArray, GatewayProtocolError, MediaEvent, Roles

KIND_HANGUP = 0x00
KIND_UUID = 0x01
KIND_DTMF = 0x03
KIND_ERROR = 0xFF

RATES_HZ = {
    0x10: 8_000,
    0x11: 12_000,
    0x12: 16_000,
    0x13: 24_000,
    0x14: 32_000,
    0x15: 44_100,
    0x16: 48_000,
    0x17: 96_000,
    0x18: 192_000,
}
"""Sample rate of each kind of audio frame."""

_HEADER_BYTES = 3


class AudioSocketConfig(BaseModel):
    """How AudioSocket connections are read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    accept_unknown: bool = Field(
        default=False,
        description="Take calls whose UUID nobody registered: the UUID is the call id, the track counts as mixed.",
    )
    gap_after_s: float | None = Field(
        default=2.0, gt=0.0, description="Silence on the line longer than this counts as a gap; not given: never."
    )


class AudioSocketDecoder(Decoder):
    """One AudioSocket connection.

    Asterisk ends a call by closing the connection, with or without a hang-up frame. Where a piece of the stream holds
    good frames before one that breaks the protocol, `feed` returns what the good ones gave and `closing` tells the
    rest.

    Parameters
    ----------
    config : AudioSocketConfig
    look_up : callable
        Takes the UUID of the first frame; returns who calls, or None where nobody knows it.
    started_at, limits
        As for `Decoder`.
    """

    protocol = "audiosocket"

    def __init__(
        self,
        *,
        config: AudioSocketConfig,
        look_up: Callable[[UUID], CallIdentity | None],
        started_at: datetime,
        limits: DecoderLimits,
    ) -> None:
        super().__init__(started_at=started_at, limits=limits)
        self._config = config
        self._look_up = look_up
        self._buffer = bytearray()
        self._rate_hz: int | None = None
        self._clock: ArrivalClock | None = None

    def _text(self, message: str) -> list[MediaEvent]:
        del message
        raise self.refuse(CloseCode.UNSUPPORTED, "Text came over AudioSocket; send its binary frames.")

    def _binary(self, message: bytes, arrived_s: float | None) -> list[MediaEvent]:
        self._buffer += message
        events: list[MediaEvent] = []
        taken = 0
        if self.call is None and self._buffer and self._buffer[0] != KIND_UUID:
            raise self.refuse(
                CloseCode.PROTOCOL_ERROR,
                f"The connection began with a frame of kind 0x{self._buffer[0]:02x}; "
                "AudioSocket begins with the call's UUID.",
            )
        while self.closing is None and len(self._buffer) - taken >= _HEADER_BYTES:
            kind = self._buffer[taken]
            end = taken + _HEADER_BYTES + int.from_bytes(self._buffer[taken + 1 : taken + 3], "big")
            if len(self._buffer) < end:
                break
            payload = bytes(self._buffer[taken + _HEADER_BYTES : end])
            taken = end
            try:
                events += self._frame(kind, payload, arrived_s)
            except GatewayProtocolError:
                if not events:
                    raise
        del self._buffer[:taken]
        return events

    def _frame(self, kind: int, payload: bytes, arrived_s: float | None) -> list[MediaEvent]:
        if kind == KIND_UUID:
            return self._identify(payload)
        if kind in RATES_HZ:
            try:
                return self._audio(payload, rate_hz=RATES_HZ[kind], arrived_s=arrived_s)
            except FaultError as fault:
                return self._count_fault(str(fault))
        if kind in (KIND_HANGUP, KIND_ERROR):
            self._close(CloseCode.NORMAL, "hung up")
            return self._flush() + self._end_call("hangup" if kind == KIND_HANGUP else "error")
        if kind != KIND_DTMF:
            self.counts.unknown += 1
        return []

    def _identify(self, payload: bytes) -> list[MediaEvent]:
        if self.call is not None:
            self.counts.duplicates += 1
            return []
        if len(payload) != 16:
            raise self.refuse(CloseCode.PROTOCOL_ERROR, f"A UUID frame of {len(payload)} bytes came; a UUID has 16.")
        uuid = UUID(bytes=payload)
        identity = self._look_up(uuid)
        if identity is None:
            if not self._config.accept_unknown:
                raise self.refuse(
                    CloseCode.POLICY, f"Nobody registered the call {uuid}; register it before Asterisk connects."
                )
            identity = CallIdentity(call_id=str(uuid))
        channel = identity.channel or Channel.MIXED
        roles = Roles.UNKNOWN if channel is Channel.MIXED else Roles.GIVEN
        return self._start(identity, channels=(channel,), roles=roles)

    def _audio(self, payload: bytes, *, rate_hz: int, arrived_s: float | None) -> list[MediaEvent]:
        if self._rate_hz is None:
            self._rate_hz = rate_hz
            self._clock = ArrivalClock(rate_hz=rate_hz, gap_after_s=self._config.gap_after_s)
        if rate_hz != self._rate_hz:
            raise FaultError(f"The call changed from {self._rate_hz} to {rate_hz} Hz; keep one rate.")
        if len(payload) % 2:
            raise FaultError(f"An audio frame of {len(payload)} bytes came; send whole 16-bit samples.")
        if not payload:
            return []
        self._fault_free()
        self.counts.audio_bytes += len(payload)
        assert self._clock is not None
        samples = decode(payload, encoding=Encoding.L16_LE)
        return self._chunks(self._clock.push(samples, arrived_s=arrived_s))

    def _chunks(self, placed: Sequence[tuple[int, FloatArray]]) -> list[MediaEvent]:
        assert self._rate_hz is not None
        channel = self.channels[0]
        return [self._chunk(channel, first, samples, rate_hz=self._rate_hz) for first, samples in placed]

    def _flush(self) -> list[MediaEvent]:
        return self._chunks(self._clock.flush()) if self._clock else []

"""Compressed speech as telephony streams it, one RTP payload at a time: G.722, Opus and AMR-WB, decoded by PyAV.

These codecs predict each packet from the ones before it, so that every track needs a decoder of its own, fed in order.

References
----------
.. [1] RFC 3551, section 4.5.2: G.722 is sampled at 16 kHz although its RTP clock, by an old mistake, runs at 8 kHz.
.. [2] RFC 7587, section 4: one Opus packet a payload; RFC 6716, section 2: any Opus stream may be decoded at 48 kHz and
   in mono, whatever it was made from.
.. [3] RFC 4867, sections 4.3 and 4.4: the two layouts of AMR-WB payloads.
.. [4] 3GPP TS 26.201, tables 2 and 3: bits of an AMR-WB frame in each mode.
"""

from collections.abc import Callable
from enum import StrEnum

import numpy as np

from voicepipe.types import AudioInputError, FloatArray

_FULL_SCALE = 32768.0


class PacketCodec(StrEnum):
    """A codec whose payloads only make sense one after the other."""

    G722 = "G722"
    """ITU-T G.722 at 64 kbit/s."""
    OPUS = "OPUS"
    AMR_WB = "AMR-WB"
    """In either layout of RFC 4867, without interleaving and checksums; each payload shows which of the two it is."""

    @property
    def rate_hz(self) -> int:
        """Sample rate of what is decoded, whatever rate the stream was announced with [1]_ [2]_."""
        return 48_000 if self is PacketCodec.OPUS else 16_000


class PacketDecoder:
    """Decodes the payloads of one track, in order.

    Parameters
    ----------
    codec : PacketCodec

    Raises
    ------
    AudioInputError
        If the FFmpeg libraries that PyAV was built with do not have the codec; those of its wheels have all three.
    """

    def __init__(self, codec: PacketCodec) -> None:
        import av  # Here, because the settings of a gateway are read without it.

        if _DECODER_NAMES[codec] not in av.codecs_available:
            raise AudioInputError(
                f"PyAV was built without {_DECODER_NAMES[codec]} and cannot decode {codec}; send PCMU, or install "
                "PyAV's own wheel."
            )
        self.codec = codec
        self._av = av
        self._context = av.codec.CodecContext.create(_DECODER_NAMES[codec], "r")
        self._context.layout = "mono"
        self._context.sample_rate = codec.rate_hz
        self._frames_of: Callable[[bytes], list[bytes]] = amr_wb_frames if codec is PacketCodec.AMR_WB else _one_frame

    def decode(self, payload: bytes) -> FloatArray:
        """Turn the next payload into samples.

        Parameters
        ----------
        payload : bytes
            Without an RTP header; may be empty.

        Returns
        -------
        ndarray, shape (n,), float32
            In [-1, 1), at `PacketCodec.rate_hz`.

        Raises
        ------
        AudioInputError
            If the payload is none of this codec. The decoder goes on with the next one as if it had been lost.
        """
        heard = []
        for frame in self._frames_of(payload):
            try:
                decoded = self._context.decode(self._av.Packet(frame))
            except self._av.FFmpegError:
                raise AudioInputError(
                    f"A payload of {len(payload)} bytes is no {self.codec}; send the bare payload of each RTP packet, "
                    "or name the codec that is really sent."
                ) from None
            heard += [block.to_ndarray()[0] for block in decoded]
        if not heard:
            return np.empty(0, dtype=np.float32)
        samples: FloatArray = np.concatenate(heard).astype(np.float32)
        samples /= _FULL_SCALE
        return samples


def amr_wb_frames(payload: bytes) -> list[bytes]:
    """Take an AMR-WB payload apart.

    RFC 4867 knows two layouts, chosen when the call was set up, which nobody tells a listener. Reserved bits and the
    length give them away: the bits after the first four are zero in the octet-aligned one, and a single frame of speech
    has another length in each.

    Parameters
    ----------
    payload : bytes
        May be empty.

    Returns
    -------
    list of bytes
        At most `MOST_FRAMES` frames of 20 ms as files store them: an octet with frame type and quality, then the bits
        of the frame, padded to whole octets (RFC 4867, section 5.3).

    Raises
    ------
    AudioInputError
        If it is neither.
    """
    if not payload:
        return []
    if len(payload) <= _MOST_BYTES:
        for unit_bits in (8, 1):
            frames = _unpack(payload, unit_bits=unit_bits)
            if frames is not None:
                return frames
    raise AudioInputError(
        f"A payload of {len(payload)} bytes is no AMR-WB; send the bare payload of each RTP packet, octet-aligned or "
        "bandwidth-efficient (RFC 4867), without interleaving and checksums."
    )


def _unpack(payload: bytes, *, unit_bits: int) -> list[bytes] | None:
    """Read a payload whose fields are padded to multiples of `unit_bits`: 8 is octet-aligned, 1 bandwidth-efficient."""
    n_bits, bits = 8 * len(payload), int.from_bytes(payload)

    def read(at: int, count: int) -> int:
        return bits >> (n_bits - at - count) & ((1 << count) - 1)

    mode_request, entry = -(-4 // unit_bits) * unit_bits, -(-6 // unit_bits) * unit_bits
    if read(4, mode_request - 4):
        return None
    heads: list[int] = []
    at, more = mode_request, 1
    while more:
        if at + entry > n_bits or len(heads) == MOST_FRAMES or read(at + 6, entry - 6):
            return None
        more, head = read(at, 1), read(at + 1, 5)
        heads.append(head)
        at += entry
    frames = []
    for head in heads:
        size = _AMR_WB_BITS.get(head >> 1)
        if size is None or at + -(-size // unit_bits) * unit_bits > n_bits:
            return None
        octets = -(-size // 8)
        frames.append(bytes([head << 2]) + (read(at, size) << 8 * octets - size).to_bytes(octets))
        at += -(-size // unit_bits) * unit_bits
    rest = n_bits - at
    return frames if rest < 8 and not read(at, rest) else None


def _one_frame(payload: bytes) -> list[bytes]:
    return [payload] if payload else []


MOST_FRAMES = 12
"""Frames in an AMR-WB payload that are still taken for one: 240 ms; streams send 20 ms."""
_DECODER_NAMES = {
    PacketCodec.G722: "g722",
    PacketCodec.OPUS: "libopus",
    PacketCodec.AMR_WB: "libopencore_amrwb",
}
"""FFmpeg's names; its own AMR-WB decoder lacks the comfort noise that fills a caller's pauses."""
_AMR_WB_BITS = dict(enumerate((132, 177, 253, 285, 317, 365, 397, 461, 477, 40))) | {14: 0, 15: 0}
"""By frame type [4]_: nine modes, comfort noise, and a frame that was lost or never sent; others are reserved."""
_MOST_BYTES = 1 + MOST_FRAMES * 61

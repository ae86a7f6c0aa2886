"""What telephony puts on the wire, as samples and back: G.711 by table, and linear 16-bit.

Compressed formats live in containers and are decoded by `voicepipe.audio.recording`.

References
----------
.. [1] ITU-T Recommendation G.711 (11/1988), tables 1 and 2: the segments, their values and the order of the bits.
.. [2] RFC 3551, sections 4.5.11 (L16: signed, network byte order) and 4.5.14 (PCMA, PCMU).
"""

from enum import StrEnum

import numpy as np
import numpy.typing as npt

from voicepipe.types import AudioInputError, FloatArray

_FULL_SCALE = 32768.0


class Encoding(StrEnum):
    """How a payload writes its samples."""

    PCMU = "PCMU"
    """G.711 mu-law, one byte a sample."""
    PCMA = "PCMA"
    """G.711 A-law, one byte a sample."""
    L16 = "L16"
    """Signed 16-bit, network (big-endian) byte order [2]_."""
    L16_LE = "L16_LE"
    """Signed 16-bit, little-endian: WAV, Asterisk's ``slin``."""

    @property
    def sample_bytes(self) -> int:
        """Bytes per sample."""
        return 1 if self in _DECODE_TABLE else 2


def decode(payload: bytes | bytearray | memoryview, *, encoding: Encoding) -> FloatArray:
    """Turn a payload into samples.

    Parameters
    ----------
    payload : bytes-like
        Whole samples of one track; may be empty.
    encoding : Encoding

    Returns
    -------
    ndarray, shape (n,), float32
        In [-1, 1): the 16-bit value divided by 32768.

    Raises
    ------
    AudioInputError
        If a 16-bit payload has an odd number of bytes.
    """
    table = _DECODE_TABLE.get(encoding)
    if table is not None:
        decoded: FloatArray = table[np.frombuffer(payload, dtype=np.uint8)]
        return decoded
    if len(payload) % 2:
        raise AudioInputError(
            f"A payload of {encoding} has {len(payload)} bytes, half a sample too many or too few; "
            "send whole 16-bit samples or name the encoding that is really sent."
        )
    samples = np.frombuffer(payload, dtype=_L16_DTYPE[encoding]).astype(np.float32)
    samples /= _FULL_SCALE
    return samples


def encode(samples: FloatArray, *, encoding: Encoding) -> bytes:
    """Turn samples into a payload.

    Parameters
    ----------
    samples : ndarray, shape (n,), float
        Full scale is [-1, 1]; what lies beyond is clipped, NaN becomes silence.
    encoding : Encoding

    Returns
    -------
    bytes
        G.711: the code whose value is nearest to the sample rounded to 16 bits.
    """
    scaled = np.nan_to_num(np.asarray(samples, dtype=np.float64), nan=0.0, posinf=1.0, neginf=-1.0) * _FULL_SCALE
    linear = np.clip(np.rint(scaled), -32768, 32767).astype(np.int16)
    table = _ENCODE_TABLE.get(encoding)
    if table is not None:
        return table[linear.view(np.uint16)].tobytes()
    return linear.astype(_L16_DTYPE[encoding]).tobytes()


def _mulaw_values() -> npt.NDArray[np.int32]:
    """Return the 16-bit value of each of the 256 mu-law codes.

    All bits are sent inverted; then a sign (1 is negative), 3 bits of segment s and 4 of step q. The 14-bit magnitude
    is ``(2 q + 33) 2**s - 33`` [1]_, and 16 bits are four times that.
    """
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = (((2 * (code & 0x0F) + 33) << ((code >> 4) & 0x07)) - 33) * 4
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int32)


def _alaw_values() -> npt.NDArray[np.int32]:
    """Return the 16-bit value of each of the 256 A-law codes.

    Even bits are sent inverted (0x55); then a sign (1 is positive), 3 bits of segment s and 4 of step q. The 13-bit
    magnitude is ``2 q + 1`` in segment 0 and ``(2 q + 33) 2**(s - 1)`` above [1]_, and 16 bits are eight times that.
    """
    code = np.arange(256, dtype=np.int32) ^ 0x55
    step, segment = code & 0x0F, (code >> 4) & 0x07
    magnitude = np.where(segment == 0, 2 * step + 1, (2 * step + 33) << np.maximum(segment - 1, 0)) * 8
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int32)


def _nearest_codes(values: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
    """Return, for each 16-bit value seen as uint16, the code of its own sign whose value is nearest.

    Codes from 128 are the positive ones. A value midway between two takes the larger magnitude: G.711's decision values
    belong to the interval above them.
    """
    linear = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    codes = np.arange(256, dtype=np.uint8)
    positive = codes >= 128
    table = np.empty(65536, dtype=np.uint8)
    for half, inputs in ((positive, linear >= 0), (~positive, linear < 0)):
        order = np.argsort(np.abs(values[half]), kind="stable")
        magnitudes, half_codes = np.abs(values[half])[order], codes[half][order]
        decisions = (magnitudes[1:] + magnitudes[:-1]) / 2
        table[inputs] = half_codes[np.searchsorted(decisions, np.abs(linear[inputs]), side="right")]
    return table


_L16_DTYPE = {Encoding.L16: np.dtype(">i2"), Encoding.L16_LE: np.dtype("<i2")}
_DECODE_TABLE: dict[Encoding, FloatArray] = {
    Encoding.PCMU: (_mulaw_values() / _FULL_SCALE).astype(np.float32),
    Encoding.PCMA: (_alaw_values() / _FULL_SCALE).astype(np.float32),
}
_ENCODE_TABLE: dict[Encoding, npt.NDArray[np.uint8]] = {
    Encoding.PCMU: _nearest_codes(_mulaw_values()),
    Encoding.PCMA: _nearest_codes(_alaw_values()),
}

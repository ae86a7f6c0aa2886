"""Samples on the wire, against FFmpeg's own G.711 and the recommendation's numbers."""

import av
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.audio.codecs import Encoding, decode, encode
from voicepipe.types import AudioInputError

ALL_CODES = bytes(range(256))
ALL_VALUES = np.arange(-32768, 32768, dtype=np.int16)
ORACLE = {Encoding.PCMU: "pcm_mulaw", Encoding.PCMA: "pcm_alaw"}


def ffmpeg_decode(payload: bytes, *, codec: str) -> npt.NDArray[np.int16]:
    context = av.CodecContext.create(codec, "r")
    context.sample_rate, context.layout = 8000, "mono"
    return np.concatenate([frame.to_ndarray()[0] for frame in context.decode(av.Packet(payload))])


def ffmpeg_encode(samples: npt.NDArray[np.int16], *, codec: str) -> bytes:
    context = av.CodecContext.create(codec, "w")
    context.sample_rate, context.layout, context.format = 8000, "mono", "s16"
    frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="s16", layout="mono")
    frame.sample_rate = 8000
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])


@pytest.mark.parametrize("encoding", ORACLE)
def test_every_code_decodes_as_ffmpeg_does(encoding: Encoding) -> None:
    expected = ffmpeg_decode(ALL_CODES, codec=ORACLE[encoding])
    np.testing.assert_array_equal(decode(ALL_CODES, encoding=encoding), expected.astype(np.float32) / 32768)


@pytest.mark.parametrize("encoding", ORACLE)
def test_every_code_survives_a_round_trip(encoding: Encoding) -> None:
    once = decode(ALL_CODES, encoding=encoding)
    np.testing.assert_array_equal(decode(encode(once, encoding=encoding), encoding=encoding), once)


@pytest.mark.parametrize("encoding", ORACLE)
def test_every_value_takes_its_nearest_code(encoding: Encoding) -> None:
    linear = ALL_VALUES.astype(np.float32) / 32768
    codes = decode(ALL_CODES, encoding=encoding)
    got = np.abs(decode(encode(linear, encoding=encoding), encoding=encoding) - linear)
    np.testing.assert_array_equal(got, np.abs(linear[:, np.newaxis] - codes).min(axis=1))


@pytest.mark.parametrize("encoding", ORACLE)
def test_encoding_is_as_near_as_ffmpegs(encoding: Encoding) -> None:
    fourteen_bits = ALL_VALUES[::4].copy()  # all that FFmpeg's table tells apart
    linear = fourteen_bits.astype(np.float32) / 32768
    ours = decode(encode(linear, encoding=encoding), encoding=encoding)
    theirs = decode(ffmpeg_encode(fourteen_bits, codec=ORACLE[encoding]), encoding=encoding)
    np.testing.assert_array_equal(np.abs(ours - linear), np.abs(theirs - linear))
    assert (ours == theirs).mean() > 0.99


@pytest.mark.parametrize(
    ("encoding", "code", "value"),
    [
        (Encoding.PCMU, 0xFF, 0),
        (Encoding.PCMU, 0x80, 32124),
        (Encoding.PCMU, 0x00, -32124),
        (Encoding.PCMA, 0xD5, 8),
        (Encoding.PCMA, 0xAA, 32256),
        (Encoding.PCMA, 0x2A, -32256),
    ],
)
def test_values_of_the_recommendation(encoding: Encoding, code: int, value: int) -> None:
    assert decode(bytes([code]), encoding=encoding)[0] * 32768 == value


def test_digital_silence_is_positive_zero() -> None:
    assert encode(np.zeros(2, np.float32), encoding=Encoding.PCMU) == b"\xff\xff"
    assert encode(np.zeros(2, np.float32), encoding=Encoding.PCMA) == b"\xd5\xd5"


@pytest.mark.parametrize(
    ("encoding", "payload"), [(Encoding.L16, b"\x40\x00\x80\x00"), (Encoding.L16_LE, b"\0\x40\0\x80")]
)
def test_byte_order_of_linear_samples(encoding: Encoding, payload: bytes) -> None:
    samples = decode(payload, encoding=encoding)
    np.testing.assert_array_equal(samples, np.array([0.5, -1.0], np.float32))
    assert encode(samples, encoding=encoding) == payload


@pytest.mark.parametrize("encoding", [Encoding.L16, Encoding.L16_LE])
def test_half_a_sample_is_an_error(encoding: Encoding) -> None:
    with pytest.raises(AudioInputError, match="3 bytes"):
        decode(b"\0\0\0", encoding=encoding)


@given(payload=st.binary(max_size=400).filter(lambda b: len(b) % 2 == 0), encoding=st.sampled_from(Encoding))
def test_any_payload_decodes_within_full_scale(payload: bytes, encoding: Encoding) -> None:
    samples = decode(memoryview(payload), encoding=encoding)
    assert samples.dtype == np.float32
    assert len(samples) == len(payload) // encoding.sample_bytes
    assert np.all((samples >= -1) & (samples < 1))


@pytest.mark.parametrize("encoding", Encoding)
def test_what_cannot_be_written_is_clipped_or_silent(encoding: Encoding) -> None:
    wild = np.array([np.nan, np.inf, -np.inf, 3.0, -3.0], np.float32)
    tame = np.array([0.0, 1.0, -1.0, 1.0, -1.0], np.float32)
    assert encode(wild, encoding=encoding) == encode(tame, encoding=encoding)

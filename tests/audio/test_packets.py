import base64
import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.synth import tone
from voicepipe.audio.packets import PacketCodec, PacketDecoder, amr_wb_frames
from voicepipe.types import AudioInputError, FloatArray

SESSION = Path(__file__).parents[1] / "gateways" / "sessions" / "telnyx_amr_wb.json"
ENCODERS = {PacketCodec.G722: ("g722", 16_000), PacketCodec.OPUS: ("libopus", 48_000)}


def packets_of(codec: PacketCodec, *, hz: float = 440.0, duration_s: float = 0.5) -> list[bytes]:
    """Return the payloads of a tone, 20 ms each."""
    if codec is PacketCodec.AMR_WB:
        track = "inbound" if hz == 440.0 else "outbound"
        media = [message.get("media") for message in json.loads(SESSION.read_text())["messages"]]
        return [base64.b64decode(one["payload"]) for one in media if one and one["track"] == track][:15]
    name, rate_hz = ENCODERS[codec]
    encoder = av.codec.CodecContext.create(name, "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate_hz, "mono", "s16"
    encoder.time_base = Fraction(1, rate_hz)
    samples = (tone(duration_s, rate_hz=rate_hz, frequency_hz=hz, amplitude=0.3) * 32767).astype(np.int16)
    payloads = []
    for start in range(0, len(samples), rate_hz // 50):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + rate_hz // 50], format="s16", layout="mono")
        frame.sample_rate, frame.pts = rate_hz, start
        payloads += [bytes(packet) for packet in encoder.encode(frame)]
    return payloads


def strongest_hz(samples: FloatArray, *, rate_hz: int) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(samples, n=rate_hz))))


@pytest.mark.parametrize("codec", PacketCodec)
def test_a_tone_is_heard_as_it_was_sent(codec: PacketCodec) -> None:
    decoder = PacketDecoder(codec)
    blocks = [decoder.decode(payload) for payload in packets_of(codec)]
    assert {len(block) for block in blocks} == {codec.rate_hz // 50}
    heard = np.concatenate(blocks)
    assert heard.dtype == np.float32
    assert strongest_hz(heard, rate_hz=codec.rate_hz) == pytest.approx(440.0, abs=3.0)
    assert np.sqrt(np.mean(heard[len(heard) // 4 :] ** 2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.1)


@pytest.mark.parametrize("codec", PacketCodec)
def test_two_tracks_do_not_hear_each_other(codec: PacketCodec) -> None:
    sent = [packets_of(codec, hz=440.0), packets_of(codec, hz=1000.0)]
    alone = [[PacketDecoder(codec)], [PacketDecoder(codec)]]
    apart = [np.concatenate([decoder.decode(one) for one in own]) for (decoder,), own in zip(alone, sent, strict=True)]
    one, other = PacketDecoder(codec), PacketDecoder(codec)
    mixed = [(one.decode(a), other.decode(b)) for a, b in zip(*sent, strict=True)]
    np.testing.assert_array_equal(np.concatenate([a for a, _ in mixed]), apart[0])
    np.testing.assert_array_equal(np.concatenate([b for _, b in mixed]), apart[1])


@pytest.mark.parametrize("codec", PacketCodec)
@settings(max_examples=60, deadline=None)
@given(payloads=st.lists(st.binary(max_size=400), max_size=12))
def test_whatever_comes_a_decoder_goes_on(codec: PacketCodec, payloads: list[bytes]) -> None:
    decoder = PacketDecoder(codec)
    for payload in payloads:
        try:
            samples = decoder.decode(payload)
        except AudioInputError:
            continue
        assert samples.dtype == np.float32
        assert len(samples) <= max(codec.rate_hz * 24 // 100, 2 * len(payload))
        assert np.abs(samples).max(initial=0.0) <= 1.0
    heard = np.concatenate([decoder.decode(payload) for payload in packets_of(codec)])
    rest = heard[len(heard) // 3 :]
    assert strongest_hz(rest, rate_hz=codec.rate_hz) == pytest.approx(440.0, abs=3.0)


def test_nothing_is_no_end_of_the_stream() -> None:
    for codec in PacketCodec:
        decoder = PacketDecoder(codec)
        assert decoder.decode(b"").shape == (0,)
        assert len(decoder.decode(packets_of(codec)[0])) == codec.rate_hz // 50


def test_stereo_opus_is_heard_in_mono() -> None:
    encoder = av.codec.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 48_000, "stereo", "s16"
    encoder.time_base = Fraction(1, 48_000)
    samples = np.repeat((tone(0.2, rate_hz=48_000, frequency_hz=440.0, amplitude=0.3) * 32767).astype(np.int16), 2)
    frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="stereo")
    frame.sample_rate, frame.pts = 48_000, 0
    decoder = PacketDecoder(PacketCodec.OPUS)
    heard = np.concatenate([decoder.decode(bytes(packet)) for packet in encoder.encode(frame)])
    assert strongest_hz(heard, rate_hz=48_000) == pytest.approx(440.0, abs=3.0)


def test_a_codec_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "codecs_available", {"g722"})
    PacketDecoder(PacketCodec.G722)
    with pytest.raises(AudioInputError, match="without libopus and cannot decode OPUS; send PCMU"):
        PacketDecoder(PacketCodec.OPUS)


FRAME_BITS = (132, 177, 253, 285, 317, 365, 397, 461, 477, 40)


@st.composite
def frames_as_stored(draw: st.DrawFn) -> list[bytes]:
    return list(_frames(draw))


def _frames(draw: st.DrawFn) -> Iterator[bytes]:
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from([*range(10), 14, 15]))
        n_bits = FRAME_BITS[kind] if kind < 10 else 0
        bits = draw(st.integers(0, 2**n_bits - 1))
        octets = (n_bits + 7) // 8
        yield bytes([kind << 3 | draw(st.integers(0, 1)) << 2]) + (bits << 8 * octets - n_bits).to_bytes(octets)


def packed(frames: list[bytes], *, octet_aligned: bool) -> bytes:
    """Write frames into a payload, as RFC 4867 draws it: a string of bits."""
    pad = 8 if octet_aligned else 1

    def field(bits: str) -> str:
        return bits + "0" * (-len(bits) % pad)

    entries = [f"{int(n < len(frames))}{frame[0] >> 2 & 31:05b}" for n, frame in enumerate(frames, 1)]
    speech = ["".join(f"{octet:08b}" for octet in frame[1:])[: _bits_of(frame)] for frame in frames]
    text = field("1111") + "".join(map(field, entries)) + "".join(map(field, speech))
    return int(text + "0" * (-len(text) % 8), 2).to_bytes(-(-len(text) // 8))


def _bits_of(frame: bytes) -> int:
    kind = frame[0] >> 3
    return FRAME_BITS[kind] if kind < 10 else 0


@pytest.mark.parametrize("octet_aligned", [False, True])
@given(frames=frames_as_stored())
def test_both_layouts_of_amr_wb_are_told_apart(octet_aligned: bool, frames: list[bytes]) -> None:
    assert amr_wb_frames(packed(frames, octet_aligned=octet_aligned)) == frames


@pytest.mark.parametrize(
    "payload",
    [b"\xf0", b"\xf0\x4c", b"\xf5\x80", b"\xf0\x54" + b"\0" * 6, b"\xf0\x14" + b"\0" * 31, b"\xff" * 4096],
    ids=["no entry", "no frame", "a reserved type", "another", "cut short", "long"],
)
def test_what_is_no_amr_wb_is_refused(payload: bytes) -> None:
    with pytest.raises(AudioInputError, match="is no AMR-WB"):
        amr_wb_frames(payload)

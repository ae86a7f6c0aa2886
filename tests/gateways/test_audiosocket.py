from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateways.dialogue import make_decoder, play
from voicepipe.gateways.decoder import Decoder, DecoderLimits
from voicepipe.gateways.identity import CallIdentity
from voicepipe.types import Channel, GatewayProtocolError, Roles

UUID_1 = UUID("40325ec2-5efd-4bd3-805f-53576e581d13")
KNOWN = {
    UUID_1: CallIdentity(
        call_id="conf-12", channel=Channel.AGENT, channels=(Channel.CALLER, Channel.AGENT), queue="q", language="ru"
    )
}


def decoder(**config: object) -> Decoder:
    return make_decoder("audiosocket", registered=KNOWN, config=dict(config))


def frame(kind: int, payload: bytes = b"") -> bytes:
    return bytes([kind]) + len(payload).to_bytes(2, "big") + payload


HELLO = frame(0x01, UUID_1.bytes)
AUDIO = frame(0x10, np.arange(160, dtype="<i2").tobytes())


def test_the_registration_says_who_calls() -> None:
    outcome = play(decoder(), [HELLO])
    call = outcome.started[0].call
    assert (call.call_id, call.queue, call.language, call.roles) == ("conf-12", "q", "ru", Roles.GIVEN)
    assert call.channels == (Channel.CALLER, Channel.AGENT)


@pytest.mark.parametrize(
    ("kind", "rate_hz"),
    list(zip(range(0x10, 0x19), (8_000, 12_000, 16_000, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000), strict=True)),
)
def test_every_kind_of_audio_has_its_rate(kind: int, rate_hz: int) -> None:
    (chunk,) = play(decoder(), [HELLO, frame(kind, b"\x00\x80\xff\x7f")]).chunks
    assert chunk.sample_rate_hz == rate_hz
    np.testing.assert_array_equal(chunk.samples, np.array([-1.0, 32767 / 32768], np.float32))


@settings(deadline=None)
@given(st.lists(st.integers(1, 700), max_size=12))
def test_how_the_stream_is_cut_makes_no_difference(cuts: list[int]) -> None:
    stream = HELLO + AUDIO + frame(0x03, b"5") + AUDIO + frame(0x10) + frame(0x42, b"?") + AUDIO + frame(0x00)
    whole = play(decoder(), [stream])
    pieces: list[str | bytes] = []
    rest = stream
    for cut in cuts:
        pieces.append(rest[:cut])
        rest = rest[cut:]
    cut_up = play(decoder(), [*pieces, rest])
    assert repr(cut_up.events) == repr(whole.events)
    assert [chunk.first_sample for chunk in cut_up.chunks] == [0, 160, 320]
    assert cut_up.ended == ["hangup"]


@pytest.mark.parametrize(("code", "reason"), [(1000, "end"), (None, "connection_lost")])
def test_the_end_of_the_stream_is_the_end_of_the_call(code: int | None, reason: str) -> None:
    assert play(decoder(), [HELLO, AUDIO, AUDIO[:100]], code=code).ended == [reason]


def test_an_error_frame_ends_the_call() -> None:
    assert play(decoder(), [HELLO, AUDIO, frame(0xFF, b"\x01")]).ended == ["error"]


@pytest.mark.parametrize(
    ("stream", "told"),
    [
        (AUDIO, "begins with the call's UUID"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + b"x" * 0x4520, "begins with the call's UUID"),
        (frame(0x01, b"\x00" * 15), "a UUID has 16"),
        (frame(0x01, bytes(16)), "Nobody registered the call"),
    ],
)
def test_who_is_not_known_gets_nothing(stream: bytes, told: str) -> None:
    peer = decoder()
    outcome = play(peer, [stream])
    assert told in str(outcome.error)
    assert outcome.events == []
    assert outcome.replies == []


def test_good_frames_before_too_many_bad_ones_are_not_lost() -> None:
    peer = make_decoder("audiosocket", registered=KNOWN, limits=DecoderLimits(faults=2))
    outcome = play(peer, [HELLO + AUDIO + frame(0x10, b"\x00") * 3 + AUDIO])
    assert len(outcome.chunks) == 1
    assert peer.closing is not None
    assert peer.closing.code == 1007
    assert outcome.ended == ["protocol_error"]


def test_an_odd_frame_or_another_rate_is_skipped() -> None:
    peer = decoder()
    outcome = play(peer, [HELLO, AUDIO, frame(0x10, b"\x00" * 3), frame(0x12, b"\x00" * 640), HELLO, AUDIO])
    assert [chunk.first_sample for chunk in outcome.chunks] == [0, 160]
    assert (peer.counts.faults, peer.counts.duplicates) == (2, 1)


def test_the_largest_frame_fits() -> None:
    (chunk,) = play(
        decoder(), [HELLO, frame(0x10, b"\x00" * 65_534)[:40_000], frame(0x10, b"\x00" * 65_534)[40_000:]]
    ).chunks
    assert len(chunk.samples) == 32_767


def test_unknown_calls_are_taken_only_if_told_so() -> None:
    other = UUID(int=7)
    call = play(decoder(accept_unknown=True), [frame(0x01, other.bytes)]).started[0].call
    assert (call.call_id, call.channels, call.roles) == (str(other), (Channel.MIXED,), Roles.UNKNOWN)


def test_a_pause_without_a_message_is_a_gap() -> None:
    outcome = play(decoder(), [HELLO, AUDIO, AUDIO, AUDIO], arrivals_s=[0.0, 0.02, 0.04, 12.06])
    assert [chunk.first_sample for chunk in outcome.chunks] == [0, 160, 320 + 96_000]
    outcome = play(decoder(gap_after_s=None), [HELLO, AUDIO, AUDIO, AUDIO], arrivals_s=[0.0, 0.02, 0.04, 12.06])
    assert [chunk.first_sample for chunk in outcome.chunks] == [0, 160, 320]


def test_what_is_held_back_after_a_pause_comes_before_the_end() -> None:
    messages = [HELLO, AUDIO, AUDIO + frame(0x00)]
    outcome = play(decoder(), messages, arrivals_s=[0.0, 0.02, 12.04])
    assert [chunk.first_sample for chunk in outcome.chunks] == [0, 160 + 96_000]
    assert outcome.ended == ["hangup"]
    assert outcome.events[-2] is outcome.chunks[-1]


def test_text_is_no_audiosocket() -> None:
    with pytest.raises(GatewayProtocolError, match="Text came"):
        decoder().feed("hello")

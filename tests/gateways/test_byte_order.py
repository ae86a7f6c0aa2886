import numpy as np
import pytest

from tests.synth import noise, tone
from voicepipe.audio.codecs import Encoding, encode
from voicepipe.gateways.byte_order import ByteOrder
from voicepipe.types import FloatArray

SOUNDS = {
    "speech-like": sum(tone(1.0, rate_hz=8_000, frequency_hz=f, amplitude=0.1) for f in (140.0, 700.0, 1_900.0)),
    "loud": tone(1.0, rate_hz=8_000, frequency_hz=300.0, amplitude=0.99),
    "line noise": noise(1.0, rate_hz=8_000, amplitude=0.0003),
    "hiss": noise(1.0, rate_hz=8_000, amplitude=0.05),
    "high": tone(1.0, rate_hz=8_000, frequency_hz=3_000.0, amplitude=0.3),
}


@pytest.mark.parametrize("encoding", [Encoding.L16, Encoding.L16_LE])
@pytest.mark.parametrize("sound", sorted(SOUNDS))
def test_the_order_is_right_from_the_first_payload(sound: str, encoding: Encoding) -> None:
    order = ByteOrder()
    samples: FloatArray = np.asarray(SOUNDS[sound], dtype=np.float32)
    for start in range(0, 8_000, 160):
        payload = encode(samples[start : start + 160], encoding=encoding)
        assert order.judge(payload) is encoding


@pytest.mark.parametrize("encoding", [Encoding.L16, Encoding.L16_LE])
def test_silence_decides_nothing(encoding: Encoding) -> None:
    order = ByteOrder()
    for _ in range(500):
        order.judge(b"\0" * 320)
    payload = encode(tone(0.02, rate_hz=8_000), encoding=encoding)
    assert order.judge(payload) is encoding
    assert order.judge(b"") is encoding
    assert order.judge(b"\0" * 320) is encoding

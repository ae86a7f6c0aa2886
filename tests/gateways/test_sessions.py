import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.gateways.dialogue import SESSIONS, STARTED_AT, play, read_session
from voicepipe.audio.codecs import Encoding, encode
from voicepipe.types import AudioChunk

FILES = sorted(SESSIONS.glob("*.json"))


def test_there_is_a_session_of_every_dialect() -> None:
    prefixes = {path.stem.partition("_")[0] for path in FILES}
    assert prefixes >= {
        *("twilio", "telnyx", "plivo", "exotel", "signalwire"),
        *("audiohook", "audiosocket", "fork", "stream", "jambonz", "vonage", "asterisk"),
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recorded_session_gives_its_call(path: Path) -> None:
    decoder, messages, session = read_session(path)
    expected = session["expect"]
    outcome = play(decoder, messages, code=session.get("close_code"))
    assert outcome.error is None
    calls = [asdict(event.call) for event in outcome.started]
    for call in calls:
        assert call.pop("started_at") == STARTED_AT
    assert calls == [_call(call) for call in expected["calls"]]
    assert len(outcome.chunks) == len(expected["chunks"])
    for chunk, summary in zip(outcome.chunks, expected["chunks"], strict=True):
        assert _summary(chunk)[: len(summary)] == summary
    for channel, sound in expected.get("heard", {}).items():
        _check_tone([chunk for chunk in outcome.chunks if chunk.channel == channel], **sound)
    assert outcome.ended == expected["ended"]
    assert outcome.answers == expected.get("replies", [])
    counts = asdict(decoder.counts)
    assert {name: counts[name] for name in expected.get("counts", {})} == expected.get("counts", {})


def _call(expected: dict[str, Any]) -> dict[str, Any]:
    optional = dict.fromkeys(("agent_id", "queue", "language", "consent", "caller_id", "basis"))
    return optional | {"word_times": False} | expected | {"channels": tuple(expected["channels"])}


def _summary(chunk: AudioChunk) -> list[Any]:
    """Return channel, position, rate, length, and the runs of equal samples as 16-bit values."""
    values = [
        int.from_bytes(encode(chunk.samples[n : n + 1], encoding=Encoding.L16), "big", signed=True)
        for n in _edges(chunk)
    ]
    return [chunk.channel, chunk.first_sample, chunk.sample_rate_hz, len(chunk.samples), values]


def _check_tone(chunks: list[AudioChunk], *, hz: float, level_db: float, until_s: float | None = None) -> None:
    """Check pitch and level where a codec does not give back the samples that were sent; after `until_s` it is calm."""
    rate_hz = chunks[0].sample_rate_hz
    samples = np.concatenate([chunk.samples for chunk in chunks])
    end = len(samples) if until_s is None else round(until_s * rate_hz)
    tone, calm = samples[round(0.04 * rate_hz) : end], samples[end + rate_hz // 5 :]
    assert np.argmax(np.abs(np.fft.rfft(tone, n=rate_hz))) == pytest.approx(hz, abs=5.0)
    assert 20.0 * np.log10(np.std(tone)) == pytest.approx(level_db, abs=1.0)
    assert np.std(calm) < 0.001 if until_s else not len(calm)


def _edges(chunk: AudioChunk) -> list[int]:
    samples = chunk.samples
    return [n for n in range(len(samples)) if n == 0 or samples[n] != samples[n - 1]]


def test_the_sessions_are_valid_json_with_a_source() -> None:
    for path in FILES:
        session = json.loads(path.read_text(encoding="utf-8"))
        assert session["about"]
        assert session["source"].startswith("https://")

"""A recording as a call: who it is, which track is whose, and how it ends."""

import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests import synth
from voicepipe.gateways.files import FileSource
from voicepipe.types import AudioChunk, AudioInputError, CallEnded, CallStarted, Channel, FloatArray, MediaEvent, Roles


def record(path: Path, *, tracks: int = 2, duration_s: float = 2.0) -> Path:
    """Write a WAV whose left track beeps at 0.5 s and whose right one beeps at 1.0 s."""
    beeps = [synth.beep(duration_s, rate_hz=8000, at_s=at_s) for at_s in (0.5, 1.0)]
    soundfile.write(path, np.stack(beeps[:tracks], axis=1), 8000, subtype="PCM_16")
    return path


def track(events: list[MediaEvent], channel: Channel) -> FloatArray:
    """Join the chunks of one track and check that they follow each other."""
    chunks = [event for event in events if isinstance(event, AudioChunk) and event.channel is channel]
    ends = np.cumsum([len(chunk.samples) for chunk in chunks])
    assert [chunk.first_sample for chunk in chunks] == [0, *ends[:-1]]
    return np.concatenate([chunk.samples for chunk in chunks])


def test_events_come_in_order_and_in_lockstep(tmp_path: Path) -> None:
    source = FileSource(record(tmp_path / "call.wav"), chunk_s=0.3)
    events = list(source.events())
    assert events[0] == CallStarted(call=source.call)
    assert events[-1] == CallEnded(call_id=source.call.call_id, reason="end")
    chunks = [event for event in events[1:-1] if isinstance(event, AudioChunk)]
    assert len(chunks) == len(events) - 2
    assert [chunk.channel for chunk in chunks] == [Channel.CALLER, Channel.AGENT] * (len(chunks) // 2)
    assert [chunk.first_sample for chunk in chunks[::2]] == [chunk.first_sample for chunk in chunks[1::2]]
    assert {chunk.call_id for chunk in chunks} == {source.call.call_id}
    assert {chunk.sample_rate_hz for chunk in chunks} == {8000}
    assert source.duration_s == 2.0


@pytest.mark.parametrize(
    ("caller_channel", "roles", "caller_beeps_s"),
    [(None, Roles.ASSUMED, 0.5), ("left", Roles.GIVEN, 0.5), ("right", Roles.GIVEN, 1.0)],
)
def test_the_caller_is_on_the_named_side(
    tmp_path: Path, caller_channel: Any, roles: Roles, caller_beeps_s: float
) -> None:
    source = FileSource(record(tmp_path / "call.wav"), caller_channel=caller_channel)
    events = list(source.events())
    assert source.call.roles is roles
    assert set(source.call.channels) == {Channel.CALLER, Channel.AGENT}
    assert synth.onset_s(track(events, Channel.CALLER), rate_hz=8000) == pytest.approx(caller_beeps_s, abs=0.01)
    assert synth.onset_s(track(events, Channel.AGENT), rate_hz=8000) == pytest.approx(1.5 - caller_beeps_s, abs=0.01)


@pytest.mark.parametrize("caller_channel", [None, "left", "right"])
def test_a_single_track_is_mixed_whatever_is_said(tmp_path: Path, caller_channel: Any) -> None:
    source = FileSource(record(tmp_path / "call.wav", tracks=1), caller_channel=caller_channel)
    assert source.call.channels == (Channel.MIXED,)
    assert source.call.roles is Roles.UNKNOWN
    assert len(track(list(source.events()), Channel.MIXED)) == 16_000


@pytest.mark.parametrize("suffix", ["wav", "mp3", "ogg"])
@pytest.mark.parametrize("caller_channel", [None, "right"])
def test_two_tracks_that_hold_the_same_are_one_mixed_track(tmp_path: Path, suffix: str, caller_channel: Any) -> None:
    """Mono that was exported as stereo: there is no track on which the agent is not."""
    path = tmp_path / f"call.{suffix}"
    noise = 0.0005 * np.random.default_rng(0).standard_normal((2, 64_000))
    both = sum(synth.beep(4.0, rate_hz=16_000, at_s=at_s) for at_s in (1.0, 2.5)) + noise
    soundfile.write(path, both.T, 16_000)
    source = FileSource(path, caller_channel=caller_channel)
    assert source.call.channels == (Channel.MIXED,)
    assert source.call.roles is Roles.UNKNOWN
    assert synth.onset_s(track(list(source.events()), Channel.MIXED), rate_hz=source.sample_rate_hz) == pytest.approx(
        1.0, abs=0.05
    )


def test_two_tracks_that_begin_alike_are_two(tmp_path: Path) -> None:
    """The same ringing on both sides, and then one of them speaks."""
    path = tmp_path / "call.wav"
    ringing = synth.beep(4.0, rate_hz=8000, at_s=0.5)
    soundfile.write(path, np.stack([ringing, ringing + synth.beep(4.0, rate_hz=8000, at_s=3.0)], axis=1), 8000)
    assert FileSource(path).call.channels == (Channel.CALLER, Channel.AGENT)


def test_identity_follows_from_the_content(tmp_path: Path) -> None:
    first = FileSource(record(tmp_path / "call 7.wav")).call.call_id
    (tmp_path / "elsewhere").mkdir()
    again = FileSource(str(record(tmp_path / "elsewhere" / "call 7.wav"))).call.call_id
    other = FileSource(record(tmp_path / "elsewhere" / "call 7.wav", duration_s=3)).call.call_id
    assert first == again != other
    stem, _, digest = first.rpartition("-")
    assert stem == "call 7"
    assert len(bytes.fromhex(digest)) == 4


def test_what_the_operator_knows_is_taken(tmp_path: Path) -> None:
    path = record(tmp_path / "call.wav")
    os.utime(path, (0, 86_400))
    assert FileSource(path).call.started_at == datetime(1970, 1, 2, tzinfo=UTC)
    began_at = datetime(2026, 11, 3, 10, 0, tzinfo=timezone(timedelta(hours=3)))
    call = FileSource(
        path,
        call_id="acd-1",
        started_at=began_at,
        agent_id="a7",
        queue="billing",
        language="ru",
        consent="announced",
    ).call
    assert (call.call_id, call.gateway, call.agent_id, call.queue) == ("acd-1", "file", "a7", "billing")
    assert (call.language, call.consent) == ("ru", "announced")
    assert call.started_at == began_at
    assert call.started_at.tzinfo is UTC


def test_misuse_is_told_at_once(tmp_path: Path) -> None:
    path = record(tmp_path / "call.wav")
    with pytest.raises(ValueError, match="time zone"):
        FileSource(path, started_at=datetime(2026, 11, 3))
    side: Any = "middle"
    with pytest.raises(ValueError, match="middle"):
        FileSource(path, caller_channel=side)


def test_a_call_can_be_read_twice(tmp_path: Path) -> None:
    source = FileSource(record(tmp_path / "call.wav"))
    first, second = (track(list(source.events()), Channel.CALLER) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_recording_that_breaks_off_is_given_to_its_end_and_then_reported(tmp_path: Path) -> None:
    path = record(tmp_path / "call.wav")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    source = FileSource(path)
    events: list[MediaEvent] = []
    sentence = ""
    try:
        for event in source.events():
            events.append(event)  # noqa: PERF402
    except AudioInputError as error:
        sentence = str(error)
    assert "call.wav breaks off at 1.0 s of the 2.0 s" in sentence
    assert len(track(events, Channel.CALLER)) == pytest.approx(8000, abs=20)
    assert events[-1] == CallEnded(call_id=source.call.call_id, reason="damaged")


def test_a_file_without_audio_never_becomes_a_call(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    path.write_text("no sound in here")
    with pytest.raises(AudioInputError, match="not a recording"):
        FileSource(path)


def test_a_file_that_is_gone_when_it_is_read(tmp_path: Path) -> None:
    path = record(tmp_path / "call.wav")
    source = FileSource(path)
    path.unlink()
    with pytest.raises(AudioInputError, match="does not exist"):
        next(source.events())


def test_a_tenth_of_a_second_is_a_call(tmp_path: Path) -> None:
    source = FileSource(record(tmp_path / "call.wav", duration_s=0.1))
    assert len(track(list(source.events()), Channel.CALLER)) == 800

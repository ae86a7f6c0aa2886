"""What is decoded from a file, when it sounds and on which side."""

import struct
import time
import tracemalloc
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import synth
from voicepipe.audio.recording import Recording
from voicepipe.types import AudioInputError, FloatArray

LENGTH_S = 4.0
BEEP_S = 2.5

BY_FFMPEG = [
    ("wav", "pcm_mulaw", 8000),
    ("wav", "pcm_alaw", 8000),
    ("wav", "adpcm_ima_wav", 16000),
    ("flac", "flac", 16000),
    ("mp3", "libmp3lame", 8000),
    ("mp3", "libmp3lame", 44100),
    ("m4a", "aac", 8000),
    ("m4a", "aac", 48000),
    ("ogg", "libopus", 48000),
    ("opus", "libopus", 16000),
    ("webm", "libopus", 48000),
]
BY_LIBSNDFILE = [
    ("WAV", "PCM_U8"),
    ("WAV", "PCM_16"),
    ("WAV", "PCM_24"),
    ("WAV", "PCM_32"),
    ("WAV", "FLOAT"),
    ("WAV", "DOUBLE"),
    ("WAV", "ULAW"),
    ("WAV", "ALAW"),
    ("WAVEX", "PCM_24"),
    ("WAVEX", "FLOAT"),
    ("RF64", "PCM_16"),
    ("W64", "PCM_16"),
    ("AIFF", "PCM_16"),
    ("FLAC", "PCM_24"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
]


def one_sided(*, rate_hz: int) -> FloatArray:
    """Beep on the left, nothing on the right."""
    left = synth.beep(LENGTH_S, rate_hz=rate_hz, at_s=BEEP_S)
    return np.stack([left, np.zeros_like(left)])


def read(path: Path, *, block_s: float = 0.5) -> FloatArray:
    """Decode a whole file, with zeros where the container's clock leaves a gap."""
    with Recording(path) as recording:
        blocks = list(recording.blocks(block_s=block_s))
        whole = np.zeros((recording.tracks, blocks[-1][0] + blocks[-1][1].shape[1]), np.float32)
        for first_sample, block in blocks:
            whole[:, first_sample : first_sample + block.shape[1]] = block
        return whole


def decoded_until_error(path: Path) -> tuple[float, str]:
    """Return the seconds that were decoded, and the sentence that ended them."""
    end_s, sentence = 0.0, ""
    with Recording(path) as recording:
        try:
            for first_sample, block in recording.blocks(block_s=0.1):
                end_s = (first_sample + block.shape[1]) / recording.sample_rate_hz
        except AudioInputError as error:
            sentence = str(error)
    assert str(path) in sentence
    return end_s, sentence


def wav_bytes(samples: npt.NDArray[np.int16], *, data_bytes: int | None = None, rate_hz: int = 8000) -> bytes:
    """Return a mono 16-bit WAV whose header states a data size of its own."""
    data = samples.astype("<i2").tobytes()
    size = len(data) if data_bytes is None else data_bytes
    header = struct.pack(
        "<4sI4s4sIHHIIHH", b"RIFF", min(size + 36, 0xFFFFFFFF), b"WAVE", b"fmt ", 16, 1, 1, rate_hz, rate_hz * 2, 2, 16
    )
    return header + struct.pack("<4sI", b"data", size) + data


def assert_beep_on_the_left(path: Path) -> None:
    with Recording(path) as recording:
        rate_hz = recording.sample_rate_hz
        assert recording.duration_s == pytest.approx(LENGTH_S, abs=0.2)
    decoded = read(path)
    assert decoded.dtype == np.float32
    assert decoded.shape[1] / rate_hz == pytest.approx(LENGTH_S, abs=0.2)
    assert synth.onset_s(decoded[0], rate_hz=rate_hz) == pytest.approx(BEEP_S, abs=0.05)
    assert np.abs(decoded[0]).max() == pytest.approx(0.5, rel=0.25)
    assert np.abs(decoded[1]).max() < 0.01


@pytest.mark.parametrize(("suffix", "codec", "rate_hz"), BY_FFMPEG)
def test_a_beep_sounds_when_and_where_it_was_recorded(tmp_path: Path, suffix: str, codec: str, rate_hz: int) -> None:
    path = tmp_path / f"call.{suffix}"
    assert_beep_on_the_left(synth.write_recording(path, one_sided(rate_hz=rate_hz), rate_hz=rate_hz, codec=codec))


@pytest.mark.parametrize(("container", "subtype"), BY_LIBSNDFILE)
def test_files_of_another_library_are_read_as_it_meant_them(tmp_path: Path, container: str, subtype: str) -> None:
    rate_hz = 16000
    path = tmp_path / f"call.{container.lower()}"
    soundfile.write(path, one_sided(rate_hz=rate_hz).T, rate_hz, format=container, subtype=subtype)
    assert_beep_on_the_left(path)
    if subtype in ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"):
        np.testing.assert_array_equal(read(path), soundfile.read(path, dtype="float32")[0].T)


def test_a_narrow_band_mobile_recording_is_read(tmp_path: Path) -> None:
    path = synth.write_recording(
        tmp_path / "call.amr", one_sided(rate_hz=8000)[:1], rate_hz=8000, codec="libopencore_amrnb"
    )
    assert synth.onset_s(read(path)[0], rate_hz=8000) == pytest.approx(BEEP_S, abs=0.05)


def test_gsm_in_wav_is_read(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    soundfile.write(path, one_sided(rate_hz=8000)[0], 8000, format="WAV", subtype="GSM610")
    assert synth.onset_s(read(path)[0], rate_hz=8000) == pytest.approx(BEEP_S, abs=0.05)


@pytest.mark.parametrize("rate_hz", [8000, 11025, 96000, 192_000])
def test_sample_rates(tmp_path: Path, rate_hz: int) -> None:
    path = tmp_path / "call.wav"
    soundfile.write(path, one_sided(rate_hz=rate_hz).T, rate_hz, subtype="PCM_16")
    assert_beep_on_the_left(path)


def test_floats_pass_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    samples = np.array([0.0, np.nan, np.inf, -np.inf, 3.0, -3.0] * 100, np.float32)
    soundfile.write(path, samples, 8000, subtype="FLOAT")
    np.testing.assert_array_equal(read(path)[0], samples)


@pytest.mark.parametrize("block_s", [0.001, 0.02, 0.13, 1.0, 100.0])
def test_block_length_does_not_change_the_samples(tmp_path: Path, block_s: float) -> None:
    path = tmp_path / "call.wav"
    samples = synth.noise(1, rate_hz=8000)
    soundfile.write(path, samples, 8000, subtype="FLOAT")
    np.testing.assert_array_equal(read(path, block_s=block_s)[0], samples)
    with Recording(path) as recording:
        sizes = {block.shape[1] for _, block in list(recording.blocks(block_s=block_s))[:-1]}
    assert sizes <= {round(block_s * 8000)}


@pytest.mark.parametrize("data_bytes", [0, 0xFFFFFFFF, 0x7FFFF000, 0x7FFFFFFF, 0xFFFFFFFF - 36])
def test_a_data_size_that_was_never_filled_in_is_no_fault(tmp_path: Path, data_bytes: int) -> None:
    path = tmp_path / "call.wav"
    samples = np.arange(-8000, 8000, dtype=np.int16)
    path.write_bytes(wav_bytes(samples, data_bytes=data_bytes))
    np.testing.assert_array_equal(read(path)[0], samples.astype(np.float32) / 32768)


def test_a_wrong_byte_rate_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    content = bytearray(wav_bytes(np.arange(-8000, 8000, dtype=np.int16)))
    content[28:32] = struct.pack("<I", 8000)
    path.write_bytes(content)
    assert read(path).shape == (1, 16_000)


@pytest.mark.parametrize(
    ("suffix", "codec", "rate_hz"),
    [row for row in BY_FFMPEG if row[0] not in ("m4a", "webm") and row[1] != "adpcm_ima_wav"],
)
def test_a_file_cut_in_two_is_read_to_where_it_breaks(tmp_path: Path, suffix: str, codec: str, rate_hz: int) -> None:
    path = tmp_path / f"call.{suffix}"
    noise = synth.noise(LENGTH_S, rate_hz=rate_hz)
    synth.write_recording(path, np.stack([noise, noise]), rate_hz=rate_hz, codec=codec)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    end_s, sentence = decoded_until_error(path)
    assert 0.9 < end_s < 3.1
    assert f"at {end_s:.1f} s" in sentence


def test_damage_within_a_file_is_reported_and_the_rest_keeps_its_time(tmp_path: Path) -> None:
    path = synth.write_recording(tmp_path / "call.mp3", one_sided(rate_hz=8000), rate_hz=8000, codec="libmp3lame")
    damaged = bytearray(path.read_bytes())
    middle = len(damaged) // 4
    damaged[middle : middle + 300] = bytes(300)
    path.write_bytes(damaged)
    end_s, sentence = decoded_until_error(path)
    assert "is damaged at" in sentence
    assert end_s == pytest.approx(LENGTH_S, abs=0.3)


def test_tags_after_the_last_frame_are_no_damage(tmp_path: Path) -> None:
    path = synth.write_recording(tmp_path / "call.mp3", one_sided(rate_hz=8000), rate_hz=8000, codec="libmp3lame")
    path.write_bytes(path.read_bytes() + b"APETAGEX\xd0\x07\0\0 Recorder by Example; agent 7; " * 40)
    assert_beep_on_the_left(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(AudioInputError, match=r"gone\.wav does not exist"):
        Recording(tmp_path / "gone.wav")


def test_a_directory(tmp_path: Path) -> None:
    with pytest.raises(AudioInputError, match="is not a file"):
        Recording(tmp_path)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(wav_bytes(np.zeros(100, np.int16)))

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(AudioInputError, match=r"call\.wav cannot be read \(permission denied\); check its permissions"):
        Recording(path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("call.wav", b"", "is empty"),
        ("call.wav", b"Dear colleague, please find the recording attached.\n" * 40, "not a recording"),
        ("call.mp3", b"Dear colleague, please find the recording attached.\n" * 40, "not a recording"),
        ("call.wav", b"RIFF", "not a recording"),
        ("call.wav", wav_bytes(np.zeros(0, np.int16)), "holds no audio"),
        ("call.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\ncall.wav\n", "not a recording"),
        ("call.wav", b"ffconcat version 1.0\nfile other.wav\n", "not a recording"),
        ("call.mp3", bytes(4000), "not a recording"),
    ],
)
def test_what_is_no_recording(
    tmp_path: Path, name: str, content: bytes, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AudioInputError, match=words) as caught:
        Recording(path)
    assert str(path) in str(caught.value)
    assert str(caught.value).endswith(".")
    assert capfd.readouterr() == ("", "")


def test_a_picture_is_no_recording(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(AudioInputError, match="not a recording"):
        Recording(path)


def test_six_tracks_are_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "a call.wav"
    soundfile.write(path, np.zeros((800, 6)), 8000)
    with pytest.raises(AudioInputError, match=r"has 6 tracks .* ffmpeg -i 'a call.wav' .*pan=stereo"):
        Recording(path)


def test_no_track_at_all_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    content = bytearray(wav_bytes(np.zeros(800, np.int16)))
    content[22:24] = b"\0\0"
    path.write_bytes(content)
    with pytest.raises(AudioInputError, match=r"call\.wav"):
        Recording(path)


@pytest.mark.parametrize("rate_hz", [6000, 384_000])
def test_sample_rates_out_of_range(tmp_path: Path, rate_hz: int) -> None:
    path = tmp_path / "call.wav"
    soundfile.write(path, np.zeros(rate_hz), rate_hz)
    with pytest.raises(AudioInputError, match=f"sample rate of {rate_hz} Hz"):
        Recording(path)


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [("wav", "pcm_s16le"), ("flac", "flac"), ("mp3", "libmp3lame"), ("m4a", "aac"), ("ogg", "libopus")],
)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_no_damage_gets_out_raw(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str, codec: str, data: st.DataObject
) -> None:
    whole = tmp_path / f"whole.{suffix}"
    if not whole.exists():
        synth.write_recording(whole, one_sided(rate_hz=48000), rate_hz=48000, codec=codec)
    content = bytearray(whole.read_bytes())
    for place in data.draw(st.lists(st.integers(0, min(2000, len(content)) - 1), max_size=5)):
        content[place] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(0, len(content))) :]
    path = tmp_path / f"call.{suffix}"
    path.write_bytes(content)
    sentence = str(path)
    try:
        with Recording(path) as recording:
            for _, block in recording.blocks(block_s=0.5):
                assert block.shape[0] == recording.tracks
    except AudioInputError as error:
        sentence = str(error)
    assert str(path) in sentence
    assert capfd.readouterr() == ("", "")


def test_an_hour_is_read_in_flat_memory_and_little_time(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    with wave.open(str(path), "wb") as writer:
        writer.setparams((2, 2, 8000, 0, "NONE", ""))
        for _ in range(60):
            writer.writeframes(bytes(60 * 8000 * 4))
    began_s = time.process_time()
    with Recording(path) as recording:
        tracemalloc.start()
        samples = sum(block.shape[1] for _, block in recording.blocks(block_s=0.5))
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert samples == 3600 * 8000
    assert peak_bytes < 2_000_000
    assert time.process_time() - began_s < 15

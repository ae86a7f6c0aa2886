"""A recording on disk, decoded bit by bit: containers and codecs by PyAV (FFmpeg), memory flat however long it is."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import av
import numpy as np

from voicepipe.audio.completeness import ends_within_ogg_page, promised_s
from voicepipe.audio.stream import HIGHEST_RATE_HZ, TELEPHONE_RATE_HZ
from voicepipe.types import AudioInputError, FloatArray

CONTAINERS = ("aac", "aiff", "amr", "au", "caf", "flac", "gsm", "matroska", "mov", "mp3", "ogg", "w64", "wav")
"""FFmpeg's names of the containers that are read (``mov`` is M4A, MP4 and 3GP; ``matroska`` is also WebM).

All others are refused: FFmpeg also knows play lists, which open other files and addresses. Encoder delay is taken off
where the file states it; bare AAC (ADTS) and MP3 without a Xing header do not, and lie up to 0.2 s late at 8 kHz.
"""

_GOOD_FORMATS = "WAV, FLAC, MP3, Ogg, Opus, M4A or AMR"
_LARGEST_TRACKS = 2
_LARGEST_JITTER_S = 0.05
_WAV_PACKET_BYTES = 32_768
_END_TOLERANCE_S = 0.4


class Recording:
    """One audio file, open for reading from its first sample to its last. A context manager.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    sample_rate_hz : int
        As decoded, 8000 to 192000; Opus always decodes to 48000.
    tracks : int
        1 or 2.
    duration_s : float or None
        As the header says or the size suggests; None where neither does.

    Raises
    ------
    AudioInputError
        If there is nothing in it that can be decoded, or its tracks or its sample rate are out of range.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _open_file(path)
        self._container: Any = None
        try:
            self._container, stream = _open_container(path, self._file)
            self._frames = _Frames(self._container, stream)
            self._first = next(self._frames, None)
            if self._first is None:
                raise AudioInputError(
                    f"{path} holds no audio that can be decoded ({self._frames.damage or 'a header without samples'}); "
                    "export the recording again."
                )
            self.sample_rate_hz = int(self._first.sample_rate)
            self.tracks = len(self._first.layout.channels)
            self._check_shape()
            estimated_s = _estimated_s(self._container, stream)
            self._promised_s = promised_s(
                path,
                container=self._container.format.name,
                declared_s=estimated_s,
                sample_rate_hz=self.sample_rate_hz,
            )
            self.duration_s = self._promised_s or estimated_s
        except BaseException:
            self.close()
            raise

    def blocks(self, *, block_s: float) -> Iterator[tuple[int, FloatArray]]:
        """Decode from start to end, once.

        Parameters
        ----------
        block_s : float
            Length of a block; the last one, and one before a gap in the container's timestamps, may be shorter.

        Yields
        ------
        first_sample : int
            Position of the block, counted at `sample_rate_hz` from the first decoded sample.
        samples : ndarray, shape (tracks, n), float32
            Integer formats are scaled to [-1, 1); floating-point formats are handed on as they are.

        Raises
        ------
        AudioInputError
            After everything that decodes: if packets were damaged, or the file ends before its header says.
        """
        block_samples = max(1, round(block_s * self.sample_rate_hz))
        pending: list[FloatArray] = []
        pending_samples = 0
        clock_samples = 0
        origin_s: float | None = None
        frame = self._first
        while frame is not None:
            self._check_same(frame, clock_samples)
            samples = _samples(frame, tracks=self.tracks)
            if frame.pts is not None:
                time_s = float(frame.pts * frame.time_base)
                origin_s = time_s if origin_s is None else origin_s
                ahead_samples = round((time_s - origin_s) * self.sample_rate_hz) - clock_samples - pending_samples
                if ahead_samples > _LARGEST_JITTER_S * self.sample_rate_hz:
                    if pending_samples:
                        yield clock_samples, np.concatenate(pending, axis=1)
                    clock_samples += pending_samples + ahead_samples
                    pending, pending_samples = [], 0
            pending.append(samples)
            pending_samples += samples.shape[1]
            if pending_samples >= block_samples:
                joined = np.concatenate(pending, axis=1)
                whole = pending_samples - pending_samples % block_samples
                for start in range(0, whole, block_samples):
                    yield clock_samples + start, np.ascontiguousarray(joined[:, start : start + block_samples])
                clock_samples += whole
                pending, pending_samples = [joined[:, whole:]], pending_samples - whole
            frame = next(self._frames, None)
        if pending_samples:
            yield clock_samples, np.concatenate(pending, axis=1)
        self._check_end((clock_samples + pending_samples) / self.sample_rate_hz)

    def close(self) -> None:
        """Release the file."""
        if self._container is not None:
            self._container.close()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_shape(self) -> None:
        if not 1 <= self.tracks <= _LARGEST_TRACKS:
            raise AudioInputError(
                f"{self._path} has {self.tracks} tracks and a call has one or two; "
                f"extract the caller's and the agent's first, for example by: "
                f"ffmpeg -i {shlex.quote(self._path.name)} -af 'pan=stereo|c0=c0|c1=c1' two-tracks.wav"
            )
        if not TELEPHONE_RATE_HZ <= self.sample_rate_hz <= HIGHEST_RATE_HZ:
            raise AudioInputError(
                f"{self._path} has a sample rate of {self.sample_rate_hz} Hz; "
                f"record calls at {TELEPHONE_RATE_HZ} to {HIGHEST_RATE_HZ} Hz."
            )

    def _check_same(self, frame: Any, clock_samples: int) -> None:
        if (frame.sample_rate, len(frame.layout.channels)) != (self.sample_rate_hz, self.tracks):
            raise AudioInputError(
                f"{self._path} changes its sample rate or its tracks at {clock_samples / self.sample_rate_hz:.1f} s; "
                "convert it to one format first, for example to WAV by ffmpeg."
            )

    def _check_end(self, end_s: float) -> None:
        mend = "what is there was read; fetch the recording again."
        promise_s = None if self._promised_s is None else self._promised_s - _END_TOLERANCE_S
        junk_at_the_end = promise_s is not None and min(end_s, self._frames.damage_s) >= promise_s
        if self._frames.damage is not None and not junk_at_the_end:
            raise AudioInputError(
                f"{self._path} is damaged at {self._frames.damage_s:.1f} s ({self._frames.damage}) and ends at "
                f"{end_s:.1f} s; {mend}"
            )
        if promise_s is not None and end_s < promise_s:
            raise AudioInputError(
                f"{self._path} breaks off at {end_s:.1f} s of the {self._promised_s:.1f} s its header promises; {mend}"
            )
        if self._container.format.name == "ogg" and ends_within_ogg_page(self._path):
            raise AudioInputError(f"{self._path} breaks off at {end_s:.1f} s, in the middle of an Ogg page; {mend}")


class _Frames:
    """Decoded frames in order; a damaged packet is noted and passed over."""

    def __init__(self, container: Any, stream: Any) -> None:
        self.damage: str | None = None
        self.damage_s = 0.0
        self._decoded_s = 0.0
        self._frames = self._decode(container, stream)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        frame = next(self._frames)
        self._decoded_s += frame.samples / frame.sample_rate
        return frame

    def _decode(self, container: Any, stream: Any) -> Iterator[Any]:
        try:
            for packet in container.demux(stream):
                try:
                    frames = packet.decode()
                except av.error.EOFError:
                    continue
                except av.FFmpegError as error:
                    self._note(error)
                    continue
                yield from frames
        except (av.FFmpegError, OSError) as error:
            self._note(error)

    def _note(self, error: Exception) -> None:
        if self.damage is None:
            self.damage, self.damage_s = _reason(error), self._decoded_s


def _open_file(path: Path) -> BinaryIO:
    try:
        if path.exists() and not path.is_file():
            raise AudioInputError(f"{path} is not a file; name a recording.")
        file = path.open("rb")
    except FileNotFoundError:
        raise AudioInputError(f"{path} does not exist; check the path.") from None
    except (OSError, ValueError) as error:
        raise AudioInputError(f"{path} cannot be read ({_reason(error)}); check its permissions.") from None
    if not os.fstat(file.fileno()).st_size:
        file.close()
        raise AudioInputError(f"{path} is empty; export the recording again.")
    return file


def _open_container(path: Path, file: BinaryIO) -> tuple[Any, Any]:
    options = {"format_whitelist": ",".join(CONTAINERS), "max_size": str(_WAV_PACKET_BYTES)}
    try:
        container = av.open(file, mode="r", options=options, metadata_errors="replace")
    except (av.FFmpegError, OSError) as error:
        raise AudioInputError(
            f"{path} is not a recording that can be read ({_reason(error)}); give {_GOOD_FORMATS}."
        ) from None
    streams = container.streams.audio
    if len(streams) == 1 and streams[0].codec_context is not None:
        return container, streams[0]
    container.close()
    if len(streams) > 1:
        raise AudioInputError(
            f"{path} has {len(streams)} audio streams; merge the caller's and the agent's into one first, "
            f"for example by: ffmpeg -i {shlex.quote(path.name)} "
            "-filter_complex '[0:a:0][0:a:1]amerge=inputs=2' two-tracks.wav"
        )
    raise AudioInputError(f"{path} holds no audio that can be read; give {_GOOD_FORMATS}.")


def _samples(frame: Any, *, tracks: int) -> FloatArray:
    """Return a frame as float32 of shape (tracks, n)."""
    raw = frame.to_ndarray()
    if not frame.format.is_planar:
        raw = raw.reshape(-1, tracks).T
    if raw.dtype == np.uint8:
        scaled = (raw.astype(np.float32) - 128.0) / 128.0
    elif np.issubdtype(raw.dtype, np.integer):
        scaled = (raw / -float(np.iinfo(raw.dtype).min)).astype(np.float32)
    else:
        with np.errstate(over="ignore"):
            scaled = raw.astype(np.float32)
    return np.ascontiguousarray(scaled)


def _estimated_s(container: Any, stream: Any) -> float | None:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _reason(error: Exception) -> str:
    """Return FFmpeg's or the system's own words, without the path and the number."""
    return str(getattr(error, "strerror", None) or error).lower()

"""A recorded call: one file becomes the same media events that a live call sends."""

import contextlib
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np

from voicepipe.audio.recording import Recording
from voicepipe.types import AudioChunk, AudioInputError, Call, CallEnded, CallStarted, Channel, MediaEvent, Roles

_COMPARED_S = 0.5
_SILENT_POWER = 1e-6
"""-60 dBFS: below it, the noise of either line."""
_ALIKE = 0.1
"""The difference of two tracks that hold the same lies 10 dB and more below them, whatever the codec made of each."""


class FileSource:
    """A recording as a `voicepipe.ports.CallSource`.

    The file is opened, checked and hashed here, and read again by each `events`.

    Parameters
    ----------
    path : Path or str
        WAV (PCM, float, G.711, GSM), FLAC, MP3, Ogg or WebM (Opus, Vorbis), M4A or AAC, AMR; 8 to 192 kHz, one or two
        tracks.
    caller_channel : {"left", "right"}, optional
        Which of two tracks is the caller's. Without it the left one is assumed. It says nothing of a single track,
        which is mixed, nor of two that hold the same: both people are on each.
    call_id : str, optional
        Otherwise the file's stem and the first 8 hexadecimal digits of its SHA-256: the same wherever the file lies.
    started_at : datetime, optional
        Timezone-aware time of the first sample; otherwise the file's modification time.
    agent_id, queue, language, consent : str, optional
        As in `voicepipe.types.Call`.
    chunk_s : float
        Length of the chunks.

    Attributes
    ----------
    path : Path
    call : Call
    duration_s : float or None
        As the header says or the size suggests.
    sample_rate_hz : int

    Raises
    ------
    AudioInputError
        If there is nothing that can be decoded, or the tracks or the sample rate are out of range.
    ValueError
        If `started_at` has no time zone, or `caller_channel` is neither left nor right.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        caller_channel: Literal["left", "right"] | None = None,
        call_id: str | None = None,
        started_at: datetime | None = None,
        agent_id: str | None = None,
        queue: str | None = None,
        language: str | None = None,
        consent: str | None = None,
        chunk_s: float = 0.5,
    ) -> None:
        if started_at is not None and started_at.tzinfo is None:
            raise ValueError(f"started_at {started_at.isoformat()} has no time zone; give it one, for example +00:00")
        if caller_channel not in (None, "left", "right"):
            raise ValueError(f"caller_channel is 'left' or 'right', not {caller_channel!r}")
        self.path = Path(path)
        with Recording(self.path) as recording:
            self.duration_s = recording.duration_s
            self.sample_rate_hz = recording.sample_rate_hz
            tracks = 2 if recording.tracks == 2 and not _are_alike(recording) else 1
        channels, roles = _channels(tracks, caller_channel=caller_channel)
        self._chunk_s = chunk_s
        try:
            with self.path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            modified_at = datetime.fromtimestamp(self.path.stat().st_mtime, tz=UTC)
        except OSError as error:
            raise AudioInputError(f"{self.path} cannot be read ({error.strerror}); check its permissions.") from None
        self.call = Call(
            call_id=call_id or f"{self.path.stem}-{digest[:8]}",
            started_at=(started_at or modified_at).astimezone(UTC),
            gateway="file",
            channels=channels,
            roles=roles,
            agent_id=agent_id,
            queue=queue,
            language=language,
            consent=consent,
        )

    def events(self) -> Iterator[MediaEvent]:
        """Yield `CallStarted`, the chunks of all tracks in lockstep, and `CallEnded`.

        A recording that is damaged or breaks off gives all that decodes, then ``CallEnded(reason="damaged")``, and only
        then the error: who reads to the end has the call analysed up to there and the sentence to report.

        Raises
        ------
        AudioInputError
            After `CallEnded`: if the recording is damaged, breaks off before its header says or changes its format.
        """
        with Recording(self.path) as recording:
            yield CallStarted(call=self.call)
            damage: AudioInputError | None = None
            try:
                for first_sample, block in recording.blocks(block_s=self._chunk_s):
                    for channel, samples in zip(self.call.channels, block, strict=False):
                        yield AudioChunk(
                            call_id=self.call.call_id,
                            channel=channel,
                            first_sample=first_sample,
                            sample_rate_hz=recording.sample_rate_hz,
                            samples=samples,
                        )
            except AudioInputError as error:
                damage = error
            yield CallEnded(call_id=self.call.call_id, reason="damaged" if damage else "end")
            if damage:
                raise damage


def _are_alike(recording: Recording) -> bool:
    """Tell whether two tracks hold the same, as mono exported as stereo does; reads up to where they differ."""
    heard = False
    with contextlib.suppress(AudioInputError):  # what decodes counts
        for _, block in recording.blocks(block_s=_COMPARED_S):
            left, right = np.clip(np.nan_to_num(block), -1.0, 1.0)  # floating-point files may hold anything
            power = float(np.mean(left**2 + right**2)) / 2.0
            if power > _SILENT_POWER:
                heard = True
                if float(np.mean((left - right) ** 2)) > _ALIKE * power:
                    return False
    return heard


def _channels(tracks: int, *, caller_channel: str | None) -> tuple[tuple[Channel, ...], Roles]:
    if tracks == 1:
        return (Channel.MIXED,), Roles.UNKNOWN
    if caller_channel == "right":
        return (Channel.AGENT, Channel.CALLER), Roles.GIVEN
    return (Channel.CALLER, Channel.AGENT), Roles.GIVEN if caller_channel else Roles.ASSUMED

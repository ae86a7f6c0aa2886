"""Whether a recording is all there: what its header promises, against where the file ends."""

import os
import struct
from pathlib import Path

_COUNTED = ("aiff", "caf", "flac", "mov,mp4,m4a,3gp,3g2,mj2", "w64")
_STREAMED_DATA_BYTES = 0x7FFF_F000
_LONGEST_OGG_PAGE_BYTES = 65_307


def promised_s(path: Path, *, container: str, declared_s: float | None, sample_rate_hz: int) -> float | None:
    """Return the length that the header vouches for.

    Parameters
    ----------
    path : Path
    container : str
        FFmpeg's name of the container.
    declared_s : float or None
        FFmpeg's duration of the stream. It is taken where the container counts its samples; elsewhere it only follows
        from the size of the file.
    sample_rate_hz : int

    Returns
    -------
    float or None
        Seconds, for MP3 with up to 0.3 s of the encoder's delay and padding; None where nothing vouches.
    """
    if container == "wav":
        return _wav_promised_s(path)
    if container == "mp3":
        return _mp3_promised_s(path, sample_rate_hz=sample_rate_hz)
    return declared_s if container in _COUNTED else None


def ends_within_ogg_page(path: Path) -> bool:
    """Tell whether the last page of an Ogg file is longer than what is left of the file (RFC 3533, section 6)."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        tail_at = max(0, size - 2 * _LONGEST_OGG_PAGE_BYTES)
        file.seek(tail_at)
        tail = file.read()
    page = tail[max(0, tail.rfind(b"OggS\0")) :]
    segments = page[26] if len(page) > 26 else 255
    return len(page) < 27 + segments + sum(page[27 : 27 + segments])


def _wav_promised_s(path: Path) -> float | None:
    """Return the data chunk's size over the byte rate; None where the file holds all of it or it was never filled in.

    Recorders that write while they record put 0, 0x7FFFF000 or 0xFFFFFFFF there and often never come back to it. A file
    that holds its data chunk is whole whatever byte rate its header states.
    """
    byte_rate = 0
    with path.open("rb") as file:
        file.seek(12)
        while len(header := file.read(8)) == 8:
            chunk_id, size = struct.unpack("<4sI", header)
            if chunk_id == b"data":
                is_cut = file.tell() + size > path.stat().st_size
                return size / byte_rate if is_cut and byte_rate and size < _STREAMED_DATA_BYTES else None
            start = file.tell()
            if chunk_id == b"fmt ":
                fmt = file.read(12)
                byte_rate = struct.unpack("<I", fmt[8:])[0] if len(fmt) == 12 else 0
            file.seek(start + size + size % 2)
    return None


def _mp3_promised_s(path: Path, *, sample_rate_hz: int) -> float | None:
    """Return the count of frames in the Xing (Info) or VBRI header times their length; None without such a header.

    A frame has 1152 samples in MPEG-1, at 32 kHz and above, and 576 below. The count lies 8 bytes after the mark of a
    Xing header whose flag 1 is set, and 14 after that of a VBRI header.
    """
    with path.open("rb") as file:
        head = file.read(10)
        tag_bytes = 0
        if head[:3] == b"ID3":
            for byte in head[6:]:
                tag_bytes = tag_bytes << 7 | byte & 0x7F
            tag_bytes += 10
        file.seek(tag_bytes)
        first_frame = file.read(256)
    frames = 0
    for mark in (b"Xing", b"Info", b"VBRI"):
        header = first_frame[first_frame.find(mark) :] if mark in first_frame else b""
        if mark == b"VBRI" and len(header) >= 18:
            frames = struct.unpack(">I", header[14:18])[0]
        elif len(header) >= 12 and header[7] & 1:
            frames = struct.unpack(">I", header[8:12])[0]
    return frames * (1152 if sample_rate_hz >= 32_000 else 576) / sample_rate_hz if frames else None

"""What Twilio's relatives spell differently: tracks, custom parameters, media messages [1]_.

References
----------
.. [1] Plivo, "AudioStream", https://docs.plivo.com/docs/voice/xml/audiostream: extra headers.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from voicepipe.gateways.decoder import FaultError, whole_number

Track = Literal["inbound", "outbound"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """What counts of a media message: all that is kept while it waits for its turn.

    Attributes
    ----------
    number : int or None
        Sequence number among all messages of the stream.
    track : Track or None
    stamp_ms : int or None
        Milliseconds since the start of the stream, or since 1970.
    chunk : int or None
        Number among the media messages of the track.
    payload : str
        Audio in base64.
    """

    number: int | None
    track: Track | None
    stamp_ms: int | None
    chunk: int | None
    payload: str


_TRACKS_NAMED: dict[str, tuple[Track, ...]] = {
    "inbound": ("inbound",),
    "inbound_track": ("inbound",),
    "outbound": ("outbound",),
    "outbound_track": ("outbound",),
    "both": ("inbound", "outbound"),
    "both_tracks": ("inbound", "outbound"),
}


def read_media(content: dict[str, Any]) -> Media:
    """Read a media message; one without a payload is a `FaultError`."""
    media = content.get("media")
    if not isinstance(media, dict) or not isinstance(media.get("payload"), str):
        raise FaultError("A media message has no payload; send media.payload in base64.")
    tracks = tracks_of(media.get("track"))
    return Media(
        number=read_number(content),
        track=tracks[0] if len(tracks) == 1 else None,
        stamp_ms=whole_number(media.get("timestamp")),
        chunk=whole_number(media.get("chunk")),
        payload=media["payload"],
    )


def read_number(content: Mapping[str, Any]) -> int | None:
    """Return a message's number among all messages of its stream."""
    return whole_number(first_of(content, "sequenceNumber", "sequence_number"))


def first_of(mapping: Mapping[str, Any], *names: str) -> Any:
    """Return the first entry that is there and not empty."""
    return next((mapping[name] for name in names if mapping.get(name) not in (None, "")), None)


def tracks_of(value: object) -> tuple[Track, ...]:
    """Read ``inbound``, ``inbound_track``, ``both_tracks`` or a list of such names."""
    if isinstance(value, str):
        return _TRACKS_NAMED.get(value.lower(), ())
    names = value[:8] if isinstance(value, list) else []
    named = [track for name in names if isinstance(name, str) for track in tracks_of(name)]
    return tuple(dict.fromkeys(named))


def read_pairs(value: object) -> dict[str, str]:
    """Read Plivo's extra headers: an object, JSON in a string, or ``name=value`` pairs; ``X-PH-`` is not kept."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            parts = [part.partition("=") for part in re.split(r"[,;]", str(value)[:4096])]
            value = {name.strip(): text.strip() for name, equals, text in parts if equals}
    if not isinstance(value, dict):
        return {}
    return {re.sub(r"^x-ph-", "", str(name), flags=re.IGNORECASE): text for name, text in value.items()}

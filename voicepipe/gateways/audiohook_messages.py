"""What AudioHook's messages are made of: durations, media offers, transcripts.

References
----------
.. [1] Genesys, "AudioHook protocol reference", https://developer.genesys.cloud/devapps/audiohook/protocol-reference
.. [2] Genesys, "AudioHook reference implementation",
   https://github.com/purecloudlabs/audiohook-reference-implementation
"""

import json
import math
import re
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from voicepipe.types import Channel, ScoredUtterance, Transcript

NULL_UUID = str(UUID(int=0))
"""Conversation and participant of a connection probe [1]_."""

LONGEST_TEXT = 65_535
"""Most characters of a text message, both ways [2]_."""

CHANNELS = {"external": Channel.CALLER, "internal": Channel.AGENT}
_DURATION = re.compile(r"PT(?:(\d{1,4})H)?(?:(\d{1,6})M)?(?:(\d{1,8}(?:\.\d{1,9})?)S)?")


def read_duration(value: object) -> float | None:
    """Read a duration, ``PT1.25S``."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def write_duration(seconds: float) -> str:
    """Write a duration as the client does: seconds alone, without trailing zeros."""
    written = f"{max(0.0, seconds):.3f}".rstrip("0").rstrip(".")
    return f"PT{written}S"


def choose_offer(offers: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the offer to take, untouched: two channels before one, the customer's before the agent's."""
    usable = [offer for offer in offers if _is_usable(offer)]
    wishes = ({"external", "internal"}, {"external"}, {"internal"})
    return next((offer for wish in wishes for offer in usable if set(offer["channels"]) == wish), None)


def _is_usable(offer: dict[str, Any]) -> bool:
    channels = offer.get("channels")
    return (
        offer.get("type", "audio") == "audio"
        and offer.get("format") in ("PCMU", "L16")
        and isinstance(channels, list)
        and 1 <= len(channels) <= 2
        and all(isinstance(name, str) and name in CHANNELS for name in channels)
        and len(set(channels)) == len(channels)
        and type(offer.get("rate")) is int
        and 8_000 <= offer["rate"] <= 48_000
    )


def transcript_entity(
    utterance: ScoredUtterance, transcript: Transcript, *, channel_id: int, shift_s: float
) -> dict[str, Any]:
    """Write one utterance as an event entity; the words are left out where they would make the message too long."""
    tokens = [
        {
            "type": "word",
            "value": word.text.strip(),
            "confidence": round(min(1.0, max(0.0, word.prob)), 3),
            "offset": write_duration(word.start_s + shift_s),
            "duration": write_duration(word.end_s - word.start_s),
        }
        for word in transcript.words
    ]
    interpretation: dict[str, Any] = {"type": "display", "transcript": transcript.text}
    if tokens and len(json.dumps(tokens, ensure_ascii=False)) + len(transcript.text) < LONGEST_TEXT - 2_000:
        interpretation["tokens"] = tokens
    name = f"{utterance.call_id}/{utterance.channel}/{utterance.index}"
    return {
        "type": "transcript",
        "data": {
            "id": str(uuid5(NAMESPACE_URL, f"voicepipe:transcript/{name}")),
            "channelId": channel_id,
            "isFinal": True,
            "offset": write_duration(utterance.start_s + shift_s),
            "duration": write_duration(utterance.end_s - utterance.start_s),
            "alternatives": [
                {
                    "confidence": round(min(1.0, math.exp(min(0.0, transcript.avg_logprob))), 3),
                    "languages": [transcript.language],
                    "interpretations": [interpretation],
                }
            ],
        },
    }

"""Who calls: the call's identity, found among a protocol's own fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from voicepipe.types import Channel

Line = Annotated[str, Field(max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""What somebody says of a call over HTTP: no control characters."""


class FieldMap(BaseModel):
    """Which of a protocol's own fields tell who calls: for each, the places to look; the first that is filled counts.

    A place is a dotted path into what the connection said, beginning with its source: ``query.`` and ``header.`` for
    the request that opened the connection, and the protocol's own sources (``start.``, ``custom.``, ``open.``,
    ``metadata.``; each decoder lists them). A place that begins with ``=`` is a fixed value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    call_id: tuple[str, ...] = ()
    agent_id: tuple[str, ...] = ()
    queue: tuple[str, ...] = ()
    language: tuple[str, ...] = ()
    consent: tuple[str, ...] = ()
    caller: tuple[str, ...] = Field(
        default=(),
        description="The caller's number; kept as a keyed hash only, and only where decoder.caller_key is set.",
    )
    channel: tuple[str, ...] = Field(
        default=(), description="Whose voice the leg's only track is: caller, agent or mixed."
    )
    channels: tuple[str, ...] = Field(
        default=(), description="Channels of the whole call, 'caller,agent', where a leg carries one of them."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CallIdentity:
    """Who calls, as the protocol's fields or a registration say.

    Attributes
    ----------
    call_id : str
    channel : Channel, optional
        Whose voice the leg's only track is; None where nobody said.
    channels : tuple of Channel
        Channels of the whole call; empty where the leg is the whole call.
    agent_id, queue, language, consent : str, optional
        As in `voicepipe.types.Call`.
    caller : str, optional
        The caller's number as it came; it is hashed before it is part of a `Call`.
    """

    call_id: str
    channel: Channel | None = None
    channels: tuple[Channel, ...] = ()
    agent_id: str | None = None
    queue: str | None = None
    language: str | None = None
    consent: str | None = None
    caller: str | None = field(default=None, repr=False)


def identify(sources: Mapping[str, object], *, fields: FieldMap, call_id: str | None = None) -> CallIdentity | None:
    """Find out who calls.

    Parameters
    ----------
    sources : mapping of str to object
        What the connection said, by source: nested mappings as they came off the wire.
    fields : FieldMap
    call_id : str, optional
        Where no place of `fields.call_id` is filled.

    Returns
    -------
    CallIdentity or None
        None where there is no call id. Values longer than 256 characters are cut, control characters dropped; a
        language is reduced to its ISO 639-1 part (``en-US`` is ``en``).
    """
    found = {name: _first_filled(sources, getattr(fields, name)) for name in FieldMap.model_fields}
    known_id = found["call_id"] or _text_of(call_id)
    if known_id is None:
        return None
    channel = _channel_of(found["channel"])
    return CallIdentity(
        call_id=known_id,
        channel=channel,
        channels=_channels_of(found["channels"]),
        agent_id=found["agent_id"],
        queue=found["queue"],
        language=_language_of(found["language"]),
        consent=found["consent"],
        caller=found["caller"],
    )


def _first_filled(sources: Mapping[str, object], places: Sequence[str]) -> str | None:
    for place in places:
        if place.startswith("="):
            return _text_of(place[1:])
        value: object = sources
        for name in place.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        if (text := _text_of(value)) is not None:
            return text
    return None


def _text_of(value: object) -> str | None:
    """Return a scalar as text that is fit for an id: printable, 256 characters at most; None where it says nothing."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = value if isinstance(value, str) else str(value) if abs(value) < 2**64 else ""
    return "".join(sign for sign in text[:256] if sign.isprintable()).strip() or None


def _language_of(text: str | None) -> str | None:
    code = (text or "").replace("_", "-").partition("-")[0].lower()
    return code if len(code) == 2 and code.isascii() and code.isalpha() else None


def _channel_of(text: str | None) -> Channel | None:
    return _CHANNEL_NAMES.get((text or "").lower())


def _channels_of(text: str | None) -> tuple[Channel, ...]:
    named = [_channel_of(name.strip()) for name in (text or "").split(",")]
    return tuple(dict.fromkeys(channel for channel in named if channel is not None))


_CHANNEL_NAMES = {
    "caller": Channel.CALLER,
    "customer": Channel.CALLER,
    "external": Channel.CALLER,
    "agent": Channel.AGENT,
    "internal": Channel.AGENT,
    "mixed": Channel.MIXED,
}

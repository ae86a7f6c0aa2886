"""Plays a recorded session, a file of tests/gateways/sessions/, to the decoder that it is for."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from voicepipe.gateways.audiohook import AudioHookConfig, AudioHookDecoder
from voicepipe.gateways.audiosocket import AudioSocketConfig, AudioSocketDecoder
from voicepipe.gateways.decoder import Decoder, DecoderLimits, Handshake
from voicepipe.gateways.identity import CallIdentity
from voicepipe.gateways.l16 import L16Config, L16Decoder
from voicepipe.gateways.twilio import TwilioConfig, TwilioDecoder
from voicepipe.types import AudioChunk, CallEnded, CallStarted, Channel, GatewayProtocolError, MediaEvent

SESSIONS = Path(__file__).parent / "sessions"
STARTED_AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
LIMITS = DecoderLimits()


def make_decoder(
    protocol: str,
    *,
    handshake: Handshake | None = None,
    config: dict[str, Any] | None = None,
    limits: DecoderLimits = LIMITS,
    registered: dict[UUID, CallIdentity] | None = None,
    started_at: datetime = STARTED_AT,
) -> Decoder:
    """Return a decoder for a fresh connection."""
    common: dict[str, Any] = {"started_at": started_at, "limits": limits}
    handshake = handshake or Handshake()
    settings = config or {}
    match protocol:
        case "twilio":
            return TwilioDecoder(config=TwilioConfig.model_validate(settings), handshake=handshake, **common)
        case "audiohook":
            return AudioHookDecoder(config=AudioHookConfig.model_validate(settings), handshake=handshake, **common)
        case "l16":
            return L16Decoder(
                config=L16Config.model_validate(settings), handshake=handshake, connection_id="connection-7", **common
            )
        case "audiosocket":
            known = registered or {}
            return AudioSocketDecoder(config=AudioSocketConfig.model_validate(settings), look_up=known.get, **common)
    raise ValueError(protocol)


@dataclass
class Outcome:
    """What a decoder made of a dialogue."""

    events: list[MediaEvent] = field(default_factory=list)
    replies: list[str | bytes] = field(default_factory=list)
    error: GatewayProtocolError | None = None

    @property
    def chunks(self) -> list[AudioChunk]:
        return [event for event in self.events if isinstance(event, AudioChunk)]

    @property
    def started(self) -> list[CallStarted]:
        return [event for event in self.events if isinstance(event, CallStarted)]

    @property
    def ended(self) -> list[str]:
        return [event.reason for event in self.events if isinstance(event, CallEnded)]

    @property
    def answers(self) -> list[dict[str, Any]]:
        return [json.loads(reply) for reply in self.replies]


def play(
    decoder: Decoder, messages: list[str | bytes], *, code: int | None = None, arrivals_s: list[float] | None = None
) -> Outcome:
    """Feed messages as a server does, then end the connection."""
    outcome = Outcome()
    for number, message in enumerate(messages):
        try:
            outcome.events += decoder.feed(message, arrived_s=arrivals_s[number] if arrivals_s else None)
        except GatewayProtocolError as error:
            outcome.error = error
        outcome.replies += decoder.replies()
        if decoder.closing:
            break
    outcome.events += decoder.end(code)
    outcome.replies += decoder.replies()
    return outcome


def read_session(path: Path) -> tuple[Decoder, list[str | bytes], dict[str, Any]]:
    """Return the decoder, the messages and the rest of a session file."""
    session = json.loads(path.read_text(encoding="utf-8"))
    request = session.get("handshake", {})
    registered = {
        UUID(uuid): CallIdentity(
            call_id=identity["call_id"],
            channel=Channel(identity["channel"]),
            channels=tuple(Channel(name) for name in identity["channels"]),
        )
        for uuid, identity in session.get("registered", {}).items()
    }
    decoder = make_decoder(
        session["protocol"],
        handshake=Handshake(
            target=request.get("target", "/"), query=request.get("query", {}), headers=request.get("headers", {})
        ),
        config=session.get("config"),
        registered=registered,
    )
    messages = [_message(entry) for entry in session["messages"]]
    return decoder, messages, session


def _message(entry: Any) -> str | bytes:
    """Read a message: JSON as itself, other text under ``text``, bytes under ``hex`` (``ff*160`` repeats)."""
    if isinstance(entry, dict) and set(entry) == {"text"}:
        return str(entry["text"])
    if isinstance(entry, dict) and set(entry) == {"hex"}:
        parts = (part.partition("*") for part in entry["hex"].split())
        return b"".join(bytes.fromhex(code) * int(times or 1) for code, _, times in parts)
    return json.dumps(entry)

"""Genesys AudioHook, protocol version 2: a dialogue in JSON text beside interleaved audio in binary messages.

Every text message carries the session's id, its own number and the number of the last one received; both counts are
checked. ``open`` is answered at once: whether the models are ready is no question of the protocol, and a late answer
costs the call [1]_. The client never hears of trouble by a bare close: first comes ``disconnect`` with the reason.

References
----------
.. [1] Genesys, "AudioHook protocol reference", https://developer.genesys.cloud/devapps/audiohook/protocol-reference:
   envelopes, media selection, positions, pauses, close transaction, connection probes.
.. [2] Genesys, "AudioHook reference implementation",
   https://github.com/purecloudlabs/audiohook-reference-implementation: ``channelId``, token fields, 65535 characters.
"""

import json
from contextlib import suppress
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from voicepipe.audio.codecs import Encoding, decode
from voicepipe.gateways.audiohook_messages import CHANNELS, NULL_UUID, choose_offer, read_duration, transcript_entity
from voicepipe.gateways.decoder import (
    CONNECTION_LOST,
    CloseCode,
    Decoder,
    DecoderLimits,
    FaultError,
    Handshake,
    parse_object,
    whole_number,
)
from voicepipe.gateways.identity import FieldMap, identify
from voicepipe.types import GatewayProtocolError, MediaEvent, Roles, ScoredUtterance


class AudioHookFields(FieldMap):
    """Where the fields are found unless the settings say otherwise, each by itself."""

    call_id: tuple[str, ...] = ("open.conversationId",)
    agent_id: tuple[str, ...] = ("custom.agent_id", "custom.agentId")
    queue: tuple[str, ...] = ("custom.queue",)
    language: tuple[str, ...] = ("open.language", "custom.language")
    consent: tuple[str, ...] = ("custom.consent",)
    caller: tuple[str, ...] = ("custom.caller", "open.participant.ani")


class AudioHookConfig(BaseModel):
    """How AudioHook sessions are served.

    The sources of `fields` are ``open`` (the parameters of the open message: ``conversationId``, ``participant.ani``,
    ``participant.dnis``, ``language``), ``custom`` (its ``customConfig``), ``query`` and ``header``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    transcripts: Literal["asked", "always", "never"] = Field(
        default="asked",
        description="Send final transcripts with the times of their words to Genesys: where the client asks "
        "(supportedLanguages in its open message, or transcripts = true in the custom configuration), always, or "
        "never.",
    )
    supported_languages: tuple[str, ...] = Field(
        default=("en-us", "en-gb", "ru-ru", "zh-cn"), description="What a client hears that asks for the languages."
    )
    fields: AudioHookFields = AudioHookFields()


class AudioHookDecoder(Decoder):
    """One AudioHook session.

    A connection probe is answered like any session, but announces no call. After ``close`` a client that gets
    transcripts waits for the last ones: `finishing` is then true until `finish` is called.

    Parameters
    ----------
    config : AudioHookConfig
    handshake : Handshake
    started_at, limits
        As for `Decoder`.
    """

    protocol = "audiohook"

    POSITION_SLACK_S = 1.0
    """A position further ahead of the audio than this means audio that never came; less is a message that overtook."""

    def __init__(
        self, *, config: AudioHookConfig, handshake: Handshake, started_at: datetime, limits: DecoderLimits
    ) -> None:
        super().__init__(started_at=started_at, limits=limits)
        self._config = config
        self._handshake = handshake
        self._session_id: str | None = None
        self._sent_seq = 0
        self._received_seq = 0
        self._is_open = False
        self._is_closed = False
        self._sends_transcripts = False
        self._encoding = Encoding.PCMU
        self._rate_hz = 8_000
        self._base_s = 0.0
        self._next_sample = 0
        self._finishing = False

    @property
    def wants_transcripts(self) -> bool:
        """Whether final transcripts go to the client."""
        return self._sends_transcripts and not self._is_closed

    @property
    def finishing(self) -> bool:
        """Whether the client has closed the session and waits for the last transcripts."""
        return self._finishing

    @property
    def _has_started(self) -> bool:
        return self._is_open

    def finish(self) -> None:
        """Answer the client's ``close``: no more transcripts will come."""
        if self._finishing:
            self._finishing = False
            self._tell("closed", {})
            self._is_closed = True
            self._close(CloseCode.NORMAL, "session closed")

    def hang_up(self, reason: str) -> None:
        """Ask the client to close the session; it answers with ``close`` and so comes to its end in order."""
        if self._is_open and not self._ended and self.closing is None:
            self._hung_up = True
            self._tell("disconnect", {"reason": "completed", "info": reason})
        else:
            super().hang_up(reason)

    def refuse(self, code: int, reason: str) -> GatewayProtocolError:
        """Tell the client what was wrong, in the protocol's words, before the connection is closed."""
        if self.closing is None and not self._is_closed:
            self._is_closed = True
            self._replies.append(self._message("disconnect", {"reason": "error", "info": reason}))
        return super().refuse(code, reason)

    def transcribed(self, utterance: ScoredUtterance, *, offset_s: float = 0.0) -> None:
        """Queue an ``event`` with the final transcript of one utterance, its words as tokens."""
        transcript = utterance.transcript
        is_told = transcript is not None and bool(transcript.text)
        if not (self.wants_transcripts and is_told and utterance.channel in self.channels):
            return
        assert transcript is not None
        shift_s = self._base_s - offset_s
        entity = transcript_entity(
            utterance, transcript, channel_id=self.channels.index(utterance.channel), shift_s=shift_s
        )
        self._tell("event", {"entities": [entity]})

    def _text(self, message: str) -> list[MediaEvent]:
        try:
            content = parse_object(message)
        except FaultError as fault:
            raise self.refuse(CloseCode.BAD_DATA, str(fault)) from None
        self._check_envelope(content)
        kind = content["type"]
        parameters = content.get("parameters")
        parameters = parameters if isinstance(parameters, dict) else {}
        self._follow_position(content, kind, parameters)
        match kind:
            case "open":
                return self._open(parameters)
            case "ping":
                self._send("pong", {})
            case "update":
                self._send("updated", {})
            case "close":
                return self._take_close(parameters)
            case "paused" | "resumed" | "discarded" | "error":
                pass
            case _:
                self.counts.unknown += 1
        return []

    def _check_envelope(self, content: dict[str, Any]) -> None:
        """Check the version, the session and both counters; whatever else there is may be new and is no mistake."""
        seq, server_seq = whole_number(content.get("seq")), whole_number(content.get("serverseq"))
        if str(content.get("version"))[:8] != "2" or not isinstance(content.get("type"), str) or seq is None:
            raise self.refuse(
                CloseCode.PROTOCOL_ERROR, "A text message is not of AudioHook version 2; send version, type and seq."
            )
        if seq != self._received_seq + 1:
            raise self.refuse(
                CloseCode.PROTOCOL_ERROR,
                f"A message has seq {seq} after {self._received_seq}; number them one by one from 1.",
            )
        self._received_seq = seq
        if server_seq is not None and not 0 <= server_seq <= self._sent_seq:
            raise self.refuse(
                CloseCode.PROTOCOL_ERROR,
                f"A message has serverseq {server_seq}, but only {self._sent_seq} were sent; repeat the last seq.",
            )
        session_id = content.get("id")
        if not isinstance(session_id, str) or not session_id or len(session_id) > 64:
            raise self.refuse(CloseCode.PROTOCOL_ERROR, "A message has no session id; send id in every message.")
        if self._session_id is None:
            named = self._handshake.headers.get("audiohook-session-id", "")
            if named and named.strip().lower() != session_id.lower():
                raise self.refuse(
                    CloseCode.POLICY, "The session's id is not that of the request's Audiohook-Session-Id header."
                )
            self._session_id = session_id
        if session_id != self._session_id:
            raise self.refuse(CloseCode.PROTOCOL_ERROR, "The session's id changed; open a connection for each session.")

    def _follow_position(self, content: dict[str, Any], kind: str, parameters: dict[str, Any]) -> None:
        """Move the clock over audio that was discarded or never came: it follows the client's positions."""
        position_s = read_duration(content.get("position"))
        if kind == "open":
            self._base_s = position_s or 0.0
            return
        if kind in ("discarded", "resumed"):
            start_s, discarded_s = read_duration(parameters.get("start")), read_duration(parameters.get("discarded"))
            if start_s is not None and discarded_s is not None:
                position_s = max(position_s or 0.0, start_s + discarded_s)
            slack_s = 0.0
        else:
            slack_s = self.POSITION_SLACK_S
        if position_s is not None and self._is_open:
            ahead_s = position_s - self._base_s - self._next_sample / self._rate_hz
            if ahead_s > slack_s:
                self._next_sample += round(ahead_s * self._rate_hz)

    def _open(self, parameters: dict[str, Any]) -> list[MediaEvent]:
        if self._is_open:
            self.counts.duplicates += 1
            return []
        organization = self._handshake.headers.get("audiohook-organization-id")
        if organization is not None and parameters.get("organizationId") != organization:
            raise self.refuse(
                CloseCode.POLICY, "The organization is not that of the request's Audiohook-Organization-Id header."
            )
        offers = parameters.get("media")
        offer = choose_offer(
            [offer for offer in offers[:64] if isinstance(offer, dict)] if isinstance(offers, list) else []
        )
        custom = parameters.get("customConfig")
        custom = custom if isinstance(custom, dict) else {}
        participant = parameters.get("participant")
        participant_id = participant.get("id") if isinstance(participant, dict) else None
        is_probe = NULL_UUID in (parameters.get("conversationId"), participant_id)
        asked = parameters.get("supportedLanguages") is True or custom.get("transcripts") in (True, "true")
        self._sends_transcripts = not is_probe and (
            self._config.transcripts == "always" or (self._config.transcripts == "asked" and asked)
        )
        events: list[MediaEvent] = []
        if not is_probe:
            events = self._start_call(parameters, custom, offer)
        opened: dict[str, Any] = {"media": [offer] if offer else [], "startPaused": False}
        if parameters.get("supportedLanguages") is True:
            opened["supportedLanguages"] = list(self._config.supported_languages)
        self._is_open = True
        self._send("opened", opened)
        return events

    def _start_call(
        self, parameters: dict[str, Any], custom: dict[str, Any], offer: dict[str, Any] | None
    ) -> list[MediaEvent]:
        if offer is None:
            raise self.refuse(
                CloseCode.UNSUPPORTED,
                "No offered media can be used; offer PCMU or L16, external and internal, 8000 Hz.",
            )
        self._encoding = Encoding.PCMU if offer["format"] == "PCMU" else Encoding.L16
        self._rate_hz = offer["rate"]
        identity = identify(
            {
                "open": parameters,
                "custom": custom,
                "query": self._handshake.query,
                "header": self._handshake.headers,
            },
            fields=self._config.fields,
            call_id=self._session_id,
        )
        assert identity is not None
        channels = tuple(CHANNELS[name] for name in offer["channels"])
        return self._start(identity, channels=channels, roles=Roles.GIVEN, word_times=self._sends_transcripts)

    def _take_close(self, parameters: dict[str, Any]) -> list[MediaEvent]:
        reason = parameters.get("reason")
        reason = reason if reason in ("end", "error", "disconnect", "reconnect") else "end"
        ended = self._end_call(CONNECTION_LOST if reason == "reconnect" else reason)
        self._finishing = True
        if not self.wants_transcripts:
            self.finish()
        return ended

    def _binary(self, message: bytes, arrived_s: float | None) -> list[MediaEvent]:
        del arrived_s
        if not self._is_open:
            raise self.refuse(
                CloseCode.PROTOCOL_ERROR, "Audio came before the session was open; send open and wait for opened."
            )
        if not message or self.call is None:
            return []
        frame_bytes = self._encoding.sample_bytes * len(self.channels)
        if len(message) % frame_bytes:
            raise FaultError(
                f"An audio message of {len(message)} bytes came; send whole samples of all channels, {frame_bytes} "
                "bytes each time."
            )
        self._fault_free()
        self.counts.audio_bytes += len(message)
        tracks = decode(message, encoding=self._encoding).reshape(-1, len(self.channels)).T
        first_sample = self._next_sample
        self._next_sample += tracks.shape[1]
        return [
            self._chunk(channel, first_sample, samples.copy(), rate_hz=self._rate_hz)
            for channel, samples in zip(self.channels, tracks, strict=True)
        ]

    def _reason_of(self, code: int | None) -> str:
        """Return why the call ended without ``close``: whatever the code, the session did not end in order."""
        del code
        return CONNECTION_LOST

    def _send(self, kind: str, parameters: dict[str, Any]) -> None:
        self._reply(self._message(kind, parameters))

    def _tell(self, kind: str, parameters: dict[str, Any]) -> None:
        """Send what the client did not ask for just now; if it reads nothing, `closing` says so."""
        with suppress(GatewayProtocolError):
            self._send(kind, parameters)

    def _message(self, kind: str, parameters: dict[str, Any]) -> str:
        """Write a message with the next number; ``clientseq`` of a pong must be the ping's own."""
        self._sent_seq += 1
        content = {
            "version": "2",
            "type": kind,
            "id": self._session_id or NULL_UUID,
            "seq": self._sent_seq,
            "clientseq": self._received_seq,
            "parameters": parameters,
        }
        return json.dumps(content, ensure_ascii=False)

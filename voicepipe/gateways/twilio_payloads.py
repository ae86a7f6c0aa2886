"""The sound in a stream's payloads: what codec the start message names, and each track decoded in its turn.

References
----------
.. [1] Telnyx, "Stream", https://developers.telnyx.com/docs/voice/programmable-voice/texml-verbs/stream: RTP payloads
   without headers, in the codec of the call (G722, OPUS and AMR-WB among them) unless `codec` names another.
.. [2] Plivo, "AudioStream", https://docs.plivo.com/docs/voice/xml/audiostream: L16 is the default.
.. [3] Exotel, "Stream and Voicebot Applet", https://developer.exotel.com/docs/agentstream/stream-voicebot-applet: raw
   little-endian 16-bit audio, named ``base64``.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

from voicepipe.audio.codecs import Encoding, decode
from voicepipe.audio.packets import PacketCodec, PacketDecoder
from voicepipe.gateways.byte_order import ByteOrder
from voicepipe.gateways.decoder import whole_number
from voicepipe.gateways.twilio_dialects import Track, first_of
from voicepipe.types import AudioInputError, FloatArray

ByteOrderSetting = Literal["auto", "little", "big"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFormat:
    """How the payloads of a stream are written; `L16_LE` stands for linear audio of either byte order."""

    encoding: Encoding | PacketCodec
    rate_hz: int


def read_format(value: object) -> StreamFormat:
    """Read ``mediaFormat``: three vocabularies, and nothing at all where the default is Twilio's own format.

    Opus, as in SDP, may be announced with two channels; the rate of a compressed stream is that of its codec.

    Parameters
    ----------
    value : object
        As it came.

    Raises
    ------
    AudioInputError
        If it cannot be decoded; says what to set.
    """
    named: dict[str, Any] = value if isinstance(value, dict) else {}
    written = str(named.get("encoding") or "audio/x-mulaw")[:64].lower()
    name, _, parameters = written.partition(";")
    encoding = _ENCODINGS.get(name.strip().removeprefix("audio/").removeprefix("raw/").removeprefix("x-"))
    rate = re.search(r"rate=(\d{4,6})", parameters)
    given_hz = first_of(named, "sampleRate", "sample_rate") or (rate.group(1) if rate else None) or 8000
    rate_hz = encoding.rate_hz if isinstance(encoding, PacketCodec) else whole_number(given_hz)
    if encoding is None or rate_hz is None or not 8_000 <= rate_hz <= 48_000:
        raise AudioInputError(
            f"The stream is {written[:24]!r} at {str(given_hz)[:8]!r} Hz; send PCMU (Telnyx: stream_codec=PCMU), PCMA, "
            "L16, G722, OPUS or AMR-WB."
        )
    if (whole_number(named.get("channels")) or 1) != 1 and encoding is not PacketCodec.OPUS:
        raise AudioInputError("The stream mixes several channels in one track; send tracks.")
    if isinstance(encoding, PacketCodec):
        PacketDecoder(encoding)
    return StreamFormat(encoding=encoding, rate_hz=rate_hz)


class PayloadDecoder:
    """Decodes the payloads of one stream, each track by itself.

    Parameters
    ----------
    stream_format : StreamFormat
    l16_byte_order : ByteOrderSetting
        Of linear payloads; ``auto`` finds it by the smoother sound.

    Attributes
    ----------
    rate_hz : int
        Sample rate of what is decoded.
    """

    def __init__(self, stream_format: StreamFormat, *, l16_byte_order: ByteOrderSetting) -> None:
        self.rate_hz = stream_format.rate_hz
        self._encoding = stream_format.encoding
        if self._encoding is Encoding.L16_LE and l16_byte_order == "big":
            self._encoding = Encoding.L16
        self._finds_order = self._encoding is Encoding.L16_LE and l16_byte_order == "auto"
        self._byte_order = ByteOrder()
        self._packet_decoders: dict[Track, PacketDecoder] = {}

    def decode(self, payload: bytes, *, track: Track) -> FloatArray:
        """Return the samples of a track's next payload, shape (n,), float32.

        Raises
        ------
        AudioInputError
            If the payload is damaged; later ones can still be decoded.
        """
        if isinstance(self._encoding, PacketCodec):
            if track not in self._packet_decoders:
                self._packet_decoders[track] = PacketDecoder(self._encoding)
            return self._packet_decoders[track].decode(payload)
        is_judged = self._finds_order and len(payload) % 2 == 0
        return decode(payload, encoding=self._byte_order.judge(payload) if is_judged else self._encoding)


_ENCODINGS: dict[str, Encoding | PacketCodec] = {
    "mulaw": Encoding.PCMU,
    "ulaw": Encoding.PCMU,
    "pcmu": Encoding.PCMU,
    "g711_ulaw": Encoding.PCMU,
    "alaw": Encoding.PCMA,
    "pcma": Encoding.PCMA,
    "g711_alaw": Encoding.PCMA,
    "l16": Encoding.L16_LE,
    "slin": Encoding.L16_LE,
    "linear16": Encoding.L16_LE,
    "pcm": Encoding.L16_LE,
    "base64": Encoding.L16_LE,
    "g722": PacketCodec.G722,
    "opus": PacketCodec.OPUS,
    "amr-wb": PacketCodec.AMR_WB,
}
"""By the name after ``audio/``, ``raw/`` and ``x-``. Exotel writes ``base64`` where others name the codec [3]_."""

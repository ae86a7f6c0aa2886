"""Linear audio whose sender does not say its byte order, and whose vendors do not agree on it.

RTP's L16 is big-endian (RFC 3551, section 4.5.11); most systems that put linear audio into WebSockets send what lies in
memory, which is little-endian. Heard in the wrong order, speech is noise at full scale.
"""

import numpy as np

from voicepipe.audio.codecs import Encoding, decode

JUDGED_PAYLOADS = 50
"""After so many payloads that were not silent the byte order is settled."""


class ByteOrder:
    """Finds the byte order by the smoother sound.

    Sound changes little from one sample to the next; with its bytes swapped, the part of it that changes most comes
    first. So the order is the one in which the samples differ less from their neighbours, summed over what was heard:
    the first payload that is not silent decides already, later ones can only confirm or correct it.
    """

    def __init__(self) -> None:
        self._roughness = {Encoding.L16_LE: 0.0, Encoding.L16: 0.0}
        self._judged = 0

    def judge(self, payload: bytes) -> Encoding:
        """Return the encoding in which to decode a payload of whole 16-bit samples."""
        if self._judged < JUDGED_PAYLOADS and any(payload):
            self._judged += 1
            for encoding in self._roughness:
                self._roughness[encoding] += float(np.abs(np.diff(decode(payload, encoding=encoding))).sum())
        return min(self._roughness, key=lambda encoding: self._roughness[encoding])

"""Silence in place of what was masked in the text, in the audio that is kept."""

from collections.abc import Iterable, Sequence

import numpy as np

from voicepipe.types import Channel, FloatArray, ScoredUtterance

GUARD_S = 0.25
"""Silenced before and after what was said: a recogniser's word times err by a tenth of a second or two."""
JOIN_S = 3.0
"""Pauses of up to this length between two masked stretches of one channel are silenced, too: a number goes on there."""


def private_spans(utterances: Iterable[ScoredUtterance]) -> dict[Channel, list[tuple[float, float]]]:
    """Return what is to be silenced on each channel, offsets in the call, in order and without overlap.

    Where the words of an utterance have no times the whole utterance goes, and also where only some of its redactions
    have any. Where masked stretches of one channel follow one another within `JOIN_S`, the pause goes as well.

    Parameters
    ----------
    utterances : iterable of ScoredUtterance
        Of one call, in any order.
    """
    found: dict[Channel, list[tuple[float, float]]] = {}
    for utterance in utterances:
        transcript = utterance.transcript
        if transcript is None or not transcript.redacted:
            continue
        times = [(one.start_s, one.end_s) for one in transcript.redactions]
        known = [(start_s, end_s) for start_s, end_s in times if start_s is not None and end_s is not None]
        if not known or len(known) < len(times):
            known = [(utterance.start_s, utterance.end_s)]
        found.setdefault(utterance.channel, []).extend((start_s - GUARD_S, end_s + GUARD_S) for start_s, end_s in known)
    return {channel: _joined(spans) for channel, spans in found.items()}


def _joined(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for start_s, end_s in sorted(spans):
        if joined and start_s - joined[-1][1] <= JOIN_S:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end_s))
        else:
            joined.append((max(0.0, start_s), end_s))
    return joined


def silence(
    samples: FloatArray, *, sample_rate_hz: int, spans: Sequence[tuple[float, float]], start_s: float = 0.0
) -> FloatArray:
    """Return the same audio with digital silence in the spans.

    Parameters
    ----------
    samples : ndarray, shape (n,), float32
        One track; not modified.
    sample_rate_hz : int
    spans : sequence of (float, float)
        Start and end, offsets in the call; what lies outside of the samples is ignored.
    start_s : float
        Offset in the call of ``samples[0]``.

    Returns
    -------
    ndarray, shape (n,), float32
    """
    if sample_rate_hz <= 0:
        raise ValueError(f"sample_rate_hz {sample_rate_hz}: must be positive")
    silenced = np.array(samples, copy=True)
    for begin_s, end_s in spans:
        first = max(0, int(np.floor((begin_s - start_s) * sample_rate_hz)))
        last = max(0, int(np.ceil((end_s - start_s) * sample_rate_hz)))
        silenced[first:last] = 0.0
    return silenced

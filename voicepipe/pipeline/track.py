"""One channel of a call as it is heard: its clock, what waits for the other tracks, voice activity, utterances."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from voicepipe.audio.stream import ChannelStream
from voicepipe.ports import VoiceDetectorState
from voicepipe.speech.segment import Segmenter, SegmenterConfig
from voicepipe.types import AudioChunk, Channel, FloatArray


def joined(chunks: Iterable[AudioChunk]) -> Iterator[AudioChunk]:
    """Join chunks of a channel that follow one another without a gap: filters cost less in one piece.

    Parameters
    ----------
    chunks : iterable of AudioChunk
        Of one call, its channels in any interleaving.

    Yields
    ------
    AudioChunk
        The same samples at the same places, of each channel in the same order.
    """
    runs: dict[Channel, list[AudioChunk]] = {}
    for chunk in chunks:
        run = runs.setdefault(chunk.channel, [])
        if run and not _follows(run[-1], chunk):
            yield _in_one(run)
            run.clear()
        run.append(chunk)
    for run in runs.values():
        yield _in_one(run)


def _follows(before: AudioChunk, chunk: AudioChunk) -> bool:
    end = before.first_sample + before.samples.size
    return chunk.first_sample == end and chunk.sample_rate_hz == before.sample_rate_hz


def _in_one(run: Sequence[AudioChunk]) -> AudioChunk:
    return run[0] if len(run) == 1 else replace(run[0], samples=np.concatenate([chunk.samples for chunk in run]))


class Track:
    """Hearing of one channel: sample clock, voice activity, utterances.

    Attributes
    ----------
    filled_samples : int
        Silence put in by `CallAnalysis.approach` since frames were last asked for.
    waits : bool
        Whether a chunk of it waits for more silence before it.
    """

    def __init__(self, *, call_id: str, channel: Channel, state: VoiceDetectorState, config: SegmenterConfig) -> None:
        self.channel = channel
        self.stream = ChannelStream()
        self.state = state
        self.segmenter = Segmenter(call_id=call_id, channel=channel, config=config)
        self.pending: list[FloatArray] = []
        self.pending_samples = 0
        self.heard_samples = 0
        self.late_samples = 0
        self.filled_samples = 0
        self.waits = False
        self._owed_samples = 0

    @property
    def clock(self) -> int:
        """Samples received so far, at 16 kHz."""
        return self.heard_samples + self.pending_samples

    def hold(self, samples: FloatArray) -> None:
        """Keep samples until all tracks of the call have reached them; drop those whose turn has passed."""
        late = min(self._owed_samples, samples.size)
        if late:
            self._owed_samples -= late
            self.late_samples += late
            samples = samples[late:]
        if samples.size:
            self.pending.append(samples)
            self.pending_samples += samples.size

    def take(self, n_samples: int) -> FloatArray:
        """Remove and return the next `n_samples`, silence where the track has not got so far."""
        held = np.concatenate(self.pending) if self.pending else np.zeros(0, np.float32)
        taken, rest = held[:n_samples], held[n_samples:]
        self.pending = [rest] if rest.size else []
        self.pending_samples = int(rest.size)
        self.heard_samples += n_samples
        if taken.size < n_samples:
            self._owed_samples += n_samples - taken.size
            taken = np.concatenate([taken, np.zeros(n_samples - taken.size, np.float32)])
        return taken


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackFrames:
    """Frames of a call's tracks that voice activity is run on.

    Attributes
    ----------
    frames : list of ndarray, each of shape (n, frame_samples), float32
        One entry per track, the same n for all.
    states : list of VoiceDetectorState
        State of each track before them.
    """

    frames: list[FloatArray]
    states: list[VoiceDetectorState]

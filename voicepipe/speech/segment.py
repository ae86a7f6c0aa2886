"""From speech probabilities to utterances: where speech begins, where it ends, and where a long one is cut."""

from dataclasses import dataclass

import numpy as np

from voicepipe.types import SAMPLE_RATE_HZ, Channel, CutBy, DoubleArray, FloatArray, Utterance

MAX_UTTERANCE_S = 29.5
"""Longest utterance that is recognised; the last half second of Whisper's longest context stays silent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterConfig:
    """Where utterances begin and end. Durations are rounded to whole frames.

    Attributes
    ----------
    on_prob : float
        Speech begins at a frame with at least this probability ...
    off_prob : float
        ... and goes on until one falls below this. Lower than `on_prob`: the gap keeps weak syllables inside.
    min_silence_s : float
        An utterance ends after this long without speech.
    max_utterance_s : float
        An utterance is never longer, padding included (Whisper's short context holds 10 s).
    cut_search_s : float
        A cut for length lies at the quietest point of the last so many seconds.
    cut_margin_s : float
        ... but not within the last so many, so that what follows the cut is more than a fragment.
    min_speech_s : float
        An utterance with less speech than this is a click or a cough and is dropped.
    padding_s : float
        Audio kept on both sides of the speech; shorter where it would reach into the previous utterance or beyond the
        track.
    """

    on_prob: float = 0.5
    off_prob: float = 0.35
    min_silence_s: float = 0.45
    max_utterance_s: float = 8.0
    cut_search_s: float = 3.0
    cut_margin_s: float = 0.5
    min_speech_s: float = 0.2
    padding_s: float = 0.16

    def __post_init__(self) -> None:
        if not 0.0 < self.off_prob <= self.on_prob <= 1.0:
            raise ValueError(f"off_prob {self.off_prob} and on_prob {self.on_prob}: need 0 < off_prob <= on_prob <= 1")
        if not 0.0 <= self.padding_s <= self.min_silence_s:
            raise ValueError(f"padding_s {self.padding_s}: need 0 <= padding_s <= min_silence_s ({self.min_silence_s})")
        if not 0.0 < self.cut_margin_s < self.cut_search_s < self.max_utterance_s <= MAX_UTTERANCE_S:
            raise ValueError(
                f"cut_margin_s {self.cut_margin_s}, cut_search_s {self.cut_search_s}, max_utterance_s "
                f"{self.max_utterance_s}: each must be above 0 and below the next, the last at most {MAX_UTTERANCE_S}"
            )


class Segmenter:
    """Cuts one track into utterances, frame by frame.

    Pure and deterministic: time is the count of samples pushed, and the utterances are the same to the bit however
    the samples are grouped into pushes. It holds at most `SegmenterConfig.max_utterance_s` of audio.

    Parameters
    ----------
    call_id : str
    channel : Channel
    frame_samples : int, optional
        Samples at 16 kHz behind each probability (`VoiceDetector.frame_samples`); 512 is Silero's.
    config : SegmenterConfig, optional
    """

    def __init__(
        self, *, call_id: str, channel: Channel, frame_samples: int = 512, config: SegmenterConfig | None = None
    ) -> None:
        self._config = config or SegmenterConfig()
        self._call_id = call_id
        self._channel = channel
        self._frame_samples = frame_samples
        self._on_prob = np.float32(self._config.on_prob)
        self._off_prob = np.float32(self._config.off_prob)
        self._padding = self._frames(self._config.padding_s)
        self._min_silence = max(1, self._frames(self._config.min_silence_s))
        self._min_speech = max(1, self._frames(self._config.min_speech_s))
        self._capacity = int(self._config.max_utterance_s * SAMPLE_RATE_HZ / frame_samples)
        self._audio: FloatArray = np.empty((self._capacity, frame_samples), np.float32)
        self._probs: FloatArray = np.empty(self._capacity, np.float32)
        self._speech = np.zeros(self._capacity, np.bool_)
        self._held = 0
        """Frames held: the rows of the three arrays in use. Silence holds `_padding` at most."""
        self._clock = 0
        """Frames seen since the start of the track; the last row held is frame `_clock - 1`."""
        self._open = False
        self._talking = False
        self._silence = 0
        """Frames since the last speech frame, while open."""
        self._next_index = 0

    @property
    def clock_s(self) -> float:
        """Offset in the call up to which audio was pushed, in seconds."""
        return self._seconds(self._clock)

    def push(self, samples: FloatArray, probs: FloatArray) -> list[Utterance]:
        """Take in consecutive audio and return the utterances that it completed.

        Parameters
        ----------
        samples : ndarray, shape (n * frame_samples,), float32
            At 16 kHz. Copied.
        probs : ndarray, shape (n,), float32
            Speech probability of each frame, 0..1.

        Raises
        ------
        ValueError
            If the lengths do not fit.
        """
        if samples.shape != (len(probs) * self._frame_samples,):
            raise ValueError(
                f"{samples.shape} samples for {len(probs)} probabilities; expected {self._frame_samples} for each"
            )
        frames = samples.reshape(-1, self._frame_samples)
        onsets = np.flatnonzero(probs >= self._on_prob)
        utterances: list[Utterance] = []
        i = 0
        while i < len(probs):
            if self._open:
                self._hold(frames[i], probs[i])
                i += 1
                utterances += self._close_if_due()
            else:
                later = onsets[np.searchsorted(onsets, i) :]
                onset = int(later[0]) if len(later) else len(probs)
                self._skip_silence(frames[i:onset], probs[i:onset])
                self._open = onset < len(probs)
                i = onset
        return utterances

    def finish(self) -> list[Utterance]:
        """Return what is left at the end of the track: one utterance or none."""
        if not self._open:
            return []
        end = max(0, self._held - max(0, self._silence - self._padding))
        return self._close(end, CutBy.END)

    def _hold(self, frame: FloatArray, prob: np.float32) -> None:
        threshold = self._off_prob if self._talking else self._on_prob
        self._talking = bool(prob >= threshold)
        self._silence = 0 if self._talking else self._silence + 1
        self._audio[self._held] = frame
        self._probs[self._held] = prob
        self._speech[self._held] = self._talking
        self._held += 1
        self._clock += 1

    def _skip_silence(self, frames: FloatArray, probs: FloatArray) -> None:
        """Keep the last frames before what may come, as padding."""
        self._clock += len(frames)
        kept = min(self._padding, self._held + len(frames))
        fresh = min(kept, len(frames))
        self._discard(self._held - (kept - fresh))
        rows = slice(self._held, kept)
        self._audio[rows] = frames[len(frames) - fresh :]
        self._probs[rows] = probs[len(frames) - fresh :]
        self._speech[rows] = False
        self._held = kept

    def _close_if_due(self) -> list[Utterance]:
        if self._silence >= self._min_silence:
            return self._close(max(0, self._held - self._silence + self._padding), CutBy.SILENCE)
        if self._held == self._capacity:
            return self._close(self._quietest(), CutBy.LENGTH)
        return []

    def _close(self, end: int, cut_by: CutBy) -> list[Utterance]:
        """Cut rows [0, end) off as an utterance, or drop them where they hold too little speech."""
        speech_frames = int(np.count_nonzero(self._speech[:end]))
        utterances = []
        if speech_frames >= self._min_speech:
            start = self._clock - self._held
            utterances.append(
                Utterance(
                    call_id=self._call_id,
                    channel=self._channel,
                    index=self._next_index,
                    start_s=self._seconds(start),
                    end_s=self._seconds(start + end),
                    samples=self._audio[:end].reshape(-1).copy(),
                    cut_by=cut_by,
                    speech_prob=float(np.mean(self._probs[:end], dtype=np.float64)),
                    speech_s=self._seconds(speech_frames),
                    decided_s=self._seconds(self._clock),
                )
            )
            self._next_index += 1
        if utterances or cut_by is CutBy.LENGTH:
            self._discard(end)
        if cut_by is not CutBy.LENGTH:
            self._open = self._talking = False
            self._silence = 0
            self._discard(max(0, self._held - self._padding))
        return utterances

    def _quietest(self) -> int:
        """Return the row at which a full buffer is best cut.

        The lowest sum of level (dB) and probability (1 counts as 30 dB), both smoothed over five frames, within the
        search range; the earliest of equals.
        """
        first = self._capacity - self._frames(self._config.cut_search_s)
        last = self._capacity - self._frames(self._config.cut_margin_s)
        reach = slice(max(0, first - 2), last + 3)
        power = np.mean(np.square(self._audio[reach], dtype=np.float64), axis=1)
        loudness: DoubleArray = 10.0 * np.log10(power + 1e-10) + 30.0 * self._probs[reach].astype(np.float64)
        smooth = np.convolve(loudness, np.full(5, 0.2), mode="valid")
        return max(0, first - 2) + 2 + int(np.argmin(smooth))

    def _discard(self, rows: int) -> None:
        kept = self._held - rows
        if rows > 0:
            for array in (self._audio, self._probs, self._speech):
                array[:kept] = array[rows : self._held].copy()
            self._held = kept

    def _frames(self, duration_s: float) -> int:
        return round(duration_s * SAMPLE_RATE_HZ / self._frame_samples)

    def _seconds(self, frames: int) -> float:
        return frames * self._frame_samples / SAMPLE_RATE_HZ

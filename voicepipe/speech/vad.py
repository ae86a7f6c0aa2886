"""Voice activity: which frames of a track hold speech, by Silero VAD.

The model is the ONNX file that the faster-whisper wheel carries (Silero VAD v6, MIT licence), laid out anew for many
tracks at once (`voicepipe.speech.vad_graph`). Its encoder sees 64 samples of context and 512 new ones per frame; the
recurrent part carries its state from frame to frame and from call to call.
"""

import importlib.util
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from voicepipe.onnx_graphs import session_of
from voicepipe.speech.vad_graph import MEND, for_many_tracks
from voicepipe.types import SAMPLE_RATE_HZ, FloatArray, ModelError

if TYPE_CHECKING:
    from voicepipe.ports import VoiceDetectorState

FRAME_SAMPLES: Final = 512
"""New samples per frame (32 ms at 16 kHz), as Silero VAD v5 and later require."""

CONTEXT_SAMPLES: Final = 64
"""Samples of the preceding frame that the model's encoder sees before each frame."""

_STATE_SHAPE: Final = (1, 1, 128)
_MOST_FRAMES: Final = 64  # of a track in one run of the model: what it computes with stays in the processor's cache
_FRAME_S: Final = FRAME_SAMPLES / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelConfig:
    """Slow gain in front of the detector, for quiet callers.

    The detector misses some of what is quieter than about -45 dBFS, and much of what a gain pushes far beyond full
    scale. So the gain is modest: it follows the loudest frame of the recent past, drops at once when a louder frame
    comes and rises by `release_db_per_s` otherwise. Only the detector hears it; utterances keep their level. What it
    does is small, either way: ``scripts/evaluate_vad.py`` with and without ``--no-gain`` shows it.

    Attributes
    ----------
    target_dbfs : float
        Where the loudest recent frame is lifted to (RMS, dB re full scale).
    start_gain_db : float
        Gain before anything was heard, 0 to `max_gain_db`.
    max_gain_db : float
        Highest gain; it bounds how far line noise is lifted. Louder tracks are never turned down.
    release_db_per_s : float
        How fast the memory of the loudest frame fades.
    silence_dbfs : float
        Frames below this level (RMS) count as digital silence ...
    silence_s : float
        ... and after this many seconds of them the model is not run until a louder frame comes; the probability is
        then 0 and the model's state starts afresh. A muted side costs nearly nothing.
    """

    target_dbfs: float = -24.0
    start_gain_db: float = 8.0
    max_gain_db: float = 14.0
    release_db_per_s: float = 1.0
    silence_dbfs: float = -72.0
    silence_s: float = 0.96


@dataclass(frozen=True, slots=True, kw_only=True)
class SileroState:
    """What the detector remembers of one track.

    Attributes
    ----------
    hidden, cell : ndarray, shape (1, 1, 128), float32
        The model's recurrent state.
    context : ndarray, shape (64,), float32
        Last samples of the previous frame, before the gain.
    level_db : float
        Level of the loudest recent frame, faded (RMS, dB re full scale).
    silent_frames : int
        Length of the current run of digitally silent frames, in frames; stops counting at the limit.
    """

    hidden: FloatArray
    cell: FloatArray
    context: FloatArray
    level_db: float
    silent_frames: int


class SileroDetector:
    """Silero VAD on onnxruntime; implements `voicepipe.ports.VoiceDetector`.

    One detector serves all tracks and threads: what belongs to a track is in its `SileroState`.

    Parameters
    ----------
    model_path : Path, optional
        The ONNX file; by default the one inside the installed faster-whisper package.
    level : LevelConfig, optional
        Gain in front of the model.

    Raises
    ------
    ModelError
        If the file is missing, cannot be loaded, or is another model.

    References
    ----------
    .. [1] Silero Team, "Silero VAD: pre-trained enterprise-grade Voice Activity Detector",
       https://github.com/snakers4/silero-vad
    """

    frame_samples: int = FRAME_SAMPLES

    def __init__(self, *, model_path: Path | None = None, level: LevelConfig | None = None) -> None:
        self._level = level or LevelConfig()
        self._silence_frames = max(1, round(self._level.silence_s / _FRAME_S))
        self._session = session_of(for_many_tracks(model_path or bundled_model_path()))

    def start(self) -> SileroState:
        """Return the state of a fresh track: nothing heard, gain at its start."""
        zeros = np.zeros(_STATE_SHAPE, np.float32)
        return SileroState(
            hidden=zeros,
            cell=zeros,
            context=np.zeros(CONTEXT_SAMPLES, np.float32),
            level_db=self._level.target_dbfs - self._level.start_gain_db,
            silent_frames=0,
        )

    def speech_probs(
        self, frames: Sequence[FloatArray], states: Sequence["VoiceDetectorState"]
    ) -> tuple[list[FloatArray], list[SileroState]]:
        """Score frames of several tracks, all that are not silent in one run of the model.

        Parameters
        ----------
        frames : sequence of ndarray, each of shape (n_i, 512), float32
            Consecutive frames of track i; n_i may be 0. Many frames and tracks at a time cost least for each.
        states : sequence of SileroState
            State of each track before its first frame. Not modified.

        Returns
        -------
        probs : list of ndarray, each of shape (n_i,), float32
            Speech probability per frame, 0..1; the same however the frames are grouped.
        states : list of SileroState
            State of each track after its last frame.

        Raises
        ------
        ValueError
            If the shapes do not fit.
        TypeError
            If a state is of another detector.
        """
        if len(frames) != len(states):
            raise ValueError(f"{len(frames)} tracks of frames but {len(states)} states; give one state per track")
        tracks: list[_Track] = []
        for track, state in zip(frames, states, strict=True):
            if not isinstance(state, SileroState):
                raise TypeError(f"state is a {type(state).__name__}; give one that this detector returned")
            if track.ndim != 2 or track.shape[1] != FRAME_SAMPLES:
                raise ValueError(f"frames have shape {track.shape}; expected (n, {FRAME_SAMPLES})")
            tracks.append(self._prepared(track, state))
        for stretches in itertools.zip_longest(*(track.awake() for track in tracks)):
            self._run([(track, stretch) for track, stretch in zip(tracks, stretches, strict=True) if stretch])
        return [track.probs for track in tracks], [track.state_after for track in tracks]

    def _prepared(self, frames: FloatArray, state: SileroState) -> "_Track":
        """Return a track's windows at the level that the model hears, and which of them it need not hear."""
        n_frames = len(frames)
        windows = np.empty((n_frames, CONTEXT_SAMPLES + FRAME_SAMPLES), np.float32)
        asleep = np.zeros(n_frames, np.bool_)
        if n_frames:
            windows[0, :CONTEXT_SAMPLES] = state.context
            windows[1:, :CONTEXT_SAMPLES] = frames[:-1, -CONTEXT_SAMPLES:]
            windows[:, CONTEXT_SAMPLES:] = frames
            gains, asleep, state = self._adapt_level(frames, state)
            windows *= gains[:, None]
            state = replace(state, context=frames[-1, -CONTEXT_SAMPLES:].copy())
        return _Track(windows=windows, asleep=asleep, state=state, probs=np.zeros(n_frames, np.float32))

    def _run(self, stretches: Sequence[tuple["_Track", tuple[int, int]]]) -> None:
        """Run the model over one stretch of each track; the shorter ones are filled up with silence."""
        longest = max(end - begin for _, (begin, end) in stretches)
        for at in range(0, longest, _MOST_FRAMES):
            parts = [
                (track, slice(begin + at, min(end, begin + at + _MOST_FRAMES)))
                for track, (begin, end) in stretches
                if begin + at < end
            ]
            lengths = [part.stop - part.start for _, part in parts]
            windows = np.zeros((max(lengths), len(parts), CONTEXT_SAMPLES + FRAME_SAMPLES), np.float32)
            for column, (track, part) in enumerate(parts):
                windows[: lengths[column], column] = track.windows[part]
            probs, hidden, cell = self._session.run(
                None,
                {
                    "windows": windows,
                    "lengths": np.array(lengths, np.int32),
                    "h": np.concatenate([track.hidden for track, _ in parts], axis=1),
                    "c": np.concatenate([track.cell for track, _ in parts], axis=1),
                },
            )
            for column, (track, part) in enumerate(parts):
                track.probs[part] = probs[: lengths[column], column]
                track.hidden, track.cell = hidden[:, column : column + 1], cell[:, column : column + 1]

    def _adapt_level(
        self, frames: FloatArray, state: SileroState
    ) -> tuple[FloatArray, npt.NDArray[np.bool_], SileroState]:
        """Return the linear gain of each frame, which frames need no run of the model, and the state after them."""
        config = self._level
        release_db = config.release_db_per_s * _FRAME_S
        floor_db = config.target_dbfs - config.max_gain_db
        gains = np.empty(len(frames), np.float32)
        asleep = np.empty(len(frames), np.bool_)
        level_db, silent_frames = state.level_db, state.silent_frames
        for i, power in enumerate(np.var(frames, axis=1, dtype=np.float64).tolist()):
            frame_db = 10.0 * math.log10(power + 1e-12)
            level_db = max(frame_db, level_db - release_db, floor_db)
            gains[i] = 10.0 ** (max(0.0, config.target_dbfs - level_db) / 20.0)
            silent_frames = min(silent_frames + 1, self._silence_frames) if frame_db < config.silence_dbfs else 0
            asleep[i] = silent_frames == self._silence_frames
        return gains, asleep, replace(state, level_db=level_db, silent_frames=silent_frames)


@dataclass(slots=True, kw_only=True)
class _Track:
    """One track on its way through `SileroDetector.speech_probs`."""

    windows: FloatArray
    asleep: npt.NDArray[np.bool_]
    state: SileroState
    probs: FloatArray
    hidden: FloatArray = field(init=False)
    cell: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        self.hidden, self.cell = self.state.hidden, self.state.cell

    def awake(self) -> Iterator[tuple[int, int]]:
        """Yield begin and end of the stretches that the model is to hear; between them it starts afresh."""
        edges = np.flatnonzero(np.diff(self.asleep)) + 1
        n_frames = len(self.asleep)
        for begin, end in itertools.pairwise([0, *edges.tolist(), n_frames]):
            if end > begin and self.asleep[begin]:
                self.hidden = self.cell = np.zeros(_STATE_SHAPE, np.float32)
            elif end > begin:
                yield begin, end

    @property
    def state_after(self) -> SileroState:
        """The state after the last frame."""
        return replace(self.state, hidden=self.hidden, cell=self.cell)


def bundled_model_path() -> Path:
    """Return where the installed faster-whisper package keeps Silero VAD, without importing it.

    Raises
    ------
    ModelError
        If the package or the file is not there.
    """
    spec = importlib.util.find_spec("faster_whisper")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "assets" / "silero_vad_v6.onnx"
        if path.is_file():
            return path
    raise ModelError(f"Silero VAD (silero_vad_v6.onnx) is not in the installed faster-whisper package; {MEND}")

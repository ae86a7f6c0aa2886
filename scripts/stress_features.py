"""Clips through the product's own path: line, sample clock, voice activity, utterances, embedding, prosody; cached.

The cache is a folder ``<condition>/<corpus>.npz`` (utterances with their audio, made once) and, beside it,
``<corpus>.embedding-<version>.npy`` and ``<corpus>.prosody-<version>.npy``, made again when what they hold changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from stress_corpora import Clip
from stress_telephone import RATE_HZ, Backgrounds, read_8k, through_line

from voicepipe.audio.stream import ChannelStream
from voicepipe.speech.segment import Segmenter
from voicepipe.speech.vad import SileroDetector
from voicepipe.speech.whisper import WhisperTranscriber
from voicepipe.stress import prosody
from voicepipe.types import EMBEDDING_VERSION, AudioChunk, Channel, DoubleArray, FloatArray, Utterance

LEAD_S = 0.4
TAIL_S = 0.8
"""Line noise put around a clip, so that the segmenter finds its beginning and its end."""
LINE_NOISE_DBFS = -70.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Utterances of many clips with their features.

    Attributes
    ----------
    clip : ndarray, shape (n,), int
        Index into the list of clips that the table was loaded for.
    speech_s, duration_s : ndarray, shape (n,), float64
    prosody : ndarray, shape (n, n_features), float64
    embedding : ndarray, shape (n, n_embedding), float32
    """

    clip: np.ndarray
    speech_s: DoubleArray
    duration_s: DoubleArray
    prosody: DoubleArray
    embedding: FloatArray


def utterances_of(samples: FloatArray, *, detector: SileroDetector, seed: int = 0) -> list[Utterance]:
    """Cut one clip at 8 kHz into utterances, as a call's track would be."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(len(samples) + round((LEAD_S + TAIL_S) * RATE_HZ)) * 10 ** (LINE_NOISE_DBFS / 20)
    track = noise.astype(np.float32)
    lead = round(LEAD_S * RATE_HZ)
    track[lead : lead + len(samples)] += samples
    stream = ChannelStream()
    chunk = AudioChunk(call_id="clip", channel=Channel.CALLER, first_sample=0, sample_rate_hz=RATE_HZ, samples=track)
    wide = np.concatenate([stream.push(chunk), stream.finish()])
    wide = wide[: len(wide) // detector.frame_samples * detector.frame_samples]
    probs, _ = detector.speech_probs([wide.reshape(-1, detector.frame_samples)], [detector.start()])
    segmenter = Segmenter(call_id="clip", channel=Channel.CALLER, frame_samples=detector.frame_samples)
    return segmenter.push(wide, probs[0]) + segmenter.finish()


def cache_features(
    clips: Sequence[Clip],
    *,
    condition: str,
    cache: Path,
    whisper: Path,
    backgrounds: Backgrounds,
    part: str | None = None,
) -> None:
    """Compute what is missing of the utterances and embeddings of clips under one condition.

    `part` names the file within the condition's folder; by default there is one for each corpus.
    """
    groups: dict[str, list[Clip]] = {}
    for clip in clips:
        groups.setdefault(part or clip.corpus, []).append(clip)
    detector: SileroDetector | None = None
    transcriber: WhisperTranscriber | None = None
    for name, members in groups.items():
        target = cache / condition / f"{name}.npz"
        if not target.is_file():
            detector = detector or SileroDetector()
            target.parent.mkdir(parents=True, exist_ok=True)
            _cache_utterances(members, target, condition=condition, detector=detector, backgrounds=backgrounds)
        embeddings = _embeddings_beside(target)
        if not embeddings.is_file():
            transcriber = transcriber or WhisperTranscriber(whisper)
            np.save(embeddings, _embedded(target, transcriber))
            print(f"{condition}/{name}: {len(members)} clips", flush=True)


def _cache_utterances(
    clips: Sequence[Clip], target: Path, *, condition: str, detector: SileroDetector, backgrounds: Backgrounds
) -> None:
    keys: list[str] = []
    rows: list[tuple[float, float, int]] = []
    audio: list[np.ndarray] = []
    for clip in clips:
        heard = through_line(read_8k(clip.path), condition=condition, key=clip.key, backgrounds=backgrounds)
        for utterance in utterances_of(heard, detector=detector):
            keys.append(clip.key)
            rows.append((utterance.speech_s, utterance.duration_s, len(utterance.samples)))
            audio.append(np.rint(utterance.samples * 32767.0).astype(np.int16))
    table = np.asarray(rows, dtype=np.float64).reshape(-1, 3)
    partial = target.with_suffix(".partial.npz")
    np.savez(
        partial,
        key=np.asarray(keys),
        speech_s=table[:, 0],
        duration_s=table[:, 1],
        n_samples=table[:, 2].astype(np.int64),
        audio=np.concatenate(audio),
    )
    partial.rename(target)
    for stale in target.parent.glob(f"{target.stem}.*-*.npy"):  # measured on the utterances before
        stale.unlink()


def _embeddings_beside(path: Path) -> Path:
    return path.with_name(f"{path.stem}.embedding-{EMBEDDING_VERSION}.npy")


def _embedded(path: Path, transcriber: WhisperTranscriber) -> FloatArray:
    """Return the embeddings of the utterances in a cache file, shape (n, n_embedding)."""
    return np.stack([transcriber.embed(samples) for samples in cached_audio(path)])


def cached_audio(path: Path) -> list[FloatArray]:
    """Return the samples of each utterance in a cache file, at 16 kHz."""
    with np.load(path) as held:
        audio, n_samples = held["audio"], held["n_samples"]
    return [
        audio[end - n : end].astype(np.float32) / np.float32(32767.0)
        for n, end in zip(n_samples, np.cumsum(n_samples), strict=True)
    ]


def load_features(clips: Sequence[Clip], *, condition: str, cache: Path) -> Table:
    """Load every cached utterance of these clips under one condition, computing prosody where it is missing."""
    index = {clip.key: i for i, clip in enumerate(clips)}
    parts: list[Table] = []
    for path in sorted((cache / condition).glob("*.npz")):
        if path.name.endswith(".partial.npz"):
            continue
        with np.load(path) as held:
            keys = held["key"]
            wanted = np.asarray([key in index for key in keys], dtype=bool)
            if not wanted.any():
                continue
            values = _prosody(path)
            embedding = np.load(_embeddings_beside(path))
            parts.append(
                Table(
                    clip=np.asarray([index[key] for key in keys[wanted]]),
                    speech_s=held["speech_s"][wanted],
                    duration_s=held["duration_s"][wanted],
                    prosody=values[wanted],
                    embedding=embedding[wanted],
                )
            )
    if not parts:
        raise FileNotFoundError(f"{cache / condition} holds no features of these clips")
    return joined(parts)


def joined(tables: Sequence[Table]) -> Table:
    """Put tables under one another."""
    return Table(
        clip=np.concatenate([table.clip for table in tables]),
        speech_s=np.concatenate([table.speech_s for table in tables]),
        duration_s=np.concatenate([table.duration_s for table in tables]),
        prosody=np.concatenate([table.prosody for table in tables]),
        embedding=np.concatenate([table.embedding for table in tables]),
    )


def _prosody(path: Path) -> DoubleArray:
    """Return the prosody of the utterances in a cache file, shape (n, n_features), from its own cache if it is there.

    Clips stand alone, so nothing is measured against an utterance before.
    """
    target = path.with_name(f"{path.stem}.prosody-{prosody.PROSODY_VERSION}.npy")
    if target.is_file():
        kept: DoubleArray = np.load(target)
        return kept
    values = np.stack([prosody.extract(samples).values for samples in cached_audio(path)])
    np.save(target, values)
    return values

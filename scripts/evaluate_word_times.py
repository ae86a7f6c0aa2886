"""How well the times of words agree with the sound, on prompts of one voice each.

Each prompt is cut by the voice detector and the segmenter and recognised utterance by utterance, as in a call. Printed
are the errors, in seconds, late is positive:

``first word``, ``last word``
    Its start or end against the first or last frame of the utterance that the voice detector calls speech (frames of
    32 ms; the detector's own onset is late by a frame or two).
``before pause``, ``after pause``
    Two utterances, each cut to the detector's speech, with a pause of known place between them and faint noise over
    all: the end of the last word before it, the start of the first word after it. Pairs whose number of words differs
    from that of their parts are left out.

For example::

    python scripts/evaluate_word_times.py ../shared/audio/prompts_en --language en

Last comes what the times cost.
"""

import argparse
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
import soxr

from voicepipe.config import Settings
from voicepipe.speech import weights
from voicepipe.speech.segment import Segmenter
from voicepipe.speech.vad import SileroDetector
from voicepipe.speech.whisper import WhisperConfig, WhisperTranscriber
from voicepipe.types import SAMPLE_RATE_HZ, Channel, FloatArray, Transcript, Utterance, VoicepipeError

SPEECH_PROB = 0.5
PAUSE_S = 0.35
EDGE_S = 0.16
NOISE = 1e-3
LONGEST_PART_S = 3.5
PERCENTILES = (5, 25, 50, 75, 95)


def speech_of(path: Path) -> Iterator[tuple[Utterance, float, float]]:
    """Yield each utterance of a recording, and where in it the voice detector hears speech begin and end."""
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    track = soxr.resample(samples[:, 0], rate_hz, SAMPLE_RATE_HZ)
    detector = SileroDetector()
    size = detector.frame_samples
    frames = np.pad(track, (0, -len(track) % size)).reshape(-1, size)
    (probs,), _ = detector.speech_probs([frames], [detector.start()])
    segmenter = Segmenter(call_id=path.stem, channel=Channel.CALLER, frame_samples=size)
    for utterance in [*segmenter.push(frames.reshape(-1), probs), *segmenter.finish()]:
        first = round(utterance.start_s * SAMPLE_RATE_HZ / size)
        speech = np.flatnonzero(probs[first : first + len(utterance.samples) // size] >= SPEECH_PROB)
        if speech.size:
            yield utterance, speech[0] * size / SAMPLE_RATE_HZ, (speech[-1] + 1) * size / SAMPLE_RATE_HZ


def joined(one: FloatArray, other: FloatArray, *, like: Utterance, noise: np.random.Generator) -> Utterance:
    """Return two pieces of speech as one utterance, with `PAUSE_S` between them."""
    edge, pause = (np.zeros(round(length_s * SAMPLE_RATE_HZ), np.float32) for length_s in (EDGE_S, PAUSE_S))
    samples = np.concatenate([edge, one, pause, other, edge])
    samples += NOISE * noise.standard_normal(len(samples), dtype=np.float32)
    return replace(like, start_s=0.0, end_s=len(samples) / SAMPLE_RATE_HZ, samples=samples)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path, help="recordings, *.flac or *.wav")
    parser.add_argument("--language", required=True)
    parser.add_argument("--prompts", type=int, default=40, help="so many of them, drawn at random")
    parser.add_argument("--pairs", type=int, default=40)
    args = parser.parse_args()
    settings = Settings()
    transcriber = WhisperTranscriber(
        weights.locate(settings.whisper_model, settings.cache_dir / "whisper"), config=WhisperConfig()
    )
    draw, noise = random.Random(1), np.random.default_rng(1)
    took_s = {False: 0.0, True: 0.0}

    def recognised(utterance: Utterance, *, word_times: bool) -> Transcript | None:
        began_s = time.process_time()
        heard = transcriber.recognize(utterance, language=args.language, embed=False, word_times=word_times)
        took_s[word_times] += time.process_time() - began_s
        return heard.transcript

    errors: dict[str, list[float]] = {"first word": [], "last word": [], "before pause": [], "after pause": []}
    parts: list[tuple[Utterance, FloatArray, int]] = []
    paths = sorted(path for path in args.folder.iterdir() if path.suffix in (".flac", ".wav"))
    for path in draw.sample(paths, min(args.prompts, len(paths))):
        for utterance, from_s, to_s in speech_of(path):
            recognised(utterance, word_times=False)
            said = recognised(utterance, word_times=True)
            if said is None or not said.words:
                continue
            errors["first word"].append(said.words[0].start_s - utterance.start_s - from_s)
            errors["last word"].append(said.words[-1].end_s - utterance.start_s - to_s)
            if to_s - from_s < LONGEST_PART_S:
                speech = utterance.samples[round(from_s * SAMPLE_RATE_HZ) : round(to_s * SAMPLE_RATE_HZ)]
                parts.append((utterance, speech, len(said.words)))
    plain_s, timed_s = took_s[False], took_s[True]
    left_out = 0
    for _ in range(args.pairs if len(parts) > 1 else 0):
        (like, one, n_one), (_, other, n_other) = draw.sample(parts, 2)
        said = recognised(joined(one, other, like=like, noise=noise), word_times=True)
        if said is None or len(said.words) != n_one + n_other:
            left_out += 1
            continue
        pause_s = EDGE_S + len(one) / SAMPLE_RATE_HZ
        errors["before pause"].append(said.words[n_one - 1].end_s - pause_s)
        errors["after pause"].append(said.words[n_one].start_s - pause_s - PAUSE_S)

    print(f"{args.folder.name}: {len(errors['first word'])} utterances, {args.pairs - left_out} of {args.pairs} pairs")
    print(f"{'':14}{'mean |error|':>13}" + "".join(f"{f'{one} %':>8}" for one in PERCENTILES))
    for name, found in errors.items():
        if found:
            at = np.percentile(found, PERCENTILES)
            print(f"{name:14}{np.mean(np.abs(found)):13.3f}" + "".join(f"{one:8.2f}" for one in at))
    print(f"recognition: {plain_s:.1f} CPU-seconds, {timed_s:.1f} with the times of the words")


if __name__ == "__main__":
    try:
        main()
    except VoicepipeError as error:
        sys.exit(str(error))

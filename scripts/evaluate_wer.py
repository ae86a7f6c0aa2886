"""Word error rate of the transcripts on prompts with known text, through the path that a call takes.

Each prompt is one call: half a second of silence, the prompt, a second of silence, sent as G.711 mu-law at 8 kHz,
decoded and resampled, cut by the voice detector and the segmenter, recognised utterance by utterance. With
``--whole`` the cutting is left out and each prompt is one utterance (prompts of more than 29 s are then left out).

The folder holds a ``manifest.csv`` with the columns ``file`` and ``text``. For example::

    python scripts/evaluate_wer.py ../shared/audio/prompts_en --language en

Both texts are normalised alike before the words are aligned: lower case; the Russian letter yo as ye; digits spelled
out in English (numbers of up to three digits as a number, longer ones digit by digit) and in Russian (single digits
alone, in the nominative; other languages, and other Russian numbers, keep their digits); apostrophes removed; every
other character that is neither letter nor digit taken for a space. Nothing else: a compound that is written apart
counts as two errors. WER = (S + D + I) / N, with S substitutions, D deletions, I insertions in the alignment of the
fewest errors, and N words in the reference.
"""

import argparse
import csv
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from voicepipe.audio.codecs import Encoding, decode, encode
from voicepipe.audio.stream import ChannelStream
from voicepipe.config import Settings
from voicepipe.speech import weights
from voicepipe.speech.segment import Segmenter
from voicepipe.speech.vad import SileroDetector
from voicepipe.speech.whisper import WhisperConfig, WhisperTranscriber
from voicepipe.types import AudioChunk, Channel, CutBy, FloatArray, Utterance, VoicepipeError

LINE_RATE_HZ = 8_000
BEFORE_S, AFTER_S = 0.5, 1.0
LONGEST_WHOLE_S = 29.0

_UNITS = tuple(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "  # noqa: SIM905
    "eighteen nineteen".split()
)
_RUSSIAN_DIGITS = ["ноль", "один", "два", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


@dataclass(frozen=True, slots=True)
class Errors:
    """Counts of one alignment, or the sum of many."""

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    words: int = 0

    def __add__(self, other: "Errors") -> "Errors":
        return Errors(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.words + other.words,
        )

    @property
    def total(self) -> int:
        """S + D + I."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """WER; 0 without words."""
        return self.total / self.words if self.words else 0.0


def spell_out(number: str) -> str:
    """English words for a string of digits."""
    if len(number) > 3 or (len(number) > 1 and number.startswith("0")):
        return " ".join(_UNITS[int(digit)] for digit in number)
    value = int(number)
    if value < 20:
        return _UNITS[value]
    if value < 100:
        return _TENS[value // 10 - 2] + (f" {_UNITS[value % 10]}" if value % 10 else "")
    return f"{_UNITS[value // 100]} hundred" + (f" {spell_out(str(value % 100))}" if value % 100 else "")


def normalised(text: str, *, language: str) -> list[str]:
    """Words of a text as they are compared; see the top of this file."""
    text = text.lower().replace("ё", "е")
    if language == "en":
        text = re.sub(r"[0-9]+", lambda digits: f" {spell_out(digits.group())} ", text)
    if language == "ru":
        text = re.sub(r"(?<!\d)\d(?!\d)", lambda digit: f" {_RUSSIAN_DIGITS[int(digit.group())]} ", text)
    return re.sub(r"[\W_]+", " ", re.sub(r"['’]", "", text)).split()


def aligned(reference: Sequence[str], heard: Sequence[str]) -> Errors:
    """Errors of the cheapest alignment (Levenshtein distance over words)."""
    # row[j]: (errors, substitutions, deletions, insertions) of the reference so far against the first j words heard
    row = [(j, 0, 0, j) for j in range(len(heard) + 1)]
    for i, word in enumerate(reference, start=1):
        above, row = row, [(i, 0, i, 0)]
        for j, other in enumerate(heard, start=1):
            diagonal, up, left = above[j - 1], above[j], row[j - 1]
            miss = int(word != other)
            row.append(
                min(
                    (diagonal[0] + miss, diagonal[1] + miss, diagonal[2], diagonal[3]),
                    (up[0] + 1, up[1], up[2] + 1, up[3]),
                    (left[0] + 1, left[1], left[2], left[3] + 1),
                )
            )
    _, substitutions, deletions, insertions = row[-1]
    return Errors(substitutions, deletions, insertions, len(reference))


def line_audio(path: Path, *, gain_db: float) -> FloatArray:
    """Read a prompt as the 8 kHz mu-law line delivers it, with silence around it."""
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    mono = soxr.resample(samples.mean(axis=1), rate_hz, LINE_RATE_HZ) * 10 ** (gain_db / 20)
    padded = np.pad(mono, (round(BEFORE_S * LINE_RATE_HZ), round(AFTER_S * LINE_RATE_HZ))).astype(np.float32)
    return decode(encode(padded, encoding=Encoding.PCMU), encoding=Encoding.PCMU)


def upsampled(audio: FloatArray) -> FloatArray:
    """Run a track through the stream, in packets of 20 ms."""
    stream = ChannelStream()
    packets = [
        stream.push(
            AudioChunk(
                call_id="wer",
                channel=Channel.CALLER,
                first_sample=first,
                sample_rate_hz=LINE_RATE_HZ,
                samples=audio[first : first + 160],
            )
        )
        for first in range(0, audio.shape[0], 160)
    ]
    return np.concatenate([*packets, stream.finish()])


def cut(samples: FloatArray, *, detector: SileroDetector) -> Iterator[Utterance]:
    """Cut a track into utterances by the voice detector and the segmenter."""
    frames = np.pad(samples, (0, -samples.shape[0] % detector.frame_samples)).reshape(-1, detector.frame_samples)
    (probs,), _ = detector.speech_probs([frames], [detector.start()])
    segmenter = Segmenter(call_id="wer", channel=Channel.CALLER, frame_samples=detector.frame_samples)
    yield from segmenter.push(frames.reshape(-1), probs)
    yield from segmenter.finish()


def whole(samples: FloatArray) -> Iterator[Utterance]:
    """Take a track for one utterance."""
    end_s = samples.shape[0] / 16_000
    if end_s <= LONGEST_WHOLE_S:
        yield Utterance(
            call_id="wer",
            channel=Channel.CALLER,
            index=0,
            start_s=0.0,
            end_s=end_s,
            samples=samples,
            cut_by=CutBy.END,
            speech_prob=1.0,
            speech_s=end_s - BEFORE_S - AFTER_S,
            decided_s=end_s,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with manifest.csv and the prompts")
    parser.add_argument("--language", default="auto", help="ISO 639-1 code of all prompts, or auto (default)")
    parser.add_argument("--whole", action="store_true", help="one utterance per prompt, not cut by the voice detector")
    parser.add_argument("--gain-db", type=float, default=0.0, help="level change before the line (default 0)")
    parser.add_argument("--weights", type=Path, help="Whisper's folder (default: the cache of voicepipe)")
    parser.add_argument("--max-wer", type=float, help="exit with 1 if the word error rate is above")
    parser.add_argument("--quiet", action="store_true", help="print the summary alone")
    args = parser.parse_args()
    try:
        if args.weights is None:
            settings = Settings()
            args.weights = weights.locate(settings.whisper_model, settings.cache_dir / "whisper")
        transcriber = WhisperTranscriber(args.weights, config=WhisperConfig())
    except VoicepipeError as error:
        print(error, file=sys.stderr)
        return 1
    detector = SileroDetector()
    total, prompts, audio_s, cpu_s = Errors(), 0, 0.0, 0.0
    rejected: dict[str, int] = {}
    with (args.folder / "manifest.csv").open(newline="", encoding="utf-8") as manifest:
        rows = list(csv.DictReader(manifest))
    for row in rows:
        language = row.get("language", "en") if args.language == "auto" else args.language
        samples = upsampled(line_audio(args.folder / row["file"], gain_db=args.gain_db))
        utterances = list(whole(samples) if args.whole else cut(samples, detector=detector))
        if args.whole and not utterances:
            continue
        texts = []
        for utterance in utterances:
            begun_s = time.process_time()
            recognition = transcriber.recognize(utterance, language=None if args.language == "auto" else language)
            cpu_s += time.process_time() - begun_s
            audio_s += utterance.duration_s
            if recognition.transcript is None:
                continue
            texts.append(recognition.transcript.text)
            if guard := recognition.transcript.rejected:
                rejected[guard] = rejected.get(guard, 0) + 1
        errors = aligned(normalised(row["text"], language=language), normalised(" ".join(texts), language=language))
        total, prompts = total + errors, prompts + 1
        if errors.total and not args.quiet:
            print(f"{row['file']}: {errors.total} of {errors.words}\n  said:  {row['text']}")
            print(f"  heard: {' | '.join(texts)}")
    print(
        f"{prompts} of {len(rows)} prompts, {total.words} words, mode {'whole' if args.whole else 'cut'}, language "
        f"{args.language}, gain {args.gain_db:+.0f} dB\n"
        f"substitutions {total.substitutions}, deletions {total.deletions}, insertions {total.insertions}; "
        f"utterances emptied by a guard: {rejected or 'none'}\n"
        f"recognition: {cpu_s / audio_s if audio_s else 0:.3f} CPU-seconds per second of utterance ({audio_s:.0f} s)\n"
        f"WER {total.rate:.4f}"
    )
    return int(args.max_wer is not None and total.rate > args.max_wer)


if __name__ == "__main__":
    sys.exit(main())

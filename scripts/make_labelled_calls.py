"""Build labelled calls of speakers that a fold's model has not heard: the README's example of `calibrate` is of such.

    python scripts/make_labelled_calls.py CORPORA --held-out FOLDS/0/held_out.txt --out DIR
    voicepipe calibrate DIR/labels.csv --config DIR/voicepipe.toml --out DIR/profiles --name north --caller-channel left

Each speaker makes one calm call and one that turns to stress, the caller on the left and silence on the right, over a
mu-law line. DIR gets the recordings, ``labels.csv`` with one line for each clip, and settings that name the fold's
model.
"""

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from stress_corpora import Clip, read_corpora
from stress_telephone import RATE_HZ, Backgrounds, read_8k, through_line

MIN_CALM, MIN_STRESSED = 8, 3
MAX_CALM, MAX_STRESSED = 60, 12
"""Clips of each kind that a speaker's two calls are made of."""
OPENING = 6
"""Calm clips that the call with stress begins with."""
PAUSE_S = (0.8, 2.5)
QUIET = Backgrounds(noise=(), music=())


def call_of(clips: Sequence[Clip], *, rng: np.random.Generator) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """Put clips one after another with pauses between them.

    Returns
    -------
    samples : ndarray, shape (n, 2), float32
        At 8 kHz, the caller on the left.
    spans : list of (float, float)
        Where each clip begins and ends, in seconds.
    """
    parts, spans, at = [], [], 0
    for clip in clips:
        pause = round(float(rng.uniform(*PAUSE_S)) * RATE_HZ)
        voice = through_line(read_8k(clip.path), condition="mulaw", key=clip.key, backgrounds=QUIET)
        parts += [np.zeros(pause, np.float32), voice]
        spans.append(((at + pause) / RATE_HZ, (at + pause + len(voice)) / RATE_HZ))
        at += pause + len(voice)
    caller = np.concatenate(parts)
    return np.stack([caller, np.zeros_like(caller)], axis=1), spans


def main() -> None:
    """Write the calls."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--held-out", type=Path, required=True, help="list of speakers, beside the fold's model")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--speakers", type=int, default=7, help="how many of them, those with most clips first")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()

    held_out = set(args.held_out.read_text(encoding="utf-8").split())
    of_speaker: dict[str, dict[bool, list[Clip]]] = {}
    for clip in read_corpora(args.corpora):
        if clip.speaker in held_out and np.isfinite(clip.stress):
            of_speaker.setdefault(clip.speaker, {False: [], True: []})[clip.stress == 1.0].append(clip)
    enough = {
        name: clips
        for name, clips in of_speaker.items()
        if len(clips[False]) >= MIN_CALM and len(clips[True]) >= MIN_STRESSED
    }
    if not enough:
        raise SystemExit(
            f"No speaker of {args.held_out} has {MIN_CALM} calm and {MIN_STRESSED} stressed clips in {args.corpora}."
        )
    names = sorted(enough, key=lambda name: (-sum(map(len, enough[name].values())), name))[: args.speakers]

    rng = np.random.default_rng(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    lines: list[tuple[str, str, str, str, str, str]] = []
    for number, name in enumerate(names):
        calm, upset = ([clips[i] for i in rng.permutation(len(clips))] for clips in enough[name].values())
        calm = calm[:MAX_CALM]
        opening = min(OPENING, len(calm) // 3)
        calls = {"calm": calm[opening:], "upset": calm[:opening] + upset[:MAX_STRESSED]}
        for kind, clips in calls.items():
            file = f"{kind}-{number:02d}.wav"
            samples, spans = call_of(clips, rng=rng)
            soundfile.write(args.out / file, samples, RATE_HZ)
            for clip, (start_s, end_s) in zip(clips, spans, strict=True):
                label = "stressed" if clip.stress == 1.0 else "calm"
                lines.append((file, "caller", f"{start_s:.2f}", f"{end_s:.2f}", label, name))
    with (args.out / "labels.csv").open("w", newline="", encoding="utf-8") as file_of_labels:
        writer = csv.writer(file_of_labels)
        writer.writerow(["path", "channel", "start_s", "end_s", "label", "caller"])
        writer.writerows(lines)
    model = args.held_out.resolve().parent
    (args.out / "voicepipe.toml").write_text(f'stress_model = "{model}"\n', encoding="utf-8")
    print(f"wrote {2 * len(names)} calls of {len(names)} speakers, {len(lines)} labelled clips, to {args.out}")


if __name__ == "__main__":
    main()

"""Print what each layer of Whisper's encoder knows of emotion: unweighted recall on speakers not trained on.

    python scripts/evaluate_layers.py ../shared/corpora --whisper DIR --cache CACHE [--corpora ravdess nemo]

CACHE is what ``train_stress.py`` left behind: the utterances of every clip over a mu-law line. Within each corpus, a
logistic regression on prosody and the embedding after so many layers is trained on some speakers and tried on the
others; once on the values as they are, once relative to each speaker's own mean and spread. A plain classifier, so that
layers are compared and not recipes.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler
from stress_corpora import read_corpora
from stress_features import Table, cached_audio, load_features
from stress_folds import MAIN_CONDITION
from stress_model import USED, Labels, labels_of, rows_of

from voicepipe.speech.voice_encoder import LAYERS
from voicepipe.speech.whisper import WhisperTranscriber
from voicepipe.types import DoubleArray

FOLDS = 8
CLIP = 4.0


def main() -> None:
    args = _arguments()
    everything = read_corpora(args.folder)
    print(f"{'corpus':10} {'layers':>6} {'as it is':>9} {'relative to the speaker':>24}")
    for corpus in args.corpora:
        clips = [clip for clip in everything if clip.corpus == corpus]
        table = load_features(clips, condition=MAIN_CONDITION, cache=args.cache)
        audio = cached_audio(args.cache / MAIN_CONDITION / f"{corpus}.npz")
        labels = labels_of(clips, table)
        for layers in args.layers:
            transcriber = WhisperTranscriber(args.whisper, voice_layers=[int(one) for one in layers.split("+")])
            embedding = np.stack([transcriber.embed(samples) for samples in audio])
            recalls = [recall(table, labels, embedding, relative=relative) for relative in (False, True)]
            print(f"{corpus:10} {layers:>6} {recalls[0]:9.3f} {recalls[1]:24.3f}", flush=True)


def recall(table: Table, labels: Labels, embedding: np.ndarray, *, relative: bool) -> float:
    """Return the unweighted average recall of a corpus's emotions on speakers not trained on."""
    known = labels.emotion.sum(1) > 0
    labels = rows_of(labels, known)
    values = np.concatenate([np.nan_to_num(table.prosody[:, USED]), embedding], axis=1)[known]
    if relative:
        values = relative_to_speaker(values, labels)
    truth = labels.emotion.argmax(1)
    guess = np.zeros(len(truth), dtype=np.int64)
    for train, test in GroupKFold(min(FOLDS, len(np.unique(labels.speaker)))).split(values, truth, labels.speaker):
        scaler = StandardScaler().fit(values[train])
        model = LogisticRegression(C=0.003, max_iter=200)
        model.fit(np.clip(scaler.transform(values[train]), -CLIP, CLIP), truth[train])
        guess[test] = model.predict(np.clip(scaler.transform(values[test]), -CLIP, CLIP))
    return float(np.mean([np.mean(guess[truth == one] == one) for one in np.unique(truth)]))


def relative_to_speaker(values: DoubleArray, labels: Labels) -> DoubleArray:
    """Standardise each voice by itself."""
    out = values.copy()
    for voice in np.unique(labels.voice):
        mine = labels.voice == voice
        out[mine] = (values[mine] - values[mine].mean(0)) / (values[mine].std(0) + 1e-6)
    return out


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of corpora")
    parser.add_argument("--whisper", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(".cache/stress"))
    parser.add_argument("--corpora", nargs="*", default=["ravdess", "nemo", "emovo", "ased"])
    parser.add_argument("--layers", nargs="*", default=["2", "3", "4", "6", "+".join(map(str, LAYERS))])
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Emotional-speech corpora as one table of clips with one vocabulary of labels.

Two layouts are read: a folder with a ``manifest.csv`` (columns file, speaker, gender, language, emotion, intensity,
sentence_id), and CREMA-D as its authors publish it (``AudioWAV/1001_DFA_ANG_XX.wav`` with the crowd's votes in
``processedResults/summaryTable.csv`` and the actors in ``VideoDemographics.csv``).
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
"""The model's classes, in the order of its outputs."""

STRESSED = frozenset({"angry", "fearful", "frustrated", "distressed"})
UNSTRESSED = frozenset({"neutral", "calm", "happy", "sad"})
"""What the stress label is made of. Disgust and surprise are neither: they need no senior agent, yet nobody would call
them calm, and corpora act them anywhere between; the stress output is not trained or measured on them."""

AFFECT = {
    "neutral": (-0.2, 0.0),
    "calm": (-0.6, 0.3),
    "happy": (0.5, 0.8),
    "sad": (-0.5, -0.7),
    "angry": (0.8, -0.7),
    "fearful": (0.7, -0.6),
    "disgust": (0.3, -0.6),
    "surprised": (0.6, 0.1),
    "frustrated": (0.5, -0.6),
    "distressed": (0.7, -0.8),
}
"""Arousal and valence, both -1..1, that stand for a category where a corpus has no ratings: the category's rounded
place on the circumplex (Russell, "A Circumplex Model of Affect", J. Pers. Soc. Psychol. 39, 1980)."""

AROUSAL_LEVELS = {"low": -0.6, "neutral": 0.0, "high": 0.7}
"""Arousal of corpora that were recorded at levels of excitement, not in emotions (BAVED)."""

_SYNONYMS = {
    "anger": "angry",
    "fear": "fearful",
    "panic": "fearful",
    "joy": "happy",
    "happiness": "happy",
    "sadness": "sad",
    "surprise": "surprised",
    "frustration": "frustrated",
    "distress": "distressed",
}
_CREMA_CODES = {
    "ANG": "angry",
    "DIS": "disgust",
    "FEA": "fearful",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
_CREMA_VOTES = {code[0]: emotion for code, emotion in _CREMA_CODES.items()}

_SAME_PERSON = {("baved", "BAV53"): "BAV46"}
"""Speakers that share recordings, so that no fold parts them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One recording and what is known of it.

    Attributes
    ----------
    corpus, file : str
        Folder of the corpus and path within it; together the clip's identity.
    path : Path
    speaker : str
        Unit of every split: clips of one `speaker` are never on both sides.
    voice : str
        Unit of every baseline; finer than `speaker` where one id hides two people.
    gender, language : str
        Empty where unknown.
    emotion : str, optional
        One of `AFFECT`'s keys; None where the corpus has arousal alone.
    intensity, sentence : str
        As the corpus gives them.
    stress : float
        1, 0, or NaN where the emotion is neither.
    arousal, valence : float
        -1..1, NaN where unknown.
    """

    corpus: str
    file: str
    path: Path
    speaker: str
    voice: str
    gender: str
    language: str
    emotion: str | None
    intensity: str
    sentence: str
    stress: float
    arousal: float
    valence: float

    @property
    def key(self) -> str:
        """Identity of the clip across corpora."""
        return f"{self.corpus}/{self.file}"


def read_corpora(root: Path) -> list[Clip]:
    """Read every corpus directly under a folder, sorted by corpus and file.

    Raises
    ------
    ValueError
        If the folder holds no corpus, or a manifest names an emotion that is not known.
    """
    clips: list[Clip] = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        if (folder / "manifest.csv").is_file():
            clips += _read_manifest(folder)
        elif (folder / "AudioWAV").is_dir():
            clips += _read_crema_d(folder)
    if not clips:
        raise ValueError(f"{root} has no corpus: expected subfolders with manifest.csv, or CREMA-D's AudioWAV")
    return sorted(clips, key=lambda clip: (clip.corpus, clip.file))


def _read_manifest(folder: Path) -> Iterator[Clip]:
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    levels_only = {row["emotion"] for row in rows} <= set(AROUSAL_LEVELS)
    for row in rows:
        name = row["emotion"].strip().lower()
        yield _clip(
            corpus=folder.name,
            file=row["file"],
            path=folder / row["file"],
            speaker=_SAME_PERSON.get((folder.name, row["speaker"]), row["speaker"]),
            gender=row.get("gender", ""),
            language=row.get("language", ""),
            emotion=None if levels_only else _SYNONYMS.get(name, name),
            arousal=AROUSAL_LEVELS[name] if levels_only else None,
            intensity=row.get("intensity", ""),
            sentence=row.get("sentence_id", ""),
        )


def _read_crema_d(folder: Path) -> Iterator[Clip]:
    """CREMA-D (Cao et al., IEEE Trans. Affective Computing 5(4), 2014): 91 actors, 12 sentences, labels by ear.

    The label is the crowd's vote on the voice alone; a tie leaves the clip out. Without the table of votes the acted
    emotion stands.
    """
    votes: dict[str, str] = {}
    table = folder / "processedResults" / "summaryTable.csv"
    if table.is_file():
        with table.open(newline="", encoding="utf-8") as handle:
            votes = {row["FileName"]: row["VoiceVote"].strip() for row in csv.DictReader(handle)}
    genders: dict[str, str] = {}
    demographics = folder / "VideoDemographics.csv"
    if demographics.is_file():
        with demographics.open(newline="", encoding="utf-8") as handle:
            genders = {row["ActorID"]: row["Sex"].strip().lower() for row in csv.DictReader(handle)}
    for path in sorted((folder / "AudioWAV").glob("*.wav")):
        actor, sentence, code, level = path.stem.split("_")
        emotion = _CREMA_CODES[code]
        if votes:
            vote = votes.get(path.stem, "")
            if vote not in _CREMA_VOTES:
                continue
            emotion = _CREMA_VOTES[vote]
        yield _clip(
            corpus=folder.name,
            file=f"AudioWAV/{path.name}",
            path=path,
            speaker=f"CREMA{actor}",
            gender=genders.get(actor, ""),
            language="en",
            emotion=emotion,
            arousal=None,
            intensity=level,
            sentence=sentence,
        )


def _clip(
    *,
    corpus: str,
    file: str,
    path: Path,
    speaker: str,
    gender: str,
    language: str,
    emotion: str | None,
    arousal: float | None,
    intensity: str,
    sentence: str,
) -> Clip:
    if emotion is not None and emotion not in AFFECT:
        raise ValueError(f"{path}: emotion {emotion!r} is not known; known are {', '.join(AFFECT)}")
    nan = float("nan")
    of_category = AFFECT[emotion] if emotion is not None else (nan, nan)
    return Clip(
        corpus=corpus,
        file=file,
        path=path,
        speaker=f"{corpus}/{speaker}",
        voice=f"{corpus}/{speaker}/{gender}",
        gender=gender,
        language=language,
        emotion=emotion,
        intensity=intensity,
        sentence=sentence,
        stress=1.0 if emotion in STRESSED else 0.0 if emotion in UNSTRESSED else nan,
        arousal=of_category[0] if arousal is None else arousal,
        valence=of_category[1],
    )


def prompt_clips(folder: Path) -> list[Clip]:
    """Read the manifest of a folder of telephone prompts: calm speech of one speaker, without labels of emotion."""
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as handle:
        names = [row["file"] for row in csv.DictReader(handle)]
    nan = float("nan")
    return [
        Clip(
            corpus=folder.name,
            file=name,
            path=folder / name,
            speaker=folder.name,
            voice=folder.name,
            gender="",
            language="",
            emotion=None,
            intensity="",
            sentence="",
            stress=nan,
            arousal=nan,
            valence=nan,
        )
        for name in names
    ]

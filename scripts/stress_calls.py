"""Calls made of clips: what a caller says over minutes, with pauses, on one line; and how such calls are scored.

Corpora hold sentences, not calls. A call here is a sequence of one speaker's utterances on one kind of line, with the
pauses of a conversation between them. A speaker has 8 to 130 usable clips, so long calls repeat clips; the same
recording under another codec counts as another utterance but is not another sample of the speaker.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from stress_corpora import Clip
from stress_features import Table

from voicepipe.stress.baseline import Baseline
from voicepipe.stress.calm import CalmReference
from voicepipe.stress.episode import EpisodeConfig, EpisodeDetector
from voicepipe.stress.prosody import PROSODY_VERSION
from voicepipe.stress.scorer import OnnxStressScorer
from voicepipe.types import Channel, Episode, ProsodyFeatures, ScoredUtterance

MIN_CALM_CLIPS = 5
MIN_STRESSED_CLIPS = 3
CALL_S = (240.0, 480.0)
"""Length of a call, uniform; the mean of 6 minutes is a common handle time of call centres."""
PAUSE_MEDIAN_S = 2.5
PAUSE_SIGMA = 0.8
PAUSE_LIMITS_S = (0.4, 45.0)
"""Pauses of the caller, log-normal: the agent talks, or something is looked up. About 70 utterances in a call."""
CALM_MIX = {"neutral": 0.35, "calm": 0.35, "sad": 0.15, "happy": 0.15}
"""What a calm caller's utterances are drawn from, as far as the corpus has it (renormalised)."""


class Scenario(StrEnum):
    """What happens in a call."""

    CALM = "calm"
    OUTBURST = "calm with one or two outbursts"
    HAPPY = "loud but happy"
    SAD = "sad and stays so"
    SETS_IN = "stress sets in and stays"
    COMES_AND_GOES = "stress comes and goes"

    @property
    def stressed(self) -> bool:
        """Whether an alarm is right."""
        return self in {Scenario.SETS_IN, Scenario.COMES_AND_GOES}


MOODS = {Scenario.HAPPY: "happy", Scenario.SAD: "sad"}
"""What a caller who needs nobody else turns to and stays at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """One speaker's utterances on one kind of line.

    Attributes
    ----------
    name, corpus : str
    fold : int
        The fold whose model has not heard this speaker.
    rows : mapping of str to ndarray of int
        Rows of the table of features, by emotion.
    table : Table
    """

    name: str
    corpus: str
    fold: int
    rows: Mapping[str, np.ndarray]
    table: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltCall:
    """What a caller says in one call.

    Attributes
    ----------
    voice : Voice
    scenario : Scenario
    rows : ndarray, shape (n,), int
        Row of `Voice.table` per utterance.
    start_s, end_s : ndarray, shape (n,), float64
    stressed : ndarray, shape (n,), bool
        Utterances that are part of persistent stress (outbursts are not).
    duration_s : float
    """

    voice: Voice
    scenario: Scenario
    rows: np.ndarray
    start_s: np.ndarray
    end_s: np.ndarray
    stressed: np.ndarray
    duration_s: float


def voices_of(clips: Sequence[Clip], table: Table, *, fold_of: Mapping[str, int]) -> list[Voice]:
    """Group a table by speaker and emotion; speakers with too few clips or without a fold are left out."""
    rows: dict[str, dict[str, list[int]]] = {}
    of_voice: dict[str, Clip] = {}
    for row, index in enumerate(table.clip):
        clip = clips[int(index)]
        if clip.emotion is None or clip.speaker not in fold_of or table.speech_s[row] <= 0:
            continue
        emotion = "stressed" if clip.stress == 1.0 else clip.emotion
        rows.setdefault(clip.voice, {}).setdefault(emotion, []).append(row)
        of_voice[clip.voice] = clip
    voices = []
    for name, held in sorted(rows.items()):
        calm = sum(len(held.get(emotion, ())) for emotion in CALM_MIX)
        if calm >= MIN_CALM_CLIPS and len(held.get("stressed", ())) >= MIN_STRESSED_CLIPS:
            clip = of_voice[name]
            arrays = {emotion: np.asarray(indices) for emotion, indices in held.items()}
            voices.append(Voice(name=name, corpus=clip.corpus, fold=fold_of[clip.speaker], rows=arrays, table=table))
    return voices


class _Bag:
    """Draws without replacement until everything was drawn, then starts over."""

    def __init__(self, items: np.ndarray, rng: np.random.Generator) -> None:
        self._items, self._rng, self._left = items, rng, list[int]()

    def draw(self) -> int:
        if not self._left:
            self._left = [int(item) for item in self._rng.permutation(self._items)]
        return self._left.pop()


def build_call(voice: Voice, scenario: Scenario, *, rng: np.random.Generator) -> BuiltCall:
    """Draw one call of a speaker."""
    duration_s = float(rng.uniform(*CALL_S))
    bags = {emotion: _Bag(rows, rng) for emotion, rows in voice.rows.items()}
    calm = [emotion for emotion in CALM_MIX if emotion in bags]
    odds = np.array([CALM_MIX[emotion] for emotion in calm])
    odds /= odds.sum()
    stretches, bursts = _plan(scenario, duration_s=duration_s, rng=rng)
    rows, starts, ends, stressed = [], [], [], []
    at_s = float(rng.uniform(1.0, 8.0))
    burst_left = 0
    while True:
        inside = any(begin <= at_s < end for begin, end in stretches)
        if bursts and at_s >= bursts[0]:
            bursts.pop(0)
            burst_left = int(rng.integers(1, 3))
        if burst_left or (scenario.stressed and inside):
            emotion = "stressed"
        elif inside and MOODS.get(scenario) in bags:
            emotion = MOODS[scenario]
        else:
            emotion = str(rng.choice(calm, p=odds))
        row = bags[emotion].draw()
        end_s = at_s + float(voice.table.duration_s[row])
        if end_s > duration_s:
            break
        rows.append(row)
        starts.append(at_s)
        ends.append(end_s)
        stressed.append(inside and scenario.stressed)
        pause_s = float(np.clip(PAUSE_MEDIAN_S * np.exp(PAUSE_SIGMA * rng.standard_normal()), *PAUSE_LIMITS_S))
        if burst_left:
            burst_left -= 1
            pause_s = float(rng.uniform(0.4, 1.5)) if burst_left else pause_s
        at_s = end_s + pause_s
    return BuiltCall(
        voice=voice,
        scenario=scenario,
        rows=np.asarray(rows, dtype=int),
        start_s=np.asarray(starts),
        end_s=np.asarray(ends),
        stressed=np.asarray(stressed, dtype=bool),
        duration_s=duration_s,
    )


def _plan(
    scenario: Scenario, *, duration_s: float, rng: np.random.Generator
) -> tuple[list[tuple[float, float]], list[float]]:
    """Return the stretches of something persistent, and the beginnings of outbursts."""
    onset_s = float(rng.uniform(30.0, 0.4 * duration_s))
    if scenario is Scenario.OUTBURST:
        return [], sorted(float(rng.uniform(20.0, duration_s - 20.0)) for _ in range(int(rng.integers(1, 3))))
    if scenario is Scenario.SETS_IN or scenario in MOODS:
        return [(onset_s, duration_s)], []
    stretches = []
    if scenario is Scenario.COMES_AND_GOES:
        while onset_s < duration_s:
            end_s = onset_s + float(rng.uniform(30.0, 60.0))
            stretches.append((onset_s, end_s))
            onset_s = end_s + float(rng.uniform(20.0, 50.0))
    return stretches, []


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredCall:
    """A call after the real scorer and the real baseline.

    Attributes
    ----------
    call : BuiltCall
    utterances : tuple of ScoredUtterance
    episodes : tuple of Episode
        Of the detector that ran along and froze the baseline.
    """

    call: BuiltCall
    utterances: tuple[ScoredUtterance, ...]
    episodes: tuple[Episode, ...]


def score_call(
    call: BuiltCall,
    *,
    scorer: OnnxStressScorer,
    reference: CalmReference,
    config: EpisodeConfig,
    with_embedding: bool = True,
) -> ScoredCall:
    """Score a call in order, as the pipeline does: score, detect, then update the baseline."""
    detector = _detector(config, reference)
    baseline: Baseline = scorer.start()
    utterances: list[ScoredUtterance] = []
    episodes: list[Episode] = []
    table = call.voice.table
    for index, row in enumerate(call.rows):
        prosody = ProsodyFeatures(values=table.prosody[row], version=PROSODY_VERSION)
        embedding = table.embedding[row] if with_embedding else None
        speech_s = float(table.speech_s[row])
        score = scorer.score(prosody, embedding, speech_s=speech_s, baseline=baseline)
        baseline = scorer.update(
            baseline, prosody, embedding, speech_s=speech_s, stress=score.stress, frozen=detector.growing
        )
        utterance = ScoredUtterance(
            call_id="call",
            channel=Channel.CALLER,
            index=index,
            start_s=float(call.start_s[index]),
            end_s=float(call.end_s[index]),
            decided_s=float(call.end_s[index]) + 0.5,
            speech_s=speech_s,
            transcript=None,
            score=replace(score, top_features=()),
        )
        utterances.append(utterance)
        episodes += detector.update(utterance)
    episodes += detector.finish(call.duration_s)
    return ScoredCall(call=call, utterances=tuple(utterances), episodes=tuple(episodes))


def detect(scored: ScoredCall, *, reference: CalmReference, config: EpisodeConfig) -> list[Episode]:
    """Run a fresh detector over a call's scores as they are."""
    detector = _detector(config, reference)
    found = [episode for utterance in scored.utterances for episode in detector.update(utterance)]
    return found + list(detector.finish(scored.call.duration_s))


def _detector(config: EpisodeConfig, reference: CalmReference) -> EpisodeDetector:
    return EpisodeDetector(call_id="call", channel=Channel.CALLER, config=config, reference=reference)


def running_evidence(scored: ScoredCall, *, reference: CalmReference, config: EpisodeConfig) -> np.ndarray:
    """Return the evidence after each utterance of a call in which no episode opens, shape (n,).

    -inf where the least of stressed speech is not there; so an episode opens where this first reaches a budget's level.
    """
    detector = _detector(replace(config, false_alarms_per_100_call_hours=1e-12), reference)
    out = np.full(len(scored.utterances), -np.inf)
    for i, utterance in enumerate(scored.utterances):
        detector.update(utterance)
        if detector.persistent:
            out[i] = detector.log_e
    return out

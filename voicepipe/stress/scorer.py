"""The stress score of an utterance: prosody and speech embedding against the caller's baseline, by an ONNX model."""

from pathlib import Path
from typing import Any

import numpy as np

from voicepipe.onnx_graphs import session_of
from voicepipe.ports import CallerBaseline
from voicepipe.stress.baseline import Baseline, BaselineNorms, Norm
from voicepipe.stress.explain import ablate, strongest
from voicepipe.stress.profile import ScoreMap, read_profile
from voicepipe.stress.prosody import FEATURES, PROSODY_VERSION
from voicepipe.types import EMBEDDING_VERSION, FloatArray, ModelError, ProsodyFeatures, StressScore

MATURITY_HALF_S = 10.0
"""Seconds of speech at which a baseline counts as half grown; the model was trained with it."""
CONFIDENCE_HALF_S = 0.6
"""Seconds of speech at which an utterance's own length gives half of the confidence."""
CONFIDENCE_UNHEARD = 0.6
"""Confidence, relative to a full-grown baseline, against the population's norm alone."""
CONFIDENCE_WITHOUT_EMBEDDING = 0.6
"""Confidence of prosody alone, relative to both."""


class OnnxStressScorer:
    """Scores utterances with a model, or a site's profile of one; implements `voicepipe.ports.StressScorer`.

    One scorer serves all calls and threads: what belongs to a caller is in its `Baseline`. A profile maps scores to the
    site's probabilities; baselines follow the model's own scores, so that a profile meets the scores it was fitted to.

    Parameters
    ----------
    folder : Path
        Of the model or the profile, see `voicepipe.stress.profile`.

    Attributes
    ----------
    profile : StressProfile
    manifest : ModelManifest
    model_id : str
        Names the profile, too.

    Raises
    ------
    ModelError
        If the folder holds no usable model, or one for another set of prosody features.
    """

    def __init__(self, folder: Path) -> None:
        self.profile = read_profile(folder)
        self.manifest = self.profile.manifest
        self.model_id: str = self.profile.model_id
        self._score_map: ScoreMap | None = self.profile.site.score_map if self.profile.site else None
        model_dir = self.profile.model_dir
        if self.manifest.prosody_version != PROSODY_VERSION:
            raise ModelError(
                f"The stress model in {model_dir} needs prosody features of version {self.manifest.prosody_version}, "
                f"this version measures {PROSODY_VERSION}: use a model that fits or train it again."
            )
        if self.manifest.embedding_version != EMBEDDING_VERSION:
            raise ModelError(
                f"The stress model in {model_dir} needs embeddings of version {self.manifest.embedding_version}, "
                f"this version makes {EMBEDDING_VERSION}: use a model that fits or train it again."
            )
        try:
            self._session = session_of(model_dir / "model.onnx")
            self.norms = _read_norms(model_dir / "norms.npz")
        except Exception as error:  # onnxruntime's own exception classes have no public common parent
            raise ModelError(f"The stress model in {model_dir} cannot be loaded ({error}).") from error
        if self.norms.prosody.centre.shape != (len(FEATURES),):
            raise ModelError(f"The norms in {model_dir} are not of this version's {len(FEATURES)} prosody features.")
        self._no_embedding = np.zeros((1, self.manifest.embedding_size), np.float32)

    def start(self) -> Baseline:
        """Return the baseline of a caller not yet heard: the population's norm."""
        return Baseline.start(self.norms)

    def score(
        self, prosody: ProsodyFeatures, embedding: FloatArray | None, *, speech_s: float, baseline: CallerBaseline
    ) -> StressScore:
        """Score one utterance against the baseline as it stood before it.

        Parameters
        ----------
        prosody : ProsodyFeatures
            Any of its values may be NaN.
        embedding : ndarray, shape (embedding_size,), float32, or None
            None, or one with a value that is not finite, leaves prosody alone to score.
        speech_s : float
            Seconds of speech in the utterance.
        baseline : Baseline
            From `start` or `update`.

        Raises
        ------
        ModelError
            If the features are of another version or the embedding is of another model.
        TypeError
            If the baseline is not one of this scorer's.
        """
        mine = _own(baseline)
        self._check(prosody, embedding)
        deviation = mine.prosody.deviation(prosody.values)
        rows = ablate(prosody.values, deviation=deviation, norm=mine.prosody)
        feeds = self._feeds(rows.prosody, rows.deviation, embedding, baseline=mine)
        logit, stress, affect, emotions = self._session.run(["logit", "stress", "affect", "emotions"], feeds)
        prob = float(stress[0, 0])
        return StressScore(
            stress=prob if self._score_map is None else float(self._score_map.apply(prob)),
            arousal=float(affect[0, 0]),
            valence=float(affect[0, 1]),
            emotions={
                name: float(prob) for name, prob in zip(self.manifest.emotions, emotions[0].tolist(), strict=True)
            },
            confidence=_confidence(speech_s, maturity=_maturity(mine), has_embedding=bool(feeds["present"][0, 0])),
            model_id=self.model_id,
            baseline_ready=mine.ready,
            with_embedding=bool(feeds["present"][0, 0]),
            top_features=strongest(
                logit[:, 0].astype(np.float64),
                values=prosody.values,
                deviation=deviation,
                norm=mine.prosody,
                own=mine.ready,
            ),
        )

    def update(
        self,
        baseline: CallerBaseline,
        prosody: ProsodyFeatures,
        embedding: FloatArray | None,
        *,
        speech_s: float,
        stress: float,
        frozen: bool,
    ) -> Baseline:
        """Return the baseline after one more utterance; see `voicepipe.stress.baseline.Baseline.after`."""
        self._check(prosody, embedding)
        own = stress if self._score_map is None else float(self._score_map.undo(stress))
        return _own(baseline).after(
            prosody, _finite(embedding), speech_s=speech_s, stress=own, frozen=frozen, norms=self.norms
        )

    def _check(self, prosody: ProsodyFeatures, embedding: FloatArray | None) -> None:
        if prosody.version != PROSODY_VERSION:
            raise ModelError(f"Prosody features of version {prosody.version} given, {PROSODY_VERSION} needed.")
        if embedding is not None and embedding.shape != (self.manifest.embedding_size,):
            raise ModelError(
                f"Stress model {self.model_id} takes the embedding of Whisper {self.manifest.whisper} "
                f"({self.manifest.embedding_size} values), {embedding.shape} given: choose models that fit."
            )

    def _feeds(
        self, prosody: FloatArray, deviation: FloatArray, embedding: FloatArray | None, *, baseline: Baseline
    ) -> dict[str, FloatArray]:
        usable = _finite(embedding)
        embedding_deviation = None if usable is None else baseline.embedding.deviation(usable.astype(np.float64))
        return {
            "prosody": prosody,
            "prosody_deviation": deviation,
            "embedding": self._no_embedding if usable is None else usable[None].astype(np.float32),
            "embedding_deviation": self._no_embedding
            if embedding_deviation is None
            else embedding_deviation[None].astype(np.float32),
            "maturity": np.asarray([[_maturity(baseline)]], np.float32),
            "present": np.asarray([[0.0 if usable is None else 1.0]], np.float32),
        }


def _own(baseline: CallerBaseline) -> Baseline:
    if not isinstance(baseline, Baseline):
        raise TypeError(f"baseline is a {type(baseline).__name__}; give the one that start() or update() returned")
    return baseline


def _finite(embedding: FloatArray | None) -> FloatArray | None:
    return embedding if embedding is not None and bool(np.isfinite(embedding).all()) else None


def _maturity(baseline: Baseline) -> float:
    return baseline.speech_s / (baseline.speech_s + MATURITY_HALF_S)


def _confidence(speech_s: float, *, maturity: float, has_embedding: bool) -> float:
    """Return the product of what length, baseline and embedding allow, 0..1."""
    of_length = max(0.0, speech_s) / (max(0.0, speech_s) + CONFIDENCE_HALF_S)
    of_baseline = CONFIDENCE_UNHEARD + (1.0 - CONFIDENCE_UNHEARD) * maturity
    return of_length * of_baseline * (1.0 if has_embedding else CONFIDENCE_WITHOUT_EMBEDDING)


def _read_norms(path: Path) -> BaselineNorms:
    with np.load(path, allow_pickle=False) as held:
        return BaselineNorms(prosody=_norm(held, "prosody"), embedding=_norm(held, "embedding"))


def _norm(held: Any, name: str) -> Norm:
    return Norm(
        centre=held[f"{name}.centre"].astype(np.float64),
        spread=held[f"{name}.spread"].astype(np.float64),
        prior_s=held[f"{name}.prior_s"].astype(np.float64),
    )

"""How it was said: the first layers of Whisper's encoder give an embedding of the voice.

The encoder's last layers turn sound into what the decoder needs to write it down, and lose the voice on the way; what
tells emotions apart is clearest in the middle [1]_. CTranslate2 gives the last layer only, so the first layers are laid
out anew, from the same weights (`voicepipe.speech.voice_graph`). It is cheap: few layers, no decoder, and no context
beyond the utterance.

References
----------
.. [1] ``scripts/evaluate_layers.py`` prints what each layer of the base model knows, on unseen speakers at 8 kHz.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from voicepipe.onnx_graphs import session_of
from voicepipe.speech.voice_graph import encoder_graph
from voicepipe.types import FloatArray

LAYERS = (2, 3, 4)
"""Encoder layers that the embedding is taken after: from the middle of the base model's six."""
CONTEXT_STEP_S = 0.5
"""The context is the utterance, filled up with silence to a whole multiple of this."""

MEL_FRAMES_PER_S = 100
"""Whisper's log-mel features come every 10 ms."""

_MEL_FRAMES_PER_ENCODER_FRAME = 2


class VoiceEncoder:
    """Embeds utterances. Safe to share between threads.

    Parameters
    ----------
    model_dir : Path
        Of a Whisper model in CTranslate2's format.
    quantized : bool
        False computes in floating point throughout.
    cpu_threads : int
        Threads of one inference.
    layers : sequence of int
        After how many layers of the encoder the embedding is taken.

    Raises
    ------
    ModelError
        If the folder holds no model with so many layers.
    """

    def __init__(
        self, model_dir: Path, *, quantized: bool = True, cpu_threads: int = 1, layers: Sequence[int] = LAYERS
    ) -> None:
        path = model_dir / "model.bin"
        self._session = session_of(encoder_graph(path, layers=layers, quantized=quantized), cpu_threads=cpu_threads)

    def embed(self, mel: FloatArray, *, duration_s: float) -> FloatArray:
        """Return mean and standard deviation, layer by layer, over the frames that an utterance covers (20 ms each).

        Parameters
        ----------
        mel : ndarray, shape (n_mels, n), float32
            The utterance's log-mel features, one each 10 ms.
        duration_s : float
            Length of the utterance.

        Returns
        -------
        ndarray, shape (2 * len(layers) * d_model,), float32
        """
        n_true = min(mel.shape[1], math.ceil(duration_s * MEL_FRAMES_PER_S))
        n_context = round(math.ceil(duration_s / CONTEXT_STEP_S) * CONTEXT_STEP_S * MEL_FRAMES_PER_S)
        n_frames = math.ceil(n_true / _MEL_FRAMES_PER_ENCODER_FRAME)
        of_layers = self._session.run(None, {"mel": padded(mel, n_frames=n_context)[None]})
        return np.concatenate([pooled(frames[:n_frames]) for frames in of_layers])


def pooled(frames: FloatArray) -> FloatArray:
    """Return mean and standard deviation over frames, shape (2 * d_model,), from shape (n, d_model)."""
    return np.concatenate([frames.mean(axis=0), frames.std(axis=0)])


def padded(mel: FloatArray, *, n_frames: int) -> FloatArray:
    """Bring log-mel features to `n_frames`, with digital silence as Whisper's own scaling shows it.

    That is the floor of the dynamic range: 8 decades below the loudest, divided by 4.
    """
    out = np.full((mel.shape[0], n_frames), mel.max() - 2.0, np.float32)
    n_kept = min(n_frames, mel.shape[1])
    out[:, :n_kept] = mel[:, :n_kept]
    return out

"""How it was said: the first layers of Whisper's encoder give an embedding of the voice.

The encoder's last layers turn sound into what the decoder needs to write it down, and lose the voice on the way; what
tells emotions apart is clearest in the middle [1]_. CTranslate2 gives the last layer only, so the encoder is loaded
again without its upper layers, once for each layer that is read. It is cheap: few layers, no decoder, and no context
beyond the utterance.

References
----------
.. [1] ``scripts/evaluate_layers.py`` prints what each layer of the base model knows, on unseen speakers at 8 kHz.
"""

import io
import math
import mmap
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from voicepipe.types import FloatArray, ModelError

LAYERS = (2, 3)
"""Encoder layers that the embedding is taken after: half of the base model's."""
CONTEXT_STEP_S = 0.5
"""The context is the utterance, filled up with silence to a whole multiple of this."""

MEL_FRAMES_PER_S = 100
"""Whisper's log-mel features come every 10 ms."""

_FORMAT = 6
_TOKENS = ("<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|nospeech|>", "<|notimestamps|>")
"""A vocabulary for a model that writes nothing."""
_EMBEDDINGS = "decoder/embeddings/weight"
_LAYER = re.compile(r"(encoder|decoder)/layer_(\d+)/")
_MEL_FRAMES_PER_ENCODER_FRAME = 2


class VoiceEncoder:
    """Embeds utterances. Safe to share between threads.

    Parameters
    ----------
    model_dir : Path
        Of a Whisper model in CTranslate2's format.
    compute_type : str
        CTranslate2's arithmetic, ``int8`` or ``float32``.
    cpu_threads : int
        Threads of one inference.
    num_workers : int
        Inferences at the same time.
    layers : sequence of int
        After how many layers of the encoder the embedding is taken.

    Raises
    ------
    ModelError
        If the folder holds no model that can be cut.
    """

    def __init__(
        self, model_dir: Path, *, compute_type: str, cpu_threads: int, num_workers: int, layers: Sequence[int] = LAYERS
    ) -> None:
        import ctranslate2

        vocabulary = "[" + ",".join(f'"{token}"' for token in _TOKENS) + "]"
        self._models: list[Any] = []
        for count in layers:
            cut = first_layers(model_dir / "model.bin", layers=count)
            try:
                model = ctranslate2.models.Whisper(
                    str(model_dir),
                    device="cpu",
                    compute_type=compute_type,
                    intra_threads=cpu_threads,
                    inter_threads=num_workers,
                    files={"model.bin": cut, "config.json": b"{}", "vocabulary.json": vocabulary.encode()},
                )
            except (RuntimeError, ValueError) as error:
                raise ModelError(f"The encoder in {model_dir} cannot be cut to {count} layers ({error}).") from error
            self._models.append(model)
        self._storage: Any = ctranslate2.StorageView.from_array

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
        pooled: list[FloatArray] = []
        for model in self._models:
            encoded = model.encode(self._storage(padded(mel, n_frames=n_context)[None]))
            frames = np.asarray(encoded, dtype=np.float32)[0, :n_frames]
            pooled += [frames.mean(axis=0), frames.std(axis=0)]
        return np.concatenate(pooled)


def padded(mel: FloatArray, *, n_frames: int) -> FloatArray:
    """Bring log-mel features to `n_frames`, with digital silence as Whisper's own scaling shows it.

    That is the floor of the dynamic range: 8 decades below the loudest, divided by 4.
    """
    out = np.full((mel.shape[0], n_frames), mel.max() - 2.0, np.float32)
    n_kept = min(n_frames, mel.shape[1])
    out[:, :n_kept] = mel[:, :n_kept]
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class _Variable:
    """A variable of a model file: its shape, CTranslate2's code of its type, and its bytes."""

    shape: tuple[int, ...]
    kind: int
    value: bytes


def first_layers(path: Path, *, layers: int) -> bytes:
    """Return a model file with the first layers of the encoder, one of the decoder and hardly any vocabulary.

    Parameters
    ----------
    path : Path
        ``model.bin`` of a Whisper model, as ``ctranslate2.specs.ModelSpec`` writes it (binary version 6).
    layers : int
        Encoder layers to keep.

    Raises
    ------
    ModelError
        If the file is not such a one, or has fewer layers.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
            return _cut(_Reader(held), layers=layers)
    except (OSError, ValueError, struct.error) as error:
        raise ModelError(
            f"{path} is not a Whisper model of CTranslate2's format {_FORMAT} with {layers} encoder layers or more "
            f"({error}): run `voicepipe models verify`."
        ) from error


def _cut(reader: "_Reader", *, layers: int) -> bytes:
    version, name, revision = reader.number("I"), reader.text(), reader.number("I")
    if version != _FORMAT:
        raise ValueError(f"version {version}")
    kept = dict(reader.variables(lambda key: _is_kept(key, layers)))
    if not any(key.startswith(f"encoder/layer_{layers - 1}/") for key in kept):
        raise ValueError("too few layers")
    table = kept[_EMBEDDINGS]
    row = len(table.value) // table.shape[0]
    kept[_EMBEDDINGS] = _Variable(
        shape=(len(_TOKENS), *table.shape[1:]), kind=table.kind, value=table.value[: row * len(_TOKENS)]
    )
    aliases = [pair for pair in reader.aliases() if pair[1] in kept]
    writer = _Writer().number("I", version).text(name).number("I", revision).number("I", len(kept))
    for key, variable in kept.items():
        writer.text(key).number("B", len(variable.shape))
        for length in variable.shape:
            writer.number("I", length)
        writer.number("B", variable.kind).number("I", len(variable.value)).bytes(variable.value)
    writer.number("I", len(aliases))
    for alias, key in aliases:
        writer.text(alias).text(key)
    return writer.written


def _is_kept(key: str, layers: int) -> bool:
    layer = _LAYER.match(key)
    return layer is None or int(layer[2]) < (layers if layer[1] == "encoder" else 1)


class _Reader:
    """Reads a model file from front to back."""

    def __init__(self, held: mmap.mmap) -> None:
        self._held = held
        self._at = 0

    def number(self, form: str) -> int:
        (value,) = struct.unpack_from(f"<{form}", self._held, self._at)
        self._at += struct.calcsize(form)
        return int(value)

    def bytes(self, length: int) -> bytes:
        value = self._held[self._at : self._at + length]
        self._at += length
        if len(value) != length:
            raise ValueError("it ends too early")
        return value

    def text(self) -> str:
        return self.bytes(self.number("H"))[:-1].decode()

    def variables(self, is_wanted: Callable[[str], bool]) -> Iterator[tuple[str, _Variable]]:
        for _ in range(self.number("I")):
            key = self.text()
            shape = tuple(self.number("I") for _ in range(self.number("B")))
            kind, length = self.number("B"), self.number("I")
            if is_wanted(key):
                yield key, _Variable(shape=shape, kind=kind, value=self.bytes(length))
            else:
                self._at += length

    def aliases(self) -> Iterator[tuple[str, str]]:
        for _ in range(self.number("I")):
            yield self.text(), self.text()


class _Writer:
    """Writes a model file."""

    def __init__(self) -> None:
        self._out = io.BytesIO()

    @property
    def written(self) -> "bytes":
        return self._out.getvalue()

    def number(self, form: str, value: int) -> Self:
        self._out.write(struct.pack(f"<{form}", value))
        return self

    def bytes(self, value: "bytes") -> Self:
        self._out.write(value)
        return self

    def text(self, value: str) -> Self:
        return self.number("H", len(value) + 1).bytes(value.encode() + b"\0")

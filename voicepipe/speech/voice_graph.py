"""The first layers of Whisper's encoder as a graph that gives each layer that is read, in one pass.

Products with weights are taken on bytes, with a scale for each column of the weights and one for what they meet: for
each frame its own after Gelu, where single numbers lie far out. Both are unsigned: unsigned times signed bytes saturate
on processors without VNNI, and what is heard of a voice must not depend on the machine (``scripts/bench_voice.py``).
"""

import math
import mmap
import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from voicepipe.onnx_graphs import graph_of
from voicepipe.types import FloatArray, ModelError

_GRAPH: Final = """
<ir_version: 8, opset_import: ["" : 20]>
encoder (float[1, n_mels, n] mel) => ({outputs})
<int64[1] first = {{0}}, int64[3] by_head = {{-1, {n_heads}, {head_size}}}, int64[2] joined = {{-1, {size}}}>
{{
    conv_0 = Conv <pads = [1, 1]> (mel, conv1_weight, conv1_bias)
    active_0 = Gelu (conv_0)
    conv_1 = Conv <pads = [1, 1], strides = [2]> (active_0, conv2_weight, conv2_bias)
    active_1 = Gelu (conv_1)
    by_time = Transpose <perm = [0, 2, 1]> (active_1)
    heard = Squeeze (by_time, first)
    length = Shape <start = 0, end = 1> (heard)
    positions = Slice (position_encodings_encodings, first, length, first)
    x_0 = Add (heard, positions)
    {layers}
}}
"""
_LAYER: Final = """
    attended_{i} = LayerNormalization <axis = -1> (x_{i}, {at}_self_attention_layer_norm_gamma,
        {at}_self_attention_layer_norm_beta)
    {query_key_value}
    query_{i}, key_{i}, value_{i} = Split <axis = 1, num_outputs = 3> ({at}_self_attention_linear_0)
    query_by_head_{i} = Reshape (query_{i}, by_head)
    key_by_head_{i} = Reshape (key_{i}, by_head)
    value_by_head_{i} = Reshape (value_{i}, by_head)
    queries_{i} = Transpose <perm = [1, 0, 2]> (query_by_head_{i})
    keys_{i} = Transpose <perm = [1, 2, 0]> (key_by_head_{i})
    values_{i} = Transpose <perm = [1, 0, 2]> (value_by_head_{i})
    logits_{i} = MatMul (queries_{i}, keys_{i})
    shares_{i} = Softmax <axis = -1> (logits_{i})
    found_by_head_{i} = MatMul (shares_{i}, values_{i})
    found_by_time_{i} = Transpose <perm = [1, 0, 2]> (found_by_head_{i})
    found_{i} = Reshape (found_by_time_{i}, joined)
    {attention}
    between_{i} = Add (x_{i}, {at}_self_attention_linear_1)
    levelled_{i} = LayerNormalization <axis = -1> (between_{i}, {at}_ffn_layer_norm_gamma, {at}_ffn_layer_norm_beta)
    {widening}
    active_of_{i} = Gelu ({at}_ffn_linear_0)
    {narrowing}
    x_{after} = Add (between_{i}, {at}_ffn_linear_1)
"""
_OUTPUT: Final = "after_{after} = LayerNormalization <axis = -1> (x_{after}, layer_norm_gamma, layer_norm_beta)"
_BYTES: Final = """
    {name}_q, {name}_step, {name}_zero = DynamicQuantizeLinear ({of})
    {name}_counts = MatMulInteger ({name}_q, {name}_weight, {name}_zero, middle)
    {name}_floats = Cast <to = 1> ({name}_counts)
    {name}_steps = Mul ({name}_step, {name}_weight_step)
    {name}_product = Mul ({name}_floats, {name}_steps)
    {name} = Add ({name}_product, {name}_bias)
"""
# One step after another: the product of both would be fused by onnxruntime as if it were one step for all frames.
_BYTES_AFTER_GELU: Final = """
    {name}_lifted = Add ({of}, gelu_lift)
    {name}_highest = ReduceMax <keepdims = 1> ({name}_lifted, last_axis)
    {name}_step = Div ({name}_highest, most)
    {name}_scaled = Div ({name}_lifted, {name}_step)
    {name}_rounded = Round ({name}_scaled)
    {name}_q = Cast <to = 2> ({name}_rounded)
    {name}_counts = MatMulInteger ({name}_q, {name}_weight, none, middle)
    {name}_floats = Cast <to = 1> ({name}_counts)
    {name}_by_frame = Mul ({name}_floats, {name}_step)
    {name}_product = Mul ({name}_by_frame, {name}_weight_step)
    {name} = Add ({name}_product, {name}_bias)
"""
_EXACT: Final = """
    {name}_product = MatMul ({of}, {name}_weight)
    {name} = Add ({name}_product, {name}_bias)
"""
_MIDDLE: Final = 128
"""The byte that stands for a weight of 0."""
_GELU_LIFT: Final = 0.17
"""Gelu is never lower than -0.16997: lifted by this it has no sign to spend half of a byte's values on."""
_OF_BYTES: Final = {
    "middle": np.uint8(_MIDDLE),
    "none": np.uint8(0),
    "most": np.float32(255.0),
    "gelu_lift": np.float32(_GELU_LIFT),
    "last_axis": np.array([-1], np.int64),
}


def encoder_graph(path: Path, *, layers: Sequence[int], quantized: bool) -> bytes:
    """Return the first layers of a Whisper encoder as an ONNX model.

    Its input is ``mel``, shape (1, n_mels, n), float32, n even; for each of `layers` it has an output, shape
    (n / 2, d_model): what comes after so many, normalised as the encoder's end is.

    Parameters
    ----------
    path : Path
        ``model.bin`` of a Whisper model, as ``ctranslate2.specs.ModelSpec`` writes it (binary version 6).
    layers : sequence of int
        1 or more, rising.
    quantized : bool

    Raises
    ------
    ModelError
        If the file is not such a one, or has fewer layers.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
            weights = encoder_weights(held, n_layers=layers[-1])
        return _graph(weights, layers=layers, quantized=quantized)
    except (OSError, ValueError, KeyError, struct.error) as error:
        raise ModelError(
            f"{path} is not a Whisper model of CTranslate2's format {_FORMAT} with {layers[-1]} encoder layers or more "
            f"({error}): run `voicepipe models verify`."
        ) from error


def _graph(weights: dict[str, FloatArray], *, layers: Sequence[int], quantized: bool) -> bytes:
    size = len(weights["conv2_bias"])
    n_heads = int(weights["num_heads"])
    arrays: dict[str, Any] = {name: weight for name, weight in weights.items() if "_linear_" not in name}
    if quantized:
        arrays |= _OF_BYTES

    def product(name: str, of: str, *, scale: FloatArray | float = 1.0, after_gelu: bool = False) -> str:
        weight, bias = (weights[f"{name}_weight"].T * scale), weights[f"{name}_bias"] * scale
        arrays[f"{name}_weight"], arrays[f"{name}_bias"] = weight, bias
        if not quantized:
            return _EXACT.format(name=name, of=of)
        step = (np.maximum(np.abs(weight).max(axis=0), 1e-12) / (_MIDDLE - 1)).astype(np.float32)
        counts = np.rint(weight / step)
        arrays[f"{name}_weight"], arrays[f"{name}_weight_step"] = (counts + _MIDDLE).astype(np.uint8), step
        if after_gelu:
            arrays[f"{name}_bias"] = bias - np.float32(_GELU_LIFT) * step * counts.sum(axis=0)
        return (_BYTES_AFTER_GELU if after_gelu else _BYTES).format(name=name, of=of)

    # Attention divides its logits by the root of a head's size; here the queries' weights are divided.
    of_queries = np.repeat(np.array([1.0 / math.sqrt(size // n_heads), 1.0, 1.0], np.float32), size)
    text: list[str] = []
    for i in range(layers[-1]):
        at = f"layer_{i}"
        text.append(
            _LAYER.format(
                i=i,
                after=i + 1,
                at=at,
                query_key_value=product(f"{at}_self_attention_linear_0", f"attended_{i}", scale=of_queries),
                attention=product(f"{at}_self_attention_linear_1", f"found_{i}"),
                widening=product(f"{at}_ffn_linear_0", f"levelled_{i}"),
                narrowing=product(f"{at}_ffn_linear_1", f"active_of_{i}", after_gelu=True),
            )
        )
        if i + 1 in layers:
            text.append(_OUTPUT.format(after=i + 1))
    graph = _GRAPH.format(
        outputs=", ".join(f"float[m, {size}] after_{layer}" for layer in layers),
        n_heads=n_heads,
        head_size=size // n_heads,
        size=size,
        layers="".join(text),
    )
    return graph_of(graph, arrays)


_FORMAT: Final = 6
_KINDS: Final = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
"""NumPy's types by CTranslate2's codes."""
_WANTED: Final = re.compile(r"encoder/(?!layer_\d)|encoder/layer_(\d+)/")
_SCALE: Final = "_scale"


def encoder_weights(held: mmap.mmap | bytes, *, n_layers: int) -> dict[str, FloatArray]:
    """Return a model file's weights of the encoder's first layers, ``/`` in their names being ``_``."""
    reader = _Reader(held)
    version, _, _ = reader.number("I"), reader.text(), reader.number("I")
    if version != _FORMAT:
        raise ValueError(f"version {version}")
    weights: dict[str, FloatArray] = {}
    for _ in range(reader.number("I")):
        key = reader.text()
        shape = tuple(reader.number("I") for _ in range(reader.number("B")))
        kind, length = reader.number("B"), reader.number("I")
        wanted = _WANTED.match(key)
        if not wanted or int(wanted[1] or 0) >= n_layers:
            reader.skip(length)
            continue
        if kind not in _KINDS:
            raise ValueError(f"{key} is of kind {kind}")
        value = np.frombuffer(reader.bytes(length), _KINDS[kind]).reshape(shape)
        weights[key.removeprefix("encoder/").replace("/", "_")] = value.astype(np.float32)
    for name in [name for name in weights if name.endswith(_SCALE)]:  # integers, and how many of them make 1
        weight, scale = weights[name.removesuffix(_SCALE)], weights.pop(name)
        weight /= scale.reshape(scale.shape + (1,) * (weight.ndim - scale.ndim))
    return weights


class _Reader:
    """Reads a model file from front to back."""

    def __init__(self, held: mmap.mmap | bytes) -> None:
        self._held = held
        self._at = 0

    def number(self, form: str) -> int:
        (value,) = struct.unpack_from(f"<{form}", self._held, self._at)
        self._at += struct.calcsize(form)
        return int(value)

    def bytes(self, length: int) -> "bytes":
        value = self._held[self._at : self._at + length]
        self.skip(length)
        return value

    def skip(self, length: int) -> None:
        self._at += length
        if self._at > len(self._held):
            raise ValueError("it ends too early")

    def text(self) -> str:
        return self.bytes(self.number("H"))[:-1].decode()

"""Tests of voicepipe.speech.voice_graph."""

import struct
from pathlib import Path

import numpy as np
import onnx
import pytest

from voicepipe.speech.voice_graph import encoder_graph, encoder_weights
from voicepipe.types import ModelError


@pytest.mark.slow
def test_products_do_not_saturate(whisper_dir: Path) -> None:
    """Unsigned times signed bytes saturate on processors without VNNI: the weights must be unsigned, too."""
    graph = onnx.load_from_string(encoder_graph(whisper_dir / "model.bin", layers=[2], quantized=True)).graph
    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    weights = [kinds[node.input[1]] for node in graph.node if node.op_type == "MatMulInteger"]
    assert weights == [onnx.TensorProto.UINT8] * 8


@pytest.mark.slow
def test_more_layers_than_there_are(whisper_dir: Path) -> None:
    with pytest.raises(ModelError, match="7 encoder layers or more"):
        encoder_graph(whisper_dir / "model.bin", layers=[7], quantized=True)


def test_weights_kept_as_integers_are_scaled_back(tmp_path: Path) -> None:
    """A model file may hold bytes and, for each row, how many of them make 1."""
    weight = np.asarray([[100, -50], [20, 10]], np.int8)
    variables = {
        "encoder/layer_0/ffn/linear_0/weight": (1, weight),
        "encoder/layer_0/ffn/linear_0/weight_scale": (0, np.asarray([100.0, 10.0], np.float32)),
        "encoder/layer_1/ffn/linear_0/weight": (1, weight),
        "decoder/layer_0/ffn/linear_0/weight": (1, weight),
    }
    content = struct.pack("<IH", 6, 5) + b"name\0" + struct.pack("<II", 3, len(variables))
    for key, (kind, value) in variables.items():
        content += struct.pack("<H", len(key) + 1) + key.encode() + b"\0" + struct.pack("<B", value.ndim)
        content += struct.pack(f"<{value.ndim}I", *value.shape)
        content += struct.pack("<BI", kind, value.nbytes) + value.tobytes()
    weights = encoder_weights(content, n_layers=1)
    assert list(weights) == ["layer_0_ffn_linear_0_weight"]
    np.testing.assert_allclose(weights["layer_0_ffn_linear_0_weight"], [[1.0, -0.5], [2.0, 1.0]])


@pytest.mark.parametrize(
    "content",
    [b"", b"\x06", struct.pack("<I", 5) + b"\x00" * 64, struct.pack("<I", 6) + b"\xff" * 64, b"not a model " * 50],
    ids=["empty", "cut off", "another version", "nonsense", "text"],
)
def test_what_is_no_model_gets_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="voicepipe models verify"):
        encoder_graph(path, layers=[2, 3], quantized=True)

"""ONNX graphs: put together from text and weights, and run by onnxruntime."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def graph_of(text: str, weights: Mapping[str, npt.ArrayLike]) -> bytes:
    """Return a model in ONNX's format.

    Parameters
    ----------
    text : str
        The graph, as ``onnx.parser.parse_model`` reads it.
    weights : mapping of str to array_like
        Its initializers.
    """
    import onnx

    model = onnx.parser.parse_model(text)
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in weights.items()
    )
    graph: bytes = model.SerializeToString()
    return graph


def session_of(graph: Path | bytes, *, cpu_threads: int = 1) -> "InferenceSession":
    """Return what runs a graph on the processor, safe to share between threads.

    Parameters
    ----------
    graph : Path or bytes
        A model in ONNX's format, or its file.
    cpu_threads : int
        Threads of one run.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cpu_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    model = graph if isinstance(graph, bytes) else str(graph)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

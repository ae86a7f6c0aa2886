"""Silero VAD's graph, laid out for many tracks at once.

The published graph takes one track a run, and its convolutions see four columns of a spectrogram at a time: too little
for a processor to be quick with. Here the same weights do the same sums as matrix products over the frames of all
tracks; only the recurrent part goes frame by frame, for all tracks together. That takes about a third of the time
(``scripts/bench_vad.py``).
"""

import math
from pathlib import Path
from typing import Final

import numpy as np

from voicepipe.onnx_graphs import graph_of
from voicepipe.types import FloatArray, ModelError

MEND: Final = "run: pip install --force-reinstall 'faster-whisper>=1.2,<2'"
"""What brings the published file back."""

_WEIGHTS: Final = {
    "encoder.feature_extractor.forward_basis_buffer": (258, 1, 256),
    "encoder.conv_layers.0.weight": (128, 129, 3),
    "encoder.conv_layers.0.bias": (128,),
    "encoder.conv_layers.1.weight": (64, 128, 3),
    "encoder.conv_layers.1.bias": (64,),
    "encoder.conv_layers.2.weight": (64, 64, 3),
    "encoder.conv_layers.2.bias": (64,),
    "encoder.conv_layers.3.weight": (128, 64, 3),
    "encoder.conv_layers.3.bias": (128,),
    "decoder.conv1d.weight": (1, 128, 1),
    "decoder.conv1d.bias": (1,),
    "onnx::LSTM_209": (1, 512, 128),
    "onnx::LSTM_210": (1, 512, 128),
    "onnx::LSTM_211": (1, 1024),
}
"""The weights that are taken over, by their names in the published file, and their shapes."""

_GRAPH: Final = """
<ir_version: 8, opset_import: ["" : 18]>
silero_vad (float[time, track, 576] windows, int32[track] lengths, float[1, track, 128] h, float[1, track, 128] c)
    => (float[time, track] probs, float[1, track, 128] h_after, float[1, track, 128] c_after)
<
    int64[2] by_window = {-1, 576}, int64[4] margin = {0, 0, 0, 64}, int64[3] by_hop = {-1, 5, 128},
    int64[4, 2] two_hops = {0, 1, 1, 2, 2, 3, 3, 4}, int64[2] by_256 = {-1, 256},
    int64[3] by_4_of_129 = {-1, 4, 129}, int64[3] by_4_of_128 = {-1, 4, 128}, int64[6] ends = {0, 1, 0, 0, 1, 0},
    int64[4, 3] each = {0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 5}, int64[2, 3] every_other = {0, 1, 2, 2, 3, 4},
    int64[2] by_387 = {-1, 387}, int64[2] by_384 = {-1, 384}, int64[2] by_128 = {-1, 128},
    int64[1] width = {128}, int64[1] direction = {1}, int64[1] last = {2}
>
{
    window = Reshape (windows, by_window)
    widened = Pad <mode = "reflect"> (window, margin)
    hops = Reshape (widened, by_hop)
    framed = Gather <axis = 1> (hops, two_hops)
    spectrum_frames = Reshape (framed, by_256)
    real = MatMul (spectrum_frames, cosines)
    imaginary = MatMul (spectrum_frames, sines)
    real_squared = Mul (real, real)
    imaginary_squared = Mul (imaginary, imaginary)
    power = Add (real_squared, imaginary_squared)
    magnitude = Sqrt (power)

    in_0 = Reshape (magnitude, by_4_of_129)
    padded_0 = Pad (in_0, ends)
    taps_0 = Gather <axis = 1> (padded_0, each)
    rows_0 = Reshape (taps_0, by_387)
    product_0 = MatMul (rows_0, weight_0)
    sum_0 = Add (product_0, bias_0)
    out_0 = Relu (sum_0)

    in_1 = Reshape (out_0, by_4_of_128)
    padded_1 = Pad (in_1, ends)
    taps_1 = Gather <axis = 1> (padded_1, every_other)
    rows_1 = Reshape (taps_1, by_384)
    product_1 = MatMul (rows_1, weight_1)
    sum_1 = Add (product_1, bias_1)
    out_1 = Relu (sum_1)

    rows_2 = Reshape (out_1, by_128)
    product_2 = MatMul (rows_2, weight_2)
    sum_2 = Add (product_2, bias_2)
    out_2 = Relu (sum_2)

    product_3 = MatMul (out_2, weight_3)
    sum_3 = Add (product_3, bias_3)
    out_3 = Relu (sum_3)

    time_and_track = Shape <start = 0, end = 2> (windows)
    by_time_and_track = Concat <axis = 0> (time_and_track, width)
    features = Reshape (out_3, by_time_and_track)
    scanned, h_after, c_after = LSTM <hidden_size = 128> (features, weight_in, weight_back, bias_lstm, lengths, h, c)
    recurrent = Squeeze (scanned, direction)
    positive = Relu (recurrent)
    product_4 = MatMul (positive, weight_4)
    sum_4 = Add (product_4, bias_4)
    prob = Sigmoid (sum_4)
    probs = Squeeze (prob, last)
}
"""


def for_many_tracks(path: Path) -> bytes:
    """Return Silero VAD as an ONNX model that takes several tracks at once.

    Its inputs are ``windows``, shape (n_frames, n_tracks, 576): 64 samples of context and 512 new ones; ``lengths``,
    shape (n_tracks,), int32: how many of the frames each track has; ``h`` and ``c``, shape (1, n_tracks, 128): the
    recurrent state. Its outputs are ``probs``, shape (n_frames, n_tracks), and the state after each track's last frame.

    Parameters
    ----------
    path : Path
        Silero VAD v6 for 16 kHz as the faster-whisper wheel carries it.

    Raises
    ------
    ModelError
        If the file cannot be read, or is another model.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        published = onnx.load(path)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file; {MEND}") from None
    except (OSError, DecodeError) as error:
        raise ModelError(f"{path} is no ONNX model ({error}); {MEND}") from error
    held = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in published.graph.initializer}
    if strange := [name for name, shape in _WEIGHTS.items() if name not in held or held[name].shape != shape]:
        raise ModelError(f"{path} is not the Silero VAD that voicepipe knows ({', '.join(strange)}); {MEND}")
    return graph_of(_GRAPH, _weights(held))


def _weights(held: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Return the weights as the matrices that rows are multiplied with.

    The third convolution ends with one column of which a neighbour is missing, and the fourth has no neighbours: those
    taps only ever meet zeros and are left out.
    """
    basis = held["encoder.feature_extractor.forward_basis_buffer"][:, 0].T
    n_bins = math.ceil(basis.shape[1] / 2)
    taps = {0: (0, 1, 2), 1: (0, 1, 2), 2: (1, 2), 3: (1,)}
    layers = {
        f"weight_{layer}": np.concatenate([held[f"encoder.conv_layers.{layer}.weight"][:, :, tap].T for tap in used])
        for layer, used in taps.items()
    }
    biases = {f"bias_{layer}": held[f"encoder.conv_layers.{layer}.bias"] for layer in taps}
    return {
        "cosines": basis[:, :n_bins],
        "sines": basis[:, n_bins:],
        **layers,
        **biases,
        "weight_in": held["onnx::LSTM_209"],
        "weight_back": held["onnx::LSTM_210"],
        "bias_lstm": held["onnx::LSTM_211"],
        "weight_4": held["decoder.conv1d.weight"][0],
        "bias_4": held["decoder.conv1d.bias"],
    }

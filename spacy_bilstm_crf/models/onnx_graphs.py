"""ONNX graphs of the networks: made from their weights, run by `onnx`.

torch has the gates of an LSTM in the order input, forget, cell, output; ONNX has input, output,
forget, cell.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

Precision = Literal["float32", "int8"]
# Versions of the format that ONNX Runtime has been reading for years
OPSET, IR_VERSION = 17, 8
_ONNX_GATES = [0, 3, 1, 2]
# A gate with this bias is open or shut, whatever else it gets
_ALWAYS = 100.0
_FAR_BELOW = -1e30
# Share of the difference between inputs that is moved to the weights. On three data sets 0.75 had
# the smallest errors of 0.5, 0.75 and 1
SMOOTHING = 0.75
LEAST_WEIGHT = 1e-3


class LSTMWeights(NamedTuple):
    """Parameters of a bidirectional LSTM layer, as torch names and shapes them, float32.

    Attributes:
        inputs: `weight_ih` of both directions, [2, 4 * units, n_inputs].
        hidden: `weight_hh`, [2, 4 * units, units].
        bias: `bias_ih` and `bias_hh` together, [2, 4 * units].
    """

    inputs: np.ndarray
    hidden: np.ndarray
    bias: np.ndarray

    @property
    def n_units(self) -> int:
        """Units of each direction."""
        return self.hidden.shape[2]

    def in_onnx_order(self) -> "LSTMWeights":
        """Return the same with the gates in the order of ONNX."""

        def reordered(x: np.ndarray) -> np.ndarray:
            by_gate = x.reshape(2, 4, self.n_units, *x.shape[2:])
            return by_gate[:, _ONNX_GATES].reshape(x.shape)

        return LSTMWeights(*map(reordered, self))

    def with_full_range(self) -> "LSTMWeights":
        """Add two inputs and two units whose values span the range of all others.

        ONNX Runtime quantizes the inputs and the hidden states of a step with one scale for the
        whole batch, given by their extremes. So a text would get other scores in another batch. The
        added units keep all that enters their cell: after t steps that is t or -t, which no other
        cell can exceed, so their hidden states are the extremes of every batch. The added inputs
        do the same for the inputs. Nothing else reads either.

        Returns:
            Weights in the order of ONNX for n_inputs + 2 inputs and n_units + 2 units.
        """
        units = self.n_units

        def padded(x: np.ndarray, *after: tuple[int, int]) -> np.ndarray:
            by_gate = x.reshape(2, 4, units, *x.shape[2:])
            return np.pad(by_gate, ((0, 0), (0, 0), (0, 2), *after))

        inputs, hidden = padded(self.inputs, (0, 2)), padded(self.hidden, (0, 2))
        bias = padded(self.bias)
        bias[:, :, units:] = _ALWAYS
        bias[:, 3, units + 1] = -_ALWAYS  # the cell of one of them falls
        shape = (2, 4 * (units + 2))
        return LSTMWeights(
            inputs.reshape(*shape, -1), hidden.reshape(*shape, -1), bias.reshape(shape)
        )


class _Builder:
    """Collects the nodes and the constants of a graph."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        """Add a constant, and return its name."""
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        array = np.ascontiguousarray(np.asarray(value, dtype=dtype))
        self.constants.append(numpy_helper.from_array(array.reshape(np.shape(value)), name))
        return name

    def node(self, kind: str, *inputs: str, n_outputs: int = 1, **attributes: Any) -> str:
        """Add an operation, and return the name of its last output; the others are unused."""
        from onnx import helper

        name = f"{kind}_{len(self.nodes)}"
        outputs = [""] * (n_outputs - 1) + [name]
        self.nodes.append(helper.make_node(kind, inputs, outputs, **attributes))
        return name

    def lstm(self, inputs: str, lengths: str, weights: LSTMWeights, n_outputs: int = 1) -> str:
        """Add a bidirectional LSTM, and return the name of its states, or of its last ones."""
        bias = np.concatenate([weights.bias, np.zeros_like(weights.bias)], axis=1)
        names = [self.constant(x) for x in (weights.inputs, weights.hidden, bias)]
        return self.node(
            "LSTM",
            inputs,
            *names,
            lengths,
            n_outputs=n_outputs,
            hidden_size=weights.n_units,
            direction="bidirectional",
        )

    def model(self, inputs: Mapping[str, tuple[type, Any]], output: str, shape: list) -> Any:
        """Return the graph: names, types and shapes of its inputs, its output and its shape."""
        from onnx import helper

        def value(name: str, dtype: type, shape: list) -> Any:
            element = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
            return helper.make_tensor_value_info(name, element, shape)

        given = [value(name, dtype, of_input) for name, (dtype, of_input) in inputs.items()]
        outputs = [value(output, np.float32, shape)]
        graph = helper.make_graph(self.nodes, "spacy-bilstm-crf", given, outputs, self.constants)
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        # There is nothing to simplify before it is quantized, which would be advised otherwise
        helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})
        return model


def recurrent_graph(
    layers: list[LSTMWeights],
    emissions: tuple[np.ndarray, np.ndarray] | None,
    n_inputs: int,
    largest: np.ndarray | None = None,
) -> bytes:
    """Make the graph of LSTM layers.

    Its inputs are `tokens`, float32 [n_steps, n_sequences, n_inputs], and `lengths`, int32
    [n_sequences]; its output is float32 [n_steps, n_sequences, n_outputs].

    Args:
        layers: Weights of the layers.
        emissions: Weight [n_outputs, n_inputs of this layer] and bias of a linear layer on top of
            them, if any.
        n_inputs: Width of the inputs.
        largest: Quantizes the LSTMs to 8 bits: the largest absolute value of each input,
            [n_inputs]. What is beyond is cut off. None keeps float32.
    """
    builder = _Builder()
    states, width = "tokens", n_inputs
    as_int8, bound = False, 1.0
    if largest is not None and layers:
        as_int8, scales = True, _smoothing(largest, layers[0].inputs)
        bound = float((largest / scales).max())
        layers = [layers[0]._replace(inputs=layers[0].inputs * scales), *layers[1:]]
        states = builder.node("Mul", states, builder.constant(1.0 / scales))
        bounds = (builder.constant(-bound), builder.constant(bound))
        states = builder.node("Clip", states, *bounds)
    for weights in layers:
        units = weights.n_units
        in_order = weights.in_onnx_order()
        if as_int8:
            for extreme in (bound, -bound):
                pads = builder.constant([0, 0, 0, 0, 0, 1], np.int64)
                states = builder.node("Pad", states, pads, builder.constant(extreme))
            bound = 1.0  # of the states, which the next layer reads
            in_order = in_order.with_full_range()
        states = builder.lstm(states, "lengths", in_order)
        if as_int8:  # without the added units
            kept = [builder.constant([x], np.int64) for x in (0, units, 3)]
            states = builder.node("Slice", states, *kept)
        states = builder.node("Transpose", states, perm=[0, 2, 1, 3])
        width = 2 * units
        states = builder.node("Reshape", states, builder.constant([0, 0, width], np.int64))
    if emissions is not None:
        weight, bias = emissions
        states = builder.node("MatMul", states, builder.constant(weight.T))
        states = builder.node("Add", states, builder.constant(bias))
        width = len(bias)
    if states == "tokens":  # no layers, and nothing above
        states = builder.node("Identity", states)
    inputs = {
        "tokens": (np.float32, ["steps", "sequences", n_inputs]),
        "lengths": (np.int32, ["sequences"]),
    }
    model = builder.model(inputs, states, ["steps", "sequences", width])
    return _quantized(model) if as_int8 else bytes(model.SerializeToString())


def _smoothing(largest: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return what to divide inputs by, and to multiply their weights with, before both are rounded.

    One scale is for all inputs, so that a large one leaves few digits to the others. Some of the
    difference is moved to the weights (Xiao et al. 2023, "SmoothQuant", equation 4).

    Args:
        largest: Largest absolute value of each input, above 0, [n_inputs].
        weights: Their weights, [2, 4 * units, n_inputs].
    """
    of_weights = np.maximum(np.abs(weights).max(axis=(0, 1)), LEAST_WEIGHT)
    return (largest**SMOOTHING / of_weights ** (1.0 - SMOOTHING)).astype(np.float32)


def _quantized(model: Any) -> bytes:
    """Return a graph with the weights of its LSTMs in 8 bits."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "quantized.onnx"
        # Unsigned weights: without VNNI instructions, products of signed ones can overflow
        quantize_dynamic(
            model,
            path,
            op_types_to_quantize=["LSTM"],
            per_channel=True,
            weight_type=QuantType.QUInt8,
        )
        return path.read_bytes()


def char_cnn_graph(embedding: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> bytes:
    """Make the graph of a convolution over the characters of words, with max pooling.

    Its inputs are `characters`, int64 [n_words, most characters], where 0 is padding, and
    `lengths`, int32 [n_words]; its output is float32 [n_words, n_filters].

    Args:
        embedding: Vectors of the characters, [n_rows, char_width].
        weight: [n_filters, char_width, window].
        bias: [n_filters].
    """
    builder = _Builder()
    window = weight.shape[2]
    pads = builder.constant([0, window // 2, 0, window - 1 - window // 2], np.int64)
    spaced = builder.node("Pad", "characters", pads)
    vectors = builder.node("Gather", builder.constant(embedding), spaced)
    columns = builder.node("Transpose", vectors, perm=[0, 2, 1])
    outputs = builder.node("Conv", columns, builder.constant(weight), builder.constant(bias))
    # Positions after the last character don't count
    n_positions = builder.node("Gather", builder.node("Shape", "characters"), _scalar(builder, 1))
    position = builder.node("Range", _scalar(builder, 0), n_positions, _scalar(builder, 1))
    lengths = builder.node("Cast", "lengths", to=7)  # int64
    lengths = builder.node("Unsqueeze", lengths, builder.constant([1, 2], np.int64))
    is_inside = builder.node("Less", position, lengths)
    outputs = builder.node("Where", is_inside, outputs, builder.constant(_FAR_BELOW))
    pooled = builder.node("ReduceMax", outputs, axes=[2], keepdims=0)
    return _of_characters(builder, pooled, len(bias))


def char_lstm_graph(embedding: np.ndarray, weights: LSTMWeights) -> bytes:
    """Make the graph of the last states of a bidirectional LSTM over the characters of words.

    Inputs and output are those of `char_cnn_graph`.

    Args:
        embedding: Vectors of the characters, [n_rows, char_width].
        weights: Weights of the LSTM.
    """
    builder = _Builder()
    vectors = builder.node("Gather", builder.constant(embedding), "characters")
    steps = builder.node("Transpose", vectors, perm=[1, 0, 2])
    last = builder.lstm(steps, "lengths", weights.in_onnx_order(), n_outputs=2)
    last = builder.node("Transpose", last, perm=[1, 0, 2])
    width = 2 * weights.n_units
    last = builder.node("Reshape", last, builder.constant([0, width], np.int64))
    return _of_characters(builder, last, width)


def _scalar(builder: _Builder, value: int) -> str:
    return builder.constant(value, np.int64)


def _of_characters(builder: _Builder, output: str, width: int) -> bytes:
    inputs = {"characters": (np.int64, ["words", "most"]), "lengths": (np.int32, ["words"])}
    return bytes(builder.model(inputs, output, ["words", width]).SerializeToString())

"""Exported layers: a tree of Thinc layers whose networks need NumPy and ONNX Runtime, not torch."""

from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar, cast

import numpy as np
import srsly
from spacy.tokens import Doc
from thinc.api import Model, NumpyOps, Shim, chain
from thinc.types import Floats1d, Floats2d

from ..common.errors import UserError, check_installed
from ..potentials import Potentials
from .padding import batches_of_similar_length
from .sentences import sentence_by_sentence
from .torch_layer import check_tok2vec, end_to_end, rows_of_docs
from .with_windows import with_windows

NOT_TRAINABLE = (
    "An exported pipeline predicts and can't be trained: train the pipeline that it was exported "
    "from, and export that again. In `spacy train`, name the component in frozen_components."
)
# What an additional step costs, in tokens of padding
PADDING_OF_A_STEP = 1.0
_OPS = NumpyOps()  # ONNX Runtime reads and writes NumPy arrays

State = dict[str, Any]
_Network = TypeVar("_Network")


class ExportedShim(Shim, Generic[_Network]):
    """Holds what an exported layer computes with.

    Args:
        network: Class of the network, which is made from its state.
    """

    _model: _Network | None
    state: State | None = None

    def __init__(self, network: Callable[[State], _Network]):
        super().__init__(None)
        self.network = network

    def set_state(self, state: State) -> None:
        """Make the network.

        Args:
            state: Arrays, ONNX graphs as bytes, and lists of strings, by name.
        """
        self.state = state
        self._model = self.network(state)

    def to_bytes(self) -> bytes:
        """Serialize the network: empty bytes for a layer without one."""
        return b"" if self.state is None else bytes(srsly.msgpack_dumps(self.state))

    def from_bytes(self, data: bytes) -> "ExportedShim":
        """Load the network from what `to_bytes` returned."""
        if data:
            self.set_state(srsly.msgpack_loads(data))
        return self

    def to_device(self, device_type: str, device_id: int) -> None:
        """Stay on the CPU."""

    def finish_update(self, optimizer: Any) -> None:
        """Keep the network as it is: there are no gradients."""

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the network, whose sessions can't be pickled or copied."""
        return {**self.__dict__, "_model": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self.state is not None:
            self.set_state(self.state)


class Graph:
    """Runs an ONNX graph in the thread that calls it.

    Args:
        content: The graph, serialized.
    """

    def __init__(self, content: bytes):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors
        providers = ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(content, options, providers=providers)
        self.n_outputs: int = self.session.get_outputs()[0].shape[-1]

    def __call__(self, **inputs: np.ndarray) -> np.ndarray:
        """Run the graph.

        Args:
            inputs: The inputs by name.

        Returns:
            Its only output.
        """
        return cast(np.ndarray, self.session.run(None, inputs)[0])


class Recurrent:
    """LSTM layers, with what is on top of them, as an ONNX graph.

    Args:
        state: The graph, and for a CRF its transition, start and end scores.
    """

    architecture = "exported BiLSTMCRF"

    def __init__(self, state: State):
        self.graph = Graph(state["graph"])
        self.scores: tuple[Floats2d, Floats1d, Floats1d] | None = None
        if "transitions" in state:
            self.scores = (state["transitions"], state["start"], state["end"])
        self.n_inputs: int = self.graph.session.get_inputs()[0].shape[-1]

    @property
    def n_tags(self) -> int:
        """Number of tags."""
        return self.graph.n_outputs

    def __call__(self, vectors: list[Floats2d]) -> list[Floats2d]:
        """Compute the outputs for the tokens of sequences.

        The outputs of a sequence do not depend on the others.

        Args:
            vectors: For each sequence, float32 [n_tokens, n_inputs].

        Returns:
            For each sequence, float32 [n_tokens, n_outputs].
        """
        lengths = [len(x) for x in vectors]
        if len(lengths) == 1 and lengths[0]:
            alone: Any = vectors[0]
            return [cast(Floats2d, self._run(alone[:, None], lengths)[:, 0])]
        outputs = np.empty((sum(lengths), self.graph.n_outputs), dtype=np.float32)
        of_sequences = rows_of_docs(cast(Floats2d, outputs), lengths)
        longest_first = np.argsort(lengths, kind="stable")[::-1]
        in_order = [lengths[i] for i in longest_first]
        for start, end in batches_of_similar_length(in_order, PADDING_OF_A_STEP):
            batch = longest_first[start:end]
            padded = np.zeros((lengths[batch[0]], len(batch), self.n_inputs), dtype=np.float32)
            for column, i in enumerate(batch):
                padded[: lengths[i], column] = vectors[i]
            found = self._run(padded, [lengths[i] for i in batch])
            for column, i in enumerate(batch):
                of_sequences[i][...] = found[: lengths[i], column]
        return of_sequences

    def _run(self, padded: Any, lengths: list[int]) -> np.ndarray:
        return self.graph(tokens=padded, lengths=np.array(lengths, dtype=np.int32))


def ONNXBiLSTMCRF(
    tok2vec: Model[list[Doc], list[Floats2d]],
    window: int | None = 1000,
    overlap: int = 100,
    by_sentence: bool = False,
) -> Model[list[Doc], Potentials]:
    """Exported `spacy-bilstm-crf.BiLSTMCRF.v1`: the BiLSTM in ONNX Runtime.

    The `export` command makes it of a trained pipeline. It predicts on the CPU, without torch.

    Args:
        tok2vec: Embeds the tokens: an exported layer, or one that was trained without torch.
        window: Longest stretch of a doc, in tokens, that the network reads at once.
        overlap: Tokens at each side of a window that give context.
        by_sentence: Restart LSTM and CRF at each sentence of a doc, as in training.

    Returns:
        The model, from docs to potentials.
    """
    check_tok2vec("ONNX", tok2vec)
    network = exported_layer("onnx_bilstm_crf", Recurrent, _predict_potentials)
    together = sentence_by_sentence if by_sentence else chain
    model = with_windows(together(tok2vec, network), window, overlap)
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("output_layer", network)
    model.attrs["resize_output"] = _keep_output
    return model


def ONNXEncoder(
    embed: Model[list[Doc], list[Floats2d]], by_sentence: bool = False
) -> Model[list[Doc], list[Floats2d]]:
    """Exported `spacy-bilstm-crf.BiLSTMEncoder.v1`.

    Args:
        embed: Embeds the tokens: an exported layer, or one that was trained without torch.
        by_sentence: Read each sentence of a doc on its own, as in training.

    Returns:
        The layer: for each doc, float32 [n_tokens, width].
    """
    check_tok2vec("ONNXEncoder", embed)
    network = exported_layer("onnx_bilstm_encoder", Recurrent, _predict_vectors)
    together = sentence_by_sentence if by_sentence else chain
    model: Model[list[Doc], list[Floats2d]] = together(embed, network)
    model.set_ref("embed", embed)
    return model


def exported_layer(name: str, network: Callable[[State], Any], predict: Callable) -> Model:
    """Create a layer that predicts with an exported network.

    Args:
        name: Name of the layer.
        network: Class of the network.
        predict: Computes the layer's output from the layer and its input.

    Raises:
        UserError: If ONNX Runtime is not installed.
    """
    check_installed("onnx", "onnxruntime")
    forward = partial(_forward, predict)
    shims: list[Shim] = [ExportedShim(network)]
    return Model(name, forward, init=_init, dims={"nI": None, "nO": None}, shims=shims)


def network_of(model: Model) -> Any:
    """Return the network of an exported layer.

    Raises:
        UserError: If it has none.
    """
    network = model.shims[0]._model
    if network is None:
        raise UserError(f"The layer '{model.name}' has no network yet. {NOT_TRAINABLE}")
    return network


def _forward(
    predict: Callable, model: Model, X: Any, is_train: bool
) -> tuple[Any, Callable[[Any], Any]]:
    if is_train:
        raise UserError(NOT_TRAINABLE)
    return predict(model, X), _no_backprop


def _init(model: Model, X: Any = None, Y: Any = None) -> None:
    raise UserError(NOT_TRAINABLE)


def _no_backprop(gradient: Any) -> Any:
    raise UserError(NOT_TRAINABLE)


def _keep_output(model: Model, n_tags: int, n_chains: int | None = None) -> Model:
    present = model.get_ref("output_layer").shims[0]._model
    if present is not None and present.n_tags != n_tags:
        raise UserError(NOT_TRAINABLE)
    return model


def _predict_vectors(model: Model, X: list[Floats2d]) -> list[Floats2d]:
    network = network_of(model)
    lengths = [len(x) for x in X]
    # Checks the widths, too
    flat = end_to_end(_OPS, [cast(Floats2d, _OPS.to_numpy(x)) for x in X], network.n_inputs)
    return network(rows_of_docs(flat, lengths))


def _predict_potentials(model: Model, X: list[Floats2d]) -> Potentials:
    return Potentials(_predict_vectors(model, X), *network_of(model).scores)

"""Exports trained models: the same tree of layers with ONNX graphs in place of torch networks."""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import numpy as np
from spacy.tokens import Doc
from spacy.util import registry
from spacy.vocab import Vocab
from thinc.api import Config, Model, NumpyOps

from ..common.errors import UserError
from ..potentials import Potentials
from .onnx import ExportedShim, State
from .onnx_graphs import (
    LSTMWeights,
    Precision,
    char_cnn_graph,
    char_lstm_graph,
    recurrent_graph,
)
from .torch_layer import shim_of

_OURS = "spacy-bilstm-crf."
# Of each architecture: the exported one, and its settings, which have the same names
EXPORTED = {
    f"{_OURS}BiLSTMCRF.v1": (
        f"{_OURS}ONNX.v1",
        ["tok2vec", "window", "overlap", "by_sentence"],
    ),
    f"{_OURS}BiLSTMEncoder.v1": (f"{_OURS}ONNXEncoder.v1", ["embed", "by_sentence"]),
    **{
        f"{_OURS}{name}": (
            f"{_OURS}ONNXEmbed.v1",
            ["lower", "zero_digits", "casing", "attrs", "max_chars", "span_features"],
        )
        for name in ("CharCNNEmbed.v1", "CharBiLSTMEmbed.v1")
    },
}
# Those that have layers of their own, but no network
COMPOSED = (f"{_OURS}DocumentContext.v1", f"{_OURS}Ensemble.v1")
# Words with vectors that show in what range the inputs of a network are
MOST_SAMPLES = 20_000
WORDS_OF_A_SAMPLE = 100


def export_model(
    model: Model[list[Doc], Potentials],
    block: dict[str, Any],
    precision: Precision = "float32",
    samples: Sequence[Doc] = (),
) -> tuple[Model[list[Doc], Potentials], dict[str, Any]]:
    """Export a trained model.

    Args:
        model: The model of a `bilstm_crf_ner`.
        block: Its block of the config.
        precision: "int8" quantizes the weights and states of the LSTMs to 8 bits, and rounds the
            vectors of words to float16.
        samples: For "int8", docs such as those of `docs_of_known_words`, annotated by the
            components before: they show in what range the inputs of the LSTMs are.

    Returns:
        The exported model, and its block of the config.

    Raises:
        UserError: If a layer can't be exported.
    """
    new_block = _exported_block(block)
    resolved = registry.resolve(Config({"model": new_block}).copy())
    new: Model[list[Doc], Potentials] = resolved["model"]
    inputs = _Inputs(model, list(samples)) if precision == "int8" else None
    for old_node, new_node in zip(model.walk(), new.walk(), strict=True):
        for shim in new_node.shims:
            if not isinstance(shim, ExportedShim):
                raise UserError(f"The layer '{new_node.name}' needs torch: it can't be exported.")
            if not shim_of(old_node)._model.state_dict():
                raise UserError(
                    f"The layer '{old_node.name}' is not trained: it can't be exported."
                )
            shim.set_state(_STATES[old_node.name](old_node, inputs))
        for name in old_node.param_names:
            new_node.set_param(name, old_node.get_param(name))
        for name in new_node.dim_names:
            if old_node.has_dim(name):
                new_node.set_dim(name, old_node.get_dim(name), force=True)
        if "vectors_width" in old_node.attrs:
            new_node.attrs["vectors_width"] = old_node.attrs["vectors_width"]
    return new, new_block


def _exported_block(block: dict[str, Any]) -> dict[str, Any]:
    """Return the config of an exported model."""
    architecture = block["@architectures"]
    if architecture in EXPORTED:
        name, settings = EXPORTED[architecture]
        new = {key: block[key] for key in settings if key in block}
        new["@architectures"] = name
    elif architecture in COMPOSED:
        new = dict(block)
    elif architecture.startswith("spacy."):
        return block  # trained without torch
    else:
        raise UserError(
            f"'{architecture}' can't be exported: only layers of this package and of spaCy can, "
            f"such as {_OURS}CharCNNEmbed.v1. A pipeline with a transformer can teach a small one "
            f"that can be: see the command distill."
        )
    for key in ("tok2vec", "embed"):
        if key in new:
            new[key] = _exported_block(new[key])
    if "*" in new:
        new["*"] = {key: _exported_block(member) for key, member in new["*"].items()}
    return new


class _Inputs:
    """What the networks of a model get for some docs."""

    def __init__(self, model: Model, docs: list[Doc]):
        self.docs = docs
        pairs = (node.layers for node in model.walk() if len(node.layers) == 2)
        self.below = {id(network): inputs for inputs, network in pairs}

    def largest(self, layer: Model) -> np.ndarray:
        """Return the largest absolute value of each input of a network; 1 if it gets only zeros."""
        vectors = map(NumpyOps().to_numpy, self.below[id(layer)].predict(self.docs))
        values = [np.abs(each).max(axis=0) for each in vectors if len(each)]
        largest = np.max(values, axis=0)
        return np.where(largest > 0.0, largest, 1.0).astype(np.float32)


def docs_of_known_words(model: Model, vocab: Vocab) -> list[Doc]:
    """Return docs of the words that a model knows and of some that have a vector."""
    words: list[str] = []
    for node in model.walk():
        words += node.attrs.get("counts", {})
    if vocab.vectors_length:
        words += islice((vocab.strings[key] for key in vocab.vectors), MOST_SAMPLES)
    known = [word for word in words or vocab.strings if word.strip()] or ["a"]
    starts = range(0, len(known), WORDS_OF_A_SAMPLE)
    return [Doc(vocab, words=known[start : start + WORDS_OF_A_SAMPLE]) for start in starts]


def _weights(layer: Model) -> dict[str, np.ndarray]:
    state = shim_of(layer)._model.state_dict()
    return {name: value.cpu().numpy() for name, value in state.items()}


def _lstm_weights(weights: dict[str, np.ndarray], prefix: str) -> LSTMWeights:
    def both(name: str) -> np.ndarray:
        return np.stack([weights[f"{prefix}.{name}_l0{way}"] for way in ("", "_reverse")])

    return LSTMWeights(both("weight_ih"), both("weight_hh"), both("bias_ih") + both("bias_hh"))


def _recurrent_state(layer: Model, inputs: _Inputs | None) -> State:
    weights, network = _weights(layer), shim_of(layer)._model
    layers = [_lstm_weights(weights, f"lstms.{number}") for number in range(network.depth)]
    names = ("transitions", "start", "end")
    scores: State = {name: weights[name] for name in names if name in weights}
    emissions = (weights["emissions.weight"], weights["emissions.bias"]) if scores else None
    largest = inputs.largest(layer) if inputs is not None and layers else None
    return {"graph": recurrent_graph(layers, emissions, network.n_inputs, largest), **scores}


def _embed_state(layer: Model, inputs: _Inputs | None) -> State:
    weights, network = _weights(layer), shim_of(layer)._model
    words = list(layer.attrs["counts"])
    blocks = [weights[f"blocks.{number}"] for number in range(len(network.blocks))]
    vectors = np.concatenate([np.zeros((0, network.word_width), np.float32), *blocks])
    table = weights["characters.embedding.weight"]
    if layer.name == "char_cnn_embed":
        convolution = [weights[f"characters.convolution.{name}"] for name in ("weight", "bias")]
        characters = char_cnn_graph(table, *convolution)
    else:
        characters = char_lstm_graph(table, _lstm_weights(weights, "characters.lstm"))
    dtype = np.float32 if inputs is None else np.float16
    return {
        "words": words,
        "vectors": vectors[: len(words)].astype(dtype),
        "unknown": weights["unknown"][0],
        "characters": characters,
        "attributes": [
            weights[f"attributes.{number}.weight"] for number in range(len(network.attributes))
        ],
        "spans": weights.get("spans.table.weight"),
    }


_STATES: dict[str, Callable[..., State]] = {
    "bilstm_crf": _recurrent_state,
    "bilstm_encoder": _recurrent_state,
    "char_cnn_embed": _embed_state,
    "char_bilstm_embed": _embed_state,
}

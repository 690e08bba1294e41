"""An encoder that can be pretrained: an embedding and bidirectional LSTM layers."""

from collections.abc import Callable
from typing import cast

import torch
from spacy.tokens import Doc
from thinc.api import ArgsKwargs, Model, chain, get_torch_default_device
from thinc.types import Floats2d

from .pytorch.bilstm_crf import BiLSTMEncoderNetwork, UninitializedBiLSTMCRF
from .recurrent import docs_to_torch, set_dropout
from .sentences import sentence_by_sentence
from .torch_layer import (
    check_positive,
    check_tok2vec,
    load_state,
    shim_of,
    torch_layer,
    vectors_of_docs,
)

ENCODER = "bilstm_encoder"  # name of the layer


def BiLSTMEncoder(
    embed: Model[list[Doc], list[Floats2d]],
    hidden_width: int = 128,
    depth: int = 1,
    dropout: float | None = None,
    locked_dropout: bool = False,
    by_sentence: bool = False,
) -> Model[list[Doc], list[Floats2d]]:
    """Encode tokens in context: an embedding and bidirectional LSTM layers.

    As the tok2vec of a `spacy-bilstm-crf.BiLSTMCRF.v1` with `depth = 0` it can be trained on raw
    text with `spacy pretrain`. The two together are the network of a BiLSTMCRF with LSTM layers.

    Args:
        embed: Embeds the tokens: any layer that returns a vector for each token of a doc.
        hidden_width: Units of each LSTM, per direction.
        depth: Number of bidirectional layers.
        dropout: Dropout rate before and after each layer. None follows `[training] dropout`.
        locked_dropout: Drop a feature from all tokens of a doc or from none.
        by_sentence: Read each sentence of a doc on its own. An earlier component has to set the
            sentences.

    Returns:
        The layer: for each doc, float32 [n_tokens, 2 * hidden_width].

    Raises:
        ValueError: If an argument is invalid.
    """
    check_tok2vec("BiLSTMEncoder", embed)
    check_positive("BiLSTMEncoder", hidden_width=hidden_width, depth=depth)
    bilstm = torch_layer(
        ENCODER,
        UninitializedBiLSTMCRF(hidden_width, depth),
        convert_inputs=_convert_inputs,
        convert_outputs=vectors_of_docs,
        deserialize=_deserialize,
    )
    bilstm.init = _init
    set_dropout(bilstm, "BiLSTMEncoder", dropout, locked_dropout)
    together = sentence_by_sentence if by_sentence else chain
    model: Model[list[Doc], list[Floats2d]] = together(embed, bilstm)
    model.set_ref("embed", embed)
    return model


def _init(model: Model, X: list[Floats2d] | None = None, Y: object = None) -> Model:
    if not X:
        raise ValueError(
            "BiLSTMEncoder must be initialized with docs, to determine the embedding's width."
        )
    shim = shim_of(model)
    sizes = (X[0].shape[1], shim._model.hidden_width, shim._model.depth)
    shim._model = BiLSTMEncoderNetwork(*sizes).to(get_torch_default_device())
    model.set_dim("nI", shim._model.n_inputs, force=True)
    model.set_dim("nO", shim._model.n_outputs, force=True)
    return model


def _convert_inputs(
    model: Model, X: list[Floats2d], is_train: bool
) -> tuple[ArgsKwargs, Callable[[ArgsKwargs], list[Floats2d]]]:
    if not isinstance(shim_of(model)._model, BiLSTMEncoderNetwork):
        raise ValueError(
            "The BiLSTMEncoder is not initialized. Call nlp.initialize before it is used."
        )
    return docs_to_torch(model, X, is_train)


def _deserialize(network: torch.nn.Module, state: bytes, device: torch.device) -> torch.nn.Module:
    hidden_width, depth = network.hidden_width, network.depth
    if not state:
        return UninitializedBiLSTMCRF(cast(int, hidden_width), cast(int, depth))
    weights = load_state(state, device)
    found = (
        sum(name.endswith("weight_ih_l0") for name in weights),
        weights["lstms.0.weight_hh_l0"].shape[1],
    )
    if found != (depth, hidden_width):
        raise ValueError(
            f"The weights are those of a BiLSTMEncoder with depth = {found[0]} and hidden_width = "
            f"{found[1]}, but the config has depth = {depth} and hidden_width = {hidden_width}."
        )
    n_inputs = weights["lstms.0.weight_ih_l0"].shape[1]
    loaded = BiLSTMEncoderNetwork(n_inputs, cast(int, hidden_width), cast(int, depth))
    loaded.load_state_dict(weights)
    return loaded.to(device)

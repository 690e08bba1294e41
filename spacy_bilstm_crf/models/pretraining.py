"""An objective for pretraining an encoder: the neighbouring words of each token."""

from collections.abc import Callable
from typing import cast

import numpy as np
from spacy.strings import get_string_id
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import ArgsKwargs, Model, Ops, get_torch_default_device, torch2xp, xp2torch
from thinc.compat import torch
from thinc.layers.pytorchwrapper import convert_pytorch_default_outputs
from thinc.types import Floats1d, Floats2d

from .encoder import ENCODER
from .torch_layer import check_positive, load_state, rows_of_docs, shim_of, torch_layer
from .word_features import form_of

# Layers that read single words, without their neighbours
WORD_EMBEDDINGS = ("char_cnn_embed", "char_bilstm_embed")


def NextAndPreviousWord(n_rows: int = 20000) -> Callable[[Vocab, Model], Model]:
    """Create an objective for `spacy pretrain`: predict the neighbouring words of each token.

    The forward LSTM predicts the next word, the backward LSTM the previous word (Peters et al.
    2017). That fits an LSTM better than the masked words of spaCy's own objectives. It needs a
    BiLSTMEncoder with a single layer on an embedding that reads single words: any other network
    has already seen the words that it is to predict.

    Args:
        n_rows: Rows of the table that words are hashed to.

    Returns:
        A function that `spacy pretrain` calls with the vocabulary and the encoder.

    Raises:
        ValueError: If there are no rows.
    """
    check_positive("NextAndPreviousWord", n_rows=n_rows)

    def create(vocab: Vocab, tok2vec: Model) -> Model:
        from .pytorch.language_model import NextAndPreviousWordNetwork

        _check_encoder(tok2vec)
        width = shim_of(tok2vec.layers[-1])._model.hidden_width
        output = torch_layer(
            "next_and_previous_word",
            NextAndPreviousWordNetwork(n_rows, width).to(get_torch_default_device()),
            convert_inputs=_states_and_words,
            convert_outputs=convert_pytorch_default_outputs,
            deserialize=_load,
        )
        model: Model = Model(
            "next_and_previous_words",
            _forward,
            init=_init_objective,
            layers=[tok2vec, output],
            attrs={"n_rows": n_rows, "loss": _loss},
        )
        model.set_ref("tok2vec", tok2vec)
        model.set_ref("output_layer", output)
        return model

    return create


def _check_encoder(tok2vec: Model) -> None:
    is_encoder = tok2vec.has_ref("embed") and tok2vec.layers[-1].name == ENCODER
    if not is_encoder or shim_of(tok2vec.layers[-1])._model.depth != 1:
        raise ValueError(
            "NextAndPreviousWord needs a spacy-bilstm-crf.BiLSTMEncoder.v1 with depth = 1 as the "
            "tok2vec: other layers see both directions, and with them the words to predict."
        )
    embed = tok2vec.get_ref("embed")
    if embed.name not in WORD_EMBEDDINGS:
        raise ValueError(
            f"NextAndPreviousWord needs an embedding that reads single words, such as "
            f"spacy-bilstm-crf.CharCNNEmbed.v1, but that of the encoder is '{embed.name}'."
        )
    if embed.attrs.get("reads_spans"):
        raise ValueError(
            "The encoder's embedding has span_features, but `spacy pretrain` runs no component "
            "that sets spans: pretrain without them."
        )


def _init_objective(model: Model, X: list[Doc] | None = None, Y: object = None) -> None:
    model.layers[0].initialize(X=X)


def _forward(
    model: Model, docs: list[Doc], is_train: bool
) -> tuple[Floats1d, Callable[[Floats1d], list[Doc]]]:
    tok2vec, output = model.layers
    vectors, backprop_vectors = tok2vec(docs, is_train)
    rows = rows_of_words(docs, model.attrs["n_rows"])
    losses, backprop = output((vectors, rows), is_train)
    return losses, lambda d_losses: backprop_vectors(backprop(d_losses))


def _loss(ops: Ops, docs: list[Doc], losses: Floats1d) -> tuple[float, Floats1d]:
    """Return the sum of the losses, as spaCy's objectives do, and the gradient of their mean."""
    n = max(len(losses), 1)
    return float(ops.xp.sum(losses)), ops.alloc1f(len(losses)) + ops.xp.float32(1.0 / n)


def rows_of_words(docs: list[Doc], n_rows: int) -> np.ndarray:
    """Return the row of each token of docs in a table that words are hashed to, int64 [tokens]."""
    orths = np.concatenate([doc.to_array("ORTH") for doc in docs])
    distinct, of_token = np.unique(orths, return_inverse=True)
    strings = docs[0].vocab.strings
    rows = [get_string_id(form_of(strings[int(orth)])) % n_rows for orth in distinct]
    return np.array(rows, dtype=np.int64)[of_token]


def _states_and_words(
    model: Model, inputs: tuple[list[Floats2d], np.ndarray], is_train: bool
) -> tuple[ArgsKwargs, Callable[[ArgsKwargs], list[Floats2d]]]:
    vectors, rows = inputs
    device = shim_of(model).device
    lengths = [len(x) for x in vectors]
    hidden = xp2torch(model.ops.xp.concatenate(vectors), requires_grad=is_train, device=device)
    of_docs = torch.tensor(lengths, dtype=torch.long, device="cpu")

    def from_torch(d_inputs: ArgsKwargs) -> list[Floats2d]:
        return rows_of_docs(cast(Floats2d, torch2xp(d_inputs.args[0])), lengths)

    arguments = (hidden, torch.from_numpy(rows).to(device), of_docs)
    return ArgsKwargs(args=arguments, kwargs={}), from_torch


def _load(network: "torch.nn.Module", state: bytes, device: "torch.device") -> "torch.nn.Module":
    network.load_state_dict(load_state(state, device))
    return network

"""What an encoder is pre-trained to predict: the words beside each token."""

from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from spacy.strings import get_string_id
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import ArgsKwargs, Model, Ops, get_torch_default_device, torch2xp, xp2torch
from thinc.types import Floats1d, Floats2d

from .encoder import LAYER
from .pytorch.language_model import NextAndPreviousWordNetwork
from .torch_layer import check_positive, load_state, rows_of_docs, shim_of, torch_layer
from .word_features import form_of

# Layers that see a word and nothing beside it
READERS_OF_WORDS = ("char_cnn_embed", "char_bilstm_embed")


def NextAndPreviousWord(n_rows: int = 20000) -> Callable[[Vocab, Model], Model]:
    """An objective of `spacy pretrain`: each token says which words are beside it.

    The forward LSTM says which comes next, and the backward LSTM which came before (Peters et al.
    2017). That fits an LSTM better than the masked words of spaCy's own objectives. Needs a
    BiLSTMEncoder of a single layer on an embedding that sees single words: any other would
    have seen the words that it is to say.

    Args:
        n_rows: Rows of a table of words, which they are hashed to.
    """
    check_positive("NextAndPreviousWord", n_rows=n_rows)

    def create(vocab: Vocab, tok2vec: Model) -> Model:
        _check_encoder(tok2vec)
        width = shim_of(tok2vec.layers[-1])._model.hidden_width
        output = torch_layer(
            "next_and_previous_word",
            NextAndPreviousWordNetwork(n_rows, width).to(get_torch_default_device()),
            convert_inputs=_states_and_words,
            convert_outputs=_improbabilities,
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
    is_encoder = tok2vec.has_ref("embed") and tok2vec.layers[-1].name == LAYER
    if not is_encoder or shim_of(tok2vec.layers[-1])._model.depth != 1:
        raise ValueError(
            "NextAndPreviousWord needs a spacy-bilstm-crf.BiLSTMEncoder.v1 with depth = 1 as the "
            "tok2vec: in other layers both directions have met, and know the words to be said."
        )
    embed = tok2vec.get_ref("embed")
    if embed.name not in READERS_OF_WORDS:
        raise ValueError(
            f"NextAndPreviousWord needs an embedding that sees single words, such as "
            f"spacy-bilstm-crf.CharCNNEmbed.v1, but that of the encoder is '{embed.name}'."
        )
    if embed.attrs.get("reads_spans"):
        raise ValueError(
            "The encoder's embedding has span_features, but `spacy pretrain` runs no component "
            "that sets spans: pre-train without them."
        )


def _init_objective(model: Model, X: list[Doc] | None = None, Y: object = None) -> None:
    model.layers[0].initialize(X=X)


def _forward(
    model: Model, docs: list[Doc], is_train: bool
) -> tuple[Floats1d, Callable[[Floats1d], list[Doc]]]:
    """Negative log-probability of each word beside a token."""
    tok2vec, output = model.layers
    vectors, backprop_vectors = tok2vec(docs, is_train)
    rows = _rows_of_words(docs, model.attrs["n_rows"])
    improbable, backprop = output((vectors, rows), is_train)
    return improbable, lambda d_improbable: backprop_vectors(backprop(d_improbable))


def _loss(ops: Ops, docs: list[Doc], improbable: Floats1d) -> tuple[float, Floats1d]:
    """The sum over the words, as spaCy's objectives have it, and the gradient of the mean."""
    n = max(len(improbable), 1)
    return float(ops.xp.sum(improbable)), ops.alloc1f(len(improbable)) + ops.xp.float32(1.0 / n)


def _rows_of_words(docs: list[Doc], n_rows: int) -> np.ndarray:
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


def _improbabilities(
    model: Model, inputs_outputs: tuple, is_train: bool
) -> tuple[Floats1d, Callable[[Floats1d], ArgsKwargs]]:
    _, output = inputs_outputs

    def to_torch(gradient: Floats1d) -> ArgsKwargs:
        d_output = xp2torch(gradient, device=shim_of(model).device)
        return ArgsKwargs(args=((output,),), kwargs={"grad_tensors": (d_output,)})

    return cast(Floats1d, torch2xp(output)), to_torch


def _load(network: torch.nn.Module, state: bytes, device: torch.device) -> torch.nn.Module:
    network.load_state_dict(load_state(state, device))
    return network

"""An encoder that can be pretrained: an embedding and bidirectional LSTM layers."""

from functools import partial

from spacy.tokens import Doc
from thinc.api import Model, chain, get_torch_default_device
from thinc.types import Floats2d

from .recurrent import docs_to_torch, load_network, set_dropout
from .sentences import sentence_by_sentence
from .torch_layer import check_positive, check_tok2vec, shim_of, torch_layer, vectors_of_docs

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
    from .pytorch.bilstm_crf import BiLSTMEncoderNetwork, UninitializedBiLSTMCRF

    check_tok2vec("BiLSTMEncoder", embed)
    check_positive("BiLSTMEncoder", hidden_width=hidden_width, depth=depth)
    bilstm = torch_layer(
        ENCODER,
        UninitializedBiLSTMCRF(hidden_width, depth),
        convert_inputs=docs_to_torch,
        convert_outputs=vectors_of_docs,
        deserialize=partial(load_network, BiLSTMEncoderNetwork),
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
    from .pytorch.bilstm_crf import BiLSTMEncoderNetwork

    shim = shim_of(model)
    sizes = (X[0].shape[1], shim._model.hidden_width, shim._model.depth)
    shim._model = BiLSTMEncoderNetwork(*sizes).to(get_torch_default_device())
    model.set_dim("nI", shim._model.n_inputs, force=True)
    model.set_dim("nO", shim._model.n_outputs, force=True)
    return model

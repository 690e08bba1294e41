"""The architecture BiLSTMCRF: from a tok2vec through a BiLSTM to potentials, as a Thinc model."""

import warnings
from collections.abc import Callable
from functools import partial
from numbers import Real
from typing import Any, cast

from spacy.tokens import Doc
from thinc.api import ArgsKwargs, Model, Shim, chain, get_torch_default_device, torch2xp, xp2torch
from thinc.types import Floats2d

from ..potentials import Potentials
from .recurrent import check_size, docs_to_torch, load_network, set_dropout
from .sentences import sentence_by_sentence
from .torch_layer import (
    check_positive,
    check_tok2vec,
    follow_optimizer,
    rows_of_docs,
    shim_of,
    torch_layer,
)
from .with_windows import with_windows


def BiLSTMCRF(
    tok2vec: Model[list[Doc], list[Floats2d]],
    hidden_width: int = 128,
    depth: int = 1,
    dropout: float | None = None,
    locked_dropout: bool = True,
    mixed_precision: bool = False,
    learn_rate_factor: float | None = 1.0,
    window: int | None = 1000,
    overlap: int = 100,
    by_sentence: bool = False,
) -> Model[list[Doc], Potentials]:
    """Bidirectional LSTM with a linear-chain CRF on top (Huang et al. 2015; Lample et al. 2016).

    Args:
        tok2vec: Embeds the tokens: any layer that returns a vector for each token of a doc.
        hidden_width: Units of each LSTM, per direction.
        depth: Number of bidirectional layers. 0 if the tok2vec has them already, as a
            `spacy-bilstm-crf.BiLSTMEncoder.v1` does.
        dropout: Dropout rate before and after each LSTM layer. None follows `[training] dropout`,
            which is right unless the tok2vec needs another rate.
        locked_dropout: Drop a feature from all tokens of a doc or from none (Gal and Ghahramani
            2016). False draws for each token on its own, which learns in fewer epochs and is the
            default of the component and of the shipped configs without a transformer.
        mixed_precision: Run the LSTM in half precision where that is safe. Needs a GPU.
        learn_rate_factor: Factor of the optimizer's step size. A number is for the BiLSTM and the
            CRF, but not the tok2vec: set it above 1 on top of a transformer, which needs small
            steps. None, the default of the component, suits the network to the optimizer: with Adam
            the BiLSTM, the CRF and those layers of the tok2vec that are of this package take five
            times its step, since its customary 0.001 is small for them. With other optimizers, and
            for all other layers, it is 1.
        window: Longest stretch of a doc, in tokens, that the network reads at once in prediction.
            A longer doc is read in windows and decoded whole. None never cuts a doc. Training
            reads whole docs.
        overlap: Tokens at each side of a window that give context: their own scores come from the
            neighbouring windows.
        by_sentence: Restart LSTM and CRF at each sentence of a doc, which suits a model that was
            trained on single sentences. An earlier component has to set the sentences.

    Returns:
        The model, from docs to potentials.

    Raises:
        ValueError: If an argument is invalid.
    """
    from .pytorch.bilstm_crf import BiLSTMCRFNetwork, UninitializedBiLSTMCRF

    check_tok2vec("BiLSTMCRF", tok2vec)
    check_positive("BiLSTMCRF", hidden_width=hidden_width)
    if depth < 0:
        raise ValueError(
            f"BiLSTMCRF needs a depth of 0 or above, but the config has depth = {depth}."
        )
    _check_factor(learn_rate_factor)
    if mixed_precision and get_torch_default_device().type != "cuda":
        warnings.warn(
            "BiLSTMCRF: mixed_precision is ignored, since no GPU is in use.", stacklevel=2
        )
        mixed_precision = False
    bilstm = torch_layer(
        "bilstm_crf",
        UninitializedBiLSTMCRF(hidden_width, depth),
        convert_inputs=docs_to_torch,
        convert_outputs=_convert_outputs,
        deserialize=partial(load_network, BiLSTMCRFNetwork),
        mixed_precision=mixed_precision,
        learn_rate_factor=learn_rate_factor,
    )
    bilstm.init = _init
    if learn_rate_factor is None:
        follow_optimizer(tok2vec)
    set_dropout(bilstm, "BiLSTMCRF", dropout, locked_dropout)
    together = sentence_by_sentence if by_sentence else chain
    model = with_windows(together(tok2vec, bilstm), window, overlap)
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("output_layer", bilstm)
    model.attrs["resize_output"] = resize_output
    return model


def resize_output(model: Model, n_tags: int, n_chains: int | None = None) -> Model:
    """Set the number of tags of a BiLSTMCRF. A trained network keeps what it has learned.

    Args:
        model: The model.
        n_tags: Number of tags, of all chains together, at least the present number.
        n_chains: Number of chains over the same tokens, each with its share of the tags. None for a
            single one, whose scores have no axis for chains.

    Returns:
        The model.
    """
    from .pytorch.bilstm_crf import BiLSTMCRFNetwork

    bilstm = model.get_ref("output_layer")
    network = shim_of(bilstm)._model
    if not isinstance(network, BiLSTMCRFNetwork):
        network.n_chains = n_chains
    elif network.n_tags != n_tags:
        network.add_tags(n_tags)
        # Optimizers store moments by this id, and those of the old shapes no longer fit
        with Shim.global_id_lock:
            Shim.global_id += 1
            shim_of(bilstm).id = Shim.global_id
    for node in (bilstm, model):
        node.set_dim("nO", n_tags, force=True)
    return model


def check_architecture(model: Model, component: str) -> None:
    """Check that a component's model predicts potentials.

    Args:
        model: The model.
        component: Name of the component, for the message.

    Raises:
        ValueError: Naming the model and the architecture it must have.
    """
    if "resize_output" not in model.attrs or not model.has_ref("output_layer"):
        raise ValueError(
            f"The model of '{component}' is a '{model.name}', which doesn't return emissions and "
            f"transitions. Its architecture must be 'spacy-bilstm-crf.BiLSTMCRF.v1', with other "
            f"layers as its tok2vec."
        )


def check_tags(model: Model, n_tags: int) -> None:
    """Check that a model has the number of tags that the component's labels need.

    Args:
        model: The model.
        n_tags: Number of tags of the labels.

    Raises:
        ValueError: Naming both numbers.
    """
    network = shim_of(model.get_ref("output_layer"))._model
    if hasattr(network, "n_tags"):  # or it is not initialized
        hint = " Labels are added with add_label, never by changing the component's settings."
        check_size(network, "tags", network.n_tags, n_tags, hint)


def _check_factor(learn_rate_factor: float | None) -> None:
    if learn_rate_factor is None:
        return
    if not isinstance(learn_rate_factor, Real) or not learn_rate_factor > 0.0:
        raise ValueError(
            f"BiLSTMCRF needs a learn_rate_factor above 0, or null, but the config has "
            f"{learn_rate_factor!r}. To keep a component as it is, name it in [training] "
            f"frozen_components."
        )


def _init(model: Model, X: list[Floats2d] | None = None, Y: object = None) -> Model:
    n_inputs = model.maybe_get_dim("nI")
    if n_inputs is None and X:
        n_inputs = X[0].shape[1]
    if n_inputs is None or not model.has_dim("nO"):
        raise ValueError(
            "BiLSTMCRF can't be initialized without the width of its tok2vec and the number of "
            "tags. Initialize it through the component: nlp.initialize(get_examples)."
        )
    from .pytorch.bilstm_crf import BiLSTMCRFNetwork

    shim = shim_of(model)
    n_chains, n_tags = shim._model.n_chains, model.get_dim("nO") // (shim._model.n_chains or 1)
    sizes = (n_inputs, shim._model.hidden_width, shim._model.depth, n_tags, n_chains)
    shim._model = BiLSTMCRFNetwork(*sizes).to(get_torch_default_device())
    model.set_dim("nI", n_inputs)
    return model


def _convert_outputs(
    model: Model, inputs_outputs: tuple, is_train: bool
) -> tuple[Potentials, Callable[[Potentials], ArgsKwargs]]:
    X, outputs = inputs_outputs
    device = shim_of(model).device
    emissions, transitions, start, end = (cast(Any, torch2xp(output)) for output in outputs)
    per_doc = rows_of_docs(emissions, [len(x) for x in X])

    def to_torch(d_potentials: Potentials) -> ArgsKwargs:
        gradients = (
            model.ops.xp.concatenate(d_potentials.emissions),
            d_potentials.transitions,
            d_potentials.start,
            d_potentials.end,
        )
        grad_tensors = [xp2torch(gradient, device=device) for gradient in gradients]
        return ArgsKwargs(args=(outputs,), kwargs={"grad_tensors": grad_tensors})

    return Potentials(per_doc, transitions, start, end), to_torch

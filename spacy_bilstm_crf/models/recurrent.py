"""Shared code of the layers around recurrent networks."""

from collections.abc import Callable
from numbers import Real
from typing import TYPE_CHECKING, cast

from thinc.api import ArgsKwargs, Model, torch2xp, xp2torch
from thinc.compat import torch
from thinc.types import Floats2d

from .settings import Configured
from .torch_layer import check_initialized, end_to_end, load_state, rows_of_docs, shim_of

if TYPE_CHECKING:
    from .pytorch.bilstm_crf import BiLSTMLayers, UninitializedBiLSTMCRF


def set_dropout(layer: Model, architecture: str, dropout: float | None, locked: bool) -> None:
    """Store a layer's dropout in its attributes.

    Args:
        layer: The layer.
        architecture: Name of the architecture, for the message.
        dropout: Dropout rate; None follows `[training] dropout`.
        locked: Whether to drop a feature from all tokens of a doc or from none.

    Raises:
        ValueError: If the dropout is not a rate.
    """
    is_rate = isinstance(dropout, Real) and 0.0 <= dropout < 1.0
    if dropout is not None and not is_rate:
        raise ValueError(
            f"{architecture} needs a dropout from 0 up to (not including) 1, or null, but the "
            f"config has dropout = {dropout!r}."
        )
    if dropout is None:
        # Thinc writes [training] dropout into this attribute of every node that has it
        layer.attrs["dropout_rate"] = 0.0
    else:
        layer.attrs["fixed_dropout_rate"] = Configured(dropout)
    layer.attrs["locked_dropout"] = Configured(locked)


def docs_to_torch(
    model: Model, X: list[Floats2d], is_train: bool
) -> tuple[ArgsKwargs, Callable[[ArgsKwargs], list[Floats2d]]]:
    """Convert the vectors of docs to the inputs of a network.

    Args:
        model: The layer around the network.
        X: Vectors of each doc, float32 [n_tokens, width].
        is_train: Whether the network is trained.

    Returns:
        The inputs (vectors of all tokens [n_tokens, width], lengths of the docs, dropout rate,
        whether it is locked), and the backprop callback.

    Raises:
        ValueError: If the network is not initialized.
    """
    from .pytorch.bilstm_crf import UninitializedBiLSTMCRF

    check_initialized(model, UninitializedBiLSTMCRF)
    flat = end_to_end(model.ops, X, model.get_dim("nI"))
    lengths = [len(x) for x in X]
    fixed = model.attrs.get("fixed_dropout_rate")
    training_rate = model.attrs.get("dropout_rate", 0.0) if fixed is None else fixed.value
    rate = training_rate if is_train else 0.0
    tokens = xp2torch(flat, requires_grad=is_train, device=shim_of(model).device)

    def from_torch(d_inputs: ArgsKwargs) -> list[Floats2d]:
        return rows_of_docs(cast(Floats2d, torch2xp(d_inputs.args[0])), lengths)

    locked = bool(model.attrs["locked_dropout"].value)
    of_docs = torch.tensor(lengths, dtype=torch.long, device="cpu")
    return ArgsKwargs(args=(tokens, of_docs, float(rate), locked), kwargs={}), from_torch


def load_network(
    kind: "type[BiLSTMLayers]",
    network: "UninitializedBiLSTMCRF | BiLSTMLayers",
    state: bytes,
    device: "torch.device",
) -> "torch.nn.Module":
    """Create a network from what `dump_state` returned.

    Args:
        kind: Class of the network.
        network: The network that it replaces, as the config describes it.
        state: The weights; empty if there were none.
        device: Where to put them.

    Raises:
        ValueError: If the weights have other sizes than the config.
    """
    from .pytorch.bilstm_crf import UninitializedBiLSTMCRF

    if not state:
        return UninitializedBiLSTMCRF(network.hidden_width, network.depth)
    loaded = kind.from_state(load_state(state, device), network.hidden_width)
    for what in ("hidden_width", "depth"):
        check_size(loaded, what, getattr(loaded, what), getattr(network, what))
    return loaded.to(device)


def check_size(
    network: "BiLSTMLayers", what: str, saved: int, expected: int, hint: str = ""
) -> None:
    """Check that a network has the size that the config and the labels beside it mean.

    Args:
        network: The network.
        what: Name of the size.
        saved: The network's value.
        expected: The expected value.
        hint: What to add to the message.

    Raises:
        ValueError: Naming both values.
    """
    if saved != expected:
        raise ValueError(
            f"The model's weights have {what} = {saved}, but the config and labels beside them "
            f"mean {what} = {expected} for its {network.architecture}. Restore the config.cfg and "
            f"the component's cfg file that were saved with these weights, or train again.{hint}"
        )

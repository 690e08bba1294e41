"""What the layers around recurrent networks have in common."""

from collections.abc import Callable
from numbers import Real
from typing import cast

import torch
from thinc.api import ArgsKwargs, Model, torch2xp, xp2torch
from thinc.types import Floats2d

from .settings import Configured
from .torch_layer import end_to_end, rows_of_docs, shim_of


def set_dropout(layer: Model, architecture: str, dropout: float | None, locked: bool) -> None:
    """Keep a layer's dropout in its attributes.

    Raises:
        ValueError: If it is no rate, naming the architecture.
    """
    is_rate = isinstance(dropout, Real) and 0.0 <= dropout < 1.0
    if dropout is not None and not is_rate:
        raise ValueError(
            f"{architecture} needs a dropout from 0 up to (not including) 1, or null, but the "
            f"config has dropout = {dropout!r}."
        )
    if dropout is None:
        # [training] dropout is written into this attribute of every node that has it
        layer.attrs["dropout_rate"] = 0.0
    else:
        layer.attrs["fixed_dropout_rate"] = Configured(dropout)
    layer.attrs["locked_dropout"] = Configured(locked)


def docs_to_torch(
    model: Model, X: list[Floats2d], is_train: bool
) -> tuple[ArgsKwargs, Callable[[ArgsKwargs], list[Floats2d]]]:
    """Vectors of docs as what a network takes: tokens, lengths, dropout, whether that is locked.

    Returns:
        That, and what makes gradients of docs of the network's.
    """
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

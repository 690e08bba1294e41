"""How the layers of this package wrap a torch network for Thinc."""

import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pickle import UnpicklingError
from typing import Any, cast

import torch
from thinc.api import (
    ArgsKwargs,
    Model,
    Ops,
    Optimizer,
    PyTorchGradScaler,
    PyTorchShim,
    torch2xp,
    xp2torch,
)
from thinc.layers.pytorchwrapper import forward
from thinc.types import Floats2d, FloatsXd

from .processes import use_one_thread_in_children


class InPlaceShim(PyTorchShim):
    """Thinc's shim, with updates in place and with weights that averages can stand in for.

    Thinc's gives a parameter a new tensor at every step, which is a view of the last one when
    the optimizer works in place, as it does on a CPU. The views hold on to one another: memory
    grows with every step of training. And it looks for averages by keys that Thinc's optimizers
    never give them.
    """

    learn_rate_factor = 1.0  # of this network's steps

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        use_one_thread_in_children()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore from a pickle, as a worker that was spawned does."""
        self.__dict__.update(state)
        use_one_thread_in_children()

    def predict(self, inputs: ArgsKwargs) -> Any:
        """Run the network for prediction.

        Thinc's switches the module to evaluation and back, for all threads that use it. The
        networks of this package are told by each call what to drop, and have no such mode.
        """
        # A GPU may work in half precision; entering autocast takes longer than a short text
        half = torch.autocast("cuda") if self._mixed_precision else nullcontext()
        with torch.no_grad(), half:
            return self._model(*inputs.args, **inputs.kwargs)

    def begin_update(self, inputs: Any) -> Any:
        """Run the network for training, also where gradients are switched off around it."""
        with torch.enable_grad():
            return super().begin_update(inputs)

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the parameters with their gradients, and forget those."""
        is_optimizer = isinstance(optimizer, Optimizer)
        options = {"lr_scale": self.learn_rate_factor} if is_optimizer else {}
        for name, parameter in self._model.named_parameters():
            if parameter.grad is None:
                continue
            if not self._grad_scaler.found_inf:  # a gradient that overflowed is of no use
                gradient = cast(FloatsXd, torch2xp(parameter.grad))
                weights, _ = optimizer(
                    (self.id, name),
                    cast(FloatsXd, torch2xp(parameter.data)),
                    # `nlp.rehearse` passes a function that takes gradients down for later
                    gradient if is_optimizer else gradient.copy(),
                    **options,
                )
                updated = xp2torch(weights, device=parameter.device)
                if updated.data_ptr() != parameter.data_ptr():
                    parameter.data.copy_(updated)
            parameter.grad = None  # quicker than zeros, to which the next would be added
        self._grad_scaler.update()

    @contextmanager
    def use_params(self, params: dict[Any, FloatsXd]) -> Iterator[None]:
        """Put other values in the place of parameters for a while.

        Args:
            params: Values by the keys that a Thinc optimizer gives them, such as its averages.
        """
        saved = []
        for name, parameter in self._model.named_parameters():
            value = params.get((self.id, name))
            if value is not None:
                saved.append((parameter, parameter.data))
                parameter.data = xp2torch(value, device=parameter.device).clone()
        try:
            yield
        finally:
            for parameter, data in saved:
                parameter.data = data


def check_positive(layer: str, **sizes: int) -> None:
    """Check a layer's sizes, by the names that they have in the config.

    Raises:
        ValueError: Naming those that are below 1.
    """
    wrong = {name: size for name, size in sizes.items() if size < 1}
    if wrong:
        given = ", ".join(f"{name} = {size}" for name, size in wrong.items())
        raise ValueError(
            f"{layer} needs {' and '.join(wrong)} of at least 1, but the config has {given}."
        )


def torch_layer(
    name: str,
    network: torch.nn.Module,
    *,
    convert_inputs: Callable,
    convert_outputs: Callable,
    deserialize: Callable,
    mixed_precision: bool = False,
    learn_rate_factor: float = 1.0,
) -> Model:
    """A Thinc layer around a torch network. The arguments are `PyTorchWrapper_v3`'s, and what
    the optimizer's step size is multiplied with."""
    with torch.device("cpu"):  # where the scaler is made, whatever torch's default
        shim = InPlaceShim(
            network,
            mixed_precision=mixed_precision,
            grad_scaler=PyTorchGradScaler(mixed_precision),
            serialize_model=dump_state,
            deserialize_model=deserialize,
        )
    shim.learn_rate_factor = learn_rate_factor
    attrs = {"convert_inputs": convert_inputs, "convert_outputs": convert_outputs}
    return Model(name, forward, attrs=attrs, shims=[shim], dims={"nI": None, "nO": None})


def shim_of(model: Model) -> PyTorchShim:
    """The shim of a layer that wraps a torch network."""
    return cast(PyTorchShim, model.shims[0])


def dump_state(network: torch.nn.Module) -> bytes:
    """A network's parameters as bytes. A module without any is not initialized: no bytes."""
    state = network.state_dict()
    if not state:
        return b""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def load_state(state: bytes, device: torch.device) -> dict[str, torch.Tensor]:
    """Parameters from bytes; tensors alone, nothing that could run code.

    Raises:
        ValueError: If the bytes are damaged, or hold anything but tensors.
    """
    # torch writes checksums, but does not look at them
    with zipfile.ZipFile(io.BytesIO(state)) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"The weights are damaged: the checksum of {damaged} is wrong.")
    try:
        return torch.load(io.BytesIO(state), map_location=device, weights_only=True)
    except UnpicklingError:
        # Its own message advises to allow everything
        raise ValueError(
            "The weights hold something that is no tensor, which is never loaded: it could run "
            "code. A pipeline that this package has saved holds nothing of the kind."
        ) from None


def check_tok2vec(architecture: str, tok2vec: Model) -> None:
    """Check that a layer's tok2vec is one.

    Raises:
        ValueError: If it is a BiLSTMCRF, naming the architecture that it was given to.
    """
    if "resize_output" in tok2vec.attrs:
        raise ValueError(
            f"The tok2vec of {architecture} is a BiLSTMCRF, but it must be a layer that gives a "
            f"vector for each token, such as spacy-bilstm-crf.CharCNNEmbed.v1."
        )


def end_to_end(ops: Ops, vectors: list[Floats2d], width: int) -> Floats2d:
    """Vectors of docs in one array, [tokens, width]. Those of an empty doc may have no columns.

    Raises:
        ValueError: If they are of another width.
    """
    for each in vectors:
        if len(each) and each.shape[1] != width:
            raise ValueError(
                f"The tok2vec gives vectors of width {each.shape[1]}, but the layer above it was "
                f"made for {width}. A listener's width must be that of the component it listens to."
            )
    # Concatenating copies, which a Tok2VecListener needs: it hands out shared arrays
    return ops.xp.concatenate([ops.alloc2f(0, width), *(x for x in vectors if len(x))])


def rows_of_docs(flat: Floats2d, lengths: list[int]) -> list[Floats2d]:
    """Rows of a flat array for each doc, as views."""
    parts = []
    start = 0
    for length in lengths:
        parts.append(flat[start : start + length])
        start += length
    return parts


def vectors_of_docs(
    model: Model, inputs_outputs: tuple, is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], ArgsKwargs]]:
    """A network's token vectors for each doc, and what takes their gradients back to it."""
    docs, output = inputs_outputs
    parts = rows_of_docs(cast(Floats2d, torch2xp(output)), [len(doc) for doc in docs])

    def to_torch(d_parts: list[Floats2d]) -> ArgsKwargs:
        gradient = xp2torch(model.ops.xp.concatenate(d_parts), device=shim_of(model).device)
        return ArgsKwargs(args=((output,),), kwargs={"grad_tensors": (gradient,)})

    return parts, to_torch


def draw() -> float:
    """A random number from 0 up to 1, by torch's generator of the CPU."""
    return float(torch.rand((), dtype=torch.float32, device="cpu"))

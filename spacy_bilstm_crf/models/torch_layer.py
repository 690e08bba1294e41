"""Wraps a torch network as a Thinc layer, with its weights as bytes."""

import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import accumulate
from pickle import UnpicklingError
from typing import Any, cast

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
from thinc.compat import torch
from thinc.layers.pytorchwrapper import convert_pytorch_default_outputs, forward
from thinc.types import Floats2d, FloatsXd

from .processes import use_one_thread_in_children
from .retaining import RetainingOptimizer

# Adam's customary step size, 0.001, suits spaCy's hash tables. These networks learn best with
# several times that (benchmarks/drop_in)
ADAM_FACTOR = 5.0


class InPlaceShim(PyTorchShim):
    """Thinc's shim, with updates in place and support for averaged weights.

    Thinc's own shim gives a parameter a new tensor at every step. When the optimizer works in
    place, as on a CPU, that is a view of the last one, and the views keep one another alive: memory
    grows with every step of training. It also looks up averages by keys that Thinc's optimizers
    never use.

    Attributes:
        learn_rate_factor: Factor of the optimizer's step size for this network. None is
            `ADAM_FACTOR` for Adam, and 1 for others.
        n_changes: How often the parameters were updated or replaced here.
    """

    learn_rate_factor: float | None = 1.0
    n_changes: int = 0

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        use_one_thread_in_children()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore from a pickle, in a spawned worker for example."""
        self.__dict__.update(state)
        use_one_thread_in_children()

    def predict(self, inputs: ArgsKwargs) -> Any:
        """Run the network for prediction.

        Thinc's own shim switches the module to evaluation mode and back, for all threads at once.
        The networks of this package have no such mode: each call passes the dropout rate.

        Args:
            inputs: Arguments of the network.

        Returns:
            What the network returns.
        """
        # Only a GPU uses half precision: entering autocast takes longer than a short text
        half = torch.autocast("cuda") if self._mixed_precision else nullcontext()
        with torch.no_grad(), half:
            return self._model(*inputs.args, **inputs.kwargs)

    def begin_update(self, inputs: Any) -> Any:
        """Run the network for training, even if gradients are switched off around the call."""
        with torch.enable_grad():
            return super().begin_update(inputs)

    def finish_update(self, optimizer: Optimizer | RetainingOptimizer) -> None:
        """Update the parameters with their gradients, and clear the gradients."""
        self.n_changes += 1
        is_optimizer = isinstance(optimizer, (Optimizer, RetainingOptimizer))
        options = {"lr_scale": self._factor(optimizer)} if is_optimizer else {}
        for name, parameter in self._model.named_parameters():
            if parameter.grad is None:
                continue
            if not self._grad_scaler.found_inf:  # an overflowed gradient is useless
                gradient = cast(FloatsXd, torch2xp(parameter.grad))
                weights, _ = optimizer(
                    (self.id, name),
                    cast(FloatsXd, torch2xp(parameter.data)),
                    # `nlp.rehearse` passes a function that stores gradients for later
                    gradient if is_optimizer else gradient.copy(),
                    **options,
                )
                updated = xp2torch(weights, device=parameter.device)
                if updated.data_ptr() != parameter.data_ptr():
                    parameter.data.copy_(updated)
            parameter.grad = None  # faster than adding the next one to zeros
        self._grad_scaler.update()

    def _factor(self, optimizer: Optimizer | RetainingOptimizer) -> float:
        if self.learn_rate_factor is not None:
            return self.learn_rate_factor
        # Only Adam has second moments. Further training has small steps for a reason
        is_adam = isinstance(optimizer, Optimizer) and optimizer.b2 > 0.0
        return ADAM_FACTOR if is_adam else 1.0

    @contextmanager
    def use_params(self, params: dict[Any, FloatsXd]) -> Iterator[None]:
        """Replace parameters temporarily.

        Args:
            params: Values by the keys of a Thinc optimizer, such as its averages.
        """
        saved = []
        for name, parameter in self._model.named_parameters():
            value = params.get((self.id, name))
            if value is not None:
                saved.append((parameter, parameter.data))
                parameter.data = xp2torch(value, device=parameter.device).clone()
        self.n_changes += 1
        try:
            yield
        finally:
            for parameter, data in saved:
                parameter.data = data
            self.n_changes += 1


def check_positive(layer: str, **sizes: int) -> None:
    """Check that the sizes of a layer are at least 1.

    Args:
        layer: Name of the layer, for the message.
        sizes: The sizes, by their names in the config.

    Raises:
        ValueError: Naming the sizes that are below 1.
    """
    wrong = {name: size for name, size in sizes.items() if size < 1}
    if wrong:
        given = ", ".join(f"{name} = {size}" for name, size in wrong.items())
        raise ValueError(
            f"{layer} needs {' and '.join(wrong)} of at least 1, but the config has {given}."
        )


def check_initialized(model: Model, placeholder: "type[torch.nn.Module]") -> None:
    """Check that a layer has its network.

    Args:
        model: The layer.
        placeholder: Class of what a layer has before it is initialized.

    Raises:
        ValueError: Naming the layer.
    """
    if isinstance(shim_of(model)._model, placeholder):
        raise ValueError(
            f"The layer '{model.name}' is not initialized (spaCy's E109). Call nlp.initialize "
            f"before it is used."
        )


def torch_layer(
    name: str,
    network: "torch.nn.Module",
    *,
    convert_inputs: Callable,
    convert_outputs: Callable,
    deserialize: Callable,
    mixed_precision: bool = False,
    learn_rate_factor: float | None = 1.0,
) -> Model:
    """Wrap a torch network as a Thinc layer, as `PyTorchWrapper_v3` does.

    Args:
        name: Name of the layer.
        network: The network.
        convert_inputs: Converts the inputs of the layer to those of the network.
        convert_outputs: Converts the outputs of the network to those of the layer.
        deserialize: Makes a network from the present one, bytes and a device.
        mixed_precision: Whether to run the network in half precision where that is safe.
        learn_rate_factor: Factor of the optimizer's step size: see `InPlaceShim`.
    """
    with torch.device("cpu"):  # for the scaler, whatever torch's default is
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


def follow_optimizer(model: Model) -> None:
    """Leave the step size of all torch networks in a model to the optimizer: see `InPlaceShim`."""
    for node in model.walk():
        for shim in node.shims:
            if isinstance(shim, InPlaceShim):
                shim.learn_rate_factor = None


def shim_of(model: Model) -> PyTorchShim:
    """Return the shim of a layer that wraps a torch network."""
    return cast(PyTorchShim, model.shims[0])


def dump_state(network: "torch.nn.Module") -> bytes:
    """Serialize the parameters of a network: empty bytes for one that is not initialized."""
    state = network.state_dict()
    if not state:
        return b""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def load_state(state: bytes, device: "torch.device") -> "dict[str, torch.Tensor]":
    """Deserialize parameters. Only tensors are loaded, nothing that could run code.

    Args:
        state: What `dump_state` returned.
        device: Where to put the parameters.

    Returns:
        The parameters by name.

    Raises:
        ValueError: If the bytes are damaged, hold anything but tensors, or unfold to more than they
            are themselves.
    """
    # torch writes checksums, but does not look at them
    with zipfile.ZipFile(io.BytesIO(state)) as archive:
        _check_size(archive, len(state))
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"The weights are damaged: the checksum of {damaged} is wrong.")
    try:
        weights = torch.load(io.BytesIO(state), map_location=device, weights_only=True)
    except UnpicklingError:
        # Its own message advises to allow everything
        raise ValueError(
            "The weights contain something other than tensors, which is never loaded, since it "
            "could run code. Pipelines saved by this package contain nothing of the kind."
        ) from None
    # One with a stride of 0 may say that it is of any size
    wrong = [name for name, each in weights.items() if each.nbytes > len(state)]
    if wrong:
        raise ValueError(f"The weights are damaged: {wrong[0]} is larger than what was saved.")
    return weights


def _check_size(archive: zipfile.ZipFile, n_bytes: int) -> None:
    """Check that an archive unfolds to no more bytes than it has: torch compresses nothing.

    Raises:
        ValueError: If it would fill the memory.
    """
    members = archive.infolist()
    is_stored = all(member.compress_type == zipfile.ZIP_STORED for member in members)
    # Members may overlap
    if not is_stored or sum(member.file_size for member in members) > n_bytes:
        raise ValueError(
            "The weights are compressed, which is never unpacked, since it could fill the memory. "
            "Pipelines saved by this package are not."
        )


def check_tok2vec(architecture: str, tok2vec: Model) -> None:
    """Check that the tok2vec of a layer returns vectors.

    Args:
        architecture: Name of the layer's architecture, for the message.
        tok2vec: The tok2vec.

    Raises:
        ValueError: If it is a BiLSTMCRF.
    """
    if "resize_output" in tok2vec.attrs:
        raise ValueError(
            f"The tok2vec of {architecture} is a BiLSTMCRF, but it must be a layer that returns a "
            f"vector for each token, such as spacy-bilstm-crf.CharCNNEmbed.v1."
        )


def end_to_end(ops: Ops, vectors: list[Floats2d], width: int) -> Floats2d:
    """Concatenate the vectors of docs.

    Args:
        ops: Allocates the array.
        vectors: Vectors of each doc, float32 [n_tokens, width]; an empty doc may have any width.
        width: The width.

    Returns:
        float32 [n_tokens of all docs, width], always a copy.

    Raises:
        ValueError: If vectors have another width.
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
    """Split an array into the rows of each doc, as views.

    Args:
        flat: Rows of all docs, [n_tokens of all docs, width].
        lengths: Number of rows of each doc.
    """
    return [flat[end - length : end] for end, length in zip(accumulate(lengths), lengths)]


def vectors_of_docs(
    model: Model, inputs_outputs: tuple, is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], ArgsKwargs]]:
    """Convert a network's token vectors to one array per doc.

    Args:
        model: The layer around the network.
        inputs_outputs: The docs (or their vectors), and the network's output, float32
            [n_tokens of all docs, width].
        is_train: Whether the network is trained.

    Returns:
        The vectors of each doc, float32 [n_tokens, width], and the backprop callback.
    """
    docs, _ = inputs_outputs
    flat, to_torch = convert_pytorch_default_outputs(model, inputs_outputs, is_train)
    vectors = rows_of_docs(flat, [len(doc) for doc in docs])
    return vectors, lambda d_vectors: to_torch(model.ops.xp.concatenate(d_vectors))


def draw() -> float:
    """Draw a random number from 0 up to 1 from torch's CPU generator."""
    return float(torch.rand((), dtype=torch.float32, device="cpu"))

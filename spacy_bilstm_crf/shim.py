"""What the layers share that wrap a torch network in Thinc's shim."""

import io
from typing import Dict, List, cast

import torch
from thinc.api import Model, PyTorchShim
from thinc.types import Floats2d


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


def load_state(state: bytes, device: torch.device) -> Dict[str, torch.Tensor]:
    """Parameters from bytes; tensors alone, nothing that could run code."""
    return torch.load(io.BytesIO(state), map_location=device, weights_only=True)


def rows_of_docs(flat: Floats2d, lengths: List[int]) -> List[Floats2d]:
    """Rows of a flat array for each doc, as views."""
    parts = []
    start = 0
    for length in lengths:
        parts.append(flat[start : start + length])
        start += length
    return parts

"""Arrays of either kind: NumPy's, or torch tensors without autograd.

The code of the CRF calls functions and methods that both libraries have under the same name. Here
are the few for which they have different names.
"""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias, TypeVar

import numpy as np

Array: TypeAlias = Any
"""A NumPy array or a torch tensor."""
_F = TypeVar("_F", bound=Callable)


def namespace_of(array: Array) -> Any:
    """Return the module with an array's functions: `numpy`, or the `torch` that made it."""
    return np if isinstance(array, np.ndarray) else sys.modules["torch"]


def quietly(function: _F) -> _F:
    """Silence NumPy's warnings of 0 / 0, log 0 and overflow in a function, as torch has none."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return function(*args, **kwargs)

    return run  # type: ignore[return-value]


def device_of(array: Array) -> Any:
    """Return the device of a tensor; None for a NumPy array."""
    return None if isinstance(array, np.ndarray) else array.device


def asarray(array: np.ndarray, device: Any) -> Array:
    """Convert a NumPy array to what is computed on a device: see `device_of`."""
    return array if device is None else sys.modules["torch"].from_numpy(array).to(device)


def to_numpy(array: Array) -> np.ndarray:
    """Convert an array to NumPy."""
    return array if isinstance(array, np.ndarray) else array.cpu().numpy()


def float64(array: Array) -> Array:
    """Convert an array to float64, without a copy if it is already."""
    return array.astype(np.float64, copy=False) if isinstance(array, np.ndarray) else array.double()


def full(shape: tuple[int, ...], value: float, like: Array) -> Array:
    """Make an array of one value, with the kind, device and data type of another array."""
    is_numpy = isinstance(like, np.ndarray)
    return np.full(shape, value, like.dtype) if is_numpy else like.new_full(shape, value)


def empty(shape: tuple[int, ...], like: Array) -> Array:
    """Make an array to be filled, with the kind, device and data type of another array."""
    return np.empty(shape, like.dtype) if isinstance(like, np.ndarray) else like.new_empty(shape)


def arange(n: int, like: Array) -> Array:
    """Count from 0 up to n, as int64 of the kind and device of another array."""
    if isinstance(like, np.ndarray):
        return np.arange(n)
    return namespace_of(like).arange(n, device=like.device)


def take(array: Array, indices: Array, axis: int = 0) -> Array:
    """Select entries along an axis, by indices int64 [N]."""
    if isinstance(array, np.ndarray):
        return array.take(indices, axis)
    return array.index_select(axis, indices)


def totals(indices: Array, weights: Array, n: int) -> Array:
    """Sum the weights of each index below n."""
    if isinstance(indices, np.ndarray):
        return np.bincount(indices, weights, n)
    # torch's bincount is not deterministic on a GPU
    return weights.new_zeros(n).index_add_(0, indices, weights)


def maxima_of(array: Array) -> Callable[..., Array]:
    """Return the quickest function for the maxima of arrays of this kind along an axis."""
    return np.maximum.reduce if isinstance(array, np.ndarray) else namespace_of(array).amax


def contiguous(array: Array) -> Array:
    """Copy an array if it is not contiguous."""
    return np.ascontiguousarray(array) if isinstance(array, np.ndarray) else array.contiguous()


def top_k(array: Array, k: int) -> tuple[Array, Array]:
    """Find the k largest numbers along the last axis, largest first, and their indices."""
    if not isinstance(array, np.ndarray):
        return array.topk(k)
    indices = np.argpartition(array, -k, axis=-1)[..., -k:]
    largest = np.take_along_axis(array, indices, -1)
    order = np.argsort(-largest, axis=-1)
    return np.take_along_axis(largest, order, -1), np.take_along_axis(indices, order, -1)

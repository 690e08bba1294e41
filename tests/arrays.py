"""The kind of arrays that the CRF computes on in a test: see the fixture `kind_of_arrays`."""

import contextlib

import numpy as np
import pytest
import torch

from spacy_bilstm_crf import batching

KINDS = ["numpy", "torch"]
_kind = "numpy"


@contextlib.contextmanager
def computing_on(kind):
    """Let tests make arrays of a kind, and the component compute on them.

    torch on the CPU stands for a GPU: there the model's arrays become tensors, too.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.arrays._kind", kind)
        if kind == "torch":
            patch.setattr(batching, "to_crf", torch.from_numpy)
        yield


def array(values, dtype=None):
    """Make an array of the present kind."""
    made = np.asarray(values, dtype=dtype).copy()
    return torch.from_numpy(made) if _kind == "torch" else made


def ones(*shape):
    """Make weights of 1, float64."""
    return array(np.ones(shape))

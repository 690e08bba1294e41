"""Errors that say what to do: of files that do not fit, and of scores that are no numbers."""

from contextlib import contextmanager
from typing import Iterator

import torch
from thinc.api import get_array_module

from ..potentials import Potentials


def check_finite(potentials: Potentials, component: str) -> None:
    """Fail before NaN reaches the CRF, where the cause is harder to see.

    Raises:
        ValueError: If a score is NaN or infinite.
    """
    xp = get_array_module(potentials.transitions)
    parts = [*potentials.emissions, potentials.transitions]
    # A sum is finite only if every part of it is
    if not xp.isfinite(sum(xp.sum(part) for part in parts)):
        raise ValueError(
            f"The scores of the component '{component}' are NaN or infinite. If this is in "
            f"training, lower the optimizer's learn_rate or its grad_clip, and look for NaN "
            f"in the word vectors; a model that is saved so has to be trained again."
        )


@contextmanager
def explained_errors(source: str) -> Iterator[None]:
    """Say which component, and from where, can't be loaded, and what may help."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError):
        raise  # says nothing about the files
    except Exception as error:
        raise ValueError(
            f"Can't load a bilstm_crf_ner component from {source}: {error!r}. If files are "
            f"missing or cut short, copy or unpack the pipeline again; if the config or the "
            f"labels were changed since it was saved, put them back."
        ) from error

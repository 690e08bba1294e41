"""Pads docs of any length into batches for the CRF.

Potentials and masks have one array per doc. Docs of similar length are padded into one batch.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar, cast

import numpy as np
from thinc.api import torch2xp, xp2torch

from . import crf
from .constraints import Mask
from .potentials import Potentials
from .tags import OUTSIDE, count_labels, legal_transitions

# Padding may make a batch this much larger than its own tokens
MAX_PADDING = 0.25
# A batch up to this size may have any padding: a step costs the same for one doc as for ten
SMALL_BATCH = 2048  # tokens, with padding
# Most scores of a batch, with padding. The CRF needs about 80 bytes for each
LARGEST_BATCH = 1 << 21
# With many tags a batch may have this many tokens all the same, or it would be slow
LEAST_LARGEST = 512

_T = TypeVar("_T")


def batches_by_length(lengths: Sequence[int], n_tags: int) -> Iterator[np.ndarray]:
    """Yield batches of docs of similar length, shortest first, without the empty docs.

    With many tags batches are smaller, to bound their memory. Docs are never cut.

    Args:
        lengths: Number of tokens of each doc.
        n_tags: Number of tags.

    Yields:
        Indices of the docs of a batch, int64.
    """
    most = max(LARGEST_BATCH // n_tags, LEAST_LARGEST)
    order = np.argsort(lengths, kind="stable")
    batch: list[int] = []
    n_tokens = 0
    for i in order:
        if lengths[i] == 0:
            continue
        padded = lengths[i] * (len(batch) + 1)
        limit = max(SMALL_BATCH, (1 + MAX_PADDING) * (n_tokens + lengths[i]))
        if batch and padded > min(limit, most):
            yield np.array(batch)
            batch, n_tokens = [], 0
        batch.append(int(i))
        n_tokens += lengths[i]
    if batch:
        yield np.array(batch)


@dataclass(frozen=True)
class Distribution:
    """The distribution over the tag sequences of docs.

    Attributes:
        potentials: What the model predicted for the docs.
        allowed: Tags that each doc or its annotation allows, bool [n_tokens, n_tags]; None for all.
    """

    potentials: Potentials
    allowed: Sequence[Mask]

    def batches(self) -> Iterator["Batch"]:
        """Yield all docs that have tokens, in batches of similar length."""
        device = crf.device_of(to_crf(self.potentials.start))
        legal = legality(self.potentials.n_tags, device)
        lengths = [len(doc) for doc in self.potentials.emissions]
        for docs in batches_by_length(lengths, self.potentials.n_tags):
            yield Batch(self, docs, legal)

    def by_doc(self, of_batch: Callable[["Batch"], Iterable[_T]], default: _T) -> list[_T]:
        """Compute a value for each doc, a batch at a time.

        Args:
            of_batch: Returns the values of a batch's docs, in order.
            default: The value of docs without tokens.
        """
        found: dict[int, _T] = {}
        for batch in self.batches():
            found.update(zip(batch.docs.tolist(), of_batch(batch)))
        return [found.get(doc, default) for doc in range(len(self.potentials.emissions))]


def to_crf(array: Any) -> crf.Array:
    """Return a model's array as the CRF computes on it, without a copy.

    NumPy arrays are as they are. cupy's become torch tensors, since the CRF runs as torch
    operations on a GPU.
    """
    if isinstance(array, np.ndarray):
        return array
    return xp2torch(array, device=cast(Any, f"cuda:{array.device.id}"))


def to_model(array: crf.Array) -> Any:
    """Return an array of the CRF as models have it: the reverse of `to_crf`, in float32."""
    if isinstance(array, np.ndarray):
        return array.astype(np.float32)
    return torch2xp(array.float())


def _padded(docs: list[crf.Array]) -> crf.Array:
    """Pad arrays [n_tokens, n_tags] with zeros: [B, T, n_tags]. One alone is not copied."""
    if len(docs) == 1:
        return docs[0][None]
    n_steps, n_tags = max(map(len, docs)), docs[0].shape[1]
    padded = crf.full((len(docs), n_steps, n_tags), 0.0, like=docs[0])
    for row, doc in zip(padded, docs):
        row[: len(doc)] = doc
    return padded


@lru_cache(maxsize=8)
def legality(n_tags: int, device: Any = None) -> crf.Legality:
    """Return which tags may start a doc, follow one another and end it.

    The result is cached: don't write to it.

    Args:
        n_tags: Number of tags.
        device: The device of torch tensors; None for NumPy arrays.
    """
    legal = legal_transitions(count_labels(n_tags))
    pairs = np.zeros((n_tags, n_tags), dtype=bool)
    pairs[legal.ended[:, None], legal.fresh] = True
    pairs[legal.going_on[:, :, None], legal.inside[:, None, :]] = True
    # A doc starts and ends as if it were between outside tokens
    transitions = crf.asarray(pairs, device)
    blocks = crf.Blocks(*(crf.asarray(tags, device) for tags in legal))
    return crf.Legality(transitions, transitions[OUTSIDE], transitions[:, OUTSIDE], blocks)


class Batch:
    """Some of the docs of a distribution, as padded arrays.

    Attributes:
        docs: Indices of the docs, int64 [B].
        sizes: Number of tokens of each doc.
        shape: Docs, steps and tags: B, T, K.
        device: The device of torch tensors; None if the CRF computes on NumPy arrays.
        chain: The distribution over the docs' tag sequences.
    """

    def __init__(self, distribution: Distribution, docs: np.ndarray, legal: crf.Legality):
        self.docs = docs
        scores = self.scores_of(distribution.potentials)
        self.device = crf.device_of(scores.start)
        self.sizes = [len(distribution.potentials.emissions[doc]) for doc in docs]
        self.shape = tuple(scores.emissions.shape)
        lengths = crf.asarray(np.array(self.sizes), self.device)
        self.chain = crf.LinearChain(scores, lengths, legal, self.mask(distribution.allowed))

    def scores_of(self, potentials: Potentials) -> crf.Scores:
        """Select these docs' potentials and pad them."""
        return crf.Scores(
            _padded([to_crf(potentials.emissions[doc]) for doc in self.docs]),
            to_crf(potentials.transitions),
            to_crf(potentials.start),
            to_crf(potentials.end),
        )

    def mask(self, masks: Sequence[Mask]) -> crf.Array | None:
        """Select these docs' masks and pad them.

        Args:
            masks: The masks of all docs.

        Returns:
            bool [B, T, K]; None if all tags are allowed.
        """
        if all(masks[doc] is None for doc in self.docs):
            return None
        padded = np.ones(self.shape, dtype=bool)
        for row, doc in enumerate(self.docs):
            mask = masks[doc]
            if mask is not None:
                padded[row, : len(mask)] = mask
        return crf.asarray(padded, self.device)

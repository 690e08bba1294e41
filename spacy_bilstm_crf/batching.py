"""Pads docs of any length into batches for the CRF.

Potentials and masks have one array per doc. Docs of similar length are padded into one batch.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
import torch
from thinc.api import xp2torch
from torch import Tensor

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
        device: Where the CRF runs.
    """

    potentials: Potentials
    allowed: Sequence[Mask]
    device: torch.device

    def batches(self) -> Iterator["Batch"]:
        """Yield all docs that have tokens, in batches of similar length."""
        legal = legality(self.potentials.n_tags, self.device)
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


@lru_cache(maxsize=8)
def legality(n_tags: int, device: torch.device) -> crf.Legality:
    """Return which tags may start a doc, follow one another and end it.

    The result is cached: don't write to it.

    Args:
        n_tags: Number of tags.
        device: Where the tensors are.
    """
    legal = legal_transitions(count_labels(n_tags))
    pairs = np.zeros((n_tags, n_tags), dtype=bool)
    pairs[legal.ended[:, None], legal.fresh] = True
    pairs[legal.going_on[:, :, None], legal.inside[:, None, :]] = True
    # A doc starts and ends as if it were between outside tokens
    transitions = torch.from_numpy(pairs).to(device)
    blocks = crf.Blocks(*(torch.from_numpy(tags).to(device) for tags in legal))
    return crf.Legality(transitions, transitions[OUTSIDE], transitions[:, OUTSIDE], blocks)


class Batch:
    """Some of the docs of a distribution, as padded tensors on its device.

    Attributes:
        docs: Indices of the docs, int64 [B].
        sizes: Number of tokens of each doc.
        shape: Docs, steps and tags: B, T, K.
        chain: The distribution over the docs' tag sequences.
    """

    def __init__(self, distribution: Distribution, docs: np.ndarray, legal: crf.Legality):
        self.docs = docs
        self.device = distribution.device
        scores = self.scores_of(distribution.potentials)
        self.sizes = [len(distribution.potentials.emissions[doc]) for doc in docs]
        self.shape = tuple(scores.emissions.shape)
        lengths = torch.tensor(self.sizes, device=self.device)
        self.chain = crf.LinearChain(scores, lengths, legal, self.mask(distribution.allowed))

    def scores_of(self, potentials: Potentials) -> crf.Scores:
        """Select these docs' potentials and pad them."""
        flat = [xp2torch(potentials.emissions[doc], device=self.device) for doc in self.docs]
        pad = torch.nn.utils.rnn.pad_sequence
        return crf.Scores(
            flat[0][None] if len(flat) == 1 else pad(flat, batch_first=True),
            xp2torch(potentials.transitions, device=self.device),
            xp2torch(potentials.start, device=self.device),
            xp2torch(potentials.end, device=self.device),
        )

    def mask(self, masks: Sequence[Mask]) -> Tensor | None:
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
        return torch.from_numpy(padded).to(self.device)

"""Docs of any length <-> padded batches that the CRF works on.

The model's potentials and the masks come as one array per doc. Here they are padded into
batches of docs of similar length, handed to `crf`, and what comes back is cut up again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from thinc.api import xp2torch
from torch import Tensor

from . import crf
from .constraints import Mask
from .potentials import Potentials
from .tags import OUTSIDE, count_labels, legal_transitions

# A bucket is closed when padding would make it this much larger than its own tokens, but not
# while it is small: then a step costs the same for one doc as for ten
MAX_PADDING = 0.25
SMALL_BUCKET = 2048  # tokens, with padding
# Scores of the tokens of a bucket, with padding, unless that would be too few tokens to be quick.
# The CRF needs some 80 bytes for each
LARGEST_BUCKET = 1 << 21
LEAST_LARGEST = 512  # tokens


def buckets(lengths: Sequence[int], n_tags: int) -> Iterator[np.ndarray]:
    """Indices of the docs that have tokens, in groups of similar length, shortest first.

    With many tags a group is smaller, so that the memory it needs has a bound. A doc is not cut.
    """
    most = max(LARGEST_BUCKET // n_tags, LEAST_LARGEST)
    order = np.argsort(lengths, kind="stable")
    group: list[int] = []
    n_tokens = 0
    for i in order:
        if lengths[i] == 0:
            continue
        padded = lengths[i] * (len(group) + 1)
        limit = max(SMALL_BUCKET, (1 + MAX_PADDING) * (n_tokens + lengths[i]))
        if group and padded > min(limit, most):
            yield np.array(group)
            group, n_tokens = [], 0
        group.append(int(i))
        n_tokens += lengths[i]
    if group:
        yield np.array(group)


@dataclass(frozen=True)
class Distribution:
    """The distribution over the tag sequences of docs: all that decides how probable each is.

    Attributes:
        potentials: What the model says about the docs.
        allowed: What each doc, or its annotation, allows.
        device: Where it is worked out.
    """

    potentials: Potentials
    allowed: Sequence[Mask]
    device: torch.device

    def batches(self) -> Iterator["Batch"]:
        """All docs that have tokens, in batches of similar length."""
        legal = legality(self.potentials.n_tags, self.device)
        lengths = [len(doc) for doc in self.potentials.emissions]
        for docs in buckets(lengths, self.potentials.n_tags):
            yield Batch(self, docs, legal)


@lru_cache(maxsize=8)
def legality(n_tags: int, device: torch.device) -> crf.Legality:
    """Which tags may start a doc, follow one another and end it.

    Not to be written to: it is kept.
    """
    legal = legal_transitions(count_labels(n_tags))
    pairs = np.zeros((n_tags, n_tags), dtype=bool)
    pairs[legal.ended[:, None], legal.fresh] = True
    pairs[legal.going_on[:, :, None], legal.inside[:, None, :]] = True
    # A doc starts and ends as if an outside token were before it and after it
    transitions = torch.from_numpy(pairs).to(device)
    blocks = crf.Blocks(*(torch.from_numpy(part).to(device) for part in legal))
    return crf.Legality(transitions, transitions[OUTSIDE], transitions[:, OUTSIDE], blocks)


class Batch:
    """Some of the docs of a distribution, as padded tensors on its device."""

    def __init__(self, distribution: Distribution, docs: np.ndarray, legal: crf.Legality):
        self.docs = docs
        self.device = distribution.device
        scores = self.scores_of(distribution.potentials)
        self.sizes = [len(distribution.potentials.emissions[doc]) for doc in docs]
        self.shape = tuple(scores.emissions.shape)  # B, T, K
        lengths = torch.tensor(self.sizes, device=self.device)
        self.chain = crf.LinearChain(scores, lengths, legal, self.mask(distribution.allowed))

    def scores_of(self, potentials: Potentials) -> crf.Scores:
        """Potentials of these docs, padded."""
        flat = [xp2torch(potentials.emissions[doc], device=self.device) for doc in self.docs]
        return crf.Scores(
            flat[0][None]
            if len(flat) == 1
            else torch.nn.utils.rnn.pad_sequence(flat, batch_first=True),
            xp2torch(potentials.transitions, device=self.device),
            xp2torch(potentials.start, device=self.device),
            xp2torch(potentials.end, device=self.device),
        )

    def mask(self, masks: Sequence[Mask]) -> Tensor | None:
        """These docs' masks out of those of all docs, padded with "allowed". [B, T, K] bool.

        None where all is allowed.
        """
        if all(masks[doc] is None for doc in self.docs):
            return None
        padded = np.ones(self.shape, dtype=bool)
        for row, doc in enumerate(self.docs):
            mask = masks[doc]
            if mask is not None:
                padded[row, : len(mask)] = mask
        return torch.from_numpy(padded).to(self.device)

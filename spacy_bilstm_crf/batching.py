"""Docs of any length <-> padded batches that the CRF works on.

The model's potentials and the masks come as one array per doc. Here they are padded into
batches of docs of similar length, handed to `crf`, and what comes back is cut up again.
"""

from typing import Iterator, List, Optional, Sequence

import numpy as np
import torch
from thinc.api import xp2torch
from torch import Tensor

from . import crf
from .constraints import Mask
from .potentials import Potentials
from .tags import LegalTags

# A bucket is closed when padding would make it this much larger than its own tokens, but not
# while it is small: then a step costs the same for one doc as for ten
MAX_PADDING = 0.25
SMALL_BUCKET = 2048  # tokens, with padding


def buckets(lengths: Sequence[int]) -> Iterator[np.ndarray]:
    """Indices of the docs that have tokens, in groups of similar length, shortest first."""
    order = np.argsort(lengths, kind="stable")
    group: List[int] = []
    n_tokens = 0
    for i in order:
        if lengths[i] == 0:
            continue
        padded = lengths[i] * (len(group) + 1)
        if group and padded > max(SMALL_BUCKET, (1 + MAX_PADDING) * (n_tokens + lengths[i])):
            yield np.array(group)
            group, n_tokens = [], 0
        group.append(int(i))
        n_tokens += lengths[i]
    if group:
        yield np.array(group)


class Batch:
    """Potentials of some of the docs as padded tensors, on the model's device."""

    def __init__(self, potentials: Potentials, docs: np.ndarray, device: torch.device):
        emissions = [potentials.emissions[i] for i in docs]
        self.docs = docs
        self.device = device
        self.sizes = [len(doc) for doc in emissions]
        self.lengths = torch.tensor(self.sizes, device=device)
        flat = [xp2torch(doc, device=device) for doc in emissions]
        self.scores = crf.Scores(
            torch.nn.utils.rnn.pad_sequence(flat, batch_first=True),
            xp2torch(potentials.transitions, device=device),
            xp2torch(potentials.start, device=device),
            xp2torch(potentials.end, device=device),
        )

    def mask(self, masks: Sequence[Mask]) -> Optional[Tensor]:
        """These docs' masks out of those of all docs, padded with "allowed". [B, T, K] bool.

        None where all is allowed.
        """
        if all(masks[doc] is None for doc in self.docs):
            return None
        padded = np.ones(self.scores.emissions.shape, dtype=bool)
        for row, doc in enumerate(self.docs):
            mask = masks[doc]
            if mask is not None:
                padded[row, : len(mask)] = mask
        return torch.from_numpy(padded).to(self.device)


def batches(potentials: Potentials, device: torch.device) -> Iterator[Batch]:
    """All docs that have tokens, in batches of similar length."""
    for docs in buckets([len(doc) for doc in potentials.emissions]):
        yield Batch(potentials, docs, device)


def legality_on(legal: LegalTags, device: torch.device) -> crf.Legality:
    """What the tag scheme allows, on a device."""
    return crf.Legality(*(torch.from_numpy(part).to(device) for part in legal))

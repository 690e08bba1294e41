"""What the distribution over a doc's taggings says, beyond its entities."""

from typing import Iterator, List, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor

from .. import crf, tags
from ..batching import Batch, batches, legality_on
from ..constraints import Mask
from ..potentials import Potentials


def token_probabilities(
    device: torch.device, potentials: Potentials, legal: tags.LegalTags, allowed: Sequence[Mask]
) -> List[np.ndarray]:
    """The probability of each tag at each token: float32 [tokens, tags] of each doc."""
    found = [np.zeros(doc.shape, dtype=np.float32) for doc in potentials.emissions]
    for batch, constraints in _batches(device, potentials, legal, allowed):
        posterior = crf.forward_backward(batch.scores, batch.lengths, *constraints)
        marginals = posterior.marginals.float().cpu().numpy()
        for doc, rows, size in zip(batch.docs, marginals, batch.sizes):
            found[doc] = rows[:size].copy()
    return found


def entropies(
    device: torch.device, potentials: Potentials, legal: tags.LegalTags, allowed: Sequence[Mask]
) -> List[float]:
    """Entropy of the distribution over each doc's taggings, in nats."""
    found = [0.0] * len(potentials.emissions)
    for batch, constraints in _batches(device, potentials, legal, allowed):
        of_docs = crf.entropy(batch.scores, batch.lengths, *constraints).tolist()
        for doc, entropy in zip(batch.docs, of_docs):
            found[doc] = entropy
    return found


def k_best_taggings(
    device: torch.device,
    potentials: Potentials,
    legal: tags.LegalTags,
    allowed: Sequence[Mask],
    k: int,
) -> List[Tuple[List[tags.LabelledSpan], float]]:
    """The k most probable taggings of a single doc: their entities and their probability."""
    found: List[Tuple[List[tags.LabelledSpan], float]] = []
    for batch, constraints in _batches(device, potentials, legal, allowed):
        posterior = crf.forward_backward(batch.scores, batch.lengths, *constraints)
        taggings, scores = crf.k_best(batch.scores, *constraints, k)
        probabilities = (scores - posterior.log_partition).exp().tolist()
        for tag_ids, probability in zip(taggings.cpu().numpy(), probabilities):
            found.append((tags.spans_of_tags(tag_ids), probability))
    return found


def _batches(
    device: torch.device, potentials: Potentials, legal: tags.LegalTags, allowed: Sequence[Mask]
) -> Iterator[Tuple[Batch, Tuple[crf.Legality, Optional[Tensor]]]]:
    legality = legality_on(legal, device)
    for batch in batches(potentials, device):
        yield batch, (legality, batch.mask(allowed))

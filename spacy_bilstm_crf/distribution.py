"""What the distribution over a doc's taggings says, beyond its entities."""

import math
from dataclasses import replace
from typing import Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import torch
from thinc.api import Model
from torch import Tensor

from . import crf, tags
from .k_best import k_best
from .lattice import Batch, Mask, batches, legality_on
from .model import torch_device
from .potentials import Potentials

# Columns of the tags that an entity starts with: each entity has one of them, once
STARTS_OF_ENTITIES = [slice(tags.tag_id(move, 0), None, 4) for move in (tags.BEGIN, tags.UNIT)]


def token_probabilities(
    model: Model, potentials: Potentials, legal: tags.LegalTags, allowed: Sequence[Mask]
) -> List[np.ndarray]:
    """The probability of each tag at each token: float32 [tokens, tags] of each doc."""
    found = [np.zeros(doc.shape, dtype=np.float32) for doc in potentials.emissions]
    for batch, constraints in _batches(model, potentials, legal, allowed):
        posterior = crf.forward_backward(batch.scores, batch.lengths, *constraints)
        marginals = posterior.marginals.float().cpu().numpy()
        for doc, rows, size in zip(batch.docs, marginals, batch.sizes):
            found[doc] = rows[:size].copy()
    return found


def entropies(
    model: Model, potentials: Potentials, legal: tags.LegalTags, allowed: Sequence[Mask]
) -> List[float]:
    """Entropy of the distribution over each doc's taggings, in nats."""
    found = [0.0] * len(potentials.emissions)
    for batch, constraints in _batches(model, potentials, legal, allowed):
        of_docs = crf.entropy(batch.scores, batch.lengths, *constraints).tolist()
        for doc, entropy in zip(batch.docs, of_docs):
            found[doc] = entropy
    return found


def k_best_taggings(
    model: Model, potentials: Potentials, legal: tags.LegalTags, allowed: Sequence[Mask], k: int
) -> List[Tuple[List[tags.LabelledSpan], float]]:
    """The k most probable taggings of a single doc: their entities and their probability."""
    found: List[Tuple[List[tags.LabelledSpan], float]] = []
    for batch, constraints in _batches(model, potentials, legal, allowed):
        posterior = crf.forward_backward(batch.scores, batch.lengths, *constraints)
        taggings, scores = k_best(batch.scores, *constraints, k)
        probabilities = (scores - posterior.log_partition).exp().tolist()
        for tag_ids, probability in zip(taggings.cpu().numpy(), probabilities):
            found.append((tags.spans_of_tags(tag_ids), probability))
    return found


def _batches(
    model: Model, potentials: Potentials, legal: tags.LegalTags, allowed: Sequence[Mask]
) -> Iterator[Tuple[Batch, Tuple[crf.Legality, Optional[Tensor]]]]:
    device = torch_device(model)
    legality = legality_on(legal, device)
    for batch in batches(potentials, device):
        yield batch, (legality, batch.mask(allowed))


class Calibration(NamedTuple):
    """How scores are changed so that probabilities hold on data that was not trained on."""

    temperature: float = 1.0  # scores are divided by it
    entity_bias: float = 0.0  # and this is added to the score of a tagging for each entity

    def applied(self, potentials: Potentials) -> Potentials:
        """The potentials of the calibrated distribution."""
        if self.temperature != 1.0:
            potentials = potentials.scaled(1 / self.temperature)
        if self.entity_bias:
            emissions = [doc.copy() for doc in potentials.emissions]
            for doc in emissions:
                for columns in STARTS_OF_ENTITIES:
                    doc[:, columns] += self.entity_bias
            potentials = replace(potentials, emissions=emissions)
        return potentials


def fit_calibration(
    loss_and_gradient: Callable[[Potentials], Tuple[float, Potentials]], potentials: Potentials
) -> Calibration:
    """The calibration with which held-out annotation is most probable.

    Temperature scaling (Guo et al. 2017, section 4.2) with a correction of bias (Alexandari,
    Kundaje and Shrikumar 2020, section 3), for a CRF. Of full annotation the loss is convex
    in 1 / temperature and the bias, and where it is least the expected number of entities is
    that of the annotation. A normal prior of the bias and of the temperature's logarithm keeps
    them finite where nothing else does: if no entity is annotated, or all are found.

    loss_and_gradient (Callable): -log P(annotation), the sum over all docs, and its gradient.
    potentials (Potentials): What the model says about the docs.
    """
    one_for_each_entity = Calibration(entity_bias=1.0).applied(potentials.scaled(0.0))
    point = torch.zeros(2, dtype=torch.float64)  # the logarithm of 1 / temperature, and the bias

    def calibration() -> Calibration:
        return Calibration(math.exp(-float(point[0])), float(point[1]))

    def objective() -> float:
        loss, gradient = loss_and_gradient(calibration().applied(potentials))
        by_logarithm = gradient.dot(potentials) / calibration().temperature
        by_bias = gradient.dot(one_for_each_entity)
        point.grad = torch.tensor([by_logarithm, by_bias], dtype=torch.float64) + point
        return loss + float(point @ point) / 2

    optimizer = torch.optim.LBFGS(
        [point],
        max_iter=50,
        tolerance_grad=1e-3,  # float32 scores have no more digits
        tolerance_change=1e-6,
        line_search_fn="strong_wolfe",
    )
    optimizer.step(objective)
    return calibration()

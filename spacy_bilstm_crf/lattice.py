"""Docs of any length <-> padded batches that the CRF works on.

The model's potentials and the masks come as one array per doc. Here they are padded into
batches of docs of similar length, handed to `crf`, and what comes back is cut up again.
"""

from typing import Any, Iterator, List, NamedTuple, Optional, Sequence, Tuple, cast

import numpy as np
import torch
from thinc.api import Model, torch2xp, xp2torch
from thinc.types import Floats2d
from torch import Tensor

from . import crf, tags
from .model import torch_device
from .potentials import Potentials

Mask = Optional[np.ndarray]  # bool [tokens, tags], None where all is allowed

# A bucket is closed when padding would make it this much larger than its own tokens, but not
# while it is small: then a step costs the same for one doc as for ten
MAX_PADDING = 0.25
SMALL_BUCKET = 2048  # tokens, with padding


class Wrong(NamedTuple):
    """An entity that a doc is known not to have."""

    doc: int
    span: tags.LabelledSpan


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


def loss_and_gradient(
    model: Model,
    potentials: Potentials,
    legal: tags.LegalTags,
    allowed: Sequence[Mask],
    gold: Sequence[Mask],
    wrong: Sequence[Wrong],
) -> Tuple[float, Potentials]:
    """Negative log-likelihood of the annotation, summed over docs, and its gradient.

    See `crf.negative_log_likelihood`. Masks are one per doc.
    """
    device = torch_device(model)
    legality = legality_on(legal, device)
    total = _Total(model, potentials)
    for batch in batches(potentials, device):
        row_of = {int(doc): row for row, doc in enumerate(batch.docs)}
        here = [entity for entity in wrong if entity.doc in row_of]
        rows = [row_of[entity.doc] for entity in here]
        n_tags = batch.scores.emissions.shape[-1]
        sets = torch.ones(len(here), *batch.scores.emissions.shape[1:], dtype=torch.bool)
        for mask, entity, row in zip(sets, here, rows):
            of_span = tags.mask_of_span(entity.span, batch.sizes[row], n_tags)
            mask[: batch.sizes[row]] = torch.from_numpy(of_span)
        possible = batch.mask(gold)
        if possible is None:
            possible = torch.ones_like(batch.scores.emissions, dtype=torch.bool)
        loss, gradient = crf.negative_log_likelihood(
            batch.scores,
            batch.lengths,
            legality,
            batch.mask(allowed),
            possible,
            wrong_rows=torch.tensor(rows, dtype=torch.long, device=device),
            wrong=sets.to(device),
        )
        total.add(batch, loss, gradient)
    return total.value, total.gradient()


def divergence(
    model: Model,
    potentials: Potentials,
    tutor: Potentials,
    legal: tags.LegalTags,
    allowed: Sequence[Mask],
) -> Tuple[float, Potentials]:
    """KL divergence from a tutor's taggings, summed over docs, and its gradient.

    Both models must have the same tags.
    """
    device = torch_device(model)
    legality = legality_on(legal, device)
    total = _Total(model, potentials)
    for batch in batches(potentials, device):
        theirs = Batch(tutor, batch.docs, device)
        loss, gradient = crf.divergence(
            batch.scores, theirs.scores, batch.lengths, legality, batch.mask(allowed)
        )
        total.add(batch, loss, gradient)
    return total.value, total.gradient()


def expected_entity_tokens(
    model: Model,
    potentials: Potentials,
    legal: tags.LegalTags,
    allowed: Sequence[Mask],
) -> Tuple[float, Potentials]:
    """Expected number of tokens in entities, summed over docs, and its gradient."""
    device = torch_device(model)
    legality = legality_on(legal, device)
    in_entity = torch.arange(potentials.n_tags, device=device) != tags.OUTSIDE
    total = _Total(model, potentials)
    for batch in batches(potentials, device):
        expected, gradient = crf.expected_count(
            batch.scores, batch.lengths, legality, batch.mask(allowed), in_entity
        )
        total.add(batch, expected, gradient)
    return total.value, total.gradient()


class _Total:
    """Sums values and gradients of batches into those of all docs."""

    def __init__(self, model: Model, potentials: Potentials):
        self.value = 0.0
        self._emissions: List[Floats2d] = [
            model.ops.alloc2f(*doc.shape) for doc in potentials.emissions
        ]
        self._transitions = model.ops.alloc2f(*potentials.transitions.shape)
        self._start = model.ops.alloc1f(*potentials.start.shape)
        self._end = model.ops.alloc1f(*potentials.end.shape)

    def add(self, batch: Batch, value: Tensor, gradient: crf.Scores) -> None:
        self.value += float(value.sum())
        emissions, transitions, start, end = (
            cast(Any, torch2xp(part.float())) for part in gradient
        )
        for doc, rows, size in zip(batch.docs, emissions, batch.sizes):
            self._emissions[doc] = rows[:size]
        self._transitions += transitions
        self._start += start
        self._end += end

    def gradient(self) -> Potentials:
        return Potentials(self._emissions, self._transitions, self._start, self._end)


def legality_on(legal: tags.LegalTags, device: torch.device) -> crf.Legality:
    """What the tag scheme allows, on a device."""
    return crf.Legality(*(torch.from_numpy(part).to(device) for part in legal))

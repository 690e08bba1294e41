"""The CRF's objectives for docs of any length: computed in batches, summed over the docs."""

from typing import Any, cast

import torch
from thinc.api import get_array_module, torch2xp
from thinc.types import Floats2d
from torch import Tensor

from .. import crf, tags
from ..batching import Batch, Distribution
from ..potentials import Potentials
from .annotation import Annotation

Loss = tuple[float, Potentials]  # a loss and its gradient with respect to the potentials


def summed_negative_log_likelihood(
    device: torch.device, potentials: Potentials, annotation: Annotation
) -> Loss:
    """Compute the negative log-likelihood of the annotation, summed over docs.

    See `crf.negative_log_likelihood`.

    Args:
        device: Where the CRF runs.
        potentials: What the model predicted.
        annotation: What is known about the docs.

    Returns:
        The loss in nats, and its gradient.
    """
    total = _Sum(potentials)
    for batch in annotation.distribution(potentials, device).batches():
        row_of = {int(doc): row for row, doc in enumerate(batch.docs)}
        here = [span for span in annotation.incorrect if span.doc in row_of]
        rows = [row_of[span.doc] for span in here]
        _, n_steps, n_tags = batch.shape
        sets = torch.ones(len(here), n_steps, n_tags, dtype=torch.bool, device="cpu")
        for mask, incorrect, row in zip(sets, here, rows):
            of_span = tags.mask_of_span(incorrect.span, batch.sizes[row], n_tags)
            mask[: batch.sizes[row]] = torch.from_numpy(of_span)
        gold = batch.mask(annotation.gold)
        if gold is None:
            gold = torch.ones(batch.shape, dtype=torch.bool, device=device)
        loss, gradient = crf.negative_log_likelihood(
            batch.chain,
            gold,
            wrong_rows=torch.tensor(rows, dtype=torch.long, device=device),
            wrong=sets.to(device),
        )
        total.add(batch, loss, gradient)
    return total.value, total.gradient()


def summed_divergence(distribution: Distribution, teacher: Potentials) -> Loss:
    """Compute the KL divergence from a teacher's tag sequences, summed over docs.

    Args:
        distribution: The student's distribution.
        teacher: The teacher's potentials, of the same docs and tags.

    Returns:
        The divergence in nats, and its gradient with respect to the student's potentials.
    """
    total = _Sum(distribution.potentials)
    for batch in distribution.batches():
        loss, gradient = crf.divergence(batch.chain, batch.scores_of(teacher))
        total.add(batch, loss, gradient)
    return total.value, total.gradient()


def expected_entity_tokens(distribution: Distribution) -> Loss:
    """Compute the expected number of tokens in entities, summed over docs.

    Returns:
        The expected number, and its gradient with respect to the potentials.
    """
    potentials = distribution.potentials
    in_entity = torch.arange(potentials.n_tags, device=distribution.device) != tags.OUTSIDE
    total = _Sum(potentials)
    for batch in distribution.batches():
        expected, gradient = crf.expected_count(batch.chain, in_entity)
        total.add(batch, expected, gradient)
    return total.value, total.gradient()


class _Sum:
    """Adds up values and gradients of batches."""

    def __init__(self, potentials: Potentials):
        xp = get_array_module(potentials.transitions)
        self.value = 0.0
        self._emissions: list[Floats2d] = [
            xp.zeros(doc.shape, dtype="float32") for doc in potentials.emissions
        ]
        self._transitions = xp.zeros(potentials.transitions.shape, dtype="float32")
        self._start = xp.zeros(potentials.start.shape, dtype="float32")
        self._end = xp.zeros(potentials.end.shape, dtype="float32")

    def add(self, batch: Batch, value: Tensor, gradient: crf.Scores) -> None:
        self.value += float(value.sum())
        emissions, transitions, start, end = (
            cast(Any, torch2xp(scores.float())) for scores in gradient
        )
        for doc, rows, size in zip(batch.docs, emissions, batch.sizes):
            self._emissions[doc] = rows[:size]
        self._transitions += transitions
        self._start += start
        self._end += end

    def gradient(self) -> Potentials:
        return Potentials(self._emissions, self._transitions, self._start, self._end)

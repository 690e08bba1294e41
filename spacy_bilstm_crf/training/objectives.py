"""The CRF's objectives for docs of any length: computed in batches, summed over the docs."""

from collections.abc import Callable

import numpy as np

from .. import crf, tags
from ..batching import Batch, Distribution, to_model
from ..potentials import Potentials
from .annotation import Annotation

Loss = tuple[float, Potentials]  # a loss and its gradient with respect to the potentials


def summed_negative_log_likelihood(potentials: Potentials, annotation: Annotation) -> Loss:
    """Compute the negative log-likelihood of the annotation, summed over docs.

    See `crf.negative_log_likelihood`.

    Args:
        potentials: What the model predicted.
        annotation: What is known about the docs.

    Returns:
        The loss in nats, and its gradient.
    """

    def of_batch(batch: Batch) -> tuple[crf.Array, crf.Scores]:
        row_of = {int(doc): row for row, doc in enumerate(batch.docs)}
        here = [span for span in annotation.incorrect if span.doc in row_of]
        rows = [row_of[span.doc] for span in here]
        _, n_steps, n_tags = batch.shape
        sets = np.ones((len(here), n_steps, n_tags), dtype=bool)
        for mask, incorrect in zip(sets, here):
            tags.force_span(mask, incorrect.span)
        gold = batch.mask(annotation.gold)
        if gold is None:
            gold = crf.asarray(np.ones(batch.shape, dtype=bool), batch.device)
        return crf.negative_log_likelihood(
            batch.chain,
            gold,
            wrong_rows=crf.asarray(np.array(rows, dtype=np.int64), batch.device),
            wrong=crf.asarray(sets, batch.device),
        )

    return _summed(annotation.distribution(potentials), of_batch)


def summed_divergence(distribution: Distribution, teacher: Potentials) -> Loss:
    """Compute the KL divergence from a teacher's tag sequences, summed over docs.

    Args:
        distribution: The student's distribution.
        teacher: The teacher's potentials, of the same docs and tags.

    Returns:
        The divergence in nats, and its gradient with respect to the student's potentials.
    """
    return _summed(
        distribution, lambda batch: crf.divergence(batch.chain, batch.scores_of(teacher))
    )


def expected_entity_tokens(distribution: Distribution) -> Loss:
    """Compute the expected number of tokens in entities, summed over docs.

    Returns:
        The expected number, and its gradient with respect to the potentials.
    """
    in_entity = np.arange(distribution.potentials.n_tags) != tags.OUTSIDE
    return _summed(
        distribution,
        lambda batch: crf.expected_count(batch.chain, crf.asarray(in_entity, batch.device)),
    )


def _summed(
    distribution: Distribution, of_batch: Callable[[Batch], tuple[crf.Array, crf.Scores]]
) -> Loss:
    """Sum what a function of batches returns: a value for each doc, and the gradient."""
    value, total = 0.0, distribution.potentials.scaled(0.0)
    for batch in distribution.batches():
        of_docs, gradient = of_batch(batch)
        value += float(of_docs.sum())
        emissions, transitions, start, end = map(to_model, gradient)
        for doc, rows, size in zip(batch.docs, emissions, batch.sizes):
            total.emissions[doc] = rows[:size]
        total.transitions += transitions
        total.start += start
        total.end += end
    return value, total

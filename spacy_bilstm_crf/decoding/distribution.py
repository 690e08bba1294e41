"""The distribution over a doc's tag sequences, and its probabilities and statistics."""

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from spacy.tokens import Doc, Span

from .. import crf, tags
from ..batching import Batch, Distribution
from ..calibration import Calibration
from ..constraints import allowed_by_doc
from ..potentials import Potentials
from .entities import (
    per_sequence,
    probabilities,
    sequence_probabilities,
    tag_probabilities,
)

_FIRST_K = 8  # tag sequences, and as many times as many if these are too few


def distribution_of(
    docs: Sequence[Doc],
    potentials: Potentials,
    labels: Sequence[str],
    ignore: Iterable[Iterable[Span]] | None,
    calibration: Calibration,
) -> Distribution:
    """Return the calibrated distribution over the tag sequences that docs allow.

    Args:
        docs: The docs.
        potentials: What the model predicted for them.
        labels: Labels of the model.
        ignore: For each doc, entities that do not count as preset. None ignores all of `doc.ents`.
        calibration: The values to calibrate the potentials with.
    """
    if ignore is None:
        allowed = [allowed_by_doc(doc, labels, presets=False) for doc in docs]
    else:
        allowed = [allowed_by_doc(doc, labels, ignore=ents) for doc, ents in zip(docs, ignore)]
    return Distribution(calibration.applied(potentials), allowed)


def token_probabilities(distribution: Distribution) -> list[np.ndarray]:
    """Compute the probability of each tag at each token, per doc float32 [n_tokens, n_tags]."""

    def of_batch(batch: Batch) -> Iterator[np.ndarray]:
        marginals = crf.to_numpy(crf.forward_backward(batch.chain).marginals)
        return (rows[:size].astype(np.float32) for rows, size in zip(marginals, batch.sizes))

    no_tokens = np.zeros((0, distribution.potentials.n_tags), dtype=np.float32)
    return distribution.by_doc(of_batch, no_tokens)


def span_probabilities(
    distribution: Distribution, spans: Sequence[Sequence[tags.LabelledSpan]]
) -> list[list[float]]:
    """Compute the probability that each span is an entity of its label.

    Args:
        distribution: The distribution over the docs' tag sequences.
        spans: For each doc, its spans: first token, token after the last, index of the label.

    Returns:
        For each doc, the probabilities in the order of its spans; 0 for a span that the doc rules
        out.
    """

    def of_batch(batch: Batch) -> Iterator[list[float]]:
        posterior = crf.forward_backward(batch.chain)
        of_docs = probabilities(posterior, [spans[doc] for doc in batch.docs])
        # NaN where a step's first tag is impossible already
        return ([0.0 if math.isnan(p) else p for p in of_doc] for of_doc in of_docs)

    return distribution.by_doc(of_batch, [])


def outside_probabilities(
    distribution: Distribution, spans: Sequence[Sequence[tuple[int, int]]]
) -> list[list[float]]:
    """Compute the probability that no token of a span is in an entity.

    Args:
        distribution: The distribution over the docs' tag sequences.
        spans: For each doc, its spans: first token, token after the last.

    Returns:
        For each doc, the probabilities in the order of its spans.
    """

    def of_batch(batch: Batch) -> Iterator[list[float]]:
        posterior = crf.forward_backward(batch.chain)
        of_docs = [spans[doc] for doc in batch.docs]
        flat = [(row, *span) for row, of_doc in enumerate(of_docs) for span in of_doc]
        rows, starts, ends = np.array(flat, dtype=np.int64).reshape(-1, 3).T
        outside = np.full_like(rows, tags.OUTSIDE)
        found = tag_probabilities(posterior, rows, starts, ends, outside, outside, outside)
        return per_sequence(np.nan_to_num(found), of_docs)

    return distribution.by_doc(of_batch, [])


def segment_probabilities(
    distribution: Distribution, segments: Sequence[Sequence[tuple[int, Sequence[int]]]]
) -> list[list[float]]:
    """Compute the probability that consecutive tokens have given tags, whatever the others have.

    Args:
        distribution: The distribution over the docs' tag sequences.
        segments: For each doc, its segments: the first token, and the tag of it and of each token
            after it. None is empty.

    Returns:
        For each doc, the probabilities in the order of its segments; 0 for tags that the doc rules
        out, or that can't follow one another.
    """

    def of_batch(batch: Batch) -> Iterator[list[float]]:
        posterior = crf.forward_backward(batch.chain)
        of_docs = [segments[doc] for doc in batch.docs]
        flat = [(row, *segment) for row, of_doc in enumerate(of_docs) for segment in of_doc]
        return per_sequence(np.nan_to_num(sequence_probabilities(posterior, flat)), of_docs)

    return distribution.by_doc(of_batch, [])


def entropies(distribution: Distribution) -> list[float]:
    """Compute the entropy of each doc's tag sequences, in nats."""
    return distribution.by_doc(lambda batch: crf.entropy(batch.chain).tolist(), 0.0)


def margins(distribution: Distribution) -> list[float]:
    """Compute how much more probable each doc's best tag sequence is than the second best."""

    def of_batch(batch: Batch) -> Iterator[float]:
        log_partitions = crf.forward_backward(batch.chain).log_partition
        for row, size in enumerate(batch.sizes):
            _, scores = crf.k_best(batch.chain.sequence(row, size), 2)
            best, *second = np.exp(crf.to_numpy(scores - log_partitions[row])).tolist()
            yield best - sum(second)

    return distribution.by_doc(of_batch, 1.0)


def sampled_sequences(
    distribution: Distribution, n: int, random: Sequence[np.random.Generator]
) -> list[list[list[tags.LabelledSpan]]]:
    """Draw independent tag sequences of each doc, each with its exact probability.

    Args:
        distribution: The distribution over the docs' tag sequences.
        n: Number of tag sequences of each doc.
        random: Draws the numbers of each doc; it may be the same for several docs.

    Returns:
        For each doc, the entities of each tag sequence that was drawn. Equal ones are the same
        list.
    """

    def of_batch(batch: Batch) -> Iterator[list[list[tags.LabelledSpan]]]:
        of_docs = [random[doc] for doc in batch.docs]
        drawn = crf.sample(crf.forward_backward(batch.chain), n, of_docs)
        return map(_spans_of_sequences, drawn)

    return distribution.by_doc(of_batch, [[]] * n)


def _spans_of_sequences(sequences: np.ndarray) -> list[list[tags.LabelledSpan]]:
    """Return the entities of tag sequences, int [n, n_tokens], many of which may be equal."""
    distinct, places = np.unique(sequences, axis=0, return_inverse=True)
    found = [tags.spans_of_tags(tag_ids) for tag_ids in distinct]
    return [found[place] for place in places.ravel()]


def k_best_sequences(
    distribution: Distribution, k: int
) -> list[tuple[list[tags.LabelledSpan], float]]:
    """Find the k most probable tag sequences of a single doc.

    Args:
        distribution: The distribution over the tag sequences of one doc.
        k: Number of tag sequences.

    Returns:
        The entities and the probability of each tag sequence, the most probable first; fewer than k
        where there are no more.
    """
    found: list[tuple[list[tags.LabelledSpan], float]] = []
    for batch in distribution.batches():
        posterior = crf.forward_backward(batch.chain)
        sequences, scores = crf.k_best(batch.chain, k)
        of_sequences = np.exp(crf.to_numpy(scores - posterior.log_partition)).tolist()
        for tag_ids, probability in zip(crf.to_numpy(sequences), of_sequences):
            found.append((tags.spans_of_tags(tag_ids), probability))
    return found


def likely_sequences(
    distribution: Distribution, least: float, most: int
) -> tuple[list[tuple[list[tags.LabelledSpan], float]], bool]:
    """Find all tag sequences of a single doc with at least some probability.

    Args:
        distribution: The distribution over the tag sequences of one doc.
        least: Least probability. The most probable tag sequence is there in any case.
        most: The most tag sequences to find.

    Returns:
        The entities and the probability of each tag sequence, the most probable first, and whether
        these are all.
    """
    k = min(_FIRST_K, most)
    while True:
        found = k_best_sequences(distribution, k)
        is_complete = len(found) < k or found[-1][1] < least
        if is_complete or k == most:
            kept = [each for each in found if each[1] >= least]
            return kept or found[:1], is_complete
        k = min(_FIRST_K * k, most)

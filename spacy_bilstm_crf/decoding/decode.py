"""Finds the entities of each doc, and their probabilities."""

import math
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple, cast

import numpy as np

from .. import crf, tags
from ..batching import Batch, Distribution
from .entities import Entity, best_entities, likely_entities, probabilities
from .settings import DecodingSettings

# A doc with more segments than this is decoded segment by segment
SHORT_DOC = 4
# In such a doc, longer entities only have a probability if the best tag sequence has them
LONGEST_OF_LONG_DOC = 1000


class Prediction(NamedTuple):
    """The entities and candidates of a doc, in the order of the tokens.

    Attributes:
        entities: Entities for `doc.ents`.
        candidates: All spans that are probable enough to be candidates; they may overlap.
    """

    entities: list[Entity]
    candidates: list[Entity]


def decode(
    distribution: Distribution, settings: DecodingSettings, most_per_token: int | None = None
) -> list[Prediction]:
    """Find the entities and candidates of each doc.

    Without a threshold the entities are those of the most probable tag sequence. With a threshold
    they are the set without overlap that maximizes the sum of (probability - threshold), each
    entity with the threshold of its label.

    Args:
        distribution: The distribution over the docs' tag sequences.
        settings: What to find.
        most_per_token: See `likely_entities`.

    Returns:
        A prediction for each doc.

    Raises:
        TooManyEntities: If a doc has more.
    """
    return distribution.by_doc(
        lambda batch: _of_batch(batch, settings, most_per_token), Prediction([], [])
    )


def candidate_entities(
    distribution: Distribution, least: float, max_length: int
) -> list[list[Entity]]:
    """Find all entities of each doc with at least some probability, overlapping ones too.

    Args:
        distribution: The distribution over the docs' tag sequences.
        least: Least probability.
        max_length: Longest entity, in tokens.
    """
    settings = DecodingSettings(None, False, least, max_length)
    return [prediction.candidates for prediction in decode(distribution, settings)]


def _of_batch(
    batch: Batch, settings: DecodingSettings, most_per_token: int | None
) -> list[Prediction]:
    best: list[list[Entity]] = [[] for _ in batch.docs]
    if settings.threshold is None:
        tag_ids = crf.to_numpy(crf.viterbi(batch.chain))
        best = [
            [Entity(*span, math.nan) for span in tags.spans_of_tags(of_row[:size])]
            for of_row, size in zip(tag_ids, batch.sizes)
        ]
    minimum = settings.minimum
    if minimum is None and not (settings.entity_scores and any(best)):
        return [Prediction(entities, []) for entities in best]

    is_long = batch.sizes[-1] > SHORT_DOC * crf.steps_of_segment(batch.shape[-1])
    max_length = settings.candidates_max_length if settings.threshold is None else None
    if is_long:
        max_length = min(max_length or LONGEST_OF_LONG_DOC, LONGEST_OF_LONG_DOC)
    overlap = None
    if is_long:
        overlap = 1 if minimum is None else cast(int, max_length)
    starts = [[entity.start for entity in of_row] for of_row in best]
    scored: list[list[Entity]] = [[] for _ in batch.docs]
    likely: list[list[Entity]] = [[] for _ in batch.docs]
    # Without a minimum, docs whose best tag sequence has no entity need no posterior
    asked = [row for row, entities in enumerate(best) if entities or minimum is not None]
    for rows, segments, posterior in _posteriors(batch, asked, best, overlap):
        if settings.threshold is None:
            here = [
                _starting_in(best[row], starts[row], segment)
                for row, segment in zip(rows, segments)
            ]
            spans = [
                [entity.moved(-segment.start).span for entity in entities]
                for entities, segment in zip(here, segments)
            ]
            found_probabilities = probabilities(posterior, spans)
            for row, entities, of_entities in zip(rows, here, found_probabilities):
                scored[row] += [e._replace(probability=p) for e, p in zip(entities, of_entities)]
        if minimum is not None:
            found = likely_entities(posterior, minimum, max_length, most_per_token)
            for row, segment, entities in zip(rows, segments, found):
                moved = [entity.moved(segment.start) for entity in entities]
                likely[row] += _starting_in(moved, [entity.start for entity in moved], segment)
    return [_prediction(*of_row, settings) for of_row in zip(scored, likely)]


def _posteriors(
    batch: Batch, asked: list[int], best: list[list[Entity]], overlap: int | None
) -> Iterator[tuple[list[int], list[crf.Segment], crf.Posterior]]:
    """Yield rows of the batch, a segment of each, and the posterior of these segments.

    Args:
        batch: The batch.
        asked: The rows to compute, in order.
        best: Entities of each row, of any length; each lies within the segment that it starts in.
        overlap: Tokens that segments share; None does not cut the docs.
    """
    sizes = [batch.sizes[row] for row in asked]
    if overlap is None:
        chain = batch.chain
        if len(asked) < len(batch.sizes):
            chain = chain.rows(crf.asarray(np.array(asked), batch.device), max(sizes))
        whole = [crf.Segment(0, size, size) for size in sizes]
        yield asked, whole, crf.forward_backward(chain)
        return
    for row, size in zip(asked, sizes):
        spans = [(entity.start, entity.end) for entity in best[row]]
        chain = batch.chain.sequence(row, size)
        for segments, posterior in crf.posteriors(chain, overlap, spans):
            yield [row] * len(segments), segments, posterior


def _starting_in(entities: list[Entity], starts: list[int], segment: crf.Segment) -> list[Entity]:
    """Select the entities that a segment is responsible for, from entities in order of `starts`."""
    first, last = bisect_left(starts, segment.start), bisect_left(starts, segment.next_start)
    return entities[first:last]


def _prediction(
    scored: list[Entity], likely: list[Entity], settings: DecodingSettings
) -> Prediction:
    """Select the entities and candidates of a doc."""
    entities, candidates = scored, []
    least = None if settings.threshold is None else settings.least_of_entities
    if least is not None:
        entities = best_entities(likely, least)
    if settings.candidates_threshold is not None:
        candidates = [
            entity
            for entity in likely
            if entity.probability >= settings.least_of_candidates(entity.label)
            and entity.end - entity.start <= settings.candidates_max_length
        ]
    return Prediction(entities, candidates)

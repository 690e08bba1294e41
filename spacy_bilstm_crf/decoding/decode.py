"""Potentials -> the entities of each doc, and their probabilities."""

import math
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple, cast

import torch

from .. import crf, tags
from ..batching import Batch, Distribution
from .entities import Entity, best_entities, likely_entities, probabilities
from .settings import LEAST_PROBABILITY, DecodingSettings

# A doc of more segments than these is worked through segment by segment
SHORT_DOC = 4
# Longer entities have no probability in such a doc if they are not of the best tag sequence
LONGEST_OF_LONG_DOC = 1000


class Prediction(NamedTuple):
    """What was found in a doc, in the order of the tokens.

    Attributes:
        entities: Those for `doc.ents`.
        candidates: Any that is probable enough, overlapping ones too.
    """

    entities: list[Entity]
    candidates: list[Entity]


def decode(distribution: Distribution, settings: DecodingSettings) -> list[Prediction]:
    """Entities of each doc.

    Without a threshold they are those of the most probable tag sequence. With one, those for which
    the sum of (probability - threshold) is largest.
    """
    found = [Prediction([], []) for _ in distribution.potentials.emissions]
    for batch in distribution.batches():
        for doc, prediction in zip(batch.docs, _of_batch(batch, settings)):
            found[doc] = prediction
    return found


def candidates_of(distribution: Distribution, least: float, max_length: int) -> list[list[Entity]]:
    """Of each doc all entities that are so probable at least, overlapping ones too.

    Args:
        distribution: The distribution over the docs' tag sequences.
        least: The least probability.
        max_length: Tokens that an entity has at most.
    """
    settings = DecodingSettings(None, False, least, max_length)
    return [prediction.candidates for prediction in decode(distribution, settings)]


def _of_batch(batch: Batch, settings: DecodingSettings) -> list[Prediction]:
    best: list[list[Entity]] = [[] for _ in batch.docs]
    if settings.threshold is None:
        paths = crf.viterbi(batch.chain).cpu().numpy()
        best = [
            [Entity(*span, math.nan) for span in tags.spans_of_tags(path[:size])]
            for path, size in zip(paths, batch.sizes)
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
        longest = 1 if minimum is None else cast(int, max_length)
        overlap = max([longest, *(e.end - e.start for of_row in best for e in of_row)])
    starts = [[entity.start for entity in of_row] for of_row in best]
    scored: list[list[Entity]] = [[] for _ in batch.docs]
    likely: list[list[Entity]] = [[] for _ in batch.docs]
    # Docs whose best tag sequence has no entity have nothing to be asked, but for other candidates
    asked = [row for row, entities in enumerate(best) if entities or minimum is not None]
    for rows, parts, posterior in _posteriors(batch, asked, overlap):
        if settings.threshold is None:
            here = [_starting_in(best[row], starts[row], part) for row, part in zip(rows, parts)]
            spans = [
                [entity.moved(-part.start).span for entity in of_part]
                for of_part, part in zip(here, parts)
            ]
            for row, of_part, ps in zip(rows, here, probabilities(posterior, spans)):
                scored[row] += [e._replace(probability=p) for e, p in zip(of_part, ps)]
        if minimum is not None:
            found = likely_entities(posterior, minimum, max_length)
            for row, part, of_part in zip(rows, parts, found):
                moved = [entity.moved(part.start) for entity in of_part]
                likely[row] += _starting_in(moved, [entity.start for entity in moved], part)
    return [_prediction(*of_row, settings) for of_row in zip(scored, likely)]


def _posteriors(
    batch: Batch, asked: list[int], overlap: int | None
) -> Iterator[tuple[list[int], list[crf.Segment], crf.Posterior]]:
    """Rows of the batch and their segments, with a posterior that has a row for each of them.

    Args:
        batch: The batch.
        asked: The rows that are asked for, in order.
        overlap: Tokens that segments share; None does not cut the docs.
    """
    sizes = [batch.sizes[row] for row in asked]
    if overlap is None:
        chain = batch.chain
        if len(asked) < len(batch.sizes):
            chain = chain.rows(torch.tensor(asked, device=batch.device), max(sizes))
        parts = [crf.Segment(0, size, size) for size in sizes]
        yield asked, parts, crf.forward_backward(chain)
        return
    for row, size in zip(asked, sizes):
        for parts, posterior in crf.posteriors(batch.chain.sequence(row, size), overlap):
            yield [row] * len(parts), parts, posterior


def _starting_in(entities: list[Entity], starts: list[int], part: crf.Segment) -> list[Entity]:
    """Those out of entities in order, and where they start, for which a segment answers."""
    return entities[bisect_left(starts, part.start) : bisect_left(starts, part.answers_to)]


def _prediction(
    scored: list[Entity], likely: list[Entity], settings: DecodingSettings
) -> Prediction:
    """Put together what was found in a doc."""
    entities, candidates = scored, []
    if settings.threshold is not None:
        entities = best_entities(likely, max(settings.threshold, LEAST_PROBABILITY))
    if settings.candidates_threshold is not None:
        candidates = [
            entity
            for entity in likely
            if entity.probability >= settings.least_of_candidates(entity.label)
            and entity.end - entity.start <= settings.candidates_max_length
        ]
    return Prediction(entities, candidates)

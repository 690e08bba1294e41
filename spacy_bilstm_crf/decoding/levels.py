"""Finds entities of one label that may be nested: a chain of tags for each level of nesting."""

import math
from collections.abc import Sequence
from typing import Any

from ..batching import Distribution
from ..tags import LabelledSpan
from .decode import Prediction, decode
from .distribution import span_probabilities
from .entities import Entity
from .settings import DecodingSettings


def decode_levels(
    levels: Sequence[Distribution], settings: DecodingSettings, most_per_token: int | None = None
) -> list[Prediction]:
    """Find the entities and candidates of each doc, those of all levels together.

    The levels are independent of one another, given a doc: a span is an entity if it is one of any
    level, with probability 1 - (1 - p1)(1 - p2)...

    Args:
        levels: For each level, the distribution over the docs' tag sequences.
        settings: What to find. The threshold holds for each level on its own, that of the
            candidates for all levels together.
        most_per_token: See `likely_entities`.

    Returns:
        A prediction for each doc, in the order of the tokens.

    Raises:
        TooManyEntities: If a doc has more.
    """
    if len(levels) == 1:
        return decode(levels[0], settings, most_per_token)
    of_level = settings._replace(
        entity_scores=False,
        candidates_threshold=_least_of_level(settings.candidates_threshold, len(levels)),
    )
    by_level = [decode(level, of_level, most_per_token) for level in levels]
    entities = [_spans([found.entities for found in of_doc]) for of_doc in zip(*by_level)]
    likely = [_spans([found.candidates for found in of_doc]) for of_doc in zip(*by_level)]
    spans = [sorted({*chosen, *others}) for chosen, others in zip(entities, likely)]
    found = []
    for of_doc, chosen, others, known in zip(
        spans, entities, likely, span_probabilities_of_levels(levels, spans)
    ):
        scored = [Entity(*span, p) for span, p in zip(of_doc, known)]
        candidates = [
            entity
            for entity in scored
            if entity.span in others
            and entity.probability >= settings.least_of_candidates(entity.label)
        ]
        found.append(Prediction([e for e in scored if e.span in chosen], candidates))
    return found


def _least_of_level(least: float | dict[str, float] | None, n_levels: int) -> Any:
    """Return what at least one level has to give to a span that all of them give `least`."""
    if isinstance(least, dict):
        return {label: _least_of_level(p, n_levels) for label, p in least.items()}
    return None if least is None else 1 - (1 - least) ** (1 / n_levels)


def _spans(of_levels: Sequence[Sequence[Entity]]) -> set[LabelledSpan]:
    return {entity.span for entities in of_levels for entity in entities}


def span_probabilities_of_levels(
    levels: Sequence[Distribution], spans: Sequence[Sequence[LabelledSpan]]
) -> list[list[float]]:
    """Compute the probability that each span of each doc is an entity of any level.

    Args:
        levels: For each level, the distribution over the docs' tag sequences.
        spans: For each doc, its spans: first token, token after the last, index of the label.

    Returns:
        For each doc, the probabilities in the order of its spans.
    """
    by_level = [span_probabilities(level, spans) for level in levels]
    if len(levels) == 1:
        return by_level[0]
    return [
        [1 - math.prod(1 - p for p in of_span) for of_span in zip(*of_doc)]
        for of_doc in zip(*by_level)
    ]

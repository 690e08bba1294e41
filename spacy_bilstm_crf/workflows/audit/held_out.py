"""Let the model of each fold of cross-validation judge the docs that it has not seen.

The folds are used as in confident learning (Northcutt et al. 2021). Annotation is judged by the
probabilities of whole entities rather than of tokens.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import minibatch

from ...data.corpus import before_component, predicted_docs, unannotated
from ...data.entity_source import DOC_ENTS, EntitySource
from ...decoding import (
    DecodingSettings,
    Distribution,
    decode_levels,
    outside_probabilities,
    span_probabilities_of_levels,
    token_probabilities,
)
from ...inference.recognizers import chains_of, entity_source
from ...pipeline.base import TrainableCRF
from ...tags import OUTSIDE
from ..cross_validation.folds import Fold
from .suspects import ScoredEntity

POSSIBLE = 1e-5  # minimum probability of a candidate
DOCS_AT_A_TIME = 64
Judgments = tuple[list[ScoredEntity], list[ScoredEntity], list[ScoredEntity]]  # as in Judged


class Judged(NamedTuple):
    """What a model that has not seen a doc says of it.

    Annotated entities that are not made of whole tokens of the pipeline are left out, as in
    training, and so is what the model says of tokens without annotation.

    Attributes:
        doc: Index of the doc.
        annotated: The annotated entities.
        possible: The entities that the model considers possible.
        found: The entities that it finds.
    """

    doc: int
    annotated: list[ScoredEntity]
    possible: list[ScoredEntity]
    found: list[ScoredEntity]


def judged(fold: Fold, docs: Sequence[Doc], component: str) -> Iterator[Judged]:
    """Let a fold's model judge the docs that it has not seen.

    Args:
        fold: The fold.
        docs: All annotated docs.
        component: Name of the component that finds entities.
    """
    pipe: Any = fold.nlp.get_pipe(component)
    where = entity_source(pipe)
    for batch in minibatch(fold.held_out, DOCS_AT_A_TIME):
        made = [unannotated(fold.nlp, docs[i]) for i in batch]
        predicted = before_component(fold.nlp, made, component)
        gold = [_gold_spans(Example(doc, docs[i]), where) for doc, i in zip(predicted, batch)]
        if isinstance(pipe, TrainableCRF):
            judgments = _probable(pipe, predicted, gold)
        else:
            judgments = _found(predicted_docs(fold.nlp, predicted, [component]), gold, where)
        for i, (annotated, *of_model) in zip(batch, judgments):
            missing = _missing(docs[i], where)
            possible, found = (
                [entity for entity in entities if not any(map(entity.overlaps, missing))]
                for entities in of_model
            )
            yield Judged(i, annotated, possible, found)


def entity_counts(
    doc: Doc, found: Sequence[ScoredEntity], where: EntitySource = DOC_ENTS
) -> np.ndarray:
    """Count gold entities, those found, predicted entities and right ones, for `prf`."""
    gold = {(ent.start_char, ent.end_char, ent.label_) for ent in where.entities(doc)}
    n_right = sum(entity[:3] in gold for entity in found)
    return np.array([len(gold), n_right, len(found), n_right], dtype=float)


def _probable(
    recognizer: TrainableCRF, docs: list[Doc], gold: list[list[Span]]
) -> Iterator[Judgments]:
    """Score gold spans and candidates with exact probabilities."""
    judgments: list[Judgments] = [([], [], []) for _ in docs]
    may_overlap = entity_source(recognizer).may_overlap
    for labels, levels in chains_of(recognizer, docs):
        # Entities that can't overlap compete with those of all labels, also of unknown ones
        here = [
            [span for span in spans if not may_overlap or span.label_ in labels] for spans in gold
        ]
        for judgment, new in zip(judgments, _of_labels(recognizer, labels, levels, docs, here)):
            for entities, scored in zip(judgment, new):
                entities.extend(scored)
    if may_overlap:
        for (annotated, _, _), spans in zip(judgments, gold):
            unknown = (span for span in spans if span.label_ not in recognizer.labels)
            annotated.extend(_scored(span, 0.0)._replace(outside=1.0) for span in unknown)
    yield from judgments


def _of_labels(
    recognizer: TrainableCRF,
    labels: Sequence[str],
    levels: Sequence[Distribution],
    docs: list[Doc],
    gold: list[list[Span]],
) -> Iterator[Judgments]:
    """Score the gold spans and candidates of labels that have distributions of their own.

    Args:
        recognizer: The component.
        labels: The labels.
        levels: For each level, the distribution over the docs' tag sequences.
        docs: The docs.
        gold: The annotated spans of each doc.
    """
    ids = {label: i for i, label in enumerate(labels)}
    # An entity with a label that the model does not have gets a probability of 0
    known = [
        [(span.start, span.end, ids[span.label_]) for span in spans if span.label_ in ids]
        for spans in gold
    ]
    places = [[(span.start, span.end) for span in spans] for spans in gold]
    of_gold = span_probabilities_of_levels(levels, known)
    outside = _outside_all_levels(levels, places)
    settings = DecodingSettings(
        recognizer.threshold, False, POSSIBLE, recognizer.candidates_max_length, labels
    )
    predictions = decode_levels(levels, settings)
    of_tokens = zip(*map(token_probabilities, levels))
    for i, (doc, spans, tokens) in enumerate(zip(docs, gold, of_tokens)):
        left = iter(of_gold[i])
        annotated = [
            _scored(span, next(left) if span.label_ in ids else 0.0)._replace(outside=p)
            for span, p in zip(spans, outside[i])
        ]
        inside = 1.0 - np.prod([of_level[:, OUTSIDE] for of_level in tokens], axis=0)
        possible, found = (
            [
                _scored(
                    Span(doc, entity.start, entity.end, labels[entity.label]),
                    entity.probability,
                )._replace(inside=float(inside[entity.start : entity.end].max()))
                for entity in entities
            ]
            for entities in (predictions[i].candidates, predictions[i].entities)
        )
        yield annotated, possible, found


def _outside_all_levels(
    levels: Sequence[Distribution], places: list[list[tuple[int, int]]]
) -> list[list[float]]:
    """Compute the probability that no token of a place is in an entity of any level."""
    by_level = [outside_probabilities(level, places) for level in levels]
    return [[math.prod(of_place) for of_place in zip(*of_doc)] for of_doc in zip(*by_level)]


def _found(docs: Iterable[Doc], gold: list[list[Span]], where: EntitySource) -> Iterator[Judgments]:
    """Return the entities that a component without probabilities has found."""
    for doc, spans in zip(docs, gold):
        found = [_scored(ent, None) for ent in where.entities(doc)]
        yield [_scored(span, None) for span in spans], found, found


def _scored(span: Span, probability: float | None) -> ScoredEntity:
    return ScoredEntity(
        span.start_char, span.end_char, span.label_, probability, n_tokens=len(span)
    )


def _gold_spans(example: Example, where: EntitySource) -> list[Span]:
    """Return the annotated entities that are made of whole tokens of the predicted doc."""
    spans = (
        example.predicted.char_span(ent.start_char, ent.end_char, label=ent.label_)
        for ent in where.entities(example.reference)
    )
    return [span for span in spans if span is not None]


def _missing(doc: Doc, where: EntitySource) -> list[ScoredEntity]:
    """Return the tokens without annotation."""
    return [
        ScoredEntity(token.idx, token.idx + len(token), "", None)
        for token in where.unannotated_tokens(doc)
    ]

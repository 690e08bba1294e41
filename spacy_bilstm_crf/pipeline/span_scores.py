"""Entities and their probabilities, as they are kept in a doc.

Probabilities are in `doc.spans`, in the way of spaCy's `spancat`: a group's `attrs["scores"]` has a
number for each of its spans. `span._.confidence` looks them up there, so that it can't
contradict them and lives wherever `doc.spans` does.
"""

import warnings
from typing import Iterable, List, Optional, Sequence, Tuple

import numpy as np
from spacy.tokens import Doc, Span, SpanGroup

from ..constraints import blocked_spans
from ..decoding import Entity

ScoredSpan = Tuple[Span, float]
EXTENSION = "confidence"
# Other components keep scores in `doc.spans` too, which are no probabilities of an entity
KIND = "entity probability"


def new_spans(doc: Doc, entities: Iterable[Entity], labels: Sequence[str]) -> List[ScoredSpan]:
    """Entities as spans, but for those that start in an entity that the doc has already."""
    taken = {token for ent in doc.ents for token in range(ent.start, ent.end)}
    return [
        (Span(doc, entity.start, entity.end, label=labels[entity.label]), entity.probability)
        for entity in entities
        if entity.start not in taken
    ]


def add_entities(doc: Doc, spans: Iterable[Span]) -> None:
    """Add entities to those of a doc. All other tokens are outside, unless they are blocked."""
    # The default overwrites blocked tokens unless they are named
    doc.set_ents([*doc.ents, *spans], blocked=blocked_spans(doc), default="outside")


def set_scored_spans(doc: Doc, key: str, spans: Iterable[ScoredSpan]) -> None:
    """Keep spans with their probabilities in `doc.spans`, instead of what is there.

    Args:
        doc: The doc.
        key: The key in `doc.spans`.
        spans: Spans and their probabilities, in any order.
    """
    ordered = sorted(spans, key=lambda scored: (scored[0].start, scored[0].end))
    attrs = {"kind": KIND, "scores": np.array([score for _, score in ordered], dtype=np.float32)}
    doc.spans[key] = SpanGroup(doc, name=key, attrs=attrs, spans=[span for span, _ in ordered])


def scored_entities(doc: Doc, key: str) -> List[ScoredSpan]:
    """A doc's entities that were found with a probability, and that.

    Args:
        doc: The doc.
        key: The key in `doc.spans`.
    """
    if key not in doc.spans or not _has_probabilities(doc.spans[key]):
        return []
    group = doc.spans[key]
    entities = {(ent.start, ent.end, ent.label) for ent in doc.ents}
    return [
        (span, float(probability))
        for span, probability in zip(group, group.attrs["scores"])
        if (span.start, span.end, span.label) in entities
    ]


def confidence(span: Span) -> Optional[float]:
    """The probability that a span is an entity of its label; None where it is not known."""
    for group in span.doc.spans.values():
        if _has_probabilities(group):
            place = _place(group, span)
            if place is not None:
                return float(group.attrs["scores"][place])
    return None


def _has_probabilities(group: SpanGroup) -> bool:
    """Whether a group has a probability for each of its spans; a user may have added some."""
    return group.attrs.get("kind") == KIND and len(group.attrs.get("scores", ())) == len(group)


def _place(group: SpanGroup, span: Span) -> Optional[int]:
    """Where a group that is in order of the spans' starts has a span."""
    low, high = 0, len(group)
    while low < high:
        middle = (low + high) // 2
        if group[middle].start < span.start:
            low = middle + 1
        else:
            high = middle
    while low < len(group) and group[low].start == span.start:
        if group[low].end == span.end and group[low].label == span.label:
            return low
        low += 1
    return None


def register_confidence() -> None:
    """Let spans have `span._.confidence`, the probability that a component found them with.

    A component sees to it when it is made. To read docs that were saved, such as those of a
    DocBin, without the pipeline that made them, call this.
    """
    if not Span.has_extension(EXTENSION):
        Span.set_extension(EXTENSION, getter=confidence)
    elif Span.get_extension(EXTENSION)[2] is not confidence:
        warnings.warn(
            f"span._.{EXTENSION} is taken by another extension, and stays as it is. The "
            f"probabilities of bilstm_crf_ner are in doc.spans, in attrs['scores'] of the group "
            f"that has the component's name (or its spans_key).",
            stacklevel=3,
        )

"""Probabilities of entities, as they are kept in a doc.

They are in `doc.spans`, in the way of spaCy's `spancat`: a group's `attrs["scores"]` has a
number for each of its spans. `span._.confidence` looks them up there, so that it can't
contradict them and lives wherever `doc.spans` does.
"""

from typing import Dict, Iterable, Optional, Tuple

import numpy as np
from spacy.tokens import Doc, Span, SpanGroup

EXTENSION = "confidence"
# Other components keep scores in `doc.spans` too, which are no probabilities of an entity
KIND = "entity probability"


def set_scored_spans(doc: Doc, key: str, spans: Iterable[Tuple[Span, float]]) -> None:
    """Keep spans with their probabilities in `doc.spans`, instead of what is there.

    Args:
        doc: The doc.
        key: The key in `doc.spans`.
        spans: Spans and their probabilities, in any order.
    """
    ordered = sorted(spans, key=lambda scored: (scored[0].start, scored[0].end))
    attrs = {"kind": KIND, "scores": np.array([score for _, score in ordered], dtype=np.float32)}
    doc.spans[key] = SpanGroup(doc, name=key, attrs=attrs, spans=[span for span, _ in ordered])


def scored_entities(doc: Doc, key: str) -> Dict[Tuple[int, int, str], float]:
    """Start, end and label of a doc's entities that were found with a probability, and that.

    Args:
        doc: The doc.
        key: The key in `doc.spans`.
    """
    if key not in doc.spans or not _has_probabilities(doc.spans[key]):
        return {}
    group = doc.spans[key]
    spans = ((span.start, span.end, span.label_) for span in group)
    entities = {(ent.start, ent.end, ent.label_) for ent in doc.ents}
    return {s: float(p) for s, p in zip(spans, group.attrs["scores"]) if s in entities}


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


def register() -> None:
    """Add the extension to spaCy's spans, unless there is one of that name."""
    if not Span.has_extension(EXTENSION):
        Span.set_extension(EXTENSION, getter=confidence)

"""Stores entities and their probabilities in docs.

The probability of an entity is in `doc.user_data`, under a key like those of spaCy's extensions of
spans. The key has characters, so it stays correct when tokens are merged or split, and it is saved
with the user data. The probability belongs to the label: an entity that gets another has none.

With a `spans_key` the spans are also in `doc.spans`, as spaCy's `spancat` stores them: the group's
`attrs["scores"]` has a number for each span.
"""

import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, cast

import numpy as np
from spacy.tokens import Doc, Span, SpanGroup

from ..constraints import blocked_spans
from ..decoding import Entity

ScoredSpan = tuple[Span, float]
EXTENSION = "confidence"
STORED = "bilstm_crf_ner_confidence"
# Marks our groups in `doc.spans`: scores of other components need not be probabilities of entities
KIND = "entity probability"


def new_spans(doc: Doc, entities: Iterable[Entity], labels: Sequence[str]) -> list[ScoredSpan]:
    """Turn entities into spans, except those that start within an entity of the doc.

    Args:
        doc: The doc.
        entities: Entities that the component found.
        labels: Labels of the component.
    """
    taken = {token for ent in doc.ents for token in range(ent.start, ent.end)}
    return [
        (Span(doc, entity.start, entity.end, label=labels[entity.label]), entity.probability)
        for entity in entities
        if entity.start not in taken
    ]


def add_entities(doc: Doc, spans: Iterable[Span]) -> None:
    """Add entities to a doc. All other tokens become outside, unless they are blocked."""
    # `default` would overwrite blocked tokens that are not listed
    doc.set_ents([*doc.ents, *spans], blocked=blocked_spans(doc), default="outside")


def remove_entities(doc: Doc, component: str) -> None:
    """Remove the entities that a component has set in a doc, if it has kept their probabilities.

    Args:
        doc: The doc.
        component: Name of the component.
    """
    gone = {span for span, _ in scored_entities(doc, component)}
    if gone:
        kept = [ent for ent in doc.ents if ent not in gone]
        doc.set_ents(kept, blocked=blocked_spans(doc), default="outside")


def set_scored_spans(doc: Doc, key: str, spans: Iterable[ScoredSpan]) -> None:
    """Store spans and their probabilities in `doc.spans`, replacing the group that is there.

    Args:
        doc: The doc.
        key: The key in `doc.spans`.
        spans: Spans and their probabilities, in any order.
    """
    ordered = sorted(spans, key=lambda scored: (scored[0].start, scored[0].end))
    scores = np.array([score for _, score in ordered], dtype=np.float32)
    attrs = {"kind": KIND, "scores": scores, "n_tokens": len(doc)}
    doc.spans[key] = SpanGroup(doc, name=key, attrs=attrs, spans=[span for span, _ in ordered])


def scored_spans(group: SpanGroup) -> list[tuple[Span, float | None]]:
    """Read the spans of a group of `doc.spans`, each with its score; None where it has none.

    Raises:
        ValueError: If there are not as many scores as spans.
    """
    scores = group.attrs.get("scores")
    if scores is None:
        return [(span, None) for span in group]
    if len(scores) != len(group):
        raise ValueError(
            f"doc.spans['{group.name}'] has {len(scores)} scores for {len(group)} spans: code that "
            f"adds spans has to add their scores, too."
        )
    return [(span, None if score is None else float(score)) for span, score in zip(group, scores)]


def has_its_tokens(group: SpanGroup) -> bool:
    """Tell whether the tokens of a group's doc are those that it was made for.

    spaCy leaves groups as they are when tokens are merged or split.
    """
    n_tokens = len(group.doc)
    return bool(group.attrs.get("n_tokens", n_tokens) == n_tokens)


def note_tokens(group: SpanGroup) -> None:
    """Note the number of tokens that a group was made for, unless it has one: `has_its_tokens`."""
    group.attrs.setdefault("n_tokens", len(group.doc))


def keep_confidence(doc: Doc, entities: Iterable[ScoredSpan], component: str) -> None:
    """Store the probabilities of entities in a doc, replacing those of the same component.

    Args:
        doc: The doc.
        entities: Entities of the doc and their probabilities.
        component: Name of the component that found them.
    """
    # A dict of the doc's own: spaCy's `doc_cleaner` gives one to all docs
    kept = dict(_user_data(doc))
    doc.user_data = cast(dict[str, Any], kept)
    for key in list(filter(_is_kept, kept)):
        value = _stored(doc, key)
        if value is None or value[2] == component:
            del kept[key]
    for span, probability in entities:
        kept[_key(span)] = [span.label_, float(probability), component]


def scored_entities(doc: Doc, component: str) -> list[ScoredSpan]:
    """Return the entities of a doc that a component found, with their probabilities.

    Args:
        doc: The doc.
        component: Name of the component.
    """
    kept = ((ent, _stored(doc, _key(ent))) for ent in doc.ents)
    return [
        (ent, value[1])
        for ent, value in kept
        if value is not None and (value[0], value[2]) == (ent.label_, component)
    ]


def confidence(span: Span) -> float | None:
    """Return the probability that a span is an entity of its label, None if it is unknown."""
    kept = _stored(span.doc, _key(span))
    if kept is not None and kept[0] == span.label_:
        return float(kept[1])
    for group in span.doc.spans.values():
        if _has_probabilities(group):
            index = _index(group, span)
            if index is not None:
                return float(group.attrs["scores"][index])
    return None


def _user_data(doc: Doc) -> dict[Any, Any]:
    return cast(dict[Any, Any], doc.user_data)  # its keys are not all strings


def _stored(doc: Doc, key: Any) -> Sequence[Any] | None:
    """Return label, probability and component of a key; None if it has anything else."""
    value = _user_data(doc).get(key)
    if isinstance(value, list | tuple) and len(value) == 3 and isinstance(value[1], int | float):
        return value
    return None  # somebody else's


def _key(span: Span) -> tuple[str, str, int, int]:
    """Return the key of a span in the user data, as spaCy makes it for extensions."""
    return "._.", STORED, span.start_char, span.end_char


def _is_kept(key: Any) -> bool:
    return isinstance(key, tuple) and key[:2] == ("._.", STORED)


def _has_probabilities(group: SpanGroup) -> bool:
    """Tell whether a group has a probability for each of its spans: a user may have added some."""
    is_ours = group.attrs.get("kind") == KIND and has_its_tokens(group)
    return is_ours and len(group.attrs.get("scores", ())) == len(group)


def _index(group: SpanGroup, span: Span) -> int | None:
    """Find the index of a span in a group that is sorted by start, None if it is not there."""
    start = attrgetter("start")
    first = bisect_left(group, span.start, key=start)
    last = bisect_right(group, span.start, key=start)
    of_start = ((i, group[i]) for i in range(first, last))
    # By characters: tokens may have been merged and others split
    wanted = (span.start_char, span.end_char, span.label)
    same = (i for i, each in of_start if (each.start_char, each.end_char, each.label) == wanted)
    return next(same, None)


def register_confidence() -> None:
    """Register the extension `span._.confidence`, the probability of an entity.

    Components call this when they are created. Call it to read saved docs, such as those of a
    DocBin with `store_user_data=True`, without the pipeline that made them.
    """
    if not Span.has_extension(EXTENSION):
        Span.set_extension(EXTENSION, getter=confidence)
    elif Span.get_extension(EXTENSION)[2] is not confidence:
        warnings.warn(
            f"span._.{EXTENSION} is taken by another extension, which is kept. To get "
            f"the probabilities of bilstm_crf_ner, set its spans_key and read attrs['scores'] of "
            f"that group of doc.spans.",
            stacklevel=3,
        )

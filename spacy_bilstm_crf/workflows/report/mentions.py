"""From a gold doc and a pipeline's doc of the same text to comparable entities.

What counts is what spaCy's scorer counts: predicted entities are aligned with the tokens of the
annotation, those on tokens without annotation are left out, and so are docs without any.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from spacy.tokens import Doc, Span
from spacy.training import Alignment

from ...pipeline.confidence import EXTENSION, has_its_tokens, scored_spans

Values = tuple[tuple[str, str], ...]  # the slices that were asked for, and the value of each
ValuesOf = Callable[[Span, Doc], Values]  # of an entity; the doc is the annotated one
Place = tuple[int, int, str]  # first character, end, label


class Mention(NamedTuple):
    """An entity, gold or predicted.

    Attributes:
        start: First token, of the annotation.
        end: The token behind its last.
        label: Its label.
        text: Its text.
        start_char: First character, of the annotated doc's text.
        end_char: The character behind its last.
        probability: What the pipeline gives it, from 0 to 1; None where that is not known.
        values: Values of the slices that were asked for by name.
    """

    start: int
    end: int
    label: str
    text: str
    start_char: int
    end_char: int
    probability: float | None = None
    values: Values = ()

    @property
    def key(self) -> tuple[int, int, str]:
        """What a strict match has to have in common."""
        return self.start, self.end, self.label


class Compared(NamedTuple):
    """The entities of a doc, each side in order of their starts."""

    number: int  # in the order of the data, from 0
    text: str
    source: str  # the file that it came from
    gold: tuple[Mention, ...]
    predicted: tuple[Mention, ...]


def compared(
    number: int, gold: Doc, predicted: Doc, source: str, values_of: ValuesOf
) -> Compared | None:
    """The entities of a doc.

    Args:
        number: The doc's place in the data.
        gold: The annotated doc.
        predicted: The same text, as the pipeline left it.
        source: The file that the annotated doc came from.
        values_of: The values of an entity that slices were asked for.

    Returns:
        Its entities; None if nothing is annotated, not even that there are none.
    """
    if not gold.has_annotation("ENT_IOB"):
        return None
    probability_of = _probabilities(predicted)
    of_gold = tuple(
        _mention(ent, ent, probability_of(ent), values_of(ent, gold)) for ent in gold.ents
    )
    aligned = _aligned(predicted, gold)
    known = [token.ent_iob != 0 for token in gold]
    found = []
    for ent in predicted.ents:
        place = aligned(ent)
        if place is not None and all(known[place.start : place.end]):
            shown = ent if gold.text == predicted.text else place
            found.append(_mention(place, shown, probability_of(ent), values_of(ent, gold)))
    return Compared(number, gold.text, source, of_gold, tuple(found))


def _mention(place: Span, shown: Span, probability: float | None, values: Values) -> Mention:
    characters = shown.start_char, shown.end_char
    label = shown.label_ or place.label_
    return Mention(place.start, place.end, label, shown.text, *characters, probability, values)


def _aligned(predicted: Doc, gold: Doc) -> Callable[[Span], Span | None]:
    """Where in the annotated doc a predicted entity is; spaCy's scorer does the same."""
    words, gold_words = [t.text for t in predicted], [t.text for t in gold]
    if words == gold_words:
        return lambda ent: Span(gold, ent.start, ent.end, label=ent.label_)
    to_gold = Alignment.from_strings(words, gold_words).x2y

    def place(ent: Span) -> Span | None:
        tokens = to_gold[ent.start : ent.end]
        if not len(tokens):
            return None
        return Span(gold, int(tokens[0]), int(tokens[-1]) + 1, label=ent.label_)

    return place


def _probabilities(doc: Doc) -> Callable[[Span], float | None]:
    """The probability of a span in a pipeline's doc, where there is a number from 0 to 1."""
    in_groups = _scores_of_groups(doc)
    has_extension = Span.has_extension(EXTENSION)

    def probability_of(span: Span) -> float | None:
        if has_extension and span.doc is doc:
            value = span._.get(EXTENSION)
            if _is_probability(value):
                return float(value)
        return in_groups.get((span.start_char, span.end_char, span.label_))

    return probability_of


def _scores_of_groups(doc: Doc) -> dict[Place, float]:
    """Of `doc.spans`, groups that have a probability for each of their spans."""
    found: dict[Place, Any] = {}
    for group in doc.spans.values():
        try:
            scored = scored_spans(group)
        except (TypeError, ValueError):
            continue  # a user has added spans
        if has_its_tokens(group) and all(_is_probability(score) for _, score in scored):
            found.update(
                {(s.start_char, s.end_char, s.label_): p for s, p in scored if p is not None}
            )
    return found


def _is_probability(value: Any) -> bool:
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    return is_number and 0.0 <= value <= 1.0


def labels_of(docs: Sequence[Compared]) -> list[str]:
    """All labels, the most frequent in the annotation first."""
    counts: dict[str, int] = {}
    for doc in docs:
        for mention in doc.gold:
            counts[mention.label] = counts.get(mention.label, 0) + 1
        for mention in doc.predicted:
            counts.setdefault(mention.label, 0)
    return sorted(counts, key=lambda label: (-counts[label], label))

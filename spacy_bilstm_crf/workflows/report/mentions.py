"""Read the entities of a gold doc and of a pipeline's doc of the same text, to be compared.

Entities count as in spaCy's scorer: predicted ones are aligned with the tokens of the annotation.
Those on tokens without annotation are left out, and so are docs without any annotation.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from spacy.tokens import Doc, Span
from spacy.training import Alignment

from ...pipeline.confidence import EXTENSION

Values = tuple[tuple[str, str], ...]  # names of slices, and an entity's value for each
ValuesOf = Callable[[Span, Doc], Values]  # given an entity and the annotated doc


class Mention(NamedTuple):
    """An entity, gold or predicted.

    Attributes:
        start: Its first token in the annotated doc.
        end: The token after its last.
        label: Its label.
        text: Its text.
        start_char: Its first character in the annotated doc.
        end_char: The character after its last.
        probability: The pipeline's probability of it; None if unknown.
        values: Its values for the slices that the user named.
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
        """What the two entities of a strict match have in common."""
        return self.start, self.end, self.label


class Compared(NamedTuple):
    """The entities of a doc, each side in order of their starts."""

    number: int  # from 0, in the order of the data
    text: str
    source: str  # the file that it came from
    gold: tuple[Mention, ...]
    predicted: tuple[Mention, ...]


def compared(
    number: int, gold: Doc, predicted: Doc, source: str, values_of: ValuesOf
) -> Compared | None:
    """Read the gold and the predicted entities of a doc.

    Args:
        number: The doc's index in the data.
        gold: The annotated doc.
        predicted: A doc of the same text with the pipeline's entities.
        source: The file that the annotated doc came from.
        values_of: Returns an entity's values for the slices that the user named.

    Returns:
        The entities; None if the doc has no annotation, not even that there are none.
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
    """Return a function that aligns predicted entities with the gold doc, as in spaCy's scorer."""
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
    """Return a function that gives a span its probability in a pipeline's doc, if it is known."""
    in_groups = _scores_of_groups(doc)
    has_extension = Span.has_extension(EXTENSION)

    def probability_of(span: Span) -> float | None:
        if has_extension and span.doc is doc:
            value = span._.get(EXTENSION)
            if _is_probability(value):
                return float(value)
        return in_groups.get((span.start_char, span.end_char, span.label_))

    return probability_of


def _scores_of_groups(doc: Doc) -> dict[tuple[int, int, str], float]:
    """Return the spans of those groups in `doc.spans` that have a probability for each span."""
    found: dict[tuple[int, int, str], float] = {}
    for group in doc.spans.values():
        scores: Sequence[Any] = group.attrs.get("scores", ())
        is_whole = group.attrs.get("n_tokens", len(doc)) == len(doc)
        if len(scores) == len(group) and is_whole and all(map(_is_probability, scores)):
            for span, score in zip(group, scores):
                found[span.start_char, span.end_char, span.label_] = float(score)
    return found


def _is_probability(value: Any) -> bool:
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    return is_number and 0.0 <= value <= 1.0


def labels_of(docs: Sequence[Compared]) -> list[str]:
    """Return all labels, the most frequent in the annotation first."""
    counts: dict[str, int] = {}
    for doc in docs:
        for mention in doc.gold:
            counts[mention.label] = counts.get(mention.label, 0) + 1
        for mention in doc.predicted:
            counts.setdefault(mention.label, 0)
    return sorted(counts, key=lambda label: (-counts[label], label))

"""Read the entities of a gold doc and of a pipeline's doc of the same text, to be compared.

Entities count as in spaCy's scorer: predicted ones are aligned with the tokens of the annotation.
Those on tokens without annotation are left out, and so are docs without any annotation.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from spacy.tokens import Doc, Span
from spacy.training import Alignment

from ...pipeline.confidence import EXTENSION, has_its_tokens, scored_spans

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
    in_groups = _scores_of_groups(predicted)

    def mention(ent: Span, place: Span, shown: Span) -> Mention:
        characters = shown.start_char, shown.end_char
        probability = _confidence(ent) if ent.doc is predicted else None
        if probability is None:
            probability = in_groups.get((ent.start_char, ent.end_char, ent.label_))
        known = probability, values_of(ent, gold)
        return Mention(place.start, place.end, ent.label_, shown.text, *characters, *known)

    words, gold_words = [t.text for t in predicted], [t.text for t in gold]
    # As in spaCy's scorer. Most docs need no alignment, which takes time
    to_gold = None if words == gold_words else Alignment.from_strings(words, gold_words).x2y
    found = []
    for ent in predicted.ents:
        tokens = range(ent.start, ent.end) if to_gold is None else to_gold[ent.start : ent.end]
        place = gold[int(tokens[0]) : int(tokens[-1]) + 1] if len(tokens) else None
        if place is not None and all(token.ent_iob != 0 for token in place):
            found.append(mention(ent, place, ent if gold.text == predicted.text else place))
    of_gold = tuple(mention(ent, ent, ent) for ent in gold.ents)
    return Compared(number, gold.text, source, of_gold, tuple(found))


def _confidence(ent: Span) -> float | None:
    value: Any = ent._.get(EXTENSION) if Span.has_extension(EXTENSION) else None
    return float(value) if _is_probability(value) else None


def _scores_of_groups(doc: Doc) -> dict[tuple[int, int, str], float]:
    """Return the spans of those groups in `doc.spans` that have a probability for each span."""
    found: dict[tuple[int, int, str], float] = {}
    for group in doc.spans.values():
        try:
            scored = scored_spans(group) if has_its_tokens(group) else []
        except (IndexError, TypeError, ValueError):
            # Tokens were merged, a user has added spans, or the scores are no numbers
            continue
        if all(_is_probability(score) for _, score in scored):
            for span, score in scored:
                found[span.start_char, span.end_char, span.label_] = cast(float, score)
    return found


def _is_probability(value: Any) -> bool:
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    return is_number and 0.0 <= value <= 1.0


def labels_by_frequency(docs: Sequence[Compared]) -> list[str]:
    """Return all labels, the most frequent in the annotation first."""
    counts = Counter(mention.label for doc in docs for mention in doc.gold)
    predicted = {mention.label for doc in docs for mention in doc.predicted}
    return sorted(counts.keys() | predicted, key=lambda label: (-counts[label], label))

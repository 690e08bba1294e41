"""Read the entities of a gold doc and of a pipeline's doc of the same text, to be compared.

Entities count as in spaCy's scorers: predicted ones are aligned with the tokens of the annotation.
Those on tokens without annotation are left out, and so are docs without any annotation. As its
scorer of spans does, entities that may overlap are left out if no tokens of the annotation have
their text, and count once if they are aligned with the same tokens.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Alignment

from ...common.errors import UserError
from ...data.entity_source import DOC_ENTS, EntitySource
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
        shares_with: Labels of the other entities of its side that it shares a token with. None
            where entities can't overlap.
    """

    start: int
    end: int
    label: str
    text: str
    start_char: int
    end_char: int
    probability: float | None = None
    values: Values = ()
    shares_with: tuple[str, ...] | None = None

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
    number: int,
    gold: Doc,
    predicted: Doc,
    source: str,
    values_of: ValuesOf,
    where: EntitySource = DOC_ENTS,
) -> Compared | None:
    """Read the gold and the predicted entities of a doc.

    Args:
        number: The doc's index in the data.
        gold: The annotated doc.
        predicted: A doc of the same text with the pipeline's entities.
        source: The file that the annotated doc came from.
        values_of: Returns an entity's values for the slices that the user named.
        where: Where both docs have their entities.

    Returns:
        The entities; None if the doc has no annotation, not even that there are none.

    Raises:
        UserError: If the tokens of the predicted doc were changed after its spans were set.
    """
    if not where.is_annotated(gold):
        return None
    in_groups = _scores_of_groups(predicted, where)

    def mention(ent: Span, place: Span, shown: Span) -> Mention:
        of_groups = in_groups.get((ent.start_char, ent.end_char, ent.label_))
        of_span = _confidence(ent) if ent.doc is predicted else None
        known = [of_groups, of_span] if where.may_overlap else [of_span, of_groups]
        probability = next((p for p in known if p is not None), None)
        characters = shown.start_char, shown.end_char
        rest = probability, values_of(ent, gold)
        return Mention(place.start, place.end, ent.label_, shown.text, *characters, *rest)

    found = [
        mention(ent, place, ent if gold.text == predicted.text else place)
        for ent, place in _aligned_of_doc(predicted, gold, where)
    ]
    of_gold = [mention(ent, ent, ent) for ent in where.entities(gold)]
    if where.may_overlap:
        found = with_overlaps({each.key: each for each in reversed(found)}.values())
        of_gold = with_overlaps(of_gold)
    return Compared(number, gold.text, source, tuple(of_gold), tuple(found))


def _aligned_of_doc(predicted: Doc, gold: Doc, where: EntitySource) -> Iterator[tuple[Span, Span]]:
    if where.may_overlap and not _has_its_spans(predicted, where):
        raise UserError(
            f"A component has merged or split tokens after {where} was set: its spans can't be "
            f"compared. Put the component before the one that sets them."
        )
    return aligned(where.entities(predicted), predicted, gold, where)


def aligned(
    entities: Iterable[Span], predicted: Doc, gold: Doc, where: EntitySource
) -> Iterator[tuple[Span, Span]]:
    """Yield predicted entities, each with the tokens of the annotation that it is aligned with.

    Those that don't count are left out.

    Args:
        entities: Spans of the predicted doc.
        predicted: The doc.
        gold: The annotated doc.
        where: Where the annotated doc has its entities.
    """
    words, gold_words = [t.text for t in predicted], [t.text for t in gold]
    # As in spaCy's scorer. Most docs need no alignment, which takes time
    to_gold = None if words == gold_words else Alignment.from_strings(words, gold_words).x2y
    for ent in entities:
        tokens = range(ent.start, ent.end) if to_gold is None else to_gold[ent.start : ent.end]
        if not len(tokens):
            continue
        place = gold[int(tokens[0]) : int(tokens[-1]) + 1]
        if where.may_overlap:
            counts = to_gold is None or _letters_of(place) == _letters_of(ent)
        else:
            counts = all(token.ent_iob != 0 for token in place)
        if counts:
            yield ent, place


def _has_its_spans(doc: Doc, where: EntitySource) -> bool:
    group = doc.spans.get(str(where.spans_key))
    return group is None or has_its_tokens(group)


def _letters_of(span: Span) -> str:
    """Return what spaCy's scorer compares."""
    return span.text.lower().strip().replace(" ", "")


def with_overlaps(mentions: Iterable[Mention]) -> list[Mention]:
    """Return entities of one side in order, each with the labels of those that it overlaps."""
    ordered = sorted(mentions, key=lambda each: each.key)
    labels: list[list[str]] = [[] for _ in ordered]
    for i, one in enumerate(ordered):
        for j in range(i + 1, len(ordered)):
            if ordered[j].start >= one.end:
                break
            labels[i].append(ordered[j].label)
            labels[j].append(one.label)
    return [one._replace(shares_with=tuple(of_one)) for one, of_one in zip(ordered, labels)]


def _confidence(ent: Span) -> float | None:
    value: Any = ent._.get(EXTENSION) if Span.has_extension(EXTENSION) else None
    return float(value) if _is_probability(value) else None


def _scores_of_groups(doc: Doc, where: EntitySource) -> dict[tuple[int, int, str], float]:
    """Return the spans of those groups in `doc.spans` that have a probability for each span.

    A span in several groups has the probability that it has in the group of the entities.
    """
    found: dict[tuple[int, int, str], float] = {}
    own = doc.spans.get(where.spans_key) if where.spans_key is not None else None
    for group in [*doc.spans.values(), *([] if own is None else [own])]:
        found.update(_scores_of(group))
    return found


def _scores_of(group: SpanGroup) -> dict[tuple[int, int, str], float]:
    try:
        scored = scored_spans(group) if has_its_tokens(group) else []
    except (IndexError, TypeError, ValueError):
        # Tokens were merged, a user has added spans, or the scores are no numbers
        return {}
    if not all(_is_probability(score) for _, score in scored):
        return {}
    return {(s.start_char, s.end_char, s.label_): cast(float, score) for s, score in scored}


def _is_probability(value: Any) -> bool:
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    return is_number and 0.0 <= value <= 1.0


def labels_by_frequency(docs: Sequence[Compared]) -> list[str]:
    """Return all labels, the most frequent in the annotation first."""
    counts = Counter(mention.label for doc in docs for mention in doc.gold)
    predicted = {mention.label for doc in docs for mention in doc.predicted}
    return sorted(counts.keys() | predicted, key=lambda label: (-counts[label], label))

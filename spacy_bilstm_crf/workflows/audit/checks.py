"""Find problems of annotated data that show without a model."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from spacy.tokens import Doc, Span
from spacy.training import Example

from ...data.corpus import misaligned_entities, words_of
from ...data.entity_source import DOC_ENTS, EntityKey, EntitySource, nesting_levels

LEAST_OF_LABEL = 10  # entities, for a label to be learned at all
AROUND = 30  # characters of context in a message

PlaceOfDoc = tuple[str, int]  # a part of the data, and the doc's index in it


class DataProblem(NamedTuple):
    """A problem with the annotation of a doc, or of a part of the data.

    Attributes:
        kind: The check that found it.
        part: "train", "dev" or "test".
        doc: Index of the doc in the part; None if it concerns the whole part.
        start: First character; None if it concerns the whole doc.
        end: Character after the last.
        message: What is wrong, and what would be right if that is known.
    """

    kind: str
    part: str
    doc: int | None
    start: int | None
    end: int | None
    message: str


def find_problems(
    parts: Mapping[str, Sequence[Example]],
    where: EntitySource = DOC_ENTS,
    levels: int | None = None,
) -> list[DataProblem]:
    """Find all problems in the parts of a data set.

    Args:
        parts: The examples of "train", and maybe of "dev" and "test". Their predicted docs must
            have the pipeline's tokens.
        where: Where the docs have their entities. If these may overlap, it is no problem that they
            do.
        levels: How deep entities of one label may be nested; None for any depth.
    """
    found: list[DataProblem] = []
    for part, examples in parts.items():
        for i, example in enumerate(examples):
            found += _misaligned(part, i, example, where)
            found += _overlapping_spans(part, i, example.reference, where)
            if where.may_overlap and levels is not None:
                found += _too_deep(part, i, where.entities(example.reference), levels)
    copies = _same_words(parts)
    found += _annotated_differently(parts, copies, where)
    found += _in_several_parts(copies)
    found += _rare_labels(parts["train"], where)
    return found


def _misaligned(part: str, i: int, example: Example, where: EntitySource) -> Iterator[DataProblem]:
    """Find entities that don't begin and end at token boundaries: training leaves them out."""
    doc, text = example.predicted, example.reference.text
    for ent in misaligned_entities(doc, example.reference, where):
        start, end = ent.start_char, ent.end_char
        fit = doc.char_span(start, end, alignment_mode="expand")
        nearest = "" if fit is None else f" The nearest tokens are {fit.text!r}."
        message = (
            f"{ent.text!r} ({ent.label_}) does not begin and end at token boundaries, in "
            f"{text[max(0, start - AROUND) : end + AROUND]!r}.{nearest}"
        )
        yield DataProblem("not on tokens", part, i, start, end, message)


def _overlapping_spans(part: str, i: int, doc: Doc, where: EntitySource) -> Iterator[DataProblem]:
    """Find duplicate and overlapping spans in a group of `doc.spans`.

    Entities of `doc.ents` can be neither; those that may overlap can't be duplicates.
    """
    for key, group in doc.spans.items():
        spans = sorted(group, key=lambda span: (span.start, span.end, span.label))
        for span, after in itertools.pairwise(spans):
            same = (span.start, span.end, span.label) == (after.start, after.end, after.label)
            if after.start >= span.end or (key == where.spans_key and not same):
                continue
            what = "occurs twice" if same else f"overlaps {span.text!r} ({span.label_})"
            message = f"In doc.spans[{key!r}] {after.text!r} ({after.label_}) {what}."
            kind = "twice" if same else "overlapping"
            yield DataProblem(kind, part, i, after.start_char, after.end_char, message)


def _too_deep(part: str, i: int, entities: Sequence[Span], levels: int) -> Iterator[DataProblem]:
    """Find entities that overlap too many of the same label: training leaves them out."""
    level_of = nesting_levels(entities)
    kept = [ent for ent in entities if level_of[_key_of(ent)] <= levels]
    for ent in entities:
        if level_of[_key_of(ent)] > levels:
            over = [
                other.text
                for other in kept
                if other.label == ent.label and other.start < ent.end and ent.start < other.end
            ]
            message = (
                f"{ent.text!r} ({ent.label_}) is not learned, since it overlaps longer entities of "
                f"the same label: {', '.join(map(repr, over))}. Raise the component's levels from "
                f"{levels} to learn it."
            )
            yield DataProblem("overlapping", part, i, ent.start_char, ent.end_char, message)


def _key_of(ent: Span) -> EntityKey:
    return ent.start, ent.end, ent.label_


def _same_words(parts: Mapping[str, Sequence[Example]]) -> list[list[PlaceOfDoc]]:
    """Return the docs that have the same words as others."""
    places: dict[str, list[PlaceOfDoc]] = {}
    for part, examples in parts.items():
        for i, example in enumerate(examples):
            places.setdefault(words_of(example.reference), []).append((part, i))
    return [where for words, where in places.items() if words and len(where) > 1]


def _entities_by_words(doc: Doc, where: EntitySource) -> set[EntityKey]:
    """Return a doc's entities by word index, regardless of white space between words."""
    place = [0]
    for token in doc:
        place.append(place[-1] + (not token.is_space))
    return {(place[ent.start], place[ent.end], ent.label_) for ent in where.entities(doc)}


def _annotated_differently(
    parts: Mapping[str, Sequence[Example]],
    copies: Sequence[list[PlaceOfDoc]],
    where: EntitySource,
) -> Iterator[DataProblem]:
    for (first_part, first), *others in copies:
        expected = _entities_by_words(parts[first_part][first].reference, where)
        for part, i in others:
            doc = parts[part][i].reference
            found = _entities_by_words(doc, where)
            # A doc without annotation contradicts nothing
            if found != expected and where.is_annotated(doc):
                words = [token.text for token in doc if not token.is_space]
                differing = ", ".join(
                    f"{' '.join(words[start:end])!r} ({label})"
                    for start, end, label in sorted(found ^ expected)
                )
                message = (
                    f"The same words as doc {first} of {first_part}, but other entities: "
                    f"{differing}."
                )
                yield DataProblem("annotated differently", part, i, None, None, message)


def _in_several_parts(copies: Sequence[list[PlaceOfDoc]]) -> Iterator[DataProblem]:
    for (first_part, first), *others in copies:
        for part, i in others:
            if part != first_part:
                message = (
                    f"The same words as doc {first} of {first_part}: scores on this doc say little."
                )
                yield DataProblem("in two parts", part, i, None, None, message)


def _rare_labels(train: Sequence[Example], where: EntitySource) -> Iterator[DataProblem]:
    counts = Counter(ent.label_ for eg in train for ent in where.entities(eg.reference))
    for label, n in sorted(counts.items()):
        if n < LEAST_OF_LABEL:
            entities = "entity" if n == 1 else "entities"
            message = f"{label} has {n} {entities}. Is it a misspelling of another label?"
            yield DataProblem("rare label", "train", None, None, None, message)

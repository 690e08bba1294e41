"""What is wrong with annotation, as far as that shows without a model."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from spacy.tokens import Doc
from spacy.training import Example

from ...data.corpus import words_of

LEAST_OF_LABEL = 10  # entities, for a label to be learned at all
AROUND = 30  # characters of context in a message

Place = tuple[str, int]  # a part of the data and the doc's place in it


class Problem(NamedTuple):
    """Something that is wrong with the annotation of a doc, or of a part.

    Attributes:
        kind: Which of the checks.
        part: train, dev or test.
        doc: Place of the doc in the part; None if it is about the whole part.
        start: First character.
        end: Character after the last.
        message: What it is, and what would be right where that can be said.
    """

    kind: str
    part: str
    doc: int | None
    start: int | None
    end: int | None
    message: str


def problems(parts: Mapping[str, Sequence[Example]]) -> list[Problem]:
    """All that is wrong in parts of a data set.

    Args:
        parts: The examples of train, and maybe of dev and test. Their predicted docs have the
            pipeline's tokens.
    """
    found: list[Problem] = []
    for part, examples in parts.items():
        for i, example in enumerate(examples):
            found += _off_tokens(part, i, example)
            found += _spans_twice(part, i, example.reference)
    copies = _by_words(parts)
    found += _annotated_differently(parts, copies)
    found += _in_several_parts(copies)
    found += _rare_labels(parts["train"])
    return found


def _off_tokens(part: str, i: int, example: Example) -> Iterator[Problem]:
    """Entities that do not begin and end where tokens do: training leaves them out."""
    doc = example.predicted
    for ent in example.reference.ents:
        start, end = ent.start_char, ent.end_char
        if doc.char_span(start, end) is None:
            fit = doc.char_span(start, end, alignment_mode="expand")
            nearest = "" if fit is None else f" The nearest tokens are {fit.text!r}."
            text = example.reference.text
            context = text[max(0, start - AROUND) : end + AROUND]
            yield Problem(
                *("not on tokens", part, i, start, end),
                f"{ent.text!r} ({ent.label_}) does not begin and end where tokens do, in "
                f"{context!r}.{nearest}",
            )


def _spans_twice(part: str, i: int, doc: Doc) -> Iterator[Problem]:
    """Spans of a group that are there twice, or overlap. Entities can do neither."""
    for key, group in doc.spans.items():
        spans = sorted(group, key=lambda span: (span.start, span.end))
        for span, after in itertools.pairwise(spans):
            if after.start >= span.end:
                continue
            same = (span.start, span.end, span.label) == (after.start, after.end, after.label)
            kind = "twice" if same else "overlapping"
            yield Problem(
                *(kind, part, i, after.start_char, after.end_char),
                f"In doc.spans[{key!r}] {after.text!r} ({after.label_}) "
                + ("is there twice." if same else f"overlaps {span.text!r} ({span.label_})."),
            )


def _by_words(parts: Mapping[str, Sequence[Example]]) -> list[list[Place]]:
    """Where there are docs of the same words."""
    places: dict[str, list[Place]] = {}
    for part, examples in parts.items():
        for i, example in enumerate(examples):
            places.setdefault(words_of(example.reference), []).append((part, i))
    return [where for words, where in places.items() if words and len(where) > 1]


def _entities_by_words(doc: Doc) -> dict[tuple[int, int], str]:
    """Entities of a doc by its words, whatever white space is between them."""
    place = [0]
    for token in doc:
        place.append(place[-1] + (not token.is_space))
    return {(place[ent.start], place[ent.end]): ent.label_ for ent in doc.ents}


def _annotated_differently(
    parts: Mapping[str, Sequence[Example]], copies: Sequence[list[Place]]
) -> Iterator[Problem]:
    for places in copies:
        (first_part, first), *others = places
        reference = parts[first_part][first].reference
        expected = _entities_by_words(reference)
        for part, i in others:
            doc = parts[part][i].reference
            found = _entities_by_words(doc)
            # Where nothing is annotated, nothing contradicts
            if found != expected and doc.has_annotation("ENT_IOB"):
                differing = sorted(set(found.items()) ^ set(expected.items()))
                words = [token.text for token in doc if not token.is_space]
                some = ", ".join(
                    f"{' '.join(words[a:b])!r} ({label})" for (a, b), label in differing
                )
                yield Problem(
                    *("annotated differently", part, i, None, None),
                    f"The same words as doc {first} of {first_part}, but other entities: {some}.",
                )


def _in_several_parts(copies: Sequence[list[Place]]) -> Iterator[Problem]:
    for places in copies:
        (first_part, first), *others = places
        for part, i in others:
            if part != first_part:
                yield Problem(
                    *("in two parts", part, i, None, None),
                    f"The same words as doc {first} of {first_part}: scores on them say little.",
                )


def _rare_labels(train: Sequence[Example]) -> Iterator[Problem]:
    counts = Counter(ent.label_ for example in train for ent in example.reference.ents)
    for label, n in sorted(counts.items()):
        if n < LEAST_OF_LABEL:
            message = f"{label} occurs {n} times. Is it a slip of another label?"
            yield Problem("rare label", "train", None, None, None, message)

"""The distribution over a doc's tag sequences, given what a person has said about some spans.

A span that is an entity is a mask over tags, and so is one in which there is none. A span of
several tokens that is no entity, while others that overlap it may be, is not: it rules out one way
through the tags of its tokens, and none of these tags. So the tags of its label are there a second
time. An entity that begins where the rejected one begins has the second set of tags, which may not
end where the rejected one ends, and no other entity has them. Each tag sequence that is not ruled
out still has exactly one form and its old score, and all that is computed of a CRF stays exact.

Kristjansson et al., Interactive Information Extraction with Constrained Conditional Random Fields
(AAAI 2004), decode given what is fixed. Probabilities given what is rejected are ours.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from .. import tags
from ..batching import Distribution
from ..constraints import Mask
from .decode import Prediction
from .settings import DecodingSettings

N_MOVES = len(tags.MOVES)


class Corrections(NamedTuple):
    """What is known about spans of a doc.

    Attributes:
        fixed: Spans that are entities, exactly as they are.
        rejected: Spans that are no entities of their label, while others that overlap them may be.
            They may overlap one another.
        outside: Spans no token of which is in an entity: first token, and the one after the last.
    """

    fixed: Sequence[tags.LabelledSpan] = ()
    rejected: Sequence[tags.LabelledSpan] = ()
    outside: Sequence[tuple[int, int]] = ()


class ContradictionError(ValueError):
    """Corrections that no tag sequence agrees with.

    Attributes:
        start: First token of the span that is wrong.
        end: The token after its last.
        reason: What is wrong with it.
    """

    def __init__(self, span: tags.LabelledSpan | tuple[int, int], reason: str) -> None:
        super().__init__(reason)
        self.start, self.end = span[:2]
        self.reason = reason


class Conditioned(NamedTuple):
    """A distribution, given corrections.

    Attributes:
        distribution: Over the tag sequences of one doc, of more labels than the model has.
        labels: For each of these labels, the label of the model that it stands for.
    """

    distribution: Distribution
    labels: list[int]

    def in_own_labels(self, prediction: Prediction) -> Prediction:
        """Return a prediction for the distribution in the labels of the model."""
        return Prediction(
            *(
                [entity._replace(label=self.labels[entity.label]) for entity in entities]
                for entities in prediction
            )
        )

    def in_own_label(self, span: tags.LabelledSpan) -> tags.LabelledSpan:
        """Return a span of a tag sequence with its label of the model."""
        start, end, label = span
        return start, end, self.labels[label]

    def settings(self, given: DecodingSettings) -> DecodingSettings:
        """Return settings of decoding for the labels of the distribution."""
        return given._replace(labels=[given.labels[label] for label in self.labels])


class _Mark(NamedTuple):
    """A second set of tags of a label.

    Attributes:
        label: The label.
        ends: For each first token of entities with these tags, where none of them ends.
    """

    label: int
    ends: dict[int, set[int]]


def conditioned(distribution: Distribution, doc: int, corrections: Corrections) -> Conditioned:
    """Condition the distribution over the tag sequences of a doc on corrections.

    Entities are fixed even where the doc allows none, on white space or across the start of a
    sentence, as preset entities are.

    Args:
        distribution: The distribution over the tag sequences of several docs.
        doc: Index of the doc.
        corrections: What is known about its spans.

    Raises:
        ContradictionError: If no tag sequence agrees with the corrections.
    """
    potentials = distribution.potentials
    emissions = potentials.emissions[doc]
    mask = _with_fixed(distribution.allowed[doc], emissions.shape, corrections.fixed)
    for start, end in corrections.outside:
        if not mask[start:end, tags.OUTSIDE].all():
            raise ContradictionError((start, end), "there is an entity already")
        mask[start:end] = np.arange(mask.shape[1]) == tags.OUTSIDE
    rejected: list[tags.LabelledSpan] = []
    for span in sorted(set(corrections.rejected)):
        path = np.arange(span[0], span[1]), tags.tags_of_span(span)
        if not mask[path].all():
            continue  # it is ruled out anyway
        if (mask[span[0] : span[1]].sum(axis=1) == 1).all():
            raise ContradictionError(span, "it is an entity already, and rejected")
        if span[1] - span[0] == 1:
            mask[path] = False
        else:
            rejected.append(span)
    marks = _marks(rejected, mask)
    n_labels = tags.count_labels(potentials.n_tags)
    labels = [*range(n_labels), *(mark.label for mark in marks)]
    columns = np.append(
        tags.OUTSIDE, tags.tag_id(0, 0) + N_MOVES * np.array(labels)[:, None] + np.arange(N_MOVES)
    )
    one = replace(potentials, emissions=[emissions]).taken(columns)
    allowed = mask[:, columns]
    for number, mark in enumerate(marks, start=n_labels):
        _apply(mark, number, allowed)
    return Conditioned(Distribution(one, [allowed]), labels)


def _with_fixed(
    mask: Mask, shape: tuple[int, ...], fixed: Sequence[tags.LabelledSpan]
) -> np.ndarray:
    """Return the mask of a doc after the fixed spans were forced."""
    known = np.ones(shape, dtype=bool) if mask is None else mask.copy()
    taken = np.zeros(shape[0], dtype=bool)
    preset = known.sum(axis=1) == 1  # what other components have set or blocked
    for span in dict.fromkeys(fixed):
        start, end, _ = span
        path = np.arange(start, end), tags.tags_of_span(span)
        if taken[start:end].any():
            raise ContradictionError(span, "it overlaps another one that is fixed")
        if preset[start:end].any() and not known[path].all():
            raise ContradictionError(
                span, "it overlaps an entity that the doc has already, or a token that is blocked"
            )
        tags.force_span(known, span)
        taken[start:end] = True
    return known


def _marks(rejected: Sequence[tags.LabelledSpan], mask: np.ndarray) -> list[_Mark]:
    """Return as few sets of tags as can tell the entities of different first tokens apart.

    Args:
        rejected: Spans of several tokens, in order.
        mask: The tags that the doc allows.
    """
    marks: list[_Mark] = []
    reached: list[int] = []  # by each of them, the token after the longest entity
    for start, end, label in rejected:
        number = next(
            (
                i
                for i, mark in enumerate(marks)
                if mark.label == label and (start in mark.ends or reached[i] <= start)
            ),
            len(marks),
        )
        if number == len(marks):
            marks.append(_Mark(label, {}))
            reached.append(0)
        goes_on = mask[start + 1 :, [tags.tag_id(tags.IN, label), tags.tag_id(tags.LAST, label)]]
        stops = np.flatnonzero(~goes_on.any(axis=1))
        reached[number] = start + 1 + (int(stops[0]) if len(stops) else len(goes_on))
        marks[number].ends.setdefault(start, set()).add(end)
    return marks


def _apply(mark: _Mark, number: int, allowed: np.ndarray) -> None:
    """Say where a second set of tags may be, in place.

    Args:
        mark: The set.
        number: The number of the label that the set is.
        allowed: Allowed tags, bool [n_tokens, n_tags], of all labels and sets.
    """
    starts = list(mark.ends)
    first, again = tags.tag_id(tags.BEGIN, mark.label), tags.tag_id(tags.BEGIN, number)
    may_begin = allowed[starts, first]
    allowed[:, again] = False
    allowed[starts, again] = may_begin
    allowed[starts, first] = False
    allowed[:, tags.tag_id(tags.UNIT, number)] = False
    lasts = [end - 1 for ends in mark.ends.values() for end in ends]
    allowed[lasts, tags.tag_id(tags.LAST, number)] = False

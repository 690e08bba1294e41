"""Annotation of a batch of examples, as masks over tags."""

from collections.abc import Sequence
from typing import NamedTuple

from spacy.training import Example

from .. import tags
from ..batching import Distribution
from ..constraints import Mask, allowed_by_doc, allowed_by_gold, incorrect_spans
from ..potentials import Potentials


class IncorrectSpan(NamedTuple):
    """A span that is known not to be an entity of its label.

    Attributes:
        doc: Index of the doc in the batch.
        span: First token, token after the last, index of the label.
    """

    doc: int
    span: tags.LabelledSpan


class Annotation(NamedTuple):
    """What the examples of a batch say about the tags of their docs.

    Attributes:
        allowed: Tags that each predicted doc allows, bool [n_tokens, n_tags]; None for all.
        gold: Tags that each annotation allows, bool [n_tokens, n_tags]; None without annotation.
        incorrect: Spans that are known not to be entities.
    """

    allowed: list[Mask]
    gold: list[Mask]
    incorrect: list[IncorrectSpan]

    def distribution(self, potentials: Potentials) -> Distribution:
        """Return the distribution over all tag sequences that the predicted docs allow."""
        return Distribution(potentials, self.allowed)

    @property
    def n_annotated(self) -> int:
        """Number of docs with any annotation."""
        known = {i for i, mask in enumerate(self.gold) if mask is not None}
        return len(known | {span.doc for span in self.incorrect})


def is_annotated(example: Example, incorrect_spans_key: str | None = None) -> bool:
    """Check whether an example has any annotation of entities.

    Args:
        example: The example.
        incorrect_spans_key: Key of `reference.spans` with spans that are no entities, if any.
    """
    reference = example.reference
    return reference.has_annotation("ENT_IOB") or bool(
        incorrect_spans_key is not None and len(reference.spans.get(incorrect_spans_key, []))
    )


def annotation_of(
    examples: Sequence[Example], labels: Sequence[str], incorrect_spans_key: str | None = None
) -> Annotation:
    """Read the annotation of examples.

    Args:
        examples: The batch.
        labels: Labels of the model.
        incorrect_spans_key: Key of `reference.spans` with spans that are no entities, if any.

    Raises:
        ValueError: If an entity has a label that the model does not know.
    """
    allowed = [allowed_by_doc(eg.predicted, labels, presets=False) for eg in examples]
    gold = [allowed_by_gold(eg, labels, mask) for eg, mask in zip(examples, allowed)]
    incorrect = []
    for i, (eg, mask) in enumerate(zip(examples, allowed)):
        for span in incorrect_spans(eg, incorrect_spans_key, labels):
            # A span that the doc rules out has probability 0 already
            if mask is None or (tags.mask_of_span(span, *mask.shape) & mask).any(1).all():
                incorrect.append(IncorrectSpan(i, span))
    return Annotation(allowed, gold, incorrect)

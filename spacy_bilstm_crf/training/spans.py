"""Annotation and losses of entities that overlap: chains of tags for each label."""

from collections.abc import Callable, Sequence

from spacy.training import Example

from .. import tags
from ..constraints import allowed_by_doc, allowed_by_gold_spans, incorrect_spans
from ..potentials import Potentials
from .annotation import Annotation, IncorrectSpan
from .losses import annotation_loss
from .objectives import Loss

ANY_LABEL = ("",)  # the label of a chain, whatever its name


def is_span_annotated(example: Example, key: str, incorrect_key: str | None = None) -> bool:
    """Check whether an example has any annotation of spans.

    Args:
        example: The example.
        key: Key of `reference.spans` with the entities. An empty group says that there are none.
        incorrect_key: Key of `reference.spans` with spans that are no entities, if any.
    """
    spans = example.reference.spans
    return key in spans or bool(incorrect_key is not None and len(spans.get(incorrect_key, [])))


def span_annotation_of(
    examples: Sequence[Example],
    labels: Sequence[str],
    key: str,
    incorrect_key: str | None = None,
    levels: int = 1,
) -> list[Annotation]:
    """Read the annotation of spans, for each chain on its own.

    Args:
        examples: The batch.
        labels: Labels of the model.
        key: Key of `reference.spans` with the entities; a doc without it is not annotated.
        incorrect_key: Key of `reference.spans` with spans that are no entities, if any.
        levels: Number of chains of each label: see `allowed_by_gold_spans`.

    Returns:
        For each chain, label by label, what is known about its tags.

    Raises:
        ValueError: If a span has a label that the model does not know.
    """
    allowed = [allowed_by_doc(eg.predicted, ANY_LABEL, presets=False) for eg in examples]
    gold = [
        allowed_by_gold_spans(eg, key, labels, by_doc, levels)
        for eg, by_doc in zip(examples, allowed)
    ]
    found = [Annotation(allowed, list(of_chain), []) for of_chain in zip(*gold)]
    for i, (eg, mask) in enumerate(zip(examples, allowed)):
        for start, end, label in incorrect_spans(eg, incorrect_key, labels, key):
            span = (start, end, 0)
            # A span that the doc rules out has probability 0 already
            if mask is None or (tags.mask_of_span(span, *mask.shape) & mask).any(1).all():
                for of_chain in found[label * levels : (label + 1) * levels]:
                    of_chain.incorrect.append(IncorrectSpan(i, span))
    return found


def span_loss_of(
    examples: Sequence[Example],
    labels: Sequence[str],
    key: str,
    incorrect_key: str | None = None,
    levels: int = 1,
) -> Callable[[Potentials], Loss]:
    """Return the loss function of a batch: -log P(annotation), the sum over the chains.

    The examples are checked here, before the model runs. Arguments and errors are those of
    `span_annotation_of`.

    Returns:
        A function from the potentials of all chains to the mean loss over the annotated docs, in
        nats, and its gradient.
    """
    annotation = span_annotation_of(examples, labels, key, incorrect_key, levels)
    n_annotated = sum(is_span_annotated(eg, key, incorrect_key) for eg in examples)

    def loss(scores: Potentials) -> Loss:
        total, gradients = 0.0, []
        for chain, of_chain in zip(scores.chains(), annotation):
            value, gradient = annotation_loss(of_chain, None, chain)
            share = of_chain.n_annotated / (n_annotated or 1)
            total += value * share
            gradients.append(gradient.scaled(share))
        return total, Potentials.side_by_side(gradients)

    return loss

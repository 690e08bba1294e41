"""Losses of a batch of examples, as functions of the model's potentials."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from numbers import Real
from typing import NamedTuple, Optional

from spacy.training import Example

from ..batching import Distribution
from ..potentials import Potentials
from .annotation import Annotation, annotation_of
from .distillation import distillation_loss, soft_labels_of
from .objectives import Loss, expected_entity_tokens, summed_negative_log_likelihood


class EntityRatio(NamedTuple):
    """The expected share of tokens in entities where annotation is incomplete.

    The prior of the expected entity ratio loss (Effland and Collins 2021).

    Attributes:
        rate: Expected share of the tokens, 0 to 1.
        margin: Deviation from the rate that costs nothing.
        weight: Cost of any further deviation.
    """

    rate: float
    margin: float = 0.05
    weight: float = 10.0

    @classmethod
    def from_setting(cls, setting: dict | None, component: str) -> Optional["EntityRatio"]:
        """Read the setting of a component.

        Args:
            setting: Its `entity_ratio`, with the names of the attributes; None for no prior.
            component: Name of the component, for the message.

        Raises:
            ValueError: Naming what is wrong with the setting.
        """
        if setting is None:
            return None
        unknown = set(setting) - set(cls._fields)
        if unknown or "rate" not in setting:
            raise ValueError(
                f"The entity_ratio of '{component}' is {setting}, but it must have a rate, and may "
                f"have a margin and a weight: {{'rate': 0.15, 'margin': 0.05, 'weight': 10.0}}."
            )
        found = cls(**setting)
        are_numbers = all(isinstance(value, Real) for value in found)
        # Comparing anything else would raise an error that does not name the setting
        if not (
            are_numbers
            and (0.0 < found.rate < 1.0 and 0.0 <= found.margin < 1.0 and found.weight > 0.0)
        ):
            raise ValueError(
                f"The entity_ratio of '{component}' is {setting}, but its rate must be "
                f"between 0 and 1, its margin from 0 up to 1 and its weight above 0."
            )
        return found


class _Share(NamedTuple):
    """The examples of a batch that share one loss function.

    Attributes:
        indices: Their indices in the batch.
        n_docs: Number of them with any annotation.
        loss: Mean loss of their docs, from their potentials.
    """

    indices: list[int]
    n_docs: int
    loss: Callable[[Potentials], Loss]


def loss_of(
    examples: Sequence[Example],
    labels: Sequence[str],
    incorrect_spans_key: str | None,
    entity_ratio: EntityRatio | None,
) -> Callable[[Potentials], Loss]:
    """Return the loss function of a batch: distillation or annotation, example by example.

    An example with soft labels is learned from its teacher, any other from its annotation. The loss
    is the mean over the docs that have either. The examples are checked here, before the model
    runs.

    Args:
        examples: The batch.
        labels: Labels of the model.
        incorrect_spans_key: Key of `reference.spans` with spans that are no entities, if any.
        entity_ratio: The prior for incomplete annotation, if any.

    Returns:
        A function from the batch's potentials to the loss and its gradient.

    Raises:
        ValueError: If the annotation or soft labels do not fit the docs or the labels.
    """
    soft_labels = [soft_labels_of(example) for example in examples]
    annotated = [i for i, of_doc in enumerate(soft_labels) if of_doc is None]
    annotation = annotation_of([examples[i] for i in annotated], labels, incorrect_spans_key)
    of_annotation = partial(annotation_loss, annotation, entity_ratio)
    if len(annotated) == len(examples):
        return of_annotation
    shares = [_Share(annotated, annotation.n_annotated, of_annotation)]
    teachers = {id(of_doc.teacher): of_doc.teacher for of_doc in soft_labels if of_doc is not None}
    for key, teacher in teachers.items():
        taught = [(i, one) for i, one in enumerate(soft_labels) if one and id(one.teacher) == key]
        docs = [examples[i].predicted for i, _ in taught]
        loss = distillation_loss(teacher, [one for _, one in taught], docs, labels)
        shares.append(_Share([i for i, _ in taught], len(docs), loss))
    return partial(_mean_loss, shares)


def _mean_loss(shares: Sequence[_Share], scores: Potentials) -> Loss:
    """Compute the mean loss over the docs of all shares, and its gradient."""
    total, emissions = 0.0, list(scores.emissions)
    gradient = replace(scores, emissions=[]).scaled(0.0)
    n_docs = sum(share.n_docs for share in shares)
    for indices, n_of_share, loss in shares:
        if indices:
            value, d_scores = loss(
                replace(scores, emissions=[scores.emissions[i] for i in indices])
            )
            d_scores = d_scores.scaled(n_of_share / n_docs)
            total += value * n_of_share / n_docs
            gradient = gradient.plus(replace(d_scores, emissions=[]))
            for i, d_doc in zip(indices, d_scores.emissions):
                emissions[i] = d_doc
    return total, replace(gradient, emissions=emissions)


def annotation_loss(
    annotation: Annotation,
    entity_ratio: EntityRatio | None,
    scores: Potentials,
) -> Loss:
    """Compute -log P(annotation), the mean over the annotated docs, plus the prior's loss.

    See `crf.negative_log_likelihood` for missing annotation and incorrect spans.

    Args:
        annotation: What is known about the docs.
        entity_ratio: The prior for incomplete annotation, if any.
        scores: What the model predicted.

    Returns:
        The loss in nats, and its gradient.
    """
    loss, gradient = summed_negative_log_likelihood(scores, annotation)
    share = 1 / (annotation.n_annotated or 1)
    loss, gradient = loss * share, gradient.scaled(share)
    if entity_ratio is not None:
        incomplete = [mask is None or bool(mask.all(1).any()) for mask in annotation.gold]
        possible = annotation.distribution(scores)
        cost, d_cost = _rate_loss(possible, incomplete, entity_ratio)
        loss, gradient = loss + cost, gradient.plus(d_cost)
    return loss, gradient


def _rate_loss(distribution: Distribution, incomplete: list[bool], prior: EntityRatio) -> Loss:
    """Penalize the expected share of tokens in entities for leaving the prior's margin.

    The share is taken over all docs with missing annotation together (Effland and Collins 2021).
    """
    scores = distribution.potentials
    docs = [doc if use else doc[:0] for doc, use in zip(scores.emissions, incomplete)]
    n_tokens = sum(map(len, docs))
    used = replace(scores, emissions=docs)
    expected, d_expected = expected_entity_tokens(replace(distribution, potentials=used))
    error = expected / max(n_tokens, 1) - prior.rate
    excess = max(0.0, abs(error) - prior.margin) if n_tokens else 0.0
    slope = prior.weight * (1 if error > 0 else -1) / n_tokens if excess else 0.0
    d_loss = d_expected.scaled(slope)
    emissions = [
        d_doc if use else doc * 0.0
        for d_doc, doc, use in zip(d_loss.emissions, scores.emissions, incomplete)
    ]
    return prior.weight * excess, replace(d_loss, emissions=emissions)

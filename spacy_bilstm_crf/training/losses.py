"""What examples say about potentials: losses of a batch, and their gradients."""

from collections.abc import Sequence
from dataclasses import replace
from numbers import Real
from typing import Any, NamedTuple, Optional, cast

import torch
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import get_array_module, torch2xp
from thinc.types import Floats2d
from torch import Tensor

from .. import crf, tags
from ..batching import Batch, Distribution
from ..constraints import Mask, allowed_by_doc, allowed_by_gold, incorrect_spans
from ..potentials import Potentials

Loss = tuple[float, Potentials]


class EntityRatio(NamedTuple):
    """How many tokens are expected to be in entities where annotation is incomplete.

    The prior of the expected entity ratio loss (Effland and Collins 2021).

    Attributes:
        rate: Share of the tokens.
        margin: So far from the rate costs nothing.
        weight: What more than that costs.
    """

    rate: float
    margin: float = 0.05
    weight: float = 10.0

    @classmethod
    def from_setting(cls, setting: dict | None, component: str) -> Optional["EntityRatio"]:
        """Read the component's setting.

        Raises:
            ValueError: Naming what is wrong with it.
        """
        if setting is None:
            return None
        unknown = set(setting) - set(cls._fields)
        if unknown or "rate" not in setting:
            raise ValueError(
                f"The entity_ratio of '{component}' is {setting}, but it has a rate, and may "
                f"have a margin and a weight: {{'rate': 0.15, 'margin': 0.05, 'weight': 10.0}}."
            )
        found = cls(**setting)
        are_numbers = all(isinstance(value, Real) for value in found)
        # Of what is no number the comparisons would raise an error that names nothing
        if not (
            are_numbers
            and (0.0 < found.rate < 1.0 and 0.0 <= found.margin < 1.0 and found.weight > 0.0)
        ):
            raise ValueError(
                f"The entity_ratio of '{component}' is {setting}, but its rate must be "
                f"between 0 and 1, its margin from 0 up to 1 and its weight above 0."
            )
        return found


class Wrong(NamedTuple):
    """An entity that a doc is known not to have."""

    doc: int
    span: tags.LabelledSpan


class Annotation(NamedTuple):
    """What examples say about the tag sequences of their docs, one mask for each doc.

    Attributes:
        allowed: By the predicted doc.
        gold: By the annotation; None where there is none.
        wrong: Entities that are known to be none.
    """

    allowed: list[Mask]
    gold: list[Mask]
    wrong: list[Wrong]

    def distribution(self, potentials: Potentials, device: torch.device) -> Distribution:
        """All tag sequences that the predicted docs allow, annotated or not."""
        return Distribution(potentials, self.allowed, device)

    @property
    def n_annotated(self) -> int:
        """Number of docs of which anything is known."""
        known = {i for i, mask in enumerate(self.gold) if mask is not None}
        return len(known | {entity.doc for entity in self.wrong})


def is_annotated(example: Example, incorrect_spans_key: str | None = None) -> bool:
    """Whether an example says anything about its entities."""
    reference = example.reference
    return reference.has_annotation("ENT_IOB") or bool(
        incorrect_spans_key is not None and len(reference.spans.get(incorrect_spans_key, []))
    )


def annotation_of(
    examples: Sequence[Example], labels: Sequence[str], incorrect_spans_key: str | None = None
) -> Annotation:
    """Read the annotation of examples.

    Raises:
        ValueError: If an entity's label is not known.
    """
    allowed = [allowed_by_doc(eg.predicted, labels, presets=False) for eg in examples]
    gold = [allowed_by_gold(eg, labels, mask) for eg, mask in zip(examples, allowed)]
    wrong = []
    for i, (eg, mask) in enumerate(zip(examples, allowed)):
        for span in incorrect_spans(eg, incorrect_spans_key, labels):
            # An entity that the doc rules out has no probability to lose
            if mask is None or (tags.mask_of_span(span, *mask.shape) & mask).any(1).all():
                wrong.append(Wrong(i, span))
    return Annotation(allowed, gold, wrong)


def annotation_loss(
    device: torch.device,
    annotation: Annotation,
    entity_ratio: EntityRatio | None,
    scores: Potentials,
) -> Loss:
    """-log P(annotation), the mean over the annotated docs, and what the prior adds.

    See `crf.negative_log_likelihood` for annotation that is missing, and for wrong spans.
    """
    loss, gradient = negative_log_likelihood(device, scores, annotation)
    share = 1 / (annotation.n_annotated or 1)
    loss, gradient = loss * share, gradient.scaled(share)
    if entity_ratio is not None:
        incomplete = [mask is None or bool(mask.all(1).any()) for mask in annotation.gold]
        possible = annotation.distribution(scores, device)
        cost, d_cost = _rate_loss(possible, incomplete, entity_ratio)
        loss, gradient = loss + cost, gradient.plus(d_cost)
    return loss, gradient


def _rate_loss(
    distribution: Distribution,
    incomplete: list[bool],
    prior: EntityRatio,
) -> Loss:
    """Distance of the expected share of tokens in entities from the prior's, beyond its margin.

    Over the docs with missing annotation, all together (Effland and Collins 2021).
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
    return prior.weight * excess, Potentials(
        emissions, d_loss.transitions, d_loss.start, d_loss.end
    )


def rehearsal_loss(
    device: torch.device,
    tutor: Potentials,
    docs: Sequence[Doc],
    labels: Sequence[str],
    scores: Potentials,
) -> Loss:
    """Divergence of the tag sequences' probabilities from a tutor's, the mean over the docs.

    Over the labels that the tutor knows: labels added since are left free.
    """
    labels = labels[: tags.count_labels(tutor.n_tags)]
    allowed = [allowed_by_doc(doc, labels, presets=False) for doc in docs]
    known = scores.first_tags(tutor.n_tags)
    loss, gradient = divergence(Distribution(known, allowed, device), tutor)
    gradient = gradient.padded(scores.n_tags)
    return loss / len(docs), gradient.scaled(1 / len(docs))


def negative_log_likelihood(
    device: torch.device, potentials: Potentials, annotation: Annotation
) -> tuple[float, Potentials]:
    """Negative log-likelihood of the annotation, summed over docs, and its gradient.

    See `crf.negative_log_likelihood`.
    """
    total = _Total(potentials)
    for batch in annotation.distribution(potentials, device).batches():
        row_of = {int(doc): row for row, doc in enumerate(batch.docs)}
        here = [entity for entity in annotation.wrong if entity.doc in row_of]
        rows = [row_of[entity.doc] for entity in here]
        _, n_steps, n_tags = batch.shape
        sets = torch.ones(len(here), n_steps, n_tags, dtype=torch.bool, device="cpu")
        for mask, entity, row in zip(sets, here, rows):
            of_span = tags.mask_of_span(entity.span, batch.sizes[row], n_tags)
            mask[: batch.sizes[row]] = torch.from_numpy(of_span)
        possible = batch.mask(annotation.gold)
        if possible is None:
            possible = torch.ones(batch.shape, dtype=torch.bool, device=device)
        loss, gradient = crf.negative_log_likelihood(
            batch.chain,
            possible,
            wrong_rows=torch.tensor(rows, dtype=torch.long, device=device),
            wrong=sets.to(device),
        )
        total.add(batch, loss, gradient)
    return total.value, total.gradient()


def divergence(distribution: Distribution, tutor: Potentials) -> tuple[float, Potentials]:
    """KL divergence from a tutor's tag sequences, summed over docs, and its gradient.

    Both models must have the same tags.
    """
    total = _Total(distribution.potentials)
    for batch in distribution.batches():
        loss, gradient = crf.divergence(batch.chain, batch.scores_of(tutor))
        total.add(batch, loss, gradient)
    return total.value, total.gradient()


def expected_entity_tokens(distribution: Distribution) -> tuple[float, Potentials]:
    """Expected number of tokens in entities, summed over docs, and its gradient."""
    potentials = distribution.potentials
    in_entity = torch.arange(potentials.n_tags, device=distribution.device) != tags.OUTSIDE
    total = _Total(potentials)
    for batch in distribution.batches():
        expected, gradient = crf.expected_count(batch.chain, in_entity)
        total.add(batch, expected, gradient)
    return total.value, total.gradient()


class _Total:
    """Sums values and gradients of batches into those of all docs."""

    def __init__(self, potentials: Potentials):
        xp = get_array_module(potentials.transitions)
        self.value = 0.0
        self._emissions: list[Floats2d] = [
            xp.zeros(doc.shape, dtype="float32") for doc in potentials.emissions
        ]
        self._transitions = xp.zeros(potentials.transitions.shape, dtype="float32")
        self._start = xp.zeros(potentials.start.shape, dtype="float32")
        self._end = xp.zeros(potentials.end.shape, dtype="float32")

    def add(self, batch: Batch, value: Tensor, gradient: crf.Scores) -> None:
        self.value += float(value.sum())
        emissions, transitions, start, end = (
            cast(Any, torch2xp(part.float())) for part in gradient
        )
        for doc, rows, size in zip(batch.docs, emissions, batch.sizes):
            self._emissions[doc] = rows[:size]
        self._transitions += transitions
        self._start += start
        self._end += end

    def gradient(self) -> Potentials:
        return Potentials(self._emissions, self._transitions, self._start, self._end)

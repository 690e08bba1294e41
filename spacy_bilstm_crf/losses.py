"""What examples say about potentials: losses of a batch, and their gradients."""

from typing import List, NamedTuple, Optional, Sequence, Tuple

from spacy.training import Example
from thinc.api import Model

from . import lattice, tags
from .potentials import Potentials

Loss = Tuple[float, Potentials]


class EntityRate(NamedTuple):
    """How many tokens are expected to be in entities where annotation is incomplete.

    The prior of the expected entity ratio loss (Effland and Collins 2021, section 3.2).
    """

    rate: float  # share of the tokens
    margin: float = 0.05  # so far from it costs nothing
    weight: float = 10.0

    @classmethod
    def from_setting(cls, setting: Optional[dict], component: str) -> Optional["EntityRate"]:
        """Read the component's setting. RAISES (ValueError): Naming what is wrong with it."""
        if setting is None:
            return None
        unknown = set(setting) - set(cls._fields)
        if unknown or "rate" not in setting:
            raise ValueError(
                f"The missing_outside of '{component}' is {setting}, but it has a rate, and may "
                f"have a margin and a weight: {{'rate': 0.15, 'margin': 0.05, 'weight': 10.0}}."
            )
        found = cls(**setting)
        if not (0.0 < found.rate < 1.0 and 0.0 <= found.margin < 1.0 and found.weight > 0.0):
            raise ValueError(
                f"The missing_outside of '{component}' is {setting}, but its rate must be "
                f"between 0 and 1, its margin from 0 up to 1 and its weight above 0."
            )
        return found


def annotation_loss(
    model: Model,
    scores: Potentials,
    examples: Sequence[Example],
    labels: Sequence[str],
    incorrect_spans_key: Optional[str],
    entity_rate: Optional[EntityRate],
) -> Loss:
    """-log P(annotation), the mean over the annotated docs, and what the prior adds.

    See `crf.negative_log_likelihood` for annotation that is missing, and for wrong spans.
    """
    legal = tags.legal_tags(labels)
    allowed = [tags.allowed_by_doc(eg.predicted, labels, presets=False) for eg in examples]
    gold = [tags.allowed_by_gold(eg, labels, mask) for eg, mask in zip(examples, allowed)]
    wrong = []
    for i, (eg, mask) in enumerate(zip(examples, allowed)):
        for span in tags.incorrect_spans(eg, incorrect_spans_key, labels):
            # An entity that the doc rules out has no probability to lose
            if mask is None or (tags.mask_of_span(span, *mask.shape) & mask).any(1).all():
                wrong.append(lattice.Wrong(i, span))
    loss, gradient = lattice.loss_and_gradient(model, scores, legal, allowed, gold, wrong)
    annotated = {i for i, mask in enumerate(gold) if mask is not None}
    n_annotated = len(annotated | {entity.doc for entity in wrong}) or 1
    loss, gradient = loss / n_annotated, gradient.scaled(1 / n_annotated)
    if entity_rate is not None:
        incomplete = [mask is None or bool(mask.all(1).any()) for mask in gold]
        cost, d_cost = _rate_loss(model, scores, legal, allowed, incomplete, entity_rate)
        loss, gradient = loss + cost, gradient.plus(d_cost)
    return loss, gradient


def _rate_loss(
    model: Model,
    scores: Potentials,
    legal: tags.LegalTags,
    allowed: List[lattice.Mask],
    incomplete: List[bool],
    prior: EntityRate,
) -> Loss:
    """Distance of the expected share of tokens in entities from the prior's, beyond its margin.

    Over the docs with missing annotation, all together (Effland and Collins 2021, eq. 6).
    """
    docs = [doc if use else doc[:0] for doc, use in zip(scores.emissions, incomplete)]
    n_tokens = sum(map(len, docs))
    used = Potentials(docs, scores.transitions, scores.start, scores.end)
    expected, d_expected = lattice.expected_entity_tokens(model, used, legal, allowed)
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
    model: Model,
    scores: Potentials,
    tutor: Potentials,
    examples: Sequence[Example],
    labels: Sequence[str],
) -> Loss:
    """Divergence of the taggings' probabilities from a tutor's, the mean over the docs.

    Over the labels that the tutor knows: labels added since are left free.
    """
    labels = labels[: tags.count_labels(tutor.n_tags)]
    docs = [eg.predicted for eg in examples]
    loss, gradient = lattice.divergence(
        model,
        scores.first_tags(tutor.n_tags),
        tutor,
        tags.legal_tags(labels),
        [tags.allowed_by_doc(doc, labels, presets=False) for doc in docs],
    )
    gradient = gradient.padded(model.ops, scores.n_tags)
    return loss / len(docs), gradient.scaled(1 / len(docs))

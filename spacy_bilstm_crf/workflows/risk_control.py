"""Conformal risk control of the recall of candidates.

Angelopoulos, Bates, Fisch, Lei and Schuster (2024), theorem 1. The loss of a document is the share
of its entities that are not among the candidates. It is at most 1 and does not fall when the
threshold rises. A threshold whose mean loss R on n documents satisfies

    (n R + 1) / (n + 1) <= 1 - recall

has an expected loss of at most 1 - recall on one more document, if that is exchangeable with the
others. Documents without entities have no such share and do not count.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

from spacy.language import Language
from spacy.training import Example
from spacy.util import minibatch

from ..common.errors import UserError
from ..decoding import LEAST_PROBABILITY, candidate_entities
from ..pipeline import BiLSTMCRFEntityRecognizer

# For sums of shares that differ only by rounding
SUM_TOLERANCE = 1e-9
PRECISION = 10**9
DOCS_AT_ONCE = 128  # docs

META_KEY = "risk_control"  # of nlp.meta
OLD_META_KEY = "guarantee"  # its earlier name, in saved pipelines

ScoredGold = list[tuple[str, float]]  # label and probability of each entity


class RiskControl(NamedTuple):
    """A threshold for candidates, and how it was found.

    Attributes:
        recall: The expected share of a document's entities that are among the candidates.
        threshold: Minimum probability of a candidate.
        n_docs: Number of documents with entities that it was found on.
        found: Mean share of these documents' entities that are among the candidates.
    """

    recall: float
    threshold: float
    n_docs: int
    found: float


def docs_needed(recall: float) -> int:
    """Return the least number of documents with entities that can bound a recall at all."""
    return math.ceil(1 / (1 - recall) - 1 - SUM_TOLERANCE)


def control_risk(probabilities: Sequence[Sequence[float]], recall: float) -> RiskControl:
    """Find the highest threshold with an expected recall.

    Args:
        probabilities: For each document, the probabilities of its entities; 0 for an entity that
            can't be a candidate. Documents without entities don't count.
        recall: Expected share of a document's entities that are among the candidates.

    Raises:
        ValueError: If there are too few documents, or even the lowest threshold misses too many
            entities.
    """
    if not 0.0 < recall < 1.0:
        raise ValueError(f"The recall is {recall}, but it must be above 0 and below 1.")
    of_docs = [doc for doc in probabilities if doc]
    n_docs = len(of_docs)
    if n_docs < docs_needed(recall):
        raise ValueError(
            f"A recall of {recall} needs {docs_needed(recall)} documents with entities, but there "
            f"are {n_docs}: annotate more, or lower the recall."
        )
    # Raising the threshold past an entity's probability adds its share to the mean loss
    most = ((1 - recall) * (n_docs + 1) - 1) / n_docs + SUM_TOLERANCE
    entities = sorted((p, 1 / (len(doc) * n_docs)) for doc in of_docs for p in doc)
    missed, threshold = 0.0, 1.0
    for probability, share in entities:
        if missed + share > most:
            threshold = probability
            break
        missed += share
    if threshold < LEAST_PROBABILITY:
        lost = sum(share for p, share in entities if p < LEAST_PROBABILITY)
        raise ValueError(
            f"A recall of {recall} can't be reached: on average {lost:.1%} of a document's "
            f"entities have a probability below {LEAST_PROBABILITY:f} or can't be candidates, "
            f"since they are longer than candidates_max_length or do not consist of whole tokens. "
            f"Train on more data, raise candidates_max_length, or lower the recall."
        )
    # Rounded down, since files keep ten digits: entities as probable as the threshold are found
    threshold = math.floor(threshold * PRECISION) / PRECISION
    missed = sum(share for p, share in entities if p < threshold)
    return RiskControl(recall, threshold, n_docs, 1.0 - missed)


def control_recall(
    nlp: Language,
    examples: Sequence[Example],
    recall: float,
    *,
    component: str = "ner",
    per_label: bool = False,
) -> dict[str, RiskControl]:
    """Set a component's `candidates_threshold` for an expected recall of its candidates.

    Args:
        nlp: The pipeline.
        examples: Held-out examples that nothing else was chosen by. Their predicted docs have been
            through the components before this one. New documents have to be of the same kind.
        recall: Expected share of a document's entities that are among the candidates.
        component: Name of the component.
        per_label: Control the recall of each label by a threshold of its own.

    Returns:
        The threshold of each label, or that of all entities under the name "". It is stored in
        `nlp.meta["risk_control"]` too, by the component's name.

    Raises:
        UserError: If there are too few documents, or even the lowest threshold misses too many
            entities.
    """
    ner = cast(BiLSTMCRFEntityRecognizer, nlp.get_pipe(component))
    scored = scored_gold(ner, examples)
    found: dict[str, RiskControl] = {}
    for label in ner.labels if per_label else ("",):
        of_label = [[p for of, p in doc if label in ("", of)] for doc in scored]
        try:
            found[label] = control_risk(of_label, recall)
        except ValueError as error:
            raise UserError(f"{label}: {error}" if label else str(error)) from error
    thresholds = {label: control.threshold for label, control in found.items()}
    ner.candidates_threshold = thresholds if per_label else thresholds[""]
    kept = {label: control._asdict() for label, control in found.items()}
    nlp.meta.get(OLD_META_KEY, {}).pop(component, None)
    nlp.meta.setdefault(META_KEY, {})[component] = kept if per_label else kept[""]
    return found


def scored_gold(ner: BiLSTMCRFEntityRecognizer, examples: Sequence[Example]) -> list[ScoredGold]:
    """Return the label and the probability of each annotated entity of each example.

    The probability is 0 for an entity that can't be a candidate, whatever the threshold.
    """
    return [one for batch in minibatch(examples, DOCS_AT_ONCE) for one in _scored(ner, batch)]


def _scored(ner: BiLSTMCRFEntityRecognizer, examples: Sequence[Example]) -> Iterator[ScoredGold]:
    distribution = ner.distribution([example.predicted for example in examples])
    found = candidate_entities(distribution, LEAST_PROBABILITY, ner.candidates_max_length)
    for example, candidates in zip(examples, found):
        probability = {}
        for start, end, label, p in candidates:
            span = example.predicted[start:end]
            probability[span.start_char, span.end_char, ner.labels[label]] = p
        gold = [(ent.start_char, ent.end_char, ent.label_) for ent in example.reference.ents]
        yield [(entity[2], probability.get(entity, 0.0)) for entity in gold]

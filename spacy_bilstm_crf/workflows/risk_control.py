"""A threshold for candidates that misses no more entities than is asked for.

Conformal risk control (Angelopoulos, Bates, Fisch, Lei and Schuster 2024, theorem 1). The loss of
a document is the share of its entities that are not among the candidates, so it is at most 1 and
never falls where the threshold rises. Of n documents with the mean loss R, a threshold with

    (n R + 1) / (n + 1) <= 1 - recall

has, for one more document that is exchangeable with them, an expected loss of at most 1 - recall.
Documents without entities have no such share and do not count.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

from spacy.language import Language
from spacy.training import Example
from spacy.util import minibatch

from ..decoding import LEAST_PROBABILITY, candidate_entities
from ..pipeline import BiLSTMCRFEntityRecognizer

# For sums of shares that would be equal but for rounding
TOLERANCE = 1e-9
DIGITS = 10**9
BATCH = 128  # docs

ScoredGold = list[tuple[str, float]]  # of each entity its label and its probability


class Guarantee(NamedTuple):
    """A threshold, and what it was found by.

    Attributes:
        recall: What was asked for: the least expected share of a document's entities that are
            among the candidates.
        threshold: The least probability of a candidate.
        n_docs: Documents with entities by which it was found.
        found: Mean share of these documents' entities that are among the candidates.
    """

    recall: float
    threshold: float
    n_docs: int
    found: float


def docs_needed(recall: float) -> int:
    """The least number of documents with entities for which there is a bound at all."""
    return math.ceil(1 / (1 - recall) - 1 - TOLERANCE)


def guarantee_of(probabilities: Sequence[Sequence[float]], recall: float) -> Guarantee:
    """The highest threshold that keeps the promise.

    Args:
        probabilities: Of each document those of its entities, 0 for one that can't be a candidate.
            Documents without entities don't count.
        recall: The share of a document's entities that is to be expected among the candidates.

    Raises:
        ValueError: If there are too few documents, or even the lowest threshold misses too many.
    """
    if not 0.0 < recall < 1.0:
        raise ValueError(f"The recall is {recall}, but it must be above 0 and below 1.")
    of_docs = [doc for doc in probabilities if doc]
    n_docs = len(of_docs)
    if n_docs < docs_needed(recall):
        raise ValueError(
            f"A recall of {recall} can be promised with {docs_needed(recall)} documents that have "
            f"entities, but there are {n_docs}: annotate more, or ask for less."
        )
    # Raising the threshold past an entity's probability adds its share to the mean loss
    most = ((1 - recall) * (n_docs + 1) - 1) / n_docs + TOLERANCE
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
            f"A recall of {recall} can't be promised: of a document's entities {lost:.1%} have a "
            f"probability below {LEAST_PROBABILITY:f} or can be no candidates, as they are longer "
            f"than candidates_max_length or not made of whole tokens. Train on more data, raise "
            f"candidates_max_length, or ask for less."
        )
    # All that are as probable as the threshold are found. Rounded down, for files keep ten digits
    threshold = math.floor(threshold * DIGITS) / DIGITS
    missed = sum(share for p, share in entities if p < threshold)
    return Guarantee(recall, threshold, n_docs, 1.0 - missed)


def guarantee_recall(
    nlp: Language,
    examples: Sequence[Example],
    recall: float,
    name: str = "ner",
    per_label: bool = False,
) -> dict[str, Guarantee]:
    """Set a component's candidates_threshold so that the candidates miss at most so many entities.

    Args:
        nlp: The pipeline.
        examples: Held-out examples, by which nothing else was chosen. Their predicted docs have
            been through the components before this one. What is annotated in them counts; the
            documents that the promise is for have to be of the same kind.
        recall: The share of a document's entities that is to be expected among the candidates.
        name: The component's name.
        per_label: Promise it of each label, by a threshold for each.

    Returns:
        The guarantee of each label, or the one of all entities under the name "". It is kept in
        `nlp.meta["guarantee"]` too, by the component's name.

    Raises:
        ValueError: If there are too few documents, or even the lowest threshold misses too many.
    """
    ner = cast(BiLSTMCRFEntityRecognizer, nlp.get_pipe(name))
    scored = scored_gold(ner, examples)
    found: dict[str, Guarantee] = {}
    for label in ner.labels if per_label else [""]:
        of_label = [[p for of, p in doc if label in ("", of)] for doc in scored]
        try:
            found[label] = guarantee_of(of_label, recall)
        except ValueError as error:
            raise ValueError(f"{label}: {error}" if label else str(error)) from error
    thresholds = {label: guarantee.threshold for label, guarantee in found.items()}
    ner.candidates_threshold = thresholds if per_label else thresholds[""]
    kept = {label: guarantee._asdict() for label, guarantee in found.items()}
    nlp.meta.setdefault("guarantee", {})[name] = kept if per_label else kept[""]
    return found


def scored_gold(ner: BiLSTMCRFEntityRecognizer, examples: Sequence[Example]) -> list[ScoredGold]:
    """Label and probability of each annotated entity of each example.

    The probability is 0 where it can be no candidate, whatever the threshold.
    """
    return [one for batch in minibatch(examples, BATCH) for one in _scored(ner, batch)]


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

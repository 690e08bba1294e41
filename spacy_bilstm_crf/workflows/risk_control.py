"""Conformal risk control of the recall of candidates.

Angelopoulos, Bates, Fisch, Lei and Schuster (2024), theorem 1. The loss of a document is the share
of its entities that are not among the candidates. It is at most 1 and does not fall when the
threshold rises. A threshold whose mean loss R on n documents satisfies

    (n R + 1) / (n + 1) <= 1 - recall

has an expected loss of at most 1 - recall on one more document, if that is exchangeable with the
others. Documents without entities have no such share and do not count.

The theorem assumes that the lowest threshold loses at most 1 - recall of any document. But some
entities can't be candidates at all: those that are no whole tokens, or of a label that the model
lacks. They count as missed. If then no threshold satisfies the condition, the lowest one is taken.
To refuse such data would be worse: what is not refused would be a selection of documents that
happen to be easy, for which the bound is false. By the theorem's own proof the expected loss is
always at most

    E[max(1 - recall, U)]

where U is the mean share of entities that no threshold finds, over the n documents and the new one:
the recall that was asked for or, where that is less, all that the model can find. For the same
reason nothing depends on the data but the threshold; the number of documents is known beforehand.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, cast

from spacy.language import Language
from spacy.training import Example
from spacy.util import minibatch

from ..common.errors import UserError
from ..decoding import LEAST_PROBABILITY, DecodingSettings
from ..inference.recognizers import entity_source, likely_entities_of
from ..pipeline.base import TrainableCRF
from ..pipeline.ner import BiLSTMCRFEntityRecognizer
from ..pipeline.settings import COVERAGE_KEY

# For sums of shares that differ only by rounding
SUM_TOLERANCE = 1e-9
PRECISION = 10**9
DOCS_AT_ONCE = 128  # docs

META_KEY = "risk_control"  # of nlp.meta
OLD_META_KEY = "guarantee"  # its earlier name, in saved pipelines

LEVELS = (0.9, 0.95, 0.98, 0.99)  # recalls to choose from


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

    @property
    def is_reached(self) -> bool:
        """Whether the threshold satisfies the condition. If not, it is the lowest that there is."""
        bound = (self.n_docs * (1 - self.found) + 1) / (self.n_docs + 1)
        return bound <= 1 - self.recall + SUM_TOLERANCE


class RecallLevel(NamedTuple):
    """A recall to choose, and its price on the documents that its threshold was found on.

    Attributes:
        control: The recall and its threshold.
        candidates: Number of candidates for each annotated entity.
        tokens: Share of the tokens that are inside candidates.
    """

    control: RiskControl
    candidates: float
    tokens: float


class LikelySpan(NamedTuple):
    """A span that may be a candidate.

    Attributes:
        start: Its first token.
        end: The token after its last.
        label: Its label.
        probability: That it is an entity.
    """

    start: int
    end: int
    label: str
    probability: float


class ScoredDoc(NamedTuple):
    """The annotated entities of a document and its possible candidates.

    Attributes:
        gold: Label and probability of each annotated entity, in the order of the text. 0 if it
            can't be a candidate, whatever the threshold.
        candidates: All spans that some threshold makes candidates, in the order of their starts.
        n_tokens: Number of tokens.
    """

    gold: list[tuple[str, float]]
    candidates: list[LikelySpan]
    n_tokens: int


def docs_needed(recall: float) -> int:
    """Return the least number of documents with entities that can bound a recall at all."""
    return math.ceil(1 / (1 - recall) - 1 - SUM_TOLERANCE)


def control_risk(probabilities: Sequence[Sequence[float]], recall: float) -> RiskControl:
    """Find the highest threshold with an expected recall.

    Args:
        probabilities: For each document, the probabilities of its entities; 0 for an entity that
            can't be a candidate. Documents without entities don't count.
        recall: Expected share of a document's entities that are among the candidates.

    Returns:
        The threshold: the lowest that there is if none keeps the bound.

    Raises:
        ValueError: If there are too few documents for this recall, whatever they hold.
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
    # Rounded down, since files keep ten digits: entities as probable as the threshold are found
    threshold = max(math.floor(threshold * PRECISION) / PRECISION, LEAST_PROBABILITY)
    missed = sum(share for p, share in entities if p < threshold)
    return RiskControl(recall, threshold, n_docs, 1.0 - missed)


def control_recall(
    nlp: Language,
    docs: Sequence[ScoredDoc],
    recall: float,
    *,
    component: str = "ner",
    per_label: bool = False,
) -> dict[str, RiskControl]:
    """Set a component's `candidates_threshold` for an expected recall of its candidates.

    Args:
        nlp: The pipeline.
        docs: Held-out documents that nothing else was chosen by. New documents have to be of the
            same kind.
        recall: Expected share of a document's entities that are among the candidates.
        component: Name of the component.
        per_label: Control the recall of each label by a threshold of its own.

    Returns:
        The threshold of each label, or that of all entities under the name "". It is stored in
        `nlp.meta["risk_control"]` too, by the component's name.

    Raises:
        UserError: If there are too few documents for this recall.
    """
    ner = cast(TrainableCRF, nlp.get_pipe(component))
    found: dict[str, RiskControl] = {}
    for label in ner.labels if per_label else ("",):
        try:
            found[label] = control_risk(probabilities_of(docs, label), recall)
        except ValueError as error:
            raise UserError(f"{label}: {error}" if label else str(error)) from error
    thresholds = {label: control.threshold for label, control in found.items()}
    ner.candidates_threshold = thresholds if per_label else thresholds[""]
    kept = {label: control._asdict() for label, control in found.items()}
    nlp.meta.get(OLD_META_KEY, {}).pop(component, None)
    nlp.meta.setdefault(META_KEY, {})[component] = kept if per_label else kept[""]
    return found


def forget_control(nlp: Language, component: str) -> bool:
    """Remove what a pipeline's meta says of a component's recall, and its sets of tag sequences.

    Returns:
        Whether the meta said anything.
    """
    ner = nlp.get_pipe(component)
    if isinstance(ner, BiLSTMCRFEntityRecognizer):
        ner.least_of_set = None
    nlp.meta.get(COVERAGE_KEY, {}).pop(component, None)
    found = [nlp.meta.get(key, {}).pop(component, None) for key in (META_KEY, OLD_META_KEY)]
    return any(each is not None for each in found)


def recall_levels(docs: Sequence[ScoredDoc], label: str, recall: float) -> list[RecallLevel]:
    """Return the recalls to choose from with their prices, as far as there are enough documents.

    Args:
        docs: The documents.
        label: The label whose recall is controlled; "" for all entities together.
        recall: A recall to have among them.
    """
    probabilities = probabilities_of(docs, label)
    n_docs = sum(map(bool, probabilities))
    recalls = [each for each in sorted({*LEVELS, recall}) if docs_needed(each) <= n_docs]
    return [level_of(docs, label, control_risk(probabilities, each)) for each in recalls]


def probabilities_of(docs: Sequence[ScoredDoc], label: str) -> list[list[float]]:
    """Return the probabilities of each document's entities of a label; of all entities for ""."""
    return [[p for of, p in doc.gold if label in ("", of)] for doc in docs]


def level_of(docs: Sequence[ScoredDoc], label: str, control: RiskControl) -> RecallLevel:
    """Compute what a threshold costs on documents, of which one at least has an entity.

    Args:
        docs: The documents.
        label: The label whose candidates count; "" for all.
        control: The threshold.
    """
    n_candidates = n_inside = 0
    for doc in docs:
        end = 0  # of the candidates so far
        for span in doc.candidates:
            if span.probability >= control.threshold and label in ("", span.label):
                n_candidates += 1
                n_inside += max(0, span.end - max(span.start, end))
                end = max(end, span.end)
    n_gold = sum(len(of_doc) for of_doc in probabilities_of(docs, label))
    n_tokens = sum(doc.n_tokens for doc in docs)
    return RecallLevel(control, n_candidates / n_gold, n_inside / n_tokens)


def scored_docs(
    component: TrainableCRF, examples: Iterable[Example], max_length: int | None = None
) -> list[ScoredDoc]:
    """Compute the probabilities of all annotated entities, and of all spans that may be candidates.

    Args:
        component: The component.
        examples: The examples. Their predicted docs have been through the components before it.
        max_length: Longest candidate, in tokens; None for the component's `candidates_max_length`.
    """
    length = component.candidates_max_length if max_length is None else max_length
    batches = minibatch(examples, DOCS_AT_ONCE)
    return [doc for batch in batches for doc in _scored(component, batch, length)]


def _scored(
    component: TrainableCRF, examples: Sequence[Example], max_length: int
) -> Iterator[ScoredDoc]:
    settings = DecodingSettings(None, False, LEAST_PROBABILITY, max_length)
    found = likely_entities_of(component, [example.predicted for example in examples], settings)
    where = entity_source(component)
    for example, (_, candidates) in zip(examples, found):
        doc, probability, likely = example.predicted, {}, []
        for start, end, label, p in sorted(candidates):
            span = doc[start:end]
            likely.append(LikelySpan(start, end, component.labels[label], p))
            probability[span.start_char, span.end_char, component.labels[label]] = p
        entities = where.entities(example.reference)
        gold = [(ent.start_char, ent.end_char, ent.label_) for ent in entities]
        scored = [(entity[2], probability.get(entity, 0.0)) for entity in gold]
        yield ScoredDoc(scored, likely, len(doc))

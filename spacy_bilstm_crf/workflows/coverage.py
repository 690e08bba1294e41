"""Conformal prediction of whole tag sequences.

The set of a document has all tag sequences with at least some probability t. With held-out
documents that are exchangeable with new ones, and p(1) <= ... <= p(n) the probabilities of their
annotated tag sequences, t = p(k) with k = floor((n + 1) (1 - coverage)) gives sets that contain the
right tag sequence of a new document with a probability of at least `coverage` (Vovk, Gammerman and
Shafer 2005). Of all such sets, those by a threshold on the probability have the least mean size if
the probabilities are those of the data (Sadinle, Lei and Wasserman 2019).

A tag sequence that the model can't give, since an entity is no whole tokens or has a label that the
model lacks, has the probability 0. The bound holds on average over documents: short ones are
covered more often, and have smaller sets.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import minibatch

from ..common.errors import UserError
from ..decoding import segment_probabilities
from ..pipeline.ner import BiLSTMCRFEntityRecognizer
from ..pipeline.settings import COVERAGE_KEY
from ..tags import OUTSIDE, tags_of_span
from .risk_control import DOCS_AT_ONCE, SUM_TOLERANCE, docs_needed

# For probabilities of one tag sequence that were computed in two ways
_ROUNDING = 1e-9


class CoverageControl(NamedTuple):
    """What sets of tag sequences are made by, and how it was found.

    Attributes:
        coverage: The share of documents whose set contains the right tag sequence, at least.
        least: The least probability of a tag sequence in a set.
        n_docs: Number of documents that it was found on.
        mean_size: Mean number of tag sequences in their sets, where none counts more than
            `pipeline.ner.MOST_OF_SET`.
        single: Share of the sets with one tag sequence.
        incomplete: Share of the sets with more than that.
    """

    coverage: float
    least: float
    n_docs: int
    mean_size: float
    single: float
    incomplete: float


def least_probability(probabilities: Sequence[float], coverage: float) -> float:
    """Find the highest threshold that covers the right tag sequence of a new document.

    Args:
        probabilities: The probability of the annotated tag sequence of each held-out document.
        coverage: The share of new documents whose set contains the right tag sequence.

    Returns:
        The threshold; 0 if a set would have to contain all tag sequences.

    Raises:
        ValueError: If there are too few documents for this coverage.
    """
    if not 0.0 < coverage < 1.0:
        raise ValueError(f"The coverage is {coverage}, but it must be above 0 and below 1.")
    n_docs = len(probabilities)
    if n_docs < docs_needed(coverage):
        raise ValueError(
            f"A coverage of {coverage} needs {docs_needed(coverage)} annotated documents, but "
            f"there are {n_docs}: annotate more, or lower the coverage."
        )
    k = math.floor((n_docs + 1) * (1 - coverage) + SUM_TOLERANCE)
    return sorted(probabilities)[k - 1] * (1 - _ROUNDING)


def control_coverage(
    nlp: Language, examples: Iterable[Example], coverage: float, *, component: str = "ner"
) -> CoverageControl:
    """Set a component's `least_of_set` for sets that contain the right tag sequence.

    Args:
        nlp: The pipeline.
        examples: Held-out documents that nothing else was chosen by. New documents have to be of
            the same kind. Those that are not annotated completely are left out.
        coverage: The share of new documents whose set contains the right tag sequence.
        component: Name of the component, a `bilstm_crf_ner`.

    Returns:
        What was found. It is stored in `nlp.meta["coverage"]` too, by the component's name.

    Raises:
        UserError: If the component has no tag sequences with the entities of all labels, if there
            are too few documents, or if too many of their tag sequences are impossible.
    """
    ner = nlp.get_pipe(component)
    if not isinstance(ner, BiLSTMCRFEntityRecognizer):
        raise UserError(
            f"--coverage needs a bilstm_crf_ner, and '{component}' has no tag sequences with the "
            f"entities of all labels."
        )
    complete = [each for each in examples if is_complete(each.reference)]
    probabilities = annotated_probabilities(ner, complete)
    try:
        least = least_probability(probabilities, coverage)
    except ValueError as error:
        raise UserError(str(error)) from error
    if least <= 0.0:
        n_impossible = sum(p <= 0.0 for p in probabilities)
        raise UserError(
            f"A coverage of {coverage} can't be reached: the annotation of {n_impossible:,} of "
            f"{len(complete):,} documents is impossible for the model, since entities are no whole "
            f"tokens, cross a sentence start, or have a label that it lacks."
        )
    ner.least_of_set = least
    found = [ner.sequence_set(example.predicted) for example in complete]
    sizes = np.array([len(each.sequences) for each in found])
    control = CoverageControl(
        coverage,
        least,
        len(complete),
        float(sizes.mean()),
        float((sizes == 1).mean()),
        float(np.mean([not each.is_complete for each in found])),
    )
    nlp.meta.setdefault(COVERAGE_KEY, {})[component] = control._asdict()
    return control


def is_complete(reference: Doc) -> bool:
    """Tell whether every token of an annotated doc is in an entity or said to be in none."""
    return all(token.ent_iob for token in reference)


def annotated_probabilities(
    ner: BiLSTMCRFEntityRecognizer, examples: Sequence[Example]
) -> list[float]:
    """Compute the probability of the annotated tag sequence of each doc.

    Args:
        ner: The component.
        examples: The examples. Their predicted docs have been through the components before it.

    Returns:
        The probabilities, 0 for a tag sequence that the model can't give.
    """
    return [p for batch in minibatch(examples, DOCS_AT_ONCE) for p in _probabilities(ner, batch)]


def _probabilities(ner: BiLSTMCRFEntityRecognizer, examples: Sequence[Example]) -> Iterator[float]:
    docs = [example.predicted for example in examples]
    sequences = [_tags(ner, example) for example in examples]
    segments = [[] if tags is None or not tags else [(0, tags)] for tags in sequences]
    found = segment_probabilities(ner.distribution(docs), segments)
    for tags, of_doc in zip(sequences, found):
        yield 0.0 if tags is None else of_doc[0] if tags else 1.0


def _tags(ner: BiLSTMCRFEntityRecognizer, example: Example) -> list[int] | None:
    """Return the annotated tags of the predicted doc; None if it can't have them."""
    doc = example.predicted
    tags = [OUTSIDE] * len(doc)
    for ent in example.reference.ents:
        span = doc.char_span(ent.start_char, ent.end_char)
        if span is None or ent.label_ not in ner.labels:
            return None
        label = ner.labels.index(ent.label_)
        tags[span.start : span.end] = tags_of_span((span.start, span.end, label))
    return tags

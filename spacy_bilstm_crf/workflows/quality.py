"""How good entities and their probabilities are on annotated docs, in three numbers."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

import numpy as np
from spacy.language import Language
from spacy.training import Example
from spacy.util import minibatch

from ..data.corpus import before_component, predicted_docs
from ..inference.recognizers import recognizers
from ..pipeline import BiLSTMCRFEntityRecognizer
from ..training import annotation_of, is_annotated, summed_negative_log_likelihood
from .report.matching import matched
from .report.mentions import compared
from .report.metrics import prf
from .report.probabilities import calibration_error, scored
from .report.slices import NamedSlices, count_by_group

_BATCH = 128  # docs


class Quality(NamedTuple):
    """Scores of a pipeline on annotated docs.

    Attributes:
        f: F1 of the entities that the pipeline finds, from 0 to 1; None without any entity.
        ece: The expected calibration error of their probabilities; None if they have none.
        nll: -log P(annotation) in nats, the mean over the annotated docs; None if the pipeline does
            not know it, as for an entity of a label that it lacks.
    """

    f: float | None
    ece: float | None
    nll: float | None


def examples_before(nlp: Language, examples: Iterable[Example], component: str) -> list[Example]:
    """Return examples whose predicted docs have been through the components before one.

    Args:
        nlp: The pipeline.
        examples: The examples, as `read_examples` returns them. They are not changed.
        component: Name of the component.
    """
    examples = list(examples)
    copies = (example.predicted.copy() for example in examples)
    docs = before_component(nlp, copies, component)
    return [Example(doc, example.reference) for doc, example in zip(docs, examples)]


def quality_of(nlp: Language, examples: Sequence[Example], component: str | None) -> Quality:
    """Score a pipeline.

    Args:
        nlp: The pipeline.
        examples: What `examples_before` returned for the component, or `read_examples` without
            one. They are not changed.
        component: Name of the `bilstm_crf_ner` whose probability of the annotation is computed;
            None for a pipeline without one.
    """
    names = nlp.pipe_names
    if component is not None:
        names = names[names.index(component) :]
    values = NamedSlices(())
    docs = predicted_docs(nlp, (example.predicted.copy() for example in examples), names)
    pairs = zip(examples, docs)
    found = [compared(0, example.reference, doc, "", values) for example, doc in pairs]
    known = [of_doc for of_doc in found if of_doc is not None]
    _, counts = count_by_group(known, None)
    f = float(prf(counts[:, 0].sum(axis=0).astype(float))[2])
    judged = scored([matched(of_doc) for of_doc in known])
    return Quality(
        None if np.isnan(f) else f,
        calibration_error(judged) if len(judged.scores) else None,
        None if component is None else _negative_log_likelihood(nlp, examples, component),
    )


def quality_of_pipeline(nlp: Language, examples: Sequence[Example]) -> Quality:
    """Score a pipeline, whose probability of the annotation is that of its only recognizer.

    Args:
        nlp: The pipeline; with none or several, the probability is not computed.
        examples: The examples, as `read_examples` returns them. They are not changed.
    """
    found = recognizers(nlp)
    if len(found) != 1:
        return quality_of(nlp, examples, None)
    name = found[0].name
    return quality_of(nlp, examples_before(nlp, examples, name), name)


def _negative_log_likelihood(
    nlp: Language, examples: Sequence[Example], component: str
) -> float | None:
    ner = cast(BiLSTMCRFEntityRecognizer, nlp.get_pipe(component))
    examples = [eg for eg in examples if len(eg.predicted) and is_annotated(eg)]
    if not examples or unknown_labels(ner, examples):
        return None
    total = 0.0
    for batch in minibatch(examples, _BATCH):
        distribution = ner.distribution([example.predicted for example in batch])
        annotation = annotation_of(batch, ner.labels)
        loss, _ = summed_negative_log_likelihood(distribution.potentials, annotation)
        total += loss
    return total / len(examples)


def unknown_labels(ner: BiLSTMCRFEntityRecognizer, examples: Sequence[Example]) -> dict[str, int]:
    """Return the annotated labels that a component lacks, and how many entities have each."""
    counts: dict[str, int] = {}
    for example in examples:
        for ent in example.reference.ents:
            if ent.label_ not in ner.labels:
                counts[ent.label_] = counts.get(ent.label_, 0) + 1
    return dict(sorted(counts.items()))

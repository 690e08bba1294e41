"""How good entities and their probabilities are on annotated docs, in three numbers."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple, cast

import numpy as np
from spacy.language import Language
from spacy.tokens import Span
from spacy.training import Example
from spacy.util import minibatch

from ..data.corpus import after_component, annotated_entities, before_component, predicted_docs
from ..inference.recognizers import components_with_crf, key_of_spans, recognizers
from ..pipeline import BiLSTMCRFEntityRecognizer, BiLSTMCRFSpanRecognizer
from ..pipeline.base import TrainableCRF
from ..pipeline.confidence import scored_spans
from ..training import (
    annotation_of,
    is_annotated,
    is_span_annotated,
    span_annotation_of,
    summed_negative_log_likelihood,
)
from .report.matching import matched
from .report.mentions import compared
from .report.metrics import FOUND, GOLD, PREDICTED, RIGHT, prf
from .report.probabilities import Scored, calibration_error, scored
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
            None for a pipeline without one. Of a `bilstm_crf_spans`, only what it stores in
            `doc.spans` is scored.
    """
    pipe = None if component is None else nlp.get_pipe(component)
    if isinstance(pipe, BiLSTMCRFSpanRecognizer):
        return _quality_of_spans(nlp, examples, pipe)
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
        nlp: The pipeline; with none or several, the probability is not computed. Without a
            `bilstm_crf_ner`, its only `bilstm_crf_spans` is scored.
        examples: The examples, as `read_examples` returns them. They are not changed.
    """
    found = recognizers(nlp) or components_with_crf(nlp)
    if len(found) != 1:
        return quality_of(nlp, examples, None)
    name = found[0].name
    return quality_of(nlp, examples_before(nlp, examples, name), name)


def _negative_log_likelihood(
    nlp: Language, examples: Sequence[Example], component: str
) -> float | None:
    ner = cast(BiLSTMCRFEntityRecognizer, nlp.get_pipe(component))
    examples = [eg for eg in annotated_examples(ner, examples) if len(eg.predicted)]
    if not examples or unknown_labels(ner, examples):
        return None
    total = 0.0
    for batch in minibatch(examples, _BATCH):
        distribution = ner.distribution([example.predicted for example in batch])
        annotation = annotation_of(batch, ner.labels)
        loss, _ = summed_negative_log_likelihood(distribution.potentials, annotation)
        total += loss
    return total / len(examples)


def _quality_of_spans(
    nlp: Language, examples: Sequence[Example], recognizer: BiLSTMCRFSpanRecognizer
) -> Quality:
    """Score the entities that a component stores in `doc.spans`, as spaCy's scorer does."""
    key = recognizer.key
    examples = annotated_examples(recognizer, examples)
    docs = after_component(nlp, (eg.predicted.copy() for eg in examples), recognizer.name)
    counts = np.zeros(4)
    probabilities: list[float | None] = []
    is_right: list[bool] = []
    for example, doc in zip(examples, docs):
        to_gold = Example(doc, example.reference)
        gold = {_place(span) for span in example.reference.spans[key]}
        found = set()
        for span, probability in scored_spans(doc.spans[key]):
            for aligned in to_gold.get_aligned_spans_x2y([span], allow_overlap=True):
                found.add(_place(aligned))
                probabilities.append(probability)
                is_right.append(_place(aligned) in gold)
        n_right = len(gold & found)
        counts[[GOLD, FOUND, PREDICTED, RIGHT]] += len(gold), n_right, len(found), n_right
    f = float(prf(counts)[2])
    judged = Scored(np.array(probabilities, dtype=float), np.array(is_right), int(counts[GOLD]))
    return Quality(
        None if np.isnan(f) else f,
        calibration_error(judged) if is_right else None,
        _nll_of_spans(examples, recognizer),
    )


def _place(span: Span) -> tuple[int, int, str]:
    return span.start, span.end, span.label_


def _nll_of_spans(examples: Sequence[Example], recognizer: BiLSTMCRFSpanRecognizer) -> float | None:
    examples = [eg for eg in examples if len(eg.predicted)]
    if not examples or unknown_labels(recognizer, examples):
        return None
    total = 0.0
    for batch in minibatch(examples, _BATCH):
        by_label = recognizer.distributions([example.predicted for example in batch])
        labels, key, levels = recognizer.labels, recognizer.key, recognizer.levels
        annotation = span_annotation_of(batch, labels, key, levels=levels)
        for distribution, of_chain in zip(chain.from_iterable(by_label), annotation):
            total += summed_negative_log_likelihood(distribution.potentials, of_chain)[0]
    return total / len(examples)


def annotated_examples(component: TrainableCRF, examples: Iterable[Example]) -> list[Example]:
    """Return the examples that have the annotation that a component learns from."""
    key = key_of_spans(component)
    if key is None:
        return [eg for eg in examples if is_annotated(eg)]
    return [eg for eg in examples if is_span_annotated(eg, key)]


def unknown_labels(component: TrainableCRF, examples: Sequence[Example]) -> dict[str, int]:
    """Return the annotated labels that a component lacks, and how many entities have each."""
    key, counts = key_of_spans(component), dict[str, int]()
    for example in examples:
        for ent in annotated_entities(example.reference, key):
            if ent.label_ not in component.labels:
                counts[ent.label_] = counts.get(ent.label_, 0) + 1
    return dict(sorted(counts.items()))

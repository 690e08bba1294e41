"""How good entities and their probabilities are on annotated docs, in three numbers."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple, cast

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import minibatch

from ..data.corpus import before_component, predicted_docs
from ..inference.recognizers import (
    chains_of,
    components_with_crf,
    entity_source,
    entity_source_of,
    recognizers,
)
from ..pipeline import BiLSTMCRFSpanRecognizer
from ..pipeline.base import TrainableCRF
from ..training import (
    Annotation,
    annotation_of,
    span_annotation_of,
    summed_negative_log_likelihood,
)
from .report.matching import matched
from .report.mentions import Compared, compared
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
    for doc in docs:
        _drop_groups_without_tokens(doc)
    return [Example(doc, example.reference) for doc, example in zip(docs, examples)]


def _drop_groups_without_tokens(doc: Doc) -> None:
    """Remove groups of spans beyond the end of a doc whose tokens were merged.

    spaCy leaves them as they are, and then can't copy the doc.
    """
    for key in list(doc.spans):
        try:
            list(doc.spans[key])
        except IndexError:  # spaCy's E035
            del doc.spans[key]


def quality_of(nlp: Language, examples: Sequence[Example], component: str | None) -> Quality:
    """Score a pipeline.

    Args:
        nlp: The pipeline.
        examples: What `examples_before` returned for the component, or `read_examples` without
            one. They are not changed.
        component: Name of the `bilstm_crf_ner` or `bilstm_crf_spans` whose probability of the
            annotation is computed; None for a pipeline without one. Of a `bilstm_crf_spans`, only
            what it stores in `doc.spans` is scored.
    """
    known = annotated_and_found(nlp, examples, component)
    _, counts = count_by_group(known, None)
    f = float(prf(counts[:, 0].sum(axis=0).astype(float))[2])
    judged = scored([matched(of_doc) for of_doc in known])
    return Quality(
        None if np.isnan(f) else f,
        calibration_error(judged) if len(judged.scores) else None,
        None if component is None else _negative_log_likelihood(nlp, examples, component),
    )


def annotated_and_found(
    nlp: Language, examples: Sequence[Example], component: str | None
) -> list[Compared]:
    """Read the gold entities of annotated docs, and those that a pipeline finds in them.

    Args:
        nlp: The pipeline.
        examples: See `quality_of`.
        component: See `quality_of`.
    """
    copies = (example.predicted.copy() for example in examples)
    if component is None:
        where = entity_source_of(nlp, "The pipeline")
        docs = predicted_docs(nlp, copies, nlp.pipe_names)
    else:
        where = entity_source(nlp.get_pipe(component))
        later = nlp.pipe_names[nlp.pipe_names.index(component) :]
        docs = predicted_docs(nlp, copies, [component] if where.may_overlap else later)
    values = NamedSlices(())
    pairs = zip(examples, docs)
    found = [compared(0, example.reference, doc, "", values, where) for example, doc in pairs]
    return [of_doc for of_doc in found if of_doc is not None]


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
    recognizer = cast(TrainableCRF, nlp.get_pipe(component))
    examples = [eg for eg in annotated_examples(recognizer, examples) if len(eg.predicted)]
    if not examples or unknown_labels(recognizer, examples):
        return None
    total = 0.0
    for batch in minibatch(examples, _BATCH):
        chains = chains_of(recognizer, [example.predicted for example in batch])
        distributions = chain.from_iterable(levels for _, levels in chains)
        for distribution, annotation in zip(distributions, _annotation_of(recognizer, batch)):
            total += summed_negative_log_likelihood(distribution.potentials, annotation)[0]
    return total / len(examples)


def _annotation_of(recognizer: TrainableCRF, examples: Sequence[Example]) -> list[Annotation]:
    """Read what is known about the tags of each of a component's chains."""
    if isinstance(recognizer, BiLSTMCRFSpanRecognizer):
        levels = recognizer.levels
        return span_annotation_of(examples, recognizer.labels, recognizer.key, levels=levels)
    return [annotation_of(examples, recognizer.labels)]


def annotated_examples(component: TrainableCRF, examples: Iterable[Example]) -> list[Example]:
    """Return the examples that have the annotation that a component learns from."""
    where = entity_source(component)
    return [example for example in examples if where.is_annotated(example.reference)]


def unknown_labels(component: TrainableCRF, examples: Sequence[Example]) -> dict[str, int]:
    """Return the annotated labels that a component lacks, and how many entities have each."""
    where, counts = entity_source(component), dict[str, int]()
    for example in examples:
        for ent in where.entities(example.reference):
            if ent.label_ not in component.labels:
                counts[ent.label_] = counts.get(ent.label_, 0) + 1
    return dict(sorted(counts.items()))

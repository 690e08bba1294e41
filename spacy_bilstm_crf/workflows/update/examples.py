"""Examples of new data that also teach what a component knew before."""

import random
from collections.abc import Collection, Sequence

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import NumpyOps

from ...common.pipelines import pipeline_name
from ...data.completion import complete_annotation
from ...data.corpus import Data, read_annotated
from ...inference.recognizers import recognizer_of
from ...pipeline import BiLSTMCRFEntityRecognizer
from ...tags import BEGIN, IN, LAST, UNIT, count_tags, tag_id
from ...training import SoftLabels, Teacher, set_soft_labels
from ..quality import examples_before
from .scores import LabelGroups

_IMPOSSIBLE = -50.0  # a score that makes a tag as good as impossible


def retaining_examples(
    nlp: Language, data: Data, component: str = "ner", *, changed: bool = True
) -> list[Example]:
    """Make examples of docs in which only some labels are annotated, for `nlp.update`.

    What the pipeline knows of the other labels becomes part of the target: its distribution over
    the tag sequences of the doc, given the annotation. Where a doc has tokens without annotation,
    it is completed by the entities that the pipeline finds instead.

    Args:
        nlp: The pipeline. Labels that it lacks are added to the component.
        data: Annotated docs, or the path of a `.spacy` file or of a folder of them. A label that
            none of them has is taken as not annotated.
        component: Name of the component.
        changed: Whether to add a copy of each doc with an entity of a label that the component
            lacked, in which other words stand in the entity's place, and no such entity. It teaches
            that the label is not just anything in such a place.

    Returns:
        The examples. Their predicted docs have been through the components before this one.

    Raises:
        UserError: If there is no such component, or the data can't be read or have no entity.
    """
    docs = read_annotated(data, nlp.vocab)
    ner = recognizer_of(nlp, pipeline_name(nlp), component)
    labels = label_groups(ner, docs)
    examples = examples_of(nlp, docs, ner, labels, changed=changed)
    for label in labels.added:
        ner.add_label(label)
    return examples


def label_groups(ner: BiLSTMCRFEntityRecognizer, docs: Sequence[Doc]) -> LabelGroups:
    """Return the labels of a component and those of the docs that it is to learn from."""
    known = list(ner.labels)
    learned = sorted({ent.label_ for doc in docs for ent in doc.ents})
    return LabelGroups(known, learned, [label for label in learned if label not in known])


def examples_of(
    nlp: Language,
    docs: Sequence[Doc],
    ner: BiLSTMCRFEntityRecognizer,
    labels: LabelGroups,
    *,
    changed: bool,
) -> list[Example]:
    """Make what `retaining_examples` returns, before labels are added to the component.

    The first examples are those of the docs, in their order; changed copies come after them.
    """
    copies = with_other_words(docs, labels.added) if changed else []
    others = set(labels.known) - set(labels.learned)
    completed = complete_annotation(nlp, [*docs, *copies], others)
    examples = examples_before(nlp, completed, ner.name)
    whole = [eg for eg in examples if all(eg.get_aligned("ENT_IOB"))]
    _set_targets(ner, whole, labels.learned, labels.added)
    return examples


def with_other_words(docs: Sequence[Doc], labels: Collection[str]) -> list[Doc]:
    """Copy docs that have some labels, with random words in place of these labels' entities."""
    docs = [doc for doc in docs if any(ent.label_ in labels for ent in doc.ents)]
    words = [token.text for doc in docs for token in doc if not token.ent_type and token.is_alpha]
    return [_with_words_of(doc, labels, words) for doc in docs] if words else []


def _with_words_of(doc: Doc, labels: Collection[str], words: Sequence[str]) -> Doc:
    replaced = [random.choice(words) if tok.ent_type_ in labels else tok.text for tok in doc]
    spaces = None if doc.has_unknown_spaces else [bool(token.whitespace_) for token in doc]
    copy = Doc(doc.vocab, words=replaced, spaces=spaces)
    spans = [
        Span(copy, ent.start, ent.end, ent.label_) for ent in doc.ents if ent.label_ not in labels
    ]
    missing = [copy[token.i : token.i + 1] for token in doc if not token.ent_iob]
    copy.set_ents(spans, missing=missing, default="outside")
    return copy


def _set_targets(
    ner: BiLSTMCRFEntityRecognizer,
    examples: Sequence[Example],
    learned: Sequence[str],
    added: Sequence[str],
) -> None:
    """Set soft labels: the component's distribution, given the annotation of the learned labels."""
    if not examples:
        return
    labels = [*ner.labels, *added]
    known = ner.model.predict([example.predicted for example in examples])
    padded = known.padded(count_tags(len(labels)))
    to_numpy = NumpyOps().to_numpy
    teacher = Teacher(
        labels,
        to_numpy(padded.transitions),
        to_numpy(padded.start),
        to_numpy(padded.end),
        temperature=1.0,
    )
    ids = {label: number for number, label in enumerate(labels)}
    of_learned = [tag_id(move, ids[x]) for x in learned for move in (BEGIN, IN, LAST, UNIT)]
    for example, scores in zip(examples, padded.emissions):
        emissions = to_numpy(scores).copy()
        free = emissions.copy()
        emissions[:, of_learned] = _IMPOSSIBLE
        for span in example.get_aligned_spans_y2x(example.reference.ents):
            if span.label_ in learned:
                tags = _tags_of(len(span), ids[span.label_])
                rows = np.arange(span.start, span.end)
                emissions[rows] = _IMPOSSIBLE
                emissions[rows, tags] = free[rows, tags]
        set_soft_labels(example.reference, SoftLabels(teacher, emissions))


def _tags_of(length: int, label: int) -> list[int]:
    """Return the tags of an entity."""
    if length == 1:
        return [tag_id(UNIT, label)]
    inside = [tag_id(IN, label)] * (length - 2)
    return [tag_id(BEGIN, label), *inside, tag_id(LAST, label)]

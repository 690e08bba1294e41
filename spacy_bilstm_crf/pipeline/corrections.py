"""Spans that a person has fixed or rejected, as corrections of what a component predicts."""

from collections.abc import Iterable, Sequence

from spacy.tokens import Doc, Span

from ..decoding import Corrections
from ..tags import LabelledSpan

SpansOfDocs = Iterable[Iterable[Span]]


def corrections_of(
    docs: Sequence[Doc],
    fixed: SpansOfDocs | None,
    rejected: SpansOfDocs | None,
    labels: Sequence[str],
    component: str,
) -> list[Corrections]:
    """Return the corrections of docs.

    Args:
        docs: The docs.
        fixed: For each doc, spans that are entities; None for no such spans.
        rejected: For each doc, spans that are no entities of their label, or of any label if they
            have none; None for no such spans.
        labels: Labels of the component.
        component: Name of the component, for messages.

    Raises:
        ValueError: If there are not as many lists of spans as docs, a span is outside of its doc or
            empty, or its label is unknown.
    """
    of_fixed = _of_docs(docs, fixed, labels, component, "fixed")
    of_rejected = _of_docs(docs, rejected, labels, component, "rejected")
    return [Corrections(*of_doc) for of_doc in zip(of_fixed, of_rejected)]


def _of_docs(
    docs: Sequence[Doc],
    spans: SpansOfDocs | None,
    labels: Sequence[str],
    component: str,
    what: str,
) -> list[list[LabelledSpan]]:
    if spans is None:
        return [[] for _ in docs]
    of_docs = [list(of_doc) for of_doc in spans]
    if len(of_docs) != len(docs):
        raise ValueError(
            f"'{component}' got {len(of_docs)} lists of {what} spans for {len(docs)} docs: give a "
            f"list for each doc, which may be empty."
        )
    return [
        [found for span in of_doc for found in _labelled(doc, span, labels, component, what)]
        for doc, of_doc in zip(docs, of_docs)
    ]


def _labelled(
    doc: Doc, span: Span, labels: Sequence[str], component: str, what: str
) -> list[LabelledSpan]:
    where = f"The {what} span {span.start}-{span.end} ({span.label_})"
    if not 0 <= span.start < span.end <= len(doc):
        raise ValueError(f"{where} is not within its doc of {len(doc)} tokens, or has no tokens.")
    if what == "rejected" and not span.label_:
        return [(span.start, span.end, label) for label in range(len(labels))]
    if span.label_ not in labels:
        raise ValueError(
            f"{where} has a label that '{component}' does not know (its labels: {list(labels)})."
        )
    return [(span.start, span.end, labels.index(span.label_))]

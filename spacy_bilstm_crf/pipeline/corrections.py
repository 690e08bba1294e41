"""Spans that a person has fixed or rejected, as corrections of what a component predicts."""

from collections.abc import Iterable, Sequence

from spacy.tokens import Doc, Span

from ..common.errors import UserError
from ..decoding import Corrections
from ..tags import LabelledSpan


class CorrectionError(UserError):
    """A correction that does not fit the doc or the component, or contradicts others."""


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
        CorrectionError: If there are not as many lists of spans as docs, a span is outside of its
            doc or empty, or its label is unknown.
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
        raise CorrectionError(
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
    if not 0 <= span.start < span.end <= len(doc):
        raise CorrectionError(
            f"The {what} span of the tokens {span.start}-{span.end} is not within its doc of "
            f"{len(doc)} tokens, or has no tokens."
        )
    if what == "rejected" and not span.label_:
        return [(span.start, span.end, label) for label in range(len(labels))]
    if span.label_ not in labels:
        raise CorrectionError(
            f"The {what} span at the characters {span.start_char}-{span.end_char} has the label "
            f"{span.label_!r}, which '{component}' does not know (its labels: {list(labels)})."
        )
    return [(span.start, span.end, labels.index(span.label_))]

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
        rejected: For each doc, spans that are no entities of their label or, without a label, have
            no token in an entity; None for no such spans.
        labels: Labels of the component.
        component: Name of the component, for messages.

    Raises:
        CorrectionError: If there are not as many lists of spans as docs, a span is outside of its
            doc or empty, or its label is unknown.
    """
    of_fixed = _of_docs(docs, fixed, component, "fixed")
    of_rejected = _of_docs(docs, rejected, component, "rejected")
    return [
        Corrections(
            [_labelled(span, labels, component, "fixed") for span in right],
            [_labelled(span, labels, component, "rejected") for span in wrong if span.label_],
            [(span.start, span.end) for span in wrong if not span.label_],
        )
        for right, wrong in zip(of_fixed, of_rejected)
    ]


def _of_docs(
    docs: Sequence[Doc], spans: SpansOfDocs | None, component: str, what: str
) -> list[list[Span]]:
    if spans is None:
        return [[] for _ in docs]
    of_docs = [list(of_doc) for of_doc in spans]
    if len(of_docs) != len(docs):
        raise CorrectionError(
            f"'{component}' got {len(of_docs)} lists of {what} spans for {len(docs)} docs: give a "
            f"list for each doc, which may be empty."
        )
    for doc, of_doc in zip(docs, of_docs):
        for span in of_doc:
            if not 0 <= span.start < span.end <= len(doc):
                raise CorrectionError(
                    f"The {what} span of the tokens {span.start}-{span.end} is not within its doc "
                    f"of {len(doc)} tokens, or has no tokens."
                )
    return of_docs


def _labelled(span: Span, labels: Sequence[str], component: str, what: str) -> LabelledSpan:
    if span.label_ not in labels:
        raise CorrectionError(
            f"The {what} span at the characters {span.start_char}-{span.end_char} has the label "
            f"{span.label_!r}, which '{component}' does not know (its labels: {list(labels)})."
        )
    return span.start, span.end, labels.index(span.label_)

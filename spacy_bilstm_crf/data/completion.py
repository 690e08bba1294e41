"""Complete annotation of some labels with what a pipeline finds of the others."""

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from spacy.tokens import Doc, Span
from spacy.training import Example

from .corpus import predicted_docs, read_docs, unannotated

if TYPE_CHECKING:
    from spacy.language import Language


def complete_annotation(
    nlp: "Language", docs: Iterable[Doc], others: Collection[str]
) -> list[Example]:
    """Add the entities that a pipeline finds to docs in which only some labels are annotated.

    Entities of the other labels that the pipeline finds become annotation where they overlap no
    annotated one. Otherwise training on the docs would teach that they are no entities. All else
    stays as it is: a token may be outside or missing.

    Args:
        nlp: The pipeline.
        docs: Annotated docs, of any vocab. They are not changed.
        others: The labels that are not annotated. What a component finds of any other label, such
            as a ruler of labels of its own, is left out.

    Returns:
        Examples of the completed docs, in their order and of the pipeline's vocab.
    """
    docs = read_docs(docs, nlp.vocab)  # another vocab may lack labels that are found
    found = predicted_docs(nlp, (unannotated(nlp, doc) for doc in docs))
    return [_completed(nlp, doc, predicted, others) for doc, predicted in zip(docs, found)]


def _completed(nlp: "Language", doc: Doc, found: Doc, others: Collection[str]) -> Example:
    reference = doc.copy()
    of_others = Example(found, doc).get_aligned_spans_x2y(
        [ent for ent in found.ents if ent.label_ in others]
    )
    taken = {token.i for ent in doc.ents for token in ent}
    new = [ent for ent in of_others if taken.isdisjoint(range(ent.start, ent.end))]
    spans = [Span(reference, ent.start, ent.end, ent.label_) for ent in new]
    reference.set_ents(spans, default="unmodified")
    return Example(unannotated(nlp, reference), reference)

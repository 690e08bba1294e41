"""What is lost on the way to a format that can't hold all of a doc."""

from collections.abc import Collection

from spacy.tokens import Doc

from ...pipeline.confidence import confidence
from .docs import ANNOTATOR, ID, META, PREDICTIONS
from .records import Findings

UNKNOWN_TOKENS, INCORRECT_SPANS, PROBABILITIES = "unknown", "incorrect", "probabilities"
# What a format may be able to hold, and how its loss is reported
NOTES = {
    UNKNOWN_TOKENS: "tokens of which nothing is known, now outside of entities",
    INCORRECT_SPANS: "spans known to be no entity left out",
    PREDICTIONS: "predictions left out",
    PROBABILITIES: "probabilities left out",
    ID: "ids left out",
    META: "documents' meta left out",
    ANNOTATOR: "names of annotators left out",
}
EVERYTHING = frozenset(NOTES)


def note_losses(
    doc: Doc, keeps: Collection[str], incorrect_spans_key: str, findings: Findings
) -> None:
    """Count what a format leaves out of a doc.

    Args:
        doc: The doc.
        keeps: What the format can hold, of `NOTES`.
        incorrect_spans_key: Key in `doc.spans` of the spans known to be no entity.
        findings: Where it is counted.
    """
    n_known = sum(bool(token.ent_iob) for token in doc)
    counts = {
        UNKNOWN_TOKENS: len(doc) - n_known if n_known else 0,
        INCORRECT_SPANS: len(doc.spans.get(incorrect_spans_key, ())),
        PREDICTIONS: len(doc.spans.get(PREDICTIONS, ())),
        PROBABILITIES: sum(confidence(ent) is not None for ent in doc.ents),
        **{key: bool(doc.user_data.get(key)) for key in (ID, META, ANNOTATOR)},
    }
    for what in NOTES.keys() - set(keeps):
        findings.notes[NOTES[what]] += counts[what]

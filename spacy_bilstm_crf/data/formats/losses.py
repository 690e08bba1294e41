"""What is lost on the way to a format that can't hold all of a doc."""

from collections.abc import Collection

from spacy.tokens import Doc

from ...pipeline.confidence import confidence
from .docs import ANNOTATOR, ID, META, PREDICTIONS, DocSettings
from .records import Findings

# What is known of whole docs
OF_DOCS = {ID: "ids", META: "documents' meta", ANNOTATOR: "names of annotators"}


def note_losses(
    doc: Doc,
    settings: DocSettings,
    findings: Findings,
    keeps_predictions: bool = False,
    keeps_scores: bool = False,
    keeps_missing: bool = False,
    keeps: Collection[str] = (),
) -> None:
    """Count what a format leaves out that knows little but entities.

    Args:
        doc: The doc.
        settings: Where things are in it.
        findings: Where they are counted.
        keeps_predictions: Whether the format has a place for predictions,
        keeps_scores: for probabilities,
        keeps_missing: for tokens of which nothing is known,
        keeps: for these keys of `doc.user_data`.
    """
    known = [bool(token.ent_iob) for token in doc]
    if not keeps_missing and any(known):
        what = "tokens of which nothing is known, now outside of entities"
        findings.notes[what] += len(doc) - sum(known)
    incorrect = len(doc.spans.get(settings.incorrect_spans_key, ()))
    findings.notes["spans known to be no entity left out"] += incorrect
    if not keeps_predictions:
        findings.notes["predictions left out"] += len(doc.spans.get(PREDICTIONS, ()))
    if not keeps_scores:
        scored = sum(1 for ent in doc.ents if confidence(ent) is not None)
        findings.notes["probabilities left out"] += scored
    for key, what in OF_DOCS.items():
        findings.notes[f"{what} left out"] += key not in keeps and bool(doc.user_data.get(key))

"""What is lost on the way to a format that can't hold all of a doc."""

from spacy.tokens import Doc

from ..pipeline.span_scores import confidence
from .docs import PREDICTIONS, DocSettings
from .records import Findings


def note_losses(
    doc: Doc,
    settings: DocSettings,
    findings: Findings,
    keeps_predictions: bool = False,
    keeps_scores: bool = False,
    keeps_missing: bool = False,
) -> None:
    """Count what a format leaves out that knows little but entities."""
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

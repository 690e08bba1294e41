"""What is lost on the way to a format that can't hold all of a doc."""

import re
from collections.abc import Collection
from typing import Any

from spacy.tokens import Doc

from .docs import (
    ANNOTATOR,
    ANSWER,
    ID,
    META,
    PREDICTIONS,
    annotated_entities,
    in_spans,
    known_tokens,
)
from .records import Findings
from .settings import DocSettings

UNKNOWN_TOKENS, INCORRECT_SPANS, PROBABILITIES = "unknown", "incorrect", "probabilities"
ENTITY_IDS, SPAN_GROUPS, TEXT_CATEGORIES = "entity ids", "span groups", "categories"
SENTENCES, WHITE_SPACE, USER_DATA = "sentences", "white space", "user data"
OTHER_ENTITIES = "other entities"
# What a format may be able to hold, and how its loss is reported
NOTES = {
    UNKNOWN_TOKENS: "tokens of which nothing is known, now outside of entities",
    INCORRECT_SPANS: "spans known to be no entity left out",
    PREDICTIONS: "predictions left out",
    PROBABILITIES: "probabilities left out",
    ID: "ids left out",
    META: "documents' meta left out",
    ANNOTATOR: "names of annotators left out",
    ENTITY_IDS: "ids of entities (kb_id and span_id) left out",
    OTHER_ENTITIES: "entities of doc.ents left out that are not in doc.spans",
    SPAN_GROUPS: "spans of other groups in doc.spans left out",
    TEXT_CATEGORIES: "documents' categories left out",
    SENTENCES: "documents' sentence boundaries left out",
    WHITE_SPACE: "documents with other white space now: one blank between words",
    USER_DATA: "documents' other user data left out",
}


def note_losses(
    doc: Doc, keeps: Collection[str], settings: DocSettings, findings: Findings
) -> None:
    """Count what a format leaves out of a doc.

    Args:
        doc: The doc.
        keeps: What the format can hold, of `NOTES`.
        settings: Where entities and the spans known to be no entity are in docs.
        findings: Where it is counted.
    """
    n_known = known_tokens(doc, settings)
    scored = annotated_entities(doc, settings)
    entities = [span for span, _ in scored]
    labelled = {(span.start, span.end, span.label) for span in entities}
    others = [ent for ent in doc.ents if (ent.start, ent.end, ent.label) not in labelled]
    words = [token.text for token in doc if not token.is_space]
    of_annotation = {settings.incorrect_spans_key, PREDICTIONS}
    if in_spans(doc, settings):
        of_annotation.add(settings.spans_key)
    known = {ID, META, ANNOTATOR, ANSWER}
    counts = {
        UNKNOWN_TOKENS: len(doc) - n_known if n_known else 0,
        INCORRECT_SPANS: len(doc.spans.get(settings.incorrect_spans_key, ())),
        PREDICTIONS: len(doc.spans.get(PREDICTIONS, ())),
        PROBABILITIES: sum(score is not None for _, score in scored),
        **{key: bool(doc.user_data.get(key)) for key in (ID, META, ANNOTATOR)},
        ENTITY_IDS: sum(bool(ent.kb_id_ or ent.id_) for ent in entities),
        OTHER_ENTITIES: len(others),
        SPAN_GROUPS: sum(len(doc.spans[key]) for key in doc.spans.keys() - of_annotation),
        TEXT_CATEGORIES: bool(doc.cats),
        SENTENCES: doc.has_annotation("SENT_START") and len(list(doc.sents)) > 1,
        WHITE_SPACE: [part for part in doc.text.split(" ") if part] != words,
        # Of extensions, such as an entity's confidence, the keys are tuples
        USER_DATA: any(isinstance(key, str) for key in doc.user_data.keys() - known),
    }
    for what in NOTES.keys() - set(keeps):
        findings.notes[NOTES[what]] += counts[what]


def meta_without(meta: dict[str, Any], own: Collection[str], findings: Findings) -> dict[str, Any]:
    """Return a document's meta without the keys that a format has for something else."""
    kept = {key: value for key, value in meta.items() if key not in own}
    findings.notes["values of documents' meta under keys of the format left out"] += len(
        meta
    ) - len(kept)
    return kept


def label_without_blanks(label: str, findings: Findings, unsafe: str = "") -> str:
    """Return a label for a format in which blanks and some other characters part columns."""
    written = re.sub(rf"[\s{re.escape(unsafe)}]+", "_", label.strip()) or "_"
    findings.notes["labels with blanks written with _"] += written != label
    return written

"""Annotation of some labels that is completed by what a pipeline finds of the others."""

import spacy
from spacy.tokens import Span

from spacy_bilstm_crf.data.completion import complete_annotation

TEXT = "I met John Smith in Paris ."
LABELS = ("person", "group", "some label of our own", "PERSON")


def pipeline():
    """Finds an entity of each label: a number of X with it."""
    nlp = spacy.blank("en")
    patterns = [{"label": x, "pattern": "X" * i} for i, x in enumerate(LABELS, start=1)]
    nlp.add_pipe("entity_ruler").add_patterns(
        [*patterns, {"label": "place", "pattern": "Paris"}, {"label": "place", "pattern": "Rome"}]
    )
    return nlp


def test_docs_of_a_vocab_that_lacks_the_labels_are_completed():
    nlp, other = pipeline(), spacy.blank("en")
    text = f"Rome {TEXT} {' '.join('X' * i for i in range(1, 5))}"
    doc = other(text)
    doc.set_ents([Span(doc, 3, 5, "name")], missing=[doc[7:8]])
    assert not any(label in other.vocab.strings for label in (*LABELS[:-1], "place"))
    before = doc.to_bytes()
    (example,) = complete_annotation(nlp, [doc], {*LABELS, "place"})
    completed = example.reference
    assert [(ent.text, ent.label_) for ent in completed.ents] == [
        ("Rome", "place"),
        ("John Smith", "name"),
        ("Paris", "place"),
        *[("X" * i, label) for i, label in enumerate(LABELS, start=1)],
    ]
    assert completed[7].ent_iob_ == ""
    assert completed.vocab is nlp.vocab
    assert doc.to_bytes() == before


def test_what_is_annotated_or_not_asked_for_is_left_as_it_is():
    nlp, other = pipeline(), spacy.blank("en")
    doc = other(TEXT)
    doc.ents = [Span(doc, 4, 6, "event")]  # "in Paris"
    (example,) = complete_annotation(nlp, [doc], {"place"})
    assert [(ent.text, ent.label_) for ent in example.reference.ents] == [("in Paris", "event")]
    (example,) = complete_annotation(nlp, [other("Rome X")], {"person"})
    assert [(ent.text, ent.label_) for ent in example.reference.ents] == [("X", "person")]

"""Entities that overlap: a few docs, and pipelines trained on them."""

import spacy
from spacy.training import Example
from thinc.api import Adam

from tests.helpers import SMALL_MODEL

NESTED = [
    ("She works at the University of Oslo.", [(17, 35, "ORG"), (31, 35, "PLACE")]),
    ("The Bank of England is in London.", [(4, 19, "ORG"), (12, 19, "PLACE"), (26, 32, "PLACE")]),
    ("They met in London.", [(12, 18, "PLACE")]),
    ("Nobody was there.", []),
]
# An entity within another of the same label
NESTED_IN_LABEL = [
    ("The Senate of the University of Oslo met.", [(4, 36, "ORG"), (18, 36, "ORG")]),
    ("She left the University of Oslo.", [(13, 31, "ORG")]),
]


def nested_docs(data=NESTED, key="sc", lang="en"):
    """Annotated docs: all entities are in `doc.spans`, none in `doc.ents`."""
    nlp = spacy.blank(lang)
    docs = []
    for text, spans in data:
        doc = nlp.make_doc(text)
        doc.spans[key] = [doc.char_span(start, end, label) for start, end, label in spans]
        docs.append(doc)
    return docs


def trained_on_spans(factory="bilstm_crf_spans", data=NESTED, steps=80, **config):
    """A pipeline that has learned the docs by heart."""
    nlp = spacy.blank("en")
    if factory == "bilstm_crf_spans":
        config.setdefault("model", SMALL_MODEL)
    pipe = nlp.add_pipe(factory, name="spancat", config=config)
    docs = nested_docs(data, pipe.key)
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.001 if factory == "spancat" else 0.01)
    for _ in range(steps):
        nlp.update(examples, sgd=optimizer)
    return nlp

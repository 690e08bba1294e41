"""Entities that nest and cross: a small corpus, and pipelines that are trained on it."""

import spacy
from spacy.training import Example
from spacy.util import fix_random_seed
from thinc.api import Adam

from spacy_bilstm_crf.pipeline import factory as _registers_the_factories  # noqa: F401
from tests.helpers import SMALL_MODEL

UNIVERSITY = "Ada works at the University of Oslo."
BANK = "The Bank of England is in London."
SQUARE = "He read the New York Times Square guide."
# Text, entities that may overlap, entities that don't
DATA = [
    (UNIVERSITY, [(17, 35, "ORG"), (31, 35, "PLACE")], [(0, 3, "PERSON")]),
    (SQUARE, [(12, 26, "ORG"), (21, 33, "PLACE"), (12, 39, "WORK")], []),
    (BANK, [(4, 19, "ORG"), (12, 19, "PLACE"), (26, 32, "PLACE")], []),
    ("Ada met Ben in London.", [(15, 21, "PLACE")], [(0, 3, "PERSON"), (8, 11, "PERSON")]),
    ("Nobody was there.", [], []),
]
SCHOOL = "The School of Law of the University of Oslo is old."
# An entity within another of its label, which takes two levels
OF_LEVELS = [*DATA, (SCHOOL, [(4, 43, "ORG"), (25, 43, "ORG"), (39, 43, "PLACE")], [])]
TEXTS = [text for text, _, _ in DATA]


def annotated(nlp, key="sc", data=DATA):
    """The corpus as docs."""
    docs = []
    for text, overlapping, flat in data:
        doc = nlp.make_doc(text)
        doc.spans[key] = [doc.char_span(start, end, label) for start, end, label in overlapping]
        doc.set_ents([doc.char_span(start, end, label) for start, end, label in flat])
        docs.append(doc)
    return docs


def trained(*factories, steps=80, data=DATA, **config):
    """A pipeline of components that are named as their factories.

    Args:
        factories: Of components that learn the entities that overlap, or of recognizers.
        steps: Number of updates.
        data: What it is trained on.
        config: Settings of the components that learn the entities that overlap.
    """
    fix_random_seed(0)
    nlp = spacy.blank("en")
    for name in factories:
        settings = dict(config) if "span" in name else {}
        if name.startswith("bilstm"):
            settings["model"] = SMALL_MODEL
        nlp.add_pipe(name, name=name, config=settings)
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in annotated(nlp, data=data)]
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.001 if factories == ("spancat",) else 0.01)
    for _ in range(steps):
        nlp.update(examples, sgd=optimizer)
    return nlp


def places(entities):
    """The entities of an answer, without their probabilities."""
    return [(entity["start"], entity["end"], entity["label"]) for entity in entities]

"""What pytest gives to the tests of live models of annotation tools."""

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.util import fix_random_seed

from tests.helpers import trained_nlp


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory):
    """The folder of a trained pipeline, which knows the labels PERSON and LOC."""
    path = tmp_path_factory.mktemp("pipeline") / "model"
    fix_random_seed(0)
    nlp = trained_nlp()
    nlp.config["training"]["optimizer"]["learn_rate"] = 0.02  # to be trained further in few steps
    nlp.to_disk(path)
    return path


@pytest.fixture(scope="session")
def old_data(tmp_path_factory):
    """A file of docs like those that the pipeline was trained on."""
    nlp = spacy.blank("en")
    docs = []
    for name in ("Shaka Khan", "Ada Byron", "Bob Ray"):
        for place in ("London", "Berlin", "Rome", "Oslo"):
            for text in (
                f"Who is {name}?",
                f"I like {place} and Berlin.",
                f"{name} likes {place}.",
            ):
                doc = nlp.make_doc(text)
                labels = {name: "PERSON", place: "LOC", "Berlin": "LOC"}
                found = {(text.find(x), x, label) for x, label in labels.items() if x in text}
                doc.set_ents([doc.char_span(i, i + len(x), label) for i, x, label in found])
                docs.append(doc)
    path = tmp_path_factory.mktemp("old") / "old.spacy"
    DocBin(docs=docs).to_disk(path)
    return path

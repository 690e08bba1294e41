"""What spaCy defines for the prediction of `ner`: by the stock component, by ours, and exported."""

import pickle

import numpy as np
import pytest
from spacy.attrs import ENT_IOB
from spacy.language import Language
from spacy.tokens import Doc, Span

from spacy_bilstm_crf.workflows import export
from tests.helpers import entities, examples_for, iobs, trained_nlp

pytestmark = pytest.mark.usefixtures("kind_of_arrays")

KINDS = ["ner", "bilstm_crf_ner", "float32", "int8"]


@pytest.fixture(scope="module", params=KINDS)
def trained(request):
    """A trained pipeline, as bytes: stock, ours, and ours exported with a precision."""
    if request.param in ("ner", "bilstm_crf_ner"):
        return pickle.dumps(trained_nlp(request.param))
    return pickle.dumps(export(trained_nlp(), precision=request.param).nlp)


@pytest.fixture
def nlp(trained):
    """The pipeline, to be changed by one test."""
    return pickle.loads(trained)


@Language.factory("test_blocker", default_config={"start": 2, "end": 5})
class Blocker:
    def __init__(self, nlp, name, start, end):
        self.start, self.end = start, end

    def __call__(self, doc):
        doc.set_ents([], blocked=[doc[self.start : self.end]], default="unmodified")
        return doc


def test_blocked_tokens_stay_blocked(nlp):
    nlp.add_pipe("test_blocker", before="ner", config={"start": 2, "end": 3})
    doc = nlp("I like London and Berlin.")
    assert entities(doc) == [("Berlin", "LOC")]
    assert iobs(doc) == ["O", "O", "B", "O", "B", "O"]
    assert doc[2].ent_type == 0


def test_a_preset_outside_does_not_bind(nlp):
    doc = nlp.make_doc("I like London and Berlin.")
    doc.ents = []
    assert entities(nlp.get_pipe("ner")(doc)) == [("London", "LOC"), ("Berlin", "LOC")]


def test_preset_entities_stay_with_their_ids(nlp):
    doc = nlp.make_doc("I like London and Berlin.")
    doc.ents = [Span(doc, 2, 3, label="LOC", kb_id="Q84", span_id="first")]
    doc = nlp.get_pipe("ner")(doc)
    assert entities(doc) == [("London", "LOC"), ("Berlin", "LOC")]
    assert [(ent.kb_id_, ent.id_) for ent in doc.ents] == [("Q84", "first"), ("", "")]


def test_preset_entities_with_a_label_of_their_own(nlp):
    doc = nlp.make_doc("I like London and Berlin.")
    doc.ents = [Span(doc, 0, 3, label="NOVEL")]
    doc = nlp.get_pipe("ner")(doc)
    assert entities(doc) == [("I like London", "NOVEL"), ("Berlin", "LOC")]


def test_no_entity_begins_with_whitespace(nlp):
    for text in ("I like \n\n London", "\n Berlin", "\n", " \t ", "London \n"):
        doc = nlp(text)
        assert not any(ent[0].is_space for ent in doc.ents)
        assert 0 not in {token.ent_iob for token in doc}


def test_no_entity_crosses_a_sentence_start(nlp):
    words = ["Who", "is", "Shaka", "Khan", "?"]
    assert entities(nlp(Doc(nlp.vocab, words=words))) == [("Shaka Khan", "PERSON")]
    doc = Doc(nlp.vocab, words=words, sent_starts=[True, False, False, True, False])
    assert ("Shaka Khan", "PERSON") not in entities(nlp(doc))


def test_docs_without_tokens(nlp):
    docs = list(nlp.pipe(["", "I like London.", "", " "]))
    assert [entities(doc) for doc in docs] == [[], [("London", "LOC")], [], []]
    assert [len(doc.ents) for doc in nlp.pipe(["", ""])] == [0, 0]


def test_batches_and_single_calls_agree(nlp):
    texts = ["Just a sentence.", "One more about London and Shaka Khan.", "", "I like London."]
    batch = [doc.to_array([ENT_IOB]) for doc in nlp.pipe(texts)]
    for again in (nlp.pipe(texts), nlp.pipe(texts, batch_size=1), map(nlp, texts)):
        for expected, doc in zip(batch, again):
            np.testing.assert_array_equal(doc.to_array([ENT_IOB]), expected)


def test_predict_does_not_change_docs(nlp):
    doc = nlp.make_doc("I like London.")
    nlp.get_pipe("ner").predict([doc])
    assert not doc.has_annotation("ENT_IOB")


def test_scores(nlp):
    scores = nlp.evaluate(examples_for(nlp))
    assert scores["ents_f"] == 1.0
    assert set(scores["ents_per_type"]) == {"PERSON", "LOC"}

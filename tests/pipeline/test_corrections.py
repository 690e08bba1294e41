"""Entities given corrections, in docs: the tags are those of tests/decoding/test_corrections.py."""

import pickle

import pytest
from spacy.tokens import Doc, Span

from spacy_bilstm_crf.pipeline.corrections import CorrectionError
from spacy_bilstm_crf.workflows import export
from tests.helpers import entities, make_nlp, trained_nlp, unsure_nlp

pytestmark = pytest.mark.usefixtures("kind_of_arrays")

WORDS = ["Who", "is", "London", "Khan", "?"]


@pytest.fixture(scope="module", params=["torch", "float32"])
def made(request):
    nlp = unsure_nlp()
    nlp.get_pipe("ner").candidates_threshold = 1e-6
    return pickle.dumps(nlp if request.param == "torch" else export(nlp).nlp)


@pytest.fixture
def ner(made):
    return pickle.loads(made).get_pipe("ner")


def new_doc(ner):
    return Doc(ner.vocab, words=WORDS)


def confidences(doc):
    return {(ent.start, ent.end, ent.label_): ent._.confidence for ent in doc.ents}


def candidates(ner, doc, **known):
    known = {name: [spans] for name, spans in known.items()}
    (found,) = ner.predict_given([doc], **known)
    return {(e.start, e.end, ner.labels[e.label]): e.probability for e in found.candidates}


def sequences(ner, doc, **known):
    """The probability of each tag sequence."""
    return {
        tuple((ent.start, ent.end, ent.label_) for ent in ents): p
        for ents, p in ner.k_best(doc, 100_000, **known)
    }


def test_nothing_known_is_as_before(ner):
    docs = [new_doc(ner), Doc(ner.vocab), new_doc(ner)]
    for ours, before in zip(ner.predict_given(docs), ner.predict(docs), strict=True):
        assert [e.span for e in ours.entities] == [e.span for e in before.entities]
        assert [e.span for e in ours.candidates] == [e.span for e in before.candidates]
        assert [e.probability for e in ours.candidates] == pytest.approx(
            [e.probability for e in before.candidates], abs=1e-9
        )


def test_probabilities_are_those_of_the_sequences_that_agree(ner):
    doc = new_doc(ner)
    every = sequences(ner, doc)
    assert sum(every.values()) == pytest.approx(1.0, abs=1e-5)
    right, wrong = (2, 4, "PERSON"), (1, 2, "LOC")
    agreeing = {
        s: p for s, p in every.items() if right in s and wrong not in s and all(e[0] > 0 for e in s)
    }
    total = sum(agreeing.values())
    known = {
        "fixed": [Span(doc, *right)],
        "rejected": [Span(doc, *wrong), Span(doc, 0, 1)],  # of the second no token is in one
    }
    ours = sequences(ner, doc, **known)
    assert ours.keys() == agreeing.keys()
    assert ours == pytest.approx({s: p / total for s, p in agreeing.items()}, abs=1e-5)
    of_spans = candidates(ner, doc, **known)
    for span, p in of_spans.items():
        expected = sum(p for s, p in ours.items() if span in s)
        assert p == pytest.approx(expected, abs=1e-5)
    assert of_spans[right] == pytest.approx(1.0)


def test_corrections_are_set_in_place_of_what_was_found(ner):
    ner.threshold = 0.05
    doc = ner(new_doc(ner))
    first = confidences(doc)
    wrong = max(first, key=first.get)
    ner.correct([doc], rejected=[[Span(doc, *wrong)]])
    then = confidences(doc)
    assert wrong not in then and then
    ner.correct([doc], fixed=[[Span(doc, *wrong)]])
    assert confidences(doc)[wrong] == pytest.approx(1.0)
    ner.correct([doc])
    assert confidences(doc) == pytest.approx(first, abs=1e-6)


def test_what_others_have_set_stays(ner):
    doc = new_doc(ner)
    doc.ents = [Span(doc, 2, 3, "LOC"), Span(doc, 3, 4, "EVENT")]
    ner.correct([doc], fixed=[[Span(doc, 0, 1, "PERSON")]])
    assert ("London", "LOC") in entities(doc) and ("Khan", "EVENT") in entities(doc)
    assert ("Who", "PERSON") in entities(doc)
    for wrong in ([Span(doc, 1, 3, "LOC")], [Span(doc, 3, 4, "LOC")]):
        with pytest.raises(CorrectionError, match="overlaps an entity that the doc has already"):
            ner.predict_given([doc], fixed=[wrong])
    with pytest.raises(
        CorrectionError, match=r"characters 7-13 as .*: it is an entity already, and rejected"
    ):
        ner.predict_given([doc], rejected=[[Span(doc, 2, 3, "LOC")]])


def test_wrong_spans(ner):
    doc, longer = new_doc(ner), Doc(ner.vocab, words=[*WORDS, "Yes"])
    with pytest.raises(CorrectionError, match="2 lists of fixed spans for 1 docs"):
        ner.predict_given([doc], fixed=[[], []])
    with pytest.raises(
        CorrectionError, match="characters 0-3 has the label 'EVENT', which 'ner' does"
    ):
        ner.predict_given([doc], rejected=[[Span(doc, 0, 1, "EVENT")]])
    with pytest.raises(CorrectionError, match="fixed span at the characters 0-3 has the label ''"):
        ner.predict_given([doc], fixed=[[Span(doc, 0, 1)]])
    with pytest.raises(CorrectionError, match="tokens 5-6 is not within its doc of 5 tokens"):
        ner.predict_given([doc], fixed=[[Span(longer, 5, 6, "LOC")]])
    with pytest.raises(CorrectionError, match=r"1-1 .* has no tokens"):
        ner.predict_given([doc], fixed=[[Span(doc, 1, 1, "LOC")]])
    before = doc.to_bytes()
    with pytest.raises(CorrectionError, match="it overlaps another one that is fixed"):
        ner.correct([doc], fixed=[[Span(doc, 0, 2, "LOC"), Span(doc, 1, 3, "LOC")]])
    assert doc.to_bytes() == before


def test_a_correction_changes_the_rest():
    nlp = trained_nlp()
    ner, doc = nlp.get_pipe("ner"), nlp("I like London and Berlin.")
    assert entities(doc) == [("London", "LOC"), ("Berlin", "LOC")]
    ner.correct([doc], rejected=[[doc[2:3]]])
    assert entities(doc) == [("Berlin", "LOC")]
    ner.correct([doc], fixed=[[Span(doc, 2, 5, "PERSON")]])
    assert entities(doc) == [("London and Berlin", "PERSON")]


def test_spans_that_overlap():
    nlp = make_nlp("bilstm_crf_spans", candidates_threshold=1e-6)
    nlp.initialize()
    ner = nlp.get_pipe("ner")
    doc = new_doc(ner)
    known = {
        "fixed": [[Span(doc, 0, 3, "LOC"), Span(doc, 2, 4, "PERSON")]],
        "rejected": [[Span(doc, 3, 5, "LOC"), Span(doc, 4, 5)]],
    }
    (before,) = ner.predict([doc])
    (found,) = ner.predict_given([doc], **known)
    of_spans = {(e.start, e.end, ner.labels[e.label]): e.probability for e in found.candidates}
    assert of_spans[0, 3, "LOC"] == of_spans[2, 4, "PERSON"] == pytest.approx(1.0)
    assert all(end <= 4 for _, end, _ in of_spans)
    assert {(4, 5, 0), (4, 5, 1), (3, 5, 1)} <= {e.span for e in before.candidates}
    # The chain of a label of which nothing is known is as before
    ner.correct([doc], fixed=[[Span(doc, 0, 3, "LOC")]])
    others = {(e.start, e.end): e.probability for e in before.candidates if e.label == 0}
    group = doc.spans["candidates"]
    scored = zip(group, group.attrs["scores"])
    ours = {(s.start, s.end): p for s, p in scored if s.label_ == ner.labels[0]}
    assert ours == pytest.approx(others, abs=1e-6)


def test_levels_can_not_be_corrected():
    nlp = make_nlp("bilstm_crf_spans", levels=2)
    nlp.initialize()
    ner = nlp.get_pipe("ner")
    with pytest.raises(CorrectionError, match="has 2 levels, and corrections need levels = 1"):
        ner.predict_given([new_doc(ner)], fixed=[[]])

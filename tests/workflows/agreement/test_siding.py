"""With whom a model sides: the probabilities of versions, by enumeration of all tag sequences."""

import math

import pytest
import spacy
from spacy.tokens import Doc

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.entity_source import DOC_ENTS, EntitySource
from spacy_bilstm_crf.data.formats import Findings
from spacy_bilstm_crf.decoding import k_best_sequences, span_probabilities_of_levels
from spacy_bilstm_crf.workflows import agreement
from spacy_bilstm_crf.workflows.agreement.disagreements import disagreements
from spacy_bilstm_crf.workflows.agreement.reading import AnnotatorDocs, shared_texts
from spacy_bilstm_crf.workflows.agreement.siding import opinions
from tests.helpers import make_nlp, trained_nlp, unsure_nlp
from tests.nested import NESTED_IN_LABEL, trained_on_spans

TEXT = "Ada Khan met London"
VERSIONS = {
    "a": [(0, 8, "PERSON"), (13, 19, "LOC")],
    "b": [(0, 3, "PERSON"), (13, 19, "LOC")],
    "c": [(4, 8, "LOC"), (13, 19, "PERSON")],
    "d": [(0, 3, "LOC"), (4, 8, "PERSON")],
    "e": [(0, 8, "PERSON"), (9, 19, "LOC")],
}
EVERYTHING = 100_000  # more than there are


def docs_of(versions, text=TEXT, key=None, words=None):
    docs = {}
    for who, spans in versions.items():
        doc = (
            spacy.blank("en").make_doc(text)
            if words is None
            else Doc(spacy.blank("en").vocab, words)
        )
        ents = [doc.char_span(*span) for span in spans]
        if key is None:
            doc.set_ents(ents, default="outside")
        else:
            doc.spans[key] = ents
        docs[who] = [doc]
    return docs


def places_of(versions, key=None, **about):
    where = DOC_ENTS if key is None else EntitySource(key)
    given = AnnotatorDocs(docs_of(versions, key=key, **about), Findings())
    return disagreements(shared_texts(given, where, False)[0])


def said_there(spans, place):
    """What a set of entities says of the characters of a place."""
    start, end = place.offsets
    return {span for span in spans if span[0] < end and start < span[1]}


def test_versions_have_the_probability_of_all_tag_sequences_that_agree():
    nlp = unsure_nlp()
    ner = nlp.get_pipe("ner")
    sequences = [
        ({(s.start_char, s.end_char, s.label_) for s in spans}, p)
        for spans, p in ner.k_best(nlp.make_doc(TEXT), EVERYTHING)
    ]
    assert math.fsum(p for _, p in sequences) == pytest.approx(1.0, abs=1e-5)
    places = places_of(VERSIONS)
    assert len(places) == 2
    for place, opinion in zip(places, opinions(nlp, "ner", places)):
        expected = {}
        for who, spans in VERSIONS.items():
            own = said_there(spans, place)
            agreeing = [p for every, p in sequences if said_there(every, place) == own]
            expected[who] = math.fsum(agreeing)
        assert opinion.probabilities == pytest.approx(expected, abs=1e-5)
        assert opinion.probabilities["a"] > 0 and len({*opinion.probabilities.values()}) > 3
        best = max(expected.values())
        assert opinion.sides_with == tuple(
            who for who, p in expected.items() if p == pytest.approx(best)
        )
        others = {frozenset(said_there(s, place)): expected[who] for who, s in VERSIONS.items()}
        assert opinion.other == pytest.approx(1 - math.fsum(others.values()), abs=1e-5)
        found = {(m.start_char, m.end_char, m.label) for m in opinion.found}
        assert found == {(e.start_char, e.end_char, e.label_) for e in nlp(TEXT).ents}


def test_a_label_that_the_model_lacks_is_impossible():
    places = places_of({"a": [(0, 8, "PERSON")], "b": [(0, 8, "BAND")], "c": []})
    (opinion,) = opinions(unsure_nlp(), "ner", places)
    assert opinion.probabilities["b"] == 0.0
    assert opinion.probabilities["a"] > 0 and opinion.probabilities["c"] > 0
    places = places_of({"a": [(0, 8, "SINGER")], "b": [(0, 8, "BAND")]})
    (opinion,) = opinions(unsure_nlp(), "ner", places)
    assert opinion.sides_with == () and opinion.other == pytest.approx(1.0)


def test_entities_that_are_no_tokens_of_the_pipeline_have_no_probability():
    words = ["Ada", "Khan", "met", "Lon", "don"]
    spans = {"a": [(0, 8, "PERSON"), (13, 16, "LOC")], "b": [(0, 3, "PERSON")]}
    places = places_of(spans, words=words, text=None)
    nlp = unsure_nlp()
    first, second = opinions(nlp, "ner", places)  # which keeps words of unknown spaces
    assert None not in first.probabilities.values()
    assert None not in second.probabilities.values()
    docs = docs_of({"a": [], "b": []}, text="Ada met London")
    for who, (start, end) in {"a": (8, 11), "b": (8, 14)}.items():
        doc = Doc(docs[who][0].vocab, ["Ada", "met", "Lon", "don"], [True, True, False, False])
        doc.ents = [doc.char_span(start, end, "LOC")]
        docs[who] = [doc]
    texts, _ = shared_texts(AnnotatorDocs(docs, Findings()), DOC_ENTS, False)
    (opinion,) = opinions(nlp, "ner", disagreements(texts))
    assert opinion.probabilities == {"a": None, "b": None}
    assert opinion.sides_with == () and opinion.other is None


@pytest.fixture(scope="module")
def spans_nlp():
    return trained_on_spans(steps=20)  # not sure of anything


def test_versions_of_overlapping_entities_are_independent_by_label(spans_nlp):
    text = "the University of Oslo"
    versions = {
        "a": [(4, 22, "ORG"), (18, 22, "PLACE")],
        "b": [(0, 22, "ORG")],
        "c": [(4, 22, "PLACE"), (18, 22, "ORG")],
        "d": [(4, 22, "ORG"), (18, 22, "CITY")],
    }
    places = places_of(versions, key="sc", text=text)
    pipe, doc = spans_nlp.get_pipe("spancat"), spans_nlp.make_doc(text)
    of_labels = {}
    for label, (chain,) in zip(pipe.labels, pipe.distributions([doc])):
        of_labels[label] = [
            ({(doc[s].idx, doc[e - 1].idx + len(doc[e - 1]), label) for s, e, _ in spans}, p)
            for spans, p in k_best_sequences(chain, EVERYTHING)
        ]
    assert len(places) == 1  # the same boundaries or the same label connect them all
    (place,) = places
    (opinion,) = opinions(spans_nlp, "spancat", places)
    for who, spans in versions.items():
        expected = float(who != "d")  # nothing is a CITY
        for label in ("ORG", "PLACE"):
            own = {span for span in spans if span[2] == label}
            expected *= math.fsum(
                p for every, p in of_labels[label] if said_there(every, place) == own
            )
        assert opinion.probabilities[who] == pytest.approx(expected, abs=1e-6)


def test_versions_with_levels_are_products_of_entities():
    nlp = trained_on_spans(data=NESTED_IN_LABEL, steps=40, levels=2)
    text, spans = NESTED_IN_LABEL[0]
    versions = {"a": spans, "b": spans[:1], "c": []}
    places = places_of(versions, key="sc", text=text)
    (opinion,) = opinions(nlp, "spancat", places)
    pipe, doc = nlp.get_pipe("spancat"), nlp.make_doc(text)
    (levels,) = pipe.distributions([doc])
    tokens = [doc.char_span(start, end) for start, end, _ in spans]
    ((p, q),) = span_probabilities_of_levels(levels, [[(s.start, s.end, 0) for s in tokens]])
    expected = {"a": p * q, "b": p * (1 - q), "c": (1 - p) * (1 - q)}
    assert opinion.probabilities == pytest.approx(expected)
    assert opinion.sides_with == ("a",)


def test_without_probabilities_it_sides_with_those_who_have_what_it_finds():
    text = "I like London and Berlin."
    nlp = trained_nlp("ner")
    versions = {"a": [(7, 13, "LOC")], "b": [(18, 24, "LOC")], "c": [(7, 13, "PERSON")]}
    found = opinions(nlp, "ner", places_of(versions, text=text))
    assert [opinion.sides_with for opinion in found] == [("a",), ("b",)]
    assert {p for opinion in found for p in opinion.probabilities.values()} == {None}
    nlp = trained_on_spans("spancat", steps=100)
    text = "The Bank of England is in London."
    versions = {"a": [(4, 19, "ORG"), (12, 19, "PLACE")], "b": [(4, 19, "ORG")]}
    (opinion,) = opinions(nlp, "spancat", places_of(versions, text=text, key="sc"))
    assert opinion.sides_with == ("a",)


def test_numbers_of_the_model_and_its_order():
    docs = {who: [] for who in "ab"}
    for text, versions in (
        ("I like London and Berlin.", {"a": [(7, 13, "PERSON")], "b": [(7, 13, "LOC")]}),
        ("Who is Shaka Khan?", {"a": [(7, 17, "PERSON")], "b": [(7, 17, "LOC")]}),
        ("Who is Rome?", {"a": [], "b": []}),
    ):
        for who, (doc,) in docs_of(versions, text=text).items():
            docs[who].append(doc)
    nlp = trained_nlp()
    found = agreement(docs, pipeline=nlp)
    model = found.numbers["model"]
    listed = found.numbers["disagreements"]
    assert (model["n"], model["n_no_side"], model["component"]) == (2, 0, "ner")
    for who in "ab":
        own = [each["model"]["probabilities"][who] for each in listed]
        of_one = model["annotators"][who]
        assert (of_one["n"], of_one["sides"]) == (2, 1)
        assert of_one["mean_probability"] == pytest.approx(sum(own) / 2)
    best = [max(each["model"]["probabilities"].values()) for each in listed]
    assert best == sorted(best, reverse=True) and min(best) > 0.5
    assert {each["text"]: each["model"]["sides_with"] for each in listed} == {
        "London": ["b"],
        "Shaka Khan": ["a"],
    }
    name = nlp.meta["name"]
    assert f"{name} sides with: a 1, b 1." in repr(found)
    assert "the model sides with a</header>" in found.html


def test_pipelines_that_can_not_be_asked(spans_nlp, tmp_path):
    docs = docs_of({"a": [(0, 3, "PERSON")], "b": []})
    for pipeline, settings, said in (
        (spans_nlp, {}, "puts entities into doc.spans['sc'], but those of the annotators are in"),
        (make_nlp(), {"spans_key": "sc"}, "leave out --spans-key"),
        (make_nlp(), {"component": "tagger"}, "no component 'tagger'"),
        (spacy.blank("en"), {}, "no component 'ner'. It has: none"),
        (tmp_path / "no", {}, "There is no pipeline"),
    ):
        with pytest.raises(UserError) as error:
            agreement(docs, pipeline=pipeline, **settings)
        assert said in str(error.value) and "\n" not in str(error.value)

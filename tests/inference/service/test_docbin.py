"""Texts whose entities are known, as a .spacy file from the service."""

import pytest
import spacy
from spacy.tokens import DocBin

from spacy_bilstm_crf.inference.service import Limits
from tests.helpers import trained_nlp
from tests.inference.nested import trained
from tests.inference.service.service import running

TEXT = "\U0001f600 Who  is Shaka Khan?\n"
KHAN = {"start": 10, "end": 20, "label": "PERSON"}
SHAKA = {"start": 10, "end": 15, "label": "LOC"}


@pytest.fixture(scope="module")
def client():
    with running(trained_nlp(), Limits(texts=4, characters=5000)) as client:
        yield client


def docs_of(response):
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/octet-stream"
    return list(DocBin().from_bytes(response.content).get_docs(spacy.blank("en").vocab))


def found(spans):
    return [(span.start_char, span.end_char, span.label_) for span in spans]


def test_spacy_reads_it(client):
    given = {"texts": [TEXT, "", "I like Berlin."], "entities": [[KHAN, KHAN], [], []]}
    docs = docs_of(client.post("/docbin", json=given))
    assert [doc.text for doc in docs] == given["texts"]
    own = spacy.blank("en")
    assert [[t.text for t in doc] for doc in docs] == [
        [t.text for t in own(text)] for text in given["texts"]
    ]
    assert [found(doc.ents) for doc in docs] == [[(10, 20, "PERSON")], [], []]
    # All of it is annotated, and not what the pipeline would find
    assert all(token.ent_iob for doc in docs for token in doc)
    (doc,) = docs_of(client.post("/docbin", json={"texts": ["I like Berlin."]}))
    assert not doc.ents and doc.has_annotation("ENT_IOB")


def test_entities_that_overlap_are_where_the_component_looks_for_them():
    text = "New York Times Square"
    org = {"start": 0, "end": 14, "label": "ORG"}
    place = {"start": 9, "end": 21, "label": "PLACE"}
    nlp = trained("bilstm_crf_spans")
    nlp.get_pipe("bilstm_crf_spans").cfg["spans_key"] = "nested"
    with running(nlp) as client:
        given = {"texts": [text, "Oslo"], "entities": [[place, org], []]}
        one, none = docs_of(client.post("/docbin", json=given))
    assert sorted(found(one.spans["nested"])) == [(0, 14, "ORG"), (9, 21, "PLACE")]
    assert list(none.spans["nested"]) == []
    assert not any(token.ent_iob for token in one)


def test_each_label_is_where_its_component_looks_for_it():
    person = {"start": 0, "end": 3, "label": "PERSON"}
    place = {"start": 7, "end": 11, "label": "PLACE"}
    with running(trained("bilstm_crf_ner", "bilstm_crf_spans")) as client:
        given = {"texts": ["Ada in Oslo"], "entities": [[person, place]]}
        (doc,) = docs_of(client.post("/docbin", json=given))
    assert found(doc.ents) == [(0, 3, "PERSON")] and all(token.ent_iob for token in doc)
    assert found(doc.spans["sc"]) == [(7, 11, "PLACE")]


def test_tokens_whose_white_space_the_tokenizer_changes():
    nlp = trained_nlp()
    words = nlp.tokenizer
    nlp.tokenizer = lambda text: words(" ".join(text.split()))
    with running(nlp) as client:
        (doc,) = docs_of(client.post("/docbin", json={"texts": [TEXT], "entities": [[KHAN]]}))
    assert doc.text == TEXT and found(doc.ents) == [(10, 20, "PERSON")]


@pytest.mark.parametrize(
    "given, status, message",
    [
        (
            {"entities": [[{**KHAN, "end": 18}]]},
            422,
            "entities: 10-18 does not begin and end where tokens do: its tokens are 10-20.",
        ),
        ({"entities": [[{**KHAN, "end": 10}]]}, 422, "10-10 does not begin and end where"),
        ({"entities": [[{**KHAN, "label": "X"}]]}, 422, "does not know. It knows: LOC, PERSON."),
        (
            {"entities": [[KHAN, SHAKA]]},
            422,
            "entities: 10-20, 10-15 overlap, which entities of doc.ents can't.",
        ),
        ({"entities": []}, 422, "entities: there are 0 lists for 1 texts. Send one for each"),
        ({"entities": [[{"start": 1, "end": 2}]]}, 422, "entities.0.0.label: Field required"),
        ({"threshold": 0.5}, 422, "an unknown field. Known fields: texts, entities."),
        (
            {"entities": [[{**KHAN, "secret": 1}]]},
            422,
            "entities.0.0: There is an unknown field. Known fields: start, end, label.",
        ),
        ({"texts": ["a"] * 5}, 422, "texts: there are 5. Send at most 4."),
        ({"texts": ["a" * 5001]}, 413, "The texts have 5,001 characters. Send at most 5,000"),
    ],
)
def test_requests_that_are_refused(given, status, message, client):
    response = client.post("/docbin", json={"texts": [TEXT], **given})
    detail = response.json()["detail"]
    assert response.status_code == status and message in detail
    assert "\n" not in detail


def test_it_wants_json(client):
    assert client.post("/docbin", content=b"{}").status_code == 415
    headers = {"content-type": "application/json"}
    assert client.post("/docbin", content=b"{", headers=headers).status_code == 400

"""Texts whose entities are corrected by characters: in Python, and over HTTP."""

import pickle
import re

import pytest
import spacy
from spacy.tokens import Span

from spacy_bilstm_crf.inference.annotator import Annotator, RequestSettings
from spacy_bilstm_crf.inference.corrections import KnownSpan, TextCorrections
from spacy_bilstm_crf.workflows import export
from tests.approx import alike
from tests.helpers import make_nlp, trained_nlp, unsure_nlp
from tests.inference.nested import places, trained
from tests.inference.service.service import running

TEXT = "\U0001f600 Who is London Khan?"
LONDON, WHO = KnownSpan(9, 15, "LOC"), KnownSpan(2, 5)
KNOWN = TextCorrections((LONDON,), (WHO,))
AS_JSON = {
    "fixed": [[{"start": 9, "end": 15, "label": "LOC"}]],
    "rejected": [[{"start": 2, "end": 5}]],
}


def merging(nlp):
    nlp.add_pipe("merge_entities")
    return nlp


@pytest.fixture(scope="module", params=["torch", "float32", "merging"])
def nlp(request):
    nlp = unsure_nlp()
    if request.param == "float32":
        return export(nlp).nlp
    return merging(nlp) if request.param == "merging" else nlp


def test_what_is_found_is_what_the_component_finds(nlp):
    settings = RequestSettings(candidates=1e-4, k_best=3, tokens=True)
    (found,) = Annotator(nlp)([TEXT], settings, [KNOWN])
    ner, doc = nlp.get_pipe("ner"), nlp.make_doc(TEXT)
    ner.candidates_threshold = 1e-4
    spans = {"fixed": [Span(doc, 3, 4, "LOC")], "rejected": [Span(doc, 1, 2)]}
    ner.correct([doc], **{name: [value] for name, value in spans.items()})
    ner.candidates_threshold = None
    expected = [(e.start_char, e.end_char, e.label_) for e in doc.ents]
    assert places(found.entities) == expected and tuple(LONDON) in expected
    assert [e["confidence"] for e in found.entities] == pytest.approx(
        [e._.confidence for e in doc.ents], abs=1e-6
    )
    group = doc.spans["candidates"]
    candidates = [(c["start"], c["end"], c["confidence"]) for c in found.candidates]
    scored = zip(group, group.attrs["scores"])
    expected = sorted((s.start_char, s.end_char, float(p)) for s, p in scored)
    assert sorted(candidates) == alike(expected)
    best = ner.k_best(nlp.make_doc(TEXT), 3, **spans)
    assert [one["probability"] for one in found.k_best] == alike([p for _, p in best])
    assert [len(one["entities"]) for one in found.k_best] == [len(ents) for ents, _ in best]
    assert found.tokens == [(t.idx, t.idx + len(t)) for t in doc]


def test_others_of_the_same_call_are_as_they_are(nlp):
    annotator = Annotator(nlp)
    texts = [TEXT, "I like Berlin.", TEXT, ""]
    alone = annotator(texts)
    together = annotator(texts, corrections=[None, None, KNOWN, None])
    assert [places(found.entities) for found in together[:2]] == [
        places(found.entities) for found in alone[:2]
    ]
    assert tuple(LONDON) in places(together[2].entities)


WRONG = [
    ({"fixed": [KnownSpan(9, 13, "LOC")]}, "9-13 does not begin and end where .* are 9-15"),
    ({"rejected": [KnownSpan(3, 11)]}, r"3-11 does not .*: its tokens are 2-15"),
    ({"fixed": [KnownSpan(100, 105, "LOC")]}, r"100-105 does not begin and end where tokens do\."),
    ({"fixed": [KnownSpan(15, 9, "LOC")]}, r"15-9 does not begin and end where tokens do\."),
    ({"fixed": [LONDON._replace(label="X")]}, "characters 9-15 has the label 'X', which 'ner' .*"),
    ({"fixed": [LONDON], "rejected": [LONDON]}, "characters 9-15 as .*: it is an entity already"),
    ({"fixed": [LONDON, KnownSpan(6, 15, "LOC")]}, "6-15 as .*: it overlaps another one"),
]


@pytest.mark.parametrize("known, message", WRONG)
def test_wrong_corrections_fail_alone(nlp, known, message):
    wrong = TextCorrections(**{name: tuple(spans) for name, spans in known.items()})
    failed, fine = Annotator(nlp)([TEXT, TEXT], corrections=[wrong, KNOWN])
    assert re.search(message, failed.reason) and failed.kind == "CorrectionError"
    assert tuple(LONDON) in places(fine.entities)


def test_tokens_whose_white_space_the_tokenizer_changes():
    made = unsure_nlp()
    words = made.tokenizer
    made.tokenizer = lambda text: words(" ".join(text.split()))
    text = "Who  is\n\nLondon Khan"
    known = TextCorrections((KnownSpan(9, 20, "PERSON"),))
    (found,) = Annotator(made)([text], RequestSettings(tokens=True), [known])
    assert (9, 20, "PERSON") in places(found.entities)
    assert [text[start:end] for start, end in found.tokens] == ["Who", "is", "London", "Khan"]


# Over HTTP


@pytest.fixture(scope="module")
def served():
    return pickle.dumps(unsure_nlp())


@pytest.fixture(scope="module")
def client(served):
    with running(pickle.loads(served)) as client:
        yield client


def post(client, **given):
    return client.post("/annotate", json={"texts": [TEXT], **given})


def test_the_service_finds_the_same(client, served):
    annotator = Annotator(pickle.loads(served))
    assert client.get("/labels").json()["knows_corrections"] is True
    given = {"candidates": 1e-4, "k_best": 2, "tokens": True}
    (result,) = post(client, **given, **AS_JSON).json()["results"]
    settings = RequestSettings(candidates=1e-4, k_best=2, tokens=True)
    (found,) = annotator([TEXT], settings, [KNOWN])
    for name in ("entities", "candidates"):
        assert places(result[name]) == places(getattr(found, name))
        ours = [each["confidence"] for each in result[name]]
        assert ours == alike([each["confidence"] for each in getattr(found, name)])
    assert [one["probability"] for one in result["k_best"]] == alike(
        [one["probability"] for one in found.k_best]
    )
    assert result["tokens"] == [list(token) for token in found.tokens]
    (plain,) = post(client, fixed=[[]], rejected=None).json()["results"]
    assert plain["tokens"] is None
    assert places(plain["entities"]) == places(annotator([TEXT])[0].entities)


@pytest.mark.parametrize("known, message", WRONG)
def test_the_service_says_what_is_wrong(client, known, message):
    given = {name: [[span._asdict() for span in spans]] for name, spans in known.items()}
    response = post(client, **given)
    assert response.status_code == 422
    assert re.search(message, response.json()["detail"])
    assert not response.json()["detail"].startswith("CorrectionError")


@pytest.mark.parametrize(
    "given, status, message",
    [
        ({"fixed": []}, 422, "fixed: there are 0 lists for 1 texts. Send one for each text"),
        ({"fixed": [[{"start": 0, "end": 1}]]}, 422, "fixed.0.0.label: Field required"),
        ({"rejected": [[{"start": -1, "end": 1}]]}, 422, "rejected.0.0.start: .* greater than"),
        (
            {"rejected": [[{"start": 0, "end": 1, "secret": 3}]]},
            422,
            r"^rejected.0.0: There is an unknown field. Known fields: start, end, label\.$",
        ),
        (
            {"texts": [TEXT * 300], "rejected": [[{"start": 2, "end": 5, "label": "LOC"}] * 60]},
            413,
            "this threshold, candidates, k_best and corrections, send at most",
        ),
    ],
)
def test_requests_that_are_refused(client, given, status, message):
    response = post(client, **given)
    assert response.status_code == status
    assert re.search(message, response.json()["detail"])


def without_crf():
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler")
    return nlp


def with_levels():
    nlp = make_nlp("bilstm_crf_spans", levels=2)
    nlp.initialize()
    return nlp


def of_two():
    nlp = trained_nlp()
    nlp.add_pipe("ner", name="second", source=trained_nlp())
    return nlp


@pytest.mark.parametrize(
    "make, reason",
    [
        (without_crf, "has no bilstm_crf_ner and bilstm_crf_spans components, not one"),
        (with_levels, "'ner' has 2 levels, not one"),
        (of_two, "has 2 bilstm_crf_ner and bilstm_crf_spans components, not one"),
    ],
)
def test_pipelines_that_can_not_be_corrected(make, reason):
    nlp = make()
    with pytest.raises(ValueError, match=f"Corrections: .*{reason}"):
        Annotator(nlp)([TEXT], corrections=[KNOWN])
    with running(nlp) as client:
        response = post(client, **AS_JSON)
        assert response.status_code == 422
        assert re.search(f"^fixed and rejected: .*{reason}. Leave", response.json()["detail"])
        assert client.get("/labels").json()["knows_corrections"] is False


def test_spans_that_overlap():
    nlp = trained("bilstm_crf_spans")
    label, other = nlp.get_pipe("bilstm_crf_spans").labels[:2]
    known = TextCorrections((KnownSpan(2, 15, label), KnownSpan(9, 20, other)))
    (found,) = Annotator(nlp)([TEXT], corrections=[known])
    assert {(2, 15, label), (9, 20, other)} <= set(places(found.entities))

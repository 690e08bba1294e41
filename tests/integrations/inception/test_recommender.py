"""What the routes answer to what INCEpTION sends, and to what it does not."""

import base64
import json

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.inference.service import Limits
from spacy_bilstm_crf.integrations.inception.documents import DocumentStore
from spacy_bilstm_crf.integrations.label_studio.annotations import AnnotationStore
from tests.helpers import unsure_nlp
from tests.integrations.inception.apps import client_of
from tests.integrations.inception.payloads import (
    LANGUAGE,
    METADATA,
    NAMED_ENTITY,
    OF_LAYER,
    OF_TRAINING,
    TYPE_SYSTEM,
    entities_of,
    predict,
    predicted,
    train,
    type_system,
    words_of,
    xmi,
)

pytest.importorskip("cassis")
SMILE, ARROW = "\U0001f600", "\u2192"
TEXT = f"Who is Shaka Khan?\nI {SMILE} like {ARROW} London and {SMILE}{SMILE} Berlin.\r\n\tBye"
LONDON = (TEXT.index("London"), TEXT.index("London") + 6, "LOC")


def post(client, path, sent, status=200):
    response = client.post(path, json=sent)
    assert response.status_code == status, response.text
    if status in (204, 429):
        assert not response.content
        return None
    answer = response.json()
    if status != 200:
        assert answer.keys() == {"detail"}
        assert "\n" not in answer["detail"]
        return answer["detail"]
    assert answer.keys() == {"document"}
    return answer["document"]


@pytest.fixture
def client(pipeline, tmp_path):
    with client_of(pipeline, tmp_path / "folder", train_after=1000) as client:
        yield client


def stored(tmp_path):
    files = sorted((tmp_path / "folder" / "annotations").iterdir())
    return {
        one["user"]: one["documents"] for one in (json.loads(f.read_text("utf8")) for f in files)
    }


def n_changes(tmp_path):
    state = tmp_path / "folder" / "state.json"
    return json.loads(state.read_text("utf8"))["n_changes"] if state.exists() else 0


# Suggestions


def test_the_example_of_the_developer_guide(client):
    """Its text and view; the guide's own type system has no layer for what is asked for."""
    text = "Joe waited for the train . The train was late ."
    document = xmi(text, tokens=[], sentences=[], title=None, sofa="mySofa")
    only_language = type_system(others="").replace(NAMED_ENTITY, "other.Type")
    assert LANGUAGE in only_language
    detail = post(client, "/predict", predict(document, only_language), 422)
    assert detail == f"The type system has no layer {NAMED_ENTITY}."
    answer = post(
        client, "/predict", predict(document, type_system(others=""), anchoringMode="characters")
    )
    assert "mySofa" in answer
    found = [one[:3] for one in predicted(answer)]
    (expected,) = client.post("/annotate", json={"texts": [text]}).json()["results"]
    assert found == [(e["start"], e["end"], e["label"]) for e in expected["entities"]]
    assert post(client, "/train", train(document, types=type_system(OF_LAYER, "")), 204) is None


@pytest.mark.parametrize("make", [None, unsure_nlp])
def test_suggestions_are_what_the_pipeline_finds(make, pipeline, tmp_path):
    if make is not None:
        pipeline = tmp_path / "unsure"
        make().to_disk(pipeline)
    own = [
        (*LONDON[:2], "Place", {"identifier": "Q84", "inception_internal_predicted": "false"}),
        (0, 3, None),
        (TEXT.index(SMILE), TEXT.index(SMILE) + 1, "SMILE"),
    ]
    document = xmi(TEXT, own)
    with client_of(pipeline, tmp_path / "folder", train_after=0) as client:
        answer = post(client, "/predict", predict(document, crossSentence=True))
        asked = {"texts": [TEXT]}
        (expected,) = client.post("/annotate", json=asked).json()["results"]
    found = predicted(answer)
    assert any(start > TEXT.index(SMILE) for start, *_ in found)
    assert [(TEXT[start:end], label) for start, end, label, _ in found] == [
        (e["text"], e["label"]) for e in expected["entities"]
    ]
    assert [float(score) for *_, score in found] == [
        pytest.approx(e["confidence"], abs=1e-6) for e in expected["entities"]
    ]
    before = entities_of(document)
    assert [one for one in entities_of(answer) if one in before] == before
    assert len(entities_of(answer)) == len(before) + len(found)


ENTITIES = {"Shaka Khan", "London", "Berlin"}
ONE_TOKEN = {"London": f"{ARROW} London", ARROW: None}


@pytest.fixture(scope="module")
def ruler(tmp_path_factory):
    """A client of a pipeline that finds these entities, and knows no probabilities."""
    folder = tmp_path_factory.mktemp("ruler")
    nlp = spacy.blank("en")
    patterns = [{"label": "THING", "pattern": text} for text in sorted(ENTITIES)]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    nlp.to_disk(folder / "model")
    with client_of(folder / "model", folder / "folder", train_after=0) as client:
        yield client


@pytest.mark.parametrize(
    ("metadata", "changes", "expected", "said"),
    [
        ({}, {}, ENTITIES, None),
        # Tokens of the document that are longer than those of the pipeline
        (
            {},
            ONE_TOKEN,
            {"Shaka Khan", f"{ARROW} London", "Berlin"},
            None,
        ),
        (
            {"anchoringMode": "characters"},
            ONE_TOKEN,
            ENTITIES,
            None,
        ),
        (
            {"anchoringMode": "singleToken"},
            {},
            {"London", "Berlin"},
            "Entities of several tokens, where the layer allows only one, left out: 1",
        ),
        (
            {"anchoringMode": "singleToken"},
            {"Khan": None, "Shaka": "Shaka Khan"},
            ENTITIES,
            None,
        ),
        (
            {},
            {"London": None},
            {"Shaka Khan", "Berlin"},
            "Entities where there is no token, left out: 1",
        ),
    ],
)
def test_suggestions_fit_the_tokens(metadata, changes, expected, said, ruler, caplog):
    words = {TEXT[start:end]: (start, end) for start, end in words_of(TEXT)}
    for word, new in changes.items():
        words.pop(word)
        if new is not None:
            start = TEXT.index(new)
            words[new] = (start, start + len(new))
    tokens = sorted(words.values())
    answer = post(ruler, "/predict", predict(xmi(TEXT, tokens=tokens), **metadata))
    assert {TEXT[start:end] for start, end, *_ in predicted(answer)} == expected
    assert {score for *_, score in predicted(answer)} == {None}
    lines = [line for line in caplog.messages if line.startswith("INCEpTION")]
    assert lines == ([] if said is None else [f"INCEpTION, /predict: {said}"])


@pytest.mark.parametrize("cross", [False, True])
def test_suggestions_in_several_sentences(cross, ruler):
    middle = TEXT.index("Khan")
    document = xmi(TEXT, sentences=[(0, middle), (middle, len(TEXT))])
    answer = post(ruler, "/predict", predict(document, crossSentence=cross))
    found = {TEXT[start:end] for start, end, *_ in predicted(answer)}
    assert found == (ENTITIES if cross else {"London", "Berlin"})


def test_two_entities_in_one_token_are_one_suggestion(client):
    text = "I like London and Berlin."
    document = xmi(text, tokens=[(0, 1), (2, 6), (7, 24), (24, 25)])
    (found,) = predicted(post(client, "/predict", predict(document)))
    (expected,) = client.post("/annotate", json={"texts": [text]}).json()["results"]
    assert found[:3] == (7, 24, "LOC")
    best = max(one["confidence"] for one in expected["entities"])
    assert float(found[3]) == pytest.approx(best, abs=1e-6)


@Language.component("test_stumbles_for_inception")
def stumbles(doc):
    raise ValueError("stumbled")


def test_documents_that_fail_or_are_too_long(pipeline, tmp_path, caplog):
    def change(nlp):
        nlp.add_pipe("test_stumbles_for_inception", first=True)

    limits = Limits(characters=60)
    with client_of(pipeline, tmp_path / "folder", limits, change, train_after=0) as client:
        detail = post(client, "/predict", predict(xmi("x " * 31)), 413)
        assert detail.startswith("The document has 62 characters, and this service takes 60 at")
        assert f"INCEpTION, /predict: {detail}" in caplog.messages
        detail = post(client, "/predict", predict(xmi("London")), 500)
        assert detail == "The pipeline failed on the document: ValueError."
        answer = client.post("/predict", json={"a": "x" * 2_000_000})
        assert answer.status_code == 413
        assert "higher --max-characters" in answer.json()["detail"]
        page = client.get("/metrics").text
        assert 'requests_total{status="413"} 2.0' in page


# What is annotated


def test_documents_of_a_user_are_kept_in_place_of_all_others(client, tmp_path):
    one, two = xmi(TEXT, [LONDON]), xmi("Ada met Bob.", [(0, 3, "PERSON")], title=None)
    post(client, "/train", train(one, two), 204)
    (first, second) = stored(tmp_path)["testuser"]
    assert first["entities"] == [[*LONDON]]
    assert (first["id"], first["name"], second["id"], second["name"]) == (42, "a.txt", 43, None)
    assert "".join(w + " " * s for w, s in zip(first["words"], first["spaces"])) == TEXT
    assert n_changes(tmp_path) == 1
    post(client, "/train", train(one, two), 204)
    assert n_changes(tmp_path) == 1
    post(client, "/train", train(two, user="../Ada \U0001f600"), 204)
    post(client, "/train", train(one), 204)
    assert {user: len(documents) for user, documents in stored(tmp_path).items()} == {
        "testuser": 1,
        "../Ada \U0001f600": 1,
    }
    assert n_changes(tmp_path) == 3
    # After a restart
    assert not (tmp_path / "folder" / "training").exists()


def test_suggestions_are_not_learned_from(client, tmp_path):
    flags = ({"inception_internal_predicted": value} for value in ("true", "false"))
    entities = [(*LONDON, next(flags)), (0, 3, "X", next(flags)), (4, 6, "Y")]
    post(client, "/train", train(xmi(TEXT, entities), types=TYPE_SYSTEM), 204)
    (document,) = stored(tmp_path)["testuser"]
    assert document["entities"] == [[0, 3, "X"], [4, 6, "Y"]]


def test_another_project_or_layer_is_unknown(client, tmp_path):
    post(client, "/predict", predict(xmi(TEXT)))
    document = xmi(TEXT, [LONDON])
    for path, sent in (("/predict", predict(document)), ("/train", train(document))):
        sent["metadata"] = {**METADATA, "projectId": 7}
        detail = post(client, path, sent, 404)
        assert detail.startswith("Project 7 is unknown: this service belongs to project 1337.")
        sent["metadata"] = {**METADATA, "feature": "identifier"}
        detail = post(client, path, sent, 404)
        assert "and not to" in detail
    assert stored(tmp_path) == {}


def test_a_folder_is_of_one_tool(client, tmp_path):
    post(client, "/train", train(xmi(TEXT, [LONDON])), 204)
    with pytest.raises(UserError, match="belongs to a project of another annotation tool"):
        AnnotationStore(tmp_path / "folder")
    other = AnnotationStore(tmp_path)
    other.set_project("1.2", "<View/>")
    other.add(1, {"text": "In London."}, {"id": 1, "result": []})
    with pytest.raises(UserError, match="belongs to a project of another annotation tool"):
        DocumentStore(tmp_path)
    assert AnnotationStore(tmp_path).label_config == "<View/>"


def test_training_that_is_switched_off_is_not_promised(pipeline, tmp_path):
    with client_of(pipeline, tmp_path / "folder", train_after=0) as client:
        assert "does not train" in post(client, "/train", train(xmi(TEXT, [LONDON])), 422)
    assert stored(tmp_path) == {}


# What is wrong


BROKEN = xmi(TEXT).replace("<cas:View", "<cas:Vi ew")
CYCLE = TYPE_SYSTEM.replace(
    "uima.tcas.Annotation</supertypeName>", f"{NAMED_ENTITY}</supertypeName>"
)


@pytest.mark.parametrize(
    ("path", "sent", "status", "expected"),
    [
        ("/predict", [], 422, "JSON object"),
        ("/predict", {}, 422, "metadata: there is no object"),
        ("/predict", predict(xmi(TEXT), projectId="x"), 422, "metadata.projectId"),
        ("/predict", predict(xmi(TEXT), layer=None), 422, "metadata.layer"),
        ("/predict", predict(xmi(TEXT), layer="a.B"), 422, "has no layer a.B"),
        ("/predict", predict(xmi(TEXT), layer="custom.Plain"), 422, "not for annotations of parts"),
        ("/predict", predict(xmi(TEXT), feature="other"), 422, "has no feature other"),
        ("/predict", predict(xmi(TEXT), feature="number"), 422, "is no string, but uima.cas.Int"),
        ("/predict", predict(xmi(TEXT), anchoringMode="words"), 422, "must be one of characters"),
        ("/predict", predict(xmi(TEXT), anchoringMode="sentences"), 422, "of whole sentences"),
        ("/predict", predict(xmi(TEXT), crossSentence=None), 422, "must be true or false"),
        ("/predict", predict(xmi(TEXT), OF_TRAINING), 422, "no feature inception_internal_pred"),
        ("/predict", {**predict(""), "document": 3}, 422, "document: there is no object"),
        ("/predict", predict(""), 422, "document.xmi: there is no text"),
        ("/predict", predict("<xmi"), 422, "The XMI can't be read: "),
        ("/predict", predict(BROKEN), 422, "The XMI can't be read: "),
        ("/predict", predict(xmi(TEXT).replace("sofaString", "x")), 422, "The XMI can't be read"),
        ("/predict", predict(xmi(TEXT), "<types"), 422, "The type system can't be read: "),
        ("/predict", predict(xmi(TEXT), CYCLE), 422, "The type system can't be read: "),
        ("/predict", predict(xmi(TEXT), ""), 422, "typeSystem: there is no text"),
        ("/train", {**train(), "documents": 3}, 422, "documents: there is no list"),
        ("/train", train(), 422, "documents: there is no list"),
        ("/train", train(xmi(TEXT, [LONDON]), BROKEN), 422, "documents.1: The XMI can't be read"),
        ("/train", train(xmi(TEXT), user=3), 422, "documents.0.userId"),
        ("/train", train(xmi(TEXT, [LONDON]), user="x" * 300), 422, "too long for the name of a"),
        ("/train", train(xmi(TEXT), anchoringMode="sentences"), 422, "of whole sentences"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(path, sent, status, expected, client, tmp_path, caplog):
    detail = post(client, path, sent, status)
    assert expected in detail
    assert len(detail) < 450
    assert f"INCEpTION, {path}: {detail}"[:300] in "\n".join(caplog.messages)
    assert stored(tmp_path) == {}


LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10 if i else "ha" * 10}">' for i in range(10))


@pytest.mark.parametrize("path", ["/predict", "/train"])
@pytest.mark.parametrize("where", ["document", "types"])
@pytest.mark.parametrize(
    "declared",
    ['<!ENTITY e SYSTEM "file://{}">', LAUGHS + '<!ENTITY e "&l9;">', '<!ENTITY e "a">'],
    ids=["file", "laughs", "letter"],
)
@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-7"])
def test_entities_of_xml_read_no_file_and_fill_no_memory(
    path, where, declared, encoding, client, tmp_path, caplog
):
    secret = tmp_path / "secret.txt"
    secret.write_text("a secret")
    given = {"document": xmi("Secret: @@@", [(0, 6, "LOC")]), "types": TYPE_SYSTEM}
    doctype = f"<!DOCTYPE x [{declared.format(secret)}]>"
    if encoding == "UTF-7":  # in which the declaration is not to be seen
        doctype = "+" + base64.b64encode(doctype.encode("utf-16-be")).decode().rstrip("=") + "-"
    declaration = '<?xml version="1.0" encoding="UTF-8"?>'
    xml = (
        given[where]
        .replace("@@@", "&e;")
        .replace("<description/>", "<description>&e;</description>")
    )
    given[where] = xml.replace(declaration, declaration.replace("UTF-8", encoding) + doctype)
    make = predict if path == "/predict" else train
    response = client.post(path, json=make(given["document"], types=given["types"]))
    assert response.status_code == 422
    expected = "entities: leave them out" if encoding == "UTF-8" else "can't be read"
    assert expected in response.json()["detail"]
    assert "a secret" not in response.text + caplog.text
    assert len(response.text) < 500
    assert stored(tmp_path) == {}


def test_a_host_that_is_refused_is_logged(pipeline, tmp_path, caplog):
    given = {"hosts": ["testserver"], "train_after": 0}
    with client_of(pipeline, tmp_path / "folder", **given) as client:
        refused = client.post("/predict", json={}, headers={"Host": "host.docker.internal"})
        assert refused.status_code == 400
    assert [line.partition(". ")[0] for line in caplog.messages if "INCEpTION" in line] == [
        "INCEpTION, /predict: Invalid host header: 'host.docker.internal'"
    ]


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
PLACES = [
    ("metadata",),
    *(("metadata", key) for key in METADATA),
    ("document",),
    *(("document", key) for key in ("xmi", "documentId", "userId")),
    ("documents",),
    ("documents", 0),
    *(("documents", 0, key) for key in ("xmi", "documentId", "userId")),
    ("typeSystem",),
]
FRAGMENTS = ["begin", "end", "sofa", "xmi:id", "members", "type4", "uima.tcas.Annotation", "value"]


def damaged_xml(data, xml):
    """XML with a few characters, or a name or number, replaced or left out."""
    known = [word for word in FRAGMENTS if word in xml]
    if known and data.draw(st.booleans()):
        word = data.draw(st.sampled_from(known))
        start = data.draw(st.sampled_from([i for i in range(len(xml)) if xml.startswith(word, i)]))
        end = start + len(word) + data.draw(st.integers(0, 6))
    else:
        start = data.draw(st.integers(0, len(xml)))
        end = start + data.draw(st.integers(0, 30))
    new = data.draw(
        st.text(max_size=3) | st.sampled_from(['"-5"', "99999", "", '="x"', *FRAGMENTS])
    )
    return xml[:start] + new + xml[end:]


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damaged_requests_get_an_answer(data, damaged_client):
    """Any value of a request may be replaced by any other, and any part of its XML be damaged."""
    route = data.draw(st.sampled_from(["/predict", "/train"]))
    make = predict if route == "/predict" else train
    sent = json.loads(json.dumps(make(xmi(TEXT, [LONDON, (0, 3, None)]), types=TYPE_SYSTEM)))
    *path, last = data.draw(st.sampled_from([p for p in PLACES if _is_there(sent, p)]))
    inner = sent
    for key in path:
        inner = inner[key]
    is_xml = last in ("xmi", "typeSystem") and data.draw(st.integers(0, 4))
    inner[last] = damaged_xml(data, inner[last]) if is_xml else data.draw(JUNK)
    response = damaged_client.post(
        route, content=json.dumps(sent), headers={"Content-Type": "application/json"}
    )
    assert response.status_code in (200, 204, 400, 404, 422), response.text
    assert "\n" not in response.text.replace("\\n", "")
    if response.status_code == 200:
        entities_of(response.json()["document"])


def _is_there(sent, path):
    for key in path:
        if key not in (range(len(sent)) if isinstance(sent, list) else sent):
            return False
        sent = sent[key]
    return True


@pytest.fixture(scope="module")
def damaged_client(pipeline, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    with client_of(pipeline, folder, train_after=100_000) as client:
        yield client
    with client_of(pipeline, folder, train_after=0):  # whatever was kept can be read
        pass

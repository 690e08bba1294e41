"""What the routes answer to what Label Studio sends, and to what it does not."""

import json
from functools import partial

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Span
from starlette.testclient import TestClient

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.inference.service import Limits
from spacy_bilstm_crf.integrations.label_studio.annotations import AnnotationStore
from tests.helpers import unsure_nlp
from tests.integrations.label_studio.apps import app_with_routes, client_of
from tests.integrations.label_studio.payloads import (
    OTHER_CONFIGS,
    RECORDED,
    annotated,
    label_config,
    payload,
    predict,
)
from tests.nested import trained_on_spans

CONFIG = label_config("PERSON", "LOC")
TEXTS = [
    "Who is Shaka Khan?",
    "I like \U0001f600 London and \U0001f600 Berlin.",
    "",
    "Nothing here.",
    "Shaka Khan likes Berlin, London and Shaka Khan.\r\n\r\nWho is Berlin?",
]
NUMBERED = list(enumerate(TEXTS, start=1))


def post(client, path, sent, status=200):
    response = client.post(path, json=sent)
    assert response.status_code == status, response.text
    answer = response.json()
    if status != 200:
        assert answer.keys() == {"detail"}
        assert "\n" not in answer["detail"]
        return answer["detail"]
    return answer


@pytest.fixture
def client(pipeline, tmp_path):
    with client_of(pipeline, tmp_path / "folder") as client:
        yield client


def stored(tmp_path):
    return AnnotationStore(tmp_path / "folder").tasks()


def test_the_version_of_the_model(client):
    assert client.get("/health").json()["status"] == "ok"
    assert post(client, "/setup", payload("setup")) == {"model_version": "en_pipeline 0.0.0"}


@pytest.mark.parametrize("make", [None, unsure_nlp])
def test_predictions_are_what_the_pipeline_finds(make, pipeline, tmp_path):
    if make is not None:
        pipeline = tmp_path / "unsure"
        make().to_disk(pipeline)
    nlp = spacy.load(pipeline)
    with client_of(pipeline, tmp_path / "folder") as client:
        answer = post(client, "/predict", predict(NUMBERED, CONFIG))
    assert answer["problems"] == []
    assert len(answer["results"]) == len(TEXTS)
    n_found = 0
    for text, prediction in zip(TEXTS, answer["results"]):
        doc = nlp(text)
        found = []
        for region in prediction["result"]:
            assert (region["from_name"], region["to_name"]) == ("label", "text")
            assert region["type"] == "labels"
            value = region["value"]
            # Label Studio's editor shows and makes regions so, as was seen in a browser
            assert text[value["start"] : value["end"]] == value["text"]
            found.append((value["text"], *value["labels"], region["score"]))
        expected = [(e.text, e.label_, pytest.approx(e._.confidence, abs=1e-5)) for e in doc.ents]
        assert found == expected
        n_found += len(found)
        ((_, probability),) = nlp.get_pipe("ner").k_best(doc, 1)
        assert prediction["score"] == pytest.approx(probability, abs=1e-5)
        assert prediction["model_version"] == "en_pipeline 0.0.0"
    assert n_found


def drawn(*spans, name="label"):
    result = [
        {
            "from_name": name,
            "to_name": "text",
            "type": "labels",
            "value": {"start": start, "end": end, "labels": [label]},
        }
        for start, end, label in spans
    ]
    return {"params": {"login": None, "password": None, "context": {"result": result}}}


def test_regions_that_were_just_drawn_change_the_rest(tmp_path):
    """Interactive pre-annotation: what is new given these regions, as `predict_given` has it."""
    nlp = unsure_nlp()
    nlp.to_disk(tmp_path / "unsure")
    ner = nlp.get_pipe("ner")
    n_new = 0
    with client_of(tmp_path / "unsure", tmp_path / "folder") as client:
        for text in filter(None, TEXTS):
            doc = nlp.make_doc(text)
            for token in (token for token in doc if not token.is_space):
                for label in ("PERSON", "LOC", "Unheard of"):
                    span = (token.idx, token.idx + len(token), label)
                    config = label_config("PERSON", "LOC", "Unheard of")
                    sent = {**predict([(1, text)], config), **drawn(span)}
                    (answer,) = post(client, "/predict", sent)["results"]
                    is_known = label in ner.labels
                    known = [Span(doc, token.i, token.i + 1, label=label if is_known else "")]
                    fixed, rejected = (known, []) if is_known else ([], known)
                    (given_that,) = ner.predict_given([doc], fixed=[fixed], rejected=[rejected])
                    before = {(e.start_char, e.end_char, e.label_) for e in nlp(text).ents}
                    after = {
                        (doc[e.start].idx, doc[e.end - 1].idx + len(doc[e.end - 1]), e.label)
                        for e in given_that.entities
                    }
                    after = {(start, end, ner.labels[i]) for start, end, i in after}
                    values = [region["value"] for region in answer["result"]]
                    found = {(v["start"], v["end"], *v["labels"]) for v in values}
                    assert found == after - before - {span}
                    n_new += len(found)
    assert n_new


def test_regions_that_say_nothing_or_do_not_fit(pipeline, tmp_path):
    text = "Who is Shaka Khan?"
    sent = predict([(1, text)], CONFIG)
    with client_of(pipeline, tmp_path / "folder") as client:
        everything = post(client, "/predict", sent)["results"]
        for context in (None, [], {}, {"result": 3}, {"result": [7, None]}):
            params = {"params": {"context": context}}
            assert post(client, "/predict", {**sent, **params})["results"] == everything
        for nothing in (
            drawn((0, 3, "PERSON"), name="other"),
            {"params": {"context": {"result": [{"from_name": "label", "value": {"start": "0"}}]}}},
        ):
            (answer,) = post(client, "/predict", {**sent, **nothing})["results"]
            assert answer["result"] == []
        said = post(client, "/predict", {**sent, **drawn((1, 3, "PERSON"))}, 422)
        assert "1-3 does not begin and end where tokens do" in said


def test_labels_are_those_of_the_project_and_others_are_said_to_be_left_out(client):
    texts = [(1, "Who is Shaka Khan?"), (2, "I like London and Berlin.")]
    answer = post(client, "/predict", predict(texts, RECORDED["setup"]["schema"]))
    labels = [[region["value"]["labels"] for region in one["result"]] for one in answer["results"]]
    assert labels == [[], [["Place"], ["Place"]]]  # by predicted_values="LOC"
    assert answer["left_out"] == {"PERSON": 1}


def test_candidates_have_a_control_of_their_own(pipeline, tmp_path):
    unsure = tmp_path / "unsure"
    unsure_nlp().to_disk(unsure)
    nlp = spacy.load(unsure, config={"components": {"ner": {"candidates_threshold": 0.05}}})
    more = '<Labels name="maybe" toName="text"><Label value="LOC"/><Label value="PERSON"/></Labels>'
    config = label_config("PERSON", "LOC", more=more)
    given = {"candidates": 0.05, "candidates_control": "maybe"}
    with client_of(unsure, tmp_path / "folder", **given) as client:
        for path, sent in (
            ("/setup", payload("setup")),
            ("/predict", predict(NUMBERED, CONFIG)),
        ):
            assert "no <Labels> of the name 'maybe'" in post(client, path, sent, 422)
            assert not (tmp_path / "folder" / "project.json").exists()
        answer = post(client, "/predict", predict(NUMBERED, config))
        # What is annotated is not lost for that
        post(client, "/webhook", payload("ANNOTATION_CREATED"))
        assert len(stored(tmp_path)) == 1
    for text, prediction in zip(TEXTS, answer["results"]):
        doc = nlp(text)
        by_control = {"label": [], "maybe": []}
        for one in prediction["result"]:
            by_control[one["from_name"]].append((one["value"]["text"], *one["value"]["labels"]))
        assert by_control["label"] == [(e.text, e.label_) for e in doc.ents]
        assert sorted(by_control["maybe"]) == sorted(
            (e.text, e.label_) for e in doc.spans["candidates"]
        )
        ids = [one["id"] for one in prediction["result"]]
        assert len(set(ids)) == len(ids)


def test_entities_that_overlap_have_the_least_sure_decision_as_score(tmp_path):
    nested = trained_on_spans()
    nested.to_disk(tmp_path / "nested")
    labels = nested.pipe_labels[nested.pipe_names[-1]]
    text = "The University of Oslo is in Oslo."
    with client_of(tmp_path / "nested", tmp_path / "folder", train_after=0) as client:
        sent = predict([(1, text)], label_config(*labels))
        (prediction,) = post(client, "/predict", sent)["results"]
        asked = {"texts": [text], "candidates": 0.01}
        (found,) = client.post("/annotate", json=asked).json()["results"]
    chosen = {(e["start"], e["end"], e["label"]) for e in found["entities"]}
    sure = [
        e["confidence"] if (e["start"], e["end"], e["label"]) in chosen else 1 - e["confidence"]
        for e in [*found["entities"], *found["candidates"]]
    ]
    assert prediction["score"] == pytest.approx(min(sure), abs=1e-5)


def test_a_pipeline_without_probabilities_has_no_scores(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "LOC", "pattern": "London"}])
    nlp.to_disk(tmp_path / "ruler")
    with client_of(tmp_path / "ruler", tmp_path / "folder", train_after=0) as client:
        (prediction,) = post(client, "/predict", predict([(1, "In London.")], CONFIG))["results"]
        assert "score" not in prediction
        (region,) = prediction["result"]
        assert "score" not in region
        assert region["value"]["text"] == "London"
    with pytest.raises(UserError, match="no bilstm_crf_ner component 'ner'"):
        app_with_routes(tmp_path / "ruler", tmp_path / "folder")


def test_tasks_without_a_text_lose_no_others(client):
    sent = predict(NUMBERED, CONFIG)
    sent["tasks"][1]["data"] = {"other": "x"}
    sent["tasks"][2]["data"]["text"] = 7
    del sent["tasks"][3]["data"]
    answer = post(client, "/predict", sent)
    assert [bool(result) for result in answer["results"]] == [True, False, False, False, True]
    assert answer["results"][1] == []  # no prediction, and not one that nothing is there
    assert [problem[:7] for problem in answer["problems"]] == ["task 2:", "task 3:", "task 4:"]
    sent["tasks"] = sent["tasks"][1:2]
    assert "no text under 'text'" in post(client, "/predict", sent, 422)


@Language.component("test_stumbles_for_label_studio")
def stumbles(doc):
    if "stumble" in doc.text:
        raise ValueError("stumbled")
    return doc


def test_a_text_that_fails_loses_no_others(pipeline, tmp_path):
    limits = Limits(texts=2, characters=60)
    texts = [*TEXTS, "I stumble over London.", "x" * 61, *TEXTS]

    def change(nlp):
        nlp.add_pipe("test_stumbles_for_label_studio", first=True)

    with client_of(pipeline, tmp_path / "folder", limits, change) as client:
        answer = post(client, "/predict", predict(list(enumerate(texts)), CONFIG))
    failed = [i for i, result in enumerate(answer["results"]) if not result]
    assert failed == [4, 5, 6, 11]  # the fifth of them has more than 60 characters, too
    assert ["more than 60" in problem for problem in answer["problems"]] == [
        True,
        False,
        True,
        True,
    ]
    assert "ValueError" in answer["problems"][1]


def test_more_tasks_than_a_request_may_have_texts(client):
    numbered = [(i, f"I like London and Berlin {i}.") for i in range(700)]
    answer = post(client, "/predict", predict(numbered, CONFIG))
    assert len(answer["results"]) == 700
    assert all(result["result"] for result in answer["results"])
    assert "London" in json.dumps(answer["results"][699])


@pytest.mark.parametrize("config", OTHER_CONFIGS.values(), ids=OTHER_CONFIGS)
def test_projects_of_other_kinds_are_told_so(config, client, tmp_path):
    assert "has no <Labels> of a <Text>" in post(
        client, "/setup", payload("setup", schema=config), 422
    )
    assert not (tmp_path / "folder" / "project.json").exists()


def test_another_project_is_unknown(client, tmp_path):
    post(client, "/setup", payload("setup"))
    for path, sent in (
        ("/setup", payload("setup", project="2.1796046007")),
        ("/predict", payload("predict", project="2.1796046007")),
        # As after the database was made anew
        ("/setup", payload("setup", project="1.1796046008")),
    ):
        assert "is unknown: this service belongs to project 1." in post(client, path, sent, 404)
    other = payload("ANNOTATION_CREATED")
    other["project"]["id"] = 2
    assert "Project 2.1796046007 is unknown" in post(client, "/webhook", other, 404)
    assert stored(tmp_path) == []


def test_events_of_a_webhook(client, tmp_path):
    send = partial(post, client, "/webhook")
    send(payload("ANNOTATION_CREATED"))
    ((annotation,),) = [task["annotations"] for task in stored(tmp_path)]
    assert annotation["result"][0]["value"]["text"] == "London"
    send(payload("ANNOTATION_UPDATED"))
    assert stored(tmp_path)[0]["annotations"][0]["result"] == []
    send(payload("ANNOTATION_CREATED"))  # which came late
    assert stored(tmp_path)[0]["annotations"][0]["result"] == []
    send(payload("SKIPPED"))
    assert [len(task["annotations"]) for task in stored(tmp_path)] == [1, 1]
    send(payload("ANNOTATIONS_DELETED"))
    assert [task["id"] for task in stored(tmp_path)] == [2]
    send(payload("TASKS_DELETED"))
    assert stored(tmp_path) == []
    assert send(payload("TASKS_DELETED", action="TASKS_CREATED")) == {"status": "ignored"}
    send(payload("PROJECT_UPDATED"))
    assert 'value="PERSON"' in AnnotationStore(tmp_path / "folder").label_config


def test_annotations_that_no_webhook_told_of_come_with_the_tasks_to_predict(client, tmp_path):
    sent = payload("predict")
    first, second = sent["tasks"]
    first["annotations"] = [payload("ANNOTATION_CREATED")["annotation"]]
    second["annotations"] = [{"id": 5, "result": None}, {"result": []}, 7]
    answer = post(client, "/predict", sent)
    assert all(prediction["model_version"] for prediction in answer["results"])
    post(client, "/predict", sent)
    post(client, "/webhook", payload("ANNOTATION_CREATED"))
    assert [len(task["annotations"]) for task in stored(tmp_path)] == [1]
    assert AnnotationStore(tmp_path / "folder").n_changes == 1  # what is known is no change


def test_several_annotations_at_once_are_kept_all_or_none(client, tmp_path):
    one, two = (annotated(i, "In London.", [(3, 9, "LOC")], CONFIG) for i in (1, 2))
    both = {**one, "action": "ANNOTATIONS_CREATED"}
    both["annotation"] = [one["annotation"], two["annotation"]]
    both["task"] = [one["task"], {**two["task"], "data": {}}]
    assert "no text under" in post(client, "/webhook", both, 422)
    assert stored(tmp_path) == []
    both["task"][1] = two["task"]
    post(client, "/webhook", both)
    assert [task["id"] for task in stored(tmp_path)] == [1, 2]


@pytest.mark.parametrize(
    ("path", "sent", "status", "expected"),
    [
        ("/setup", {}, 422, "project: there is none"),
        ("/setup", payload("setup", schema=None), 422, "without a label config"),
        ("/setup", payload("setup", schema="<View>"), 422, "not XML"),
        ("/predict", payload("predict", tasks=None), 422, "no list of tasks"),
        ("/predict", payload("predict", tasks=["x"]), 422, "no list of tasks"),
        ("/predict", [], 422, "JSON object"),
        ("/webhook", {"action": "ANNOTATION_CREATED"}, 422, "send its payload"),
        ("/webhook", payload("ANNOTATION_CREATED", annotation=None), 422, "send its payload"),
        ("/webhook", payload("ANNOTATION_CREATED", annotation=None), 422, "its annotation: let"),
        ("/webhook", payload("ANNOTATION_CREATED", task=None), 422, "without its task"),
        (
            "/webhook",
            payload("ANNOTATION_CREATED", task=None, annotation=None),
            422,
            "ANNOTATION_CREATED came without its annotation and task: let the webhook send",
        ),
        ("/webhook", payload("PROJECT_UPDATED", project={"title": "x"}), 422, "has no id"),
        ("/webhook", {**payload("PROJECT_UPDATED"), "project": 3}, 422, "without its project"),
        ("/webhook", payload("ANNOTATION_CREATED", task={"id": "../x"}), 422, "without its task"),
        ("/webhook", payload("ANNOTATION_CREATED", task={"id": 1, "data": {}}), 422, "no text"),
        ("/webhook", payload("ANNOTATIONS_DELETED", annotations=3), 422, "no list of them"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(path, sent, status, expected, client, tmp_path, caplog):
    detail = post(client, path, sent, status)
    assert expected in detail
    assert f"Label Studio, {path}: {detail}" in caplog.messages
    assert stored(tmp_path) == []


@pytest.mark.parametrize(
    "date", ["0001-01-01T00:00:00", "9999-12-31T23:59:59", "0001-01-01T00:00:00+14:00", "x", None]
)
def test_dates_of_projects_that_are_none(date, client):
    sent = payload("PROJECT_UPDATED")
    sent["project"]["created_at"] = date
    response = client.post("/webhook", json=sent)
    assert response.status_code in (200, 422)  # some machines know such years
    if response.status_code == 422:
        assert "no date of its making" in response.json()["detail"]


@pytest.mark.parametrize("path", ["/setup", "/predict", "/webhook", "/annotate"])
def test_a_host_that_is_refused_is_logged_once(path, pipeline, tmp_path, caplog):
    app = app_with_routes(pipeline, tmp_path / "folder", hosts=["testserver"])
    with TestClient(app) as client:
        other = {"Host": "host.docker.internal:8080"}
        refused = client.post(path, json={}, headers=other)
        assert (refused.status_code, refused.text) == (400, "Invalid host header")
        # The first that Label Studio asks for
        assert client.get("/health", headers=other).status_code == 400
        assert client.get("/health").status_code == 200
        client.post(path, content=b"{", headers={"Content-Type": "application/json"})
    said = [line for line in caplog.messages if line.startswith("Label Studio")]
    refusals = [
        f"Label Studio, {path}: Invalid host header: 'host.docker.internal'",
        "Label Studio, /health: Invalid host header: 'host.docker.internal'",
        f"Label Studio, {path}: Send JSON in UTF-8",
    ]
    expected = refusals if path != "/annotate" else refusals[1:2]
    assert [line.partition(". ")[0] for line in said] == expected


def test_what_is_said_of_several_tasks_is_one_sentence(pipeline, tmp_path, caplog):
    """With one full stop, also where the reasons are sentences."""
    texts = [(1, "x" * 11), (2, "y" * 12), (3, "short")]
    folder = tmp_path / "folder"
    with client_of(pipeline, folder, Limits(characters=10)) as client:
        post(client, "/predict", predict(texts, CONFIG))
    assert [line for line in caplog.messages if line.startswith("Label Studio")] == [
        "Label Studio, /predict: Task 1: The text has more than 10 characters; "
        "task 2: The text has more than 10 characters."
    ]


@pytest.mark.parametrize("path", ["/setup", "/predict", "/webhook"])
def test_the_limits_of_the_service_hold(path, pipeline, tmp_path, caplog):
    limits = Limits(characters=10)
    with client_of(pipeline, tmp_path / "folder", limits) as client:
        assert client.get(path).status_code == 405
        for content, kind, status in (
            (b"{}", "text/plain", 415),
            (b"{", "application/json", 400),
            (b'"\xff"', "application/json", 400),
            (b'{"a": 1, "a": 2}', "application/json", 400),
            (b'{"a": "%s"}' % (b"x" * 2_000_000), "application/json", 413),
        ):
            answer = client.post(path, content=content, headers={"Content-Type": kind})
            assert answer.status_code == status, answer.text
            detail = answer.json()["detail"]
            assert caplog.messages.count(f"Label Studio, {path}: {detail}") == 1
            caplog.clear()
        counted = client.get("/metrics").text
        assert 'requests_total{status="413"} 1.0' in counted


def test_training_that_is_switched_off_is_not_promised(pipeline, tmp_path):
    with client_of(pipeline, tmp_path / "folder", train_after=0) as client:
        post(client, "/webhook", payload("ANNOTATION_CREATED"))
        detail = post(client, "/webhook", payload("START_TRAINING"), 422)
        assert "does not train" in detail
    assert len(stored(tmp_path)) == 1


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


def places(value, path=()):
    """The places of all values within one."""
    yield path
    inner = dict(enumerate(value)) if isinstance(value, list) else value
    for key, one in inner.items() if isinstance(inner, dict) else ():
        yield from places(one, (*path, key))


@settings(max_examples=150)
@given(data=st.data())
def test_damaged_requests_get_an_answer(data, damaged_client):
    """Any value of what Label Studio sends may be replaced by any other."""
    name = data.draw(st.sampled_from(sorted(RECORDED)))
    sent = payload(name)
    *path, last = data.draw(st.sampled_from([place for place in places(sent) if place]))
    inner = sent
    for key in path:
        inner = inner[key]
    inner[last] = data.draw(JUNK)
    route = {"setup": "/setup", "predict": "/predict", "interactive": "/predict"}
    response = damaged_client.post(
        route.get(name, "/webhook"),
        content=json.dumps(sent),
        headers={"Content-Type": "application/json"},
    )
    assert response.status_code in (200, 400, 404, 422), response.text
    assert "\n" not in response.text.replace("\\n", "")


@pytest.fixture(scope="module")
def damaged_client(pipeline, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    with client_of(pipeline, folder, train_after=10_000) as client:
        yield client
    AnnotationStore(folder)  # whatever was kept can be read

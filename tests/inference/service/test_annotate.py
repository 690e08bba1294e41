"""What `POST /annotate` answers, one request at a time and many at once."""

import asyncio
import json
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from select import select

import httpx
import pytest
import spacy
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from spacy_bilstm_crf.inference.annotator import Annotator, RequestSettings
from spacy_bilstm_crf.inference.service import Limits, ServerSettings, app_of, make_app
from spacy_bilstm_crf.inference.service.dynamic_batching import DynamicBatcher, Request
from spacy_bilstm_crf.inference.service.responses import PatientResponse
from tests.approx import alike
from tests.helpers import make_nlp, trained_nlp
from tests.inference import nested
from tests.inference.nested import trained
from tests.inference.service.service import HEAD, running, served, wait_for

TEXTS = [
    "Who is Shaka Khan?",
    "I like London and Berlin.",
    "",
    "\U0001f600 I like London and \U0001f600 Berlin.",
    "Nothing here.",
    "Shaka Khan likes Berlin, London and Shaka Khan.\r\n\r\nWho is Berlin?",
    "null \x00 byte",
]

# One, on a machine that does nothing else
SECONDS_OF_HEALTH = 5


@pytest.fixture(scope="module")
def nlp(folder):
    """The service's own, which no test looks into while it works."""
    return spacy.load(folder)


def with_settings(folder, **settings):
    nlp = spacy.load(folder)
    for name, value in settings.items():
        setattr(nlp.get_pipe("ner"), name, value)
    return nlp


@pytest.fixture(scope="module")
def client(nlp):
    with running(nlp) as client:
        yield client


def annotate(client, texts, **settings):
    response = client.post("/annotate", json={"texts": texts, **settings})
    assert response.status_code == 200, response.text
    return response.json()["results"]


def plain(entities):
    return [(e["text"], e["label"], e["confidence"]) for e in entities]


def test_what_it_finds_is_what_the_pipeline_finds(client, folder):
    results = annotate(client, TEXTS)
    nlp = spacy.load(folder)
    for text, result in zip(TEXTS, results, strict=True):
        doc = nlp(text)
        expected = [(e.text, e.label_, e._.confidence) for e in doc.ents]
        found = plain(result["entities"])
        assert [e[:2] for e in found] == [e[:2] for e in expected]
        assert [e[2] for e in found] == pytest.approx([e[2] for e in expected], abs=1e-5)
        for entity in result["entities"]:
            assert text[entity["start"] : entity["end"]] == entity["text"]
        assert result["candidates"] is result["k_best"] is None
    assert any(result["entities"] for result in results)


BY_LABEL = {"PERSON": 0.9999, "LOC": 0.02}


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.999, None, BY_LABEL, {"LOC": 1.0}, {}])
def test_a_threshold(threshold, client, folder):
    nlp = with_settings(folder, threshold=threshold)
    for text, result in zip(TEXTS, annotate(client, TEXTS, threshold=threshold), strict=True):
        assert [e[:2] for e in plain(result["entities"])] == [
            (e.text, e.label_) for e in nlp(text).ents
        ]


def test_thresholds_by_label_are_the_pipelines_or_the_requests():
    nlp = trained("bilstm_crf_ner", "bilstm_crf_spans", steps=5)
    ner, spans = (pipe for _, pipe in nlp.pipeline)
    ner.threshold, spans.threshold = 0.3, {"PLACE": 0.2}
    given = {"PERSON": 0.0, "PLACE": 1.0, "ORG": 0.1}
    with running(nlp) as client:
        labels = client.get("/labels").json()
        of_request = annotate(client, nested.TEXTS, threshold=given)
        own = annotate(client, nested.TEXTS)
        response = client.post("/annotate", json={"texts": ["a"], "threshold": {"SECRET": 0.5}})
    by_label = {"ORG": 0.5, "PLACE": 0.2, "WORK": 0.5}
    assert labels["threshold"] == 0.3
    assert labels["thresholds"] == {"bilstm_crf_ner": 0.3, "bilstm_crf_spans": by_label}
    assert response.status_code == 422
    assert response.json()["detail"] == (
        "threshold: the labels are ORG, PERSON, PLACE, WORK. Name no other."
    )
    assert (ner.threshold, spans.threshold) == (0.3, {"PLACE": 0.2})  # as before the request
    for results, of_ner, of_spans in (
        (own, 0.3, {"PLACE": 0.2}),
        (of_request, {"PERSON": 0.0}, {"PLACE": 1.0, "ORG": 0.1}),
    ):
        ner.threshold, spans.threshold = of_ner, of_spans
        for text, result in zip(nested.TEXTS, results, strict=True):
            doc = nlp(text)
            expected = [(e.start_char, e.end_char, e.label_) for e in (*doc.ents, *doc.spans["sc"])]
            assert set(nested.places(result["entities"])) == set(expected)
    assert any(own) and own != of_request


def test_candidates_and_k_best(client, folder):
    nlp = with_settings(folder, candidates_threshold=0.05)
    ner = nlp.get_pipe("ner")
    for text, result in zip(TEXTS, annotate(client, TEXTS, candidates=0.05, k_best=3), strict=True):
        doc = nlp(text)
        group = doc.spans["candidates"]
        assert [(e["text"], e["label"]) for e in result["candidates"]] == [
            (span.text, span.label_) for span in group
        ]
        scores = [e["confidence"] for e in result["candidates"]]
        assert scores == pytest.approx(list(group.attrs["scores"]), abs=1e-5)
        sequences = ner.k_best(doc, 3)
        found = [sequence["probability"] for sequence in result["k_best"]]
        assert found == pytest.approx([p for _, p in sequences], abs=1e-5)
        for sequence, (entities, _) in zip(result["k_best"], sequences, strict=True):
            assert [(e["text"], e["label"]) for e in sequence["entities"]] == [
                (e.text, e.label_) for e in entities
            ]


def test_n_best_lists_say_which_tag_sequences_are_in_the_set(nlp):
    text = next(text for text in TEXTS if text)
    ner = nlp.get_pipe("ner")
    probabilities = [p for _, p in ner.k_best(nlp.make_doc(text), 3)]
    try:
        for least, expected in (
            (None, [None] * 3),
            (probabilities[1] * 0.999, [True, True, False]),
            (min(1.0, probabilities[0] * 1.001), [True, False, False]),  # never empty
        ):
            ner.least_of_set = least
            nlp.meta["coverage"] = {"ner": {"coverage": 0.9}}
            with running(nlp) as client:
                (result,) = annotate(client, [text], k_best=3)
                assert [each["in_set"] for each in result["k_best"]] == expected
                if least is not None:
                    in_set = [p for _, p in ner.sequence_set(nlp.make_doc(text)).sequences]
                    found = [e["probability"] for e in result["k_best"] if e["in_set"]]
                    assert found == pytest.approx(in_set, rel=1e-5)
                rejected = [[{"start": 0, "end": len(text.split()[0])}]]
                (result,) = annotate(client, [text], k_best=2, rejected=rejected)
                assert [each["in_set"] for each in result["k_best"]] == [None, None]
                coverage = client.get("/labels").json()["coverage"]
                assert coverage == (None if least is None else 0.9)
    finally:
        ner.least_of_set = None
        del nlp.meta["coverage"]


def test_settings_of_one_request_leave_the_next_alone(client):
    before = annotate(client, TEXTS)
    annotate(client, TEXTS, threshold=0.0, candidates=0.0)
    assert annotate(client, TEXTS) == alike(before)


def test_a_group_of_the_pipelines_own_is_in_nobodys_way(folder):
    nlp = with_settings(folder, spans_key="candidates", entity_scores=False)
    with running(nlp) as client:
        (result,) = annotate(client, TEXTS[1:2], candidates=0.1)
    assert all(entity["confidence"] is not None for entity in result["entities"])
    assert result["candidates"]


def test_requests_that_come_at_once_are_answered_together_and_alike(nlp):
    asked = [
        {"texts": [TEXTS[i % len(TEXTS)], f"{i} times Shaka Khan"], **settings}
        for i in range(40)
        for settings in ({}, {"threshold": 0.2}, {"candidates": 0.1}, {"k_best": 2})
    ]
    with running(nlp, batch_size=1) as client:
        alone = [client.post("/annotate", json=each).json() for each in asked]
    with running(nlp) as client, ThreadPoolExecutor(32) as pool:
        together = list(pool.map(lambda each: client.post("/annotate", json=each).json(), asked))
        batches, requests, texts = (
            number_of(client, f"spacy_bilstm_crf_{name}")
            for name in ("batch_texts_count", "requests_total", "texts_total")
        )
    assert together == alike(alone)
    assert (requests, texts) == (len(asked), 2 * len(asked)) and batches < len(asked)


def number_of(client, name):
    families = text_string_to_metric_families(client.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples]
    return sum(sample.value for sample in samples if sample.name == name)


def test_a_thousand_requests_at_once(nlp):
    texts = [f"I like London {i} and Berlin." for i in range(1000)]
    with running(nlp) as client:
        url = str(client.base_url)
        start = threading.Barrier(100)

        def ask(some):
            start.wait()
            with httpx.Client(base_url=url, timeout=120) as own:
                return [own.post("/annotate", json={"texts": [text]}) for text in some]

        with ThreadPoolExecutor(100) as pool:
            found = list(pool.map(ask, [texts[i::100] for i in range(100)]))
    assert {response.status_code for of_client in found for response in of_client} == {200}
    for i, of_client in enumerate(found):
        for text, response in zip(texts[i::100], of_client, strict=True):
            for entity in response.json()["results"][0]["entities"]:
                assert text[entity["start"] : entity["end"]] == entity["text"]


def test_a_thousand_connections_at_once_each_gets_an_answer():
    """More than may wait: an answer or a 503 that says to come again."""
    nlp = make_nlp()
    nlp.add_pipe("test_dawdles_of_service", config={"seconds": 0.0005})
    body = json.dumps({"texts": ["I like London."]}).encode()
    head = HEAD.replace(b"Content-Length", b"Connection: close\r\nContent-Length")
    with running(nlp, Limits(waiting=300)) as client:
        address = client.base_url.host, client.base_url.port
        connections = [socket.create_connection(address, timeout=120) for _ in range(1000)]
        for connection in connections:
            connection.sendall(head % len(body) + body)
        answers = [connection.makefile("rb").read() for connection in connections]
        for connection in connections:
            connection.close()
        statuses = [int(answer.split(b" ", 2)[1]) for answer in answers]
        assert set(statuses) <= {200, 503} and statuses.count(200) >= 300
        for status, answer in zip(statuses, answers, strict=True):
            assert (b"retry-after: 1" in answer.lower()) == (status == 503)
        # And it goes on
        assert client.post("/annotate", json={"texts": [""]}).status_code == 200
        assert client.get("/health").json() == {"status": "ok", "waiting": 0}


BAD = {
    "no body": (b"", 400),
    "invalid": (b'{"texts": [', 400),
    "no UTF-8": (b'{"texts": ["\xff\xfe"]}', 400),
    "half a surrogate pair": (rb'{"texts": ["\ud800"]}', 400),
    "deep": (b'{"texts": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
    "not a number": (b'{"texts": ["a"], "threshold": NaN}', 422),
    "infinite": (b'{"texts": ["a"], "threshold": 1e999}', 422),
    "long number": (b'{"texts": ["a"], "k_best": ' + b"9" * 10_000 + b"}", 400),
    "a list": (b"[]", 422),
    "a string": (b'"texts"', 422),
    "nothing": (b"null", 422),
    "no texts": (b"{}", 422),
    "empty texts": (b'{"texts": []}', 422),
    "texts is a string": (b'{"texts": "Ada"}', 422),
    "texts of other types": (b'{"texts": ["a", 1, null]}', 422),
    "an unknown field": (b'{"texts": ["a"], "pipeline": "/etc/passwd"}', 422),
    "threshold too large": (b'{"texts": ["a"], "threshold": 1.5}', 422),
    "threshold of a label is too large": (b'{"texts": ["a"], "threshold": {"SECRET": 2}}', 422),
    "threshold is a list": (b'{"texts": ["a"], "threshold": [0.5]}', 422),
    "threshold is a string": (b'{"texts": ["a"], "threshold": "0.5"}', 422),
    "k_best too small": (b'{"texts": ["a"], "k_best": 0}', 422),
    "k_best too large": (b'{"texts": ["a"], "k_best": 1000}', 422),
    "k_best is a float": (b'{"texts": ["a"], "k_best": 1.5}', 422),
    "too many texts": (json.dumps({"texts": ["a"] * 257}).encode(), 422),
    "too many characters": (json.dumps({"texts": ["a" * 60_000] * 2}).encode(), 413),
    "many wrong texts": (b'{"texts": [' + b"1," * 500_000 + b"1]}", 422),
    "10 MB": (json.dumps({"texts": ["a" * 10_000_000]}).encode(), 413),
    "10 MB of nothing": (b" " * 10_000_000, 413),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_bodies_are_refused_with_a_reason(name, client):
    body, status = BAD[name]
    headers = {"Content-Type": "application/json"}
    response = client.post("/annotate", content=body, headers=headers)
    assert response.status_code == status, response.text
    (detail,) = response.json().values()
    assert detail and len(detail) <= 500
    assert client.get("/health").json()["waiting"] == 0


def test_a_refusal_names_the_field_and_not_what_it_held(client):
    response = client.post("/annotate", json={"texts": ["a", 12345], "threshold": 777})
    detail = response.json()["detail"]
    assert "texts.1: Input should be a valid string" in detail and "threshold" in detail
    assert "12345" not in detail and "777" not in detail
    response = client.post("/annotate", json={"texts": ["a"], "Ruth Tehana is ill": 1})
    assert response.status_code == 422 and "Ruth" not in response.text
    assert "unknown field" in response.text and "k_best" in response.text


@pytest.mark.slow  # texts of the limit's length
@pytest.mark.parametrize("stretch", ["!.", "._", "'s.", "US$", "(", "\U0001f600"])
def test_symbols_in_a_row_neither_take_long_nor_block(stretch, client):
    """spaCy's own tokenizer would take minutes, and nothing else would be answered meanwhile."""
    text = (stretch * 40_000)[:40_000]
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.post, "/annotate", json={"texts": [text]})
        waits = []
        while not answer.done():
            begin = time.perf_counter()
            client.get("/health")
            waits.append(time.perf_counter() - begin)
    assert answer.result().status_code == 200
    assert max(waits) < SECONDS_OF_HEALTH


def test_a_body_that_is_compressed_is_refused(client):
    headers = {"Content-Encoding": "gzip"}
    response = client.post("/annotate", content=b'{"texts": ["a"]}', headers=headers)
    assert response.status_code == 415 and "Content-Encoding" in response.text


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "x", "", None])
def test_other_content_types(kind, client):
    """A web page of another origin may send these, or none, without asking first."""
    headers = {} if kind is None else {"Content-Type": kind}
    response = client.post("/annotate", content=b'{"texts": ["a"]}', headers=headers)
    assert response.status_code == 415 and "application/json" in response.json()["detail"]


def test_what_is_asked_for_counts_as_characters(client):
    text = "I like London. " * 6600
    for asked in ({"k_best": 20}, {"candidates": 0.001}, {"candidates": 0.1, "k_best": 7}):
        response = client.post("/annotate", json={"texts": [text], **asked})
        assert response.status_code == 413
        (most,) = re.findall("at most ([0-9,]+) characters", response.json()["detail"])
        fits = text[: int(most.replace(",", ""))]
        assert len(fits) < len(text)
        assert Request((fits,), RequestSettings(**asked)).cost <= Limits().cost


@pytest.mark.parametrize("asked", [{"candidates": 0.0}, {"threshold": 0.0}])
def test_texts_with_more_entities_than_anyone_reads_are_refused(asked, nlp, monkeypatch):
    """The time and memory of long improbable entities were quadratic in the length of the text."""
    monkeypatch.setattr("spacy_bilstm_crf.decoding.entities.FEW", 10)
    monkeypatch.setattr("spacy_bilstm_crf.inference.annotator.MOST_PER_TOKEN", 0)
    text = "I like London. " * 30
    with running(nlp) as client:
        response = client.post("/annotate", json={"texts": ["Nothing", text], **asked})
        assert response.status_code == 413
        assert "higher threshold or candidates" in response.json()["detail"]
        for allowed in ({"texts": ["Nothing"], **asked}, {"texts": [text]}):
            assert client.post("/annotate", json=allowed).status_code == 200
    assert nlp.get_pipe("ner").most_per_token is None


@pytest.mark.parametrize("text", ["!." * 100, "(" * 200, "a," * 100, "\N{GRINNING FACE}" * 200])
def test_texts_of_many_tokens_cost_as_prose_of_as_many(text):
    prose = "Nobody " * 200
    n_tokens = len(make_nlp().make_doc(text))
    cost = Request((text,), RequestSettings()).cost
    assert cost >= 0.5 * n_tokens * Request((prose,), RequestSettings()).cost / 200
    assert Request((prose,), RequestSettings()).cost == len(prose)


def test_whoever_waits_too_long_is_refused():
    nlp = make_nlp()
    nlp.add_pipe("test_dawdles_of_service", config={"seconds": 1.0})
    with running(nlp, Limits(queue=0.2)) as client, ThreadPoolExecutor(8) as pool:
        first = pool.submit(client.post, "/annotate", json={"texts": ["a"]})
        wait_for(lambda: client.get("/health").json()["waiting"] == 1)
        others = [pool.submit(client.post, "/annotate", json={"texts": ["b"]}) for _ in range(5)]
        assert first.result().status_code == 200
        for other in others:
            assert other.result().status_code == 503
            assert other.result().headers["retry-after"] == "1"
        assert client.post("/annotate", json={"texts": ["c"]}).status_code == 200


def test_a_batch_is_bounded_by_what_it_costs():
    batches = []
    settings = [RequestSettings(), RequestSettings(candidates=0.5), RequestSettings(k_best=4)]
    asked = [Request(("x" * 20,), settings[i % 3]) for i in range(30)]

    async def ask():
        batcher = DynamicBatcher(Annotator(make_nlp()), 64, 100, 60.0, batches.append)
        answers = [batcher.add(each) for each in asked]
        answers[0].cancel()
        await asyncio.gather(*answers[1:])
        await batcher.stop()

    asyncio.run(ask())
    assert [each for batch in batches for each in batch] == asked[1:]
    for batch in batches:
        assert len(batch) == 1 or sum(each.cost for each in batch) <= 100
    assert any(len(batch) > 1 for batch in batches)


def test_more_than_may_wait_is_refused_by_what_it_costs():
    nlp = make_nlp()
    nlp.add_pipe("test_dawdles_of_service", config={"seconds": 0.02})
    with running(nlp, Limits(characters=100)) as client, ThreadPoolExecutor(80) as pool:
        body = {"texts": ["x" * 100]}
        found = list(pool.map(lambda _: client.post("/annotate", json=body), range(80)))
        assert {response.status_code for response in found} == {200, 503}
        assert client.post("/annotate", json=body).status_code == 200


def test_bodies_that_do_not_come_keep_nobody_waiting(nlp):
    with running(nlp, Limits(waiting=3)) as client:
        address = client.base_url.host, client.base_url.port
        slow = [socket.create_connection(address, timeout=60) for _ in range(10)]
        for connection in slow:
            connection.sendall(HEAD % 9 + b"{")
        wait_for(lambda: client.get("/health").json()["waiting"] == 10)
        assert client.post("/annotate", json={"texts": ["a"]}).status_code == 200
        for connection in slow:
            connection.close()


def test_bodies_that_arrive_are_bounded_together(nlp):
    limits = Limits(characters=1, seconds=60)
    piece = b" " * (limits.bytes - 1)
    with running(nlp, limits) as client:
        address = client.base_url.host, client.base_url.port
        slow = [socket.create_connection(address, timeout=60) for _ in range(51)]
        for connection in slow:
            connection.sendall(HEAD % limits.bytes + piece)
        # One of them is refused, and so is any other of that size
        wait_for(lambda: [s for s in slow if select([s], [], [], 0)[0]])
        wait_for(lambda: client.get("/health").json()["waiting"] == 50)
        headers = {"Content-Type": "application/json"}
        assert client.post("/annotate", content=piece, headers=headers).status_code == 503
        for connection in slow:
            connection.close()
        wait_for(lambda: client.get("/health").json()["waiting"] == 0)
        assert client.post("/annotate", json={"texts": ["a"]}).status_code == 200


def test_answers_that_nobody_reads_are_thrown_away():
    sent = []

    async def send(message):
        sent.append(message)
        if len(sent) > 3:  # what a server does while its buffer is full
            await asyncio.sleep(60)

    asyncio.run(PatientResponse(b"x" * 10**6, 0.05)({}, None, send))
    assert len(sent) == 4 and sent[-1]["more_body"]


def test_a_long_answer_comes_whole(client):
    texts = ["I like London and Berlin. " * 100] * 10
    results = annotate(client, texts, k_best=10)
    assert len(json.dumps(results)) > 1 << 18
    assert results == alike(results[:1] * 10)


def test_hosts_that_are_not_allowed(nlp):
    """Of a web page whose host name was made to point here, say."""
    with running(nlp, allowed_hosts=["localhost", "*.example.com"]) as client:
        for name, status in [("localhost:80", 200), ("ner.example.com", 200), ("evil.org", 400)]:
            for path in ("/labels", "/", "/metrics"):
                assert client.get(path, headers={"Host": name}).status_code == status
            response = client.post("/annotate", json={"texts": ["a"]}, headers={"Host": name})
            assert response.status_code == status


def test_nobody_is_sent_to_the_host_of_a_request(client):
    response = client.get("/labels/", headers={"Host": "evil.org"})
    assert response.status_code == 404 and "location" not in response.headers


def test_a_body_in_pieces_without_a_length(client):
    pieces = (b'{"texts": ["I like ', b"London", b' and Berlin."]}')
    headers = {"Content-Type": "application/json"}
    response = client.post("/annotate", content=iter(pieces), headers=headers)
    assert response.status_code == 200
    body = (b"a" * 100_000 for _ in range(100))
    response = client.post("/annotate", content=body, headers=headers)
    assert response.status_code == 413


def test_a_body_that_does_not_come(nlp):
    with running(nlp, Limits(seconds=0.2)) as client:
        address = client.base_url.host, client.base_url.port
        with socket.create_connection(address, timeout=60) as connection:
            connection.sendall(HEAD % 9 + b"{")
            assert b" 408 " in connection.makefile("rb").readline()
        assert client.get("/health").json()["waiting"] == 0


def test_the_pipelines_own_limit_counts():
    nlp = make_nlp()
    nlp.max_length = 20
    with running(nlp) as client:
        assert client.get("/labels").json()["max_characters"] == 20
        response = client.post("/annotate", json={"texts": ["a" * 21]})
        assert response.status_code == 413 and "20" in response.json()["detail"]


def test_a_text_that_fails_spoils_its_own_request_only(capfd):
    nlp = trained_nlp()
    nlp.add_pipe("test_dawdles_of_service", first=True)
    with running(nlp) as client, ThreadPoolExecutor(20) as pool:
        texts = [["I like London."] * (i % 3) + [f"stumble {i}" * (i % 5 == 0)] for i in range(40)]
        found = list(pool.map(lambda some: client.post("/annotate", json={"texts": some}), texts))
    assert [response.status_code for response in found] == [
        500 if i % 5 == 0 else 200 for i in range(40)
    ]
    assert "ValueError" in found[0].json()["detail"] and "stumble" not in found[0].text
    log = capfd.readouterr().err
    assert "ValueError" in log and "service.py" in log and "stumble" not in log


def test_who_leaves_is_not_worked_for():
    nlp = make_nlp()
    dawdles = nlp.add_pipe("test_dawdles_of_service", config={"seconds": 0.3})
    with running(nlp, batch_size=1) as client, ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, "/annotate", json={"texts": ["first"]})
        wait_for(lambda: client.get("/health").json()["waiting"] == 1)
        with pytest.raises(httpx.ReadTimeout):
            client.post("/annotate", json={"texts": ["impatient"]}, timeout=0.1)
        assert client.post("/annotate", json={"texts": ["last"]}).status_code == 200
        assert first.result().status_code == 200
    assert dawdles.texts == ["first", "last"]


def test_words_of_texts_are_forgotten(nlp, client):
    annotate(client, ["a text of the first request"])
    before = len(nlp.vocab.strings)
    for i in range(20):
        annotate(client, [f"word{i} unheard{i} of{i} Berlin{i}"], candidates=0.01, k_best=2)
    assert len(nlp.vocab.strings) == before


def test_the_stock_ner():
    nlp = trained_nlp("ner")
    with running(nlp) as client:
        labels = client.get("/labels").json()
        assert labels["labels"] == ["LOC", "PERSON"]
        assert not labels["knows_probabilities"] and not labels["knows_k_best"]
        for text, result in zip(TEXTS, annotate(client, TEXTS), strict=True):
            found = plain(result["entities"])
            assert found == [(e.text, e.label_, None) for e in nlp(text).ents]
        nulls = {"threshold": None, "candidates": None, "k_best": None}
        assert annotate(client, TEXTS, **nulls) == annotate(client, TEXTS)
        for setting in ({"threshold": 0.5}, {"candidates": 0.1}, {"k_best": 2}):
            response = client.post("/annotate", json={"texts": ["a"], **setting})
            assert response.status_code == 422 and next(iter(setting)) in response.text


def test_it_may_be_part_of_another_app(folder):
    app = FastAPI()
    app.mount("/entities", make_app(spacy.load(folder)))
    with served(app) as client:
        response = client.post("/entities/annotate", json={"texts": ["I like London."]})
        assert response.status_code == 200
        assert "page.js" in client.get("/entities/").text
        assert client.get("/entities/page.js").status_code == 200


def test_an_app_may_be_used_in_one_event_loop_after_the_other(folder):
    app = make_app(spacy.load(folder))

    async def ask():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post("/annotate", json={"texts": ["I like London."]})

    assert [asyncio.run(ask()).status_code for _ in range(3)] == [200] * 3
    with served(app):  # which ends without a request of its own
        pass
    for _ in range(2):  # with its start and its end
        with served(app) as client:
            assert client.post("/annotate", json={"texts": ["I like London."]}).status_code == 200


def test_more_of_an_empty_body_is_not_taken_for_a_client_that_left(folder):
    """Middleware that has read a body may give it so."""
    app = make_app(spacy.load(folder))

    async def wordy(scope, receive, send):
        ended, more = False, [{"type": "http.request", "body": b""}] * 3

        async def received():
            nonlocal ended
            if ended and more:
                return more.pop()
            message = await receive()
            ended = not message.get("more_body", False)
            return message

        await app(scope, received if scope["type"] == "http" else receive, send)

    with served(wordy) as client:
        assert client.post("/annotate", json={"texts": ["I like London."]}).status_code == 200


def test_several_components_are_all_asked(folder):
    nlp = spacy.load(folder)
    nlp.add_pipe("ner", name="second", source=spacy.load(folder))
    with running(nlp) as client:
        labels = client.get("/labels").json()
        assert labels["knows_probabilities"] and not labels["knows_k_best"]
        assert labels["label_groups"] is None  # the second leaves what the first has found
        (result,) = annotate(client, TEXTS[1:2], threshold=1.0, candidates=0.001)
        assert result["entities"] == []
        assert len(result["candidates"]) > 1
        response = client.post("/annotate", json={"texts": ["a"], "k_best": 2})
        assert response.status_code == 422 and "2 bilstm_crf_ner components" in response.text


def test_labels_are_those_of_all_that_set_entities():
    nlp = trained_nlp()
    ruler = nlp.add_pipe("entity_ruler", before="ner")
    ruler.add_patterns([{"label": "RULED", "pattern": "here"}])
    with running(nlp) as client:
        assert client.get("/labels").json()["labels"] == ["LOC", "PERSON", "RULED"]
        assert plain(annotate(client, ["It is here."])[0]["entities"]) == [("here", "RULED", None)]


def test_metrics_count_by_status(nlp):
    with running(nlp) as client:
        client.post("/annotate", json={"texts": ["I like London.", "Who?"]})
        client.post("/annotate", content=b"{", headers={"Content-Type": "application/json"})
        page = client.get("/metrics").text
    assert 'spacy_bilstm_crf_requests_total{status="200"} 1.0' in page
    assert 'spacy_bilstm_crf_requests_total{status="400"} 1.0' in page
    assert "spacy_bilstm_crf_texts_total 2.0" in page
    assert "spacy_bilstm_crf_tokens_total 6.0" in page
    assert "spacy_bilstm_crf_entities_total 1.0" in page


def test_metrics_of_expected_precision():
    """Entities of rules have no probability, and don't count."""
    nlp = trained_nlp()
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "LOC", "pattern": "Who"}])
    with running(nlp) as client:
        answers = [
            annotate(client, ["I like London.", "Who is Shaka Khan?"], threshold=threshold)
            for threshold in (None, 0.5)
        ]
        totals = {name: by_label(client, name) for name in ("scored", "expected_correct")}
    found = [e for results in answers for result in results for e in result["entities"]]
    assert len(found) == 6  # of which two are of rules
    for label in ("LOC", "PERSON"):
        scored = [e["confidence"] for e in found if e["label"] == label and e["confidence"]]
        assert totals["scored"][label] == len(scored) == 2
        assert totals["expected_correct"][label] == pytest.approx(sum(scored))


def by_label(client, name):
    families = text_string_to_metric_families(client.get("/metrics").text)
    wanted = f"spacy_bilstm_crf_{name}_entities_total"
    return {
        sample.labels["label"]: sample.value
        for family in families
        for sample in family.samples
        if sample.name == wanted
    }


@pytest.fixture(scope="module")
def of_spans():
    return trained("bilstm_crf_spans")


def test_entities_that_overlap(of_spans):
    with running(of_spans) as client:
        labels = client.get("/labels").json()
        results = annotate(client, nested.TEXTS)
        n_entities = number_of(client, "spacy_bilstm_crf_entities_total")
    assert labels["labels"] == ["ORG", "PLACE", "WORK"]
    assert labels["knows_probabilities"] and not labels["knows_k_best"]
    assert labels["label_groups"] == [["ORG"], ["PLACE"], ["WORK"]]
    assert labels["thresholds"] == {"bilstm_crf_spans": None}
    for result, (_, expected, _) in zip(results, nested.DATA, strict=True):
        assert set(nested.places(result["entities"])) == set(expected)
    assert n_entities == sum(len(result["entities"]) for result in results)


def test_what_a_pipeline_of_spans_does_not_know(of_spans, monkeypatch):
    with running(of_spans) as client:
        response = client.post("/annotate", json={"texts": ["a"], "k_best": 2})
        assert response.status_code == 422
        assert response.json()["detail"] == (
            "k_best: the pipeline has no bilstm_crf_ner component; a bilstm_crf_spans has tag "
            "sequences for each label, but none with the entities of all labels. Leave it out."
        )
        monkeypatch.setattr("spacy_bilstm_crf.decoding.entities.FEW", 10)
        monkeypatch.setattr("spacy_bilstm_crf.inference.annotator.MOST_PER_TOKEN", 0)
        text = f"{nested.UNIVERSITY} " * 10
        response = client.post("/annotate", json={"texts": [text], "candidates": 0.0})
        assert response.status_code == 413
        assert "higher threshold or candidates" in response.json()["detail"]


def test_the_stock_spancat():
    with running(trained("spancat")) as client:
        labels = client.get("/labels").json()
        (result,) = annotate(client, [nested.UNIVERSITY])
        response = client.post("/annotate", json={"texts": ["a"], "threshold": 0.5})
    assert labels["labels"] == ["ORG", "PLACE", "WORK"]
    assert not labels["knows_probabilities"] and labels["label_groups"] is None
    assert [entity["label"] for entity in result["entities"]] == ["ORG", "PLACE"]
    assert response.status_code == 422
    assert "no bilstm_crf_ner or bilstm_crf_spans component" in response.json()["detail"]


def test_the_threshold_of_the_command_is_that_of_both_kinds():
    nlp = trained("bilstm_crf_ner", "bilstm_crf_spans", steps=1)
    app_of(nlp, ServerSettings("it", threshold=0.7))
    assert [pipe.threshold for _, pipe in nlp.pipeline] == [0.7, 0.7]

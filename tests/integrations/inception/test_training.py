"""Training on documents that INCEpTION sends: what is learned from, and the new version."""

import os
import re

import httpx
import pytest
import spacy
from spacy.tokens import DocBin

from spacy_bilstm_crf.integrations.live_model.versions import newest_version
from tests.helpers import spacy_command
from tests.inference.service.service import process, wait_for
from tests.integrations.inception.apps import client_of
from tests.integrations.inception.payloads import predict, predicted, train, words_of, xmi

pytest.importorskip("cassis")
pytestmark = pytest.mark.slow
QUICK = {"max_steps": 60}
NEW, BEGUN = "en_pipeline 0.0.0+1", "training/job.json"
DRINKS = ["tea", "mint tea", "coffee", "apple juice", "milk", "black coffee"]
SENTENCES = [
    f"\U0001f600 Bring me some {drink} from {place} ."
    for place in ("London", "Berlin")
    for drink in DRINKS
]
UNTOUCHED = "Nobody has looked at tea here ."


def annotated(sentences=SENTENCES):
    """A document of sentences with a label that the pipeline does not know, and another one."""
    text = "\n".join([*sentences, UNTOUCHED])
    entities, offset = [], 0
    for sentence in sentences:
        match = re.search(r"some (?P<DRINK>.*) from (?P<LOC>\w+)", sentence)
        entities += [
            (offset + match.start(label), offset + match.end(label), label)
            for label in ("DRINK", "LOC")
        ]
        offset += len(sentence) + 1
    return xmi(text, entities)


def version(client):
    return client.get("/labels").json()["pipeline"]


def learned_from(folder):
    vocab = spacy.blank("en").vocab
    files = [folder / "training" / f"{part}.spacy" for part in ("train", "dev")]
    docs = [doc for file in files for doc in DocBin().from_disk(file).get_docs(vocab)]
    tags = {
        doc: [token.ent_type_ or token.ent_iob_ for token in doc if not token.is_space]
        for doc in docs
    }
    return {doc.text.strip(): of_doc for doc, of_doc in tags.items()}


def test_a_new_version_suggests_what_was_annotated(pipeline, old_data, tmp_path, caplog):
    folder, given = tmp_path / "folder", {**QUICK, "old_data": str(old_data)}
    caplog.set_level("INFO", "uvicorn.error")
    with client_of(pipeline, folder, **given) as client:
        assert client.post("/train", json=train(annotated())).status_code == 204
        # What comes meanwhile is learned next
        assert client.post("/train", json=train(annotated(SENTENCES[:8]))).status_code == 429
        wait_for(lambda: version(client) == NEW)
        text = "\U0001f600 Bring me some coffee from Berlin ."
        answer = client.post("/predict", json=predict(xmi(text)))
        found = predicted(answer.json()["document"])
        assert [(text[a:b], label) for a, b, label, _ in found] == [
            ("coffee", "DRINK"),
            ("Berlin", "LOC"),
        ]
        wait_for(lambda: version(client) == "en_pipeline 0.0.0+2")
        assert client.post("/train", json=train(annotated(SENTENCES[:8]))).status_code == 204
    assert not (folder / BEGUN).exists()  # it knew that already
    learned = learned_from(folder)
    assert set(learned) & {*SENTENCES, UNTOUCHED} == set(SENTENCES[:8])
    for sentence in SENTENCES[:8]:
        words = [sentence[a:b] for a, b in words_of(sentence)]
        drink, place = sentence[sentence.index("some") + 5 : -2].split(" from ")
        tags = {**dict.fromkeys(drink.split(), "DRINK"), place: "LOC"}
        assert learned[sentence] == [tags.get(word, "O") for word in words]
    about = spacy.load(folder / "versions" / "0001").meta["inception"]
    assert about.items() >= {"version": 1, "changes": 1, "sentences": 12}.items()
    assert about["f"] > about["f_before"]
    for line in ("version 1 on 12 sentences", "version 2 on 8 sentences"):
        assert f"INCEpTION: training {line}" in caplog.messages
    assert any(re.match(r"INCEpTION: .*0\.0\.0\+1 is in use, F ", x) for x in caplog.messages)
    assert newest_version(folder, pipeline).number == 2


def test_what_is_not_annotated_is_not_learned_as_no_entity(pipeline, old_data, tmp_path, caplog):
    """Of parts of words, of labels that nobody uses, and where two users differ."""
    text = "I like London and Berlin .\nI drink coffee and tea .\nWho is Shaka Khan ?\n" + UNTOUCHED

    def places(*words):
        return [(text.index(word), text.index(word) + len(word)) for word in words]

    entities = [(*place, "LOC") for place in places("London", "Berlin")]
    entities += [(*place, "DRINK") for place in places("coff", "tea")]
    entities += [(*places("Who")[0], None)]
    other = [(*places("London")[0], "LOC")]
    folder, given = tmp_path / "folder", {"max_steps": 5, "old_data": str(old_data)}
    with client_of(pipeline, folder, train_after=2, **given) as client:
        for user, marked in (("ann", entities), ("bea", other)):
            client.post("/train", json=train(xmi(text, marked), user=user))
        wait_for(lambda: version(client) == NEW)
    lines = text.split("\n")
    learned = learned_from(folder)
    assert learned[lines[0]] == ["O", "O", "LOC", "O", "", "O"]
    assert learned[lines[1]] == ["O", "O", "", "O", "DRINK", "O"]
    # PERSON was never used: the pipeline's own entity
    assert learned[lines[2]] == ["", "O", "PERSON", "PERSON", "O"]
    assert lines[3] not in learned
    assert any(
        line.startswith("INCEpTION, training: Sentences a.txt:1, a.txt:2, a.txt:3: not all that is")
        for line in caplog.messages
    )


def test_finished_documents_have_no_other_entities(pipeline, old_data, tmp_path):
    folder, given = tmp_path / "folder", {"max_steps": 5, "old_data": str(old_data)}
    with client_of(pipeline, folder, finished=True, **given) as client:
        client.post("/train", json=train(annotated()))
        wait_for(lambda: version(client) == NEW)
    assert learned_from(folder)[UNTOUCHED] == ["O"] * 7


def test_too_little_to_learn_from_is_said(pipeline, tmp_path, caplog):
    folder = tmp_path / "folder"
    with client_of(pipeline, folder, **QUICK) as client:
        assert client.post("/train", json=train(xmi(UNTOUCHED))).status_code == 204
        wait_for(lambda: "There is no annotation to learn from yet." in caplog.text)
        client.post("/train", json=train(annotated(SENTENCES[:1])))
        wait_for(lambda: "Only one sentence has an entity: annotate some more." in caplog.text)
        assert version(client) == "en_pipeline 0.0.0"


def test_the_command(pipeline, old_data, tmp_path):
    """A training that was interrupted begins again with the next start."""
    folder = tmp_path / "folder"
    options = ["--inception", folder, "--max-steps", 30, "--old-data", old_data]
    with process(pipeline, tmp_path / "first.txt", *options) as (served, client):
        assert client.post("/train", json=train(annotated())).status_code == 204
        wait_for(lambda: (folder / BEGUN).exists())
        served.kill()
        served.wait()
        with pytest.raises(httpx.TransportError):
            client.get("/labels")
    assert (folder / BEGUN).exists()
    with process(pipeline, tmp_path / "second.txt", *options) as (_, client):
        wait_for(lambda: version(client) == NEW)
        answer = client.post("/predict", json=predict(xmi(SENTENCES[0])))
        assert answer.status_code == 200


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--inception", "{}", "--workers", 2], "for INCEpTION are kept by one process"),
        (["--inception", "{}"], "learns from a few sentences alone forgets: name data"),
        (["--inception", "{}", "--label-studio", "{}"], "a service is for one of them"),
        (["--inception", "{}", "--unfinished", "x"], "--unfinished needs --label-studio FOLDER."),
        (["--finished"], "--finished needs --inception FOLDER."),
        (["--label-studio", "{}", "--finished"], "--finished needs --inception FOLDER."),
        (["--inception", __file__, "--dev", "{}"], "is a file"),
        (["--max-steps", 5], "--max-steps needs --label-studio FOLDER or --inception FOLDER."),
    ],
)
def test_options_that_can_not_be_used(options, expected, pipeline, tmp_path):
    options = [str(option).format(tmp_path) for option in options]
    printed = spacy_command("bilstm-crf", "serve", pipeline, *options, exit_codes=(1,))
    assert expected in " ".join(printed.split())
    assert os.linesep.join(printed.strip().splitlines()).count("Traceback") == 0

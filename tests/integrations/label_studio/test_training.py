"""Training on annotations: what is learned from, the new version, and what becomes of requests."""

import json
import os
import re
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.inference.service import Limits
from spacy_bilstm_crf.integrations.label_studio import serve_label_studio
from spacy_bilstm_crf.integrations.live_model.versions import newest_version
from tests.helpers import SMALL_MODEL, examples_for, make_nlp, spacy_command, train
from tests.inference.service.service import process, wait_for
from tests.integrations.label_studio.apps import app_with_routes, client_of
from tests.integrations.label_studio.payloads import annotated, label_config, payload, predict

pytestmark = pytest.mark.slow
CONFIG = label_config("LOC", "DRINK")
DRINKS = ["tea", "mint tea", "coffee", "apple juice", "milk", "black coffee"]
QUICK = {"train_after": 12, "max_steps": 60}
NEW, BEGUN = "en_pipeline 0.0.0+1", "training/job.json"


def annotations(config=CONFIG):
    """Twelve annotations with a label that the pipeline does not know."""
    for number in range(12):
        drink, place = DRINKS[number % 6], ("London", "Berlin")[number // 6]
        text = f"\U0001f600 Bring me some {drink} from {place}."
        spans = [
            (text.index(x), text.index(x) + len(x), label)
            for x, label in ((drink, "DRINK"), (place, "LOC"))
        ]
        yield annotated(number, text, spans, config)


def send(client, events):
    for event in events:
        response = client.post("/webhook", json=event)
        assert response.status_code == 200, response.text


def version(client):
    return client.get("/labels").json()["pipeline"]


def learned_from(folder):
    vocab = spacy.blank("en").vocab
    files = [folder / "training" / f"{part}.spacy" for part in ("train", "dev")]
    docs = [doc for file in files for doc in DocBin().from_disk(file).get_docs(vocab)]
    return {doc.text: doc for doc in docs}


def test_a_new_version_finds_what_was_annotated(pipeline, old_data, tmp_path):
    folder, given = tmp_path / "folder", {**QUICK, "old_data": str(old_data)}
    with client_of(pipeline, folder, **given) as client:
        send(client, list(annotations())[:-1])
        time.sleep(0.5)
        assert not (folder / BEGUN).exists()
        send(client, list(annotations())[-1:])
        wait_for(lambda: version(client) == NEW)
        asked = [(1, "\U0001f600 Bring me some coffee from Berlin.")]
        (prediction,) = client.post("/predict", json=predict(asked, CONFIG)).json()["results"]
        assert prediction["model_version"] == NEW
        found = [(e["value"]["text"], *e["value"]["labels"]) for e in prediction["result"]]
        assert found == [("coffee", "DRINK"), ("Berlin", "LOC")]
        assert client.post("/setup", json=payload("setup")).status_code == 200
    docs = learned_from(folder)
    assert len(docs) == 12 + 3 + 4 + 12  # with those of the old data, by their texts
    for event in annotations():
        doc = docs[event["task"]["data"]["text"]]
        quoted = [
            (one["value"]["text"], *one["value"]["labels"]) for one in event["annotation"]["result"]
        ]
        assert [(e.text, e.label_) for e in doc.ents] == quoted
        assert all(token.ent_iob for token in doc)
    nlp = spacy.load(folder / "versions" / "0001")
    assert nlp.meta["label_studio"].items() >= {"version": 1, "changes": 12, "tasks": 12}.items()
    assert nlp.meta["label_studio"]["f"] > nlp.meta["label_studio"]["f_before"]
    # It is trained again as it was before, and not by files that are gone
    before = spacy.load(pipeline).config
    assert [nlp.config[x] for x in ("training", "corpora")] == [
        before[x] for x in ("training", "corpora")
    ]
    assert nlp.get_pipe("ner").resume_factor == spacy.load(pipeline).get_pipe("ner").resume_factor
    # After a restart
    with client_of(pipeline, folder, **given) as client:
        assert version(client) == NEW
        send(client, [payload("START_TRAINING", project=next(annotations())["project"])])
        wait_for(lambda: version(client) == "en_pipeline 0.0.0+2")
    assert newest_version(folder, pipeline).number == 2


def test_what_is_not_annotated_is_not_learned_as_no_entity(pipeline, tmp_path):
    """Of a task half done, of one that two people see differently, and of a label left out."""
    texts = [
        ("I like London and Berlin.", [(7, 13, "LOC")]),
        ("Who is Shaka Khan?", []),
        ("She likes Berlin and London.", [(10, 16, "LOC"), (21, 27, "LOC")]),
    ]
    config = label_config("LOC")
    half, person, first = (
        annotated(i, text, spans, config, completed_by=1) for i, (text, spans) in enumerate(texts)
    )
    choice = {"from_name": "state", "to_name": "text", "type": "choices"}
    half["annotation"]["result"].append({**choice, "value": {"choices": ["unfinished"]}})
    second = annotated(2, texts[2][0], texts[2][1][:1], config, completed_by=2, id=999)
    skipped = annotated(3, "Skip London.", [], config, was_cancelled=True)
    folder = tmp_path / "folder"
    given = {**QUICK, "train_after": 5, "max_steps": 5, "unfinished": "unfinished"}
    with client_of(pipeline, folder, **given) as client:
        send(client, [half, person, first, second, skipped])
        wait_for(lambda: version(client) == NEW)
    docs = learned_from(folder)
    known = {
        text: [(token.ent_type_ or token.ent_iob_) for token in doc] for text, doc in docs.items()
    }
    assert known == {
        # Only what is marked is known
        texts[0][0]: ["", "", "LOC", "", "", ""],
        # PERSON is no label of the project: the pipeline's own entity
        texts[1][0]: ["O", "O", "PERSON", "PERSON", "O"],
        # One of two has marked London
        texts[2][0]: ["O", "O", "LOC", "O", "", "O"],
    }


def test_requests_are_answered_while_a_version_is_trained_and_swapped_in(pipeline, tmp_path):
    done = threading.Event()
    answers, slowest = [], []

    def ask(client):
        numbered = [(i, "I like London and Berlin.") for i in range(40)]
        while not done.is_set():
            begin = time.perf_counter()
            answers.append(client.post("/predict", json=predict(numbered, CONFIG)))
            slowest.append(time.perf_counter() - begin)

    with client_of(pipeline, tmp_path / "folder", **QUICK) as client:
        threads = [threading.Thread(target=ask, args=(client,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            send(client, annotations())
            wait_for(lambda: version(client) == NEW)
            n = len(answers)
            wait_for(lambda: len(answers) > n + 8)
        finally:
            done.set()
            for thread in threads:
                thread.join()
    assert {answer.status_code for answer in answers} == {200}
    versions = [{one["model_version"] for one in answer.json()["results"]} for answer in answers]
    assert all(len(each) == 1 for each in versions)
    assert set().union(*versions) == {"en_pipeline 0.0.0", NEW}
    assert max(slowest) < 30


def process_options(folder, old_data):
    options = ["--label-studio", folder, "--train-after", 12, "--max-steps", 60]
    return [*options, "--old-data", old_data]


def trainings_of(folder):
    """The processes that train in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:  # it has ended
            continue
        if str(folder).encode() in words and b"--label-studio" not in words:
            found.append(int(path.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")
def test_a_training_that_was_interrupted_begins_again(pipeline, old_data, tmp_path):
    folder = tmp_path / "folder"
    options = [*process_options(folder, old_data), "--max-steps", 100_000]
    with process(pipeline, tmp_path / "first.txt", *options) as (served, client):
        send(client, annotations())
        wait_for(lambda: trainings_of(folder))
        served.send_signal(signal.SIGKILL)
        served.wait()
    wait_for(lambda: not trainings_of(folder))  # nobody would use what it makes
    assert (folder / BEGUN).exists()
    with process(pipeline, tmp_path / "second.txt", *process_options(folder, old_data)) as (
        served,
        client,
    ):
        wait_for(lambda: version(client) == NEW)
        assert not (folder / BEGUN).exists()
        with pytest.raises(UserError, match="Another run is writing"):
            serve_label_studio(pipeline, folder, old_data=old_data, port=0)
        send(client, [payload("START_TRAINING", project=next(annotations())["project"])])
        wait_for(lambda: trainings_of(folder))
        served.send_signal(signal.SIGTERM)
        assert served.wait(60) == 0
    wait_for(lambda: not trainings_of(folder))
    # Nobody gets the number of a version that is gone
    shutil.rmtree(folder / "versions")
    with process(pipeline, tmp_path / "third.txt", *process_options(folder, old_data)) as (
        _,
        client,
    ):
        wait_for(lambda: version(client) == "en_pipeline 0.0.0+2")
    log = (tmp_path / "second.txt").read_text("utf8")
    assert re.search(r"0\.0\.0\+1 is in use, F [\d.]+ -> [\d.]+ on what was held out", log)


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL"])
def test_a_training_that_is_killed_counts_as_none(name, pipeline, old_data, tmp_path, caplog):
    """As by `timeout` or systemd, which tell all processes of a service to end, or for memory."""
    folder, given = tmp_path / "folder", {**QUICK, "old_data": str(old_data)}
    state = folder / "state.json"
    start = payload("START_TRAINING", project=next(annotations())["project"])
    with client_of(pipeline, folder, **{**given, "max_steps": 100_000}) as client:
        send(client, annotations())
        wait_for(lambda: "step" in read_or_empty(folder / "training" / "log.txt"))
        (training,) = trainings_of(folder)
        os.kill(training, signal.Signals[name])
        wait_for(lambda: f"was killed ({name})" in caplog.text)
        assert (folder / BEGUN).exists()
        assert json.loads(state.read_text("utf8"))["n_trained"] == 0
        # Not again and again, but when it is asked for
        send(client, [annotated(99, "I like London.", [(7, 13, "LOC")], CONFIG)])
        time.sleep(0.5)
        assert not trainings_of(folder)
        send(client, [start])
        wait_for(lambda: trainings_of(folder))
    assert (folder / BEGUN).exists()
    with client_of(pipeline, folder, **given) as client:
        wait_for(lambda: version(client) == NEW)
    assert json.loads(state.read_text("utf8"))["n_trained"] == 13


def read_or_empty(path):
    return path.read_text("utf8") if path.exists() else ""


def test_a_version_that_is_worse_on_the_dev_data_is_not_used(pipeline, corpus, tmp_path):
    folder, reckless = tmp_path / "folder", tmp_path / "reckless"
    nlp = spacy.load(pipeline)
    nlp.config["training"]["optimizer"]["learn_rate"] = 30.0  # from the first step on
    nlp.to_disk(reckless)
    config = label_config("LOC", "PERSON")
    wrong = [annotated(i, f"I like London, {i}.", [(0, 1, "PERSON")], config) for i in range(12)]
    with client_of(reckless, folder, dev=str(corpus), **QUICK) as client:
        send(client, wrong)
        wait_for(lambda: (folder / "training" / "log.txt").exists())
        wait_for(lambda: not (folder / BEGUN).exists())
        assert version(client) == "en_pipeline 0.0.0"
    assert "The new version is worse" in (folder / "training" / "log.txt").read_text("utf8")
    assert newest_version(folder, reckless).number == 0


def test_other_components_and_the_tokenizer_stay_as_they_are(tmp_path):
    made = make_nlp()
    made.tokenizer.add_special_case("gimme", [{"ORTH": "gim"}, {"ORTH": "me"}])
    made.add_pipe("sentencizer", first=True)
    ruler = made.add_pipe("entity_ruler", name="ruler")
    ruler.add_patterns([{"label": "CODE", "pattern": "X1"}])
    train(made, examples_for(made))
    made.to_disk(tmp_path / "made")
    folder = tmp_path / "folder"
    with client_of(tmp_path / "made", folder, **QUICK) as client:
        send(client, annotations())
        wait_for(lambda: version(client) == NEW)
    nlp = spacy.load(folder / "versions" / "0001")
    assert nlp.pipe_names == made.pipe_names
    assert [token.text for token in nlp("gimme tea")] == ["gim", "me", "tea"]
    doc = nlp("Bring me some coffee from Berlin. Take X1.")
    assert [(e.text, e.label_) for e in doc.ents][-1] == ("X1", "CODE")
    assert len(list(doc.sents)) == 2


def test_a_recognizer_that_listens_to_another_component(old_data, tmp_path):
    """The component that it listens to stays as it is: others may listen to it, too."""
    nlp = spacy.blank("en")
    shared = {"@architectures": "spacy.HashEmbedCNN.v2", "width": 32, "depth": 1}
    shared |= {"embed_size": 500, "window_size": 1, "maxout_pieces": 2}
    shared |= {"subword_features": True, "pretrained_vectors": None}
    nlp.add_pipe("tok2vec", config={"model": shared})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 32, "upstream": "tok2vec"}
    model = {**SMALL_MODEL, "tok2vec": listener}
    ner = nlp.add_pipe("bilstm_crf_ner", name="ner", config={"model": model})
    for label in ("PERSON", "LOC"):
        ner.add_label(label)
    nlp.initialize()
    train(nlp, examples_for(nlp))
    nlp.config["training"]["optimizer"]["learn_rate"] = 0.02
    nlp.to_disk(tmp_path / "shared")
    folder = tmp_path / "folder"
    given = {**QUICK, "max_steps": 120, "old_data": str(old_data)}
    with client_of(tmp_path / "shared", folder, **given) as client:
        send(client, annotations())
        wait_for(lambda: version(client) == NEW)
    trained = spacy.load(folder / "versions" / "0001")
    before, after = (one.get_pipe("tok2vec").model.to_bytes() for one in (nlp, trained))
    assert before == after
    about = trained.meta["label_studio"]
    assert about["f"] > about["f_before"]


def test_too_little_to_learn_from_is_said(pipeline, tmp_path, caplog):
    folder = tmp_path / "folder"
    config = label_config("LOC")
    with client_of(pipeline, folder, **{**QUICK, "train_after": 1}) as client:
        send(client, [annotated(1, "I like London.", [(7, 13, "LOC")], config)])
        wait_for(lambda: "Only one task has an entity" in caplog.text)
        assert not (folder / BEGUN).exists()
        assert version(client) == "en_pipeline 0.0.0"


def test_what_can_not_be_learned_is_left_out_and_named(old_data, tmp_path, caplog):
    """Parts of words and of the pipeline's own tokens, overlaps, a text that is too long.

    The pipeline has a label that is neither the project's nor in the strings of a blank pipeline.
    """
    nlp = make_nlp(labels=("my own place", "PERSON"))
    data = [("I like London.", {"entities": [(7, 13, "my own place")]})]
    data.append(("Who is Shaka Khan?", {"entities": [(7, 17, "PERSON")]}))
    train(nlp, examples_for(nlp, data))
    nlp.tokenizer.add_special_case("mint-tea", [{"ORTH": "mint-tea"}])  # three tokens otherwise
    config = label_config("DRINK")
    texts = [
        ("Bring me some tea.", [(14, 17, "DRINK")]),
        ("Bring me coffee and tea.", [(9, 13, "DRINK"), (20, 23, "DRINK")]),  # "coff"
        ("Bring me mint tea.", [(9, 17, "DRINK"), (14, 17, "DRINK")]),
        ("I like London.", []),
        ("long " * 300, [(0, 4, "DRINK")]),
        ("Take mint-tea.", [(10, 13, "DRINK")]),
        ("Milk, tea and juice.", [(6, 9, "DRINK"), (6, 9, "DRINK")]),
    ]
    events = [annotated(i, text, spans, config) for i, (text, spans) in enumerate(texts)]
    nlp.to_disk(tmp_path / "model")
    folder = tmp_path / "folder"

    def change(served):
        served.max_length = 1000

    given = {**QUICK, "train_after": 100, "max_steps": 5, "old_data": str(old_data)}
    with client_of(tmp_path / "model", folder, Limits(), change, **given) as client:
        send(client, events)
        send(client, [payload("START_TRAINING", project=events[0]["project"])])
        wait_for(lambda: version(client) == NEW)
    said = [line for line in caplog.messages if line.startswith("Label Studio, training: Task")]
    log = folder / "training" / "log.txt"
    assert said == [
        "Label Studio, training: Task 4 left out: the text has more than 1,000 characters, which "
        "the pipeline takes at most. Split it into several tasks.",
        "Label Studio, training: Tasks 1, 2, 5: not all that is marked can be learned (2 not on "
        f"tokens, 1 overlapping). {log} says where.",
    ]
    assert "Task 1, 9-13: 'coff' (DRINK) does not begin and end" in log.read_text("utf8")
    learned = {
        text: [(token.ent_type_ or token.ent_iob_) for token in doc]
        for text, doc in learned_from(folder).items()
    }
    assert learned[texts[1][0]] == ["O", "O", "", "O", "DRINK", "O"]
    assert learned[texts[2][0]] == ["O", "O", "", "", "O"]
    assert learned[texts[3][0]] == ["O", "O", "my own place", "O"]
    assert learned["Milk, tea and juice."][2] == "DRINK"
    assert texts[4][0] not in learned


def test_tasks_without_the_key_of_the_project_stop_no_training(
    pipeline, old_data, tmp_path, caplog
):
    folder, given = tmp_path / "folder", {**QUICK, "max_steps": 5, "old_data": str(old_data)}
    later = label_config("LOC", "DRINK", value="$body")
    with client_of(pipeline, folder, **given) as client:
        send(client, list(annotations())[:8])
        events = list(annotations(later))[8:]
        for event in events:
            event["task"]["data"] = {"body": event["task"]["data"]["text"]}
        send(client, events)
        wait_for(lambda: version(client) == NEW)
    assert (
        "Label Studio, training: Tasks 0, 1, 2 and 5 more left out: there is no text under 'body' "
        "in the data" in caplog.text
    )
    learned = learned_from(folder)
    assert all((event["task"]["data"]["body"] in learned) for event in events)


def test_versions_of_another_pipeline_are_refused(pipeline, tmp_path):
    folder = tmp_path / "folder"
    (folder / "versions" / "0001").mkdir(parents=True)
    (folder / "pipeline.json").write_text('{"pipeline": "old", "fingerprint": "1"}', "utf8")
    with pytest.raises(UserError, match=r"began with another pipeline than .*: with old"):
        newest_version(folder, pipeline)


@pytest.mark.parametrize("option", ["--old-data", "--dev"])
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("missing", "does not exist"),
        ("text", "holds no .spacy file"),
        ("damaged", "is damaged or not a .spacy file"),
        ("unannotated", "no entity in any of them"),
    ],
)
def test_data_that_can_not_be_used_are_told_at_the_start(
    option, kind, expected, pipeline, tmp_path
):
    path = tmp_path / ("data.txt" if kind == "text" else "data.spacy")
    if kind == "unannotated":
        DocBin(docs=[spacy.blank("en")("I like London.")]).to_disk(path)
    elif kind != "missing":
        path.write_bytes(b"no docs")
    options = ["--label-studio", tmp_path / "annotations", option, path]
    printed = spacy_command("bilstm-crf", "serve", pipeline, *options, exit_codes=(1,))
    assert expected in " ".join(printed.split())
    assert "Traceback" not in printed


def test_a_text_that_is_too_long_for_the_pipeline_is_told_at_the_start(
    pipeline, old_data, tmp_path
):
    def change(nlp):
        nlp.max_length = 20

    with pytest.raises(
        UserError, match=r"old\.spacy has a text of 2\d characters.* takes 20 at most"
    ):
        app_with_routes(pipeline, tmp_path / "folder", change=change, old_data=str(old_data))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--label-studio", "{}", "--workers", 2], "are kept by one process: set workers to 1"),
        (["--train-after", 5], "--train-after needs --label-studio"),
        (["--dev", "{}"], "--dev needs --label-studio"),
        (["--label-studio", __file__, "--dev", "{}"], "is a file"),
        (["--label-studio", "{}"], "name data that it was trained on with --old-data"),
        (
            ["--label-studio", "{}", "--dev", "{}", "--component", "other"],
            "no bilstm_crf_ner component 'other'",
        ),
        (["--component", "other"], "--component needs --label-studio"),
    ],
)
def test_options_that_can_not_be_used(options, expected, pipeline, tmp_path):
    options = [str(option).format(tmp_path) for option in options]
    printed = spacy_command("bilstm-crf", "serve", pipeline, *options, exit_codes=(1,))
    assert expected in " ".join(printed.split())
    assert os.linesep.join(printed.strip().splitlines()).count("Traceback") == 0

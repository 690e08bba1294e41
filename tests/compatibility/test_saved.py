"""What a release has saved loads in the current code, with the same entities and probabilities.

A folder for each release, written by `make.py`. CONTRIBUTING.md says how a name is retired.
"""

import importlib.metadata
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin

from spacy_bilstm_crf import register_confidence
from spacy_bilstm_crf.training.loop import train_pipeline
from tests.compatibility.make import TEXTS, examples, found_in, names
from tests.helpers import ROOT

RELEASES = sorted(path.parent for path in Path(__file__).parent.glob("*/names.json"))


@pytest.fixture(params=RELEASES, ids=lambda path: path.name)
def release(request):
    return request.param


def expected_of(release):
    return json.loads((release / "expected.json").read_text())


def assert_same(found, expected):
    """Check that the spans are the same and their probabilities within 1e-5."""
    assert [span[:3] for span in found] == [span[:3] for span in expected]
    assert [span[3] for span in found] == pytest.approx([span[3] for span in expected], abs=1e-5)


def assert_found(docs, expected):
    for doc, of_doc in zip(docs, expected, strict=True):
        found = found_in(doc)
        assert_same(found["entities"], of_doc["entities"])
        assert found["spans"].keys() == of_doc["spans"].keys()
        for key, spans in of_doc["spans"].items():
            assert_same(found["spans"][key], spans)


def test_there_is_a_release():
    assert RELEASES


def test_pipeline(release):
    nlp, expected = spacy.load(release / "pipeline"), expected_of(release)
    assert_found(nlp.pipe(TEXTS), expected["pipeline"])
    ner = nlp.get_pipe("ner")
    docs = [nlp.make_doc(text) for text in TEXTS]
    assert ner.entropy(docs) == pytest.approx(expected["entropy"], abs=1e-4)
    k_best = [probability for _, probability in ner.k_best(docs[0], 5)]
    assert k_best == pytest.approx(expected["k_best"], abs=1e-5)


def test_pipeline_that_is_saved_again(release, tmp_path):
    nlp = spacy.load(release / "pipeline")
    nlp.to_disk(tmp_path)
    assert_found(spacy.load(tmp_path).pipe(TEXTS), expected_of(release)["pipeline"])
    pickled = pickle.loads(pickle.dumps(nlp))
    assert_found(pickled.pipe(TEXTS), expected_of(release)["pipeline"])


def test_pipeline_is_trained_further(release):
    nlp = spacy.load(release / "pipeline")
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.001
    losses = [nlp.update(examples(nlp), sgd=optimizer)["ner"] for _ in range(5)]
    assert losses[-1] < losses[0]


def test_bytes_of_a_component(release):
    config = spacy.util.load_config(release / "pipeline" / "config.cfg")
    nlp = spacy.util.load_model_from_config(config)
    nlp.get_pipe("ner").from_bytes((release / "component.bytes").read_bytes())
    assert_found(nlp.pipe(TEXTS), expected_of(release)["pipeline"])


def test_docs(release):
    """Docs keep their probabilities, without the pipeline that found them."""
    register_confidence()
    docs = DocBin().from_disk(release / "docs.spacy").get_docs(spacy.blank("xx").vocab)
    assert_found(docs, expected_of(release)["pipeline"])


def test_config(release, tmp_path):
    corpus = tmp_path / "train.spacy"
    blank = spacy.blank("xx")
    DocBin(docs=[eg.reference for eg in examples(blank)]).to_disk(corpus)
    overrides = {
        "paths.train": str(corpus),
        "paths.dev": str(corpus),
        "training.max_steps": 4,
        "training.eval_frequency": 2,
    }
    config = spacy.util.load_config(release / "config.cfg", overrides, interpolate=False)
    scores = []
    train_pipeline(config, on_evaluation=lambda info: scores.append(info["losses"]["ner"]))
    assert len(scores) > 1
    assert scores[-1] > 0.0


def test_soft_labels(release, tmp_path):
    config = {"@readers": "spacy-bilstm-crf.Lessons.v1", "path": str(release / "soft_labels")}
    nlp = spacy.load(release / "pipeline")
    corpus = spacy.util.registry.resolve({"corpus": config})["corpus"]
    examples_of_teacher = list(corpus(nlp))
    assert sorted(eg.reference.text for eg in examples_of_teacher) == sorted(TEXTS)
    # The pipeline is its own student, but was calibrated since
    assert nlp.update(examples_of_teacher)["ner"] >= 0.0


def test_package(release, tmp_path):
    (wheel,) = release.glob("*.whl")
    install = ["install", "--no-deps", "--no-index", "--quiet", "--target", tmp_path, wheel]
    subprocess.run([sys.executable, "-m", "pip", *map(str, install)], check=True)
    (folder,) = tmp_path.glob("*/meta.json")
    program = f"""
import json, sys
sys.path.insert(0, {str(tmp_path)!r})
import {folder.parent.name} as package
from tests.compatibility.make import TEXTS, found_in
print(json.dumps([found_in(doc) for doc in map(package.load(), TEXTS)]))
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    for found, expected in zip(json.loads(done.stdout), expected_of(release)["package"]):
        assert_same(found["entities"], expected["entities"])
        for key, spans in expected["spans"].items():
            assert_same(found["spans"][key], spans)


def test_names(release):
    """No entry point, extra, setting, command or import goes away before it was retired."""
    known, now = json.loads((release / "names.json").read_text()), names()
    for kind in ("extras", "commands", "imports"):
        assert set(known[kind]) <= set(now[kind]), kind
    assert known["entry points"].items() <= now["entry points"].items()
    for name, settings in known["settings"].items():
        assert set(settings) <= set(now["settings"][name]), name


def test_every_entry_point_loads():
    for entry_point in importlib.metadata.distribution("spacy-bilstm-crf").entry_points:
        entry_point.load()

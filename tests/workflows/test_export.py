"""Exported pipelines do what the component does, without torch."""

import json
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import spacy
from spacy.tokens import DocBin, Span
from spacy.training import Example
from spacy.util import fix_random_seed

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.workflows import calibrate, export
from tests.helpers import (
    char_embed_model,
    entities,
    examples_for,
    set_windows,
    spacy_command,
    train,
    trained_nlp,
)

TEXTS = [
    "Who is Shaka Khan? I like London and Berlin.",
    "",
    "I like Paris.",
    "Nobody knows Ada Lovelace " * 30,
]
# Small, with embeddings of this package
trained_by_torch = partial(trained_nlp, model=char_embed_model(width=16, filters=8))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A trained pipeline, unsure enough to have candidates, and what it is exported to."""
    folder = tmp_path_factory.mktemp("export")
    fix_random_seed(0)
    nlp = trained_by_torch(candidates_threshold=0.01, spans_key="sc")
    nlp.get_pipe("ner").threshold = 0.2
    nlp.get_pipe("ner").cfg["temperature"] = 2.0
    nlp.to_disk(folder / "torch")
    for precision in ("float32", "int8"):
        export(folder / "torch", precision=precision).to_disk(folder / precision)
    return folder


@pytest.fixture(scope="module", params=["float32", "int8"])
def precision(request):
    return request.param


@pytest.fixture(scope="module")
def pair(folders, precision):
    """The two pipelines, and how far probabilities may be apart."""
    tolerance = 1e-5 if precision == "float32" else 0.2
    return spacy.load(folders / "torch"), spacy.load(folders / precision), tolerance


def spans(group):
    return [(span.start, span.end, span.label_) for span in group]


def test_entities_probabilities_and_candidates(pair):
    torch_nlp, nlp, tolerance = pair
    probabilities = [
        each.get_pipe("ner").token_probabilities(map(each.make_doc, TEXTS))
        for each in (nlp, torch_nlp)
    ]
    for ours, theirs in zip(*probabilities):
        np.testing.assert_allclose(ours, theirs, atol=tolerance)
    for ours, theirs in zip(nlp.pipe(TEXTS), torch_nlp.pipe(TEXTS)):
        if tolerance < 0.1:  # int8 may change what is on the edge
            assert entities(ours) == entities(theirs)
            for mine, other in zip(ours.ents, theirs.ents):
                assert mine._.confidence == pytest.approx(other._.confidence, abs=tolerance)
            for key in ("sc", "candidates"):
                assert spans(ours.spans[key]) == spans(theirs.spans[key])
                scores = [doc.spans[key].attrs["scores"] for doc in (ours, theirs)]
                np.testing.assert_allclose(*scores, atol=tolerance)
    assert any(doc.spans["candidates"] for doc in nlp.pipe(TEXTS))


def test_n_best_and_entropy(pair):
    torch_nlp, nlp, tolerance = pair
    ours, theirs = (each.get_pipe("ner") for each in (nlp, torch_nlp))
    docs = [nlp.make_doc(text) for text in TEXTS]
    np.testing.assert_allclose(ours.entropy(docs), theirs.entropy(docs), rtol=20 * tolerance)
    for doc in docs:
        scores = [[p for _, p in ner.k_best(doc, 3)] for ner in (ours, theirs)]
        np.testing.assert_allclose(*scores, atol=tolerance)


def test_preset_entities_and_windows(pair):
    torch_nlp, nlp, tolerance = pair
    found = []
    for each in (nlp, torch_nlp):
        set_windows(each.get_pipe("ner").model, 20, 5)
        docs = [each.make_doc(text) for text in TEXTS]
        docs[0].set_ents([Span(docs[0], 3, 4, "LOC")], default="unmodified")
        found.append([entities(doc) for doc in map(each.get_pipe("ner"), docs)])
        set_windows(each.get_pipe("ner").model, 1000, 100)
    if tolerance < 0.1:
        assert found[0] == found[1]
    assert ("Khan", "LOC") in found[0][0]


def test_the_results_of_a_text_do_not_depend_on_its_batch(pair):
    _, nlp, _ = pair
    for together, alone in zip(nlp.pipe(TEXTS * 5, batch_size=20), map(nlp, TEXTS * 5)):
        for key in ("sc", "candidates"):
            assert spans(together.spans[key]) == spans(alone.spans[key])
            scores = [doc.spans[key].attrs["scores"] for doc in (together, alone)]
            np.testing.assert_allclose(*scores, rtol=0, atol=1e-6)


def test_processes_bytes_and_sourcing(folders, precision, tmp_path):
    nlp = spacy.load(folders / precision)
    expected = [entities(nlp(text)) for text in TEXTS]
    assert [entities(doc) for doc in nlp.pipe(TEXTS, n_process=2)] == expected
    again = spacy.blank("en")
    again.add_pipe("ner", source=nlp)
    assert [entities(again(text)) for text in TEXTS] == expected
    restored = spacy.load(folders / precision)
    restored.from_bytes(nlp.to_bytes())
    assert [entities(restored(text)) for text in TEXTS] == expected
    with nlp.memory_zone():
        assert entities(nlp(TEXTS[0])) == expected[0]


def test_settings_of_the_config_count(folders, precision):
    settings = {"components": {"ner": {"threshold": 0.999, "model": {"window": 30, "overlap": 3}}}}
    nlp = spacy.load(folders / precision, config=settings)
    assert nlp.get_pipe("ner").threshold == 0.999
    assert nlp.get_pipe("ner").model.attrs["window"].value == 30


def test_training_is_refused_in_one_line_and_changes_nothing(folders, precision):
    nlp = spacy.load(folders / precision)
    ner = nlp.get_pipe("ner")
    labels, before = ner.labels, entities(nlp(TEXTS[0]))
    optimizer = nlp.resume_training()
    for fail in (
        lambda: nlp.update(examples_for(nlp), sgd=optimizer),
        lambda: nlp.rehearse(examples_for(nlp), sgd=optimizer),
        lambda: ner.add_label("NEW"),
        lambda: ner.initialize(lambda: examples_for(nlp)),
    ):
        with pytest.raises(ValueError, match="train the pipeline that it was exported"):
            fail()
    assert ner.labels == labels
    assert "NEW" not in ner.labels
    assert entities(nlp(TEXTS[0])) == before


def test_calibration_needs_no_torch(folders, precision):
    nlp = spacy.load(folders / precision)
    done = calibrate(nlp, [eg.reference for eg in examples_for(nlp)])
    assert entities(done.nlp("I like London.")) == [("London", "LOC")]


def test_scores_before_and_after(folders):
    nlp = spacy.load(folders / "torch")
    wrong = Example.from_dict(nlp.make_doc("I like London."), {"entities": [(0, 1, "LOC")]})
    found = export(nlp, data=[*(eg.reference for eg in examples_for(nlp)), wrong.reference])
    difference = found.difference
    assert difference.n_entities == 4 and difference.n_different == 0
    assert difference.before.f == difference.after.f == pytest.approx(6 / 8)
    assert difference.before.nll == pytest.approx(difference.after.nll, abs=1e-4)
    assert found.warnings == []


def test_the_command(folders, tmp_path):
    data = tmp_path / "dev.spacy"
    DocBin(docs=[eg.reference for eg in examples_for(spacy.blank("en"))]).to_disk(data)
    out = tmp_path / "out"
    run = partial(spacy_command, "bilstm-crf", "export", folders / "torch")
    printed = run(out, "--precision", "int8", "--data", data)
    assert ["after", "100.00"] in [line.split()[:2] for line in printed.splitlines()]
    assert "0 entities differ, of 3 before" in printed
    config = spacy.load(out).config["components"]["ner"]["model"]
    assert config["@architectures"] == "spacy-bilstm-crf.ONNX.v1"
    assert "already" in run(out, exit_codes=[1]) or "exists" in run(out, exit_codes=[1])
    again = spacy_command("bilstm-crf", "export", out, tmp_path / "twice", exit_codes=[1])
    assert "is exported already" in again
    assert not (tmp_path / "twice").exists()


def test_what_can_not_be_exported(tmp_path):
    blank = spacy.blank("en")
    blank.add_pipe("sentencizer")
    with pytest.raises(UserError, match="no bilstm_crf_ner"):
        export(blank)
    with pytest.raises(UserError, match="not trained"):
        nlp = spacy.blank("en")
        nlp.add_pipe("bilstm_crf_ner")
        export(nlp)
    with pytest.raises(UserError, match="--precision float16"):
        export(trained_by_torch(), precision="float16")


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_component_that_listens_to_spacys_tok2vec(precision):
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec")
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96, "upstream": "*"}
    model = {"@architectures": "spacy-bilstm-crf.BiLSTMCRF.v1", "tok2vec": listener}
    nlp.add_pipe("bilstm_crf_ner", name="ner", config={"model": model})
    examples = examples_for(nlp)
    train(nlp, examples, optimizer=nlp.initialize(lambda: examples), steps=40)
    expected = [entities(nlp(text)) for text in TEXTS]
    assert expected[0]
    found = export(nlp, precision=precision)
    assert [entities(doc) for doc in found.nlp.pipe(TEXTS)] == expected
    loaded = spacy.blank("en").from_config(found.nlp.config).from_bytes(found.nlp.to_bytes())
    assert [entities(loaded(text)) for text in TEXTS] == expected


WITHOUT_TORCH = """
import json, sys

sys.modules["torch"] = None  # importing it fails from here on

import spacy
from spacy_bilstm_crf.inference.annotator import Annotator

nlp = spacy.load(sys.argv[1])
docs = list(nlp.pipe(json.loads(sys.argv[2])))
print(json.dumps([[[e.text, e.label_, e._.confidence] for e in doc.ents] for doc in docs]))
"""


def test_without_torch_the_result_is_the_same(folders, precision):
    nlp = spacy.load(folders / precision)
    expected = [
        [[ent.text, ent.label_, ent._.confidence] for ent in doc.ents] for doc in nlp.pipe(TEXTS)
    ]
    command = [sys.executable, "-c", WITHOUT_TORCH, folders / precision, json.dumps(TEXTS)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == expected


def test_without_torch_its_pipelines_say_what_to_install(folders):
    command = [sys.executable, "-c", WITHOUT_TORCH, folders / "torch", "[]"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert (
        "needs PyTorch, which is not installed: pip install torch" in done.stderr.splitlines()[-1]
    )

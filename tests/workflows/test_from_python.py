"""Workflows called from Python: they take loaded pipelines and docs, and return values."""

import numpy as np
import pytest
import spacy
from spacy.vectors import Vectors
from thinc.api import Config

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.workflows import calibrate, ensemble, init_config, shrink
from tests.helpers import TRAIN_DATA, entities, examples_for, trained_nlp

TEXT = "I like London and Berlin."


@pytest.fixture
def nlp():
    return trained_nlp()


@pytest.fixture
def docs():
    """Annotated docs with a vocab of their own."""
    return [example.reference for example in examples_for(spacy.blank("en"), TRAIN_DATA * 5)]


def test_calibrate(nlp, docs, tmp_path):
    found = calibrate(nlp, docs)
    assert found.nlp is nlp and found.risk_control == {}
    assert nlp.get_pipe("ner").cfg["temperature"] == found.calibration.temperature != 1.0
    assert found.labels == nlp.get_pipe("ner").labels and len(found.calibration.label_biases) == 2
    assert found.before.f == 1.0 and found.after.f == 1.0
    assert found.before.nll > found.after.nll > 0.0 and found.after.ece < 0.2
    found.to_disk(tmp_path / "out")
    found.to_disk(str(tmp_path / "out"))  # which takes the place of the first
    loaded = spacy.load(tmp_path / "out")
    temperature = loaded.get_pipe("ner").cfg["temperature"]
    assert temperature == pytest.approx(found.calibration.temperature)


def test_calibrate_for_a_recall(nlp, docs):
    found = calibrate(nlp, docs, recall=0.8)
    assert found.calibration is None
    assert nlp.get_pipe("ner").candidates_threshold == found.risk_control[""].threshold
    assert set(calibrate(nlp, docs, recall=0.5, per_label=True).risk_control) == {"LOC", "PERSON"}
    for settings, message in (
        ({"per_label": True}, "--per-label needs --recall"),
        ({"recall": 2.0}, "The recall is 2.0"),
        ({"recall": 0.99}, "needs 99 documents"),
        ({"component": "tagger"}, "no bilstm_crf_ner or bilstm_crf_spans component 'tagger'"),
    ):
        with pytest.raises(UserError, match=message):
            calibrate(nlp, docs, **settings)


def test_ensemble(nlp, docs):
    other = trained_nlp()
    emissions = [
        each.get_pipe("ner").model.predict([each.make_doc(TEXT)]).emissions[0]
        for each in (nlp, other)
    ]
    found = ensemble([nlp, other], data=docs)
    both = found.nlp
    assert both is nlp and found.warnings == []
    assert [each.f for each in (*found.members, found.quality)] == [1.0] * 3
    assert found.quality.nll < max(each.nll for each in found.members)
    found = both.get_pipe("ner").model.predict([both.make_doc(TEXT)]).emissions[0]
    np.testing.assert_allclose(found, np.mean(emissions, axis=0), atol=1e-5)
    with pytest.raises(UserError, match="named twice"):
        ensemble([other, other])


def test_an_ensemble_has_no_recall_of_its_first_member(nlp, docs):
    calibrate(nlp, docs, recall=0.5)
    found = ensemble([nlp, trained_nlp()])
    assert "was set for a recall, which the mean does not have" in found.warnings[0]
    assert nlp.get_pipe("ner").candidates_threshold is None
    assert nlp.meta["risk_control"] == {}
    assert ensemble([trained_nlp(), trained_nlp()]).members == []


def test_a_label_that_a_model_lacks_counts_in_f_and_leaves_no_likelihood(docs):
    docs[0].ents = [docs[0].char_span(7, 17, label="CITY")]
    found = ensemble([trained_nlp(), trained_nlp()], data=docs).quality
    assert 0.9 < found.f < 1.0 and found.nll is None


def test_shrink(nlp, docs, tmp_path):
    words = [f"word{i}" for i in range(20)]
    data = np.ones((20, 4), dtype="float32")
    for word in words:
        nlp.vocab.strings.add(word)
    nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, data=data, keys=words, name="test")
    before = entities(nlp(TEXT))
    nlp.meta["risk_control"] = {"ner": {"recall": 0.9}}
    found = shrink(nlp, keep_words=5, data=docs)
    assert "candidates_threshold of 'ner' was set for no longer holds" in found.warnings[0]
    assert found.nlp is nlp and entities(nlp(TEXT)) == before
    assert found.n_vectors == (20, 5) and found.before.f == found.after.f == 1.0
    assert sorted(found.dropped) == sorted(words[5:])
    assert found.megabytes_before is None  # it was on no disk
    assert found.to_disk(tmp_path / "out") > 0
    assert len(spacy.load(tmp_path / "out").vocab.vectors) == 5
    for settings, message in (({"dtype": "int4"}, "--dtype int4"), ({"keep_words": 0}, "at least")):
        with pytest.raises(UserError, match=message):
            shrink(nlp, **settings)


def test_a_smaller_pipeline_that_does_not_load_takes_the_place_of_none(nlp, tmp_path):
    words = ["London", "Berlin"]
    data = np.ones((2, 4), dtype="float32")
    nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, data=data, keys=words, name="test")
    nlp.to_disk(tmp_path / "kept")
    found = shrink(tmp_path / "kept", keep_words=1)
    assert found.megabytes_before > 0
    found.nlp.get_pipe("ner").cfg["temperature"] = -1.0
    with pytest.raises(UserError, match="can't be loaded"):
        found.to_disk(tmp_path / "kept")
    assert len(spacy.load(tmp_path / "kept").vocab.vectors) == 2


def test_init_config(docs, tmp_path):
    found = init_config(docs, dev=docs, lang="en")
    config = Config().from_str(found.text, interpolate=False)
    assert config["paths"]["train"] is None and config["paths"]["dev"] is None
    chosen = {choice.path: choice.value for choice in found.choices}
    assert chosen["training.max_steps"] == config["training"]["max_steps"]
    assert "Training data: 10 docs" in " ".join(found.facts)
    assert any("development docs are also in the training data" in line for line in found.warnings)
    found.to_disk(tmp_path / "folder" / "my.cfg")
    assert (tmp_path / "folder" / "my.cfg").read_text() == found.text
    with pytest.raises(UserError, match="--lang qq"):
        init_config(docs, lang="qq")

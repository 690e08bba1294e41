"""Several trained pipelines as one."""

import numpy as np
import pytest
import spacy
from spacy.util import fix_random_seed

from tests.helpers import (
    char_embed_model,
    entities,
    examples_for,
    make_nlp,
    spacy_command,
    train,
    trained_nlp,
)

MODEL = char_embed_model(width=8, filters=4)
TEXT = "I like London and Berlin, says Shaka Khan."


def ensemble(*arguments, exit_codes=(0,)):
    return spacy_command("bilstm-crf", "ensemble", *arguments, exit_codes=exit_codes)


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pipelines")
    for seed in range(3):
        fix_random_seed(seed)
        trained_nlp(model=MODEL).to_disk(folder / str(seed))
    return [folder / str(seed) for seed in range(3)]


def potentials(nlp):
    return nlp.get_pipe("ner").model.predict([nlp.make_doc(TEXT)])


def test_the_mean_of_their_potentials(pipelines, corpus, tmp_path):
    printed = ensemble(*pipelines, "--output", tmp_path / "all", "--data", corpus)
    rows = [line.split() for line in printed.splitlines() if line.endswith(tuple("0123456789"))]
    assert [row[0] for row in rows] == [*map(str, pipelines), "their"]
    assert all(row[-3] == "100.00" for row in rows)
    nlp = spacy.load(tmp_path / "all")
    found, parts = potentials(nlp), [potentials(spacy.load(path)) for path in pipelines]
    for name in ("transitions", "start", "end"):
        np.testing.assert_allclose(
            getattr(found, name), np.mean([getattr(part, name) for part in parts], 0), atol=1e-6
        )
    expected = np.mean([part.emissions[0] for part in parts], 0)
    np.testing.assert_allclose(found.emissions[0], expected, atol=1e-5)
    assert ("London", "LOC") in entities(nlp(TEXT))
    both = [entities(doc) for doc in nlp.pipe([TEXT] * 2, n_process=2)]
    assert both == [entities(nlp(TEXT))] * 2


def test_it_can_be_trained_and_gets_labels():
    members = {"one": MODEL, "other": MODEL}
    nlp = make_nlp(model={"@architectures": "spacy-bilstm-crf.Ensemble.v1", "*": members})
    train(nlp, examples_for(nlp), steps=100)
    doc = nlp("I like London and Berlin.")
    assert entities(doc) == [("London", "LOC"), ("Berlin", "LOC")]
    nlp.get_pipe("ner").add_label("NEW")
    assert entities(nlp("I like London and Berlin.")) == entities(doc)


def test_members_that_do_not_go_together(pipelines, tmp_path):
    other = tmp_path / "other"
    trained_nlp(labels=["PERSON", "LOC", "NEW"], model=MODEL).to_disk(other)
    small = tmp_path / "small"
    trained_nlp(model=char_embed_model(width=8, filters=3)).to_disk(small)
    spacy.blank("en").to_disk(tmp_path / "blank")
    lists = {}
    for label in ("a", "b"):
        nlp = spacy.load(pipelines[0])
        ruler = nlp.add_pipe("span_ruler", name="names", first=True)
        ruler.add_patterns([{"label": label, "pattern": "London"}])
        lists[label] = tmp_path / label
        nlp.to_disk(lists[label])
    for arguments, message in (
        ([pipelines[0]], "at least two pipelines"),
        ([pipelines[0], other], "in its labels"),
        ([pipelines[0], small], "in its model"),
        ([pipelines[0], tmp_path / "blank"], "no bilstm_crf_ner component"),
        ([pipelines[0], tmp_path / "nothing"], "no pipeline"),
        ([pipelines[0], pipelines[0]], "named twice"),
        ([lists["a"], lists["b"]], "a different component 'names'"),
        ([*pipelines, "--component", "x"], "no bilstm_crf_ner component 'x'"),
    ):
        said = ensemble(*arguments, "--output", tmp_path / "out", exit_codes=(1,))
        assert message in said
        assert len(said.strip().splitlines()) == 1
        assert not (tmp_path / "out").exists()
    said = ensemble(*pipelines, "--output", other, exit_codes=(1,))
    assert "--force" in said


def test_listeners_are_refused():
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96}
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec")
    member = {**MODEL, "tok2vec": listener}
    model = {"@architectures": "spacy-bilstm-crf.Ensemble.v1", "*": {"one": member}}
    with pytest.raises(ValueError, match="can't listen"):
        nlp.add_pipe("bilstm_crf_ner", config={"model": model})


def test_other_members_are_refused():
    for members, message in (
        ({}, "needs members"),
        ({"one": MODEL["tok2vec"]}, "one is a 'char_cnn_embed'"),
    ):
        model = {"@architectures": "spacy-bilstm-crf.Ensemble.v1", "*": members}
        with pytest.raises(ValueError, match=message):
            spacy.blank("en").add_pipe("bilstm_crf_ner", config={"model": model})

"""`set-threshold`: saves a threshold, and nothing else changes."""

import shutil

import pytest
import spacy
from thinc.api import Config

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.workflows import set_threshold
from tests.helpers import make_nlp, spacy_command, trained_nlp


def run(*arguments, exit_codes=(0,)):
    return spacy_command("bilstm-crf", "set-threshold", *arguments, exit_codes=exit_codes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("pipeline") / "model"
    trained_nlp().to_disk(path)
    return path


def test_the_threshold_is_saved_and_used(folder, tmp_path):
    output = tmp_path / "out"
    said = run(folder, 0.4, "--output", output)
    assert "Saved 'ner' with the threshold 0.4 in" in said
    nlp = spacy.load(output)
    assert nlp.get_pipe("ner").threshold == 0.4
    config = Config().from_disk(output / "config.cfg")
    assert config["components"]["ner"]["threshold"] == 0.4
    assert spacy.load(folder).get_pipe("ner").threshold is None
    before, text = spacy.load(folder), "Who is Shaka Khan? I like London."
    before.get_pipe("ner").threshold = 0.4
    assert [str(ent) for ent in nlp(text).ents] == [str(ent) for ent in before(text).ents]
    # Over the saved one, and in the place of what is read
    run(output, 1, "--output", output, "--force")
    nlp = spacy.load(output)
    assert nlp.get_pipe("ner").threshold == 1.0 and not nlp(text).ents
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_thresholds_of_single_labels(folder, tmp_path):
    output = tmp_path / "out"
    said = run(folder, 0.4, "--label", "PERSON=0.75", "--output", output)
    assert "Saved 'ner' with the threshold 0.4, PERSON 0.75 in" in said
    expected = {"PERSON": 0.75, "LOC": 0.4}
    assert spacy.load(output).get_pipe("ner").threshold == expected
    config = Config().from_disk(output / "config.cfg")
    assert config["components"]["ner"]["threshold"] == expected
    nlp = set_threshold(output, 0.25)
    assert nlp.get_pipe("ner").threshold == 0.25
    messages = []
    set_threshold(nlp, 0.25, by_label={"LOC": 0.25}, on_message=messages.append)
    set_threshold(nlp, 0.25, by_label={"LOC": 0.25}, on_message=messages.append)
    assert len(messages) == 1 and "already" in messages[0]
    with pytest.raises(UserError, match="set one for the other labels"):
        set_threshold(nlp, None, by_label={"LOC": 0.25})


def test_a_label_that_no_config_can_hold_is_saved(tmp_path):
    nlp = make_nlp(labels=["GPE:city"], threshold=0.3)
    set_threshold(nlp, 0.5, by_label={"GPE:city": 0.25}, output=tmp_path)
    assert spacy.load(tmp_path).get_pipe("ner").threshold == {"GPE:city": 0.25}
    set_threshold(tmp_path, 0.5, output=tmp_path)
    assert spacy.load(tmp_path).get_pipe("ner").threshold == 0.5


def test_none_is_the_best_tag_sequence(folder, tmp_path):
    set_threshold(folder, 0.9, output=tmp_path)
    nlp = set_threshold(tmp_path, None, output=tmp_path)
    assert nlp.get_pipe("ner").threshold is None
    assert spacy.load(tmp_path).get_pipe("ner").threshold is None
    nlp.get_pipe("ner").threshold = 0.25  # and by hand as before
    nlp.to_disk(tmp_path)
    assert spacy.load(tmp_path).get_pipe("ner").threshold == 0.25


def test_what_can_not_be_set_is_refused_in_one_line(folder, tmp_path):
    other = spacy.blank("en")
    other.add_pipe("sentencizer", name="ner")
    other.to_disk(tmp_path / "other")
    kept = shutil.copytree(folder, tmp_path / "kept")
    out = ("--output", tmp_path / "out")
    for arguments, message in (
        ((folder, 1.5, *out), "Invalid value for 'threshold'"),
        ((folder, "none", *out), "should be a valid number"),
        ((folder, 0.5, "--label", "LOC=2", *out), "'LOC=2' is no label with a threshold from 0"),
        ((folder, 0.5, "--label", "0.5", *out), "'0.5' is no label with a threshold"),
        ((folder, 0.5, "--label", "CITY=0.5", *out), "a value for CITY, but its labels are"),
        ((tmp_path / "nowhere", 0.5, *out), "There is no pipeline"),
        ((tmp_path / "other", 0.5, *out), "It has: ner (sentencizer)"),
        (
            (folder, 0.5, "--component", "x", *out),
            "no bilstm_crf_ner or bilstm_crf_spans component 'x'",
        ),
        ((folder, 0.5, "--output", kept), "Replace it with --force"),
    ):
        said = run(*arguments, exit_codes=(1,))
        assert message in said and len(said.strip().splitlines()) == 1
        assert not (tmp_path / "out").exists()
    assert spacy.load(kept).get_pipe("ner").threshold is None

"""`set-threshold`: saves a threshold, and nothing else changes."""

import shutil

import pytest
import spacy
from thinc.api import Config

from spacy_bilstm_crf.workflows import set_threshold
from tests.helpers import spacy_command, trained_nlp


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

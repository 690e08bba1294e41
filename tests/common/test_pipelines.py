"""Pipelines that are given loaded, as a folder or by a package's name."""

import errno
import os

import pytest
import spacy

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.common.pipelines import (
    fingerprint,
    import_code,
    load_pipeline,
    pipeline_folder,
    pipeline_name,
    save_pipeline,
)


@pytest.fixture
def folder(tmp_path):
    nlp = spacy.blank("en", meta={"name": "small"})
    nlp.to_disk(tmp_path / "pipeline")
    return tmp_path / "pipeline"


def test_a_loaded_pipeline_is_returned_unchanged():
    nlp = spacy.blank("en", meta={"name": "small"})
    assert load_pipeline(nlp) is nlp
    assert pipeline_name(nlp) == "small"


def test_a_folder_may_be_a_string_or_a_path(folder):
    assert load_pipeline(folder).lang == load_pipeline(str(folder)).lang == "en"
    assert pipeline_folder(folder) == pipeline_folder(str(folder)) == folder
    assert pipeline_name(folder) == str(folder)


@pytest.mark.parametrize("load", [load_pipeline, pipeline_folder])
def test_a_pipeline_that_is_not_there(load, tmp_path):
    with pytest.raises(UserError, match=r"There is no pipeline .*nothing"):
        load(tmp_path / "nothing")


@pytest.mark.parametrize(
    "config",
    ['[nlp]\nlang = "en"\npipeline = ["ner"]\n', '[nlp]\nlang = "qq"\npipeline = []\n', "[nlp"],
)
def test_a_pipeline_that_can_not_be_loaded(config, folder):
    (folder / "config.cfg").write_text(config)
    with pytest.raises(UserError, match="pipeline can't be loaded: ") as raised:
        load_pipeline(folder)
    assert "\n" not in str(raised.value)


def test_a_saved_pipeline_keeps_its_config(tmp_path):
    nlp = spacy.blank("en")
    nlp.config["paths"].update({"train": "data$/train.spacy", "all": "${paths.train}"})
    nlp.add_pipe("span_ruler", config={"spans_key": "a$b"})
    save_pipeline(nlp, tmp_path / "pipeline")
    loaded = load_pipeline(tmp_path / "pipeline")
    assert loaded.config["paths"] == nlp.config["paths"]
    assert loaded.config.interpolate()["paths"]["all"] == "data$/train.spacy"
    assert loaded.get_pipe_config("span_ruler")["spans_key"] == "a$b"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EMFILE, errno.EIO])
def test_an_error_of_the_system_is_not_a_pipeline_that_is_not_there(number, folder, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(number, os.strerror(number), str(folder / "vocab"))

    monkeypatch.setattr("spacy.util.load_model", fail)
    with pytest.raises(UserError) as raised:
        load_pipeline(folder)
    message = f"The pipeline {folder} can't be loaded: {folder / 'vocab'}: {os.strerror(number)}."
    assert str(raised.value) == message


def test_a_folder_without_a_config_is_no_pipeline(tmp_path):
    with pytest.raises(UserError, match="There is no pipeline"):
        load_pipeline(tmp_path)


def test_the_fingerprint_is_that_of_the_content(folder, tmp_path):
    before = fingerprint(folder)
    assert fingerprint(folder.rename(tmp_path / "renamed")) == before
    (tmp_path / "renamed" / "more").write_text("")
    assert fingerprint(tmp_path / "renamed") != before


def test_code_is_run(tmp_path):
    import_code(None)
    (tmp_path / "code.py").write_text("1 / 0")
    with pytest.raises(UserError, match="ZeroDivisionError"):
        import_code(tmp_path / "code.py")
    with pytest.raises(UserError, match=r"--code .*no\.py: there is no such file"):
        import_code(tmp_path / "no.py")

"""What commands have in common that save a pipeline, or run the user's code."""

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span

from tests.helpers import CONFIG, spacy_command, trained_nlp

SAVING = ["calibrate", "ensemble", "shrink"]
TAKING_CODE = ["audit", "report", "select", "serve", "tune", *SAVING]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pipelines")
    nlp = trained_nlp()
    for name in ("one", "two"):
        nlp.to_disk(folder / name)
    return folder


def arguments_of(command, models, corpus, output):
    one, two = models / "one", models / "two"
    return {
        "audit": [models / "no.cfg", corpus, "--output", output],
        "calibrate": [one, corpus, "--output", output],
        "ensemble": [one, two, "--output", output],
        "report": [one, corpus, "--output", output],
        "select": [one, corpus, "--output", output],
        "serve": [one],
        "shrink": [one, output],
        "tune": [models / "no.cfg", models / "no.cfg", "--output", output],
    }[command]


@pytest.mark.parametrize("command", ["audit", "calibrate", "report", "shrink"])
def test_a_text_that_is_too_long_is_one_line(command, models, tmp_path):
    words = ["Londoners"] * 100_001
    doc = Doc(spacy.blank("en").vocab, words=words, spaces=[True] * len(words))
    doc.ents = [Span(doc, 0, 1, label="LOC")]
    path, output = tmp_path / "long.spacy", tmp_path / "out"
    DocBin(docs=[doc]).to_disk(path)
    arguments = {
        **{name: arguments_of(name, models, path, output) for name in ("calibrate", "report")},
        "audit": [CONFIG, path, "--folds", "0", "--output", output],
        "shrink": [models / "one", output, "--data", path],
    }[command]
    said = spacy_command("bilstm-crf", command, *arguments, exit_codes=(1,))
    (error,) = [line for line in said.splitlines() if line.startswith("Error: ")]
    assert "1,000,010 characters" in error and "cut it into several docs" in error
    assert "Traceback" not in said


@pytest.mark.parametrize("command", SAVING)
def test_only_a_pipeline_is_replaced(command, models, corpus, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for output, message in (
        (tmp_path / "folder", "contains something other than a pipeline"),
        (tmp_path / "file", "is a file"),
        (tmp_path / "file" / "below", "is a file"),
    ):
        arguments = arguments_of(command, models, corpus, output)
        said = spacy_command("bilstm-crf", command, *arguments, "--force", exit_codes=(1,))
        assert message in said and len(said.strip().splitlines()) == 1
    assert (tmp_path / "folder" / "thesis.txt").read_text() == "mine"
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("command", TAKING_CODE)
def test_code_that_fails_or_is_not_there(command, models, corpus, tmp_path):
    code = tmp_path / "code.py"
    code.write_text("raise KeyError('mine')")
    for path, message in ((code, "KeyError: 'mine'"), (tmp_path / "no.py", "no.py")):
        arguments = arguments_of(command, models, corpus, tmp_path / "out")
        said = spacy_command("bilstm-crf", command, *arguments, "--code", path, exit_codes=(1,))
        assert message in said and len(said.strip().splitlines()) == 1

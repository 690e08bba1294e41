"""`replace-ner` on the command line, and the line that leads to it."""

import re

import pytest
import spacy
from spacy.tokens import DocBin
from thinc.api import Config, ConfigValidationError

from tests.helpers import entities, examples_for, spacy_command

LITERAL = ('factory = "ner"', 'factory = "bilstm_crf_ner"')


@pytest.fixture
def stock(tmp_path):
    path = tmp_path / "stock.cfg"
    spacy_command("init", "config", path, "--pipeline", "ner")
    return path


def changed(path, *pairs):
    text = path.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return path


def test_the_new_config_trains(stock, tmp_path):
    out = tmp_path / "new.cfg"
    printed = spacy_command("bilstm-crf", "replace-ner", stock, out)
    assert "Replaced: ner" in printed and "tok2vec" in printed
    data = tmp_path / "train.spacy"
    docs = [example.reference for example in examples_for(spacy.blank("en"))]
    DocBin(docs=docs).to_disk(data)
    paths = [f"--paths.{name}={data}" for name in ("train", "dev")]
    short = ["--training.max_steps=60", "--training.eval_frequency=20"]
    command = re.search(r"python -m spacy (train .+)", printed)[1].split()
    spacy_command(*command[:2], "--output", tmp_path / "trained", *paths, *short)
    nlp = spacy.load(tmp_path / "trained" / "model-best")
    assert entities(nlp("I like London and Berlin.")) == [("London", "LOC"), ("Berlin", "LOC")]


def test_to_stdout_and_over_a_file(stock, tmp_path):
    out = tmp_path / "new.cfg"
    spacy_command("bilstm-crf", "replace-ner", stock, out, "--component", "ner")
    assert spacy_command("bilstm-crf", "replace-ner", stock, "-") == out.read_text()
    said = spacy_command("bilstm-crf", "replace-ner", stock, out, exit_codes=(1,))
    assert "exists. Replace it with --force" in said
    spacy_command("bilstm-crf", "replace-ner", stock, out, "--force")
    said = spacy_command("bilstm-crf", "replace-ner", out, out, "--force", exit_codes=(1,))
    assert "is an input file" in said


def blank_moves(text):
    return text.replace("moves = null\n", "").replace("update_with_oracle_cut_size = 100\n", "")


@pytest.mark.parametrize("kind", ["literal", "section", "beam"])
@pytest.mark.parametrize("command", [["train"], ["debug", "config"], ["init", "fill-config"]])
def test_a_factory_changed_alone_is_one_line(kind, command, stock):
    if kind == "beam":
        beam = "beam_width = 32\nbeam_density = 0.01\nbeam_update_prob = 0.5"
        changed(stock, ('factory = "ner"', f'factory = "bilstm_crf_ner"\n{beam}'))
    else:
        changed(stock, LITERAL)
    if kind == "section":  # the section was replaced, but not those below it
        stock.write_text(blank_moves(stock.read_text()))
    said = spacy_command(*command, stock, exit_codes=(1,))
    _, line = said.split("✘ ")  # wrapped to the width of the terminal
    line = " ".join(re.sub(r"\x1b\[\d*m", "", line).split())
    assert line == (
        "A bilstm_crf_ner can't have the model of spaCy's ner, spacy.TransitionBasedParser.v2. "
        "Replace all of the component: python -m spacy bilstm-crf replace-ner CONFIG OUT"
    )


def test_the_same_in_python(stock):
    block = Config().from_disk(changed(stock, LITERAL))["components"]["ner"]
    block.pop("factory")
    with pytest.raises(ConfigValidationError, match="replace-ner"):
        spacy.blank("en").add_pipe("bilstm_crf_ner", config=block)


def test_another_architecture_is_refused_by_name():
    nlp = spacy.blank("en")
    model = nlp.add_pipe("tagger") and nlp.config["components"]["tagger"]["model"]
    with pytest.raises(ValueError, match=r"must be 'spacy-bilstm-crf\.BiLSTMCRF\.v1'"):
        nlp.add_pipe("bilstm_crf_ner", config={"model": model})

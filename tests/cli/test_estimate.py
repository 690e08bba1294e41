"""`estimate`: a table of scores, and what it refuses."""

import json
import re

import pytest

from tests.helpers import spacy_command, trained_nlp


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    path = tmp_path_factory.mktemp("pipeline") / "model"
    nlp = trained_nlp()
    nlp.get_pipe("ner").cfg["temperature"] = 1.5
    nlp.to_disk(path)
    return path


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "texts.jsonl"
    lines = [{"text": "I like London."}, {"text": "Who is Shaka Khan?"}, {"text": ""}]
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def estimate(*arguments, exit_codes=(0,)):
    return spacy_command("bilstm-crf", "estimate", *arguments, exit_codes=exit_codes)


def test_a_table_of_all_labels_and_each(pipeline, texts):
    printed = estimate(pipeline, texts, "--samples", "100")
    interval = r"\s+\d+\.\d \(\d+\.\d to \d+\.\d\)"
    for label in ("all labels", "LOC", "PERSON"):
        assert re.search(rf"^{label}\s+\d+\s+\d+\.\d{interval * 3}$", printed, re.MULTILINE), label
    assert "3 texts, intervals of 95 %" in printed
    assert "not calibrated" not in printed


def test_what_is_wrong_is_said_in_one_line(pipeline, tmp_path):
    nothing = tmp_path / "nothing.jsonl"
    nothing.write_text("")
    for arguments, message in (
        ((pipeline, nothing), "contains no text"),
        ((pipeline, tmp_path / "none.txt"), "none.txt"),
        ((pipeline, nothing, "--samples", "1"), "samples"),
        ((pipeline, nothing, "--component", "other"), "no bilstm_crf_ner component 'other'"),
    ):
        printed = estimate(*arguments, exit_codes=(1,))
        assert sum(line.startswith("Error: ") for line in printed.splitlines()) == 1
        assert message in printed

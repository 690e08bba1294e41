"""`convert` from Python: what it returns, and what it refuses before it writes."""

import json

import pytest

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.formats import ColumnSettings
from spacy_bilstm_crf.data.formats.docs import ANY_LANGUAGE
from spacy_bilstm_crf.workflows import convert

BAD = {"id": 2, "text": "Ada saw Rome", "label": [[0, 3, "PER"], [9, 12, "LOC"]], "relations": [{}]}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps(BAD))
    return path


def test_it_returns_the_files_and_the_findings(path, tmp_path):
    output, said = tmp_path / "out.spacy", []
    result = convert(
        str(path), str(output), source="doccano", on_problem="missing", on_progress=said.append
    )
    ((written, contents),) = result.files
    assert (written, contents.n_docs, contents.labels) == (output, 1, {"PER": 1})
    assert [problem.kind for problem in result.findings.problems] == ["not on tokens"]
    assert result.findings.notes["relations left out"] == 1
    assert said == ["1 relations left out", f"1 {ANY_LANGUAGE}"]
    assert result.problems_path == tmp_path / "out.spacy.problems.jsonl"
    path.write_text(json.dumps({"text": "Ada", "label": []}))
    assert convert(path, output, source="doccano", force=True).problems_path is None


@pytest.mark.parametrize("target", ["spacy", "brat"])
def test_of_two_runs_to_one_output_the_second_is_refused(target, path, tmp_path):
    """It saw no file when it began. The first said "20,000 docs" of a file that had 8,409."""
    output = tmp_path / "out"

    def convert_meanwhile(_):
        if not output.exists():
            convert(first, output, source="doccano", target=target)

    first = tmp_path / "first.jsonl"
    first.write_text(json.dumps({"text": "Ada", "label": [[0, 3, "PER"]]}))
    arguments = {"source": "doccano", "target": target, "on_problem": "missing"}
    with pytest.raises(UserError, match="was written meanwhile, by something else"):
        convert(path, output, **arguments, on_progress=convert_meanwhile)
    back = convert(output, tmp_path / "back", source=target, target="doccano")
    assert [file.n_docs for file in back.files] == [1]
    assert json.loads((tmp_path / "back").read_text())["text"] == "Ada"
    assert not list(tmp_path.glob(".*"))
    assert convert(path, output, **arguments, force=True).files[0].n_docs == 1


def test_with_a_problem_nothing_is_written(path, tmp_path):
    said = []
    with pytest.raises(UserError, match="1 problems, and nothing was written"):
        convert(path, tmp_path / "out.spacy", source="doccano", on_progress=said.append)
    assert said == ["1 relations left out", f"1 {ANY_LANGUAGE}"]
    listed = tmp_path / "out.spacy.problems.jsonl"
    assert sorted(tmp_path.iterdir()) == [path, listed]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"source": "x"}, "source x: it must be one of brat, "),
        ({"target": "x"}, "target x: it must be one of brat, "),
        ({"on_problem": "x"}, "on_problem x: it must be one of error, skip, missing"),
        ({"unannotated": "x"}, "unannotated x: it must be one of outside, missing"),
        ({"columns": ColumnSettings("x")}, "scheme x: it must be one of auto, iob1"),
    ],
)
def test_arguments_that_can_not_be(arguments, message, path, tmp_path):
    with pytest.raises(UserError, match=message):
        convert(path, tmp_path / "out.spacy", **{"source": "doccano", **arguments})

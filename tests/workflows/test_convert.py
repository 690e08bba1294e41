"""`convert` from Python: what it returns, and what it refuses before it writes."""

import json

import numpy as np
import pytest
import spacy
from spacy.tokens import DocBin, Span, SpanGroup
from spacy.training import Example

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.formats import ColumnSettings
from spacy_bilstm_crf.data.formats.docs import ANY_LANGUAGE
from spacy_bilstm_crf.training.spans import is_span_annotated
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
        ({"source": "x"}, "source x: it must be one of bioc, brat, "),
        ({"target": "x"}, "target x: it must be one of brat, "),
        ({"on_problem": "x"}, "on_problem x: it must be one of error, skip, missing"),
        ({"unannotated": "x"}, "unannotated x: it must be one of outside, missing"),
        ({"columns": ColumnSettings("x")}, "scheme x: it must be one of auto, iob1"),
        ({"columns": ColumnSettings(tag=())}, "There is no column of tags"),
        ({"overlaps": "x"}, "overlaps x: it must be one of problem, longest, keep"),
        (
            {"overlaps": "keep", "unannotated": "missing"},
            "--overlaps keep is for documents that are completely annotated",
        ),
        ({"overlaps": "keep", "spans_key": "incorrect_spans"}, "is the key of other spans"),
        ({"overlaps": "keep", "spans_key": "predictions"}, "is the key of other spans"),
        ({"overlaps": "keep", "target": "conll"}, "conll can't hold entities that overlap"),
    ],
)
def test_arguments_that_can_not_be(arguments, message, path, tmp_path):
    with pytest.raises(UserError, match=message):
        convert(path, tmp_path / "out.spacy", **{"source": "doccano", **arguments})
    assert list(tmp_path.iterdir()) == [path]


NESTED = [[0, 12, "WORK"], [0, 3, "PER"]]


def test_entities_that_overlap_are_a_problem_unless_they_are_kept(path, tmp_path):
    path.write_text(json.dumps({"text": "Ada saw Rome", "label": NESTED}))
    with pytest.raises(UserError, match="--overlaps keep keeps entities that overlap"):
        convert(path, tmp_path / "out.spacy", source="doccano")
    result = convert(path, tmp_path / "out.spacy", source="doccano", overlaps="keep")
    assert str(result.files[0].contents) == "1 doc, 2 entities (PER 1, WORK 1), 2 of them overlap"
    back = tmp_path / "back.jsonl"
    arguments = {"source": "spacy", "target": "doccano", "overlaps": "keep"}
    convert(tmp_path / "out.spacy", back, **arguments)
    assert json.loads(back.read_text())["label"] == [[0, 3, "PER"], [0, 12, "WORK"]]
    with pytest.raises(UserError, match=r"none of 1 docs has doc.spans\['x'\]: name another key"):
        convert(tmp_path / "out.spacy", tmp_path / "x.jsonl", **arguments, spans_key="x")
    assert not (tmp_path / "x.jsonl").exists()


def test_it_is_refused_to_keep_overlap_if_no_document_is_completely_annotated(path, tmp_path):
    span = {"start": 0, "end": 3, "label": "PER"}
    task = {"text": "Ada saw Rome", "spans": [span], "answer": "accept", "_view_id": "ner"}
    path.write_text(json.dumps(task))
    arguments = {"source": "prodigy", "overlaps": "keep"}
    message = "none of 1 docs is completely annotated: leave out --overlaps keep"
    with pytest.raises(UserError, match=message):
        convert(path, tmp_path / "out.spacy", **arguments)
    path.write_text(json.dumps({**task, "answer": "reject"}))  # which something can be learned from
    ((_, contents),) = convert(path, tmp_path / "out.spacy", **arguments).files
    assert (contents.n_incorrect, contents.n_without_spans) == (1, 1)


def test_what_overlaps_is_read_by_spancat_and_its_replacement(path, tmp_path):
    texts = [("Ada saw Rome", NESTED), ("Bob ran", []), ("Rome fell", None)]
    lines = [{"text": text, **({} if x is None else {"label": x})} for text, x in texts]
    path.write_text("\n".join(map(json.dumps, lines)))
    arguments = {"source": "doccano", "lang": "en", "overlaps": "keep"}
    ((written, contents),) = convert(path, tmp_path / "out.spacy", **arguments).files
    assert (contents.n_docs, contents.n_without_spans) == (3, 1)
    nlp = spacy.blank("en")
    references = list(DocBin().from_disk(written).get_docs(nlp.vocab))
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in references]
    for factory in ("spancat", "bilstm_crf_spans"):
        component = nlp.add_pipe(factory)
        component.initialize(lambda: examples, nlp=nlp)
        assert sorted(component.labels) == ["PER", "WORK"]
    assert [is_span_annotated(example, "sc") for example in examples] == [True, True, False]


def test_entities_beside_unknown_tags_of_another_column_are_counted(tmp_path):
    (tmp_path / "nested.conll").write_text("Rome B-LOC ?\nis O O\n\nOslo B-LOC O\n\n")
    said = []
    convert(
        tmp_path / "nested.conll",
        tmp_path / "nested.spacy",
        source="conll",
        overlaps="keep",
        columns=ColumnSettings(tag=(1, 2)),
        on_progress=said.append,
    )
    expected = "1 entities left out, as other annotation of their tokens is missing or invalid"
    assert expected in said


def test_scores_that_are_no_numbers_are_not_written(tmp_path):
    nlp = spacy.blank("en")
    doc = nlp.make_doc("Ada met Kim")
    scores = np.array([0.5, np.nan], dtype=np.float32)
    spans = [Span(doc, 0, 1, "PER"), Span(doc, 2, 3, "PER")]
    doc.spans["sc"] = SpanGroup(doc, name="sc", attrs={"scores": scores}, spans=spans)
    DocBin(docs=[doc], store_user_data=True).to_disk(tmp_path / "docs.spacy")
    for target in ("prodigy", "label-studio"):
        found = convert(
            tmp_path / "docs.spacy",
            tmp_path / target,
            source="spacy",
            target=target,
            overlaps="keep",
            lang="en",
        )
        assert found.files[0].contents.n_entities == 2
        assert "NaN" not in (tmp_path / target).read_text()

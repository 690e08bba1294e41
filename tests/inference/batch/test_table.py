"""The core: a table in, a table out, whatever a row holds."""

import pickle

import pyarrow as pa
import pytest
import spacy

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.texts import TextSettings
from spacy_bilstm_crf.inference.batch import AnnotatorSettings, TableAnnotator, run
from spacy_bilstm_crf.inference.batch.parts import Part
from spacy_bilstm_crf.inference.batch.table import load_annotator
from tests.helpers import trained_nlp
from tests.inference.batch.data import ruler_pipeline

TEXTS = ["I like London.", "", "Who is Shaka Khan?", "\U0001f600 Berlin\x00 \r\n"]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    path = tmp_path_factory.mktemp("pipeline") / "model"
    trained_nlp().to_disk(path)
    return str(path)


def table(texts, type_=None):
    return pa.table({"id": pa.array(range(len(texts))), "text": pa.array(texts, type_)})


def spans(entities):
    return [(e["start"], e["end"], e["text"], e["label"]) for e in entities]


def test_a_batch_has_a_text_at_least(pipeline):
    with pytest.raises(ValueError, match="batch_size must be at least 1, but is 0"):
        TableAnnotator(AnnotatorSettings(pipeline, batch_size=0))


def test_entities_are_those_of_the_pipeline(pipeline):
    annotator = pickle.loads(
        pickle.dumps(TableAnnotator(AnnotatorSettings(pipeline, batch_size=2)))
    )
    found = annotator(table(TEXTS)).to_pylist()
    nlp = spacy.load(pipeline)
    assert [row["id"] for row in found] == ["0", "1", "2", "3"]
    for row, text in zip(found, TEXTS, strict=True):
        doc = nlp(text)
        ents = [(e.start_char, e.end_char, e.text, e.label_) for e in doc.ents]
        assert spans(row["entities"]) == ents
        assert all(text[e["start"] : e["end"]] == e["text"] for e in row["entities"])
        assert [e["confidence"] for e in row["entities"]] == pytest.approx(
            [ent._.confidence for ent in doc.ents]
        )
        assert (row["n_tokens"], row["error"]) == (len(doc), None)
        assert "candidates" not in row


def test_candidates_are_those_of_the_component(pipeline):
    settings = AnnotatorSettings(pipeline, candidates=0.01)
    found = TableAnnotator(settings)(table(TEXTS)).to_pylist()
    nlp = spacy.load(pipeline)
    ner = nlp.get_pipe("ner")
    ner.candidates_threshold, ner.candidates_key = 0.01, "all"
    for row, text in zip(found, TEXTS, strict=True):
        doc = nlp(text)
        group = doc.spans.get("all", ())
        expected = [(s.start_char, s.end_char, s.text, s.label_) for s in group]
        assert spans(row["candidates"]) == expected
        scores = [float(p) for p in group.attrs["scores"]] if len(group) else []
        assert [c["confidence"] for c in row["candidates"]] == pytest.approx(scores)


def test_a_row_that_fails_says_why_and_leaves_the_others(tmp_path):
    path = ruler_pipeline(tmp_path / "model", "test_stumbles")
    settings = AnnotatorSettings(str(path), max_length=20)
    texts = ["in London", None, "stumble here", "long " * 10, "in Rome", "stumble"]
    annotated = TableAnnotator(settings)(table(texts))
    for _ in range(2):  # and the pipeline is as it was afterwards
        assert annotated.column("error").to_pylist() == [
            None,
            "There is no text.",
            "RuntimeError: no such thing",
            "The text has 50 characters, and max_length is 20.",
            None,
            "RuntimeError: no such thing",
        ]
        rows = annotated.to_pylist()
        assert [len(row["entities"] or ()) for row in rows] == [1, 0, 0, 0, 1, 0]
        assert rows[1]["entities"] is None and rows[0]["entities"][0]["confidence"] is None
        annotated = TableAnnotator(settings)(table(texts))


def test_texts_that_are_none(tmp_path):
    settings = AnnotatorSettings(str(ruler_pipeline(tmp_path / "model")))
    rows = TableAnnotator(settings)(table([7, None])).to_pylist()
    assert [row["error"] for row in rows] == [
        "The text is not a string, but int.",
        "There is no text.",
    ]
    empty = TableAnnotator(settings)(table([], pa.string()))
    assert empty.num_rows == 0 and empty.column_names == ["id", "entities", "n_tokens", "error"]


def test_a_pipeline_without_candidates_is_refused(tmp_path):
    settings = AnnotatorSettings(str(ruler_pipeline(tmp_path / "model")), candidates=0.1)
    with pytest.raises(
        ValueError, match=r"no bilstm_crf_ner or bilstm_crf_spans component.*It has: entity_ruler"
    ):
        load_annotator(settings)


def test_more_than_a_column_can_hold_is_said_in_one_line(tmp_path, monkeypatch):
    def too_large(*arguments):
        raise pa.lib.ArrowCapacityError("array cannot contain more than 2147483646 bytes")

    monkeypatch.setattr(run, "read_part", too_large)
    work = run.Work(str(tmp_path), TextSettings(), 2000, AnnotatorSettings("model"))
    part = Part(7, ("a.txt",), 0, 1, 0, 1, ())
    with pytest.raises(UserError, match=r"Part 7 has more characters .* set fewer --rows"):
        work.do(part)

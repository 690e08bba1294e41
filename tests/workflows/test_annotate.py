"""`annotate` and `serve` as functions, without a command line."""

import json
import shutil
import sys

import pyarrow.parquet as pq
import pytest
import spacy
from spacy.tokens import Doc, DocBin

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.workflows import AnnotateProgress, annotate, serve
from tests.inference.batch.data import ruler_pipeline, write_rows


@pytest.fixture(scope="module")
def nlp(tmp_path_factory):
    return spacy.load(ruler_pipeline(tmp_path_factory.mktemp("ruler") / "model"))


def test_a_loaded_pipeline_and_how_far_it_is(nlp, tmp_path):
    path, seen = write_rows(tmp_path / "in.jsonl", 25), []
    summary = annotate(nlp, path, tmp_path / "out", rows=10, on_progress=seen.append)
    assert summary == (tmp_path / "out", 25, 3, 0, None, 25, 0)
    assert [progress.n_rows for progress in seen] == [0, 10, 20, 25]
    rows = pq.read_table(tmp_path / "out").to_pylist()
    assert seen[-1] == AnnotateProgress(25, 25, sum(row["n_tokens"] for row in rows))
    assert all(len(row["entities"]) == 1 for row in rows)
    seen.clear()
    (tmp_path / "out" / "part-000001.parquet").unlink()
    annotate(nlp, path, tmp_path / "out", rows=10, on_progress=seen.append)
    assert [progress.n_rows for progress in seen] == [15, 25]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no locks of folders")
@pytest.mark.parametrize("overwrite", [False, True])
def test_two_runs_do_not_write_to_one_folder(overwrite, nlp, tmp_path):
    """They mixed two schemas and two pipelines, and both ended with exit code 0."""
    path, refused = write_rows(tmp_path / "in.jsonl", 25), []

    def second(_):
        if not refused:
            with pytest.raises(UserError) as error:
                annotate(nlp, path, tmp_path / "out", rows=5, overwrite=overwrite)
            refused.append(str(error.value))

    annotate(nlp, path, tmp_path / "out", rows=10, on_progress=second)
    assert refused == [
        f"Another run is writing to {tmp_path / 'out'}. Wait for its end, or name another folder."
    ]
    assert pq.read_table(tmp_path / "out").num_rows == 25
    annotate(nlp, path, tmp_path / "out", rows=5, overwrite=True)
    assert pq.read_table(tmp_path / "out").num_rows == 25


@pytest.mark.parametrize("target", ["parquet", "jsonl"])
def test_parts_that_are_not_of_this_run_are_seen(target, nlp, tmp_path):
    path, out = write_rows(tmp_path / "in.jsonl", 25), tmp_path / "out"
    annotate(nlp, path, out, rows=10, target=target)
    shutil.copy(out / f"part-000001.{target}", out / f"part-000003.{target}")
    with pytest.raises(UserError, match=f"part-000003.{target} is of another run"):
        annotate(nlp, path, out, rows=10, target=target)
    assert annotate(nlp, path, out, rows=10, target=target, overwrite=True).n_files == 3
    assert len(list(out.glob("part-*"))) == 3


def test_docs_with_words_of_their_own(nlp, tmp_path):
    words = ["in", "London", ":-", ")", "don't"]  # which the tokenizer cuts elsewhere
    doc = Doc(nlp.vocab, words=words)
    doc.user_data["id"] = "a"
    DocBin(docs=[doc, nlp.make_doc("in Rome")], store_user_data=True).to_disk(tmp_path / "a.spacy")
    annotate(nlp, tmp_path / "a.spacy", tmp_path / "out")
    first, second = pq.read_table(tmp_path / "out").to_pylist()
    assert (first["id"], first["n_tokens"]) == ("a", len(words))
    assert second["id"] == f"{tmp_path / 'a.spacy'}:2"
    assert [row["entities"][0]["text"] for row in (first, second)] == ["London", "Rome"]


def test_all_kinds_of_files_have_the_same_entities(nlp, tmp_path):
    text = "Is it\nin Rome?"
    (tmp_path / "a.txt").write_text(text)
    (tmp_path / "b.jsonl").write_text(json.dumps({"body": text}))
    DocBin(docs=[nlp.make_doc(text)]).to_disk(tmp_path / "c.spacy")
    annotate(nlp, tmp_path, tmp_path / "out", text_key="body")
    rows = pq.read_table(tmp_path / "out").to_pylist()
    assert len(rows) == 3 and all(row["entities"] == rows[0]["entities"] for row in rows)
    annotate(nlp, tmp_path / "*.txt", tmp_path / "lines", lines=True)
    assert pq.read_table(tmp_path / "lines").num_rows == 2


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"jobs": 0}, "jobs must be at least 1, but is 0"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"rows": -1}, "rows must be at least 1"),
        ({"max_length": 0}, "max_length must be at least 1"),
        ({"candidates": 2}, "candidates must be a probability, from 0 to 1, but is 2"),
        ({"candidates": 0.5}, "has no bilstm_crf_ner or bilstm_crf_spans component"),
        ({"engine": "dask"}, "engine dask: it must be one of local, ray, spark"),
        ({"code": "nowhere.py"}, "nowhere.py"),
        ({"pipeline": "nowhere"}, "There is no pipeline nowhere"),
        ({"inputs": "nowhere.jsonl"}, "There is no file or folder nowhere.jsonl"),
    ],
)
def test_what_can_not_be_annotated_is_told(arguments, message, nlp, tmp_path):
    path = write_rows(tmp_path / "in.jsonl", 3)
    given = {"pipeline": nlp, "inputs": path, "output": tmp_path / "out", **arguments}
    with pytest.raises(UserError, match=message):
        annotate(**given)
    assert not list(tmp_path.glob("out/part*"))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"port": 70000}, "port must be at most 65535"),
        ({"port": -1}, "port must be at least 0"),
        ({"workers": 0}, "workers must be at least 1"),
        ({"workers": 2}, "give its folder"),
        ({"max_texts": 0}, "max_texts must be at least 1"),
        ({"threshold": -0.5}, "threshold must be a probability"),
        ({"threshold": 0.5}, "has no bilstm_crf_ner or bilstm_crf_spans component"),
        ({"host": "no.such.host.invalid"}, "Can't listen on no.such.host.invalid"),
        ({"pipeline": "nowhere"}, "There is no pipeline nowhere"),
    ],
)
def test_what_can_not_be_served_is_told(arguments, message, nlp):
    with pytest.raises(UserError, match=message):
        serve(**{"pipeline": nlp, **arguments})

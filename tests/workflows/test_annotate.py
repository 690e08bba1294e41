"""`annotate` and `serve` as functions, without a command line."""

import json
import shutil
import sys

import pyarrow.parquet as pq
import pytest
import spacy
import srsly
from spacy.tokens import Doc, DocBin

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.workflows import AnnotateProgress, annotate, export, serve
from tests.helpers import SMALL_MODEL, char_embed_model, trained_nlp
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


SAMPLED = ["I like London.", "", "Who is Shaka Khan?", "Berlin or London?", "I like London."]


@pytest.fixture(scope="module")
def unsure(tmp_path_factory):
    """A trained pipeline, and the same exported and with merged tokens, that doubt everything."""
    folder, nlp = tmp_path_factory.mktemp("unsure"), trained_nlp(model=char_embed_model())
    nlp.get_pipe("ner").cfg["temperature"] = 5.0
    nlp.to_disk(folder / "torch")
    exported = export(folder / "torch").nlp
    exported.add_pipe("merge_entities")
    exported.to_disk(folder / "exported")
    return folder


def sampled(pipeline, output, **options):
    path = output.with_name("texts.jsonl")
    if not path.exists():
        rows = [json.dumps({"id": i, "text": text}) for i, text in enumerate([*SAMPLED, None])]
        path.write_text("\n".join(rows))
    summary = annotate(pipeline, path, output, **{"samples": 20, **options})
    files = sorted(output.glob("part-*"))
    if options.get("target") == "jsonl":
        return summary, [row for file in files for row in srsly.read_jsonl(file)]
    return summary, pq.read_table(output).to_pylist()


def test_samples_do_not_depend_on_how_the_work_is_cut(unsure, tmp_path):
    _, rows = sampled(unsure / "torch", tmp_path / "one")
    samples = [row["samples"] for row in rows]
    assert [len(of_row) for of_row in samples[:-1]] == [20] * len(SAMPLED)
    assert samples[-1] is None and rows[-1]["error"] == "There is no text."
    assert samples[0] != samples[4]  # the same text with another id
    assert len({json.dumps(of_one) for of_one in samples[0]}) > 2
    for text, of_row in zip(SAMPLED, samples):
        for entity in (entity for of_one in of_row for entity in of_one):
            assert list(entity) == ["start", "end", "text", "label"]
            assert text[entity["start"] : entity["end"]] == entity["text"]
    for number, options in enumerate(
        (
            {"batch_size": 1},
            {"rows": 2, "jobs": 2},
            {"target": "jsonl", "rows": 4},
            {"candidates": 0.1},
        )
    ):
        _, others = sampled(unsure / "torch", tmp_path / str(number), **options)
        assert [row["samples"] for row in others] == samples
    _, others = sampled(unsure / "exported", tmp_path / "exported")
    assert [row["samples"] for row in others] == samples
    _, others = sampled(unsure / "torch", tmp_path / "another", seed=1)
    assert [row["samples"] for row in others] != samples


def test_other_samples_are_another_run(unsure, tmp_path):
    sampled(unsure / "torch", tmp_path / "out", rows=2)
    (tmp_path / "out" / "part-000001.parquet").unlink()
    for options in ({"samples": 21}, {"samples": None}, {"seed": 1}):
        with pytest.raises(UserError, match="with other settings"):
            sampled(unsure / "torch", tmp_path / "out", rows=2, **options)
    summary, rows = sampled(unsure / "torch", tmp_path / "out", rows=2)
    assert summary.n_rows == len(rows) == 6
    _, others = sampled(unsure / "torch", tmp_path / "again", rows=2)
    assert others == rows


def test_samples_of_overlapping_entities(tmp_path):
    nlp = spacy.blank("en")
    recognizer = nlp.add_pipe("bilstm_crf_spans", config={"model": SMALL_MODEL, "levels": 2})
    recognizer.add_label("LOC")
    nlp.initialize()
    recognizer.cfg["temperature"] = 5.0
    _, rows = sampled(nlp, tmp_path / "out")
    spans = [(e["start"], e["end"]) for of_one in rows[0]["samples"] for e in of_one]
    assert (0, 14) in spans and (2, 13) in spans


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"samples": 0}, "samples must be at least 1, but is 0"),
        ({"samples": 5}, "exactly one bilstm_crf_ner or bilstm_crf_spans .* It has: none"),
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

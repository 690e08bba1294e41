"""Columns of the input beside its texts: each value stays with its row, and in its type."""

import datetime
import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import spacy
from spacy.tokens import DocBin

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.texts import TextSettings, text_files
from spacy_bilstm_crf.inference.batch.columns import columns_of
from spacy_bilstm_crf.inference.batch.parts import parts_of, read_part

TAKEN = ("id", "text", "entities", "n_tokens", "error")
WITH_COLUMNS = TextSettings(columns=True)


def columns_in(path, rows=2, shuffled=False, taken=TAKEN, settings=WITH_COLUMNS):
    """The other columns of all parts as one table, and the texts beside them."""
    files = text_files(path)
    columns = columns_of(files, settings, taken)
    parts = list(parts_of(files, settings, rows))
    order = random.Random(0).sample(parts, len(parts)) if shuffled else parts
    read = {part.number: read_part(part, settings, columns) for part in order}
    found, others = zip(*(read[part.number] for part in parts))
    for one in others:
        assert one.schema == others[0].schema
    texts_ = [text for table in found for text in table.column("text").to_pylist()]
    return pa.concat_tables(others), texts_


def write_lines(path, *values):
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return path


def test_types_of_json_values(tmp_path):
    path = write_lines(
        tmp_path / "in.jsonl",
        {"text": "a", "n": 1, "x": 1, "b": True, "s": "é", "m": 1, "l": [1], "big": 1 << 70},
        {"text": "b", "n": 2, "x": 0.5, "s": None, "m": "one", "l": {"a": "\ud800"}},
        {"text": None, "n": None, "later": "x", "none": None},
    )
    path.write_text(path.read_text() + "no json\n")
    table, found = columns_in(path)
    assert found == ["a", "b", None, None]
    assert table.to_pydict() == {
        "n": [1, 2, None, None],
        "x": [1.0, 0.5, None, None],
        "b": [True, None, None, None],
        "s": ["é", None, None, None],
        "m": ["1", "one", None, None],
        "l": ["[1]", '{"a": "?"}', None, None],
        "big": [str(1 << 70), None, None, None],
        "later": [None, None, "x", None],
        "none": [None] * 4,
    }
    assert table.schema.field("n").type == pa.int64()


def test_csv_and_docs(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("id,year,text,source\n1,1833,a,x\n2,,b,\n3,c\n")
    table, found = columns_in(path)
    assert found == ["a", "b", None]
    assert table.to_pydict() == {"year": ["1833", "", "c"], "source": ["x", "", None]}
    docs = [spacy.blank("en").make_doc(text) for text in "abc"]
    DocBin(docs=docs).to_disk(tmp_path / "in.spacy")
    assert columns_in(tmp_path / "in.spacy")[0].num_columns == 0
    docs[1].user_data["meta"] = {"source": "x"}
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "in.spacy")
    table, found = columns_in(tmp_path / "in.spacy")
    assert table.to_pydict() == {"meta": [None, '{"source": "x"}', None]}


@pytest.mark.parametrize("shuffled", [False, True])
def test_columns_of_parquet_keep_their_types(shuffled, tmp_path):
    n = 23
    written = pa.table(
        {
            "text": [f"text {i}" for i in range(n)],
            "at": pa.array([datetime.datetime(2020, 1, 1 + i) for i in range(n)]),
            "list": [[i, i + 1] for i in range(n)],
            "kind": pa.array([f"k{i % 3}" for i in range(n)]).dictionary_encode(),
            "n": pa.array(range(n), pa.int16()),
        }
    )
    pq.write_table(written, tmp_path / "in.parquet", row_group_size=7)
    table, found = columns_in(tmp_path / "in.parquet", rows=3, shuffled=shuffled)
    assert found == written.column("text").to_pylist()
    assert table.to_pydict() == written.drop_columns(["text"]).to_pydict()
    assert table.schema.field("n").type == pa.int16()
    assert table.schema.field("at").type == written.schema.field("at").type
    assert table.schema.field("kind").type == pa.string()


def test_files_that_have_other_columns(tmp_path):
    pq.write_table(pa.table({"text": ["a"], "n": [1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": ["b"], "x": [0.5]}), tmp_path / "b.parquet")
    write_lines(tmp_path / "c.jsonl", {"text": "c", "n": 2, "x": 1})
    (tmp_path / "d.txt").write_text("d")
    table, found = columns_in(tmp_path)
    assert found == ["d", "a", "b", "c"]
    assert table.to_pydict() == {"n": [None, 1, None, 2], "x": [None, None, 0.5, 1.0]}
    write_lines(tmp_path / "e.jsonl", {"text": "e", "n": "two"})
    with pytest.raises(UserError, match=r"e\.jsonl has a column of another type .*--no-columns"):
        columns_in(tmp_path)


def test_names_of_the_output_are_taken(tmp_path):
    path = write_lines(
        tmp_path / "in.jsonl",
        {"body": "a", "nr": 7, "entities": [], "text": "t", "id": 1, "input_id": 2, "words": ["w"]},
    )
    settings = TextSettings("body", "nr", columns=True)
    table, found = columns_in(path, settings=settings)
    assert found == ["a"]
    assert table.to_pylist() == [
        {
            "input_entities": "[]",
            "input_text": "t",
            "input_input_id": 1,
            "input_id": 2,
            "words": '["w"]',
        }
    ]


def test_two_columns_of_one_name_are_refused(tmp_path):
    twice = pa.table([pa.array(["a"]), pa.array([1]), pa.array([2])], names=["text", "n", "n"])
    pq.write_table(twice, tmp_path / "in.parquet")
    with pytest.raises(UserError, match="two columns named 'n': rename one"):
        columns_in(tmp_path / "in.parquet")


@pytest.mark.parametrize("header", ["text,n,n", "text,,"])
def test_two_columns_of_one_name_in_csv_are_refused(header, tmp_path):
    (tmp_path / "in.csv").write_text(f"{header}\na,1,2\n")
    with pytest.raises(UserError, match=r"two columns named '.?': rename one, or .* --no-columns"):
        columns_in(tmp_path / "in.csv")


def test_large_numbers_beside_fractions_stay_as_they_are(tmp_path):
    large = 2**60 + 1
    path = write_lines(tmp_path / "in.jsonl", {"text": "a", "n": large}, {"text": "b", "n": 0.5})
    found, _ = columns_in(path)
    assert found.column("n").to_pylist() == [str(large), "0.5"]
    path = write_lines(tmp_path / "in.jsonl", {"text": "a", "n": large}, {"text": "b", "n": 3})
    found, _ = columns_in(path)
    assert found.column("n").to_pylist() == [large, 3]
    pq.write_table(pa.table({"text": ["a"], "n": [large]}), tmp_path / "a.parquet")
    write_lines(tmp_path / "in.jsonl", {"text": "b", "n": 0.5})
    with pytest.raises(UserError, match=r"a.parquet: the column 'n' can't become double"):
        columns_in(tmp_path)


def test_a_row_group_is_decoded_once_however_many_parts_it_has(tmp_path, monkeypatch):
    n, decoded = 5000, []
    table = pa.table({"text": [str(i) for i in range(n)], "n": range(n)})
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=n)
    read = pq.ParquetFile.iter_batches

    def counted(*arguments, **options):
        for batch in read(*arguments, **options):
            decoded.append(len(batch) * batch.num_columns)
            yield batch

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", counted)
    others, found = columns_in(tmp_path / "in.parquet", rows=100)
    assert found == table.column("text").to_pylist()
    assert others.column("n").to_pylist() == list(range(n))
    assert sum(decoded) == 2 * n

"""Files of all kinds, cut into parts anywhere: every row is read once, and as it is."""

import csv
import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.texts import TextSettings, text_files
from spacy_bilstm_crf.inference.batch.parts import parts_of, read_part

TEXTS = [
    "Ada",
    'say "hi", Bob',
    "two\nlines",
    "cr\r\nlf",
    "\U0001f600 e\u0301",
    " ",
    "x\u2028y\x85z",
]


def rows_of(path, rows=2000, **options):
    """All rows, part by part, and how many rows the parts have."""
    given_settings = TextSettings(**options)
    parts = list(parts_of(text_files(path), given_settings, rows))
    assert [part.number for part in parts] == list(range(len(parts)))
    tables = [read_part(part, given_settings)[0] for part in parts]
    assert [len(table) for table in tables] == [part.n_rows for part in parts]
    assert all(len(table) <= rows for table in tables)
    return [row for table in tables for row in table.to_pylist()]


def write(folder, kind, texts, ids=None):
    ids = ids or [f"id-{i}" for i in range(len(texts))]
    path = folder / f"data.{kind}"
    if kind == "parquet":
        table = pa.table({"id": ids, "text": texts, "other": [1.0] * len(ids)})
        pq.write_table(table, path, row_group_size=3)
    elif kind == "jsonl":
        lines = [json.dumps({"id": i, "text": t}, ensure_ascii=False) for i, t in zip(ids, texts)]
        path.write_bytes("\n".join(lines).encode("utf8"))
    else:
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file, delimiter="\t" if kind == "tsv" else ",")
            writer.writerow(["other", "text", "id"])
            writer.writerows([["1", text, i] for text, i in zip(texts, ids)])
    return path


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "csv", "tsv"])
@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=12), st.integers(1, 5))
def test_every_row_is_read_once_and_as_it_is(kind, tmp_path_factory, texts, rows):
    path = write(tmp_path_factory.mktemp("data"), kind, texts)
    found = rows_of(path, rows=rows)
    assert [row["text"] for row in found] == texts
    assert [row["id"] for row in found] == [f"id-{i}" for i in range(len(texts))]
    assert not any(row["error"] for row in found)


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "csv", "tsv"])
def test_file_and_row_are_the_id_where_there_is_none(kind, tmp_path):
    path = write(tmp_path, kind, ["a", "b", "c"])
    if kind == "parquet":
        pq.write_table(pq.read_table(path).drop_columns("id"), path)
    else:
        old, new = (b'"id"', b'"nr"') if kind == "jsonl" else (b"text\tid", b"text\tnr")
        old, new = (b"text,id", b"text,nr") if kind == "csv" else (old, new)
        path.write_bytes(path.read_bytes().replace(old, new))
    found = rows_of(path, rows=2)
    assert [row["id"] for row in found] == [f"{path}:{i}" for i in (1, 2, 3)]
    with pytest.raises(UserError, match=r"has no 'typo'\. It has:"):
        rows_of(path, id_key="typo")


def test_lines_that_are_no_rows(tmp_path):
    path = tmp_path / "data.jsonl"
    lines = [
        b'\xef\xbb\xbf{"text": "a"}',
        b"",
        b'{"text": ',
        b'["a"]',
        b'{"text": 7, "id": 3}',
        b'{"text": null, "id": 4}',
        b'{"id": 5}',
        b'{"text": "\xff"}',
        b'{"text": "\\ud800", "id": "\\ud800"}',
        b"  ",
        b'{"text": "b", "id": "b"}\r',
    ]
    path.write_bytes(b"\n".join(lines))
    found = rows_of(path, rows=3)
    assert [row["text"] for row in found] == ["a", *[None] * 7, "b"]
    assert [row["id"] for row in found] == [
        *(f"{path}:1", f"{path}:2", f"{path}:3", "3", "4", "5", f"{path}:7", "?", "b")
    ]
    errors = [row["error"] for row in found]
    nothing = "There is no text."
    starts = [None, "Not valid JSON", "Not a JSON object", "The text is not a string, but int."]
    starts += [nothing, nothing]
    starts += ["Not UTF-8 text", "The text is not valid UTF-8", None]
    assert all(
        error is start is None or error.startswith(start) for error, start in zip(errors, starts)
    )


def test_texts_that_are_files_or_lines(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.txt").write_bytes("\ufeffone\r\ntwo\n\nthree".encode())
    (tmp_path / "deep" / "b.txt").write_bytes(b"\xff")
    (tmp_path / "c.pdf").write_text("no text")
    found = rows_of(tmp_path, rows=1)
    assert [row["text"] for row in found] == ["one\r\ntwo\n\nthree", None]
    assert [row["id"] for row in found] == [
        str(tmp_path / "a.txt"),
        str(tmp_path / "deep" / "b.txt"),
    ]
    assert found[1]["error"].startswith("Not UTF-8 text")
    found = rows_of(tmp_path / "*.txt", lines=True, rows=2)
    assert [(row["id"], row["text"]) for row in found] == [
        (f"{tmp_path / 'a.txt'}:1", "one"),
        (f"{tmp_path / 'a.txt'}:2", "two"),
        (f"{tmp_path / 'a.txt'}:3", "three"),
    ]


def test_fields_of_csv_may_be_long(tmp_path):
    text = "long " * 100_000
    assert rows_of(write(tmp_path, "csv", [text]))[0]["text"] == text


def test_byte_order_marks_and_endings_in_capitals(tmp_path):
    path = tmp_path / "DATA.CSV"
    path.write_bytes(b'\xef\xbb\xbf"text","id"\na,1\n')
    assert [(row["id"], row["text"]) for row in rows_of(path)] == [("1", "a")]
    path = tmp_path / "data.JSONL"
    path.write_bytes(b'\xef\xbb\xbf\n{"text": "b", "id": 2}\n')
    assert [(row["id"], row["text"]) for row in rows_of(path)] == [("2", "b")]
    (tmp_path / "folder.jsonl").mkdir()
    assert [row["text"] for row in rows_of(tmp_path)] == ["a", "b"]
    assert [row["text"] for row in rows_of(f"{tmp_path}/**/DATA.CSV")] == ["a"]


def test_a_row_of_csv_with_a_comma_too_many(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(b"id,text\n1,a, b\n2,c \xef\xbf\xbd\n3,d\xff\n4\n")
    rows = rows_of(path)
    assert [row["id"] for row in rows] == ["1", "2", "3", "4"]
    assert [row["text"] for row in rows] == [None, "c \ufffd", None, None]
    assert rows[0]["error"] == "The row has 3 fields, but the header has 2."
    assert rows[2]["error"].startswith("The text is not valid UTF-8")


def bytes_as_strings(values):
    """A column of strings that is not checked for UTF-8, as some programs write it."""
    return pa.array(values, pa.binary()).view(pa.string())


@pytest.mark.parametrize("column", [bytes_as_strings, pa.array])
def test_bytes_in_parquet(column, tmp_path):
    values = [b"e\xcc\x81", b"a\xffb", None]
    pq.write_table(pa.table({"id": column(values), "text": column(values)}), tmp_path / "a.parquet")
    rows = rows_of(tmp_path / "a.parquet")
    assert [row["text"] for row in rows] == ["e\u0301", None, None]
    assert [row["id"] for row in rows] == ["e\u0301", "a?b", f"{tmp_path}/a.parquet:3"]
    assert rows[1]["error"].startswith("The text is not valid UTF-8")


def test_ids_that_are_no_strings(tmp_path):
    ids = pa.array([4 * 10**12], pa.timestamp("s"))  # beyond the years that Python knows
    pq.write_table(pa.table({"id": ids, "text": ["a"]}), tmp_path / "a.parquet")
    assert "4000000000000" in rows_of(tmp_path / "a.parquet")[0]["id"]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f'{{"text": "a", "id": {id_}}}\n' for id_ in ("true", '{"a": 1}', 7)))
    assert [row["id"] for row in rows_of(path)] == ["true", '{"a": 1}', "7"]


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "csv", "txt"])
@pytest.mark.parametrize("change", ["other", "shorter", "empty", "same time"])
def test_a_file_that_changes_after_it_was_cut(kind, change, tmp_path):
    path = tmp_path / "data.txt"
    path.write_text("a\nb\n") if kind == "txt" else None
    path = path if kind == "txt" else write(tmp_path, kind, ["a", "b"])
    settings = TextSettings(lines=True)
    first, second = parts_of(text_files(path), settings, rows=1)
    assert read_part(first, settings)[0].column("text").to_pylist() == ["a"]
    if change == "same time":  # and size
        times = path.stat().st_atime_ns, path.stat().st_mtime_ns
        path.write_bytes(path.read_bytes().replace(b"b", b"c"))
        os.utime(path, ns=times)
    elif change == "other" and kind == "txt":
        path.write_text("ä\nö\n")
    elif change == "other":
        write(tmp_path, kind, ["ä", "ö"])
    else:
        path.write_bytes(path.read_bytes()[: 3 * (change == "shorter")])
    with pytest.raises(UserError, match="has changed since the run began"):
        read_part(second, settings)


def test_a_folder_of_several_kinds(tmp_path):
    for kind in ("parquet", "jsonl", "csv"):
        write(tmp_path, kind, [kind])
    (tmp_path / "a.txt").write_text("text")
    assert [row["text"] for row in rows_of(tmp_path)] == ["text", "csv", "jsonl", "parquet"]


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("data.csv", b"a,b\n1,2\n", "data.csv has no 'text'. It has: a, b. Name .* --text"),
        ("data.csv", b"", "data.csv has no 'text'. It has: nothing"),
        ("data.csv", b"gr\xf6sse,b\n1,2\n", r"data.csv has no 'text'. It has: gr\?sse, b"),
        (
            "data.csv",
            b'text\n"a\nb\nc\n',
            "data.csv is not a valid CSV file, .* a quote that is never closed",
        ),
        (
            "data.tsv",
            b'id\ttext\n1\t"a\n2\tb\n',
            "data.tsv is not a valid CSV file, .* never closed",
        ),
        ("data.csv", b"text\ra\rb\r", "data.csv is not a valid CSV file: a carriage return"),
        ("data.csv", b"text\nb\rc\n", "data.csv is not a valid CSV file, .* a carriage return"),
        ("data.csv", b"text,text\na,b\n", "data.csv has two columns named 'text'"),
        ("data.csv", b"text,id,id\na,1,2\n", "data.csv has two columns named 'id'"),
        ("data.jsonl", b'\n{"txt": "a"}\n', "data.jsonl has no 'text'. It has: txt"),
        ("data.parquet", b"no parquet", "data.parquet is not a Parquet file"),
        (
            "data.pdf",
            b"",
            "data.pdf has no texts that can be read: name files ending in .txt, .json",
        ),
    ],
)
def test_files_that_can_not_be_read(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        rows_of(tmp_path / name)
    with pytest.raises(UserError, match="There is no file"):
        rows_of(tmp_path / "nowhere*")

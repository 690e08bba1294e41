"""The one reader of texts: every kind of file, and one rule for .txt files."""

import csv
import json
import os
from datetime import datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import spacy
from spacy.tokens import Doc, DocBin

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data import texts
from spacy_bilstm_crf.data.texts import TextSettings, read_rows, read_texts, text_files
from spacy_bilstm_crf.inference.batch.parts import parts_of, read_part
from tests.helpers import spacy_command
from tests.systems import FILES

DEEP = b"[" * 300 + b"]" * 300
TEXTS = ["Ada", 'say "hi", Bob', "two\nlines", "\U0001f600 e\u0301", "x\u2028y"]


def write(path, found, text_key="text"):
    rows = [{"id": f"id-{i}", text_key: text} for i, text in enumerate(found)]
    kind = path.suffix
    if kind in (".jsonl", ".ndjson"):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif kind == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif kind == ".spacy":
        docs = [spacy.blank("en").make_doc(text) for text in found]
        for doc, row in zip(docs, rows):
            doc.user_data["id"] = row["id"]
        DocBin(docs=docs, store_user_data=True).to_disk(path)
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(
                file, ["id", text_key], delimiter="\t" if kind == ".tsv" else ","
            )
            writer.writeheader()
            writer.writerows(rows)
    return path


@pytest.mark.parametrize("kind", ["jsonl", "ndjson", "csv", "tsv", "parquet", "spacy"])
def test_every_kind_of_file(kind, tmp_path):
    path = write(tmp_path / f"data.{kind}", TEXTS)
    found = list(read_texts(path))
    assert [text.text for text in found] == TEXTS
    assert [text.id for text in found] == [f"id-{i}" for i in range(len(TEXTS))]
    # Cut anywhere, the rows are the same
    settings = TextSettings()
    for rows in (1, 2, 100):
        tables = [read_part(part, settings)[0] for part in parts_of([path], settings, rows)]
        assert [text for table in tables for text in table.column("text").to_pylist()] == TEXTS
        assert all(len(table) <= rows for table in tables)


def test_a_text_file_is_one_text_or_one_a_line(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffone\r\ntwo\n\n \nthree".encode())
    (whole,) = read_texts(path)
    assert (whole.text, whole.id) == ("one\r\ntwo\n\n \nthree", str(path))
    assert [text.text for text in read_texts(path, lines=True)] == ["one", "two", "three"]
    for settings in (TextSettings(), TextSettings(lines=True)):
        expected = [text.text for text in read_texts(path, lines=settings.lines)]
        (part,) = parts_of(text_files(path), settings, rows=10)
        assert read_part(part, settings)[0].column("text").to_pylist() == expected


@pytest.mark.parametrize("command", ["annotate", "select", "distill"])
def test_the_rule_is_said_in_the_help(command):
    said = " ".join(spacy_command("bilstm-crf", command, "--help").replace("│", " ").split())
    assert "A .txt file is one text, unless --lines is given" in said
    assert "--lines" in said and "--whole-files" in said


def test_a_whole_file_that_is_a_list_of_texts_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(texts, "MOST_OF_TEXT", 10)
    path = tmp_path / "a.txt"
    path.write_text("one text\nanother text\n")
    with pytest.raises(UserError, match=r"a.txt is one text of 22 characters.*add --lines"):
        list(read_texts(path))
    assert len(list(read_texts(path, lines=True))) == 2


def test_folders_and_globs(tmp_path):
    (tmp_path / "deep").mkdir()
    write(tmp_path / "a.jsonl", ["a"])
    write(tmp_path / "deep" / "b.csv", ["b"])
    (tmp_path / "c.txt").write_text("c")
    (tmp_path / "empty.txt").write_text(" \n")
    (tmp_path / "d.pdf").write_text("d")
    assert [text.text for text in read_texts(tmp_path)] == ["a", "c", "b"]
    assert [text.text for text in read_texts(f"{tmp_path}/**/*.csv")] == ["b"]
    with pytest.raises(UserError, match="There is no file or folder"):
        list(read_texts(tmp_path / "nowhere*"))
    with pytest.raises(UserError, match=r"d\.pdf has no texts that can be read"):
        list(read_texts(tmp_path / "*.*"))


def test_meta_data_and_words(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a", "meta": {"n": %s, "half": "\\ud800"}}\n' % ("9" * 30))
    (text,) = read_texts(path)
    assert text.meta == {"n": "9" * 30, "half": "?"}
    path.write_text('{"text": "a", "meta": {"n": NaN, "half": "\\ud800"}}\n')
    (text,) = read_texts(path)
    assert text.meta == {"n": "NaN", "half": "?"}
    doc = text.doc(spacy.blank("en"))
    doc.user_data.update(text.meta)
    DocBin(docs=[doc], store_user_data=True).to_bytes()
    words = ["Ada", ":-", ")"]
    DocBin(docs=[Doc(doc.vocab, words=words)]).to_disk(tmp_path / "a.spacy")
    (text,) = read_texts(tmp_path / "a.spacy")
    assert text.words == words
    assert [token.text for token in text.doc(spacy.blank("en"))] == words
    (part,) = parts_of([tmp_path / "a.spacy"], TextSettings(), 10)
    assert read_part(part, TextSettings())[0].column("words").to_pylist() == [words]


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.jsonl", b'{"text": "a"}\n\n{"text": 3}\n', "a.jsonl, row 2: The text is not a string"),
        ("a.jsonl", b'{"text": "a"}\n{"id": 3}\n', "a.jsonl, row 2: There is no text"),
        ("a.jsonl", b'{"text": "a", "meta": {"a": %b}}' % DEEP, "row 1: This is nested more"),
        ("a.jsonl", b'{"text": "a", "n": %b}' % DEEP, "row 1: This is nested more than 200"),
        ("a.jsonl", b'{"text": "a", "n": %b}' % (b"[" * 9999), "row 1: This is nested more than"),
        ("a.jsonl", b'{"text": "a", "text": "b"}', "row 1: An object has the key 'text' twice"),
        ("a.jsonl", '{"text": "a"}\n'.encode("utf-16-le"), "a.jsonl: This is text in UTF-16"),
        ("a.csv", "text\na\n".encode("utf-16"), "a.csv: This is text in UTF-16"),
        ("a.txt", "Ada sang".encode("utf-16-be"), "a.txt: This is text in UTF-16"),
        ("a.txt", "Ada sang".encode("utf-32-le"), "a.txt: This is text in UTF-16 or UTF-32"),
        ("a.jsonl", b'{"text": "a"}\n[]\n', "a.jsonl, row 2: Not a JSON object"),
        ("a.jsonl", b"[]\n", "a.jsonl, row 1: Not a JSON object"),
        ("a.jsonl", b'{"text": "\xff"}\n', "a.jsonl, row 1: Not UTF-8 text"),
        ("a.jsonl", b'{"body": "a"}\n', "has no 'text'. It has: body. Name .* --text-key"),
        ("a.csv", b"id,text\n1,a,b\n", "a.csv, row 1: The row has 3 fields"),
        ("a.csv", b"id,body\n1,a\n", "a.csv has no 'text'. It has: id, body"),
        ("a.csv", b'text\n"a\n', "a.csv is not a valid CSV file.* never closed"),
        ("a.txt", b"\xff", "a.txt: Not UTF-8 text"),
        ("a.parquet", b"no", "a.parquet is not a Parquet file"),
        ("a.spacy", b"no", "a.spacy is damaged or not a .spacy file"),
    ],
)
def test_what_is_no_text_is_named(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        list(read_texts(tmp_path / name))


@FILES
def test_links_and_pipes_in_a_folder(tmp_path):
    folder, other = tmp_path / "in", tmp_path / "other"
    for path in (folder, other):
        path.mkdir()
        (path / "a.jsonl").write_text('{"text": "a"}\n')
    (folder / "loop").symlink_to(folder)
    (folder / "link").symlink_to(other)
    assert text_files(folder) == [folder / "a.jsonl", folder / "link" / "a.jsonl"]
    for target in ("nothing", "b.jsonl"):
        (folder / "b.jsonl").symlink_to(target)
        with pytest.raises(UserError, match=r"b.jsonl: (No such file|Too many levels)"):
            text_files(folder)
        (folder / "b.jsonl").unlink()
    os.mkfifo(folder / "b.jsonl")
    with pytest.raises(UserError, match=r"b.jsonl is a pipe or a device"):
        text_files(folder)


def test_files_that_were_put_together_with_their_byte_order_marks(tmp_path):
    (tmp_path / "a.jsonl").write_text('\ufeff{"text": "a"}\n' * 2, encoding="utf8")
    assert [text.text for text in read_texts(tmp_path / "a.jsonl")] == ["a", "a"]


def test_ids_of_any_type(tmp_path):
    ids = [{"a": datetime(2026, 1, 1), "b": [Decimal("1.5")], "c": b"x"}, None]
    pq.write_table(
        pa.Table.from_pylist([{"id": x, "text": "a"} for x in ids]), tmp_path / "a.parquet"
    )
    first, second = read_texts(tmp_path / "a.parquet")
    assert json.loads(first.id) == {"a": "2026-01-01 00:00:00", "b": ["1.5"], "c": "b'x'"}
    assert second.id is None


def test_rows_of_a_stretch_of_docs(tmp_path):
    path = write(tmp_path / "a.spacy", TEXTS)
    assert [text.text for text in read_rows(path, TextSettings(), 1, 3)] == TEXTS[1:3]

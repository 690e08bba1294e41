"""`convert`: what it says, what it writes, and that nothing is lost when it fails."""

import json
import os
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import spacy
import srsly
from spacy.tokens import Doc, DocBin

from spacy_bilstm_crf import workflows
from spacy_bilstm_crf.cli import convert as command
from spacy_bilstm_crf.cli.format_options import FormatName, Scheme, WritableName
from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.formats import FORMATS, writable
from spacy_bilstm_crf.data.formats.settings import (
    ON_PROBLEM,
    OVERLAPS,
    TAG_SCHEMES,
    UNANNOTATED,
)
from tests.helpers import spacy_command
from tests.systems import FILES

GOOD = {"id": 1, "text": "Ada saw Rome", "label": [[0, 3, "PER"]]}
BAD = {"id": 2, "text": "Ada saw Rome", "label": [[0, 3, "PER"], [9, 12, "LOC"]]}


def convert(*arguments, exit_codes=(0,)):
    return spacy_command("bilstm-crf", "convert", *arguments, exit_codes=exit_codes)


def message(*arguments):
    """The one line that a command fails with."""
    lines = convert(*arguments, exit_codes=(1,)).strip().split("\n")
    (line,) = [line for line in lines if line.startswith("Error: ")]
    return line


def write_lines(path, *values):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, values)), encoding="utf8")
    return path


def read_docs(path):
    return list(DocBin().from_disk(path).get_docs(spacy.blank("en").vocab))


def test_it_names_all_formats_and_choices():
    assert list(get_args(FormatName)) == sorted(FORMATS)
    assert list(get_args(WritableName)) == writable()
    choices = get_type_hints(command.convert_cli)
    for name, allowed in (
        ("on_problem", ON_PROBLEM),
        ("overlaps", OVERLAPS),
        ("unannotated", UNANNOTATED),
        ("scheme", TAG_SCHEMES),
    ):
        assert get_args(choices[name]) == allowed
    assert get_args(Scheme) == TAG_SCHEMES


def test_a_file_becomes_another(tmp_path):
    path = write_lines(tmp_path / "in.jsonl", GOOD)
    output = tmp_path / "new" / "folder" / "out.spacy"
    said = convert(path, output, "--from", "doccano", "--lang", "en")
    said = " ".join(said.split())
    assert "out.spacy: 1 doc, 1 entity (PER 1)" in said
    assert "For example: [Ada PER] saw Rome" in said
    (doc,) = read_docs(output)
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Ada", "PER")]
    assert sorted(p.name for p in output.parent.iterdir()) == ["out.spacy"]
    assert "exists. Replace it with --force" in message(path, output, "--from", "doccano")
    convert(path, output, "--from", "doccano", "--force")


def test_formats_and_names_of_integers(tmp_path):
    row = {"tokens": ["Ada", "ran"], "ner_tags": [1, 0]}
    path = write_lines(tmp_path / "in.jsonl", row)
    assert "but no file says what they stand for" in message(path, tmp_path / "out.parquet")
    said = convert(path, tmp_path / "out.parquet", "--labels", "O, B-PER")
    said = "".join(said.split())
    assert f"{path}isreadashugging-face,{tmp_path / 'out.parquet'}iswrittenashugging-face" in said
    convert(tmp_path / "out.parquet", tmp_path / "out.spacy")
    (doc,) = read_docs(tmp_path / "out.spacy")
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Ada", "PER")]


def test_a_folder_becomes_another(tmp_path):
    for name in ("train/a", "dev/a", "dev/b"):
        write_lines(tmp_path / "in" / f"{name}.jsonl", GOOD)
    convert(tmp_path / "in", tmp_path / "out", "--from", "doccano", "--to", "conll")
    found = sorted(p.relative_to(tmp_path / "out").as_posix() for p in tmp_path.rglob("*.conll"))
    assert found == ["dev/a.conll", "dev/b.conll", "train/a.conll"]
    text = (tmp_path / "out" / "dev" / "b.conll").read_text()
    assert text == "Ada\tB-PER\nsaw\tO\nRome\tO\n"
    for name in ("x", "y"):
        (tmp_path / "clash").mkdir(exist_ok=True)
        (tmp_path / "clash" / f"data.{'conll' if name == 'x' else 'tsv'}").write_text(text)
    assert "Two files" in message(tmp_path / "clash", tmp_path / "no", "--from", "conll")


def test_with_a_problem_nothing_is_written_unless_it_is_asked_for(tmp_path):
    folder = tmp_path / "in"
    write_lines(folder / "a.jsonl", GOOD)
    write_lines(folder / "b.jsonl", GOOD, BAD, GOOD)
    output = tmp_path / "out"
    listed = tmp_path / "out.problems.jsonl"
    line = message(folder, output, "--from", "doccano")
    assert line.startswith(f"Error: 2 problems, and nothing was written. The first: {folder}")
    assert "b.jsonl:2: not on tokens. 'ome' (LOC)" in line
    assert "--on-problem missing" in line
    assert not list(output.rglob("*.*"))
    first, second = srsly.read_jsonl(listed)
    assert first["place"] == f"{folder / 'b.jsonl'}:2"
    assert (first["kind"], first["start"], first["end"]) == ("not on tokens", 9, 12)
    assert (second["kind"], second["id"]) == ("duplicate id", "1")

    text = convert(folder, output, "--from", "doccano", "--on-problem", "missing")
    assert f"1 duplicate id, 1 not on tokens: see {listed}" in " ".join(text.split())
    docs = read_docs(output / "b.spacy")
    assert ["".join(t.ent_iob_ or "." for t in doc) for doc in docs] == ["BOO", "BO.", "BOO"]

    convert(folder, output, "--from", "doccano", "--on-problem", "skip", "--force")
    assert len(read_docs(output / "b.spacy")) == 1
    convert(folder / "a.jsonl", output / "a.spacy", "--from", "doccano", "--force")
    write_lines(folder / "b.jsonl", GOOD)
    convert(folder, output, "--from", "doccano", "--force", "--problems", listed)
    assert not listed.exists()  # those of the earlier run are gone


def test_a_failure_leaves_what_was_there(tmp_path):
    path = write_lines(tmp_path / "in.jsonl", GOOD)
    for name, target in (("out.spacy", "spacy"), ("brat", "brat")):
        output = tmp_path / name
        convert(path, output, "--from", "doccano", "--to", target)
        before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
        bad = write_lines(tmp_path / "bad" / "in.jsonl", GOOD)
        bad.write_text(bad.read_text() + "\n{")
        arguments = (bad, output, "--from", "doccano", "--to", target, "--force")
        assert "in.jsonl:2: not readable. This is not valid JSON" in message(*arguments)
        bad.unlink()
        (tmp_path / f"{name}.problems.jsonl").unlink()
        assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
        convert(path, output, "--from", "doccano", "--to", target, "--force")
        assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_what_is_left_out_is_said(tmp_path):
    value = {"text": "Ada", "relations": [{}, {}], "entities": []}
    path = write_lines(tmp_path / "in.jsonl", value)
    assert "2 relations left out" in convert(path, tmp_path / "out.spacy", "--from", "doccano")
    task = {"text": "Ada saw Rome", "answer": "reject"}
    task["spans"] = [{"start": 0, "end": 3, "label": "PER"}]
    path = write_lines(tmp_path / "in.jsonl", task)
    text = convert(path, tmp_path / "out.conll", "--from", "prodigy", "--to", "conll")
    assert "1 spans known to be no entity left out" in text
    assert (tmp_path / "out.conll").read_text() == "Ada\t?\nsaw\t?\nRome\t?\n"


@pytest.mark.parametrize(
    "target, lost",
    [
        ("conll", {"ids", "documents' meta"}),
        ("brat", {"documents' meta"}),
        *[(target, set()) for target in ("doccano", "label-studio", "prodigy", "spacy")],
    ],
)
def test_what_is_known_of_documents_is_kept_or_counted(target, lost, tmp_path):
    empty = {"id": "none", "text": ""}
    path = write_lines(tmp_path / "in.jsonl", {**GOOD, "id": "one", "source": "web"}, empty)
    output = tmp_path / "out"
    said = convert(path, output, "--from", "doccano", "--to", target, "--lang", "en")
    said = " ".join(said.split())
    for what in ("ids", "documents' meta", "names of annotators"):
        assert (f"{what} left out" in said) == (what in lost)
    assert ("1 documents without words left out" in said) == (target == "conll")
    assert f"{'1 doc' if target == 'conll' else '2 docs'}, 1 entity (PER 1)" in said
    if target != "conll":
        back = tmp_path / "back.jsonl"
        convert(output, back, "--from", target, "--to", "doccano", "--text-key", "text")
        lines = {line["id"]: line for line in srsly.read_jsonl(back)}
        assert (lines["one"].get("source") == "web") == (not lost)


def test_options_reach_the_reader_and_the_writer(tmp_path):
    path = tmp_path / "in.tsv"
    path.write_text("# one\nB-PER\tAda Bo\tX\nO\tsaw\tY\n")
    output = tmp_path / "out.jsonl"
    convert(
        *(path, output, "--from", "conll", "--to", "prodigy", "--separator", "\\t"),
        *("--word-column", 1, "--tag-column", 0, "--pos-column", 2, "--comment", "#"),
        *("--scheme", "iob2", "--unannotated", "missing", "--text-key", "words"),
    )
    (task,) = srsly.read_jsonl(output)
    assert [token["text"] for token in task["tokens"]] == ["Ada Bo", "saw"]
    assert (task["words"], task["_is_binary"]) == ("Ada Bo saw ", True)
    (doc,) = [  # the text is under another key now
        doc
        for _ in [convert(output, tmp_path / "b.spacy", "--from", "prodigy", "--text-key", "words")]
        for doc in read_docs(tmp_path / "b.spacy")
    ]
    assert doc.text == "Ada Bo saw "


def test_entities_that_overlap(tmp_path):
    path = tmp_path / "in.tsv"
    path.write_text("Oslo\tB-ORG\tB-LOC\nUniversity\tI-ORG\tO\nis\tO\tO\n")
    output = tmp_path / "out.spacy"
    columns = ("--tag-column", 1, "--tag-column", 2)
    line = message(path, output, "--from", "conll")
    assert "columns 1, 2 all have tags" in line
    assert "read all: --overlaps keep --tag-column 1 --tag-column 2." in line
    assert "add --overlaps keep" in message(path, output, "--from", "conll", *columns)
    keep = ("--overlaps", "keep", "--spans-key", "nested")
    said = " ".join(convert(path, output, "--from", "conll", *columns, *keep).split())
    assert "out.spacy: 1 doc, 2 entities (LOC 1, ORG 1), 2 of them overlap" in said
    assert "For example: [[Oslo LOC] University ORG] is" in said
    (doc,) = read_docs(output)
    spans = [(span.text, span.label_) for span in doc.spans["nested"]]
    assert spans == [("Oslo", "LOC"), ("Oslo University", "ORG")]
    assert [ent.text for ent in doc.ents] == ["Oslo University"]
    line = message(output, tmp_path / "out.conll", "--from", "spacy", "--to", "conll", *keep)
    assert "conll can't hold entities that overlap" in line


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (("nowhere.jsonl", "--from", "doccano"), "There is no file or folder"),
        (
            ("in.jsonl", "--from", "docano"),
            "'docano' is not one of 'bioc', 'brat', 'conll'",
        ),
        (("in.jsonl", "--from", "doccano", "--to", "x"), "'x' is not one of 'brat', 'conll'"),
        (
            ("in.jsonl", "--from", "doccano", "--on-problem", "x"),
            "one of 'error', 'skip', 'missing', 'trim'",
        ),
        (("in.jsonl", "--from", "doccano", "--unannotated", "x"), "one of 'outside', 'missing'"),
        (("in.jsonl", "--from", "doccano", "--scheme", "x"), "one of 'auto', 'iob1', 'iob2'"),
        (("in.jsonl", "--from", "doccano", "--lang", "qq"), "--lang qq can't be used"),
        (("in.jsonl", "--from", "doccano", "--text-key", "x"), "no text under 'x'"),
        (("in.jsonl", "--from", "brat"), "is a file, but brat has folders"),
        (("in.jsonl", "--from", "spacy"), "is damaged or not a .spacy file"),
        (("empty.jsonl", "--from", "doccano"), "contains no documents"),
        (("empty.jsonl", "--from", "conll"), "contains no documents"),
        (("folder", "--from", "conll"), "contains no conll file: none ends in .conll"),
        (("latin.jsonl", "--from", "label-studio"), "is not UTF-8 text"),
    ],
)
def test_mistakes_end_in_one_line(arguments, expected, tmp_path):
    write_lines(tmp_path / "in.jsonl", GOOD)
    (tmp_path / "empty.jsonl").write_text("\n")
    (tmp_path / "latin.jsonl").write_bytes('{"text": "Zoë"}'.encode("latin1"))
    (tmp_path / "folder").mkdir()
    path, *options = arguments
    assert expected in message(tmp_path / path, tmp_path / "out.spacy", *options)
    assert not (tmp_path / "out.spacy").exists()
    assert not list(tmp_path.glob(".*"))


def test_all_documents_with_problems_are_skipped(tmp_path):
    path = write_lines(tmp_path / "in.jsonl", BAD)
    arguments = (path, tmp_path / "out.spacy", "--from", "doccano", "--on-problem", "skip")
    assert "contains no documents without a problem (1 found)" in message(*arguments)


def test_nothing_is_replaced_that_convert_has_not_written(tmp_path):
    path = write_lines(tmp_path / "in" / "in.jsonl", GOOD)
    precious = tmp_path / "folder" / "precious.md"
    precious.parent.mkdir()
    precious.write_text("mine")
    forced = ("--from", "doccano", "--force")
    assert "is not a file: name one" in message(path, precious.parent, *forced)
    brat = (*forced, "--to", "brat")
    assert "contains files that are not brat files" in message(path, precious.parent, *brat)
    assert "contains files that are not brat files" in message(path, precious, *brat)
    assert "is, or contains, the input" in message(path, path, *forced)
    convert(path, tmp_path / "brat" / "data", *brat)
    again = (tmp_path / "brat" / "data", tmp_path / "brat", "--from", "brat", "--to", "brat")
    assert "is, or contains, the input" in message(*again, "--force")
    assert precious.read_text() == "mine" and path.exists()
    assert list((tmp_path / "brat" / "data").iterdir())


def test_a_list_of_problems_takes_no_other_files_place(tmp_path):
    path = write_lines(tmp_path / "in.jsonl", GOOD)
    output = tmp_path / "out.spacy"
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    arguments = (path, output, "--from", "doccano", "--problems")
    assert "mine.txt exists" in message(*arguments, mine)
    assert "is itself an input or output" in message(*arguments, path, "--force")
    assert "is itself an input or output" in message(*arguments, output)
    assert "is not a file" in message(*arguments, tmp_path, "--force")
    convert(*arguments, mine, "--force")
    assert path.exists() and output.exists() and mine.read_text() == "mine"


def test_a_refused_run_leaves_the_list_of_the_one_before(tmp_path):
    path = write_lines(tmp_path / "in.jsonl", BAD)
    arguments = (path, tmp_path / "out.spacy", "--from", "doccano", "--on-problem", "missing")
    convert(*arguments)
    listed = tmp_path / "out.spacy.problems.jsonl"
    before = listed.read_text()
    assert "exists. Replace it" in message(*arguments)
    assert listed.read_text() == before


def test_what_is_of_another_format_is_suspected(tmp_path):
    task = {"text": "Ada", "spans": [{"start": 0, "end": 3, "label": "X"}], "answer": "accept"}
    path = write_lines(tmp_path / "in.jsonl", task)
    line = message(path, tmp_path / "out.spacy", "--from", "doccano")
    assert "1 docs, but no entity in any of them. This looks like prodigy" in line
    assert not (tmp_path / "out.spacy").exists()


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (("in.jsonl", "in.jsonl/out.spacy"), "in.jsonl: File exists"),
        (("in.jsonl", "out.spacy", "--separator", ""), "--separator is empty"),
        (("in.jsonl", "/"), "can't be created as a file or folder"),
    ],
)
def test_outputs_that_can_not_be(arguments, expected, tmp_path):
    write_lines(tmp_path / "in.jsonl", GOOD)
    path, output, *options = arguments
    output = output if output == "/" else tmp_path / output
    assert expected in message(tmp_path / path, output, "--from", "doccano", *options)


def test_that_no_language_is_named_is_said_where_it_counts(tmp_path):
    path = write_lines(tmp_path / "in.jsonl", GOOD)
    output = tmp_path / "out.spacy"
    said = convert(path, output, "--from", "doccano")
    assert "1 texts tokenized for any language (xx): name theirs with --lang" in " ".join(
        said.split()
    )
    assert "--lang" not in convert(path, output, "--from", "doccano", "--lang", "en", "--force")
    columns = tmp_path / "out.conll"
    convert(output, columns, "--from", "spacy", "--to", "conll")
    assert "--lang" not in convert(columns, output, "--from", "conll", "--force")


def test_most_entities_off_the_tokens_suggest_another_language(tmp_path):
    labels = [[0, 2, "PER"], [3, 5, "LOC"]]  # as Chinese has no blanks between words
    path = write_lines(tmp_path / "in.jsonl", {"text": "李明在北京。", "label": labels})
    line = message(path, tmp_path / "out.spacy", "--from", "doccano")
    assert "Most entities are off the tokens of --lang xx" in line
    convert(path, tmp_path / "out.spacy", "--from", "doccano", "--lang", "zh")


def test_what_has_no_entity_is_no_success(tmp_path):
    path = write_lines(tmp_path / "in.jsonl", {"text": "Ada saw Rome", "label": []})
    said = convert(path, tmp_path / "out.spacy", "--from", "doccano", "--lang", "en")
    assert "✔" not in said and "1 doc, 0 entities" in " ".join(said.split())


@FILES
def test_a_device_is_no_file_to_replace(tmp_path):
    path = write_lines(tmp_path / "in.jsonl", GOOD)
    said = message(path, "/dev/null", "--from", "doccano", "--force")
    assert "is not a file: name one" in said


@FILES
def test_all_files_of_a_folder_are_read_or_said(tmp_path):
    folder = tmp_path / "in"
    for name in ("a.jsonl", "b.JSONL", "part.jsonl/c.jsonl", "d.txt", ".hidden"):
        write_lines(folder / name, GOOD)
    write_lines(tmp_path / "elsewhere" / "e.jsonl", GOOD)
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    (folder / "loop").symlink_to(folder)
    (folder / "elsewhere.problems.jsonl").write_text("{}")
    said = convert(folder, tmp_path / "out", "--from", "doccano")
    assert f"1 files of {folder} with other endings left out" in " ".join(said.split())
    found = sorted(p.relative_to(tmp_path / "out").as_posix() for p in tmp_path.rglob("*.spacy"))
    assert found == ["a.spacy", "b.spacy", "link/e.spacy", "part.jsonl/c.spacy"]


def test_files_of_brat_with_endings_in_capitals(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for text, annotation in (("a.TXT", "a.ann"), ("b.txt", "b.ANN")):
        (folder / text).write_text("Ada saw Rome")
        (folder / annotation).write_text("T1\tPER 0 3\tAda\n")
    convert(folder, tmp_path / "out.spacy", "--from", "brat")
    assert [len(doc.ents) for doc in read_docs(tmp_path / "out.spacy")] == [1, 1]


def test_a_folder_that_can_not_be_read_is_said(tmp_path, monkeypatch):
    write_lines(tmp_path / "in" / "a.jsonl", GOOD)
    write_lines(tmp_path / "in" / "secret" / "b.jsonl", GOOD)
    iterdir = Path.iterdir

    def refused(path):  # as root may read everything, a folder is closed for this process alone
        if path.name == "secret":
            raise PermissionError(13, "Permission denied", str(path))
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(UserError, match="secret: Permission denied"):
        workflows.convert(tmp_path / "in", tmp_path / "out", source="doccano")


@FILES
def test_a_pipe_is_refused_as_it_can_be_read_only_once(tmp_path):
    os.mkfifo(tmp_path / "a.jsonl")
    assert "is a pipe or a device" in message(tmp_path / "a.jsonl", "x.spacy", "--from", "doccano")


def test_output_that_would_be_input_the_next_time_is_refused(tmp_path):
    write_lines(tmp_path / "in" / "a.jsonl", GOOD)
    output = tmp_path / "in" / "out"
    line = message(tmp_path / "in", output, "--from", "doccano", "--to", "prodigy")
    assert "would be a part of it the next time" in line
    for _ in range(2):
        convert(tmp_path / "in", output, "--from", "doccano", "--force")
    assert [path.name for path in output.rglob("*")] == ["a.spacy"]


def test_a_file_that_grows_while_it_is_read_is_not_converted_by_half(tmp_path, monkeypatch):
    path = tmp_path / "a.conll"
    path.write_text("Ada\tB-PER\nsaw\tO\nRome\tB-LO")
    read = FORMATS["conll"].read

    def growing(*arguments):
        yield from read(*arguments)
        with path.open("a") as file:
            file.write("C\n")

    monkeypatch.setitem(FORMATS, "conll", FORMATS["conll"]._replace(read=growing))
    with pytest.raises(UserError, match="has changed while it was read"):
        workflows.convert(path, tmp_path / "out.spacy", source="conll")
    assert not (tmp_path / "out.spacy").exists()


def test_a_csv_file_is_written_with_commas_and_read_again(tmp_path):
    words = ["Ada", ",", '"', '""', 'a,"b', "met"]
    doc = Doc(spacy.blank("en").vocab, words=words, ents=["B-PER", *["O"] * 5])
    DocBin(docs=[doc]).to_disk(tmp_path / "in.spacy")
    convert(tmp_path / "in.spacy", tmp_path / "a.csv", "--from", "spacy", "--to", "conll")
    assert (tmp_path / "a.csv").read_text().startswith('Ada,B-PER\n",",O\n"""",O\n')
    convert(tmp_path / "a.csv", tmp_path / "back.spacy", "--from", "conll")
    (back,) = read_docs(tmp_path / "back.spacy")
    assert [token.text for token in back] == words
    assert [ent.text for ent in back.ents] == ["Ada"]


@pytest.mark.parametrize("target, n_lost", [("doccano", 4), ("label-studio", 1), ("prodigy", 0)])
def test_meta_data_never_become_annotation(target, n_lost, tmp_path):
    doc = Doc(spacy.blank("en").vocab, words=["Ada", "met"], ents=["B-PER", "O"])
    unknown = Doc(doc.vocab, words=["Bob", "met"])
    for one in (doc, unknown):
        meta = {"label": [[0, 3, "X"]], "text": "t", "id": 7, "relations": [], "kept": 1}
        one.user_data["meta"] = meta
    DocBin(docs=[doc, unknown], store_user_data=True).to_disk(tmp_path / "in.spacy")
    said = convert(tmp_path / "in.spacy", tmp_path / "out", "--from", "spacy", "--to", target)
    note = f"{2 * n_lost} values of documents' meta under keys of the format left out"
    assert (note in " ".join(said.split())) == (n_lost > 0)
    convert(tmp_path / "out", tmp_path / "back.spacy", "--from", target)
    first, second = read_docs(tmp_path / "back.spacy")
    assert [ent.label_ for ent in first.ents] == ["PER"]
    assert not any(token.ent_iob for token in second)
    assert first.user_data["meta"]["kept"] == 1

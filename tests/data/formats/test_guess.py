"""The format of a file is found by what it contains, and by its ending where that does not say."""

import json
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.formats import FORMATS, Findings, FormatSettings, writable, write
from spacy_bilstm_crf.data.formats.guess import candidates, detected
from spacy_bilstm_crf.data.formats.sample import MOST_TO_LOOK_AT, FileSample
from spacy_bilstm_crf.workflows import convert

CASES = Path(__file__).parent / "cases"
SETTINGS = FormatSettings()
# Which share a reader, so that either name will do
SAME = {"doccano-relations": "doccano"}
COLUMNS = "Ada B-PER\nmet O\nBob B-PER\n"
TASK = {"text": "Ada sang", "spans": [{"start": 0, "end": 3, "label": "PER"}], "answer": "accept"}
LINE = {"text": "Ada sang", "label": [[0, 3, "PER"]]}


def example():
    doc = Doc(spacy.blank("en").vocab, words=["Ada", "Lee", "met", "Bob"])
    doc.ents = [Span(doc, 0, 2, label="PER"), Span(doc, 3, 4, label="PER")]
    return doc


@pytest.mark.parametrize("name", writable())
def test_every_format_recognizes_its_own_files_alone(name, tmp_path):
    write([example(), example()], tmp_path / "file", name, SETTINGS, Findings())
    assert candidates(FileSample.of(tmp_path / "file", SETTINGS)) == [SAME.get(name, name)]


@pytest.mark.parametrize(
    "case, expected",
    [
        ("index_column.conllu", "conll"),
        ("docstart_in_word_column.conllu", "conll"),
        ("nested_columns.tsv", "conll"),
        ("hash_token_lost.conll", "conll"),
        ("tags_of_several_labels.conll", "conll"),  # by its ending
        ("kaggle_csv.csv", "conll"),
        ("blank_in_word.conll", "conll"),
        ("bmes.txt", "conll"),
        ("conllu_misc.conllu", "conll"),
        ("latin1.csv", "conll"),
        ("hf_tokens.jsonl", "hugging-face"),
        ("prodigy_teach_without_view.jsonl", "prodigy"),
        ("prodigy_textcat.jsonl", "prodigy"),
        ("prodigy_meta_id.jsonl", "prodigy"),
        ("labelstudio_hypertext.json", "label-studio"),
        ("text_entities.jsonl", "doccano"),
        ("json_not_lines.json", "doccano"),
        ("edge_white_space.jsonl", "doccano"),
        ("spacy_v2_tuples.json", "spacy-v2"),
        ("ner_annotator.json", "ner-annotator"),
        ("dataturks.jsonl", "dataturks"),
        ("rasa.yml", "rasa"),
        ("labelstudio_csv.csv", "label-studio"),
    ],
)
def test_files_as_people_have_them(case, expected):
    assert detected(CASES / case, SETTINGS) == expected


@pytest.mark.parametrize(
    "name, text, expected",
    [
        ("a.conll", COLUMNS, "conll"),
        ("a", COLUMNS, "conll"),
        ("a.jsonl", COLUMNS, "conll"),  # content counts before the ending
        ("a.spacy", json.dumps(TASK), "prodigy"),
        ("a.json", json.dumps([TASK, LINE], indent=1), "prodigy"),
        ("a.json", json.dumps({**LINE, "annotation_id": 3}), "label-studio"),
        ("a.json", json.dumps({"data": {"text": "Ada"}, "annotations": []}), "label-studio"),
        ("a.ann", "T1\tPER 0 3\tAda\n", "brat"),
        ("a.iob", "Ada sang\n", "conll"),  # nothing else has this ending
        ("a.tsv", "1\tAda\tB-PER\tB-LOC\n2\tran\tO\tO\n", "conll"),
        ("a.csv", "Sentence #,Word,Tag\nSentence: 1,Ada,B-PER\n,ran,O\n", "conll"),
    ],
)
def test_content_decides_and_then_the_ending(name, text, expected, tmp_path):
    (tmp_path / name).write_text(text)
    assert detected(tmp_path / name, SETTINGS) == expected


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("a.jsonl", '{"txt": "Ada"}\n', "no format that can be recognized. Name it with --from."),
        ("a", "He met O\nO\n", "no format that can be recognized. Name it with --from."),
        ("a.yml", "version: '3.1'\nrules:\n- rule: x\n", "looks like Rasa's rules or stories."),
        ("a", "", "no format that can be recognized"),
    ],
)
def test_what_is_not_recognized_is_refused(name, text, message, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message):
        convert(tmp_path / name, tmp_path / "out.spacy")
    assert not (tmp_path / "out.spacy").exists()


def test_what_fits_several_formats_is_refused_with_their_names(tmp_path, monkeypatch):
    other = FORMATS["prodigy"]._replace(name="other", suffixes=(".other",))
    monkeypatch.setitem(FORMATS, "other", other)
    for ending in ("jsonl", "txt"):
        (tmp_path / f"a.{ending}").write_text(json.dumps(TASK))
    assert detected(tmp_path / "a.jsonl", SETTINGS) == "prodigy"
    message = r"a.txt may be other or prodigy: name .* --from"
    with pytest.raises(UserError, match=message):
        detected(tmp_path / "a.txt", SETTINGS)
    assert detected(tmp_path, SETTINGS) == "prodigy"
    (tmp_path / "a.jsonl").unlink()
    with pytest.raises(UserError, match=message):
        detected(tmp_path, SETTINGS)


def test_folders(tmp_path):
    folder = tmp_path / "in"
    (folder / "dev").mkdir(parents=True)
    (folder / "README.md").write_text("# Data\n")
    (folder / "notes.txt").write_text("None.\n")  # of which the ending alone is that of columns
    assert detected(folder, SETTINGS) == "conll"
    for name in ("dev/a.jsonl", "b.jsonl"):
        (folder / name).write_text(json.dumps(LINE))
    assert detected(folder, SETTINGS) == "doccano"
    (folder / "c.jsonl").write_text(json.dumps(TASK))
    with pytest.raises(UserError, match=r"doccano \(b.jsonl\), prodigy \(c.jsonl\)"):
        detected(folder, SETTINGS)
    write([example()], tmp_path / "brat", "brat", SETTINGS, Findings())
    assert detected(tmp_path / "brat", SETTINGS) == "brat"


def test_a_long_list_on_one_line_is_recognized_by_its_first_object(tmp_path):
    content = json.dumps([TASK] * (MOST_TO_LOOK_AT // 50))
    assert len(content) > MOST_TO_LOOK_AT
    (tmp_path / "a.json").write_text(content)
    assert detected(tmp_path / "a.json", SETTINGS) == "prodigy"


def test_encodings_and_keys_that_were_named_count(tmp_path):
    line = json.dumps({"words": "Ada sang", "label": [[0, 3, "PER"]]})
    (tmp_path / "a").write_text(line, encoding="utf-16")
    settings = FormatSettings(text_key="words", encoding="utf-16")
    assert detected(tmp_path / "a", settings) == "doccano"
    with pytest.raises(UserError, match=r"text in UTF-16 \(--encoding utf-16\)"):
        detected(tmp_path / "a", SETTINGS)


@pytest.mark.parametrize(
    "output, expected",
    [
        ("out.csv", "conll"),
        ("out.conll", "conll"),
        ("out.spacy", "spacy"),
        ("out", "spacy"),
        ("out.jsonl", "spacy"),
    ],
)
def test_what_was_found_is_said(output, expected, tmp_path):
    (tmp_path / "in.jsonl").write_text(json.dumps(LINE))
    said = []
    convert(tmp_path / "in.jsonl", tmp_path / output, lang="en", on_progress=said.append)
    is_said = output not in ("out.spacy", "out")
    where = f", {tmp_path / output} is written as {expected}" if is_said else ""
    assert said == [f"{tmp_path / 'in.jsonl'} is read as doccano{where}"]
    if expected == "spacy":
        (doc,) = DocBin().from_disk(tmp_path / output).get_docs(spacy.blank("en").vocab)
        assert [ent.text for ent in doc.ents] == ["Ada"]
    else:
        separator = "," if output == "out.csv" else "\t"
        expected = f"Ada{separator}B-PER\nsang{separator}O\n"
        assert (tmp_path / output).read_text() == expected

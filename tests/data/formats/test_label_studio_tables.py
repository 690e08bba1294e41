"""Label Studio's CSV and TSV say what its JSON-MIN does."""

import csv
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.formats import DocSettings, Findings, FormatSettings, read
from spacy_bilstm_crf.workflows import convert

MISSING = FormatSettings(lang="en", docs=DocSettings("missing"))
LIMIT = 131_072  # of the csv module
NAMES = ["annotation_id", "annotator", "id", "label", "source", "text"]


def row(number, text, *spans, **keys):
    label = [
        {"start": start, "end": end, "text": text[start:end], "labels": [name]}
        for start, end, name in spans
    ]
    # Without a region the cell is empty
    known = {"id": number, "annotation_id": number, "annotator": 1, "text": text, "source": "a"}
    return {**known, **({"label": label} if label else {}), **keys}


def table(path, rows, delimiter=","):
    """The rows as Python's csv module writes them, with JSON in the cells of regions."""
    with path.open("w", encoding="utf8", newline="") as file:
        writer = csv.DictWriter(file, NAMES, delimiter=delimiter)
        writer.writeheader()
        for one in rows:
            cells = {k: json.dumps(v) if isinstance(v, list) else v for k, v in one.items()}
            writer.writerow(cells)
    return path


def reading(path, findings=None):
    found = Findings() if findings is None else findings
    return list(read(path, "label-studio", MISSING, found))


def content(doc):
    tags = [(token.text, token.ent_iob_, token.ent_type_) for token in doc]
    return doc.text, tags, doc.user_data["id"], doc.user_data["annotator"]


WORDS = ["Ada", "\U0001f600", ",", '"', "don't", "[so]", "\n", "\r\n", "\t", "e\u0301"]


@st.composite
def rows(draw):
    found = []
    for number in range(draw(st.integers(1, 4))):
        words = ["x", *draw(st.lists(st.sampled_from(WORDS), max_size=6)), "y"]
        text, spans = "", []
        for word in words:
            start = len(text) + bool(text)
            text = f"{text} {word}" if text else word
            if word.strip() and draw(st.booleans()):
                spans.append((start, len(text), draw(st.sampled_from(["PER", 'a "b", c']))))
        found.append(row(number, text, *spans))
    return found


@pytest.mark.parametrize("name, delimiter", [("a.csv", ","), ("a.tsv", "\t"), ("a.txt", ";")])
@settings(max_examples=40, deadline=None)
@given(rows())
def test_tables_are_json_min(name, delimiter, tmp_path_factory, of_file):
    folder = tmp_path_factory.mktemp("files")
    (folder / "a.json").write_text(json.dumps(of_file))
    expected, found = Findings(), Findings()
    docs = reading(folder / "a.json", expected)
    from_table = reading(table(folder / name, of_file, delimiter), found)
    assert [content(doc) for doc in from_table] == [content(doc) for doc in docs]
    assert [p.kind for p in found.problems] == [p.kind for p in expected.problems]
    assert found.notes == expected.notes


def test_a_text_that_is_longer_than_the_csv_module_takes(tmp_path):
    text = "Ada " + "a " * LIMIT
    (doc,) = reading(table(tmp_path / "a.csv", [row(1, text, (0, 3, "PER"))]))
    assert [ent.text for ent in doc.ents] == ["Ada"] and len(doc.text) == len(text)
    assert csv.field_size_limit() == LIMIT


def test_tables_are_not_written(tmp_path):
    path = table(tmp_path / "a.csv", [row(1, "Ada sang", (0, 3, "PER"))])
    with pytest.raises(UserError, match=r"label-studio can't be written as .tsv: name a .json"):
        convert(path, tmp_path / "b.tsv", target="label-studio")
    assert convert(path, tmp_path / "b.json", target="label-studio").files[0].n_docs == 1


def test_who_has_annotated_what_is_a_problem_as_in_json(tmp_path):
    twice = [row(1, "Ada sang", (0, 3, "PER")), row(1, "Ada sang", annotator=2)]
    findings = Findings()
    reading(table(tmp_path / "a.csv", twice), findings)
    assert [problem.kind for problem in findings.problems] == ["duplicate id"]


@pytest.mark.parametrize(
    "text, message",
    [
        ("id,sentence\n1,Ada\n", "There is no text under 'text' (--text-key), but: id, sentence"),
        ("id,text\n1,Ada,x\n", "a.csv:2: This row has more or fewer cells than the first"),
        ("id,text\n1\n", "a.csv:2: This row has more or fewer cells than the first"),
        ('id,text\n1,"Ada\n', "This is no table: unexpected end of data"),
        ("text\nAda\n", "This is not"),
    ],
)
def test_what_is_no_table_of_tasks(text, message, tmp_path):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(UserError) as caught:
        reading(tmp_path / "a.csv")
    assert message in str(caught.value) and "\n" not in str(caught.value)

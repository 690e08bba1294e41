"""CSV cells of any length, without a change that other readers of the process would see."""

import csv

import pytest

from spacy_bilstm_crf.data.csv_cells import with_long_cells
from spacy_bilstm_crf.data.formats import DocSettings, Findings, FormatSettings, read
from spacy_bilstm_crf.data.texts import csv_rows

LIMIT = 131_072
LONG = "a" * (2 * LIMIT)


@pytest.fixture(autouse=True)
def limit():
    assert csv.field_size_limit() == LIMIT
    yield
    assert csv.field_size_limit() == LIMIT


def test_the_limit_is_lifted_only_while_a_row_is_read():
    rows = with_long_cells(csv.reader([f"{LONG},b", LONG, "c"], strict=True))
    assert next(rows) == [LONG, "b"]
    with pytest.raises(csv.Error, match="field larger than field limit"):
        next(csv.reader([LONG]))
    assert list(rows) == [[LONG], ["c"]]


def test_a_refused_row_leaves_the_limit():
    rows = with_long_cells(csv.reader(["a", '"b'], strict=True))
    assert next(rows) == ["a"]
    with pytest.raises(csv.Error, match="unexpected end of data"):
        next(rows)


def test_texts_in_csv(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(f"text\n{LONG}\nb\n")
    rows = csv_rows(path)  # read one by one, so the limit must not stay lifted in between
    assert [next(rows)[0], next(rows)[0]] == [["text"], [LONG]]
    assert csv.field_size_limit() == LIMIT


def test_quoted_cells_of_columns(tmp_path):
    """A cell that the csv module refuses for its length would keep its quotes, silently."""
    path = tmp_path / "a.csv"
    path.write_text(f'word,tag\n"{LONG}",O\n"a ""b""",B-PER\n')
    settings = FormatSettings(lang="en", docs=DocSettings("missing"))
    (doc,) = read(path, "conll", settings, Findings())
    assert [token.text for token in doc] == [LONG, 'a "b"']

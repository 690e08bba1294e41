"""A format is one entry of the registry: all that reads and writes goes by it."""

import pytest
import spacy

from spacy_bilstm_crf.data.formats import FORMATS, Findings, Format, FormatSettings, read, write
from spacy_bilstm_crf.data.formats.losses import EVERYTHING, NOTES
from spacy_bilstm_crf.data.formats.records import Record
from spacy_bilstm_crf.workflows import convert


def read_lines(path, settings, findings):
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        yield Record(f"{path}:{number}", line, id=str(number))


def write_lines(docs, path, settings, findings):
    path.write_text("".join(f"{doc.text}\n" for doc in docs))


@pytest.fixture
def lines(monkeypatch):
    monkeypatch.setitem(FORMATS, "lines", Format("lines", read_lines, write_lines, (".lines",)))


def test_a_new_format_is_one_entry(lines, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.lines").write_text("Ada saw Rome\nstones\n")
    docs = convert(tmp_path / "in", tmp_path / "docs", source="lines", lang="en").files
    assert [(file.path.name, file.n_docs) for file in docs] == [("a.spacy", 2)]
    back = convert(tmp_path / "docs", tmp_path / "back", source="spacy", target="lines")
    assert (tmp_path / "back" / "a.lines").read_text() == "Ada saw Rome\nstones\n"
    assert back.findings.notes["ids left out"] == 2


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_format_keeps_is_of_the_list(name):
    assert FORMATS[name].keeps <= EVERYTHING == NOTES.keys()


def test_tokens_that_are_not_known_are_counted_whether_or_not_a_doc_has_entities(tmp_path):
    doc = spacy.blank("xx")("Ada saw Rome")
    doc.set_ents([], missing=[doc[0:1]], default="outside")
    findings = Findings()
    assert write([doc], tmp_path / "brat", "brat", FormatSettings(), findings) == 1
    assert findings.notes[NOTES["unknown"]] == 1
    (found,) = read(tmp_path / "brat", "brat", FormatSettings(), findings)
    assert found.has_annotation("ENT_IOB") and not found.ents

"""A format is one entry of the registry: all that reads and writes goes by it."""

import pytest
import spacy
from spacy.tokens import Span

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.formats import (
    FORMATS,
    Findings,
    Format,
    FormatSettings,
    read,
    writable,
    write,
)
from spacy_bilstm_crf.data.formats.losses import NOTES
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
    assert set(FORMATS[name].keeps) <= NOTES.keys()


def test_formats_that_can_only_be_read(tmp_path):
    only_read = {"bioc", "dataturks", "ground-truth", "ner-annotator", "pubtator", "rasa"}
    assert set(FORMATS) - set(writable()) == {*only_read, "spacy-v2", "uima-cas", "webanno"}
    with pytest.raises(UserError, match="rasa can only be read: write one of brat, conll, "):
        write([], tmp_path / "out", "rasa", FormatSettings(), Findings())
    with pytest.raises(UserError, match="target rasa: it must be one of brat, conll, "):
        convert(tmp_path / "in", tmp_path / "out", target="rasa")


def test_tokens_that_are_not_known_are_counted_whether_or_not_a_doc_has_entities(tmp_path):
    doc = spacy.blank("xx")("Ada saw Rome")
    doc.set_ents([], missing=[doc[0:1]], default="outside")
    findings = Findings()
    assert write([doc], tmp_path / "brat", "brat", FormatSettings(), findings).n_docs == 1
    assert findings.notes[NOTES["unknown"]] == 1
    (found,) = read(tmp_path / "brat", "brat", FormatSettings(), findings)
    assert found.has_annotation("ENT_IOB") and not found.ents


LOST = {
    "ids of entities (kb_id and span_id) left out": 1,
    "spans of other groups in doc.spans left out": 2,
    "documents' categories left out": 1,
    "documents' sentence boundaries left out": 1,
    "documents' other user data left out": 1,
}


@pytest.mark.parametrize("name", writable())
def test_what_only_spacy_holds_is_counted(name, tmp_path):
    nlp = spacy.blank("en")
    doc = nlp("Ada Lovelace met Rome. It rained.")
    doc.ents = [Span(doc, 0, 2, label="PERSON", kb_id="Q7259", span_id="ada")]
    doc.spans["sc"] = [Span(doc, 0, 1, label="A"), Span(doc, 0, 2, label="B")]
    doc.cats = {"good": 1.0}
    doc.user_data["more"] = 1
    for token in doc:
        token.is_sent_start = token.i in (0, 5)
    findings = Findings()
    write([doc], tmp_path / "out", name, FormatSettings(), findings)
    notes = {what: n for what, n in findings.notes.items() if n}
    expected = {} if name == "spacy" else dict(LOST)
    if name == "conll":
        del expected["documents' sentence boundaries left out"]
    if name in ("conll", "gliner", "hugging-face"):
        expected["documents with other white space now: one blank between words"] = 1
    assert notes == expected


@pytest.mark.parametrize("name", writable())
def test_odd_values_in_docs_can_be_written(name, tmp_path):
    doc = spacy.blank("en")("Ada saw Rome")
    doc.ents = [Span(doc, 0, 1, label="P E"), Span(doc, 2, 3, label=" ")]
    odd = {"a": float("nan"), "b": [b"bytes"], 3: None, ("x",): 1}
    doc.user_data.update({"id": 7, "meta": odd, "answer": ["x"], "annotator": {"a": 1}})
    write([doc], tmp_path / "out", name, FormatSettings(lang="en"), Findings())
    (back,) = read(tmp_path / "out", name, FormatSettings(lang="en"), Findings())
    labels = ["P_E", "_"] if name in ("conll", "brat") else ["P E"]
    assert [ent.label_ for ent in back.ents][: len(labels)] == labels
    doc.user_data["meta"] = ["a", "list"]
    write([doc], tmp_path / "out", name, FormatSettings(lang="en"), Findings())

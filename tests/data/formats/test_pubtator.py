"""PubTator's titles, abstracts and offsets."""

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.formats import DocSettings, Findings, FormatSettings, read

NLP = spacy.blank("en")
FILE = """1|t|Naloxone in rats
1|a|It reverses pain.
1\t0\t8\tNaloxone\tChemical\tD009270
1\t12\t16\trats\tSpecies
1\t29\t33\tpain\tDisease\tD010146
1\tCID\tD009270\tD010146

2|t|No abstract
3|t|Next
3|a|
"""


def reading(tmp_path, text, findings=None):
    path = tmp_path / "a.pubtator"
    path.write_text(text, encoding="utf8")
    found = Findings() if findings is None else findings
    return list(read(path, "pubtator", FormatSettings("en", docs=DocSettings("missing")), found))


def test_pubtator(tmp_path):
    findings = Findings()
    docs = reading(tmp_path, FILE, findings)
    assert [(doc.user_data["id"], doc.text) for doc in docs] == [
        ("1", "Naloxone in rats It reverses pain."),
        ("2", "No abstract"),
        ("3", "Next "),
    ]
    expected = [("Naloxone", "Chemical"), ("rats", "Species"), ("pain", "Disease")]
    assert [(ent.text, ent.label_) for ent in docs[0].ents] == expected
    assert not findings.problems
    said = {what.split(",")[0]: n for what, n in findings.notes.items() if n}
    assert said == {
        "relations left out": 1,
        "ids of entities left out": 2,
        "documents without an entity": 2,
    }


@pytest.mark.parametrize(
    "line, kind",
    [
        ("1\t0\t8\tnaloxane\tX", "other text than quoted"),
        ("1\t0\t800\tNaloxone\tX", "outside the text"),
        ("2\t0\t8\tNaloxone\tX", "not readable"),
        ("1\t0\t8\tNaloxone", "not readable"),
        ("1 0 8 Naloxone X", "not readable"),
    ],
)
def test_a_wrong_line_makes_its_document_unknown(line, kind, tmp_path):
    findings = Findings()
    lines = FILE.split("\n")
    docs = reading(tmp_path, "\n".join([*lines[:5], line, *lines[6:]]), findings)
    assert [problem.kind for problem in findings.problems] == [kind]
    assert len(docs) == 3
    assert not all(token.ent_iob for token in docs[0])
    assert all(token.ent_iob for token in docs[1])


def test_other_text_is_refused_in_one_line(tmp_path):
    for text in ("Ada B-PER\n", "1|a|abstract\n", "1|t|a\n2|a|b\n"):
        with pytest.raises(UserError, match=r"a.pubtator:1: .* is not of the form 1\|t\|TITLE"):
            reading(tmp_path, text)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from(["Ada", "\U0001f600", "e\u0301", "it's"]), min_size=1)))
def test_every_word_of_titles_and_abstracts(tmp_path_factory, corpus):
    blocks = []
    for number, words in enumerate(corpus):
        text = " ".join(words)
        at = text.find(" ")
        title, abstract = (text[:at], text[at + 1 :]) if at > 0 else (text, "")
        lines = [f"{number}|t|{title}", f"{number}|a|{abstract}"]
        start = 0
        for word in words:
            lines.append(f"{number}\t{start}\t{start + len(word)}\t{word}\tX\t-1")
            start += len(word) + 1
        blocks.append("\n".join(lines) + "\n")
    findings = Findings()
    docs = reading(tmp_path_factory.mktemp("files"), "\n".join(blocks), findings)
    assert not findings.problems
    assert [[ent.text for ent in doc.ents] for doc in docs] == corpus

"""spaCy v2's training data, and NER Annotator's, which has the same pairs of text and entities.

What the JSON of paragraphs holds is compared with what spaCy's own converter makes of it.
"""

import json

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.training.converters import json_to_docs
from spacy.training.gold_io import docs_to_json

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.formats import DocSettings, Findings, FormatSettings, read

MISSING = FormatSettings(lang="en", docs=DocSettings("missing"))
NLP = spacy.blank("en")


def reading(tmp_path, values, name="spacy-v2", findings=None):
    path = tmp_path / "data.json"
    path.write_text(values if isinstance(values, str) else json.dumps(values), encoding="utf8")
    return list(read(path, name, MISSING, Findings() if findings is None else findings))


def tagged(doc):
    return " ".join(f"{t.text}/{t.ent_iob_ or '?'}{t.ent_type_}" for t in doc)


def notes(findings):
    return {what: n for what, n in findings.notes.items() if n}


EXAMPLE = ["Ada met Bob.", {"entities": [[0, 3, "PER"], [8, 11, "PER"]]}]
TAGGED = "Ada/BPER met/O Bob/BPER ./O"


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([EXAMPLE, EXAMPLE]),
        json.dumps([EXAMPLE, EXAMPLE], indent=2),
        f"{json.dumps(EXAMPLE)}\n\n{json.dumps(EXAMPLE)}\n",
    ],
)
def test_texts_with_offsets_in_a_list_or_on_lines(text, tmp_path):
    assert [tagged(doc) for doc in reading(tmp_path, text)] == [TAGGED, TAGGED]


def test_one_text_alone(tmp_path):
    for text in (json.dumps(EXAMPLE), json.dumps(EXAMPLE, indent=1)):
        assert [tagged(doc) for doc in reading(tmp_path, text)] == [TAGGED]


@pytest.mark.parametrize(
    "annotation, expected, said",
    [
        ({}, "Ada/? met/? Bob/? ./?", "documents that are not annotated"),
        ({"entities": None}, "Ada/? met/? Bob/? ./?", "documents that are not annotated"),
        ({"entities": []}, "Ada/O met/O Bob/O ./O", "documents without an entity"),
        ({"entities": [[0, 3, "X"]], "cats": {"a": 1}}, "Ada/BX met/O Bob/O ./O", "values of 'cat"),
        (
            {"words": ["Ada", "met", "Bob", "."], "entities": ["U-X", "O", "-", "O"]},
            "Ada/BX met/O Bob/? ./O",
            None,
        ),
    ],
)
def test_what_is_said_of_a_text(annotation, expected, said, tmp_path):
    findings = Findings()
    (doc,) = reading(tmp_path, [["Ada met Bob.", annotation]], findings=findings)
    assert tagged(doc) == expected
    assert [what.startswith(said or "?") for what in notes(findings)] == [True] * bool(said)


@pytest.mark.parametrize(
    "value, message",
    [
        (["Ada", {"entities": {"a": 1}}], "'entities' must be a list"),
        (["Ada", {"entities": [[0, 3]]}], "is not of the form [start, end, label]"),
        (["Ada", {"entities": ["U-X", "O"], "words": ["Ada"]}], "2 tags of 1 words"),
        (["Ada", {"entities": ["X"], "words": ["Ada"]}], "A tag is 'X'"),
        (["Ada", {"entities": ["O"], "words": ["Bob"]}], "The tokens are not those of the text"),
        ({"paragraphs": [{"sentences": [{"tokens": [{"ner": "O"}]}]}]}, "has no 'orth'"),
        ({"paragraphs": [{"sentences": [{"tokens": [{"orth": ""}]}]}]}, "A token is ''"),
        ({"paragraphs": [{"raw": 7, "sentences": []}]}, "The text under 'raw' is 7"),
        ({"text": "Ada"}, 'is neither [text, {"entities": ...}] nor'),
        ("Ada", "is neither"),
    ],
)
def test_what_is_wrong_with_one_is_a_problem_among_others(value, message, tmp_path):
    findings = Findings()
    docs = reading(tmp_path, [EXAMPLE, value, EXAMPLE], findings=findings)
    assert [tagged(doc) for doc in docs] == [TAGGED, TAGGED]
    (problem,) = findings.problems
    assert problem.kind == "not readable" and message in problem.message
    assert problem.place.endswith("data.json, number 2")
    with pytest.raises(UserError):
        reading(tmp_path, [value])


WORDS = ["Ada", "Bob", "\U0001f600", "don't", ".", "e\u0301"]


@st.composite
def docs_of_tokens(draw):
    words = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=8))
    spaces = [draw(st.booleans()) for _ in words]
    starts = [i == 0 or draw(st.booleans()) for i in range(len(words))]
    doc = Doc(NLP.vocab, words=words, spaces=spaces, sent_starts=starts)
    ents, missing, i = [], [], 0
    for sentence in doc.sents:
        i = sentence.start
        while i < sentence.end:
            end = draw(st.integers(i + 1, sentence.end))
            kind = draw(st.sampled_from(["PER", "LOC", "O", "?"]))
            if kind in ("PER", "LOC"):
                ents.append(Span(doc, i, end, label=kind))
            elif kind == "?":
                missing.append(doc[i:end])
            i = end
    doc.set_ents(ents, missing=missing, default="outside")
    return doc


@settings(max_examples=60, deadline=None)
@given(docs_of_tokens(), st.booleans())
def test_json_of_spacy_itself(tmp_path_factory, doc, with_text):
    value = docs_to_json([doc])
    (paragraph,) = value["paragraphs"]
    tokens = [token for sentence in paragraph["sentences"] for token in sentence["tokens"]]
    for token, of_doc in zip(tokens, doc):
        if not of_doc.ent_iob and doc.has_annotation("ENT_IOB"):  # of which spaCy makes an O
            token["ner"] = "-"
        if not with_text:
            token.pop("space", None)
    if not with_text:
        del paragraph["raw"]
    folder = tmp_path_factory.mktemp("files")
    (found,) = reading(folder, [value])
    assert [t.text for t in found] == [t.text for t in doc]
    assert [t.ent_type_ for t in found] == [t.ent_type_ for t in doc]
    known = any(t.ent_iob for t in doc)
    assert [t.ent_iob_ for t in found] == ([t.ent_iob_ for t in doc] if known else [""] * len(doc))
    if with_text:
        assert found.text == doc.text
    if len(list(doc.sents)) > 1:
        assert [t.is_sent_start for t in found] == [t.is_sent_start for t in doc]
    if known and with_text:  # spaCy's converter finds the same
        (theirs,) = json_to_docs(json.dumps([value]))
        assert [(e.text, e.label_) for e in theirs.ents] == [(e.text, e.label_) for e in found.ents]


def paragraph(*tokens, **keys):
    found = [dict(zip(("orth", "ner", "tag"), token)) for token in tokens]
    return {"id": 0, "paragraphs": [{"sentences": [{"tokens": found}], **keys}]}


def test_tokens_that_are_not_those_of_the_text_make_the_text(tmp_path):
    value = paragraph(("``", "O"), ("Ada", "U-PER"), ("''", "O"), raw='"Ada"')
    findings = Findings()
    (doc,) = reading(tmp_path, value, findings=findings)
    assert tagged(doc) == "``/O Ada/BPER ''/O"
    assert list(notes(findings).values()) == [1]


def test_white_space_and_what_else_a_file_has(tmp_path):
    value = paragraph(("Ada", "B-PER", "NNP"), ("\n\n", "I-PER", "_SP"), ("Lee", "L-PER", "NNP"))
    value["paragraphs"][0].update({"raw": "Ada\n\nLee", "cats": [{"label": "a", "value": 1}]})
    value["paragraphs"][0]["sentences"][0]["tokens"][0].update({"dep": "nsubj", "head": 2})
    findings = Findings()
    (doc,) = reading(tmp_path, value, findings=findings)
    assert tagged(doc) == "Ada/BPER \n\n/IPER Lee/IPER"
    assert [t.tag_ for t in doc] == ["NNP", "_SP", "NNP"]
    assert notes(findings) == {"tokens' dependencies left out": 2, "values of 'cats' left out": 1}
    (doc,) = reading(tmp_path, paragraph(("Ada", "B-PER"), ("sang", "O")), findings=findings)
    assert [problem.kind for problem in findings.problems] == ["invalid tags"]
    assert tagged(doc) == "Ada/? sang/O"
    (doc,) = reading(tmp_path, paragraph(("Ada", None), ("sang", "-")))
    assert tagged(doc) == "Ada/? sang/?"


def annotator(*annotations):
    return {"classes": ["PER"], "annotations": list(annotations)}


def entry(status, label="PER"):
    return [status, "2024-01-01", "Ada", label]


@pytest.mark.parametrize(
    "entity, expected, wrong, suggested",
    [
        ([0, 3, "PER"], "Ada/BPER met/O Bob/O ./O", [], []),
        ([0, 3, "PER", []], "Ada/BPER met/O Bob/O ./O", [], []),
        ([0, 3, [entry("Created", "X"), entry("Accepted")]], "Ada/BPER met/O Bob/O ./O", [], []),
        ([0, 3, "X", [entry("Accepted")]], "Ada/BPER met/O Bob/O ./O", [], []),
        ([0, 3, [entry("Rejected")]], "Ada/O met/O Bob/O ./O", ["Ada"], []),
        ([0, 3, [entry("Predicted")]], "Ada/? met/O Bob/O ./O", [], ["Ada"]),
    ],
)
def test_entities_of_ner_annotator(entity, expected, wrong, suggested, tmp_path):
    value = annotator(["Ada met Bob.", {"entities": [entity]}], None)
    findings = Findings()
    (doc,) = reading(tmp_path, value, "ner-annotator", findings)
    assert tagged(doc) == expected
    assert [span.text for span in doc.spans.get("incorrect_spans", ())] == wrong
    assert [span.text for span in doc.spans.get("predictions", ())] == suggested
    assert notes(findings) == {
        "texts that nobody has looked at, and that are not in the file, left out": 1
    }


@pytest.mark.parametrize(
    "value, message",
    [
        (annotator(["Ada"]), "is not of the form [text, "),
        (annotator(["Ada", {"entities": [[0, 3, [["x"]]]]}]), "is not of the form [status, date,"),
        ({"classes": []}, "has no 'annotations'"),
    ],
)
def test_ner_annotators_mistakes(value, message, tmp_path):
    with pytest.raises(UserError) as caught:
        reading(tmp_path, value, "ner-annotator")
    assert message in str(caught.value)

"""Rasa's training data, in YAML, Markdown and JSON: the same examples in each."""

import json
import re

import pytest
import spacy
import srsly
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.formats import DocSettings, Findings, FormatSettings, read
from spacy_bilstm_crf.workflows import convert

MISSING = FormatSettings(lang="en", docs=DocSettings("missing"))


def reading(tmp_path, name, text, findings=None):
    path = tmp_path / name
    path.write_text(text, encoding="utf8")
    return list(read(path, "rasa", MISSING, Findings() if findings is None else findings))


def found(doc):
    return doc.text, [(ent.text, ent.label_) for ent in doc.ents], doc.user_data["meta"]["intent"]


def notes(findings):
    return {what: n for what, n in findings.notes.items() if n}


YAML = """
version: "3.1"  # of the format
nlu:
- intent: book
  examples: |
    - fly to [Rome](city)
    - from [New York]{"entity": "city", "role": "from", "value": "NYC"} to [rome](city:Rome)

- intent: greet/hello
  metadata: {sentiment: good}
  examples:
  - text: |
      - not a dash of a list
  - text: hi [Ada](name)
    metadata: {by: Bob}
- synonym: NYC
  examples: |
    - New York
    - big apple
- regex: zip
  examples: |
    - \\d{5}
- lookup: city
  examples: |
    - Rome
    - Paris
responses:
  utter_hi:
  - text: hi
"""
BOOKED = [
    ("fly to Rome", [("Rome", "city")], "book"),
    ("from New York to rome", [("New York", "city"), ("rome", "city")], "book"),
]
LEFT_OUT = {
    "synonyms left out": 2,
    "regular expressions left out": 1,
    "lookup tables left out": 1,
    "values of entities that differ from their text left out": 2,
}


def test_yaml(tmp_path):
    findings = Findings()
    docs = reading(tmp_path, "nlu.yml", YAML, findings)
    assert [found(doc) for doc in docs] == [
        *BOOKED,
        ("- not a dash of a list", [], "greet/hello"),
        ("hi Ada", [("Ada", "name")], "greet/hello"),
    ]
    metadata = [doc.user_data["meta"].get("metadata") for doc in docs]
    assert metadata == [None, None, {"sentiment": "good"}, {"by": "Bob"}]
    assert all(token.ent_iob for doc in docs for token in doc)
    (without,) = [n for what, n in notes(findings).items() if "without an entity" in what]
    assert without == 1
    assert {what: n for what, n in notes(findings).items() if "without an" not in what} == {
        **LEFT_OUT,
        "roles of entities left out": 1,
        "parts of Rasa's files under 'responses' left out": 1,
    }


MARKDOWN = """
<!-- a comment
- [x](y) of two lines -->
## intent:book
- fly to [Rome](city)
* from [New York](city:NYC) to [rome](city:Rome)

## intent: greet
  + hi\\nthere <!-- - hi [Ada](name) -->
forgotten

## synonym:NYC
- New York
- big apple
## regex:zip
- \\d{5}
## lookup:city
  data/cities.txt
"""


def test_markdown(tmp_path):
    findings = Findings()
    docs = reading(tmp_path, "nlu.md", MARKDOWN, findings)
    assert [found(doc) for doc in docs] == [*BOOKED, ("hi\nthere", [], "greet")]
    said = {what: n for what, n in notes(findings).items() if "without an" not in what}
    assert said == {**LEFT_OUT, "lines that are no example left out": 1}


JSON = {
    "rasa_nlu_data": {
        "common_examples": [
            {
                "text": "fly to Rome",
                "intent": "book",
                "entities": [{"start": 7, "end": 11, "value": "Rome", "entity": "city"}],
            },
            {
                "text": "from New York to rome",
                "intent": "book",
                "entities": [
                    {"start": 5, "end": 13, "value": "NYC", "entity": "city"},
                    {"start": 17, "end": 21, "value": "Rome", "entity": "city"},
                ],
            },
        ],
        "entity_synonyms": [{"value": "NYC", "synonyms": ["New York"]}, {}],
        "regex_features": [{}],
        "lookup_tables": [{}],
    }
}


def test_json(tmp_path):
    findings = Findings()
    docs = reading(tmp_path, "nlu.json", json.dumps(JSON, indent=1), findings)
    assert [found(doc) for doc in docs] == BOOKED
    assert notes(findings) == LEFT_OUT


@pytest.mark.parametrize(
    "example, text, entities",
    [
        ("[a](x)[b](y)", "ab", None),  # one token
        ("see [1] and (2) or [3]", "see [1] and (2) or [3]", []),
        ("[a b](x) [c]", "a b [c]", [("a b", "x")]),
        ("a [b] (x)", "a [b] (x)", []),
        ('[a][{"entity": "x"}, {"entity": "y"}]', "a", None),  # two labels of one token
        ('say [a]{"entity": "x:y"} b', "say a b", [("a", "x:y")]),
        ("[a](x: y z) b", "a b", [("a", "x")]),
        ("[\U0001f600 a](x)", "\U0001f600 a", [("\U0001f600 a", "x")]),
    ],
)
def test_entities_in_examples(example, text, entities, tmp_path):
    findings = Findings()
    yaml = srsly.yaml_dumps({"nlu": [{"intent": "i", "examples": [{"text": example}]}]})
    (doc,) = reading(tmp_path, "nlu.yml", yaml, findings)
    assert doc.text == text
    if entities is None:
        assert findings.problems and not doc.ents
    else:
        assert [(ent.text, ent.label_) for ent in doc.ents] == entities


@pytest.mark.parametrize("example", ["[a]{x}", '[a]{"value": "x"}', "[a][{1}]", '[a]{"entity": 7}'])
def test_a_wrong_entity_is_a_problem_of_its_example(example, tmp_path):
    findings = Findings()
    yaml = f"nlu:\n- intent: i\n  examples: |\n    - good\n    - {example}\n"
    docs = reading(tmp_path, "nlu.yml", yaml, findings)
    (problem,) = findings.problems
    assert [doc.text for doc in docs if any(token.ent_iob for token in doc)] == ["good"]
    assert problem.place.endswith("intent i, example 2")


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("a.yml", "nlu: [", "This is not valid YAML: while parsing"),
        ("a.yml", "nlu:\n- intent: a\n  intent: b\n", "not valid YAML.*duplicate key"),
        ("a.yml", "stories:\n- story: a\n", "no examples under 'nlu', but: stories"),
        ("a.yml", "nlu:\n  intent: a\n", "'nlu' must be a list"),
        ("a.yml", "nlu:\n- examples: |\n    - a\n", "has no 'intent'"),
        ("a.yml", "- a\n", "no training data of Rasa"),
        ("a.md", "# A project\n", "There is no '## intent:' in this file"),
        ("a.md", "## intent:a\n- b\n## path: c\n* d\n", "Line 3 begins a section of 'path'"),
        ("a.json", '{"rasa_nlu_data": []}', "'rasa_nlu_data' must be an object"),
        ("a.json", '{"nlu": []}', "has no 'rasa_nlu_data'"),
        ("a.json", "{", "This is not valid JSON"),
    ],
)
def test_other_files_are_refused_in_one_line(name, text, message, tmp_path):
    with pytest.raises(UserError) as caught:
        reading(tmp_path, name, text)
    assert re.search(message, str(caught.value)) and "\n" not in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


NLP = spacy.blank("en")
WORDS = ["Ada", "Rome", "\U0001f600", "e\u0301", "don't", "(so)", "C#"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from(WORDS), st.sampled_from([None, "city", "name"])),
            min_size=1,
            max_size=6,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_examples_in_each_of_the_three(tmp_path_factory, examples):
    folder = tmp_path_factory.mktemp("files")
    marked = [" ".join(f"[{w}]({label})" if label else w for w, label in x) for x in examples]
    yaml = "nlu:\n- intent: i\n  examples: |\n" + "".join(f"    - {line}\n" for line in marked)
    of_json = []
    for example in examples:
        text, entities = "", []
        for word, label in example:
            start = len(text) + bool(text)
            text = f"{text} {word}" if text else word
            if label:
                entities.append({"start": start, "end": len(text), "entity": label, "value": word})
        of_json.append({"text": text, "intent": "i", "entities": entities})
    expected = [
        (one["text"], [(e["value"], e["entity"]) for e in one["entities"]]) for one in of_json
    ]
    for name, text in (
        ("a.yml", yaml),
        ("a.md", "## intent:i\n" + "".join(f"- {line}\n" for line in marked)),
        ("a.json", json.dumps({"rasa_nlu_data": {"common_examples": of_json}})),
    ):
        findings = Findings()
        docs = reading(folder, name, text, findings)
        assert not findings.problems
        assert [(doc.text, [(e.text, e.label_) for e in doc.ents]) for doc in docs] == expected


def test_of_a_project_only_the_examples_are_read(tmp_path):
    folder = tmp_path / "data"
    (folder / "more").mkdir(parents=True)
    (folder / "nlu.yml").write_text(YAML)
    (folder / "more" / "faq.md").write_text(MARKDOWN)
    (folder / "README.md").write_text("# A bot\n")
    for name in ("domain.yml", "stories.yml", "rules.yaml"):
        (folder / name).write_text("stories:\n- story: a\n")
    said = []
    files = convert(folder, tmp_path / "out", lang="en", on_progress=said.append).files
    assert [(file.path.name, file.n_docs) for file in files] == [("faq.spacy", 3), ("nlu.spacy", 4)]
    assert said[0] == f"{folder} is read as rasa"

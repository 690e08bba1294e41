"""The JSON of Dataturks, SageMaker Ground Truth, GLiNER and Presidio."""

import json

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.formats import DocSettings, Findings, FormatSettings, read, write

MISSING = FormatSettings(lang="en", docs=DocSettings("missing"))
SMILE = "\U0001f600"
TEXT = "Ada met Bob in Rome."
NOTHING = "Ada/? met/? Bob/? in/? Rome/? ./?"
ADA = "Ada/BPER met/O Bob/O in/O Rome/O ./O"


def reading(tmp_path, name, values, findings=None):
    path = tmp_path / "data.json"
    path.write_text("\n".join(map(json.dumps, values)), encoding="utf8")
    return list(read(path, name, MISSING, Findings() if findings is None else findings))


def tagged(doc):
    return " ".join(f"{t.text}/{t.ent_iob_ or '?'}{t.ent_type_}" for t in doc)


def notes(findings):
    return {what: n for what, n in findings.notes.items() if n}


def refused(tmp_path, name, value):
    with pytest.raises(UserError) as caught:
        reading(tmp_path, name, [value])
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Dataturks


def turk(*points, content=TEXT, label=("PER",), **keys):
    found = [dict(zip(("start", "end", "text"), point)) for point in points]
    annotation = [{"label": list(label), "points": [point]} for point in found]
    return {"content": content, "annotation": annotation, "extras": None, **keys}


@pytest.mark.parametrize(
    "value, expected, kinds",
    [
        (turk((0, 2, "Ada")), ADA, []),
        (turk((0, 2)), ADA, []),
        (turk(), ADA.replace("BPER", "O"), []),
        (turk((0, 2, "Ada"), (15, 18, "Rome"), label=["X"]), None, []),
        (turk((8, 11, "Bob ")), "Ada/O met/O Bob/? in/O Rome/O ./O", ["not on tokens"]),
        (turk((4, 6, "Bob")), NOTHING, ["other text than quoted"]),
        (turk((0, 2, "Ada"), label=[]), NOTHING.replace("?", "O").replace("Ada/O", "Ada/?"), None),
        (turk((0, 2, "Ada"), label=["A", "B"]), None, ["overlapping"]),
        (turk((0, 200, "Ada")), NOTHING, ["outside the text"]),
        ({**turk(), "annotation": None}, NOTHING, []),
    ],
)
def test_dataturks(value, expected, kinds, tmp_path):
    findings = Findings()
    (doc,) = reading(tmp_path, "dataturks", [value], findings)
    assert expected is None or tagged(doc) == expected
    assert kinds is None or [problem.kind for problem in findings.problems] == kinds


def test_ends_of_dataturks_that_are_after_the_last_character(tmp_path):
    findings = Findings()
    values = [turk((0, 3, "Ada"), (8, 11, "Bob")), turk((0, 2, "Ada"), (8, 10, "Bob"))]
    docs = reading(tmp_path, "dataturks", values, findings)
    assert [[ent.text for ent in doc.ents] for doc in docs] == [["Ada", "Bob"]] * 2
    assert not findings.problems
    (said,) = notes(findings)
    assert said.startswith("documents whose ends are after the last character")


def test_offsets_of_dataturks_in_units_of_a_browser(tmp_path):
    value = turk((3, 5, "Ada"), content=f"{SMILE} Ada sang")
    (doc,) = reading(tmp_path, "dataturks", [value])
    assert tagged(doc) == f"{SMILE}/O Ada/BPER sang/O"


def test_who_annotated_in_dataturks_and_other_projects(tmp_path):
    metadata = {"last_updated_by": "ada", "sec_taken": 3, "status": "done"}
    (doc,) = reading(tmp_path, "dataturks", [turk((0, 2, "Ada"), metadata=metadata)])
    assert doc.user_data["annotator"] == "ada"
    assert doc.user_data["meta"] == {"metadata": metadata}
    classes = {"content": TEXT, "annotation": {"labels": ["SPORTS"]}}
    assert "'annotation' must be a list" in refused(tmp_path, "dataturks", classes)


# Ground Truth


def truth(*entities, job="job", date="2024-01-01", human="yes", confidence=0.9, **keys):
    found = [dict(zip(("startOffset", "endOffset", "label"), one)) for one in entities]
    about = {
        "type": "groundtruth/text-span",
        "entities": [{"confidence": confidence} for _ in entities],
        "human-annotated": human,
        "creation-date": date,
    }
    return {
        "source": TEXT,
        job: {"annotations": {"entities": found, "labels": [{"label": "PER"}]}},
        f"{job}-metadata": about,
        **keys,
    }


def test_ground_truth(tmp_path):
    findings = Findings()
    by_model = truth((0, 3, "PER"), human="no", line=7)
    values = [truth((0, 3, "PER")), truth(), by_model, {"source": TEXT}]
    docs = reading(tmp_path, "ground-truth", values, findings)
    assert [tagged(doc) for doc in docs] == [ADA, ADA.replace("BPER", "O"), NOTHING, NOTHING]
    assert docs[2].spans["predictions"].attrs["scores"].tolist() == [pytest.approx(0.9)]
    assert docs[2].user_data["meta"] == {"line": 7}
    said = notes(findings)
    assert said["documents that a model has labelled and nobody has looked at, as predictions"] == 1
    assert said["confidences of what people have labelled left out"] == 1


def test_of_several_jobs_of_ground_truth_the_last_counts(tmp_path):
    findings = Findings()
    first = truth((8, 11, "PER"), job="a", date="2024-02-01")
    last = truth((0, 3, "PER"), job="b", date="2024-03-01")
    for value in ({**first, **last}, {**last, **first}):
        (doc,) = reading(tmp_path, "ground-truth", [value], findings)
        assert tagged(doc) == ADA
    assert notes(findings)["annotations of earlier jobs left out"] == 2


def test_manifests_without_text_or_of_other_jobs(tmp_path):
    value = {**truth(), "source-ref": "s3://a/b.txt"}
    del value["source"]
    assert "The text is in 's3://a/b.txt'" in refused(tmp_path, "ground-truth", value)
    other = {"type": "groundtruth/text-classification", "human-annotated": "yes"}
    value = {"source": TEXT, "job": 1, "job-metadata": other}
    assert "groundtruth/text-classification" in refused(tmp_path, "ground-truth", value)
    failed = {"source": TEXT, "job-metadata": {"failure-reason": "x", "type": "y"}}
    (doc,) = reading(tmp_path, "ground-truth", [failed])
    assert tagged(doc) == NOTHING


# GLiNER

WORDS = ["Ada", "met", "Bob", "Lee", "."]


@pytest.mark.parametrize(
    "ner, expected",
    [
        ([[0, 0, "PER"]], "Ada/BPER met/O Bob/O Lee/O ./O"),
        ([[2, 3, "a person"]], "Ada/O met/O Bob/Ba person Lee/Ia person ./O"),
        ([], "Ada/O met/O Bob/O Lee/O ./O"),
        (None, "Ada/? met/? Bob/? Lee/? ./?"),
    ],
)
def test_gliner(ner, expected, tmp_path):
    value = {"tokenized_text": WORDS, "ner": ner, "ner_negatives": ["city"], "id": 3}
    (doc,) = reading(tmp_path, "gliner", [value])
    assert tagged(doc) == expected
    assert doc.user_data == {"id": "3", "meta": {"ner_negatives": ["city"]}}
    write([doc], tmp_path / "out.json", "gliner", MISSING, Findings())
    (again,) = json.loads((tmp_path / "out.json").read_text())
    expected_back = {**value, "id": "3"}
    if ner is None:
        del expected_back["ner"]
    assert again == expected_back


@pytest.mark.parametrize(
    "value, message",
    [
        ({"tokenized_text": WORDS, "ner": [[0, 5, "X"]]}, "must be numbers from 0 to 4"),
        ({"tokenized_text": WORDS, "ner": [[2, 1, "X"]]}, "must be numbers from 0 to 4"),
        ({"tokenized_text": WORDS, "ner": [["Ada", 0, "X"]]}, "must be numbers from 0 to 4"),
        ({"tokenized_text": WORDS, "ner": [[0, 0]]}, "not of the form [first token,"),
        ({"tokenized_text": ["a", ""], "ner": []}, "is '', but it must be a word"),
        ({"tokenized_text": "Ada", "ner": []}, "'tokenized_text' must be a list"),
        ({"text": "Ada"}, "has no 'tokenized_text'"),
    ],
)
def test_what_is_no_gliner(value, message, tmp_path):
    assert message in refused(tmp_path, "gliner", value)


# Presidio


def sample(*spans, **keys):
    names = ("start_position", "end_position", "entity_type", "entity_value")
    found = [dict(zip(names, span)) for span in spans]
    return {"full_text": TEXT, "masked": "x", "spans": found, "template_id": 5, **keys}


def test_presidio(tmp_path):
    value = sample((0, 3, "PER", "Ada"), metadata={"Gender": "f"}, sample_id=4)
    (doc,) = reading(tmp_path, "presidio", [value])
    assert tagged(doc) == ADA
    assert doc.user_data == {"id": "4", "meta": {"Gender": "f", "template_id": 5}}
    write([doc], tmp_path / "out.json", "presidio", MISSING, Findings())
    (again,) = json.loads((tmp_path / "out.json").read_text())
    assert again == {**value, "sample_id": "4", "masked": "{{PER}} met Bob in Rome."}


def test_presidio_with_wrong_offsets_or_without_spans(tmp_path):
    findings = Findings()
    values = [sample((4, 7, "PER", "Ada")), {**sample(), "spans": None}, sample()]
    docs = reading(tmp_path, "presidio", values, findings)
    assert [tagged(doc) for doc in docs] == [NOTHING, NOTHING, NOTHING.replace("?", "O")]
    assert [problem.kind for problem in findings.problems] == ["other text than quoted"]
    assert "There is no text under 'full_text'" in refused(tmp_path, "presidio", {"text": TEXT})


# Round trips

NLP = spacy.blank("xx")
PARTS = ["Ada", "e\u0301", SMILE, "don't", ".", "#", "日本", "{{PER}}"]


@st.composite
def docs(draw, overlap):
    """A doc with entities, which may overlap, and what belongs to it."""
    words = draw(st.lists(st.sampled_from(PARTS), min_size=1, max_size=8))
    doc = Doc(NLP.vocab, words=words)
    doc.set_ents([], default="outside")
    pairs = st.tuples(st.integers(0, len(words) - 1), st.integers(1, len(words)))
    spans, taken = set(), set()
    for start, end in draw(st.lists(pairs, max_size=4)):
        tokens = set(range(start, end))
        if tokens and (overlap or not tokens & taken):
            spans.add((start, end, draw(st.sampled_from(["PER", "a city"]))))
            taken |= tokens
    found = [Span(doc, *span[:2], label=span[2]) for span in sorted(spans)]
    if overlap:
        doc.spans["sc"] = found
    else:
        doc.ents = found
    doc.user_data["id"] = str(draw(st.integers(0, 10**6)))
    doc.user_data["meta"] = draw(
        st.dictionaries(st.sampled_from(["a", "template_id", "masked"]), st.integers(0, 9))
    )
    return doc


def content(doc, overlap):
    spans = doc.spans["sc"] if overlap else doc.ents
    text = [token.text for token in doc]
    entities = sorted((span.start, span.end, span.label_) for span in spans)
    return text, entities, doc.user_data["id"], doc.user_data.get("meta", {})


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("name", ["gliner", "presidio"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_round_trips(name, overlap, tmp_path_factory, data):
    given_docs = data.draw(
        st.lists(docs(overlap), max_size=3, unique_by=lambda d: d.user_data["id"])
    )
    of_docs = DocSettings(overlaps="keep") if overlap else DocSettings()
    of_files, findings = FormatSettings(docs=of_docs), Findings()
    path = tmp_path_factory.mktemp("files") / "file.json"
    write(given_docs, path, name, of_files, findings)
    found = list(read(path, name, of_files, findings))
    assert not findings.problems
    if name == "presidio":  # whose texts are tokenized anew, at blanks
        assert [doc.text for doc in found] == [doc.text for doc in given_docs]
    expected = [content(doc, overlap) for doc in given_docs]
    compared = [content(doc, overlap) for doc in found]
    if name == "presidio":
        expected = [_by_characters(doc, overlap) for doc in given_docs]
        compared = [_by_characters(doc, overlap) for doc in found]
    assert compared == expected


def _by_characters(doc, overlap):
    spans = doc.spans["sc"] if overlap else doc.ents
    entities = sorted((span.start_char, span.end_char, span.label_) for span in spans)
    return doc.text, entities, doc.user_data["id"], doc.user_data.get("meta", {})

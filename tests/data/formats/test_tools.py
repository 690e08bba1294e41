"""What the files of each tool say, and that it comes into the doc as it was meant."""

import json

import pytest
import srsly

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.formats import DocSettings, Findings, FormatSettings, read, write
from spacy_bilstm_crf.data.formats.docs import ALL_UNKNOWN, ANY_LANGUAGE, NO_ENTITY
from spacy_bilstm_crf.pipeline.confidence import confidence

SMILE = "\U0001f600"  # two units of UTF-16


def notes_of(findings):
    """What was counted, without what did not come up."""
    return {key: n for key, n in findings.notes.items() if n}


def reading(tmp_path, name, values, findings=None, suffix=".jsonl", **settings):
    """The docs of a file of JSON lines, or of a list."""
    path = tmp_path / f"data{suffix}"
    if suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(value) for value in values), encoding="utf8")
    else:
        path.write_text(json.dumps(values), encoding="utf8")
    given = FormatSettings(docs=DocSettings(on_problem="missing", **settings))
    return list(read(path, name, given, Findings() if findings is None else findings))


def written(tmp_path, name, docs, findings=None):
    path = tmp_path / "written"
    write(docs, path, name, FormatSettings(), Findings() if findings is None else findings)
    return path


def ents(doc):
    return [(ent.text, ent.label_) for ent in doc.ents]


def iob(doc):
    return "".join(token.ent_iob_ or "." for token in doc)


def group(doc, key):
    return [(span.text, span.label_) for span in doc.spans.get(key, ())]


# Prodigy


def task(*spans, text="Ada saw Rome", **keys):
    return {"text": text, "spans": [dict(zip(("start", "end", "label"), s)) for s in spans], **keys}


ADA, ROME = (0, 3, "PER"), (8, 12, "LOC")


@pytest.mark.parametrize(
    "value, entities, tokens, incorrect, predictions",
    [
        (task(ADA, answer="accept"), ["Ada"], "BOO", [], []),
        (task(answer="accept"), [], "OOO", [], []),
        (task(ADA, answer="accept", _is_binary=True), ["Ada"], "B..", [], []),
        (task(ADA, answer="accept", _view_id="ner"), ["Ada"], "B..", [], []),
        (task(ADA, answer="accept", _view_id="ner_manual"), ["Ada"], "BOO", [], []),
        (task(ADA, answer="reject"), [], "...", ["Ada"], []),
        (task(answer="reject"), [], "...", [], []),
        (task(ADA, ROME, answer="ignore"), [], "...", [], ["Ada", "Rome"]),
        (task(ADA), [], "...", [], ["Ada"]),
    ],
)
def test_answers_of_prodigy(value, entities, tokens, incorrect, predictions, tmp_path):
    findings = Findings()
    (doc,) = reading(tmp_path, "prodigy", [value], findings)
    assert [ent.text for ent in doc.ents] == entities
    assert iob(doc) == tokens
    assert [span.text for span in doc.spans.get("incorrect_spans", ())] == incorrect
    assert [span.text for span in doc.spans.get("predictions", ())] == predictions
    assert doc.user_data.get("answer") == value.get("answer")
    assert not findings.problems
    again = srsly.read_jsonl(written(tmp_path, "prodigy", [doc]))
    (back,) = reading(tmp_path, "prodigy", list(again))
    assert (ents(back), iob(back)) == (ents(doc), iob(doc))
    assert back.user_data == doc.user_data
    for key in ("incorrect_spans", "predictions"):
        assert group(back, key) == group(doc, key)


def test_spans_with_answers_of_their_own(tmp_path):
    value = task(ADA, ROME, answer="accept")
    value["spans"][1]["answer"] = "reject"
    (doc,) = reading(tmp_path, "prodigy", [value])
    assert (ents(doc), iob(doc)) == ([("Ada", "PER")], "BOO")
    assert group(doc, "incorrect_spans") == [("Rome", "LOC")]
    (again,) = srsly.read_jsonl(written(tmp_path, "prodigy", [doc]))
    assert [span["answer"] for span in again["spans"]] == ["accept", "reject"]
    (doc,) = reading(tmp_path, "prodigy", [value], incorrect_spans_key="wrong")
    assert group(doc, "wrong") == [("Rome", "LOC")]


def test_spans_that_were_rejected_together_are_a_problem(tmp_path):
    findings = Findings()
    (doc,) = reading(tmp_path, "prodigy", [task(ADA, ROME, answer="reject")], findings)
    assert [problem.kind for problem in findings.problems] == ["rejected together"]
    assert "incorrect_spans" not in doc.spans
    assert group(doc, "predictions") == [("Ada", "PER"), ("Rome", "LOC")]


def test_the_tokens_scores_and_people_of_prodigy(tmp_path):
    text = f"Ada{SMILE}saw  Rome "
    tokens = [(0, 3, False), (3, 4, False), (4, 7, True), (8, 9, False), (9, 13, True)]
    value = task((9, 13, "LOC"), text=text, answer="accept", meta={"source": "x"}, id=7)
    value["spans"][0]["score"] = 0.75
    value["_annotator_id"] = "ada"
    value["tokens"] = [
        {"text": text[a:b], "start": a, "end": b, "id": i, "ws": ws}
        for i, (a, b, ws) in enumerate(tokens)
    ]
    (doc,) = reading(tmp_path, "prodigy", [value])
    assert doc.text == text
    assert [token.text for token in doc] == ["Ada", SMILE, "saw", " ", "Rome"]
    assert confidence(doc.ents[0]) == 0.75
    assert {key: doc.user_data[key] for key in ("id", "annotator", "meta")} == {
        **{"id": "7", "annotator": "ada"},
        "meta": {"source": "x"},
    }
    (again,) = srsly.read_jsonl(written(tmp_path, "prodigy", [doc]))
    assert again["tokens"] == value["tokens"]
    span = {"start": 9, "end": 13, "token_start": 4, "token_end": 4, "label": "LOC", "score": 0.75}
    assert again["spans"] == [span]
    del value["tokens"][2]  # they are not those of the text any more
    (doc,) = reading(tmp_path, "prodigy", [value])
    assert doc.text == text


def test_predictions_become_tasks_without_an_answer(tmp_path):
    value = task(ADA, ROME)
    for span, score in zip(value["spans"], (0.5, 0.25)):
        span["score"] = score
    (doc,) = reading(tmp_path, "prodigy", [value])
    assert doc.spans["predictions"].attrs["scores"].tolist() == [0.5, 0.25]
    (again,) = srsly.read_jsonl(written(tmp_path, "prodigy", [doc]))
    assert "answer" not in again
    assert [span["score"] for span in again["spans"]] == [0.5, 0.25]
    (labelled,) = srsly.read_json(written(tmp_path, "label-studio", [doc]))
    assert "annotations" not in labelled
    assert [result["score"] for result in labelled["predictions"][0]["result"]] == [0.5, 0.25]


# doccano


@pytest.mark.parametrize(
    "keys",
    [
        {"label": [[0, 3, "PER"], [8, 12, "LOC"]]},
        {"labels": [[8, 12, "LOC"], [0, 3, "PER"]]},
        {
            "entities": [
                {"id": 1, "start_offset": 0, "end_offset": 3, "label": "PER"},
                {"id": 2, "start_offset": 8, "end_offset": 12, "label": "LOC"},
            ],
            "relations": [{"id": 3, "from_id": 1, "to_id": 2, "type": "saw"}],
        },
        {
            "annotations": [
                {"label": 2, "label_name": "PER", "start_offset": 0, "end_offset": 3, "user": 1},
                {"label": 1, "label_name": "LOC", "start_offset": 8, "end_offset": 12, "user": 1},
            ]
        },
    ],
)
def test_the_layouts_of_doccano(keys, tmp_path):
    findings = Findings()
    value = {"id": 4, "text": "Ada saw Rome", "source": "letters", "Comments": ["?"], **keys}
    (doc,) = reading(tmp_path, "doccano", [value], findings)
    assert ents(doc) == [("Ada", "PER"), ("Rome", "LOC")]
    assert iob(doc) == "BOB"
    assert doc.user_data["id"] == "4"
    assert doc.user_data["meta"] == {"source": "letters"}
    assert findings.notes["comments left out"] == 1
    assert findings.notes["relations left out"] == len(keys.get("relations", ()))
    for name in ("doccano", "doccano-relations"):
        again = list(srsly.read_jsonl(written(tmp_path, name, [doc, doc])))
        assert again[0]["source"] == "letters"
        (back,) = reading(tmp_path, name, again[:1])
        assert (ents(back), iob(back)) == (ents(doc), iob(doc))
    assert [entity["id"] for line in again for entity in line["entities"]] == [0, 1, 2, 3]


def test_texts_that_were_only_imported_into_doccano_are_not_annotated(tmp_path):
    (doc,) = reading(tmp_path, "doccano", [{"id": 1, "text": "Ada saw Rome"}])
    assert iob(doc) == "..."


# Label Studio


def result(start, end, label, text=None, **keys):
    value = {"start": start, "end": end, "labels": [label]}
    if text is not None:
        value["text"] = text
    return {"type": "labels", "from_name": "label", "to_name": "text", "value": value, **keys}


def annotation(*results, **keys):
    return {"result": list(results), **keys}


def test_annotations_and_predictions_of_label_studio(tmp_path):
    done = annotation(
        result(0, 3, "PER", "Ada", score=0.5),
        {"type": "choices", "value": {"choices": ["good"]}},
        completed_by={"id": 3, "email": "ada@home"},
    )
    value = {
        "id": 9,
        "data": {"text": "Ada saw Rome", "page": 2},
        "annotations": [annotation(result(0, 12, "X"), was_cancelled=True), done],
        "predictions": [annotation(result(8, 12, "LOC", score=0.25), model_version="1")],
    }
    findings = Findings()
    (doc,) = reading(tmp_path, "label-studio", [value], findings, suffix=".json")
    assert (ents(doc), iob(doc)) == ([("Ada", "PER")], "BOO")
    assert confidence(doc.ents[0]) == 0.5
    assert group(doc, "predictions") == [("Rome", "LOC")]
    assert doc.user_data["annotator"] == "ada@home"
    assert doc.user_data["meta"] == {"page": 2}
    assert findings.notes["regions of type 'choices' left out"] == 1
    (again,) = srsly.read_json(written(tmp_path, "label-studio", [doc]))
    assert again["data"] == value["data"]
    assert again["annotations"][0]["result"][0]["value"]["text"] == "Ada"
    (back,) = reading(tmp_path, "label-studio", [again], suffix=".json")
    assert (ents(back), iob(back)) == (ents(doc), iob(doc))
    assert group(back, "predictions") == group(doc, "predictions")
    assert confidence(back.ents[0]) == 0.5


def test_tasks_of_label_studio_without_an_annotation(tmp_path):
    values = [
        {"id": 1, "data": {"text": "Ada"}, "annotations": []},
        {"id": 2, "data": {"text": "Ada"}, "annotations": [annotation(was_cancelled=True)]},
        {"id": 3, "data": {"text": "Ada"}, "annotations": [annotation()]},
    ]
    docs = reading(tmp_path, "label-studio", values, suffix=".json")
    assert [iob(doc) for doc in docs] == [".", ".", "O"]
    assert [doc.user_data.get("answer") for doc in docs] == [None, "ignore", None]
    again = srsly.read_json(written(tmp_path, "label-studio", docs))
    assert [iob(doc) for doc in reading(tmp_path, "label-studio", again, suffix=".json")] == [
        *(".", ".", "O")
    ]


def test_where_annotators_of_label_studio_differ(tmp_path):
    both = annotation(result(0, 3, "PER"), result(8, 12, "LOC"))
    value = {
        "data": {"text": "Ada saw Rome"},
        "annotations": [annotation(result(0, 3, "PER")), both],
    }
    findings = Findings()
    (doc,) = reading(tmp_path, "label-studio", [value], findings, suffix=".json")
    assert (ents(doc), iob(doc)) == ([("Ada", "PER")], "BO.")
    (problem,) = findings.problems
    assert (problem.kind, problem.start, problem.end) == ("annotators differ", 8, 12)
    assert "1 of 2 annotations have LOC" in problem.message
    both["ground_truth"] = True
    findings = Findings()
    (doc,) = reading(tmp_path, "label-studio", [value], findings, suffix=".json")
    assert (iob(doc), findings.problems) == ("BOB", [])


def test_json_min_of_label_studio(tmp_path):
    labels = [{"start": 8, "end": 12, "text": "Rome", "labels": ["LOC"]}]
    values = [
        {"id": 1, "text": "Ada saw Rome", "ner": labels, "annotator": 2, "annotation_id": 3},
        {"id": 2, "text": "Ada", "annotator": 2, "annotation_id": 4},
    ]
    docs = reading(tmp_path, "label-studio", values, suffix=".json")
    assert [iob(doc) for doc in docs] == ["OOB", "O"]
    assert docs[0].user_data["annotator"] == "2"


@pytest.mark.parametrize(
    "text, offsets, how",
    [
        (f"{SMILE}{SMILE} Ada", (5, 8), "UTF-16 units"),
        (f"x\r\n{SMILE} Ada", (4, 7), "line ends as one"),
        (f"\r\n\r\n{SMILE} Ada", (5, 8), "UTF-16 units, line ends as one"),
        (f"{SMILE} Ada", (2, 5), None),  # code points
        ("e\u0301 Ada", (3, 6), None),
    ],
)
def test_offsets_of_a_browser_become_code_points(text, offsets, how, tmp_path):
    values = [{"data": {"text": text}, "annotations": [annotation(result(*offsets, "PER", "Ada"))]}]
    findings = Findings()
    (doc,) = reading(tmp_path, "label-studio", values, findings, suffix=".json")
    assert ents(doc) == [("Ada", "PER")]
    assert not findings.problems
    notes = notes_of(findings)
    assert notes == (
        {f"documents with offsets in {how}, converted to code points": 1, ANY_LANGUAGE: 1}
        if how
        else {ANY_LANGUAGE: 1}
    )


# brat


def brat(folder, text, annotation=None, name="a"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.txt").write_bytes(text.encode("utf8"))
    if annotation is not None:
        (folder / f"{name}.ann").write_bytes(annotation.encode("utf8"))


def reading_brat(folder, findings=None, on_problem="missing"):
    settings = FormatSettings(docs=DocSettings(on_problem))
    return list(read(folder, "brat", settings, Findings() if findings is None else findings))


def test_standoff_of_brat(tmp_path):
    text = f"{SMILE} Ada\r\nByron saw Rome."
    lines = [
        "T1\tPER 2 5;7 12\tAda Byron",
        "T2\tLOC 17 21\tRome",
        "R1\tsaw Arg1:T1 Arg2:T2",
        "*\tEquiv T1 T2",
        "E1\tSee:T2",
        "A1\tNegated E1",
        "M1\tSure E1",
        "N1\tReference T1 Wiki:7\tAda",
        "#1\tAnnotatorNotes T1\tsure",
        "",
    ]
    brat(tmp_path / "in" / "deep", text, "\n".join(lines))
    brat(tmp_path / "in", "Nothing", "", name="b")
    brat(tmp_path / "in", "Not yet", None, name="c")
    findings = Findings()
    docs = {doc.user_data["id"]: doc for doc in reading_brat(tmp_path / "in", findings)}
    assert ents(docs["deep/a"]) == [("Ada\r\nByron", "PER"), ("Rome", "LOC")]
    assert (iob(docs["b"]), iob(docs["c"])) == ("O", "..")
    assert not findings.problems
    notes = notes_of(findings)
    assert notes == {
        "relations left out": 2,
        "events left out": 1,
        "attributes left out": 2,
        "normalisations left out": 1,
        "notes left out": 1,
        ANY_LANGUAGE: 3,
        ALL_UNKNOWN: 1,
        NO_ENTITY: 1,
    }
    out = written(tmp_path, "brat", list(docs.values()))
    assert (out / "deep/a.txt").read_bytes().decode("utf8") == text
    assert (out / "deep/a.ann").read_text(encoding="utf8").split("\n")[:2] == lines[:2]
    assert not (out / "c.ann").exists()
    back = {doc.user_data["id"]: doc for doc in reading_brat(out)}
    assert {key: (ents(doc), iob(doc)) for key, doc in back.items()} == {
        key: (ents(doc), iob(doc)) for key, doc in docs.items()
    }


def test_ids_that_can_be_no_path_get_numbers(tmp_path):
    (doc,) = reading(tmp_path, "doccano", [{"id": "x", "text": "Ada", "label": []}])
    docs = []
    names = ["../up", "/root", "a/../b", "", "same", "same", "..", "x" + chr(0)]
    names += ["SAME", "same.txt/b", "a.ANN/b", "é" * 120, "/".join("x" * 100)]
    for name in names:
        copy = doc.copy()
        copy.user_data = {"id": name}
        docs.append(copy)
    out = written(tmp_path, "brat", docs)
    names = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.txt"))
    numbers = (0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11)
    deep = "/".join("x" * 100) + ".txt"
    assert names == [*(f"doc-{n:06}.txt" for n in numbers), "same.txt", deep]
    assert not (tmp_path / "up.txt").exists()


# Bad files


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("prodigy", '["Ada"]', r"data.jsonl, number 1: This is not a JSON object"),
        ("prodigy", '{"txt": "Ada"}', r"data.jsonl:1: There is no text under 'text' .*but: txt"),
        ("prodigy", '{"text": null}', r"data.jsonl:1: There is no text"),
        ("prodigy", '{"text": "Ada", "spans": 5}', r"data.jsonl:1: 'spans' must be a list"),
        ("prodigy", '{"text": "Ada", "spans": [{"start": 0}]}', r"data.jsonl:1: .* has no 'end'"),
        (
            "prodigy",
            '{"text": "Ada", "spans": [7]}',
            r"must be a list of objects, but has 7",
        ),
        (
            "doccano",
            '{"text": "Ada", "label": [[0, 3]]}',
            r"is not of the form \[start, end, label\]",
        ),
        ("doccano", '{"text": "Ada", "entities": [{"label": "X"}]}', r"has no 'start_offset'"),
        ("label-studio", "[1]", r"data.jsonl, number 1: This is not a JSON object"),
        ("label-studio", "[", r"data.jsonl: This is not valid JSON"),
        ("label-studio", '[{"data": {"a": 1}}]', r"no text under 'text'.*but: a"),
        ("conll", "Ada\n", r"data.jsonl:1: 'Ada' must be a word and its tag"),
        ("spacy", "Ada\n", r"data.jsonl is damaged or not a .spacy file"),
    ],
)
def test_files_that_are_not_of_the_format(name, text, message, tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text(text, encoding="utf8")
    with pytest.raises(UserError, match=message):
        list(read(path, name, FormatSettings(), Findings()))


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_bytes('{"text": "Zoë"}'.encode("latin1"))
    with pytest.raises(UserError, match="is not UTF-8 text"):
        list(read(path, "prodigy", FormatSettings(), Findings()))


def test_a_line_of_brat_that_is_no_annotation(tmp_path):
    brat(tmp_path / "in", "Ada", "T1 PER 0 3 Ada\n")
    findings = Findings()
    (doc,) = reading_brat(tmp_path / "in", findings)
    (problem,) = findings.problems
    assert problem.place.endswith("a.ann:1") and problem.kind == "not readable"
    assert iob(doc) == "."
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match=r"contains no \.txt file"):
        reading_brat(tmp_path / "none")


# What others were seen to get wrong


def test_regions_without_a_label_are_problems_and_do_not_take_others_along(tmp_path):
    ada = {"start": 0, "end": 3, "text": "Ada", "labels": ["PER"]}
    for odd in ({}, {"labels": None}, {"labels": []}, {"labels": 5}):
        rome = {"start": 8, "end": 12, "text": "Rome", **odd}
        minimal = {"text": "Ada saw Rome", "ner": [ada, rome], "annotation_id": 1}
        full = {"data": {"text": "Ada saw Rome"}}
        full["annotations"] = [{"result": [{"type": "labels", "value": v} for v in (ada, rome)]}]
        for value in (minimal, full):
            findings = Findings()
            (doc,) = reading(tmp_path, "label-studio", [value], findings, suffix=".json")
            assert (ents(doc), iob(doc)) == ([("Ada", "PER")], "BO.")
            assert [problem.kind for problem in findings.problems] == ["no label"]


def test_an_empty_list_of_json_min_may_be_anything(tmp_path):
    value = {"id": 1, "text": "Ada", "tags": []}
    (doc,) = reading(tmp_path, "label-studio", [value], suffix=".json")
    assert (iob(doc), doc.user_data["meta"]) == (".", {"tags": []})


def test_what_annotators_differ_about_is_converted_too(tmp_path):
    text = f"{SMILE * 5} Ada met Bob"
    some = annotation(result(11, 14, "PER", "Ada"))
    value = {"data": {"text": text}, "annotations": [some, annotation()]}
    findings = Findings()
    (doc,) = reading(tmp_path, "label-studio", [value], findings, suffix=".json")
    unknown = [token.text for token in doc if not token.ent_iob]
    assert unknown == ["Ada"]
    (problem,) = findings.problems
    assert (problem.kind, text[problem.start : problem.end]) == ("annotators differ", "Ada")


def test_regions_of_another_text(tmp_path):
    other = {**result(8, 11, "PER", "Bob"), "to_name": "text2"}
    value = {"data": {"text": "Ada met Bob", "text2": "Eve met Bob"}}
    value["annotations"] = [annotation(result(0, 3, "PER", "Ada"), other)]
    findings = Findings()
    (doc,) = reading(tmp_path, "label-studio", [value], findings, suffix=".json")
    assert ents(doc) == [("Ada", "PER")]
    assert findings.notes["regions of another text left out"] == 1


def test_an_object_over_several_lines(tmp_path):
    path = tmp_path / "data.json"
    path.write_text(json.dumps({"data": {"text": "Ada"}, "annotations": []}, indent=1))
    (doc,) = read(path, "label-studio", FormatSettings(), Findings())
    assert iob(doc) == "."


def test_fragments_of_brat_in_any_order(tmp_path):
    brat(tmp_path, "Ada saw Rome", "T1\tPER 8 12;0 3\tRome Ada\n")
    findings = Findings()
    (doc,) = reading_brat(tmp_path, findings)
    assert findings.problems and iob(doc) == "..."


def test_annotation_of_brat_without_a_text_is_counted(tmp_path):
    brat(tmp_path, "Ada", "")
    (tmp_path / "b.ann").write_text("")
    findings = Findings()
    assert len(reading_brat(tmp_path, findings)) == 1
    assert findings.notes[".ann files without a text left out"] == 1


def test_what_is_not_annotated_stays_so_through_doccano(tmp_path):
    docs = reading(tmp_path, "prodigy", [task(ADA, answer="ignore"), task(answer="accept")])
    again = list(srsly.read_jsonl(written(tmp_path, "doccano", docs)))
    assert [iob(doc) for doc in reading(tmp_path, "doccano", again)] == ["...", "OOO"]


def test_both_lists_of_doccano_count(tmp_path):
    value = {"text": "Ada saw Rome", "label": [[0, 3, "PER"]], "annotations": []}
    (doc,) = reading(tmp_path, "doccano", [value])
    assert ents(doc) == [("Ada", "PER")]


def test_spans_of_prodigy_that_nobody_judged(tmp_path):
    value = task(ADA, ROME, answer="accept")
    value["spans"][1]["answer"] = "ignore"
    (doc,) = reading(tmp_path, "prodigy", [value])
    assert (ents(doc), iob(doc)) == ([("Ada", "PER")], "BO.")
    value = task(ADA, answer="ignore")
    value["spans"][0]["answer"] = "accept"
    (doc,) = reading(tmp_path, "prodigy", [value])
    assert (iob(doc), group(doc, "predictions")) == ("...", [("Ada", "PER")])
    findings = Findings()
    value = task(ADA, answer="reject", _view_id="ner_manual")
    (doc,) = reading(tmp_path, "prodigy", [value], findings)
    assert (iob(doc), "incorrect_spans" in doc.spans) == ("...", False)
    assert [problem.kind for problem in findings.problems] == ["rejected together"]
    with pytest.raises(UserError, match="The answer is 'Accept', not accept, reject or ignore"):
        reading(tmp_path, "prodigy", [task(ADA, answer="Accept")])


def test_labels_with_blanks_in_columns(tmp_path):
    (doc,) = reading(tmp_path, "doccano", [{"text": "Ada", "label": [[0, 3, "P X"]]}])
    assert written(tmp_path, "conll", [doc]).read_text() == "Ada\tB-P_X\n"

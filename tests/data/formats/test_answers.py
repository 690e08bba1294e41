"""Answers to questions about single entities: those about a text make one document."""

import json

import pytest

from spacy_bilstm_crf.data.formats import Findings, FormatSettings, read

TEXT = "Ada saw Rome and Bern."
ADA, ROME, BERN = (0, 3, "PER"), (8, 12, "LOC"), (17, 21, "LOC")


def prodigy(about, answer, text=TEXT, **more):
    start, end, label = about
    span = {"start": start, "end": end, "label": label, "score": 0.5}
    return {"text": text, "spans": [span], "answer": answer, "meta": {"score": 0.6}, **more}


def label_studio(about, answer, text=TEXT, is_edited=None, **more):
    def region(start, end, label):
        value = {"start": start, "end": end, "labels": [label]}
        return {"from_name": "label", "to_name": "text", "type": "labels", "value": value}

    choice = {"from_name": "answer", "to_name": "text", "type": "choices"}
    choice["value"] = {"choices": [answer]}
    result = [region(*(is_edited or about)), choice]
    if is_edited == ():
        result = [choice]
    skipped = answer == "ignore"
    annotation = {"result": [] if skipped else result, "was_cancelled": skipped}
    predictions = [{"result": [region(*about)]}]
    data = {"text": text, "score": 0.6}
    return {"data": data, "annotations": [annotation], "predictions": predictions, **more}


@pytest.fixture(params=["prodigy", "label-studio"])
def docs_of(request, tmp_path):
    """Reads tasks of a tool."""
    task_of = {"prodigy": prodigy, "label-studio": label_studio}[request.param]

    def read_docs(*tasks, by_annotator=False):
        path = tmp_path / "tasks.json"
        path.write_text(json.dumps([task_of(*task) for task in tasks]))
        findings = Findings()
        settings = FormatSettings("en", by_annotator=by_annotator)
        return list(read(path, request.param, settings, findings)), findings

    return read_docs


def known(doc):
    wrong = doc.spans.get("incorrect_spans", ())
    ents = [(e.start_char, e.end_char, e.label_) for e in doc.ents]
    return ents, [(s.start_char, s.end_char, s.label_) for s in wrong]


def test_answers_about_a_text_are_one_document(docs_of):
    other = "Rome saw Ada."
    tasks = [(ADA, "accept"), ((0, 4, "LOC"), "reject", other), (ROME, "accept"), (BERN, "reject")]
    (first, second), findings = docs_of(*tasks)
    assert known(first) == ([ADA, ROME], [BERN])
    assert known(second) == ([], [(0, 4, "LOC")])
    assert [token.ent_iob_ for token in first] == ["B", "", "B", "", "", ""]
    assert not findings.problems and findings.n_annotated == 2


def test_what_was_ignored_says_nothing(docs_of):
    (doc,), findings = docs_of((ADA, "ignore"), (ROME, "accept"), (BERN, "ignore"))
    assert known(doc) == ([ROME], []) and not findings.problems


def test_two_answers_that_differ_are_a_problem(docs_of):
    (doc,), findings = docs_of((ADA, "accept"), (ADA, "reject"), (ROME, "accept"), (ADA, "accept"))
    assert known(doc) == ([ROME], [])
    (problem,) = findings.problems
    assert problem.message == "2 of 3 answers accept PER here."
    # Unless they are to be compared
    docs, findings = docs_of((ADA, "accept"), (ADA, "reject"), by_annotator=True)
    assert [known(doc) for doc in docs] == [([ADA], []), ([], [ADA])] and not findings.problems


def test_accepted_ones_that_overlap_are_a_problem(docs_of):
    (doc,), findings = docs_of((ROME, "accept"), ((8, 16, "LOC"), "accept"), (ADA, "accept"))
    assert known(doc) == ([ADA], [])
    assert "These overlap" in findings.problems[0].message


def test_same_ids_of_a_text_are_one(tmp_path):
    path = tmp_path / "tasks.jsonl"
    tasks = [prodigy(ADA, "accept", id=7), prodigy(ROME, "reject", id=7)]
    tasks.append(prodigy(BERN, "ignore", id=7))
    path.write_text("\n".join(map(json.dumps, tasks)))
    findings = Findings()
    (doc,) = read(path, "prodigy", FormatSettings("en"), findings)
    assert doc.user_data["id"] == "7" and not findings.problems
    assert known(doc) == ([ADA], [ROME])


def read_label_studio(tmp_path, *tasks):
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps(tasks))
    findings = Findings()
    return list(read(path, "label-studio", FormatSettings("en"), findings)), findings


def test_a_region_that_was_moved_or_deleted(tmp_path):
    moved = label_studio(ROME, "accept", is_edited=(8, 21, "LOC"))
    (doc,), findings = read_label_studio(tmp_path, moved)
    assert known(doc) == ([(8, 21, "LOC")], [])
    assert not any("left out" in note for note, n in findings.notes.items() if n)
    (doc,), _ = read_label_studio(tmp_path, label_studio(ROME, "reject", is_edited=()))
    assert known(doc) == ([], [ROME])


def test_two_annotators_of_one_task(tmp_path):
    task = label_studio(ADA, "accept")
    task["annotations"] += label_studio(ADA, "reject")["annotations"]
    (doc,), findings = read_label_studio(tmp_path, task, label_studio(ROME, "accept"))
    assert known(doc) == ([ROME], [])
    assert "1 of 2 answers accept PER" in findings.problems[0].message


def test_json_min_has_the_answer_beside_the_regions(tmp_path):
    region = {"start": 8, "end": 12, "labels": ["LOC"]}
    task = {"text": TEXT, "label": [region], "answer": "reject", "annotation_id": 3}
    (doc,), _ = read_label_studio(tmp_path, task)
    assert known(doc) == ([], [ROME]) and not any(token.ent_iob for token in doc)


def test_another_choice_is_no_answer(tmp_path):
    task = label_studio(ROME, "maybe")
    (doc,), _ = read_label_studio(tmp_path, task)
    assert known(doc) == ([ROME], []) and all(token.ent_iob for token in doc)

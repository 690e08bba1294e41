"""What a doc can't hold: it is counted, listed with its place, and treated as was asked."""

import json

import pytest

from spacy_bilstm_crf.data.formats import DocSettings, Findings, FormatSettings, read

TEXT = "Ada Byron saw New York."  # Ada 0-3, Byron 4-9, saw 10-13, New 14-17, York 18-22


def reading(tmp_path, *documents, on_problem="missing", **settings):
    path = tmp_path / "data.jsonl"
    values = [{"id": i, "text": TEXT, **document} for i, document in enumerate(documents)]
    path.write_text("\n".join(map(json.dumps, values)), encoding="utf8")
    findings = Findings()
    given = FormatSettings(docs=DocSettings(on_problem, **settings))
    return list(read(path, "doccano", given, findings)), findings.problems


def iob(doc):
    return "".join(token.ent_iob_ or "." for token in doc)


@pytest.mark.parametrize(
    "labels, kind, message, expected",
    [
        (
            [[1, 3, "X"]],
            "not on tokens",
            "'da' (X) does not .* nearest tokens are 'Ada'.",
            ".OOOOO",
        ),
        ([[0, 4, "X"]], "not on tokens", "nearest tokens are 'Ada'", ".OOOOO"),
        ([[13, 18, "X"]], "not on tokens", "nearest tokens are 'New'", "OOO.OO"),
        ([[3, 4, "X"]], "not on tokens", "does not begin and end where tokens do", None),
        ([[0, 9, "X"], [4, 13, "Y"]], "overlapping", "'Ada Byron' (X), 'Byron saw' (Y)", "...OOO"),
        ([[0, 9, "X"], [4, 9, "X"]], "overlapping", "'Ada Byron' (X), 'Byron' (X)", "..OOOO"),
        ([[0, 9, "X"], [0, 9, "Y"]], "overlapping", "'Ada Byron' (X), 'Ada Byron' (Y)", "..OOOO"),
        ([[0, 9, "X"], [0, 9, "X"]], "twice", "'Ada Byron' (X) is annotated twice", "BIOOOO"),
        ([[0, 99, "X"]], "outside the text", "from 0 to 23", "......"),
        ([[-3, 3, "X"]], "outside the text", "from 0 to 23", "......"),
        ([[3, 3, "X"]], "outside the text", "the second one larger", "......"),
        ([["0", 3, "X"]], "outside the text", "must be two numbers", "......"),
        ([[0.5, 3, "X"]], "outside the text", "must be two numbers", "......"),
        ([[0, 3, " "]], "no label", "must be a name", ".OOOOO"),
        ([[0, 3, None]], "no label", "must be a name", ".OOOOO"),
        # What is touched by the other is not known either
        ([[0, 9, "X"], [5, 8, "Y"]], "not on tokens", "'yro' (Y)", "..OOOO"),
    ],
)
def test_kinds_of_problems(labels, kind, message, expected, tmp_path):
    (doc,), problems = reading(tmp_path, {"label": labels})
    (problem,) = problems
    assert problem.kind == kind
    assert all(part in problem.message for part in message.split(" .* "))
    assert problem.place.endswith("data.jsonl:1")
    assert problem.id == "0"
    if expected is not None:
        assert iob(doc) == expected
    docs, problems = reading(tmp_path, {"label": labels}, {"label": []}, on_problem="skip")
    assert [doc.user_data["id"] for doc in docs] == ["1"]
    assert len(problems) == 1


def test_three_that_overlap_are_one_problem(tmp_path):
    labels = [[0, 9, "X"], [4, 13, "Y"], [10, 17, "Z"], [18, 22, "W"]]
    (doc,), (problem,) = reading(tmp_path, {"label": labels})
    assert iob(doc) == "....BO"
    assert (problem.start, problem.end) == (0, 17)


def test_duplicate_ids(tmp_path):
    documents = [{"label": []}, {"label": [], "id": 0}, {"label": [], "id": None}, {"label": []}]
    docs, (problem,) = reading(tmp_path, *documents)
    assert problem.kind == "duplicate id"
    assert [doc.user_data.get("id") for doc in docs] == ["0", None, None, "3"]
    docs, _ = reading(tmp_path, *documents, on_problem="skip")
    assert [doc.user_data.get("id") for doc in docs] == ["0", None, "3"]


def test_only_some_entities_may_be_annotated(tmp_path):
    (doc,), problems = reading(tmp_path, {"label": [[0, 9, "X"]]}, unannotated="missing")
    assert (iob(doc), problems) == ("BI....", [])


def test_a_discontinuous_entity_and_one_that_the_file_quotes_otherwise(tmp_path):
    (tmp_path / "a.txt").write_text(TEXT)
    lines = ["T1\tX 0 3;10 13\tAda saw", "T2\tX 18 22\tRome"]
    (tmp_path / "a.ann").write_text("\n".join(lines))
    findings = Findings()
    settings = FormatSettings(docs=DocSettings("missing"))
    (doc,) = read(tmp_path, "brat", settings, findings)
    assert [problem.kind for problem in findings.problems] == [
        "discontinuous",
        "other text than quoted",
    ]
    assert "'Rome' in the file, but its offsets cover 'York'" in findings.problems[1].message
    assert iob(doc) == "......"

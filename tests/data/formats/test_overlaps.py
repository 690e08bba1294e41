"""Entities that overlap: all of them are in `doc.spans`, or in a file that is written from there.

The corpora are written here, so that their entities are counted without the package.
"""

import json
from itertools import pairwise

import numpy as np
import pytest
import spacy
import srsly
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span, SpanGroup

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.formats import (
    FORMATS,
    ColumnSettings,
    DocSettings,
    Findings,
    FormatSettings,
    read,
    writable,
    write,
)
from spacy_bilstm_crf.pipeline.confidence import confidence

KEEP = DocSettings("missing", overlaps="keep")
NLP = spacy.blank("xx")
TEXT = "Ada met Bob in Rome"  # Ada 0-3, met 4-7, Bob 8-11, in 12-14, Rome 15-19
HOLD_OVERLAPS = sorted(name for name in writable() if FORMATS[name].holds_overlaps)


def reading(tmp_path, name, values, docs=KEEP, findings=None, **columns):
    path = tmp_path / "data"
    text = values if isinstance(values, str) else "\n".join(map(json.dumps, values))
    path.write_text(text, encoding="utf8")
    given_settings = FormatSettings(docs=docs, columns=ColumnSettings(**columns))
    return list(read(path, name, given_settings, Findings() if findings is None else findings))


def reading_one(tmp_path, labels, findings=None, **doc_settings):
    value = {"text": TEXT, "label": labels}
    docs = KEEP._replace(**doc_settings)
    (doc,) = reading(tmp_path, "doccano", [value], docs, findings)
    return doc


def group(doc, key="sc"):
    """The spans of a group; None if the doc has none."""
    if key not in doc.spans:
        return None
    return [(span.start, span.end, span.label_) for span in doc.spans[key]]


def iob(doc):
    return "".join(token.ent_iob_ or "." for token in doc)


@pytest.mark.parametrize(
    "labels, spans, ents, tokens",
    [
        ([[0, 3, "A"]], [(0, 1, "A")], ["Ada"], "BOOOO"),
        ([], [], [], "OOOOO"),
        # One inside of another, in any order and of any label
        ([[0, 3, "A"], [0, 11, "B"]], [(0, 1, "A"), (0, 3, "B")], ["Ada met Bob"], "BIIOO"),
        ([[0, 11, "A"], [8, 11, "A"]], [(0, 3, "A"), (2, 3, "A")], ["Ada met Bob"], "BIIOO"),
        # Of what only the shorter one has, doc.ents says nothing
        ([[0, 11, "A"], [8, 14, "B"]], [(0, 3, "A"), (2, 4, "B")], ["Ada met Bob"], "BII.O"),
        ([[0, 7, "A"], [4, 11, "B"]], [(0, 2, "A"), (1, 3, "B")], ["Ada met"], "BI.OO"),
        # Nor of two labels of the same tokens, nor of what is inside of them
        ([[0, 3, "A"], [0, 3, "B"]], [(0, 1, "A"), (0, 1, "B")], [], ".OOOO"),
        (
            [[0, 7, "A"], [0, 7, "B"], [0, 3, "C"], [15, 19, "A"]],
            [(0, 1, "C"), (0, 2, "A"), (0, 2, "B"), (4, 5, "A")],
            ["Rome"],
            "..OOB",
        ),
    ],
)
def test_all_entities_are_kept(labels, spans, ents, tokens, tmp_path):
    findings = Findings()
    doc = reading_one(tmp_path, labels, findings)
    assert group(doc) == spans
    assert ([ent.text for ent in doc.ents], iob(doc)) == (ents, tokens)
    assert not findings.problems
    assert "left out" not in " ".join(what for what, n in findings.notes.items() if n)
    assert group(reading_one(tmp_path, labels, spans_key="nested"), "nested") == spans
    for overlaps in ("problem", "longest"):
        assert group(reading_one(tmp_path, labels, overlaps=overlaps)) is None


def test_what_is_annotated_twice_is_one_entity(tmp_path):
    findings = Findings()
    labels = [[0, 3, "A"], [0, 11, "B"], [0, 3, "A"], [0, 3, "B"], [0, 3, "A"]]
    doc = reading_one(tmp_path, labels, findings)
    assert group(doc) == [(0, 1, "A"), (0, 1, "B"), (0, 3, "B")]
    assert findings.notes["entities that are annotated twice, kept once"] == 2
    assert not findings.problems


@pytest.mark.parametrize(
    "name, value",
    [
        ("doccano", {"text": TEXT}),  # nobody has looked at it
        ("doccano", {"text": TEXT, "label": [[0, 3, "A"], [9, 11, "B"]]}),  # off the tokens
        ("doccano", {"text": TEXT, "label": [[0, 3, "A"], [0, 99, "B"]]}),
        ("prodigy", {"text": TEXT, "spans": [], "answer": "ignore"}),
        (
            "prodigy",
            {
                "text": TEXT,
                "answer": "accept",
                "_view_id": "ner",
                "spans": [{"start": 0, "end": 3, "label": "A"}],
            },
        ),
        (
            "prodigy",
            {
                "text": TEXT,
                "answer": "accept",
                "_view_id": "spans_manual",
                "spans": [{"start": 0, "end": 3, "label": "A", "answer": "ignore"}],
            },
        ),
        (
            "prodigy",
            {
                "text": TEXT,
                "answer": "reject",
                "spans": [{"start": 0, "end": 3, "label": "A"}],
            },
        ),
        ("label-studio", {"data": {"text": TEXT}, "annotations": []}),
        (
            "label-studio",
            {
                "data": {"text": TEXT},
                "annotations": [
                    {"result": []},
                    {
                        "result": [
                            {"type": "labels", "value": {"start": 0, "end": 3, "labels": ["A"]}}
                        ]
                    },
                ],
            },
        ),
        ("conll", "Ada\tB-A\nmet\t-\n"),
        ("conll", "Ada\tB-A\nmet\tI-B\n"),
    ],
)
def test_what_is_not_completely_annotated_has_no_group(name, value, tmp_path):
    (doc,) = reading(tmp_path, name, value if isinstance(value, str) else [value])
    assert group(doc) is None
    assert "." in iob(doc)


def test_only_some_entities_may_be_annotated(tmp_path):
    doc = reading_one(tmp_path, [[0, 3, "A"]], unannotated="missing")
    assert (group(doc), iob(doc)) == (None, "B....")


def test_overlap_that_is_lost_with_an_incomplete_document_is_counted(tmp_path):
    findings = Findings()
    labels = [[0, 11, "A"], [0, 3, "B"], [8, 11, "C"], [13, 14, "D"]]
    doc = reading_one(tmp_path, labels, findings)
    assert (group(doc), iob(doc)) == (None, "BII.O")
    what = "entities that overlap another left out, as their document is not completely annotated"
    assert findings.notes[what] == 2
    assert [problem.kind for problem in findings.problems] == ["not on tokens"]


def test_rejected_spans_and_predictions_go_where_they_always_go(tmp_path):
    spans = [(0, 3, "A", "accept"), (0, 7, "B", "accept"), (15, 19, "A", "reject")]
    keys = ("start", "end", "label", "answer")
    value = {"text": TEXT, "answer": "accept", "_view_id": "spans_manual"}
    value["spans"] = [dict(zip(keys, span)) for span in spans]
    (doc,) = reading(tmp_path, "prodigy", [value])
    assert group(doc) == [(0, 1, "A"), (0, 2, "B")]
    assert group(doc, "incorrect_spans") == [(4, 5, "A")]
    value["answer"] = "ignore"
    (doc,) = reading(tmp_path, "prodigy", [value])
    assert (group(doc), group(doc, "predictions")) == (
        None,
        [(0, 1, "A"), (0, 2, "B"), (4, 5, "A")],
    )


@pytest.mark.parametrize("scores", [(0.5, 0.25, 0.75), (0.5, None, 0.75)])
def test_probabilities(scores, tmp_path):
    spans = [(0, 3, "A"), (0, 3, "B"), (0, 7, "C")]
    value = {"text": TEXT, "answer": "accept", "_view_id": "spans_manual"}
    value["spans"] = [dict(zip(("start", "end", "label"), span)) for span in spans]
    for span, score in zip(value["spans"], scores):
        span.update({} if score is None else {"score": score})
    (doc,) = reading(tmp_path, "prodigy", [value])
    assert doc.spans["sc"].attrs.get("scores", np.array([])).tolist() == (
        [] if None in scores else list(scores)
    )
    assert confidence(doc.spans["sc"][2]) == 0.75
    write([doc], tmp_path / "out", "prodigy", FormatSettings(docs=KEEP), Findings())
    (task,) = srsly.read_jsonl(tmp_path / "out")
    assert [span.get("score") for span in task["spans"]] == list(scores)


def test_a_text_that_is_annotated_twice_with_other_inner_entities_is_counted(tmp_path):
    labels = [[[0, 7, "A"], [0, 3, "B"]], [[0, 7, "A"]], [[0, 3, "B"], [0, 7, "A"]]]
    findings = Findings()
    reading(tmp_path, "doccano", [{"text": TEXT, "label": x} for x in labels], KEEP, findings)
    what = "documents with the text of an earlier one and other annotation: see audit"
    assert findings.notes[what] == 1


# Columns

GENIA = """Sp1\tB-protein\tB-DNA\tO
sites\tO\tI-DNA\tO
work\tO\tO\tO

Nothing\tO\tO\tO

T\tB-line\tB-type\tB-protein
cell\tI-line\tI-type\tO
lines\tI-line\tO\tO
"""
GERMEVAL = """#\thttp://de.wikipedia.org/wiki/Oslo [2009-10-17]
1\tUniversität\tB-ORG\tO
2\tOslo\tI-ORG\tB-LOC
3\t#\tO\tO

#\tn-tv.de vom 26.02.2005 [2005-02-26]
1\tGut\tO\tO
"""
OF_GERMEVAL = [[(0, 2, "ORG"), (1, 2, "LOC")], []]


def test_columns_of_nested_tags(tmp_path):
    docs = reading(tmp_path, "conll", GENIA, tag=(1, 2, 3))
    assert [group(doc) for doc in docs] == [
        [(0, 1, "protein"), (0, 2, "DNA")],
        [],
        [(0, 1, "protein"), (0, 2, "type"), (0, 3, "line")],
    ]
    assert [group(doc) for doc in reading(tmp_path, "conll", GENIA, tag=[1, -2])] == [
        [(0, 1, "protein"), (0, 2, "DNA")],
        [],
        [(0, 2, "type"), (0, 3, "line")],
    ]
    assert group(reading(tmp_path, "conll", GENIA, tag=2)[0]) == [(0, 2, "DNA")]


def test_the_columns_of_germeval_are_found(tmp_path):
    docs = reading(tmp_path, "conll", GERMEVAL)
    assert [group(doc) for doc in docs] == OF_GERMEVAL
    assert [token.text for token in docs[0]] == ["Universität", "Oslo", "#"]
    named = {"word": 1, "tag": (2, 3), "comment": "#"}
    for columns in (named, {"word": 1}, {"tag": (2, 3)}, {"separator": "\t"}):
        assert [
            group(doc) for doc in reading(tmp_path, "conll", GERMEVAL, **columns)
        ] == OF_GERMEVAL
    flat = GERMEVAL.replace("B-LOC", "O")
    assert [group(doc) for doc in reading(tmp_path, "conll", flat)] == [OF_GERMEVAL[0][:1], []]
    message = "columns 2, 3 all have tags of entities. .* read all: --overlaps keep.$"
    for text in (GERMEVAL, GERMEVAL.replace("\n\n", "\n")):
        with pytest.raises(UserError, match=message):
            reading(tmp_path, "conll", text, DocSettings(), word=1)


@pytest.mark.parametrize(
    "text, columns, message",
    [
        (
            GENIA,
            {},
            "columns 1, 2, 3 all have tags .* --tag-column 1. .* read all: "
            "--tag-column 1 --tag-column 2 --tag-column 3.$",
        ),
        (GENIA, {"tag": (1, 1)}, "--tag-column names a column twice: 1, 1"),
        (GENIA, {"tag": (3, -1)}, "--tag-column names a column twice: 3, -1"),
        (
            GENIA,
            {"tag": (1, 0)},
            r"must be a word and its tag \(column 0\)",
        ),
    ],
)
def test_columns_that_can_not_be(text, columns, message, tmp_path):
    with pytest.raises(UserError, match=message):
        reading(tmp_path, "conll", text, **columns)


def test_several_columns_are_read_only_where_entities_may_overlap(tmp_path):
    with pytest.raises(UserError, match="add --overlaps keep, or name one --tag-column"):
        reading(tmp_path, "conll", GENIA, DocSettings(), tag=(1, 2))
    message = "read all: --overlaps keep --tag-column 1 --tag-column 2 --tag-column 3"
    with pytest.raises(UserError, match=message):
        reading(tmp_path, "conll", GENIA, DocSettings())


@pytest.mark.parametrize(
    "tags, spans, problem",
    [
        ("I-A O|I-A I-B|B-A B-B", [(0, 2, "A"), (1, 2, "B"), (2, 3, "A"), (2, 3, "B")], None),
        ("U-A B-B|O L-B|U-A O", [(0, 1, "A"), (0, 2, "B"), (2, 3, "A")], None),
        ("B-A B-A|I-A O|O O", [(0, 1, "A"), (0, 2, "A")], None),
        ("B-A B-A|O O|O O", [(0, 1, "A")], None),
        ("B-A O|O I-B|O O", None, "'b' is tagged I-B, which is no entity of iob2"),
        ("B-A O|O X|O O", None, "must be a word and its tag .column 2."),
    ],
)
def test_tags_of_several_columns(tags, spans, problem, tmp_path):
    rows = [f"{word} {row}" for word, row in zip("abc", tags.split("|"), strict=True)]
    findings = Findings()
    text = "\n".join(rows) + "\n\nd O O\n"
    first, _ = reading(tmp_path, "conll", text, findings=findings, tag=(1, 2))
    if problem is None:
        assert (sorted(group(first)), findings.problems) == (spans, [])
    else:
        assert group(first) is None
        assert problem.replace(".column 2.", "(column 2)") in findings.problems[0].message


@st.composite
def levels(draw):
    """The entities of some tokens in each of some columns, where none overlap, and a scheme."""
    n = draw(st.integers(1, 7))
    columns = []
    for _ in range(draw(st.integers(2, 3))):
        cuts = sorted(draw(st.sets(st.integers(0, n), max_size=5)))
        spans = [(start, end, draw(st.sampled_from("AB"))) for start, end in pairwise(cuts)]
        columns.append([span for span in spans if draw(st.booleans())])
    return n, columns, draw(st.sampled_from(["BBII", "UBIL", "SBIE"]))


@settings(max_examples=60, deadline=None)
@given(st.lists(levels(), min_size=1, max_size=3))
def test_the_spans_of_all_columns_are_those_of_the_doc(tmp_path_factory, sentences):
    n_columns = max(len(columns) for _, columns, _ in sentences)
    single, first, inside, last = sentences[0][2]
    blocks = []
    for n, columns, _ in sentences:
        rows = [[f"w{i}", *["O"] * n_columns] for i in range(n)]
        for column, spans in enumerate(columns, start=1):
            for start, end, label in spans:
                size = end - start
                letters = single if size == 1 else first + inside * (size - 2) + last
                for i, letter in enumerate(letters, start=start):
                    rows[i][column] = f"{letter}-{label}"
        blocks.append("".join("\t".join(row) + "\n" for row in rows))
    findings = Findings()
    columns = {"tag": range(1, n_columns + 1), "separator": "\t"}
    folder = tmp_path_factory.mktemp("files")
    found = reading(folder, "conll", "\n".join(blocks), findings=findings, **columns)
    assert not findings.problems
    assert [group(doc) for doc in found] == [
        sorted({span for spans in columns for span in spans}) for _, columns, _ in sentences
    ]


# Round trips


@st.composite
def docs(draw):
    """A doc with spans that overlap in any way, an empty group, or none."""
    words = draw(st.lists(st.sampled_from(["Ada", "\U0001f600", "日本", "don't"]), max_size=6))
    doc = NLP.make_doc(" ".join(words))
    if draw(st.integers(0, 4)) == 0:
        return doc
    ends = st.integers(0, len(doc))
    found = draw(st.sets(st.tuples(ends, ends, st.sampled_from(["PER", "LOC", "X"])), max_size=6))
    spans = [Span(doc, start, end, label=label) for start, end, label in found if start < end]
    doc.spans["sc"] = SpanGroup(doc, name="sc", spans=spans)
    return doc


@pytest.mark.parametrize("name", HOLD_OVERLAPS)
@settings(max_examples=60, deadline=None)
@given(st.lists(docs(), min_size=1, max_size=3))
def test_what_a_format_holds_comes_back(name, tmp_path_factory, given_docs):
    folder = tmp_path_factory.mktemp("files")
    findings = Findings()
    for number, doc in enumerate(given_docs):
        doc.user_data["id"] = str(number)
    contents = write(given_docs, folder / "file", name, FormatSettings(docs=KEEP), findings)
    found = list(read(folder / "file", name, FormatSettings(docs=KEEP), findings))
    assert not findings.problems
    before = [group(doc) for doc in given_docs]
    # Without tokens nobody can say whether a text is annotated
    same = [i for i, doc in enumerate(given_docs) if len(doc) or group(doc) is not None]
    assert [sorted(group(found[i]) or ()) for i in same] == [sorted(before[i] or ()) for i in same]
    assert [group(found[i]) is None for i in same] == [before[i] is None for i in same]
    assert contents.n_docs == len(given_docs)
    assert contents.n_entities == sum(len(spans or ()) for spans in before)
    assert contents.n_without_spans == before.count(None)
    n_overlapping = sum(
        any(a < d and c < b for c, d, other in spans if (c, d, other) != (a, b, label))
        for spans in before
        for a, b, label in spans or ()
    )
    assert contents.n_overlapping == n_overlapping


def nested_doc():
    doc = Doc(NLP.vocab, words=["Oslo", "University", "and", "Bergen"])
    doc.ents = [Span(doc, 0, 2, "ORG"), Span(doc, 3, 4, "CITY")]
    spans = [
        Span(doc, 0, 1, "PLACE", kb_id="Q585"),
        Span(doc, 0, 2, "ORG"),
        Span(doc, 3, 4, "PLACE"),
    ]
    doc.spans["sc"] = spans
    doc.spans["other"] = [doc[0:1]]
    return doc


@pytest.mark.parametrize("name", sorted(set(HOLD_OVERLAPS) - {"spacy"}))
def test_what_is_not_written_is_counted(name, tmp_path):
    findings = Findings()
    write([nested_doc()], tmp_path / "out", name, FormatSettings(docs=KEEP), findings)
    assert {what: n for what, n in findings.notes.items() if n} == {
        "ids of entities (kb_id and span_id) left out": 1,
        "entities of doc.ents left out that are not in doc.spans": 1,
        "spans of other groups in doc.spans left out": 1,
    }
    findings = Findings()
    write([nested_doc()], tmp_path / "flat", name, FormatSettings(), findings)
    assert findings.notes["spans of other groups in doc.spans left out"] == 4
    (back,) = read(tmp_path / "flat", name, FormatSettings(), Findings())
    assert [ent.label_ for ent in back.ents] == ["ORG", "CITY"]


def test_docs_without_a_group_are_written_with_their_ents(tmp_path):
    doc = Doc(NLP.vocab, words=["Ada", "met", "Bob"])
    doc.set_ents([Span(doc, 0, 1, "A")], missing=[doc[2:3]], default="outside")
    write([doc], tmp_path / "out", "prodigy", FormatSettings(docs=KEEP), Findings())
    (back,) = read(tmp_path / "out", "prodigy", FormatSettings(docs=KEEP), Findings())
    assert (group(back), [ent.text for ent in back.ents]) == (None, ["Ada"])


def test_columns_can_not_be_written_with_overlap(tmp_path):
    message = "conll can't hold entities that overlap: leave out --overlaps keep, or write one of "
    with pytest.raises(UserError, match=f"{message}brat, doccano, .*spacy"):
        write([nested_doc()], tmp_path / "out", "conll", FormatSettings(docs=KEEP), Findings())
    assert not list(tmp_path.iterdir())


def test_scores_that_are_not_those_of_the_spans_are_refused(tmp_path):
    doc = nested_doc()
    doc.spans["sc"].attrs["scores"] = np.array([0.5], dtype=np.float32)
    with pytest.raises(UserError, match="has 1 scores for 3 spans"):
        write([doc], tmp_path / "out", "doccano", FormatSettings(docs=KEEP), Findings())


def test_the_summary_and_its_example(tmp_path):
    flat = Doc(NLP.vocab, words=["Ada", "ran"])
    flat.spans["sc"] = [Span(flat, 0, 1, "PER")]
    unknown = Doc(NLP.vocab, words=["Ada", "ran"])
    given_docs = [flat, nested_doc(), unknown]
    contents = write(given_docs, tmp_path / "out", "spacy", FormatSettings(docs=KEEP), Findings())
    assert str(contents) == (
        "3 docs, 4 entities (PLACE 2, PER 1, ORG 1), 2 of them overlap, "
        "1 doc without spans (not completely annotated)"
    )
    assert contents.example == "[[Oslo PLACE] University ORG] and [Bergen PLACE]"
    contents = write([flat], tmp_path / "flat", "spacy", FormatSettings(docs=KEEP), Findings())
    assert (str(contents), contents.example) == ("1 doc, 1 entity (PER 1)", "[Ada PER] ran")


def test_an_example_of_entities_that_cross(tmp_path):
    words = [f"w{i}" for i in range(30)]
    doc = Doc(NLP.vocab, words=words)
    ends = [(0, 1, "A"), (17, 19, "B"), (20, 23, "C"), (21, 25, "D"), (22, 23, "E"), (28, 30, "F")]
    doc.spans["sc"] = [Span(doc, start, end, label) for start, end, label in ends]
    contents = write([doc], tmp_path / "out", "spacy", FormatSettings(docs=KEEP), Findings())
    assert contents.n_overlapping == 3
    assert contents.example == (
        "... w15 w16 [w17 w18 B] w19 [w20 [w21 [w22 E] C] w23 w24 D] w25 w26 w27 [w28 w29 F]"
    )

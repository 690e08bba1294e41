"""Groups of entities, each scored on its own."""

import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_bilstm_crf.workflows.report.slices import (
    ALL,
    MOST_VALUES,
    NamedSlices,
    case_of,
    count_by_group,
    known_names,
    seen_entities,
)
from tests.workflows.report.docs import doc_of, mention, overlapping_doc_of

NLP = spacy.blank("en")


def of_slice(name, docs, seen=None):
    """Gold, found, predicted and right of each value of a slice."""
    groups, counts = count_by_group(docs, seen)
    totals = counts.sum(0).tolist()
    return {value: tuple(each) for (of, value), each in zip(groups, totals) if of == name}


def test_counts_by_hand():
    doc = doc_of(
        [(0, 1, "A"), (2, 8, "A"), (9, 10, "B")],
        [(0, 1, "A"), (2, 3, "A"), (9, 10, "A"), (12, 13, "B")],
        source="news",
    )
    assert of_slice("", [doc, doc]) == {"": (6, 2, 8, 2)}
    assert of_slice("label", [doc]) == {"A": (2, 1, 3, 1), "B": (1, 0, 1, 0)}
    assert of_slice("length in tokens", [doc]) == {"1": (2, 1, 4, 1), "5 or more": (1, 0, 0, 0)}
    assert of_slice("source", [doc]) == {"news": (3, 1, 4, 1)}


def test_counts_are_of_docs():
    groups, counts = count_by_group([doc_of([(0, 1, "A")], []), doc_of([], [(0, 1, "A")])], None)
    assert counts[:, groups.index(ALL)].tolist() == [[1, 0, 0, 0], [0, 0, 1, 0]]


def test_two_predicted_entities_of_one_token_find_it_once():
    doc = doc_of([(0, 1, "A")], [(0, 1, "A"), (0, 1, "A")])
    assert of_slice("", [doc]) == {"": (1, 1, 2, 1)}


def test_entities_that_overlap_another_one():
    doc = overlapping_doc_of(
        [(0, 3, "A"), (2, 3, "B"), (4, 5, "A"), (6, 8, "B"), (7, 8, "B")],
        [(0, 3, "A"), (4, 5, "A"), (4, 6, "A"), (6, 8, "B")],
    )
    assert of_slice("overlaps another entity", [doc]) == {"no": (1, 1, 1, 1), "yes": (4, 2, 3, 2)}
    of_label = of_slice("overlaps another entity of its label", [doc])
    assert of_label == {"no": (3, 2, 2, 2), "yes": (2, 1, 2, 1)}
    assert of_slice("overlaps another entity", [doc_of([(0, 1, "A")], [])]) == {}


@pytest.mark.parametrize(
    "text, case",
    [
        ("Mount Aspiring", "Title"),
        ("NASA", "UPPER"),
        ("CYP2C9", "UPPER"),
        ("aspirin", "lower"),
        ("Bank of England", "miXed"),
        ("iPhone", "miXed"),
        ("1984", "no letters"),
    ],
)
def test_case(text, case):
    assert case_of(text) == case


def test_seen_and_unseen():
    train = NLP("We met ada Lovelace in Rome.")
    train.ents = [Span(train, 2, 4, label="A"), Span(train, 5, 6, label="B")]
    mentions = [
        mention(0, 2, "A", text="Ada\nLovelace"),
        mention(3, 4, "A", text="Rome"),
        mention(5, 6, "B", text="Oslo"),
    ]
    doc = doc_of([], [])._replace(gold=tuple(mentions))
    assert of_slice("in the training data", [doc], seen_entities([train])) == {
        "seen": (1, 0, 0, 0),
        "seen with another label": (1, 0, 0, 0),
        "unseen": (1, 0, 0, 0),
    }


def test_values_without_end_are_put_together():
    docs = [doc_of([(0, 1, "A")], [], source=f"file {i}") for i in range(MOST_VALUES + 5)]
    found = of_slice("source", docs)
    assert len(found) == MOST_VALUES + 1
    assert found["(other)"] == (5, 0, 0, 0) and list(found)[-1] == "(other)"
    labels = [doc_of([(0, 1, f"L{i}")], []) for i in range(MOST_VALUES + 5)]
    assert len(of_slice("label", labels)) == MOST_VALUES + 5


@pytest.fixture
def extensions():
    Doc.set_extension("year", getter=lambda doc: len(doc))
    Span.set_extension("sure", default=None)
    yield
    Doc.remove_extension("year")
    Span.remove_extension("sure")


def test_names_that_are_ours():
    doc = doc_of([], [], source="file")
    values = (("source", "here"), ("label", "X"))
    doc = doc._replace(gold=(mention(0, 1, "A", values=values),))
    assert of_slice("source", [doc]) == {"file": (1, 0, 0, 0)}
    assert of_slice("source (--slice)", [doc]) == {"here": (1, 0, 0, 0)}
    assert of_slice("label", [doc]) == {"A": (1, 0, 0, 0)}


def test_named_slices(extensions):
    doc = NLP("Rome and Oslo")
    doc.ents = [Span(doc, 0, 1, label="A"), Span(doc, 2, 3, label="A")]
    doc.user_data["domain"] = "news"
    doc.ents[0]._.sure = True
    values = NamedSlices(["domain", "year", "sure", "nothing", "domain"])
    expected = {"domain": "news", "year": "3", "sure": "True", "nothing": "(none)"}
    assert dict(values(doc.ents[0], doc)) == expected
    assert dict(values(doc.ents[1], doc))["sure"] == "(none)"
    assert values.met == {"domain", "year", "sure"}
    assert known_names([doc]) == ["domain", "sure"]


def test_what_was_kept_of_an_extension_needs_no_extension():
    Doc.set_extension("kept", default=None)
    doc = NLP("Rome")
    doc.ents = [Span(doc, 0, 1, label="A")]
    doc._.kept = "here"
    Doc.remove_extension("kept")
    assert NamedSlices(["kept"])(doc.ents[0], doc) == (("kept", "here"),)

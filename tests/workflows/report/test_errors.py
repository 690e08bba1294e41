"""Kinds of errors, their order, and which label is taken for which."""

import pytest
from hypothesis import given

from spacy_bilstm_crf.workflows.report.errors import (
    BOTH_WRONG,
    ERROR_KINDS,
    confusion,
    failures,
)
from spacy_bilstm_crf.workflows.report.matching import matched
from tests.workflows.report.docs import doc_of, docs, overlapping_doc_of, overlapping_docs


def kinds(*several):
    return {kind: len(found) for kind, found in failures(several).items() if found}


@pytest.mark.parametrize(
    "gold, predicted, expected",
    [
        ([(0, 2, "A")], [(0, 2, "A")], {}),
        ([(0, 2, "A")], [], {"missed": 1}),
        ([], [(0, 2, "A")], {"spurious": 1}),
        ([(0, 2, "A")], [(3, 4, "A")], {"missed": 1, "spurious": 1}),
        ([(0, 2, "A")], [(0, 2, "B")], {"wrong label": 1}),
        ([(0, 2, "A")], [(1, 2, "A")], {"wrong boundary": 1}),
        ([(0, 2, "A")], [(1, 3, "B")], {"wrong boundary and label": 1}),
        ([(0, 4, "A")], [(0, 1, "A"), (2, 4, "B")], {"split": 1}),
        ([(0, 1, "A"), (2, 4, "B")], [(0, 4, "A")], {"merged": 1}),
        # Two of each: pairs
        ([(0, 3, "A"), (4, 6, "A")], [(2, 5, "A"), (5, 6, "A")], {"wrong boundary": 2}),
        # Aligned with the same token: one is right, the other too much
        ([(0, 1, "A")], [(0, 1, "A"), (0, 1, "A")], {"spurious": 1}),
    ],
)
def test_kinds(gold, predicted, expected):
    assert kinds(doc_of(gold, predicted)) == expected


@given(docs)
def test_every_wrong_entity_is_in_one_error(doc):
    found = [failure for of_kind in failures([doc]).values() for failure in of_kind]
    right = {m.key for m in doc.gold} & {m.key for m in doc.predicted}
    for side in ("gold", "predicted"):
        in_errors = [m.key for failure in found for m in getattr(failure, side)]
        wrong = [m.key for m in getattr(doc, side) if m.key not in right]
        assert sorted(in_errors) == sorted(wrong)
    assert set(failures([doc])) == set(ERROR_KINDS)


def test_the_surest_come_first():
    found = failures([
        doc_of([], [(0, 1, "A", 0.3)], number=0),
        doc_of([], [(0, 1, "A", 0.9)], number=1),
        doc_of([], [(0, 1, "A")], number=2),  # without a probability
        doc_of([(0, 1, "A", 0.4)], [], number=3),
        doc_of([(0, 1, "A", 0.1)], [], number=4),
        doc_of([(0, 1, "A")], [], number=5),  # not even a candidate
        doc_of([(0, 4, "A")], [(0, 1, "A", 0.2), (2, 3, "A", 0.7)], number=6),
    ])  # fmt: skip
    order = {kind: [failure.doc.number for failure in found[kind]] for kind in ERROR_KINDS}
    assert order["spurious"] == [1, 0, 2]
    assert order["missed"] == [5, 4, 3]
    assert found["split"][0].probability == 0.7


def test_confusion():
    docs = [
        doc_of([(0, 2, "A"), (3, 5, "B"), (6, 7, "B")], [(0, 2, "A"), (4, 5, "A"), (8, 9, "A")]),
        doc_of([(0, 2, "A")], [(0, 2, "A")]),
    ]
    found = confusion([matched(doc) for doc in docs])
    assert found == {("A", "A"): 2, ("B", "A"): 1, ("B", ""): 1, ("", "A"): 1}


# Entities that may overlap


@pytest.mark.parametrize(
    "gold, predicted, expected",
    [
        ([(0, 3, "A"), (2, 3, "B")], [(0, 3, "A"), (2, 3, "B")], {}),
        ([(0, 3, "A"), (2, 3, "B")], [(0, 3, "A")], {"missed": 1}),
        # Nothing in common: each may be right
        ([(0, 3, "A")], [(2, 3, "B")], {"missed": 1, "spurious": 1}),
        ([(0, 3, "A"), (2, 3, "B")], [(0, 2, "A"), (2, 3, "B")], {"wrong boundary": 1}),
        ([(0, 3, "A"), (2, 3, "B")], [(0, 3, "C"), (2, 3, "B")], {"wrong label": 1}),
        ([(0, 4, "A"), (0, 1, "B")], [(0, 2, "A"), (2, 4, "A"), (0, 1, "B")], {"split": 1}),
        ([(0, 2, "A"), (2, 4, "A"), (0, 1, "B")], [(0, 4, "A"), (0, 1, "B")], {"merged": 1}),
        # One within the other: no parts
        ([(0, 4, "A")], [(0, 3, "A"), (0, 2, "A")], {"wrong boundary": 1, "spurious": 1}),
        # Of another label, though of the same boundaries: no part either
        ([(0, 4, "A")], [(0, 4, "B"), (0, 2, "A")], {"wrong label": 1, "spurious": 1}),
    ],
)
def test_kinds_of_overlapping_entities(gold, predicted, expected):
    found = failures([overlapping_doc_of(gold, predicted)], may_overlap=True)
    assert {kind: len(each) for kind, each in found.items() if each} == expected
    assert set(found) == set(ERROR_KINDS) - {BOTH_WRONG}


@given(overlapping_docs)
def test_every_wrong_overlapping_entity_is_in_one_error(doc):
    found = [each for of_kind in failures([doc], may_overlap=True).values() for each in of_kind]
    right = {m.key for m in doc.gold} & {m.key for m in doc.predicted}
    for side in ("gold", "predicted"):
        in_errors = [m.key for failure in found for m in getattr(failure, side)]
        assert sorted(in_errors) == [m.key for m in getattr(doc, side) if m.key not in right]

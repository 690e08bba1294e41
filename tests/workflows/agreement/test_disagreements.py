"""The places at which annotators differ, by hand and by sets."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bilstm_crf.data.entity_source import DOC_ENTS, EntitySource
from spacy_bilstm_crf.data.formats import Findings
from spacy_bilstm_crf.workflows.agreement.disagreements import (
    MARKED_BY_SOME,
    OTHER_BOUNDARIES,
    OTHER_LABEL,
    OTHER_SPAN,
    disagreements,
)
from spacy_bilstm_crf.workflows.agreement.reading import AnnotatorDocs, shared_texts
from tests.workflows.agreement.test_measures import N_TOKENS, doc_of
from tests.workflows.report.docs import entities, overlapping_entities


def places_of(*sides, unknown=None, key=None):
    """Each with its kind and the entities of each annotator, by number."""
    of_unknown = unknown or {}
    docs = {
        str(i): [doc_of(spans, unknown=of_unknown.get(i, ()), key=key)]
        for i, spans in enumerate(sides)
    }
    where = DOC_ENTS if key is None else EntitySource(key)
    texts, _ = shared_texts(AnnotatorDocs(docs, Findings()), where, False)
    return [
        (
            place.kind,
            {int(who): [m.key for m in version] for who, version in place.versions.items()},
        )
        for place in disagreements(texts)
    ]


@pytest.mark.parametrize(
    "one, other, kind",
    [
        ([(0, 2, "A")], [], MARKED_BY_SOME),
        ([(0, 2, "A")], [(0, 2, "B")], OTHER_LABEL),
        ([(0, 2, "A")], [(0, 3, "A")], OTHER_BOUNDARIES),
        ([(0, 2, "A")], [(1, 3, "B")], OTHER_SPAN),
        ([(0, 4, "A")], [(0, 1, "A"), (2, 4, "A")], OTHER_BOUNDARIES),
        ([(0, 4, "A")], [(0, 1, "A"), (2, 4, "B")], OTHER_SPAN),
    ],
)
def test_kinds(one, other, kind):
    assert places_of(one, other) == [(kind, {0: one, 1: other})]
    assert places_of(other, one) == [(kind, {0: other, 1: one})]


def test_what_is_connected_is_one_place():
    one, other = [(0, 3, "A"), (5, 6, "A")], [(2, 5, "A"), (5, 6, "B")]
    assert places_of(one, other) == [
        (OTHER_BOUNDARIES, {0: one[:1], 1: other[:1]}),
        (OTHER_LABEL, {0: one[1:], 1: other[1:]}),
    ]
    third = [(4, 6, "A")]
    assert places_of(one, other, third) == [(OTHER_SPAN, {0: one, 1: other, 2: third})]


def test_who_has_not_annotated_a_place_is_not_asked():
    one, other, third = [(0, 2, "A")], [], [(4, 5, "B")]
    assert places_of(one, other, unknown={1: [1]}) == []
    assert places_of(one, other, third, unknown={2: [0]}) == [
        (MARKED_BY_SOME, {0: one, 1: other}),
        (MARKED_BY_SOME, {0: [], 1: [], 2: third}),
    ]


def test_entities_that_may_overlap_have_to_do_with_their_like_alone():
    one, other = [(0, 4, "A"), (2, 4, "B")], [(0, 4, "A"), (2, 4, "C"), (1, 2, "B")]
    assert places_of(one, other, key="sc") == [
        (MARKED_BY_SOME, {0: [], 1: [(1, 2, "B")]}),
        (OTHER_LABEL, {0: [(2, 4, "B")], 1: [(2, 4, "C")]}),
    ]


@pytest.mark.parametrize("key", [None, "sc"])
@settings(max_examples=40)
@given(data=st.data())
def test_every_difference_is_in_one_place(key, data):
    drawn = entities(N_TOKENS) if key is None else overlapping_entities(N_TOKENS)
    sides = data.draw(st.lists(drawn, min_size=2, max_size=4))
    found = places_of(*sides, key=key)
    every = {span for side in sides for span in side}
    disputed = {span for span in every if not all(span in side for side in sides)}
    listed = [{span for version in each.values() for span in version} for _, each in found]
    assert sum(map(len, listed)) == len(set().union(*listed))  # each in one place
    assert disputed <= set().union(*listed)
    for spans, (_, versions) in zip(listed, found):
        assert spans & disputed
        for number, version in versions.items():
            assert sorted(version) == sorted(span for span in sides[number] if span in spans)

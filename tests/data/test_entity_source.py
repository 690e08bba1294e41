"""Where entities are: in `doc.ents` or in a group of `doc.spans`, and how these overlap."""

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span

from spacy_bilstm_crf.data.corpus import check_annotated, misaligned_entities
from spacy_bilstm_crf.data.entity_source import (
    DOC_ENTS,
    EntitySource,
    nesting_levels,
    overlapping_entities,
)

NLP = spacy.blank("xx")
SPANS = EntitySource("sc")
N_TOKENS = 8


def doc_with(spans, key="sc"):
    doc = Doc(NLP.vocab, words=["x"] * N_TOKENS)
    doc.spans[key] = [Span(doc, *span) for span in spans]
    return doc


@st.composite
def places(draw):
    start = draw(st.integers(0, N_TOKENS - 1))
    return start, draw(st.integers(start + 1, N_TOKENS)), draw(st.sampled_from("AB"))


several = st.lists(places(), unique=True, max_size=7)


def keys(entities):
    return [(ent.start, ent.end, ent.label_) for ent in entities]


def overlap(one, other):
    return one[0] < other[1] and other[0] < one[1]


def test_entities_of_a_group_are_in_order_and_distinct():
    doc = doc_with([(3, 5, "A"), (0, 2, "B"), (3, 5, "A"), (3, 5, "B"), (3, 4, "A"), (2, 2, "A")])
    doc.ents = [Span(doc, 0, 1, "C")]
    expected = [(0, 2, "B"), (3, 4, "A"), (3, 5, "A"), (3, 5, "B")]
    assert keys(SPANS.entities(doc)) == expected
    assert keys(DOC_ENTS.entities(doc)) == [(0, 1, "C")]
    assert EntitySource("other").entities(doc) == []
    assert (str(SPANS), str(DOC_ENTS)) == ("doc.spans['sc']", "doc.ents")


def test_an_empty_group_is_annotation():
    doc = Doc(NLP.vocab, words=["a", "b"])
    for where in (SPANS, DOC_ENTS):
        assert not where.is_annotated(doc) and len(where.unannotated_tokens(doc)) == 2
    doc.spans["sc"] = []
    assert SPANS.is_annotated(doc) and SPANS.unannotated_tokens(doc) == []
    doc.set_ents([], blocked=[doc[0:1]], default="outside")
    assert DOC_ENTS.is_annotated(doc)
    assert [token.i for token in DOC_ENTS.unannotated_tokens(doc)] == [0]


@given(several)
def test_overlaps_are_those_of_pairs(spans):
    entities = SPANS.entities(doc_with(spans))
    for same in (False, True):
        expected = [
            one
            for one in spans
            if any(
                overlap(one, other) and (not same or one[2] == other[2])
                for other in spans
                if other != one
            )
        ]
        found = overlapping_entities(entities, of_same_label=same)
        assert sorted(keys(found)) == sorted(expected)


@given(several)
def test_a_level_has_no_overlap_and_is_the_first_that_has_room(spans):
    levels = nesting_levels(SPANS.entities(doc_with(spans)))
    assert levels.keys() == set(spans)
    for span, level in levels.items():
        for lower in range(1, level + 1):
            there = [
                other
                for other, of_other in levels.items()
                if of_other == lower and other[2] == span[2] and other != span
            ]
            longer = [other for other in there if other[1] - other[0] >= span[1] - span[0]]
            assert any(overlap(span, other) for other in longer) == (lower < level)
            assert lower < level or not any(overlap(span, other) for other in there)


def test_levels_by_hand():
    spans = [(0, 6, "A"), (0, 3, "A"), (4, 6, "A"), (1, 2, "A"), (0, 6, "B")]
    levels = nesting_levels(SPANS.entities(doc_with(spans)))
    assert [levels[span] for span in spans] == [1, 2, 2, 3, 1]


def test_what_is_not_made_of_tokens():
    doc = doc_with([(0, 2, "A"), (1, 3, "B")])
    merged = Doc(NLP.vocab, words=["x x", *["x"] * (N_TOKENS - 2)])
    assert keys(misaligned_entities(merged, doc, SPANS)) == [(1, 3, "B")]


def test_data_without_entities_are_refused():
    docs = [doc_with([], "other"), doc_with([], "sc")]
    with pytest.raises(ValueError, match=r"no entity in doc.spans\['sc'\] of any .* other, sc\.$"):
        check_annotated(docs, "The data", SPANS)
    check_annotated([doc_with([(0, 1, "A")])], "The data", SPANS)

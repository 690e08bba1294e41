"""The matching is a best one, by enumeration of all."""

from itertools import chain

import pytest
from hypothesis import given

from spacy_bilstm_crf.workflows.report.matching import (
    SCHEMES,
    can_match,
    clusters,
    match,
    matched,
    overlap,
    value_of,
)
from tests.workflows.report.docs import (
    doc_of,
    docs,
    mention,
    overlapping_doc_of,
    overlapping_docs,
)


def best_value(gold, predicted, schemes):
    """Of all one-to-one matchings, crossing ones too."""
    if not gold:
        return 0
    first, *rest = gold
    best = best_value(rest, predicted, schemes)  # without a match
    for place, other in enumerate(predicted):
        if overlap(first, other):
            left = predicted[:place] + predicted[place + 1 :]
            with_pair = value_of((first, other), schemes) + best_value(rest, left, schemes)
            best = max(best, with_pair)
    return best


@pytest.mark.parametrize("schemes", [SCHEMES, *([scheme] for scheme in SCHEMES)])
@given(doc=docs)
def test_no_matching_is_worth_more(schemes, doc):
    found = match(doc.gold, doc.predicted, schemes)
    value = sum(value_of(pair, schemes) for pair in found.pairs)
    assert value == best_value(list(doc.gold), list(doc.predicted), schemes)


@given(docs)
def test_every_entity_is_in_one_place(doc):
    found = matched(doc)
    assert all(overlap(*pair) for pair in found.pairs)
    golds = sorted([gold for gold, _ in found.pairs] + found.missed)
    others = sorted([other for _, other in found.pairs] + found.spurious)
    assert (golds, others) == (sorted(doc.gold), sorted(doc.predicted))


@given(docs)
def test_clusters_are_the_parts_that_hang_together(doc):
    parts = [[*part.gold, *part.predicted] for part in clusters(doc)]
    assert sorted(chain(*parts)) == sorted([*doc.gold, *doc.predicted])
    for place, part in enumerate(parts):
        reached = {part[0]}
        for _ in part:
            reached |= {one for one in part if any(overlap(one, other) for other in reached)}
        # Of one side two entities may be the same as of the other
        assert reached == set(part)
        for other in parts[:place]:
            assert not any(overlap(one, two) for one in part for two in other)


def test_credit_comes_before_shared_tokens():
    gold = [mention(0, 5, "A")]
    predicted = [mention(0, 4, "B"), mention(4, 5, "A")]
    assert match(gold, predicted).pairs == [(gold[0], predicted[1])]
    predicted = [mention(0, 1, "B"), mention(1, 5, "B")]
    assert match(gold, predicted).pairs == [(gold[0], predicted[1])]


def test_schemes_may_match_the_same_entities_differently():
    gold = [mention(0, 1, "B"), mention(2, 4, "A")]
    predicted = [mention(0, 3, "A"), mention(3, 4, "B")]
    assert match(gold, predicted, ["partial"]).pairs == list(zip(gold, predicted))
    assert match(gold, predicted, ["type"]).pairs == [(gold[1], predicted[0])]


def test_one_token_that_two_predicted_entities_were_aligned_with():
    doc = doc_of([(0, 1, "A")], [(0, 1, "B"), (0, 1, "A")])
    assert matched(doc).pairs == [(doc.gold[0], doc.predicted[1])]


# Entities that may overlap


@pytest.mark.parametrize("schemes", [SCHEMES, *([scheme] for scheme in SCHEMES)])
@given(doc=overlapping_docs)
def test_no_matching_of_overlapping_entities_is_worth_more(schemes, doc):
    found = [match(*cluster, schemes) for cluster in clusters(doc)]
    pairs = [pair for each in found for pair in each.pairs]
    assert all(can_match(*pair) for pair in pairs)
    value = sum(value_of(pair, schemes) for pair in pairs)
    assert value == best_value(list(doc.gold), list(doc.predicted), schemes)
    golds = [gold for gold, _ in pairs] + [gold for each in found for gold in each.missed]
    others = [other for _, other in pairs] + [one for each in found for one in each.spurious]
    assert (sorted(golds), sorted(others)) == (sorted(doc.gold), sorted(doc.predicted))


@given(overlapping_docs)
def test_clusters_of_overlapping_entities_are_what_can_be_matched(doc):
    parts = [(list(part.gold), list(part.predicted)) for part in clusters(doc)]
    assert sorted(chain(*(gold for gold, _ in parts))) == sorted(doc.gold)
    assert sorted(chain(*(predicted for _, predicted in parts))) == sorted(doc.predicted)
    for place, (gold, predicted) in enumerate(parts):
        nodes = [("gold", one) for one in gold] + [("predicted", one) for one in predicted]
        reached = {nodes[0]}
        for _ in nodes:
            reached |= {node for node in nodes if any(related(node, other) for other in reached)}
        assert reached == set(nodes)
        for others_gold, others_predicted in parts[:place]:
            assert not any(can_match(one, two) for one in gold for two in others_predicted)
            assert not any(can_match(one, two) for one in others_gold for two in predicted)


def related(node, other):
    pair = dict([node, other])
    return len(pair) == 2 and can_match(pair["gold"], pair["predicted"])


@given(overlapping_docs)
def test_what_is_right_is_matched_with_itself(doc):
    right = {one.key for one in doc.gold} & {one.key for one in doc.predicted}
    assert {gold.key for gold, other in matched(doc).pairs if gold.key == other.key} == right


def test_overlapping_entities_of_different_labels_and_boundaries_are_not_matched():
    doc = overlapping_doc_of([(0, 3, "A"), (2, 3, "B")], [(0, 2, "B")])
    assert matched(doc) == ([], list(doc.gold), list(doc.predicted))
    doc = overlapping_doc_of([(0, 3, "A"), (2, 3, "B")], [(0, 2, "A"), (0, 3, "B")])
    assert matched(doc).pairs == list(zip(doc.gold, doc.predicted))
    doc = overlapping_doc_of([(0, 3, "A"), (2, 3, "B")], [(0, 3, "B")])
    assert matched(doc).pairs == [(doc.gold[0], doc.predicted[0])]  # the boundaries, not the label


def test_pairs_of_nested_entities_may_cross():
    doc = overlapping_doc_of([(0, 9, "A"), (1, 2, "A")], [(0, 3, "A"), (2, 9, "A")])
    pairs = {(gold.key[:2], other.key[:2]) for gold, other in matched(doc).pairs}
    assert pairs == {((0, 9), (2, 9)), ((1, 2), (0, 3))}

"""The matching is a best one, by enumeration of all."""

from itertools import chain

import pytest
from hypothesis import given

from spacy_bilstm_crf.workflows.report.matching import (
    SCHEMES,
    clusters,
    match,
    matched,
    overlap,
    value_of,
)
from tests.workflows.report.docs import doc_of, docs, mention


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

"""Two pipelines on the same docs."""

import numpy as np
import pytest

from spacy_bilstm_crf.workflows.report.comparison import changed_docs, differences, on_same_groups
from spacy_bilstm_crf.workflows.report.metrics import bootstrap_weights, prf
from spacy_bilstm_crf.workflows.report.slices import ALL, counted
from tests.workflows.report.docs import doc_of

GOLD = [(0, 1, "A"), (2, 3, "B")]


def compare(ours, baseline):
    """The groups, the two counts and their differences."""
    sides = [counted([doc_of(GOLD, found) for found in side], None) for side in (ours, baseline)]
    groups, *counts = on_same_groups(*sides)
    return groups, counts, dict(zip(groups, differences(*counts, bootstrap_weights(len(ours)))))


def test_the_same_entities_make_no_difference():
    found = [GOLD, [], [(0, 1, "B")]] * 5
    _, _, difference = compare(found, found)
    assert difference[ALL]["f"] == {"value": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}


def test_what_is_better_in_every_doc_is_as_sure_as_can_be():
    _, counts, difference = compare([GOLD] * 12, [GOLD[:1]] * 12)
    assert difference[ALL]["recall"]["value"] == 0.5
    assert difference[ALL]["f"]["p"] == pytest.approx(2 / 1001)
    assert difference["label", "B"]["recall"]["value"] == 1.0
    assert difference["label", "A"]["f"]["p"] == 1.0
    assert changed_docs(*counts)["n_better"] == 12


def test_p_values_of_chance_are_spread_evenly():
    """Both sides leave out an entity with the same chance: p < 0.1 in a tenth of the cases."""
    rng = np.random.default_rng(0)
    drawn, small = bootstrap_weights(60), 0
    for _ in range(200):
        sides = rng.random((2, 60)) < 0.7
        counts = [np.stack([np.ones(60), side, side, side], -1)[:, None, :] for side in sides]
        (difference,) = differences(*counts, drawn)
        small += difference["f"]["p"] < 0.1
        value = difference["f"]["value"]
        assert value == pytest.approx(np.subtract(*(prf(c.sum(0))[0, 2] for c in counts)))
    assert 0.04 < small / 200 < 0.18


def test_labels_of_either_side_are_there():
    groups, _, difference = compare([[(5, 6, "OURS")]], [[(5, 6, "THEIRS")]])
    assert {group[1] for group in groups} == {"", "A", "B", "OURS", "THEIRS"}
    assert difference["label", "THEIRS"]["precision"]["value"] is None


def test_docs_that_changed_are_named_the_most_changed_first():
    ours = [[], GOLD[:1], GOLD, GOLD, GOLD[:1]]
    baseline = [GOLD, GOLD, [], GOLD[:1], GOLD[:1]]
    _, counts, _ = compare(ours, baseline)
    found = changed_docs(*counts)
    assert (found["n_better"], found["n_worse"], found["n_same"]) == (2, 2, 1)
    assert [each["place"] for each in found["better"]] == [2, 3]
    assert found["worse"] == [
        {"place": 0, "errors": 2, "baseline_errors": 0},
        {"place": 1, "errors": 1, "baseline_errors": 0},
    ]

"""Calibration error, what chance alone gives, and the threshold."""

import numpy as np
import pytest
import spacy
from spacy.tokens import Span

from spacy_bilstm_crf.data.entity_source import EntitySource
from spacy_bilstm_crf.workflows.report.matching import matched
from spacy_bilstm_crf.workflows.report.mentions import compared
from spacy_bilstm_crf.workflows.report.probabilities import (
    MOST_POINTS,
    Scored,
    calibration_error,
    curve,
    errors_of_chance,
    reliability,
    scored,
    summary,
)
from tests.workflows.report.docs import doc_of

NLP = spacy.blank("en")


def of(scores, right, n_gold=10):
    return Scored(np.array(scores, dtype=float), np.array(right, dtype=bool), n_gold)


def test_calibration_error_by_hand():
    found = of([0.92, 0.98, 0.91, 0.15, 1.0], [1, 0, 1, 0, 1])
    assert reliability(found) == [
        {"n": 1, "score": pytest.approx(0.15), "right": 0.0},
        {"n": 4, "score": pytest.approx(0.9525), "right": 0.75},
    ]
    assert calibration_error(found) == pytest.approx((0.15 + 4 * 0.2025) / 5)


def test_chance_gives_what_enumeration_gives():
    scores = np.array([0.95, 0.9, 0.3])
    expected = 0.0
    for outcome in np.ndindex(2, 2, 2):
        right = np.array(outcome)
        probability = np.prod(np.where(right, scores, 1 - scores))
        expected += probability * calibration_error(of(scores, right))
    by_chance = errors_of_chance(of(scores, [0, 0, 0]))
    assert by_chance.mean() == pytest.approx(expected, abs=4 * by_chance.std() / 200**0.5)


def test_probabilities_that_hold_are_within_chance_and_others_are_not():
    rng = np.random.default_rng(0)
    scores = rng.random(2000)
    holds = summary(of(scores, rng.random(2000) < scores), 2000)
    assert holds["ece"] < holds["ece_by_chance_95"]
    too_sure = summary(of(scores, rng.random(2000) < scores**2), 2000)
    assert too_sure["ece"] > 3 * too_sure["ece_by_chance_95"]


def test_the_curve_is_that_of_entities_that_are_kept():
    rng = np.random.default_rng(0)
    scores = rng.random(40).round(1)  # several of each
    right = rng.random(40) < scores
    points = curve(of(scores, right, n_gold=35))
    assert [point["threshold"] for point in points] == sorted(set(scores))
    for point in points:
        kept = right[scores >= point["threshold"]]
        assert point["precision"] == pytest.approx(kept.mean())
        assert point["recall"] == pytest.approx(kept.sum() / 35)
        assert point["f"] == pytest.approx(2 * kept.sum() / (len(kept) + 35))


def test_a_long_curve_keeps_its_best_point():
    rng = np.random.default_rng(0)
    scores = rng.random(5000)
    found = of(scores, rng.random(5000) < scores, n_gold=3000)
    points = curve(found)
    assert len(points) <= MOST_POINTS + 1
    order = np.argsort(-scores)
    f = 2 * np.cumsum(found.right[order]) / (np.arange(1, 5001) + 3000)
    assert summary(found, 5000)["best"]["f"] == pytest.approx(f.max())
    assert points[0]["threshold"] == scores.min() and points[-1]["threshold"] == scores.max()


def test_entities_without_a_probability_are_left_out():
    doc = doc_of([(0, 1, "A"), (2, 3, "A")], [(0, 1, "A", 0.9), (2, 3, "A"), (4, 5, "A", 0.2)])
    found = scored([matched(doc)])
    assert sorted(found.scores) == [0.2, 0.9] and found.right.sum() == 1 and found.n_gold == 2
    assert summary(found, 3)["n_without"] == 1
    assert summary(scored([matched(doc_of([], [(0, 1, "A")]))]), 1) is None


def probabilities_of(attrs, gold=()):
    reference, predicted = NLP("Rome and Oslo"), NLP("Rome and Oslo")
    reference.set_ents([Span(reference, *each) for each in gold], default="outside")
    predicted.ents = [Span(predicted, 0, 1, label="A"), Span(predicted, 2, 3, label="B")]
    predicted.spans["sc"] = [*predicted.ents, Span(predicted, 1, 2, label="A")]
    predicted.spans["sc"].attrs.update(attrs)
    doc = compared(0, reference, predicted, "", lambda ent, doc: ())
    return [[m.probability for m in side] for side in (doc.gold, doc.predicted)]


def test_scores_of_a_group_are_probabilities_where_they_can_be():
    scores = np.array([0.9, 0.8, 0.1])
    assert probabilities_of({"scores": scores}) == [[], [0.9, 0.8]]
    assert probabilities_of({"scores": scores}, gold=[(1, 2, "A")]) == [[0.1], [0.9, 0.8]]
    for attrs in ({}, {"scores": scores[:2]}, {"scores": 10 * scores}, {"scores": [None] * 3}):
        assert probabilities_of(attrs) == [[], [None, None]]
    # Tokens were merged since
    assert probabilities_of({"scores": scores, "n_tokens": 4}) == [[], [None, None]]


def test_the_probability_of_a_span_is_that_of_its_own_group():
    reference, predicted = NLP("Rome and Oslo"), NLP("Rome and Oslo")
    for doc in (reference, predicted):
        doc.spans["sc"] = [Span(doc, 0, 1, label="A"), Span(doc, 0, 3, label="B")]
        doc.spans["other"] = doc.spans["sc"].copy()
    predicted.spans["sc"].attrs["scores"] = np.array([0.9, 0.8])
    predicted.spans["other"].attrs["scores"] = np.array([0.1, 0.2])
    doc = compared(0, reference, predicted, "", lambda ent, doc: (), EntitySource("sc"))
    assert [m.probability for m in doc.predicted] == [0.9, 0.8]
    assert [m.shares_with for m in doc.predicted] == [("B",), ("A",)]
    reference.spans["sc"] = []
    doc = compared(0, reference, predicted, "", lambda ent, doc: (), EntitySource("sc"))
    assert (doc.gold, len(doc.predicted)) == ((), 2)
    del reference.spans["sc"]
    assert compared(0, reference, predicted, "", lambda ent, doc: (), EntitySource("sc")) is None

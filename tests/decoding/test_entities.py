"""Probabilities of entities, and the choice among them, against enumeration."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bilstm_crf import crf
from spacy_bilstm_crf.batching import legality
from spacy_bilstm_crf.decoding.entities import (
    Entity,
    TooManyEntities,
    best_entities,
    likely_entities,
    probabilities,
)
from spacy_bilstm_crf.tags import count_tags, spans_of_tags
from tests.arrays import array
from tests.crf.problems import Batch
from tests.helpers import tags_of_spans

pytestmark = pytest.mark.usefixtures("kind_of_arrays")


batches = st.builds(
    Batch,
    seed=st.integers(0, 2**32 - 1),
    lengths=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    n_labels=st.integers(1, 2),
    # The larger ones leave the range of float64 and need log space
    scale=st.sampled_from([0.0, 1.0, 5.0, 300.0, 2000.0]),
)


@settings(max_examples=60, deadline=None)
@given(batches)
def test_probabilities_are_those_of_enumeration(batch):
    expected = [batch.probabilities(row) for row in range(len(batch.lengths))]
    spans = [list(of_row) for of_row in expected]
    found = probabilities(batch.posterior(), spans)
    for of_row, of_row_expected in zip(found, expected, strict=True):
        assert of_row == pytest.approx(list(of_row_expected.values()), abs=1e-8)


def test_no_entities_have_no_probabilities():
    assert probabilities(Batch(0, [2, 1], 1, 1.0).posterior(), [[], []]) == [[], []]


@settings(max_examples=60, deadline=None)
@given(
    batches,
    st.sampled_from([1e-6, 0.05, 0.5]),
    st.sampled_from([None, 1, 2, 3]),
)
def test_likely_entities_are_those_of_enumeration(batch, minimum, max_length):
    found = likely_entities(batch.posterior(), minimum, max_length)
    for row, entities in enumerate(found):
        expected = {
            span: p
            for span, p in batch.probabilities(row).items()
            if max_length is None or span[1] - span[0] <= max_length
        }
        assert len({entity.span for entity in entities}) == len(entities)
        assert entities == sorted(entities)
        for entity in entities:
            assert entity.probability == pytest.approx(expected[entity.span], abs=1e-8)
        left_out = set(expected) - {entity.span for entity in entities}
        assert all(expected[span] <= minimum + 1e-8 for span in left_out)


def test_more_entities_than_a_sequence_may_have(monkeypatch):
    monkeypatch.setattr("spacy_bilstm_crf.decoding.entities.FEW", 3)
    posterior = crf.forward_backward(Batch(0, [6, 1], 2, 0.0).chain._replace(allowed=None))
    numbers = [len(found) for found in likely_entities(posterior, 1e-9)]
    enough = -(-max(numbers[0] - 3, 0) // 6)
    assert enough > 1 and numbers[1] <= 3
    found = likely_entities(posterior, 1e-9, most_per_token=enough)
    assert [len(of_sequence) for of_sequence in found] == numbers
    with pytest.raises(TooManyEntities, match=f"{enough - 2} entities per token"):
        likely_entities(posterior, 1e-9, most_per_token=enough - 2)


def test_log_space_is_covered():
    batch = Batch(0, [4, 4, 4], 2, 2000.0)
    assert len(batch.posterior()._log_space_rows)


def test_an_entity_as_long_as_the_doc():
    n_tags, n_tokens = count_tags(1), 400
    emissions = np.zeros((1, n_tokens, n_tags), np.float32)
    emissions[..., 0] = -5.0
    emissions[0, :-1, 2] = 5.0  # I-A
    shared = (np.zeros(shape, np.float32) for shape in ((n_tags, n_tags), n_tags, n_tags))
    scores = crf.Scores(*map(array, (emissions, *shared)))
    legal = legality(count_tags(1), crf.device_of(scores.start))
    posterior = crf.forward_backward(crf.LinearChain(scores, array([n_tokens]), legal))
    ((longest,),) = likely_entities(posterior, 0.5)
    assert longest.span == (0, n_tokens, 0)
    # Of the tag sequences that have other entities, the nearest are behind by several nats
    assert 0.9 < longest.probability < 1.0


def overlap(entities):
    return any(a.start < b.end and b.start < a.end for a, b in itertools.combinations(entities, 2))


@given(
    st.lists(
        st.builds(
            lambda start, length, label, p: Entity(start, start + length, label, p),
            st.integers(0, 6),
            st.integers(1, 4),
            st.integers(0, 1),
            st.floats(0, 1),
        ),
        max_size=8,
    ),
    st.floats(0, 1) | st.lists(st.floats(0, 1), min_size=2, max_size=2),
)
def test_best_entities_against_all_subsets(candidates, threshold):
    least = threshold if isinstance(threshold, list) else [threshold] * 2

    def gain(entities):
        return math.fsum(entity.probability - least[entity.label] for entity in entities)

    chosen = best_entities(candidates, threshold)
    assert chosen == sorted(chosen)
    assert not overlap(chosen)
    assert all(entity.probability >= least[entity.label] for entity in chosen)
    subsets = (
        subset
        for size in range(len(candidates) + 1)
        for subset in itertools.combinations(candidates, size)
        if not overlap(subset)
    )
    assert gain(chosen) == pytest.approx(max(map(gain, subsets)), abs=1e-12)


def test_an_entity_at_the_threshold_stays():
    certain = Entity(0, 2, 0, 1.0)
    assert best_entities([certain], 1.0) == [certain]


def test_tags_of_spans_are_read_back():
    spans = [(0, 1, 1), (1, 4, 0), (5, 7, 1)]
    assert spans_of_tags(tags_of_spans(spans, 8)) == spans
    assert len(tags_of_spans([], 0)) == 0

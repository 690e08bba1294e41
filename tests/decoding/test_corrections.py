"""What is found given fixed and rejected spans, against enumeration of all tag sequences."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bilstm_crf import crf
from spacy_bilstm_crf.batching import Distribution, legality
from spacy_bilstm_crf.decoding import (
    ContradictionError,
    Corrections,
    DecodingSettings,
    conditioned,
    decode,
    k_best_sequences,
)
from spacy_bilstm_crf.tags import OUTSIDE, count_tags, force_span, spans_of_tags
from tests.helpers import random_potentials
from tests.oracle import Oracle

pytestmark = pytest.mark.usefixtures("kind_of_arrays")

WANTED = DecodingSettings(None, True, 0.0, 100, labels=["A", "B"])


def potentials_of(n_tokens, n_labels, seed=0):
    return random_potentials([n_tokens], seed).first_tags(count_tags(n_labels))


def span_lists(n_tokens, n_labels):
    offsets = st.integers(0, n_tokens)
    pairs = st.tuples(offsets, offsets).filter(lambda x: x[0] < x[1])
    spans = st.builds(lambda x, label: (*x, label), pairs, st.integers(0, n_labels - 1))
    return st.lists(spans, max_size=6)


@st.composite
def problems(draw):
    n_labels = draw(st.integers(1, 2))
    n_tokens = draw(st.integers(1, 6 if n_labels == 1 else 4))
    potentials = potentials_of(n_tokens, n_labels, draw(st.integers(0, 1000)))
    mask = None
    if draw(st.booleans()):
        random = np.random.default_rng(draw(st.integers(0, 1000)))
        mask = random.random((n_tokens, count_tags(n_labels))) < 0.8
        mask[:, OUTSIDE] = True
    fixed = []
    for span in draw(span_lists(n_tokens, n_labels))[: draw(st.integers(0, 2))]:
        if all(span[1] <= other[0] or other[1] <= span[0] for other in fixed):
            fixed.append(span)
    rejected = [span for span in draw(span_lists(n_tokens, n_labels)) if span not in fixed]
    outside = [
        span[:2]
        for span in draw(span_lists(n_tokens, n_labels))[: draw(st.integers(0, 1))]
        if all(span[1] <= other[0] or other[1] <= span[0] for other in fixed)
    ]
    return potentials, mask, Corrections(fixed, rejected, outside)


def enumerated(potentials, mask, known):
    """The tag sequences that agree with the corrections, as sets of entities."""
    shape = potentials.emissions[0].shape
    allowed = np.ones(shape, dtype=bool) if mask is None else mask.copy()
    for span in known.fixed:
        force_span(allowed, span)
    for start, end in known.outside:
        allowed[start:end, OUTSIDE + 1 :] = False
    arrays = [potentials.emissions[0], potentials.transitions, potentials.start, potentials.end]
    oracle = Oracle(
        *(np.asarray(array, dtype=float).tolist() for array in arrays),
        *(crf.to_numpy(part).tolist() for part in legality(shape[1])[:3]),
        allowed.tolist(),
    )
    oracle.scores = {
        path: score
        for path, score in oracle.scores.items()
        if not set(spans_of_tags(np.array(path))) & set(known.rejected)
    }
    sequences = oracle.probabilities.items()
    return {tuple(spans_of_tags(np.array(path))): p for path, p in sequences}


@settings(max_examples=150, deadline=None)
@given(problems())
def test_what_is_found_is_that_of_enumeration(problem):
    potentials, mask, known = problem
    expected = enumerated(potentials, mask, known)
    found = conditioned(Distribution(potentials, [mask]), 0, known)
    (decoded,) = decode(found.distribution, found.settings(WANTED))
    prediction = found.in_own_labels(decoded)
    assert expected[tuple(entity.span for entity in prediction.entities)] == pytest.approx(
        max(expected.values()), abs=1e-6
    )
    of_spans = {}
    for spans, p in expected.items():
        for span in spans:
            of_spans[span] = of_spans.get(span, 0.0) + p
    candidates = {entity.span: entity.probability for entity in prediction.candidates}
    assert len(candidates) == len(prediction.candidates)
    assert candidates == pytest.approx(
        {span: p for span, p in of_spans.items() if p >= 1e-6}, abs=1e-6
    )
    assert all(candidates[span] == pytest.approx(1.0) for span in known.fixed)
    best = k_best_sequences(found.distribution, 3)
    assert [p for _, p in best] == pytest.approx(
        sorted(expected.values(), reverse=True)[:3], abs=1e-6
    )
    for spans, p in best:
        assert expected[tuple(map(found.in_own_label, spans))] == pytest.approx(p, abs=1e-6)


def test_as_few_sets_of_tags_as_can_be():
    """A label needs two sets only where entities of both first tokens can be at one token."""
    potentials = potentials_of(6, 1)
    rejected = [(0, 2, 0), (0, 3, 0), (3, 5, 0)]
    mask = np.ones((6, 5), dtype=bool)
    distribution = Distribution(potentials, [mask])
    assert conditioned(distribution, 0, Corrections((), rejected)).labels == [0, 0, 0]
    mask[3, 2:4] = False  # no entity goes on at this token, as at the start of a sentence
    assert conditioned(distribution, 0, Corrections((), rejected)).labels == [0, 0]
    assert conditioned(distribution, 0, Corrections((), [(1, 2, 0)])).labels == [0]
    assert conditioned(distribution, 0, Corrections([(0, 6, 0)], rejected)).labels == [0]


@pytest.mark.parametrize(
    "known, preset, span, reason",
    [
        (Corrections([(0, 2, 0), (1, 3, 0)]), None, (1, 3, 0), "overlaps another"),
        (Corrections([(0, 2, 0)], [(0, 2, 0)]), None, (0, 2, 0), "an entity already, and rejected"),
        (Corrections([(2, 3, 1)], [(2, 3, 1)]), None, (2, 3, 1), "an entity already, and rejected"),
        (Corrections([(0, 2, 0)]), (1, 3, 0), (0, 2, 0), "overlaps an entity that the doc has"),
        (Corrections([(0, 2, 0)], (), [(1, 3)]), None, (1, 3), "there is an entity already"),
        (Corrections((), (), [(0, 2)]), (1, 3, 0), (0, 2), "there is an entity already"),
        (Corrections((), [(1, 3, 0)]), (1, 3, 0), (1, 3, 0), "an entity already, and rejected"),
    ],
)
def test_contradictions(known, preset, span, reason):
    potentials = potentials_of(4, 2)
    mask = np.ones((4, count_tags(2)), dtype=bool)
    if preset is not None:
        force_span(mask, preset)
    with pytest.raises(ContradictionError, match=reason) as raised:
        conditioned(Distribution(potentials, [mask]), 0, known)
    assert (raised.value.start, raised.value.end) == span[:2]


def test_what_the_doc_has_and_what_is_said_may_agree():
    potentials = potentials_of(4, 1)
    mask = np.ones((4, 5), dtype=bool)
    force_span(mask, (1, 3, 0))
    known = Corrections([(1, 3, 0), (1, 3, 0)], [(0, 2, 0), (1, 2, 0), (1, 4, 0)])
    found = conditioned(Distribution(potentials, [mask]), 0, known)
    assert found.labels == [0]
    (decoded,) = decode(found.distribution, found.settings(WANTED))
    assert math.isclose({e.span: e.probability for e in decoded.entities}[1, 3, 0], 1.0)


def test_many_rejected_spans():
    """All spans of a label that begin at ten tokens, in a doc of fifty."""
    potentials = potentials_of(50, 2)
    rejected = [(start, end, 0) for start in range(10) for end in range(start + 1, 51)]
    found = conditioned(Distribution(potentials, [None]), 0, Corrections((), rejected))
    (decoded,) = decode(found.distribution, found.settings(WANTED))
    prediction = found.in_own_labels(decoded)
    assert not {entity.span for entity in prediction.candidates} & set(rejected)
    assert any(entity.start < 10 for entity in prediction.candidates)

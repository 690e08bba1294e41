"""The list Viterbi algorithm against enumeration of all tag sequences."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bilstm_crf import crf
from tests.crf.problems import Problem


@settings(max_examples=60, deadline=None)
@given(
    st.builds(
        Problem,
        seed=st.integers(0, 2**32 - 1),
        lengths=st.lists(st.integers(1, 5), min_size=1, max_size=1),
        n_tags=st.integers(1, 4),
        dtype=st.just(np.float32),
        scale=st.sampled_from([1.0, 300.0]),
    ),
    st.sampled_from([1, 3, 50]),
)
def test_k_best_are_those_of_enumeration(problem, k):
    tags, scores = crf.k_best(problem.chain, k)
    oracle = problem.oracle(0)
    paths = [tuple(path) for path in tags.tolist()]
    assert len(set(paths)) == len(paths) == min(k, len(oracle.scores))
    for path, score in zip(paths, scores.tolist()):
        assert score == pytest.approx(oracle.scores[path], abs=1e-8)
    best = sorted(oracle.scores.values(), reverse=True)[: len(paths)]
    assert scores.tolist() == pytest.approx(best, abs=1e-8)


def test_the_probabilities_of_all_taggings_sum_to_one():
    problem = Problem(0, [4], 3)
    _, scores = crf.k_best(problem.chain, 3**4)
    posterior = crf.forward_backward(problem.chain)
    assert math.fsum(
        np.exp(np.asarray(scores - posterior.log_partition)).tolist()
    ) == pytest.approx(1.0)

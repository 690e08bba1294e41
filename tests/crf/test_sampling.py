"""Samples of tag sequences against enumeration."""

import numpy as np
import pytest

from spacy_bilstm_crf import crf
from tests.crf.problems import Problem
from tests.oracle import check_frequencies

N_SAMPLES = 4000


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_samples_have_the_frequencies_of_enumeration(seed, scale):
    problem = Problem(seed, [4, 1, 3], 3, scale=scale)
    random = [np.random.default_rng(seed)] * 3
    drawn = crf.sample(problem.posterior(), N_SAMPLES, random)
    for row, samples in enumerate(drawn):
        oracle = problem.oracle(row)
        assert samples.shape == (N_SAMPLES, int(problem.lengths[row]))
        check_frequencies(map(tuple, samples.tolist()), oracle.probabilities)


def test_sequences_that_need_log_space():
    problem = Problem(0, [4, 4], 3, scale=2000.0)
    posterior = problem.posterior()
    best = np.asarray(crf.viterbi(problem.chain).tolist())
    for row, samples in enumerate(crf.sample(posterior, 5, [np.random.default_rng(0)] * 2)):
        assert samples.tolist() == [best[row].tolist()] * 5


def test_a_seed_gives_the_same_samples():
    posterior = Problem(1, [5, 3], 4).posterior()
    first, again = (crf.sample(posterior, 7, [np.random.default_rng(3)] * 2) for _ in range(2))
    assert all((one == other).all() for one, other in zip(first, again))


def test_the_samples_of_a_sequence_do_not_depend_on_the_others():
    problem = Problem(2, [5, 3, 1], 4)
    together = crf.sample(problem.posterior(), 50, [np.random.default_rng(i) for i in range(3)])
    for row, length in enumerate([5, 3, 1]):
        alone = crf.forward_backward(problem.chain.sequence(row, length))
        (drawn,) = crf.sample(alone, 50, [np.random.default_rng(row)])
        assert (drawn == together[row]).all()
    assert len({tuple(map(int, tags)) for tags in together[0]}) > 3

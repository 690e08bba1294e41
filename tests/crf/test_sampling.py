"""Samples of tag sequences against enumeration."""

import math
from collections import Counter

import numpy as np
import pytest

from spacy_bilstm_crf import crf
from tests.crf.problems import Problem

N_SAMPLES = 4000
# Of a chi-square variable with d degrees of freedom, above which it is once in 100,000 cases:
# Wilson and Hilferty (1931)
RARE = 4.265


def chi_square_limit(degrees):
    spread = 2 / (9 * degrees)
    return degrees * (1 - spread + RARE * math.sqrt(spread)) ** 3


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_samples_have_the_frequencies_of_enumeration(seed, scale):
    problem = Problem(seed, [4, 1, 3], 3, scale=scale)
    drawn = crf.sample(problem.posterior(), N_SAMPLES, np.random.default_rng(seed))
    for row, samples in enumerate(drawn):
        oracle = problem.oracle(row)
        expected = {
            path: N_SAMPLES * math.exp(score - oracle.log_partition)
            for path, score in oracle.scores.items()
        }
        counts = Counter(map(tuple, samples.tolist()))
        assert samples.shape == (N_SAMPLES, int(problem.lengths[row]))
        assert counts.keys() <= expected.keys()  # none is illegal or not allowed
        common = {path: n for path, n in expected.items() if n >= 5}
        rest = N_SAMPLES - sum(common.values())
        cells = [(counts[path], n) for path, n in common.items()]
        if rest >= 5:
            cells.append((N_SAMPLES - sum(counts[path] for path in common), rest))
        statistic = sum((seen - n) ** 2 / n for seen, n in cells)
        assert statistic <= chi_square_limit(max(len(cells) - 1, 1))


def test_sequences_that_need_log_space():
    problem = Problem(0, [4, 4], 3, scale=2000.0)
    posterior = problem.posterior()
    best = np.asarray(crf.viterbi(problem.chain).tolist())
    for row, samples in enumerate(crf.sample(posterior, 5, np.random.default_rng(0))):
        assert samples.tolist() == [best[row].tolist()] * 5


def test_a_seed_gives_the_same_samples():
    posterior = Problem(1, [5, 3], 4).posterior()
    first, again = (crf.sample(posterior, 7, np.random.default_rng(3)) for _ in range(2))
    assert all((one == other).all() for one, other in zip(first, again))

"""Tags in blocks against the same transitions as a table."""

import numpy as np
import pytest

from spacy_bilstm_crf import crf
from spacy_bilstm_crf.crf import transitions
from spacy_bilstm_crf.crf.log_space import log_space_forward_backward
from tests.arrays import array, ones
from tests.crf.problems import Batch, Problem

LENGTHS = [5, 1, 9]


def both(chain):
    """A chain with its legal transitions in blocks, and as a table."""
    assert chain.legal.blocks is not None
    return chain, chain._replace(legal=chain.legal._replace(blocks=None))


def assert_close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12)


@pytest.fixture(params=[1 << 20, 1])
def size_of_tables(monkeypatch, request):
    """Tables that hold all rows, and such that hold no more than one."""
    monkeypatch.setattr(transitions, "TABLE", request.param)


@pytest.mark.parametrize("scale", [1.0, 10.0, 300.0])  # the last in log space
@pytest.mark.usefixtures("size_of_tables")
def test_blocks_change_no_number(scale):
    chain, as_table = both(Batch(0, LENGTHS, n_labels=50, scale=scale).chain)
    ours, theirs = crf.forward_backward(chain), crf.forward_backward(as_table)
    assert len(ours._log_space_rows) == len(theirs._log_space_rows)
    assert (len(ours._log_space_rows) > 0) == (scale == 300.0)
    assert_close(ours.log_partition, theirs.log_partition)
    assert_close(ours.marginals, theirs.marginals)
    weights = array(np.random.default_rng(0).random(len(LENGTHS)))
    assert_close(ours.expected_transitions(weights), theirs.expected_transitions(weights))
    assert_close(crf.entropy(chain), crf.entropy(as_table))
    best, of_table = crf.viterbi(chain), crf.viterbi(as_table)
    for row, length in enumerate(LENGTHS):
        assert best[row, :length].tolist() == of_table[row, :length].tolist()
        one = chain.sequence(row, length), as_table.sequence(row, length)
        sequences, of_tables = (crf.k_best(single, 7) for single in one)
        assert sequences[0].tolist() == of_tables[0].tolist()
        assert_close(sequences[1], of_tables[1])


@pytest.mark.parametrize("cached", [1 << 16, 1])  # all pairs of a step at once, and one tag's
def test_many_sequences_have_the_paths_of_each_alone(monkeypatch, cached):
    monkeypatch.setattr(transitions, "CACHED", cached)
    lengths = list(range(1, 41))
    together = Batch(0, lengths, n_labels=3, scale=3.0).chain
    paths = crf.viterbi(together)
    for row, length in enumerate(lengths):
        alone = crf.viterbi(together.sequence(row, length))
        assert paths[row, :length].tolist() == alone[0].tolist()


def test_blocks_change_no_probability_of_a_next_tag():
    chain, as_table = both(Problem(3, LENGTHS, 12, in_blocks=True).chain)
    for posterior, legal in (
        (crf.forward_backward(part), as_table.legal.transitions) for part in (chain, as_table)
    ):
        for row, length in enumerate(LENGTHS):
            for t in range(length - 1):
                for tag in np.flatnonzero(np.asarray(posterior.marginals[row, t]) > 0).tolist():
                    after = array(np.arange(12))
                    query = (0 * after + row, 0 * after + t, 0 * after + tag, after)
                    p = np.exp(np.asarray(posterior.log_next(*query)))
                    assert_close(p.sum(), 1.0)
                    assert not p[~np.asarray(legal[tag])].any()


def test_expected_scores_are_those_of_expected_transitions():
    for scale in (1.0, 300.0):
        problem = Problem(0, LENGTHS, 6, scale=scale, in_blocks=True)
        posterior = problem.posterior()
        scores = problem.scores.transitions
        for row, found in enumerate(posterior.expected_scores(scores)):
            one = array(np.arange(len(LENGTHS)) == row, np.float64)
            pairs = posterior.expected_transitions(one)
            assert_close(found, (pairs * scores).sum())


def test_pairs_of_log_space_are_those_of_messages():
    problem = Problem(0, LENGTHS, 8, in_blocks=True)
    of_messages, in_log_space = problem.posterior(), log_space_forward_backward(problem.chain)
    pairs = sum(numbers.weighted(ones(len(rows))).table() for rows, numbers in in_log_space.pairs())
    assert_close(of_messages.expected_transitions(ones(3)), pairs)

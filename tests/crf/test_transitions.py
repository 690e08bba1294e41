"""Tags in blocks against the same transitions as a table."""

import numpy as np
import pytest
import torch

from spacy_bilstm_crf import crf
from spacy_bilstm_crf.crf import transitions
from spacy_bilstm_crf.crf.log_space import log_space_forward_backward
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
    weights = torch.rand(len(LENGTHS), dtype=torch.float64)
    assert_close(ours.expected_transitions(weights), theirs.expected_transitions(weights))
    assert_close(crf.entropy(chain), crf.entropy(as_table))
    best, of_table = crf.viterbi(chain), crf.viterbi(as_table)
    for row, length in enumerate(LENGTHS):
        assert best[row, :length].equal(of_table[row, :length])
        one = chain.sequence(row, length), as_table.sequence(row, length)
        sequences, of_tables = (crf.k_best(single, 7) for single in one)
        assert sequences[0].equal(of_tables[0])
        assert_close(sequences[1], of_tables[1])


def test_blocks_change_no_probability_of_a_next_tag():
    chain, as_table = both(Problem(3, LENGTHS, 12, in_blocks=True).chain)
    for posterior, legal in (
        (crf.forward_backward(part), as_table.legal.transitions) for part in (chain, as_table)
    ):
        for row, length in enumerate(LENGTHS):
            for t in range(length - 1):
                for tag in (posterior.marginals[row, t] > 0).nonzero()[:, 0].tolist():
                    after = torch.arange(12)
                    same = torch.full_like(after, tag)
                    rows, steps = torch.full_like(after, row), torch.full_like(after, t)
                    log_p = posterior.log_next(rows, steps, same, after)
                    assert_close(log_p.exp().sum(), 1.0)
                    assert not log_p.exp()[~legal[tag]].any()


def test_expected_scores_are_those_of_expected_transitions():
    for scale in (1.0, 300.0):
        problem = Problem(0, LENGTHS, 6, scale=scale, in_blocks=True)
        posterior = problem.posterior()
        scores = problem.scores.transitions
        for row, found in enumerate(posterior.expected_scores(scores)):
            one = torch.zeros(len(LENGTHS), dtype=torch.float64)
            one[row] = 1.0
            pairs = posterior.expected_transitions(one)
            assert_close(found, (pairs * scores).sum())


def test_pairs_of_log_space_are_those_of_messages():
    problem = Problem(0, LENGTHS, 8, in_blocks=True)
    of_messages, in_log_space = problem.posterior(), log_space_forward_backward(problem.chain)
    pairs = sum(
        numbers.weighted(torch.ones(len(rows)).double()).table()
        for rows, numbers in in_log_space.pairs()
    )
    assert_close(of_messages.expected_transitions(torch.ones(3).double()), pairs)

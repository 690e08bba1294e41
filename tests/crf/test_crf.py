"""Every quantity of the CRF against enumeration of all tag sequences."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bilstm_crf import crf
from spacy_bilstm_crf.crf.arrays import float64
from spacy_bilstm_crf.crf.log_space import log_space_forward_backward
from spacy_bilstm_crf.crf.messages import MOST_STEPS, SCALE_EVERY
from tests.arrays import array, ones
from tests.crf.problems import Problem


def assert_close(actual, expected, dtype=np.float64):
    tolerance = 1e-10 if dtype == np.float64 else 1e-5
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), tolerance, tolerance)


def problems_of(longest, n_tags):
    return st.builds(
        Problem,
        seed=st.integers(0, 2**32 - 1),
        lengths=st.lists(st.integers(1, longest), min_size=1, max_size=4),
        n_tags=st.integers(1, n_tags),
        dtype=st.sampled_from([np.float64, np.float32]),
        scale=st.sampled_from([0.0, 1.0, 5.0]),
        density=st.sampled_from([0.3, 0.7, 1.0]),
        in_blocks=st.booleans(),
    )


# Many tags, or so many steps that masses are scaled more than once
problems = problems_of(longest=4, n_tags=4) | problems_of(longest=SCALE_EVERY + 3, n_tags=2)


@settings(max_examples=60, deadline=None)
@given(problems)
def test_forward_backward_agrees_with_enumeration(problem):
    posterior = problem.posterior()
    dtype = problem.dtype
    for row, length in enumerate(problem.lengths.tolist()):
        oracle = problem.oracle(row)
        assert_close(posterior.log_partition[row], oracle.log_partition, dtype)
        assert_close(posterior.marginals[row, :length], oracle.marginals(), dtype)
        assert not posterior.marginals[row, length:].any()
        one = array(np.arange(len(problem.lengths)) == row, np.float64)
        assert_close(posterior.expected_transitions(one), oracle.expected_transitions(), dtype)


@settings(max_examples=60, deadline=None)
@given(problems)
def test_viterbi_finds_a_best_tagging(problem):
    paths = crf.viterbi(problem.chain)
    for row, length in enumerate(problem.lengths.tolist()):
        oracle = problem.oracle(row)
        path = tuple(paths[row, :length].tolist())
        assert path in oracle.scores  # legal and allowed
        assert_close(oracle.scores[path], oracle.best_score, np.float32)


def test_viterbi_gives_a_tie_of_all_to_the_first_tag():
    problem = Problem(0, [5, 2], 3, scale=0.0, density=1.0)
    paths = crf.viterbi(problem.chain)
    assert paths[0].tolist() == [0] * 5
    assert paths[1, :2].tolist() == [0, 0]


@settings(max_examples=60, deadline=None)
@given(problems)
def test_loss_and_gradient_agree_with_enumeration(problem):
    loss, gradient = problem.nll()
    dtype = problem.dtype
    counts = {"transitions": 0.0, "start": 0.0, "end": 0.0}
    for row, length in enumerate(problem.lengths.tolist()):
        oracle, gold = problem.oracle(row), problem.oracle(row, problem.gold[row])
        assert_close(loss[row], oracle.log_partition - gold.log_partition, dtype)
        difference = np.array(oracle.marginals()) - np.array(gold.marginals())
        assert_close(gradient.emissions[row, :length], difference, dtype)
        assert not gradient.emissions[row, length:].any()
        counts["start"] += difference[0]
        counts["end"] += difference[-1]
        counts["transitions"] += np.array(oracle.expected_transitions()) - np.array(
            gold.expected_transitions()
        )
    for name, expected in counts.items():
        assert_close(getattr(gradient, name), expected, dtype)


@pytest.mark.parametrize("kind", ["gold", "partial", "mixed", "nothing"])
def test_loss_passes_gradcheck(kind):
    problem = Problem(3, [4, 1, 6], 4)
    if kind == "nothing":
        problem.gold[:] = True
    elif kind != "partial":
        single = (problem.gold.cumsum(-1) == 1) & problem.gold
        # Single tags may be illegal one after another: make all legal
        for part in problem.legal[:3]:
            part[:] = True
        problem.allowed |= single
        rows = slice(None) if kind == "gold" else slice(0, 2)
        problem.gold[rows] = single[rows]

    class Loss(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *scores):
            given = crf.Scores(*(array(part.detach()) for part in scores))
            loss, gradient = crf.negative_log_likelihood(
                problem.chain._replace(scores=given), problem.gold
            )
            ctx.save_for_backward(*(torch.tensor(np.asarray(part)) for part in gradient))
            return torch.tensor(float(loss.sum()), dtype=torch.float64)

        @staticmethod
        def backward(ctx, d_loss):
            return tuple(d_loss * part for part in ctx.saved_tensors)

    scores = [torch.tensor(np.asarray(part)).requires_grad_() for part in problem.scores]
    assert torch.autograd.gradcheck(Loss.apply, scores)


@settings(max_examples=60, deadline=None)
@given(problems, st.booleans())
def test_entropy_agrees_with_enumeration(problem, extreme):
    if extreme:  # beyond the range of float64 without logarithms
        problem.scores = crf.Scores(*(part * 500 for part in problem.scores))
    found = crf.entropy(problem.chain)
    for row in range(len(problem.lengths)):
        assert float(found[row]) == pytest.approx(problem.oracle(row).entropy(), abs=1e-5)


@settings(max_examples=40, deadline=None)
@given(problems, st.integers(0, 2**32 - 1))
def test_expected_counts_of_some_tags(problem, seed):
    n_tags = len(problem.scores.start)
    counted = np.random.default_rng(seed).random(n_tags) < 0.5
    found, gradient = crf.expected_count(problem.chain, array(counted))
    shared = {"transitions": 0.0, "start": 0.0, "end": 0.0}
    for row, length in enumerate(problem.lengths.tolist()):
        oracle = problem.oracle(row)
        number = {path: sum(counted[tag] for tag in path) for path in oracle.scores}
        mean = math.fsum(p * number[path] for path, p in oracle.probabilities.items())
        assert float(found[row]) == pytest.approx(mean, abs=1e-5)
        # The gradient is the covariance of the number with how often each score is used
        emissions = np.zeros((length, n_tags))
        pairs = np.zeros((n_tags, n_tags))
        for path, p in oracle.probabilities.items():
            emissions[range(length), path] += p * (number[path] - mean)
            np.add.at(pairs, (path[:-1], path[1:]), p * (number[path] - mean))
        np.testing.assert_allclose(gradient.emissions[row, :length], emissions, atol=1e-5)
        assert not gradient.emissions[row, length:].any()
        shared["transitions"] += pairs
        shared["start"] += emissions[0]
        shared["end"] += emissions[-1]
    for name, expected in shared.items():
        np.testing.assert_allclose(getattr(gradient, name), expected, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(problems, st.integers(0, 2**32 - 1))
def test_sets_known_to_be_wrong(problem, seed):
    rng = np.random.default_rng(seed)
    dtype = problem.dtype
    rows = array(rng.integers(0, len(problem.lengths), 2))
    wrong = problem.gold[rows]  # has at least one tag sequence
    loss, gradient = problem.nll(wrong_rows=rows, wrong=wrong)
    base, base_gradient = problem.nll()
    expected = np.asarray(base).copy()
    d_emissions = np.asarray(base_gradient.emissions).copy()
    for row, mask in zip(rows.tolist(), wrong):
        oracle, inside = problem.oracle(row), problem.oracle(row, mask)
        n = int(problem.lengths[row])
        p = oracle.probability(lambda path, scores=inside.scores: path in scores)
        if p > 0.999:
            return  # the complement has too few digits to compare
        expected[row] -= math.log1p(-p)
        counts = np.array(inside.marginals()) - np.array(oracle.marginals())
        d_emissions[row, :n] += p / (1 - p) * counts
    assert_close(loss, expected, dtype)
    assert_close(gradient.emissions, d_emissions, np.float32)


def test_a_certain_wrong_set_has_a_finite_loss_and_gradient():
    problem = Problem(0, [3], 2, density=1.0)
    problem.gold[:] = True
    loss, gradient = problem.nll(wrong_rows=array([0]), wrong=problem.gold)
    assert np.isfinite(np.asarray(loss)).all()
    assert np.isfinite(np.asarray(gradient.emissions)).all()


@settings(max_examples=40, deadline=None)
@given(problems, st.integers(0, 2**32 - 1))
def test_divergence_agrees_with_enumeration(problem, seed):
    dtype = problem.dtype
    sizes = (problem.lengths.tolist(), problem.scores.start.shape[0])
    teacher = Problem(seed, *sizes, dtype=dtype).scores
    loss, gradient = crf.divergence(problem.chain, teacher)
    oracles = [(problem.oracle(i), problem.oracle(i, scores=teacher)) for i in range(len(loss))]
    total = sum(ours.divergence_from(theirs) for ours, theirs in oracles)
    assert_close(loss.sum(), total, dtype)
    for row, (ours, theirs) in enumerate(oracles):
        expected = np.array(ours.marginals()) - np.array(theirs.marginals())
        assert_close(gradient.emissions[row, : len(expected)], expected, dtype)
    expected = sum(
        np.array(a.expected_transitions()) - np.array(b.expected_transitions()) for a, b in oracles
    )
    assert_close(gradient.transitions, expected, dtype)


def test_divergence_from_itself_is_zero():
    problem = Problem(5, [4, 2], 3)
    loss, gradient = crf.divergence(problem.chain, problem.scores)
    assert_close(loss, [0.0, 0.0])
    assert_close(gradient.transitions, np.zeros((3, 3)))


@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0, 10.0])
def test_scaling_now_and_then_loses_nothing(scale):
    problem = Problem(3, [2 * MOST_STEPS + 3, MOST_STEPS, 1], 5, scale=scale)
    expected = log_space_forward_backward(problem.chain)
    posterior = problem.posterior()
    assert not len(posterior._log_space_rows)
    assert_close(posterior.log_partition, expected.log_partition)
    assert_close(posterior.marginals, expected.marginals)
    for row, pairs in enumerate(pairs_of_each(expected)):
        one = array(np.arange(3) == row, np.float64)
        assert_close(posterior.expected_transitions(one), pairs)


def pairs_of_each(posterior):
    """Expected transitions of each sequence, from what was worked out in log space."""
    return [
        pairs.weighted(one).table()
        for rows, pairs in posterior.pairs()
        for one in array(np.eye(len(rows)))
    ]


def test_sequence_score():
    problem = Problem(1, [3, 1], 3, density=1.0)
    tags = array([[2, 0, 1], [1, 99, 99]])
    scores = crf.sequence_score(problem.scores, tags, problem.lengths)
    assert_close(scores[0], problem.oracle(0).scores[(2, 0, 1)])
    assert_close(scores[1], problem.oracle(1).scores[(1,)])


@settings(max_examples=40, deadline=None)
@given(problems)
def test_a_sequence_does_not_depend_on_the_rest_of_the_batch(problem):
    together = problem.posterior()
    paths = crf.viterbi(problem.chain)
    for row, n in enumerate(problem.lengths.tolist()):
        scores = problem.scores._replace(emissions=problem.scores.emissions[row : row + 1, :n])
        allowed = problem.allowed[row : row + 1, :n]
        chain = crf.LinearChain(scores, problem.lengths[row : row + 1], problem.legal, allowed)
        alone = crf.forward_backward(chain)
        assert_close(alone.log_partition[0], together.log_partition[row])
        assert_close(alone.marginals[0], together.marginals[row, :n])
        assert crf.viterbi(chain)[0].tolist() == paths[row, :n].tolist()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(1, 5), min_size=1, max_size=3),
    st.sampled_from([200.0, 2000.0]),
)
def test_extreme_scores_under_masks(seed, lengths, scale):
    problem = Problem(seed, lengths, 3, dtype=np.float32, scale=scale, density=0.4)
    posterior = problem.posterior()
    loss, gradient = problem.nll()
    for row, length in enumerate(lengths):
        oracle, gold = problem.oracle(row), problem.oracle(row, problem.gold[row])
        assert_close(posterior.log_partition[row], oracle.log_partition)
        np.testing.assert_allclose(
            posterior.marginals[row, :length], oracle.marginals(), rtol=1e-8, atol=1e-10
        )
        np.testing.assert_allclose(
            loss[row], oracle.log_partition - gold.log_partition, rtol=1e-8, atol=1e-8
        )
    assert all(np.isfinite(np.asarray(part)).all() for part in gradient)


def _two_tags_apart(emissions):
    """A sequence with two tags that can't follow each other."""
    emissions = array(emissions, np.float32)
    scores = crf.Scores(emissions, *(array(np.zeros(n, np.float32)) for n in ((2, 2), 2, 2)))
    legal = crf.Legality(array(np.eye(2, dtype=bool)), ones(2) == 1, ones(2) == 1)
    return crf.LinearChain(scores, array([emissions.shape[1]]), legal)


def test_states_below_the_range_of_floats_are_not_lost():
    # Tag 0 is 900 nats ahead at first and 1800 behind later; the two can't follow each other,
    # so scaled probabilities alone would lose tag 1 and keep the wrong path
    chain = _two_tags_apart([[[0.0, -900.0], [0.0, 1800.0]]])
    posterior = crf.forward_backward(chain._replace(allowed=ones(1, 2, 2) == 1))
    assert_close(posterior.log_partition, [900.0])
    assert_close(posterior.marginals[0], [[0.0, 1.0], [0.0, 1.0]])
    assert_close(posterior.expected_transitions(ones(1)), [[0.0, 0.0], [0.0, 1.0]])
    assert len(posterior._log_space_rows) == 1


def test_a_state_that_fades_away_step_by_step_is_not_lost():
    # The second tag falls far behind from both ends, but the first loses more in the middle
    fading = [[0.0, -5.0]] * 170
    posterior = crf.forward_backward(_two_tags_apart([[*fading, *[[-20.0, 0.0]] * 100, *fading]]))
    assert_close(posterior.log_partition, [340 * -5.0])
    assert_close(posterior.marginals[0, :, 1], np.ones(440))
    assert_close(posterior.expected_transitions(ones(1)), [[0.0, 0.0], [0.0, 439.0]])


@pytest.mark.parametrize("scale", [1.0, 40.0])  # with scalings far apart, and at every step
def test_no_mask_is_a_mask_that_allows_all(scale):
    problem = Problem(0, [40, 35, 12], 5, scale=scale)
    everything = problem.allowed | ~problem.allowed
    chains = [problem.chain._replace(allowed=mask) for mask in (None, everything)]
    without, masked = (crf.forward_backward(chain) for chain in chains)
    assert_close(without.log_partition, masked.log_partition)
    assert_close(without.marginals, masked.marginals)
    paths = [crf.viterbi(chain) for chain in chains]
    for row, length in enumerate(problem.lengths):
        assert paths[0][row, :length].tolist() == paths[1][row, :length].tolist()
    losses = [crf.negative_log_likelihood(chain, problem.gold) for chain in chains]
    assert_close(losses[0][0], losses[1][0])
    for part, of_masked in zip(losses[0][1], losses[1][1]):
        assert_close(part, of_masked)


def test_ordinary_scores_do_not_need_log_space():
    problem = Problem(0, [40, 35, 12], 17, dtype=np.float32, scale=10.0)
    assert len(problem.posterior()._log_space_rows) == 0


def test_long_sequences_keep_their_precision():
    problem = Problem(0, [3000, 2999], 5, dtype=np.float32, scale=3.0)
    posterior = problem.posterior()
    expected = log_space_forward_backward(
        problem.chain._replace(scores=crf.Scores(*map(float64, problem.scores)))
    )
    np.testing.assert_allclose(posterior.log_partition, expected.log_partition, rtol=1e-12)
    np.testing.assert_allclose(posterior.marginals, expected.marginals, atol=1e-9)
    pairs = sum(pairs_of_each(expected))
    np.testing.assert_allclose(posterior.expected_transitions(ones(2)), pairs, atol=1e-6)
    double = crf.Scores(*map(float64, problem.scores))
    scores = [
        crf.sequence_score(
            double, crf.viterbi(problem.chain._replace(scores=version)), problem.lengths
        )
        for version in (problem.scores, double)
    ]
    # Rounding may settle a near tie otherwise, but not lose score over thousands of steps
    np.testing.assert_allclose(*scores, rtol=1e-8)


def test_no_legal_tagging_is_an_error():
    problem = Problem(0, [3], 2, density=1.0)
    problem.allowed[0, 1] = False
    with pytest.raises(ValueError, match="no legal tag sequence"):
        problem.posterior()


@pytest.mark.parametrize("part", ["transitions", "start", "end"])
def test_wrong_shapes_are_named(part):
    problem = Problem(0, [3], 2)
    problem.scores = problem.scores._replace(**{part: ones(5, 5)})
    with pytest.raises(ValueError, match=rf"{part} have the shape \(5, 5\)"):
        problem.posterior()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_everything_stays_there_and_agrees():
    problem = Problem(0, [7, 3], 5)
    here = problem.nll()
    paths = crf.viterbi(problem.chain)
    for name in ("lengths", "allowed", "gold"):
        setattr(problem, name, _on_gpu(getattr(problem, name)))
    problem.scores = crf.Scores(*map(_on_gpu, problem.scores))
    problem.legal = crf.Legality(*map(_on_gpu, problem.legal[:3]))
    there = problem.nll()
    assert there[0].is_cuda
    assert_close(there[0].cpu(), here[0])
    assert_close(there[1].emissions.cpu(), here[1].emissions)
    moved = crf.viterbi(problem.chain).cpu()
    assert moved[0].tolist() == paths[0].tolist()


def _on_gpu(part):
    return torch.tensor(np.asarray(part)).cuda()


def test_what_is_kept_of_scores_serves_no_others():
    """Factors of transitions are kept from call to call: not beyond a change, even in place."""
    problem = Problem(0, [4, 2], 3)
    other = Problem(1, [4, 2], 3)
    for scores, legal in ((problem.scores, problem.legal), (problem.scores, other.legal)):
        for name in ("transitions", "start", "end"):
            chain = crf.LinearChain(scores, problem.lengths, legal, None)
            before = crf.forward_backward(chain).log_partition
            assert (crf.forward_backward(chain).log_partition == before).all()
            getattr(scores, name)[...] += 1.0
            after = crf.forward_backward(chain).log_partition
            longer = problem.lengths - 1 if name == "transitions" else ones(2)
            assert_close(after, before + longer)

"""Forward-backward in segments against forward-backward of the whole."""

import numpy as np
import pytest

from spacy_bilstm_crf import crf
from spacy_bilstm_crf.crf import long_sequences
from tests.arrays import array
from tests.crf.problems import Batch


@pytest.fixture(autouse=True)
def short_segments(monkeypatch):
    monkeypatch.setattr(long_sequences, "SHORTEST_SEGMENT", 16)
    monkeypatch.setattr(long_sequences, "SCORES_OF_SEGMENT", 0)


def problem(n_steps, scale, seed=0):
    return Batch(seed, [n_steps], 2, scale).chain


def assert_close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-7, atol=1e-7)


def assert_same(chain, overlap, n_expected):
    legal, n_steps = chain.legal, int(chain.lengths[0])
    whole = crf.forward_backward(chain)
    answered = []
    for parts, posterior in long_sequences.posteriors(chain, overlap):
        assert len(parts) <= long_sequences.SEGMENTS_AT_ONCE
        for row, part in enumerate(parts):
            assert part.end >= min(part.next_start + overlap, n_steps)
            answered.append((part.start, part.next_start))
            inside = posterior.marginals[row, : part.end - part.start]
            assert_close(inside, whole.marginals[0, part.start : part.end])
            pairs = array(_possible_pairs(whole, legal, part), np.int64)
            steps, tags, after = pairs.reshape(-1, 3).T
            found = posterior.log_next(0 * steps + row, steps, tags, after)
            expected = whole.log_next(0 * steps, steps + part.start, tags, after)
            assert_close(*(np.exp(np.asarray(each)) for each in (found, expected)))
    starts, ends = zip(*answered)
    assert len(answered) == n_expected
    assert starts == (0, *ends[:-1])
    assert ends[-1] == n_steps


def _possible_pairs(whole, legal, part):
    """Steps of a segment, with tags that have a probability there and what may follow."""
    pairs = []
    for step in range(part.end - part.start - 1):
        marginals = np.asarray(whole.marginals[0, part.start + step])
        for tag in np.flatnonzero(marginals > 1e-12).tolist():
            after = np.flatnonzero(legal.transitions[tag]).tolist()
            pairs += [(step, tag, one) for one in after]
    return pairs


@pytest.mark.parametrize("n_steps", [1, 16, 17, 32, 33, 40, 300])
@pytest.mark.parametrize("overlap", [0, 5, 50])
def test_segments_say_what_the_whole_says(n_steps, overlap):
    assert_same(problem(n_steps, 2.0), overlap, n_expected=-(-n_steps // 16))


def test_one_long_span_makes_one_long_segment():
    """Not many: the time was quadratic in the length of the text."""
    chain, size, n_steps = problem(640, 2.0), 16, 640
    spans = [(3, 5), (40, 600), (610, 640)]
    found = [part for parts, _ in long_sequences.posteriors(chain, 1, spans) for part in parts]
    for start, end in spans:
        (own,) = [part for part in found if part.start <= start < part.next_start]
        assert own.end >= end
    assert sum(part.end - part.start for part in found) < n_steps + 600 + 2 * size * len(found)
    whole = crf.forward_backward(chain)
    for parts, posterior in long_sequences.posteriors(chain, 1, spans):
        for row, part in enumerate(parts):
            inside = posterior.marginals[row, : part.end - part.start]
            assert_close(inside, whole.marginals[0, part.start : part.end])


def test_without_masks():
    assert_same(problem(50, 2.0)._replace(allowed=None), 5, n_expected=4)


def test_scores_out_of_float64s_range_get_a_single_segment():
    assert_same(problem(50, 200.0), 5, n_expected=1)


def test_a_state_that_fades_away_gets_a_single_segment():
    chain = problem(2000, 0.0)
    scores = chain.scores
    # Tags of the second label lose 8 nats at each step, as the inside of an entity that
    # the last token then makes certain
    scores.emissions[..., 5:] -= 8.0
    scores.emissions[0, :, 6] += 1e-3
    allowed = scores.emissions == scores.emissions
    allowed[0, 1:-1, 5] = False
    assert_same(chain._replace(allowed=allowed), 5, n_expected=1)


def test_only_whole_numbers_of_steps_from_the_ends():
    for n_steps in range(1, 200):
        for overlap in (0, 7, 16, 40):
            for i in range((n_steps - 1) // 16 + 1):
                part = long_sequences._segment(i, n_steps, 16, overlap)
                assert (n_steps - part.end) % 16 == 0
                assert part.start < part.next_start <= part.end <= n_steps
                assert part.end < part.next_start + overlap + 16 or part.end == n_steps

"""Forward-backward in log space, for sequences that scaled probabilities can't represent."""

from collections.abc import Iterator
from typing import NamedTuple

from .arrays import Array, arange, float64, full, namespace_of, quietly
from .chain import LinearChain, Scores
from .transitions import Pairs, log_sum_exp


class LogSpacePosterior(NamedTuple):
    """The posterior of each sequence, computed in log space. All arrays are float64.

    Attributes:
        log_partition: log Z, [B].
        marginals: Probability of each tag, [B, T, K].
        left: Log-sum over all tag sequences up to and including a state, [B, T, K].
        right: Log-sum over all tag sequences from a state on, the state included, [B, T, K].
        after: Log-sum over all tag sequences after a state, [B, T, K].
        step: Transition scores.
        lengths: Length of each sequence, int64 [B].
    """

    log_partition: Array
    marginals: Array
    left: Array
    right: Array
    after: Array
    step: Pairs
    lengths: Array

    def pairs(self) -> Iterator[tuple[Array, Pairs]]:
        """Compute the expected number of times that each sequence takes each transition.

        Yields:
            Indices of some of the sequences, int64 [R], and their numbers, with the sequences as
            the first axis.
        """
        xp = namespace_of(self.lengths)
        rows = arange(len(self.lengths), like=self.lengths)
        for start in range(0, len(rows), self.step.rows_at_once):
            some = rows[start : start + self.step.rows_at_once]
            left = self.left[some] - self.log_partition[some, None, None]
            right = self.right[some]
            goes_on = self.lengths[some] - 1
            total = self.step.joint(left[:, 0], right[:, 0]).map(xp.zeros_like)
            for t in range(left.shape[1] - 1):
                known = xp.where(goes_on > t)[0]
                joint = self.step.joint(left[known, t], right[known, t + 1])
                total.add_rows(known, joint)
            yield some, total


@quietly
def log_space_forward_backward(chain: LinearChain) -> LogSpacePosterior:
    """Run forward-backward in log space: slower, and exact for any scores.

    Args:
        chain: The sequences.

    Returns:
        The posterior.

    Raises:
        ValueError: If a sequence has no legal tag sequence.
    """
    scores, lengths, legal, allowed = chain
    scores = Scores(*map(float64, scores))
    emissions = scores.emissions
    xp = namespace_of(emissions)
    if allowed is not None:
        emissions = xp.where(allowed, emissions, -xp.inf)
    step = Pairs.of(scores.transitions, legal, -xp.inf)
    way_back = step.reversed()
    end = xp.where(legal.end, scores.end, -xp.inf)
    n_steps = emissions.shape[1]
    left, after = (full(emissions.shape, -xp.inf, like=emissions) for _ in range(2))
    left[:, 0] = emissions[:, 0] + xp.where(legal.start, scores.start, -xp.inf)
    for t in range(1, n_steps):
        left[:, t] = emissions[:, t] + step.log_sums(left[:, t - 1])
    for t in range(n_steps - 1, -1, -1):
        if t < n_steps - 1:
            after[:, t] = way_back.log_sums(emissions[:, t + 1] + after[:, t + 1])
        after[:, t] = xp.where((lengths - 1 == t)[:, None], end, after[:, t])
    rows = arange(len(lengths), like=lengths)
    log_partition = log_sum_exp((left[rows, lengths - 1] + end).T)
    if xp.isinf(log_partition).any():
        raise ValueError("There is no legal tag sequence: the allowed tags contradict one another.")
    inside = arange(n_steps, like=lengths) < lengths[:, None]
    marginals = xp.exp(left + after - log_partition[:, None, None])
    marginals[~inside] = 0.0
    right = emissions + after
    return LogSpacePosterior(log_partition, marginals, left, right, after, step, lengths)

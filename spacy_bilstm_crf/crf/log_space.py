"""Forward-backward in log space, for sequences that scaled probabilities can't represent."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from .chain import LinearChain, Scores
from .transitions import Pairs


class LogSpacePosterior(NamedTuple):
    """The posterior of each sequence, computed in log space. All tensors are float64.

    Attributes:
        log_partition: log Z, [B].
        marginals: Probability of each tag, [B, T, K].
        left: Log-sum over all tag sequences up to and including a state, [B, T, K].
        right: Log-sum over all tag sequences from a state on, the state included, [B, T, K].
        after: Log-sum over all tag sequences after a state, [B, T, K].
        step: Transition scores.
        lengths: Length of each sequence, int64 [B].
    """

    log_partition: Tensor
    marginals: Tensor
    left: Tensor
    right: Tensor
    after: Tensor
    step: Pairs
    lengths: Tensor

    def pairs(self) -> Iterator[tuple[Tensor, Pairs]]:
        """Compute the expected number of times that each sequence takes each transition.

        Yields:
            Indices of some of the sequences, int64 [R], and their numbers, with the sequences as
            the first axis.
        """
        rows = torch.arange(len(self.lengths), device=self.lengths.device)
        for some in rows.split(self.step.rows_at_once):
            left = self.left[some] - self.log_partition[some, None, None]
            right = self.right[some]
            goes_on = self.lengths[some] - 1
            total = self.step.joint(left[:, 0], right[:, 0]).map(torch.zeros_like)
            for t in range(left.shape[1] - 1):
                known = (goes_on > t).nonzero()[:, 0]
                joint = self.step.joint(left[known, t], right[known, t + 1])
                total.add_rows(known, joint)
            yield some, total


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
    scores = Scores(*(each.double() for each in scores))
    emissions = scores.emissions
    if allowed is not None:
        emissions = emissions.masked_fill(~allowed, -torch.inf)
    step = Pairs.of(scores.transitions, legal, -torch.inf)
    way_back = step.reversed()
    end = scores.end.masked_fill(~legal.end, -torch.inf)
    n_steps = emissions.shape[1]
    left = torch.full_like(emissions, -torch.inf)
    after = torch.full_like(emissions, -torch.inf)
    left[:, 0] = emissions[:, 0] + scores.start.masked_fill(~legal.start, -torch.inf)
    for t in range(1, n_steps):
        left[:, t] = emissions[:, t] + step.log_sums(left[:, t - 1])
    for t in range(n_steps - 1, -1, -1):
        if t < n_steps - 1:
            after[:, t] = way_back.log_sums(emissions[:, t + 1] + after[:, t + 1])
        after[:, t] = torch.where((lengths - 1 == t)[:, None], end, after[:, t])
    rows = torch.arange(len(lengths), device=lengths.device)
    log_partition = torch.logsumexp(left[rows, lengths - 1] + end, -1)
    if torch.isinf(log_partition).any():
        raise ValueError("There is no legal tag sequence: the allowed tags contradict one another.")
    inside = torch.arange(n_steps, device=lengths.device) < lengths[:, None]
    marginals = (left + after - log_partition[:, None, None]).exp()
    marginals = marginals.masked_fill(~inside[..., None], 0.0)
    right = emissions + after
    return LogSpacePosterior(log_partition, marginals, left, right, after, step, lengths)

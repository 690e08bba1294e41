"""The forward-backward recursions in log space, for sequences that need it."""

from typing import NamedTuple

import torch
from torch import Tensor

from .chain import LinearChain, Scores


class LogSpacePosterior(NamedTuple):
    """What forward-backward in log space knows about each sequence."""

    log_partition: Tensor  # [B]
    marginals: Tensor  # [B, T, K]
    pairs: Tensor  # [B, K, K]: expected transitions of each sequence
    right: Tensor  # [B, T, K]: log-score of a state with all that can follow it


def log_space_forward_backward(chain: LinearChain) -> LogSpacePosterior:
    """Forward-backward without scaling, in log space: slower, exact for any scores.

    Args:
        chain: The sequences.

    Raises:
        ValueError: If a sequence has no legal tag sequence.
    """
    scores, lengths, legal, allowed = chain
    scores = Scores(*(part.double() for part in scores))
    emissions = scores.emissions
    if allowed is not None:
        emissions = emissions.masked_fill(~allowed, -torch.inf)
    transitions = scores.transitions.masked_fill(~legal.transitions, -torch.inf)
    end = scores.end.masked_fill(~legal.end, -torch.inf)
    n_rows, n_steps, n_tags = emissions.shape
    alpha = torch.full_like(emissions, -torch.inf)
    beta = torch.full_like(emissions, -torch.inf)
    alpha[:, 0] = emissions[:, 0] + scores.start.masked_fill(~legal.start, -torch.inf)
    for t in range(1, n_steps):
        alpha[:, t] = emissions[:, t] + torch.logsumexp(alpha[:, t - 1, :, None] + transitions, 1)
    for t in range(n_steps - 1, -1, -1):
        if t < n_steps - 1:
            onward = (emissions[:, t + 1] + beta[:, t + 1])[:, None, :]
            beta[:, t] = torch.logsumexp(transitions + onward, 2)
        beta[:, t] = torch.where((lengths - 1 == t)[:, None], end, beta[:, t])
    rows = torch.arange(n_rows, device=lengths.device)
    log_partition = torch.logsumexp(alpha[rows, lengths - 1] + end, -1)
    if torch.isinf(log_partition).any():
        raise ValueError("There is no legal tag sequence: the allowed tags contradict one another.")
    inside = torch.arange(n_steps, device=lengths.device) < lengths[:, None]
    marginals = (alpha + beta - log_partition[:, None, None]).exp()
    marginals = marginals.masked_fill(~inside[..., None], 0.0)
    pairs = emissions.new_zeros(n_rows, n_tags, n_tags)
    for t in range(n_steps - 1):
        onward = (emissions[:, t + 1] + beta[:, t + 1])[:, None, :]
        pair = alpha[:, t, :, None] + transitions + onward - log_partition[:, None, None]
        pairs += pair.exp() * (lengths - 1 > t)[:, None, None]
    return LogSpacePosterior(log_partition, marginals, pairs, emissions + beta)

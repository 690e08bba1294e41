"""The k most probable taggings of a sequence."""

from typing import Optional, Tuple

import torch
from torch import Tensor

from .scores import Legality, Scores, by_step, validate


def k_best(
    scores: Scores, legal: Legality, allowed: Optional[Tensor], k: int
) -> Tuple[Tensor, Tensor]:
    """The k taggings with the highest scores, by the list Viterbi algorithm.

    Where Viterbi keeps the best path into each state, this keeps the k best (Seshadri and
    Sundberg 1994, section II, "parallel" algorithm): in time and memory k times as much.

    scores (Scores): The potentials of a single sequence, emissions [1, T, K].
    legal (Legality): What the tag scheme allows.
    allowed (Optional[Tensor]): Tags that each token may have, bool [1, T, K]; None for all.
    k (int): Number of taggings that are asked for.
    RETURNS (Tuple[Tensor, Tensor]): Tag ids, int64 [n, T], and scores, float64 [n], best
        first; n is less than k where there are no more taggings.
    """
    lengths = torch.tensor(scores.emissions.shape[1:2], device=scores.emissions.device)
    validate(scores, lengths, legal, allowed)
    emissions, transitions, start, end = (part.detach().double() for part in scores)
    if allowed is not None:
        emissions = emissions.masked_fill(~allowed, -torch.inf)
    emissions = emissions[0]
    n_steps, n_tags = emissions.shape
    step = transitions.masked_fill(~legal.transitions, -torch.inf)
    end = end.masked_fill(~legal.end, -torch.inf)
    # Scores of the k best paths into each state, and where each came from: tag * k + rank
    best = emissions.new_full((n_tags, k), -torch.inf)
    best[:, 0] = emissions[0] + start.masked_fill(~legal.start, -torch.inf)
    came_from = torch.zeros(n_steps, n_tags, k, dtype=torch.long, device=emissions.device)
    for emission, origin in by_step(emissions[1:], came_from[1:]):
        reach = best.flatten()[None] + step.T.repeat_interleave(k, 1)  # [K to, K from * k]
        best, origin[:] = reach.topk(k)
        best += emission[:, None]
    final, place = (best + end[:, None]).flatten().topk(k)
    found = final > -torch.inf
    final, place = final[found], place[found]
    tags = place.new_empty(len(place), n_steps)
    for t in range(n_steps - 1, -1, -1):
        tags[:, t] = place // k
        place = came_from[t].flatten()[place]
    return tags, final

"""The most probable tag sequence of a sequence, and the k most probable."""

from typing import Tuple

import torch
from torch import Tensor

from .chain import BLOCK, LinearChain, by_step

# Scores an impossible step when decoding. Finite, so that no NaN can arise from it, and
# far below what any sum of real scores reaches.
IMPOSSIBLE = -1e30
# Taking the best off the decoder's running scores this often keeps them small, so that
# float32 still tells neighbours apart after a million steps.
RECENTRE_EVERY = 32


@torch.inference_mode()
def viterbi(chain: LinearChain) -> Tensor:
    """The best tag sequence of every sequence (Viterbi 1967).

    The loop keeps the best score of a path into each state, from both ends of a sequence at
    once up to its middle: half as many steps, each for twice as many rows. The path is then
    followed from the middle to both ends by looking again for the predecessor that gave it,
    one row of scores for each half, which is cheaper than storing back-pointers for every
    state. Which of several equally good tag sequences it is depends on the sequence alone.

    Args:
        chain: The sequences.

    Returns:
        Tag ids, int64 [B, T]; meaningless beyond a sequence's end.
    """
    chain.validate()
    scores, lengths, legal, allowed = chain
    emissions, transitions, start, end = (part.detach() for part in scores)
    if allowed is not None:
        emissions = emissions.masked_fill(~allowed, IMPOSSIBLE)
    transitions = transitions.masked_fill(~legal.transitions, IMPOSSIBLE)
    start = start.masked_fill(~legal.start, IMPOSSIBLE)
    end = end.masked_fill(~legal.end, IMPOSSIBLE)
    n_rows, n_steps, n_tags = emissions.shape
    device = emissions.device
    rows = torch.arange(n_rows, device=device)
    steps = torch.arange(n_steps, device=device)[:, None]

    # The halves as sequences of their own, [T / 2, 2 * B, K]: the second from its end
    half_lengths = torch.cat([(lengths + 1) // 2, lengths // 2])
    inward = steps[: (n_steps + 1) // 2]
    from_end = (lengths - 1 - inward).clamp_min(0)
    place = torch.cat([inward + rows * n_steps, from_end + rows * n_steps], 1)
    halves = emissions.reshape(-1, n_tags).index_select(0, place.flatten())
    halves = halves.view(len(inward), 2, n_rows, n_tags)
    onward = torch.stack([transitions, transitions.T])  # [2, K, K], from row to column
    best = _best_scores(halves, onward, torch.stack([start, end])[:, None])
    best = best.view(len(inward), 2 * n_rows, n_tags)

    # Where the halves meet. A sequence of one token has no second half
    at_end = best[(half_lengths - 1).clamp_min(0), torch.arange(2 * n_rows, device=device)]
    first, second = at_end.view(2, n_rows, n_tags)
    meeting = (first[:, :, None] + transitions + second[:, None, :]).flatten(1).argmax(1)
    alone = (first + end).argmax(1)
    middle = torch.cat([torch.where(lengths == 1, alone, meeting // n_tags), meeting % n_tags])

    paths = _followed_back(best, onward.transpose(1, 2), middle, half_lengths - 1)
    inverse = torch.where(steps < half_lengths[:n_rows], steps, lengths - 1 - steps)
    inverse = inverse.clamp(0, len(inward) - 1) * (2 * n_rows) + rows
    inverse += (steps >= half_lengths[:n_rows]) * n_rows
    return paths.flatten()[inverse].T


def _best_scores(emissions: Tensor, onward: Tensor, first: Tensor) -> Tensor:
    """Score of the best path into each state, up to a constant of the step and the sequence.

    Args:
        emissions: Both halves, [T, 2, B, K].
        onward: Transitions of both halves from row to column, [2, K, K].
        first: Scores for the first step of both halves, [2, 1, K].

    Returns:
        Shape [T, 2, B, K].
    """
    n_tags = onward.shape[-1]
    best = torch.empty_like(emissions)
    torch.add(emissions[0], first, out=best[0])
    # The maximum is over the first axis, [K, 2, B, K]: many times quicker than over the last
    reach = emissions.new_empty(n_tags, *best.shape[1:])
    step = onward.transpose(0, 1).contiguous()[:, :, None]  # [K, 2, 1, K]
    before = best.permute(0, 3, 1, 2)[..., None]  # [T, K, 2, B, 1]
    of_steps = by_step(before[:-1], best[1:], emissions[1:])
    for t, (source, score, emission) in enumerate(of_steps):
        torch.add(source, step, out=reach)
        torch.amax(reach, 0, out=score)
        score += emission
        if t % RECENTRE_EVERY == RECENTRE_EVERY - 1:
            score -= score.amax(-1, keepdim=True)
    return best


def _followed_back(best: Tensor, into: Tensor, final: Tensor, last: Tensor) -> Tensor:
    """The tags along the best paths.

    Args:
        best: What `_best_scores` returns for both halves, [T, 2 * B, K].
        into: Transitions of both halves to row from column, [2, K, K].
        final: Each half's last tag, int64 [2 * B].
        last: Step of the last tag, [2 * B]; -1 for none.

    Returns:
        int64 [T, 2 * B]; meaningless beyond a half's end.
    """
    n_steps, n_halves, n_tags = best.shape
    into = into.reshape(2 * n_tags, n_tags)
    # A tag's row of `into`: the second half's come after all of the first's
    offset = torch.arange(2, device=best.device).repeat_interleave(n_halves // 2) * n_tags
    final = final + offset
    ends = set(last.tolist())
    tags = final.new_empty(n_steps, n_halves)
    tag = final
    for start in reversed(range(0, n_steps, BLOCK)):
        steps = list(by_step(best[start : start + BLOCK], tags[start : start + BLOCK]))
        for t, (score, place) in reversed(list(enumerate(steps, start))):
            if t < n_steps - 1:
                arriving = into.index_select(0, tag).add_(score)
                tag = torch.argmax(arriving, -1, out=place).add_(offset)
            if t in ends:
                tag = place.copy_(torch.where(last == t, final, tag))
    return tags - offset


def k_best(chain: LinearChain, k: int) -> Tuple[Tensor, Tensor]:
    """The k tag sequences with the highest scores, by the list Viterbi algorithm.

    Where Viterbi keeps the best path into each state, this keeps the k best (Seshadri and
    Sundberg 1994, the parallel algorithm): in time and memory k times as much.

    Args:
        chain: A single sequence.
        k: Number of tag sequences that are asked for.

    Returns:
        Tag ids, int64 [n, T], and scores, float64 [n], best first; n is less than k where there are
        no more tag sequences.
    """
    chain.validate()
    scores, _, legal, allowed = chain
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

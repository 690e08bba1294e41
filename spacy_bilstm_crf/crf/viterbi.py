"""Finds the most probable tag sequence of a sequence, and the k most probable."""

import torch
from torch import Tensor

from .chain import BLOCK, Legality, LinearChain, by_step
from .transitions import BothWaysMax, Pairs

# Score of an impossible step in decoding. Finite, so that it can't cause NaN, and far below any sum
# of real scores
IMPOSSIBLE = -1e30
# Subtracting the best from the running scores this often keeps them small: float32 still tells
# neighbouring scores apart after a million steps
RECENTRE_EVERY = 32


@torch.inference_mode()
def viterbi(chain: LinearChain) -> Tensor:
    """Find the best tag sequence of every sequence (Viterbi 1967).

    The loop computes the best score of a partial tag sequence that ends in each state, from both
    ends of a sequence at once up to its middle: half as many steps, each for twice as many rows.
    Then the best tag sequence is traced from the middle to both ends. At each step the best
    predecessor is searched again, from one row of scores for each half, which is cheaper than
    storing back-pointers for every state. Ties are broken by the sequence alone, whatever else is
    in the batch.

    Args:
        chain: The sequences.

    Returns:
        Tag ids, int64 [B, T]; meaningless beyond a sequence's end.
    """
    chain.validate()
    scores, lengths, legal, allowed = chain
    emissions, transitions, start, end = (each.detach() for each in scores)
    if allowed is not None:
        emissions = emissions.masked_fill(~allowed, IMPOSSIBLE)
    step = Pairs.of(transitions, legal, IMPOSSIBLE)
    into = _Predecessors(transitions, legal, keep_table=step.blocks is None)
    start = start.masked_fill(~legal.start, IMPOSSIBLE)
    end = end.masked_fill(~legal.end, IMPOSSIBLE)
    n_rows, n_steps, n_tags = emissions.shape
    device = emissions.device
    rows = torch.arange(n_rows, device=device)
    steps = torch.arange(n_steps, device=device)[:, None]

    # The halves as sequences of their own, [T / 2, 2 * B, K], the second one reversed
    half_lengths = torch.cat([(lengths + 1) // 2, lengths // 2])
    inward = steps[: (n_steps + 1) // 2]
    from_end = (lengths - 1 - inward).clamp_min(0)
    source = torch.cat([inward + rows * n_steps, from_end + rows * n_steps], 1)
    halves = emissions.reshape(-1, n_tags).index_select(0, source.flatten())
    halves = halves.view(len(inward), 2, n_rows, n_tags)
    best = _best_scores(halves, step, torch.stack([start, end])[:, None])
    best = best.view(len(inward), 2 * n_rows, n_tags)

    # The tags where the halves meet. A sequence of one token has no second half
    at_end = best[(half_lengths - 1).clamp_min(0), torch.arange(2 * n_rows, device=device)]
    first, second = at_end.view(2, n_rows, n_tags)
    after = (step.maxima(first, torch.empty_like(first)) + second).argmax(1)
    before = (into.of_forward(after) + first).argmax(1)
    alone = (first + end).argmax(1)
    middle = torch.cat([torch.where(lengths == 1, alone, before), after])

    tags = _traced_back(best, into, middle, half_lengths - 1)
    inverse = torch.where(steps < half_lengths[:n_rows], steps, lengths - 1 - steps)
    inverse = inverse.clamp(0, len(inward) - 1) * (2 * n_rows) + rows
    inverse += (steps >= half_lengths[:n_rows]) * n_rows
    return tags.flatten()[inverse].T


class _Predecessors:
    """Looks up the transition scores into tags from all tags, in sequences and reversed ones.

    Args:
        transitions: Transition scores, [K, K].
        legal: What the tag scheme allows.
        keep_table: Whether to keep the scores in one table: with few tags it is cheap to make, and
            a lookup is a single call.
    """

    def __init__(self, transitions: Tensor, legal: Legality, keep_table: bool):
        self.transitions, self.legal = transitions, legal.transitions
        self.n_tags = len(transitions)
        self.table: Tensor | None = None
        if keep_table:
            table = transitions.masked_fill(~legal.transitions, IMPOSSIBLE)
            self.table = torch.cat([table.T, table])

    def of_forward(self, tags: Tensor) -> Tensor:
        """Return the scores into tags of sequences, int64 [N]: [N, K]."""
        if self.table is not None:
            return self.table.index_select(0, tags)
        scores, legal = (each.index_select(1, tags).T for each in (self.transitions, self.legal))
        return scores.masked_fill(~legal, IMPOSSIBLE)

    def of_halves(self, tags: Tensor) -> Tensor:
        """Return the scores into tags of B sequences and B reversed ones, [2 * B]: [2 * B, K]."""
        forward, back = tags.chunk(2)
        if self.table is not None:
            return self.table.index_select(0, torch.cat([forward, back + self.n_tags]))
        scores, legal = (each.index_select(0, back) for each in (self.transitions, self.legal))
        return torch.cat([self.of_forward(forward), scores.masked_fill(~legal, IMPOSSIBLE)])


def _best_scores(emissions: Tensor, step: Pairs, first: Tensor) -> Tensor:
    """Compute the best score of a partial tag sequence that ends in each state.

    Args:
        emissions: Emissions of both halves, [T, 2, B, K].
        step: Transition scores.
        first: Scores for the first step of both halves, [2, 1, K].

    Returns:
        Scores [T, 2, B, K], each up to a constant of its step and sequence.
    """
    best = torch.empty_like(emissions)
    torch.add(emissions[0], first, out=best[0])
    onward = BothWaysMax(step, emissions.shape[2])
    for t, (source, score, emission) in enumerate(by_step(best[:-1], best[1:], emissions[1:])):
        onward(source, score)
        score += emission
        if t % RECENTRE_EVERY == RECENTRE_EVERY - 1:
            score -= score.amax(-1, keepdim=True)
    return best


def _traced_back(best: Tensor, into: _Predecessors, final: Tensor, last: Tensor) -> Tensor:
    """Trace the best tag sequences back from their last tags.

    Args:
        best: What `_best_scores` returned for both halves, [T, 2 * B, K].
        into: Transition scores into tags.
        final: Last tag of each half, int64 [2 * B].
        last: Step of that tag, int64 [2 * B]; -1 for none.

    Returns:
        Tag ids, int64 [T, 2 * B]; meaningless beyond a half's end.
    """
    n_steps, n_halves, _ = best.shape
    ends = set(last.tolist())
    tags = final.new_empty(n_steps, n_halves)
    tag = final
    for start in reversed(range(0, n_steps, BLOCK)):
        steps = list(by_step(best[start : start + BLOCK], tags[start : start + BLOCK]))
        for t, (score, out) in reversed(list(enumerate(steps, start))):
            if t < n_steps - 1:
                tag = torch.argmax(into.of_halves(tag).add_(score), -1, out=out)
            if t in ends:
                tag = out.copy_(torch.where(last == t, final, tag))
    return tags


def k_best(chain: LinearChain, k: int) -> tuple[Tensor, Tensor]:
    """Find the k best tag sequences by the list Viterbi algorithm.

    Viterbi keeps the best partial tag sequence that ends in each state, this algorithm the k best
    (Seshadri and Sundberg 1994, the parallel algorithm), in k times the time and memory.

    Args:
        chain: A single sequence.
        k: Number of tag sequences.

    Returns:
        Tag ids, int64 [n, T], and scores, float64 [n], best first; n is less than k where there are
        no more tag sequences.
    """
    chain.validate()
    scores, _, legal, allowed = chain
    emissions, transitions, start, end = (each.detach().double() for each in scores)
    if allowed is not None:
        emissions = emissions.masked_fill(~allowed, -torch.inf)
    emissions = emissions[0]
    n_steps, n_tags = emissions.shape
    step = Pairs.of(transitions, legal, -torch.inf)
    end = end.masked_fill(~legal.end, -torch.inf)
    # The k best scores that end in each state, and where each came from: tag * k + rank
    best = emissions.new_full((n_tags, k), -torch.inf)
    best[:, 0] = emissions[0] + start.masked_fill(~legal.start, -torch.inf)
    came_from = torch.zeros(n_steps, n_tags, k, dtype=torch.long, device=emissions.device)
    for emission, origin in by_step(emissions[1:], came_from[1:]):
        before, best = best, torch.empty_like(best)
        step.k_maxima(before, best, origin)
        best += emission[:, None]
    final, place = (best + end[:, None]).flatten().topk(k)
    found = final > -torch.inf
    final, place = final[found], place[found]
    tags = place.new_empty(len(place), n_steps)
    for t in range(n_steps - 1, -1, -1):
        tags[:, t] = place // k
        place = came_from[t].flatten()[place]
    return tags, final

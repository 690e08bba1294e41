"""The linear-chain CRF as pure functions over padded tensors.

A tagging y of a sequence of n tokens has the score

    start[y_1] + sum_t emissions[t, y_t] + sum_t transitions[y_t, y_{t+1}] + end[y_n]

and the probability exp(score) / Z, where Z sums over the taggings that are legal (which
tag may start, follow and end: a property of the tag scheme) and allowed (which tags a
token may have: a property of the document or of its annotation). Illegal taggings have
probability zero, in the partition function as in the decoder (Lafferty et al. 2001;
Lample et al. 2016, eq. 1 to 3).

Shapes throughout: B sequences, T steps (the longest sequence), K tags.
"""

from typing import Optional, Tuple

import torch
from torch import Tensor

from .forward_backward import Posterior, forward_backward
from .paths import paths
from .scores import BLOCK, Legality, Scores, by_step, validate

__all__ = [
    "Legality",
    "Posterior",
    "Scores",
    "divergence",
    "entropy",
    "expected_count",
    "forward_backward",
    "negative_log_likelihood",
    "path_score",
    "viterbi",
]

# Scores an impossible step when decoding. Finite, so that no NaN can arise from it, and
# far below what any sum of real scores reaches.
IMPOSSIBLE = -1e30
# Step of central differences: their errors are its square, and rounding divided by it
NUDGE = 1e-4
# Taking the best off the decoder's running scores this often keeps them small, so that
# float32 still tells neighbours apart after a million steps.
RECENTRE_EVERY = 32


@torch.inference_mode()
def viterbi(
    scores: Scores, lengths: Tensor, legal: Legality, allowed: Optional[Tensor] = None
) -> Tensor:
    """The best tagging of every sequence (Viterbi 1967).

    The loop keeps the best score of a path into each state, from both ends of a sequence at
    once up to its middle: half as many steps, each for twice as many rows. The path is then
    followed from the middle to both ends by looking again for the predecessor that gave it,
    one row of scores for each half, which is cheaper than storing back-pointers for every
    state. Which of several equally good taggings it is depends on the sequence alone.

    scores (Scores): The potentials.
    lengths (Tensor): Length of each sequence, at least 1, int64 [B].
    legal (Legality): What the tag scheme allows.
    allowed (Optional[Tensor]): Tags that each token may have, bool [B, T, K]; None for all.
    RETURNS (Tensor): Tag ids, int64 [B, T]; meaningless beyond a sequence's end.
    """
    validate(scores, lengths, legal, allowed)
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

    emissions (Tensor): Both halves, [T, 2, B, K].
    onward (Tensor): Transitions of both halves from row to column, [2, K, K].
    first (Tensor): Scores for the first step of both halves, [2, 1, K].
    RETURNS (Tensor): Shape [T, 2, B, K].
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

    best (Tensor): What `_best_scores` returns for both halves, [T, 2 * B, K].
    into (Tensor): Transitions of both halves to row from column, [2, K, K].
    final (Tensor): Each half's last tag, int64 [2 * B].
    last (Tensor): Step of the last tag, [2 * B]; -1 for none.
    RETURNS (Tensor): int64 [T, 2 * B]; meaningless beyond a half's end.
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


@torch.inference_mode()
def path_score(scores: Scores, tags: Tensor, lengths: Tensor) -> Tensor:
    """The unnormalised score of one tagging of each sequence.

    scores (Scores): The potentials.
    tags (Tensor): Tag ids, int64 [B, T].
    lengths (Tensor): Length of each sequence, at least 1, int64 [B].
    RETURNS (Tensor): Scores in float64, shape [B].
    """
    inside = torch.arange(tags.shape[1], device=tags.device) < lengths[:, None]
    tags = tags.masked_fill(~inside, 0)
    return paths(tags, lengths, inside, len(scores.start)).score(scores)


@torch.inference_mode()
def negative_log_likelihood(
    scores: Scores,
    lengths: Tensor,
    legal: Legality,
    allowed: Optional[Tensor],
    gold: Tensor,
    *,
    wrong_rows: Optional[Tensor] = None,
    wrong: Optional[Tensor] = None,
) -> Tuple[Tensor, Scores]:
    """Loss of each sequence and the gradient of their sum, in closed form.

    What annotation says is a set of taggings, not one: the loss is
    log Z(allowed) - log Z(allowed and gold), the marginal likelihood of Tsuboi et al.
    (2008, eq. 3), which is the usual loss where gold leaves one tag for each token and
    zero where it says nothing. Its gradient is the difference of the expected counts.
    A set known to be wrong adds -log(1 - P(set)), with gradient
    P / (1 - P) * (counts given the set - counts).

    scores (Scores): The potentials.
    lengths (Tensor): Length of each sequence, at least 1, int64 [B].
    legal (Legality): What the tag scheme allows.
    allowed (Optional[Tensor]): Tags that each token may have, bool [B, T, K]; None for all.
    gold (Tensor): Tags that annotation leaves possible, bool [B, T, K].
    wrong_rows (Optional[Tensor]): Sequence of each set known to be wrong, int64 [W].
    wrong (Optional[Tensor]): Tags by which to pick out the set, bool [W, T, K].
    RETURNS (Tuple[Tensor, Scores]): Loss of each sequence [B] and the gradient, float64.
    RAISES (ValueError): If nothing is left that is legal, allowed and gold.
    """
    n_rows, n_steps, n_tags = gold.shape
    inside = torch.arange(n_steps, device=lengths.device) < lengths[:, None]
    left_open = gold if allowed is None else allowed & gold
    n_open = left_open.sum(-1)
    # Where one tagging is left, its score is log Z: no recursion is needed
    telling = single = ~((n_open != 1) & inside).any(1)
    several_rows = lengths[:0]
    if not single.all():
        n_allowed = n_tags if allowed is None else allowed.sum(-1)
        telling = single | ((n_open != n_allowed) & inside).any(1)
        several_rows = (telling & ~single).nonzero()[:, 0]
    only = left_open.view(torch.uint8).argmax(-1)
    path = paths(only, lengths, inside & single[:, None], n_tags)
    if wrong_rows is None or wrong is None:
        wrong_rows, wrong = several_rows[:0], gold[:0]

    # One batch: every sequence as allowed, the partly annotated ones as in gold, and a
    # sequence once more for every set that is known to be wrong in it
    again = torch.cat([several_rows, wrong_rows])
    batch, batch_lengths, sets = scores.emissions, lengths, allowed
    if len(again):
        batch, batch_lengths = (torch.cat([x, x[again]]) for x in (batch, lengths))
        everything = torch.ones_like(gold) if allowed is None else allowed
        sets = torch.cat([everything, left_open[several_rows], everything[wrong_rows] & wrong])
    posterior = forward_backward(scores._replace(emissions=batch), batch_lengths, legal, sets)
    log_z = posterior.log_partition[:n_rows]
    log_z_gold = torch.where(single, path.score(scores), log_z)  # no loss where gold is silent
    weights = telling.double()
    if len(again):
        log_z_several, log_z_wrong = posterior.log_partition[n_rows:].split(
            [len(several_rows), len(wrong_rows)]
        )
        log_z_gold[several_rows] = log_z_several
        log_p_wrong = log_z_wrong - log_z[wrong_rows]
        # The clamp only matters where a wrong set has all probability but 1e-12
        complement = (-torch.expm1(log_p_wrong)).clamp_min(1e-12)
        odds = log_p_wrong.exp() / complement
        log_z_gold.index_add_(0, wrong_rows, complement.log())
        weights.index_add_(0, wrong_rows, -odds)
        weights = torch.cat([weights, -torch.ones_like(log_z_several), odds])
    gradient = posterior.gradient(weights, path)
    if len(again):
        emissions = gradient.emissions[:n_rows]
        emissions.index_add_(0, again, gradient.emissions[n_rows:])
        gradient = gradient._replace(emissions=emissions)
    return log_z - log_z_gold, gradient


@torch.inference_mode()
def entropy(
    scores: Scores, lengths: Tensor, legal: Legality, allowed: Optional[Tensor] = None
) -> Tensor:
    """Entropy of the distribution over each sequence's taggings.

    It is log Z - E[score], and the expected score is made of the same expected counts as the
    gradient (Mann and McCallum 2007, eq. 1 and 2).

    scores (Scores): The potentials.
    lengths (Tensor): Length of each sequence, at least 1, int64 [B].
    legal (Legality): What the tag scheme allows.
    allowed (Optional[Tensor]): Tags that each token may have, bool [B, T, K]; None for all.
    RETURNS (Tensor): Nats, from 0, float64 [B].
    """
    posterior = forward_backward(scores, lengths, legal, allowed)
    emissions, transitions, start, end = (part.detach().double() for part in scores)
    marginals = posterior.marginals
    rows = torch.arange(len(lengths), device=lengths.device)
    expected = (
        (marginals * emissions).sum((1, 2))
        + (posterior.transitions_of_each() * transitions).sum((1, 2))
        + marginals[:, 0] @ start
        + marginals[rows, lengths - 1] @ end
    )
    return (posterior.log_partition - expected).clamp_min(0.0)


@torch.inference_mode()
def expected_count(
    scores: Scores,
    lengths: Tensor,
    legal: Legality,
    allowed: Optional[Tensor],
    counted: Tensor,
) -> Tuple[Tensor, Scores]:
    """Expected number of a sequence's tokens that have one of some tags, and its gradient.

    A small e on the emissions of these tags moves log Z by e times the expected number, and
    the expected counts, which are the gradient of log Z, by e times the gradient asked for:
    it is worked out as a central difference of them, in float64 good to eight digits.

    scores (Scores): The potentials.
    lengths (Tensor): Length of each sequence, at least 1, int64 [B].
    legal (Legality): What the tag scheme allows.
    allowed (Optional[Tensor]): Tags that each token may have, bool [B, T, K]; None for all.
    counted (Tensor): The tags, bool [K].
    RETURNS (Tuple[Tensor, Scores]): Expected numbers [B], and the gradient of their sum.
    """
    scores = Scores(*(part.detach().double() for part in scores))
    nudge = counted.double() * NUDGE
    both = torch.cat([scores.emissions + nudge, scores.emissions - nudge])
    masks = None if allowed is None else torch.cat([allowed, allowed])
    posterior = forward_backward(
        scores._replace(emissions=both), torch.cat([lengths, lengths]), legal, masks
    )
    up, down = posterior.marginals.chunk(2)
    expected = ((up + down) / 2)[..., counted].sum((1, 2))
    weights = torch.full_like(posterior.log_partition, 1 / (2 * NUDGE))
    weights[len(lengths) :] *= -1
    gradient = posterior.gradient(weights)
    raised, lowered = gradient.emissions.chunk(2)
    return expected, gradient._replace(emissions=raised + lowered)


@torch.inference_mode()
def divergence(
    scores: Scores,
    tutor: Scores,
    lengths: Tensor,
    legal: Legality,
    allowed: Optional[Tensor] = None,
) -> Tuple[Tensor, Scores]:
    """KL(tutor || scores) of the sequences' taggings, and the gradient of the sum.

    Both are CRFs over the same taggings, so the divergence is
    log Z - log Z' - E'[score - score'] with E' the tutor's expectation, and its gradient
    the difference of the expected counts.

    scores (Scores): The potentials to be moved.
    tutor (Scores): The potentials to move towards, of the same shapes.
    lengths (Tensor): Length of each sequence, at least 1, int64 [B].
    legal (Legality): What the tag scheme allows.
    allowed (Optional[Tensor]): Tags that each token may have, bool [B, T, K]; None for all.
    RETURNS (Tuple[Tensor, Scores]): Divergences [B] in nats, and the gradient. Only their sum
        is exact: the part of the shared scores is spread evenly over the sequences.
    """
    ours = forward_backward(scores, lengths, legal, allowed)
    theirs = forward_backward(tutor, lengths, legal, allowed)
    ones = torch.ones_like(ours.log_partition)
    target = theirs.gradient(ones)
    actual = ours.gradient(ones)
    difference = Scores(*(a.detach().double() - b.detach().double() for a, b in zip(scores, tutor)))
    # Expected transitions are known summed over the batch, which is all that is needed
    expected = (target.emissions * difference.emissions).sum((1, 2))
    shared = sum((t * d).sum() for t, d in zip(target[1:], difference[1:]))
    loss = ours.log_partition - theirs.log_partition - expected - shared / len(lengths)
    return loss, Scores(*(a - b for a, b in zip(actual, target)))

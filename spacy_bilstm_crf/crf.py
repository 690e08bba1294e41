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

from .forward_backward import Legality, Posterior, Scores, forward_backward, validate

__all__ = [
    "Legality",
    "Posterior",
    "Scores",
    "divergence",
    "forward_backward",
    "negative_log_likelihood",
    "path_score",
    "viterbi",
]

# Scores an impossible step when decoding. Finite, so that no NaN can arise from it, and
# far below what any sum of real scores reaches.
IMPOSSIBLE = -1e30
# Taking the best off the decoder's running scores this often keeps them small, so that
# float32 still tells neighbours apart after a million steps.
RECENTRE_EVERY = 32


def viterbi(scores: Scores, lengths: Tensor, legal: Legality, allowed: Tensor) -> Tensor:
    """The best tagging of every sequence (Viterbi 1967). Ties go to the lower tag id.

    The loop keeps the best score of a path into each state; the path is then followed
    backwards by looking again for the predecessor that gave it, one row of scores for each
    sequence, which is cheaper than storing back-pointers for every state.

    scores (Scores): The potentials.
    lengths (Tensor): Length of each sequence, at least 1, int64 [B].
    legal (Legality): What the tag scheme allows.
    allowed (Tensor): Tags that each token may have, bool [B, T, K].
    RETURNS (Tensor): Tag ids, int64 [B, T]; meaningless beyond a sequence's end.
    """
    validate(scores, lengths, legal, allowed)
    emissions = scores.emissions.detach().masked_fill(~allowed, IMPOSSIBLE)
    emissions = emissions.transpose(0, 1).contiguous()  # [T, B, K]
    # [K, K], to row from column: the maximum is then over the contiguous last axis
    into = scores.transitions.detach().masked_fill(~legal.transitions, IMPOSSIBLE).T.contiguous()
    start = scores.start.detach().masked_fill(~legal.start, IMPOSSIBLE)
    end = scores.end.detach().masked_fill(~legal.end, IMPOSSIBLE)
    n_steps, n_rows, n_tags = emissions.shape

    best = torch.empty_like(emissions)  # [T, B, K]
    torch.add(emissions[0], start, out=best[0])
    reach = emissions.new_empty(n_rows, n_tags, n_tags)
    for t in range(1, n_steps):
        torch.add(best[t - 1][:, None, :], into, out=reach)
        torch.amax(reach, -1, out=best[t])
        best[t] += emissions[t]
        if t % RECENTRE_EVERY == 0:
            best[t] -= best[t].amax(-1, keepdim=True)

    last = lengths - 1
    rows = torch.arange(n_rows, device=emissions.device)
    final = (best[last, rows] + end).argmax(-1)  # [B]
    ends = set(last.tolist())
    tags = final.new_empty(n_steps, n_rows)
    tag = final
    for t in range(n_steps - 1, -1, -1):
        if t < n_steps - 1:
            tag = (best[t] + into[tag]).argmax(-1)
        if t in ends:
            tag = torch.where(last == t, final, tag)
        tags[t] = tag
    return tags.T


def path_score(scores: Scores, tags: Tensor, lengths: Tensor) -> Tensor:
    """The unnormalised score of one tagging of each sequence.

    scores (Scores): The potentials.
    tags (Tensor): Tag ids, int64 [B, T].
    lengths (Tensor): Length of each sequence, at least 1, int64 [B].
    RETURNS (Tensor): Scores in float64, shape [B].
    """
    emissions, transitions, start, end = (part.detach().double() for part in scores)
    steps = torch.arange(tags.shape[1], device=tags.device)
    inside = steps < lengths[:, None]
    tags = tags.masked_fill(~inside, 0)
    per_token = emissions.gather(-1, tags[..., None])[..., 0].masked_fill(~inside, 0.0)
    per_step = transitions[tags[:, :-1], tags[:, 1:]].masked_fill(~inside[:, 1:], 0.0)
    last = tags.gather(1, (lengths - 1)[:, None])[:, 0]
    return per_token.sum(-1) + per_step.sum(-1) + start[tags[:, 0]] + end[last]


def negative_log_likelihood(
    scores: Scores,
    lengths: Tensor,
    legal: Legality,
    allowed: Tensor,
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
    allowed (Tensor): Tags that each token may have, bool [B, T, K].
    gold (Tensor): Tags that annotation leaves possible, bool [B, T, K].
    wrong_rows (Optional[Tensor]): Sequence of each set known to be wrong, int64 [W].
    wrong (Optional[Tensor]): Tags by which to pick out the set, bool [W, T, K].
    RETURNS (Tuple[Tensor, Scores]): Loss of each sequence [B] and the gradient, float64.
    RAISES (ValueError): If nothing is left that is legal, allowed and gold.
    """
    n_rows, n_steps, n_tags = gold.shape
    base = torch.arange(n_rows, device=lengths.device)
    if wrong_rows is None or wrong is None:
        wrong_rows, wrong = base[:0], gold[:0]
    inside = torch.arange(n_steps, device=lengths.device) < lengths[:, None]
    left_open = allowed & gold
    telling = ((allowed != left_open) & inside[..., None]).flatten(1).any(1)
    # Where one tagging is left, its score is log Z: no recursion is needed
    single = telling & ((left_open.sum(-1) == 1) | ~inside).all(1)
    single_rows = single.nonzero()[:, 0]
    several_rows = (telling & ~single).nonzero()[:, 0]

    # One batch: every sequence as allowed, the partly annotated ones as in gold, and a
    # sequence once more for every set that is known to be wrong in it
    source = torch.cat([base, several_rows, wrong_rows])
    posterior = forward_backward(
        scores._replace(emissions=scores.emissions[source]),
        lengths[source],
        legal,
        torch.cat([allowed, left_open[several_rows], allowed[wrong_rows] & wrong]),
    )
    log_z, log_z_several, log_z_wrong = posterior.log_partition.split(
        [n_rows, len(several_rows), len(wrong_rows)]
    )
    log_z_gold = log_z.clone()  # where annotation says nothing, the loss is zero
    log_z_gold[several_rows] = log_z_several
    tags = left_open[single_rows].byte().argmax(-1)
    single_scores = scores._replace(emissions=scores.emissions[single_rows])
    log_z_gold[single_rows] = path_score(single_scores, tags, lengths[single_rows])

    log_p_wrong = log_z_wrong - log_z[wrong_rows]
    # The clamp only matters where a wrong set has all probability but 1e-12
    complement = (-torch.expm1(log_p_wrong)).clamp_min(1e-12)
    odds = log_p_wrong.exp() / complement
    loss = (log_z - log_z_gold).index_add(0, wrong_rows, -complement.log())

    weights = telling.double().index_add(0, wrong_rows, -odds)
    expected = posterior.gradient(torch.cat([weights, -torch.ones_like(log_z_several), odds]))
    observed = _counts(tags, lengths[single_rows], n_tags)
    emissions = torch.zeros_like(posterior.marginals[:n_rows])
    emissions.index_add_(0, source, expected.emissions)
    emissions.index_add_(0, single_rows, -observed.emissions)
    shared = (e - o for e, o in zip(expected[1:], observed[1:]))
    return loss, Scores(emissions, *shared)


def divergence(
    scores: Scores, tutor: Scores, lengths: Tensor, legal: Legality, allowed: Tensor
) -> Tuple[Tensor, Scores]:
    """KL(tutor || scores) of the sequences' taggings, and the gradient of the sum.

    Both are CRFs over the same taggings, so the divergence is
    log Z - log Z' - E'[score - score'] with E' the tutor's expectation, and its gradient
    the difference of the expected counts.

    scores (Scores): The potentials to be moved.
    tutor (Scores): The potentials to move towards, of the same shapes.
    lengths (Tensor): Length of each sequence, at least 1, int64 [B].
    legal (Legality): What the tag scheme allows.
    allowed (Tensor): Tags that each token may have, bool [B, T, K].
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


def _counts(tags: Tensor, lengths: Tensor, n_tags: int) -> Scores:
    """How often each score is used in the given taggings: emissions [B, T, K], rest summed."""
    inside = torch.arange(tags.shape[1], device=tags.device) < lengths[:, None]
    used = torch.nn.functional.one_hot(tags, n_tags).double() * inside[..., None]
    last = used[torch.arange(len(tags), device=tags.device), lengths - 1]
    before = (used[:, :-1] * inside[:, 1:, None]).reshape(-1, n_tags)
    return Scores(used, before.T @ used[:, 1:].reshape(-1, n_tags), used[:, 0].sum(0), last.sum(0))

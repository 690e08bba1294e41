"""What a CRF is trained by and asked for: losses and expectations, with their gradients."""

import torch
from torch import Tensor

from .chain import LinearChain, Scores
from .forward_backward import forward_backward
from .paths import paths

# Step of central differences: their errors are its square, and rounding divided by it
NUDGE = 1e-4


@torch.inference_mode()
def path_score(scores: Scores, tags: Tensor, lengths: Tensor) -> Tensor:
    """The unnormalised score of one tag sequence of each sequence.

    Args:
        scores: The potentials.
        tags: Tag ids, int64 [B, T].
        lengths: Length of each sequence, at least 1, int64 [B].

    Returns:
        Scores in float64, shape [B].
    """
    inside = torch.arange(tags.shape[1], device=tags.device) < lengths[:, None]
    tags = tags.masked_fill(~inside, 0)
    return paths(tags, lengths, inside, len(scores.start)).score(scores)


@torch.inference_mode()
def negative_log_likelihood(
    chain: LinearChain,
    gold: Tensor,
    *,
    wrong_rows: Tensor | None = None,
    wrong: Tensor | None = None,
) -> tuple[Tensor, Scores]:
    """Loss of each sequence and the gradient of their sum, in closed form.

    What annotation says is a set of tag sequences, not one: the loss is
    log Z(allowed) - log Z(allowed and gold), the marginal likelihood of Tsuboi et al.
    (2008), which is the usual loss where gold leaves one tag for each token and
    zero where it says nothing. Its gradient is the difference of the expected counts.
    A set known to be wrong adds -log(1 - P(set)), with gradient
    P / (1 - P) * (counts given the set - counts).

    Args:
        chain: The sequences.
        gold: Tags that annotation leaves possible, bool [B, T, K].
        wrong_rows: Sequence of each set known to be wrong, int64 [W].
        wrong: Tags by which to pick out the set, bool [W, T, K].

    Returns:
        Loss of each sequence [B] and the gradient, float64.

    Raises:
        ValueError: If nothing is left that is legal, allowed and gold.
    """
    scores, lengths, _, allowed = chain
    n_rows, n_steps, n_tags = gold.shape
    inside = torch.arange(n_steps, device=lengths.device) < lengths[:, None]
    left_open = gold if allowed is None else allowed & gold
    n_open = left_open.sum(-1)
    # Where one tag sequence is left, its score is log Z: no recursion is needed
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
    posterior = forward_backward(
        LinearChain(scores._replace(emissions=batch), batch_lengths, chain.legal, sets)
    )
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
def entropy(chain: LinearChain) -> Tensor:
    """Entropy of the distribution over each sequence's tag sequences.

    It is log Z - E[score], and the expected score is made of the same expected counts as the
    gradient.

    Args:
        chain: The sequences.

    Returns:
        Nats, from 0, float64 [B].
    """
    posterior = forward_backward(chain)
    scores, lengths, _, _ = chain
    emissions, transitions, start, end = (part.detach().double() for part in scores)
    marginals = posterior.marginals
    rows = torch.arange(len(lengths), device=lengths.device)
    expected = (
        (marginals * emissions).sum((1, 2))
        + posterior.expected_scores(transitions)
        + marginals[:, 0] @ start
        + marginals[rows, lengths - 1] @ end
    )
    return (posterior.log_partition - expected).clamp_min(0.0)


@torch.inference_mode()
def expected_count(chain: LinearChain, counted: Tensor) -> tuple[Tensor, Scores]:
    """Expected number of a sequence's tokens that have one of some tags, and its gradient.

    A small e on the emissions of these tags moves log Z by e times the expected number, and
    the expected counts, which are the gradient of log Z, by e times the gradient asked for:
    it is worked out as a central difference of them, in float64 good to eight digits.

    Args:
        chain: The sequences.
        counted: The tags, bool [K].

    Returns:
        Expected numbers [B], and the gradient of their sum.
    """
    scores = Scores(*(part.detach().double() for part in chain.scores))
    lengths, allowed = chain.lengths, chain.allowed
    nudge = counted.double() * NUDGE
    both = torch.cat([scores.emissions + nudge, scores.emissions - nudge])
    masks = None if allowed is None else torch.cat([allowed, allowed])
    posterior = forward_backward(
        LinearChain(
            scores._replace(emissions=both), torch.cat([lengths, lengths]), chain.legal, masks
        )
    )
    up, down = posterior.marginals.chunk(2)
    expected = ((up + down) / 2)[..., counted].sum((1, 2))
    weights = torch.full_like(posterior.log_partition, 1 / (2 * NUDGE))
    weights[len(lengths) :] *= -1
    gradient = posterior.gradient(weights)
    raised, lowered = gradient.emissions.chunk(2)
    return expected, gradient._replace(emissions=raised + lowered)


@torch.inference_mode()
def divergence(chain: LinearChain, tutor: Scores) -> tuple[Tensor, Scores]:
    """KL(tutor || scores) of the sequences' tag sequences, and the gradient of the sum.

    Both are CRFs over the same tag sequences, so the divergence is
    log Z - log Z' - E'[score - score'] with E' the tutor's expectation, and its gradient
    the difference of the expected counts.

    Args:
        chain: The sequences.
        tutor: The potentials to move towards, of the same shapes.

    Returns:
        Divergences [B] in nats, and the gradient. Only their sum is exact: the part of the shared
        scores is spread evenly over the sequences.
    """
    scores, lengths, _, _ = chain
    ours = forward_backward(chain)
    theirs = forward_backward(chain._replace(scores=tutor))
    ones = torch.ones_like(ours.log_partition)
    target = theirs.gradient(ones)
    actual = ours.gradient(ones)
    difference = Scores(*(a.detach().double() - b.detach().double() for a, b in zip(scores, tutor)))
    # Expected transitions are known summed over the batch, which is all that is needed
    expected = (target.emissions * difference.emissions).sum((1, 2))
    shared = sum((t * d).sum() for t, d in zip(target[1:], difference[1:]))
    loss = ours.log_partition - theirs.log_partition - expected - shared / len(lengths)
    return loss, Scores(*(a - b for a, b in zip(actual, target)))

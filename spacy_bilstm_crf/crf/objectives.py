"""Losses and expectations of a CRF, with their gradients in closed form."""

from .arrays import Array, arange, float64, namespace_of, quietly, totals
from .chain import LinearChain, Scores
from .forward_backward import forward_backward
from .tag_sequences import tag_sequences

# Step of the central differences, whose errors are its square, and rounding divided by it
NUDGE = 1e-4


@quietly
def sequence_score(scores: Scores, tags: Array, lengths: Array) -> Array:
    """Compute the unnormalized score of one tag sequence for each sequence.

    Args:
        scores: The potentials.
        tags: Tag ids, int64 [B, T].
        lengths: Length of each sequence, at least 1, int64 [B].

    Returns:
        float64 [B].
    """
    inside = arange(tags.shape[1], like=tags) < lengths[:, None]
    tags = namespace_of(tags).where(inside, tags, 0)
    return tag_sequences(tags, lengths, inside, len(scores.start)).score(scores)


@quietly
def negative_log_likelihood(
    chain: LinearChain,
    gold: Array,
    *,
    wrong_rows: Array | None = None,
    wrong: Array | None = None,
) -> tuple[Array, Scores]:
    """Compute the loss of each sequence, and the gradient of their sum in closed form.

    Annotation describes a set of tag sequences, and the loss is the marginal likelihood of Tsuboi
    et al. (2008): log Z(allowed) - log Z(allowed and gold). It is the usual loss where gold leaves
    one tag for each token, and zero without annotation. Its gradient is the difference of the
    expected counts. A set known to be wrong adds -log(1 - P(set)), with the gradient
    P / (1 - P) * (counts given the set - counts).

    Args:
        chain: The sequences.
        gold: Tags that the annotation allows, bool [B, T, K].
        wrong_rows: Sequence of each set that is known to be wrong, int64 [W].
        wrong: Tags that describe the set, bool [W, T, K].

    Returns:
        The loss of each sequence, float64 [B], and the gradient: emissions per sequence, all else
        summed over sequences.

    Raises:
        ValueError: If no tag sequence is legal, allowed and gold.
    """
    scores, lengths, _, allowed = chain
    n_rows, n_steps, n_tags = gold.shape
    xp = namespace_of(lengths)
    inside = arange(n_steps, like=lengths) < lengths[:, None]
    left_open = gold if allowed is None else allowed & gold
    n_open = _count(left_open)
    # If a single tag sequence is left, its score is log Z: no recursion is needed
    annotated = single = ~((n_open != 1) & inside).any(1)
    several_rows = lengths[:0]
    if not single.all():
        n_allowed = n_tags if allowed is None else _count(allowed)
        annotated = single | ((n_open != n_allowed) & inside).any(1)
        several_rows = xp.where(annotated & ~single)[0]
    only = left_open.view(xp.uint8).argmax(-1)
    gold_sequences = tag_sequences(only, lengths, inside & single[:, None], n_tags)
    if wrong_rows is None or wrong is None:
        wrong_rows, wrong = several_rows[:0], gold[:0]

    # One batch: every sequence as allowed, the partly annotated ones again as in gold, and for
    # every set that is known to be wrong its sequence once more
    again = xp.concatenate([several_rows, wrong_rows])
    batch, batch_lengths, sets = scores.emissions, lengths, allowed
    if len(again):
        batch, batch_lengths = (xp.concatenate([x, x[again]]) for x in (batch, lengths))
        everything = xp.ones_like(gold) if allowed is None else allowed
        sets = xp.concatenate([everything, left_open[several_rows], everything[wrong_rows] & wrong])
    posterior = forward_backward(
        LinearChain(scores._replace(emissions=batch), batch_lengths, chain.legal, sets)
    )
    log_z = posterior.log_partition[:n_rows]
    log_z_gold = xp.where(single, gold_sequences.score(scores), log_z)  # 0 without gold
    weights = float64(annotated)
    if len(again):
        n_several = n_rows + len(several_rows)
        log_z_several = posterior.log_partition[n_rows:n_several]
        log_z_gold[several_rows] = log_z_several
        log_p_wrong = posterior.log_partition[n_several:] - log_z[wrong_rows]
        # Clipping only matters if a wrong set has all probability but 1e-12
        complement = xp.clip(-xp.expm1(log_p_wrong), 1e-12, None)
        odds = xp.exp(log_p_wrong) / complement
        log_z_gold += totals(wrong_rows, xp.log(complement), n_rows)
        weights -= totals(wrong_rows, odds, n_rows)
        weights = xp.concatenate([weights, -xp.ones_like(log_z_several), odds])
    gradient = posterior.gradient(weights, gold_sequences)
    if len(again):
        emissions = gradient.emissions[:n_rows]
        emissions[several_rows] += gradient.emissions[n_rows:n_several]
        for row, of_set in zip(wrong_rows.tolist(), gradient.emissions[n_several:]):
            emissions[row] += of_set  # there may be several of a sequence
        gradient = gradient._replace(emissions=emissions)
    return log_z - log_z_gold, gradient


def _count(mask: Array) -> Array:
    """Count along the last axis. Summing a short axis takes several times as long."""
    numbers = float64(mask)
    return numbers @ namespace_of(mask).ones_like(numbers[0, 0])


@quietly
def entropy(chain: LinearChain) -> Array:
    """Compute the entropy of each sequence's distribution over tag sequences.

    The entropy is log Z - E[score], and the expected score follows from the expected counts.

    Args:
        chain: The sequences.

    Returns:
        The entropies in nats, at least 0, float64 [B].
    """
    posterior = forward_backward(chain)
    scores, lengths, _, _ = chain
    emissions, transitions, start, end = map(float64, scores)
    marginals = posterior.marginals
    rows = arange(len(lengths), like=lengths)
    expected = (
        (marginals * emissions).sum((1, 2))
        + posterior.expected_scores(transitions)
        + marginals[:, 0] @ start
        + marginals[rows, lengths - 1] @ end
    )
    return namespace_of(lengths).clip(posterior.log_partition - expected, 0.0, None)


@quietly
def expected_count(chain: LinearChain, counted: Array) -> tuple[Array, Scores]:
    """Compute how many tokens of each sequence are expected to have one of some tags.

    Adding a small e to the emissions of these tags moves log Z by e times the expected number. It
    moves the expected counts, the gradient of log Z, by e times the gradient of that number. So the
    gradient is computed as a central difference, which in float64 is good to eight digits.

    Args:
        chain: The sequences.
        counted: The tags, bool [K].

    Returns:
        The expected numbers, float64 [B], and the gradient of their sum.
    """
    scores = Scores(*map(float64, chain.scores))
    lengths, allowed = chain.lengths, chain.allowed
    xp = namespace_of(lengths)
    nudge = float64(counted) * NUDGE
    both = xp.concatenate([scores.emissions + nudge, scores.emissions - nudge])
    masks = None if allowed is None else xp.concatenate([allowed, allowed])
    posterior = forward_backward(
        LinearChain(
            scores._replace(emissions=both), xp.concatenate([lengths, lengths]), chain.legal, masks
        )
    )
    n_rows = len(lengths)
    up, down = posterior.marginals[:n_rows], posterior.marginals[n_rows:]
    expected = ((up + down) / 2)[..., counted].sum((1, 2))
    weights = xp.ones_like(posterior.log_partition) / (2 * NUDGE)
    weights[n_rows:] *= -1
    gradient = posterior.gradient(weights)
    emissions = gradient.emissions[:n_rows] + gradient.emissions[n_rows:]
    return expected, gradient._replace(emissions=emissions)


@quietly
def divergence(chain: LinearChain, teacher: Scores) -> tuple[Array, Scores]:
    """Compute KL(teacher || chain) over tag sequences, and the gradient of the sum.

    Both are CRFs over the same tag sequences. So the divergence is
    log Z - log Z' - E'[score - score'], where E' is the teacher's expectation, and its gradient is
    the difference of the expected counts.

    Args:
        chain: The sequences, with the student's potentials.
        teacher: The teacher's potentials, of the same shapes.

    Returns:
        The divergences in nats, float64 [B], and the gradient with respect to the student's
        potentials. Only the sum of the divergences is exact: the share of transition, start and
        end scores is spread evenly over the sequences.
    """
    scores, lengths, _, _ = chain
    ours = forward_backward(chain)
    theirs = forward_backward(chain._replace(scores=teacher))
    ones = namespace_of(lengths).ones_like(ours.log_partition)
    target = theirs.gradient(ones)
    actual = ours.gradient(ones)
    difference = Scores(*(float64(mine) - float64(other) for mine, other in zip(scores, teacher)))
    # Expected transitions are only known summed over the batch, which suffices
    expected = (target.emissions * difference.emissions).sum((1, 2))
    shared = sum((t * d).sum() for t, d in zip(target[1:], difference[1:]))
    loss = ours.log_partition - theirs.log_partition - expected - shared / len(lengths)
    return loss, Scores(*(a - b for a, b in zip(actual, target)))

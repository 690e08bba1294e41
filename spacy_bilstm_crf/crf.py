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

from dataclasses import dataclass
from typing import NamedTuple, Optional, Tuple

import torch
from torch import Tensor

# Below this share of its step's mass a state may have lost digits to underflow. Float64
# reaches down to 1e-308, so what is above keeps full relative precision.
UNDERFLOW = 1e-250
# Scores an impossible step when decoding. Finite, so that no NaN can arise from it, and
# far below what any sum of real scores reaches.
IMPOSSIBLE = -1e30
# Taking the mean off the decoder's running scores this often keeps them small, so that
# float32 still tells neighbours apart after a million steps.
RECENTRE_EVERY = 32


class Scores(NamedTuple):
    """The potentials of a batch of sequences, or a gradient with respect to them."""

    emissions: Tensor  # [B, T, K]
    transitions: Tensor  # [K, K], from row to column
    start: Tensor  # [K]
    end: Tensor  # [K]


class Legality(NamedTuple):
    """Which tags may start a sequence, follow one another and end it."""

    transitions: Tensor  # bool [K, K], from row to column
    start: Tensor  # bool [K]
    end: Tensor  # bool [K]


@dataclass
class Posterior:
    """What forward-backward knows about each sequence. Everything is float64.

    log_partition (Tensor): log Z of each sequence, shape [B].
    marginals (Tensor): P(y_t = k), shape [B, T, K]; zero beyond a sequence's end.
    """

    log_partition: Tensor
    marginals: Tensor
    lengths: Tensor
    # P(y_t = j, y_{t+1} = k) = left[b, t, j] * step[j, k] * right[b, t + 1, k]
    _left: Tensor  # [B, T, K]
    _right: Tensor  # [B, T, K]
    _step: Tensor  # [K, K]
    # The same summed over t, for the few sequences that were computed in log space
    _log_space_rows: Tensor  # [R]
    _log_space_pairs: Tensor  # [R, K, K]

    def expected_transitions(self, weights: Tensor) -> Tensor:
        """Expected number of times that each transition is taken, summed over sequences.

        weights (Tensor): How much each sequence counts, shape [B].
        RETURNS (Tensor): Shape [K, K], from row to column.
        """
        n_tags = self._step.shape[0]
        left = (self._left[:, :-1] * weights[:, None, None]).reshape(-1, n_tags)
        right = self._right[:, 1:].reshape(-1, n_tags)
        pairs = self._step * (left.T @ right)
        if len(self._log_space_rows):
            pairs = pairs + torch.einsum(
                "r,rjk->jk", weights[self._log_space_rows], self._log_space_pairs
            )
        return pairs

    def gradient(self, weights: Tensor) -> Scores:
        """Gradient of the weighted sum of the log-partitions: the expected counts.

        weights (Tensor): How much each sequence counts, shape [B].
        RETURNS (Scores): The gradient, emissions per sequence, the rest summed.
        """
        emissions = self.marginals * weights[:, None, None]
        rows = torch.arange(len(self.lengths), device=emissions.device)
        return Scores(
            emissions=emissions,
            transitions=self.expected_transitions(weights),
            start=emissions[:, 0].sum(0),
            end=emissions[rows, self.lengths - 1].sum(0),
        )


def forward_backward(
    scores: Scores, lengths: Tensor, legal: Legality, allowed: Tensor
) -> Posterior:
    """Log-partition, tag marginals and expected transitions of every sequence.

    The recursions (Rabiner 1989, eq. 19 to 27 with the scaling of section V.A) run in
    float64 on probabilities scaled to sum to one at each step. The backward pass is a
    forward pass over the reversed sequence with transposed transitions, so both take one
    loop of [2, B, K] x [2, K, K] products. Sequences in which a reachable state comes
    near float64's underflow (more than 500 nats behind) are computed again in log space.

    scores (Scores): The potentials.
    lengths (Tensor): Length of each sequence, at least 1, int64 [B].
    legal (Legality): What the tag scheme allows.
    allowed (Tensor): Tags that each token may have, bool [B, T, K].
    RETURNS (Posterior): Log-partitions, marginals and expected transitions.
    RAISES (ValueError): If a sequence has no legal tagging.
    """
    validate(scores, lengths, legal, allowed)
    emissions, transitions, start, end = (part.detach().double() for part in scores)
    n_rows, n_steps, n_tags = emissions.shape
    steps = torch.arange(n_steps, device=emissions.device)
    inside = steps < lengths[:, None]  # [B, T]

    # Potentials as factors in [0, 1]; beyond a sequence's end all ones, so that the loop
    # needs no mask and what it computes there can be cut out afterwards.
    usable = allowed | ~inside[..., None]
    peak = emissions.masked_fill(~usable, -torch.inf).amax(-1)  # [B, T]
    # The clamp keeps a usable tag apart from one that is not, for _underflowed to see
    factors = (emissions - peak[..., None]).exp_().clamp_min_(1e-300).masked_fill_(~usable, 0.0)
    factors[~inside] = 1.0
    step, step_peak = _factors(transitions, legal.transitions)
    first, first_peak = _factors(start, legal.start)
    last, last_peak = _factors(end, legal.end)

    # [B, T]: where step t of the reversed sequence lies; padding stays where it is
    mirror = torch.where(inside, lengths[:, None] - 1 - steps, steps)
    mirror = mirror[..., None].expand(-1, -1, n_tags)
    both = torch.stack([factors, factors.gather(1, mirror)])  # [2, B, T, K]
    both = both.permute(2, 0, 1, 3).contiguous()  # [T, 2, B, K]
    mass, scale = _scaled_recursion(
        both, torch.stack([step, step.T]), torch.stack([first, last])[:, None]
    )
    alpha = mass[:, 0].transpose(0, 1)  # [B, T, K]
    right = mass[:, 1].transpose(0, 1).gather(1, mirror)  # emission at t and all after it
    right = right.masked_fill(~inside[..., None], 0.0)

    # beta excludes the emission at t: a product with the next step's `right`
    beta = torch.empty_like(alpha)
    beta[:, :-1] = right[:, 1:] @ step.T
    rows = torch.arange(n_rows, device=emissions.device)
    beta[rows, lengths - 1] = last
    marginals = alpha * beta
    norm = marginals.sum(-1, keepdim=True)  # [B, T, 1]
    marginals = (marginals / norm).masked_fill_(~inside[..., None], 0.0)

    final_mass = norm[rows, lengths - 1, 0]
    per_step = (scale[:, 0].T.log() + peak).masked_fill(~inside, 0.0)
    log_partition = per_step.sum(-1) + final_mass.log() + (lengths - 1) * step_peak
    log_partition = log_partition + first_peak + last_peak

    followed = steps + 1 < lengths[:, None]  # [B, T]: has a next step
    left = (alpha / norm).masked_fill_(~followed[..., None], 0.0)
    # [B, T]: the least that a step divides by; zero where a sequence has no legal tagging
    divisor = torch.minimum(torch.minimum(scale[:, 0], scale[:, 1]).T, norm[..., 0])
    unsafe = (~(divisor >= UNDERFLOW) & inside).any(1) | _underflowed(
        both, mass * scale[..., None], legal, inside
    )
    redo = unsafe.nonzero()[:, 0]
    pairs = left.new_zeros(0, n_tags, n_tags)
    if len(redo):
        left[redo] = 0.0
        right = right.index_fill(0, redo, 0.0)
        log_partition[redo], marginals[redo], pairs = _log_space(
            Scores(emissions[redo], transitions, start, end), lengths[redo], legal, allowed[redo]
        )
    return Posterior(log_partition, marginals, lengths, left, right, step, redo, pairs)


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
    """KL(tutor || scores) of each sequence's taggings, and the gradient of the sum.

    Both are CRFs over the same taggings, so the divergence is
    log Z - log Z' - E'[score - score'] with E' the tutor's expectation, and its gradient
    the difference of the expected counts.

    scores (Scores): The potentials to be moved.
    tutor (Scores): The potentials to move towards, of the same shapes.
    lengths (Tensor): Length of each sequence, at least 1, int64 [B].
    legal (Legality): What the tag scheme allows.
    allowed (Tensor): Tags that each token may have, bool [B, T, K].
    RETURNS (Tuple[Tensor, Scores]): Divergence of each sequence [B], nats, and gradient.
    """
    ours = forward_backward(scores, lengths, legal, allowed)
    theirs = forward_backward(tutor, lengths, legal, allowed)
    ones = torch.ones_like(ours.log_partition)
    target = theirs.gradient(ones)
    actual = ours.gradient(ones)
    difference = Scores(*(a.detach().double() - b.detach().double() for a, b in zip(scores, tutor)))
    # The shared scores count in every sequence; only their sum over the batch is needed
    expected = (target.emissions * difference.emissions).sum((1, 2))
    shared = sum((t * d).sum() for t, d in zip(target[1:], difference[1:]))
    loss = ours.log_partition - theirs.log_partition - expected - shared / len(lengths)
    return loss, Scores(*(a - b for a, b in zip(actual, target)))


def validate(scores: Scores, lengths: Tensor, legal: Legality, allowed: Tensor) -> None:
    """Check that shapes fit together.

    RAISES (ValueError): Naming the sizes that are at fault.
    """
    n_rows, n_steps, n_tags = scores.emissions.shape
    for name, found, expected in (
        ("transitions", scores.transitions, (n_tags, n_tags)),
        ("start", scores.start, (n_tags,)),
        ("end", scores.end, (n_tags,)),
        ("legal transitions", legal.transitions, (n_tags, n_tags)),
        ("allowed tags", allowed, (n_rows, n_steps, n_tags)),
        ("lengths", lengths, (n_rows,)),
    ):
        if tuple(found.shape) != expected:
            raise ValueError(
                f"The {name} have the shape {tuple(found.shape)}, but emissions of the shape "
                f"{(n_rows, n_steps, n_tags)} need {expected}."
            )


def _counts(tags: Tensor, lengths: Tensor, n_tags: int) -> Scores:
    """How often each score is used in the given taggings: emissions [B, T, K], rest summed."""
    inside = torch.arange(tags.shape[1], device=tags.device) < lengths[:, None]
    used = torch.nn.functional.one_hot(tags, n_tags).double() * inside[..., None]
    last = used[torch.arange(len(tags), device=tags.device), lengths - 1]
    before = (used[:, :-1] * inside[:, 1:, None]).reshape(-1, n_tags)
    return Scores(used, before.T @ used[:, 1:].reshape(-1, n_tags), used[:, 0].sum(0), last.sum(0))


def _factors(scores: Tensor, legal: Tensor) -> Tuple[Tensor, Tensor]:
    """Scores as factors in [0, 1], zero where illegal, and the score that became 1."""
    peak = scores.masked_fill(~legal, -torch.inf).amax()
    peak = peak.nan_to_num(neginf=0.0)  # nothing is legal, as for one tag without a successor
    return (scores - peak).exp().masked_fill(~legal, 0.0), peak


def _scaled_recursion(factors: Tensor, step: Tensor, first: Tensor) -> Tuple[Tensor, Tensor]:
    """Mass of the paths into each state, scaled to sum to one at every step.

    factors (Tensor): Emission factors, both directions, [T, 2, B, K].
    step (Tensor): Transition factors, both directions, [2, K, K].
    first (Tensor): Start factors, both directions, [2, 1, K].
    RETURNS (Tuple[Tensor, Tensor]): Mass [T, 2, B, K] and scale [T, 2, B].
    """
    mass = torch.empty_like(factors)
    scale = factors.new_empty(*factors.shape[:-1], 1)
    torch.mul(factors[0], first, out=mass[0])
    torch.sum(mass[0], -1, keepdim=True, out=scale[0])
    mass[0].div_(scale[0])
    moved = torch.empty_like(factors[0])
    for before, now, total, factor in zip(mass[:-1], mass[1:], scale[1:], factors[1:]):
        torch.bmm(before, step, out=moved)
        torch.mul(moved, factor, out=now)
        torch.sum(now, -1, keepdim=True, out=total)
        now.div_(total)
    return mass, scale[..., 0]


def _underflowed(factors: Tensor, reached: Tensor, legal: Legality, inside: Tensor) -> Tensor:
    """Which sequences lost a state that can be reached, so that their sums may be wrong.

    A state without mass is right where every legal way into it comes from states without
    mass. Where no other state is near zero, every sum is exact.

    factors (Tensor): Emission factors, both directions, [T, 2, B, K].
    reached (Tensor): Mass that came into each state, before scaling, [T, 2, B, K].
    RETURNS (Tensor): bool [B].
    """
    alive = reached >= UNDERFLOW
    faint = ~alive & (factors > 0) & inside.T[:, None, :, None]
    # The first step has nothing before it: legality alone decides
    suspect = torch.zeros_like(faint)
    suspect[0] = faint[0] & torch.stack([legal.start, legal.end])[:, None]
    if faint[1:].any():
        ways = torch.stack([legal.transitions, legal.transitions.T]).float()
        suspect[1:] = faint[1:] & (alive[:-1].float() @ ways > 0)
    return suspect.any(-1).any(1).any(0)


def _log_space(
    scores: Scores, lengths: Tensor, legal: Legality, allowed: Tensor
) -> Tuple[Tensor, Tensor, Tensor]:
    """Forward-backward without scaling, in log space: slower, exact for any scores.

    RETURNS (Tuple[Tensor, Tensor, Tensor]): Log-partitions [B], marginals [B, T, K] and
        expected transitions of each sequence [B, K, K].
    """
    emissions = scores.emissions.masked_fill(~allowed, -torch.inf)
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
        raise ValueError(
            "A sequence has no legal tagging: the allowed tags contradict one another."
        )
    inside = torch.arange(n_steps, device=lengths.device) < lengths[:, None]
    marginals = (alpha + beta - log_partition[:, None, None]).exp()
    marginals = marginals.masked_fill(~inside[..., None], 0.0)
    pairs = emissions.new_zeros(n_rows, n_tags, n_tags)
    for t in range(n_steps - 1):
        onward = (emissions[:, t + 1] + beta[:, t + 1])[:, None, :]
        pair = alpha[:, t, :, None] + transitions + onward - log_partition[:, None, None]
        pairs += pair.exp() * (lengths - 1 > t)[:, None, None]
    return log_partition, marginals, pairs

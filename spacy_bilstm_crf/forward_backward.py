"""The forward-backward recursions of the linear-chain CRF: see `crf` for the model.

Shapes throughout: B sequences, T steps (the longest sequence), K tags.
"""

from dataclasses import dataclass
from typing import NamedTuple, Tuple

import torch
from torch import Tensor

# Below this share of its step's mass a state may have lost digits to underflow. Float64
# reaches down to 1e-308, so what is above keeps full relative precision.
UNDERFLOW = 1e-250


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
    _transitions: Tensor  # [K, K]: scores, -inf where illegal
    # For the few sequences that were computed in log space: those probabilities summed over
    # t, and log right up to a constant of the step
    _log_space_rows: Tensor  # [R]
    _log_space_pairs: Tensor  # [R, K, K]
    _log_space_right: Tensor  # [R, T, K]

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

    def log_next(self, rows: Tensor, steps: Tensor, tags: Tensor, after: Tensor) -> Tensor:
        """log P(y_{t+1} = after | y_t = tag): given what was seen, a tagging is a Markov chain.

        rows, steps, tags, after (Tensor): Sequence, t and the two tags of each question, int64
            [N]. The tag must have a probability at t, and its sequence must go on after t.
        RETURNS (Tensor): Shape [N].
        """
        log_right = self._right[rows, steps + 1].log()
        if len(self._log_space_rows):
            place = torch.full_like(self.lengths, -1)
            place[self._log_space_rows] = torch.arange(
                len(self._log_space_rows), device=place.device
            )
            redone = (place[rows] >= 0).nonzero()[:, 0]
            log_right[redone] = self._log_space_right[place[rows[redone]], steps[redone] + 1]
        onward = self._transitions[tags] + log_right  # [N, K]
        return onward.gather(1, after[:, None])[:, 0] - onward.logsumexp(1)

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
    pairs, log_right = left.new_zeros(0, n_tags, n_tags), left.new_zeros(0, n_steps, n_tags)
    if len(redo):
        left[redo] = 0.0
        right = right.index_fill(0, redo, 0.0)
        log_partition[redo], marginals[redo], pairs, log_right = _log_space(
            Scores(emissions[redo], transitions, start, end), lengths[redo], legal, allowed[redo]
        )
    transitions = transitions.masked_fill(~legal.transitions, -torch.inf)
    return Posterior(
        log_partition,
        marginals,
        lengths,
        left,
        right,
        step,
        transitions,
        redo,
        pairs,
        log_right,
    )


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
) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
    """Forward-backward without scaling, in log space: slower, exact for any scores.

    RETURNS (Tuple[Tensor, ...]): Log-partitions [B], marginals [B, T, K], expected transitions
        of each sequence [B, K, K], and the log-score of each state with all that can follow
        it [B, T, K].
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
    return log_partition, marginals, pairs, emissions + beta

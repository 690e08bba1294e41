"""The forward-backward recursions of the linear-chain CRF: see `crf` for the model.

Shapes throughout: B sequences, T steps (the longest sequence), K tags.
"""

from dataclasses import dataclass
from typing import Optional, Tuple

import torch
from torch import Tensor

from .chain import Legality, LinearChain, Scores, by_step
from .log_space import LogSpacePosterior, log_space_forward_backward
from .paths import Paths

# Masses of paths are scaled to sum to one after some steps: at least SCALE_EVERY, and as many as
# make none smaller by more than FREE_RANGE. Where a single step can make one smaller by more than
# SMALL_STEP, it is done after every step.
SCALE_EVERY = 8
MOST_STEPS = 32
SMALL_STEP = 60.0  # nats
# Both ways' masses are multiplied with one another: exp(-2 * 280) is 1e-243
FREE_RANGE = 280.0
# A mass that is at least this after scaling stays far above float64's least, 1e-308, until the
# next: 1e-75 * exp(-60 * 8) is 1e-283.
AMPLE = 1e-75
# Below this share of its step's mass a state may have lost digits to underflow; what is above
# keeps full relative precision.
UNDERFLOW = 1e-250


@dataclass
class Posterior:
    """What forward-backward knows about each sequence. Everything is float64.

    Attributes:
        log_partition: log Z of each sequence, shape [B].
        marginals: P(y_t = k), shape [B, T, K]; zero beyond a sequence's end.
    """

    log_partition: Tensor
    marginals: Tensor
    lengths: Tensor
    _lattice: "_Lattice"
    # For the few sequences that were computed in log space
    _log_space_rows: Tensor  # [R]
    _log_space: Optional[LogSpacePosterior]

    def expected_transitions(self, weights: Tensor) -> Tensor:
        """Expected number of times that each transition is taken, summed over sequences.

        Args:
            weights: How much each sequence counts, shape [B].

        Returns:
            Shape [K, K], from row to column.
        """
        n_tags = self.marginals.shape[-1]
        left, right = self._pair_masses(weights)
        pairs = self._lattice.step * (left.reshape(-1, n_tags).T @ right.reshape(-1, n_tags))
        if self._log_space is not None:
            pairs = pairs + torch.einsum(
                "r,rjk->jk", weights[self._log_space_rows], self._log_space.pairs
            )
        return pairs

    def transitions_of_each(self) -> Tensor:
        """Expected number of times that each transition is taken in each sequence.

        Returns:
            Shape [B, K, K], from row to column.
        """
        left, right = self._pair_masses(torch.ones_like(self.log_partition))
        pairs = self._lattice.step * (left.permute(1, 2, 0) @ right.transpose(0, 1))
        if self._log_space is not None:
            pairs[self._log_space_rows] = self._log_space.pairs
        return pairs

    def _pair_masses(self, weights: Tensor) -> Tuple[Tensor, Tensor]:
        """Factors of weighted pair marginals, left and right of each transition: [T - 1, B, K].

        P(y_t = j, y_{t+1} = k) = left[t, b, j] * step[j, k] * right[t, b, k]; zeros for what
        was computed in log space.
        """
        alpha, right = self._lattice.alpha[:-1], self._lattice.right[1:]
        steps = torch.arange(len(alpha), device=alpha.device)[:, None]
        known = steps < self.lengths - 1  # [T - 1, B]
        left = alpha * torch.where(known, weights / self._lattice.norm[1:, :, 0], 0.0)[..., None]
        if self._log_space is not None:
            right = right.clone()
            left[:, self._log_space_rows] = right[:, self._log_space_rows] = 0.0
        return left, right

    def log_next(self, rows: Tensor, steps: Tensor, tags: Tensor, after: Tensor) -> Tensor:
        """log P(y_{t+1} = after | y_t = tag): the tags are a Markov chain, given the tokens.

        rows, steps, tags, after (Tensor): Sequence, t and the two tags of each question, int64
            [N]. The tag must have a probability at t, and its sequence must go on after t.

        Returns:
            Shape [N].
        """
        log_right = self._lattice.right[steps + 1, rows].log()
        if self._log_space is not None:
            place = torch.full_like(self.lengths, -1)
            place[self._log_space_rows] = torch.arange(
                len(self._log_space_rows), device=place.device
            )
            redone = (place[rows] >= 0).nonzero()[:, 0]
            log_right[redone] = self._log_space.right[place[rows[redone]], steps[redone] + 1]
        log_step = self._lattice.transitions[tags].double()  # [N, K]
        onward = log_step.masked_fill(~self._lattice.legal[tags], -torch.inf) + log_right
        return onward.gather(1, after[:, None])[:, 0] - onward.logsumexp(1)

    def gradient(self, weights: Tensor, taken: Optional[Paths] = None) -> Scores:
        """Gradient of the weighted sum of the log-partitions: the expected counts.

        Args:
            weights: How much each sequence counts, shape [B].
            taken: Tag sequences of the first sequences, whose counts are taken off.

        Returns:
            The gradient, emissions per sequence, the rest summed.
        """
        emissions = self.marginals * weights[:, None, None]
        transitions = self.expected_transitions(weights)
        if taken is not None:
            taken.take_from(emissions, transitions)
        rows = torch.arange(len(self.lengths), device=emissions.device)
        return Scores(
            emissions=emissions,
            transitions=transitions,
            start=emissions[:, 0].sum(0),
            end=emissions[rows, self.lengths - 1].sum(0),
        )


@dataclass
class _Lattice:
    """Masses of paths, scaled at will at each step: only ratios within one mean something."""

    alpha: Tensor  # [T, B, K]: of the paths into a state, its own emission included
    right: Tensor  # [T, B, K]: of a state and all that can follow it
    norm: Tensor  # [T, B, 1]: sum over states of what arrives times `right`
    step: Tensor  # [K, K]: factors of the transitions
    transitions: Tensor  # [K, K]: their scores
    legal: Tensor  # bool [K, K]: which of them are


@torch.inference_mode()
def forward_backward(chain: LinearChain) -> Posterior:
    """Log-partition, tag marginals and expected transitions of every sequence.

    The recursions (Rabiner 1989, eq. 19 to 27 with the scaling of section V.A) run in
    float64 on probabilities that are scaled on the way. The backward pass is a forward pass
    over the reversed sequence with transposed transitions, so both take one loop of
    [2, B, K] x [2, K, K] products. Sequences in which a reachable state comes near float64's
    underflow (more than 500 nats behind) are computed again in log space.

    Args:
        chain: The sequences.

    Returns:
        Log-partitions, marginals and expected transitions.

    Raises:
        ValueError: If a sequence has no legal tag sequence.
    """
    chain.validate()
    scores, lengths, legal, allowed = chain
    n_rows, n_steps, n_tags = scores.emissions.shape
    rows = torch.arange(n_rows, device=lengths.device)
    steps = torch.arange(n_steps, device=lengths.device)[:, None]
    inside = steps < lengths  # [T, B]
    mirror = torch.where(inside, lengths - 1 - steps, steps)

    # Potentials as factors in [0, 1], also beyond a sequence's end, so that the loop needs no
    # mask and what it computes there can be cut out afterwards.
    emissions = scores.emissions
    nats, peak = shrinks_by(scores)
    if nats <= SMALL_STEP:
        scale_every, peaks = steps_between_scalings(nats), lengths * peak
    else:
        scale_every = 1
        emissions, peak = _with_peaks(emissions, allowed, inside.T)
        peaks = peak.sum((1, 2))
    factors = emission_factors(emissions, allowed, peak).view(-1, n_tags)
    # The steps of both directions, as rows of [B, T, K]
    places = torch.stack([steps.expand_as(mirror), mirror], 1) + n_steps * rows  # [T, 2, B]
    mass = factors.index_select(0, places.flatten()).view(n_steps, 2, n_rows, n_tags)
    step, ends, shared_peak = shared_factors(scores, legal)
    arriving, scale = scaled_recursion(mass, both_ways(step), ends[:, None], scale_every)

    least_scale = scale.amin()
    if not least_scale > 0:  # a path without an end: beyond a sequence's end, or to be redone
        for part in (mass, arriving):
            part.nan_to_num_(0.0)
    # Where, of all rows of [T, 2, B, K], a step of the sequence is on the way back
    on_way_back = ((2 * mirror + 1) * n_rows + rows).flatten()
    right = mass.view(-1, n_tags).index_select(0, on_way_back).view(n_steps, n_rows, n_tags)
    marginals = arriving[:, 0].mul_(right)
    norm = marginals.sum(-1, keepdim=True)  # [T, B, 1]
    marginals *= torch.where(inside[..., None], 1.0 / norm, 0.0)
    scaled = steps[::scale_every] < lengths  # [number of scalings, B]
    # From the end to the first step, where only the start score is missing
    log_partition = (
        peaks
        + torch.where(scaled, scale[:, 1].log(), 0.0).sum(0)
        + norm[0, :, 0].log()
        + (lengths + 1) * shared_peak  # of the start, of each transition and of the end
    )

    redo = rows[:0]
    ample = scale_every > 1 and is_ample(mass, scale_every)
    if not (ample and torch.minimum(norm.amin(), least_scale) >= UNDERFLOW):
        # [B]: whether it divides by next to nothing; by zero where there is no legal tag sequence
        unsafe = (~(norm[..., 0] >= UNDERFLOW) & inside).any(0)
        unsafe |= (~(scale.amin(1) >= UNDERFLOW) & scaled).any(0)
        unsafe |= _underflowed(mass, scale, scale_every, legal, allowed, mirror, inside)
        redo = unsafe.nonzero()[:, 0]
    marginals = marginals.transpose(0, 1)
    redone = None
    if len(redo):
        redone = log_space_forward_backward(chain.rows(redo))
        log_partition[redo], marginals[redo] = redone.log_partition, redone.marginals
    lattice = _Lattice(mass[:, 0], right, norm, step, scores.transitions, legal.transitions)
    return Posterior(log_partition, marginals, lengths, lattice, redo, redone)


def shared_factors(scores: Scores, legal: Legality) -> Tuple[Tensor, Tensor, Tensor]:
    """Transition, start and end scores as factors in [0, 1], zero where illegal.

    Returns:
        Transitions [K, K], start and end together [2, K], and the score that became 1.
    """
    n_tags = len(scores.start)
    usable = torch.cat([scores.transitions.flatten(), scores.start, scores.end]).double()
    is_legal = torch.cat([legal.transitions.flatten(), legal.start, legal.end])
    usable.masked_fill_(~is_legal, -torch.inf)
    peak = usable.amax()
    step, ends = usable.sub_(peak).exp_().split([n_tags * n_tags, 2 * n_tags])
    return step.view(n_tags, n_tags), ends.view(2, n_tags), peak


def both_ways(step: Tensor) -> Tensor:
    """Transition factors of the sequences and of their reversals, [2, K, K]."""
    # A product with a transposed matrix is a little quicker
    return torch.stack([step.T, step]).transpose(1, 2)


def shrinks_by(scores: Scores) -> Tuple[Tensor, Tensor]:
    """By how many nats, at most, a step on a legal path makes its share of the mass smaller.

    Returns:
        That, and the highest emission score in float64.
    """
    least, most = scores.emissions.aminmax()
    shared = torch.cat([scores.transitions.flatten(), scores.start, scores.end])
    least_shared, most_shared = shared.aminmax()
    return most - least + most_shared - least_shared, most.double()


def steps_between_scalings(nats: Tensor) -> int:
    """How many steps masses are left as they are, where none shrinks by more than so many nats."""
    return min(MOST_STEPS, max(SCALE_EVERY, int(FREE_RANGE / max(float(nats), 1.0))))


def _with_peaks(
    emissions: Tensor, usable: Optional[Tensor], inside: Tensor
) -> Tuple[Tensor, Tensor]:
    """Emissions that are 0 beyond a sequence's end, and the highest usable of each step.

    Returns:
        Shapes [B, T, K] and [B, T, 1].
    """
    emissions = emissions.double().masked_fill(~inside[..., None], 0.0)
    if usable is None:
        return emissions, emissions.amax(-1, keepdim=True)
    within = emissions.masked_fill(inside[..., None] & ~usable, -torch.inf)
    return emissions, within.amax(-1, keepdim=True)


def emission_factors(emissions: Tensor, usable: Optional[Tensor], peak: Tensor) -> Tensor:
    """exp(emissions - peak), 0 where a tag is not usable: float64, contiguous."""
    factors = emissions.new_empty(emissions.shape, dtype=torch.float64)
    factors.copy_(emissions).sub_(peak).exp_()  # one array of this size is enough
    return factors if usable is None else factors.masked_fill_(~usable, 0.0)


def scaled_recursion(
    mass: Tensor, step: Tensor, first: Tensor, scale_every: int
) -> Tuple[Tensor, Tensor]:
    """Mass of the paths into each state, scaled to sum to one at every so many steps.

    Args:
        mass: Emission factors of both directions, [T, 2, B, K], which the masses replace.
        step: Transition factors, both directions, [2, K, K].
        first: Start factors, both directions, [2, 1, K].
        scale_every: Number of steps from one scaling to the next; the first step is scaled.

    Returns:
        Mass without the state's own emission [T, 2, B, K], and what was divided by, [number of
        scalings, 2, B].
    """
    arriving = torch.empty_like(mass)
    scale = mass.new_empty(len(mass[::scale_every]), *mass.shape[1:3], 1)
    arriving[0] = first
    mass[0] *= first
    before = mass[0]
    totals = by_step(scale)
    for t, (into, now) in enumerate(by_step(arriving, mass)):
        if t:
            torch.bmm(before, step, out=into)
            now.mul_(into)
        if t % scale_every == 0:
            (total,) = next(totals)
            torch.sum(now, -1, keepdim=True, out=total)
            now.div_(total)
        before = now
    return arriving, scale[..., 0]


def is_ample(mass: Tensor, scale_every: int) -> bool:
    """Whether no state came near to losing digits, in masses scaled every so many steps."""
    looked_at = mass[::scale_every]
    return bool(torch.where(looked_at > 0, looked_at, 1.0).amin() >= AMPLE)


def _underflowed(
    mass: Tensor,
    scale: Tensor,
    scale_every: int,
    legal: Legality,
    allowed: Optional[Tensor],
    mirror: Tensor,
    inside: Tensor,
) -> Tensor:
    """Which sequences lost a state that can be reached, so that their sums may be wrong.

    A state without mass is right where every legal way into it comes from states without
    mass. Where no other state is near zero, every sum is exact.

    Returns:
        bool [B].
    """
    reached = mass.clone()  # before scaling
    reached[::scale_every] *= scale[..., None]
    alive = reached >= UNDERFLOW
    faint = ~alive & inside[:, None, :, None]
    if allowed is not None:
        usable = allowed.transpose(0, 1)
        faint &= torch.stack(
            [usable, usable[mirror, torch.arange(mirror.shape[1], device=mirror.device)]], 1
        )
    # The first step has nothing before it: legality alone decides
    suspect = torch.zeros_like(faint)
    suspect[0] = faint[0] & torch.stack([legal.start, legal.end])[:, None]
    if faint[1:].any():
        ways = torch.stack([legal.transitions, legal.transitions.T]).float()
        suspect[1:] = faint[1:] & (alive[:-1].float() @ ways > 0)
    return suspect.any(-1).any(1).any(0)

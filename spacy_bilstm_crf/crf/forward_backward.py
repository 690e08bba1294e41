"""The forward-backward recursions of the linear-chain CRF: see `crf` for the model.

Shapes throughout: B sequences, T steps (the longest sequence), K tags.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .chain import Legality, LinearChain, Scores
from .log_space import LogSpacePosterior, log_space_forward_backward
from .messages import (
    SMALL_STEP,
    UNDERFLOW,
    emission_factors,
    is_ample,
    scaled_recursion,
    shared_factors,
    shrinks_by,
    steps_between_scalings,
    underflowed,
    with_peaks,
)
from .paths import Paths
from .transitions import Pairs


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
    _log_space: LogSpacePosterior | None

    def expected_transitions(self, weights: Tensor) -> Tensor:
        """Expected number of times that each transition is taken, summed over sequences.

        Args:
            weights: How much each sequence counts, shape [B].

        Returns:
            Shape [K, K], from row to column.
        """
        left, right = self._pair_messages(weights)
        taken = self._lattice.step.counts(left.flatten(0, 1), right.flatten(0, 1)).table()
        if self._log_space is not None:
            weights = weights[self._log_space_rows].double()
            for rows, pairs in self._log_space.pairs():
                taken += pairs.weighted(weights[rows]).table()
        return taken

    def expected_scores(self, transitions: Tensor) -> Tensor:
        """Expected sum of scores of the transitions that each sequence takes.

        Args:
            transitions: The scores from row to column, [K, K].

        Returns:
            Shape [B].
        """
        left, right = self._pair_messages(torch.ones_like(self.log_partition))
        step = self._lattice.step
        scores = Pairs.of(transitions.double(), self._lattice.legal, 0.0)
        arriving = step.times(scores).sums(left.flatten(0, 1)).view_as(left)
        expected = (arriving * right).sum((0, 2))
        if self._log_space is not None:
            for rows, pairs in self._log_space.pairs():
                expected[self._log_space_rows[rows]] = pairs.times(scores).totals()
        return expected

    def _pair_messages(self, weights: Tensor) -> tuple[Tensor, Tensor]:
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
        lattice = self._lattice
        log_step = lattice.transitions[tags, after].double()
        log_step = log_step.masked_fill(~lattice.legal.transitions[tags, after], -torch.inf)
        # What arrives at a state on the way back is the sum over all tags that may follow
        log_right = lattice.right[steps + 1, rows, after].log()
        log_all = lattice.after[lattice.mirror[steps, rows], rows, tags].log() + lattice.peak
        if self._log_space is not None:
            place = torch.full_like(self.lengths, -1)
            place[self._log_space_rows] = torch.arange(
                len(self._log_space_rows), device=place.device
            )
            redone = (place[rows] >= 0).nonzero()[:, 0]
            row, step = place[rows[redone]], steps[redone]
            log_right[redone] = self._log_space.right[row, step + 1, after[redone]]
            log_all[redone] = self._log_space.after[row, step, tags[redone]]
        return log_step + log_right - log_all

    def gradient(self, weights: Tensor, taken: Paths | None = None) -> Scores:
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
    """The messages, scaled at will at each step: only ratios within a step mean something."""

    alpha: Tensor  # [T, B, K]: of the paths into a state, its own emission included
    right: Tensor  # [T, B, K]: of a state and all that can follow it
    norm: Tensor  # [T, B, 1]: sum over states of what arrives times `right`
    after: Tensor  # [T, B, K]: of all that can follow a state, at the mirrored step
    mirror: Tensor  # [T, B]: the steps of the sequences from their ends
    step: Pairs  # factors of the transitions
    peak: Tensor  # the transition score whose factor is 1
    transitions: Tensor  # [K, K]: their scores
    legal: Legality


@torch.inference_mode()
def forward_backward(chain: LinearChain) -> Posterior:
    """Log-partition, tag marginals and expected transitions of every sequence.

    The recursions (Rabiner 1989, with scaling) run in
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
    shared = shared_factors(scores, legal)
    nats, peak = shrinks_by(scores, shared)
    if nats <= SMALL_STEP:
        scale_every, peaks = steps_between_scalings(nats), lengths * peak
    else:
        scale_every = 1
        emissions, peak = with_peaks(emissions, allowed, inside.T)
        peaks = peak.sum((1, 2))
    factors = emission_factors(emissions, allowed, peak).view(-1, n_tags)
    # The steps of both directions, as rows of [B, T, K]
    places = torch.stack([steps.expand_as(mirror), mirror], 1) + n_steps * rows  # [T, 2, B]
    message = factors.index_select(0, places.flatten()).view(n_steps, 2, n_rows, n_tags)
    arriving, scale = scaled_recursion(message, shared.step, shared.ends[:, None], scale_every)

    least_scale = scale.amin()
    if not least_scale > 0:  # a path without an end: beyond a sequence's end, or to be redone
        for part in (message, arriving):
            part.nan_to_num_(0.0)
    # Where, of all rows of [T, 2, B, K], a step of the sequence is on the way back
    on_way_back = ((2 * mirror + 1) * n_rows + rows).flatten()
    right = message.view(-1, n_tags).index_select(0, on_way_back).view(n_steps, n_rows, n_tags)
    marginals = arriving[:, 0].mul_(right)
    norm = marginals.sum(-1, keepdim=True)  # [T, B, 1]
    marginals *= torch.where(inside[..., None], 1.0 / norm, 0.0)
    scaled = steps[::scale_every] < lengths  # [number of scalings, B]
    # From the end to the first step, where only the start score is missing
    log_partition = (
        peaks
        + torch.where(scaled, scale[:, 1].log(), 0.0).sum(0)
        + norm[0, :, 0].log()
        + (lengths + 1) * shared.peak  # of the start, of each transition and of the end
    )

    redo = rows[:0]
    ample = scale_every > 1 and is_ample(message, scale_every)
    if not (ample and torch.minimum(norm.amin(), least_scale) >= UNDERFLOW):
        # [B]: whether it divides by next to nothing; by zero where there is no legal tag sequence
        unsafe = (~(norm[..., 0] >= UNDERFLOW) & inside).any(0)
        unsafe |= (~(scale.amin(1) >= UNDERFLOW) & scaled).any(0)
        unsafe |= underflowed(message, scale, scale_every, legal, allowed, mirror, inside)
        redo = unsafe.nonzero()[:, 0]
    marginals = marginals.transpose(0, 1)
    redone = None
    if len(redo):
        redone = log_space_forward_backward(chain.rows(redo))
        log_partition[redo], marginals[redo] = redone.log_partition, redone.marginals
    lattice = _Lattice(
        message[:, 0],
        right,
        norm,
        arriving[:, 1],
        mirror,
        shared.factors,
        shared.peak,
        scores.transitions,
        legal,
    )
    return Posterior(log_partition, marginals, lengths, lattice, redo, redone)

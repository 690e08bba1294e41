"""Forward and backward messages as probabilities in float64, scaled on the way.

A message holds for each state the sum, over the paths into it, of the exponential of their scores.

Shapes throughout: B sequences, T steps (the longest sequence), K tags.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from .chain import Legality, Scores, by_step
from .transitions import BothWays, Pairs

# Messages are scaled to sum to one after some steps: at least SCALE_EVERY, and as many as make
# none smaller by more than FREE_RANGE. Where a single step can make one smaller by more than
# SMALL_STEP, it is done after every step.
SCALE_EVERY = 8
MOST_STEPS = 32
SMALL_STEP = 60.0  # nats
# Both ways' messages are multiplied with one another: exp(-2 * 280) is 1e-243
FREE_RANGE = 280.0
# A message that is at least this after scaling stays far above float64's least, 1e-308, until the
# next: 1e-75 * exp(-60 * 8) is 1e-283.
AMPLE = 1e-75
# Below this share of its step's messages a state may have lost digits to underflow; what is above
# keeps full relative precision.
UNDERFLOW = 1e-250


class Shared(NamedTuple):
    """What all steps share: transition, start and end scores as factors in [0, 1].

    Attributes:
        factors: Of the transitions, zero where illegal.
        step: The step that they make, both ways.
        ends: Of start and end, zero where illegal, [2, K].
        peak: The score that became 1.
        range: Between the lowest and the highest score, in nats.
    """

    factors: Pairs
    step: BothWays
    ends: Tensor
    peak: Tensor
    range: Tensor


def shared_factors(scores: Scores, legal: Legality) -> Shared:
    """The factors of transition, start and end scores, kept until those of other scores come."""
    global _kept
    given = (scores.transitions, scores.start, scores.end)
    kept = _kept  # which another thread may replace
    if kept is not None and kept[1] is legal and all(map(_same, kept[0], given)):
        return kept[2]
    factors = Pairs.of(scores.transitions, legal, -torch.inf)
    ends = torch.stack([scores.start, scores.end])
    ends = ends.masked_fill(~torch.stack([legal.start, legal.end]), -torch.inf)
    peak = torch.maximum(factors.peak(), ends.amax()).double()
    factors = factors.map(lambda part: (part.double() - peak).exp_())
    parts = [part.aminmax() for part in given]
    least = torch.stack([part.min for part in parts]).amin()
    most = torch.stack([part.max for part in parts]).amax()
    ends = (ends.double() - peak).exp_()
    shared = Shared(factors, BothWays(factors), ends, peak, most - least)
    _kept = ([part.clone() for part in given], legal, shared)
    return shared


# The last factors, and what they were made of. For a short text they take as long as the rest
_kept: tuple[list[Tensor], Legality, Shared] | None = None


def _same(one: Tensor, other: Tensor) -> bool:
    return one.device == other.device and one.dtype == other.dtype and torch.equal(one, other)


def shrinks_by(scores: Scores, shared: Shared) -> tuple[Tensor, Tensor]:
    """By how many nats, at most, a step on a legal path makes its share of a message smaller.

    Returns:
        That, and the highest emission score in float64.
    """
    least, most = scores.emissions.aminmax()
    return most - least + shared.range, most.double()


def steps_between_scalings(nats: Tensor) -> int:
    """How many steps go by without scaling, where none shrinks by more than so many nats."""
    return min(MOST_STEPS, max(SCALE_EVERY, int(FREE_RANGE / max(float(nats), 1.0))))


def with_peaks(emissions: Tensor, usable: Tensor | None, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Emissions that are 0 beyond a sequence's end, and the highest usable of each step.

    Returns:
        Shapes [B, T, K] and [B, T, 1].
    """
    emissions = emissions.double().masked_fill(~inside[..., None], 0.0)
    if usable is None:
        return emissions, emissions.amax(-1, keepdim=True)
    within = emissions.masked_fill(inside[..., None] & ~usable, -torch.inf)
    return emissions, within.amax(-1, keepdim=True)


def emission_factors(emissions: Tensor, usable: Tensor | None, peak: Tensor) -> Tensor:
    """exp(emissions - peak), 0 where a tag is not usable: float64, contiguous."""
    factors = emissions.new_empty(emissions.shape, dtype=torch.float64)
    factors.copy_(emissions).sub_(peak).exp_()  # one array of this size is enough
    return factors if usable is None else factors.masked_fill_(~usable, 0.0)


def scaled_recursion(
    message: Tensor, step: BothWays, first: Tensor, scale_every: int
) -> tuple[Tensor, Tensor]:
    """The messages into each state, scaled to sum to one at every so many steps.

    Args:
        message: Emission factors of both directions, [T, 2, B, K], which the messages replace.
        step: A step of the recursion.
        first: Start factors, both directions, [2, 1, K].
        scale_every: Number of steps from one scaling to the next; the first step is scaled.

    Returns:
        Messages without the state's own emission [T, 2, B, K], and what was divided by, [number of
        scalings, 2, B].
    """
    arriving = torch.empty_like(message)
    scale = message.new_empty(len(message[::scale_every]), *message.shape[1:3], 1)
    arriving[0] = first
    message[0] *= first
    before = message[0]
    totals = by_step(scale)
    for t, (into, now) in enumerate(by_step(arriving, message)):
        if t:
            step(before, into)
            now.mul_(into)
        if t % scale_every == 0:
            (total,) = next(totals)
            torch.sum(now, -1, keepdim=True, out=total)
            now.div_(total)
        before = now
    return arriving, scale[..., 0]


def is_ample(message: Tensor, scale_every: int) -> bool:
    """Whether no state came near to losing digits, in messages scaled every so many steps."""
    looked_at = message[::scale_every]
    return bool(torch.where(looked_at > 0, looked_at, 1.0).amin() >= AMPLE)


def underflowed(
    message: Tensor,
    scale: Tensor,
    scale_every: int,
    legal: Legality,
    allowed: Tensor | None,
    mirror: Tensor,
    inside: Tensor,
) -> Tensor:
    """Which sequences lost a state that can be reached, so that their sums may be wrong.

    A message of zero is right where every legal way into the state comes from states whose own
    is zero. Where no other state is near zero, every sum is exact.

    Returns:
        bool [B].
    """
    reached = message.clone()  # before scaling
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
        steps = Pairs.of(legal.transitions.float(), legal, 0.0)
        for direction, way in enumerate((steps, steps.reversed())):
            sources = alive[:-1, direction].float().flatten(0, 1)
            n_ways = way.sums(sources).view(alive[1:, direction].shape)
            suspect[1:, direction] = faint[1:, direction] & (n_ways > 0)
    return suspect.any(-1).any(1).any(0)

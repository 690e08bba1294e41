"""Forward and backward messages as probabilities in float64, scaled on the way.

A message holds for each state the sum, over the paths into it, of the exponential of their scores.

Shapes throughout: B sequences, T steps (the longest sequence), K tags.
"""

from typing import Optional, Tuple

import torch
from torch import Tensor

from .chain import Legality, Scores, by_step

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
    """By how many nats, at most, a step on a legal path makes its share of a message smaller.

    Returns:
        That, and the highest emission score in float64.
    """
    least, most = scores.emissions.aminmax()
    shared = torch.cat([scores.transitions.flatten(), scores.start, scores.end])
    least_shared, most_shared = shared.aminmax()
    return most - least + most_shared - least_shared, most.double()


def steps_between_scalings(nats: Tensor) -> int:
    """How many steps go by without scaling, where none shrinks by more than so many nats."""
    return min(MOST_STEPS, max(SCALE_EVERY, int(FREE_RANGE / max(float(nats), 1.0))))


def with_peaks(
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
    message: Tensor, step: Tensor, first: Tensor, scale_every: int
) -> Tuple[Tensor, Tensor]:
    """The messages into each state, scaled to sum to one at every so many steps.

    Args:
        message: Emission factors of both directions, [T, 2, B, K], which the messages replace.
        step: Transition factors, both directions, [2, K, K].
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
            torch.bmm(before, step, out=into)
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
    allowed: Optional[Tensor],
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
        ways = torch.stack([legal.transitions, legal.transitions.T]).float()
        suspect[1:] = faint[1:] & (alive[:-1].float() @ ways > 0)
    return suspect.any(-1).any(1).any(0)

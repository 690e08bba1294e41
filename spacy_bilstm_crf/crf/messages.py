"""Forward and backward messages as probabilities in float64, rescaled on the way.

The message of a state is the sum, over all partial tag sequences that end in it, of the exponential
of their scores.

Shapes throughout: B sequences, T steps (the longest sequence), K tags.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from .chain import Legality, LinearChain, Scores, by_step
from .transitions import BothWays, Pairs

# Messages are scaled to sum to one every so many steps: SCALE_EVERY or more, up to MOST_STEPS, as
# long as no message shrinks by more than FREE_RANGE in between. If a single step can shrink one by
# more than SMALL_STEP, they are scaled after every step.
SCALE_EVERY = 8
MOST_STEPS = 32
SMALL_STEP = 60.0  # nats
# In nats. Forward and backward messages are multiplied: exp(-2 * 280) is 1e-243
FREE_RANGE = 280.0
# A message of at least this after scaling stays far above the least float64, 1e-308, until the
# next scaling: 1e-75 * exp(-60 * 8) is 1e-283
AMPLE = 1e-75
# Below this share of its step's messages, a state may have lost digits to underflow. Anything above
# has full relative precision
UNDERFLOW = 1e-250


class Shared(NamedTuple):
    """Transition, start and end scores, which all steps share, as factors in [0, 1].

    Attributes:
        factors: Factors of the transitions, 0 if illegal.
        step: A step of the recursion in both directions.
        ends: Factors of start and end, 0 if illegal, [2, K].
        peak: The score whose factor is 1.
        range: Difference of the highest and the lowest score, in nats.
    """

    factors: Pairs
    step: BothWays
    ends: Tensor
    peak: Tensor
    range: Tensor


# The last factors, and what they were made from. For a short text they take as long as all the rest
_kept: tuple[list[Tensor], Legality, Shared] | None = None


def shared_factors(scores: Scores, legal: Legality) -> Shared:
    """Return the factors of transition, start and end scores.

    The last result is kept for the next call with the same scores.

    Args:
        scores: The potentials.
        legal: What the tag scheme allows.
    """
    global _kept
    given = (scores.transitions, scores.start, scores.end)
    kept = _kept  # another thread may replace it
    if kept is not None and kept[1] is legal and all(map(_same, kept[0], given)):
        return kept[2]
    factors = Pairs.of(scores.transitions, legal, -torch.inf)
    ends = torch.stack([scores.start, scores.end])
    ends = ends.masked_fill(~torch.stack([legal.start, legal.end]), -torch.inf)
    peak = torch.maximum(factors.peak(), ends.amax()).double()
    factors = factors.map(lambda table: (table.double() - peak).exp_())
    ranges = [each.aminmax() for each in given]
    least = torch.stack([each.min for each in ranges]).amin()
    most = torch.stack([each.max for each in ranges]).amax()
    ends = (ends.double() - peak).exp_()
    shared = Shared(factors, BothWays(factors), ends, peak, most - least)
    _kept = ([each.clone() for each in given], legal, shared)
    return shared


def _same(one: Tensor, other: Tensor) -> bool:
    return one.device == other.device and one.dtype == other.dtype and torch.equal(one, other)


def scaling(emissions: Tensor, shared: Shared) -> tuple[int, Tensor]:
    """Decide how often to scale messages, from how much a legal step can shrink one.

    Args:
        emissions: Emission scores.
        shared: The factors of the other scores.

    Returns:
        Number of steps between scalings, 1 if a step may shrink a message by more than
        `SMALL_STEP`, and the highest emission score in float64.
    """
    least, most = emissions.aminmax()
    nats = float(most - least + shared.range)
    steps = max(SCALE_EVERY, int(FREE_RANGE / max(nats, 1.0))) if nats <= SMALL_STEP else 1
    return min(MOST_STEPS, steps), most.double()


def with_peaks(emissions: Tensor, usable: Tensor | None, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Set emissions beyond the end of a sequence to 0, and find the highest usable ones.

    Args:
        emissions: Emission scores, [B, T, K].
        usable: Tags that each token may have, bool [B, T, K]; None for all.
        inside: Steps within a sequence, bool [B, T].

    Returns:
        The emissions, float64 [B, T, K], and the highest usable emission of each step, [B, T, 1].
    """
    emissions = emissions.double().masked_fill(~inside[..., None], 0.0)
    if usable is None:
        return emissions, emissions.amax(-1, keepdim=True)
    within = emissions.masked_fill(inside[..., None] & ~usable, -torch.inf)
    return emissions, within.amax(-1, keepdim=True)


def emission_factors(emissions: Tensor, usable: Tensor | None, peak: Tensor) -> Tensor:
    """Compute exp(emissions - peak), 0 for tags that are not usable.

    Args:
        emissions: Emission scores, of any shape.
        usable: Tags that each token may have, bool of the same shape; None for all.
        peak: The score whose factor is 1, broadcast to the emissions.

    Returns:
        float64 of the same shape, contiguous.
    """
    factors = emissions.new_empty(emissions.shape, dtype=torch.float64)
    factors.copy_(emissions).sub_(peak).exp_()  # in a single array of this size
    return factors if usable is None else factors.masked_fill_(~usable, 0.0)


def scaled_recursion(
    message: Tensor, step: BothWays, first: Tensor, scale_every: int
) -> tuple[Tensor, Tensor]:
    """Compute the messages of each state, scaled to sum to one every so many steps.

    Args:
        message: Emission factors of both directions, [T, 2, B, K]; replaced by the messages.
        step: A step of the recursion.
        first: Start factors of both directions, [2, 1, K].
        scale_every: Number of steps between scalings. The first step is scaled.

    Returns:
        The messages without the state's own emission, [T, 2, B, K], and the divisors of the
        scalings, [number of scalings, 2, B].
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
    """Check that no state came near to losing digits.

    Args:
        message: The messages, [T, 2, B, K].
        scale_every: Number of steps between scalings.
    """
    looked_at = message[::scale_every]
    return bool(torch.where(looked_at > 0, looked_at, 1.0).amin() >= AMPLE)


def underflowed(
    chain: LinearChain, mirror: Tensor, message: Tensor, scale: Tensor, scale_every: int
) -> Tensor:
    """Find sequences that lost a reachable state to underflow: their sums may be wrong.

    A message of zero is correct if every legal transition into the state comes from states with a
    message of zero. If no other state is near zero, every sum is exact.

    Args:
        chain: The sequences.
        mirror: Steps of the sequences counted from their ends, int64 [T, B].
        message: The messages, [T, 2, B, K].
        scale: The divisors of the scalings, [number of scalings, 2, B].
        scale_every: Number of steps between scalings.

    Returns:
        bool [B].
    """
    _, lengths, legal, allowed = chain
    inside = torch.arange(len(mirror), device=mirror.device)[:, None] < lengths  # [T, B]
    reached = message.clone()  # before scaling
    reached[::scale_every] *= scale[..., None]
    alive = reached >= UNDERFLOW
    faint = ~alive & inside[:, None, :, None]
    if allowed is not None:
        usable = allowed.transpose(0, 1)
        faint &= torch.stack(
            [usable, usable[mirror, torch.arange(mirror.shape[1], device=mirror.device)]], 1
        )
    # Nothing precedes the first step: legality alone decides
    suspect = torch.zeros_like(faint)
    suspect[0] = faint[0] & torch.stack([legal.start, legal.end])[:, None]
    if faint[1:].any():
        steps = Pairs.of(legal.transitions.float(), legal, 0.0)
        for direction, way in enumerate((steps, steps.reversed())):
            sources = alive[:-1, direction].float().flatten(0, 1)
            n_ways = way.sums(sources).view(alive[1:, direction].shape)
            suspect[1:, direction] = faint[1:, direction] & (n_ways > 0)
    return suspect.any(-1).any(1).any(0)

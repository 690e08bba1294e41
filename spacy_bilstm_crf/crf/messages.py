"""Forward and backward messages as probabilities in float64, rescaled on the way.

The message of a state is the sum, over all partial tag sequences that end in it, of the exponential
of their scores.

Shapes throughout: B sequences, T steps (the longest sequence), K tags.
"""

from typing import NamedTuple

from .arrays import Array, arange, device_of, empty, float64, namespace_of
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
    ends: Array
    peak: Array
    range: Array


# The last factors, and what they were made from. For a short text they take as long as all the rest
_kept: tuple[list[Array], Legality, Shared] | None = None


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
    xp = namespace_of(scores.transitions)
    pairs = Pairs.of(float64(scores.transitions), legal, -xp.inf)
    ends = float64(xp.stack([scores.start, scores.end]))
    ends = xp.where(xp.stack([legal.start, legal.end]), ends, -xp.inf)
    peak = xp.maximum(pairs.peak(), xp.amax(ends))
    factors = pairs.map(lambda table: xp.exp(table - peak))
    every = float64(xp.concatenate([each.reshape(-1) for each in given]))
    shared = Shared(
        factors, BothWays(factors), xp.exp(ends - peak), peak, xp.amax(every) - xp.amin(every)
    )
    _kept = ([each + 0.0 for each in given], legal, shared)  # copies
    return shared


def _same(one: Array, other: Array) -> bool:
    is_alike = type(one) is type(other) and one.dtype == other.dtype and one.shape == other.shape
    return is_alike and device_of(one) == device_of(other) and bool((one == other).all())


def scaling(emissions: Array, shared: Shared) -> tuple[int, Array]:
    """Decide how often to scale messages, from how much a legal step can shrink one.

    Args:
        emissions: Emission scores.
        shared: The factors of the other scores.

    Returns:
        Number of steps between scalings, 1 if a step may shrink a message by more than
        `SMALL_STEP`, and the highest emission score, float64 [1].
    """
    xp = namespace_of(emissions)
    most = float64(xp.amax(emissions.reshape(1, -1), 1))
    nats = (most - xp.amin(emissions) + shared.range).item()
    steps = max(SCALE_EVERY, int(FREE_RANGE / max(nats, 1.0))) if nats <= SMALL_STEP else 1
    return min(MOST_STEPS, steps), most


def with_peaks(emissions: Array, usable: Array | None, inside: Array) -> tuple[Array, Array]:
    """Set emissions beyond the end of a sequence to 0, and find the highest usable ones.

    Args:
        emissions: Emission scores, [B, T, K].
        usable: Tags that each token may have, bool [B, T, K]; None for all.
        inside: Steps within a sequence, bool [B, T].

    Returns:
        The emissions, float64 [B, T, K], and the highest usable emission of each step, [B, T, 1].
    """
    xp = namespace_of(emissions)
    emissions = xp.where(inside[..., None], float64(emissions), 0.0)
    within = emissions
    if usable is not None:
        within = xp.where(inside[..., None] & ~usable, -xp.inf, emissions)
    return emissions, xp.amax(within, -1, keepdims=True)


def emission_factors(emissions: Array, usable: Array | None, peak: Array) -> Array:
    """Compute exp(emissions - peak), 0 for tags that are not usable.

    Args:
        emissions: Emission scores, of any shape.
        usable: Tags that each token may have, bool of the same shape; None for all.
        peak: The score whose factor is 1, float64, broadcast to the emissions.

    Returns:
        float64 of the same shape, contiguous.
    """
    factors = emissions - peak
    namespace_of(factors).exp(factors, out=factors)
    if usable is not None:
        factors[~usable] = 0.0
    return factors


def scaled_recursion(
    message: Array, step: BothWays, first: Array, scale_every: int
) -> tuple[Array, Array]:
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
    xp = namespace_of(message)
    arriving = xp.empty_like(message)
    scale = empty((len(message[::scale_every]), *message.shape[1:3], 1), like=message)
    arriving[0] = first
    message[0] *= first
    before = message[0]
    totals = by_step(scale)
    for t, (into, now) in enumerate(by_step(arriving, message)):
        if t:
            step(before, into)
            now *= into
        if t % scale_every == 0:
            (total,) = next(totals)
            xp.sum(now, -1, keepdims=True, out=total)
            now /= total
        before = now
    return arriving, scale[..., 0]


def is_ample(message: Array, scale_every: int) -> bool:
    """Check that no state came near to losing digits.

    Args:
        message: The messages, [T, 2, B, K].
        scale_every: Number of steps between scalings.
    """
    looked_at = message[::scale_every]
    xp = namespace_of(message)
    return bool(xp.amin(xp.where(looked_at > 0, looked_at, 1.0)) >= AMPLE)


def underflowed(
    chain: LinearChain, mirror: Array, message: Array, scale: Array, scale_every: int
) -> Array:
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
    xp = namespace_of(message)
    inside = arange(len(mirror), like=mirror)[:, None] < lengths  # [T, B]
    reached = message + 0.0  # a copy: before scaling
    reached[::scale_every] *= scale[..., None]
    alive = reached >= UNDERFLOW
    faint = ~alive & inside[:, None, :, None]
    if allowed is not None:
        usable = allowed.swapaxes(0, 1)
        faint &= xp.stack([usable, usable[mirror, arange(len(lengths), like=mirror)]], 1)
    # Nothing precedes the first step: legality alone decides
    suspect = xp.zeros_like(faint)
    suspect[0] = faint[0] & xp.stack([legal.start, legal.end])[:, None]
    if faint[1:].any():
        steps = Pairs.of(float64(legal.transitions), legal, 0.0)
        for direction, way in enumerate((steps, steps.reversed())):
            sources = float64(alive[:-1, direction]).reshape(-1, alive.shape[-1])
            n_ways = way.sums(sources).reshape(alive[1:, direction].shape)
            suspect[1:, direction] = faint[1:, direction] & (n_ways > 0)
    return suspect.any(-1).any(1).any(0)

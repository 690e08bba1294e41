"""Forward-backward over a sequence of any length, in memory that hardly grows with its length.

A segment is a stretch of one long sequence. The rest of the sequence matters to it only through the
messages that arrive at its two ends. A first run along the sequence keeps only these messages, and
a second run computes the posterior segment by segment.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from .arrays import (
    Array,
    arange,
    asarray,
    device_of,
    empty,
    float64,
    full,
    namespace_of,
    quietly,
)
from .chain import Legality, LinearChain, Scores
from .forward_backward import Posterior, forward_backward
from .messages import emission_factors, is_ample, scaled_recursion, scaling, shared_factors

# Steps from one segment's start to the next. Memory of the first run grows with the number of
# segments, that of the second with their size: with many tags they are shorter
SEGMENT = 4096
SHORTEST_SEGMENT = 1024
SCORES_OF_SEGMENT = 1 << 19
SEGMENTS_AT_ONCE = 8
SCORES_AT_ONCE = 1 << 21


def steps_of_segment(n_tags: int) -> int:
    """Return the number of steps from one segment's start to the next, for a number of tags."""
    return min(SEGMENT, max(SHORTEST_SEGMENT, SCORES_OF_SEGMENT // n_tags))


class Segment(NamedTuple):
    """A stretch of a sequence that overlaps the next one.

    Each segment is responsible for the steps before the next one's start.

    Attributes:
        start: First step.
        next_start: First step of the next segment.
        end: Step after the last: at least the overlap beyond `next_start`, or the sequence's end.
    """

    start: int
    next_start: int
    end: int


def posteriors(
    chain: LinearChain, overlap: int, spans: Sequence[tuple[int, int]] = ()
) -> Iterator[tuple[list[Segment], Posterior]]:
    """Compute the posteriors of the segments of one sequence, a few segments at a time.

    The result is exact: the first and last emissions of a segment include the messages from before
    and after it. If float64 can't hold these messages, the whole sequence is a single segment.

    Args:
        chain: A single sequence.
        overlap: Least number of steps that a segment has beyond the next one's start.
        spans: First step, and step after the last, of spans of any length. Each lies within the
            segment that is responsible for its first step.

    Yields:
        Segments, and a posterior with a row for each. Marginals and `log_next` are those of the
        whole sequence, log-partitions are not.
    """
    _, n_steps, n_tags = chain.scores.emissions.shape
    size = steps_of_segment(n_tags)
    messages = _messages(chain, size)
    if messages is None:
        yield [Segment(0, n_steps, n_steps)], forward_backward(chain)
        return
    into, back_into = messages
    overlaps = [overlap] * len(into)
    for start, end in spans:  # one long span makes one long segment, or the time were quadratic
        i = start // size
        overlaps[i] = max(overlaps[i], end - (i + 1) * size)
    segments = [_segment(i, n_steps, size, each) for i, each in enumerate(overlaps)]
    for some in _at_once(segments, n_tags):
        before = into[[each.start // size for each in some]]
        after = back_into[[(n_steps - each.end) // size for each in some]]
        yield some, _of_segments(chain, some, before, after)


def _at_once(segments: list[Segment], n_tags: int) -> Iterator[list[Segment]]:
    """Yield neighbouring segments that are padded to the longest of them."""
    some: list[Segment] = []
    longest = 0
    for segment in segments:
        longest = max(longest, segment.end - segment.start)
        n_scores = longest * n_tags * (len(some) + 1)
        if some and (len(some) == SEGMENTS_AT_ONCE or n_scores > SCORES_AT_ONCE):
            yield some
            some, longest = [], segment.end - segment.start
        some.append(segment)
    yield some


def _segment(i: int, n_steps: int, size: int, overlap: int) -> Segment:
    """Return the i-th segment. Its end is a whole number of segments from the sequence's end."""
    start, next_start = i * size, min((i + 1) * size, n_steps)
    end = n_steps - max(0, (n_steps - next_start - overlap) // size) * size
    return Segment(start, next_start, end)


@quietly
def _messages(chain: LinearChain, size: int) -> tuple[Array, Array] | None:
    """Compute the messages that arrive at the ends of segments, without their own emissions.

    Returns:
        The forward messages at each segment's first step, and the backward messages at each step
        that is a whole number of segments from the sequence's end: float64 [number of segments, K],
        each row with a scale of its own. None if digits may have been lost.
    """
    scores, _, legal, allowed = chain
    _, step, ends, *_ = shared = shared_factors(scores, legal)
    scale_every, peak = scaling(scores.emissions, shared)
    if scale_every == 1:
        return None
    n_steps = scores.emissions.shape[1]
    arriving = ends[:, None]  # [2, 1, K]
    found = [arriving]
    for i in range((n_steps - 1) // size):
        steps = slice(i * size, (i + 1) * size)
        from_end = slice(n_steps - (i + 1) * size, n_steps - i * size)
        emissions = _from_both_ends(scores.emissions, steps, from_end)
        usable = None if allowed is None else _from_both_ends(allowed, steps, from_end)
        message = emission_factors(emissions, usable, peak)[:, :, None]
        _, scale = scaled_recursion(message, step, arriving, scale_every)
        if not (is_ample(message, scale_every) and (scale > 0).all()):
            return None
        arriving = empty(arriving.shape, like=arriving)
        step(message[-1], arriving)
        arriving /= arriving.sum(-1, keepdims=True)
        found.append(arriving)
    stacked = namespace_of(arriving).stack(found)[:, :, 0]
    return stacked[:, 0], stacked[:, 1]


def _from_both_ends(of_sequence: Array, steps: slice, from_end: slice) -> Array:
    """Stack some steps of [1, T, K] and some other steps reversed: [n_steps, 2, K]."""
    xp = namespace_of(of_sequence)
    return xp.stack([of_sequence[0, steps], xp.flip(of_sequence[0, from_end], (0,))], 1)


@quietly
def _of_segments(
    chain: LinearChain, segments: list[Segment], before: Array, after: Array
) -> Posterior:
    """Run forward-backward on segments.

    Args:
        chain: The sequence.
        segments: S of its segments.
        before: Forward messages that arrive at their first steps, [S, K].
        after: Backward messages that arrive at their last steps, [S, K].
    """
    scores, _, legal, allowed = chain
    xp = namespace_of(before)
    sizes = [each.end - each.start for each in segments]
    lengths = asarray(np.array(sizes), device_of(before))
    n_tags = before.shape[1]
    emissions = full((len(segments), max(sizes), n_tags), 0.0, like=before)
    usable = emissions == 0.0
    for i, segment in enumerate(segments):
        size = segment.end - segment.start
        emissions[i, :size] = scores.emissions[0, segment.start : segment.end]
        if allowed is not None:
            usable[i, :size] = allowed[0, segment.start : segment.end]
    rows = arange(len(segments), like=before)
    for step, arriving in ((xp.zeros_like(lengths), before), (lengths - 1, after)):
        reachable = arriving > 0
        usable[rows, step] &= reachable
        emissions[rows, step] += xp.log(xp.where(reachable, arriving, 1.0))
    zeros = full((n_tags,), 0.0, like=before)
    all_tags = zeros == 0.0
    return forward_backward(
        LinearChain(
            Scores(emissions, float64(scores.transitions), zeros, zeros),
            lengths,
            Legality(legal.transitions, all_tags, all_tags, legal.blocks),
            usable,
        )
    )

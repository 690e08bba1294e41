"""Forward-backward over a sequence of any length, in memory that hardly grows with it.

What the rest of a sequence says about a segment of it is a vector at each of its ends: the
messages that arrive there. A first run along the sequence keeps these vectors alone, a
second one works out segment by segment what forward-backward knows.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from .chain import Legality, LinearChain, Scores
from .forward_backward import Posterior, forward_backward
from .messages import (
    SMALL_STEP,
    emission_factors,
    is_ample,
    scaled_recursion,
    shared_factors,
    shrinks_by,
    steps_between_scalings,
)

# Steps from one segment's start to the next. What is kept of the first run grows with the
# number of segments, what the second needs with their size: with many tags they are shorter.
SEGMENT = 4096
SHORTEST_SEGMENT = 1024
SCORES_OF_SEGMENT = 1 << 19
SEGMENTS_AT_ONCE = 8
SCORES_AT_ONCE = 1 << 21


def steps_of_segment(n_tags: int) -> int:
    """Steps from one segment's start to the next."""
    return min(SEGMENT, max(SHORTEST_SEGMENT, SCORES_OF_SEGMENT // n_tags))


class Segment(NamedTuple):
    """A part of a sequence, and the part of it that no other segment answers for.

    Attributes:
        start: Its first step.
        next_start: The next segment's start.
        end: Beyond that, by the overlap at least, where the sequence is as long.
    """

    start: int
    next_start: int
    end: int


def posteriors(chain: LinearChain, overlap: int) -> Iterator[tuple[list[Segment], Posterior]]:
    """What forward-backward knows about the segments of one sequence, some at a time.

    Exact: a segment's first and last emissions take up what comes before and after it. Scores
    for which that could not be held in float64 get a single segment, the whole sequence.

    Args:
        chain: A single sequence.
        overlap: Steps that a segment has, at least, beyond those that it answers for.

    Returns:
        Segments, and the posterior that has one row for each. Marginals and `log_next` are those of
        the sequence; log-partitions are not.
    """
    _, n_steps, n_tags = chain.scores.emissions.shape
    size = steps_of_segment(n_tags)
    messages = _messages(chain, size)
    if messages is None:
        yield [Segment(0, n_steps, n_steps)], forward_backward(chain)
        return
    into, back_into = messages
    segments = [_segment(i, n_steps, size, overlap) for i in range(len(into))]
    at_once = min(SEGMENTS_AT_ONCE, max(1, SCORES_AT_ONCE // (n_tags * (size + overlap))))
    for first in range(0, len(segments), at_once):
        some = segments[first : first + at_once]
        before = into[first : first + at_once]
        after = torch.stack([back_into[(n_steps - part.end) // size] for part in some])
        yield some, _of_segments(chain, some, before, after)


def _segment(i: int, n_steps: int, size: int, overlap: int) -> Segment:
    """The segment of a place in the order. Its end is a whole number of steps from the last."""
    start, next_start = i * size, min((i + 1) * size, n_steps)
    end = n_steps - max(0, (n_steps - next_start - overlap) // size) * size
    return Segment(start, next_start, end)


def _messages(chain: LinearChain, size: int) -> tuple[Tensor, Tensor] | None:
    """Messages of the paths that arrive at each segment's first step, and at each step that is a
    whole number of segments from the sequence's end: their own emissions are not included.

    Returns:
        Two tensors [number of segments, K], each row scaled at will; None where digits may have
        been lost.
    """
    scores, _, legal, allowed = chain
    _, step, ends, *_ = shared = shared_factors(scores, legal)
    nats, peak = shrinks_by(scores, shared)
    if not nats <= SMALL_STEP:
        return None
    n_steps = scores.emissions.shape[1]
    scale_every = steps_between_scalings(nats)
    arriving = ends[:, None]  # [2, 1, K]
    found = [arriving]
    for i in range((n_steps - 1) // size):
        places = slice(i * size, (i + 1) * size)
        from_end = slice(n_steps - (i + 1) * size, n_steps - i * size)
        emissions = _from_both_ends(scores.emissions, places, from_end)
        usable = None if allowed is None else _from_both_ends(allowed, places, from_end)
        message = emission_factors(emissions, usable, peak)[:, :, None]
        _, scale = scaled_recursion(message, step, arriving, scale_every)
        if not (is_ample(message, scale_every) and (scale > 0).all()):
            return None
        arriving = torch.empty_like(arriving)
        step(message[-1], arriving)
        arriving /= arriving.sum(-1, keepdim=True)
        found.append(arriving)
    into, back_into = torch.stack(found)[:, :, 0].unbind(1)
    return into, back_into


def _from_both_ends(of_sequence: Tensor, places: slice, from_end: slice) -> Tensor:
    """A part of [1, T, K], and another that is reversed: [steps, 2, K]."""
    return torch.stack([of_sequence[0, places], of_sequence[0, from_end].flip(0)], 1)


def _of_segments(
    chain: LinearChain, segments: list[Segment], before: Tensor, after: Tensor
) -> Posterior:
    """Forward-backward of segments, with the messages that arrive at their ends, each [S, K]."""
    scores, _, legal, allowed = chain
    device = before.device
    lengths = torch.tensor([part.end - part.start for part in segments], device=device)
    n_tags = before.shape[1]
    shape = (len(segments), int(lengths.max()), n_tags)
    emissions = torch.zeros(shape, dtype=torch.float64, device=device)
    usable = torch.ones(shape, dtype=torch.bool, device=device)
    for i, part in enumerate(segments):
        size = part.end - part.start
        emissions[i, :size] = scores.emissions[0, part.start : part.end]
        if allowed is not None:
            usable[i, :size] = allowed[0, part.start : part.end]
    rows = torch.arange(len(segments), device=device)
    for place, arriving in ((torch.zeros_like(lengths), before), (lengths - 1, after)):
        reachable = arriving > 0
        usable[rows, place] &= reachable
        emissions[rows, place] += torch.where(reachable, arriving, 1.0).log()
    nothing = torch.zeros(n_tags, dtype=torch.float64, device=device)
    all_tags = torch.ones(n_tags, dtype=torch.bool, device=device)
    return forward_backward(
        LinearChain(
            Scores(emissions, scores.transitions.double(), nothing, nothing),
            lengths,
            Legality(legal.transitions, all_tags, all_tags, legal.blocks),
            usable,
        )
    )

"""Timing of peers side by side: they take turns, block by block."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

# A block of calls takes about this long, so that the clock and a cold cache don't matter
BLOCK_SECONDS = 0.1


def in_turns(peers: dict[str, Callable[[], Any]], rounds: int = 11) -> dict[str, list[float]]:
    """Return the seconds that a call of each peer takes, in each round.

    A round runs a block of every peer. Slow peers run in the first rounds only: in three if a call
    takes as long as ten blocks, in one if it takes as long as a hundred.
    """
    calls, n_rounds = {}, {}
    for name, call in peers.items():
        first = seconds_of(call)  # with what is set up at the first call
        once = seconds_of(call) if first < BLOCK_SECONDS else first
        calls[name] = max(1, round(BLOCK_SECONDS / once))
        blocks = once / BLOCK_SECONDS
        n_rounds[name] = rounds if blocks < 10 else 3 if blocks < 100 else 1
    found: dict[str, list[float]] = {name: [] for name in peers}
    for number in range(rounds):
        for name, call in peers.items():
            if number < n_rounds[name]:
                found[name].append(seconds_of(call, calls[name]))
    return found


def seconds_of(call: Callable[[], Any], times: int = 1) -> float:
    """Return the mean seconds of some calls."""
    start = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - start) / times


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the median, the smallest and the largest of some values."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratio(ones: Sequence[float], others: Sequence[float]) -> dict[str, float]:
    """Return the spread of the ratios of two systems, round by round."""
    return spread([one / other for one, other in zip(ones, others)])

"""Batches of sequences of similar length, for networks that need them padded."""

from collections.abc import Iterator


def batches_of_similar_length(lengths: list[int], step_cost: float) -> Iterator[tuple[int, int]]:
    """Yield the start and end of batches with little padding, without empty sequences.

    Args:
        lengths: Lengths of the sequences, longest first.
        step_cost: Cost of a further step, however many sequences take it, in tokens of padding.
            When padding costs more, the next batch starts.
    """
    start = padding = 0
    for i, length in enumerate(lengths):
        if not length:
            if i > start:
                yield start, i
            return  # all others are empty too
        padding += lengths[start] - length
        if padding > step_cost * length:
            yield start, i
            start, padding = i, 0
    if start < len(lengths):
        yield start, len(lengths)

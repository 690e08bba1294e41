"""What the linear-chain CRF is made of: see the package for the model.

Shapes: B sequences, T steps (the longest sequence), K tags.
"""

from typing import Iterator, NamedTuple, Optional, Tuple

from torch import Tensor

# Steps of which there are views at once: a million would need more memory than what they show
BLOCK = 256


class Scores(NamedTuple):
    """The potentials of a batch of sequences, or a gradient with respect to them."""

    emissions: Tensor  # [B, T, K]
    transitions: Tensor  # [K, K], from row to column
    start: Tensor  # [K]
    end: Tensor  # [K]


class Legality(NamedTuple):
    """Which tags may start a sequence, follow one another and end it."""

    transitions: Tensor  # bool [K, K], from row to column
    start: Tensor  # bool [K]
    end: Tensor  # bool [K]


def validate(scores: Scores, lengths: Tensor, legal: Legality, allowed: Optional[Tensor]) -> None:
    """Check that shapes fit together.

    RAISES (ValueError): Naming the sizes that are at fault.
    """
    n_rows, n_steps, n_tags = scores.emissions.shape
    for name, found, expected in (
        ("transitions", scores.transitions, (n_tags, n_tags)),
        ("start", scores.start, (n_tags,)),
        ("end", scores.end, (n_tags,)),
        ("legal transitions", legal.transitions, (n_tags, n_tags)),
        ("allowed tags", allowed, (n_rows, n_steps, n_tags)),
        ("lengths", lengths, (n_rows,)),
    ):
        if found is not None and tuple(found.shape) != expected:
            raise ValueError(
                f"The {name} have the shape {tuple(found.shape)}, but emissions of the shape "
                f"{(n_rows, n_steps, n_tags)} need {expected}."
            )


def by_step(*parts: Tensor) -> Iterator[Tuple[Tensor, ...]]:
    """Views of each step of tensors that have time as their first axis, in order."""
    for start in range(0, len(parts[0]), BLOCK):
        yield from zip(*(part[start : start + BLOCK].unbind() for part in parts))

"""What the linear-chain CRF is made of: see the package for the model.

Shapes: B sequences, T steps (the longest sequence), K tags.
"""

from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor

# Steps of which there are views at once: a million would need more memory than what they show
BLOCK = 256


class Scores(NamedTuple):
    """The potentials of a batch of sequences, or a gradient with respect to them.

    Attributes:
        emissions: Of each tag at each step, [B, T, K].
        transitions: From row to column, [K, K].
        start: Of each tag at the first step, [K].
        end: Of each tag at the last step, [K].
    """

    emissions: Tensor
    transitions: Tensor
    start: Tensor
    end: Tensor


class Blocks(NamedTuple):
    """Legal transitions where they form blocks: each tag of one side before each of the other.

    One wide block of many tags, and G narrow ones of few, all of the same size. Each tag is in one
    block as the tag before and in one as the tag after. So it is with BILUO tags: within an entity
    only its own label goes on, and any other entity follows one that has ended.

    Attributes:
        wide_from: Tags before, int64 [F].
        wide_to: Tags after, int64 [M].
        narrow_from: Tags before, int64 [G, R].
        narrow_to: Tags after, int64 [G, C].
    """

    wide_from: Tensor
    wide_to: Tensor
    narrow_from: Tensor
    narrow_to: Tensor

    @property
    def n_tags(self) -> int:
        """Number of tags, K."""
        return self.wide_from.numel() + self.narrow_from.numel()

    def reversed(self) -> "Blocks":
        """The same transitions on the way back."""
        return Blocks(self.wide_to, self.wide_from, self.narrow_to, self.narrow_from)


class Legality(NamedTuple):
    """Which tags may start a sequence, follow one another and end it.

    Attributes:
        transitions: From row to column, bool [K, K].
        start: bool [K].
        end: bool [K].
        blocks: The transitions once more, where they form blocks: with many tags that takes a
            quarter of the time, and less memory.
    """

    transitions: Tensor
    start: Tensor
    end: Tensor
    blocks: Blocks | None = None


class LinearChain(NamedTuple):
    """A batch of sequences: what decides how probable each of their tag sequences is.

    Attributes:
        scores: The potentials.
        lengths: Length of each sequence, at least 1, int64 [B].
        legal: What the tag scheme allows.
        allowed: Tags that each token may have, bool [B, T, K]; None for all.
    """

    scores: Scores
    lengths: Tensor
    legal: Legality
    allowed: Tensor | None = None

    def validate(self) -> None:
        """Check that shapes fit together.

        Raises:
            ValueError: Naming the sizes that are at fault.
        """
        scores = self.scores
        n_rows, n_steps, n_tags = scores.emissions.shape
        for name, found, expected in (
            ("transitions", scores.transitions, (n_tags, n_tags)),
            ("start", scores.start, (n_tags,)),
            ("end", scores.end, (n_tags,)),
            ("legal transitions", self.legal.transitions, (n_tags, n_tags)),
            ("allowed tags", self.allowed, (n_rows, n_steps, n_tags)),
            ("lengths", self.lengths, (n_rows,)),
        ):
            if found is not None and tuple(found.shape) != expected:
                raise ValueError(
                    f"The {name} have the shape {tuple(found.shape)}, but emissions of the shape "
                    f"{(n_rows, n_steps, n_tags)} need {expected}."
                )

    def rows(self, rows: Tensor, n_steps: int | None = None) -> "LinearChain":
        """Some of the sequences, int64 [R], cut to so many steps where all of them have ended."""
        scores = self.scores._replace(emissions=self.scores.emissions[rows, :n_steps])
        allowed = None if self.allowed is None else self.allowed[rows, :n_steps]
        return LinearChain(scores, self.lengths[rows], self.legal, allowed)

    def sequence(self, row: int, length: int) -> "LinearChain":
        """A single sequence, without what is beyond its end."""
        scores = self.scores._replace(emissions=self.scores.emissions[row, None, :length])
        allowed = None if self.allowed is None else self.allowed[row, None, :length]
        return LinearChain(scores, self.lengths[row, None], self.legal, allowed)


def by_step(*parts: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Views of each step of tensors that have time as their first axis, in order."""
    for start in range(0, len(parts[0]), BLOCK):
        yield from zip(*(part[start : start + BLOCK].unbind() for part in parts))

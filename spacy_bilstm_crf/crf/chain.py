"""The data structures of the linear-chain CRF; the package describes the model.

Shapes: B sequences, T steps (the longest sequence), K tags.
"""

from collections.abc import Iterator
from typing import NamedTuple

from .arrays import Array, namespace_of

# Number of steps with a view at once: a million views would need more memory than their data
BLOCK = 256


class Scores(NamedTuple):
    """The potentials of a batch of sequences, or a gradient with respect to them.

    Attributes:
        emissions: Score of each tag at each step, [B, T, K].
        transitions: Score of each tag (column) after each tag (row), [K, K].
        start: Score of each tag at the first step, [K].
        end: Score of each tag at the last step, [K].
    """

    emissions: Array
    transitions: Array
    start: Array
    end: Array


class Blocks(NamedTuple):
    """Legal transitions that form blocks: in a block, every source tag precedes every target tag.

    There is one wide block of many tags, and G narrow blocks of few tags, all of the same size.
    Each tag is a source in exactly one block and a target in exactly one. BILUO tags are like this:
    within an entity only tags of its label may follow, and after an entity any tag that starts one.

    Attributes:
        wide_from: Sources of the wide block, int64 [F].
        wide_to: Targets of the wide block, int64 [M].
        narrow_from: Sources of each narrow block, int64 [G, R].
        narrow_to: Targets of each narrow block, int64 [G, C].
    """

    wide_from: Array
    wide_to: Array
    narrow_from: Array
    narrow_to: Array

    @property
    def n_tags(self) -> int:
        """Number of tags, K."""
        return len(self.wide_from) + len(self.narrow_from.reshape(-1))

    @property
    def are_square(self) -> bool:
        """Whether each block has as many sources as targets."""
        wide_from, wide_to, narrow_from, narrow_to = self
        return len(wide_from) == len(wide_to) and narrow_from.shape == narrow_to.shape

    def by_place(self) -> tuple[Array, Array]:
        """Return all tags as sources, and as targets, in the order of the blocks: [K] each.

        The first tags of all narrow blocks are next to one another, and so are the second ones.
        """
        concatenate = namespace_of(self.wide_from).concatenate
        return (
            concatenate([self.wide_from, self.narrow_from.T.reshape(-1)]),
            concatenate([self.wide_to, self.narrow_to.T.reshape(-1)]),
        )

    def reversed(self) -> "Blocks":
        """Return the transitions of the reversed sequences."""
        return Blocks(self.wide_to, self.wide_from, self.narrow_to, self.narrow_from)


class Legality(NamedTuple):
    """Which tags may start a sequence, follow one another and end it.

    Attributes:
        transitions: Whether a tag (column) may follow a tag (row), bool [K, K].
        start: Tags that may start a sequence, bool [K].
        end: Tags that may end a sequence, bool [K].
        blocks: The same transitions as blocks, if they form any: with many tags that takes a
            quarter of the time, and less memory.
    """

    transitions: Array
    start: Array
    end: Array
    blocks: Blocks | None = None


class LinearChain(NamedTuple):
    """The distribution over the tag sequences of a batch of sequences.

    Attributes:
        scores: The potentials.
        lengths: Length of each sequence, at least 1, int64 [B].
        legal: What the tag scheme allows.
        allowed: Tags that each token may have, bool [B, T, K]; None for all.
    """

    scores: Scores
    lengths: Array
    legal: Legality
    allowed: Array | None = None

    def validate(self) -> None:
        """Check that the shapes fit together.

        Raises:
            ValueError: Naming the shapes that do not fit.
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

    def rows(self, rows: Array | slice, n_steps: int | None = None) -> "LinearChain":
        """Select sequences.

        Args:
            rows: Their indices, int64 [R], or a slice to have views.
            n_steps: Number of steps to keep, at least the longest of them; None for all.
        """
        scores = self.scores._replace(emissions=self.scores.emissions[rows, :n_steps])
        allowed = None if self.allowed is None else self.allowed[rows, :n_steps]
        return LinearChain(scores, self.lengths[rows], self.legal, allowed)

    def sequence(self, row: int, length: int) -> "LinearChain":
        """Select a single sequence, without the padding beyond its length."""
        return self.rows(slice(row, row + 1), length)


def by_step(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """Yield views of each step of arrays whose first axis is time, in order."""
    for start in range(0, len(arrays[0]), BLOCK):
        yield from zip(*(array[start : start + BLOCK] for array in arrays))

"""What the model says about docs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from thinc.api import Ops, get_array_module
from thinc.types import Floats1d, Floats2d

OUTSIDE = 0  # the tag outside of entities


@dataclass
class Potentials:
    """What the model says about a batch of docs, or a gradient with respect to it.

    Attributes:
        emissions: Score of each tag for each token, per doc [tokens, tags].
        transitions: Score of a tag (column) after a tag (row), [tags, tags].
        start: Score of a tag for the first token, [tags].
        end: Score of a tag for the last token, [tags].
    """

    emissions: list[Floats2d]
    transitions: Floats2d
    start: Floats1d
    end: Floats1d

    @classmethod
    def of_batches(cls, batches: Iterable["Potentials"]) -> "Potentials":
        """Those of several batches of docs, all by the same model, together."""
        first, *others = batches
        emissions = [doc for batch in [first, *others] for doc in batch.emissions]
        return replace(first, emissions=emissions)

    @classmethod
    def of_no_tokens(cls, ops: Ops, n_docs: int, n_tags: int) -> "Potentials":
        """Those of docs without tokens, where no score counts."""
        emissions = [ops.alloc2f(0, n_tags) for _ in range(n_docs)]
        return cls(emissions, ops.alloc2f(n_tags, n_tags), ops.alloc1f(n_tags), ops.alloc1f(n_tags))

    @property
    def n_tags(self) -> int:
        """Number of tags."""
        return len(self.start)

    def starting_anew(self, lengths: Sequence[list[int]]) -> "Potentials":
        """Those of docs in which the CRF starts anew at each of several sequences.

        Where a sequence ends and the next begins, the last tag has its end score, and the first its
        start score. The transition from "O" is taken out of that, as the CRF of the doc adds it. So
        the doc's score of tags is the sum of what the sequences alone would have, wherever a
        sequence ends outside of entities, as a sentence with its full stop does.

        Args:
            lengths: For each doc, how many tokens each of its sequences has.
        """
        first: Any = self.start - self.transitions[OUTSIDE]
        emissions = []
        for scores, starts in zip(self.emissions, map(self._starts, lengths)):
            if len(starts):
                changed: Any = scores.copy()
                changed[starts] += first
                changed[starts - 1] += self.end
                scores = changed
            emissions.append(scores)
        return replace(self, emissions=emissions)

    def before_starting_anew(self, lengths: Sequence[list[int]]) -> "Potentials":
        """Of a gradient with respect to `starting_anew`, that with respect to what that was of."""
        xp = get_array_module(self.start)
        start, end, transitions = (xp.array(x) for x in (self.start, self.end, self.transitions))
        for scores, starts in zip(self.emissions, map(self._starts, lengths)):
            gradient: Any = scores
            if len(starts):
                first = gradient[starts].sum(axis=0)
                start += first
                transitions[OUTSIDE] -= first
                end += gradient[starts - 1].sum(axis=0)
        return Potentials(self.emissions, transitions, start, end)

    def _starts(self, lengths: list[int]) -> Any:
        """Where sequences begin, but for the first."""
        return get_array_module(self.start).asarray(np.cumsum(lengths[:-1], dtype=np.int64))

    def scaled(self, factor: float) -> "Potentials":
        """All scores times a factor."""
        return Potentials(
            [doc * factor for doc in self.emissions],
            self.transitions * factor,
            self.start * factor,
            self.end * factor,
        )

    def plus(self, other: "Potentials") -> "Potentials":
        """The sums of these scores and others of the same shapes."""
        return Potentials(
            [ours + theirs for ours, theirs in zip(self.emissions, other.emissions)],
            self.transitions + other.transitions,
            self.start + other.start,
            self.end + other.end,
        )

    def dot(self, other: "Potentials") -> float:
        """The sum of the products of these scores with others of the same shapes."""
        shared = ("transitions", "start", "end")
        pairs = [(getattr(self, name), getattr(other, name)) for name in shared]
        return sum(
            float((ours * theirs).sum())
            for ours, theirs in [*pairs, *zip(self.emissions, other.emissions)]
        )

    def first_tags(self, n_tags: int) -> "Potentials":
        """The scores of only the first tags."""
        return Potentials(
            [doc[:, :n_tags] for doc in self.emissions],
            self.transitions[:n_tags, :n_tags],
            self.start[:n_tags],
            self.end[:n_tags],
        )

    def padded(self, n_tags: int) -> "Potentials":
        """These scores with zeros for the tags that follow, up to a number of tags."""
        new = n_tags - self.n_tags
        pad = get_array_module(self.start).pad
        return Potentials(
            [pad(doc, ((0, 0), (0, new))) for doc in self.emissions],
            pad(self.transitions, (0, new)),
            pad(self.start, (0, new)),
            pad(self.end, (0, new)),
        )

"""The scores that a model predicts for a batch of docs: the potentials of a CRF."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from thinc.api import Ops, get_array_module
from thinc.types import Floats1d, Floats2d

_OUTSIDE = 0  # the tag outside of entities; models may not import `tags`


@dataclass
class Potentials:
    """The scores that a model predicts for a batch of docs, or a gradient with respect to them.

    They are those of one chain, or of several chains over the same tokens. The tags of several
    chains stand side by side in the emissions; the other scores then have the chains as their first
    axis.

    Attributes:
        emissions: Score of each tag for each token, per doc float32 [n_tokens, n_tags].
        transitions: Score of each tag (column) after each tag (row), float32 [n_tags, n_tags].
        start: Score of each tag for the first token, float32 [n_tags].
        end: Score of each tag for the last token, float32 [n_tags].
    """

    emissions: list[Floats2d]
    transitions: Floats2d
    start: Floats1d
    end: Floats1d

    @classmethod
    def of_batches(cls, batches: Iterable["Potentials"]) -> "Potentials":
        """Join the potentials of several batches, all by the same model."""
        first, *others = batches
        emissions = [doc for batch in [first, *others] for doc in batch.emissions]
        return replace(first, emissions=emissions)

    @classmethod
    def of_no_tokens(cls, ops: Ops, n_docs: int, n_tags: int) -> "Potentials":
        """Return potentials for docs without tokens.

        Args:
            ops: Allocates the arrays.
            n_docs: Number of docs.
            n_tags: Number of tags.
        """
        emissions = [ops.alloc2f(0, n_tags) for _ in range(n_docs)]
        return cls(emissions, ops.alloc2f(n_tags, n_tags), ops.alloc1f(n_tags), ops.alloc1f(n_tags))

    @classmethod
    def side_by_side(cls, chains: Sequence["Potentials"]) -> "Potentials":
        """Put chains with the same number of tags side by side: the reverse of `chains`."""
        xp = get_array_module(chains[0].start)
        of_docs = zip(*(chain.emissions for chain in chains))
        shared = ("transitions", "start", "end")
        return cls(
            [xp.concatenate(of_doc, axis=1) for of_doc in of_docs],
            *(xp.stack([getattr(chain, name) for chain in chains]) for name in shared),
        )

    def chains(self) -> list["Potentials"]:
        """Return the potentials of each of several chains, as views."""
        n_chains, n_tags = cast(tuple[int, int], self.start.shape)
        columns = [slice(i * n_tags, (i + 1) * n_tags) for i in range(n_chains)]
        shared = zip(columns, self.transitions, self.start, self.end)
        return [
            Potentials([doc[:, of_chain] for doc in self.emissions], *cast(Any, of_all))
            for of_chain, *of_all in shared
        ]

    @property
    def n_tags(self) -> int:
        """Number of tags of a chain."""
        return int(self.start.shape[-1])

    def starting_anew(self, lengths: Sequence[list[int]]) -> "Potentials":
        """Return potentials with which the CRF starts anew at each sequence of a doc.

        Between two sequences, such as sentences, the last tag gets its end score and the first its
        start score, less the transition from "O", which the CRF of the doc adds. So the score of a
        tag sequence is the sum of the scores of its sequences alone, provided that each of them
        ends outside of entities, as a sentence with a full stop does.

        Args:
            lengths: For each doc, the number of tokens of each of its sequences.
        """
        transitions: Any = self.transitions
        first: Any = (self.start - transitions[..., _OUTSIDE, :]).ravel()
        last = self.end.ravel()
        emissions = []
        for scores, starts in zip(self.emissions, map(self._starts, lengths)):
            if len(starts):
                changed: Any = scores.copy()
                changed[starts] += first
                changed[starts - 1] += last
                scores = changed
            emissions.append(scores)
        return replace(self, emissions=emissions)

    def backprop_starting_anew(self, lengths: Sequence[list[int]]) -> "Potentials":
        """Backpropagate this gradient through `starting_anew`.

        Args:
            lengths: For each doc, the number of tokens of each of its sequences.

        Returns:
            The gradient with respect to the potentials before.
        """
        xp = get_array_module(self.start)
        start, end, transitions = (xp.array(x) for x in (self.start, self.end, self.transitions))
        for scores, starts in zip(self.emissions, map(self._starts, lengths)):
            gradient: Any = scores
            if len(starts):
                first = gradient[starts].sum(axis=0).reshape(start.shape)
                start += first
                transitions[..., _OUTSIDE, :] -= first
                end += gradient[starts - 1].sum(axis=0).reshape(end.shape)
        return Potentials(self.emissions, transitions, start, end)

    def _starts(self, lengths: list[int]) -> Any:
        """Return the first token of each sequence but the first, int64."""
        return get_array_module(self.start).asarray(np.cumsum(lengths[:-1], dtype=np.int64))

    def scaled(self, factor: float) -> "Potentials":
        """Multiply all scores with a factor."""
        return Potentials(
            [doc * factor for doc in self.emissions],
            self.transitions * factor,
            self.start * factor,
            self.end * factor,
        )

    def plus(self, other: "Potentials") -> "Potentials":
        """Add other potentials of the same shapes."""
        return Potentials(
            [ours + theirs for ours, theirs in zip(self.emissions, other.emissions)],
            self.transitions + other.transitions,
            self.start + other.start,
            self.end + other.end,
        )

    def dot(self, other: "Potentials") -> float:
        """Return the dot product with other potentials of the same shapes."""
        shared = ("transitions", "start", "end")
        pairs = [(getattr(self, name), getattr(other, name)) for name in shared]
        return sum(
            float((ours * theirs).sum())
            for ours, theirs in [*pairs, *zip(self.emissions, other.emissions)]
        )

    def first_tags(self, n_tags: int) -> "Potentials":
        """Select the scores of the first tags."""
        return Potentials(
            [doc[:, :n_tags] for doc in self.emissions],
            self.transitions[:n_tags, :n_tags],
            self.start[:n_tags],
            self.end[:n_tags],
        )

    def taken(self, tag_ids: np.ndarray) -> "Potentials":
        """Select the scores of tags, in any order; a tag may be there several times.

        Args:
            tag_ids: The tags, int64.
        """
        chosen: Any = get_array_module(self.start).asarray(tag_ids)
        transitions: Any = self.transitions
        return Potentials(
            [doc[:, chosen] for doc in self.emissions],
            transitions[chosen][:, chosen],
            self.start[chosen],
            self.end[chosen],
        )

    def padded(self, n_tags: int) -> "Potentials":
        """Append zeros up to a number of tags."""
        new = n_tags - self.n_tags
        pad = get_array_module(self.start).pad
        return Potentials(
            [pad(doc, ((0, 0), (0, new))) for doc in self.emissions],
            pad(self.transitions, (0, new)),
            pad(self.start, (0, new)),
            pad(self.end, (0, new)),
        )

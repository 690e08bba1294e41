"""One tag sequence for each sequence of a batch: its score and its counts."""

from typing import NamedTuple

from .arrays import Array, arange, float64, totals
from .chain import Scores


class TagSequences(NamedTuple):
    """A tag sequence for each sequence of a batch, or for some of them.

    Attributes:
        tags: Tag ids, int64 [B, T].
        pairs: Index of each transition in the flat [K * K], int64 [B, T - 1].
        last: Last tag of each sequence, int64 [B].
        weights: 1 for tokens of the tag sequences, 0 for all others, float64 [B, T].
    """

    tags: Array
    pairs: Array
    last: Array
    weights: Array

    def score(self, scores: Scores) -> Array:
        """Compute the unnormalized score of each tag sequence.

        Args:
            scores: The potentials.

        Returns:
            float64 [B]; 0 for a sequence without a tag sequence.
        """
        emissions, transitions, start, end = scores
        of_token = float64(emissions[self._tokens()])
        of_token[:, 1:] += transitions.take(self.pairs)
        # The start and end scores have the weight of the first token
        of_token[:, 0] += float64(start).take(self.tags[:, 0]) + float64(end).take(self.last)
        return (of_token * self.weights).sum(-1)

    def subtract_from(self, emissions: Array, transitions: Array) -> None:
        """Subtract the counts of the tag sequences from other counts, in place.

        Args:
            emissions: Counts per sequence, [B.., T, K]; further sequences may follow these B.
            transitions: Counts summed over sequences, [K, K].
        """
        emissions[self._tokens()] -= self.weights
        pairs, weights = self.pairs.reshape(-1), self.weights[:, 1:].reshape(-1)
        counts = totals(pairs, weights, len(transitions) ** 2)
        transitions -= counts.reshape(transitions.shape)

    def _tokens(self) -> tuple[Array, Array, Array]:
        """Return the indices of the tags' emissions in [B, T, K]."""
        n_rows, n_steps = self.tags.shape
        steps = arange(n_steps, like=self.tags)
        return arange(n_rows, like=self.tags)[:, None], steps, self.tags


def tag_sequences(tags: Array, lengths: Array, inside: Array, n_tags: int) -> TagSequences:
    """Prepare tag sequences for `TagSequences.score` and `TagSequences.subtract_from`.

    Args:
        tags: Tag ids, int64 [B, T].
        lengths: Length of each sequence, at least 1, int64 [B].
        inside: Which tokens belong to the tag sequences, bool [B, T].
        n_tags: Number of tags, K.
    """
    pairs = tags[:, :-1] * n_tags + tags[:, 1:]
    last = tags[arange(len(tags), like=tags), lengths - 1]
    return TagSequences(tags, pairs, last, float64(inside))

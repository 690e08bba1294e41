"""One tag sequence for each sequence of a batch: its score and its counts."""

from typing import NamedTuple

import torch
from torch import Tensor

from .chain import Scores


class TagSequences(NamedTuple):
    """A tag sequence for each sequence of a batch, or for some of them.

    Attributes:
        tags: Tag ids, int64 [B, T].
        pairs: Index of each transition in the flat [K * K], int64 [B, T - 1].
        last: Last tag of each sequence, int64 [B].
        weights: 1 for tokens of the tag sequences, 0 for all others, float64 [B, T].
    """

    tags: Tensor
    pairs: Tensor
    last: Tensor
    weights: Tensor

    def score(self, scores: Scores) -> Tensor:
        """Compute the unnormalized score of each tag sequence.

        Args:
            scores: The potentials.

        Returns:
            float64 [B]; 0 for a sequence without a tag sequence.
        """
        emissions, transitions, start, end = scores
        of_token = emissions.gather(2, self.tags[..., None])[..., 0].double()
        of_token[:, 1:] += transitions.take(self.pairs)
        # The start and end scores have the weight of the first token
        of_token[:, 0] += start.double().take(self.tags[:, 0]) + end.double().take(self.last)
        return torch.linalg.vecdot(of_token, self.weights)

    def subtract_from(self, emissions: Tensor, transitions: Tensor) -> None:
        """Subtract the counts of the tag sequences from other counts, in place.

        Args:
            emissions: Counts per sequence, [B.., T, K]; further sequences may follow these B.
            transitions: Counts summed over sequences, [K, K].
        """
        once = -self.weights
        emissions[: len(once)].scatter_add_(2, self.tags[..., None], once[..., None])
        transitions.view(-1).index_add_(0, self.pairs.flatten(), once[:, 1:].flatten())


def tag_sequences(tags: Tensor, lengths: Tensor, inside: Tensor, n_tags: int) -> TagSequences:
    """Prepare tag sequences for `TagSequences.score` and `TagSequences.subtract_from`.

    Args:
        tags: Tag ids, int64 [B, T].
        lengths: Length of each sequence, at least 1, int64 [B].
        inside: Which tokens belong to the tag sequences, bool [B, T].
        n_tags: Number of tags, K.
    """
    pairs = tags[:, :-1] * n_tags + tags[:, 1:]
    last = tags.gather(1, lengths[:, None] - 1)[:, 0]
    return TagSequences(tags, pairs, last, inside.double())

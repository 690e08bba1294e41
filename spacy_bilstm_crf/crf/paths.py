"""One tag sequence of each sequence: its score, and how often it uses each of the potentials."""

from typing import NamedTuple

import torch
from torch import Tensor

from .chain import Scores


class Paths(NamedTuple):
    """A tag sequence of each sequence of a batch, or none of some of them."""

    tags: Tensor  # int64 [B, T]
    pairs: Tensor  # int64 [B, T - 1]: where each transition is in the flat [K * K]
    last: Tensor  # int64 [B]: each sequence's last tag
    weights: Tensor  # float64 [B, T]: 1 for the tokens of the tag sequences, 0 for the rest

    def score(self, scores: Scores) -> Tensor:
        """The unnormalised score of each tag sequence, float64 [B]; 0 where there is none."""
        emissions, transitions, start, end = scores
        of_token = emissions.gather(2, self.tags[..., None])[..., 0].double()
        of_token[:, 1:] += transitions.take(self.pairs)
        # The weight of the start and of the end is that of the first token
        of_token[:, 0] += start.double().take(self.tags[:, 0]) + end.double().take(self.last)
        return torch.linalg.vecdot(of_token, self.weights)

    def take_from(self, emissions: Tensor, transitions: Tensor) -> None:
        """Take how often each score is used off counts, in place.

        Args:
            emissions: Counts of each sequence and maybe of others after them, [B.., T, K].
            transitions: Counts of all sequences, [K, K].
        """
        once = -self.weights
        emissions[: len(once)].scatter_add_(2, self.tags[..., None], once[..., None])
        transitions.view(-1).index_add_(0, self.pairs.flatten(), once[:, 1:].flatten())


def paths(tags: Tensor, lengths: Tensor, inside: Tensor, n_tags: int) -> Paths:
    """Tag sequences of sequences.

    Args:
        tags: Tag ids, int64 [B, T].
        lengths: Length of each sequence, at least 1, int64 [B].
        inside: Which tokens belong to the tag sequences, bool [B, T].
        n_tags: Number of tags, K.
    """
    pairs = tags[:, :-1] * n_tags + tags[:, 1:]
    last = tags.gather(1, lengths[:, None] - 1)[:, 0]
    return Paths(tags, pairs, last, inside.double())

"""One tagging of each sequence: its score, and how often it uses each of the potentials."""

from typing import NamedTuple

import torch
from torch import Tensor

from .scores import Scores


class Paths(NamedTuple):
    """A tagging of each sequence of a batch, or none of some of them."""

    tags: Tensor  # int64 [B, T]
    weights: Tensor  # float64 [B, T]: 1 for the tokens of the taggings, 0 for the rest
    last: Tensor  # int64 [B, 1]: the last token of each sequence

    def score(self, scores: Scores) -> Tensor:
        """The unnormalised score of each tagging, float64 [B]; 0 where there is none."""
        emissions, transitions, start, end = (part.detach() for part in scores)
        of_token = emissions.gather(2, self.tags[..., None])[..., 0].double()
        of_token[:, 1:] += transitions.take(self._pairs(len(start)))
        of_token[:, 0] += start.take(self.tags[:, 0])
        # Its weight is that of the first token: there is one or the tagging is not there
        ends = end.take(self.tags.gather(1, self.last)[:, 0])
        return torch.linalg.vecdot(of_token, self.weights) + ends * self.weights[:, 0]

    def take_from(self, gradient: Scores) -> None:
        """Take how often each score is used off a gradient, in place."""
        once = -self.weights
        gradient.emissions.scatter_add_(2, self.tags[..., None], once[..., None])
        pairs = self._pairs(len(gradient.start)).flatten()
        gradient.transitions.view(-1).index_add_(0, pairs, once[:, 1:].flatten())
        gradient.start.index_add_(0, self.tags[:, 0], once[:, 0])
        gradient.end.index_add_(0, self.tags.gather(1, self.last)[:, 0], once[:, 0])

    def _pairs(self, n_tags: int) -> Tensor:
        """Where each token's transition is in the flat [K * K]: [B, T - 1]."""
        return self.tags[:, :-1] * n_tags + self.tags[:, 1:]


def paths(tags: Tensor, lengths: Tensor, inside: Tensor) -> Paths:
    """Taggings of sequences.

    tags (Tensor): Tag ids, int64 [B, T].
    lengths (Tensor): Length of each sequence, at least 1, int64 [B].
    inside (Tensor): Which tokens belong to the taggings, bool [B, T].
    """
    return Paths(tags, inside.double(), lengths[:, None] - 1)

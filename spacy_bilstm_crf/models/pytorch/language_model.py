"""A network that predicts next and previous words, in pure torch."""

import torch
from torch import Tensor, nn

from .defaults import FLOATS


class NextAndPreviousWordNetwork(nn.Module):
    """Predicts the neighbours of each token from the states of a bidirectional LSTM.

    Words are hashed to the rows of a table. The state of the forward LSTM after a token predicts
    the row of the next word, that of the backward LSTM the row of the previous word, with a softmax
    over the rows of all words of the batch (Peters et al. 2017 have one over all words).

    Args:
        n_rows: Rows of the table.
        hidden_width: Units of each direction.
    """

    def __init__(self, n_rows: int, hidden_width: int):
        super().__init__()
        self.rows = nn.Parameter(torch.empty(n_rows, hidden_width, **FLOATS))
        self.bias = nn.Parameter(torch.zeros(n_rows, **FLOATS))
        nn.init.normal_(self.rows, std=hidden_width**-0.5)

    def forward(self, hidden: Tensor, rows: Tensor, lengths: Tensor) -> Tensor:
        """Compute the negative log-probability of each neighbour, in nats.

        Args:
            hidden: States of the forward and the backward LSTM side by side, float32
                [sum of lengths, 2 * hidden_width].
            rows: Row of each token's word, int64 [sum of lengths].
            lengths: Number of tokens of each document, int64 on the CPU.

        Returns:
            The losses of the next words of all tokens but the last of a document, then those of the
            previous words of all tokens but the first: float32
            [2 * (sum of lengths - number of documents with tokens)].
        """
        document = torch.repeat_interleave(torch.arange(len(lengths), device="cpu"), lengths)
        before = (document[1:] == document[:-1]).nonzero()[:, 0].to(hidden.device)
        after = before + 1
        candidates, word = torch.unique(rows, return_inverse=True)
        forth, back = hidden.chunk(2, 1)
        states = torch.cat([forth[before], back[after]])
        logits = torch.addmm(self.bias[candidates], states, self.rows[candidates].T)
        neighbours = torch.cat([word[after], word[before]])
        return nn.functional.cross_entropy(logits, neighbours, reduction="none")

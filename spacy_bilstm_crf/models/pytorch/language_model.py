"""Next and previous words as what an encoder is to predict, in torch alone."""

import torch
from torch import Tensor, nn

from .defaults import FLOATS


class NextAndPreviousWordNetwork(nn.Module):
    """How improbable each token's neighbours are, by the states of a bidirectional LSTM.

    Words share the rows of a table. What the forward LSTM says after a token is compared with the
    row of the next word, what the backward LSTM says with that of the word before, and both with
    the rows of all words of the batch: a softmax over these (Peters et al. 2017 have one over all
    words).

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
        """Negative log-probability of each neighbour, in nats.

        Args:
            hidden: States of the forward and the backward LSTM side by side, [sum of lengths,
                2 * hidden_width].
            rows: Row of each token's word, [sum of lengths].
            lengths: Number of tokens of each document, on the CPU.

        Returns:
            Of the next words of all tokens but the last of a document, then of the previous words
            of all but the first: shape [2 * (sum of lengths - number of documents with tokens)].
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

"""The words beside each token, against a plain softmax."""

import torch

from spacy_bilstm_crf.models.pytorch.language_model import NextAndPreviousWordNetwork


def test_neighbours_are_what_a_softmax_over_the_words_of_the_batch_says():
    network = NextAndPreviousWordNetwork(n_rows=50, hidden_width=4)
    torch.nn.init.normal_(network.bias)
    lengths = torch.tensor([3, 0, 1, 2])
    words = torch.tensor([7, 9, 7, 3, 9, 11])
    hidden = torch.randn(6, 8, requires_grad=True)
    found = network(hidden, words, lengths)
    candidates = [3, 7, 9, 11]
    expected = []
    for half, pairs in ((0, [(0, 1), (1, 2), (4, 5)]), (1, [(1, 0), (2, 1), (5, 4)])):
        for token, neighbour in pairs:
            state = hidden[token, 4 * half : 4 * half + 4]
            scores = torch.stack([state @ network.rows[c] + network.bias[c] for c in candidates])
            place = candidates.index(int(words[neighbour]))
            expected.append(-torch.log_softmax(scores, 0)[place])
    torch.testing.assert_close(found, torch.stack(expected))
    # The last token of a doc has no next word, the first no previous one
    found.sum().backward()
    has_next, has_previous = (hidden.grad[:, part].any(1) for part in (slice(4), slice(4, 8)))
    assert has_next.tolist() == [True, True, False, False, True, False]
    assert has_previous.tolist() == [False, True, True, False, False, True]


def test_single_tokens_say_nothing():
    network = NextAndPreviousWordNetwork(n_rows=50, hidden_width=4)
    assert not len(network(torch.randn(2, 8), torch.tensor([1, 2]), torch.tensor([1, 1])))
